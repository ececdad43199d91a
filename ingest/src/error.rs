//! What can go wrong between a camera and a decoded picture. Every message names the place and the remedy; none holds
//! a password, nor the user name or the secret query values of an address.

use std::{path::PathBuf, sync::Arc, time::Duration};

use domain::{CameraId, Codec};

/// An error of a camera, a recording, the configuration of either, or a decoder.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IngestError {
    /// An error in one camera's configuration.
    #[error("camera {camera}: {error}")]
    Camera {
        /// Whose.
        camera: CameraId,
        /// What is wrong.
        error: Arc<IngestError>,
    },
    /// Two cameras with one id.
    #[error("camera {0} is listed twice; every camera needs an id of its own")]
    DuplicateCamera(CameraId),
    /// Cameras for an ingest that has ended.
    #[error("all cameras have ended, and none is taken in any more; start gridwatch again")]
    Closed,
    /// A stream without, or with too many, sources.
    #[error("{0}")]
    Source(&'static str),
    /// A text that is no address of a stream or a picture.
    #[error("\"{address}\" is no {scheme}:// address: {reason}; write {scheme}://HOST[:PORT]/PATH")]
    Address {
        /// The text, without credentials.
        address: String,
        /// What is wrong with it.
        reason: String,
        /// What is spoken at such an address.
        scheme: &'static str,
    },
    /// A password that should come from elsewhere and does not.
    #[error("the password cannot be read from {place}: {reason}")]
    Password {
        /// The environment variable or the file.
        place: String,
        /// Why not.
        reason: String,
    },
    /// The camera did not let us in.
    #[error(
        "{address} refuses the user name or password ({status}); check username and password, and that the account may view the stream"
    )]
    Unauthorized {
        /// Where.
        address: String,
        /// The answer: 401, or 403.
        status: u16,
    },
    /// No connection.
    #[error("{address} cannot be reached: {reason}; check the host, the port, the network and that the camera is on")]
    Unreachable {
        /// Where.
        address: String,
        /// What the operating system says.
        reason: String,
    },
    /// A step of the connection that took too long.
    #[error(
        "{address} did not answer {step} within {after:?}; the host hangs or is overloaded: restart it, or raise connect_timeout"
    )]
    Timeout {
        /// Where.
        address: String,
        /// `DESCRIBE`, `SETUP`, `PLAY` or the first keyframe; a connection or `GET`.
        step: &'static str,
        /// The limit.
        after: Duration,
    },
    /// A host that has had no session to spare.
    #[error(
        "{address} had no session free for {after:?}; raise ingest.sessions_per_host if the host admits more, or look at its cameras less often"
    )]
    NoRoom {
        /// Where.
        address: String,
        /// How long there has been no picture.
        after: Duration,
    },
    /// A path that the host does not know.
    #[error("{address} has no such stream (404); check the path and the channel number")]
    NotFound {
        /// Where.
        address: String,
    },
    /// A refusal or a fault in the conversation.
    #[error("{address} failed at {step}: {reason}")]
    Rtsp {
        /// Where.
        address: String,
        /// What was asked for.
        step: &'static str,
        /// What came back.
        reason: String,
    },
    /// An answer that is no picture.
    #[error("{address} gives no picture: {reason}")]
    Snapshot {
        /// Where.
        address: String,
        /// What came instead, and the remedy.
        reason: String,
    },
    /// A session without video.
    #[error("{place} offers no video (it offers {offered}); choose a path or file with a video stream")]
    NoVideo {
        /// Where.
        place: String,
        /// What there is instead.
        offered: String,
    },
    /// A video encoding that is not H.264, H.265 or JPEG.
    #[error("{address} sends {offered}, which gridwatch cannot take; set the camera to H.264, H.265 or MJPEG")]
    UnsupportedCodec {
        /// Where.
        address: String,
        /// The encoding's name.
        offered: String,
    },
    /// The other side closed the stream.
    #[error("{address} ended the stream")]
    Ended {
        /// Where.
        address: String,
    },
    /// No more packets.
    #[error("{address} sent nothing for {after:?}; the stream stalled")]
    Stalled {
        /// Where.
        address: String,
        /// The limit.
        after: Duration,
    },
    /// Packets, but no keyframe that decodes alone.
    #[error(
        "{address} sent no keyframe for {after:?}; set the camera's keyframe (I-frame) interval to 2 s, or raise keyframe_timeout"
    )]
    NoKeyframe {
        /// Where.
        address: String,
        /// The limit.
        after: Duration,
    },
    /// A recording that cannot be read.
    #[error("recording {path}: {reason}", path = path.display())]
    Recording {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A decoder, or another media element, that this machine does not have.
    #[error("decoder \"{decoder}\" cannot be set up: {reason}; install its GStreamer plugin or change ingest.decoders")]
    DecoderMissing {
        /// The element as configured.
        decoder: String,
        /// What GStreamer says.
        reason: String,
    },
    /// A keyframe that gives no picture.
    #[error("a {codec} keyframe of {bytes} bytes cannot be decoded: {reason}")]
    Decode {
        /// Its encoding.
        codec: Codec,
        /// Its size.
        bytes: usize,
        /// Why.
        reason: String,
    },
    /// A keyframe whose picture is damaged.
    #[error("a {codec} keyframe of {bytes} bytes is corrupt")]
    Corrupt {
        /// Its encoding.
        codec: Codec,
        /// Its size.
        bytes: usize,
    },
    /// A decoder that hangs; it was thrown away.
    #[error("decoder \"{decoder}\" gave no answer within {after:?} and was restarted")]
    DecoderHung {
        /// The element as configured.
        decoder: String,
        /// The limit.
        after: Duration,
    },
    /// A fault of our own, held to one camera.
    #[error("internal fault: {0}; please report it")]
    Panicked(String),
}

impl IngestError {
    /// The kind of error as one word, for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Camera { error, .. } => error.reason(),
            Self::DuplicateCamera(_) | Self::Source(_) | Self::Address { .. } => "config",
            Self::Closed => "closed",
            Self::Password { .. } => "password_source",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::NoRoom { .. } => "no_room",
            Self::NotFound { .. } => "not_found",
            Self::Rtsp { .. } => "rtsp",
            Self::Snapshot { .. } => "snapshot",
            Self::NoVideo { .. } => "no_video",
            Self::UnsupportedCodec { .. } => "unsupported_codec",
            Self::Ended { .. } => "ended",
            Self::Stalled { .. } => "stalled",
            Self::NoKeyframe { .. } => "no_keyframe",
            Self::Recording { .. } => "recording",
            Self::DecoderMissing { .. } => "decoder_missing",
            Self::Decode { .. } => "decode",
            Self::Corrupt { .. } => "corrupt",
            Self::DecoderHung { .. } => "decoder_hung",
            Self::Panicked(_) => "panic",
        }
    }
}
