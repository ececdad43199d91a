//! What became of an item from version to version, in words.

use domain::Timestamp;
use serde::Serialize;

use super::{DutyItem, ItemVersion, Words, import::differences};
use crate::rules::Day;

/// A version, and the import that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedVersion {
    /// The version.
    pub version: ItemVersion,
    /// When it was imported.
    pub imported_at: Timestamp,
    /// The file that it came from, as the import named it.
    pub source: String,
}

/// A value that differs between two versions, as people read it. Nothing is said where there was, or is, no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// Which, as JSON calls it.
    pub field: &'static str,
    /// Which, in words.
    pub name: Words,
    /// As it was.
    pub before: Words,
    /// As it became.
    pub after: Words,
}

type Read = fn(&DutyItem) -> Words;

/// Each field of an item but its number: as JSON calls it, in Chinese and English, and its value in words.
const FIELDS: [(&str, &str, &str, Read); 17] = [
    ("kind", "类别", "kind", |item| same(item.kind.as_str())),
    ("place", "地点", "place", |item| same(item.place.as_ref().map_or("", |place| place.as_str()))),
    ("place_name", "地点名称", "place's name", |item| item.place_name.clone()),
    ("days", "星期", "days", |item| days(&item.days)),
    ("hours", "时段", "hours", hours),
    ("name", "名称", "name", |item| item.task.name.clone()),
    ("codes", "案件代码", "codes", |item| same(&joined(item.task.codes.iter().map(ToString::to_string)))),
    ("dept", "主责部门", "unit", |item| item.task.dept.clone()),
    ("third_dept", "三级主责部门", "third-level unit", |item| item.task.third_dept.clone()),
    ("copies", "抄报", "copies", |item| all(&item.task.copies)),
    ("steps", "处置步骤", "steps", |item| all(&item.task.steps)),
    ("level", "响应等级", "level", |item| words(item.task.level.zh(), item.task.level.en())),
    ("arrive", "到场时限", "to arrive", |item| {
        item.task.arrive.map_or_else(Words::default, |limit| words(&limit.zh(), &limit.en()))
    }),
    ("solve", "处置时限", "to solve", |item| words(&item.task.solve.zh(), &item.task.solve.en())),
    ("photos_open", "立案照片数", "pictures to open", |item| same(&item.task.photos_open.to_string())),
    ("photos_close", "结案照片数", "pictures to close", |item| same(&item.task.photos_close.to_string())),
    ("until", "截止日期", "until", |item| same(&item.until.map_or_else(String::new, |day| day.to_string()))),
];

/// What differs between two versions, in the order of a list's columns.
#[must_use]
pub fn edits(before: &DutyItem, after: &DutyItem) -> Vec<Edit> {
    let differences = differences(before, after);
    let differs = |field: &str| differences.iter().any(|difference| difference.field == field);
    let fields = FIELDS.iter().filter(|(field, ..)| differs(field));
    fields
        .map(|(field, zh, en, read)| Edit { field, name: words(zh, en), before: read(before), after: read(after) })
        .collect()
}

impl DutyItem {
    /// For which days and hours it is.
    #[must_use]
    pub fn when(&self) -> Words {
        if !self.is_timed() {
            return words("全天", "always");
        }
        let (days, hours) = (days(&self.days), hours(self));
        let both = |days: &str, hours: &str| format!("{days} {hours}").trim().to_owned();
        Words { zh: both(&days.zh, &hours.zh), en: both(&days.en, &hours.en) }
    }
}

fn words(zh: &str, en: &str) -> Words {
    Words { zh: zh.to_owned(), en: en.to_owned() }
}

/// What is written alike in both languages.
fn same(text: &str) -> Words {
    words(text, text)
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

fn all(list: &[Words]) -> Words {
    Words {
        zh: joined(list.iter().map(|words| words.zh().to_owned())),
        en: joined(list.iter().map(|words| words.en().to_owned())),
    }
}

fn days(days: &[Day]) -> Words {
    let names = |of: fn(Day) -> &'static str| days.iter().map(|day| of(*day)).collect::<Vec<_>>().join(" ");
    Words { zh: names(Day::zh), en: names(Day::en) }
}

fn hours(item: &DutyItem) -> Words {
    same(&item.hours.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    fn item(change: &Value) -> DutyItem {
        let mut item = json!({
            "id": "T-087", "kind": "lane.motor", "place": "310104007", "place_name": {"zh": "斜土路街道", "en": ""},
            "days": [], "hours": [], "name": {"zh": "", "en": ""}, "codes": [],
            "dept": {"zh": "交警", "en": "traffic police"}, "third_dept": {"zh": "", "en": ""}, "copies": [],
            "steps": [{"zh": "拍照", "en": "photograph"}], "level": 4, "arrive": null,
            "solve": {"amount": 3, "unit": "urgent_hour"}, "photos_open": 1, "photos_close": 1, "until": null,
        });
        for (field, value) in change.as_object().expect("fields") {
            item[field] = value.clone();
        }
        serde_json::from_value(item).expect("an item")
    }

    #[track_caller]
    fn check(change: &Value, expect: &[(&str, &str, &str)]) {
        let edits = edits(&item(&json!({})), &item(change));
        let said = |edit: &Edit| [edit.name.en(), edit.before.en(), edit.after.en()].map(ToOwned::to_owned);
        let said: Vec<_> = edits.iter().map(said).collect();
        assert_eq!(said, expect.iter().map(|&(name, before, after)| [name, before, after]).collect::<Vec<_>>());
    }

    #[test]
    fn what_differs_is_said_in_words() {
        check(&json!({}), &[]);
        check(&json!({"level": 3}), &[("level", "level 4 (community)", "level 3 (street)")]);
        check(
            &json!({"arrive": {"amount": 30, "unit": "minute"}, "solve": {"amount": 1.5, "unit": "work_hour"}}),
            &[("to arrive", "", "30 minutes"), ("to solve", "3 urgent hours", "1.5 work hours")],
        );
        check(&json!({"dept": {"zh": "城管中队", "en": ""}}), &[("unit", "traffic police", "城管中队")]);
        check(
            &json!({"steps": [{"zh": "拍照", "en": "photograph"}, {"zh": "劝离", "en": ""}]}),
            &[("steps", "photograph", "photograph; 劝离")],
        );
        check(
            &json!({"days": ["mon", "sun"], "hours": ["22:00-06:00"]}),
            &[("days", "", "Mon Sun"), ("hours", "", "22:00-06:00")],
        );
        check(
            &json!({"place": null, "place_name": {"zh": "", "en": ""}, "until": "2026-12-31"}),
            &[("place", "310104007", ""), ("place's name", "斜土路街道", ""), ("until", "", "2026-12-31")],
        );
    }

    #[test]
    fn every_field_of_an_item_has_words() {
        let Ok(Value::Object(fields)) = serde_json::to_value(item(&json!({}))) else { panic!("an item is an object") };
        let named: BTreeSet<_> = FIELDS.iter().map(|(field, ..)| *field).chain(["id"]).collect();
        assert_eq!(named, fields.keys().map(String::as_str).collect());
    }

    #[test]
    fn an_item_says_when_it_is_for() {
        let when = |change| item(&change).when();
        assert_eq!(when(json!({})), words("全天", "always"));
        assert_eq!(when(json!({"days": ["sat"]})), words("周六", "Sat"));
        assert_eq!(
            when(json!({"days": ["sat"], "hours": ["08:00-10:00"]})),
            words("周六 08:00-10:00", "Sat 08:00-10:00")
        );
    }
}
