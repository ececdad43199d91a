//! An address of a stream or a picture: credentials are taken out of it before anything else sees it, and what is shown has no secret.

use std::{fmt, path::Path};

use domain::Secret;
use url::Url;

use crate::IngestError;

/// What is spoken at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Rtsp,
    Http,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::Http => "http",
        }
    }

    /// The port where an address names none.
    fn port(self) -> u16 {
        match self {
            Self::Rtsp => 554,
            Self::Http => 80,
        }
    }

    /// Why an address of another scheme cannot be taken.
    fn instead_of(self, other: &str) -> &'static str {
        match (self, other) {
            (Self::Rtsp, "http") => "pictures over http:// need mode = \"snapshot\"",
            (Self::Rtsp, _) => "only the scheme rtsp:// is supported",
            (Self::Http, "rtsp") => "a stream over rtsp:// needs another mode than \"snapshot\"",
            (Self::Http, "https") => {
                "snapshots over https:// are not supported, as a camera's certificate cannot be checked; keep it in a network of its own"
            }
            (Self::Http, _) => "only the scheme http:// is supported for snapshots",
        }
    }
}

/// A parsed address without credentials, and those that it held.
#[derive(Clone)]
pub(crate) struct Address {
    /// Without user name and password, as the server is asked.
    pub(crate) url: Url,
    pub(crate) scheme: Scheme,
    /// What logs and errors may show.
    shown: String,
    /// The user name that stood in the address.
    pub(crate) username: Option<String>,
    /// The password that stood in the address.
    pub(crate) password: Option<Secret>,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// What tells a stream from others: its address without user name and password, however it is written, or its file. It may
/// hold secrets all the same, so it can be compared but not shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamIdentity(String);

impl fmt::Debug for StreamIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamIdentity(***)")
    }
}

impl StreamIdentity {
    pub(crate) fn of_file(path: &Path) -> Self {
        Self(path.display().to_string())
    }
}

impl Address {
    /// `url` takes an RTSP address as it is written: the case of its host and its usual port make no difference.
    pub(crate) fn identity(&self) -> StreamIdentity {
        let Self { url, scheme, .. } = self;
        let host = url.host_str().unwrap_or_default().to_lowercase();
        let port = url.port().unwrap_or(scheme.port());
        let path = if url.path().is_empty() { "/" } else { url.path() };
        let asked = &url[url::Position::AfterPath..];
        StreamIdentity(format!("{}://{host}:{port}{path}{asked}", scheme.as_str()))
    }

    pub(crate) fn parse(text: &str, scheme: Scheme) -> Result<Self, IngestError> {
        let fail = |reason: &str| IngestError::Address {
            address: shown(text),
            reason: reason.to_owned(),
            scheme: scheme.as_str(),
        };
        let mut url = Url::parse(text.trim()).map_err(|error| fail(&error.to_string()))?;
        if url.scheme() != scheme.as_str() {
            return Err(fail(scheme.instead_of(url.scheme())));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(fail("it has no host"));
        }
        let username = Some(url.username()).filter(|name| !name.is_empty()).map(percent_decoded);
        let password = url.password().map(|password| Secret::new(percent_decoded(password)));
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| fail("it has no host"))?;
        let shown = redact(url.as_str());
        Ok(Self { url, scheme, shown, username, password })
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.filter(|_| bytes[i] == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What may be shown of a text that should be an address: without its scheme it looks like any text, but may hold
/// credentials all the same.
pub(crate) fn shown(text: &str) -> String {
    if text.contains("://") { redact(text) } else { redact(&format!("://{text}")).split_off(3) }
}

/// `text` (an address, or a message that may hold one) without user information and without the values of parameters
/// that look like credentials. Some recorders take them in the path (`/user=admin&password=x&channel=1`).
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c == '/' || c == '?' || c == '#' || c.is_whitespace() || c == '"');
        // A password may hold an unescaped '/': the last '@' before a blank ends the user information.
        let word_end = after.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(after.len());
        let host_from = match after[..word_end].rfind('@') {
            Some(at) if at < end.unwrap_or(after.len()) || after[..at].contains(':') => at + 1,
            _ => 0,
        };
        rest = &after[host_from..];
    }
    out.push_str(rest);
    mask_parameters(&out)
}

