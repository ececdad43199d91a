//! Each decoder finds on real pictures what an independent decoding (`models/tools/goldens.py`) finds.

use std::{collections::BTreeMap, fs, path::Path};

use detect::{Detector, Model};
use domain::{Detection, Picture, PixelFormat, Rect, Sha256};

use crate::{jpeg, site};

/// By model and picture: class, score, left, top, right, bottom; from 0.3 up.
type Goldens = BTreeMap<String, BTreeMap<String, Vec<(String, f32, f32, f32, f32, f32)>>>;

fn goldens() -> Goldens {
    serde_json::from_str(include_str!("fixtures/goldens.json")).expect("the fixture is sound")
}

/// The two paths differ in chroma subsampling and 8-bit rounding, so scores and edges differ a little.
const SCORE: f32 = 0.06;

fn near(a: (&str, f32, Rect), b: (&str, f32, Rect)) -> bool {
    a.0 == b.0 && (a.1 - b.1).abs() < SCORE && a.2.iou(b.2) > 0.85
}

/// In a crowd a faint box overlaps a better one by nearly the limit, and a rounding decides whether it is merged.
fn merged(better: (&str, f32, Rect), faint: (&str, f32, Rect)) -> bool {
    better.0 == faint.0 && better.1 > faint.1 - SCORE && better.2.iou(faint.2) > 0.5
}

#[track_caller]
fn check(name: &str, weights: Option<&str>) {
    let Some(shared) = site::shared() else { return };
    let weights = match weights {
        Some(file) => shared.join("data/models").join(file),
        None => site::models_dir().join("nanodet-g/nanodet-g.onnx"),
    };
    let dir = site::with_model(name, &weights, |text| text);
    compare(&shared, &Model::load(dir.path(), name).unwrap(), name);
}

/// Compares what `model` finds with the goldens under `name`.
#[track_caller]
fn compare(shared: &Path, model: &Model, name: &str) {
    let mut detector = Detector::new(model, &site::config()).unwrap();
    let mut n_compared = 0;
    for (file, golden) in &goldens()[name] {
        let picture = jpeg::picture(&shared.join("data").join(file)).unwrap();
        let found = detector.detect(&picture).unwrap();
        let golden: Vec<(&str, f32, Rect)> =
            golden.iter().map(|(c, s, x0, y0, x1, y1)| (c.as_str(), *s, Rect::from([*x0, *y0, *x1, *y1]))).collect();
        let found: Vec<(&str, f32, Rect)> = found.iter().map(|d| (d.class.as_str(), d.score, d.bbox)).collect();
        for &expected in golden.iter().filter(|g| g.1 > 0.3 + SCORE) {
            let stands_for = |&f: &_| near(f, expected) || (expected.1 < 0.5 && merged(f, expected));
            assert!(found.iter().any(stands_for), "{name}, {file}: {expected:?} is missing in {found:?}");
            n_compared += 1;
        }
        for &extra in found.iter().filter(|f| f.1 > 0.3 + SCORE) {
            let stands_for = |&g: &_| near(extra, g) || (extra.1 < 0.5 && merged(g, extra));
            assert!(golden.iter().any(stands_for), "{name}, {file}: {extra:?} is not in {golden:?}");
        }
    }
    assert!(n_compared > 15, "{n_compared} boxes compared");
}

#[test]
fn nanodet_g_finds_what_it_should() {
    check("nanodet-g", None);
}

#[test]
fn nanodet_plus_with_one_joined_output_finds_what_it_should() {
    check("nanodet-plus-m", Some("nanodet_plus_m_416_dynbatch.onnx"));
}

#[test]
fn detr_triple_finds_what_it_should() {
    check("deimv2-femto", Some("deimv2_hgnetv2_femto_coco.onnx"));
}

#[test]
fn yolox_with_letterbox_finds_what_it_should() {
    check("yolox-nano", Some("yolox_nano_416.onnx"));
}

