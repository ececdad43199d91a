//! A device that publishes, through whatever becomes of the broker.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rumqttc::v5::{Client, Connection, Event, MqttOptions, mqttbytes::QoS};

/// Messages that may wait; more find no room while the broker is away.
const WAITING: usize = 256;

pub struct Publisher {
    client: Client,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    pub fn start(broker: SocketAddr, client_id: &str) -> Self {
        let mut options = MqttOptions::new(client_id, broker.ip().to_string(), broker.port());
        options.set_keep_alive(Duration::from_secs(10));
        let (client, connection) = Client::new(options, WAITING);
        let ended = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let ended = Arc::clone(&ended);
            move || deliver(connection, &ended)
        });
        Self { client, ended, thread: Some(thread) }
    }

    /// At QoS 1. What finds no room is left out, as a device leaves it out.
    pub fn publish(&self, topic: &str, payload: &str) {
        let _ = self.client.try_publish(topic, QoS::AtLeastOnce, false, payload.to_owned());
    }
}

fn deliver(mut connection: Connection, ended: &AtomicBool) {
    for event in connection.iter() {
        match event {
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return,
            Ok(_) => {}
            Err(_) if ended.load(Ordering::Relaxed) => return,
            // The broker is away: the tests do that on purpose.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.client.disconnect();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
