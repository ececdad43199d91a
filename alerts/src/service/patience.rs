//! Waiting for what may hang: a database whose machine is frozen, or a folder on a network that is away, gives no error for a
//! very long time. Whoever waits says so, once, and goes on waiting.

use std::{
    pin::pin,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Far longer than any write takes that will end, and than the database's own limits.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 45 });

/// The waiting of all who read and write the same tickets and pictures.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Attempts that hang now.
    hanging: AtomicU32,
}

/// An attempt that hangs, until it is answered or given up.
struct Hanging<'a>(&'a AtomicU32);

impl Patience {
    /// Waits for an attempt to read or write.
    pub(super) async fn wait<T>(&self, attempt: impl Future<Output = T>) -> T {
        let mut attempt = pin!(attempt);
        if let Ok(done) = tokio::time::timeout(PATIENCE, &mut attempt).await {
            return done;
        }
        let hanging = Hanging::begin(&self.hanging);
        let done = attempt.await;
        hanging.answered();
        done
    }
}

impl<'a> Hanging<'a> {
    /// The first that hangs says so for all.
    fn begin(hanging: &'a AtomicU32) -> Self {
        let others = hanging.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("gridwatch_writes_hang").set(f64::from(others + 1));
        if others == 0 {
            tracing::error!(
                "tickets cannot be written: the database or the evidence folder has not answered for {PATIENCE:?}; see \
                 whether its machine still runs. Nothing is lost, and tickets wait until it answers"
            );
        }
        Self(hanging)
    }

    /// The last that is answered says so for all.
    fn answered(self) {
        let is_last = self.0.load(Ordering::Relaxed) == 1;
        drop(self);
        if is_last {
            tracing::info!("the database and the evidence folder answer again");
        }
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        let others = self.0.fetch_sub(1, Ordering::Relaxed) - 1;
        metrics::gauge!("gridwatch_writes_hang").set(f64::from(others));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_told_until_the_last_is_answered() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let figures = recorder.handle();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let patience = Patience::default();
        let (one, first) = oneshot::channel::<()>();
        let (other, second) = oneshot::channel::<()>();
        let hang = async |n: u32| {
            let line = format!("gridwatch_writes_hang {n}");
            let deadline = Instant::now() + Duration::from_secs(30);
            while !figures.render().lines().any(|told| told == line) {
                assert!(Instant::now() < deadline, "no line {line} in\n{}", figures.render());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let told = async {
            hang(2).await;
            drop(one);
            hang(1).await;
            drop(other);
            hang(0).await;
        };
        let quick = patience.wait(async {});
        let (_, _, (), ()) = tokio::join!(patience.wait(first), patience.wait(second), quick, told);
    }
}
