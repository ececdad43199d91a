//! The platform without a broker: what it says to what it hears, and when.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const START: Timestamp = Timestamp(1_700_000_000_000);

fn platform(script: Script) -> Platform {
    script.check().expect("a script");
    Platform::new(script, "test", TimeZone::UTC)
}

fn ticket(n: u64) -> TicketId {
    TicketId::derive(START, &n.to_le_bytes())
}

fn picture(n: u64) -> Sha256 {
    Sha256::of(&n.to_le_bytes())
}

/// A ticket as it comes over the wire.
fn submission(n: u64, place: [f64; 4]) -> (String, Vec<u8>) {
    let id = ticket(n);
    let event = json!({"specversion": "1.0", "id": id, "type": "cn.gridwatch.ticket.submitted.v1", "source": "/x", "data": {
        "ticket_id": id, "event": {"type": "lane.motor", "codes": []},
        "place": {"district": "310104", "street": "310104007"}, "camera": {"id": "gate-2", "zone_id": "kerb", "name": "x"},
        "detection": {"box_relative": place},
        "evidence": [
            {"role": "confirming", "rendition": "annotated", "sha256": picture(n), "topic": "t"},
            {"role": "confirming", "rendition": "original", "sha256": picture(n + 1_000)},
        ],
    }});
    ("gridwatch/v1/310104/310104007/ticket/submit".into(), event.to_string().into_bytes())
}

fn checked(n: u64, round: u32, result: &str) -> (String, Vec<u8>) {
    let id = ticket(n);
    let event = json!({"id": format!("{id}.checked.{round}"), "data": {
        "ticket_id": id, "result": result, "reason": "seen", "before": [],
        "after": [{"role": "after", "rendition": "annotated", "sha256": picture(500 + u64::from(round)), "topic": "t"}],
    }});
    (format!("gridwatch/v1/310104/310104007/ticket/{id}/checked"), event.to_string().into_bytes())
}

fn state(n: u64, from: &str, to: &str) -> (String, Vec<u8>) {
    let id = ticket(n);
    let event = json!({"id": "x", "data": {"ticket_id": id, "from": from, "to": to}});
    (format!("gridwatch/v1/310104/310104007/ticket/{id}/state"), event.to_string().into_bytes())
}

/// Takes in a message of the wire.
fn hear(platform: &mut Platform, (topic, payload): (String, Vec<u8>), at: Timestamp) {
    if let Some(heard) = read(&topic, &payload).transpose() {
        platform.hear(heard, at);
    }
}

/// All that is said until `until`, in seconds from the start: when, the word, and the payload.
fn said(platform: &mut Platform, until: i64) -> Vec<(i64, String, Value)> {
    let end = START + Millis::secs(until);
    let mut all = Vec::new();
    while let Some(at) = platform.wakes_at().filter(|at| *at <= end) {
        while let Some(say) = platform.say(at) {
            let payload: Value = serde_json::from_slice(&say.payload).unwrap_or(Value::Null);
            let data = &payload["data"];
            let word = data["verdict"].as_str().or(data["result"].as_str()).unwrap_or("garbage").to_owned();
            all.push((at.since(START).0 / 1_000, word, payload));
        }
    }
    all
}

fn words(said: &[(i64, String, Value)]) -> Vec<(i64, &str)> {
    said.iter().map(|(at, word, _)| (*at, word.as_str())).collect()
}

const PLACE: [f64; 4] = [0.2, 0.2, 0.4, 0.4];

#[test]
fn a_ticket_is_carried_through_to_closed() {
    let mut platform = platform(Script::default());
    hear(&mut platform, submission(1, PLACE), START);
    let first = said(&mut platform, 100);
    assert_eq!(words(&first), [(1, "accepted"), (6, "dispatched"), (16, "handling"), (61, "handled")]);
    let (_, _, ack) = &first[0];
    assert_eq!(ack["type"], "cn.grid.ticket.acknowledged.v1");
    assert_eq!(ack["data"]["case_no"], "GW-000001");
    assert_eq!(first[1].2["data"]["due"], "2023-11-14T22:43:26.000+00:00");

    hear(&mut platform, checked(1, 1, "still_there"), START + Millis::secs(100));
    let again = said(&mut platform, 200);
    assert_eq!(words(&again), [(101, "supervised"), (106, "dispatched"), (116, "handling"), (161, "handled")]);
    hear(&mut platform, checked(1, 2, "cleared"), START + Millis::secs(200));
    assert_eq!(words(&said(&mut platform, 900)), [(202, "closed")]);
    let agreed = Goal { cases: 1, reached: Reached::Agreed };
    assert!(!platform.has_reached(agreed));
    hear(&mut platform, state(1, "cleared", "closed"), START + Millis::secs(901));
    assert!(platform.has_reached(agreed));

    let line = &lines(&platform)[0];
    assert_eq!((line.state, line.checks.as_slice()), ("closed", &["still_there", "cleared"][..]));
    assert_eq!((line.before, line.after), (Some(picture(1)), Some(picture(502))));
    assert_eq!((line.pictures, line.pictures_missing, line.pictures_late), (1, 1, 1), "the original does not leave");
    assert!(platform.has_reached(Goal { cases: 1, reached: Reached::Said(VerdictKind::Closed) }));
    assert!(!platform.has_reached(Goal { cases: 2, reached: Reached::Submitted }));
}

