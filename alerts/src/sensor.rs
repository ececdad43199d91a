//! Sensors: readings of any vendor's devices, what is wrong with the devices, and the problems that readings show.
//!
//! ```text
//!  brokers ─▶ listeners ─▶ mapping (topic, payload ─▶ readings) ─▶ core ─▶ tickets, looks, words on zones, health
//!                            └▶ problems, counted by reason
//! ```
//!
//! `mapping` and `core` are without I/O and without a clock. A message is acknowledged at once where it changes nothing
//! that a rule depends on, else once what it changed is in the database: then neither a crash nor a lost connection
//! forgets that smoke was reported. A payload that cannot be read is counted and shown, and costs no other.

mod board;
mod condition;
mod config;
mod core;
mod health;
mod mapping;
mod measure;
mod service;
#[cfg(test)]
mod tests;
mod topic;

pub use self::{
    board::{DeviceView, SensorBoard, SourceView},
    condition::{Condition, Noted},
    config::{Conditions, Device, SensorError, SensorRule, SensorsConfig, Source},
    core::{Case, Core, Effect, Memory, Speech, Word},
    health::{Health, State},
    mapping::{Mapping, Problem, Reading},
    measure::{MEASURES, Measure, measure},
    service::{CameraLookup, SensorService, SensorSetup, describe_metrics},
    topic::Pattern,
};
