#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

use domain::{Millis, TicketId, Timestamp};
use proptest::prelude::*;

use super::{
    Condition, Core, Effect, Mapping, Memory, Problem, Reading, SensorsConfig, State, core::Outcome, mapping::Refused,
};
use crate::incident::Ending;

const NOON: Timestamp = Timestamp(1_790_000_000_000);

const DEVICES: &str = r#"
    devices = [
        { id = "bin-1", measure = "fill", place = { grid = "310104007003012" }, silent_after = "1h" },
        { id = "smoke-1", measure = "smoke", camera = "gate", zone = "door" },
        { id = "bay-1", measure = "parking", camera = "gate", zone = "lane" },
        { id = "noise-1", measure = "noise", stuck_after = "30m" },
    ]
"#;

fn config(more: &str) -> SensorsConfig {
    toml::from_str(&format!("{DEVICES}\n{more}")).unwrap()
}

fn core() -> Core {
    Core::new(&config("")).unwrap()
}

fn at(minutes: i64) -> Timestamp {
    NOON + Millis::mins(minutes)
}

fn reading(device: usize, measure: &str, value: f64, at: Timestamp) -> Reading {
    Reading { device, measure: measure.into(), value, at, received_at: at, battery: None, remark: None }
}

fn opened(effects: &[Effect]) -> Vec<TicketId> {
    let open = |effect: &Effect| match effect {
        Effect::Open(case) => Some(case.ticket),
        _ => None,
    };
    effects.iter().filter_map(open).collect()
}

fn cleared(effects: &[Effect]) -> Vec<TicketId> {
    let clear = |effect: &Effect| match effect {
        Effect::Clear { ticket, .. } => Some(*ticket),
        _ => None,
    };
    effects.iter().filter_map(clear).collect()
}

fn fill(core: &mut Core, minute: i64, value: f64) -> Vec<Effect> {
    core.read(&reading(0, "fill", value, at(minute))).effects
}

#[test]
fn a_bin_that_stays_full_is_a_ticket_and_one_that_was_emptied_clears_it() {
    let mut core = core();
    for minute in 0..15 {
        assert_eq!(opened(&fill(&mut core, minute, 93.0)), [], "minute {minute}");
    }
    let effects = fill(&mut core, 15, 94.0);
    let Some(Effect::Open(case)) = effects.iter().find(|e| matches!(e, Effect::Open(_))) else { panic!("{effects:?}") };
    assert_eq!((case.kind.as_str(), case.since, case.confirmed_at), ("garbage.bin_overflow", at(0), at(15)));
    assert_eq!(case.reason, "bin-1: fill level 94 %, at least 90 % for 15m in all of its readings");
    assert!(case.reason_zh.contains("箱满度 94 %"), "{}", case.reason_zh);
    assert_eq!(case.noted.len(), 16);
    // Between the levels nothing changes; what was pressed down is not emptied.
    for minute in 16..60 {
        assert_eq!(fill(&mut core, minute, 85.0), []);
    }
    for minute in 60..65 {
        assert_eq!(cleared(&fill(&mut core, minute, 4.0)), []);
    }
    assert_eq!(cleared(&fill(&mut core, 65, 4.0)), [case.ticket]);
}

#[test]
fn one_reading_below_the_level_begins_the_time_anew() {
    let mut core = core();
    fill(&mut core, 0, 95.0);
    fill(&mut core, 10, 89.0);
    fill(&mut core, 11, 95.0);
    assert_eq!(opened(&fill(&mut core, 25, 95.0)), []);
    assert_eq!(opened(&fill(&mut core, 26, 95.0)).len(), 1);
}

#[test]
fn a_sensor_that_speaks_only_on_change_is_judged_as_time_passes() {
    let mut core = core();
    fill(&mut core, 0, 95.0);
    let all: Vec<_> = (1..40).flat_map(|m| core.tick(at(m), Some(at(0)))).flat_map(|(_, out)| out.effects).collect();
    assert_eq!(opened(&all).len(), 1);
    // A silent one is not.
    let mut core = self::core();
    fill(&mut core, 0, 95.0);
    assert!(
        core.tick(at(61), Some(at(0))).iter().any(|(d, out)| *d == 0 && out.effects == [Effect::Health(State::Silent)])
    );
    assert_eq!(core.tick(at(300), Some(at(0))), []);
}

