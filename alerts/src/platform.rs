//! A reference platform: the other side of the contract, by a script. It takes tickets, acknowledges them, says what
//! becomes of them, and follows what gridwatch finds when it looks again; for demo, rehearsal and tests.
//!
//! ```text
//!  messages ─▶ inbound ─▶ Platform (cases, agenda, no I/O, no clock) ─▶ outbound ─▶ messages
//!                             └─▶ report
//! ```
//!
//! It promises what a platform owes: a ticket that comes twice is one case and is answered twice; the same script and the
//! same messages give the same answers; whatever is wrong with a message is counted, and everything else goes on.

mod case;
mod client;
mod inbound;
mod outbound;
mod report;
mod script;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use domain::{CameraId, Kind, Millis, Sha256, TicketId, Timestamp};
use jiff::tz::TimeZone;

use case::{Case, Event, Stage};
use outbound::{Address, REPEAT_AFTER, Voice};

pub use client::{Client, ClientConfig, Ended};
pub use inbound::{Change, Check, CheckWord, Heard, Misread, Submission, read};
pub use outbound::Say;
pub use report::{Line, Totals, lines, totals};
pub use script::{AckResult, AckStep, Faults, Plan, Script, ScriptError, Step};

use crate::case::VerdictKind;

/// Share of two places' union that they have in common where they are one place.
const SAME_PLACE: f64 = 0.5;
/// States from which a case at gridwatch that goes back to work has come back.
const AT_REST: [&str; 3] = ["cleared", "gone_by_itself", "closed"];

/// The platform without its connection.
#[derive(Debug)]
pub struct Platform {
    script: Script,
    voice: Voice,
    cases: BTreeMap<TicketId, Case>,
    /// Open and past cases by what they are about, to find doubles.
    by_place: HashMap<(CameraId, Kind), Vec<TicketId>>,
    /// When each case has something to do next.
    wakes: BTreeSet<(Timestamp, TicketId)>,
    /// What is to be said at a time, in order.
    held: BTreeMap<(Timestamp, u64), Say>,
    /// Messages said so far.
    said: u64,
    pictures: HashSet<Sha256>,
    /// What is no case's: unreadable, strangers, problems.
    totals: Totals,
}

/// What a run waits for: so many cases that got so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    /// How many.
    pub cases: usize,
    /// How far.
    pub reached: Reached,
}

/// How far a case got, at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Its ticket came.
    Submitted,
    /// It was answered.
    Acknowledged,
    /// This was said of it.
    Said(VerdictKind),
    /// It was closed here, and gridwatch says so, too.
    Agreed,
    /// A second look gave this.
    Checked(CheckWord),
    /// It went away by itself.
    Gone,
    /// It came back.
    Reopened,
}

impl Reached {
    /// How far `word` says; none where it is no such word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let verdict = || serde_json::from_value(serde_json::Value::String(word.to_owned())).ok().map(Self::Said);
        let check = || serde_json::from_value(serde_json::Value::String(word.to_owned())).ok().map(Self::Checked);
        match word {
            "submitted" => Some(Self::Submitted),
            "acknowledged" => Some(Self::Acknowledged),
            "agreed" => Some(Self::Agreed),
            "gone_by_itself" => Some(Self::Gone),
            "reopened" => Some(Self::Reopened),
            _ => verdict().or_else(check),
        }
    }
}

impl Platform {
    /// A platform called `name` in what it says, that follows `script` and tells times in `timezone`.
    #[must_use]
    pub fn new(script: Script, name: &str, timezone: TimeZone) -> Self {
        Self {
            script,
            voice: Voice { name: name.to_owned(), timezone },
            cases: BTreeMap::new(),
            by_place: HashMap::new(),
            wakes: BTreeSet::new(),
            held: BTreeMap::new(),
            said: 0,
            pictures: HashSet::new(),
            totals: Totals::default(),
        }
    }

