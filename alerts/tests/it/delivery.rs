//! What is in the outbox reaches the platform: in order, whole, under the same id, whatever happens to the broker or to us.

use std::collections::BTreeSet;

use domain::{CameraReport, CameraState, Codec, DecodeMode, Millis, Place, Sha256, Timestamp};
use sqlx::{Connection as _, Executor as _};

use crate::{
    broker::{Mosquitto, eventually_async},
    fixture::{House, OPENED_AT, ticket},
    subscriber::{Received, Subscriber},
};

fn ids(messages: &[Received]) -> Vec<String> {
    messages.iter().filter(|m| m.is_ticket()).map(|m| m.json()["id"].as_str().unwrap().to_owned()).collect()
}

/// Before each ticket every picture that it names by a topic has come.
#[track_caller]
fn check_order(messages: &[Received]) {
    let mut pictures = BTreeSet::new();
    for message in messages {
        if message.is_evidence() {
            pictures.insert(message.topic.clone());
        } else if message.is_ticket() {
            for evidence in message.json()["data"]["evidence"].as_array().unwrap() {
                let topic = evidence["topic"].as_str().unwrap();
                assert!(pictures.contains(topic), "the ticket came before {topic}");
            }
        }
    }
}

#[tokio::test]
async fn pictures_arrive_before_their_ticket_and_their_hashes_fit() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    let publisher = house.publisher(broker.config());
    let ticket = house.open_ticket(1, &[50_000, 180_000, 2_000_000]).await;
    let messages = platform.until_n(4).await;
    check_order(&messages);
    assert_eq!(ids(&messages), [ticket.id().to_string()]);
    for message in messages.iter().filter(|m| m.is_evidence()) {
        let sha256 = Sha256::of(&message.payload).to_string();
        assert!(message.topic.ends_with(&format!("/31010400001320000123/evidence/{sha256}")), "{}", message.topic);
        assert_eq!(message.property("sha256"), Some(sha256.as_str()));
        assert_eq!(message.property("ticket"), Some(ticket.id().to_string().as_str()));
        assert_eq!(message.property("captured_at"), Some("2026-11-23T09:00:00.000+08:00"));
        assert_eq!(message.properties.content_type.as_deref(), Some("image/jpeg"));
    }
    let event = messages.last().unwrap();
    assert_eq!(event.topic, "gridwatch/v1/310104/310104007/ticket/submit");
    assert_eq!(event.properties.content_type.as_deref(), Some("application/cloudevents+json"));
    assert!(event.properties.message_expiry_interval.is_some_and(|s| s > 24 * 3600 - 60));
    eventually_async("the ticket is written down as delivered", async || house.is_delivered(ticket.id()).await).await;
    publisher.stop().await;
}

#[tokio::test]
async fn nothing_is_retained_but_states() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let publisher = house.publisher(broker.config());
    let ticket = house.open_ticket(1, &[1_000]).await;
    publisher.cameras.post(&camera(CameraState::Streaming), ticket.camera.place.as_ref());
    eventually_async("delivered", async || house.is_delivered(ticket.id()).await).await;
    let mut late = Subscriber::new(broker.port, "#").await;
    let messages = late.until(|all| all.len() >= 2).await;
    publisher.stop().await;
    let messages = late.until(|all| all.len() > messages.len()).await;
    let retained: BTreeSet<_> = messages.iter().filter(|m| m.retained).map(|m| m.topic.as_str()).collect();
    assert_eq!(
        Vec::from_iter(retained),
        ["gridwatch/v1/310104/310104007/31010400001320000123/status", "gridwatch/v1/node/xh-03/status"]
    );
    assert!(messages.iter().all(Received::is_status));
}

#[tokio::test]
async fn a_broker_that_is_away_at_start_gets_all_when_it_comes() {
    let mut broker = Mosquitto::stopped("allow_anonymous true");
    let house = House::new().await;
    let ticket = house.open_ticket(1, &[1_000, 2_000]).await;
    let publisher = house.publisher(broker.config());
    let later = house.open_ticket(2, &[3_000]).await;
    broker.start();
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    // The publisher may have been quicker than the platform; what came before it subscribed is not its session's.
    eventually_async("both are delivered", async || {
        house.is_delivered(ticket.id()).await && house.is_delivered(later.id()).await
    })
    .await;
    house.open_ticket(3, &[]).await;
    platform.until(|all| ids(all).len() == 1 || ids(all).len() == 3).await;
    publisher.stop().await;
}

