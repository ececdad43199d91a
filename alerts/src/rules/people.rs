//! People near a place: who is there now, and who *stays*.
//!
//! A vendor shifts about within a step or two, a passer-by is metres on in the next look. So people are tracked like
//! standing things but loosely, and someone stays who has been about the same spot for [`STAY`] in most looks. On a busy
//! pavement somebody is about any spot in most looks, each time another one: of those who stay, each look shows many where
//! the look before did ([`STILL`]), of those who pass hardly any.

use std::collections::VecDeque;

use domain::{Detection, Millis, Rect};

use super::{cluster::gap, ground::Ground};

/// How long someone must have been about a spot to stay there.
const STAY: Millis = Millis::secs(8);
/// How long someone who stays may go undetected.
const UNSEEN: Millis = Millis::secs(12);
/// Share of the looks since the first one that must show him.
const STAY_RATIO: f32 = 0.4;
/// IoU of his boxes in two looks that makes somebody still there rather than another one, and the share of the looks that
/// must show him so. Measured: who stays 0.5 to 1, one passer-by after the other 0 to 0.1.
const STILL: f32 = 0.4;
const STILL_RATIO: f32 = 0.3;
/// IoU from which somebody is in the very place of a thing, and the share of looks below which he is that thing by another
/// name: whoever stands there is seen in nearly every look.
const IN_PLACE: f32 = 0.5;
const SURELY_THERE: f32 = 0.75;
/// How long a thing of the street has been taken for somebody, the mean score below which he may be one, the IoU of two looks'
/// boxes that are the same, and the share of the looks in which they are.
const FIXTURE: Millis = Millis::secs(90);
const UNSURE: f32 = 0.35;
const SAME_BOX: f32 = 0.75;
const UNMOVED: f32 = 0.7;
/// People tracked per camera.
const MAX_PEOPLE: usize = 64;
/// Longest that somebody who stops stays; who stays longer belongs there, or waits.
const VISIT: Millis = Millis::mins(3);
/// How soon somebody at the same spot is the one who was there before, lost for a while.
const SAME: Millis = Millis::secs(20);
/// Share of where somebody stood that others must take up for him to be hidden rather than gone.
const HIDES: f32 = 0.5;
/// Visits remembered per camera.
const MAX_VISITS: usize = 64;

/// Somebody who stopped and is there no more.
#[derive(Debug)]
struct Visit {
    place: Rect,
    from: Millis,
    to: Millis,
    /// Whether others are where he was: he is lost behind them, or in one box with them.
    hidden: bool,
}

#[derive(Debug)]
struct Person {
    place: Rect,
    first: Millis,
    last: Millis,
    looks: u32,
    hits: u32,
    /// Looks that showed him where the one before did, and of them those that showed him in the very same box.
    still: u32,
    unmoved: u32,
    /// Looks in which the scene had something new there.
    backed: u32,
    /// Mean score.
    score: f32,
    current: Option<Detection>,
}

impl Person {
    /// Whether `bbox` is within a step of where this one was: about a body's width aside, a third of its height up or
    /// down (towards or away from the camera), and of about its size.
    fn is_about(&self, bbox: Rect) -> bool {
        let (a, b) = (self.place, bbox);
        let (width, height) = (a.width().max(b.width()), a.height().max(b.height()));
        (a.center().x - b.center().x).abs() <= 1.2 * width
            && (a.foot().y - b.foot().y).abs() <= 0.35 * height
            && a.height().min(b.height()) >= 0.6 * height
    }

    /// Whether a detector that is unsure of `thing` calls it a person now and then.
    fn is_rather(&self, thing: Rect) -> bool {
        self.place.iou(thing) >= IN_PLACE && (self.hits as f32) < SURELY_THERE * self.looks as f32
    }

    /// Whether he is part of the street that a detector takes for somebody: never sure of it, always in the same box, and
    /// nothing new to the scene, for which whoever stands that still would be.
    fn is_fixture(&self) -> bool {
        let n = self.hits as f32;
        self.last.0 - self.first.0 >= FIXTURE.0
            && self.score < UNSURE
            && self.unmoved as f32 >= UNMOVED * n
            && (self.backed as f32) < 0.2 * n
    }

    fn stays(&self) -> bool {
        self.last.0 - self.first.0 >= STAY.0
            && self.hits as f32 >= STAY_RATIO * self.looks as f32
            && self.still as f32 >= STILL_RATIO * self.hits.saturating_sub(1) as f32
    }
}

/// The people in one camera's view.
#[derive(Debug, Default)]
pub(super) struct People {
    all: Vec<Person>,
    /// Oldest first.
    visits: VecDeque<Visit>,
}

