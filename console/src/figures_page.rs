//! The platform's figures of a period, as a page, as JSON and as CSV.

use std::{collections::BTreeSet, sync::Arc};

use alerts::{
    figures::{self, Figure, Figures, Rates, Share, Stage},
    kinds::{KINDS, kind_info},
    store::Scope,
};
use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{CameraId, Kind, Timestamp, ZoneId};
use jiff::{ToSpan as _, civil::Date};
use maud::{Markup, html};
use serde::Serialize;

use crate::{
    answer::{Fault, json},
    console::{Console, Desk},
    download::{DATES, Days},
    fleet::CameraView,
    i18n::{Lang, Text},
    layout::{Column, Frame, Section, page, table},
    params::Params,
    tickets::{info_name, kind_name},
    times::rfc3339,
    visit::Visit,
};

/// Cameras on the page: those with the most false alarms. CSV and JSON have all.
const CAMERAS: usize = 50;

/// Without dates, the last so many days: those of the metrics.
const DAYS: i64 = 30;

/// What an address asks for.
struct Asked {
    days: Days,
    scope: Scope,
}

impl Asked {
    fn of(console: &Console, visit: &Visit) -> Result<Self, Fault> {
        let params = &visit.params;
        params.only(&[DATES[0], DATES[1], "kind", "street"])?;
        let days = Days::of(params, DAYS, visit.now, &console.time_zone)?;
        let (from, to) = days.bounds(&console.time_zone)?;
        let kind = params.read("kind", "expected a kind such as lane.motor", |v| v.parse::<Kind>().ok())?;
        let is_street = |code: &str| code.len() == 9 && code.bytes().all(|b| b.is_ascii_digit());
        let street =
            params.read("street", "expected a street's code, nine digits", |v| is_street(v).then(|| v.to_owned()))?;
        Ok(Self { days, scope: Scope { from, to, kind, street } })
    }

    async fn figures(&self, console: &Console, now: Timestamp) -> Result<Figures, Fault> {
        console.store.figures(&self.scope, now).await.map_err(Fault::internal)
    }
}

pub(crate) async fn show(State(desk): State<Arc<Desk>>, Extension(visit): Extension<Visit>) -> Result<Markup, Fault> {
    let (console, lang) = (&desk.console, visit.lang);
    let t = |text: Text| text.of(lang);
    let asked = Asked::of(console, &visit)?;
    let figures = asked.figures(console, visit.now).await?;
    let (strip, cameras) = console.figures(visit.now).await?;
    let title = t(Text::CaseFigures);
    let frame = Frame { title, section: Section::Figures, figures: &strip, refresh: None };
    let query = visit.params.without("lang");
    Ok(page(
        &visit,
        console,
        &frame,
        &html! {
            div.head {
                h1 { (title) }
                (filter_form(console, &visit, &asked, &cameras))
                p { a href={ "/export/figures.csv" (query.with("lang", "")) } { "CSV" } " · " a href={ "/api/figures" (query.with("lang", "")) } { "JSON" } }
            }
            (periods(&visit, &asked))
            p.muted { (Text::FiguresWhat.with_all(lang, &[&asked.days.first, &asked.days.last])) }
            (tiles(lang, &figures.all))
            @if figures.all.received > 0 {
                (group(lang, Text::Kind, figures.by_kind.iter().map(|(kind, rates)| (html! { (kind_name(kind, lang)) }, *rates))))
                @if asked.scope.street.is_none() {
                    (group(lang, Text::Street, figures.by_street.iter().map(|(code, rates)| (html! { (street_name(console, code, lang)) }, *rates))))
                }
                (hours(lang, &figures))
                (reasons(lang, &figures))
                (by_camera(lang, &figures, &cameras))
                (recurring(lang, &figures, &cameras))
            }
        },
    ))
}