    /// Takes in what gridwatch said.
    pub fn hear(&mut self, heard: Result<Heard, Misread>, now: Timestamp) {
        match heard {
            Ok(Heard::Ticket(ticket)) => self.submitted(*ticket, now),
            Ok(Heard::Picture { named, found }) if named == found => {
                self.pictures.insert(named);
            }
            Ok(Heard::Picture { .. }) => self.totals.pictures_altered += 1,
            Ok(Heard::Checked(check)) => {
                self.on_case(check.ticket, |case, plan| case.checked(check, plan, now));
            }
            Ok(Heard::Gone { ticket, after }) => self.on_case(ticket, |case, plan| case.gone(after, plan, now)),
            Ok(Heard::State(Change { ticket, from, to, by })) => self.on_case(ticket, |case, plan| {
                // What the platform itself sent back to work did not come back.
                let by_itself = !by.starts_with("platform");
                let comes_back =
                    AT_REST.contains(&from.as_str()) && !AT_REST.contains(&to.as_str()) && to != "verifying";
                if by_itself && comes_back && case.node_state.as_deref() != Some(&to) {
                    case.came_back(plan, now);
                }
                case.node_state = Some(to);
            }),
            Ok(Heard::Light(_)) => {}
            Ok(Heard::Problem(_)) => self.totals.problems += 1,
            Err(_) => self.totals.unreadable += 1,
        }
    }

    fn submitted(&mut self, ticket: Submission, now: Timestamp) {
        let id = ticket.ticket;
        if let Some(case) = self.cases.get_mut(&id) {
            case.repeats += 1;
            // One that is on its way answers this one as well.
            if case.ack_due.is_none() {
                let woke = case.wakes_at();
                case.ack_due = Some(now);
                reschedule(&mut self.wakes, id, woke, case.wakes_at());
            }
            return;
        }
        let plan = self.script.plan_for(id, &ticket.kind, &ticket.street);
        let after = plan.map_or_else(Millis::default, |n| self.script.plans[n].ack.after);
        let at_place = self.by_place.entry((ticket.camera.clone(), ticket.kind.clone())).or_default();
        let is_rival = |other: &&TicketId| {
            self.cases.get(other).is_some_and(|case| {
                matches!(case.stage, Stage::Submitted | Stage::Open(_))
                    && case.gone_at.is_none()
                    && case.ticket.zone == ticket.zone
                    && iou(case.ticket.place, ticket.place) >= SAME_PLACE
            })
        };
        let rivals = at_place.iter().filter(is_rival).count();
        at_place.push(id);
        let number = format!("{}-{:06}", self.script.case_prefix, self.cases.len() + 1);
        let mut case = Case::new(number, ticket, plan, now, now + after);
        case.rivals = u32::try_from(rivals).unwrap_or(u32::MAX);
        let late = case.ticket.pictures.iter().filter(|sha256| !self.pictures.contains(*sha256)).count();
        case.late_pictures = u32::try_from(late).unwrap_or(u32::MAX);
        reschedule(&mut self.wakes, id, None, case.wakes_at());
        self.cases.insert(id, case);
    }

    fn on_case(&mut self, ticket: TicketId, change: impl FnOnce(&mut Case, Option<&Plan>)) {
        let Some(case) = self.cases.get_mut(&ticket) else {
            self.totals.strangers += 1;
            return;
        };
        let woke = case.wakes_at();
        change(case, case.plan.map(|n| &self.script.plans[n]));
        reschedule(&mut self.wakes, ticket, woke, case.wakes_at());
    }

