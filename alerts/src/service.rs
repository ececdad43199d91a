//! The part of alerts that runs: looks go into the rule core, what it wants done comes out and is done.
//!
//! ```text
//!  looks, lost cameras, ticks ──▶ rule core ──▶ cases (bounded queue) ──▶ desk: pictures ─▶ evidence store ─▶ database
//!                                    │
//!                                    └──▶ first-seen pictures (encoded), pace of looks
//! ```
//!
//! A ticket that the core opens is written, however long that takes: the desk retries in order while the disk is full or
//! the database away, and once its queue is full too, looks wait. Evidence is on disk before the ticket that names it,
//! and the ticket is on disk together with its messages. [`Service::run`] ends when its input closes, after all is done.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use domain::{AccessUnit, CameraFault, CameraId, Cell, Ground, Look, Picture, TicketId, Timestamp, ZoneId};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};

use crate::{
    AlertsError,
    annotate::Annotator,
    clocks::Timetable,
    duty::PicturesWanted,
    evidence::{EvidenceConfig, EvidenceStore},
    incident::{Effect, Ending, Further, Incident, Input, Pace, SuspectId, Zone},
    rules::{Core, Permit},
    store::{Store, Touch},
    ticket::{CameraInfo, Ticket},
    wire::Node,
};

mod closing;
mod desk;
mod gathered;
mod patience;
mod router;
mod second_look;
mod sensed;
mod shots;
mod studio;
#[cfg(test)]
mod tests;
mod whereabouts;

use closing::Closing;
use desk::{Angle, Case, Change, Checking, Clearing, Desk, Joining, Opening, Sight};
use gathered::{Gathered, Shown};
use router::Router;
use second_look::{Ended, SecondLooks};
pub use second_look::{LookNow, Rechecking};
use sensed::Awaited;
pub use sensed::{SensedCase, Sensing};
pub use whereabouts::Locator;

/// Cases that wait for the desk; each holds a decoded picture or two.
const CASES: usize = 32;

/// How often the core is told that time passes.
const TICK: Duration = Duration::from_secs(1);

/// Ticks from one note of what still stands to the next: a crash forgets so much of "last seen".
const NOTE_EVERY: u32 = 10;

/// How long a ticket waits for its picture in full resolution.
const FULL_RESOLUTION_WAIT: Duration = Duration::from_millis(700);

/// Decodes one picture that was kept encoded.
pub trait StillDecoder: Send + Sync {
    /// Blocks until the picture is decoded.
    ///
    /// # Errors
    /// Why it cannot be decoded, in words for a log.
    fn decode(&self, access_unit: &AccessUnit) -> Result<Picture, String>;
}

/// A picture under way; fails in words for a log. Dropped when it takes too long.
pub type Grab = Pin<Box<dyn Future<Output = Result<AccessUnit, String>> + Send>>;

/// Takes a picture from a camera's main stream, for cameras that are looked at in their sub stream.
pub trait FullResolution: Send + Sync {
    /// Begins to take a picture; none where the camera has no stream of higher resolution than the looks'.
    fn grab(&self, camera: &CameraId) -> Option<Grab>;
}

/// Is told how often a camera is worth looking at.
pub type Paces = Arc<dyn Fn(&CameraId, Pace) + Send + Sync>;

/// What the service hears of the cameras.
#[derive(Debug)]
pub enum Event {
    /// A look was made.
    Look(Box<Look>),
    /// A camera lost its stream, and when.
    Lost(CameraId, Timestamp),
    /// Other cameras are watched from now on.
    Cameras(Box<CameraSet>),
    /// A ticket was closed or rejected, which is written down already.
    Ended {
        /// Whose.
        camera: CameraId,
        /// Which.
        ticket: TicketId,
        /// How.
        ending: Ending,
        /// When.
        at: Timestamp,
    },
    /// The platform says that a ticket's problem is gone, or asks: its place is to be looked at again, from this time on.
    LookAgain(Box<Ticket>, Timestamp),
    /// What a camera shows cannot be trusted from now on, and was not to be for some time.
    Unfit {
        /// Which.
        camera: CameraId,
        /// When that was known.
        at: Timestamp,
        /// What is wrong with it.
        fault: CameraFault,
    },
    /// It can be trusted again.
    Fit(CameraId, Timestamp),
    /// Sensors have something to say.
    Sensed(Sensing),
    /// Somebody wants to know when all events before this one have been judged; their cases may still be under way.
    Judged(oneshot::Sender<()>),
}

