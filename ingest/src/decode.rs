//! Encoded keyframes to pictures.
//!
//! One GStreamer pipeline per encoding, `appsrc ! DECODER ! videoconvert ! appsink`, is fed keyframes of different
//! cameras in turn. Each keyframe is followed by a segment-done event that makes the decoder give out all that it holds
//! (pictures that could still be reordered too) and that comes through behind the picture, so that the end of each
//! decode is certain: a picture bears the time stamp of the keyframe that was pushed last, or there is none. Planes stay
//! in the decoder's memory; they are not copied.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::{
    AccessUnit, Codec, Picture, PixelFormat,
    picture::{ColorMatrix, ColorRange},
};
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSrc};
use gstreamer_video::{self as video, VideoFormat};

use crate::{DecoderConfig, IngestError};

mod jpeg;
mod stream;

pub(crate) use jpeg::to_jpeg;
pub(crate) use stream::{PushError, StreamDecoder};

/// The longest that a decoder may take; 4K software decoding takes a tenth of a second.
const DECODE_TIMEOUT: Duration = Duration::from_secs(5);

/// Decodes keyframes; one for each look worker.
#[derive(Debug)]
pub struct Decoder {
    config: DecoderConfig,
    timeout: Duration,
    pipelines: [Option<Pipeline>; 3],
}

impl Decoder {
    /// A decoder whose pipelines are built when their encoding first comes.
    ///
    /// # Errors
    /// When GStreamer or one of the configured elements is missing.
    pub fn new(config: &DecoderConfig) -> Result<Self, IngestError> {
        gst::init()
            .map_err(|error| IngestError::DecoderMissing { decoder: "GStreamer".into(), reason: error.to_string() })?;
        let decoder = Self { config: config.clone(), timeout: DECODE_TIMEOUT, pipelines: [None, None, None] };
        for codec in [Codec::H264, Codec::H265, Codec::Jpeg] {
            element(config, codec)?;
        }
        Ok(decoder)
    }

    /// The picture of one access unit, which must decode alone.
    ///
    /// # Errors
    /// When it cannot be decoded, is corrupt, or the decoder hangs. The decoder can be used on in any case.
    pub fn decode(&mut self, access_unit: &AccessUnit) -> Result<Picture, IngestError> {
        let started = Instant::now();
        let result = self.try_decode(access_unit);
        match &result {
            Ok(_) => {
                let codec = access_unit.codec.to_string();
                metrics::histogram!("gridwatch_decode_seconds", "codec" => codec).record(started.elapsed());
            }
            Err(error) => {
                metrics::counter!("gridwatch_decode_errors_total", "reason" => error.reason()).increment(1);
            }
        }
        result
    }

    fn try_decode(&mut self, access_unit: &AccessUnit) -> Result<Picture, IngestError> {
        let codec = access_unit.codec;
        let mut pipeline = match self.pipelines[codec as usize].take() {
            Some(pipeline) => pipeline,
            None => Pipeline::build(codec, element(&self.config, codec)?, description(&self.config, codec))?,
        };
        let result = pipeline.decode(access_unit, self.timeout);
        // A pipeline that failed as a whole is replaced at the next keyframe; its end may hang as it did.
        let usable = !matches!(result, Err(IngestError::DecoderHung { .. })) && pipeline.fault.get().is_none();
        if usable {
            self.pipelines[codec as usize] = Some(pipeline);
        } else {
            pipeline.dispose();
        }
        result.map_err(|error| match error {
            IngestError::DecoderHung { after, .. } => {
                IngestError::DecoderHung { decoder: description(&self.config, codec).to_owned(), after }
            }
            other => other,
        })
    }
}

fn description(config: &DecoderConfig, codec: Codec) -> &str {
    match codec {
        Codec::H264 => &config.h264,
        Codec::H265 => &config.h265,
        Codec::Jpeg => &config.jpeg,
    }
}

fn element(config: &DecoderConfig, codec: Codec) -> Result<gst::Bin, IngestError> {
    let description = description(config, codec);
    gst::parse::bin_from_description(description, true).map_err(|error| missing(description, &error))
}

fn missing(decoder: &str, reason: &dyn std::fmt::Display) -> IngestError {
    IngestError::DecoderMissing { decoder: decoder.to_owned(), reason: reason.to_string() }
}

#[derive(Debug)]
struct Pipeline {
    pipeline: gst::Pipeline,
    source: AppSrc,
    sink: AppSink,
    fault: Fault,
    /// The time stamp of the next access unit; each has its own, a second apart.
    next: u64,
    /// The layout of the last picture, so that caps are parsed only when they change.
    layout: Option<(gst::Caps, video::VideoInfo)>,
}

