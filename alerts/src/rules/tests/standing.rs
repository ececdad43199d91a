//! A thing stands, or does not.

use super::*;

const SIX_MINUTES: Millis = Millis::mins(6);

#[test]
fn a_standing_car_is_exactly_one_ticket() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(40), |n| vec![jitter(car(0.4), n, 0.05)]).check(&["lane.motor"]);
    let incident = &scene.confirmed[0];
    assert_eq!(incident.dwell, Millis::mins(5));
    assert_eq!((incident.looks, incident.hits), (151, 151));
    assert_eq!(incident.first_seen, NOON);
    assert_eq!(incident.confirmed_at, NOON + Millis::mins(5));
    assert_eq!(
        incident.reason,
        "1 vehicle has stood in zone \"street\" (no stopping) for 5m: seen in 151 of 151 looks, median score 0.70"
    );
    assert_eq!(scene.all_suspects.len(), 1);
    assert_eq!(scene.still_there.len(), 34);
    assert_eq!(scene.pace, Pace::Idle);
}

#[test]
fn a_ticket_names_the_model_that_saw_its_thing() {
    let other = std::sync::Arc::new(ModelRef { name: "other".into(), sha256: Sha256::of(b"other") });
    let seen = || Detection { model: Some(other.clone()), ..car(0.4) };
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, |n| vec![jitter(seen(), n, 0.05)]).check(&["lane.motor"]);
    assert_eq!(scene.confirmed[0].model, *other);
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, |n| vec![jitter(car(0.4), n, 0.05)]).check(&["lane.motor"]);
    assert_eq!(scene.confirmed[0].model, scene.model);
}

#[test]
fn the_rougher_detector_of_a_small_car_is_borne() {
    let small = || thing("vehicle", 0.5, 0.4, 0.5, 0.05, 0.06);
    Scene::street().play(SIX_MINUTES, |n| vec![jitter(small(), n, 0.09)]).check(&["lane.motor"]);
}

#[test]
fn a_car_driving_through_is_none() {
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, |n| if n < 20 { vec![car(0.04 * n as f32)] } else { vec![] }).check(&[]);
    assert!(scene.suspects.is_empty());
    assert_eq!(scene.pace, Pace::Idle);
}

#[test]
fn a_car_that_creeps_is_none() {
    // 1.5 % of its length a look: slow enough for each box to overlap the last nearly fully.
    Scene::street().play(Millis::mins(8), |n| vec![car(0.1 + 0.003 * n as f32)]).check(&[]);
}

#[test]
fn a_car_that_leaves_before_the_dwell_is_none() {
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, |n| if n < 140 { vec![car(0.4)] } else { vec![] }).check(&[]);
    assert_eq!(scene.dropped, ["gone"]);
}

#[test]
fn pedestrians_in_front_do_not_reset_the_dwell() {
    // Every tenth look somebody hides half of it, every fifteenth all of it.
    let picture = |n: u32| match n {
        n if n % 15 == 7 => vec![person(0.45)],
        n if n % 10 == 3 => vec![thing("vehicle", 0.4, 0.4, 0.6, 0.1, 0.15), person(0.5)],
        n => vec![jitter(car(0.4), n, 0.04)],
    };
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, picture).check(&["lane.motor"]);
    assert_eq!(scene.confirmed[0].dwell, Millis::mins(5));
}

#[test]
fn a_bus_that_stops_in_front_does_not_reset_the_dwell() {
    let picture = |n: u32| match n {
        60..75 => vec![thing("vehicle", 0.8, 0.3, 0.7, 0.5, 0.4)],
        n => vec![jitter(car(0.4), n, 0.04)],
    };
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, picture).check(&["lane.motor"]);
    assert_eq!(scene.confirmed[0].dwell, Millis::mins(5));
}

#[track_caller]
fn check_gap(misses: u32, dwell_when_confirmed: Millis) {
    let mut scene = Scene::street();
    scene.play(Millis::mins(10), |n| if (100..100 + misses).contains(&n) { vec![] } else { vec![car(0.4)] });
    scene.check(&["lane.motor"]);
    assert_eq!(scene.confirmed[0].confirmed_at, NOON + dwell_when_confirmed);
}

#[test]
fn a_gap_is_tolerated_up_to_its_length() {
    check_gap(7, Millis::mins(5));
    // From look 108 on the count starts anew.
    check_gap(8, Millis::secs(108 * 2 + 300));
}

