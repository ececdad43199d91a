//! What is logged of many cameras' states: a line for each change, and where many change at once a few lines and then one
//! that counts the others. No I/O and no clock.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::CameraId;

/// Changes of streams of one kind are counted over so long.
const WINDOW: Duration = Duration::from_secs(5);
/// So many of them are told one by one.
const LINES: usize = 20;

/// What happened to a camera's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It ended.
    Lost,
    /// Still lost, but for another reason.
    Otherwise,
    /// It runs.
    Streaming,
    /// It runs, but there is no picture to be had of it.
    Undecodable,
}

/// Whether a change is worth a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is.
    Alone,
    /// Counted, and told with the others later.
    Together,
}

/// A line for many changes.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary<K = Change> {
    /// What happened.
    pub change: K,
    /// How many changed so in the window, those that were told one by one too.
    pub cameras: usize,
    /// How long that was.
    pub window: Duration,
    /// The first of those that were not told.
    pub first: CameraId,
    /// What was said of it.
    pub said: String,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    cameras: usize,
    first: Option<(CameraId, String)>,
}

/// Counts what changes, by the kind of change.
#[derive(Debug)]
pub struct Chronicle<K = Change> {
    window: Duration,
    lines: usize,
    windows: Mutex<BTreeMap<K, Window>>,
}

impl Default for Chronicle {
    fn default() -> Self {
        Self::new(WINDOW, LINES)
    }
}

impl<K: Copy + Ord> Chronicle<K> {
    /// Counts changes of one kind over `window`, and has the first `lines` of them told one by one.
    #[must_use]
    pub fn new(window: Duration, lines: usize) -> Self {
        Self { window, lines, windows: Mutex::default() }
    }

    /// A camera changed at `now`; `said` is what there is to say about it.
    pub fn tell(&self, now: Instant, change: K, camera: &CameraId, said: &dyn fmt::Display) -> Told {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(change).or_insert(Window { began: now, cameras: 0, first: None });
        window.cameras += 1;
        if window.cameras <= self.lines {
            return Told::Alone;
        }
        window.first.get_or_insert_with(|| (camera.clone(), said.to_string()));
        Told::Together
    }

    /// The lines for windows that are over; to be asked for every now and then.
    pub fn summaries(&self, now: Instant) -> Vec<Summary<K>> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut summaries = Vec::new();
        windows.retain(|change, open| {
            let window = now.saturating_duration_since(open.began);
            if window < self.window {
                return true;
            }
            if let Some((first, said)) = open.first.take() {
                summaries.push(Summary { change: *change, cameras: open.cameras, window, first, said });
            }
            false
        });
        summaries
    }
}

impl Summary {
    /// Writes it to the log.
    pub(crate) fn log(&self) {
        let Self { cameras, first, said, .. } = self;
        let seconds = self.window.as_secs_f64().round();
        match self.change {
            Change::Lost => {
                tracing::warn!(cameras, %first, error = said, "{cameras} cameras lost their stream in {seconds} s");
            }
            Change::Otherwise => {
                tracing::warn!(cameras, %first, error = said, "{cameras} cameras are still offline, for another reason");
            }
            Change::Streaming => tracing::info!(cameras, %first, "{cameras} cameras began to stream in {seconds} s"),
            Change::Undecodable => {
                tracing::warn!(cameras, %first, error = said, "looks at {cameras} cameras began to fail in {seconds} s");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lose(chronicle: &Chronicle, now: Instant, cameras: usize) -> usize {
        let tell = |n: usize| {
            let camera = format!("cam-{n}").parse().expect("an id");
            chronicle.tell(now, Change::Lost, &camera, &"it is off")
        };
        (0..cameras).map(tell).filter(|told| *told == Told::Alone).count()
    }

    #[test]
    fn a_few_are_told_one_by_one() {
        let (chronicle, now) = (Chronicle::default(), Instant::now());
        assert_eq!(lose(&chronicle, now, 20), 20);
        assert_eq!(chronicle.summaries(now + WINDOW), []);
        assert_eq!(lose(&chronicle, now + WINDOW, 20), 20);
    }

    #[test]
    fn a_storm_is_twenty_lines_and_one_that_counts() {
        let (chronicle, now) = (Chronicle::default(), Instant::now());
        assert_eq!(lose(&chronicle, now, 2000), 20);
        let gate = "gate".parse().expect("an id");
        assert_eq!(chronicle.tell(now, Change::Streaming, &gate, &"h264"), Told::Alone, "another kind of change");
        assert_eq!(chronicle.summaries(now + WINDOW / 2), []);
        let [summary] = chronicle.summaries(now + WINDOW).try_into().expect("one line");
        assert_eq!((summary.change, summary.cameras, summary.first.as_str()), (Change::Lost, 2000, "cam-20"));
        assert_eq!(summary.said, "it is off");
        assert_eq!(chronicle.summaries(now + 2 * WINDOW), []);
    }
}
