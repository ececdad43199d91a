//! What the machine may do and what it may not, one line each; then anything in any order.

use proptest::prelude::*;

use super::*;

const T0: Timestamp = Timestamp(1_795_435_200_000);

fn at(minutes: i64) -> Timestamp {
    T0 + Millis::mins(minutes)
}

/// A word of a script: a verdict `name@minute`, or something that happens here.
fn event(word: &str) -> Event {
    if let Some((name, minute)) = word.split_once('@') {
        let kind = VerdictKind::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or_else(|| panic!("{name}"));
        let mut verdict = Verdict::new(kind, at(minute.parse().expect("a minute")));
        verdict.reason = kind.needs_reason().then(|| Reason::new("legal"));
        return Event::Said(verdict);
    }
    match word {
        "gone" => Event::Gone,
        "back" => Event::CameBack,
        "recheck" => Event::RecheckBegan,
        "cleared" => Event::Checked { result: CheckResult::Cleared },
        "still" => Event::Checked { result: CheckResult::StillThere },
        "unclear" => Event::Checked { result: CheckResult::Unclear },
        "ack" => Event::Acknowledged { answer: Answer::Accepted, case_no: Some("2026-1".to_owned()) },
        "nack" => Event::Acknowledged { answer: Answer::Rejected(Reason::new("not_responsible")), case_no: None },
        "yes" => Event::Reviewed { judgement: Judgement::Confirmed, by: "李四".to_owned() },
        "no" => Event::Reviewed { judgement: Judgement::Rejected(Reason::new("false_alarm")), by: "李四".to_owned() },
        "tick" => Event::Tick,
        other => panic!("{other}"),
    }
}

fn filed() -> Case {
    Case::begin(T0, None).0
}

fn pending() -> Case {
    Case::begin(T0, Some(at(60))).0
}

/// Plays the script, one word a minute; `expect` is where it ends, or the code of the last word's refusal.
#[track_caller]
fn play(mut case: Case, script: &str, expect: &str) -> Case {
    let mut outcome = case.state().as_str();
    for (minute, word) in (1..).zip(script.split_whitespace()) {
        outcome = match case.apply(at(minute), event(word)) {
            Ok(_) => case.state().as_str(),
            Err(refusal) => refusal.code(),
        };
    }
    assert_eq!(outcome, expect, "{script}: {case:#?}");
    case
}

#[track_caller]
fn check(script: &str, expect: &str) {
    play(filed(), script, expect);
}

#[test]
fn a_case_goes_from_the_first_look_to_its_end() {
    check("", "filed");
    check("ack", "filed");
    let changed = |script: &str, expect: &str| play(filed(), script, expect).changed_at();
    assert_eq!((changed("", "filed"), changed("ack dispatched@2", "dispatched")), (Some(T0), Some(at(2))));
    assert_eq!(pending().changed_at(), None);
    check("ack dispatched@2", "dispatched");
    check("ack dispatched@2 handling@3", "handling");
    check("ack dispatched@2 handling@3 handled@4", "handled");
    check("ack dispatched@2 handling@3 handled@4 recheck", "verifying");
    check("ack dispatched@2 handling@3 handled@4 recheck cleared", "cleared");
    check("ack dispatched@2 handling@3 handled@4 recheck still", "still_there");
    check("ack dispatched@2 handling@3 handled@4 recheck unclear", "handled");
    check("ack dispatched@2 handling@3 handled@4 recheck cleared closed@7", "closed");
    check("handled@1 recheck still handled@4 recheck cleared closed@7", "closed");
}

#[test]
fn the_platform_may_skip_what_it_likes() {
    check("closed@1", "closed");
    check("handled@1", "handled");
    check("handled@1 closed@2", "closed");
    check("returned@1", "returned");
    check("returned@1 dispatched@2", "dispatched");
    check("handled@1 dispatched@2", "dispatched");
}

#[test]
fn a_late_word_changes_nothing() {
    check("handled@10 handling@5", "handled");
    check("handled@10 dispatched@5 handling@6 returned@7", "handled");
    check("handled@10 handled@10", "handled");
    check("dispatched@5 handling@5", "handling");
    check("handling@5 dispatched@5", "handling");
    check("closed@5 handling@4", "closed");
    check("rejected@5 closed@6", "rejected");
    check("closed@6 rejected@5", "rejected");
}

