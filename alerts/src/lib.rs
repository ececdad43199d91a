//! Detections to tickets: sightings, rules, incidents, evidence, store, outbox, MQTT.
//!
//! `incident` and `ticket` hold the words that the rule core and the world around it share; `rules` is the core without I/O.

pub mod incident;
pub mod kinds;
pub mod ticket;
pub mod wire;
