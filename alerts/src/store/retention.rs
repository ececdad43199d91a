//! What expires, and what must not: legal holds.
//!
//! Nothing goes that is on hold, that waits to be sent, or (of what was filed) that the broker does not have. All is
//! removed in small batches, each in one transaction, so that nobody waits long for the write lock.

use domain::{Kind, Sha256, TicketId, Timestamp};
use sqlx::Row as _;

use super::{Store, row::TicketRow, session::Session, sql::Sql, tickets::must_be_known};
use crate::AlertsError;

/// The tables whose rows belong to a ticket, in the order in which they are emptied. A test holds the schema to it.
pub(super) const BELONGINGS: &[&str] = &[
    "DELETE FROM outbox WHERE ticket IN ",
    "DELETE FROM evidence WHERE ticket IN ",
    "DELETE FROM case_events WHERE ticket IN ",
    "DELETE FROM verdicts WHERE ticket IN ",
    "DELETE FROM clocks WHERE ticket IN ",
    "DELETE FROM case_facts WHERE ticket IN ",
    "DELETE FROM ticket_views WHERE ticket IN ",
];

/// Somebody's word that a ticket must be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Since when.
    pub at: Timestamp,
    /// By whose word.
    pub by: String,
    /// Why.
    pub reason: String,
    /// How it ended; none while it is in force.
    pub released: Option<Release>,
}

/// Somebody's word that a ticket need not be kept any longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// When.
    pub at: Timestamp,
    /// By whose word.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Which kinds of tickets expire together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds<'a> {
    /// This one.
    Only(&'a Kind),
    /// All but these.
    AllBut(&'a [&'a Kind]),
}

/// Which tickets expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Those that ended (closed, rejected) before this.
    Ended(Timestamp),
    /// Those that were confirmed before this, are gone, were never filed, and that nobody judged.
    Unfiled(Timestamp),
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// These tickets.
    pub tickets: Vec<TicketId>,
    /// Evidence that they named; another ticket may name it, too.
    pub evidence: Vec<Sha256>,
}

impl Store {
    /// Keeps a ticket, with all that belongs to it, until it is released. False where it is on hold already.
    ///
    /// # Errors
    /// When there is no such ticket or the database fails.
    pub async fn hold(&self, ticket: TicketId, by: &str, reason: &str, at: Timestamp) -> Result<bool, AlertsError> {
        const DOING: &str = "hold a ticket";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        must_be_known(&mut tx, ticket, &failed).await?;
        if in_force(&mut tx, ticket).await.map_err(&failed)? {
            return Ok(false);
        }
        // A clock that stepped back must not make two lines of one moment.
        sqlx::query(
            "INSERT INTO holds (ticket, held_at, held_by, reason) VALUES ($1, \
             (SELECT CASE WHEN COALESCE(MAX(held_at), 0) >= $2 THEN MAX(held_at) + 1 ELSE $2 END FROM holds WHERE ticket = $1), \
             $3, $4)",
        )
        .bind(ticket.to_string())
        .bind(at.0)
        .bind(by)
        .bind(reason)
        .execute(&mut tx)
        .await
        .map_err(&failed)?;
        self.commit(tx, &failed).await?;
        Ok(true)
    }

