//! Files with a year's holidays: TOML as in `deploy/samples`, or a CSV table with a date a row.

use std::path::Path;

use alerts::deadline::{Holiday, HolidayYear};

use crate::{
    config::{ConfigError, parse_file, parse_text},
    sheet::Sheet,
};

/// China's 2026, in force while the configuration names no file.
const CHINA_2026: &str = include_str!("../deploy/samples/holidays-cn-2026.toml");

/// The columns of a CSV file: a date, `off` or `work` (`休`, `班`), and the holiday's name.
const COLUMNS: [&str; 3] = ["date", "day", "name"];

/// What ships with gridwatch.
///
/// # Errors
/// None: the shipped file is held to its form by tests.
pub fn shipped() -> Result<Vec<HolidayYear>, ConfigError> {
    Ok(vec![parse_text(Path::new("holidays-cn-2026.toml"), CHINA_2026)?])
}

/// Reads a file; what ends in `.csv` is a table, all else TOML.
///
/// # Errors
/// When it cannot be read or is not of its form; names the line.
pub fn read(path: &Path) -> Result<HolidayYear, ConfigError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
        read_table(path)
    } else {
        parse_file(path)
    }
}

fn read_table(path: &Path) -> Result<HolidayYear, ConfigError> {
    let invalid = |key: String, message: String| ConfigError::Invalid { path: path.into(), key, message };
    let sheet =
        Sheet::read(path, &COLUMNS, &["date", "day"]).map_err(|error| invalid("holidays".into(), error.to_string()))?;
    let (mut year, mut holidays, mut work) = (None, Vec::new(), Vec::new());
    for (line, fields) in sheet.rows() {
        let bad = |message: String| invalid(format!("line {line}"), message);
        let fields = fields.map_err(|reason| bad(reason.to_owned()))?;
        let text = fields.get("date").unwrap_or_default();
        let date: jiff::civil::Date =
            text.parse().map_err(|_| bad(format!("\"{text}\" is no date; write it as 2026-10-01")))?;
        let of = *year.get_or_insert(date.year());
        if date.year() != of {
            return Err(bad(format!("{date} is not of {of}, as the rows above are; give each year a file")));
        }
        let name = fields.get("name").unwrap_or_default().to_owned();
        match fields.get("day").unwrap_or_default() {
            "off" | "休" => holidays.push(Holiday { name, from: date, to: date, work: Vec::new() }),
            "work" | "班" => work.push(date),
            other => return Err(bad(format!("\"{other}\" is neither off (休) nor work (班)"))),
        }
    }
    // Which of the days off a make-up day is for, the table does not say, and it makes no difference.
    match (year, holidays.first_mut()) {
        (Some(year), Some(first)) => {
            first.work = work;
            Ok(HolidayYear { year, source: path.display().to_string(), holidays })
        }
        _ => Err(invalid("holidays".into(), "no day off is in it; which year does it tell of?".into())),
    }
}

#[cfg(test)]
mod tests {
    use alerts::deadline::{DeadlineConfig, WorkCalendar};
    use jiff::{ToSpan as _, civil::date, tz::TimeZone};

    use super::*;

    fn calendar(years: &[HolidayYear]) -> WorkCalendar {
        DeadlineConfig::default().calendar(TimeZone::UTC, years).unwrap()
    }

    fn read_text(name: &str, text: &str) -> Result<HolidayYear, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn a_table_says_the_same_as_the_shipped_file() {
        let shipped = shipped().unwrap();
        let mut table = String::from("date,day,name\n");
        for Holiday { name, from, to, work } in &shipped[0].holidays {
            work.iter().for_each(|date| table += &format!("{date},班,\n"));
            from.series(1.day()).take_while(|d| d <= to).for_each(|date| table += &format!("{date},off,{name}\n"));
        }
        let read = read_text("2026.CSV", &table).unwrap();
        let (one, other) = (calendar(&shipped), calendar(&[read]));
        for day in date(2026, 1, 1).series(1.day()).take(365) {
            assert_eq!(one.is_worked(day), other.is_worked(day), "{day}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (name, text, expect) in [
            ("a.csv", "date,day\n2026-02-30,off\n", "a.csv: line 2: \"2026-02-30\" is no date"),
            ("a.csv", "date,day\n2026-01-01,off\n2027-01-01,off\n", "line 3: 2027-01-01 is not of 2026"),
            ("a.csv", "date,day\n2026-01-01,holiday\n", "line 2: \"holiday\" is neither off (休) nor work (班)"),
            ("a.csv", "date,day\n2026-01-04,work\n", "no day off is in it"),
            ("a.csv", "date\n", "lacks the column \"day\""),
            ("a.toml", "year = 2026\n[[holidays]]\nname = \"x\"\nfrom = 2026\n", "a.toml:4:8: holidays[0].from"),
        ] {
            let error = read_text(name, text).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
    }
}
