//! A case's clocks: how long until somebody should be there and until it should be solved, what stops and moves that, and
//! what each change of light asks for. A core without I/O: time comes in with each event, messages to write come out as
//! values, and what is kept is one JSON value, so that a restart goes on where it was.
//!
//! ```text
//!                   filed, or dispatched               returned, suspended, checked
//!   Waiting ──────────────────────────────▶ Running ⇄───────────────────────────────── (stands: a pause of its deadlines)
//!                                              │  somebody is there: the arrive clock is done
//!                                              │  solved: both are done, as long as the check bears it out
//!                                              ▼  over: closed, rejected, gone
//!                                           Stopped ─── found to be still there ───▶ Running, the time between not counted
//! ```
//!
//! A light only ever rises as time passes; it falls when somebody gives more time or the clock turns out to have stopped
//! earlier. Each red lifts the case one level, from community to city, and a level that a case has left it never leaves again.

use domain::{TicketId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    case::{Change, State},
    deadline::{
        CalendarError, Deadline, DueSet, Lamp, Light, LightChange, Lights, Limit, Pause, PauseReason, ResponseLevel,
        Stage, Standing, WorkCalendar,
    },
    routed::Routed,
};

#[cfg(test)]
mod tests;

/// From when the clocks of a case run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockStart {
    /// From when it is filed on the platform.
    #[default]
    Filed,
    /// From when the platform dispatches it to a unit.
    Dispatched,
}

/// What moves a case's clocks; each at a moment of its own, which may lie before the one at which it is heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockEvent {
    /// The case was filed.
    Filed,
    /// A unit was sent; by when it should be solved, where the platform says so. Ends a return.
    Dispatched {
        /// The platform's due time.
        due: Option<Timestamp>,
    },
    /// Somebody is there and works on it. Ends a return.
    Arrived,
    /// The unit says that it is solved.
    Solved,
    /// The check showed that it is not: the time of the check does not count.
    StillThere,
    /// The unit gave it back, or it cannot be solved for now.
    Paused(PauseReason),
    /// That is over.
    Resumed(PauseReason),
    /// There is more time.
    Extended {
        /// Until when.
        due: Timestamp,
    },
    /// The case is over.
    Over,
    /// Time passed.
    Tick,
}

/// A light that changed, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LightTurn {
    /// Its number among the case's, from 1: with the ticket's id it names the message.
    pub number: u32,
    /// Which clock's.
    pub clock: Stage,
    /// What it shows now.
    pub light: Light,
    /// When it is due; absent while the clock stands.
    pub due: Option<Timestamp>,
    /// The level that answered until now.
    pub level: ResponseLevel,
    /// The level that answers from now on, where this lifts the case.
    pub escalated_to: Option<ResponseLevel>,
    /// When the clock stopped, where it has: this tells how it stood then.
    pub stopped_at: Option<Timestamp>,
}

/// What came of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The lights that changed, in order.
    pub turns: Vec<LightTurn>,
    /// Why a due time is not known.
    pub unknown: Option<CalendarError>,
}

impl ClockEvent {
    /// What a line of a case's history is to its clocks.
    #[must_use]
    pub fn of(change: &Change) -> Option<Self> {
        Some(match (change.event.as_str(), change.to) {
            (_, State::Closed | State::Rejected) | ("gone" | "checked_cleared", _) => Self::Over,
            ("dispatched", _) => Self::Dispatched { due: None },
            ("handling", _) => Self::Arrived,
            ("handled", _) => Self::Solved,
            ("came_back" | "checked_still_there", _) => Self::StillThere,
            ("returned", _) => Self::Paused(PauseReason::Returned),
            ("suspended", _) => Self::Paused(PauseReason::Suspended),
            ("resumed", _) => Self::Resumed(PauseReason::Suspended),
            (_, State::Filed) if change.from != State::Filed => Self::Filed,
            _ => return None,
        })
    }
}

/// Where a clock stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Which clock.
    pub clock: Stage,
    /// Its limit.
    pub limit: Limit,
    /// Its light, or the one that it showed when it stopped.
    pub light: Light,
    /// When it is due; absent while it stands.
    pub due: Option<Timestamp>,
    /// When it stopped for good.
    pub stopped_at: Option<Timestamp>,
    /// What keeps it standing.
    pub stands: Option<PauseReason>,
}

