//! What can go wrong between us and the broker: which broker, what happened, what to do. Never a credential.

use std::{io, path::PathBuf};

use super::Endpoint;

/// An error on the way to the broker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MqttError {
    /// No URL, and no embedded broker either.
    #[error("mqtt.url is missing; name a broker as mqtt://HOST:1883 or mqtts://HOST:8883")]
    NoBroker,
    /// A URL that names no broker.
    #[error("mqtt.url \"{url}\" is no address of a broker: {reason}; write mqtt://HOST:1883 or mqtts://HOST:8883")]
    Url {
        /// The URL without user and password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key whose value cannot be.
    #[error("mqtt.{key} {problem}")]
    Config {
        /// The key.
        key: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("mqtt.{key} names {path}, which cannot be read: {source}", path = path.display())]
    File {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file without what it should hold.
    #[error("mqtt.{key} names {path}, which holds no {expected} in PEM form", path = path.display())]
    Pem {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// Certificate and key that do not make an identity.
    #[error("mqtt.client_cert and mqtt.client_key cannot be used: {reason}")]
    ClientCertificate {
        /// Why.
        reason: String,
    },
    /// The host does not answer.
    #[error("cannot reach {broker}: {reason}; check mqtt.url, the broker and the firewall between")]
    Unreachable {
        /// Which broker.
        broker: Endpoint,
        /// Why.
        reason: String,
    },
    /// The TLS handshake failed.
    #[error("TLS with {broker} failed: {reason}; {remedy}")]
    Tls {
        /// Which broker.
        broker: Endpoint,
        /// Why.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// User name or password is wrong.
    #[error("{broker} refuses user \"{username}\"; check mqtt.username and the password")]
    Password {
        /// Which broker.
        broker: Endpoint,
        /// Who.
        username: String,
    },
    /// The broker wants a user name, or does not let this user in.
    #[error("{broker} does not let this client in ({reason}); set mqtt.username and a password that it knows")]
    NotAuthorized {
        /// Which broker.
        broker: Endpoint,
        /// In the protocol's words.
        reason: String,
    },
    /// The broker refuses for another reason.
    #[error("{broker} refuses the connection: {reason}")]
    Refused {
        /// Which broker.
        broker: Endpoint,
        /// In the protocol's words.
        reason: String,
    },
    /// Something answers, but not as an MQTT 5 broker.
    #[error(
        "{broker} does not answer as an MQTT 5 broker ({reason}); it may be too old, expect TLS (mqtts://), or be \
         something else"
    )]
    NotMqtt5 {
        /// Which broker.
        broker: Endpoint,
        /// What came.
        reason: String,
    },
    /// Another client took our client id.
    #[error("{broker} gave our client id \"{client_id}\" to another client; each node needs an id of its own")]
    TakenOver {
        /// Which broker.
        broker: Endpoint,
        /// The id.
        client_id: String,
    },
    /// A topic filter that cannot be subscribed to.
    #[error(
        "{broker} does not let us hear \"{filter}\": {reason}; correct the filter, or let this user read it in the \
         broker's access rules"
    )]
    Filter {
        /// Which broker.
        broker: Endpoint,
        /// The filter.
        filter: String,
        /// Why.
        reason: String,
    },
    /// An established connection ended.
    #[error("lost the connection to {broker}: {reason}")]
    Lost {
        /// Which broker.
        broker: Endpoint,
        /// Why.
        reason: String,
    },
    /// An established connection that no longer moves.
    #[error("{broker} has acknowledged nothing for {seconds} s; the connection is given up")]
    Stalled {
        /// Which broker.
        broker: Endpoint,
        /// For how long.
        seconds: u64,
    },
}

impl MqttError {
    /// The kind of error as a metric's label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoBroker | Self::Url { .. } | Self::Config { .. } => "config",
            Self::File { .. } | Self::Pem { .. } | Self::ClientCertificate { .. } => "file",
            Self::Unreachable { .. } => "unreachable",
            Self::Tls { .. } => "tls",
            Self::Password { .. } => "password",
            Self::NotAuthorized { .. } => "not_authorized",
            Self::Refused { .. } => "refused",
            Self::NotMqtt5 { .. } => "not_mqtt5",
            Self::TakenOver { .. } => "taken_over",
            Self::Filter { .. } => "filter",
            Self::Lost { .. } => "lost",
            Self::Stalled { .. } => "stalled",
        }
    }
}
