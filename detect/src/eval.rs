//! How good detections are: the arithmetic of COCO's evaluation (Lin et al., "Microsoft COCO: Common Objects in Context",
//! 2014; the reference is `pycocotools.cocoeval`), on labels and detections of pictures. No I/O and no model.
//!
//! Detections are matched to labels best first, at ten overlaps from 0.50 to 0.95; precision is read at 101 recalls; at
//! most 100 detections a class and picture count; crowd regions and, by size range, labels of other sizes are neither
//! found nor missed.

mod curve;
mod matching;

pub use curve::{N_RECALLS, recall_at};

use curve::{Ranked, precision_at_recalls};
use matching::{Matched, Outcome, match_class, overlaps};

/// The overlaps (intersection over union) at which detections are matched: 0.50, 0.55, ..., 0.95.
pub const OVERLAPS: [f64; 10] = {
    // The reference's own rounding: 0.9 comes out a hair below 0.9.
    let (mut overlaps, mut i) = ([0.95; 10], 0);
    while i < 9 {
        overlaps[i] = 0.5 + i as f64 * ((0.95 - 0.5) / 9.0);
        i += 1;
    }
    overlaps
};

/// Areas in square pixels from and to which labels and detections are of all sizes, small, medium and large.
const SIZES: [(f64, f64); 4] = [(0.0, 1e10), (0.0, 1024.0), (1024.0, 9216.0), (9216.0, 1e10)];

/// Most detections of one class that count on a picture.
const MAX_FOUND: usize = 100;

/// A labelled thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Class number.
    pub class: usize,
    /// Left, top, width, height in pixels.
    pub bbox: [f64; 4],
    /// Square pixels that it covers: of its outline where that is known, else of its box.
    pub area: f64,
    /// Whether it is a region with many things that nobody counted: whatever is found there is neither right nor wrong.
    pub crowd: bool,
}

/// A detected thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Class number.
    pub class: usize,
    /// 0 to 1.
    pub score: f64,
    /// Left, top, width, height in pixels.
    pub bbox: [f64; 4],
}

/// What is on one picture and what was found there.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// The labels.
    pub truths: Vec<Truth>,
    /// The detections, in any order.
    pub found: Vec<Found>,
}

/// Average precisions, 0 to 1; none where no label counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Precision {
    /// Mean over overlaps 0.50 to 0.95.
    pub ap: Option<f64>,
    /// At overlap 0.50.
    pub ap50: Option<f64>,
    /// At overlap 0.75.
    pub ap75: Option<f64>,
    /// `ap` of things below 32 x 32 pixels.
    pub small: Option<f64>,
    /// `ap` of things from 32 x 32 to 96 x 96 pixels.
    pub medium: Option<f64>,
    /// `ap` of things above 96 x 96 pixels.
    pub large: Option<f64>,
    /// Mean of the highest recall over overlaps 0.50 to 0.95.
    pub recall: Option<f64>,
}

/// How good one class is.
#[derive(Debug, Clone)]
pub struct ClassResult {
    /// Labels that count (no crowds), of all sizes, small, medium and large.
    pub n_truths: [usize; 4],
    /// The averages.
    pub precision: Precision,
    /// Precision at overlap 0.50 by recall (see [`recall_at`]).
    pub curve50: [f64; N_RECALLS],
    /// What became of each detection at overlap 0.50, best first; those that do not count are left out.
    verdicts: Vec<(f64, bool)>,
}

/// How good a model is.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// By class number.
    pub classes: Vec<ClassResult>,
    /// Means over the classes that have labels.
    pub mean: Precision,
    n_pictures: usize,
}

/// What a score threshold gives at overlap 0.50, all classes together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkingPoint {
    /// Detections from this score up count.
    pub score: f64,
    /// Detections that are right.
    pub n_right: usize,
    /// Detections that are wrong.
    pub n_wrong: usize,
    /// Share of the detections that are right; none where there is no detection.
    pub precision: Option<f64>,
    /// Share of the labels that are found; none where there is no label.
    pub recall: Option<f64>,
    /// Wrong detections a picture.
    pub wrong_per_picture: f64,
}

