//! Turns at connecting: so many at one time, and so many a second, first come, first served. After a start, an import, or
//! an outage of everything, thousands of cameras want to connect at once; recorders, switches and this machine want
//! them to come one after the other.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

/// The turns of all cameras.
#[derive(Debug)]
pub(crate) struct Connects {
    in_flight: Semaphore,
    /// From one turn to the next.
    gap: Duration,
    next: Mutex<Instant>,
}

/// The right to connect; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(#[expect(dead_code, reason = "it is held, not read")] Option<SemaphorePermit<'a>>);

impl Connects {
    /// `in_flight` of zero is one; `a_second` of zero is no limit.
    pub(crate) fn new(in_flight: usize, a_second: u32) -> Self {
        let gap = if a_second == 0 { Duration::ZERO } else { Duration::from_secs(1) / a_second };
        Self { in_flight: Semaphore::new(in_flight.max(1)), gap, next: Mutex::new(Instant::now()) }
    }

    /// Waits for a turn of a visit, which comes so often that visits are spread by themselves.
    pub(crate) async fn visit(&self) -> Turn<'_> {
        // The semaphore is never closed.
        Turn(self.in_flight.acquire().await.ok())
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        // Whoever waits for the next moment counts as in flight: the others wait behind.
        let turn = self.visit().await;
        let at = self.take(Instant::now());
        tokio::time::sleep_until(at).await;
        turn
    }

    /// The moment of the next turn, which is taken with that.
    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = now.max(*next);
        *next = at + self.gap;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_so_many_a_second_and_none_is_saved_up() {
        let connects = Connects::new(1, 10);
        let now = Instant::now() + Duration::from_secs(60);
        let waits: Vec<_> = (0..4).map(|_| connects.take(now).duration_since(now).as_millis()).collect();
        assert_eq!(waits, [0, 100, 200, 300]);
        let later = now + Duration::from_secs(60);
        assert_eq!(connects.take(later), later);
        assert_eq!(connects.take(later), later + Duration::from_millis(100));
        assert_eq!(Connects::new(1, 0).take(later), later);
    }

    #[tokio::test]
    async fn so_many_connect_at_one_time() {
        let connects = Connects::new(2, 0);
        let (first, _second) = (connects.turn().await, connects.turn().await);
        let mut third = std::pin::pin!(connects.turn());
        assert!(futures::poll!(third.as_mut()).is_pending());
        drop(first);
        third.await;
    }
}
