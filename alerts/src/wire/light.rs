//! The change of a case's light: a CloudEvents event of its own, so that the platform can remind, lift and supervise.

use domain::Timestamp;
use serde::Serialize;

use super::{CLOUDEVENTS, CloudEvent, JSON, MESSAGE_EXPIRY, Node, json, topic};
use crate::{
    clocks::LightTurn,
    deadline::{Light, Stage},
    duty::Words,
    routed::Superior,
    ticket::{Body, OutgoingMessage, Ticket},
};

/// The message that says that a light of `ticket` changed, as was seen at `at`; `unit` is who answers from now on, where that is
/// known.
#[must_use]
pub fn light_message(
    ticket: &Ticket,
    turn: &LightTurn,
    unit: Option<&Superior>,
    at: Timestamp,
    node: &Node,
) -> OutgoingMessage {
    let incident = &ticket.incident;
    let naming = |text: String, colon: &str, unit: Option<String>| match unit.filter(|unit| !unit.is_empty()) {
        Some(unit) => format!("{text}{colon}{unit}"),
        None => text,
    };
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
            escalated_unit: unit.map(|unit| UnitData {
                code: unit.code.as_deref(),
                name: unit.name.as_ref(),
                dept: unit.dept.as_ref(),
            }),
            text_zh: naming(turn.zh(&node.timezone), ";现由以下单位负责:", unit.map(Superior::zh)),
            text_en: naming(turn.en(&node.timezone), "; now answers: ", unit.map(Superior::en)),
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
struct UnitData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a Words>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dept: Option<&'a Words>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    escalated_unit: Option<UnitData<'a>>,
    text_zh: String,
    text_en: String,
}