#[test]
fn what_is_over_stays_over() {
    check("closed@5 dispatched@6", "case_ended");
    check("rejected@5 dispatched@6", "case_ended");
    check("closed@5 recheck", "case_ended");
    check("rejected@5 back", "case_ended");
    check("closed@5 gone", "closed");
    check("closed@5 back", "still_there");
    check("closed@5 back closed@5", "still_there");
    check("closed@5 back closed@7", "closed");
}

#[test]
fn what_goes_away_and_comes_back_is_where_the_platform_has_it() {
    check("gone", "gone_by_itself");
    check("gone back", "filed");
    check("dispatched@1 gone handling@3", "gone_by_itself");
    check("dispatched@1 gone handling@3 back", "handling");
    check("dispatched@1 gone closed@3", "closed");
    check("handled@1 gone", "handled");
    check("handled@1 gone recheck cleared", "cleared");
    check("handled@1 recheck cleared back", "still_there");
    check("recheck gone unclear", "gone_by_itself");
    check("gone recheck back unclear", "filed");
    check("handled@1 recheck gone unclear", "handled");
    assert_eq!(play(filed(), "gone back gone back", "filed").reopened(), 2);
}

#[test]
fn a_suspension_lies_over_the_work() {
    check("suspended@1", "suspended");
    check("suspended@1 dispatched@2", "suspended");
    check("suspended@1 dispatched@2 resumed@3", "dispatched");
    check("resumed@3 suspended@1", "filed");
    check("suspended@1 handled@2", "handled");
    check("suspended@1 closed@2", "closed");
    check("suspended@1 closed@2 back", "still_there");
    check("dispatched@1 extended@2 supervised@3", "dispatched");
}

#[test]
fn a_review_comes_before_the_platform() {
    let check = |script, expect| play(pending(), script, expect);
    check("", "pending_review");
    check("yes", "filed");
    check("confirmed@1", "filed");
    check("no", "rejected");
    check("rejected@1", "rejected");
    check("dispatched@1", "not_filed");
    check("ack", "not_filed");
    check("recheck", "not_filed");
    check("gone", "gone_by_itself");
    check("gone yes", "not_under_review");
    check("gone back yes", "filed");
    check("yes no", "not_under_review");
    check("tick", "pending_review");
    let mut late = pending();
    let effects = late.apply(at(60), Event::Tick).expect("time passes");
    assert_eq!((late.state(), late.reason().map(|r| r.code.as_str())), (State::Rejected, Some("expired")));
    assert!(effects.contains(&Effect::Quiet) && late.judgement().is_none(), "nobody judged it: {late:?}");
}

#[test]
fn a_platform_may_refuse_a_ticket() {
    check("nack", "rejected");
    check("dispatched@1 nack", "dispatched");
    check("ack ack", "filed");
}

#[test]
fn what_nobody_asked_for_is_refused() {
    check("cleared", "not_being_checked");
    check("yes", "not_under_review");
    check("dispatched@2000", "in_future");
}

#[test]
fn effects_say_what_follows() {
    #[track_caller]
    fn follows(mut case: Case, script: &str, expect: &[Effect]) {
        let mut last = Vec::new();
        for (minute, word) in (1..).zip(script.split_whitespace()) {
            last = case.apply(at(minute), event(word)).expect(word);
        }
        last.retain(|effect| !matches!(effect, Effect::Changed(_)));
        assert_eq!(last, expect, "{script}");
    }
    follows(pending(), "yes", &[Effect::Submit]);
    follows(pending(), "no", &[Effect::Quiet]);
    follows(pending(), "gone", &[]);
    follows(filed(), "gone", &[Effect::SayCleared]);
    follows(filed(), "gone handled@2", &[Effect::LookAgain]);
    follows(filed(), "handled@1", &[Effect::LookAgain]);
    follows(filed(), "handled@1 handled@1", &[]);
    follows(filed(), "verify_requested@1", &[Effect::LookAgain]);
    follows(filed(), "rejected@1", &[Effect::Quiet]);
    follows(filed(), "closed@1", &[Effect::Ended]);
    follows(filed(), "closed@1 closed@2", &[]);
}

