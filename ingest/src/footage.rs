//! Recordings and photographs as pictures at given times, as fast as they decode: what back-testing looks at.
//!
//! Every frame is decoded in order, so a look at a time shows exactly the frame that was on the screen then. Beyond its end a
//! recording begins anew; a photograph shows one picture for ever.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use domain::{Codec, Millis, Picture};
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::AppSink;
use gstreamer_video as video;

use crate::{IngestError, decode};

/// The longest that a file may take to give its next picture.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A file that is being looked at.
#[derive(Debug)]
pub struct Footage {
    reel: Reel,
    shown: Frame,
    /// Decoded ahead; shown once its time has come.
    next: Option<Frame>,
    /// When this round of the recording began.
    round: Millis,
    /// The time from one frame to the next, as last seen.
    step: Millis,
}

/// The pipeline that takes the file apart and decodes it.
#[derive(Debug)]
struct Reel {
    path: PathBuf,
    pipeline: gst::Pipeline,
    sink: AppSink,
}

#[derive(Debug, Clone)]
struct Frame {
    /// Its time in the recording.
    at: Millis,
    /// The sink fills its one sample anew each time, so only what is in it is kept.
    buffer: gst::Buffer,
    caps: gst::Caps,
}

impl Footage {
    /// Opens a file at its first picture. Blocks until that is decoded.
    ///
    /// # Errors
    /// When the file cannot be read or holds no picture that GStreamer can decode.
    pub fn open(path: &Path) -> Result<Self, IngestError> {
        let fail = |reason: String| IngestError::Recording { path: path.to_owned(), reason };
        std::fs::File::open(path).map_err(|error| fail(format!("cannot be opened: {error}")))?;
        gst::init().map_err(|error| fail(error.to_string()))?;
        let make = |name: &str| gst::ElementFactory::make(name).build().map_err(|error| fail(error.to_string()));
        let (source, decodebin, convert) = (make("filesrc")?, make("decodebin")?, make("videoconvert")?);
        source.set_property("location", path);
        let wanted = gst::Caps::builder("video/x-raw").field("format", "I420").build();
        let sink = AppSink::builder().caps(&wanted).sync(false).max_buffers(2).build();
        let pipeline = gst::Pipeline::new();
        pipeline
            .add_many([&source, &decodebin, &convert, sink.upcast_ref()])
            .and_then(|()| source.link(&decodebin))
            .and_then(|()| convert.link(&sink))
            .map_err(|error| fail(error.to_string()))?;
        let into = convert.static_pad("sink").expect("a converter has a sink pad");
        decodebin.connect_pad_added(move |_, pad| {
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let is_video = caps.structure(0).is_some_and(|structure| structure.name().starts_with("video/"));
            // Sound, and a second stream of pictures, stay unlinked.
            if is_video && !into.is_linked() {
                let _ = pad.link(&into);
            }
        });
        let started = pipeline.set_state(gst::State::Playing);
        let reel = Reel { path: path.to_owned(), pipeline, sink };
        if started.is_err() {
            return Err(reel.fault("it cannot be played"));
        }
        let shown = reel.pull()?.ok_or_else(|| reel.fault("it holds no pictures"))?;
        let next = reel.pull()?;
        Ok(Self { reel, shown, next, round: Millis::ZERO, step: Millis(40) })
    }

    /// The picture that is shown at `at`, counted from the first round's start. Times must not go back.
    ///
    /// # Errors
    /// When the file breaks off or its frames cannot be decoded.
    pub fn at(&mut self, at: Millis) -> Result<Picture, IngestError> {
        loop {
            match &self.next {
                Some(next) if Millis(self.round.0 + next.at.0) <= at => {
                    self.step = Millis((next.at.0 - self.shown.at.0).max(1));
                    self.shown = self.next.take().expect("just seen");
                    self.next = self.reel.pull()?;
                }
                Some(_) => break,
                // A photograph.
                None if self.shown.at == Millis::ZERO => break,
                None => {
                    let end = Millis(self.round.0 + self.shown.at.0 + self.step.0);
                    if end > at {
                        break;
                    }
                    self.rewind()?;
                    self.round = end;
                }
            }
        }
        self.reel.picture(&self.shown)
    }

    fn rewind(&mut self) -> Result<(), IngestError> {
        let reel = &self.reel;
        let back = reel.pipeline.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT, gst::ClockTime::ZERO);
        back.map_err(|error| reel.fault(&error.to_string()))?;
        self.shown = reel.pull()?.ok_or_else(|| reel.fault("it gives no pictures the second time"))?;
        self.next = reel.pull()?;
        Ok(())
    }
}

impl Reel {
    /// The next frame; none at the end.
    fn pull(&self) -> Result<Option<Frame>, IngestError> {
        let Some(sample) = self.sink.try_pull_sample(gst::ClockTime::from_nseconds(TIMEOUT.as_nanos() as u64)) else {
            return if self.sink.is_eos() && self.error().is_none() {
                Ok(None)
            } else {
                Err(self.fault("it breaks off"))
            };
        };
        let time = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let pts = sample.buffer().and_then(gst::BufferRef::pts);
        let at = time.zip(pts).and_then(|(segment, pts)| segment.to_stream_time(pts)).or(pts).unwrap_or_default();
        let (buffer, caps) =
            sample.buffer_owned().zip(sample.caps_owned()).ok_or_else(|| self.fault("it holds an empty picture"))?;
        Ok(Some(Frame { at: Duration::from(at).into(), buffer, caps }))
    }

    fn picture(&self, frame: &Frame) -> Result<Picture, IngestError> {
        let fail = |reason: String| IngestError::Recording { path: self.path.clone(), reason };
        let info = video::VideoInfo::from_caps(&frame.caps).map_err(|error| fail(error.to_string()))?;
        let is_jpeg =
            self.path.extension().is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"));
        decode::picture(frame.buffer.clone(), &info, if is_jpeg { Codec::Jpeg } else { Codec::H264 }).map_err(fail)
    }

    fn error(&self) -> Option<String> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        }
    }

    fn fault(&self, otherwise: &str) -> IngestError {
        let reason = self.error().unwrap_or_else(|| otherwise.to_owned());
        IngestError::Recording { path: self.path.clone(), reason }
    }
}

impl Drop for Reel {
    fn drop(&mut self) {
        // What fails here is gone anyway.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
