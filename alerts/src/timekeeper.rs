//! Keeps the clocks of cases: looks at each when its light may have changed or its case has moved, writes what the clocks
//! ask for into the outbox, in one transaction with the clocks themselves. What was told before a crash is not told again
//! after it, and what fell due meanwhile is told then.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use domain::Timestamp;
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    AlertsError,
    clocks::Timetable,
    deadline::{Light, ResponseLevel, Stage},
    routed::Superior,
    store::{LastDutyList, Rewound, Store},
    streets::StreetNames,
    ticket::Ticket,
    wire::{self, Node},
};

/// How often it is asked whose light may have changed: a light is at most so much late.
const ROUND: Duration = Duration::from_secs(1);

/// Rounds from one count of the lights to the next.
const COUNT_EVERY: u32 = 10;

/// Cases taken at once, in one transaction.
const BATCH: u32 = 100;

/// How long a database that refused is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Says what this module's metrics mean.
pub(crate) fn describe_metrics() {
    use metrics::{describe_counter, describe_gauge};
    describe_gauge!("gridwatch_case_lights", "cases whose time runs, by the worst light of their clocks");
    describe_counter!("gridwatch_light_changes_total", "changes of a light that were told, by clock and light");
    describe_counter!("gridwatch_escalations_total", "cases that were lifted one level, by the level that answers now");
    describe_counter!("gridwatch_clock_failures_total", "clocks that could not be reckoned, by reason");
}

/// Looks after the clocks of one store.
pub struct Timekeeper {
    store: Store,
    node: Node,
    /// What clocks are reckoned by.
    timetable: watch::Receiver<Timetable>,
    names: watch::Receiver<Arc<StreetNames>>,
    list: LastDutyList,
    /// What was wrong last, so that it is logged once.
    trouble: Option<String>,
}

impl Timekeeper {
    /// A timekeeper of the store's tickets, which knows areas by these names.
    #[must_use]
    pub fn new(
        store: Store,
        node: Node,
        mut timetable: watch::Receiver<Timetable>,
        names: watch::Receiver<Arc<StreetNames>>,
    ) -> Self {
        timetable.mark_unchanged();
        Self { store, node, timetable, names, list: LastDutyList::default(), trouble: None }
    }

    /// Runs until `stop`. A database that fails is tried again; nothing is lost meanwhile, only late.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut until_count = 0;
        while stop.run_until_cancelled(rounds.tick()).await.is_some() {
            let mut done = self.round(SystemTime::now().into()).await;
            if done.is_ok() && until_count == 0 {
                until_count = COUNT_EVERY;
                done = self.count().await;
            }
            until_count = until_count.saturating_sub(1);
            match done {
                Ok(()) => self.trouble = None,
                Err(error) => {
                    self.tell(&error);
                    if stop.run_until_cancelled(tokio::time::sleep(STORE_PAUSE)).await.is_none() {
                        break;
                    }
                }
            }
        }
    }

    /// Brings all clocks up to `now`.
    ///
    /// # Errors
    /// When the database fails; what was written is whole, and the rest waits for the next round.
    pub async fn round(&mut self, now: Timestamp) -> Result<(), AlertsError> {
        // By other hours and holidays lights change at other times.
        if self.timetable.has_changed().unwrap_or(false) {
            self.store.wake_clocks(now).await?;
            self.timetable.mark_unchanged();
        }
        loop {
            let due = self.store.tickets_with_lights_due(now, BATCH).await?;
            let is_last = due.len() < BATCH as usize;
            if self.follow(due, now).await? == 0 || is_last {
                return Ok(());
            }
        }
    }

    /// Takes in what happened to these cases and the time that passed; how many clocks were written.
    async fn follow(&mut self, tickets: Vec<Ticket>, now: Timestamp) -> Result<usize, AlertsError> {
        let mut all = Vec::new();
        let mut turned = Vec::new();
        for ticket in tickets {
            let Some(before) = ticket.clocks.as_deref() else { continue };
            let history = self.store.history(ticket.id()).await?;
            let mut after = before.clone();
            let lines = history.iter().map(|line| (line.number, &line.change));
            let outcome = after.follow(lines, ticket.case.due(), now, self.timetable.borrow().terms());
            if let Some(error) = outcome.unknown {
                metrics::counter!("gridwatch_clock_failures_total", "reason" => "calendar").increment(1);
                tracing::warn!(ticket = %ticket.id(), %error, "a case goes without lights for now");
            }
            let mut messages = Vec::with_capacity(outcome.turns.len());
            for turn in &outcome.turns {
                let unit = match turn.escalated_to {
                    Some(level) => self.superior(&ticket, level).await?,
                    None => None,
                };
                messages.push(wire::light_message(&ticket, turn, unit.as_ref(), now, &self.node));
            }
            all.push(Rewound { ticket: ticket.id(), before: before.revision(), after, messages });
            turned.extend(outcome.turns.into_iter().map(|turn| (ticket.id(), turn)));
        }
        let written = self.store.rewind_clocks(&all).await?;
        for (ticket, turn) in turned.into_iter().filter(|(ticket, _)| written.contains(ticket)) {
            let (clock, light) = (clock_label(turn.clock), light_label(turn.light));
            metrics::counter!("gridwatch_light_changes_total", "clock" => clock, "light" => light).increment(1);
            if let Some(to) = turn.escalated_to {
                metrics::counter!("gridwatch_escalations_total", "to" => u8::from(to).to_string()).increment(1);
            }
            tracing::info!(%ticket, clock, light, level = u8::from(turn.escalated_to.unwrap_or(turn.level)), "light changed");
        }
        Ok(written.len())
    }

    /// Who answers for a ticket at a level, as far as the grid and the responsibility list know.
    async fn superior(&mut self, ticket: &Ticket, level: ResponseLevel) -> Result<Option<Superior>, AlertsError> {
        let place = ticket.camera.place.as_ref().map_or(&self.node.district, |place| &place.grid);
        let incident = &ticket.incident;
        // Whoever routes tickets tells of a damaged list.
        self.list.refresh(&self.store).await?;
        let timetable = self.timetable.borrow();
        let (at, timezone) = (incident.confirmed_at, timetable.calendar.timezone());
        let item = self.list.get().at_level(level, &incident.kind, place, at, timezone);
        let dept = item.map(|version| version.item.task.dept.clone());
        Ok(Superior::of(level, place, &self.names.borrow(), dept))
    }

    async fn count(&self) -> Result<(), AlertsError> {
        let counts = self.store.light_counts().await?;
        for light in [Light::Green, Light::Yellow, Light::Red] {
            let count = counts.get(&light).copied().unwrap_or_default();
            metrics::gauge!("gridwatch_case_lights", "light" => light_label(light)).set(count as f64);
        }
        Ok(())
    }

    fn tell(&mut self, error: &AlertsError) {
        metrics::counter!("gridwatch_clock_failures_total", "reason" => "store").increment(1);
        let trouble = error.to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::error!(error = trouble, "the clocks of cases cannot be kept, trying again");
            self.trouble = Some(trouble);
        }
    }
}

fn clock_label(clock: Stage) -> &'static str {
    match clock {
        Stage::Arrive => "arrive",
        Stage::Solve => "solve",
    }
}

fn light_label(light: Light) -> &'static str {
    match light {
        Light::Green => "green",
        Light::Yellow => "yellow",
        Light::Red => "red",
    }
}
