//! The looks of a dwell: how long, how often seen, how surely.

use std::collections::VecDeque;

use domain::Millis;

/// Looks that a window holds at most; of more frequent ones some are left out.
const MAX_SAMPLES: i64 = 1000;

/// What one look said of one suspected problem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// The camera's observed time.
    pub(super) at: Millis,
    /// 0 for a miss.
    pub(super) score: f32,
    /// Whether it was seen.
    pub(super) hit: bool,
    /// Whether something else was half over its place, which nothing can be beside a thing that stands.
    pub(super) displaced: bool,
    /// Whether something larger stood before all of it, so that the look says nothing.
    pub(super) covered: bool,
    /// Whether the detector ran.
    pub(super) detected: bool,
    /// The signs that it showed, as the rule's evidence numbers them.
    pub(super) signs: u32,
    /// Whether the scene shows something new in its place.
    pub(super) backed: bool,
    /// Whether people were as the rule wants them.
    pub(super) people_fit: bool,
}

/// The looks of the last `dwell`.
#[derive(Debug)]
pub(super) struct Window {
    dwell: Millis,
    samples: VecDeque<Sample>,
    began: Option<Millis>,
    best: f32,
}

/// What the looks of a full dwell add up to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summary {
    /// Those that count.
    pub(super) looks: u32,
    pub(super) hits: u32,
    pub(super) detector_hits: u32,
    pub(super) displaced: u32,
    pub(super) people_share: f32,
    pub(super) backed_share: f32,
}

impl Window {
    pub(super) fn new(dwell: Millis) -> Self {
        Self { dwell, samples: VecDeque::new(), began: None, best: 0.0 }
    }

    pub(super) fn dwell(&self) -> Millis {
        self.dwell
    }

    /// Asks for another dwell from now on; a longer one is full only once so many more looks have come.
    pub(super) fn set_dwell(&mut self, dwell: Millis) {
        self.dwell = dwell;
    }

    pub(super) fn push(&mut self, sample: Sample) {
        self.began.get_or_insert(sample.at);
        self.best = self.best.max(sample.score);
        let spacing = self.dwell.0 / MAX_SAMPLES;
        if self.samples.back().is_some_and(|last| sample.at.0 - last.at.0 < spacing) {
            return;
        }
        self.samples.push_back(sample);
        // The first sample kept is the last one at or before the dwell's beginning, so that a full window spans it all.
        while self.samples.get(1).is_some_and(|second| sample.at.0 - second.at.0 >= self.dwell.0) {
            self.samples.pop_front();
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.began.is_some()
    }

    /// Time since the first sample.
    pub(super) fn age(&self, clock: Millis) -> Millis {
        Millis(self.began.map_or(0, |began| (clock.0 - began.0).max(0)))
    }

    /// Best score of any look.
    pub(super) fn best(&self) -> f32 {
        self.best
    }

    /// The sums, once the looks span the whole dwell.
    pub(super) fn summary(&self) -> Option<Summary> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        if last.at.0 - first.at.0 < self.dwell.0 {
            return None;
        }
        let count = |wanted: fn(&Sample) -> bool| {
            u32::try_from(self.samples.iter().filter(|s| wanted(s)).count()).unwrap_or(u32::MAX)
        };
        let looks = count(|_| true);
        Some(Summary {
            looks: looks - self.blind(),
            hits: count(|s| s.hit),
            detector_hits: count(|s| s.hit && s.detected),
            displaced: count(|s| s.displaced),
            people_share: count(|s| s.people_fit) as f32 / looks as f32,
            backed_share: count(|s| s.backed) as f32 / looks as f32,
        })
    }

    /// How many of the looks count neither way, for something stood before all of it: at most half, and only of what the scene
    /// shows to stand there in a third of the others. Of traffic it does not.
    fn blind(&self) -> u32 {
        let (mut covered, mut open, mut backed) = (0, 0, 0);
        for sample in &self.samples {
            covered += u32::from(sample.covered);
            open += u32::from(!sample.covered);
            backed += u32::from(!sample.covered && sample.backed);
        }
        if 3 * backed >= open { covered.min((covered + open) / 2) } else { 0 }
    }

    /// Share of the looks that showed a sign, 0 to 1.
    pub(super) fn share_with(&self, sign: u32) -> f32 {
        let with_it = self.samples.iter().filter(|s| s.signs & sign != 0).count();
        with_it as f32 / self.samples.len().max(1) as f32
    }

    /// The median score of the looks that count, a miss counted as 0; the lower one of an even number.
    pub(super) fn median_score(&self) -> f32 {
        let (covered, open): (Vec<&Sample>, Vec<&Sample>) = self.samples.iter().partition(|s| s.covered);
        let counted = covered.iter().skip(self.blind() as usize).chain(&open);
        let mut scores: Vec<f32> = counted.map(|s| s.score).collect();
        if scores.is_empty() {
            return 0.0;
        }
        let middle = (scores.len() - 1) / 2;
        *scores.select_nth_unstable_by(middle, f32::total_cmp).1
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.samples.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: i64, score: f32) -> Sample {
        Sample {
            at: Millis(at),
            score,
            hit: score > 0.0,
            displaced: false,
            covered: false,
            signs: 0,
            detected: true,
            backed: false,
            people_fit: true,
        }
    }

    #[test]
    fn a_window_is_full_when_it_spans_the_dwell() {
        let mut window = Window::new(Millis::secs(10));
        for second in (0..10).step_by(2) {
            window.push(sample(second * 1000, 0.5));
            assert!(window.summary().is_none());
        }
        window.push(sample(10_000, 0.0));
        let summary = window.summary().expect("10 seconds");
        assert_eq!((summary.looks, summary.hits), (6, 5));
        assert!((window.median_score() - 0.5).abs() < f32::EPSILON);
    }

    #[test]
    fn looks_at_what_stands_before_it_count_neither_way_up_to_half_of_them() {
        let summed = |n_covered: i64, backed: bool| {
            let mut window = Window::new(Millis::secs(10));
            for n in 0..=10 {
                let covered = n < n_covered;
                window.push(Sample { covered, backed, ..sample(1000 * n, if covered { 0.0 } else { 0.5 }) });
            }
            (window.summary().map(|s| (s.hits, s.looks)), window.median_score() > 0.0)
        };
        assert_eq!(summed(5, true), (Some((6, 6)), true));
        assert_eq!(summed(6, true), (Some((5, 6)), true));
        assert_eq!(summed(9, true), (Some((2, 6)), false));
        assert_eq!(summed(5, false), (Some((6, 11)), true));
    }

    #[test]
    fn a_window_stays_small_however_many_looks_come() {
        let mut window = Window::new(Millis::secs(60));
        for at in 0..200_000 {
            window.push(sample(at, 0.5));
        }
        assert!(window.len() <= 1002, "{}", window.len());
        assert_eq!(window.summary().map(|s| s.hits == s.looks), Some(true));
    }
}
