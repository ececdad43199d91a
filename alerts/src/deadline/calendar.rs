//! When people work: the hours of a working day, which weekdays are worked, and what a year's notice of holidays and
//! make-up days changes in that. Turns moments and lengths of the five clocks into one another.

use std::collections::BTreeSet;

use domain::{Millis, Timestamp};
use jiff::{
    ToSpan as _,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde::Deserialize;

use super::{Limit, LimitUnit};
use crate::rules::{Day, Hours};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A year's holidays and make-up days, as the notice for that year orders them. A year in which nothing is listed is a
/// year whose weekdays are as always; a year that is not there at all is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HolidayYear {
    /// Which year is told completely.
    pub year: i16,
    /// Who ordered it, and when.
    #[serde(default)]
    pub source: String,
    /// Its holidays.
    #[serde(default)]
    pub holidays: Vec<Holiday>,
}

/// A holiday with its make-up days.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// Its name.
    pub name: String,
    /// The first day off.
    pub from: Date,
    /// The last day off.
    pub to: Date,
    /// Days at a week-end that are worked instead.
    #[serde(default)]
    pub work: Vec<Date>,
}

/// A calendar that contradicts itself, or does not reach far enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// No notice for that year.
    #[error(
        "there is no holiday calendar for {0}: when work hours and work days of that year end is unknown; add the year's notice to deadlines.holidays"
    )]
    MissingYear(i16),
    /// Two entries of one year.
    #[error("the holidays of {0} are given twice; keep one of the two files")]
    TwiceAYear(i16),
    /// A day that is off and worked.
    #[error("{0} is a day off and a make-up working day at once; take it out of one of the two")]
    OffAndWorked(Date),
    /// A holiday that ends before it begins, or is longer than any holiday.
    #[error("{name}: from {from} to {to} is no holiday; write its first and its last day, at most 60 days apart")]
    Span {
        /// Its name.
        name: String,
        /// Its first day.
        from: Date,
        /// Its last day.
        to: Date,
    },
    /// A date far outside the notice's year.
    #[error("{date} is in the holidays of {year}; correct the date, or give its year a file of its own")]
    OtherYear {
        /// The date.
        date: Date,
        /// The notice's year.
        year: i16,
    },
    /// Nobody ever works.
    #[error("nobody ever works: name at least one day in deadlines.work_days and one stretch in deadlines.work_hours")]
    NoWork,
    /// Two stretches of the day that overlap.
    #[error("the working hours {0} and {1} overlap; write them as one stretch, or end the first earlier")]
    Overlap(Hours, Hours),
    /// A moment outside the years that a calendar knows.
    #[error("that is outside the years -9999 to 9999")]
    OutOfRange,
}

/// When people work, on the clocks of one time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkCalendar {
    timezone: TimeZone,
    days: Vec<Day>,
    /// In order of their beginning, disjoint also from one day to the next.
    hours: Vec<Hours>,
    years: BTreeSet<i16>,
    off: BTreeSet<Date>,
    worked: BTreeSet<Date>,
}

impl WorkCalendar {
    /// A calendar of these weekdays and hours, with the years' holidays.
    ///
    /// # Errors
    /// When nobody ever works, hours overlap, or the years contradict themselves or one another.
    pub fn new(
        timezone: TimeZone,
        days: &[Day],
        hours: &[Hours],
        years: &[HolidayYear],
    ) -> Result<Self, CalendarError> {
        if days.is_empty() || hours.is_empty() {
            return Err(CalendarError::NoWork);
        }
        let mut hours = hours.to_vec();
        hours.sort_by_key(|stretch| bounds(*stretch).0);
        check_hours(&hours)?;
        let mut calendar = Self {
            timezone,
            days: days.to_vec(),
            hours,
            years: BTreeSet::new(),
            off: BTreeSet::new(),
            worked: BTreeSet::new(),
        };
        for year in years {
            calendar.add(year)?;
        }
        match calendar.off.intersection(&calendar.worked).next() {
            Some(date) => Err(CalendarError::OffAndWorked(*date)),
            None => Ok(calendar),
        }
    }

    fn add(&mut self, year: &HolidayYear) -> Result<(), CalendarError> {
        if !self.years.insert(year.year) {
            return Err(CalendarError::TwiceAYear(year.year));
        }
        // A New Year's notice may reach into December: 2011-12-31 was a make-up day for 2012.
        let own = |date: Date| {
            if (date.year() - year.year).abs() <= 1 {
                Ok(date)
            } else {
                Err(CalendarError::OtherYear { date, year: year.year })
            }
        };
        for Holiday { name, from, to, work } in &year.holidays {
            let (from, to) = (own(*from)?, own(*to)?);
            let dates = from.series(1.day()).take_while(|date| *date <= to);
            let n_before = self.off.len();
            self.off.extend(dates);
            if to < from || self.off.len() - n_before > 60 {
                return Err(CalendarError::Span { name: name.clone(), from, to });
            }
            for date in work {
                self.worked.insert(own(*date)?);
            }
        }
        Ok(())
    }

