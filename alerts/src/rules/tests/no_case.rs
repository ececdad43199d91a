//! What looks like a case and is none: one scene for each class of false alarms that cities and vendors report.

use super::{
    play::{Actor, CLEAR, passers, seen, walker},
    *,
};

fn pavement() -> Zone {
    zone("pavement", ZonePurpose::Pavement, [0.0, 0.45, 1.0, 0.9])
}

#[test]
fn goods_behind_a_shop_window() {
    let within = vec![
        Actor::new("goods", 0.08, 0.08).at(0.0, 0.3, 0.55).until(2_000.0),
        Actor::new("table", 0.12, 0.1).at(0.0, 0.42, 0.56).until(2_000.0),
        // The shopkeeper, behind his counter.
        walker().at(0.0, 0.5, 0.56).until(2_000.0),
    ];
    let zones = [pavement(), zone("shop", ZonePurpose::ShopLine, [0.1, 0.5, 0.9, 0.7])];
    let mut unmasked = Scene::new("", &zones);
    unmasked.run(20, CLEAR, &within);
    assert!(unmasked.kinds().contains(&"shop.overflow"), "{:?}", unmasked.kinds());
    let window = zone("window", ZonePurpose::Indoors, [0.2, 0.2, 0.8, 0.58]);
    let with_passers: Vec<_> = within.into_iter().chain(passers(0.8, 25.0, 1_000.0)).collect();
    Scene::check_script("", &[zones.to_vec(), vec![window]].concat(), 20, &with_passers, &[]);
}

fn no_vending() -> [Zone; 1] {
    [zone("ground", ZonePurpose::NoVending, [0.0, 0.3, 1.0, 0.95])]
}

fn table() -> Actor {
    Actor::new("table", 0.12, 0.1).at(0.0, 0.4, 0.6).until(3_000.0)
}

fn parasol() -> Actor {
    Actor::new("umbrella", 0.26, 0.1).at(0.0, 0.34, 0.44).until(3_000.0)
}

fn cart(until: f32) -> Actor {
    Actor::new("tricycle", 0.12, 0.12).at(0.0, 0.4, 0.6).until(until)
}

fn vendor(until: f32) -> Actor {
    walker().at(0.0, 0.53, 0.61).until(until)
}

/// Customers who stop for half a minute each, a step apart.
fn customers(until: f32) -> Vec<Actor> {
    let starts = (0..).map(|n| 20.0 + 45.0 * n as f32).take_while(move |start| *start < until);
    starts
        .enumerate()
        .map(|(n, start)| {
            let x = if n % 2 == 0 { 0.33 } else { 0.6 };
            walker().at(start - 6.0, -0.05, 0.7).at(start, x, 0.63).until(start + 30.0).at(start + 36.0, 1.0, 0.7)
        })
        .collect()
}

#[test]
fn a_stall_is_found_and_says_what_counted() {
    let stall: Vec<_> = [table(), parasol(), vendor(3_000.0)].into_iter().chain(passers(0.9, 25.0, 900.0)).collect();
    let scene = Scene::check_script("", &no_vending(), 15, &stall, &["vendor.stall"]);
    let incident = &scene.confirmed[0];
    let counted = "evidence 0.90 of 0.80 needed: table 0.25, umbrella 0.25, somebody who stays 0.40";
    assert!(incident.reason.contains(counted), "{}", incident.reason);
    assert!(
        incident.reason_zh.contains("依据合计0.90（需0.80）：桌子0.25、伞0.25、守摊人0.40"),
        "{}",
        incident.reason_zh
    );
}

#[test]
fn a_cart_without_known_goods_is_told_by_its_customers() {
    let trading: Vec<_> = [cart(3_000.0), vendor(3_000.0)].into_iter().chain(customers(900.0)).collect();
    let scene = Scene::check_script("", &no_vending(), 15, &trading, &["vendor.mobile"]);
    assert!(scene.confirmed[0].reason.contains("who stopped and went on 0.20"), "{}", scene.confirmed[0].reason);
    // A courier with his tricycle has none.
    Scene::check_script("", &no_vending(), 15, &[cart(3_000.0), vendor(3_000.0)], &[]);
}

