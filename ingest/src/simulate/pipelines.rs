//! The three GStreamer pipelines behind a recording: take a file apart, transcode it, write what came of it.
//! A stream comes out as access units with times; nothing here decides whether it is good enough to be served.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::Codec;
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};

use super::{SimulateError, View};

/// Most of one recording that is kept in memory.
const MEMORY_LIMIT: usize = 2 << 30;

/// A pipeline that moves nothing for so long hangs.
const HANG: Duration = Duration::from_secs(30);

/// Pictures between forced keyframes are no reason for one more.
const FAR_APART: u32 = 100_000;

/// One encoded picture with its time in the recording.
pub(super) struct TimedUnit {
    /// When it is shown; the container may not say.
    pub(super) pts: Option<gst::ClockTime>,
    /// For how long.
    pub(super) duration: Option<gst::ClockTime>,
    /// The access unit as an Annex B byte stream; empty for encodings that are only measured.
    pub(super) data: Bytes,
}

/// A recording's first video stream.
#[derive(Default)]
pub(super) struct VideoStream {
    /// `None` for an encoding that has to be transcoded.
    pub(super) codec: Option<Codec>,
    /// Width and height in pixels, where known.
    pub(super) size: Option<(u32, u32)>,
    /// The pictures in decoding order.
    pub(super) units: Vec<TimedUnit>,
    bytes: usize,
    found: Vec<String>,
    has_video: bool,
    failure: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gstreamer_error(error: impl std::fmt::Display) -> SimulateError {
    SimulateError::Gstreamer { reason: error.to_string() }
}

fn launch(description: &str) -> Result<gst::Pipeline, SimulateError> {
    gst::parse::launch(description)
        .map_err(gstreamer_error)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| gstreamer_error("not a pipeline"))
}

fn named<T: IsA<gst::Element>>(bin: &gst::Bin, name: &str) -> Result<T, SimulateError> {
    bin.by_name(name)
        .and_then(|element| element.downcast::<T>().ok())
        .ok_or_else(|| gstreamer_error(format!("no element {name}")))
}

/// Plays a pipeline to its end. `reached` says how far it is, for `progress` and to notice a hang.
fn run(
    pipeline: &gst::Pipeline,
    path: &Path,
    mut reached: impl FnMut() -> usize,
    mut progress: impl FnMut(),
) -> Result<(), SimulateError> {
    struct Ended<'a>(&'a gst::Pipeline);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            let _ = self.0.set_state(gst::State::Null);
        }
    }
    let unreadable = |reason: String| SimulateError::Unreadable { path: path.to_owned(), reason };
    let ended = Ended(pipeline);
    let bus = pipeline.bus().ok_or_else(|| gstreamer_error("a pipeline without bus"))?;
    // A failure to start is told in full on the bus.
    let started = pipeline.set_state(gst::State::Playing);
    let mut last = (reached(), Instant::now());
    loop {
        let wait = gst::ClockTime::from_mseconds(if started.is_err() { 0 } else { 200 });
        let message = bus.timed_pop_filtered(wait, &[gst::MessageType::Eos, gst::MessageType::Error]);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => break,
            Some(gst::MessageView::Error(error)) => {
                // Only the details say which decoder is missing.
                let details = error.debug().unwrap_or_default();
                let missing = details.lines().find(|line| line.starts_with("Missing")).unwrap_or_default();
                return Err(unreadable(format!("{} {missing}", error.error()).trim().trim_end_matches('.').to_owned()));
            }
            _ if started.is_err() => return Err(unreadable("the pipeline does not start".to_owned())),
            _ => progress(),
        }
        let now = reached();
        if now != last.0 {
            last = (now, Instant::now());
        } else if last.1.elapsed() > HANG {
            return Err(unreadable(format!("nothing came out of it for {} s", HANG.as_secs())));
        }
    }
    drop(ended);
    Ok(())
}

/// Adds what takes in one stream to a running pipeline.
fn plug(pipeline: &gst::Pipeline, pad: &gst::Pad, description: &str) -> Result<gst::Bin, String> {
    let bin = gst::parse::bin_from_description(description, true).map_err(|e| e.to_string())?;
    pipeline.add(&bin).map_err(|e| e.to_string())?;
    bin.sync_state_with_parent().map_err(|e| e.to_string())?;
    let sink = bin.static_pad("sink").ok_or("a bin without sink")?;
    pad.link(&sink).map_err(|e| e.to_string())?;
    Ok(bin)
}

