//! The studio: makes a case's pictures and stores them, on the other cores and ahead of the case's turn where they need
//! nothing of what is written before it. They are most of the work, and each file waits for the disk several times.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{AccessUnit, CameraId, Detection, Look, Picture, Timestamp};
use tokio::{task::JoinError, time::error::Elapsed};

use super::{
    StillDecoder,
    desk::{Angle, Case, Change, Clearing, Opening},
    gathered::KeptLook,
    patience::Patience,
    shots::{Piece, count_missing, described, pieces},
};
use crate::{
    AlertsError,
    annotate::{Annotator, Scene},
    blocking::blocking,
    case,
    evidence::EvidenceStore,
    store::Store,
    ticket::{Evidence, EvidenceRole, Ticket, TicketState},
};

/// For how long what was stored needs no second look before the row that names it is written: far less than the least age
/// at which a file that no row names is removed.
const FRESH: Duration = Duration::from_secs(60);

/// A case as it is when its turn comes.
pub(super) enum Prepared {
    Open(Box<Pictured>),
    /// With the picture of the place without its problem, if that could be made.
    Clear(Box<Clearing>, Option<Made>),
    /// Its pictures depend on what is written before.
    Change(Change),
}

/// A ticket to open, with its pictures.
pub(super) struct Pictured {
    pub(super) ticket: Ticket,
    pub(super) made: Made,
    /// Looks that may show it, too.
    pub(super) further: Vec<KeptLook>,
    /// When the rule was satisfied.
    pub(super) satisfied: Instant,
}

/// Pictures.
pub(super) struct Made {
    pub(super) pieces: Vec<Piece>,
    /// When all of them were on disk.
    stored: Option<Instant>,
}

impl Made {
    pub(super) fn none() -> Self {
        Self { pieces: Vec::new(), stored: Some(Instant::now()) }
    }

    pub(super) fn evidence(&self) -> Vec<Evidence> {
        described(&self.pieces)
    }
}

/// Makes and stores pictures; shared with the threads that do.
pub(super) struct Studio {
    pub(super) store: Store,
    pub(super) evidence: EvidenceStore,
    pub(super) annotator: Annotator,
    pub(super) stills: Arc<dyn StillDecoder>,
    pub(super) quality: u8,
    pub(super) patience: Patience,
}

impl Studio {
    /// Does ahead what can be done ahead.
    pub(super) async fn prepare(self: &Arc<Self>, case: Case) -> Prepared {
        match case {
            Case::Open(opening) => Prepared::Open(Box::new(self.patience.wait(self.pictured(*opening)).await)),
            Case::Change(Change::Clear(clearing)) => {
                let made = self.patience.wait(self.cleared(&clearing)).await;
                Prepared::Clear(clearing, made)
            }
            Case::Change(change) => Prepared::Change(change),
        }
    }

    /// The picture of a place without its problem; none where it is too early to say whether anybody wants it.
    async fn cleared(self: &Arc<Self>, clearing: &Clearing) -> Option<Made> {
        match self.store.ticket(clearing.ticket).await {
            Ok(Some(ticket)) if wants_after(&ticket) => Some(self.after(&ticket, clearing).await),
            // It may be just about to be written or filed, and a database in trouble is told by who writes.
            Ok(_) | Err(_) => None,
        }
    }

    /// What shows that a ticket's problem is gone, if anybody wants to see it.
    pub(super) async fn after(self: &Arc<Self>, ticket: &Ticket, clearing: &Clearing) -> Made {
        if !wants_after(ticket) || (clearing.look.is_none() && clearing.kept.is_empty()) {
            return Made::none();
        }
        let about = Ticket { cleared_at: Some(clearing.cleared_at), ..ticket.clone() };
        let wanted = ticket.pictures_to_close().map_or(1, |pictures| pictures.needed.max(1));
        let (studio, angle) = (Arc::clone(self), clearing.angle.clone());
        let (kept, look) = (clearing.kept.clone(), clearing.look.clone());
        // The list may want more of other kinds.
        let pieces = blocking(move || {
            let angle = angle.as_ref();
            let last = look.filter(|_| kept.len() < wanted);
            let kept = kept.iter().take(wanted).flat_map(|kept| studio.kept(&about, EvidenceRole::After, kept, angle));
            let last = last.iter().flat_map(|look| studio.look(&about, EvidenceRole::After, look, angle));
            kept.chain(last).collect()
        });
        self.stored(pieces.await).await
    }

