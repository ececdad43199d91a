//! What can go wrong between a configuration and a detection; every message names the place and the remedy.

use std::{io, path::PathBuf};

use domain::Sha256;

use crate::{Provider, place::ManifestLine};

/// An error of this crate. Never holds a credential: addresses are shown without user, password and query.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// No ONNX Runtime library where one is looked for.
    #[error(
        "ONNX Runtime is not installed: no libonnxruntime.so in {}; deploy/setup.sh installs it, or set \
         detect.onnxruntime to its path", list(.looked)
    )]
    RuntimeMissing {
        /// Where it was looked for, in order.
        looked: Vec<PathBuf>,
    },
    /// A library was named and cannot be used.
    #[error("{}: not usable as ONNX Runtime: {reason}; deploy/setup.sh installs one that is", path.display())]
    RuntimeUnusable {
        /// The library.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// No folder of models.
    #[error("no folder of models: looked at {}; set detect.models_dir", list(.looked))]
    ModelsDirMissing {
        /// Where it was looked for, in order.
        looked: Vec<PathBuf>,
    },
    /// No model of that name.
    #[error("no model \"{name}\" in {}; there are: {}", dir.display(), .available.join(", "))]
    NoSuchModel {
        /// The name that was asked for.
        name: String,
        /// The folder of models.
        dir: PathBuf,
        /// The names that exist.
        available: Vec<String>,
    },
    /// A model is asked for something that it does not know.
    #[error(
        "detect.only.\"{model}\": \"{name}\" is neither a group nor a class of that model; its groups are: {}",
        .groups.join(", ")
    )]
    NotAGroup {
        /// The model.
        model: String,
        /// What was asked for.
        name: String,
        /// The model's groups.
        groups: Vec<String>,
    },
    /// A picture of a camera that is not known.
    #[error("camera \"{camera}\" is not in the configuration")]
    UnknownCamera {
        /// Whose picture.
        camera: domain::CameraId,
    },
    /// A camera names a model that was not loaded.
    #[error("model \"{model}\" is not loaded")]
    NotLoaded {
        /// The model.
        model: String,
    },
    /// A `model.toml` that breaks its form.
    #[error("{at}: {reason}")]
    Manifest {
        /// Where.
        at: ManifestLine,
        /// What is wrong, with the key.
        reason: String,
    },
    /// The weights are not there.
    #[error("{at}: weights: {} is missing; {remedy}", path.display())]
    WeightsMissing {
        /// The manifest's line.
        at: ManifestLine,
        /// Where its weights belong.
        path: PathBuf,
        /// How to get them.
        remedy: String,
    },
    /// The weights are not those that the manifest describes.
    #[error(
        "{at}: sha256: {} has SHA-256 {found}, not {expected}; fetch the weights again with `gridwatch models pull \
         {model}` or correct sha256", path.display()
    )]
    HashMismatch {
        /// The manifest's line; boxed, or every result of this crate would be larger for it.
        at: Box<ManifestLine>,
        /// The model.
        model: String,
        /// The weights.
        path: PathBuf,
        /// The manifest's digest.
        expected: Sha256,
        /// The file's digest.
        found: Sha256,
    },
    /// A file or folder that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// ONNX Runtime cannot load the weights, or not run them.
    #[error("{at}: weights: ONNX Runtime cannot use {}: {reason}", path.display())]
    BadWeights {
        /// The manifest's line.
        at: ManifestLine,
        /// The weights.
        path: PathBuf,
        /// What ONNX Runtime says.
        reason: String,
    },
    /// The weights have other inputs or outputs than the manifest says.
    #[error("{at}: {place}: model.toml says {manifest}, the weights have {weights}; correct model.toml")]
    Interface {
        /// The manifest's line.
        at: ManifestLine,
        /// Which input or output.
        place: String,
        /// The manifest's side.
        manifest: String,
        /// The file's side.
        weights: String,
    },
    /// The execution provider cannot be had.
    #[error(
        "provider {provider} is not available in {}: {reason}; set detect.onnxruntime to a library that has it, \
         detect.provider = \"cpu\", or detect.fallback = \"cpu\" to go on without it", library.display()
    )]
    Provider {
        /// The provider asked for.
        provider: Provider,
        /// The library in use.
        library: PathBuf,
        /// What ONNX Runtime says.
        reason: String,
    },
    /// A setting that the execution provider does not have.
    #[error("detect.{key}: {reason}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A picture whose planes do not hold what its size says.
    #[error("unusable picture: {reason}")]
    Picture {
        /// What is wrong.
        reason: String,
    },
    /// A run failed.
    #[error("model \"{model}\": inference failed: {reason}")]
    Inference {
        /// The model.
        model: String,
        /// What ONNX Runtime says.
        reason: String,
    },
    /// A model whose manifest does not say where to get it.
    #[error("{at}: it has no url; put the weights at {} by hand", path.display())]
    NoUrl {
        /// The manifest, and its line with the weights.
        at: ManifestLine,
        /// Where the weights belong.
        path: PathBuf,
    },
    /// The weights could not be fetched.
    #[error("model \"{model}\": cannot fetch {url}: {reason}")]
    Fetch {
        /// The model.
        model: String,
        /// The address, without user, password and query.
        url: String,
        /// What went wrong, with the remedy where there is one.
        reason: String,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}
