//! One connection to an MQTT 5 broker. The only place that knows `rumqttc`.
//!
//! A [`Link`] lives from CONNECT to the end of its connection and is never reused: rumqttc then never holds more than
//! what is on its way, and the outbox alone decides what is sent again. Each publication carries a token of the
//! caller's, which comes back exactly once with the broker's verdict, or not at all when the connection ends first.
//! A connection may subscribe as well: what it hears comes between the verdicts, and the broker keeps it until it is
//! settled.

mod config;
mod error;
mod incoming;
mod listener;
mod tls;

use std::{collections::VecDeque, io, time::Duration};

use bytes::Bytes;
use domain::Millis;
use rumqttc::{
    TlsConfiguration, Transport as Carrier,
    v5::{
        AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError, TlsError,
        mqttbytes::{
            Error as FormatError, QoS,
            v5::{
                ConnAck, ConnectReturnCode, DisconnectReasonCode, LastWill, LastWillProperties, Packet, PubAckReason,
                Publish, PublishProperties,
            },
        },
    },
};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use config::Transport;
pub use config::{Endpoint, MqttConfig, Resend};
pub use error::MqttError;
pub(crate) use incoming::News;
use incoming::Window;
pub use incoming::{Message, Receipt, Subscription, check_filter};
pub(crate) use listener::jittered_pause;
pub use listener::{Hearing, Listener};

/// TCP, TLS and CONNACK together must be done within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// MQTT 5 allows 65,535 where the broker sends no Receive Maximum (3.2.2.3.3).
const DEFAULT_RECEIVE_MAXIMUM: u16 = u16::MAX;

/// The reason code "Packet too large", which the specification does not list for PUBACK and Mosquitto sends for its
/// `message_size_limit`. rumqttc ends the connection over it, naming it a wrong return code.
const PACKET_TOO_LARGE: u8 = 0x95;

/// A message as it goes onto the wire, with QoS 1.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) content_type: String,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) retain: Retain,
    pub(crate) expires_after: Option<Millis>,
}

/// Whether the broker keeps the message for those who subscribe later. Only a status is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retain {
    Status,
    Never,
}

/// What the broker said to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the broker's now.
    Taken,
    /// It is the broker's, who has nobody to give it to.
    Unheard,
    /// Not now; the same bytes may pass later.
    Later(&'static str),
    /// Never in this form.
    Never(&'static str),
}

/// What a broker allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerReport {
    /// Which broker.
    pub broker: Endpoint,
    /// How many messages may be on their way at once.
    pub receive_maximum: u16,
    /// The largest packet that it takes, in bytes; none where it does not say.
    pub max_packet_size: Option<u32>,
}

/// Connects, looks at what the broker allows, and leaves. For `gridwatch check`.
///
/// # Errors
/// Says which broker, what is wrong and what to do.
pub async fn probe(config: &MqttConfig, client_id: &str) -> Result<BrokerReport, MqttError> {
    let mut link: Link<()> = Link::connect(config, client_id, None, None).await?;
    let report = link.report.clone();
    link.disconnect().await;
    Ok(report)
}

/// A connection and what is on its way over it.
pub(crate) struct Link<T> {
    report: BrokerReport,
    client_id: String,
    client: AsyncClient,
    events: mpsc::Receiver<Result<Event, Box<ConnectionError>>>,
    /// Polls rumqttc's event loop, whose `poll` must not be cancelled half-way; aborted with the link.
    _poller: JoinSet<()>,
    /// Given to rumqttc, no packet id yet.
    queued: VecDeque<T>,
    /// With their packet ids, in the order of sending.
    inflight: VecDeque<(u16, T)>,
    /// What was subscribed to, until the broker has said what it thinks of it.
    subscribing: Option<Subscription>,
    /// What was heard and is not settled.
    window: Window,
    /// When the broker last acknowledged something, or was first given something to acknowledge.
    last_progress: Instant,
    ack_timeout: Duration,
    /// The end of the connection, held back until what came before it has been told.
    ended: Option<MqttError>,
}

