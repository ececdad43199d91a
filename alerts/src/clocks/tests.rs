use domain::Millis;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::{
    case::{Change, State},
    deadline::{DeadlineConfig, HolidayYear, LimitUnit},
    duty::{Task, Words},
};

const LIGHTS: Lights = Lights { share: 0.2, left: Millis::mins(30) };

fn calendar() -> WorkCalendar {
    let china = toml::from_str(include_str!("../../../deploy/samples/holidays-cn-2026.toml")).expect("the sample");
    let old = HolidayYear { year: 2015, source: String::new(), holidays: Vec::new() };
    let zone = TimeZone::get("Asia/Shanghai").expect("a time zone");
    DeadlineConfig::default().calendar(zone, &[old, china]).expect("a calendar")
}

fn route(arrive: &str, solve: &str, level: ResponseLevel) -> Routed {
    Routed {
        item: None,
        task: Task {
            name: Words::default(),
            codes: Vec::new(),
            dept: Words::default(),
            third_dept: Words::default(),
            copies: Vec::new(),
            steps: Vec::new(),
            level,
            arrive: (!arrive.is_empty()).then(|| arrive.parse().expect("a limit")),
            solve: solve.parse().expect("a limit"),
            photos_open: 1,
            photos_close: 1,
        },
        arrive_due: None,
        solve_due: None,
        why: Words::default(),
    }
}

/// A case on a wall clock in Shanghai.
struct Play {
    calendar: WorkCalendar,
    clocks: CaseClocks,
}

impl Play {
    fn new(arrive: &str, solve: &str, filed: &str) -> Self {
        let route = route(arrive, solve, ResponseLevel::Community);
        let mut play = Self { calendar: calendar(), clocks: CaseClocks::new(&route, ClockStart::Filed) };
        play.tell(filed, ClockEvent::Filed, "");
        play
    }

    fn at(&self, local: &str) -> Timestamp {
        let local: jiff::civil::DateTime = local.parse().expect("a local time");
        Timestamp(self.calendar.timezone().to_timestamp(local).expect("in range").as_millisecond())
    }

    /// Holds what an event makes told to `expect`, as `solve red -> 3`.
    #[track_caller]
    fn tell(&mut self, local: &str, event: ClockEvent, expect: &str) {
        let at = self.at(local);
        // What is kept is what goes on: a restart before each event.
        let json = serde_json::to_string(&self.clocks).expect("JSON");
        self.clocks = serde_json::from_str(&json).expect("as it was");
        let outcome = self.clocks.apply(at, event, at, Terms { calendar: &self.calendar, lights: &LIGHTS });
        assert_eq!(outcome.unknown, None);
        let words = outcome.turns.iter().map(|turn| {
            let up = turn.escalated_to.map_or_else(String::new, |to| format!(" -> {}", u8::from(to)));
            format!("{:?} {:?}{up}", turn.clock, turn.light).to_lowercase()
        });
        assert_eq!(words.collect::<Vec<_>>().join(", "), expect, "{event:?} at {local}");
    }

    fn local(&self, at: Option<Timestamp>) -> String {
        at.map_or_else(String::new, |at| {
            let at = jiff::Timestamp::from_millisecond(at.0).expect("in range");
            at.to_zoned(self.calendar.timezone().clone()).strftime("%m-%d %H:%M").to_string()
        })
    }

    fn due(&self) -> String {
        self.local(self.clocks.solve_due())
    }

    fn wakes(&self) -> String {
        self.local(self.clocks.wakes_at())
    }
}

/// The example of the published text: filed on Monday 14:21:07, four work hours.
#[test]
fn lights_change_on_the_clock_of_the_limit_and_are_told_once() {
    let mut play = Play::new("1 wh", "4 wh", "2015-03-02 14:21:07");
    assert_eq!((play.due().as_str(), play.wakes().as_str()), ("03-03 10:21", "03-02 14:51"));
    play.tell("2015-03-02 14:51:06", ClockEvent::Tick, "");
    play.tell("2015-03-02 14:51:07", ClockEvent::Tick, "arrive yellow");
    play.tell("2015-03-02 14:51:07", ClockEvent::Tick, "");
    play.tell("2015-03-02 15:00:00", ClockEvent::Arrived, "");
    // 48 minutes, a fifth, are left at 09:33:07 of the next morning; the night does not count.
    assert_eq!(play.wakes(), "03-03 09:33");
    play.tell("2015-03-02 23:00:00", ClockEvent::Tick, "");
    play.tell("2015-03-03 09:40:00", ClockEvent::Tick, "solve yellow");
    play.tell("2015-03-03 10:21:07", ClockEvent::Tick, "solve red -> 3");
    assert_eq!((play.wakes().as_str(), play.clocks.light()), ("", Some(Light::Red)));
    play.tell("2015-03-05 10:00:00", ClockEvent::Tick, "");
    play.tell("2015-03-05 10:00:00", ClockEvent::Solved, "");
    assert_eq!((play.clocks.is_in_time(), play.clocks.light()), (Some(false), None));
}

