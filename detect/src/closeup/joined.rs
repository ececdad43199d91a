//! One detection for each thing of those that several close-ups and the whole picture show.

use domain::{Detection, Rect};

/// Two boxes of one group, one of them from a nearer view, that overlap by this (intersection over union) are one thing:
/// less than for boxes of one view, since a small box in the whole picture is a rough one.
const SAME: f32 = 0.45;
/// A box at the edge of a close-up of which this share lies in a whole one is a part of that thing.
const PART: f32 = 0.6;
/// Two boxes cut by two close-ups are one thing if they share this much of the smaller one.
const JOINED: f32 = 0.2;
/// A box that comes this near to the edge of its close-up, as a share of the close-up's side, may be cut by it.
const AT_EDGE: f32 = 0.02;

/// Whether a close-up at `place` may show only a part of the thing: its box ends where the close-up does and the picture
/// does not.
pub(super) fn is_cut(bbox: Rect, place: Rect) -> bool {
    let (x, y) = (AT_EDGE * place.width(), AT_EDGE * place.height());
    (place.x0 > 0.0 && bbox.x0 < place.x0 + x)
        || (place.y0 > 0.0 && bbox.y0 < place.y0 + y)
        || (place.x1 < 1.0 && bbox.x1 > place.x1 - x)
        || (place.y1 < 1.0 && bbox.y1 > place.y1 - y)
}

/// A detection in a close-up.
pub(super) struct Near {
    pub(super) detection: Detection,
    /// Which close-up.
    pub(super) view: usize,
    /// Whether the close-up's edge may have cut it.
    pub(super) cut: bool,
}

/// One detection for each thing of those in close-ups and those in the whole picture, best first. A nearer view has the
/// better box; the better score stands, since it is the same thing's.
pub(super) fn joined(near: Vec<Near>, whole: Vec<Detection>) -> Vec<Detection> {
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

pub(super) fn is_same(a: &Detection, b: &Detection) -> bool {
    a.group == b.group && a.bbox.iou(b.bbox) > SAME
}

#[cfg(test)]
mod tests {
    use super::{super::seen, *};

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
}
