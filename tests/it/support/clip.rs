//! Clips with known truth: a real street view (OpenCV's `vtest.avi`) into which its own parked van is put where a test wants it.

use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

pub const FPS: u64 = 10;

/// The street view that set-up installs.
pub fn street() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".deps/clips/vtest.avi");
    assert!(path.exists(), "{} is missing: deploy/setup.sh --test installs it", path.display());
    path
}

/// Planar RGB would do as well, but I420 needs no conversion on the way to the encoder.
struct Picture {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

/// Where the van stands in the street view, in pixels: left, top, width, height (even).
const VAN: (usize, usize, usize, usize) = (640, 36, 96, 72);
/// How much larger the van is put into the clip, since nearer to the camera.
const SCALE: usize = 2;

/// Size of the van in a clip, relative to the picture.
pub const VAN_SIZE: (f64, f64) = ((VAN.2 * SCALE) as f64 / 768.0, (VAN.3 * SCALE) as f64 / 576.0);

/// Writes `seconds` of H.264 with a keyframe each second to `path`; `van(t)` says where the van's top left corner is
/// (relative) at second `t`, if it is there at all.
pub fn write(path: &Path, seconds: u64, van: impl Fn(f64) -> Option<(f64, f64)>) {
    write_painted(path, seconds, |t, street, frame| {
        if let Some((x, y)) = van(t) {
            let at = |relative: f64, size: usize| (relative * size as f64).round() as i64 / 2 * 2;
            paste_van(street, frame, at(x, street.width), at(y, street.height));
        }
    });
}

/// The same with a heap of something that has no name in its place, while `lies(t)`.
pub fn write_heap(path: &Path, seconds: u64, lies: impl Fn(f64) -> bool) {
    write_painted(path, seconds, |t, _, frame| {
        if lies(t) {
            paint_heap(frame);
        }
    });
}

fn write_painted(path: &Path, seconds: u64, paint: impl Fn(f64, &Picture, &mut Picture)) {
    gst::init().expect("GStreamer");
    let street = first_frame(&street());
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=in format=time caps=video/x-raw,format=I420,width={},height={},framerate={FPS}/1 ! \
         x264enc speed-preset=ultrafast tune=zerolatency key-int-max={FPS} bframes=0 quantizer=20 pass=quant ! h264parse ! mp4mux ! filesink location={}",
        street.width,
        street.height,
        path.display()
    ))
    .expect("a pipeline")
    .downcast::<gst::Pipeline>()
    .expect("a pipeline");
    let source = pipeline.by_name("in").expect("in").downcast::<gst_app::AppSrc>().expect("an appsrc");
    pipeline.set_state(gst::State::Playing).expect("playing");
    for n in 0..seconds * FPS {
        let mut frame = Picture { data: street.data.clone(), ..street };
        paint(n as f64 / FPS as f64, &street, &mut frame);
        let mut buffer = gst::Buffer::from_mut_slice(frame.data);
        {
            let buffer = buffer.get_mut().expect("the only reference");
            buffer.set_pts(gst::ClockTime::from_mseconds(n * 1_000 / FPS));
            buffer.set_duration(gst::ClockTime::from_mseconds(1_000 / FPS));
        }
        source.push_buffer(buffer).expect("a push");
    }
    source.end_of_stream().expect("an end");
    let bus = pipeline.bus().expect("a bus");
    let end =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &[gst::MessageType::Eos, gst::MessageType::Error]);
    assert!(matches!(end.expect("an end").view(), gst::MessageView::Eos(_)), "the clip could not be written");
    pipeline.set_state(gst::State::Null).expect("null");
}

fn first_frame(path: &Path) -> Picture {
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! decodebin ! videoconvert ! video/x-raw,format=I420 ! appsink name=out sync=false max-buffers=1",
        path.display()
    ))
    .expect("a pipeline")
    .downcast::<gst::Pipeline>()
    .expect("a pipeline");
    let sink = pipeline.by_name("out").expect("out").downcast::<gst_app::AppSink>().expect("an appsink");
    pipeline.set_state(gst::State::Playing).expect("playing");
    let sample = sink.pull_sample().expect("a frame");
    pipeline.set_state(gst::State::Null).expect("null");
    let caps = sample.caps().and_then(|caps| caps.structure(0)).expect("caps");
    let size = |name| usize::try_from(caps.get::<i32>(name).expect("a size")).expect("positive");
    let data = sample.buffer().expect("a buffer").map_readable().expect("readable").to_vec();
    Picture { width: size("width"), height: size("height"), data }
}

/// Paints dark blocks of two shades into `frame`.
fn paint_heap(frame: &mut Picture) {
    let (left, top, width, height) = (352, 330, 56, 48);
    let row = frame.width;
    for y in 0..height {
        for x in 0..width {
            frame.data[(top + y) * row + left + x] = if (x / 8 + y / 12) % 2 == 0 { 40 } else { 64 };
        }
    }
    let luma = frame.width * frame.height;
    for (plane, level) in [(0, 118), (1, 140)] {
        for y in 0..height / 2 {
            let from = luma + plane * luma / 4 + (top / 2 + y) * row / 2 + left / 2;
            frame.data[from..from + width / 2].fill(level);
        }
    }
}

/// Puts the van of `street`, enlarged, into `frame` at pixel (`left`, `top`); what lies outside is cut off.
fn paste_van(street: &Picture, frame: &mut Picture, left: i64, top: i64) {
    let (vx, vy, vw, vh) = VAN;
    let mut offset = 0;
    for half in [1, 2, 2] {
        let (width, height) = (street.width / half, street.height / half);
        for y in 0..vh / half * SCALE {
            for x in 0..vw / half * SCALE {
                let (to_x, to_y) = (left / half as i64 + x as i64, top / half as i64 + y as i64);
                let inside = (0..width as i64).contains(&to_x) && (0..height as i64).contains(&to_y);
                if inside {
                    let from = (vy / half + y / SCALE) * width + vx / half + x / SCALE;
                    frame.data[offset + to_y as usize * width + to_x as usize] = street.data[offset + from];
                }
            }
        }
        offset += width * height;
    }
}
