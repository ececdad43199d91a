//! Blocked lanes: what blocks, how much of it, for how long, and what only waits.

use super::{
    play::{Actor, CLEAR, passers, sedan},
    *,
};

fn lane(purpose: ZonePurpose) -> [Zone; 1] {
    [zone("lane", purpose, [0.0, 0.45, 1.0, 0.65])]
}

/// Cars that halt one behind the other within a minute, the first one here, and leave in that order from a second on.
fn queue(cars: u8, first: f32, leaves: f32) -> Vec<Actor> {
    let car = |n: f32| {
        let halt = first - 0.2 * n;
        let leaves = leaves + 4.0 * n;
        sedan().at(12.0 * n, -0.3, 0.62).at(12.0 * n + 8.0, halt, 0.62).at(leaves, halt, 0.62).at(
            leaves + 6.0,
            1.1,
            0.62,
        )
    };
    (0..cars).map(|n| car(f32::from(n))).collect()
}

#[test]
fn a_queue_that_stands_longer_than_the_dwell_is_no_case() {
    Scene::check_script("", &lane(ZonePurpose::TrafficLane), 14, &queue(4, 0.78, 660.0), &[]);
}

#[test]
fn the_car_that_stays_when_the_queue_has_gone_is_one() {
    let mut cars = queue(4, 0.78, 420.0);
    // The last of them has broken down.
    cars[3] = sedan().at(36.0, -0.3, 0.62).at(44.0, 0.18, 0.62).until(1_200.0);
    let scene = Scene::check_script("", &lane(ZonePurpose::TrafficLane), 14, &cars, &["lane.motor"]);
    let waited = scene.confirmed[0].confirmed_at.since(NOON);
    assert!(waited > Millis::mins(7) && waited < Millis::mins(10), "{waited}");
}

#[test]
fn a_car_that_stood_there_before_the_queue_came_is_one() {
    let mut cars = queue(3, 0.58, 100_000.0);
    cars.iter_mut().for_each(|car| car.delay(240.0));
    cars.push(sedan().at(0.0, 0.8, 0.62).until(900.0));
    let scene = Scene::check_script("", &lane(ZonePurpose::TrafficLane), 8, &cars, &["lane.motor"]);
    assert!(scene.confirmed[0].confirmed_at.since(NOON) < Millis::mins(6));
}

#[test]
fn a_car_that_others_wind_their_way_around_is_no_queue_and_alone() {
    let mut street = vec![sedan().at(0.0, 0.4, 0.62).until(900.0)];
    // Each slows down at the same two places, for some looks.
    for n in 0..40 {
        let start = 22.0 * n as f32;
        let slows = |from: f32, x: f32| sedan().at(start + from, x, 0.62).at(start + from + 7.0, x, 0.62);
        street.extend([slows(0.0, 0.62), slows(9.0, 0.84)]);
    }
    let scene = Scene::check_script("", &lane(ZonePurpose::TrafficLane), 14, &street, &["lane.motor"]);
    assert!(scene.confirmed[0].confirmed_at.since(NOON) < Millis::mins(6));
    assert_eq!(scene.confirmed[0].things.len(), 1);
}

#[test]
fn what_a_detector_thinks_to_see_beside_a_car_is_no_part_of_its_ticket() {
    let mut scene = Scene::new("", &lane(ZonePurpose::NoStopping));
    let ghost = |n: u32| jitter(thing("vehicle", 0.3, 0.65, 0.6, 0.1, 0.08), n, 0.03);
    scene.play(Millis::mins(6), |n| vec![jitter(car(0.4), n, 0.03), ghost(n)]).check(&["lane.motor"]);
    assert_eq!(scene.confirmed[0].things.len(), 1);
    scene.play(Millis::mins(3), |n| vec![ghost(n)]);
    assert_eq!(scene.cleared, [scene.confirmed[0].ticket], "it does not stand in for the car");
    // Another car does.
    let mut scene = Scene::new("", &lane(ZonePurpose::NoStopping));
    let both = |n: u32| vec![jitter(car(0.4), n, 0.03), jitter(car(0.65), n + 7, 0.03)];
    scene.play(Millis::mins(6), both).check(&["lane.motor"]);
    scene.play(Millis::mins(3), |n| vec![jitter(car(0.65), n, 0.03)]);
    assert_eq!((scene.confirmed[0].things.len(), scene.cleared.len()), (2, 0));
}

#[test]
fn what_stands_longer_than_any_queue_is_parked() {
    let waited = |purpose| {
        let mut scene = Scene::new("", &lane(purpose));
        scene.run(18, CLEAR, &queue(3, 0.58, 100_000.0)).check(&["lane.motor"]);
        scene.confirmed[0].confirmed_at.since(NOON)
    };
    assert!(waited(ZonePurpose::TrafficLane) > Millis::mins(15));
    assert!(waited(ZonePurpose::NoStopping) < Millis::mins(6));
}

