use std::{fs, sync::Arc};

use domain::{CameraId, Kind, Label, Millis, ModelRef, Point, Polygon, Rect, Sha256, StreamRole, TicketId, Timestamp};

use super::*;
use crate::{
    incident::{Incident, RuleRef, Zone, ZonePurpose},
    ticket::{Body, CameraInfo, Evidence, EvidenceRole, OutgoingMessage, Rendition, Ticket, TicketState},
};

/// A ticket of `camera` whose rule was satisfied `at`.
fn ticket(camera: &str, at: i64) -> Ticket {
    let zone = Zone {
        id: "z1".parse().expect("id"),
        name: "非机动车道".to_owned(),
        purpose: ZonePurpose::TrafficLane,
        polygon: Polygon::new([[0.1, 0.2], [0.9, 0.2], [0.9, 0.9]].map(Point::from).to_vec()).expect("polygon"),
        dwell: None,
    };
    let bbox = Rect::from([0.1, 0.2, 0.333_333_34, 0.7]);
    let confirmed_at = Timestamp(at);
    Ticket {
        incident: Incident {
            ticket: TicketId::derive(confirmed_at, camera.as_bytes()),
            camera: camera.parse().expect("id"),
            kind: "lane.motor".parse().expect("kind"),
            zone: zone.id.clone(),
            first_seen: Timestamp(at - 300_000),
            last_seen: confirmed_at,
            confirmed_at,
            dwell: Millis::secs(300),
            looks: 31,
            hits: 29,
            score_max: 0.91,
            score_median: 0.83,
            bbox,
            things: vec![domain::Detection {
                class: Label::new("car"),
                group: Label::new("vehicle"),
                score: 0.83,
                bbox,
                mask: None,
                model: None,
            }],
            reason: "a vehicle stood in the lane for 300 s".to_owned(),
            reason_zh: "区域“z1”（机动车道）内，机动车×1停留5分".to_owned(),
            rule: RuleRef { id: "lane.motor/default".to_owned(), version: "0123456789ab".to_owned() },
            model: ModelRef { name: Arc::from("nanodet"), sha256: Sha256::of(b"weights") },
        },
        camera: CameraInfo { name: "斜土路".to_owned(), place: None },
        zone,
        state: TicketState::Open,
        last_seen: confirmed_at,
        cleared_at: None,
        delivered_at: None,
        evidence: vec![
            evidence(EvidenceRole::FirstSeen, Rendition::Original),
            evidence(EvidenceRole::Confirming, Rendition::Clean),
            evidence(EvidenceRole::Confirming, Rendition::Annotated),
        ],
    }
}

fn evidence(role: EvidenceRole, rendition: Rendition) -> Evidence {
    Evidence {
        role,
        rendition,
        stream: StreamRole::Sub,
        sha256: Sha256::of(format!("{role:?} {rendition:?}").as_bytes()),
        media_type: "image/jpeg".to_owned(),
        bytes: 12_345,
        width: 704,
        height: 576,
        captured_at: Timestamp(1_000),
    }
}

fn picture_message(name: &str) -> OutgoingMessage {
    OutgoingMessage {
        topic: format!("gridwatch/v1/{name}"),
        content_type: "image/jpeg".to_owned(),
        properties: vec![("role".to_owned(), "confirming".to_owned()), ("a".to_owned(), "ü".to_owned())],
        body: Body::Evidence(Sha256::of(name.as_bytes())),
        expires_after: Some(Millis::mins(1440)),
    }
}

fn ticket_message(name: &str) -> OutgoingMessage {
    OutgoingMessage {
        body: Body::Inline(format!("{{\"name\":\"{name}\"}}").into_bytes().into()),
        expires_after: None,
        ..picture_message(name)
    }
}

struct Temp {
    store: Store,
    folder: tempfile::TempDir,
}

