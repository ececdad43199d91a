//! How long the frames of a stream gather in its socket before they are taken in: one wake-up for several frames instead of one for
//! each. 2000 cameras send 50,000 frames a second, of which 200 are looked at; what the others cost is mostly waking up
//! and asking the kernel.

use std::{sync::LazyLock, time::Duration};

use tokio::time::Instant;

/// The longest rest: what a look may be later than its frame.
const LONGEST: Duration = Duration::from_millis(175);
/// The shortest rest that is worth one.
const SHORTEST: Duration = Duration::from_millis(10);
/// Rests end together, at so many points in time, so that one wake-up of a thread serves many streams.
const GRID: Duration = Duration::from_millis(25);
/// What may gather at once, in bytes: well below what a socket holds, so that no sender is ever held up.
const ROOM: usize = 48 * 1024;

/// The rests of one stream, by what came at once before.
#[derive(Debug)]
pub(crate) struct Gathering {
    rest: Duration,
    /// Taken in since the last rest.
    bytes: usize,
}

impl Gathering {
    pub(crate) fn new() -> Self {
        Self { rest: SHORTEST, bytes: 0 }
    }

    /// A frame was taken in.
    pub(crate) fn took(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Whether anything was taken in since the last rest: a stream that is silent is waited for instead.
    pub(crate) fn is_due(&self) -> bool {
        self.bytes > 0
    }

    /// Waits while more gathers, now that all that had come is taken in.
    pub(crate) async fn gather(&mut self) {
        static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        let rest = self.rest();
        let end = ORIGIN.elapsed() + rest;
        // A fast stream cannot wait for the others.
        tokio::time::sleep_until(*ORIGIN + if rest < GRID * 2 { end } else { aligned(end) }).await;
    }

    fn rest(&mut self) -> Duration {
        let bytes = std::mem::take(&mut self.bytes);
        // Half of the room, so that a keyframe fits on top.
        self.rest = if bytes > ROOM / 2 { self.rest / 2 } else { self.rest * 2 }.clamp(SHORTEST, LONGEST);
        self.rest
    }
}

/// The point of the grid at or after `end`.
fn aligned(end: Duration) -> Duration {
    let over = end.as_nanos() % GRID.as_nanos();
    let wait = GRID - Duration::from_nanos(over as u64);
    if over == 0 { end } else { end + wait }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest that a stream of so many bytes a second settles at.
    fn settled(rate: f64) -> Duration {
        let mut gathering = Gathering::new();
        let mut rest = SHORTEST;
        for _ in 0..50 {
            gathering.took((rate * rest.as_secs_f64()) as usize + 1);
            rest = gathering.rest();
        }
        rest
    }

    #[test]
    fn a_slow_stream_rests_longest_and_a_fast_one_never_fills_its_socket() {
        assert_eq!(settled(64_000.0), LONGEST, "512 kbit/s");
        for megabits in [4.0, 8.0, 16.0] {
            let rate = megabits * 125_000.0;
            let gathered = rate * settled(rate).as_secs_f64();
            assert!(gathered <= ROOM as f64, "{megabits} Mbit/s: {gathered} bytes at once");
        }
    }

    #[test]
    fn rests_end_on_the_grid() {
        assert_eq!(aligned(GRID * 3), GRID * 3);
        assert_eq!(aligned(GRID * 3 + Duration::from_millis(1)), GRID * 4);
        assert_eq!(aligned(GRID * 4 - Duration::from_nanos(1)), GRID * 4);
    }

    #[test]
    fn nothing_taken_in_is_waited_for() {
        let mut gathering = Gathering::new();
        assert!(!gathering.is_due());
        gathering.took(100);
        assert!(gathering.is_due());
        gathering.rest();
        assert!(!gathering.is_due());
    }
}
