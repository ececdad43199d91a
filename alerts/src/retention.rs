//! What is old goes: sent messages, tickets long ended, leads that were never filed, and the pictures that no ticket names.
//!
//! In the background, a batch at a time with pauses between; at once where a disk is full. What is on legal hold, waits
//! to be sent or (filed) has not reached the broker stays. A picture that several tickets share goes with the last of them; one that
//! a crash left between its file and its row goes after [`orphans`](RetentionConfig::orphans).
//!
//! A wall clock that jumps must not make everything old at once: while it disagrees with the time that has really passed,
//! nothing expires.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use domain::{Kind, Millis, Sha256, Timestamp};
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    AlertsError,
    blocking::blocking,
    evidence::{EvidenceStore, Shelf},
    store::{Expired, Kinds, Store},
};

/// How many tickets or messages one transaction removes: few enough that a ticket to be opened waits some milliseconds.
const BATCH: u32 = 100;

/// Between two batches, for the others.
const BREATH: Duration = Duration::from_millis(50);

/// Shelves of the evidence store that are looked through in a round; there are 256.
const SHELVES_A_ROUND: usize = 16;

/// By how much wall clock and real time may differ.
const LARGEST_STEP: Millis = Millis::mins(10);

/// For how long nothing expires after the wall clock has jumped.
const REST_AFTER_STEP: Duration = Duration::from_secs(24 * 3600);

/// The section `[retention]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// How often it is looked for what has expired.
    pub every: Millis,
    /// How long a ticket and its evidence are kept after it was closed or rejected.
    pub closed: Millis,
    /// How long a lead that was never filed and that nobody judged is kept, with its evidence.
    pub unfiled: Millis,
    /// How long a message is kept after the broker has it.
    pub sent: Millis,
    /// How long a message that nobody understood is kept, once that was told.
    pub problems: Millis,
    /// How long a picture that no ticket names is kept.
    pub orphans: Millis,
    /// Other times for some kinds of cases.
    pub kinds: BTreeMap<Kind, KindRetention>,
}

/// What is different for a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KindRetention {
    /// Instead of `retention.closed`.
    pub closed: Option<Millis>,
    /// Instead of `retention.unfiled`.
    pub unfiled: Option<Millis>,
}

const DAY: i64 = 24 * 60;

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            every: Millis::mins(10),
            closed: Millis::mins(2 * 365 * DAY),
            unfiled: Millis::mins(30 * DAY),
            sent: Millis::mins(7 * DAY),
            problems: Millis::mins(90 * DAY),
            orphans: Millis::mins(DAY),
            kinds: BTreeMap::new(),
        }
    }
}

impl RetentionConfig {
    /// Checks that each time can be.
    ///
    /// # Errors
    /// Names the key that is wrong, and the remedy.
    pub fn check(&self) -> Result<(), String> {
        let at_least = |key: &str, value: Millis, least: Millis| {
            if value < least { Err(format!("{key} is {value}; it must be at least {least}")) } else { Ok(()) }
        };
        at_least("every", self.every, Millis::secs(1))?;
        // What is being stored at this moment has no row yet.
        at_least("orphans", self.orphans, Millis::mins(60))?;
        for (key, value) in
            [("closed", self.closed), ("unfiled", self.unfiled), ("sent", self.sent), ("problems", self.problems)]
        {
            at_least(key, value, Millis::mins(60))?;
        }
        for (kind, other) in &self.kinds {
            for value in [other.closed, other.unfiled].into_iter().flatten() {
                at_least(&format!("kinds.\"{kind}\""), value, Millis::mins(60))?;
            }
        }
        Ok(())
    }

    /// Which tickets have expired by `now`, and of which kinds.
    fn expired(&self, now: Timestamp) -> Vec<(Option<&Kind>, Expired)> {
        let of = |kind, closed: Millis, unfiled: Millis| {
            [(kind, Expired::Ended(now - closed)), (kind, Expired::Unfiled(now - unfiled))]
        };
        let special = self.kinds.iter().flat_map(|(kind, other)| {
            of(Some(kind), other.closed.unwrap_or(self.closed), other.unfiled.unwrap_or(self.unfiled))
        });
        special.chain(of(None, self.closed, self.unfiled)).collect()
    }
}

/// Says what this module's metrics mean.
pub(crate) fn describe_metrics() {
    describe_counter!(
        "gridwatch_retention_removed_total",
        "what has expired and was removed: ticket, message, problem, picture"
    );
    describe_counter!("gridwatch_retention_freed_bytes_total", Unit::Bytes, "size of the pictures that were removed");
    describe_counter!("gridwatch_retention_errors_total", "rounds that ended with an error; the next one goes on");
    describe_gauge!("gridwatch_legal_holds", "tickets that are kept whatever their age");
    describe_gauge!("gridwatch_retention_rests", "1 while nothing expires because the wall clock has jumped, else 0");
}

/// Tells a wall clock that jumps from time that passes.
///
/// ```text
///   Steady ── wall clock and real time differ by more than a step ──▶ Resting ── a day of real time ──▶ Steady
///                                                                       └── differs again: the day begins anew
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ClockWatch {
    wall: Timestamp,
    real: Instant,
    rests_until: Option<Instant>,
}

/// Whether the wall clock can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Steady,
    Jumped,
    Resting,
}

impl ClockWatch {
    fn new(wall: Timestamp, real: Instant) -> Self {
        Self { wall, real, rests_until: None }
    }

