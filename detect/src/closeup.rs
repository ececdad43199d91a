//! Close-ups: the zones of a camera looked at by themselves besides the whole picture, within a budget, so that small
//! things are found there; and one answer from all of it.
//!
//! A look makes a few close-ups in turn. What the others showed last time stands until their turn comes, for rules need
//! the same answer to the same street: but only where the pixels are still the same, and only things that are too small
//! for the whole picture, which is looked at afresh each time.

use domain::{Detection, Picture, Polygon, Rect};
use metrics::counter;

use crate::{
    DetectError, Detectors,
    region::{Manner, Region, regions},
};

/// Looks within which each close-up has its turn: there are no more than this times those of one look.
const LOOKS_A_ROUND: usize = 4;
/// The whole picture finds what is at least this long in the pixels of the model's input (recall of small detectors drops
/// below 0.8 from 64 pixels down).
const FOUND_BY_ALL: f32 = 64.0;
/// Two boxes of one group, one of them from a nearer view, that overlap by this (intersection over union) are one thing:
/// less than for boxes of one view, since a small box in the whole picture is a rough one.
const SAME: f32 = 0.45;
/// A box at the edge of a close-up of which this share lies in a whole one is a part of that thing.
const PART: f32 = 0.6;
/// Two boxes cut by two close-ups are one thing if they share this much of the smaller one.
const JOINED: f32 = 0.2;
/// A box that comes this near to the edge of its close-up, as a share of the close-up's side, may be cut by it.
const AT_EDGE: f32 = 0.02;

/// The close-ups of one camera.
pub struct CloseUps {
    zones: Vec<(Polygon, Manner)>,
    per_look: usize,
    plan: Plan,
}

/// The close-ups of pictures of one size.
#[derive(Default)]
struct Plan {
    size: [u32; 2],
    views: Vec<View>,
    /// Whose turn is next.
    next: usize,
    /// How many have not had their turn since the picture changed.
    owed: usize,
}

/// One close-up, and what it showed when it was last made.
struct View {
    region: Region,
    seen: Vec<(Detection, Patch)>,
}

impl CloseUps {
    /// Close-ups of `zones` for a camera, at most `per_look` in one look.
    #[must_use]
    pub fn new(zones: Vec<(Polygon, Manner)>, per_look: usize) -> Self {
        Self { zones, per_look, plan: Plan::default() }
    }

    /// Whether some close-up has not had its turn since the last look that was `afresh`. Then the next look is needed even
    /// if nothing changes.
    #[must_use]
    pub fn are_owed(&self) -> bool {
        self.plan.owed > 0
    }

    /// What the models `names` find on `picture` and on the close-ups whose turn it is, with what the others showed last,
    /// best first, one detection for each thing. `afresh`: something may have changed, so all are to have their turn.
    ///
    /// # Errors
    /// Those of [`Detectors::detect`].
    pub fn look(
        &mut self,
        detectors: &mut Detectors,
        names: &[String],
        picture: &Picture,
        afresh: bool,
    ) -> Result<Vec<Detection>, DetectError> {
        let whole = detectors.detect(names, picture)?;
        let Some(input) = names.first().and_then(|name| detectors.input_size(name)) else { return Ok(whole) };
        let size = [picture.width, picture.height];
        if self.plan.size != size {
            self.plan = Plan::new(&self.zones, size, input, self.per_look);
        }
        let plan = &mut self.plan;
        let n = self.per_look.min(plan.views.len());
        if n == 0 {
            return Ok(whole);
        }
        if afresh {
            plan.owed = plan.views.len();
        }
        let mut turn = vec![false; plan.views.len()];
        for _ in 0..n {
            let view = &mut plan.views[plan.next];
            let part = view.region.of(picture).ok_or_else(|| DetectError::Picture {
                reason: format!("its planes do not hold {}x{} pixels", picture.width, picture.height),
            })?;
            let place = view.region.place(size);
            let within = |d: Detection| Detection { bbox: placed(d.bbox, place), ..d };
            let found = detectors.detect(names, &part)?.into_iter().map(within);
            view.seen = found.map(|d| (d.clone(), Patch::of(picture, d.bbox))).collect();
            turn[plan.next] = true;
            plan.next = (plan.next + 1) % plan.views.len();
        }
        plan.owed = plan.owed.saturating_sub(n);
        counter!("gridwatch_close_ups_total").increment(n as u64);
        for (view, _) in plan.views.iter_mut().zip(&turn).filter(|(_, turn)| !**turn) {
            view.seen.retain(|(d, patch)| is_small(d.bbox, input) && !patch.differs(&Patch::of(picture, d.bbox)));
        }
        let near = plan.views.iter().enumerate().flat_map(|(number, view)| {
            let place = view.region.place(size);
            view.seen.iter().map(move |(d, _)| Near { cut: is_cut(d.bbox, place), view: number, detection: d.clone() })
        });
        Ok(joined(near.collect(), whole))
    }
}

