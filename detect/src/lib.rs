//! Decoded pictures in, detections out: model manifests, preprocessing, ONNX Runtime sessions, postprocessing.
//!
//! A [`Model`] is a folder with a `model.toml` that says all that is needed to run its weights, so that changing the
//! model is a config change. A [`Detector`] is one session of it, for one thread; it takes a decoder's 4:2:0 planes
//! straight to the input tensor and gives boxes relative to the picture, one per thing. [`Detectors`] are one thread's
//! models, where cameras need several. Nothing here knows a camera, a
//! zone or a ticket.

pub mod calibration;
pub mod catalog;
pub mod closeup;
pub mod coco;
pub mod config;
pub mod detector;
pub mod detectors;
pub mod error;
pub mod eval;
pub mod health;
pub mod manifest;
pub mod model;
pub mod runtime;
pub mod scene;

mod batch;
mod bits;
mod candidate;
mod decode;
mod fetch;
mod place;
mod preprocess;
mod region;
mod resample;
mod session;

pub use calibration::Calibration;
pub use closeup::CloseUps;
pub use config::{DetectConfig, Fallback, GateConfig, HealthConfig, Precision, Provider, SceneConfig, StandingConfig};
pub use detector::{Detector, LookTimes};
pub use detectors::Detectors;
pub use error::DetectError;
pub use health::{Gauge, Health};
pub use manifest::Manifest;
pub use model::Model;
pub use place::ManifestLine;
pub use region::Manner;
pub use runtime::{RuntimeInfo, load_runtime};
pub use scene::{Scene, Scratch};

/// Describes this crate's metrics to the recorder; call once, after it is installed.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_histogram!("gridwatch_preprocess_seconds", Unit::Seconds, "decoded planes to input tensor, one look");
    describe_histogram!(
        "gridwatch_inference_seconds",
        Unit::Seconds,
        "one run of the model, one look; in batches with the wait for others"
    );
    describe_counter!("gridwatch_batch_runs_total", "runs that the looks of several threads shared");
    describe_counter!("gridwatch_batch_pictures_total", "pictures in them: with runs, how full they are");
    describe_gauge!("gridwatch_provider_fallback", "1 where models run on the CPU because the provider cannot be had");
    describe_counter!(
        "gridwatch_close_ups_total",
        "zones, tiles of them, and what stands there, looked at by themselves"
    );
    describe_counter!("gridwatch_gate_looks_total", "looks by what the change gate found; unchanged ones ran no model");
    describe_counter!("gridwatch_scene_relearned_total", "scenes that were learnt anew because the view changed");
    describe_counter!("gridwatch_inference_errors_total", "looks whose picture could not be detected on");
}