    /// The ticket to open with its pictures.
    async fn pictured(self: &Arc<Self>, opening: Opening) -> Pictured {
        let Opening { incident, camera, zone, look, first_seen, further, review_until, mut full_resolution, satisfied } =
            opening;
        let mut ticket = Ticket {
            state: TicketState::Open,
            case: case::Case::begin(incident.confirmed_at, review_until).0,
            last_seen: incident.last_seen,
            cleared_at: None,
            delivered_at: None,
            route: None,
            clocks: None,
            evidence: Vec::new(),
            incident,
            camera,
            zone,
        };
        // Each shot takes tens of milliseconds in full resolution; the two need not wait for one another.
        let (studio, about) = (Arc::clone(self), ticket.clone());
        let first = blocking(move || {
            first_seen.map_or_else(Vec::new, |first| studio.earlier(&about, EvidenceRole::FirstSeen, &first))
        });
        let (studio, about) = (Arc::clone(self), ticket.clone());
        let confirming = blocking(move || {
            look.map_or_else(Vec::new, |look| studio.look(&about, EvidenceRole::Confirming, &look, None))
        });
        let (first, confirming, full) = tokio::join!(first, confirming, full_resolution.join_next());
        let mut pieces = [first, confirming].concat();
        if let Some(access_unit) = full.and_then(|grabbed| grabbed_for(&ticket, grabbed)) {
            let studio = Arc::clone(self);
            let about = ticket.clone();
            let full = move || studio.full_resolution(&about, EvidenceRole::Confirming, &access_unit, None);
            pieces.extend(blocking(full).await);
        }
        let made = self.stored(pieces).await;
        ticket.evidence = made.evidence();
        ticket.sort_evidence();
        Pictured { ticket, made, further, satisfied }
    }

    /// Gives a ticket to open as many pictures as its item wants, as far as there are looks that show it.
    pub(super) async fn complete(self: &Arc<Self>, ticket: &mut Ticket, made: &mut Made, further: Vec<KeptLook>) {
        let missing = |ticket: &Ticket| {
            ticket.pictures_to_open().map_or(0, |pictures| pictures.needed.saturating_sub(pictures.held))
        };
        if missing(ticket) == 0 {
            return;
        }
        let mut left: Vec<KeptLook> = further.into_iter().filter(|look| shows(ticket, look)).collect();
        while missing(ticket) > 0 && !left.is_empty() {
            // Those in the middle first: they are the farthest from the two that are there.
            let look = left.remove(left.len() / 2);
            let (studio, about) = (Arc::clone(self), ticket.clone());
            let pieces = blocking(move || studio.earlier(&about, EvidenceRole::Further, &look)).await;
            ticket.evidence.extend(described(&pieces));
            made.pieces.extend(pieces);
            made.stored = None;
        }
        ticket.sort_evidence();
        for _ in 0..missing(ticket) {
            count_missing(EvidenceRole::Further, "looks");
        }
    }

    /// Tries to store them; who writes the ticket tries again.
    async fn stored(&self, pieces: Vec<Piece>) -> Made {
        let mut made = Made { pieces, stored: None };
        // The error is the desk's to tell: it meets the same one.
        let _ = self.keep(&mut made).await;
        made
    }

