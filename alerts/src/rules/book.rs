//! The rules in force, and what can be worked out from them once.

use std::collections::BTreeSet;

use domain::{Detection, Label, Millis, Rect, Timestamp};
use jiff::tz::TimeZone;

use super::{
    config::{Rule, RulesConfig, RulesError},
    known::PERSON,
    permit::Permits,
};
use crate::incident::{OpenTicket, RuleRef, Zone};

/// How long something may stand in front of a thing before it is another thing that comes into sight again.
const HIDDEN: Millis = Millis::mins(2);

/// What of a rule's `min_score` is enough where the scene shows something new in a detection's place.
pub(super) const BACKED_MIN: f32 = 0.8;

/// A rule in force.
#[derive(Debug)]
pub(super) struct Armed {
    pub(super) rule: Rule,
    pub(super) reference: RuleRef,
}

/// All rules in force, in the order of their names.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) rules: Vec<Armed>,
    pub(super) time_zone: TimeZone,
    pub(super) permits: Permits,
    /// How long sightings outlive their last look: as long as any rule wants, and while a bus stands in front.
    pub(super) retention: Millis,
    /// The longest that any rule lets a stream be lost.
    pub(super) max_pause: Millis,
    /// The farthest that any rule lets two cameras' boxes be apart on the ground.
    pub(super) merge_radius: f32,
    /// The lowest score that any rule remembers.
    floor: f32,
    labels: BTreeSet<Label>,
    person: Label,
}

impl Book {
    pub(super) fn new(config: &RulesConfig, time_zone: TimeZone) -> Result<Self, RulesError> {
        let rules: Vec<Armed> = config
            .effective()?
            .into_iter()
            .filter(|(_, rule)| rule.enabled)
            .map(|(name, rule)| Armed { reference: rule.reference(&name), rule })
            .collect();
        let longest = |value: fn(&Rule) -> Millis| rules.iter().map(|r| value(&r.rule)).max().unwrap_or_default();
        Ok(Self {
            time_zone,
            permits: Permits::default(),
            retention: longest(|r| r.max_gap).max(HIDDEN),
            max_pause: longest(|r| r.max_pause),
            merge_radius: rules.iter().map(|r| r.rule.merge_radius).fold(0.0, f32::max),
            floor: rules.iter().map(|r| r.rule.min_score).fold(1.0, f32::min),
            labels: rules.iter().flat_map(|r| r.rule.things.iter().chain(&r.rule.with).cloned()).collect(),
            person: Label::new(PERSON),
            rules,
        })
    }

    /// The rule that watches a restored ticket: the one that opened it, else one of its kind, if possible one that holds in its
    /// zone.
    pub(super) fn rule_for(&self, ticket: &OpenTicket, zones: &[Zone]) -> Option<usize> {
        let zone = zones.iter().find(|zone| zone.id == ticket.zone);
        let of_kind = |r: &Armed| r.rule.kind == ticket.kind;
        let fits = |r: &Armed| zone.is_some_and(|zone| r.rule.zones.contains(&zone.purpose));
        let first = |holds: &dyn Fn(&Armed) -> bool| self.rules.iter().position(|r| of_kind(r) && holds(r));
        first(&|r| r.reference.id == ticket.rule).or_else(|| first(&fits)).or_else(|| first(&|_| true))
    }

    /// Whether some rule is about things that are called so.
    pub(super) fn is_about(&self, label: &Label) -> bool {
        self.labels.contains(label)
    }

    pub(super) fn holds(&self, rule: usize, now: Timestamp) -> bool {
        self.rules[rule].rule.calendar.holds(now, &self.time_zone)
    }

    /// The detections that rules are about, and the persons; what is no number or no box is left out, boxes are cut to
    /// the picture.
    pub(super) fn sort(&self, detections: &[Detection]) -> (Vec<Detection>, Vec<Detection>) {
        let (mut things, mut persons) = (Vec::new(), Vec::new());
        for detection in detections {
            let Some(bbox) = sound_box(detection) else { continue };
            let is = |label: &Label| detection.class == *label || detection.group == *label;
            // Nothing backs an unsure person: parasols and bags are taken for one.
            let least = if is(&self.person) { self.floor } else { self.floor * BACKED_MIN };
            if detection.score < least {
                continue;
            }
            let sound = || Detection { bbox, score: detection.score.min(1.0), ..detection.clone() };
            if is(&self.person) {
                persons.push(sound());
            } else if self.labels.contains(&detection.group) || self.labels.contains(&detection.class) {
                things.push(sound());
            }
        }
        (things, persons)
    }
}

/// The box of `detection` inside the picture; none where it or the score is no number or the box has no area.
pub(super) fn sound_box(detection: &Detection) -> Option<Rect> {
    let Rect { x0, y0, x1, y1 } = detection.bbox;
    let finite = [x0, y0, x1, y1, detection.score].iter().all(|v| v.is_finite());
    let bbox = detection.bbox.clamped();
    (finite && bbox.x0 < bbox.x1 && bbox.y0 < bbox.y1).then_some(bbox)
}
