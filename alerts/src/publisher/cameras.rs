//! The newest state of each camera, and which of them the broker has not heard of.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{CameraId, CameraReport, Place};
use tokio::sync::Notify;

use crate::wire;

/// Where the states of cameras are put for the broker. Newest wins, so posting never waits and nothing piles up.
#[derive(Debug, Clone, Default)]
pub struct CameraBoard {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    slots: Mutex<BTreeMap<CameraId, Slot>>,
    news: Notify,
}

#[derive(Debug)]
struct Slot {
    report: CameraReport,
    place: Option<Place>,
    unsaid: bool,
}

impl CameraBoard {
    /// Puts up a camera's state; `place` decides its topic. Cheap where nothing changed that is worth a message, so it
    /// may be called with every report.
    pub fn post(&self, report: &CameraReport, place: Option<&Place>) {
        let mut slots = self.slots();
        if let Some(slot) = slots.get_mut(&report.id) {
            let is_news = !wire::is_same_news(&slot.report, report) || slot.place.as_ref() != place;
            slot.report = report.clone();
            if !is_news {
                return;
            }
            slot.place = place.cloned();
            slot.unsaid = true;
        } else {
            let slot = Slot { report: report.clone(), place: place.cloned(), unsaid: true };
            slots.insert(report.id.clone(), slot);
        }
        drop(slots);
        self.inner.news.notify_one();
    }

    /// Up to `limit` states that the broker has not heard of; it is taken to have heard of them now.
    pub(super) fn take(&self, limit: usize) -> Vec<(CameraReport, Option<Place>)> {
        let mut slots = self.slots();
        let unsaid = slots.values_mut().filter(|slot| slot.unsaid).take(limit);
        unsaid
            .map(|slot| {
                slot.unsaid = false;
                (slot.report.clone(), slot.place.clone())
            })
            .collect()
    }

    /// A broker that was away may have forgotten everything.
    pub(super) fn say_all_again(&self) {
        self.slots().values_mut().for_each(|slot| slot.unsaid = true);
    }

    /// Ends when there may be something to take. Loses nothing when cancelled.
    pub(super) async fn news(&self) {
        self.inner.news.notified().await;
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<CameraId, Slot>> {
        // A slot is always whole, so a panic elsewhere leaves nothing half-done here.
        self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
