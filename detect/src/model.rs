//! A model on disk: its manifest, and its weights once they are proven to be the ones that the manifest means.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::{ModelRef, Sha256};

use crate::{DetectError, Manifest, manifest::is_model_name};

/// A manifest and its verified weights, ready for any number of sessions.
#[derive(Clone)]
pub struct Model {
    manifest: Arc<Manifest>,
    weights: Arc<[u8]>,
    reference: ModelRef,
}

impl Model {
    /// Reads model `name` from the folder `models_dir` (see [`models_dir`]) and checks the digest of its weights.
    /// Reads and hashes a whole file: not for an async thread.
    ///
    /// # Errors
    /// When there is no such model, its manifest breaks a rule, or its weights are missing or others.
    pub fn load(dir: &Path, name: &str) -> Result<Self, DetectError> {
        let manifest = find(dir, name)?;
        let weights = fs::read(&manifest.weights).map_err(|error| unreadable(&manifest, error))?;
        let found = Sha256::of(&weights);
        if found != manifest.sha256 {
            return Err(DetectError::HashMismatch {
                at: Box::new(manifest.line_of("sha256")),
                model: name.to_owned(),
                path: manifest.weights.clone(),
                expected: manifest.sha256,
                found,
            });
        }
        let reference = ModelRef { name: name.into(), sha256: found };
        Ok(Self { manifest: Arc::new(manifest), weights: weights.into(), reference })
    }

    /// The name and digest that go with each look.
    #[must_use]
    pub fn reference(&self) -> ModelRef {
        self.reference.clone()
    }

    /// What the model's `model.toml` says.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The same weights for a measurement: detections down to `score_floor`, merged within the groups that `is_one`
    /// names; the classes of other groups stand alone.
    #[must_use]
    pub fn for_measuring(&self, score_floor: f32, is_one: impl Fn(&str) -> bool) -> Self {
        let mut manifest = Manifest::clone(&self.manifest);
        manifest.score_floor = score_floor;
        manifest.groups.retain(|group, _| is_one(group));
        Self { manifest: Arc::new(manifest), ..self.clone() }
    }

    /// The ONNX file's bytes, as verified.
    pub(crate) fn weights(&self) -> &[u8] {
        &self.weights
    }

    pub(crate) fn shared_manifest(&self) -> Arc<Manifest> {
        Arc::clone(&self.manifest)
    }
}

/// The folder that `configured` names: itself where it is absolute, else the first that exists in the working
/// directory, beside the executable, or in a folder above it.
///
/// # Errors
/// When there is none.
pub fn models_dir(configured: &Path) -> Result<PathBuf, DetectError> {
    let mut looked = vec![configured.to_owned()];
    if configured.is_relative() {
        looked.extend(above_executable().map(|folder| folder.join(configured)));
    }
    match looked.iter().find(|p| p.is_dir()) {
        Some(found) => Ok(found.clone()),
        None => Err(DetectError::ModelsDirMissing { looked }),
    }
}

/// The executable's folder and all folders above it.
pub(crate) fn above_executable() -> impl Iterator<Item = PathBuf> {
    let folder = env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    std::iter::successors(folder, |folder| folder.parent().map(Path::to_owned))
}

/// The manifest of model `name`.
pub(crate) fn find(dir: &Path, name: &str) -> Result<Manifest, DetectError> {
    let dir = models_dir(dir)?;
    let path = dir.join(name).join("model.toml");
    if !is_model_name(name) || !path.is_file() {
        return Err(DetectError::NoSuchModel { name: name.to_owned(), available: names(&dir)?, dir });
    }
    Manifest::read(&path)
}

/// The names of all models in `dir`, in alphabetical order.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, DetectError> {
    let io = |source| DetectError::Io { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.path().join("model.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Weights that cannot be read: missing, with how to get them, or what the system says.
pub(crate) fn unreadable(manifest: &Manifest, error: io::Error) -> DetectError {
    let path = manifest.weights.clone();
    if error.kind() != io::ErrorKind::NotFound {
        return DetectError::Io { path, source: error };
    }
    let remedy = match manifest.url {
        Some(_) => format!("`gridwatch models pull {}` fetches them", manifest.name),
        None => format!("get them from {} and put them there", manifest.source),
    };
    DetectError::WeightsMissing { at: manifest.line_of("weights"), path, remedy }
}
