use domain::{Cell, Kind, Timestamp};
use jiff::{
    civil::{Date, date},
    tz::TimeZone,
};
use proptest::prelude::*;

use super::*;
use crate::deadline::ResponseLevel;

const TODAY: Date = date(2026, 11, 24);

fn item(id: &str, place: &str, hours: &[&str]) -> DutyItem {
    DutyItem {
        id: id.into(),
        kind: "lane.motor".parse().expect("a kind"),
        place: (!place.is_empty()).then(|| Cell::try_from(place.to_owned()).expect("a code")),
        place_name: Words::default(),
        days: Vec::new(),
        hours: hours.iter().map(|text| serde_json::from_value((*text).into()).expect("hours")).collect(),
        task: Task {
            name: Words::default(),
            codes: vec!["CJT214-2007:05-05".parse().expect("a code")],
            dept: Words { zh: "交警".into(), en: "traffic police".into() },
            third_dept: Words::default(),
            copies: Vec::new(),
            steps: Vec::new(),
            level: ResponseLevel::Community,
            arrive: None,
            solve: "3 uh".parse().expect("a limit"),
            photos_open: 1,
            photos_close: 1,
        },
        until: None,
    }
}

fn rows(items: &[DutyItem]) -> Vec<Row> {
    (2..).zip(items).map(|(line, item)| Row { line, from: None, item: item.clone() }).collect()
}

/// The list after an import on `today`.
#[track_caller]
fn after(list: &DutyList, items: &[DutyItem], today: Date) -> DutyList {
    let import = list.import(&rows(items), today).expect("no faults");
    DutyList::new(list.versions().cloned().chain(import.versions))
}

fn at(local: &str) -> Timestamp {
    let at: jiff::Timestamp = format!("{local}+08:00").parse().expect("a time");
    Timestamp(at.as_millisecond())
}

fn shanghai() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(8))
}

fn route(list: &DutyList, place: &str, local: &str) -> Option<Route> {
    let kind: Kind = "lane.motor".parse().expect("a kind");
    list.route(&kind, &Cell::try_from(place.to_owned()).expect("a code"), at(local), &shanghai())
}

fn decided(list: &DutyList, place: &str, local: &str) -> Option<(String, u32)> {
    route(list, place, local).map(|route| (route.decided.item.id, route.decided.version))
}

#[test]
fn the_most_specific_place_wins_and_certain_hours_before_all() {
    let items = [
        item("any", "", &[]),
        item("district", "310104", &[]),
        item("street", "310104007", &[]),
        item("night", "310104007", &["22:00-06:00"]),
        item("community", "310104007003", &[]),
        item("cell", "310104007003012", &[]),
    ];
    let list = after(&DutyList::default(), &items, TODAY);
    for (place, local, expect) in [
        ("310104007003012", "2026-11-25T12:00:00", "cell"),
        ("310104007003013", "2026-11-25T12:00:00", "community"),
        ("310104007004001", "2026-11-25T12:00:00", "street"),
        ("310104007004001", "2026-11-25T23:00:00", "night"),
        ("310104007004001", "2026-11-25T05:59:59", "night"),
        // The deeper place goes before the hours.
        ("310104007003012", "2026-11-25T23:00:00", "cell"),
        ("310104008", "2026-11-25T12:00:00", "district"),
        // A camera that is only known to be in the district is in none of its streets.
        ("310104", "2026-11-25T12:00:00", "district"),
        ("310115", "2026-11-25T12:00:00", "any"),
    ] {
        assert_eq!(decided(&list, place, local), Some((expect.to_owned(), 1)), "{place} at {local}");
    }
    let kind = "garbage.exposed".parse().expect("a kind");
    let place = Cell::try_from("310104".to_owned()).expect("a code");
    assert_eq!(list.route(&kind, &place, at("2026-11-25T12:00:00"), &shanghai()), None);
}

#[test]
fn a_decision_explains_itself_in_both_languages() {
    let mut street = item("T-087", "310104007", &[]);
    street.place_name = Words { zh: "斜土路街道".into(), en: "Xietu Road".into() };
    let list = after(&DutyList::default(), &[item("T-001", "310104", &[]), street.clone()], TODAY);
    street.task.steps.push(Words { zh: "拍照".into(), en: String::new() });
    let list = after(&list, &[street], TODAY);
    let route = route(&list, "310104007003", "2026-11-25T12:00:00").expect("a route");
    assert_eq!(
        route.en(),
        "item T-087 v2, Xietu Road (310104007), level 4 (community): traffic police; the more specific place goes before item T-001 v1"
    );
    assert_eq!(
        route.zh(),
        "第T-087条第2版,斜土路街道(310104007),四级(社区),由交警负责;地点更具体,优先于第T-001条第1版"
    );
}

#[test]
fn an_import_adds_versions_of_what_changed_and_keeps_the_old_ones() {
    let list = after(&DutyList::default(), &[item("a", "", &[]), item("b", "310104", &[])], TODAY);
    let mut changed = item("a", "", &[]);
    changed.task.solve = "4 wh".parse().expect("a limit");
    let row = Row { line: 7, from: Some(date(2026, 12, 1)), item: changed };
    let import = list.import(&[row, rows(&[item("c", "310105", &[])]).remove(0)], TODAY).expect("no faults");
    let (line, id, change) = &import.changes[0];
    let Change::Changed(2, differences) = change else { panic!("{change:?}") };
    assert_eq!((*line, id.as_str(), differences.len()), (7, "a", 1));
    let expected = r#"solve: {"amount":3,"unit":"urgent_hour"} -> {"amount":4,"unit":"work_hour"}"#;
    assert_eq!(differences[0].to_string(), expected);
    assert_eq!(import.changes[1].2, Change::New);
    assert_eq!(import.not_named, ["b"]);
    let list = DutyList::new(list.versions().cloned().chain(import.versions));
    // The new version decides from its first day on; before that day, then and ever after, the old one does.
    assert_eq!(decided(&list, "310115", "2026-11-30T23:59:59"), Some(("a".into(), 1)));
    assert_eq!(decided(&list, "310115", "2026-12-01T00:00:00"), Some(("a".into(), 2)));
    // Before the first import nobody answered.
    assert_eq!(decided(&list, "310115", "2026-11-23T12:00:00"), None);
}

