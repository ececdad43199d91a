//! A device whose place is known and a camera whose ground is: the distance between them decides whether they tell of one problem.

use domain::{Crs, GroundPoint};

use super::{
    elsewhere::{A, PLACES, Tie, car_at, core, id},
    *,
};
use crate::incident::{SensedPlace, Voice};

/// A device that stands there, in the camera's only zone or in none of any camera.
fn device(at: Option<[f64; 2]>, in_zone: bool) -> SensedPlace {
    let (camera, zone) = if in_zone { (A, "street") } else { ("bay-7", "bay-7") };
    SensedPlace {
        ticket: TicketId::derive(NOON, b"bay-7"),
        device: "bay-7".parse().expect("id"),
        camera: id(camera),
        zone: zone.parse().expect("id"),
        kind: "lane.motor".parse().expect("kind"),
        joins: Vec::new(),
        ground: at.map(|[x, y]| GroundPoint { crs: Crs::Local("square".to_owned()), x, y }),
    }
}

/// Looks of the camera that show a car at this place, for 20 s; gives the tickets that they opened and those that they joined.
fn looks(core: &mut Core, from: Timestamp, car: [f64; 2]) -> (Vec<TicketId>, Vec<TicketId>) {
    let (camera, model) = (id(A), ModelRef { name: "test".into(), sha256: Sha256::of(b"") });
    let detections = [car_at(A, car)];
    let (mut opened, mut joined) = (Vec::new(), Vec::new());
    for second in (0..20).step_by(2) {
        let seen = Observation {
            camera: &camera,
            detections: &detections,
            source: LookSource::Detector,
            model: &model,
            in_doubt: false,
            elsewhere: false,
            learning: false,
        };
        for effect in core.apply(from + Millis::secs(second), Input::Look(seen)) {
            match effect {
                Effect::Confirmed { incident, .. } => opened.push(incident.ticket),
                Effect::Joined { ticket, .. } => joined.push(ticket),
                _ => {}
            }
        }
    }
    (opened, joined)
}

/// Whether a car and a device are one problem, whoever is first.
#[track_caller]
fn check(tie: Tie, car: [f64; 2], place: &SensedPlace, one: bool) {
    let mut camera_first = core(tie);
    let (opened, _) = looks(&mut camera_first, NOON, car);
    let now = NOON + Millis::secs(20);
    let (ticket, _) = camera_first.sensed(now, place, now);
    assert_eq!(opened.len(), 1);
    assert_eq!(ticket == opened[0], one, "the camera is first");

    let mut device_first = core(tie);
    let (ticket, _) = device_first.sensed(NOON, place, NOON);
    assert_eq!(ticket, place.ticket);
    let (opened, joined) = looks(&mut device_first, NOON, car);
    assert_eq!((opened.len(), joined.len()), if one { (0, 1) } else { (1, 0) }, "the device is first");
    assert!(joined.iter().all(|joined| *joined == ticket));
}

#[test]
fn what_stands_near_a_device_is_its_problem_and_what_stands_far_from_it_is_another() {
    let [there, elsewhere, ..] = PLACES;
    let beside = [there[0] + 1.5, there[1] + 1.0];
    for in_zone in [true, false] {
        check(Tie::Ground, there, &device(Some(beside), in_zone), true);
        check(Tie::Ground, elsewhere, &device(Some(beside), in_zone), false);
    }
}

#[test]
fn where_either_place_is_not_known_the_zone_decides() {
    let [there, elsewhere, ..] = PLACES;
    check(Tie::Ground, elsewhere, &device(None, true), true);
    check(Tie::Ground, elsewhere, &device(None, false), false);
    check(Tie::None, there, &device(Some(elsewhere), true), true);
    check(Tie::None, there, &device(Some(there), false), false);
}

#[test]
fn a_device_on_a_camera_s_ticket_by_its_place_has_its_say() {
    let [there, ..] = PLACES;
    let mut core = core(Tie::Ground);
    let (opened, _) = looks(&mut core, NOON, there);
    let now = NOON + Millis::secs(20);
    let place = device(Some(there), false);
    let (ticket, _) = core.sensed(now, &place, now);
    assert_eq!(ticket, opened[0]);
    assert!(core.is_sensed(ticket));
    // The car is gone by the camera's looks; the device says that it stands.
    let cleared = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Cleared { .. }));
    let (camera, model) = (id(A), ModelRef { name: "test".into(), sha256: Sha256::of(b"") });
    for second in (20..60).step_by(2) {
        let seen = Observation {
            camera: &camera,
            detections: &[],
            source: LookSource::Detector,
            model: &model,
            in_doubt: false,
            elsewhere: false,
            learning: false,
        };
        assert!(!cleared(&core.apply(NOON + Millis::secs(second), Input::Look(seen))));
    }
    let over = NOON + Millis::secs(62);
    assert!(cleared(&core.voice(over, place.ticket, Voice::Over(over))));
}
