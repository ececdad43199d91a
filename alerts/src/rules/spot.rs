//! What stands at one place is one thing, whatever a detector calls it from look to look.
//!
//! A heap at night is a fire hydrant in one look, goods in the next and a person in the one after, and often all of
//! them at once. The scene knows better than the names: something new stands there and has not changed since. So where it
//! vouches for a place, the names given at it are counted, and a place's own history decides what a name is worth:
//!
//! - somebody seen at the very place of what is more often called something else is no person;
//! - names that no rule is about ("fire hydrant", "surfboard": nobody leaves these in a street) are none, and where there is no
//!   other the thing is nameless: a standing foreground, which the detector's word kept from being one;
//! - so it is where names change and none holds in half of the looks;
//! - what has one name is there also in the looks in which the detector misses it.

use domain::{Detection, Label, Millis, OCCUPIED, Rect};

use super::{
    book::sound_box,
    ground::Ground,
    known::{PERSON, PLANTS, STANDING, is, is_backdrop},
    sighting::toward,
};

/// IoU with a place from which a detection is of what stands there.
const SAME_PLACE: f32 = 0.6;
/// IoU from which something else at a place is rather another thing that has come there.
const DISPLACED: f32 = 0.15;
/// Share of a place's box within a region of the scene from which it is part of that region.
const PART: f32 = 0.7;
/// Looks at a place from which its names are worth something.
const SETTLED: u32 = 8;
/// How long a place is remembered without anything new there.
const EMPTY: Millis = Millis::secs(20);
/// Share of the looks from which somebody is surely a person, whatever else he is called.
const SURELY_SOMEBODY: f32 = 0.75;
/// Share of a box that must lie in a nameless thing's place for it to be of that thing.
const COMMON: f32 = 0.5;
/// Share of another name's score below which somebody's is not believed, where the other was given as often.
const OUTDONE: f32 = 0.8;
/// Share of the looks from which a name holds, and from which names together say that a detector sees something at all.
const HOLDS: f32 = 0.5;
const SEES: f32 = 0.4;
/// Share of a thing's looks that must call it by one name for that name to be told in the others, too; and of all names.
const TELLS: f32 = 0.4;
const OF_ALL_NAMES: f32 = 0.6;
/// How fast a record fades: a memory of about 200 looks.
const FADE: f32 = 0.995;
/// Places remembered per camera.
const MAX_SPOTS: usize = 64;

/// A name given at a place.
#[derive(Debug, Clone, PartialEq)]
struct Call {
    group: Label,
    class: Label,
    looks: f32,
    /// Mean score.
    score: f32,
    /// Whether the present look gave it.
    now: bool,
}

/// A place at which something new stands.
#[derive(Debug)]
struct Spot {
    place: Rect,
    looks: u32,
    /// The looks as they are remembered.
    weight: f32,
    calls: Vec<Call>,
    vouched: Millis,
    /// Whether the scene vouches for it in the present look.
    backed: bool,
}

/// What the names at a place come to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict<'a> {
    /// Too early to say, or nothing to be said.
    Open,
    /// Somebody.
    Somebody,
    /// Names of things, and nobody.
    Thing(&'a Call),
    /// Names of things, none of them to be told where it is missing, and nobody.
    Things,
    /// Nothing that has a name.
    Nameless,
}

impl Spot {
    fn verdict(&self, is_of_rules: &impl Fn(&Label) -> bool) -> Verdict<'_> {
        if self.looks < SETTLED {
            return Verdict::Open;
        }
        let share = |looks: f32| looks / self.weight;
        let is_person = |call: &&Call| call.group.as_str() == PERSON;
        let person = self.calls.iter().find(is_person);
        let somebody = person.map_or(0.0, |call| share(call.looks));
        let others = || self.calls.iter().filter(|call| !is_person(call));
        let rival = others().map(|call| share(call.looks)).fold(0.0, f32::max);
        // Called both in each look, it is what it is called with more score.
        let outdone = |call: &Call| others().any(|o| o.looks >= call.looks && call.score < OUTDONE * o.score);
        if (somebody >= SURELY_SOMEBODY || (somebody >= SEES && somebody >= rival)) && !person.is_some_and(outdone) {
            return Verdict::Somebody;
        }
        let meant = || others().filter(|call| is_of_rules(&call.group) || is_of_rules(&call.class) || call.is_plant());
        let sum: f32 = meant().map(|call| share(call.looks)).sum();
        match meant().max_by(|a, b| a.looks.total_cmp(&b.looks)) {
            Some(best) if share(best.looks) >= TELLS && share(best.looks) >= OF_ALL_NAMES * sum => Verdict::Thing(best),
            Some(best) if share(best.looks) >= HOLDS => Verdict::Things,
            _ if sum >= SEES || rival >= SEES => Verdict::Nameless,
            _ => Verdict::Open,
        }
    }
}

