//! The outbox: messages that are on disk before they are sent, and stay there until the broker has acknowledged them.

use domain::{TicketId, Timestamp};
use sqlx::{
    Any,
    any::{AnyArguments, AnyRow},
    query::Query,
};
use tokio::sync::watch;

use super::{
    Database, PUBLISHING, Store, connection,
    row::{TicketRow, json},
    session::Session,
    sql::Sql,
};
use crate::{
    AlertsError,
    ticket::{Body, OutgoingMessage, Queued},
};

/// What a message does for its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Makes it known.
    Open,
    /// Says that a light of its case changed.
    Light,
    /// Says what became of it.
    Case,
    /// Makes it known again, for want of an answer.
    Resend,
    /// Is a zero report, of no ticket.
    ZeroReport,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Light => "light",
            Self::Case => "case",
            Self::Resend => "resend",
            Self::ZeroReport => "zero_report",
        }
    }
}

/// A message that was refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The message.
    pub queued: Queued,
    /// When it was refused.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// Puts messages at the end of the outbox. The caller's transaction holds the write lock, so no two take one place.
pub(super) async fn enqueue(
    connection: &mut Session,
    ticket: impl Into<Option<TicketId>>,
    purpose: Purpose,
    messages: &[OutgoingMessage],
) -> Result<(), sqlx::Error> {
    let ticket = ticket.into();
    for message in messages {
        let (body, evidence) = match &message.body {
            Body::Inline(bytes) => (Some(bytes.as_ref()), None),
            Body::Evidence(digest) => (None, Some(digest.to_string())),
        };
        sqlx::query(
            "INSERT INTO outbox (seq, ticket, purpose, topic, content_type, properties, body, evidence, expires_after) \
             VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM outbox), $1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(ticket.map(|ticket| ticket.to_string()))
        .bind(purpose.as_str())
        .bind(&message.topic)
        .bind(&message.content_type)
        .bind(json(&message.properties))
        .bind(body)
        .bind(evidence)
        .bind(message.expires_after.map(|m| m.0))
        .execute(&mut *connection)
        .await?;
        connection.queued += 1;
    }
    Ok(())
}

/// How many messages one statement marks.
const AT_ONCE: usize = 256;

/// The numbers, the last one repeated up to a power of two, so that a few statements serve all counts.
fn rounded_up(seqs: &[i64]) -> impl Iterator<Item = i64> {
    let last = seqs.last().copied().unwrap_or_default();
    seqs.iter().copied().chain(std::iter::repeat(last)).take(seqs.len().next_power_of_two())
}

impl Store {
    /// The next messages to send, in order: those after `after_seq` that were neither sent nor refused. On a server
    /// only one process at a time gets any: two would send each ticket twice.
    ///
    /// # Errors
    /// When the database fails, a row is damaged, or another process has the outbox ([`AlertsError::OutboxTaken`]).
    pub async fn outbox_next(&self, after_seq: i64, limit: u32) -> Result<Vec<Queued>, AlertsError> {
        let query = sqlx::query(
            "SELECT seq, ticket, topic, content_type, properties, body, evidence, expires_after FROM outbox \
             WHERE seq > $1 AND sent_at IS NULL AND failed_at IS NULL ORDER BY seq LIMIT $2",
        )
        .bind(after_seq)
        .bind(i64::from(limit));
        let rows = match self.database() {
            // Whoever has the data folder has the file.
            Database::File(_) => query.fetch_all(&self.readers).await.map_err(self.failed("read the outbox"))?,
            Database::Server(_) => self.fetch_as_publisher(query).await?,
        };
        rows.iter().map(|row| TicketRow::new(row, "ticket")?.to_queued()).collect()
    }

    /// Makes this process the one that empties the outbox, until the store is closed. Where the session is lost, the
    /// next [`outbox_next`](Self::outbox_next) tries to become it again.
    ///
    /// # Errors
    /// When the database fails, or another process has the outbox ([`AlertsError::OutboxTaken`]).
    pub async fn claim_outbox(&self) -> Result<(), AlertsError> {
        if let Database::File(_) = self.database() {
            return Ok(());
        }
        let mut session = self.publishing.lock().await;
        if session.is_none() {
            *session = Some(self.claim().await?);
        }
        Ok(())
    }

    /// A session that holds the lock; it lets go of it when it ends, however it ends.
    async fn claim(&self) -> Result<Session, AlertsError> {
        const DOING: &str = "claim the outbox";
        let failed = self.failed(DOING);
        let mut session = Session::new(connection(self.database()).await?, self.database.patience());
        let claimed: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(PUBLISHING)
            .fetch_one(&mut session)
            .await
            .map_err(&failed)?;
        if claimed {
            return Ok(session);
        }
        let holder: Option<String> = sqlx::query_scalar(
            "SELECT application_name || ' at ' || COALESCE(host(client_addr), 'this machine') \
             FROM pg_locks JOIN pg_stat_activity USING (pid) \
             WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
             AND classid::BIGINT = $1 AND objid::BIGINT = $2 LIMIT 1",
        )
        .bind(PUBLISHING >> 32)
        .bind(PUBLISHING & 0xffff_ffff)
        .fetch_optional(&mut session)
        .await
        .map_err(&failed)?;
        session.close().await;
        let holder = holder.unwrap_or_else(|| "another gridwatch".to_owned());
        Err(AlertsError::OutboxTaken { database: self.database().to_string(), holder })
    }

    /// Reads on the session that holds the outbox.
    async fn fetch_as_publisher(&self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>, AlertsError> {
        let mut slot = self.publishing.lock().await;
        let mut session = match slot.take() {
            Some(session) => session,
            None => self.claim().await?,
        };
        // A session that failed is not put back: the next call makes a new one.
        let rows = query.fetch_all(&mut session).await.map_err(self.failed("read the outbox"))?;
        *slot = Some(session);
        Ok(rows)
    }

    /// Writes that the broker has acknowledged these messages. A ticket is delivered at the moment when the last of
    /// the messages that open it is sent.
    ///
    /// # Errors
    /// When the database fails; nothing is written then, and the call may be repeated.
    pub async fn outbox_sent(&self, seqs: &[i64], at: Timestamp) -> Result<(), AlertsError> {
        const DOING: &str = "write that messages were sent";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        for seqs in seqs.chunks(AT_ONCE) {
            let mut sent = Sql::new("UPDATE outbox SET failed_at = NULL, failure = NULL, sent_at = ");
            sent.bind(at.0).push(" WHERE sent_at IS NULL AND seq IN ").bind_all(rounded_up(seqs));
            sent.query().execute(&mut tx).await.map_err(&failed)?;
            let mut delivered = Sql::new("UPDATE tickets SET delivered_at = ");
            delivered
                .bind(at.0)
                .push(" WHERE delivered_at IS NULL AND id IN (SELECT ticket FROM outbox WHERE purpose = 'open' AND seq IN ")
                .bind_all(rounded_up(seqs))
                .push(
                    ") AND NOT EXISTS (SELECT 1 FROM outbox AS other WHERE other.ticket = tickets.id \
                     AND other.purpose = 'open' AND other.sent_at IS NULL)",
                );
            delivered.query().execute(&mut tx).await.map_err(&failed)?;
        }
        self.commit(tx, &failed).await
    }

    /// Writes that a message was refused for good, such as one too large for the broker. It is kept and counted, its
    /// ticket stays undelivered, and the messages after it go on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_failed(&self, seq: i64, reason: &str, at: Timestamp) -> Result<(), AlertsError> {
        sqlx::query("UPDATE outbox SET failed_at = $1, failure = $2 WHERE seq = $3 AND sent_at IS NULL")
            .bind(at.0)
            .bind(reason)
            .bind(seq)
            .execute(&self.writer)
            .await
            .map_err(self.failed("write that a message was refused"))?;
        Ok(())
    }

    /// The last messages that were refused for good, newest first.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn outbox_refused(&self, limit: u32) -> Result<Vec<Refused>, AlertsError> {
        let rows = sqlx::query(
            "SELECT seq, ticket, topic, content_type, properties, body, evidence, expires_after, failed_at, failure \
             FROM outbox WHERE failed_at IS NOT NULL ORDER BY seq DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("read refused messages"))?;
        rows.iter().map(|row| TicketRow::new(row, "ticket")?.to_refused()).collect()
    }

    /// Changes each time that messages are put into the outbox; what the publisher waits on when it has sent all.
    #[must_use]
    pub fn outbox_changed(&self) -> watch::Receiver<u64> {
        self.outbox.subscribe()
    }

    /// Has all that a transaction wrote on disk, and tells whoever sends of the messages among it.
    pub(super) async fn commit(
        &self,
        tx: Session,
        failed: impl Fn(sqlx::Error) -> AlertsError,
    ) -> Result<(), AlertsError> {
        let queued = tx.queued as u64;
        tx.commit().await.map_err(failed)?;
        if queued > 0 {
            self.outbox.send_modify(|n| *n = n.wrapping_add(queued));
        }
        Ok(())
    }
}
