//! A ticket as the store keeps it, its evidence, and the messages that carry both to the platform.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use domain::{CameraId, Millis, Place, Sha256, StreamRole, TicketId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{case::Case, clocks::CaseClocks, incident::Incident, routed::Routed};

/// When in a case's life a picture was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceRole {
    /// The first look that showed the problem.
    FirstSeen,
    /// Another look that showed it, before the ticket was opened.
    Further,
    /// The look that satisfied the rule.
    Confirming,
    /// Another camera that sees it, too.
    OtherView,
    /// A look long after, when it still stood.
    StillThere,
    /// A look of a check that could not tell whether it was gone.
    Unclear,
    /// A look after the problem was gone.
    After,
}

impl EvidenceRole {
    /// Whether the problem stood when it was taken.
    #[must_use]
    pub fn shows_the_problem(self) -> bool {
        match self {
            Self::FirstSeen | Self::Further | Self::Confirming | Self::OtherView | Self::StillThere => true,
            Self::Unclear | Self::After => false,
        }
    }
}

/// Which rendition of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rendition {
    /// The access unit as the camera sent it, byte for byte.
    Original,
    /// The decoded picture as JPEG, nothing drawn on it.
    Clean,
    /// The decoded picture as JPEG with boxes, zone, time and place.
    Annotated,
}

/// One stored piece of evidence; its bytes are in the evidence store under `sha256`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When in the case's life.
    pub role: EvidenceRole,
    /// Which rendition.
    pub rendition: Rendition,
    /// Which of the camera's streams it shows; a confirming picture may be there from both.
    pub stream: StreamRole,
    /// The digest of the bytes, their address.
    pub sha256: Sha256,
    /// The media type (`image/jpeg`, `video/h264`, `video/h265`).
    pub media_type: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// When the camera's picture was received.
    pub captured_at: Timestamp,
    /// Whose picture it is, where it is not that of the camera that opened the ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<CameraId>,
}

/// The part of a camera's description that goes onto its tickets; frozen into the ticket when it opens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraInfo {
    /// A name for people.
    pub name: String,
    /// Where it stands, and on the ticket of a camera whose ground is known, where the problem is; absent where the config
    /// says neither.
    pub place: Option<Place>,
}

/// What has become of a ticket's problem; where its case stands, [`Case::state`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// The problem stands.
    Open,
    /// The problem was seen to be gone.
    Cleared,
    /// The case was closed or rejected; the problem may stand.
    Ended,
}

/// A ticket and all that is kept of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// The incident as it was confirmed.
    pub incident: Incident,
    /// The camera as it was described then.
    pub camera: CameraInfo,
    /// The zone's purpose and name as they were then.
    pub zone: crate::incident::Zone,
    /// Who answers for it, as it was decided then; absent for a kind that neither list nor table knows.
    #[serde(default)]
    pub route: Option<Box<Routed>>,
    /// Its clocks; absent for a ticket without a route, and for older ones.
    #[serde(default)]
    pub clocks: Option<Box<CaseClocks>>,
    /// What has become of its problem.
    pub state: TicketState,
    /// Where its case stands.
    pub case: Case,
    /// When the problem was last seen.
    pub last_seen: Timestamp,
    /// When it was held to be gone.
    pub cleared_at: Option<Timestamp>,
    /// When the broker had acknowledged every message that opened it (PUBACK of the last one).
    pub delivered_at: Option<Timestamp>,
    /// Its evidence, in order of role and rendition.
    pub evidence: Vec<Evidence>,
}

impl Ticket {
    /// The ticket's id.
    #[must_use]
    pub fn id(&self) -> TicketId {
        self.incident.ticket
    }

    /// Sets what follows from its case.
    pub fn follow_case(&mut self) {
        self.cleared_at = self.case.gone_at();
        self.state = match self.cleared_at {
            Some(_) => TicketState::Cleared,
            None if self.case.is_over() => TicketState::Ended,
            None => TicketState::Open,
        };
    }

    /// The pictures that opened it, those that showed the problem later too; none where nobody said how many are needed.
    #[must_use]
    pub fn pictures_to_open(&self) -> Option<Pictures> {
        let needed = self.route.as_ref()?.task.photos_open.into();
        Some(Pictures { needed, held: different(self.evidence.iter().filter(|e| e.role.shows_the_problem())) })
    }

