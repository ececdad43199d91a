//! The newest state of each camera, and which of them the broker has not heard of.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{CameraId, CameraReport, Place};
use tokio::sync::Notify;

use crate::wire::{self, Node};

/// Where the states of cameras are put for the broker. Newest wins, so posting never waits and nothing piles up.
#[derive(Debug, Clone, Default)]
pub struct CameraBoard {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    slots: Mutex<Slots>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Slots {
    cameras: BTreeMap<CameraId, Slot>,
    /// What is no longer said where: its retained message is to be taken back.
    gone: Vec<Gone>,
    /// All cameras that there are have been put up.
    is_complete: bool,
}

#[derive(Debug)]
struct Gone {
    camera: CameraId,
    place: Option<Place>,
    unsaid: bool,
}

/// What the broker is to be told.
#[derive(Debug)]
pub(super) enum Status {
    /// A camera's state, and where it stands.
    State(Box<CameraReport>, Option<Place>),
    /// Nothing is to be retained of this camera at this place.
    Gone(CameraId, Option<Place>),
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
        let Slots { cameras, gone, .. } = &mut *slots;
        gone.retain(|gone| gone.camera != report.id || gone.place.as_ref() != place);
        if let Some(slot) = cameras.get_mut(&report.id) {
            let is_news = !wire::is_same_news(&slot.report, report) || slot.place.as_ref() != place;
            slot.report = report.clone();
            if !is_news {
                return;
            }
            if slot.place.as_ref() != place {
                let place = std::mem::replace(&mut slot.place, place.cloned());
                gone.push(Gone { camera: report.id.clone(), place, unsaid: true });
            }
            slot.unsaid = true;
        } else {
            let slot = Slot { report: report.clone(), place: place.cloned(), unsaid: true };
            cameras.insert(report.id.clone(), slot);
        }
        drop(slots);
        self.inner.news.notify_one();
    }

    /// Takes back what was said of cameras that `stays` does not know any more. From the first call on the cameras that were put up
    /// are taken to be all that there are: what an earlier run said of others is taken back, too.
    pub fn retain(&self, stays: impl Fn(&CameraId) -> bool) {
        let mut slots = self.slots();
        let Slots { cameras, gone, is_complete } = &mut *slots;
        let before = (gone.len(), std::mem::replace(is_complete, true));
        cameras.retain(|camera, slot| {
            let stays = stays(camera);
            if !stays {
                gone.push(Gone { camera: camera.clone(), place: slot.place.take(), unsaid: true });
            }
            stays
        });
        let news = before != (gone.len(), true);
        drop(slots);
        if news {
            self.inner.news.notify_one();
        }
    }

    /// Up to `limit` things that the broker has not heard of; it is taken to have heard of them now. What is gone comes
    /// first: a camera may have moved to where another one was.
    pub(super) fn take(&self, limit: usize) -> Vec<Status> {
        let mut slots = self.slots();
        let Slots { cameras, gone, .. } = &mut *slots;
        let gone = gone.iter_mut().filter(|gone| gone.unsaid).map(|gone| {
            gone.unsaid = false;
            Status::Gone(gone.camera.clone(), gone.place.clone())
        });
        let states = cameras.values_mut().filter(|slot| slot.unsaid).map(|slot| {
            slot.unsaid = false;
            Status::State(Box::new(slot.report.clone()), slot.place.clone())
        });
        gone.chain(states).take(limit).collect()
    }

    /// Whether all cameras that there are have been put up.
    pub(super) fn is_complete(&self) -> bool {
        self.slots().is_complete
    }

    /// Where the states of the cameras stand at the moment.
    pub(super) fn topics(&self, node: &Node) -> BTreeSet<String> {
        let slots = self.slots();
        slots.cameras.iter().map(|(id, slot)| wire::camera_status_topic(slot.place.as_ref(), node, id)).collect()
    }

    /// A broker that was away may have forgotten everything.
    pub(super) fn say_all_again(&self) {
        let mut slots = self.slots();
        slots.cameras.values_mut().for_each(|slot| slot.unsaid = true);
        slots.gone.iter_mut().for_each(|gone| gone.unsaid = true);
    }

    /// Ends when there may be something to take. Loses nothing when cancelled.
    pub(super) async fn news(&self) {
        self.inner.news.notified().await;
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // A slot is always whole, so a panic elsewhere leaves nothing half-done here.
        self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
