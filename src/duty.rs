//! A responsibility list as a table: one item a row, and all that is wrong with it told at once.

use std::{fmt::Display, path::Path, str::FromStr};

use alerts::{
    deadline::ResponseLevel,
    duty::{DutyItem, Row, Task, Words},
    rules::{Day, Hours},
};
use jiff::civil::Date;
use serde::{
    Deserialize,
    de::{IntoDeserializer, value},
};

use crate::sheet::{Fields, Sheet, SheetError};

/// The columns, in any order.
pub const COLUMNS: [&str; 25] = [
    "item",
    "kind",
    "place",
    "place_zh",
    "place_en",
    "days",
    "hours",
    "name_zh",
    "name_en",
    "codes",
    "dept_zh",
    "dept_en",
    "dept3_zh",
    "dept3_en",
    "copies",
    "copies_en",
    "steps",
    "steps_en",
    "level",
    "arrive",
    "solve",
    "photos_open",
    "photos_close",
    "from",
    "until",
];

const REQUIRED: [&str; 5] = ["item", "kind", "dept_zh", "level", "solve"];

/// The rows of a table, and what is wrong with the others: the line and the reason.
pub type Read = (Vec<Row>, Vec<(u64, String)>);

/// Reads a table (UTF-8 with or without a mark, or GBK).
///
/// # Errors
/// When the file cannot be read or its header does not fit.
pub fn read(path: &Path) -> Result<Read, SheetError> {
    let sheet = Sheet::read(path, &COLUMNS, &REQUIRED)?;
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for (line, fields) in sheet.rows() {
        match fields.map_err(ToOwned::to_owned).and_then(|fields| row(line, fields)) {
            Ok(row) => rows.push(row),
            Err(reason) => bad.push((line, reason)),
        }
    }
    Ok((rows, bad))
}

fn row(line: u64, fields: Fields<'_>) -> Result<Row, String> {
    let required = |column: &str| fields.get(column).ok_or(format!("{column} is missing"));
    let words = |zh: &str, en: &str| Words { zh: text(fields, zh), en: text(fields, en) };
    let level: u8 = parsed("level", required("level")?)?;
    let item = DutyItem {
        id: required("item")?.to_owned(),
        kind: parsed("kind", required("kind")?)?,
        place: fields.get("place").map(|code| code.to_owned().try_into()).transpose().map_err(said("place"))?,
        place_name: words("place_zh", "place_en"),
        days: list(fields, "days").map(|day| spelled::<Day>("days", day)).collect::<Result<_, _>>()?,
        hours: list(fields, "hours").map(|hours| spelled::<Hours>("hours", hours)).collect::<Result<_, _>>()?,
        task: Task {
            name: words("name_zh", "name_en"),
            codes: list(fields, "codes").map(|code| parsed("codes", code)).collect::<Result<_, _>>()?,
            dept: words("dept_zh", "dept_en"),
            third_dept: words("dept3_zh", "dept3_en"),
            copies: words_list(fields, "copies")?,
            steps: words_list(fields, "steps")?,
            level: ResponseLevel::try_from(level).map_err(said("level"))?,
            arrive: fields.get("arrive").map(|limit| parsed("arrive", limit)).transpose()?,
            solve: parsed("solve", required("solve")?)?,
            photos_open: fields.get("photos_open").map_or(Ok(1), |n| parsed("photos_open", n))?,
            photos_close: fields.get("photos_close").map_or(Ok(1), |n| parsed("photos_close", n))?,
        },
        until: date(fields, "until")?,
    };
    required("dept_zh")?;
    let from = date(fields, "from")?;
    if let (Some(from), Some(until)) = (from, item.until)
        && until < from
    {
        return Err(format!("until: {until} is before {from}, from when it is in force"));
    }
    Ok(Row { line, from, item })
}

fn text(fields: Fields<'_>, column: &str) -> String {
    fields.get(column).unwrap_or_default().to_owned()
}