async fn temp() -> Temp {
    let folder = tempfile::tempdir().expect("temp dir");
    let store = Store::open(&folder.path().join("data/gridwatch.db")).await.expect("opens");
    Temp { store, folder }
}

#[tokio::test]
async fn a_ticket_reads_back_as_it_was_written_also_after_a_restart() {
    let Temp { store, folder } = temp().await;
    let t = ticket("gate-2", 1_000_000);
    assert_eq!(store.open_ticket(&t, &[]).await.expect("written"), Opened::New);
    assert_eq!(store.ticket(t.id()).await.expect("read"), Some(t.clone()));
    store.close().await;
    let store = Store::open(&folder.path().join("data/gridwatch.db")).await.expect("opens again");
    assert_eq!(store.ticket(t.id()).await.expect("read"), Some(t.clone()));
    let open = store.open_tickets().await.expect("read");
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].ticket, open[0].bbox, open[0].last_seen), (t.id(), t.incident.bbox, t.last_seen));
    assert_eq!(store.ticket(TicketId::derive(Timestamp(1), b"no")).await.expect("read"), None);
}

#[tokio::test]
async fn evidence_is_found_by_its_digest() {
    let Temp { store, folder: _folder } = temp().await;
    let t = ticket("gate-2", 1_000_000);
    store.open_ticket(&t, &[]).await.expect("written");
    let clean = &t.evidence[1];
    assert_eq!(store.evidence(&clean.sha256).await.expect("read").as_ref(), Some(clean));
    assert_eq!(store.evidence(&Sha256::of(b"none")).await.expect("read"), None);
}

#[tokio::test]
async fn opening_twice_writes_once() {
    let Temp { store, folder: _folder } = temp().await;
    let t = ticket("gate-2", 1_000_000);
    let messages = [picture_message("p"), ticket_message("t")];
    let (a, b) = tokio::join!(store.open_ticket(&t, &messages), store.open_ticket(&t, &messages));
    let opened = [a.expect("written"), b.expect("written")];
    assert!(opened.contains(&Opened::New) && opened.contains(&Opened::AlreadyThere), "{opened:?}");
    assert_eq!(store.outbox_next(0, 10).await.expect("read").len(), 2);
    assert_eq!(store.ticket(t.id()).await.expect("read").expect("there").evidence.len(), 3);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_half_way_leaves_nothing() {
    let Temp { store, folder: _folder } = temp().await;
    let t = ticket("gate-2", 1_000_000);
    let messages: Vec<_> = (0..50).map(|n| picture_message(&n.to_string())).collect();
    // Each poll count is another moment to be cut off at; what was begun must be all there or not at all.
    for polls in 0..200 {
        let mut writing = Box::pin(store.open_ticket(&t, &messages));
        let mut ended = false;
        for _ in 0..polls {
            tokio::select! {
                biased;
                result = &mut writing => { result.expect("written"); ended = true; break; }
                () = tokio::task::yield_now() => {}
            }
        }
        drop(writing);
        let written = store.outbox_next(0, 100).await.expect("read").len();
        let known = store.ticket(t.id()).await.expect("read").is_some();
        assert!(matches!((written, known), (0, false) | (50, true)), "{written} messages, ticket: {known}");
        if ended {
            return;
        }
    }
    store.open_ticket(&t, &messages).await.expect("the lock is free again");
}

#[tokio::test]
async fn lists_are_newest_first_and_paged_without_gap_or_repeat() {
    let Temp { store, folder: _folder } = temp().await;
    // Pairs of one millisecond, so that the id must break the tie.
    for n in 0..20_i64 {
        let camera = if n % 2 == 0 { "even" } else { "odd" };
        store.open_ticket(&ticket(camera, 1_000_000 + n / 2), &[]).await.expect("written");
    }
    let all = store.tickets(&TicketFilter::default()).await.expect("read");
    assert_eq!(all.len(), 20);
    assert!(all.windows(2).all(|w| (w[0].incident.confirmed_at, w[0].id()) > (w[1].incident.confirmed_at, w[1].id())));
    let mut paged = Vec::new();
    let mut filter = TicketFilter { limit: 3, ..Default::default() };
    loop {
        let page = store.tickets(&filter).await.expect("read");
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id());
        paged.extend(page);
    }
    assert_eq!(paged, all);

    store.clear_ticket(all[0].id(), Timestamp(2_000_000), Timestamp(1_500_000), &[], &[]).await.expect("cleared");
    let camera: CameraId = "odd".parse().expect("id");
    let kind: Kind = "lane.motor".parse().expect("kind");
    let filter = TicketFilter { camera: Some(camera.clone()), kind: Some(kind), ..Default::default() };
    let odd = store.tickets(&filter).await.expect("read");
    assert_eq!(odd.len(), 10);
    assert!(odd.iter().all(|t| t.incident.camera == camera));
    let filter = TicketFilter { state: Some(TicketState::Cleared), ..Default::default() };
    let cleared = store.tickets(&filter).await.expect("read");
    assert_eq!(cleared.iter().map(Ticket::id).collect::<Vec<_>>(), [all[0].id()]);
    let resting = store.cleared_tickets(Timestamp(2_000_000)).await.expect("read");
    assert_eq!(
        resting.iter().map(|(t, at)| (t.ticket, *at)).collect::<Vec<_>>(),
        [(all[0].id(), Timestamp(2_000_000))]
    );
    assert_eq!(store.cleared_tickets(Timestamp(2_000_001)).await.expect("read"), []);
    let filter = TicketFilter { kind: Some("garbage.exposed".parse().expect("kind")), ..Default::default() };
    assert_eq!(store.tickets(&filter).await.expect("read"), []);
}

