//! Two cameras that look at one square: one problem is one ticket, whoever sees it first.

use std::collections::BTreeMap;

use domain::{ControlPoint, ControlPoints, Ground, GroundPoint};
use proptest::prelude::*;

use super::*;
use crate::incident::ZoneRef;

const RULES: &str = r#"
["lane.motor"]
dwell = "5s"
max_gap = "4s"
clear_after = "4s"
max_pause = "2m"
rearm_after = "20s"
reopen_within = "20s"
realarm = "1m"
reject_cooldown = "1m"
"#;

pub(super) const A: &str = "north";
const B: &str = "south";

/// Places of cars, far enough from one another to be problems of their own.
pub(super) const PLACES: [[f64; 2]; 4] = [[-5.0, 10.0], [5.0, 10.0], [-5.0, 20.0], [5.0, 20.0]];

pub(super) fn id(camera: &str) -> CameraId {
    camera.parse().expect("an id")
}

/// Where a place on the ground is in a camera's picture: one hangs at the square's one end, 6 m up, the other opposite.
fn seen_at(camera: &str, [x, y]: [f64; 2]) -> [f64; 2] {
    let [x, y] = if camera == A { [x, y] } else { [-x, 30.0 - y] };
    let (sin, cos) = 0.45_f64.sin_cos();
    let depth = y * cos + 6.0 * sin;
    [0.5 + 0.8 * x / depth, 0.5 + 1.2 * (6.0 * cos - y * sin) / depth]
}

fn ground(camera: &str) -> Ground {
    let corners = [[-6.0, 9.0], [6.0, 9.0], [-6.0, 21.0], [6.0, 21.0]];
    let points = corners.map(|at| ControlPoint { pixel: seen_at(camera, at), at }).to_vec();
    Ground::new(ControlPoints { crs: "local:square".to_owned().try_into().expect("a plane"), points })
        .expect("a ground")
}

/// A car of 2 m, as a camera sees it at a place.
pub(super) fn car_at(camera: &str, place: [f64; 2]) -> Detection {
    let [left, right] = [-1.0, 1.0].map(|off| seen_at(camera, [place[0] + off, place[1]]));
    let (x0, x1) = (left[0].min(right[0]) as f32, left[0].max(right[0]) as f32);
    let width = x1 - x0;
    thing("vehicle", 0.8, x0, left[1] as f32, width, 0.7 * width)
}

/// How the two cameras know that they see one square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Tie {
    Ground,
    Zones,
    None,
}

fn street(camera: &str, tie: Tie) -> Vec<Zone> {
    let mut street = zone("street", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0]);
    // Said on one side is enough.
    if tie == Tie::Zones && camera == A {
        street.overlaps.push(ZoneRef { camera: id(B), zone: street.id.clone() });
    }
    vec![street]
}

pub(super) fn core(tie: Tie) -> Core {
    let config: RulesConfig = toml::from_str(RULES).expect("rules");
    let cameras = [A, B].map(|camera| (id(camera), street(camera, tie)));
    let mut core = Core::new(&config, TimeZone::fixed(jiff::tz::offset(8)), cameras).expect("a core");
    if tie == Tie::Ground {
        core.set_grounds([A, B].map(|camera| (id(camera), ground(camera))).into());
    }
    core
}

/// A ticket as a database would hold it.
#[derive(Debug, Clone)]
struct Filed {
    kind: Kind,
    at: Option<GroundPoint>,
    /// Each camera that sees it, and where; the one that opened it first.
    views: Vec<(CameraId, Rect)>,
    last_seen: Timestamp,
    state: Filing,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Filing {
    Open,
    Cleared(Timestamp),
    /// Rejected, and its place was seen clear since.
    Gone,
    Ended(Ending, Timestamp),
}

/// The square, its two cameras, and what came of their looks.
struct Square {
    core: Core,
    tie: Tie,
    now: Timestamp,
    model: ModelRef,
    tickets: BTreeMap<TicketId, Filed>,
    joined: usize,
    came_back: usize,
    again: usize,
}

impl Square {
    fn new(tie: Tie) -> Self {
        Self {
            core: core(tie),
            tie,
            now: NOON,
            model: ModelRef { name: "test".into(), sha256: Sha256::of(b"") },
            tickets: BTreeMap::new(),
            joined: 0,
            came_back: 0,
            again: 0,
        }
    }

