//! Lights of cases from the clock to the outbox: each change once, whoever is restarted in between.

use alerts::{
    case::Event,
    clocks::{CaseClocks, ClockEvent, ClockStart, Timetable},
    deadline::{DeadlineConfig, Light},
    duty::DutyList,
    routed::Routed,
    store::Ruling,
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

/// What a node says in one round, as `solve red 3`; the process is another one each time.
async fn round(house: &House, now: Timestamp) -> Vec<String> {
    said_by(&mut Timekeeper::new(house.store.clone(), node(), watch::channel(timetable()).1), house, now).await
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
    let mut keeper = Timekeeper::new(house.store.clone(), node(), heard);
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
