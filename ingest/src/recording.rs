//! Recordings as cameras: any container and encoding that GStreamer reads, played once from its start.
//!
//! H.264, H.265 and JPEG come out as the access units that are in the file. Of any other encoding every picture is
//! decoded and one a second (or each `sample_every`, if that is less) is encoded anew as JPEG.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::Codec;
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSinkCallbacks};
use tokio::sync::mpsc;

use crate::{IngestError, Pace, decode};

/// Between the demuxer's thread and the camera's task; when full, the demuxer waits.
const QUEUE: usize = 1;

/// What comes out of a recording.
#[derive(Debug)]
pub(crate) enum Item {
    Keyframe(Keyframe),
    Failed(IngestError),
    End,
}

/// A keyframe of a recording, with its parameter sets in band.
#[derive(Debug)]
pub(crate) struct Keyframe {
    pub(crate) codec: Codec,
    pub(crate) data: Bytes,
    /// Its place in the recording.
    pub(crate) at: Duration,
    /// Frames of any kind, and their bytes, up to and with this one.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
}

/// A recording that plays until this is dropped.
#[derive(Debug)]
pub(crate) struct Recording {
    items: mpsc::Receiver<Item>,
    pipeline: gst::Pipeline,
}

impl Recording {
    /// Starts to play; `Pace::RealTime` gives each keyframe at its time. Blocks until the file is open.
    pub(crate) fn open(path: &Path, pace: Pace, sample_every: Duration) -> Result<Self, IngestError> {
        let fail = |reason: String| IngestError::Recording { path: path.to_owned(), reason };
        std::fs::File::open(path).map_err(|error| fail(format!("cannot be opened: {error}")))?;
        gst::init().map_err(|error| fail(error.to_string()))?;
        let make = |name: &str| {
            gst::ElementFactory::make(name)
                .build()
                .map_err(|error| fail(format!("{error}; install GStreamer's base plugins")))
        };
        let (source, parse) = (make("filesrc")?, make("parsebin")?);
        source.set_property("location", path);
        let pipeline = gst::Pipeline::new();
        pipeline
            .add_many([&source, &parse])
            .and_then(|()| source.link(&parse))
            .map_err(|error| fail(error.to_string()))?;

        let (sender, items) = mpsc::channel(QUEUE);
        let branch = Arc::new(Branch {
            pipeline: pipeline.downgrade(),
            path: path.to_owned(),
            pace,
            sample_every,
            items: sender,
            failed: AtomicBool::new(false),
            found: Mutex::new(Found::default()),
        });
        let attach = Arc::clone(&branch);
        parse.connect_pad_added(move |_, pad| attach.attach(pad));
        let check = Arc::clone(&branch);
        parse.connect_no_more_pads(move |_| check.check());
        let bus = pipeline.bus().expect("a pipeline has a bus");
        bus.set_sync_handler(move |_, message| {
            match message.view() {
                gst::MessageView::Error(error) => branch.fail(error.error().to_string()),
                // A short file may end before its streams are all announced.
                gst::MessageView::Eos(_) => branch.check(),
                _ => {}
            }
            gst::BusSyncReply::Drop
        });
        let recording = Self { items, pipeline };
        // The reason of a failure comes as an item.
        let _ = recording.pipeline.set_state(gst::State::Playing);
        Ok(recording)
    }

    /// The next keyframe, the end, or why there is neither. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Item {
        self.items.recv().await.unwrap_or(Item::End)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // The demuxer's thread may wait for a place in the queue.
        self.items.close();
        while self.items.try_recv().is_ok() {}
        // Stopping waits for that thread, so it is not done on an async one.
        let pipeline = self.pipeline.clone();
        let stop = move || {
            // What fails here is gone anyway.
            let _ = pipeline.set_state(gst::State::Null);
        };
        if let Err(error) = std::thread::Builder::new().name("recording-end".into()).spawn(stop) {
            tracing::warn!(%error, "no thread to end a recording");
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    video: bool,
    /// What else there is, for the message.
    other: Vec<String>,
}

/// Builds what follows the demuxer once its streams are known. Runs on GStreamer's threads.
#[derive(Debug)]
struct Branch {
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    path: std::path::PathBuf,
    pace: Pace,
    sample_every: Duration,
    items: mpsc::Sender<Item>,
    failed: AtomicBool,
    found: Mutex<Found>,
}

impl Branch {
    fn fail(&self, reason: String) {
        self.send(IngestError::Recording { path: self.path.clone(), reason });
    }