    #[track_caller]
    fn look(&mut self, camera: &str, places: &[[f64; 2]]) {
        let detections: Vec<_> = places.iter().map(|place| car_at(camera, *place)).collect();
        let (camera, model) = (id(camera), self.model.clone());
        let source = LookSource::Detector;
        let seen = Observation {
            camera: &camera,
            detections: &detections,
            source,
            model: &model,
            in_doubt: false,
            elsewhere: false,
            learning: false,
        };
        let effects = self.core.apply(self.now, Input::Look(seen));
        self.take(&camera, effects);
    }

    #[track_caller]
    fn apply(&mut self, input: Input<'_>) {
        let effects = self.core.apply(self.now, input);
        self.take(&id(A), effects);
    }

    /// Looks of these cameras in turn, each two seconds, for `seconds`; each shows these places.
    #[track_caller]
    fn play(&mut self, seconds: i64, looks: &[(&str, &[[f64; 2]])]) -> &mut Self {
        for _ in 0..seconds / 2 {
            for (camera, places) in looks {
                self.look(camera, places);
            }
            self.apply(Input::Tick);
            self.now = self.now + Millis::secs(2);
        }
        self
    }

    #[track_caller]
    fn end(&mut self, ticket: TicketId, ending: Ending) {
        let filed = self.tickets.get_mut(&ticket).expect("a ticket");
        match filed.state {
            // That it was no case outweighs that it is over.
            Filing::Open | Filing::Ended(Ending::Closed, _) => filed.state = Filing::Ended(ending, self.now),
            Filing::Cleared(_) | Filing::Gone | Filing::Ended(Ending::Rejected, _) => return,
        }
        let camera = filed.views[0].0.clone();
        self.apply(Input::Ended { camera: &camera, ticket, ending });
    }

