//! The clocks of cases: written with the messages that they ask for, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use domain::{TicketId, Timestamp};
use sqlx::Row as _;

use super::{
    Store,
    facts::gather_facts,
    outbox::{Purpose, enqueue},
    row::{json, word},
    session::Session,
    sql::Sql,
    tickets::TICKET_COLUMNS,
};
use crate::{
    AlertsError,
    clocks::CaseClocks,
    deadline::Light,
    ticket::{OutgoingMessage, Ticket},
};

/// A case's clocks as they were read and as they are to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewound {
    /// Whose.
    pub ticket: TicketId,
    /// The revision of those that were read: where it is another by now, nothing of this ticket is written.
    pub before: u32,
    /// As they are to be.
    pub after: CaseClocks,
    /// What they ask for.
    pub messages: Vec<OutgoingMessage>,
}

/// Writes the clocks of a ticket that opens.
pub(super) async fn insert_clocks(
    connection: &mut Session,
    ticket: TicketId,
    clocks: &CaseClocks,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO clocks (ticket, revision, state, light, wakes_at, solve_due, solved_at, in_time) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(ticket.to_string())
    .bind(i64::from(clocks.revision()))
    .bind(json(clocks))
    .bind(clocks.light().map(word))
    .bind(clocks.wakes_at().map(|at| at.0))
    .bind(clocks.solve_due().map(|at| at.0))
    .bind(clocks.solved_at().map(|at| at.0))
    .bind(clocks.is_in_time().map(i64::from))
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Tickets of which some light may change at or before `now`, the longest due first.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn tickets_with_lights_due(&self, now: Timestamp, limit: u32) -> Result<Vec<Ticket>, AlertsError> {
        let mut query = Sql::new(TICKET_COLUMNS);
        query.push(" WHERE id IN (SELECT ticket FROM clocks WHERE wakes_at <= ").bind(now.0);
        query.push(" ORDER BY wakes_at LIMIT ").bind(i64::from(limit)).push(")");
        self.load(query).await
    }

    /// Has all clocks that run looked at at `now`, whenever their lights were to change.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wake_clocks(&self, now: Timestamp) -> Result<(), AlertsError> {
        const DOING: &str = "wake the clocks of cases";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        sqlx::query("UPDATE clocks SET wakes_at = $1 WHERE wakes_at > $1")
            .bind(now.0)
            .execute(&mut tx)
            .await
            .map_err(&failed)?;
        self.commit(tx, &failed).await
    }

    /// Writes clocks and the messages that they ask for, all in one transaction; whose were written. Clocks that are not as they were read
    /// any more stay as they are, and nothing is said about them.
    ///
    /// # Errors
    /// When the database fails; nothing is written then.
    pub async fn rewind_clocks(&self, all: &[Rewound]) -> Result<BTreeSet<TicketId>, AlertsError> {
        const DOING: &str = "write the clocks of cases";
        if all.is_empty() {
            return Ok(BTreeSet::new());
        }
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        let mut done = BTreeSet::new();
        for Rewound { ticket, before, after, messages } in all {
            let written = sqlx::query(
                "UPDATE clocks SET state = $1, light = $2, wakes_at = $3, solve_due = $4, solved_at = $5, in_time = $6, \
                 revision = $7 WHERE ticket = $8 AND revision = $9",
            )
            .bind(json(after))
            .bind(after.light().map(word))
            .bind(after.wakes_at().map(|at| at.0))
            .bind(after.solve_due().map(|at| at.0))
            .bind(after.solved_at().map(|at| at.0))
            .bind(after.is_in_time().map(i64::from))
            .bind(i64::from(after.revision()))
            .bind(ticket.to_string())
            .bind(i64::from(*before))
            .execute(&mut tx)
            .await
            .map_err(&failed)?;
            if written.rows_affected() > 0 {
                gather_facts(&mut tx, *ticket).await.map_err(&failed)?;
                enqueue(&mut tx, *ticket, Purpose::Light, messages).await.map_err(&failed)?;
                done.insert(*ticket);
            }
        }
        self.commit(tx, &failed).await?;
        Ok(done)
    }

    /// How many cases whose time runs show which light.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn light_counts(&self) -> Result<BTreeMap<Light, u64>, AlertsError> {
        let failed = self.failed("count the lights of cases");
        let rows = sqlx::query(
            "SELECT light, CAST(COUNT(*) AS BIGINT) AS cases FROM clocks WHERE light IS NOT NULL GROUP BY light",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(&failed)?;
        let mut counts = BTreeMap::new();
        for row in &rows {
            let light: String = row.try_get("light").map_err(&failed)?;
            let cases: i64 = row.try_get("cases").map_err(&failed)?;
            let known = [Light::Green, Light::Yellow, Light::Red].into_iter().find(|known| word(known) == light);
            if let Some(known) = known {
                counts.insert(known, cases.unsigned_abs());
            }
        }
        Ok(counts)
    }
}
