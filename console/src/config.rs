//! The `[console]` section of the config.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;
use url::Url;

/// Where the console listens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleConfig {
    /// Address and port to listen on. The console asks for no password, so anything but loopback belongs behind a proxy
    /// that does.
    pub listen: SocketAddr,
    /// Where people outside reach the console (through a proxy); what other systems are given leads there.
    pub public_url: Option<PublicUrl>,
}

/// The address that a path of the console is put behind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl(Url);

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no address of a console; write it as https://grid.example/gridwatch, without a password, a query or a fragment"
)]
pub struct PublicUrlError(String);

impl PublicUrl {
    /// The full address of a path that begins with `/`.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0.as_str().trim_end_matches('/'))
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = PublicUrlError;

    fn try_from(text: String) -> Result<Self, PublicUrlError> {
        let url = Url::parse(&text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        // What is refused may hold a password.
        url.map(Self)
            .ok_or_else(|| PublicUrlError(text.split_once('@').map_or(text.as_str(), |(_, rest)| rest).to_owned()))
    }
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), public_url: None }
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

    #[track_caller]
    fn check_url(text: &str, expect: Result<&str, &str>) {
        match (PublicUrl::try_from(text.to_owned()), expect) {
            (Ok(url), Ok(expect)) => assert_eq!(url.at("/evidence/1"), expect),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn a_public_address_goes_before_paths_and_holds_no_password() {
        check_url("https://grid.example", Ok("https://grid.example/evidence/1"));
        check_url("https://grid.example/", Ok("https://grid.example/evidence/1"));
        check_url("http://10.1.2.3:8080/gw/", Ok("http://10.1.2.3:8080/gw/evidence/1"));
        check_url("grid.example", Err("\"grid.example\" is no address"));
        check_url("ftp://grid.example", Err("write it as https://"));
        check_url("https://grid.example/?a=1", Err("is no address"));
        check_url("https://me:secret@grid.example", Err("\"grid.example\" is no address"));
    }
}
