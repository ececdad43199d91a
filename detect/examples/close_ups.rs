//! What close-ups find: labelled COCO pictures at half their size in a grey 1080p picture, looked at whole, and with a crop or
//! tiles of a zone of a quarter of its area; first the same small pictures alone, which no close-up can beat. Prints recall by the size that a thing has in the model's input, wrong boxes and time as a table.
//!
//!     cargo run --release -p detect --example close_ups -- MODELS_DIR MODEL ANNOTATIONS.json PICTURES_DIR

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use detect::{CloseUps, DetectConfig, Detectors, Manner, manifest::Manifest};
use domain::{Detection, Picture, Point, Polygon, Rect, Timestamp};

#[path = "../tests/it/jpeg.rs"]
mod jpeg;

const STREET: [u32; 2] = [1920, 1080];
/// A zone of half the street's width and height, about where the pictures lie.
const ZONE: [[f32; 2]; 4] = [[0.35, 0.35], [0.85, 0.35], [0.85, 0.85], [0.35, 0.85]];
/// Sizes in pixels of a 416-pixel input: from 4 up (what is smaller no model finds) to the next.
const SIZES: [f32; 5] = [4.0, 8.0, 16.0, 32.0, f32::INFINITY];
/// Score of a detection that counts, and overlap with a label's box.
const SCORE: f32 = 0.3;
const OVERLAP: f32 = 0.5;

struct Label {
    group: String,
    bbox: Rect,
}

struct Scene {
    street: Picture,
    /// Where the labelled picture lies in it.
    place: Rect,
    labels: Vec<Label>,
    zone: Polygon,
}

#[derive(Default)]
struct Tally {
    /// By size: found, all.
    found: [[usize; 2]; 4],
    wrong: usize,
    took: Duration,
    looks: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or_else(|| format!("{what} is missing"));
    let (models_dir, name) = (PathBuf::from(next("MODELS_DIR")?), next("MODEL")?);
    let (annotations, folder) = (next("ANNOTATIONS.json")?, PathBuf::from(next("PICTURES_DIR")?));
    let config = DetectConfig { models_dir: models_dir.clone(), score_floor: SCORE, ..DetectConfig::default() };
    let manifest = Manifest::read(&models_dir.join(&name).join("model.toml"))?;
    let mut detectors = Detectors::load(&config, &BTreeSet::from([name.clone()]), 1)?.pop().ok_or("a thread")?;
    let scenes = scenes(&annotations, &folder, &manifest)?;
    let ways: [(&str, Option<Manner>, usize); 4] = [
        ("whole picture", None, 0),
        ("and a crop", Some(Manner::Crop), 1),
        ("and tiles, 2 a look", Some(Manner::Tiles), 2),
        ("and tiles, 4 a look", Some(Manner::Tiles), 4),
    ];
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| {name}, {} pictures | 4 to 8 px | 8 to 16 px | 16 to 32 px | 32 px and more | wrong | ms a look |",
        scenes.len()
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    let mut alone = Tally::default();
    for scene in &scenes {
        let at = |share: f32, side: u32| ((share * side as f32).round() as u32) & !1;
        let (x, y) = (at(scene.place.x0, STREET[0]), at(scene.place.y0, STREET[1]));
        let (w, h) = (at(scene.place.width(), STREET[0]), at(scene.place.height(), STREET[1]));
        let part = scene.street.region(x, y, w, h).ok_or("the picture lies in the street")?;
        let begun = Instant::now();
        let mut found = detectors.detect(std::slice::from_ref(&name), &part)?;
        alone.took += begun.elapsed();
        alone.looks += 1;
        for detection in &mut found {
            let Rect { x0, y0, x1, y1 } = detection.bbox;
            let (left, top) = (scene.place.x0, scene.place.y0);
            let (width, height) = (scene.place.width(), scene.place.height());
            detection.bbox =
                Rect { x0: left + x0 * width, y0: top + y0 * height, x1: left + x1 * width, y1: top + y1 * height };
        }
        alone.add(&scene.labels, found);
    }
    write_row(&mut out, "the small picture alone", &alone)?;
    for (title, manner, per_look) in ways {
        let mut tally = Tally::default();
        for scene in &scenes {
            let zones = manner.iter().map(|manner| (scene.zone.clone(), *manner)).collect();
            let mut close_ups = CloseUps::new(zones, per_look);
            // The fourth look has seen every tile.
            let mut found = Vec::new();
            for _ in 0..4 {
                let begun = Instant::now();
                found = close_ups.look(
                    &mut detectors,
                    std::slice::from_ref(&name),
                    &scene.street,
                    None,
                    Timestamp(0),
                    true,
                )?;
                tally.took += begun.elapsed();
                tally.looks += 1;
            }
            tally.add(&scene.labels, found);
        }
        write_row(&mut out, title, &tally)?;
    }
    Ok(())
}

