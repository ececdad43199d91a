//! How well looks kept up over the last minute: how many were due and done, how late they were, how far their intervals
//! stretched. No clock; of fixed size however many looks there are.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A minute is kept in so many parts, the oldest of which is dropped as a whole.
const PARTS: usize = 12;
const PART: Duration = Duration::from_secs(5);

/// Lags are counted by their power of two in milliseconds and so many steps within it: right to an eighth.
const STEPS: usize = 8;
/// The last bin holds all lags from half an hour on.
const BINS: usize = 19 * STEPS;

/// How looks kept up over the last minute.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tempo {
    /// Looks that were made, are being made, or could be made and are overdue.
    pub due: u64,
    /// Looks that were made, or failed.
    pub done: u64,
    /// How late half of the looks were at most, waiting for keyframes too; right to an eighth.
    pub lag_p50: Duration,
    /// How late all but one in a hundred were at most.
    pub lag_p99: Duration,
    /// The mean interval that was wanted; zero where nothing was looked at twice.
    pub wanted: Duration,
    /// The mean interval that the machine could do: what was wanted, and how long looks waited for a worker. Waiting for a
    /// keyframe is the camera's doing and not in it.
    pub achieved: Duration,
}

impl Tempo {
    /// By how much the intervals are longer than wanted; 1 when the machine keeps up.
    #[must_use]
    pub fn stretch(&self) -> f64 {
        if self.wanted.is_zero() { 1.0 } else { self.achieved.as_secs_f64() / self.wanted.as_secs_f64() }
    }
}

/// Some seconds of looks.
#[derive(Debug)]
struct Part {
    start: Instant,
    done: u64,
    taken: Taken,
}

/// What is known of looks that were taken out of the queue.
#[derive(Debug)]
struct Taken {
    lags: [u32; BINS],
    paced: u32,
    wanted: Duration,
    waited: Duration,
}

impl Default for Taken {
    fn default() -> Self {
        Self { lags: [0; BINS], paced: 0, wanted: Duration::ZERO, waited: Duration::ZERO }
    }
}

impl Taken {
    fn count(&mut self, lag: Duration, waited: Duration, wanted: Option<Duration>) {
        self.lags[bin(lag)] += 1;
        // The interval of a recording that plays fast is zero: it has none to keep.
        if let Some(wanted) = wanted.filter(|wanted| !wanted.is_zero()) {
            self.paced += 1;
            self.wanted += wanted;
            self.waited += waited;
        }
    }

    fn add(&mut self, other: &Self) {
        self.lags.iter_mut().zip(&other.lags).for_each(|(sum, n)| *sum += n);
        self.paced += other.paced;
        self.wanted += other.wanted;
        self.waited += other.waited;
    }

    fn is_empty(&self) -> bool {
        self.lags.iter().all(|n| *n == 0)
    }

    /// The lag that `percent` of the looks did not exceed.
    fn lag(&self, percent: u64) -> Duration {
        let total: u64 = self.lags.iter().map(|n| u64::from(*n)).sum();
        let rank = (total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.lags.iter().position(|n| {
            seen += u64::from(*n);
            seen >= rank
        });
        found.map_or(Duration::ZERO, upper_edge)
    }
}

/// A look that could be made and was not yet taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) lag: Duration,
    pub(crate) waited: Duration,
    pub(crate) wanted: Option<Duration>,
}

/// The last minute of looks.
#[derive(Debug, Default)]
pub(crate) struct Minute(VecDeque<Part>);

impl Minute {
    /// A look was taken out of the queue `lag` after it was due and `waited` after it could be made; `wanted` is the interval
    /// that was to lie between it and the one before, where there was one.
    pub(crate) fn taken(&mut self, now: Instant, wait: Wait) {
        self.part(now).taken.count(wait.lag, wait.waited, wait.wanted);
    }

    /// A look ended.
    pub(crate) fn done(&mut self, now: Instant) {
        self.part(now).done += 1;
    }

