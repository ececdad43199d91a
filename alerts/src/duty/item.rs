//! One item of the list, and one version of it.

use std::{fmt, str::FromStr};

use domain::{Cell, Kind, Timestamp};
use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    deadline::{Limit, ResponseLevel},
    kinds::{Code, code_name},
    rules::{Calendar, Day, Hours},
};

/// A case's code in one numbering; what a scheme without published digits calls it, otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseCode {
    /// The numbering (`CJT214-2007`, `SH-GRID`, `LOCAL`, ...).
    pub scheme: String,
    /// Its digits or name there (`05-05`).
    pub code: String,
}

/// A text that is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no case code; write SCHEME:CODE, as in CJT214-2007:05-05")]
pub struct CodeError(String);

/// Who answers for a kind of case at a place and time, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyItem {
    /// Its number in the city's list (`T-087`).
    pub id: String,
    /// What it is about.
    pub kind: Kind,
    /// Where: a district, street, community or cell; anywhere where absent.
    pub place: Option<Cell>,
    /// The place's name in Chinese and English, as far as the list gives them.
    pub place_name: Words,
    /// Days of the week; every day where empty.
    pub days: Vec<Day>,
    /// Hours of the day; all of it where empty.
    pub hours: Vec<Hours>,
    /// What is to be done then.
    #[serde(flatten)]
    pub task: Task,
    /// The last day that it is in force.
    pub until: Option<Date>,
}

/// What is to be done about a case: by whom, how, and how soon. The list says so, and a ticket keeps what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What it is called.
    pub name: Words,
    /// The case's codes in each numbering.
    pub codes: Vec<CaseCode>,
    /// The unit that answers.
    pub dept: Words,
    /// The unit within it that goes there (三级主责部门); empty where the list does not say.
    #[serde(default)]
    pub third_dept: Words,
    /// Who gets a copy (抄报).
    pub copies: Vec<Words>,
    /// What is to be done, in order.
    pub steps: Vec<Words>,
    /// The level that answers.
    pub level: ResponseLevel,
    /// How soon somebody should be there.
    pub arrive: Option<Limit>,
    /// How soon it should be solved.
    pub solve: Limit,
    /// Pictures that the case needs to be opened.
    pub photos_open: u8,
    /// Pictures that the case needs to be closed.
    pub photos_close: u8,
}

/// A text in Chinese and English; either may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// An item as one import made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemVersion {
    /// From 1.
    pub version: u32,
    /// The first day that it is in force.
    pub from: Date,
    /// The item.
    pub item: DutyItem,
}

impl Words {
    /// Whether it says nothing in either language.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zh.is_empty() && self.en.is_empty()
    }

    /// The Chinese text, or the English where there is none.
    #[must_use]
    pub fn zh(&self) -> &str {
        if self.zh.is_empty() { &self.en } else { &self.zh }
    }

    /// The English text, or the Chinese where there is none.
    #[must_use]
    pub fn en(&self) -> &str {
        if self.en.is_empty() { &self.zh } else { &self.en }
    }
}

impl DutyItem {
    /// Whether it is about this kind at this place and moment; a place deeper than the item's lies within it.
    #[must_use]
    pub fn covers(&self, kind: &Kind, place: &Cell, at: Timestamp, timezone: &TimeZone) -> bool {
        self.kind == *kind
            && self.place.as_ref().is_none_or(|own| place.as_str().starts_with(own.as_str()))
            && self.calendar().holds(at, timezone)
    }

    /// How specific it is: first by place, then by time.
    #[must_use]
    pub fn rank(&self) -> (usize, bool) {
        (self.place.as_ref().map_or(0, |place| place.as_str().len()), self.is_timed())
    }

    /// Whether it is for certain hours or days only.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        !self.days.is_empty() || !self.hours.is_empty()
    }

    /// Whether some minute of the week is in both.
    #[must_use]
    pub fn shares_time_with(&self, other: &Self) -> bool {
        self.week().iter().zip(other.week()).any(|(one, other)| *one && other)
    }

    fn calendar(&self) -> Calendar {
        Calendar { days: self.days.clone(), hours: self.hours.clone(), ..Calendar::ALWAYS }
    }

    /// The minutes of a week, from Monday 00:00, that it is for.
    fn week(&self) -> Vec<bool> {
        const DAY: usize = 24 * 60;
        let mut week = vec![false; 7 * DAY];
        for (index, day) in [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun].iter().enumerate() {
            if !self.days.is_empty() && !self.days.contains(day) {
                continue;
            }
            let mut mark = |from: usize, to: usize| (from..to).for_each(|m| week[(index * DAY + m) % (7 * DAY)] = true);
            if self.hours.is_empty() {
                mark(0, DAY);
            }
            for stretch in &self.hours {
                let (from, to) = stretch.minutes();
                let (from, to) = (usize::from(from), usize::from(to));
                mark(from, if to > from { to } else { to + DAY });
            }
        }
        week
    }
}

impl CaseCode {
    /// The digits of major and minor class, in a scheme that has such digits.
    #[must_use]
    pub fn digits(&self) -> Option<(&str, &str)> {
        let is_pair = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        self.code.split_once('-').filter(|(major, minor)| is_pair(major) && is_pair(minor))
    }

    /// What the scheme calls it, as far as that is known.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self.digits() {
            Some((major, minor)) => code_name(&self.scheme, major, minor),
            None => Some(&self.code),
        }
    }
}

impl From<&Code> for CaseCode {
    fn from(code: &Code) -> Self {
        let digits = code.major.zip(code.minor).map(|(major, minor)| format!("{major}-{minor}"));
        Self { scheme: code.scheme.to_owned(), code: digits.unwrap_or_else(|| code.name.to_owned()) }
    }
}

impl fmt::Display for CaseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, self.code)
    }
}

impl FromStr for CaseCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        match text.split_once(':').map(|(scheme, code)| (scheme.trim(), code.trim())) {
            Some((scheme, code)) if !scheme.is_empty() && !code.is_empty() => {
                Ok(Self { scheme: scheme.to_owned(), code: code.to_owned() })
            }
            _ => Err(CodeError(text.to_owned())),
        }
    }
}
