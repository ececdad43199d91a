//! What a config may say, and how it is told what it may not.

use super::*;
use crate::rules::{PersonNeed, RulesError};

fn effective(text: &str) -> Result<std::collections::BTreeMap<String, crate::rules::Rule>, RulesError> {
    toml::from_str::<RulesConfig>(text).expect("well-formed").effective()
}

#[track_caller]
fn check_refused(text: &str, message: &str) {
    assert_eq!(effective(text).map(|_| ()).map_err(|e| e.to_string()), Err(message.to_owned()));
}

#[test]
fn without_a_config_the_built_in_rules_hold() {
    let rules = effective("").expect("built-in");
    let names: Vec<_> = rules.keys().map(String::as_str).collect();
    let expected = [
        "garbage.bagged",
        "garbage.bin_overflow",
        "garbage.exposed",
        "garbage.furniture",
        "garbage.standing",
        "lane.bus_stop",
        "lane.fire",
        "lane.furniture",
        "lane.goods",
        "lane.loading",
        "lane.motor",
        "lane.nonmotor",
        "lane.tactile",
        "shop.goods",
        "shop.overflow",
        "shop.stack",
        "vendor.mobile",
        "vendor.stall",
    ];
    assert_eq!(names, expected);
    assert!(rules.values().all(|rule| crate::kinds::kind_info(&rule.kind).is_some()));
}

#[test]
fn what_is_written_is_overridden_and_the_rest_is_inherited() {
    let before = &effective("").expect("built-in")["vendor.stall"];
    let after = &effective("[\"vendor.stall\"]\ndwell = \"20s\"\nthings = [\"table\"]\nperson.share = 0.2")
        .expect("rules")["vendor.stall"];
    assert_eq!(after.dwell, Millis::secs(20));
    assert_eq!(after.things, [Label::new("table")]);
    assert_eq!((after.person.share, after.person.need), (0.2, PersonNeed::Stays));
    assert_eq!(after.with, before.with);
    assert_ne!(before.reference("vendor.stall").version, after.reference("vendor.stall").version);
    assert_eq!(after.reference("x").version.len(), 12);
}

#[test]
fn rules_can_be_switched_off_and_added() {
    let config = "[\"lane.motor\"]\nenabled = false\n[\"depot\"]\nkind = \"lane.motor\"\nthings = [\"bus\"]\nzones = [\"bus_stop\"]";
    let bus = || vec![Detection { class: Label::new("bus"), ..car(0.4) }];
    let zones = [
        zone("stop", ZonePurpose::BusStop, [0.0, 0.0, 0.7, 1.0]),
        zone("kerb", ZonePurpose::NoStopping, [0.7, 0.0, 1.0, 1.0]),
    ];
    let mut scene = Scene::new(config, &zones);
    scene.play(Millis::mins(6), |_| bus().into_iter().chain([car(0.78)]).collect()).check(&["lane.motor"]);
    assert_eq!(scene.confirmed[0].rule.id, "depot");
    assert_eq!(scene.confirmed[0].zone.as_str(), "stop");
}

#[test]
fn mistakes_are_named_with_their_remedy() {
    check_refused(
        "[\"lane.motor\"]\nmin_overlap = 1.5",
        "rule \"lane.motor\": min_overlap is 1.5; it is a share and must be from 0 to 1",
    );
    check_refused(
        "[\"lane.motor\"]\nmin_overlap = nan",
        "rule \"lane.motor\": min_overlap is NaN; it is a share and must be from 0 to 1",
    );
    check_refused(
        "[\"lane.motor\"]\nopen_score = 0.1",
        "rule \"lane.motor\": open_score is 0.1; it must not be below min_score",
    );
    check_refused(
        "[\"lane.motor\"]\nthings = []",
        "rule \"lane.motor\": things is empty; name at least one class or group",
    );
    check_refused(
        "[\"lane.motor\"]\ndwell = \"0s\"",
        "rule \"lane.motor\": dwell is 0s; it must be from 1s (max_gap, max_pause, queue: 0s) to 24h",
    );
    let message =
        effective("[\"lane.moter\"]\ndwell = \"10s\"").map(|_| ()).map_err(|e| e.to_string()).expect_err("unknown");
    assert!(
        message.starts_with("rule \"lane.moter\" is none of the built-in ones (garbage.bagged, garbage.bin_overflow, "),
        "{message}"
    );
}

#[test]
fn an_unknown_key_is_an_error_with_its_line() {
    for text in [
        "[\"lane.motor\"]\ndwel = \"5m\"",
        "[\"lane.motor\"]\ncalendar = { hour = [] }",
        "[\"lane.motor\"]\nperson.nead = \"any\"",
    ] {
        let error = toml::from_str::<RulesConfig>(text).expect_err("unknown key").to_string();
        assert!(error.contains("unknown field") && error.contains("line 2"), "{error}");
    }
}

#[test]
fn ids_given_twice_are_refused() {
    let street = zone("z", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0]);
    let new = |cameras: Vec<(CameraId, Vec<Zone>)>| {
        Core::new(&RulesConfig::default(), TimeZone::UTC, cameras).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(
        new(vec![(camera(), vec![]), (camera(), vec![])]),
        Err("camera \"cam\" is listed twice; give each camera an id of its own".to_owned())
    );
    assert_eq!(
        new(vec![(camera(), vec![street.clone(), street])]),
        Err("camera \"cam\" has two zones \"z\"; give each zone of a camera an id of its own".to_owned())
    );
}
