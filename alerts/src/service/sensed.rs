//! Problems that readings showed: they become tickets on the way of all others, with a picture where a look was asked for;
//! where a camera's ticket tells of one already, it is evidence on that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{CameraId, GroundPoint, Kind, Look, Millis, TicketId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{
    Clock, FULL_RESOLUTION_WAIT, Watch,
    desk::{Case, Change, Clearing, Opening, Vouching},
    gathered::KeptLook,
    shots::count_missing,
};
use crate::{
    AlertsError,
    incident::{Effect, Incident, Input, SensedPlace, Voice, Zone},
    sensor::{Speech, Word},
    ticket::{CameraInfo, EvidenceRole},
};

/// How long a ticket waits for the looks that were asked for; then it goes with those that came.
const LOOK_WAIT: Duration = Duration::from_secs(15);

/// Looks that it waits for at most, whatever its item wants.
const MOST_LOOKS: usize = 8;

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
    /// Its device fell silent, or is heard again.
    Voice(TicketId, Speech),
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
    /// Further kinds of tickets of cameras in the zone that tell of the same problem.
    #[serde(default)]
    pub joins: Vec<Kind>,
    /// Where the device stands, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<GroundPoint>,
    /// The camera whose next look goes onto the ticket.
    pub look_at: Option<CameraId>,
    /// How long a person may take to confirm it; none where it is filed at once.
    #[serde(default)]
    pub review: Option<Millis>,
}

impl SensedCase {
    /// Where it is, and what else would tell of it; none where no readings showed it.
    #[must_use]
    pub fn place(&self) -> Option<SensedPlace> {
        let incident = &self.incident;
        Some(SensedPlace {
            ticket: incident.ticket,
            device: incident.sensed.as_ref()?.device.clone(),
            camera: incident.camera.clone(),
            zone: incident.zone.clone(),
            kind: incident.kind.clone(),
            joins: self.joins.clone(),
            ground: self.ground.clone(),
        })
    }
}

/// A ticket that waits for its looks.
pub(super) struct Awaited {
    case: SensedCase,
    /// The ticket that tells of it.
    ticket: TicketId,
    /// When the look was asked for; an earlier one shows the place as it was before.
    asked_at: Timestamp,
    /// Looks that came and are not the last that its item wants.
    taken: Vec<KeptLook>,
    until: Instant,
    heard: Instant,
}

impl Watch {
    /// Takes in what sensors say; returns what is to be written.
    pub(super) fn sense(&mut self, sensing: Sensing, now: Timestamp) -> Result<Vec<Case>, AlertsError> {
        // Where time is that of the looks, that of this machine says nothing.
        let clock = self.clock;
        let at = |time: Timestamp| if clock == Clock::System { now } else { time };
        match sensing {
            Sensing::Open(case) => {
                let (heard, incident) = (Instant::now(), &case.incident);
                let (ticket, effects) = match case.place() {
                    Some(place) => self.core.sensed(at(incident.confirmed_at), &place, incident.last_seen),
                    None => (incident.ticket, Vec::new()),
                };
                let mut cases = self.carry_out(effects, None)?;
                if case.look_at.is_some() {
                    let (asked_at, until) = (now, heard + LOOK_WAIT);
                    self.awaited.push(Awaited { case: *case, ticket, asked_at, taken: Vec::new(), until, heard });
                } else {
                    cases.push(self.sensed(*case, ticket, None, Vec::new(), heard));
                }
                Ok(cases)
            }
            Sensing::Holds { ticket, at: read_at } => {
                let effects = self.core.voice(at(read_at), ticket, Voice::Holds(read_at));
                self.second_looks.holds(self.core.ticket_of(ticket).unwrap_or(ticket), read_at);
                self.carry_out(effects, None)
            }
            Sensing::Voice(ticket, heard) => {
                let voice = match heard {
                    Speech::Speaks => Voice::Heard,
                    Speech::Silent => Voice::Silent,
                };
                let effects = self.core.voice(now, ticket, voice);
                self.carry_out(effects, None)
            }
            Sensing::Clear { ticket, last_seen, cleared_at } => {
                // What is over before its look came must be opened before it can be cleared.
                let mut cases = self.release(|awaited| awaited.case.incident.ticket == ticket, None);
                let gone = if self.core.ticket_of(ticket).is_some() {
                    let effects = self.core.voice(at(cleared_at), ticket, Voice::Over(last_seen));
                    let cleared = effects.iter().find_map(|effect| match effect {
                        Effect::Cleared { ticket, .. } => Some(*ticket),
                        _ => None,
                    });
                    cases.extend(self.carry_out(effects, None)?);
                    cleared
                } else {
                    // Of a case that ended before the start.
                    let (kept, look, angle) = (Vec::new(), None, None);
                    let clearing = Clearing { ticket, last_seen, cleared_at, kept, look, angle };
                    cases.push(Case::Change(Change::Clear(Box::new(clearing))));
                    Some(ticket)
                };
                if let Some(over) = gone.and_then(|gone| self.second_looks.over(gone, cleared_at)) {
                    cases.extend(self.closing_of(over.ticket));
                    cases.push(self.checked(over, None));
                }
                Ok(cases)
            }
            Sensing::Word(word) => {
                // A word opens nothing by itself: the next look weighs it.
                let effects = self.core.apply(now, Input::Word(&word));
                debug_assert!(effects.is_empty(), "words have no effect of their own");
                Ok(Vec::new())
            }
        }
    }