impl People {
    /// Takes in the persons of one look.
    pub(super) fn look(&mut self, clock: Millis, persons: &[Detection], ground: &Ground) {
        let mut pairs = Vec::new();
        for (p, person) in self.all.iter_mut().enumerate() {
            person.current = None;
            person.looks = person.looks.saturating_add(1);
            for (d, detection) in persons.iter().enumerate() {
                if person.is_about(detection.bbox) {
                    pairs.push((gap_of_centers(person.place, detection.bbox), p, d));
                }
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        let mut taken = vec![false; persons.len()];
        for (_, p, d) in pairs {
            let person = &mut self.all[p];
            if !taken[d] && person.current.is_none() {
                taken[d] = true;
                let (bbox, iou) = (persons[d].bbox, person.place.iou(persons[d].bbox));
                person.still += u32::from(iou >= STILL);
                person.unmoved += u32::from(iou >= SAME_BOX);
                person.backed += u32::from(ground.backs(bbox));
                person.place = bbox;
                person.last = clock;
                person.hits = person.hits.saturating_add(1);
                person.score += (persons[d].score - person.score) / person.hits as f32;
                person.current = Some(persons[d].clone());
            }
        }
        let is_there =
            |p: &Person| clock.0 - p.last.0 <= UNSEEN.0 && (p.looks < 8 || p.hits as f32 >= 0.25 * p.looks as f32);
        let hides = |p: &Person| persons.iter().any(|other| other.bbox.common_area(p.place) >= HIDES * p.place.area());
        for gone in self.all.extract_if(.., |p| !is_there(p)).filter(Person::stays) {
            if self.visits.len() >= MAX_VISITS {
                self.visits.pop_front();
            }
            let hidden = hides(&gone);
            self.visits.push_back(Visit { place: gone.place, from: gone.first, to: gone.last, hidden });
        }
        for (detection, taken) in persons.iter().zip(taken) {
            if !taken && self.all.len() < MAX_PEOPLE {
                let mut person = Person {
                    place: detection.bbox,
                    first: clock,
                    last: clock,
                    looks: 1,
                    hits: 1,
                    still: 0,
                    unmoved: 0,
                    backed: 0,
                    score: detection.score,
                    current: Some(detection.clone()),
                };
                let back = |v: &Visit| clock.0 - v.to.0 <= SAME.0 && person.is_about(v.place);
                if let Some(before) = self.visits.iter().rposition(back).and_then(|n| self.visits.remove(n)) {
                    person.first = before.from;
                }
                self.all.push(person);
            }
        }
    }

    /// Whether the present look shows anybody within `distance` of one of `boxes`.
    pub(super) fn anybody_near(&self, boxes: &[Rect], distance: f32) -> bool {
        self.all.iter().any(|p| p.current.is_some() && near(p.place, boxes, distance))
    }

    /// Whether somebody stays within `distance` of one of `boxes`.
    pub(super) fn somebody_stays(&self, boxes: &[Rect], distance: f32) -> bool {
        self.all.iter().any(|p| p.stays() && near(p.place, boxes, distance))
    }

    /// Whether somebody who is not one of these things himself stays within `distance` of one of them.
    pub(super) fn somebody_keeps(&self, things: &[Rect], distance: f32) -> bool {
        let keeps = |p: &Person| p.stays() && !p.is_fixture() && !things.iter().any(|thing| p.is_rather(*thing));
        self.all.iter().any(|p| keeps(p) && near(p.place, things, distance))
    }

    /// How many stay within `distance` of one of `boxes`.
    pub(super) fn how_many_stay(&self, boxes: &[Rect], distance: f32) -> usize {
        self.all.iter().filter(|p| p.stays() && near(p.place, boxes, distance)).count()
    }

    /// How many stopped within `distance` of one of `boxes` and have gone on, since then, while somebody else stayed: of
    /// those who came together and leave together, none has visited another.
    pub(super) fn visitors(&self, boxes: &[Rect], distance: f32, since: Millis) -> usize {
        let hosts: Vec<_> = self.all.iter().filter(|p| p.stays() && near(p.place, boxes, distance)).collect();
        let stayed = |v: &Visit| hosts.iter().any(|p| p.first.0 + STAY.0 <= v.to.0 && p.last.0 > v.to.0 + UNSEEN.0);
        let is_visit = |v: &Visit| !v.hidden && v.to >= since && v.to.0 - v.from.0 <= VISIT.0 && stayed(v);
        self.visits.iter().filter(|v| is_visit(v) && near(v.place, boxes, distance)).count()
    }

    /// The present look's detections of those who stay within `distance` of one of `boxes`.
    pub(super) fn staying(&self, boxes: &[Rect], distance: f32) -> Vec<Detection> {
        self.all
            .iter()
            .filter(|p| p.stays() && near(p.place, boxes, distance))
            .filter_map(|p| p.current.clone())
            .collect()
    }

    /// Where everybody is, those among them whom the last looks missed.
    pub(super) fn places(&self) -> impl Iterator<Item = Rect> {
        self.all.iter().map(|p| p.place)
    }

    /// Forgets everybody.
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.visits.clear();
    }
}

fn near(person: Rect, boxes: &[Rect], distance: f32) -> bool {
    boxes.iter().any(|b| gap(person, *b) <= distance)
}

fn gap_of_centers(a: Rect, b: Rect) -> f32 {
    let (dx, dy) = (a.center().x - b.center().x, a.center().y - b.center().y);
    dx * dx + dy * dy
}
