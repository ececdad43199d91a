//! Sightings: the same standing thing seen over several looks of one camera.
//!
//! What tells a parked car from traffic, when looks are seconds apart and each shows *some* car at the spot? A thing
//! that stands has the same box in every look, within the detector's jitter. So a sighting keeps a reference box and
//! a look counts as a hit only at [`SAME_PLACE`] IoU with it. Cars of a flow stop nowhere: the chance that one of
//! them is within a quarter of its length of the reference is about a third even nose to tail, far below any sensible
//! hit ratio. Three things close what that leaves open:
//!
//! - *Displaced* looks: something of the same group overlaps the reference without being it. Two things cannot be at
//!   one place, so this is evidence of movement, and when its share of the (fading) record exceeds
//!   [`MOVED_SHARE`] the sighting ends. Boxes that lie inside the reference or contain it are no such evidence: that is
//!   what someone or a bus passing in front looks like. Nor is a neighbour that itself stands.
//! - *As still after as before*: what is there after a gap must fit the reference as well as the thing did before it,
//!   within what this thing's own boxes scatter ([`Sighting::needed_iou`]). The next car to halt at a stop line halts
//!   half a metre off; the parked car behind the passing bus has not moved at all. If it does not fit and itself turns
//!   out to stand, the older sighting ends.
//! - *Creep*: the reference follows slowly (lens drift, a shaking pole), but must stay by the box it began with.

use domain::{Detection, Label, Millis, Rect};

/// IoU with the reference from which a detection is the same standing thing; well-detected standing things have 0.8
/// and more, two cars half a length apart 0.33.
const SAME_PLACE: f32 = 0.6;
/// IoU from which something else at the spot is displaced rather than beside it.
const DISPLACED: f32 = 0.15;
/// Share of a thing that something nearer must cover for a smaller box in its place to be what remains of it.
const BEFORE: f32 = 0.2;
/// Share of displaced looks above which the thing has moved.
const MOVED_SHARE: f32 = 0.4;
/// How fast the record of hits and displaced looks fades: a memory of about 50 looks.
const FADE: f32 = 0.98;
/// How fast the reference box follows, once settled.
const FOLLOW: f32 = 0.1;
/// Looks over which the first box settles into the anchor.
const SETTLE_LOOKS: u32 = 5;
/// Hits from which a thing is held to stand rather than to pass.
pub(super) const STEADY_HITS: u32 = 3;
/// How long what has not been seen to stand is remembered: of a car that drove by nothing stays behind.
const PASSING: Millis = Millis::secs(20);
/// Classes that a thing's looks are told apart by; a detector that calls it more than this does not know.
const MAX_CLASSES: usize = 4;
/// Sightings kept per camera; a view with more things than this shows a crowd, not cases.
const MAX_SIGHTINGS: usize = 128;

/// A sighting's name within its camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SightingId(u64);

/// Why a sighting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was seen to have moved.
    Moved,
    /// It was not seen for too long.
    Gone,
}

/// The same standing thing seen over several looks.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    pub(super) id: SightingId,
    /// The class in the last look that showed it; detectors flip between car and truck.
    pub(super) class: Label,
    pub(super) group: Label,
    /// Where it stands.
    pub(super) reference: Rect,
    /// Looks that showed it.
    pub(super) hits: u32,
    /// The present look's detection of it, if that look shows it.
    pub(super) current: Option<Detection>,
    /// Observed time of its first look.
    pub(super) since: Millis,
    /// How many of its looks called it what.
    classes: Vec<(Label, u32)>,
    anchor: Rect,
    last_hit: Millis,
    /// Looks that did not.
    misses: u32,
    misses_in_row: u32,
    /// Whether the present look shows something else half over its place.
    pub(super) displaced: bool,
    /// Mean IoU of its boxes with the reference, of late.
    pub(super) stillness: f32,
    /// Mean deviation from that.
    spread: f32,
    hit_weight: f32,
    displaced_weight: f32,
}

impl Sighting {
    fn new(id: SightingId, detection: &Detection, clock: Millis) -> Self {
        Self {
            id,
            class: detection.class.clone(),
            group: detection.group.clone(),
            reference: detection.bbox,
            hits: 1,
            current: Some(detection.clone()),
            since: clock,
            classes: vec![(detection.class.clone(), 1)],
            anchor: detection.bbox,
            last_hit: clock,
            misses: 0,
            misses_in_row: 0,
            displaced: false,
            stillness: 1.0,
            spread: 0.05,
            hit_weight: 1.0,
            displaced_weight: 0.0,
        }
    }

