//! The zero reports of a day: each station, item by item, with the proof that it was looked at.

use std::sync::Arc;

use alerts::{
    duty::Words,
    zero_report::{Finding, ItemReport, Station, ZeroReport},
};
use axum::{Extension, extract::State, http::StatusCode, response::Response};
use domain::StationId;
use jiff::{ToSpan as _, civil::Date};
use maud::{Markup, html};
use serde::Serialize;

use crate::{
    answer::{Fault, json},
    console::{Console, Desk},
    i18n::{Lang, Text, said},
    layout::{Column, Frame, Section, page, table},
    times::{rfc3339, wall},
    visit::Visit,
};

/// The day that an address asks for; where it asks for none, the last one whose reports are due, or, without stations, that
/// there is a report of.
async fn asked(console: &Console, visit: &Visit) -> Result<Option<Date>, Fault> {
    visit.params.only(&["date"])?;
    let asked = visit.params.read("date", "expected a date such as 2026-11-24", |value| value.parse::<Date>().ok())?;
    match asked {
        Some(date) => Ok(Some(date)),
        None => match console.reports_owed.last_day(visit.now) {
            Some(date) => Ok(Some(date)),
            None => console.store.last_zero_report().await.map_err(Fault::internal),
        },
    }
}

/// The stations whose report of the day is missing.
async fn missing<'a>(
    console: &'a Console,
    visit: &Visit,
    date: Option<Date>,
    there: &[ZeroReport],
) -> Result<Vec<&'a Station>, Fault> {
    let Some(date) = date else { return Ok(Vec::new()) };
    let first = console.store.first_zero_reports().await.map_err(Fault::internal)?;
    Ok(console.reports_owed.missing(date, visit.now, there, &first))
}

async fn reports(console: &Console, date: Option<Date>) -> Result<Vec<ZeroReport>, Fault> {
    match date {
        Some(date) => console.store.zero_reports(date).await.map_err(Fault::internal),
        None => Ok(Vec::new()),
    }
}

pub(crate) async fn show(State(desk): State<Arc<Desk>>, Extension(visit): Extension<Visit>) -> Result<Markup, Fault> {
    let (console, lang) = (&desk.console, visit.lang);
    let date = asked(console, &visit).await?;
    let reports = reports(console, date).await?;
    let missing = missing(console, &visit, date, &reports).await?;
    let (figures, _) = console.figures(visit.now).await?;
    let title = Text::ZeroReport.of(lang);
    let frame = Frame { title, section: Section::ZeroReport, figures: &figures, refresh: None };
    Ok(page(
        &visit,
        console,
        &frame,
        &html! {
            div.head {
                h1 { (title) @if let Some(date) = date { " · " (date) } }
                form.filter method="get" action="/zero-report" {
                    label { span { (Text::Date.of(lang)) } input type="date" name="date" value=[date]; }
                    button { (Text::Apply.of(lang)) }
                }
            }
            p.muted { (Text::ZeroReportWhat.of(lang)) }
            @for station in &missing {
                section {
                    h2 {
                        (heading(lang, &station.name, &station.id))
                        " " span.state.bad { span aria-hidden="true" { "▲" } " " (Text::ReportMissing.of(lang)) }
                    }
                    p.muted { (Text::ReportMissingWhy.of(lang)) }
                }
            }
            @if reports.is_empty() && missing.is_empty() {
                section.empty { h2 { (Text::NoReport.of(lang)) } p { (Text::NoReportWhy.of(lang)) } }
            }
            @for report in &reports { (station(console, lang, report)) }
            @if let Some(date) = date {
                nav.pages aria-label=(Text::Navigation.of(lang)) {
                    @if let Ok(before) = date.checked_sub(1.day()) { a href={ "/zero-report?date=" (before) } { "← " (before) } }
                    @if let Ok(after) = date.checked_add(1.day()) { a href={ "/zero-report?date=" (after) } { (after) " →" } }
                }
            }
        },
    ))
}

fn heading(lang: Lang, name: &Words, station: &StationId) -> Markup {
    let name = said(name, lang);
    html! { @if name.is_empty() { (station) } @else { (name) " " small { code { (station) } } } }
}

fn station(console: &Console, lang: Lang, report: &ZeroReport) -> Markup {
    let t = |text: Text| text.of(lang);
    let columns = [
        Column::Text(Text::ReportItem),
        Column::Text(Text::State),
        Column::Number(Text::LooksDoneDue),
        Column::Number(Text::Cameras),
        Column::Text(Text::CamerasUnfit),
    ];
    let rows = html! {
        @for item in &report.items { (row(lang, item)) }
    };
    html! {
        section {
            h2 {
                (heading(lang, &report.name, &report.station))
                @if report.late { " " span.state.bad { span aria-hidden="true" { "▲" } " " (t(Text::ReportLate)) } }
            }
            p.muted {
                (wall(report.from, &console.time_zone)) " – " (wall(report.to, &console.time_zone)) " · "
                (Text::ReportMadeAt.with(lang, wall(report.made_at, &console.time_zone)))
            }
            (table(lang, None, &report.station.to_string(), &columns, &rows))
        }
    }
}

fn row(lang: Lang, item: &ItemReport) -> Markup {
    let (class, icon, text) = match item.finding {
        Finding::Found => ("warn", "●", Text::FindingFound.with(lang, item.tickets.len())),
        Finding::AllWell => ("ok", "✓", Text::FindingAllWell.of(lang).to_owned()),
        Finding::NotProven => ("bad", "▲", Text::FindingNotProven.of(lang).to_owned()),
        Finding::NotByCamera => ("calm", "–", Text::FindingNotByCamera.of(lang).to_owned()),
    };
    html! {
        tr {
            td { code { (item.id) } " " (said(&item.name, lang)) }
            td {
                span class={ "state " (class) } { span aria-hidden="true" { (icon) } " " (text) }
                @for ticket in item.tickets.iter().take(10) { " " a href={ "/tickets/" (ticket) } { (Text::Ticket.of(lang)) } }
            }
            td.number { @if item.finding != Finding::NotByCamera { (item.looks_done) " / " (item.looks_due) } }
            td.number { (item.cameras) }
            td { @for camera in &item.unfit { a href={ "/cameras/" (camera) } { (camera) } " " } }
        }
    }
}

#[derive(Serialize)]
struct ReportsOut {
    date: Option<String>,
    missing: Vec<StationId>,
    reports: Vec<ReportOut>,
}

#[derive(Serialize)]
struct ReportOut {
    from: String,
    to: String,
    made_at: String,
    station: StationId,
    name: Words,
    late: bool,
    items: Vec<ItemReport>,
}

pub(crate) async fn api(State(desk): State<Arc<Desk>>, Extension(visit): Extension<Visit>) -> Result<Response, Fault> {
    let console = &desk.console;
    let date = asked(console, &visit).await?;
    let at = |moment| rfc3339(moment, &console.time_zone);
    let reports = reports(console, date).await?;
    let missing =
        missing(console, &visit, date, &reports).await?.into_iter().map(|station| station.id.clone()).collect();
    let reports = reports.into_iter().map(|report| ReportOut {
        from: at(report.from),
        to: at(report.to),
        made_at: at(report.made_at),
        station: report.station,
        name: report.name,
        late: report.late,
        items: report.items,
    });
    let out = ReportsOut { date: date.map(|date| date.to_string()), missing, reports: reports.collect() };
    Ok(json(StatusCode::OK, &out))
}
