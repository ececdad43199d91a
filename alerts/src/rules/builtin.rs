//! The rules that are there without any config.

use std::collections::BTreeMap;

use domain::{Kind, Label, Millis, OCCUPIED};

use super::{
    calendar::{Calendar, CalendarConfig, Hours},
    config::{
        Evidence, EvidenceConfig, Footing, PersonConfig, PersonNeed, PersonRelation, Queue, QueueConfig, Realarm, Rule,
        RuleConfig,
    },
    known::{PLANTS, STANDING},
};
use crate::incident::ZonePurpose::{
    self, BicycleLane, Bin, BusStop, FireLane, GarbagePoint, LoadingBay, NoStopping, NoVending, Pavement, ShopLine,
    TactilePath, TrafficLane,
};

/// Two cameras see a car's two ends.
const CAR: Option<f32> = Some(5.0);

/// What a rule starts from: everything but what it is about.
pub(super) fn blank(kind: Kind) -> Rule {
    Rule {
        enabled: true,
        kind,
        things: Vec::new(),
        with: Vec::new(),
        except: Vec::new(),
        min_things: 1,
        min_sorts: 1,
        merge: 1.0,
        merge_radius: 3.0,
        zones: Vec::new(),
        outside: Vec::new(),
        stands_on: Footing::LowerThird,
        min_overlap: 0.5,
        min_blocked: 0.0,
        new_only: false,
        dwell: Millis::mins(5),
        dwell_by_zone: BTreeMap::new(),
        max_gap: Millis::secs(30),
        max_pause: Millis::mins(10),
        // A small detector misses a standing thing in three of ten looks, and somebody passes in front of it.
        min_hit_ratio: 0.55,
        min_looks: 3,
        min_score: 0.25,
        open_score: 0.4,
        min_area: 0.0,
        max_area: 0.6,
        min_side: 0.015,
        clear_after: Millis::secs(60),
        rearm_after: Millis::mins(60),
        reopen_within: Millis::mins(60),
        yields_to: Vec::new(),
        reject_cooldown: Millis::mins(24 * 60),
        realarm: Millis::mins(60),
        realarm_by: Realarm::Reopen,
        review: false,
        review_expiry: Millis::mins(24 * 60),
        calendar: Calendar::ALWAYS,
        queue: Queue {
            min_things: 0,
            zones: vec![TrafficLane],
            together: Millis::mins(3),
            break_up: Millis::secs(60),
            patience: Millis::mins(15),
        },
        evidence: Evidence {
            needed: 0.0,
            things_most: 0.5,
            vendor: 0.0,
            customers: 0.0,
            min_customers: 2,
            crowd: 0.0,
            things: BTreeMap::new(),
        },
        person: PersonRelation { need: PersonNeed::Any, distance: 1.0, share: 0.5 },
    }
}

