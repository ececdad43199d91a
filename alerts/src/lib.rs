//! Detections to tickets: sightings, rules, incidents, evidence, store, outbox, MQTT.
//!
//! `incident` and `ticket` hold the words that the rule core and the world around it share; `rules` is the core without I/O.

pub mod annotate;
mod blocking;
pub mod case;
pub mod clocks;
pub mod deadline;
pub mod duty;
pub mod error;
pub mod evidence;
pub mod export;
pub mod figures;
pub mod incident;
pub mod jpeg;
pub mod kinds;
pub mod mqtt;
pub mod platform;
pub mod publisher;
pub mod recheck;
pub mod registry;
pub mod retention;
pub mod routed;
pub mod rules;
pub mod sensor;
pub mod service;
pub mod store;
pub mod streets;
pub mod ticket;
pub mod timekeeper;
pub mod wire;
pub mod zero_report;

pub use error::AlertsError;

/// Says what this crate's metrics mean, to whatever recorder is installed.
pub fn describe_metrics() {
    figures::describe_metrics();
    publisher::describe_metrics();
    registry::describe_metrics();
    retention::describe_metrics();
    sensor::describe_metrics();
    service::describe_metrics();
    timekeeper::describe_metrics();
    zero_report::describe_metrics();
}