#[test]
fn smoke_is_a_ticket_at_once_and_asks_for_a_look() {
    let mut core = core();
    let outcome = core.read(&reading(1, "smoke", 1.0, NOON));
    assert!(outcome.notable);
    let Some(Effect::Open(case)) = outcome.effects.iter().find(|e| matches!(e, Effect::Open(_))) else { panic!() };
    assert!(case.look);
    assert_eq!(case.reason, "smoke-1 reports smoke");
    assert_eq!(opened(&core.read(&reading(1, "smoke", 1.0, at(1))).effects), []);
}

#[test]
fn a_cleared_place_rests_and_then_opens_another_ticket() {
    let mut core = core();
    let first = opened(&core.read(&reading(1, "smoke", 1.0, at(0))).effects);
    core.read(&reading(1, "smoke", 0.0, at(1)));
    let over: Vec<_> = (2..8).flat_map(|m| core.tick(at(m), Some(at(0)))).flat_map(|(_, out)| out.effects).collect();
    assert_eq!(cleared(&over), first);
    assert_eq!(opened(&core.read(&reading(1, "smoke", 1.0, at(9))).effects), []);
    let second = opened(&core.read(&reading(1, "smoke", 1.0, at(17))).effects);
    assert!(second.len() == 1 && second != first);
}

#[test]
fn a_parking_sensor_speaks_about_its_zone_until_it_is_silent() {
    let mut core = core();
    let words = |effects: Vec<Effect>| -> Vec<Option<bool>> {
        let word = |effect| match effect {
            Effect::Word(word) => Some(word.occupied.map(|(taken, _)| taken)),
            _ => None,
        };
        effects.into_iter().filter_map(word).collect()
    };
    assert_eq!(words(core.read(&reading(2, "parking", 1.0, at(0))).effects), [Some(true)]);
    assert_eq!(words(core.read(&reading(2, "parking", 1.0, at(1))).effects), []);
    assert_eq!(words(core.read(&reading(2, "parking", 0.0, at(2))).effects), [Some(false)]);
    let silent = core.tick(at(2 + 24 * 60), Some(at(0)));
    assert_eq!(words(silent.into_iter().flat_map(|(_, out)| out.effects).collect()), [None]);
}

#[test]
fn a_device_tells_how_it_fares() {
    let mut core = core();
    let state = |core: &Core| core.memory(3).unwrap().health.state;
    assert_eq!(state(&core), State::Waiting);
    core.read(&Reading { battery: Some(80.0), ..reading(3, "noise", 50.0, at(0)) });
    assert_eq!(state(&core), State::Ok);
    core.read(&Reading { battery: Some(19.0), ..reading(3, "noise", 51.0, at(1)) });
    assert_eq!(state(&core), State::BatteryLow);
    core.read(&Reading { battery: Some(22.0), ..reading(3, "noise", 52.0, at(2)) });
    assert_eq!(state(&core), State::BatteryLow, "it wavers");
    core.read(&reading(3, "battery", 90.0, at(3)));
    assert_eq!(state(&core), State::Ok);
    (4..40).for_each(|minute| drop(core.read(&reading(3, "noise", 55.5, at(minute)))));
    assert_eq!(state(&core), State::Stuck);
    core.read(&reading(3, "noise", 55.6, at(40)));
    assert_eq!(state(&core), State::Ok);
    core.odd(3, at(41));
    assert_eq!(state(&core), State::OutOfRange);
    core.tick(at(41 + 24 * 60), None);
    assert_eq!(state(&core), State::OutOfRange, "nobody listened");
    core.tick(at(41 + 24 * 60), Some(at(0)));
    assert_eq!(state(&core), State::Silent);
    core.read(&reading(3, "noise", 50.0, at(42 + 24 * 60)));
    assert_eq!(state(&core), State::Ok);
}

