//! Labelled pictures on disk, in COCO's or YOLO's form. What cannot be used is named and left out, never fatal; a folder
//! or file that holds no picture at all is an error.

mod coco;
mod yolo;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use detect::eval::Truth;

/// Labelled pictures.
#[derive(Debug)]
pub struct Dataset {
    /// Class names; labels number them.
    pub classes: Vec<String>,
    /// The dataset's own number of each class.
    pub ids: Vec<i64>,
    /// The pictures, in the order of their ids.
    pub pictures: Vec<LabelledPicture>,
    /// Pictures that have no label file and count as pictures of nothing.
    pub n_unlabelled: usize,
    /// What could not be used.
    pub faults: Vec<Fault>,
}

/// A picture and what is on it.
#[derive(Debug)]
pub struct LabelledPicture {
    /// The dataset's number of it, or its place in the order of file names.
    pub id: i64,
    /// The file.
    pub path: PathBuf,
    /// Width and height that the labels are for, in pixels; none where labels are relative.
    pub size: Option<[u32; 2]>,
    /// What is on it.
    pub labels: Vec<Label>,
}

/// A labelled thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Class number.
    pub class: usize,
    /// Left, top, width, height: in pixels where the picture says a size, else relative to it.
    pub bbox: [f64; 4],
    /// Square pixels of its outline, where they are known.
    pub area: Option<f64>,
    /// Whether it is a region with many things that nobody counted.
    pub crowd: bool,
}

/// A picture or label that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, with the line or entry where there is one.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

impl Fault {
    fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}

impl LabelledPicture {
    /// What is on it, in pixels of the picture of `size` that the file turned out to hold, with the classes that
    /// `number` renumbers; others are left out.
    ///
    /// # Errors
    /// When the labels are for a picture of another size.
    pub fn truths(&self, size: [u32; 2], number: impl Fn(usize) -> Option<usize>) -> Result<Vec<Truth>, String> {
        if let Some([w, h]) = self.size.filter(|labelled| *labelled != size) {
            return Err(format!("is {}x{}, its labels are for {w}x{h}", size[0], size[1]));
        }
        let [w, h] = if self.size.is_some() { [1.0, 1.0] } else { size.map(f64::from) };
        let truth = |label: &Label| {
            let [x, y, width, height] = label.bbox;
            let bbox = [x * w, y * h, width * w, height * h];
            let area = label.area.unwrap_or(bbox[2] * bbox[3]);
            Some(Truth { class: number(label.class)?, bbox, area, crowd: label.crowd })
        };
        Ok(self.labels.iter().filter_map(truth).collect())
    }
}

/// Reads the dataset at `path`: a COCO annotations file, a folder with one below `annotations/`, or a folder in YOLO's
/// form. `images` is where a COCO file's pictures are, unless they lie beside it as usual.
///
/// # Errors
/// When there is no dataset, or it holds no picture.
pub fn read(path: &Path, images: Option<&Path>) -> anyhow::Result<Dataset> {
    let dataset = if path.is_file() {
        coco::read(path, images)?
    } else if let Some(annotations) = annotations_in(path)? {
        coco::read(&annotations, images)?
    } else if images.is_some() {
        bail!("{}: --images is for COCO annotations, and there are none", path.display());
    } else {
        yolo::read(path)?
    };
    if dataset.pictures.is_empty() {
        let why = dataset.faults.first().map(|f| format!("; {}: {}", f.place, f.reason)).unwrap_or_default();
        bail!("{}: no pictures{why}", path.display());
    }
    Ok(dataset)
}

/// The one annotations file of a folder in COCO's usual form.
fn annotations_in(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let inside = folder.join("annotations");
    if !inside.is_dir() {
        return Ok(None);
    }
    let mut found = files_below(&inside)?;
    found.retain(|file| file.extension().is_some_and(|e| e == "json"));
    match &found[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [first, ..] => {
            bail!("{}: {} annotation files; name one, as {}", inside.display(), found.len(), first.display())
        }
    }
}

/// All files below `folder`, by path. Links to folders are not followed, so that a loop of them ends.
fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut files, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry.with_context(|| folder.display().to_string())?;
            let kind = entry.file_type().with_context(|| entry.path().display().to_string())?;
            if kind.is_dir() { open.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Whether a box has an area and numbers.
fn is_box([x, y, w, h]: [f64; 4]) -> bool {
    [x, y, w, h].iter().all(|n| n.is_finite()) && w > 0.0 && h > 0.0
}
