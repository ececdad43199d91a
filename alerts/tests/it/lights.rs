//! Lights of cases from the clock to the outbox: each change once, whoever is restarted in between.

use std::sync::Arc;

use alerts::{
    case::Event,
    clocks::{CaseClocks, ClockEvent, ClockStart, Timetable},
    deadline::{DeadlineConfig, Light},
    duty::{DutyItem, DutyList, ItemVersion, Words},
    routed::Routed,
    store::Ruling,
    streets::StreetNames,
    ticket::{Body, Ticket},
    timekeeper::Timekeeper,
    wire::CaseMessages,
};
use domain::{Millis, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use crate::fixture::{House, OPENED_AT, node, ticket};

fn timetable() -> Timetable {
    let config = DeadlineConfig::default();
    let calendar = config.calendar(node().timezone, &[]).unwrap();
    Timetable { calendar, lights: config.lights().unwrap(), start: ClockStart::Filed }
}

/// A ticket of a kind that is to be solved within three hours, whose clocks run since it opened.
fn running(n: u32) -> Ticket {
    let (mut ticket, timetable) = (ticket(n), timetable());
    let at = ticket.incident.confirmed_at;
    let place = &ticket.camera.place.as_ref().unwrap().grid;
    let decided = Routed::decide(&DutyList::default(), &ticket.incident.kind, place, at, &timetable.calendar);
    let (route, _) = decided.unwrap();
    let mut clocks = CaseClocks::new(&route, ClockStart::Filed);
    clocks.apply(at, ClockEvent::Filed, at, timetable.terms());
    (ticket.route, ticket.clocks) = (Some(Box::new(route)), Some(Box::new(clocks)));
    ticket
}

/// What the areas above the ticket's place are called; that of the district nobody knows.
fn names() -> watch::Receiver<Arc<StreetNames>> {
    let street = Words { zh: "斜土路街道".to_owned(), en: "Xietu Road Subdistrict".to_owned() };
    watch::channel(Arc::new([("310104007".to_owned(), street)].into_iter().collect())).1
}

/// What a node says in one round, as `solve red 3`; the process is another one each time.
async fn round(house: &House, now: Timestamp) -> Vec<String> {
    said_by(&mut Timekeeper::new(house.store.clone(), node(), watch::channel(timetable()).1, names()), house, now).await
}

async fn said_by(keeper: &mut Timekeeper, house: &House, now: Timestamp) -> Vec<String> {
    let before = house.store.outbox_next(0, 1_000).await.unwrap().last().map_or(0, |queued| queued.seq);
    keeper.round(now).await.unwrap();
    let said = house.store.outbox_next(before, 1_000).await.unwrap();
    let words = said.iter().map(|queued| {
        let Body::Inline(event) = &queued.message.body else { panic!("an event") };
        let event: Value = serde_json::from_slice(event).unwrap();
        let data = &event["data"];
        let ticket = queued.ticket.unwrap();
        assert!(queued.message.topic.ends_with(&format!("/ticket/{ticket}/light")));
        assert_eq!(data["ticket_id"], ticket.to_string());
        format!("{} {} {}", data["clock"].as_str().unwrap(), data["light"].as_str().unwrap(), data["escalated_to"])
    });
    words.collect()
}

#[tokio::test]
async fn another_timetable_is_reckoned_by_at_once() {
    let house = House::new().await;
    house.store.open_ticket(&running(1), &[]).await.unwrap();
    let after = |minutes| OPENED_AT + Millis::secs(1) + Millis::mins(minutes);
    let (timetables, heard) = watch::channel(timetable());
    let mut keeper = Timekeeper::new(house.store.clone(), node(), heard, names());
    assert_eq!(said_by(&mut keeper, &house, after(30)).await, ["arrive red 3"]);
    assert!(said_by(&mut keeper, &house, after(100)).await.is_empty(), "yellow from 144 minutes on");
    let lights = DeadlineConfig { yellow_share: 0.6, ..DeadlineConfig::default() }.lights().unwrap();
    timetables.send_replace(Timetable { lights, ..timetable() });
    assert_eq!(said_by(&mut keeper, &house, after(101)).await, ["solve yellow null"], "yellow from 72 minutes on");
}

#[tokio::test]
async fn each_change_of_a_light_is_told_once_whoever_is_restarted() {
    let house = House::new().await;
    let ticket = running(1);
    house.store.open_ticket(&ticket, &[]).await.unwrap();
    let after = |minutes| OPENED_AT + Millis::secs(1) + Millis::mins(minutes);
    assert!(round(&house, after(29)).await.is_empty());
    assert_eq!(round(&house, after(30)).await, ["arrive red 3"]);
    assert!(round(&house, after(30)).await.is_empty());
    assert_eq!(round(&house, after(150)).await, ["solve yellow null"]);
    // Off for a day; a clock that is set back takes nothing back.
    assert_eq!(round(&house, after(1_440)).await, ["solve red 2"]);
    assert!(round(&house, after(100)).await.is_empty());
    let known = house.store.ticket(ticket.id()).await.unwrap().unwrap();
    assert_eq!(known.clocks.as_ref().unwrap().light(), Some(Light::Red));
    assert_eq!(house.store.light_counts().await.unwrap().get(&Light::Red), Some(&1));

    // It is gone: its clocks stop where they are, once.
    let gone = Ruling { last_seen: Some(after(1_490)), ..Ruling::plain(ticket.id(), after(1_500), Event::Gone) };
    house.store.rule(&gone, |_, _| CaseMessages::default()).await.unwrap();
    assert!(round(&house, after(1_501)).await.is_empty());
    let known = house.store.ticket(ticket.id()).await.unwrap().unwrap();
    let clocks = known.clocks.unwrap();
    assert_eq!((clocks.light(), clocks.is_in_time(), clocks.solved_at()), (None, Some(false), Some(after(1_500))));
    assert!(house.store.light_counts().await.unwrap().is_empty());
}

#[tokio::test]
async fn many_that_fall_due_at_once_are_all_told() {
    let house = House::new().await;
    for n in 1..=230 {
        house.store.open_ticket(&running(n), &[]).await.unwrap();
    }
    let said = round(&house, OPENED_AT + Millis::mins(60)).await;
    assert_eq!((said.len(), said.iter().filter(|word| *word == "arrive red 3").count()), (230, 230));
}

#[tokio::test]
async fn who_answers_one_level_up_is_named() {
    let house = House::new().await;
    let ticket = running(1);
    house.store.open_ticket(&ticket, &[]).await.unwrap();
    // The list knows who answers at the district.
    let item: DutyItem = serde_json::from_value(serde_json::json!({
        "id": "T-900", "kind": ticket.incident.kind, "place": "310104", "place_name": {"zh": "", "en": ""}, "days": [], "hours": [],
        "name": {"zh": "区级督办", "en": "district"}, "codes": [], "dept": {"zh": "区城管执法局", "en": "district urban management"},
        "copies": [], "steps": [], "level": 2, "arrive": null, "solve": {"amount": 3.0, "unit": "work_hour"}, "photos_open": 1,
        "photos_close": 1, "until": null,
    }))
    .unwrap();
    let version = ItemVersion { version: 1, from: jiff::civil::date(2020, 1, 1), item };
    house.store.add_duty_versions(&[version], "list.csv", OPENED_AT).await.unwrap();
    let after = |minutes| OPENED_AT + Millis::secs(1) + Millis::mins(minutes);
    assert_eq!(round(&house, after(30)).await, ["arrive red 3"]);
    assert_eq!(round(&house, after(1_440)).await, ["solve red 2"]);
    let said = house.store.outbox_next(0, 100).await.unwrap();
    let units = said.iter().map(|queued| {
        let Body::Inline(event) = &queued.message.body else { panic!("an event") };
        let mut data = serde_json::from_slice::<Value>(event).unwrap()["data"].take();
        let text = data["text_zh"].as_str().unwrap().to_owned();
        (data["escalated_unit"].take(), text)
    });
    let [(street, in_street), (district, in_district)] = &units.collect::<Vec<_>>()[..] else { panic!("two") };
    let named = serde_json::json!({"code": "310104007", "name": {"zh": "斜土路街道", "en": "Xietu Road Subdistrict"}});
    assert_eq!(*street, named);
    assert!(in_street.ends_with(":斜土路街道"), "{in_street}");
    assert_eq!((&district["code"], &district["dept"]["zh"]), (&"310104".into(), &"区城管执法局".into()));
    assert!(in_district.ends_with(":区城管执法局"), "{in_district}");
}
