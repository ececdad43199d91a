//! A ticket's messages: its pictures, the ticket itself, and the news that the problem is gone.
//!
//! Only what is truly known is said: a manifest's hash depends on a signature that does not exist yet, so it does not
//! appear. Who should answer and by when is a suggestion, with its reason; the platform decides. Originals (the camera's own access units) stay in the node's evidence
//! store; the ticket names their digests, so that they can be demanded and checked later.

use std::collections::HashSet;

use domain::{CameraId, GroundPoint, Millis, ModelRef, Place, Sha256, StreamRole, Timestamp};
use serde::Serialize;

use super::{CLOUDEVENTS, CloudEvent, MESSAGE_EXPIRY, Node, json, rounded, topic};
use crate::{
    case::Judgement,
    duty::{CaseCode, Words},
    incident::{Further, Incident, ZonePurpose},
    kinds::kind_info,
    routed::Routed,
    ticket::{Body, Evidence, EvidenceRole, OutgoingMessage, Pictures, Rendition, Ticket},
};

/// The messages that open `ticket`, in the order in which they must reach the broker: each picture once, then the
/// ticket.
#[must_use]
pub fn opening_messages(ticket: &Ticket, node: &Node) -> Vec<OutgoingMessage> {
    announcement(ticket, Announced::Ticket, node)
}

/// The messages by which somebody at the other end can judge `ticket` before it is filed: each picture once, then all that is
/// known of it.
#[must_use]
pub(super) fn lead_messages(ticket: &Ticket, node: &Node) -> Vec<OutgoingMessage> {
    announcement(ticket, Announced::Lead, node)
}

/// As what a ticket is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    Ticket,
    /// It waits for a person, and is none before he confirms it.
    Lead,
}

fn announcement(ticket: &Ticket, as_what: Announced, node: &Node) -> Vec<OutgoingMessage> {
    let wire = Wire { ticket, node };
    let incident = &ticket.incident;
    let frame = ticket.evidence.iter().find(|e| e.role == EvidenceRole::Confirming).map(|e| (e.width, e.height));
    let data = TicketData {
        ticket_id: ticket.id().to_string(),
        case_source: incident.case_source(),
        case_attribute: "事件",
        event: wire.event(),
        place: wire.place(),
        camera: wire.camera(),
        sensor: wire.sensor(),
        detection: incident.sensed.is_none().then(|| DetectionData {
            first_seen: node.rfc3339(incident.first_seen),
            last_seen: node.rfc3339(incident.last_seen),
            ripened_at: node.rfc3339(incident.confirmed_at),
            dwell_s: seconds(incident.dwell),
            samples: incident.looks,
            hits: incident.hits,
            hit_ratio: rounded(incident.hits as f32 / incident.looks.max(1) as f32),
            score_max: rounded(incident.score_max),
            score_median: rounded(incident.score_median),
            reason: &incident.reason,
            reason_zh: (!incident.reason_zh.is_empty()).then_some(incident.reason_zh.as_str()),
            frame_size: frame.map(<[u32; 2]>::from),
            bbox: relative(incident.bbox),
            objects: incident
                .things
                .iter()
                .map(|thing| ObjectData {
                    label: thing.group.as_str(),
                    class: thing.class.as_str(),
                    score: rounded(thing.score),
                    bbox: frame.map(|size| pixels(thing.bbox, size)),
                    box_relative: relative(thing.bbox),
                    model: thing.model.as_deref().filter(|model| **model != incident.model).map(ModelData::of),
                })
                .collect(),
            model: ModelData::of(&incident.model),
            rule: RuleData { id: &incident.rule.id, version: &incident.rule.version },
        }),
        evidence: wire.pictures_sent(opening).collect(),
        originals: wire.originals(opening).collect(),
        suggest: ticket.route.as_deref().map(|route| SuggestData::of(route, node)),
        photos: ticket.pictures_to_open().map(PhotosData::from),
        review: match ticket.case.judgement() {
            Some(Judgement::Confirmed) => ReviewData { required: false, state: "confirmed", until: None },
            _ => {
                let until = ticket.case.review_until().map(|until| node.rfc3339(until));
                ReviewData { required: true, state: "pending", until }
            }
        },
    };
    let (id, event_type, topic) = match as_what {
        Announced::Ticket => {
            (ticket.id().to_string(), "cn.gridwatch.ticket.submitted.v1", topic::ticket_topic(wire.at(), node))
        }
        Announced::Lead => {
            (format!("{}.lead", ticket.id()), "cn.gridwatch.ticket.lead.v1", topic::lead_topic(wire.at(), node))
        }
    };
    let event = CloudEvent {
        specversion: "1.0",
        id,
        event_type,
        source: format!("/gridwatch/node/{}", node.id),
        subject: incident.camera.to_string(),
        time: node.rfc3339(incident.confirmed_at),
        datacontenttype: super::JSON,
        data,
    };
    let mut messages = wire.pictures(ticket.evidence.iter().filter(|e| opening(e)));
    messages.push(wire.message(topic, &event));
    messages
}