    #[track_caller]
    fn take(&mut self, camera: &CameraId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Confirmed { incident, .. } => {
                    let filed = Filed {
                        kind: incident.kind.clone(),
                        at: incident.ground.clone(),
                        views: vec![(incident.camera.clone(), incident.bbox)],
                        last_seen: self.now,
                        state: Filing::Open,
                    };
                    self.tickets.insert(incident.ticket, filed);
                }
                Effect::Joined { ticket, incident, .. } => {
                    self.joined += 1;
                    let filed = self.tickets.get_mut(&ticket).expect("a ticket");
                    assert_eq!((filed.state, &filed.kind), (Filing::Open, &incident.kind));
                    filed.views.retain(|(camera, _)| *camera != incident.camera);
                    filed.views.push((incident.camera, incident.bbox));
                }
                Effect::Cleared { ticket, last_seen, .. } => {
                    let filed = self.tickets.get_mut(&ticket).expect("a ticket");
                    filed.state = match filed.state {
                        Filing::Open | Filing::Ended(Ending::Closed, _) => Filing::Cleared(self.now),
                        Filing::Ended(Ending::Rejected, _) => Filing::Gone,
                        state @ (Filing::Cleared(_) | Filing::Gone) => panic!("cleared twice: {state:?}"),
                    };
                    filed.last_seen = last_seen;
                }
                Effect::CameBack { ticket, .. } => {
                    self.came_back += 1;
                    let filed = self.tickets.get_mut(&ticket).expect("a ticket");
                    let may = matches!(filed.state, Filing::Cleared(_) | Filing::Ended(Ending::Closed, _));
                    assert!(may, "{:?} does not come back", filed.state);
                    filed.state = Filing::Open;
                }
                Effect::StillThere { ticket, camera, seen_at, bbox } => {
                    let filed = self.tickets.get_mut(&ticket).expect("a ticket");
                    filed.last_seen = filed.last_seen.max(seen_at);
                    // One that came to see a place of before says nothing that is kept.
                    if let Some((_, place)) = filed.views.iter_mut().find(|(of, _)| *of == camera) {
                        *place = bbox;
                    }
                }
                Effect::Again { .. } => self.again += 1,
                Effect::Suspected { camera: of, .. } => assert_eq!(of, *camera),
                Effect::Dropped { .. } | Effect::Pace { .. } => {}
            }
        }
        let open: Vec<_> = self.open();
        assert_eq!(self.core.counts().tickets, open.len(), "{:?}", self.tickets);
        if self.tie == Tie::Ground {
            for (index, a) in open.iter().enumerate() {
                for b in &open[..index] {
                    let apart = a.at.as_ref().expect("a place").distance(b.at.as_ref().expect("a place"));
                    assert!(apart.expect("one plane") > 5.0, "two tickets for one place: {a:?} {b:?}");
                }
            }
        }
    }

    fn open(&self) -> Vec<&Filed> {
        self.tickets.values().filter(|filed| filed.state == Filing::Open).collect()
    }

    /// Another process takes up what the database holds.
    fn restart(&mut self) {
        self.core = core(self.tie);
        let of = |ticket: &TicketId, filed: &Filed| -> Vec<OpenTicket> {
            let view = |(camera, bbox): &(CameraId, Rect)| OpenTicket {
                ticket: *ticket,
                camera: camera.clone(),
                kind: filed.kind.clone(),
                zone: "street".parse().expect("an id"),
                bbox: *bbox,
                first_seen: filed.last_seen,
                last_seen: filed.last_seen,
                rule: filed.kind.to_string(),
                standing: Vec::new(),
            };
            filed.views.iter().map(view).collect()
        };
        let all: Vec<_> =
            self.tickets.iter().flat_map(|(id, filed)| of(id, filed).into_iter().map(|t| (t, filed.state))).collect();
        self.core.restore(all.iter().filter(|(_, state)| *state == Filing::Open).map(|(t, _)| t.clone()));
        self.core.restore_cleared(all.iter().filter_map(|(t, state)| match state {
            Filing::Cleared(at) => Some((t.clone(), *at)),
            _ => None,
        }));
        self.core.restore_ended(all.iter().filter_map(|(t, state)| match state {
            Filing::Ended(ending, at) => Some((t.clone(), *ending, *at)),
            _ => None,
        }));
    }

    fn only(&self) -> TicketId {
        assert_eq!(self.tickets.len(), 1, "{:?}", self.tickets);
        *self.tickets.keys().next().expect("one")
    }
}

const HERE: [[f64; 2]; 1] = [PLACES[0]];

#[test]
fn what_two_cameras_see_is_one_ticket_by_ground_or_by_zones() {
    for (tie, tickets) in [(Tie::Ground, 1), (Tie::Zones, 1), (Tie::None, 2)] {
        let mut square = Square::new(tie);
        square.play(20, &[(A, &HERE)]).play(20, &[(A, &HERE), (B, &HERE)]);
        assert_eq!((square.tickets.len(), square.joined), (tickets, 2 - tickets), "{tie:?}");
    }
}

#[test]
fn what_stands_elsewhere_on_the_ground_is_another() {
    let mut square = Square::new(Tie::Ground);
    square.play(20, &[(A, &PLACES[..1]), (B, &PLACES[3..])]);
    assert_eq!((square.tickets.len(), square.joined), (2, 0));
    square.play(20, &[(A, &[PLACES[0], PLACES[3]]), (B, &[PLACES[0], PLACES[3]])]);
    assert_eq!((square.tickets.len(), square.joined), (2, 2));
}

#[test]
fn two_things_in_zones_that_overlap_are_two_tickets() {
    let mut square = Square::new(Tie::Zones);
    square.play(20, &[(A, &PLACES[..2])]).play(20, &[(A, &PLACES[..2]), (B, &PLACES[..2])]);
    assert_eq!((square.tickets.len(), square.joined), (2, 2));
    // A third one that only the other camera sees is a ticket of its own.
    square.play(20, &[(A, &PLACES[..2]), (B, &PLACES[..3])]);
    assert_eq!((square.tickets.len(), square.joined), (3, 2));
}