/// Lets `sink` hand each access unit to `stream`.
fn collect(sink: &AppSink, stream: &Arc<Mutex<VideoStream>>) {
    let stream = Arc::clone(stream);
    sink.set_callbacks(
        AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let buffer = sample.buffer().ok_or(gst::FlowError::Error)?;
                let mut stream = lock(&stream);
                let data = if stream.codec.is_some() {
                    // A tight copy: a demuxer's buffers are slices of much larger blocks.
                    Bytes::copy_from_slice(&buffer.map_readable().map_err(|_| gst::FlowError::Error)?)
                } else {
                    Bytes::new()
                };
                if stream.size.is_none() {
                    let size = sample.caps().and_then(size);
                    stream.size = size.map(|(width, height)| (width as u32, height as u32));
                }
                stream.bytes += data.len();
                if stream.bytes > MEMORY_LIMIT {
                    return Err(gst::FlowError::Error);
                }
                stream.units.push(TimedUnit { pts: buffer.pts(), duration: buffer.duration(), data });
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
}

/// Width and height in pixels.
fn size(caps: &gst::CapsRef) -> Option<(i32, i32)> {
    let structure = caps.structure(0)?;
    Some((structure.get("width").ok()?, structure.get("height").ok()?))
}

fn finish(
    path: &Path,
    stream: &Mutex<VideoStream>,
    outcome: Result<(), SimulateError>,
) -> Result<VideoStream, SimulateError> {
    let stream = std::mem::take(&mut *lock(stream));
    if stream.bytes > MEMORY_LIMIT {
        return Err(SimulateError::TooLarge { path: path.to_owned(), limit_mib: MEMORY_LIMIT >> 20 });
    }
    if let Some(reason) = stream.failure {
        return Err(SimulateError::Unreadable { path: path.to_owned(), reason });
    }
    if !stream.has_video && !stream.found.is_empty() {
        return Err(SimulateError::NoVideo { path: path.to_owned(), found: stream.found.join(", ") });
    }
    outcome?;
    if stream.units.is_empty() {
        return Err(SimulateError::Unreadable { path: path.to_owned(), reason: "it holds no picture".to_owned() });
    }
    Ok(stream)
}

/// Takes a file apart. Pictures of other encodings than H.264 and H.265 are only counted and timed.
pub(super) fn demux(path: &Path) -> Result<VideoStream, SimulateError> {
    let stream = Arc::new(Mutex::new(VideoStream::default()));
    let pipeline = launch("filesrc name=in ! parsebin name=streams")?;
    named::<gst::Element>(pipeline.upcast_ref(), "in")?.set_property("location", path);
    let (weak, into) = (pipeline.downgrade(), Arc::clone(&stream));
    named::<gst::Element>(pipeline.upcast_ref(), "streams")?.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let name = caps.structure(0).map_or_else(String::new, |s| s.name().to_string());
        let mut state = lock(&into);
        let first_video = (name.starts_with("video/") || name == "image/jpeg") && !state.has_video;
        state.found.push(name.clone());
        let sink = if first_video {
            state.has_video = true;
            state.codec = match name.as_str() {
                "video/x-h264" => Some(Codec::H264),
                "video/x-h265" => Some(Codec::H265),
                _ => None,
            };
            match state.codec {
                Some(Codec::H264) => {
                    "h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out sync=false async=false"
                }
                Some(_) => {
                    "h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au ! appsink name=out sync=false async=false"
                }
                None => "appsink name=out sync=false async=false",
            }
        } else {
            "fakesink sync=false async=false"
        };
        drop(state);
        let plugged = plug(&pipeline, pad, sink).and_then(|bin| {
            if first_video {
                collect(&named::<AppSink>(&bin, "out").map_err(|e| e.to_string())?, &into);
            }
            Ok(())
        });
        if let Err(reason) = plugged {
            lock(&into).failure = Some(reason);
        }
    });
    let counted = Arc::clone(&stream);
    let outcome = run(&pipeline, path, move || lock(&counted).units.len(), || ());
    finish(path, &stream, outcome)
}

/// What a transcoded recording is like.
pub(super) struct Recipe {
    pub(super) view: View,
    /// Between IDR pictures, in turn and over and over; never empty.
    pub(super) key_intervals: Vec<Duration>,
    /// Bits a second; without it the quality is constant.
    pub(super) kbit_s: Option<u32>,
    /// Half the width and height.
    pub(super) halved: bool,
}

