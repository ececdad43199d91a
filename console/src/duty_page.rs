//! The responsibility list: the items in force on a day, and each item with its versions and the imports that made them.

use std::{collections::BTreeSet, sync::Arc};

use alerts::duty::{DutyItem, DutyList, Edit, ImportedVersion, ItemVersion, Task, edits};
use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use domain::Kind;
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Serialize;

use crate::{
    answer::{Fault, json},
    console::{Console, Desk},
    i18n::{Lang, Text, level, limit, said},
    layout::{Column, Frame, Section, fact, page, table},
    params::segment,
    tickets::kind_name,
    times::{day, moment, rfc3339},
    visit::Visit,
};

/// Items on the page; JSON has all.
const SHOWN: usize = 500;

/// The day that an address asks for; today where it asks for none.
fn asked_day(console: &Console, visit: &Visit) -> Result<Date, Fault> {
    let asked = visit.params.read("date", "expected a date such as 2026-11-24", |value| value.parse::<Date>().ok())?;
    Ok(asked.unwrap_or_else(|| day(visit.now, &console.time_zone)))
}

/// What an address asks for of a list.
struct Selection {
    date: Date,
    kind: Option<Kind>,
    /// In lower case.
    needle: Option<String>,
}

impl Selection {
    fn new(console: &Console, visit: &Visit) -> Result<Self, Fault> {
        visit.params.only(&["date", "kind", "q"])?;
        Ok(Self {
            date: asked_day(console, visit)?,
            kind: visit.params.read("kind", "expected a kind such as lane.motor", |v| v.parse::<Kind>().ok())?,
            needle: visit.params.get("q").map(str::to_lowercase),
        })
    }

    fn of<'a>(&self, list: &'a DutyList) -> Vec<&'a ItemVersion> {
        let wanted = |version: &&ItemVersion| {
            self.kind.as_ref().is_none_or(|kind| *kind == version.item.kind)
                && self.needle.as_ref().is_none_or(|needle| fits(&version.item, needle))
        };
        list.in_force(self.date).filter(wanted).collect()
    }
}

/// Whether `needle`, in lower case, is in what people know the item by.
fn fits(item: &DutyItem, needle: &str) -> bool {
    let task = &item.task;
    let has = |text: &str| text.to_lowercase().contains(needle);
    let words = [&item.place_name, &task.name, &task.dept, &task.third_dept];
    let names = [Lang::Zh, Lang::En].map(|lang| kind_name(&item.kind, lang));
    [item.id.as_str(), item.kind.as_str()].into_iter().chain(names).any(has)
        || item.place.as_ref().is_some_and(|place| has(place.as_str()))
        || words.into_iter().chain(&task.copies).any(|words| has(&words.zh) || has(&words.en))
        || task.codes.iter().any(|code| has(&code.to_string()))
}

pub(crate) async fn list(State(desk): State<Arc<Desk>>, Extension(visit): Extension<Visit>) -> Result<Markup, Fault> {
    let (console, lang) = (&desk.console, visit.lang);
    let t = |text: Text| text.of(lang);
    let selection = Selection::new(console, &visit)?;
    let list = console.store.duty_list().await.map_err(Fault::internal)?;
    let mut items = selection.of(&list);
    let all = items.len();
    items.truncate(SHOWN);
    let (figures, _) = console.figures(visit.now).await?;
    let title = t(Text::DutyList);
    let frame = Frame { title, section: Section::Duty, figures: &figures, refresh: None };
    Ok(page(
        &visit,
        console,
        &frame,
        &html! {
            div.head {
                h1 { (title) " · " (selection.date) " " small { (items.len()) @if all > items.len() { " " (Text::OfTotal.with(lang, all)) } } }
                (filter_form(&visit, &selection, &list))
                a.button href={ "/api/duty" (visit.params.with("lang", "")) } { (t(Text::AsJson)) }
            }
            p.muted { (t(Text::DutyListWhat)) }
            @if list.is_empty() {
                section.empty { h2 { (t(Text::NoDutyList)) } p { (t(Text::NoDutyListWhy)) } }
            } @else if items.is_empty() {
                section.empty { h2 { (t(Text::NoDutyMatch)) } p { a href="/duty" { (t(Text::Clear)) } } }
            } @else {
                (list_of(&visit, &items))
            }
        },
    ))
}

