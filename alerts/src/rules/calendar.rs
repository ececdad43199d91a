//! When a rule holds: weekdays, hours (also over midnight) and single dates, in the city's own time.

use std::fmt;

use domain::Timestamp;
use jiff::{
    ToSpan as _,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::layered::layered;

layered! {
    /// The times a rule holds at. Outside them it neither counts nor opens; a ticket that is open is still watched.
    Calendar / CalendarConfig {
        values {
            /// Days of the week (`"mon"` to `"sun"`); every day where empty.
            days: Vec<Day>,
            /// Hours of the day (`"07:00-19:30"`, over midnight `"17:00-02:00"`); the whole day where empty.
            hours: Vec<Hours>,
            /// Dates that it never holds on (holidays, `"2026-10-01"`).
            except: Vec<Date>,
            /// Dates that it holds on whatever their weekday (make-up working days).
            also: Vec<Date>,
        }
        maps {}
        sections {}
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    /// In Chinese.
    #[must_use]
    pub fn zh(self) -> &'static str {
        ["周一", "周二", "周三", "周四", "周五", "周六", "周日"][self as usize]
    }

    /// In English, short.
    #[must_use]
    pub fn en(self) -> &'static str {
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][self as usize]
    }
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// A stretch of the day, written `"07:00-19:30"`; the end is outside it. `"17:00-02:00"` runs over midnight and its
/// morning belongs to the day that it began on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from_minute: u16,
    to_minute: u16,
}

impl Hours {
    /// 09:00-17:00.
    pub(crate) const OFFICE: Self = Self::of_minutes(9 * 60, 17 * 60);

    /// From one minute of the day to another, `from` below `to`.
    pub(super) const fn of_minutes(from: u16, to: u16) -> Self {
        Self { from_minute: from, to_minute: to }
    }

    /// The minutes of the day that it runs from and to; the second below the first where it runs over midnight.
    pub(crate) const fn minutes(self) -> (u16, u16) {
        (self.from_minute, self.to_minute)
    }

    fn parse(text: &str) -> Option<Self> {
        let minute = |part: &str| {
            let (hour, minute) = part.trim().split_once(':')?;
            let two_digits = |t: &str| (t.len() == 2).then(|| t.parse::<u16>().ok()).flatten();
            let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
            (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
        };
        let (from, to) = text.split_once('-')?;
        let hours = Self { from_minute: minute(from)?, to_minute: minute(to)? };
        (hours.from_minute != hours.to_minute && hours.from_minute < 24 * 60).then_some(hours)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, b) = (self.from_minute, self.to_minute);
        write!(f, "{:02}:{:02}-{:02}:{:02}", a / 60, a % 60, b / 60, b % 60)
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "\"{text}\" is no stretch of the day; write it as \"07:00-19:30\", or over midnight as \"17:00-02:00\""
            ))
        })
    }
}

impl Calendar {
    /// At all times.
    pub const ALWAYS: Self = Self { days: Vec::new(), hours: Vec::new(), except: Vec::new(), also: Vec::new() };

    /// Whether the rule holds at `time` on the clocks of `zone`. A time outside the years that a calendar knows is
    /// outside it, unless the rule always holds.
    #[must_use]
    pub fn holds(&self, time: Timestamp, zone: &TimeZone) -> bool {
        if *self == Self::ALWAYS {
            return true;
        }
        let Ok(instant) = jiff::Timestamp::from_millisecond(time.0) else { return false };
        let local = zone.to_datetime(instant);
        let minute = u16::try_from(local.hour()).unwrap_or(0) * 60 + u16::try_from(local.minute()).unwrap_or(0);
        let today = local.date();
        if self.hours.is_empty() {
            return self.on(today);
        }
        self.hours.iter().any(|h| {
            if h.from_minute < h.to_minute {
                (h.from_minute..h.to_minute).contains(&minute) && self.on(today)
            } else {
                let began_yesterday = || today.checked_sub(1.day()).is_ok_and(|yesterday| self.on(yesterday));
                (minute >= h.from_minute && self.on(today)) || (minute < h.to_minute && began_yesterday())
            }
        })
    }

    fn on(&self, date: Date) -> bool {
        !self.except.contains(&date)
            && (self.days.is_empty() || self.days.contains(&date.weekday().into()) || self.also.contains(&date))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shanghai() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(8))
    }

    #[track_caller]
    fn check(calendar: &Calendar, local: &str, expect: bool) {
        let at: jiff::Timestamp = format!("{local}+08:00").parse().expect("a time");
        assert_eq!(calendar.holds(Timestamp(at.as_millisecond()), &shanghai()), expect, "{local}");
    }

    fn calendar(days: &[Day], hours: &[&str]) -> Calendar {
        let hours = hours.iter().map(|h| Hours::parse(h).expect("hours")).collect();
        Calendar { days: days.to_vec(), hours, ..Calendar::ALWAYS }
    }

    // 2026-11-23 is a Monday.

    #[test]
    fn hours_include_their_start_and_not_their_end() {
        let c = calendar(&[], &["07:00-09:00", "17:00-19:30"]);
        check(&c, "2026-11-23T06:59:59", false);
        check(&c, "2026-11-23T07:00:00", true);
        check(&c, "2026-11-23T09:00:00", false);
        check(&c, "2026-11-23T19:29:59", true);
    }

    #[test]
    fn a_night_market_ends_on_the_morning_after_the_day_it_began_on() {
        let c = calendar(&[Day::Fri], &["17:00-02:00"]);
        check(&c, "2026-11-27T16:59:00", false);
        check(&c, "2026-11-27T23:00:00", true);
        check(&c, "2026-11-28T01:59:00", true);
        check(&c, "2026-11-28T02:00:00", false);
        check(&c, "2026-11-27T01:00:00", false);
        check(&c, "2026-11-28T18:00:00", false);
    }

    #[test]
    fn holidays_and_make_up_days_go_before_weekdays() {
        let c = Calendar {
            except: vec!["2026-10-01".parse().expect("date")],
            also: vec!["2026-10-10".parse().expect("date")],
            ..calendar(&[Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri], &[])
        };
        check(&c, "2026-10-01T12:00:00", false);
        check(&c, "2026-10-02T12:00:00", true);
        check(&c, "2026-10-03T12:00:00", false);
        check(&c, "2026-10-10T12:00:00", true);
    }

    #[test]
    fn times_outside_all_calendars_are_outside() {
        let c = calendar(&[Day::Mon], &[]);
        assert!(!c.holds(Timestamp(i64::MAX), &shanghai()));
        assert!(!c.holds(Timestamp(i64::MIN), &shanghai()));
        assert!(Calendar::ALWAYS.holds(Timestamp(i64::MIN), &shanghai()));
    }

    #[test]
    fn hours_that_make_no_sense_are_refused() {
        for text in ["", "7:00-9:00", "07:00", "09:00-09:00", "24:00-01:00", "25:00-26:00", "07:60-08:00", "a-b"] {
            assert!(Hours::parse(text).is_none(), "{text}");
        }
        assert_eq!(Hours::parse("20:00-24:00").map(|h| h.to_string()).as_deref(), Some("20:00-24:00"));
    }
}
