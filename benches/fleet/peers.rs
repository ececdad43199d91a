//! The same streams the usual ways: everything is decoded, and the detector sees every frame.

use std::{path::Path, process::Command, time::Duration};

use gstreamer::{self as gst, prelude::*};

use crate::{
    Plan,
    city::{City, ONE_BUSY_IN},
    seconds, setup,
    shared::{Running, camera_clip, keyframes, measure, simulator},
};

/// What popular NVRs decode for their detector.
const FPS: f64 = 5.0;
/// What the cameras send.
const CAMERA_FPS: f64 = 25.0;

/// CPU of a camera, in thousandths of a core: each way on the same streams, one way after the other.
pub(crate) fn peers(plan: &Plan, folder: &Path) {
    let (cameras, window) = if plan.quick { (2, seconds(5)) } else { (8, seconds(30)) };
    let fleet = if plan.quick { 20 } else { 400 };
    let per_camera = |cores: f64, n: usize| cores / n as f64 * 1e3;

    let city = City::start(&setup(fleet, seconds(10)), folder);
    let Some((_, before, after)) = crate::observe(&city, seconds(plan.warm_up), window) else {
        println!("only {} of {fleet} cameras stream", city.streaming());
        return;
    };
    let ours = per_camera(after.cores_since(&before)[0], fleet);
    drop(city);

    let clip = camera_clip(folder);
    let (_simulator, urls) = simulator(cameras, std::slice::from_ref(&clip), folder, &[]);
    let usual = |start: &dyn Fn(&str) -> Running| {
        let children: Vec<_> = urls.iter().map(|url| start(url)).collect();
        std::thread::sleep(seconds(5));
        let cores: f64 = std::thread::scope(|scope| {
            let watch = |child| scope.spawn(move || Running::cpu_within(child, Duration::ZERO, window));
            let watched: Vec<_> = children.iter().map(watch).collect();
            watched.into_iter().map(|watch| watch.join().unwrap()).sum()
        });
        per_camera(cores, cameras)
    };
    let ffmpeg = usual(&|url| {
        let decode = ["-nostdin", "-loglevel", "error", "-threads", "1", "-rtsp_transport", "tcp", "-i", url];
        let raw = ["-r", "5", "-pix_fmt", "yuv420p", "-f", "rawvideo", "/dev/null", "-y"];
        Running::start(Command::new("ffmpeg").args(decode).args(raw))
    });
    let gstreamer =
        usual(&|url| Running::start(Command::new(std::env::current_exe().unwrap()).args(["gstreamer-decode", url])));
    let detection = detection(&clip, if plan.quick { 5 } else { 100 });

    println!(
        "{fleet} cameras for gridwatch (one in {ONE_BUSY_IN} busy, a look each 10 s, detector behind the gate), {cameras} for the others\n"
    );
    println!("| a camera costs | thousandths of a core | gridwatch, all in, costs less by |\n|---|---|---|");
    println!("| gridwatch, all in | {ours:.2} | |");
    for (what, cost) in [
        ("an ffmpeg process, decoded to 5 frames/s, no detection", ffmpeg),
        ("the same with the same detector on each of them", ffmpeg + FPS * detection),
        ("a GStreamer pipeline that decodes all, no detection", gstreamer),
        ("the same with the same detector on every frame", gstreamer + CAMERA_FPS * detection),
    ] {
        println!("| {what} | {cost:.1} | {:.0} x |", cost / ours);
    }
    println!("\none detection: {detection:.1} ms CPU (aims: 20 x less than ffmpeg, 5 x less than GStreamer)");
}

/// CPU milliseconds of one run of the default model, preprocessing included.
fn detection(clip: &Path, runs: usize) -> f64 {
    let config = detect::DetectConfig::default();
    let model = detect::Model::load(&config.models_dir, &config.model).unwrap();
    let mut detector = detect::Detector::new(&model, &config).unwrap();
    let mut decoder = ingest::Decoder::new(&Default::default()).unwrap();
    let pictures: Vec<_> = keyframes(clip).iter().take(8).map(|keyframe| decoder.decode(keyframe).unwrap()).collect();
    let total = measure(|| {
        for picture in pictures.iter().cycle().take(runs) {
            std::hint::black_box(detector.detect(picture).unwrap());
        }
    });
    total / runs as f64 * 1e3
}

/// Decodes a stream for ever: `gst-launch-1.0 rtspsrc ! decode ! fakesink` without that program.
pub(crate) fn gstreamer_decode(url: &str) {
    gst::init().unwrap();
    let text = format!(
        "rtspsrc location={url} protocols=tcp latency=200 ! rtph264depay ! h264parse ! avdec_h264 max-threads=1 ! fakesink sync=false"
    );
    let pipeline = gst::parse::launch(&text).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let _ = bus.timed_pop_filtered(None, &[gst::MessageType::Eos, gst::MessageType::Error]);
}