impl<T> Link<T> {
    /// Connects. `will` is what the broker publishes, retained, if the connection ends without [`Link::disconnect`].
    /// With a `subscription` the broker keeps what comes while we are away, and the first news but for messages is
    /// [`News::Subscribed`]; without one it is a clean start.
    pub(crate) async fn connect(
        config: &MqttConfig,
        client_id: &str,
        will: Option<&Outgoing>,
        subscription: Option<Subscription>,
    ) -> Result<Self, MqttError> {
        let endpoint = config.check()?;
        let options = options(config, &endpoint, client_id, will, subscription.as_ref())?;
        let window = subscription.as_ref().map_or(0, |s| usize::from(s.window));
        // Room for full windows either way, subscribe and disconnect, and one to spare: a request never waits for the
        // event loop.
        let (client, event_loop) = AsyncClient::new(options, usize::from(config.inflight) + window + 3);
        let (sender, mut events) = mpsc::channel(2 * usize::from(config.inflight) + window + 8);
        let mut poller = JoinSet::new();
        poller.spawn(poll(event_loop, sender));
        let connack = loop {
            match events.recv().await {
                Some(Ok(Event::Incoming(Packet::ConnAck(connack)))) => break connack,
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(on_connect(&endpoint, config, *error)),
                None => return Err(lost(&endpoint, "the event loop ended")),
            }
        };
        if let Some(subscription) = &subscription {
            subscription.check(&endpoint)?;
            client
                .try_subscribe_many(subscription.wire_filters())
                .map_err(|error| lost(&endpoint, format!("subscribing failed: {error}")))?;
        }
        Ok(Self {
            report: report(endpoint, config, &connack),
            client_id: client_id.to_owned(),
            client,
            events,
            _poller: poller,
            queued: VecDeque::new(),
            inflight: VecDeque::new(),
            subscribing: subscription,
            window: Window::new(),
            last_progress: Instant::now(),
            ack_timeout: config.ack_timeout.to_duration(),
            ended: None,
        })
    }

    /// What the broker allows, our own limits included.
    pub(crate) fn report(&self) -> &BrokerReport {
        &self.report
    }

    /// How many more messages may be sent now.
    pub(crate) fn room(&self) -> usize {
        usize::from(self.report.receive_maximum).saturating_sub(self.on_their_way())
    }

    /// How many messages wait for the broker's verdict.
    pub(crate) fn on_their_way(&self) -> usize {
        self.queued.len() + self.inflight.len()
    }

    /// Sends a message. Call only while there is [`Link::room`].
    ///
    /// # Errors
    /// The verdict that the broker would give, where it is known beforehand.
    pub(crate) fn publish(&mut self, message: Outgoing, token: T) -> Result<(), (Verdict, T)> {
        let retain = message.retain == Retain::Status;
        let properties = PublishProperties {
            message_expiry_interval: message.expires_after.and_then(|e| u32::try_from(e.0 / 1_000).ok()),
            user_properties: message.properties,
            content_type: Some(message.content_type),
            ..PublishProperties::default()
        };
        let publish = Publish::new(&message.topic, QoS::AtLeastOnce, message.payload, Some(properties));
        // The packet id's two bytes are counted only once it has one.
        let size = publish.size() + 2;
        if self.report.max_packet_size.is_some_and(|max| size > max as usize) {
            return Err((Verdict::Never("packet_too_large"), token));
        }
        let properties = publish.properties.unwrap_or_default();
        match self.client.try_publish_with_properties(
            message.topic,
            QoS::AtLeastOnce,
            retain,
            publish.payload,
            properties,
        ) {
            Ok(()) => {
                if !self.awaits() {
                    self.last_progress = Instant::now();
                }
                self.queued.push_back(token);
                Ok(())
            }
            // The connection has just ended (the next verdict says so), or the topic has a wildcard, which ids that
            // are checked where they come in rule out.
            Err(_) => Err((Verdict::Later("not_connected"), token)),
        }
    }

    /// The message is safe: the broker may forget it. Acknowledgements go in the order in which messages came.
    pub(crate) fn settle(&mut self, receipt: Receipt) {
        self.window.settle(receipt);
        self.acknowledge();
    }