/// What stands between semicolons, Chinese ones too.
fn list<'a>(fields: Fields<'a>, column: &str) -> impl Iterator<Item = &'a str> {
    fields.get(column).unwrap_or_default().split([';', '\u{ff1b}']).map(str::trim).filter(|part| !part.is_empty())
}

/// What stands between semicolons, each in Chinese and, from the column with `_en` behind its name, in English.
fn words_list(fields: Fields<'_>, column: &str) -> Result<Vec<Words>, String> {
    let zh: Vec<_> = list(fields, column).collect();
    let column_en = format!("{column}_en");
    let en: Vec<_> = list(fields, &column_en).collect();
    if !en.is_empty() && en.len() != zh.len() {
        return Err(format!(
            "{column_en}: {} entries beside {} in {column}; translate each, or none",
            en.len(),
            zh.len()
        ));
    }
    let en = en.into_iter().chain(std::iter::repeat(""));
    Ok(zh.into_iter().zip(en).map(|(zh, en)| Words { zh: zh.to_owned(), en: en.to_owned() }).collect())
}

fn date(fields: Fields<'_>, column: &str) -> Result<Option<Date>, String> {
    let parse =
        |text: &str| text.parse().map_err(|_| format!("{column}: \"{text}\" is no date; write it as 2026-10-01"));
    fields.get(column).map(parse).transpose()
}

fn parsed<T: FromStr<Err: Display>>(column: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{column}: \"{text}\": {error}"))
}

/// A word that the configuration spells alike.
fn spelled<'de, T: Deserialize<'de>>(column: &str, text: &'de str) -> Result<T, String> {
    T::deserialize(text.into_deserializer()).map_err(|error: value::Error| format!("{column}: {error}"))
}

