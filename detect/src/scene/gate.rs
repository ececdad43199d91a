//! The change gate: whether a look may do with the detections of the last run.

use domain::{Detection, Millis, Timestamp};

use super::{
    Need,
    grid::{Look, Packed, Sampler},
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

/// What is worked out of a picture beside the last run's; used for all cameras in turn.
#[derive(Debug, Default)]
pub(super) struct Compared {
    changed: Vec<bool>,
    pairs: Vec<(Look, Look)>,
}

/// What the last run of the detector saw.
#[derive(Debug, Default)]
pub(super) struct Gate {
    last: Option<Timestamp>,
    /// Whether it was the first.
    first: bool,
    cells: Vec<Packed>,
    detections: Vec<Detection>,
}

impl Gate {
    /// Whether the detector is to run on the picture that was sampled; `varies` says by how many levels a cell varies by
    /// itself.
    pub(super) fn outcome(
        &self,
        config: &GateConfig,
        at: Timestamp,
        need: Need,
        sampler: &Sampler,
        varies: impl Fn(usize) -> f32,
        compared: &mut Compared,
    ) -> Outcome {
        let Some(last) = self.last else { return Outcome::Due };
        if need == Need::Always || !config.enabled {
            Outcome::Wanted
        } else if at < last || at.since(last) >= self.patience(config.full_look_every, last) {
            // A clock that was set back does not tell how long ago it was.
            Outcome::Due
        } else if self.has_changed(sampler, varies, compared) {
            Outcome::Changed
        } else if need == Need::Finish {
            Outcome::Unfinished
        } else {
            Outcome::Unchanged
        }
    }

    /// The detector ran on the picture that was sampled.
    pub(super) fn ran(&mut self, at: Timestamp, sampler: &Sampler, detections: Vec<Detection>) {
        self.first = self.last.is_none();
        self.last = Some(at);
        self.cells.clear();
        self.cells.extend(sampler.cells.iter().map(|look| look.pack()));
        self.detections = detections;
    }

    /// How long the run at `last` stands. Cameras that begin together, as after a start, would all be due together each time;
    /// so the first run stands for a fifth of `every` up to all of it, as its own time has it.
    fn patience(&self, every: Millis, last: Timestamp) -> Millis {
        if !self.first {
            return every;
        }
        // Fibonacci hashing: neighbouring milliseconds fall far apart.
        let hash = last.0.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        Millis(every.0 - every.0 / 5 * 4 / 256 * i64::from(hash as u8))
    }

    /// The detections of the last run.
    pub(super) fn detections(&self) -> &[Detection] {
        &self.detections
    }

    /// Whether the picture differs from that of the last run by more than noise, light and what always moves.
    fn has_changed(&self, sampler: &Sampler, varies: impl Fn(usize) -> f32, compared: &mut Compared) -> bool {
        let Compared { changed, pairs } = compared;
        sampler.pair(|i| self.cells[i].open(), pairs);
        let light = Light::between(pairs);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_that_begin_together_are_not_due_together() {
        let every = Millis::mins(5);
        let first = Gate { first: true, ..Gate::default() };
        let mut due: Vec<i64> = (0..2000).map(|n| n * 10 + first.patience(every, Timestamp(n * 10)).0).collect();
        due.sort_unstable();
        let most = (0..320).map(|s| due.iter().filter(|at| **at / 1_000 == s).count()).max();
        assert!(most <= Some(20), "{most:?} of 2000 in one second");
        let later = Gate::default();
        assert_eq!(later.patience(every, Timestamp(7)), every);
        assert!((0..1000).all(|n| first.patience(every, Timestamp(n)) <= every));
    }
}
