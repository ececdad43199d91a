//! Where the broker is and who we are there, as the config says it.

use std::{fmt, path::PathBuf};

use domain::{Millis, Secret};
use serde::Deserialize;
use url::Url;

use super::MqttError;

/// The section `[mqtt]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MqttConfig {
    /// `mqtt://HOST[:1883]` or `mqtts://HOST[:8883]` (TLS); absent for the embedded broker.
    pub url: Option<String>,
    /// User name; absent for a broker that asks for none.
    pub username: Option<String>,
    /// Password, here, or better in one of the next two.
    pub password: Option<Secret>,
    /// Name of the environment variable that holds the password.
    pub password_env: Option<String>,
    /// File whose first line is the password; read anew at each connection, so that it can be changed while running.
    pub password_file: Option<PathBuf>,
    /// PEM file with the CA certificates that may vouch for the broker; the system's where absent.
    pub ca_file: Option<PathBuf>,
    /// PEM file with our own certificate chain, for brokers that ask for one.
    pub client_cert: Option<PathBuf>,
    /// PEM file with the key of `client_cert`.
    pub client_key: Option<PathBuf>,
    /// Client id; `gridwatch-` and the node's id where absent. Two clients with one id throw each other out.
    pub client_id: Option<String>,
    /// How often an idle connection is probed; at least 5 s.
    pub keep_alive: Millis,
    /// How many messages may be on their way at once; the broker may allow fewer.
    pub inflight: u16,
    /// The largest packet to send, in bytes, for a broker that does not tell its own limit.
    pub max_packet_size: Option<u32>,
    /// How long the broker may take to acknowledge anything before the connection is given up.
    pub ack_timeout: Millis,
    /// How long a shutdown waits for the outbox to empty.
    pub drain: Millis,
    /// Whether the platform answers tickets; then each is sent again until it does. True where a `url` is given.
    pub acknowledge: Option<bool>,
    /// How long it may take to answer before a ticket is sent again; doubles each time.
    pub acknowledge_within: Millis,
    /// The longest time between two resends of a ticket.
    pub resend_longest: Millis,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            url: None,
            username: None,
            password: None,
            password_env: None,
            password_file: None,
            ca_file: None,
            client_cert: None,
            client_key: None,
            client_id: None,
            keep_alive: Millis::secs(30),
            inflight: 16,
            max_packet_size: None,
            ack_timeout: Millis::mins(2),
            drain: Millis::secs(10),
            acknowledge: None,
            acknowledge_within: Millis::mins(1),
            resend_longest: Millis::mins(60),
        }
    }
}

/// When a ticket that was not answered is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resend {
    /// The first time; it doubles each time.
    pub within: Millis,
    /// The longest time between two.
    pub longest: Millis,
}

impl Resend {
    /// How long to wait after the ticket was sent again for the `nth` time, from 0, before jitter.
    #[must_use]
    pub fn pause(self, nth: u32) -> Millis {
        Millis(self.within.0.saturating_mul(1 << (nth + 1).min(20))).min(self.longest)
    }
}

/// The broker's address. Shows no credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether TLS is spoken.
    pub(super) transport: Transport,
    /// Host name or address; an IPv6 address in brackets.
    pub(super) host: String,
    /// TCP port.
    pub(super) port: u16,
}

/// What carries MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Tls,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            Transport::Tcp => "mqtt",
            Transport::Tls => "mqtts",
        };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// A user name and its password.
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: Secret,
}

impl MqttConfig {
    /// Checks all that can be checked without touching a file or the network, and says where the broker is.
    ///
    /// # Errors
    /// Names the key that is wrong, and the remedy.
    pub fn check(&self) -> Result<Endpoint, MqttError> {
        let config = |key, problem: &str| Err(MqttError::Config { key, problem: problem.to_owned() });
        if self.keep_alive < Millis::secs(5) || self.keep_alive > Millis::secs(65_535) {
            return config("keep_alive", "must be from 5s to 18h");
        }
        if self.inflight == 0 {
            return config("inflight", "must be at least 1");
        }
        if self.ack_timeout < Millis::secs(1) {
            return config("ack_timeout", "must be at least 1s");
        }
        if self.acknowledge_within < Millis::secs(1) {
            return config("acknowledge_within", "must be at least 1s");
        }
        if self.resend_longest < self.acknowledge_within {
            return config("resend_longest", "must not be below acknowledge_within");
        }
        if self.client_cert.is_some() != self.client_key.is_some() {
            return config("client_cert", "and client_key go together: give both or none");
        }
        let passwords = [self.password.is_some(), self.password_env.is_some(), self.password_file.is_some()];
        if passwords.iter().filter(|given| **given).count() > 1 {
            return config("password", "is given twice; keep one of password, password_env and password_file");
        }
        if passwords.contains(&true) && self.username.is_none() {
            return config("username", "is missing, though there is a password");
        }
        let endpoint = self.endpoint()?;
        if endpoint.transport == Transport::Tcp && (self.ca_file.is_some() || self.client_cert.is_some()) {
            return config("url", "must begin with mqtts:// where ca_file or client_cert is given");
        }
        Ok(endpoint)
    }