#[test]
fn a_ticket_that_comes_again_is_one_case_and_is_answered_again() {
    let mut platform = platform(Script::default());
    hear(&mut platform, submission(1, PLACE), START);
    hear(&mut platform, submission(1, PLACE), START);
    assert_eq!(words(&said(&mut platform, 2)), [(1, "accepted")]);
    hear(&mut platform, submission(1, PLACE), START + Millis::secs(3));
    let again = said(&mut platform, 4);
    assert_eq!(words(&again), [(3, "duplicate")]);
    assert_eq!(again[0].2["data"]["case_no"], "GW-000001");
    let totals = totals(&platform);
    assert_eq!((totals.cases, totals.repeats, totals.rivals), (1, 2, 0));
}

#[test]
fn a_lost_acknowledgement_is_tried_again_when_the_ticket_comes_again() {
    let lossy = Script { faults: Faults { lose_ack: 0.5, ..Faults::default() }, ..Script::default() };
    let mut platform = platform(lossy);
    let mut answered = Vec::new();
    for round in 0..20 {
        for n in 0..50 {
            hear(&mut platform, submission(n, [0.0, 0.0, n as f64 / 100.0, 0.1]), START + Millis::secs(round));
        }
        answered.push(platform.cases.values().filter(|case| case.acknowledged_at.is_some()).count());
        said(&mut platform, round);
    }
    assert!(answered[3] < 50 && answered[19] == 50, "{answered:?}");
}

#[test]
fn another_ticket_for_the_same_place_is_a_double() {
    let mut platform = platform(Script::default());
    hear(&mut platform, submission(1, PLACE), START);
    hear(&mut platform, submission(2, [0.21, 0.2, 0.41, 0.4]), START);
    hear(&mut platform, submission(3, [0.6, 0.6, 0.8, 0.8]), START);
    assert_eq!(totals(&platform).rivals, 1);
    assert!(!totals(&platform).is_clean());
}

#[test]
fn what_cannot_be_seen_is_asked_for_again_and_at_last_suspended() {
    let mut platform = platform(Script { plans: vec![Plan { rounds: 2, ..Plan::default() }], ..Script::default() });
    hear(&mut platform, submission(1, PLACE), START);
    said(&mut platform, 70);
    for (round, expect) in [(1, "verify_requested"), (2, "verify_requested"), (3, "suspended")] {
        hear(&mut platform, checked(1, round, "unclear"), START + Millis::secs(100 * i64::from(round)));
        let answer = said(&mut platform, 100 * i64::from(round) + 99);
        assert_eq!(answer.last().map(|(_, word, _)| word.as_str()), Some(expect));
    }
}

#[test]
fn a_result_that_comes_twice_is_one_result() {
    let mut platform = platform(Script::default());
    hear(&mut platform, submission(1, PLACE), START);
    said(&mut platform, 70);
    for _ in 0..2 {
        hear(&mut platform, checked(1, 1, "still_there"), START + Millis::secs(100));
    }
    assert_eq!(lines(&platform)[0].checks.len(), 1);
}

#[test]
fn what_came_back_is_the_same_case_at_work_again() {
    let mut platform = platform(Script::default());
    hear(&mut platform, submission(1, PLACE), START);
    said(&mut platform, 70);
    hear(&mut platform, checked(1, 1, "cleared"), START + Millis::secs(100));
    assert_eq!(words(&said(&mut platform, 150)), [(102, "closed")]);
    for _ in 0..2 {
        hear(&mut platform, state(1, "closed", "filed"), START + Millis::secs(200));
    }
    assert_eq!(words(&said(&mut platform, 400)), [(205, "dispatched"), (215, "handling"), (260, "handled")]);
    let line = &lines(&platform)[0];
    assert_eq!((line.reopened, line.state), (1, "handled"));
}

