//! Rows to the crate's words and back.

use std::str::FromStr;

use domain::{Millis, Rect, TicketId, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Any, Decode, Row as _, Type, any::AnyRow};

use super::{CaseTimes, HistoryLine, Hold, Refused, Release};
use crate::{
    AlertsError,
    case::{Case, Change, Reason, State},
    error::Source,
    figures::{CaseFact, Rejection},
    incident::{Ending, Incident, OpenTicket},
    ticket::{Body, Evidence, OutgoingMessage, Queued, Ticket},
};

/// A unit variant as the one word that serde gives it, so that database, MQTT and pages spell it alike.
pub(super) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("a unit variant is a string, not {other:?}"),
    }
}

/// The JSON of a value that holds nothing JSON cannot say.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("string keys and no fallible serialisers")
}

/// A row that belongs to a ticket; names ticket and column of what does not read back.
pub(super) struct TicketRow<'r> {
    row: &'r AnyRow,
    ticket: String,
}

impl<'r> TicketRow<'r> {
    /// `ticket_column` holds the id of the row's ticket, where it has one.
    pub(super) fn new(row: &'r AnyRow, ticket_column: &'static str) -> Result<Self, AlertsError> {
        let this = Self { row, ticket: String::new() };
        Ok(Self { ticket: this.get::<Option<String>>(ticket_column)?.unwrap_or_default(), ..this })
    }

    /// The id of the row's ticket, as it is written.
    pub(super) fn ticket_id(&self) -> &str {
        &self.ticket
    }

    fn damaged(&self, column: &'static str, source: impl Into<Source>) -> AlertsError {
        AlertsError::Row { ticket: self.ticket.clone(), column, source: source.into() }
    }

