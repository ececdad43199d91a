//! Recordings served as RTSP cameras: `gridwatch simulate`, the demo, rehearsals and tests.
//!
//! ```text
//! file --once--> Clip (access units in memory) --+
//! file --once--> Clip ---------------------------+--> Program (a loop) --feeder thread--> shared media --> RTSP clients
//! ```
//!
//! A camera's time runs on whether or not someone watches, as a real camera's does; a client that comes gets the
//! keyframe of the moment first, and timestamps never go back, not at the seam of the loop either. Nothing runs for a
//! camera that nobody watches, and all that watch one share its stream. What is in a file that cameras could have sent
//! (H.264 or H.265, keyframes at most 4 s apart, no B-frames) is sent byte for byte; all else is transcoded once.

mod annexb;
mod clip;
mod error;
mod feeder;
mod fleet;
mod pipelines;
mod program;
mod server;
mod sources;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use domain::{Codec, Secret};
use gstreamer as gst;
use serde::Deserialize;

pub use self::{
    error::SimulateError,
    fleet::{FaultScript, Fleet, FleetConfig, FleetReport, NoRoom, ScriptedFault},
    server::Simulator,
    sources::recordings,
};

/// Told how the preparation of recordings goes; called from the thread that starts the simulator.
pub type ProgressFn = Arc<dyn Fn(&Progress) + Send + Sync>;

/// How the simulator listens and where it keeps transcoded recordings.
#[derive(Clone)]
pub struct SimulateConfig {
    /// The address to serve on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The user that clients must name, with `password`; anyone may watch without. Digest and basic are offered.
    pub username: Option<String>,
    /// The user's password; empty if only a user is set.
    pub password: Option<Secret>,
    /// Where transcoded recordings are kept for the next start; without it they are made anew each time.
    pub cache_dir: Option<PathBuf>,
    /// Told what takes time at the start.
    pub progress: Option<ProgressFn>,
}

impl Default for SimulateConfig {
    /// Any free port on loopback, no password, no cache.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            username: None,
            password: None,
            cache_dir: None,
            progress: None,
        }
    }
}

impl fmt::Debug for SimulateConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulateConfig")
            .field("listen", &self.listen)
            .field("username", &self.username)
            .field("password", &self.password)
            .field("cache_dir", &self.cache_dir)
            .finish_non_exhaustive()
    }
}

/// A step of the preparation of recordings.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// A recording is being transcoded.
    Transcoding {
        /// The file.
        path: PathBuf,
        /// How much of it is done, 0 to 1.
        share: f32,
    },
    /// A recording can be served.
    Ready {
        /// The file.
        path: PathBuf,
        /// How it was prepared.
        how: Prepared,
    },
}

/// How a recording became what is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepared {
    /// Sent as the file holds it.
    AsRecorded,
    /// Transcoded at an earlier start.
    Cached,
    /// Transcoded at this start.
    Transcoded,
}

/// A recording found by [`recordings`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// A name for its camera, safe in a URL and unique among those found together.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// What a simulated camera shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A recording, over and over.
    Recording(PathBuf),
    /// Recordings one after the other, over and over; resolution changes in band, as when a camera is reconfigured.
    Sequence(Vec<PathBuf>),
    /// A `gst-launch` line with a payloader named `pay0`: what no recording can show (a test picture, sound only, VP8).
    Launch(String),
}

/// How a recording's pictures are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// As they were taken.
    #[default]
    AsRecorded,
    /// Left and right exchanged: the same street as if seen by a second camera. Needs transcoding.
    Mirrored,
}

/// Where a camera stands in its recording when a client comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// Where the clock says: the recording began when the simulator did and goes on unwatched.
    #[default]
    Running,
    /// At the beginning, each time that a first client comes.
    FirstClient,
}

/// One simulated camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The path of its URL: 1 to 64 letters, digits, `-`, `_` or `.`.
    pub name: String,
    /// What it shows.
    pub source: Source,
    /// How it shows it; without effect on a launch line.
    pub view: View,
    /// How far into the recording it starts.
    pub offset: Duration,
    /// What its time line begins with.
    pub start: Start,
}

