//! The task that keeps one camera streaming.
//!
//! ```text
//!  waiting -> connecting -> streaming -> ended (a recording)
//!                 |           |   ^
//!                 v           v   | first keyframe
//!                 +--> offline ---+
//! ```
//! `run` retries with backoff, for ever; `run_once` is one connection and uses `?`. It runs as a task of its own, so
//! that its panic is an error like any other.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use domain::{AccessUnit, CameraReport, CameraState, DecodeMode, Millis};
use futures::FutureExt as _;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Camera, now};
use crate::{
    CameraEvent, IngestConfig, IngestError, LookPace, Mode, Pace,
    address::Scheme,
    backoff::Waits,
    cadence,
    chronicle::{Change, Chronicle, Told},
    config::{Endpoint, Transport},
    connects::Connects,
    follower::{Follower, Followers},
    gather::Gathering,
    grab,
    health::Fact,
    hosts::{Hosts, Room, Urgency},
    looks::Looks,
    recording::{Item, Recording},
    rtsp::{Session, Sessions},
    snapshot::Snapshots,
    watchdog::Watchdog,
};

/// A camera that streamed for this long is well again: its next failure is its first.
const STABLE: Duration = Duration::from_secs(60);

/// A recording whose encoding is not passed on gives a picture at least this often.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Why a connection ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Cancelled,
    RecordingEnded,
}

/// What a camera's task works with; the number is that of its looks.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) number: usize,
    pub(crate) camera: Arc<Camera>,
    pub(crate) looks: Arc<Looks>,
    pub(crate) config: Arc<IngestConfig>,
    pub(crate) connects: Arc<Connects>,
    pub(crate) hosts: Hosts,
    pub(crate) followers: Followers,
    pub(crate) chronicle: Arc<Chronicle>,
    pub(crate) events: mpsc::Sender<CameraEvent>,
    pub(crate) cancel: CancellationToken,
}