/// What a case's clocks are about.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// When people work.
    pub calendar: &'a WorkCalendar,
    /// When a light turns yellow.
    pub lights: &'a Lights,
}

/// What the clocks of all cases go by.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    /// When people work.
    pub calendar: WorkCalendar,
    /// When a light turns yellow.
    pub lights: Lights,
    /// From when clocks run.
    pub start: ClockStart,
}

impl Timetable {
    /// What one case's clocks are reckoned by.
    #[must_use]
    pub fn terms(&self) -> Terms<'_> {
        Terms { calendar: &self.calendar, lights: &self.lights }
    }
}

/// The clocks of one case. Its stored form is its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseClocks {
    /// Counted up with each event.
    revision: u32,
    /// The last line of the case's history that is taken in.
    #[serde(default)]
    heard: i64,
    /// The due time that the platform gave last.
    #[serde(default)]
    given: Option<Timestamp>,
    start: ClockStart,
    arrive: Option<Clock>,
    solve: Clock,
    /// Who answers now.
    level: ResponseLevel,
    /// How many changes of light were told.
    told: u32,
    /// When to look at it again though nothing happens.
    wakes_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Clock {
    limit: Limit,
    /// Absent while it waits to begin.
    deadline: Option<Deadline>,
    stopped_at: Option<Timestamp>,
    lamp: Lamp,
    /// When it was due as last reckoned.
    due: Option<Timestamp>,
}

impl CaseClocks {
    /// The clocks of a ticket that is routed so; they wait.
    #[must_use]
    pub fn new(route: &Routed, start: ClockStart) -> Self {
        Self {
            revision: 0,
            heard: 0,
            given: None,
            start,
            arrive: route.task.arrive.map(Clock::new),
            solve: Clock::new(route.task.solve),
            level: route.task.level,
            told: 0,
            wakes_at: None,
        }
    }

    /// The one door: takes in what happened at `at`, and says which lights have changed by `now`.
    pub fn apply(&mut self, at: Timestamp, event: ClockEvent, now: Timestamp, terms: Terms<'_>) -> Outcome {
        self.take(at, event);
        self.look(event != ClockEvent::Tick, now, terms)
    }

    /// Sets the clocks as the event has it.
    fn take(&mut self, at: Timestamp, event: ClockEvent) {
        self.revision = self.revision.wrapping_add(1);
        let begins =
            matches!((event, self.start), (ClockEvent::Filed, ClockStart::Filed) | (ClockEvent::Dispatched { .. }, _));
        if begins {
            self.each(|clock| clock.begin(at));
        }
        match event {
            ClockEvent::Filed | ClockEvent::Tick => {}
            ClockEvent::Dispatched { due } => {
                self.each(|clock| clock.resume(PauseReason::Returned, at));
                if let Some(due) = due {
                    self.solve.set(at, due);
                }
            }
            ClockEvent::Arrived => {
                self.each(|clock| clock.resume(PauseReason::Returned, at));
                if let Some(arrive) = &mut self.arrive {
                    arrive.stop(at);
                }
            }
            ClockEvent::Solved => {
                if let Some(arrive) = &mut self.arrive {
                    arrive.stop(at);
                }
                self.solve.stop(at);
            }
            ClockEvent::StillThere => self.solve.go_on(at),
            ClockEvent::Paused(reason) => self.each(|clock| clock.pause(reason, at)),
            ClockEvent::Resumed(reason) => self.each(|clock| clock.resume(reason, at)),
            ClockEvent::Extended { due } => self.solve.set(at, due),
            ClockEvent::Over => self.each(|clock| clock.stop(at)),
        }
    }

    /// Takes in the lines of the case's history that are new, each at the time at which it was decided, and the due time
    /// that the platform gave last; then says which lights have changed by `now`.
    pub fn follow<'a>(
        &mut self,
        history: impl IntoIterator<Item = (i64, &'a Change)>,
        given: Option<Timestamp>,
        now: Timestamp,
        terms: Terms<'_>,
    ) -> Outcome {
        let mut last = None;
        for (number, change) in history {
            if number <= self.heard {
                continue;
            }
            self.heard = number;
            if let Some(event) = ClockEvent::of(change) {
                let at = change.decided_at.unwrap_or(change.at).min(now);
                self.take(at, event);
                last = Some(at);
            }
        }
        if let Some(due) = given.filter(|_| given != self.given) {
            self.given = given;
            let at = *last.get_or_insert(now);
            self.take(at, ClockEvent::Extended { due });
        }
        // One look after all of it: what was red in between and is not is nobody's business any more.
        self.revision = self.revision.wrapping_add(1);
        self.look(last.is_some(), now, terms)
    }