#[tokio::test]
async fn the_outbox_keeps_its_order_and_delivers_a_ticket_with_its_last_message() {
    let Temp { store, folder: _folder } = temp().await;
    let mut changed = store.outbox_changed();
    let (a, b) = (ticket("a", 1_000), ticket("b", 2_000));
    store.open_ticket(&a, &[picture_message("a0"), picture_message("a1"), ticket_message("a")]).await.expect("written");
    assert!(changed.has_changed().expect("store lives"));
    changed.mark_unchanged();
    store.open_ticket(&b, &[ticket_message("b")]).await.expect("written");
    changed.changed().await.expect("store lives");

    let queued = store.outbox_next(0, 10).await.expect("read");
    let topics: Vec<_> = queued.iter().map(|q| q.message.topic.rsplit('/').next().expect("some")).collect();
    assert_eq!(topics, ["a0", "a1", "a", "b"]);
    assert!(queued.windows(2).all(|w| w[0].seq < w[1].seq));
    assert_eq!(queued[0].message, picture_message("a0"));
    assert_eq!(queued[2].message, ticket_message("a"));
    assert_eq!(queued[2].ticket, a.id());
    assert_eq!(store.outbox_next(queued[1].seq, 1).await.expect("read"), [queued[2].clone()]);

    let delivered = async |t: &Ticket| store.ticket(t.id()).await.expect("read").expect("there").delivered_at;
    // Acknowledgements may come in any order; the last one counts.
    store.outbox_sent(&[queued[2].seq, queued[0].seq], Timestamp(10)).await.expect("written");
    assert_eq!(delivered(&a).await, None);
    assert_eq!(store.outbox_next(0, 10).await.expect("read").len(), 2);
    store.outbox_sent(&[queued[1].seq], Timestamp(11)).await.expect("written");
    store.outbox_sent(&[queued[1].seq], Timestamp(99)).await.expect("a repeat is no harm");
    assert_eq!(delivered(&a).await, Some(Timestamp(11)));
    assert_eq!(delivered(&b).await, None);

    // The message that tells of the clearing must not change when the ticket was delivered.
    store
        .clear_ticket(
            a.id(),
            Timestamp(50),
            Timestamp(40),
            &[evidence(EvidenceRole::After, Rendition::Clean)],
            &[ticket_message("a-cleared")],
        )
        .await
        .expect("cleared");
    store.clear_ticket(a.id(), Timestamp(60), Timestamp(60), &[], &[ticket_message("again")]).await.expect("no harm");
    let queued = store.outbox_next(0, 10).await.expect("read");
    assert_eq!(queued.len(), 2);
    store.outbox_sent(&[queued[1].seq], Timestamp(70)).await.expect("written");
    let a = store.ticket(a.id()).await.expect("read").expect("there");
    assert_eq!(
        (a.state, a.cleared_at, a.last_seen, a.delivered_at),
        (TicketState::Cleared, Some(Timestamp(50)), Timestamp(40), Some(Timestamp(11)))
    );
    assert_eq!(a.evidence.last().map(|e| e.role), Some(EvidenceRole::After));
    let open: Vec<_> = store.open_tickets().await.expect("read").into_iter().map(|t| t.ticket).collect();
    assert_eq!(open, [b.id()]);
}