impl Source {
    /// Keeps the camera streaming until its recording ends or ingest is cancelled.
    pub(crate) async fn run(self) {
        let mut waits = Waits::new(&self.config);
        let sessions = Sessions::default();
        let end = loop {
            let started = Instant::now();
            let error = match self.attempt(&sessions).await {
                Ok(end) => break end,
                Err(error) => error,
            };
            if self.camera.report().state == CameraState::Streaming {
                waits.admitted();
            }
            self.lost(&error).await;
            if started.elapsed() >= STABLE {
                waits.reset();
            }
            let wait = waits.next(&error, rand::random());
            debug!(?wait, "next attempt");
            if self.cancel.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                break End::Cancelled;
            }
        };
        self.looks.end(self.number);
        match end {
            End::RecordingEnded => {
                self.camera.enter(CameraState::Ended, None);
                info!("recording ended");
                self.tell(CameraEvent::Ended { camera: self.camera.id.clone() }).await;
            }
            End::Cancelled => sessions.closed().await,
        }
    }

    /// One connection, as a task of its own: a panic in it is caught, and cancelling it costs the packets nothing.
    async fn attempt(&self, sessions: &Sessions) -> Result<End, IngestError> {
        let mut task = JoinSet::new();
        let (source, sessions) = (self.clone(), sessions.clone());
        let span = tracing::Span::current();
        task.spawn(tracing::Instrument::instrument(async move { source.run_once(&sessions).await }, span));
        match self.cancel.run_until_cancelled(task.join_next()).await {
            Some(Some(Ok(result))) => result,
            Some(Some(Err(error))) => Err(IngestError::Panicked(panic_message(error))),
            Some(None) | None => Ok(End::Cancelled),
        }
    }

    async fn run_once(&self, sessions: &Sessions) -> Result<End, IngestError> {
        let camera = &*self.camera;
        let starts = camera.report().state == CameraState::Waiting;
        // Cameras that are visited come one after the other from the start.
        if starts && camera.stream.mode.visits() {
            tokio::time::sleep(camera.interval(LookPace::Idle).mul_f64(rand::random())).await;
        }
        // A camera that is offline stays so in the reports until it really streams.
        if starts {
            camera.enter(CameraState::Connecting, None);
        }
        match (&camera.stream.file, camera.stream.mode) {
            (Some(path), _) => self.play(path).boxed().await,
            (None, Mode::Stream) => self.hold(sessions).boxed().await,
            (None, Mode::Patrol | Mode::Snapshot) => self.patrol(sessions).boxed().await,
        }
    }

    /// Holds a session for as long as it lasts.
    async fn hold(&self, sessions: &Sessions) -> Result<End, IngestError> {
        let camera = &*self.camera;
        let endpoint = camera.stream.endpoint(camera.stream.look_role())?;
        // Recorders count sessions: the last one should be gone before the next begins.
        sessions.closed().await;
        sessions.keep(self.hosts.admit(&endpoint, Urgency::Routine, |why| self.waits(&why)).await);
        let end = self.stream(&endpoint, sessions).await;
        camera.lock().report.decode = DecodeMode::Keyframes;
        sessions.closed().await;
        end
    }

    /// Visits the camera for each look.
    async fn patrol(&self, sessions: &Sessions) -> Result<End, IngestError> {
        let camera = &*self.camera;
        let mut snapshots = Snapshots::default();
        let mut seen = tokio::time::Instant::now();
        loop {
            let begun = tokio::time::Instant::now();
            let endpoint = camera.stream.endpoint(camera.stream.look_role())?;
            let (connecting, patience) =
                (self.config.connect_timeout.to_duration(), self.config.keyframe_timeout.to_duration());
            let access_unit = {
                sessions.keep(self.admit(&endpoint, seen).await);
                let taken = match endpoint.address.scheme {
                    Scheme::Rtsp => grab::visit(&endpoint, sessions, connecting, patience, Some(&self.connects)).await,
                    Scheme::Http => snapshots.take(&endpoint, connecting, patience, Some(&self.connects)).await,
                };
                sessions.closed().await;
                taken?
            };
            camera.lock().report.codec = Some(access_unit.codec);
            metrics::histogram!("gridwatch_visit_seconds").record(begun.elapsed());
            seen = tokio::time::Instant::now();
            self.keyframe(access_unit, None).await;
            while !camera.asked.load(Ordering::Acquire) {
                // The pace may change meanwhile.
                let next = begun + camera.report().look_interval.to_duration();
                if tokio::time::timeout_at(next, camera.wanted.notified()).await.is_err() {
                    break;
                }
            }
        }
    }

    /// Waits for room on the host of a camera that is visited, and whose last picture was `seen` then; where somebody asks for a
    /// picture before those who come in their turn. One that has none for too long is offline, though it keeps its place among
    /// those that wait.
    async fn admit(&self, endpoint: &Endpoint, seen: tokio::time::Instant) -> Room {
        let camera = &*self.camera;
        let patience = (3 * camera.interval(LookPace::Idle)).max(self.config.offline_after.to_duration());
        let urgency = || if camera.asked.load(Ordering::Acquire) { Urgency::Now } else { Urgency::Routine };
        let mut away_at = Some(seen + patience);
        let mut queued_as = urgency();
        let waits = |why: String| self.waits(&why);
        let mut admitted = Box::pin(self.hosts.admit(endpoint, queued_as, waits));
        loop {
            tokio::select! {
                biased;
                room = &mut admitted => {
                    // What was asked for is the picture that comes now.
                    camera.asked.store(false, Ordering::Release);
                    return room;
                }
                () = camera.wanted.notified() => if urgency() != queued_as {
                    queued_as = Urgency::Now;
                    admitted = Box::pin(self.hosts.admit(endpoint, queued_as, waits));
                },
                () = sleep_until(away_at) => {
                    away_at = None;
                    self.away(endpoint, patience).await;
                }
            }
        }
    }

    /// A camera that is visited had no room on its host for too long.
    async fn away(&self, endpoint: &Endpoint, patience: Duration) {
        let camera = &*self.camera;
        let CameraReport { state, last_keyframe_at, .. } = camera.report();
        if let (CameraState::Streaming, Some(last)) = (state, last_keyframe_at) {
            self.offline(&IngestError::NoRoom { address: endpoint.address.to_string(), after: patience }).await;
            // It has been away since its last picture, not just from now on.
            camera.noticed(last, Fact::Down);
            camera.notice(Fact::Down);
        }
    }

    /// Says on the camera's report what it waits for, until it streams.
    fn waits(&self, why: &str) {
        let report = &mut self.camera.lock().report;
        if report.state != CameraState::Streaming {
            report.error = Some(why.into());
        }
    }

    async fn stream(&self, endpoint: &Endpoint, sessions: &Sessions) -> Result<End, IngestError> {
        let camera = &*self.camera;
        let timeout = self.config.connect_timeout.to_duration();
        let turn = self.connects.turn(endpoint).await;
        let connected = Session::connect(endpoint, sessions, timeout).await;
        turn.end(&connected);
        let mut session = connected?;
        camera.lock().report.codec = Some(session.codec);

        let mut watchdog = Watchdog::new(&self.config);
        let mut tick = tokio::time::interval(watchdog.period);
        // A host that was suspended did not see silence.
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_keyframe: Option<Instant> = None;
        let mut follower = None;
        self.decode(camera.cadence(cadence::Event::Began), &mut follower, &mut session);
        let (mut frames, mut bytes) = (0_u64, 0_u64);
        let mut gathering = Gathering::new();
        loop {
            // Biased, so that nothing but the session is polled while frames are there.
            let received = tokio::select! {
                biased;
                received = session.next() => received?,
                _ = tick.tick() => {
                    metrics::counter!("gridwatch_frames_received_total").increment(frames);
                    metrics::counter!("gridwatch_bytes_received_total").increment(bytes);
                    if let Err(error) = watchdog.check(frames, session.address()) {
                        if matches!(error, IngestError::NoKeyframe { .. }) {
                            camera.cadence(cadence::Event::Starved);
                        }
                        return Err(error);
                    }
                    if frames > 0 {
                        self.decode(camera.cadence(cadence::Event::Frames), &mut follower, &mut session);
                    }
                    if let Some(follower) = &mut follower {
                        follower.count_cost();
                    }
                    (frames, bytes) = (0, 0);
                    continue;
                }
                () = std::future::ready(()), if gathering.is_due() => {
                    gathering.gather().await;
                    continue;
                }
            };
            frames += 1;
            bytes += received.bytes as u64;
            // What comes over UDP and is not taken at once may be lost.
            if endpoint.transport == Transport::Tcp {
                gathering.took(received.bytes);
            }
            if let Some(offset) = session.take_clock_offset() {
                camera.notice(Fact::Clock(offset));
            }
            if received.is_keyframe() {
                self.decode(camera.cadence(cadence::Event::Keyframe), &mut follower, &mut session);
            }
            if let Some(follower) = &mut follower {
                follower.push(received.kind, received.data.clone(), received.after_loss);
                let asked = camera.asked.swap(false, Ordering::AcqRel);
                let interval = camera.lock().report.look_interval.to_duration();
                if let Some(picture) = follower.picture(Instant::now(), interval, asked) {
                    watchdog.picture();
                    self.keyframe(picture, None).await;
                }
            }
            let Some(data) = received.into_keyframe() else { continue };
            watchdog.picture();
            let arrived = Instant::now();
            let interval = last_keyframe.replace(arrived).map(|last| arrived - last);
            if let Some(interval) = interval {
                let look_interval = camera.interval(LookPace::Idle).into();
                camera.notice(Fact::Keyframe { interval: interval.into(), look_interval });
            }
            if let Some(follower) = &mut follower {
                follower.passed(arrived);
            }
            let access_unit = AccessUnit { codec: session.codec, role: session.role, received_at: now(), data };
            self.keyframe(access_unit, interval).await;
        }
    }

    /// Begins or ceases to have all frames decoded. Without room for it only keyframes are, and it is tried again at the next
    /// call.
    fn decode(&self, mode: DecodeMode, follower: &mut Option<Follower>, session: &mut Session) {
        let change = match (mode, follower.take()) {
            (DecodeMode::AllFrames, None) => {
                *follower = self.followers.follow(session.codec, session.role);
                if follower.is_some() {
                    info!("keyframes come too rarely: all frames are decoded");
                }
                follower.is_some()
            }
            (DecodeMode::Keyframes, Some(ended)) => {
                info!(cpu = ?ended.cpu(), "keyframes come often enough again: no other frames are decoded");
                true
            }
            (_, same) => {
                *follower = same;
                false
            }
        };
        if change {
            session.want(mode);
            self.camera.lock().report.decode = mode;
        }
    }

    async fn play(&self, path: &std::path::Path) -> Result<End, IngestError> {
        let camera = &*self.camera;
        let pace = camera.stream.pace;
        let base = match pace {
            Pace::RealTime => now(),
            // A recording has no clock of its own that could be trusted; when it was written is close.
            Pace::Fast => std::fs::metadata(path).and_then(|meta| meta.modified()).map_or_else(|_| now(), Into::into),
        };
        let sample_every = match camera.interval(LookPace::Active) {
            Duration::ZERO => SAMPLE_EVERY,
            active => SAMPLE_EVERY.min(active),
        };
        // When the current pass began, on the recording's continued time line.
        let mut offset = Duration::ZERO;
        loop {
            let opened = path.to_owned();
            let open = tokio::task::spawn_blocking(move || Recording::open(&opened, pace, sample_every));
            let mut recording = open.await.map_err(|error| IngestError::Panicked(panic_message(error)))??;
            let mut last: Option<Duration> = None;
            let mut spacing = Duration::from_millis(40);
            let outcome = loop {
                match recording.next().await {
                    Item::Keyframe(keyframe) => {
                        let interval = last.map(|last| keyframe.at.saturating_sub(last));
                        last = Some(keyframe.at);
                        spacing = interval.unwrap_or(spacing);
                        camera.lock().report.codec = Some(keyframe.codec);
                        let access_unit = AccessUnit {
                            codec: keyframe.codec,
                            role: domain::StreamRole::Main,
                            received_at: base + Millis::from(offset + keyframe.at),
                            data: keyframe.data,
                        };
                        self.keyframe(access_unit, interval).await;
                        while pace == Pace::Fast && self.looks.is_busy(self.number) {
                            camera.looked.notified().await;
                        }
                    }
                    Item::Failed(error) => break Err(error),
                    Item::End => break Ok(()),
                }
            };
            drop(recording);
            outcome?;
            let Some(last) = last else {
                let reason = "holds no keyframe that decodes alone".to_owned();
                return Err(IngestError::Recording { path: path.to_owned(), reason });
            };
            if !camera.stream.looping {
                return Ok(End::RecordingEnded);
            }
            offset += last + spacing;
        }
    }

    /// A picture that decodes alone came; `interval` is the time since the keyframe before it.
    async fn keyframe(&self, access_unit: AccessUnit, interval: Option<Duration>) {
        let camera = &*self.camera;
        {
            let report = &mut camera.lock().report;
            report.last_keyframe_at = Some(access_unit.received_at);
            if let Some(interval) = interval {
                report.keyframe_interval = Some(interval.into());
                metrics::histogram!("gridwatch_keyframe_interval_seconds").record(interval);
            }
        }
        let starts = camera.lock().report.state != CameraState::Streaming;
        if starts && camera.enter(CameraState::Streaming, None) {
            match self.chronicle.tell(Instant::now(), Change::Streaming, &camera.id, &"") {
                Told::Alone => info!(codec = %access_unit.codec, "streaming"),
                Told::Together => debug!(codec = %access_unit.codec, "streaming"),
            }
            self.tell(CameraEvent::Streaming { camera: camera.id.clone() }).await;
        }
        self.looks.keyframe(self.number, access_unit);
    }

    async fn lost(&self, error: &IngestError) {
        metrics::counter!("gridwatch_reconnects_total").increment(1);
        let camera = &*self.camera;
        camera.lock().report.reconnects += 1;
        // One that is given up for want of keyframes has a fault of its own.
        if camera.comes_and_goes() && !matches!(error, IngestError::NoKeyframe { .. }) {
            camera.notice(Fact::Lost);
        }
        self.offline(error).await;
    }

    /// There are no pictures, for this reason.
    async fn offline(&self, error: &IngestError) {
        let camera = &*self.camera;
        metrics::counter!("gridwatch_camera_errors_total", "reason" => error.reason()).increment(1);
        let known = camera.lock().report.error.as_deref() == Some(error.to_string().as_str());
        if camera.enter(CameraState::Offline, Some(error)) {
            match self.chronicle.tell(Instant::now(), Change::Lost, &camera.id, error) {
                Told::Alone => warn!(%error, "offline"),
                Told::Together => debug!(%error, "offline"),
            }
            self.tell(CameraEvent::Lost { camera: camera.id.clone(), error: error.to_string() }).await;
        } else if !known {
            match self.chronicle.tell(Instant::now(), Change::Otherwise, &camera.id, error) {
                Told::Alone => warn!(%error, "still offline, for another reason"),
                Told::Together => debug!(%error, "still offline, for another reason"),
            }
        }
    }

    /// Waits for a place in the queue: there is one event for each change of a state, and none may be missed.
    async fn tell(&self, event: CameraEvent) {
        // Without a receiver nobody is interested, nor is anybody after a cancellation.
        let _ = self.cancel.run_until_cancelled(self.events.send(event)).await;
    }
}

