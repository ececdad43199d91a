//! YOLO's form: pictures, and beside each (or in `labels` where the picture is in `images`) a text file with a line a
//! thing: class number, then centre and size, or the corners of an outline, all relative to the picture.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::{Dataset, Fault, Label, LabelledPicture, files_below, is_box};
use crate::still;

/// How far outside its picture a label may reach: tools round.
const SLACK: f64 = 0.05;

/// The `names` of a `data.yaml`.
#[derive(Deserialize)]
struct Data {
    names: Names,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    InOrder(Vec<String>),
    ByNumber(BTreeMap<usize, String>),
}

/// Reads the pictures below `folder` with their labels.
pub(super) fn read(folder: &Path) -> anyhow::Result<Dataset> {
    let is_picture = |path: &PathBuf| {
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
        still::EXTENSIONS.contains(&extension.as_str())
    };
    let files: Vec<PathBuf> = files_below(folder)?.into_iter().filter(is_picture).collect();
    let (mut pictures, mut faults, mut n_unlabelled) = (Vec::new(), Vec::new(), 0);
    for (id, path) in (0..).zip(files) {
        let file = label_file(&path);
        let labels = match fs::read_to_string(&file) {
            Ok(text) => read_labels(&text, &file, &mut faults),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                n_unlabelled += 1;
                Vec::new()
            }
            Err(error) => {
                faults.push(Fault::new(file.display().to_string(), error.to_string()));
                continue;
            }
        };
        pictures.push(LabelledPicture { id, path, size: None, labels });
    }
    let n_used = pictures.iter().flat_map(|p| &p.labels).map(|l| l.class + 1).max().unwrap_or(0);
    let classes = match names(folder)? {
        Some(names) if names.len() < n_used => {
            bail!("{}: labels number classes up to {}, {} are named", folder.display(), n_used - 1, names.len())
        }
        Some(names) => names,
        None => (0..n_used).map(|n| n.to_string()).collect(),
    };
    Ok(Dataset { ids: (0..).take(classes.len()).collect(), classes, pictures, n_unlabelled, faults })
}

/// The class names: of `data.yaml` or `classes.txt`, in the folder or the one above it.
fn names(folder: &Path) -> anyhow::Result<Option<Vec<String>>> {
    for place in [Some(folder), folder.parent()].into_iter().flatten() {
        for name in ["data.yaml", "data.yml", "dataset.yaml"].map(|name| place.join(name)) {
            let Ok(text) = fs::read_to_string(&name) else { continue };
            let data: Data = serde_yaml_ng::from_str(&text).with_context(|| {
                format!("{}: expected names: a list, or a number and a name a line", name.display())
            })?;
            return Ok(Some(match data.names {
                Names::InOrder(names) => names,
                Names::ByNumber(names) => {
                    let n = names.last_key_value().map_or(0, |(n, _)| n + 1);
                    (0..n).map(|i| names.get(&i).cloned().unwrap_or_else(|| i.to_string())).collect()
                }
            }));
        }
        if let Ok(text) = fs::read_to_string(place.join("classes.txt")) {
            return Ok(Some(text.lines().map(|line| line.trim().to_owned()).filter(|l| !l.is_empty()).collect()));
        }
    }
    Ok(None)
}

/// Where the labels of `picture` are: the last `images` of its path becomes `labels`, the ending `.txt`.
fn label_file(picture: &Path) -> PathBuf {
    let parts: Vec<Component<'_>> = picture.components().collect();
    let images = parts.iter().rposition(|part| part.as_os_str() == "images");
    let part = |(i, part): (usize, &Component<'_>)| match images {
        Some(images) if i == images => OsStr::new("labels").to_owned(),
        _ => part.as_os_str().to_owned(),
    };
    parts.iter().enumerate().map(part).collect::<PathBuf>().with_extension("txt")
}

fn read_labels(text: &str, file: &Path, faults: &mut Vec<Fault>) -> Vec<Label> {
    let mut labels = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match label(line) {
            Ok(label) => labels.push(label),
            Err(reason) => faults.push(Fault::new(format!("{}:{number}", file.display()), reason)),
        }
    }
    labels
}

fn label(line: &str) -> Result<Label, String> {
    let (class, numbers) = line.trim().split_once(char::is_whitespace).unwrap_or((line, ""));
    let class: usize = class.parse().map_err(|_| format!("class \"{class}\" is no number from 0"))?;
    let numbers: Vec<f64> = numbers
        .split_whitespace()
        .map(|n| n.parse().map_err(|_| format!("\"{n}\" is no number")))
        .collect::<Result<_, String>>()?;
    let [x0, y0, x1, y1] = match &numbers[..] {
        [x, y, w, h] => [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0],
        outline if outline.len() >= 6 && outline.len().is_multiple_of(2) => {
            let points = outline.as_chunks::<2>().0.iter();
            points.fold([f64::MAX, f64::MAX, f64::MIN, f64::MIN], |[x0, y0, x1, y1], [x, y]| {
                [x0.min(*x), y0.min(*y), x1.max(*x), y1.max(*y)]
            })
        }
        other => return Err(format!("{} numbers after the class; 4 make a box, 6 and more an outline", other.len())),
    };
    if [x0, y0, x1, y1].iter().any(|n| !(-SLACK..=1.0 + SLACK).contains(n)) {
        return Err("reaches outside the picture; numbers are relative, 0 to 1".into());
    }
    let [x0, y0, x1, y1] = [x0, y0, x1, y1].map(|n| n.clamp(0.0, 1.0));
    let bbox = [x0, y0, x1 - x0, y1 - y0];
    if !is_box(bbox) {
        return Err("has no area".into());
    }
    Ok(Label { class, bbox, area: None, crowd: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Result<(usize, [f64; 4]), &str>) {
        match (label(line), expected) {
            (Ok(found), Ok((class, bbox))) => {
                assert_eq!(found.class, class);
                assert!(found.bbox.iter().zip(bbox).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
            }
            (Err(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
            (found, expected) => panic!("{line}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn a_line_is_a_box_or_an_outline() {
        check("3 0.5 0.5 0.2 0.4", Ok((3, [0.4, 0.3, 0.2, 0.4])));
        check("  0\t0.1 0.1 0.3 0.2 0.2 0.6 ", Ok((0, [0.1, 0.1, 0.2, 0.5])));
        // Rounded a little beyond the edge.
        check("0 0.95 0.5 0.12 0.2", Ok((0, [0.89, 0.4, 0.11, 0.2])));
    }

    #[test]
    fn a_line_that_is_neither_says_why() {
        check("bag 0.5 0.5 0.2 0.4", Err("class \"bag\" is no number"));
        check("0 0.5 0.5 0.2", Err("3 numbers after the class"));
        check("0 0.5 0.5 0.2 0.4 0.9", Err("5 numbers after the class"));
        check("0 0.5 0.5 0.2 x", Err("\"x\" is no number"));
        check("0 320 240 64 64", Err("reaches outside the picture"));
        check("0 nan 0.5 0.1 0.1", Err("reaches outside"));
        check("0 0.5 0.5 0 0.1", Err("has no area"));
    }

    #[test]
    fn labels_lie_in_a_folder_of_their_own_or_beside() {
        assert_eq!(label_file(Path::new("/d/images/train/a.b.jpg")), Path::new("/d/labels/train/a.b.txt"));
        assert_eq!(label_file(Path::new("/images/d/images/a.png")), Path::new("/images/d/labels/a.txt"));
        assert_eq!(label_file(Path::new("d/a.jpg")), Path::new("d/a.txt"));
    }
}