/// Cameras, and what is allowed on their views.
#[derive(Debug)]
pub struct CameraSet {
    /// Each camera's description and zones.
    pub cameras: HashMap<CameraId, (CameraInfo, Vec<Zone>)>,
    /// Permits that are laid over the zones.
    pub permits: Vec<Permit>,
    /// The ground that cameras see, where it is known.
    pub grounds: BTreeMap<CameraId, Ground>,
    /// Finds the cell of a place on the ground.
    pub locator: Locator,
}

/// Whose time it is that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// This machine's: time passes while nobody looks.
    System,
    /// That of the looks: a recording is judged as fast as it is looked at, and alike each time.
    Looks,
}

/// All that a service is made of.
pub struct ServiceSetup {
    /// Where tickets and messages are written.
    pub store: Store,
    /// Where pictures are written.
    pub evidence: EvidenceStore,
    /// The rules, with the open tickets of the store restored.
    pub core: Core,
    /// Each camera's description and zones, as the core has them.
    pub cameras: HashMap<CameraId, (CameraInfo, Vec<Zone>)>,
    /// Finds the cell of a place on the ground.
    pub locator: Locator,
    /// Who signs the messages; its time zone is that of the times written on pictures.
    pub node: Node,
    /// What limits and clocks of tickets go by, as it is at any moment.
    pub timetable: watch::Receiver<Timetable>,
    /// Decodes first-seen pictures and those in full resolution.
    pub stills: Arc<dyn StillDecoder>,
    /// Takes pictures in full resolution.
    pub full_resolution: Arc<dyn FullResolution>,
    /// Told how often a camera is worth looking at. Must not block.
    pub paces: Paces,
    /// How places of tickets are looked at again.
    pub rechecking: Rechecking,
    /// How pictures are made.
    pub config: EvidenceConfig,
    /// Whose time it is that passes.
    pub clock: Clock,
}

/// Owns the rule core, and does what it wants done.
pub struct Service {
    watch: Watch,
    desk: Desk,
}

/// Says what this module's metrics mean.
pub(crate) fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("gridwatch_suspects_total", "candidates for a ticket, by kind");
    describe_counter!("gridwatch_suspects_dropped_total", "candidates that became no ticket, by kind and reason");
    describe_counter!("gridwatch_tickets_opened_total", "tickets written, by kind");
    describe_counter!(
        "gridwatch_tickets_routed_total",
        "tickets opened, by who decided who answers (list, built_in, nobody)"
    );
    describe_counter!(
        "gridwatch_routing_failures_total",
        "times that routing met a damaged list or a year without holidays, by reason"
    );
    describe_counter!(
        "gridwatch_views_joined_total",
        "times that a camera saw the problem of another camera's ticket, and opened none of its own"
    );
    describe_counter!(
        "gridwatch_sensors_joined_total",
        "times that a sensor showed the problem of a camera's ticket, and opened none of its own"
    );
    describe_counter!("gridwatch_tickets_cleared_total", "tickets whose problem was seen to be gone, by kind");
    describe_gauge!("gridwatch_tickets", "tickets, by state (open, cleared, ended, pending_review, undelivered)");
    describe_gauge!(
        "gridwatch_tickets_unacknowledged",
        "tickets that were sent again because the platform had not answered, and still has not"
    );
    describe_counter!("gridwatch_rechecks_total", "second looks at tickets' places that ended, by result and reason");
    describe_counter!("gridwatch_tickets_reopened_total", "closed tickets that were opened again, by kind");
    describe_gauge!("gridwatch_outbox_messages", "messages in the outbox, by state (queued, refused)");
    describe_gauge!("gridwatch_first_seen_bytes", Unit::Bytes, "encoded pictures kept for candidates");
    describe_counter!(
        "gridwatch_pictures_missing_total",
        "pictures that a ticket went without, by role and reason (memory, decode, encode, late, grab, looks)"
    );
    describe_counter!("gridwatch_evidence_bytes_total", Unit::Bytes, "bytes given to the evidence store, by rendition");
    describe_counter!("gridwatch_write_failures_total", "writes of tickets or evidence that failed and are retried");
    describe_gauge!(
        "gridwatch_writes_hang",
        "reads and writes of tickets that the database or the evidence folder does not answer"
    );
    describe_histogram!(
        "gridwatch_ticket_write_seconds",
        Unit::Seconds,
        "from the look that satisfied the rule to the ticket on disk, pictures included"
    );
}

