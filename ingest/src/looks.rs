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
    chronicle::Chronicle,
    schedule::{Due, Next, Outcome, Schedule, Urgency},
    tempo::Tempo,
};

/// What is kept for a camera.
#[derive(Debug)]
struct Seat {
    camera: Arc<Camera>,
    /// Newest wins. It stays after it was looked at, for evidence and for the console.
    latest: Option<AccessUnit>,
    pace: LookPace,
}

#[derive(Debug, Default)]
struct State {
    schedule: Schedule,
    /// By the number that the schedule gave.
    seats: Vec<Option<Seat>>,
    /// Until when a worker sleeps on behalf of all; the others sleep until they are told.
    watch: Option<Instant>,
}

impl State {
    fn needs_a_worker(&self) -> bool {
        self.schedule.earliest().is_some_and(|due| self.watch.is_none_or(|watched| due < watched))
    }

    fn seat(&mut self, camera: usize) -> Option<&mut Seat> {
        self.seats.get_mut(camera)?.as_mut()
    }
}

/// What sources, workers and the handle share. Cameras go by the number that [`Looks::add`] gave them; what is said of one
/// that left is passed over.
#[derive(Debug)]
pub(crate) struct Looks {
    state: Mutex<State>,
    wake: Condvar,
    /// When a look failed, the next keyframe after this time is tried; after twice the time when that fails, too.
    retry_after: Duration,
    /// What is logged of the cameras.
    pub(crate) chronicle: Arc<Chronicle>,
}

