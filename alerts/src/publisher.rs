//! Outbox to broker: every message that is on disk reaches the broker at least once, in order within its ticket, and is
//! written down as sent only when the broker has acknowledged it.
//!
//! Expected trouble (broker away, password refused, disk full, picture unreadable) is retried for ever with growing
//! pauses and logged once per change. Beside the outbox go the node's own state (birth, last will, goodbye) and the
//! states of its cameras, which are the only retained messages.

mod cameras;
mod queue;
mod retained;
mod statuses;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use domain::{CameraId, Timestamp};
use futures::future::join_all;
use metrics::{Unit, counter, gauge, histogram};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    AlertsError,
    blocking::blocking,
    evidence::EvidenceStore,
    mqtt::{Link, MqttConfig, MqttError, News, Outgoing, Retain, Verdict, jittered_pause},
    store::Store,
    ticket::{Body, Queued},
    wire::{self, Node, NodeState},
};

pub use cameras::CameraBoard;
use cameras::Status;
use queue::{Outcome, Queue};
use retained::Retained;
pub use statuses::StatusBoard;

/// The pause between attempts to connect while stopping.
const STOPPING_PAUSE: Duration = Duration::from_secs(1);

/// How long a database that refused is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Problems that are read at once.
const PROBLEMS: usize = 16;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Says what this module's metrics mean.
pub(crate) fn describe_metrics() {
    metrics::describe_gauge!("gridwatch_mqtt_connected", "1 while the broker is connected, else 0");
    metrics::describe_counter!(
        "gridwatch_mqtt_published_total",
        "messages that the broker acknowledged, by what they are (evidence, event, problem, status)"
    );
    metrics::describe_counter!(
        "gridwatch_mqtt_publish_errors_total",
        "messages that were refused or could not be read, by reason; all but the permanent ones are sent again"
    );
    metrics::describe_counter!(
        "gridwatch_mqtt_unheard_total",
        "events that the broker acknowledged although nobody had subscribed to them"
    );
    metrics::describe_counter!("gridwatch_mqtt_connects_total", "connections to the broker that came about");
    metrics::describe_counter!(
        "gridwatch_mqtt_connection_errors_total",
        "connections to the broker that failed or ended, by reason"
    );
    metrics::describe_histogram!(
        "gridwatch_mqtt_delivery_seconds",
        Unit::Seconds,
        "from a message's appearance in the outbox (or this process's start) to the broker's acknowledgement"
    );
}

/// Sends what is in the outbox.
#[derive(Debug)]
pub struct Publisher {
    config: MqttConfig,
    client_id: String,
    node: Node,
    store: Store,
    evidence: EvidenceStore,
    cameras: CameraBoard,
    statuses: StatusBoard,
    retained: Retained,
    outbox: watch::Receiver<u64>,
    queue: Queue,
    problems: Problems,
    /// The outbox holds more than was read.
    more: bool,
    /// When the database may be tried again after it failed.
    store_rests_until: Option<Instant>,
    /// When to give up after having been told to stop.
    deadline: Option<Instant>,
    /// What was wrong last, so that it is logged once.
    trouble: Option<String>,
    unheard: bool,
    connection: watch::Sender<Connection>,
}

/// What came in that nobody understands, on its way to the broker.
#[derive(Debug)]
struct Problems {
    /// The last that went out over this connection.
    last: i64,
    /// Those that the broker has, not yet written down.
    told: Vec<i64>,
    /// There may be more.
    more: bool,
}

impl Default for Problems {
    fn default() -> Self {
        Self { last: 0, told: Vec::new(), more: true }
    }
}

/// Whether there is a connection to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// There is one.
    Up,
    /// There is none, at this moment.
    Down,
}

/// What a verdict is about.
#[derive(Debug)]
enum Token {
    Message(i64),
    Problem(i64),
    Camera(CameraId),
    /// What stood under this topic is taken back.
    TakenBack(String),
    Status(String),
    Node,
}

/// How a connection ended.
enum End {
    /// On purpose: all is sent, or the time is up.
    Stopped,
    /// By itself.
    Lost { error: MqttError, delivered: Delivered },
}