/// The messages that say that `ticket`'s problem is gone: each after-picture once, then the event.
#[must_use]
pub fn cleared_messages(ticket: &Ticket, node: &Node) -> Vec<OutgoingMessage> {
    let wire = Wire { ticket, node };
    let incident = &ticket.incident;
    let cleared_at = ticket.cleared_at.unwrap_or(ticket.last_seen);
    let after = |e: &Evidence| ticket.shows_it_gone(e);
    let event = CloudEvent {
        specversion: "1.0",
        // It may come back and go again.
        id: format!("{}.cleared.{}", ticket.id(), cleared_at.0),
        event_type: "cn.gridwatch.ticket.cleared.v1",
        source: format!("/gridwatch/node/{}", node.id),
        subject: incident.camera.to_string(),
        time: node.rfc3339(cleared_at),
        datacontenttype: super::JSON,
        data: ClearedData {
            ticket_id: ticket.id().to_string(),
            event: wire.event(),
            place: wire.place(),
            camera: wire.camera(),
            sensor: wire.sensor(),
            first_seen: node.rfc3339(incident.first_seen),
            last_seen: node.rfc3339(ticket.last_seen),
            cleared_at: node.rfc3339(cleared_at),
            photos: ticket.pictures_to_close().map(PhotosData::from),
            evidence: wire.pictures_sent(after).collect(),
            originals: wire.originals(after).collect(),
        },
    };
    let mut messages = wire.pictures(ticket.evidence.iter().filter(|e| after(e)));
    let topic = topic::cleared_topic(wire.at(), node, &incident.camera, &incident.kind);
    messages.push(wire.message(topic, &event));
    messages
}

/// The messages that give `ticket` further pictures, of `seen_at`: each picture once, then the event. Of its evidence the
/// ticket has only what is new.
#[must_use]
pub fn again_messages(ticket: &Ticket, why: Further, seen_at: Timestamp, node: &Node) -> Vec<OutgoingMessage> {
    let (word, reason) = match why {
        Further::StillThere => ("again", "still_there"),
        Further::MoreThings => ("more", "more_things"),
        Further::OtherView => ("view", "other_view"),
    };
    further_messages(ticket, (word, reason), None, seen_at, node)
}

/// The messages that tell of a sensor that shows the problem of `ticket`, too: each picture once, then the event. `sensed` is all
/// that its own ticket would say.
#[must_use]
pub fn vouched_messages(ticket: &Ticket, sensed: &Incident, node: &Node) -> Vec<OutgoingMessage> {
    further_messages(ticket, ("sensor", "sensor"), Some(sensed), sensed.confirmed_at, node)
}

