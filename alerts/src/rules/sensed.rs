//! Problems that sensors show where cameras look: a device is a further view of the place where it stands, as far as that and the
//! camera's ground are known, else of the zone that it is in.
//!
//! ```text
//!  device opened:  stands ──┬─▶ a camera's problem in its zone joins its ticket
//!  camera opened:  ticketed ┴─▶ the device's problem is part of that ticket
//! ```
//!
//! Nobody owns a ticket: it stands while one of those that showed it says so. A device has its say from the reading that
//! satisfied its rule to the one that ended it, and none while it is silent; a camera has it as towards other cameras
//! (`elsewhere`). A ticket takes one problem of each view, and each device is a view of its own.

use std::collections::{BTreeMap, BTreeSet};

use domain::{CameraId, Kind, TicketId, Timestamp, ZoneId};

use super::{
    Core,
    config::Realarm,
    elsewhere::{Abroad, Neighbourhood, News, Overlaps},
    problem::Stage,
    view::View,
};
use crate::incident::{Effect, Ending, SensedPlace, Voice};

/// A device's problem.
#[derive(Debug, Clone)]
struct Stand {
    place: SensedPlace,
    /// The ticket that tells of it: its own, or that of a camera.
    ticket: TicketId,
    says: Says,
    last_held: Timestamp,
}

/// What a device has to say for its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// Its problem stands.
    Stands,
    /// Nothing: nobody hears it.
    Silent,
    /// Its problem is over; a camera may still see it.
    Over,
    /// Cameras have seen its place clear while it was silent.
    Cleared,
    /// Its ticket was closed or rejected.
    Ended,
}

/// A device's problem as it was when the process ended.
#[derive(Debug, Clone, PartialEq)]
pub struct SensedStand {
    /// Where it is.
    pub place: SensedPlace,
    /// The ticket that tells of it.
    pub ticket: TicketId,
    /// The last reading that showed it, as far as is known.
    pub last_held: Timestamp,
    /// Whether its readings have ended it, while a camera still saw it.
    pub is_over: bool,
    /// Whether cameras have seen it go while the device was silent.
    pub is_cleared: bool,
    /// How its ticket ended, if it did.
    pub ending: Option<Ending>,
}

/// All devices' problems, by the tickets that they have or would have.
#[derive(Debug, Default)]
pub(super) struct Stands(BTreeMap<TicketId, Stand>);

impl Stands {
    /// What devices hold of what `asking` may see, for each kind that tells of the same.
    pub(super) fn abroad<'a>(
        &'a self,
        asking: &'a CameraId,
        neighbourhood: &'a Neighbourhood,
    ) -> impl Iterator<Item = Abroad> + 'a {
        let holds = |stand: &&Stand| !matches!(stand.says, Says::Cleared | Says::Ended);
        self.0.values().filter(holds).flat_map(move |stand| {
            let place = &stand.place;
            let zones = place.zones_of(asking, &neighbourhood.overlaps);
            let is_near = || place.ground.as_ref().is_some_and(|ground| neighbourhood.may_see(asking, ground));
            let kinds = if zones.is_empty() && !is_near() { Vec::new() } else { place.kinds().cloned().collect() };
            let stands = stand.says == Says::Stands;
            kinds.into_iter().map(move |kind| Abroad::sensed(place, kind, stand.ticket, zones.clone(), stands))
        })
    }

    /// Cameras say so of a ticket.
    pub(super) fn hear_of(&mut self, ticket: TicketId, news: News) {
        for stand in self.0.values_mut().filter(|stand| stand.ticket == ticket) {
            stand.says = match (news, stand.says) {
                (News::Cleared, Says::Stands | Says::Silent) => Says::Cleared,
                (News::CameBack, Says::Cleared) => Says::Silent,
                (_, says) => says,
            };
        }
        // What is over on both sides is over.
        if news == News::Cleared {
            self.0.retain(|_, stand| stand.ticket != ticket || stand.says != Says::Over);
        }
    }

    /// A ticket was closed or rejected.
    pub(super) fn ended(&mut self, ticket: TicketId) {
        self.0.retain(|_, stand| stand.ticket != ticket || stand.says != Says::Over);
        self.0.values_mut().filter(|stand| stand.ticket == ticket).for_each(|stand| stand.says = Says::Ended);
    }

    /// The last reading that showed a ticket's problem.
    pub(super) fn last_held(&self, ticket: TicketId) -> Option<Timestamp> {
        self.0.values().filter(|stand| stand.ticket == ticket).map(|stand| stand.last_held).max()
    }

    fn stands(&self, ticket: TicketId) -> bool {
        self.0.values().any(|stand| stand.ticket == ticket && stand.says == Says::Stands)
    }
}

