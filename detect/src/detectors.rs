//! One thread's open models, and one answer from those that look at a camera.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Detection, ModelRef, Picture};

use crate::{DetectConfig, DetectError, Detector, Model};

/// The open models of one thread, however many cameras a model looks at.
pub struct Detectors(BTreeMap<String, Detector>);

impl Detectors {
    /// Opens each of the models `names` for each of `n` threads: once for each, or once for all where the config asks for
    /// batches. Takes up to seconds: not for an async thread.
    ///
    /// # Errors
    /// When ONNX Runtime or one of the models cannot be used.
    pub fn load(config: &DetectConfig, names: &BTreeSet<String>, n: usize) -> Result<Vec<Self>, DetectError> {
        let runtime = crate::load_runtime(config)?;
        let mut threads: Vec<_> = (0..n).map(|_| Self(BTreeMap::new())).collect();
        for name in names {
            let model = Model::load(&config.models_dir, name)?;
            for (thread, detector) in threads.iter_mut().zip(Detector::for_threads(&model, config, n)?) {
                thread.0.insert(name.clone(), detector);
            }
            let sessions = if config.batch > 1 { 1 } else { n };
            tracing::info!(model = %name, sessions, batch = config.batch, onnxruntime = %runtime.version, "model loaded");
        }
        Ok(threads)
    }

    /// The reference of model `name`, if it is open.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&ModelRef> {
        self.0.get(name).map(Detector::model)
    }

    /// Width and height of the input of model `name` in pixels, if it is open.
    #[must_use]
    pub fn input_size(&self, name: &str) -> Option<[u32; 2]> {
        self.0.get(name).map(Detector::input_size)
    }

    /// What the models `names` find on `picture`, best first, one detection for each thing: where two models see one
    /// thing of one group, the better score stands. Boxes and scores are those of [`Detector::detect`].
    ///
    /// # Errors
    /// When one of them is not open, the picture's planes do not hold what its size says, or a run fails. The detectors
    /// stay usable.
    pub fn detect(&mut self, names: &[String], picture: &Picture) -> Result<Vec<Detection>, DetectError> {
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let detector = self.0.get_mut(name).ok_or_else(|| DetectError::NotLoaded { model: name.clone() })?;
            found.push(Found { detections: detector.detect(picture)?, max_iou: detector.nms_iou() });
        }
        Ok(one_for_each_thing(found))
    }
}

/// What one model found: one detection for each thing, best first.
struct Found {
    detections: Vec<Detection>,
    /// Two boxes of one group that overlap by more are one thing.
    max_iou: f32,
}

/// Of the detections that several models made of one thing, the best; best first. A model has done so among its own.
fn one_for_each_thing(mut found: Vec<Found>) -> Vec<Detection> {
    if let [only] = found.as_mut_slice() {
        return std::mem::take(&mut only.detections);
    }
    let limits: Vec<f32> = found.iter().map(|f| f.max_iou).collect();
    let of_model = |(model, f): (usize, Found)| f.detections.into_iter().map(move |d| (model, d));
    let mut all: Vec<(usize, Detection)> = found.into_iter().enumerate().flat_map(of_model).collect();
    all.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score));
    let mut kept: Vec<(usize, Detection)> = Vec::with_capacity(all.len());
    for (model, detection) in all {
        let same = |(other, better): &(usize, Detection)| {
            *other != model
                && better.group == detection.group
                && better.bbox.iou(detection.bbox) > limits[model].min(limits[*other])
        };
        if !kept.iter().any(same) {
            kept.push((model, detection));
        }
    }
    kept.into_iter().map(|(_, detection)| detection).collect()
}

#[cfg(test)]
mod tests {
    use domain::Label;

    use super::*;

    const HERE: [f32; 4] = [0.1, 0.1, 0.5, 0.5];
    const NEARLY: [f32; 4] = [0.1, 0.1, 0.5, 0.52];
    const THERE: [f32; 4] = [0.6, 0.6, 0.9, 0.9];

    /// By model the group, score and box of what it found; the groups and scores that remain.
    #[track_caller]
    fn check(found: &[&[(&str, f32, [f32; 4])]], expect: &[(&str, f32)]) {
        let detection = |&(group, score, bbox): &(&str, f32, [f32; 4])| Detection {
            class: Label::new(group),
            group: Label::new(group),
            score,
            bbox: bbox.into(),
            mask: None,
            model: None,
        };
        let list = |list: &&[_]| Found { detections: list.iter().map(detection).collect(), max_iou: 0.6 };
        let kept = one_for_each_thing(found.iter().map(list).collect());
        assert_eq!(kept.iter().map(|d| (d.group.as_str(), d.score)).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn one_thing_seen_by_two_models_is_one_detection() {
        check(&[&[("vehicle", 0.8, HERE)], &[("vehicle", 0.9, NEARLY)]], &[("vehicle", 0.9)]);
        check(&[&[("vehicle", 0.8, HERE)], &[("vehicle", 0.9, THERE)]], &[("vehicle", 0.9), ("vehicle", 0.8)]);
        check(&[&[("vehicle", 0.8, HERE)], &[("garbage", 0.9, NEARLY)]], &[("garbage", 0.9), ("vehicle", 0.8)]);
    }

    #[test]
    fn what_one_model_took_for_two_things_stays_two() {
        check(&[&[("person", 0.8, HERE), ("person", 0.7, NEARLY)], &[]], &[("person", 0.8), ("person", 0.7)]);
        check(&[&[("person", 0.8, HERE), ("person", 0.7, NEARLY)]], &[("person", 0.8), ("person", 0.7)]);
    }
}
