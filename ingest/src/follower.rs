//! Cameras whose every frame is decoded, since keyframes do not come when looks are due: room for so many of them, where
//! decoding begins and begins anew, and what it costs.
//!
//! ```text
//!             a keyframe               a keyframe, or a recovery point
//!  broken -----------------> whole <----------------------------------- settling
//!    |                                                                     ^
//!    +----------------------------- a recovery point ----------------------+
//! ```
//! From each of the others it goes to broken: a frame was lost, or more wait than the decoder keeps up with, or it failed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use domain::{AccessUnit, Codec, Millis, StreamRole, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    DecoderConfig, IngestConfig,
    decode::{PushError, StreamDecoder},
    entry::Kind,
};

/// Room for cameras whose every frame is decoded; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Followers {
    limit: usize,
    room: Arc<Semaphore>,
    /// Whether it has been said that there is no room.
    told: Arc<AtomicBool>,
    decoders: Arc<DecoderConfig>,
}

/// The right to decode all frames of one camera.
#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
    told: Arc<AtomicBool>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.told.store(false, Ordering::Relaxed);
        mode_gauge().decrement(1.0);
    }
}

fn mode_gauge() -> metrics::Gauge {
    metrics::gauge!("gridwatch_all_frames_cameras")
}

impl Followers {
    pub(crate) fn new(config: &IngestConfig) -> Self {
        let limit = config.all_frames_cameras;
        Self {
            limit,
            room: Arc::new(Semaphore::new(limit)),
            told: Arc::default(),
            decoders: Arc::new(config.decoders.clone()),
        }
    }

    /// Begins to follow one camera, if there is room.
    pub(crate) fn follow(&self, codec: Codec, role: StreamRole) -> Option<Follower> {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            if self.limit > 0 && !self.told.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    limit = self.limit,
                    "keyframes of more cameras come too rarely than may have all frames decoded; the others are looked at when keyframes \
                     come: set the cameras' keyframe interval to 2 s, or raise ingest.all_frames_cameras"
                );
            }
            return None;
        };
        mode_gauge().increment(1.0);
        Some(Follower {
            _place: Place { _permit: permit, told: Arc::clone(&self.told) },
            decoders: Arc::clone(&self.decoders),
            codec,
            role,
            chain: Chain::Broken,
            passed: None,
            asked: false,
            cpu: Duration::ZERO,
            counted: Duration::ZERO,
        })
    }
}

/// The frames that the decoder has had.
#[derive(Debug)]
enum Chain {
    /// The next frame cannot be decoded: one before it is missing.
    Broken,
    /// Decoding began at a recovery point: pictures are not whole before the next one.
    Settling(StreamDecoder),
    /// Pictures are whole.
    Whole(StreamDecoder),
}

impl Chain {
    fn decoder(&self) -> Option<&StreamDecoder> {
        match self {
            Self::Broken => None,
            Self::Settling(decoder) | Self::Whole(decoder) => Some(decoder),
        }
    }
}

/// The frames of one camera's session, all of which are decoded.
#[derive(Debug)]
pub(crate) struct Follower {
    _place: Place,
    decoders: Arc<DecoderConfig>,
    codec: Codec,
    role: StreamRole,
    chain: Chain,
    /// When the last picture, or keyframe, was passed on, and when its frame had come.
    passed: Option<(Instant, Instant)>,
    /// Whether a picture is wanted before one is due.
    asked: bool,
    /// What decoders that are gone have cost.
    cpu: Duration,
    /// What the metric knows of.
    counted: Duration,
}