fn further_messages(
    ticket: &Ticket,
    (word, reason): (&str, &'static str),
    sensed: Option<&Incident>,
    seen_at: Timestamp,
    node: &Node,
) -> Vec<OutgoingMessage> {
    let wire = Wire { ticket, node };
    let again = |evidence: &Evidence| matches!(evidence.role, EvidenceRole::StillThere | EvidenceRole::OtherView);
    let event = CloudEvent {
        specversion: "1.0",
        id: format!("{}.{word}.{}", ticket.id(), seen_at.0),
        event_type: "cn.gridwatch.ticket.evidence.v1",
        source: format!("/gridwatch/node/{}", node.id),
        subject: ticket.incident.camera.to_string(),
        time: node.rfc3339(seen_at),
        datacontenttype: super::JSON,
        data: AgainData {
            ticket_id: ticket.id().to_string(),
            case_no: ticket.case.case_no(),
            reason,
            seen_at: node.rfc3339(seen_at),
            sensor: sensed.and_then(|sensed| sensor_of(sensed, node)),
            evidence: wire.pictures_sent(again).collect(),
            originals: wire.originals(again).collect(),
        },
    };
    let mut messages = wire.pictures(ticket.evidence.iter().filter(|e| again(e)));
    messages.push(wire.message(topic::ticket_evidence_topic(wire.at(), node, ticket.id()), &event));
    messages
}

/// The readings, where they showed it.
fn sensor_of<'a>(incident: &'a Incident, node: &Node) -> Option<SensorData<'a>> {
    let sensed = incident.sensed.as_ref()?;
    Some(SensorData {
        device: sensed.device.as_str(),
        name: &sensed.name,
        measure: &sensed.measure,
        unit: &sensed.unit,
        since: node.rfc3339(incident.first_seen),
        confirmed_at: node.rfc3339(incident.confirmed_at),
        reason: &incident.reason,
        reason_zh: &incident.reason_zh,
        rule: RuleData { id: &incident.rule.id, version: &incident.rule.version },
        readings: sensed
            .readings
            .iter()
            .map(|noted| ReadingData { at: node.rfc3339(noted.at), value: noted.value })
            .collect(),
    })
}

fn opening(evidence: &Evidence) -> bool {
    matches!(evidence.role, EvidenceRole::FirstSeen | EvidenceRole::Further | EvidenceRole::Confirming)
}

/// Whether this rendition leaves the node.
pub(super) fn leaves(rendition: Rendition) -> bool {
    rendition != Rendition::Original
}

/// One ticket as one node puts it.
pub(super) struct Wire<'a> {
    pub(super) ticket: &'a Ticket,
    pub(super) node: &'a Node,
}

