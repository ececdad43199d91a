//! What the console asks of the cameras.

use std::{error::Error, pin::Pin};

use alerts::incident::Zone;
use bytes::Bytes;
use domain::{CameraId, CameraReport, Place, Timestamp};
use serde::Serialize;

/// A camera as the console shows it.
#[derive(Debug, Clone)]
pub struct CameraView {
    /// Its state.
    pub report: CameraReport,
    /// Its name for people; the id is shown where this is empty.
    pub name: String,
    /// Where it stands, where the config says so.
    pub place: Option<Place>,
    /// Its zones.
    pub zones: Vec<Zone>,
    /// When its reference picture was taken, where there is one.
    pub reference: Option<Timestamp>,
}

impl CameraView {
    /// The name for people.
    #[must_use]
    pub fn title(&self) -> &str {
        if self.name.is_empty() { self.report.id.as_str() } else { &self.name }
    }
}

/// A latest picture that could not be made. Its text goes to the log, not to the client.
#[derive(Debug, thiserror::Error)]
#[error("camera {camera}: no picture could be made of its last keyframe")]
pub struct StillError {
    /// Which camera.
    pub camera: CameraId,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// A latest picture on its way: JPEG bytes, or none while the camera has sent no keyframe.
pub type StillFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<Bytes>, StillError>> + Send + 'a>>;

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CameraChanges {
    /// Cameras that were not there.
    pub added: Vec<CameraId>,
    /// Cameras at which anything differs.
    pub changed: Vec<CameraId>,
    /// Cameras that are gone.
    pub removed: Vec<CameraId>,
    /// Cameras at which nothing differs.
    pub unchanged: usize,
    /// Sections of the configuration that are others than those that run, and need a restart.
    pub restart: Vec<&'static str>,
}

/// A reload under way; fails with what is wrong with the configuration, in words for whoever wrote it.
pub type ReloadFuture<'a> = Pin<Box<dyn Future<Output = Result<CameraChanges, String>> + Send + 'a>>;

/// The cameras that this process watches.
pub trait Fleet: Send + Sync + 'static {
    /// All cameras, in the order in which they should be listed.
    fn cameras(&self) -> Vec<CameraView>;

    /// One camera; none where the id is unknown.
    fn camera(&self, id: &CameraId) -> Option<CameraView>;

    /// The camera's reference picture as JPEG. Called as [`Fleet::still`] is.
    fn reference<'a>(&'a self, id: &'a CameraId) -> StillFuture<'a>;

    /// Has the camera's next picture taken as its reference, whatever it shows; whether there is such a camera.
    fn take_reference(&self, id: &CameraId) -> bool;

    /// The camera's latest picture as JPEG, decoded on demand. Called for at most four cameras at a time.
    fn still<'a>(&'a self, id: &'a CameraId) -> StillFuture<'a>;

    /// Reads the configuration anew and takes in what differs; all or nothing.
    fn reload(&self) -> ReloadFuture<'_>;
}
