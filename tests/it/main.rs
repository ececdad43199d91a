//! The whole program against real servers, and the tests that hold the architecture to its page.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod architecture;
mod backtest;
mod camera_health;
mod chaos;
mod commands;
mod configuration;
mod crash;
mod database;
mod duty;
mod embedded_broker;
mod labels;
mod live;
mod outages;
mod platform;
mod sensors;
mod soak;
mod soak_judged;
mod spine;
mod support;