    fn acknowledge(&mut self) {
        while let Some(pkid) = self.window.due() {
            let publish = Publish { pkid, qos: QoS::AtLeastOnce, ..Publish::default() };
            // Where there is no room the event loop is busy, and its next event brings us here again.
            if self.client.try_ack(&publish).is_err() {
                return;
            }
            self.window.acknowledged();
        }
    }

    /// Whether the broker owes us an answer.
    fn awaits(&self) -> bool {
        self.on_their_way() > 0 || self.subscribing.is_some()
    }

    /// The next that the broker says. Loses nothing when cancelled.
    ///
    /// # Errors
    /// When the connection has ended. Whatever had no verdict by then is unknown and must be sent again; whatever was
    /// not settled comes again.
    pub(crate) async fn next(&mut self) -> Result<News<T>, MqttError> {
        loop {
            if let Some(ended) = self.ended.take() {
                return Err(ended);
            }
            let event = if self.awaits() {
                let deadline = self.last_progress + self.ack_timeout;
                tokio::time::timeout_at(deadline, self.events.recv()).await.map_err(|_| MqttError::Stalled {
                    broker: self.report.broker.clone(),
                    seconds: self.ack_timeout.as_secs(),
                })?
            } else {
                self.events.recv().await
            };
            if let Some(news) = self.apply(event)? {
                return Ok(news);
            }
        }
    }

    /// News that is here already.
    pub(crate) fn try_next(&mut self) -> Option<Result<News<T>, MqttError>> {
        loop {
            if self.ended.is_some() {
                return self.ended.take().map(Err);
            }
            let event = self.events.try_recv().ok()?;
            if let Some(news) = self.apply(Some(event)).transpose() {
                return Some(news);
            }
        }
    }

    fn apply(&mut self, event: Option<Result<Event, Box<ConnectionError>>>) -> Result<Option<News<T>>, MqttError> {
        self.acknowledge();
        let broker = &self.report.broker;
        match event {
            Some(Ok(Event::Outgoing(rumqttc::Outgoing::Publish(pkid)))) => {
                self.last_progress = Instant::now();
                // rumqttc takes requests in order, so the oldest token is this packet's.
                if let Some(token) = self.queued.pop_front() {
                    self.inflight.push_back((pkid, token));
                }
                Ok(None)
            }
            Some(Ok(Event::Incoming(Packet::PubAck(ack)))) => {
                self.last_progress = Instant::now();
                let verdict = verdict(ack.reason);
                let index = self.inflight.iter().position(|(pkid, _)| *pkid == ack.pkid);
                Ok(index.and_then(|i| self.inflight.remove(i)).map(|(_, token)| News::Settled(token, verdict)))
            }
            Some(Ok(Event::Incoming(Packet::Publish(publish)))) => {
                Ok(Some(News::Heard(Box::new(self.window.take_in(publish)))))
            }
            Some(Ok(Event::Incoming(Packet::SubAck(ack)))) => {
                self.last_progress = Instant::now();
                Ok(self.subscribing.take().map(|subscription| News::Subscribed(subscription.refused(broker, &ack))))
            }
            Some(Ok(_)) => Ok(None),
            Some(Err(error)) => {
                let unread = match &*error {
                    ConnectionError::MqttState(StateError::Deserialization(FormatError::InvalidConnectReturnCode(
                        PACKET_TOO_LARGE,
                    ))) => Some(Verdict::Never("packet_too_large")),
                    ConnectionError::MqttState(StateError::Deserialization(FormatError::InvalidConnectReturnCode(
                        _,
                    ))) => Some(Verdict::Later("unknown_reason")),
                    _ => None,
                };
                let error = on_end(broker, &self.client_id, *error);
                // A broker acknowledges in the order of sending (MQTT-4.6.0-2), so the verdict that rumqttc could not
                // read is the oldest packet's.
                let oldest = unread.and_then(|verdict| Some(News::Settled(self.inflight.pop_front()?.1, verdict)));
                if oldest.is_none() {
                    return Err(error);
                }
                self.ended = Some(error);
                Ok(oldest)
            }
            None => Err(lost(broker, "the event loop ended")),
        }
    }

