//! A recording as a camera would send it: access units in memory, keyframes often, no B-frames, times from zero.
//! What the file holds is passed through byte for byte where it is like that already; everything else is transcoded
//! once, and the result kept in the cache folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use domain::{Codec, Sha256};
use gstreamer as gst;

use super::{
    Prepared, Progress, ProgressFn, SimulateError, View, annexb,
    pipelines::{self, Recipe, VideoStream},
};

/// Cameras send a keyframe at least this often; a recording that does not is transcoded.
const LONGEST_KEY_INTERVAL: Duration = Duration::from_secs(4);

/// Clips shorter than this get a keyframe each second when transcoded, others each two seconds.
const SHORT_CLIP: Duration = Duration::from_secs(10);

/// One picture of a clip.
pub(super) struct Unit {
    /// When, from the clip's start.
    pub(super) at: Duration,
    /// Whether it decodes alone.
    pub(super) keyframe: bool,
    /// The Annex B byte stream, parameter sets in band; shared by all that send it.
    pub(super) buffer: gst::Buffer,
}

/// A recording, ready to be sent. Begins with a keyframe; never empty.
pub(super) struct Clip {
    pub(super) codec: Codec,
    pub(super) size: Option<(u32, u32)>,
    pub(super) units: Vec<Unit>,
    /// From the first picture to the end of the last.
    pub(super) duration: Duration,
    /// The parameter sets of the first keyframe.
    pub(super) parameter_sets: gst::Buffer,
}

/// What a recording must become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Encoding {
    /// Whatever the file holds, if a camera could have sent it.
    AsRecorded,
    /// H.264, so that it can follow another in one stream.
    H264,
    /// H.264 at about so many kbit/s.
    Rate(u32),
    /// As a "smart" encoder sends it: keyframes far apart, at intervals that change.
    Smart,
    /// H.264 at half its width and height.
    Small,
}

/// Intervals between keyframes of a "smart" encoder, in seconds, over and over.
const SMART_KEY_INTERVALS: &[u64] = &[2, 12, 25, 6];

impl Encoding {
    /// How a recording of this length is transcoded into it.
    fn recipe(self, view: View, whole: Duration) -> Recipe {
        let usual = Duration::from_secs(if whole < SHORT_CLIP { 1 } else { 2 });
        let key_intervals = match self {
            Self::Smart => SMART_KEY_INTERVALS.iter().map(|&s| Duration::from_secs(s)).collect(),
            _ => vec![usual],
        };
        let kbit_s = match self {
            Self::Rate(kbit_s) => Some(kbit_s),
            _ => None,
        };
        Recipe { view, key_intervals, kbit_s, halved: self == Self::Small }
    }
}

/// Why a stream cannot be passed through as it is.
fn objection(stream: &VideoStream, encoding: Encoding) -> Option<&'static str> {
    let Some(codec) = stream.codec else { return Some("not H.264 or H.265") };
    match encoding {
        Encoding::AsRecorded => {}
        Encoding::H264 if codec == Codec::H264 => {}
        Encoding::H264 => return Some("follows or precedes another encoding"),
        Encoding::Rate(_) => return Some("is to have a certain bit rate"),
        Encoding::Smart => return Some("is to be sent as by a smart encoder"),
        Encoding::Small => return Some("is to be smaller"),
    }
    let Some(times) = stream.units.iter().map(|unit| unit.pts).collect::<Option<Vec<_>>>() else {
        return Some("no times");
    };
    if times.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Some("B-frames");
    }
    let mut last_key: Option<gst::ClockTime> = None;
    for (unit, &at) in stream.units.iter().zip(&times) {
        let keyframe = annexb::is_keyframe(codec, &unit.data);
        if last_key.is_some_and(|key| at.saturating_sub(key) > gst_time(LONGEST_KEY_INTERVAL)) {
            return Some("keyframes too far apart");
        }
        if keyframe {
            last_key = Some(at);
        }
    }
    if last_key.is_none() { Some("no keyframe") } else { None }
}

fn gst_time(time: Duration) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(time.as_nanos() as u64)
}

/// The time that a stream covers, from the first picture to the end of the last.
fn length(stream: &VideoStream) -> Duration {
    let times = || stream.units.iter().filter_map(|unit| unit.pts);
    match (times().min(), times().max()) {
        (Some(first), Some(last)) => (last - first).into(),
        _ => Duration::ZERO,
    }
}

