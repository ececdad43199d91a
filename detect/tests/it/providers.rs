//! Execution providers: which of them this machine's ONNX Runtime has decides what is tested of each.

use detect::{DetectConfig, DetectError, Detector, Fallback, Model, Precision, Provider};
use domain::Picture;

use crate::{jpeg, site};

const ALL: [Provider; 3] = [Provider::Cuda, Provider::Tensorrt, Provider::Openvino];

fn open(config: DetectConfig) -> Result<Detector, DetectError> {
    Detector::new(&Model::load(&site::models_dir(), "nanodet-g").unwrap(), &config)
}

#[test]
fn a_provider_that_cannot_be_had_is_named_with_the_remedy_or_replaced_by_the_cpu() {
    let mut on_cpu = open(site::config()).unwrap();
    for provider in ALL {
        let Err(error) = open(DetectConfig { provider, ..site::config() }) else {
            eprintln!("skipped: this library has {provider}");
            continue;
        };
        let error = error.to_string();
        for part in [&format!("provider {provider} is not available in"), "detect.onnxruntime", "detect.fallback"] {
            assert!(error.contains(part), "no {part:?} in: {error}");
        }
        let mut detector = open(DetectConfig { provider, fallback: Fallback::Cpu, ..site::config() }).unwrap();
        let grey = Picture::uniform(704, 576, [128, 128, 128]);
        assert_eq!(detector.detect(&grey).unwrap(), on_cpu.detect(&grey).unwrap());
    }
}

#[test]
fn a_provider_that_is_there_finds_what_the_cpu_finds() {
    let Some(shared) = site::shared() else { return };
    let picture = jpeg::picture(&shared.join("data/media/bus.jpg")).unwrap();
    let expect = open(site::config()).unwrap().detect(&picture).unwrap();
    for provider in ALL {
        let cache = tempfile::tempdir().unwrap();
        let engine_cache = Some(cache.path().join("engines"));
        let Ok(mut detector) = open(DetectConfig { provider, engine_cache, ..site::config() }) else {
            eprintln!("skipped: this library lacks {provider}");
            continue;
        };
        let found = detector.detect(&picture).unwrap();
        assert_eq!(found.len(), expect.len(), "{provider}: {found:?} against {expect:?}");
        for (a, b) in found.iter().zip(&expect) {
            let near = a.class == b.class && (a.score - b.score).abs() < 0.02 && a.bbox.iou(b.bbox) > 0.95;
            assert!(near, "{provider}: {a:?} against {b:?}");
        }
    }
}

/// The error must come before the provider is asked, so that it is the same on every machine.
#[track_caller]
fn check_setting(config: DetectConfig, parts: &[&str]) {
    let error = open(config).err().expect("a setting that cannot be").to_string();
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
}

#[test]
fn settings_that_a_provider_does_not_have_are_refused() {
    let with = |provider| DetectConfig { provider, ..site::config() };
    let fp16 = |provider| DetectConfig { precision: Precision::Fp16, ..with(provider) };
    let device = |provider, name: &str| DetectConfig { device: Some(name.to_owned()), ..with(provider) };
    check_setting(fp16(Provider::Cpu), &["detect.precision", "provider cpu", "fp32"]);
    check_setting(fp16(Provider::Cuda), &["detect.precision", "provider cuda"]);
    check_setting(device(Provider::Cpu, "0"), &["detect.device", "no devices"]);
    check_setting(device(Provider::Tensorrt, "GPU.1"), &["detect.device", "a GPU's number", "tensorrt"]);
    check_setting(device(Provider::Cuda, "-1"), &["detect.device", "a GPU's number"]);
}
