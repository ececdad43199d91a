//! The `[deadlines]` section: working time, the files of holidays, and when a light turns yellow.

use std::path::PathBuf;

use domain::Millis;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{CalendarError, HolidayYear, Lights, WorkCalendar};
use crate::{
    clocks::ClockStart,
    rules::{Day, Hours},
};

/// How deadlines are reckoned.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadlineConfig {
    /// The days of the week that are worked.
    pub work_days: Vec<Day>,
    /// The hours that are worked on such a day.
    pub work_hours: Vec<Hours>,
    /// Files with the years' holidays (TOML or CSV); China's 2026 where empty.
    pub holidays: Vec<PathBuf>,
    /// A light is yellow when so much of the limit is left, 0 to 1, or ...
    pub yellow_share: f64,
    /// ... so much time, whichever is more.
    pub yellow_left: Millis,
    /// From when the clocks of a case run.
    pub start: ClockStart,
}

impl Default for DeadlineConfig {
    fn default() -> Self {
        Self {
            work_days: vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri],
            work_hours: vec![Hours::OFFICE],
            holidays: Vec::new(),
            yellow_share: 0.2,
            yellow_left: Millis::mins(30),
            start: ClockStart::Filed,
        }
    }
}

impl DeadlineConfig {
    /// The calendar with these years' holidays.
    ///
    /// # Errors
    /// As [`WorkCalendar::new`].
    pub fn calendar(&self, timezone: TimeZone, years: &[HolidayYear]) -> Result<WorkCalendar, CalendarError> {
        WorkCalendar::new(timezone, &self.work_days, &self.work_hours, years)
    }

    /// When lights turn yellow.
    ///
    /// # Errors
    /// What is wrong with the thresholds, in words.
    pub fn lights(&self) -> Result<Lights, String> {
        if !(0.0..=1.0).contains(&self.yellow_share) {
            return Err(format!("yellow_share is {}; it is a share of the limit, 0 to 1", self.yellow_share));
        }
        Ok(Lights { share: self.yellow_share, left: self.yellow_left })
    }
}