    /// Turns the lamps to what they should show at `now`; only where something happened may a light fall.
    fn look(&mut self, may_fall: bool, now: Timestamp, terms: Terms<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        self.wakes_at = None;
        let clocks =
            self.arrive.iter_mut().map(|clock| (Stage::Arrive, clock)).chain([(Stage::Solve, &mut self.solve)]);
        for (stage, clock) in clocks {
            let Some(standing) = clock.standing(now, terms).unwrap_or_else(|error| {
                outcome.unknown = Some(error);
                // Perhaps the year's notice is there by then.
                self.wakes_at = Some(now + domain::Millis::mins(60));
                None
            }) else {
                continue;
            };
            clock.due = standing.due.or(clock.due.filter(|_| clock.stopped_at.is_some()));
            if clock.stopped_at.is_none() {
                self.wakes_at = [self.wakes_at, standing.changes_at].into_iter().flatten().min();
            }
            let before = clock.lamp.light();
            // Clocks of machines are set back, too: that takes back nothing that was told.
            if standing.light == before || standing.light < before && !may_fall {
                continue;
            }
            let level = self.level;
            let change = clock.lamp.turn(stage, level, &standing);
            // A limit so short that it is yellow from its first moment is shown so, and nobody has to be told.
            if standing.light == Light::Yellow
                && clock.deadline.as_ref().is_some_and(|deadline| deadline.begins_at(now))
            {
                continue;
            }
            // A clock that stopped in time before anybody looked lifts nothing, and neither does one that stopped late:
            // whoever answered has answered.
            let escalated_to = match change {
                Some(LightChange::Red { to, .. }) if clock.stopped_at.is_none() => to,
                _ => None,
            };
            self.level = escalated_to.unwrap_or(level);
            self.told += 1;
            let light = standing.light;
            outcome.turns.push(LightTurn {
                number: self.told,
                clock: stage,
                light,
                due: standing.due,
                level,
                escalated_to,
                stopped_at: clock.stopped_at,
            });
        }
        outcome
    }

    fn each(&mut self, mut what: impl FnMut(&mut Clock)) {
        self.arrive.iter_mut().chain([&mut self.solve]).for_each(&mut what);
    }

    /// Counted up with each event, so that two who change the clocks at one time notice.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// When to look at it again though nothing happens.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Timestamp> {
        self.wakes_at
    }

    /// The level that answers now.
    #[must_use]
    pub fn level(&self) -> ResponseLevel {
        self.level
    }

    /// The worst light of the clocks that run; none where none does.
    #[must_use]
    pub fn light(&self) -> Option<Light> {
        self.arrive.iter().chain([&self.solve]).filter(|clock| clock.runs()).map(|clock| clock.lamp.light()).max()
    }

    /// By when it should be solved, as last reckoned; absent while the clock waits or stands.
    #[must_use]
    pub fn solve_due(&self) -> Option<Timestamp> {
        self.solve.due
    }

    /// When it was solved.
    #[must_use]
    pub fn solved_at(&self) -> Option<Timestamp> {
        self.solve.stopped_at
    }

    /// Whether it was solved in time; none while it is not solved, or where its due time is not known.
    #[must_use]
    pub fn is_in_time(&self) -> Option<bool> {
        let stopped_at = self.solve.stopped_at?;
        match self.solve.due {
            Some(due) => Some(stopped_at <= due),
            // It ended while its clock stood, be it that it stood overdue.
            None if self.solve.stands().is_some() => Some(self.solve.lamp.light() != Light::Red),
            None => None,
        }
    }

    /// Where each clock that has begun stands, for people.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        let clocks = self.arrive.iter().map(|clock| (Stage::Arrive, clock)).chain([(Stage::Solve, &self.solve)]);
        clocks
            .filter_map(|(stage, clock)| {
                clock.deadline.as_ref()?;
                Some(Shown {
                    clock: stage,
                    limit: clock.limit,
                    light: clock.lamp.light(),
                    due: clock.due,
                    stopped_at: clock.stopped_at,
                    stands: clock.stands().filter(|_| clock.stopped_at.is_none()),
                })
            })
            .collect()
    }
}

