//! Where on their views cameras see the problems of tickets.

use domain::{CameraId, Rect, TicketId, Timestamp, ZoneId};

use super::{
    Store,
    outbox::{Purpose, enqueue},
    tickets::insert_evidence,
};
use crate::{
    AlertsError,
    ticket::{Evidence, OutgoingMessage},
};

/// A sight of a problem whose ticket is open.
#[derive(Debug, Clone, PartialEq)]
pub struct Touch {
    /// By which camera.
    pub camera: CameraId,
    /// In which zone of its view.
    pub zone: ZoneId,
    /// When.
    pub last_seen: Timestamp,
    /// Where.
    pub bbox: Rect,
}

/// A further camera that sees the problem of a ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenFrom {
    /// Which.
    pub camera: CameraId,
    /// In which zone of its view.
    pub zone: ZoneId,
    /// Where on its view.
    pub bbox: Rect,
    /// Since when.
    pub first_seen: Timestamp,
    /// Until when, so far.
    pub last_seen: Timestamp,
}

impl Store {
    /// Writes that a further camera sees a ticket's problem, with its pictures and the messages that tell of it, all in one
    /// transaction.
    ///
    /// # Errors
    /// When there is no such ticket or the database fails; nothing is written then, and the call may be repeated.
    pub async fn join_view(
        &self,
        ticket: TicketId,
        seen: &SeenFrom,
        evidence: &[Evidence],
        messages: &[OutgoingMessage],
    ) -> Result<(), AlertsError> {
        const DOING: &str = "write that another camera sees a ticket's problem";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        let known: Option<i32> = sqlx::query_scalar("SELECT 1 FROM tickets WHERE id = $1")
            .bind(ticket.to_string())
            .fetch_optional(&mut tx)
            .await
            .map_err(&failed)?;
        if known.is_none() {
            return Err(AlertsError::UnknownTicket(ticket));
        }
        sqlx::query(
            "INSERT INTO ticket_views (ticket, camera, zone, first_seen, last_seen, x0, y0, x1, y1) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (ticket, camera) DO UPDATE SET \
             zone = excluded.zone, last_seen = excluded.last_seen, x0 = excluded.x0, y0 = excluded.y0, \
             x1 = excluded.x1, y1 = excluded.y1",
        )
        .bind(ticket.to_string())
        .bind(seen.camera.as_str())
        .bind(seen.zone.as_str())
        .bind(seen.first_seen.0)
        .bind(seen.last_seen.0)
        .bind(f64::from(seen.bbox.x0))
        .bind(f64::from(seen.bbox.y0))
        .bind(f64::from(seen.bbox.x1))
        .bind(f64::from(seen.bbox.y1))
        .execute(&mut tx)
        .await
        .map_err(&failed)?;
        insert_evidence(&mut tx, ticket, evidence).await.map_err(&failed)?;
        enqueue(&mut tx, ticket, Purpose::Case, messages).await.map_err(&failed)?;
        self.commit(tx, &failed).await
    }

    /// Writes when and where the problems of open tickets were seen again, all in one transaction; an older sight than
    /// the one written is ignored.
    ///
    /// # Errors
    /// When the database fails; nothing is written then.
    pub async fn touch(&self, touches: &[(TicketId, Touch)]) -> Result<(), AlertsError> {
        const DOING: &str = "update tickets";
        if touches.is_empty() {
            return Ok(());
        }
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        for (ticket, Touch { camera, zone, last_seen, bbox }) in touches {
            // The ticket's own camera says where on its view, unless a sensor opened it. Another one, where on its; one that came to see a place while
            // its ticket was closed is known from now on.
            let statements = [
                "UPDATE tickets SET last_seen = $1, x0 = $2, y0 = $3, x1 = $4, y1 = $5 \
                 WHERE id = $6 AND camera = $7 AND $8 <> '' AND state = 'open' AND last_seen < $1",
                "INSERT INTO ticket_views (last_seen, x0, y0, x1, y1, ticket, camera, zone, first_seen) \
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $1 \
                 WHERE EXISTS (SELECT 1 FROM tickets WHERE id = $6 AND state = 'open' \
                 AND (camera <> $7 OR id IN (SELECT ticket FROM sensor_cases))) \
                 ON CONFLICT (ticket, camera) DO UPDATE SET last_seen = excluded.last_seen, zone = excluded.zone, \
                 x0 = excluded.x0, y0 = excluded.y0, x1 = excluded.x1, y1 = excluded.y1 \
                 WHERE ticket_views.last_seen < excluded.last_seen",
            ];
            for statement in statements {
                sqlx::query(statement)
                    .bind(last_seen.0)
                    .bind(f64::from(bbox.x0))
                    .bind(f64::from(bbox.y0))
                    .bind(f64::from(bbox.x1))
                    .bind(f64::from(bbox.y1))
                    .bind(ticket.to_string())
                    .bind(camera.as_str())
                    .bind(zone.as_str())
                    .execute(&mut tx)
                    .await
                    .map_err(&failed)?;
            }
            sqlx::query("UPDATE tickets SET last_seen = $1 WHERE id = $2 AND state = 'open' AND last_seen < $1")
                .bind(last_seen.0)
                .bind(ticket.to_string())
                .execute(&mut tx)
                .await
                .map_err(&failed)?;
        }
        self.commit(tx, &failed).await
    }
}
