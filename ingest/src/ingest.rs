//! The handle on all cameras, and the tasks behind it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{AccessUnit, CameraId, CameraReport, StreamRole};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    CameraSource, IngestConfig, IngestError, LookPace, LookQueue,
    camera::{Camera, Source},
    grab::grab,
    hosts::Hosts,
    looks::Looks,
};

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
    cameras: Arc<[Camera]>,
    index: Arc<HashMap<CameraId, usize>>,
    looks: Arc<Looks>,
    hosts: Hosts,
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
        let mut index = HashMap::with_capacity(sources.len());
        for (i, source) in sources.iter().enumerate() {
            if index.insert(source.id.clone(), i).is_some() {
                return Err(IngestError::DuplicateCamera(source.id.clone()));
            }
            source
                .stream
                .validate()
                .map_err(|error| IngestError::Camera { camera: source.id.clone(), error: Arc::new(error) })?;
        }
        let cameras: Arc<[Camera]> =
            sources.into_iter().map(|source| Camera::new(source.id, source.stream, &config)).collect();
        let looks = Arc::new(Looks::new(Arc::clone(&cameras), config.active_interval.to_duration()));
        let connects = Arc::new(Semaphore::new(config.connects_in_flight.max(1)));
        let hosts = Hosts::new(config.sessions_per_host);
        let config = Arc::new(config);
        let mut tasks = JoinSet::new();
        for (i, camera) in cameras.iter().enumerate() {
            let source = Source {
                index: i,
                cameras: Arc::clone(&cameras),
                looks: Arc::clone(&looks),
                config: Arc::clone(&config),
                connects: Arc::clone(&connects),
                hosts: hosts.clone(),
                events: events.clone(),
                cancel: cancel.child_token(),
            };
            tasks.spawn(source.run().instrument(tracing::info_span!("camera", camera = %camera.id)));
        }
        let mut closer = JoinSet::new();
        let (closing, cancelled) = (Arc::clone(&looks), cancel.clone());
        closer.spawn(async move {
            cancelled.cancelled().await;
            closing.cancel();
        });
        let ingest = Self { cameras, index: Arc::new(index), looks: Arc::clone(&looks), hosts };
        let cameras = ingest.cameras.len();
        let tasks = IngestTasks { tasks, _closer: closer, looks: Arc::clone(&looks), cancel, cameras };
        Ok((ingest, LookQueue(looks), tasks))
    }

    /// All cameras, in the order of the configuration.
    #[must_use]
    pub fn reports(&self) -> Vec<CameraReport> {
        self.cameras.iter().map(Camera::report).collect()
    }

    /// One camera; `None` where there is none of that id.
    #[must_use]
    pub fn report(&self, camera: &CameraId) -> Option<CameraReport> {
        self.index.get(camera).map(|i| self.cameras[*i].report())
    }

    /// How often to look from now on. An unknown camera is passed over: it may just have been removed.
    pub fn set_pace(&self, camera: &CameraId, pace: LookPace) {
        if let Some(&i) = self.index.get(camera) {
            self.cameras[i].paced(pace);
            self.looks.set_pace(i, pace);
            self.cameras[i].wanted.notify_one();
        }
    }

    /// Asks for a look as soon as there is a keyframe that was not looked at yet, before all that are only due. A camera on
    /// patrol is visited at once.
    pub fn look_now(&self, camera: &CameraId) {
        if let Some(&i) = self.index.get(camera) {
            self.looks.look_now(i);
            self.cameras[i].want();
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
        let i = self.index.get(camera).ok_or(IngestError::Source("is not known"))?;
        grab(camera, &self.cameras[*i].stream, role, timeout, &self.hosts).await
    }

    /// A camera's newest keyframe, looked at or not.
    #[must_use]
    pub fn latest(&self, camera: &CameraId) -> Option<AccessUnit> {
        self.index.get(camera).and_then(|i| self.looks.latest(*i))
    }
}

/// The cameras' tasks. Dropping this aborts them.
#[derive(Debug)]
pub struct IngestTasks {
    tasks: JoinSet<()>,
    /// Closes the queue of looks after a cancellation, which need not come.
    _closer: JoinSet<()>,
    looks: Arc<Looks>,
    cancel: CancellationToken,
    cameras: usize,
}

impl IngestTasks {
    /// Waits until every camera's task has ended: after cancelling, or when all are recordings that came to their end.
    ///
    /// # Errors
    /// When a task panicked outside the part that is retried.
    pub async fn join(mut self) -> Result<(), IngestError> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                result = Err(IngestError::Panicked(error.to_string()));
            }
        }
        if self.cancel.is_cancelled() {
            // The closer may not have had its turn, and ends with this.
            self.looks.cancel();
        }
        tracing::info!(cameras = self.cameras, "all cameras ended");
        result
    }
}