impl Plan {
    fn new(zones: &[(Polygon, Manner)], size: [u32; 2], input: [u32; 2], per_look: usize) -> Self {
        let most = (per_look * LOOKS_A_ROUND / zones.len().max(1)).max(1);
        let all = zones.iter().flat_map(|(outline, manner)| regions(outline, *manner, size, input, most));
        let views: Vec<_> = all.map(|region| View { region, seen: Vec::new() }).collect();
        Self { size, owed: views.len(), views, next: 0 }
    }
}

/// A box relative to a part that lies at `place`, relative to the whole.
fn placed(bbox: Rect, place: Rect) -> Rect {
    let x = |x: f32| place.x0 + x * place.width();
    let y = |y: f32| place.y0 + y * place.height();
    Rect { x0: x(bbox.x0), y0: y(bbox.y0), x1: x(bbox.x1), y1: y(bbox.y1) }.clamped()
}

/// Whether the whole picture may miss a thing of that size.
fn is_small(bbox: Rect, input: [u32; 2]) -> bool {
    (bbox.width() * input[0] as f32).max(bbox.height() * input[1] as f32) < FOUND_BY_ALL
}

/// Whether a close-up at `place` may show only a part of the thing: its box ends where the close-up does and the picture
/// does not.
fn is_cut(bbox: Rect, place: Rect) -> bool {
    let (x, y) = (AT_EDGE * place.width(), AT_EDGE * place.height());
    (place.x0 > 0.0 && bbox.x0 < place.x0 + x)
        || (place.y0 > 0.0 && bbox.y0 < place.y0 + y)
        || (place.x1 < 1.0 && bbox.x1 > place.x1 - x)
        || (place.y1 < 1.0 && bbox.y1 > place.y1 - y)
}

/// A detection in a close-up.
struct Near {
    detection: Detection,
    /// Which close-up.
    view: usize,
    /// Whether the close-up's edge may have cut it.
    cut: bool,
}