impl Looks {
    pub(crate) fn new(retry_after: Duration) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), retry_after, chronicle: Arc::default() }
    }

    /// One more camera, due at once and looked at at this pace; its number.
    pub(crate) fn add(&self, camera: Arc<Camera>, pace: LookPace) -> usize {
        let mut state = self.lock();
        let number = state.schedule.add(Instant::now(), camera.interval(pace));
        let seats = state.seats.len().max(number + 1);
        state.seats.resize_with(seats, || None);
        state.seats[number] = Some(Seat { camera, latest: None, pace });
        number
    }

    /// A camera is looked at no more; see [`Looks::vacate`].
    pub(crate) fn leave(&self, camera: usize) {
        let mut state = self.lock();
        state.schedule.leave(camera);
        let seat = state.seats[camera].take();
        drop(state);
        // Its last keyframe is freed outside the lock; its source may wait for a look that does not come.
        if let Some(seat) = seat {
            seat.camera.looked.notify_one();
        }
        self.wake.notify_all();
    }

    /// The source of a camera that left has stopped.
    pub(crate) fn vacate(&self, camera: usize) {
        self.lock().schedule.vacate(camera);
    }

    /// Whether more cameras may come though there is none.
    pub(crate) fn keep_open(&self, open: bool) {
        self.lock().schedule.keep_open(open);
        self.wake.notify_all();
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
            // The rest of what came before the camera left is passed over by the schedule, too.
            old = state.seat(camera).and_then(|seat| seat.latest.replace(access_unit));
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
        self.lock().seat(camera)?.latest.clone()
    }

    pub(crate) fn is_busy(&self, camera: usize) -> bool {
        self.lock().schedule.is_busy(camera)
    }

    pub(crate) fn set_pace(&self, camera: usize, pace: LookPace) {
        self.change(|state| {
            let Some(seat) = state.seat(camera) else { return };
            seat.pace = pace;
            let interval = seat.camera.interval(pace);
            state.schedule.set_interval(camera, interval);
        });
    }

    /// How often a camera is looked at; idle where it has left.
    pub(crate) fn pace(&self, camera: usize) -> LookPace {
        self.lock().seat(camera).map_or(LookPace::Idle, |seat| seat.pace)
    }

    /// The intervals of a camera are others; its pace stays, and is given back.
    pub(crate) fn repace(&self, camera: usize) -> LookPace {
        let pace = self.pace(camera);
        self.set_pace(camera, pace);
        pace
    }

    /// How looks kept up over the last minute.
    pub(crate) fn tempo(&self) -> Tempo {
        self.lock().schedule.tempo(Instant::now())
    }

    pub(crate) fn look_now(&self, camera: usize) {
        self.change(|state| {
            if state.seat(camera).is_some() {
                state.schedule.look_now(camera, Instant::now());
            }
        });
    }

    pub(crate) fn end(&self, camera: usize) {
        self.lock().schedule.end(camera, Instant::now());
        self.wake.notify_all();
    }

    pub(crate) fn cancel(&self) {
        let mut state = self.lock();
        state.schedule.cancel();
        let cameras: Vec<_> = state.seats.iter().flatten().map(|seat| Arc::clone(&seat.camera)).collect();
        drop(state);
        self.wake.notify_all();
        cameras.iter().for_each(|camera| camera.looked.notify_one());
    }

    fn done(&self, number: usize, camera: &Camera, outcome: Outcome) {
        self.change(|state| state.schedule.done(number, Instant::now(), outcome));
        camera.looked.notify_one();
    }

    fn next(&self) -> Option<(Due, Arc<Camera>, AccessUnit, Occasion)> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            match state.schedule.take(now) {
                Next::Look(due) => {
                    // A keyframe is taken out with its camera only, so there is one.
                    let found = state
                        .seat(due.camera)
                        .and_then(|seat| Some((seat.latest.clone()?, Arc::clone(&seat.camera), seat.pace)));
                    let Some((access_unit, camera, pace)) = found else { continue };
                    let occasion = match (due.urgency, pace) {
                        (Urgency::Asked, _) => Occasion::Asked,
                        (Urgency::Due, LookPace::Active) => Occasion::Suspected,
                        (Urgency::Due, LookPace::Idle) => Occasion::Routine,
                    };
                    let wake = state.needs_a_worker();
                    drop(state);
                    if wake {
                        self.wake.notify_one();
                    }
                    return Some((due, camera, access_unit, occasion));
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
        let (due, source, access_unit, occasion) = self.0.next()?;
        let now = Instant::now();
        let lag = now.saturating_duration_since(due.since);
        metrics::histogram!("gridwatch_look_lag_seconds").record(lag);
        metrics::histogram!("gridwatch_look_queue_wait_seconds").record(now.saturating_duration_since(due.ready_since));
        let (camera, looks) = (source.id.clone(), Arc::clone(&self.0));
        Some(DueLook { camera, access_unit, occasion, lag, number: due.camera, source, looks, open: true })
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
    number: usize,
    source: Arc<Camera>,
    looks: Arc<Looks>,
    open: bool,
}

impl DueLook {
    /// The look was made: `result` is the size of the picture in pixels, or why there is none. After a failure the
    /// next keyframe is tried sooner than the interval says, but not so again and again.
    pub fn done(mut self, result: Result<(u32, u32), &IngestError>) {
        self.open = false;
        let camera = &self.source;
        let outcome = match result {
            Ok(size) => {
                metrics::counter!("gridwatch_looks_total").increment(1);
                camera.looked_at(size, Timestamp::from(SystemTime::now()));
                Outcome::Made
            }
            Err(error) => {
                metrics::counter!("gridwatch_looks_failed_total", "reason" => error.reason()).increment(1);
                camera.look_failed(error, &self.looks.chronicle);
                let most = camera.interval(LookPace::Idle);
                // The interval of a recording that plays fast is zero.
                let retry = if most.is_zero() { most } else { self.looks.retry_after };
                Outcome::Failed { retry, most: most.max(retry) }
            }
        };
        self.looks.done(self.number, &self.source, outcome);
    }
}

impl Drop for DueLook {
    fn drop(&mut self) {
        if self.open {
            metrics::counter!("gridwatch_looks_failed_total", "reason" => "abandoned").increment(1);
            self.looks.done(self.number, &self.source, Outcome::Made);
        }
    }
}
