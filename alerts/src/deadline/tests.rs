use domain::{Millis, Timestamp};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::rules::{Day, Hours};

const WEEK: [Day; 5] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri];
const LIGHTS: Lights = Lights { share: 0.2, left: Millis::mins(30) };

fn hours(texts: &[&str]) -> Vec<Hours> {
    texts.iter().map(|text| serde_json::from_value((*text).into()).expect("hours")).collect()
}

fn china_2026() -> HolidayYear {
    toml::from_str(include_str!("../../../deploy/samples/holidays-cn-2026.toml")).expect("the sample")
}

fn plain(year: i16) -> HolidayYear {
    HolidayYear { year, source: String::new(), holidays: Vec::new() }
}

fn calendar_of(zone: &str, stretches: &[&str], years: &[HolidayYear]) -> WorkCalendar {
    let zone = TimeZone::get(zone).expect("a time zone");
    WorkCalendar::new(zone, &WEEK, &hours(stretches), years).expect("a calendar")
}

fn shanghai(stretches: &[&str]) -> WorkCalendar {
    calendar_of("Asia/Shanghai", stretches, &[plain(2015), china_2026()])
}

/// A local time of the calendar's time zone, `2026-11-23 14:21:07`.
fn at(calendar: &WorkCalendar, local: &str) -> Timestamp {
    let local: jiff::civil::DateTime = local.parse().expect("a local time");
    Timestamp(calendar.timezone().to_timestamp(local).expect("in range").as_millisecond())
}

