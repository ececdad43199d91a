//! COCO's annotations: one JSON file with `images`, `annotations` and `categories`.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::{Dataset, Fault, Label, LabelledPicture, is_box};

#[derive(Deserialize)]
struct Annotations {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: i64,
    file_name: PathBuf,
    width: u32,
    height: u32,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    id: i64,
    image_id: i64,
    category_id: i64,
    /// Left, top, width, height; empty in some exports.
    #[serde(default)]
    bbox: Vec<f64>,
    area: Option<f64>,
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Category {
    id: i64,
    name: String,
}

/// Reads the annotations at `path`, whose pictures are in `images` or beside it as usual.
pub(super) fn read(path: &Path, images: Option<&Path>) -> anyhow::Result<Dataset> {
    let place = path.display();
    let file = File::open(path).with_context(|| place.to_string())?;
    let all: Annotations = serde_json::from_reader(BufReader::new(file))
        .with_context(|| format!("{place}: not COCO annotations (images, annotations, categories)"))?;
    let mut faults = Vec::new();
    let numbers: HashMap<i64, usize> = all.categories.iter().map(|c| c.id).zip(0..).collect();
    let ids = all.categories.iter().map(|c| c.id).collect();
    let classes: Vec<String> = all.categories.into_iter().map(|c| c.name).collect();
    let distinct: HashSet<&String> = classes.iter().collect();
    if distinct.len() != classes.len() || numbers.len() != classes.len() {
        bail!("{place}: two categories have one name or one id");
    }
    let folder = folder_of(path, images, &all.images)?;
    let mut labels: HashMap<i64, Vec<Label>> = all.images.iter().map(|image| (image.id, Vec::new())).collect();
    for annotation in all.annotations {
        let Annotation { id, image_id, category_id, bbox, area, iscrowd } = annotation;
        let mut fault = |reason: String| faults.push(Fault::new(format!("{place}: annotation {id}"), reason));
        let (Some(labels), Some(class)) = (labels.get_mut(&image_id), numbers.get(&category_id)) else {
            fault(format!("image {image_id} or category {category_id} does not exist"));
            continue;
        };
        match <[f64; 4]>::try_from(bbox) {
            Ok(bbox) if is_box(bbox) => {
                let area = area.filter(|a| a.is_finite() && *a >= 0.0);
                labels.push(Label { class: *class, bbox, area, crowd: iscrowd != 0 });
            }
            Ok(bbox) => fault(format!("bbox {bbox:?} has no area")),
            Err(bbox) => fault(format!("bbox has {} numbers, not left, top, width, height", bbox.len())),
        }
    }
    let mut pictures = Vec::with_capacity(all.images.len());
    for Image { id, file_name, width, height } in all.images {
        // An id that comes twice has given its labels to the first.
        match labels.remove(&id) {
            Some(labels) => {
                pictures.push(LabelledPicture {
                    id,
                    path: folder.join(file_name),
                    size: Some([width, height]),
                    labels,
                });
            }
            None => faults.push(Fault::new(format!("{place}: image {id}"), "another image has the same id")),
        }
    }
    pictures.sort_by_key(|picture| picture.id);
    Ok(Dataset { classes, ids, pictures, n_unlabelled: 0, faults })
}

/// The folder that file names are relative to: the one that is given, or the first of the usual ones that holds a
/// picture of the file.
fn folder_of(path: &Path, given: Option<&Path>, images: &[Image]) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    let beside = path.parent().unwrap_or(Path::new("."));
    let above = beside.parent().unwrap_or(Path::new("."));
    // instances_val2017.json belongs to the folder val2017.
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let split = stem.rsplit('_').next().unwrap_or(stem);
    let usual = [beside.to_owned(), beside.join("images"), above.join(split), above.join("images"), above.to_owned()];
    let holds = |folder: &&PathBuf| images.iter().any(|image| folder.join(&image.file_name).is_file());
    match usual.iter().find(holds) {
        Some(folder) => Ok(folder.clone()),
        None if images.is_empty() => Ok(beside.to_owned()),
        None => {
            let looked: Vec<String> = usual.iter().map(|folder| folder.display().to_string()).collect();
            bail!("{}: no picture of it in {}; name their folder with --images", path.display(), looked.join(", "))
        }
    }
}
