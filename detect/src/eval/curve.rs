//! Precision over recall of one class at one overlap.

/// How many recalls precision is read at.
pub const N_RECALLS: usize = 101;

/// The recall of place `i` of a curve: 0, 0.01, ..., 1.
#[must_use]
pub fn recall_at(i: usize) -> f64 {
    i as f64 * 0.01
}

/// The detections that count, with their scores and whether they are right, and how many labels there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranked {
    pub(super) n_truths: usize,
    pub(super) verdicts: Vec<(f64, bool)>,
}

impl Ranked {
    /// Best first; the order of pictures stays where scores are equal.
    pub(super) fn rank(&mut self) {
        self.verdicts.sort_by(|a, b| b.0.total_cmp(&a.0));
    }

    /// The mean of precision over all recalls; none where there is no label.
    pub(super) fn average_precision(&self) -> Option<f64> {
        (self.n_truths > 0).then(|| precision_at_recalls(self).iter().sum::<f64>() / N_RECALLS as f64)
    }

    /// The share of the labels that are found by all detections; none where there is no label.
    pub(super) fn recall(&self) -> Option<f64> {
        let n_right = self.verdicts.iter().filter(|(_, right)| *right).count();
        (self.n_truths > 0).then(|| n_right as f64 / self.n_truths as f64)
    }
}

/// The best precision at each recall or beyond it, 0 where it is not reached. `ranked` is sorted.
pub(super) fn precision_at_recalls(ranked: &Ranked) -> [f64; N_RECALLS] {
    let mut curve = [0.0; N_RECALLS];
    let mut n_right = 0_u32;
    let mut points: Vec<(f64, f64)> = (1_u32..)
        .zip(&ranked.verdicts)
        .map(|(n, (_, right))| {
            n_right += u32::from(*right);
            (f64::from(n_right) / ranked.n_truths as f64, f64::from(n_right) / f64::from(n))
        })
        .collect();
    for i in (1..points.len()).rev() {
        points[i - 1].1 = points[i - 1].1.max(points[i].1);
    }
    let mut point = 0;
    for (i, precision) in curve.iter_mut().enumerate() {
        point += points[point..].iter().take_while(|(recall, _)| *recall < recall_at(i)).count();
        match points.get(point) {
            Some((_, best)) => *precision = *best,
            None => break,
        }
    }
    curve
}