fn filter_form(visit: &Visit, selection: &Selection, list: &DutyList) -> Markup {
    let (lang, params) = (visit.lang, &visit.params);
    let t = |text: Text| text.of(lang);
    let in_force = list.in_force(selection.date).map(|version| &version.item.kind);
    let kinds: BTreeSet<_> = in_force.chain(&selection.kind).collect();
    let filtered = ["date", "kind", "q"].iter().any(|name| params.get(name).is_some());
    html! {
        form.filter method="get" action="/duty" role="search" {
            label { span { (t(Text::Date)) } input type="date" name="date" value=(selection.date); }
            label { span { (t(Text::Kind)) }
                select name="kind" {
                    option value="" { (t(Text::All)) }
                    @for kind in kinds {
                        option value=(kind) selected[selection.kind.as_ref() == Some(kind)] { (kind_name(kind, lang)) }
                    }
                }
            }
            label { span { (t(Text::Search)) }
                input type="search" name="q" value=[params.get("q")] placeholder=(t(Text::DutyHint)) maxlength="64";
            }
            button { (t(Text::Apply)) }
            @if filtered { a href="/duty" { (t(Text::Clear)) } }
        }
    }
}

fn list_of(visit: &Visit, items: &[&ItemVersion]) -> Markup {
    let lang = visit.lang;
    let columns = [
        Column::Text(Text::ReportItem),
        Column::Text(Text::Kind),
        Column::Text(Text::Place),
        Column::Text(Text::DutyHours),
        Column::Text(Text::Dept),
        Column::Text(Text::Level),
        Column::Text(Text::Arrive),
        Column::Text(Text::Solve),
        Column::Text(Text::Version),
        Column::Text(Text::InForceSince),
    ];
    // The day that was asked for stays asked for on an item's page.
    let date = visit.params.without("kind").without("q").with("lang", "");
    let rows = html! {
        @for ItemVersion { version, from, item } in items {
            tr {
                th scope="row" {
                    a href={ "/duty/" (segment(&item.id)) (date) } { (item.id) }
                    @if !item.task.name.is_empty() { div.muted { (said(&item.task.name, lang)) } }
                }
                td { (kind_name(&item.kind, lang)) }
                td { (place(item, lang)) }
                td { (said(&item.when(), lang)) }
                td {
                    (said(&item.task.dept, lang))
                    @if !item.task.third_dept.is_empty() { div.muted { (said(&item.task.third_dept, lang)) } }
                }
                td { (level(item.task.level, lang)) }
                td { @match item.task.arrive { Some(arrive) => (limit(arrive, lang)), None => span.muted { "–" } } }
                td { (limit(item.task.solve, lang)) }
                td { "v" (version) }
                td { time datetime=(from) { (from) } }
            }
        }
    };
    table(lang, None, Text::DutyList.of(lang), &columns, &rows)
}

fn place(item: &DutyItem, lang: Lang) -> Markup {
    html! {
        @match &item.place {
            Some(place) => { (said(&item.place_name, lang)) " " code { (place.as_str()) } },
            None => (Text::Anywhere.of(lang)),
        }
    }
}

/// An item with its versions, oldest first, and which of them is in force on a day.
struct Item {
    history: Vec<ImportedVersion>,
    date: Date,
    in_force: Option<u32>,
}

impl Item {
    async fn find(console: &Console, visit: &Visit, id: &str) -> Result<Self, Fault> {
        visit.params.only(&["date"])?;
        let date = asked_day(console, visit)?;
        // No item has what a database refuses.
        if id.contains('\0') {
            return Err(Fault::NotFound);
        }
        let history = console.store.duty_history(id).await.map_err(Fault::internal)?;
        if history.is_empty() {
            return Err(Fault::NotFound);
        }
        let list = DutyList::new(history.iter().map(|imported| imported.version.clone()));
        let in_force = list.in_force(date).next().map(|version| version.version);
        Ok(Self { history, date, in_force })
    }