impl Service {
    /// Puts a service together; reads the fonts.
    #[must_use]
    pub fn new(setup: ServiceSetup) -> Self {
        let router = Router::new(setup.timetable);
        let district = setup.node.district.clone();
        let annotator = Annotator::new(setup.config.font.as_deref(), setup.node.timezone.clone());
        let watch = Watch {
            core: setup.core,
            cameras: setup.cameras,
            locator: setup.locator,
            district,
            full_resolution: setup.full_resolution,
            paces: setup.paces,
            second_looks: SecondLooks::new(setup.rechecking.config, setup.rechecking.look_now),
            due: setup.rechecking.due,
            gathered: Gathered::default(),
            pictures_wanted: router.pictures_wanted(),
            touched: HashMap::new(),
            awaited: Vec::new(),
            closings: Vec::new(),
            clock: setup.clock,
        };
        let desk = Desk::new(
            setup.store,
            setup.evidence,
            setup.node,
            router,
            setup.stills,
            annotator,
            setup.config.jpeg_quality,
        );
        Self { watch, desk }
    }

    /// Runs until `events` closes and all that came of them is written.
    ///
    /// # Errors
    /// When the core speaks of a camera or zone that the set-up does not have. Trouble with disk and database is no
    /// error: it is retried for as long as it takes.
    pub async fn run(mut self, events: mpsc::Receiver<Event>) -> Result<(), AlertsError> {
        // Before the first look, which may be one of those that the list wants.
        self.desk.read_list().await;
        let (cases, queue) = mpsc::channel(CASES);
        // What a desk has at hand is too much for a stack that others are nested in.
        let (watched, ()) = tokio::join!(self.watch.run(events, cases), Box::pin(self.desk.run(queue)));
        watched
    }
}

struct Watch {
    core: Core,
    cameras: HashMap<CameraId, (CameraInfo, Vec<Zone>)>,
    locator: Locator,
    district: Cell,
    full_resolution: Arc<dyn FullResolution>,
    paces: Paces,
    second_looks: SecondLooks,
    /// Tickets whose check was due at the start.
    due: Vec<Ticket>,
    gathered: Gathered,
    /// By the responsibility list as it was last read.
    pictures_wanted: watch::Receiver<PicturesWanted>,
    /// What still stands and is not yet written down.
    touched: HashMap<(TicketId, CameraId), Touch>,
    /// Tickets of sensors that wait for a look.
    awaited: Vec<Awaited>,
    /// Tickets whose problem is gone and that wait for looks that show it.
    closings: Vec<Closing>,
    clock: Clock,
}

enum Heard {
    Event(Event),
    Tick,
    End,
}