fn mask_parameters(text: &str) -> String {
    const SECRET: [&str; 9] = ["pass", "pwd", "user", "usr", "token", "auth", "secret", "key", "login"];
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| matches!(c, '/' | '?' | '&' | ';') || c.is_whitespace()) {
        match piece.split_once('=') {
            Some((name, value)) if SECRET.iter().any(|word| name.to_ascii_lowercase().contains(word)) => {
                out.push_str(name);
                out.push_str("=***");
                out.extend(value.chars().last().filter(|c| matches!(c, '/' | '?' | '&' | ';') || c.is_whitespace()));
            }
            _ => out.push_str(piece),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_shown(text: &str, expect: &str) {
        let address = Address::parse(text, Scheme::Rtsp).expect("valid address");
        assert_eq!(address.to_string(), expect);
        assert_eq!(format!("{address:?}"), expect);
        assert_eq!(redact(text), expect);
    }

    #[test]
    fn what_is_shown_holds_no_credential() {
        check_shown("rtsp://10.0.0.7:554/ch1", "rtsp://10.0.0.7:554/ch1");
        check_shown("rtsp://admin:hunter2@10.0.0.7/ch1?subtype=1", "rtsp://10.0.0.7/ch1?subtype=1");
        check_shown("rtsp://admin:p@ss@10.0.0.7/ch1", "rtsp://10.0.0.7/ch1");
        check_shown("rtsp://h/user=admin&password=x1&channel=2", "rtsp://h/user=***&password=***&channel=2");
        check_shown("rtsp://h/live?token=abc&a=b", "rtsp://h/live?token=***&a=b");
    }

    #[test]
    fn one_stream_is_told_from_another_however_its_address_is_written() {
        let identity = |text| Address::parse(text, Scheme::Rtsp).expect("an address").identity();
        for text in ["rtsp://H/x?key=cam1", "rtsp://h:554/x?key=cam1", "rtsp://u:p@h/x?key=cam1"] {
            assert!(identity(text) == identity("rtsp://h/x?key=cam1"), "{text}");
        }
        for text in ["rtsp://h/x?key=cam2", "rtsp://h:8554/x?key=cam1", "rtsp://h/X?key=cam1", "rtsp://h/x"] {
            assert!(identity(text) != identity("rtsp://h/x?key=cam1"), "{text}");
        }
        assert!(identity("rtsp://h") == identity("rtsp://h/"));
        assert!(!format!("{:?}", identity("rtsp://h/x?key=hunter2")).contains("hunter2"));
    }

    #[test]
    fn credentials_move_out_of_the_address() {
        let address = Address::parse("rtsp://ad%40min:p%3Ass@h/x", Scheme::Rtsp).expect("valid");
        assert_eq!(address.username.as_deref(), Some("ad@min"));
        assert_eq!(address.password.as_ref().map(Secret::expose), Some("p:ss"));
        assert_eq!(address.url.as_str(), "rtsp://h/x");
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for text in ["http://u:hunter2@h/x", "rtsp://u:hunter2@:99999999/x", "u:hunter2@h/x", "rtsp://", "h/x"] {
            let error = Address::parse(text, Scheme::Rtsp).expect_err(text).to_string();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(error.contains("rtsp://HOST"), "{error}");
        }
        for text in ["https://u:hunter2@h/x", "rtsp://u:hunter2@h/x", "u:hunter2@h/x", "http://"] {
            let error = Address::parse(text, Scheme::Http).expect_err(text).to_string();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(error.contains("http://HOST"), "{error}");
        }
    }
}
