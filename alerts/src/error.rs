//! What can go wrong between a look and a ticket, each with its place and, where there is one, its remedy.

use std::{io, path::PathBuf};

use domain::{CameraId, Sha256, TicketId, ZoneId};

use crate::rules::RulesError;

/// An error of another crate whose type is no part of this one's interface.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Everything that can fail in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertsError {
    /// A folder cannot be created or used.
    #[error("cannot use folder {path}: {source}; name a folder that this user may write to")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The section `[database]` cannot be right.
    #[error("database.{key} {problem}")]
    DatabaseConfig {
        /// Which key.
        key: &'static str,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// The database's file cannot be opened or written.
    #[error(
        "cannot open database {database} for writing: {source}; check the owner and mode of the file and its folder"
    )]
    DatabaseUnwritable {
        /// Which.
        database: String,
        /// What SQLite said.
        source: Source,
    },
    /// The file is something else.
    #[error("{database} is not a database (or it is damaged); move it away to start with an empty one")]
    NotADatabase {
        /// Which.
        database: String,
    },
    /// The server does not answer, is starting or stopping; worth another try.
    #[error(
        "cannot {doing} in database {database}: the server is away: {source}; see whether it runs and is reachable"
    )]
    DatabaseAway {
        /// Which, without a password.
        database: String,
        /// What was being done.
        doing: &'static str,
        /// What was heard.
        source: Source,
    },
    /// The server does not let us in.
    #[error("database {database} refuses: {source}; {remedy}")]
    DatabaseRefused {
        /// Which, without a password.
        database: String,
        /// What to do.
        remedy: &'static str,
        /// What the server said.
        source: Source,
    },
    /// Another process empties the outbox of this database.
    #[error("database {database} is in use by {holder}; stop that gridwatch, or give this one a database of its own")]
    OutboxTaken {
        /// Which, without a password.
        database: String,
        /// Who, as the server knows it.
        holder: String,
    },
    /// A newer gridwatch has written this database.
    #[error(
        "database {database} was written by a newer gridwatch (its schema has version {version}); run that or a later one"
    )]
    NewerSchema {
        /// Which.
        database: String,
        /// The version that this program does not know.
        version: i64,
    },
    /// The database's schema is not what its version says.
    #[error("the schema of database {database} is not as gridwatch made it: {source}; restore it from a backup")]
    Schema {
        /// Which.
        database: String,
        /// What is wrong.
        source: Source,
    },
    /// The file system under the database is full.
    #[error("no space left to {doing} in database {database}; free some space on its disk")]
    DatabaseFull {
        /// Which.
        database: String,
        /// What was being done.
        doing: &'static str,
    },
    /// The database failed in any other way.
    #[error("cannot {doing} in database {database}: {source}")]
    Database {
        /// Which.
        database: String,
        /// What was being done.
        doing: &'static str,
        /// What it said.
        source: Source,
    },
    /// A row that does not read back.
    #[error("ticket {ticket} in the database does not read back: its {column} is damaged: {source}")]
    Row {
        /// The ticket's id as it is written.
        ticket: String,
        /// Which column.
        column: &'static str,
        /// Why.
        source: Source,
    },
    /// A row of the responsibility list that does not read back.
    #[error("item {item} of the responsibility list does not read back: its {column} is damaged: {source}")]
    DutyRow {
        /// The item's number.
        item: String,
        /// Which column.
        column: &'static str,
        /// Why.
        source: Source,
    },
    /// A zero report that does not read back.
    #[error("the zero report of station {station} of {day} in the database does not read back: {source}")]
    ZeroReportRow {
        /// Which station's.
        station: String,
        /// Of which day.
        day: jiff::civil::Date,
        /// Why.
        source: Source,
    },
    /// Two imports at one time.
    #[error(
        "version {version} of item {item} is in the responsibility list already: another import came in between; run yours again"
    )]
    DutyChanged {
        /// The item's number.
        item: String,
        /// The version that both made.
        version: u32,
    },
    /// A ticket that the database does not hold.
    #[error("there is no ticket {0} in the database")]
    UnknownTicket(TicketId),
    /// Zones or permits that the rules do not take.
    #[error("the rules do not take the new cameras: {0}")]
    Rules(#[source] RulesError),
    /// A zone that the rules know and the service does not.
    #[error("the rules opened a ticket in zone {zone} of camera {camera}, which is not configured")]
    UnknownZone {
        /// Whose.
        camera: CameraId,
        /// Which.
        zone: ZoneId,
    },
    /// The file system under the evidence is full.
    #[error("no space left to store evidence {path}; free some space on its disk")]
    EvidenceFull {
        /// Which file.
        path: PathBuf,
    },
    /// Evidence cannot be written or read.
    #[error("cannot {doing} evidence {path}: {source}")]
    EvidenceIo {
        /// Which file.
        path: PathBuf,
        /// `store`, `read`, `list` or `remove`.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Evidence that is not there.
    #[error("evidence {path} is missing")]
    EvidenceMissing {
        /// Which file.
        path: PathBuf,
    },
    /// Evidence whose bytes are not those that were stored.
    #[error("evidence {path} was altered or damaged: its bytes have digest {found}; restore it from a backup")]
    EvidenceAltered {
        /// Which file; its name is the digest that it should have.
        path: PathBuf,
        /// What it has.
        found: Sha256,
    },
    /// A picture that cannot be made into a JPEG.
    #[error("cannot make a JPEG of a {width}x{height} picture: {reason}")]
    Picture {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// Why.
        reason: String,
    },
}