    /// How looks kept up; `in_flight` are being made, `overdue` could be. Where not one was taken all minute, how late they
    /// are is told of those that wait.
    pub(crate) fn tempo(&self, now: Instant, in_flight: u64, overdue: &[Wait]) -> Tempo {
        let (mut done, mut taken) = (0, Taken::default());
        for part in self.0.iter().filter(|part| now.saturating_duration_since(part.start) < PART * PARTS as u32) {
            done += part.done;
            taken.add(&part.taken);
        }
        if taken.is_empty() {
            overdue.iter().for_each(|wait| taken.count(wait.lag, wait.waited, wait.wanted));
        }
        let paced = taken.paced.max(1);
        Tempo {
            due: done + in_flight + overdue.len() as u64,
            done,
            lag_p50: taken.lag(50),
            lag_p99: taken.lag(99),
            wanted: taken.wanted / paced,
            achieved: (taken.wanted + taken.waited) / paced,
        }
    }

    fn part(&mut self, now: Instant) -> &mut Part {
        if self.0.back().is_none_or(|part| now.saturating_duration_since(part.start) >= PART) {
            if self.0.len() == PARTS {
                self.0.pop_front();
            }
            self.0.push_back(Part { start: now, done: 0, taken: Taken::default() });
        }
        let last = self.0.len() - 1;
        &mut self.0[last]
    }
}

/// Bins of one power of two are of one width; below 8 ms each is a millisecond.
fn bin(lag: Duration) -> usize {
    let ms = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
    let Some(power) = ms.checked_ilog2().filter(|power| *power >= 3) else { return ms as usize };
    let step = (ms >> (power - 3)) as usize - STEPS;
    ((power as usize - 2) * STEPS + step).min(BINS - 1)
}

/// The longest lag in a bin; none at all for the first.
fn upper_edge(bin: usize) -> Duration {
    let (power, step) = (bin / STEPS, bin % STEPS);
    let ms = if power == 0 { step as u64 } else { ((STEPS + step + 1) as u64) << (power - 1) };
    Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn wait(lag: Duration, waited: Duration) -> Wait {
        Wait { lag, waited, wanted: Some(10 * S) }
    }

    #[test]
    fn a_machine_that_keeps_up_is_not_stretched_by_rare_keyframes() {
        let (mut minute, t) = (Minute::default(), Instant::now());
        for n in 0..50 {
            minute.taken(t + n * S, wait(4 * S, Duration::ZERO));
            minute.done(t + n * S);
        }
        let tempo = minute.tempo(t + 50 * S, 0, &[]);
        assert_eq!((tempo.due, tempo.done, tempo.stretch()), (50, 50, 1.0));
        assert!(tempo.lag_p99 >= 4 * S && tempo.lag_p99 <= 5 * S, "{tempo:?}");
    }

    #[test]
    fn looks_that_wait_for_workers_stretch_the_interval() {
        let (mut minute, t) = (Minute::default(), Instant::now());
        for n in 0..50 {
            minute.taken(t + n * S, wait(15 * S, 15 * S));
        }
        let tempo = minute.tempo(t + 50 * S, 2, &[wait(S, S); 7]);
        assert_eq!((tempo.due, tempo.wanted, tempo.achieved, tempo.stretch()), (9, 10 * S, 25 * S, 2.5));
    }

    #[test]
    fn what_is_older_than_a_minute_is_forgotten() {
        let (mut minute, t) = (Minute::default(), Instant::now());
        minute.taken(t, wait(30 * S, 30 * S));
        minute.done(t);
        for n in 1..1000 {
            minute.taken(t + n * S, wait(Duration::ZERO, Duration::ZERO));
        }
        let tempo = minute.tempo(t + 999 * S, 0, &[]);
        assert_eq!((tempo.done, tempo.lag_p99, tempo.stretch()), (0, Duration::ZERO, 1.0));
        assert!(minute.0.len() <= PARTS);
        assert_eq!(minute.tempo(t + 2000 * S, 0, &[]), Tempo::default());
    }

    #[test]
    fn when_no_look_is_made_at_all_those_that_wait_tell() {
        let tempo = Minute::default().tempo(Instant::now(), 0, &[wait(40 * S, 40 * S); 3]);
        assert_eq!((tempo.due, tempo.done, tempo.stretch()), (3, 0, 5.0));
        assert!(tempo.lag_p50 >= 40 * S);
    }

    #[test]
    fn a_lag_is_told_right_to_an_eighth() {
        for ms in 0..1_000_000 {
            let told = upper_edge(bin(Duration::from_millis(ms))).as_millis() as u64;
            assert!(told >= ms && told <= ms + ms / 8 + 1, "{ms} ms told as {told}");
        }
        assert_eq!(bin(Duration::MAX), BINS - 1);
    }
}
