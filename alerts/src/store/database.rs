//! The two databases: how each is connected to, and what its refusals mean.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use domain::{Millis, Secret};
use sqlx::{ConnectOptions as _, any::AnyConnectOptions, migrate::MigrateError};
use url::{Url, form_urlencoded};

use super::session::Patience;
use crate::AlertsError;

/// How long a writer waits for another process's transaction before it gives up. SQLite's driver has it as its default.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// A transaction that its owner left alone for so long is ended by the server, so that it holds up nobody for ever.
const IDLE_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// After how much silence the server asks whether we are still there: the outbox of a machine that died is free soon.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How much longer than for its own limit an answer of a server is waited for: a new connection may have to be made first.
const GRACE: Duration = Duration::from_secs(15);

/// Where the database is. Shows no password.
#[derive(Debug, Clone)]
pub enum Database {
    /// SQLite, in this file.
    File(PathBuf),
    /// PostgreSQL.
    Server(Server),
}

/// A PostgreSQL database and how to log in there.
#[derive(Debug, Clone)]
pub struct Server {
    /// Without a password.
    pub(super) url: Url,
    pub(super) password: Option<Secret>,
    pub(super) statement_timeout: Millis,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(server) => {
                let mut url = server.url.clone();
                url.set_query(None);
                write!(f, "{url}")
            }
        }
    }
}

impl Database {
    /// The options of one connection. Only what a URL can say can be said to either database.
    pub(super) fn options(&self, access: Access) -> Result<AnyConnectOptions, AlertsError> {
        let url = match self {
            Self::File(path) => file_url(path, access)?,
            Self::Server(server) => server.login()?,
        };
        AnyConnectOptions::from_url(&url).map_err(|error| self.refusal("connect", error))
    }

    /// How long an answer is waited for. A file answers or fails; what hangs there is a disk, and no other connection helps.
    pub(super) fn patience(&self) -> Patience {
        Patience(match self {
            Self::File(_) => None,
            Self::Server(server) => Some(Duration::from_millis(server.statement_timeout.0.unsigned_abs()) + GRACE),
        })
    }

    /// Says what was being done and where when the database refuses.
    pub(super) fn refusal(&self, doing: &'static str, error: sqlx::Error) -> AlertsError {
        match self {
            Self::File(_) => self.file_refusal(doing, error),
            Self::Server(_) => self.server_refusal(doing, error),
        }
    }

    /// Says what was wrong with the schema.
    pub(super) fn schema_refusal(&self, error: MigrateError) -> AlertsError {
        match error {
            MigrateError::VersionMissing(version) => AlertsError::NewerSchema { database: self.to_string(), version },
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                self.refusal("make tables", error)
            }
            other => AlertsError::Schema { database: self.to_string(), source: other.into() },
        }
    }

    fn file_refusal(&self, doing: &'static str, error: sqlx::Error) -> AlertsError {
        // Primary result codes, https://www.sqlite.org/rescode.html; an extended one has it in its low byte.
        const READONLY: i32 = 8;
        const FULL: i32 = 13;
        const CANTOPEN: i32 = 14;
        const NOTADB: i32 = 26;
        let database = self.to_string();
        match code(&error).and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff) {
            Some(FULL) => AlertsError::DatabaseFull { database, doing },
            Some(NOTADB) => AlertsError::NotADatabase { database },
            Some(READONLY | CANTOPEN) => AlertsError::DatabaseUnwritable { database, source: error.into() },
            _ => AlertsError::Database { database, doing, source: error.into() },
        }
    }

    fn server_refusal(&self, doing: &'static str, error: sqlx::Error) -> AlertsError {
        let database = self.to_string();
        let refused = |remedy, error: sqlx::Error| AlertsError::DatabaseRefused {
            database: self.to_string(),
            remedy,
            source: error.into(),
        };
        // https://www.postgresql.org/docs/current/errcodes-appendix.html
        match code(&error).as_deref() {
            Some("53100") => AlertsError::DatabaseFull { database, doing },
            Some("28000" | "28P01") => refused("check the user in database.url and database.password_file", error),
            Some("3D000") => refused("make it with createdb, or name another in database.url", error),
            Some("42501" | "3F000") => refused("make the user of database.url its owner", error),
            // Class 08: no connection; 57P: the server stops, starts or has crashed; 53300: no free connection;
            // 25006: it has become a stand-by; 55P03, 57014: another holds the lock, or it takes too long.
            Some(code) if code.starts_with("08") || code.starts_with("57P") || matches!(code, "53300" | "25006") => {
                AlertsError::DatabaseAway { database, doing, source: error.into() }
            }
            Some(_) => AlertsError::Database { database, doing, source: error.into() },
            None => match error {
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) => {
                    AlertsError::DatabaseAway { database, doing, source: error.into() }
                }
                other => AlertsError::Database { database, doing, source: other.into() },
            },
        }
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

fn file_url(path: &Path, access: Access) -> Result<Url, AlertsError> {
    let unusable = |reason: &str| AlertsError::DatabaseConfig {
        key: "url",
        problem: format!("would be {}, which {reason}; name another node.data_dir", path.display()),
    };
    let absolute = std::path::absolute(path).map_err(|error| unusable(&error.to_string()))?;
    let escaped = Url::from_file_path(absolute).map_err(|()| unusable("is no path of a file"))?;
    let mode = match access {
        Access::Write => "rwc",
        Access::Read => "ro",
    };
    Url::parse(&format!("sqlite://{}?mode={mode}", escaped.path())).map_err(|error| unusable(&error.to_string()))
}

impl Server {
    /// With the password and the settings of each session; never shown.
    fn login(&self) -> Result<Url, AlertsError> {
        let mut url = self.url.clone();
        if let Some(password) = &self.password {
            // `set_password` leaves a percent sign as it is, and the driver decodes it.
            let escaped: String = form_urlencoded::byte_serialize(password.expose().as_bytes()).collect();
            url.set_password(Some(&escaped.replace('+', "%20"))).map_err(|()| AlertsError::DatabaseConfig {
                key: "url",
                problem: "names no host that a password could go to".to_owned(),
            })?;
        }
        if !url.query_pairs().any(|(key, _)| key == "application_name") {
            url.query_pairs_mut().append_pair("application_name", "gridwatch");
        }
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        let settings = [
            // A ticket is on the server's disk when the call returns, whatever the server's own default is.
            ("synchronous_commit", "on".to_owned()),
            ("statement_timeout", self.statement_timeout.0.to_string()),
            ("lock_timeout", milliseconds(LOCK_TIMEOUT)),
            ("idle_in_transaction_session_timeout", milliseconds(IDLE_TRANSACTION_TIMEOUT)),
            ("tcp_keepalives_idle", KEEP_ALIVE.as_secs().to_string()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ];
        for (name, value) in settings {
            url.query_pairs_mut().append_pair(&format!("options[{name}]"), &value);
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_and_any_password_reach_the_driver_unchanged() {
        let path = Path::new("/data/徐汇 1#2?3%41/grid.db");
        let url = file_url(path, Access::Read).unwrap();
        let decoded = Url::parse(&url.as_str().replace("sqlite://", "file://")).unwrap().to_file_path().unwrap();
        assert_eq!(decoded, path);
        let server = Server {
            url: Url::parse("postgres://gw@db/grid").unwrap(),
            password: Some(Secret::new("50%41 + @/?密")),
            statement_timeout: Millis::secs(1),
        };
        let login = server.login().unwrap();
        assert_eq!(login.password(), Some("50%2541%20%2B%20%40%2F%3F%E5%AF%86"));
    }
}
