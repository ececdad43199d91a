//! The scene's standing foreground as a thing: what nobody has a class for, and what it must not be taken for.

use super::{
    play::{Actor, passers, sedan, walker},
    *,
};

fn street() -> [Zone; 2] {
    [
        zone("pavement", ZonePurpose::Pavement, [0.0, 0.45, 0.6, 0.9]),
        zone("point", ZonePurpose::GarbagePoint, [0.6, 0.45, 1.0, 0.9]),
    ]
}

/// Something that the scene has found to stand there.
fn standing(x: f32, width: f32, height: f32) -> Actor {
    Actor::new("standing", width, height).at(30.0, x, 0.65).until(2_000.0)
}

#[test]
fn a_stack_that_nobody_has_a_class_for_is_goods_in_the_lane() {
    let street_life: Vec<_> = passers(0.8, 25.0, 1_200.0).into_iter().chain([standing(0.3, 0.1, 0.12)]).collect();
    let scene = Scene::check_script("", &street(), 16, &street_life, &["lane.goods"]);
    let incident = &scene.confirmed[0];
    assert!(incident.reason.starts_with("1 unknown object has stood in zone \"pavement\""), "{}", incident.reason);
    assert!(incident.reason_zh.contains("不明物体×1停留10分"), "{}", incident.reason_zh);
}

#[test]
fn a_parked_car_is_not_goods_beside_itself() {
    let car = [sedan().at(0.0, 0.2, 0.65).until(2_000.0), standing(0.19, 0.2, 0.14)];
    Scene::check_script("", &street(), 20, &car, &["lane.motor"]);
}

#[test]
fn somebody_who_stands_still_is_no_goods() {
    let waiting = [walker().at(0.0, 0.3, 0.65).until(2_000.0), standing(0.295, 0.06, 0.21)];
    Scene::check_script("", &street(), 20, &waiting, &[]);
}

#[test]
fn what_is_put_down_at_a_garbage_point_is_exposed_garbage() {
    let bag = standing(0.75, 0.05, 0.06);
    Scene::check_script("", &street(), 12, std::slice::from_ref(&bag), &["garbage.exposed"]);
    // Somebody sorts there all the time.
    let sorting = walker().at(0.0, 0.83, 0.66).until(2_000.0);
    Scene::check_script("", &street(), 12, &[bag, sorting], &[]);
    Scene::check_script("", &street(), 12, &[standing(0.65, 0.3, 0.4)], &[]);
}

#[test]
fn a_bag_that_the_detector_takes_for_a_handbag_is_garbage_where_garbage_is_put_down() {
    let bag = |x: f32| [Actor::new("goods", 0.05, 0.06).at(30.0, x, 0.65).until(2_000.0)];
    Scene::check_script("", &street(), 14, &bag(0.75), &["garbage.exposed"]);
    Scene::check_script("", &street(), 14, &bag(0.3), &["lane.goods"]);
}

/// Something that has a name, where the scene shows that it is new.
fn new_there(label: &'static str, x: f32, width: f32, height: f32) -> Vec<Actor> {
    [label, "occupied"].map(|label| Actor::new(label, width, height).at(30.0, x, 0.65).until(2_000.0)).to_vec()
}

#[test]
fn furniture_is_a_case_where_it_is_new() {
    let kerb = [zone("kerb", ZonePurpose::NoStopping, [0.0, 0.45, 1.0, 0.9])];
    let chair = Actor::new("seat", 0.05, 0.1).at(30.0, 0.3, 0.65).until(2_000.0);
    Scene::check_script("", &kerb, 14, &new_there("seat", 0.3, 0.05, 0.1), &["lane.goods"]);
    // A bench that has always stood there.
    Scene::check_script("", &kerb, 14, std::slice::from_ref(&chair), &[]);
    Scene::check_script("", &street(), 14, &new_there("seat", 0.75, 0.12, 0.1), &["garbage.exposed"]);
    // A stove is never street furniture, but what the detector calls so from afar may be.
    Scene::check_script("", &street(), 14, &new_there("bulky", 0.75, 0.08, 0.12), &["garbage.exposed"]);
    Scene::check_script("", &kerb, 14, &new_there("bulky", 0.3, 0.05, 0.1), &["lane.goods"]);
    Scene::check_script("", &street(), 14, &new_there("bulky", 0.75, 0.08, 0.12)[..1], &[]);
    // Somebody sits on it.
    let sits = walker().at(0.0, 0.3, 0.66).until(2_000.0);
    let taken: Vec<_> = new_there("seat", 0.3, 0.05, 0.1).into_iter().chain([sits]).collect();
    Scene::check_script("", &kerb, 14, &taken, &[]);
}

