//! A year of cases of a large district: what its figures, lists and exports cost. `GRIDWATCH_YEAR=full` makes it 200,000 cases of
//! 2000 cameras and prints a table; by default it is a small one that holds the same to be true.

use std::time::Instant;

use domain::{Kind, Place};
use jiff::tz::TimeZone;

use super::{
    cases::{insert_history, update_case},
    facts::gather_facts,
    tickets::insert_ticket,
    *,
};
use crate::{
    case::{Answer, CheckResult, Event},
    clocks::CaseClocks,
    deadline::DeadlineConfig,
    duty::DutyList,
    export::{self, Books},
    figures::Figure,
    routed::Routed,
    streets::StreetNames,
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// 2026-01-01 00:00 in UTC.
const NEW_YEAR: i64 = 1_767_225_600_000;
const KINDS: [&str; 8] = [
    "lane.motor",
    "lane.nonmotor",
    "lane.goods",
    "lane.fire",
    "vendor.stall",
    "shop.overflow",
    "garbage.exposed",
    "garbage.bagged",
];
/// Cases in one transaction: one each would take the day.
const AT_ONCE: i64 = 1_000;

/// What happens to the `n`th case, and after how many minutes.
fn life(n: i64) -> Vec<(i64, Event)> {
    let said = |kind: VerdictKind| {
        let mut verdict = Verdict::new(kind, Timestamp(0));
        verdict.reason = kind.needs_reason().then(|| Reason::new("legal"));
        Event::Said(verdict)
    };
    let answer = if n % 9 == 0 { Answer::Duplicate } else { Answer::Accepted };
    let mut life = vec![(1, Event::Acknowledged { answer, case_no: Some(format!("沪徐2026-{n:06}")) })];
    match n % 10 {
        0 => life.push((20, said(VerdictKind::Rejected))),
        1 => life.extend([(90, Event::Gone), (120, said(VerdictKind::Closed))]),
        stage => {
            life.extend([(10, said(VerdictKind::Dispatched)), (40, said(VerdictKind::Handling))]);
            life.extend([(60 + stage * 20, said(VerdictKind::Handled)), (61 + stage * 20, Event::RecheckBegan)]);
            life.push((63 + stage * 20, Event::Checked { result: CheckResult::Cleared }));
            life.push((90 + stage * 20, said(VerdictKind::Closed)));
        }
    }
    life
}

async fn fill(store: &Store, cases: i64, cameras: i64) {
    let calendar = DeadlineConfig::default().calendar(TimeZone::UTC, &[]).expect("a calendar");
    let list = DutyList::default();
    for first in (0..cases).step_by(usize::try_from(AT_ONCE).expect("small")) {
        let mut tx = store.begin("fill").await.expect("begun");
        for n in first..cases.min(first + AT_ONCE) {
            let at = NEW_YEAR + 365 * DAY / cases * n;
            // A step that shares no factor with the number of cameras: they take turns, and not in their order.
            let mut t = ticket(&format!("camera-{:04}", n * 7_919 % cameras), at);
            t.incident.kind = KINDS[usize::try_from(n % 8).expect("small")].parse().expect("kind");
            t.camera.place = Some(Place {
                grid: format!("310104{:03}{:03}", 3 + n * 7_919 % cameras % 14, n % 20).try_into().expect("a code"),
                duty_grid: None,
                address: "斜土路 1175 号".to_owned(),
                lon: None,
                lat: None,
            });
            let place = &t.camera.place.as_ref().expect("a place").grid;
            let (route, _) =
                Routed::decide(&list, &t.incident.kind, place, Timestamp(at), &calendar).expect("a built-in kind");
            t.clocks = Some(Box::new(CaseClocks::new(&route, DeadlineConfig::default().start)));
            t.route = Some(Box::new(route));
            for role in [EvidenceRole::FirstSeen, EvidenceRole::Confirming, EvidenceRole::After] {
                for rendition in [Rendition::Original, Rendition::Clean, Rendition::Annotated] {
                    let sha256 = Sha256::of(format!("{n} {role:?} {rendition:?}").as_bytes());
                    t.evidence.push(Evidence { sha256, ..evidence(role, rendition) });
                }
            }
            insert_ticket(&mut tx, &t).await.expect("written");
            // The last hours' cases are under way.
            for (minutes, event) in life(n).into_iter().filter(|_| at < NEW_YEAR + 364 * DAY) {
                let effects = t.case.apply(Timestamp(at + minutes * 60_000), event).expect("a drawn way");
                insert_history(&mut tx, t.id(), effects).await.expect("written");
            }
            t.follow_case();
            update_case(&mut tx, &t).await.expect("written");
            gather_facts(&mut tx, t.id()).await.expect("written");
        }
        tx.commit().await.expect("committed");
    }
    let analyze = match store.database() {
        Database::File(_) => "PRAGMA optimize",
        Database::Server(_) => "ANALYZE",
    };
    sqlx::query(analyze).execute(&store.writer).await.expect("known");
}

/// Runs it twice, the first time for what lies in no memory yet; prints the second's time.
async fn timed<T>(what: &str, full: bool, work: impl AsyncFn() -> T) -> T {
    work().await;
    let began = Instant::now();
    let done = work().await;
    if full {
        println!("| {what} | {:.0} ms |", began.elapsed().as_secs_f64() * 1_000.0);
    }
    done
}

#[tokio::test]
async fn a_year_of_a_district_is_reckoned_listed_and_exported() {
    let full = std::env::var("GRIDWATCH_YEAR").is_ok_and(|word| word == "full");
    let (cases, cameras) = if full { (200_000, 2_000) } else { (240, 11) };
    let Temp { store, .. } = &temp().await;
    let began = Instant::now();
    fill(store, cases, cameras).await;
    let end = NEW_YEAR + 365 * DAY;
    if full {
        println!("{}: {cases} cases in {:?}\n\n| what | time |\n|---|---|", store.database(), began.elapsed());
    }
    let scope = |from: i64, kind: Option<&str>, street: Option<&str>| Scope {
        from: Timestamp(from),
        to: Timestamp(end),
        kind: kind.map(|kind| kind.parse::<Kind>().expect("kind")),
        street: street.map(str::to_owned),
    };
    let figures = async |scope: Scope| store.figures(&scope, Timestamp(end)).await.expect("read");
    let year = timed("figures of the year", full, async || figures(scope(NEW_YEAR, None, None)).await).await;
    assert_eq!(year.all.received, cases.unsigned_abs());
    assert!(year.all.share(Figure::Closing).count > year.all.received / 2, "{:?}", year.all);
    assert_eq!(year.by_camera.len(), usize::try_from(cameras).expect("small"));
    timed("figures of the last 30 days", full, async || figures(scope(end - 30 * DAY, None, None)).await).await;
    let lanes =
        timed("figures of the year, one kind", full, async || figures(scope(NEW_YEAR, Some("lane.fire"), None)).await);
    assert_eq!(lanes.await.all.received, cases.unsigned_abs() / 8);
    timed("figures of the year, one street", full, async || figures(scope(NEW_YEAR, None, Some("310104007"))).await)
        .await;

    let list = async |filter: TicketFilter| store.tickets(&filter).await.expect("read");
    let newest = timed("list: the 50 newest", full, async || list(TicketFilter::default()).await).await;
    assert_eq!(newest.len(), 50);
    let camera = Some("camera-0007".parse().expect("id"));
    timed("list: one camera", full, async || {
        list(TicketFilter { camera: camera.clone(), ..TicketFilter::default() }).await
    })
    .await;
    let kind = Some("lane.fire".parse().expect("kind"));
    let rejected = TicketFilter { kind, case: Some(State::Rejected), ..TicketFilter::default() };
    timed("list: one kind, rejected", full, async || list(rejected.clone()).await).await;
    let before = list(TicketFilter { limit: 1, ..TicketFilter::default() }).await.pop().map(|t| t.id());
    timed("list: the next page", full, async || list(TicketFilter { before, ..TicketFilter::default() }).await).await;
    let counts = timed("counts of each page", full, async || store.counts().await.expect("read")).await;
    assert_eq!(counts.open + counts.cleared + counts.ended, cases.unsigned_abs());
    timed("one ticket with its history", full, async || {
        let id = newest[0].id();
        (store.ticket(id).await.expect("read"), store.history(id).await.expect("read"))
    })
    .await;

    let names = StreetNames::default();
    let books = Books { filed_by: "徐汇", streets: &names, timezone: &TimeZone::UTC };
    let export = async |from: i64| {
        let span = (Timestamp(from), Timestamp(end));
        let rows = export::rows(store, span, books, usize::MAX).await.expect("read").expect("no limit");
        (rows.len(), export::csv(rows).len())
    };
    timed("export of the last 31 days, 16 columns as CSV", full, async || export(end - 31 * DAY).await).await;
    let (rows, _) = timed("export of the year", full, async || export(NEW_YEAR).await).await;
    assert_eq!(i64::try_from(rows).expect("fits"), cases);

    // What was there before the table was.
    sqlx::query("DELETE FROM case_facts").execute(&store.writer).await.expect("emptied");
    let migration = migrations(&store.database).into_iter().find(|m| m.version == 14).expect("there");
    let gather = migration.sql.as_str().split(';').find(|statement| statement.contains("INSERT INTO")).expect("there");
    sqlx::query(sqlx::AssertSqlSafe(gather.to_owned())).execute(&store.writer).await.expect("run");
    assert_eq!(figures(scope(NEW_YEAR, None, None)).await, year, "as it is written with each case");
}
