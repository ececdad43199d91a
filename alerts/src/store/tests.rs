//! What holds on either database. This file is two modules, one for each; `temp` makes a database of the module's kind.

use domain::{CameraId, Kind, Label, Mask, Millis, Rect, Sha256, TicketId, Timestamp};

use super::{
    fixture::{Temp, evidence, picture_message, ticket, ticket_message},
    *,
};
use crate::{
    case::{self, Judgement, Reason, State, Verdict, VerdictKind},
    incident::Ending,
    mqtt::Resend,
    ticket::{Evidence, EvidenceRole, OutgoingMessage, Rendition, Ticket, TicketState},
    wire::{CaseMessages, Fault, Problem},
};

/// The looks have shown that a ticket's problem is gone.
async fn clear(
    store: &Store,
    ticket: TicketId,
    at: i64,
    last_seen: i64,
    evidence: &[Evidence],
    messages: &[OutgoingMessage],
) -> Result<Ruled, AlertsError> {
    let ruling = Ruling {
        evidence,
        last_seen: Some(Timestamp(last_seen)),
        ..Ruling::plain(ticket, Timestamp(at), case::Event::Gone)
    };
    let following = messages.to_vec();
    store.rule(&ruling, |_, _| CaseMessages { following, ..CaseMessages::default() }).await
}

#[path = "figures_tests.rs"]
mod figures_tests;
#[path = "retention_tests.rs"]
mod retention_tests;
#[path = "year_tests.rs"]
mod year_tests;

async fn temp() -> Temp {
    Temp::of(module_path!()).await
}

#[tokio::test]
async fn a_ticket_reads_back_as_it_was_written_also_after_a_restart() {
    let Temp { store, database, folder: _folder } = temp().await;
    let t = ticket("gate-2", 1_000_000);
    assert_eq!(store.open_ticket(&t, &[]).await.expect("written"), Opened::New);
    assert_eq!(store.ticket(t.id()).await.expect("read"), Some(t.clone()));
    store.close().await;
    let store = Store::connect(database).await.expect("opens again");
    assert_eq!(store.ticket(t.id()).await.expect("read"), Some(t.clone()));
    let open = store.open_tickets().await.expect("read");
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].ticket, open[0].bbox, open[0].last_seen), (t.id(), t.incident.bbox, t.last_seen));
    assert_eq!(store.ticket(TicketId::derive(Timestamp(1), b"no")).await.expect("read"), None);
}

#[tokio::test]
async fn evidence_is_found_by_its_digest() {
    let Temp { store, .. } = &temp().await;
    let t = ticket("gate-2", 1_000_000);
    store.open_ticket(&t, &[]).await.expect("written");
    let clean = &t.evidence[1];
    assert_eq!(store.evidence(&clean.sha256).await.expect("read").as_ref(), Some(clean));
    assert_eq!(store.evidence(&Sha256::of(b"none")).await.expect("read"), None);
}

