//! Cases as files: the sixteen columns of Shanghai's platform as CSV and XLSX.

use std::sync::Arc;

use alerts::export::{self, Books};
use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use domain::Timestamp;
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};

use crate::{answer::Fault, console::Desk, params::Params, visit::Visit};

/// More than this in one file is asked for in parts.
const MOST: usize = 100_000;

/// Without dates, the last so many days.
const MONTH: i64 = 31;

/// The names of the first day and of the last.
pub(crate) const DATES: [&str; 2] = ["from", "to"];

pub(crate) async fn cases(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
    Path(file): Path<String>,
) -> Result<Response, Fault> {
    let console = &desk.console;
    let media_type = match file.as_str() {
        "cases.csv" => "text/csv; charset=utf-8",
        "cases.xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => return Err(Fault::NotFound),
    };
    visit.params.only(&DATES)?;
    let (from, to) = Days::of(&visit.params, MONTH, visit.now, &console.time_zone)?.bounds(&console.time_zone)?;
    let names = (console.streets)();
    let (filed_by, streets, timezone) = (console.node.as_str(), &*names, &console.time_zone);
    let books = Books { filed_by, streets, timezone };
    let rows = export::rows(&console.store, (from, to), books, MOST).await.map_err(Fault::internal)?;
    let Some(rows) = rows else {
        return Err(Fault::BadRequest(format!("more than {MOST} cases; ask for fewer days at a time")));
    };
    // Making a workbook of many rows takes a while.
    let bytes = if file.ends_with(".csv") {
        export::csv(rows)
    } else {
        let made = tokio::task::spawn_blocking(move || export::xlsx(rows)).await.map_err(Fault::internal)?;
        made.map_err(Fault::internal)?
    };
    let mut response = ([(header::CONTENT_TYPE, media_type)], bytes).into_response();
    let disposition = format!("attachment; filename=\"{file}\"");
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The days that an address asks for.
pub(crate) struct Days {
    pub(crate) first: Date,
    pub(crate) last: Date,
    /// The day on which it is asked.
    pub(crate) today: Date,
}

impl Days {
    /// Without a first day, `usual` days.
    pub(crate) fn of(params: &Params, usual: i64, now: Timestamp, zone: &TimeZone) -> Result<Self, Fault> {
        let date = |name| params.read(name, "expected a date such as 2026-11-24", |value| value.parse::<Date>().ok());
        let now = jiff::Timestamp::from_millisecond(now.0).map_err(Fault::internal)?;
        let today = now.to_zoned(zone.clone()).date();
        let last = date(DATES[1])?.unwrap_or(today);
        let first = match date(DATES[0])? {
            Some(first) if first > last => {
                return Err(Fault::bad(format_args!("from={first}"), format_args!("it is after {last}, the last day")));
            }
            Some(first) => first,
            None => last.checked_sub((usual - 1).days()).map_err(Fault::internal)?,
        };
        Ok(Self { first, last, today })
    }

    /// From the first day's beginning to the last's end.
    pub(crate) fn bounds(&self, zone: &TimeZone) -> Result<(Timestamp, Timestamp), Fault> {
        let begins = |date: Date| {
            let instant = zone.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
            instant.map(|instant| Timestamp(instant.as_millisecond())).map_err(Fault::internal)
        };
        Ok((begins(self.first)?, begins(self.last.checked_add(1.day()).map_err(Fault::internal)?)?))
    }
}
