//! The desk: writes each case with its messages, once its pictures are stored; one case after the other, in the order in
//! which they came about, each for as long as it takes. Pictures come from the studio, most of them ahead.

use std::{
    mem::{self, Discriminant},
    pin::pin,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use domain::{AccessUnit, CameraId, Detection, Look, Rect, TicketId, Timestamp};
use futures::{StreamExt as _, stream};
use tokio::{sync::mpsc, task::JoinSet, time::error::Elapsed};

use super::{
    StillDecoder,
    gathered::KeptLook,
    patience::Patience,
    router::Router,
    shots::{count_stored, described},
    studio::{Made, Pictured, Prepared, Studio, grabbed_for},
};
use crate::{
    AlertsError,
    annotate::Annotator,
    blocking::blocking,
    case,
    evidence::EvidenceStore,
    incident::{Further, Incident, Zone},
    recheck::{Found, Outcome},
    store::{Opened, Ruled, Ruling, SeenFrom, Store, Touch},
    ticket::{CameraInfo, EvidenceRole, Ticket},
    wire::{self, Node},
};

/// Cases whose pictures are made ahead, for each core and at most: half of the time they wait for the disk, and each holds some
/// megabytes meanwhile.
const AHEAD_A_CORE: usize = 3;
const MOST_AHEAD: usize = 8;
/// Pauses between attempts to write, before jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What the desk is asked to do.
pub(super) enum Case {
    /// Open a ticket.
    Open(Box<Opening>),
    /// Change one, or several.
    Change(Change),
}

/// What is to be written of tickets that are open.
pub(super) enum Change {
    /// Add a picture of another camera that sees a ticket's problem, too.
    Joined(Box<Joining>),
    /// Add what a sensor shows of a ticket's problem.
    Vouched(Box<Vouching>),
    /// Say that a ticket's problem is gone.
    Clear(Box<Clearing>),
    /// Add a picture of what still stands.
    Again(Box<Sight>),
    /// Open a closed ticket again.
    CameBack(Box<Sight>),
    /// Say that a ticket's place is being checked, since when.
    RecheckBegan(TicketId, Timestamp),
    /// Say what the check of a ticket's place found.
    Checked(Box<Checking>),
    /// Write down what was seen again. Not worth a retry: it is seen again soon.
    StillThere(Vec<(TicketId, Touch)>),
}

/// A ticket to open.
pub(super) struct Opening {
    pub(super) incident: Incident,
    pub(super) camera: CameraInfo,
    pub(super) zone: Zone,
    /// The look that satisfied the rule.
    pub(super) look: Option<Arc<Look>>,
    pub(super) first_seen: Option<KeptLook>,
    /// Further looks that may show it, of which the ticket takes as many as its item wants.
    pub(super) further: Vec<KeptLook>,
    /// Until when a person may look at it; none where it is filed at once.
    pub(super) review_until: Option<Timestamp>,
    /// One picture in full resolution, or nothing.
    pub(super) full_resolution: JoinSet<Result<Result<AccessUnit, String>, Elapsed>>,
    /// When the rule was satisfied.
    pub(super) satisfied: Instant,
}

/// How one camera sees the place of a ticket.
#[derive(Debug, Clone)]
pub(super) struct Angle {
    pub(super) camera: CameraId,
    /// The camera's name.
    pub(super) name: String,
    pub(super) zone: Zone,
    pub(super) bbox: Rect,
    /// What stands there, where the look is known to show it.
    pub(super) things: Vec<Detection>,
}

/// Another camera that sees a ticket's problem.
pub(super) struct Joining {
    pub(super) ticket: TicketId,
    pub(super) angle: Angle,
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    /// The look that satisfied the rule there.
    pub(super) look: Option<Arc<Look>>,
    /// One picture in full resolution, or nothing.
    pub(super) full_resolution: JoinSet<Result<Result<AccessUnit, String>, Elapsed>>,
}

/// A sensor that shows a ticket's problem.
pub(super) struct Vouching {
    pub(super) ticket: TicketId,
    /// All that the sensor's own ticket would say.
    pub(super) incident: Incident,
    /// The look that was asked for.
    pub(super) look: Option<Arc<Look>>,
    /// How that look's camera sees the place.
    pub(super) angle: Option<Angle>,
}

/// A ticket whose problem is gone.
pub(super) struct Clearing {
    pub(super) ticket: TicketId,
    pub(super) last_seen: Timestamp,
    pub(super) cleared_at: Timestamp,
    /// Looks that show the place without it, in their order, as the camera sent them.
    pub(super) kept: Vec<KeptLook>,
    /// The last one.
    pub(super) look: Option<Arc<Look>>,
    /// How those looks' camera sees the place.
    pub(super) angle: Option<Angle>,
}

/// A look that shows the problem of a ticket.
pub(super) struct Sight {
    pub(super) ticket: TicketId,
    pub(super) seen_at: Timestamp,
    pub(super) why: Further,
    pub(super) look: Option<Arc<Look>>,
    /// How that look's camera sees the place.
    pub(super) angle: Option<Angle>,
}

/// The end of a check.
pub(super) struct Checking {
    pub(super) ticket: TicketId,
    pub(super) outcome: Outcome,
    /// Looks before the last that are evidence, too, in their order.
    pub(super) kept: Vec<KeptLook>,
    /// The last look of it; none where the time was up before.
    pub(super) look: Option<Arc<Look>>,
    /// How the camera that looked sees the place.
    pub(super) angle: Option<Angle>,
    /// One picture in full resolution, or nothing.
    pub(super) full_resolution: JoinSet<Result<Result<AccessUnit, String>, Elapsed>>,
}

pub(super) struct Desk {
    store: Store,
    node: Node,
    router: Router,
    studio: Arc<Studio>,
    /// The sort of error that was last told, while it lasts.
    trouble: Option<Discriminant<AlertsError>>,
}

impl Desk {
    pub(super) fn new(
        store: Store,
        evidence: EvidenceStore,
        node: Node,
        router: Router,
        stills: Arc<dyn StillDecoder>,
        annotator: Annotator,
        quality: u8,
    ) -> Self {
        let studio = Arc::new(Studio {
            store: store.clone(),
            evidence,
            annotator,
            stills,
            quality,
            patience: Patience::default(),
        });
        Self { store, node, router, studio, trouble: None }
    }

    /// Reads the responsibility list, so that what it wants of pictures is known.
    pub(super) async fn read_list(&mut self) {
        if let Err(error) = self.studio.patience.wait(self.router.read_list(&self.store)).await {
            self.tell(&error);
        }
    }

    /// Works until the last sender of `cases` is gone.
    pub(super) async fn run(mut self, cases: mpsc::Receiver<Case>) {
        let studio = &Arc::clone(&self.studio);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let ahead = (AHEAD_A_CORE * cores).min(MOST_AHEAD);
        let cases = stream::unfold(cases, async |mut cases| cases.recv().await.map(|case| (case, cases)));
        let mut prepared = pin!(cases.map(async |case| studio.prepare(case).await).buffered(ahead));
        let (ready, mut turns) = mpsc::channel(1);
        // Side by side, so that pictures go on while a ticket waits for the database.
        let prepare = async move {
            while let Some(case) = prepared.next().await {
                ready.send(case).await.expect("the desk works until this sender is gone");
            }
        };
        let write = async {
            while let Some(case) = turns.recv().await {
                match case {
                    Prepared::Open(pictured) => self.open(*pictured).await,
                    Prepared::Clear(clearing, made) => self.clear(&clearing, made).await,
                    Prepared::Change(change) => self.change(change).await,
                }
            }
        };
        tokio::join!(prepare, write);
    }

    async fn change(&mut self, change: Change) {
        match change {
            Change::Joined(joining) => self.joined(*joining).await,
            Change::Vouched(vouching) => self.vouched(*vouching).await,
            Change::Clear(clearing) => self.clear(&clearing, None).await,
            Change::Again(sight) => self.again(*sight, Standing::Still).await,
            Change::CameBack(sight) => self.again(*sight, Standing::Reopened).await,
            Change::RecheckBegan(ticket, at) => self.recheck_began(ticket, at).await,
            Change::Checked(checking) => self.checked(*checking).await,
            Change::StillThere(touches) => self.note(&touches).await,
        }
    }

    async fn open(&mut self, pictured: Pictured) {
        let Pictured { mut ticket, mut made, further, satisfied } = pictured;
        let mut attempts = Attempts::default();
        ticket.route = loop {
            match self.studio.patience.wait(self.router.route(&ticket, &self.node, &self.store)).await {
                Ok(route) => break route.map(Box::new),
                Err(error) => self.after_failure(&mut attempts, &error).await,
            }
        };
        ticket.clocks = self.router.clocks(&ticket).map(Box::new);
        self.studio.complete(&mut ticket, &mut made, further).await;
        let (_, begun) = case::Case::begin(ticket.incident.confirmed_at, ticket.case.review_until());
        let begun: Vec<_> = (1..).zip(begun).collect();
        let messages = wire::case_messages(&ticket, &begun, &self.node);
        let messages = [messages.opening, messages.following].concat();
        let opened = loop {
            let written = async {
                self.studio.keep(&mut made).await?;
                self.store.open_ticket(&ticket, &messages).await
            };
            match self.studio.patience.wait(written).await {
                Ok(opened) => break opened,
                Err(error) => self.after_failure(&mut attempts, &error).await,
            }
        };
        self.after_success();
        if opened == Opened::New {
            count_stored(&made.pieces);
            let (id, incident) = (ticket.id(), &ticket.incident);
            tracing::info!(
                ticket = %id, camera = %incident.camera, kind = %incident.kind, zone = %incident.zone,
                reason = %incident.reason, pictures = made.pieces.len(), "ticket opened"
            );
            let decided_by = ticket.route.as_ref().map_or("nobody", |route| route.decided_by());
            metrics::counter!("gridwatch_tickets_routed_total", "by" => decided_by).increment(1);
            metrics::counter!("gridwatch_tickets_opened_total", "kind" => incident.kind.to_string()).increment(1);
            metrics::histogram!("gridwatch_ticket_write_seconds").record(satisfied.elapsed().as_secs_f64());
        }
    }

    async fn joined(&mut self, mut joining: Joining) {
        let grabbed = joining.full_resolution.join_next().await;
        let mut attempts = Attempts::default();
        let full = match (grabbed, self.store.ticket(joining.ticket).await) {
            (Some(grabbed), Ok(Some(ticket))) => grabbed_for(&ticket, grabbed),
            _ => None,
        };
        loop {
            match self.studio.patience.wait(self.seen_from(&joining, full.as_ref())).await {
                Ok(()) => break,
                Err(error @ (AlertsError::UnknownTicket(_) | AlertsError::Row { .. })) => {
                    tracing::error!(ticket = %joining.ticket, %error, "a ticket goes without another camera's picture");
                    break;
                }
                Err(error) => self.after_failure(&mut attempts, &error).await,
            }
        }
        self.after_success();
    }

    /// One attempt to write that another camera sees a ticket's problem, with its pictures.
    async fn seen_from(&self, joining: &Joining, full: Option<&AccessUnit>) -> Result<(), AlertsError> {
        let found = self.store.ticket(joining.ticket).await?;
        let ticket = found.ok_or(AlertsError::UnknownTicket(joining.ticket))?;
        let (studio, about, angle) = (Arc::clone(&self.studio), ticket.clone(), joining.angle.clone());
        let (look, full) = (joining.look.clone(), full.cloned());
        let pieces = blocking(move || {
            let (role, angle) = (EvidenceRole::OtherView, Some(&angle));
            let full = full.map_or_else(Vec::new, |unit| studio.full_resolution(&about, role, &unit, angle));
            [full, look.map_or_else(Vec::new, |look| studio.look(&about, role, &look, angle))].concat()
        })
        .await;
        self.studio.put(&pieces).await?;
        let evidence = described(&pieces);
        let messages = if ticket.case.is_filed() {
            let only_new = Ticket { evidence: evidence.clone(), ..ticket };
            wire::again_messages(&only_new, Further::OtherView, joining.last_seen, &self.node)
        } else {
            Vec::new()
        };
        let Angle { camera, zone, bbox, .. } = &joining.angle;
        let seen = SeenFrom {
            camera: camera.clone(),
            zone: zone.id.clone(),
            bbox: *bbox,
            first_seen: joining.first_seen,
            last_seen: joining.last_seen,
        };
        self.store.join_view(joining.ticket, &seen, &evidence, &messages).await?;
        count_stored(&pieces);
        tracing::info!(ticket = %joining.ticket, %camera, zone = %zone.id, "another camera sees the problem of a ticket");
        metrics::counter!("gridwatch_views_joined_total").increment(1);
        Ok(())
    }

    async fn vouched(&mut self, vouching: Vouching) {
        let mut attempts = Attempts::default();
        loop {
            match self.studio.patience.wait(self.vouched_for(&vouching)).await {
                Ok(()) => break,
                Err(error @ (AlertsError::UnknownTicket(_) | AlertsError::Row { .. })) => {
                    tracing::error!(ticket = %vouching.ticket, %error, "a ticket goes without what a sensor says");
                    break;
                }
                Err(error) => self.after_failure(&mut attempts, &error).await,
            }
        }
        self.after_success();
    }

    /// One attempt to write that a sensor shows a ticket's problem, with a picture where there is one.
    async fn vouched_for(&self, vouching: &Vouching) -> Result<(), AlertsError> {
        let Vouching { ticket: id, incident, look, angle } = vouching;
        let found = self.store.ticket(*id).await?;
        let ticket = found.ok_or(AlertsError::UnknownTicket(*id))?;
        let pieces = match look.clone() {
            Some(look) => {
                let (studio, about, angle) = (Arc::clone(&self.studio), ticket.clone(), angle.clone());
                blocking(move || studio.look(&about, EvidenceRole::StillThere, &look, angle.as_ref())).await
            }
            None => Vec::new(),
        };
        self.studio.put(&pieces).await?;
        let evidence = described(&pieces);
        let messages = if ticket.case.is_filed() {
            let only_new = Ticket { evidence: evidence.clone(), ..ticket };
            wire::vouched_messages(&only_new, incident, &self.node)
        } else {
            Vec::new()
        };
        self.store.join_sensor(incident.ticket, *id, &evidence, &messages).await?;
        count_stored(&pieces);
        let device = incident.sensed.as_ref().map_or("", |sensed| sensed.device.as_str());
        tracing::info!(ticket = %id, device, reason = %incident.reason, "a sensor shows the problem of a ticket");
        metrics::counter!("gridwatch_sensors_joined_total").increment(1);
        Ok(())
    }

    async fn clear(&mut self, clearing: &Clearing, mut made: Option<Made>) {
        let mut attempts = Attempts::default();
        loop {
            match self.studio.patience.wait(self.cleared(clearing, &mut made)).await {
                Ok(Some(ticket)) => {
                    let (incident, state) = (&ticket.incident, ticket.case.state());
                    tracing::info!(
                        ticket = %ticket.id(), camera = %incident.camera, kind = %incident.kind, case = %state,
                        "the problem of a ticket is gone"
                    );
                    metrics::counter!("gridwatch_tickets_cleared_total", "kind" => incident.kind.to_string())
                        .increment(1);
                    break;
                }
                Ok(None) => break,
                Err(error @ (AlertsError::UnknownTicket(_) | AlertsError::Row { .. })) => {
                    // No retry can mend this; the other cases must go on.
                    tracing::error!(ticket = %clearing.ticket, %error, "cannot clear a ticket");
                    break;
                }
                Err(error) => self.after_failure(&mut attempts, &error).await,
            }
        }
        self.after_success();
    }

    /// One attempt to clear a ticket; none where it was cleared before. What is `made` stays so for the next attempt.
    async fn cleared(&self, clearing: &Clearing, made: &mut Option<Made>) -> Result<Option<Ticket>, AlertsError> {
        let made = match made {
            Some(made) => made,
            None => {
                let found = self.store.ticket(clearing.ticket).await?;
                let ticket = found.ok_or(AlertsError::UnknownTicket(clearing.ticket))?;
                made.insert(self.studio.after(&ticket, clearing).await)
            }
        };
        self.studio.keep(made).await?;
        let evidence = made.evidence();
        let ruling = Ruling {
            evidence: &evidence,
            last_seen: Some(clearing.last_seen),
            ..Ruling::plain(clearing.ticket, clearing.cleared_at, case::Event::Gone)
        };
        let node = &self.node;
        let ruled = self.store.rule(&ruling, |ticket, effects| {
            let mut messages = wire::case_messages(ticket, effects, node);
            if effects.iter().any(|(_, effect)| *effect == case::Effect::SayCleared) {
                messages.following.splice(0..0, wire::cleared_messages(ticket, node));
            }
            messages
        });
        match ruled.await? {
            Ruled::Applied { ticket, .. } => {
                count_stored(&made.pieces);
                Ok(Some(*ticket))
            }
            Ruled::Unknown => Err(AlertsError::UnknownTicket(clearing.ticket)),
            Ruled::Nothing | Ruled::Repeated | Ruled::Refused(_) => Ok(None),
        }
    }

    async fn recheck_began(&mut self, ticket: TicketId, at: Timestamp) {
        let mut attempts = Attempts::default();
        let ruling = Ruling::plain(ticket, at, case::Event::RecheckBegan);
        let node = self.node.clone();
        loop {
            let ruled = self.store.rule(&ruling, |ticket, effects| wire::case_messages(ticket, effects, &node));
            match self.studio.patience.wait(ruled).await {
                Ok(ruled) => break tell_ruled(ticket, &ruling.event, &ruled),
                Err(error @ AlertsError::Row { .. }) => {
                    tracing::error!(%ticket, %error, "that a ticket is being checked cannot be written");
                    break;
                }
                Err(error) => self.after_failure(&mut attempts, &error).await,
            }
        }
        self.after_success();
    }

    async fn checked(&mut self, mut checking: Checking) {
        let grabbed = checking.full_resolution.join_next().await;
        let mut attempts = Attempts::default();
        let full = match (grabbed, self.store.ticket(checking.ticket).await) {
            (Some(grabbed), Ok(Some(ticket))) => grabbed_for(&ticket, grabbed),
            _ => None,
        };
        loop {
            match self.studio.patience.wait(self.found(&checking, full.as_ref())).await {
                Ok(()) => break,
                Err(error @ (AlertsError::UnknownTicket(_) | AlertsError::Row { .. })) => {
                    // No retry can mend this; the other cases must go on.
                    tracing::error!(ticket = %checking.ticket, %error, "the result of a check cannot be written");
                    break;
                }
                Err(error) => self.after_failure(&mut attempts, &error).await,
            }
        }
        self.after_success();
    }

    /// One attempt to write what a check found, with pictures of the place as it is.
    async fn found(&self, checking: &Checking, full: Option<&AccessUnit>) -> Result<(), AlertsError> {
        let outcome = checking.outcome;
        let found = self.store.ticket(checking.ticket).await?;
        let ticket = found.ok_or(AlertsError::UnknownTicket(checking.ticket))?;
        let role = match outcome.result {
            Found::Cleared => EvidenceRole::After,
            Found::StillThere => EvidenceRole::StillThere,
            // It proves nothing, and shows why.
            Found::Unclear => EvidenceRole::Unclear,
        };
        let (studio, full, angle) = (Arc::clone(&self.studio), full.cloned(), checking.angle.clone());
        let (look, kept) = (checking.look.clone(), checking.kept.clone());
        let pieces = blocking(move || {
            let angle = angle.as_ref();
            let full = full.map_or_else(Vec::new, |unit| studio.full_resolution(&ticket, role, &unit, angle));
            let kept: Vec<_> = kept.iter().flat_map(|kept| studio.kept(&ticket, role, kept, angle)).collect();
            let look = look.map_or_else(Vec::new, |look| studio.look(&ticket, role, &look, angle));
            [full, kept, look].concat()
        })
        .await;
        self.studio.put(&pieces).await?;
        let evidence = described(&pieces);
        let result = match outcome.result {
            Found::Cleared => case::CheckResult::Cleared,
            Found::StillThere => case::CheckResult::StillThere,
            Found::Unclear => case::CheckResult::Unclear,
        };
        let ruling = Ruling {
            evidence: &evidence,
            last_seen: (outcome.result == Found::StillThere).then_some(outcome.checked_at),
            ..Ruling::plain(checking.ticket, outcome.checked_at, case::Event::Checked { result })
        };
        let node = &self.node;
        let ruled = self.store.rule(&ruling, |ticket, effects| {
            let mut messages = wire::case_messages(ticket, effects, node);
            let checked = wire::checked_messages(ticket, ticket.case.case_no(), &outcome, &evidence, node);
            messages.following.splice(0..0, checked);
            messages
        });
        let ruled = ruled.await?;
        tell_ruled(checking.ticket, &ruling.event, &ruled);
        if matches!(ruled, Ruled::Applied { .. }) {
            count_stored(&pieces);
            let result = ruling.event.name();
            metrics::counter!("gridwatch_rechecks_total", "result" => result, "reason" => outcome.why.as_str())
                .increment(1);
        }
        Ok(())
    }

    /// Adds a picture of what stands to its ticket, and opens that again where it is closed.
    async fn again(&mut self, sight: Sight, standing: Standing) {
        let mut attempts = Attempts::default();
        loop {
            match self.studio.patience.wait(self.seen_again(&sight, standing)).await {
                Ok(()) => break,
                Err(error @ (AlertsError::UnknownTicket(_) | AlertsError::Row { .. })) => {
                    tracing::error!(ticket = %sight.ticket, %error, "a ticket goes without a later picture");
                    break;
                }
                Err(error) => self.after_failure(&mut attempts, &error).await,
            }
        }
        self.after_success();
    }

    async fn seen_again(&self, sight: &Sight, standing: Standing) -> Result<(), AlertsError> {
        let found = self.store.ticket(sight.ticket).await?;
        let ticket = found.ok_or(AlertsError::UnknownTicket(sight.ticket))?;
        let pieces = match sight.look.clone() {
            Some(look) => {
                let (studio, about) = (Arc::clone(&self.studio), ticket.clone());
                let angle = sight.angle.clone();
                blocking(move || studio.look(&about, EvidenceRole::StillThere, &look, angle.as_ref())).await
            }
            None => Vec::new(),
        };
        self.studio.put(&pieces).await?;
        let evidence = described(&pieces);
        let node = &self.node;
        let told = |ticket: &Ticket| {
            let only_new = Ticket { evidence: evidence.clone(), ..ticket.clone() };
            wire::again_messages(&only_new, sight.why, sight.seen_at, node)
        };
        match standing {
            Standing::Still => {
                let messages = if ticket.case.is_filed() { told(&ticket) } else { Vec::new() };
                self.store.add_evidence(sight.ticket, &evidence, &messages).await?;
            }
            Standing::Reopened => {
                let ruling = Ruling {
                    evidence: &evidence,
                    last_seen: Some(sight.seen_at),
                    ..Ruling::plain(sight.ticket, sight.seen_at, case::Event::CameBack)
                };
                let ruled = self.store.rule(&ruling, |ticket, effects| {
                    let mut messages = wire::case_messages(ticket, effects, node);
                    messages.following.splice(0..0, told(ticket));
                    messages
                });
                if let Ruled::Applied { ticket, .. } = ruled.await? {
                    let incident = &ticket.incident;
                    tracing::info!(
                        ticket = %ticket.id(), camera = %incident.camera, kind = %incident.kind,
                        "a closed ticket is opened again: its problem still stands"
                    );
                    metrics::counter!("gridwatch_tickets_reopened_total", "kind" => incident.kind.to_string())
                        .increment(1);
                }
            }
        }
        count_stored(&pieces);
        Ok(())
    }

    async fn note(&mut self, touches: &[(TicketId, Touch)]) {
        let noted = async {
            self.store.touch(touches).await?;
            self.router.read_list(&self.store).await?;
            self.store.counts().await
        };
        match self.studio.patience.wait(noted).await {
            Ok(counts) => {
                self.after_success();
                for (state, n) in [
                    ("open", counts.open),
                    ("cleared", counts.cleared),
                    ("ended", counts.ended),
                    ("pending_review", counts.pending_review),
                    ("undelivered", counts.undelivered),
                ] {
                    metrics::gauge!("gridwatch_tickets", "state" => state).set(n as f64);
                }
                metrics::gauge!("gridwatch_tickets_unacknowledged").set(counts.unacknowledged as f64);
                for (state, n) in [("queued", counts.queued_messages), ("refused", counts.refused_messages)] {
                    metrics::gauge!("gridwatch_outbox_messages", "state" => state).set(n as f64);
                }
            }
            Err(error) => self.tell(&error),
        }
    }

    /// Tells a trouble when it begins or changes, not each time it is met.
    fn tell(&mut self, error: &AlertsError) {
        metrics::counter!("gridwatch_write_failures_total").increment(1);
        if self.trouble.replace(mem::discriminant(error)) != Some(mem::discriminant(error)) {
            tracing::error!(%error, "tickets cannot be written, retrying until they can");
        }
    }

    async fn after_failure(&mut self, attempts: &mut Attempts, error: &AlertsError) {
        self.tell(error);
        tokio::time::sleep(attempts.pause()).await;
    }

    fn after_success(&mut self) {
        if self.trouble.take().is_some() {
            tracing::info!("tickets are written again");
        }
    }
}

/// Logs what became of an event that is nobody's message.
fn tell_ruled(ticket: TicketId, event: &case::Event, ruled: &Ruled) {
    match ruled {
        Ruled::Applied { ticket: now, .. } => {
            tracing::info!(%ticket, event = event.name(), case = %now.case.state(), "a ticket's place is checked");
        }
        // The platform has gone on meanwhile.
        Ruled::Refused(refusal) => tracing::info!(%ticket, event = event.name(), %refusal, "a check comes too late"),
        Ruled::Nothing | Ruled::Repeated | Ruled::Unknown => {}
    }
}

/// What a later look at a ticket's problem means.
#[derive(Clone, Copy)]
enum Standing {
    /// It still stands.
    Still,
    /// Its ticket was closed and is opened again.
    Reopened,
}

/// How often something has failed in a row.
#[derive(Default)]
struct Attempts(u32);

impl Attempts {
    /// Doubles each time, with jitter, so that not all that wait come back at once.
    fn pause(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.0.min(10)).min(LONGEST_PAUSE);
        self.0 += 1;
        pause.mul_f64(rand::random_range(0.5..=1.0))
    }
}
