//! What only a server can do: be away, refuse, and be shared.

use domain::{Millis, Secret, Timestamp};

use super::{
    fixture::{Temp, ticket, ticket_message},
    server::PostgresServer,
    *,
};

fn server_of(database: &Database) -> Server {
    match database {
        Database::Server(server) => server.clone(),
        Database::File(path) => panic!("{} is no server", path.display()),
    }
}

#[tokio::test]
async fn a_refusal_names_host_and_database_and_no_password() {
    let Temp { database, .. } = Temp::on_postgres().await;
    let right = server_of(&database);
    let wrong_password = Server { password: Some(Secret::new("hunter2")), ..right.clone() };
    let mut wrong_name = right.clone();
    wrong_name.url.set_path("/no_such_database");
    let mut nobody_there = right.clone();
    nobody_there.url.set_port(Some(1)).expect("a port");
    for (server, part) in [
        (wrong_password, "database.password_file"),
        (wrong_name, "createdb"),
        (nobody_there, "see whether it runs and is reachable"),
    ] {
        let database = Database::Server(server);
        let error = Store::connect(database.clone()).await.expect_err("refused");
        let text = format!("{error} {error:?}");
        assert!(text.contains(part) && text.contains(&database.to_string()), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("secret"), "{text}");
    }
    let store = Store::connect(database).await.expect("connects");
    assert!(!format!("{store:?}").contains("secret"));
}

