//! One problem at one place, from the first suspicion to the end of its rest.

use domain::{CameraId, Kind, Millis, Rect, TicketId, Timestamp, ZoneId};

use super::{
    cluster::belongs,
    config::{Realarm, Rule},
    elsewhere::{Abroad, News, Others, Standing, apart},
    sighting::SightingId,
    window::{Sample, Window},
};
use crate::incident::{Effect, Ending, Further, Incident, Sight, SuspectId};

/// How often a ticket that still stands is worth a word.
const REPORT_EVERY: Millis = Millis::secs(60);
/// How long a cluster may take to show that it stands, before its first hit.
const SETTLING: Millis = Millis::secs(30);
/// For how much longer a thing without a name must be gone after a restart, until a look has shown it again.
const LEARNT_ANEW: Millis = Millis::mins(10);
/// Pictures that a ticket gets for further things.
const MOST_PICTURES: u8 = 5;

/// One problem at one place of one camera's view. Its identity is kind and place, not the things that make it up.
#[derive(Debug)]
pub(super) struct Problem {
    /// Index of its rule.
    pub(super) rule: usize,
    pub(super) kind: Kind,
    pub(super) zone: ZoneId,
    /// Where it is. Follows a suspect; fixed from the ticket on, so that a chain of newcomers cannot carry a ticket
    /// along the road.
    pub(super) place: Rect,
    /// The single things of its ticket; none where a cluster is one, and where a restart has forgotten them.
    pub(super) things: Vec<Rect>,
    /// Whether only the learnt view told of it: a view that is being learnt cannot show that it is gone.
    pub(super) nameless: bool,
    pub(super) stage: Stage,
}

/// Where a problem stands.
///
/// ```text
///   seen               rule satisfied                    absent for clear_after
///  ─────▶ Suspected ─────────────────▶ Ticketed ──────────────────────────────────▶ Resting ─ rearm_after ─▶ (forgotten)
///             │                         │  ▲ │ ▲                                      ▲
///             │ gone, moved, merged,    │  │ └─┘ present: told, and again each realarm │ absent for clear_after
///             │ calendar, permitted,    │  │                                          │
///             │ lost_camera,            │  └─ realarm: reopened ─┐                    │
///             ▼ zone_removed            │ ended                  │                    │
///        (forgotten)                    ├────────▶ Closed ───────┴────────────────────┤
///                                       │            │ rejected    └─ realarm: new ticket ─▶ (forgotten)
///                                       │            ▼                                │
///                                       └────────▶ Quiet ─────────────────────────────┘
///                                                    └─ reject_cooldown ─▶ (forgotten)
/// ```
///
/// `Resting` goes back to `Ticketed` when the rule is satisfied there again within `reopen_within`, unless the ticket was rejected.
///
/// `Ticketed`, `Closed` and `Quiet` are also where a restart takes a problem up.
#[derive(Debug)]
pub(super) enum Stage {
    /// Something is there, the rule is not satisfied yet.
    Suspected(Suspicion),
    /// A ticket is open.
    Ticketed(Watch),
    /// The ticket was closed; the problem may still stand.
    Closed {
        /// What looks show of it.
        watch: Watch,
        /// When it is told again if it stands.
        until: Timestamp,
    },
    /// The ticket was rejected; the place opens no new one.
    Quiet {
        /// What looks show of it.
        watch: Watch,
        /// Until when.
        until: Timestamp,
    },
    /// A ticket was cleared a short while ago; the place opens no new one.
    Resting {
        /// Until when.
        until: Timestamp,
        /// The ticket that goes on if the problem comes back before then.
        returning: Option<(TicketId, Timestamp)>,
    },
}

/// What is known of a suspect.
#[derive(Debug)]
pub(super) struct Suspicion {
    pub(super) id: SuspectId,
    /// The thing that is timed, where a single thing is a case; the cluster at the place is timed where not.
    pub(super) anchor: Option<SightingId>,
    /// The things of the cluster as last seen.
    pub(super) members: Vec<SightingId>,
    pub(super) first_seen: Timestamp,
    pub(super) since: Millis,
    pub(super) window: Window,
    /// Observed time at which it last stood in a queue of traffic.
    pub(super) queued: Option<Millis>,
    /// Observed time that looks showed its place without it.
    absent_for: Millis,
    misses_in_row: u32,
}