#[test]
fn a_parked_car_is_found_behind_passers_by_by_a_poor_detector() {
    let mut street = passers(0.75, 20.0, 500.0);
    street.push(sedan().at(0.0, 0.4, 0.62).until(600.0));
    Scene::check_script("", &lane(ZonePurpose::NoStopping), 9, &street, &["lane.motor"]);
}

#[test]
fn a_parked_car_is_found_behind_buses_that_halt_before_it() {
    let kerb = lane(ZonePurpose::NoStopping);
    let buses = || {
        (0..9).map(|n| {
            let start = 70.0 * n as f32;
            let bus = Actor::new("vehicle", 0.6, 0.4);
            bus.at(start, -0.6, 0.8).at(start + 4.0, 0.2, 0.8).at(start + 24.0, 0.2, 0.8).at(start + 28.0, 1.0, 0.8)
        })
    };
    let new_there = Actor::new("occupied", 0.18, 0.13);
    let parked = [sedan(), new_there].map(|car| car.at(0.0, 0.4, 0.62).until(700.0));
    let street: Vec<_> = buses().chain(parked).collect();
    Scene::check_script("", &kerb, 12, &street, &["lane.motor"]);
    // The buses alone are none.
    Scene::check_script("", &kerb, 12, &buses().collect::<Vec<_>>(), &[]);
}

#[test]
fn what_remains_of_a_parked_car_behind_a_bus_is_no_other_car() {
    let mut scene = Scene::new("", &lane(ZonePurpose::NoStopping));
    let new_there = || thing("occupied", 0.8, 0.4, 0.6, 0.2, 0.15);
    let picture = |n: u32| {
        if n % 24 < 10 {
            let bus = thing("vehicle", 0.7, 0.06, 0.8, 0.4, 0.45);
            vec![jitter(bus, n, 0.02), jitter(thing("vehicle", 0.4, 0.46, 0.6, 0.14, 0.15), n, 0.02), new_there()]
        } else {
            vec![jitter(car(0.4), n, 0.03), new_there()]
        }
    };
    scene.play(Millis::mins(7), picture).check(&["lane.motor"]);
    assert!(scene.confirmed[0].confirmed_at.since(NOON) < Millis::mins(6));
}

#[test]
fn a_car_that_was_there_before_its_zone_is_one() {
    let mut scene = Scene::new("", &[zone("far", ZonePurpose::NoStopping, [0.0, 0.0, 0.2, 0.2])]);
    scene.play(Millis::mins(20), |n| vec![jitter(car(0.4), n, 0.03)]).check(&[]);
    let effects = scene.core.set_cameras(scene.now, [(camera(), lane(ZonePurpose::NoStopping).to_vec())]);
    scene.take(effects.expect("zones"));
    scene.play(Millis::mins(6), |n| vec![jitter(car(0.4), n, 0.03)]).check(&["lane.motor"]);
}

#[test]
fn cars_far_behind_one_another_are_two_cases_though_they_touch_in_the_picture() {
    let zones = [zone("kerb", ZonePurpose::NoStopping, [0.3, 0.3, 0.9, 1.0])];
    let far = Actor::new("vehicle", 0.15, 0.2).at(0.0, 0.39, 0.6);
    let near = || Actor::new("vehicle", 0.32, 0.44).at(60.0, 0.52, 0.94).until(1_200.0);
    let between = Actor::new("vehicle", 0.2, 0.3).at(60.0, 0.45, 0.74).until(1_200.0);
    let two = [far.clone().until(1_200.0), near()];
    let scene = Scene::check_script("", &zones, 12, &two, &["lane.motor", "lane.motor"]);
    let boxes: Vec<_> = scene.confirmed.iter().map(|i| i.bbox.height() > 0.35).collect();
    assert_eq!(boxes, [false, true], "each has its own box");
    // The far one leaves, and the near one does not stand in for it.
    let mut scene = Scene::new("", &zones);
    scene.run(16, CLEAR, &[far.clone().until(500.0), near()]).check(&["lane.motor", "lane.motor"]);
    assert_eq!(scene.cleared, [scene.confirmed[0].ticket]);
    // A row that leads away from the camera is one case.
    Scene::check_script("", &zones, 12, &[far.until(1_200.0), between, near()], &["lane.motor"]);
}

#[test]
fn each_purpose_has_its_dwell_and_a_zone_may_have_its_own() {
    let confirmed_after = |config: &str, zones: &[Zone]| {
        let mut scene = Scene::new(config, zones);
        scene.play(Millis::mins(35), |n| vec![jitter(car(0.4), n, 0.03)]);
        scene.check(&["lane.motor"]);
        scene.confirmed[0].dwell
    };
    assert_eq!(confirmed_after("", &lane(ZonePurpose::NoStopping)), Millis::mins(5));
    assert_eq!(confirmed_after("", &lane(ZonePurpose::BicycleLane)), Millis::mins(3));
    assert_eq!(confirmed_after("", &lane(ZonePurpose::BusStop)), Millis::mins(3));
    assert_eq!(confirmed_after("", &lane(ZonePurpose::LoadingBay)), Millis::mins(30));
    let config = "[\"lane.motor\"]\ndwell_by_zone = { no_stopping = \"90s\" }";
    assert_eq!(confirmed_after(config, &lane(ZonePurpose::NoStopping)), Millis::secs(90));
    assert_eq!(confirmed_after(config, &lane(ZonePurpose::BicycleLane)), Millis::mins(3));
    let [kerb] = lane(ZonePurpose::NoStopping);
    assert_eq!(confirmed_after(config, &[Zone { dwell: Some(Millis::mins(8)), ..kerb }]), Millis::mins(8));
}

