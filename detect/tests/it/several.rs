//! Several models on one picture.

use std::{collections::BTreeSet, fs};

use detect::{DetectConfig, Detectors};
use domain::Detection;

use crate::{jpeg, site};

const SECOND: &str = "nanodet-again";

/// nanodet-g twice, the second under another name, so that each thing is seen by both.
fn twice(only: Option<&str>) -> Detectors {
    let weights = site::models_dir().join("nanodet-g/nanodet-g.onnx");
    let dir = site::with_model("nanodet-g", &weights, |text| text);
    let text = fs::read_to_string(dir.path().join("nanodet-g/model.toml")).unwrap();
    fs::create_dir(dir.path().join(SECOND)).unwrap();
    let text = text.replace("name = \"nanodet-g\"", &format!("name = \"{SECOND}\""));
    fs::write(dir.path().join(SECOND).join("model.toml"), text).unwrap();
    let only = only.iter().map(|group| (SECOND.to_owned(), vec![(*group).to_owned()])).collect();
    let config = DetectConfig { models_dir: dir.path().to_owned(), only, ..site::config() };
    let names: BTreeSet<String> = ["nanodet-g", SECOND].map(str::to_owned).into();
    let mut threads = Detectors::load(&config, &names, 2).unwrap();
    assert_eq!(threads.len(), 2);
    threads.pop().unwrap()
}

fn models(found: &[Detection]) -> BTreeSet<&str> {
    found.iter().map(|d| &*d.model.as_ref().unwrap().name).collect()
}

#[test]
fn two_models_see_each_thing_once_and_each_detection_names_its_model() {
    let Some(shared) = site::shared() else { return };
    let picture = jpeg::picture(&shared.join("data/media/bus.jpg")).unwrap();
    let mut detectors = twice(Some("person"));
    let names = ["nanodet-g", SECOND].map(str::to_owned);
    let first = detectors.detect(&names[..1], &picture).unwrap();
    let second = detectors.detect(&names[1..], &picture).unwrap();
    assert_eq!(models(&first), ["nanodet-g"].into());
    assert!(!second.is_empty() && second.iter().all(|d| d.group.as_str() == "person"), "{second:?}");
    assert_eq!(models(&second), [SECOND].into());
    // Scores are equal: the first model's stand. In the other order the second's do, for what is taken from it.
    assert_eq!(detectors.detect(&names, &picture).unwrap(), first);
    let names = [SECOND, "nanodet-g"].map(str::to_owned);
    let turned = detectors.detect(&names, &picture).unwrap();
    assert_eq!(turned.len(), first.len());
    assert_eq!(models(&turned), ["nanodet-g", SECOND].into());
}

#[test]
fn a_model_that_is_not_open_is_an_error() {
    let mut detectors = twice(None);
    let grey = domain::Picture::uniform(704, 576, [128, 128, 128]);
    let error = detectors.detect(&["other".to_owned()], &grey).unwrap_err().to_string();
    assert!(error.contains("\"other\" is not loaded"), "{error}");
    assert_eq!(detectors.detect(&["nanodet-g".to_owned(), SECOND.to_owned()], &grey).unwrap(), []);
}
