//! The cameras as a table: found by state and text, a page at a time.

use std::sync::Arc;

use axum::{Extension, extract::State};
use domain::{CameraFault, CameraReport, CameraState, DecodeMode, Timestamp};
use maud::{Markup, html};

use crate::{
    answer::Fault,
    console::{Console, Desk},
    fleet::CameraView,
    i18n::{Lang, Text},
    layout::{Column, Frame, Section, page, table},
    params::Params,
    tickets,
    times::{age, length},
    visit::Visit,
};

const PAGE: usize = 50;

const STATES: [CameraState; 5] =
    [CameraState::Streaming, CameraState::Offline, CameraState::Connecting, CameraState::Waiting, CameraState::Ended];

/// Stands for every fault in an address.
const ANY: &str = "any";

/// The cameras that an address asks for, in the fleet's order.
pub(crate) struct Selection {
    /// Those that the search text fits, by state; the numbers on the state tabs.
    pub(crate) by_state: [usize; STATES.len()],
    /// Of those that the state fits, how many have each fault, in the order of [`CameraFault::ALL`].
    pub(crate) by_fault: [usize; CameraFault::ALL.len()],
    /// And how many have any.
    pub(crate) faulty: usize,
    /// Those that the state and the fault fit too, this page of them.
    pub(crate) cameras: Vec<CameraView>,
    /// How many fit, over all pages.
    pub(crate) total: usize,
    /// This page, from 1.
    pub(crate) page: usize,
    /// How many pages there are, at least 1.
    pub(crate) pages: usize,
}

impl Selection {
    pub(crate) fn new(mut cameras: Vec<CameraView>, params: &Params, page_size: usize) -> Result<Self, Fault> {
        let state = params.read(
            "state",
            format_args!("expected one of {}", STATES.map(CameraState::as_str).join(", ")),
            |v| STATES.into_iter().find(|s| s.as_str() == v),
        )?;
        let fault = params.read(
            "fault",
            format_args!("expected {ANY} or one of {}", CameraFault::ALL.map(CameraFault::as_str).join(", ")),
            |v| match v {
                ANY => Some(None),
                _ => CameraFault::ALL.into_iter().find(|fault| fault.as_str() == v).map(Some),
            },
        )?;
        let wanted = params.read("page", "expected a page's number, from 1", |v| v.parse().ok().filter(|p| *p > 0))?;
        if let Some(needle) = params.get("q").map(str::to_lowercase) {
            cameras.retain(|camera| fits(camera, &needle));
        }
        let by_state = STATES.map(|state| cameras.iter().filter(|c| c.report.state == state).count());
        if let Some(state) = state {
            cameras.retain(|c| c.report.state == state);
        }
        let has = |camera: &CameraView, fault| camera.report.ailments.iter().any(|ailment| ailment.fault == fault);
        let by_fault = CameraFault::ALL.map(|fault| cameras.iter().filter(|c| has(c, fault)).count());
        let faulty = cameras.iter().filter(|c| !c.report.ailments.is_empty()).count();
        match fault {
            Some(Some(fault)) => cameras.retain(|c| has(c, fault)),
            Some(None) => cameras.retain(|c| !c.report.ailments.is_empty()),
            None => {}
        }
        let total = cameras.len();
        let pages = total.div_ceil(page_size).max(1);
        // A page that was there a moment ago, before some cameras changed their state, leads to the last one.
        let page: usize = wanted.unwrap_or(1).min(pages);
        let cameras = cameras.into_iter().skip((page - 1) * page_size).take(page_size).collect();
        Ok(Self { by_state, by_fault, faulty, cameras, total, page, pages })
    }
}

/// Whether `needle`, in lower case, is in what people know the camera by.
fn fits(camera: &CameraView, needle: &str) -> bool {
    let place = camera.place.as_ref();
    let texts = [
        Some(camera.report.id.as_str()),
        Some(camera.name.as_str()),
        place.map(|p| p.address.as_str()),
        place.map(|p| p.grid.as_str()),
        place.and_then(|p| p.duty_grid.as_deref()),
    ];
    texts.into_iter().flatten().any(|text| text.to_lowercase().contains(needle))
}

