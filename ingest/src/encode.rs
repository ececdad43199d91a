//! Pictures to keyframes as a camera sends them, for scenes that are painted: what a codec does to a picture is part of
//! what a detector sees.

use std::time::Duration;

use bytes::Bytes;
use domain::{AccessUnit, Codec, Picture, PixelFormat, StreamRole, Timestamp};
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSrc};
use gstreamer_video::{self as video, VideoFormat};

use crate::IngestError;

/// The longest that one picture may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What GStreamer is asked for.
const ENCODER: &str = "x264enc";

/// Encodes pictures of one size; each is an H.264 keyframe that decodes alone.
#[derive(Debug)]
pub struct Encoder {
    pipeline: gst::Pipeline,
    source: AppSrc,
    sink: AppSink,
    info: video::VideoInfo,
    next: u64,
}

impl Encoder {
    /// An encoder of I420 pictures of `width` and `height` pixels, both even. `quantizer` is how coarse it is: 18 is good,
    /// 28 a usual street camera, 40 poor.
    ///
    /// # Errors
    /// When the size is odd, or GStreamer or its x264 plugin is missing.
    pub fn new(width: u32, height: u32, quantizer: u32) -> Result<Self, IngestError> {
        let missing = |reason: String| IngestError::DecoderMissing { decoder: ENCODER.to_owned(), reason };
        gst::init().map_err(|error| missing(error.to_string()))?;
        if !width.is_multiple_of(2) || !height.is_multiple_of(2) {
            return Err(missing(format!("a picture of {width}x{height} has an odd side")));
        }
        let colors: video::VideoColorimetry = "bt601".parse().expect("GStreamer's own name for it");
        let info = video::VideoInfo::builder(VideoFormat::I420, width, height)
            .fps(gst::Fraction::new(1, 1))
            .colorimetry(&colors)
            .build()
            .map_err(|error| missing(error.to_string()))?;
        let encoder = gst::parse::bin_from_description(
            &format!(
                "{ENCODER} tune=zerolatency speed-preset=ultrafast pass=quant quantizer={quantizer} key-int-max=1 threads=1 ! h264parse"
            ),
            true,
        )
        .map_err(|error| missing(error.to_string()))?;
        let caps = info.to_caps().map_err(|error| missing(error.to_string()))?;
        let source = AppSrc::builder().caps(&caps).format(gst::Format::Time).max_buffers(2).build();
        let wanted = gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream").field("alignment", "au");
        let sink = AppSink::builder().caps(&wanted.build()).sync(false).max_buffers(2).build();
        let pipeline = gst::Pipeline::new();
        let elements = [source.upcast_ref(), encoder.upcast_ref(), sink.upcast_ref::<gst::Element>()];
        pipeline
            .add_many(elements)
            .and_then(|()| gst::Element::link_many(elements))
            .map_err(|error| missing(error.to_string()))?;
        pipeline.set_state(gst::State::Playing).map_err(|error| missing(error.to_string()))?;
        Ok(Self { pipeline, source, sink, info, next: 0 })
    }

    /// The keyframe of one picture.
    ///
    /// # Errors
    /// When the picture is not I420 of the encoder's size, or the encoder fails.
    pub fn encode(&mut self, picture: &Picture, received_at: Timestamp) -> Result<AccessUnit, IngestError> {
        let fail = |reason: &str| IngestError::Decode { codec: Codec::H264, bytes: 0, reason: reason.to_owned() };
        let (width, height) = (self.info.width(), self.info.height());
        if picture.format != PixelFormat::I420 || (picture.width, picture.height) != (width, height) {
            return Err(fail("the picture is not what the encoder was made for"));
        }
        let mut data = vec![0; self.info.size()];
        for plane in 0..3 {
            let (columns, rows) = if plane == 0 { (width, height) } else { (width / 2, height / 2) };
            let (offset, stride) = (self.info.offset()[plane], self.info.stride()[plane] as usize);
            for row in 0..rows as usize {
                let from = row * picture.strides[plane];
                data[offset + row * stride..][..columns as usize]
                    .copy_from_slice(&picture.planes[plane][from..from + columns as usize]);
            }
        }
        let mut buffer = gst::Buffer::from_mut_slice(data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_seconds(self.next));
            buffer.set_duration(gst::ClockTime::SECOND);
        }
        self.next += 1;
        self.source.push_buffer(buffer).map_err(|_| fail("the encoder stopped"))?;
        let sample = self.sink.try_pull_sample(gst::ClockTime::from_nseconds(TIMEOUT.as_nanos() as u64));
        let sample = sample.ok_or_else(|| fail("the encoder gave nothing"))?;
        let buffer = sample.buffer().ok_or_else(|| fail("the encoder gave an empty keyframe"))?;
        let mapped = buffer.map_readable().map_err(|_| fail("the keyframe cannot be read"))?;
        let data = Bytes::copy_from_slice(&mapped);
        Ok(AccessUnit { codec: Codec::H264, role: StreamRole::Main, received_at, data })
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // What fails here is gone anyway.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