#[test]
fn goods_and_what_has_no_name_are_told_by_customers_only() {
    let things = |until: f32| {
        let unknown = Actor::new("standing", 0.09, 0.1).at(0.0, 0.4, 0.62).until(until);
        vec![Actor::new("goods", 0.06, 0.06).at(0.0, 0.47, 0.6).until(until), unknown]
    };
    let selling = [things(3_000.0), vec![vendor(3_000.0)], customers(900.0)].concat();
    Scene::check_script("", &no_vending(), 15, &selling, &["vendor.mobile"]);
    // Workmen with a case of tools between cones. One walks to the other side now and then, and they leave one after the other.
    let restless = walker().at(0.0, 0.53, 0.61).until(200.0).at(204.0, 0.33, 0.62).until(400.0).at(404.0, 0.53, 0.61);
    let first = walker().at(0.0, 0.36, 0.63).until(480.0).at(490.0, 1.0, 0.7);
    let third = walker().at(300.0, 0.58, 0.62).until(470.0).at(480.0, 1.0, 0.7);
    let crew = vec![restless.until(486.0).at(496.0, 1.0, 0.7), first, third];
    Scene::check_script("", &no_vending(), 10, &[things(530.0), crew].concat(), &[]);
}

#[test]
fn riders_who_wait_beside_their_motorcycles() {
    let bikes = [0.3, 0.42, 0.54].map(|x| Actor::new("two_wheeler", 0.09, 0.1).at(0.0, x, 0.62).until(600.0));
    let loads = vec![
        Actor::new("goods", 0.05, 0.05).at(0.0, 0.32, 0.56).until(600.0),
        Actor::new("standing", 0.08, 0.09).at(0.0, 0.57, 0.62).until(600.0),
    ];
    let riders = [0.36, 0.48, 0.6].map(|x| walker().at(0.0, x, 0.63).until(600.0));
    Scene::check_script("", &no_vending(), 12, &[bikes.to_vec(), loads, riders.to_vec()].concat(), &[]);
}

#[test]
fn a_licensed_breakfast_cart_in_its_hours() {
    let permit = |hours: &str| {
        let text = format!(
            "number = \"117\"\ncamera = \"cam\"\nzone = \"ground\"\ncalendar = {{ hours = [\"{hours}\"] }}\nvalid_to = \"2026-12-31\""
        );
        toml::from_str(&text).expect("a permit")
    };
    let stall = [table(), parasol(), vendor(3_000.0)];
    let mut licensed = Scene::new("", &no_vending());
    licensed.core.set_permits(vec![permit("11:00-14:00")]).expect("a permit");
    licensed.run(15, CLEAR, &stall).check(&[]);
    assert!(licensed.all_suspects.is_empty());
    let mut late = Scene::new("", &no_vending());
    late.core.set_permits(vec![permit("05:00-09:00")]).expect("a permit");
    late.run(15, CLEAR, &stall).check(&["vendor.stall"]);
    assert!(
        late.confirmed[0].reason.ends_with("; permit 117 does not hold at this hour"),
        "{}",
        late.confirmed[0].reason
    );
    assert!(late.confirmed[0].reason_zh.ends_with("；许可117不含此时段"), "{}", late.confirmed[0].reason_zh);
}