/// Judges `n_classes` classes on `pictures`. Where scores are equal, the order of pictures decides.
#[must_use]
pub fn evaluate(n_classes: usize, pictures: &[Judged]) -> Evaluation {
    let classes: Vec<ClassResult> = (0..n_classes).map(|class| judge_class(class, pictures)).collect();
    let mean_of = |value: fn(&Precision) -> Option<f64>| mean(classes.iter().filter_map(|c| value(&c.precision)));
    let mean = Precision {
        ap: mean_of(|p| p.ap),
        ap50: mean_of(|p| p.ap50),
        ap75: mean_of(|p| p.ap75),
        small: mean_of(|p| p.small),
        medium: mean_of(|p| p.medium),
        large: mean_of(|p| p.large),
        recall: mean_of(|p| p.recall),
    };
    Evaluation { classes, mean, n_pictures: pictures.len() }
}

impl Evaluation {
    /// Precision at overlap 0.50 by recall, the mean over the classes that have labels; none where no class has.
    #[must_use]
    pub fn curve50(&self) -> Option<[f64; N_RECALLS]> {
        let labelled: Vec<&ClassResult> = self.classes.iter().filter(|c| c.n_truths[0] > 0).collect();
        let at = |i: usize| mean(labelled.iter().map(|c| c.curve50[i])).unwrap_or(0.0);
        (!labelled.is_empty()).then(|| std::array::from_fn(at))
    }

    /// The score of each detection that counts, and whether it is right, at overlap 0.50.
    pub fn verdicts(&self) -> impl Iterator<Item = (f64, bool)> {
        self.classes.iter().flat_map(|c| &c.verdicts).copied()
    }

    /// What detections from `score` up are worth.
    #[must_use]
    pub fn at(&self, score: f64) -> WorkingPoint {
        let n_truths: usize = self.classes.iter().map(|c| c.n_truths[0]).sum();
        let counted = self.verdicts().filter(|(s, _)| *s >= score);
        let (n_right, n_wrong) =
            counted.fold((0, 0), |(right, wrong), (_, is)| (right + usize::from(is), wrong + usize::from(!is)));
        let share = |n: usize, of: usize| (of > 0).then(|| n as f64 / of as f64);
        WorkingPoint {
            score,
            n_right,
            n_wrong,
            precision: share(n_right, n_right + n_wrong),
            recall: share(n_right, n_truths),
            wrong_per_picture: share(n_wrong, self.n_pictures).unwrap_or(0.0),
        }
    }
}