impl Follower {
    /// Takes the next frame of the stream.
    pub(crate) fn push(&mut self, kind: Kind, frame: Option<Bytes>, after_loss: bool) {
        let chain = std::mem::replace(&mut self.chain, Chain::Broken);
        let chain = if after_loss { self.cut(chain, "lost") } else { chain };
        let next = match (chain, kind) {
            (Chain::Broken, Kind::Other) => Chain::Broken,
            (Chain::Broken, Kind::Keyframe | Kind::RecoveryPoint) => {
                match StreamDecoder::new(&self.decoders, self.codec) {
                    Ok(decoder) if kind == Kind::Keyframe => Chain::Whole(decoder),
                    Ok(decoder) => Chain::Settling(decoder),
                    Err(error) => {
                        // The look workers have one like it, so this machine has no more threads or memory.
                        metrics::counter!("gridwatch_decode_errors_total", "reason" => error.reason()).increment(1);
                        tracing::warn!(%error, "all frames are to be decoded and cannot be");
                        Chain::Broken
                    }
                }
            }
            (Chain::Settling(decoder), Kind::Keyframe | Kind::RecoveryPoint) => Chain::Whole(decoder),
            (chain, _) => chain,
        };
        self.chain = match (next, frame) {
            (chain @ (Chain::Settling(_) | Chain::Whole(_)), None) => self.cut(chain, "no_parameter_sets"),
            (chain, Some(frame)) => match chain.decoder().map_or(Ok(()), |decoder| decoder.push(frame)) {
                Ok(()) => chain,
                Err(PushError::TooSlow) => self.cut(chain, "too_slow"),
                Err(PushError::Failed(error)) => {
                    metrics::counter!("gridwatch_decode_errors_total", "reason" => error.reason()).increment(1);
                    tracing::debug!(%error, "decoding of all frames begins anew");
                    self.cut(chain, "failed")
                }
            },
            (chain, None) => chain,
        };
    }

    /// Ends a decoder that would not have all frames.
    fn cut(&mut self, chain: Chain, reason: &'static str) -> Chain {
        if let Some(decoder) = chain.decoder() {
            metrics::counter!("gridwatch_all_frames_breaks_total", "reason" => reason).increment(1);
            self.cpu += decoder.cpu();
        }
        Chain::Broken
    }

    /// A keyframe that has just come was passed on.
    pub(crate) fn passed(&mut self, now: Instant) {
        self.passed = Some((now, now));
    }

    /// The picture for a look, one of which is due `interval` after the one before, or at once if it is `asked` for.
    pub(crate) fn picture(&mut self, now: Instant, interval: Duration, asked: bool) -> Option<AccessUnit> {
        self.asked |= asked;
        let Chain::Whole(decoder) = &self.chain else { return None };
        let passed = self.passed;
        // A keyframe may have overtaken the picture of a frame before it.
        let Some(shot) = decoder.take().filter(|shot| passed.is_none_or(|(_, came)| shot.at > came)) else {
            if self.asked || passed.is_none_or(|(passed, _)| now.saturating_duration_since(passed) >= interval) {
                decoder.want();
            }
            return None;
        };
        (self.passed, self.asked) = (Some((now, shot.at)), false);
        let received_at = Timestamp::from(SystemTime::now()) - Millis::from(now.saturating_duration_since(shot.at));
        Some(AccessUnit { codec: Codec::Jpeg, role: self.role, received_at, data: shot.jpeg })
    }

    /// The processor time that decoding has taken.
    pub(crate) fn cpu(&self) -> Duration {
        self.cpu + self.chain.decoder().map_or(Duration::ZERO, StreamDecoder::cpu)
    }

    /// Brings the metric of what it costs up to date.
    pub(crate) fn count_cost(&mut self) {
        let whole = Duration::from_millis(self.cpu().as_millis() as u64);
        let more = whole.saturating_sub(self.counted);
        metrics::counter!("gridwatch_all_frames_cpu_milliseconds_total").increment(more.as_millis() as u64);
        self.counted += more;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.count_cost();
    }
}

#[cfg(test)]
mod tests {
    use domain::Picture;

    use super::*;
    use crate::encode::Encoder;

    const DEADLINE: Duration = Duration::from_secs(30);

    fn followers(limit: usize, h264: &str) -> Followers {
        let decoders = DecoderConfig { h264: h264.to_owned(), ..DecoderConfig::default() };
        Followers::new(&IngestConfig { all_frames_cameras: limit, decoders, ..IngestConfig::default() })
    }

    fn follower(h264: &str) -> Follower {
        followers(1, h264).follow(Codec::H264, StreamRole::Sub).expect("there is room")
    }

    const DECODER: &str = "avdec_h264 max-threads=1";

    fn frame() -> Bytes {
        let mut encoder = Encoder::new(64, 48, 28).expect("an encoder");
        encoder.encode(&Picture::uniform(64, 48, [120, 90, 160]), Timestamp(0)).expect("a keyframe").data
    }