    /// Ends a ticket's hold. False where there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release(&self, ticket: TicketId, by: &str, reason: &str, at: Timestamp) -> Result<bool, AlertsError> {
        const DOING: &str = "release a ticket";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        let released = sqlx::query(
            "UPDATE holds SET released_at = $1, released_by = $2, release_reason = $3 \
             WHERE ticket = $4 AND released_at IS NULL",
        )
        .bind(at.0)
        .bind(by)
        .bind(reason)
        .bind(ticket.to_string())
        .execute(&mut tx)
        .await
        .map_err(&failed)?;
        self.commit(tx, &failed).await?;
        Ok(released.rows_affected() > 0)
    }

    /// The holds of a ticket, the oldest first; also of one that is no longer there.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn holds(&self, ticket: TicketId) -> Result<Vec<Hold>, AlertsError> {
        let rows = sqlx::query(
            "SELECT ticket, held_at, held_by, reason, released_at, released_by, release_reason FROM holds \
             WHERE ticket = $1 ORDER BY held_at",
        )
        .bind(ticket.to_string())
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("read the holds of a ticket"))?;
        rows.iter().map(|row| TicketRow::new(row, "ticket")?.to_hold()).collect()
    }

    /// How many tickets are on hold.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held(&self) -> Result<u64, AlertsError> {
        let held: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM holds WHERE released_at IS NULL")
            .fetch_one(&self.readers)
            .await
            .map_err(self.failed("count the tickets on hold"))?;
        Ok(held.unsigned_abs())
    }

    /// Removes messages that were sent before this, at most `limit`; gives how many. The newest message stays: the
    /// numbers of the next ones count on from it.
    ///
    /// # Errors
    /// When the database fails; nothing is removed then.
    pub async fn remove_sent_messages(&self, before: Timestamp, limit: u32) -> Result<u64, AlertsError> {
        const OLD: &str = "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox AS old \
         WHERE sent_at < $1 AND seq < (SELECT MAX(seq) FROM outbox) \
         AND NOT EXISTS (SELECT 1 FROM tickets WHERE tickets.id = old.ticket \
         AND tickets.filed_at IS NOT NULL AND tickets.delivered_at IS NULL) \
         AND NOT EXISTS (SELECT 1 FROM holds WHERE holds.ticket = old.ticket AND released_at IS NULL) \
         ORDER BY sent_at LIMIT $2)";
        self.remove("remove sent messages", OLD, before, limit).await
    }

    /// Does what `statement` says, with `before` and `limit` bound to it; gives how many rows went.
    async fn remove(
        &self,
        doing: &'static str,
        statement: &'static str,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, AlertsError> {
        let failed = self.failed(doing);
        let mut tx = self.begin(doing).await?;
        let removed =
            sqlx::query(statement).bind(before.0).bind(i64::from(limit)).execute(&mut tx).await.map_err(&failed)?;
        self.commit(tx, &failed).await?;
        Ok(removed.rows_affected())
    }

    /// Removes problems that came before this and were told, at most `limit`; gives how many. The newest one stays: the
    /// numbers of the next ones count on from it.
    ///
    /// # Errors
    /// When the database fails; nothing is removed then.
    pub async fn remove_problems(&self, before: Timestamp, limit: u32) -> Result<u64, AlertsError> {
        const OLD: &str = "DELETE FROM problems WHERE seq IN (SELECT seq FROM problems WHERE received_at < $1 \
         AND told_at IS NOT NULL AND seq < (SELECT MAX(seq) FROM problems) ORDER BY received_at LIMIT $2)";
        self.remove("remove old problems", OLD, before, limit).await
    }

    /// Removes tickets that have expired, with all that belongs to them, at most `limit`.
    ///
    /// # Errors
    /// When the database fails or a row is damaged; nothing is removed then.
    pub async fn remove_tickets(&self, kinds: Kinds<'_>, expired: Expired, limit: u32) -> Result<Removed, AlertsError> {
        const DOING: &str = "remove expired tickets";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        let mut query = Sql::new("SELECT id FROM tickets WHERE state <> 'open'");
        match expired {
            Expired::Ended(before) => {
                query.push(" AND (filed_at IS NULL OR delivered_at IS NOT NULL) AND ended_at < ").bind(before.0)
            }
            // What a person has judged is a label, and goes with those that ended.
            Expired::Unfiled(before) => query
                .push(
                    " AND filed_at IS NULL AND (case_data LIKE '%\"judgement\":null%' \
                     OR case_data NOT LIKE '%\"judgement\":%') AND confirmed_at < ",
                )
                .bind(before.0),
        };
        match kinds {
            Kinds::Only(kind) => query.push(" AND kind = ").bind(kind.as_str()),
            Kinds::AllBut([]) => &mut query,
            Kinds::AllBut(kinds) => query.push(" AND kind NOT IN ").bind_all(kinds.iter().map(|kind| kind.as_str())),
        };
        query
            .push(
                " AND NOT EXISTS (SELECT 1 FROM holds WHERE holds.ticket = tickets.id AND released_at IS NULL) \
                 AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.ticket = tickets.id \
                 AND (sent_at IS NULL AND failed_at IS NULL OR seq = (SELECT MAX(seq) FROM outbox))) ORDER BY ",
            )
            .push(match expired {
                Expired::Ended(_) => "ended_at",
                Expired::Unfiled(_) => "confirmed_at",
            })
            .push(" LIMIT ")
            .bind(i64::from(limit));
        let rows = query.query().fetch_all(&mut tx).await.map_err(&failed)?;
        let rows: Vec<_> = rows.iter().map(|row| TicketRow::new(row, "id")).collect::<Result<_, _>>()?;
        if rows.is_empty() {
            return Ok(Removed::default());
        }
        let ids = || rows.iter().map(TicketRow::ticket_id);
        let mut named = Sql::new("SELECT DISTINCT sha256 FROM evidence WHERE ticket IN ");
        named.bind_all(ids());
        let named = named.query().fetch_all(&mut tx).await.map_err(&failed)?;
        for belonging in BELONGINGS {
            let mut query = Sql::new(belonging);
            query.bind_all(ids());
            query.query().execute(&mut tx).await.map_err(&failed)?;
        }
        // A sensor's case without its ticket would be taken for one that was not written yet.
        for of_cases in ["DELETE FROM sensor_cases WHERE ticket IN ", "DELETE FROM sensor_cases WHERE joined IN "] {
            let mut query = Sql::new(of_cases);
            query.bind_all(ids());
            query.query().execute(&mut tx).await.map_err(&failed)?;
        }
        let mut query = Sql::new("DELETE FROM tickets WHERE id IN ");
        query.bind_all(ids());
        query.query().execute(&mut tx).await.map_err(&failed)?;
        let removed = Removed {
            tickets: rows.iter().map(TicketRow::to_id).collect::<Result<_, _>>()?,
            // One that does not read back is no file's name.
            evidence: named.iter().filter_map(|row| row.try_get::<&str, _>(0).ok()?.parse().ok()).collect(),
        };
        self.commit(tx, &failed).await?;
        Ok(removed)
    }

    /// Those of these digests that no ticket's evidence has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unnamed(&self, mut digests: Vec<Sha256>) -> Result<Vec<Sha256>, AlertsError> {
        let failed = self.failed("look evidence up");
        for chunk in digests.clone().chunks(256) {
            let mut query = Sql::new("SELECT DISTINCT sha256 FROM evidence WHERE sha256 IN ");
            query.bind_all(chunk.iter().map(ToString::to_string));
            let rows = query.query().fetch_all(&self.readers).await.map_err(&failed)?;
            let named: Vec<Sha256> =
                rows.iter().filter_map(|row| row.try_get::<&str, _>(0).ok()?.parse().ok()).collect();
            digests.retain(|digest| !named.contains(digest));
        }
        Ok(digests)
    }
}

async fn in_force(connection: &mut Session, ticket: TicketId) -> Result<bool, sqlx::Error> {
    let held: Option<i64> = sqlx::query_scalar("SELECT held_at FROM holds WHERE ticket = $1 AND released_at IS NULL")
        .bind(ticket.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(held.is_some())
}