/// The built-in rules by name; where a rule names no kind, its name is the kind that it opens.
pub(super) fn rules() -> BTreeMap<String, Rule> {
    [
        (
            "lane.motor",
            RuleConfig {
                merge_radius: CAR,
                things: labels(&["vehicle"]),
                zones: zones(&[NoStopping, TrafficLane, BicycleLane, Pavement]),
                outside: zones(&[LoadingBay, BusStop]),
                yields_to: kinds(&["lane.fire"]),
                dwell_by_zone: Some([(BicycleLane, Millis::mins(3))].into()),
                queue: Some(QueueConfig { min_things: Some(3), ..QueueConfig::default() }),
                // A green light lasts longer than this, so the places at a stop line do not add up to a parked car.
                max_gap: Some(Millis::secs(15)),
                ..RuleConfig::default()
            },
        ),
        (
            // Buses may stop there; a van that the detector calls a bus now and then is left alone, too.
            "lane.bus_stop",
            RuleConfig {
                merge_radius: CAR,
                kind: Some(kind("lane.motor")),
                things: labels(&["vehicle"]),
                except: labels(&["bus"]),
                zones: zones(&[BusStop]),
                dwell: Some(Millis::mins(3)),
                max_gap: Some(Millis::secs(15)),
                ..RuleConfig::default()
            },
        ),
        (
            "lane.loading",
            RuleConfig {
                merge_radius: CAR,
                kind: Some(kind("lane.motor")),
                things: labels(&["vehicle"]),
                zones: zones(&[LoadingBay]),
                dwell: Some(Millis::mins(30)),
                ..RuleConfig::default()
            },
        ),
        (
            // Whatever stands there and is nobody: it need not have a name that holds.
            "lane.fire",
            RuleConfig {
                merge_radius: CAR,
                things: labels(&[
                    "vehicle",
                    "two_wheeler",
                    "tricycle",
                    "cart",
                    "goods",
                    "table",
                    "seat",
                    "bulky",
                    "umbrella",
                    STANDING,
                    OCCUPIED,
                ]),
                zones: zones(&[FireLane]),
                // What counts is how much of the lane is left, not how much of the thing is in it.
                min_overlap: Some(0.1),
                min_blocked: Some(0.3),
                dwell: Some(Millis::secs(60)),
                max_gap: Some(Millis::secs(15)),
                rearm_after: Some(Millis::mins(15)),
                ..RuleConfig::default()
            },
        ),
        (
            // Goods that somebody keeps beside him are in use (a traveller's bag, a delivery), not left on the road.
            "lane.goods",
            RuleConfig {
                things: labels(&["goods", STANDING]),
                except: labels(PLANTS),
                max_area: Some(0.15),
                zones: zones(&[TrafficLane, NoStopping, BicycleLane, BusStop, Pavement, TactilePath]),
                outside: zones(&[LoadingBay, Bin]),
                dwell: Some(Millis::mins(10)),
                rearm_after: Some(Millis::mins(240)),
                yields_to: kinds(&[
                    "vendor.stall",
                    "vendor.mobile",
                    "shop.overflow",
                    "garbage.exposed",
                    "garbage.bagged",
                    "garbage.bin_overflow",
                    "lane.motor",
                    "lane.nonmotor",
                    "lane.fire",
                ]),
                person: Some(PersonConfig {
                    need: Some(PersonNeed::Absent),
                    distance: Some(0.3),
                    ..PersonConfig::default()
                }),
                ..RuleConfig::default()
            },
        ),
        (
            // A chair that keeps a place, a sofa or a refrigerator that was put out on the road.
            "lane.furniture",
            RuleConfig {
                kind: Some(kind("lane.goods")),
                things: labels(&["seat", "table", "bulky"]),
                new_only: Some(true),
                max_area: Some(0.15),
                zones: zones(&[TrafficLane, NoStopping, BicycleLane, TactilePath]),
                outside: zones(&[LoadingBay, Bin, BusStop]),
                dwell: Some(Millis::mins(10)),
                open_score: Some(0.3),
                rearm_after: Some(Millis::mins(240)),
                yields_to: kinds(&["vendor.stall", "vendor.mobile", "shop.overflow", "garbage.exposed", "lane.fire"]),
                person: Some(PersonConfig {
                    need: Some(PersonNeed::Absent),
                    distance: Some(0.3),
                    ..PersonConfig::default()
                }),
                ..RuleConfig::default()
            },
        ),
        (
            "lane.nonmotor",
            RuleConfig {
                things: labels(&["two_wheeler"]),
                min_things: Some(5),
                zones: zones(&[Pavement, BicycleLane, NoStopping, TrafficLane, BusStop]),
                dwell: Some(Millis::mins(10)),
                open_score: Some(0.3),
                rearm_after: Some(Millis::mins(120)),
                ..RuleConfig::default()
            },
        ),
        (
            // The strip is narrower than what stands on it.
            "lane.tactile",
            RuleConfig {
                kind: Some(kind("lane.nonmotor")),
                things: labels(&["two_wheeler"]),
                zones: zones(&[TactilePath]),
                min_overlap: Some(0.05),
                min_blocked: Some(0.5),
                dwell: Some(Millis::mins(10)),
                rearm_after: Some(Millis::mins(120)),
                ..RuleConfig::default()
            },
        ),
        (
            "vendor.stall",
            RuleConfig {
                things: labels(&["umbrella", "table", "seat", "goods", "cart", "tricycle", STANDING]),
                with: labels(&["two_wheeler", "vehicle"]),
                except: labels(PLANTS),
                // A table, a parasol, a cart with something else and somebody who stays; of what workmen and travellers have with
                // them, too, those who stop as well.
                evidence: evidence(
                    [0.8, 0.4, 0.25, -0.3],
                    &[
                        ("table", 0.25),
                        ("umbrella", 0.25),
                        ("cart", 0.25),
                        ("tricycle", 0.25),
                        ("goods", 0.2),
                        (STANDING, 0.15),
                        ("seat", 0.1),
                        ("two_wheeler", 0.1),
                        ("vehicle", 0.1),
                    ],
                ),
                zones: zones(&[NoVending, Pavement, TrafficLane]),
                outside: zones(&[Bin, BusStop]),
                open_score: Some(0.3),
                yields_to: kinds(&["vendor.mobile", "shop.overflow"]),
                person: Some(PersonConfig { need: Some(PersonNeed::Stays), ..PersonConfig::default() }),
                ..RuleConfig::default()
            },
        ),
        (
            "vendor.mobile",
            RuleConfig {
                things: labels(&["goods", "cart", "tricycle", STANDING]),
                with: labels(&["two_wheeler"]),
                except: labels(PLANTS),
                // What is sold and what it came on, or what is sold and customers: a rider has his motorcycle and his box, too.
                evidence: evidence(
                    [0.8, 0.35, 0.2, -0.3],
                    &[("cart", 0.35), ("tricycle", 0.35), ("goods", 0.25), (STANDING, 0.1), ("two_wheeler", 0.05)],
                ),
                merge: Some(0.5),
                zones: zones(&[NoVending, Pavement, TrafficLane]),
                outside: zones(&[Bin, BusStop]),
                dwell: Some(Millis::mins(3)),
                open_score: Some(0.3),
                yields_to: kinds(&["vendor.stall", "shop.overflow"]),
                person: Some(PersonConfig { need: Some(PersonNeed::Stays), ..PersonConfig::default() }),
                ..RuleConfig::default()
            },
        ),
        (
            "shop.overflow",
            RuleConfig {
                things: labels(&["umbrella", "table", "seat", "goods", STANDING]),
                except: labels(PLANTS),
                min_things: Some(2),
                zones: zones(&[ShopLine]),
                open_score: Some(0.3),
                rearm_after: Some(Millis::mins(120)),
                calendar: business_hours(),
                ..RuleConfig::default()
            },
        ),
        (
            // A stack of goods that the detector has no class for.
            "shop.stack",
            RuleConfig {
                kind: Some(kind("shop.overflow")),
                things: labels(&[STANDING]),
                zones: zones(&[ShopLine]),
                dwell: Some(Millis::mins(10)),
                min_area: Some(0.004),
                max_area: Some(0.15),
                rearm_after: Some(Millis::mins(120)),
                calendar: business_hours(),
                ..RuleConfig::default()
            },
        ),
        (
            // The same where the detector has one name for all of it; what it sees behind a shop window is not new, nor are the
            // street's planters: what is put out and looks like plants (crates do) is for sale.
            "shop.goods",
            RuleConfig {
                kind: Some(kind("shop.overflow")),
                things: labels(&["goods"]),
                new_only: Some(true),
                zones: zones(&[ShopLine]),
                min_area: Some(0.004),
                max_area: Some(0.15),
                rearm_after: Some(Millis::mins(120)),
                calendar: business_hours(),
                ..RuleConfig::default()
            },
        ),
        (
            "garbage.exposed",
            RuleConfig {
                except: labels(&["garbage_bag"]),
                zones: zones(&[GarbagePoint, Pavement, TrafficLane, BicycleLane, ShopLine]),
                // What a model calls garbage may be bags: a permit for those, as in put-out hours, is one for it.
                yields_to: kinds(&["garbage.bagged"]),
                ..garbage(&["garbage"])
            },
        ),
        (
            "garbage.bagged",
            RuleConfig {
                zones: zones(&[GarbagePoint, Pavement, TrafficLane, BicycleLane, ShopLine]),
                dwell: Some(Millis::mins(10)),
                ..garbage(&["garbage_bag"])
            },
        ),
        (
            // What is put down at a garbage point is garbage, whatever it looks like; elsewhere it may be anything.
            "garbage.standing",
            RuleConfig {
                kind: Some(kind("garbage.exposed")),
                except: labels(PLANTS),
                zones: zones(&[GarbagePoint]),
                max_area: Some(0.06),
                yields_to: kinds(&["garbage.bagged"]),
                ..garbage(&[STANDING, "goods"])
            },
        ),
        (
            // A sofa or a stove at a garbage point; benches that have always stood there are none.
            "garbage.furniture",
            RuleConfig {
                kind: Some(kind("garbage.exposed")),
                new_only: Some(true),
                zones: zones(&[GarbagePoint]),
                max_area: Some(0.1),
                open_score: Some(0.3),
                yields_to: kinds(&["garbage.bagged"]),
                // It is tall: its feet say where it stands.
                stands_on: Some(Footing::LowerThird),
                ..garbage(&["seat", "table", "bulky"])
            },
        ),
        (
            "garbage.bin_overflow",
            RuleConfig {
                except: labels(PLANTS),
                zones: zones(&[Bin]),
                outside: Some(Vec::new()),
                max_area: Some(0.06),
                ..garbage(&["garbage", "garbage_bag", "goods", STANDING])
            },
        ),
    ]
    .into_iter()
    .map(|(name, mut over)| {
        // What rests that long after it was gone is not told more often while it stands.
        over.realarm = over.realarm.or(over.rearm_after);
        let kind = over.kind.clone().unwrap_or_else(|| kind(name));
        (name.to_owned(), blank(kind).overridden_by(&over))
    })
    .collect()
}

