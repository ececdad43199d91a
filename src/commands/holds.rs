//! `gridwatch tickets hold|release`: what must be kept whatever its age.

use std::{path::Path, time::SystemTime};

use alerts::store::Store;
use anyhow::bail;
use domain::{TicketId, Timestamp};

use crate::config::Config;

/// Who asks, where the command line does not say: whoever is logged in.
fn asker(by: Option<String>) -> anyhow::Result<String> {
    let name = by.or_else(|| ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok()));
    match name.filter(|name| !name.trim().is_empty()) {
        Some(name) => Ok(name),
        None => bail!("who asks for it? Say so with --by NAME"),
    }
}

/// Keeps a ticket until it is released.
///
/// # Errors
/// When there is no such ticket, it is on hold already, or the database fails.
pub async fn run_hold(config: &Path, id: TicketId, reason: &str, by: Option<String>) -> anyhow::Result<()> {
    let by = asker(by)?;
    let store = Store::connect(Config::load(config)?.database()?).await?;
    if !store.hold(id, &by, reason, SystemTime::now().into()).await? {
        bail!("ticket {id} is on hold already; see `gridwatch tickets show {id}`");
    }
    println!("ticket {id} is kept until it is released");
    Ok(())
}

/// Ends a hold; the ticket goes when it has expired.
///
/// # Errors
/// When it is not on hold or the database fails.
pub async fn run_release(config: &Path, id: TicketId, reason: &str, by: Option<String>) -> anyhow::Result<()> {
    let by = asker(by)?;
    let store = Store::connect(Config::load(config)?.database()?).await?;
    let now: Timestamp = SystemTime::now().into();
    if !store.release(id, &by, reason, now).await? {
        bail!("ticket {id} is not on hold");
    }
    println!("ticket {id} is on hold no longer");
    Ok(())
}
