//! Problems that are gone and whose tickets wait a moment for looks that show it: as many as the responsibility list wants to
//! close a case, and one where readings alone tell that it is over and a camera sees the place.
//!
//! ```text
//!  gone ──▶ enough looks? ──yes──▶ to the desk
//!               │ no                   ▲
//!               └──▶ waits ────────────┴── enough looks, 15 s, or somebody speaks of the ticket or of its place
//! ```

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use domain::{CameraId, Look, TicketId, Timestamp};

use super::{
    Watch,
    desk::{Case, Change, Clearing},
    gathered::KeptLook,
};

/// How long the news that a problem is gone waits for looks that show it; then it goes with those that came.
const LOOKS_WAIT: Duration = Duration::from_secs(15);
/// Looks that it waits for at most, whatever the list wants.
const MOST_LOOKS: usize = 8;
/// Looks of all that wait together, in bytes.
const BYTES: usize = 64 << 20;
/// Share of the place that something must cover to hide it.
const HIDES: f32 = 0.5;

/// News that wait for looks.
pub(super) struct Closing {
    clearing: Clearing,
    camera: CameraId,
    /// Looks before show the place as it was.
    since: Timestamp,
    wanted: usize,
    /// Whatever the wall clock does meanwhile.
    until: Instant,
}

impl Watch {
    /// A ticket's problem is gone, as `camera` sees it or would; its news go now or wait.
    pub(super) fn close(&mut self, mut clearing: Clearing, camera: CameraId) -> Option<Case> {
        let wanted = self.pictures_wanted.borrow().to_close().min(MOST_LOOKS);
        let enough = clearing.look.is_some() && wanted == 1;
        if enough || !self.cameras.contains_key(&camera) {
            return Some(Case::Change(Change::Clear(Box::new(clearing))));
        }
        // As the camera sent it: what waits must not hold decoded pictures.
        clearing.kept = clearing.look.take().iter().map(|look| KeptLook::from(look.as_ref())).collect();
        self.second_looks.ask(&camera);
        // A device's clock may be fast.
        let since = clearing.cleared_at.min(SystemTime::now().into());
        self.closings.push(Closing { clearing, camera, since, wanted, until: Instant::now() + LOOKS_WAIT });
        None
    }

    /// Takes in a look; gives the news that waited for no more than this one.
    pub(super) fn looked_after(&mut self, look: &Arc<Look>) -> Vec<Case> {
        if self.closings.is_empty() || look.doubt.is_some() {
            return Vec::new();
        }
        let mut bytes: usize = self.closings.iter().flat_map(|c| &c.clearing.kept).map(KeptLook::bytes).sum();
        for closing in &mut self.closings {
            let Closing { clearing, camera, since, wanted, .. } = closing;
            let hides = |place| look.detections.iter().any(|d| d.bbox.common_area(place) >= HIDES * place.area());
            if *camera != look.camera
                || look.sampled_at <= *since
                || clearing.angle.as_ref().is_some_and(|angle| hides(angle.bbox))
            {
                continue;
            }
            if clearing.kept.len() + 1 < *wanted && bytes < BYTES {
                let kept = KeptLook::from(look.as_ref());
                bytes += kept.bytes();
                clearing.kept.push(kept);
                self.second_looks.ask(&look.camera);
            } else {
                clearing.look = Some(Arc::clone(look));
            }
        }
        self.let_close(|closing| closing.clearing.look.is_some())
    }

    /// News that have waited for long enough.
    pub(super) fn overdue_closings(&mut self, now: Timestamp) -> Vec<Case> {
        self.let_close(|closing| closing.until <= Instant::now() || now.since(closing.since) >= LOOKS_WAIT.into())
    }

    /// All news that wait, for the end.
    pub(super) fn all_closings(&mut self) -> Vec<Case> {
        self.let_close(|_| true)
    }

    /// That a ticket's problem is gone must be written before anything else of it is.
    pub(super) fn closing_of(&mut self, ticket: TicketId) -> Vec<Case> {
        self.let_close(|closing| closing.clearing.ticket == ticket)
    }

    /// A ticket opens where others may be about to close: one place never has two.
    pub(super) fn closings_at(&mut self, camera: &CameraId) -> Vec<Case> {
        self.let_close(|closing| closing.camera == *camera)
    }

    fn let_close(&mut self, ready: impl Fn(&Closing) -> bool) -> Vec<Case> {
        let ready = self.closings.extract_if(.., |closing| ready(closing));
        ready.map(|closing| Case::Change(Change::Clear(Box::new(closing.clearing)))).collect()
    }
}
