//! Cases: what happens to them, their history, what the platform said, and what nobody understood.

use domain::{TicketId, Timestamp};
use sqlx::{Row as _, any::AnyRow};

use super::{
    Store,
    facts::gather_facts,
    outbox::{Purpose, enqueue},
    row::{TicketRow, json, word},
    session::Session,
    sql::Sql,
    tickets::{insert_evidence, ticket_in},
};
use crate::{
    AlertsError,
    case::{Case, Change, Effect, Event, Refusal, State},
    incident::{Ending, OpenTicket},
    mqtt::Resend,
    ticket::{Body, Evidence, Ticket},
    wire::{CaseMessages, Fault, Problem},
};

/// A message that an event came in.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// With `id`, what tells a repeat.
    pub source: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Where it came.
    pub topic: &'a str,
    /// What it said.
    pub payload: &'a [u8],
}

/// What happens to a ticket's case.
#[derive(Debug, Clone)]
pub struct Ruling<'a> {
    /// Whose.
    pub ticket: TicketId,
    /// When.
    pub now: Timestamp,
    /// What.
    pub event: Event,
    /// The message that it came in; a repeat of it changes nothing.
    pub origin: Option<Origin<'a>>,
    /// Pictures that go with it, kept where it changes something.
    pub evidence: &'a [Evidence],
    /// When the problem was last seen, where that is known.
    pub last_seen: Option<Timestamp>,
}

impl Ruling<'_> {
    /// An event that came in no message and with no picture.
    #[must_use]
    pub fn plain(ticket: TicketId, now: Timestamp, event: Event) -> Self {
        Self { ticket, now, event, origin: None, evidence: &[], last_seen: None }
    }
}

/// What became of a ruling.
#[derive(Debug, Clone, PartialEq)]
pub enum Ruled {
    /// It changed the case, and this follows; each change has its number in the history.
    Applied {
        /// As it is now.
        ticket: Box<Ticket>,
        /// What follows.
        effects: Vec<(i64, Effect)>,
    },
    /// It was late, or nothing was to be changed.
    Nothing,
    /// The same message was here before.
    Repeated,
    /// It cannot be. Where it came in a message, the problem is written.
    Refused(Refusal),
    /// There is no such ticket. Where it came in a message, the problem is written.
    Unknown,
}

/// What a round of resends did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resent {
    /// Tickets that were sent again.
    pub tickets: usize,
    /// Tickets that were ever sent again and are not answered.
    pub unanswered: u64,
}

/// Tickets that are sent again in one round.
const RESEND_AT_ONCE: i64 = 100;

/// A line of a case's history with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// From 1.
    pub number: i64,
    /// What happened.
    pub change: Change,
}

