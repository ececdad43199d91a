//! `model.toml`: all that is needed to run a model's weights, read and checked.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use domain::Sha256;
use serde::Deserialize;
use url::Url;

use crate::{
    Calibration, DetectError, coco,
    place::{Lines, ManifestLine, line_at},
};

/// What a `model.toml` says, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The model's name, which is also its folder's.
    pub name: String,
    /// What it is, in a line.
    pub description: String,
    /// The licence of the weights.
    pub licence: String,
    /// Where the weights come from, for a person.
    pub source: String,
    /// The weights: an ONNX file.
    pub weights: PathBuf,
    /// The digest of the weights.
    pub sha256: Sha256,
    /// The size of the weights in bytes.
    pub bytes: u64,
    /// Where to fetch the weights: http, https or file.
    pub url: Option<Url>,
    /// Lowest score that means anything with this model, 0 to 1, as `calibration` gives it.
    pub score_floor: f32,
    /// From the model's own scores to those that rules see.
    pub calibration: Calibration,
    /// Two boxes of one group that overlap by more than this are one thing (intersection over union).
    pub nms_iou: f32,
    /// The class names by number.
    pub classes: Vec<String>,
    /// Classes that are one thing, by the group's name.
    pub groups: BTreeMap<String, Vec<String>>,
    /// The input tensor.
    pub input: Input,
    /// How the outputs become boxes.
    pub output: Output,
    lines: Lines,
}

/// The input tensor: one picture, three channels, 32-bit floats.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The tensor's name in the graph.
    pub name: String,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How a picture of another shape is fitted in.
    #[serde(default)]
    pub resize: Resize,
    /// Value (0 to 255) around a letterboxed picture.
    #[serde(default)]
    pub pad: f32,
    /// Where a letterboxed picture lies.
    #[serde(default)]
    pub align: Align,
    /// Order of the axes.
    #[serde(default)]
    pub layout: Layout,
    /// Order of the channels.
    pub color: Color,
    /// Subtracted from each channel (0 to 255), in the order of `color`.
    #[serde(default)]
    pub mean: [f32; 3],
    /// Each channel is divided by this after `mean` is subtracted, in the order of `color`.
    #[serde(default = "ones")]
    pub std: [f32; 3],
    /// Element type.
    #[serde(default)]
    pub dtype: Dtype,
}

fn ones() -> [f32; 3] {
    [1.0; 3]
}

/// How a picture of another shape is fitted into the input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// Each axis is scaled by itself.
    #[default]
    Stretch,
    /// Both axes are scaled alike, the rest is filled with `pad`.
    Letterbox,
}

/// Where a letterboxed picture lies in the input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Align {
    /// In the middle.
    #[default]
    Center,
    /// In the top left corner.
    TopLeft,
}

/// Order of the input's axes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channel, row, column.
    #[default]
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// Order of the input's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// Element type of the input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE 754 single precision.
    #[default]
    Float32,
}

/// Which tensors come out and how they are read.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// DEIM, D-FINE, RT-DETR: `labels` [1, n] int64, `boxes` [1, n, 4] (left, top, right, bottom in pixels of the size
    /// that is given in `sizes`), `scores` [1, n].
    Detr {
        /// Name of the class numbers.
        labels: String,
        /// Name of the boxes.
        boxes: String,
        /// Name of the scores.
        scores: String,
        /// Name of the input [1, 2] int64 that takes width and height.
        sizes: String,
    },
    /// NanoDet and NanoDet-Plus: a score per class (after the sigmoid) and the four distances to the box's sides, each
    /// a distribution over 0 to `reg_max` cells (Li et al., "Generalized Focal Loss", 2020).
    Nanodet {
        /// The tensors.
        tensors: NanodetTensors,
        /// Cell sizes in pixels, in the order of the outputs.
        strides: Vec<u32>,
        /// The distributions have `reg_max + 1` bins.
        reg_max: usize,
        /// Where in its cell a point lies, in cells: 0 or 0.5.
        cell_offset: f32,
    },
    /// YOLOX without its decoding layer: [1, cells, 5 + classes]: centre, logarithm of the size, objectness, a score
    /// per class (both after the sigmoid).
    Yolox {
        /// The tensor's name.
        name: String,
        /// Cell sizes in pixels, in the order of the cells.
        strides: Vec<u32>,
    },
    /// YOLOv8 and its likes: [1, 4 + classes, cells]: centre and size in pixels, a score per class.
    Yolov8 {
        /// The tensor's name.
        name: String,
    },
}

