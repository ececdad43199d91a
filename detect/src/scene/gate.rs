//! The change gate: whether a look may do with the detections of the last run.

use domain::{Detection, Timestamp};

use super::{
    Need,
    grid::{Packed, Sampler},
    light::{Cause, Difference, Light},
};
use crate::config::GateConfig;

/// Changed cells among nine neighbours that are a change.
const CHANGED_CELLS: usize = 3;

/// Why the detector ran, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing changed: the detections of the last run stand.
    Unchanged,
    /// Something changed.
    Changed,
    /// It was to run whatever has changed.
    Wanted,
    /// Nothing changed, but the last run has left something to be done.
    Unfinished,
    /// There is no run to compare with, or it is too long ago.
    Due,
}

impl Outcome {
    /// A short name for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
            Self::Wanted => "wanted",
            Self::Unfinished => "unfinished",
            Self::Due => "due",
        }
    }
}

/// What the last run of the detector saw.
#[derive(Debug, Default)]
pub(super) struct Gate {
    last: Option<Timestamp>,
    cells: Vec<Packed>,
    detections: Vec<Detection>,
}

impl Gate {
    /// Whether the detector is to run on the picture that was sampled; `varies` says by how many levels a cell varies by
    /// itself; `changed` is a buffer.
    pub(super) fn outcome(
        &self,
        config: &GateConfig,
        at: Timestamp,
        need: Need,
        sampler: &Sampler,
        varies: impl Fn(usize) -> f32,
        changed: &mut Vec<bool>,
    ) -> Outcome {
        let Some(last) = self.last else { return Outcome::Due };
        if need == Need::Always || !config.enabled {
            Outcome::Wanted
        } else if at < last || at.since(last) >= config.full_look_every {
            // A clock that was set back does not tell how long ago it was.
            Outcome::Due
        } else if self.has_changed(sampler, varies, changed) {
            Outcome::Changed
        } else if need == Need::Finish {
            Outcome::Unfinished
        } else {
            Outcome::Unchanged
        }
    }

    /// The detector ran on the picture that was sampled.
    pub(super) fn ran(&mut self, at: Timestamp, sampler: &Sampler, detections: Vec<Detection>) {
        self.last = Some(at);
        self.cells.clear();
        self.cells.extend(sampler.cells.iter().map(|look| look.pack()));
        self.detections = detections;
    }

    /// The detections of the last run.
    pub(super) fn detections(&self) -> &[Detection] {
        &self.detections
    }

    /// Whether the picture differs from that of the last run by more than noise, light and what always moves.
    fn has_changed(&self, sampler: &Sampler, varies: impl Fn(usize) -> f32, changed: &mut Vec<bool>) -> bool {
        let light = Light::between(sampler.pairs(|i| self.cells[i].open()));
        let size = sampler.size;
        changed.clear();
        changed.resize(size.cells(), false);
        for i in sampler.inside() {
            let difference = Difference::between(light.undo(sampler.cells[i]), self.cells[i].open(), varies(i));
            changed[i] = difference.cause == Cause::Thing;
        }
        (0..changed.len()).filter(|&i| changed[i]).any(|i| {
            let (column, row) = (i % size.columns, i / size.columns);
            let near = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
            let around = near(row, size.rows).flat_map(|r| near(column, size.columns).map(move |c| (c, r)));
            around.filter(|&(c, r)| changed[r * size.columns + c]).count() >= CHANGED_CELLS
        })
    }
}