    /// When tickets are sent again for want of an answer; none where nobody answers.
    #[must_use]
    pub fn resend(&self) -> Option<Resend> {
        let answers = self.acknowledge.unwrap_or(self.url.is_some());
        answers.then_some(Resend { within: self.acknowledge_within, longest: self.resend_longest })
    }

    fn endpoint(&self) -> Result<Endpoint, MqttError> {
        let text = self.url.as_deref().ok_or(MqttError::NoBroker)?;
        let refuse = |reason: String| {
            let shown = text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("***@{rest}"));
            Err(MqttError::Url { url: shown, reason })
        };
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return refuse(error.to_string()),
        };
        let (transport, default_port) = match url.scheme() {
            "mqtt" => (Transport::Tcp, 1883),
            "mqtts" => (Transport::Tls, 8883),
            other => return refuse(format!("\"{other}\" is not spoken here")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("user and password belong into mqtt.username and mqtt.password_file".to_owned());
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return refuse("nothing may follow the port".to_owned());
        }
        match url.host_str() {
            Some(host) if !host.is_empty() => {
                Ok(Endpoint { transport, host: host.to_owned(), port: url.port().unwrap_or(default_port) })
            }
            _ => refuse("it names no host".to_owned()),
        }
    }

    /// Reads the password from where it is kept.
    pub(super) fn credentials(&self) -> Result<Option<Credentials>, MqttError> {
        let Some(username) = self.username.clone() else { return Ok(None) };
        let password = if let Some(password) = &self.password {
            password.clone()
        } else if let Some(name) = &self.password_env {
            Secret::new(std::env::var(name).map_err(|_| MqttError::Config {
                key: "password_env",
                problem: format!("names the environment variable {name}, which is not set"),
            })?)
        } else if let Some(path) = &self.password_file {
            let text = std::fs::read_to_string(path).map_err(|source| MqttError::File {
                key: "password_file",
                path: path.clone(),
                source,
            })?;
            Secret::new(text.lines().next().unwrap_or_default())
        } else {
            Secret::new("")
        };
        Ok(Some(Credentials { username, password }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(toml: &str, expect: Result<&str, &str>) {
        let config: MqttConfig = toml::from_str(toml).unwrap();
        match (config.check(), expect) {
            (Ok(endpoint), Ok(shown)) => assert_eq!(endpoint.to_string(), shown),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, _) => panic!("{got:?}"),
        }
    }

    #[test]
    fn a_url_names_transport_host_and_port() {
        check("url = 'mqtt://broker'", Ok("mqtt://broker:1883"));
        check("url = 'mqtts://10.0.0.1:8884/'", Ok("mqtts://10.0.0.1:8884"));
        check("url = 'mqtt://[::1]:1'", Ok("mqtt://[::1]:1"));
        check("url = 'http://broker'", Err("\"http\" is not spoken here"));
        check("url = 'broker:1883'", Err("is not spoken here"));
        check("url = 'mqtt://broker/topic'", Err("nothing may follow the port"));
        check("url = 'mqtt://'", Err("mqtt.url"));
    }

    #[test]
    fn only_a_platform_behind_a_broker_of_its_own_is_expected_to_answer() {
        let resends = |toml: &str| toml::from_str::<MqttConfig>(toml).unwrap().resend().is_some();
        assert!(resends("url = 'mqtt://b'") && !resends(""));
        assert!(!resends("url = 'mqtt://b'\nacknowledge = false") && resends("acknowledge = true"));
        let resend = Resend { within: Millis::secs(60), longest: Millis::mins(10) };
        assert_eq!([0, 1, 9, 99].map(|nth| resend.pause(nth)), [2, 4, 10, 10].map(Millis::mins));
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_shown() {
        let config = MqttConfig { url: Some("mqtt://me:hunter2@broker".into()), ..MqttConfig::default() };
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains("mqtt.password_file") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn contradictions_are_named() {
        check("url = 'mqtt://b'\nkeep_alive = '1s'", Err("mqtt.keep_alive must be from 5s"));
        check("url = 'mqtt://b'\nacknowledge_within = '0s'", Err("mqtt.acknowledge_within must be at least 1s"));
        check("url = 'mqtt://b'\nresend_longest = '2s'", Err("mqtt.resend_longest must not be below"));
        check("url = 'mqtt://b'\ninflight = 0", Err("mqtt.inflight must be at least 1"));
        check("url = 'mqtts://b'\nclient_cert = 'x'", Err("mqtt.client_cert and client_key go together"));
        check("url = 'mqtt://b'\nca_file = 'x'", Err("must begin with mqtts://"));
        check("url = 'mqtt://b'\npassword = 'x'", Err("mqtt.username is missing"));
        check("url = 'mqtt://b'\nusername='u'\npassword = 'x'\npassword_env = 'y'", Err("given twice"));
    }

    #[test]
    fn a_password_is_read_from_where_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "s3cret\n").unwrap();
        let config = MqttConfig { username: Some("u".into()), password_file: Some(file), ..MqttConfig::default() };
        assert_eq!(config.credentials().unwrap().unwrap().password.expose(), "s3cret");
        let missing = MqttConfig { password_file: Some(folder.path().join("none")), ..config };
        let error = missing.credentials().err().unwrap().to_string();
        assert!(error.starts_with("mqtt.password_file names") && error.contains("none"), "{error}");
    }
}
