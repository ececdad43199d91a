use std::collections::BTreeMap;

use domain::{CameraId, Kind, Millis, TicketId, Timestamp};
use jiff::{civil::date, tz::TimeZone};
use proptest::prelude::*;

use super::*;
use crate::{duty::Words, publisher::StatusBoard, rules::RulesConfig, store::Store, wire::Node};

fn days(zone: &str) -> ReportDays {
    ReportDays::new(jiff::civil::time(8, 0, 0, 0), TimeZone::get(zone).expect("a time zone"))
}

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
}

fn ledger(camera: &CameraId) -> LookLedger {
    let ledger = LookLedger::new(days("Asia/Shanghai"));
    ledger.watch(BTreeMap::from([(camera.clone(), Millis::secs(10))]));
    ledger
}

#[test]
fn a_day_of_reports_ends_at_its_time() {
    let days = days("Asia/Shanghai");
    assert_eq!(days.of(at("2026-11-24T07:59:59.999+08:00")), date(2026, 11, 24));
    assert_eq!(days.of(at("2026-11-24T08:00:00+08:00")), date(2026, 11, 25));
    let period = days.period(date(2026, 11, 24)).expect("a day");
    assert_eq!((period.from, period.to), (at("2026-11-23T08:00:00+08:00"), at("2026-11-24T08:00:00+08:00")));
    // In Berlin the clocks go back on 2026-10-25.
    let long = super::tests::days("Europe/Berlin").period(date(2026, 10, 25)).expect("a day");
    assert_eq!(long.after(Timestamp(0)), Millis::mins(25 * 60));
}

#[test]
fn looks_vouch_for_the_time_since_the_one_before_and_no_more() {
    let camera: CameraId = "gate-2".parse().expect("id");
    let ledger = ledger(&camera);
    let noon = at("2026-11-24T12:00:00+08:00");
    // Six looks in a minute; then, something being suspected, ten in twenty seconds; then an hour without any.
    for second in (0..60).step_by(10).chain((62..82).step_by(2)).chain([3_680]) {
        ledger.look(&camera, noon + Millis::secs(second));
    }
    ledger.look(&"not-configured".parse().expect("id"), noon);
    let taken = ledger.take();
    let [day] = &taken[..] else { panic!("{taken:?}") };
    assert_eq!((day.looks, day.covered, day.day), (17, Millis::secs(10 + 50 + 12 + 18 + 20), date(2026, 11, 25)));
    assert!(ledger.take().is_empty());
    // What could not be written is counted on; a clock that is set back adds nothing.
    ledger.give_back(taken.clone());
    ledger.look(&camera, noon);
    ledger.look(&camera, noon + Millis::secs(10));
    let again = ledger.take();
    assert_eq!((again[0].looks, again[0].covered), (19, Millis(taken[0].covered.0 + 10_000)));
}

fn station() -> Station {
    let id = "XT-01".parse().expect("id");
    let grid = domain::Cell::try_from("310104007003".to_owned()).expect("a community");
    Station { id, name: Words::default(), grid: Some(grid), cameras: ["far".parse().expect("id")].into() }
}

