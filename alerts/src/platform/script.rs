//! What the platform does with a ticket, and when: a list of plans, of which the first that fits takes it.
//!
//! A script is TOML of its own, read by `gridwatch platform --script FILE`; [`Script::default`] is what it does without
//! one. Whatever is left to chance is decided by the seed and the ticket alone, so that a second run in which the tickets
//! come in another order deals with each of them alike.

use domain::{Kind, Millis, Sha256, TicketId};
use serde::{Deserialize, Serialize};

use crate::case::VerdictKind;

/// All that the platform knows how to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// Decides what is left to chance.
    pub seed: u64,
    /// What case numbers begin with.
    pub case_prefix: String,
    /// Chances of what goes wrong between two systems, to rehearse it.
    pub faults: Faults,
    /// What is done with a ticket: the first plan that fits takes it; one that none takes is acknowledged and left.
    pub plans: Vec<Plan>,
}

/// Chances (0 to 1) of what goes wrong between two systems.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// An acknowledgement never leaves; the next time that the ticket comes it is tried again.
    pub lose_ack: f64,
    /// A message is sent twice, byte for byte.
    pub repeat: f64,
    /// A message is held back for `hold`, so that later ones overtake it.
    pub delay: f64,
    /// How long such a message is held back.
    pub hold: Millis,
    /// A message that nobody can understand goes before one.
    pub garbage: f64,
}

/// What is done with some tickets.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// For the report.
    pub name: String,
    /// Kinds of cases, as `lane.motor` or `lane.*`; empty for all.
    pub kinds: Vec<String>,
    /// Codes of streets, or their beginnings; empty for all.
    pub streets: Vec<String>,
    /// Chance that a ticket which fits is taken, else the next plan is asked.
    pub share: f64,
    /// How a ticket is answered at first.
    pub ack: AckStep,
    /// What follows, in this order.
    pub steps: Vec<Step>,
    /// What follows when gridwatch looked again and the place was clear; takes the place of what was left to do.
    pub cleared: Vec<Step>,
    /// What follows when it still stood there.
    pub still_there: Vec<Step>,
    /// What follows when it could not be seen.
    pub unclear: Vec<Step>,
    /// What follows when it went away by itself.
    pub gone: Vec<Step>,
    /// What follows when it came back.
    pub reopened: Vec<Step>,
    /// How often a case that still stands, or cannot be seen, is sent out again.
    pub rounds: u32,
    /// What follows after the last round.
    pub exhausted: Vec<Step>,
}

/// How a ticket is answered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AckStep {
    /// How long after it came.
    pub after: Millis,
    /// What is answered.
    pub result: AckResult,
    /// Why, as a code.
    pub reason: Option<String>,
    /// Why, in words.
    pub note: Option<String>,
}

/// What the platform makes of a ticket when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckResult {
    /// It is a case now.
    Accepted,
    /// There is a case of it already.
    Duplicate,
    /// It is none.
    Rejected,
}

/// Something that the platform says of a case.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How long after the one before.
    #[serde(default)]
    pub after: Millis,
    /// What is said.
    pub verdict: VerdictKind,
    /// Why, as a code.
    #[serde(default)]
    pub reason: Option<String>,
    /// Why, in words.
    #[serde(default)]
    pub note: Option<String>,
    /// Whose case it is now.
    #[serde(default)]
    pub dept: Option<String>,
    /// Who decided.
    #[serde(default)]
    pub by: Option<String>,
    /// How long there is to do it.
    #[serde(default)]
    pub due: Option<Millis>,
    /// Chance that it is said at all; the time passes all the same.
    #[serde(default = "always")]
    pub share: f64,
}

/// A script that cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plan \"{plan}\": {key}: {message}")]
pub struct ScriptError {
    plan: String,
    key: String,
    message: String,
}

fn always() -> f64 {
    1.0
}

impl Default for AckStep {
    fn default() -> Self {
        Self { after: Millis::secs(1), result: AckResult::Accepted, reason: None, note: None }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self { lose_ack: 0.0, repeat: 0.0, delay: 0.0, hold: Millis::secs(5), garbage: 0.0 }
    }
}

