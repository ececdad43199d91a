//! The embedded broker between our publisher and strangers' subscribers, of MQTT 5 and of 3.1.1, on one port.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use alerts::{
    evidence::EvidenceStore,
    mqtt::MqttConfig,
    publisher::Publisher,
    store::Store,
    ticket::Ticket,
    wire::{Node, opening_messages},
};
use domain::{Cell, Sha256, TicketId, Timestamp};
use gridwatch::broker::Broker;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// `mosquitto_sub`, which prints topic and payload (in hexadecimal) of each message, a line each.
struct Subscriber {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Subscriber {
    fn new(broker: &Broker, version: &str) -> Self {
        // Into a pipe it would keep its lines for itself until there are many.
        let mut child = Command::new("stdbuf")
            .args([
                "-oL",
                "mosquitto_sub",
                "-h",
                "127.0.0.1",
                "-p",
                &broker.address().port().to_string(),
                "-V",
                version,
            ])
            .args(["-t", "gridwatch/#", "-q", "1", "-F", "%t %x", "-d"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto-clients is installed");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut subscriber = Self { child, lines };
        while !subscriber.line().contains("SUBACK") {}
        subscriber
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).expect("text") > 0, "mosquitto_sub ended");
        line.trim_end().to_owned()
    }

    /// The next message that is no status.
    fn message(&mut self) -> (String, Vec<u8>) {
        loop {
            let line = self.line();
            if let Some((topic, payload)) = line.split_once(' ')
                && topic.starts_with("gridwatch/")
                && !topic.ends_with("/status")
            {
                return (topic.to_owned(), hex::decode(payload).expect("hexadecimal"));
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn ticket(sha256: Sha256, bytes: usize) -> Ticket {
    let opened_at = 1_795_395_600_000_i64;
    let sha = sha256.to_string();
    serde_json::from_value(json!({
        "incident": {
            "ticket": TicketId::derive(Timestamp(opened_at), b"1"), "camera": "gate-2", "kind": "lane.motor",
            "zone": "z7", "first_seen": opened_at - 300_000, "last_seen": opened_at, "confirmed_at": opened_at,
            "dwell": "5m", "looks": 150, "hits": 141, "score_max": 0.91, "score_median": 0.83,
            "bbox": [0.25, 0.5, 0.5, 0.75], "things": [], "reason": "a vehicle stood in the lane",
            "rule": {"id": "lane.motor", "version": "0123456789ab"}, "model": {"name": "nanodet-g", "sha256": sha},
        },
        "camera": {"name": "East gate", "place": null},
        "zone": {"id": "z7", "purpose": "traffic_lane", "polygon": [[0.1, 0.4], [0.9, 0.4], [0.9, 0.9]]},
        "state": "open", "case": {"stage": {"at": "filed"}, "filed_at": opened_at}, "last_seen": opened_at, "cleared_at": null, "delivered_at": null,
        "evidence": [{
            "role": "confirming", "rendition": "clean", "stream": "main", "sha256": sha, "media_type": "image/jpeg",
            "bytes": bytes, "width": 3840, "height": 2160, "captured_at": opened_at,
        }],
    }))
    .expect("a whole ticket")
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_of_both_protocols_get_a_large_picture_and_its_ticket() {
    let broker = Broker::start(([127, 0, 0, 1], 0).into()).expect("a free port");
    let mut subscribers = [Subscriber::new(&broker, "mqttv5"), Subscriber::new(&broker, "mqttv311")];
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(&dir.path().join("gridwatch.db")).await.expect("a database");
    let evidence = EvidenceStore::open(&dir.path().join("evidence")).expect("a folder");
    let node = Node {
        id: "xh-03".parse().expect("an id"),
        district: Cell::try_from("310104".to_owned()).expect("a district"),
        timezone: jiff::tz::TimeZone::UTC,
    };
    // 2 MB and, more than any keyframe, 8 MB: not all alike, so that a part in the wrong place shows.
    for (n, size) in [2_000_000_usize, 8_000_000].into_iter().enumerate() {
        let picture: Vec<u8> = (0..size).map(|i| (i * 31 + i / 4_096 + n) as u8).collect();
        let sha256 = evidence.put(&picture).expect("stored");
        let mut ticket = ticket(sha256, size);
        ticket.incident.ticket = TicketId::derive(ticket.incident.confirmed_at, &n.to_be_bytes());
        store.open_ticket(&ticket, &opening_messages(&ticket, &node)).await.expect("written");
    }
    let config = MqttConfig { url: Some(broker.url()), ..MqttConfig::default() };
    let publisher = Publisher::new(config, node, store.clone(), evidence).expect("a right config");
    let (stop, mut task) = (CancellationToken::new(), JoinSet::new());
    task.spawn(publisher.run(stop.clone()));

    for subscriber in &mut subscribers {
        let mut pictures = Vec::new();
        let mut tickets = Vec::new();
        for _ in 0..4 {
            let (topic, payload) = subscriber.message();
            if let Some((_, sha256)) = topic.split_once("/evidence/") {
                assert_eq!(Sha256::of(&payload).to_string(), sha256);
                pictures.push((payload.len(), sha256.to_owned()));
            } else {
                assert_eq!(topic, "gridwatch/v1/310104/310104000/ticket/submit");
                let event: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
                let named = event["data"]["evidence"][0]["sha256"].as_str().expect("a digest").to_owned();
                assert!(pictures.iter().any(|(_, sha256)| *sha256 == named), "the ticket came before its picture");
                tickets.push(event["id"].as_str().expect("an id").to_owned());
            }
        }
        pictures.sort_unstable();
        assert_eq!(pictures.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [2_000_000, 8_000_000]);
        tickets.dedup();
        assert_eq!(tickets.len(), 2);
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while store.counts().await.expect("counts").queued_messages > 0 {
        assert!(Instant::now() < deadline, "the publisher does not hear the acknowledgements");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    task.join_next().await.expect("one task").expect("no panic");
}

#[test]
fn a_stopped_broker_frees_its_port() {
    let broker = Broker::start(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = broker.address();
    drop(broker);
    Broker::start(address).expect("the port is free again");
}