    /// Feeds frames that need those before them until `condition` holds.
    #[track_caller]
    fn feed(follower: &mut Follower, mut condition: impl FnMut(&mut Follower) -> bool) {
        let (frame, started) = (frame(), Instant::now());
        while !condition(follower) {
            assert!(started.elapsed() < DEADLINE, "not in time: {:?}", follower.chain);
            follower.push(Kind::Other, Some(frame.clone()), false);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn decoding_begins_at_a_keyframe_or_when_a_round_of_refreshes_is_over() {
        let frame = || Some(frame());
        let mut follower = follower(DECODER);
        follower.push(Kind::Other, frame(), false);
        assert!(matches!(follower.chain, Chain::Broken));
        follower.push(Kind::RecoveryPoint, frame(), false);
        follower.push(Kind::Other, frame(), false);
        assert!(matches!(follower.chain, Chain::Settling(_)));
        assert!(follower.picture(Instant::now(), Duration::ZERO, true).is_none());
        follower.push(Kind::RecoveryPoint, frame(), false);
        assert!(matches!(follower.chain, Chain::Whole(_)));
        // Without some frames the rest is of no use.
        follower.push(Kind::Other, frame(), true);
        assert!(matches!(follower.chain, Chain::Broken));
        follower.push(Kind::Keyframe, frame(), true);
        assert!(matches!(follower.chain, Chain::Whole(_)));
        follower.push(Kind::RecoveryPoint, None, false);
        assert!(matches!(follower.chain, Chain::Broken));
    }

    #[test]
    fn a_picture_comes_when_a_look_is_due_or_asked_for() {
        let mut follower = follower(DECODER);
        follower.push(Kind::Keyframe, Some(frame()), false);
        let hour = Duration::from_secs(3_600);
        let mut first = None;
        feed(&mut follower, |follower| {
            first = follower.picture(Instant::now(), hour, false);
            first.is_some()
        });
        let first = first.expect("a picture");
        assert_eq!((first.codec, first.role, &first.data[..2]), (Codec::Jpeg, StreamRole::Sub, &[0xff, 0xd8][..]));
        for _ in 0..20 {
            follower.push(Kind::Other, Some(frame()), false);
            assert!(follower.picture(Instant::now(), hour, false).is_none());
        }
        assert!(follower.picture(Instant::now(), hour, true).is_none(), "it was asked for just now");
        feed(&mut follower, |follower| follower.picture(Instant::now(), hour, false).is_some());
        assert!(follower.cpu() > Duration::ZERO);
    }

    #[test]
    fn a_picture_that_a_keyframe_has_overtaken_is_left_out() {
        let mut follower = follower(DECODER);
        let first = frame();
        follower.push(Kind::Keyframe, Some(first.clone()), false);
        assert!(follower.picture(Instant::now(), Duration::ZERO, true).is_none());
        let end = Instant::now() + DEADLINE;
        while follower.chain.decoder().is_some_and(|decoder| decoder.cpu().is_zero()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        follower.push(Kind::Keyframe, Some(first), false);
        let came = Instant::now();
        follower.passed(came);
        let mut next = None;
        feed(&mut follower, |follower| {
            next = follower.picture(Instant::now(), Duration::ZERO, false);
            next.is_some()
        });
        assert!(follower.passed.is_some_and(|(_, at)| at > came));
    }

    #[test]
    fn a_decoder_that_does_not_keep_up_begins_anew() {
        let mut follower = follower("identity sleep-time=100000 ! avdec_h264 max-threads=1");
        follower.push(Kind::Keyframe, Some(frame()), false);
        feed(&mut follower, |follower| matches!(follower.chain, Chain::Broken));
        follower.push(Kind::Keyframe, Some(frame()), false);
        assert!(matches!(follower.chain, Chain::Whole(_)));
    }

    #[test]
    fn a_decoder_that_fails_begins_anew() {
        let mut follower = follower("identity error-after=3 ! avdec_h264 max-threads=1");
        for _ in 0..2 {
            follower.push(Kind::Keyframe, Some(frame()), false);
            assert!(matches!(follower.chain, Chain::Whole(_)));
            feed(&mut follower, |follower| matches!(follower.chain, Chain::Broken));
        }
    }

    #[test]
    fn there_is_room_for_so_many() {
        let followers = followers(1, DECODER);
        let first = followers.follow(Codec::H264, StreamRole::Main);
        assert!(first.is_some() && followers.follow(Codec::H264, StreamRole::Main).is_none());
        drop(first);
        assert!(followers.follow(Codec::H264, StreamRole::Main).is_some());
    }
}
