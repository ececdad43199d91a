//! The reference platform against a real broker and a real publisher: tickets in, acknowledgements and verdicts out.

use alerts::{
    case::VerdictKind,
    mqtt::MqttConfig,
    platform::{AckStep, Client, ClientConfig, Ended, Goal, Plan, Platform, Reached, Script, Step, lines, totals},
};
use domain::{Millis, TicketId};
use tokio_util::sync::CancellationToken;

use crate::{
    broker::{Mosquitto, PATIENCE},
    fixture::House,
    subscriber::Subscriber,
};

/// All that the built-in script does, without its waiting.
fn hasty() -> Script {
    let at_once = |words: &[VerdictKind]| words.iter().map(|&word| Step::new(Millis(1), word)).collect();
    let plan = Plan {
        ack: AckStep { after: Millis::ZERO, ..AckStep::default() },
        steps: at_once(&[VerdictKind::Dispatched, VerdictKind::Handling, VerdictKind::Handled, VerdictKind::Closed]),
        ..Plan::default()
    };
    Script { plans: vec![plan], ..Script::default() }
}

fn client(mqtt: MqttConfig, script: Script, pictures: Option<std::path::PathBuf>) -> Client {
    let config = ClientConfig { mqtt, client_id: "grid-platform".into(), district: Some("310104".into()), pictures };
    Client::new(config, Platform::new(script, "test", jiff::tz::TimeZone::UTC)).unwrap()
}

fn until(cases: usize, word: VerdictKind) -> Option<Goal> {
    Some(Goal { cases, reached: Reached::Said(word) })
}

async fn play(client: &mut Client, goal: Option<Goal>) {
    let ended = tokio::time::timeout(PATIENCE, client.run(goal, &CancellationToken::new())).await;
    assert_eq!(ended.expect("the goal is reached"), Ended::Reached, "{:#?}", lines(client.platform()));
}

fn word(topic: &str) -> &str {
    topic.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn a_ticket_is_acknowledged_and_carried_through() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut gridwatch = Subscriber::new(broker.port, "grid/v1/310104/+/ticket/+/+").await;
    let kept = house.dir.path().join("platform");
    let mut platform = client(broker.config(), hasty(), Some(kept.clone()));
    // Once there is a session, what comes while it is away is kept for it.
    platform.run(Some(Goal { cases: 0, reached: Reached::Submitted }), &CancellationToken::new()).await;
    let publisher = house.publisher(broker.config());
    let tickets: [TicketId; 2] =
        [house.open_ticket(1, &[50_000, 180_000]).await.id(), house.open_ticket(2, &[1_500_000]).await.id()];
    play(&mut platform, until(2, VerdictKind::Closed)).await;

    let lines = lines(platform.platform());
    assert_eq!(lines.iter().map(|line| line.ticket_id).collect::<Vec<_>>(), tickets);
    assert!(lines.iter().all(|line| line.pictures_late == 0 && line.state == "closed"), "{lines:#?}");
    let found = totals(platform.platform());
    assert_eq!((found.pictures_missing, found.pictures_altered, found.unreadable), (0, 0, 0));
    let before = lines[0].before.expect("a picture of the problem");
    assert_eq!(domain::Sha256::of(&std::fs::read(kept.join(format!("{before}.jpg"))).unwrap()), before);

    let heard = gridwatch.until_n(10).await;
    for ticket in tickets {
        let of_it: Vec<_> = heard.iter().filter(|m| m.topic.contains(&ticket.to_string())).collect();
        let said: Vec<_> = of_it.iter().map(|m| m.json()["data"]["verdict"].as_str().map(str::to_owned)).collect();
        let expect = ["dispatched", "handling", "handled", "closed"].map(|word| Some(word.to_owned()));
        assert_eq!((said[0].as_ref(), &said[1..]), (None, &expect[..]));
        assert_eq!((word(&of_it[0].topic), word(&of_it[1].topic)), ("ack", "verdict"));
        assert_eq!(of_it[0].json()["data"]["result"], "accepted");
        assert!(of_it.iter().all(|m| m.topic.starts_with("grid/v1/310104/310104007/ticket/") && !m.retained));
        assert_eq!(of_it[0].properties.content_type.as_deref(), Some("application/cloudevents+json"));
    }
    publisher.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_away_is_waited_for() {
    let mut broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = client(broker.config(), hasty(), None);
    // Its session outlives the broker.
    platform.run(Some(Goal { cases: 0, reached: Reached::Submitted }), &CancellationToken::new()).await;
    broker.stop();
    let publisher = house.publisher(broker.config());
    let play_on = async {
        play(&mut platform, until(1, VerdictKind::Dispatched)).await;
        platform
    };
    let disturb = async {
        house.open_ticket(1, &[10_000]).await;
        broker.start();
    };
    let (platform, ()) = tokio::join!(play_on, disturb);
    assert_eq!(totals(platform.platform()).cases, 1);
    publisher.stop().await;
}

#[test]
fn a_broker_that_cannot_be_is_named() {
    let config = ClientConfig {
        mqtt: MqttConfig { url: Some("http://broker".into()), ..MqttConfig::default() },
        client_id: "x".into(),
        district: None,
        pictures: None,
    };
    let error = Client::new(config, Platform::new(Script::default(), "x", jiff::tz::TimeZone::UTC)).err().unwrap();
    assert!(error.to_string().contains("mqtt.url"), "{error}");
}