#[tokio::test]
async fn a_refused_message_is_kept_counted_and_in_nobodys_way() {
    let Temp { store, folder: _folder } = temp().await;
    let a = ticket("a", 1_000);
    store.open_ticket(&a, &[picture_message("huge"), ticket_message("a")]).await.expect("written");
    let queued = store.outbox_next(0, 10).await.expect("read");
    store.outbox_failed(queued[0].seq, "packet too large", Timestamp(5)).await.expect("written");
    assert_eq!(store.outbox_next(0, 10).await.expect("read"), [queued[1].clone()]);
    store.outbox_sent(&[queued[1].seq], Timestamp(6)).await.expect("written");
    let refused = store.outbox_refused(10).await.expect("read");
    assert_eq!(
        refused,
        [Refused { queued: queued[0].clone(), at: Timestamp(5), reason: "packet too large".to_owned() }]
    );
    let expect = Counts { open: 1, undelivered: 1, refused_messages: 1, ..Default::default() };
    assert_eq!(store.counts().await.expect("read"), expect);
}

#[tokio::test]
async fn a_touch_moves_forward_only_and_evidence_can_be_added() {
    let Temp { store, folder: _folder } = temp().await;
    let a = ticket("a", 1_000);
    store.open_ticket(&a, &[]).await.expect("written");
    let there = Rect::from([0.5, 0.5, 0.75, 0.75]);
    store.touch(&[(a.id(), Touch { last_seen: Timestamp(9_000), bbox: there })]).await.expect("written");
    store.touch(&[(a.id(), Touch { last_seen: Timestamp(8_000), bbox: a.incident.bbox })]).await.expect("ignored");
    let open = store.open_tickets().await.expect("read");
    assert_eq!((open[0].last_seen, open[0].bbox), (Timestamp(9_000), there));
    let after = evidence(EvidenceRole::After, Rendition::Original);
    for _ in 0..2 {
        store.add_evidence(a.id(), std::slice::from_ref(&after)).await.expect("written");
    }
    assert_eq!(store.ticket(a.id()).await.expect("read").expect("there").evidence.len(), 4);
    let nobody = TicketId::derive(Timestamp(1), b"no");
    assert!(matches!(store.add_evidence(nobody, &[after]).await, Err(AlertsError::UnknownTicket(id)) if id == nobody));
    let cleared = store.clear_ticket(nobody, Timestamp(1), Timestamp(1), &[], &[]).await;
    assert!(matches!(cleared, Err(AlertsError::UnknownTicket(_))));
}

