//! One camera as the rest of the crate sees it: its streams, its state, and what is known of its health.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use domain::{CameraId, CameraReport, CameraState, DecodeMode, Timestamp};
use tokio::sync::Notify;
use tracing::{debug, warn};

use crate::{
    IngestConfig, IngestError, LookPace, Mode, Pace, StreamConfig,
    cadence::{self, Cadence},
    chronicle::{Change, Chronicle, Told},
    health::{Fact, StreamHealth},
};

mod source;

pub(crate) use source::Source;

/// A camera as the rest of the crate sees it.
#[derive(Debug)]
pub(crate) struct Camera {
    pub(crate) id: CameraId,
    pub(crate) stream: StreamConfig,
    intervals: Mutex<Intervals>,
    known: Mutex<Known>,
    /// Told when a look ended, for recordings that wait for it.
    pub(crate) looked: Notify,
    /// Told when a look is wanted earlier, for cameras that are visited.
    pub(crate) wanted: Notify,
    asked: AtomicBool,
}

/// What is known of a camera, and what that says of its health.
#[derive(Debug)]
struct Known {
    report: CameraReport,
    health: StreamHealth,
    cadence: Cadence,
    /// The kind of error with which looks fail.
    failing: Option<&'static str>,
}

/// The times between looks by pace; zero where every keyframe is looked at.
#[derive(Debug, Clone, Copy)]
struct Intervals {
    idle: Duration,
    active: Duration,
}

impl Intervals {
    fn new(stream: &StreamConfig, config: &IngestConfig) -> Self {
        if stream.file.is_some() && stream.pace == Pace::Fast {
            return Self { idle: Duration::ZERO, active: Duration::ZERO };
        }
        let idle = stream.look_interval.unwrap_or(config.look_interval);
        let active = stream.active_interval.unwrap_or(config.active_interval).min(idle);
        Self { idle: idle.to_duration(), active: active.to_duration() }
    }
}

impl Camera {
    pub(crate) fn new(id: CameraId, stream: StreamConfig, config: &IngestConfig) -> Self {
        let intervals = Intervals::new(&stream, config);
        let report = CameraReport {
            id: id.clone(),
            state: CameraState::Waiting,
            since: now(),
            error: None,
            codec: None,
            size: None,
            keyframe_interval: None,
            decode: DecodeMode::Keyframes,
            last_keyframe_at: None,
            last_look_at: None,
            look_interval: intervals.idle.into(),
            looks: 0,
            reconnects: 0,
            ailments: Vec::new(),
            clock_offset: None,
        };
        metrics::gauge!("gridwatch_cameras", "state" => CameraState::Waiting.as_str()).increment(1.0);
        Self {
            id,
            intervals: Mutex::new(intervals),
            stream,
            known: Mutex::new(Known {
                report,
                health: StreamHealth::new(config),
                cadence: Cadence::default(),
                failing: None,
            }),
            looked: Notify::new(),
            wanted: Notify::new(),
            asked: AtomicBool::new(false),
        }
    }

    /// The time between looks. Zero where every keyframe is looked at.
    pub(crate) fn interval(&self, pace: LookPace) -> Duration {
        let intervals = *self.intervals.lock().unwrap_or_else(PoisonError::into_inner);
        match pace {
            LookPace::Idle => intervals.idle,
            LookPace::Active => intervals.active,
        }
    }

    /// Takes other intervals; the streams stay.
    pub(crate) fn set_intervals(&self, stream: &StreamConfig, config: &IngestConfig) {
        *self.intervals.lock().unwrap_or_else(PoisonError::into_inner) = Intervals::new(stream, config);
    }

    /// Somebody asks for a look now.
    pub(crate) fn want(&self) {
        self.asked.store(true, Ordering::Release);
        self.wanted.notify_one();
    }

    pub(crate) fn report(&self) -> CameraReport {
        self.lock().report.clone()
    }

    pub(crate) fn paced(&self, pace: LookPace) {
        self.lock().report.look_interval = self.interval(pace).into();
    }

    pub(crate) fn looked_at(&self, size: (u32, u32), at: Timestamp) {
        let known = &mut *self.lock();
        let report = &mut known.report;
        report.size = Some(size);
        report.last_look_at = Some(at);
        report.looks += 1;
        if report.state == CameraState::Streaming {
            report.error = None;
            known.failing = None;
        }
    }