/// Where a NanoDet keeps scores and distances.
#[derive(Debug, Clone, PartialEq)]
pub enum NanodetTensors {
    /// One tensor [1, cells, classes + 4 * (reg_max + 1)].
    Joined(String),
    /// By stride: scores [1, cells, classes] and distances [1, cells, 4 * (reg_max + 1)].
    ByStride {
        /// Names of the scores.
        cls: Vec<String>,
        /// Names of the distances.
        reg: Vec<String>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    name: String,
    description: String,
    licence: String,
    source: String,
    weights: PathBuf,
    sha256: Sha256,
    bytes: u64,
    url: Option<String>,
    score_floor: f32,
    #[serde(default = "default_iou")]
    nms_iou: f32,
    classes: RawClasses,
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
    calibration: Option<Calibration>,
    input: Input,
    output: RawOutput,
}

fn default_iou() -> f32 {
    0.6
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected \"coco80\" or a list of class names")]
enum RawClasses {
    BuiltIn(BuiltIn),
    Listed(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum BuiltIn {
    Coco80,
}

/// Flat rather than an enum by `decoder`, so that an unknown or misplaced key is reported with its own line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutput {
    decoder: DecoderName,
    name: Option<String>,
    labels: Option<String>,
    boxes: Option<String>,
    scores: Option<String>,
    sizes: Option<String>,
    cls: Option<Vec<String>>,
    reg: Option<Vec<String>>,
    strides: Option<Vec<u32>>,
    reg_max: Option<usize>,
    cell_offset: Option<f32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DecoderName {
    Detr,
    Nanodet,
    Yolox,
    Yolov8,
}

/// A rule broken: the dotted key and what is wrong with it.
struct Fault {
    key: String,
    reason: String,
}

fn fault(key: impl Into<String>, reason: impl Into<String>) -> Fault {
    Fault { key: key.into(), reason: reason.into() }
}

impl Manifest {
    /// Reads the manifest at `path`; a relative `weights` is taken from its folder.
    ///
    /// # Errors
    /// When the file cannot be read or breaks a rule; the error names file, line and key.
    pub fn read(path: &Path) -> Result<Self, DetectError> {
        let text = fs::read_to_string(path).map_err(|source| DetectError::Io { path: path.to_owned(), source })?;
        let raw: RawManifest = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| line_at(&text, span.start));
            let at = ManifestLine { path: path.to_owned(), line };
            DetectError::Manifest { at, reason: error.message().to_owned() }
        })?;
        let lines = Lines::of(path, &text);
        check(raw, path, &lines).map_err(|Fault { key, reason }| {
            let list = key.rsplit_once('.').filter(|(_, index)| index.parse::<usize>().is_ok());
            let shown = list.map_or(key.as_str(), |(list, _)| list);
            DetectError::Manifest { at: lines.at(&key), reason: format!("{shown}: {reason}") }
        })
    }

    /// The line of the dotted `key` (`input.width`), or of the table that it belongs to where it is left out.
    #[must_use]
    pub fn line_of(&self, key: &str) -> ManifestLine {
        self.lines.at(key)
    }

    /// The group of each class, by class number: the class's own name where it has none.
    #[must_use]
    pub fn group_of(&self, class: &str) -> String {
        let found = self.groups.iter().find(|(_, members)| members.iter().any(|m| m == class));
        found.map_or(class, |(group, _)| group).to_owned()
    }
}

