//! Logs to standard error: readable lines, or JSON for a collector.

use std::io::IsTerminal as _;

use crate::broker;
use tracing_subscriber::{EnvFilter, util::SubscriberInitExt as _};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging; `filter` as in `RUST_LOG`.
///
/// # Errors
/// When the filter does not parse, or logging has been started before.
pub fn start(filter: &str, format: Format) -> anyhow::Result<()> {
    // What these libraries chat about at `info` says nothing that our own lines do not.
    let filter = EnvFilter::try_new(format!("{},ort=error,retina=error,sqlx=warn,{filter}", broker::LOG_FILTER))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        Format::Text => lines.finish().try_init()?,
        Format::Json => lines.json().finish().try_init()?,
    }
    Ok(())
}
