//! Identifiers. Each is a newtype, so that a camera is never mistaken for a zone.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// An identifier that a person or another system chose and that breaks a rule of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{value}\" is no valid {what}: {expected}")]
pub struct IdError {
    what: &'static str,
    value: String,
    expected: &'static str,
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(value: &str) -> Result<Self, IdError> {
                if is_topic_safe(value) {
                    Ok(Self(value.into()))
                } else {
                    Err(IdError {
                        what: $what,
                        value: value.chars().take(80).collect(),
                        expected: "expected 1 to 64 letters, digits, '-', '_' or '.'",
                    })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(value: String) -> Result<Self, IdError> {
                value.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Ids become MQTT topic levels, file names and URL segments, so they keep to what is safe in all three.
fn is_topic_safe(value: &str) -> bool {
    (1..=64).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && value.bytes().any(|b| b != b'.')
}

name_id!(
    /// A camera: its 20-digit GB/T 28181 id where it has one, else any topic-safe name.
    CameraId,
    "camera id"
);
name_id!(
    /// A zone on one camera's view; unique within its camera.
    ZoneId,
    "zone id"
);
name_id!(
    /// A community station, or a group of cameras, that reports (`XT-01`).
    StationId,
    "station id"
);
name_id!(
    /// This process among its peers (`xh-03`).
    NodeId,
    "node id"
);
name_id!(
    /// A sensor, as its messages name it.
    DeviceId,
    "device id"
);
name_id!(
    /// What a case is about, in dotted form (`lane.motor`, `vendor.stall`, `garbage.exposed`).
    Kind,
    "kind"
);

/// What a detector says a thing is: a class or a group of classes, in the model manifest's words (`car`, `vehicle`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(Arc<str>);

impl Label {
    /// A label from a manifest's class name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A ticket's identity on every wire and after every restart: a version 7 UUID (RFC 9562).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketId(pub uuid::Uuid);

impl TicketId {
    /// The id that follows from `opened_at` and `seed`: the same inputs give the same id, so a replay names the
    /// same tickets. `seed` is whatever makes the problem unique (camera, kind, place, first sight).
    #[must_use]
    pub fn derive(opened_at: crate::Timestamp, seed: &[u8]) -> Self {
        let digest = sha2::Sha256::digest(seed);
        let mut random = [0_u8; 10];
        random.copy_from_slice(&digest[..10]);
        let millis = u64::try_from(opened_at.0).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TicketId {
    type Err = uuid::Error;

    fn from_str(s: &str) -> Result<Self, uuid::Error> {
        s.parse().map(Self)
    }
}

/// A SHA-256 digest (FIPS 180-4), written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// The digest of `data`.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        Self(sha2::Sha256::digest(data).into())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl FromStr for Sha256 {
    type Err = IdError;

    fn from_str(s: &str) -> Result<Self, IdError> {
        let digits = s.as_bytes();
        let mut out = [0_u8; 32];
        let valid = digits.len() == 64
            && out.iter_mut().zip(digits.chunks_exact(2)).all(|(byte, pair)| {
                std::str::from_utf8(pair)
                    .ok()
                    .filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|p| u8::from_str_radix(p, 16).ok())
                    .map(|b| *byte = b)
                    .is_some()
            });
        if valid {
            Ok(Self(out))
        } else {
            Err(IdError {
                what: "SHA-256",
                value: s.chars().take(80).collect(),
                expected: "expected 64 hexadecimal digits",
            })
        }
    }
}

impl TryFrom<String> for Sha256 {
    type Error = IdError;

    fn try_from(value: String) -> Result<Self, IdError> {
        value.parse()
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_camera_id(value: &str, valid: bool) {
        assert_eq!(value.parse::<CameraId>().is_ok(), valid, "{value:?}");
    }

    #[test]
    fn camera_ids_are_safe_in_topics_and_paths() {
        check_camera_id("31010400001320000123", true);
        check_camera_id("gate-2_east.sub", true);
        check_camera_id("", false);
        check_camera_id("..", false);
        check_camera_id("a/b", false);
        check_camera_id("a+", false);
        check_camera_id("#", false);
        check_camera_id("斜土路", false);
        check_camera_id(&"x".repeat(65), false);
    }

    #[test]
    fn ticket_id_follows_from_its_inputs_and_sorts_by_time() {
        let a = TicketId::derive(crate::Timestamp(1_000), b"x");
        assert_eq!(a, TicketId::derive(crate::Timestamp(1_000), b"x"));
        assert_ne!(a, TicketId::derive(crate::Timestamp(1_000), b"y"));
        assert!(a < TicketId::derive(crate::Timestamp(2_000), b"x"));
        assert_eq!(a.0.get_version_num(), 7);
    }

    #[test]
    fn digests_round_trip() {
        let digest = Sha256::of(b"abc");
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_string().parse::<Sha256>(), Ok(digest));
        assert!("+a".repeat(32).parse::<Sha256>().is_err());
    }
}
