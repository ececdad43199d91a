//! Passwords as cameras ask for them: HTTP digest (RFC 2617, without `qop`, as RTSP clients know it) and basic.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::Secret;
use md5::{Digest as _, Md5};

const REALM: &str = "gridwatch simulate";

/// One user and its password.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: Secret,
}

impl Login {
    /// Whether an `Authorization` header, for a request with this method and `nonce`, names this user and password.
    pub(super) fn admits(&self, authorization: &str, method: &str, nonce: &str) -> bool {
        let Some((scheme, rest)) = authorization.trim().split_once(' ') else { return false };
        if scheme.eq_ignore_ascii_case("basic") {
            let login = format!("{}:{}", self.username, self.password.expose());
            return rest.trim() == STANDARD.encode(login);
        }
        let field = |name: &str| field(rest, name);
        let (Some(uri), Some(response)) = (field("uri"), field("response")) else { return false };
        let known = scheme.eq_ignore_ascii_case("digest")
            && field("username") == Some(&self.username)
            && field("realm") == Some(REALM)
            && field("nonce") == Some(nonce);
        known && response.eq_ignore_ascii_case(&self.response(method, uri, nonce))
    }

    fn response(&self, method: &str, uri: &str, nonce: &str) -> String {
        let user = md5(&format!("{}:{REALM}:{}", self.username, self.password.expose()));
        md5(&format!("{user}:{nonce}:{}", md5(&format!("{method}:{uri}"))))
    }
}

/// The `WWW-Authenticate` header.
pub(super) fn challenge(nonce: &str) -> String {
    format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=\"MD5\"")
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value of one field in `a="x", b=y`.
fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = fields;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key.trim_matches([' ', ',']).eq_ignore_ascii_case(name) {
            return Some(value.trim());
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login { username: "ops, north".into(), password: Secret::new("s=1\u{e4}") }
    }

    #[test]
    fn the_right_answer_to_the_challenge_is_admitted() {
        let login = login();
        let answer = login.response("DESCRIBE", "rtsp://h/a", "n1");
        let header = format!(
            "Digest username=\"ops, north\", realm=\"{REALM}\", nonce=\"n1\", uri=\"rtsp://h/a\", response=\"{answer}\""
        );
        assert!(login.admits(&header, "DESCRIBE", "n1"));
        assert!(!login.admits(&header, "SETUP", "n1"));
        assert!(!login.admits(&header, "DESCRIBE", "n2"));
        assert!(!Login { password: Secret::new("other"), ..login }.admits(&header, "DESCRIBE", "n1"));
    }

    #[test]
    fn basic_is_admitted_too_and_nonsense_is_not() {
        let login = login();
        let basic = format!("Basic {}", STANDARD.encode("ops, north:s=1\u{e4}"));
        assert!(login.admits(&basic, "DESCRIBE", "n"));
        for header in
            ["", "Basic", "Basic x", "Digest", "Digest a", "Digest uri=\"", "Digest uri=,response", "Bearer x"]
        {
            assert!(!login.admits(header, "DESCRIBE", "n"), "{header}");
        }
    }
}