    /// The version that is in force; the newest where none is.
    fn shown(&self) -> Option<&ItemVersion> {
        let in_force = self.history.iter().find(|imported| Some(imported.version.version) == self.in_force);
        in_force.or(self.history.last()).map(|imported| &imported.version)
    }

    /// Each version with what differs from the one before, oldest first.
    fn changes(&self) -> impl DoubleEndedIterator<Item = (&ImportedVersion, Option<Vec<Edit>>)> {
        self.history.iter().enumerate().map(|(n, imported)| {
            let before = n.checked_sub(1).and_then(|n| self.history.get(n));
            (imported, before.map(|before| edits(&before.version.item, &imported.version.item)))
        })
    }
}

pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Markup, Fault> {
    let (console, lang) = (&desk.console, visit.lang);
    let item = Item::find(console, &visit, &id).await?;
    let Some(shown) = item.shown() else { return Err(Fault::NotFound) };
    let (figures, _) = console.figures(visit.now).await?;
    let name = said(&shown.item.task.name, lang);
    let title = if name.is_empty() { id.clone() } else { format!("{id} {name}") };
    let state = match item.in_force {
        Some(_) => in_force_badge(lang),
        None if shown.from > item.date => html! { span.state.warn { (Text::NotYetInForce.of(lang)) } },
        None => html! { span.state.muted { (Text::NoLongerInForce.of(lang)) } },
    };
    let frame = Frame { title: &title, section: Section::Duty, figures: &figures, refresh: None };
    Ok(page(
        &visit,
        console,
        &frame,
        &html! {
            div.head {
                h1 { (title) " " (state) }
                a.button href={ "/api/duty/" (segment(&id)) (visit.params.with("lang", "")) } { (Text::AsJson.of(lang)) }
            }
            p.where { a href={ "/duty" (visit.params.with("lang", "")) } { (Text::DutyList.of(lang)) } " · " (item.date) }
            (facts(shown, lang))
            @if !shown.item.task.steps.is_empty() {
                section {
                    h2 { (Text::Steps.of(lang)) }
                    ol { @for step in &shown.item.task.steps { li { (said(step, lang)) } } }
                }
            }
            (versions(console, &visit, &item))
        },
    ))
}

fn in_force_badge(lang: Lang) -> Markup {
    html! { span.state.ok { span aria-hidden="true" { "✓" } " " (Text::InForce.of(lang)) } }
}

fn facts(ItemVersion { version, from, item }: &ItemVersion, lang: Lang) -> Markup {
    let task = &item.task;
    html! {
        section {
            h2 { (Text::Facts.of(lang)) }
            dl.facts {
                (fact(Text::DutyItem, lang, &html! { code { (item.id) } " v" (version) }))
                (fact(Text::Kind, lang, &html! { (kind_name(&item.kind, lang)) " " code { (item.kind) } }))
                (fact(Text::Place, lang, &place(item, lang)))
                (fact(Text::DutyHours, lang, &html! { (said(&item.when(), lang)) }))
                (fact(Text::Dept, lang, &html! { (said(&task.dept, lang)) }))
                @if !task.third_dept.is_empty() { (fact(Text::ThirdDept, lang, &html! { (said(&task.third_dept, lang)) })) }
                (fact(Text::Level, lang, &html! { (level(task.level, lang)) }))
                @if let Some(arrive) = task.arrive { (fact(Text::Arrive, lang, &html! { (limit(arrive, lang)) })) }
                (fact(Text::Solve, lang, &html! { (limit(task.solve, lang)) }))
                (codes(task, lang))
                (copies_and_pictures(task, lang))
                (fact(Text::InForceSince, lang, &html! { time datetime=(from) { (from) } }))
                @if let Some(until) = item.until { (fact(Text::InForceUntil, lang, &html! { time datetime=(until) { (until) } })) }
            }
        }
    }
}

/// The codes of a task, as one of its facts.
pub(crate) fn codes(task: &Task, lang: Lang) -> Markup {
    html! {
        @if !task.codes.is_empty() {
            (fact(Text::Codes, lang, &html! {
                @for code in &task.codes {
                    code { (code) }
                    @if let Some(name) = code.name().filter(|name| *name != code.code) { " " (name) }
                    br;
                }
            }))
        }
    }
}

