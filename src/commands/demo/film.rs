//! The demo's film: real footage into which its own van is put, drives in, stands, and drives off again.
//!
//! The installed clip shows a van that never leaves, and of such a thing no camera can say that it is gone. So the van is
//! cut out and put nearer to the camera for a while; the people and the street around it are those of the clip.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use domain::{Millis, Point, Polygon, Timestamp};
use ingest::{Encoder, Footage, simulate};
use scenery::{Canvas, Cutout, Painter, Source, Sprite, Thing, Waypoint};

/// From one picture to the next; each is a keyframe.
const STEP: Millis = Millis(500);
/// How long the film lasts.
const LENGTH: Millis = Millis::secs(60);
/// How coarse it is: that of a usual street camera.
const QUANTIZER: u32 = 26;
/// The van in the clip: left, top, right, bottom.
const VAN: [f32; 4] = [640.0 / 768.0, 36.0 / 576.0, 736.0 / 768.0, 108.0 / 576.0];
/// Where it stops: the middle of its lower edge; and how high it is there.
const STAND: (Point, f32) = (Point { x: 0.505, y: 0.67 }, 0.25);

/// The film for `clip` in `folder`, made where it is not there yet. Takes seconds.
///
/// # Errors
/// When the clip cannot be read, or the film cannot be written.
pub(super) fn film(clip: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("demo-van.mp4");
    if path.exists() {
        return Ok(path);
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut footage = Footage::open(clip)?;
    let first = Canvas::from_picture(&footage.at(Millis::ZERO)?);
    let painter = painter(clip, &first)?;
    let mut encoder = Encoder::new(first.width as u32, first.height as u32, QUANTIZER)?;
    let mut units = Vec::new();
    for n in 0..LENGTH.0 / STEP.0 {
        let at = Millis(n * STEP.0);
        let street = Canvas::from_picture(&footage.at(at)?);
        let unit = encoder.encode(&painter.paint(at, &street), Timestamp(at.0))?;
        units.push((at.to_duration(), unit.data));
    }
    // A film that was cut off half-way must not be taken for one at the next start.
    let unfinished = folder.join("demo-van.part");
    simulate::write_recording(&unfinished, &units, Duration::from_millis(STEP.0.unsigned_abs()))?;
    std::fs::rename(&unfinished, &path).with_context(|| path.display().to_string())?;
    Ok(path)
}

fn painter(clip: &Path, picture: &Canvas) -> anyhow::Result<Painter> {
    let [x0, y0, x1, y1] = VAN;
    let corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
    let outline = corners.map(|[x, y]| (x * picture.width as f32, y * picture.height as f32)).to_vec();
    let sprite = Sprite::cut(picture, &vec![outline]).context("nothing lies inside the van's outline")?;
    let outline = Polygon::new(corners.map(Point::from).to_vec())?;
    let (foot, height) = STAND;
    let beside = Point { x: 1.2, ..foot };
    let stop = |at: i64, foot: Point| Waypoint { at: Millis::secs(at), foot, height: Some(height) };
    let van = Thing {
        name: "van".into(),
        source: Source::Cutout(Cutout { file: clip.to_owned(), at: Millis::ZERO, outline }),
        path: vec![stop(2, beside), stop(4, foot), stop(50, foot), stop(53, beside)],
        from: Millis::secs(2),
        until: Some(Millis::secs(53)),
        every: None,
        flip: false,
        shadow: 0.0,
        sway: 0.0,
        gain: 1.0,
    };
    Ok(Painter::new(vec![(van, sprite)], Vec::new(), 1)?)
}
