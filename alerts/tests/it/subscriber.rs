//! The platform's side: a subscriber with a persistent session that writes down all it gets.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::{
    AsyncClient, Event, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{Packet, PublishProperties},
    },
};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::broker::PATIENCE;

#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) topic: String,
    pub(crate) retained: bool,
    pub(crate) payload: Bytes,
    pub(crate) properties: PublishProperties,
}

impl Received {
    pub(crate) fn is_evidence(&self) -> bool {
        self.topic.contains("/evidence/")
    }

    pub(crate) fn is_ticket(&self) -> bool {
        self.topic.ends_with("/ticket/submit")
    }

    pub(crate) fn is_status(&self) -> bool {
        self.topic.ends_with("/status")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).unwrap()
    }

    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.user_properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Subscriber {
    messages: watch::Receiver<Vec<Received>>,
    _task: JoinSet<()>,
}

impl Subscriber {
    pub(crate) async fn new(port: u16, filter: &str) -> Self {
        Self::with_login(port, filter, None).await
    }

    /// Comes back by itself when the broker was away; ready when this returns.
    pub(crate) async fn with_login(port: u16, filter: &str, login: Option<(&str, &str)>) -> Self {
        let mut options = MqttOptions::new(format!("platform-{}", uuid::Uuid::new_v4()), "127.0.0.1", port);
        options
            .set_clean_start(false)
            .set_session_expiry_interval(Some(3600))
            .set_max_packet_size(Some(64 << 20))
            .set_keep_alive(Duration::from_secs(5));
        if let Some((user, password)) = login {
            options.set_credentials(user, password);
        }
        let (client, mut event_loop) = AsyncClient::new(options, 10);
        client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        let (sender, messages) = watch::channel(Vec::new());
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let mut ready = Some(ready);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let _client = client;
            loop {
                match event_loop.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => sender.send_modify(|all| {
                        all.push(Received {
                            topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
                            retained: publish.retain,
                            payload: publish.payload,
                            properties: publish.properties.unwrap_or_default(),
                        });
                    }),
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        if let Some(ready) = ready.take() {
                            ready.send(()).unwrap();
                        }
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        timeout(PATIENCE, is_ready).await.expect("the broker lets the subscriber in").unwrap();
        Self { messages, _task: task }
    }

    /// Waits until `enough` of what has come.
    #[track_caller]
    pub(crate) fn until(&mut self, enough: impl Fn(&[Received]) -> bool) -> impl Future<Output = Vec<Received>> {
        let place = std::panic::Location::caller();
        async move {
            let came = timeout(PATIENCE, self.messages.wait_for(|all| enough(all))).await;
            let came = came.map(|all| all.unwrap().clone());
            match came {
                Ok(all) => all,
                Err(_) => {
                    let topics: Vec<_> = self.messages.borrow().iter().map(|m| m.topic.clone()).collect();
                    panic!("{place}: not within {PATIENCE:?}; came: {topics:#?}");
                }
            }
        }
    }

    /// Waits for `n` messages that are no status.
    #[track_caller]
    pub(crate) fn until_n(&mut self, n: usize) -> impl Future<Output = Vec<Received>> {
        let all = self.until(move |all| all.iter().filter(|m| !m.is_status()).count() >= n);
        async move { all.await.into_iter().filter(|m| !m.is_status()).collect() }
    }
}