#[track_caller]
fn read(more: &str, topic: &str, payload: &[u8]) -> Result<Reading, Refused> {
    let mapping = Mapping::new(&config(more)).unwrap();
    let mut all = Vec::new();
    mapping.read(&[0], topic, payload, NOON, |_, said| all.push(said));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[track_caller]
fn check(more: &str, topic: &str, payload: &str, expect: Result<(usize, &str, f64), Problem>) {
    let got = read(more, topic, payload.as_bytes());
    let got = got.as_ref().map(|r| (r.device, &*r.measure, r.value)).map_err(|refused| refused.problem);
    assert_eq!(got, expect, "{payload}");
}

const PROPOSED: &str = "sensor/v1/310104/310104007/bin-1/fill";

#[test]
fn the_proposed_topics_need_no_source() {
    check("", PROPOSED, "93", Ok((0, "fill", 93.0)));
    check("", PROPOSED, " 93.5\n", Ok((0, "fill", 93.5)));
    check("", PROPOSED, r#"{"value": 93}"#, Ok((0, "fill", 93.0)));
    check("", "sensor/v1/310104/310104007/smoke-1/smoke", "true", Ok((1, "smoke", 1.0)));
    check("", "sensor/v1/310104/310104007/bin-9/fill", "93", Err(Problem::UnknownDevice));
    check("", "sensor/v1/310104/310104007/bin-1/colour", "93", Err(Problem::UnknownMeasure));
    check("", "sensor/v1/310104/bin-1/fill", "93", Err(Problem::NoSource));
}

#[test]
fn a_vendors_form_is_mapped() {
    let vendor = r#"
        [[sources]]
        name = "acme"
        topic = "application/+/device/+/event/up"
        device = "/deviceInfo/devEui"
        measure = "fill"
        value = "/object/distance_cm"
        time = "/time"
        battery = "/object/battery"
        scale = -1.0
        offset = 100.0
    "#;
    let payload = br#"{"deviceInfo": {"devEui": "bin-1"}, "time": "2026-09-21T13:59:00+00:00",
        "object": {"distance_cm": 8, "battery": 71}}"#;
    let got = read(vendor, "application/7/device/x/event/up", payload).unwrap();
    assert_eq!((got.device, got.value, got.battery), (0, 92.0, Some(71.0)));
    let states = r#"
        [[sources]]
        name = "bays"
        topic = "bay/{device}"
        measure = "parking"
        states = { occupied = 1, free = 0 }
    "#;
    check(states, "bay/bay-1", "occupied", Ok((2, "parking", 1.0)));
    check(states, "bay/bay-1", r#"{"value": "free"}"#, Ok((2, "parking", 0.0)));
    check(states, "bay/bay-1", "broken", Err(Problem::NotANumber));
}

#[test]
fn whatever_comes_has_a_reason() {
    check("", PROPOSED, "", Err(Problem::NoValue));
    check("", PROPOSED, "{", Err(Problem::NotJson));
    check("", PROPOSED, "{}", Err(Problem::NoValue));
    check("", PROPOSED, r#"{"value": null}"#, Err(Problem::NotANumber));
    check("", PROPOSED, "NaN", Err(Problem::NotANumber));
    check("", PROPOSED, "inf", Err(Problem::NotANumber));
    check("", PROPOSED, "1e999", Err(Problem::NotANumber));
    check("", PROPOSED, "101", Err(Problem::OutOfRange));
    check("", PROPOSED, "-1", Err(Problem::OutOfRange));
    check("", PROPOSED, &"9".repeat(20_000), Err(Problem::TooLarge));
    check("", PROPOSED, &"[".repeat(10_000), Err(Problem::NotJson));
    assert_eq!(read("", PROPOSED, &[0xff, 0xfe]).unwrap_err().problem, Problem::NotText);
}

#[test]
fn a_clock_that_cannot_be_is_remarked_and_the_reading_counts() {
    let source = "[[sources]]\nname = \"s\"\ntopic = \"s/{device}\"\nmeasure = \"fill\"\ntime = \"/at\"\n";
    let remark = |time: &str| {
        let payload = format!(r#"{{"value": 50, "at": {time}}}"#);
        let got = read(source, "s/bin-1", payload.as_bytes()).unwrap();
        assert!(got.at == NOON || got.remark.is_none());
        got.remark
    };
    let minute_ago = NOON.0 - 60_000;
    assert_eq!(remark(&minute_ago.to_string()), None);
    assert_eq!(remark(&(minute_ago / 1_000).to_string()), None);
    assert_eq!(remark(&format!("\"{}\"", jiff::Timestamp::from_millisecond(minute_ago).unwrap())), None);
    assert_eq!(remark(&(NOON.0 + 3_600_000).to_string()), Some(Problem::ClockAhead));
    assert_eq!(remark("0"), Some(Problem::ClockBehind));
    assert_eq!(remark("1e300"), Some(Problem::NoTime));
    assert_eq!(remark("\"noon\""), Some(Problem::NoTime));
}

#[track_caller]
fn refuse(more: &str, expect: &str) {
    let error = config(more).check().unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

#[test]
fn a_section_that_cannot_be_is_refused_with_its_place() {
    refuse("[[sources]]\nname = \"a b\"", "sensors.sources.\"a b\".name: must be 1 to 64");
    refuse("[[sources]]\nname = \"a\"\ntopic = \"x/#/y\"", "sources.\"a\".topic: # may stand at the end only");
    refuse("[[sources]]\nname = \"a\"\ntopic = \"x/{measure}\"", "says nothing of the device");
    refuse("[[sources]]\nname = \"a\"\ntopic = \"x/{device}\"", "sources.\"a\".measure: is missing");
    refuse("[[sources]]\nname = \"a\"\nvalue = \"x\"", "is no JSON pointer");
    refuse("[[sources]]\nname = \"a\"\nscale = 0.0", "a number other than 0");
    refuse("[rules.bin_full]\nclear = 95", "rules.bin_full.clear: must lie on the good side");
    refuse("[rules.mine]\nmeasure = \"fill\"\nkind = \"a.b\"", "at_most must be given");
    refuse("[rules.mine]\nkind = \"a.b\"", "rules.mine.measure: is missing");
    refuse("[rules.mine]\nmeasure = \"fill\"\nkind = \"a.b\"\nat_least = -5", "holds for every value");
    config("[rules.bin_full]\nat_least = 80\nclear = 60").check().unwrap();
    config("[rules.tank_low]\nmeasure = \"fill\"\nkind = \"tank.low\"\nat_most = 10\nclear = 15").check().unwrap();
}

fn end(core: &mut Core, ticket: TicketId, ending: Ending, minute: i64) -> Option<Outcome> {
    core.ended(ticket, ending, at(minute)).map(|(_, outcome)| outcome)
}

#[test]
fn a_rejected_ticket_keeps_its_device_quiet_until_it_is_over_or_the_cool_down_ends() {
    let smoke = |core: &mut Core, minute: i64, value: f64| core.read(&reading(1, "smoke", value, at(minute))).effects;
    let day = 24 * 60;
    let mut core = self::core();
    let ticket = opened(&smoke(&mut core, 0, 1.0))[0];
    let outcome = end(&mut core, ticket, Ending::Rejected, 1).expect("it has that ticket");
    assert!(outcome.notable && outcome.effects.is_empty());
    assert_eq!(end(&mut core, ticket, Ending::Rejected, 1), None, "it knows");
    assert_eq!(end(&mut core, TicketId::derive(NOON, b"?"), Ending::Rejected, 1), None);
    assert_eq!(opened(&smoke(&mut core, 60, 1.0)), []);
    assert_eq!(opened(&smoke(&mut core, day, 1.0)), []);
    // The device speaks on change only: what it said last still holds.
    let all: Vec<_> = core.tick(at(day + 1), Some(at(day))).into_iter().flat_map(|(_, out)| out.effects).collect();
    let second = opened(&all);
    assert!(second.len() == 1 && second != [ticket]);

    // It was over: what comes then is another fire.
    let mut core = self::core();
    let ticket = opened(&smoke(&mut core, 0, 1.0))[0];
    end(&mut core, ticket, Ending::Rejected, 1);
    smoke(&mut core, 2, 0.0);
    let over: Vec<_> = (3..9).flat_map(|m| core.tick(at(m), Some(at(0)))).flat_map(|(_, out)| out.effects).collect();
    assert_eq!(cleared(&over), [ticket]);
    assert_eq!(opened(&smoke(&mut core, 18, 1.0)).len(), 1);
}

#[test]
fn what_still_holds_after_its_ticket_was_closed_is_told_again() {
    let mut core = core();
    (0..16).for_each(|minute| drop(fill(&mut core, minute, 95.0)));
    let ticket = core.memory(0).unwrap().conditions["bin_full"].ticket().expect("a ticket");
    end(&mut core, ticket, Ending::Closed, 20);
    for minute in 20..95 {
        assert_eq!(opened(&fill(&mut core, minute, 95.0)), [], "minute {minute}");
    }
    assert_eq!(opened(&fill(&mut core, 95, 95.0)).len(), 1, "an hour later it has held for its time once more");
    // That it was no case outweighs that it is over.
    let mut core = self::core();
    let ticket = opened(&core.read(&reading(1, "smoke", 1.0, at(0))).effects)[0];
    end(&mut core, ticket, Ending::Closed, 1);
    assert!(end(&mut core, ticket, Ending::Rejected, 2).is_some());
    assert_eq!(end(&mut core, ticket, Ending::Closed, 3), None);
    assert_eq!(opened(&core.read(&reading(1, "smoke", 1.0, at(600))).effects), []);
}

#[test]
fn an_end_outlasts_a_restart() {
    let mut core = core();
    let ticket = opened(&core.read(&reading(1, "smoke", 1.0, at(0))).effects)[0];
    end(&mut core, ticket, Ending::Rejected, 1);
    let memory = serde_json::to_string(core.memory(1).unwrap()).unwrap();
    let mut core = self::core();
    core.restore([("smoke-1".parse().unwrap(), serde_json::from_str::<Memory>(&memory).unwrap())]);
    assert_eq!(opened(&core.read(&reading(1, "smoke", 1.0, at(60))).effects), []);
}

#[test]
fn a_rule_may_want_a_person_to_confirm_its_cases() {
    let config = config("[rules.smoke]\nreview = true\nreview_expiry = \"2h\"");
    let mut core = Core::new(&config).unwrap();
    let effects = core.read(&reading(1, "smoke", 1.0, NOON)).effects;
    let review = |effect: &Effect| match effect {
        Effect::Open(case) => Some(case.review),
        _ => None,
    };
    assert_eq!(effects.iter().find_map(review), Some(Some(Millis::mins(120))));
    refuse("[rules.smoke]\nreview_expiry = \"5s\"", "rules.smoke.review_expiry: must be from 1m to a year");
}

/// A reading, time that passes, a verdict, or the end of the process.
#[derive(Debug, Clone)]
enum Act {
    End(Ending),
    Read(f64, i64),
    Tick(i64),
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let value = prop_oneof![Just(95.0), Just(85.0), Just(10.0), 0.0..100.0_f64];
    let step = prop_oneof![8 => 0..600_000_i64, 1 => -7_200_000..0_i64, 1 => 0..90_000_000_i64];
    let act = prop_oneof![
        6 => (value, step.clone()).prop_map(|(value, step)| Act::Read(value, step)),
        3 => step.prop_map(Act::Tick),
        1 => Just(Act::Restart),
        1 => prop::sample::select(vec![Ending::Rejected, Ending::Closed]).prop_map(Act::End),
    ];
    prop::collection::vec(act, 1..120)
}

proptest! {
    /// No sequence of readings, clock steps and restarts opens two tickets at a time, clears one that is not open, or ends in
    /// a panic; and a restart changes nothing.
    #[test]
    fn one_ticket_at_a_time(acts in acts()) {
        let (mut core, mut twin) = (core(), core());
        let (mut now, mut open, mut over) = (NOON, None, None);
        for act in acts {
            let (effects, of_twin) = match act {
                Act::Read(value, step) => {
                    now = now + Millis(step);
                    let reading = reading(0, "fill", value, now);
                    (core.read(&reading).effects, twin.read(&reading).effects)
                }
                Act::Tick(step) => {
                    now = now + Millis(step);
                    let all = |core: &mut Core| -> Vec<Effect> {
                        core.tick(now, Some(NOON)).into_iter().flat_map(|(_, out)| out.effects).collect()
                    };
                    (all(&mut core), all(&mut twin))
                }
                Act::End(ending) => {
                    let Some(ticket) = open.or(over) else { continue };
                    let ended = core.ended(ticket, ending, now);
                    prop_assert_eq!(&ended, &twin.ended(ticket, ending, now));
                    prop_assert!(ended.is_none_or(|(_, outcome)| outcome.effects.is_empty()));
                    over = open.take().or(over);
                    continue;
                }
                Act::Restart => {
                    let memory = serde_json::to_string(core.memory(0).unwrap()).unwrap();
                    let memory: Memory = serde_json::from_str(&memory).unwrap();
                    core = self::core();
                    core.restore([("bin-1".parse().unwrap(), memory)]);
                    continue;
                }
            };
            prop_assert_eq!(&effects, &of_twin);
            for effect in effects {
                match effect {
                    Effect::Open(case) => {
                        prop_assert!(open.is_none());
                        prop_assert!(case.noted.iter().all(|noted| noted.value >= 90.0));
                        prop_assert!(case.noted.len() <= 32);
                        prop_assert!(over.take() != Some(case.ticket));
                        open = Some(case.ticket);
                    }
                    Effect::Clear { ticket, .. } => prop_assert_eq!(open.take().or(over.take()), Some(ticket)),
                    Effect::Holds { ticket, .. } => prop_assert_eq!(open, Some(ticket)),
                    Effect::Health(_) | Effect::Word(_) | Effect::Voice(..) => {}
                }
            }
            let standing = matches!(core.memory(0).unwrap().conditions.get("bin_full"), Some(Condition::Standing { .. }));
            prop_assert_eq!(standing, open.is_some());
        }
    }

    /// No bytes do more than to be refused.
    #[test]
    fn no_payload_ends_in_a_panic(payload in prop::collection::vec(any::<u8>(), 0..200), topic in "[a-z/0-9{}+#]{0,60}") {
        let mapping = Mapping::new(&config("")).unwrap();
        mapping.read(&[0], PROPOSED, &payload, NOON, |_, _| {});
        mapping.read(&[0], &topic, &payload, NOON, |_, _| {});
    }
}
