//! What stands on the ground that is new, whatever a detector calls it. The scene is sure that something stands there,
//! the detector knows names: each makes up for what the other lacks. A car that is called a car in every look with little
//! score is one, if something new stands in its very place.

use domain::{Detection, OCCUPIED, Rect};

use super::{
    book::sound_box,
    known::{STANDING, is},
};

/// Share of a detection's box in which something new must stand to back it.
const BACKS: f32 = 0.4;
/// Share of what is new that must lie within the box, or the IoU with it: a car backs no bag beside it.
const WITHIN: f32 = 0.5;
const SAME_PLACE: f32 = 0.4;

/// Where something new stands in the present look.
#[derive(Debug, Default)]
pub(super) struct Ground(Vec<Rect>);

impl Ground {
    /// Takes in one look.
    pub(super) fn look(&mut self, detections: &[Detection]) {
        let new = detections.iter().filter(|d| is(d, STANDING) || is(d, OCCUPIED));
        self.0.clear();
        self.0.extend(new.filter_map(sound_box));
    }

    /// Whether something new stands in the place of `bbox`.
    pub(super) fn backs(&self, bbox: Rect) -> bool {
        let of = |place: &Rect| {
            let common = place.intersection(bbox).map_or(0.0, Rect::area);
            if common >= WITHIN * place.area() || place.iou(bbox) >= SAME_PLACE { common } else { 0.0 }
        };
        self.0.iter().map(of).sum::<f32>() >= BACKS * bbox.area()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
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
}