#[tokio::test]
async fn opening_twice_writes_once() {
    let Temp { store, .. } = &temp().await;
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
    let Temp { store, .. } = &temp().await;
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
        // A commit that was cut off goes on to its end, and holds up who writes next.
        drop(store.begin("wait").await.expect("its turn"));
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
    let Temp { store, .. } = &temp().await;
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

    clear(store, all[0].id(), 2_000_000, 1_500_000, &[], &[]).await.expect("cleared");
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
    let Temp { store, .. } = &temp().await;
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
    assert_eq!(queued[2].ticket, Some(a.id()));
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
    let after = [evidence(EvidenceRole::After, Rendition::Clean)];
    clear(store, a.id(), 50, 40, &after, &[ticket_message("a-cleared")]).await.expect("cleared");
    let again = clear(store, a.id(), 60, 60, &[], &[ticket_message("again")]).await.expect("no harm");
    assert_eq!(again, Ruled::Nothing);
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
    let Temp { store, .. } = &temp().await;
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
async fn a_ticket_that_several_cameras_see_is_remembered_with_each_of_them() {
    let Temp { store, .. } = &temp().await;
    let a = ticket("a", 1_000);
    store.open_ticket(&a, &[]).await.expect("written");
    let (here, there) = (Rect::from([0.5, 0.5, 0.75, 0.75]), Rect::from([0.25, 0.5, 0.5, 0.75]));
    let seen = SeenFrom {
        camera: "b".parse().expect("id"),
        zone: "z9".parse().expect("id"),
        bbox: here,
        first_seen: Timestamp(2_000),
        last_seen: Timestamp(3_000),
    };
    let picture = Evidence { camera: Some(seen.camera.clone()), ..evidence(EvidenceRole::OtherView, Rendition::Clean) };
    for _ in 0..2 {
        let message = [ticket_message("view")];
        store.join_view(a.id(), &seen, std::slice::from_ref(&picture), &message).await.expect("written");
    }
    assert_eq!(store.ticket(a.id()).await.expect("read").expect("there").evidence.last(), Some(&picture));
    let nobody = TicketId::derive(Timestamp(1), b"no");
    let unknown = store.join_view(nobody, &seen, &[], &[]).await;
    assert!(matches!(unknown, Err(AlertsError::UnknownTicket(id)) if id == nobody));

    // A word of the other camera says where it is on that one's view, and when the problem was last seen.
    let touch =
        Touch { camera: seen.camera.clone(), zone: seen.zone.clone(), last_seen: Timestamp(9_000), bbox: there };
    store.touch(&[(a.id(), touch.clone())]).await.expect("written");
    store
        .touch(&[(a.id(), Touch { last_seen: Timestamp(8_000), bbox: here, ..touch.clone() })])
        .await
        .expect("ignored");
    // So does one that nobody wrote down before, and one of a ticket that nobody has.
    let third = Touch { camera: "c".parse().expect("id"), ..touch };
    store.touch(&[(a.id(), third.clone()), (nobody, third)]).await.expect("written");
    let open = store.open_tickets().await.expect("read");
    let views: Vec<_> = open.iter().map(|t| (t.ticket, t.camera.as_str(), t.zone.as_str(), t.bbox)).collect();
    let of = |camera, zone, bbox| (a.id(), camera, zone, bbox);
    assert_eq!(views, [of("a", "z1", a.incident.bbox), of("b", "z9", there), of("c", "z9", there)]);
    assert_eq!(open.iter().map(|t| t.last_seen).collect::<Vec<_>>(), [Timestamp(9_000); 3]);
    clear(store, a.id(), 50_000, 40_000, &[], &[]).await.expect("cleared");
    assert_eq!(store.open_tickets().await.expect("read"), []);
    let cleared = store.cleared_tickets(Timestamp(0)).await.expect("read");
    assert_eq!(
        cleared.iter().map(|(t, at)| (t.camera.as_str(), at.0)).collect::<Vec<_>>(),
        [("a", 50_000), ("b", 50_000), ("c", 50_000)]
    );
}

#[tokio::test]
async fn what_only_the_view_told_of_is_remembered_with_its_shape() {
    let Temp { store, .. } = &temp().await;
    let standing = Label::new(domain::STANDING);
    let mut heap = ticket("a", 1_000);
    let thing = &mut heap.incident.things[0];
    thing.mask = Some(Mask::new(4, 4, |column, row| column <= row));
    (thing.class, thing.group) = (standing.clone(), standing);
    let named = ticket("b", 2_000);
    let seen = SeenFrom {
        camera: "c".parse().expect("id"),
        zone: "z9".parse().expect("id"),
        bbox: Rect::from([0.5, 0.5, 0.75, 0.75]),
        first_seen: Timestamp(2_000),
        last_seen: Timestamp(3_000),
    };
    for ticket in [&heap, &named] {
        store.open_ticket(ticket, &[]).await.expect("written");
        store.join_view(ticket.id(), &seen, &[], &[]).await.expect("written");
    }
    let open = store.open_tickets().await.expect("read");
    let [own, of_other, named @ ..] = &open[..] else { panic!("four views: {open:?}") };
    assert_eq!(own.standing, heap.incident.things);
    assert_eq!(of_other.standing.iter().map(|d| (d.bbox, &d.mask)).collect::<Vec<_>>(), [(seen.bbox, &None)]);
    assert!(named.len() == 2 && named.iter().all(|ticket| ticket.standing.is_empty()));
    clear(store, heap.id(), 50_000, 40_000, &[], &[]).await.expect("cleared");
    let cleared = store.cleared_tickets(Timestamp(0)).await.expect("read");
    assert_eq!(cleared[0].0.standing, heap.incident.things);
}

#[tokio::test]
async fn a_day_tells_of_what_stood_on_it_whenever_that_was_found() {
    const DAY: i64 = 86_400_000;
    let Temp { store, .. } = &temp().await;
    let at = |day: i64| day * DAY + 1_000;
    let names = ["older", "older and gone before", "older and gone that day", "older and closed before"];
    let older: Vec<_> = names.iter().map(|name| ticket(&name.replace(' ', "-"), at(1))).collect();
    let (today, rejected, tomorrow) =
        (ticket("today", at(3)), ticket("rejected", at(3) + 1), ticket("tomorrow", at(4)));
    for ticket in older.iter().chain([&today, &rejected, &tomorrow]) {
        store.open_ticket(ticket, &[]).await.expect("written");
    }
    clear(store, older[1].id(), at(2), at(2), &[], &[]).await.expect("cleared");
    clear(store, older[2].id(), at(3) + 5, at(3), &[], &[]).await.expect("cleared");
    hear(store, "1", older[3].id(), at(2), verdict(VerdictKind::Closed, at(2))).await;
    hear(store, "2", rejected.id(), at(3) + 9, verdict(VerdictKind::Rejected, at(3) + 9)).await;
    let seen = SeenFrom {
        camera: "b".parse().expect("id"),
        zone: "z9".parse().expect("id"),
        bbox: today.incident.bbox,
        first_seen: Timestamp(at(3)),
        last_seen: Timestamp(at(3)),
    };
    store.join_view(today.id(), &seen, &[], &[]).await.expect("written");
    let sighted = store.tickets_sighted(Timestamp(3 * DAY), Timestamp(4 * DAY)).await.expect("read");
    let cameras: Vec<Vec<&str>> =
        sighted.iter().map(|ticket| ticket.cameras.iter().map(CameraId::as_str).collect()).collect();
    let found: Vec<_> = sighted.iter().map(|ticket| ticket.ticket).collect();
    let mut stood = [&older[0], &older[2], &today].map(Ticket::id);
    stood[..2].sort_unstable();
    assert_eq!(found, stood, "{cameras:?}");
    assert_eq!(cameras[2], ["today", "b"]);
}

#[tokio::test]
async fn a_touch_moves_forward_only_and_evidence_can_be_added() {
    let Temp { store, .. } = &temp().await;
    let a = ticket("a", 1_000);
    store.open_ticket(&a, &[]).await.expect("written");
    let there = Rect::from([0.5, 0.5, 0.75, 0.75]);
    let (camera, zone) = (a.incident.camera.clone(), a.incident.zone.clone());
    let touch = |at: i64, bbox| {
        let (camera, zone) = (camera.clone(), zone.clone());
        (a.id(), Touch { camera, zone, last_seen: Timestamp(at), bbox })
    };
    store.touch(&[touch(9_000, there)]).await.expect("written");
    store.touch(&[touch(8_000, a.incident.bbox)]).await.expect("ignored");
    let open = store.open_tickets().await.expect("read");
    assert_eq!((open[0].last_seen, open[0].bbox), (Timestamp(9_000), there));
    let after = evidence(EvidenceRole::After, Rendition::Original);
    for _ in 0..2 {
        store.add_evidence(a.id(), std::slice::from_ref(&after), &[]).await.expect("written");
    }
    assert_eq!(store.ticket(a.id()).await.expect("read").expect("there").evidence.len(), 4);
    let nobody = TicketId::derive(Timestamp(1), b"no");
    assert!(
        matches!(store.add_evidence(nobody, &[after], &[]).await, Err(AlertsError::UnknownTicket(id)) if id == nobody)
    );
    assert_eq!(clear(store, nobody, 1, 1, &[], &[]).await.expect("read"), Ruled::Unknown);
}

#[tokio::test]
async fn a_newer_database_is_refused_and_a_damaged_row_named() {
    let Temp { store, database, folder: _folder } = temp().await;
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
    let error = Store::connect(database).await.expect_err("newer");
    assert!(matches!(error, AlertsError::NewerSchema { version: 99, .. }), "{error:?}");
}

/// The other half of the test below, run in a process of its own: writes tickets until it is killed.
#[tokio::test]
async fn writer_that_is_killed() {
    let Ok(place) = std::env::var("GRIDWATCH_TEST_KILLED_WRITER") else { return };
    let database = match place.strip_prefix("postgres:") {
        None => Database::File(place.into()),
        Some(_) => {
            let (url, password) = place.split_once(' ').expect("URL and password");
            Database::Server(Server {
                url: url.parse().expect("a URL"),
                password: Some(domain::Secret::new(password)),
                statement_timeout: Millis::secs(30),
            })
        }
    };
    let store = Store::connect(database).await.expect("opens");
    for at in 1_000_000.. {
        let t = ticket("gate-2", at);
        store.open_ticket(&t, &[picture_message("p"), ticket_message("t")]).await.expect("written");
        println!("written {}", t.id());
    }
}

#[tokio::test]
async fn what_was_written_outlives_a_kill() {
    let Temp { store, database, folder: _folder } = temp().await;
    store.close().await;
    let place = match &database {
        Database::File(path) => path.to_str().expect("text").to_owned(),
        Database::Server(Server { url, password, .. }) => {
            format!("{url} {}", password.as_ref().expect("a password").expose())
        }
    };
    let module = module_path!().split_once("::").expect("a module of the crate").1;
    let mut told = Vec::new();
    for tickets in [1, 7, 30] {
        let mut writer = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", &format!("{module}::writer_that_is_killed"), "--nocapture"])
            .env("GRIDWATCH_TEST_KILLED_WRITER", &place)
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

        let store = Store::connect(database.clone()).await.expect("opens after the kill");
        let mut messages: std::collections::HashMap<TicketId, usize> = std::collections::HashMap::new();
        for queued in store.outbox_next(0, u32::MAX).await.expect("read") {
            *messages.entry(queued.ticket.expect("a ticket's")).or_default() += 1;
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
    let Temp { store, .. } = &temp().await;
    assert_eq!(store.duty_list().await.expect("readable").versions().count(), 0);
    let item: crate::duty::DutyItem = serde_json::from_value(serde_json::json!({
        "id": "T-087", "kind": "lane.motor", "place": "310104007", "place_name": {"zh": "斜土路街道", "en": ""},
        "days": ["mon"], "hours": ["22:00-06:00"], "name": {"zh": "", "en": ""},
        "codes": [{"scheme": "CJT214-2007", "code": "05-05"}], "dept": {"zh": "交警", "en": "traffic police"},
        "copies": [], "steps": [{"zh": "拍照", "en": "photograph"}], "level": 4, "arrive": null, "solve": {"amount": 1.5, "unit": "work_hour"},
        "photos_open": 1, "photos_close": 2, "until": "2027-12-31",
    }))
    .expect("an item");
    let version =
        |version, day| crate::duty::ItemVersion { version, from: jiff::civil::date(2026, 11, day), item: item.clone() };
    let (first, second) = (version(1, 1), version(2, 24));
    store.add_duty_versions(std::slice::from_ref(&first), "a.csv", Timestamp(1)).await.expect("written");
    store.add_duty_versions(std::slice::from_ref(&second), "b.csv", Timestamp(2)).await.expect("written");
    let list = store.duty_list().await.expect("readable");
    assert_eq!(list.versions().cloned().collect::<Vec<_>>(), [first.clone(), second.clone()]);
    let imported = |version, at, file: &str| crate::duty::ImportedVersion {
        version,
        imported_at: Timestamp(at),
        source: file.to_owned(),
    };
    let history = [imported(first, 1, "a.csv"), imported(second.clone(), 2, "b.csv")];
    assert_eq!(store.duty_history("T-087").await.expect("readable"), history);
    assert_eq!(store.duty_history("T-08").await.expect("readable"), []);
    // A version is written once, and of an import that meets one nothing is.
    let third = version(3, 25);
    let error = store.add_duty_versions(&[third, second], "c.csv", Timestamp(3)).await.expect_err("taken");
    assert!(error.to_string().contains("version 2 of item T-087"), "{error}");
    assert_eq!(store.duty_list().await.expect("readable"), list);
}

fn verdict(kind: VerdictKind, at: i64) -> case::Event {
    let mut verdict = Verdict::new(kind, Timestamp(at));
    verdict.reason = kind.needs_reason().then(|| Reason::new("legal"));
    verdict.case_no = Some("2026-7".to_owned());
    case::Event::Said(verdict)
}

/// A message of the platform about a ticket.
async fn hear(store: &Store, id: &str, ticket: TicketId, now: i64, event: case::Event) -> Ruled {
    let origin = Origin { source: "/grid", id, topic: "grid/v1", payload: b"{}" };
    let ruling = Ruling { origin: Some(origin), ..Ruling::plain(ticket, Timestamp(now), event) };
    let following = vec![ticket_message(id)];
    store.rule(&ruling, |_, _| CaseMessages { following, ..CaseMessages::default() }).await.expect("written")
}

#[tokio::test]
async fn what_happens_to_a_case_is_written_with_its_history_and_messages() {
    let Temp { store, database, folder: _folder } = temp().await;
    let t = ticket("a", 1_000);
    store.open_ticket(&t, &[ticket_message("t")]).await.expect("written");
    let Ruled::Applied { ticket: now, .. } =
        hear(&store, "1", t.id(), 2_000, verdict(VerdictKind::Dispatched, 1_500)).await
    else {
        panic!("it is news");
    };
    assert_eq!((now.case.state(), now.case.case_no()), (State::Dispatched, Some("2026-7")));
    hear(&store, "2", t.id(), 3_000, verdict(VerdictKind::Rejected, 2_500)).await;
    store.close().await;
    let store = Store::connect(database).await.expect("opens again");
    let read = store.ticket(t.id()).await.expect("read").expect("there");
    assert_eq!((read.state, read.case.state()), (TicketState::Ended, State::Rejected));
    let history = store.history(t.id()).await.expect("read");
    let lines: Vec<_> = history.iter().map(|l| (l.number, l.change.to, l.change.by.to_string())).collect();
    let by = |who: &str| who.to_owned();
    assert_eq!(
        lines,
        [
            (1, State::Confirmed, by("rules")),
            (2, State::Filed, by("rules")),
            (3, State::Dispatched, by("platform")),
            (4, State::Rejected, by("platform")),
        ]
    );
    assert_eq!(history[3].change.reason, Some(Reason::new("legal")));
    let nobody = TicketId::derive(Timestamp(1), b"no");
    let times: Vec<_> = store.case_times(&[nobody, t.id()]).await.expect("read").into_iter().collect();
    assert_eq!(times, [(t.id(), CaseTimes { dispatched_at: Some(Timestamp(1_500)), closed_at: None })]);
    assert_eq!((history[3].change.at, history[3].change.decided_at), (Timestamp(3_000), Some(Timestamp(2_500))));
    let topics: Vec<_> = store.outbox_next(0, 10).await.expect("read").into_iter().map(|q| q.message).collect();
    assert_eq!(topics, [ticket_message("t"), ticket_message("1"), ticket_message("2")]);
    let ended = store.ended_tickets(Timestamp(0)).await.expect("read");
    let ended: Vec<_> = ended.iter().map(|(t, ending, at)| (t.ticket, *ending, *at)).collect();
    assert_eq!(ended, [(t.id(), Ending::Rejected, Timestamp(3_000))]);
    assert_eq!(store.open_tickets().await.expect("read"), []);
    clear(&store, t.id(), 4_000, 3_500, &[], &[]).await.expect("its place is clear");
    assert_eq!(store.ended_tickets(Timestamp(0)).await.expect("read"), []);
}

#[tokio::test]
async fn a_message_counts_once_and_what_cannot_be_becomes_a_problem() {
    let Temp { store, .. } = &temp().await;
    let t = ticket("a", 1_000);
    store.open_ticket(&t, &[]).await.expect("written");
    let closed = || verdict(VerdictKind::Closed, 1_500);
    assert!(matches!(hear(store, "1", t.id(), 2_000, closed()).await, Ruled::Applied { .. }));
    let times = store.case_times(&[t.id()]).await.expect("read");
    assert_eq!(times[&t.id()], CaseTimes { dispatched_at: None, closed_at: Some(Timestamp(1_500)) });
    assert_eq!(hear(store, "1", t.id(), 2_001, closed()).await, Ruled::Repeated);
    assert_eq!(hear(store, "2", t.id(), 2_002, closed()).await, Ruled::Nothing);
    let refused = hear(store, "3", t.id(), 2_003, verdict(VerdictKind::Handling, 1_600)).await;
    assert_eq!(refused, Ruled::Refused(case::Refusal::Ended));
    assert_eq!(hear(store, "3", t.id(), 2_004, verdict(VerdictKind::Handling, 1_600)).await, Ruled::Repeated);
    let nobody = TicketId::derive(Timestamp(1), b"no");
    assert_eq!(hear(store, "4", nobody, 2_005, closed()).await, Ruled::Unknown);
    let fault = Fault { reason: "not_json", message: "no JSON".to_owned() };
    store.add_problem(&Problem::of("grid/v1/x", &[0xff; 5_000], fault, Timestamp(2_006))).await.expect("written");

    let reasons = |problems: Vec<(i64, Problem)>| {
        problems.into_iter().map(|(number, problem)| (number, problem.reason)).collect::<Vec<_>>()
    };
    let expect = [(1, "case_ended"), (2, "unknown_ticket"), (3, "not_json")].map(|(n, r)| (n, r.to_owned()));
    assert_eq!(reasons(store.problems_untold(0, 10).await.expect("read")), expect);
    assert_eq!(store.problems(None, 1).await.expect("read")[0].1.payload, vec![0xff; 2_048]);
    let before: Vec<_> = store.problems(Some(3), 10).await.expect("read").into_iter().map(|(n, _)| n).collect();
    assert_eq!(before, [2, 1]);
    let counted = async |since| store.problem_count(Timestamp(since)).await.expect("read");
    assert_eq!((counted(0).await, counted(2_005).await, counted(2_007).await), (3, 2, 0));
    store.problems_told(&[1, 3], Timestamp(9)).await.expect("written");
    assert_eq!(reasons(store.problems_untold(0, 10).await.expect("read")), expect[1..2]);
    // What was not told stays, and so does the newest one, from which the numbers count on.
    assert_eq!(store.remove_problems(Timestamp(9_000), 10).await.expect("removed"), 1);
    assert_eq!(reasons(store.problems(None, 10).await.expect("read")), [expect[2].clone(), expect[1].clone()]);
    assert_eq!(store.history(t.id()).await.expect("read").len(), 3);
}

#[tokio::test]
async fn an_unanswered_ticket_is_sent_again_until_it_is_answered() {
    let Temp { store, .. } = &temp().await;
    let resend = Resend { within: Millis(100), longest: Millis(1_000) };
    let again = async |now: i64| store.resend_unanswered(Timestamp(now), resend).await.expect("written");
    let t = ticket("a", 1_000);
    store.open_ticket(&t, &[picture_message("p"), ticket_message("t")]).await.expect("written");
    assert_eq!(again(9_000).await, Resent { tickets: 0, unanswered: 0 });
    let send = async |at: i64| {
        let queued = store.outbox_next(0, 10).await.expect("read");
        let seqs: Vec<_> = queued.iter().map(|q| q.seq).collect();
        store.outbox_sent(&seqs, Timestamp(at)).await.expect("written");
        queued.into_iter().map(|q| q.message).collect::<Vec<_>>()
    };
    assert_eq!(send(10_000).await.len(), 2);
    assert_eq!(again(10_099).await, Resent { tickets: 0, unanswered: 0 });
    assert_eq!(again(10_100).await, Resent { tickets: 1, unanswered: 1 });
    assert_eq!(again(99_000).await.tickets, 0, "not while one is on its way");
    assert_eq!(send(10_101).await, [ticket_message("t")]);
    assert_eq!(again(10_101).await.tickets, 0, "the pause has grown");
    assert_eq!(again(10_300).await.tickets, 1);
    assert_eq!(send(10_301).await, [picture_message("p"), ticket_message("t")]);
    // The clock is set back by far more than the longest pause.
    assert_eq!(again(500).await.tickets, 1);
    assert_eq!(send(501).await.len(), 2);
    assert_eq!(store.counts().await.expect("read").unacknowledged, 1);
    hear(store, "1", t.id(), 600, case::Event::Acknowledged { answer: case::Answer::Accepted, case_no: None }).await;
    assert_eq!(again(99_000).await, Resent { tickets: 0, unanswered: 0 });
    let delivered = store.ticket(t.id()).await.expect("read").expect("there").delivered_at;
    assert_eq!(delivered, Some(Timestamp(10_000)), "a resend does not change when it was delivered");
}

#[tokio::test]
async fn what_waits_for_a_review_is_not_due_at_the_platform() {
    let Temp { store, .. } = &temp().await;
    let mut t = ticket("a", 1_000);
    t.case = case::Case::begin(t.incident.confirmed_at, Some(Timestamp(9_000))).0;
    store.open_ticket(&t, &[ticket_message("state")]).await.expect("written");
    assert_eq!(store.ticket(t.id()).await.expect("read"), Some(t.clone()));
    let counts = store.counts().await.expect("read");
    assert_eq!((counts.open, counts.pending_review, counts.undelivered), (1, 1, 0));
    assert_eq!(store.reviews().await.expect("read"), [(t.id(), Timestamp(9_000))]);
    let filter = TicketFilter { case: Some(State::PendingReview), ..Default::default() };
    assert_eq!(store.tickets(&filter).await.expect("read").len(), 1);
    let seqs: Vec<_> = store.outbox_next(0, 10).await.expect("read").iter().map(|q| q.seq).collect();
    store.outbox_sent(&seqs, Timestamp(1_100)).await.expect("written");
    assert_eq!(store.ticket(t.id()).await.expect("read").expect("there").delivered_at, None);
    let yes = case::Event::Reviewed { judgement: Judgement::Confirmed, by: "李四".to_owned() };
    let ruling = Ruling::plain(t.id(), Timestamp(2_000), yes);
    let ruled = store.rule(&ruling, |_, effects| {
        assert!(effects.contains(&(3, case::Effect::Submit)));
        CaseMessages { opening: vec![ticket_message("t")], following: vec![ticket_message("state 2")] }
    });
    assert!(matches!(ruled.await.expect("written"), Ruled::Applied { .. }));
    assert_eq!(store.counts().await.expect("read").undelivered, 1);
    let queued = store.outbox_next(0, 10).await.expect("read");
    store.outbox_sent(&[queued[0].seq], Timestamp(2_100)).await.expect("written");
    assert_eq!(store.ticket(t.id()).await.expect("read").expect("there").delivered_at, Some(Timestamp(2_100)));
    assert_eq!(store.reviews().await.expect("read"), []);
}

#[tokio::test]
async fn what_sensors_said_is_remembered_and_their_cases_are_finished() {
    use crate::{
        incident::Sensed,
        sensor::{Memory, Noted},
        service::SensedCase,
    };
    let Temp { store, .. } = &temp().await;
    let t = ticket("bin-1", 1_000_000);
    let noted = |at, value| Noted { at: Timestamp(at), value };
    let device: domain::DeviceId = "bin-1".parse().expect("id");
    let mut case = SensedCase {
        incident: t.incident.clone(),
        camera: t.camera.clone(),
        zone: t.zone.clone(),
        joins: Vec::new(),
        ground: None,
        look_at: None,
        review: None,
    };
    case.incident.sensed = Some(Box::new(Sensed {
        device: device.clone(),
        name: String::new(),
        measure: "fill".to_owned(),
        unit: "%".to_owned(),
        readings: vec![noted(1, 93.5)],
    }));
    let mut memory = Memory::default();
    memory.latest.insert("fill".to_owned(), noted(2, 94.0));
    let batch = SensorBatch {
        memories: [(device.clone(), memory.clone())].into(),
        readings: vec![
            (device.clone(), "fill".to_owned(), noted(1, 93.5)),
            (device.clone(), "fill".to_owned(), noted(2, 94.0)),
        ],
        opened: vec![case.clone()],
        cleared: Vec::new(),
    };
    // A batch that is written again after a failure changes nothing.
    for _ in 0..2 {
        store.write_sensors(&batch).await.expect("written");
    }
    assert_eq!(store.sensor_memories().await.expect("read"), [(device.clone(), memory)]);
    let newest = store.sensor_readings(&device, 1).await.expect("read");
    assert_eq!(newest, [("fill".to_owned(), noted(2, 94.0))]);
    let unfinished = store.unfinished_sensor_cases().await.expect("read");
    assert_eq!(unfinished.len(), 1);
    assert_eq!((&unfinished[0].opening, unfinished[0].is_open, unfinished[0].cleared), (&case, false, None));
    let written = Ticket { incident: case.incident, ..t };
    store.open_ticket(&written, &[]).await.expect("written");
    assert_eq!(store.ticket(written.id()).await.expect("read"), Some(written.clone()));
    assert_eq!(store.unfinished_sensor_cases().await.expect("read"), []);
    assert_eq!(store.open_tickets().await.expect("read"), [], "looks know nothing of it");
    let (cleared_at, last_seen) = (Timestamp(1_200_000), Timestamp(1_100_000));
    let over = SensorBatch { cleared: vec![(written.id(), cleared_at, last_seen)], ..SensorBatch::default() };
    store.write_sensors(&over).await.expect("written");
    let unfinished = store.unfinished_sensor_cases().await.expect("read");
    assert_eq!((unfinished[0].is_open, unfinished[0].cleared), (true, Some((cleared_at, last_seen))));
    clear(store, written.id(), cleared_at.0, last_seen.0, &[], &[]).await.expect("written");
    assert_eq!(store.unfinished_sensor_cases().await.expect("read"), []);
    assert_eq!(store.cleared_tickets(Timestamp(0)).await.expect("read"), []);
    store.forget_sensor_readings(Timestamp(2), Timestamp(1_300_000)).await.expect("written");
    assert_eq!(store.sensor_readings(&device, 9).await.expect("read").len(), 1);
    assert_eq!(store.cleared_tickets(Timestamp(0)).await.expect("read").len(), 1, "its case is forgotten");
}

#[tokio::test]
async fn where_the_broker_holds_states_is_known_after_a_restart() {
    let Temp { store, database, folder: _folder } = temp().await;
    let topics = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    store.note_retained(&topics(&["b", "a"])).await.expect("written");
    store.note_retained(&topics(&["b", "c"])).await.expect("written");
    store.close().await;
    let store = Store::connect(database).await.expect("opens again");
    assert_eq!(store.retained_topics().await.expect("read"), ["a", "b", "c"]);
    store.forget_retained(&topics(&["a", "never"])).await.expect("written");
    assert_eq!(store.retained_topics().await.expect("read"), ["b", "c"]);
}

#[tokio::test]
async fn a_case_of_a_sensor_may_be_part_of_a_camera_s_ticket() {
    use crate::{incident::Sensed, service::SensedCase};
    let Temp { store, .. } = &temp().await;
    let t = ticket("gate-2", 1_000_000);
    store.open_ticket(&t, &[]).await.expect("written");
    let device: domain::DeviceId = "bay-1".parse().expect("id");
    let own = TicketId::derive(Timestamp(1_100_000), b"bay-1");
    let sensed = Sensed {
        device: device.clone(),
        name: String::new(),
        measure: "parking".to_owned(),
        unit: String::new(),
        readings: Vec::new(),
    };
    let incident =
        crate::incident::Incident { ticket: own, sensed: Some(Box::new(sensed.clone())), ..t.incident.clone() };
    let (camera, zone) = (t.camera.clone(), t.zone.clone());
    let case = SensedCase { incident, camera, zone, joins: Vec::new(), ground: None, look_at: None, review: None };
    let batch = SensorBatch { opened: vec![case], ..SensorBatch::default() };
    store.write_sensors(&batch).await.expect("written");
    assert_eq!(store.unfinished_sensor_cases().await.expect("read").len(), 1, "told again until it is known");
    assert_eq!(store.standing_sensor_cases().await.expect("read"), []);

    for _ in 0..2 {
        store
            .join_sensor(
                own,
                t.id(),
                &[evidence(EvidenceRole::StillThere, Rendition::Clean)],
                &[ticket_message("sensor")],
            )
            .await
            .expect("written");
    }
    assert_eq!(store.unfinished_sensor_cases().await.expect("read"), []);
    assert_eq!(store.joined_sensors(t.id()).await.expect("read"), [sensed]);
    let standing = |store: Store| async move { store.standing_sensor_cases().await.expect("read") };
    let [stand] = &standing(store.clone()).await[..] else { panic!("one") };
    assert_eq!((&stand.place.device, stand.place.ticket, stand.ticket), (&device, own, t.id()));
    assert_eq!((stand.is_over, stand.is_cleared, stand.ending), (false, false, None));
    let open = store.open_tickets().await.expect("read");
    assert_eq!(open.iter().map(|t| t.ticket).collect::<Vec<_>>(), [t.id()], "the camera watches its own");

    // Its readings end it first: the camera decides, also after a restart.
    let over = (own, Timestamp(1_300_000), Timestamp(1_200_000));
    store.write_sensors(&SensorBatch { cleared: vec![over], ..SensorBatch::default() }).await.expect("written");
    let [stand] = &standing(store.clone()).await[..] else { panic!("one") };
    assert_eq!((stand.is_over, stand.last_held), (true, Timestamp(1_200_000)));
    hear(store, "1", t.id(), 1_400_000, case::Event::Said(Verdict::new(VerdictKind::Closed, Timestamp(1_400_000))))
        .await;
    assert_eq!(
        store.ended_sensor_cases().await.expect("read"),
        [(own, Ending::Closed, Timestamp(1_400_000))],
        "the device hears of it by its own case"
    );
    assert_eq!(standing(store.clone()).await[0].ending, Some(Ending::Closed));
    clear(store, t.id(), 1_500_000, 1_200_000, &[], &[]).await.expect("written");
    assert_eq!(standing(store.clone()).await, []);
    store.forget_sensor_readings(Timestamp(2), Timestamp(1_600_000)).await.expect("written");
    assert_eq!(store.joined_sensors(t.id()).await.expect("read"), []);
}
