//! What a decoder finds, before boxes of one thing are merged.

use domain::Rect;

/// A class and a box with its score, one of several that a model gives for one thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Class number.
    pub(crate) class: usize,
    /// 0 to 1.
    pub(crate) score: f32,
    /// Left, top, right, bottom in the input tensor's pixels.
    pub(crate) bbox: [f32; 4],
}

/// More candidates than this are no picture but noise; the best are kept.
const MAX_CANDIDATES: usize = 1000;
/// Most detections of one look.
const MAX_KEPT: usize = 300;

/// Of the candidates that overlap within a group, the best; best first. `group` numbers each class's group; boxes of
/// different groups never suppress one another. Boxes come as `place` puts them; those without area go.
pub(crate) fn best_of_each(
    candidates: &mut Vec<Candidate>,
    group: &[usize],
    max_iou: f32,
    place: impl Fn([f32; 4]) -> Rect,
) -> Vec<(usize, f32, Rect)> {
    candidates.sort_unstable_by(|a, b| {
        let by_place = || a.bbox.iter().zip(&b.bbox).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne());
        b.score
            .total_cmp(&a.score)
            .then(a.class.cmp(&b.class))
            .then_with(|| by_place().unwrap_or(std::cmp::Ordering::Equal))
    });
    candidates.truncate(MAX_CANDIDATES);
    let mut kept: Vec<(usize, f32, Rect)> = Vec::new();
    for candidate in candidates.iter() {
        let rect = place(candidate.bbox);
        let sound = rect.x0 < rect.x1 && rect.y0 < rect.y1;
        let same = |class: usize| group[class] == group[candidate.class];
        if sound && !kept.iter().any(|&(class, _, other)| same(class) && other.iou(rect) > max_iou) {
            kept.push((candidate.class, candidate.score, rect));
            if kept.len() == MAX_KEPT {
                break;
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(candidates: &[(usize, f32, [f32; 4])], kept: &[(usize, f32)]) {
        // Classes 0 and 1 are one group, 2 is alone.
        let mut candidates: Vec<_> =
            candidates.iter().map(|&(class, score, bbox)| Candidate { class, score, bbox }).collect();
        let found = best_of_each(&mut candidates, &[0, 0, 1], 0.5, |b| Rect::from(b).clamped());
        assert_eq!(found.iter().map(|&(class, score, _)| (class, score)).collect::<Vec<_>>(), kept);
    }

    const HERE: [f32; 4] = [0.1, 0.1, 0.5, 0.5];
    const NEARLY: [f32; 4] = [0.1, 0.1, 0.5, 0.52];
    const THERE: [f32; 4] = [0.6, 0.6, 0.9, 0.9];

    #[test]
    fn the_best_of_a_group_stands_for_all_at_its_place() {
        check(&[(0, 0.5, HERE), (1, 0.7, NEARLY)], &[(1, 0.7)]);
        check(&[(0, 0.5, HERE), (2, 0.7, NEARLY)], &[(2, 0.7), (0, 0.5)]);
        check(&[(0, 0.5, HERE), (0, 0.7, THERE)], &[(0, 0.7), (0, 0.5)]);
        check(&[], &[]);
    }

    #[test]
    fn boxes_outside_the_picture_or_without_area_go() {
        check(&[(0, 0.9, [-0.5, -0.5, -0.1, -0.1]), (0, 0.8, [0.5, 0.5, 0.5, 0.9]), (0, 0.7, HERE)], &[(0, 0.7)]);
        check(&[(0, 0.9, [f32::NAN, 0.1, 0.5, 0.5])], &[]);
    }

    #[test]
    fn ties_have_one_order() {
        check(&[(1, 0.5, THERE), (0, 0.5, HERE)], &[(0, 0.5), (1, 0.5)]);
    }
}
