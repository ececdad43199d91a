//! The state of a sensor: retained, so that whoever connects later knows which devices to believe.

use bytes::Bytes;
use domain::{DeviceId, Place};
use serde::Serialize;

use super::{Node, json, topic};
use crate::sensor::{Device, Memory, State, measure};

/// Where a sensor's state stands, retained: `gridwatch/v1/{district}/{street}/sensor/{device}/status`.
#[must_use]
pub fn sensor_status_topic(place: Option<&Place>, node: &Node, device: &DeviceId) -> String {
    format!("{}/sensor/{device}/status", topic::area(place, node))
}

/// The state of a sensor as `memory` has it.
#[must_use]
pub fn sensor_status(device: &Device, memory: &Memory, node: &Node) -> Bytes {
    let latest = memory.latest.get(&device.measure);
    json(&SensorStatus {
        device: device.id.as_str(),
        node: node.id.as_str(),
        name: (!device.name.is_empty()).then_some(&device.name),
        state: memory.health.state,
        since: memory.health.since.map(|at| node.rfc3339(at)),
        last_seen: memory.health.seen_at.map(|at| node.rfc3339(at)),
        measure: &device.measure,
        unit: measure(&device.measure).map(|m| m.unit).filter(|unit| !unit.is_empty()),
        value: latest.map(|noted| noted.value),
        battery: memory.health.battery,
    })
}

#[derive(Debug, Serialize)]
struct SensorStatus<'a> {
    device: &'a str,
    node: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a String>,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    measure: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    battery: Option<f64>,
}
