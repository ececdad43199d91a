//! The platform at a broker: hears with a persistent session, says what the script has it say, and says again what the
//! broker did not acknowledge.
//!
//! A message is settled once the platform has taken it in, so what comes while it is away, or while the connection is
//! being made anew, comes later. All that waits to be acknowledged fits one window; the rest stays with the cases that it
//! is about.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use domain::{Millis, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Goal, Heard, Misread, Platform, Say, outbound::CLOUDEVENTS, read};
use crate::{
    blocking::blocking,
    mqtt::{Link, Message, MqttConfig, MqttError, News, Outgoing, Retain, Subscription, Verdict, jittered_pause},
};

/// The largest packet that is taken: a picture in full resolution, with room to spare.
const MAX_PACKET_SIZE: u32 = 32 << 20;
/// How long a platform's word is kept for a gridwatch that is away.
const EXPIRY: Millis = Millis::mins(24 * 60);
/// The longest sleep while there is nothing to do.
const IDLE: Duration = Duration::from_secs(60);
/// How long the last messages may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// Where the platform is, and what it listens to.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The broker.
    pub mqtt: MqttConfig,
    /// Its client id; the session that the broker keeps belongs to it.
    pub client_id: String,
    /// Only this district, 6 digits; all where absent.
    pub district: Option<String>,
    /// Where pictures are put, as `SHA256.jpg`; nowhere where absent.
    pub pictures: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// So many cases got as far as was asked for.
    Reached,
    /// It was told to stop.
    Stopped,
}

/// The platform with its connection.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    subscription: Subscription,
    platform: Platform,
    /// What the broker has not acknowledged, in the order of saying.
    unsent: BTreeMap<u64, Say>,
    said: u64,
    /// What was wrong last, so that it is told once.
    trouble: Option<String>,
}

impl Client {
    /// A platform that has not connected yet.
    ///
    /// # Errors
    /// When the configuration cannot be right; names the key and the remedy.
    pub fn new(config: ClientConfig, platform: Platform) -> Result<Self, MqttError> {
        config.mqtt.check()?;
        let district = config.district.as_deref().unwrap_or("+");
        let area = format!("gridwatch/v1/{district}/+");
        let filters = vec![
            format!("{area}/+/evidence/+"),
            format!("{area}/ticket/#"),
            format!("{area}/+/cleared/+"),
            "gridwatch/v1/node/+/problem".to_owned(),
        ];
        let subscription = Subscription { max_packet_size: MAX_PACKET_SIZE, ..Subscription::new(filters) };
        Ok(Self { config, subscription, platform, unsent: BTreeMap::new(), said: 0, trouble: None })
    }

    /// What it knows.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Plays until `goal` is reached or `stop` is cancelled. A broker that is away is waited for.
    pub async fn run(&mut self, goal: Option<Goal>, stop: &CancellationToken) -> Ended {
        let mut attempts = 0_u32;
        loop {
            let connecting =
                Link::connect(&self.config.mqtt, &self.config.client_id, None, Some(self.subscription.clone()));
            let error = match stop.run_until_cancelled(connecting).await {
                None => return Ended::Stopped,
                Some(Err(error)) => error,
                Some(Ok(mut link)) => {
                    attempts = 0;
                    match self.serve(&mut link, goal, stop).await {
                        Ok(ended) => {
                            self.leave(link).await;
                            return ended;
                        }
                        Err(error) => error,
                    }
                }
            };
            self.report(&error);
            if matches!(error, MqttError::TakenOver { .. }) {
                attempts = attempts.max(5);
            }
            let pause = tokio::time::sleep(jittered_pause(attempts));
            attempts = attempts.saturating_add(1);
            if stop.run_until_cancelled(pause).await.is_none() {
                return Ended::Stopped;
            }
        }
    }

    /// One connection.
    async fn serve(
        &mut self,
        link: &mut Link<u64>,
        goal: Option<Goal>,
        stop: &CancellationToken,
    ) -> Result<Ended, MqttError> {
        self.trouble = None;
        info!(broker = %link.report().broker, "the platform is connected");
        // What the last connection took along may not have arrived.
        let again: Vec<u64> = self.unsent.keys().copied().collect();
        for number in again {
            self.publish(link, number);
        }
        loop {
            self.speak(link);
            if goal.is_some_and(|goal| self.platform.has_reached(goal)) {
                return Ok(Ended::Reached);
            }
            let now = wall_clock();
            let rest = self.platform.wakes_at().map_or(IDLE, |at| at.since(now).to_duration().min(IDLE));
            let may_speak = self.has_room(link);
            tokio::select! {
                news = link.next() => self.take_in(link, news?).await,
                // Without room the next acknowledgement wakes us.
                () = tokio::time::sleep(rest), if may_speak => {}
                () = stop.cancelled() => return Ok(Ended::Stopped),
            }
        }
    }

