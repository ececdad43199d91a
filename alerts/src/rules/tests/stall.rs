//! Stalls, shops and piles: clusters of things, with or without people.

use super::*;

fn pavement() -> Scene {
    Scene::new("", &[zone("p", ZonePurpose::NoVending, [0.0, 0.0, 1.0, 1.0])])
}

fn table(x: f32) -> Detection {
    thing("table", 0.6, x, 0.6, 0.12, 0.08)
}

fn umbrella(x: f32) -> Detection {
    thing("umbrella", 0.6, x, 0.45, 0.15, 0.1)
}

fn goods(x: f32) -> Detection {
    thing("goods", 0.6, x, 0.6, 0.06, 0.06)
}

fn bicycle(x: f32) -> Detection {
    thing("two_wheeler", 0.6, x, 0.6, 0.08, 0.1)
}

/// Somebody who shifts about within a step.
fn vendor(n: u32) -> Detection {
    person(0.52 + 0.03 * noise(n))
}

#[test]
fn a_stall_with_its_vendor_is_one_ticket_that_says_why() {
    let mut scene = pavement();
    scene.play(Millis::mins(15), |n| vec![jitter(table(0.4), n, 0.05), jitter(umbrella(0.38), n + 9, 0.05), vendor(n)]);
    scene.check(&["vendor.stall"]);
    let incident = &scene.confirmed[0];
    assert!(incident.dwell >= Millis::mins(5));
    assert!(
        incident.reason.starts_with("1 table and 1 umbrella have stood in zone \"p\" (no vending) for 5m"),
        "{}",
        incident.reason
    );
    assert!(incident.reason.contains("somebody staying with it in 9"), "{}", incident.reason);
    let classes: Vec<_> = incident.things.iter().map(|t| t.class.as_str()).collect();
    assert_eq!(classes, ["table", "umbrella", "person"]);
}

#[test]
fn the_canopy_over_a_stall_may_hang_beyond_the_zone_that_it_stands_in() {
    // The zone is the ground; a low camera sees the canopy above it.
    let scene = || Scene::new("", &[zone("p", ZonePurpose::NoVending, [0.0, 0.5, 1.0, 1.0])]);
    let stall = |canopy: fn(f32) -> Detection| move |n: u32| vec![table(0.4), canopy(0.38), vendor(n)];
    scene().play(Millis::mins(15), stall(umbrella)).check(&["vendor.stall"]);
    // Too high up to stand there: a balcony's.
    scene().play(Millis::mins(15), stall(|x| thing("umbrella", 0.6, x, 0.25, 0.15, 0.1))).check(&[]);
}

#[test]
fn a_stall_without_anybody_is_none() {
    pavement().play(Millis::mins(10), |_| vec![table(0.4), umbrella(0.38)]).check(&[]);
}

#[test]
fn passers_by_do_not_make_a_stall() {
    // Somebody is near in most looks, but never the same one at the same spot.
    let passing = |n: u32| person(0.25 + 0.13 * (n % 4) as f32);
    pavement().play(Millis::mins(10), |n| vec![table(0.4), umbrella(0.38), passing(n)]).check(&[]);
}

#[test]
fn umbrellas_in_the_rain_are_no_stall() {
    let crowd = |n: u32| {
        (0..6)
            .flat_map(|k| {
                let x = (0.17 * k as f32 + 0.07 * n as f32 * if k % 2 == 0 { 1.0 } else { -1.0 }).rem_euclid(0.85);
                [umbrella(x), person(x + 0.05)]
            })
            .collect::<Vec<_>>()
    };
    pavement().play(Millis::mins(10), crowd).check(&[]);
}

#[test]
fn one_thing_or_things_of_one_sort_are_no_stall() {
    pavement().play(Millis::mins(10), |n| vec![table(0.4), vendor(n)]).check(&[]);
    pavement().play(Millis::mins(10), |n| vec![bicycle(0.4), bicycle(0.5), vendor(n)]).check(&[]);
}

