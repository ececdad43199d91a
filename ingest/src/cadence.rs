//! Whether a camera's keyframes come often enough for its looks; where they do not, all its frames are to be decoded.
//!
//! ```text
//!     two intervals in a row are too long, one is twice as long as it may be, or a session was given up for want of keyframes
//!  keyframes ----------------------------------------------------------------------------> all frames
//!            <----------------------------------------------------------------------------
//!                           three intervals in a row are short enough
//! ```
//! One interval that is too long may be the network's; "smart" encoders stretch many, and with intra refresh the first never
//! ends. No I/O and no clock.

use std::time::{Duration, Instant};

use domain::DecodeMode;

/// Intervals in a row that are believed.
const LATE: u32 = 2;
const PROMPT: u32 = 3;
/// An interval that lasts so many times as long as it may is believed by itself.
const FAR_TOO_LONG: u32 = 2;
/// How far an interval must be on the other side of the time between looks: a tenth.
const MARGIN: u32 = 10;
/// Of a busy machine, which sees keyframes late.
const JITTER: Duration = Duration::from_millis(500);

/// What happened on a camera's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A session began.
    Began,
    /// A keyframe came.
    Keyframe,
    /// Other frames came.
    Frames,
    /// The session is given up since no keyframe comes.
    Starved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many intervals in a row were too long.
    Keyframes { late: u32 },
    /// So many were short enough.
    AllFrames { prompt: u32 },
}

/// What is known of the keyframes of one camera.
#[derive(Debug)]
pub(crate) struct Cadence {
    state: State,
    /// When the last keyframe of this session came.
    keyframe: Option<Instant>,
    /// That, or when the session began; none before the first.
    since: Option<Instant>,
}

/// What an interval says.
enum Interval {
    TooLong,
    ShortEnough,
    Unclear,
}

impl Interval {
    fn of(interval: Duration, look_interval: Duration) -> Self {
        let margin = look_interval / MARGIN;
        if interval > look_interval + margin.max(JITTER) {
            Self::TooLong
        } else if interval <= look_interval - margin {
            Self::ShortEnough
        } else {
            Self::Unclear
        }
    }
}

impl Default for Cadence {
    fn default() -> Self {
        Self { state: State::Keyframes { late: 0 }, keyframe: None, since: None }
    }
}

impl Cadence {
    /// Takes in what happened at `now`, where a look is due each `look_interval` while nothing is suspected. What is known
    /// outlives a session.
    pub(crate) fn apply(&mut self, now: Instant, event: Event, look_interval: Duration) {
        let waited = self.since.map(|since| now.saturating_duration_since(since));
        let interval = match event {
            Event::Began => {
                (self.keyframe, self.since) = (None, Some(now));
                None
            }
            Event::Keyframe => {
                self.since = Some(now);
                self.keyframe.replace(now).map(|last| now.saturating_duration_since(last))
            }
            Event::Frames | Event::Starved => None,
        };
        let far_too_long = (look_interval + JITTER) * FAR_TOO_LONG;
        self.state = match (self.state, event, interval.map(|interval| Interval::of(interval, look_interval))) {
            (State::Keyframes { .. }, Event::Starved, _) => State::AllFrames { prompt: 0 },
            // It did not end before it was.
            (State::Keyframes { .. }, Event::Frames | Event::Keyframe, _)
                if waited.is_some_and(|waited| waited > far_too_long) =>
            {
                State::AllFrames { prompt: 0 }
            }
            (State::Keyframes { late }, _, Some(Interval::TooLong)) if late + 1 >= LATE => {
                State::AllFrames { prompt: 0 }
            }
            (State::Keyframes { late }, _, Some(Interval::TooLong)) => State::Keyframes { late: late + 1 },
            (State::Keyframes { .. }, _, Some(Interval::ShortEnough)) => State::Keyframes { late: 0 },
            (State::AllFrames { prompt }, _, Some(Interval::ShortEnough)) if prompt + 1 >= PROMPT => {
                State::Keyframes { late: 0 }
            }
            (State::AllFrames { prompt }, _, Some(Interval::ShortEnough)) => State::AllFrames { prompt: prompt + 1 },
            (State::AllFrames { .. }, _, Some(Interval::TooLong)) => State::AllFrames { prompt: 0 },
            (state, _, Some(Interval::Unclear) | None) => state,
        };
    }

