//! One look: a decoded picture of a camera in, a [`Look`] for alerts out. Nothing here knows where pictures come from
//! or reads a clock, so a recording is looked at exactly as a live camera is.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use alerts::incident::Zone;
use detect::{CloseUps, DetectConfig, DetectError, Detectors};
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
    cameras: Arc<HashMap<CameraId, Sight>>,
}

/// How a camera is looked at. Its lock is held during a look, of which a camera has one at a time.
struct Sight {
    models: Vec<String>,
    close_ups: Mutex<CloseUps>,
}

impl Sight {
    fn new(config: &DetectConfig, camera: &CameraConfig) -> Self {
        let close_up = |zone: &Zone| Some((zone.polygon.clone(), *camera.close_ups.get(&zone.id)?));
        let zones = camera.zones.iter().filter_map(close_up).collect();
        let close_ups = Mutex::new(CloseUps::new(zones, config.close_ups_per_look));
        Self { models: models_of(config, camera).to_vec(), close_ups }
    }
}

impl Looker {
    /// Loads the models that `cameras` need, each with a session for each of `n` threads. Takes up to seconds: not for an
    /// async thread.
    ///
    /// # Errors
    /// When ONNX Runtime or a model cannot be used.
    pub fn load(config: &DetectConfig, cameras: &[CameraConfig], n: usize) -> Result<Vec<Self>, DetectError> {
        let sight = |camera: &CameraConfig| (camera.id.clone(), Sight::new(config, camera));
        let sights: Arc<HashMap<_, _>> = Arc::new(cameras.iter().map(sight).collect());
        let looker = |detectors| Self { detectors, cameras: Arc::clone(&sights) };
        Ok(Detectors::load(config, &models(config, cameras), n)?.into_iter().map(looker).collect())
    }

    /// Looks at one picture. `frame.sampled_at` is the scene's time, which may run faster than anybody's clock; `occasion`
    /// tells whether something is suspected there.
    ///
    /// # Errors
    /// When the camera is none of those that it was loaded for, the picture's planes do not hold what its size says, or a
    /// run fails. The looker stays usable.
    pub fn look(&mut self, frame: Frame, _occasion: Occasion) -> Result<Look, DetectError> {
        let Some(Sight { models, close_ups }) = self.cameras.get(&frame.camera) else {
            return Err(DetectError::UnknownCamera { camera: frame.camera });
        };
        // What a panic left is no worse than what the last look did.
        let mut close_ups = close_ups.lock().unwrap_or_else(PoisonError::into_inner);
        let detections = close_ups.look(&mut self.detectors, models, &frame.picture, true)?;
        drop(close_ups);
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
