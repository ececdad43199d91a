//! Which stations owe a report of which day. No I/O.

use std::collections::BTreeMap;

use domain::{Millis, StationId, Timestamp};
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};

use super::{Period, ReportDays, Station, ZeroReport, ZeroReportConfig};

/// The stations, and when they report.
#[derive(Debug, Clone)]
pub struct ReportsOwed {
    pub(super) days: ReportDays,
    pub(super) stations: Vec<Station>,
    grace: Millis,
}

impl ReportsOwed {
    /// Those of the configuration, on the clocks of `timezone`.
    #[must_use]
    pub fn new(config: &ZeroReportConfig, timezone: TimeZone) -> Self {
        let (stations, grace) = (config.stations.clone(), config.grace);
        Self { days: ReportDays::new(config.at, timezone), stations, grace }
    }

    /// The last day whose reports are due; none where no station reports.
    #[must_use]
    pub fn last_day(&self, now: Timestamp) -> Option<Date> {
        let last = self.days.of(now).checked_sub(1.day()).ok()?;
        (!self.stations.is_empty()).then_some(last)
    }

    /// The stations that owe their report of `date`, given those that are there. `first` is the day of each station's first
    /// report: it owes none of the days before that, and where it has made none yet, that of the last day only.
    #[must_use]
    pub fn missing<'a>(
        &'a self,
        date: Date,
        now: Timestamp,
        there: &[ZeroReport],
        first: &BTreeMap<StationId, Date>,
    ) -> Vec<&'a Station> {
        let is_due = self.days.period(date).is_some_and(|period| now >= period.to);
        let owes = |station: &&Station| {
            let since = first.get(&station.id).copied().or_else(|| self.last_day(now));
            since.is_some_and(|since| date >= since) && there.iter().all(|report| report.station != station.id)
        };
        self.stations.iter().filter(owes).filter(|_| is_due).collect()
    }

    /// The day whose reports are missing for longer than the grace, where those of the days up to `reported` are there.
    #[must_use]
    pub(super) fn overdue(&self, reported: Option<Date>, now: Timestamp) -> Option<(Date, Period)> {
        let last = self.last_day(now).filter(|last| reported != Some(*last))?;
        let period = self.days.period(last)?;
        (now > period.to + self.grace).then_some((last, period))
    }

    /// Whether a report of a day that ended at `to` and is made at `now` is late.
    pub(super) fn is_late(&self, to: Timestamp, now: Timestamp) -> bool {
        now > to + self.grace
    }
}
