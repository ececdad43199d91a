//! The rules as data: what a rule says, how a config overrides the built-in ones, and what is no rule.

use std::collections::BTreeMap;

use domain::{Kind, Label, Millis, Rect};
use serde::{Deserialize, Serialize};

use super::{
    builtin,
    calendar::{Calendar, CalendarConfig},
    evidence::MAX_THINGS,
    layered::layered,
};
use crate::incident::{RuleRef, Zone, ZonePurpose};

/// A rule that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// A value outside what makes sense.
    #[error("rule \"{rule}\": {key} is {value}; {remedy}")]
    Value {
        /// The rule's name.
        rule: String,
        /// The key.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        remedy: &'static str,
    },
    /// A new rule that lacks what only its writer can know.
    #[error(
        "rule \"{rule}\" is none of the built-in ones ({builtin}) and so needs the key {key}; add it, or correct the rule's name"
    )]
    Missing {
        /// The rule's name.
        rule: String,
        /// The key.
        key: &'static str,
        /// The built-in rules' names.
        builtin: String,
    },
    /// Two cameras with one id.
    #[error("camera \"{0}\" is listed twice; give each camera an id of its own")]
    CameraTwice(domain::CameraId),
    /// Two zones of a camera with one id.
    #[error("camera \"{camera}\" has two zones \"{zone}\"; give each zone of a camera an id of its own")]
    ZoneTwice {
        /// The camera.
        camera: domain::CameraId,
        /// The zones' id.
        zone: domain::ZoneId,
    },
    /// A zone whose dwell makes no sense.
    #[error("camera \"{camera}\": zone \"{zone}\": dwell is {dwell}; it must be from 1s to 24h")]
    ZoneDwell {
        /// The camera.
        camera: domain::CameraId,
        /// The zone.
        zone: domain::ZoneId,
        /// What it is.
        dwell: Millis,
    },
    /// A permit that cannot be.
    #[error("permit \"{number}\": {key}: {remedy}")]
    Permit {
        /// Its number.
        number: String,
        /// The key.
        key: &'static str,
        /// What is wrong and what to do.
        remedy: &'static str,
    },
}

/// The `rules` section: by rule name, what is written over the built-in rule of that name; another name makes a new
/// rule, which needs at least `kind`, `things` and `zones`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RulesConfig(pub BTreeMap<String, RuleConfig>);

