//! One problem in several views: what other cameras hold of the ground, or of the zones, that this one sees too.
//!
//! ```text
//!  view A: ticketed ──┐                              ┌─▶ joins its ticket (open), its rest, its quiet
//!  view B: suspected ─┴─ rule satisfied, same place ─┘
//! ```
//!
//! Two boxes stand at one place when their lower edges come within `merge_radius` metres of one another on the ground.
//! Where either camera's ground is not known there, zones that are said to overlap decide: each ticket of the other view
//! takes one problem of this one, so that two things in both views are two tickets and not four. A device whose place is
//! known is a lower edge of one point.
//!
//! All views of a ticket stand in one stage; only what each of them sees is its own. It is cleared when no view has any
//! more say for it: a view has its say while it saw the problem within the last `max_pause`, and has not seen its own place
//! clear since. So neither a camera that is away or cannot be trusted, nor one whose view is blocked, holds a ticket for ever.

use std::collections::{BTreeMap, BTreeSet};

use domain::{CameraId, Ground, GroundPoint, Kind, Millis, Point, Rect, TicketId, Timestamp, ZoneId};

use super::{
    config::{Realarm, Rule},
    problem::{Event, Problem, Stage},
    round::Round,
    view::View,
};
use crate::incident::{Effect, Incident, SensedPlace, Zone, ZoneRef};

/// Points of a lower edge that are looked for on the ground.
const EDGE: u8 = 5;
/// Points a side at which a view is tried for ground that its zones show.
const POINTS: u16 = 21;
/// Beyond the circle around its zones' ground, in metres, what a camera may hold: things stand half outside of zones, and
/// between two of the points there may be so much street.
const MARGIN: f64 = 25.0;

/// A place of another view that has, or had, a ticket.
#[derive(Debug, Clone)]
pub(super) struct Abroad {
    pub(super) camera: CameraId,
    pub(super) kind: Kind,
    pub(super) ticket: TicketId,
    pub(super) standing: Standing,
    /// The lower edge of its box on the ground; empty where that is not known.
    edge: Vec<GroundPoint>,
    /// Zones of the view that asks which are said to show the same.
    zones: Vec<ZoneId>,
    /// Whether that camera has a say: it saw it of late, and not its place clear since.
    pub(super) stands: bool,
}

/// What became of a ticket, as far as its place is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is open.
    Open,
    /// It was closed; told again then.
    Closed(Timestamp),
    /// It was rejected; quiet until then.
    Quiet(Timestamp),
    /// Its problem went away, and goes on with it when it comes back.
    Resting,
}

/// How it is known that two views show one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Same {
    /// By the ground: so many metres apart.
    Ground(f64),
    /// By zones that overlap.
    Zone,
}

/// What a ticket's view tells the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Nobody sees it any more.
    Cleared,
    /// It is there again.
    CameBack,
    /// It was told again.
    Told,
}

/// Whether another view has a say for a ticket whose place this one sees clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    StillSee,
    SeeNothing,
}

impl Abroad {
    /// What `problem` of the view of `camera` is to whoever looks at `now`; none where it holds no place.
    pub(super) fn of(problem: &Problem, at: &Vantage<'_>, now: Timestamp) -> Option<Self> {
        let ticket = problem.stage.ticket()?;
        let standing = match &problem.stage {
            Stage::Suspected(_) => return None,
            Stage::Ticketed(_) => Standing::Open,
            // What is told by a new ticket holds its place no longer.
            Stage::Closed { until, .. } if now >= *until && at.rule.realarm_by == Realarm::Ticket => return None,
            Stage::Closed { until, .. } => Standing::Closed(*until),
            Stage::Quiet { until, .. } if now >= *until => return None,
            Stage::Quiet { until, .. } => Standing::Quiet(*until),
            Stage::Resting { returning: Some((_, before)), .. } if now < *before => Standing::Resting,
            Stage::Resting { .. } => return None,
        };
        let stands = problem.stage.watch().is_some_and(|watch| watch.has_a_say(now, at.rule));
        Some(Self {
            camera: at.camera.clone(),
            kind: problem.kind.clone(),
            ticket,
            standing,
            edge: at.plane.map_or_else(Vec::new, |plane| lower_edge(plane, problem.place)),
            zones: at.overlaps.of(at.camera, &problem.zone, at.asking),
            stands,
        })
    }

    /// What a device holds, of a kind, that is in these zones of the asking view.
    pub(super) fn sensed(place: &SensedPlace, kind: Kind, ticket: TicketId, zones: Vec<ZoneId>, stands: bool) -> Self {
        let (camera, standing) = (place.camera.clone(), Standing::Open);
        Self { camera, kind, ticket, standing, edge: place.ground.iter().cloned().collect(), zones, stands }
    }