fn street_name(console: &Console, code: &str, lang: Lang) -> String {
    let names = (console.streets)();
    let name = match lang {
        Lang::Zh => names.zh(code),
        Lang::En => names.en(code),
    };
    name.to_owned()
}

/// The codes that one may choose from: those with a name, those that cameras stand in, and the chosen one.
fn streets(console: &Console, asked: &Asked, cameras: &[CameraView]) -> BTreeSet<String> {
    let names = (console.streets)();
    let named = names.codes();
    let seen = cameras.iter().filter_map(|camera| camera.place.as_ref()?.grid.street());
    named.chain(seen).chain(asked.scope.street.as_deref()).map(ToOwned::to_owned).collect()
}

fn filter_form(console: &Console, visit: &Visit, asked: &Asked, cameras: &[CameraView]) -> Markup {
    let (lang, params) = (visit.lang, &visit.params);
    let t = |text: Text| text.of(lang);
    let filtered = [DATES[0], DATES[1], "kind", "street"].iter().any(|name| params.get(name).is_some());
    html! {
        form.filter method="get" action="/figures" role="search" {
            label { span { (t(Text::FirstDay)) } input type="date" name=(DATES[0]) value=(asked.days.first); }
            label { span { (t(Text::LastDay)) } input type="date" name=(DATES[1]) value=(asked.days.last); }
            label { span { (t(Text::Street)) }
                select name="street" {
                    option value="" { (t(Text::All)) }
                    @for code in streets(console, asked, cameras) {
                        option value=(code) selected[asked.scope.street.as_ref() == Some(&code)] { (street_name(console, &code, lang)) }
                    }
                }
            }
            label { span { (t(Text::Kind)) }
                select name="kind" {
                    option value="" { (t(Text::All)) }
                    @for info in KINDS {
                        option value=(info.kind) selected[params.get("kind") == Some(info.kind)] { (info_name(info, lang)) }
                    }
                }
            }
            button { (t(Text::Apply)) }
            @if filtered { a href="/figures" { (t(Text::Clear)) } }
        }
    }
}

/// The periods that are asked for most, as links.
fn periods(visit: &Visit, asked: &Asked) -> Markup {
    let lang = visit.lang;
    let today = asked.days.today;
    let last_month = today.first_of_month().checked_sub(1.day()).unwrap_or(today);
    let choices: [(String, Date, Date); 5] = [
        (Text::LastDays.with(lang, 7), today.checked_sub(6.days()).unwrap_or(today), today),
        (Text::LastDays.with(lang, 30), today.checked_sub(29.days()).unwrap_or(today), today),
        (Text::LastDays.with(lang, 90), today.checked_sub(89.days()).unwrap_or(today), today),
        (Text::ThisMonth.of(lang).to_owned(), today.first_of_month(), today),
        (Text::LastMonth.of(lang).to_owned(), last_month.first_of_month(), last_month),
    ];
    let others = visit.params.without("lang").without(DATES[0]).without(DATES[1]);
    let address = |first: Date, last: Date| {
        let query = others.with(DATES[0], first);
        format!("/figures{}", Params::parse(query.trim_start_matches('?')).with(DATES[1], last))
    };
    html! {
        nav.tabs aria-label=(Text::Period.of(lang)) {
            @for (label, first, last) in choices {
                a href=(address(first, last)) aria-current=[((first, last) == (asked.days.first, asked.days.last)).then_some("true")] { (label) }
            }
        }
    }
}

/// A figure's name and what it is a share of.
fn words(figure: Figure) -> (Text, Text) {
    match figure {
        Figure::Closing => (Text::ClosingRate, Text::ClosingRateOf),
        Figure::ClosingInTime => (Text::ClosingInTimeRate, Text::ClosingInTimeRateOf),
        Figure::Proactive => (Text::ProactiveShare, Text::ProactiveShareOf),
        Figure::FalseAlarms => (Text::FalseAlarmRate, Text::FalseAlarmRateOf),
        Figure::Rework => (Text::ReworkRate, Text::ReworkRateOf),
        Figure::Repeats => (Text::RepeatRate, Text::RepeatRateOf),
    }
}