pub(crate) async fn list(State(desk): State<Arc<Desk>>, Extension(visit): Extension<Visit>) -> Result<Markup, Fault> {
    let (console, lang) = (&desk.console, visit.lang);
    let t = |text: Text| text.of(lang);
    let (figures, cameras) = console.figures(visit.now).await?;
    let none_at_all = cameras.is_empty();
    let selection = Selection::new(cameras, &visit.params, PAGE)?;
    let title = t(Text::Cameras);
    let frame = Frame { title, section: Section::Cameras, figures: &figures, refresh: Some(10) };
    Ok(page(
        &visit,
        console,
        &frame,
        &html! {
            div.head {
                h1 { (title) }
                (search_form(&visit))
            }
            (state_tabs(&visit, &selection))
            (fault_tabs(&visit, &selection))
            @if none_at_all {
                section.empty { h2 { (t(Text::NoCameras)) } p { (t(Text::NoCamerasWhy)) } }
            } @else if selection.cameras.is_empty() {
                section.empty { h2 { (t(Text::NoCameraMatch)) } p { a href="/cameras" { (t(Text::Clear)) } } }
            } @else {
                (list_of(console, &visit, &selection.cameras))
                (page_links(&visit, &selection))
            }
        },
    ))
}

fn search_form(visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        form.filter method="get" action="/cameras" role="search" {
            label { span { (Text::Search.of(lang)) }
                input type="search" name="q" value=[visit.params.get("q")] placeholder=(Text::SearchHint.of(lang)) maxlength="64";
            }
            @if let Some(fault) = visit.params.get("fault") { input type="hidden" name="fault" value=(fault); }
            @if let Some(state) = visit.params.get("state") { input type="hidden" name="state" value=(state); }
            button { (Text::Search.of(lang)) }
        }
    }
}

fn state_tabs(visit: &Visit, selection: &Selection) -> Markup {
    let lang = visit.lang;
    let params = visit.params.without("page");
    let current = params.get("state").unwrap_or_default();
    let tab = |state: &str, label: &Markup, n: usize| {
        html! {
            a href={ "/cameras" (params.with("state", state)) } aria-current=[(current == state).then_some("true")] {
                (label) " " small { (n) }
            }
        }
    };
    html! {
        nav.tabs aria-label=(Text::State.of(lang)) {
            (tab("", &html! { (Text::All.of(lang)) }, selection.by_state.iter().sum()))
            @for (state, n) in STATES.into_iter().zip(selection.by_state) {
                @if n > 0 || current == state.as_str() {
                    (tab(state.as_str(), &state_badge(state, lang), n))
                }
            }
        }
    }
}

/// Shown where some camera has a fault, or one was asked for.
fn fault_tabs(visit: &Visit, selection: &Selection) -> Markup {
    let lang = visit.lang;
    let params = visit.params.without("page");
    let current = params.get("fault").unwrap_or_default();
    let tab = |fault: &str, label: Text, n: usize| {
        html! {
            a href={ "/cameras" (params.with("fault", fault)) } aria-current=[(current == fault).then_some("true")] {
                (label.of(lang)) " " small { (n) }
            }
        }
    };
    html! {
        @if selection.faulty > 0 || !current.is_empty() {
            nav.tabs aria-label=(Text::Health.of(lang)) {
                a href={ "/cameras" (params.without("fault").with("fault", "")) } aria-current=[current.is_empty().then_some("true")] {
                    (Text::AnyHealth.of(lang))
                }
                (tab(ANY, Text::AnyFault, selection.faulty))
                @for (fault, n) in CameraFault::ALL.into_iter().zip(selection.by_fault) {
                    @if n > 0 || current == fault.as_str() { (tab(fault.as_str(), Text::from(fault), n)) }
                }
            }
        }
    }
}

/// What is wrong with a camera: icon and word each.
pub(crate) fn fault_badges(report: &CameraReport, lang: Lang) -> Markup {
    html! {
        @for ailment in &report.ailments {
            " "
            span class={ "state " (if ailment.fault.suspends_tickets() { "bad" } else { "warn" }) } {
                span aria-hidden="true" { "⚠" } " " (Text::from(ailment.fault).of(lang))
            }
        }
    }
}

