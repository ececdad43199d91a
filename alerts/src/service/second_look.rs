//! Second looks: what is being checked, which looks count for it, and when the camera is asked for the next one.

use std::{collections::HashMap, sync::Arc};

use domain::{CameraFault, CameraId, Look, Rect, TicketId, Timestamp, ZoneId};

use super::gathered::KeptLook;
use crate::{
    incident::{Observation, OpenTicket, Sight},
    recheck::{Found, Outcome, RecheckConfig, Rechecks},
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

/// Looks that a check keeps at most, whatever the responsibility list wants.
const MOST_KEPT: usize = 16;

/// A check that is over.
pub(super) struct Ended {
    pub(super) ticket: TicketId,
    pub(super) outcome: Outcome,
    /// The camera that looked.
    pub(super) camera: CameraId,
    /// Looks before its last one that are evidence; the newest of all where its time was up before the last.
    pub(super) kept: Vec<KeptLook>,
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
    /// Pictures that the case needs to be closed.
    wanted: usize,
    /// Looks of the check: those that showed it clear without doubt, as many as are wanted, and the newest of all. None beyond
    /// what may be kept.
    kept: Vec<(KeptLook, Proof)>,
}

/// Whether a look may show that the place is clear.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    Clear,
    Nothing,
}

impl Place {
    fn bytes(&self) -> usize {
        self.kept.iter().map(|(look, _)| look.bytes()).sum()
    }

    fn keep(&mut self, look: KeptLook, proof: Proof) {
        self.kept.retain(|(_, proof)| *proof == Proof::Clear);
        if self.kept.len() == self.wanted && proof == Proof::Clear {
            self.kept.remove(0);
        }
        self.kept.push((look, proof));
    }

    /// What was kept proves nothing any more.
    fn distrust(&mut self) {
        self.kept.iter_mut().for_each(|(_, proof)| *proof = Proof::Nothing);
    }

    /// Of the looks that were kept those that are evidence of what was found, beside the last one.
    fn evidence(mut self, found: Found, last: Option<Proof>) -> Vec<KeptLook> {
        let newest = self.kept.last().map(|(look, _)| look.clone());
        let is_proof = |(look, proof)| (found == Found::Cleared && proof == Proof::Clear).then_some(look);
        let mut proofs: Vec<KeptLook> = std::mem::take(&mut self.kept).into_iter().filter_map(is_proof).collect();
        if proofs.is_empty() {
            return newest.filter(|_| last.is_none()).into_iter().collect();
        }
        let of_last = usize::from(last == Some(Proof::Clear));
        proofs.split_off(proofs.len() - proofs.len().min(self.wanted - of_last))
    }
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
            wanted: ticket.pictures_to_close().map_or(1, |pictures| pictures.needed.clamp(1, MOST_KEPT)),
            kept: Vec::new(),
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

    fn let_go(&mut self, ticket: TicketId) -> Option<Place> {
        let place = self.places.remove(&ticket)?;
        self.kept_bytes -= place.bytes();
        Some(place)
    }

    /// A check is over, with its last look or, with none, since its time was up.
    fn end(&mut self, ticket: TicketId, outcome: Outcome, last: Option<Proof>) -> Option<Ended> {
        let place = self.let_go(ticket)?;
        let camera = place.ticket.camera.clone();
        Some(Ended { ticket, outcome, camera, kept: place.evidence(outcome.result, last) })
    }

    /// The places that a camera checks.
    fn seen_by(&mut self, camera: &CameraId) -> impl Iterator<Item = &mut Place> {
        self.places.values_mut().filter(move |place| place.ticket.camera == *camera)
    }

    /// A camera is to be looked at as soon as may be.
    pub(super) fn ask(&self, camera: &CameraId) {
        (self.look_now)(camera);
    }

    pub(super) fn lost(&mut self, camera: &CameraId) {
        self.checks.lost(camera);
        self.seen_by(camera).for_each(Place::distrust);
    }

    /// What the camera shows cannot be trusted, and was not to be for some time.
    pub(super) fn unfit(&mut self, camera: &CameraId, fault: CameraFault) {
        self.unfit.insert(camera.clone(), fault);
        self.checks.distrust(camera, fault);
        self.seen_by(camera).for_each(Place::distrust);
    }

    pub(super) fn fit(&mut self, camera: &CameraId) {
        self.unfit.remove(camera);
    }

    /// Takes in a look that the core has taken in; gives the checks that end with it.
    pub(super) fn look(&mut self, core: &Core, look: &Look) -> Vec<Ended> {
        if self.checks.is_empty() {
            return Vec::new();
        }
        let seen = Observation::from(look);
        let mut ended = Vec::new();
        for ticket in self.checks.due_at(&look.camera, look.sampled_at) {
            let Some(place) = self.places.get_mut(&ticket) else { continue };
            let sensed = place.sensed || core.is_sensed(ticket);
            let sight = core.sight(look.sampled_at, &place.ticket, &seen).filter(|_| !sensed);
            // What readings tell of no look can tell, and what it shows is evidence all the same.
            let is_proof = (sensed || sight == Some(Sight::Clear)) && look.doubt.is_none();
            let proof = if is_proof { Proof::Clear } else { Proof::Nothing };
            match self.checks.look(ticket, sight, look.doubt, look.sampled_at) {
                Some(outcome) => ended.extend(self.end(ticket, outcome, Some(proof))),
                None => {
                    self.kept_bytes -= place.bytes();
                    if proof == Proof::Nothing && sight != Some(Sight::Hidden) {
                        place.distrust();
                    }
                    place.keep(look.into(), proof);
                    if self.kept_bytes + place.bytes() > KEPT_BYTES {
                        place.kept.clear();
                    }
                    self.kept_bytes += place.bytes();
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
    pub(super) fn over(&mut self, ticket: TicketId, at: Timestamp) -> Option<Ended> {
        let outcome = self.checks.over(ticket, at)?;
        self.end(ticket, outcome, None)
    }

    /// Time passed: asks for the looks that are due, gives the checks whose time is up, each with its newest look.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Ended> {
        self.checks.wants(now).for_each(|camera| (self.look_now)(camera));
        let over = self.checks.tick(now);
        over.into_iter().filter_map(|(ticket, outcome)| self.end(ticket, outcome, None)).collect()
    }
}
