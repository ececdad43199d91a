//! `gridwatch cameras import|probe|reload|reference|list`.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use domain::{CameraId, Millis, StreamRole};

use super::table;
use crate::{
    cameras::{Elsewhere, Row, RowResult, Write, import},
    cli::{Format, ProbeFleetArgs},
    config::{CameraConfig, Config},
    probing::{self, Plan, Probed},
};

/// Thousands of cameras are read and compared within seconds.
const RELOAD_WITHIN: Duration = Duration::from_secs(20);

/// Imports `csv` and prints what became of its rows.
///
/// # Errors
/// When nothing could be imported, or some rows were bad or duplicates (after the good ones were written).
pub fn run_import(
    config_path: &Path,
    csv: &Path,
    into: Option<&Path>,
    write: Write,
    format: Format,
) -> anyhow::Result<()> {
    let folder = config_path.parent().unwrap_or(Path::new(""));
    let target = into.map_or_else(|| folder.join("cameras/imported.toml"), Path::to_owned);
    let mut elsewhere = Elsewhere::default();
    if config_path.exists() {
        let own = target.canonicalize().ok();
        elsewhere.grid = Config::load_outlines(config_path)?;
        for (camera, origin) in Config::load_cameras(config_path)? {
            if origin.canonicalize().ok() != own || own.is_none() {
                elsewhere.add(&camera, &origin);
            }
        }
    }
    let rows = import(csv, &target, &elsewhere, write)?;
    report("camera", config_path, &target, &rows, write, format)
}

/// Prints what became of the rows of an import.
pub(super) fn report(
    what: &str,
    config_path: &Path,
    target: &Path,
    rows: &[Row],
    write: Write,
    format: Format,
) -> anyhow::Result<()> {
    let folder = config_path.parent().unwrap_or(Path::new(""));
    let count = |result: &str| rows.iter().filter(|row| row.result.as_str() == result).count();
    match format {
        Format::Table => {
            let mut listing = table(&["line", what, "result", "detail"]);
            for row in rows.iter().filter(|row| row.result != RowResult::Unchanged) {
                let result =
                    if row.result.is_good() { row.result.as_str() } else { &row.result.as_str().to_uppercase() };
                listing.add_row([
                    row.line.to_string(),
                    row.id.clone(),
                    result.to_owned(),
                    row.result.detail().unwrap_or_default(),
                ]);
            }
            println!("{listing}\n");
        }
        Format::Csv => {
            let mut out = csv::Writer::from_writer(std::io::stdout());
            out.write_record(["line", what, "result", "detail"])?;
            for row in rows {
                let detail = row.result.detail().unwrap_or_default();
                out.write_record([&row.line.to_string(), &row.id, row.result.as_str(), &detail])?;
            }
            out.flush()?;
        }
        Format::Json => {
            let list: Vec<_> = rows
                .iter()
                .map(|row| serde_json::json!({ "line": row.line, what: row.id, "result": row.result.as_str(), "detail": row.result.detail() }))
                .collect();
            println!(
                "{}",
                serde_json::to_string_pretty(
                    &serde_json::json!({ "file": target, "written": write == Write::Commit, "rows": list })
                )?
            );
        }
    }
    let verb = if write == Write::DryRun { "would be written to" } else { "written to" };
    let [new, changed, unchanged, duplicate, bad] = ["new", "changed", "unchanged", "duplicate", "bad"].map(count);
    // A report for a program holds nothing else.
    let say = |line: &str| if format == Format::Table { println!("{line}") } else { eprintln!("{line}") };
    say(&format!(
        "{new} new, {changed} changed, {unchanged} unchanged, {duplicate} duplicate, {bad} bad; {verb} {}",
        target.display()
    ));
    if !includes(config_path, target)? {
        say(&format!("add it to the configuration: include = [\"{}\"]", display_relative(folder, target)));
    }
    if duplicate + bad > 0 {
        bail!(
            "{} of {} rows are bad or duplicates: correct them and import the file again; the good ones are done",
            duplicate + bad,
            rows.len()
        );
    }
    Ok(())
}

