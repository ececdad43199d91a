//! `gridwatch run`.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::{config::Config, pipeline::Pipeline};

/// Runs until `cancel`, then drains.
///
/// # Errors
/// When the configuration does not load, something cannot be started, or a stage ends unexpectedly.
pub async fn run(config: &Path, cancel: CancellationToken) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    Pipeline::start(config, cancel).await?.wait().await
}
