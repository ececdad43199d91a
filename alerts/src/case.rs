//! The life of a case, from the first suspicion to its end: one pure machine behind one door.
//!
//! [`Case::apply`] takes time and an event and gives effects as values, or refuses and changes nothing. It promises, for
//! any events in any order, late or repeated:
//!
//! - only the moves drawn at [`Stage`] happen, each with a line of history that says when, by whom and why;
//! - of verdicts of one kind the newest (by the platform's time) counts, and of those that say where the work stands the
//!   newest of all, so that a set of verdicts ends in one state in whatever order it comes;
//! - a repeated message changes nothing;
//! - a place that a case has let go ([`Case::holds`]) is taken back only by [`Event::CameBack`], which the rule core
//!   gives when nothing else holds it. That, and not the platform's word, is what keeps one ticket to a place.

mod word;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use domain::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

pub use word::{
    Answer, By, Change, CheckResult, Effect, Event, Judgement, Reason, Refusal, State, Verdict, VerdictKind,
};

/// How far ahead of this clock the platform's may be.
const AHEAD: Millis = Millis::mins(24 * 60);

/// Where a case stands.
///
/// ```text
///            rule satisfied               its kind is filed at once
///  Suspected ─────────────▶ Confirmed ────────────────────────────────────▶ Filed
///                               │                                             ▲
///                               └─ its kind is reviewed ─▶ PendingReview ─────┘ a person or the platform confirms
///                                                           │   ▲   └─────▶ Rejected: rejected, or nobody came in time
///                                              gone, back   ▼   │
///                                                       GoneByItself
///
///  From Filed on the platform moves it, its newest word counts, and it may skip what it likes:
///
///    Filed ─▶ Dispatched ⇄ Handling ⇄ Returned ⇄ Handled          verify_requested asks for a look, and moves nothing
///    └──────────────┬─────────────────────────┘
///                   │ the check begins      ┌─ cleared ────▶ Cleared ────┐ came back
///                   ├──────────▶ Verifying ─┼─ still there ▶ StillThere ◀┘      both go on to any of the above
///                   │ (again from Cleared,  └─ unclear ────▶ where it was
///                   │  StillThere)
///                   │ gone before it was handled
///                   └──────────▶ GoneByItself ── came back ─▶ where the platform's word has it by then
///
///  The ends, from anywhere since Filed:  ──▶ Closed ── came back ─▶ StillThere
///                                        ──▶ Rejected  (also from Closed: it was no case after all)
/// ```
///
/// Suspension lies over `Filed` to `StillThere` and shows as [`State::Suspended`] until it is lifted; more time and
/// supervision are marks that change no stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum Stage {
    /// Something is there.
    Suspected,
    /// The rule is satisfied.
    Confirmed,
    /// A person must look at it.
    PendingReview {
        /// When it is too late for that.
        until: Timestamp,
    },
    /// The platform was told.
    Filed,
    /// Somebody was sent.
    Dispatched,
    /// Somebody works on it.
    Handling,
    /// Whoever was sent gave it back.
    Returned {
        /// Why.
        reason: Reason,
    },
    /// The platform says that it is done.
    Handled,
    /// The camera checks.
    Verifying {
        /// Where it goes back to when the check cannot tell.
        before: Box<Self>,
    },
    /// The check showed that it is gone.
    Cleared,
    /// The check showed that it is not gone, or it came back.
    StillThere,
    /// It went away before anybody handled it.
    GoneByItself {
        /// Where it goes on when it comes back; the platform's word moves it meanwhile.
        before: Box<Self>,
    },
    /// It is no case.
    Rejected {
        /// Why.
        reason: Reason,
    },
    /// It is over.
    Closed,
}

/// What became of an event.
enum Step {
    /// It moves the case, and this follows.
    To(Stage, &'static [Effect]),
    /// It leaves the stage and is kept, and this follows.
    Stay(&'static [Effect]),
    /// It changes nothing.
    Nothing,
}

/// One case: its stage and what is known beside it. Its stored form is its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    stage: Stage,
    /// The newest of the verdicts that say where the work stands.
    #[serde(default)]
    decided: Option<(Timestamp, VerdictKind)>,
    /// The newest verdict of each kind.
    #[serde(default)]
    newest: BTreeMap<VerdictKind, Timestamp>,
    #[serde(default)]
    suspended_for: Option<Reason>,
    /// Until when it must be done, and when that was said.
    #[serde(default)]
    due: Option<(Timestamp, Timestamp)>,
    #[serde(default)]
    filed_at: Option<Timestamp>,
    #[serde(default)]
    acknowledged_at: Option<Timestamp>,
    #[serde(default)]
    case_no: Option<String>,
    #[serde(default)]
    dept: Option<String>,
    #[serde(default)]
    gone_at: Option<Timestamp>,
    /// When it was closed or rejected, by this clock.
    #[serde(default)]
    ended_at: Option<Timestamp>,
    #[serde(default)]
    reopened: u32,
    #[serde(default)]
    judgement: Option<Judgement>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            stage: Stage::Suspected,
            decided: None,
            newest: BTreeMap::new(),
            suspended_for: None,
            due: None,
            filed_at: None,
            acknowledged_at: None,
            case_no: None,
            dept: None,
            gone_at: None,
            ended_at: None,
            reopened: 0,
            judgement: None,
        }
    }
}

