//! What the change gate saves and what it costs: looks that run no detector, detections lost against a run at each look,
//! things told to stand, and CPU time against the decode of the same pictures.
//!
//! - real footage, a look each second of it, to and fro;
//! - quiet streets made of real footage: the clip without its people (the median of its pictures) with a sensor's
//!   noise, a drift of exposure and what H.264 does to it; in one look of ten somebody of the clip walks by; in the
//!   second third something lies there.
//!
//! `cargo bench --bench gate` (`make bench args=gate`) runs it, `-- gate --quick` with fewer looks. Footage that is
//! not there is passed over, and said to be.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use std::{collections::BTreeMap, path::Path};

use detect::scene::{Need, Outcome, Scene, Scratch};
use domain::{Detection, Label, Picture, Rect, STANDING, Timestamp};

#[path = "../shared/mod.rs"]
mod shared;
use shared::{STREET, arguments, ffmpeg, keyframes, measure, wanted};
mod street;
use street::Street;

/// Score from which a detection of the run at each look counts, and the overlap from which another one is the same.
const COUNTS: f32 = 0.4;
const SAME: f32 = 0.5;

/// Other footage, beside the repository: fixed cameras and, for the worst, a moving one.
const MEDIA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/media");
const OTHERS: [&str; 6] = [
    "one-by-one-person-detection.mp4",
    "car-detection.mp4",
    "as_video1.avi",
    "oz_ped.mp4",
    "oz_input.mp4",
    "svc_video.avi",
];
/// Those of which the median is a street without people.
const QUIET: [&str; 2] = ["vtest.avi", "one-by-one-person-detection.mp4"];

fn main() {
    let arguments = arguments();
    if !wanted(&arguments, "gate") {
        return;
    }
    let looks = if arguments.iter().any(|a| a == "--quick") { 60 } else { 600 };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let config = detect::DetectConfig::default();
    let _ = detect::load_runtime(&config).unwrap();
    let model = detect::Model::load(&config.models_dir, &config.model).unwrap();
    let mut detector = detect::Detector::new(&model, &config).unwrap();
    let mut decoder = ingest::Decoder::new(&Default::default()).unwrap();

    let mut footage = Vec::new();
    for path in std::iter::once(STREET.into()).chain(OTHERS.map(|name| Path::new(MEDIA).join(name))) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !path.exists() {
            println!("{name} is not there and is passed over");
            continue;
        }
        let keyframes = keyframes(&each_second(&path, folder.path()));
        let pictures: Vec<Picture> = keyframes.iter().map(|k| decoder.decode(k).unwrap()).collect();
        let found: Vec<_> = pictures.iter().map(|p| detector.detect(p).unwrap()).collect();
        footage.push((name, keyframes, pictures, found));
    }

    println!("| footage | looks | saved | lost of detections | standing told |\n|---|---|---|---|---|");
    for (name, _, pictures, found) in &footage {
        let mut run = Run::default();
        for i in to_and_fro(pictures.len()).take(looks) {
            run.look(&pictures[i], 1_000, &found[i], None);
        }
        println!("| {name} | {} | {} |", run.saved(), run.told);
    }

    println!(
        "\n| quiet street | looks | saved | lost of detections | of looks at no change saved | standing told, nothing there \
         | told after | ended after | outcomes |\n|---|---|---|---|---|---|---|---|---|"
    );
    for (name, _, pictures, found) in footage.iter().filter(|(name, ..)| QUIET.contains(&name.as_str())) {
        for (light, gain, noise) in [("day", 1.0, 2.0), ("dusk", 0.5, 5.0)] {
            let mut street = Street::new(pictures, found, gain, noise);
            let mut run = Run::default();
            for n in 0..looks {
                let moment = street.moment(n, looks);
                let picture = decoder.decode(&moment.keyframe).unwrap();
                let found = detector.detect(&picture).unwrap();
                let saved = run.look(&picture, 10_000, &found, moment.lies.then_some(street.place()));
                run.of_quiet(moment.same_as_before, saved);
            }
            println!(
                "| {name}, {light} | {} | {:.1} % | {} | {} | {} | {:?} |",
                run.saved(),
                100.0 * run.quiet_saved as f64 / run.quiet as f64,
                run.told,
                run.came.map_or("never".to_owned(), |looks| format!("{looks} looks")),
                run.ended.map_or("never".to_owned(), |looks| format!("{looks} looks")),
                run.outcomes,
            );
        }
    }

    println!("\n| the scene's part of a look, 704x576 | ours | decode | ratio |\n|---|---|---|---|");
    let (_, keyframes, pictures, found) = &footage[0];
    let n = 4 * looks;
    let decode = measure(|| {
        for i in to_and_fro(keyframes.len()).take(n) {
            std::hint::black_box(decoder.decode(&keyframes[i]).unwrap());
        }
    });
    let mut run = Run::default();
    let ours = measure(|| {
        for i in to_and_fro(pictures.len()).take(n) {
            run.scene_look(&pictures[i], 1_000, &found[i]);
        }
    });
    let each = |seconds: f64| seconds * 1e3 / n as f64;
    println!("| a busy square | {:.3} ms | {:.3} ms | {:.3} |", each(ours), each(decode), ours / decode);
}

