//! The platform's side of the contract against a real broker: answers, verdicts, and what it says wrong.

use std::collections::BTreeSet;

use alerts::{
    case::{Case, Event, State},
    incident::Ending,
    mqtt::{Hearing, Resend},
    registry::{Intake, Registry},
    service,
    store::Ruling,
    wire::case_messages,
};
use domain::{Millis, TicketId};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    broker::{Mosquitto, eventually_async},
    fixture::{House, OPENED_AT, ticket},
    listener::publish,
    subscriber::{Received, Subscriber},
};

/// An intake at work. Dropping it kills it.
struct Office {
    registry: Registry,
    told: mpsc::Receiver<service::Event>,
    service: mpsc::Sender<service::Event>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

/// Ready when it hears.
async fn office(broker: &Mosquitto, house: &House, resend: Option<Resend>) -> Office {
    let (service, told) = mpsc::channel(64);
    let registry = Registry::new(house.store.clone(), house.node.clone(), &service);
    let intake = Intake::new(&broker.config(), resend, registry.clone()).unwrap();
    let mut hearing = intake.hearing();
    let (stop, mut task) = (CancellationToken::new(), JoinSet::new());
    task.spawn(intake.run(stop.clone()));
    let heard = hearing.wait_for(|hearing| *hearing == Hearing::All);
    tokio::time::timeout(crate::broker::PATIENCE, heard).await.expect("it hears").unwrap();
    Office { registry, told, service, stop, task }
}

impl Office {
    async fn stop(mut self) {
        self.stop.cancel();
        self.task.join_next().await.unwrap().unwrap();
    }
}

/// What the platform says of a ticket, as it goes onto the wire.
fn message(id: &str, ticket: TicketId, what: &str, mut data: Value) -> (String, String) {
    let event_type = if what == "ack" { "cn.grid.ticket.acknowledged.v1" } else { "cn.grid.ticket.verdict.v1" };
    data["ticket_id"] = json!(ticket);
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/grid/310104", "type": event_type,
        "time": "2026-11-23T09:10:00+08:00", "datacontenttype": "application/json", "data": data,
    });
    (format!("grid/v1/310104/310104007/ticket/{ticket}/{what}"), event.to_string())
}

async fn say(broker: &Mosquitto, id: &str, ticket: TicketId, what: &str, data: Value) {
    let (topic, payload) = message(id, ticket, what, data);
    publish(broker.port, &topic, &payload).await;
}

fn verdict(kind: &str, minute: u32) -> Value {
    json!({"verdict": kind, "at": format!("2026-11-23T09:{minute:02}:00+08:00"), "reason": "other",
           "due": "2026-11-23T12:00:00+08:00"})
}

async fn case(house: &House, ticket: TicketId) -> Case {
    house.store.ticket(ticket).await.unwrap().unwrap().case
}

async fn until_state(house: &House, ticket: TicketId, state: State) {
    eventually_async(state.as_str(), async || case(house, ticket).await.state() == state).await;
}

