//! What stands in a view looked at by itself, as large as a model knows it best, so that it has the right name.
//!
//! The scene tells that something new stands there, whatever it is; in the whole picture a bag is a hydrant, a cargo tricycle far
//! away a car, and a row of bicycles nothing. A nearer view costs a run of each model, so one thing has its turn in a look, each
//! thing some times at first and seldom from then on, and what was seen of it stands while its pixels stay the same.
//!
//! What is small in the stream that is looked at, and would be no larger from nearby, is worth a picture of the camera's main
//! stream, if there is one: that is asked for ([`Things::want_main`]) and comes with some later look.

use domain::{Detection, Millis, OCCUPIED, Picture, Rect, STANDING, Timestamp};
use metrics::counter;

use super::{joined::is_same, look_at, patch::Patch};
use crate::{
    DetectError, Detectors,
    region::{is_enlarged, near},
};

/// Looks at a thing of its own, before it has been seen well enough for a quiet street.
const FIRST_LOOKS: u32 = 3;
/// Time between later ones, of what has no name, and of what the models mostly had one for.
const EVERY: [Millis; 2] = [Millis::secs(10), Millis::secs(60)];
/// Time for which what the main stream showed is known better than what the stream that is looked at shows.
const FROM_MAIN: Millis = Millis::mins(3);
/// Things that are looked at in one picture of the main stream.
const MOST_FROM_MAIN: usize = 4;
/// Longest side, as a share of the picture's, of what has no name, and of what has one: a larger one is seen as well in the
/// whole picture.
const LONGEST: [f32; 2] = [0.33, 0.16];
/// IoU from which a thing is one of the look before.
const SAME_PLACE: f32 = 0.6;
/// Share of a detection that must lie where the thing stands for it to be of that thing.
const OF_IT: f32 = 0.6;
/// Share of the thing from which a detection in the whole picture is a word about it.
const ABOUT_IT: f32 = 0.2;
/// Share of the thing below which what is seen in the nearer view is a part of it: a table's leg is no bag.
const LEAST_OF_IT: f32 = 0.1;
/// Score from which a nearer view gives a name that the whole picture did not: what has none is a chair at 0.3.
const SURE: f32 = 0.4;
/// Room around the thing for what belongs to it, as a share of its sides.
const MARGIN: f32 = 0.15;

/// What stands in a camera's view and is looked at by itself.
#[derive(Default)]
pub(super) struct Things(Vec<Thing>);

/// One of them.
struct Thing {
    place: Rect,
    has_name: bool,
    /// How often it had its turn, and when last.
    turns: u32,
    last: Option<Timestamp>,
    /// Whether it is so small that the main stream would show more of it.
    is_small: bool,
    glance: Option<Glance>,
}

/// What a nearer view showed.
struct Glance {
    at: Timestamp,
    from_main: bool,
    /// What the place looked like then.
    patch: Patch,
    seen: Vec<Detection>,
}