    /// Says goodbye, so that the broker does not publish the will; waits a moment for the packet to leave.
    pub(crate) async fn disconnect(&mut self) {
        if self.client.try_disconnect().is_ok() {
            let gone = async { while let Some(Ok(_)) = self.events.recv().await {} };
            // The broker closes the connection on DISCONNECT; one that does not has it all the same by then.
            let _ = tokio::time::timeout(Duration::from_secs(1), gone).await;
        }
    }
}

async fn poll(mut event_loop: EventLoop, events: mpsc::Sender<Result<Event, Box<ConnectionError>>>) {
    loop {
        let event = event_loop.poll().await;
        let ended = event.is_err();
        if ended {
            // What was read together with the end came before it, acknowledgements among it.
            for event in std::mem::take(&mut event_loop.state.events) {
                if events.send(Ok(event)).await.is_err() {
                    return;
                }
            }
        }
        if events.send(event.map_err(Box::new)).await.is_err() || ended {
            return;
        }
    }
}

fn options(
    config: &MqttConfig,
    endpoint: &Endpoint,
    client_id: &str,
    will: Option<&Outgoing>,
    subscription: Option<&Subscription>,
) -> Result<MqttOptions, MqttError> {
    let mut options = MqttOptions::new(client_id, &endpoint.host, endpoint.port);
    options
        .set_clean_start(true)
        .set_keep_alive(config.keep_alive.to_duration())
        .set_connection_timeout(CONNECT_TIMEOUT.as_secs())
        .set_outgoing_inflight_upper_limit(config.inflight);
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    if endpoint.transport == Transport::Tls {
        options.set_transport(Carrier::tls_with_config(TlsConfiguration::Rustls(tls::client_config(config)?)));
    }
    if let Some(subscription) = subscription {
        let expiry = subscription.expiry_seconds();
        options
            .set_clean_start(expiry == 0)
            .set_session_expiry_interval(Some(expiry))
            .set_receive_maximum(Some(subscription.window.max(1)))
            .set_max_packet_size(Some(subscription.max_packet_size))
            .set_manual_acks(true);
    }
    if let Some(credentials) = config.credentials()? {
        options.set_credentials(credentials.username, credentials.password.expose());
    }
    if let Some(will) = will {
        let properties = LastWillProperties { content_type: Some(will.content_type.clone()), ..no_will_properties() };
        let retain = will.retain == Retain::Status;
        options.set_last_will(LastWill::new(
            &will.topic,
            will.payload.clone(),
            QoS::AtLeastOnce,
            retain,
            Some(properties),
        ));
    }
    Ok(options)
}

fn no_will_properties() -> LastWillProperties {
    LastWillProperties {
        delay_interval: None,
        payload_format_indicator: None,
        message_expiry_interval: None,
        content_type: None,
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    }
}

fn report(broker: Endpoint, config: &MqttConfig, connack: &ConnAck) -> BrokerReport {
    let properties = connack.properties.as_ref();
    let receive_maximum = properties.and_then(|p| p.receive_max).unwrap_or(DEFAULT_RECEIVE_MAXIMUM);
    let max_packet_size = [properties.and_then(|p| p.max_packet_size), config.max_packet_size];
    BrokerReport {
        broker,
        receive_maximum: receive_maximum.min(config.inflight),
        max_packet_size: max_packet_size.into_iter().flatten().min(),
    }
}

fn verdict(reason: PubAckReason) -> Verdict {
    match reason {
        PubAckReason::Success => Verdict::Taken,
        PubAckReason::NoMatchingSubscribers => Verdict::Unheard,
        // What an operator of the broker can set right: the message waits for that.
        PubAckReason::NotAuthorized => Verdict::Later("not_authorized"),
        PubAckReason::QuotaExceeded => Verdict::Later("quota_exceeded"),
        PubAckReason::UnspecifiedError => Verdict::Later("unspecified"),
        PubAckReason::ImplementationSpecificError => Verdict::Later("implementation_specific"),
        PubAckReason::PacketIdentifierInUse => Verdict::Later("packet_id_in_use"),
        PubAckReason::TopicNameInvalid => Verdict::Never("topic_invalid"),
        PubAckReason::PayloadFormatInvalid => Verdict::Never("payload_invalid"),
    }
}

