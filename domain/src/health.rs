//! What may be wrong with a camera that is there: the words for it, and the hysteresis with which it is believed.
//!
//! ```text
//!         bad for `on`                     good for `off`
//!  well ------------------> ill ---------------------------------> well
//!   |  ^                     |  ^
//!   v  | good                v  | bad
//!  suspected               recovering
//! ```

use std::fmt;

use serde::Serialize;

use crate::{Millis, Timestamp};

/// Something that is wrong with a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraFault {
    /// It gives no pictures, for longer than a restart takes.
    Offline,
    /// It comes and goes: its connection is lost again and again, each time too shortly to be offline.
    Unstable,
    /// The same picture again and again, though the stream runs.
    Frozen,
    /// Nothing can be made out: covered, sprayed over, fogged up.
    Blind,
    /// Too little light to see anything.
    Dark,
    /// Out of focus, or a dirty lens.
    Blurred,
    /// It looks elsewhere than its zones were drawn for.
    Moved,
    /// Keyframes come less often than looks are due.
    KeyframeInterval,
    /// Its clock is not ours.
    Clock,
}

impl CameraFault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Offline,
        Self::Unstable,
        Self::Frozen,
        Self::Blind,
        Self::Dark,
        Self::Blurred,
        Self::Moved,
        Self::KeyframeInterval,
        Self::Clock,
    ];

    /// The fault as one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Unstable => "unstable",
            Self::Frozen => "frozen",
            Self::Blind => "blind",
            Self::Dark => "dark",
            Self::Blurred => "blurred",
            Self::Moved => "moved",
            Self::KeyframeInterval => "keyframe_interval",
            Self::Clock => "clock",
        }
    }

    /// Whether what the camera shows is something else than the view that is known.
    #[must_use]
    pub fn hides_the_view(self) -> bool {
        matches!(self, Self::Blind | Self::Moved)
    }

    /// Whether what the camera shows cannot be trusted, so that its tickets are suspended. A camera that is offline shows
    /// nothing in the first place.
    #[must_use]
    pub fn suspends_tickets(self) -> bool {
        match self {
            Self::Frozen | Self::Blind | Self::Dark | Self::Blurred | Self::Moved => true,
            Self::Offline | Self::Unstable | Self::KeyframeInterval | Self::Clock => false,
        }
    }
}

impl fmt::Display for CameraFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A fault that a camera has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ailment {
    /// What is wrong.
    pub fault: CameraFault,
    /// Since when, as far as it was seen.
    pub since: Timestamp,
}

/// What one observation says of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It is there.
    Bad,
    /// It is not there.
    Good,
    /// It cannot be told; counts for neither side.
    Unclear,
}

/// How long, and in how many observations, something must have been so to be believed; both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Observations in a row.
    pub looks: u32,
    /// Time from the first to the last of them.
    pub time: Millis,
}

/// A change of what is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The fault is believed from now on; it was first seen at this time.
    Ill(Timestamp),
    /// The fault is gone.
    Well,
}

/// Whether one fault is believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Latch {
    /// Nothing is wrong.
    #[default]
    Well,
    /// It was seen, not for long enough.
    Suspected {
        /// When first.
        from: Timestamp,
        /// In how many observations.
        looks: u32,
    },
    /// It is believed.
    Ill {
        /// When it was first seen.
        since: Timestamp,
    },
    /// It is still believed, but no longer seen.
    Recovering {
        /// When it was first seen.
        since: Timestamp,
        /// When first not.
        from: Timestamp,
        /// In how many observations.
        looks: u32,
    },
}

impl Latch {
    /// Since when the fault is believed, if it is.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Well | Self::Suspected { .. } => None,
            Self::Ill { since } | Self::Recovering { since, .. } => Some(*since),
        }
    }

    /// Takes in an observation; believing takes `on`, ceasing to takes `off`. A clock that is set back starts the count of
    /// time anew.
    pub fn observe(&mut self, at: Timestamp, sign: Sign, on: Patience, off: Patience) -> Option<Turn> {
        let enough = |from: Timestamp, looks: u32, patience: Patience| {
            looks >= patience.looks && at.since(from.min(at)) >= patience.time
        };
        let (next, turn) = match (*self, sign) {
            (state, Sign::Unclear) => (state, None),
            (Self::Well | Self::Suspected { .. }, Sign::Good) => (Self::Well, None),
            (state @ (Self::Well | Self::Suspected { .. }), Sign::Bad) => {
                let (from, looks) = match state {
                    Self::Suspected { from, looks } => (from.min(at), looks.saturating_add(1)),
                    _ => (at, 1),
                };
                if enough(from, looks, on) {
                    (Self::Ill { since: from }, Some(Turn::Ill(from)))
                } else {
                    (Self::Suspected { from, looks }, None)
                }
            }
            (Self::Ill { since } | Self::Recovering { since, .. }, Sign::Bad) => (Self::Ill { since }, None),
            (state @ (Self::Ill { .. } | Self::Recovering { .. }), Sign::Good) => {
                let (since, from, looks) = match state {
                    Self::Recovering { since, from, looks } => (since, from.min(at), looks.saturating_add(1)),
                    other => (other.since().unwrap_or(at), at, 1),
                };
                if enough(from, looks, off) {
                    (Self::Well, Some(Turn::Well))
                } else {
                    (Self::Recovering { since, from, looks }, None)
                }
            }
        };
        *self = next;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: Patience = Patience { looks: 3, time: Millis::secs(20) };
    const OFF: Patience = Patience { looks: 2, time: Millis::secs(10) };

    #[track_caller]
    fn check(signs: &str, expect: &str) {
        let mut latch = Latch::default();
        let states: String = signs
            .chars()
            .enumerate()
            .map(|(n, sign)| {
                let sign = match sign {
                    'b' => Sign::Bad,
                    'g' => Sign::Good,
                    _ => Sign::Unclear,
                };
                latch.observe(Timestamp(n as i64 * 10_000), sign, ON, OFF);
                if latch.since().is_some() { 'I' } else { '.' }
            })
            .collect();
        assert_eq!(states, expect, "{signs}");
    }

    #[test]
    fn a_fault_is_believed_and_forgotten_only_after_a_while() {
        check("bb", "..");
        check("bbb", "..I");
        check("bbgbbb", ".....I");
        check("bbbgbgg", "..IIII.");
        check("b??bb", "....I");
        check("bbb????", "..IIIII");
        check("gggg", "....");
    }

    #[test]
    fn looks_without_time_and_time_without_looks_are_not_enough() {
        let mut latch = Latch::default();
        let turns: Vec<_> = (0..10).map(|n| latch.observe(Timestamp(n), Sign::Bad, ON, OFF)).collect();
        assert!(turns.iter().all(Option::is_none));
        assert_eq!(latch.observe(Timestamp(20_000), Sign::Bad, ON, OFF), Some(Turn::Ill(Timestamp(0))));
        let mut latch = Latch::default();
        latch.observe(Timestamp(0), Sign::Bad, ON, OFF);
        assert_eq!(latch.observe(Timestamp(100_000), Sign::Bad, ON, OFF), None);
    }

    #[test]
    fn a_clock_that_is_set_back_believes_nothing_sooner() {
        let mut latch = Latch::default();
        latch.observe(Timestamp(100_000), Sign::Bad, ON, OFF);
        for at in [10_000, 11_000, 12_000] {
            assert_eq!(latch.observe(Timestamp(at), Sign::Bad, ON, OFF), None);
        }
        assert_eq!(latch.observe(Timestamp(30_000), Sign::Bad, ON, OFF), Some(Turn::Ill(Timestamp(10_000))));
    }
}