impl Step {
    /// This verdict so long after the one before.
    #[must_use]
    pub fn new(after: Millis, verdict: VerdictKind) -> Self {
        Self { after, verdict, reason: None, note: None, dept: None, by: None, due: None, share: 1.0 }
    }
}

impl Default for Plan {
    /// The whole loop, with times for a rehearsal: a minute from dispatch to "handled", and once more while it stands.
    fn default() -> Self {
        let out = || {
            let dispatched = Step {
                dept: Some("城管中队 / urban management".into()),
                due: Some(Millis::mins(30)),
                ..Step::new(Millis::secs(5), VerdictKind::Dispatched)
            };
            let handling = Step::new(Millis::secs(10), VerdictKind::Handling);
            let handled = Step { by: Some("officer".into()), ..Step::new(Millis::secs(45), VerdictKind::Handled) };
            vec![dispatched, handling, handled]
        };
        let supervised = Step {
            note: Some("said to be handled, and still there".into()),
            ..Step::new(Millis::secs(1), VerdictKind::Supervised)
        };
        let suspended = Step {
            reason: Some("cannot_solve".into()),
            note: Some("handled several times, and still there".into()),
            ..Step::new(Millis::secs(2), VerdictKind::Suspended)
        };
        let closed = || vec![Step { by: Some("centre".into()), ..Step::new(Millis::secs(2), VerdictKind::Closed) }];
        Self {
            name: "usual".into(),
            kinds: Vec::new(),
            streets: Vec::new(),
            share: 1.0,
            ack: AckStep::default(),
            steps: out(),
            cleared: closed(),
            still_there: [vec![supervised], out()].concat(),
            unclear: vec![Step::new(Millis::secs(30), VerdictKind::VerifyRequested)],
            gone: closed(),
            reopened: out(),
            rounds: 5,
            exhausted: vec![suspended],
        }
    }
}

impl Default for Script {
    fn default() -> Self {
        Self { seed: 1, case_prefix: "GW".into(), faults: Faults::default(), plans: vec![Plan::default()] }
    }
}

impl Plan {
    fn fits(&self, kind: &Kind, street: &str) -> bool {
        let kind = kind.as_str();
        let is_kind = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => kind == pattern,
        };
        (self.kinds.is_empty() || self.kinds.iter().any(is_kind))
            && (self.streets.is_empty() || self.streets.iter().any(|start| street.starts_with(start.as_str())))
    }

    fn lists(&self) -> [(&'static str, &[Step]); 7] {
        [
            ("steps", &self.steps),
            ("cleared", &self.cleared),
            ("still_there", &self.still_there),
            ("unclear", &self.unclear),
            ("gone", &self.gone),
            ("reopened", &self.reopened),
            ("exhausted", &self.exhausted),
        ]
    }
}

impl Script {
    /// Checks what a reader of TOML cannot.
    ///
    /// # Errors
    /// Names the plan and the key.
    pub fn check(&self) -> Result<(), ScriptError> {
        let fail = |plan: &str, key: String, message: &str| {
            Err(ScriptError { plan: plan.to_owned(), key, message: message.to_owned() })
        };
        let is_chance = |share: f64| (0.0..=1.0).contains(&share);
        let faults = &self.faults;
        for (key, share) in [
            ("lose_ack", faults.lose_ack),
            ("repeat", faults.repeat),
            ("delay", faults.delay),
            ("garbage", faults.garbage),
        ] {
            if !is_chance(share) {
                return fail("*", format!("faults.{key}"), "must be from 0 to 1");
            }
        }
        for plan in &self.plans {
            if !is_chance(plan.share) {
                return fail(&plan.name, "share".into(), "must be from 0 to 1");
            }
            for (list, steps) in plan.lists() {
                for (n, step) in steps.iter().enumerate() {
                    let key = |key: &str| format!("{list}[{n}].{key}");
                    if !is_chance(step.share) {
                        return fail(&plan.name, key("share"), "must be from 0 to 1");
                    }
                    if step.after < Millis::ZERO {
                        return fail(&plan.name, key("after"), "must not be negative");
                    }
                    if step.verdict.needs_reason() && step.reason.is_none() {
                        return fail(&plan.name, key("reason"), "is missing; this verdict is refused without one");
                    }
                }
            }
        }
        Ok(())
    }