    /// Whether a box of the asking view, with this lower edge on the ground and in this zone, is at its place.
    fn is_at(&self, edge: &[GroundPoint], zone: &ZoneId, rule: &Rule) -> Option<Same> {
        Same::of(edge, &self.edge, (zone, &self.zones), rule)
    }
}

impl Same {
    /// Whether what stands with its lower edge here is at a place: within the rule's radius of it where both are on one known
    /// ground, else where its zone is one of the place's.
    pub(super) fn of<'a>(
        edge: &[GroundPoint],
        place: impl IntoIterator<Item = &'a GroundPoint>,
        (zone, zones): (&ZoneId, &[ZoneId]),
        rule: &Rule,
    ) -> Option<Self> {
        let apart = |place: &GroundPoint| edge.iter().filter_map(|a| a.distance(place)).reduce(f64::min);
        match place.into_iter().filter_map(apart).reduce(f64::min) {
            Some(metres) => (metres <= f64::from(rule.merge_radius)).then_some(Self::Ground(metres)),
            None => zones.contains(zone).then_some(Self::Zone),
        }
    }

    /// In this order the nearest one comes first.
    pub(super) fn millimetres(self) -> u64 {
        match self {
            Self::Ground(metres) => (metres * 1_000.0) as u64,
            Self::Zone => u64::MAX,
        }
    }
}

/// Where another view's problem is seen from, and by whom it is asked for.
pub(super) struct Vantage<'a> {
    pub(super) camera: &'a CameraId,
    pub(super) plane: Option<&'a Ground>,
    pub(super) rule: &'a Rule,
    pub(super) overlaps: &'a Overlaps,
    pub(super) asking: &'a CameraId,
}

impl Round<'_> {
    /// What becomes of an incident, given what its place has had: it joins the ticket of another view, or its own of a short
    /// while ago goes on, or it is new.
    pub(super) fn placed(
        &self,
        incident: Box<Incident>,
        kept: &mut Vec<Problem>,
        held: &[TicketId],
        out: &mut Vec<Effect>,
    ) -> Event {
        let known = self.elsewhere().known(incident.bbox, &incident.zone, held);
        let rest = kept.iter().position(|p| self.comes_back(p, incident.bbox));
        match (known, rest) {
            // What is open goes before what came back.
            (Some(known), rest) if known.standing == Standing::Open || rest.is_none() => {
                rest.map(|rest| kept.swap_remove(rest));
                Event::Joined(Box::new(known.clone()), incident)
            }
            (_, Some(rest)) => {
                // The suspect's end is that its ticket goes on.
                let back = kept.swap_remove(rest).on(Event::CameBack, &self.at, out);
                kept.extend(back);
                Event::Dropped("came_back")
            }
            (_, None) => Event::Confirmed(incident),
        }
    }

    /// What this view knows of its places from others.
    pub(super) fn elsewhere(&self) -> Elsewhere<'_> {
        Elsewhere { abroad: self.abroad, plane: self.plane, rule: self.at.rule }
    }
}

/// What this view knows of a place from others.
pub(super) struct Elsewhere<'a> {
    pub(super) abroad: &'a [Abroad],
    pub(super) plane: Option<&'a Ground>,
    pub(super) rule: &'a Rule,
}

impl<'a> Elsewhere<'a> {
    /// Whether another view has a say for a ticket.
    pub(super) fn others(&self, ticket: Option<TicketId>) -> Others {
        let speaks = |abroad: &Abroad| abroad.stands && Some(abroad.ticket) == ticket;
        if self.abroad.iter().any(speaks) { Others::StillSee } else { Others::SeeNothing }
    }

