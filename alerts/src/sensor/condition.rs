//! One rule at one device, from the first reading that satisfies it to the end of its rest.

use domain::{TicketId, Timestamp};
use serde::{Deserialize, Serialize};

use super::config::SensorRule;
use crate::incident::Ending;

/// Readings kept for a ticket: the first and the newest.
const NOTED: usize = 32;

/// A reading as a ticket shows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// When.
    pub at: Timestamp,
    /// How much, in the measure's unit.
    pub value: f64,
}

/// Where a rule stands at a device.
///
/// ```text
///           holds                held for `for`                over for `clear_for`
///  Quiet ──────────▶ Rising ──────────────────────▶ Standing ───────────────────────▶ Resting ──┐
///    ▲                  │                            ▲    │                                     │
///    │ no longer holds  │                            └────┘ holds, or between                   │
///    ├──────────────────┴───────────────────────────────────────────────── `rearm_after` ───────┘
///    │                                                    │ rejected, closed               ▲
///    │ `reject_cooldown`, `realarm`                       ▼                                │
///    └────────────────────────────────────────────────── Ended ────────────────────────────┘
///                                                             over for `clear_for`
/// ```
///
/// Where the value of an ended case still holds when its time is over, it rises anew: another ticket, once it has held for `for`.
/// Strict on the way up, one reading that does not hold begins the time anew; on the way down what lies between the two
/// levels changes nothing. A device that is silent neither opens nor clears.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It does not hold.
    #[default]
    Quiet,
    /// It holds, not yet for long enough.
    Rising {
        /// Since when.
        since: Timestamp,
        /// By which readings.
        noted: Vec<Noted>,
    },
    /// A ticket is open.
    Standing {
        /// Which.
        ticket: TicketId,
        /// The last reading that satisfied the rule.
        last_held: Timestamp,
        /// Since when readings say that it is over.
        over_since: Option<Timestamp>,
    },
    /// The ticket was rejected or closed; the problem may still be there.
    Ended {
        /// Which.
        ticket: TicketId,
        /// How.
        ending: Ending,
        /// Until when the device opens no other one of this kind.
        until: Timestamp,
        /// The newest reading, where it satisfies the rule.
        held: Option<Noted>,
        /// The last reading that satisfied it.
        last_held: Timestamp,
        /// Since when readings say that it is over.
        over_since: Option<Timestamp>,
    },
    /// A ticket was cleared a short while ago.
    Resting {
        /// Until when.
        until: Timestamp,
    },
}

/// What happens to a condition.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// A reading came.
    Reading(Noted),
    /// Time passed, and the last reading stands.
    Time(Timestamp),
    /// Its ticket was rejected or closed at that time; this was the newest reading.
    Ended(Ending, Timestamp, Option<Noted>),
}

impl Event {
    /// When it happened.
    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Reading(noted) => noted.at,
            Self::Time(now) | Self::Ended(_, now, _) => *now,
        }
    }
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// A ticket is to be opened.
    Open {
        /// Since when it holds.
        since: Timestamp,
        /// By which readings.
        noted: Vec<Noted>,
    },
    /// The problem of an open ticket still stands.
    Holds(TicketId),
    /// The ticket is to be cleared.
    Clear {
        /// Which.
        ticket: TicketId,
        /// The last reading that satisfied the rule.
        last_held: Timestamp,
    },
}