impl Call {
    fn is_plant(&self) -> bool {
        PLANTS.contains(&self.class.as_str())
    }
}

/// The places of one camera's view at which something new stands.
#[derive(Debug, Default)]
pub(super) struct Spots {
    all: Vec<Spot>,
}

impl Spots {
    /// Takes in one look, in which `ground` is new.
    pub(super) fn look(&mut self, clock: Millis, detections: &[Detection], ground: &Ground) {
        for spot in &mut self.all {
            spot.backed = ground.backs(spot.place);
            spot.calls.iter_mut().for_each(|call| call.now = false);
            if spot.backed {
                spot.vouched = clock;
                spot.looks = spot.looks.saturating_add(1);
                spot.weight = spot.weight * FADE + 1.0;
                spot.calls.iter_mut().for_each(|call| call.looks *= FADE);
            }
        }
        self.all.retain(|spot| clock.0 - spot.vouched.0 <= EMPTY.0);
        for (detection, bbox) in named(detections) {
            let at = self.all.iter().map(|spot| spot.place.iou(bbox)).enumerate();
            match at.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, iou)| *iou >= SAME_PLACE) {
                Some((n, _)) => self.all[n].call(detection, bbox),
                None if self.all.len() < MAX_SPOTS && ground.backs(bbox) => {
                    let mut spot =
                        Spot { place: bbox, looks: 1, weight: 1.0, calls: Vec::new(), vouched: clock, backed: true };
                    spot.call(detection, bbox);
                    self.all.push(spot);
                }
                None => {}
            }
        }
    }

    /// What the look shows, by what its places have been called: `detections` without names that are none, with what
    /// the detector missed, and with regions of the scene as nameless things where they are.
    pub(super) fn name(&self, detections: &[Detection], is_of_rules: impl Fn(&Label) -> bool) -> Vec<Detection> {
        let verdicts: Vec<(&Spot, Verdict<'_>)> =
            self.all.iter().filter(|spot| spot.backed).map(|spot| (spot, spot.verdict(&is_of_rules))).collect();
        let holds = |detection: &Detection| {
            let Some(bbox) = sound_box(detection).filter(|_| is_name(detection)) else { return true };
            let at = verdicts.iter().filter(|(spot, _)| spot.place.iou(bbox) >= SAME_PLACE);
            let nearest = at.max_by(|a, b| a.0.place.iou(bbox).total_cmp(&b.0.place.iou(bbox)));
            let is_meant = || is(detection, PERSON) || is_of_rules(&detection.group) || is_of_rules(&detection.class);
            // Another box of what has no name, by a name that is none.
            let is_part_of_nameless = || {
                let part = |place: Rect| place.common_area(bbox) >= COMMON * bbox.area();
                verdicts.iter().any(|(spot, verdict)| *verdict == Verdict::Nameless && part(spot.place))
            };
            match nearest.map(|(_, verdict)| verdict) {
                None | Some(Verdict::Open) => is_meant() || !is_part_of_nameless(),
                Some(Verdict::Somebody) => true,
                Some(Verdict::Thing(_) | Verdict::Things) => {
                    !is(detection, PERSON) && (is_of_rules(&detection.group) || is_of_rules(&detection.class))
                }
                Some(Verdict::Nameless) => false,
            }
        };
        let mut shown: Vec<Detection> = detections.iter().filter(|d| holds(d)).cloned().collect();
        let mut beside = Vec::new();
        for region in shown.iter_mut().filter(|d| is(d, OCCUPIED)) {
            let within = verdicts.iter().filter(|(spot, _)| {
                let common = spot.place.common_area(region.bbox);
                common >= PART * spot.place.area()
            });
            if within.clone().any(|(_, verdict)| *verdict == Verdict::Nameless) {
                if within.clone().all(|(_, verdict)| *verdict == Verdict::Nameless) {
                    (region.class, region.group) = (Label::new(STANDING), Label::new(STANDING));
                } else {
                    // Somebody beside a nameless thing: it stands where it was named.
                    let places = within.filter(|(_, verdict)| *verdict == Verdict::Nameless);
                    beside.extend(places.map(|(spot, _)| Detection {
                        class: Label::new(STANDING),
                        group: Label::new(STANDING),
                        bbox: spot.place,
                        mask: None,
                        ..region.clone()
                    }));
                }
            }
        }
        shown.extend(beside);
        let missed = verdicts.iter().filter_map(|(spot, verdict)| match verdict {
            Verdict::Thing(call) if !call.now && !is_displaced(spot.place, &call.group, detections) => {
                Some(Detection {
                    class: call.class.clone(),
                    group: call.group.clone(),
                    score: call.score,
                    bbox: spot.place,
                    mask: None,
                    model: None,
                })
            }
            _ => None,
        });
        shown.extend(missed);
        shown
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
    }
}