impl Watch {
    async fn run(mut self, mut events: mpsc::Receiver<Event>, cases: mpsc::Sender<Case>) -> Result<(), AlertsError> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut until_note = 0;
        for ticket in std::mem::take(&mut self.due) {
            let case = self.look_again(&ticket, SystemTime::now().into());
            if cases.send(case).await.is_err() {
                return Ok(());
            }
        }
        loop {
            let heard = tokio::select! {
                event = events.recv() => event.map_or(Heard::End, Heard::Event),
                _ = ticks.tick(), if self.clock == Clock::System => Heard::Tick,
            };
            let opened = match heard {
                Heard::Event(Event::Look(look)) => self.look(look)?,
                Heard::Event(Event::Lost(camera, at)) => {
                    self.second_looks.lost(&camera);
                    let effects = self.core.apply(at, Input::CameraLost(&camera));
                    self.carry_out(effects, None)?
                }
                Heard::Event(Event::Cameras(set)) => self.set_cameras(*set)?,
                Heard::Event(Event::Ended { camera, ticket, ending, at }) => {
                    self.touched.retain(|(touched, _), _| *touched != ticket);
                    self.second_looks.forget(ticket);
                    let effects = self.core.apply(at, Input::Ended { camera: &camera, ticket, ending });
                    let mut cases = self.closing_of(ticket);
                    cases.extend(self.carry_out(effects, None)?);
                    cases
                }
                Heard::Event(Event::LookAgain(ticket, at)) => {
                    let mut cases = self.closing_of(ticket.id());
                    cases.push(self.look_again(&ticket, at));
                    cases
                }
                Heard::Event(Event::Unfit { camera, at, fault }) => {
                    self.second_looks.unfit(&camera, fault);
                    let effects = self.core.apply(at, Input::CameraUnfit(&camera));
                    self.carry_out(effects, None)?
                }
                Heard::Event(Event::Fit(camera, at)) => {
                    self.second_looks.fit(&camera);
                    let effects = self.core.apply(at, Input::CameraFit(&camera));
                    self.carry_out(effects, None)?
                }
                Heard::Event(Event::Sensed(sensing)) => self.sense(sensing, SystemTime::now().into())?,
                Heard::Event(Event::Judged(answer)) => {
                    // Whoever asked may have gone away.
                    let _ = answer.send(());
                    Vec::new()
                }
                Heard::Tick => {
                    let now = SystemTime::now().into();
                    let effects = self.core.apply(now, Input::Tick);
                    let mut opened = self.carry_out(effects, None)?;
                    let over = self.second_looks.tick(now);
                    opened.extend(over.into_iter().map(|over| self.checked(over, None)));
                    opened.extend(self.overdue());
                    opened.extend(self.overdue_closings(now));
                    if until_note == 0 {
                        until_note = NOTE_EVERY;
                        self.note(&cases);
                    }
                    until_note -= 1;
                    opened
                }
                Heard::End => break,
            };
            for case in opened {
                // A full queue means that the disk is in trouble: looks wait, and no case is lost.
                if cases.send(case).await.is_err() {
                    return Ok(());
                }
            }
        }
        let mut waiting = self.release_all();
        waiting.extend(self.all_closings());
        for case in waiting {
            if cases.send(case).await.is_err() {
                return Ok(());
            }
        }
        let last = Case::Change(Change::StillThere(
            self.touched.into_iter().map(|((ticket, _), touch)| (ticket, touch)).collect(),
        ));
        // The desk goes on until this sender is gone; it cannot have ended before.
        let _ = cases.send(last).await;
        Ok(())
    }

    /// Suspects in zones that are gone are dropped; open tickets stay.
    fn set_cameras(&mut self, set: CameraSet) -> Result<Vec<Case>, AlertsError> {
        self.core.set_permits(set.permits).map_err(AlertsError::Rules)?;
        let zones = set.cameras.iter().map(|(camera, (_, zones))| (camera.clone(), zones.clone()));
        let effects = self.core.set_cameras(SystemTime::now().into(), zones).map_err(AlertsError::Rules)?;
        self.core.set_grounds(set.grounds);
        (self.cameras, self.locator) = (set.cameras, set.locator);
        self.carry_out(effects, None)
    }

    /// Begins to check a ticket's place.
    fn look_again(&mut self, ticket: &Ticket, at: Timestamp) -> Case {
        let views = self.core.further_views(ticket.id(), &ticket.incident.camera);
        self.second_looks.begin(ticket, views, at);
        Case::Change(Change::RecheckBegan(ticket.id(), at))
    }

    /// What is to be done at the end of a check; `look` was the last of it, unless its time was up.
    fn checked(&self, ended: Ended, look: Option<&Arc<Look>>) -> Case {
        let Ended { ticket, outcome, camera, kept } = ended;
        let mut full_resolution = JoinSet::new();
        if let Some(grab) = look.and_then(|look| self.full_resolution.grab(&look.camera)) {
            full_resolution.spawn(tokio::time::timeout(FULL_RESOLUTION_WAIT, grab));
        }
        let angle = self.angle(&camera, ticket);
        Case::Change(Change::Checked(Box::new(Checking {
            ticket,
            outcome,
            kept,
            look: look.cloned(),
            angle,
            full_resolution,
        })))
    }

    fn look(&mut self, look: Box<Look>) -> Result<Vec<Case>, AlertsError> {
        let look: Arc<Look> = look.into();
        let mut cases = match self.clock {
            Clock::System => Vec::new(),
            Clock::Looks => {
                let effects = self.core.apply(look.sampled_at, Input::Tick);
                let mut cases = self.carry_out(effects, None)?;
                let over = self.second_looks.tick(look.sampled_at);
                cases.extend(over.into_iter().map(|over| self.checked(over, None)));
                cases.extend(self.overdue_closings(look.sampled_at));
                cases
            }
        };
        // Before what the rules make of it: it may be evidence on a ticket that waited for this look.
        cases.extend(self.looked(&look));
        cases.extend(self.looked_after(&look));
        let effects = self.core.apply(look.sampled_at, Input::Look(look.as_ref().into()));
        cases.extend(self.carry_out(effects, Some(&look))?);
        self.gathered.look(&look, &self.pictures_wanted.borrow());
        let ended = self.second_looks.look(&self.core, &look);
        cases.extend(ended.into_iter().map(|ended| self.checked(ended, Some(&look))));
        Ok(cases)
    }

    /// Does what takes no time, and returns what does.
    fn carry_out(&mut self, effects: Vec<Effect>, look: Option<&Arc<Look>>) -> Result<Vec<Case>, AlertsError> {
        let mut cases = Vec::new();
        for effect in effects {
            match effect {
                Effect::Suspected { suspect, camera, kind } => {
                    tracing::debug!(%camera, %kind, ?suspect, "something is suspected");
                    metrics::counter!("gridwatch_suspects_total", "kind" => kind.to_string()).increment(1);
                    if let Some(look) = look {
                        self.gathered.suspected(suspect, kind, look);
                    }
                }
                Effect::Dropped { suspect, kind, reason } => {
                    tracing::debug!(%kind, ?suspect, reason, "what was suspected is no case");
                    metrics::counter!("gridwatch_suspects_dropped_total", "kind" => kind.to_string(), "reason" => reason)
                        .increment(1);
                    self.gathered.let_go(suspect);
                }
                Effect::Confirmed { suspect, incident } => {
                    cases.extend(self.closings_at(&incident.camera));
                    cases.push(Case::Open(Box::new(self.opening(suspect, *incident, look)?)));
                }
                Effect::Joined { suspect, ticket, incident } => {
                    cases.extend(self.release_ticket(ticket));
                    cases.extend(self.closing_of(ticket));
                    cases.push(Case::Change(Change::Joined(Box::new(self.joining(suspect, ticket, *incident, look)?))));
                }
                Effect::StillThere { ticket, camera, seen_at, bbox } => {
                    if let Some((zone, _)) = self.core.place_of(&camera, ticket) {
                        let touch = Touch { camera: camera.clone(), zone: zone.clone(), last_seen: seen_at, bbox };
                        self.touched.insert((ticket, camera), touch);
                    }
                }
                Effect::Cleared { ticket, camera, last_seen, cleared_at } => {
                    self.touched.retain(|(touched, _), _| *touched != ticket);
                    let (angle, kept) = (self.angle(&camera, ticket), Vec::new());
                    let clearing = Clearing { ticket, last_seen, cleared_at, kept, look: look.cloned(), angle };
                    cases.extend(self.close(clearing, camera));
                }
                Effect::Again { ticket, camera, seen_at, why } => {
                    cases.extend(self.closing_of(ticket));
                    let angle = self.angle(&camera, ticket);
                    cases.push(Case::Change(Change::Again(Box::new(Sight {
                        ticket,
                        seen_at,
                        why,
                        look: look.cloned(),
                        angle,
                    }))));
                }
                Effect::CameBack { ticket, camera, seen_at } => {
                    cases.extend(self.closing_of(ticket));
                    let angle = self.angle(&camera, ticket);
                    cases.push(Case::Change(Change::CameBack(Box::new(Sight {
                        ticket,
                        seen_at,
                        why: Further::StillThere,
                        look: look.cloned(),
                        angle,
                    }))));
                }
                Effect::Pace { camera, pace } => (self.paces)(&camera, pace),
            }
        }
        Ok(cases)
    }

    fn opening(
        &mut self,
        suspect: SuspectId,
        incident: Incident,
        look: Option<&Arc<Look>>,
    ) -> Result<Opening, AlertsError> {
        let Shown { first, further } = self.gathered.let_go(suspect);
        let found = self.cameras.get(&incident.camera).and_then(|(camera, zones)| {
            let zone = zones.iter().find(|zone| zone.id == incident.zone)?;
            Some((camera.clone(), zone.clone()))
        });
        let review_until = self.core.review(&incident.rule.id).map(|within| incident.confirmed_at + within);
        let Some((mut camera, zone)) = found else {
            return Err(AlertsError::UnknownZone { camera: incident.camera, zone: incident.zone });
        };
        camera.place = self.locator.place(camera.place.as_ref(), incident.ground.as_ref(), &self.district);
        let mut full_resolution = JoinSet::new();
        if let Some(grab) = self.full_resolution.grab(&incident.camera) {
            // Begins now, so that it runs while the ticket waits for its turn.
            full_resolution.spawn(tokio::time::timeout(FULL_RESOLUTION_WAIT, grab));
        }
        Ok(Opening {
            incident,
            camera,
            zone,
            look: look.cloned(),
            first_seen: first,
            further,
            review_until,
            full_resolution,
            satisfied: Instant::now(),
        })
    }

    /// What another camera sees of a ticket's problem.
    fn joining(
        &mut self,
        suspect: SuspectId,
        ticket: TicketId,
        incident: Incident,
        look: Option<&Arc<Look>>,
    ) -> Result<Joining, AlertsError> {
        self.gathered.let_go(suspect);
        let Incident { camera, zone, bbox, things, first_seen, last_seen, .. } = incident;
        let Some((name, zone)) = self.zone_of(&camera, &zone) else {
            return Err(AlertsError::UnknownZone { camera, zone });
        };
        let mut full_resolution = JoinSet::new();
        if let Some(grab) = self.full_resolution.grab(&camera) {
            full_resolution.spawn(tokio::time::timeout(FULL_RESOLUTION_WAIT, grab));
        }
        let angle = Angle { camera, name, zone, bbox, things };
        Ok(Joining { ticket, angle, first_seen, last_seen, look: look.cloned(), full_resolution })
    }

    /// How a camera sees the place of a ticket; none where its zone is gone.
    fn angle(&self, camera: &CameraId, ticket: TicketId) -> Option<Angle> {
        let (zone, bbox) = self.core.place_of(camera, ticket)?;
        let (name, zone) = self.zone_of(camera, zone)?;
        Some(Angle { camera: camera.clone(), name, zone, bbox, things: Vec::new() })
    }

    fn zone_of(&self, camera: &CameraId, zone: &ZoneId) -> Option<(String, Zone)> {
        let (info, zones) = self.cameras.get(camera)?;
        Some((info.name.clone(), zones.iter().find(|known| known.id == *zone)?.clone()))
    }

    /// Has written down what still stands, unless the desk has better things to do.
    fn note(&mut self, cases: &mpsc::Sender<Case>) {
        if let Ok(place) = cases.try_reserve() {
            let touched = self.touched.drain().map(|((ticket, _), touch)| (ticket, touch));
            place.send(Case::Change(Change::StillThere(touched.collect())));
        }
    }
}
