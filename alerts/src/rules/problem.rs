//! One problem at one place, from the first suspicion to the end of its rest.

use domain::{CameraId, Kind, Millis, Rect, TicketId, Timestamp, ZoneId};

use super::{
    config::Rule,
    sighting::SightingId,
    window::{Sample, Window},
};
use crate::incident::{Effect, Incident, Sight, SuspectId};

/// How often a ticket that still stands is worth a word.
const REPORT_EVERY: Millis = Millis::secs(60);
/// How long a cluster may take to show that it stands, before its first hit.
const SETTLING: Millis = Millis::secs(30);

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
    pub(super) stage: Stage,
}

/// Where a problem stands.
///
/// ```text
///   seen                    rule satisfied                  absent for clear_after
///  ──────▶ Suspected ───────────────────────▶ Ticketed ──────────────────────────────▶ Resting
///              │                               ▲    │ ▲                                   │
///              │ gone, moved, merged,          │    └─┘ present, absent                   │ rearm_after
///              │ calendar, lost_camera,        │                                          ▼
///              ▼ zone_removed                  restored after a restart              (forgotten)
///         (forgotten)
/// ```
#[derive(Debug)]
pub(super) enum Stage {
    /// Something is there, the rule is not satisfied yet.
    Suspected(Suspicion),
    /// A ticket is open.
    Ticketed(Watch),
    /// A ticket was cleared a short while ago; the place opens no new one.
    Resting {
        /// Until when.
        until: Timestamp,
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
    /// Observed time without it; zero while it is there.
    pub(super) absent_for: Millis,
    /// Looks in a row that showed the place without it.
    pub(super) absent_looks: u32,
}

/// What happens to a problem.
#[derive(Debug)]
pub(super) enum Event {
    /// It is no case (any more); the reason is a metric label.
    Dropped(&'static str),
    /// It satisfies its rule.
    Confirmed(Box<Incident>),
    /// This look shows it, here.
    Present(Rect),
    /// This look shows its place without it; so much observed time passed since the look before.
    Absent(Millis),
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
        let place = match &event {
            Event::Confirmed(incident) => incident.bbox,
            _ => self.place,
        };
        let stage = self.stage.on(event, &self.kind, at, out)?;
        Some(Self { place, stage, ..self })
    }
}

impl Watch {
    pub(super) fn new(ticket: TicketId, last_seen: Timestamp, reported: Option<Millis>) -> Self {
        Self { ticket, last_seen, reported, absent_for: Millis::ZERO, absent_looks: 0 }
    }
}

impl Stage {
    /// The one door: what `event` makes of this stage, nothing where the problem is forgotten.
    fn on(self, event: Event, kind: &Kind, at: &At<'_>, out: &mut Vec<Effect>) -> Option<Self> {
        match (self, event) {
            (Self::Suspected(suspicion), Event::Dropped(reason)) => {
                out.push(Effect::Dropped { suspect: suspicion.id, kind: kind.clone(), reason });
                None
            }
            (Self::Suspected(suspicion), Event::Confirmed(incident)) => {
                let watch = Watch::new(incident.ticket, at.now, Some(at.clock));
                out.push(Effect::Confirmed { suspect: suspicion.id, incident });
                Some(Self::Ticketed(watch))
            }
            (Self::Ticketed(mut watch), Event::Present(bbox)) => {
                watch.last_seen = at.now;
                (watch.absent_for, watch.absent_looks) = (Millis::ZERO, 0);
                if watch.reported.is_none_or(|last| at.clock.0 - last.0 >= REPORT_EVERY.0) {
                    watch.reported = Some(at.clock);
                    out.push(Effect::StillThere { ticket: watch.ticket, seen_at: at.now, bbox });
                }
                Some(Self::Ticketed(watch))
            }
            (Self::Ticketed(mut watch), Event::Absent(since_last_look)) => {
                // The time before the first look without it is not known to be time without it.
                if watch.absent_looks > 0 {
                    watch.absent_for = Millis(watch.absent_for.0.saturating_add(since_last_look.0));
                }
                watch.absent_looks = watch.absent_looks.saturating_add(1);
                if watch.absent_looks >= 2 && watch.absent_for >= at.rule.clear_after {
                    out.push(Effect::Cleared {
                        ticket: watch.ticket,
                        camera: at.camera.clone(),
                        last_seen: watch.last_seen,
                        cleared_at: at.now,
                    });
                    Some(Self::Resting { until: at.now + at.rule.rearm_after })
                } else {
                    Some(Self::Ticketed(watch))
                }
            }
            // A clock that stepped back must not make the rest longer than it was meant to be.
            (Self::Resting { until }, _) => {
                let until = until.min(at.now + at.rule.rearm_after);
                (at.now < until).then_some(Self::Resting { until })
            }
            // A ticket is closed by looks alone; a suspect is neither present nor absent, it is counted.
            (stage @ Self::Ticketed(_), Event::Dropped(_) | Event::Confirmed(_) | Event::Tick)
            | (stage @ Self::Suspected(_), Event::Present(_) | Event::Absent(_) | Event::Tick) => Some(stage),
        }
    }
}
