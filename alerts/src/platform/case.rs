//! One case as the platform has it.

use std::collections::VecDeque;

use domain::{Sha256, Timestamp};

use super::{
    inbound::{Check, CheckWord, Submission},
    script::{AckResult, Plan, Step},
};
use crate::case::VerdictKind;

/// Where a case stands with the platform.
///
/// ```text
///             acknowledged as accepted          closed, rejected
///  Submitted ──────────────────────────▶ Open ──────────────────▶ Over
///      │                                 │  ▲                      │
///      │ acknowledged as                 └──┘ any other verdict    │ it came back
///      ▼ duplicate, rejected                                       ▼
///   Refused                                                      Open
/// ```
/// What gridwatch says of an open case (`checked`, gone by itself) changes what is left to do, not where it stands: that
/// takes a verdict, which the script gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It came and is not answered.
    Submitted,
    /// It was answered, and is no case here.
    Refused(AckResult),
    /// It is a case; with what was last said of it.
    Open(Option<VerdictKind>),
    /// It is over; with what ended it.
    Over(VerdictKind),
}

/// What happens to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It was answered.
    Acknowledged(AckResult),
    /// This was said of it.
    Said(VerdictKind),
    /// gridwatch says that it came back.
    CameBack,
}

impl Stage {
    /// The one door.
    pub(super) fn on(self, event: Event) -> Self {
        match (self, event) {
            (Self::Submitted, Event::Acknowledged(AckResult::Accepted)) => Self::Open(None),
            (Self::Submitted, Event::Acknowledged(result)) => Self::Refused(result),
            (Self::Open(_), Event::Said(word @ (VerdictKind::Closed | VerdictKind::Rejected))) => Self::Over(word),
            (Self::Open(_), Event::Said(word)) => Self::Open(Some(word)),
            (Self::Over(word), Event::CameBack) => Self::Open(Some(word)),
            // A ticket that comes again is answered again; nobody acts on what is over, refused or not yet a case.
            (stage, _) => stage,
        }
    }

    /// As it stands in the report.
    #[must_use]
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Refused(AckResult::Duplicate) => "duplicate",
            Self::Refused(_) => "refused",
            Self::Open(None) => "accepted",
            Self::Open(Some(word)) | Self::Over(word) => word.as_str(),
        }
    }
}

/// A case with all that the platform knows of it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) number: String,
    pub(super) ticket: Submission,
    pub(super) stage: Stage,
    /// Which plan of the script it follows.
    pub(super) plan: Option<usize>,
    /// When it is to be answered.
    pub(super) ack_due: Option<Timestamp>,
    /// What is left to do, each with its time.
    agenda: VecDeque<(Timestamp, Step)>,
    pub(super) submitted_at: Timestamp,
    pub(super) acknowledged_at: Option<Timestamp>,
    /// What was said of it, and when.
    pub(super) said: Vec<(Timestamp, VerdictKind)>,
    /// Messages about it so far, for their ids.
    pub(super) messages: u32,
    /// How often the ticket came after the first time.
    pub(super) repeats: u32,
    /// Other open cases of this kind at this place when it came.
    pub(super) rivals: u32,
    /// Pictures that had not come when the ticket came.
    pub(super) late_pictures: u32,
    pub(super) checks: Vec<(Timestamp, Check)>,
    pub(super) gone_at: Option<Timestamp>,
    pub(super) reopened: u32,
    /// How often it was sent out again.
    rounds: u32,
    pub(super) after: Option<Sha256>,
    /// Where gridwatch says that it stands.
    pub(super) node_state: Option<String>,
}

impl Case {
    pub(super) fn new(
        number: String,
        ticket: Submission,
        plan: Option<usize>,
        now: Timestamp,
        ack_due: Timestamp,
    ) -> Self {
        Self {
            number,
            ticket,
            stage: Stage::Submitted,
            plan,
            ack_due: Some(ack_due),
            agenda: VecDeque::new(),
            submitted_at: now,
            acknowledged_at: None,
            said: Vec::new(),
            messages: 0,
            repeats: 0,
            rivals: 0,
            late_pictures: 0,
            checks: Vec::new(),
            gone_at: None,
            reopened: 0,
            rounds: 0,
            after: None,
            node_state: None,
        }
    }

    /// When there is something to do next.
    pub(super) fn wakes_at(&self) -> Option<Timestamp> {
        let step = self.agenda.front().map(|(at, _)| *at);
        [self.ack_due, step].into_iter().flatten().min()
    }

    /// What is to be said now, if its time has come.
    pub(super) fn next_step(&mut self, now: Timestamp) -> Option<Step> {
        let due = self.agenda.front().is_some_and(|(at, _)| *at <= now);
        if due { self.agenda.pop_front().map(|(_, step)| step) } else { None }
    }

    /// These steps from now on, instead of what was left to do.
    pub(super) fn follow(&mut self, steps: &[Step], now: Timestamp) {
        let mut at = now;
        self.agenda = steps
            .iter()
            .map(|step| {
                at = at + step.after;
                (at, step.clone())
            })
            .collect();
    }

    /// gridwatch looked again. A result that came before changes nothing.
    pub(super) fn checked(&mut self, check: Check, plan: Option<&Plan>, now: Timestamp) {
        if self.checks.iter().any(|(_, known)| known.id == check.id) {
            return;
        }
        self.after = check.pair.1.or(self.after);
        let result = check.result;
        self.checks.push((now, check));
        if let (Stage::Open(_), Some(plan)) = (self.stage, plan) {
            let again = match result {
                CheckWord::Cleared => return self.follow(&plan.cleared, now),
                CheckWord::StillThere => &plan.still_there,
                CheckWord::Unclear => &plan.unclear,
            };
            self.rounds += 1;
            self.follow(if self.rounds > plan.rounds { &plan.exhausted } else { again }, now);
        }
    }

    /// It went away by itself.
    pub(super) fn gone(&mut self, after: Option<Sha256>, plan: Option<&Plan>, now: Timestamp) {
        if self.gone_at.replace(now).is_none() {
            self.after = after.or(self.after);
            if let (Stage::Open(_), Some(plan)) = (self.stage, plan) {
                self.follow(&plan.gone, now);
            }
        }
    }

    /// It came back.
    pub(super) fn came_back(&mut self, plan: Option<&Plan>, now: Timestamp) {
        self.reopened += 1;
        self.gone_at = None;
        self.stage = self.stage.on(Event::CameBack);
        if let (Stage::Open(_), Some(plan)) = (self.stage, plan) {
            self.follow(&plan.reopened, now);
        }
    }
}