impl Store {
    /// Lets something happen to a case: message, state, history, pictures and outgoing messages in one transaction.
    /// `messages` makes the latter of the ticket as it is then and of what follows.
    ///
    /// # Errors
    /// When the database fails or a row is damaged; nothing is written then, and the call may be repeated.
    pub async fn rule(
        &self,
        ruling: &Ruling<'_>,
        messages: impl FnOnce(&Ticket, &[(i64, Effect)]) -> CaseMessages + Send,
    ) -> Result<Ruled, AlertsError> {
        const DOING: &str = "write what happened to a case";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        let Some(mut ticket) = ticket_in(&mut tx, ruling.ticket, &failed).await? else {
            if let Some(origin) = &ruling.origin {
                let message = format!("there is no ticket {}; it may be another node's", ruling.ticket);
                let fault = Fault { reason: "unknown_ticket", message };
                self.insert_problem(&mut tx, &Problem::of(origin.topic, origin.payload, fault, ruling.now)).await?;
                self.commit(tx, &failed).await?;
            }
            return Ok(Ruled::Unknown);
        };
        if let Some(origin) = &ruling.origin {
            let inserted = sqlx::query(
                "INSERT INTO verdicts (source, id, ticket, event, received_at, outcome, payload) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (source, id) DO NOTHING",
            )
            .bind(origin.source)
            .bind(origin.id)
            .bind(ruling.ticket.to_string())
            .bind(ruling.event.name())
            .bind(ruling.now.0)
            .bind("late")
            .bind(origin.payload)
            .execute(&mut tx)
            .await
            .map_err(&failed)?;
            if inserted.rows_affected() == 0 {
                return Ok(Ruled::Repeated);
            }
        }
        let before = ticket.case.clone();
        let effects = match ticket.case.apply(ruling.now, ruling.event.clone()) {
            Ok(effects) => effects,
            Err(refusal) => {
                if let Some(origin) = &ruling.origin {
                    let fault = Fault { reason: refusal.code(), message: refusal.to_string() };
                    self.insert_problem(&mut tx, &Problem::of(origin.topic, origin.payload, fault, ruling.now)).await?;
                    set_outcome(&mut tx, origin, refusal.code()).await.map_err(&failed)?;
                    self.commit(tx, &failed).await?;
                }
                return Ok(Ruled::Refused(refusal));
            }
        };
        if ticket.case != before {
            ticket.follow_case();
            ticket.last_seen = ruling.last_seen.unwrap_or(ticket.last_seen);
            update_case(&mut tx, &ticket).await.map_err(&failed)?;
        }
        if effects.is_empty() {
            gather_facts(&mut tx, ruling.ticket).await.map_err(&failed)?;
            self.commit(tx, &failed).await?;
            return Ok(Ruled::Nothing);
        }
        if let Some(origin) = &ruling.origin {
            set_outcome(&mut tx, origin, "applied").await.map_err(&failed)?;
        }
        let effects = insert_history(&mut tx, ruling.ticket, effects).await.map_err(&failed)?;
        gather_facts(&mut tx, ruling.ticket).await.map_err(&failed)?;
        insert_evidence(&mut tx, ruling.ticket, ruling.evidence).await.map_err(&failed)?;
        ticket.evidence.extend(ruling.evidence.iter().cloned());
        ticket.sort_evidence();
        let CaseMessages { opening, following } = messages(&ticket, &effects);
        enqueue(&mut tx, ruling.ticket, Purpose::Open, &opening).await.map_err(&failed)?;
        enqueue(&mut tx, ruling.ticket, Purpose::Case, &following).await.map_err(&failed)?;
        self.commit(tx, &failed).await?;
        if ticket.case.is_over() {
            self.sensors_ended.notify_one();
        }
        Ok(Ruled::Applied { ticket: Box::new(ticket), effects })
    }

