//! What a look shows twice: a standing foreground over a thing that the detector knows, an umbrella over a head.
//!
//! The scene reports what is new and does not move, whatever it is. Where a known thing covers most of it, it *is* that
//! thing, also in the looks in which the detector misses it: a parked car must not be goods on the road in three of ten
//! looks. Goods and garbage are not remembered so: there a standing foreground says no more and no less than they do.

pub(super) use domain::{PERSON, STANDING};

use domain::{Detection, Label, OCCUPIED, Point, Rect};

use super::{people::People, sighting::Sightings};

/// Planters are street furniture to a city and "goods" to a detector.
pub(super) const PLANTS: &[&str] = &["potted plant", "vase"];
/// What a standing foreground may stand for without being another thing.
const ALIKE: [&str; 2] = ["goods", "garbage"];
/// Share of a standing foreground that known things must cover to be it.
const COVERED: f32 = 0.5;
/// Points a side at which that is tried.
const POINTS: u16 = 8;
/// Score from which a detection tells what stands there, whether or not a rule is about it.
const KNOWN_SCORE: f32 = 0.25;
/// Share of the picture from which an unsure detection is no thing, and the score from which it is sure.
const BACKDROP: (f32, f32) = (0.25, 0.5);
/// Widest that a carried umbrella is, in widths of whoever is under it: a parasol spans five of them; and in his heights, as
/// shares of the picture's sides, in pictures of all usual shapes: a parasol is wider than a man is tall.
const CARRIED: f32 = 3.2;
const CARRIED_TALL: f32 = 0.5;

/// The known things of one look and of those before it.
pub(super) struct Known {
    boxes: Vec<Rect>,
}

impl Known {
    /// What this look's `detections` show, and what `sightings` and `people` remember.
    pub(super) fn of(detections: &[Detection], sightings: &Sightings, people: &People) -> Self {
        let seen = detections
            .iter()
            .filter(|d| d.score >= KNOWN_SCORE && !is(d, STANDING) && !is(d, OCCUPIED) && !is_backdrop(d));
        let named = |label: &Label| ALIKE.contains(&label.as_str()) || is_unnamed(label);
        let remembered = sightings
            .all()
            .iter()
            .filter(|s| s.is_steady() && !named(&s.group) && !named(&s.class) && s.reference.area() < BACKDROP.0);
        Self { boxes: seen.map(|d| d.bbox).chain(remembered.map(|s| s.reference)).chain(people.places()).collect() }
    }

    /// Nothing but who is there.
    pub(super) fn people(people: &People) -> Self {
        Self { boxes: people.places().collect() }
    }

    /// Whether a standing foreground is one of them.
    pub(super) fn explain(&self, standing: &Detection) -> bool {
        let bbox = standing.bbox;
        let near: Vec<Rect> = self.boxes.iter().copied().filter(|b| b.intersection(bbox).is_some()).collect();
        if near.is_empty() {
            return false;
        }
        let at = |n: u16, from: f32, size: f32| from + size * (f32::from(n) + 0.5) / f32::from(POINTS);
        let points = (0..POINTS * POINTS)
            .map(|n| Point { x: at(n % POINTS, bbox.x0, bbox.width()), y: at(n / POINTS, bbox.y0, bbox.height()) })
            .filter(|p| standing.mask.as_ref().is_none_or(|mask| mask.covers_point(bbox, *p)));
        let (mut all, mut covered) = (0_u32, 0_u32);
        for p in points {
            all += 1;
            let within = |b: &Rect| (b.x0..=b.x1).contains(&p.x) && (b.y0..=b.y1).contains(&p.y);
            covered += u32::from(near.iter().any(within));
        }
        all > 0 && covered as f32 >= COVERED * all as f32
    }
}

/// Whether it is what detectors make of a street as a whole ("boat" at 0.29 over half the picture, look after look): it
/// neither explains nor hides what stands there.
pub(super) fn is_backdrop(detection: &Detection) -> bool {
    detection.bbox.area() >= BACKDROP.0 && detection.score < BACKDROP.1
}

/// Whether it is an umbrella that somebody holds over his head.
pub(super) fn is_carried(thing: &Detection, people: &People) -> bool {
    let umbrella = thing.bbox;
    let under = |person: Rect| {
        (umbrella.x0..=umbrella.x1).contains(&person.center().x)
            && umbrella.y1 >= person.y0 - 0.2 * person.height()
            && umbrella.y1 <= person.center().y
            && umbrella.width() <= CARRIED * person.width()
            && umbrella.width() <= CARRIED_TALL * person.height()
    };
    is(thing, "umbrella") && people.places().any(under)
}