impl Mount {
    /// A camera that shows `source` from its beginning.
    #[must_use]
    pub fn new(name: impl Into<String>, source: Source) -> Self {
        Self { name: name.into(), source, view: View::default(), offset: Duration::ZERO, start: Start::default() }
    }

    /// The same camera with its pictures mirrored.
    #[must_use]
    pub fn mirrored(self) -> Self {
        Self { view: View::Mirrored, ..self }
    }

    /// The same camera, further into its recording.
    #[must_use]
    pub fn starting_at(self, offset: Duration) -> Self {
        Self { offset, ..self }
    }

    /// The same camera, from its offset each time that a first client comes.
    #[must_use]
    pub fn from_first_client(self) -> Self {
        Self { start: Start::FirstClient, ..self }
    }

    /// `count` cameras `NAME-001`, `NAME-002`, ... that share the recording in memory. Each is a little further into it
    /// than the one before, so that their keyframes do not come all at once.
    #[must_use]
    pub fn copies(&self, count: usize) -> Vec<Self> {
        let digits = count.to_string().len().max(3);
        (1..=count)
            .map(|i| Self {
                name: format!("{}-{i:0digits$}", self.name),
                offset: self.offset + Duration::from_millis(1370) * (i - 1) as u32,
                ..self.clone()
            })
            .collect()
    }
}

impl From<Recording> for Mount {
    fn from(recording: Recording) -> Self {
        Self::new(recording.name, Source::Recording(recording.path))
    }
}

/// A camera that is being served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its name.
    pub name: String,
    /// Its address, without user and password.
    pub url: String,
    /// Its encoding; unknown for a launch line.
    pub codec: Option<Codec>,
    /// Width and height of its (first) recording in pixels, where known.
    pub size: Option<(u32, u32)>,
    /// One lap of its loop; unknown for a launch line.
    pub duration: Option<Duration>,
}

/// What is wrong with a camera, on purpose. [`Simulator`] knows the first four.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Clients stay connected and get no picture.
    Stall,
    /// Clients are cut off, and new ones refused (503).
    Drop,
    /// Keyframes come with noise in place of their pictures. Not for launch lines.
    CorruptKeyframes,
    /// New clients are refused (503); those that watch go on.
    Refuse,
    /// Clients are cut off, and new ones get a TCP reset: at once where all cameras of their device have this fault, else
    /// with their first request.
    Reset,
    /// Requests get no answer, and clients no picture.
    Hang,
    /// No password is right (401); those that watch go on.
    WrongPassword,
    /// RTP timestamps jump 37 s forth and back.
    JumpingTimestamps,
    /// Keyframes come up to 25 s apart, at changing intervals, as from a "smart" encoder. Needs preparation.
    SmartCodec,
    /// Pictures are half as wide and high, as if the camera was reconfigured. Needs preparation.
    SmallPicture,
    /// The line carries only so much; the camera leaves out what does not get through.
    SlowNetwork {
        /// Kilobits a second.
        kbit_s: u32,
    },
}

/// Writes H.264 keyframes, each with its time, to an MP4 file that a camera can show; the last one is shown for `last`.
///
/// # Errors
/// When GStreamer cannot write it, or the file cannot be written to.
pub fn write_recording(path: &Path, keyframes: &[(Duration, Bytes)], last: Duration) -> Result<(), SimulateError> {
    gst::init().map_err(|error| SimulateError::Gstreamer { reason: error.to_string() })?;
    pipelines::mux(path, keyframes, last)
}

/// The address of one camera, by loopback where all addresses are listened on.
fn url(address: SocketAddr, name: &str) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("rtsp://{}/{name}", SocketAddr::new(ip, address.port()))
}

/// `text` with everything that a camera's name may not hold replaced.
fn safe_name(text: &str) -> String {
    let name: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .take(48)
        .collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "camera".to_owned() } else { name.to_owned() }
}

fn is_safe(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn exists(path: &Path) -> Result<(), SimulateError> {
    if path.exists() { Ok(()) } else { Err(SimulateError::Missing { path: path.to_owned() }) }
}
