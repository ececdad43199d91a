//! Looks by camera and day, and the zero reports that they prove.

use std::collections::{BTreeMap, BTreeSet};

use domain::{CameraId, Kind, Millis, StationId, TicketId, Timestamp};
use jiff::civil::Date;
use sqlx::Row as _;

use super::{
    Store,
    outbox::{Purpose, enqueue},
    row::{json, word},
};
use crate::{
    AlertsError,
    case::State,
    error::Source,
    ticket::{CameraInfo, OutgoingMessage},
    zero_report::{LookDay, Sighted, ZeroReport},
};

/// Since when a camera is to be looked at, and when it last was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchMark {
    /// Since when.
    pub since: Timestamp,
    /// When it last was.
    pub last_look: Option<Timestamp>,
}

impl Store {
    /// From `now` on these cameras are to be looked at, those that were so before as before; and what is known of each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_watched(
        &self,
        cameras: &[CameraId],
        now: Timestamp,
    ) -> Result<BTreeMap<CameraId, WatchMark>, AlertsError> {
        const DOING: &str = "write which cameras are watched";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        for camera in cameras {
            // A first start under a clock that was ahead must not excuse the camera until then.
            sqlx::query(
                "INSERT INTO look_marks (camera, since) VALUES ($1, $2) ON CONFLICT (camera) DO UPDATE SET \
                 since = CASE WHEN look_marks.since > excluded.since THEN excluded.since ELSE look_marks.since END",
            )
            .bind(camera.as_str())
            .bind(now.0)
            .execute(&mut tx)
            .await
            .map_err(&failed)?;
        }
        self.commit(tx, &failed).await?;
        self.watched_since(cameras).await
    }

    /// What is known of the watch over these cameras.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn watched_since(&self, cameras: &[CameraId]) -> Result<BTreeMap<CameraId, WatchMark>, AlertsError> {
        let failed = self.failed("read which cameras are watched");
        let rows = sqlx::query("SELECT camera, since, last_look FROM look_marks")
            .fetch_all(&self.readers)
            .await
            .map_err(&failed)?;
        let wanted: BTreeMap<&str, &CameraId> = cameras.iter().map(|camera| (camera.as_str(), camera)).collect();
        let mut marks = BTreeMap::new();
        for row in &rows {
            let camera: String = row.try_get("camera").map_err(&failed)?;
            let Some(camera) = wanted.get(camera.as_str()) else { continue };
            let since = Timestamp(row.try_get("since").map_err(&failed)?);
            let last_look: Option<i64> = row.try_get("last_look").map_err(&failed)?;
            marks.insert((*camera).clone(), WatchMark { since, last_look: last_look.map(Timestamp) });
        }
        Ok(marks)
    }

    /// Adds looks to what is written of their cameras and days, all in one transaction.
    ///
    /// # Errors
    /// When the database fails; nothing is written then.
    pub async fn add_look_days(&self, days: &[LookDay]) -> Result<(), AlertsError> {
        const DOING: &str = "write how often cameras were looked at";
        if days.is_empty() {
            return Ok(());
        }
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        for LookDay { camera, day, looks, covered, last_look } in days {
            sqlx::query(
                "INSERT INTO look_days (camera, day, looks, covered) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (camera, day) DO UPDATE SET looks = look_days.looks + excluded.looks, \
                 covered = look_days.covered + excluded.covered",
            )
            .bind(camera.as_str())
            .bind(day.to_string())
            .bind(i64::try_from(*looks).unwrap_or(i64::MAX))
            .bind(covered.0)
            .execute(&mut tx)
            .await
            .map_err(&failed)?;
            sqlx::query("UPDATE look_marks SET last_look = $1 WHERE camera = $2")
                .bind(last_look.0)
                .bind(camera.as_str())
                .execute(&mut tx)
                .await
                .map_err(&failed)?;
        }
        self.commit(tx, &failed).await
    }

    /// Looks made on a day and the time that they vouch for, by camera.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look_days(&self, day: Date) -> Result<BTreeMap<CameraId, (u64, Millis)>, AlertsError> {
        let failed = self.failed("read how often cameras were looked at");
        let rows = sqlx::query("SELECT camera, looks, covered FROM look_days WHERE day = $1")
            .bind(day.to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(&failed)?;
        let mut days = BTreeMap::new();
        for row in &rows {
            let camera: String = row.try_get("camera").map_err(&failed)?;
            let looks: i64 = row.try_get("looks").map_err(&failed)?;
            let covered: i64 = row.try_get("covered").map_err(&failed)?;
            if let Ok(camera) = camera.parse() {
                days.insert(camera, (looks.unsigned_abs(), Millis(covered)));
            }
        }
        Ok(days)
    }

    /// Tickets whose problem stood at some moment from `from` to before `to`, whenever they opened, the oldest first. Those that
    /// were rejected tell of no problem.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn tickets_sighted(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Sighted>, AlertsError> {
        let failed = self.failed("read the tickets of a day");
        let rows = sqlx::query(
            "SELECT t.id, t.kind, t.camera, t.camera_info, v.camera AS further FROM tickets t \
             LEFT JOIN ticket_views v ON v.ticket = t.id \
             WHERE t.confirmed_at < $2 AND t.case_state <> $3 AND (t.confirmed_at >= $1 OR t.cleared_at >= $1 \
             OR (t.cleared_at IS NULL AND (t.ended_at IS NULL OR t.ended_at >= $1))) \
             ORDER BY t.confirmed_at, t.id, v.camera",
        )
        .bind(from.0)
        .bind(to.0)
        .bind(word(State::Rejected))
        .fetch_all(&self.readers)
        .await
        .map_err(&failed)?;
        let mut tickets: Vec<Sighted> = Vec::with_capacity(rows.len());
        for row in &rows {
            let text = |column: &'static str| row.try_get::<String, _>(column).map_err(&failed);
            let id = text("id")?;
            let damaged =
                |column: &'static str, source: Source| AlertsError::Row { ticket: id.clone(), column, source };
            let camera = |column: &'static str, name: String| {
                name.parse::<CameraId>().map_err(|error| damaged(column, error.into()))
            };
            let ticket = id.parse::<TicketId>().map_err(|error| damaged("id", error.into()))?;
            if tickets.last().is_none_or(|last| last.ticket != ticket) {
                let info: CameraInfo = serde_json::from_str(&text("camera_info")?)
                    .map_err(|error| damaged("camera_info", error.into()))?;
                tickets.push(Sighted {
                    ticket,
                    kind: text("kind")?.parse::<Kind>().map_err(|error| damaged("kind", error.into()))?,
                    cameras: vec![camera("camera", text("camera")?)?],
                    grid: info.place.map(|place| place.grid),
                });
            }
            let further: Option<String> = row.try_get("further").map_err(&failed)?;
            if let (Some(ticket), Some(further)) = (tickets.last_mut(), further) {
                let further = camera("further", further)?;
                // The camera of a sensor's ticket may have come to see its problem, too.
                if !ticket.cameras.contains(&further) {
                    ticket.cameras.push(further);
                }
            }
        }
        Ok(tickets)
    }

    /// Which stations' reports of which days are there, from a day on. What a clock made that was ahead of `now` does
    /// not count: it reported a day that had not been yet.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn zero_report_days(
        &self,
        from: Date,
        now: Timestamp,
    ) -> Result<BTreeSet<(StationId, Date)>, AlertsError> {
        let failed = self.failed("read which zero reports are there");
        let rows = sqlx::query("SELECT station, day FROM zero_reports WHERE day >= $1 AND made_at <= $2")
            .bind(from.to_string())
            .bind(now.0)
            .fetch_all(&self.readers)
            .await
            .map_err(&failed)?;
        let mut days = BTreeSet::new();
        for row in &rows {
            let station: String = row.try_get("station").map_err(&failed)?;
            let day: String = row.try_get("day").map_err(&failed)?;
            if let (Ok(station), Ok(day)) = (station.parse(), day.parse()) {
                days.insert((station, day));
            }
        }
        Ok(days)
    }

    /// Writes a report and the message that carries it, in one transaction, in place of one that a clock made that was
    /// ahead. One that was made before stays.
    ///
    /// # Errors
    /// When the database fails; nothing is written then.
    pub async fn add_zero_report(&self, report: &ZeroReport, message: &OutgoingMessage) -> Result<(), AlertsError> {
        const DOING: &str = "write a zero report";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        let written = sqlx::query(
            "INSERT INTO zero_reports (station, day, made_at, report) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (station, day) DO UPDATE SET made_at = excluded.made_at, report = excluded.report \
             WHERE zero_reports.made_at > excluded.made_at",
        )
        .bind(report.station.as_str())
        .bind(report.date.to_string())
        .bind(report.made_at.0)
        .bind(json(report))
        .execute(&mut tx)
        .await
        .map_err(&failed)?;
        if written.rows_affected() == 0 {
            return Ok(());
        }
        enqueue(&mut tx, None, Purpose::ZeroReport, std::slice::from_ref(message)).await.map_err(&failed)?;
        self.commit(tx, &failed).await
    }

    /// The reports of a day, by station.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn zero_reports(&self, day: Date) -> Result<Vec<ZeroReport>, AlertsError> {
        let failed = self.failed("read zero reports");
        let rows = sqlx::query("SELECT station, report FROM zero_reports WHERE day = $1 ORDER BY station")
            .bind(day.to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(&failed)?;
        let mut reports = Vec::with_capacity(rows.len());
        for row in &rows {
            let report: String = row.try_get("report").map_err(&failed)?;
            let read = serde_json::from_str(&report).map_err(|error| {
                let station: String = row.try_get("station").unwrap_or_default();
                AlertsError::ZeroReportRow { station, day, source: error.into() }
            })?;
            reports.push(read);
        }
        Ok(reports)
    }

    /// The first day that there is a report of, by station.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn first_zero_reports(&self) -> Result<BTreeMap<StationId, Date>, AlertsError> {
        let failed = self.failed("read zero reports");
        let rows = sqlx::query("SELECT station, MIN(day) AS day FROM zero_reports GROUP BY station")
            .fetch_all(&self.readers)
            .await
            .map_err(&failed)?;
        let mut first = BTreeMap::new();
        for row in &rows {
            let (station, day): (String, String) =
                (row.try_get("station").map_err(&failed)?, row.try_get("day").map_err(&failed)?);
            if let (Ok(station), Ok(day)) = (station.parse(), day.parse()) {
                first.insert(station, day);
            }
        }
        Ok(first)
    }

    /// The last day that there is a report of.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_zero_report(&self) -> Result<Option<Date>, AlertsError> {
        let day: Option<String> = sqlx::query_scalar("SELECT MAX(day) FROM zero_reports")
            .fetch_one(&self.readers)
            .await
            .map_err(self.failed("read zero reports"))?;
        Ok(day.and_then(|day| day.parse().ok()))
    }
}
