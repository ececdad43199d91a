//! What only a file can do: be something else, be unwritable, be full.

use std::fs;

use domain::Timestamp;

use super::{
    fixture::{Temp, ticket, ticket_message},
    *,
};
use crate::ticket::{Body, OutgoingMessage};

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
async fn a_full_disk_is_named_and_what_was_written_stays() {
    let Temp { store, .. } = &Temp::on_sqlite().await;
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
    let Temp { store, .. } = &Temp::on_sqlite().await;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.writer).await.expect("read");
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&store.writer).await.expect("read");
    assert_eq!((mode.as_str(), synchronous), ("wal", 2));
}

#[tokio::test]
async fn no_list_reads_the_whole_table() {
    let Temp { store, .. } = &Temp::on_sqlite().await;
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

#[tokio::test]
async fn figures_read_no_more_than_their_period() {
    let Temp { store, .. } = &Temp::on_sqlite().await;
    let all = Scope { from: Timestamp(0), to: Timestamp(9), kind: None, street: None };
    let kind = Scope { kind: Some("lane.motor".parse().expect("kind")), ..all.clone() };
    let street = Scope { street: Some("310104007".to_owned()), ..all.clone() };
    for scope in [&all, &kind, &street] {
        let query = figures::facts_query(sql::Sql::new("EXPLAIN QUERY PLAN "), scope);
        let rows = query.query().fetch_all(&store.readers).await.expect("explained");
        let plan: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, "detail")).collect();
        assert!(!plan.iter().any(|step| step.contains("SCAN case_facts")), "{scope:?}: {plan:#?}");
    }
}

#[tokio::test]
async fn all_that_belongs_to_a_ticket_goes_with_it() {
    let Temp { store, .. } = &Temp::on_sqlite().await;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%REFERENCES tickets%'")
            .fetch_all(&store.readers)
            .await
            .expect("read");
    for table in &tables {
        let removed = retention::BELONGINGS.iter().any(|sql| sql.contains(&format!(" {table} ")));
        assert!(removed, "{table} names tickets and is not in retention's BELONGINGS");
    }
    assert_eq!(tables.len(), retention::BELONGINGS.len());
}