    fn has_room(&self, link: &Link<u64>) -> bool {
        link.room() > 0 && self.unsent.len() < usize::from(self.config.mqtt.inflight)
    }

    /// Says what is due, as far as there is room.
    fn speak(&mut self, link: &mut Link<u64>) {
        while self.has_room(link) {
            let Some(say) = self.platform.say(wall_clock()) else { return };
            self.said += 1;
            self.unsent.insert(self.said, say);
            self.publish(link, self.said);
        }
    }

    fn publish(&mut self, link: &mut Link<u64>, number: u64) {
        let Some(say) = self.unsent.get(&number) else { return };
        let outgoing = Outgoing {
            topic: say.topic.clone(),
            payload: say.payload.clone(),
            content_type: CLOUDEVENTS.to_owned(),
            properties: Vec::new(),
            retain: Retain::Never,
            expires_after: Some(EXPIRY),
        };
        if !say.about.is_empty() {
            info!(ticket = ticket_of(&say.topic), said = say.about, "the platform speaks");
        }
        if let Err((verdict, number)) = link.publish(outgoing, number) {
            self.settle(number, verdict);
        }
    }

    /// What is refused for now stays, and goes with the next connection.
    fn settle(&mut self, number: u64, verdict: Verdict) {
        match verdict {
            Verdict::Taken | Verdict::Unheard => {
                self.unsent.remove(&number);
            }
            Verdict::Later(reason) => warn!(reason, "the broker did not take a message of the platform for now"),
            Verdict::Never(reason) => {
                self.unsent.remove(&number);
                warn!(reason, "the broker refused a message of the platform");
            }
        }
    }

    async fn take_in(&mut self, link: &mut Link<u64>, news: News<u64>) {
        match news {
            News::Settled(number, verdict) => self.settle(number, verdict),
            News::Subscribed(refused) => refused.iter().for_each(|error| warn!(%error, "the platform is deaf")),
            News::Heard(message) => {
                let receipt = message.receipt;
                let heard = self.understood(*message).await;
                match &heard {
                    Err(error) => warn!(%error, "a message is not as the contract says"),
                    Ok(None) => {}
                    Ok(Some(Heard::Checked(check))) => {
                        info!(ticket = %check.ticket, result = ?check.result, "the platform hears of a second look");
                    }
                    Ok(Some(heard)) => debug!(?heard, "heard"),
                }
                if let Some(heard) = heard.transpose() {
                    self.platform.hear(heard, wall_clock());
                }
                link.settle(receipt);
            }
        }
    }

    async fn understood(&self, message: Message) -> Result<Option<Heard>, Misread> {
        let folder = self.config.pictures.clone();
        let work = move || {
            let heard = read(&message.topic, &message.payload);
            if let (Ok(Some(Heard::Picture { named, found })), Some(folder)) = (&heard, folder)
                && named == found
                && let Err(error) = keep(&folder, &named.to_string(), &message.payload)
            {
                warn!(folder = %folder.display(), %error, "a picture cannot be kept");
            }
            heard
        };
        // A digest over megabytes takes milliseconds: not on this thread.
        blocking(work).await
    }

    /// Waits a moment for what is on its way, and leaves in order.
    async fn leave(&mut self, mut link: Link<u64>) {
        let deadline = Instant::now() + FAREWELL;
        while !self.unsent.is_empty() {
            match tokio::time::timeout_at(deadline, link.next()).await {
                Ok(Ok(news)) => self.take_in(&mut link, news).await,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        link.disconnect().await;
    }

    fn report(&mut self, error: &MqttError) {
        let told = error.to_string();
        if self.trouble.as_ref() != Some(&told) {
            warn!(%error, "the platform is not connected");
            self.trouble = Some(told);
        }
    }
}

fn keep(folder: &std::path::Path, digest: &str, bytes: &Bytes) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{digest}.jpg"));
    if path.exists() { Ok(()) } else { std::fs::write(path, bytes) }
}

/// The ticket that a topic of the platform is about.
fn ticket_of(topic: &str) -> &str {
    topic.rsplit('/').nth(1).unwrap_or_default()
}

fn wall_clock() -> Timestamp {
    SystemTime::now().into()
}