/// One detection for each thing of those in close-ups and those in the whole picture, best first. A nearer view has the
/// better box; the better score stands, since it is the same thing's.
fn joined(near: Vec<Near>, whole: Vec<Detection>) -> Vec<Detection> {
    let (mut pieces, mut things): (Vec<Near>, Vec<Near>) = near.into_iter().partition(|n| n.cut);
    let best_first = |list: &mut Vec<Near>| list.sort_by(|a, b| b.detection.score.total_cmp(&a.detection.score));
    best_first(&mut things);
    best_first(&mut pieces);
    let mut kept: Vec<Near> = Vec::with_capacity(things.len());
    for thing in things {
        let same = |other: &Near| other.view != thing.view && is_same(&other.detection, &thing.detection);
        if !kept.iter().any(same) {
            kept.push(thing);
        }
    }
    let of_thing = |piece: &Detection, thing: &Detection| {
        piece.group == thing.group && piece.bbox.common_area(thing.bbox) >= PART * piece.bbox.area()
    };
    pieces.retain(|piece| {
        let in_near = kept.iter().any(|thing| of_thing(&piece.detection, &thing.detection));
        !in_near && !whole.iter().any(|thing| of_thing(&piece.detection, thing))
    });
    for piece in pieces {
        let other_half = |other: &&mut Near| {
            let (a, b) = (&other.detection, &piece.detection);
            let smaller = a.bbox.area().min(b.bbox.area());
            other.cut
                && other.view != piece.view
                && a.group == b.group
                && a.bbox.common_area(b.bbox) >= JOINED * smaller
        };
        match kept.iter_mut().find(other_half) {
            Some(half) => half.detection.bbox = half.detection.bbox.union(piece.detection.bbox),
            None => kept.push(piece),
        }
    }
    let mut all: Vec<Detection> = kept.into_iter().map(|near| near.detection).collect();
    let n_near = all.len();
    for far in whole {
        match all[..n_near].iter_mut().find(|near| is_same(near, &far)) {
            Some(near) => near.score = near.score.max(far.score),
            None => all.push(far),
        }
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all
}

fn is_same(a: &Detection, b: &Detection) -> bool {
    a.group == b.group && a.bbox.iou(b.bbox) > SAME
}

/// Cells a side of a patch, and pixels a side that are read of a cell.
const CELLS: usize = 8;
const READ: usize = 4;
/// Mean difference, in levels of 255, from which two patches show different things; recompression makes 2 to 4.
const DIFFERENT: f32 = 10.0;

/// How bright a small part of a picture is, cell by cell, above or below its mean: a cloud changes nothing of it.
#[derive(Debug, Clone, PartialEq)]
struct Patch([f32; CELLS * CELLS]);

impl Patch {
    fn of(picture: &Picture, bbox: Rect) -> Self {
        let (luma, stride) = (&picture.planes[0], picture.strides[0]);
        let pixel = |at: f32, from: f32, length: f32, side: u32| {
            (((from + at * length) * side as f32) as usize).min(side as usize - 1)
        };
        let share = |cell: usize, i: usize| (cell as f32 + (i as f32 + 0.5) / READ as f32) / CELLS as f32;
        let mut cells: [f32; CELLS * CELLS] = std::array::from_fn(|cell| {
            let read = (0..READ * READ).map(|i| {
                let x = pixel(share(cell % CELLS, i % READ), bbox.x0, bbox.width(), picture.width);
                let y = pixel(share(cell / CELLS, i / READ), bbox.y0, bbox.height(), picture.height);
                f32::from(luma.get(y * stride + x).copied().unwrap_or_default())
            });
            read.sum::<f32>() / (READ * READ) as f32
        });
        let mean = cells.iter().sum::<f32>() / cells.len() as f32;
        cells.iter_mut().for_each(|cell| *cell -= mean);
        Self(cells)
    }

    fn differs(&self, other: &Self) -> bool {
        let apart: f32 = self.0.iter().zip(&other.0).map(|(a, b)| (a - b).abs()).sum();
        apart > DIFFERENT * self.0.len() as f32
    }
}

#[cfg(test)]
mod tests {
    use domain::Label;

    use super::*;

    fn seen(group: &str, score: f32, bbox: [f32; 4]) -> Detection {
        let label = Label::new(group);
        Detection { class: label.clone(), group: label, score, bbox: bbox.into(), mask: None, model: None }
    }

    /// By close-up what it showed, of close-ups that are the left and the right 60 % of the picture.
    #[track_caller]
    fn check(left: &[&Detection], right: &[&Detection], whole: &[&Detection], expect: &[&Detection]) {
        let places = [[0.0, 0.0, 0.6, 1.0], [0.4, 0.0, 1.0, 1.0]].map(Rect::from);
        let views = [left, right];
        let near = views.iter().enumerate().flat_map(|(view, list)| {
            list.iter().map(move |d| Near { cut: is_cut(d.bbox, places[view]), view, detection: (*d).clone() })
        });
        let found = joined(near.collect(), whole.iter().copied().cloned().collect());
        assert_eq!(found.iter().collect::<Vec<_>>(), expect);
    }

    #[test]
    fn a_thing_in_two_views_is_one_with_the_nearer_box_and_the_better_score() {
        let (near, far) = (seen("goods", 0.5, [0.2, 0.2, 0.24, 0.24]), seen("goods", 0.7, [0.2, 0.2, 0.25, 0.25]));
        check(&[&near], &[], &[&far], &[&seen("goods", 0.7, [0.2, 0.2, 0.24, 0.24])]);
        let (a, b) = (seen("goods", 0.5, [0.5, 0.2, 0.54, 0.24]), seen("goods", 0.6, [0.5, 0.2, 0.54, 0.245]));
        check(&[&a], &[&b], &[], &[&b]);
    }

    #[test]
    fn what_a_close_up_cuts_is_no_thing_of_its_own() {
        let car = seen("vehicle", 0.6, [0.5, 0.4, 0.8, 0.6]);
        // The right close-up, or the whole picture, shows the car whole; the left one its first third.
        let piece = seen("vehicle", 0.9, [0.5, 0.4, 0.6, 0.6]);
        check(&[&piece], &[&car], &[], &[&car]);
        check(&[&piece], &[], &[&car], &[&car]);
        // Nobody saw it whole: the piece is a lead all the same.
        check(&[&piece], &[], &[], &[&piece]);
    }

    #[test]
    fn two_halves_of_a_thing_that_no_view_shows_whole_are_joined() {
        let left = seen("vehicle", 0.8, [0.1, 0.4, 0.6, 0.6]);
        let right = seen("vehicle", 0.7, [0.4, 0.4, 0.9, 0.6]);
        check(&[&left], &[&right], &[], &[&seen("vehicle", 0.8, [0.1, 0.4, 0.9, 0.6])]);
    }

    #[test]
    fn other_groups_and_other_places_stay() {
        let (bag, person) = (seen("goods", 0.5, [0.2, 0.2, 0.3, 0.3]), seen("person", 0.6, [0.2, 0.2, 0.3, 0.3]));
        check(&[&bag], &[], &[&person], &[&person, &bag]);
        // One view took them for two.
        let other = seen("goods", 0.4, [0.21, 0.2, 0.31, 0.3]);
        check(&[&bag, &other], &[], &[], &[&bag, &other]);
    }

    #[test]
    fn a_patch_knows_other_things_from_other_light() {
        let bbox = Rect { x0: 0.25, y0: 0.25, x1: 0.75, y1: 0.75 };
        let with = |bag: u8, street: u8| {
            let mut luma = vec![street; 64 * 64];
            (24..40).for_each(|y| luma[y * 64 + 24..y * 64 + 40].fill(bag));
            let mut picture = Picture::uniform(64, 64, [0, 128, 128]);
            picture.planes[0] = luma.into();
            Patch::of(&picture, bbox)
        };
        let bag = with(40, 120);
        assert!(bag.differs(&with(120, 120)), "the bag is gone");
        assert!(!bag.differs(&with(60, 140)), "the sun came out");
        assert!(!bag.differs(&with(43, 118)), "another encoding");
    }
}