#[test]
fn a_thing_seen_in_too_few_looks_is_none() {
    Scene::street().play(Millis::mins(20), |n| if n % 5 < 2 { vec![car(0.4)] } else { vec![] }).check(&[]);
    Scene::street().play(Millis::mins(20), |n| if n % 5 < 3 { vec![car(0.4)] } else { vec![] }).check(&["lane.motor"]);
}

#[test]
fn a_score_below_the_open_level_is_remembered_and_opens_nothing() {
    let unsure = |score| move |_| vec![thing("vehicle", score, 0.4, 0.6, 0.2, 0.15)];
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, unsure(0.35)).check(&[]);
    assert_eq!(scene.suspects.len(), 1);
    scene.play(SIX_MINUTES, unsure(0.45)).check(&["lane.motor"]);
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, unsure(0.2)).check(&[]);
    assert!(scene.all_suspects.is_empty());
}

#[test]
fn a_lasting_doubt_is_not_looked_at_often_for_ever() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(15), |_| vec![thing("vehicle", 0.35, 0.4, 0.6, 0.2, 0.15)]);
    assert_eq!(scene.pace, Pace::Active);
    scene.play(Millis::mins(5), |_| vec![thing("vehicle", 0.35, 0.4, 0.6, 0.2, 0.15)]);
    assert_eq!((scene.pace, scene.suspects.len()), (Pace::Idle, 1));
}

#[test]
fn slow_looks_serve_as_well_as_quick_ones() {
    let mut scene = Scene::street();
    for n in 0..40 {
        scene.look(&[jitter(car(0.4), n, 0.05)]);
        scene.wait(Millis::secs(40));
    }
    scene.check(&["lane.motor"]);
}

#[test]
fn enough_looks_must_be_the_detectors_own() {
    let mut scene = Scene::street();
    for n in 0..200 {
        let source = if n < 2 { LookSource::Detector } else { LookSource::Unchanged };
        scene.look_from(source, &[car(0.4)]);
        scene.wait(Millis::secs(2));
    }
    scene.check(&[]);
    scene.look(&[car(0.4)]);
    scene.check(&[]);
    for _ in 0..3 {
        scene.wait(Millis::secs(2));
        scene.look(&[car(0.4)]);
    }
    scene.check(&["lane.motor"]);
}

#[track_caller]
fn check_overlap(zone_from: f32, kinds: &[&str]) {
    let zones = [zone("z", ZonePurpose::NoStopping, [zone_from, 0.0, 1.0, 1.0])];
    Scene::new("", &zones).play(SIX_MINUTES, |_| vec![car(0.4)]).check(kinds);
}

#[test]
fn enough_of_it_must_be_in_the_zone() {
    check_overlap(0.49, &["lane.motor"]);
    check_overlap(0.51, &[]);
}

#[test]
fn a_lorry_that_only_reaches_over_the_lane_behind_is_not_in_it() {
    let behind = [zone("z", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 0.55])];
    let lorry = || vec![thing("vehicle", 0.7, 0.4, 0.8, 0.3, 0.5)];
    Scene::new("", &behind).play(SIX_MINUTES, |_| lorry()).check(&[]);
    let config = "[\"lane.motor\"]\nstands_on = \"box\"";
    Scene::new(config, &behind).play(SIX_MINUTES, |_| lorry()).check(&["lane.motor"]);
}

#[test]
fn a_zone_with_another_purpose_or_none_at_all_opens_nothing() {
    let bay = [zone("bay", ZonePurpose::LoadingBay, [0.0, 0.0, 1.0, 1.0])];
    Scene::new("", &bay).play(SIX_MINUTES, |_| vec![car(0.4)]).check(&[]);
    Scene::new("", &[]).play(SIX_MINUTES, |_| vec![car(0.4)]).check(&[]);
}

#[test]
fn size_limits_hold() {
    let dot = || thing("vehicle", 0.7, 0.4, 0.5, 0.01, 0.01);
    let wall = || thing("vehicle", 0.7, 0.0, 1.0, 0.9, 0.9);
    Scene::street().play(SIX_MINUTES, |_| vec![dot(), wall()]).check(&[]);
}

#[test]
fn cars_in_a_row_are_one_problem_and_cars_apart_are_two() {
    Scene::street().play(SIX_MINUTES, |_| vec![car(0.1), car(0.35)]).check(&["lane.motor"]);
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, |_| vec![car(0.0), car(0.7)]).check(&["lane.motor", "lane.motor"]);
    assert_ne!(scene.confirmed[0].ticket, scene.confirmed[1].ticket);
}

#[test]
fn the_ticket_shows_all_cars_of_the_row() {
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, |_| vec![car(0.1), car(0.35)]);
    assert_eq!(scene.confirmed[0].things.len(), 2);
    assert!(scene.confirmed[0].bbox.x0 < 0.11 && scene.confirmed[0].bbox.x1 > 0.54);
    assert_eq!(scene.dropped, ["merged"]);
}

