//! A broker that refuses: what we say, what waits, what goes on.

use std::{io::Write as _, net::TcpListener, path::PathBuf};

use alerts::mqtt::{MqttConfig, MqttError, probe};

use crate::{
    broker::{Mosquitto, eventually_async, free_port},
    fixture::House,
    subscriber::Subscriber,
};

async fn refusal(config: &MqttConfig) -> (MqttError, String) {
    let error = probe(config, "probe").await.unwrap_err();
    let text = error.to_string();
    (error, text)
}

#[tokio::test]
async fn a_broker_is_probed() {
    let broker = Mosquitto::with("allow_anonymous true\nmax_packet_size 100000");
    let report = probe(&broker.config(), "probe").await.unwrap();
    assert_eq!(report.max_packet_size, Some(100_000));
    assert!(report.receive_maximum > 0);
    assert!(!broker.log().contains("exceeded timeout"));
}

#[tokio::test]
async fn a_refused_password_is_said_and_mended_without_a_restart() {
    let broker = Mosquitto::stopped("allow_anonymous false\npassword_file {dir}/passwords");
    let mut broker = broker;
    broker.set_password("gridwatch", "right");
    broker.set_password("platform", "p");
    broker.start();
    let house = House::new().await;
    let mut platform = Subscriber::with_login(broker.port, "gridwatch/#", Some(("platform", "p"))).await;
    let password_file: PathBuf = broker.file("secret", "wrong\n");
    let config =
        MqttConfig { username: Some("gridwatch".to_owned()), password_file: Some(password_file), ..broker.config() };
    let (error, text) = refusal(&config).await;
    assert!(matches!(error, MqttError::Password { .. }), "{error:?}");
    assert!(text.contains("refuses user \"gridwatch\"") && text.contains(&broker.port.to_string()), "{text}");
    assert!(!text.contains("wrong"), "{text}");

    let publisher = house.publisher(config.clone());
    house.open_ticket(1, &[1_000]).await;
    let refused = || broker.log().matches("disconnected, not authorised").count();
    // The probe was the first.
    eventually_async("the publisher was refused", async || refused() > 1).await;
    broker.file("secret", "right\n");
    platform.until_n(2).await;
    probe(&config, "probe").await.unwrap();
    publisher.stop().await;
}

#[tokio::test]
async fn a_broker_that_wants_a_user_says_so() {
    let broker = Mosquitto::with("allow_anonymous false");
    let (error, text) = refusal(&broker.config()).await;
    assert!(matches!(error, MqttError::NotAuthorized { .. }), "{error:?}");
    assert!(text.contains("set mqtt.username"), "{text}");
}

#[tokio::test]
async fn a_topic_that_is_not_allowed_waits_and_others_go_on() {
    let broker = Mosquitto::stopped("allow_anonymous true\nacl_file {dir}/acl");
    let mut broker = broker;
    let others = "topic read #\ntopic write gridwatch/v1/310104/310104007/#\ntopic write gridwatch/v1/node/#\n";
    broker.file("acl", &others.replace("310104007/#", "310104008/#"));
    broker.start();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    let publisher = house.publisher(broker.config());
    let ticket = house.open_ticket(1, &[1_000]).await;
    eventually_async("the picture was refused", async || broker.log().contains("Denied PUBLISH")).await;
    assert_eq!(house.store.counts().await.unwrap().refused_messages, 0);
    broker.file("acl", others);
    broker.reload();
    platform.until_n(2).await;
    eventually_async("delivered", async || house.is_delivered(ticket.id()).await).await;
    publisher.stop().await;
}

/// The limit that the broker announces, and the one that it does not.
#[tokio::test]
async fn a_picture_too_large_is_given_up_and_the_ticket_goes() {
    for limit in ["max_packet_size 100000", "message_size_limit 100000"] {
        let broker = Mosquitto::with(&format!("allow_anonymous true\n{limit}"));
        let house = House::new().await;
        let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
        let publisher = house.publisher(broker.config());
        house.open_ticket(1, &[200_000, 1_000]).await;
        let fine = house.open_ticket(2, &[2_000]).await;
        let messages = platform.until(|all| all.iter().filter(|m| m.is_ticket()).count() >= 2).await;
        assert!(messages.iter().all(|m| m.payload.len() < 100_000), "{limit}");
        eventually_async("the second is delivered", async || house.is_delivered(fine.id()).await).await;
        let refused = house.store.outbox_refused(10).await.unwrap();
        assert_eq!(refused.len(), 1, "{limit}");
        assert!(refused[0].reason.contains("packet_too_large"), "{}", refused[0].reason);
        eventually_async("all else is sent", async || house.store.counts().await.unwrap().queued_messages == 0).await;
        publisher.stop().await;
    }
}

#[tokio::test]
async fn evidence_that_was_altered_is_not_sent_and_the_ticket_goes() {
    let broker = Mosquitto::open();
    let house = House::new().await;
    let mut platform = Subscriber::new(broker.port, "gridwatch/#").await;
    let ticket = house.open_ticket(1, &[1_000, 2_000]).await;
    let path = house.evidence.path(&ticket.evidence[0].sha256);
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a temporary file of this test")]
    permissions.set_readonly(false);
    std::fs::set_permissions(&path, permissions).unwrap();
    std::fs::write(&path, "something else").unwrap();
    let publisher = house.publisher(broker.config());
    let messages = platform.until(|all| all.iter().any(|m| m.is_ticket())).await;
    assert_eq!(messages.iter().filter(|m| m.is_evidence()).count(), 1);
    eventually_async("the refusal is written down", async || {
        house.store.outbox_refused(10).await.unwrap().first().is_some_and(|r| r.reason.contains("altered"))
    })
    .await;
    publisher.stop().await;
}

#[tokio::test]
async fn a_host_without_a_broker_is_named() {
    let config = MqttConfig { url: Some(format!("mqtt://127.0.0.1:{}", free_port())), ..MqttConfig::default() };
    let (error, text) = refusal(&config).await;
    assert!(matches!(error, MqttError::Unreachable { .. }), "{error:?}");
    assert!(text.contains("cannot reach mqtt://127.0.0.1:") && text.contains("check mqtt.url"), "{text}");

    let config = MqttConfig { url: Some("mqtt://no-such-host.invalid".into()), ..MqttConfig::default() };
    let (error, _) = refusal(&config).await;
    assert!(matches!(error, MqttError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn something_else_on_the_port_is_no_broker() {
    // What a broker of 3.1.1 only answers (unacceptable protocol version), what a web server says, and silence.
    for answer in [&b"\x20\x02\x00\x01"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b""] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut connect = [0; 2];
            std::io::Read::read_exact(&mut stream, &mut connect).unwrap();
            stream.write_all(answer).unwrap();
        });
        let config = MqttConfig { url: Some(format!("mqtt://127.0.0.1:{port}")), ..MqttConfig::default() };
        let (error, text) = refusal(&config).await;
        assert!(matches!(error, MqttError::NotMqtt5 { .. }), "{answer:?}: {error:?}");
        assert!(text.contains("does not answer as an MQTT 5 broker"), "{text}");
        server.join().unwrap();
    }
}

#[tokio::test]
async fn two_nodes_with_one_id_are_told_apart() {
    let broker = Mosquitto::open();
    let (first, second) = (House::new().await, House::new().await);
    let one = first.publisher(broker.config());
    eventually_async("the first is there", async || broker.log().contains("as gridwatch-xh-03")).await;
    let other = second.publisher(broker.config());
    let met = async || broker.log().contains("already connected, closing old connection");
    eventually_async("they met", met).await;
    other.kill().await;
    one.kill().await;
}
