//! Tickets and the evidence that they name.

use std::collections::HashMap;

use domain::{CameraId, Kind, Sha256, TicketId, Timestamp};

use super::{
    Store,
    cases::insert_beginning,
    clocks::insert_clocks,
    outbox::{Purpose, enqueue},
    row::{TicketRow, json, word},
    session::Session,
    sql::Sql,
};
use crate::{
    AlertsError,
    case::State,
    incident::OpenTicket,
    ticket::{Evidence, OutgoingMessage, Ticket, TicketState},
};

pub(super) const TICKET_COLUMNS: &str = "SELECT id, state, last_seen, cleared_at, delivered_at, incident, camera_info, \
     zone_info, case_data, route, (SELECT clocks.state FROM clocks WHERE clocks.ticket = tickets.id) AS clocks FROM tickets";

const EVIDENCE_COLUMNS: &str = "SELECT ticket, role, rendition, stream, sha256, media_type, bytes, width, height, captured_at, camera FROM evidence";

/// Whether opening a ticket opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// It is written, with its evidence and messages.
    New,
    /// A ticket with this id was there; nothing was written.
    AlreadyThere,
}

/// Which tickets to list. The default is the 50 newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketFilter {
    /// Only those older than this one: the last of the page before.
    pub before: Option<TicketId>,
    /// At most so many.
    pub limit: u32,
    /// Only this camera's.
    pub camera: Option<CameraId>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only those whose problem is in this state.
    pub state: Option<TicketState>,
    /// Only those whose case stands here.
    pub case: Option<State>,
}

impl Default for TicketFilter {
    fn default() -> Self {
        Self { before: None, limit: 50, camera: None, kind: None, state: None, case: None }
    }
}

/// How many of what the database holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tickets whose problem stands.
    pub open: u64,
    /// Tickets whose problem is gone.
    pub cleared: u64,
    /// Tickets that were closed or rejected and whose problem was not seen to be gone.
    pub ended: u64,
    /// Tickets that wait for a person.
    pub pending_review: u64,
    /// Tickets that the broker has not acknowledged in full.
    pub undelivered: u64,
    /// Tickets that were sent again because the platform had not answered, and still has not.
    pub unacknowledged: u64,
    /// Messages that wait to be sent.
    pub queued_messages: u64,
    /// Messages that were refused for good.
    pub refused_messages: u64,
}

impl Store {
    /// Writes a ticket, the evidence it names and the messages that make it known, all in one transaction. A ticket
    /// whose id is there already is left as it is.
    ///
    /// # Errors
    /// When the database fails; nothing is written then, and the call may be repeated.
    pub async fn open_ticket(&self, ticket: &Ticket, messages: &[OutgoingMessage]) -> Result<Opened, AlertsError> {
        const DOING: &str = "write a ticket";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        if insert_ticket(&mut tx, ticket).await.map_err(&failed)? == Opened::AlreadyThere {
            return Ok(Opened::AlreadyThere);
        }
        // What waits for a person is not made known to the platform.
        let purpose = if ticket.case.is_filed() { Purpose::Open } else { Purpose::Case };
        enqueue(&mut tx, ticket.id(), purpose, messages).await.map_err(&failed)?;
        self.commit(tx, &failed).await?;
        Ok(Opened::New)
    }

    /// Adds evidence to a ticket, and the messages that tell of it; evidence that it has already is left as it is.
    ///
    /// # Errors
    /// When there is no such ticket or the database fails.
    pub async fn add_evidence(
        &self,
        ticket: TicketId,
        evidence: &[Evidence],
        messages: &[OutgoingMessage],
    ) -> Result<(), AlertsError> {
        const DOING: &str = "add evidence to a ticket";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        must_be_known(&mut tx, ticket, &failed).await?;
        insert_evidence(&mut tx, ticket, evidence).await.map_err(&failed)?;
        enqueue(&mut tx, ticket, Purpose::Case, messages).await.map_err(&failed)?;
        self.commit(tx, &failed).await
    }