    pub(crate) fn look_failed(&self, error: &IngestError, chronicle: &Chronicle) {
        debug!(camera = %self.id, %error, "look failed");
        let mut known = self.lock();
        // An error of the connection matters more. One of the same kind differs by the size of a keyframe, which is no news.
        if known.report.state != CameraState::Streaming || known.failing == Some(error.reason()) {
            return;
        }
        known.report.error = Some(error.to_string().into());
        let first = known.failing.replace(error.reason()).is_none();
        drop(known);
        if first && chronicle.tell(Instant::now(), Change::Undecodable, &self.id, error) == Told::Alone {
            warn!(camera = %self.id, %error, "looks fail");
        }
    }

    /// Something was noticed that may say how it fares.
    fn notice(&self, fact: Fact) {
        self.noticed(now(), fact);
    }

    fn noticed(&self, at: Timestamp, fact: Fact) {
        let mut known = self.lock();
        if let Fact::Clock(offset) = fact {
            known.report.clock_offset = Some(offset);
        }
        if known.health.observe(at, fact) {
            known.report.ailments = known.health.ailments();
        }
    }

    /// Something happened on its stream; which frames are to be decoded from now on.
    fn cadence(&self, event: cadence::Event) -> DecodeMode {
        let look_interval = self.interval(LookPace::Idle);
        let (before, mode) = {
            let cadence = &mut self.lock().cadence;
            let before = cadence.mode();
            cadence.apply(Instant::now(), event, look_interval);
            (before, cadence.mode())
        };
        if mode != before {
            self.notice(Fact::Cadence(mode));
        }
        mode
    }

    /// Whether it holds a connection, which streams and may be lost.
    fn comes_and_goes(&self) -> bool {
        let is_held = self.stream.file.is_none() && self.stream.mode == Mode::Stream;
        is_held && self.lock().report.state == CameraState::Streaming
    }

    /// Time went by; to be called each second or so.
    pub(crate) fn tick(&self) {
        let state = self.lock().report.state;
        self.notice(match state {
            CameraState::Streaming | CameraState::Ended => Fact::Up,
            CameraState::Waiting | CameraState::Connecting | CameraState::Offline => Fact::Down,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes to `state`; whether it was another.
    fn enter(&self, state: CameraState, error: Option<&IngestError>) -> bool {
        let known = &mut *self.lock();
        known.failing = None;
        let report = &mut known.report;
        report.error = error.map(|error| error.to_string().into());
        if report.state == state {
            return false;
        }
        metrics::gauge!("gridwatch_cameras", "state" => report.state.as_str()).decrement(1.0);
        metrics::gauge!("gridwatch_cameras", "state" => state.as_str()).increment(1.0);
        report.state = state;
        report.since = now();
        true
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let state = self.lock().report.state;
        metrics::gauge!("gridwatch_cameras", "state" => state.as_str()).decrement(1.0);
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(config: &IngestConfig) -> Camera {
        Camera::new("gate".parse().expect("an id"), StreamConfig::default(), config)
    }

    #[test]
    fn a_stream_that_is_given_up_for_want_of_keyframes_is_a_fault() {
        let camera = camera(&IngestConfig::default());
        camera.cadence(cadence::Event::Began);
        assert_eq!(camera.cadence(cadence::Event::Starved), DecodeMode::AllFrames);
        let faults: Vec<_> = camera.report().ailments.iter().map(|ailment| ailment.fault).collect();
        assert_eq!(faults, [domain::CameraFault::KeyframeInterval]);
    }

    #[test]
    fn looks_that_fail_alike_are_one_piece_of_news_until_one_succeeds() {
        let (camera, chronicle) = (camera(&IngestConfig::default()), Chronicle::default());
        camera.enter(CameraState::Streaming, None);
        let corrupt = |bytes| IngestError::Corrupt { codec: domain::Codec::H264, bytes };
        let fail = |error| {
            camera.look_failed(&error, &chronicle);
            camera.report().error.expect("an error").to_string()
        };
        let first = fail(corrupt(40_001));
        assert_eq!(fail(corrupt(40_777)), first, "another size is no news");
        let hung = IngestError::DecoderHung { decoder: "d".into(), after: Duration::from_secs(5) };
        assert_eq!(fail(hung.clone()), hung.to_string());
        camera.looked_at((2, 2), now());
        assert_eq!(camera.report().error, None);
        assert_ne!(fail(corrupt(40_777)), first);
    }
}
