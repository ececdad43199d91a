//! The words that cross a boundary between gridwatch's stages, and nothing else.
//!
//! A type lives here when two stages name it: ids, time, relative geometry, the ground, the encoded and the decoded picture,
//! detections, the state and the health of a camera. No I/O, no clock of its own, no async runtime.

pub mod camera;
pub mod detection;
pub mod geometry;
pub mod grid;
pub mod ground;
pub mod health;
pub mod id;
pub mod mask;
pub mod picture;
pub mod secret;
pub mod time;

pub use camera::{CameraReport, CameraState, DecodeMode};
pub use detection::{Detection, Look, LookSource, ModelRef, OCCUPIED, PERSON, STANDING};
pub use geometry::{GeometryError, Point, Polygon, Rect};
pub use grid::{Cell, GridError, Place};
pub use ground::{ControlPoint, ControlPoints, Crs, Fit, Ground, GroundError, GroundPoint};
pub use health::{Ailment, CameraFault};
pub use id::{CameraId, DeviceId, Kind, Label, NodeId, Sha256, StationId, TicketId, ZoneId};
pub use mask::Mask;
pub use picture::{AccessUnit, Codec, Frame, Picture, PixelFormat, StreamRole};
pub use secret::Secret;
pub use time::{Millis, Timestamp};