#[test]
fn a_ticket_stays_open_while_either_camera_sees_it() {
    for tie in [Tie::Ground, Tie::Zones] {
        let mut square = Square::new(tie);
        square.play(20, &[(A, &HERE), (B, &HERE)]);
        let ticket = square.only();
        square.play(60, &[(A, &[]), (B, &HERE)]);
        assert_eq!(square.open().len(), 1, "{tie:?}");
        square.play(60, &[(A, &HERE), (B, &[])]);
        assert_eq!(square.open().len(), 1);
        let seen = square.now - Millis::secs(2);
        square.play(10, &[(A, &[]), (B, &[])]);
        assert!(matches!(square.tickets[&ticket].state, Filing::Cleared(_)));
        assert!(square.tickets[&ticket].last_seen >= seen - Millis::secs(2), "whoever saw it last");
    }
}

#[test]
fn a_camera_that_is_away_or_cannot_be_trusted_does_not_keep_a_ticket_open_for_ever() {
    for trusted in [true, false] {
        let mut square = Square::new(Tie::Ground);
        square.play(20, &[(A, &HERE), (B, &HERE)]);
        let (a, ticket) = (id(A), square.only());
        square.apply(if trusted { Input::CameraLost(&a) } else { Input::CameraUnfit(&a) });
        // What it saw a minute ago counts; what it shows while it cannot be trusted does not.
        let looks: &[(&str, &[[f64; 2]])] = if trusted { &[(B, &[])] } else { &[(B, &[]), (A, &HERE)] };
        square.play(100, looks);
        assert_eq!(square.open().len(), 1);
        square.play(40, looks);
        assert!(matches!(square.tickets[&ticket].state, Filing::Cleared(_)));
    }
}

#[test]
fn a_rejected_place_is_quiet_for_both_cameras() {
    for tie in [Tie::Ground, Tie::Zones] {
        let mut square = Square::new(tie);
        square.play(20, &[(A, &HERE)]);
        let ticket = square.only();
        square.end(ticket, Ending::Rejected);
        // The other one comes to see it later.
        square.play(50, &[(A, &HERE), (B, &HERE)]);
        square.only();
        // Only once both have seen it clear it may be a case again.
        square.play(20, &[(A, &[]), (B, &[])]);
        square.play(60, &[(A, &HERE), (B, &HERE)]);
        assert_eq!(square.open().len(), 1, "{tie:?}");
        assert_eq!(square.tickets.len(), 2);
    }
}

#[test]
fn a_ticket_that_was_closed_while_it_stood_is_reopened_once() {
    let mut square = Square::new(Tie::Ground);
    square.play(20, &[(A, &HERE), (B, &HERE)]);
    let ticket = square.only();
    square.end(ticket, Ending::Closed);
    square.play(90, &[(A, &HERE), (B, &HERE)]);
    assert_eq!((square.only(), square.came_back, square.open().len()), (ticket, 1, 1));
}

#[test]
fn what_comes_back_to_one_camera_is_back_for_the_other() {
    let mut square = Square::new(Tie::Ground);
    square.play(20, &[(A, &HERE), (B, &HERE)]).play(10, &[(A, &[]), (B, &[])]);
    square.play(10, &[(B, &HERE)]).play(20, &[(A, &HERE), (B, &HERE)]);
    square.only();
    assert_eq!((square.came_back, square.open().len()), (1, 1));
    // Also where the one that sees it come back had not seen it before.
    let mut square = Square::new(Tie::Ground);
    square.play(20, &[(A, &HERE)]).play(10, &[(A, &[])]).play(10, &[(B, &HERE)]);
    square.only();
    assert_eq!((square.came_back, square.joined, square.open().len()), (1, 1, 1));
}

#[test]
fn a_long_standing_problem_is_told_again_by_one_camera_at_a_time() {
    let mut square = Square::new(Tie::Ground);
    square.play(20, &[(A, &HERE), (B, &HERE)]).play(130, &[(A, &HERE), (B, &HERE)]);
    assert_eq!(square.again, 2);
}

#[test]
fn what_two_cameras_see_outlasts_a_restart() {
    let mut square = Square::new(Tie::Ground);
    square.play(20, &[(A, &HERE), (B, &HERE)]);
    square.restart();
    square.play(30, &[(A, &HERE), (B, &HERE)]).play(30, &[(A, &[]), (B, &HERE)]);
    square.only();
    assert_eq!(square.open().len(), 1);
    square.play(10, &[(A, &[]), (B, &[])]);
    assert_eq!(square.open().len(), 0);
}

