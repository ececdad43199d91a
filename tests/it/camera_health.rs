//! Camera health on real footage: what is well stays so, what goes wrong is found, and is known through a restart.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use detect::{Gauge, Health, HealthConfig};
use domain::{CameraFault, Millis, Picture, Timestamp};
use gstreamer as gst;
use gstreamer::prelude::*;
use ingest::Footage;
use scenery::{Canvas, Painter};

use crate::support::{clip, http, mosquitto::Mosquitto, program, site::Site, subscriber::Subscriber, wait_for};

/// Looks, ten seconds apart, within which each fault is found.
const FOUND_WITHIN: usize = 8;

/// The footage of fixed cameras that there is; set-up fetches the first.
fn footage() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/media");
    let others =
        ["as_video1.avi", "car-detection.mp4", "one-by-one-person-detection.mp4", "oz_input.mp4", "svc_video.avi"];
    let others = others.map(|name| beside.join(name)).into_iter().filter(|path| {
        let exists = path.exists();
        if !exists {
            eprintln!("{} is not there and is passed over", path.display());
        }
        exists
    });
    std::iter::once(clip::street()).chain(others).collect()
}

/// A picture of each second of a clip, up to so many.
fn pictures(path: &Path, n: i64) -> Vec<Picture> {
    let mut footage = Footage::open(path).expect("footage");
    (0..n).map(|second| footage.at(Millis::secs(second)).expect("a picture")).collect()
}

/// A camera whose reference is the first picture of its clip.
struct Camera {
    health: Health,
    gauge: Gauge,
    looks: i64,
}

impl Camera {
    fn new(reference: &Picture) -> Self {
        let (mut health, mut gauge) = (Health::new(HealthConfig::default()), Gauge::default());
        health.set_reference(reference, &mut gauge).expect("sound");
        Self { health, gauge, looks: 0 }
    }

    fn look(&mut self, picture: &Picture) -> Vec<CameraFault> {
        self.looks += 1;
        self.health.look(picture, Timestamp(self.looks * 10_000), &mut self.gauge).expect("sound");
        self.health.ailments().iter().map(|ailment| ailment.fault).collect()
    }
}

#[test]
fn footage_of_fixed_cameras_has_no_fault() {
    for path in footage() {
        let pictures = pictures(&path, 45);
        let mut camera = Camera::new(&pictures[0]);
        for (second, picture) in pictures.iter().enumerate().skip(1) {
            assert_eq!(camera.look(picture), [], "{} at {second} s", path.display());
        }
    }
}

#[test]
fn faults_in_real_footage_are_found_and_over_again() {
    type Spoil = fn(usize, &Picture) -> Picture;
    let spoils: [(CameraFault, Spoil); 4] = [
        (CameraFault::Blurred, |n, picture| paint("blur = 3.0", n, picture)),
        (CameraFault::Dark, |n, picture| paint("gain = 0.06\nnoise = 1.0", n, picture)),
        (CameraFault::Moved, |_, picture| moved(picture)),
        (CameraFault::Blind, |_, picture| covered(picture)),
    ];
    for path in footage() {
        let pictures = pictures(&path, 16);
        for (fault, spoil) in &spoils {
            let mut camera = Camera::new(&pictures[0]);
            let found = (0..FOUND_WITHIN).find(|n| camera.look(&spoil(*n, &pictures[1 + n])) == [*fault]);
            assert!(found.is_some(), "{fault} in {}: {:?}", path.display(), camera.health.ailments());
            let over = (0..5).find(|n| camera.look(&pictures[10 + n]).is_empty());
            assert!(over.is_some(), "{fault} in {} is not over", path.display());
        }
    }
}

fn paint(effect: &str, n: usize, picture: &Picture) -> Picture {
    let effect = toml::from_str(effect).expect("an effect");
    let painter = Painter::new(Vec::new(), vec![effect], 1).expect("a painter");
    painter.paint(Millis(n as i64 * 10_000), &Canvas::from_picture(picture))
}

/// The view a tenth of its width to the side.
fn moved(picture: &Picture) -> Picture {
    let from = Canvas::from_picture(picture);
    let mut to = from.clone();
    let (w, dx) = (from.width, from.width / 10);
    for (i, pixel) in to.pixels.iter_mut().enumerate() {
        *pixel = from.pixels[i / w * w + (i % w + dx).min(w - 1)];
    }
    to.to_picture()
}

