//! Waiting for what may hang: a database whose machine is frozen, or a folder on a network that is away, gives no error for a
//! very long time. Whoever waits says so, once, and goes on waiting.

use std::{pin::pin, time::Duration};

/// Far longer than any write takes that will end, and than the database's own limits.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 45 });

/// Waits for an attempt to read or write.
pub(super) async fn patiently<T>(attempt: impl Future<Output = T>) -> T {
    let mut attempt = pin!(attempt);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut attempt).await {
        return done;
    }
    metrics::gauge!("gridwatch_writes_hang").set(1.0);
    tracing::error!(
        "tickets cannot be written: the database or the evidence folder has not answered for {PATIENCE:?}; see whether its \
         machine still runs. Nothing is lost, and tickets wait until it answers"
    );
    let done = attempt.await;
    metrics::gauge!("gridwatch_writes_hang").set(0.0);
    tracing::info!("the database and the evidence folder answer again");
    done
}