/// The pictures of a clip a second apart, as a camera sends them.
fn each_second(clip: &Path, folder: &Path) -> std::path::PathBuf {
    let path = folder.join(clip.file_name().unwrap()).with_extension("mp4");
    // The first clip, at the size of a usual side stream, is the one that cost is told for.
    let filter =
        if clip == Path::new(STREET) { "fps=1,scale=704:576" } else { "fps=1,crop=trunc(iw/2)*2:trunc(ih/2)*2" };
    let encoder = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-g", "1", "-pix_fmt", "yuv420p"];
    ffmpeg(&[&["-i", clip.to_str().unwrap(), "-vf", filter], &encoder[..], &[path.to_str().unwrap()]].concat());
    path
}

/// 0, 1, ..., n-1, n-1, ..., 1, 0, 0, 1, ...
fn to_and_fro(n: usize) -> impl Iterator<Item = usize> {
    (0..n).chain((0..n).rev()).cycle()
}

/// A camera with its scene, beside a detector that runs at each look.
#[derive(Default)]
struct Run {
    scene: Scene,
    scratch: Scratch,
    at: i64,
    outcomes: BTreeMap<&'static str, usize>,
    looks: usize,
    unchanged: usize,
    detections: usize,
    lost: usize,
    /// Standing things that were told where nothing was put down.
    told: usize,
    quiet: usize,
    quiet_saved: usize,
    /// Looks since the thing was put down, or taken away again, and when that was told.
    since: usize,
    lay: bool,
    came: Option<usize>,
    ended: Option<usize>,
}

impl Run {
    fn scene_look(&mut self, picture: &Picture, step: i64, found: &[Detection]) -> detect::scene::Seen {
        self.at += step;
        let at = Timestamp(1_700_000_000_000 + self.at);
        self.scene.look(picture, at, Need::IfChanged, &mut self.scratch, |_, _| Ok(found.to_vec())).unwrap()
    }

    /// A look at which a run finds `found`; something lies at `place`. Gives whether the run was saved.
    fn look(&mut self, picture: &Picture, step: i64, found: &[Detection], place: Option<Rect>) -> bool {
        let seen = self.scene_look(picture, step, found);
        let saved = seen.outcome == Outcome::Unchanged;
        *self.outcomes.entry(seen.outcome.as_str()).or_default() += 1;
        self.looks += 1;
        self.unchanged += usize::from(saved);
        for d in found.iter().filter(|d| d.score >= COUNTS) {
            self.detections += 1;
            let is_told = seen.detections.iter().any(|s| s.group == d.group && s.bbox.iou(d.bbox) >= SAME);
            self.lost += usize::from(!is_told);
        }
        let label = Label::new(STANDING);
        let standing: Vec<Rect> = seen.detections.iter().filter(|d| d.class == label).map(|d| d.bbox).collect();
        self.follow(&standing, place);
        saved
    }

    fn follow(&mut self, standing: &[Rect], place: Option<Rect>) {
        self.since = if self.lay == place.is_some() { self.since + 1 } else { 1 };
        self.lay = place.is_some();
        match place {
            Some(place) => {
                let there = standing.iter().filter(|s| s.iou(place) >= SAME).count();
                self.told += standing.len() - there;
                if there > 0 {
                    self.came.get_or_insert(self.since);
                }
            }
            // What was taken away may be told until it is seen to be gone.
            None if self.came.is_some() && self.ended.is_none() => {
                if standing.is_empty() {
                    self.ended = Some(self.since);
                }
            }
            None => self.told += standing.len(),
        }
    }

    fn of_quiet(&mut self, same_as_before: bool, saved: bool) {
        self.quiet += usize::from(same_as_before);
        self.quiet_saved += usize::from(same_as_before && saved);
    }

    fn saved(&self) -> String {
        let share = |part: usize, all: usize| 100.0 * part as f64 / all.max(1) as f64;
        format!(
            "{} | {:.1} % | {} of {} ({:.2} %)",
            self.looks,
            share(self.unchanged, self.looks),
            self.lost,
            self.detections,
            share(self.lost, self.detections)
        )
    }
}
