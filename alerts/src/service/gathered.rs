//! Looks that are kept as the camera sent them, for a ticket that may come of them: the one that first showed a suspect, and
//! further ones of its dwell where the responsibility list wants more than two pictures to open a case.
//!
//! It promises: no ticket waits for these, all of them together stay within a bound, and first pictures go before further
//! ones.

use std::collections::HashMap;

use domain::{AccessUnit, CameraId, Detection, Kind, Look, Timestamp};

use super::shots::count_missing;
use crate::{duty::PicturesWanted, incident::SuspectId, ticket::EvidenceRole};

/// All looks together, in bytes; a suspect beyond that goes without.
const BYTES: usize = 128 << 20;
/// Those of them that further looks may take.
const FURTHER_BYTES: usize = BYTES / 2;
/// Further looks of one suspect at most, whatever the list wants.
const MOST_FURTHER: usize = 16;

/// A look as the camera sent it, with what was found in it.
#[derive(Clone)]
pub(super) struct KeptLook {
    pub(super) access_unit: AccessUnit,
    pub(super) sampled_at: Timestamp,
    pub(super) detections: Vec<Detection>,
}

impl From<&Look> for KeptLook {
    fn from(look: &Look) -> Self {
        Self {
            access_unit: look.frame.access_unit.clone(),
            sampled_at: look.sampled_at,
            detections: look.detections.clone(),
        }
    }
}

impl KeptLook {
    pub(super) fn bytes(&self) -> usize {
        self.access_unit.data.len()
    }
}

/// What is kept of one suspect.
#[derive(Default)]
pub(super) struct Shown {
    /// The look that first showed it.
    pub(super) first: Option<KeptLook>,
    /// Looks since, in their order and apart from one another.
    pub(super) further: Vec<KeptLook>,
}

struct Suspect {
    camera: CameraId,
    kind: Kind,
    since: Timestamp,
    shown: Shown,
}

/// What is kept of all suspects.
#[derive(Default)]
pub(super) struct Gathered {
    suspects: HashMap<SuspectId, Suspect>,
    bytes: usize,
}

impl Gathered {
    /// Something was first seen in this look.
    pub(super) fn suspected(&mut self, suspect: SuspectId, kind: Kind, look: &Look) {
        let (camera, since) = (look.camera.clone(), look.sampled_at);
        let mut shown = Shown::default();
        let first = KeptLook::from(look);
        if self.bytes + first.bytes() > BYTES {
            count_missing(EvidenceRole::FirstSeen, "memory");
        } else {
            self.bytes += first.bytes();
            shown.first = Some(first);
        }
        self.suspects.insert(suspect, Suspect { camera, kind, since, shown });
        self.tell();
    }

    /// A camera was looked at: what is suspected there and needs more pictures than two has one more to choose from.
    pub(super) fn look(&mut self, look: &Look, wanted: &PicturesWanted) {
        if !wanted.is_more_than_two() || look.doubt.is_some() {
            return;
        }
        for suspect in self.suspects.values_mut().filter(|suspect| suspect.camera == look.camera) {
            // Twice as many: at some of the looks somebody stands before it.
            let most = (2 * wanted.to_open(&suspect.kind).saturating_sub(2)).min(MOST_FURTHER);
            let bytes = look.frame.access_unit.data.len();
            if most == 0 || look.sampled_at <= suspect.since || self.bytes + bytes > FURTHER_BYTES {
                continue;
            }
            self.bytes += bytes;
            let further = &mut suspect.shown.further;
            further.push(KeptLook::from(look));
            if further.len() > most {
                self.bytes -= further.remove(closest(suspect.since, further)).bytes();
            }
        }
        self.tell();
    }

    /// Nothing more is kept of it.
    pub(super) fn let_go(&mut self, suspect: SuspectId) -> Shown {
        let Some(Suspect { shown, .. }) = self.suspects.remove(&suspect) else { return Shown::default() };
        self.bytes -= shown.first.iter().chain(&shown.further).map(KeptLook::bytes).sum::<usize>();
        self.tell();
        shown
    }

    fn tell(&self) {
        metrics::gauge!("gridwatch_first_seen_bytes").set(self.bytes as f64);
    }
}

/// Which of the looks but the newest is least apart from those before and after it.
fn closest(since: Timestamp, further: &[KeptLook]) -> usize {
    let before = |n: usize| n.checked_sub(1).map_or(since, |n| further[n].sampled_at);
    let inner = 0..further.len() - 1;
    inner.min_by_key(|&n| further[n + 1].sampled_at.0 - before(n).0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_that_are_kept_are_apart() {
        let mut further = Vec::new();
        for second in 1..=100_i64 {
            further.push(KeptLook {
                access_unit: AccessUnit {
                    codec: domain::Codec::Jpeg,
                    role: domain::StreamRole::Sub,
                    received_at: Timestamp(second * 1_000),
                    data: bytes::Bytes::new(),
                },
                sampled_at: Timestamp(second * 1_000),
                detections: Vec::new(),
            });
            if further.len() > 4 {
                further.remove(closest(Timestamp(0), &further));
            }
        }
        let times: Vec<_> = further.iter().map(|kept| kept.sampled_at.0 / 1_000).collect();
        assert_eq!(times.len(), 4);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{times:?}");
    }
}