layered! {
    /// One rule: which things, standing where, for how long, seen how well, are a case of which kind.
    Rule / RuleConfig {
        values {
            /// Whether the rule is in force.
            enabled: bool,
            /// The kind of case that it opens.
            kind: Kind,
            /// Classes or groups of classes that it is about (`"vehicle"`, `"car"`).
            things: Vec<Label>,
            /// Classes or groups that count beside at least one of `things`, never alone.
            with: Vec<Label>,
            /// Classes or groups that it is not about, though `things` or `with` name their group: what a fifth of its
            /// sightings call so is left alone.
            except: Vec<Label>,
            /// How many things must stand together. With 1 each thing is timed by itself; with more the cluster is.
            min_things: u32,
            /// How many different groups must be among them.
            min_sorts: u32,
            /// How close things are together, and how close a new problem is to a ticket to be the same one: the gap
            /// between the boxes, in widths and heights of the larger box.
            merge: f32,
            /// How close two cameras' boxes are on the ground to show one problem, in metres between their lower edges.
            merge_radius: f32,
            /// Purposes of the zones that it holds in.
            zones: Vec<ZonePurpose>,
            /// Purposes of zones that take a thing out of this rule's hands: what stands there is another rule's, or
            /// nobody's.
            outside: Vec<ZonePurpose>,
            /// Which part of a thing's box must lie in the zone.
            stands_on: Footing,
            /// How much of that part must lie in the zone, 0 to 1.
            min_overlap: f32,
            /// Share of the zone's width, across its longer direction, that a thing must block where it stands, 0 to 1.
            min_blocked: f32,
            /// Whether only what the scene shows to be new counts: benches and tables of the street have names, too.
            new_only: bool,
            /// How long it must stand, pauses taken out.
            dwell: Millis,
            /// How long looks may show its place without it before the count starts anew (at least three looks). While
            /// something stands in front, this does not run.
            max_gap: Millis,
            /// How long the stream may be lost before the count starts anew; until then it pauses.
            max_pause: Millis,
            /// Share of the looks within the dwell that must show it, 0 to 1.
            min_hit_ratio: f32,
            /// Looks within the dwell that must show it by a run of the detector.
            min_looks: u32,
            /// Score from which a detection is remembered, 0 to 1.
            min_score: f32,
            /// What the median score over the looks of the dwell must reach (a miss counts 0), 0 to 1.
            open_score: f32,
            /// Smallest box, as a share of the picture's area.
            min_area: f32,
            /// Largest box, as a share of the picture's area.
            max_area: f32,
            /// Least width and height of the box, as a share of the picture's.
            min_side: f32,
            /// How long it must be gone, while looks show its place, before its ticket is cleared (at least two looks).
            clear_after: Millis,
            /// How long after that the same place opens no new ticket.
            rearm_after: Millis,
            /// How long after that a problem that comes back goes on with its ticket, at most `rearm_after`.
            reopen_within: Millis,
            /// Kinds whose open ticket at the same place already tells of this problem.
            yields_to: Vec<Kind>,
            /// How long a place whose ticket was rejected stays quiet, unless looks show it clear before.
            reject_cooldown: Millis,
            /// How long a problem that was told may stand until it is told again.
            realarm: Millis,
            /// How it is told again.
            realarm_by: Realarm,
            /// Whether a person must confirm it before it is filed.
            review: bool,
            /// How long that may take; then it is rejected as expired.
            review_expiry: Millis,
        }
        maps {
            /// How long it must stand in zones of a purpose, where that is not `dwell`.
            dwell_by_zone: ZonePurpose => Millis,
        }
        sections {
            /// What a queue of traffic is, which is no case.
            queue: Queue / QueueConfig,
            /// What speaks for a case, weighed; rules without it ask for things and people alone.
            evidence: Evidence / EvidenceConfig,
            /// When it holds.
            calendar: Calendar / CalendarConfig,
            /// What people have to do with it.
            person: PersonRelation / PersonConfig,
        }
    }
}

layered! {
    /// What people near the things have to do with a rule.
    PersonRelation / PersonConfig {
        values {
            /// Whether people must be there, must not be there, or do not matter.
            need: PersonNeed,
            /// How far "near" reaches: the gap between the boxes, in widths and heights of the larger box.
            distance: f32,
            /// Share of the looks within the dwell that it must be so in, 0 to 1.
            share: f32,
        }
        maps {}
        sections {}
    }
}

layered! {
    /// A queue of traffic: several things that came to a halt one behind the other, at about one time. While they stand
    /// together none of them is a case, until patience ends.
    Queue / QueueConfig {
        values {
            /// How many make a queue; 0: the rule knows none.
            min_things: u32,
            /// Purposes of the zones that queues form in.
            zones: Vec<ZonePurpose>,
            /// How far apart in time those of one queue came to a halt.
            together: Millis,
            /// How long after a queue broke up one of it may take to move off.
            break_up: Millis,
            /// How long a queue may stand: what stands longer is parked.
            patience: Millis,
        }
        maps {}
        sections {}
    }
}

layered! {
    /// What speaks for a case and how much: the weights of what is there in half of the looks of a dwell are added up.
    Evidence / EvidenceConfig {
        values {
            /// What the sum must reach; 0: the rule weighs nothing.
            needed: f32,
            /// What all things together count for at most.
            things_most: f32,
            /// Somebody stays near (`person.distance`).
            vendor: f32,
            /// People stopped near and went on.
            customers: f32,
            /// How many of them it takes.
            min_customers: u32,
            /// Four and more stay near: a queue of passengers rather than a vendor. Below 0 it speaks against the case.
            crowd: f32,
        }
        maps {
            /// Classes or groups, once each however many of them stand there.
            things: Label => f32,
        }
        sections {}
    }
}