impl Pipeline {
    fn build(codec: Codec, decoder: gst::Bin, description: &str) -> Result<Self, IngestError> {
        let fail = |error: gst::glib::BoolError| missing(description, &error);
        let source = AppSrc::builder().caps(&caps_of(codec)).format(gst::Format::Time).max_buffers(4).build();
        let wanted = gst::Caps::builder("video/x-raw").field("format", gst::List::new(["I420", "NV12"])).build();
        // Nothing is ever waiting here but one picture and the event behind it; the bound is for a decoder gone mad.
        let sink = AppSink::builder().caps(&wanted).sync(false).async_(false).max_buffers(4).build();
        // Passes I420 and NV12 through untouched; only JPEG and unusual profiles need it.
        let convert = gst::ElementFactory::make("videoconvert").build().map_err(fail)?;
        let pipeline = gst::Pipeline::new();
        let elements = [source.upcast_ref(), decoder.upcast_ref(), &convert, sink.upcast_ref::<gst::Element>()];
        pipeline.add_many(elements).and_then(|()| gst::Element::link_many(elements)).map_err(fail)?;
        allow_padded_rows(&sink);
        let fault = Fault::of(&pipeline);
        let built = Self { pipeline, source, sink, fault, next: 0, layout: None };
        if built.pipeline.set_state(gst::State::Playing).is_err() {
            let reason = built.fault.get().unwrap_or_else(|| "it does not start".to_owned());
            built.dispose();
            return Err(missing(description, &reason));
        }
        Ok(built)
    }

    fn decode(&mut self, access_unit: &AccessUnit, timeout: Duration) -> Result<Picture, IngestError> {
        let (codec, bytes) = (access_unit.codec, access_unit.data.len());
        let fail = |reason: String| IngestError::Decode { codec, bytes, reason };
        let pts = gst::ClockTime::from_seconds(self.next);
        let marker = pts + gst::ClockTime::from_mseconds(500);
        self.next += 1;
        let mut buffer = gst::Buffer::from_slice(access_unit.data.clone());
        {
            let buffer = buffer.make_mut();
            buffer.set_pts(pts);
            buffer.set_dts(pts);
        }
        let lost = || fail(self.fault.get().unwrap_or_else(|| "the decoder stopped".to_owned()));
        self.source.push_buffer(buffer).map_err(|_| lost())?;
        if !self.source.send_event(gst::event::SegmentDone::builder(marker).build()) {
            return Err(lost());
        }
        let deadline = Instant::now() + timeout;
        let sample = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // A sink of GStreamer 1.22 wakes for a picture, but not for an event; and a decoder that fails as a whole may
            // not let the event through. So where there is no picture, look again every now and then.
            let wait = left.min(Duration::from_millis(10));
            match self.sink.try_pull_object(gst::ClockTime::from_nseconds(wait.as_nanos() as u64)) {
                Some(object) => {
                    if let Some(sample) = object.downcast_ref::<gst::Sample>() {
                        // What is left of the access unit before has another time stamp.
                        if sample.buffer().and_then(gst::BufferRef::pts) == Some(pts) {
                            break sample.clone();
                        }
                    } else if let Some(event) = object.downcast_ref::<gst::Event>()
                        && let gst::EventView::SegmentDone(done) = event.view()
                        && done.get() == gst::GenericFormattedValue::from(marker)
                    {
                        return Err(fail("it gives no picture".to_owned()));
                    }
                }
                None if self.fault.get().is_some() => return Err(lost()),
                None if left.is_zero() => {
                    return Err(IngestError::DecoderHung { decoder: String::new(), after: timeout });
                }
                None => {}
            }
        };
        let buffer = sample.buffer_owned().ok_or_else(|| fail("it gives an empty picture".to_owned()))?;
        if buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
            return Err(IngestError::Corrupt { codec, bytes });
        }
        let caps = sample.caps_owned().ok_or_else(|| fail("the picture has no format".to_owned()))?;
        let info = match &self.layout {
            Some((known, info)) if *known == caps => info.clone(),
            _ => {
                let info = video::VideoInfo::from_caps(&caps).map_err(|error| fail(error.to_string()))?;
                self.layout = Some((caps, info.clone()));
                info
            }
        };
        picture(buffer, &info, codec).map_err(fail)
    }

    /// Stops the pipeline elsewhere: one that hangs would take its worker with it.
    fn dispose(self) {
        elsewhere(move || drop(self));
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // What fails here is gone anyway.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Ends a pipeline on a thread of its own: that waits for the pipeline's threads, which may hang.
fn elsewhere(end: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name("decoder-end".into()).spawn(end) {
        tracing::warn!(%error, "no thread to end a decoder");
    }
}

/// The first error of a pipeline.
#[derive(Debug, Clone, Default)]
struct Fault(Arc<Mutex<Option<String>>>);

impl Fault {
    /// Listens to the pipeline's messages.
    fn of(pipeline: &gst::Pipeline) -> Self {
        let fault = Self::default();
        let told = fault.clone();
        let bus = pipeline.bus().expect("a pipeline has a bus");
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(error) = message.view() {
                let text = error.error().to_string();
                told.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
            }
            gst::BusSyncReply::Drop
        });
        fault
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn caps_of(codec: Codec) -> gst::Caps {
    let byte_stream = |name| {
        gst::Caps::builder(name).field("stream-format", "byte-stream").field("alignment", "au").field("parsed", true)
    };
    match codec {
        Codec::H264 => byte_stream("video/x-h264").build(),
        Codec::H265 => byte_stream("video/x-h265").build(),
        Codec::Jpeg => gst::Caps::builder("image/jpeg").field("parsed", true).build(),
    }
}

/// Tells the decoder that rows may be padded and planes lie anywhere, so that it need not copy its picture for us.
fn allow_padded_rows(sink: &AppSink) {
    let pad = sink.static_pad("sink").expect("an appsink has a sink pad");
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| match info.query_mut().map(gst::QueryRef::view_mut) {
        Some(gst::QueryViewMut::Allocation(query)) => {
            query.add_allocation_meta::<video::VideoMeta>(None);
            gst::PadProbeReturn::Handled
        }
        _ => gst::PadProbeReturn::Ok,
    });
}

