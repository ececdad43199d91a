//! One problem that a camera and a sensor show.

use super::*;
use crate::{sensor::Speech, store::SensorBatch};

fn at(second: i64) -> Timestamp {
    Timestamp(NOON + second * 1_000)
}

/// A device in the zone of `gate-2` reports it at this second.
pub(super) fn reported(second: i64) -> SensedCase {
    let reading = |second, value| Noted { at: at(second), value };
    let sensed = Sensed {
        device: "bay-7".parse().expect("id"),
        name: "斜土路 7 号车位".to_owned(),
        measure: "parking".to_owned(),
        unit: String::new(),
        readings: vec![reading(second - 10, 1.0), reading(second, 1.0)],
    };
    let incident = Incident {
        ticket: TicketId::derive(at(second), b"bay-7"),
        camera: "gate-2".parse().expect("id"),
        kind: "lane.motor".parse().expect("kind"),
        zone: zone().id,
        first_seen: at(second - 10),
        last_seen: at(second),
        confirmed_at: at(second),
        dwell: Millis::secs(10),
        looks: 2,
        hits: 2,
        score_max: 1.0,
        score_median: 1.0,
        bbox: Rect { x0: 0.0, y0: 0.0, x1: 1.0, y1: 1.0 },
        ground: None,
        things: Vec::new(),
        reason: "斜土路 7 号车位 reports parking space".to_owned(),
        reason_zh: "斜土路 7 号车位 报告：车位占用".to_owned(),
        rule: crate::incident::RuleRef { id: "sensor.bay".to_owned(), version: "0123456789ab".to_owned() },
        model: ModelRef { name: "none".into(), sha256: Sha256::of(b"") },
        sensed: Some(Box::new(sensed)),
    };
    let camera = CameraInfo { name: "斜土路".to_owned(), place: None };
    SensedCase { incident, camera, zone: zone(), joins: Vec::new(), ground: None, look_at: None, review: None }
}

/// As the sensors' part of the process writes it before anybody hears of it.
pub(super) async fn opened(site: &Site, case: &SensedCase) -> Event {
    let batch = SensorBatch { opened: vec![case.clone()], ..SensorBatch::default() };
    site.store.write_sensors(&batch).await.expect("written");
    Event::Sensed(Sensing::Open(Box::new(case.clone())))
}

pub(super) async fn over(site: &Site, case: &SensedCase, last_seen: i64, cleared_at: i64) -> Event {
    let (ticket, last_seen, cleared_at) = (case.incident.ticket, at(last_seen), at(cleared_at));
    let batch = SensorBatch { cleared: vec![(ticket, cleared_at, last_seen)], ..SensorBatch::default() };
    site.store.write_sensors(&batch).await.expect("written");
    Event::Sensed(Sensing::Clear { ticket, last_seen, cleared_at })
}

pub(super) async fn one(site: &Site) -> Ticket {
    let mut tickets = site.tickets().await;
    assert_eq!(tickets.len(), 1, "one problem is one ticket: {tickets:#?}");
    tickets.remove(0)
}

#[tokio::test]
async fn what_a_sensor_shows_of_a_camera_s_ticket_is_evidence_on_it() {
    let site = Site::new().await;
    let case = reported(20);
    site.run(MainStream::None, looks(Some(CAR), 0..20).chain([opened(&site, &case).await])).await;
    let ticket = one(&site).await;
    assert_eq!(ticket.incident.sensed, None, "the camera's");
    let further = told(&site, "/evidence").await;
    let [(event, _)] = &further[..] else { panic!("told once: {further:#?}") };
    let data = &event["data"];
    assert_eq!((&data["reason"], &data["sensor"]["device"]), (&"sensor".into(), &"bay-7".into()), "{data:#}");
    assert_eq!(data["sensor"]["readings"].as_array().expect("readings").len(), 2);
    let joined = site.store.joined_sensors(ticket.id()).await.expect("read");
    assert_eq!(joined, [*case.incident.sensed.clone().expect("readings")]);

    // The camera sees the place clear, the sensor does not; a restart in between.
    let heard = || Event::Sensed(Sensing::Voice(case.incident.ticket, Speech::Speaks));
    site.run(MainStream::None, [heard()].into_iter().chain(looks(None, 20..60))).await;
    assert_eq!(one(&site).await.state, TicketState::Open);
    assert_eq!(site.store.unfinished_sensor_cases().await.expect("read"), [], "nothing is opened after a restart");
    let ticket = case.incident.ticket;
    let gone = Event::Sensed(Sensing::Clear { ticket, last_seen: at(70), cleared_at: at(80) });
    // After a start the camera must show it once more.
    site.run(MainStream::None, [heard()].into_iter().chain(looks(None, 60..70)).chain([gone])).await;
    let ticket = one(&site).await;
    assert_eq!((ticket.state, ticket.cleared_at, ticket.last_seen), (TicketState::Cleared, Some(at(80)), at(70)));
}

