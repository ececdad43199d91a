//! The embedded MQTT broker, so that a ticket can be seen with nothing installed but a subscriber. The only place that
//! knows `rumqttd`.
//!
//! rumqttd speaks MQTT 5 and 3.1.1 on separate ports, and panics where a message with MQTT 5 properties goes to a 3.1.1
//! subscriber. Subscribers should not have to know that: [`Either`] tells the protocol by the CONNECT packet, so that one
//! port takes everyone, and leaves out the properties for those who cannot read them.
//!
//! It knows no passwords, so it listens on loopback only. It holds messages in memory only and for those who are
//! subscribed: it is for looking on and for demos, not in place of a platform's broker. A client must set a keep-alive
//! (rumqttd turns away one of 0).

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::mpsc::{SyncSender, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

use bytes::BytesMut;
use rumqttd::{
    ConnectionSettings, LinkType, Router, RouterConfig, Server, ServerSettings,
    protocol::{Error, Packet, Protocol, v4::V4, v5::V5},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// A directive for the log filter: rumqttd calls every client's leaving an error.
pub const LOG_FILTER: &str = "rumqttd=off";

/// Original keyframes of 4K cameras reach some megabytes.
const MAX_PAYLOAD: usize = 32 << 20;

const MAX_CONNECTIONS: usize = 256;

/// rumqttd keeps what was published in segments, for subscribers that are slower than the publisher. One that falls
/// further behind than all segments loses the oldest messages.
const SEGMENT_BYTES: usize = 16 << 20;
const SEGMENTS: usize = 3;

/// How long rumqttd may take to listen.
const START: Duration = Duration::from_secs(5);

/// The embedded broker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Others could connect, and nothing would ask them for a password.
    #[error(
        "the embedded broker knows no passwords and listens on loopback only, not on {0}; for other machines install \
         a broker such as mosquitto and name it in mqtt.url"
    )]
    NotLoopback(SocketAddr),
    /// Somebody else has the port, or it is a reserved one.
    #[error("the embedded broker cannot listen on {address}: {source}; free the port or choose another one")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The broker itself failed.
    #[error("the embedded broker does not start: {0}")]
    Start(String),
}

/// The running broker; stops when dropped.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    /// Starts the broker on `listen`; port 0 takes any free one. Returns when it can be connected to.
    ///
    /// # Errors
    /// When `listen` is no loopback address or is taken, or when rumqttd does not come up.
    pub fn start(listen: SocketAddr) -> Result<Self, BrokerError> {
        if !listen.ip().is_loopback() {
            return Err(BrokerError::NotLoopback(listen));
        }
        let on_listen = |source| BrokerError::Listen { address: listen, source };
        // rumqttd binds for itself and does not say where: this finds the free port, and the error, beforehand.
        let address = StdListener::bind(listen).and_then(|l| l.local_addr()).map_err(on_listen)?;
        let stop = CancellationToken::new();
        let (ready, is_ready) = sync_channel(1);
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || serve(address, &ready, stopped))
            .map_err(|error| BrokerError::Start(error.to_string()))?;
        // From here on dropping it stops the thread.
        let broker = Self { address, stop, thread: Some(thread) };
        match is_ready.recv() {
            Ok(Ok(())) => Ok(broker),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(BrokerError::Start("its thread ended".to_owned())),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as `mqtt.url` has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the embedded broker's thread panicked");
        }
    }
}