    /// Which plan takes a ticket.
    pub(super) fn plan_for(&self, ticket: TicketId, kind: &Kind, street: &str) -> Option<usize> {
        let takes = |(n, plan): &(usize, &Plan)| {
            plan.fits(kind, street) && self.chance(ticket, &format!("plan {n}"), plan.share)
        };
        self.plans.iter().enumerate().find(takes).map(|(n, _)| n)
    }

    /// Whether something that happens with this chance happens here: decided by the seed, the ticket and what it is about.
    pub(super) fn chance(&self, ticket: TicketId, about: &str, chance: f64) -> bool {
        let digest = Sha256::of(format!("{}/{ticket}/{about}", self.seed).as_bytes()).to_string();
        // 13 hexadecimal digits are 52 bits, which a float holds exactly.
        let drawn = u64::from_str_radix(&digest[..13], 16).unwrap_or(0) as f64 / (1_u64 << 52) as f64;
        drawn < chance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(n: u64) -> TicketId {
        TicketId::derive(domain::Timestamp(1_000), &n.to_le_bytes())
    }

    #[track_caller]
    fn check(toml: &str, expect: Result<(), &str>) {
        let script: Script = toml::from_str(toml).unwrap();
        match (script.check(), expect) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, _) => panic!("{got:?}"),
        }
    }

    #[test]
    fn the_built_in_script_can_be_played() {
        assert_eq!(Script::default().check(), Ok(()));
    }

    #[test]
    fn what_cannot_be_played_is_named() {
        check("[[plans]]\nsteps = [{ after = '1s', verdict = 'dispatched' }]", Ok(()));
        check(
            "[[plans]]\nname = 'no'\nsteps = [{ after = '1s', verdict = 'returned' }]",
            Err("plan \"no\": steps[0].reason: is missing"),
        );
        check("[[plans]]\nshare = 2", Err("plan \"usual\": share: must be from 0 to 1"));
        check("[faults]\nrepeat = -1", Err("faults.repeat: must be from 0 to 1"));
        let error = toml::from_str::<Script>("[[plans]]\nsteps = [{ verdict = 'done' }]").unwrap_err().to_string();
        assert!(error.contains("unknown variant `done`") && error.contains("`closed`"), "{error}");
    }

    #[test]
    fn the_first_plan_that_fits_takes_a_ticket() {
        let plan = |kinds: &[&str], streets: &[&str], share| Plan {
            kinds: kinds.iter().map(|&k| k.to_owned()).collect(),
            streets: streets.iter().map(|&s| s.to_owned()).collect(),
            share,
            ..Plan::default()
        };
        let plans = vec![plan(&["lane.*"], &["310104007"], 1.0), plan(&["garbage.exposed"], &[], 1.0)];
        let script = Script { plans, ..Script::default() };
        let taken = |kind: &str, street: &str| script.plan_for(ticket(1), &kind.parse().unwrap(), street);
        assert_eq!(taken("lane.motor", "310104007"), Some(0));
        assert_eq!(taken("lane.motor", "310104008"), None);
        assert_eq!(taken("garbage.exposed", "310104008"), Some(1));
        assert_eq!(taken("garbage.bagged", "310104008"), None);
    }

    #[test]
    fn chance_keeps_to_its_share_and_to_its_seed() {
        let (one, two) = (Script::default(), Script { seed: 2, ..Script::default() });
        let hits = |script: &Script| (0..2_000).filter(|n| script.chance(ticket(*n), "x", 0.3)).collect::<Vec<_>>();
        assert!((500..700).contains(&hits(&one).len()), "{}", hits(&one).len());
        assert_eq!(hits(&one), hits(&one));
        assert_ne!(hits(&one), hits(&two));
        assert!(one.chance(ticket(1), "x", 1.0) && !one.chance(ticket(1), "x", 0.0));
    }
}
