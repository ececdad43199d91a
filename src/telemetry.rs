//! Prometheus metrics: one recorder a process, rendered on demand.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Upper bounds of all histograms of seconds: from a tenth of a millisecond (a gate) to minutes (a look's lag).
const SECONDS: [f64; 18] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 300.0];

/// How often samples are put into their histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// Puts samples into their histograms until `stop`. Else they pile up one by one until somebody asks for the metrics, and a
/// node that nobody scrapes would fill its memory within weeks.
pub async fn upkeep(handle: PrometheusHandle, stop: CancellationToken) {
    let mut rounds = tokio::time::interval(UPKEEP);
    while stop.run_until_cancelled(rounds.tick()).await.is_some() {
        handle.run_upkeep();
    }
}

/// Installs the recorder, once a process, and describes every metric; later calls return the first one's handle.
///
/// # Errors
/// When another recorder is already installed.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .install_recorder()?;
    ingest::describe_metrics();
    detect::describe_metrics();
    alerts::describe_metrics();
    console::describe_metrics();
    crate::reload::describe_metrics();
    crate::health::describe_metrics();
    crate::main_pictures::describe_metrics();
    Ok(RECORDER.get_or_init(|| handle).clone())
}