async fn sleep_until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn panic_message(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "the task was aborted".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamConfig;

    #[tokio::test]
    async fn a_camera_on_patrol_that_gets_no_room_is_offline_until_it_does_or_somebody_asks() {
        let config = IngestConfig { look_interval: Millis(20), offline_after: Millis(100), ..IngestConfig::default() };
        let id = "gate".parse().expect("an id");
        let camera = Arc::new(Camera::new(id, StreamConfig::default(), &config));
        let looks = Arc::new(Looks::new(Duration::from_secs(1)));
        let (events, mut told) = mpsc::channel(4);
        let source = Source {
            number: looks.add(Arc::clone(&camera), LookPace::Idle),
            camera: Arc::clone(&camera),
            chronicle: Arc::clone(&looks.chronicle),
            looks,
            connects: Arc::new(Connects::new(1, 0)),
            hosts: Hosts::new(1),
            followers: Followers::new(&config),
            config: Arc::new(config),
            events,
            cancel: CancellationToken::new(),
        };
        let stream = StreamConfig { main: Some("rtsp://h/x".into()), ..StreamConfig::default() };
        let endpoint = stream.endpoint(stream.look_role()).expect("an address");
        let other = source.hosts.admit(&endpoint, Urgency::Routine, |_| panic!("there is room")).await;
        // Another one came earlier, but nobody will ask for its picture.
        let mut earlier = Box::pin(source.hosts.admit(&endpoint, Urgency::Routine, |_| ()));
        assert!((&mut earlier).now_or_never().is_none());
        camera.lock().report.last_keyframe_at = Some(now());
        camera.enter(CameraState::Streaming, None);
        camera.tick();

        let seen = tokio::time::Instant::now();
        let admitted = source.admit(&endpoint, seen);
        let offline = async {
            let Some(CameraEvent::Lost { error, .. }) = told.recv().await else { panic!("it is lost") };
            assert!(error.contains("ingest.sessions_per_host"), "{error}");
            assert!(seen.elapsed() >= Duration::from_millis(100));
            assert_eq!(camera.report().state, CameraState::Offline);
            while camera.report().ailments.is_empty() {
                tokio::task::yield_now().await;
            }
            camera.want();
            // The one that waits has its turn meanwhile, whichever of the two is polled first.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
            drop(other);
            camera.asked.load(Ordering::Acquire)
        };
        let (room, asked) = tokio::join!(admitted, offline);
        assert!(asked && !camera.asked.load(Ordering::Acquire), "what was asked for comes");
        assert!((&mut earlier).now_or_never().is_none());
        drop(room);
        earlier.await;
    }
}