/// Icon and word, so that the colour is only a third sign.
pub(crate) fn state_badge(state: CameraState, lang: Lang) -> Markup {
    let (class, icon) = match state {
        CameraState::Streaming => ("ok", "●"),
        CameraState::Connecting => ("warn", "◐"),
        CameraState::Waiting => ("calm", "○"),
        CameraState::Offline => ("bad", "▲"),
        CameraState::Ended => ("calm", "■"),
    };
    html! {
        span class={ "state " (class) } { span aria-hidden="true" { (icon) } " " (Text::from(state).of(lang)) }
    }
}

fn list_of(console: &Console, visit: &Visit, cameras: &[CameraView]) -> Markup {
    let lang = visit.lang;
    let t = |text: Text| text.of(lang);
    let none = html! { span.muted { "–" } };
    let when = |at: Option<Timestamp>| match at {
        Some(at) => age(at, visit.now, &console.time_zone, lang),
        None => html! { span.muted { (t(Text::Never)) } },
    };
    let columns = [
        Column::Text(Text::Camera),
        Column::Text(Text::State),
        Column::Text(Text::Since),
        Column::Text(Text::LastLook),
        Column::Number(Text::LookInterval),
        Column::Number(Text::KeyframeInterval),
        Column::Text(Text::PictureSize),
        Column::Number(Text::Reconnects),
        Column::Text(Text::LastError),
    ];
    let rows = html! {
        @for camera in cameras {
            @let report = &camera.report;
            tr {
                th scope="row" {
                    div.camera {
                        a.thumb href={ "/cameras/" (report.id) } tabindex="-1" aria-hidden="true" {
                            @if report.last_keyframe_at.is_some() {
                                img src=(still_address(report)) loading="lazy" alt="" width="96" height="54";
                            } @else { span.blank {} }
                        }
                        div {
                            a href={ "/cameras/" (report.id) } { (camera.title()) }
                            @if !camera.name.is_empty() { " " code { (report.id) } }
                            @if let Some(place) = &camera.place { div.muted { (tickets::place_line(place)) } }
                            @if camera.zones.is_empty() {
                                div.muted { (t(Text::Zones)) ": 0" }
                            }
                        }
                    }
                }
                td { (state_badge(report.state, lang)) (fault_badges(report, lang)) }
                td { (when(Some(report.since))) }
                td { (when(report.last_look_at)) }
                td.number { (length(report.look_interval, lang)) }
                td.number {
                    @if let Some(i) = report.keyframe_interval { (length(i, lang)) } @else { (none) }
                    @if report.decode == DecodeMode::AllFrames { div.muted { (t(Text::from(report.decode))) } }
                }
                td {
                    @if let Some((w, h)) = report.size { (w) "×" (h) } @else { (none) }
                    @if let Some(codec) = report.codec { " " (codec) }
                }
                td.number { (report.reconnects) }
                td.error { @if let Some(error) = &report.error { (error) } @else { (none) } }
            }
        }
    };
    table(lang, Some("cameras"), t(Text::Cameras), &columns, &rows)
}

fn page_links(visit: &Visit, selection: &Selection) -> Markup {
    let lang = visit.lang;
    let link = |page: usize| format!("/cameras{}", visit.params.with("page", page));
    html! {
        @if selection.pages > 1 {
            nav.pages aria-label=(Text::Navigation.of(lang)) {
                @if selection.page > 1 { a rel="prev" href=(link(selection.page - 1)) { "← " (Text::Previous.of(lang)) } }
                span { (Text::PageOf.with(lang, selection.page)) " " (Text::OfPages.with(lang, selection.pages)) }
                @if selection.page < selection.pages { a rel="next" href=(link(selection.page + 1)) { (Text::Next.of(lang)) " →" } }
            }
        }
    }
}

/// The address of the latest picture; it changes with each keyframe, so that a refresh fetches only what is new.
pub(crate) fn still_address(report: &CameraReport) -> String {
    format!(
        "/cameras/{}/latest.jpg?of={}",
        report.id,
        report.last_look_at.or(report.last_keyframe_at).map_or(0, |t| t.0)
    )
}