    /// Whether it has been seen often enough at one place to be standing.
    pub(super) fn is_steady(&self) -> bool {
        self.hits >= STEADY_HITS
    }

    /// Whether most looks since the first show it: where traffic passes, one vehicle after the other is seen at one place
    /// now and then, and none of them stands.
    pub(super) fn stays(&self) -> bool {
        self.is_steady() && self.hits >= self.misses
    }

    /// Observed time since the last look that showed it.
    pub(super) fn unseen_for(&self, clock: Millis) -> Millis {
        Millis(clock.0 - self.last_hit.0)
    }

    /// Whether `label` names its class or its group.
    pub(super) fn is_a(&self, label: &Label) -> bool {
        self.class == *label || self.group == *label
    }

    /// Share of its looks that called it so, or all of them where `label` names its group.
    pub(super) fn called(&self, label: &Label) -> f32 {
        let looks = self.classes.iter().filter(|(class, _)| *class == *label || self.group == *label);
        looks.map(|(_, looks)| *looks).sum::<u32>() as f32 / self.hits as f32
    }

    /// The IoU with the reference that counts as seeing it again. One miss is the detector's; after more of them, or
    /// when the stream was lost, what is there may be another thing.
    fn needed_iou(&self) -> f32 {
        if self.misses_in_row >= 2 {
            (self.stillness - (3.0 * self.spread).max(0.04)).max(SAME_PLACE)
        } else {
            SAME_PLACE
        }
    }

    fn hit(&mut self, detection: &Detection, iou: f32, clock: Millis) {
        self.hits = self.hits.saturating_add(1);
        let follow = FOLLOW.max(1.0 / self.hits as f32);
        self.reference = toward(self.reference, detection.bbox, follow);
        if self.hits <= SETTLE_LOOKS {
            self.anchor = self.reference;
        }
        let share = (1.0 / (self.hits - 1) as f32).max(0.05);
        self.spread += ((iou - self.stillness).abs() - self.spread) * share.min(0.2);
        self.stillness += (iou - self.stillness) * share;
        if let Some((_, looks)) = self.classes.iter_mut().find(|(class, _)| *class == detection.class) {
            *looks = looks.saturating_add(1);
        } else if self.classes.len() < MAX_CLASSES {
            self.classes.push((detection.class.clone(), 1));
        }
        self.class = detection.class.clone();
        self.current = Some(detection.clone());
        self.last_hit = clock;
        self.misses_in_row = 0;
        self.displaced = false;
        self.hit_weight = self.hit_weight * FADE + 1.0;
        self.displaced_weight *= FADE;
    }

    fn miss(&mut self, displaced: bool) {
        self.misses = self.misses.saturating_add(1);
        self.misses_in_row = self.misses_in_row.saturating_add(1);
        self.displaced = displaced;
        if displaced {
            self.hit_weight *= FADE;
            self.displaced_weight = self.displaced_weight * FADE + 1.0;
        }
    }

    fn end(&self, clock: Millis, retention: Millis) -> Option<End> {
        let share = self.displaced_weight / (self.displaced_weight + self.hit_weight);
        if self.current.is_some() {
            (self.reference.iou(self.anchor) < 0.5).then_some(End::Moved)
        } else if share > MOVED_SHARE {
            Some(End::Moved)
        } else {
            let retention = if self.is_steady() { retention } else { retention.min(PASSING) };
            (self.misses_in_row >= 2 && self.unseen_for(clock) > retention).then_some(End::Gone)
        }
    }
}

/// A step towards another box.
pub(super) fn toward(from: Rect, to: Rect, share: f32) -> Rect {
    let step = |a: f32, b: f32| a + (b - a) * share;
    Rect { x0: step(from.x0, to.x0), y0: step(from.y0, to.y0), x1: step(from.x1, to.x1), y1: step(from.y1, to.y1) }
}

/// Whether `other` is what remains of `reference` behind something, or what stands in front of it.
fn hides(reference: Rect, other: Rect) -> bool {
    let common = reference.common_area(other);
    common > 0.85 * reference.area().min(other.area())
}

