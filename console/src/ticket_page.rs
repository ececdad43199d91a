//! One ticket with all that an auditor asks for: pictures, facts, hashes.

use std::sync::Arc;

use alerts::{
    clocks::{CaseClocks, Shown},
    deadline::Limit,
    incident::Sensed,
    routed::Routed,
    sensor::measure,
    store::Hold,
    ticket::{Evidence, EvidenceRole, Rendition, Ticket},
};
use axum::{
    Extension,
    extract::{Path, State},
};
use domain::{CameraId, StreamRole, TicketId, Timestamp};
use maud::{Markup, html};

use crate::{
    answer::Fault,
    case,
    console::{Console, Desk},
    duty_page::{codes, copies_and_pictures},
    i18n::{Lang, Text, level, limit, said},
    layout::{Column, Frame, Section, fact, page, place_facts, table},
    tickets::{camera_title, delivery, is_seen, kind_name, light_badge, place_line, state_badge, zone_title},
    times::{length, moment, rfc3339, wall},
    visit::Visit,
};

/// The ticket at the end of an address.
pub(crate) async fn find(console: &Console, id: &str) -> Result<Ticket, Fault> {
    let id: TicketId = id.parse().map_err(|_| Fault::bad(id, "expected a ticket's id, a UUID"))?;
    console.store.ticket(id).await.map_err(Fault::internal)?.ok_or(Fault::NotFound)
}

pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Markup, Fault> {
    let (console, lang) = (&desk.console, visit.lang);
    let ticket = find(console, &id).await?;
    let history = console.store.history(ticket.id()).await.map_err(Fault::internal)?;
    let holds = console.store.holds(ticket.id()).await.map_err(Fault::internal)?;
    let joined = console.store.joined_sensors(ticket.id()).await.map_err(Fault::internal)?;
    let (figures, _) = console.figures(visit.now).await?;
    // The camera may be gone from the configuration.
    let suspended = console.fleet.camera(&ticket.incident.camera).and_then(|camera| camera.report.suspended_since());
    let name = kind_name(&ticket.incident.kind, lang);
    let title = format!("{name} · {}", camera_title(&ticket));
    // What is over and delivered changes no more, and a form must not change under somebody's hands.
    let under_review = ticket.case.review_until().is_some();
    let settled = ticket.cleared_at.is_some() && ticket.delivered_at.is_some();
    let refresh = (!settled && !under_review).then_some(10);
    let frame = Frame { title: &title, section: Section::Tickets, figures: &figures, refresh };
    Ok(page(
        &visit,
        console,
        &frame,
        &html! {
            div.head {
                h1 { (name) " " (state_badge(ticket.state, lang)) " " (case::badge(ticket.case.state(), lang)) }
                div.actions {
                    a.button href={ "/tickets/" (ticket.id()) "/hold" } { (Text::LegalHold.of(lang)) }
                    a.button href={ "/api/tickets/" (ticket.id()) } { (Text::AsJson.of(lang)) }
                }
            }
            p.where {
                @if is_seen(&ticket) {
                    a href={ "/cameras/" (ticket.incident.camera) } { (camera_title(&ticket)) }
                } @else {
                    a href="/sensors" { (camera_title(&ticket)) }
                }
                @if let Some(place) = &ticket.camera.place { " · " (place_line(place)) }
                " · " (Text::from(ticket.zone.purpose).of(lang)) " · " (zone_title(&ticket.zone))
            }
            @if let (None, Some(since)) = (ticket.cleared_at, suspended) {
                p.trouble role="status" {
                    strong { (Text::Suspended.of(lang)) } " " (Text::SinceTime.with(lang, wall(since, &console.time_zone)))
                }
            }
            section.why {
                h2 { (Text::Why.of(lang)) }
                @match lang {
                    Lang::Zh if !ticket.incident.reason_zh.is_empty() => p { (ticket.incident.reason_zh) },
                    Lang::Zh | Lang::En => p lang="en" { (ticket.incident.reason) },
                }
            }
            @if under_review { (case::review_form(&visit, &ticket)) }
            @if !holds.is_empty() { (legal_holds(console, &visit, &holds)) }
            @for sensed in ticket.incident.sensed.as_deref().into_iter().chain(&joined) {
                (readings(console, &visit, sensed))
            }
            (pictures(console, &visit, &ticket))
            (case::history(console, &visit, &history))
            (facts(console, &visit, &ticket))
            @if let Some(route) = &ticket.route { (routing(console, &visit, route, ticket.clocks.as_deref())) }
            (files(console, &visit, &ticket))
        },
    ))
}