    /// The ticket of another view that tells of what stands here: an open one before one that is over, the nearest one of
    /// several. `held` are the tickets that this view has a place for.
    pub(super) fn known(&self, place: Rect, zone: &ZoneId, held: &[TicketId]) -> Option<&'a Abroad> {
        let same = self.at(place, zone).filter(|(abroad, same)| {
            // Zones are coarse: what went away somewhere in one is not what stands somewhere in the other.
            let by_ground = matches!(same, Same::Ground(_));
            let comes_back = abroad.standing == Standing::Resting;
            abroad.kind == self.rule.kind && !held.contains(&abroad.ticket) && (by_ground || !comes_back)
        });
        let rank = |(abroad, same): &(&Abroad, Same)| {
            let over = match abroad.standing {
                Standing::Open => 0_u8,
                Standing::Closed(_) | Standing::Quiet(_) => 1,
                Standing::Resting => 2,
            };
            (over, same.millimetres(), abroad.ticket)
        };
        same.min_by_key(rank).map(|(abroad, _)| abroad)
    }

    /// Whether what stands here belongs to a ticket that this view has a place for already, or yields to an open one.
    pub(super) fn takes(&self, place: Rect, zone: &ZoneId, held: &[TicketId]) -> bool {
        self.at(place, zone).any(|(abroad, same)| {
            let rests = abroad.standing == Standing::Resting;
            let own = abroad.kind == self.rule.kind && held.contains(&abroad.ticket) && !rests;
            let yields = abroad.standing == Standing::Open && self.rule.yields_to.contains(&abroad.kind);
            matches!(same, Same::Ground(_)) && (own || yields)
        })
    }

    fn at(&self, place: Rect, zone: &ZoneId) -> impl Iterator<Item = (&'a Abroad, Same)> {
        // Most cameras have no neighbour with a ticket: nothing is worked out for them.
        let edge = match self.plane {
            Some(plane) if !self.abroad.is_empty() => lower_edge(plane, place),
            _ => Vec::new(),
        };
        self.abroad.iter().filter_map(move |abroad| Some((abroad, abroad.is_at(&edge, zone, self.rule)?)))
    }
}

/// Points of a box's lower edge on the ground, as far as they have a place there.
pub(super) fn lower_edge(plane: &Ground, place: Rect) -> Vec<GroundPoint> {
    let place = place.clamped();
    let x = |n: u8| place.x0 + place.width() * f32::from(n) / f32::from(EDGE - 1);
    (0..EDGE).filter_map(|n| plane.place(Point { x: x(n), y: place.y1 })).collect()
}

/// Which zones are said to show the same, both ways round.
#[derive(Debug, Default)]
pub(super) struct Overlaps(BTreeMap<ZoneRef, BTreeSet<ZoneRef>>);

impl Overlaps {
    pub(super) fn of(&self, camera: &CameraId, zone: &ZoneId, asking: &CameraId) -> Vec<ZoneId> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let there = self.0.get(&ZoneRef { camera: camera.clone(), zone: zone.clone() });
        let here = there.into_iter().flatten().filter(|other| other.camera == *asking);
        here.map(|other| other.zone.clone()).collect()
    }
}

/// Which cameras may see what another one sees.
#[derive(Debug, Default)]
pub(super) struct Neighbourhood {
    near: BTreeMap<CameraId, BTreeSet<CameraId>>,
    /// The ground that each camera sees, where that is known.
    reaches: BTreeMap<CameraId, Reach>,
    radius: f64,
    pub(super) overlaps: Overlaps,
}

impl Neighbourhood {
    /// Worked out from zones and grounds; `radius` is the longest `merge_radius`.
    pub(super) fn of(views: &BTreeMap<CameraId, View>, radius: f32) -> Self {
        let mut this = Self { radius: radius.into(), ..Self::default() };
        for (camera, view) in views {
            for zone in view.zones() {
                let here = ZoneRef { camera: camera.clone(), zone: zone.id.clone() };
                for there in zone.overlaps.iter().filter(|there| there.camera != *camera) {
                    this.overlaps.0.entry(here.clone()).or_default().insert(there.clone());
                    this.overlaps.0.entry(there.clone()).or_default().insert(here.clone());
                    this.pair(camera, &there.camera);
                }
            }
        }
        let reaches: Vec<_> = views.iter().filter_map(|(camera, view)| Some((camera, view.reach()?))).collect();
        for (index, (camera, reach)) in reaches.iter().enumerate() {
            for (other, other_reach) in &reaches[..index] {
                if reach.meets(other_reach, f64::from(radius)) {
                    this.pair(camera, other);
                }
            }
        }
        this.reaches = reaches.into_iter().map(|(camera, reach)| (camera.clone(), reach)).collect();
        this
    }

    fn pair(&mut self, one: &CameraId, other: &CameraId) {
        self.near.entry(one.clone()).or_default().insert(other.clone());
        self.near.entry(other.clone()).or_default().insert(one.clone());
    }

    /// Whether a camera may see what stands at a point of the ground.
    pub(super) fn may_see(&self, camera: &CameraId, point: &GroundPoint) -> bool {
        self.reaches.get(camera).is_some_and(|reach| reach.holds(point, self.radius))
    }

    /// The cameras that may see what stands at a point of the ground.
    pub(super) fn seeing<'a>(&'a self, point: &'a GroundPoint) -> impl Iterator<Item = &'a CameraId> {
        self.reaches.iter().filter(|(_, reach)| reach.holds(point, self.radius)).map(|(camera, _)| camera)
    }