#[test]
fn a_report_is_owed_once_it_is_due_and_not_of_days_before_the_first() {
    let config = ZeroReportConfig { stations: vec![station()], ..ZeroReportConfig::default() };
    let timezone = TimeZone::get("Asia/Shanghai").expect("a zone");
    let owed = ReportsOwed::new(&config, timezone.clone());
    let nobody = ReportsOwed::new(&ZeroReportConfig::default(), timezone);
    let (before, after) = (at("2026-11-24T07:59:59+08:00"), at("2026-11-24T08:00:00+08:00"));
    assert_eq!((owed.last_day(before), owed.last_day(after)), (Some(date(2026, 11, 23)), Some(date(2026, 11, 24))));
    assert_eq!((nobody.last_day(after), nobody.overdue(None, after + Millis::mins(600))), (None, None));
    let first = |day: i8| BTreeMap::from([(station().id, date(2026, 11, day))]);
    let there =
        |date| build(&station(), &[], (date, days("Asia/Shanghai").period(date).expect("a day")), &[], &[], 0.9);
    let (reported, none) = ([there(date(2026, 11, 24))], BTreeMap::new());
    for (day, now, there, first, expect) in [
        (24, after, &[][..], &first(20), 1),
        (24, before, &[], &first(20), 0),
        (24, after, &reported, &first(20), 0),
        (19, after, &[], &first(20), 0),
        (24, after, &[], &none, 1),
        (23, after, &[], &none, 0),
    ] {
        assert_eq!(owed.missing(date(2026, 11, day), now, there, first).len(), expect, "{day} {now:?}");
    }
    // An alarm only after the grace, of 30 minutes.
    let late = after + Millis::mins(31);
    let overdue = |day, now| owed.overdue(Some(date(2026, 11, day)), now).map(|(day, _)| day);
    assert_eq!((overdue(23, after), overdue(23, late)), (None, Some(date(2026, 11, 24))));
    assert_eq!(overdue(24, late), None);
}

/// What the broker is given, by the end of its topic and the state.
fn told(statuses: &StatusBoard) -> Vec<(String, String)> {
    let told = statuses.take(10).into_iter().map(|(topic, payload)| {
        let said: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
        let end = topic.split("/zero-report/").nth(1).expect("a report's").to_owned();
        (end, said["state"].as_str().expect("a state").to_owned())
    });
    told.collect()
}

fn our_node() -> Node {
    Node {
        id: "xh-03".parse().expect("id"),
        district: domain::Cell::try_from("310104".to_owned()).expect("cell"),
        timezone: TimeZone::get("Asia/Shanghai").expect("a zone"),
    }
}

#[test]
fn a_missing_report_is_told_once_and_once_more_when_it_has_come() {
    let other = Station { id: "XT-02".parse().expect("id"), ..station() };
    let config = ZeroReportConfig { stations: vec![station(), other.clone()], ..ZeroReportConfig::default() };
    let owed = ReportsOwed::new(&config, our_node().timezone);
    let statuses = StatusBoard::default();
    let alarm = super::alarm::Alarm::new(owed, our_node(), statuses.clone());
    let missing = |now| alarm.missing(Some(date(2026, 11, 23)), now, |station| station.grid.clone());
    let report = |station: &Station, late| {
        let period = days("Asia/Shanghai").period(date(2026, 11, 24)).expect("a day");
        let report = build(station, &[], (date(2026, 11, 24), period), &[], &[], 0.9);
        ZeroReport { late, made_at: period.to, ..report }
    };
    // One is made in time, then the database hangs.
    alarm.made(&report(&other, false), None);
    assert_eq!((missing(at("2026-11-24T08:30:00+08:00")), told(&statuses)), (0, vec![]), "within the grace");
    let late = at("2026-11-24T08:31:00+08:00");
    let line = |state: &str| [("XT-01/2026-11-24/status".to_owned(), state.to_owned())];
    assert_eq!((missing(late), told(&statuses)), (1, line("missing").to_vec()));
    assert_eq!((missing(late + Millis::mins(60)), told(&statuses)), (1, vec![]), "once");
    alarm.made(&report(&station(), true), None);
    assert_eq!((missing(late + Millis::mins(61)), told(&statuses)), (0, line("made").to_vec()));
    // Of one that a process before this one told of.
    alarm.made(&report(&station(), true), None);
    assert_eq!(told(&statuses), line("made"));
}

