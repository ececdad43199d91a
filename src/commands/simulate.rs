//! `gridwatch simulate`: recordings as RTSP cameras.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use domain::Secret;
use ingest::simulate::{Mount, Prepared, Progress, ProgressFn, Recording, SimulateConfig, Simulator};
use tokio_util::sync::CancellationToken;

use crate::cli::SimulateArgs;

/// Serves until `cancel`.
///
/// # Errors
/// When no recording can be served, or the address is taken.
pub async fn run(arguments: SimulateArgs, cancel: CancellationToken) -> anyhow::Result<()> {
    let password = arguments
        .password_env
        .map(|variable| std::env::var(&variable).with_context(|| format!("environment variable {variable}")))
        .transpose()?;
    let config = SimulateConfig {
        listen: arguments.listen,
        username: arguments.username,
        password: password.map(Secret::new),
        cache_dir: Some(arguments.cache_dir),
        progress: Some(progress()),
    };
    let simulator = tokio::task::spawn_blocking(move || {
        let recordings = ingest::simulate::recordings(&arguments.paths)?;
        Simulator::start(config, mounts(recordings, arguments.cameras))
    })
    .await??;
    for (name, error) in simulator.skipped() {
        eprintln!("skipped {name}: {error}");
    }
    for mount in simulator.mounts() {
        println!("{}", mount.url);
    }
    cancel.cancelled().await;
    simulator.stop();
    Ok(())
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