    /// The cameras that may see what `camera` sees.
    pub(super) fn near(&self, camera: &CameraId) -> impl Iterator<Item = &CameraId> {
        self.near.get(camera).into_iter().flatten()
    }
}

/// A circle on the ground around all that a camera's zones show of it.
#[derive(Debug)]
pub(super) struct Reach {
    middle: GroundPoint,
    radius: f64,
}

impl Reach {
    /// None where no zone shows ground that is known.
    pub(super) fn of(plane: &Ground, zones: &[Zone]) -> Option<Self> {
        let at = |n: u16| (f32::from(n) + 0.5) / f32::from(POINTS);
        let raster = (0..POINTS * POINTS).map(|n| Point { x: at(n % POINTS), y: at(n / POINTS) });
        let inside = raster.filter(|point| zones.iter().any(|zone| zone.polygon.contains(*point)));
        let corners = zones.iter().flat_map(|zone| zone.polygon.points().iter().copied());
        let points: Vec<_> = inside.chain(corners).filter_map(|point| plane.place(point)).collect();
        let n = points.len() as f64;
        let mean = |axis: fn(&GroundPoint) -> f64| points.iter().map(axis).sum::<f64>() / n;
        let middle = GroundPoint { crs: points.first()?.crs.clone(), x: mean(|p| p.x), y: mean(|p| p.y) };
        let radius = points.iter().filter_map(|point| middle.distance(point)).fold(0.0, f64::max);
        Some(Self { middle, radius })
    }

    fn holds(&self, point: &GroundPoint, radius: f64) -> bool {
        self.middle.distance(point).is_some_and(|apart| apart <= self.radius + radius + MARGIN)
    }

    fn meets(&self, other: &Self, radius: f64) -> bool {
        let reach = self.radius + other.radius + radius + 2.0 * MARGIN;
        self.middle.distance(&other.middle).is_some_and(|apart| apart <= reach)
    }
}

/// Which views have a place for a ticket, where it is more than one.
#[derive(Debug, Default)]
pub(super) struct Shared(BTreeMap<TicketId, BTreeSet<CameraId>>);

impl Shared {
    /// Of all that the views hold.
    pub(super) fn of(views: &BTreeMap<CameraId, View>) -> Self {
        let mut all: BTreeMap<TicketId, BTreeSet<CameraId>> = BTreeMap::new();
        for (camera, view) in views {
            for ticket in view.held() {
                all.entry(ticket).or_default().insert(camera.clone());
            }
        }
        all.retain(|_, cameras| cameras.len() > 1);
        Self(all)
    }

    pub(super) fn join(&mut self, ticket: TicketId, one: &CameraId, other: &CameraId) {
        self.0.entry(ticket).or_default().extend([one.clone(), other.clone()]);
    }

    /// The cameras that share a ticket with `camera`.
    pub(super) fn with(&self, camera: &CameraId) -> impl Iterator<Item = &CameraId> {
        self.0.values().filter(|cameras| cameras.contains(camera)).flatten().filter(move |other| *other != camera)
    }

    /// The other cameras that have a place for `ticket`.
    pub(super) fn others(&self, ticket: TicketId, camera: &CameraId) -> Vec<CameraId> {
        self.0.get(&ticket).into_iter().flatten().filter(|other| *other != camera).cloned().collect()
    }

    /// Forgets tickets that are no longer in several views.
    pub(super) fn settle(&mut self, views: &BTreeMap<CameraId, View>) {
        self.0.retain(|ticket, cameras| {
            cameras.retain(|camera| views.get(camera).is_some_and(|view| view.held().any(|held| held == *ticket)));
            cameras.len() > 1
        });
    }

    /// How many places too many are counted of the open tickets.
    pub(super) fn surplus(&self, views: &BTreeMap<CameraId, View>, wanted: impl Fn(&Stage) -> bool) -> usize {
        let of_ticket = |(ticket, cameras): (&TicketId, &BTreeSet<CameraId>)| {
            let there = cameras.iter().filter_map(|camera| views.get(camera));
            let n: usize = there.map(|view| view.count(|s| s.ticket() == Some(*ticket) && wanted(s))).sum();
            n.saturating_sub(1)
        };
        self.0.iter().map(of_ticket).sum()
    }
}

/// How long ago something was, whichever way the clock was set meanwhile.
pub(super) fn apart(now: Timestamp, then: Timestamp) -> Millis {
    Millis(now.0.saturating_sub(then.0).saturating_abs())
}
