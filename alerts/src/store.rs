//! The database: tickets, what evidence they name, and the outbox that carries both to the broker.
//!
//! A ticket, its evidence and its messages are written in one transaction, or not at all, and are on disk when the
//! call returns (WAL, `synchronous=FULL`). Writing goes through one connection, so that the outbox's order is the order
//! of the commits; reading has connections of its own and never waits for a writer.
//!
//! The only place that knows `sqlx` and SQL.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Connection as _, SqlSafeStr as _, Sqlite, SqlitePool, Transaction,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::watch;

use crate::AlertsError;

mod duty;
mod outbox;
mod row;
#[cfg(test)]
mod tests;
mod tickets;

pub use outbox::Refused;
pub use tickets::{Counts, Opened, TicketFilter, Touch};

/// How long a writer waits for another process's transaction before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages are read by few people at a time.
const READERS: u32 = 4;

/// The database. Cheap to clone; all clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    path: Arc<Path>,
    writer: SqlitePool,
    readers: SqlitePool,
    outbox: watch::Sender<u64>,
}

fn migrations() -> Vec<Migration> {
    let scripts = [
        (1, "tickets", include_str!("../migrations/0001_tickets.sql")),
        (2, "duty", include_str!("../migrations/0002_duty.sql")),
    ];
    scripts
        .into_iter()
        .map(|(version, name, sql)| {
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect()
}

impl Store {
    /// Opens the database at `path`; creates it, and its folder, where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// When the folder or the file cannot be written, the file is no database, or a newer gridwatch has written it.
    pub async fn open(path: &Path) -> Result<Self, AlertsError> {
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tokio::fs::create_dir_all(folder)
            .await
            .map_err(|source| AlertsError::Folder { path: folder.to_owned(), source })?;
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT).foreign_keys(true);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .after_release(|connection, _| {
                Box::pin(async move {
                    // SQLite itself rolls a transaction back when the disk is full, and sqlx then believes that it is
                    // still in it: such a connection would refuse all that follows. The ping waits for a rollback
                    // under way.
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(
                options
                    .clone()
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full),
            )
            .await
            .map_err(|error| on_open(path, error))?;
        Migrator::with_migrations(migrations()).run(&writer).await.map_err(|error| on_migrate(path, error))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(|error| on_open(path, error))?;
        Ok(Self { path: path.into(), writer, readers, outbox: watch::Sender::new(0) })
    }

    /// Where the database lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes all connections, those of clones too, after the calls under way have ended.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that holds the write lock from its first moment, so that it cannot fail half-way for want of it.
    async fn begin(&self, doing: &'static str) -> Result<Transaction<'static, Sqlite>, AlertsError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(self.failed(doing))
    }

    /// Says what was being done and where when the database refuses.
    fn failed(&self, doing: &'static str) -> impl Fn(sqlx::Error) -> AlertsError + use<'_> {
        move |error| {
            if result_code(&error) == Some(SQLITE_FULL) {
                AlertsError::DatabaseFull { path: self.path_buf(), doing }
            } else {
                AlertsError::Database { path: self.path_buf(), doing, source: error.into() }
            }
        }
    }

    fn path_buf(&self) -> PathBuf {
        self.path.to_path_buf()
    }
}

// Result codes, https://www.sqlite.org/rescode.html
const SQLITE_READONLY: i32 = 8;
const SQLITE_FULL: i32 = 13;
const SQLITE_CANTOPEN: i32 = 14;
const SQLITE_NOTADB: i32 = 26;

/// The primary result code; an extended one has it in its low byte.
fn result_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

fn on_open(path: &Path, error: sqlx::Error) -> AlertsError {
    let path = path.to_owned();
    match result_code(&error) {
        Some(SQLITE_NOTADB) => AlertsError::NotADatabase { path },
        Some(SQLITE_READONLY | SQLITE_CANTOPEN) => AlertsError::DatabaseUnwritable { path, source: error.into() },
        Some(SQLITE_FULL) => AlertsError::DatabaseFull { path, doing: "make tables" },
        _ => AlertsError::Database { path, doing: "make tables", source: error.into() },
    }
}

fn on_migrate(path: &Path, error: MigrateError) -> AlertsError {
    match error {
        MigrateError::VersionMissing(version) => AlertsError::NewerSchema { path: path.to_owned(), version },
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => on_open(path, error),
        other => AlertsError::Schema { path: path.to_owned(), source: other.into() },
    }
}