#[test]
fn pictures_are_held_to_their_names() {
    let mut platform = platform(Script::default());
    let topic = |sha256: Sha256| format!("gridwatch/v1/310104/310104007/gate-2/evidence/{sha256}");
    hear(&mut platform, (topic(picture(1)), 1_u64.to_le_bytes().to_vec()), START);
    hear(&mut platform, (topic(picture(2)), b"another".to_vec()), START);
    hear(&mut platform, submission(1, PLACE), START);
    let totals = totals(&platform);
    assert_eq!((totals.pictures_missing, totals.pictures_altered), (0, 1));
    assert_eq!(lines(&platform)[0].pictures_late, 0);
}

#[test]
fn what_is_wrong_is_counted_and_all_else_goes_on() {
    let mut platform = platform(Script::default());
    let submit = || "gridwatch/v1/310104/310104007/ticket/submit".to_owned();
    hear(&mut platform, (submit(), b"{".to_vec()), START);
    let (_, payload) = submission(1, PLACE);
    hear(&mut platform, ("gridwatch/v1/310101/310101001/ticket/submit".into(), payload), START);
    let other = checked(1, 1, "cleared").1;
    hear(&mut platform, (format!("gridwatch/v1/310104/310104007/ticket/{}/checked", ticket(2)), other), START);
    hear(&mut platform, checked(9, 1, "cleared"), START);
    hear(&mut platform, ("gridwatch/v1/310104/310104007/gate-2/status".into(), b"?".to_vec()), START);
    hear(&mut platform, submission(1, PLACE), START);
    let totals = totals(&platform);
    assert_eq!((totals.unreadable, totals.strangers, totals.cases), (3, 1, 1));
}

#[test]
fn a_plan_may_refuse_and_what_is_refused_is_left_alone() {
    let ack = AckStep { result: AckResult::Rejected, reason: Some("not_responsible".into()), ..AckStep::default() };
    let mut platform = platform(Script { plans: vec![Plan { ack, ..Plan::default() }], ..Script::default() });
    hear(&mut platform, submission(1, PLACE), START);
    let answer = said(&mut platform, 900);
    assert_eq!(words(&answer), [(1, "rejected")]);
    assert!(answer[0].2["data"].get("case_no").is_none());
    hear(&mut platform, submission(1, PLACE), START + Millis::secs(1_000));
    assert_eq!(words(&said(&mut platform, 2_000)), [(1_000, "rejected")]);
}

#[test]
fn words_of_a_goal_are_those_of_the_contract() {
    assert_eq!(Reached::parse("closed"), Some(Reached::Said(VerdictKind::Closed)));
    assert_eq!(Reached::parse("still_there"), Some(Reached::Checked(CheckWord::StillThere)));
    assert_eq!(Reached::parse("acknowledged"), Some(Reached::Acknowledged));
    assert_eq!(Reached::parse("done"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However tickets, repeats, results and faults come, each ticket is one case with one number, every message goes out
    /// under an id of its own (its repeat under the same), and a second run says the same.
    #[test]
    fn the_same_messages_give_the_same_answers(
        events in prop::collection::vec((0_u64..6, 0_u8..5, 0_i64..40), 1..60),
        seed in 0_u64..100,
    ) {
        let faults = Faults { lose_ack: 0.3, repeat: 0.3, delay: 0.3, garbage: 0.3, ..Faults::default() };
        let play = || {
            let mut platform = platform(Script { seed, faults, ..Script::default() });
            let (mut now, mut all) = (0, Vec::new());
            for (round, (n, what, passed)) in events.iter().enumerate() {
                now += passed;
                let at = START + Millis::secs(now);
                all.extend(said(&mut platform, now));
                let round = u32::try_from(round / 2).unwrap();
                match what {
                    0 | 1 => hear(&mut platform, submission(*n, [0.1 * *n as f64, 0.0, 0.1 * *n as f64 + 0.1, 0.1]), at),
                    2 => hear(&mut platform, checked(*n, round, "still_there"), at),
                    3 => hear(&mut platform, checked(*n, round, "cleared"), at),
                    _ => hear(&mut platform, state(*n, "closed", "filed"), at),
                }
            }
            all.extend(said(&mut platform, now + 3_600));
            (all, lines(&platform))
        };
        let (all, report) = play();
        prop_assert_eq!(&(all.clone(), report.clone()), &play());
        let mut numbers: Vec<_> = report.iter().map(|line| &line.case_no).collect();
        numbers.dedup();
        prop_assert_eq!(numbers.len(), report.len());
        let mut by_id = std::collections::HashMap::new();
        for (_, word, payload) in all.iter().filter(|(_, word, _)| word != "garbage") {
            let id = payload["id"].as_str().unwrap().to_owned();
            prop_assert_eq!(by_id.entry(id).or_insert(payload), &payload, "{}", word);
        }
    }
}
