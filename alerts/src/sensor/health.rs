//! The health of a device: whether it speaks, and whether what it says can be believed.

use domain::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

/// How much more than "low" a battery must have to be well again.
const RECOVERED: f64 = 5.0;
/// Readings that a value must last for before its device counts as stuck.
const STUCK_READINGS: u32 = 10;

/// How a device fares, the worst first that is true of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has said nothing for longer than it may.
    Silent,
    /// Its last reading cannot be.
    OutOfRange,
    /// Its value has not moved at all for longer than it may.
    Stuck,
    /// Its battery is low.
    BatteryLow,
    /// All is well.
    Ok,
    /// It has said nothing since gridwatch knows it.
    #[default]
    Waiting,
}

impl State {
    /// The state as one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::OutOfRange => "out_of_range",
            Self::Stuck => "stuck",
            Self::BatteryLow => "battery_low",
            Self::Ok => "ok",
            Self::Waiting => "waiting",
        }
    }
}

/// What is known of a device's health.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// The state that was last told.
    pub state: State,
    /// Since when.
    pub since: Option<Timestamp>,
    /// When it last spoke.
    pub seen_at: Option<Timestamp>,
    /// The battery's charge in percent.
    pub battery: Option<f64>,
    low: bool,
    odd: bool,
    /// The value of its main measure, since when it is that, and how often it was told.
    run: Option<(f64, Timestamp, u32)>,
}

/// What a device is held to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) silent_after: Millis,
    pub(super) stuck_after: Option<Millis>,
    pub(super) battery_low: f64,
}

impl Health {
    /// It spoke.
    pub(super) fn seen(&mut self, at: Timestamp) {
        self.seen_at = Some(at);
        self.odd = false;
    }

    /// It spoke, and what it said cannot be.
    pub(super) fn odd(&mut self, at: Timestamp) {
        self.seen_at = Some(at);
        self.odd = true;
    }

    pub(super) fn charge(&mut self, percent: f64, limits: Limits) {
        self.battery = Some(percent);
        self.low = percent < limits.battery_low + if self.low { RECOVERED } else { 0.0 };
    }

    /// It told its main measure.
    pub(super) fn value(&mut self, value: f64, at: Timestamp) {
        self.run = Some(match self.run {
            Some((same, since, n)) if same.to_bits() == value.to_bits() => (same, since.min(at), n.saturating_add(1)),
            _ => (value, at, 1),
        });
    }

    /// Whether it has said nothing for too long, while we listened since `listening`.
    pub(super) fn is_silent(&self, now: Timestamp, listening: Option<Timestamp>, limits: Limits) -> bool {
        let (Some(seen), Some(listening)) = (self.seen_at, listening) else { return false };
        now.since(seen.max(listening)) >= limits.silent_after
    }

    /// The state at `now`; whether that is another one than before.
    pub(super) fn settle(&mut self, now: Timestamp, listening: Option<Timestamp>, limits: Limits) -> bool {
        let stuck = |after| self.run.is_some_and(|(_, since, n)| n >= STUCK_READINGS && now.since(since) >= after);
        let state = match () {
            () if self.seen_at.is_none() => State::Waiting,
            () if self.is_silent(now, listening, limits) => State::Silent,
            // While nobody listens nothing is learnt: who was silent may still be.
            () if listening.is_none() && self.state == State::Silent => State::Silent,
            () if self.odd => State::OutOfRange,
            () if limits.stuck_after.is_some_and(stuck) => State::Stuck,
            () if self.low => State::BatteryLow,
            () => State::Ok,
        };
        if state == self.state {
            return false;
        }
        (self.state, self.since) = (state, Some(now));
        true
    }
}