impl Case {
    /// A case whose rule was satisfied at `at`, filed at once or given to a person until `review_until`; with its history.
    #[must_use]
    pub fn begin(at: Timestamp, review_until: Option<Timestamp>) -> (Self, Vec<Effect>) {
        let mut case = Self::default();
        let second = review_until.map_or(Event::Filed, |until| Event::ReviewWanted { until });
        let effects = [Event::RuleSatisfied, second].into_iter().flat_map(|event| case.apply(at, event)).flatten();
        let effects = effects.collect();
        (case, effects)
    }

    /// The one door: takes in `event` at `now` and says what follows, in order; nothing where it changes nothing.
    ///
    /// # Errors
    /// When the event cannot be; the case is as it was.
    pub fn apply(&mut self, now: Timestamp, event: Event) -> Result<Vec<Effect>, Refusal> {
        let mut next = self.clone();
        let from = self.state();
        let step = match &event {
            Event::Said(verdict) => next.heard(now, verdict)?,
            _ => next.step(now, &event)?,
        };
        let follows = match step {
            Step::Nothing => {
                *self = next;
                return Ok(Vec::new());
            }
            Step::Stay(follows) => follows,
            Step::To(stage, follows) => {
                next.stage = stage;
                follows
            }
        };
        next.note(now, &event);
        let change = Change {
            at: now,
            decided_at: if let Event::Said(verdict) = &event { Some(verdict.at) } else { None },
            from,
            to: next.state(),
            event: event.name().to_owned(),
            by: event.by(),
            reason: event.reason(),
        };
        *self = next;
        Ok(std::iter::once(Effect::Changed(change)).chain(follows.iter().cloned()).collect())
    }

    /// Takes a verdict into what is known of its kind, and steps where it is news.
    fn heard(&mut self, now: Timestamp, verdict: &Verdict) -> Result<Step, Refusal> {
        // One wrong clock would otherwise make all that follows late.
        if verdict.at > now + AHEAD {
            return Err(Refusal::InFuture);
        }
        if self.newest.get(&verdict.kind).is_some_and(|newest| verdict.at <= *newest) {
            return Ok(Step::Nothing);
        }
        let step = self.step(now, &Event::Said(verdict.clone()))?;
        self.newest.insert(verdict.kind, verdict.at);
        if self.filed_at.is_some() {
            // Whoever speaks of a ticket has it.
            self.acknowledged_at = self.acknowledged_at.or(Some(now));
            self.case_no = self.case_no.take().or_else(|| verdict.case_no.clone());
        }
        if let Some(due) = verdict.due.filter(|_| self.due.is_none_or(|(_, said)| verdict.at > said)) {
            self.due = Some((due, verdict.at));
        }
        Ok(step)
    }

