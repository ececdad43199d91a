//! What scenes are made of: finds the files that they name, reads backdrops, cuts things out of photographs.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};
use domain::Millis;
use ingest::Footage;
use scenery::{Canvas, Coco, Cutout, Outline, Source, Sprite, Thing, street};
use serde::Deserialize;

use super::scene::{Backdrop, Scene};

/// Where files that a scene names are looked for: beside the scene, then in these folders.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    /// The folders, in order.
    pub folders: Vec<PathBuf>,
}

impl Shelf {
    /// The files that `scene`, of the folder `beside`, names and that are nowhere.
    #[must_use]
    pub fn absent(&self, scene: &Scene, beside: &Path) -> Vec<PathBuf> {
        let mut named: Vec<&Path> = Vec::new();
        match &scene.backdrop {
            Backdrop::Street(_) => {}
            Backdrop::Still(still) => named.push(&still.file),
            Backdrop::Clip(clip) => named.push(&clip.file),
            Backdrop::Pictures(pictures) => named.push(&pictures.folder),
        }
        for thing in &scene.things {
            match &thing.source {
                Source::Shape(_) => {}
                Source::Cutout(cutout) => named.push(&cutout.file),
                Source::Coco(coco) => named.extend([coco.annotations.as_path(), &coco.pictures]),
            }
        }
        let mut absent: Vec<_> =
            named.into_iter().filter(|file| self.find(beside, file).is_none()).map(Into::into).collect();
        absent.sort();
        absent.dedup();
        absent
    }

    fn find(&self, beside: &Path, file: &Path) -> Option<PathBuf> {
        std::iter::once(beside)
            .chain(self.folders.iter().map(PathBuf::as_path))
            .map(|f| f.join(file))
            .find(|p| p.exists())
    }

    fn path(&self, beside: &Path, file: &Path) -> anyhow::Result<PathBuf> {
        self.find(beside, file).ok_or_else(|| anyhow!("{} is in no media folder", file.display()))
    }

    /// The scene's backdrop, and its things with their pictures.
    ///
    /// # Errors
    /// When a file cannot be read or holds nothing where the scene looks; names the file.
    pub(super) fn fetch(&self, scene: &Scene, beside: &Path) -> anyhow::Result<(View, Vec<(Thing, Sprite)>)> {
        let view = match &scene.backdrop {
            Backdrop::Street(street_of) => {
                let [width, height] = street_of.size.map(|side| side as usize);
                View::Still(street(width, height, scene.seed))
            }
            Backdrop::Still(still) => View::Still(even(&moment(&self.path(beside, &still.file)?, still.at)?)),
            Backdrop::Clip(clip) => View::Clip(Footage::open(&self.path(beside, &clip.file)?)?),
            Backdrop::Pictures(pictures) => {
                let folder = self.path(beside, &pictures.folder)?;
                View::pictures(&folder, pictures.every)?
            }
        };
        let mut coco = HashMap::new();
        let mut things = Vec::new();
        for thing in &scene.things {
            let sprite = match &thing.source {
                Source::Shape(shape) => shape.sprite(),
                Source::Cutout(cutout) => self.cutout(beside, cutout)?,
                Source::Coco(from) => self.annotated(beside, from, &mut coco)?,
            };
            things.push((thing.clone(), sprite));
        }
        Ok((view, things))
    }

    fn cutout(&self, beside: &Path, cutout: &Cutout) -> anyhow::Result<Sprite> {
        let photograph = moment(&self.path(beside, &cutout.file)?, cutout.at)?;
        let (w, h) = (photograph.width as f32, photograph.height as f32);
        let outline = cutout.outline.points().iter().map(|p| (p.x * w, p.y * h)).collect();
        Sprite::cut(&photograph, &vec![outline])
            .with_context(|| format!("{}: nothing lies inside the outline", cutout.file.display()))
    }

    fn annotated(
        &self,
        beside: &Path,
        from: &Coco,
        read: &mut HashMap<PathBuf, Annotations>,
    ) -> anyhow::Result<Sprite> {
        let path = self.path(beside, &from.annotations)?;
        if !read.contains_key(&path) {
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let annotations =
                serde_json::from_str(&text).with_context(|| format!("{}: no COCO annotations", path.display()))?;
            read.insert(path.clone(), annotations);
        }
        let annotations = &read[&path];
        let no_such = || format!("{} has no annotation {} with an outline", path.display(), from.id);
        let annotation = annotations.annotations.iter().find(|a| a.id == from.id).with_context(no_such)?;
        let Segmentation::Polygons(polygons) = &annotation.segmentation else { bail!(no_such()) };
        let image = annotations.images.iter().find(|image| image.id == annotation.image_id).with_context(no_such)?;
        let photograph = moment(&self.path(beside, &from.pictures)?.join(&image.file_name), Millis::ZERO)?;
        let outline: Outline = polygons.iter().map(|xy| xy.chunks_exact(2).map(|c| (c[0], c[1])).collect()).collect();
        let mut sprite = Sprite::cut(&photograph, &outline).with_context(no_such)?;
        // Where it stood in its photograph means nothing on this street.
        sprite.origin = None;
        Ok(sprite)
    }
}

/// A photograph, or one moment of a recording.
fn moment(path: &Path, at: Millis) -> anyhow::Result<Canvas> {
    Ok(Canvas::from_picture(&Footage::open(path)?.at(at)?))
}

/// Video encoders take even sides only.
fn even(canvas: &Canvas) -> Canvas {
    canvas.resized(canvas.width & !1, canvas.height & !1)
}

/// What everything stands before, as time goes on.
pub(super) enum View {
    Still(Canvas),
    Clip(Footage),
    Pictures { files: Vec<PathBuf>, every: Millis, shown: (usize, Canvas) },
}

impl View {
    fn pictures(folder: &Path, every: Millis) -> anyhow::Result<Self> {
        let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        files.retain(|file| {
            let extension = file.extension().map(|e| e.to_ascii_lowercase());
            extension.is_some_and(|e| ["jpg", "jpeg", "png"].iter().any(|known| e == *known))
        });
        files.sort();
        let first = files.first().with_context(|| format!("{}: no pictures (jpg, png) are there", folder.display()))?;
        let shown = (0, even(&moment(first, Millis::ZERO)?));
        Ok(Self::Pictures { files, every, shown })
    }

    /// What is there at `t`; times must not go back.
    pub(super) fn at(&mut self, t: Millis) -> anyhow::Result<Canvas> {
        match self {
            Self::Still(canvas) => Ok(canvas.clone()),
            Self::Clip(footage) => Ok(even(&Canvas::from_picture(&footage.at(t)?))),
            Self::Pictures { files, every, shown } => {
                let n = (t.0 / every.0) as usize % files.len();
                if n != shown.0 {
                    let canvas = moment(&files[n], Millis::ZERO)?;
                    // One camera has one size.
                    *shown = (n, canvas.resized(shown.1.width, shown.1.height));
                }
                Ok(shown.1.clone())
            }
        }
    }
}

/// The part of a COCO file (`instances_*.json`) that outlines need.
#[derive(Debug, Deserialize)]
struct Annotations {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
}

#[derive(Debug, Deserialize)]
struct Image {
    id: u64,
    file_name: String,
}

#[derive(Debug, Deserialize)]
struct Annotation {
    id: u64,
    image_id: u64,
    segmentation: Segmentation,
}

/// Crowds are run-length encoded; they outline no single thing.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Segmentation {
    Polygons(Vec<Vec<f32>>),
    RunLengths(serde::de::IgnoredAny),
}
