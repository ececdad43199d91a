//! One camera: its latest picture with the zones over it, its state, its tickets.

use std::sync::Arc;

use alerts::{incident::Zone, store::TicketFilter};
use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Redirect, Response},
};
use domain::{CameraId, Timestamp};
use maud::{Markup, html};

use crate::{
    answer::Fault,
    api,
    cameras::{fault_badges, state_badge, still_address},
    console::{Console, Desk},
    fleet::CameraView,
    i18n::{Lang, Text},
    layout::{Frame, Section, fact, page, place_facts},
    tickets::{self, zone_title},
    times::{length, moment, wall},
    visit::Visit,
};

/// The camera at the end of an address.
pub(crate) fn find(console: &Console, id: &str) -> Result<CameraView, Fault> {
    console.fleet.camera(&read_id(id)?).ok_or(Fault::NotFound)
}

fn read_id(id: &str) -> Result<CameraId, Fault> {
    id.parse().map_err(|_| Fault::bad(id, "expected a camera's id"))
}

pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Markup, Fault> {
    let (console, lang) = (&desk.console, visit.lang);
    let camera = find(console, &id)?;
    let (figures, _) = console.figures(visit.now).await?;
    let filter = TicketFilter { limit: 10, camera: Some(camera.report.id.clone()), ..TicketFilter::default() };
    let (its_tickets, more) = tickets::page_of(console, filter).await?;
    let frame = Frame { title: camera.title(), section: Section::Cameras, figures: &figures, refresh: Some(5) };
    Ok(page(
        &visit,
        console,
        &frame,
        &html! {
            div.head {
                h1 { (camera.title()) " " (state_badge(camera.report.state, lang)) (fault_badges(&camera.report, lang)) }
                a.button href={ "/api/cameras/" (camera.report.id) } { (Text::AsJson.of(lang)) }
            }
            @if let Some(error) = &camera.report.error {
                p.trouble role="status" { strong { (Text::LastError.of(lang)) } " " (error) }
            }
            @if let Some(since) = camera.report.suspended_since() {
                p.trouble role="status" {
                    strong { (Text::Suspended.of(lang)) } " "
                    (Text::SinceTime.with(lang, wall(since, &console.time_zone)))
                }
            }
            div.split {
                section {
                    h2 { (Text::LatestPicture.of(lang)) }
                    (view(&camera, lang))
                    (zone_table(&camera, lang))
                    (reference(&camera, lang))
                }
                (report_facts(console, &visit, &camera))
            }
            section {
                h2 { (Text::TicketsHere.of(lang)) }
                @if its_tickets.is_empty() {
                    p.muted { (Text::NoTicketsHere.of(lang)) }
                } @else {
                    (tickets::rows(console, &visit, &its_tickets, None))
                    @if more.is_some() {
                        p { a href={ "/?camera=" (camera.report.id) } { (Text::AllTicketsHere.of(lang)) " →" } }
                    }
                }
            }
        },
    ))
}

/// The latest picture with the zones over it.
fn view(camera: &CameraView, lang: Lang) -> Markup {
    let report = &camera.report;
    if report.last_keyframe_at.is_none() {
        return html! { p.view.blank { (Text::NoPictureYet.of(lang)) } };
    }
    let (width, height) = report.size.unwrap_or((1280, 720));
    html! {
        div.view {
            img src=(still_address(report)) alt=(Text::LatestAlt.with(lang, camera.title())) width=(width) height=(height);
            @if !camera.zones.is_empty() {
                svg viewBox={ "0 0 " (width) " " (height) } preserveAspectRatio="none" role="img"
                    aria-label=(Text::ZonesDrawn.of(lang)) {
                    @for (n, zone) in camera.zones.iter().enumerate() {
                        (outline(n + 1, zone, (width, height), lang))
                    }
                }
            }
        }
    }
}

fn outline(number: usize, zone: &Zone, (width, height): (u32, u32), lang: Lang) -> Markup {
    let (w, h) = (width as f32, height as f32);
    let corners: Vec<String> = zone.polygon.points().iter().map(|p| format!("{:.1},{:.1}", p.x * w, p.y * h)).collect();
    let middle = zone.polygon.bounds().center();
    html! {
        g class={ "zone z" (number % 6) } {
            polygon points=(corners.join(" ")) {
                title { (zone_title(zone)) " · " (Text::from(zone.purpose).of(lang)) }
            }
            text x=(format!("{:.1}", middle.x * w)) y=(format!("{:.1}", middle.y * h)) font-size=(format!("{:.0}", h / 18.0)) {
                (number)
            }
        }
    }
}

/// The picture that the camera's health is judged by, and the way to a new one.
fn reference(camera: &CameraView, lang: Lang) -> Markup {
    let id = &camera.report.id;
    html! {
        h2 { (Text::Reference.of(lang)) }
        @if let Some(taken) = camera.reference {
            div.view {
                img src={ "/cameras/" (id) "/reference.jpg?of=" (taken.0) } loading="lazy" width="352"
                    alt=(Text::ReferenceAlt.with(lang, camera.title()));
            }
            p.muted { (Text::ReferenceHint.of(lang)) }
        } @else {
            p.muted { (Text::NoReference.of(lang)) }
        }
        form method="post" action={ "/cameras/" (id) "/reference" } {
            button { (Text::TakeReference.of(lang)) }
        }
    }
}

