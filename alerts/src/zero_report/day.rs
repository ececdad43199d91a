//! Days of reports: from one set time to the next, on the clocks of the node's time zone, 23 to 25 hours long.

use domain::{Millis, Timestamp};
use jiff::{
    ToSpan as _,
    civil::{Date, Time},
    tz::TimeZone,
};

/// Tells days of reports apart.
#[derive(Debug, Clone)]
pub struct ReportDays {
    at: Time,
    timezone: TimeZone,
}

/// One day of reports; its end is outside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// When it begins.
    pub from: Timestamp,
    /// When it ends and is reported.
    pub to: Timestamp,
}

impl ReportDays {
    /// Days that end at `at`.
    #[must_use]
    pub fn new(at: Time, timezone: TimeZone) -> Self {
        Self { at, timezone }
    }

    /// The date on which the day that `moment` lies in ends.
    #[must_use]
    pub fn of(&self, moment: Timestamp) -> Date {
        let zoned = jiff::Timestamp::from_millisecond(moment.0)
            .unwrap_or(if moment.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX })
            .to_zoned(self.timezone.clone());
        let today = zoned.date();
        if self.ends(today).is_some_and(|end| moment < end) { today } else { today.tomorrow().unwrap_or(Date::MAX) }
    }

    /// The day that ends on `date`; none outside the years -9999 to 9999.
    #[must_use]
    pub fn period(&self, date: Date) -> Option<Period> {
        let before = date.checked_sub(1.day()).ok()?;
        Some(Period { from: self.ends(before)?, to: self.ends(date)? })
    }

    fn ends(&self, date: Date) -> Option<Timestamp> {
        // A time that the clocks leave out is the one after the gap.
        let instant = self.timezone.to_timestamp(date.to_datetime(self.at)).ok()?;
        Some(Timestamp(instant.as_millisecond()))
    }
}

impl Period {
    /// Whether a moment lies in it.
    #[must_use]
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.to
    }

    /// How much of it lies after `since`.
    #[must_use]
    pub fn after(&self, since: Timestamp) -> Millis {
        self.to.since(self.from.max(since))
    }
}
