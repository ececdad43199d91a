//! A model judged on labelled pictures: it runs as it runs in production, but for its score floor, and what it finds is
//! compared with the labels.

mod classes;
mod curve;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail};
use detect::{
    DetectConfig, DetectError, Detector, Model,
    eval::{self, Evaluation, Found, Judged},
};
use domain::Picture;
use serde::Serialize;

pub use classes::{ClassMap, Merging, Renaming};
pub use curve::svg;

use crate::{
    dataset::{Dataset, Fault},
    still,
};

/// Detections below this score are not looked at: they only make the long tail of the curve.
const SCORE_FLOOR: f32 = 0.01;

/// The thresholds of the table of working points.
const THRESHOLDS: [f64; 10] = [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// How good a model is on a dataset.
#[derive(Debug)]
pub struct Report {
    /// The evaluated classes, by the numbers of `evaluation`.
    pub names: Vec<String>,
    /// Classes of the dataset that the model does not know; their labels were left out.
    pub left_out: Vec<String>,
    /// Pictures that were looked at.
    pub n_pictures: usize,
    /// Those of them without a label file.
    pub n_unlabelled: usize,
    /// The averages.
    pub evaluation: Evaluation,
    /// How long the looks took, quickest first.
    pub looks: Vec<Duration>,
    /// Pictures and labels that could not be used.
    pub faults: Vec<Fault>,
    /// What was found, picture by picture.
    pub found: Vec<PictureFound>,
}

/// What was found on one picture.
#[derive(Debug)]
pub struct PictureFound {
    /// The dataset's number of it.
    pub id: i64,
    /// The detections, in pixels of the picture; classes number [`Report::names`].
    pub found: Vec<Found>,
}

/// Runs `model` over `dataset`. `progress` is told how many pictures are done. Takes minutes: not for an async thread.
///
/// # Errors
/// When no class of the dataset is one of the model's, no picture can be read, or the model cannot be run.
pub fn run(
    model: &Model,
    config: &DetectConfig,
    dataset: Dataset,
    classes: &ClassMap,
    mut progress: impl FnMut(usize),
) -> anyhow::Result<Report> {
    let measured = model.for_measuring(SCORE_FLOOR, |group| classes.names.iter().any(|name| name == group));
    let config = DetectConfig { score_floor: SCORE_FLOOR, ..config.clone() };
    let mut detector = Detector::new(&measured, &config)?;
    let Dataset { pictures, n_unlabelled, mut faults, .. } = dataset;
    let (mut judged, mut found_by_picture, mut looks) = (Vec::new(), Vec::new(), Vec::new());
    for (n_done, labelled) in (1..).zip(&pictures) {
        let mut fault = |reason: String| {
            faults.push(Fault { place: labelled.path.display().to_string(), reason });
        };
        let outcome = still::read(&labelled.path).map_err(|error| format!("{error:#}")).and_then(|picture| {
            Ok((labelled.truths([picture.width, picture.height], |c| classes.number(c))?, picture))
        });
        match outcome {
            Ok((truths, picture)) => match detector.detect_timed(&picture) {
                Ok((detections, times)) => {
                    looks.push(times.total());
                    let found: Vec<Found> = detections.iter().filter_map(|d| in_pixels(d, classes, &picture)).collect();
                    found_by_picture.push(PictureFound { id: labelled.id, found: found.clone() });
                    judged.push(Judged { truths, found });
                }
                Err(error @ DetectError::Picture { .. }) => fault(error.to_string()),
                Err(error) => return Err(error).with_context(|| labelled.path.display().to_string()),
            },
            Err(reason) => fault(reason),
        }
        progress(n_done);
    }
    if judged.is_empty() {
        let why = faults.last().map(|f| format!("; {}: {}", f.place, f.reason)).unwrap_or_default();
        bail!("none of {} pictures can be used{why}", pictures.len());
    }
    looks.sort_unstable();
    Ok(Report {
        names: classes.names.clone(),
        left_out: classes.left_out.clone(),
        n_pictures: judged.len(),
        n_unlabelled,
        evaluation: eval::evaluate(classes.names.len(), &judged),
        looks,
        faults,
        found: found_by_picture,
    })
}

/// A detection as COCO writes it; none of a class that is not evaluated.
fn in_pixels(detection: &domain::Detection, classes: &ClassMap, picture: &Picture) -> Option<Found> {
    let class = classes.names.iter().position(|name| name == detection.group.as_str())?;
    let (w, h, r) = (f64::from(picture.width), f64::from(picture.height), detection.bbox);
    let [x0, y0, x1, y1] = [r.x0, r.y0, r.x1, r.y1].map(f64::from);
    Some(Found { class, score: f64::from(detection.score), bbox: [x0 * w, y0 * h, (x1 - x0) * w, (y1 - y0) * h] })
}

/// The value below which `share` of `sorted` lies; zero where there is none.
#[must_use]
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// A detection in COCO's form of results.
#[derive(Debug, Serialize)]
pub struct CocoResult {
    image_id: i64,
    category_id: i64,
    /// Left, top, width, height in pixels.
    bbox: [f64; 4],
    score: f64,
}

/// The report as `--json` writes it. Averages are 0 to 1; null where no label counts.
#[derive(Debug, Serialize)]
pub struct ReportJson {
    model: String,
    sha256: String,
    dataset: String,
    n_pictures: usize,
    n_unlabelled_pictures: usize,
    n_labels: usize,
    classes_left_out: Vec<String>,
    mean: PrecisionJson,
    classes: Vec<ClassJson>,
    working_points: Vec<WorkingPointJson>,
    look_ms: LookJson,
    faults: Vec<String>,
}

#[derive(Debug, Serialize)]
struct PrecisionJson {
    ap: Option<f64>,
    ap50: Option<f64>,
    ap75: Option<f64>,
    ap_small: Option<f64>,
    ap_medium: Option<f64>,
    ap_large: Option<f64>,
    recall: Option<f64>,
}

#[derive(Debug, Serialize)]
struct ClassJson {
    name: String,
    n_labels: usize,
    #[serde(flatten)]
    precision: PrecisionJson,
    /// Precision at overlap 0.50 at recalls 0, 0.01, ..., 1.
    precision_by_recall: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct WorkingPointJson {
    score: f64,
    precision: Option<f64>,
    recall: Option<f64>,
    n_right: usize,
    n_wrong: usize,
    wrong_per_picture: f64,
}

#[derive(Debug, Serialize)]
struct LookJson {
    median: f64,
    p95: f64,
}

impl From<eval::Precision> for PrecisionJson {
    fn from(p: eval::Precision) -> Self {
        Self {
            ap: p.ap,
            ap50: p.ap50,
            ap75: p.ap75,
            ap_small: p.small,
            ap_medium: p.medium,
            ap_large: p.large,
            recall: p.recall,
        }
    }
}

impl Report {
    /// What each threshold of the table gives.
    pub fn working_points(&self) -> impl Iterator<Item = eval::WorkingPoint> {
        THRESHOLDS.iter().map(|score| self.evaluation.at(*score))
    }

    /// Labels that count.
    #[must_use]
    pub fn n_labels(&self) -> usize {
        self.evaluation.classes.iter().map(|class| class.n_truths[0]).sum()
    }

    /// What was found, for other tools; `ids` are the dataset's numbers of the evaluated classes.
    #[must_use]
    pub fn coco_results(&self, ids: &[Option<i64>]) -> Vec<CocoResult> {
        let on_picture = |picture: &PictureFound| {
            let image_id = picture.id;
            let result = move |found: &Found| {
                let category_id = ids.get(found.class).copied().flatten()?;
                Some(CocoResult { image_id, category_id, bbox: found.bbox, score: found.score })
            };
            picture.found.iter().filter_map(result).collect::<Vec<_>>()
        };
        self.found.iter().flat_map(on_picture).collect()
    }

    /// The report for programs.
    #[must_use]
    pub fn json(&self, model: &Model, dataset: &Path) -> ReportJson {
        let class = |(name, class): (&String, &eval::ClassResult)| ClassJson {
            name: name.clone(),
            n_labels: class.n_truths[0],
            precision: class.precision.into(),
            precision_by_recall: class.curve50.to_vec(),
        };
        let working_point = |point: eval::WorkingPoint| WorkingPointJson {
            score: point.score,
            precision: point.precision,
            recall: point.recall,
            n_right: point.n_right,
            n_wrong: point.n_wrong,
            wrong_per_picture: point.wrong_per_picture,
        };
        let ms = |share| percentile(&self.looks, share).as_secs_f64() * 1e3;
        ReportJson {
            model: model.manifest().name.clone(),
            sha256: model.reference().sha256.to_string(),
            dataset: dataset.display().to_string(),
            n_pictures: self.n_pictures,
            n_unlabelled_pictures: self.n_unlabelled,
            n_labels: self.n_labels(),
            classes_left_out: self.left_out.clone(),
            mean: self.evaluation.mean.into(),
            classes: self.names.iter().zip(&self.evaluation.classes).map(class).collect(),
            working_points: self.working_points().map(working_point).collect(),
            look_ms: LookJson { median: ms(0.5), p95: ms(0.95) },
            faults: self.faults.iter().map(|f| format!("{}: {}", f.place, f.reason)).collect(),
        }
    }
}
