//! Scenes, played to the core look by look.

mod config;
mod elsewhere;
mod ended;
mod ending;
mod flow;
mod foreground;
mod grounded;
mod lanes;
mod no_case;
mod people;
mod play;
mod random;
mod restart;
mod sensors;
mod speed;
mod stall;
mod standing;
mod trust;

use domain::{
    CameraId, Detection, Kind, Label, LookSource, Millis, ModelRef, Point, Polygon, Rect, Sha256, TicketId, Timestamp,
};
use jiff::tz::TimeZone;

use super::{Core, RulesConfig};
use crate::incident::{
    Effect, Ending, Incident, Input, Observation, OpenTicket, Pace, Sight, SuspectId, Zone, ZonePurpose,
};

/// 2026-11-23 12:00:00 in Shanghai, a Monday.
const NOON: Timestamp = Timestamp(1_795_406_400_000);

fn camera() -> CameraId {
    "cam".parse().expect("an id")
}

fn zone(id: &str, purpose: ZonePurpose, [x0, y0, x1, y1]: [f32; 4]) -> Zone {
    let corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]].map(Point::from).to_vec();
    Zone {
        id: id.parse().expect("an id"),
        name: String::new(),
        purpose,
        polygon: Polygon::new(corners).expect("a rectangle"),
        dwell: None,
        overlaps: Vec::new(),
    }
}

/// A thing whose class is its group, at its left edge, foot line, width and height.
fn thing(label: &str, score: f32, x: f32, foot: f32, width: f32, height: f32) -> Detection {
    let bbox = Rect { x0: x, y0: foot - height, x1: x + width, y1: foot };
    Detection { class: Label::new(label), group: Label::new(label), score, bbox, mask: None, model: None }
}

fn car(x: f32) -> Detection {
    thing("vehicle", 0.7, x, 0.6, 0.2, 0.15)
}

fn person(x: f32) -> Detection {
    thing("person", 0.7, x, 0.62, 0.05, 0.2)
}

fn ticket_id(n: u8) -> TicketId {
    TicketId::derive(NOON, &[n])
}

/// A scene that is played to a core; it keeps what came of it and checks that the effects are well-formed.
struct Scene {
    core: Core,
    now: Timestamp,
    model: ModelRef,
    suspects: Vec<SuspectId>,
    all_suspects: Vec<SuspectId>,
    confirmed: Vec<Incident>,
    still_there: Vec<(TicketId, Timestamp)>,
    cleared: Vec<TicketId>,
    /// Those of them that have not come back.
    gone: Vec<TicketId>,
    /// Every ticket, those of before a restart, too.
    known: Vec<Incident>,
    dropped: Vec<&'static str>,
    pace: Pace,
    open: Vec<Incident>,
    /// What was rejected or closed while it stood.
    ended: Vec<(Incident, Ending, Timestamp)>,
    came_back: Vec<TicketId>,
    again: Vec<TicketId>,
    /// Tickets that another view joined.
    joined: Vec<TicketId>,
    /// Whether the clock was ever set back.
    set_back: bool,
    /// Whether something seems to be wrong with the camera.
    in_doubt: bool,
    /// Whether the camera seems to look elsewhere.
    elsewhere: bool,
    /// Whether the view is being learnt.
    learning: bool,
}

impl Scene {
    fn new(config: &str, zones: &[Zone]) -> Self {
        let config: RulesConfig = toml::from_str(config).expect("rules");
        let time_zone = TimeZone::fixed(jiff::tz::offset(8));
        let core = Core::new(&config, time_zone, [(camera(), zones.to_vec())]).expect("a core");
        Self {
            core,
            now: NOON,
            model: ModelRef { name: "test".into(), sha256: Sha256::of(b"") },
            suspects: Vec::new(),
            all_suspects: Vec::new(),
            confirmed: Vec::new(),
            still_there: Vec::new(),
            cleared: Vec::new(),
            gone: Vec::new(),
            known: Vec::new(),
            dropped: Vec::new(),
            pace: Pace::Idle,
            open: Vec::new(),
            ended: Vec::new(),
            came_back: Vec::new(),
            again: Vec::new(),
            joined: Vec::new(),
            set_back: false,
            in_doubt: false,
            elsewhere: false,
            learning: false,
        }
    }