/// What the garbage rules have in common: nobody is at it, and what lies at a bin belongs to the bin.
fn garbage(things: &[&str]) -> RuleConfig {
    RuleConfig {
        things: labels(things),
        outside: zones(&[Bin]),
        stands_on: Some(Footing::Box),
        min_side: Some(0.025),
        rearm_after: Some(Millis::mins(240)),
        person: Some(PersonConfig { need: Some(PersonNeed::Absent), distance: Some(1.5), ..PersonConfig::default() }),
        ..RuleConfig::default()
    }
}

fn evidence([needed, vendor, customers, crowd]: [f32; 4], things: &[(&str, f32)]) -> Option<EvidenceConfig> {
    Some(EvidenceConfig {
        needed: Some(needed),
        vendor: Some(vendor),
        customers: Some(customers),
        crowd: Some(crowd),
        things: Some(things.iter().map(|(label, weight)| (Label::new(label), *weight)).collect()),
        ..EvidenceConfig::default()
    })
}

fn business_hours() -> Option<CalendarConfig> {
    let hours = Some(vec![Hours::of_minutes(7 * 60, 22 * 60)]);
    Some(CalendarConfig { hours, ..CalendarConfig::default() })
}

fn kind(name: &str) -> Kind {
    name.parse().expect("the built-in kinds are well-formed")
}

fn kinds(names: &[&str]) -> Option<Vec<Kind>> {
    Some(names.iter().map(|name| kind(name)).collect())
}

fn labels(names: &[&str]) -> Option<Vec<Label>> {
    Some(names.iter().map(|name| Label::new(name)).collect())
}

fn zones(purposes: &[ZonePurpose]) -> Option<Vec<ZonePurpose>> {
    Some(purposes.to_vec())
}
