//! The zero report (零报告): each station says once a day, item by item, what was found, or that all is well, *and shows that
//! it was looked at*. A report that says "all well" without having looked is worse than none, so it cannot be had.
//!
//! ```text
//!  looks ──▶ ledger (memory) ──each minute──▶ look_days ──┐
//!                                                         ├─ at the set time ─▶ report ─▶ zero_reports + outbox
//!  what stood that day ────────────────────────────────────┘
//! ```
//!
//! What is due follows from the calendar alone: a day is so long, a camera is to be looked at each so often. A process that
//! was off has looked at nothing meanwhile, and a clock that is set back and forth changes no day's length. What was done is
//! the time that looks vouch for: each vouches for the time since the one before it, for two intervals at most.

mod alarm;
mod config;
mod day;
mod ledger;
mod owed;
mod report;
mod reporter;
#[cfg(test)]
mod tests;

pub use self::{
    config::{Item, Station, ZeroReportConfig, ZeroReportError},
    day::{Period, ReportDays},
    ledger::{LookDay, LookLedger},
    owed::ReportsOwed,
    report::{CameraWatch, Finding, ItemReport, Sighted, ZeroReport, build},
    reporter::{Reporter, WatchedCamera, WatchedCameras, describe_metrics},
};