    /// Tickets that waited for this look.
    pub(super) fn looked(&mut self, look: &Arc<Look>) -> Vec<Case> {
        if self.awaited.is_empty() {
            return Vec::new();
        }
        let wanted = self.pictures_wanted.borrow().clone();
        let mut complete = Vec::new();
        for awaited in &mut self.awaited {
            let Awaited { case, ticket, asked_at, taken, .. } = awaited;
            if case.look_at.as_ref() != Some(&look.camera) || look.sampled_at < *asked_at {
                continue;
            }
            // One that is evidence on another ticket is no picture that this one is opened with.
            let opens = *ticket == case.incident.ticket;
            if opens && taken.len() + 1 < wanted.to_open(&case.incident.kind).min(MOST_LOOKS) {
                taken.push(look.as_ref().into());
                self.second_looks.ask(&look.camera);
            } else {
                complete.push(case.incident.ticket);
            }
        }
        self.release(|awaited| complete.contains(&awaited.case.incident.ticket), Some(look))
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

    /// The ticket that somebody speaks of must be opened first.
    pub(super) fn release_ticket(&mut self, ticket: TicketId) -> Vec<Case> {
        self.release(|awaited| awaited.ticket == ticket, None)
    }

    fn release(&mut self, ready: impl Fn(&Awaited) -> bool, look: Option<&Arc<Look>>) -> Vec<Case> {
        let (ready, waiting) = std::mem::take(&mut self.awaited).into_iter().partition(ready);
        self.awaited = waiting;
        let ready: Vec<Awaited> = ready;
        let case = |Awaited { case, ticket, taken, heard, .. }| self.sensed(case, ticket, look, taken, heard);
        ready.into_iter().map(case).collect()
    }

    fn sensed(
        &self,
        case: SensedCase,
        ticket: TicketId,
        look: Option<&Arc<Look>>,
        further: Vec<KeptLook>,
        satisfied: Instant,
    ) -> Case {
        let SensedCase { incident, camera, zone, joins: _, ground: _, look_at, review } = case;
        if ticket != incident.ticket {
            let angle = look_at.as_ref().and_then(|camera| self.angle(camera, ticket));
            let vouching = Vouching { ticket, incident, look: look.cloned(), angle };
            return Case::Change(Change::Vouched(Box::new(vouching)));
        }
        let mut full_resolution = JoinSet::new();
        if let (Some(camera), Some(_)) = (&look_at, look) {
            if let Some(grab) = self.full_resolution.grab(camera) {
                full_resolution.spawn(tokio::time::timeout(FULL_RESOLUTION_WAIT, grab));
            }
        } else if look_at.is_some() && further.is_empty() {
            count_missing(EvidenceRole::Confirming, "late");
        }
        let look = look.cloned();
        let review_until = review.map(|within| incident.confirmed_at + within);
        Case::Open(Box::new(Opening {
            incident,
            camera,
            zone,
            look,
            first_seen: None,
            further,
            review_until,
            full_resolution,
            satisfied,
        }))
    }
}