#[tokio::test]
async fn a_sensor_that_was_removed_meanwhile_keeps_no_ticket_open() {
    let site = Site::new().await;
    let case = reported(20);
    site.run(MainStream::None, looks(Some(CAR), 0..20).chain([opened(&site, &case).await])).await;
    // Nobody hears of it after the restart.
    site.run(MainStream::None, looks(Some(CAR), 20..24).chain(looks(None, 24..60))).await;
    assert_eq!(one(&site).await.state, TicketState::Cleared);
}

#[tokio::test]
async fn a_camera_keeps_the_ticket_that_a_sensor_showed_first() {
    for restart in [false, true] {
        let site = Site::new().await;
        let case = reported(2);
        let open = opened(&site, &case).await;
        let seen = looks(Some(CAR), 4..40);
        if restart {
            site.run(MainStream::None, [open]).await;
            site.run(MainStream::None, seen).await;
        } else {
            site.run(MainStream::None, [open].into_iter().chain(seen)).await;
        }
        let ticket = one(&site).await;
        assert_eq!(ticket.id(), case.incident.ticket, "the sensor's");
        assert_eq!(ticket.evidence.iter().filter(|e| e.role == EvidenceRole::OtherView).count(), 3);
        let (_, annotated) = site.bytes(&ticket, EvidenceRole::OtherView, Rendition::Annotated);
        let annotated = decode(&annotated).expect("a JPEG");
        let red = |x: usize, y: usize| annotated.planes[2][y / 2 * 160 + x / 2] > 170;
        assert!((96..=97).any(|x| red(x, 140)), "the box is around the car");

        // The sensor says that it is over, the camera does not.
        let gone = over(&site, &case, 40, 42).await;
        site.run(MainStream::None, [gone].into_iter().chain(looks(Some(CAR), 42..50))).await;
        assert_eq!(one(&site).await.state, TicketState::Open);
        site.run(MainStream::None, looks(None, 50..80)).await;
        assert_eq!(one(&site).await.state, TicketState::Cleared);
        assert_eq!(site.store.unfinished_sensor_cases().await.expect("read"), []);
    }
}

#[tokio::test]
async fn what_waits_for_its_look_is_opened_before_a_camera_joins_it() {
    let site = Site::new().await;
    let case = SensedCase { look_at: Some("gate-3".parse().expect("id")), ..reported(2) };
    let open = opened(&site, &case).await;
    site.run(MainStream::None, [open].into_iter().chain(looks(Some(CAR), 4..40))).await;
    let ticket = one(&site).await;
    assert_eq!(ticket.id(), case.incident.ticket);
    assert_eq!(ticket.evidence.iter().filter(|e| e.role == EvidenceRole::OtherView).count(), 3);
}

#[tokio::test]
async fn a_camera_that_is_away_does_not_hold_what_its_sensor_ends() {
    let site = Site::new().await;
    let case = reported(20);
    site.run(MainStream::None, looks(Some(CAR), 0..20).chain([opened(&site, &case).await])).await;
    let lost = Event::Lost("gate-2".parse().expect("id"), at(21));
    let gone = over(&site, &case, 20, 40).await;
    // Time goes on with another camera.
    site.run(MainStream::None, [lost, gone, look_of("gate-3", None, 60)]).await;
    assert_eq!(one(&site).await.state, TicketState::Open, "it saw it a moment ago");
    site.run(MainStream::None, [look_of("gate-3", None, 700)]).await;
    assert_eq!(one(&site).await.state, TicketState::Cleared);
}

