//! `gridwatch simulate`: recordings as RTSP cameras.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use domain::Secret;
use ingest::simulate::{
    FaultScript, Fleet, FleetConfig, Mount, Prepared, Progress, ProgressFn, Recording, SimulateConfig,
};
use tokio_util::sync::CancellationToken;

use crate::cli::SimulateArgs;

/// Serves until `cancel`, then says how many sessions there were.
///
/// # Errors
/// When no recording can be served, the script of faults cannot be read, or the address is taken.
pub async fn run(arguments: SimulateArgs, cancel: CancellationToken) -> anyhow::Result<()> {
    let password = arguments
        .password_env
        .map(|variable| std::env::var(&variable).with_context(|| format!("environment variable {variable}")))
        .transpose()?;
    let config = FleetConfig {
        simulate: SimulateConfig {
            listen: arguments.listen,
            username: arguments.username,
            password: password.map(Secret::new),
            cache_dir: Some(arguments.cache_dir),
            progress: Some(progress()),
        },
        hosts: arguments.hosts,
        sessions_per_host: arguments.sessions_per_host,
        no_room: arguments.no_room,
        kbit_s: arguments.kbit,
        script: arguments.faults.as_deref().map(script).transpose()?.unwrap_or_default(),
    };
    let recordings = ingest::simulate::recordings(&arguments.paths)?;
    let fleet = Fleet::start(config, mounts(recordings, arguments.cameras)).await?;
    for (name, error) in fleet.skipped() {
        eprintln!("skipped {name}: {error}");
    }
    let mut urls = String::new();
    for mount in fleet.mounts() {
        urls += &mount.url;
        urls.push('\n');
    }
    print!("{urls}");
    cancel.cancelled().await;
    let report = fleet.report();
    eprintln!(
        "{} sessions at the end, at most {} on one device, {} refused for want of room",
        report.sessions, report.most_of_a_host, report.refused
    );
    Ok(())
}

/// Reads a script of faults.
fn script(path: &Path) -> anyhow::Result<FaultScript> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{}: is no script of faults (docs/simulate.md)", path.display()))
}

/// A camera a recording; with `cameras` that many in all, recordings taken in turn.
fn mounts(recordings: Vec<Recording>, cameras: Option<usize>) -> Vec<Mount> {
    let Some(cameras) = cameras else { return recordings.into_iter().map(Mount::from).collect() };
    let n = recordings.len();
    let share = |i: usize| cameras / n + usize::from(i < cameras % n);
    recordings.into_iter().enumerate().flat_map(|(i, recording)| Mount::from(recording).copies(share(i))).collect()
}

/// Tells on standard error what takes its time.
pub(super) fn progress() -> ProgressFn {
    let shown = Mutex::new(0_u32);
    Arc::new(move |progress| match progress {
        Progress::Transcoding { path, share } => {
            let tenth = (share * 10.0) as u32;
            let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            if tenth > *shown {
                *shown = tenth;
                eprintln!("transcoding {}: {} %", path.display(), tenth * 10);
            }
        }
        Progress::Ready { path, how } => {
            *shown.lock().unwrap_or_else(PoisonError::into_inner) = 0;
            let how = match how {
                Prepared::AsRecorded => "as recorded",
                Prepared::Cached => "transcoded at an earlier start",
                Prepared::Transcoded => "transcoded",
            };
            eprintln!("ready: {} ({how})", path.display());
        }
    })
}