#[tokio::test]
async fn what_is_no_database_is_named_and_left_alone() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("gridwatch.db");
    let text = "these are my notes\n".repeat(500);
    fs::write(&path, &text).expect("written");
    let error = Store::open(&path).await.expect_err("no database");
    assert!(matches!(error, AlertsError::NotADatabase { .. }), "{error:?}");
    assert!(error.to_string().contains("gridwatch.db is not a database"), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("still there"), text);
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("temp dir");
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("written");
    let error = Store::open(&file.join("sub/gridwatch.db")).await.expect_err("its folder is a file");
    assert!(matches!(error, AlertsError::Folder { .. }), "{error:?}");
    let error = Store::open(folder.path()).await.expect_err("a folder is no file");
    assert!(matches!(error, AlertsError::DatabaseUnwritable { .. }), "{error:?}");
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
}

#[tokio::test]
async fn a_newer_database_is_refused_and_a_damaged_row_named() {
    let Temp { store, folder } = temp().await;
    let a = ticket("a", 1_000);
    store.open_ticket(&a, &[]).await.expect("written");
    sqlx::query("UPDATE tickets SET incident = '{'").execute(&store.writer).await.expect("damaged");
    let error = store.tickets(&TicketFilter::default()).await.expect_err("damaged");
    assert!(error.to_string().contains(&format!("ticket {} ", a.id())), "{error}");
    assert!(error.to_string().contains("incident"), "{error}");

    sqlx::query("UPDATE _sqlx_migrations SET version = 99 WHERE version = 1")
        .execute(&store.writer)
        .await
        .expect("aged");
    store.close().await;
    let error = Store::open(&folder.path().join("data/gridwatch.db")).await.expect_err("newer");
    assert!(matches!(error, AlertsError::NewerSchema { version: 99, .. }), "{error:?}");
}

#[tokio::test]
async fn a_full_disk_is_named_and_what_was_written_stays() {
    let Temp { store, folder: _folder } = temp().await;
    let a = ticket("a", 1_000);
    store.open_ticket(&a, &[]).await.expect("written");
    // SQLite's own quota makes the same error as a full file system does.
    sqlx::query("PRAGMA max_page_count = 1").execute(&store.writer).await.expect("set");
    let large = OutgoingMessage { body: Body::Inline(vec![7; 1 << 20].into()), ..ticket_message("large") };
    let b = ticket("b", 2_000);
    let error = store.open_ticket(&b, std::slice::from_ref(&large)).await.expect_err("full");
    assert!(matches!(error, AlertsError::DatabaseFull { .. }), "{error:?}");
    assert_eq!(store.tickets(&TicketFilter::default()).await.expect("read").len(), 1);
    sqlx::query("PRAGMA max_page_count = 1000000").execute(&store.writer).await.expect("set");
    assert_eq!(store.open_ticket(&b, &[large]).await.expect("written"), Opened::New);
}

#[tokio::test]
async fn the_database_survives_power_loss_by_its_settings() {
    let Temp { store, folder: _folder } = temp().await;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.writer).await.expect("read");
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&store.writer).await.expect("read");
    assert_eq!((mode.as_str(), synchronous), ("wal", 2));
}

#[tokio::test]
async fn no_list_reads_the_whole_table() {
    let Temp { store, folder: _folder } = temp().await;
    for sql in [
        "EXPLAIN QUERY PLAN SELECT id FROM tickets WHERE 1 = 1 AND (confirmed_at, id) < (SELECT confirmed_at, id FROM tickets WHERE id = 'x') ORDER BY confirmed_at DESC, id DESC LIMIT 9",
        "EXPLAIN QUERY PLAN SELECT incident FROM tickets WHERE 1 = 1 AND camera = 'x' ORDER BY confirmed_at DESC, id DESC LIMIT 9",
        "EXPLAIN QUERY PLAN SELECT incident FROM tickets WHERE state = 'open' ORDER BY confirmed_at, id",
        "EXPLAIN QUERY PLAN SELECT body FROM outbox WHERE seq > 5 AND sent_at IS NULL AND failed_at IS NULL ORDER BY seq LIMIT 9",
    ] {
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(sql).fetch_all(&store.readers).await.expect("explained");
        let whole = plan.iter().any(|p| p.3.starts_with("SCAN t") || p.3.contains("TEMP B-TREE"));
        assert!(!whole, "{sql}: {plan:?}");
    }
}

