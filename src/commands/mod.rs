//! What each subcommand does. Results go to standard output, progress and logs to standard error.
#![allow(clippy::print_stdout, reason = "the results of a command belong on standard output")]

pub mod backtest;
pub mod cameras;
pub mod check;
pub mod demo;
pub mod duty;
pub mod grid;
pub mod holds;
pub mod labels;
pub mod models;
pub mod platform;
pub mod probe;
pub mod run;
pub mod sensors;
pub mod simulate;
pub mod tickets;
pub mod zero_report;

use comfy_table::{ContentArrangement, Table, presets};

/// A plain table with a header, as wide as its content needs.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table
}

/// A moment in the node's time zone, to the second.
fn local_time(at: domain::Timestamp, timezone: &jiff::tz::TimeZone) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map(|t| t.to_zoned(timezone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_else(|_| "-".into())
}