fn local(calendar: &WorkCalendar, at: Timestamp) -> String {
    let instant = jiff::Timestamp::from_millisecond(at.0).expect("in range");
    instant.to_zoned(calendar.timezone().clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn deadline(calendar: &WorkCalendar, start: &str, limit: &str) -> Deadline {
    Deadline::new(at(calendar, start), limit.parse().expect("a limit"))
}

#[track_caller]
fn check(calendar: &WorkCalendar, start: &str, limit: &str, expect: &str) {
    let due = deadline(calendar, start, limit).due(calendar).expect("a known year").expect("it runs");
    assert_eq!(local(calendar, due), expect, "{limit} from {start}");
}

#[test]
fn the_published_example_is_due_on_the_next_morning() {
    let c = shanghai(&["09:00-17:00"]);
    // 2015-03-02 is a Monday.
    check(&c, "2015-03-02 14:21:07", "1 wh", "2015-03-02 15:21:07");
    check(&c, "2015-03-02 14:21:07", "4 wh", "2015-03-03 10:21:07");
}

#[test]
fn each_of_the_published_limits_runs_on_its_clock() {
    let c = shanghai(&["09:00-17:00"]);
    // Exposed garbage: 4 work hours here, 1 work day there. 2026-11-20 is a Friday.
    check(&c, "2026-11-20 14:00:00", "4 wh", "2026-11-23 10:00:00");
    check(&c, "2026-11-20 14:00:00", "1 wd", "2026-11-23 14:00:00");
    // Debris 2 and 4 work days, dirty road 2 work hours, parking 3 urgent hours and 1.5 work hours.
    check(&c, "2026-11-20 14:00:00", "2 wd", "2026-11-24 14:00:00");
    check(&c, "2026-11-20 14:00:00", "4 wd", "2026-11-26 14:00:00");
    check(&c, "2026-11-20 14:00:00", "2 wh", "2026-11-20 16:00:00");
    check(&c, "2026-11-20 15:30:00", "1.5 wh", "2026-11-20 17:00:00");
    check(&c, "2026-11-20 23:00:00", "3 uh", "2026-11-21 02:00:00");
    check(&c, "2026-11-20 23:50:00", "15 min", "2026-11-21 00:05:00");
    // 12345's five and fifteen work days, and natural days that know no week-end.
    check(&c, "2026-11-20 09:00:00", "5 wd", "2026-11-26 17:00:00");
    check(&c, "2026-11-20 09:00:00", "15 wd", "2026-12-10 17:00:00");
    check(&c, "2026-11-20 14:00:00", "2 nd", "2026-11-22 14:00:00");
    check(&c, "2026-11-20 14:00:00", "0.5 nd", "2026-11-21 02:00:00");
}

#[test]
fn work_that_starts_outside_work_hours_starts_at_the_next_ones() {
    let c = shanghai(&["09:00-12:00", "13:30-17:30"]);
    check(&c, "2026-11-20 12:10:00", "1 wh", "2026-11-20 14:30:00");
    check(&c, "2026-11-20 18:00:00", "1 wh", "2026-11-23 10:00:00");
    check(&c, "2026-11-21 03:00:00", "1 wd", "2026-11-23 17:30:00");
    check(&c, "2026-11-20 11:30:00", "1 wh", "2026-11-20 14:00:00");
}

#[test]
fn make_up_days_are_worked_and_holidays_are_not() {
    let c = shanghai(&["09:00-17:00"]);
    // Into New Year's holiday; Sunday 2026-01-04 is worked.
    check(&c, "2026-01-01 10:00:00", "1 wh", "2026-01-04 10:00:00");
    // Saturday 2026-02-14 is worked, then nine days are off, and Saturday 02-28 is worked again.
    check(&c, "2026-02-13 16:00:00", "2 wh", "2026-02-14 10:00:00");
    check(&c, "2026-02-14 16:00:00", "2 wh", "2026-02-24 10:00:00");
    check(&c, "2026-02-27 16:00:00", "2 wh", "2026-02-28 10:00:00");
    // Sunday 09-20 before Mid-Autumn, National Day, Saturday 10-10.
    check(&c, "2026-09-19 12:00:00", "1 wd", "2026-09-20 17:00:00");
    check(&c, "2026-09-30 16:00:00", "2 wh", "2026-10-08 10:00:00");
    check(&c, "2026-10-09 16:00:00", "2 wh", "2026-10-10 10:00:00");
    // Urgent hours do not care.
    check(&c, "2026-10-01 22:00:00", "3 uh", "2026-10-02 01:00:00");
}

#[test]
fn the_sample_has_as_many_days_off_and_make_up_days_as_its_notice() {
    let c = shanghai(&["09:00-17:00"]);
    let year: Vec<_> = jiff::civil::date(2026, 1, 1).series(jiff::ToSpan::day(1)).take(365).collect();
    let worked = year.iter().filter(|date| c.is_worked(**date).expect("2026")).count();
    // Weekdays off: 2 at New Year, 6 in spring, 1, 3, 1, 1, and 5 in October.
    let weekdays = year.iter().filter(|date| WEEK.contains(&date.weekday().into())).count();
    let holidays = china_2026().holidays;
    let off: usize = holidays
        .iter()
        .map(|h| year.iter().filter(|d| (h.from..=h.to).contains(d) && WEEK.contains(&d.weekday().into())).count())
        .sum();
    let make_up: usize = holidays.iter().map(|h| h.work.len()).sum();
    assert_eq!((weekdays, off, make_up, worked), (261, 19, 6, 248));
    for date in holidays.iter().flat_map(|h| &h.work) {
        assert!(!WEEK.contains(&date.weekday().into()), "{date} is a weekday: nothing to make up");
    }
}

#[test]
fn a_night_shift_belongs_to_the_day_that_it_began_on() {
    let c = shanghai(&["20:00-04:00"]);
    // Friday's shift ends on Saturday morning, the next begins on Monday evening.
    check(&c, "2026-11-20 22:00:00", "6 wh", "2026-11-21 04:00:00");
    check(&c, "2026-11-20 22:00:00", "7 wh", "2026-11-23 21:00:00");
    check(&c, "2026-11-21 03:00:00", "2 wh", "2026-11-23 21:00:00");
    // Sunday's shift is not worked, so Monday before dawn is free.
    check(&c, "2026-11-23 01:00:00", "1 wh", "2026-11-23 21:00:00");
}

#[test]
fn an_unknown_year_is_an_error_that_names_it() {
    let c = shanghai(&["09:00-17:00"]);
    let error = deadline(&c, "2026-12-31 16:00:00", "2 wh").due(&c).unwrap_err();
    assert_eq!(error, CalendarError::MissingYear(2027));
    assert!(error.to_string().contains("2027") && error.to_string().contains("deadlines.holidays"), "{error}");
    // What ends before it, and clocks that need no calendar, are known.
    check(&c, "2026-12-31 15:00:00", "2 wh", "2026-12-31 17:00:00");
    check(&c, "2026-12-31 23:00:00", "3 uh", "2027-01-01 02:00:00");
    check(&c, "2026-12-31 12:00:00", "1 nd", "2027-01-01 12:00:00");
}

#[test]
fn calendars_that_contradict_themselves_are_refused() {
    #[track_caller]
    fn refused(days: &[Day], stretches: &[&str], years: &[&str], expect: &str) {
        let years: Vec<HolidayYear> = years.iter().map(|text| toml::from_str(text).expect("TOML")).collect();
        let error = WorkCalendar::new(TimeZone::UTC, days, &hours(stretches), &years).expect_err("a contradiction");
        assert!(error.to_string().contains(expect), "{error}");
    }
    refused(&[], &["09:00-17:00"], &[], "nobody ever works");
    refused(&WEEK, &[], &[], "nobody ever works");
    refused(&WEEK, &["09:00-13:00", "12:00-17:00"], &[], "09:00-13:00 and 12:00-17:00 overlap");
    refused(&WEEK, &["22:00-07:00", "06:00-10:00"], &[], "22:00-07:00 and 06:00-10:00 overlap");
    refused(&WEEK, &["09:00-17:00"], &["year = 2026", "year = 2026"], "2026 are given twice");
    let holiday = |from: &str, to: &str, work: &str| {
        format!("year = 2026\n[[holidays]]\nname = \"x\"\nfrom = \"{from}\"\nto = \"{to}\"\nwork = [\"{work}\"]\n")
    };
    let day = &["09:00-17:00"];
    refused(&WEEK, day, &[&holiday("2026-05-01", "2026-05-03", "2026-05-02")], "2026-05-02 is a day off and");
    refused(&WEEK, day, &[&holiday("2026-05-03", "2026-05-01", "2026-05-09")], "is no holiday");
    refused(&WEEK, day, &[&holiday("2026-05-01", "2026-12-01", "2026-12-05")], "is no holiday");
    refused(&WEEK, day, &[&holiday("2062-05-01", "2062-05-03", "2026-05-09")], "2062-05-01 is in the holidays of 2026");
}

fn pause(calendar: &WorkCalendar, from: &str, until: Option<&str>) -> Pause {
    Pause { from: at(calendar, from), until: until.map(|until| at(calendar, until)), reason: PauseReason::Returned }
}

#[test]
fn a_pause_stops_every_clock() {
    let c = shanghai(&["09:00-17:00"]);
    for (limit, expect) in [
        ("4 wh", "2026-11-23 16:00:00"),
        ("4 uh", "2026-11-23 16:00:00"),
        ("90 min", "2026-11-23 13:30:00"),
        ("1 wd", "2026-11-24 12:00:00"),
        ("1 nd", "2026-11-24 12:00:00"),
    ] {
        let mut d = deadline(&c, "2026-11-23 09:00:00", limit);
        // Two that overlap, and one before the start.
        d.pauses = vec![
            pause(&c, "2026-11-23 11:00:00", Some("2026-11-23 13:00:00")),
            pause(&c, "2026-11-23 10:00:00", Some("2026-11-23 12:00:00")),
            pause(&c, "2026-11-22 10:00:00", Some("2026-11-22 12:00:00")),
        ];
        assert_eq!(local(&c, d.due(&c).unwrap().unwrap()), expect, "{limit}");
    }
}

#[test]
fn a_pause_without_an_end_keeps_the_due_time_away_but_not_one_that_is_past() {
    let c = shanghai(&["09:00-17:00"]);
    let mut d = deadline(&c, "2026-11-23 09:00:00", "4 wh");
    d.pauses = vec![pause(&c, "2026-11-23 11:00:00", None)];
    let standing = d.standing(at(&c, "2026-12-20 12:00:00"), &c, &LIGHTS).unwrap();
    let expected = Standing { due: None, left: Millis::mins(120), light: Light::Green, changes_at: None };
    assert_eq!(standing, Standing { changes_at: standing.changes_at, ..expected });
    assert_eq!(standing.changes_at, None);
    d.pauses = vec![pause(&c, "2026-11-23 14:00:00", None)];
    let standing = d.standing(at(&c, "2026-11-23 15:00:00"), &c, &LIGHTS).unwrap();
    assert_eq!((standing.light, standing.left), (Light::Red, Millis::ZERO));
}

#[test]
fn lights_turn_at_the_larger_of_share_and_time() {
    #[track_caller]
    fn check(limit: &str, now: &str, light: Light, left: i64, changes_at: Option<&str>) {
        let c = shanghai(&["09:00-17:00"]);
        let standing = deadline(&c, "2026-11-23 13:00:00", limit).standing(at(&c, now), &c, &LIGHTS).unwrap();
        assert_eq!((standing.light, standing.left), (light, Millis::mins(left)), "{limit} at {now}");
        assert_eq!(standing.changes_at.map(|at| local(&c, at)).as_deref(), changes_at, "{limit} at {now}");
    }
    // A fifth of 4 work hours is 48 minutes.
    check("4 wh", "2026-11-23 13:00:00", Light::Green, 240, Some("2026-11-23 16:12:00"));
    check("4 wh", "2026-11-23 16:12:00", Light::Yellow, 48, Some("2026-11-23 17:00:00"));
    check("4 wh", "2026-11-23 17:00:00", Light::Red, 0, None);
    // A fifth of 2 urgent hours is 24 minutes: half an hour is more.
    check("2 uh", "2026-11-23 14:29:00", Light::Green, 31, Some("2026-11-23 14:30:00"));
    check("2 uh", "2026-11-23 14:30:00", Light::Yellow, 30, Some("2026-11-23 15:00:00"));
    // A limit of no more than that is yellow from its start.
    check("30 min", "2026-11-23 13:00:00", Light::Yellow, 30, Some("2026-11-23 13:30:00"));
    // Yellow through the night: the clock stands, the light stays.
    check("5 wh", "2026-11-24 03:00:00", Light::Yellow, 60, Some("2026-11-24 10:00:00"));
    // Before the start all of it is left.
    check("4 wh", "2026-11-23 08:00:00", Light::Green, 240, Some("2026-11-23 16:12:00"));
}

#[test]
fn each_change_of_a_light_is_told_once_and_red_goes_one_level_up() {
    let c = shanghai(&["09:00-17:00"]);
    let mut d = deadline(&c, "2026-11-23 09:00:00", "4 wh");
    let (mut lamp, level) = (Lamp::default(), ResponseLevel::Community);
    let mut turn =
        |d: &Deadline, now: &str| lamp.turn(Stage::Solve, level, &d.standing(at(&c, now), &c, &LIGHTS).unwrap());
    assert_eq!(turn(&d, "2026-11-23 10:00:00"), None);
    assert!(matches!(turn(&d, "2026-11-23 12:30:00"), Some(LightChange::Yellow { .. })));
    assert_eq!(turn(&d, "2026-11-23 12:40:00"), None);
    let red = turn(&d, "2026-11-23 18:00:00").expect("red");
    assert_eq!(turn(&d, "2026-11-23 19:00:00"), None);
    // An extension turns it back, and the next red is told again.
    d.limit = "8 wh".parse().unwrap();
    assert_eq!(turn(&d, "2026-11-23 15:00:00"), None);
    assert!(matches!(turn(&d, "2026-11-23 17:00:00"), Some(LightChange::Red { .. })));
    let zone = c.timezone();
    assert_eq!(red.zh(zone), "红灯:处置超时,应于2026-11-23 13:00前完成;由四级(社区)升级为三级(街镇),并通知督办");
    assert_eq!(
        red.en(zone),
        "red: overdue to solve, was due 2026-11-23 13:00; goes from level 4 (community) to level 3 (street), supervision is told"
    );
}

#[test]
fn nobody_is_above_the_city() {
    let levels = [4, 3, 2, 1].map(|n| ResponseLevel::try_from(n).unwrap());
    assert_eq!(levels.map(ResponseLevel::above), [Some(levels[1]), Some(levels[2]), Some(levels[3]), None]);
    let change = LightChange::Red { stage: Stage::Arrive, due: None, from: levels[3], to: None };
    assert_eq!(change.en(&TimeZone::UTC), "red: overdue to arrive; at level 1 (city) already, supervision is told");
    assert_eq!(change.zh(&TimeZone::UTC), "红灯:到场超时;已是一级(市),通知督办");
    assert!(ResponseLevel::try_from(0).is_err() && ResponseLevel::try_from(5).is_err());
}

#[test]
fn a_day_is_a_day_when_the_clocks_change() {
    // New York loses an hour on 2026-03-08 and gains one on 2026-11-01.
    let c = calendar_of("America/New_York", &["22:00-06:00"], &[plain(2026)]);
    check(&c, "2026-03-07 12:00:00", "1 nd", "2026-03-08 12:00:00");
    check(&c, "2026-10-31 12:00:00", "1 nd", "2026-11-01 12:00:00");
    check(&c, "2026-03-07 12:00:00", "24 uh", "2026-03-08 13:00:00");
    // Friday's night shift is not touched; a Saturday that is worked would be an hour short.
    let worked =
        WorkCalendar::new(c.timezone().clone(), &[Day::Sat], &hours(&["22:00-06:00"]), &[plain(2026)]).unwrap();
    check(&worked, "2026-03-07 22:00:00", "7 wh", "2026-03-08 06:00:00");
    check(&worked, "2026-10-31 22:00:00", "9 wh", "2026-11-01 06:00:00");
}

fn units() -> impl Strategy<Value = LimitUnit> {
    prop::sample::select(vec![
        LimitUnit::Minute,
        LimitUnit::UrgentHour,
        LimitUnit::WorkHour,
        LimitUnit::WorkDay,
        LimitUnit::NaturalDay,
    ])
}

fn calendars() -> impl Strategy<Value = WorkCalendar> {
    let stretches = prop::sample::select(vec![
        vec!["09:00-17:00"],
        vec!["08:30-11:30", "13:00-17:30"],
        vec!["22:00-06:00"],
        vec!["00:00-24:00"],
        vec!["02:15-02:45", "03:00-03:30", "20:00-01:00"],
    ]);
    (stretches, prop::sample::select(vec!["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"]))
        .prop_map(|(stretches, zone)| calendar_of(zone, &stretches, &[plain(2025), china_2026(), plain(2027)]))
}

/// Some time of 2026, to the second.
fn moments() -> impl Strategy<Value = Timestamp> {
    (1_767_225_600_000_i64 / 1000..1_798_000_000_000 / 1000).prop_map(|s| Timestamp(s * 1000))
}

proptest! {
    #[test]
    fn work_time_is_added_and_measured_alike(c in calendars(), from in moments(), minutes in 1_i64..6000) {
        let length = Millis::mins(minutes);
        let end = c.after(LimitUnit::WorkHour, from, length).unwrap();
        prop_assert_eq!(c.elapsed(LimitUnit::WorkHour, from, end).unwrap(), length);
        prop_assert!(end >= from + length);
        // It is the first such moment.
        prop_assert!(c.elapsed(LimitUnit::WorkHour, from, Timestamp(end.0 - 1)).unwrap() < length);
    }

    #[test]
    fn work_time_adds_up(c in calendars(), mut three in prop::array::uniform3(moments())) {
        three.sort();
        let [a, b, d] = three;
        let run = |from, to| c.elapsed(LimitUnit::WorkHour, from, to).unwrap().0;
        prop_assert_eq!(run(a, b) + run(b, d), run(a, d));
    }

    #[test]
    fn later_starts_and_longer_limits_are_due_no_earlier(
        c in calendars(), unit in units(), amount in 1_u32..40, more in 0_u32..10, mut two in prop::array::uniform2(moments()),
    ) {
        two.sort();
        let due = |start, amount| Deadline::new(start, Limit::whole(amount, unit)).due(&c).unwrap().unwrap();
        prop_assert!(due(two[0], amount) > two[0]);
        prop_assert!(due(two[0], amount) <= due(two[0], amount + more));
        // A day that ends when the clocks go back has no order among its doubled hour.
        if unit != LimitUnit::NaturalDay {
            prop_assert!(due(two[0], amount) <= due(two[1], amount));
        }
    }

    #[test]
    fn pauses_add_what_the_clock_would_have_run(
        c in calendars(), unit in units(), amount in 1_u32..20, start in moments(),
        pauses in prop::collection::vec((0_i64..20_000, 0_i64..5_000), 0..4),
    ) {
        let mut d = Deadline::new(start, Limit::whole(amount, unit));
        let due = d.due(&c).unwrap().unwrap();
        d.pauses = pauses
            .iter()
            .map(|(after, length)| {
                let from = start + Millis::mins(*after);
                Pause { from, until: Some(from + Millis::mins(*length)), reason: PauseReason::Suspended }
            })
            .collect();
        let paused_due = d.due(&c).unwrap().unwrap();
        prop_assert!(paused_due >= due);
        // What runs outside the pauses is the limit.
        prop_assert_eq!(d.run(paused_due, &c).unwrap(), c.length(d.limit, start).unwrap());
        // In pieces or as one, in any order, a pause is a pause.
        let mut pieces = d.clone();
        pieces.pauses = d.pauses.iter().rev().flat_map(|p| {
            let until = p.until.expect("an end");
            let middle = Timestamp(i64::midpoint(p.from.0, until.0));
            [Pause { from: middle, ..*p }, Pause { until: Some(middle), ..*p }]
        }).collect();
        prop_assert_eq!(pieces.due(&c).unwrap(), Some(paused_due));
    }

    #[test]
    fn a_light_only_gets_worse_and_changes_when_it_said(
        c in calendars(), unit in units(), amount in 1_u32..20, start in moments(), share in 0.0_f64..=1.0,
        steps in prop::collection::vec(1_i64..3_000, 1..30),
    ) {
        let lights = Lights { share, left: Millis::mins(30) };
        let d = Deadline::new(start, Limit::whole(amount, unit));
        let mut before: Option<Standing> = None;
        let mut now = start;
        for step in steps {
            let standing = d.standing(now, &c, &lights).unwrap();
            if let Some(before) = before {
                prop_assert!(standing.light >= before.light && standing.left <= before.left);
                let announced = before.changes_at.is_some_and(|at| now >= at);
                prop_assert_eq!(standing.light != before.light, announced);
            }
            before = Some(standing);
            now = now + Millis::mins(step);
        }
    }
}
