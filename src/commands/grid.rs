//! `gridwatch grid import|list|locate`.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::table;
use crate::{
    cameras::Write,
    config::Config,
    grid::{self, Area, Grid, Level},
};

/// Reads a file of outlines into the data folder, where every later start finds it.
///
/// # Errors
/// When the file is not good, does not fit to what is there, or cannot be written.
pub fn run_import(path: &Path, file: &Path, write: Write) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let folder = config.imported_grids();
    let name = file.file_stem().with_context(|| format!("{} is no file", file.display()))?;
    let target = folder.join(name).with_extension("geojson");
    let mut files = config.grid.files;
    files.extend(grid::imported(&folder).into_iter().filter(|other| *other != target));
    files.push(file.to_owned());
    let tree = grid::read(&files)?;
    for level in [Level::City, Level::District, Level::Street, Level::Community, Level::Cell] {
        let of_level = tree.areas().filter(|area| area.level() == level);
        let (count, drawn) = of_level.fold((0, 0), |(n, drawn), area| (n + 1, drawn + usize::from(area.has_outline())));
        let (zh, en) = level.words();
        println!("{zh} {en}: {count}, {drawn} with outlines");
    }
    tree.oddities().iter().for_each(|oddity| println!("note: {oddity}"));
    if write == Write::Commit {
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let text = std::fs::read(file).with_context(|| file.display().to_string())?;
        // Beside the target and renamed, so that a crash leaves the old file or the new one.
        let mut copy = tempfile::NamedTempFile::new_in(&folder)?;
        std::io::Write::write_all(&mut copy, &text)?;
        copy.as_file().sync_all()?;
        copy.persist(&target).with_context(|| target.display().to_string())?;
    }
    let verb = if write == Write::DryRun { "would be written to" } else { "written to" };
    println!("{verb} {}; a running gridwatch finds it at its next start", target.display());
    Ok(())
}

fn tree(path: &Path) -> anyhow::Result<(Config, Grid)> {
    let config = Config::load(path)?;
    let grid = config.load_grid(path)?;
    if grid.is_empty() {
        bail!("there is no grid; bring one in with: gridwatch grid import FILE");
    }
    Ok((config, grid))
}

/// Lists the areas as a tree, with how many cameras stand in each.
///
/// # Errors
/// When the configuration or a file of outlines cannot be read, or there is none.
pub fn run_list(path: &Path) -> anyhow::Result<()> {
    let (config, grid) = tree(path)?;
    let mut listing = table(&["code", "level", "name", "outline", "cameras"]);
    for area in grid.areas() {
        let codes = config.cameras.iter().filter_map(|camera| Some(&camera.place.as_ref()?.grid));
        let digits = if area.level() == Level::City { &area.code.as_str()[..4] } else { area.code.as_str() };
        listing.add_row([
            area.code.as_str().to_owned(),
            area.level().words().1.to_owned(),
            name(area),
            if area.has_outline() { "yes" } else { "-" }.to_owned(),
            codes.filter(|code| code.as_str().starts_with(digits)).count().to_string(),
        ]);
    }
    println!("{listing}");
    Ok(())
}

/// Says in which areas a point lies, from the city down.
///
/// # Errors
/// As [`run_list`], or when no area holds the point.
pub fn run_locate(path: &Path, lon: f64, lat: f64) -> anyhow::Result<()> {
    let (_, grid) = tree(path)?;
    let Some(area) = grid.locate(lon, lat) else {
        bail!("no area of the grid holds {lon}, {lat}; longitude comes first, and both are WGS 84 degrees");
    };
    for area in grid.path(&area.code) {
        let (zh, en) = area.level().words();
        println!("{:<15} {zh} {en}  {}", area.code.as_str(), name(area));
    }
    Ok(())
}

fn name(area: &Area) -> String {
    [area.name.as_str(), &area.name_en].join(" ").trim().to_owned()
}