impl Clip {
    fn new(path: &Path, stream: VideoStream) -> Result<Self, SimulateError> {
        let unreadable = |reason: &str| SimulateError::Unreadable { path: path.to_owned(), reason: reason.to_owned() };
        let codec = stream.codec.ok_or_else(|| unreadable("it was not encoded"))?;
        let last_duration = stream.units.last().and_then(|unit| unit.duration);
        let mut units = Vec::with_capacity(stream.units.len());
        let mut origin = None;
        let mut parameter_sets = Vec::new();
        for unit in stream.units {
            let keyframe = annexb::is_keyframe(codec, &unit.data);
            let Some(pts) = unit.pts else { return Err(unreadable("it does not say when its pictures are shown")) };
            if origin.is_none() {
                if !keyframe {
                    continue;
                }
                origin = Some(pts);
                parameter_sets = annexb::parameter_sets(codec, &unit.data);
            }
            let at = pts.saturating_sub(origin.unwrap_or(pts)).into();
            units.push(Unit { at, keyframe, buffer: gst::Buffer::from_slice(unit.data) });
        }
        let last = units.last().ok_or_else(|| unreadable("it holds no keyframe"))?;
        let frame = match u32::try_from(units.len() - 1) {
            Ok(steps @ 1..) => last.at / steps,
            _ => Duration::from_secs(1),
        };
        let frame = last_duration.map(Duration::from).filter(|d| !d.is_zero() && *d < frame * 4).unwrap_or(frame);
        let duration = last.at + frame;
        let parameter_sets = gst::Buffer::from_slice(parameter_sets);
        Ok(Self { codec, size: stream.size, units, duration, parameter_sets })
    }

    /// Reads a recording, from the cache where it has been transcoded before.
    pub(super) fn load(
        path: &Path,
        view: View,
        encoding: Encoding,
        cache_dir: Option<&Path>,
        progress: Option<&ProgressFn>,
    ) -> Result<Arc<Self>, SimulateError> {
        let tell = |what: Progress| {
            if let Some(progress) = progress {
                progress(&what);
            }
        };
        let ready = |clip: Self, how: Prepared| {
            tracing::debug!(path = %path.display(), ?how, pictures = clip.units.len(), "recording ready");
            tell(Progress::Ready { path: path.to_owned(), how });
            Arc::new(clip)
        };
        let cached = match cache_dir {
            Some(dir) => Some(cache_path(dir, path, view, encoding)?),
            None => {
                metadata(path)?;
                None
            }
        };
        if let Some(cached) = cached.as_deref().filter(|cached| cached.exists()) {
            match pipelines::demux(cached).and_then(|stream| Self::new(cached, stream)) {
                Ok(clip) => return Ok(ready(clip, Prepared::Cached)),
                Err(error) => tracing::warn!(%error, "cached recording is damaged, made anew"),
            }
        }
        let stream = pipelines::demux(path)?;
        let reason = match view {
            View::AsRecorded => objection(&stream, encoding),
            View::Mirrored => Some("is to be mirrored"),
        };
        let Some(reason) = reason else { return Ok(ready(Self::new(path, stream)?, Prepared::AsRecorded)) };
        let whole = length(&stream);
        drop(stream);
        tracing::info!(path = %path.display(), reason, "transcoding recording");
        tell(Progress::Transcoding { path: path.to_owned(), share: 0.0 });
        let stream = pipelines::transcode(path, &encoding.recipe(view, whole), &|reached| {
            let share = reached.as_secs_f32() / whole.as_secs_f32().max(0.001);
            tell(Progress::Transcoding { path: path.to_owned(), share: share.min(1.0) });
        })?;
        let clip = Self::new(path, stream)?;
        if let Some(cached) = cached {
            // Without the cache everything works, only slower the next time.
            if let Err(error) = clip.write(&cached) {
                tracing::warn!(%error, "transcoded recording not kept; it will be transcoded again");
            }
        }
        Ok(ready(clip, Prepared::Transcoded))
    }

    fn write(&self, cached: &Path) -> Result<(), SimulateError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| SimulateError::Io { path, source }
        };
        let dir = cached.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(dir).map_err(io(dir))?;
        let part = cached.with_extension(format!("{}.part", std::process::id()));
        let units: Vec<(Duration, Bytes)> = self
            .units
            .iter()
            .filter_map(|unit| Some((unit.at, Bytes::copy_from_slice(&unit.buffer.map_readable().ok()?))))
            .collect();
        let last = self.duration.saturating_sub(self.units.last().map_or(Duration::ZERO, |unit| unit.at));
        let written = pipelines::mux(&part, &units, last).and_then(|()| fs::rename(&part, cached).map_err(io(cached)));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written
    }
}

fn metadata(path: &Path) -> Result<fs::Metadata, SimulateError> {
    let metadata = fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SimulateError::Missing { path: path.to_owned() },
        _ => SimulateError::Io { path: path.to_owned(), source },
    })?;
    if metadata.is_dir() {
        let source = io::Error::from(io::ErrorKind::IsADirectory);
        return Err(SimulateError::Io { path: path.to_owned(), source });
    }
    Ok(metadata)
}

/// Where the transcoded form of a recording is kept: a name that changes with the file and with what is made of it.
fn cache_path(dir: &Path, path: &Path, view: View, encoding: Encoding) -> Result<PathBuf, SimulateError> {
    let metadata = metadata(path)?;
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let changed = metadata.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    // "2" is the version of the settings in `pipelines::transcode`.
    let key = format!("2 {whole:?} {} {changed:?} {view:?} {encoding:?}", metadata.len());
    let digest = Sha256::of(key.as_bytes()).to_string();
    let stem = path.file_stem().map_or_else(String::new, |stem| super::safe_name(&stem.to_string_lossy()));
    Ok(dir.join(format!("{stem}-{}.mp4", &digest[..16])))
}