/// Decodes a file and encodes it as a camera would: H.264 without B-frames. `progress` gets the time reached.
pub(super) fn transcode(
    path: &Path,
    recipe: &Recipe,
    progress: &dyn Fn(Duration),
) -> Result<VideoStream, SimulateError> {
    let flip = match recipe.view {
        View::AsRecorded => "identity",
        View::Mirrored => "horiz",
    };
    // Constant quality 21 keeps small things on a street recognisable. Scene-cut keyframes stay on: they are real; a
    // smart encoder has none.
    let quality = match recipe.kbit_s {
        Some(kbit_s) => format!("pass=cbr bitrate={kbit_s} vbv-buf-capacity=2000"),
        None => "pass=qual quantizer=21".to_owned(),
    };
    let scene_cuts = if recipe.key_intervals.len() > 1 { "option-string=scenecut=0" } else { "" };
    let scale = if recipe.halved { "! videoscale ! capsfilter name=size" } else { "" };
    let encode = format!(
        "queue ! videoconvert ! videoflip video-direction={flip} ! video/x-raw,format=I420 {scale} \
         ! x264enc name=encoder tune=zerolatency speed-preset=veryfast {quality} bframes=0 key-int-max={FAR_APART} {scene_cuts} \
         ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out sync=false async=false"
    );
    let stream = Arc::new(Mutex::new(VideoStream { codec: Some(Codec::H264), ..VideoStream::default() }));
    let pipeline = launch("filesrc name=in ! decodebin name=streams force-sw-decoders=true")?;
    named::<gst::Element>(pipeline.upcast_ref(), "in")?.set_property("location", path);
    let (weak, into) = (pipeline.downgrade(), Arc::clone(&stream));
    let (key_intervals, halved) = (recipe.key_intervals.clone(), recipe.halved);
    named::<gst::Element>(pipeline.upcast_ref(), "streams")?.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let is_video = caps.structure(0).is_some_and(|s| s.name() == "video/x-raw");
        let first = is_video && !std::mem::replace(&mut lock(&into).has_video, true);
        let plugged =
            plug(&pipeline, pad, if first { &encode } else { "fakesink sync=false async=false" }).and_then(|bin| {
                if first {
                    collect(&named::<AppSink>(&bin, "out").map_err(|e| e.to_string())?, &into);
                    let encoder = named::<gst::Element>(&bin, "encoder").map_err(|e| e.to_string())?;
                    force_keyframes(&encoder, key_intervals.clone());
                    if let Some((width, height)) = size(&caps).filter(|_| halved) {
                        // Even numbers, as I420 wants them.
                        let caps = gst::Caps::builder("video/x-raw")
                            .field("width", width / 4 * 2)
                            .field("height", height / 4 * 2)
                            .build();
                        named::<gst::Element>(&bin, "size").map_err(|e| e.to_string())?.set_property("caps", caps);
                    }
                }
                Ok(())
            });
        if let Err(reason) = plugged {
            lock(&into).failure = Some(reason);
        }
    });
    let counted = Arc::clone(&stream);
    let outcome = run(
        &pipeline,
        path,
        move || lock(&counted).units.len(),
        || {
            let stream = lock(&stream);
            let ends = stream.units.first().zip(stream.units.last());
            let reached = ends.and_then(|(first, last)| last.pts?.checked_sub(first.pts?));
            drop(stream);
            progress(reached.map_or(Duration::ZERO, Into::into));
        },
    );
    finish(path, &stream, outcome)
}

/// Asks `encoder` for IDR pictures at `intervals` of the recording's time, whatever its frame rate.
fn force_keyframes(encoder: &gst::Element, intervals: Vec<Duration>) {
    let Some(pad) = encoder.static_pad("sink") else { return };
    let mut intervals =
        intervals.into_iter().map(|interval| gst::ClockTime::from_nseconds(interval.as_nanos() as u64)).cycle();
    let next = Mutex::new(None);
    let intervals = Mutex::new(move || intervals.next().unwrap_or(gst::ClockTime::SECOND));
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(pts) = info.buffer().and_then(|buffer| buffer.pts()) {
            let mut next = lock(&next);
            if next.is_none_or(|at| pts >= at) {
                *next = Some(pts + lock(&intervals)());
                drop(next);
                pad.send_event(gstreamer_video::DownstreamForceKeyUnitEvent::builder().all_headers(true).build());
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// Writes H.264 access units to an MP4 file that [`demux`] reads back with the same times.
pub(super) fn mux(path: &Path, units: &[(Duration, Bytes)], last: Duration) -> Result<(), SimulateError> {
    let pipeline = launch(
        "appsrc name=in format=time max-bytes=0 caps=video/x-h264,stream-format=byte-stream,alignment=au \
         ! h264parse ! mp4mux ! filesink name=out",
    )?;
    named::<gst::Element>(pipeline.upcast_ref(), "out")?.set_property("location", path);
    let source: AppSrc = named(pipeline.upcast_ref(), "in")?;
    let time = |at: Duration| gst::ClockTime::from_nseconds(at.as_nanos() as u64);
    pipeline.set_state(gst::State::Paused).map_err(gstreamer_error)?;
    for (i, (at, data)) in units.iter().enumerate() {
        let until = units.get(i + 1).map_or(*at + last, |(next, _)| *next);
        let mut buffer = gst::Buffer::from_slice(data.clone());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(time(*at));
            buffer.set_dts(time(*at));
            buffer.set_duration(time(until.saturating_sub(*at)));
        }
        // A file that cannot be written to is told on the bus.
        if source.push_buffer(buffer).is_err() {
            break;
        }
    }
    let _ = source.end_of_stream();
    run(&pipeline, path, || source.current_level_bytes() as usize, || ())
}