    /// What has happened to a ticket's case, oldest first.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn history(&self, ticket: TicketId) -> Result<Vec<HistoryLine>, AlertsError> {
        let rows = sqlx::query(
            "SELECT ticket, seq, at, decided_at, from_state, to_state, event, made_by, reason, note FROM case_events \
             WHERE ticket = $1 ORDER BY seq",
        )
        .bind(ticket.to_string())
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("read a case's history"))?;
        rows.iter().map(|row| TicketRow::new(row, "ticket")?.to_history_line()).collect()
    }

    /// Tickets of looks that were rejected or closed at or after `since` and whose place was not seen clear since then.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn ended_tickets(&self, since: Timestamp) -> Result<Vec<(OpenTicket, Ending, Timestamp)>, AlertsError> {
        let rows = sqlx::query(
            "SELECT id, camera, kind, zone, first_seen, last_seen, x0, y0, x1, y1, case_state, ended_at, incident, joined FROM sights \
             WHERE ended_at >= $1 AND cleared_at IS NULL ORDER BY ended_at, id, joined, camera",
        )
        .bind(since.0)
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("read ended tickets"))?;
        rows.iter().map(|row| TicketRow::new(row, "id")?.to_ended_ticket()).collect()
    }

    /// Tickets that wait for a person, the most urgent first, and until when.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn reviews(&self) -> Result<Vec<(TicketId, Timestamp)>, AlertsError> {
        let rows = sqlx::query("SELECT id, case_data FROM tickets WHERE case_state = $1 ORDER BY confirmed_at, id")
            .bind(word(State::PendingReview))
            .fetch_all(&self.readers)
            .await
            .map_err(self.failed("read what waits for review"))?;
        let mut waiting = Vec::new();
        for row in &rows {
            let row = TicketRow::new(row, "id")?;
            waiting.extend(row.to_case()?.review_until().map(|until| Ok((row.to_id()?, until))));
        }
        let mut waiting = waiting.into_iter().collect::<Result<Vec<_>, AlertsError>>()?;
        waiting.sort_unstable_by_key(|(ticket, until)| (*until, *ticket));
        Ok(waiting)
    }

    /// Writes down a message that nobody understands, and that it is to be told.
    ///
    /// # Errors
    /// When the database fails; nothing is written then, and the call may be repeated.
    pub async fn add_problem(&self, problem: &Problem) -> Result<(), AlertsError> {
        const DOING: &str = "write a problem";
        let mut tx = self.begin(DOING).await?;
        self.insert_problem(&mut tx, problem).await?;
        self.commit(tx, self.failed(DOING)).await
    }

    async fn insert_problem(&self, connection: &mut Session, problem: &Problem) -> Result<(), AlertsError> {
        let failed = self.failed("write a problem");
        let last: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM problems")
            .fetch_one(&mut *connection)
            .await
            .map_err(&failed)?;
        sqlx::query(
            "INSERT INTO problems (seq, received_at, topic, reason, message, payload) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(last + 1)
        .bind(problem.received_at.0)
        .bind(&problem.topic)
        .bind(&problem.reason)
        .bind(&problem.message)
        .bind(&problem.payload)
        .execute(&mut *connection)
        .await
        .map_err(&failed)?;
        // It is to be told, as messages are.
        connection.queued += 1;
        Ok(())
    }

    /// Problems with their numbers, newest first, of those before a number where one is given.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn problems(&self, before: Option<i64>, limit: u32) -> Result<Vec<(i64, Problem)>, AlertsError> {
        self.read_problems(" < ", before.unwrap_or(i64::MAX), " ORDER BY seq DESC LIMIT ", limit).await
    }

    /// How many problems came at this time or later.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn problem_count(&self, since: Timestamp) -> Result<u64, AlertsError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM problems WHERE received_at >= $1")
            .bind(since.0)
            .fetch_one(&self.readers)
            .await
            .map_err(self.failed("count problems"))?;
        Ok(count.unsigned_abs())
    }

    /// Problems after this one that the broker does not have yet, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn problems_untold(&self, after: i64, limit: u32) -> Result<Vec<(i64, Problem)>, AlertsError> {
        self.read_problems(" > ", after, " AND told_at IS NULL ORDER BY seq LIMIT ", limit).await
    }

    async fn read_problems(
        &self,
        side: &'static str,
        number: i64,
        which: &'static str,
        limit: u32,
    ) -> Result<Vec<(i64, Problem)>, AlertsError> {
        let failed = self.failed("read problems");
        let mut query = Sql::new("SELECT seq, received_at, topic, reason, message, payload FROM problems WHERE seq");
        query.push(side).bind(number).push(which).bind(i64::from(limit));
        let rows = query.query().fetch_all(&self.readers).await.map_err(&failed)?;
        let read = |row: &AnyRow| -> Result<_, sqlx::Error> {
            let problem = Problem {
                received_at: Timestamp(row.try_get("received_at")?),
                topic: row.try_get("topic")?,
                reason: row.try_get("reason")?,
                message: row.try_get("message")?,
                payload: row.try_get("payload")?,
            };
            Ok((row.try_get("seq")?, problem))
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(&failed)
    }

    /// Writes that the broker has taken the messages that tell these problems.
    ///
    /// # Errors
    /// When the database fails; nothing is written then.
    pub async fn problems_told(&self, numbers: &[i64], at: Timestamp) -> Result<(), AlertsError> {
        const DOING: &str = "write that problems were told";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        for number in numbers {
            sqlx::query("UPDATE problems SET told_at = $1 WHERE seq = $2")
                .bind(at.0)
                .bind(number)
                .execute(&mut tx)
                .await
                .map_err(&failed)?;
        }
        self.commit(tx, &failed).await
    }
}

impl Store {
    /// Puts the messages of tickets that the platform has not answered in time into the outbox once more, the same bytes
    /// under the same ids; returns how many tickets that concerns, and how many were sent again and are not answered. The
    /// ticket goes alone first, and with its pictures from the second time on.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn resend_unanswered(&self, now: Timestamp, resend: Resend) -> Result<Resent, AlertsError> {
        const DOING: &str = "send unanswered tickets again";
        let failed = self.failed(DOING);
        // Where the clock was set back, a resend must not wait for it.
        let due = sqlx::query(
            "SELECT id, resends FROM tickets WHERE acknowledged_at IS NULL AND delivered_at IS NOT NULL \
             AND (COALESCE(resend_at, delivered_at + $1) <= $2 OR resend_at > $2 + $3) \
             AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.ticket = tickets.id AND outbox.purpose = 'resend' \
             AND outbox.sent_at IS NULL AND outbox.failed_at IS NULL) ORDER BY delivered_at, id LIMIT $4",
        )
        .bind(resend.within.0)
        .bind(now.0)
        .bind(resend.longest.0)
        .bind(RESEND_AT_ONCE)
        .fetch_all(&self.readers)
        .await
        .map_err(&failed)?;
        for row in &due {
            let row = TicketRow::new(row, "id")?;
            let (ticket, resends) = (row.to_id()?, row.to_resends()?);
            let mut tx = self.begin(DOING).await?;
            let opening = sqlx::query(
                "SELECT seq, ticket, topic, content_type, properties, body, evidence, expires_after FROM outbox \
                 WHERE ticket = $1 AND purpose = 'open' AND failed_at IS NULL ORDER BY seq",
            )
            .bind(ticket.to_string())
            .fetch_all(&mut tx)
            .await
            .map_err(&failed)?;
            let mut opening = opening
                .iter()
                .map(|row| Ok(TicketRow::new(row, "ticket")?.to_queued()?.message))
                .collect::<Result<Vec<_>, AlertsError>>()?;
            if resends == 0 {
                opening.retain(|message| matches!(message.body, Body::Inline(_)));
            }
            enqueue(&mut tx, ticket, Purpose::Resend, &opening).await.map_err(&failed)?;
            let pause = resend.pause(resends).0 as f64 * rand::random_range(0.75..=1.0);
            sqlx::query("UPDATE tickets SET resends = resends + 1, resend_at = $1 WHERE id = $2")
                .bind(now.0.saturating_add(pause as i64))
                .bind(ticket.to_string())
                .execute(&mut tx)
                .await
                .map_err(&failed)?;
            self.commit(tx, &failed).await?;
        }
        let unanswered: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM tickets WHERE acknowledged_at IS NULL AND resends > 0")
                .fetch_one(&self.readers)
                .await
                .map_err(&failed)?;
        Ok(Resent { tickets: due.len(), unanswered: unanswered.unsigned_abs() })
    }
}