fn tiles(lang: Lang, rates: &Rates) -> Markup {
    let t = |text: Text| text.of(lang);
    html! {
        dl.tiles {
            div { dt { (t(Text::CasesReceived)) } dd { (rates.received) } dd.of { (t(Text::CasesReceivedOf)) } }
            div { dt { (t(Text::CasesFiled)) } dd { (rates.filed) } dd.of { (t(Text::CasesFiledOf)) } }
            @for figure in Figure::ALL {
                @let share = rates.share(figure);
                @let (name, of) = words(figure);
                div { dt { (t(name)) } dd { (share.percent()) } dd.of { (t(of)) " · " (share.count) " / " (share.of) } }
            }
        }
    }
}

fn cell(share: Share) -> Markup {
    html! {
        td.number {
            (share.percent())
            @if share.of > 0 { " " small { (share.count) "/" (share.of) } }
        }
    }
}

fn section(lang: Lang, title: &str, columns: &[Column<'_>], rows: &Markup) -> Markup {
    html! {
        section {
            h2 { (title) }
            (table(lang, None, title, columns, rows))
        }
    }
}

/// All figures of each of several groups.
fn group(lang: Lang, by: Text, rows: impl Iterator<Item = (Markup, Rates)>) -> Markup {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Markup::default();
    }
    let mut columns = vec![Column::Text(by), Column::Number(Text::CasesReceived), Column::Number(Text::CasesFiled)];
    columns.extend(Figure::ALL.map(|figure| Column::Number(words(figure).0)));
    section(
        lang,
        &Text::FiguresBy.with(lang, by.of(lang).to_lowercase()),
        &columns,
        &html! {
            @for (name, rates) in &rows {
                tr {
                    th scope="row" { (name) }
                    td.number { (rates.received) }
                    td.number { (rates.filed) }
                    @for figure in Figure::ALL { (cell(rates.share(figure))) }
                }
            }
        },
    )
}

fn stage(stage: Stage) -> Text {
    match stage {
        Stage::Filed => Text::ToFiled,
        Stage::Dispatched => Text::ToDispatched,
        Stage::Handling => Text::ToHandling,
        Stage::Handled => Text::ToHandled,
        Stage::Closed => Text::ToClosed,
        Stage::Whole => Text::WholeCase,
    }
}

fn hours(lang: Lang, figures: &Figures) -> Markup {
    let t = |text: Text| text.of(lang);
    let known = |stage| figures.hours.get(&stage);
    let number = |hours: f64| format!("{hours:.2}");
    section(
        lang,
        t(Text::HoursByStage),
        &[
            Column::Text(Text::StageLabel),
            Column::Number(Text::Cases),
            Column::Number(Text::MedianHours),
            Column::Number(Text::MeanHours),
        ],
        &html! {
            @for each in Stage::ALL {
                tr {
                    th scope="row" { (t(stage(each))) }
                    td.number { (known(each).map_or(0, |hours| hours.cases)) }
                    td.number { (known(each).map_or_else(|| "-".to_owned(), |hours| number(hours.median))) }
                    td.number { (known(each).map_or_else(|| "-".to_owned(), |hours| number(hours.mean))) }
                }
            }
        },
    )
}

