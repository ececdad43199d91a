//! What gridwatch says, as a platform reads it: topics and payloads to words, tolerant of fields that it does not know.
//!
//! This is the platform's own reading of `docs/asyncapi.yaml`; it shares no type with what writes the messages, so that a
//! message which only its writer understands does not pass.

use domain::{CameraId, Kind, Sha256, TicketId};
use serde::{Deserialize, de::DeserializeOwned};

/// Something that gridwatch said.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A ticket, the first time or again.
    Ticket(Box<Submission>),
    /// A picture: the digest in its topic, and that of its bytes.
    Picture {
        /// What it is called.
        named: Sha256,
        /// What it is.
        found: Sha256,
    },
    /// It looked again.
    Checked(Check),
    /// Its case is in another state.
    State(Change),
    /// A light has changed.
    Light(TicketId),
    /// A problem went away by itself.
    Gone {
        /// Whose.
        ticket: TicketId,
        /// A picture of the place without it.
        after: Option<Sha256>,
    },
    /// It did not understand what somebody said; with the code of the reason.
    Problem(String),
}

/// A ticket as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Its id.
    pub ticket: TicketId,
    /// What it is about.
    pub kind: Kind,
    /// The camera that saw it.
    pub camera: CameraId,
    /// The zone on its view.
    pub zone: String,
    /// 6 digits.
    pub district: String,
    /// 9 digits, those of the topic.
    pub street: String,
    /// Where it is, relative to the picture: left, top, right, bottom.
    pub place: [f64; 4],
    /// The pictures that it names by a topic.
    pub pictures: Vec<Sha256>,
    /// The one that shows it best.
    pub before: Option<Sha256>,
}

/// The result of a second look.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Whose.
    pub ticket: TicketId,
    /// The id of the message, by which a repeat is known.
    pub id: String,
    /// What was seen.
    pub result: CheckWord,
    /// A picture from before, and one of now.
    pub pair: (Option<Sha256>, Option<Sha256>),
}

/// What a second look shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckWord {
    /// It is gone.
    Cleared,
    /// It is not.
    StillThere,
    /// It cannot be seen.
    Unclear,
}

/// A change of a case's state at gridwatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub ticket: TicketId,
    /// From which state.
    pub from: String,
    /// To which.
    pub to: String,
    /// Who made it so; empty where it is not said.
    pub by: String,
}

/// A message that is not as the contract says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{topic}: {what}")]
pub struct Misread {
    /// Where it came.
    pub topic: String,
    /// What is wrong with it.
    pub what: String,
}

/// Reads one message; none where it is about nothing that a platform cares for (the states of cameras and nodes).
///
/// # Errors
/// When it is not as the contract says.
pub fn read(topic: &str, payload: &[u8]) -> Result<Option<Heard>, Misread> {
    let levels: Vec<&str> = topic.split('/').collect();
    let fail = |what: String| Misread { topic: topic.to_owned(), what };
    let heard = match levels[..] {
        ["gridwatch", "v1", district, street, "ticket", "submit"] => {
            let event: Event<TicketData> = parse(payload).map_err(fail)?;
            Heard::Ticket(Box::new(submission(event, district, street).map_err(fail)?))
        }
        ["gridwatch", "v1", _, _, "ticket", ticket, word] => {
            let ticket: TicketId = ticket.parse().map_err(|_| fail("its topic names no ticket".into()))?;
            match word {
                "checked" => {
                    let event: Event<CheckedData> = parse(payload).map_err(fail)?;
                    same(ticket, event.data.ticket_id).map_err(fail)?;
                    let pair = (best(&event.data.before), best(&event.data.after));
                    Heard::Checked(Check { ticket, id: event.id, result: event.data.result, pair })
                }
                "state" => {
                    let event: Event<StateData> = parse(payload).map_err(fail)?;
                    same(ticket, event.data.ticket_id).map_err(fail)?;
                    Heard::State(Change { ticket, from: event.data.from, to: event.data.to, by: event.data.by })
                }
                "light" => Heard::Light(ticket),
                _ => return Ok(None),
            }
        }
        ["gridwatch", "v1", _, _, _, "evidence", digest] => {
            let named = digest.parse().map_err(|_| fail("its topic names no SHA-256".into()))?;
            Heard::Picture { named, found: Sha256::of(payload) }
        }
        ["gridwatch", "v1", _, _, _, "cleared", _] => {
            let event: Event<ClearedData> = parse(payload).map_err(fail)?;
            Heard::Gone { ticket: event.data.ticket_id, after: best(&event.data.evidence) }
        }
        ["gridwatch", "v1", "node", _, "problem"] => {
            let event: Event<ProblemData> = parse(payload).map_err(fail)?;
            Heard::Problem(event.data.reason)
        }
        _ => return Ok(None),
    };
    Ok(Some(heard))
}

fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    serde_json::from_slice(payload).map_err(|error| error.to_string())
}

fn same(topic: TicketId, data: TicketId) -> Result<(), String> {
    if topic == data { Ok(()) } else { Err(format!("its topic names ticket {topic}, its data {data}")) }
}

fn submission(event: Event<TicketData>, district: &str, street: &str) -> Result<Submission, String> {
    let data = event.data;
    if event.id != data.ticket_id.to_string() {
        return Err(format!("its id is {}, its ticket {}", event.id, data.ticket_id));
    }
    if !street.starts_with(district) || data.place.district != district {
        return Err(format!("its place is {}, its topic {district}/{street}", data.place.district));
    }
    Ok(Submission {
        ticket: data.ticket_id,
        kind: data.event.kind,
        camera: data.camera.id,
        zone: data.camera.zone_id,
        district: district.to_owned(),
        street: street.to_owned(),
        place: data.detection.place,
        before: best(&data.evidence),
        pictures: data.evidence.iter().filter(|e| e.topic.is_some()).map(|e| e.sha256).collect(),
    })
}

/// The annotated picture, else whichever comes last; of what is there in two resolutions, the finer one is listed first.
fn best(pictures: &[PictureData]) -> Option<Sha256> {
    let sent = || pictures.iter().filter(|p| p.topic.is_some());
    let of = |role: &str| sent().find(|p| p.rendition == "annotated" && p.role == role);
    let found = of("after").or_else(|| of("confirming")).or_else(|| sent().next_back());
    found.map(|p| p.sha256)
}

#[derive(Debug, Deserialize)]
struct Event<T> {
    id: String,
    data: T,
}

#[derive(Debug, Deserialize)]
struct TicketData {
    ticket_id: TicketId,
    event: KindData,
    place: PlaceData,
    camera: CameraData,
    detection: DetectionData,
    evidence: Vec<PictureData>,
}

#[derive(Debug, Deserialize)]
struct KindData {
    #[serde(rename = "type")]
    kind: Kind,
}

#[derive(Debug, Deserialize)]
struct PlaceData {
    district: String,
}

#[derive(Debug, Deserialize)]
struct CameraData {
    id: CameraId,
    zone_id: String,
}

#[derive(Debug, Deserialize)]
struct DetectionData {
    #[serde(rename = "box_relative")]
    place: [f64; 4],
}

#[derive(Debug, Deserialize)]
struct PictureData {
    role: String,
    rendition: String,
    sha256: Sha256,
    topic: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ClearedData {
    ticket_id: TicketId,
    evidence: Vec<PictureData>,
}

#[derive(Debug, Deserialize)]
struct CheckedData {
    ticket_id: TicketId,
    result: CheckWord,
    before: Vec<PictureData>,
    after: Vec<PictureData>,
}

#[derive(Debug, Deserialize)]
struct StateData {
    ticket_id: TicketId,
    from: String,
    to: String,
    #[serde(default)]
    by: String,
}

#[derive(Debug, Deserialize)]
struct ProblemData {
    reason: String,
}
