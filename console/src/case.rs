//! Where a ticket's case stands, its history, and the form by which a person decides on it.

use alerts::{
    case::{By, Reason, State},
    store::HistoryLine,
    ticket::Ticket,
};
use maud::{Markup, html};

use crate::{
    console::Console,
    i18n::{Lang, Text},
    layout::{Column, fact, table},
    times::moment,
    visit::Visit,
};

pub(crate) fn badge(state: State, lang: Lang) -> Markup {
    let class = match state {
        State::Closed | State::Cleared | State::GoneByItself => "ok",
        State::Rejected => "muted",
        _ => "warn",
    };
    html! { span class={ "state " (class) } { (Text::from(state).of(lang)) } }
}

/// What the platform has said of it, and until when.
pub(crate) fn facts(console: &Console, visit: &Visit, ticket: &Ticket) -> Markup {
    let (lang, case) = (visit.lang, &ticket.case);
    let at = |t| moment(t, visit.now, &console.time_zone, lang);
    html! {
        (fact(Text::CaseState, lang, &html! {
            (badge(case.state(), lang))
            @if let Some(reason) = case.reason() { " " (reason_text(reason, lang)) }
            @if case.is_supervised() { " " span.state.warn { (Text::Supervised.of(lang)) } }
            @if case.reopened() > 0 { " " (Text::ReopenedTimes.with(lang, case.reopened())) }
        }))
        @if let Some(number) = case.case_no() { (fact(Text::CaseNumber, lang, &html! { code { (number) } })) }
        @if let Some(dept) = case.dept() { (fact(Text::Department, lang, &html! { (dept) })) }
        @if let Some(due) = case.due() { (fact(Text::Due, lang, &at(due))) }
        @if case.is_filed() {
            (fact(Text::Acknowledged, lang, &match case.acknowledged_at() {
                Some(acknowledged) => at(acknowledged),
                None => html! { span.state.warn { (Text::NotAcknowledged.of(lang)) } },
            }))
        }
        @if let Some(until) = case.review_until() { (fact(Text::ReviewUntil, lang, &at(until))) }
    }
}

pub(crate) fn history(console: &Console, visit: &Visit, lines: &[HistoryLine]) -> Markup {
    let lang = visit.lang;
    let t = |text: Text| text.of(lang);
    let columns = [
        Column::Text(Text::Moment),
        Column::Text(Text::State),
        Column::Text(Text::Happening),
        Column::Text(Text::By),
        Column::Text(Text::Because),
    ];
    let rows = html! {
        @for HistoryLine { change, .. } in lines {
            tr {
                td { (moment(change.at, visit.now, &console.time_zone, lang)) }
                td { (badge(change.to, lang)) }
                td { (event(&change.event, lang)) }
                td { (by(&change.by, lang)) }
                td { @if let Some(reason) = &change.reason { (reason_text(reason, lang)) } }
            }
        }
    };
    html! {
        section {
            h2 { (t(Text::History)) }
            (table(lang, None, t(Text::History), &columns, &rows))
        }
    }
}

fn event(name: &str, lang: Lang) -> Markup {
    match Text::event(name) {
        Some(text) => html! { span title=(name) { (text.of(lang)) } },
        None => html! { code { (name) } },
    }
}

fn by(by: &By, lang: Lang) -> Markup {
    html! {
        @match by {
            By::Rules => (Text::ByRules.of(lang)),
            By::Clock => (Text::ByClock.of(lang)),
            By::Platform(None) => (Text::ByPlatform.of(lang)),
            By::Platform(Some(name)) => { (Text::ByPlatform.of(lang)) " · " (name) },
            By::Person(name) => (name),
        }
    }
}

/// The form for a case that waits for a person; needs no script.
pub(crate) fn review_form(visit: &Visit, ticket: &Ticket) -> Markup {
    let lang = visit.lang;
    let t = |text: Text| text.of(lang);
    html! {
        section.review {
            h2 { (t(Text::Review)) }
            p { (t(Text::ReviewWhy)) }
            form method="post" action={ "/tickets/" (ticket.id()) "/review" } {
                label { span { (t(Text::YourName)) }
                    input type="text" name="by" required maxlength="100" autocomplete="name";
                }
                label { span { (t(Text::ReasonLabel)) }
                    select name="reason" {
                        @for code in Reason::CODES {
                            option value=(code) { (Text::reason(code).map_or(code, |text| text.of(lang))) }
                        }
                    }
                }
                label { span { (t(Text::Note)) } input type="text" name="note" maxlength="500"; }
                button name="decision" value="confirm" { (t(Text::Confirm)) }
                " "
                button name="decision" value="reject" { (t(Text::Reject)) }
            }
        }
    }
}

fn reason_text(reason: &Reason, lang: Lang) -> Markup {
    html! {
        (Text::reason(&reason.code).map_or(reason.code.as_str(), |text| text.of(lang)))
        @if let Some(note) = &reason.note { ": " (note) }
    }
}