impl<'a> Wire<'a> {
    fn at(&self) -> Option<&'a Place> {
        self.ticket.camera.place.as_ref()
    }

    fn evidence_topic(&self, evidence: &Evidence) -> String {
        topic::evidence_topic(self.at(), self.node, self.camera_of(evidence), evidence.sha256)
    }

    fn camera_of<'e>(&self, evidence: &'e Evidence) -> &'e CameraId
    where
        'a: 'e,
    {
        evidence.camera.as_ref().unwrap_or(&self.ticket.incident.camera)
    }

    pub(super) fn message(&self, topic: String, event: &impl Serialize) -> OutgoingMessage {
        OutgoingMessage {
            topic,
            content_type: CLOUDEVENTS.to_owned(),
            properties: self.properties(&self.ticket.incident.camera),
            body: Body::Inline(json(event)),
            expires_after: Some(MESSAGE_EXPIRY),
        }
    }

    fn properties(&self, camera: &CameraId) -> Vec<(String, String)> {
        let incident = &self.ticket.incident;
        vec![
            ("ticket".to_owned(), self.ticket.id().to_string()),
            ("camera".to_owned(), camera.to_string()),
            ("kind".to_owned(), incident.kind.to_string()),
        ]
    }

    /// Two entries with one digest (a camera that moved nothing between two looks) are one picture.
    pub(super) fn pictures<'e>(&self, wanted: impl IntoIterator<Item = &'e Evidence>) -> Vec<OutgoingMessage> {
        let mut seen = HashSet::new();
        wanted
            .into_iter()
            .filter(|e| leaves(e.rendition) && seen.insert(e.sha256))
            .map(|evidence| OutgoingMessage {
                topic: self.evidence_topic(evidence),
                content_type: evidence.media_type.clone(),
                properties: [
                    self.properties(self.camera_of(evidence)),
                    vec![
                        ("role".to_owned(), role(evidence.role).to_owned()),
                        ("rendition".to_owned(), rendition(evidence.rendition).to_owned()),
                        ("sha256".to_owned(), evidence.sha256.to_string()),
                        ("captured_at".to_owned(), self.node.rfc3339(evidence.captured_at)),
                    ],
                ]
                .concat(),
                body: Body::Evidence(evidence.sha256),
                expires_after: Some(MESSAGE_EXPIRY),
            })
            .collect()
    }

    pub(super) fn evidence<'e>(&self, e: &'e Evidence) -> EvidenceData<'e> {
        EvidenceData {
            role: role(e.role),
            rendition: rendition(e.rendition),
            stream: e.stream,
            media_type: &e.media_type,
            sha256: e.sha256,
            bytes: e.bytes,
            size: [e.width, e.height],
            captured_at: self.node.rfc3339(e.captured_at),
            topic: leaves(e.rendition).then(|| self.evidence_topic(e)),
            camera: e.camera.as_ref().map(CameraId::as_str),
        }
    }

    /// Every entry arrived as a message of its own before the ticket.
    fn pictures_sent(&self, wanted: impl Fn(&Evidence) -> bool) -> impl Iterator<Item = EvidenceData<'a>> {
        let sent = self.ticket.evidence.iter().filter(move |e| wanted(e) && leaves(e.rendition));
        sent.map(|e| self.evidence(e))
    }

    /// What stays with the node, to be demanded and checked by its digest.
    fn originals(&self, wanted: impl Fn(&Evidence) -> bool) -> impl Iterator<Item = EvidenceData<'a>> {
        let kept = self.ticket.evidence.iter().filter(move |e| wanted(e) && !leaves(e.rendition));
        kept.map(|e| self.evidence(e))
    }

    fn event(&self) -> EventData<'a> {
        let kind = &self.ticket.incident.kind;
        let info = kind_info(kind);
        // A city's list may know kinds that the built-in table does not.
        let route = self.ticket.route.as_deref();
        let listed =
            |name: fn(&Words) -> &str| route.map(|route| name(&route.task.name)).filter(|name| !name.is_empty());
        EventData {
            kind: kind.as_str(),
            name_zh: info.map(|i| i.name_zh).or_else(|| listed(Words::zh)),
            name_en: info.map(|i| i.name_en).or_else(|| listed(Words::en)),
            codes: match (route, info) {
                (Some(route), _) => route.task.codes.iter().map(CodeData::of).collect(),
                (None, Some(info)) => info.codes.iter().map(|code| CodeData::of(&CaseCode::from(code))).collect(),
                (None, None) => Vec::new(),
            },
        }
    }

    fn place(&self) -> PlaceData<'a> {
        let at = self.at();
        let street = topic::street(at, self.node);
        let ground = self.ticket.incident.ground.as_ref();
        PlaceData {
            district: street[..6].to_owned(),
            street: at.map_or(&self.node.district, |p| &p.grid).street().map(str::to_owned),
            community: at.and_then(|p| p.grid.community()),
            unit_grid: at.and_then(|p| p.grid.unit_grid()),
            duty_grid: at.and_then(|p| p.duty_grid.as_deref()),
            address: at.map(|p| p.address.as_str()).filter(|a| !a.is_empty()),
            lon: at.and_then(|p| p.lon).map(degrees),
            lat: at.and_then(|p| p.lat).map(degrees),
            crs: at.filter(|p| p.lon.is_some() && p.lat.is_some()).map(|_| "EPSG:4326"),
            position_of: ground.and_then(GroundPoint::lon_lat).map(|_| "problem"),
            local: ground.filter(|point| point.lon_lat().is_none()).map(|point| LocalData {
                crs: point.crs.to_string(),
                x: decimetres(point.x),
                y: decimetres(point.y),
            }),
        }
    }

    /// The readings, where they and no camera showed it.
    fn sensor(&self) -> Option<SensorData<'a>> {
        sensor_of(&self.ticket.incident, self.node)
    }

    /// None on the ticket of a device that no camera sees: its own id stands for the camera's.
    fn camera(&self) -> Option<CameraData<'a>> {
        let incident = &self.ticket.incident;
        let alone = incident.sensed.as_ref().is_some_and(|s| s.device.as_str() == incident.camera.as_str());
        (!alone).then(|| self.seen_by())
    }

    fn seen_by(&self) -> CameraData<'a> {
        let (id, zone) = (self.ticket.incident.camera.as_str(), &self.ticket.zone);
        CameraData {
            id,
            gb28181: (id.len() == 20 && id.bytes().all(|b| b.is_ascii_digit())).then_some(id),
            name: &self.ticket.camera.name,
            zone_id: zone.id.as_str(),
            zone_name: (!zone.name.is_empty()).then_some(&zone.name),
            zone_kind: zone.purpose,
        }
    }
}