    /// What `event` makes of this stage. Moves nothing itself.
    fn step(&self, now: Timestamp, event: &Event) -> Result<Step, Refusal> {
        use Step::{Nothing, Stay, To};
        use VerdictKind as V;

        use self::Event as E;

        let closed = || To(Stage::Closed, &[Effect::Ended]);
        let rejected = |reason: Reason| To(Stage::Rejected { reason }, &[Effect::Quiet]);
        let under = |before: &Stage| Box::new(before.clone());
        Ok(match (&self.stage, event) {
            // Its beginning.
            (Stage::Suspected, E::RuleSatisfied) => To(Stage::Confirmed, &[]),
            (Stage::Confirmed, E::ReviewWanted { until }) => To(Stage::PendingReview { until: *until }, &[]),
            (Stage::Confirmed, E::Filed) => To(Stage::Filed, &[Effect::Submit]),
            (_, E::RuleSatisfied | E::ReviewWanted { .. } | E::Filed) => return Err(Refusal::Begun),

            // A review: whoever comes first decides, and nobody is a decision too.
            (Stage::PendingReview { .. }, E::Reviewed { judgement: Judgement::Confirmed, .. }) => {
                To(Stage::Filed, &[Effect::Submit])
            }
            (Stage::PendingReview { .. }, E::Said(v)) if v.kind == V::Confirmed => To(Stage::Filed, &[Effect::Submit]),
            (Stage::PendingReview { .. }, E::Reviewed { judgement: Judgement::Rejected(reason), .. }) => {
                rejected(reason.clone())
            }
            (Stage::PendingReview { .. }, E::Said(v)) if v.kind == V::Rejected => rejected(v.reason()),
            (Stage::PendingReview { until }, E::Tick) if now >= *until => rejected(Reason::new(Reason::EXPIRED)),
            (Stage::PendingReview { .. }, E::Gone) => To(Stage::GoneByItself { before: under(&self.stage) }, &[]),
            (_, E::Reviewed { .. }) => return Err(Refusal::NotUnderReview),
            (_, E::Tick) => Nothing,

            // Before the platform has it, nothing else can happen to it but to come back.
            (_, E::Acknowledged { .. } | E::Said(_) | E::RecheckBegan | E::Checked { .. })
                if self.filed_at.is_none() =>
            {
                return Err(Refusal::NotFiled);
            }
            (Stage::Suspected | Stage::Confirmed, E::Gone | E::CameBack) => return Err(Refusal::NotFiled),

            // What the looks show, beside whatever the platform thinks of it.
            (_, E::Gone) if self.gone_at.is_some() => Nothing,
            (
                Stage::Filed | Stage::Dispatched | Stage::Handling | Stage::Returned { .. } | Stage::StillThere,
                E::Gone,
            ) => To(Stage::GoneByItself { before: under(&self.stage) }, &[Effect::SayCleared]),
            (Stage::Handled, E::Gone) => Stay(&[Effect::SayCleared]),
            // The check goes on; where it cannot tell, the looks have.
            (Stage::Verifying { before }, E::Gone) => {
                let gone = match &**before {
                    Stage::Handled | Stage::Cleared | Stage::GoneByItself { .. } => before.clone(),
                    _ => Box::new(Stage::GoneByItself { before: before.clone() }),
                };
                To(Stage::Verifying { before: gone }, &[Effect::SayCleared])
            }
            // Its place is free again; the case itself is over.
            (Stage::Rejected { .. } | Stage::Closed, E::Gone) => Stay(&[]),
            (Stage::Cleared | Stage::GoneByItself { .. }, E::Gone) => Nothing,
            (Stage::Rejected { .. }, E::CameBack) => return Err(Refusal::Ended),
            (Stage::Closed, E::CameBack) => To(Stage::StillThere, &[]),
            (_, E::CameBack) if self.gone_at.is_none() => Nothing,
            (Stage::GoneByItself { before }, E::CameBack) => To((**before).clone(), &[]),
            (Stage::Cleared, E::CameBack) => To(Stage::StillThere, &[]),
            (Stage::Verifying { before }, E::CameBack) => {
                let back = match &**before {
                    Stage::GoneByItself { before } => before.clone(),
                    Stage::Cleared => Box::new(Stage::StillThere),
                    _ => before.clone(),
                };
                To(Stage::Verifying { before: back }, &[])
            }
            (_, E::CameBack) => Stay(&[]),

            // The check.
            (Stage::Verifying { .. }, E::RecheckBegan) => Nothing,
            (Stage::Closed | Stage::Rejected { .. }, E::RecheckBegan) => return Err(Refusal::Ended),
            (_, E::RecheckBegan) => To(Stage::Verifying { before: under(&self.stage) }, &[]),
            (Stage::Verifying { .. }, E::Checked { result: CheckResult::Cleared }) => To(Stage::Cleared, &[]),
            (Stage::Verifying { .. }, E::Checked { result: CheckResult::StillThere }) => To(Stage::StillThere, &[]),
            (Stage::Verifying { before }, E::Checked { result: CheckResult::Unclear }) => To((**before).clone(), &[]),
            (_, E::Checked { .. }) => return Err(Refusal::NotBeingChecked),

            // An answer to the ticket. What was rejected before anybody was sent is no case.
            (Stage::Filed, E::Acknowledged { answer: Answer::Rejected(reason), .. }) => rejected(reason.clone()),
            (_, E::Acknowledged { .. }) if self.acknowledged_at.is_some() => Nothing,
            (_, E::Acknowledged { .. }) => Stay(&[]),

            // The ends. That it was no case outweighs that it is over, whichever was decided first.
            (Stage::Rejected { .. }, E::Said(v)) if v.kind == V::Rejected => {
                To(Stage::Rejected { reason: v.reason() }, &[])
            }
            (Stage::Rejected { .. }, E::Said(v)) if v.kind == V::Closed => Nothing,
            (_, E::Said(v)) if v.kind == V::Rejected => rejected(v.reason()),
            (Stage::Closed, E::Said(v)) if v.kind == V::Closed => Nothing,
            (_, E::Said(v)) if v.kind == V::Closed => closed(),
            (Stage::Rejected { .. } | Stage::Closed, E::Said(v)) => match self.end_decided_at() {
                // It was on its way when the case ended.
                Some(ended_at) if v.at <= ended_at => Nothing,
                _ => return Err(Refusal::Ended),
            },

            // Marks.
            (_, E::Said(v)) if v.kind == V::Confirmed => Stay(&[]),
            (_, E::Said(v)) if v.kind == V::VerifyRequested => Stay(&[Effect::LookAgain]),
            (_, E::Said(v)) if matches!(v.kind, V::Suspended | V::Resumed | V::Extended | V::Supervised) => {
                if self.is_late(v) { Nothing } else { Stay(&[]) }
            }

            // Where the work stands: the newest word counts.
            (_, E::Said(v)) if self.is_late(v) => Nothing,
            (stage, E::Said(v)) => {
                let (work, follows): (Stage, &'static [Effect]) = match v.kind {
                    V::Dispatched => (Stage::Dispatched, &[]),
                    V::Handling => (Stage::Handling, &[]),
                    V::Returned => (Stage::Returned { reason: v.reason() }, &[]),
                    // All others were taken above.
                    _ => (Stage::Handled, &[Effect::LookAgain]),
                };
                match stage {
                    // It is gone, whatever the platform does about it.
                    Stage::GoneByItself { .. } => To(Stage::GoneByItself { before: Box::new(work) }, follows),
                    Stage::Verifying { before }
                        if matches!(**before, Stage::GoneByItself { .. }) && work != Stage::Handled =>
                    {
                        To(Stage::GoneByItself { before: Box::new(work) }, follows)
                    }
                    // The check that is under way answers this too.
                    Stage::Verifying { .. } if work == Stage::Handled => {
                        To(Stage::Verifying { before: Box::new(work) }, &[])
                    }
                    _ => To(work, follows),
                }
            }
        })
    }