/// Whether a connection was good for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivered {
    Something,
    Nothing,
}

impl Publisher {
    /// A publisher of `store`'s outbox. Connects to nothing yet.
    ///
    /// # Errors
    /// When `config` cannot be right; names the key and the remedy.
    pub fn new(config: MqttConfig, node: Node, store: Store, evidence: EvidenceStore) -> Result<Self, MqttError> {
        config.check()?;
        let client_id = config.client_id.clone().unwrap_or_else(|| format!("gridwatch-{}", node.id));
        Ok(Self {
            client_id,
            outbox: store.outbox_changed(),
            config,
            node,
            store,
            evidence,
            cameras: CameraBoard::default(),
            statuses: StatusBoard::default(),
            retained: Retained::default(),
            queue: Queue::default(),
            problems: Problems::default(),
            more: true,
            store_rests_until: None,
            deadline: None,
            trouble: None,
            unheard: false,
            connection: watch::Sender::new(Connection::Down),
        })
    }

    /// Where the states of cameras are put, to be published whenever they change.
    #[must_use]
    pub fn cameras(&self) -> CameraBoard {
        self.cameras.clone()
    }

    /// Where other states are put, to be published whenever they change.
    #[must_use]
    pub fn statuses(&self) -> StatusBoard {
        self.statuses.clone()
    }