    /// Has all of them on disk, which costs nothing where they are there since a moment ago.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub(super) async fn keep(&self, made: &mut Made) -> Result<(), AlertsError> {
        if made.stored.is_none_or(|stored| stored.elapsed() > FRESH) {
            self.put(&made.pieces).await?;
            made.stored = Some(Instant::now());
        }
        Ok(())
    }

    /// Stores all pieces; what is stored already costs a read.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub(super) async fn put(&self, pieces: &[Piece]) -> Result<(), AlertsError> {
        let (evidence, pieces) = (self.evidence.clone(), pieces.to_vec());
        blocking(move || {
            for (_, bytes) in &pieces {
                evidence.put(bytes)?;
            }
            Ok(())
        })
        .await
    }

    fn scene<'a>(ticket: &'a Ticket, role: EvidenceRole, captured_at: Timestamp) -> Scene<'a> {
        let incident = &ticket.incident;
        Scene {
            role,
            ticket: ticket.id(),
            kind: &incident.kind,
            camera: &incident.camera,
            camera_name: &ticket.camera.name,
            zone: &ticket.zone,
            things: if matches!(role, EvidenceRole::After | EvidenceRole::Unclear) { &[] } else { &incident.things },
            bbox: incident.bbox,
            captured_at,
        }
    }

    /// The scene as another camera than the ticket's sees it, or as its own does where a sensor opened it.
    fn seen_from<'a>(scene: Scene<'a>, angle: Option<&'a Angle>) -> Scene<'a> {
        let Some(Angle { camera, name, zone, bbox, things }) =
            angle.filter(|angle| angle.camera != *scene.camera || !angle.things.is_empty())
        else {
            return scene;
        };
        Scene { camera, camera_name: name, zone, bbox: *bbox, things, ..scene }
    }

    pub(super) fn look(&self, ticket: &Ticket, role: EvidenceRole, look: &Look, angle: Option<&Angle>) -> Vec<Piece> {
        let scene = Self::seen_from(Self::scene(ticket, role, look.sampled_at), angle);
        let frame = &look.frame;
        let made = pieces(&self.annotator, self.quality, &scene, &frame.access_unit, Some(&frame.picture));
        whose(made, ticket, scene.camera)
    }

    /// A look before the one that satisfied the rule.
    fn earlier(&self, ticket: &Ticket, role: EvidenceRole, look: &KeptLook) -> Vec<Piece> {
        let things: Vec<_> = same_things(ticket, look).cloned().collect();
        let scene = Scene { things: &things, ..Self::scene(ticket, role, look.sampled_at) };
        self.as_sent(ticket, &scene, &look.access_unit)
    }

    pub(super) fn kept(
        &self,
        ticket: &Ticket,
        role: EvidenceRole,
        kept: &KeptLook,
        angle: Option<&Angle>,
    ) -> Vec<Piece> {
        let scene = Self::seen_from(Self::scene(ticket, role, kept.sampled_at), angle);
        self.as_sent(ticket, &scene, &kept.access_unit)
    }

    pub(super) fn full_resolution(
        &self,
        ticket: &Ticket,
        role: EvidenceRole,
        access_unit: &AccessUnit,
        angle: Option<&Angle>,
    ) -> Vec<Piece> {
        let scene = Self::seen_from(Self::scene(ticket, role, access_unit.received_at), angle);
        self.as_sent(ticket, &scene, access_unit)
    }

    /// What is made of a picture that is still as the camera sent it.
    fn as_sent(&self, ticket: &Ticket, scene: &Scene<'_>, access_unit: &AccessUnit) -> Vec<Piece> {
        let picture = self.decode(scene, access_unit);
        whose(pieces(&self.annotator, self.quality, scene, access_unit, picture.as_ref()), ticket, scene.camera)
    }

    fn decode(&self, scene: &Scene<'_>, access_unit: &AccessUnit) -> Option<Picture> {
        match self.stills.decode(access_unit) {
            Ok(picture) => Some(picture),
            Err(error) => {
                count_missing(scene.role, "decode");
                tracing::warn!(ticket = %scene.ticket, camera = %scene.camera, error, "a picture of a ticket cannot be decoded");
                None
            }
        }
    }
}

/// Of what a look showed, the things of the same sort at the same place as those of the ticket.
fn same_things<'l>(ticket: &Ticket, look: &'l KeptLook) -> impl Iterator<Item = &'l Detection> {
    let incident = &ticket.incident;
    let alike = look.detections.iter().filter(|d| incident.things.iter().any(|t| t.group == d.group));
    alike.filter(|d| d.bbox.intersection(incident.bbox).is_some())
}

/// Whether a look shows the ticket's problem. What readings tell of, no look can tell.
fn shows(ticket: &Ticket, look: &KeptLook) -> bool {
    ticket.incident.sensed.is_some() || same_things(ticket, look).next().is_some()
}

/// Of what is over or was never filed nobody wants to see that it is gone.
fn wants_after(ticket: &Ticket) -> bool {
    ticket.case.holds() && ticket.case.is_filed()
}

/// The pieces, with the camera that took them where that is not the ticket's.
fn whose(mut pieces: Vec<Piece>, ticket: &Ticket, camera: &CameraId) -> Vec<Piece> {
    if *camera != ticket.incident.camera {
        pieces.iter_mut().for_each(|(evidence, _)| evidence.camera = Some(camera.clone()));
    }
    pieces
}

/// What came of taking a picture in full resolution; without one the ticket has that of the look.
pub(super) fn grabbed_for(
    ticket: &Ticket,
    grabbed: Result<Result<Result<AccessUnit, String>, Elapsed>, JoinError>,
) -> Option<AccessUnit> {
    let (reason, error) = match grabbed {
        Ok(Ok(Ok(access_unit))) => return Some(access_unit),
        Ok(Ok(Err(error))) => ("grab", error),
        Ok(Err(_)) => ("late", "it did not come in time".to_owned()),
        Err(error) => ("grab", error.to_string()),
    };
    count_missing(EvidenceRole::Confirming, reason);
    tracing::debug!(ticket = %ticket.id(), camera = %ticket.incident.camera, error, "no picture in full resolution");
    None
}
