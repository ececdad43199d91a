//! The models of a folder: which there are, whether they are usable, and fetching one.

use std::{fs, path::Path, path::PathBuf};

use domain::Sha256;

use crate::{DetectError, Manifest, Model, fetch, model};

/// One folder with a `model.toml`.
#[derive(Debug)]
pub struct Entry {
    /// The folder's name, which is the model's.
    pub name: String,
    /// Whether it can be used.
    pub status: Status,
    /// What it says of itself; none where it cannot be read.
    pub manifest: Option<Manifest>,
}

/// Whether a model can be used.
#[derive(Debug)]
pub enum Status {
    /// The weights are there and are the right ones.
    Ready,
    /// The weights are not there.
    WeightsMissing,
    /// The weights are others than the manifest's; holds their digest.
    HashMismatch(Sha256),
    /// The manifest or the weights cannot be read.
    Broken(DetectError),
}

/// All models in `dir` (see [`model::models_dir`]) by name. Hashes every weights file: not for an async thread.
///
/// # Errors
/// When there is no such folder or it cannot be listed; a model that cannot be used is an entry, not an error.
pub fn list(dir: &Path) -> Result<Vec<Entry>, DetectError> {
    let dir = model::models_dir(dir)?;
    let entry = |name: String| match Manifest::read(&dir.join(&name).join("model.toml")) {
        Ok(manifest) => Entry { name, status: status(&manifest), manifest: Some(manifest) },
        Err(error) => Entry { name, status: Status::Broken(error), manifest: None },
    };
    Ok(model::names(&dir)?.into_iter().map(entry).collect())
}

/// Checks model `name` as a detector would before loading it.
///
/// # Errors
/// What [`Model::load`] says.
pub fn verify(dir: &Path, name: &str) -> Result<(), DetectError> {
    Model::load(dir, name).map(drop)
}

/// Fetches the weights of model `name` from its manifest's address; gives the path. Weights that are already there and
/// right are left alone. The file appears under its name only whole and verified. `progress` is told bytes so far and
/// in all.
///
/// # Errors
/// When there is no such model, its manifest has no address, the address does not answer with the file, the file is
/// too large or another, or it cannot be written.
pub async fn pull(dir: &Path, name: &str, progress: impl FnMut(u64, u64) + Send) -> Result<PathBuf, DetectError> {
    let manifest = model::find(dir, name)?;
    if !matches!(status(&manifest), Status::Ready) {
        fetch::weights(&manifest, progress).await?;
    }
    Ok(manifest.weights)
}

fn status(manifest: &Manifest) -> Status {
    match fs::read(&manifest.weights) {
        Ok(weights) => match Sha256::of(&weights) {
            found if found == manifest.sha256 => Status::Ready,
            found => Status::HashMismatch(found),
        },
        Err(error) => match model::unreadable(manifest, error) {
            DetectError::WeightsMissing { .. } => Status::WeightsMissing,
            error => Status::Broken(error),
        },
    }
}