    /// The whole picture is a no-stopping zone.
    fn street() -> Self {
        Self::new("", &[zone("street", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0])])
    }

    #[track_caller]
    fn look(&mut self, detections: &[Detection]) {
        self.look_from(LookSource::Detector, detections);
    }

    #[track_caller]
    fn look_from(&mut self, source: LookSource, detections: &[Detection]) {
        let camera = camera();
        let model = self.model.clone();
        let (in_doubt, learning) = (self.in_doubt, self.learning);
        let seen = Observation {
            camera: &camera,
            detections,
            source,
            model: &model,
            in_doubt,
            elsewhere: self.elsewhere,
            learning,
        };
        let effects = self.core.apply(self.now, Input::Look(seen));
        self.take(effects);
    }

    #[track_caller]
    fn tick(&mut self) {
        let effects = self.core.apply(self.now, Input::Tick);
        self.take(effects);
    }

    #[track_caller]
    fn lose(&mut self) {
        let effects = self.core.apply(self.now, Input::CameraLost(&camera()));
        self.take(effects);
    }

    /// The platform or a person ends the ticket that was opened as the `nth`.
    #[track_caller]
    fn end(&mut self, nth: usize, ending: Ending) {
        let incident = self.confirmed[nth].clone();
        let (camera, ticket) = (&incident.camera, incident.ticket);
        let effects = self.core.apply(self.now, Input::Ended { camera, ticket, ending });
        self.open.retain(|i| i.ticket != ticket);
        if !self.gone.contains(&ticket) {
            self.ended.retain(|(i, ..)| i.ticket != ticket);
            self.ended.push((incident, ending, self.now));
        }
        self.take(effects);
    }

    #[track_caller]
    fn trust(&mut self, fit: bool) {
        let camera = camera();
        let input = if fit { Input::CameraFit(&camera) } else { Input::CameraUnfit(&camera) };
        let effects = self.core.apply(self.now, input);
        self.take(effects);
    }

    fn wait(&mut self, length: Millis) {
        self.now = self.now + length;
        self.set_back |= length < Millis::ZERO;
    }

    /// Looks each two seconds for `length`, each showing what `picture` says for its number.
    #[track_caller]
    fn play(&mut self, length: Millis, mut picture: impl FnMut(u32) -> Vec<Detection>) -> &mut Self {
        for n in 0..u32::try_from(length.0 / 2_000).expect("a short scene") {
            self.look(&picture(n));
            self.wait(Millis::secs(2));
        }
        self
    }

    #[track_caller]
    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Suspected { suspect, .. } => {
                    assert!(!self.all_suspects.contains(&suspect), "{suspect:?} named twice");
                    self.all_suspects.push(suspect);
                    self.suspects.push(suspect);
                }
                Effect::Dropped { suspect, reason, .. } => {
                    self.resolve(suspect);
                    self.dropped.push(reason);
                }
                Effect::Confirmed { suspect, incident } => {
                    self.resolve(suspect);
                    self.known.push((*incident).clone());
                    self.open.push((*incident).clone());
                    self.confirmed.push(*incident);
                }
                Effect::Joined { suspect, ticket, .. } => {
                    self.resolve(suspect);
                    self.joined.push(ticket);
                }
                Effect::StillThere { ticket, seen_at, .. } => {
                    let last = self.still_there.iter().rfind(|(t, _)| *t == ticket);
                    // Where the clock was set back, the wall times of two words say nothing.
                    let apart = |at: Timestamp| self.set_back || seen_at.since(at) >= Millis::secs(60);
                    assert!(last.is_none_or(|(_, at)| apart(*at)), "told too often");
                    self.still_there.push((ticket, seen_at));
                }
                Effect::Cleared { ticket, .. } => {
                    assert!(!self.gone.contains(&ticket), "cleared twice");
                    self.gone.push(ticket);
                    self.open.retain(|i| i.ticket != ticket);
                    self.ended.retain(|(i, ..)| i.ticket != ticket);
                    self.cleared.push(ticket);
                }
                Effect::Again { ticket, .. } => {
                    let known = self.open.iter().chain(self.ended.iter().map(|(i, ..)| i)).any(|i| i.ticket == ticket);
                    assert!(known, "told again, and neither open nor closed");
                    self.again.push(ticket);
                }
                Effect::CameBack { ticket, .. } => {
                    let closed = self.ended.iter().position(|(i, how, _)| i.ticket == ticket && *how == Ending::Closed);
                    let incident = match (closed, self.gone.iter().position(|gone| *gone == ticket)) {
                        (Some(at), _) => self.ended.remove(at).0,
                        (None, at) => {
                            self.gone.remove(at.expect("only what was closed or gone comes back"));
                            self.known.iter().find(|i| i.ticket == ticket).expect("it was a ticket").clone()
                        }
                    };
                    self.open.push(incident);
                    self.came_back.push(ticket);
                }
                Effect::Pace { pace, .. } => {
                    assert_ne!(self.pace, pace, "a pace that is no change");
                    self.pace = pace;
                }
            }
        }
    }

    /// What the last look, of these detections, shows of a ticket's place.
    fn sight(&self, incident: &Incident, detections: &[Detection]) -> Option<Sight> {
        let camera = camera();
        let source = LookSource::Detector;
        let (in_doubt, learning) = (self.in_doubt, self.learning);
        let seen = Observation {
            camera: &camera,
            detections,
            source,
            model: &self.model,
            in_doubt,
            elsewhere: self.elsewhere,
            learning,
        };
        self.core.sight(self.now, &open_ticket(incident), &seen)
    }

    #[track_caller]
    fn resolve(&mut self, suspect: SuspectId) {
        let at = self.suspects.iter().position(|s| *s == suspect);
        self.suspects.remove(at.expect("only a suspect is confirmed or dropped, and once"));
    }

    fn kinds(&self) -> Vec<&str> {
        self.confirmed.iter().map(|i| i.kind.as_str()).collect()
    }

    #[track_caller]
    fn check(&self, kinds: &[&str]) {
        assert_eq!(self.kinds(), kinds, "suspects dropped: {:?}", self.dropped);
    }
}

