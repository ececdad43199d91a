//! `gridwatch cameras import|reload|list`.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use domain::StreamRole;

use super::table;
use crate::{
    cameras::{RowResult, Write, import},
    config::{CameraConfig, Config},
};

/// Thousands of cameras are read and compared within seconds.
const RELOAD_WITHIN: Duration = Duration::from_secs(20);

/// Imports `csv`; prints a line for each row that is not unchanged, and a summary.
///
/// # Errors
/// When nothing could be imported, or some rows were bad (after the good ones were written).
pub fn run_import(config_path: &Path, csv: &Path, into: Option<&Path>, write: Write) -> anyhow::Result<()> {
    let folder = config_path.parent().unwrap_or(Path::new(""));
    let target = into.map_or_else(|| folder.join("cameras/imported.toml"), Path::to_owned);
    let mut elsewhere = BTreeMap::new();
    if config_path.exists() {
        let own = target.canonicalize().ok();
        for (camera, origin) in Config::load_cameras(config_path)? {
            if origin.canonicalize().ok() != own || own.is_none() {
                elsewhere.insert(camera.id.to_string(), origin.display().to_string());
            }
        }
    }
    let rows = import(csv, &target, &elsewhere, write)?;
    let mut listing = table(&["line", "camera", "result"]);
    let mut counts = [0_usize; 4];
    for row in &rows {
        let (index, text) = match &row.result {
            RowResult::New => (0, "new"),
            RowResult::Changed => (1, "changed"),
            RowResult::Unchanged => (2, "unchanged"),
            RowResult::Bad(reason) => (3, reason.as_str()),
        };
        counts[index] += 1;
        if index != 2 {
            listing.add_row([
                row.line.to_string(),
                row.id.clone(),
                if index == 3 { format!("BAD: {text}") } else { text.into() },
            ]);
        }
    }
    println!("{listing}\n");
    let [new, changed, unchanged, bad] = counts;
    let verb = if write == Write::DryRun { "would be written to" } else { "written to" };
    println!("{new} new, {changed} changed, {unchanged} unchanged, {bad} bad; {verb} {}", target.display());
    if !includes(config_path, &target)? {
        println!("add it to the configuration: include = [\"{}\"]", display_relative(folder, &target));
    }
    if bad > 0 {
        bail!("{bad} of {} rows are bad: correct them and import the file again; the good ones are done", rows.len());
    }
    Ok(())
}

/// Has the gridwatch that runs with this configuration read it anew.
///
/// # Errors
/// When it does not run, or refuses the configuration.
pub async fn run_reload(config_path: &Path) -> anyhow::Result<()> {
    let mut console = Config::console(config_path)?;
    if console.ip().is_unspecified() {
        console.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let url = format!("http://{console}/api/reload");
    let asked = reqwest::Client::new().post(&url).timeout(RELOAD_WITHIN).send().await;
    let answer = asked.with_context(|| format!("{url}: no answer; does gridwatch run with this configuration?"))?;
    let status = answer.status();
    let body: serde_json::Value = serde_json::from_str(&answer.text().await?)
        .with_context(|| format!("{url} answers {status}, which is no answer of gridwatch's"))?;
    if !status.is_success() {
        bail!("refused: {}", body["detail"].as_str().unwrap_or(status.as_str()));
    }
    for what in ["added", "changed", "removed"] {
        for camera in body[what].as_array().into_iter().flatten() {
            println!("{what:<10} {}", camera.as_str().unwrap_or_default());
        }
    }
    let count = |what: &str| body[what].as_array().map_or(0, Vec::len);
    println!(
        "{} added, {} changed, {} removed, {} unchanged",
        count("added"),
        count("changed"),
        count("removed"),
        body["unchanged"]
    );
    Ok(())
}

fn includes(config_path: &Path, target: &Path) -> anyhow::Result<bool> {
    if !config_path.exists() || !target.exists() {
        return Ok(false);
    }
    let target = target.canonicalize().with_context(|| target.display().to_string())?;
    Ok(Config::included_files(config_path)?.iter().any(|file| file.canonicalize().ok().as_ref() == Some(&target)))
}

fn display_relative(folder: &Path, target: &Path) -> String {
    target.strip_prefix(folder).map_or_else(|_| target.to_owned(), PathBuf::from).display().to_string()
}

/// Lists the configured cameras; never a credential.
///
/// # Errors
/// When the configuration does not load.
pub fn run_list(config_path: &Path) -> anyhow::Result<()> {
    let config = Config::load(config_path)?;
    let mut listing = table(&["camera", "name", "grid", "zones", "source"]);
    for camera in &config.cameras {
        listing.add_row([
            camera.id.to_string(),
            camera.display_name().to_owned(),
            camera.place.as_ref().map_or("-", |place| place.grid.as_str()).to_owned(),
            zones(camera),
            source(camera),
        ]);
    }
    println!("{listing}\n\n{} cameras", config.cameras.len());
    Ok(())
}

fn source(camera: &CameraConfig) -> String {
    let roles = [StreamRole::Sub, StreamRole::Main];
    let mut shown: Vec<_> = roles.into_iter().filter_map(|role| camera.stream.shown(role)).collect();
    shown.dedup();
    shown.join(", ")
}

fn zones(camera: &CameraConfig) -> String {
    if camera.zones.is_empty() {
        return "none: no rule can hold".into();
    }
    let names: Vec<_> = camera.zones.iter().map(|zone| zone.id.as_str()).collect();
    names.join(", ")
}