    /// Whether the broker is connected, now and from now on.
    #[must_use]
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.subscribe()
    }

    fn connected(&self, connection: Connection) {
        gauge!("gridwatch_mqtt_connected").set(if connection == Connection::Up { 1.0 } else { 0.0 });
        self.connection.send_replace(connection);
    }

    /// Sends until `stop` is cancelled, then what is left, for at most `drain`, and says goodbye. Cancel it after
    /// whatever fills the outbox has ended.
    pub async fn run(mut self, stop: CancellationToken) {
        self.connected(Connection::Down);
        let mut attempts = 0_u32;
        while let End::Lost { error, delivered } = self.session(&stop).await {
            self.connected(Connection::Down);
            self.queue.connection_lost();
            self.report(&error);
            attempts = match (delivered, &error) {
                // Two nodes with one id would otherwise throw each other out every second.
                (_, MqttError::TakenOver { .. }) => attempts.max(5),
                (Delivered::Something, _) => 0,
                (Delivered::Nothing, _) => attempts,
            };
            let pause = if self.deadline.is_some() { STOPPING_PAUSE } else { jittered_pause(attempts) };
            attempts = attempts.saturating_add(1);
            if self.unless_stopped(&stop, tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        self.write_settled().await;
        self.connected(Connection::Down);
        if self.queue.is_empty() && !self.more {
            info!("publisher stopped, all is sent");
        } else {
            warn!("publisher stopped before all was sent; the rest stays on disk for the next start");
        }
    }

    /// Waits for `future`; none when we were told to stop and there is nothing left to send or no time.
    async fn unless_stopped<F: Future>(&mut self, stop: &CancellationToken, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        loop {
            let deadline = self.deadline;
            tokio::select! {
                output = &mut future => return Some(output),
                () = stop.cancelled(), if deadline.is_none() => {
                    self.start_draining();
                    self.write_settled().await;
                    self.read_outbox().await;
                    if self.queue.is_empty() && !self.more {
                        return None;
                    }
                }
                () = sleep_until(deadline), if deadline.is_some() => return None,
            }
        }
    }

    fn start_draining(&mut self) {
        self.deadline = Some(Instant::now() + self.config.drain.to_duration());
    }

    /// One connection, from CONNECT to its end.
    async fn session(&mut self, stop: &CancellationToken) -> End {
        let online_since = wall_clock();
        let will = self.node_status(NodeState::Lost, online_since);
        let (config, client_id) = (self.config.clone(), self.client_id.clone());
        let mut link = match self.unless_stopped(stop, Link::connect(&config, &client_id, Some(&will), None)).await {
            None => return End::Stopped,
            Some(Ok(link)) => link,
            Some(Err(error)) => return End::Lost { error, delivered: Delivered::Nothing },
        };
        self.trouble = None;
        counter!("gridwatch_mqtt_connects_total").increment(1);
        self.connected(Connection::Up);
        info!(broker = %link.report().broker, inflight = link.report().receive_maximum, "connected to the broker");
        self.cameras.say_all_again();
        self.retained.say_all_again();
        (self.problems.last, self.problems.more) = (0, true);
        self.statuses.say_all_again();
        let mut delivered = Delivered::Nothing;
        let birth = self.node_status(NodeState::Online, online_since);
        if let Err((verdict, token)) = link.publish(birth, Token::Node) {
            self.settle(token, verdict);
        }
        if let Err(error) = self.serve(stop, &mut link, &mut delivered).await {
            return End::Lost { error, delivered };
        }
        self.say_goodbye(&mut link, online_since).await;
        End::Stopped
    }

    /// Sends whatever there is until told to stop and drained, or until the connection ends.
    async fn serve(
        &mut self,
        stop: &CancellationToken,
        link: &mut Link<Token>,
        delivered: &mut Delivered,
    ) -> Result<(), MqttError> {
        loop {
            self.write_settled().await;
            self.read_outbox().await;
            self.send_messages(link).await;
            self.send_problems(link).await;
            self.send_cameras(link).await;
            self.send_statuses(link);
            if let Some(deadline) = self.deadline {
                let drained = link.on_their_way() == 0 && self.queue.settled().next().is_none();
                if drained || deadline <= Instant::now() {
                    return Ok(());
                }
            }
            if self.queue.settled().next().is_some() && self.store_rests_until.is_none() {
                // A message was refused before it was sent: that is written down at once.
                continue;
            }
            let alarm = [self.queue.wakes_at(Instant::now()), self.store_rests_until, self.deadline]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                news = link.next() => {
                    let news = news?;
                    *delivered = Delivered::Something;
                    self.hear(link, news);
                    // One transaction writes down all that has arrived.
                    while let Some(news) = link.try_next() {
                        self.hear(link, news?);
                    }
                }
                changed = self.outbox.changed(), if !self.more => {
                    // The sender lives in the store, which lives in here.
                    changed.expect("the store is not gone");
                    self.more = true;
                    self.problems.more = true;
                }
                () = self.cameras.news(), if link.room() > 0 => {}
                () = self.statuses.news(), if link.room() > 0 => {}
                () = stop.cancelled(), if self.deadline.is_none() => self.start_draining(),
                () = sleep_until(alarm), if alarm.is_some() => {}
            }
        }
    }

    fn hear(&mut self, link: &mut Link<Token>, news: News<Token>) {
        match news {
            News::Settled(token, verdict) => self.settle(token, verdict),
            // Nothing is subscribed to: a session that the broker kept from elsewhere speaks.
            News::Heard(message) => link.settle(message.receipt),
            News::Subscribed(_) => {}
        }
    }

    /// Writes down what the broker took and what it will never take.
    async fn write_settled(&mut self) {
        if self.store_rests() {
            return;
        }
        let mut taken = Vec::new();
        let mut refused = Vec::new();
        for (seq, outcome) in self.queue.settled() {
            match outcome {
                Outcome::Taken => taken.push(seq),
                Outcome::Refused(reason) => refused.push((seq, reason.clone())),
            }
        }
        if !taken.is_empty() {
            match self.store.outbox_sent(&taken, wall_clock()).await {
                Ok(()) => self.queue.written(&taken),
                Err(error) => return self.store_failed(&error),
            }
        }
        if !self.problems.told.is_empty() {
            match self.store.problems_told(&self.problems.told, wall_clock()).await {
                Ok(()) => self.problems.told.clear(),
                Err(error) => return self.store_failed(&error),
            }
        }
        let current = || self.cameras.topics(&self.node);
        let forgettable = self.retained.forgettable(current);
        if !forgettable.is_empty() {
            match self.store.forget_retained(forgettable).await {
                Ok(()) => self.retained.are_forgotten(),
                Err(error) => return self.store_failed(&error),
            }
        }
        for (seq, reason) in refused {
            match self.store.outbox_failed(seq, &reason, wall_clock()).await {
                Ok(()) => self.queue.written(&[seq]),
                Err(error) => return self.store_failed(&error),
            }
        }
    }

    /// Takes in what the outbox holds, as far as there is room.
    async fn read_outbox(&mut self) {
        let room = self.queue.room();
        if !self.more || room == 0 || self.store_rests() {
            return;
        }
        // Whatever is put in from here on is seen by the next reading.
        self.outbox.mark_unchanged();
        match self.store.outbox_next(self.queue.last_seq(), u32::try_from(room).unwrap_or(u32::MAX)).await {
            Ok(messages) => {
                self.more = messages.len() == room;
                let now = Instant::now();
                messages.into_iter().for_each(|message| self.queue.push(message, now));
            }
            Err(error) => self.store_failed(&error),
        }
    }

    async fn send_messages(&mut self, link: &mut Link<Token>) {
        let mut batch = Vec::new();
        while batch.len() < link.room()
            && let Some(queued) = self.queue.next(Instant::now()).cloned()
        {
            self.queue.sent(queued.seq);
            batch.push(queued);
        }
        // Side by side: one picture after the other would be read more slowly than a broker takes them.
        let payloads = join_all(batch.iter().map(|queued| self.payload(queued))).await;
        for (queued, payload) in batch.into_iter().zip(payloads) {
            let payload = match payload {
                Ok(payload) => payload,
                Err(error) => {
                    self.unreadable(&queued, &error);
                    continue;
                }
            };
            let Queued { seq, message, .. } = queued;
            let outgoing = Outgoing {
                topic: message.topic,
                payload,
                content_type: message.content_type,
                properties: message.properties,
                retain: Retain::Never,
                expires_after: message.expires_after,
            };
            if let Err((verdict, token)) = link.publish(outgoing, Token::Message(seq)) {
                self.settle(token, verdict);
            }
        }
    }

    async fn payload(&self, queued: &Queued) -> Result<Bytes, AlertsError> {
        match &queued.message.body {
            Body::Inline(bytes) => Ok(bytes.clone()),
            Body::Evidence(sha256) => {
                let (evidence, sha256) = (self.evidence.clone(), *sha256);
                // Reading and hashing megabytes takes milliseconds: not on this thread.
                blocking(move || evidence.get(&sha256)).await
            }
        }
    }

    /// A picture that is gone or altered can never be sent; any other failure may pass.
    fn unreadable(&mut self, queued: &Queued, error: &AlertsError) {
        let (seq, ticket) = (queued.seq, queued.ticket);
        counter!("gridwatch_mqtt_publish_errors_total", "reason" => "evidence").increment(1);
        match error {
            AlertsError::EvidenceMissing { .. } | AlertsError::EvidenceAltered { .. } => {
                error!(%error, ticket = ticket.map(tracing::field::display), "a picture cannot be sent");
                self.queue.refused(seq, error.to_string());
            }
            _ => {
                warn!(%error, ticket = ticket.map(tracing::field::display), "a picture cannot be read; it is tried again");
                self.queue.later(seq, Instant::now());
            }
        }
    }

    /// Tells what came in that nobody understands, once tickets have gone.
    async fn send_problems(&mut self, link: &mut Link<Token>) {
        let room = link.room().min(PROBLEMS);
        if !self.problems.more || room == 0 || self.store_rests() {
            return;
        }
        let untold = match self.store.problems_untold(self.problems.last, room as u32).await {
            Ok(untold) => untold,
            Err(error) => return self.store_failed(&error),
        };
        self.problems.more = untold.len() == room;
        for (number, problem) in untold {
            self.problems.last = number;
            let (topic, payload) = wire::problem_message(number, &problem, &self.node);
            let outgoing = Outgoing {
                topic,
                payload,
                content_type: wire::CLOUDEVENTS.to_owned(),
                properties: Vec::new(),
                retain: Retain::Never,
                expires_after: Some(wire::MESSAGE_EXPIRY),
            };
            if let Err((verdict, token)) = link.publish(outgoing, Token::Problem(number)) {
                self.settle(token, verdict);
            }
        }
    }

    async fn send_cameras(&mut self, link: &mut Link<Token>) {
        self.find_stale().await;
        let current = || self.cameras.topics(&self.node);
        // An empty retained message takes the one before back (MQTT 5, 3.3.1.3).
        let take_back = |topic: String| (topic.clone(), Bytes::new(), Token::TakenBack(topic));
        let mut batch: Vec<_> = self.retained.stale(link.room(), current).into_iter().map(take_back).collect();
        for status in self.cameras.take(link.room().saturating_sub(batch.len())) {
            batch.push(match status {
                Status::State(report, place) => {
                    let topic = wire::camera_status_topic(place.as_ref(), &self.node, &report.id);
                    self.retained.says(&topic);
                    (topic, wire::camera_status(&report, &self.node).payload(), Token::Camera(report.id))
                }
                Status::Gone(camera, place) => {
                    take_back(wire::camera_status_topic(place.as_ref(), &self.node, &camera))
                }
            });
        }
        self.note_retained().await;
        for (topic, payload, token) in batch {
            if let Err((verdict, token)) = link.publish(status_message(topic, payload), token) {
                self.settle(token, verdict);
            }
        }
    }

    /// Looks, once it is known which cameras there are, for what an earlier run said of others.
    async fn find_stale(&mut self) {
        if self.retained.knows_stale() || !self.cameras.is_complete() || self.store_rests() {
            return;
        }
        match self.store.retained_topics().await {
            Ok(noted) => {
                let topics = self.retained.find_stale(noted, &self.cameras.topics(&self.node));
                if topics > 0 {
                    info!(topics, "states of cameras that were removed meanwhile are taken back from the broker");
                }
            }
            Err(error) => self.store_failed(&error),
        }
    }

    /// Writes where the broker is to hold states, before it does. Where the database does not answer they are told all the same,
    /// and written when it does.
    async fn note_retained(&mut self) {
        if self.retained.unnoted().is_empty() || self.store_rests() {
            return;
        }
        match self.store.note_retained(self.retained.unnoted()).await {
            Ok(()) => self.retained.are_noted(),
            Err(error) => self.store_failed(&error),
        }
    }

    fn send_statuses(&mut self, link: &mut Link<Token>) {
        for (topic, payload) in self.statuses.take(link.room()) {
            let token = Token::Status(topic.clone());
            if let Err((verdict, token)) = link.publish(status_message(topic, payload), token) {
                self.settle(token, verdict);
            }
        }
    }

    fn settle(&mut self, token: Token, verdict: Verdict) {
        match (&token, verdict) {
            (Token::Message(seq), Verdict::Taken | Verdict::Unheard) => {
                if let Some(delivery) = self.queue.taken(*seq, Instant::now()) {
                    let what = if delivery.is_event { "event" } else { "evidence" };
                    counter!("gridwatch_mqtt_published_total", "what" => what).increment(1);
                    histogram!("gridwatch_mqtt_delivery_seconds").record(delivery.took.as_secs_f64());
                    if delivery.is_event {
                        if let Some(ticket) = delivery.ticket {
                            info!(%ticket, "the broker has the ticket");
                        }
                        self.note_audience(verdict);
                    }
                }
            }
            (Token::Problem(number), Verdict::Taken | Verdict::Unheard) => {
                self.problems.told.push(*number);
                counter!("gridwatch_mqtt_published_total", "what" => "problem").increment(1);
            }
            (
                Token::Camera(_) | Token::TakenBack(_) | Token::Status(_) | Token::Node,
                Verdict::Taken | Verdict::Unheard,
            ) => {
                if let Token::TakenBack(topic) = &token {
                    self.retained.taken_back(topic);
                }
                counter!("gridwatch_mqtt_published_total", "what" => "status").increment(1);
            }
            (_, Verdict::Later(reason) | Verdict::Never(reason)) => {
                counter!("gridwatch_mqtt_publish_errors_total", "reason" => reason).increment(1);
                self.settle_refusal(token, verdict, reason);
            }
        }
    }

    fn settle_refusal(&mut self, token: Token, verdict: Verdict, reason: &'static str) {
        match (token, verdict) {
            (Token::Message(seq), Verdict::Never(_)) => {
                error!(seq, reason, "the broker will never take this message; see `tickets show`");
                self.queue.refused(seq, format!("the broker refuses it: {reason}"));
            }
            (Token::Message(seq), _) => {
                warn!(seq, reason, "the broker does not take a message now; it is sent again later");
                self.queue.later(seq, Instant::now());
            }
            // It stays in the table, and is told with the next connection unless it never can be.
            (Token::Problem(number), Verdict::Never(_)) => {
                warn!(number, reason, "the broker will never take this problem");
                self.problems.told.push(number);
            }
            (Token::Problem(number), _) => warn!(number, reason, "the broker does not take a problem now"),
            (Token::Camera(camera), _) => warn!(%camera, reason, "the broker refuses a camera's status"),
            (Token::TakenBack(topic) | Token::Status(topic), _) => warn!(topic, reason, "the broker refuses a status"),
            (Token::Node, _) => warn!(reason, "the broker refuses the node's status"),
        }
    }

    /// An event that nobody has subscribed to is in nobody's hands: ops should know, once.
    fn note_audience(&mut self, verdict: Verdict) {
        let unheard = verdict == Verdict::Unheard;
        if unheard {
            counter!("gridwatch_mqtt_unheard_total").increment(1);
        }
        if unheard && !self.unheard {
            warn!("nobody has subscribed to the tickets; the platform needs a persistent session to miss none");
        }
        self.unheard = unheard;
    }

    fn node_status(&self, state: NodeState, online_since: Timestamp) -> Outgoing {
        let status = wire::node_status(&self.node, state, online_since);
        status_message(wire::node_status_topic(&self.node.id), status.payload())
    }

    /// Replaces the birth message before leaving, since the will is not published after a clean end.
    async fn say_goodbye(&mut self, link: &mut Link<Token>, online_since: Timestamp) {
        let status = self.node_status(NodeState::Stopped(wall_clock()), online_since);
        if link.publish(status, Token::Node).is_ok() {
            let heard = async {
                while let Ok(news) = link.next().await {
                    let said = matches!(news, News::Settled(Token::Node, _));
                    self.hear(link, news);
                    if said {
                        break;
                    }
                }
            };
            if tokio::time::timeout(GOODBYE, heard).await.is_err() {
                debug!("the broker did not acknowledge the goodbye in time");
            }
        }
        link.disconnect().await;
    }

    fn store_rests(&mut self) -> bool {
        if self.store_rests_until.is_some_and(|until| until <= Instant::now()) {
            self.store_rests_until = None;
        }
        self.store_rests_until.is_some()
    }

    fn store_failed(&mut self, error: &AlertsError) {
        counter!("gridwatch_mqtt_publish_errors_total", "reason" => "store").increment(1);
        self.store_rests_until = Some(Instant::now() + STORE_PAUSE);
        self.note_trouble(error.to_string());
    }

    fn report(&mut self, error: &MqttError) {
        counter!("gridwatch_mqtt_connection_errors_total", "reason" => error.label()).increment(1);
        self.note_trouble(error.to_string());
    }

    fn note_trouble(&mut self, trouble: String) {
        if self.trouble.as_deref() == Some(&trouble) {
            debug!(error = trouble, "still the same trouble");
        } else {
            warn!(error = trouble, "tickets wait on disk");
            self.trouble = Some(trouble);
        }
    }
}

fn status_message(topic: String, payload: Bytes) -> Outgoing {
    Outgoing {
        topic,
        payload,
        content_type: wire::JSON.to_owned(),
        properties: Vec::new(),
        retain: Retain::Status,
        expires_after: None,
    }
}

/// For ever where there is no alarm.
async fn sleep_until(alarm: Option<Instant>) {
    match alarm {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn wall_clock() -> Timestamp {
    SystemTime::now().into()
}