/// What is known of an open ticket.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) ticket: TicketId,
    pub(super) last_seen: Timestamp,
    pub(super) reported: Option<Millis>,
    /// When it was told last, if that was since the start.
    told: Option<Timestamp>,
    /// Observed time without it; zero while it is there.
    pub(super) absent_for: Millis,
    /// Looks in a row that showed the place without it.
    pub(super) absent_looks: u32,
    more: More,
    /// What is added to the time that it must be gone.
    patience: Millis,
}

/// How many things a ticket has told of, and whether there are more by now.
#[derive(Debug, Default)]
struct More {
    /// The most that it has told of; none before the first look at it.
    told: usize,
    /// Observed time since which there are more, and when a look showed that last.
    since: Option<(Millis, Millis)>,
    /// Pictures that it had for it.
    pictures: u8,
}

/// What happens to a problem.
#[derive(Debug)]
pub(super) enum Event {
    /// It is no case (any more); the reason is a metric label.
    Dropped(&'static str),
    /// It satisfies its rule.
    Confirmed(Box<Incident>),
    /// It satisfies its rule, and another view has a place for it.
    Joined(Box<Abroad>, Box<Incident>),
    /// This look shows it: so many things, and where.
    Present(usize, Rect),
    /// This look shows its place without it; so much observed time passed since the look before.
    Absent(Millis, Others),
    /// Another view of its ticket says so.
    Elsewhere(News),
    /// Its rule is satisfied at its place once more.
    CameBack,
    /// Somebody ended its ticket.
    Ended(Ending),
    /// Time passed.
    Tick,
}

/// What every event comes with.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) camera: &'a CameraId,
    pub(super) now: Timestamp,
    /// The camera's observed time.
    pub(super) clock: Millis,
    pub(super) rule: &'a Rule,
}

impl Suspicion {
    /// A suspect in a zone where its rule wants it to stand for `dwell`.
    pub(super) fn new(
        id: SuspectId,
        at: &At<'_>,
        dwell: Millis,
        anchor: Option<SightingId>,
        members: Vec<SightingId>,
    ) -> Self {
        Self {
            id,
            anchor,
            members,
            first_seen: at.now,
            since: at.clock,
            window: Window::new(dwell),
            queued: None,
            absent_for: Millis::ZERO,
            misses_in_row: 0,
        }
    }

    /// Takes in what one look said of it, `passed` after the look before.
    pub(super) fn look(&mut self, sample: Sample, sight: Sight, passed: Millis) {
        match sight {
            Sight::Seen => (self.absent_for, self.misses_in_row) = (Millis::ZERO, 0),
            Sight::Hidden => {}
            Sight::Clear => {
                self.absent_for = Millis(self.absent_for.0.saturating_add(passed.0));
                self.misses_in_row = self.misses_in_row.saturating_add(1);
            }
        }
        if sample.hit || self.window.has_begun() {
            self.window.push(sample);
        }
    }

    /// Whether its place was seen without it for too long. One or two misses never say so: looks may be far apart.
    pub(super) fn is_gone(&self, at: &At<'_>) -> bool {
        let tolerated = if self.window.has_begun() { at.rule.max_gap } else { at.rule.max_gap.max(SETTLING) };
        self.misses_in_row >= 3 && self.absent_for > tolerated
    }

    /// Whether it is worth frequent looks. What has not satisfied its rule in three dwells is more likely a fixture that
    /// the detector is unsure of; it stays suspected at the idle pace.
    pub(super) fn is_eager(&self, at: &At<'_>) -> bool {
        at.clock.0 - self.since.0 <= self.window.dwell().0.saturating_mul(3).saturating_add(60_000)
    }

    /// Whether it may yet turn out to be traffic that waits.
    pub(super) fn may_move_off(&self, at: &At<'_>) -> bool {
        let queue = &at.rule.queue;
        let of_late = self.queued.is_some_and(|queued| at.clock.0 - queued.0 <= queue.break_up.0);
        of_late && self.window.age(at.clock) < queue.patience
    }
}

impl Problem {
    /// The problem after `event`; none where it is forgotten.
    pub(super) fn on(self, event: Event, at: &At<'_>, out: &mut Vec<Effect>) -> Option<Self> {
        let (place, things, nameless) = match &event {
            Event::Confirmed(incident) | Event::Joined(_, incident) => {
                let single = incident.things.iter().filter(|_| !at.rule.is_of_clusters());
                (incident.bbox, single.map(|thing| thing.bbox).collect(), !incident.standing().is_empty())
            }
            _ => (self.place, self.things, self.nameless),
        };
        let stage = self.stage.on(event, &self.kind, at, out)?;
        Some(Self { place, things, nameless, stage, ..self })
    }

