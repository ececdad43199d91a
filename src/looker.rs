//! One look: a decoded picture of a camera in, a [`Look`] for alerts out. Nothing here knows where pictures come from
//! or reads a clock, so a recording is looked at exactly as a live camera is.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use alerts::incident::Zone;
use detect::{
    CloseUps, DetectConfig, DetectError, Detectors, Sampler, Scene, SceneConfig,
    scene::{Need, Outcome, Seen},
};
use domain::{CameraId, Frame, Look, LookSource};
use ingest::Occasion;
use metrics::counter;
use tracing::info;

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
    sampler: Sampler,
    cameras: Arc<HashMap<CameraId, Sight>>,
}

/// How a camera is looked at, and what is known of its view by whichever thread looked last. The lock is held during a
/// look, of which a camera has one at a time.
struct Sight {
    models: Vec<String>,
    scene: SceneConfig,
    view: Mutex<View>,
}

struct View {
    close_ups: CloseUps,
    scene: Scene,
}

impl Sight {
    fn new(config: &DetectConfig, camera: &CameraConfig) -> Self {
        let close_up = |zone: &Zone| Some((zone.polygon.clone(), *camera.close_ups.get(&zone.id)?));
        let zones = camera.zones.iter().filter_map(close_up).collect();
        let close_ups = CloseUps::new(zones, config.close_ups_per_look);
        let view = View { close_ups, scene: Scene::new(config.scene()) };
        Self { models: models_of(config, camera).to_vec(), scene: config.scene(), view: Mutex::new(view) }
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(|poisoned| {
            // Half a look may be in the scene; what a panic left of the close-ups is no worse than what the last look did.
            self.view.clear_poison();
            let mut view = poisoned.into_inner();
            view.scene = Scene::new(self.scene.clone());
            view
        })
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
        let looker = |detectors| Self { detectors, sampler: Sampler::default(), cameras: Arc::clone(&sights) };
        Ok(Detectors::load(config, &models(config, cameras), n)?.into_iter().map(looker).collect())
    }

    /// Looks at one picture. `frame.sampled_at` is the scene's time, which may run faster than anybody's clock; `occasion`
    /// tells whether something is suspected there: then the models run, else only where something changed. The lookers of
    /// one [`Looker::load`] know what each of them has seen.
    ///
    /// # Errors
    /// When the camera is none of those that it was loaded for, the picture's planes do not hold what its size says, or a
    /// run fails. The looker stays usable.
    pub fn look(&mut self, frame: Frame, occasion: Occasion) -> Result<Look, DetectError> {
        let Some(sight) = self.cameras.get(&frame.camera) else {
            return Err(DetectError::UnknownCamera { camera: frame.camera });
        };
        let mut view = sight.lock();
        let View { close_ups, scene } = &mut *view;
        let need = match occasion {
            Occasion::Suspected | Occasion::Asked => Need::Always,
            Occasion::Routine if close_ups.are_owed() => Need::Finish,
            Occasion::Routine => Need::IfChanged,
        };
        let (detectors, models) = (&mut self.detectors, &sight.models);
        let Seen { detections, outcome, relearn } =
            scene.look(&frame.picture, frame.sampled_at, need, &mut self.sampler, |picture, why| {
                close_ups.look(detectors, models, picture, why != Outcome::Unfinished)
            })?;
        drop(view);
        counter!("gridwatch_gate_looks_total", "outcome" => outcome.as_str()).increment(1);
        if let Some(relearn) = relearn {
            counter!("gridwatch_scene_relearned_total", "reason" => relearn.as_str()).increment(1);
            info!(camera = %frame.camera, reason = relearn.as_str(), "the view is another one and is learnt anew");
        }
        let model = self.detectors.model(&models[0]).expect("it was loaded").clone();
        Ok(Look {
            camera: frame.camera.clone(),
            sampled_at: frame.sampled_at,
            detections,
            source: if outcome == Outcome::Unchanged { LookSource::Unchanged } else { LookSource::Detector },
            model,
            frame,
        })
    }
}
