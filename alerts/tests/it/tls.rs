//! TLS with certificates that `openssl` makes for the test.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use alerts::mqtt::{MqttConfig, MqttError, probe};

use crate::{broker::Mosquitto, fixture::House, subscriber::Subscriber};

fn openssl(dir: &Path, arguments: &str) {
    let status = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("openssl is installed");
    assert!(status.success(), "openssl {arguments}");
}

/// A CA and what it signed: the broker's certificate for 127.0.0.1 and one of ours.
fn certificates(dir: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for ca in ["ca", "other"] {
        openssl(dir, &format!("req -x509 {key} -keyout {ca}.key -out {ca}.pem -days 2 -subj /CN={ca}"));
    }
    for (name, alternative) in [("broker", "IP:127.0.0.1"), ("node", "DNS:xh-03")] {
        openssl(dir, &format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        std::fs::write(dir.join("extensions"), format!("subjectAltName={alternative}\n")).unwrap();
        openssl(
            dir,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 \
                 -extfile extensions"
            ),
        );
    }
}

const SERVER: &str = "allow_anonymous true\ncertfile {dir}/broker.pem\nkeyfile {dir}/broker.key";

fn broker(config: &str) -> Mosquitto {
    let mut broker = Mosquitto::stopped(config);
    certificates(broker.dir.path());
    broker.start();
    broker
}

fn config(broker: &Mosquitto, ca: &str) -> MqttConfig {
    MqttConfig {
        url: Some(format!("mqtts://127.0.0.1:{}", broker.port)),
        ca_file: Some(broker.dir.path().join(ca)),
        ..MqttConfig::default()
    }
}

#[track_caller]
fn check(error: &MqttError, part: &str) {
    assert!(matches!(error, MqttError::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains(part), "{error}");
}

#[tokio::test]
async fn a_ticket_goes_over_tls() {
    let broker = broker(
        &format!("{SERVER}\nlistener {{port2}} 127.0.0.1\nallow_anonymous true")
            .replace("{port2}", &crate::broker::free_port().to_string()),
    );
    let plain_port: u16 = std::fs::read_to_string(broker.dir.path().join("mosquitto.conf"))
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("listener ")?.split(' ').next()?.parse().ok())
        .next_back()
        .unwrap();
    let house = House::new().await;
    let mut platform = Subscriber::new(plain_port, "gridwatch/#").await;
    let publisher = house.publisher(config(&broker, "ca.pem"));
    house.open_ticket(1, &[300_000]).await;
    platform.until_n(2).await;
    publisher.stop().await;
}

#[tokio::test]
async fn a_ca_that_did_not_sign_is_named_with_the_remedy() {
    let broker = broker(SERVER);
    let error = probe(&config(&broker, "other.pem"), "probe").await.unwrap_err();
    check(&error, "set mqtt.ca_file to the certificate of the CA");
    let error = probe(&MqttConfig { ca_file: None, ..config(&broker, "") }, "probe").await.unwrap_err();
    assert!(error.to_string().contains("ca_file"), "{error}");
}

#[tokio::test]
async fn a_name_that_the_certificate_does_not_bear_is_named() {
    let broker = broker(SERVER);
    let wrong = MqttConfig { url: Some(format!("mqtts://localhost:{}", broker.port)), ..config(&broker, "ca.pem") };
    check(&probe(&wrong, "probe").await.unwrap_err(), "name the broker in mqtt.url as its certificate does");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_wanted() {
    let broker = broker(&format!("{SERVER}\ncafile {{dir}}/ca.pem\nrequire_certificate true"));
    let without = config(&broker, "ca.pem");
    check(&probe(&without, "probe").await.unwrap_err(), "set mqtt.client_cert and mqtt.client_key");
    let file = |name: &str| Some(broker.dir.path().join(name));
    let with = MqttConfig { client_cert: file("node.pem"), client_key: file("node.key"), ..without.clone() };
    probe(&with, "probe").await.unwrap();
    let mixed = MqttConfig { client_cert: file("node.pem"), client_key: file("broker.key"), ..without };
    let error = probe(&mixed, "probe").await.unwrap_err();
    assert!(error.to_string().contains("mqtt.client_cert and mqtt.client_key cannot be used"), "{error}");
}

#[tokio::test]
async fn tls_to_a_plain_port_and_plain_to_a_tls_port_are_told() {
    let plain = Mosquitto::open();
    certificates(plain.dir.path());
    check(&probe(&config(&plain, "ca.pem"), "probe").await.unwrap_err(), "may not speak TLS");
    let tls = broker(SERVER);
    let error = probe(&tls.config(), "probe").await.unwrap_err();
    assert!(error.to_string().contains("expect TLS (mqtts://)"), "{error}");
}

#[tokio::test]
async fn files_that_are_not_what_they_should_be_are_named() {
    let broker = broker(SERVER);
    let missing = probe(&config(&broker, "missing.pem"), "probe").await.unwrap_err().to_string();
    assert!(missing.contains("mqtt.ca_file names") && missing.contains("cannot be read"), "{missing}");
    let key = probe(&config(&broker, "ca.key"), "probe").await.unwrap_err().to_string();
    assert!(key.contains("holds no certificate in PEM form"), "{key}");
}