/// Writes a new ticket's case and how it began.
pub(super) async fn insert_beginning(connection: &mut Session, ticket: &Ticket) -> Result<(), sqlx::Error> {
    let review_until = ticket.case.review_until();
    let (_, effects) = Case::begin(ticket.incident.confirmed_at, review_until);
    update_case(connection, ticket).await?;
    insert_history(connection, ticket.id(), effects).await?;
    gather_facts(connection, ticket.id()).await
}

pub(super) async fn update_case(connection: &mut Session, ticket: &Ticket) -> Result<(), sqlx::Error> {
    let case = &ticket.case;
    sqlx::query(
        "UPDATE tickets SET state = $1, case_state = $2, case_data = $3, filed_at = $4, acknowledged_at = $5, \
         cleared_at = $6, last_seen = $7, ended_at = $8 WHERE id = $9",
    )
    .bind(word(ticket.state))
    .bind(word(case.state()))
    .bind(json(case))
    .bind(case.filed_at().map(|t| t.0))
    .bind(case.acknowledged_at().map(|t| t.0))
    .bind(ticket.cleared_at.map(|t| t.0))
    .bind(ticket.last_seen.0)
    .bind(case.ended_at().map(|t| t.0))
    .bind(ticket.id().to_string())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Writes the changes among `effects` and gives each effect the number of the last change before it.
pub(super) async fn insert_history(
    connection: &mut Session,
    ticket: TicketId,
    effects: Vec<Effect>,
) -> Result<Vec<(i64, Effect)>, sqlx::Error> {
    let mut number: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM case_events WHERE ticket = $1")
        .bind(ticket.to_string())
        .fetch_one(&mut *connection)
        .await?;
    if !effects.is_empty() {
        // Its clocks are looked at anew: what happened may stop them, or let them go on.
        sqlx::query("UPDATE clocks SET wakes_at = 0 WHERE ticket = $1")
            .bind(ticket.to_string())
            .execute(&mut *connection)
            .await?;
    }
    let mut numbered = Vec::with_capacity(effects.len());
    for effect in effects {
        if let Effect::Changed(change) = &effect {
            number += 1;
            sqlx::query(
                "INSERT INTO case_events (ticket, seq, at, decided_at, from_state, to_state, event, made_by, reason, \
                 note) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(ticket.to_string())
            .bind(number)
            .bind(change.at.0)
            .bind(change.decided_at.map(|t| t.0))
            .bind(word(change.from))
            .bind(word(change.to))
            .bind(&change.event)
            .bind(change.by.to_string())
            .bind(change.reason.as_ref().map(|reason| reason.code.as_str()))
            .bind(change.reason.as_ref().and_then(|reason| reason.note.as_deref()))
            .execute(&mut *connection)
            .await?;
        }
        numbered.push((number, effect));
    }
    Ok(numbered)
}

async fn set_outcome(connection: &mut Session, origin: &Origin<'_>, outcome: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE verdicts SET outcome = $1 WHERE source = $2 AND id = $3")
        .bind(outcome)
        .bind(origin.source)
        .bind(origin.id)
        .execute(&mut *connection)
        .await?;
    Ok(())
}
