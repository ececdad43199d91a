//! The `[console]` section of the config.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

/// Where the console listens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleConfig {
    /// Address and port to listen on. The console asks for no password, so anything but loopback belongs behind a proxy
    /// that does.
    pub listen: SocketAddr,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)) }
    }
}
