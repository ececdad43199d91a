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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_written_listens_on_loopback_and_unknown_keys_are_refused() {
        let read = serde_json::from_str::<ConsoleConfig>;
        assert_eq!(read("{}").ok(), Some(ConsoleConfig::default()));
        assert!(ConsoleConfig::default().listen.ip().is_loopback());
        assert_eq!(read(r#"{"listen": "[::]:80"}"#).map(|c| c.listen.port()).ok(), Some(80));
        assert!(read(r#"{"lisen": "127.0.0.1:80"}"#).is_err_and(|e| e.to_string().contains("unknown field `lisen`")));
        assert!(read(r#"{"listen": "8080"}"#).is_err());
    }
}
