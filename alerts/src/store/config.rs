//! Where the database is and how to log in there, as the config says it.

use std::path::{Path, PathBuf};

use domain::{Millis, Secret};
use serde::Deserialize;
use url::Url;

use super::database::{Database, Server};
use crate::AlertsError;

/// What may follow the `?` of `database.url`; each means what it means to PostgreSQL's own programs.
const PARAMETERS: &[&str] = &["host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "application_name"];

/// The section `[database]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `postgres://USER@HOST[:5432]/DATABASE`; absent for SQLite in the data folder.
    pub url: Option<String>,
    /// Password, here, or better in one of the next two. Where none of the three is given, `PGPASSWORD` and
    /// `~/.pgpass` are looked at, as PostgreSQL's own programs do.
    pub password: Option<Secret>,
    /// Name of the environment variable that holds the password.
    pub password_env: Option<String>,
    /// File whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// The longest that the server may work on one statement.
    pub statement_timeout: Millis,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: None, password: None, password_env: None, password_file: None, statement_timeout: Millis::secs(30) }
    }
}

impl DatabaseConfig {
    /// Checks all that can be checked without touching a file or the network.
    ///
    /// # Errors
    /// Names the key that is wrong, and the remedy.
    pub fn check(&self) -> Result<(), AlertsError> {
        let passwords = [self.password.is_some(), self.password_env.is_some(), self.password_file.is_some()];
        if passwords.iter().filter(|given| **given).count() > 1 {
            return refuse("password", "is given twice; keep one of password, password_env and password_file");
        }
        if self.statement_timeout < Millis::secs(1) {
            return refuse("statement_timeout", "must be at least 1s");
        }
        match &self.url {
            None if passwords.contains(&true) => refuse("url", "is missing, though there is a password"),
            None => Ok(()),
            Some(url) => parse(url).map(|_| ()),
        }
    }

    /// The database that is meant: `url`, with its password read from where it is kept, or the file in `data_dir`.
    ///
    /// # Errors
    /// As [`check`](Self::check), and when the password cannot be read.
    pub fn database(&self, data_dir: &Path) -> Result<Database, AlertsError> {
        self.check()?;
        let Some(url) = &self.url else { return Ok(Database::File(data_dir.join("gridwatch.db"))) };
        let password = if let Some(name) = &self.password_env {
            match std::env::var(name) {
                Ok(password) => Some(Secret::new(password)),
                Err(_) => {
                    let problem = format!("names the environment variable {name}, which is not set");
                    return refuse("password_env", &problem);
                }
            }
        } else if let Some(path) = &self.password_file {
            match std::fs::read_to_string(path) {
                Ok(text) => Some(Secret::new(text.lines().next().unwrap_or_default())),
                Err(error) => {
                    return refuse(
                        "password_file",
                        &format!("names {}, which cannot be read: {error}", path.display()),
                    );
                }
            }
        } else {
            self.password.clone()
        };
        Ok(Database::Server(Server { url: parse(url)?, password, statement_timeout: self.statement_timeout }))
    }
}

fn refuse<T>(key: &'static str, problem: &str) -> Result<T, AlertsError> {
    Err(AlertsError::DatabaseConfig { key, problem: problem.to_owned() })
}

/// Quotes nothing of a URL that does not parse: its password may be anywhere in it.
fn parse(text: &str) -> Result<Url, AlertsError> {
    const FORM: &str = "expected postgres://USER@HOST/DATABASE";
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return refuse("url", &format!("is no URL ({error}); {FORM}")),
    };
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return refuse("url", &format!("begins with \"{}:\"; {FORM}, or no url for SQLite", url.scheme()));
    }
    if url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password") {
        return refuse("url", "holds a password; it belongs into database.password_file");
    }
    if let Some((key, _)) = url.query_pairs().find(|(key, _)| !PARAMETERS.contains(&&**key)) {
        return refuse("url", &format!("has the parameter \"{key}\"; known are {}", PARAMETERS.join(", ")));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return refuse("url", &format!("names no host; {FORM}"));
    }
    if url.path().trim_matches('/').is_empty() {
        return refuse("url", &format!("names no database; {FORM}"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(toml: &str, expect: Result<&str, &str>) {
        let config: DatabaseConfig = toml::from_str(toml).unwrap();
        match (config.database(Path::new("data")), expect) {
            (Ok(database), Ok(shown)) => assert_eq!(database.to_string(), shown),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, _) => panic!("{got:?}"),
        }
    }

    #[test]
    fn a_url_names_the_server_and_no_url_the_file() {
        check("", Ok("data/gridwatch.db"));
        check("url = 'postgres://gw@db.example/grid'", Ok("postgres://gw@db.example/grid"));
        check("url = 'postgresql://gw@[::1]:6432/grid?sslmode=require'", Ok("postgresql://gw@[::1]:6432/grid"));
        check("url = 'postgres://gw@localhost/grid?host=/run/postgresql'", Ok("postgres://gw@localhost/grid"));
        check("url = 'mysql://gw@db/grid'", Err("database.url begins with \"mysql:\""));
        check("url = 'db.example'", Err("database.url is no URL"));
        check("url = 'postgres://gw@db'", Err("names no database"));
        check("url = 'postgres:///grid'", Err("names no host"));
        check("url = 'postgres://gw@db/grid?pool=5'", Err("the parameter \"pool\""));
    }

    #[test]
    fn contradictions_are_named() {
        check("password = 'x'", Err("database.url is missing"));
        check("url = 'postgres://a@b/c'\npassword = 'x'\npassword_env = 'y'", Err("given twice"));
        check(
            "url = 'postgres://a@b/c'\npassword_env = 'GRIDWATCH_NOT_SET'",
            Err("GRIDWATCH_NOT_SET, which is not set"),
        );
        check("url = 'postgres://a@b/c'\npassword_file = '/no/such'", Err("/no/such, which cannot be read"));
        check("statement_timeout = '1ms'", Err("database.statement_timeout must be at least 1s"));
    }

    #[test]
    fn a_password_is_in_no_error_and_no_debug_text() {
        for url in ["postgres://gw:hunter2@db/grid", "postgres://gw@db/grid?password=hunter2", "postgres://gw:hunter2"]
        {
            let config = DatabaseConfig { url: Some(url.to_owned()), ..DatabaseConfig::default() };
            let error = config.database(Path::new("")).unwrap_err();
            assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        let config = DatabaseConfig {
            url: Some("postgres://gw@db/grid".to_owned()),
            password: Some(Secret::new("hunter2")),
            ..DatabaseConfig::default()
        };
        let database = config.database(Path::new("")).unwrap();
        assert!(!format!("{config:?} {database:?} {database}").contains("hunter2"));
    }
}
