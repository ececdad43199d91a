//! One session of a model: a picture in, its detections out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{Detection, Label, ModelRef, Picture};
use metrics::{counter, histogram};

use crate::{
    DetectConfig, DetectError, Manifest, Model,
    batch::{Batch, Runs},
    candidate::{Candidate, best_of_each},
    decode::decode,
    manifest::{Input, Layout, NanodetTensors, Output},
    preprocess::Preprocessor,
    session::{self, Opened, Port, Session},
};

/// Most pictures in one run.
const MOST_IN_A_BATCH: usize = 64;

/// How long the parts of one look took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookTimes {
    /// Planes to input tensor.
    pub preprocess: Duration,
    /// The model's run.
    pub inference: Duration,
    /// Output tensors to detections.
    pub postprocess: Duration,
}

impl LookTimes {
    /// The whole look.
    #[must_use]
    pub fn total(self) -> Duration {
        self.preprocess + self.inference + self.postprocess
    }
}

/// One thread's way to a model, with its buffers. Several of them run side by side.
pub struct Detector {
    manifest: Arc<Manifest>,
    model: Arc<ModelRef>,
    runs: Runs,
    preprocessor: Preprocessor,
    /// Lowest score, as the model gives it.
    floor: f32,
    /// By class number: the class, its group, and the group's number.
    classes: Vec<(Label, Label)>,
    group: Vec<usize>,
    /// By class number: whether the class is asked for.
    taken: Vec<bool>,
    candidates: Vec<Candidate>,
}

impl Detector {
    /// Opens a session, compares its inputs and outputs with the manifest, and runs it once, so that the first look is
    /// as quick as the others. Takes up to seconds: not for an async thread.
    ///
    /// # Errors
    /// When ONNX Runtime, the provider or the weights cannot be used, or the weights differ from the manifest.
    pub fn new(model: &Model, config: &DetectConfig) -> Result<Self, DetectError> {
        Self::over(model, config, Runs::Alone(open(model, config, 1)?))
    }

    /// Detectors for `n` threads: with a session each, or with one session that runs their pictures together where the
    /// config asks for batches. Otherwise as [`Detector::new`].
    ///
    /// # Errors
    /// As [`Detector::new`], and when the weights cannot take so many pictures in one run.
    pub fn for_threads(model: &Model, config: &DetectConfig, n: usize) -> Result<Vec<Self>, DetectError> {
        let setting = |key, reason: &str| DetectError::Setting { key, reason: reason.to_owned() };
        match config.batch {
            1 => (0..n).map(|_| Self::new(model, config)).collect(),
            2..=MOST_IN_A_BATCH if (0..=1000).contains(&config.batch_wait.0) => {
                let session = open(model, config, config.batch)?;
                let wait = Duration::from_millis(config.batch_wait.0.unsigned_abs());
                let batch = Batch::new(model.manifest().name.clone(), session, config.batch, wait);
                (0..n).map(|_| Self::over(model, config, Runs::Together(batch.seat()))).collect()
            }
            2..=MOST_IN_A_BATCH => Err(setting("batch_wait", "must be from 0s to 1s")),
            _ => Err(setting("batch", "must be from 1 to 64")),
        }
    }

    fn over(model: &Model, config: &DetectConfig, runs: Runs) -> Result<Self, DetectError> {
        let manifest = model.shared_manifest();
        let taken = taken(&manifest, config.only.get(&manifest.name))?;
        let groups: Vec<Label> = manifest.classes.iter().map(|class| Label::new(&manifest.group_of(class))).collect();
        let number = |label: &Label| groups.iter().position(|g| g == label).expect("it is one of them");
        let mut detector = Self {
            runs,
            preprocessor: Preprocessor::new(&manifest.input),
            floor: manifest.calibration.undo(config.score_floor.max(manifest.score_floor)),
            group: groups.iter().map(number).collect(),
            classes: manifest.classes.iter().map(|class| Label::new(class)).zip(groups.iter().cloned()).collect(),
            taken,
            candidates: Vec::new(),
            model: Arc::new(model.reference()),
            manifest,
        };
        let (manifest, floor, found) = (&detector.manifest, detector.floor, &mut detector.candidates);
        let first = detector.runs.run(|outputs| decode(manifest, outputs, floor, found));
        first.map_err(|error| match error {
            DetectError::Inference { reason, .. } => {
                DetectError::BadWeights { at: manifest.line_of("weights"), path: manifest.weights.clone(), reason }
            }
            error => error,
        })?;
        Ok(detector)
    }

    /// The model that it runs.
    #[must_use]
    pub fn model(&self) -> &ModelRef {
        &self.model
    }

    /// Width and height of the model's input in pixels.
    pub(crate) fn input_size(&self) -> [u32; 2] {
        [self.manifest.input.width, self.manifest.input.height]
    }