#[tokio::test]
async fn a_report_that_a_dead_database_keeps_from_being_made_is_told_past_it() {
    let folder = tempfile::tempdir().expect("temp dir");
    let store = Store::open(&folder.path().join("gridwatch.db")).await.expect("opens");
    store.close().await;
    // Yesterday's was due this morning or the morning before: now is more than the grace after it, but in half an hour of the day.
    let now = jiff::Timestamp::now().to_zoned(TimeZone::UTC);
    let at = now.time().checked_sub(jiff::SignedDuration::from_hours(2)).unwrap_or(jiff::civil::time(0, 0, 0, 0));
    let config = ZeroReportConfig { stations: vec![station()], at, grace: Millis::ZERO, ..ZeroReportConfig::default() };
    let statuses = StatusBoard::default();
    let node = Node { timezone: TimeZone::UTC, ..our_node() };
    let reporter = Reporter::new(store, node, &config, Box::new(Vec::new), statuses.clone());
    let stop = tokio_util::sync::CancellationToken::new();
    let told = async {
        statuses.news().await;
        stop.cancel();
        told(&statuses)
    };
    let ((), told) = tokio::join!(reporter.run(stop.clone()), told);
    assert_eq!(told.iter().map(|(_, state)| state.as_str()).collect::<Vec<_>>(), ["missing"]);
}

fn item(kinds: &[&str]) -> Item {
    let kinds = kinds.iter().map(|kind| kind.parse().expect("kind")).collect();
    Item { id: "Z-09".to_owned(), name: Words::default(), kinds }
}

fn watch(camera: &str, covered_hours: i64) -> CameraWatch {
    CameraWatch {
        camera: camera.parse().expect("id"),
        kinds: ["lane.motor".parse().expect("kind")].into(),
        interval: Millis::secs(10),
        since: Timestamp(0),
        looks: 1,
        covered: Millis::mins(covered_hours * 60),
    }
}

fn report(cameras: &[CameraWatch], kinds: &[&str], tickets: &[Sighted]) -> ItemReport {
    let day = date(2026, 11, 24);
    let period = days("Asia/Shanghai").period(day).expect("a day");
    let cameras: Vec<_> = cameras.iter().collect();
    build(&station(), &[item(kinds)], (day, period), &cameras, tickets, 0.9).items.remove(0)
}

#[test]
fn all_is_well_only_where_it_was_looked_at() {
    let well = report(&[watch("a", 24), watch("b", 22)], &["lane.motor"], &[]);
    assert_eq!((well.finding, well.looks_due, well.looks_done), (Finding::AllWell, 17_280, 8_640 + 7_920));
    // More looks than were due on one camera make up for none on the other.
    let blind = report(&[watch("a", 200), watch("b", 21)], &["lane.motor"], &[]);
    assert_eq!((blind.finding, blind.looks_done), (Finding::NotProven, 8_640 + 7_560));
    assert_eq!(blind.unfit, ["b".parse().expect("id")]);
    let patrol = report(&[watch("a", 24)], &["noise.street"], &[]);
    assert_eq!((patrol.finding, patrol.cameras), (Finding::NotByCamera, 0));
    // A camera that came in the evening is held to what was left of the day; one that comes tomorrow vouches for nothing.
    let late = CameraWatch { since: at("2026-11-24T02:00:00+08:00"), ..watch("a", 6) };
    assert_eq!(report(&[late], &["lane.motor"], &[]).finding, Finding::AllWell);
    let not_yet = CameraWatch { since: at("2026-11-25T02:00:00+08:00"), ..watch("a", 6) };
    assert_eq!(report(&[not_yet], &["lane.motor"], &[]).finding, Finding::NotProven);
}

