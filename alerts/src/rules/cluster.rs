//! What is close to what, measured in the sizes of the things themselves: boxes are relative to the picture's width
//! and height, and what is far away is small, so neither pixels nor shares of the picture measure ground.

use domain::Rect;

/// From how many times the height on, and how far below the other's foot line in heights of its own, the larger of two
/// things stands nearer to the camera by as much again as the camera is away from it.
const NEARER: f32 = 2.0;
const BELOW: f32 = 0.5;
/// Share of the smaller one that the larger one must not hold: the upper part of a stack is no stack behind it.
const WITHIN: f32 = 0.5;

/// The gap between two boxes, in widths and heights of the larger one: 0 where they touch or overlap, 1 where one more
/// box would fit between them.
pub(super) fn gap(a: Rect, b: Rect) -> f32 {
    let dx = (a.x0 - b.x1).max(b.x0 - a.x1).max(0.0);
    let dy = (a.y0 - b.y1).max(b.y0 - a.y1).max(0.0);
    let units = |d: f32, size: f32| if d > 0.0 { d / size.max(1e-4) } else { 0.0 };
    units(dx, a.width().max(b.width())).max(units(dy, a.height().max(b.height())))
}

/// Whether two things touch in the picture only, since one stands far behind the other: it looks less than half as high,
/// and its foot line is far up. Things of one distance have one foot line, whatever their heights.
pub(super) fn one_is_far_behind(a: Rect, b: Rect) -> bool {
    let (far, near) = if a.height() <= b.height() { (a, b) } else { (b, a) };
    let common = far.common_area(near);
    near.height() >= NEARER * far.height() && near.y1 - far.y1 >= BELOW * near.height() && common < WITHIN * far.area()
}

/// Whether a thing at `bbox` is part of what takes up `place`; `things` are the single things there, where it is known
/// which they are.
pub(super) fn belongs(bbox: Rect, place: Rect, things: &[Rect], reach: f32) -> bool {
    gap(bbox, place) <= reach && (things.is_empty() || things.iter().any(|thing| !one_is_far_behind(*thing, bbox)))
}

/// Groups boxes such that each is within `reach` of another one of its group. Returns indices, each group in
/// ascending order, groups by their first member.
pub(super) fn clusters(boxes: &[Rect], reach: f32) -> Vec<Vec<usize>> {
    let mut group: Vec<usize> = (0..boxes.len()).collect();
    for a in 0..boxes.len() {
        for b in a + 1..boxes.len() {
            if group[a] != group[b] && gap(boxes[a], boxes[b]) <= reach {
                let (keep, join) = (group[a].min(group[b]), group[a].max(group[b]));
                group.iter_mut().filter(|g| **g == join).for_each(|g| *g = keep);
            }
        }
    }
    (0..boxes.len())
        .filter(|first| group[*first] == *first)
        .map(|first| (first..boxes.len()).filter(|i| group[*i] == first).collect())
        .collect()
}

/// The box around all of `boxes`; none where there are none.
pub(super) fn around(boxes: impl IntoIterator<Item = Rect>) -> Option<Rect> {
    boxes.into_iter().reduce(Rect::union)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f32, size: f32) -> Rect {
        Rect { x0: x, y0: 0.4, x1: x + size, y1: 0.4 + size }
    }

    #[track_caller]
    fn check_gap(a: Rect, b: Rect, expect: f32) {
        assert!((gap(a, b) - expect).abs() < 1e-3, "{} is not {expect}", gap(a, b));
        assert!((gap(b, a) - expect).abs() < 1e-3);
    }

    #[test]
    fn gaps_count_in_the_larger_box() {
        check_gap(square(0.1, 0.1), square(0.15, 0.1), 0.0);
        check_gap(square(0.1, 0.1), square(0.3, 0.1), 1.0);
        check_gap(square(0.1, 0.1), square(0.3, 0.2), 0.5);
    }

    #[test]
    fn what_is_far_behind_touches_in_the_picture_only() {
        let near = Rect { x0: 0.5, y0: 0.5, x1: 0.84, y1: 0.94 };
        let far = Rect { x0: 0.39, y0: 0.4, x1: 0.54, y1: 0.6 };
        assert_eq!(gap(near, far), 0.0);
        assert!(one_is_far_behind(near, far) && one_is_far_behind(far, near));
        assert!(!belongs(far, near, &[near], 1.0) && belongs(far, near, &[], 1.0));
        // The next one of a row that leads away from the camera.
        let between = Rect { x0: 0.42, y0: 0.42, x1: 0.6, y1: 0.72 };
        assert!(!one_is_far_behind(near, between) && !one_is_far_behind(between, far));
        assert!(belongs(far, near.union(between), &[near, between], 1.0));
        // A small thing beside a large one, and the upper part of a stack.
        assert!(!one_is_far_behind(near, Rect { x0: 0.4, y0: 0.8, x1: 0.5, y1: 0.93 }));
        assert!(!one_is_far_behind(near, Rect { x0: 0.55, y0: 0.5, x1: 0.8, y1: 0.66 }));
    }

    #[test]
    fn a_chain_is_one_group() {
        let row: Vec<_> = [0.0, 0.15, 0.3, 0.8].map(|x| square(x, 0.1)).to_vec();
        assert_eq!(clusters(&row, 0.6), vec![vec![0, 1, 2], vec![3]]);
        assert_eq!(clusters(&row, 0.1).len(), 4);
        assert!(clusters(&[], 1.0).is_empty());
    }
}
