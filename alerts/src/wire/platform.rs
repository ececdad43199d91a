//! What the grid platform says: read, checked, and refused with a reason that it can act on.
//!
//! Two messages, both CloudEvents 1.0 in structured JSON: the answer to a ticket and a verdict on its case. Fields that
//! are not known are ignored, so that a platform may add some; what is known is held to its form.

use domain::{TicketId, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};

use super::Node;
use crate::case::{Answer, Event, Reason, Verdict, VerdictKind};

/// Longer texts are no names, codes or notes.
const LONGEST_TEXT: usize = 2_000;

/// A message of the platform that is understood; whether its ticket is known and its case allows it, the store says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// With `source`, what tells a repeat.
    pub id: String,
    /// Who sent it.
    pub source: String,
    /// Which ticket.
    pub ticket: TicketId,
    /// What happened.
    pub event: Event,
}

/// Why a message is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A code for programs.
    pub reason: &'static str,
    /// What is wrong and what to do, for people.
    pub message: String,
}

fn fault<T>(reason: &'static str, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { reason, message: message.into() })
}

#[derive(Deserialize)]
struct Envelope {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    event_type: String,
    data: serde_json::Value,
}

#[derive(Deserialize)]
struct AnswerData {
    ticket_id: String,
    result: String,
    case_no: Option<String>,
    reason: Option<String>,
    note: Option<String>,
}

#[derive(Deserialize)]
struct VerdictData {
    ticket_id: String,
    verdict: String,
    at: String,
    case_no: Option<String>,
    reason: Option<String>,
    note: Option<String>,
    dept: Option<String>,
    by: Option<String>,
    due: Option<String>,
}

/// What the node subscribes to, to hear of its tickets.
#[must_use]
pub fn platform_filter(node: &Node) -> String {
    format!("grid/v1/{}/+/ticket/+/+", node.district.district())
}

/// Reads a message that came on `topic`.
///
/// # Errors
/// What is not as the contract has it.
pub fn read_platform(topic: &str, payload: &[u8], node: &Node) -> Result<Heard, Fault> {
    let levels: Vec<&str> = topic.split('/').collect();
    let ["grid", "v1", district, street, "ticket", ticket, what] = levels[..] else {
        return fault("unknown_topic", "expected grid/v1/{district}/{street}/ticket/{ticket}/ack or .../verdict");
    };
    if district != node.district.district() || street.len() != 9 || !street.starts_with(district) {
        return fault("other_district", format!("this node serves district {}", node.district.district()));
    }
    let Ok(ticket) = ticket.parse::<TicketId>() else {
        return fault("bad_ticket", format!("\"{ticket}\" in the topic is no ticket's id, which is a UUID"));
    };
    let value: serde_json::Value = match serde_json::from_slice(payload) {
        Ok(value) => value,
        Err(error) => return fault("not_json", format!("the payload is no JSON: {error}")),
    };
    let envelope: Envelope = part(value, "the envelope")?;
    if envelope.specversion != "1.0" || envelope.id.is_empty() || envelope.source.is_empty() {
        return fault("not_cloudevents", "expected a CloudEvents 1.0 envelope with id, source, type and data");
    }
    let (named, event) = match (what, envelope.event_type.as_str()) {
        ("ack", "cn.grid.ticket.acknowledged.v1") => read_answer(part(envelope.data, "data")?)?,
        ("verdict", "cn.grid.ticket.verdict.v1") => read_verdict(part(envelope.data, "data")?)?,
        ("ack" | "verdict", other) => {
            return fault(
                "unknown_type",
                format!(
                    "type \"{other}\" does not belong on a topic that ends in {what}; expected \
                     cn.grid.ticket.acknowledged.v1 on .../ack, cn.grid.ticket.verdict.v1 on .../verdict"
                ),
            );
        }
        (other, _) => return fault("unknown_topic", format!("\"{other}\" is none of ack and verdict")),
    };
    if named.parse() != Ok(ticket) {
        return fault("ids_differ", format!("data.ticket_id is \"{named}\", the topic names {ticket}"));
    }
    for (key, text) in [("id", &envelope.id), ("source", &envelope.source)] {
        within(key, text)?;
    }
    Ok(Heard { id: envelope.id, source: envelope.source, ticket, event })
}

