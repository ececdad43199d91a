//! One look: a decoded picture of a camera in, a [`Look`] for alerts out. Nothing here knows where pictures come from
//! or reads a clock, so a recording is looked at exactly as a live camera is.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use detect::{DetectConfig, DetectError, Detectors};
use domain::{CameraId, Frame, Look, LookSource};
use ingest::Occasion;

use crate::config::CameraConfig;

/// The models that look at the pictures of `camera`, the first of them leading.
fn models_of<'a>(config: &'a DetectConfig, camera: &'a CameraConfig) -> &'a [String] {
    camera.models.as_deref().filter(|models| !models.is_empty()).unwrap_or(std::slice::from_ref(&config.model))
}

/// Every model that some camera needs.
#[must_use]
pub fn models(config: &DetectConfig, cameras: &[CameraConfig]) -> BTreeSet<String> {
    cameras.iter().flat_map(|camera| models_of(config, camera)).cloned().collect()
}

/// What one thread needs to look.
pub struct Looker {
    detectors: Detectors,
    models: Arc<HashMap<CameraId, Vec<String>>>,
    /// The model of a camera that it was not loaded for, if some other camera has it.
    default: String,
}

impl Looker {
    /// Loads the models that `cameras` need, each with a session for each of `n` threads. Takes up to seconds: not for an
    /// async thread.
    ///
    /// # Errors
    /// When ONNX Runtime or a model cannot be used.
    pub fn load(config: &DetectConfig, cameras: &[CameraConfig], n: usize) -> Result<Vec<Self>, DetectError> {
        let of_camera = |camera: &CameraConfig| (camera.id.clone(), models_of(config, camera).to_vec());
        let by_camera: Arc<HashMap<_, _>> = Arc::new(cameras.iter().map(of_camera).collect());
        let looker = |detectors| Self { detectors, models: Arc::clone(&by_camera), default: config.model.clone() };
        Ok(Detectors::load(config, &models(config, cameras), n)?.into_iter().map(looker).collect())
    }

    /// Looks at one picture. `frame.sampled_at` is the scene's time, which may run faster than anybody's clock; `occasion`
    /// tells whether something is suspected there.
    ///
    /// # Errors
    /// When the camera's model is not loaded, the picture's planes do not hold what its size says, or the run fails. The looker stays usable.
    pub fn look(&mut self, frame: Frame, _occasion: Occasion) -> Result<Look, DetectError> {
        let models = self.models.get(&frame.camera).map_or(std::slice::from_ref(&self.default), Vec::as_slice);
        let detections = self.detectors.detect(models, &frame.picture)?;
        let model = self.detectors.model(&models[0]).expect("it has just run").clone();
        Ok(Look {
            camera: frame.camera.clone(),
            sampled_at: frame.sampled_at,
            detections,
            source: LookSource::Detector,
            model,
            frame,
        })
    }
}