fn said<E: Display>(column: &str) -> impl Fn(E) -> String {
    move |error| format!("{column}: {error}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use alerts::{
        duty::{DutyList, ItemVersion},
        kinds::{KINDS, kind_info},
        rules::RulesConfig,
        sensor::SensorsConfig,
    };
    use domain::{Cell, Kind, Timestamp};

    use super::*;

    fn read_bytes(bytes: &[u8]) -> Read {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("duty.csv");
        std::fs::write(&path, bytes).unwrap();
        read(&path).unwrap()
    }

    #[track_caller]
    fn check(rows: &str, expect: &[(u64, &str)]) {
        let header = "item,kind,place,days,hours,codes,dept_zh,level,arrive,solve,photos_close,from,until\n";
        let (good, bad) = read_bytes(format!("{header}{rows}").as_bytes());
        assert_eq!(bad.len(), expect.len(), "{bad:?} beside {good:?}");
        for ((line, reason), (expected_line, expected)) in bad.iter().zip(expect) {
            assert_eq!(line, expected_line);
            assert!(reason.contains(expected), "{reason:?} lacks {expected:?}");
        }
    }

    #[test]
    fn each_mistake_is_named_with_its_line_and_column() {
        check(
            "T-1,lane.motor,,,,,交警,4,30 min,3 uh,2,,\n\
             ,lane.motor,,,,,交警,4,,3 uh,,,\n\
             T-3,lane/motor,,,,,交警,4,,3 uh,,,\n\
             T-4,lane.motor,3101,,,,交警,4,,3 uh,,,\n\
             T-5,lane.motor,,someday,,,交警,4,,3 uh,,,\n\
             T-6,lane.motor,,,9-17,,交警,4,,3 uh,,,\n\
             T-7,lane.motor,,,,0505,交警,4,,3 uh,,,\n\
             T-8,lane.motor,,,,,,4,,3 uh,,,\n\
             T-9,lane.motor,,,,,交警,5,,3 uh,,,\n\
             T-10,lane.motor,,,,,交警,4,,3 hours,,,\n\
             T-11,lane.motor,,,,,交警,4,,3 uh,many,,\n\
             T-12,lane.motor,,,,,交警,4,,3 uh,,2026-12-01,2026-11-01\n\
             T-13,lane.motor,,,,,交警,4,,3 uh,,1.12.2026,\n",
            &[
                (3, "item is missing"),
                (4, "kind: \"lane/motor\""),
                (5, "place: grid code \"3101\" is not"),
                (6, "days: unknown variant `someday`"),
                (7, "hours: \"9-17\" is no stretch of the day"),
                (8, "codes: \"0505\": \"0505\" is no case code"),
                (9, "dept_zh is missing"),
                (10, "level: 5 is no response level"),
                (11, "solve: \"3 hours\": \"3 hours\" is no time limit"),
                (12, "photos_close: \"many\""),
                (13, "until: 2026-11-01 is before 2026-12-01"),
                (14, "from: \"1.12.2026\" is no date"),
            ],
        );
    }

    /// Every kind that a built-in rule, a rule of sensors or a parking sensor speaks of.
    fn kinds_that_open() -> BTreeSet<Kind> {
        let sensors = SensorsConfig::default();
        let of_looks = RulesConfig::default().effective().unwrap().into_values().map(|rule| rule.kind);
        let of_readings = sensors.effective_rules().unwrap().into_iter().map(|rule| rule.kind);
        let known = KINDS.iter().map(|info| info.kind.parse().unwrap());
        of_looks.chain(of_readings).chain(known).chain(sensors.parking_speaks_to).collect()
    }

    #[test]
    fn the_sample_answers_for_every_kind_that_can_open() {
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/samples/duty-xuhui-sample.csv");
        let (rows, bad) = read(Path::new(sample)).unwrap();
        assert!(bad.is_empty(), "{bad:?}");
        let day = jiff::civil::date(2026, 11, 24);
        let list = DutyList::new(rows.into_iter().map(|row| ItemVersion { version: 1, from: day, item: row.item }));
        let (place, noon) = (Cell::try_from("310104".to_owned()).unwrap(), day.at(12, 0, 0, 0));
        let at = noon.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_millisecond();
        for kind in kinds_that_open() {
            let route = list.route(&kind, &place, Timestamp(at), &jiff::tz::TimeZone::UTC);
            let task = route.unwrap_or_else(|| panic!("no item of the sample covers {kind}")).decided.item.task;
            // Its codes are those of the built-in table, where that has them.
            for code in kind_info(&kind).into_iter().flat_map(|info| info.codes).filter(|code| code.scheme != "LOCAL") {
                assert!(task.codes.contains(&code.into()), "{kind}: {:?} lack {code:?}", task.codes);
            }
            assert!(task.arrive.is_some() && !task.steps.is_empty(), "{kind}");
            let words = task.steps.iter().chain(&task.copies).chain([&task.dept, &task.name]);
            assert!(words.into_iter().all(|words| !words.zh.is_empty() && !words.en.is_empty()), "{kind}: {task:?}");
        }
    }

    #[test]
    fn excel_on_a_chinese_windows_writes_it_well_enough() {
        let table = "item,kind,dept_zh,dept3_zh,level,solve,steps\nT-1,lane.motor,斜土街道城管中队,江南新村站,4,4工作时,拍照\u{ff1b}劝离;复查\n";
        let (rows, bad) = read_bytes(&encoding_rs::GBK.encode(table).0);
        assert!(bad.is_empty(), "{bad:?}");
        let item = &rows[0].item;
        assert_eq!(item.task.third_dept.en(), "江南新村站");
        assert_eq!((item.task.dept.zh(), item.task.solve.to_string().as_str()), ("斜土街道城管中队", "4 wh"));
        let steps: Vec<_> = item.task.steps.iter().map(|step| (step.zh(), step.en())).collect();
        assert_eq!(steps, [("拍照", "拍照"), ("劝离", "劝离"), ("复查", "复查")]);
    }
}
