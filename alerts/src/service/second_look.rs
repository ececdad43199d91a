//! Second looks: what is being checked, which looks count for it, and when the camera is asked for the next one.

use std::{collections::HashMap, sync::Arc};

use domain::{AccessUnit, CameraFault, CameraId, Look, Rect, TicketId, Timestamp, ZoneId};

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

/// Encoded looks of all checks together, in bytes; a check beyond that ends without a picture where its time is up.
const KEPT_BYTES: usize = 64 << 20;

/// A look, kept as the camera sent it.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) access_unit: AccessUnit,
    pub(super) sampled_at: Timestamp,
}

/// A check whose time was up before its last look.
pub(super) struct Overdue {
    pub(super) ticket: TicketId,
    pub(super) outcome: Outcome,
    /// The camera that looked.
    pub(super) camera: Option<CameraId>,
    /// Its newest look, if it gave any.
    pub(super) last: Option<Kept>,
}

/// The checks under way, and the places that they are about.
pub(super) struct SecondLooks {
    checks: Rechecks,
    places: HashMap<TicketId, Place>,
    look_now: LookNow,
    /// Cameras that cannot be trusted, and why.
    unfit: HashMap<CameraId, CameraFault>,
    /// Bytes of the looks that are kept.
    kept_bytes: usize,
}

struct Place {
    /// The ticket as the camera that checks it sees it.
    ticket: OpenTicket,
    /// Whether readings showed it: no look can tell whether it is gone.
    sensed: bool,
    /// The newest look of the check, as the camera sent it; none beyond what may be kept.
    last: Option<Kept>,
}

impl SecondLooks {
    pub(super) fn new(config: RecheckConfig, look_now: LookNow) -> Self {
        Self { checks: Rechecks::new(config), places: HashMap::new(), look_now, unfit: HashMap::new(), kept_bytes: 0 }
    }

    /// Begins to check a ticket's place, from `now` on, by the first of its cameras that can be trusted. `views` are the
    /// further ones.
    pub(super) fn begin(&mut self, ticket: &Ticket, views: Vec<(CameraId, ZoneId, Rect)>, now: Timestamp) {
        let incident = &ticket.incident;
        let home = (incident.camera.clone(), incident.zone.clone(), incident.bbox);
        let all = || std::iter::once(&home).chain(&views);
        let (camera, zone, bbox) = all().find(|(camera, ..)| !self.unfit.contains_key(camera)).unwrap_or(&home).clone();
        let place = Place {
            ticket: OpenTicket {
                ticket: ticket.id(),
                camera: camera.clone(),
                kind: incident.kind.clone(),
                zone,
                bbox,
                first_seen: incident.first_seen,
                last_seen: ticket.last_seen,
                rule: incident.rule.id.clone(),
                standing: incident.standing(),
            },
            sensed: incident.sensed.is_some(),
            last: None,
        };
        self.forget(ticket.id());
        self.places.insert(ticket.id(), place);
        let fault = self.unfit.get(&camera).copied();
        self.checks.begin(ticket.id(), camera.clone(), fault, now);
        (self.look_now)(&camera);
    }

    /// The case is over: nobody wants to know any more.
    pub(super) fn forget(&mut self, ticket: TicketId) {
        self.checks.forget(ticket);
        self.let_go(ticket);
    }

    /// The newest look of a check that is over.
    fn let_go(&mut self, ticket: TicketId) -> Option<Kept> {
        let kept = self.places.remove(&ticket)?.last?;
        self.kept_bytes -= kept.access_unit.data.len();
        Some(kept)
    }

    /// A camera is to be looked at as soon as may be.
    pub(super) fn ask(&self, camera: &CameraId) {
        (self.look_now)(camera);
    }

    pub(super) fn lost(&mut self, camera: &CameraId) {
        self.checks.lost(camera);
    }

    /// What the camera shows cannot be trusted, and was not to be for some time.
    pub(super) fn unfit(&mut self, camera: &CameraId, fault: CameraFault) {
        self.unfit.insert(camera.clone(), fault);
        self.checks.distrust(camera, fault);
    }

    pub(super) fn fit(&mut self, camera: &CameraId) {
        self.unfit.remove(camera);
    }

    /// Takes in a look that the core has taken in; gives the checks that end with it.
    pub(super) fn look(&mut self, core: &Core, look: &Look) -> Vec<(TicketId, Outcome)> {
        if self.checks.is_empty() {
            return Vec::new();
        }
        let seen = Observation::from(look);
        let mut ended = Vec::new();
        for ticket in self.checks.due_at(&look.camera, look.sampled_at) {
            let Some(place) = self.places.get_mut(&ticket) else { continue };
            let sensed = place.sensed || core.is_sensed(ticket);
            let sight = core.sight(look.sampled_at, &place.ticket, &seen).filter(|_| !sensed);
            match self.checks.look(ticket, sight, look.doubt, look.sampled_at) {
                Some(outcome) => {
                    self.let_go(ticket);
                    ended.push((ticket, outcome));
                }
                None => {
                    let access_unit = look.frame.access_unit.clone();
                    let before = place.last.take().map_or(0, |kept| kept.access_unit.data.len());
                    self.kept_bytes = self.kept_bytes - before + access_unit.data.len();
                    place.last = Some(Kept { access_unit, sampled_at: look.sampled_at });
                    if self.kept_bytes > KEPT_BYTES {
                        self.kept_bytes -= place.last.take().map_or(0, |kept| kept.access_unit.data.len());
                    }
                }
            }
        }
        ended
    }

    /// A reading shows that the problem of a sensor's ticket stands.
    pub(super) fn holds(&mut self, ticket: TicketId, at: Timestamp) {
        self.checks.holds(ticket, at);
    }

    /// Readings show that the problem of a sensor's ticket is gone: a check of it is over.
    pub(super) fn over(&mut self, ticket: TicketId, at: Timestamp) -> Option<Overdue> {
        let outcome = self.checks.over(ticket, at)?;
        let camera = self.camera(ticket).cloned();
        Some(Overdue { ticket, outcome, camera, last: self.let_go(ticket) })
    }

    /// The camera that checks a ticket's place.
    pub(super) fn camera(&self, ticket: TicketId) -> Option<&CameraId> {
        self.places.get(&ticket).map(|place| &place.ticket.camera)
    }

    /// Time passed: asks for the looks that are due, gives the checks whose time is up, each with its newest look.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Overdue> {
        self.checks.wants(now).for_each(|camera| (self.look_now)(camera));
        let over = self.checks.tick(now);
        over.into_iter()
            .map(|(ticket, outcome)| {
                let camera = self.camera(ticket).cloned();
                Overdue { ticket, outcome, camera, last: self.let_go(ticket) }
            })
            .collect()
    }
}
