//! Whether a stream is silent, or sends without ever a keyframe.

use std::time::{Duration, Instant};

use crate::{IngestConfig, IngestError};

/// Notices silence, and streams without keyframes. Looked at every now and then, so that a frame costs no timer.
#[derive(Debug)]
pub(crate) struct Watchdog {
    /// To be looked at so often.
    pub(crate) period: Duration,
    silent_for: Duration,
    stall_timeout: Duration,
    keyframe_at: Instant,
    keyframe_timeout: Duration,
}

impl Watchdog {
    pub(crate) fn new(config: &IngestConfig) -> Self {
        let stall_timeout = config.stall_timeout.to_duration();
        let keyframe_timeout = config.keyframe_timeout.to_duration();
        let shortest = stall_timeout.min(keyframe_timeout);
        let period = (shortest / 4).clamp(Duration::from_millis(20), Duration::from_secs(5));
        Self { period, silent_for: Duration::ZERO, stall_timeout, keyframe_at: Instant::now(), keyframe_timeout }
    }

    /// A picture came that decodes.
    pub(crate) fn picture(&mut self) {
        self.keyframe_at = Instant::now();
    }

    /// A period went by in which `frames` came.
    pub(crate) fn check(&mut self, frames: u64, address: &str) -> Result<(), IngestError> {
        self.silent_for = if frames > 0 { Duration::ZERO } else { self.silent_for + self.period };
        // The first period of silence may have begun with a frame.
        if self.silent_for >= self.stall_timeout + self.period {
            return Err(IngestError::Stalled { address: address.to_owned(), after: self.stall_timeout });
        }
        if self.keyframe_at.elapsed() >= self.keyframe_timeout {
            return Err(IngestError::NoKeyframe { address: address.to_owned(), after: self.keyframe_timeout });
        }
        Ok(())
    }
}