#[test]
fn another_plane_is_another_place() {
    let mut square = Square::new(Tie::Ground);
    let elsewhere = |camera: &str| {
        let corners = [[-6.0, 9.0], [6.0, 9.0], [-6.0, 21.0], [6.0, 21.0]];
        let points = corners.map(|at| ControlPoint { pixel: seen_at(camera, at), at }).to_vec();
        let crs = format!("local:{camera}").try_into().expect("a plane");
        Ground::new(ControlPoints { crs, points }).expect("a ground")
    };
    square.core.set_grounds([A, B].map(|camera| (id(camera), elsewhere(camera))).into());
    square.tie = Tie::None;
    square.play(20, &[(A, &HERE), (B, &HERE)]);
    assert_eq!(square.tickets.len(), 2);
}

#[derive(Debug, Clone)]
enum Step {
    /// A camera looks: which cars stand, and which of them it sees.
    Look(bool, u8),
    /// Cars come and go.
    Cars(u8),
    Wait(i64),
    Lose(bool),
    Trust(bool, bool),
    Tick,
    Restart,
    End(usize, Ending),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (any::<bool>(), prop_oneof![3 => Just(0xf_u8), 1 => 0_u8..16]).prop_map(|(a, mask)| Step::Look(a, mask)),
        2 => (0_u8..16).prop_map(Step::Cars),
        8 => (500_i64..4_000).prop_map(Step::Wait),
        1 => (4_000_i64..200_000).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Lose),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(a, fit)| Step::Trust(a, fit)),
        1 => Just(Step::Tick),
        1 => Just(Step::Restart),
        1 => (0_usize..4, prop::sample::select(vec![Ending::Rejected, Ending::Closed]))
            .prop_map(|(nth, ending)| Step::End(nth, ending)),
    ]
}

fn standing(mask: u8) -> Vec<[f64; 2]> {
    PLACES.into_iter().zip(0..).filter(|(_, n)| mask & (1 << n) != 0).map(|(place, _)| place).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two cameras' looks in any order, with losses, distrust, restarts and verdicts between them: never two open tickets for
    /// one place ([`Square::take`] sees to that), and in the end one for each that stands and none for any that does not.
    #[test]
    fn one_place_is_one_ticket_whoever_looks(steps in prop::collection::vec(step(), 0..160)) {
        let mut square = Square::new(Tie::Ground);
        let mut cars = 0xf;
        let name = |a: bool| if a { A } else { B };
        for step in steps {
            match step {
                Step::Look(a, sees) => square.look(name(a), &standing(cars & sees)),
                Step::Cars(now) => cars = now,
                Step::Wait(millis) => square.now = square.now + Millis(millis),
                Step::Lose(a) => square.apply(Input::CameraLost(&id(name(a)))),
                Step::Trust(a, true) => square.apply(Input::CameraFit(&id(name(a)))),
                Step::Trust(a, false) => square.apply(Input::CameraUnfit(&id(name(a)))),
                Step::Tick => square.apply(Input::Tick),
                Step::Restart => square.restart(),
                Step::End(nth, ending) => {
                    if let Some(ticket) = square.tickets.keys().rev().nth(nth).copied() {
                        square.end(ticket, ending);
                    }
                }
            }
        }
        for camera in [A, B] {
            square.apply(Input::CameraFit(&id(camera)));
        }
        // Cool-downs end, closed ones are told again.
        let there = standing(cars);
        square.play(200, &[(A, &there), (B, &there)]);
        for place in &there {
            let at = GroundPoint { crs: "local:square".to_owned().try_into().expect("a plane"), x: place[0], y: place[1] };
            let near = |filed: &&Filed| filed.at.as_ref().and_then(|p| p.distance(&at)).is_some_and(|apart| apart < 5.0);
            prop_assert_eq!(square.open().into_iter().filter(near).count(), 1, "{:?}: {:?}", place, square.tickets);
        }
        prop_assert_eq!(square.open().len(), there.len());
        square.play(140, &[(A, &[]), (B, &[])]);
        prop_assert_eq!(square.open().len(), 0);
    }
}