    /// The overlap from which two boxes of one group are one thing to this model.
    pub(crate) fn nms_iou(&self) -> f32 {
        self.manifest.nms_iou
    }

    /// The detections on `picture`, best first, one for each thing: boxes relative to the picture and inside it, scores
    /// at or above the floor of config and manifest, of the classes that the config takes from this model.
    ///
    /// # Errors
    /// When the picture's planes do not hold what its size says, or the run fails. The detector stays usable.
    pub fn detect(&mut self, picture: &Picture) -> Result<Vec<Detection>, DetectError> {
        self.detect_timed(picture).map(|(detections, _)| detections)
    }

    /// The same as [`Detector::detect`], with what it took.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_timed(&mut self, picture: &Picture) -> Result<(Vec<Detection>, LookTimes), DetectError> {
        let outcome = self.look(picture);
        if outcome.is_err() {
            counter!("gridwatch_inference_errors_total").increment(1);
        }
        outcome
    }

    fn look(&mut self, picture: &Picture) -> Result<(Vec<Detection>, LookTimes), DetectError> {
        let begun = Instant::now();
        let content = self.preprocessor.fill(picture, self.runs.picture_mut())?;
        let filled = Instant::now();
        let (manifest, floor, found) = (&self.manifest, self.floor, &mut self.candidates);
        let inferred = self.runs.run(|outputs| {
            let inferred = Instant::now();
            decode(manifest, outputs, floor, found).map(|()| inferred)
        })?;
        found.retain(|candidate| self.taken[candidate.class]);
        let kept = best_of_each(found, &self.group, manifest.nms_iou, |bbox| content.to_picture(bbox));
        let detection = |(class, score, bbox): (usize, f32, _)| {
            let (class, group): &(Label, Label) = &self.classes[class];
            Detection {
                class: class.clone(),
                group: group.clone(),
                score: manifest.calibration.apply(score.min(1.0)),
                bbox,
                mask: None,
                model: Some(Arc::clone(&self.model)),
            }
        };
        let detections = kept.into_iter().map(detection).collect();
        let times =
            LookTimes { preprocess: filled - begun, inference: inferred - filled, postprocess: inferred.elapsed() };
        histogram!("gridwatch_preprocess_seconds").record(times.preprocess);
        histogram!("gridwatch_inference_seconds").record(times.inference);
        Ok((detections, times))
    }
}

/// Opens a session that takes `places` pictures in one run.
fn open(model: &Model, config: &DetectConfig, places: usize) -> Result<Session, DetectError> {
    let manifest = model.manifest();
    let opened = session::open(manifest, model.weights(), config)?;
    compare(manifest, &opened, places)?;
    let input = &manifest.input;
    let (w, h) = (input.width as usize, input.height as usize);
    let shape = match input.layout {
        Layout::Nchw => [places, 3, h, w],
        Layout::Nhwc => [places, h, w, 3],
    };
    let sizes = match &manifest.output {
        // Boxes come in the tensor's own pixels, like those of the other decoders.
        Output::Detr { sizes, .. } => Some((sizes.as_str(), [i64::from(input.width), i64::from(input.height)])),
        _ => None,
    };
    opened.into_session(&input.name, shape, sizes)
}

/// By class number whether it is asked for: all, or those that `only` names themselves or by their group.
fn taken(manifest: &Manifest, only: Option<&Vec<String>>) -> Result<Vec<bool>, DetectError> {
    let Some(only) = only else { return Ok(vec![true; manifest.classes.len()]) };
    let stands_for = |name: &String, class: &String| name == class || *name == manifest.group_of(class);
    if let Some(name) = only.iter().find(|name| !manifest.classes.iter().any(|class| stands_for(name, class))) {
        let model = manifest.name.clone();
        let groups = manifest.groups.keys().cloned().collect();
        return Err(DetectError::NotAGroup { model, name: name.clone(), groups });
    }
    Ok(manifest.classes.iter().map(|class| only.iter().any(|name| stands_for(name, class))).collect())
}

