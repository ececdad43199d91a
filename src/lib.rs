//! gridwatch watches street cameras for illegal vending, exposed garbage and blocked lanes, and files tickets with
//! evidence on the city's grid-management platform over MQTT.
//!
//! This library composes the stages (`ingest`, `detect`, `alerts`, `console`) into the program; `pipeline` is the one
//! place that knows them all.

pub mod backtest;
pub mod broker;
pub mod cameras;
pub mod cli;
pub mod commands;
pub mod config;
pub mod dataset;
pub mod duty;
pub mod evaluation;
pub mod fleet;
pub mod grid;
pub mod health;
pub mod holidays;
pub mod logging;
pub mod looker;
pub mod main_pictures;
mod overlaps;
pub mod pipeline;
pub mod probing;
pub mod reference;
pub mod reload;
mod remembered;
pub mod roster;
mod sections;
pub mod sensors;
pub mod sheet;
pub mod still;
pub mod telemetry;
pub mod vendor;