fn judge_class(class: usize, pictures: &[Judged]) -> ClassResult {
    // By size range and overlap: what became of the detections of each picture.
    let mut matched: [[Ranked; OVERLAPS.len()]; SIZES.len()] = Default::default();
    for picture in pictures {
        let truths: Vec<&Truth> = picture.truths.iter().filter(|t| t.class == class).collect();
        let mut found: Vec<&Found> = picture.found.iter().filter(|f| f.class == class).collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(MAX_FOUND);
        let overlaps = overlaps(&truths, &found);
        for (ranked, size) in matched.iter_mut().zip(SIZES) {
            for (ranked, overlap) in ranked.iter_mut().zip(OVERLAPS) {
                let Matched { n_truths, outcomes } = match_class(&truths, &found, &overlaps, overlap, size);
                ranked.n_truths += n_truths;
                let counted = outcomes.into_iter().zip(&found).filter(|(outcome, _)| *outcome != Outcome::NotCounted);
                ranked.verdicts.extend(counted.map(|(outcome, found)| (found.score, outcome == Outcome::Right)));
            }
        }
    }
    matched.iter_mut().flatten().for_each(Ranked::rank);
    let of_size = |i: usize| mean(matched[i].iter().filter_map(Ranked::average_precision));
    let [all, ..] = &matched;
    ClassResult {
        n_truths: matched.each_ref().map(|ranked| ranked[0].n_truths),
        precision: Precision {
            ap: of_size(0),
            ap50: all[0].average_precision(),
            ap75: all[5].average_precision(),
            small: of_size(1),
            medium: of_size(2),
            large: of_size(3),
            recall: mean(all.iter().filter_map(Ranked::recall)),
        },
        curve50: precision_at_recalls(&all[0]),
        verdicts: matched.into_iter().flatten().next().unwrap_or_default().verdicts,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_u32), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(bbox: [f64; 4]) -> Truth {
        Truth { class: 0, bbox, area: bbox[2] * bbox[3], crowd: false }
    }

    fn found(score: f64, bbox: [f64; 4]) -> Found {
        Found { class: 0, score, bbox }
    }

    /// 40 x 40 pixels: of medium size.
    const HERE: [f64; 4] = [10.0, 10.0, 40.0, 40.0];
    const THERE: [f64; 4] = [100.0, 10.0, 40.0, 40.0];
    const NOWHERE: [f64; 4] = [200.0, 200.0, 40.0, 40.0];

    #[track_caller]
    fn check(truths: &[Truth], detections: &[Found], ap50: Option<f64>) {
        let picture = Judged { truths: truths.to_vec(), found: detections.to_vec() };
        let result = evaluate(1, &[picture]).mean.ap50;
        let same = match (result, ap50) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-9,
            (a, b) => a == b,
        };
        assert!(same, "{result:?}, not {ap50:?}");
    }

    #[test]
    fn precision_is_averaged_over_101_recalls() {
        check(&[truth(HERE)], &[found(0.9, HERE)], Some(1.0));
        check(&[truth(HERE)], &[], Some(0.0));
        check(&[], &[found(0.9, HERE)], None);
        // Half of the labels at precision 1: the recalls 0, 0.01, ..., 0.5 are reached.
        check(&[truth(HERE), truth(THERE)], &[found(0.9, HERE)], Some(51.0 / 101.0));
        // A wrong one before the right one halves the precision at every recall.
        check(&[truth(HERE)], &[found(0.9, NOWHERE), found(0.8, HERE)], Some(0.5));
        check(&[truth(HERE)], &[found(0.9, HERE), found(0.8, NOWHERE)], Some(1.0));
    }

    #[test]
    fn a_second_detection_of_a_thing_is_wrong_but_not_in_a_crowd() {
        check(&[truth(HERE), truth(THERE)], &[found(0.9, HERE), found(0.8, HERE), found(0.7, THERE)], {
            // Precision 1 to recall 0.5, then 2/3.
            Some((51.0 + 50.0 * 2.0 / 3.0) / 101.0)
        });
        let crowd = Truth { crowd: true, ..truth([0.0, 0.0, 80.0, 80.0]) };
        check(&[truth(THERE), crowd], &[found(0.9, HERE), found(0.8, HERE), found(0.7, THERE)], Some(1.0));
    }

    #[test]
    fn sizes_are_judged_apart_and_other_sizes_do_not_count() {
        let large = [300.0, 300.0, 200.0, 200.0];
        let picture = Judged {
            truths: vec![truth(HERE), truth(large)],
            found: vec![found(0.9, large), found(0.8, HERE), found(0.7, NOWHERE)],
        };
        let evaluation = evaluate(1, &[picture]);
        let Precision { ap, small, medium, large, .. } = evaluation.mean;
        assert_eq!((ap, small, medium, large), (Some(1.0), None, Some(1.0), Some(1.0)));
        assert_eq!(evaluation.classes[0].n_truths, [2, 0, 1, 1]);
    }

    #[test]
    fn working_points_count_what_a_threshold_lets_through() {
        let picture =
            Judged { truths: vec![truth(HERE), truth(THERE)], found: vec![found(0.9, HERE), found(0.4, NOWHERE)] };
        let evaluation = evaluate(1, &[picture, Judged::default()]);
        let low = evaluation.at(0.3);
        assert_eq!((low.n_right, low.n_wrong), (1, 1));
        assert_eq!((low.precision, low.recall, low.wrong_per_picture), (Some(0.5), Some(0.5), 0.5));
        let high = evaluation.at(0.5);
        assert_eq!((high.precision, high.recall, high.wrong_per_picture), (Some(1.0), Some(0.5), 0.0));
        assert_eq!(evaluation.at(0.95).precision, None);
    }

    #[test]
    fn more_than_a_hundred_detections_do_not_count() {
        let mut detections = vec![found(0.5, NOWHERE); 100];
        detections.push(found(0.4, HERE));
        check(&[truth(HERE)], &detections, Some(0.0));
    }
}