impl SensedPlace {
    fn kinds(&self) -> impl Iterator<Item = &Kind> {
        std::iter::once(&self.kind).chain(&self.joins)
    }

    /// The zones of a camera that show its own.
    fn zones_of(&self, camera: &CameraId, overlaps: &Overlaps) -> Vec<ZoneId> {
        if self.camera == *camera { vec![self.zone.clone()] } else { overlaps.of(&self.camera, &self.zone, camera) }
    }
}

impl Core {
    /// Takes up the problems of devices whose tickets were not cleared when the process ended; call it after
    /// [`Core::restore`] and [`Core::restore_ended`].
    pub fn restore_sensed(&mut self, stands: impl IntoIterator<Item = SensedStand>) {
        for SensedStand { place, ticket, last_held, is_over, is_cleared, ending } in stands {
            let says = match ending {
                Some(_) => Says::Ended,
                None if is_cleared => Says::Cleared,
                None if is_over => Says::Over,
                // Until its device is heard: one that was removed meanwhile keeps no ticket open.
                None => Says::Silent,
            };
            self.stands.0.insert(place.ticket, Stand { place, ticket, says, last_held });
        }
    }

    /// Takes in that readings show a problem. Gives the ticket that tells of it, its own where no camera's does, and what is
    /// to be done.
    #[must_use]
    pub fn sensed(&mut self, now: Timestamp, place: &SensedPlace, last_held: Timestamp) -> (TicketId, Vec<Effect>) {
        let mut out = Vec::new();
        // What this device had before is no more; a case that is told once more is the same.
        let known = self.stands.0.get(&place.ticket).map(|stand| stand.ticket);
        let same = |stand: &Stand| stand.place.device == place.device && stand.place.kind == place.kind;
        self.stands.0.retain(|_, stand| !same(stand));
        let ticket = known.or_else(|| self.ticket_at(now, place, &mut out)).unwrap_or(place.ticket);
        let stand = Stand { place: place.clone(), ticket, says: Says::Stands, last_held };
        self.stands.0.insert(place.ticket, stand);
        (ticket, out)
    }

    /// Takes in what a device says of its problem: `of` is the ticket that it has or would have.
    #[must_use]
    pub fn voice(&mut self, now: Timestamp, of: TicketId, voice: Voice) -> Vec<Effect> {
        let mut out = Vec::new();
        let Some(stand) = self.stands.0.get_mut(&of) else { return out };
        let (ticket, camera) = (stand.ticket, stand.place.camera.clone());
        match (voice, stand.says) {
            (Voice::Holds(at), Says::Cleared) => {
                (stand.says, stand.last_held) = (Says::Stands, at);
                out.push(Effect::CameBack { ticket, camera, seen_at: at });
                self.tell_views(ticket, News::CameBack, now, &mut out);
            }
            (Voice::Holds(at), Says::Stands | Says::Silent) => {
                (stand.says, stand.last_held) = (Says::Stands, stand.last_held.max(at));
            }
            (Voice::Heard, Says::Silent) => stand.says = Says::Stands,
            (Voice::Silent, Says::Stands) => stand.says = Says::Silent,
            (Voice::Over(at), Says::Stands | Says::Silent | Says::Over) => {
                (stand.says, stand.last_held) = (Says::Over, at);
                self.settle_stand(of, now, &mut out);
            }
            // Its place is free again, unless a camera says otherwise.
            (Voice::Over(at), Says::Ended) => {
                stand.last_held = at;
                if !self.is_seen(ticket, now) {
                    self.clear(ticket, camera, now, &mut out);
                }
                self.stands.0.remove(&of);
            }
            (Voice::Over(_), Says::Cleared) => {
                self.stands.0.remove(&of);
            }
            (Voice::Holds(_), Says::Over | Says::Ended) | (Voice::Heard | Voice::Silent, _) => {}
        }
        out
    }

