//! Deadlines: when a case is due, how much of its time is left, and which light it shows.
//!
//! A [`Deadline`] is a start, a [`Limit`] (an amount on one of five clocks) and the pauses that stopped it. A
//! [`WorkCalendar`] knows when people work; [`Lights`] says when green turns yellow. Nothing here reads a clock: the same
//! deadline gives the same times whoever asks and whenever. A year without a holiday calendar is an error, never a guess.
//!
//! ```text
//!  start        pause (returned, suspended)        yellow            due
//!    ├──── runs ────┤░░░░░░░ stands ░░░░░░░├──── runs ──┼──── runs ─────┼──── overdue ───▶
//!  green                                              yellow           red
//! ```

mod calendar;
mod config;
mod level;
mod light;
mod limit;
#[cfg(test)]
mod tests;

use domain::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::{
    calendar::{CalendarError, Holiday, HolidayYear, WorkCalendar},
    config::DeadlineConfig,
    level::{LevelError, ResponseLevel},
    light::{Lamp, Light, LightChange, Lights, Stage},
    limit::{Amount, Limit, LimitError, LimitUnit},
};

/// What stopped a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// 退单: the unit sent the case back, and nobody has it.
    Returned,
    /// 挂账: it cannot be solved for now.
    Suspended,
    /// 核查: the unit says that it is solved, and that is being checked; its time runs on only if it is not.
    Checked,
}

/// A time in which the clock stands, whatever clock it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// When it stopped.
    pub from: Timestamp,
    /// When it went on; absent while it stands.
    pub until: Option<Timestamp>,
    /// What stopped it.
    pub reason: PauseReason,
}

/// A limit that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// When it began to run.
    pub started_at: Timestamp,
    /// How long it runs.
    pub limit: Limit,
    /// When it stood; in any order, overlapping or not.
    pub pauses: Vec<Pause>,
    /// A due time that somebody set instead of the limit's.
    #[serde(default)]
    pub set: Option<DueSet>,
}

/// A due time that was set: at a dispatch, or when the case was given more time (延期).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueSet {
    /// When it was set; only what stops the clock after that moves it.
    pub at: Timestamp,
    /// When the case is due.
    pub due: Timestamp,
}

/// Where a deadline stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// When it is due; absent while a pause without an end keeps it away.
    pub due: Option<Timestamp>,
    /// How much is left, on the deadline's own clock; nothing once it is overdue.
    pub left: Millis,
    /// The light.
    pub light: Light,
    /// When the light changes next if nothing else happens; absent when it is red and while the clock stands.
    pub changes_at: Option<Timestamp>,
}

impl Deadline {
    /// A deadline that has not been paused.
    #[must_use]
    pub fn new(started_at: Timestamp, limit: Limit) -> Self {
        Self { started_at, limit, pauses: Vec::new(), set: None }
    }

    /// When it is due; absent while a pause without an end keeps it away.
    ///
    /// # Errors
    /// When a work clock runs into a year that the calendar does not have.
    pub fn due(&self, calendar: &WorkCalendar) -> Result<Option<Timestamp>, CalendarError> {
        self.due_after(self.length(calendar)?, calendar)
    }

    /// Where it stands at `now`.
    ///
    /// # Errors
    /// When a work clock runs into a year that the calendar does not have.
    pub fn standing(
        &self,
        now: Timestamp,
        calendar: &WorkCalendar,
        lights: &Lights,
    ) -> Result<Standing, CalendarError> {
        let length = self.length(calendar)?;
        let due = self.due_after(length, calendar)?;
        let yellow_at = self.reaches(Millis(length.0 - lights.yellow_left(length).0), calendar)?;
        let is_past = |moment: Option<Timestamp>| moment.is_some_and(|at| now >= at);
        Ok(if is_past(due) {
            Standing { due, left: Millis::ZERO, light: Light::Red, changes_at: None }
        } else {
            let (light, changes_at) = if is_past(yellow_at) { (Light::Yellow, due) } else { (Light::Green, yellow_at) };
            Standing { due, left: Millis(length.0 - self.run(now, calendar)?.0), light, changes_at }
        })
    }

    /// Whether this is its first moment.
    #[must_use]
    pub fn begins_at(&self, at: Timestamp) -> bool {
        self.started_at == at
    }

    /// From when it is reckoned.
    fn begins(&self) -> Timestamp {
        self.set.map_or(self.started_at, |set| set.at)
    }

    /// How long the clock may run.
    fn length(&self, calendar: &WorkCalendar) -> Result<Millis, CalendarError> {
        match self.set {
            Some(set) if set.due <= set.at => Ok(Millis::ZERO),
            Some(set) => calendar.elapsed(self.limit.unit, set.at, set.due),
            None => calendar.length(self.limit, self.started_at),
        }
    }

    /// A due time that was set is kept to the letter, working time or not, unless the clock stood meanwhile.
    fn due_after(&self, length: Millis, calendar: &WorkCalendar) -> Result<Option<Timestamp>, CalendarError> {
        match self.set {
            Some(set)
                if self.stretches().first().is_some_and(|(_, until)| until.is_none_or(|until| until >= set.due)) =>
            {
                Ok(Some(set.due))
            }
            _ => self.reaches(length, calendar),
        }
    }

    /// How long the clock has run at `now`.
    fn run(&self, now: Timestamp, calendar: &WorkCalendar) -> Result<Millis, CalendarError> {
        let mut run = 0;
        for (from, until) in self.stretches() {
            let until = until.map_or(now, |until| until.min(now));
            if until > from {
                run += calendar.elapsed(self.limit.unit, from, until)?.0;
            }
        }
        Ok(Millis(run))
    }

    /// The first moment at which the clock has run for `length`; none where it stands before that.
    fn reaches(&self, length: Millis, calendar: &WorkCalendar) -> Result<Option<Timestamp>, CalendarError> {
        let mut left = length;
        for (from, until) in self.stretches() {
            if let Some(until) = until {
                let run = calendar.elapsed(self.limit.unit, from, until)?;
                if run < left {
                    left = Millis(left.0 - run.0);
                    continue;
                }
            }
            return calendar.after(self.limit.unit, from, left).map(Some);
        }
        Ok(None)
    }

    /// The times in which the clock runs, in order; the last has no end unless the clock stands.
    fn stretches(&self) -> Vec<(Timestamp, Option<Timestamp>)> {
        let mut pauses = self.pauses.clone();
        pauses.sort_by_key(|pause| pause.from);
        let mut stretches = Vec::new();
        let mut from = self.begins();
        for pause in pauses {
            if pause.from > from {
                stretches.push((from, Some(pause.from)));
            }
            match pause.until {
                Some(until) => from = from.max(until),
                None => return stretches,
            }
        }
        stretches.push((from, None));
        stretches
    }
}