/// Who gets a copy, and which pictures a case needs, as facts of a task.
pub(crate) fn copies_and_pictures(task: &Task, lang: Lang) -> Markup {
    html! {
        @if !task.copies.is_empty() {
            (fact(Text::Copies, lang, &html! {
                (task.copies.iter().map(|words| said(words, lang)).collect::<Vec<_>>().join(" · "))
            }))
        }
        (fact(Text::PhotosNeeded, lang, &html! { (task.photos_open) " / " (task.photos_close) }))
    }
}

fn versions(console: &Console, visit: &Visit, item: &Item) -> Markup {
    let lang = visit.lang;
    let t = |text: Text| text.of(lang);
    let columns = [
        Column::Text(Text::Version),
        Column::Text(Text::InForceSince),
        Column::Text(Text::ImportedAt),
        Column::Text(Text::File),
        Column::Text(Text::WhatDiffers),
    ];
    let rows = html! {
        @for (ImportedVersion { version: ItemVersion { version, from, .. }, imported_at, source }, changes) in item.changes().rev() {
            tr id={ "v" (version) } {
                th scope="row" { "v" (version) @if item.in_force == Some(*version) { " " (in_force_badge(lang)) } }
                td { time datetime=(from) { (from) } }
                td { (moment(*imported_at, visit.now, &console.time_zone, lang)) }
                td { code { (source) } }
                td {
                    @match changes {
                        None => span.muted { (t(Text::FirstVersion)) },
                        Some(changes) => @for edit in &changes { div { (edit_words(edit, lang)) } },
                    }
                }
            }
        }
    };
    html! {
        section {
            h2 { (t(Text::DutyVersions)) }
            (table(lang, None, t(Text::DutyVersions), &columns, &rows))
        }
    }
}

fn edit_words(edit: &Edit, lang: Lang) -> Markup {
    // Where only the other language was mended, that is what differs.
    let other = match lang {
        Lang::Zh => Lang::En,
        Lang::En => Lang::Zh,
    };
    let lang = if said(&edit.before, lang) == said(&edit.after, lang) { other } else { lang };
    let value = |words| Some(said(words, lang)).filter(|text| !text.is_empty()).unwrap_or("–");
    html! { span.muted { (said(&edit.name, lang)) } " " (value(&edit.before)) " → " (value(&edit.after)) }
}

#[derive(Serialize)]
struct ListOut<'a> {
    date: Date,
    items: Vec<ItemOut<'a>>,
}

#[derive(Serialize)]
struct ItemOut<'a> {
    version: u32,
    from: Date,
    item: &'a DutyItem,
}

#[derive(Serialize)]
struct HistoryOut<'a> {
    id: &'a str,
    date: Date,
    in_force: Option<u32>,
    versions: Vec<VersionOut<'a>>,
}

#[derive(Serialize)]
struct VersionOut<'a> {
    version: u32,
    from: Date,
    imported_at: String,
    source: &'a str,
    changes: Vec<Edit>,
    item: &'a DutyItem,
}

pub(crate) async fn api_list(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let selection = Selection::new(&desk.console, &visit)?;
    let list = desk.console.store.duty_list().await.map_err(Fault::internal)?;
    let items = selection.of(&list).into_iter();
    let items = items.map(|ItemVersion { version, from, item }| ItemOut { version: *version, from: *from, item });
    Ok(json(StatusCode::OK, &ListOut { date: selection.date, items: items.collect() }))
}

pub(crate) async fn api_item(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let console = &desk.console;
    let item = Item::find(console, &visit, &id).await?;
    let versions = item.changes().map(|(imported, changes)| VersionOut {
        version: imported.version.version,
        from: imported.version.from,
        imported_at: rfc3339(imported.imported_at, &console.time_zone),
        source: &imported.source,
        changes: changes.unwrap_or_default(),
        item: &imported.version.item,
    });
    let out = HistoryOut { id: &id, date: item.date, in_force: item.in_force, versions: versions.collect() };
    Ok(json(StatusCode::OK, &out))
}