    /// Whether a newer verdict says otherwise.
    fn is_late(&self, verdict: &Verdict) -> bool {
        let newest = |kind| self.newest.get(&kind).copied();
        match verdict.kind {
            VerdictKind::Suspended => newest(VerdictKind::Resumed).is_some_and(|at| at >= verdict.at),
            VerdictKind::Resumed => newest(VerdictKind::Suspended).is_none_or(|at| at > verdict.at),
            VerdictKind::Extended => self.due.is_some_and(|(_, said)| said >= verdict.at),
            VerdictKind::Supervised => self.newest.contains_key(&VerdictKind::Supervised),
            kind => self.decided.is_some_and(|decided| (verdict.at, kind) <= decided),
        }
    }

    /// Writes down what an event that counts says beside the stage.
    fn note(&mut self, now: Timestamp, event: &Event) {
        match event {
            Event::Gone | Event::Checked { result: CheckResult::Cleared } => {
                self.gone_at = self.gone_at.or(Some(now));
            }
            Event::CameBack => {
                self.gone_at = None;
                self.reopened = self.reopened.saturating_add(1);
            }
            Event::Acknowledged { case_no, .. } => {
                self.acknowledged_at = self.acknowledged_at.or(Some(now));
                self.case_no = case_no.clone().or_else(|| self.case_no.take());
            }
            Event::Reviewed { judgement, .. } => self.judgement = Some(judgement.clone()),
            Event::Said(v) => match v.kind {
                VerdictKind::Confirmed => self.judgement = Some(Judgement::Confirmed),
                VerdictKind::Rejected => self.judgement = Some(Judgement::Rejected(v.reason())),
                VerdictKind::Suspended => self.suspended_for = Some(v.reason()),
                VerdictKind::Resumed => self.suspended_for = None,
                VerdictKind::Dispatched | VerdictKind::Handling | VerdictKind::Returned | VerdictKind::Handled => {
                    self.decided = Some((v.at, v.kind));
                    self.dept = v.dept.clone().or_else(|| self.dept.take());
                }
                VerdictKind::Closed => self.suspended_for = None,
                VerdictKind::Extended | VerdictKind::Supervised | VerdictKind::VerifyRequested => {}
            },
            Event::RuleSatisfied
            | Event::ReviewWanted { .. }
            | Event::Filed
            | Event::RecheckBegan
            | Event::Checked { .. }
            | Event::Tick => {}
        }
        if self.stage == Stage::Filed && self.filed_at.is_none() {
            self.filed_at = Some(now);
        }
        self.ended_at = if self.is_over() { self.ended_at.or(Some(now)) } else { None };
    }

