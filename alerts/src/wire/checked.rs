//! The result of a second look: its pictures, then what was found, with the picture from before beside the one of now.

use domain::TicketId;
use serde::Serialize;

use super::{
    CloudEvent, JSON, Node,
    ticket::{EvidenceData, PhotosData, Wire, leaves},
    topic,
};
use crate::{
    recheck::{Found, Outcome},
    ticket::{Evidence, EvidenceRole, OutgoingMessage, Ticket},
};

/// The messages that tell what a second look found at the place of `ticket`: the pictures in `after`, once each, then the
/// event. `case_no` is what the platform calls it, where it has said so.
#[must_use]
pub fn checked_messages(
    ticket: &Ticket,
    case_no: Option<&str>,
    outcome: &Outcome,
    after: &[Evidence],
    node: &Node,
) -> Vec<OutgoingMessage> {
    let wire = Wire { ticket, node };
    let before: Vec<_> = ticket.evidence.iter().filter(|e| e.role == EvidenceRole::Confirming).collect();
    let event = CloudEvent {
        specversion: "1.0",
        id: format!("{}.checked.{}", ticket.id(), outcome.began_at.0),
        event_type: "cn.gridwatch.ticket.checked.v1",
        source: format!("/gridwatch/node/{}", node.id),
        subject: ticket.incident.camera.to_string(),
        time: node.rfc3339(outcome.checked_at),
        datacontenttype: JSON,
        data: CheckedData {
            ticket_id: ticket.id(),
            case_no,
            result: outcome.result,
            reason: outcome.why.as_str(),
            looks: outcome.looks,
            clear_looks: outcome.clear_looks,
            began_at: node.rfc3339(outcome.began_at),
            checked_at: node.rfc3339(outcome.checked_at),
            photos: ticket.pictures_to_close().filter(|_| outcome.result == Found::Cleared).map(PhotosData::from),
            before: before.into_iter().filter(|e| leaves(e.rendition)).map(|e| wire.evidence(e)).collect(),
            after: after.iter().filter(|e| leaves(e.rendition)).map(|e| wire.evidence(e)).collect(),
        },
    };
    let mut messages = wire.pictures(after);
    let topic = topic::checked_topic(ticket.camera.place.as_ref(), node, ticket.id());
    messages.push(wire.message(topic, &event));
    messages
}

#[derive(Debug, Serialize)]
struct CheckedData<'a> {
    ticket_id: TicketId,
    #[serde(skip_serializing_if = "Option::is_none")]
    case_no: Option<&'a str>,
    result: Found,
    reason: &'static str,
    looks: u32,
    clear_looks: u32,
    began_at: String,
    checked_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    photos: Option<PhotosData>,
    before: Vec<EvidenceData<'a>>,
    after: Vec<EvidenceData<'a>>,
}
