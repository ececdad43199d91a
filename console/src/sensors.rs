//! The sensors: how each fares, what it said last; the sources, and what of their messages could not be read.

use std::sync::Arc;

use alerts::{
    mqtt::Hearing,
    sensor::{DeviceView, Problem, SourceView, State as Health, measure},
};
use axum::{Extension, extract::State};
use maud::{Markup, html};

use crate::{
    answer::Fault,
    console::{Console, Desk},
    i18n::{Lang, Text},
    layout::{Column, Frame, Section, page, table},
    tickets::place_line,
    times::age,
    visit::Visit,
};

/// Devices on the page; the ones that fare worst come first.
const SHOWN: usize = 500;

pub(crate) async fn list(State(desk): State<Arc<Desk>>, Extension(visit): Extension<Visit>) -> Result<Markup, Fault> {
    let (console, lang) = (&desk.console, visit.lang);
    let t = |text: Text| text.of(lang);
    let (figures, _) = console.figures(visit.now).await?;
    let (mut devices, sources) =
        console.sensors.as_ref().map(|board| (board.devices(), board.sources())).unwrap_or_default();
    devices.sort_by_key(|view| view.memory.health.state);
    let all = devices.len();
    devices.truncate(SHOWN);
    let title = t(Text::Sensors);
    let frame = Frame { title, section: Section::Sensors, figures: &figures, refresh: Some(10) };
    Ok(page(
        &visit,
        console,
        &frame,
        &html! {
            div.head { h1 { (title) } @if all > devices.len() { small { (Text::OfTotal.with(lang, all)) } } }
            @if devices.is_empty() && sources.is_empty() {
                section.empty { h2 { (t(Text::NoSensors)) } p { (t(Text::NoSensorsWhy)) } }
            } @else {
                (device_table(console, &visit, &devices))
                h2 { (t(Text::Sources)) }
                (source_table(&visit, &sources))
                (problem_table(console, &visit, &sources))
            }
        },
    ))
}

/// Icon and word, so that the colour is only a third sign.
fn state_badge(state: Health, lang: Lang) -> Markup {
    let (class, icon) = match state {
        Health::Ok => ("ok", "●"),
        Health::Waiting => ("calm", "○"),
        Health::BatteryLow | Health::Stuck => ("warn", "◐"),
        Health::Silent | Health::OutOfRange => ("bad", "▲"),
    };
    html! {
        span class={ "state " (class) } { span aria-hidden="true" { (icon) } " " (Text::from(state).of(lang)) }
    }
}

fn hearing_badge(hearing: &Hearing, lang: Lang) -> Markup {
    let (class, icon, word, why) = match hearing {
        Hearing::All => ("ok", "●", Text::HearingAll, ""),
        Hearing::Connecting => ("warn", "◐", Text::HearingConnecting, ""),
        Hearing::Refused(why) => ("bad", "▲", Text::HearingRefused, why.as_str()),
        Hearing::Away(why) => ("bad", "▲", Text::HearingAway, why.as_str()),
    };
    html! {
        span class={ "state " (class) } { span aria-hidden="true" { (icon) } " " (word.of(lang)) }
        @if !why.is_empty() { div.muted lang="en" { (why) } }
    }
}

fn device_table(console: &Console, visit: &Visit, devices: &[DeviceView]) -> Markup {
    let lang = visit.lang;
    let t = |text: Text| text.of(lang);
    let none = html! { span.muted { "–" } };
    let columns = [
        Column::Text(Text::Sensor),
        Column::Text(Text::State),
        Column::Text(Text::Since),
        Column::Text(Text::Measure),
        Column::Number(Text::Value),
        Column::Number(Text::Battery),
        Column::Text(Text::LastSpoke),
        Column::Text(Text::Camera),
    ];
    let rows = html! {
        @for DeviceView { device, memory } in devices {
            @let known = measure(&device.measure);
            tr {
                th scope="row" {
                    (device.display_name())
                    @if !device.name.is_empty() { " " code { (device.id) } }
                    @if let Some(place) = &device.place { div.muted { (place_line(place)) } }
                }
                td { (state_badge(memory.health.state, lang)) }
                td { @if let Some(at) = memory.health.since { (age(at, visit.now, &console.time_zone, lang)) } @else { (none) } }
                td {
                    @match (known, lang) {
                        (Some(known), Lang::Zh) => (known.zh),
                        (Some(known), Lang::En) => (known.en),
                        (None, _) => code { (device.measure) },
                    }
                }
                td.number {
                    @if let Some(noted) = memory.latest.get(&device.measure) {
                        @match known {
                            Some(known) if known.is_state() => (t(if noted.value > 0.5 { Text::Yes } else { Text::No })),
                            _ => { (noted.value) " " (known.map_or("", |known| known.unit)) }
                        }
                    } @else { (none) }
                }
                td.number {
                    @if let Some(charge) = memory.health.battery { (charge) " %" } @else { (none) }
                }
                td {
                    @if let Some(at) = memory.health.seen_at { (age(at, visit.now, &console.time_zone, lang)) }
                    @else { span.muted { (t(Text::Never)) } }
                }
                td {
                    @if let Some(camera) = &device.camera {
                        a href={ "/cameras/" (camera) } { (camera) }
                        @if let Some(zone) = &device.zone { " · " (zone) }
                    } @else { (none) }
                }
            }
        }
    };
    table(lang, None, t(Text::Sensors), &columns, &rows)
}

/// What is wrong with a message, and its code in metrics.
fn problem_words(problem: Problem, lang: Lang) -> Markup {
    html! { span title=(problem.label()) { (Text::from(problem).of(lang)) } }
}

fn source_table(visit: &Visit, sources: &[SourceView]) -> Markup {
    let lang = visit.lang;
    let t = |text: Text| text.of(lang);
    // What fits no source has no broker of its own to tell of.
    let shown = sources.iter().filter(|source| !source.name.is_empty() || !source.problems.is_empty());
    let columns = [
        Column::Text(Text::Source),
        Column::Text(Text::TopicFilter),
        Column::Text(Text::State),
        Column::Number(Text::Readings),
        Column::Text(Text::Problems),
    ];
    let rows = html! {
        @for source in shown {
            tr {
                th scope="row" {
                    @if source.name.is_empty() { (t(Text::NoSource)) } @else { (source.name) }
                }
                td { code { (source.filter) } }
                td { @if !source.name.is_empty() { (hearing_badge(&source.hearing, lang)) } }
                td.number { (source.readings) }
                td {
                    @for (problem, n) in &source.problems { div { (problem_words(*problem, lang)) " " (n) } }
                }
            }
        }
    };
    table(lang, None, t(Text::Sources), &columns, &rows)
}

fn problem_table(console: &Console, visit: &Visit, sources: &[SourceView]) -> Markup {
    let lang = visit.lang;
    let t = |text: Text| text.of(lang);
    let columns = [
        Column::Text(Text::When),
        Column::Text(Text::Source),
        Column::Text(Text::TopicFilter),
        Column::Text(Text::Reason),
        Column::Text(Text::Payload),
    ];
    let rows = html! {
        @for source in sources {
            @for (at, topic, problem, payload) in &source.last_problems {
                tr {
                    td { (age(*at, visit.now, &console.time_zone, lang)) }
                    td { (source.name) }
                    td { code { (topic) } }
                    td { (problem_words(*problem, lang)) }
                    td { code { (payload) } }
                }
            }
        }
    };
    html! {
        @if sources.iter().any(|source| !source.last_problems.is_empty()) {
            h2 { (t(Text::LastProblems)) }
            (table(lang, None, t(Text::LastProblems), &columns, &rows))
        }
    }
}
