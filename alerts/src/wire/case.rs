//! Each change of a case's state, and what came in that nobody understands.

use domain::Timestamp;
use serde::Serialize;

use super::{
    CLOUDEVENTS, CloudEvent, MESSAGE_EXPIRY, Node, json, opening_messages, platform::Fault, ticket::lead_messages,
    topic,
};
use crate::{
    case::{Case, Change, Effect, State},
    ticket::{Body, OutgoingMessage, Ticket},
};

/// How much of what was not understood is told.
pub const PROBLEM_PAYLOAD: usize = 2 << 10;

/// How many characters of a topic and of what is wrong are told.
const LONGEST_TOLD: usize = 1_000;

/// Messages about a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseMessages {
    /// Those that make the ticket known: they are sent again until the platform has answered.
    pub opening: Vec<OutgoingMessage>,
    /// All others.
    pub following: Vec<OutgoingMessage>,
}

/// The messages that follow from what an event made of `ticket`'s case, in order. `after` has the history's number of each
/// change. Pictures that go with them are the caller's.
#[must_use]
pub fn case_messages(ticket: &Ticket, after: &[(i64, Effect)], node: &Node) -> CaseMessages {
    let mut messages = CaseMessages::default();
    if after.iter().any(|(_, effect)| *effect == Effect::Submit) {
        messages.opening = opening_messages(ticket, node);
    }
    for (number, effect) in after {
        if let Effect::Changed(change) = effect
            && is_news(&ticket.case, change)
        {
            if change.to == State::PendingReview {
                messages.following.extend(lead_messages(ticket, node));
            }
            messages.following.push(state_message(ticket, *number, change, node));
        }
    }
    messages
}

/// Whether a change is worth a message: the platform knows what it answered itself, and that a ticket begins.
fn is_news(case: &Case, change: &Change) -> bool {
    let of_the_beginning = matches!(change.from, State::Suspected | State::Confirmed);
    let said = case.is_filed() || change.to == State::Rejected || change.to == State::GoneByItself;
    let marked = matches!(change.event.as_str(), "extended" | "supervised" | "suspended" | "resumed");
    match change.to {
        State::PendingReview => true,
        _ => !of_the_beginning && said && (change.from != change.to || marked),
    }
}

fn state_message(ticket: &Ticket, number: i64, change: &Change, node: &Node) -> OutgoingMessage {
    let case = &ticket.case;
    let event = CloudEvent {
        specversion: "1.0",
        id: format!("{}.state.{number}", ticket.id()),
        event_type: "cn.gridwatch.ticket.state.v1",
        source: format!("/gridwatch/node/{}", node.id),
        subject: ticket.incident.camera.to_string(),
        time: node.rfc3339(change.at),
        datacontenttype: super::JSON,
        data: StateData {
            ticket_id: ticket.id().to_string(),
            case_no: case.case_no(),
            from: change.from.as_str(),
            to: change.to.as_str(),
            event: &change.event,
            at: node.rfc3339(change.at),
            by: change.by.to_string(),
            reason: change.reason.as_ref().map(|reason| reason.code.as_str()),
            note: change.reason.as_ref().and_then(|reason| reason.note.as_deref()),
            due: case.due().map(|due| node.rfc3339(due)),
            supervised: case.is_supervised(),
            reopened: case.reopened(),
        },
    };
    OutgoingMessage {
        topic: topic::ticket_state_topic(ticket.camera.place.as_ref(), node, ticket.id()),
        content_type: CLOUDEVENTS.to_owned(),
        properties: vec![
            ("ticket".to_owned(), ticket.id().to_string()),
            ("camera".to_owned(), ticket.incident.camera.to_string()),
            ("kind".to_owned(), ticket.incident.kind.to_string()),
        ],
        body: Body::Inline(json(&event)),
        expires_after: Some(MESSAGE_EXPIRY),
    }
}

#[derive(Serialize)]
struct StateData<'a> {
    ticket_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    case_no: Option<&'a str>,
    from: &'static str,
    to: &'static str,
    event: &'a str,
    at: String,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    supervised: bool,
    reopened: u32,
}

/// Something that came in and that nobody understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// On which topic.
    pub topic: String,
    /// A code for programs.
    pub reason: String,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// Its beginning.
    pub payload: Vec<u8>,
    /// When.
    pub received_at: Timestamp,
}

impl Problem {
    /// What is told of a message that has this fault.
    #[must_use]
    pub fn of(topic: &str, payload: &[u8], fault: Fault, received_at: Timestamp) -> Self {
        // What came may be quoted in the message, however long, and with what PostgreSQL does not keep.
        let told =
            |text: &str| text.chars().take(LONGEST_TOLD).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect();
        Self {
            topic: told(topic),
            reason: fault.reason.to_owned(),
            message: told(&fault.message),
            payload: payload[..payload.len().min(PROBLEM_PAYLOAD)].to_vec(),
            received_at,
        }
    }
}

/// Topic and payload of the message that tells a problem; `number` is its place in the table.
#[must_use]
pub fn problem_message(number: i64, problem: &Problem, node: &Node) -> (String, bytes::Bytes) {
    let event = CloudEvent {
        specversion: "1.0",
        id: format!("{}.problem.{number}", node.id),
        event_type: "cn.gridwatch.problem.v1",
        source: format!("/gridwatch/node/{}", node.id),
        subject: problem.topic.clone(),
        time: node.rfc3339(problem.received_at),
        datacontenttype: super::JSON,
        data: ProblemData {
            topic: &problem.topic,
            reason: &problem.reason,
            message: &problem.message,
            payload: String::from_utf8_lossy(&problem.payload).into_owned(),
            received_at: node.rfc3339(problem.received_at),
        },
    };
    (topic::problem_topic(&node.id), json(&event))
}

#[derive(Serialize)]
struct ProblemData<'a> {
    topic: &'a str,
    reason: &'a str,
    message: &'a str,
    payload: String,
    received_at: String,
}
