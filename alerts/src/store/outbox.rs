//! The outbox: messages that are on disk before they are sent, and stay there until the broker has acknowledged them.

use domain::{TicketId, Timestamp};
use sqlx::SqliteConnection;
use tokio::sync::watch;

use super::{
    Store,
    row::{TicketRow, json},
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
    /// Says that its problem is gone.
    Clear,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Clear => "clear",
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
    connection: &mut SqliteConnection,
    ticket: TicketId,
    purpose: Purpose,
    messages: &[OutgoingMessage],
) -> Result<(), sqlx::Error> {
    for message in messages {
        let (body, evidence) = match &message.body {
            Body::Inline(bytes) => (Some(bytes.as_ref()), None),
            Body::Evidence(digest) => (None, Some(digest.to_string())),
        };
        sqlx::query(
            "INSERT INTO outbox (seq, ticket, purpose, topic, content_type, properties, body, evidence, expires_after) \
             VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM outbox), $1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(ticket.to_string())
        .bind(purpose.as_str())
        .bind(&message.topic)
        .bind(&message.content_type)
        .bind(json(&message.properties))
        .bind(body)
        .bind(evidence)
        .bind(message.expires_after.map(|m| m.0))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

impl Store {
    /// The next messages to send, in order: those after `after_seq` that were neither sent nor refused.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn outbox_next(&self, after_seq: i64, limit: u32) -> Result<Vec<Queued>, AlertsError> {
        let rows = sqlx::query(
            "SELECT seq, ticket, topic, content_type, properties, body, evidence, expires_after FROM outbox \
             WHERE seq > $1 AND sent_at IS NULL AND failed_at IS NULL ORDER BY seq LIMIT $2",
        )
        .bind(after_seq)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("read the outbox"))?;
        rows.iter().map(|row| TicketRow::new(row, "ticket")?.to_queued()).collect()
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
        for seq in seqs {
            sqlx::query(
                "UPDATE outbox SET sent_at = $1, failed_at = NULL, failure = NULL WHERE seq = $2 AND sent_at IS NULL",
            )
            .bind(at.0)
            .bind(seq)
            .execute(&mut *tx)
            .await
            .map_err(&failed)?;
            sqlx::query(
                "UPDATE tickets SET delivered_at = $1 WHERE delivered_at IS NULL \
                 AND id = (SELECT ticket FROM outbox WHERE seq = $2 AND purpose = 'open') \
                 AND NOT EXISTS (SELECT 1 FROM outbox AS other WHERE other.ticket = tickets.id \
                 AND other.purpose = 'open' AND other.sent_at IS NULL)",
            )
            .bind(at.0)
            .bind(seq)
            .execute(&mut *tx)
            .await
            .map_err(&failed)?;
        }
        tx.commit().await.map_err(&failed)
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

    pub(super) fn outbox_grew(&self, by: usize) {
        if by > 0 {
            self.outbox.send_modify(|n| *n = n.wrapping_add(by as u64));
        }
    }
}