    /// When there is something to say next, if nothing is heard meanwhile.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Timestamp> {
        let held = self.held.keys().next().map(|(at, _)| *at);
        let case = self.wakes.first().map(|(at, _)| *at);
        [held, case].into_iter().flatten().min()
    }

    /// The next message to publish, once its time has come.
    pub fn say(&mut self, now: Timestamp) -> Option<Say> {
        while let Some((at, id)) = self.wakes.first().copied().filter(|(at, _)| *at <= now) {
            let Some(mut case) = self.cases.remove(&id) else {
                self.wakes.remove(&(at, id));
                continue;
            };
            self.advance(&mut case, now);
            reschedule(&mut self.wakes, id, Some(at), case.wakes_at());
            self.cases.insert(id, case);
        }
        let due = self.held.first_entry().filter(|entry| entry.key().0 <= now);
        due.map(std::collections::btree_map::OccupiedEntry::remove)
    }

    /// Does what is due of one case.
    fn advance(&mut self, case: &mut Case, now: Timestamp) {
        if case.ack_due.is_some_and(|due| due <= now) {
            case.ack_due = None;
            self.acknowledge(case, now);
        }
        while let Some(step) = case.next_step(now) {
            case.messages += 1;
            let n = case.messages;
            if matches!(case.stage, Stage::Open(_))
                && self.script.chance(case.ticket.ticket, &format!("step {n}"), step.share)
            {
                case.stage = case.stage.on(Event::Said(step.verdict));
                case.said.push((now, step.verdict));
                let about = format!("{} {}", case.number, step.verdict.as_str());
                let say = self.voice.verdict(address(&case.ticket), &case.number, &step, n, now);
                let say = Say { about, ..say };
                self.hold(&case.ticket, say, n, now);
            }
        }
    }

    fn acknowledge(&mut self, case: &mut Case, now: Timestamp) {
        case.messages += 1;
        let n = case.messages;
        if self.script.chance(case.ticket.ticket, &format!("ack {n}"), self.script.faults.lose_ack) {
            return;
        }
        let left = AckStep::default();
        let plan = case.plan.map(|n| &self.script.plans[n]);
        let step = plan.map_or(&left, |plan| &plan.ack);
        // What came again is the case that it made the first time.
        let result = match case.stage {
            Stage::Submitted => step.result,
            Stage::Refused(result) => result,
            Stage::Open(_) | Stage::Over(_) => AckResult::Duplicate,
        };
        let number = (result != AckResult::Rejected).then_some(case.number.as_str());
        let word = match result {
            AckResult::Accepted => "accepted",
            AckResult::Duplicate => "duplicate",
            AckResult::Rejected => "rejected",
        };
        let say = self.voice.ack(address(&case.ticket), number, result, step, n, now);
        let say = Say { about: format!("{} {word}", case.number), ..say };
        let stage = case.stage.on(Event::Acknowledged(result));
        if let (Stage::Submitted, Stage::Open(_), Some(plan)) = (case.stage, stage, plan) {
            case.follow(&plan.steps, now);
        }
        case.stage = stage;
        case.acknowledged_at.get_or_insert(now);
        self.hold(&case.ticket, say, n, now);
    }

    /// Puts a message into the order of sending, with whatever goes wrong on the way.
    fn hold(&mut self, ticket: &Submission, say: Say, n: u32, now: Timestamp) {
        let faults = self.script.faults;
        let happens = |what: &str, chance| self.script.chance(ticket.ticket, &format!("{what} {n}"), chance);
        let at = if happens("delay", faults.delay) { now + faults.hold } else { now };
        let repeat = happens("repeat", faults.repeat).then(|| (at + REPEAT_AFTER, say.clone()));
        let garbage = happens("garbage", faults.garbage).then(|| (at, self.voice.garbage(address(ticket), n, now)));
        for (at, say) in [garbage, Some((at, say)), repeat].into_iter().flatten() {
            self.said += 1;
            self.held.insert((at, self.said), say);
        }
    }

    /// Whether so many cases got so far.
    #[must_use]
    pub fn has_reached(&self, goal: Goal) -> bool {
        self.cases.values().filter(|case| has_reached(case, goal.reached)).take(goal.cases).count() >= goal.cases
    }

    /// Whether the bytes of a picture came that has this digest.
    #[must_use]
    pub fn has_picture(&self, sha256: &Sha256) -> bool {
        self.pictures.contains(sha256)
    }
}

fn has_reached(case: &Case, reached: Reached) -> bool {
    match reached {
        Reached::Submitted => true,
        Reached::Acknowledged => case.acknowledged_at.is_some(),
        Reached::Said(wanted) => case.said.iter().any(|(_, word)| *word == wanted),
        Reached::Agreed => {
            case.stage == Stage::Over(VerdictKind::Closed) && case.node_state.as_deref() == Some("closed")
        }
        Reached::Checked(wanted) => case.checks.iter().any(|(_, check)| check.result == wanted),
        Reached::Gone => case.gone_at.is_some(),
        Reached::Reopened => case.reopened > 0,
    }
}

fn address(ticket: &Submission) -> Address<'_> {
    Address { district: &ticket.district, street: &ticket.street, ticket: ticket.ticket }
}

fn reschedule(
    wakes: &mut BTreeSet<(Timestamp, TicketId)>,
    id: TicketId,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) {
    if let Some(from) = from {
        wakes.remove(&(from, id));
    }
    if let Some(to) = to {
        wakes.insert((to, id));
    }
}

/// Share of the union of two boxes that they have in common.
fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |r: [f64; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let common = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let union = area(a) + area(b) - common;
    if union > 0.0 { common / union } else { 0.0 }
}