impl Clock {
    fn new(limit: Limit) -> Self {
        Self { limit, deadline: None, stopped_at: None, lamp: Lamp::default(), due: None }
    }

    fn begin(&mut self, at: Timestamp) {
        let limit = self.limit;
        self.deadline.get_or_insert_with(|| Deadline::new(at, limit));
    }

    fn runs(&self) -> bool {
        self.deadline.is_some() && self.stopped_at.is_none()
    }

    /// What keeps it standing, or kept it so when it stopped.
    fn stands(&self) -> Option<PauseReason> {
        let pauses = &self.deadline.as_ref()?.pauses;
        pauses.iter().find(|pause| pause.until.is_none()).map(|pause| pause.reason)
    }

    /// The first moment counts: a second "solved" does not make it later.
    fn stop(&mut self, at: Timestamp) {
        if self.deadline.is_some() {
            self.stopped_at.get_or_insert(at);
        }
    }

    fn go_on(&mut self, at: Timestamp) {
        if let (Some(deadline), Some(stopped_at)) = (&mut self.deadline, self.stopped_at.take()) {
            deadline.pauses.push(Pause {
                from: stopped_at,
                until: Some(at.max(stopped_at)),
                reason: PauseReason::Checked,
            });
        }
    }

    fn pause(&mut self, reason: PauseReason, at: Timestamp) {
        let Some(deadline) = &mut self.deadline else { return };
        if !deadline.pauses.iter().any(|pause| pause.reason == reason && pause.until.is_none()) {
            deadline.pauses.push(Pause { from: at, until: None, reason });
        }
    }

    fn resume(&mut self, reason: PauseReason, at: Timestamp) {
        let pauses = self.deadline.iter_mut().flat_map(|deadline| &mut deadline.pauses);
        for pause in pauses.filter(|pause| pause.reason == reason && pause.until.is_none()) {
            pause.until = Some(at.max(pause.from));
        }
    }

    fn set(&mut self, at: Timestamp, due: Timestamp) {
        if let Some(deadline) = &mut self.deadline {
            deadline.set = Some(DueSet { at, due });
        }
    }

    /// Where it stands; one that has stopped, where it stood then.
    fn standing(&self, now: Timestamp, terms: Terms<'_>) -> Result<Option<Standing>, CalendarError> {
        let Some(deadline) = &self.deadline else { return Ok(None) };
        let moment = self.stopped_at.unwrap_or(now);
        let mut standing = deadline.standing(moment, terms.calendar, terms.lights)?;
        // Solved on the stroke is solved in time.
        if self.stopped_at.is_some() && self.stopped_at == standing.due {
            standing.light = Light::Yellow;
        }
        Ok(Some(standing))
    }
}

impl LightTurn {
    /// The message's id: the same change has the same one, however often it is written.
    #[must_use]
    pub fn id(&self, ticket: TicketId) -> String {
        format!("{ticket}.light.{}", self.number)
    }

    /// In Chinese, with the due time on the clocks of `timezone`.
    #[must_use]
    pub fn zh(&self, timezone: &jiff::tz::TimeZone) -> String {
        match (self.light, self.stopped_at) {
            (Light::Green, None) => "绿灯:时限有变,时间充足".to_owned(),
            (Light::Red, Some(_)) => format!("红灯:{}超时完成", self.clock.zh()),
            (_, Some(_)) => format!("按时完成{}", self.clock.zh()),
            (Light::Yellow | Light::Red, None) => self.change().zh(timezone),
        }
    }

    /// In English, with the due time on the clocks of `timezone`.
    #[must_use]
    pub fn en(&self, timezone: &jiff::tz::TimeZone) -> String {
        match (self.light, self.stopped_at) {
            (Light::Green, None) => "green: the limit has changed, time enough".to_owned(),
            (Light::Red, Some(_)) => format!("red: took too long to {}", self.clock.en()),
            (_, Some(_)) => format!("in time to {}", self.clock.en()),
            (Light::Yellow | Light::Red, None) => self.change().en(timezone),
        }
    }

    fn change(&self) -> LightChange {
        let (stage, due) = (self.clock, self.due);
        match self.light {
            Light::Red => LightChange::Red { stage, due, from: self.level, to: self.escalated_to },
            Light::Green | Light::Yellow => LightChange::Yellow { stage, due },
        }
    }
}
