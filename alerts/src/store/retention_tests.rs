//! What expires and what stays, on either database.

use domain::{Kind, Sha256, Timestamp};

use super::super::{
    fixture::{Temp, picture_message, ticket, ticket_message},
    *,
};
use crate::{
    case::{Case, Event, Judgement, Reason},
    ticket::Ticket,
    wire::CaseMessages,
};

async fn temp() -> Temp {
    Temp::of(module_path!()).await
}

/// Puts an end to a ticket's life, as the platform does; it was filed and delivered before.
async fn end(store: &Store, ticket: &Ticket, at: i64) {
    sqlx::query("UPDATE tickets SET state = 'cleared', filed_at = 1, delivered_at = 1, ended_at = $1 WHERE id = $2")
        .bind(at)
        .bind(ticket.id().to_string())
        .execute(&store.writer)
        .await
        .expect("ended");
}

async fn send_all(store: &Store, at: i64) {
    let seqs: Vec<_> = store.outbox_next(0, 1_000).await.expect("read").iter().map(|q| q.seq).collect();
    store.outbox_sent(&seqs, Timestamp(at)).await.expect("written");
}

#[tokio::test]
async fn an_expired_ticket_goes_with_its_rows_unless_it_is_held_or_waits() {
    let Temp { store, .. } = &temp().await;
    let [old, held, waiting, young, standing] =
        ["old", "held", "waiting", "young", "standing"].map(|c| ticket(c, 1_000));
    for t in [&old, &held, &young, &standing] {
        store.open_ticket(t, &[picture_message("p"), ticket_message("t")]).await.expect("written");
    }
    send_all(store, 5).await;
    store.open_ticket(&waiting, &[ticket_message("waits")]).await.expect("written");
    for (t, at) in [(&old, 10), (&held, 10), (&waiting, 10), (&young, 30)] {
        end(store, t, at).await;
    }
    assert!(store.hold(held.id(), "法务 Wang", "lawsuit 12/2026", Timestamp(11)).await.expect("held"));
    let expired = Expired::Ended(Timestamp(20));
    let kind: Kind = "lane.motor".parse().expect("kind");
    let others = store.remove_tickets(Kinds::AllBut(&[&kind]), expired, 10).await.expect("removed");
    assert_eq!(others, Removed::default());
    let removed = store.remove_tickets(Kinds::Only(&kind), expired, 10).await.expect("removed");
    assert_eq!(removed.tickets, [old.id()]);
    assert_eq!(removed.evidence.len(), 3);
    // The tickets of this test share their pictures.
    assert_eq!(store.unnamed(removed.evidence.clone()).await.expect("read"), []);
    let nobodys = Sha256::of(b"nobody's");
    assert_eq!(store.unnamed(vec![removed.evidence[0], nobodys]).await.expect("read"), [nobodys]);
    assert_eq!(store.ticket(old.id()).await.expect("read"), None);
    for t in [&held, &waiting, &young, &standing] {
        assert!(store.ticket(t.id()).await.expect("read").is_some());
    }

    assert!(store.release(held.id(), "法务 Wang", "settled", Timestamp(40)).await.expect("released"));
    let removed = store.remove_tickets(Kinds::AllBut(&[]), expired, 10).await.expect("removed");
    assert_eq!(removed.tickets, [held.id()]);
}

#[tokio::test]
async fn a_hold_tells_who_when_and_why_also_after_its_ticket() {
    let Temp { store, .. } = &temp().await;
    let t = ticket("a", 1_000);
    let nobody = store.hold(t.id(), "Wang", "audit", Timestamp(1)).await.expect_err("no such ticket");
    assert!(matches!(nobody, AlertsError::UnknownTicket(id) if id == t.id()));
    store.open_ticket(&t, &[]).await.expect("written");
    assert!(!store.release(t.id(), "Wang", "never held", Timestamp(1)).await.expect("nothing to release"));
    assert!(store.hold(t.id(), "Wang", "audit", Timestamp(50)).await.expect("held"));
    assert!(!store.hold(t.id(), "Li", "audit too", Timestamp(51)).await.expect("held already"));
    assert_eq!(store.held().await.expect("read"), 1);
    assert!(store.release(t.id(), "Li", "done", Timestamp(60)).await.expect("released"));
    // The clock has stepped back meanwhile.
    assert!(store.hold(t.id(), "Zhao", "again", Timestamp(7)).await.expect("held"));
    assert!(store.release(t.id(), "Zhao", "over", Timestamp(8)).await.expect("released"));
    end(store, &t, 10).await;
    let removed = store.remove_tickets(Kinds::AllBut(&[]), Expired::Ended(Timestamp(20)), 10).await.expect("removed");
    assert_eq!(removed.tickets, [t.id()]);
    let holds = store.holds(t.id()).await.expect("read");
    let line = |hold: &Hold| {
        let release = hold.released.clone().expect("released");
        (hold.at.0, hold.by.clone(), hold.reason.clone(), release.at.0, release.by, release.reason)
    };
    let text = |words: [&str; 4]| words.map(str::to_owned);
    let [wang, audit, li, done] = text(["Wang", "audit", "Li", "done"]);
    let [zhao, again, zhao_too, over] = text(["Zhao", "again", "Zhao", "over"]);
    assert_eq!(
        holds.iter().map(line).collect::<Vec<_>>(),
        [(50, wang, audit, 60, li, done), (51, zhao, again, 8, zhao_too, over)]
    );
}

