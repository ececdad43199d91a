//! Tickets by a stretch of time, for exports and for other systems' views.

use std::collections::BTreeMap;

use domain::{Kind, TicketId, Timestamp};

use super::{
    Store,
    row::{TicketRow, word},
    sql::Sql,
    tickets::TICKET_COLUMNS,
};
use crate::{
    AlertsError,
    ticket::{Ticket, TicketState},
};

/// Which tickets to take out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extract {
    /// Those whose rule was satisfied at this time or later.
    pub from: Timestamp,
    /// And before this one.
    pub to: Timestamp,
    /// Of these kinds; of all where empty.
    pub kinds: Vec<Kind>,
    /// In one of these states; in any where empty.
    pub states: Vec<TicketState>,
    /// So many of them.
    pub limit: u32,
    /// After so many others.
    pub offset: u32,
}

/// When what happened to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaseTimes {
    /// When a unit was last sent.
    pub dispatched_at: Option<Timestamp>,
    /// When it was last closed. One that was opened again is not closed any more.
    pub closed_at: Option<Timestamp>,
}

impl Store {
    /// Tickets by a stretch of time, newest first.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn extract(&self, extract: &Extract) -> Result<Vec<Ticket>, AlertsError> {
        let mut query = Sql::new(TICKET_COLUMNS);
        query.push(" WHERE confirmed_at >= ").bind(extract.from.0).push(" AND confirmed_at < ").bind(extract.to.0);
        if !extract.kinds.is_empty() {
            query.push(" AND kind IN ").bind_all(extract.kinds.iter().map(|kind| kind.as_str().to_owned()));
        }
        if !extract.states.is_empty() {
            query.push(" AND state IN ").bind_all(extract.states.iter().map(word));
        }
        query.push(" ORDER BY confirmed_at DESC, id DESC LIMIT ").bind(i64::from(extract.limit));
        query.push(" OFFSET ").bind(i64::from(extract.offset));
        self.load(query).await
    }

    /// Tickets by a stretch of time, newest first, at most `limit` of those before a mark, and without their evidence: that is most
    /// of what is read of a ticket, and no list of cases has it.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn cases(
        &self,
        (from, to): (Timestamp, Timestamp),
        before: Option<(Timestamp, TicketId)>,
        limit: u32,
    ) -> Result<Vec<Ticket>, AlertsError> {
        let mut query = Sql::new(TICKET_COLUMNS);
        query.push(" WHERE confirmed_at >= ").bind(from.0).push(" AND confirmed_at < ").bind(to.0);
        if let Some((at, id)) = before {
            query.push(" AND (confirmed_at, id) < (").bind(at.0).push(", ").bind(id.to_string()).push(")");
        }
        query.push(" ORDER BY confirmed_at DESC, id DESC LIMIT ").bind(i64::from(limit));
        let rows = query.query().fetch_all(&self.readers).await.map_err(self.failed("read cases"))?;
        rows.iter().map(|row| TicketRow::new(row, "id")?.to_ticket(Vec::new())).collect()
    }

    /// When a unit was last sent to each of these tickets, and when it was last closed; those to which neither happened are
    /// absent.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn case_times(&self, ids: &[TicketId]) -> Result<BTreeMap<TicketId, CaseTimes>, AlertsError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut query = Sql::new(
            "SELECT ticket AS id, MAX(CASE WHEN event = 'dispatched' THEN COALESCE(decided_at, at) END) AS dispatched_at, \
             MAX(CASE WHEN event = 'closed' THEN COALESCE(decided_at, at) END) AS closed_at FROM case_events \
             WHERE event IN ('dispatched', 'closed') AND ticket IN ",
        );
        query.bind_all(ids.iter().map(ToString::to_string)).push(" GROUP BY ticket");
        let rows = query.query().fetch_all(&self.readers).await;
        let rows = rows.map_err(self.failed("read when units were sent and cases closed"))?;
        rows.iter().map(|row| TicketRow::new(row, "id")?.to_case_times()).collect()
    }

    /// These tickets, as far as they are there, newest first.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn tickets_by_id(&self, ids: &[TicketId]) -> Result<Vec<Ticket>, AlertsError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = Sql::new(TICKET_COLUMNS);
        query.push(" WHERE id IN ").bind_all(ids.iter().map(ToString::to_string));
        query.push(" ORDER BY confirmed_at DESC, id DESC");
        self.load(query).await
    }
}
