//! The figures of the last thirty days as metrics, reckoned anew every few minutes.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use domain::{CameraId, Kind, Millis, Timestamp};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Figure, Figures, Share, Stage};
use crate::{
    AlertsError,
    case::Reason,
    store::{Scope, Store},
};

/// How old the metrics may be: nobody decides on a month's figures within minutes.
const EVERY: Duration = Duration::from_secs(300);

/// What they are about.
const PERIOD: Millis = Millis::mins(30 * 24 * 60);

/// Says what this module's metrics mean.
pub(crate) fn describe_metrics() {
    describe_gauge!("gridwatch_figure_cases", "cases of the last 30 days: received, filed");
    describe_gauge!("gridwatch_figure_count", "cases of the last 30 days that count for a figure");
    describe_gauge!("gridwatch_figure_base", "cases of the last 30 days that the figure is a share of");
    describe_gauge!("gridwatch_figure_ratio", "the one by the other; NaN where there is no such case");
    describe_gauge!("gridwatch_figure_false_alarms", "false alarms of the last 30 days by camera");
    describe_gauge!(
        "gridwatch_figure_false_alarm_ratio",
        "their share of the decided cases by kind; NaN where there is none"
    );
    describe_gauge!("gridwatch_figure_rejections", "rejected cases of the last 30 days by reason");
    describe_gauge!(
        "gridwatch_figure_stage_hours",
        "hours that cases of the last 30 days took to a stage: mean, median"
    );
    describe_counter!("gridwatch_figure_failures_total", "rounds in which the figures could not be reckoned");
}

/// Keeps the metrics of one store's figures.
pub struct Accountant {
    store: Store,
    /// What was told of before, and must be told of when it is none any more.
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    cameras: BTreeSet<CameraId>,
    kinds: BTreeSet<Kind>,
    reasons: BTreeSet<&'static str>,
    stages: BTreeSet<Stage>,
}

impl Accountant {
    /// An accountant of the store's cases.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, told: Told::default() }
    }

    /// Runs until `stop`. A database that fails is asked again the next time.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut rounds = tokio::time::interval(EVERY);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(rounds.tick()).await.is_some() {
            match stop.run_until_cancelled(self.round(SystemTime::now().into())).await {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    counter!("gridwatch_figure_failures_total").increment(1);
                    tracing::warn!(%error, "the figures cannot be reckoned, trying again later");
                }
            }
        }
    }

    /// Reckons once.
    ///
    /// # Errors
    /// When the database fails; the metrics stay as they were.
    pub async fn round(&mut self, now: Timestamp) -> Result<(), AlertsError> {
        let scope = Scope { from: now - PERIOD, to: now + Millis(1), kind: None, street: None };
        let figures = self.store.figures(&scope, now).await?;
        self.told.tell(&figures);
        Ok(())
    }
}

impl Told {
    fn tell(&mut self, figures: &Figures) {
        gauge!("gridwatch_figure_cases", "step" => "received").set(figures.all.received as f64);
        gauge!("gridwatch_figure_cases", "step" => "filed").set(figures.all.filed as f64);
        for figure in Figure::ALL {
            let (name, share) = (figure.as_str(), figures.all.share(figure));
            gauge!("gridwatch_figure_count", "figure" => name).set(share.count as f64);
            gauge!("gridwatch_figure_base", "figure" => name).set(share.of as f64);
            gauge!("gridwatch_figure_ratio", "figure" => name).set(ratio(share));
        }
        // A camera without one has no line, but one that had must not keep it.
        self.cameras.extend(
            figures
                .by_camera
                .iter()
                .filter(|(_, rates)| rates.share(Figure::FalseAlarms).count > 0)
                .map(|(camera, _)| camera.clone()),
        );
        for camera in &self.cameras {
            let count = figures.by_camera.get(camera).map_or(0, |rates| rates.share(Figure::FalseAlarms).count);
            gauge!("gridwatch_figure_false_alarms", "camera" => camera.to_string()).set(count as f64);
        }
        self.kinds.extend(figures.by_kind.keys().cloned());
        for kind in &self.kinds {
            let share = figures.by_kind.get(kind).map(|rates| rates.share(Figure::FalseAlarms)).unwrap_or_default();
            gauge!("gridwatch_figure_false_alarm_ratio", "kind" => kind.to_string()).set(ratio(share));
        }
        // A platform may write what it likes as a reason; a label may not grow without end.
        let mut reasons: std::collections::BTreeMap<&'static str, u64> = self.reasons.iter().map(|r| (*r, 0)).collect();
        for (code, share) in &figures.by_reason {
            *reasons.entry(label(code)).or_default() += share.count;
        }
        for (reason, count) in reasons {
            self.reasons.insert(reason);
            gauge!("gridwatch_figure_rejections", "reason" => reason).set(count as f64);
        }
        self.stages.extend(figures.hours.keys());
        for stage in &self.stages {
            let hours = figures.hours.get(stage);
            for (of, value) in [("mean", hours.map(|h| h.mean)), ("median", hours.map(|h| h.median))] {
                gauge!("gridwatch_figure_stage_hours", "stage" => stage.as_str(), "of" => of)
                    .set(value.unwrap_or(f64::NAN));
            }
        }
    }
}

fn ratio(share: Share) -> f64 {
    share.rate().unwrap_or(f64::NAN)
}

/// The reason where it is one of ours, else `platform`.
fn label(code: &str) -> &'static str {
    let known = Reason::CODES.into_iter().chain([Reason::EXPIRED]);
    known.into_iter().find(|known| *known == code).unwrap_or("platform")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Rates, reckon};

    #[test]
    fn what_was_told_once_goes_to_nought_and_is_not_forgotten() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let mut figures = reckon([], Timestamp(0));
        let kind: Kind = "lane.motor".parse().expect("kind");
        figures.by_kind.insert(kind, Rates::default());
        for (code, count) in [("legal", 2), ("their.own.1", 3), ("their.own.2", 4)] {
            figures.by_reason.insert(code.to_owned(), Share { count, of: 20 });
        }
        let mut told = Told::default();
        metrics::with_local_recorder(&recorder, || told.tell(&figures));
        let text = recorder.handle().render();
        for line in [
            "gridwatch_figure_cases{step=\"received\"} 0",
            "gridwatch_figure_ratio{figure=\"closing\"} NaN",
            "gridwatch_figure_false_alarm_ratio{kind=\"lane.motor\"} NaN",
            "gridwatch_figure_rejections{reason=\"legal\"} 2",
            "gridwatch_figure_rejections{reason=\"platform\"} 7",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in {text}");
        }
        metrics::with_local_recorder(&recorder, || told.tell(&reckon([], Timestamp(0))));
        let text = recorder.handle().render();
        assert!(text.contains("gridwatch_figure_rejections{reason=\"legal\"} 0"), "{text}");
    }
}