fn submitted(messages: &[Received]) -> Vec<String> {
    messages.iter().filter(|m| m.is_ticket()).map(|m| m.json()["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again_under_the_same_id() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    let office = office(&broker, &house, Some(Resend { within: Millis::secs(1), longest: Millis::secs(1) })).await;
    let publisher = house.publisher(broker.config());
    let opened = house.open_ticket(1, &[10_000]).await;
    // The first two answers are lost; with the third telling the picture comes again, too.
    let messages = platform.until(|all| submitted(all).len() >= 3).await;
    assert_eq!(BTreeSet::from_iter(submitted(&messages)), BTreeSet::from([opened.id().to_string()]));
    let payloads: BTreeSet<_> = messages.iter().filter(|m| m.is_ticket()).map(|m| m.payload.clone()).collect();
    assert_eq!(payloads.len(), 1, "byte for byte the same");
    assert!(messages.iter().filter(|m| m.is_evidence()).count() >= 2);
    assert_eq!(house.store.counts().await.unwrap().unacknowledged, 1);

    say(&broker, "1", opened.id(), "ack", json!({"result": "accepted", "case_no": "2026-17"})).await;
    eventually_async("answered", async || house.store.counts().await.unwrap().unacknowledged == 0).await;
    let case = case(&house, opened.id()).await;
    assert_eq!((case.state(), case.case_no()), (State::Filed, Some("2026-17")));
    let resend = Resend { within: Millis(1), longest: Millis(1) };
    let due = house.store.resend_unanswered(OPENED_AT + Millis(i64::MAX / 4), resend).await.unwrap();
    assert_eq!(due.tickets, 0, "what is answered is never due");
    publisher.stop().await;
    office.stop().await;
}

#[tokio::test]
async fn verdicts_in_any_order_and_twice_end_alike_and_each_change_is_told() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    let office = office(&broker, &house, None).await;
    let publisher = house.publisher(broker.config());
    let kinds = ["dispatched", "extended", "handling", "supervised", "returned", "handled", "closed"];
    let tickets = [house.open_ticket(1, &[]).await, house.open_ticket(2, &[]).await, house.open_ticket(3, &[]).await];
    for (n, ticket) in (0..).zip(&tickets) {
        let mut said: Vec<_> = (1..).zip(kinds).collect();
        said.extend(said.clone());
        said.shuffle(&mut StdRng::seed_from_u64(n));
        for (minute, kind) in said {
            say(&broker, &format!("{n}-{kind}"), ticket.id(), "verdict", verdict(kind, minute)).await;
        }
    }
    for ticket in &tickets {
        until_state(&house, ticket.id(), State::Closed).await;
        let closed: Vec<_> = house.store.history(ticket.id()).await.unwrap();
        assert_eq!(closed.iter().filter(|line| line.change.event == "closed").count(), 1);
    }
    let messages = platform.until(|all| all.iter().filter(|m| said_closed(m)).count() == 3).await;
    assert_eq!(messages.iter().filter(|m| m.topic.ends_with("/problem")).count(), 0, "what is late is no problem");
    publisher.stop().await;
    office.stop().await;
}

fn said_closed(message: &Received) -> bool {
    message.topic.ends_with("/state") && message.json()["data"]["to"] == "closed"
}

#[tokio::test]
async fn what_nobody_understands_is_told_and_kept_and_all_else_goes_on() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    let office = office(&broker, &house, None).await;
    let publisher = house.publisher(broker.config());
    let opened = house.open_ticket(1, &[]).await;
    let topic = format!("grid/v1/310104/310104007/ticket/{}/verdict", opened.id());
    publish(broker.port, &topic, "").await;
    publish(broker.port, &topic, "{\"specversion\": \"1.0\", \"id\":").await;
    publish(broker.port, &topic, &"x".repeat(20_000)).await;
    say(&broker, "1", opened.id(), "verdict", json!({"verdict": "eaten", "at": "2026-11-23T09:01:00+08:00"})).await;
    say(&broker, "2", opened.id(), "verdict", json!({"verdict": "rejected", "at": "2026-11-23T09:01:00+08:00"})).await;
    say(&broker, "3", ticket(9).id(), "verdict", verdict("closed", 1)).await;
    say(&broker, "4", opened.id(), "verdict", verdict("closed", 2)).await;
    say(&broker, "5", opened.id(), "verdict", verdict("handling", 3)).await;
    let is_problem = |m: &&Received| m.topic == "gridwatch/v1/node/xh-03/problem";
    let messages = platform.until(|all| all.iter().filter(is_problem).count() == 7).await;
    let reasons: Vec<_> = messages.iter().filter(is_problem).map(|m| m.json()["data"]["reason"].clone()).collect();
    let expect =
        ["not_json", "not_json", "not_json", "unknown_verdict", "missing_reason", "unknown_ticket", "case_ended"];
    assert_eq!(reasons, expect.map(|reason| json!(reason)));
    until_state(&house, opened.id(), State::Closed).await;
    assert_eq!(house.store.problems(None, 100).await.unwrap().len(), 7);
    eventually_async("all problems are told", async || house.store.problems_untold(0, 9).await.unwrap().is_empty())
        .await;
    publisher.stop().await;
    office.stop().await;
}

