//! The first page: tickets newest first, a page at a time, narrowed by camera, kind and state.

use std::sync::Arc;

use alerts::{
    case::State as CaseState,
    deadline::Light,
    incident::Zone,
    kinds::{KINDS, KindInfo, kind_info},
    store::TicketFilter,
    ticket::{Evidence, EvidenceRole, Rendition, Ticket, TicketState},
};
use axum::{Extension, extract::State};
use domain::{CameraId, CameraState, Kind, Place, TicketId};
use maud::{Markup, html};

use crate::{
    answer::Fault,
    case,
    console::{Console, Desk},
    fleet::CameraView,
    i18n::{Lang, Text},
    layout::{Frame, Section, fact, page},
    params::Params,
    times::{length, moment},
    visit::Visit,
};

const PAGE: u32 = 30;

/// A kind's name for people; the kind itself where only a config knows it.
pub(crate) fn kind_name(kind: &Kind, lang: Lang) -> &str {
    kind_info(kind).map_or(kind.as_str(), |info| info_name(info, lang))
}

pub(crate) fn info_name(info: &'static KindInfo, lang: Lang) -> &'static str {
    match lang {
        Lang::Zh => info.name_zh,
        Lang::En => info.name_en,
    }
}

/// The filter that an address names, its camera left out.
pub(crate) fn filter_of(params: &Params, limit: u32) -> Result<TicketFilter, Fault> {
    Ok(TicketFilter {
        before: params.read("before", "expected a ticket's id", |v| v.parse::<TicketId>().ok())?,
        limit,
        camera: None,
        kind: params.read("kind", "expected a kind such as lane.motor", |v| v.parse::<Kind>().ok())?,
        state: params.read("state", "expected open, cleared or ended", read_state)?,
        case: params.read("case", "expected the state of a case such as pending_review", read_case)?,
    })
}

fn read_state(value: &str) -> Option<TicketState> {
    match value {
        "open" => Some(TicketState::Open),
        "cleared" => Some(TicketState::Cleared),
        "ended" => Some(TicketState::Ended),
        _ => None,
    }
}

fn read_case(value: &str) -> Option<CaseState> {
    value.parse().ok()
}

/// One page of tickets, and the id that the next one starts behind.
pub(crate) async fn page_of(
    console: &Console,
    mut filter: TicketFilter,
) -> Result<(Vec<Ticket>, Option<TicketId>), Fault> {
    let limit = filter.limit;
    // One more than asked for tells whether there is a next page.
    filter.limit = limit.saturating_add(1);
    let mut tickets = console.store.tickets(&filter).await.map_err(Fault::internal)?;
    let more = tickets.len() > limit as usize;
    tickets.truncate(limit as usize);
    let next = tickets.last().filter(|_| more).map(Ticket::id);
    Ok((tickets, next))
}

/// What the camera field's text stands for.
enum Wanted {
    Any,
    One(CameraId),
    Several(Vec<(CameraId, String)>),
    Nothing,
}

fn wanted_camera(text: Option<&str>, cameras: &[CameraView]) -> Wanted {
    let Some(text) = text else { return Wanted::Any };
    if let Some(camera) = cameras.iter().find(|c| c.report.id.as_str() == text) {
        return Wanted::One(camera.report.id.clone());
    }
    let needle = text.to_lowercase();
    let mut found: Vec<_> = cameras.iter().filter(|c| c.title().to_lowercase().contains(&needle)).collect();
    if let Some(exact) = found.iter().position(|c| c.name == text) {
        found = vec![found[exact]];
    }
    match found.as_slice() {
        // A camera that is no longer in the config still has its tickets.
        [] => text.parse().map_or(Wanted::Nothing, Wanted::One),
        [one] => Wanted::One(one.report.id.clone()),
        several => {
            Wanted::Several(several.iter().take(20).map(|c| (c.report.id.clone(), c.title().to_owned())).collect())
        }
    }
}

pub(crate) async fn list(State(desk): State<Arc<Desk>>, Extension(visit): Extension<Visit>) -> Result<Markup, Fault> {
    let (console, lang) = (&desk.console, visit.lang);
    let mut filter = filter_of(&visit.params, PAGE)?;
    let (figures, cameras) = console.figures(visit.now).await?;
    let asked = visit.params.get("camera");
    let wanted = wanted_camera(asked, &cameras);
    let listing = match &wanted {
        Wanted::Any | Wanted::One(_) => {
            if let Wanted::One(camera) = &wanted {
                filter.camera = Some(camera.clone());
            }
            let (tickets, next) = page_of(console, filter).await?;
            if tickets.is_empty() { nothing(&visit, &cameras) } else { rows(console, &visit, &tickets, next) }
        }
        Wanted::Several(choices) => html! {
            section.empty {
                p { (Text::SeveralCameras.with(lang, asked.unwrap_or_default())) }
                ul {
                    @for (id, name) in choices {
                        li { a href={ "/" (visit.params.without("before").with("camera", id)) } { (name) } " " code { (id) } }
                    }
                }
            }
        },
        Wanted::Nothing => html! {
            section.empty { p { (Text::NoCameraNamed.with(lang, asked.unwrap_or_default())) } }
        },
    };
    let title = Text::Tickets.of(lang);
    // Only the newest page changes by itself.
    let refresh = visit.params.get("before").is_none().then_some(5);
    let frame = Frame { title, section: Section::Tickets, figures: &figures, refresh };
    Ok(page(
        &visit,
        console,
        &frame,
        &html! {
            div.head {
                h1 { (title) }
                (filter_form(&visit))
                p { a href="/export/cases.csv" { "CSV" } " · " a href="/export/cases.xlsx" { "XLSX" } }
            }
            (listing)
        },
    ))
}

fn filter_form(visit: &Visit) -> Markup {
    let (lang, params) = (visit.lang, &visit.params);
    let t = |text: Text| text.of(lang);
    let chosen = |name: &str, value: &str| params.get(name) == Some(value);
    let filtered = ["camera", "kind", "state", "case"].iter().any(|name| params.get(name).is_some());
    html! {
        form.filter method="get" action="/" role="search" {
            label { span { (t(Text::Camera)) }
                input type="search" name="camera" value=[params.get("camera")] placeholder=(t(Text::CameraHint)) maxlength="64";
            }
            label { span { (t(Text::Kind)) }
                select name="kind" {
                    option value="" { (t(Text::All)) }
                    @for info in KINDS {
                        option value=(info.kind) selected[chosen("kind", info.kind)] { (info_name(info, lang)) }
                    }
                }
            }
            label { span { (t(Text::State)) }
                select name="state" {
                    option value="" { (t(Text::All)) }
                    option value="open" selected[chosen("state", "open")] { (t(Text::StateOpen)) }
                    option value="cleared" selected[chosen("state", "cleared")] { (t(Text::StateCleared)) }
                    option value="ended" selected[chosen("state", "ended")] { (t(Text::TicketEnded)) }
                }
            }
            label { span { (t(Text::CaseState)) }
                select name="case" {
                    option value="" { (t(Text::All)) }
                    // A ticket is past these two when it is written.
                    @for state in CaseState::ALL.into_iter().skip(2) {
                        option value=(state) selected[chosen("case", state.as_str())] { (Text::from(state).of(lang)) }
                    }
                }
            }
            button { (t(Text::Apply)) }
            @if filtered { a href="/" { (t(Text::Clear)) } }
        }
    }
}

fn nothing(visit: &Visit, cameras: &[CameraView]) -> Markup {
    let lang = visit.lang;
    let t = |text: Text| text.of(lang);
    if ["camera", "kind", "state", "case", "before"].iter().any(|name| visit.params.get(name).is_some()) {
        return html! {
            section.empty { h2 { (t(Text::NoMatch)) } p { a href="/" { (t(Text::Clear)) } } }
        };
    }
    let streaming = cameras.iter().filter(|c| c.report.state == CameraState::Streaming).count();
    let zones: usize = cameras.iter().map(|c| c.zones.len()).sum();
    html! {
        section.empty {
            h2 { (t(Text::NoTicketsYet)) }
            p { (t(Text::NoTicketsWhy)) }
            @if cameras.is_empty() {
                p { (t(Text::NoCamerasWhy)) }
            } @else if zones == 0 {
                p { (t(Text::NoZones)) }
            } @else if streaming == 0 {
                p { (t(Text::NoneStreaming)) " " a href="/cameras" { (t(Text::Cameras)) } }
            } @else {
                p { (Text::WatchingNow.with(lang, streaming)) " " (Text::WatchingZones.with(lang, zones)) }
            }
        }
    }
}

/// Tickets as rows, and the way to the next page.
pub(crate) fn rows(console: &Console, visit: &Visit, tickets: &[Ticket], next: Option<TicketId>) -> Markup {
    let lang = visit.lang;
    html! {
        ol.tickets {
            @for ticket in tickets { li { (row(console, visit, ticket)) } }
        }
        nav.pages aria-label=(Text::Navigation.of(lang)) {
            @if visit.params.get("before").is_some() {
                a href={ (visit.path) (visit.params.with("before", "")) } { "⇤ " (Text::Newest.of(lang)) }
            }
            @if let Some(next) = next {
                a rel="next" href={ (visit.path) (visit.params.with("before", next)) } { (Text::Older.of(lang)) " →" }
            }
        }
    }
}

fn row(console: &Console, visit: &Visit, ticket: &Ticket) -> Markup {
    let (lang, incident) = (visit.lang, &ticket.incident);
    let name = kind_name(&incident.kind, lang);
    let camera = camera_title(ticket);
    let at = |t| moment(t, visit.now, &console.time_zone, lang);
    html! {
        article {
            a.thumb href={ "/tickets/" (ticket.id()) } tabindex="-1" aria-hidden="true" {
                @if let Some(picture) = thumbnail(ticket) {
                    img src={ "/evidence/" (picture.sha256) } loading="lazy" alt=""
                        width=(picture.width) height=(picture.height);
                } @else {
                    span.blank { (Text::NoThumbnail.of(lang)) }
                }
            }
            div.what {
                h2 { a href={ "/tickets/" (ticket.id()) } { (name) } " " (state_badge(ticket.state, lang)) " " (case::badge(ticket.case.state(), lang))
                    @if let Some(light) = ticket.clocks.as_ref().and_then(|clocks| clocks.light()) { " " (light_badge(light, lang)) }
                }
                p.where {
                    @if is_seen(ticket) { a href={ "/cameras/" (incident.camera) } { (camera) } }
                    @else { a href="/sensors" { (camera) } }
                    @if let Some(place) = &ticket.camera.place { " · " (place_line(place)) }
                }
                p.zone { (Text::from(ticket.zone.purpose).of(lang)) " · " (zone_title(&ticket.zone)) }
            }
            dl.when {
                (fact(Text::FirstSeen, lang, &at(incident.first_seen)))
                (fact(Text::Confirmed, lang, &at(incident.confirmed_at)))
                (fact(Text::Dwell, lang, &html! { (length(incident.dwell, lang)) }))
                (fact(Text::Delivery, lang, &delivery(console, visit, ticket)))
            }
        }
    }
}

/// The smallest annotated picture of the confirming look.
fn thumbnail(ticket: &Ticket) -> Option<&Evidence> {
    let annotated = ticket.evidence.iter().filter(|e| e.rendition == Rendition::Annotated);
    annotated.min_by_key(|e| (e.role != EvidenceRole::Confirming, e.width))
}

pub(crate) fn camera_title(ticket: &Ticket) -> &str {
    if ticket.camera.name.is_empty() { ticket.incident.camera.as_str() } else { &ticket.camera.name }
}

/// The zone's name for people; its id where it has none.
pub(crate) fn zone_title(zone: &Zone) -> &str {
    if zone.name.is_empty() { zone.id.as_str() } else { &zone.name }
}

/// The address, or the grid code where there is none.
pub(crate) fn place_line(place: &Place) -> &str {
    if place.address.is_empty() { place.grid.as_str() } else { &place.address }
}

pub(crate) fn state_badge(state: TicketState, lang: Lang) -> Markup {
    let (class, icon) = match state {
        TicketState::Open => ("warn", "●"),
        TicketState::Cleared => ("ok", "✓"),
        TicketState::Ended => ("muted", "■"),
    };
    html! {
        span class={ "state " (class) } { span aria-hidden="true" { (icon) } " " (Text::from(state).of(lang)) }
    }
}

/// A light in its colour, its shape and its name.
pub(crate) fn light_badge(light: Light, lang: Lang) -> Markup {
    let (class, icon) = match light {
        Light::Green => ("ok", "●"),
        Light::Yellow => ("warn", "◆"),
        Light::Red => ("bad", "▲"),
    };
    html! {
        span class={ "state " (class) } { span aria-hidden="true" { (icon) } " " (Text::from(light).of(lang)) }
    }
}

pub(crate) fn delivery(console: &Console, visit: &Visit, ticket: &Ticket) -> Markup {
    let lang = visit.lang;
    if !ticket.case.is_filed() {
        return html! { span.state.muted { (Text::NotFiled.of(lang)) } };
    }
    match ticket.delivered_at {
        Some(at) => html! {
            span.state.ok { span aria-hidden="true" { "✓" } " " (Text::DeliveredAt.of(lang)) } " "
            (moment(at, visit.now, &console.time_zone, lang))
        },
        None => html! {
            span.state.warn title=(Text::QueuedLong.of(lang)) {
                span aria-hidden="true" { "◔" } " " (Text::Queued.of(lang))
            }
        },
    }
}

/// Whether a camera sees the place; a device that none sees stands in for it.
pub(crate) fn is_seen(ticket: &Ticket) -> bool {
    let incident = &ticket.incident;
    incident.sensed.as_ref().is_none_or(|sensed| sensed.device.as_str() != incident.camera.as_str())
}