    /// The years whose holidays are known.
    pub fn years(&self) -> impl Iterator<Item = i16> + '_ {
        self.years.iter().copied()
    }

    /// The time zone whose clocks it goes by.
    #[must_use]
    pub fn timezone(&self) -> &TimeZone {
        &self.timezone
    }

    /// Whether a date is worked.
    ///
    /// # Errors
    /// When the date's year is not known and no other year's notice names the date.
    pub fn is_worked(&self, date: Date) -> Result<bool, CalendarError> {
        if self.worked.contains(&date) {
            Ok(true)
        } else if self.off.contains(&date) {
            Ok(false)
        } else if self.years.contains(&date.year()) {
            Ok(self.days.contains(&date.weekday().into()))
        } else {
            Err(CalendarError::MissingYear(date.year()))
        }
    }

    /// A limit's length on its own clock, were it to start at `start`.
    pub(super) fn length(&self, limit: Limit, start: Timestamp) -> Result<Millis, CalendarError> {
        let unit = match limit.unit {
            LimitUnit::Minute => MINUTE,
            LimitUnit::UrgentHour | LimitUnit::WorkHour => HOUR,
            LimitUnit::WorkDay => self.hours.iter().map(|stretch| i64::from(minutes(*stretch)) * MINUTE).sum(),
            LimitUnit::NaturalDay => {
                let (whole, hundredths) = limit.amount.split();
                let begin = self.local(start)?;
                let end = begin.checked_add(whole.days()).map_err(|_| CalendarError::OutOfRange)?;
                // The same time of the day after so many days, be they 23, 24 or 25 hours long.
                let days = self.instant(end)?.0 - self.instant(begin)?.0;
                return Ok(Millis(days + hundredths * DAY / 100));
            }
        };
        Ok(Millis(limit.amount.of(unit)))
    }

    /// How long a clock runs between two moments, the second not before the first.
    pub(super) fn elapsed(&self, unit: LimitUnit, from: Timestamp, to: Timestamp) -> Result<Millis, CalendarError> {
        if !is_work(unit) {
            return Ok(to.since(from));
        }
        let mut run = 0;
        let mut at = from;
        let last = self.local(to)?.date();
        for date in self.dates_from(from)?.take_while(|date| *date <= last) {
            for (begin, end) in self.shifts(date)? {
                let (begin, end) = (begin.max(at), end.min(to));
                if end > begin {
                    run += end.0 - begin.0;
                    at = end;
                }
            }
        }
        Ok(Millis(run))
    }

    /// The first moment from `from` on at which the clock has run for `length`.
    pub(super) fn after(&self, unit: LimitUnit, from: Timestamp, length: Millis) -> Result<Timestamp, CalendarError> {
        if !is_work(unit) || length <= Millis::ZERO {
            return Ok(from + length);
        }
        let mut left = length.0;
        let mut at = from;
        // Ends at the latest after the last year that is known.
        for date in self.dates_from(from)? {
            for (begin, end) in self.shifts(date)? {
                let begin = begin.max(at);
                let run = end.0 - begin.0;
                if run >= left {
                    return Ok(begin + Millis(left));
                }
                if run > 0 {
                    left -= run;
                    at = end;
                }
            }
        }
        Err(CalendarError::OutOfRange)
    }

    /// All dates from that of `moment` on, the evening before included where work runs over midnight.
    fn dates_from(&self, moment: Timestamp) -> Result<impl Iterator<Item = Date> + use<>, CalendarError> {
        let today = self.local(moment)?.date();
        let overnight = self.hours.iter().any(|stretch| bounds(*stretch).1 > 24 * 60);
        let first = if overnight { today.checked_sub(1.day()).map_err(|_| CalendarError::OutOfRange)? } else { today };
        Ok(first.series(1.day()))
    }

    /// The working time that begins on a date.
    fn shifts(&self, date: Date) -> Result<Vec<(Timestamp, Timestamp)>, CalendarError> {
        if !self.is_worked(date)? {
            return Ok(Vec::new());
        }
        let moment = |minute: u16| {
            let midnight = date.at(0, 0, 0, 0);
            let local = midnight.checked_add(i64::from(minute).minutes()).map_err(|_| CalendarError::OutOfRange)?;
            self.instant(local)
        };
        self.hours
            .iter()
            .map(|stretch| {
                let (begin, end) = bounds(*stretch);
                Ok((moment(begin)?, moment(end)?))
            })
            .collect()
    }

    fn local(&self, moment: Timestamp) -> Result<DateTime, CalendarError> {
        let instant = jiff::Timestamp::from_millisecond(moment.0).map_err(|_| CalendarError::OutOfRange)?;
        Ok(self.timezone.to_datetime(instant))
    }

    /// A local time that is skipped counts as the one after the gap, one that comes twice as its first.
    fn instant(&self, local: DateTime) -> Result<Timestamp, CalendarError> {
        let instant = self.timezone.to_timestamp(local).map_err(|_| CalendarError::OutOfRange)?;
        Ok(Timestamp(instant.as_millisecond()))
    }
}

fn is_work(unit: LimitUnit) -> bool {
    match unit {
        LimitUnit::WorkHour | LimitUnit::WorkDay => true,
        LimitUnit::Minute | LimitUnit::UrgentHour | LimitUnit::NaturalDay => false,
    }
}

/// From which minute of the day to which; the second past 24 hours where it runs over midnight.
fn bounds(stretch: Hours) -> (u16, u16) {
    let (from, to) = stretch.minutes();
    (from, if to > from { to } else { to + 24 * 60 })
}

fn minutes(stretch: Hours) -> u16 {
    let (from, to) = bounds(stretch);
    to - from
}

/// `hours` are in the order of their beginning.
fn check_hours(hours: &[Hours]) -> Result<(), CalendarError> {
    for pair in hours.windows(2) {
        if bounds(pair[0]).1 > bounds(pair[1]).0 {
            return Err(CalendarError::Overlap(pair[0], pair[1]));
        }
    }
    // What runs over midnight meets the next morning's first.
    if let [first, .., last] = hours
        && bounds(*last).1 > 24 * 60 + bounds(*first).0
    {
        return Err(CalendarError::Overlap(*last, *first));
    }
    Ok(())
}