    /// When the platform decided that it is over; none where it was decided here.
    fn end_decided_at(&self) -> Option<Timestamp> {
        let newest = |kind| self.newest.get(&kind).copied();
        newest(VerdictKind::Closed).max(newest(VerdictKind::Rejected))
    }

    /// Where it stands.
    #[must_use]
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Where it stands, as one word.
    #[must_use]
    pub fn state(&self) -> State {
        match &self.stage {
            Stage::Suspected => State::Suspected,
            Stage::Confirmed => State::Confirmed,
            Stage::PendingReview { .. } => State::PendingReview,
            Stage::Filed | Stage::Dispatched | Stage::Handling | Stage::Returned { .. } | Stage::StillThere
                if self.suspended_for.is_some() =>
            {
                State::Suspended
            }
            Stage::Filed => State::Filed,
            Stage::Dispatched => State::Dispatched,
            Stage::Handling => State::Handling,
            Stage::Returned { .. } => State::Returned,
            Stage::Handled => State::Handled,
            Stage::Verifying { .. } => State::Verifying,
            Stage::Cleared => State::Cleared,
            Stage::StillThere => State::StillThere,
            Stage::GoneByItself { .. } => State::GoneByItself,
            Stage::Rejected { .. } => State::Rejected,
            Stage::Closed => State::Closed,
        }
    }

    /// Why it is returned, suspended or rejected.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match (&self.stage, self.state()) {
            (Stage::Returned { reason }, State::Returned) | (Stage::Rejected { reason }, _) => Some(reason),
            (_, State::Suspended) => self.suspended_for.as_ref(),
            _ => None,
        }
    }

    /// Whether its place is taken: the problem stands, as far as is known, and the case is not over.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.gone_at.is_none() && !self.is_over()
    }

    /// Whether it was closed or rejected.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Closed | Stage::Rejected { .. })
    }

    /// Whether the platform was told of it.
    #[must_use]
    pub fn is_filed(&self) -> bool {
        self.filed_at.is_some()
    }

    /// When the platform was told of it.
    #[must_use]
    pub fn filed_at(&self) -> Option<Timestamp> {
        self.filed_at
    }

    /// When the platform first showed that it has it.
    #[must_use]
    pub fn acknowledged_at(&self) -> Option<Timestamp> {
        self.acknowledged_at
    }

    /// What the platform calls it.
    #[must_use]
    pub fn case_no(&self) -> Option<&str> {
        self.case_no.as_deref()
    }

    /// Whose task it is.
    #[must_use]
    pub fn dept(&self) -> Option<&str> {
        self.dept.as_deref()
    }

    /// Until when it must be done, as the platform said last.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.due.map(|(due, _)| due)
    }

    /// Why it is put aside, whether or not that shows.
    #[must_use]
    pub fn suspended_for(&self) -> Option<&Reason> {
        self.suspended_for.as_ref()
    }

    /// Whether somebody gave it more time.
    #[must_use]
    pub fn is_extended(&self) -> bool {
        self.newest.contains_key(&VerdictKind::Extended)
    }

    /// Whether somebody above watches it.
    #[must_use]
    pub fn is_supervised(&self) -> bool {
        self.newest.contains_key(&VerdictKind::Supervised)
    }

    /// When its place was seen without it.
    #[must_use]
    pub fn gone_at(&self) -> Option<Timestamp> {
        self.gone_at
    }

    /// When it was closed or rejected.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }

    /// How often it came back.
    #[must_use]
    pub fn reopened(&self) -> u32 {
        self.reopened
    }

    /// What a person or the platform found it to be.
    #[must_use]
    pub fn judgement(&self) -> Option<&Judgement> {
        self.judgement.as_ref()
    }

    /// When it last changed, by whoever changed it; none before anything has.
    #[must_use]
    pub fn changed_at(&self) -> Option<Timestamp> {
        let own = [self.filed_at, self.acknowledged_at, self.gone_at, self.ended_at].into_iter().flatten();
        own.chain(self.newest.values().copied()).max()
    }

    /// Until when a person may look at it; none where it does not wait for one.
    #[must_use]
    pub fn review_until(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::PendingReview { until } => Some(until),
            _ => None,
        }
    }
}