fn check(raw: RawManifest, path: &Path, lines: &Lines) -> Result<Manifest, Fault> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let folder_name = folder.file_name().and_then(|n| n.to_str());
    if !is_model_name(&raw.name) {
        return Err(fault("name", "expected 1 to 64 letters, digits, '-', '_' or '.'"));
    }
    if folder_name.is_some_and(|n| n != raw.name) {
        return Err(fault("name", format!("\"{}\" differs from its folder's name", raw.name)));
    }
    let url = raw.url.map(|url| Url::parse(&url)).transpose().map_err(|error| fault("url", error.to_string()))?;
    if url.as_ref().is_some_and(|u| !matches!(u.scheme(), "http" | "https" | "file")) {
        return Err(fault("url", "expected an http, https or file address"));
    }
    for (key, value) in [("score_floor", raw.score_floor), ("nms_iou", raw.nms_iou)] {
        if !(0.0..=1.0).contains(&value) {
            return Err(fault(key, format!("{value} is not from 0 to 1")));
        }
    }
    let classes: Vec<String> = match raw.classes {
        RawClasses::BuiltIn(BuiltIn::Coco80) => coco::CLASSES.map(str::to_owned).into(),
        RawClasses::Listed(names) => names,
    };
    let distinct: HashSet<&str> = classes.iter().map(String::as_str).collect();
    if classes.is_empty() || distinct.len() != classes.len() {
        return Err(fault("classes", "expected at least one class and none twice"));
    }
    check_groups(&raw.groups, &distinct)?;
    let calibration = raw.calibration.unwrap_or(Calibration::IDENTITY);
    check_calibration(calibration)?;
    check_input(&raw.input)?;
    let output = check_output(raw.output)?;
    Ok(Manifest {
        weights: folder.join(raw.weights),
        name: raw.name,
        description: raw.description,
        licence: raw.licence,
        source: raw.source,
        sha256: raw.sha256,
        bytes: raw.bytes,
        url,
        score_floor: raw.score_floor,
        calibration,
        nms_iou: raw.nms_iou,
        classes,
        groups: raw.groups,
        input: raw.input,
        output,
        lines: lines.clone(),
    })
}

fn check_groups(groups: &BTreeMap<String, Vec<String>>, classes: &HashSet<&str>) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    for (group, members) in groups {
        for (index, member) in members.iter().enumerate() {
            let reason = if !classes.contains(member.as_str()) {
                "is no class of this model"
            } else if !seen.insert(member.as_str()) {
                "is in two groups"
            } else {
                continue;
            };
            return Err(fault(format!("groups.{group}.{index}"), format!("\"{member}\" {reason}")));
        }
    }
    Ok(())
}

fn check_calibration(Calibration { slope, offset }: Calibration) -> Result<(), Fault> {
    if !(0.1..=10.0).contains(&slope) {
        return Err(fault("calibration.slope", format!("{slope} is not from 0.1 to 10")));
    }
    if !(-10.0..=10.0).contains(&offset) {
        return Err(fault("calibration.offset", format!("{offset} is not from -10 to 10")));
    }
    Ok(())
}

fn check_input(input: &Input) -> Result<(), Fault> {
    for (key, size) in [("width", input.width), ("height", input.height)] {
        if !(16..=4096).contains(&size) {
            return Err(fault(format!("input.{key}"), format!("{size} is not from 16 to 4096")));
        }
    }
    if !input.std.iter().all(|s| s.is_finite() && *s > 0.0) {
        return Err(fault("input.std", "expected three positive numbers"));
    }
    if !input.mean.iter().all(|m| m.is_finite()) {
        return Err(fault("input.mean", "expected three finite numbers"));
    }
    if !(0.0..=255.0).contains(&input.pad) {
        return Err(fault("input.pad", format!("{} is not from 0 to 255", input.pad)));
    }
    Ok(())
}

