//! What a score means: Platt scaling (Platt, "Probabilistic Outputs for Support Vector Machines", 1999) of one model's
//! scores to another's scale, so that a rule's threshold keeps its meaning when the model is changed.

use serde::Deserialize;

/// Detections below this score say nothing of the scores that rules ask for, and there are very many of them.
const LEAST_FITTED: f64 = 0.1;
/// Right and wrong detections that a fit needs at least.
const LEAST_VERDICTS: usize = 20;
/// Scores are kept this far from 0 and 1, whose log-odds are infinite.
const MARGIN: f64 = 1e-4;
const STEPS: usize = 50;

/// A monotone map of scores: log-odds are multiplied by `slope`, then `offset` is added.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Above 0.
    pub slope: f64,
    /// In log-odds: below 0 scores become lower.
    pub offset: f64,
}

impl Calibration {
    /// Scores as they are.
    pub const IDENTITY: Self = Self { slope: 1.0, offset: 0.0 };

    /// The score, 0 to 1, that `score` is on the other scale.
    #[must_use]
    pub fn apply(self, score: f32) -> f32 {
        if self == Self::IDENTITY {
            return score;
        }
        probability(self.slope * log_odds(f64::from(score)) + self.offset) as f32
    }

    /// The score that becomes `score`.
    #[must_use]
    pub fn undo(self, score: f32) -> f32 {
        if self == Self::IDENTITY {
            return score;
        }
        probability((log_odds(f64::from(score)) - self.offset) / self.slope) as f32
    }

    /// This one applied to what `first` gives.
    #[must_use]
    pub fn after(self, first: Self) -> Self {
        Self { slope: self.slope * first.slope, offset: self.slope * first.offset + self.offset }
    }

    /// The map from scores to the share of detections that are right at them, of detections with what became of each;
    /// none where there are too few of them, or a higher score does not mean more.
    #[must_use]
    pub fn fit(verdicts: impl IntoIterator<Item = (f64, bool)>) -> Option<Self> {
        let counted = verdicts.into_iter().filter(|(score, _)| *score >= LEAST_FITTED);
        let samples: Vec<(f64, bool)> = counted.map(|(score, right)| (log_odds(score), right)).collect();
        let n_right = samples.iter().filter(|(_, right)| *right).count();
        let n_wrong = samples.len() - n_right;
        if n_right.min(n_wrong) < LEAST_VERDICTS {
            return None;
        }
        // Platt's targets: never quite sure, so that a clean split has a fit too.
        let target =
            |right| if right { (n_right + 1) as f64 / (n_right + 2) as f64 } else { 1.0 / (n_wrong + 2) as f64 };
        let (mut slope, mut offset) = (0.0, (n_right as f64 / n_wrong as f64).ln());
        for _ in 0..STEPS {
            let (mut gradient, mut hessian) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
            for &(x, right) in &samples {
                let p = probability(slope * x + offset);
                let (error, weight) = (target(right) - p, p * (1.0 - p));
                gradient = [gradient[0] + error * x, gradient[1] + error];
                hessian = [hessian[0] + weight * x * x, hessian[1] + weight * x, hessian[2] + weight];
            }
            let [xx, x1, one] = hessian;
            let determinant = xx * one - x1 * x1;
            let step = [
                (gradient[0] * one - gradient[1] * x1) / determinant,
                (gradient[1] * xx - gradient[0] * x1) / determinant,
            ];
            (slope, offset) = (slope + step[0].clamp(-1.0, 1.0), offset + step[1].clamp(-1.0, 1.0));
        }
        (slope.is_finite() && offset.is_finite() && slope > 0.0).then_some(Self { slope, offset })
    }

    /// Where this maps one model's scores to shares of right detections and `other` another's: the map of the scores of
    /// the first to scores of the other that are right as often.
    #[must_use]
    pub fn to_scale_of(self, other: Self) -> Self {
        Self { slope: self.slope / other.slope, offset: (self.offset - other.offset) / other.slope }
    }
}

fn log_odds(p: f64) -> f64 {
    let p = p.clamp(MARGIN, 1.0 - MARGIN);
    (p / (1.0 - p)).ln()
}

fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand detections of which the share is right that `truth` gives.
    fn verdicts(truth: Calibration) -> Vec<(f64, bool)> {
        let scores = (0..40).map(|i| 0.11 + f64::from(i) * 0.02);
        let of_score = |score: f64| {
            let n_right = (f64::from(truth.apply(score as f32)) * 25.0).round() as usize;
            (0..25).map(move |i| (score, i < n_right))
        };
        scores.flat_map(of_score).collect()
    }

    #[test]
    fn a_fit_finds_the_share_of_detections_that_are_right() {
        let truth = Calibration { slope: 1.6, offset: -0.7 };
        let fitted = Calibration::fit(verdicts(truth)).unwrap();
        for score in [0.15, 0.3, 0.5, 0.8] {
            assert!((fitted.apply(score) - truth.apply(score)).abs() < 0.02, "{fitted:?} at {score}");
        }
    }

    #[test]
    fn scores_that_are_right_as_often_are_alike_on_the_scale_of_another_model() {
        let (one, other) = (Calibration { slope: 1.6, offset: -0.7 }, Calibration { slope: 0.9, offset: 0.4 });
        let map = one.to_scale_of(other);
        for score in [0.05, 0.2, 0.5, 0.9] {
            assert!((other.apply(map.apply(score)) - one.apply(score)).abs() < 1e-6, "at {score}");
            assert!((map.undo(map.apply(score)) - score).abs() < 1e-6);
            assert!((map.after(one).apply(score) - map.apply(one.apply(score))).abs() < 1e-6);
        }
        assert!((Calibration::IDENTITY.apply(0.37) - 0.37).abs() < f32::EPSILON);
    }

    #[test]
    fn too_few_detections_or_scores_that_mean_nothing_have_no_fit() {
        assert_eq!(Calibration::fit(verdicts(Calibration::IDENTITY).into_iter().take(30)), None);
        let upside_down = verdicts(Calibration { slope: 1.0, offset: 0.0 }).into_iter().map(|(s, right)| (s, !right));
        assert_eq!(Calibration::fit(upside_down), None);
        assert_eq!(Calibration::fit([]), None);
    }
}
