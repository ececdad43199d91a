//! What goes over MQTT: topics, payloads and properties of every message, built from our words without any I/O.
//!
//! A ticket travels as its pictures first (each binary, addressed by its SHA-256), then one CloudEvents 1.0 event in
//! structured JSON mode (content type [`CLOUDEVENTS`], the whole envelope in the payload), which an MQTT 3.1.1
//! subscriber reads just as well. `docs/asyncapi.yaml` is the contract; tests hold every message built here to it.
//! A message once built is stored as it is and sent as it is: a resend is the same bytes under the same id.

mod case;
mod checked;
mod light;
mod platform;
mod sensor;
mod status;
mod ticket;
mod topic;
mod zero_report;

use domain::{Cell, Millis, NodeId, Timestamp};
use jiff::tz::TimeZone;
use serde::Serialize;

pub use case::{CaseMessages, PROBLEM_PAYLOAD, Problem, case_messages, problem_message};
pub use checked::checked_messages;
pub use light::light_message;
pub use platform::{Fault, Heard, platform_filter, read_platform};
pub use sensor::{sensor_status, sensor_status_topic};
pub use status::{CameraStatus, NodeState, NodeStatus, camera_status, is_same_news, node_status};
pub use ticket::{again_messages, cleared_messages, opening_messages, vouched_messages};
pub use topic::{
    camera_status_topic, checked_topic, cleared_topic, evidence_topic, light_topic, node_status_topic, problem_topic,
    ticket_evidence_topic, ticket_state_topic, ticket_topic, zero_report_status_topic,
};

pub use zero_report::{zero_report_made, zero_report_message, zero_report_missing};

/// The content type of a ticket's event (CloudEvents MQTT binding, structured mode).
pub const CLOUDEVENTS: &str = "application/cloudevents+json";

/// The content type of a status message.
pub const JSON: &str = "application/json";

/// How long a broker keeps a ticket or its pictures for a platform that is away.
pub const MESSAGE_EXPIRY: Millis = Millis::mins(24 * 60);

/// This process as its messages name it.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its id among its peers.
    pub id: NodeId,
    /// The district that it serves, or deeper; stands in for the place of a camera that has none.
    pub district: Cell,
    /// The time zone whose offset the times on the wire carry.
    pub timezone: TimeZone,
}

impl Node {
    /// `time` as RFC 3339 with milliseconds and this node's offset.
    #[must_use]
    pub fn rfc3339(&self, time: Timestamp) -> String {
        let instant = jiff::Timestamp::from_millisecond(time.0).unwrap_or(if time.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
        instant.to_zoned(self.timezone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }
}

/// A CloudEvents 1.0 envelope.
#[derive(Debug, Serialize)]
struct CloudEvent<T> {
    specversion: &'static str,
    id: String,
    #[serde(rename = "type")]
    event_type: &'static str,
    source: String,
    subject: String,
    time: String,
    datacontenttype: &'static str,
    data: T,
}

/// The bytes of a payload. All payloads are structs of strings, finite numbers and lists, which always serialise.
fn json(payload: &impl Serialize) -> bytes::Bytes {
    serde_json::to_vec(payload).expect("payloads hold nothing that JSON cannot say").into()
}

/// A score or a relative coordinate with as many digits as mean something; never NaN, which JSON cannot say.
fn rounded(value: f32) -> f64 {
    if value.is_finite() { (f64::from(value) * 10_000.0).round() / 10_000.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(timezone: &str) -> Node {
        Node {
            id: "xh-03".parse().unwrap(),
            district: Cell::try_from("310104".to_owned()).unwrap(),
            timezone: TimeZone::get(timezone).unwrap(),
        }
    }

    #[test]
    fn times_carry_the_nodes_offset() {
        let time = Timestamp(1_425_277_267_080);
        assert_eq!(node("Asia/Shanghai").rfc3339(time), "2015-03-02T14:21:07.080+08:00");
        assert_eq!(node("UTC").rfc3339(time), "2015-03-02T06:21:07.080+00:00");
    }

    #[test]
    fn a_clock_gone_mad_still_gives_a_time() {
        assert!(node("UTC").rfc3339(Timestamp(i64::MAX)).starts_with("9999-12-3"));
        assert!(node("UTC").rfc3339(Timestamp(i64::MIN)).starts_with('-'));
    }
}
