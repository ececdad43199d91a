//! Who starts, stops and awaits the cameras' tasks, so that the set of cameras can change while all others go on.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use domain::CameraId;
use tokio::{
    sync::{mpsc, oneshot},
    task::{Id, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    CameraEvent, CameraSource, IngestConfig, IngestError, LookPace, StreamConfig,
    camera::{Camera, Source},
    chronicle::Chronicle,
    connects::Connects,
    follower::Followers,
    hosts::Hosts,
    looks::Looks,
};

/// How often the log's summaries are written, and the cameras told that time passes.
const SUMMARIES: Duration = Duration::from_secs(1);

/// What a new set of cameras changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CameraChanges {
    /// Cameras that were not there.
    pub added: Vec<CameraId>,
    /// Cameras whose stream is another, and that are connected to anew.
    pub reconnected: Vec<CameraId>,
    /// Cameras that are looked at more or less often, and stay connected.
    pub repaced: Vec<CameraId>,
    /// Cameras that are gone.
    pub removed: Vec<CameraId>,
    /// Cameras at which nothing changed.
    pub unchanged: usize,
}

/// A wish for another set of cameras, which has been checked.
pub(crate) struct Change {
    pub(crate) sources: Vec<CameraSource>,
    pub(crate) answer: oneshot::Sender<CameraChanges>,
}

/// The cameras of the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster(Arc<RwLock<Arc<Cameras>>>);

/// A set of cameras, each with the number of its looks.
#[derive(Debug, Default)]
pub(crate) struct Cameras {
    pub(crate) in_order: Vec<(usize, Arc<Camera>)>,
    index: HashMap<CameraId, usize>,
}

impl Roster {
    pub(crate) fn now(&self) -> Arc<Cameras> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, cameras: Cameras) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(cameras);
    }
}

impl Cameras {
    pub(crate) fn get(&self, id: &CameraId) -> Option<(usize, &Arc<Camera>)> {
        let (number, camera) = &self.in_order[*self.index.get(id)?];
        Some((*number, camera))
    }
}

/// A camera as the supervisor knows it.
struct Charge {
    number: usize,
    camera: Arc<Camera>,
    /// With the intervals that are in force.
    stream: StreamConfig,
    cancel: CancellationToken,
}

/// Starts, stops and awaits the cameras' tasks.
pub(crate) struct Supervisor {
    config: Arc<IngestConfig>,
    looks: Arc<Looks>,
    connects: Arc<Connects>,
    hosts: Hosts,
    followers: Followers,
    chronicle: Arc<Chronicle>,
    events: mpsc::Sender<CameraEvent>,
    cancel: CancellationToken,
    roster: Roster,
    charges: HashMap<CameraId, Charge>,
    tasks: JoinSet<()>,
    /// Which camera's looks a task belongs to.
    numbers: HashMap<Id, usize>,
}

enum Heard {
    Change(Change),
    Ended(Id, Result<(), String>),
    NoMoreChanges,
    Tick,
    Cancelled,
}

impl Supervisor {
    pub(crate) fn new(
        config: IngestConfig,
        looks: Arc<Looks>,
        hosts: Hosts,
        events: mpsc::Sender<CameraEvent>,
        cancel: CancellationToken,
        roster: Roster,
    ) -> Self {
        Self {
            followers: Followers::new(&config),
            connects: Arc::new(Connects::new(config.connects_in_flight, config.connects_per_second)),
            config: Arc::new(config),
            hosts,
            chronicle: Arc::clone(&looks.chronicle),
            looks,
            events,
            cancel,
            roster,
            charges: HashMap::new(),
            tasks: JoinSet::new(),
            numbers: HashMap::new(),
        }
    }

