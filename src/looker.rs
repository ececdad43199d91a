//! One look: a decoded picture of a camera in, a [`Look`] for alerts out. Nothing here knows where pictures come from
//! or reads a clock, so a recording is looked at exactly as a live camera is.

use detect::{DetectConfig, DetectError, Detector, Model};
use domain::{Frame, Look, LookSource, ModelRef};
use ingest::Occasion;
use tracing::info;

/// What one thread needs to look.
pub struct Looker {
    detector: Detector,
    model: ModelRef,
}

impl Looker {
    /// Loads the model, with a session for each of `n` threads. Takes up to seconds: not for an async thread.
    ///
    /// # Errors
    /// When ONNX Runtime or the model cannot be used.
    pub fn load(config: &DetectConfig, n: usize) -> Result<Vec<Self>, DetectError> {
        let runtime = detect::load_runtime(config)?;
        let model = Model::load(&config.models_dir, &config.model)?;
        let looker = |_| Ok(Self { detector: Detector::new(&model, config)?, model: model.reference() });
        let lookers = (0..n).map(looker).collect::<Result<_, DetectError>>()?;
        info!(model = %model.reference().name, sessions = n, onnxruntime = %runtime.version, "model loaded");
        Ok(lookers)
    }

    /// The model that runs.
    #[must_use]
    pub fn model(&self) -> &ModelRef {
        &self.model
    }

    /// Looks at one picture. `frame.sampled_at` is the scene's time, which may run faster than anybody's clock; `occasion`
    /// tells whether something is suspected there.
    ///
    /// # Errors
    /// When the picture's planes do not hold what its size says, or the run fails. The looker stays usable.
    pub fn look(&mut self, frame: Frame, _occasion: Occasion) -> Result<Look, DetectError> {
        let detections = self.detector.detect(&frame.picture)?;
        Ok(Look {
            camera: frame.camera.clone(),
            sampled_at: frame.sampled_at,
            detections,
            source: LookSource::Detector,
            model: self.model.clone(),
            frame,
        })
    }
}
