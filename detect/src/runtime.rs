//! Finding the ONNX Runtime library, which is loaded at run time, once a process.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{DetectConfig, DetectError, model::above_executable, session};

/// The ONNX Runtime in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// The library's file.
    pub path: PathBuf,
    /// Its version (`1.32.0`).
    pub version: String,
}

/// Loads ONNX Runtime, or gives the one that is loaded already: a process has one.
///
/// It is looked for at `onnxruntime` in the config, at `GRIDWATCH_ONNXRUNTIME` and `ORT_DYLIB_PATH` in the environment,
/// in `.deps/onnxruntime/lib` of the working directory and of the executable's folder and those above it, then in
/// `/usr/lib/gridwatch`, `/usr/local/lib` and `/usr/lib`.
///
/// # Errors
/// When there is none, or the one that is found cannot be used. One that is named explicitly and unusable is an error
/// even where others exist.
pub fn load_runtime(config: &DetectConfig) -> Result<RuntimeInfo, DetectError> {
    session::load_runtime(|| find(config, |name| env::var_os(name).map(PathBuf::from)))
}

fn find(config: &DetectConfig, variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, DetectError> {
    let named = config
        .onnxruntime
        .clone()
        .or_else(|| variable("GRIDWATCH_ONNXRUNTIME").filter(|p| !p.as_os_str().is_empty()))
        .or_else(|| variable("ORT_DYLIB_PATH").filter(|p| !p.as_os_str().is_empty()));
    if let Some(path) = named {
        return library_at(&path).ok_or(DetectError::RuntimeMissing { looked: vec![path] });
    }
    let deps = Path::new(".deps/onnxruntime/lib");
    let mut looked: Vec<PathBuf> = env::current_dir().map(|folder| folder.join(deps)).into_iter().collect();
    looked
        .extend(above_executable().map(|folder| folder.join(deps)).filter(|p| !looked.contains(p)).collect::<Vec<_>>());
    looked.extend(["/usr/lib/gridwatch", "/usr/local/lib", "/usr/lib"].map(PathBuf::from));
    looked.iter().find_map(|folder| library_at(folder)).ok_or(DetectError::RuntimeMissing { looked })
}

/// The library that `path` is, or that lies in the folder `path`: the one without a version, else the newest.
fn library_at(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path.to_owned());
    }
    let version = |name: &str| -> Option<Vec<u32>> {
        match name.strip_prefix("libonnxruntime.so")? {
            "" => Some(vec![u32::MAX]),
            rest => rest.strip_prefix('.')?.split('.').map(|n| n.parse().ok()).collect(),
        }
    };
    fs::read_dir(path)
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path())))
        .filter(|(_, path)| path.is_file())
        .max()
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_library_of_a_folder_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.32.0", "libonnxruntime_providers_shared.so", "x"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(library_at(folder.path()), Some(folder.path().join("libonnxruntime.so.1.32.0")));
        assert_eq!(library_at(&folder.path().join("x")), Some(folder.path().join("x")));
        assert_eq!(library_at(&folder.path().join("none")), None);
    }

    #[test]
    fn config_goes_before_the_environment_and_the_first_variable_before_the_second() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            path
        };
        let (a, b, c) = (file("a"), file("b"), file("c"));
        let variable = |name: &str| match name {
            "GRIDWATCH_ONNXRUNTIME" => Some(b.clone()),
            _ => Some(c.clone()),
        };
        let configured = DetectConfig { onnxruntime: Some(a.clone()), ..DetectConfig::default() };
        assert_eq!(find(&configured, variable).unwrap(), a);
        assert_eq!(find(&DetectConfig::default(), variable).unwrap(), b);
        let second = |name: &str| (name == "ORT_DYLIB_PATH").then(|| c.clone());
        assert_eq!(find(&DetectConfig::default(), second).unwrap(), c);
    }

    #[test]
    fn a_missing_library_is_an_error_that_says_where_and_what_to_do() {
        let configured = DetectConfig { onnxruntime: Some("/nowhere/lib.so".into()), ..DetectConfig::default() };
        let error = find(&configured, |_| None).unwrap_err().to_string();
        assert!(error.contains("/nowhere/lib.so") && error.contains("deploy/setup.sh"), "{error}");
        if let Err(error) = find(&DetectConfig::default(), |_| None) {
            let error = error.to_string();
            assert!(error.contains(".deps/onnxruntime/lib") && error.contains("/usr/local/lib"), "{error}");
        }
    }
}
