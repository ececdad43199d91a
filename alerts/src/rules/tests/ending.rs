//! How a ticket ends, and when its place may open the next one.

use super::*;

fn ticketed() -> Scene {
    let mut scene = Scene::street();
    scene.play(Millis::mins(6), |_| vec![car(0.4)]).check(&["lane.motor"]);
    scene
}

#[test]
fn a_car_that_left_is_cleared_after_a_minute_of_looks() {
    let mut scene = ticketed();
    let left = scene.now;
    scene.play(Millis::secs(60), |_| vec![]);
    assert_eq!((scene.cleared.len(), scene.pace), (0, Pace::Active));
    scene.look(&[]);
    assert_eq!(scene.cleared, [scene.confirmed[0].ticket]);
    assert_eq!(scene.now.since(left), Millis::secs(60));
    assert_eq!(scene.pace, Pace::Idle);
}

#[test]
fn no_looks_are_no_clearing() {
    let mut scene = ticketed();
    for _ in 0..600 {
        scene.wait(Millis::secs(1));
        scene.tick();
    }
    scene.lose();
    scene.wait(Millis::mins(60));
    scene.tick();
    assert!(scene.cleared.is_empty());
    // One look without it is none either, however long after.
    scene.look(&[]);
    assert!(scene.cleared.is_empty());
}

#[test]
fn what_stands_in_front_is_no_clearing() {
    let mut scene = ticketed();
    scene.play(Millis::mins(5), |_| vec![thing("vehicle", 0.8, 0.3, 0.7, 0.5, 0.4)]);
    assert!(scene.cleared.is_empty());
}

#[test]
fn a_camera_that_seems_to_be_covered_clears_nothing() {
    let mut scene = ticketed();
    scene.in_doubt = true;
    scene.play(Millis::mins(5), |_| vec![]);
    assert!(scene.cleared.is_empty());
    assert_eq!(scene.sight(&scene.confirmed[0], &[]), Some(Sight::Hidden));
    scene.in_doubt = false;
    scene.play(Millis::mins(2), |_| vec![]);
    assert_eq!(scene.cleared.len(), 1);
}

#[test]
fn a_street_taken_for_a_boat_hides_nothing() {
    let street = || thing("boat", 0.29, 0.05, 0.99, 0.9, 0.73);
    let mut scene = Scene::street();
    scene.play(Millis::mins(9), |n| if n < 160 { vec![car(0.4), street()] } else { vec![street()] });
    assert_eq!(scene.cleared, [scene.confirmed[0].ticket]);
}

#[test]
fn a_car_that_is_hardly_seen_any_more_is_not_cleared() {
    let mut scene = ticketed();
    scene.play(Millis::mins(5), |_| vec![thing("vehicle", 0.15, 0.4, 0.6, 0.2, 0.15)]);
    assert!(scene.cleared.is_empty());
}

#[test]
fn traffic_over_the_place_does_not_keep_the_ticket_open() {
    let mut scene = ticketed();
    scene.play(Millis::mins(5), |n| vec![car((0.23 * n as f32) % 0.8)]);
    assert_eq!(scene.cleared.len(), 1);
}

#[test]
fn a_flickering_detection_neither_clears_nor_reopens() {
    let mut scene = ticketed();
    scene.play(Millis::mins(60), |n| if n % 20 < 3 { vec![car(0.4)] } else { vec![] });
    scene.check(&["lane.motor"]);
    assert!(scene.cleared.is_empty());
}

#[test]
fn a_car_that_comes_back_goes_on_with_its_ticket() {
    let mut scene = ticketed();
    for round in 1..=3 {
        scene.play(Millis::mins(2), |_| vec![]);
        assert_eq!(scene.cleared.len(), round);
        scene.play(Millis::mins(4), |_| vec![car(0.41)]);
        let counts = scene.core.counts();
        assert_eq!((scene.came_back.len(), counts.resting), (round - 1, 1), "it must stand as long as the first time");
        scene.play(Millis::mins(30), |_| vec![car(0.41)]).check(&["lane.motor"]);
        assert_eq!(scene.came_back, vec![scene.confirmed[0].ticket; round]);
        assert_eq!((scene.core.counts().tickets, scene.core.counts().resting), (1, 0));
    }
}

