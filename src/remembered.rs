//! The database at the start: waited for, claimed, and asked for what the rules must know of the time before.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime},
};

use alerts::{
    AlertsError,
    incident::{Ending, OpenTicket},
    rules::{Core, SensedStand},
    store::{Database, Store},
};
use anyhow::bail;
use domain::{CameraId, Detection, Millis, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Between two attempts to reach the database.
const PAUSE: Duration = Duration::from_secs(1);
/// For how long another process may have the outbox before that is an error: longer than a server takes to notice that
/// a machine is gone.
const TAKEN_FOR: Duration = Duration::from_secs(30);

/// What the rules are given before the first look.
pub(crate) struct Remembered {
    open: Vec<OpenTicket>,
    cleared: Vec<(OpenTicket, Timestamp)>,
    ended: Vec<(OpenTicket, Ending, Timestamp)>,
    sensed: Vec<SensedStand>,
}

impl Remembered {
    /// What stands before each camera and has no name but that of a ticket.
    pub(crate) fn standing(&self) -> HashMap<CameraId, Vec<Detection>> {
        let mut standing: HashMap<CameraId, Vec<Detection>> = HashMap::new();
        for ticket in self.open.iter().chain(self.ended.iter().map(|(ticket, ..)| ticket)) {
            standing.entry(ticket.camera.clone()).or_default().extend(ticket.standing.iter().cloned());
        }
        standing
    }

    /// Tells it to the rules.
    pub(crate) fn restore(self, core: &mut Core) {
        core.restore(self.open);
        core.restore_cleared(self.cleared);
        core.restore_ended(self.ended);
        core.restore_sensed(self.sensed);
    }
}

/// How far back what is over matters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Cleared places.
    pub(crate) cleared: Millis,
    /// Ended cases.
    pub(crate) ended: Millis,
}

/// The database, once it is there: a server may start later than we do, or go while we read. One process a database: two
/// would send each ticket twice.
pub(crate) async fn open(
    database: &Database,
    reach: Reach,
    cancel: &CancellationToken,
) -> anyhow::Result<(Store, Remembered)> {
    let mut told = false;
    let mut taken_since = None;
    loop {
        match attempt(database, reach).await {
            Ok(opened) => return Ok(opened),
            Err(error @ AlertsError::DatabaseAway { .. }) => {
                if !told {
                    warn!(%error, "waiting for the database");
                    told = true;
                }
            }
            // The server may still hold the session of a process that was killed a moment ago.
            Err(error @ AlertsError::OutboxTaken { .. }) => {
                if taken_since.get_or_insert_with(Instant::now).elapsed() > TAKEN_FOR {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = cancel.cancelled() => bail!("stopped while waiting for database {database}"),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn attempt(database: &Database, reach: Reach) -> Result<(Store, Remembered), AlertsError> {
    let store = Store::connect(database.clone()).await?;
    store.claim_outbox().await?;
    let now = Timestamp::from(SystemTime::now());
    let remembered = Remembered {
        open: store.open_tickets().await?,
        cleared: store.cleared_tickets(now - reach.cleared).await?,
        ended: store.ended_tickets(now - reach.ended).await?,
        sensed: store.standing_sensor_cases().await?,
    };
    Ok((store, remembered))
}