#[tokio::test]
async fn a_silent_sensor_has_no_say_and_brings_its_ticket_back_when_it_speaks() {
    let site = Site::new().await;
    let case = reported(20);
    let own = case.incident.ticket;
    let silent = Event::Sensed(Sensing::Voice(own, Speech::Silent));
    let first = looks(Some(CAR), 0..20).chain([opened(&site, &case).await, silent]).chain(looks(None, 20..40));
    let holds = Event::Sensed(Sensing::Holds { ticket: own, at: at(50) });
    site.run(MainStream::None, first).await;
    assert_eq!(one(&site).await.state, TicketState::Cleared);
    // After a restart.
    let holds_then = Event::Sensed(Sensing::Holds { ticket: own, at: at(50) });
    site.run(MainStream::None, [holds_then]).await;
    assert_eq!((one(&site).await.state, one(&site).await.case.reopened()), (TicketState::Open, 1));
    // Within one run.
    let silent = Event::Sensed(Sensing::Voice(own, Speech::Silent));
    let again = looks(Some(CAR), 0..20).chain([Event::Sensed(Sensing::Open(Box::new(case)))]);
    let site = Site::new().await;
    site.store
        .write_sensors(&SensorBatch { opened: vec![reported(20)], ..SensorBatch::default() })
        .await
        .expect("written");
    site.run(MainStream::None, again.chain([silent]).chain(looks(None, 20..40)).chain([holds])).await;
    let ticket = one(&site).await;
    assert_eq!((ticket.state, ticket.case.reopened()), (TicketState::Open, 1));
}

#[tokio::test]
async fn a_closed_ticket_whose_sensor_shows_it_again_goes_on() {
    let site = Site::with("realarm_by = \"reopen\"").await;
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let id = one(&site).await.id();
    say(&site, id, VerdictKind::Closed, 22).await;
    let ended = Event::Ended { camera: "gate-2".parse().expect("id"), ticket: id, ending: Ending::Closed, at: at(22) };
    site.run(MainStream::None, [ended, opened(&site, &reported(30)).await]).await;
    let ticket = one(&site).await;
    assert_eq!((ticket.id(), ticket.state, ticket.case.reopened()), (id, TicketState::Open, 1));
}

#[tokio::test]
async fn while_a_sensor_shows_it_no_look_finds_it_gone() {
    let site = Site::new().await;
    let case = reported(20);
    site.run(MainStream::None, looks(Some(CAR), 0..20).chain([opened(&site, &case).await])).await;
    let ticket = one(&site).await;
    say(&site, ticket.id(), VerdictKind::Handled, 60).await;
    let again = Event::LookAgain(Box::new(ticket), at(60));
    let holds = Event::Sensed(Sensing::Holds { ticket: case.incident.ticket, at: at(62) });
    site.run(MainStream::None, [again, look(None, 60), holds].into_iter().chain(looks(None, 62..70))).await;
    let checked = told(&site, "/checked").await;
    assert_eq!(checked.last().expect("a result").0["data"]["result"], "still_there");
    assert_eq!(one(&site).await.state, TicketState::Open);
}

#[tokio::test]
async fn another_kind_is_another_problem_unless_the_rule_says_so() {
    let site = Site::new().await;
    let kind = |case: SensedCase| {
        let incident = Incident { kind: "garbage.bin_overflow".parse().expect("kind"), ..case.incident };
        SensedCase { incident, ..case }
    };
    let other = kind(reported(20));
    site.run(MainStream::None, looks(Some(CAR), 0..20).chain([opened(&site, &other).await])).await;
    assert_eq!(site.tickets().await.len(), 2);

    let site = Site::new().await;
    let same = SensedCase { joins: vec!["lane.motor".parse().expect("kind")], ..kind(reported(20)) };
    site.run(MainStream::None, looks(Some(CAR), 0..20).chain([opened(&site, &same).await])).await;
    one(&site).await;
}

#[tokio::test]
async fn what_a_sensor_says_to_be_gone_is_shown_by_the_camera_that_sees_the_place() {
    let site = Site::new().await;
    let case = reported(20);
    let gone = over(&site, &case, 20, 60).await;
    let opened = opened(&site, &case).await;
    site.run(MainStream::None, [opened, gone, look(None, 60), look(None, 62), look(None, 64)]).await;
    let ticket = one(&site).await;
    assert_eq!((ticket.state, ticket.cleared_at), (TicketState::Cleared, Some(at(60))));
    let (after, _) = site.bytes(&ticket, EvidenceRole::After, Rendition::Annotated);
    assert_eq!(after.captured_at, at(62), "the first look since");
    let (event, sent) = &told(&site, "/cleared/lane.motor").await[0];
    let pictures = event["data"]["evidence"].as_array().expect("pictures");
    assert!(!pictures.is_empty(), "{event:#}");
    assert!(pictures.iter().all(|picture| sent.contains(picture["sha256"].as_str().expect("a digest"))));
}