#[test]
fn an_import_of_what_is_there_changes_nothing() {
    let items = [item("a", "", &[]), item("b", "310104", &[])];
    let list = after(&DutyList::default(), &items, TODAY);
    let import = list.import(&rows(&items), date(2027, 1, 1)).expect("no faults");
    assert!(import.versions.is_empty() && import.changes.iter().all(|(_, _, change)| *change == Change::Unchanged));
}

#[test]
fn an_item_ends_on_its_last_day_and_brings_no_older_version_back() {
    let list = after(&DutyList::default(), &[item("a", "", &[])], TODAY);
    let mut ending = item("a", "", &[]);
    ending.until = Some(date(2026, 11, 30));
    let list = after(&list, &[ending], TODAY);
    assert_eq!(decided(&list, "310104", "2026-11-30T23:59:59"), Some(("a".into(), 2)));
    assert_eq!(decided(&list, "310104", "2026-12-01T00:00:00"), None);
}

#[track_caller]
fn faults(list: &DutyList, items: &[DutyItem], expect: &[&str]) {
    let found = list.import(&rows(items), TODAY).expect_err("faults");
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expect.len(), "{found:?}");
    for (found, expect) in found.iter().zip(expect) {
        assert!(found.contains(expect), "{found:?} lacks {expect:?}");
    }
}

#[test]
fn what_would_tie_is_refused_with_both_rows() {
    let none = DutyList::default();
    faults(
        &none,
        &[item("a", "310104", &[]), item("b", "310104", &[])],
        &["line 2 (item a) and line 3 (item b) are both for lane.motor at 310104 at the same time"],
    );
    faults(&none, &[item("a", "", &[]), item("b", "", &[])], &["at any place"]);
    faults(&none, &[item("a", "", &["22:00-06:00"]), item("b", "", &["05:00-09:00"])], &["same time"]);
    faults(&none, &[item("a", "", &[]), item("a", "310104", &[])], &["lines 2 and 3: both are item a"]);
    let list = after(&none, &[item("old", "310104", &[])], TODAY);
    faults(&list, &[item("new", "310104", &[])], &["line 2 (item new) and item old v1 of the list"]);
    // Other hours, other places, other kinds, and one that begins when the other has ended, are no ties.
    let mut garbage = item("garbage", "", &[]);
    garbage.kind = "garbage.exposed".parse().expect("a kind");
    let mut ending = item("old", "310104", &[]);
    ending.until = Some(date(2026, 12, 31));
    let others =
        [item("a", "", &["22:00-06:00"]), item("b", "", &["06:00-22:00"]), item("c", "", &[]), garbage, ending];
    let mut rows = rows(&others);
    rows.push(Row { line: 9, from: Some(date(2027, 1, 1)), item: item("next", "310104", &[]) });
    list.import(&rows, TODAY).expect("no ties");
}

#[test]
fn a_sunday_night_reaches_into_monday() {
    let mut sunday = item("a", "", &["22:00-06:00"]);
    sunday.days = vec![crate::rules::Day::Sun];
    let mut monday = item("b", "", &["05:00-07:00"]);
    monday.days = vec![crate::rules::Day::Mon];
    assert!(sunday.shares_time_with(&monday) && monday.shares_time_with(&sunday));
    monday.days = vec![crate::rules::Day::Sun];
    assert!(!sunday.shares_time_with(&monday));
}

fn any_item() -> impl Strategy<Value = DutyItem> {
    let place = prop::sample::select(vec!["", "310104", "310104007", "310104007003"]);
    let hours = prop::sample::select(vec![&[][..], &["22:00-06:00"][..], &["06:00-22:00"][..], &["05:00-07:00"][..]]);
    (0_u8..5, place, hours, prop::option::of(0_i8..9)).prop_map(|(id, place, hours, until)| {
        let mut item = item(&format!("T-{id}"), place, hours);
        item.until = until.map(|day| date(2026, 11, 20 + day));
        item
    })
}

proptest! {
    /// Whatever is imported when: no case ever has two items that decide it alike, and what decides covers it.
    #[test]
    fn no_history_of_imports_lets_a_tie_in(
        imports in prop::collection::vec((prop::collection::vec(any_item(), 1..4), 20_i8..30), 1..6),
        place in prop::sample::select(vec!["310104", "310104007", "310104007003012", "310115"]),
        hour in 0_i8..24, day in 20_i8..31,
    ) {
        let mut list = DutyList::default();
        for (items, today) in imports {
            if let Ok(import) = list.import(&rows(&items), date(2026, 11, today)) {
                list = DutyList::new(list.versions().cloned().chain(import.versions));
            }
        }
        if let Some(route) = route(&list, place, &format!("2026-11-{day:02}T{hour:02}:30:00")) {
            prop_assert!(route.decided.from <= date(2026, 11, day));
            let rank = route.decided.item.rank();
            prop_assert!(route.beaten.iter().all(|other| other.item.rank() < rank));
        }
    }
}