fn check_output(raw: RawOutput) -> Result<Output, Fault> {
    let decoder = match raw.decoder {
        DecoderName::Detr => "detr",
        DecoderName::Nanodet => "nanodet",
        DecoderName::Yolox => "yolox",
        DecoderName::Yolov8 => "yolov8",
    };
    let given = [
        ("name", raw.name.is_some(), ["nanodet", "yolox", "yolov8"].as_slice()),
        ("labels", raw.labels.is_some(), &["detr"]),
        ("boxes", raw.boxes.is_some(), &["detr"]),
        ("scores", raw.scores.is_some(), &["detr"]),
        ("sizes", raw.sizes.is_some(), &["detr"]),
        ("cls", raw.cls.is_some(), &["nanodet"]),
        ("reg", raw.reg.is_some(), &["nanodet"]),
        ("strides", raw.strides.is_some(), &["nanodet", "yolox"]),
        ("reg_max", raw.reg_max.is_some(), &["nanodet"]),
        ("cell_offset", raw.cell_offset.is_some(), &["nanodet"]),
    ];
    if let Some((key, ..)) = given.iter().find(|(_, present, users)| *present && !users.contains(&decoder)) {
        return Err(fault(format!("output.{key}"), format!("has no meaning for decoder \"{decoder}\"")));
    }
    let need = |key| move || fault(format!("output.{key}"), format!("is missing; decoder \"{decoder}\" needs it"));
    let strides = || {
        let strides = raw.strides.clone().ok_or_else(need("strides"))?;
        let valid = !strides.is_empty() && strides.iter().all(|s| (1..=512).contains(s));
        valid.then_some(strides).ok_or_else(|| fault("output.strides", "expected at least one, each from 1 to 512"))
    };
    Ok(match raw.decoder {
        DecoderName::Detr => Output::Detr {
            labels: raw.labels.unwrap_or_else(|| "labels".to_owned()),
            boxes: raw.boxes.unwrap_or_else(|| "boxes".to_owned()),
            scores: raw.scores.unwrap_or_else(|| "scores".to_owned()),
            sizes: raw.sizes.unwrap_or_else(|| "orig_target_sizes".to_owned()),
        },
        DecoderName::Nanodet => {
            let strides = strides()?;
            let tensors = match (raw.name, raw.cls, raw.reg) {
                (Some(name), None, None) => NanodetTensors::Joined(name),
                (None, Some(cls), Some(reg)) if cls.len() == strides.len() && reg.len() == strides.len() => {
                    NanodetTensors::ByStride { cls, reg }
                }
                (None, Some(_), Some(_)) => {
                    return Err(fault("output.cls", "expected as many names in cls and in reg as strides"));
                }
                _ => return Err(fault("output.name", "expected either name, or both cls and reg")),
            };
            let reg_max = raw.reg_max.ok_or_else(need("reg_max"))?;
            if !(1..=64).contains(&reg_max) {
                return Err(fault("output.reg_max", format!("{reg_max} is not from 1 to 64")));
            }
            let cell_offset = raw.cell_offset.ok_or_else(need("cell_offset"))?;
            if !(0.0..=1.0).contains(&cell_offset) {
                return Err(fault("output.cell_offset", format!("{cell_offset} is not from 0 to 1")));
            }
            Output::Nanodet { tensors, strides, reg_max, cell_offset }
        }
        DecoderName::Yolox => Output::Yolox { strides: strides()?, name: raw.name.ok_or_else(need("name"))? },
        DecoderName::Yolov8 => Output::Yolov8 { name: raw.name.ok_or_else(need("name"))? },
    })
}

/// A model's name is a folder's name, never a path.
pub(crate) fn is_model_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && name.bytes().any(|b| b != b'.')
}