#[test]
fn things_far_apart_are_no_stall() {
    pavement().play(Millis::mins(10), |n| vec![table(0.45), umbrella(0.8), vendor(n)]).check(&[]);
}

#[test]
fn what_joins_a_stall_opens_no_second_ticket() {
    let mut scene = pavement();
    scene.play(Millis::mins(30), |n| {
        let mut seen = vec![table(0.4), umbrella(0.38), vendor(n)];
        if n > 100 {
            seen.push(goods(0.33));
        }
        if n > 300 {
            seen.extend([table(0.25), umbrella(0.2)]);
        }
        seen
    });
    scene.check(&["vendor.stall"]);
    assert!(scene.cleared.is_empty());
}

#[test]
fn a_cart_with_goods_and_a_vendor_is_a_mobile_vendor_and_only_that() {
    let cart = || thing("tricycle", 0.6, 0.4, 0.6, 0.12, 0.12);
    pavement().play(Millis::mins(15), |n| vec![cart(), goods(0.47), vendor(n)]).check(&["vendor.mobile"]);
}

#[test]
fn a_cart_that_passes_is_none() {
    let moving = |n: u32| {
        let x = (0.06 * n as f32) % 0.8;
        vec![thing("tricycle", 0.6, x, 0.6, 0.12, 0.12), goods(x + 0.05), person(x)]
    };
    pavement().play(Millis::mins(10), moving).check(&[]);
}

#[test]
fn a_stall_that_is_seen_badly_is_still_found() {
    // Each thing in four of five looks, by turns.
    let picture = |n: u32| {
        let things = [table(0.4), umbrella(0.38), vendor(n)];
        things.into_iter().enumerate().filter(|(k, _)| !(n as usize + k).is_multiple_of(5)).map(|(_, d)| d).collect()
    };
    pavement().play(Millis::mins(8), picture).check(&["vendor.stall"]);
}

#[test]
fn five_bicycles_together_are_a_pile_and_four_are_none() {
    let zones = [zone("p", ZonePurpose::Pavement, [0.0, 0.0, 1.0, 1.0])];
    let row = |count: u32| move |_| (0..count).map(|k| bicycle(0.1 + 0.1 * k as f32)).collect::<Vec<_>>();
    let mut scene = Scene::new("", &zones);
    scene.play(Millis::mins(12), row(5)).check(&["lane.nonmotor"]);
    assert!(scene.confirmed[0].reason.starts_with("5 x two_wheeler have stood"), "{}", scene.confirmed[0].reason);
    Scene::new("", &zones).play(Millis::mins(12), row(4)).check(&[]);
    Scene::new("[\"lane.nonmotor\"]\nmin_things = 1", &zones).play(Millis::mins(12), row(1)).check(&["lane.nonmotor"]);
}

#[test]
fn a_pile_stays_one_ticket_while_bicycles_come_and_go() {
    let zones = [zone("p", ZonePurpose::Pavement, [0.0, 0.0, 1.0, 1.0])];
    let mut scene = Scene::new("", &zones);
    scene.play(Millis::mins(60), |n| {
        (0..7).filter(|k| (n / 90 + k) % 7 != 0).map(|k| bicycle(0.1 + 0.1 * k as f32)).collect()
    });
    scene.check(&["lane.nonmotor"]);
    assert!(scene.cleared.is_empty());
}

#[test]
fn a_shop_that_trades_before_its_line_is_found_in_business_hours() {
    let zones = [zone("s", ZonePurpose::ShopLine, [0.0, 0.0, 1.0, 1.0])];
    let seat = || thing("seat", 0.6, 0.55, 0.6, 0.05, 0.08);
    let mut scene = Scene::new("", &zones);
    scene.play(Millis::mins(8), |_| vec![table(0.4), seat()]).check(&["shop.overflow"]);
    let mut night = Scene::new("", &zones);
    night.wait(Millis::mins(11 * 60));
    night.play(Millis::mins(8), |_| vec![table(0.4), seat()]).check(&[]);
    assert!(night.all_suspects.is_empty());
}
