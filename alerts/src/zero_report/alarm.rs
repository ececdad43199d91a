//! Reports that are missing, told once each, and once more when they have come after all.
//!
//! They are missing because the database refuses or hangs, so they are told past it and its outbox: as states that the broker
//! retains.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::{Cell, StationId, Timestamp};
use jiff::civil::Date;

use super::{ReportsOwed, ZeroReport};
use crate::{
    publisher::StatusBoard,
    wire::{self, Node},
};

/// Whose report of which day.
type Owed = (StationId, Date);

/// What is known to be missing, and where it is told.
#[derive(Debug)]
pub(super) struct Alarm {
    owed: ReportsOwed,
    node: Node,
    statuses: StatusBoard,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Reports that are there, of the days that were asked for of late.
    there: BTreeSet<Owed>,
    told: BTreeSet<Owed>,
}

impl Alarm {
    pub(super) fn new(owed: ReportsOwed, node: Node, statuses: StatusBoard) -> Self {
        Self { owed, node, statuses, known: Mutex::default() }
    }

    /// Takes in which reports are there.
    pub(super) fn there(&self, there: &BTreeSet<Owed>) {
        self.known().there.clone_from(there);
    }

    /// A report was made; `grid` is where its station is. One that is late may have been told to be missing by an earlier
    /// process.
    pub(super) fn made(&self, report: &ZeroReport, grid: Option<&Cell>) {
        let owed = (report.station.clone(), report.date);
        let mut known = self.known();
        if known.told.remove(&owed) || report.late {
            let topic = wire::zero_report_status_topic(grid, &self.node, &report.station, report.date);
            self.statuses.post(topic, wire::zero_report_made(report, &self.node));
        }
        known.there.insert(owed);
    }

    /// Tells of those that are missing for longer than the grace, where those of the days up to `reported` are there; how many
    /// there are. `grid` says where a station is.
    pub(super) fn missing(
        &self,
        reported: Option<Date>,
        now: Timestamp,
        grid: impl Fn(&super::Station) -> Option<Cell>,
    ) -> usize {
        let Some((date, period)) = self.owed.overdue(reported, now) else { return 0 };
        let mut known = self.known();
        let mut n = 0;
        for station in &self.owed.stations {
            let owed = (station.id.clone(), date);
            if known.there.contains(&owed) {
                continue;
            }
            n += 1;
            if known.told.insert(owed) {
                tracing::warn!(station = %station.id, %date, "a zero report is missing");
                let topic = wire::zero_report_status_topic(grid(station).as_ref(), &self.node, &station.id, date);
                self.statuses.post(topic, wire::zero_report_missing(station, date, period, now, &self.node));
            }
        }
        n
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
