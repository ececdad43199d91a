//! The state of a camera as ingest knows it and the console and MQTT show it.

use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::{Ailment, CameraId, Codec, Millis, Timestamp};

/// Where a camera stands with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraState {
    /// Not tried yet, or waiting its turn.
    Waiting,
    /// Connecting, or connected and waiting for the first keyframe.
    Connecting,
    /// Keyframes arrive.
    Streaming,
    /// The last attempt failed or the stream stopped; the next attempt is scheduled.
    Offline,
    /// A recording that came to its end.
    Ended,
}

impl CameraState {
    /// The state as one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Streaming => "streaming",
            Self::Offline => "offline",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for CameraState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of a camera's frames are decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeMode {
    /// Keyframes, one for each look.
    #[default]
    Keyframes,
    /// Every frame, since keyframes come less often than looks are due, or not at all. Costs far more.
    AllFrames,
}

impl DecodeMode {
    /// The mode as one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keyframes => "keyframes",
            Self::AllFrames => "all_frames",
        }
    }
}

/// What is known of one camera at one moment. Never holds a credential.
#[derive(Debug, Clone, Serialize)]
pub struct CameraReport {
    /// Which camera.
    pub id: CameraId,
    /// Where it stands.
    pub state: CameraState,
    /// Since when it stands there.
    pub since: Timestamp,
    /// The last error, in words for an operator; none while all is well.
    pub error: Option<Arc<str>>,
    /// The stream's encoding, once known.
    pub codec: Option<Codec>,
    /// Width and height in pixels of the last decoded picture.
    pub size: Option<(u32, u32)>,
    /// Time between the last keyframes, as measured.
    pub keyframe_interval: Option<Millis>,
    /// Which of its frames are decoded.
    pub decode: DecodeMode,
    /// When the last keyframe arrived.
    pub last_keyframe_at: Option<Timestamp>,
    /// When the last look was made.
    pub last_look_at: Option<Timestamp>,
    /// The interval between looks that is in force.
    pub look_interval: Millis,
    /// Looks made since start.
    pub looks: u64,
    /// Connections that were lost or failed since start.
    pub reconnects: u64,
    /// What is wrong with it, in the order of [`crate::CameraFault`].
    pub ailments: Vec<Ailment>,
    /// How far its clock is ahead of ours, where it tells the time.
    pub clock_offset: Option<Millis>,
}

impl CameraReport {
    /// Since when its tickets are suspended because what it shows cannot be trusted, if they are.
    #[must_use]
    pub fn suspended_since(&self) -> Option<Timestamp> {
        self.ailments.iter().filter(|ailment| ailment.fault.suspends_tickets()).map(|ailment| ailment.since).min()
    }
}