    /// All tickets whose problem stands and that looks opened, oldest first, once for each camera that sees it: what the rule
    /// core must know after a start.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn open_tickets(&self) -> Result<Vec<OpenTicket>, AlertsError> {
        let rows = sqlx::query(
            "SELECT id, camera, kind, zone, first_seen, last_seen, x0, y0, x1, y1, confirmed_at, incident, joined FROM sights WHERE state = $1 \
             ORDER BY confirmed_at, id, joined, camera",
        )
        .bind(word(TicketState::Open))
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("read open tickets"))?;
        rows.iter().map(|row| TicketRow::new(row, "id")?.to_open_ticket()).collect()
    }

    /// All tickets of looks that were cleared at or after `since`, with the time: places that may still be at rest. Not those that
    /// were rejected: what comes back there is another case.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn cleared_tickets(&self, since: Timestamp) -> Result<Vec<(OpenTicket, Timestamp)>, AlertsError> {
        let rows = sqlx::query(
            "SELECT id, camera, kind, zone, first_seen, last_seen, cleared_at, x0, y0, x1, y1, incident, joined FROM sights \
             WHERE cleared_at >= $1 AND case_state <> $2 ORDER BY cleared_at, id, joined, camera",
        )
        .bind(since.0)
        .bind(word(State::Rejected))
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("read cleared tickets"))?;
        rows.iter().map(|row| TicketRow::new(row, "id")?.to_cleared_ticket()).collect()
    }

    /// One ticket with its evidence.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, AlertsError> {
        let mut query = Sql::new(TICKET_COLUMNS);
        query.push(" WHERE id = ").bind(id.to_string());
        Ok(self.load(query).await?.pop())
    }

    /// Tickets with their evidence, newest first (by the time their rule was satisfied), a page at a time.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn tickets(&self, filter: &TicketFilter) -> Result<Vec<Ticket>, AlertsError> {
        let mut query = Sql::new(TICKET_COLUMNS);
        // The first condition always holds, so that each of the others can follow an AND.
        query.push(" WHERE 1 = 1");
        if let Some(id) = filter.before {
            query
                .push(" AND (confirmed_at, id) < (SELECT confirmed_at, id FROM tickets WHERE id = ")
                .bind(id.to_string())
                .push(")");
        }
        if let Some(camera) = &filter.camera {
            query.push(" AND camera = ").bind(camera.as_str());
        }
        if let Some(kind) = &filter.kind {
            query.push(" AND kind = ").bind(kind.as_str());
        }
        if let Some(state) = filter.state {
            query.push(" AND state = ").bind(word(state));
        }
        if let Some(case) = filter.case {
            query.push(" AND case_state = ").bind(word(case));
        }
        query.push(" ORDER BY confirmed_at DESC, id DESC LIMIT ").bind(i64::from(filter.limit));
        self.load(query).await
    }

    /// What the piece of evidence with this digest is; where several tickets have it, as the first of them names it.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub async fn evidence(&self, sha256: &Sha256) -> Result<Option<Evidence>, AlertsError> {
        let mut query = Sql::new(EVIDENCE_COLUMNS);
        query.push(" WHERE sha256 = ").bind(sha256.to_string()).push(" ORDER BY ticket LIMIT 1");
        let row = query.query().fetch_optional(&self.readers).await.map_err(self.failed("look evidence up"))?;
        row.map(|row| TicketRow::new(&row, "ticket")?.to_evidence()).transpose()
    }

    /// How many tickets and messages there are, by what has become of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counts(&self) -> Result<Counts, AlertsError> {
        let row: (i64, i64, i64, i64, i64, i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM tickets WHERE state = 'open'), \
             (SELECT COUNT(*) FROM tickets WHERE state = 'cleared'), \
             (SELECT COUNT(*) FROM tickets WHERE state = 'ended'), \
             (SELECT COUNT(*) FROM tickets WHERE case_state = 'pending_review'), \
             (SELECT COUNT(*) FROM tickets WHERE delivered_at IS NULL AND filed_at IS NOT NULL), \
             (SELECT COUNT(*) FROM tickets WHERE acknowledged_at IS NULL AND resends > 0), \
             (SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL), \
             (SELECT COUNT(*) FROM outbox WHERE failed_at IS NOT NULL)",
        )
        .fetch_one(&self.readers)
        .await
        .map_err(self.failed("count tickets"))?;
        let [open, cleared, ended, pending_review, undelivered, unacknowledged, queued_messages, refused_messages] =
            [row.0, row.1, row.2, row.3, row.4, row.5, row.6, row.7].map(i64::unsigned_abs);
        Ok(Counts {
            open,
            cleared,
            ended,
            pending_review,
            undelivered,
            unacknowledged,
            queued_messages,
            refused_messages,
        })
    }

    pub(super) async fn load(&self, query: Sql) -> Result<Vec<Ticket>, AlertsError> {
        const DOING: &str = "read tickets";
        // One moment, so that a ticket's evidence is as old as the ticket.
        let mut tx = self.snapshot(DOING).await?;
        load_in(&mut tx, query, self.failed(DOING)).await
    }
}