fn role(role: EvidenceRole) -> &'static str {
    match role {
        EvidenceRole::FirstSeen => "first_seen",
        EvidenceRole::Further => "further",
        EvidenceRole::Confirming => "confirming",
        EvidenceRole::OtherView => "other_view",
        EvidenceRole::StillThere => "still_there",
        EvidenceRole::Unclear => "unclear",
        EvidenceRole::After => "after",
    }
}

fn rendition(rendition: Rendition) -> &'static str {
    match rendition {
        Rendition::Original => "original",
        Rendition::Clean => "clean",
        Rendition::Annotated => "annotated",
    }
}

fn seconds(length: Millis) -> f64 {
    length.0 as f64 / 1_000.0
}

/// As many digits as a homography is good for: a decimetre.
fn decimetres(metres: f64) -> f64 {
    (metres * 10.0).round() / 10.0
}

/// The same in degrees.
fn degrees(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}

fn relative(rect: domain::Rect) -> [f64; 4] {
    <[f32; 4]>::from(rect.clamped()).map(rounded)
}

fn pixels(rect: domain::Rect, (width, height): (u32, u32)) -> [u32; 4] {
    let rect = rect.clamped();
    let scale = |v: f32, size: u32| (v * size as f32).round() as u32;
    [scale(rect.x0, width), scale(rect.y0, height), scale(rect.x1, width), scale(rect.y1, height)]
}

#[derive(Debug, Serialize)]
struct AgainData<'a> {
    ticket_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    case_no: Option<&'a str>,
    reason: &'static str,
    seen_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sensor: Option<SensorData<'a>>,
    evidence: Vec<EvidenceData<'a>>,
    originals: Vec<EvidenceData<'a>>,
}

#[derive(Debug, Serialize)]
struct TicketData<'a> {
    ticket_id: String,
    case_source: &'static str,
    case_attribute: &'static str,
    event: EventData<'a>,
    place: PlaceData<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    camera: Option<CameraData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sensor: Option<SensorData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detection: Option<DetectionData<'a>>,
    evidence: Vec<EvidenceData<'a>>,
    originals: Vec<EvidenceData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggest: Option<SuggestData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    photos: Option<PhotosData>,
    review: ReviewData,
}

#[derive(Debug, Serialize)]
struct ClearedData<'a> {
    ticket_id: String,
    event: EventData<'a>,
    place: PlaceData<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    camera: Option<CameraData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sensor: Option<SensorData<'a>>,
    first_seen: String,
    last_seen: String,
    cleared_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    photos: Option<PhotosData>,
    evidence: Vec<EvidenceData<'a>>,
    originals: Vec<EvidenceData<'a>>,
}

/// Names and codes are absent for a kind that only the node's config knows.
#[derive(Debug, Serialize)]
struct EventData<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_zh: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_en: Option<&'a str>,
    codes: Vec<CodeData>,
}

/// The digits of a scheme that has such, the name as far as it is known, or the code as the list writes it.
#[derive(Debug, Serialize)]
struct CodeData {
    scheme: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    major: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl CodeData {
    fn of(code: &CaseCode) -> Self {
        let (major, minor) = code.digits().unzip();
        Self {
            scheme: code.scheme.clone(),
            major: major.map(str::to_owned),
            minor: minor.map(str::to_owned),
            name: code.name().map(str::to_owned),
        }
    }
}

#[derive(Debug, Serialize)]
struct PlaceData<'a> {
    district: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    street: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    community: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_grid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duty_grid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lon: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lat: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crs: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position_of: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<LocalData>,
}

/// A place on a plane of the city's own, in metres.
#[derive(Debug, Serialize)]
struct LocalData {
    crs: String,
    x: f64,
    y: f64,
}

#[derive(Debug, Serialize)]
struct CameraData<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gb28181: Option<&'a str>,
    name: &'a str,
    zone_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone_name: Option<&'a String>,
    zone_kind: ZonePurpose,
}

/// What readings showed, and by which rule.
#[derive(Debug, Serialize)]
struct SensorData<'a> {
    device: &'a str,
    name: &'a str,
    measure: &'a str,
    unit: &'a str,
    since: String,
    confirmed_at: String,
    reason: &'a str,
    reason_zh: &'a str,
    rule: RuleData<'a>,
    readings: Vec<ReadingData>,
}

