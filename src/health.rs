//! The health of all cameras: what ingest knows of their streams and look workers of their pictures, put together, and
//! told once for each change.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alerts::service::Event;
use domain::{Ailment, CameraFault, CameraId, CameraReport, Timestamp};
use metrics::{counter, gauge};
use tracing::{info, warn};

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

/// Tells of changes: one log line each, and metrics.
#[derive(Debug, Default)]
pub struct HealthTeller {
    told: HashMap<CameraId, Vec<CameraFault>>,
}

impl HealthTeller {
    /// Tells what changed since the last call. Returns the cameras whose tickets are suspended.
    pub fn tell(&mut self, reports: &[CameraReport]) -> usize {
        for report in reports {
            let before = self.told.get(&report.id).map(Vec::as_slice).unwrap_or_default();
            if before.iter().eq(report.ailments.iter().map(|ailment| &ailment.fault)) {
                continue;
            }
            let now: Vec<CameraFault> = report.ailments.iter().map(|ailment| ailment.fault).collect();
            for ailment in report.ailments.iter().filter(|ailment| !before.contains(&ailment.fault)) {
                let fault = ailment.fault;
                counter!("gridwatch_camera_faults_total", "fault" => fault.as_str()).increment(1);
                let tickets = if fault.suspends_tickets() { "suspended" } else { "unaffected" };
                warn!(camera = %report.id, %fault, tickets, "camera fault");
            }
            for fault in before.iter().filter(|fault| !now.contains(fault)) {
                info!(camera = %report.id, %fault, "camera fault is over");
            }
            if now.is_empty() {
                self.told.remove(&report.id);
            } else {
                self.told.insert(report.id.clone(), now);
            }
        }
        if self.told.len() > reports.len() {
            // Some cameras are gone.
            self.told.retain(|camera, _| reports.iter().any(|report| report.id == *camera));
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

/// Says what this module's metrics mean.
pub(crate) fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge};
    describe_gauge!("gridwatch_camera_faults", Unit::Count, "Cameras that have a fault, by fault");
    describe_counter!("gridwatch_camera_faults_total", Unit::Count, "Faults that cameras came to have, by fault");
    describe_gauge!("gridwatch_cameras_suspended", Unit::Count, "Cameras whose tickets are suspended over a fault");
    describe_counter!("gridwatch_references_total", Unit::Count, "Reference pictures that were taken, by result");
}
