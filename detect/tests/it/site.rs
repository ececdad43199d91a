//! Where things lie: the repository, the ONNX Runtime library, the test data, and models folders made for a test.

use std::{
    fs,
    path::{Path, PathBuf},
};

use detect::DetectConfig;
use tempfile::TempDir;

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}

pub(crate) fn models_dir() -> PathBuf {
    repository().join("models")
}

/// A config that finds the library where set-up put it, unless the environment names another.
pub(crate) fn config() -> DetectConfig {
    let installed = repository().join(".deps/onnxruntime/lib");
    let named = ["GRIDWATCH_ONNXRUNTIME", "ORT_DYLIB_PATH"].iter().any(|name| std::env::var_os(name).is_some());
    let onnxruntime = (!named && installed.is_dir()).then_some(installed);
    DetectConfig { models_dir: models_dir(), onnxruntime, ..DetectConfig::default() }
}

/// The folder of test data: `GRIDWATCH_SHARED`, or `shared` beside a folder above. None where it is absent; then a test
/// says what it leaves out.
pub(crate) fn shared() -> Option<PathBuf> {
    let found = std::env::var_os("GRIDWATCH_SHARED")
        .map(PathBuf::from)
        .into_iter()
        .chain(repository().ancestors().map(|folder| folder.join("shared")))
        .find(|folder| folder.join("data/MANIFEST.md").is_file());
    if found.is_none() {
        eprintln!("skipped: no test data (set GRIDWATCH_SHARED to its folder)");
    }
    found
}

/// A models folder with one model: the repository's manifest of `name`, after `edit`, with its weights at `weights`.
pub(crate) fn with_model(name: &str, weights: &Path, edit: impl Fn(String) -> String) -> TempDir {
    let text = fs::read_to_string(models_dir().join(name).join("model.toml")).expect("the repository has that model");
    let line = |line: &str| match line.strip_prefix("weights = ") {
        Some(_) => format!("weights = {weights:?}\n"),
        None => format!("{line}\n"),
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(dir.path().join(name)).expect("the folder is new");
    let text = edit(text.lines().map(line).collect());
    fs::write(dir.path().join(name).join("model.toml"), text).expect("the folder is writable");
    dir
}