#[test]
fn a_change_says_when_by_whom_and_why() {
    let (mut case, begun) = Case::begin(T0, None);
    let lines: Vec<_> = begun
        .iter()
        .filter_map(|e| match e {
            Effect::Changed(change) => Some((change.from, change.to, change.by.to_string())),
            _ => None,
        })
        .collect();
    let rules = || "rules".to_owned();
    assert_eq!(lines, [(State::Suspected, State::Confirmed, rules()), (State::Confirmed, State::Filed, rules())]);
    let mut verdict = Verdict::new(VerdictKind::Rejected, at(3));
    verdict.reason = Some(Reason { code: "legal".to_owned(), note: Some("早餐车".to_owned()) });
    verdict.by = Some("王五".to_owned());
    let effects = case.apply(at(5), Event::Said(verdict)).expect("a rejection");
    let expect = Change {
        at: at(5),
        decided_at: Some(at(3)),
        from: State::Filed,
        to: State::Rejected,
        event: "rejected".to_owned(),
        by: By::Platform(Some("王五".to_owned())),
        reason: Some(Reason { code: "legal".to_owned(), note: Some("早餐车".to_owned()) }),
    };
    assert_eq!(effects, [Effect::Changed(expect), Effect::Quiet]);
}

#[test]
fn dates_and_names_are_the_newest() {
    let mut case = filed();
    let mut sent = Verdict::new(VerdictKind::Dispatched, at(5));
    sent.due = Some(at(100));
    sent.dept = Some("斜土街道城管中队".to_owned());
    sent.case_no = Some("7".to_owned());
    case.apply(at(6), Event::Said(sent)).expect("a dispatch");
    let mut more = Verdict::new(VerdictKind::Extended, at(4));
    more.due = Some(at(50));
    case.apply(at(7), Event::Said(more.clone())).expect("too late");
    assert_eq!((case.due(), case.case_no(), case.dept()), (Some(at(100)), Some("7"), Some("斜土街道城管中队")));
    more.at = at(8);
    more.due = Some(at(200));
    case.apply(at(8), Event::Said(more)).expect("more time");
    assert_eq!((case.due(), case.is_extended(), case.acknowledged_at()), (Some(at(200)), true, Some(at(6))));
}

#[test]
fn names_read_back() {
    for by in [By::Rules, By::Clock, By::Platform(None), By::Platform(Some("a:b".into())), By::Person("李四".into())]
    {
        assert_eq!(by.to_string().parse(), Ok(by));
    }
    assert!("somebody".parse::<By>().is_err());
}

/// The drawing at [`Stage`], as pairs.
fn is_drawn(from: State, to: State) -> bool {
    use State as S;
    let work = |s| matches!(s, S::Filed | S::Dispatched | S::Handling | S::Returned | S::Handled | S::Suspended);
    let checked = |s| matches!(s, S::Cleared | S::StillThere);
    let since_filed = |s| work(s) || checked(s) || matches!(s, S::Verifying | S::GoneByItself);
    match (from, to) {
        _ if from == to => true,
        (S::Suspected, S::Confirmed) | (S::Confirmed, S::Filed | S::PendingReview) => true,
        (S::PendingReview, S::Filed | S::Rejected | S::GoneByItself) | (S::GoneByItself, S::PendingReview) => true,
        (S::Closed, S::StillThere | S::Rejected) => true,
        (from, S::Closed | S::Rejected) => since_filed(from),
        (from, S::Filed) => matches!(from, S::GoneByItself | S::Verifying | S::Suspended),
        (from, S::Verifying) => since_filed(from),
        (S::Verifying, to) => since_filed(to),
        (S::Cleared, S::StillThere) => true,
        (S::GoneByItself, to) => work(to) || to == S::StillThere,
        (from, S::GoneByItself) => work(from) || from == S::StillThere,
        (from, to) if work(from) || checked(from) => work(to) || (from == S::Suspended && to == S::StillThere),
        _ => false,
    }
}

fn said() -> impl Strategy<Value = Event> {
    (prop::sample::select(VerdictKind::ALL.to_vec()), 0_i64..40, any::<bool>()).prop_map(|(kind, minute, due)| {
        let mut verdict = Verdict::new(kind, at(minute));
        verdict.reason = kind.needs_reason().then(|| Reason::new("other"));
        verdict.due = due.then(|| at(minute + 100));
        Event::Said(verdict)
    })
}

