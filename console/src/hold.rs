//! A person has a ticket kept whatever its age, or lets it go again: as the command line does, with a name and a reason. The form has
//! a page of its own, since that of a ticket may change under somebody's hands.

use std::sync::Arc;

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use maud::{Markup, html};

use crate::{
    answer::Fault,
    console::Desk,
    i18n::Text,
    layout::{Frame, Section, page},
    review::{LONGEST_NOTE, back_to, own_form, who, within},
    ticket_page::{find, legal_holds},
    visit::Visit,
};

pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Markup, Fault> {
    let (console, lang) = (&desk.console, visit.lang);
    let ticket = find(console, &id).await?;
    let holds = console.store.holds(ticket.id()).await.map_err(Fault::internal)?;
    let held = holds.iter().any(|hold| hold.released.is_none());
    let (figures, _) = console.figures(visit.now).await?;
    let t = |text: Text| text.of(lang);
    let frame = Frame { title: t(Text::LegalHold), section: Section::Tickets, figures: &figures, refresh: None };
    Ok(page(
        &visit,
        console,
        &frame,
        &html! {
            h1 { (t(Text::LegalHold)) }
            p.where { a href={ "/tickets/" (ticket.id()) } { (ticket.id()) } }
            @if !holds.is_empty() { (legal_holds(console, &visit, &holds)) }
            section.review {
                p { (t(if held { Text::ReleaseWhy } else { Text::HoldWhy })) }
                form method="post" action={ "/tickets/" (ticket.id()) "/hold" } {
                    label { span { (t(Text::YourName)) }
                        input type="text" name="by" required maxlength="100" autocomplete="name";
                    }
                    label { span { (t(Text::Because)) } input type="text" name="reason" required maxlength="500"; }
                    @if held {
                        button name="decision" value="release" { (t(Text::Release)) }
                    } @else {
                        button name="decision" value="hold" { (t(Text::Hold)) }
                    }
                }
            }
        },
    ))
}

pub(crate) async fn decide(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let form = own_form(&headers, &body)?;
    let ticket = find(&desk.console, &id).await?.id();
    let by = who(&form, &headers)?;
    let reason = form.get("reason").filter(|reason| !reason.trim().is_empty());
    let reason = within("reason", reason.ok_or_else(|| Fault::bad("reason", "expected why"))?, LONGEST_NOTE)?;
    let store = &desk.console.store;
    // Where somebody was faster nothing changes, and the page shows it.
    let changed = match form.get("decision") {
        Some("hold") => store.hold(ticket, &by, &reason, visit.now).await.map_err(Fault::internal)?,
        Some("release") => store.release(ticket, &by, &reason, visit.now).await.map_err(Fault::internal)?,
        other => return Err(Fault::bad(other.unwrap_or("decision"), "expected decision=hold or decision=release")),
    };
    if changed {
        tracing::info!(%ticket, by, decision = form.get("decision"), "the legal hold of a ticket changed");
    }
    Ok(back_to(ticket))
}
