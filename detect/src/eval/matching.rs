//! Which detections of one class on one picture are right: each takes, best first, the label that it overlaps most.

use super::{Found, Truth};

/// What became of a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It found a label that counts.
    Right,
    /// It found nothing.
    Wrong,
    /// It lies on a crowd or on a label of another size, or found nothing and is itself of another size.
    NotCounted,
}

/// The outcome of one class on one picture.
pub(super) struct Matched {
    /// Labels that count.
    pub(super) n_truths: usize,
    /// By detection.
    pub(super) outcomes: Vec<Outcome>,
}

/// Intersection over union by detection, then label; of a crowd, the share of the detection that lies in it.
pub(super) fn overlaps(truths: &[&Truth], found: &[&Found]) -> Vec<Vec<f64>> {
    found.iter().map(|found| truths.iter().map(|truth| overlap(found, truth)).collect()).collect()
}

fn overlap(found: &Found, truth: &Truth) -> f64 {
    let side = |axis: usize| {
        let end = |b: &[f64; 4]| b[axis] + b[axis + 2];
        end(&found.bbox).min(end(&truth.bbox)) - found.bbox[axis].max(truth.bbox[axis])
    };
    let (width, height) = (side(0), side(1));
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let (common, of_found, of_truth) = (width * height, area(&found.bbox), area(&truth.bbox));
    common / if truth.crowd { of_found } else { of_found + of_truth - common }
}

fn area(bbox: &[f64; 4]) -> f64 {
    bbox[2] * bbox[3]
}

/// Matches `found`, which are sorted best first, with `truths` at `overlap`; things outside `size` do not count.
pub(super) fn match_class(
    truths: &[&Truth],
    found: &[&Found],
    overlaps: &[Vec<f64>],
    overlap: f64,
    size: (f64, f64),
) -> Matched {
    let outside = |area: f64| area < size.0 || area > size.1;
    let ignored: Vec<bool> = truths.iter().map(|t| t.crowd || outside(t.area)).collect();
    let mut taken = vec![false; truths.len()];
    let outcome = |(found, overlaps): (&&Found, &Vec<f64>)| {
        // A label that counts goes before one that does not, whatever the overlap; of equals the later one, as in
        // the reference.
        let best = |wanted: bool| {
            let free = |&i: &usize| ignored[i] == wanted && (!taken[i] || truths[i].crowd);
            let candidates = (0..truths.len()).filter(free).filter(|&i| overlaps[i] >= overlap.min(1.0 - 1e-10));
            candidates.max_by(|&a, &b| overlaps[a].total_cmp(&overlaps[b]))
        };
        match best(false).or_else(|| best(true)) {
            Some(i) => {
                taken[i] = true;
                if ignored[i] { Outcome::NotCounted } else { Outcome::Right }
            }
            None if outside(area(&found.bbox)) => Outcome::NotCounted,
            None => Outcome::Wrong,
        }
    };
    let outcomes = found.iter().zip(overlaps).map(outcome).collect();
    Matched { n_truths: ignored.iter().filter(|ignored| !**ignored).count(), outcomes }
}