impl Spot {
    fn call(&mut self, detection: &Detection, bbox: Rect) {
        let known = self.calls.iter_mut().find(|call| call.group == detection.group);
        match known {
            // A second box of the same name in one look.
            Some(call) if call.now => {}
            Some(call) => {
                call.now = true;
                call.looks += 1.0;
                call.score += (detection.score - call.score) / call.looks.max(1.0);
                call.class = detection.class.clone();
                self.place = toward(self.place, bbox, 1.0 / (call.looks + 1.0).min(20.0));
            }
            None => self.calls.push(Call {
                group: detection.group.clone(),
                class: detection.class.clone(),
                looks: 1.0,
                score: detection.score,
                now: true,
            }),
        }
    }
}

/// Whether a look shows something of the same group half over a place: then what stands there may be another one.
fn is_displaced(place: Rect, group: &Label, detections: &[Detection]) -> bool {
    detections.iter().any(|d| d.group == *group && (DISPLACED..SAME_PLACE).contains(&place.iou(d.bbox)))
}

fn is_name(detection: &Detection) -> bool {
    !is(detection, STANDING) && !is(detection, OCCUPIED) && !is_backdrop(detection)
}

/// The detections that say what something is.
fn named(detections: &[Detection]) -> impl Iterator<Item = (&Detection, Rect)> {
    detections.iter().filter(|d| is_name(d)).filter_map(|d| Some((d, sound_box(d)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAP: [f32; 4] = [0.4, 0.5, 0.5, 0.6];

    fn seen(label: &str, bbox: [f32; 4]) -> Detection {
        let label = Label::new(label);
        Detection { class: label.clone(), group: label, score: 0.5, bbox: bbox.into(), mask: None, model: None }
    }

    /// What of 40 looks at a new thing the last one shows, by label; `calls` gives the names of each look.
    #[track_caller]
    fn check(calls: impl Fn(u32) -> Vec<&'static str>, expect: &[&str]) {
        let (mut spots, mut ground) = (Spots::default(), Ground::default());
        let is_of_rules = |label: &Label| ["goods", "seat", "vehicle", STANDING].contains(&label.as_str());
        let mut last = Vec::new();
        for n in 0..40 {
            let mut look = vec![seen(OCCUPIED, HEAP)];
            look.extend(calls(n).into_iter().map(|label| seen(label, HEAP)));
            ground.look(&look);
            spots.look(Millis::secs(3 * i64::from(n)), &look, &ground);
            last = spots.name(&look, is_of_rules);
        }
        let mut labels: Vec<_> = last.iter().map(|d| d.group.to_string()).collect();
        labels.sort();
        assert_eq!(labels, expect);
    }

    #[test]
    fn a_heap_of_changing_names_is_no_person_and_no_hydrant() {
        // The last look is number 39.
        check(
            |n| if n % 2 == 1 { vec!["fire hydrant", "person"] } else { vec!["fire hydrant", "goods"] },
            &["goods", OCCUPIED],
        );
        check(|n| if n % 4 == 3 { vec!["person"] } else { vec!["fire hydrant"] }, &[STANDING]);
        check(|n| vec![["goods", "seat", "person"][n as usize % 3]], &[STANDING]);
    }

    #[test]
    fn what_has_one_name_has_it_in_each_look() {
        check(|n| if n % 2 == 1 { vec![] } else { vec!["vehicle"] }, &[OCCUPIED, "vehicle"]);
        check(|n| if n % 4 == 0 { vec!["vehicle"] } else { vec![] }, &[OCCUPIED]);
        check(|_| vec!["goods", "seat"], &["goods", OCCUPIED, "seat"]);
    }

    #[test]
    fn of_two_names_in_each_look_the_surer_one_counts() {
        let looks = |person: f32, hydrant: f32| {
            let (mut spots, mut ground) = (Spots::default(), Ground::default());
            let mut last = Vec::new();
            for n in 0..20 {
                let scored = |label: &str, score: f32| Detection { score, ..seen(label, HEAP) };
                let look = [seen(OCCUPIED, HEAP), scored("person", person), scored("fire hydrant", hydrant)];
                ground.look(&look);
                spots.look(Millis::secs(3 * n), &look, &ground);
                last = spots.name(&look, |label| label.as_str() == STANDING);
            }
            last.iter().any(|d| is(d, PERSON))
        };
        assert!(!looks(0.27, 0.39));
        assert!(looks(0.35, 0.39) && looks(0.6, 0.5));
    }

    #[test]
    fn another_box_of_a_nameless_thing_by_a_name_that_is_none_is_no_thing() {
        let (mut spots, mut ground) = (Spots::default(), Ground::default());
        let is_of_rules = |label: &Label| ["goods", STANDING].contains(&label.as_str());
        let mut last = Vec::new();
        for n in 0..20 {
            // One half of it is a hydrant as well, at times.
            let mut look = vec![seen(OCCUPIED, HEAP), seen("fire hydrant", HEAP), seen("goods", [0.6, 0.5, 0.7, 0.6])];
            look.extend((n % 4 == 3).then(|| seen("fire hydrant", [0.45, 0.5, 0.51, 0.6])));
            ground.look(&look);
            spots.look(Millis::secs(3 * n), &look, &ground);
            last = spots.name(&look, is_of_rules);
        }
        let labels: Vec<_> = last.iter().map(|d| d.group.to_string()).collect();
        assert_eq!(labels, [OCCUPIED, "goods", STANDING]);
    }

    #[test]
    fn somebody_stays_somebody() {
        check(|_| vec!["person"], &[OCCUPIED, "person"]);
        check(|n| if n % 5 == 0 { vec!["seat"] } else { vec!["person"] }, &[OCCUPIED, "person"]);
        check(|n| if n % 2 == 1 { vec!["person"] } else { vec![] }, &[OCCUPIED, "person"]);
    }

    #[test]
    fn a_nameless_thing_beside_somebody_is_one() {
        let (mut spots, mut ground) = (Spots::default(), Ground::default());
        let is_of_rules = |label: &Label| ["goods", STANDING].contains(&label.as_str());
        let mut last = Vec::new();
        for n in 0..40 {
            // A tricycle that is taken for a skateboard, and its owner: one region of the scene.
            let look = [
                seen(OCCUPIED, [0.3, 0.48, 0.5, 0.6]),
                seen("skateboard", HEAP),
                seen("person", [0.31, 0.48, 0.39, 0.6]),
            ];
            ground.look(&look);
            spots.look(Millis::secs(3 * n), &look, &ground);
            last = spots.name(&look, is_of_rules);
        }
        let places = |label: &str| last.iter().filter(|d| is(d, label)).map(|d| d.bbox).collect::<Vec<_>>();
        assert_eq!(places(STANDING), [Rect::from(HEAP)]);
        assert_eq!((places("person").len(), places("skateboard").len(), places(OCCUPIED).len()), (1, 0, 1));
    }

    #[test]
    fn a_car_that_halts_half_over_the_place_of_another_is_not_that_one() {
        let (mut spots, mut ground) = (Spots::default(), Ground::default());
        for n in 0..20 {
            let look = [seen(OCCUPIED, HEAP), seen("vehicle", HEAP)];
            ground.look(&look);
            spots.look(Millis::secs(3 * n), &look, &ground);
        }
        let next = [seen(OCCUPIED, HEAP), seen("vehicle", [0.45, 0.5, 0.55, 0.6])];
        ground.look(&next);
        spots.look(Millis::secs(60), &next, &ground);
        let shown = spots.name(&next, |_| true);
        assert_eq!(shown.iter().filter(|d| is(d, "vehicle")).count(), 1);
    }
}