#[tokio::test]
async fn one_process_at_a_time_gets_the_outbox() {
    let Temp { store, database, .. } = Temp::on_postgres().await;
    let other = Store::connect(database.clone()).await.expect("connects");
    let a = ticket("a", 1_000);
    other.open_ticket(&a, &[ticket_message("a")]).await.expect("anyone may write");
    store.claim_outbox().await.expect("free");
    let error = other.outbox_next(0, 10).await.expect_err("taken");
    assert!(matches!(error, AlertsError::OutboxTaken { .. }), "{error:?}");
    assert!(error.to_string().contains("gridwatch at 127.0.0.1"), "{error}");
    assert_eq!(store.outbox_next(0, 10).await.expect("read").len(), 1);
    store.close().await;
    // The server notices the end of a session by itself, a moment later.
    loop {
        match other.outbox_next(0, 10).await {
            Ok(queued) => break assert_eq!(queued.len(), 1),
            Err(AlertsError::OutboxTaken { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_was_killed_is_found_again_with_all_that_was_written() {
    let server = PostgresServer::start();
    let store = Store::connect(Database::Server(server.database())).await.expect("connects");
    let (a, b) = (ticket("a", 1_000), ticket("b", 2_000));
    store.open_ticket(&a, &[ticket_message("a")]).await.expect("written");
    assert_eq!(store.outbox_next(0, 10).await.expect("read").len(), 1);
    server.kill();
    for error in [
        store.open_ticket(&b, &[ticket_message("b")]).await.expect_err("away"),
        store.outbox_next(0, 10).await.expect_err("away"),
        store.counts().await.expect_err("away"),
    ] {
        assert!(matches!(error, AlertsError::DatabaseAway { .. }), "{error:?}");
    }
    server.resume();
    assert_eq!(store.open_ticket(&b, &[ticket_message("b")]).await.expect("written"), Opened::New);
    assert_eq!(store.outbox_next(0, 10).await.expect("read").len(), 2);
    let queued = store.counts().await.expect("read").queued_messages;
    assert_eq!(queued, 2);
}

/// A server whose processes all stop where they are, as on a machine that hangs: its kernel takes in what is sent.
#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_loses_and_doubles_nothing() {
    let server = PostgresServer::start();
    let hasty = Server { statement_timeout: Millis::secs(1), ..server.database() };
    let store = Store::connect(Database::Server(hasty)).await.expect("connects");
    let (a, b) = (ticket("a", 1_000), ticket("b", 2_000));
    store.open_ticket(&a, &[ticket_message("a")]).await.expect("written");
    assert_eq!(store.outbox_next(0, 10).await.expect("read").len(), 1);
    let mut under_way = store.snapshot("read").await.expect("begun");
    let frozen = server.freeze();
    let messages = [ticket_message("b")];
    let statement = sqlx::query("SELECT 1").execute(&mut under_way);
    let (written, queued, counted, answered) =
        tokio::join!(store.open_ticket(&b, &messages), store.outbox_next(0, 10), store.counts(), statement);
    assert!(matches!(answered, Err(sqlx::Error::Io(_))), "{answered:?}");
    drop(under_way);
    for error in [written.expect_err("hangs"), queued.expect_err("hangs"), counted.expect_err("hangs")] {
        assert!(matches!(error, AlertsError::DatabaseAway { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(server.password()), "{error:?}");
    }
    // What was given up holds no connection for ever: the next call fails by itself, too.
    let error = store.open_ticket(&b, &messages).await.expect_err("hangs still");
    assert!(matches!(error, AlertsError::DatabaseAway { .. }), "{error:?}");
    drop(frozen);
    // The server may be about to end what was given up.
    let opened = loop {
        match store.open_ticket(&b, &messages).await {
            Err(AlertsError::DatabaseAway { .. } | AlertsError::Database { .. }) => tokio::task::yield_now().await,
            done => break done.expect("written"),
        }
    };
    // Its first attempt may have been in time after all.
    assert!(matches!(opened, Opened::New | Opened::AlreadyThere));
    let queued = loop {
        match store.outbox_next(0, 10).await {
            // Until the server notices the end of the session that had the outbox.
            Err(AlertsError::OutboxTaken { .. } | AlertsError::DatabaseAway { .. }) => tokio::task::yield_now().await,
            done => break done.expect("read"),
        }
    };
    assert_eq!(queued.iter().map(|q| q.ticket).collect::<Vec<_>>(), [Some(a.id()), Some(b.id())], "each once");
    assert_eq!(store.counts().await.expect("read").open, 2);
}

/// One of the server's processes hangs, and the others go on.
#[tokio::test]
async fn a_connection_that_hangs_is_dropped_and_another_made() {
    let server = PostgresServer::start();
    let hasty = Server { statement_timeout: Millis::secs(1), ..server.database() };
    let store = Store::connect(Database::Server(hasty)).await.expect("connects");
    let backend: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&store.writer).await.expect("its process");
    while store.writer.num_idle() == 0 {
        tokio::task::yield_now().await;
    }
    let signal = |signal: &str| {
        let done = std::process::Command::new("kill").args([signal, &backend.to_string()]).status();
        assert!(done.expect("kill").success());
    };
    signal("-STOP");
    let a = ticket("a", 1_000);
    let error = store.open_ticket(&a, &[ticket_message("a")]).await.expect_err("hangs");
    assert!(matches!(error, AlertsError::DatabaseAway { .. }), "{error:?}");
    let opened = loop {
        match store.open_ticket(&a, &[ticket_message("a")]).await {
            Err(AlertsError::DatabaseAway { .. }) => tokio::task::yield_now().await,
            done => break done.expect("written while the other hangs"),
        }
    };
    assert_eq!(opened, Opened::New);
    signal("-CONT");
    assert_eq!(store.counts().await.expect("read").queued_messages, 1);
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_and_a_statement_not_for_ever() {
    let Temp { store, database, .. } = Temp::on_postgres().await;
    let setting = async |name: &'static str| -> String {
        let mut query = sql::Sql::new("SELECT current_setting(");
        query.bind(name).push(")");
        let row = query.query().fetch_one(&store.writer).await.expect("read");
        sqlx::Row::get(&row, 0)
    };
    assert_eq!(setting("synchronous_commit").await, "on");
    assert_eq!(setting("statement_timeout").await, "30s");
    assert_eq!(setting("lock_timeout").await, "5s");

    let hasty = Server { statement_timeout: Millis::secs(1), ..server_of(&database) };
    let store = Store::connect(Database::Server(hasty)).await.expect("connects");
    let error = sqlx::query("SELECT pg_sleep(600)").execute(&store.readers).await.expect_err("too long");
    assert!(error.to_string().contains("statement timeout"), "{error}");
}

#[tokio::test]
async fn a_full_disk_of_the_server_is_told_and_over_when_there_is_room() {
    let server = PostgresServer::shared();
    let place = server.database();
    let name = place.url.path().trim_start_matches('/').to_owned();
    let store = Store::connect(Database::Server(place)).await.expect("connects");
    // What the server says when it cannot make a file larger, said by a trigger.
    server.run_sql(
        &name,
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$; \
         CREATE TRIGGER no_room BEFORE INSERT ON outbox EXECUTE FUNCTION no_room()",
    );
    let a = ticket("a", 1_000);
    let full = store.full();
    let error = store.open_ticket(&a, &[ticket_message("a")]).await.expect_err("full");
    assert!(matches!(error, AlertsError::DatabaseFull { .. }), "{error:?}");
    full.notified().await;
    assert_eq!(store.ticket(a.id()).await.expect("read"), None);
    server.run_sql(&name, "DROP TRIGGER no_room ON outbox");
    assert_eq!(store.open_ticket(&a, &[ticket_message("a")]).await.expect("written"), Opened::New);
}

#[tokio::test]
async fn two_processes_that_write_keep_the_outbox_in_one_order() {
    let Temp { store, database, .. } = Temp::on_postgres().await;
    let other = Store::connect(database).await.expect("connects");
    let write = async |store: &Store, camera: &str| {
        for n in 0..20 {
            let t = ticket(camera, 1_000 + n);
            store.open_ticket(&t, &[ticket_message("1"), ticket_message("2")]).await.expect("written");
        }
    };
    tokio::join!(write(&store, "a"), write(&other, "b"));
    let queued = store.outbox_next(0, 100).await.expect("read");
    assert_eq!(queued.iter().map(|q| q.seq).collect::<Vec<_>>(), (1..=80).collect::<Vec<_>>());
    assert!(queued.chunks(2).all(|pair| pair[0].ticket == pair[1].ticket), "a ticket's messages lie apart");
    store.outbox_sent(&[1, 2], Timestamp(5)).await.expect("written");
    assert_eq!(store.counts().await.expect("read").undelivered, 39);
}

#[tokio::test]
async fn no_list_reads_or_sorts_the_whole_table() {
    let Temp { store, .. } = Temp::on_postgres().await;
    let mut connection = store.readers.acquire().await.expect("a connection");
    // On tables this small it would do so, were it not told what that costs.
    connection.execute("SET enable_seqscan = off").await.expect("set");
    for sql in [
        "EXPLAIN SELECT incident FROM tickets WHERE camera = 'x' ORDER BY confirmed_at DESC, id DESC LIMIT 9",
        "EXPLAIN SELECT incident FROM tickets WHERE state = 'open' ORDER BY confirmed_at, id",
        "EXPLAIN SELECT body FROM outbox WHERE seq > 5 AND sent_at IS NULL AND failed_at IS NULL ORDER BY seq LIMIT 9",
    ] {
        let plan: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *connection).await.expect("explained");
        let whole = plan.iter().any(|step| step.contains("Seq Scan") || step.contains("Sort"));
        assert!(!whole, "{sql}: {plan:#?}");
    }
    let scope = Scope {
        from: Timestamp(0),
        to: Timestamp(9),
        kind: Some("lane.motor".parse().expect("kind")),
        street: Some("310104007".to_owned()),
    };
    let query = figures::facts_query(sql::Sql::new("EXPLAIN "), &scope);
    let rows = query.query().fetch_all(&mut *connection).await.expect("explained");
    let plan: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    assert!(!plan.iter().any(|step| step.contains("Seq Scan")), "{plan:#?}");
}