#[test]
fn a_fire_lane_is_blocked_by_what_has_no_name_that_holds() {
    let access = [zone("access", ZonePurpose::FireLane, [0.2, 0.3, 0.5, 0.9])];
    let occupied = Actor::new("occupied", 0.15, 0.12).at(30.0, 0.25, 0.65).until(400.0);
    let scene = Scene::check_script("", &access, 6, std::slice::from_ref(&occupied), &["lane.fire"]);
    assert_eq!(scene.confirmed[0].standing().len(), 1, "it is told as what it is, for a restart too");
    assert!(scene.confirmed[0].reason.starts_with("1 unknown object"), "{}", scene.confirmed[0].reason);
    // Somebody stands there.
    let somebody = Actor::new("person", 0.13, 0.12).at(30.0, 0.26, 0.65).until(400.0);
    Scene::check_script("", &access, 6, &[occupied.clone(), somebody], &[]);
    // A car with a name that holds is told once, and as a car.
    let car = Actor::new("vehicle", 0.15, 0.12).at(30.0, 0.25, 0.65).until(400.0);
    let scene = Scene::check_script("", &access, 6, &[occupied.clone(), car], &["lane.fire"]);
    assert_eq!(scene.confirmed[0].things.iter().map(|t| t.group.as_str()).collect::<Vec<_>>(), ["vehicle"]);
    // Elsewhere a word that something stands there is no case.
    let kerb = [zone("kerb", ZonePurpose::NoStopping, [0.2, 0.3, 0.5, 0.9])];
    Scene::check_script("", &kerb, 12, &[occupied.until(1_000.0)], &[]);
}

#[test]
fn garbage_that_the_detector_knows_and_the_scene_sees_is_one_ticket() {
    let heap = [Actor::new("garbage", 0.06, 0.07).at(0.0, 0.75, 0.65).until(2_000.0), standing(0.745, 0.07, 0.08)];
    Scene::check_script("", &street(), 20, &heap, &["garbage.exposed"]);
}

#[test]
fn bags_at_a_bin_are_an_overflowing_bin_and_only_that() {
    let [pavement, point] = street();
    let zones = [pavement, point, zone("bin", ZonePurpose::Bin, [0.7, 0.5, 0.85, 0.68])];
    for label in ["garbage", "garbage_bag", "goods", "standing"] {
        let bag = Actor::new(label, 0.05, 0.06).at(30.0, 0.75, 0.65).until(2_000.0);
        Scene::check_script("", &zones, 20, &[bag], &["garbage.bin_overflow"]);
    }
    // Whoever rests on the bench beside the bin sells nothing.
    let bags = ["goods", "standing"].map(|label| Actor::new(label, 0.05, 0.06).at(30.0, 0.75, 0.65).until(2_000.0));
    let resting = walker().at(0.0, 0.8, 0.66).until(2_000.0);
    let square = [zone("pavement", ZonePurpose::Pavement, [0.0, 0.45, 1.0, 0.9]), zones[2].clone()];
    Scene::check_script("", &square, 20, &[bags.to_vec(), vec![resting]].concat(), &[]);
}

#[test]
fn bagged_and_exposed_garbage_are_told_apart_by_a_model_that_can() {
    let bag = [Actor::new("garbage_bag", 0.05, 0.06).at(0.0, 0.3, 0.65).until(2_000.0)];
    let scene = Scene::check_script("", &street(), 14, &bag, &["garbage.bagged"]);
    assert_eq!(scene.confirmed[0].dwell, Millis::mins(10));
}

#[test]
fn a_stack_before_a_shop_is_trading_out_of_store() {
    let zones = [zone("shop", ZonePurpose::ShopLine, [0.0, 0.5, 1.0, 0.8])];
    Scene::check_script("", &zones, 15, &[standing(0.4, 0.12, 0.12)], &["shop.overflow"]);
    // Crates that are goods to the detector, all of them one; and a bag that somebody puts down.
    Scene::check_script("", &zones, 10, &new_there("goods", 0.3, 0.12, 0.12), &["shop.overflow"]);
    Scene::check_script("", &zones, 10, &new_there("goods", 0.3, 0.05, 0.06), &[]);
    let terrace = [
        Actor::new("seat", 0.05, 0.08).at(0.0, 0.3, 0.65).until(2_000.0),
        Actor::new("umbrella", 0.25, 0.1).at(0.0, 0.25, 0.5).until(2_000.0),
        standing(0.4, 0.05, 0.05),
    ];
    Scene::check_script("", &zones, 15, &terrace, &["shop.overflow"]);
}