fn reasons(lang: Lang, figures: &Figures) -> Markup {
    let t = |text: Text| text.of(lang);
    if figures.by_reason.is_empty() {
        return Markup::default();
    }
    let mut rows: Vec<_> = figures.by_reason.iter().collect();
    rows.sort_by_key(|(_, share)| std::cmp::Reverse(share.count));
    section(
        lang,
        t(Text::RejectedFor),
        &[
            Column::Text(Text::Reason),
            Column::Text(Text::CountsAs),
            Column::Number(Text::Cases),
            Column::Number(Text::ShareOfDecided),
        ],
        &html! {
            @for (code, share) in rows {
                @let rejection = figures::Rejection(code.clone());
                tr {
                    th scope="row" { (Text::reason(code).map_or(code.as_str(), |text| text.of(lang))) }
                    td {
                        @if rejection.is_false_alarm() { (t(Text::CountsAsFalseAlarm)) }
                        @else if rejection.is_decision() { (t(Text::CountsAsCase)) }
                        @else { (t(Text::CountsAsUndecided)) }
                    }
                    td.number { (share.count) }
                    td.number { (share.percent()) }
                }
            }
        },
    )
}

/// The camera's name, and its page.
fn camera(cameras: &[CameraView], id: &CameraId) -> Markup {
    let name = cameras.iter().find(|camera| camera.report.id == *id).map_or(id.as_str(), CameraView::title);
    html! { a href={ "/cameras/" (id) } { (name) } }
}

fn by_camera(lang: Lang, figures: &Figures, cameras: &[CameraView]) -> Markup {
    let alarms = |rates: &Rates| rates.share(Figure::FalseAlarms);
    let mut rows: Vec<_> = figures.by_camera.iter().collect();
    rows.sort_by_key(|(_, rates)| std::cmp::Reverse((alarms(rates).count, rates.received)));
    let all = rows.len();
    rows.truncate(CAMERAS);
    html! {
        (group(lang, Text::Camera, rows.into_iter().map(|(id, rates)| (camera(cameras, id), *rates))))
        @if all > CAMERAS { p.muted { (Text::FirstOf.with_all(lang, &[&CAMERAS, &all])) } }
    }
}

fn recurring(lang: Lang, figures: &Figures, cameras: &[CameraView]) -> Markup {
    let t = |text: Text| text.of(lang);
    if figures.recurring.is_empty() {
        return Markup::default();
    }
    section(
        lang,
        t(Text::RecurringPlaces),
        &[Column::Text(Text::Camera), Column::Text(Text::Zone), Column::Text(Text::Kind), Column::Number(Text::Cases)],
        &html! {
            @for (place, cases) in &figures.recurring {
                tr {
                    th scope="row" { (camera(cameras, &place.camera)) }
                    td { (zone(cameras, &place.camera, &place.zone)) }
                    td { (kind_name(&place.kind, lang)) }
                    td.number { (cases) }
                }
            }
        },
    )
}

fn zone<'a>(cameras: &'a [CameraView], camera: &CameraId, zone: &'a ZoneId) -> &'a str {
    let zones = cameras.iter().find(|view| view.report.id == *camera).map(|view| &view.zones);
    let named = zones.and_then(|zones| zones.iter().find(|known| known.id == *zone)).map(|known| known.name.as_str());
    named.filter(|name| !name.is_empty()).unwrap_or(zone.as_str())
}

pub(crate) async fn csv(State(desk): State<Arc<Desk>>, Extension(visit): Extension<Visit>) -> Result<Response, Fault> {
    let figures = Asked::of(&desk.console, &visit)?.figures(&desk.console, visit.now).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"figures.csv\""),
    ];
    Ok((headers, figures::csv(&figures)).into_response())
}

#[derive(Serialize)]
struct FiguresOut {
    from: String,
    to: String,
    at: String,
    kind: Option<Kind>,
    street: Option<String>,
    all: RatesOut,
    by_kind: Vec<KindOut>,
    by_street: Vec<StreetOut>,
    by_camera: Vec<CameraOut>,
    by_reason: Vec<ReasonOut>,
    hours: Vec<HoursOut>,
    recurring: Vec<PlaceOut>,
}

#[derive(Serialize)]
struct RatesOut {
    received: u64,
    filed: u64,
    closing: ShareOut,
    closing_in_time: ShareOut,
    proactive: ShareOut,
    false_alarms: ShareOut,
    rework: ShareOut,
    repeats: ShareOut,
}

