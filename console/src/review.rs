//! A person decides on a case that waits for one; with legal holds the only thing that the console writes.
//!
//! Who it was comes from `X-Forwarded-User`, where a proxy in front has people log in, else from the form's name field.
//! A decision is taken only from a page of our own: a browser says where a request comes from (Fetch Metadata, and
//! `Origin` where that is missing), and what another site sends is refused.

use std::sync::Arc;

use alerts::{
    case::{Event, Judgement, Reason, Refusal},
    store::Ruled,
};
use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::TicketId;

use crate::{answer::Fault, console::Desk, params::Params, visit::Visit};

const LONGEST_NAME: usize = 100;
pub(crate) const LONGEST_NOTE: usize = 500;

pub(crate) async fn decide(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let form = own_form(&headers, &body)?;
    let ticket: TicketId = id.parse().map_err(|_| Fault::bad(&id, "expected a ticket's id, a UUID"))?;
    let event = read(&form, &headers)?;
    match desk.console.registry.apply(ticket, visit.now, event).await.map_err(Fault::internal)? {
        Ruled::Applied { .. } => {}
        Ruled::Unknown => return Err(Fault::NotFound),
        // Somebody, or the platform, was faster: the page shows it.
        Ruled::Refused(Refusal::NotUnderReview) | Ruled::Nothing | Ruled::Repeated => {}
        Ruled::Refused(refusal) => return Err(Fault::bad("decision", refusal)),
    }
    Ok(back_to(ticket))
}

/// What a form of a page of ours says; what another site sends is refused.
pub(crate) fn own_form(headers: &HeaderMap, body: &[u8]) -> Result<Params, Fault> {
    if !is_our_own(headers) {
        return Err(Fault::Foreign);
    }
    let form = std::str::from_utf8(body).map_err(|_| Fault::bad("the form", "expected UTF-8"))?;
    Ok(Params::parse(form))
}

/// Shows the ticket, as it is now.
pub(crate) fn back_to(ticket: TicketId) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/tickets/{ticket}"))]).into_response()
}

/// A text of a form that is not too long.
pub(crate) fn within(name: &'static str, text: &str, most: usize) -> Result<String, Fault> {
    if text.chars().count() > most {
        return Err(Fault::bad(name, format_args!("expected {most} characters at most")));
    }
    Ok(text.to_owned())
}

/// Who decides: whom a proxy in front had log in, else who the form says.
pub(crate) fn who(form: &Params, headers: &HeaderMap) -> Result<String, Fault> {
    let proxied =
        headers.get("x-forwarded-user").and_then(|v| v.to_str().ok()).map(str::trim).filter(|v| !v.is_empty());
    match proxied.or_else(|| form.get("by")) {
        Some(name) => within("by", name, LONGEST_NAME),
        None => Err(Fault::bad("by", "expected the name of whoever decides")),
    }
}

fn read(form: &Params, headers: &HeaderMap) -> Result<Event, Fault> {
    let by = who(form, headers)?;
    let judgement = match form.get("decision") {
        Some("confirm") => Judgement::Confirmed,
        Some("reject") => {
            let code = form.get("reason").ok_or_else(|| Fault::bad("reason", "expected a code such as false_alarm"))?;
            let note = form.get("note").map(|note| within("note", note, LONGEST_NOTE)).transpose()?;
            Judgement::Rejected(Reason { code: within("reason", code, LONGEST_NAME)?, note })
        }
        other => return Err(Fault::bad(other.unwrap_or("decision"), "expected decision=confirm or decision=reject")),
    };
    Ok(Event::Reviewed { judgement, by })
}

/// Whether a browser sent this from a page of ours, or no browser sent it.
fn is_our_own(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        Some(site) => matches!(site, "same-origin" | "none"),
        None => match text("origin") {
            // An origin is scheme://host[:port]; behind a proxy the scheme may differ.
            Some(origin) => origin.split_once("://").is_some_and(|(_, host)| Some(host) == text("host")),
            None => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expect: bool) {
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        assert_eq!(is_our_own(&headers), expect, "{headers:?}");
    }

    #[test]
    fn only_our_own_pages_and_programs_decide() {
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "none")], true);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "http://a"), ("host", "a")], false);
        check(&[("sec-fetch-site", "same-site")], false);
        check(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")], true);
        check(&[("origin", "https://grid.example"), ("host", "grid.example")], true);
        check(&[("origin", "http://evil.example"), ("host", "127.0.0.1:8080")], false);
        check(&[("origin", "null"), ("host", "127.0.0.1:8080")], false);
        check(&[("host", "127.0.0.1:8080")], true);
    }
}