/// Connects to each camera once and prints what it sends or what is wrong.
///
/// # Errors
/// When the configuration does not load, names none of the wanted cameras, or a stream cannot be used.
pub async fn run_probe(arguments: ProbeFleetArgs) -> anyhow::Result<()> {
    let mut config = Config::load(&arguments.config.path)?;
    if let Some(unknown) = arguments.camera.iter().find(|id| !config.cameras.iter().any(|camera| camera.id == **id)) {
        bail!("--camera {unknown}: the configuration has no such camera");
    }
    config.cameras.retain(|camera| arguments.camera.is_empty() || arguments.camera.contains(&camera.id));
    let limit = config.ingest.sessions_per_host;
    let plan = Plan {
        in_flight: arguments.in_flight,
        per_host: if limit == 0 { arguments.per_host } else { arguments.per_host.min(limit) },
        watch: arguments.watch,
        look_interval: config.ingest.look_interval,
    };
    let told = |done: usize, of: usize| {
        if done.is_multiple_of(100) || done == of {
            eprintln!("{done} of {of} streams probed");
        }
    };
    let results = probing::probe_all(&config.cameras, plan, told).await;
    match arguments.format {
        Format::Table => println!("{}\n\n{}", probe_table(&results), summary(&results)),
        Format::Csv => {
            let mut out = csv::Writer::from_writer(std::io::stdout());
            results.iter().try_for_each(|probed| out.serialize(probed))?;
            out.flush()?;
        }
        Format::Json => println!("{}", serde_json::to_string_pretty(&results)?),
    }
    let bad = results.iter().filter(|probed| !probed.is_usable()).count();
    if bad > 0 {
        bail!("{bad} of {} streams cannot be used", results.len());
    }
    Ok(())
}

/// How many streams have which result, the most frequent first.
fn summary(results: &[Probed]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    results.iter().for_each(|probed| *counts.entry(probed.result).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    counts.iter().map(|(result, n)| format!("{n} {result}")).collect::<Vec<_>>().join(", ")
}

/// What was found of each stream.
pub(super) fn probe_table(results: &[Probed]) -> comfy_table::Table {
    let mut listing = table(&["camera", "stream", "codec", "size", "fps", "keyframes", "kbit/s", "result", "note"]);
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    for probed in results {
        let millis = |seconds: f64| Millis((seconds * 1e3) as i64).to_string();
        let keyframes = probed.keyframe_interval_s.map(millis);
        let one = || probed.no_keyframe_for_s.map(|seconds| format!("> {}", millis(seconds)));
        listing.add_row([
            probed.camera.to_string(),
            probed.stream.to_owned(),
            text(probed.codec.map(|codec| codec.to_string())),
            text(probed.width.zip(probed.height).map(|(width, height)| format!("{width}x{height}"))),
            text(probed.fps.map(|fps| format!("{fps:.1}"))),
            text(keyframes.or_else(one)),
            text(probed.kbit_s.map(|rate| rate.to_string())),
            probed.result.to_owned(),
            probed.note.clone().unwrap_or_default(),
        ]);
    }
    listing
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
    let sections: Vec<_> = body["restart"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
    if !sections.is_empty() {
        println!("changed, but not taken in before a restart: {}", sections.join(", "));
    }
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

/// Asks the gridwatch that runs with this configuration to take a camera's next picture as its reference.
///
/// # Errors
/// When none runs, or it does not know the camera.
pub async fn run_reference(config_path: &Path, id: &CameraId) -> anyhow::Result<()> {
    let mut console = Config::console(config_path)?;
    if console.ip().is_unspecified() {
        console.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let url = format!("http://{console}/api/cameras/{id}/reference");
    let asked = reqwest::Client::new().post(&url).timeout(RELOAD_WITHIN).send().await;
    let answer = asked.with_context(|| format!("{url}: no answer; does gridwatch run with this configuration?"))?;
    match answer.status().as_u16() {
        202 => {
            println!("camera {id}: the next picture will be the reference");
            Ok(())
        }
        404 => bail!("the running gridwatch knows no camera {id}; see gridwatch cameras list"),
        status => bail!("{url} answers {status}; see the log of gridwatch"),
    }
}
