//! The state of a node and of a camera: the only messages that a broker retains, so that whoever connects later knows
//! at once what works.

use bytes::Bytes;
use domain::{CameraFault, CameraReport, CameraState, Codec, DecodeMode, NodeId, Timestamp};
use serde::Serialize;

use super::{Node, json, rounded};

/// Whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// Connected: the birth message.
    Online,
    /// Stopped on purpose at this time.
    Stopped(Timestamp),
    /// The broker lost it: the last will, which is written before it is known when.
    Lost,
}

/// The state of a node as JSON says it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeStatus {
    node: NodeId,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    online_since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offline_since: Option<String>,
    version: &'static str,
}

impl NodeStatus {
    /// The payload.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        json(self)
    }
}

/// The state of `node`, which connected at `online_since`.
#[must_use]
pub fn node_status(node: &Node, state: NodeState, online_since: Timestamp) -> NodeStatus {
    let (word, reason, offline_since) = match state {
        NodeState::Online => ("online", None, None),
        NodeState::Stopped(at) => ("offline", Some("stopped"), Some(node.rfc3339(at))),
        NodeState::Lost => ("offline", Some("lost"), None),
    };
    NodeStatus {
        node: node.id.clone(),
        state: word,
        reason,
        online_since: node.rfc3339(online_since),
        offline_since,
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// The state of a camera as JSON says it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraStatus {
    camera: String,
    node: NodeId,
    state: CameraState,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    codec: Option<Codec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keyframe_interval_s: Option<f64>,
    decode: DecodeMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_look: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    faults: Vec<FaultStatus>,
    tickets: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_offset_s: Option<f64>,
}

/// A fault of a camera as JSON says it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct FaultStatus {
    fault: CameraFault,
    since: String,
}

impl CameraStatus {
    /// The payload.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        json(self)
    }
}

/// Whether two reports say the same of a camera. The last look moves with every look, counters count, and a measured
/// interval trembles: none of these alone is worth a message.
#[must_use]
pub fn is_same_news(a: &CameraReport, b: &CameraReport) -> bool {
    let seconds = |report: &CameraReport| report.keyframe_interval.map(|i| i.as_secs_f64().round() as i64);
    (a.state, a.since, &a.error, a.codec, a.size, seconds(a), a.decode, &a.ailments)
        == (b.state, b.since, &b.error, b.codec, b.size, seconds(b), b.decode, &b.ailments)
}

/// The state of a camera as `report` has it.
#[must_use]
pub fn camera_status(report: &CameraReport, node: &Node) -> CameraStatus {
    CameraStatus {
        camera: report.id.to_string(),
        node: node.id.clone(),
        state: report.state,
        since: node.rfc3339(report.since),
        codec: report.codec,
        size: report.size.map(<[u32; 2]>::from),
        keyframe_interval_s: report.keyframe_interval.map(|interval| rounded(interval.as_secs_f64() as f32)),
        decode: report.decode,
        last_look: report.last_look_at.map(|at| node.rfc3339(at)),
        error: report.error.as_ref().map(ToString::to_string),
        faults: report
            .ailments
            .iter()
            .map(|ailment| FaultStatus { fault: ailment.fault, since: node.rfc3339(ailment.since) })
            .collect(),
        tickets: if report.suspended_since().is_some() { "suspended" } else { "active" },
        clock_offset_s: report.clock_offset.map(|offset| rounded(offset.as_secs_f64() as f32)),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Ailment, Millis};

    use super::*;

    fn report() -> CameraReport {
        CameraReport {
            id: "gate-2".parse().unwrap(),
            state: CameraState::Streaming,
            since: Timestamp(1_000),
            error: None,
            codec: Some(Codec::H264),
            size: Some((704, 576)),
            keyframe_interval: Some(Millis(2_010)),
            decode: DecodeMode::Keyframes,
            last_keyframe_at: None,
            last_look_at: Some(Timestamp(5_000)),
            look_interval: Millis::secs(10),
            looks: 7,
            reconnects: 0,
            ailments: Vec::new(),
            clock_offset: None,
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut CameraReport), same_news: bool) {
        let mut changed = report();
        change(&mut changed);
        assert_eq!(is_same_news(&report(), &changed), same_news);
    }

    #[test]
    fn a_look_is_no_news_but_a_change_of_state_is() {
        check(|r| r.last_look_at = Some(Timestamp(9_000)), true);
        check(|r| r.looks += 1, true);
        check(|r| r.keyframe_interval = Some(Millis(1_990)), true);
        check(|r| r.keyframe_interval = Some(Millis(10_000)), false);
        check(|r| r.decode = DecodeMode::AllFrames, false);
        check(|r| r.state = CameraState::Offline, false);
        check(|r| r.size = Some((1920, 1080)), false);
        check(|r| r.error = Some("password refused".into()), false);
        check(|r| r.clock_offset = Some(Millis(800)), true);
        check(|r| r.ailments.push(Ailment { fault: CameraFault::Moved, since: Timestamp(4_000) }), false);
    }
}
