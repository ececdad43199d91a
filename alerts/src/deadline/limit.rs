//! A limit as the standards and the cities' tables write it: how many of which clock's units.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A limit: `30 min`, `3 uh`, `1.5 wh`, `2 wd`, `1 nd`, or in Chinese `3紧急工作时`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limit {
    /// How many.
    pub amount: Amount,
    /// Of what.
    pub unit: LimitUnit,
}

/// A number of units above zero with at most two digits after the point: tables have `1.5` work hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Amount {
    hundredths: u32,
}

/// The clocks that deadlines run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitUnit {
    /// Minutes that run on through the night.
    Minute,
    /// 紧急工作时: hours that run on through the night.
    UrgentHour,
    /// 工作时: hours within working time.
    WorkHour,
    /// 工作日: the working time of a working day.
    WorkDay,
    /// 自然日: days of the calendar, holidays or not.
    NaturalDay,
}

/// A text that is no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no time limit; write a number and a unit: min (分钟), uh (紧急工作时), wh (工作时), wd (工作日) or nd (自然日), as in \"4 wh\" or \"1.5工作时\""
)]
pub struct LimitError(String);

/// Each unit with its short name, its Chinese name and its English one.
const UNITS: [(LimitUnit, &str, &str, &str); 5] = [
    (LimitUnit::Minute, "min", "分钟", "minutes"),
    (LimitUnit::UrgentHour, "uh", "紧急工作时", "urgent hours"),
    (LimitUnit::WorkHour, "wh", "工作时", "work hours"),
    (LimitUnit::WorkDay, "wd", "工作日", "work days"),
    (LimitUnit::NaturalDay, "nd", "自然日", "natural days"),
];

impl Limit {
    /// So many whole units; more than none.
    #[must_use]
    pub const fn whole(amount: u32, unit: LimitUnit) -> Self {
        assert!(amount > 0, "a limit is longer than nothing");
        Self { amount: Amount { hundredths: amount * 100 }, unit }
    }

    /// In Chinese: `1.5工作时`.
    #[must_use]
    pub fn zh(&self) -> String {
        format!("{}{}", self.amount, self.unit.words().1)
    }

    /// In English: `1.5 work hours`.
    #[must_use]
    pub fn en(&self) -> String {
        let unit = self.unit.words().2;
        let one = self.amount == Amount { hundredths: 100 };
        format!("{} {}", self.amount, if one { unit.trim_end_matches('s') } else { unit })
    }
}

impl LimitUnit {
    /// Short, Chinese and English.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        let (_, short, zh, en) = UNITS[self as usize];
        (short, zh, en)
    }
}

impl Amount {
    /// This many times `unit`, both in any unit of time.
    pub(super) fn of(self, unit: i64) -> i64 {
        unit.saturating_mul(i64::from(self.hundredths)) / 100
    }

    /// Whole units, and the hundredths of one that are left.
    pub(super) fn split(self) -> (i64, i64) {
        (i64::from(self.hundredths / 100), i64::from(self.hundredths % 100))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = self.split();
        match rest {
            0 => write!(f, "{whole}"),
            _ if rest % 10 == 0 => write!(f, "{whole}.{}", rest / 10),
            _ => write!(f, "{whole}.{rest:02}"),
        }
    }
}

impl FromStr for Amount {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        // Six digits are enough for anything that still is a limit, and do not overflow below.
        if !is_number(whole) || whole.len() > 6 || !is_number(rest) || rest.len() > 2 {
            return Err(());
        }
        let number = |part: &str| part.parse::<u32>().map_err(|_| ());
        let hundredths = number(whole)? * 100 + number(rest)? * if rest.len() == 1 { 10 } else { 1 };
        if hundredths == 0 { Err(()) } else { Ok(Self { hundredths }) }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.split() {
            (whole, 0) => serializer.serialize_i64(whole),
            _ => serializer.serialize_f64(f64::from(self.hundredths) / 100.0),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        number.to_string().parse().map_err(|()| {
            serde::de::Error::custom(format!("{number} is no amount: a number above 0 with at most two decimals"))
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.unit.words().0)
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let error = || LimitError(text.to_owned());
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
        let (amount, unit) = text.split_at(split);
        let unit = unit.trim();
        let (unit, ..) = UNITS.iter().find(|(_, short, zh, _)| unit == *short || unit == *zh).ok_or_else(error)?;
        Ok(Self { amount: amount.parse().map_err(|()| error())?, unit: *unit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_as_tables_write_them() {
        for (text, short, zh, en) in [
            ("30 min", "30 min", "30分钟", "30 minutes"),
            ("3紧急工作时", "3 uh", "3紧急工作时", "3 urgent hours"),
            ("1.5 wh", "1.5 wh", "1.5工作时", "1.5 work hours"),
            ("1 工作日", "1 wd", "1工作日", "1 work day"),
            ("0.25nd", "0.25 nd", "0.25自然日", "0.25 natural days"),
        ] {
            let limit: Limit = text.parse().expect(text);
            assert_eq!((limit.to_string().as_str(), limit.zh().as_str(), limit.en().as_str()), (short, zh, en));
            let json = serde_json::to_string(&limit).unwrap();
            assert_eq!(serde_json::from_str::<Limit>(&json).unwrap(), limit, "{json}");
        }
        for (unit, ..) in UNITS {
            assert_eq!(Limit::whole(2, unit).to_string().parse(), Ok(Limit::whole(2, unit)));
        }
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in ["", "4", "wh", "0 wh", "-1 wh", "4 hours", "1.234 wh", "1. wh", ".5 wh", "9999999 uh", "NaN wh"] {
            assert_eq!(text.parse::<Limit>(), Err(LimitError(text.into())), "{text}");
        }
        assert!(serde_json::from_str::<Limit>(r#"{"amount":0,"unit":"work_hour"}"#).is_err());
    }
}
