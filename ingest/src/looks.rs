//! The newest keyframe of each camera, and the queue of looks that are due. One lock, held for the time of a heap
//! operation; a thousand keyframes and some hundred looks a second are all that ever take it.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use domain::{AccessUnit, CameraId, Timestamp};

use crate::{
    IngestError,
    camera::Camera,
    schedule::{Due, Next, Schedule, Urgency},
};

#[derive(Debug)]
struct State {
    schedule: Schedule,
    /// Newest wins. It stays after it was looked at, for evidence and for the console.
    latest: Vec<Option<AccessUnit>>,
    paces: Vec<LookPace>,
    /// Until when a worker sleeps on behalf of all; the others sleep until they are told.
    watch: Option<Instant>,
}

impl State {
    fn needs_a_worker(&self) -> bool {
        self.schedule.earliest().is_some_and(|due| self.watch.is_none_or(|watched| due < watched))
    }
}

/// What sources, workers and the handle share.
#[derive(Debug)]
pub(crate) struct Looks {
    state: Mutex<State>,
    wake: Condvar,
    cameras: Arc<[Camera]>,
    /// When a look failed, the next keyframe after this time is tried.
    retry_after: Duration,
}

impl Looks {
    pub(crate) fn new(cameras: Arc<[Camera]>, retry_after: Duration) -> Self {
        let schedule = Schedule::new(Instant::now(), cameras.iter().map(|camera| camera.interval(LookPace::Idle)));
        let latest = vec![None; cameras.len()];
        let paces = vec![LookPace::Idle; cameras.len()];
        let state = Mutex::new(State { schedule, latest, paces, watch: None });
        Self { state, wake: Condvar::new(), cameras, retry_after }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below leaves the state whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change, and wakes a worker if something is now due earlier than anybody watches for.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let wake = state.needs_a_worker();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        result
    }

    /// A keyframe came.
    pub(crate) fn keyframe(&self, camera: usize, access_unit: AccessUnit) {
        let mut old = None;
        let replaced = self.change(|state| {
            old = state.latest[camera].replace(access_unit);
            state.schedule.keyframe(camera, Instant::now())
        });
        // The bytes of the old one are freed outside the lock.
        drop(old);
        metrics::counter!("gridwatch_keyframes_total").increment(1);
        if replaced {
            metrics::counter!("gridwatch_keyframes_replaced_total").increment(1);
        }
    }

    pub(crate) fn latest(&self, camera: usize) -> Option<AccessUnit> {
        self.lock().latest[camera].clone()
    }

    pub(crate) fn is_busy(&self, camera: usize) -> bool {
        self.lock().schedule.is_busy(camera)
    }

    pub(crate) fn set_pace(&self, camera: usize, pace: LookPace) {
        let interval = self.cameras[camera].interval(pace);
        self.change(|state| {
            state.paces[camera] = pace;
            state.schedule.set_interval(camera, interval);
        });
    }

    pub(crate) fn look_now(&self, camera: usize) {
        self.change(|state| state.schedule.look_now(camera, Instant::now()));
    }

    pub(crate) fn end(&self, camera: usize) {
        self.lock().schedule.end(camera, Instant::now());
        self.wake.notify_all();
    }

    pub(crate) fn cancel(&self) {
        self.lock().schedule.cancel();
        self.wake.notify_all();
        self.cameras.iter().for_each(|camera| camera.looked.notify_one());
    }

    fn done(&self, camera: usize, after: Option<Duration>) {
        self.change(|state| state.schedule.done(camera, Instant::now(), after));
        self.cameras[camera].looked.notify_one();
    }