#[test]
fn what_a_permit_lets_stand_there_is_no_goods_left_on_the_pavement() {
    let zones = [pavement(), zone("point", ZonePurpose::GarbagePoint, [0.0, 0.45, 1.0, 0.9])];
    let permit = |kinds: &str| {
        let text = format!("number = \"7\"\ncamera = \"cam\"\nzone = \"point\"\nkinds = {kinds}");
        toml::from_str(&text).expect("a permit")
    };
    let run = |kinds: &str, things: &[Actor]| {
        let mut scene = Scene::new("", &zones);
        scene.core.set_permits(vec![permit(kinds)]).expect("a permit");
        scene.run(14, CLEAR, things).kinds().join(" ")
    };
    // Bags that only the scene sees, in put-out hours.
    let bags = [Actor::new("standing", 0.06, 0.07).at(0.0, 0.4, 0.6).until(3_000.0)];
    assert_eq!(run("[\"garbage.bagged\"]", &bags), "");
    assert_eq!(run("[\"lane.motor\"]", &bags), "garbage.exposed");
    // The same for a model that has one name for all garbage.
    let named = [Actor::new("garbage", 0.06, 0.07).at(0.0, 0.4, 0.6).until(3_000.0)];
    assert_eq!(run("[\"garbage.bagged\"]", &named), "");
    assert_eq!(run("[\"lane.motor\"]", &named), "garbage.exposed");
    // A licensed stall without its vendor.
    let stall = [Actor::new("standing", 0.2, 0.2).at(0.0, 0.4, 0.6).until(3_000.0)];
    let mut licensed = Scene::new("", &zones[..1]);
    let text = "number = \"7\"\ncamera = \"cam\"\nzone = \"pavement\"";
    licensed.core.set_permits(vec![toml::from_str(text).expect("a permit")]).expect("a permit");
    licensed.run(14, CLEAR, &stall).check(&[]);
    Scene::check_script("", &zones[..1], 14, &stall, &["lane.goods"]);
}

#[test]
fn a_licensed_stall_whose_canopy_hangs_beyond_its_place() {
    // The permit's place is the ground under the stall; the parasol's own box is above it.
    let text = "number = \"7\"\ncamera = \"cam\"\npolygon = [[0.3, 0.5], [0.7, 0.5], [0.7, 0.7], [0.3, 0.7]]";
    let stall: Vec<_> = [parasol(), vendor(3_000.0)].into_iter().chain(customers(900.0)).collect();
    let mut licensed = Scene::new("", &no_vending());
    licensed.core.set_permits(vec![toml::from_str(text).expect("a permit")]).expect("a permit");
    licensed.run(15, CLEAR, &stall).check(&[]);
    Scene::check_script("", &no_vending(), 15, &stall, &["vendor.stall"]);
}

#[test]
fn an_abandoned_stall_and_an_empty_licensed_one() {
    let empty: Vec<_> = [table(), parasol()].into_iter().chain(passers(0.68, 20.0, 1_100.0)).collect();
    Scene::check_script("", &no_vending(), 20, &empty, &[]);
}

#[test]
fn a_cart_that_passes_and_a_rider() {
    let pushed = [
        Actor::new("cart", 0.12, 0.12).at(0.0, -0.1, 0.6).at(90.0, 1.0, 0.6),
        Actor::new("goods", 0.06, 0.06).at(0.0, -0.07, 0.56).at(90.0, 1.03, 0.56),
        walker().at(0.0, 0.03, 0.62).at(90.0, 1.1, 0.62),
        Actor::new("two_wheeler", 0.08, 0.1).at(20.0, -0.1, 0.7).at(28.0, 1.0, 0.7),
        walker().at(20.0, -0.08, 0.68).at(28.0, 1.02, 0.68),
    ];
    Scene::check_script("", &no_vending(), 6, &pushed, &[]);
}

#[test]
fn a_delivery_tricycle_whose_rider_goes_off_and_returns() {
    let delivery = [
        cart(420.0),
        Actor::new("goods", 0.06, 0.06).at(0.0, 0.43, 0.56).until(420.0),
        walker().at(0.0, 0.53, 0.61).until(25.0).at(35.0, 0.53, 0.3),
        walker().at(380.0, 0.53, 0.3).at(390.0, 0.53, 0.61).until(420.0),
    ];
    Scene::check_script("", &no_vending(), 10, &delivery, &[]);
}