/// How a problem that still stands is told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Realarm {
    /// By another picture on its ticket, whether that is open or closed.
    Evidence,
    /// A closed ticket is opened again; an open one gets another picture.
    Reopen,
    /// A new ticket where the old one is closed; an open one gets another picture, since a place has one open ticket.
    Ticket,
}

/// Whether people must be near.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonNeed {
    /// People do not matter.
    Any,
    /// Somebody must stay near (a passer-by does not count).
    Stays,
    /// Nobody may stay near (a passer-by does not count).
    Absent,
}

/// The part of a box that stands for where a thing is on the ground.
///
/// A camera looks down at a slant, so the upper part of a box covers ground *behind* the thing: a lorry's box reaches
/// over the lane beyond its own. The lower third is close to what the thing stands on, and unlike the single point in
/// the middle of the lower edge it says how much of the thing is in the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Footing {
    /// The lower third of the box.
    LowerThird,
    /// The whole box.
    Box,
}

impl Footing {
    /// The part of `bbox` that is meant.
    #[must_use]
    pub fn part_of(self, bbox: Rect) -> Rect {
        match self {
            Self::LowerThird => Rect { y0: bbox.y1 - bbox.height() / 3.0, ..bbox },
            Self::Box => bbox,
        }
    }
}

impl Rule {
    /// The rule's name and the digest of its values.
    #[must_use]
    pub fn reference(&self, name: &str) -> RuleRef {
        let values = serde_json::to_vec(self).expect("a rule is plain data");
        let version = domain::Sha256::of(&values).to_string()[..12].to_owned();
        RuleRef { id: name.to_owned(), version }
    }

    /// Whether what stands together is timed as one, rather than each thing by itself.
    #[must_use]
    pub fn is_of_clusters(&self) -> bool {
        self.min_things > 1 || self.evidence.is_weighed()
    }

    /// How long a thing must stand in `zone`.
    #[must_use]
    pub fn dwell_in(&self, zone: &Zone) -> Millis {
        zone.dwell.or_else(|| self.dwell_by_zone.get(&zone.purpose).copied()).unwrap_or(self.dwell)
    }