    fn next(&self) -> Option<(Due, AccessUnit, Occasion)> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            match state.schedule.take(now) {
                Next::Look(due) => {
                    // A keyframe is never taken out, so there is one.
                    let Some(access_unit) = state.latest[due.camera].clone() else { continue };
                    let occasion = match (due.urgency, state.paces[due.camera]) {
                        (Urgency::Asked, _) => Occasion::Asked,
                        (Urgency::Due, LookPace::Active) => Occasion::Suspected,
                        (Urgency::Due, LookPace::Idle) => Occasion::Routine,
                    };
                    let wake = state.needs_a_worker();
                    drop(state);
                    if wake {
                        self.wake.notify_one();
                    }
                    return Some((due, access_unit, occasion));
                }
                Next::Closed => {
                    drop(state);
                    // The look that was the last to end may have been this worker's: nobody else tells the others.
                    self.wake.notify_all();
                    return None;
                }
                Next::NotBefore(at) if state.watch.is_none_or(|watched| watched > at) => {
                    state.watch = Some(at);
                    let timeout = at.saturating_duration_since(now);
                    state = self.wake.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0;
                    if state.watch == Some(at) {
                        state.watch = None;
                    }
                }
                Next::NotBefore(_) | Next::Nothing => {
                    state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

/// How often a camera is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookPace {
    /// Nothing is suspected: each `look_interval`.
    Idle,
    /// Something is suspected, or is to be checked again: each `active_interval`.
    Active,
}

/// Why a look is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Its turn has come; nothing is suspected.
    Routine,
    /// Something is suspected, or is to be checked again.
    Suspected,
    /// Somebody asked for it.
    Asked,
}

/// The looks that are due, for the threads that make them.
#[derive(Debug, Clone)]
pub struct LookQueue(pub(crate) Arc<Looks>);

impl LookQueue {
    /// The look that is most overdue. Waits until there is one; `None` once all sources have ended, or ingest was
    /// cancelled. For threads, not for async tasks.
    #[must_use]
    pub fn next(&self) -> Option<DueLook> {
        let (due, access_unit, occasion) = self.0.next()?;
        let now = Instant::now();
        let lag = now.saturating_duration_since(due.since);
        metrics::histogram!("gridwatch_look_lag_seconds").record(lag);
        metrics::histogram!("gridwatch_look_queue_wait_seconds").record(now.saturating_duration_since(due.ready_since));
        let camera = self.0.cameras[due.camera].id.clone();
        Some(DueLook { camera, access_unit, occasion, lag, index: due.camera, looks: Arc::clone(&self.0), open: true })
    }
}

/// A look to be made: decode, gate, detect, judge. Until it is dropped or done, its camera is not looked at again.
#[derive(Debug)]
pub struct DueLook {
    /// Which camera.
    pub camera: CameraId,
    /// Its newest keyframe.
    pub access_unit: AccessUnit,
    /// Why it is looked at.
    pub occasion: Occasion,
    /// How late the look is.
    pub lag: Duration,
    index: usize,
    looks: Arc<Looks>,
    open: bool,
}

impl DueLook {
    /// The look was made: `result` is the size of the picture in pixels, or why there is none. After a failure the
    /// next keyframe is tried sooner than the interval says.
    pub fn done(mut self, result: Result<(u32, u32), &IngestError>) {
        self.open = false;
        let camera = &self.looks.cameras[self.index];
        let after = match result {
            Ok(size) => {
                metrics::counter!("gridwatch_looks_total").increment(1);
                camera.looked_at(size, Timestamp::from(SystemTime::now()));
                None
            }
            Err(error) => {
                metrics::counter!("gridwatch_looks_failed_total", "reason" => error.reason()).increment(1);
                camera.look_failed(error);
                // The interval of a recording that plays fast is zero.
                Some(self.looks.retry_after.min(camera.interval(LookPace::Idle)))
            }
        };
        self.looks.done(self.index, after);
    }
}

impl Drop for DueLook {
    fn drop(&mut self) {
        if self.open {
            metrics::counter!("gridwatch_looks_failed_total", "reason" => "abandoned").increment(1);
            self.looks.done(self.index, None);
        }
    }
}
