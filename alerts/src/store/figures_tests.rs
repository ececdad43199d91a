//! Figures from real rows, on either database.

use domain::{Kind, Place};

use super::*;
use crate::{
    case::{Answer, CheckResult},
    figures::{Figure, Share, Stage},
};

fn placed(camera: &str, at: i64, grid: &str) -> Ticket {
    let mut ticket = ticket(camera, at);
    ticket.camera.place = Some(Place {
        grid: grid.to_owned().try_into().expect("a code"),
        duty_grid: None,
        address: "\"grid\":\"310104999\"".to_owned(),
        lon: None,
        lat: None,
    });
    ticket
}

const HOUR: i64 = 3_600_000;

fn scope(from: i64, to: i64) -> Scope {
    Scope { from: Timestamp(from), to: Timestamp(to), kind: None, street: None }
}

async fn happen(store: &Store, ticket: &Ticket, at: i64, event: case::Event) {
    let ruling = Ruling::plain(ticket.id(), Timestamp(at), event);
    let ruled = store.rule(&ruling, |_, _| CaseMessages::default()).await.expect("written");
    assert!(matches!(ruled, Ruled::Applied { .. }), "{ruled:?}");
}

#[tokio::test]
async fn figures_are_those_of_the_period_as_its_cases_stand() {
    let Temp { store, .. } = &temp().await;
    let said = |kind, at| {
        let mut verdict = Verdict::new(kind, Timestamp(at));
        verdict.reason = kind.needs_reason().then(|| Reason::new("legal"));
        case::Event::Said(verdict)
    };
    let t: Vec<_> = (1..=5).map(|n| placed("a", n * HOUR, "310104007003")).collect();
    for ticket in &t {
        store.open_ticket(ticket, &[]).await.expect("written");
    }
    // Through all stages, and once found not to be done.
    for (at, kind) in [(2, VerdictKind::Dispatched), (4, VerdictKind::Handling), (5, VerdictKind::Handled)] {
        happen(store, &t[0], at * HOUR, said(kind, at * HOUR)).await;
    }
    happen(store, &t[0], 6 * HOUR, case::Event::RecheckBegan).await;
    happen(store, &t[0], 6 * HOUR, case::Event::Checked { result: CheckResult::StillThere }).await;
    happen(store, &t[0], 8 * HOUR, said(VerdictKind::Handled, 8 * HOUR)).await;
    happen(store, &t[0], 9 * HOUR, said(VerdictKind::Closed, 9 * HOUR)).await;
    // Known before, and gone and back. Rejected. Closed, and then not after all.
    happen(store, &t[1], 7 * HOUR, case::Event::Acknowledged { answer: Answer::Duplicate, case_no: None }).await;
    happen(store, &t[1], 8 * HOUR, case::Event::Gone).await;
    happen(store, &t[1], 9 * HOUR, case::Event::CameBack).await;
    happen(store, &t[2], 9 * HOUR, said(VerdictKind::Rejected, 9 * HOUR)).await;
    happen(store, &t[3], 9 * HOUR, said(VerdictKind::Closed, 9 * HOUR)).await;
    happen(store, &t[3], 10 * HOUR, case::Event::CameBack).await;

    let figures = store.figures(&scope(HOUR, 6 * HOUR), Timestamp(20 * HOUR)).await.expect("read");
    assert_eq!((figures.all.received, figures.all.filed), (5, 5));
    let share = |figure, count, of| assert_eq!(figures.all.share(figure), Share { count, of }, "{figure:?}");
    share(Figure::Closing, 1, 1);
    share(Figure::ClosingInTime, 0, 1);
    share(Figure::Proactive, 3, 4);
    share(Figure::FalseAlarms, 1, 2);
    share(Figure::Rework, 1, 1);
    share(Figure::Repeats, 2, 2);
    assert_eq!(figures.by_reason["legal"], Share { count: 1, of: 2 });
    assert_eq!(figures.by_street["310104007"].received, 5);
    let hours = |stage| figures.hours[&stage].mean;
    assert_eq!([Stage::Dispatched, Stage::Handling, Stage::Handled, Stage::Closed].map(hours), [1.0, 2.0, 4.0, 1.0]);
    assert_eq!(figures.recurring[0].1, 5);
    // The first moment is in, the last is not.
    assert_eq!(store.figures(&scope(2 * HOUR, 5 * HOUR), Timestamp(0)).await.expect("read").all.received, 3);
}

#[tokio::test]
async fn figures_are_narrowed_by_street_and_kind() {
    let Temp { store, .. } = &temp().await;
    let mut vendor = placed("v", 4_000, "310104008001001");
    vendor.incident.kind = "vendor.stall".parse().expect("kind");
    for ticket in [placed("a", 1_000, "310104007"), placed("b", 2_000, "310104"), ticket("c", 3_000), vendor] {
        store.open_ticket(&ticket, &[]).await.expect("written");
    }
    let kind = |kind: &str| Some(kind.parse::<Kind>().expect("kind"));
    let check = async |street: Option<&str>, kind, expect| {
        let scope = Scope { kind, street: street.map(ToOwned::to_owned), ..scope(0, 9_000) };
        let figures = store.figures(&scope, Timestamp(0)).await.expect("read");
        assert_eq!(figures.all.received, expect, "{scope:?}");
    };
    let all = async || {
        check(None, None, 4).await;
        check(Some("310104007"), None, 1).await;
        check(Some("310104008"), kind("vendor.stall"), 1).await;
        check(Some("310104008"), kind("lane.motor"), 0).await;
        check(None, kind("lane.motor"), 3).await;
        check(Some("310104999"), None, 0).await;
    };
    all().await;
    // Tickets from before the column was there, and the table of facts.
    for emptied in ["UPDATE tickets SET street = NULL", "DELETE FROM case_facts"] {
        sqlx::query(emptied).execute(&store.writer).await.expect("written");
    }
    check(Some("310104007"), None, 0).await;
    for (version, what) in [(9, "UPDATE tickets"), (14, "INSERT INTO case_facts")] {
        let migration = migrations(&store.database).into_iter().find(|m| m.version == version).expect("there");
        for statement in migration.sql.as_str().split(';').filter(|statement| statement.contains(what)) {
            sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&store.writer).await.expect("run");
        }
    }
    all().await;
}