    fn get<T: Decode<'r, Any> + Type<Any>>(&self, column: &'static str) -> Result<T, AlertsError> {
        self.row.try_get(column).map_err(|error| self.damaged(column, error))
    }

    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, AlertsError> {
        serde_json::from_str(self.get(column)?).map_err(|error| self.damaged(column, error))
    }

    fn optional_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, AlertsError> {
        let text: Option<&str> = self.get(column)?;
        text.map(serde_json::from_str).transpose().map_err(|error| self.damaged(column, error))
    }

    fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, AlertsError> {
        serde_json::from_value(serde_json::Value::String(self.get(column)?))
            .map_err(|error| self.damaged(column, error))
    }

    fn parsed<T: FromStr<Err: Into<Source>>>(&self, column: &'static str) -> Result<T, AlertsError> {
        self.get::<&str>(column)?.parse().map_err(|error| self.damaged(column, error))
    }

    fn number<T: TryFrom<i64, Error: Into<Source>>>(&self, column: &'static str) -> Result<T, AlertsError> {
        self.get::<i64>(column)?.try_into().map_err(|error| self.damaged(column, error))
    }

    fn time(&self, column: &'static str) -> Result<Timestamp, AlertsError> {
        self.get(column).map(Timestamp)
    }

    fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>, AlertsError> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp))
    }

    fn share(&self, column: &'static str) -> Result<f32, AlertsError> {
        Ok(self.get::<f64>(column)? as f32)
    }

    pub(super) fn to_ticket(&self, evidence: Vec<Evidence>) -> Result<Ticket, AlertsError> {
        Ok(Ticket {
            incident: self.json("incident")?,
            camera: self.json("camera_info")?,
            zone: self.json("zone_info")?,
            route: self.optional_json("route")?,
            clocks: self.optional_json("clocks")?,
            state: self.word("state")?,
            case: self.to_case()?,
            last_seen: self.time("last_seen")?,
            cleared_at: self.optional_time("cleared_at")?,
            delivered_at: self.optional_time("delivered_at")?,
            evidence,
        })
    }

    pub(super) fn to_case(&self) -> Result<Case, AlertsError> {
        self.json("case_data")
    }

    pub(super) fn to_id(&self) -> Result<TicketId, AlertsError> {
        self.parsed("id")
    }

    pub(super) fn to_resends(&self) -> Result<u32, AlertsError> {
        self.number("resends")
    }

    /// With how and when it ended.
    pub(super) fn to_ended_ticket(&self) -> Result<(OpenTicket, Ending, Timestamp), AlertsError> {
        let (_, ending, at) = self.to_end()?;
        Ok((self.to_open_ticket()?, ending, at))
    }

    /// How and when it ended.
    pub(super) fn to_end(&self) -> Result<(TicketId, Ending, Timestamp), AlertsError> {
        let ending = match self.word("case_state")? {
            State::Rejected => Ending::Rejected,
            _ => Ending::Closed,
        };
        Ok((self.to_id()?, ending, self.time("ended_at")?))
    }

    pub(super) fn to_history_line(&self) -> Result<HistoryLine, AlertsError> {
        let reason = self.get::<Option<String>>("reason")?;
        let note = self.get::<Option<String>>("note")?;
        let change = Change {
            at: self.time("at")?,
            decided_at: self.optional_time("decided_at")?,
            from: self.word("from_state")?,
            to: self.word("to_state")?,
            event: self.get("event")?,
            by: self.parsed("made_by")?,
            reason: reason.map(|code| Reason { code, note }),
        };
        Ok(HistoryLine { number: self.get("seq")?, change })
    }

    pub(super) fn to_evidence(&self) -> Result<Evidence, AlertsError> {
        Ok(Evidence {
            role: self.word("role")?,
            rendition: self.word("rendition")?,
            stream: self.word("stream")?,
            sha256: self.parsed("sha256")?,
            media_type: self.get("media_type")?,
            bytes: self.number("bytes")?,
            width: self.number("width")?,
            height: self.number("height")?,
            captured_at: self.time("captured_at")?,
            camera: self
                .get::<Option<&str>>("camera")?
                .map(|id| id.parse().map_err(|error| self.damaged("camera", error)))
                .transpose()?,
        })
    }

    /// With its ticket.
    pub(super) fn to_case_times(&self) -> Result<(TicketId, CaseTimes), AlertsError> {
        let (dispatched_at, closed_at) = (self.optional_time("dispatched_at")?, self.optional_time("closed_at")?);
        Ok((self.to_id()?, CaseTimes { dispatched_at, closed_at }))
    }

    pub(super) fn to_case_fact(&self) -> Result<CaseFact, AlertsError> {
        let is = |column| Ok::<_, AlertsError>(self.get::<i64>(column)? != 0);
        let state: State = self.word("case_state")?;
        let rejection = self.get::<Option<String>>("rejected_for")?.map(Rejection);
        let acknowledged = self.optional_time("acknowledged_at")?;
        let duplicate = is("duplicate")?;
        Ok(CaseFact {
            kind: self.parsed("kind")?,
            camera: self.parsed("camera")?,
            zone: self.parsed("zone")?,
            street: self.get("street")?,
            opened_at: self.time("opened_at")?,
            filed_at: self.optional_time("filed_at")?,
            known_before: acknowledged.map(|_| duplicate || rejection.as_ref().is_some_and(Rejection::is_duplicate)),
            dispatched_at: self.optional_time("dispatched_at")?,
            handling_at: self.optional_time("handling_at")?,
            handled_at: self.optional_time("handled_at")?,
            closed_at: self.optional_time("closed_at")?.filter(|_| state == State::Closed),
            due: self.optional_time("solve_due")?,
            in_time: self.get::<Option<i64>>("in_time")?.map(|in_time| in_time != 0),
            confirmed: is("confirmed")?,
            rejected: rejection,
            was_gone: self.optional_time("cleared_at")?.is_some(),
            came_back: is("came_back")?,
            reworked: is("reworked")?,
        })
    }

    pub(super) fn to_open_ticket(&self) -> Result<OpenTicket, AlertsError> {
        let bbox = Rect::from([self.share("x0")?, self.share("y0")?, self.share("x1")?, self.share("y1")?]);
        let incident: Incident = self.json("incident")?;
        let mut standing = incident.standing();
        if self.get::<i64>("joined")? != 0 {
            // Of a further view only the place is written down.
            standing.truncate(1);
            standing.iter_mut().for_each(|thing| (thing.bbox, thing.mask) = (bbox, None));
        }
        Ok(OpenTicket {
            ticket: self.parsed("id")?,
            camera: self.parsed("camera")?,
            kind: self.parsed("kind")?,
            zone: self.parsed("zone")?,
            bbox,
            first_seen: self.time("first_seen")?,
            last_seen: self.time("last_seen")?,
            rule: incident.rule.id,
            standing,
        })
    }

    /// With the time at which it was cleared.
    pub(super) fn to_cleared_ticket(&self) -> Result<(OpenTicket, Timestamp), AlertsError> {
        Ok((self.to_open_ticket()?, self.time("cleared_at")?))
    }

    pub(super) fn to_queued(&self) -> Result<Queued, AlertsError> {
        let body = match self.get::<Option<Vec<u8>>>("body")? {
            Some(bytes) => Body::Inline(bytes.into()),
            None => Body::Evidence(self.parsed("evidence")?),
        };
        Ok(Queued {
            seq: self.get("seq")?,
            ticket: if self.ticket.is_empty() { None } else { Some(self.parsed("ticket")?) },
            message: OutgoingMessage {
                topic: self.get("topic")?,
                content_type: self.get("content_type")?,
                properties: self.json("properties")?,
                body,
                expires_after: self.get::<Option<i64>>("expires_after")?.map(Millis),
            },
        })
    }

    pub(super) fn to_hold(&self) -> Result<Hold, AlertsError> {
        let released = match self.optional_time("released_at")? {
            None => None,
            Some(at) => Some(Release { at, by: self.get("released_by")?, reason: self.get("release_reason")? }),
        };
        Ok(Hold { at: self.time("held_at")?, by: self.get("held_by")?, reason: self.get("reason")?, released })
    }

    pub(super) fn to_refused(&self) -> Result<Refused, AlertsError> {
        Ok(Refused { queued: self.to_queued()?, at: self.time("failed_at")?, reason: self.get("failure")? })
    }
}