/// Refuses a ticket that is not there, as the transaction of `connection` sees it.
pub(super) async fn must_be_known(
    connection: &mut Session,
    ticket: TicketId,
    failed: impl Fn(sqlx::Error) -> AlertsError,
) -> Result<(), AlertsError> {
    let known: Option<i64> = sqlx::query_scalar("SELECT CAST(1 AS BIGINT) FROM tickets WHERE id = $1")
        .bind(ticket.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    known.map(drop).ok_or(AlertsError::UnknownTicket(ticket))
}

/// One ticket with its evidence, as the transaction of `connection` sees it.
pub(super) async fn ticket_in(
    connection: &mut Session,
    id: TicketId,
    failed: impl Fn(sqlx::Error) -> AlertsError,
) -> Result<Option<Ticket>, AlertsError> {
    let mut query = Sql::new(TICKET_COLUMNS);
    query.push(" WHERE id = ").bind(id.to_string());
    Ok(load_in(connection, query, failed).await?.pop())
}

async fn load_in(
    connection: &mut Session,
    query: Sql,
    failed: impl Fn(sqlx::Error) -> AlertsError,
) -> Result<Vec<Ticket>, AlertsError> {
    let rows = query.query().fetch_all(&mut *connection).await.map_err(&failed)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<_> = rows.iter().map(|row| TicketRow::new(row, "id")).collect::<Result<_, _>>()?;
    let mut query = Sql::new(EVIDENCE_COLUMNS);
    query.push(" WHERE ticket IN ").bind_all(rows.iter().map(TicketRow::ticket_id));
    let evidence_rows = query.query().fetch_all(&mut *connection).await.map_err(&failed)?;
    let mut by_ticket: HashMap<String, Vec<Evidence>> = HashMap::new();
    for row in &evidence_rows {
        let row = TicketRow::new(row, "ticket")?;
        by_ticket.entry(row.ticket_id().to_owned()).or_default().push(row.to_evidence()?);
    }
    rows.iter()
        .map(|row| {
            let mut ticket = row.to_ticket(by_ticket.remove(row.ticket_id()).unwrap_or_default())?;
            ticket.sort_evidence();
            Ok(ticket)
        })
        .collect()
}

/// Writes a ticket with its evidence, clocks and beginning, unless its id is there.
pub(super) async fn insert_ticket(connection: &mut Session, ticket: &Ticket) -> Result<Opened, sqlx::Error> {
    let (id, incident) = (ticket.id(), &ticket.incident);
    let inserted = sqlx::query(
        "INSERT INTO tickets (id, camera, kind, zone, state, first_seen, confirmed_at, last_seen, cleared_at, \
             delivered_at, x0, y0, x1, y1, incident, camera_info, zone_info, route, street) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) \
             ON CONFLICT (id) DO NOTHING",
    )
    .bind(id.to_string())
    .bind(incident.camera.as_str())
    .bind(incident.kind.as_str())
    .bind(incident.zone.as_str())
    .bind(word(ticket.state))
    .bind(incident.first_seen.0)
    .bind(incident.confirmed_at.0)
    .bind(ticket.last_seen.0)
    .bind(ticket.cleared_at.map(|t| t.0))
    .bind(ticket.delivered_at.map(|t| t.0))
    .bind(f64::from(incident.bbox.x0))
    .bind(f64::from(incident.bbox.y0))
    .bind(f64::from(incident.bbox.x1))
    .bind(f64::from(incident.bbox.y1))
    .bind(json(incident))
    .bind(json(&ticket.camera))
    .bind(json(&ticket.zone))
    .bind(ticket.route.as_ref().map(json))
    .bind(ticket.camera.place.as_ref().and_then(|place| place.grid.street()))
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(Opened::AlreadyThere);
    }
    insert_evidence(connection, id, &ticket.evidence).await?;
    if let Some(clocks) = &ticket.clocks {
        insert_clocks(connection, id, clocks).await?;
    }
    insert_beginning(connection, ticket).await?;
    Ok(Opened::New)
}

pub(super) async fn insert_evidence(
    connection: &mut Session,
    ticket: TicketId,
    evidence: &[Evidence],
) -> Result<(), sqlx::Error> {
    for e in evidence {
        sqlx::query(
            "INSERT INTO evidence (ticket, role, rendition, stream, sha256, media_type, bytes, width, height, \
             captured_at, camera) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        )
        .bind(ticket.to_string())
        .bind(word(e.role))
        .bind(word(e.rendition))
        .bind(word(e.stream))
        .bind(e.sha256.to_string())
        .bind(&e.media_type)
        .bind(i64::try_from(e.bytes).unwrap_or(i64::MAX))
        .bind(i64::from(e.width))
        .bind(i64::from(e.height))
        .bind(e.captured_at.0)
        .bind(e.camera.as_ref().map(CameraId::as_str))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
