//! What can be wrong with recordings, mounts and the address that they are served on.

use std::{net::SocketAddr, path::PathBuf};

/// Why a recording, a mount or the whole simulator does not work.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A path that leads nowhere.
    #[error("{path}: no such file or folder; check the path")]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// A folder without recordings.
    #[error("{path}: the folder holds no video file (looked for {extensions})")]
    NoRecordings {
        /// The folder.
        path: PathBuf,
        /// The extensions that count as video.
        extensions: String,
    },
    /// A file or folder that cannot be read.
    #[error("{path}: cannot be read: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that GStreamer cannot take apart or decode.
    #[error("{path}: is no readable recording: {reason}; play it with another program, or convert it to H.264 in MP4")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What GStreamer says.
        reason: String,
    },
    /// A file without video.
    #[error("{path}: holds no video stream (only {found}); give a recording with video")]
    NoVideo {
        /// The file.
        path: PathBuf,
        /// The streams that it holds.
        found: String,
    },
    /// A recording too long to be kept in memory.
    #[error(
        "{path}: holds more than {limit_mib} MiB of video, too much to be kept in memory; cut it into shorter files"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is taken.
        limit_mib: usize,
    },
    /// GStreamer lacks something.
    #[error("GStreamer: {reason}; install the GStreamer packages that deploy/setup.sh lists")]
    Gstreamer {
        /// What it says.
        reason: String,
    },
    /// A launch line that cannot be served.
    #[error("camera \"{name}\": launch line: {reason}")]
    Launch {
        /// The mount.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A sequence of nothing.
    #[error("camera \"{name}\": the sequence is empty; give at least one recording")]
    EmptySequence {
        /// The mount.
        name: String,
    },
    /// A name that cannot be part of a URL.
    #[error("camera \"{name}\": a name is 1 to 64 letters, digits, '-', '_' or '.'")]
    Name {
        /// The mount.
        name: String,
    },
    /// Two mounts of one name.
    #[error("camera \"{name}\" is there twice; give each its own name")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// Nothing to serve.
    #[error("no camera to serve; name at least one recording or a folder of recordings")]
    NothingToServe,
    /// None of several mounts works.
    #[error("none of {count} cameras can be served; the first: {first}")]
    AllFailed {
        /// How many there were.
        count: usize,
        /// Why the first failed.
        first: Box<SimulateError>,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}; choose another address, or port 0 for any free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// A fault for a mount that is not there.
    #[error("no camera \"{name}\" is served")]
    UnknownMount {
        /// The name asked for.
        name: String,
    },
    /// A fault that this camera cannot have.
    #[error("camera \"{name}\": {reason}")]
    NoSuchFault {
        /// The mount.
        name: String,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// A script that names cameras by a pattern that is none, or none of those that are served.
    #[error("fault script: cameras = \"{pattern}\": {reason}")]
    Script {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}
