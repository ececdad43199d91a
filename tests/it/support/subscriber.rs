//! A platform's side of the broker: everything that arrives, in order.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::Sha256;
use rumqttc::v5::{
    Client, Connection, Event, Incoming, MqttOptions,
    mqttbytes::{QoS, v5::Filter},
};
use serde_json::Value;

use super::wait_for;

#[derive(Debug, Clone)]
pub struct Message {
    pub topic: String,
    pub retain: bool,
    pub payload: Vec<u8>,
}

impl Message {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).expect("JSON")
    }
}

/// Collects every message under `#` from the moment that it is subscribed.
pub struct Subscriber {
    messages: Arc<Mutex<Vec<Message>>>,
    client: Client,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Subscriber {
    pub fn connect(broker: SocketAddr, credentials: Option<(&str, &str)>) -> Self {
        Self::start(broker, credentials, Manners::Silent)
    }

    /// One that acknowledges each ticket, as the platform does.
    pub fn acknowledging(broker: SocketAddr) -> Self {
        Self::start(broker, None, Manners::Acknowledging)
    }

    fn start(broker: SocketAddr, credentials: Option<(&str, &str)>, manners: Manners) -> Self {
        let mut options = MqttOptions::new("platform", broker.ip().to_string(), broker.port());
        options
            .set_max_packet_size(Some(64 * 1024 * 1024))
            .set_keep_alive(Duration::from_secs(10))
            .set_clean_start(false);
        let mut properties = rumqttc::v5::mqttbytes::v5::ConnectProperties::new();
        properties.session_expiry_interval = Some(600);
        properties.max_packet_size = Some(64 * 1024 * 1024);
        options.set_connect_properties(properties);
        if let Some((user, password)) = credentials {
            options.set_credentials(user, password);
        }
        let (client, connection) = Client::new(options, 64);
        let messages = Arc::new(Mutex::new(Vec::new()));
        let subscribed = Arc::new(Mutex::new(false));
        let thread = std::thread::spawn({
            let (client, messages, subscribed) = (client.clone(), Arc::clone(&messages), Arc::clone(&subscribed));
            move || collect(&client, connection, &messages, &subscribed, manners)
        });
        wait_for("the subscription", Duration::from_secs(10), || subscribed.lock().expect("lock").then_some(()));
        Self { messages, client, thread: Some(thread) }
    }

    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().expect("lock").clone()
    }

    /// The tickets so far, as JSON.
    pub fn tickets(&self) -> Vec<Value> {
        self.messages().iter().filter(|m| m.topic.ends_with("/ticket/submit")).map(Message::json).collect()
    }

    #[track_caller]
    pub fn wait_for_tickets(&self, n: usize, limit: Duration) -> Vec<Value> {
        wait_for(&format!("{n} tickets"), limit, || Some(self.tickets()).filter(|tickets| tickets.len() >= n))
    }

    /// The digests of all binary messages before the first message that satisfies `until`.
    pub fn pictures_before(&self, until: impl Fn(&Message) -> bool) -> Vec<Sha256> {
        let messages = self.messages();
        messages
            .iter()
            .take_while(|m| !until(m))
            .filter(|m| m.topic.contains("/evidence/"))
            .map(|m| Sha256::of(&m.payload))
            .collect()
    }
}

/// Whether a subscriber answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    Silent,
    Acknowledging,
}

fn collect(
    client: &Client,
    mut connection: Connection,
    messages: &Mutex<Vec<Message>>,
    subscribed: &Mutex<bool>,
    manners: Manners,
) {
    for event in connection.iter() {
        match event {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                if client.subscribe_many([Filter::new("#", QoS::AtLeastOnce)]).is_err() {
                    return;
                }
            }
            Ok(Event::Incoming(Incoming::SubAck(_))) => *subscribed.lock().expect("lock") = true,
            Ok(Event::Incoming(Incoming::Publish(publish))) => {
                let message = Message {
                    topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                    retain: publish.retain,
                    payload: publish.payload.to_vec(),
                };
                if manners == Manners::Acknowledging && message.topic.ends_with("/ticket/submit") {
                    acknowledge(client, &message);
                }
                messages.lock().expect("lock").push(message);
            }
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return,
            Ok(_) => {}
            // The broker is away: the tests do that on purpose.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// An answer that finds no room is left out: the ticket comes again, and is answered then.
fn acknowledge(client: &Client, message: &Message) {
    let ticket = &message.json()["data"]["ticket_id"];
    let id = ticket.as_str().expect("an id");
    let place = message.topic.trim_start_matches("gridwatch/v1/").trim_end_matches("/ticket/submit");
    let answer = serde_json::json!({
        "specversion": "1.0", "id": format!("ack-{id}"), "source": "/grid/test", "type": "cn.grid.ticket.acknowledged.v1",
        "datacontenttype": "application/json", "data": { "ticket_id": ticket, "result": "accepted" },
    });
    let _ = client.try_publish(format!("grid/v1/{place}/ticket/{id}/ack"), QoS::AtLeastOnce, false, answer.to_string());
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
        if let Some(thread) = self.thread.take() {
            // A thread that waits for a broker which is gone for good ends with the process.
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}