#[derive(Serialize)]
struct ShareOut {
    count: u64,
    of: u64,
    rate: Option<f64>,
}

#[derive(Serialize)]
struct KindOut {
    kind: Kind,
    name_zh: Option<&'static str>,
    name_en: Option<&'static str>,
    #[serde(flatten)]
    rates: RatesOut,
}

#[derive(Serialize)]
struct StreetOut {
    street: String,
    name: Option<alerts::duty::Words>,
    #[serde(flatten)]
    rates: RatesOut,
}

#[derive(Serialize)]
struct CameraOut {
    camera: CameraId,
    #[serde(flatten)]
    rates: RatesOut,
}

#[derive(Serialize)]
struct ReasonOut {
    reason: String,
    is_false_alarm: bool,
    #[serde(flatten)]
    share: ShareOut,
}

#[derive(Serialize)]
struct HoursOut {
    stage: &'static str,
    cases: u64,
    mean: f64,
    median: f64,
}

#[derive(Serialize)]
struct PlaceOut {
    camera: CameraId,
    zone: ZoneId,
    kind: Kind,
    cases: u64,
}

impl From<Share> for ShareOut {
    fn from(share: Share) -> Self {
        Self { count: share.count, of: share.of, rate: share.rate() }
    }
}

impl From<Rates> for RatesOut {
    fn from(rates: Rates) -> Self {
        let share = |figure| rates.share(figure).into();
        Self {
            received: rates.received,
            filed: rates.filed,
            closing: share(Figure::Closing),
            closing_in_time: share(Figure::ClosingInTime),
            proactive: share(Figure::Proactive),
            false_alarms: share(Figure::FalseAlarms),
            rework: share(Figure::Rework),
            repeats: share(Figure::Repeats),
        }
    }
}

pub(crate) async fn api(State(desk): State<Arc<Desk>>, Extension(visit): Extension<Visit>) -> Result<Response, Fault> {
    let console = &desk.console;
    let asked = Asked::of(console, &visit)?;
    let figures = asked.figures(console, visit.now).await?;
    let at = |moment| rfc3339(moment, &console.time_zone);
    let Scope { from, to, kind, street } = asked.scope;
    let by_kind = figures.by_kind.into_iter().map(|(kind, rates)| {
        let info = kind_info(&kind);
        KindOut { name_zh: info.map(|i| i.name_zh), name_en: info.map(|i| i.name_en), kind, rates: rates.into() }
    });
    let names = (console.streets)();
    let by_street = figures.by_street.into_iter().map(|(street, rates)| StreetOut {
        name: names.name(&street).cloned(),
        street,
        rates: rates.into(),
    });
    let out = FiguresOut {
        from: at(from),
        to: at(to),
        at: at(visit.now),
        kind,
        street,
        all: figures.all.into(),
        by_kind: by_kind.collect(),
        by_street: by_street.collect(),
        by_camera: figures
            .by_camera
            .into_iter()
            .map(|(camera, rates)| CameraOut { camera, rates: rates.into() })
            .collect(),
        by_reason: figures
            .by_reason
            .into_iter()
            .map(|(reason, share)| ReasonOut {
                is_false_alarm: figures::Rejection(reason.clone()).is_false_alarm(),
                reason,
                share: share.into(),
            })
            .collect(),
        hours: figures
            .hours
            .into_iter()
            .map(|(stage, hours)| HoursOut {
                stage: stage.as_str(),
                cases: hours.cases,
                mean: hours.mean,
                median: hours.median,
            })
            .collect(),
        recurring: figures
            .recurring
            .into_iter()
            .map(|(place, cases)| PlaceOut { camera: place.camera, zone: place.zone, kind: place.kind, cases })
            .collect(),
    };
    Ok(json(StatusCode::OK, &out))
}