/// The planes of a decoded buffer, without a copy; `codec` says what an unnamed range and matrix mean.
pub(crate) fn picture(buffer: gst::Buffer, info: &video::VideoInfo, codec: Codec) -> Result<Picture, String> {
    let (format, count) = match info.format() {
        VideoFormat::I420 => (PixelFormat::I420, 3),
        VideoFormat::Nv12 => (PixelFormat::Nv12, 2),
        other => return Err(format!("it gives the pixel format {other}")),
    };
    let (width, height) = (info.width(), info.height());
    let (offsets, strides): (Vec<usize>, Vec<i32>) = match buffer.meta::<video::VideoMeta>() {
        Some(meta) => (meta.offset().to_vec(), meta.stride().to_vec()),
        None => (info.offset().to_vec(), info.stride().to_vec()),
    };
    let mapped = buffer.into_mapped_buffer_readable().map_err(|_| "its memory cannot be read".to_owned())?;
    let all = Bytes::from_owner(mapped);
    let mut planes = [Bytes::new(), Bytes::new(), Bytes::new()];
    let mut row_bytes = [0; 3];
    for plane in 0..count {
        let (rows, row) = match (plane, format) {
            (0, _) => (height as usize, width as usize),
            (_, PixelFormat::I420) => (height.div_ceil(2) as usize, width.div_ceil(2) as usize),
            (_, PixelFormat::Nv12) => (height.div_ceil(2) as usize, width.div_ceil(2) as usize * 2),
        };
        let stride = usize::try_from(strides[plane]).ok().filter(|stride| *stride >= row);
        let stride = stride.ok_or_else(|| format!("its rows of {row} bytes have a stride of {}", strides[plane]))?;
        let (from, size) = (offsets[plane], stride * rows.saturating_sub(1) + row);
        if from + size > all.len() {
            return Err(format!("plane {plane} ends beyond its {} bytes", all.len()));
        }
        planes[plane] = all.slice(from..from + size);
        row_bytes[plane] = stride;
    }
    let colors = info.colorimetry();
    let range = match colors.range() {
        video::VideoColorRange::Range0_255 => ColorRange::Full,
        video::VideoColorRange::Range16_235 => ColorRange::Limited,
        _ if codec == Codec::Jpeg => ColorRange::Full,
        _ => ColorRange::Limited,
    };
    let matrix = match colors.matrix() {
        video::VideoColorMatrix::Bt709 => ColorMatrix::Bt709,
        video::VideoColorMatrix::Unknown if codec != Codec::Jpeg && height >= 720 => ColorMatrix::Bt709,
        _ => ColorMatrix::Bt601,
    };
    Ok(Picture { width, height, format, range, matrix, planes, strides: row_bytes })
}