#[tokio::test]
async fn a_restart_in_between_loses_no_verdict_and_applies_none_twice() {
    let mut broker = Mosquitto::open();
    let house = House::new().await;
    let opened = house.open_ticket(1, &[]).await;
    let first = office(&broker, &house, None).await;
    say(&broker, "1", opened.id(), "verdict", verdict("dispatched", 1)).await;
    until_state(&house, opened.id(), State::Dispatched).await;

    // Another process holds the database's write lock: what comes cannot be written, and we are killed.
    let url = format!("sqlite://{}", house.database().display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    say(&broker, "2", opened.id(), "verdict", verdict("handling", 2)).await;
    drop(first);
    other.execute("ROLLBACK").await.unwrap();
    // While we are away more is said, and the broker is started anew.
    say(&broker, "3", opened.id(), "verdict", verdict("handled", 3)).await;
    say(&broker, "1", opened.id(), "verdict", verdict("dispatched", 1)).await;
    broker.stop();
    broker.start();

    let second = office(&broker, &house, None).await;
    until_state(&house, opened.id(), State::Handled).await;
    say(&broker, "4", opened.id(), "verdict", verdict("closed", 4)).await;
    until_state(&house, opened.id(), State::Closed).await;
    let events: Vec<_> =
        house.store.history(opened.id()).await.unwrap().into_iter().map(|line| line.change.event).collect();
    assert_eq!(events, ["rule_satisfied", "filed", "dispatched", "handling", "handled", "closed"]);
    second.stop().await;
}

#[tokio::test]
async fn the_end_of_a_ticket_reaches_the_rules() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut office = office(&broker, &house, None).await;
    let opened = [house.open_ticket(1, &[]).await, house.open_ticket(2, &[]).await];
    say(&broker, "1", opened[0].id(), "verdict", verdict("rejected", 1)).await;
    say(&broker, "2", opened[1].id(), "verdict", verdict("closed", 1)).await;
    for (expect, how) in opened.iter().zip([Ending::Rejected, Ending::Closed]) {
        let told = tokio::time::timeout(crate::broker::PATIENCE, office.told.recv()).await.expect("it is told");
        match told {
            Some(service::Event::Ended { ticket, ending, camera, .. }) => {
                assert_eq!((ticket, ending, &camera), (expect.id(), how, &expect.incident.camera));
            }
            other => panic!("{other:?}"),
        }
    }
    drop(office.service.clone());
    office.stop().await;
}

#[tokio::test]
async fn a_platform_reviews_too_and_a_review_that_nobody_makes_expires() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    let office = office(&broker, &house, None).await;
    let publisher = house.publisher(broker.config());
    let mut pending = [ticket(1), ticket(2), ticket(3)];
    // The third had to be reviewed long ago.
    for (ticket, minutes) in pending.iter_mut().zip([i64::from(u32::MAX), i64::from(u32::MAX), 1]) {
        let (case, begun) = Case::begin(ticket.incident.confirmed_at, Some(OPENED_AT + Millis::mins(minutes)));
        ticket.case = case;
        let messages = case_messages(ticket, &(1..).zip(begun).collect::<Vec<_>>(), &house.node).following;
        house.store.open_ticket(ticket, &messages).await.unwrap();
    }
    // The clock of this test is that of the tickets.
    office.registry.expire(OPENED_AT + Millis::mins(2)).await.unwrap();
    until_state(&house, pending[2].id(), State::Rejected).await;
    assert_eq!(case(&house, pending[2].id()).await.reason().map(|r| r.code.clone()), Some("expired".to_owned()));

    say(&broker, "1", pending[0].id(), "verdict", verdict("confirmed", 1)).await;
    say(&broker, "2", pending[1].id(), "verdict", verdict("rejected", 1)).await;
    until_state(&house, pending[0].id(), State::Filed).await;
    until_state(&house, pending[1].id(), State::Rejected).await;
    let messages = platform.until(|all| submitted(all).len() == 1).await;
    assert_eq!(submitted(&messages), [pending[0].id().to_string()]);
    let submitted = messages.iter().find(|m| m.is_ticket()).unwrap().json();
    assert_eq!(submitted["data"]["review"], json!({"required": false, "state": "confirmed"}));
    publisher.stop().await;
    office.stop().await;
}

#[tokio::test]
async fn looks_and_the_platform_may_speak_at_once() {
    let house = House::new().await;
    let (service, _told) = mpsc::channel(64);
    let registry = Registry::new(house.store.clone(), house.node.clone(), &service);
    let opened = house.open_ticket(1, &[]).await;
    let (topic, payload) = message("1", opened.id(), "verdict", verdict("dispatched", 1));
    let gone = Ruling::plain(opened.id(), OPENED_AT + Millis::mins(1), Event::Gone);
    let (heard, ruled) =
        tokio::join!(registry.hear(&topic, payload.as_bytes(), OPENED_AT + Millis::mins(1)), registry.rule(&gone));
    heard.unwrap();
    ruled.unwrap();
    let case = case(&house, opened.id()).await;
    assert_eq!((case.state(), case.holds()), (State::GoneByItself, false));
    assert_eq!(house.store.history(opened.id()).await.unwrap().len(), 4);
}