fn serve(address: SocketAddr, ready: &SyncSender<Result<(), BrokerError>>, stop: CancellationToken) {
    let failed = |error: String| {
        // Whoever started the broker waits for exactly one word.
        let _ = ready.try_send(Err(BrokerError::Start(error)));
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(error.to_string()),
    };
    runtime.block_on(async {
        let router = Router::new(0, router_config()).spawn();
        let mut server = Server::new(settings(address), router, Either::Unknown);
        let up = async {
            match timeout(START, is_up(address)).await {
                Ok(()) => drop(ready.try_send(Ok(()))),
                Err(_) => failed(format!("no answer within {} s", START.as_secs())),
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = up => {}
            ended = server.start(LinkType::Remote) => failed(format!("{ended:?}")),
        }
    });
}

async fn is_up(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a connection speaks: told by its first packet, then fixed.
#[derive(Debug, Clone)]
enum Either {
    Unknown,
    V4(V4),
    V5(V5),
}

impl Protocol for Either {
    fn read_mut(&mut self, stream: &mut BytesMut, max_size: usize) -> Result<Packet, Error> {
        if matches!(self, Self::Unknown) {
            match protocol_level(stream)? {
                Some(5) => *self = Self::V5(V5),
                Some(_) => *self = Self::V4(V4),
                None => return Err(Error::InsufficientBytes(1)),
            }
        }
        match self {
            Self::V5(v5) => v5.read_mut(stream, max_size),
            Self::V4(v4) => v4.read_mut(stream, max_size),
            Self::Unknown => Err(Error::InvalidProtocol),
        }
    }

    fn write(&self, packet: Packet, buffer: &mut BytesMut) -> Result<usize, Error> {
        match self {
            Self::V5(v5) => v5.write(packet, buffer),
            Self::V4(v4) => match without_properties(packet) {
                // 3.1.1 has no DISCONNECT from the server: closing the connection says it.
                Packet::Disconnect(..) => Ok(0),
                packet => v4.write(packet, buffer),
            },
            Self::Unknown => Err(Error::InvalidProtocol),
        }
    }
}

fn without_properties(packet: Packet) -> Packet {
    match packet {
        Packet::ConnAck(ack, _) => Packet::ConnAck(ack, None),
        Packet::Publish(publish, _) => Packet::Publish(publish, None),
        Packet::PubAck(ack, _) => Packet::PubAck(ack, None),
        Packet::PubRec(ack, _) => Packet::PubRec(ack, None),
        Packet::PubRel(ack, _) => Packet::PubRel(ack, None),
        Packet::PubComp(ack, _) => Packet::PubComp(ack, None),
        Packet::SubAck(ack, _) => Packet::SubAck(ack, None),
        Packet::UnsubAck(ack, _) => Packet::UnsubAck(ack, None),
        other => other,
    }
}

/// The protocol level in the first bytes of a CONNECT packet (3.1.1 and 5, section 3.1); none while bytes are missing.
fn protocol_level(bytes: &[u8]) -> Result<Option<u8>, Error> {
    let Some(first) = bytes.first() else { return Ok(None) };
    if *first != 0x10 {
        return Err(Error::InvalidProtocol);
    }
    let length_bytes = match bytes[1..].iter().take(4).position(|byte| byte & 0x80 == 0) {
        Some(last) => last + 1,
        None if bytes.len() > 4 => return Err(Error::InvalidProtocol),
        None => return Ok(None),
    };
    let name = &bytes[1 + length_bytes..];
    let [high, low, ..] = name else { return Ok(None) };
    let name_length = usize::from(u16::from_be_bytes([*high, *low]));
    // "MQTT", or "MQIsdp" in 3.1.
    if !matches!(name_length, 4 | 6) {
        return Err(Error::InvalidProtocol);
    }
    Ok(name.get(2 + name_length).copied())
}

fn router_config() -> RouterConfig {
    RouterConfig {
        max_connections: MAX_CONNECTIONS,
        max_outgoing_packet_count: 200,
        max_segment_size: SEGMENT_BYTES,
        max_segment_count: SEGMENTS,
        ..RouterConfig::default()
    }
}

fn settings(listen: SocketAddr) -> ServerSettings {
    ServerSettings {
        name: "embedded".to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 0,
        connections: ConnectionSettings {
            connection_timeout_ms: 5_000,
            max_payload_size: MAX_PAYLOAD,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expect: Option<Option<u8>>) {
        assert_eq!(protocol_level(bytes).ok(), expect);
    }

    #[test]
    fn the_first_bytes_tell_the_protocol() {
        check(b"\x10\x10\x00\x04MQTT\x05", Some(Some(5)));
        check(b"\x10\x10\x00\x04MQTT\x04\x02", Some(Some(4)));
        check(b"\x10\x80\x01\x00\x04MQTT\x05", Some(Some(5)));
        check(b"\x10\x10\x00\x06MQIsdp\x03", Some(Some(3)));
        check(b"\x10\x10\x00\x04MQ", Some(None));
        check(b"\x10\x80", Some(None));
        check(b"", Some(None));
        check(b"GET / HTTP/1.1", None);
        check(b"\x10\xff\xff\xff\xff", None);
        check(b"\x10\x10\x01\x04MQTT", None);
    }

    #[test]
    fn a_taken_port_and_an_open_address_are_refused() {
        let taken = StdListener::bind("127.0.0.1:0").unwrap();
        let error = Broker::start(taken.local_addr().unwrap()).unwrap_err().to_string();
        assert!(error.contains("cannot listen on 127.0.0.1:") && error.contains("free the port"), "{error}");
        let error = Broker::start(([0, 0, 0, 0], 0).into()).unwrap_err().to_string();
        assert!(error.contains("loopback only"), "{error}");
    }
}
