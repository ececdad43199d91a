//! The handle on all cameras, and the tasks behind it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domain::{AccessUnit, CameraId, CameraReport, StreamRole};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    CameraChanges, CameraSource, IngestConfig, IngestError, LookPace, LookQueue, Tempo,
    grab::grab,
    hosts::Hosts,
    looks::Looks,
    supervisor::{Change, Roster, Supervisor},
};

/// Wishes for other cameras on their way to the supervisor; when full, whoever wishes waits.
const CHANGES: usize = 1;

/// A change in a camera's state, for the guards of the rules and for the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraEvent {
    /// It cannot be reached, or its stream broke. Told once, until it streams again.
    Lost {
        /// Which camera.
        camera: CameraId,
        /// Why, in words for an operator.
        error: String,
    },
    /// Keyframes arrive (again).
    Streaming {
        /// Which camera.
        camera: CameraId,
    },
    /// A recording came to its end.
    Ended {
        /// Which camera.
        camera: CameraId,
    },
}

/// The handle on all cameras; clones are the same.
#[derive(Debug, Clone)]
pub struct Ingest {
    roster: Roster,
    looks: Arc<Looks>,
    hosts: Hosts,
    changes: mpsc::Sender<Change>,
}

impl Ingest {
    /// Starts one task for each camera, on the current tokio runtime. `events` is waited for when it is full. After
    /// `cancel` the sessions are closed, the queue ends and so do the tasks.
    ///
    /// # Errors
    /// When two cameras have one id, or a stream's configuration cannot work; nothing is started then.
    pub fn start(
        config: IngestConfig,
        sources: Vec<CameraSource>,
        events: mpsc::Sender<CameraEvent>,
        cancel: CancellationToken,
    ) -> Result<(Self, LookQueue, IngestTasks), IngestError> {
        check(&sources)?;
        let looks = Arc::new(Looks::new(config.active_interval.to_duration()));
        let (hosts, roster) = (Hosts::new(config.sessions_per_host), Roster::default());
        let (changes, wishes) = mpsc::channel(CHANGES);
        let mut supervisor =
            Supervisor::new(config, Arc::clone(&looks), hosts.clone(), events, cancel.clone(), roster.clone());
        supervisor.apply(sources);
        let mut tasks = JoinSet::new();
        tasks.spawn(supervisor.run(wishes));
        let ingest = Self { roster, looks: Arc::clone(&looks), hosts, changes };
        let tasks = IngestTasks { supervisor: tasks, looks: Arc::clone(&looks), cancel };
        Ok((ingest, LookQueue(looks), tasks))
    }

    /// Makes `sources` the cameras from now on: connects to new ones, leaves those that are gone, connects anew where a stream
    /// is another one. All other cameras keep their sessions.
    ///
    /// # Errors
    /// When two cameras have one id, or a stream's configuration cannot work, and when all cameras have ended; nothing changes
    /// then.
    pub async fn set_cameras(&self, sources: Vec<CameraSource>) -> Result<CameraChanges, IngestError> {
        check(&sources)?;
        let (answer, done) = oneshot::channel();
        self.changes.send(Change { sources, answer }).await.map_err(|_| IngestError::Closed)?;
        done.await.map_err(|_| IngestError::Closed)
    }

    /// All cameras, in the order of the configuration.
    #[must_use]
    pub fn reports(&self) -> Vec<CameraReport> {
        self.roster.now().in_order.iter().map(|(_, camera)| camera.report()).collect()
    }

    /// How looks kept up over the last minute; the gauge of it is brought up to date.
    pub fn tempo(&self) -> Tempo {
        let tempo = self.looks.tempo();
        metrics::gauge!("gridwatch_look_stretch").set(tempo.stretch());
        tempo
    }

    /// One camera; `None` where there is none of that id.
    #[must_use]
    pub fn report(&self, camera: &CameraId) -> Option<CameraReport> {
        self.roster.now().get(camera).map(|(_, camera)| camera.report())
    }

    /// How often to look from now on. An unknown camera is passed over: it may just have been removed.
    pub fn set_pace(&self, camera: &CameraId, pace: LookPace) {
        if let Some((number, camera)) = self.roster.now().get(camera) {
            camera.paced(pace);
            self.looks.set_pace(number, pace);
            camera.wanted.notify_one();
        }
    }

    /// Asks for a look as soon as there is a keyframe that was not looked at yet, before all that are only due. A camera on
    /// patrol is visited at once.
    pub fn look_now(&self, camera: &CameraId) {
        if let Some((number, camera)) = self.roster.now().get(camera) {
            self.looks.look_now(number);
            camera.want();
        }
    }

    /// Takes one keyframe from one of a camera's streams (the other one if it has only that), in a session of its own.
    /// `timeout` bounds all of it but leaving.
    ///
    /// # Errors
    /// When there is no such camera, or its stream cannot be connected to or gives no keyframe in time.
    pub async fn grab(
        &self,
        camera: &CameraId,
        role: StreamRole,
        timeout: Duration,
    ) -> Result<AccessUnit, IngestError> {
        let cameras = self.roster.now();
        let (_, known) = cameras.get(camera).ok_or(IngestError::Source("is not known"))?;
        grab(camera, &known.stream, role, timeout, &self.hosts).await
    }

    /// A camera's newest keyframe, looked at or not.
    #[must_use]
    pub fn latest(&self, camera: &CameraId) -> Option<AccessUnit> {
        self.roster.now().get(camera).and_then(|(number, _)| self.looks.latest(number))
    }
}

/// No two cameras have one id, and each stream can work.
fn check(sources: &[CameraSource]) -> Result<(), IngestError> {
    let mut ids = HashSet::with_capacity(sources.len());
    for source in sources {
        if !ids.insert(&source.id) {
            return Err(IngestError::DuplicateCamera(source.id.clone()));
        }
        let invalid = |error| IngestError::Camera { camera: source.id.clone(), error: Arc::new(error) };
        source.stream.validate().map_err(invalid)?;
    }
    Ok(())
}

/// The cameras' tasks. Dropping this aborts them.
#[derive(Debug)]
pub struct IngestTasks {
    supervisor: JoinSet<Result<(), IngestError>>,
    looks: Arc<Looks>,
    cancel: CancellationToken,
}

impl IngestTasks {
    /// Waits until every camera's task has ended: after cancelling, or when all are recordings that came to their end.
    ///
    /// # Errors
    /// When a task panicked outside the part that is retried.
    pub async fn join(mut self) -> Result<(), IngestError> {
        let result = match self.supervisor.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(error)) => Err(IngestError::Panicked(error.to_string())),
            None => Ok(()),
        };
        if self.cancel.is_cancelled() {
            // The supervisor may have ended before it heard of it.
            self.looks.cancel();
        }
        result
    }
}
