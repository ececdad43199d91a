//! Cameras under test, with workers that look at them, and what was seen.

use std::{
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use domain::{AccessUnit, CameraId, CameraReport, Millis, Picture, StreamRole};
use ingest::{
    CameraEvent, CameraSource, Decoder, DecoderConfig, Ingest, IngestConfig, IngestError, IngestTasks, StreamConfig,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// As long as any one step of a test may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn id(name: &str) -> CameraId {
    name.parse().unwrap()
}

pub(crate) fn rtsp(url: &str) -> StreamConfig {
    StreamConfig { main: Some(url.to_owned()), ..StreamConfig::default() }
}

/// One keyframe of a camera's main stream, in a session of its own.
pub(crate) async fn grab(stream: StreamConfig, timeout: Duration) -> Result<AccessUnit, IngestError> {
    let fleet = Fleet::start(config(), vec![("gate", stream)]);
    let grabbed = fleet.ingest.grab(&id("gate"), StreamRole::Main, timeout).await;
    fleet.stop().await;
    grabbed
}

/// Quick to look, to give up and to come back. Looks are more frequent than the keyframes of most cameras here, which is
/// nothing to be made up for.
pub(crate) fn config() -> IngestConfig {
    IngestConfig {
        look_interval: Millis(200),
        active_interval: Millis(100),
        connect_timeout: Millis::secs(5),
        stall_timeout: Millis::secs(5),
        backoff_min: Millis(50),
        backoff_max: Millis(200),
        all_frames_cameras: 0,
        ..IngestConfig::default()
    }
}

pub(crate) struct Seen {
    pub(crate) camera: CameraId,
    pub(crate) access_unit: AccessUnit,
    pub(crate) picture: Picture,
}

pub(crate) struct Fleet {
    pub(crate) ingest: Ingest,
    pub(crate) tasks: Option<IngestTasks>,
    events: mpsc::Receiver<CameraEvent>,
    cancel: CancellationToken,
    seen: Arc<Mutex<Vec<Seen>>>,
    workers: Vec<JoinHandle<()>>,
}

impl Fleet {
    pub(crate) fn start(config: IngestConfig, streams: Vec<(&str, StreamConfig)>) -> Self {
        let (sender, events) = mpsc::channel(1024);
        let cancel = CancellationToken::new();
        let sources = streams.into_iter().map(|(name, stream)| CameraSource { id: id(name), stream }).collect();
        let (ingest, queue, tasks) = Ingest::start(config, sources, sender, cancel.clone()).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let work = |_| {
            let (queue, seen) = (queue.clone(), Arc::clone(&seen));
            std::thread::spawn(move || {
                let mut decoder = Decoder::new(&DecoderConfig::default()).unwrap();
                while let Some(look) = queue.next() {
                    let result = decoder.decode(&look.access_unit);
                    // Before it is done, so that the looks of one camera stay in order.
                    let size = result.map(|picture| {
                        let (camera, access_unit) = (look.camera.clone(), look.access_unit.clone());
                        let size = (picture.width, picture.height);
                        seen.lock().unwrap().push(Seen { camera, access_unit, picture });
                        size
                    });
                    look.done(size.as_ref().copied());
                }
            })
        };
        let workers = (0..2).map(work).collect();
        Self { ingest, tasks: Some(tasks), events, cancel, seen, workers }
    }

    #[track_caller]
    pub(crate) fn report(&self, camera: &str) -> CameraReport {
        self.ingest.report(&id(camera)).expect("a camera of that name")
    }

    /// What was looked at so far.
    pub(crate) fn looks<T>(&self, read: impl FnOnce(&[Seen]) -> T) -> T {
        read(&self.seen.lock().unwrap())
    }

    /// Waits until `condition` holds for what was looked at.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&[Seen]) -> bool) {
        let started = Instant::now();
        while !self.looks(&condition) {
            assert!(started.elapsed() < DEADLINE, "not in time: {what}; {:?}", self.ingest.reports());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn event(&mut self) -> CameraEvent {
        tokio::time::timeout(DEADLINE, self.events.recv()).await.expect("an event in time").expect("an event")
    }

    /// Cancels, and sees that all ends.
    pub(crate) async fn stop(mut self) {
        self.cancel.cancel();
        let tasks = self.tasks.take().unwrap().join();
        tokio::time::timeout(DEADLINE, tasks).await.expect("tasks end").unwrap();
        for worker in self.workers {
            tokio::task::spawn_blocking(move || worker.join().unwrap()).await.unwrap();
        }
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