#[test]
fn what_comes_back_too_late_is_a_new_ticket_and_not_before_the_interval() {
    let street = zone("street", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0]);
    let mut scene = Scene::new("[\"lane.motor\"]\nreopen_within = \"10m\"", &[street]);
    scene.play(Millis::mins(6), |_| vec![car(0.4)]).check(&["lane.motor"]);
    scene.play(Millis::mins(12), |_| vec![]);
    scene.play(Millis::mins(40), |_| vec![car(0.4)]).check(&["lane.motor"]);
    assert_eq!((scene.came_back.len(), scene.core.counts().resting), (0, 1));
    scene.play(Millis::mins(20), |_| vec![car(0.4)]).check(&["lane.motor", "lane.motor"]);
    assert_ne!(scene.confirmed[0].ticket, scene.confirmed[1].ticket);
}

#[test]
fn a_ticket_that_was_rejected_after_it_was_gone_does_not_come_back() {
    let mut scene = ticketed();
    scene.play(Millis::mins(2), |_| vec![]);
    scene.end(0, Ending::Rejected);
    scene.play(Millis::mins(40), |_| vec![car(0.4)]).check(&["lane.motor"]);
    assert!(scene.came_back.is_empty());
    scene.play(Millis::mins(30), |_| vec![car(0.4)]).check(&["lane.motor", "lane.motor"]);
}

#[test]
fn another_place_is_free_meanwhile() {
    let mut scene = ticketed();
    scene.play(Millis::mins(2), |_| vec![]);
    scene.play(Millis::mins(6), |_| vec![car(0.0)]).check(&["lane.motor"]);
    let mut scene = ticketed();
    scene.play(Millis::mins(2), |_| vec![]);
    scene
        .play(Millis::mins(6), |_| vec![thing("vehicle", 0.7, 0.4, 0.95, 0.2, 0.15)])
        .check(&["lane.motor", "lane.motor"]);
}

#[test]
fn a_newcomer_in_the_same_spot_continues_the_ticket() {
    let mut scene = ticketed();
    scene.play(Millis::secs(20), |_| vec![]);
    scene.play(Millis::mins(10), |_| vec![car(0.46)]).check(&["lane.motor"]);
    assert!(scene.cleared.is_empty());
}

#[test]
fn an_open_ticket_outlives_its_hours_and_its_zone() {
    let config = "[\"lane.motor\"]\ncalendar = { hours = [\"09:00-12:10\"] }";
    let mut scene = Scene::new(config, &[zone("z", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0])]);
    scene.play(Millis::mins(30), |_| vec![car(0.4)]).check(&["lane.motor"]);
    assert!(scene.cleared.is_empty());
    let effects = scene.core.set_cameras(scene.now, [(camera(), Vec::new())]).expect("cameras");
    scene.take(effects);
    scene.play(Millis::mins(5), |_| vec![car(0.4)]);
    assert!(scene.cleared.is_empty());
    scene.play(Millis::mins(2), |_| vec![]);
    assert_eq!(scene.cleared.len(), 1);
}

#[test]
fn a_second_look_sees_the_place_as_it_is() {
    let mut scene = ticketed();
    let incident = scene.confirmed[0].clone();
    let standing = |x: f32| thing("standing", 0.6, x, 0.6, 0.15, 0.12);
    for (shown, expect) in [
        (vec![], Sight::Clear),
        (vec![car(0.41)], Sight::Seen),
        (vec![person(0.0), thing("vehicle", 0.8, 0.7, 0.15, 0.2, 0.15)], Sight::Clear),
        (vec![thing("tree", 0.6, 0.38, 0.62, 0.15, 0.2)], Sight::Hidden),
        (vec![standing(0.42)], Sight::Seen),
        (vec![standing(0.8)], Sight::Clear),
    ] {
        // Once to be seen at all, once more to stand.
        for _ in 0..3 {
            scene.look(&shown);
            scene.wait(Millis::secs(2));
        }
        scene.look(&shown);
        assert_eq!(scene.sight(&incident, &shown), Some(expect), "{shown:?}");
        scene.wait(Millis::secs(40));
    }
}

#[test]
fn what_just_came_to_the_place_hides_it() {
    let mut scene = ticketed();
    let incident = scene.confirmed[0].clone();
    scene.play(Millis::mins(3), |_| vec![]);
    // Less than half of the place is covered by what may drive on.
    let passing = vec![car(0.505)];
    scene.look(&passing);
    assert_eq!(scene.sight(&incident, &passing), Some(Sight::Hidden));
}
