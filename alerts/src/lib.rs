//! Detections to tickets: sightings, rules, incidents, evidence, store, outbox, MQTT.
//!
//! `incident` holds the words that the rule core and the world around it share; `rules` is the core without I/O.

pub mod incident;
