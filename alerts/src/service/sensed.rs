//! Problems that readings showed: they become tickets on the way of all others, with a picture where a look was asked for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{CameraId, Look, Millis, TicketId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{
    FULL_RESOLUTION_WAIT, Watch,
    desk::{Case, Change, Clearing, Opening},
};
use crate::{
    incident::{Incident, Input, Zone},
    sensor::Word,
    ticket::CameraInfo,
};

/// How long a ticket waits for the look that was asked for; then it goes without a picture.
const LOOK_WAIT: Duration = Duration::from_secs(15);

/// What the service hears of sensors.
#[derive(Debug)]
pub enum Sensing {
    /// Readings show a problem.
    Open(Box<SensedCase>),
    /// A reading shows that it still stands.
    Holds {
        /// Which.
        ticket: TicketId,
        /// When it was read.
        at: Timestamp,
    },
    /// Readings show that it is gone.
    Clear {
        /// Which.
        ticket: TicketId,
        /// The last reading that showed it.
        last_seen: Timestamp,
        /// When it was held to be gone.
        cleared_at: Timestamp,
    },
    /// A parking sensor speaks about a zone of a camera.
    Word(Word),
}

/// A problem that readings showed, with all that its ticket says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SensedCase {
    /// What it is.
    pub incident: Incident,
    /// The camera that sees the place, or the device in its stead.
    pub camera: CameraInfo,
    /// The zone that the device is in, or its surroundings.
    pub zone: Zone,
    /// The camera whose next look goes onto the ticket.
    pub look_at: Option<CameraId>,
    /// How long a person may take to confirm it; none where it is filed at once.
    #[serde(default)]
    pub review: Option<Millis>,
}

/// A ticket that waits for its look.
pub(super) struct Awaited {
    case: SensedCase,
    /// When the look was asked for; an earlier one shows the place as it was before.
    asked_at: Timestamp,
    until: Instant,
    heard: Instant,
}

impl Watch {
    /// Takes in what sensors say; returns what is to be written.
    pub(super) fn sense(&mut self, sensing: Sensing, now: Timestamp) -> Vec<Case> {
        match sensing {
            Sensing::Open(case) => {
                let heard = Instant::now();
                if case.look_at.is_some() {
                    self.awaited.push(Awaited { case: *case, asked_at: now, until: heard + LOOK_WAIT, heard });
                    Vec::new()
                } else {
                    vec![self.sensed(*case, None, heard)]
                }
            }
            Sensing::Holds { ticket, at } => {
                self.second_looks.holds(ticket, at);
                Vec::new()
            }
            Sensing::Clear { ticket, last_seen, cleared_at } => {
                // What is over before its look came must be opened before it can be cleared.
                let mut cases = self.release(|awaited| awaited.case.incident.ticket == ticket, None);
                cases.push(Case::Change(Change::Clear(Box::new(Clearing {
                    ticket,
                    last_seen,
                    cleared_at,
                    look: None,
                    angle: None,
                }))));
                let over = self.second_looks.over(ticket, cleared_at);
                cases.extend(over.map(|over| self.overdue_check(over)));
                cases
            }
            Sensing::Word(word) => {
                // A word opens nothing by itself: the next look weighs it.
                let effects = self.core.apply(now, Input::Word(&word));
                debug_assert!(effects.is_empty(), "words have no effect of their own");
                Vec::new()
            }
        }
    }

    /// Tickets that waited for this look.
    pub(super) fn looked(&mut self, look: &Arc<Look>) -> Vec<Case> {
        if self.awaited.is_empty() {
            return Vec::new();
        }
        let shown = |awaited: &Awaited| {
            awaited.case.look_at.as_ref() == Some(&look.camera) && look.sampled_at >= awaited.asked_at
        };
        self.release(shown, Some(look))
    }

    /// Tickets that have waited for long enough.
    pub(super) fn overdue(&mut self) -> Vec<Case> {
        let now = Instant::now();
        self.release(|awaited| awaited.until <= now, None)
    }

    /// All tickets that wait, for the end.
    pub(super) fn release_all(&mut self) -> Vec<Case> {
        self.release(|_| true, None)
    }

    fn release(&mut self, ready: impl Fn(&Awaited) -> bool, look: Option<&Arc<Look>>) -> Vec<Case> {
        let (ready, waiting) = std::mem::take(&mut self.awaited).into_iter().partition(ready);
        self.awaited = waiting;
        let ready: Vec<Awaited> = ready;
        ready.into_iter().map(|awaited| self.sensed(awaited.case, look, awaited.heard)).collect()
    }

    fn sensed(&self, case: SensedCase, look: Option<&Arc<Look>>, satisfied: Instant) -> Case {
        let SensedCase { incident, camera, zone, look_at, review } = case;
        let mut full_resolution = JoinSet::new();
        if let (Some(camera), Some(_)) = (&look_at, look) {
            if let Some(grab) = self.full_resolution.grab(camera) {
                full_resolution.spawn(tokio::time::timeout(FULL_RESOLUTION_WAIT, grab));
            }
        } else if look_at.is_some() {
            metrics::counter!("gridwatch_pictures_missing_total", "role" => "confirming", "reason" => "late")
                .increment(1);
        }
        let look = look.cloned();
        let review_until = review.map(|within| incident.confirmed_at + within);
        Case::Open(Box::new(Opening {
            incident,
            camera,
            zone,
            look,
            first_seen: None,
            review_until,
            full_resolution,
            satisfied,
        }))
    }
}
