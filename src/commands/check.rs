//! `gridwatch check`: everything that can be known before a start.

use std::path::Path;

use alerts::store::{Database, Store};
use anyhow::bail;
use detect::Detectors;
use domain::{Fit, Millis};

use crate::{
    config::{CameraConfig, Config, ConfigError},
    looker,
    overlaps::Overlapping,
    probing::{self, Plan},
};

/// Cameras probed at the same time; an NVR's session limit is a few dozen.
const PROBES_IN_FLIGHT: usize = 16;

/// Whether `check` connects to cameras, database and broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Files only.
    Offline,
    /// Cameras, database and broker too.
    Online,
}

/// Checks and prints; each finding is a line, and one bad line fails the whole at the end.
///
/// # Errors
/// When anything is not as it must be.
pub async fn run(path: &Path, reach: Reach, timeout: Millis) -> anyhow::Result<()> {
    let config = match Config::load(path) {
        Err(ConfigError::Overlaps(all)) => {
            all.iter().for_each(|error| println!("PROBLEM  overlaps: {error}"));
            bail!("{} problems", all.len());
        }
        loaded => loaded?,
    };
    let mut problems = 0;
    let mut line = |what: &str, result: Result<String, String>| match result {
        Ok(text) => println!("ok       {what}: {text}"),
        Err(text) => {
            problems += 1;
            println!("PROBLEM  {what}: {text}");
        }
    };
    line("configuration", Ok(format!("{} with {} cameras", path.display(), config.cameras.len())));
    line("model", check_model(&config).await);
    let zoneless: Vec<_> =
        config.cameras.iter().filter(|camera| camera.zones.is_empty()).map(|camera| camera.id.as_str()).collect();
    line(
        "zones",
        if zoneless.is_empty() {
            Ok(format!("{} zones", config.cameras.iter().map(|camera| camera.zones.len()).sum::<usize>()))
        } else {
            Err(format!("no ticket can come from cameras without a zone: {}", zoneless.join(", ")))
        },
    );
    if let Some(text) = overlapping_zones(&config) {
        line("overlaps", Ok(text));
    }
    if let Some(text) = known_grounds(&config) {
        line("ground", Ok(text));
    }
    line("holidays", Ok(known_years(&config, path)?));
    if reach == Reach::Online {
        line("database", check_database(&config).await);
        line(
            "broker",
            match &config.mqtt.url {
                None => Ok(format!("embedded, on {}", config.broker.listen)),
                Some(_) => check_broker(&config).await,
            },
        );
        let bad = check_cameras(&config, timeout).await;
        if bad > 0 {
            problems += 1;
            println!("\nPROBLEM  cameras: {bad} of {} streams cannot be used", config.cameras.len());
        }
    }
    if problems > 0 {
        bail!("{problems} problems");
    }
    Ok(())
}

/// Which zones are said to overlap, and which of them from one side only; none where none are.
fn overlapping_zones(config: &Config) -> Option<String> {
    let Overlapping { pairs, one_sided } = Overlapping::of(&config.cameras);
    let named = |(here, there)| format!("{} by {}", String::from(there), String::from(here));
    let one_sided: Vec<_> = one_sided.into_iter().map(named).collect();
    match (pairs, one_sided.is_empty()) {
        (0, _) => None,
        (_, true) => Some(format!("{pairs} pairs of zones")),
        (_, false) => {
            Some(format!("{pairs} pairs of zones; named from one side only, which is enough: {}", one_sided.join(", ")))
        }
    }
}

/// How well each camera's control points agree; none where no camera has any.
fn known_grounds(config: &Config) -> Option<String> {
    let of_camera = |camera: &CameraConfig| {
        let ground = camera.ground.as_ref()?;
        let Fit { points, rms, worst: (off, index) } = ground.fit();
        let error = match points {
            // They fit whatever they are.
            4 => "4 points; a fifth would show how good they are".to_owned(),
            _ => format!("{points} points, reprojection error {rms:.2} m (point {index}: {off:.2} m)"),
        };
        Some(format!("{} in {}: {error}", camera.id, ground.crs()))
    };
    let known: Vec<_> = config.cameras.iter().filter_map(of_camera).collect();
    (!known.is_empty()).then(|| known.join("; "))
}

/// The years whose holidays are known, with a word for whoever must see to the next one's.
fn known_years(config: &Config, path: &Path) -> anyhow::Result<String> {
    let calendar = config.work_calendar(path)?;
    let today = jiff::Timestamp::now().to_zoned(calendar.timezone().clone()).date();
    let years: Vec<_> = calendar.years().map(|year| year.to_string()).collect();
    let known = years.join(", ");
    // Notices for the next year come out in November; limits of a few weeks reach into it in December.
    let needed = if today.month() == 12 { today.year() + 1 } else { today.year() };
    if calendar.years().any(|year| year == needed) {
        return Ok(known);
    }
    Ok(format!(
        "{known}; those of {needed} are missing, and no limit in work hours or work days that ends then can be told: \
         add that year's file to deadlines.holidays"
    ))
}

/// Whether the database can be used. A file that is not there is made by the first run, not by this.
async fn check_database(config: &Config) -> Result<String, String> {
    let database = config.database().map_err(|error| error.to_string())?;
    if let Database::File(path) = &database
        && !path.exists()
    {
        return Ok(format!("{database} will be made by the first run"));
    }
    let store = Store::connect(database).await.map_err(|error| error.to_string())?;
    let counts = store.counts().await.map_err(|error| error.to_string())?;
    let text =
        format!("{} holds {} open tickets, {} messages wait", store.database(), counts.open, counts.queued_messages);
    store.close().await;
    Ok(text)
}

async fn check_broker(config: &Config) -> Result<String, String> {
    let report = alerts::mqtt::probe(&config.mqtt, &format!("gridwatch-{}-check", config.node.id)).await;
    let report = report.map_err(|error| error.to_string())?;
    let limit =
        report.max_packet_size.map_or_else(|| "any size".into(), |bytes| format!("packets up to {bytes} bytes"));
    Ok(format!("{} takes {limit}, {} at once", report.broker, report.receive_maximum))
}

async fn check_model(config: &Config) -> Result<String, String> {
    let (detect, names) = (config.detect.clone(), looker::models(&config.detect, &config.cameras));
    let checked = tokio::task::spawn_blocking(move || -> Result<String, detect::DetectError> {
        let runtime = detect::load_runtime(&detect)?;
        Detectors::load(&detect, &names, 1)?;
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        Ok(format!("{} (ONNX Runtime {})", names.join(", "), runtime.version))
    });
    match checked.await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Probes every stream, prints a table, and gives the number of streams that cannot be used.
async fn check_cameras(config: &Config, timeout: Millis) -> usize {
    let plan = Plan {
        in_flight: PROBES_IN_FLIGHT,
        per_host: PROBES_IN_FLIGHT,
        watch: timeout,
        look_interval: config.ingest.look_interval,
    };
    let results = probing::probe_all(&config.cameras, plan, |_, _| {}).await;
    println!("\n{}", super::cameras::probe_table(&results));
    results.iter().filter(|probed| !probed.is_usable()).count()
}
