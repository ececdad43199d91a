//! Second looks: what is being checked, which looks count for it, and when the camera is asked for the next one.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use domain::{CameraId, Look, STANDING, TicketId, Timestamp};

use super::Clock;
use crate::{
    incident::{Observation, OpenTicket},
    recheck::{Outcome, RecheckConfig, Rechecks},
    rules::Core,
    ticket::Ticket,
};

/// Is told to look at a camera as soon as there is a picture that was not looked at yet.
pub type LookNow = Arc<dyn Fn(&CameraId) + Send + Sync>;

/// How places are looked at again.
pub struct Rechecking {
    /// How often, and over which time.
    pub config: RecheckConfig,
    /// Told to look. Must not block.
    pub look_now: LookNow,
    /// Tickets whose check was due when the process ended.
    pub due: Vec<Ticket>,
}

/// The checks under way, and the places that they are about.
pub(super) struct SecondLooks {
    checks: Rechecks,
    places: HashMap<TicketId, Place>,
    look_now: LookNow,
    /// When this process began to learn the views; none where it is the looks' time that passes.
    began: Option<Timestamp>,
}

struct Place {
    ticket: OpenTicket,
    /// Whether only the learnt view told that something stands there: it cannot, once it was learnt anew with the thing in it.
    nameless: bool,
    confirmed_at: Timestamp,
}

impl SecondLooks {
    pub(super) fn new(config: RecheckConfig, look_now: LookNow, clock: Clock) -> Self {
        let began = (clock == Clock::System).then(|| SystemTime::now().into());
        Self { checks: Rechecks::new(config), places: HashMap::new(), look_now, began }
    }

    /// Begins to check a ticket's place, from `now` on.
    pub(super) fn begin(&mut self, ticket: &Ticket, now: Timestamp) {
        let incident = &ticket.incident;
        let place = Place {
            ticket: OpenTicket {
                ticket: ticket.id(),
                camera: incident.camera.clone(),
                kind: incident.kind.clone(),
                zone: incident.zone.clone(),
                bbox: incident.bbox,
                first_seen: incident.first_seen,
                last_seen: ticket.last_seen,
            },
            nameless: incident.things.iter().all(|thing| thing.class.as_str() == STANDING),
            confirmed_at: incident.confirmed_at,
        };
        self.places.insert(ticket.id(), place);
        self.checks.begin(ticket.id(), incident.camera.clone(), now);
        (self.look_now)(&incident.camera);
    }

    /// The case is over: nobody wants to know any more.
    pub(super) fn forget(&mut self, ticket: TicketId) {
        self.checks.forget(ticket);
        self.places.remove(&ticket);
    }

    pub(super) fn lost(&mut self, camera: &CameraId) {
        self.checks.lost(camera);
    }

    /// Takes in a look that the core has taken in; gives the checks that end with it.
    pub(super) fn look(&mut self, core: &Core, look: &Look) -> Vec<(TicketId, Outcome)> {
        if self.checks.is_empty() {
            return Vec::new();
        }
        let seen =
            Observation { camera: &look.camera, detections: &look.detections, source: look.source, model: &look.model };
        let due = self.checks.due_at(&look.camera, look.sampled_at);
        let ended = due.into_iter().filter_map(|ticket| {
            let place = self.places.get(&ticket)?;
            let learnt_anew = place.nameless && self.began.is_some_and(|began| place.confirmed_at < began);
            let sight = core.sight(look.sampled_at, &place.ticket, &seen).filter(|_| !learnt_anew);
            let outcome = self.checks.look(ticket, sight, look.sampled_at)?;
            Some((ticket, outcome))
        });
        let ended: Vec<_> = ended.collect();
        ended.iter().for_each(|(ticket, _)| drop(self.places.remove(ticket)));
        ended
    }

    /// Time passed: asks for the looks that are due, gives the checks whose time is up.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<(TicketId, Outcome)> {
        self.checks.wants(now).for_each(|camera| (self.look_now)(camera));
        let over = self.checks.tick(now);
        over.iter().for_each(|(ticket, _)| drop(self.places.remove(ticket)));
        over
    }
}
