//! A subscriber that comes back: one connection after the other, for ever, with growing pauses between.
//!
//! Messages come in order, each with its receipt; what was not settled when a connection ended comes again with the next
//! one (QoS 1: at least once). Nothing here is lost when a waiting [`Listener::next`] is cancelled.

use std::{pin::Pin, time::Duration};

use tokio::{sync::watch, time::Instant};
use tracing::{debug, info, warn};

use super::{Link, Message, MqttConfig, MqttError, News, Receipt, Subscription};

/// Pauses between attempts to connect, before jitter.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How it stands with what is listened to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Hearing {
    /// Not connected yet.
    #[default]
    Connecting,
    /// Connected, and every filter is subscribed to.
    All,
    /// Connected, but the broker refuses filters.
    Refused(String),
    /// Not connected; this is why.
    Away(String),
}

/// Hears what is published somewhere. It is nobody else's connection: its client id is its own.
pub struct Listener {
    config: MqttConfig,
    client_id: String,
    subscription: Subscription,
    connection: Connection,
    attempts: u32,
    hearing: watch::Sender<Hearing>,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Link<()>, MqttError>> + Send>>;

enum Connection {
    Resting(Instant),
    /// Kept here, so that a cancelled wait does not begin anew.
    Opening(Connecting),
    Open(Box<Link<()>>),
}

impl Listener {
    /// A listener that has not connected yet.
    ///
    /// # Errors
    /// When `config` or a filter cannot be right; names the key and the remedy.
    pub fn new(config: MqttConfig, client_id: String, subscription: Subscription) -> Result<Self, MqttError> {
        subscription.check(&config.check()?)?;
        Ok(Self {
            config,
            client_id,
            subscription,
            connection: Connection::Resting(Instant::now()),
            attempts: 0,
            hearing: watch::Sender::default(),
        })
    }

    /// How it stands, now and from now on.
    #[must_use]
    pub fn hearing(&self) -> watch::Receiver<Hearing> {
        self.hearing.subscribe()
    }

    /// The next message. Connects as often as it takes; loses nothing when cancelled.
    pub async fn next(&mut self) -> Message {
        loop {
            match &mut self.connection {
                Connection::Resting(until) => {
                    tokio::time::sleep_until(*until).await;
                    let (config, client_id) = (self.config.clone(), self.client_id.clone());
                    let subscription = self.subscription.clone();
                    self.connection = Connection::Opening(Box::pin(async move {
                        Link::connect(&config, &client_id, None, Some(subscription)).await
                    }));
                }
                Connection::Opening(opening) => match opening.await {
                    Ok(link) => self.connection = Connection::Open(Box::new(link)),
                    Err(error) => self.rest(&error),
                },
                Connection::Open(link) => match link.next().await {
                    Ok(News::Heard(message)) => return *message,
                    Ok(news) => self.note(news),
                    Err(error) => self.rest(&error),
                },
            }
        }
    }

    /// A message that is here already.
    pub fn try_next(&mut self) -> Option<Message> {
        while let Connection::Open(link) = &mut self.connection {
            match link.try_next()? {
                Ok(News::Heard(message)) => return Some(*message),
                Ok(news) => self.note(news),
                Err(error) => self.rest(&error),
            }
        }
        None
    }

    /// The message is safe: the broker may forget it.
    pub fn settle(&mut self, receipt: Receipt) {
        if let Connection::Open(link) = &mut self.connection {
            link.settle(receipt);
        }
    }

    /// Leaves in order; the broker keeps the session for as long as the subscription says.
    pub async fn leave(mut self) {
        if let Connection::Open(link) = &mut self.connection {
            link.disconnect().await;
        }
    }

    fn note(&mut self, news: News<()>) {
        let News::Subscribed(refused) = news else { return };
        self.attempts = 0;
        let reasons: Vec<_> = refused.iter().map(MqttError::to_string).collect();
        if reasons.is_empty() {
            info!(client_id = self.client_id, filters = self.subscription.filters.len(), "listening");
            self.hearing.send_replace(Hearing::All);
        } else {
            for reason in &reasons {
                warn!(client_id = self.client_id, error = reason, "not all is heard");
            }
            self.hearing.send_replace(Hearing::Refused(reasons.join("; ")));
        }
    }

    fn rest(&mut self, error: &MqttError) {
        if let MqttError::TakenOver { .. } = error {
            // Two clients with one id would otherwise throw each other out every second.
            self.attempts = self.attempts.max(5);
        }
        let away = Hearing::Away(error.to_string());
        if self.hearing.send_replace(away.clone()) == away {
            debug!(client_id = self.client_id, %error, "still the same trouble");
        } else {
            warn!(client_id = self.client_id, %error, "nothing is heard");
        }
        self.connection = Connection::Resting(Instant::now() + jittered_pause(self.attempts));
        self.attempts = self.attempts.saturating_add(1);
    }
}

/// How long to wait before the next attempt to connect: exponential, with jitter, so that a thousand nodes do not come
/// back in one moment.
pub(crate) fn jittered_pause(attempts: u32) -> Duration {
    let pause = (FIRST_PAUSE * 2_u32.pow(attempts.min(6))).min(LONGEST_PAUSE);
    pause.mul_f64(rand::random_range(0.5..=1.0))
}
