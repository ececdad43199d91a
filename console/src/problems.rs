//! Messages of the platform that could not be understood, newest first, a page at a time.

use std::{fmt::Write as _, sync::Arc};

use alerts::wire::Problem;
use axum::{Extension, extract::State, http::StatusCode, response::Response};
use maud::{Markup, html};
use serde::Serialize;

use crate::{
    answer::{Fault, json},
    api::read_limit,
    console::{Console, Desk},
    i18n::Text,
    layout::{Column, Frame, Section, page, table},
    params::Params,
    times::{moment, rfc3339},
    visit::Visit,
};

const PAGE: u32 = 50;

/// Characters of a payload that the page shows; JSON has all that is kept.
const SHOWN: usize = 240;

/// One page, and the number that the next one starts below.
async fn page_of(console: &Console, params: &Params, limit: u32) -> Result<(Vec<(i64, Problem)>, Option<i64>), Fault> {
    let before = params.read("before", "expected a problem's number", |v| v.parse::<i64>().ok())?;
    // One more than asked for tells whether there is a next page.
    let mut problems = console.store.problems(before, limit.saturating_add(1)).await.map_err(Fault::internal)?;
    let more = problems.len() > limit as usize;
    problems.truncate(limit as usize);
    let next = problems.last().filter(|_| more).map(|(number, _)| *number);
    Ok((problems, next))
}

pub(crate) async fn list(State(desk): State<Arc<Desk>>, Extension(visit): Extension<Visit>) -> Result<Markup, Fault> {
    let (console, lang) = (&desk.console, visit.lang);
    let t = |text: Text| text.of(lang);
    visit.params.only(&["before"])?;
    let (problems, next) = page_of(console, &visit.params, PAGE).await?;
    let (figures, _) = console.figures(visit.now).await?;
    let is_newest = visit.params.get("before").is_none();
    let title = t(Text::Problems);
    let frame = Frame { title, section: Section::Problems, figures: &figures, refresh: is_newest.then_some(10) };
    Ok(page(
        &visit,
        console,
        &frame,
        &html! {
            div.head {
                h1 { (title) }
                a.button href={ "/api/problems" (visit.params.without("lang").with("lang", "")) } { (t(Text::AsJson)) }
            }
            p.muted { (t(Text::ProblemsWhat)) " " a href="/sensors" { (t(Text::Sensors)) } }
            @if problems.is_empty() {
                section.empty { h2 { (t(Text::NoProblems)) } p { (t(Text::NoProblemsWhy)) } }
            } @else {
                (list_of(console, &visit, &problems))
            }
            nav.pages aria-label=(t(Text::Navigation)) {
                @if !is_newest { a href="/problems" { "⇤ " (t(Text::Newest)) } }
                @if let Some(next) = next { a rel="next" href={ "/problems" (visit.params.with("before", next)) } { (t(Text::OlderProblems)) " →" } }
            }
        },
    ))
}

fn list_of(console: &Console, visit: &Visit, problems: &[(i64, Problem)]) -> Markup {
    let lang = visit.lang;
    let t = |text: Text| text.of(lang);
    let columns = [
        Column::Text(Text::When),
        Column::Text(Text::Reason),
        Column::Text(Text::TopicFilter),
        Column::Text(Text::Payload),
    ];
    let rows = html! {
        @for (number, problem) in problems {
            tr id={ "p" (number) } {
                td { (moment(problem.received_at, visit.now, &console.time_zone, lang)) }
                td.error { code { (problem.reason) } div lang="en" { (problem.message) } }
                td.error { code { (problem.topic) } }
                td.error { code { (shown(&problem.payload)) } }
            }
        }
    };
    table(lang, Some("problems"), t(Text::Problems), &columns, &rows)
}

/// The payload's beginning: its text, or its bytes in hexadecimal where it is none.
fn shown(payload: &[u8]) -> String {
    // What is kept may end within a character.
    let text = match std::str::from_utf8(payload) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&payload[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    let whole = text.map_or_else(|| hex(payload), |text| text.chars().map(visible).collect());
    match whole.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

fn visible(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[derive(Serialize)]
struct ProblemsOut {
    problems: Vec<ProblemOut>,
    next: Option<String>,
}

#[derive(Serialize)]
struct ProblemOut {
    number: i64,
    received_at: String,
    topic: String,
    reason: String,
    message: String,
    payload_text: Option<String>,
    payload_hex: String,
}

pub(crate) async fn api(State(desk): State<Arc<Desk>>, Extension(visit): Extension<Visit>) -> Result<Response, Fault> {
    let (console, params) = (&desk.console, &visit.params);
    params.only(&["before", "limit"])?;
    let (problems, next) = page_of(console, params, read_limit(params, PAGE, 200)?).await?;
    let problems = problems.into_iter().map(|(number, problem)| ProblemOut {
        number,
        received_at: rfc3339(problem.received_at, &console.time_zone),
        topic: problem.topic,
        reason: problem.reason,
        message: problem.message,
        payload_hex: hex(&problem.payload),
        payload_text: String::from_utf8(problem.payload).ok(),
    });
    let out = ProblemsOut {
        problems: problems.collect(),
        next: next.map(|number| format!("/api/problems{}", params.with("before", number))),
    };
    Ok(json(StatusCode::OK, &out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &[u8], expect: &str) {
        assert_eq!(shown(payload), expect);
    }

    #[test]
    fn a_payload_shows_as_text_or_else_as_bytes() {
        check(b"", "");
        check("{\"读\":1}".as_bytes(), "{\"读\":1}");
        check(b"a\0\nb", "a\u{fffd}\u{fffd}b");
        check(&[0xff, 0x00, 0x7f], "ff007f");
        // Cut off within a character, as what is kept may be.
        check(&"读数".as_bytes()[..5], "读");
        let long = "读".repeat(SHOWN + 1);
        check(long.as_bytes(), &format!("{}…", "读".repeat(SHOWN)));
    }
}
