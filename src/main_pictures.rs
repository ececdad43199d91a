//! Pictures of main streams, for cameras that are looked at in their sub streams and in which something stands that is small
//! there: a look asks for one, it is fetched meanwhile, one keyframe in a session of its own, and a later look takes it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alerts::service::{FullResolution, Grab};
use domain::{AccessUnit, CameraId};
use metrics::counter;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Wishes that wait to be fetched.
const WISHES: usize = 64;
/// Pictures that are fetched at once.
const AT_ONCE: usize = 8;
/// A camera is asked for a picture no more often.
const EVERY: Duration = Duration::from_secs(60);
/// A picture that no look has taken for so long shows the street as it was.
const FRESH: Duration = Duration::from_secs(30);

/// What looks ask for and take; clones are the same.
#[derive(Clone)]
pub struct MainPictures {
    wishes: mpsc::Sender<CameraId>,
    cameras: Cameras,
}

/// By camera what was asked of it.
#[derive(Clone, Default)]
struct Cameras(Arc<Mutex<HashMap<CameraId, Asked>>>);

/// A camera that was asked.
struct Asked {
    at: Instant,
    picture: Option<(Instant, AccessUnit)>,
}

/// Fetches what is asked for.
pub struct Fetcher<S> {
    streams: S,
    wishes: mpsc::Receiver<CameraId>,
    cameras: Cameras,
}

impl MainPictures {
    /// Those that `streams` gives.
    pub fn new<S: FullResolution>(streams: S) -> (Self, Fetcher<S>) {
        let (sender, wishes) = mpsc::channel(WISHES);
        let cameras = Cameras::default();
        (Self { wishes: sender, cameras: cameras.clone() }, Fetcher { streams, wishes, cameras })
    }

    /// Asks for a picture, unless one was asked for lately. Where too many are waited for it is left to a later look.
    pub fn want(&self, camera: &CameraId) {
        let now = Instant::now();
        let mut cameras = self.cameras.lock();
        if cameras.get(camera).is_some_and(|asked| now.duration_since(asked.at) < EVERY) {
            return;
        }
        if self.wishes.try_send(camera.clone()).is_ok() {
            cameras.retain(|_, asked| now.duration_since(asked.at) < EVERY);
            cameras.insert(camera.clone(), Asked { at: now, picture: None });
        } else {
            counter!("gridwatch_main_pictures_total", "result" => "too_many").increment(1);
        }
    }

    /// The picture that was fetched, if there is a fresh one; once.
    pub fn take(&self, camera: &CameraId) -> Option<AccessUnit> {
        let (came, picture) = self.cameras.lock().get_mut(camera)?.picture.take()?;
        (came.elapsed() < FRESH).then_some(picture)
    }
}

impl Cameras {
    fn came(&self, camera: &CameraId, picture: AccessUnit) {
        if let Some(asked) = self.lock().get_mut(camera) {
            asked.picture = Some((Instant::now(), picture));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CameraId, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: FullResolution> Fetcher<S> {
    /// Fetches until told to stop, or until nobody can ask any more.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut fetching = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(done) = fetching.join_next() => self.fetched(done),
                wish = self.wishes.recv(), if fetching.len() < AT_ONCE => {
                    let Some(camera) = wish else { return };
                    // None where the camera has one stream: that is what was looked at.
                    if let Some(grab) = self.streams.grab(&camera) {
                        fetching.spawn(fetch(camera, grab));
                    }
                }
            }
        }
    }

    fn fetched(&self, done: Result<(CameraId, Result<AccessUnit, String>), tokio::task::JoinError>) {
        let result = match done {
            Ok((camera, Ok(picture))) => {
                self.cameras.came(&camera, picture);
                "came"
            }
            Ok((camera, Err(error))) => {
                debug!(%camera, %error, "no picture of the main stream to look at what stands there");
                "failed"
            }
            Err(error) => {
                debug!(%error, "a picture of a main stream was not fetched");
                "failed"
            }
        };
        counter!("gridwatch_main_pictures_total", "result" => result).increment(1);
    }
}

async fn fetch(camera: CameraId, grab: Grab) -> (CameraId, Result<AccessUnit, String>) {
    let picture = grab.await;
    (camera, picture)
}

/// Describes this module's metrics to the recorder; call once, after it is installed.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        "gridwatch_main_pictures_total",
        metrics::Unit::Count,
        "Pictures of main streams for what is small in the sub stream, by result"
    );
}
