//! The `[detect]` section of the configuration.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use domain::Millis;
use serde::{Deserialize, Serialize};

/// Which model looks at the pictures, and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectConfig {
    /// The model of all cameras that name none: a folder in `models_dir`. Default `"nanodet-g-int8"`, and `"nanodet-g"` on a
    /// processor without VNNI; both ship with gridwatch.
    pub model: String,
    /// The model that looks as well at cameras that name none and have a zone for garbage (a garbage point, a bin), and at what
    /// stands in the zones of others; empty is none. Default `"garbage"`, which ships with gridwatch.
    pub garbage_model: String,
    /// By model: the groups or classes that are taken from it. Default: all.
    pub only: BTreeMap<String, Vec<String>>,
    /// Folder of models. A relative path is looked for in the working directory, then beside and above the
    /// executable. Default `"models"`.
    pub models_dir: PathBuf,
    /// The ONNX Runtime library (`libonnxruntime.so`), or the folder that holds it. Default: where `deploy/setup.sh`
    /// puts it, then the system's library folders.
    pub onnxruntime: Option<PathBuf>,
    /// What runs the model: `"cpu"`, `"cuda"`, `"tensorrt"` or `"openvino"`; all but `"cpu"` need an ONNX Runtime
    /// built with that provider, named by `onnxruntime`. Default `"cpu"`.
    pub provider: Provider,
    /// Which device of the provider: a GPU's number (`"0"`) with CUDA and TensorRT, the device's name (`"CPU"`, `"GPU.1"`,
    /// `"NPU"`) with OpenVINO. Default: the provider's own.
    pub device: Option<String>,
    /// What the model is calculated in. Default `"fp32"`.
    pub precision: Precision,
    /// Folder where TensorRT and OpenVINO keep the model as they compiled it, so that the next start does not compile
    /// it again. Default: none.
    pub engine_cache: Option<PathBuf>,
    /// What to do where the provider cannot be had. Default `"none"`: stop with an error.
    pub fallback: Fallback,
    /// Pictures of different cameras in one run, 1 to 64: what a GPU wants. Weights must have a free first dimension, or one
    /// of this size. Default 1: each look worker runs alone.
    pub batch: usize,
    /// How long a picture waits at most for others to fill the run, up to a second; longer only while the run before is
    /// under way. Default 10 ms.
    pub batch_wait: Millis,
    /// Threads inside one session. Default 1: on a CPU, one session a core beats one session on all cores.
    pub threads_per_session: usize,
    /// Most close-ups (zones, or tiles of them, looked at by themselves) in one look, by each of the camera's models.
    /// Default 2.
    pub close_ups_per_look: usize,
    /// Lowest score of a detection, 0 to 1; a model's own `score_floor` counts where it is higher. Default 0.2.
    pub score_floor: f32,
    /// When the detector may be spared.
    pub gate: GateConfig,
    /// What is told beside the model's detections.
    pub standing: StandingConfig,
    /// When a camera's pictures are held to be unfit.
    pub health: HealthConfig,
}

impl DetectConfig {
    /// What scenes go by.
    #[must_use]
    pub fn scene(&self) -> SceneConfig {
        SceneConfig { gate: self.gate.clone(), standing: self.standing.clone() }
    }
}

/// What a scene goes by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SceneConfig {
    /// When the detector may be spared.
    pub gate: GateConfig,
    /// What is told beside the model's detections.
    pub standing: StandingConfig,
}

/// The change gate: no inference where nothing has changed since the last one and nothing is suspected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateConfig {
    /// Whether there is one. Default true.
    pub enabled: bool,
    /// The detector runs at least so often, whatever has changed. Default 5 minutes.
    pub full_look_every: Millis,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { enabled: true, full_look_every: Millis::mins(5) }
    }
}

/// Things that stand where the learnt scene had nothing, whatever they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StandingConfig {
    /// Whether they are told, as detections of class `standing`. Default true.
    pub enabled: bool,
    /// How long a view is learnt before anything in it is new. Default 2 minutes.
    pub learn: Millis,
    /// How long something must have been seen unchanged to be told. Default 30 seconds.
    pub after: Millis,
    /// Whether what stands in a zone is looked at by itself, one thing a look, so that it has the right name. Default true.
    pub close_ups: bool,
}

impl Default for StandingConfig {
    fn default() -> Self {
        Self { enabled: true, learn: Millis::mins(2), after: Millis::secs(30), close_ups: true }
    }
}

/// Whether products of 8-bit integers are added up whole. Older x86 processors add pairs of them in 16 bits, which overflow:
/// that costs NanoDet-g 3 of its 25 points of mAP.
fn multiplies_integers_exactly() -> bool {
    #[cfg(target_arch = "x86_64")]
    let exactly = is_x86_feature_detected!("avx512vnni") || is_x86_feature_detected!("avxvnni");
    #[cfg(not(target_arch = "x86_64"))]
    let exactly = true;
    exactly
}

impl Default for DetectConfig {
    fn default() -> Self {
        Self {
            model: if multiplies_integers_exactly() { "nanodet-g-int8" } else { "nanodet-g" }.to_owned(),
            garbage_model: "garbage".to_owned(),
            only: BTreeMap::new(),
            models_dir: PathBuf::from("models"),
            onnxruntime: None,
            provider: Provider::Cpu,
            device: None,
            precision: Precision::Fp32,
            engine_cache: None,
            fallback: Fallback::None,
            batch: 1,
            batch_wait: Millis(10),
            threads_per_session: 1,
            close_ups_per_look: 2,
            score_floor: 0.2,
            gate: GateConfig::default(),
            standing: StandingConfig::default(),
            health: HealthConfig::default(),
        }
    }
}

/// When a camera's pictures are held to be unfit: frozen, blind, too dark, blurred, moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// Whether pictures are judged at all. Default true.
    pub enabled: bool,
    /// For how long pictures must show a fault; three times as long where the view merely fits nothing. Default 1 minute.
    pub after: Millis,
    /// For how long one picture must have come again and again. Default 2 minutes.
    pub frozen_after: Millis,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { enabled: true, after: Millis::mins(1), frozen_after: Millis::mins(2) }
    }
}

/// An execution provider of ONNX Runtime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The CPU, always there.
    #[default]
    Cpu,
    /// An NVIDIA GPU through CUDA.
    Cuda,
    /// An NVIDIA GPU through TensorRT.
    Tensorrt,
    /// Intel CPUs, GPUs and NPUs through OpenVINO.
    Openvino,
}

/// What a model is calculated in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    Fp32,
    /// Half precision, with TensorRT and OpenVINO.
    Fp16,
}

/// What to do where the provider cannot be had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    /// Stop: a fleet that is sized for GPUs does not run on CPUs.
    #[default]
    None,
    /// Go on with the CPU, and say so.
    Cpu,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Tensorrt => "tensorrt",
            Self::Openvino => "openvino",
        })
    }
}