impl Things {
    /// Takes what stands there now. What was seen of a thing stays with it.
    pub(super) fn see<'a>(&mut self, standing: impl Iterator<Item = &'a Detection>) {
        let mut before = std::mem::take(&mut self.0);
        for thing in standing {
            let has_name = match thing.class.as_str() {
                STANDING => false,
                OCCUPIED => true,
                _ => continue,
            };
            let (place, longest) = (thing.bbox, thing.bbox.width().max(thing.bbox.height()));
            if longest > LONGEST[usize::from(has_name)] {
                continue;
            }
            let same = before.iter().position(|known| known.place.iou(place) >= SAME_PLACE);
            let known = same.map(|at| before.swap_remove(at));
            self.0.push(match known {
                Some(known) => Thing { has_name, ..known },
                None => Thing { place, has_name, turns: 0, last: None, is_small: false, glance: None },
            });
        }
    }

    /// Whether nothing stands there that is to be looked at.
    pub(super) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them has not been seen well enough.
    pub(super) fn are_owed(&self) -> bool {
        self.0.iter().any(|thing| thing.turns < FIRST_LOOKS)
    }

    /// Whether a picture of the main stream would tell more.
    pub(super) fn want_main(&self, at: Timestamp) -> bool {
        let is_known = |thing: &Thing| thing.glance_from_main(at).is_some_and(|since| since < thing.every());
        self.0.iter().any(|thing| thing.is_small && !is_known(thing))
    }

    /// Looks at the one whose turn it is in `picture`, taken at `at`, if it is somebody's, or at some in a picture of the `main`
    /// stream, with the models `names`, of which the first has an input of the size `input`.
    ///
    /// # Errors
    /// Those of [`Detectors::detect`].
    pub(super) fn look(
        &mut self,
        detectors: &mut Detectors,
        names: &[String],
        input: [u32; 2],
        (picture, main): (&Picture, Option<&Picture>),
        at: Timestamp,
    ) -> Result<(), DetectError> {
        let (shown, n) = main.map_or((picture, 1), |main| (main, MOST_FROM_MAIN));
        let mut due: Vec<&mut Thing> = match main {
            Some(_) => self.0.iter_mut().filter(|thing| thing.is_small).collect(),
            None => self.0.iter_mut().filter(|thing| thing.is_due(at)).collect(),
        };
        due.sort_by_key(|thing| (thing.turns.min(FIRST_LOOKS), thing.last));
        for thing in due.into_iter().take(n) {
            thing.turns = thing.turns.saturating_add(1);
            thing.last = Some(at);
            thing.is_small = is_enlarged(thing.place, [picture.width, picture.height], input);
            let patch = Patch::of(picture, thing.place);
            let is_there = main.is_none_or(|main| !patch.differs(&Patch::of(main, thing.place)));
            match near(thing.place, [shown.width, shown.height], input) {
                Some(region) if is_there => {
                    let found = look_at(region, detectors, names, shown)?;
                    let seen = found.filter(|d| thing.is_shown_by(d)).collect();
                    thing.glance = Some(Glance { at, from_main: main.is_some(), patch, seen });
                    counter!("gridwatch_close_ups_total").increment(1);
                }
                // The whole picture shows it as well, or somebody stands before it in one of the two.
                _ => {}
            }
        }
        Ok(())
    }

    /// `detections` with what is known of these things from nearby instead of what was said of them from afar, best first.
    pub(super) fn name(&self, picture: &Picture, mut detections: Vec<Detection>) -> Vec<Detection> {
        for thing in &self.0 {
            let Some(Glance { patch, seen, .. }) = &thing.glance else { continue };
            if patch.differs(&Patch::of(picture, thing.place)) {
                continue;
            }
            let is_wrong = |far: &Detection| {
                let common = far.bbox.common_area(thing.place);
                common >= OF_IT * far.bbox.area()
                    && common >= ABOUT_IT * thing.place.area()
                    && !seen.iter().any(|near| near.group == far.group)
            };
            detections.retain(|far| !is_wrong(far));
            for near in seen {
                match detections.iter_mut().find(|far| is_same(near, far)) {
                    Some(far) => far.score = far.score.max(near.score),
                    None if near.score >= SURE => detections.push(near.clone()),
                    None => {}
                }
            }
        }
        detections.sort_by(|a, b| b.score.total_cmp(&a.score));
        detections
    }
}

impl Thing {
    fn every(&self) -> Millis {
        EVERY[usize::from(self.has_name)]
    }

    /// Whether it is its turn in a picture of the stream that is looked at.
    fn is_due(&self, at: Timestamp) -> bool {
        let waited = |last: Timestamp| self.turns < FIRST_LOOKS || at.since(last) >= self.every();
        self.last.is_none_or(waited) && self.glance_from_main(at).is_none_or(|since| since >= FROM_MAIN)
    }

    /// How long ago the main stream showed it.
    fn glance_from_main(&self, at: Timestamp) -> Option<Millis> {
        self.glance.as_ref().filter(|glance| glance.from_main).map(|glance| at.since(glance.at))
    }
}

impl Thing {
    /// Whether what a nearer view shows is this thing, or one of several that it is made of.
    fn is_shown_by(&self, near: &Detection) -> bool {
        let (x, y) = (MARGIN * self.place.width(), MARGIN * self.place.height());
        let around =
            Rect { x0: self.place.x0 - x, y0: self.place.y0 - y, x1: self.place.x1 + x, y1: self.place.y1 + y };
        let area = near.bbox.area();
        area >= LEAST_OF_IT * self.place.area() && near.bbox.common_area(around) >= OF_IT * area
    }
}