fn part<T: DeserializeOwned>(value: serde_json::Value, what: &str) -> Result<T, Fault> {
    serde_json::from_value(value).or_else(|error| {
        let reason = if what == "data" { "bad_data" } else { "not_cloudevents" };
        fault(reason, format!("{what}: {error}"))
    })
}

fn within(key: &str, text: &str) -> Result<(), Fault> {
    if text.chars().count() > LONGEST_TEXT {
        return fault("bad_data", format!("{key} is longer than {LONGEST_TEXT} characters"));
    }
    // PostgreSQL keeps no such text.
    if text.contains('\0') {
        return fault("bad_data", format!("{key} has a NUL character"));
    }
    Ok(())
}

fn read_answer(data: AnswerData) -> Result<(String, Event), Fault> {
    let reason = read_reason(data.reason, data.note)?;
    let answer = match (data.result.as_str(), reason) {
        ("accepted", _) => Answer::Accepted,
        ("duplicate", _) => Answer::Duplicate,
        ("rejected", Some(reason)) => Answer::Rejected(reason),
        ("rejected", None) => return fault("missing_reason", "a rejection needs data.reason, such as false_alarm"),
        (other, _) => {
            return fault("unknown_result", format!("result \"{other}\" is none of accepted, duplicate and rejected"));
        }
    };
    let case_no = named("case_no", data.case_no)?;
    Ok((data.ticket_id, Event::Acknowledged { answer, case_no }))
}

fn read_verdict(data: VerdictData) -> Result<(String, Event), Fault> {
    let Some(kind) = VerdictKind::ALL.into_iter().find(|kind| kind.as_str() == data.verdict) else {
        let known = VerdictKind::ALL.map(VerdictKind::as_str).join(", ");
        return fault("unknown_verdict", format!("verdict \"{}\" is none of {known}", data.verdict));
    };
    let reason = read_reason(data.reason, data.note)?;
    if kind.needs_reason() && reason.is_none() {
        return fault("missing_reason", format!("verdict {kind} needs data.reason, such as not_responsible"));
    }
    let due = data.due.map(|due| time("due", &due)).transpose()?;
    if kind == VerdictKind::Extended && due.is_none() {
        return fault("bad_data", "verdict extended needs data.due");
    }
    let verdict = Verdict {
        kind,
        at: time("at", &data.at)?,
        reason,
        case_no: named("case_no", data.case_no)?,
        dept: named("dept", data.dept)?,
        due,
        by: named("by", data.by)?,
    };
    Ok((data.ticket_id, Event::Said(verdict)))
}

fn read_reason(code: Option<String>, note: Option<String>) -> Result<Option<Reason>, Fault> {
    let note = named("note", note)?;
    Ok(named("reason", code)?.map(|code| Reason { code, note }))
}

/// A text that is there and says something.
fn named(key: &str, text: Option<String>) -> Result<Option<String>, Fault> {
    let text = text.filter(|text| !text.trim().is_empty());
    if let Some(text) = &text {
        within(key, text)?;
    }
    Ok(text)
}

