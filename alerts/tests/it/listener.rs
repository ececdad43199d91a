//! What is published elsewhere is heard: whole, at least once, whatever happens to the broker or to us.

use std::{path::PathBuf, time::Duration};

use alerts::mqtt::{Hearing, Listener, Message, Subscription};
use domain::Millis;
use rumqttc::v5::{
    AsyncClient, Event, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{Packet, PublishProperties},
    },
};
use tokio::time::timeout;

use crate::{broker::Mosquitto, broker::PATIENCE, subscriber::Subscriber};

/// A sensor's side: publishes one message and waits for the broker's acknowledgement.
pub(crate) async fn publish(port: u16, topic: &str, payload: &str) {
    publish_with(port, topic, payload.into(), false, PublishProperties::default()).await;
}

async fn publish_with(port: u16, topic: &str, payload: Vec<u8>, retain: bool, properties: PublishProperties) {
    let mut options = MqttOptions::new(format!("sensor-{}", uuid::Uuid::new_v4()), "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut event_loop) = AsyncClient::new(options, 10);
    client.publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties).await.unwrap();
    timeout(PATIENCE, async {
        loop {
            match event_loop.poll().await {
                Ok(Event::Incoming(Packet::PubAck(_))) => return,
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
    .expect("the broker takes it");
}

fn subscription(filters: &[&str]) -> Subscription {
    Subscription::new(filters.iter().map(|&filter| filter.to_owned()).collect())
}

fn listener(broker: &Mosquitto, subscription: Subscription) -> Listener {
    Listener::new(broker.config(), "gridwatch-test-sensors".into(), subscription).unwrap()
}

/// One that is known to be subscribed.
async fn ready(broker: &Mosquitto, subscription: Subscription) -> Listener {
    let mut listener = listener(broker, subscription);
    until(&mut listener, |hearing| *hearing == Hearing::All).await;
    listener
}

#[track_caller]
fn until(listener: &mut Listener, holds: impl Fn(&Hearing) -> bool) -> impl Future<Output = Hearing> {
    let place = std::panic::Location::caller();
    async move {
        let mut hearing = listener.hearing();
        let waited = timeout(PATIENCE, async {
            tokio::select! {
                seen = hearing.wait_for(|hearing| holds(hearing)) => seen.unwrap().clone(),
                message = listener.next() => panic!("{place}: {message:?}"),
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{place}: not within {PATIENCE:?}"))
    }
}

#[track_caller]
fn next(listener: &mut Listener) -> impl Future<Output = Message> {
    let place = std::panic::Location::caller();
    async move {
        let waited = timeout(PATIENCE, listener.next()).await;
        waited.unwrap_or_else(|_| panic!("{place}: nothing within {PATIENCE:?}"))
    }
}

async fn next_settled(listener: &mut Listener) -> String {
    let message = next(listener).await;
    listener.settle(message.receipt);
    String::from_utf8(message.payload.to_vec()).unwrap()
}

#[tokio::test]
async fn a_message_is_heard_with_all_that_it_says() {
    let broker = Mosquitto::open();
    let properties = PublishProperties {
        content_type: Some("application/json".into()),
        user_properties: vec![("vendor".into(), "acme".into())],
        ..PublishProperties::default()
    };
    publish_with(broker.port, "sensor/v1/a/level", b"old".into(), true, PublishProperties::default()).await;
    let mut listener = ready(&broker, subscription(&["sensor/v1/+/level", "other/#"])).await;
    let retained = next(&mut listener).await;
    assert!(retained.retained && &retained.payload[..] == b"old", "{retained:?}");
    listener.settle(retained.receipt);
    publish(broker.port, "unheard/x", "no").await;
    publish_with(broker.port, "sensor/v1/b/level", br#"{"level":1}"#.into(), true, properties).await;
    let message = next(&mut listener).await;
    assert_eq!(message.topic, "sensor/v1/b/level");
    assert_eq!(&message.payload[..], br#"{"level":1}"#);
    assert_eq!(message.content_type.as_deref(), Some("application/json"));
    assert_eq!(message.properties, [("vendor".to_owned(), "acme".to_owned())]);
    assert!(!message.retained && !message.repeated, "{message:?}");
    listener.settle(message.receipt);
    publish(broker.port, "other/", "empty segment").await;
    assert_eq!(next_settled(&mut listener).await, "empty segment");
    listener.leave().await;
}

#[tokio::test]
async fn what_was_not_settled_comes_again() {
    let broker = Mosquitto::open();
    let mut listener = ready(&broker, subscription(&["s/#"])).await;
    for payload in ["1", "2", "3"] {
        publish(broker.port, "s/x", payload).await;
    }
    let (first, second, third) = (next(&mut listener).await, next(&mut listener).await, next(&mut listener).await);
    listener.settle(first.receipt);
    // An acknowledgement of the third would tell the broker nothing about the second.
    listener.settle(third.receipt);
    listener.leave().await;
    drop(second);
    // As after a crash: another process with the same client id.
    let mut listener = self::listener(&broker, subscription(&["s/#"]));
    let again = next(&mut listener).await;
    assert!(again.repeated && &again.payload[..] == b"2", "{again:?}");
    listener.settle(third.receipt);
    listener.settle(again.receipt);
    assert_eq!(next_settled(&mut listener).await, "3");
    publish(broker.port, "s/x", "4").await;
    assert_eq!(next_settled(&mut listener).await, "4");
    listener.leave().await;
}

#[tokio::test]
async fn no_more_than_the_window_is_unsettled() {
    let broker = Mosquitto::open();
    let narrow = Subscription { window: 2, ..subscription(&["s/#"]) };
    let mut listener = ready(&broker, narrow).await;
    let mut platform = Subscriber::new(broker.port, "s/#").await;
    for n in 0..5 {
        publish(broker.port, "s/x", &n.to_string()).await;
    }
    let first = next(&mut listener).await;
    let second = next(&mut listener).await;
    platform.until(|all| all.len() == 5).await;
    assert!(listener.try_next().is_none(), "the broker waits");
    listener.settle(second.receipt);
    assert!(listener.try_next().is_none(), "the older one is open");
    listener.settle(first.receipt);
    for n in 2..5 {
        assert_eq!(next_settled(&mut listener).await, n.to_string());
    }
    listener.leave().await;
}

#[tokio::test]
async fn a_broker_that_restarts_is_listened_to_again() {
    let mut broker = Mosquitto::open();
    let mut listener = ready(&broker, subscription(&["s/#"])).await;
    publish(broker.port, "s/x", "before").await;
    let before = next(&mut listener).await;
    broker.stop();
    let away = until(&mut listener, |hearing| matches!(hearing, Hearing::Away(_))).await;
    assert!(matches!(&away, Hearing::Away(reason) if reason.contains("127.0.0.1")), "{away:?}");
    broker.start();
    let again = next(&mut listener).await;
    assert!(again.repeated && again.payload == before.payload, "{again:?}");
    listener.settle(before.receipt);
    listener.settle(again.receipt);
    publish(broker.port, "s/x", "after").await;
    assert_eq!(next_settled(&mut listener).await, "after");
    assert_eq!(*listener.hearing().borrow(), Hearing::All);
    listener.leave().await;
}

#[tokio::test]
async fn what_comes_while_away_is_kept_unless_told_otherwise() {
    let broker = Mosquitto::open();
    ready(&broker, subscription(&["s/#"])).await.leave().await;
    publish(broker.port, "s/x", "meanwhile").await;
    let mut back = listener(&broker, subscription(&["s/#"]));
    assert_eq!(next_settled(&mut back).await, "meanwhile");
    back.leave().await;
    let fleeting = Subscription { kept_for: Millis(0), ..subscription(&["s/#"]) };
    ready(&broker, fleeting.clone()).await.leave().await;
    publish(broker.port, "s/x", "missed").await;
    let mut back = ready(&broker, fleeting).await;
    publish(broker.port, "s/x", "now").await;
    assert_eq!(next_settled(&mut back).await, "now");
    back.leave().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_holds_up_no_other() {
    let broker = Mosquitto::open();
    let small = Subscription { max_packet_size: 20_000, ..subscription(&["s/#"]) };
    let mut listener = ready(&broker, small).await;
    publish_with(broker.port, "s/x", vec![b'x'; 30_000], false, PublishProperties::default()).await;
    publish_with(broker.port, "s/x", vec![b'y'; 15_000], false, PublishProperties::default()).await;
    assert!(next_settled(&mut listener).await.starts_with('y'));
    listener.leave().await;
}

#[tokio::test]
async fn a_filter_that_the_broker_refuses_is_named_and_the_others_are_heard() {
    let broker = Mosquitto::stopped(&format!(
        "allow_anonymous true\nplugin {}\nplugin_opt_config_file {{dir}}/access.json",
        dynamic_security().display()
    ));
    broker.file(
        "access.json",
        r#"{"defaultACLAccess": {"publishClientSend": true, "publishClientReceive": true, "subscribe": true},
            "roles": [{"rolename": "reader",
                       "acls": [{"acltype": "subscribePattern", "topic": "secret/#", "priority": 1, "allow": false}]}],
            "groups": [{"groupname": "anyone", "roles": [{"rolename": "reader"}]}],
            "anonymousGroup": "anyone"}"#,
    );
    let mut broker = broker;
    broker.start();
    let mut listener = listener(&broker, subscription(&["secret/x", "s/#"]));
    let refused = until(&mut listener, |hearing| matches!(hearing, Hearing::Refused(_))).await;
    let Hearing::Refused(reason) = &refused else { unreachable!() };
    assert!(reason.contains("does not let us hear \"secret/x\"") && !reason.contains("s/#"), "{reason}");
    publish(broker.port, "s/x", "heard").await;
    assert_eq!(next_settled(&mut listener).await, "heard");
    listener.leave().await;
}

fn dynamic_security() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    folders
        .map(|folder| folder.join("mosquitto_dynamic_security.so"))
        .find(|plugin| plugin.exists())
        .expect("mosquitto is installed with its plugins")
}

#[test]
fn a_filter_that_cannot_be_is_refused_beforehand() {
    let config = Mosquitto::stopped("").config();
    let error = Listener::new(config, "x".into(), subscription(&["a/#/b"])).err().unwrap().to_string();
    assert!(error.contains("\"a/#/b\": # may stand at the end only"), "{error}");
}
