//! Zero reports with a real store: over restarts, days off and clocks that are set.

use alerts::{
    publisher::StatusBoard,
    ticket::Body,
    zero_report::{Finding, Reporter, WatchedCamera, ZeroReportConfig},
};
use domain::{Millis, Timestamp};
use jiff::civil::{Date, date};
use serde_json::Value;

use crate::fixture::{House, node, ticket};

const CONFIG: &str = r#"
[[stations]]
id = "XT-01"
name = { zh = "江南新村工作站", en = "Jiangnan Xincun station" }
grid = "310104007003"
"#;

/// 2026-11-23 08:00 in Shanghai: a day of reports begins.
const MORNING: Timestamp = Timestamp(1_795_392_000_000);
const CAMERA: &str = "31010400001320000123";

fn reporter(house: &House) -> Reporter {
    let camera = WatchedCamera {
        id: CAMERA.parse().unwrap(),
        grid: Some("310104007003012".to_owned().try_into().unwrap()),
        kinds: ["lane.motor".parse().unwrap(), "lane.fire".parse().unwrap()].into(),
        interval: Millis::mins(10),
    };
    let config: ZeroReportConfig = toml::from_str(CONFIG).unwrap();
    Reporter::new(house.store.clone(), node(), &config, Box::new(move || vec![camera.clone()]), StatusBoard::default())
}

/// A process that looks each ten minutes from one moment to another, and is killed after its last round.
async fn work(house: &House, from: Timestamp, minutes: i64) {
    let mut reporter = reporter(house);
    reporter.round(from).await.unwrap();
    let ledger = reporter.ledger();
    for minute in (0..=minutes).step_by(10) {
        let now = from + Millis::mins(minute);
        ledger.look(&CAMERA.parse().unwrap(), now);
        reporter.round(now).await.unwrap();
    }
}

/// What is reported of blocked lanes by cars (Z-09) and of fire lanes (Z-12): finding, looks done of due; and whether late.
async fn reported(house: &House, date: Date) -> Option<([(Finding, u64, u64); 2], bool)> {
    let reports = house.store.zero_reports(date).await.unwrap();
    let report = reports.first()?;
    assert_eq!((reports.len(), report.items.len()), (1, 17));
    let of = |id: &str| {
        let item = report.items.iter().find(|item| item.id == id).unwrap();
        (item.finding, item.looks_done, item.looks_due)
    };
    Some(([of("Z-09"), of("Z-12")], report.late))
}