#[test]
fn each_red_lifts_the_case_one_level_up_to_the_city() {
    let mut play = Play::new("30 min", "3 uh", "2026-11-23 09:00:00");
    // Nobody looked for a night: both are told, one after the other.
    play.tell("2026-11-24 09:00:00", ClockEvent::Tick, "arrive red -> 3, solve red -> 2");
    let due = play.at("2026-11-24 18:00");
    play.tell("2026-11-24 09:00:00", ClockEvent::Extended { due }, "solve green");
    play.tell("2026-11-24 18:00:00", ClockEvent::Tick, "solve red -> 1");
    let due = play.at("2026-11-25 18:00:00");
    play.tell("2026-11-24 19:00:00", ClockEvent::Extended { due }, "solve green");
    play.tell("2026-11-25 18:00:00", ClockEvent::Tick, "solve red");
    assert_eq!(play.clocks.level(), ResponseLevel::City);
}

#[test]
fn what_stops_a_clock_does_not_count() {
    let mut play = Play::new("", "3 uh", "2026-11-23 09:00:00");
    play.tell("2026-11-23 10:00:00", ClockEvent::Paused(PauseReason::Returned), "");
    assert_eq!((play.due().as_str(), play.wakes().as_str()), ("", ""));
    // Suspended while it is returned: it goes on when both are over.
    play.tell("2026-11-23 11:00:00", ClockEvent::Paused(PauseReason::Suspended), "");
    play.tell("2026-11-23 12:00:00", ClockEvent::Dispatched { due: None }, "");
    assert_eq!(play.due(), "");
    play.tell("2026-11-24 09:00:00", ClockEvent::Resumed(PauseReason::Suspended), "");
    assert_eq!(play.due(), "11-24 11:00");
    play.tell("2026-11-24 10:59:00", ClockEvent::Tick, "solve yellow");
    // Solved in time, and found in the evening that it is not: the check's time is not the unit's.
    play.tell("2026-11-24 10:59:00", ClockEvent::Solved, "");
    assert_eq!(play.clocks.is_in_time(), Some(true));
    play.tell("2026-11-24 20:00:00", ClockEvent::StillThere, "");
    assert_eq!((play.due().as_str(), play.clocks.is_in_time()), ("11-24 20:01", None));
    play.tell("2026-11-24 20:01:00", ClockEvent::Tick, "solve red -> 3");
}

#[test]
fn a_due_time_that_was_set_is_kept_to_the_letter() {
    let mut play = Play::new("30 min", "4 wh", "2026-11-23 09:00:00");
    // A Saturday, on which nobody works.
    let due = play.at("2026-11-28 10:00:00");
    play.tell("2026-11-23 09:10:00", ClockEvent::Dispatched { due: Some(due) }, "");
    assert_eq!(play.due(), "11-28 10:00");
    play.tell("2026-11-23 09:20:00", ClockEvent::Arrived, "");
    // Two work hours of pause move it to Monday by two work hours.
    play.tell("2026-11-24 09:00:00", ClockEvent::Paused(PauseReason::Suspended), "");
    play.tell("2026-11-24 11:00:00", ClockEvent::Resumed(PauseReason::Suspended), "");
    assert_eq!(play.due(), "11-30 11:00");
    let due = play.at("2026-11-25 12:00:00");
    play.tell("2026-11-25 11:00:00", ClockEvent::Extended { due }, "");
    play.tell("2026-11-25 11:31:00", ClockEvent::Tick, "solve yellow");
    play.tell("2026-11-25 12:00:00", ClockEvent::Over, "");
    assert_eq!(play.clocks.is_in_time(), Some(true), "on the stroke");
}

