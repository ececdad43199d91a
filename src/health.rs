//! The health of all cameras: what ingest knows of their streams and look workers of their pictures, put together, and
//! told once for each change.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alerts::service::Event;
use domain::{Ailment, CameraFault, CameraId, CameraReport, Timestamp};
use ingest::{Chronicle, Summary, Told};
use metrics::{counter, gauge};
use tracing::{debug, info, warn};

/// Cameras that come to have one fault, or lose it, are counted over so long: dusk falls on a city within minutes.
const WINDOW: Duration = Duration::from_secs(60);
/// So many of them are told one by one.
const LINES: usize = 5;

/// Whether what a camera shows can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// From now on not, for this fault.
    Lost(CameraFault),
    /// Again.
    Regained,
}

impl Trust {
    /// What alerts are told.
    #[must_use]
    pub fn event(self, camera: CameraId, at: Timestamp) -> Event {
        match self {
            Self::Lost(fault) => Event::Unfit { camera, at, fault },
            Self::Regained => Event::Fit(camera, at),
        }
    }
}

/// What is wrong with the cameras' pictures. Outlives what is known of a view, so that trust that was lost is regained even
/// where the view is looked at anew. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct HealthBoard(Arc<Mutex<HashMap<CameraId, Vec<Ailment>>>>);

impl HealthBoard {
    /// Puts up what a look found; whether that changes the camera's trust.
    pub fn post(&self, camera: &CameraId, ailments: Vec<Ailment>) -> Option<Trust> {
        let distrusted = |ailments: &[Ailment]| ailments.iter().map(|a| a.fault).find(|fault| fault.suspends_tickets());
        let now = distrusted(&ailments);
        let mut board = self.lock();
        let before = if ailments.is_empty() { board.remove(camera) } else { board.insert(camera.clone(), ailments) };
        match (before.and_then(|before| distrusted(&before)), now) {
            (None, Some(fault)) => Some(Trust::Lost(fault)),
            (Some(_), None) => Some(Trust::Regained),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }

    /// The report with what is known of the camera's pictures.
    #[must_use]
    pub fn complete(&self, mut report: CameraReport) -> CameraReport {
        if let Some(ailments) = self.lock().get(&report.id) {
            report.ailments.extend_from_slice(ailments);
            report.ailments.sort_by_key(|ailment| ailment.fault);
        }
        report
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CameraId, Vec<Ailment>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cameras at which looks fail by a fault of ours, so that each is logged once, whichever worker looks. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct FailingLooks(Arc<Mutex<HashSet<CameraId>>>);

impl FailingLooks {
    /// A look at the camera failed; whether that is news.
    pub fn failed(&self, camera: &CameraId) -> bool {
        self.lock().insert(camera.clone())
    }

    /// A look at the camera was made, or nobody looks at it any more.
    pub fn forget(&self, camera: &CameraId) {
        self.lock().remove(camera);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<CameraId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Came,
    Over,
}

/// Tells of changes: one log line each, where many change at once a few and then one that counts them; and metrics.
#[derive(Debug)]
pub struct HealthTeller {
    told: HashMap<CameraId, Vec<CameraFault>>,
    chronicle: Chronicle<(CameraFault, Change)>,
}

impl Default for HealthTeller {
    fn default() -> Self {
        Self { told: HashMap::new(), chronicle: Chronicle::new(WINDOW, LINES) }
    }
}

impl HealthTeller {
    /// Tells what changed since the last call, at `now`; to be called every now and then. Returns the cameras whose tickets are
    /// suspended.
    pub fn tell(&mut self, now: Instant, reports: &[CameraReport]) -> usize {
        for report in reports {
            let before = self.told.get(&report.id).map(Vec::as_slice).unwrap_or_default();
            if before.iter().eq(report.ailments.iter().map(|ailment| &ailment.fault)) {
                continue;
            }
            let faults: Vec<CameraFault> = report.ailments.iter().map(|ailment| ailment.fault).collect();
            for ailment in report.ailments.iter().filter(|ailment| !before.contains(&ailment.fault)) {
                let fault = ailment.fault;
                counter!("gridwatch_camera_faults_total", "fault" => fault.as_str()).increment(1);
                let tickets = tickets(fault);
                match self.chronicle.tell(now, (fault, Change::Came), &report.id, &"") {
                    Told::Alone => warn!(camera = %report.id, %fault, tickets, "camera fault"),
                    Told::Together => debug!(camera = %report.id, %fault, tickets, "camera fault"),
                }
            }
            for fault in before.iter().filter(|fault| !faults.contains(fault)) {
                match self.chronicle.tell(now, (*fault, Change::Over), &report.id, &"") {
                    Told::Alone => info!(camera = %report.id, %fault, "camera fault is over"),
                    Told::Together => debug!(camera = %report.id, %fault, "camera fault is over"),
                }
            }
            if faults.is_empty() {
                self.told.remove(&report.id);
            } else {
                self.told.insert(report.id.clone(), faults);
            }
        }
        self.chronicle.summaries(now).iter().for_each(log);
        if !self.told.is_empty() {
            // Some cameras may be gone.
            let there: HashSet<&CameraId> = reports.iter().map(|report| &report.id).collect();
            self.told.retain(|camera, _| there.contains(camera));
        }
        for fault in CameraFault::ALL {
            let n = self.told.values().filter(|faults| faults.contains(&fault)).count();
            gauge!("gridwatch_camera_faults", "fault" => fault.as_str()).set(n as f64);
        }
        let suspended = reports.iter().filter(|report| report.suspended_since().is_some()).count();
        gauge!("gridwatch_cameras_suspended").set(suspended as f64);
        suspended
    }
}

fn tickets(fault: CameraFault) -> &'static str {
    if fault.suspends_tickets() { "suspended" } else { "unaffected" }
}

/// Writes the line for many cameras.
fn log(summary: &Summary<(CameraFault, Change)>) {
    let Summary { change: (fault, change), cameras, window, first, .. } = summary;
    let seconds = window.as_secs_f64().round();
    match change {
        Change::Came => {
            let tickets = tickets(*fault);
            warn!(cameras, %fault, tickets, %first, "{cameras} cameras came to have the fault {fault} in {seconds} s");
        }
        Change::Over => info!(cameras, %fault, %first, "the fault {fault} is over at {cameras} cameras in {seconds} s"),
    }
}

/// Says what this module's metrics mean.
pub(crate) fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge};
    describe_gauge!("gridwatch_camera_faults", Unit::Count, "Cameras that have a fault, by fault");
    describe_counter!("gridwatch_camera_faults_total", Unit::Count, "Faults that cameras came to have, by fault");
    describe_gauge!("gridwatch_cameras_suspended", Unit::Count, "Cameras whose tickets are suspended over a fault");
    describe_counter!("gridwatch_references_total", Unit::Count, "Reference pictures that were taken, by result");
}

#[cfg(test)]
mod tests {
    use std::io;