    fn validate(&self, rule: &str) -> Result<(), RulesError> {
        let bad = |key, value: String, remedy| Err(RulesError::Value { rule: rule.to_owned(), key, value, remedy });
        for (key, value) in [
            ("min_overlap", self.min_overlap),
            ("min_blocked", self.min_blocked),
            ("min_hit_ratio", self.min_hit_ratio),
            ("min_score", self.min_score),
            ("open_score", self.open_score),
            ("min_area", self.min_area),
            ("max_area", self.max_area),
            ("min_side", self.min_side),
            ("person.share", self.person.share),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return bad(key, value.to_string(), "it is a share and must be from 0 to 1");
            }
        }
        for (key, value) in [("merge", self.merge), ("person.distance", self.person.distance)] {
            if !(0.0..=20.0).contains(&value) {
                return bad(key, value.to_string(), "it counts box sizes and must be from 0 to 20");
            }
        }
        if !(0.0..=50.0).contains(&self.merge_radius) {
            return bad("merge_radius", self.merge_radius.to_string(), "it counts metres and must be from 0 to 50");
        }
        let day = Millis::mins(24 * 60);
        for (key, value, least) in [
            ("dwell", self.dwell, Millis::secs(1)),
            ("max_gap", self.max_gap, Millis::ZERO),
            ("max_pause", self.max_pause, Millis::ZERO),
            ("clear_after", self.clear_after, Millis::secs(1)),
            ("queue.together", self.queue.together, Millis::ZERO),
            ("queue.break_up", self.queue.break_up, Millis::ZERO),
            ("queue.patience", self.queue.patience, Millis::ZERO),
        ] {
            if value < least || value > day {
                return bad(key, value.to_string(), "it must be from 1s (max_gap, max_pause, queue: 0s) to 24h");
            }
        }
        if let Some(dwell) = self.dwell_by_zone.values().find(|dwell| **dwell < Millis::secs(1) || **dwell > day) {
            return bad("dwell_by_zone", dwell.to_string(), "each must be from 1s to 24h");
        }
        let weights = [
            ("evidence.needed", self.evidence.needed, 0.0),
            ("evidence.things_most", self.evidence.things_most, 0.0),
            ("evidence.vendor", self.evidence.vendor, -1.0),
            ("evidence.customers", self.evidence.customers, -1.0),
            ("evidence.crowd", self.evidence.crowd, -1.0),
        ];
        let things = self.evidence.things.values().map(|weight| ("evidence.things", *weight, -1.0));
        for (key, weight, least) in weights.into_iter().chain(things) {
            if !(least..=5.0).contains(&weight) {
                return bad(key, weight.to_string(), "a weight must be from -1 to 5, a sum from 0 to 5");
            }
        }
        if self.evidence.things.len() > MAX_THINGS {
            return bad("evidence.things", format!("{} long", self.evidence.things.len()), "weigh 24 things at most");
        }
        if self.zones.contains(&ZonePurpose::Indoors) {
            return bad("zones", "indoors".to_owned(), "what stands there is never a case; name another purpose");
        }
        if self.zones.contains(&ZonePurpose::Surroundings) {
            return bad("zones", "surroundings".to_owned(), "rules on readings hold there; name another purpose");
        }
        if self.rearm_after > Millis(day.0 * 366) {
            return bad("rearm_after", self.rearm_after.to_string(), "it must be a year at most");
        }
        for (key, value) in [
            ("reject_cooldown", self.reject_cooldown),
            ("realarm", self.realarm),
            ("review_expiry", self.review_expiry),
        ] {
            if value < Millis::mins(1) || value > Millis(day.0 * 366) {
                return bad(key, value.to_string(), "it must be from 1m to a year");
            }
        }
        if self.reopen_within < Millis::ZERO {
            return bad("reopen_within", self.reopen_within.to_string(), "it must not be negative");
        }
        if self.open_score < self.min_score {
            return bad("open_score", self.open_score.to_string(), "it must not be below min_score");
        }
        if self.min_area > self.max_area {
            return bad("min_area", self.min_area.to_string(), "it must not be above max_area");
        }
        if !(2..=500).contains(&self.min_looks) {
            return bad("min_looks", self.min_looks.to_string(), "it must be from 2 to 500");
        }
        if !(1..=50).contains(&self.min_things) {
            return bad("min_things", self.min_things.to_string(), "it must be from 1 to 50");
        }
        if !(1..=self.min_things).contains(&self.min_sorts) {
            return bad("min_sorts", self.min_sorts.to_string(), "it must be from 1 to min_things");
        }
        if self.queue.min_things == 1 || self.queue.min_things > 50 {
            return bad("queue.min_things", self.queue.min_things.to_string(), "it must be 0 (none), or from 2 to 50");
        }
        if self.things.is_empty() {
            return bad("things", "empty".to_owned(), "name at least one class or group");
        }
        if self.zones.is_empty() {
            return bad("zones", "empty".to_owned(), "name at least one purpose of zones");
        }
        Ok(())
    }
}

impl RulesConfig {
    /// All rules with their effective values, the disabled ones among them, by name.
    ///
    /// # Errors
    /// When a value makes no sense or a new rule lacks what only its writer can know.
    pub fn effective(&self) -> Result<BTreeMap<String, Rule>, RulesError> {
        let mut rules = builtin::rules();
        for (name, config) in &self.0 {
            let base = match rules.remove(name) {
                Some(rule) => rule,
                None => {
                    let missing = [
                        ("kind", config.kind.is_none()),
                        ("things", config.things.is_none()),
                        ("zones", config.zones.is_none()),
                    ];
                    if let Some((key, _)) = missing.into_iter().find(|(_, missing)| *missing) {
                        let builtin = builtin::rules().into_keys().collect::<Vec<_>>().join(", ");
                        return Err(RulesError::Missing { rule: name.clone(), key, builtin });
                    }
                    builtin::blank(config.kind.clone().expect("checked just above"))
                }
            };
            rules.insert(name.clone(), base.overridden_by(config));
        }
        for (name, rule) in &rules {
            rule.validate(name)?;
        }
        Ok(rules)
    }
}