#[test]
fn word_that_comes_late_takes_a_red_light_back() {
    let mut play = Play::new("", "1 uh", "2026-11-23 09:00:00");
    play.tell("2026-11-23 10:30:00", ClockEvent::Tick, "solve red -> 3");
    // It was solved at 09:20, and that is heard of at eleven.
    let (at, now) = (play.at("2026-11-23 09:20:00"), play.at("2026-11-23 11:00:00"));
    let terms = Terms { calendar: &play.calendar, lights: &LIGHTS };
    let outcome = play.clocks.apply(at, ClockEvent::Solved, now, terms);
    let [turn] = &outcome.turns[..] else { panic!("{outcome:?}") };
    assert_eq!((turn.light, turn.escalated_to, turn.number), (Light::Green, None, 2));
    assert_eq!(turn.en(play.calendar.timezone()), "in time to solve");
    assert_eq!(play.clocks.is_in_time(), Some(true));
}

#[test]
fn clocks_may_wait_for_the_dispatch() {
    let mut clocks = CaseClocks::new(&route("30 min", "3 uh", ResponseLevel::Street), ClockStart::Dispatched);
    let calendar = calendar();
    let terms = Terms { calendar: &calendar, lights: &LIGHTS };
    let mut apply = |at, event| clocks.apply(Timestamp(at), event, Timestamp(at), terms);
    for event in [ClockEvent::Filed, ClockEvent::Tick, ClockEvent::Paused(PauseReason::Suspended), ClockEvent::Solved] {
        assert_eq!(apply(1_000, event), Outcome::default());
    }
    assert_eq!(apply(60_000, ClockEvent::Dispatched { due: None }), Outcome::default());
    assert_eq!(clocks.solve_due(), Some(Timestamp(60_000) + Millis::mins(180)));
    assert_eq!(clocks.shown().len(), 2);
    assert_eq!(clocks.light(), Some(Light::Yellow), "half an hour is little time from its first moment");
}

#[test]
fn a_year_without_holidays_is_told_and_tried_again() {
    let calendar = calendar();
    let terms = Terms { calendar: &calendar, lights: &LIGHTS };
    let mut clocks = CaseClocks::new(&route("", "4 wh", ResponseLevel::Street), ClockStart::Filed);
    // 2026-12-31 16:00 in Shanghai.
    let at = Timestamp(1_798_704_000_000);
    let outcome = clocks.apply(at, ClockEvent::Filed, at, terms);
    assert_eq!(outcome.unknown, Some(CalendarError::MissingYear(2027)));
    assert_eq!((clocks.solve_due(), clocks.wakes_at()), (None, Some(at + Millis::mins(60))));
}

/// A line of history as the platform decided it.
fn line(play: &Play, decided: &str, event: &str, to: State) -> Change {
    let at = play.at(decided);
    let by = crate::case::By::Platform(None);
    Change { at, decided_at: Some(at), from: State::Confirmed, to, event: event.to_owned(), by, reason: None }
}

#[test]
fn the_history_of_a_case_moves_its_clocks_once() {
    let mut play = Play::new("", "3 uh", "2026-11-23 09:00:00");
    let history = [
        line(&play, "2026-11-23 09:00:00", "filed", State::Filed),
        line(&play, "2026-11-23 09:30:00", "dispatched", State::Dispatched),
        line(&play, "2026-11-23 10:00:00", "returned", State::Returned),
        line(&play, "2026-11-23 13:00:00", "dispatched", State::Dispatched),
        line(&play, "2026-11-23 14:00:00", "handled", State::Handled),
        line(&play, "2026-11-23 15:00:00", "checked_still_there", State::StillThere),
        line(&play, "2026-11-23 15:10:00", "extended", State::StillThere),
    ];
    let calendar = play.calendar.clone();
    let terms = Terms { calendar: &calendar, lights: &LIGHTS };
    let mut follow = |lines: usize, given: Option<&str>, now: &str| {
        let (now, given) = (play.at(now), given.map(|given| play.at(given)));
        let outcome = play.clocks.follow((1..).zip(&history[..lines]), given, now, terms);
        (outcome.turns.iter().map(|turn| turn.light).collect::<Vec<_>>(), play.due(), play.clocks.is_in_time())
    };
    let due = |due: &str| due.to_owned();
    assert_eq!(follow(3, None, "2026-11-23 12:30"), (vec![], due(""), None), "returned in time, heard of late");
    assert_eq!(follow(4, None, "2026-11-23 13:00"), (vec![], due("11-23 15:00"), None));
    // Heard of when it would have been overdue: no light was red meanwhile.
    assert_eq!(follow(5, None, "2026-11-23 16:00"), (vec![], due("11-23 15:00"), Some(true)));
    assert_eq!(follow(6, None, "2026-11-23 16:00"), (vec![Light::Red], due("11-23 16:00"), None));
    assert_eq!(follow(6, None, "2026-11-23 16:00"), (vec![], due("11-23 16:00"), None), "each line counts once");
    let more = Some("2026-11-24 10:00");
    assert_eq!(follow(7, more, "2026-11-23 16:30"), (vec![Light::Green], due("11-24 10:00"), None));
    assert_eq!(follow(7, more, "2026-11-24 10:00"), (vec![Light::Red], due("11-24 10:00"), None));
}