#[cfg(test)]
mod tests {
    use super::{super::seen, *};

    const BAG: [f32; 4] = [0.4, 0.5, 0.46, 0.56];

    fn street(luma: u8) -> Picture {
        let mut picture = Picture::uniform(640, 480, [120, 128, 128]);
        let mut rows = vec![120; 640 * 480];
        (240..269).for_each(|y| rows[y * 640 + 256..y * 640 + 275].fill(luma));
        picture.planes[0] = rows.into();
        picture
    }

    /// A bag that was looked at by itself in a street with it, and was found to be `near`.
    fn looked_at(near: &[Detection]) -> Things {
        let patch = Patch::of(&street(30), BAG.into());
        let glance = Some(Glance { at: Timestamp(0), from_main: false, patch, seen: near.to_vec() });
        let (turns, last) = (FIRST_LOOKS, Some(Timestamp(0)));
        Things(vec![Thing { place: BAG.into(), has_name: true, turns, last, is_small: true, glance }])
    }

    #[track_caller]
    fn check(things: &Things, luma: u8, far: &[Detection], expect: &[(&str, f32)]) {
        let named = things.name(&street(luma), far.to_vec());
        assert_eq!(named.iter().map(|d| (d.group.as_str(), d.score)).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn what_is_seen_from_nearby_is_believed_rather_than_what_is_seen_from_afar() {
        let garbage = seen("garbage", 0.7, BAG);
        let far = [seen("fire hydrant", 0.5, BAG), seen("person", 0.4, [0.41, 0.2, 0.45, 0.56])];
        // Somebody behind it is none of its names.
        check(&looked_at(std::slice::from_ref(&garbage)), 30, &far, &[("garbage", 0.7), ("person", 0.4)]);
        check(&looked_at(&[]), 30, &far, &[("person", 0.4)]);
        check(&looked_at(&[]), 30, std::slice::from_ref(&garbage), &[]);
        // A name that nobody is sure of is none, and may hold one that was given from afar.
        check(&looked_at(&[seen("seat", 0.3, BAG)]), 30, &[], &[]);
        check(&looked_at(&[seen("seat", 0.3, BAG)]), 30, &[seen("seat", 0.35, BAG)], &[("seat", 0.35)]);
        let rough = seen("garbage", 0.8, [0.4, 0.5, 0.47, 0.57]);
        check(&looked_at(&[garbage]), 30, &[rough], &[("garbage", 0.8)]);
    }

    #[test]
    fn where_something_else_is_seen_now_nothing_is_known_from_nearby() {
        let far = [seen("person", 0.6, BAG)];
        check(&looked_at(&[seen("garbage", 0.7, BAG)]), 120, &far, &[("person", 0.6)]);
    }

    #[test]
    fn a_thing_is_owed_some_looks_and_keeps_them_while_it_stands() {
        let mut things = Things::default();
        things.see([seen(STANDING, 0.5, BAG)].iter());
        assert!(things.are_owed());
        things.0[0].turns = FIRST_LOOKS;
        things.see([seen(OCCUPIED, 0.5, [0.4, 0.5, 0.46, 0.57])].iter());
        assert!(!things.are_owed() && things.0[0].has_name);
        things.see([seen(OCCUPIED, 0.5, BAG), seen(STANDING, 0.5, [0.6, 0.5, 0.66, 0.56])].iter());
        assert!(things.are_owed());
        things.see([seen(STANDING, 0.5, [0.1, 0.2, 0.6, 0.7]), seen("goods", 0.5, BAG)].iter());
        assert!(things.are_none(), "as large as that, the whole picture shows it as well");
    }

    #[test]
    fn a_part_of_a_thing_and_what_is_beside_it_do_not_say_what_it_is() {
        let thing = &looked_at(&[]).0[0];
        let shows = |bbox| thing.is_shown_by(&seen("garbage", 0.6, bbox));
        assert!(shows(BAG) && shows([0.4, 0.5, 0.43, 0.53]), "it, or one bag of some");
        assert!(!shows([0.4, 0.54, 0.41, 0.56]), "a leg of a table");
        assert!(!shows([0.46, 0.5, 0.52, 0.56]), "what stands beside it");
    }
}