#[derive(Debug, Serialize)]
struct ReadingData {
    at: String,
    value: f64,
}

#[derive(Debug, Serialize)]
struct DetectionData<'a> {
    first_seen: String,
    last_seen: String,
    ripened_at: String,
    dwell_s: f64,
    samples: u32,
    hits: u32,
    hit_ratio: f64,
    score_max: f64,
    score_median: f64,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_zh: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame_size: Option<[u32; 2]>,
    #[serde(rename = "box_relative")]
    bbox: [f64; 4],
    objects: Vec<ObjectData<'a>>,
    model: ModelData<'a>,
    rule: RuleData<'a>,
}

#[derive(Debug, Serialize)]
struct ObjectData<'a> {
    label: &'a str,
    class: &'a str,
    score: f64,
    #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
    bbox: Option<[u32; 4]>,
    box_relative: [f64; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelData<'a>>,
}

#[derive(Debug, Serialize)]
struct ModelData<'a> {
    id: &'a str,
    sha256: Sha256,
}

impl<'a> ModelData<'a> {
    fn of(model: &'a ModelRef) -> Self {
        Self { id: &model.name, sha256: model.sha256 }
    }
}

#[derive(Debug, Serialize)]
struct RuleData<'a> {
    id: &'a str,
    version: &'a str,
}

/// `topic` is absent for an original, which stays in the node's evidence store.
#[derive(Debug, Serialize)]
pub(super) struct EvidenceData<'a> {
    role: &'static str,
    rendition: &'static str,
    stream: StreamRole,
    media_type: &'a str,
    sha256: Sha256,
    bytes: u64,
    size: [u32; 2],
    captured_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    camera: Option<&'a str>,
}

/// `task_item` is absent where the built-in table of kinds decided; due times where no limit is set, or the calendar does
/// not reach that far.
#[derive(Debug, Serialize)]
struct SuggestData<'a> {
    response_level: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_item: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_version: Option<u32>,
    dept: &'a str,
    dept_en: &'a str,
    copies: Vec<&'a str>,
    copies_en: Vec<&'a str>,
    steps: Vec<&'a str>,
    steps_en: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrive_limit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrive_due: Option<String>,
    solve_limit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    solve_due: Option<String>,
    photos_open: u8,
    photos_close: u8,
    why_zh: &'a str,
    why_en: &'a str,
}

impl<'a> SuggestData<'a> {
    fn of(route: &'a Routed, node: &Node) -> Self {
        Self {
            response_level: route.task.level.into(),
            task_item: route.item.as_ref().map(|item| item.id.as_str()),
            task_version: route.item.as_ref().map(|item| item.version),
            dept: route.task.dept.zh(),
            dept_en: route.task.dept.en(),
            copies: route.task.copies.iter().map(Words::zh).collect(),
            copies_en: route.task.copies.iter().map(Words::en).collect(),
            steps: route.task.steps.iter().map(Words::zh).collect(),
            steps_en: route.task.steps.iter().map(Words::en).collect(),
            arrive_limit: route.task.arrive.map(|limit| limit.to_string()),
            arrive_due: route.arrive_due.map(|due| node.rfc3339(due)),
            solve_limit: route.task.solve.to_string(),
            solve_due: route.solve_due.map(|due| node.rfc3339(due)),
            photos_open: route.task.photos_open,
            photos_close: route.task.photos_close,
            why_zh: &route.why.zh,
            why_en: &route.why.en,
        }
    }
}

/// The texts are there where pictures are missing.
#[derive(Debug, Serialize)]
pub(super) struct PhotosData {
    needed: usize,
    held: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_zh: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_en: Option<String>,
}

impl From<Pictures> for PhotosData {
    fn from(pictures: Pictures) -> Self {
        let Pictures { needed, held } = pictures;
        let (missing_zh, missing_en) = pictures
            .are_short()
            .then(|| (format!("应有照片{needed}张，实有{held}张"), format!("{held} of {needed} pictures")))
            .unzip();
        Self { needed, held, missing_zh, missing_en }
    }
}

/// A detection is a lead: nobody has looked at it yet when it leaves the node.
#[derive(Debug, Serialize)]
struct ReviewData {
    required: bool,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}