#[test]
fn a_car_that_joins_a_ticket_is_another_picture_of_it() {
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, |_| vec![car(0.1)]).check(&["lane.motor"]);
    // Seen in four looks of five, it has stood for five minutes after as many.
    let both = |n: u32| if n.is_multiple_of(5) { vec![car(0.1)] } else { vec![car(0.1), car(0.35)] };
    scene.play(Millis::mins(4), both).check(&["lane.motor"]);
    assert!(scene.again.is_empty());
    scene.play(Millis::mins(40), both).check(&["lane.motor"]);
    assert_eq!(scene.again, [scene.confirmed[0].ticket]);
}

#[test]
fn cars_that_stop_beside_a_ticket_one_after_the_other_are_no_pictures_of_it() {
    let mut scene = Scene::street();
    scene.play(SIX_MINUTES, |_| vec![car(0.1)]).check(&["lane.motor"]);
    let passing = |n: u32| if n % 60 < 40 { vec![car(0.1), car(0.35)] } else { vec![car(0.1)] };
    scene.play(Millis::mins(40), passing).check(&["lane.motor"]);
    assert!(scene.again.is_empty());
}

#[test]
fn two_cars_that_each_stop_for_half_the_dwell_are_none() {
    Scene::street().play(SIX_MINUTES, |n| vec![if n < 90 { car(0.2) } else { car(0.45) }]).check(&[]);
}

#[test]
fn a_fire_lane_is_blocked_sooner() {
    let zones = [zone("fire", ZonePurpose::FireLane, [0.0, 0.5, 1.0, 0.62])];
    let mut scene = Scene::new("", &zones);
    scene.play(Millis::secs(70), |_| vec![car(0.4)]).check(&["lane.fire"]);
    assert_eq!(scene.confirmed[0].dwell, Millis::secs(60));
}

#[test]
fn a_thing_that_flips_between_classes_of_its_group_is_one() {
    let flip = |n: u32| {
        let class = Label::new(if n.is_multiple_of(3) { "truck" } else { "car" });
        vec![Detection { class, ..car(0.4) }]
    };
    Scene::street().play(SIX_MINUTES, flip).check(&["lane.motor"]);
}

#[test]
fn a_ticket_does_not_grow_into_the_place_of_another() {
    let mut scene = Scene::new("", &[zone("street", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0])]);
    scene.play(Millis::mins(6), |_| vec![car(0.1)]).check(&["lane.motor"]);
    // A third car comes, and a while later one between the two, half before the first.
    scene.play(Millis::mins(3), |_| vec![car(0.1), car(0.55)]).check(&["lane.motor"]);
    let row = |_| vec![car(0.1), car(0.25), car(0.55)];
    scene.play(Millis::mins(6), row).check(&["lane.motor", "lane.motor"]);
    let [first, second] = [&scene.confirmed[0], &scene.confirmed[1]];
    assert!(first.bbox.intersection(second.bbox).is_none(), "{:?} and {:?}", first.bbox, second.bbox);
    assert_eq!(second.things.len(), 1, "the car between belongs to the first");
}

#[test]
fn what_a_row_or_a_heap_grows_by_is_no_second_problem() {
    let mut scene = Scene::new("", &[zone("street", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0])]);
    scene.play(Millis::mins(6), |_| vec![car(0.1)]).check(&["lane.motor"]);
    let row = |_| vec![car(0.1), car(0.25), car(0.55)];
    scene.play(Millis::mins(20), row).check(&["lane.motor"]);
    // Put down together, and each by another rule of one kind.
    let mut point = Scene::new("", &[zone("g", ZonePurpose::GarbagePoint, [0.0, 0.55, 1.0, 0.8])]);
    let new = |mut at: Detection| {
        at.class = Label::new("occupied");
        at.group = at.class.clone();
        at
    };
    let (bag, stove) = (thing("garbage", 0.6, 0.3, 0.7, 0.1, 0.12), thing("bulky", 0.6, 0.42, 0.7, 0.2, 0.27));
    let toilet = thing("bulky", 0.6, 0.63, 0.7, 0.12, 0.2);
    let heap = |_| vec![bag.clone(), stove.clone(), toilet.clone(), new(stove.clone()), new(toilet.clone())];
    point.play(Millis::mins(20), heap).check(&["garbage.exposed"]);
    assert_eq!(point.confirmed[0].things.len(), 3, "the ticket shows all of the heap");
}
