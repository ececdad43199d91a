//! What is close to what, measured in the sizes of the things themselves: boxes are relative to the picture's width
//! and height, and what is far away is small, so neither pixels nor shares of the picture measure ground.

use domain::Rect;

/// The gap between two boxes, in widths and heights of the larger one: 0 where they touch or overlap, 1 where one more
/// box would fit between them.
pub(super) fn gap(a: Rect, b: Rect) -> f32 {
    let dx = (a.x0 - b.x1).max(b.x0 - a.x1).max(0.0);
    let dy = (a.y0 - b.y1).max(b.y0 - a.y1).max(0.0);
    let units = |d: f32, size: f32| if d > 0.0 { d / size.max(1e-4) } else { 0.0 };
    units(dx, a.width().max(b.width())).max(units(dy, a.height().max(b.height())))
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
    fn a_chain_is_one_group() {
        let row: Vec<_> = [0.0, 0.15, 0.3, 0.8].map(|x| square(x, 0.1)).to_vec();
        assert_eq!(clusters(&row, 0.6), vec![vec![0, 1, 2], vec![3]]);
        assert_eq!(clusters(&row, 0.1).len(), 4);
        assert!(clusters(&[], 1.0).is_empty());
    }
}