    /// Whether what stands at `bbox` is part of it.
    pub(super) fn takes_in(&self, bbox: Rect, rule: &Rule) -> bool {
        belongs(bbox, self.place, &self.things, rule.merge)
    }
}

impl Watch {
    pub(super) fn new(ticket: TicketId, last_seen: Timestamp, reported: Option<Millis>) -> Self {
        Self {
            ticket,
            last_seen,
            reported,
            told: None,
            absent_for: Millis::ZERO,
            absent_looks: 0,
            more: More::default(),
            patience: Millis::ZERO,
        }
    }

    /// Of a ticket of before a restart. A view that was learnt with a thing in it that has no name takes some looks to tell it
    /// apart again.
    pub(super) fn restored(ticket: TicketId, last_seen: Timestamp, nameless: bool) -> Self {
        let patience = if nameless { LEARNT_ANEW } else { Millis::ZERO };
        Self { patience, ..Self::new(ticket, last_seen, None) }
    }

    fn present(&mut self, now: Timestamp) {
        self.patience = Millis::ZERO;
        self.last_seen = now;
        (self.absent_for, self.absent_looks) = (Millis::ZERO, 0);
    }

    /// Counts a look without it; whether it has been gone for long enough.
    fn absent(&mut self, since_last_look: Millis, rule: &Rule) -> bool {
        // The time before the first look without it is not known to be time without it.
        if self.absent_looks > 0 {
            self.absent_for = Millis(self.absent_for.0.saturating_add(since_last_look.0));
        }
        self.absent_looks = self.absent_looks.saturating_add(1);
        self.is_clear(rule)
    }

    /// Whether its place was seen without it for long enough.
    pub(super) fn is_clear(&self, rule: &Rule) -> bool {
        self.absent_looks >= 2 && self.absent_for.0 >= rule.clear_after.0.saturating_add(self.patience.0)
    }

    /// Whether this view keeps others from clearing the ticket.
    pub(super) fn has_a_say(&self, now: Timestamp, rule: &Rule) -> bool {
        !self.is_clear(rule) && apart(now, self.last_seen) <= rule.max_pause
    }

    /// Of a problem that another view saw come back: this one has not seen it, and has no say until it does.
    fn unseen(ticket: TicketId, at: &At<'_>) -> Self {
        let last_seen = at.now - at.rule.max_pause - Millis(1);
        Self { told: Some(at.now), ..Self::new(ticket, last_seen, None) }
    }

    fn cleared(&self, at: &At<'_>) -> Effect {
        Effect::Cleared {
            ticket: self.ticket,
            camera: at.camera.clone(),
            last_seen: self.last_seen,
            cleared_at: at.now,
        }
    }

    fn again(&self, at: &At<'_>, why: Further) -> Effect {
        Effect::Again { ticket: self.ticket, camera: at.camera.clone(), seen_at: at.now, why }
    }
}

impl More {
    /// Takes in that a look shows so many things; whether there have been more than were told of for long enough to tell. A look
    /// now and then that misses one does not matter.
    fn look(&mut self, things: usize, at: &At<'_>) -> bool {
        if self.told == 0 {
            self.told = things;
        }
        if things <= self.told || self.pictures >= MOST_PICTURES {
            self.since = self.since.filter(|(_, last)| at.clock.0 - last.0 <= at.rule.max_gap.0);
            return false;
        }
        let (since, _) = *self.since.insert((self.since.map_or(at.clock, |(since, _)| since), at.clock));
        let stand = at.clock.0 - since.0 >= at.rule.dwell.0;
        if stand {
            (self.told, self.since, self.pictures) = (things, None, self.pictures + 1);
        }
        stand
    }
}

impl Stage {
    /// Where a ticket goes that was ended at `since`.
    pub(super) fn ended(ending: Ending, watch: Watch, since: Timestamp, rule: &Rule) -> Self {
        match ending {
            Ending::Rejected => Self::Quiet { watch, until: since + rule.reject_cooldown },
            Ending::Closed => Self::Closed { watch, until: since + rule.realarm },
        }
    }

    /// The thing that is suspected by itself.
    pub(super) fn anchor(&self) -> Option<SightingId> {
        match self {
            Self::Suspected(suspicion) => suspicion.anchor,
            _ => None,
        }
    }

    /// The ticket that it has or had.
    pub(super) fn ticket(&self) -> Option<TicketId> {
        match self {
            Self::Ticketed(watch) | Self::Closed { watch, .. } | Self::Quiet { watch, .. } => Some(watch.ticket),
            Self::Resting { returning, .. } => returning.map(|(ticket, _)| ticket),
            Self::Suspected(_) => None,
        }
    }

