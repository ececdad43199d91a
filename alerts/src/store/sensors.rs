//! What sensors said, what is remembered of them, and the cases that came of it.

use std::collections::BTreeMap;

use domain::{DeviceId, TicketId, Timestamp};
use sqlx::Row as _;

use super::{
    Store,
    outbox::{Purpose, enqueue},
    row::{TicketRow, json},
    tickets::{insert_evidence, must_be_known},
};
use crate::{
    AlertsError,
    error::Source,
    incident::{Ending, Sensed},
    rules::SensedStand,
    sensor::{Memory, Noted},
    service::SensedCase,
    ticket::{Evidence, OutgoingMessage},
};

/// What is written of sensors at one time, all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SensorBatch {
    /// What is remembered of devices from now on.
    pub memories: BTreeMap<DeviceId, Memory>,
    /// Readings for the history: device, measure, value and time.
    pub readings: Vec<(DeviceId, String, Noted)>,
    /// Cases that came about.
    pub opened: Vec<SensedCase>,
    /// Cases that are over: which, when that was found, when it was last seen.
    pub cleared: Vec<(TicketId, Timestamp, Timestamp)>,
}

impl SensorBatch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A case of a sensor that was on its way when the process ended.
#[derive(Debug, Clone, PartialEq)]
pub struct UnfinishedCase {
    /// Its ticket.
    pub ticket: TicketId,
    /// All that the ticket says.
    pub opening: SensedCase,
    /// Whether its ticket is written.
    pub is_open: bool,
    /// When it was found to be over, and when it was last seen.
    pub cleared: Option<(Timestamp, Timestamp)>,
}

impl Store {
    /// Writes a batch in one transaction.
    ///
    /// # Errors
    /// When the database fails; nothing is written then, and the call may be repeated.
    pub async fn write_sensors(&self, batch: &SensorBatch) -> Result<(), AlertsError> {
        const DOING: &str = "write readings of sensors";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        for (device, memory) in &batch.memories {
            sqlx::query(
                "INSERT INTO sensor_memories (device, memory) VALUES ($1, $2) \
                 ON CONFLICT (device) DO UPDATE SET memory = excluded.memory",
            )
            .bind(device.as_str())
            .bind(json(memory))
            .execute(&mut tx)
            .await
            .map_err(&failed)?;
        }
        for (device, measure, noted) in &batch.readings {
            sqlx::query(
                "INSERT INTO sensor_readings (device, measure, at, value) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (device, measure, at) DO NOTHING",
            )
            .bind(device.as_str())
            .bind(measure)
            .bind(noted.at.0)
            .bind(noted.value)
            .execute(&mut tx)
            .await
            .map_err(&failed)?;
        }
        for case in &batch.opened {
            let device = case.incident.sensed.as_ref().map_or("", |sensed| sensed.device.as_str());
            sqlx::query(
                "INSERT INTO sensor_cases (ticket, device, opening, opened_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (ticket) DO NOTHING",
            )
            .bind(case.incident.ticket.to_string())
            .bind(device)
            .bind(json(case))
            .bind(case.incident.confirmed_at.0)
            .execute(&mut tx)
            .await
            .map_err(&failed)?;
        }
        for (ticket, cleared_at, last_seen) in &batch.cleared {
            sqlx::query("UPDATE sensor_cases SET cleared_at = $1, last_seen = $2 WHERE ticket = $3")
                .bind(cleared_at.0)
                .bind(last_seen.0)
                .bind(ticket.to_string())
                .execute(&mut tx)
                .await
                .map_err(&failed)?;
        }
        self.commit(tx, &failed).await
    }