fn lost(broker: &Endpoint, reason: impl ToString) -> MqttError {
    MqttError::Lost { broker: broker.clone(), reason: reason.to_string() }
}

/// What a failure before the CONNACK means.
fn on_connect(broker: &Endpoint, config: &MqttConfig, error: ConnectionError) -> MqttError {
    let broker = broker.clone();
    match error {
        ConnectionError::Timeout(_) => {
            MqttError::Unreachable { broker, reason: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()) }
        }
        ConnectionError::Io(error) => MqttError::Unreachable { broker, reason: error.to_string() },
        ConnectionError::Tls(error) => on_tls(broker, error),
        ConnectionError::ConnectionRefused(code) => on_refusal(broker, config, code),
        // rustls reports what comes late in the handshake (a client certificate refused) at the first read.
        ConnectionError::MqttState(StateError::Io(error) | StateError::Deserialization(FormatError::Io(error))) => {
            match tls_cause(&error) {
                Some(cause) => MqttError::Tls { broker, reason: cause.to_string(), remedy: tls::remedy(cause) },
                None => MqttError::NotMqtt5 { broker, reason: error.to_string() },
            }
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            MqttError::NotMqtt5 { broker, reason: "it closed the connection without a word".into() }
        }
        other => MqttError::NotMqtt5 { broker, reason: other.to_string() },
    }
}

fn on_refusal(broker: Endpoint, config: &MqttConfig, code: ConnectReturnCode) -> MqttError {
    let reason = format!("{code:?}");
    match code {
        ConnectReturnCode::BadUserNamePassword => {
            MqttError::Password { broker, username: config.username.clone().unwrap_or_default() }
        }
        // Mosquitto answers a wrong password so.
        ConnectReturnCode::NotAuthorized => match &config.username {
            Some(username) => MqttError::Password { broker, username: username.clone() },
            None => MqttError::NotAuthorized { broker, reason },
        },
        ConnectReturnCode::Banned | ConnectReturnCode::BadAuthenticationMethod => {
            MqttError::NotAuthorized { broker, reason }
        }
        ConnectReturnCode::RefusedProtocolVersion
        | ConnectReturnCode::UnsupportedProtocolVersion
        | ConnectReturnCode::MalformedPacket => MqttError::NotMqtt5 { broker, reason },
        _ => MqttError::Refused { broker, reason },
    }
}

fn on_tls(broker: Endpoint, error: TlsError) -> MqttError {
    match error {
        TlsError::TLS(error) => MqttError::Tls { broker, reason: error.to_string(), remedy: tls::remedy(&error) },
        TlsError::Io(error) => match tls_cause(&error) {
            Some(cause) => MqttError::Tls { broker, reason: cause.to_string(), remedy: tls::remedy(cause) },
            None => MqttError::Tls {
                broker,
                reason: error.to_string(),
                remedy: "this port may not speak TLS: try mqtt:// or another port",
            },
        },
        TlsError::DNSName(_) => MqttError::Tls {
            broker,
            reason: "its host is no name that a certificate can bear".into(),
            remedy: "name the broker in mqtt.url as its certificate does",
        },
        other => MqttError::Tls {
            broker,
            reason: other.to_string(),
            remedy: "check the broker's certificate and mqtt.ca_file",
        },
    }
}

fn tls_cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What the end of an established connection means.
fn on_end(broker: &Endpoint, client_id: &str, error: ConnectionError) -> MqttError {
    match error {
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => MqttError::TakenOver { broker: broker.clone(), client_id: client_id.to_owned() },
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let words = reason_string.map(|s| format!(": {s}")).unwrap_or_default();
            lost(broker, format!("the broker ended it ({reason_code:?}{words})"))
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => lost(broker, "no answer to a ping"),
        ConnectionError::MqttState(StateError::ConnectionAborted) => lost(broker, "the broker closed it"),
        ConnectionError::MqttState(StateError::Io(error) | StateError::Deserialization(FormatError::Io(error))) => {
            lost(broker, error)
        }
        other => lost(broker, other),
    }
}