fn time(key: &str, text: &str) -> Result<Timestamp, Fault> {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Ok(Timestamp(time.as_millisecond())),
        Err(_) => {
            fault("bad_time", format!("data.{key} is \"{text}\"; write RFC 3339, such as 2026-11-24T09:30:00+08:00"))
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Cell;
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::*;

    const TICKET: &str = "0190f6c2-7b1e-7c3a-9d55-1f2e3d4c5b6a";

    fn read(topic: &str, payload: &[u8]) -> Result<Heard, &'static str> {
        let district = Cell::try_from("310104007".to_owned()).unwrap();
        let node = Node { id: "n".parse().unwrap(), district, timezone: TimeZone::UTC };
        read_platform(topic, payload, &node).map_err(|fault| fault.reason)
    }

    /// A message with these data, `null` taking a key away.
    fn message(what: &str, changes: serde_json::Value) -> Vec<u8> {
        let (event_type, mut data) = match what {
            "ack" => ("cn.grid.ticket.acknowledged.v1", json!({"ticket_id": TICKET, "result": "accepted"})),
            _ => (
                "cn.grid.ticket.verdict.v1",
                json!({"ticket_id": TICKET, "verdict": "dispatched", "at": "2026-11-24T09:30:00+08:00"}),
            ),
        };
        for (key, value) in changes.as_object().unwrap() {
            data[key] = value.clone();
        }
        json!({"specversion": "1.0", "id": "1", "source": "/grid", "type": event_type, "data": data})
            .to_string()
            .into_bytes()
    }

    #[track_caller]
    fn check(what: &str, changes: serde_json::Value, expect: Result<&str, &str>) {
        let topic = format!("grid/v1/310104/310104007/ticket/{TICKET}/{what}");
        let got = read(&topic, &message(what, changes));
        assert_eq!(got.as_ref().map(|heard| heard.event.name()).map_err(|reason| *reason), expect, "{got:?}");
    }

    #[test]
    fn what_the_contract_allows_is_read() {
        check("ack", json!({}), Ok("acknowledged"));
        check("ack", json!({"result": "rejected", "reason": "duplicate", "new": [1]}), Ok("acknowledged"));
        for kind in VerdictKind::ALL {
            let due = "2026-11-25T09:30:00+08:00";
            check("verdict", json!({"verdict": kind, "reason": "weather", "due": due, "extra": {}}), Ok(kind.as_str()));
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        check("ack", json!({"result": "maybe"}), Err("unknown_result"));
        check("ack", json!({"result": "rejected"}), Err("missing_reason"));
        check("verdict", json!({"verdict": "eaten"}), Err("unknown_verdict"));
        check("verdict", json!({"verdict": "rejected"}), Err("missing_reason"));
        check("verdict", json!({"verdict": "returned", "reason": " "}), Err("missing_reason"));
        check("verdict", json!({"verdict": "extended", "reason": "weather"}), Err("bad_data"));
        check("verdict", json!({"at": "yesterday"}), Err("bad_time"));
        check("verdict", json!({"at": null}), Err("bad_data"));
        check("verdict", json!({"note": "x".repeat(3_000)}), Err("bad_data"));
        check("verdict", json!({"by": "a\u{0}b"}), Err("bad_data"));
        check("verdict", json!({"ticket_id": "0190f6c2-7b1e-7c3a-9d55-000000000000"}), Err("ids_differ"));
        check("other", json!({}), Err("unknown_topic"));
    }

    #[test]
    fn topics_and_envelopes_are_held_to_their_form() {
        let sound = message("ack", json!({}));
        let fails =
            |topic: &str, payload: &[u8], expect: &str| assert_eq!(read(topic, payload), Err(expect), "{topic}");
        let topic = format!("grid/v1/310104/310104007/ticket/{TICKET}/ack");
        assert!(read(&topic, &sound).is_ok());
        fails(&format!("grid/v1/310101/310101002/ticket/{TICKET}/ack"), &sound, "other_district");
        fails(&format!("grid/v1/310104/310101002/ticket/{TICKET}/ack"), &sound, "other_district");
        fails("grid/v1/310104/310104007/ticket/7/ack", &sound, "bad_ticket");
        fails("grid/v1/310104", &sound, "unknown_topic");
        fails(&topic, b"", "not_json");
        fails(&topic, b"\xff\xd8\xff", "not_json");
        fails(&topic, b"[]", "not_cloudevents");
        fails(&topic, b"{\"id\": 1}", "not_cloudevents");
        fails(&topic, &message("verdict", json!({})), "unknown_type");
        let envelope = json!({"specversion": "0.3", "id": "1", "source": "s", "type": "t", "data": {}});
        fails(&topic, envelope.to_string().as_bytes(), "not_cloudevents");
    }
}