#[tokio::test]
async fn a_broker_that_restarts_in_the_middle_loses_and_changes_nothing() {
    let mut broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    let mut sent = BTreeSet::new();
    for n in 0..50 {
        sent.insert(house.open_ticket(n, &[20_000, 40_000]).await.id().to_string());
    }
    let publisher = house.publisher(broker.config());
    platform.until_n(20).await;
    broker.stop();
    broker.start();
    let messages = platform.until(|all| ids(all).into_iter().collect::<BTreeSet<_>>().len() == 50).await;
    check_order(&messages);
    assert_eq!(BTreeSet::from_iter(ids(&messages)), sent);
    for message in messages.iter().filter(|m| m.is_evidence()) {
        assert!(message.topic.ends_with(&Sha256::of(&message.payload).to_string()));
    }
    eventually_async("the outbox is empty", async || house.store.counts().await.unwrap().queued_messages == 0).await;
    publisher.stop().await;
}

#[tokio::test]
async fn a_kill_between_acknowledgement_and_writing_it_down_repeats_the_same_id() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    let ticket = house.open_ticket(1, &[]).await;
    // Another process holds the database's write lock, so nothing can be written down.
    let url = format!("sqlite://{}", house.database().display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let publisher = house.publisher(broker.config());
    platform.until_n(1).await;
    publisher.kill().await;
    other.execute("ROLLBACK").await.unwrap();
    assert!(!house.is_delivered(ticket.id()).await);

    let publisher = house.publisher(broker.config());
    let messages = platform.until_n(2).await;
    assert_eq!(messages[0].payload, messages[1].payload);
    assert_eq!(ids(&messages), [ticket.id().to_string(), ticket.id().to_string()]);
    eventually_async("delivered", async || house.is_delivered(ticket.id()).await).await;
    publisher.stop().await;
}

#[tokio::test]
async fn a_database_that_is_locked_for_long_is_waited_for() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    let ticket = house.open_ticket(1, &[1_000]).await;
    let url = format!("sqlite://{}", house.database().display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let publisher = house.publisher(broker.config());
    platform.until_n(1).await;
    // Longer than a writer of ours waits for the lock.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    other.execute("ROLLBACK").await.unwrap();
    let messages = platform.until_n(2).await;
    check_order(&messages);
    eventually_async("delivered", async || house.is_delivered(ticket.id()).await).await;
    assert_eq!(platform.until_n(2).await.len(), 2, "nothing is sent twice within one connection");
    publisher.stop().await;
}

#[tokio::test]
async fn a_shutdown_sends_what_is_left_and_says_goodbye() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    for n in 0..30 {
        house.open_ticket(n, &[10_000]).await;
    }
    house.publisher(broker.config()).stop().await;
    let counts = house.store.counts().await.unwrap();
    assert_eq!((counts.queued_messages, counts.undelivered), (0, 0));
    let messages = platform.until(|all| states(all).len() >= 2 && ids(all).len() == 30).await;
    let states = states(&messages);
    assert_eq!(states[0]["state"], "online");
    assert_eq!((&states[1]["state"], &states[1]["reason"]), (&"offline".into(), &"stopped".into()));
    assert!(states[1]["offline_since"].is_string());
}