    /// Whether a device says that a ticket's problem stands: no look can tell that it is gone then.
    #[must_use]
    pub fn is_sensed(&self, ticket: TicketId) -> bool {
        self.stands.stands(ticket)
    }

    /// The ticket that tells of a device's problem, where that is known.
    #[must_use]
    pub fn ticket_of(&self, of: TicketId) -> Option<TicketId> {
        self.stands.0.get(&of).map(|stand| stand.ticket)
    }

    /// Clears what is over at its device, once no camera has a say any more.
    pub(super) fn settle_stands(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let over = self.stands.0.iter().filter(|(_, stand)| stand.says == Says::Over);
        for of in over.map(|(of, _)| *of).collect::<Vec<_>>() {
            self.settle_stand(of, now, out);
        }
    }

    fn settle_stand(&mut self, of: TicketId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(stand) = self.stands.0.get(&of) else { return };
        let (ticket, camera) = (stand.ticket, stand.place.camera.clone());
        if !self.stands.stands(ticket) && !self.is_seen(ticket, now) {
            self.clear(ticket, camera, now, out);
        }
    }

    fn clear(&mut self, ticket: TicketId, camera: CameraId, now: Timestamp, out: &mut Vec<Effect>) {
        let seen = self.views.values().filter_map(|view| view.last_seen(ticket)).filter(|at| *at <= now);
        let last_seen = seen.chain(self.stands.last_held(ticket)).max().unwrap_or(now);
        out.push(Effect::Cleared { ticket, camera, last_seen, cleared_at: now });
        self.tell_views(ticket, News::Cleared, now, out);
        self.stands.hear_of(ticket, News::Cleared);
    }

    fn tell_views(&mut self, ticket: TicketId, news: News, now: Timestamp, out: &mut Vec<Effect>) {
        for view in self.views.values_mut().filter(|view| view.place_of(ticket).is_some()) {
            view.hear_of(ticket, news, now, &self.book, out);
        }
    }

    /// Whether a camera has a say for a ticket.
    fn is_seen(&self, ticket: TicketId, now: Timestamp) -> bool {
        self.views.values().any(|view| view.has_a_say(ticket, now, &self.book))
    }

    /// The ticket of a camera that tells of what a device shows; a closed one goes on.
    fn ticket_at(&mut self, now: Timestamp, place: &SensedPlace, out: &mut Vec<Effect>) -> Option<TicketId> {
        let taken: Vec<TicketId> = self.stands.0.values().map(|stand| stand.ticket).collect();
        let seeing = place.ground.iter().flat_map(|ground| self.neighbourhood.seeing(ground));
        let cameras: BTreeSet<&CameraId> =
            std::iter::once(&place.camera).chain(self.neighbourhood.near(&place.camera)).chain(seeing).collect();
        let places: Vec<(&CameraId, &View, Vec<ZoneId>)> = cameras
            .into_iter()
            .filter_map(|camera| {
                let zones = place.zones_of(camera, &self.neighbourhood.overlaps);
                Some((camera, self.views.get(camera)?, zones))
            })
            .collect();
        let held = places.iter().flat_map(|(camera, view, zones)| {
            let problems = view.problems_at(place.ground.as_ref(), zones, &self.book);
            problems.map(move |(problem, same)| (*camera, problem, same))
        });
        let candidates = held.filter_map(|(camera, problem, same)| {
            let ticket = problem.stage.ticket().filter(|ticket| !taken.contains(ticket))?;
            let kind = place.kinds().position(|kind| *kind == problem.kind)?;
            let reopens = self.book.rules[problem.rule].rule.realarm_by == Realarm::Reopen;
            let over = match problem.stage {
                Stage::Ticketed(_) => 0_u8,
                Stage::Closed { .. } if reopens => 1,
                _ => return None,
            };
            Some((over, kind, same.millimetres(), ticket, camera.clone()))
        });
        let (over, _, _, ticket, camera) = candidates.min()?;
        if over > 0 {
            out.push(Effect::CameBack { ticket, camera, seen_at: now });
            self.tell_views(ticket, News::CameBack, now, out);
        }
        Some(ticket)
    }
}