    /// The pictures that show that its problem is gone; none where nobody said how many are needed.
    #[must_use]
    pub fn pictures_to_close(&self) -> Option<Pictures> {
        let needed = self.route.as_ref()?.task.photos_close.into();
        Some(Pictures { needed, held: different(self.evidence.iter().filter(|e| self.shows_it_gone(e))) })
    }

    /// Whether a piece of evidence shows that its problem is gone: what a second look found before the problem was last seen
    /// does not.
    #[must_use]
    pub fn shows_it_gone(&self, evidence: &Evidence) -> bool {
        evidence.role == EvidenceRole::After && evidence.captured_at > self.last_seen
    }

    /// Puts the evidence into its order: by role and rendition, full resolution first.
    pub fn sort_evidence(&mut self) {
        self.evidence.sort_by_key(|e| (e.role, e.rendition, e.stream == StreamRole::Sub, e.captured_at, e.sha256));
    }
}

/// How many pictures a case is to have at one of its ends, and how many it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pictures {
    /// By the responsibility list, or the built-in table of kinds.
    pub needed: usize,
    /// Those of different looks.
    pub held: usize,
}

impl Pictures {
    /// Whether some could not be had.
    #[must_use]
    pub fn are_short(self) -> bool {
        self.held < self.needed
    }
}

/// How many different pictures there are of those that are `wanted`: the same picture in two renditions or under two names is
/// one, and so is a moment that a camera shows in both of its streams.
fn different<'e>(wanted: impl Iterator<Item = &'e Evidence>) -> usize {
    let mut of_camera: BTreeMap<Option<&CameraId>, [BTreeSet<Sha256>; 2]> = BTreeMap::new();
    // What cannot be shown is no picture.
    for e in wanted.filter(|e| e.rendition == Rendition::Clean) {
        of_camera.entry(e.camera.as_ref()).or_default()[usize::from(e.stream == StreamRole::Main)].insert(e.sha256);
    }
    of_camera.values().map(|[sub, main]| sub.len().max(main.len())).sum()
}

/// What a message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// These bytes.
    Inline(Bytes),
    /// The bytes in the evidence store under this digest.
    Evidence(Sha256),
}

/// A message for the platform, before it is in the outbox. Published with QoS 1, never retained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// The full topic.
    pub topic: String,
    /// MQTT 5 content type.
    pub content_type: String,
    /// MQTT 5 user properties, in order.
    pub properties: Vec<(String, String)>,
    /// The payload.
    pub body: Body,
    /// MQTT 5 message expiry, counted from the first attempt to publish.
    pub expires_after: Option<Millis>,
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its place in the order of sending, ascending.
    pub seq: i64,
    /// The ticket that it belongs to; none where it is about no ticket.
    pub ticket: Option<TicketId>,
    /// The message.
    pub message: OutgoingMessage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pictures: &[(&str, StreamRole, &str)], expect: usize) {
        let evidence: Vec<Evidence> = pictures
            .iter()
            .map(|(camera, stream, picture)| Evidence {
                role: EvidenceRole::Confirming,
                rendition: Rendition::Clean,
                stream: *stream,
                sha256: Sha256::of(picture.as_bytes()),
                media_type: "image/jpeg".to_owned(),
                bytes: 1,
                width: 1,
                height: 1,
                captured_at: Timestamp(0),
                camera: (!camera.is_empty()).then(|| camera.parse().expect("id")),
            })
            .collect();
        assert_eq!(different(evidence.iter()), expect);
    }

    #[test]
    fn the_same_picture_is_one_however_it_came() {
        use StreamRole::{Main, Sub};
        check(&[], 0);
        check(&[("", Sub, "one"), ("", Sub, "one")], 1);
        check(&[("", Sub, "one"), ("", Main, "one in full")], 1);
        check(&[("", Sub, "one"), ("", Sub, "two"), ("", Main, "two in full")], 2);
        check(&[("", Sub, "one"), ("gate-3", Main, "another view")], 2);
    }
}