    fn look(&mut self, wall: Timestamp, real: Instant) -> Trust {
        let passed = Millis::from(real.saturating_duration_since(self.real));
        let shown = wall.0.saturating_sub(self.wall.0);
        (self.wall, self.real) = (wall, real);
        if shown.saturating_sub(passed.0).abs() > LARGEST_STEP.0 {
            self.rests_until = Some(real + REST_AFTER_STEP);
            return Trust::Jumped;
        }
        match self.rests_until {
            Some(until) if real < until => Trust::Resting,
            _ => {
                self.rests_until = None;
                Trust::Steady
            }
        }
    }
}

/// Where time comes from.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The wall clock.
    pub wall: SystemTime,
    /// What really passes.
    pub real: Instant,
}

impl Now {
    fn read() -> Self {
        Self { wall: SystemTime::now(), real: Instant::now() }
    }
}

/// How much of the evidence store a round looks through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoroughness {
    /// A part; the next round goes on with the next one.
    Part,
    /// All of it.
    Whole,
}

/// Removes what has expired.
#[derive(Debug)]
pub struct Retention {
    config: RetentionConfig,
    store: Store,
    evidence: EvidenceStore,
    watch: ClockWatch,
    shelf: Shelf,
}

impl Retention {
    /// Begins to watch the clock; removes nothing yet.
    #[must_use]
    pub fn new(config: RetentionConfig, store: Store, evidence: EvidenceStore) -> Self {
        let now = Now::read();
        Self { config, store, evidence, watch: ClockWatch::new(now.wall.into(), now.real), shelf: 0 }
    }

    /// Works until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let (pictures, rows) = (self.evidence.full(), self.store.full());
        loop {
            let thoroughness = tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.config.every.to_duration()) => Thoroughness::Part,
                () = pictures.notified() => Thoroughness::Whole,
                () = rows.notified() => Thoroughness::Whole,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                done = self.round(Now::read(), thoroughness) => if let Err(error) = done {
                    counter!("gridwatch_retention_errors_total").increment(1);
                    warn!(%error, "what has expired could not be removed; tried again in {}", self.config.every);
                },
            }
            if thoroughness == Thoroughness::Whole {
                // A disk that stays full says so with each attempt to write.
                tokio::time::sleep(BREATH * 20).await;
            }
        }
    }

    /// Removes what has expired by `now`.
    ///
    /// # Errors
    /// When the database or the evidence store fails; what was removed until then is.
    pub async fn round(&mut self, now: Now, thoroughness: Thoroughness) -> Result<(), AlertsError> {
        gauge!("gridwatch_legal_holds").set(self.store.held().await? as f64);
        let wall = Timestamp::from(now.wall);
        let trust = self.watch.look(wall, now.real);
        gauge!("gridwatch_retention_rests").set(if trust == Trust::Steady { 0.0 } else { 1.0 });
        match trust {
            Trust::Steady => {}
            Trust::Jumped => {
                warn!("the wall clock has jumped: nothing expires for a day");
                return Ok(());
            }
            Trust::Resting => return Ok(()),
        }
        // A file system without this age for a file has no file that is old enough.
        let Some(orphaned) = now.wall.checked_sub(self.config.orphans.to_duration()) else { return Ok(()) };
        loop {
            let removed = self.store.remove_sent_messages(wall - self.config.sent, BATCH).await?;
            counter!("gridwatch_retention_removed_total", "what" => "message").increment(removed);
            if removed < u64::from(BATCH) {
                break;
            }
            tokio::time::sleep(BREATH).await;
        }
        loop {
            let removed = self.store.remove_problems(wall - self.config.problems, BATCH).await?;
            counter!("gridwatch_retention_removed_total", "what" => "problem").increment(removed);
            if removed < u64::from(BATCH) {
                break;
            }
            tokio::time::sleep(BREATH).await;
        }
        let config = self.config.clone();
        let special: Vec<_> = config.kinds.keys().collect();
        for (kind, expired) in config.expired(wall) {
            let kinds = kind.map_or(Kinds::AllBut(&special), Kinds::Only);
            loop {
                let removed = self.store.remove_tickets(kinds, expired, BATCH).await?;
                let n = removed.tickets.len();
                counter!("gridwatch_retention_removed_total", "what" => "ticket").increment(n as u64);
                if n > 0 {
                    info!(tickets = n, "expired tickets were removed");
                }
                self.remove_pictures(removed.evidence, orphaned).await?;
                if n < BATCH as usize {
                    break;
                }
                tokio::time::sleep(BREATH).await;
            }
        }
        let shelves = if thoroughness == Thoroughness::Whole { 256 } else { SHELVES_A_ROUND };
        for _ in 0..shelves {
            let (evidence, shelf) = (self.evidence.clone(), self.shelf);
            let old = blocking(move || evidence.older_than(orphaned, shelf)).await?;
            self.shelf = self.shelf.wrapping_add(1);
            self.remove_pictures(old, orphaned).await?;
        }
        Ok(())
    }

    /// Removes those of these pictures that no ticket names.
    async fn remove_pictures(&self, digests: Vec<Sha256>, before: SystemTime) -> Result<(), AlertsError> {
        if digests.is_empty() {
            return Ok(());
        }
        let unnamed = self.store.unnamed(digests).await?;
        let evidence = self.evidence.clone();
        let (files, bytes) = blocking(move || {
            unnamed.iter().try_fold((0_u64, 0_u64), |(files, bytes), digest| {
                let freed = evidence.remove(digest, before)?;
                Ok((files + u64::from(freed.is_some()), bytes + freed.unwrap_or_default()))
            })
        })
        .await?;
        counter!("gridwatch_retention_removed_total", "what" => "picture").increment(files);
        counter!("gridwatch_retention_freed_bytes_total").increment(bytes);
        if files > 0 {
            debug!(files, bytes, "pictures that no ticket names were removed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