#[tokio::test]
async fn a_lead_that_was_never_filed_goes_by_its_own_time() {
    let Temp { store, .. } = &temp().await;
    let [gone, standing, filed, mut judged] = ["gone", "standing", "filed", "judged"].map(|c| ticket(c, 1_000));
    judged.case = Case::begin(Timestamp(1_000), Some(Timestamp(9_000))).0;
    for t in [&gone, &standing, &filed, &judged] {
        store.open_ticket(t, &[]).await.expect("written");
    }
    let no = Judgement::Rejected(Reason::new("not_a_case"));
    let ruling = Ruling::plain(judged.id(), Timestamp(500), Event::Reviewed { judgement: no, by: "Li".to_owned() });
    let ruled = store.rule(&ruling, |_, _| CaseMessages::default()).await.expect("written");
    assert!(matches!(ruled, Ruled::Applied { .. }), "{ruled:?}");
    sqlx::query(
        "UPDATE tickets SET filed_at = NULL, state = CASE WHEN camera IN ('gone', 'judged') THEN 'cleared' ELSE state END \
         WHERE camera <> 'filed'",
    )
        .execute(&store.writer)
        .await
        .expect("leads");
    sqlx::query("UPDATE tickets SET filed_at = 1 WHERE camera = 'filed'").execute(&store.writer).await.expect("filed");
    let expired = |at| Expired::Unfiled(Timestamp(at));
    let none = store.remove_tickets(Kinds::AllBut(&[]), expired(1_000), 10).await.expect("removed");
    assert_eq!(none.tickets, []);
    let removed = store.remove_tickets(Kinds::AllBut(&[]), expired(1_001), 10).await.expect("removed");
    assert_eq!(removed.tickets, [gone.id()]);
    // What somebody judged is a label, and is kept as long as what ended.
    let ended = |at| Expired::Ended(Timestamp(at));
    assert_eq!(store.remove_tickets(Kinds::AllBut(&[]), ended(500), 10).await.expect("removed").tickets, []);
    let removed = store.remove_tickets(Kinds::AllBut(&[]), ended(501), 10).await.expect("removed");
    assert_eq!(removed.tickets, [judged.id()]);
}

#[tokio::test]
async fn sent_messages_go_in_batches_and_their_numbers_are_not_given_again() {
    let Temp { store, .. } = &temp().await;
    let [a, b, held] = ["a", "b", "held"].map(|c| ticket(c, 1_000));
    for t in [&a, &b, &held] {
        store.open_ticket(t, &[picture_message("p"), ticket_message("t")]).await.expect("written");
        sqlx::query("UPDATE tickets SET filed_at = 1").execute(&store.writer).await.expect("filed");
    }
    store.hold(held.id(), "Wang", "audit", Timestamp(1)).await.expect("held");
    // Half of the second ticket's messages are sent only: the broker does not have it.
    store.outbox_sent(&[1, 2, 3, 5, 6], Timestamp(10)).await.expect("written");
    assert_eq!(store.remove_sent_messages(Timestamp(10), 100).await.expect("removed"), 0);
    assert_eq!(store.remove_sent_messages(Timestamp(11), 1).await.expect("removed"), 1);
    assert_eq!(store.remove_sent_messages(Timestamp(11), 100).await.expect("removed"), 1);
    store.outbox_sent(&[4], Timestamp(10)).await.expect("written");
    store.release(held.id(), "Wang", "done", Timestamp(1)).await.expect("released");
    // All but the newest, from which the numbers count on.
    assert_eq!(store.remove_sent_messages(Timestamp(11), 100).await.expect("removed"), 3);
    store.open_ticket(&ticket("c", 2_000), &[ticket_message("c")]).await.expect("written");
    assert_eq!(store.outbox_next(6, 10).await.expect("read").iter().map(|q| q.seq).collect::<Vec<_>>(), [7]);
}

#[tokio::test]
async fn a_clock_that_steps_back_and_forth_changes_no_order_and_loses_nothing() {
    let Temp { store, .. } = &temp().await;
    let moments = [5_000, 9_000_000_000_000, 1_000, 5_001, 0];
    for at in moments {
        store.open_ticket(&ticket("a", at), &[ticket_message(&at.to_string())]).await.expect("written");
    }
    let queued = store.outbox_next(0, 10).await.expect("read");
    let order: Vec<i64> =
        queued.iter().map(|q| q.message.topic.rsplit('/').next().expect("some").parse().expect("a number")).collect();
    assert_eq!(order, moments);
    for (q, at) in queued.iter().zip([700, 100, 9_000_000_000_000, 1, 1]) {
        store.outbox_sent(&[q.seq], Timestamp(at)).await.expect("written");
    }
    let counts = store.counts().await.expect("read");
    assert_eq!((counts.open, counts.undelivered, counts.queued_messages), (5, 0, 0));
}