#[test]
fn what_was_found_is_told_however_it_was_looked_at() {
    let sighted = |cameras: &[&str], kind: &str, grid: Option<&str>| Sighted {
        ticket: TicketId::derive(Timestamp(0), format!("{cameras:?}{kind}").as_bytes()),
        kind: kind.parse().expect("kind"),
        cameras: cameras.iter().map(|camera| camera.parse().expect("id")).collect(),
        grid: grid.map(|digits| domain::Cell::try_from(digits.to_owned()).expect("a cell")),
    };
    let here = Some("310104007003012");
    let tickets = [
        sighted(&["a"], "lane.motor", here),
        // A view of ours joined what another station's camera found; a sensor that no camera sees.
        sighted(&["elsewhere", "far"], "lane.motor", Some("310104008003012")),
        sighted(&["detector-7"], "lane.motor", here),
        sighted(&["a"], "garbage.bagged", here),
        sighted(&["elsewhere"], "lane.motor", Some("310104008003012")),
        sighted(&["detector-8"], "lane.motor", None),
    ];
    let found = report(&[watch("a", 1)], &["lane.motor"], &tickets);
    let ours: Vec<_> = tickets[..3].iter().map(|ticket| ticket.ticket).collect();
    assert_eq!((found.finding, found.tickets), (Finding::Found, ours));
    assert_eq!(found.unfit.len(), 1);
}

#[test]
fn a_station_has_the_cameras_of_its_area_and_those_that_it_names() {
    let cell = |digits: &str| domain::Cell::try_from(digits.to_owned()).expect("a cell");
    let has = |camera: &str, grid: Option<&str>| station().has(&camera.parse().expect("id"), grid.map(cell).as_ref());
    assert!(has("a", Some("310104007003012")) && has("a", Some("310104007003")) && has("far", None));
    assert!(!has("a", Some("310104007")) && !has("a", Some("310104008003012")) && !has("a", None));
}

#[test]
fn the_sample_has_seventeen_items_and_all_that_cameras_are_watched_for() {
    let items = ZeroReportConfig::default().items();
    assert_eq!(items.len(), 17);
    let kinds: std::collections::BTreeSet<&Kind> = items.iter().flat_map(|item| &item.kinds).collect();
    for rule in RulesConfig::default().effective().expect("the built-in rules").values() {
        assert!(kinds.contains(&rule.kind), "{}", rule.kind);
    }
    assert!(items.iter().all(|item| !item.name.zh.is_empty() && !item.name.en.is_empty()));
}

#[test]
fn what_cannot_be_reported_is_refused() {
    let check = |text: &str| toml::from_str::<ZeroReportConfig>(text).expect("toml").check();
    assert_eq!(check("[[stations]]\nid = \"a\"\ngrid = \"310104\""), Ok(()));
    let twice = "[[stations]]\nid = \"a\"\ngrid = \"310104\"\n".repeat(2);
    assert_eq!(check(&twice), Err(ZeroReportError::StationTwice("a".parse().expect("id"))));
    assert_eq!(check("[[stations]]\nid = \"a\""), Err(ZeroReportError::NoCameras("a".parse().expect("id"))));
    assert_eq!(check("min_share = 0.0"), Err(ZeroReportError::Share));
    let item = "[[items]]\nid = \"a\"\nname = { zh = \"\", en = \"\" }\n".repeat(2);
    assert_eq!(check(&item), Err(ZeroReportError::ItemTwice("a".to_owned())));
    assert!(toml::from_str::<ZeroReportConfig>("at = \"25:00\"").is_err());
}

proptest! {
    /// Whenever looks come and whatever the clock does, they vouch for no more than two intervals each, and for no more
    /// than has passed while the clock went forward.
    #[test]
    fn looks_never_vouch_for_more_than_there_was(steps in prop::collection::vec(-20_000_i64..60_000, 1..200)) {
        let camera: CameraId = "gate-2".parse().expect("id");
        let ledger = ledger(&camera);
        let (mut now, mut forward) = (at("2026-11-24T12:00:00+08:00"), 0);
        for step in &steps {
            now = now + Millis(*step);
            forward += (*step).max(0);
            ledger.look(&camera, now);
        }
        let taken = ledger.take();
        let covered: i64 = taken.iter().map(|day| day.covered.0).sum();
        let looks: u64 = taken.iter().map(|day| day.looks).sum();
        prop_assert_eq!(looks, steps.len() as u64);
        prop_assert!(covered <= 10_000 + forward);
        prop_assert!(covered <= 20_000 * i64::try_from(steps.len()).unwrap_or(i64::MAX));
    }
}