    /// What its frames are to be.
    pub(crate) fn mode(&self) -> DecodeMode {
        match self.state {
            State::Keyframes { .. } => DecodeMode::Keyframes,
            State::AllFrames { .. } => DecodeMode::AllFrames,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKS: Duration = Duration::from_secs(10);

    /// Frames come each second; `intervals` are those of the keyframes. Says for each whether all frames are decoded at its end.
    fn play(cadence: &mut Cadence, now: &mut Instant, intervals: &[u64]) -> String {
        let mut modes = String::new();
        for interval in intervals {
            for second in 1..=*interval {
                *now += Duration::from_secs(1);
                let event = if second == *interval { Event::Keyframe } else { Event::Frames };
                cadence.apply(*now, event, LOOKS);
            }
            modes.push(if cadence.mode() == DecodeMode::AllFrames { 'A' } else { '.' });
        }
        modes
    }

    #[track_caller]
    fn check(intervals: &[u64], expect: &str) {
        let (mut cadence, mut now) = (Cadence::default(), Instant::now());
        cadence.apply(now, Event::Began, LOOKS);
        cadence.apply(now, Event::Keyframe, LOOKS);
        assert_eq!(play(&mut cadence, &mut now, intervals), expect, "{intervals:?}");
    }

    #[test]
    fn all_frames_are_decoded_while_keyframes_are_rare() {
        check(&[2, 2, 10, 10, 11, 10, 2], ".......");
        check(&[12, 12, 12], ".AA");
        check(&[12, 2, 12, 2, 15], ".....");
        check(&[12, 10, 12], "..A");
        check(&[25, 6, 2, 12, 25, 6, 2, 2, 2], "AAAAAAA..");
        check(&[60, 2, 2, 10, 2], "AAAA.");
    }

    #[test]
    fn an_interval_that_does_not_end_is_believed_while_it_lasts() {
        let (mut cadence, mut now) = (Cadence::default(), Instant::now());
        cadence.apply(now, Event::Frames, LOOKS);
        cadence.apply(now, Event::Began, LOOKS);
        // No keyframe ever came.
        for second in 1..=60 {
            now += Duration::from_secs(1);
            cadence.apply(now, Event::Frames, LOOKS);
            assert_eq!(cadence.mode() == DecodeMode::AllFrames, second > 21, "{second} s");
        }
    }

    #[test]
    fn a_stream_that_is_given_up_for_want_of_keyframes_is_decoded_the_next_time() {
        let (mut cadence, mut now) = (Cadence::default(), Instant::now());
        // Looks are rarer than the patience with a session is long.
        let looks = Duration::from_secs(300);
        for event in [Event::Began, Event::Frames, Event::Starved] {
            assert_eq!(cadence.mode(), DecodeMode::Keyframes);
            cadence.apply(now, event, looks);
            now += Duration::from_secs(30);
        }
        cadence.apply(now, Event::Began, looks);
        assert_eq!(cadence.mode(), DecodeMode::AllFrames);
    }

    #[test]
    fn a_new_session_ends_no_interval_and_forgets_nothing() {
        let (mut cadence, mut now) = (Cadence::default(), Instant::now());
        cadence.apply(now, Event::Began, LOOKS);
        cadence.apply(now, Event::Keyframe, LOOKS);
        assert_eq!(play(&mut cadence, &mut now, &[12]), ".");
        now += Duration::from_secs(3_600);
        cadence.apply(now, Event::Began, LOOKS);
        cadence.apply(now, Event::Keyframe, LOOKS);
        assert_eq!(cadence.mode(), DecodeMode::Keyframes);
        assert_eq!(play(&mut cadence, &mut now, &[12]), "A");
        cadence.apply(now, Event::Began, LOOKS);
        assert_eq!(cadence.mode(), DecodeMode::AllFrames);
    }

    #[test]
    fn a_busy_machine_makes_no_keyframe_rare() {
        let (mut cadence, mut now) = (Cadence::default(), Instant::now());
        let looks = Duration::from_secs(2);
        cadence.apply(now, Event::Began, looks);
        for late in [0, 400, 0, 450, 100, 499, 499] {
            now += Duration::from_millis(2_000 + late);
            cadence.apply(now, Event::Keyframe, looks);
            assert_eq!(cadence.mode(), DecodeMode::Keyframes);
        }
    }
}
