//! The published month, and what each figure counts.

use proptest::prelude::*;

use super::*;

const HOUR: i64 = 3_600_000;

fn fact() -> CaseFact {
    CaseFact {
        kind: "lane.motor".parse().expect("kind"),
        camera: "a".parse().expect("id"),
        zone: "z1".parse().expect("id"),
        street: Some("310104007".to_owned()),
        opened_at: Timestamp(0),
        filed_at: Some(Timestamp(0)),
        known_before: None,
        dispatched_at: None,
        handling_at: None,
        handled_at: None,
        closed_at: None,
        due: None,
        in_time: None,
        confirmed: false,
        rejected: None,
        was_gone: false,
        came_back: false,
        reworked: false,
    }
}

fn closed(hour: i64, in_time: bool) -> CaseFact {
    CaseFact { closed_at: Some(Timestamp(hour * HOUR)), in_time: Some(in_time), was_gone: true, ..fact() }
}

fn rejected(code: &str) -> CaseFact {
    CaseFact { rejected: Some(Rejection(code.to_owned())), ..fact() }
}

#[track_caller]
fn check(facts: &[CaseFact], figure: Figure, count: u64, of: u64) {
    assert_eq!(reckon(facts, Timestamp(10 * HOUR)).all.share(figure), Share { count, of });
}

/// Tianmen, December 2016: received 1054, filed 996, to be closed 972, closed 911, in time 737.
#[test]
fn the_published_month_gives_its_published_rates() {
    let facts: Vec<_> = (0..1_054)
        .map(|n| match n {
            0..737 => closed(1, true),
            737..911 => closed(9, false),
            911..972 => CaseFact { due: Some(Timestamp(3 * HOUR)), ..fact() },
            // Not due yet, or not filed.
            972..996 => CaseFact { due: Some(Timestamp(99 * HOUR)), ..fact() },
            _ => CaseFact { filed_at: None, ..fact() },
        })
        .collect();
    let figures = reckon(&facts, Timestamp(10 * HOUR));
    assert_eq!((figures.all.received, figures.all.filed), (1_054, 996));
    assert_eq!(figures.all.share(Figure::Closing), Share { count: 911, of: 972 });
    assert_eq!(figures.all.share(Figure::Closing).percent(), "93.72 %");
    assert_eq!(figures.all.share(Figure::ClosingInTime).percent(), "75.82 %");
}

#[test]
fn what_is_to_be_closed_is_closed_or_due() {
    let due = |hour| CaseFact { due: Some(Timestamp(hour * HOUR)), ..fact() };
    check(&[due(10)], Figure::Closing, 0, 1);
    check(&[due(11)], Figure::Closing, 0, 0);
    check(&[fact()], Figure::Closing, 0, 0);
    check(&[CaseFact { due: None, ..closed(1, true) }], Figure::Closing, 1, 1);
    // Solved in time and not yet closed is not closed in time.
    check(&[CaseFact { in_time: Some(true), ..due(5) }], Figure::ClosingInTime, 0, 1);
    check(&[CaseFact { in_time: None, ..closed(1, true) }], Figure::ClosingInTime, 0, 1);
    check(&[CaseFact { due: Some(Timestamp(0)), ..rejected("false_alarm") }], Figure::Closing, 0, 0);
}

#[test]
fn false_alarms_are_told_from_other_rejections_and_from_no_decision() {
    check(&[rejected("false_alarm")], Figure::FalseAlarms, 1, 1);
    check(&[rejected("legal")], Figure::FalseAlarms, 1, 1);
    check(&[rejected("a platform's own")], Figure::FalseAlarms, 1, 1);
    check(&[rejected("duplicate")], Figure::FalseAlarms, 0, 1);
    check(&[rejected("expired")], Figure::FalseAlarms, 0, 0);
    check(&[fact()], Figure::FalseAlarms, 0, 0);
    check(&[CaseFact { dispatched_at: Some(Timestamp(1)), ..fact() }], Figure::FalseAlarms, 0, 1);
    check(&[CaseFact { confirmed: true, ..fact() }], Figure::FalseAlarms, 0, 1);
    let other = CaseFact { camera: "b".parse().expect("id"), ..rejected("legal") };
    let figures = reckon(&[rejected("legal"), closed(1, true), other, rejected("expired")], Timestamp(0));
    let of_camera = |id: &str| figures.by_camera[&id.parse().expect("id")].share(Figure::FalseAlarms);
    assert_eq!((of_camera("a"), of_camera("b")), (Share { count: 1, of: 2 }, Share { count: 1, of: 1 }));
    assert_eq!(figures.by_reason["legal"], Share { count: 2, of: 3 });
    assert_eq!(figures.by_reason["expired"], Share { count: 1, of: 4 });
}

#[test]
fn what_nobody_told_the_platform_of_before_is_proactive() {
    let known = |known| CaseFact { known_before: Some(known), ..fact() };
    check(&[known(false), known(false), known(true), fact()], Figure::Proactive, 2, 3);
}

#[test]
fn what_came_back_and_what_was_not_done_is_counted_once() {
    check(&[closed(1, true), fact()], Figure::Repeats, 0, 1);
    check(&[CaseFact { came_back: true, ..fact() }], Figure::Repeats, 1, 1);
    let handled = CaseFact { handled_at: Some(Timestamp(HOUR)), ..fact() };
    check(&[handled.clone(), CaseFact { reworked: true, ..handled }, fact()], Figure::Rework, 1, 2);
}