#[test]
fn a_bus_at_its_stop_is_no_case_whatever_the_detector_calls_it() {
    let bus = |n: u32| {
        let class = Label::new(if n.is_multiple_of(3) { "truck" } else { "bus" });
        vec![jitter(Detection { class, ..thing("vehicle", 0.7, 0.3, 0.62, 0.4, 0.3) }, n, 0.03)]
    };
    Scene::new("", &lane(ZonePurpose::BusStop)).play(Millis::mins(8), bus).check(&[]);
}

#[test]
fn a_van_may_load_where_loading_is_allowed_and_nowhere_else() {
    let zones = |bay: [f32; 4]| {
        let [kerb] = lane(ZonePurpose::NoStopping);
        [kerb, zone("bay", ZonePurpose::LoadingBay, bay)]
    };
    let van = [
        sedan().at(0.0, 0.4, 0.62).until(1_200.0),
        Actor::new("goods", 0.05, 0.05).at(60.0, 0.32, 0.62).until(1_100.0),
    ];
    Scene::check_script("", &zones([0.3, 0.45, 0.7, 0.65]), 20, &van, &[]);
    Scene::check_script("", &zones([0.7, 0.45, 0.9, 0.65]), 20, &van, &["lane.motor"]);
}

#[test]
fn a_fire_lane_is_blocked_by_what_leaves_too_little_of_its_width() {
    let zones = lane(ZonePurpose::FireLane);
    // The lower third of the box reaches 0.02 or 0.08 into the 0.2 that the lane is wide.
    let at_its_edge = [Actor::new("vehicle", 0.2, 0.15).at(0.0, 0.4, 0.47).until(600.0)];
    Scene::check_script("", &zones, 4, &at_its_edge, &[]);
    let across_it = [Actor::new("vehicle", 0.2, 0.24).at(0.0, 0.4, 0.55).until(600.0)];
    let scene = Scene::check_script("", &zones, 4, &across_it, &["lane.fire"]);
    let incident = &scene.confirmed[0];
    assert!(incident.reason.contains(", blocking 4"), "{}", incident.reason);
    assert!(incident.reason_zh.contains("（消防通道）内，机动车×1停留1分"), "{}", incident.reason_zh);
    assert!(incident.reason_zh.contains("，占通道宽度的4"), "{}", incident.reason_zh);
}

#[test]
fn one_bicycle_on_a_tactile_path_is_a_case_and_beside_it_is_none() {
    let zones = [
        zone("pavement", ZonePurpose::Pavement, [0.0, 0.4, 1.0, 0.8]),
        zone("strip", ZonePurpose::TactilePath, [0.0, 0.58, 1.0, 0.61]),
    ];
    let bicycle = |foot: f32| [Actor::new("two_wheeler", 0.09, 0.11).at(0.0, 0.4, foot).until(1_200.0)];
    let scene = Scene::check_script("", &zones, 14, &bicycle(0.61), &["lane.nonmotor"]);
    assert_eq!(scene.confirmed[0].zone.as_str(), "strip");
    Scene::check_script("", &zones, 14, &bicycle(0.7), &[]);
}

#[test]
fn bicycles_block_a_fire_lane_together() {
    // Side by side across the lane, each takes a fifth of its width.
    let bicycle = |n: f32| Actor::new("two_wheeler", 0.05, 0.12).at(0.0, 0.4 + 0.02 * n, 0.5 + 0.05 * n).until(900.0);
    let lane = lane(ZonePurpose::FireLane);
    Scene::check_script("", &lane, 5, &[0.0, 1.0, 2.0].map(bicycle), &["lane.fire"]);
    Scene::check_script("", &lane, 5, &[bicycle(1.0)], &[]);
    // One stands, others ride by.
    let rides = |n: f32| {
        let start = 12.0 * n;
        Actor::new("two_wheeler", 0.05, 0.12).at(start, -0.05, 0.6).at(start + 5.0, 1.0, 0.6)
    };
    let traffic: Vec<_> = (0..20_u8).map(|n| rides(f32::from(n))).chain([bicycle(1.0)]).collect();
    Scene::check_script("", &lane, 5, &traffic, &[]);
}

#[test]
fn a_car_in_a_fire_lane_where_stopping_is_forbidden_as_well_is_one_ticket() {
    let zones = [("fire", ZonePurpose::FireLane), ("kerb", ZonePurpose::NoStopping)]
        .map(|(id, purpose)| zone(id, purpose, [0.0, 0.5, 1.0, 0.62]));
    let car = [sedan().at(0.0, 0.4, 0.62).until(1_200.0)];
    Scene::check_script("", &zones, 15, &car, &["lane.fire"]);
}
