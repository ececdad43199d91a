//! One session of a model: a picture in, its detections out.

use std::{sync::Arc, time::Instant};

use domain::{Detection, Label, Picture};
use metrics::{counter, histogram};

use crate::{
    DetectConfig, DetectError, Manifest, Model,
    candidate::{Candidate, best_of_each},
    decode::decode,
    manifest::{Layout, NanodetTensors, Output},
    preprocess::Preprocessor,
    session::{self, Opened, Port, Session},
};

/// One session with its buffers, for one thread. Several of them run side by side.
pub struct Detector {
    manifest: Arc<Manifest>,
    session: Session,
    preprocessor: Preprocessor,
    floor: f32,
    /// By class number: the class, its group, and the group's number.
    classes: Vec<(Label, Label)>,
    group: Vec<usize>,
    candidates: Vec<Candidate>,
}

impl Detector {
    /// Opens a session, compares its inputs and outputs with the manifest, and runs it once, so that the first look is
    /// as quick as the others. Takes up to seconds: not for an async thread.
    ///
    /// # Errors
    /// When ONNX Runtime, the provider or the weights cannot be used, or the weights differ from the manifest.
    pub fn new(model: &Model, config: &DetectConfig) -> Result<Self, DetectError> {
        let manifest = model.shared_manifest();
        let opened = session::open(&manifest.name, model.weights(), &manifest.weights, config)?;
        compare(&manifest, &opened)?;
        let input = &manifest.input;
        let (w, h) = (input.width as usize, input.height as usize);
        let shape = match input.layout {
            Layout::Nchw => [1, 3, h, w],
            Layout::Nhwc => [1, h, w, 3],
        };
        let sizes = match &manifest.output {
            // Boxes come in the tensor's own pixels, like those of the other decoders.
            Output::Detr { sizes, .. } => Some((sizes.as_str(), [i64::from(input.width), i64::from(input.height)])),
            _ => None,
        };
        let groups: Vec<Label> = manifest.classes.iter().map(|class| Label::new(&manifest.group_of(class))).collect();
        let number = |label: &Label| groups.iter().position(|g| g == label).expect("it is one of them");
        let mut detector = Self {
            session: opened.into_session(&input.name, shape, sizes)?,
            preprocessor: Preprocessor::new(input),
            floor: config.score_floor.max(manifest.score_floor),
            group: groups.iter().map(number).collect(),
            classes: manifest.classes.iter().map(|class| Label::new(class)).zip(groups.iter().cloned()).collect(),
            candidates: Vec::new(),
            manifest,
        };
        let (manifest, floor, found) = (&detector.manifest, detector.floor, &mut detector.candidates);
        detector.session.run(|outputs| decode(manifest, outputs, floor, found))?;
        Ok(detector)
    }

    /// The detections on `picture`, best first, one for each thing: boxes relative to the picture and inside it, scores
    /// at or above the floor of config and manifest.
    ///
    /// # Errors
    /// When the picture's planes do not hold what its size says, or the run fails. The detector stays usable.
    pub fn detect(&mut self, picture: &Picture) -> Result<Vec<Detection>, DetectError> {
        let outcome = self.look(picture);
        if outcome.is_err() {
            counter!("gridwatch_inference_errors_total").increment(1);
        }
        outcome
    }

    fn look(&mut self, picture: &Picture) -> Result<Vec<Detection>, DetectError> {
        let begun = Instant::now();
        let content = self.preprocessor.fill(picture, self.session.picture_mut())?;
        let filled = Instant::now();
        histogram!("gridwatch_preprocess_seconds").record(filled - begun);
        let (manifest, floor, found) = (&self.manifest, self.floor, &mut self.candidates);
        self.session.run(|outputs| {
            histogram!("gridwatch_inference_seconds").record(filled.elapsed());
            decode(manifest, outputs, floor, found)
        })?;
        let kept = best_of_each(found, &self.group, manifest.nms_iou, |bbox| content.to_picture(bbox));
        let detection = |(class, score, bbox): (usize, f32, _)| {
            let (class, group): &(Label, Label) = &self.classes[class];
            Detection { class: class.clone(), group: group.clone(), score: score.min(1.0), bbox, mask: None }
        };
        Ok(kept.into_iter().map(detection).collect())
    }
}

/// Compares what the weights declare with the manifest, as far as they declare it; the first run checks the rest.
fn compare(manifest: &Manifest, opened: &Opened) -> Result<(), DetectError> {
    let input = &manifest.input;
    let (w, h) = (i64::from(input.width), i64::from(input.height));
    let shape = match input.layout {
        Layout::Nchw => [1, 3, h, w],
        Layout::Nhwc => [1, h, w, 3],
    };
    let mut wanted = vec![("input", input.name.as_str(), "float32", shape.to_vec())];
    match &manifest.output {
        Output::Detr { labels, boxes, scores, sizes } => {
            wanted.push(("input", sizes, "int64", vec![1, 2]));
            wanted.push(("output", labels, "int64", vec![1, -1]));
            wanted.push(("output", boxes, "float32", vec![1, -1, 4]));
            wanted.push(("output", scores, "float32", vec![1, -1]));
        }
        Output::Nanodet { tensors: NanodetTensors::Joined(name), .. }
        | Output::Yolox { name, .. }
        | Output::Yolov8 { name } => wanted.push(("output", name, "float32", vec![1, -1, -1])),
        Output::Nanodet { tensors: NanodetTensors::ByStride { cls, reg }, .. } => {
            wanted.extend(cls.iter().chain(reg).map(|name| ("output", name.as_str(), "float32", vec![1, -1, -1])));
        }
    }
    let differ = |place: String, manifest_says: String, weights: String| {
        let model = manifest.name.clone();
        Err(DetectError::Interface { model, place, manifest: manifest_says, weights })
    };
    for (direction, name, dtype, shape) in &wanted {
        let ports = if *direction == "input" { &opened.inputs } else { &opened.outputs };
        let place = format!("{direction} \"{name}\"");
        let Some(port) = ports.iter().find(|p| p.name == *name) else {
            let names: Vec<_> = ports.iter().map(|p| format!("\"{}\"", p.name)).collect();
            return differ(place, format!("an {direction} of that name"), names.join(", "));
        };
        if port.dtype != *dtype || !fits(&port.shape, shape) {
            return differ(place, described(dtype, shape), described(&port.dtype, &port.shape));
        }
    }
    let known = |port: &&Port| wanted.iter().any(|(direction, name, ..)| *direction == "input" && *name == port.name);
    match opened.inputs.iter().find(|port| !known(port)) {
        Some(extra) => {
            let says = "no such input".to_owned();
            differ(format!("input \"{}\"", extra.name), says, described(&extra.dtype, &extra.shape))
        }
        None => Ok(()),
    }
}

/// Whether a declared shape allows the wanted one; -1 on either side stands for any size.
fn fits(declared: &[i64], wanted: &[i64]) -> bool {
    declared.len() == wanted.len() && declared.iter().zip(wanted).all(|(d, w)| *d < 0 || *w < 0 || d == w)
}

fn described(dtype: &str, shape: &[i64]) -> String {
    let sizes: Vec<_> = shape.iter().map(|n| if *n < 0 { "n".to_owned() } else { n.to_string() }).collect();
    format!("{dtype} [{}]", sizes.join(", "))
}
