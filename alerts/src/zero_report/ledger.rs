//! Counts looks as they are made, until they are written down.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::{CameraId, Millis, Timestamp};
use jiff::civil::Date;

use super::ReportDays;

/// A look vouches for the time since the one before it, for so many intervals at most: no look is later than that unless
/// something is wrong.
const VOUCHES_FOR: i64 = 2;

/// Looks at one camera on one day that are not written down yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookDay {
    /// Which camera.
    pub camera: CameraId,
    /// The date on which the day of reports ends.
    pub day: Date,
    /// How many.
    pub looks: u64,
    /// The time that they vouch for.
    pub covered: Millis,
    /// When the last of them was made.
    pub last_look: Timestamp,
}

/// Where looks are counted. Shared by those who look and the one who writes down.
#[derive(Debug)]
pub struct LookLedger {
    days: ReportDays,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    intervals: BTreeMap<CameraId, Millis>,
    last: BTreeMap<CameraId, Timestamp>,
    open: BTreeMap<(CameraId, Date), (u64, Millis)>,
}

impl LookLedger {
    /// A ledger that counts nothing yet.
    #[must_use]
    pub fn new(days: ReportDays) -> Self {
        Self { days, inner: Mutex::default() }
    }

    /// From now on these cameras are to be looked at each so often; looks at others are not counted.
    pub fn watch(&self, intervals: BTreeMap<CameraId, Millis>) {
        self.inner().intervals = intervals;
    }

    /// Takes over when each camera was last looked at before a restart.
    pub fn restore(&self, last: impl IntoIterator<Item = (CameraId, Timestamp)>) {
        let mut inner = self.inner();
        for (camera, at) in last {
            inner.last.entry(camera).or_insert(at);
        }
    }

    /// A look was made. Cheap.
    pub fn look(&self, camera: &CameraId, at: Timestamp) {
        let day = self.days.of(at);
        let mut inner = self.inner();
        let Some(interval) = inner.intervals.get(camera).copied() else { return };
        let most = Millis(interval.0.saturating_mul(VOUCHES_FOR));
        // The first look ever vouches for itself. A clock that was set back gives nothing, one set ahead little.
        let since = inner.last.insert(camera.clone(), at).map_or(interval, |last| at.since(last));
        let (looks, covered) = inner.open.entry((camera.clone(), day)).or_default();
        *looks += 1;
        covered.0 += since.min(most).0;
    }

    /// What is not written down yet; it is taken to be written now.
    #[must_use]
    pub fn take(&self) -> Vec<LookDay> {
        let mut inner = self.inner();
        let open = std::mem::take(&mut inner.open);
        open.into_iter()
            .filter_map(|((camera, day), (looks, covered))| {
                let last_look = *inner.last.get(&camera)?;
                Some(LookDay { camera, day, looks, covered, last_look })
            })
            .collect()
    }

    /// It could not be written.
    pub fn give_back(&self, days: Vec<LookDay>) {
        let mut inner = self.inner();
        for day in days {
            let (looks, covered) = inner.open.entry((day.camera, day.day)).or_default();
            *looks += day.looks;
            covered.0 += day.covered.0;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Counts are whole after each statement, so a panic elsewhere leaves nothing half-done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
