//! Tickets against real brokers: Mosquitto as a child process, a real store, real files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod broker;
mod contract;
mod delivery;
mod fixture;
mod lights;
mod listener;
mod platform;
mod refusal;
mod sensors;
mod subscriber;
mod tls;
mod verdicts;
mod zero_report;
