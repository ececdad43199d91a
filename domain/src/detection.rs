//! What a detector says about one look.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{CameraFault, CameraId, Frame, Label, Mask, Rect, Sha256, Timestamp};

/// Class and group of a detection that no model made: something stands where the learnt scene had nothing, whatever it
/// is. Its score says how sure it is that something new stands there.
pub const STANDING: &str = "standing";

/// Class and group of the same where a detector has mostly had a name for it. The name may be wrong or unsure: what
/// stands there is sure.
pub const OCCUPIED: &str = "occupied";

/// The group of people in model manifests.
pub const PERSON: &str = "person";

/// A class, a score and a box in one look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// The class as the model names it (`car`, `umbrella`).
    pub class: Label,
    /// The group of classes that are one thing (`vehicle`); the class itself where it has no group.
    pub group: Label,
    /// 0 to 1.
    pub score: f32,
    /// Where, relative to the whole picture.
    pub bbox: Rect,
    /// Which part of the box it covers, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
    /// The model that made it; none where no model did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Arc<ModelRef>>,
}

/// Which model made a detection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelRef {
    /// The manifest's name.
    pub name: Arc<str>,
    /// The digest of the weights.
    pub sha256: Sha256,
}

/// Where a look's detections came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LookSource {
    /// The detector ran on this picture.
    Detector,
    /// Nothing changed since the last picture that the detector ran on; its detections stand.
    Unchanged,
}

/// One decision on one picture of one camera, as it goes from detect to alerts.
#[derive(Debug, Clone)]
pub struct Look {
    /// Whose picture.
    pub camera: CameraId,
    /// When the picture was taken (this host's clock).
    pub sampled_at: Timestamp,
    /// All detections at or above the model's floor, best first.
    pub detections: Vec<Detection>,
    /// How the detections came about.
    pub source: LookSource,
    /// The first of the models that ran; each detection names its own.
    pub model: ModelRef,
    /// What seems to be wrong with what the camera shows, though it may not be believed yet: this look proves that nothing
    /// is there no more than one of a camera that is known to be unfit.
    pub doubt: Option<CameraFault>,
    /// Whether the view is still being learnt, so that what has no name cannot be told: this look does not prove that such a
    /// thing is gone.
    pub learning: bool,
    /// The picture; alerts keeps of it only the encoded bytes, and only for an open sighting.
    pub frame: Frame,
}