#[tokio::test]
async fn a_shutdown_without_a_broker_ends_at_once_when_nothing_is_left() {
    let broker = Mosquitto::stopped("");
    let house = House::new().await;
    let started = std::time::Instant::now();
    house.publisher(broker.config()).stop().await;
    assert!(started.elapsed() < std::time::Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_killed_node_is_declared_lost_by_the_broker() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/v1/node/#").await;
    let publisher = house.publisher(broker.config());
    platform.until(|all| states(all).len() == 1).await;
    publisher.kill().await;
    let messages = platform.until(|all| states(all).len() == 2).await;
    let states = states(&messages);
    assert_eq!((&states[1]["state"], &states[1]["reason"]), (&"offline".into(), &"lost".into()));
    assert_eq!(states[0]["online_since"], states[1]["online_since"]);
}

#[tokio::test]
async fn a_cameras_state_is_told_when_it_changes_and_again_to_a_broker_that_was_away() {
    let mut broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/v1/+/+/+/status").await;
    let publisher = house.publisher(broker.config());
    publisher.cameras.post(&camera(CameraState::Connecting), None);
    platform.until(|all| all.len() == 1).await;
    publisher.cameras.post(&camera(CameraState::Streaming), None);
    let messages = platform.until(|all| all.len() == 2).await;
    assert_eq!(messages[1].topic, "gridwatch/v1/310104/310104000/31010400001320000123/status");
    assert_eq!(messages[1].json()["state"], "streaming");
    // A new look is no news.
    let mut looked = camera(CameraState::Streaming);
    looked.last_look_at = Some(Timestamp(OPENED_AT.0 + 10_000));
    publisher.cameras.post(&looked, None);
    broker.stop();
    broker.start();
    let messages = platform.until(|all| all.len() == 3).await;
    assert_eq!(messages[2].json()["last_look"], "2026-11-23T09:00:10.000+08:00");
    publisher.stop().await;
}

#[tokio::test]
async fn what_was_said_of_a_camera_that_went_while_nobody_ran_is_taken_back_at_the_next_start() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let place = ticket(1).camera.place;
    let named = |id: &str| CameraReport { id: id.parse().unwrap(), ..camera(CameraState::Streaming) };
    let run = async |cameras: &[(&str, Option<&Place>)]| {
        let publisher = house.publisher(broker.config());
        cameras.iter().for_each(|(id, place)| publisher.cameras.post(&named(id), *place));
        publisher.cameras.retain(|_| true);
        publisher
    };
    let mut platform = Subscriber::new(broker.port, "gridwatch/v1/310104/+/+/status").await;
    let first = run(&[("gone", None), ("moved", None), ("stays", None)]).await;
    platform.until(|all| all.len() == 3).await;
    first.kill().await;

    let second = run(&[("moved", place.as_ref()), ("stays", None)]).await;
    let messages = platform.until(|all| all.len() == 7).await;
    let taken_back: BTreeSet<_> = messages[3..].iter().filter(|m| m.payload.is_empty()).map(|m| &*m.topic).collect();
    let at = |street: &str, camera: &str| format!("gridwatch/v1/310104/{street}/{camera}/status");
    assert_eq!(Vec::from_iter(taken_back), [at("310104000", "gone"), at("310104000", "moved")]);
    let (now, here) = (BTreeSet::from([at("310104000", "stays"), at("310104007", "moved")]), "the database follows");
    eventually_async(here, async || BTreeSet::from_iter(house.store.retained_topics().await.unwrap()) == now).await;
    second.stop().await;
    let mut late = Subscriber::new(broker.port, "gridwatch/v1/310104/+/+/status").await;
    let messages = late.until(|all| all.len() == 2).await;
    assert_eq!(BTreeSet::from_iter(messages.iter().map(|m| m.topic.clone())), now);

    // What the broker has taken back is not told again.
    let third = run(&[("moved", place.as_ref()), ("stays", None)]).await;
    let messages = platform.until(|all| all.len() == 9).await;
    assert!(messages[7..].iter().all(|m| !m.payload.is_empty()), "{messages:?}");
    third.stop().await;
}

fn states(messages: &[Received]) -> Vec<serde_json::Value> {
    messages.iter().filter(|m| m.topic == "gridwatch/v1/node/xh-03/status").map(Received::json).collect()
}

fn camera(state: CameraState) -> CameraReport {
    CameraReport {
        id: "31010400001320000123".parse().unwrap(),
        state,
        since: OPENED_AT,
        error: None,
        codec: Some(Codec::H264),
        size: Some((704, 576)),
        keyframe_interval: Some(Millis(2_000)),
        decode: DecodeMode::Keyframes,
        last_keyframe_at: Some(OPENED_AT),
        last_look_at: None,
        look_interval: Millis::secs(10),
        looks: 0,
        reconnects: 0,
        ailments: Vec::new(),
        clock_offset: None,
    }
}
