//! How long a camera that failed is left alone: twice as long each time, up to a limit, and a random part of that, so
//! that cameras which failed together do not come back together.

use std::time::Duration;

use crate::{IngestConfig, IngestError};

/// Recorders lock an account, or the address of whoever asks, after a few wrong passwords; such attempts wait from so long
/// on, up to so long.
const REFUSED_MIN: Duration = Duration::from_secs(60);
const REFUSED_MAX: Duration = Duration::from_secs(600);

/// How long a camera is left alone, by what it failed with.
#[derive(Debug)]
pub(crate) struct Waits {
    usual: Backoff,
    refused: Backoff,
}

impl Waits {
    pub(crate) fn new(config: &IngestConfig) -> Self {
        let (min, max) = (config.backoff_min.to_duration(), config.backoff_max.to_duration());
        Self { usual: Backoff::new(min, max), refused: Backoff::new(REFUSED_MIN.max(min), REFUSED_MAX.max(max)) }
    }

    /// The camera was well for a while.
    pub(crate) fn reset(&mut self) {
        self.usual.reset();
    }

    /// The camera took the user name and the password.
    pub(crate) fn admitted(&mut self) {
        self.refused.reset();
    }

    /// The wait after this error; `random` is from 0 to 1.
    pub(crate) fn next(&mut self, error: &IngestError, random: f64) -> Duration {
        match error {
            IngestError::Unauthorized { .. } => self.refused.next(random),
            _ => self.usual.next(random),
        }
    }
}

/// Waits between attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    /// The upper bound of the next wait.
    bound: Duration,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        let max = max.max(min);
        Self { min, max, bound: (2 * min).min(max) }
    }

    /// The camera was well for a while.
    pub(crate) fn reset(&mut self) {
        self.bound = (2 * self.min).min(self.max);
    }

    /// The next wait, from `min` to the bound; `random` is from 0 to 1.
    pub(crate) fn next(&mut self, random: f64) -> Duration {
        let wait = self.min + (self.bound - self.min).mul_f64(random.clamp(0.0, 1.0));
        self.bound = (2 * self.bound).min(self.max);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_again_after_a_good_time() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let waits: Vec<_> = (0..8).map(|_| backoff.next(1.0).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.next(0.0).as_secs(), 1);
        backoff.reset();
        assert_eq!(backoff.next(1.0).as_secs(), 2);
    }

    #[test]
    fn a_wrong_password_is_tried_rarely_until_it_is_right() {
        let mut waits = Waits::new(&IngestConfig::default());
        let refused = IngestError::Unauthorized { address: "rtsp://h/x".into(), status: 401 };
        let off = IngestError::Unreachable { address: "rtsp://h/x".into(), reason: "refused".into() };
        let mut seconds = |error| waits.next(error, 1.0).as_secs();
        assert_eq!([&refused, &refused, &off, &refused].map(&mut seconds), [120, 240, 2, 480]);
        assert_eq!([&refused, &off, &refused].map(&mut seconds), [600, 4, 600]);
        waits.reset();
        assert_eq!(waits.next(&refused, 1.0).as_secs(), 600, "it was not let in meanwhile");
        waits.admitted();
        assert_eq!(waits.next(&refused, 0.0).as_secs(), 60);
    }

    #[test]
    fn a_limit_below_the_minimum_is_the_minimum() {
        let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(1));
        assert_eq!(backoff.next(0.7).as_secs(), 5);
    }
}