    /// Only the first fault is told: the others follow from it, and the queue has a place for one before it is read.
    fn send(&self, error: IngestError) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            // A receiver that is gone asked for the end.
            let _ = self.items.blocking_send(Item::Failed(error));
        }
    }

    fn check(&self) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if !found.video {
            let offered = if found.other.is_empty() { "nothing".to_owned() } else { found.other.join(", ") };
            let place = format!("recording {}", self.path.display());
            self.send(IngestError::NoVideo { place, offered });
        }
    }

    fn attach(self: &Arc<Self>, pad: &gst::Pad) {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let media = caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default();
        let is_video = media.starts_with("video/") || media == "image/jpeg";
        let first = {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            let first = is_video && !found.video;
            found.video |= is_video;
            if !is_video {
                found.other.push(media.clone());
            }
            first
        };
        let linked = match media.as_str() {
            _ if !first => self.discard(pad),
            "video/x-h264" => self.pass(pad, "h264parse", Codec::H264),
            "video/x-h265" => self.pass(pad, "h265parse", Codec::H265),
            "image/jpeg" => self.pass(pad, "identity", Codec::Jpeg),
            _ => self.transcode(pad),
        };
        if let Err(error) = linked {
            self.fail(format!("its {media} stream cannot be read: {error}"));
        }
    }

    fn chain(&self, pad: &gst::Pad, elements: &[&gst::Element]) -> Result<(), gst::glib::BoolError> {
        let Some(pipeline) = self.pipeline.upgrade() else { return Ok(()) };
        pipeline.add_many(elements)?;
        gst::Element::link_many(elements)?;
        for element in elements.iter().rev() {
            element.sync_state_with_parent()?;
        }
        let sink = elements[0].static_pad("sink").ok_or_else(|| gst::glib::bool_error!("no sink pad"))?;
        pad.link(&sink).map_err(|error| gst::glib::bool_error!("{error}"))?;
        Ok(())
    }

    fn discard(&self, pad: &gst::Pad) -> Result<(), gst::glib::BoolError> {
        let sink = gst::ElementFactory::make("fakesink").property("async", false).property("sync", false).build()?;
        self.chain(pad, &[&sink])
    }

    fn pass(&self, pad: &gst::Pad, parser: &str, codec: Codec) -> Result<(), gst::glib::BoolError> {
        let mut parser = gst::ElementFactory::make(parser);
        if codec != Codec::Jpeg {
            // Parameter sets before every keyframe.
            parser = parser.property("config-interval", -1);
        }
        let parser = parser.build()?;
        let frames = Arc::new(Counts::default());
        let sink = self.sink(codec, Arc::clone(&frames), true);
        self.chain(pad, &[&parser, sink.upcast_ref()])
    }

    fn transcode(self: &Arc<Self>, pad: &gst::Pad) -> Result<(), gst::glib::BoolError> {
        let decode = gst::ElementFactory::make("decodebin").build()?;
        let this = Arc::clone(self);
        decode.connect_pad_added(move |_, pad| {
            if let Err(error) = this.encode(pad) {
                this.fail(format!("it cannot be encoded as JPEG: {error}"));
            }
        });
        self.chain(pad, &[&decode])
    }

    fn encode(&self, pad: &gst::Pad) -> Result<(), gst::glib::BoolError> {
        let encode = decode::to_jpeg().map_err(|error| gst::glib::bool_error!("{error}"))?;
        let frames = Arc::new(Counts::default());
        let sink = self.sink(Codec::Jpeg, Arc::clone(&frames), false);
        let every = gst::ClockTime::from_nseconds(self.sample_every.as_nanos() as u64);
        let next = Mutex::new(None);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            frames.frames.fetch_add(1, Ordering::Relaxed);
            let pts = info.buffer().and_then(|buffer| buffer.pts());
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            match (pts, *next) {
                (Some(pts), Some(next)) if pts < next => gst::PadProbeReturn::Handled,
                (pts, _) => {
                    *next = pts.map(|pts| pts + every);
                    gst::PadProbeReturn::Ok
                }
            }
        });
        self.chain(pad, &[encode.upcast_ref(), sink.upcast_ref()])
    }

    /// The end of the chain. `counts_frames` is false where the frames are counted before they are thinned out.
    fn sink(&self, codec: Codec, frames: Arc<Counts>, counts_frames: bool) -> AppSink {
        let (items, ended) = (self.items.clone(), self.items.clone());
        let callbacks = AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let Some(buffer) = sample.buffer() else { return Ok(gst::FlowSuccess::Ok) };
                let counted = frames.frames.fetch_add(u64::from(counts_frames), Ordering::Relaxed);
                let bytes = frames.bytes.fetch_add(buffer.size() as u64, Ordering::Relaxed) + buffer.size() as u64;
                if codec != Codec::Jpeg && buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
                    return Ok(gst::FlowSuccess::Ok);
                }
                let Ok(mapped) = buffer.map_readable() else { return Ok(gst::FlowSuccess::Ok) };
                if !decodes_alone(codec, &mapped) {
                    return Ok(gst::FlowSuccess::Ok);
                }
                let time = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
                let at = time.zip(buffer.pts()).and_then(|(segment, pts)| segment.to_stream_time(pts));
                let keyframe = Keyframe {
                    codec,
                    data: Bytes::copy_from_slice(&mapped),
                    at: at.or(buffer.pts()).unwrap_or_default().into(),
                    frames: counted + u64::from(counts_frames),
                    bytes,
                };
                drop(mapped);
                items.blocking_send(Item::Keyframe(keyframe)).map_err(|_| gst::FlowError::Eos)?;
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| {
                // A receiver that is gone needs no end.
                let _ = ended.blocking_send(Item::End);
            })
            .build();
        let caps = match codec {
            Codec::H264 => gst::Caps::builder("video/x-h264"),
            Codec::H265 => gst::Caps::builder("video/x-h265"),
            Codec::Jpeg => gst::Caps::builder("image/jpeg"),
        };
        let caps = match codec {
            Codec::Jpeg => caps.build(),
            _ => caps.field("stream-format", "byte-stream").field("alignment", "au").build(),
        };
        // Not async: one thread of the demuxer serves pictures and sound, and a sink that waits for its first picture before the
        // pipeline starts would keep the sound's sink from ever getting anything, and so itself.
        let sink = AppSink::builder().caps(&caps).callbacks(callbacks).async_(false);
        sink.sync(self.pace == Pace::RealTime).max_buffers(2).build()
    }
}

#[derive(Debug, Default)]
struct Counts {
    frames: AtomicU64,
    bytes: AtomicU64,
}

/// Whether an Annex B access unit holds parameter sets and a slice of a picture that refers to no other. Parsers mark
/// every intra-coded picture as a keyframe; one that is no random access point may refer to older parameter sets, and
/// what follows it to older pictures.
fn decodes_alone(codec: Codec, data: &[u8]) -> bool {
    let (mut sets, mut random_access) = (false, false);
    let mut rest = data;
    while let Some(at) = rest.windows(3).position(|window| window == [0, 0, 1]) {
        rest = &rest[at + 3..];
        let Some(header) = rest.first() else { break };
        match codec {
            Codec::H264 => match header & 0x1f {
                7 => sets = true,
                5 => random_access = true,
                1 => return false,
                _ => {}
            },
            Codec::H265 => match header >> 1 & 0x3f {
                33 => sets = true,
                16..=21 => random_access = true,
                0..=9 => return false,
                _ => {}
            },
            Codec::Jpeg => break,
        }
        if sets && random_access {
            return true;
        }
    }
    codec == Codec::Jpeg
}
