//! From cameras to decoded keyframes.
//!
//! Each camera has a task that holds its RTSP session (or plays its recording) and puts the newest keyframe into the
//! camera's slot. [`LookQueue`] gives look workers the camera whose look is most overdue; [`Decoder`] decodes that one
//! keyframe. Other frames are decoded only where keyframes come less often than looks are due. What a camera does (fail,
//! hang, panic) stays with it.

mod address;
mod backoff;
mod cadence;
mod camera;
mod chronicle;
mod clock;
mod config;
mod connects;
mod decode;
mod encode;
mod entry;
mod error;
mod follower;
mod footage;
mod gather;
mod grab;
mod health;
mod hosts;
mod ingest;
mod looks;
mod metrics;
mod recording;
mod rtsp;
mod schedule;
pub mod simulate;
mod snapshot;
mod supervisor;
mod tempo;
mod watchdog;

pub use address::StreamIdentity;
pub use chronicle::{Change, Chronicle, Summary, Told};
pub use config::{CameraSource, DecoderConfig, IngestConfig, Mode, Pace, StreamConfig, Transport};
pub use decode::Decoder;
pub use encode::Encoder;
pub use error::IngestError;
pub use footage::Footage;
pub use grab::{ProbeReport, Watch, probe};
pub use ingest::{CameraEvent, Ingest, IngestTasks};
pub use looks::{DueLook, LookPace, LookQueue, Occasion};
pub use metrics::describe_metrics;
pub use supervisor::CameraChanges;
pub use tempo::Tempo;