fn write_row(out: &mut impl std::io::Write, title: &str, tally: &Tally) -> std::io::Result<()> {
    let shares = tally.found.map(|[found, all]| format!("{:.2} of {all}", found as f64 / all.max(1) as f64));
    let ms = tally.took.as_secs_f64() * 1e3 / f64::from(tally.looks.max(1));
    writeln!(out, "| {title} | {} | {} | {ms:.0} |", shares.join(" | "), tally.wrong)
}

impl Tally {
    fn add(&mut self, labels: &[Label], mut found: Vec<Detection>) {
        for label in labels {
            let side = 416.0 * label.bbox.width().max(label.bbox.height());
            let fits = |d: &Detection| d.group.as_str() == label.group && d.bbox.iou(label.bbox) >= OVERLAP;
            let hit = found.iter().position(fits).map(|i| found.remove(i)).is_some();
            if let Some(size) = SIZES.windows(2).position(|s| (s[0]..s[1]).contains(&side)) {
                self.found[size][0] += usize::from(hit);
                self.found[size][1] += 1;
            }
        }
        self.wrong += found.len();
    }
}

fn scenes(annotations: &str, folder: &Path, manifest: &Manifest) -> Result<Vec<Scene>, Box<dyn Error>> {
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(annotations)?)?;
    let list = |key: &str| json[key].as_array().cloned().unwrap_or_default();
    let categories: BTreeMap<u64, String> = list("categories")
        .iter()
        .filter_map(|c| Some((c["id"].as_u64()?, manifest.group_of(c["name"].as_str()?))))
        .collect();
    let mut scenes = Vec::new();
    for image in list("images") {
        let file = image["file_name"].as_str().ok_or("file_name")?;
        let picture = jpeg::picture(&folder.join(file))?;
        let (street, place) = placed(&picture);
        let (w, h) = (f64::from(picture.width), f64::from(picture.height));
        let mut labels = Vec::new();
        let own = |a: &&serde_json::Value| a["image_id"] == image["id"] && a["iscrowd"] != 1;
        for annotation in list("annotations").iter().filter(own) {
            let side = |i: usize| annotation["bbox"][i].as_f64().unwrap_or_default();
            let at = |x: f64, y: f64| Point {
                x: place.x0 + (x / w) as f32 * place.width(),
                y: place.y0 + (y / h) as f32 * place.height(),
            };
            let (a, b) = (at(side(0), side(1)), at(side(0) + side(2), side(1) + side(3)));
            let bbox = Rect { x0: a.x, y0: a.y, x1: b.x, y1: b.y };
            let group = annotation["category_id"].as_u64().and_then(|id| categories.get(&id)).ok_or("category_id")?;
            labels.push(Label { group: group.clone(), bbox });
        }
        let zone = Polygon::new(ZONE.map(Point::from).into())?;
        scenes.push(Scene { street, place, labels, zone });
    }
    Ok(scenes)
}

/// The mean of each four pixels of `picture` in a grey street, and where they lie.
fn placed(picture: &Picture) -> (Picture, Rect) {
    let (w, h) = (picture.width as usize / 4 * 2, picture.height as usize / 4 * 2);
    let (x, y) = ((STREET[0] as usize * 3 / 5 - w / 2) & !1, (STREET[1] as usize * 3 / 5 - h / 2) & !1);
    let mut street = Picture::uniform(STREET[0], STREET[1], [128, 128, 128]);
    street.range = picture.range;
    for (p, n) in [(0, 1), (1, 2), (2, 2)] {
        let (w, h, x, y) = (w / n, h / n, x / n, y / n);
        let (stride, from) = (street.strides[p], &picture.planes[p]);
        let mut plane = street.planes[p].to_vec();
        for row in 0..h {
            for column in 0..w {
                let at = |dx: usize, dy: usize| u16::from(from[(2 * row + dy) * picture.strides[p] + 2 * column + dx]);
                plane[(y + row) * stride + x + column] = ((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4) as u8;
            }
        }
        street.planes[p] = Bytes::from(plane);
    }
    let [width, height] = STREET.map(|side| side as f32);
    let (x0, y0) = (x as f32 / width, y as f32 / height);
    (street, Rect { x0, y0, x1: x0 + w as f32 / width, y1: y0 + h as f32 / height })
}
