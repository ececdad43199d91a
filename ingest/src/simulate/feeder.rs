//! One thread that feeds all cameras which someone watches: it sleeps until the next picture of any of them is due and
//! hands it over. A hand-over never waits, so one slow client delays no other camera.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app::AppSrc;

use super::{
    Fault, annexb,
    program::{Cursor, Program},
    server::Camera,
};

/// Pictures due within this time go together: at thousands a second that spares wake-ups.
const SLACK: Duration = Duration::from_millis(2);

/// More than this in a queue, and its camera skips to a later keyframe: nobody takes what it sends.
const BACKLOG: u64 = 100;

/// Later than this, and a camera goes on from now instead of hurrying after the clock.
const LATE: Duration = Duration::from_secs(2);

struct Feed {
    camera: Arc<Camera>,
    source: AppSrc,
    /// When the program began.
    origin: Instant,
    cursor: Cursor,
    /// The instant, the pipeline's time and the program's time that belong together.
    anchor: (Instant, Duration, Duration),
    last_pts: Duration,
    /// While there is a backlog, only a keyframe ends the skipping.
    skipping: bool,
    stalled: bool,
}

impl Feed {
    fn due(&self, program: &Program) -> Instant {
        self.anchor.0 + program.time(self.cursor).saturating_sub(self.anchor.2)
    }

    /// Ties the program's time to the clock anew, at the keyframe that is due now.
    fn resume(&mut self, program: &Program, now: Instant) {
        self.cursor = program.keyframe_at(self.camera.offset() + now.saturating_duration_since(self.origin));
        self.anchor = (now, running_time(&self.source), program.time(self.cursor));
    }

    /// Hands the picture at the cursor over and moves on.
    fn send(&mut self, program: &Program, fault: Fault) -> Result<(), gst::FlowError> {
        let (unit, clip) = (program.unit(self.cursor), program.clip(self.cursor));
        let pts = self.anchor.1 + program.time(self.cursor).saturating_sub(self.anchor.2);
        let level = self.source.current_level_buffers();
        self.skipping = level > BACKLOG || (self.skipping && !(unit.keyframe && level < BACKLOG / 2));
        self.cursor = program.next(self.cursor);
        if self.skipping {
            return Ok(());
        }
        let buffer = match unit.buffer.map_readable() {
            Ok(data) if unit.keyframe && fault == Fault::CorruptKeyframes => {
                gst::Buffer::from_slice(annexb::damaged(clip.codec, &data))
            }
            _ => unit.buffer.copy(),
        };
        self.push(buffer, pts)
    }

    fn push(&mut self, mut buffer: gst::Buffer, pts: Duration) -> Result<(), gst::FlowError> {
        self.last_pts = pts.max(self.last_pts + Duration::from_nanos(1));
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(self.last_pts.as_nanos() as u64));
        }
        self.source.push_buffer(buffer).map(|_| ())
    }
}

fn running_time(source: &AppSrc) -> Duration {
    source.current_running_time().map_or(Duration::ZERO, Into::into)
}

#[derive(Default)]
struct State {
    feeds: HashMap<u64, Feed>,
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    next_id: u64,
    stopping: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds and removes what the feeder feeds.
#[derive(Clone, Default)]
pub(super) struct FeederHandle(Arc<Shared>);

impl FeederHandle {
    /// Begins to feed `source` with what `camera` shows now. Call it once its pipeline runs.
    pub(super) fn add(&self, camera: &Arc<Camera>, source: &AppSrc) -> Option<u64> {
        let program = camera.program()?;
        let now = Instant::now();
        let mut feed = Feed {
            camera: Arc::clone(camera),
            source: source.clone(),
            origin: camera.origin(now),
            cursor: program.keyframe_at(Duration::ZERO),
            anchor: (now, Duration::ZERO, Duration::ZERO),
            last_pts: Duration::ZERO,
            skipping: false,
            stalled: false,
        };
        feed.resume(program, now);
        if camera.fault() == Fault::Stall {
            // A stream without parameter sets has no description, and the client would not even be connected.
            let sets = program.clip(feed.cursor).parameter_sets.copy();
            let _ = feed.push(sets, feed.anchor.1);
        }
        let mut state = self.0.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.feeds.insert(id, feed);
        state.due.push(Reverse((now, id)));
        drop(state);
        self.0.changed.notify_one();
        Some(id)
    }

    pub(super) fn remove(&self, id: u64) {
        self.0.lock().feeds.remove(&id);
    }

    /// Looks again at the faults: a stalled camera may go on.
    pub(super) fn wake(&self) {
        let mut state = self.0.lock();
        let now = Instant::now();
        let stalled: Vec<_> = state.feeds.iter().filter(|(_, feed)| feed.stalled).map(|(id, _)| *id).collect();
        state.due.extend(stalled.into_iter().map(|id| Reverse((now, id))));
        drop(state);
        self.0.changed.notify_one();
    }

    fn run(&self) {
        let mut state = self.0.lock();
        while !state.stopping {
            let now = Instant::now();
            match state.due.peek() {
                None => state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Reverse((at, _))) if *at > now + SLACK => {
                    let wait = *at - now;
                    state = self.0.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(Reverse((_, id))) => {
                    let id = *id;
                    state.due.pop();
                    state.serve(id, now);
                }
            }
        }
        state.feeds.clear();
    }
}

impl State {
    /// Sends what is due on one feed, and plans its next turn.
    fn serve(&mut self, id: u64, now: Instant) {
        let Some(feed) = self.feeds.get_mut(&id) else { return };
        let camera = Arc::clone(&feed.camera);
        let Some(program) = camera.program() else { return };
        let fault = camera.fault();
        if fault == Fault::Stall {
            feed.stalled = true;
            return;
        }
        let early = feed.due(program) > now + SLACK;
        if early && !feed.stalled {
            return; // woken twice
        }
        if std::mem::take(&mut feed.stalled) || now.saturating_duration_since(feed.due(program)) > LATE {
            feed.resume(program, now);
        }
        if feed.send(program, fault).is_ok() {
            self.due.push(Reverse((feed.due(program), id)));
        } else {
            // The pipeline is being taken down.
            self.feeds.remove(&id);
        }
    }
}

/// The feeding thread; ends when dropped.
pub(super) struct Feeder {
    handle: FeederHandle,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    pub(super) fn start() -> io::Result<Self> {
        let handle = FeederHandle::default();
        let of_thread = handle.clone();
        let thread = std::thread::Builder::new().name("simulate-feed".to_owned()).spawn(move || of_thread.run())?;
        Ok(Self { handle, thread: Some(thread) })
    }

    pub(super) fn handle(&self) -> FeederHandle {
        self.handle.clone()
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.handle.0.lock().stopping = true;
        self.handle.0.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