/// Whether `front` is nearer than what stands at `reference` and covers part of it.
fn is_before(front: Rect, reference: Rect) -> bool {
    let common = front.common_area(reference);
    common >= BEFORE * reference.area() && front.area() > reference.area() && front.y1 > reference.y1
}

/// All sightings of one camera.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    all: Vec<Sighting>,
    ended: Vec<(SightingId, End)>,
    named: u64,
}

impl Sightings {
    /// Takes in one look's detections: each sighting gets the detection that is it, or a miss; the rest begin new ones.
    /// `clock` is the camera's observed time, `retention` how long a sighting outlives its last look.
    pub(super) fn look(&mut self, clock: Millis, detections: &[Detection], retention: Millis) {
        let mut pairs = Vec::new();
        for (s, sighting) in self.all.iter_mut().enumerate() {
            sighting.current = None;
            let needed = sighting.needed_iou();
            for (d, detection) in detections.iter().enumerate() {
                if detection.group == sighting.group {
                    let iou = sighting.reference.iou(detection.bbox);
                    if iou >= needed {
                        pairs.push((iou * detection.score, iou, s, d));
                    }
                }
            }
        }
        // Greedy from the best pair on; ties go to the older sighting and the better detection, so that the same looks
        // always give the same sightings.
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)).then(a.3.cmp(&b.3)));
        let mut taken_by: Vec<Option<usize>> = vec![None; detections.len()];
        for (_, iou, s, d) in pairs {
            if taken_by[d].is_none() && self.all[s].current.is_none() {
                taken_by[d] = Some(s);
                self.all[s].hit(&detections[d], iou, clock);
            }
        }
        for s in 0..self.all.len() {
            if self.all[s].current.is_none() {
                let reference = self.all[s].reference;
                let displaced = detections.iter().zip(&taken_by).any(|(detection, taken)| {
                    detection.group == self.all[s].group
                        && reference.iou(detection.bbox) >= DISPLACED
                        && !hides(reference, detection.bbox)
                        && taken.is_none_or(|t| !self.all[t].is_steady())
                });
                self.all[s].miss(displaced);
            }
        }
        self.ended.clear();
        let standing: Vec<(Label, Rect)> = self
            .all
            .iter()
            .filter(|s| s.current.is_some() && s.is_steady())
            .map(|s| (s.group.clone(), s.reference))
            .collect();
        self.all.retain(|sighting| {
            let at_place = |(g, r): &&(Label, Rect)| *g == sighting.group && r.iou(sighting.reference) >= SAME_PLACE;
            let remains = |r: Rect| {
                r.area() < sighting.reference.area()
                    && hides(sighting.reference, r)
                    && detections.iter().any(|d| is_before(d.bbox, sighting.reference))
            };
            let replaced = sighting.misses_in_row >= 2 && standing.iter().filter(at_place).any(|(_, r)| !remains(*r));
            let end = if replaced { Some(End::Moved) } else { sighting.end(clock, retention) };
            self.ended.extend(end.map(|end| (sighting.id, end)));
            end.is_none()
        });
        for (detection, taken) in detections.iter().zip(&taken_by) {
            let double = || {
                self.all.iter().any(|s| {
                    s.current.is_some() && s.group == detection.group && s.reference.iou(detection.bbox) >= SAME_PLACE
                })
            };
            if taken.is_none() && self.all.len() < MAX_SIGHTINGS && !double() {
                self.named += 1;
                self.all.push(Sighting::new(SightingId(self.named), detection, clock));
            }
        }
    }

    /// The stream was lost: what is there afterwards may be another thing.
    pub(super) fn interrupt(&mut self) {
        for sighting in &mut self.all {
            sighting.misses_in_row = sighting.misses_in_row.max(2);
        }
    }

    /// Forgets everything: what was there before cannot be joined to what will be seen.
    pub(super) fn clear(&mut self) {
        self.ended.extend(self.all.drain(..).map(|s| (s.id, End::Gone)));
    }

    pub(super) fn all(&self) -> &[Sighting] {
        &self.all
    }

    pub(super) fn get(&self, id: SightingId) -> Option<&Sighting> {
        self.all.iter().find(|s| s.id == id)
    }

    /// Why `id` ended, if it ended in the present look.
    pub(super) fn ended(&self, id: SightingId) -> Option<End> {
        self.ended.iter().find(|(ended, _)| *ended == id).map(|(_, end)| *end)
    }
}