/// Whether it is the scene's word that something stands there, which names nothing.
pub(super) fn is_unnamed(label: &Label) -> bool {
    matches!(label.as_str(), STANDING | OCCUPIED)
}

/// Whether its class or its group is called so.
pub(super) fn is(detection: &Detection, label: &str) -> bool {
    detection.class.as_str() == label || detection.group.as_str() == label
}

#[cfg(test)]
mod tests {
    use domain::{Mask, Millis};

    use super::{super::ground::Ground, *};

    fn seen(label: &str, bbox: [f32; 4]) -> Detection {
        let label = Label::new(label);
        Detection { class: label.clone(), group: label, score: 0.6, bbox: Rect::from(bbox), mask: None, model: None }
    }

    #[track_caller]
    fn check(standing: &Detection, known: &[Detection], expect: bool) {
        let known = Known::of(known, &Sightings::default(), &People::default());
        assert_eq!(known.explain(standing), expect);
    }

    #[test]
    fn what_a_known_thing_covers_is_that_thing() {
        let blob = seen(STANDING, [0.4, 0.4, 0.6, 0.6]);
        check(&blob, &[], false);
        check(&blob, &[seen("vehicle", [0.42, 0.38, 0.62, 0.6])], true);
        check(&blob, &[seen("tree", [0.42, 0.38, 0.62, 0.6])], true);
        check(&blob, &[seen("table", [0.4, 0.5, 0.48, 0.6])], false);
        check(&blob, &[seen("table", [0.4, 0.4, 0.48, 0.6]), seen("person", [0.5, 0.4, 0.56, 0.6])], true);
        check(&blob, std::slice::from_ref(&blob), false);
        let street = Detection { score: 0.3, ..seen("boat", [0.05, 0.26, 0.95, 0.99]) };
        check(&blob, std::slice::from_ref(&street), false);
        check(&blob, &[Detection { score: 0.6, ..street }], true);
    }

    #[test]
    fn of_a_mask_only_what_it_covers_counts() {
        // It covers the right half of its box, the table stands in the left one.
        let mask = Some(Mask::new(2, 1, |column, _| column == 1));
        let blob = Detection { mask, ..seen(STANDING, [0.4, 0.4, 0.6, 0.6]) };
        check(&blob, &[seen("table", [0.4, 0.4, 0.5, 0.6])], false);
        check(&blob, &[seen("table", [0.5, 0.4, 0.6, 0.6])], true);
    }

    #[test]
    fn a_parked_car_is_remembered_and_garbage_is_not() {
        for (label, expect) in [("vehicle", true), ("garbage", false), (OCCUPIED, false)] {
            let mut sightings = Sightings::default();
            let thing = [seen(label, [0.4, 0.4, 0.6, 0.6])];
            for n in 0..4 {
                sightings.look(Millis::secs(2 * n), &thing, Millis::mins(2));
            }
            let known = Known::of(&[], &sightings, &People::default());
            assert_eq!(known.explain(&seen(STANDING, [0.4, 0.4, 0.6, 0.6])), expect, "{label}");
        }
    }

    #[test]
    fn an_umbrella_over_a_head_is_carried_and_a_parasol_is_not() {
        let mut people = People::default();
        people.look(Millis::ZERO, &[seen("person", [0.5, 0.4, 0.55, 0.6])], &Ground::default());
        assert!(is_carried(&seen("umbrella", [0.47, 0.33, 0.56, 0.42]), &people));
        assert!(!is_carried(&seen("umbrella", [0.4, 0.33, 0.66, 0.42]), &people));
        assert!(!is_carried(&seen("umbrella", [0.6, 0.33, 0.71, 0.42]), &people));
        assert!(!is_carried(&seen("table", [0.47, 0.33, 0.58, 0.42]), &people));
        // A customer with his bags is as wide as a small parasol needs, and not as tall.
        people.clear();
        people.look(Millis::ZERO, &[seen("person", [0.5, 0.4, 0.6, 0.6])], &Ground::default());
        assert!(!is_carried(&seen("umbrella", [0.43, 0.33, 0.6, 0.42]), &people));
    }
}