fn anything() -> impl Strategy<Value = Event> {
    let here =
        ["gone", "back", "recheck", "cleared", "still", "unclear", "ack", "nack", "yes", "no", "tick", "back", "gone"];
    prop_oneof![
        3 => said(),
        3 => prop::sample::select(here.to_vec()).prop_map(event),
        1 => Just(Event::RuleSatisfied),
        1 => Just(Event::Filed),
        1 => Just(Event::ReviewWanted { until: at(20) }),
    ]
}

fn reload(case: &Case) -> Case {
    serde_json::from_str(&serde_json::to_string(case).expect("plain data")).expect("its own form")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever comes, with restarts and a clock that steps: only what is drawn, and nothing half done.
    #[test]
    fn no_events_reach_an_undrawn_state(
        review in any::<bool>(),
        steps in prop::collection::vec((anything(), -30_i64..60, any::<bool>()), 0..60),
    ) {
        let (mut case, begun) = Case::begin(T0, review.then(|| at(60)));
        prop_assert!(begun.contains(&Effect::Submit) != review);
        let mut submitted = usize::from(!review);
        for (event, minute, restart) in steps {
            let before = case.clone();
            match case.apply(at(minute), event.clone()) {
                Err(refusal) => prop_assert_eq!(&before, &case, "{:?} refused {:?}", refusal, event),
                Ok(effects) => {
                    let changes: Vec<_> = effects.iter().filter_map(|e| match e {
                        Effect::Changed(change) => Some(change),
                        _ => None,
                    }).collect();
                    prop_assert_eq!(changes.len(), usize::from(!effects.is_empty()));
                    for change in changes {
                        prop_assert_eq!((change.from, change.to), (before.state(), case.state()));
                        prop_assert!(is_drawn(change.from, change.to), "{:?}: {change:?}", event);
                    }
                    prop_assert!(!effects.is_empty() || before.state() == case.state(), "{:?} moved in silence", event);
                    prop_assert!(!effects.is_empty() || before.holds() == case.holds());
                    submitted += effects.iter().filter(|e| **e == Effect::Submit).count();
                    if case.holds() && !before.holds() {
                        prop_assert_eq!(&event, &Event::CameBack, "only the rule core takes a place");
                    }
                    // The same again changes nothing, unless it is an event of the looks that may come twice.
                    if matches!(event, Event::Said(_) | Event::Acknowledged { .. } | Event::Tick) {
                        let mut again = case.clone();
                        if let Ok(effects) = again.apply(at(minute), event.clone()) {
                            prop_assert!(effects.is_empty(), "{:?} twice: {effects:?}", event);
                        }
                        prop_assert_eq!(&again, &case);
                    }
                }
            }
            prop_assert!(case.is_filed() == (submitted == 1) && submitted <= 1);
            prop_assert!(!matches!(case.state(), State::GoneByItself | State::Cleared) || case.gone_at().is_some());
            prop_assert!(serde_json::to_string(&case).expect("plain data").len() < 4_096, "it grows: {case:?}");
            if restart {
                let stored = reload(&case);
                prop_assert_eq!(&stored, &case);
                case = stored;
            }
        }
    }

    /// A set of verdicts ends in one state, whatever the order of its arrival and however often each comes.
    #[test]
    fn verdicts_in_any_order_end_alike(
        verdicts in prop::collection::vec(said(), 1..9)
            .prop_flat_map(|all| (Just(all.clone()), Just([all.clone(), all].concat()).prop_shuffle())),
    ) {
        let (mut sent, mut arrived) = verdicts;
        sent.sort_by_key(|event| match event {
            Event::Said(verdict) => (verdict.at, verdict.kind),
            _ => unreachable!("verdicts only"),
        });
        let (mut in_order, mut shuffled) = (filed(), filed());
        for event in sent {
            // What comes after the end is refused.
            let _ = in_order.apply(at(50), event);
        }
        for event in std::mem::take(&mut arrived) {
            let _ = shuffled.apply(at(50), event);
        }
        prop_assert_eq!(in_order.state(), shuffled.state());
        prop_assert_eq!(in_order.holds(), shuffled.holds());
    }
}