impl Condition {
    /// The one door: what `event` makes of this condition. `name` gives the ticket's id from the time since when it holds.
    pub(super) fn on(
        self,
        event: Event,
        rule: &SensorRule,
        name: impl FnOnce(Timestamp) -> TicketId,
    ) -> (Self, Option<Step>) {
        let now = event.at();
        match (self, event) {
            (Self::Quiet, Event::Reading(noted)) if rule.conditions.holds(noted.value) => {
                Self::risen(now, vec![noted], now, rule, name)
            }
            (Self::Rising { since, mut noted }, Event::Reading(new)) if rule.conditions.holds(new.value) => {
                if noted.len() == NOTED {
                    noted.remove(1);
                }
                noted.push(new);
                // A clock that was set back begins the time anew rather than never to end it.
                Self::risen(since.min(now), noted, now, rule, name)
            }
            (Self::Rising { .. }, Event::Reading(_)) => (Self::Quiet, None),
            (Self::Rising { since, noted }, Event::Time(_)) => Self::risen(since, noted, now, rule, name),
            (Self::Standing { ticket, last_held, over_since }, Event::Reading(new)) => {
                if rule.conditions.holds(new.value) {
                    (Self::Standing { ticket, last_held: now, over_since: None }, Some(Step::Holds(ticket)))
                } else if rule.conditions.is_over(new.value) {
                    let since = over_since.map_or(now, |since| since.min(now));
                    Self::ebbed(ticket, last_held, since, now, rule)
                } else {
                    (Self::Standing { ticket, last_held, over_since }, None)
                }
            }
            (Self::Standing { ticket, last_held, over_since: Some(since) }, Event::Time(_)) => {
                Self::ebbed(ticket, last_held, since, now, rule)
            }
            (Self::Standing { ticket, last_held, over_since }, Event::Ended(ending, _, latest)) => {
                let until = now + rule.quiet_after(ending);
                let held = latest.filter(|noted| rule.conditions.holds(noted.value));
                (Self::Ended { ticket, ending, until, held, last_held, over_since }, None)
            }
            // That it was no case outweighs that it is over.
            (
                Self::Ended { ticket, ending: Ending::Closed, held, last_held, over_since, .. },
                Event::Ended(Ending::Rejected, ..),
            ) => {
                let (ending, until) = (Ending::Rejected, now + rule.reject_cooldown);
                (Self::Ended { ticket, ending, until, held, last_held, over_since }, None)
            }
            (ended @ Self::Ended { .. }, Event::Ended(..)) => (ended, None),
            (Self::Ended { ticket, ending, until, held, last_held, over_since }, event) => {
                // A clock that stepped back must not make it longer than it was meant to be.
                let until = until.min(now + rule.quiet_after(ending));
                let (held, last_held, over_since) = match event {
                    Event::Reading(new) if rule.conditions.holds(new.value) => (Some(new), now, None),
                    Event::Reading(new) if rule.conditions.is_over(new.value) => {
                        (None, last_held, Some(over_since.map_or(now, |since| since.min(now))))
                    }
                    Event::Reading(_) => (None, last_held, over_since),
                    Event::Time(_) | Event::Ended(..) => (held, last_held, over_since),
                };
                match over_since {
                    Some(since) if now.since(since) >= rule.clear_for => Self::over(ticket, last_held, now, rule),
                    _ if now < until => (Self::Ended { ticket, ending, until, held, last_held, over_since }, None),
                    _ => match held {
                        Some(held) => Self::risen(now, vec![held], now, rule, name),
                        None => (Self::Quiet, None),
                    },
                }
            }
            (Self::Resting { until }, event) => {
                // A clock that stepped back must not make the rest longer than it was meant to be.
                let until = until.min(now + rule.rearm_after);
                match event {
                    _ if now < until => (Self::Resting { until }, None),
                    Event::Reading(_) => Self::Quiet.on(event, rule, name),
                    Event::Time(_) | Event::Ended(..) => (Self::Quiet, None),
                }
            }
            (quiet @ Self::Quiet, Event::Reading(_) | Event::Time(_)) => (quiet, None),
            // Of another ticket than this one's.
            (before @ (Self::Quiet | Self::Rising { .. }), Event::Ended(..)) => (before, None),
            (standing @ Self::Standing { over_since: None, .. }, Event::Time(_)) => (standing, None),
        }
    }

    fn risen(
        since: Timestamp,
        noted: Vec<Noted>,
        now: Timestamp,
        rule: &SensorRule,
        name: impl FnOnce(Timestamp) -> TicketId,
    ) -> (Self, Option<Step>) {
        if now.since(since) < rule.holds_for {
            return (Self::Rising { since, noted }, None);
        }
        let last_held = noted.last().map_or(now, |noted| noted.at);
        (Self::Standing { ticket: name(since), last_held, over_since: None }, Some(Step::Open { since, noted }))
    }

    fn ebbed(
        ticket: TicketId,
        last_held: Timestamp,
        since: Timestamp,
        now: Timestamp,
        rule: &SensorRule,
    ) -> (Self, Option<Step>) {
        if now.since(since) < rule.clear_for {
            return (Self::Standing { ticket, last_held, over_since: Some(since) }, None);
        }
        Self::over(ticket, last_held, now, rule)
    }

    fn over(ticket: TicketId, last_held: Timestamp, now: Timestamp, rule: &SensorRule) -> (Self, Option<Step>) {
        (Self::Resting { until: now + rule.rearm_after }, Some(Step::Clear { ticket, last_held }))
    }

    /// The ticket that it has or had.
    pub(super) fn ticket(&self) -> Option<TicketId> {
        match self {
            Self::Standing { ticket, .. } | Self::Ended { ticket, .. } => Some(*ticket),
            Self::Quiet | Self::Rising { .. } | Self::Resting { .. } => None,
        }
    }

    /// Since when readings say that it is over.
    pub(super) fn over_since(&self) -> Option<Timestamp> {
        match self {
            Self::Standing { over_since, .. } | Self::Ended { over_since, .. } => *over_since,
            Self::Quiet | Self::Rising { .. } | Self::Resting { .. } => None,
        }
    }
}