fn event() -> impl Strategy<Value = ClockEvent> {
    let reason = prop_oneof![Just(PauseReason::Returned), Just(PauseReason::Suspended)];
    prop_oneof![
        4 => Just(ClockEvent::Tick),
        1 => Just(ClockEvent::Filed),
        1 => prop::option::of(0_i64..400_000_000).prop_map(|due| ClockEvent::Dispatched { due: due.map(Timestamp) }),
        1 => Just(ClockEvent::Arrived),
        1 => Just(ClockEvent::Solved),
        1 => Just(ClockEvent::StillThere),
        1 => reason.clone().prop_map(ClockEvent::Paused),
        1 => reason.prop_map(ClockEvent::Resumed),
        1 => (0_i64..400_000_000).prop_map(|due| ClockEvent::Extended { due: Timestamp(due) }),
        1 => Just(ClockEvent::Over),
    ]
}

/// The light of each clock, green before it begins.
fn lights(clocks: &CaseClocks) -> [Light; 2] {
    let of = |stage| clocks.shown().iter().find(|shown| shown.clock == stage).map_or(Light::Green, |shown| shown.light);
    [of(Stage::Arrive), of(Stage::Solve)]
}

proptest! {
    /// Whatever happens in whatever order, with clocks that are set back and forth: messages are numbered without a gap,
    /// a case only rises, one level at a time, and time alone never takes a light back.
    #[test]
    fn anything_in_any_order_leaves_the_clocks_sound(
        steps in prop::collection::vec((event(), 0_i64..300_000_000, 0_i64..20_000_000), 0..60),
        unit in prop::sample::select(vec![LimitUnit::Minute, LimitUnit::UrgentHour, LimitUnit::NaturalDay]),
    ) {
        let calendar = calendar();
        let terms = Terms { calendar: &calendar, lights: &LIGHTS };
        let mut route = route("30 min", "3 uh", ResponseLevel::Community);
        route.task.solve = Limit::whole(2, unit);
        let mut clocks = CaseClocks::new(&route, ClockStart::Filed);
        let mut number = 0;
        for (event, at, delay) in steps {
            let (level, before) = (clocks.level(), lights(&clocks));
            let now = Timestamp(at + delay);
            let outcome = clocks.apply(Timestamp(at), event, now, terms);
            let after = lights(&clocks);
            for turn in &outcome.turns {
                number += 1;
                prop_assert_eq!(turn.number, number);
                let index = usize::from(turn.clock == Stage::Solve);
                prop_assert_ne!(before[index], turn.light);
                prop_assert_eq!(after[index], turn.light);
                prop_assert!(event != ClockEvent::Tick || turn.light > before[index]);
                prop_assert!(turn.escalated_to.is_none() || turn.light == Light::Red);
            }
            let lifts = outcome.turns.iter().filter(|turn| turn.escalated_to.is_some()).count();
            prop_assert_eq!(usize::from(u8::from(level) - u8::from(clocks.level())), lifts);
            prop_assert!(clocks.wakes_at().is_none_or(|wakes| wakes > now));
            let again = clocks.clone().apply(now, ClockEvent::Tick, now, terms);
            prop_assert!(again.turns.is_empty(), "a second look at one moment tells nothing: {:?}", again);
        }
    }
}