fn zone_table(camera: &CameraView, lang: Lang) -> Markup {
    if camera.zones.is_empty() {
        return html! { p.muted { (Text::NoZonesHere.of(lang)) } };
    }
    html! {
        table.zones {
            caption { (Text::Zones.of(lang)) }
            thead { tr {
                th scope="col" { "#" }
                th scope="col" { (Text::ZoneName.of(lang)) }
                th scope="col" { (Text::ZonePurposeLabel.of(lang)) }
                th scope="col" { (Text::ZoneId.of(lang)) }
            } }
            tbody {
                @for (n, zone) in camera.zones.iter().enumerate() {
                    tr {
                        td { span class={ "key z" ((n + 1) % 6) } { (n + 1) } }
                        th scope="row" { (zone_title(zone)) }
                        td { (Text::from(zone.purpose).of(lang)) }
                        td { code { (zone.id) } }
                    }
                }
            }
        }
    }
}

fn report_facts(console: &Console, visit: &Visit, camera: &CameraView) -> Markup {
    let (lang, report) = (visit.lang, &camera.report);
    let at = |t: Option<Timestamp>| match t {
        Some(t) => moment(t, visit.now, &console.time_zone, lang),
        None => html! { span.muted { (Text::Never.of(lang)) } },
    };
    let known = |text: Option<String>| match text {
        Some(text) => html! { (text) },
        None => html! { span.muted { (Text::Unknown.of(lang)) } },
    };
    html! {
        section {
            h2 { (Text::Facts.of(lang)) }
            dl.facts.single {
                (fact(Text::ZoneId, lang, &html! { code { (report.id) } }))
                (fact(Text::State, lang, &state_badge(report.state, lang)))
                (fact(Text::Since, lang, &at(Some(report.since))))
                @if report.ailments.is_empty() {
                    (fact(Text::Health, lang, &html! { (Text::Healthy.of(lang)) }))
                }
                @for ailment in &report.ailments {
                    (fact(Text::from(ailment.fault), lang, &at(Some(ailment.since))))
                }
                @if let Some(offset) = report.clock_offset {
                    (fact(Text::ClockOffset, lang, &html! { (format!("{:.1} s", offset.as_secs_f64())) }))
                }
                (fact(Text::LastLook, lang, &at(report.last_look_at)))
                (fact(Text::LastKeyframe, lang, &at(report.last_keyframe_at)))
                (fact(Text::LookInterval, lang, &html! { (length(report.look_interval, lang)) }))
                (fact(Text::KeyframeInterval, lang, &known(report.keyframe_interval.map(|i| length(i, lang)))))
                (fact(Text::Decoding, lang, &html! { (Text::from(report.decode).of(lang)) }))
                (fact(Text::PictureSize, lang, &known(report.size.map(|(w, h)| format!("{w}×{h}")))))
                (fact(Text::Codec, lang, &known(report.codec.map(|codec| codec.to_string()))))
                (fact(Text::Looks, lang, &html! { (report.looks) }))
                (fact(Text::Reconnects, lang, &html! { (report.reconnects) }))
                @if let Some(place) = &camera.place { (place_facts(place, lang)) }
            }
        }
    }
}

pub(crate) async fn latest(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Result<Response, Fault> {
    let id = read_id(&id)?;
    desk.console.fleet.camera(&id).ok_or(Fault::NotFound)?;
    let _turn = desk.stills.acquire().await.map_err(Fault::internal)?;
    let jpeg = desk.console.fleet.still(&id).await.map_err(Fault::internal)?.ok_or(Fault::NotFound)?;
    // Pages name the look in the query, so a picture may be kept for as long as one look stands.
    let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=5")];
    Ok((headers, jpeg).into_response())
}

/// The camera's reference picture.
pub(crate) async fn reference_picture(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let id = read_id(&id)?;
    desk.console.fleet.camera(&id).ok_or(Fault::NotFound)?;
    let _turn = desk.stills.acquire().await.map_err(Fault::internal)?;
    let jpeg = desk.console.fleet.reference(&id).await.map_err(Fault::internal)?.ok_or(Fault::NotFound)?;
    let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=3600")];
    Ok((headers, jpeg).into_response())
}

/// A form was sent: the next picture is to be the reference.
pub(crate) async fn take_reference(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Redirect, Fault> {
    let id = asked_for_reference(&desk, &headers, &id)?;
    Ok(Redirect::to(&format!("/cameras/{id}")))
}

/// Has a new reference taken, unless the request comes from another site's page.
pub(crate) fn asked_for_reference(desk: &Desk, headers: &HeaderMap, id: &str) -> Result<CameraId, Fault> {
    api::from_here(headers)?;
    let id = read_id(id)?;
    if !desk.console.fleet.take_reference(&id) {
        return Err(Fault::NotFound);
    }
    Ok(id)
}
