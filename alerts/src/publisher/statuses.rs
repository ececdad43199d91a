//! The newest state of whatever has one, and which of them the broker has not heard of.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

/// Where states are put for the broker, by topic. Newest wins, so posting never waits and nothing piles up.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    slots: Mutex<BTreeMap<String, Slot>>,
    news: Notify,
}

#[derive(Debug)]
struct Slot {
    payload: Bytes,
    unsaid: bool,
}

impl StatusBoard {
    /// Puts up the state that stands under `topic`.
    pub fn post(&self, topic: String, payload: Bytes) {
        self.slots().insert(topic, Slot { payload, unsaid: true });
        self.inner.news.notify_one();
    }

    /// Up to `limit` states that the broker has not heard of; it is taken to have heard of them now.
    pub(crate) fn take(&self, limit: usize) -> Vec<(String, Bytes)> {
        let mut slots = self.slots();
        let unsaid = slots.iter_mut().filter(|(_, slot)| slot.unsaid).take(limit);
        unsaid
            .map(|(topic, slot)| {
                slot.unsaid = false;
                (topic.clone(), slot.payload.clone())
            })
            .collect()
    }

    /// A broker that was away may have forgotten everything.
    pub(super) fn say_all_again(&self) {
        self.slots().values_mut().for_each(|slot| slot.unsaid = true);
    }

    /// Ends when there may be something to take. Loses nothing when cancelled.
    pub(crate) async fn news(&self) {
        self.inner.news.notified().await;
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        // A slot is always whole, so a panic elsewhere leaves nothing half-done here.
        self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