/// What looks like chance but is the same in every run: 0 to 1.
fn noise(seed: u32) -> f32 {
    let mut x = seed.wrapping_mul(0x9e37_79b9) ^ 0x85eb_ca6b;
    for _ in 0..3 {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
    }
    (x >> 8) as f32 / (1 << 24) as f32
}

/// The box as a detector sees it: each edge off by up to `share` of the box's size.
fn jitter(mut detection: Detection, seed: u32, share: f32) -> Detection {
    let (w, h) = (detection.bbox.width(), detection.bbox.height());
    let off = |n: u32, size: f32| (noise(seed.wrapping_mul(4).wrapping_add(n)) - 0.5) * 2.0 * share * size;
    detection.bbox.x0 += off(0, w);
    detection.bbox.y0 += off(1, h);
    detection.bbox.x1 += off(2, w);
    detection.bbox.y1 += off(3, h);
    detection
}

fn open_ticket(incident: &Incident) -> OpenTicket {
    OpenTicket {
        ticket: incident.ticket,
        camera: incident.camera.clone(),
        kind: incident.kind.clone(),
        zone: incident.zone.clone(),
        bbox: incident.bbox,
        first_seen: incident.first_seen,
        last_seen: incident.last_seen,
        rule: incident.rule.id.clone(),
        standing: incident.standing(),
    }
}

fn kind(name: &str) -> Kind {
    name.parse().expect("a kind")
}
