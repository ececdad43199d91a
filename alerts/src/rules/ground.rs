//! What stands on the ground that is new, whatever a detector calls it. The scene is sure that something stands there,
//! the detector knows names: each makes up for what the other lacks. A car that is called a car in every look with little
//! score is one, if something new stands in its very place.

use domain::{Detection, Mask, OCCUPIED, Point, Rect};

use super::{
    book::sound_box,
    known::{STANDING, is, is_backdrop},
};

/// Share of a detection's box in which something new must stand to back it.
const BACKS: f32 = 0.4;
/// Share of what is new that must lie within the box, or the IoU with it: a car backs no bag beside it.
const WITHIN: f32 = 0.5;
const SAME_PLACE: f32 = 0.4;
/// Share of the smaller of two boxes from which they are of one thing rather than of two that stand side by side.
const ONE_THING: f32 = 0.3;
/// Points a side at which an outline is tried.
const POINTS: u16 = 16;

/// Where something new stands in the present look, and what has a name there.
#[derive(Debug, Default)]
pub(super) struct Ground {
    new: Vec<New>,
    named: Vec<Rect>,
}

#[derive(Debug)]
struct New {
    place: Rect,
    outline: Option<Mask>,
}

impl Ground {
    /// Takes in one look.
    pub(super) fn look(&mut self, detections: &[Detection]) {
        self.clear();
        for (detection, place) in detections.iter().filter_map(|d| Some((d, sound_box(d)?))) {
            if is(detection, STANDING) || is(detection, OCCUPIED) {
                self.new.push(New { place, outline: detection.mask.clone() });
            } else if !is_backdrop(detection) {
                self.named.push(place);
            }
        }
    }

    /// Whether something new stands in the place of `bbox`.
    pub(super) fn backs(&self, bbox: Rect) -> bool {
        let beside = |named: &&Rect| named.common_area(bbox) < ONE_THING * bbox.area().min(named.area());
        let beside: Vec<Rect> = self.named.iter().filter(beside).copied().collect();
        self.new.iter().map(|new| new.under(bbox, &beside)).sum::<f32>() >= BACKS * bbox.area()
    }

    pub(super) fn clear(&mut self) {
        self.new.clear();
        self.named.clear();
    }
}

impl New {
    /// How much of it, in shares of the picture, stands in the place of `bbox`; nothing where it is rather another thing.
    /// Things that touch are one new thing to the scene: what those beside account for is theirs.
    fn under(&self, bbox: Rect, beside: &[Rect]) -> f32 {
        let common = self.place.common_area(bbox);
        if common >= WITHIN * self.place.area() || self.place.iou(bbox) >= SAME_PLACE {
            return common;
        }
        if common == 0.0 {
            return 0.0;
        }
        let at = |n: u16, from: f32, size: f32| from + size * (f32::from(n) + 0.5) / f32::from(POINTS);
        let Rect { x0, y0, .. } = self.place;
        let points = (0..POINTS * POINTS)
            .map(|n| Point { x: at(n % POINTS, x0, self.place.width()), y: at(n / POINTS, y0, self.place.height()) })
            .filter(|p| self.outline.as_ref().is_none_or(|outline| outline.covers_point(self.place, *p)));
        let holds = |b: &Rect, p: Point| (b.x0..=b.x1).contains(&p.x) && (b.y0..=b.y1).contains(&p.y);
        let (mut own, mut left) = (0_u16, 0_u16);
        for p in points {
            if holds(&bbox, p) {
                own += 1;
            } else if !beside.iter().any(|b| holds(b, p)) {
                left += 1;
            }
        }
        let of_all = f32::from(own) / f32::from(POINTS * POINTS);
        if f32::from(own) >= WITHIN * f32::from(own + left) { of_all * self.place.area() } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use domain::Label;

    use super::*;

    #[test]
    fn what_is_new_in_its_place_backs_a_detection() {
        let label = Label::new(OCCUPIED);
        let bbox = Rect::from([0.42, 0.45, 0.6, 0.6]);
        let new = Detection { class: label.clone(), group: label, score: 0.9, bbox, mask: None, model: None };
        let mut ground = Ground::default();
        ground.look(&[new]);
        assert!(ground.backs(Rect::from([0.4, 0.4, 0.6, 0.6])));
        assert!(!ground.backs(Rect::from([0.1, 0.1, 0.9, 0.9])));
        assert!(!ground.backs(Rect::from([0.6, 0.4, 0.8, 0.6])));
        ground.look(&[]);
        assert!(!ground.backs(bbox));
    }

    #[test]
    fn two_things_that_touch_back_each_other_s_detections_and_nothing_else() {
        let seen = |label: &str, bbox: [f32; 4], mask| {
            let label = Label::new(label);
            Detection { class: label.clone(), group: label, score: 0.5, bbox: bbox.into(), mask, model: None }
        };
        // A small car behind, at the upper left, and a large one before it: one outline of both.
        let both = Mask::new(16, 16, |column, row| if row < 6 { column < 6 } else { column >= 4 });
        let (far, near) = ([0.3, 0.4, 0.46, 0.6], [0.4, 0.55, 0.7, 0.95]);
        let new = seen(OCCUPIED, [0.3, 0.4, 0.7, 0.95], Some(both));
        let mut ground = Ground::default();
        ground.look(&[new.clone(), seen("vehicle", far, None), seen("vehicle", near, None)]);
        assert!(ground.backs(far.into()) && ground.backs(near.into()));
        // Nothing accounts for the rest of it.
        ground.look(&[new.clone(), seen("vehicle", far, None)]);
        assert!(!ground.backs(far.into()));
        // A bag that a detector sees in the large car.
        let bag = [0.5, 0.8, 0.58, 0.94];
        ground.look(&[new, seen("vehicle", near, None), seen("goods", bag, None)]);
        assert!(!ground.backs(bag.into()));
    }
}