#[test]
fn hours_go_from_stage_to_stage() {
    let at = |hour: i64| Some(Timestamp(hour * HOUR));
    let one = CaseFact { dispatched_at: at(1), handling_at: at(2), handled_at: at(4), closed_at: at(5), ..fact() };
    // Nobody was said to be there, and the platform's clock is behind at the end.
    let other = CaseFact { dispatched_at: at(3), handled_at: at(9), closed_at: at(8), ..fact() };
    let third = CaseFact { dispatched_at: at(8), ..fact() };
    let figures = reckon(&[one, other, third], Timestamp(0));
    let hours = |stage| {
        let Hours { cases, mean, median } = figures.hours[&stage];
        (cases, mean, median)
    };
    assert_eq!(hours(Stage::Dispatched), (3, 4.0, 3.0));
    assert_eq!(hours(Stage::Handling), (1, 1.0, 1.0));
    assert_eq!(hours(Stage::Handled), (2, 4.0, 4.0));
    assert_eq!(hours(Stage::Closed), (2, 0.5, 0.5));
    assert_eq!(hours(Stage::Whole), (2, 6.5, 6.5));
}

#[test]
fn places_where_cases_recur_are_named() {
    let elsewhere = CaseFact { zone: "z2".parse().expect("id"), ..fact() };
    let facts = [fact(), fact(), elsewhere.clone(), fact(), elsewhere];
    let recurring = reckon(&facts, Timestamp(0)).recurring;
    assert_eq!(recurring.len(), 1);
    assert_eq!((recurring[0].0.zone.as_str(), recurring[0].1), ("z1", 3));
}

#[test]
fn nothing_gives_no_rate() {
    let figures = reckon([], Timestamp(0));
    for figure in Figure::ALL {
        let share = figures.all.share(figure);
        assert_eq!((share.rate(), share.percent().as_str()), (None, "-"));
    }
    assert!(figures.hours.is_empty() && figures.by_kind.is_empty());
}

#[test]
fn csv_has_a_figure_a_row_and_no_formula() {
    let facts = [rejected("=HYPERLINK(1)"), closed(2, true)];
    let text = String::from_utf8(csv(&reckon(&facts, Timestamp(0)))).expect("UTF-8");
    let lines: Vec<_> = text.trim_start_matches('\u{feff}').lines().collect();
    assert_eq!(lines[0], "group,name,figure,count,of,value");
    for line in [
        "all,,received,2,,",
        "all,,closing,1,1,1.0000",
        "all,,proactive,0,0,",
        "kind,lane.motor,false_alarms,1,2,0.5000",
        "street,310104007,filed,2,,",
        "camera,a,repeats,0,1,0.0000",
        "reason,'=HYPERLINK(1),rejected,1,2,0.5000",
        "stage,whole,mean_hours,1,,2.0000",
    ] {
        assert!(lines.contains(&line), "{line} is not in {text}");
    }
}

fn any_fact() -> impl Strategy<Value = CaseFact> {
    let time = || prop::option::of((0..20_i64).prop_map(|hour| Timestamp(hour * HOUR)));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let code = prop::option::of(prop::sample::select(vec!["false_alarm", "duplicate", "expired", "其他"]));
    let names = (prop::sample::select(vec!["a", "b", "c"]), prop::option::of(prop::sample::select(vec!["1", "2"])));
    (names, [time(), time(), time(), time(), time(), time()], code, flags, prop::option::of(any::<bool>())).prop_map(
        |((camera, street), times, code, flags, either)| CaseFact {
            camera: camera.parse().expect("id"),
            street: street.map(ToOwned::to_owned),
            filed_at: times[0],
            dispatched_at: times[1],
            handling_at: times[2],
            handled_at: times[3],
            closed_at: times[4],
            due: times[5],
            rejected: code.map(|code| Rejection(code.to_owned())),
            confirmed: flags.0,
            was_gone: flags.1,
            came_back: flags.2,
            reworked: flags.3,
            in_time: either,
            known_before: either,
            ..fact()
        },
    )
}

proptest! {
    /// Groups add up to the whole, no share is above one, and the order of the facts does not matter.
    #[test]
    fn groups_add_up(mut facts in prop::collection::vec(any_fact(), 0..60), now in 0..20_i64) {
        let now = Timestamp(now * HOUR);
        let figures = reckon(&facts, now);
        for figure in Figure::ALL {
            let share = figures.all.share(figure);
            prop_assert!(share.count <= share.of && share.of <= figures.all.received);
            let sum = |rates: &mut dyn Iterator<Item = &Rates>| {
                rates.map(|r| r.share(figure)).fold((0, 0), |(n, of), s| (n + s.count, of + s.of))
            };
            prop_assert_eq!(sum(&mut figures.by_camera.values()), (share.count, share.of));
            prop_assert_eq!(sum(&mut figures.by_kind.values()), (share.count, share.of));
            prop_assert!(sum(&mut figures.by_street.values()).1 <= share.of);
        }
        let in_time = figures.all.share(Figure::ClosingInTime);
        prop_assert!(in_time.count <= figures.all.share(Figure::Closing).count);
        for hours in figures.hours.values() {
            prop_assert!(hours.cases > 0 && hours.mean >= 0.0 && hours.median >= 0.0);
        }
        facts.reverse();
        prop_assert_eq!(reckon(&facts, now).all, figures.all);
    }
}