fn readings(console: &Console, visit: &Visit, sensed: &Sensed) -> Markup {
    let lang = visit.lang;
    let name = match (measure(&sensed.measure), lang) {
        (Some(known), Lang::Zh) => known.zh,
        (Some(known), Lang::En) => known.en,
        (None, _) => sensed.measure.as_str(),
    };
    let columns = [Column::Text(Text::When), Column::Number(Text::Value)];
    let rows = html! {
        @for noted in &sensed.readings {
            tr {
                td { time datetime=(rfc3339(noted.at, &console.time_zone)) { (wall(noted.at, &console.time_zone)) } }
                td.number { (noted.value) " " (sensed.unit) }
            }
        }
    };
    html! {
        section {
            h2 { (Text::Readings.of(lang)) " · " (sensed.name) " · " (name) }
            (table(lang, None, Text::Readings.of(lang), &columns, &rows))
        }
    }
}

/// What the pieces of evidence of one shot have in common.
type Shot<'a> = (EvidenceRole, StreamRole, Option<&'a CameraId>, Timestamp);

/// The pieces of evidence that show one moment in one stream, in the ticket's order.
fn shots(ticket: &Ticket) -> Vec<(Shot<'_>, Vec<&Evidence>)> {
    let mut shots: Vec<(Shot<'_>, Vec<&Evidence>)> = Vec::new();
    for e in &ticket.evidence {
        let shot = (e.role, e.stream, e.camera.as_ref(), e.captured_at);
        match shots.iter_mut().find(|(of, _)| *of == shot) {
            Some((_, pieces)) => pieces.push(e),
            None => shots.push((shot, vec![e])),
        }
    }
    shots
}

fn pictures(console: &Console, visit: &Visit, ticket: &Ticket) -> Markup {
    let lang = visit.lang;
    let to_close = ticket.cleared_at.and_then(|_| ticket.pictures_to_close());
    let has_after = ticket.evidence.iter().any(|e| e.role == EvidenceRole::After);
    html! {
        section {
            h2 { (Text::Pictures.of(lang)) }
            @for (text, few) in [(Text::FewToOpen, ticket.pictures_to_open()), (Text::FewToClose, to_close)] {
                @if let Some(few) = few.filter(|pictures| pictures.are_short()) {
                    p.trouble role="status" { (text.with_all(lang, &[&few.needed, &few.held])) }
                }
            }
            @for ((role, _, camera, captured_at), pieces) in shots(ticket) {
                div.shot {
                    h3 {
                        (Text::from(role).of(lang))
                        @if let Some(camera) = camera { " · " (camera) }
                        " " small { (moment(captured_at, visit.now, &console.time_zone, lang)) }
                    }
                    div.pair {
                        @for rendition in [Rendition::Annotated, Rendition::Clean] {
                            @for e in pieces.iter().filter(|e| e.rendition == rendition) {
                                (picture(console, lang, ticket, e))
                            }
                        }
                    }
                    @for e in pieces.iter().filter(|e| e.rendition == Rendition::Original) {
                        p.original {
                            a href={ "/evidence/" (e.sha256) } download { "⤓ " (Text::DownloadOriginal.of(lang)) }
                            " " small { (e.media_type) " · " (bytes(e.bytes)) }
                        }
                    }
                }
            }
            @if !has_after {
                div.shot { h3 { (Text::RoleAfter.of(lang)) } p.muted { (Text::NotYet.of(lang)) } }
            }
        }
    }
}

fn picture(console: &Console, lang: Lang, ticket: &Ticket, e: &Evidence) -> Markup {
    let rendition = Text::from(e.rendition).of(lang);
    let alt = format!(
        "{} · {} · {} · {} · {}",
        kind_name(&ticket.incident.kind, lang),
        camera_title(ticket),
        Text::from(e.role).of(lang),
        rendition,
        wall(e.captured_at, &console.time_zone),
    );
    html! {
        figure {
            a href={ "/evidence/" (e.sha256) } title=(Text::FullSize.of(lang)) {
                img src={ "/evidence/" (e.sha256) } alt=(alt) width=(e.width) height=(e.height) loading="lazy";
            }
            figcaption { (rendition) " · " (e.width) "×" (e.height) }
        }
    }
}

fn facts(console: &Console, visit: &Visit, ticket: &Ticket) -> Markup {
    let (lang, incident) = (visit.lang, &ticket.incident);
    let at = |t| moment(t, visit.now, &console.time_zone, lang);
    let code = |text: &dyn std::fmt::Display| html! { code { (text.to_string()) } };
    html! {
        section {
            h2 { (Text::Facts.of(lang)) }
            dl.facts {
                (case::facts(console, visit, ticket))
                (fact(Text::FirstSeen, lang, &at(incident.first_seen)))
                (fact(Text::Confirmed, lang, &at(incident.confirmed_at)))
                (fact(Text::LastSeen, lang, &at(ticket.last_seen)))
                @if let Some(cleared) = ticket.cleared_at { (fact(Text::ClearedAt, lang, &at(cleared))) }
                (fact(Text::Dwell, lang, &html! { (length(incident.dwell, lang)) }))
                (fact(Text::Delivery, lang, &delivery(console, visit, ticket)))
                @if incident.sensed.is_none() {
                    (fact(Text::LooksHits, lang, &html! { (incident.looks) " / " (incident.hits) }))
                    (fact(Text::Scores, lang, &html! {
                        (format!("{:.2} / {:.2}", incident.score_median, incident.score_max))
                    }))
                    (fact(Text::Things, lang, &html! {
                        @for thing in &incident.things {
                            span.thing { (thing.class) " " small { (format!("{:.2}", thing.score)) } } " "
                        }
                    }))
                }
                (fact(Text::Zone, lang, &html! {
                    (zone_title(&ticket.zone)) " · " (Text::from(ticket.zone.purpose).of(lang))
                }))
                (fact(Text::Camera, lang, &html! {
                    (camera_title(ticket)) " " (code(&incident.camera))
                }))
                @if let Some(place) = &ticket.camera.place { (place_facts(place, lang)) }
                (fact(Text::Rule, lang, &html! { (code(&incident.rule.id)) }))
                (fact(Text::RuleVersion, lang, &code(&incident.rule.version)))
                @if incident.sensed.is_none() {
                    (fact(Text::Model, lang, &html! { (incident.model.name) }))
                    (fact(Text::ModelHash, lang, &code(&incident.model.sha256)))
                }
                (fact(Text::TicketIdLabel, lang, &code(&ticket.id())))
            }
        }
    }
}

/// Who answers for it, how and by when, and why so.
fn routing(console: &Console, visit: &Visit, route: &Routed, clocks: Option<&CaseClocks>) -> Markup {
    let lang = visit.lang;
    let said = |words| said(words, lang);
    let limit = |of: Limit, due: Option<Timestamp>| {
        html! {
            (limit(of, lang))
            @if let Some(due) = due { " · " (Text::DueBy.with(lang, wall(due, &console.time_zone))) }
        }
    };
    html! {
        section {
            h2 { (Text::Routing.of(lang)) }
            p { (said(&route.why)) }
            @if let Some(clocks) = clocks {
                ul.lights {
                    @for shown in clocks.shown() { li { (clock(console, visit, &shown)) } }
                }
                @if clocks.level() != route.task.level {
                    p { (Text::LiftedTo.with(lang, level(clocks.level(), lang))) }
                }
            }
            dl.facts {
                (fact(Text::Dept, lang, &html! { (said(&route.task.dept)) }))
                @if !route.task.third_dept.is_empty() { (fact(Text::ThirdDept, lang, &html! { (said(&route.task.third_dept)) })) }
                (fact(Text::Level, lang, &html! { (level(route.task.level, lang)) }))
                @if let Some(item) = &route.item {
                    (fact(Text::DutyItem, lang, &html! { code { (item.id) } " v" (item.version) }))
                }
                (codes(&route.task, lang))
                @if let Some(arrive) = route.task.arrive { (fact(Text::Arrive, lang, &limit(arrive, route.arrive_due))) }
                (fact(Text::Solve, lang, &limit(route.task.solve, route.solve_due)))
                (copies_and_pictures(&route.task, lang))
            }
            @if !route.task.steps.is_empty() {
                h3 { (Text::Steps.of(lang)) }
                ol { @for step in &route.task.steps { li { (said(step)) } } }
            }
        }
    }
}

/// One clock: its light in colour and in words, and by when.
fn clock(console: &Console, visit: &Visit, shown: &Shown) -> Markup {
    let lang = visit.lang;
    let name = match lang {
        Lang::Zh => shown.clock.zh(),
        Lang::En => shown.clock.en(),
    };
    html! {
        (name) " " (light_badge(shown.light, lang)) " "
        @match (shown.stopped_at, shown.due, shown.stands) {
            (Some(at), ..) => { (Text::StoppedAt.with(lang, wall(at, &console.time_zone))) },
            (None, Some(due), _) => { (Text::DueBy.with(lang, wall(due, &console.time_zone))) },
            (None, None, Some(reason)) => { (Text::from(reason).of(lang)) },
            (None, None, None) => { (Text::DueUnknown.of(lang)) },
        }
    }
}

/// Who wants it kept, and why; also what is over.
pub(crate) fn legal_holds(console: &Console, visit: &Visit, holds: &[Hold]) -> Markup {
    let lang = visit.lang;
    html! {
        section {
            h2 { (Text::LegalHold.of(lang)) }
            ul {
                @for hold in holds {
                    li {
                        (wall(hold.at, &console.time_zone)) " · " (hold.by) ": " (hold.reason)
                        @if let Some(end) = &hold.released {
                            br;
                            (Text::Released.of(lang)) " " (wall(end.at, &console.time_zone)) " · " (end.by) ": " (end.reason)
                        }
                    }
                }
            }
        }
    }
}

fn files(console: &Console, visit: &Visit, ticket: &Ticket) -> Markup {
    let lang = visit.lang;
    let t = |text: Text| text.of(lang);
    let columns = [
        Column::Text(Text::Moment),
        Column::Text(Text::Rendition),
        Column::Text(Text::CapturedAt),
        Column::Text(Text::PictureSize),
        Column::Number(Text::SizeBytes),
        Column::Text(Text::File),
        Column::Named("SHA-256"),
    ];
    let rows = html! {
        @for e in &ticket.evidence {
            tr {
                td { (Text::from(e.role).of(lang)) }
                td { (Text::from(e.rendition).of(lang)) }
                td { time datetime=(rfc3339(e.captured_at, &console.time_zone)) { (wall(e.captured_at, &console.time_zone)) } }
                td { (e.width) "×" (e.height) }
                td.number { (bytes(e.bytes)) }
                td { a href={ "/evidence/" (e.sha256) } { (e.media_type) } }
                td { code.hash { (e.sha256) } }
            }
        }
    };
    html! {
        section {
            h2 { (t(Text::EvidenceFiles)) }
            p.muted { (t(Text::EvidenceHint)) }
            (table(lang, None, t(Text::EvidenceFiles), &columns, &rows))
        }
    }
}

/// A number of bytes with its thousands apart.
fn bytes(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out + " B"
}