#[tokio::test]
async fn a_day_is_reported_at_its_time_over_restarts() {
    let house = House::new().await;
    let mut ticket = ticket(1);
    ticket.incident.confirmed_at = MORNING + Millis::mins(60);
    house.store.open_ticket(&ticket, &[]).await.unwrap();
    work(&house, MORNING, 600).await;
    assert_eq!(reported(&house, date(2026, 11, 24)).await, None);
    // Killed, and at work again a quarter of an hour later: that much, within two intervals, is vouched for.
    work(&house, MORNING + Millis::mins(615), 830).await;
    let found = (Finding::Found, 144, 144);
    assert_eq!(reported(&house, date(2026, 11, 24)).await, Some(([found, (Finding::AllWell, 144, 144)], false)));

    let queued = house.store.outbox_next(0, 10).await.unwrap();
    let [message] = &queued[..] else { panic!("one report") };
    assert_eq!(
        (message.ticket, message.message.topic.as_str()),
        (None, "gridwatch/v1/310104/310104007/zero-report/XT-01/2026-11-24")
    );
    let Body::Inline(event) = &message.message.body else { panic!("an event") };
    let event: Value = serde_json::from_slice(event).unwrap();
    assert_eq!(event["data"]["items"][8]["tickets"], serde_json::json!([ticket.id().to_string()]));
    house.store.outbox_sent(&[message.seq], MORNING).await.unwrap();
    assert_eq!(house.store.outbox_next(0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_process_that_was_off_owes_its_looks_and_reports_late() {
    let house = House::new().await;
    work(&house, MORNING, 60).await;
    // Off for more than two days.
    work(&house, MORNING + Millis::mins(3 * 1_440 - 60), 30).await;
    let late = |done, due| Some(([(Finding::NotProven, done, due); 2], true));
    assert_eq!(reported(&house, date(2026, 11, 24)).await, late(7, 144));
    assert_eq!(reported(&house, date(2026, 11, 25)).await, late(0, 144));
    assert_eq!(reported(&house, date(2026, 11, 26)).await, None);
    work(&house, MORNING + Millis::mins(3 * 1_440), 10).await;
    let on_time = reported(&house, date(2026, 11, 26)).await;
    assert_eq!(on_time, Some(([(Finding::NotProven, 5, 144); 2], false)));
    assert_eq!(house.store.last_zero_report().await.unwrap(), Some(date(2026, 11, 26)));
}

#[tokio::test]
async fn a_clock_that_was_ahead_reports_days_that_are_reported_again() {
    let house = House::new().await;
    work(&house, MORNING, 60).await;
    work(&house, MORNING + Millis::mins(2 * 1_440), 10).await;
    assert!(reported(&house, date(2026, 11, 24)).await.is_some_and(|(_, late)| late));
    // It was ahead by a day and a half: the day is looked at to its end, and reported in its own time.
    work(&house, MORNING + Millis::mins(70), 1_380).await;
    let (items, late) = reported(&house, date(2026, 11, 24)).await.unwrap();
    assert_eq!((items[0].0, late), (Finding::AllWell, false));
    let ids = house.store.outbox_next(0, 10).await.unwrap().into_iter().map(|queued| {
        let Body::Inline(event) = queued.message.body else { panic!("an event") };
        serde_json::from_slice::<Value>(&event).unwrap()["id"].clone()
    });
    let ids: Vec<_> = ids.collect();
    assert!(ids.len() >= 2 && ids[0] != *ids.last().unwrap(), "another message under another id: {ids:?}");
}

#[tokio::test]
async fn stations_of_one_day_are_told_apart() {
    let house = House::new().await;
    let mut ticket = ticket(1);
    ticket.incident.confirmed_at = MORNING + Millis::mins(60);
    house.store.open_ticket(&ticket, &[]).await.unwrap();
    let config = format!(
        "{CONFIG}\n[[stations]]\nid = \"XT-02\"\nname = {{ zh = \"东安一村工作站\", en = \"\" }}\ngrid = \"310104007004\"\n"
    );
    let camera = |id: &str, grid: &str| WatchedCamera {
        id: id.parse().unwrap(),
        grid: Some(grid.to_owned().try_into().unwrap()),
        kinds: ["lane.motor".parse().unwrap()].into(),
        interval: Millis::mins(10),
    };
    let cameras = vec![camera(CAMERA, "310104007003012"), camera("east-1", "310104007004001")];
    let config: ZeroReportConfig = toml::from_str(&config).unwrap();
    let source = Box::new(move || cameras.clone());
    let mut reporter = Reporter::new(house.store.clone(), node(), &config, source, StatusBoard::default());
    reporter.round(MORNING).await.unwrap();
    let ledger = reporter.ledger();
    for minute in (0..=1_440).step_by(10) {
        // One of the two is off.
        ledger.look(&CAMERA.parse().unwrap(), MORNING + Millis::mins(minute));
    }
    // Two days are made up for in one round.
    reporter.round(MORNING + Millis::mins(2 * 1_440)).await.unwrap();
    let mut found = Vec::new();
    for day in [24, 25] {
        for report in house.store.zero_reports(date(2026, 11, day)).await.unwrap() {
            let item = report.items.iter().find(|item| item.id == "Z-09").unwrap();
            found.push((report.station.to_string(), day, item.finding, item.looks_done));
        }
    }
    let line = |station: &str, day, finding, looks| (station.to_owned(), day, finding, looks);
    let expected = [
        line("XT-01", 24, Finding::Found, 144),
        line("XT-02", 24, Finding::NotProven, 0),
        line("XT-01", 25, Finding::Found, 1),
        line("XT-02", 25, Finding::NotProven, 0),
    ];
    assert_eq!(found, expected);
}