    /// What is remembered of each device. A memory that an older gridwatch wrote in another form is left out, and the
    /// device is learnt anew.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sensor_memories(&self) -> Result<Vec<(DeviceId, Memory)>, AlertsError> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT device, memory FROM sensor_memories ORDER BY device")
            .fetch_all(&self.readers)
            .await
            .map_err(self.failed("read what is remembered of sensors"))?;
        let memory = |(device, memory): (String, String)| {
            let read = serde_json::from_str(&memory);
            if let Err(error) = &read {
                tracing::warn!(device, %error, "what is remembered of a sensor does not read back; it is learnt anew");
            }
            Some((device.parse().ok()?, read.ok()?))
        };
        Ok(rows.into_iter().filter_map(memory).collect())
    }

    /// Cases whose ticket was not written, or not cleared, before the process ended, oldest first.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn unfinished_sensor_cases(&self) -> Result<Vec<UnfinishedCase>, AlertsError> {
        let failed = self.failed("read the cases of sensors");
        let rows = sqlx::query(
            "SELECT c.ticket AS ticket, c.opening AS opening, c.cleared_at AS cleared_at, c.last_seen AS last_seen, \
             t.id AS written FROM sensor_cases c LEFT JOIN tickets t ON t.id = COALESCE(c.joined, c.ticket) \
             WHERE t.id IS NULL OR (c.cleared_at IS NOT NULL AND t.cleared_at IS NULL AND t.ended_at IS NULL) ORDER BY c.opened_at, c.ticket",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(&failed)?;
        let mut cases = Vec::with_capacity(rows.len());
        for row in rows {
            let ticket: String = row.try_get("ticket").map_err(&failed)?;
            let damaged =
                |column: &'static str, source: Source| AlertsError::Row { ticket: ticket.clone(), column, source };
            let opening: String = row.try_get("opening").map_err(&failed)?;
            let cleared_at: Option<i64> = row.try_get("cleared_at").map_err(&failed)?;
            let last_seen: Option<i64> = row.try_get("last_seen").map_err(&failed)?;
            let written: Option<String> = row.try_get("written").map_err(&failed)?;
            cases.push(UnfinishedCase {
                opening: serde_json::from_str(&opening).map_err(|error| damaged("opening", error.into()))?,
                is_open: written.is_some(),
                cleared: cleared_at.zip(last_seen).map(|(at, seen)| (Timestamp(at), Timestamp(seen))),
                ticket: ticket.parse::<TicketId>().map_err(|error| damaged("ticket", error.into()))?,
            });
        }
        Ok(cases)
    }

    /// Cases of sensors whose ticket, their own or that of a camera, was rejected or closed and whose problem was not seen to be
    /// gone since, and when.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn ended_sensor_cases(&self) -> Result<Vec<(TicketId, Ending, Timestamp)>, AlertsError> {
        let rows = sqlx::query(
            "SELECT c.ticket AS id, t.case_state AS case_state, t.ended_at AS ended_at FROM sensor_cases c \
             JOIN tickets t ON t.id = COALESCE(c.joined, c.ticket) \
             WHERE t.ended_at IS NOT NULL AND t.cleared_at IS NULL ORDER BY t.ended_at, c.ticket",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("read the ended cases of sensors"))?;
        rows.iter().map(|row| TicketRow::new(row, "id")?.to_end()).collect()
    }

    /// Cases of sensors whose tickets were not cleared, or not by the sensor's word, for the rules to take up after a start.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn standing_sensor_cases(&self) -> Result<Vec<SensedStand>, AlertsError> {
        let failed = self.failed("read the standing cases of sensors");
        let rows = sqlx::query(
            "SELECT t.id AS id, c.opening AS opening, c.cleared_at AS over_at, c.last_seen AS over_seen, \
             t.case_state AS case_state, t.ended_at AS ended_at, t.cleared_at AS gone_at FROM sensor_cases c \
             JOIN tickets t ON t.id = COALESCE(c.joined, c.ticket) \
             WHERE t.cleared_at IS NULL OR (c.cleared_at IS NULL AND t.ended_at IS NULL) ORDER BY c.opened_at, c.ticket",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(&failed)?;
        let mut stands = Vec::with_capacity(rows.len());
        for row in &rows {
            let ticket = TicketRow::new(row, "id")?;
            let id: TicketId = ticket.to_id()?;
            let opening: String = row.try_get("opening").map_err(&failed)?;
            let case: SensedCase = serde_json::from_str(&opening).map_err(|error| AlertsError::Row {
                ticket: id.to_string(),
                column: "opening",
                source: error.into(),
            })?;
            let ended_at: Option<i64> = row.try_get("ended_at").map_err(&failed)?;
            let over_at: Option<i64> = row.try_get("over_at").map_err(&failed)?;
            let gone_at: Option<i64> = row.try_get("gone_at").map_err(&failed)?;
            let over_seen: Option<i64> = row.try_get("over_seen").map_err(&failed)?;
            let Some(place) = case.place() else { continue };
            stands.push(SensedStand {
                place,
                ticket: id,
                last_held: over_seen.map_or(case.incident.last_seen, Timestamp),
                is_over: over_at.is_some(),
                is_cleared: gone_at.is_some(),
                ending: ended_at.map(|_| ticket.to_end()).transpose()?.map(|(_, ending, _)| ending),
            });
        }
        Ok(stands)
    }

    /// Writes that the ticket of a camera tells of a sensor's case, too, with the pictures of it and the messages that tell so,
    /// all in one transaction.
    ///
    /// # Errors
    /// When there is no such ticket or the database fails; nothing is written then, and the call may be repeated.
    pub async fn join_sensor(
        &self,
        case: TicketId,
        ticket: TicketId,
        evidence: &[Evidence],
        messages: &[OutgoingMessage],
    ) -> Result<(), AlertsError> {
        const DOING: &str = "write that a sensor shows a ticket's problem";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        must_be_known(&mut tx, ticket, &failed).await?;
        sqlx::query("UPDATE sensor_cases SET joined = $1 WHERE ticket = $2")
            .bind(ticket.to_string())
            .bind(case.to_string())
            .execute(&mut tx)
            .await
            .map_err(&failed)?;
        insert_evidence(&mut tx, ticket, evidence).await.map_err(&failed)?;
        enqueue(&mut tx, ticket, Purpose::Case, messages).await.map_err(&failed)?;
        self.commit(tx, &failed).await?;
        // It may have been closed meanwhile.
        self.sensors_ended.notify_one();
        Ok(())
    }

    /// What sensors showed of the problem of a ticket that a camera opened, oldest first.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn joined_sensors(&self, ticket: TicketId) -> Result<Vec<Sensed>, AlertsError> {
        let openings: Vec<String> =
            sqlx::query_scalar("SELECT opening FROM sensor_cases WHERE joined = $1 ORDER BY opened_at, ticket")
                .bind(ticket.to_string())
                .fetch_all(&self.readers)
                .await
                .map_err(self.failed("read the sensors of a ticket"))?;
        let sensed = |opening: &String| match serde_json::from_str::<SensedCase>(opening) {
            Ok(case) => Ok(case.incident.sensed.map(|sensed| *sensed)),
            Err(error) => Err(AlertsError::Row { ticket: ticket.to_string(), column: "opening", source: error.into() }),
        };
        openings.iter().filter_map(|opening| sensed(opening).transpose()).collect()
    }

    /// The newest readings of one device, all measures, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sensor_readings(&self, device: &DeviceId, limit: u32) -> Result<Vec<(String, Noted)>, AlertsError> {
        let rows: Vec<(String, i64, f64)> = sqlx::query_as(
            "SELECT measure, at, value FROM sensor_readings WHERE device = $1 ORDER BY at DESC, measure LIMIT $2",
        )
        .bind(device.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(self.failed("read the readings of a sensor"))?;
        Ok(rows.into_iter().map(|(measure, at, value)| (measure, Noted { at: Timestamp(at), value })).collect())
    }

    /// Forgets readings from before `before`, and cases whose ticket was cleared before `ended`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_sensor_readings(&self, before: Timestamp, ended: Timestamp) -> Result<(), AlertsError> {
        const DOING: &str = "forget old readings of sensors";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        sqlx::query("DELETE FROM sensor_readings WHERE at < $1")
            .bind(before.0)
            .execute(&mut tx)
            .await
            .map_err(&failed)?;
        sqlx::query(
            "DELETE FROM sensor_cases WHERE cleared_at < $1 \
             AND COALESCE(joined, ticket) IN (SELECT id FROM tickets WHERE cleared_at IS NOT NULL OR ended_at IS NOT NULL)",
        )
        .bind(ended.0)
        .execute(&mut tx)
        .await
        .map_err(&failed)?;
        self.commit(tx, &failed).await
    }
}
