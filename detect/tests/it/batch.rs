//! Runs that the looks of several threads share find what each would find alone.

use std::{sync::Barrier, thread};

use detect::{DetectConfig, Detector, Model};
use domain::{Detection, Millis, Picture};

use crate::{jpeg, site};

const PICTURES: [&str; 4] = ["bus.jpg", "jetson_city_1.jpg", "jetson_peds_0.jpg", "jetson_humans_0.jpg"];

fn near(found: &[Detection], expect: &[Detection]) -> bool {
    let same = |a: &Detection, b: &Detection| {
        a.class == b.class && (a.score - b.score).abs() < 0.02 && a.bbox.iou(b.bbox) > 0.95
    };
    found.len() == expect.len() && found.iter().zip(expect).all(|(a, b)| same(a, b))
}

/// What each of `threads` threads finds, each on a picture of its own and `rounds` times, in batches of `batch`.
#[track_caller]
fn check(name: &str, weights: &str, batch: usize, threads: usize, rounds: usize) {
    let Some(shared) = site::shared() else { return };
    let dir = site::with_model(name, &shared.join("data/models").join(weights), |text| text);
    let model = Model::load(dir.path(), name).unwrap();
    let picture = |n: usize| jpeg::picture(&shared.join("data/media").join(PICTURES[n % PICTURES.len()])).unwrap();
    let mut alone = Detector::new(&model, &site::config()).unwrap();
    let config = DetectConfig { batch, batch_wait: Millis(50), ..site::config() };
    let detectors = Detector::for_threads(&model, &config, threads).unwrap();
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for (n, mut detector) in detectors.into_iter().enumerate() {
            let (picture, start) = (picture(n), &start);
            let expect = alone.detect(&picture).unwrap();
            scope.spawn(move || {
                start.wait();
                for _ in 0..rounds {
                    let found = detector.detect(&picture).unwrap();
                    assert!(near(&found, &expect), "{name}, thread {n}: {found:?} against {expect:?}");
                }
            });
        }
    });
}

#[test]
fn full_rounds_and_rounds_that_stay_empty_find_what_one_finds() {
    check("nanodet-plus-m", "nanodet_plus_m_416_dynbatch.onnx", 3, 3, 3);
    check("nanodet-plus-m", "nanodet_plus_m_416_dynbatch.onnx", 4, 1, 2);
}

#[test]
fn more_threads_than_places_take_turns() {
    check("nanodet-plus-m", "nanodet_plus_m_416_dynbatch.onnx", 2, 5, 3);
}

#[test]
fn each_picture_of_a_batch_has_its_own_size_input() {
    check("deimv2-femto", "deimv2_hgnetv2_femto_coco.onnx", 2, 2, 2);
}

#[test]
fn a_picture_that_cannot_be_read_costs_nobody_else_a_round() {
    let Some(shared) = site::shared() else { return };
    let weights = shared.join("data/models/nanodet_plus_m_416_dynbatch.onnx");
    let dir = site::with_model("nanodet-plus-m", &weights, |text| text);
    let model = Model::load(dir.path(), "nanodet-plus-m").unwrap();
    let config = DetectConfig { batch: 2, ..site::config() };
    let [mut one, mut other] = Detector::for_threads(&model, &config, 2).unwrap().try_into().ok().expect("two");
    let broken = Picture { strides: [1, 1, 1], ..Picture::uniform(64, 64, [0; 3]) };
    one.detect(&broken).unwrap_err();
    assert_eq!(other.detect(&Picture::uniform(64, 64, [128; 3])).unwrap(), []);
}

#[track_caller]
fn check_refusal(config: DetectConfig, parts: &[&str]) {
    let model = Model::load(&site::models_dir(), "nanodet-g").unwrap();
    let error = Detector::for_threads(&model, &config, 2).err().expect("a setting that cannot be").to_string();
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
}

#[test]
fn batches_that_cannot_be_are_refused() {
    let with = |batch| DetectConfig { batch, ..site::config() };
    check_refusal(with(0), &["detect.batch", "from 1 to 64"]);
    check_refusal(with(65), &["detect.batch", "from 1 to 64"]);
    check_refusal(with(8), &["detect.batch", "is 8", "\"nanodet-g\" take 1 at a time", "free first dimension"]);
    let patient = DetectConfig { batch_wait: Millis::secs(2), ..with(8) };
    check_refusal(patient, &["detect.batch_wait", "from 0s to 1s"]);
}