#[test]
fn waiting_passengers_in_the_rain() {
    let crowd: Vec<_> = (0..6)
        .flat_map(|n| {
            let (x, from) = (0.2 + 0.1 * n as f32, 15.0 * n as f32);
            let umbrella = Actor::new("umbrella", 0.13, 0.09).at(from, x - 0.04, 0.47).until(900.0);
            [walker().at(from, x, 0.62).until(900.0), umbrella]
        })
        .collect();
    let with_luggage = crowd.into_iter().chain([Actor::new("goods", 0.04, 0.07).at(0.0, 0.26, 0.63).until(900.0)]);
    Scene::check_script("", &no_vending(), 16, &with_luggage.collect::<Vec<_>>(), &[]);
}

#[test]
fn a_cleaning_or_police_vehicle_with_its_crew() {
    let crew = [
        Actor::new("vehicle", 0.25, 0.2).at(0.0, 0.3, 0.62).until(600.0),
        Actor::new("standing", 0.26, 0.2).at(40.0, 0.295, 0.62).until(600.0),
        walker().at(0.0, 0.56, 0.63).until(600.0),
        walker().at(0.0, 0.24, 0.63).until(600.0),
    ];
    Scene::check_script("", &no_vending(), 12, &crew, &[]);
}

#[test]
fn planters_before_a_shop() {
    let zones = [pavement(), zone("shop", ZonePurpose::ShopLine, [0.0, 0.5, 1.0, 0.8])];
    let plant = |x: f32| Detection { class: Label::new("potted plant"), ..thing("goods", 0.6, x, 0.6, 0.06, 0.1) };
    let mut scene = Scene::new("", &zones);
    let row = |n: u32| vec![jitter(plant(0.3), n, 0.03), jitter(plant(0.4), n + 7, 0.03)];
    scene.play(Millis::mins(15), row).check(&[]);
    // What is put out today and is taken for plants is for sale.
    let new = |d: Detection| Detection { class: Label::new("occupied"), group: Label::new("occupied"), ..d };
    let put_out = |n: u32| [row(n), vec![new(plant(0.3)), new(plant(0.4))]].concat();
    Scene::new("", &zones).play(Millis::mins(15), put_out).check(&["shop.overflow"]);
}

#[test]
fn people_beside_planters_and_a_flower_seller() {
    let plants =
        [0.4, 0.5].map(|x| Detection { class: Label::new("potted plant"), ..thing("goods", 0.6, x, 0.6, 0.09, 0.1) });
    let new = plants.clone().map(|d| Detection { class: Label::new("occupied"), group: Label::new("occupied"), ..d });
    let trade: Vec<_> = std::iter::once(vendor(3_000.0)).chain(customers(900.0)).collect();
    let play = |things: Vec<Detection>, expect: &[&str]| {
        let look = |n: u32| [things.clone(), seen(&trade, n as f32 * 2.0, CLEAR, n)].concat();
        Scene::new("", &no_vending()).play(Millis::mins(14), look).check(expect);
    };
    play(plants.to_vec(), &[]);
    play([plants, new].concat(), &["vendor.mobile"]);
}

#[test]
fn supplies_that_are_carried_into_the_shop() {
    let zones = [pavement(), zone("shop", ZonePurpose::ShopLine, [0.0, 0.5, 1.0, 0.8])];
    let boxes = [
        Actor::new("goods", 0.07, 0.07).at(0.0, 0.4, 0.6).until(220.0),
        Actor::new("goods", 0.07, 0.07).at(10.0, 0.5, 0.6).until(240.0),
        Actor::new("standing", 0.18, 0.09).at(40.0, 0.39, 0.6).until(240.0),
    ];
    Scene::check_script("", &zones, 10, &boxes, &[]);
}
