//! What a rule is about: things of its sorts that stand in its zones.

use domain::{Kind, Label, Millis, OCCUPIED, Rect};

use super::{
    book::BACKED_MIN,
    cluster::gap,
    config::{Footing, Rule},
    ground::Ground,
    known::{STANDING, is_unnamed},
    lane::blocked_share,
    permit::AtHand,
    sighting::{Sighting, Sightings},
};
use crate::incident::Zone;

/// Share of a thing's footing that makes a zone outside the rule the one that it stands in.
const STANDS_OUTSIDE: f32 = 0.5;
/// Share of its looks that make a thing one of those that a rule excepts: detectors waver between car and bus.
const CALLED_SO: f32 = 0.2;

/// A thing that one rule is about, standing in one of its zones.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) sighting: &'a Sighting,
    /// Index of the zone that most of it stands in.
    pub(super) zone: usize,
    /// The part of it that stands there, and how much of that part does.
    footing: Rect,
    pub(super) share: f32,
    /// The present look's score; none where that look does not show it well enough.
    pub(super) score: Option<f32>,
    /// Whether it can be a case rather than only add to one.
    pub(super) role: Role,
    /// Whether a permit excuses it.
    pub(super) leave: Leave,
    /// Whether the scene shows something new in its place.
    pub(super) backed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    Given,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Core,
    Beside,
}

/// The things among the sightings that `rule` is about.
pub(super) fn candidates<'a>(
    rule: &Rule,
    zones: &[Zone],
    sightings: &'a Sightings,
    ground: &Ground,
    permits: &AtHand<'_>,
    clock: Millis,
) -> Vec<Candidate<'a>> {
    if !zones.iter().any(|zone| rule.zones.contains(&zone.purpose)) {
        return Vec::new();
    }
    let umbrella = Label::new("umbrella");
    let standing = sightings.all().iter().filter_map(|sighting| {
        let is_any_of = |labels: &[Label]| labels.iter().any(|label| sighting.is_a(label));
        let role = match () {
            () if is_any_of(&rule.things) => Role::Core,
            () if is_any_of(&rule.with) => Role::Beside,
            () => return None,
        };
        let place = sighting.reference;
        // Where evidence is weighed what is new counts: planters of the street are none, somebody sells flowers.
        let is_new = || rule.evidence.is_weighed() && ground.backs(place);
        if rule.except.iter().any(|label| sighting.called(label) >= CALLED_SO) && !is_new() {
            return None;
        }
        let fits = (sighting.current.is_some() || sighting.unseen_for(clock) <= rule.max_gap)
            && place.area() >= rule.min_area
            && place.area() <= rule.max_area
            && place.width().min(place.height()) >= rule.min_side;
        if !fits {
            return None;
        }
        // A parasol is mostly seen as its canopy, which hangs over other ground than its pole stands on.
        let under = (rule.stands_on == Footing::LowerThird && sighting.is_a(&umbrella)).then(|| below(place));
        let footings = std::iter::once(rule.stands_on.part_of(place)).chain(under);
        let shares = footings.clone().flat_map(|footing| {
            let asked = zones.iter().enumerate().filter(|(_, zone)| rule.zones.contains(&zone.purpose));
            asked.map(move |(index, zone)| (index, zone.polygon.share_of(footing), footing))
        });
        let (zone, share, footing) = shares.min_by(|a, b| b.1.total_cmp(&a.1))?;
        let outside = |z: &Zone| rule.outside.contains(&z.purpose) && z.polygon.share_of(footing) >= STANDS_OUTSIDE;
        let in_place = share > 0.0 && share >= rule.min_overlap && !zones.iter().any(outside);
        let backed = !is_unnamed(&sighting.group) && ground.backs(place);
        let least = if backed { rule.min_score * BACKED_MIN } else { rule.min_score };
        let counts = |score: &f32| *score >= least && (backed || !rule.new_only);
        let score = sighting.current.as_ref().map(|d| d.score).filter(counts);
        // What may stand there as a stall is no goods left on the pavement either.
        let mut kinds = std::iter::once(&rule.kind).chain(&rule.yields_to);
        // A parasol stands in a permit's place with its pole or with its canopy.
        let excused = |kind: &Kind| footings.clone().any(|footing| permits.excuse(kind, footing));
        let mut leave = || if kinds.any(excused) { Leave::Given } else { Leave::None };
        in_place.then(|| Candidate { sighting, zone, footing, share, score, role, leave: leave(), backed })
    });
    let mut standing: Vec<Candidate<'_>> = standing.collect();
    if rule.min_blocked > 0.0 {
        let blocks: Vec<bool> = standing.iter().map(|c| c.blocked(&zones[c.zone], &standing, rule)).collect();
        let mut blocks = blocks.into_iter();
        standing.retain(|_| blocks.next().unwrap_or(false));
    }
    if rule.is_of_clusters() {
        // What has a name and stands there as well is one thing, not two.
        told_by_name(&mut standing, STANDING, |c| c.score.is_some());
    }
    // Where a name holds it is told; the scene's word that something stands there is for where none does.
    if rule.things.iter().any(|label| label.as_str() == OCCUPIED) {
        told_by_name(&mut standing, OCCUPIED, |c| c.sighting.stays());
    }
    standing
}

/// Leaves out what the scene alone tells of, as `label`, where something that has a name and `counts` takes up half of its place.
fn told_by_name(standing: &mut Vec<Candidate<'_>>, label: &str, counts: impl Fn(&Candidate<'_>) -> bool) {
    let named = standing.iter().filter(|c| !is_unnamed(&c.sighting.group) && counts(c));
    let named: Vec<Rect> = named.map(|c| c.sighting.reference).collect();
    standing.retain(|c| {
        let place = c.sighting.reference;
        let covers = |named: &Rect| named.common_area(place) >= 0.5 * place.area();
        c.sighting.group.as_str() != label || !named.iter().any(covers)
    });
}

impl Candidate<'_> {
    /// Whether it blocks enough of its zone, with those that stand by it.
    fn blocked(&self, zone: &Zone, standing: &[Self], rule: &Rule) -> bool {
        let by_it = standing.iter().filter(|c| {
            let near = || gap(c.sighting.reference, self.sighting.reference) <= rule.merge;
            c.sighting.id != self.sighting.id && c.zone == self.zone && c.sighting.is_steady() && near()
        });
        let footings: Vec<Rect> = std::iter::once(self.footing).chain(by_it.map(|c| c.footing)).collect();
        blocked_share(&zone.polygon, &footings) >= rule.min_blocked
    }
}

/// Where the pole of a canopy stands: its middle, one to two of its heights down.
fn below(canopy: Rect) -> Rect {
    let (width, height) = (canopy.width(), canopy.height());
    Rect {
        x0: canopy.x0 + width / 4.0,
        y0: canopy.y1 + height / 2.0,
        x1: canopy.x1 - width / 4.0,
        y1: canopy.y1 + 1.5 * height,
    }
}
