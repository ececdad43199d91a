//! The change of a case's light: a CloudEvents event of its own, so that the platform can remind, lift and supervise.

use domain::Timestamp;
use serde::Serialize;

use super::{CLOUDEVENTS, CloudEvent, JSON, MESSAGE_EXPIRY, Node, json, topic};
use crate::{
    clocks::LightTurn,
    deadline::{Light, Stage},
    ticket::{Body, OutgoingMessage, Ticket},
};

/// The message that says that a light of `ticket` changed, as was seen at `at`.
#[must_use]
pub fn light_message(ticket: &Ticket, turn: &LightTurn, at: Timestamp, node: &Node) -> OutgoingMessage {
    let incident = &ticket.incident;
    let event = CloudEvent {
        specversion: "1.0",
        id: turn.id(ticket.id()),
        event_type: "cn.gridwatch.ticket.light.v1",
        source: format!("/gridwatch/node/{}", node.id),
        subject: incident.camera.to_string(),
        time: node.rfc3339(at),
        datacontenttype: JSON,
        data: LightData {
            ticket_id: ticket.id().to_string(),
            case_no: ticket.case.case_no(),
            clock: turn.clock,
            light: turn.light,
            due: turn.due.map(|due| node.rfc3339(due)),
            stopped_at: turn.stopped_at.map(|at| node.rfc3339(at)),
            level: turn.level.into(),
            escalated_to: turn.escalated_to.map(u8::from),
            text_zh: turn.zh(&node.timezone),
            text_en: turn.en(&node.timezone),
        },
    };
    OutgoingMessage {
        topic: topic::light_topic(ticket.camera.place.as_ref(), node, ticket.id()),
        content_type: CLOUDEVENTS.to_owned(),
        properties: vec![
            ("ticket".to_owned(), ticket.id().to_string()),
            ("camera".to_owned(), incident.camera.to_string()),
            ("kind".to_owned(), incident.kind.to_string()),
        ],
        body: Body::Inline(json(&event)),
        expires_after: Some(MESSAGE_EXPIRY),
    }
}

#[derive(Debug, Serialize)]
struct LightData<'a> {
    ticket_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    case_no: Option<&'a str>,
    clock: Stage,
    light: Light,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<String>,
    level: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    escalated_to: Option<u8>,
    text_zh: String,
    text_en: String,
}
