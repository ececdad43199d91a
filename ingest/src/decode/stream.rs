//! Every frame of one stream, decoded in order: for cameras whose keyframes do not come when looks are due.
//!
//! ```text
//! appsrc ! DECODER ! (dropped, unless a picture is wanted and this one is whole) ! JPEG encoder ! appsink
//! ```
//! All of it runs on the thread that GStreamer gives the source. Pictures that are not wanted cost their decoding and nothing
//! more; what that thread costs is counted.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::Codec;
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};
use rustix::time::{ClockId, clock_gettime};

use super::{Fault, caps_of, description, element, elsewhere, missing, to_jpeg};
use crate::{DecoderConfig, IngestError};

/// Frames that may wait for the decoder, and their bytes: some two seconds.
const MOST_FRAMES: u64 = 64;
const MOST_BYTES: u64 = 8 << 20;

/// Decodes all frames of one stream; gives its newest whole picture as JPEG when that is wanted.
#[derive(Debug)]
pub(crate) struct StreamDecoder {
    pipeline: gst::Pipeline,
    source: AppSrc,
    began: Instant,
    shared: Arc<Shared>,
    fault: Fault,
    codec: Codec,
}

/// A picture that was wanted.
#[derive(Debug)]
pub(crate) struct Shot {
    /// When its frame was pushed.
    pub(crate) at: Instant,
    /// A whole JPEG.
    pub(crate) jpeg: Bytes,
}

/// A frame that could not be taken.
#[derive(Debug)]
pub(crate) enum PushError {
    /// More frames wait than the decoder keeps up with.
    TooSlow,
    /// The decoder failed as a whole.
    Failed(IngestError),
}

/// What the decoder's thread and the camera's task share.
#[derive(Debug, Default)]
struct Shared {
    wish: Mutex<Wish>,
    cpu: Cpu,
}

/// ```text
///  none --want--> wanted --a whole picture is decoded--> underway --it is encoded--> there --take--> none
/// ```
#[derive(Debug, Default)]
enum Wish {
    #[default]
    None,
    Wanted,
    Underway,
    There(gst::ClockTime, Bytes),
}

impl Shared {
    fn wish(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Processor time of the decoder's thread, in nanoseconds.
#[derive(Debug, Default)]
struct Cpu(AtomicU64);

impl Cpu {
    /// To be called on that thread, which does nothing else.
    fn read(&self) {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let nanos = time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs();
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl StreamDecoder {
    /// A decoder that waits for its first frame, which must be one that decoding can begin at.
    pub(crate) fn new(config: &DecoderConfig, codec: Codec) -> Result<Self, IngestError> {
        let name = description(config, codec);
        let fail = |reason: &dyn std::fmt::Display| missing(name, reason);
        let source = AppSrc::builder().caps(&caps_of(codec)).format(gst::Format::Time).build();
        let decoder = element(config, codec)?;
        let encoder = to_jpeg().map_err(|error| missing("jpegenc", &error))?;
        let shared = Arc::new(Shared::default());
        let sink = AppSink::builder().sync(false).async_(false).max_buffers(1).callbacks(shots(&shared)).build();
        let pipeline = gst::Pipeline::new();
        let elements =
            [source.upcast_ref(), decoder.upcast_ref(), encoder.upcast_ref(), sink.upcast_ref::<gst::Element>()];
        pipeline.add_many(elements).and_then(|()| gst::Element::link_many(elements)).map_err(|error| fail(&error))?;
        let decoded = decoder.static_pad("src").ok_or_else(|| fail(&"it has no output"))?;
        drop_unwanted(&decoded, &shared);
        let fault = Fault::of(&pipeline);
        let built = Self { pipeline, source, began: Instant::now(), shared, fault, codec };
        if built.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(missing(name, &built.fault.get().unwrap_or_else(|| "it does not start".to_owned())));
        }
        Ok(built)
    }

    /// The next frame of the stream; none may be left out.
    pub(crate) fn push(&self, frame: Bytes) -> Result<(), PushError> {
        if self.source.current_level_buffers() >= MOST_FRAMES || self.source.current_level_bytes() >= MOST_BYTES {
            return Err(PushError::TooSlow);
        }
        let bytes = frame.len();
        let mut buffer = gst::Buffer::from_slice(frame);
        if let Some(buffer) = buffer.get_mut() {
            let at = gst::ClockTime::from_nseconds(self.began.elapsed().as_nanos() as u64);
            buffer.set_pts(at);
            buffer.set_dts(at);
        }
        let pushed = self.source.push_buffer(buffer);
        match (self.fault.get(), pushed) {
            (None, Ok(_)) => Ok(()),
            (fault, _) => {
                let reason = fault.unwrap_or_else(|| "the decoder stopped".to_owned());
                Err(PushError::Failed(IngestError::Decode { codec: self.codec, bytes, reason }))
            }
        }
    }

    /// Asks for the next whole picture, unless one is on its way.
    pub(crate) fn want(&self) {
        let mut wish = self.shared.wish();
        if matches!(*wish, Wish::None) {
            *wish = Wish::Wanted;
        }
    }

    /// The picture that was asked for, once it is there.
    pub(crate) fn take(&self) -> Option<Shot> {
        let mut wish = self.shared.wish();
        match std::mem::take(&mut *wish) {
            Wish::There(at, jpeg) => Some(Shot { at: self.began + Duration::from(at), jpeg }),
            other => {
                *wish = other;
                None
            }
        }
    }

    /// The processor time that it has taken so far.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.shared.cpu.0.load(Ordering::Relaxed))
    }
}

impl Drop for StreamDecoder {
    fn drop(&mut self) {
        let pipeline = self.pipeline.clone();
        elsewhere(move || {
            // What fails here is gone anyway.
            let _ = pipeline.set_state(gst::State::Null);
        });
    }
}

/// Lets a decoded picture through only where one is wanted, and it is whole.
fn drop_unwanted(decoded: &gst::Pad, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    decoded.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        shared.cpu.read();
        let whole = info.buffer().is_some_and(|buffer| !buffer.flags().contains(gst::BufferFlags::CORRUPTED));
        let mut wish = shared.wish();
        match *wish {
            Wish::Wanted if whole => {
                *wish = Wish::Underway;
                gst::PadProbeReturn::Ok
            }
            _ => gst::PadProbeReturn::Handled,
        }
    });
}

/// Keeps the picture that was let through.
fn shots(shared: &Arc<Shared>) -> AppSinkCallbacks {
    let shared = Arc::clone(shared);
    AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let jpeg = sample.buffer().and_then(|buffer| {
                let jpeg = Bytes::copy_from_slice(&buffer.map_readable().ok()?);
                Some(Wish::There(buffer.pts().unwrap_or_default(), jpeg))
            });
            *shared.wish() = jpeg.unwrap_or(Wish::Wanted);
            shared.cpu.read();
            Ok(gst::FlowSuccess::Ok)
        })
        .build()
}