    /// Runs until every camera's task has ended: after cancelling, or when all are recordings that came to their end. Without
    /// any camera it waits for some.
    ///
    /// # Errors
    /// When a task panicked outside the part that is retried.
    pub(crate) async fn run(mut self, mut changes: mpsc::Receiver<Change>) -> Result<(), IngestError> {
        let mut ticks = tokio::time::interval(SUMMARIES);
        let (mut changing, mut stopping) = (true, false);
        let mut result = Ok(());
        while !self.tasks.is_empty() || (self.charges.is_empty() && changing && !self.cancel.is_cancelled()) {
            let heard = tokio::select! {
                () = self.cancel.cancelled(), if !stopping => Heard::Cancelled,
                change = changes.recv(), if changing => change.map_or(Heard::NoMoreChanges, Heard::Change),
                Some(ended) = self.tasks.join_next_with_id() => match ended {
                    Ok((task, ())) => Heard::Ended(task, Ok(())),
                    Err(error) => Heard::Ended(error.id(), Err(error.to_string())),
                },
                _ = ticks.tick() => Heard::Tick,
            };
            match heard {
                Heard::Change(change) => {
                    let done = self.apply(change.sources);
                    // Whoever asked may have gone away.
                    let _ = change.answer.send(done);
                }
                Heard::Ended(task, ended) => {
                    result = ended.map_err(IngestError::Panicked).and(result);
                    self.ended(task);
                }
                Heard::NoMoreChanges => changing = false,
                Heard::Tick => {
                    self.chronicle.summaries(Instant::now()).iter().for_each(|summary| summary.log());
                    self.charges.values().for_each(|charge| charge.camera.tick());
                }
                Heard::Cancelled => {
                    (changing, stopping) = (false, true);
                    self.looks.cancel();
                }
            }
        }
        self.looks.keep_open(false);
        if self.cancel.is_cancelled() {
            // The last task may have ended before this heard of the cancellation.
            self.looks.cancel();
        }
        let cameras = self.charges.len();
        tracing::info!(cameras, "all cameras ended");
        result
    }

    /// Makes `sources`, which are valid and have different ids, the cameras from now on. What does not differ is not touched.
    pub(crate) fn apply(&mut self, sources: Vec<CameraSource>) -> CameraChanges {
        let mut changes = CameraChanges::default();
        let mut before = std::mem::take(&mut self.charges);
        let mut cameras = Cameras::default();
        for CameraSource { id, stream } in sources {
            let charge = match before.remove(&id) {
                Some(charge) if charge.stream == stream => {
                    changes.unchanged += 1;
                    charge
                }
                Some(charge) if charge.stream.connects_like(&stream) => {
                    changes.repaced.push(id.clone());
                    self.repace(charge, stream)
                }
                Some(old) => {
                    changes.reconnected.push(id.clone());
                    // The rules go on as they were, and do not say again what they wished.
                    let pace = self.looks.pace(old.number);
                    self.dismiss(&old);
                    self.take_on(&id, stream, pace)
                }
                None => {
                    changes.added.push(id.clone());
                    self.take_on(&id, stream, LookPace::Idle)
                }
            };
            cameras.index.insert(id.clone(), cameras.in_order.len());
            cameras.in_order.push((charge.number, Arc::clone(&charge.camera)));
            self.charges.insert(id, charge);
        }
        for (id, charge) in before {
            self.dismiss(&charge);
            changes.removed.push(id);
        }
        changes.removed.sort();
        self.looks.keep_open(self.charges.is_empty());
        self.roster.set(cameras);
        changes
    }

    /// Connects to a camera, in its turn.
    fn take_on(&mut self, id: &CameraId, stream: StreamConfig, pace: LookPace) -> Charge {
        let camera = Arc::new(Camera::new(id.clone(), stream.clone(), &self.config));
        camera.paced(pace);
        let number = self.looks.add(Arc::clone(&camera), pace);
        let charge = Charge { number, camera, stream, cancel: self.cancel.child_token() };
        let source = Source {
            number,
            camera: Arc::clone(&charge.camera),
            looks: Arc::clone(&self.looks),
            config: Arc::clone(&self.config),
            connects: Arc::clone(&self.connects),
            hosts: self.hosts.clone(),
            followers: self.followers.clone(),
            chronicle: Arc::clone(&self.chronicle),
            events: self.events.clone(),
            cancel: charge.cancel.clone(),
        };
        let task = self.tasks.spawn(source.run().instrument(tracing::info_span!("camera", camera = %id)));
        self.numbers.insert(task.id(), number);
        charge
    }

    fn repace(&self, charge: Charge, stream: StreamConfig) -> Charge {
        charge.camera.set_intervals(&stream, &self.config);
        charge.camera.paced(self.looks.repace(charge.number));
        charge.camera.wanted.notify_one();
        Charge { stream, ..charge }
    }

    /// Leaves a camera; its number stays taken until its task has ended.
    fn dismiss(&mut self, charge: &Charge) {
        charge.cancel.cancel();
        self.looks.leave(charge.number);
        if !self.numbers.values().any(|number| *number == charge.number) {
            // A recording that came to its end.
            self.looks.vacate(charge.number);
        }
    }

    /// A task has ended.
    fn ended(&mut self, task: Id) {
        let Some(number) = self.numbers.remove(&task) else { return };
        // The last picture of a recording that came to its end is still shown.
        if !self.charges.values().any(|charge| charge.number == number) {
            self.looks.vacate(number);
        }
    }
}