/// The other half of the test below, run in a process of its own: writes tickets until it is killed.
#[tokio::test]
async fn writer_that_is_killed() {
    let Some(path) = std::env::var_os("GRIDWATCH_TEST_KILLED_WRITER") else { return };
    let store = Store::open(Path::new(&path)).await.expect("opens");
    for at in 1_000_000.. {
        let t = ticket("gate-2", at);
        store.open_ticket(&t, &[picture_message("p"), ticket_message("t")]).await.expect("written");
        println!("written {}", t.id());
    }
}

#[tokio::test]
async fn what_was_written_outlives_a_kill() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("gridwatch.db");
    let mut told = Vec::new();
    for tickets in [1, 7, 30] {
        let mut writer = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "store::tests::writer_that_is_killed", "--nocapture"])
            .env("GRIDWATCH_TEST_KILLED_WRITER", &path)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("started");
        let output = std::io::BufReader::new(writer.stdout.take().expect("piped"));
        let written = std::io::BufRead::lines(output)
            .filter_map(|line| line.expect("text").split_once("written ").map(|(_, id)| id.to_owned()));
        // Those of the run before are already there; the ids start over.
        told.extend(written.take(told.len() + tickets));
        writer.kill().expect("killed");
        writer.wait().expect("ended");

        let store = Store::open(&path).await.expect("opens after the kill");
        let mut messages: std::collections::HashMap<TicketId, usize> = std::collections::HashMap::new();
        for queued in store.outbox_next(0, u32::MAX).await.expect("read") {
            *messages.entry(queued.ticket).or_default() += 1;
        }
        for id in &told {
            let id = id.parse().expect("id");
            assert!(store.ticket(id).await.expect("read").is_some(), "{id} was told and is lost");
            assert_eq!(messages.get(&id), Some(&2), "messages of {id}");
        }
        assert!(messages.values().all(|n| *n == 2), "a ticket without all its messages");
        store.close().await;
    }
}

#[tokio::test]
async fn a_responsibility_list_comes_back_with_all_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("g.db")).await.expect("a database");
    assert_eq!(store.duty_list().await.expect("readable").versions().count(), 0);
    let item: crate::duty::DutyItem = serde_json::from_value(serde_json::json!({
        "id": "T-087", "kind": "lane.motor", "place": "310104007", "place_name": {"zh": "斜土路街道", "en": ""},
        "days": ["mon"], "hours": ["22:00-06:00"], "name": {"zh": "", "en": ""},
        "codes": [{"scheme": "CJT214-2007", "code": "05-05"}], "dept": {"zh": "交警", "en": "traffic police"},
        "copies": [], "steps": ["拍照"], "level": 4, "arrive": null, "solve": {"amount": 1.5, "unit": "work_hour"},
        "photos_open": 1, "photos_close": 2, "until": "2027-12-31",
    }))
    .expect("an item");
    let version =
        |version, day| crate::duty::ItemVersion { version, from: jiff::civil::date(2026, 11, day), item: item.clone() };
    let (first, second) = (version(1, 1), version(2, 24));
    store.add_duty_versions(std::slice::from_ref(&first), "a.csv", Timestamp(1)).await.expect("written");
    store.add_duty_versions(std::slice::from_ref(&second), "b.csv", Timestamp(2)).await.expect("written");
    let list = store.duty_list().await.expect("readable");
    assert_eq!(list.versions().cloned().collect::<Vec<_>>(), [first, second.clone()]);
    // A version is written once, and of an import that meets one nothing is.
    let third = version(3, 25);
    let error = store.add_duty_versions(&[third, second], "c.csv", Timestamp(3)).await.expect_err("taken");
    assert!(error.to_string().contains("version 2 of item T-087"), "{error}");
    assert_eq!(store.duty_list().await.expect("readable"), list);
}