    /// What looks show of its ticket; none where it has none, or rests.
    pub(super) fn watch(&self) -> Option<&Watch> {
        match self {
            Self::Ticketed(watch) | Self::Closed { watch, .. } | Self::Quiet { watch, .. } => Some(watch),
            Self::Suspected(_) | Self::Resting { .. } => None,
        }
    }

    /// The one door: what `event` makes of this stage, nothing where the problem is forgotten.
    fn on(self, event: Event, kind: &Kind, at: &At<'_>, out: &mut Vec<Effect>) -> Option<Self> {
        match (self, event) {
            (Self::Suspected(suspicion), Event::Dropped(reason)) => {
                out.push(Effect::Dropped { suspect: suspicion.id, kind: kind.clone(), reason });
                None
            }
            (Self::Suspected(suspicion), Event::Confirmed(incident)) => {
                let watch = Watch { told: Some(at.now), ..Watch::new(incident.ticket, at.now, Some(at.clock)) };
                out.push(Effect::Confirmed { suspect: suspicion.id, incident });
                Some(Self::Ticketed(watch))
            }
            (Self::Ticketed(mut watch), Event::Present(things, bbox)) => {
                watch.present(at.now);
                if watch.reported.is_none_or(|last| at.clock.0 - last.0 >= REPORT_EVERY.0) {
                    watch.reported = Some(at.clock);
                    let (ticket, camera) = (watch.ticket, at.camera.clone());
                    out.push(Effect::StillThere { ticket, camera, seen_at: at.now, bbox });
                }
                // A clock that was set back must not put the next word off.
                let told = watch.told.unwrap_or(at.now).min(at.now);
                watch.told = Some(told);
                if at.now.since(told) >= at.rule.realarm {
                    watch.told = Some(at.now);
                    out.push(watch.again(at, Further::StillThere));
                } else if watch.more.look(things, at) {
                    out.push(watch.again(at, Further::MoreThings));
                }
                Some(Self::Ticketed(watch))
            }
            (Self::Ticketed(mut watch), Event::Absent(since_last_look, others)) => {
                if watch.absent(since_last_look, at.rule) && others == Others::SeeNothing {
                    out.push(watch.cleared(at));
                    Some(Self::resting(Some(watch.ticket), at.now, at.rule))
                } else {
                    Some(Self::Ticketed(watch))
                }
            }
            // What another view has a place for is no ticket of its own.
            (Self::Suspected(suspicion), Event::Joined(known, incident)) => {
                let ticket = known.ticket;
                let watch = Watch { told: Some(at.now), ..Watch::new(ticket, at.now, Some(at.clock)) };
                let merged = Effect::Dropped { suspect: suspicion.id, kind: kind.clone(), reason: "merged" };
                let joined = Effect::Joined { suspect: suspicion.id, ticket, incident };
                match known.standing {
                    Standing::Open => {
                        out.push(joined);
                        Some(Self::Ticketed(watch))
                    }
                    Standing::Resting => {
                        out.push(Effect::CameBack { ticket, camera: at.camera.clone(), seen_at: at.now });
                        out.push(joined);
                        Some(Self::Ticketed(watch))
                    }
                    Standing::Closed(until) => {
                        out.push(merged);
                        Some(Self::Closed { watch, until })
                    }
                    Standing::Quiet(until) => {
                        out.push(merged);
                        Some(Self::Quiet { watch, until })
                    }
                }
            }
            // The views of a ticket stand in one stage.
            (Self::Ticketed(watch) | Self::Closed { watch, .. }, Event::Elsewhere(News::Cleared)) => {
                Some(Self::resting(Some(watch.ticket), at.now, at.rule))
            }
            (Self::Quiet { .. }, Event::Elsewhere(News::Cleared)) => Some(Self::resting(None, at.now, at.rule)),
            (Self::Closed { watch, .. }, Event::Elsewhere(News::CameBack)) => {
                Some(Self::Ticketed(Watch { told: Some(at.now), ..watch }))
            }
            (Self::Resting { returning: Some((ticket, _)), .. }, Event::Elsewhere(News::CameBack)) => {
                Some(Self::Ticketed(Watch::unseen(ticket, at)))
            }
            (Self::Ticketed(watch), Event::Elsewhere(News::Told)) => {
                Some(Self::Ticketed(Watch { told: Some(at.now), ..watch }))
            }
            (Self::Closed { watch, .. }, Event::Elsewhere(News::Told)) => {
                Some(Self::Closed { watch, until: at.now + at.rule.realarm })
            }
            // That it was no case outweighs that it is over.
            (Self::Ticketed(watch) | Self::Closed { watch, .. }, Event::Ended(Ending::Rejected)) => {
                Some(Self::ended(Ending::Rejected, watch, at.now, at.rule))
            }
            (Self::Ticketed(watch), Event::Ended(Ending::Closed)) => {
                Some(Self::ended(Ending::Closed, watch, at.now, at.rule))
            }
            (Self::Closed { mut watch, until }, Event::Absent(since_last_look, others)) => {
                if watch.absent(since_last_look, at.rule) && others == Others::SeeNothing {
                    out.push(watch.cleared(at));
                    Some(Self::resting(Some(watch.ticket), at.now, at.rule))
                } else {
                    Some(Self::Closed { watch, until })
                }
            }
            (Self::Quiet { mut watch, until }, Event::Absent(since_last_look, others)) => {
                if watch.absent(since_last_look, at.rule) && others == Others::SeeNothing {
                    out.push(watch.cleared(at));
                    // Seen clear: what comes next is another thing.
                    Some(Self::resting(None, at.now, at.rule))
                } else {
                    Some(Self::Quiet { watch, until })
                }
            }
            (Self::Closed { mut watch, until }, Event::Present(..)) => {
                watch.present(at.now);
                let until = until.min(at.now + at.rule.realarm);
                match at.rule.realarm_by {
                    _ if at.now < until => Some(Self::Closed { watch, until }),
                    Realarm::Evidence => {
                        out.push(watch.again(at, Further::StillThere));
                        Some(Self::Closed { watch, until: at.now + at.rule.realarm })
                    }
                    Realarm::Reopen => {
                        out.push(Effect::CameBack { ticket: watch.ticket, camera: at.camera.clone(), seen_at: at.now });
                        watch.told = Some(at.now);
                        Some(Self::Ticketed(watch))
                    }
                    Realarm::Ticket => None,
                }
            }
            (Self::Quiet { mut watch, until }, event) => {
                if matches!(event, Event::Present(..)) {
                    watch.present(at.now);
                }
                let until = until.min(at.now + at.rule.reject_cooldown);
                (at.now < until).then_some(Self::Quiet { watch, until })
            }
            (Self::Resting { returning: Some((ticket, _)), .. }, Event::CameBack) => {
                out.push(Effect::CameBack { ticket, camera: at.camera.clone(), seen_at: at.now });
                Some(Self::Ticketed(Watch { told: Some(at.now), ..Watch::new(ticket, at.now, Some(at.clock)) }))
            }
            // A clock that stepped back must not make the rest longer than it was meant to be.
            (Self::Resting { until, returning }, event) => {
                let until = until.min(at.now + at.rule.rearm_after);
                let returning = match event {
                    Event::Ended(Ending::Rejected) => None,
                    _ => returning.map(|(ticket, before)| (ticket, before.min(at.now + at.rule.reopen_within))),
                };
                (at.now < until).then_some(Self::Resting { until, returning })
            }
            // A ticket is not dropped; a suspect is neither present nor absent, it is counted, and has no ticket to end.
            (
                stage @ Self::Ticketed(_),
                Event::Dropped(_)
                | Event::Confirmed(_)
                | Event::Joined(..)
                | Event::CameBack
                | Event::Elsewhere(News::CameBack)
                | Event::Tick,
            )
            | (
                stage @ Self::Closed { .. },
                Event::Dropped(_)
                | Event::Confirmed(_)
                | Event::Joined(..)
                | Event::CameBack
                | Event::Ended(_)
                | Event::Tick,
            )
            | (
                stage @ Self::Suspected(_),
                Event::Present(..)
                | Event::Absent(..)
                | Event::Elsewhere(_)
                | Event::CameBack
                | Event::Ended(_)
                | Event::Tick,
            ) => Some(stage),
        }
    }

    /// The rest of a place whose ticket was cleared at `cleared_at`; `ticket` is the one that what comes back belongs to.
    pub(super) fn resting(ticket: Option<TicketId>, cleared_at: Timestamp, rule: &Rule) -> Self {
        let returning = ticket.map(|ticket| (ticket, cleared_at + rule.reopen_within));
        Self::Resting { until: cleared_at + rule.rearm_after, returning }
    }

    /// Whether what comes back there at `now` is its ticket's.
    pub(super) fn takes_back(&self, now: Timestamp) -> bool {
        matches!(self, Self::Resting { returning: Some((_, before)), .. } if now < *before)
    }
}