/// nanodet-g with nodes behind it that turn its outputs into YOLOv8's layout, as `models/tools/yolov8_layout.py` makes
/// them: protobuf merges messages that follow one another.
#[test]
fn yolov8_layout_finds_what_it_should() {
    let Some(shared) = site::shared() else { return };
    let mut weights = fs::read(site::models_dir().join("nanodet-g/nanodet-g.onnx")).unwrap();
    weights.extend(include_bytes!("fixtures/nanodet_g_as_yolov8.onnx"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.onnx");
    fs::write(&file, &weights).unwrap();
    let digest = Sha256::of(&weights);
    let dir = site::with_model("nanodet-g", &file, |text| {
        let (head, output) = text.split_once("[output]").unwrap();
        let (_, groups) = output.split_once("[groups]").unwrap();
        let head = head.lines().map(|line| match line.strip_prefix("sha256") {
            Some(_) => format!("sha256 = \"{digest}\"\n"),
            None => format!("{line}\n"),
        });
        format!("{}[output]\ndecoder = \"yolov8\"\nname = \"output0\"\n[groups]{groups}", head.collect::<String>())
    });
    compare(&shared, &Model::load(dir.path(), "nanodet-g").unwrap(), "nanodet-g as yolov8");
}

/// The chroma planes of an I420 picture as one plane of pairs, with a stride that is wider than the row.
fn as_nv12(picture: &Picture) -> Picture {
    let pairs = picture.planes[1].iter().zip(&picture.planes[2]).flat_map(|(u, v)| [*u, *v]);
    let pairs: Vec<u8> = pairs.collect();
    let (row, stride) = (2 * picture.strides[1], 2 * picture.strides[1] + 6);
    let chroma: Vec<u8> = pairs.chunks(row).flat_map(|line| line.iter().copied().chain([0; 6])).collect();
    let [luma, ..] = picture.planes.clone();
    let (planes, strides) = ([luma, chroma.into(), Default::default()], [picture.strides[0], stride, 0]);
    Picture { format: PixelFormat::Nv12, planes, strides, ..picture.clone() }
}

fn shipped() -> Detector {
    let model = Model::load(&site::models_dir(), "nanodet-g").unwrap();
    assert_eq!(model.reference().sha256, model.manifest().sha256);
    Detector::new(&model, &site::config()).unwrap()
}

#[test]
fn plane_layout_makes_no_difference_and_geometry_may_change_between_looks() {
    let Some(shared) = site::shared() else { return };
    let mut detector = shipped();
    let picture = |file: &str| jpeg::picture(&shared.join("data/media").join(file)).unwrap();
    let (bus, city) = (picture("bus.jpg"), picture("jetson_city_1.jpg"));
    let first = detector.detect(&bus).unwrap();
    let groups: Vec<&str> = first.iter().map(|d| d.group.as_str()).collect();
    assert!(groups.contains(&"vehicle") && groups.contains(&"person"), "{groups:?}");
    assert!(first.is_sorted_by(|a, b| a.score >= b.score));
    let inside = |d: &Detection| d.bbox == d.bbox.clamped() && d.bbox.area() > 0.0 && d.score >= 0.2;
    assert!(first.iter().all(inside), "{first:?}");
    assert!(!detector.detect(&city).unwrap().is_empty());
    assert_eq!(detector.detect(&as_nv12(&bus)).unwrap(), first);
}

#[test]
fn a_grey_picture_holds_nothing() {
    let found = shipped().detect(&Picture::uniform(704, 576, [128, 128, 128])).unwrap();
    assert_eq!(found, []);
}

#[test]
fn a_picture_that_lacks_bytes_is_refused_and_the_next_one_works() {
    let mut detector = shipped();
    let whole = Picture::uniform(704, 576, [128, 128, 128]);
    let mut short = whole.clone();
    short.planes[2] = short.planes[2].slice(..100);
    let error = detector.detect(&short).unwrap_err().to_string();
    assert!(error.contains("plane 2 of 704x576 holds 100 bytes"), "{error}");
    for size in [(0, 0), (1, 1), (9000, 10)] {
        let empty = Picture { width: size.0, height: size.1, ..whole.clone() };
        assert!(detector.detect(&empty).is_err(), "{size:?}");
    }
    assert!(detector.detect(&whole).is_ok());
}

#[test]
fn a_floor_above_the_models_own_leaves_the_best() {
    let Some(shared) = site::shared() else { return };
    let model = Model::load(&site::models_dir(), "nanodet-g").unwrap();
    let config = detect::DetectConfig { score_floor: 0.7, ..site::config() };
    let picture = jpeg::picture(Path::new(&shared.join("data/media/bus.jpg"))).unwrap();
    let found = Detector::new(&model, &config).unwrap().detect(&picture).unwrap();
    assert!(!found.is_empty() && found.iter().all(|d| d.score >= 0.7), "{found:?}");
}

#[test]
fn a_calibrated_model_tells_its_scores_on_the_scale_of_the_manifest() {
    let Some(shared) = site::shared() else { return };
    let picture = jpeg::picture(&shared.join("data/media/bus.jpg")).unwrap();
    let plain = shipped().detect(&picture).unwrap();
    let keys = "[calibration]\nslope = 1.5\noffset = -0.5\n\n[groups]";
    let weights = site::models_dir().join("nanodet-g/nanodet-g.onnx");
    let dir = site::with_model("nanodet-g", &weights, |text| text.replacen("[groups]", keys, 1));
    let model = Model::load(dir.path(), "nanodet-g").unwrap();
    let told = Detector::new(&model, &site::config()).unwrap().detect(&picture).unwrap();
    let calibration = detect::Calibration { slope: 1.5, offset: -0.5 };
    let expect: Vec<(f32, domain::Rect)> =
        plain.iter().map(|d| (calibration.apply(d.score), d.bbox)).filter(|(score, _)| *score >= 0.2).collect();
    let told: Vec<(f32, domain::Rect)> = told.iter().map(|d| (d.score, d.bbox)).collect();
    assert!(!told.is_empty() && told.len() < plain.len(), "{} of {}", told.len(), plain.len());
    assert_eq!(told, expect);
}