/// A cloth over all of the view but a strip with the clock.
fn covered(picture: &Picture) -> Picture {
    let mut canvas = Canvas::from_picture(picture);
    let (w, h) = (canvas.width, canvas.height);
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let (x, y) = (i % w, i / w);
        if y * 12 > h {
            *pixel = [88.0 + x as f32 * 0.02, 84.0, 80.0];
        }
    }
    canvas.to_picture()
}

/// Half a minute of the street with its own noise, seen from `left` pixels further to the right.
fn street_from(path: &Path, left: i32) {
    gst::init().expect("GStreamer");
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! decodebin ! videoconvert ! videobox left={left} right=-{left} ! identity eos-after=300 ! \
         x264enc speed-preset=ultrafast key-int-max=5 bframes=0 quantizer=24 pass=quant ! h264parse ! mp4mux ! filesink location={}",
        clip::street().display(),
        path.display()
    ))
    .expect("a pipeline");
    pipeline.set_state(gst::State::Playing).expect("playing");
    let bus = pipeline.bus().expect("a bus");
    let end =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(180), &[gst::MessageType::Eos, gst::MessageType::Error]);
    assert!(matches!(end.expect("an end").view(), gst::MessageView::Eos(_)), "the clip could not be written");
    pipeline.set_state(gst::State::Null).expect("null");
}

#[test]
fn a_camera_that_was_moved_while_gridwatch_was_off_is_noticed_until_it_has_a_new_reference() {
    const WITHIN: Duration = Duration::from_secs(120);
    let clips = tempfile::tempdir().expect("a folder");
    let (before, after) = (clips.path().join("before.mp4"), clips.path().join("after.mp4"));
    street_from(&before, 0);
    street_from(&after, 90);
    let broker = Mosquitto::start();
    let platform = Subscriber::connect(broker.address, None);
    let mut site = Site::new(&broker.url());
    site.section("[detect.health]\nafter = \"3s\"\n\n[detect.standing]\nlearn = \"2s\"\n\n");
    let view = clips.path().join("view.mp4");
    std::fs::rename(&before, &view).expect("a clip");
    site.camera("gate", &format!("file = \"{}\", looping = true", view.display()));
    let status = || {
        let (_, text) = http::get_text(site.console, "/api/cameras/gate");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
    };

    let mut program = site.start();
    program.wait_for_log("reference picture taken");
    assert_eq!(
        (status()["faults"].clone(), status()["tickets_suspended"].clone()),
        (serde_json::json!([]), false.into())
    );
    assert_eq!(http::get(site.console, "/cameras/gate/reference.jpg").0, 200);
    assert!(program.stop().success());

    std::fs::rename(&after, &view).expect("a clip");
    let mut program = site.start();
    wait_for("the moved camera to be noticed", WITHIN, || (status()["faults"][0]["fault"] == "moved").then_some(()));
    assert_eq!(status()["tickets_suspended"], true);
    wait_for("the log and the metric to tell", WITHIN, || {
        (http::metric(site.console, "gridwatch_cameras_suspended") == Some(1.0)).then_some(())
    });
    program.wait_for_log("camera fault");
    wait_for("the status topic to tell", WITHIN, || {
        platform.messages().iter().rev().find(|m| m.topic.ends_with("/gate/status")).and_then(|message| {
            let told: serde_json::Value = serde_json::from_slice(&message.payload).ok()?;
            (told["tickets"] == "suspended" && told["faults"][0]["fault"] == "moved").then_some(())
        })
    });

    let config = site.config();
    let asked = program::run(&["cameras", "reference", "--config", config.to_str().expect("a path"), "gate"]);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    wait_for("the camera to be trusted again", WITHIN, || (status()["tickets_suspended"] == false).then_some(()));
    program.wait_for_log("camera fault is over");
    assert!(program.stop().success());
    let unknown = program::run(&["cameras", "reference", "--config", config.to_str().expect("a path"), "gate"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no answer; does gridwatch run"), "{unknown:?}");
}