/// Compares what the weights declare with the manifest, as far as they declare it; the first run checks the rest.
fn compare(manifest: &Manifest, opened: &Opened, places: usize) -> Result<(), DetectError> {
    let input = &manifest.input;
    let (w, h, n) = (i64::from(input.width), i64::from(input.height), places as i64);
    if let Some(fixed) = fixed_batch(input, opened).filter(|fixed| places > 1 && *fixed != places) {
        let reason = format!(
            "is {places}, but the weights of model \"{}\" take {fixed} at a time; set it to {fixed}, or export them with a free \
             first dimension",
            manifest.name
        );
        return Err(DetectError::Setting { key: "batch", reason });
    }
    let shape = match input.layout {
        Layout::Nchw => [n, 3, h, w],
        Layout::Nhwc => [n, h, w, 3],
    };
    let mut wanted = vec![Wanted::new(Side::Input, "input.name", &input.name, "float32", shape)];
    match &manifest.output {
        Output::Detr { labels, boxes, scores, sizes } => {
            wanted.push(Wanted::new(Side::Input, "output.sizes", sizes, "int64", [n, 2]));
            wanted.push(Wanted::new(Side::Output, "output.labels", labels, "int64", [n, -1]));
            wanted.push(Wanted::new(Side::Output, "output.boxes", boxes, "float32", [n, -1, 4]));
            wanted.push(Wanted::new(Side::Output, "output.scores", scores, "float32", [n, -1]));
        }
        Output::Nanodet { tensors: NanodetTensors::Joined(name), .. }
        | Output::Yolox { name, .. }
        | Output::Yolov8 { name } => {
            wanted.push(Wanted::new(Side::Output, "output.name", name, "float32", [n, -1, -1]));
        }
        Output::Nanodet { tensors: NanodetTensors::ByStride { cls, reg }, .. } => {
            for (list, names) in [("output.cls", cls), ("output.reg", reg)] {
                wanted.extend(names.iter().enumerate().map(|(index, name)| {
                    Wanted::new(Side::Output, &format!("{list}.{index}"), name, "float32", [n, -1, -1])
                }));
            }
        }
    }
    let differ = |key: &str, place: String, manifest_says: String, weights: String| {
        let at = manifest.line_of(key);
        Err(DetectError::Interface { at, place, manifest: manifest_says, weights })
    };
    for want in &wanted {
        let (side, ports) = match want.side {
            Side::Input => ("input", &opened.inputs),
            Side::Output => ("output", &opened.outputs),
        };
        let place = format!("{side} \"{}\"", want.name);
        let Some(port) = ports.iter().find(|p| p.name == want.name) else {
            let names: Vec<_> = ports.iter().map(|p| format!("\"{}\"", p.name)).collect();
            return differ(&want.key, place, format!("an {side} of that name"), names.join(", "));
        };
        if port.dtype != want.dtype || !fits(&port.shape, &want.shape) {
            let picture = want.name == input.name && want.side == Side::Input;
            let key = if picture { key_of_misfit(input, &port.shape, &want.shape) } else { &want.key };
            return differ(key, place, described(want.dtype, &want.shape), described(&port.dtype, &port.shape));
        }
    }
    let known = |port: &&Port| wanted.iter().any(|want| want.side == Side::Input && want.name == port.name);
    match opened.inputs.iter().find(|port| !known(port)) {
        Some(extra) => {
            let (place, says) = (format!("input \"{}\"", extra.name), "no such input".to_owned());
            differ("output.decoder", place, says, described(&extra.dtype, &extra.shape))
        }
        None => Ok(()),
    }
}

/// How many pictures the weights take in one run, where they take one number only.
fn fixed_batch(input: &Input, opened: &Opened) -> Option<usize> {
    let port = opened.inputs.iter().find(|port| port.name == input.name)?;
    port.shape.first().and_then(|first| usize::try_from(*first).ok())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Input,
    Output,
}

/// A port that the manifest speaks of, and the manifest's key that does; -1 is a dimension that is not known yet.
struct Wanted<'a> {
    side: Side,
    key: String,
    name: &'a str,
    dtype: &'static str,
    shape: Vec<i64>,
}

impl<'a> Wanted<'a> {
    fn new<const N: usize>(side: Side, key: &str, name: &'a str, dtype: &'static str, shape: [i64; N]) -> Self {
        Self { side, key: key.to_owned(), name, dtype, shape: shape.into() }
    }
}

/// The key that makes the picture's tensor another than the one declared.
fn key_of_misfit(input: &Input, declared: &[i64], wanted: &[i64]) -> &'static str {
    let keys = match input.layout {
        Layout::Nchw => ["input.name", "input.layout", "input.height", "input.width"],
        Layout::Nhwc => ["input.name", "input.height", "input.width", "input.layout"],
    };
    let differs = |axis: &usize| declared.get(*axis).is_some_and(|d| *d >= 0 && *d != wanted[*axis]);
    // A misplaced channel axis explains all others.
    let by_weight = [keys.iter().position(|k| *k == "input.layout").unwrap_or(0), 2, 3, 1, 0];
    by_weight.iter().find(|axis| declared.len() == 4 && differs(axis)).map_or("input.name", |axis| keys[*axis])
}

/// Whether a declared shape allows the wanted one; -1 on either side stands for any size.
fn fits(declared: &[i64], wanted: &[i64]) -> bool {
    declared.len() == wanted.len() && declared.iter().zip(wanted).all(|(d, w)| *d < 0 || *w < 0 || d == w)
}

fn described(dtype: &str, shape: &[i64]) -> String {
    let sizes: Vec<_> = shape.iter().map(|n| if *n < 0 { "n".to_owned() } else { n.to_string() }).collect();
    format!("{dtype} [{}]", sizes.join(", "))
}