    use domain::{CameraState, DecodeMode, Millis};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// What was logged, as text.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// The log lines of `tell`.
    fn logged(tell: impl FnOnce()) -> Vec<String> {
        let lines = Lines::default();
        let log = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(lines.clone()).finish();
        tracing::subscriber::with_default(log, tell);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn cameras(n: usize, fault: Option<CameraFault>) -> Vec<CameraReport> {
        let ailments: Vec<_> = fault.map(|fault| Ailment { fault, since: Timestamp(0) }).into_iter().collect();
        let report = |n| CameraReport {
            id: format!("cam-{n}").parse().unwrap(),
            state: CameraState::Streaming,
            since: Timestamp(0),
            error: None,
            codec: None,
            size: None,
            keyframe_interval: None,
            decode: DecodeMode::Keyframes,
            last_keyframe_at: None,
            last_look_at: None,
            look_interval: Millis::secs(10),
            looks: 0,
            reconnects: 0,
            ailments: ailments.clone(),
            clock_offset: None,
        };
        (0..n).map(report).collect()
    }

    #[test]
    fn a_camera_whose_looks_fail_is_news_once_until_one_succeeds() {
        let (failing, gate, yard) = (FailingLooks::default(), "gate".parse().unwrap(), "yard".parse().unwrap());
        let worker = failing.clone();
        assert_eq!([&gate, &gate, &yard].map(|camera| failing.failed(camera)), [true, false, true]);
        assert!(!worker.failed(&gate));
        worker.forget(&gate);
        assert_eq!([&gate, &yard].map(|camera| failing.failed(camera)), [true, false]);
    }

    #[test]
    fn a_few_cameras_are_told_one_by_one() {
        let (mut teller, now) = (HealthTeller::default(), Instant::now());
        let lines = logged(|| {
            teller.tell(now, &cameras(3, Some(CameraFault::Frozen)));
            teller.tell(now, &cameras(3, None));
            teller.tell(now + WINDOW, &cameras(3, None));
        });
        assert_eq!(lines.len(), 6, "{lines:#?}");
        assert!(lines[0].contains("camera fault") && lines[0].contains("cam-0") && lines[0].contains("suspended"));
        assert!(lines[5].contains("camera fault is over") && lines[5].contains("cam-2"), "{lines:#?}");
    }

    #[test]
    fn a_camera_that_is_removed_takes_its_faults_with_it() {
        let (mut teller, now) = (HealthTeller::default(), Instant::now());
        let mut reports = cameras(5, None);
        reports[0] = cameras(1, Some(CameraFault::Offline)).remove(0);
        teller.tell(now, &reports);
        assert_eq!(teller.told.len(), 1);
        teller.tell(now, &reports[1..]);
        assert!(teller.told.is_empty(), "{:?}", teller.told);
    }

    #[test]
    fn dusk_is_a_few_lines_and_one_that_counts() {
        let (mut teller, now) = (HealthTeller::default(), Instant::now());
        let lines = logged(|| {
            for second in 0..10 {
                let mut reports = cameras(800, None);
                reports[..80 * (second + 1)].clone_from_slice(&cameras(80 * (second + 1), Some(CameraFault::Dark)));
                teller.tell(now + Duration::from_secs(second as u64), &reports);
            }
            teller.tell(now + WINDOW, &cameras(800, Some(CameraFault::Dark)));
            teller.tell(now + 2 * WINDOW, &cameras(800, Some(CameraFault::Dark)));
        });
        assert_eq!(lines.len(), LINES + 1, "{lines:#?}");
        assert!(lines[LINES].contains("800 cameras came to have the fault dark in 60 s"), "{lines:#?}");
    }
}
