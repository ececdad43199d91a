//! What a platform says to gridwatch: acknowledgements, verdicts, and what nobody can understand.

use bytes::Bytes;
use domain::{Millis, TicketId, Timestamp};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{
    report::rfc3339,
    script::{AckResult, AckStep, Step},
};

/// The content type of all of it.
pub(super) const CLOUDEVENTS: &str = "application/cloudevents+json";

/// A message to be published with QoS 1, never retained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// The same in few words, for a log; empty for what nobody understands.
    pub about: String,
}

/// Whose ticket is answered where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address<'a> {
    pub(super) district: &'a str,
    pub(super) street: &'a str,
    pub(super) ticket: TicketId,
}

impl Address<'_> {
    fn topic(&self, word: &str) -> String {
        format!("grid/v1/{}/{}/ticket/{}/{word}", self.district, self.street, self.ticket)
    }
}

/// Who speaks, and on which clock.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    pub(super) name: String,
    pub(super) timezone: TimeZone,
}

impl Voice {
    /// What a ticket is answered with; `n` counts the messages about it.
    pub(super) fn ack(
        &self,
        to: Address<'_>,
        case_no: Option<&str>,
        result: AckResult,
        step: &AckStep,
        n: u32,
        now: Timestamp,
    ) -> Say {
        let data = AckData {
            ticket_id: to.ticket,
            result,
            case_no,
            reason: step.reason.as_deref(),
            note: step.note.as_deref(),
        };
        self.say(to, "ack", "cn.grid.ticket.acknowledged.v1", n, now, data)
    }

    /// What is said of a case.
    pub(super) fn verdict(&self, to: Address<'_>, case_no: &str, step: &Step, n: u32, now: Timestamp) -> Say {
        let data = VerdictData {
            ticket_id: to.ticket,
            case_no,
            verdict: step.verdict.as_str(),
            at: self.rfc3339(now),
            reason: step.reason.as_deref(),
            note: step.note.as_deref(),
            dept: step.dept.as_deref(),
            by: step.by.as_deref(),
            due: step.due.map(|due| self.rfc3339(now + due)),
        };
        self.say(to, "verdict", "cn.grid.ticket.verdict.v1", n, now, data)
    }

    /// What nobody can understand, another sort for each `n`.
    pub(super) fn garbage(&self, to: Address<'_>, n: u32, now: Timestamp) -> Say {
        let verdict = |ticket: TicketId, word: &'static str| VerdictData {
            ticket_id: ticket,
            case_no: "GARBAGE",
            verdict: word,
            at: self.rfc3339(now),
            reason: None,
            note: None,
            dept: None,
            by: None,
            due: None,
        };
        let stranger = TicketId::derive(now, b"a ticket that nobody has opened");
        let number = 10_000 + n;
        let kind = "cn.grid.ticket.verdict.v1";
        match n % 5 {
            0 => {
                Say { topic: to.topic("verdict"), payload: Bytes::from_static(b"\xff{not json"), about: String::new() }
            }
            1 => self.say(to, "verdict", kind, number, now, verdict(to.ticket, "vanished")),
            2 => {
                self.say(Address { ticket: stranger, ..to }, "verdict", kind, number, now, verdict(stranger, "handled"))
            }
            3 => self.say(to, "verdict", kind, number, now, verdict(to.ticket, "returned")),
            _ => self.say(to, "verdict", kind, number, now, verdict(stranger, "handled")),
        }
    }

    fn say(
        &self,
        to: Address<'_>,
        word: &str,
        event_type: &'static str,
        n: u32,
        now: Timestamp,
        data: impl Serialize,
    ) -> Say {
        let event = Event {
            specversion: "1.0",
            // A new process counts anew, and must not be taken for a repeat.
            id: format!("{}.{}.{n}", to.ticket, now.0),
            event_type,
            source: format!("/grid/platform/{}", self.name),
            subject: to.ticket,
            time: self.rfc3339(now),
            datacontenttype: "application/json",
            data,
        };
        let payload = serde_json::to_vec(&event).expect("strings and numbers always serialise").into();
        Say { topic: to.topic(word), payload, about: String::new() }
    }

    fn rfc3339(&self, time: Timestamp) -> String {
        rfc3339(time, &self.timezone)
    }
}

/// How far apart a message and its repeat are.
pub(super) const REPEAT_AFTER: Millis = Millis(50);

#[derive(Debug, Serialize)]
struct Event<T> {
    specversion: &'static str,
    id: String,
    #[serde(rename = "type")]
    event_type: &'static str,
    source: String,
    subject: TicketId,
    time: String,
    datacontenttype: &'static str,
    data: T,
}

#[derive(Debug, Serialize)]
struct AckData<'a> {
    ticket_id: TicketId,
    result: AckResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    case_no: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct VerdictData<'a> {
    ticket_id: TicketId,
    case_no: &'a str,
    verdict: &'static str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dept: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
}
