//! The frame of every page: head, navigation, the strip of figures, foot.

use std::time::Duration;

use alerts::store::Counts;
use domain::{CameraState, Place};
use maud::{DOCTYPE, Markup, html};

use crate::{
    assets::{ICON, SCRIPT, STYLE},
    console::{Console, Vitals},
    fleet::CameraView,
    i18n::{Lang, Text},
    visit::Visit,
};

/// Which part of the console a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// Tickets.
    Tickets,
    /// Cameras.
    Cameras,
    /// Sensors.
    Sensors,
    /// Zero reports.
    ZeroReport,
    /// The responsibility list.
    Duty,
    /// The platform's figures.
    Figures,
    /// Messages that nobody understands.
    Problems,
}

/// The figures in the strip under the navigation.
pub(crate) struct Figures {
    cameras: usize,
    streaming: usize,
    offline: usize,
    open: u64,
    outbox: u64,
    problems: u64,
    vitals: Vitals,
}

impl Figures {
    pub(crate) fn new(cameras: &[CameraView], counts: &Counts, problems: u64, vitals: Vitals) -> Self {
        let in_state = |state| cameras.iter().filter(|c| c.report.state == state).count();
        Self {
            cameras: cameras.len(),
            streaming: in_state(CameraState::Streaming),
            offline: in_state(CameraState::Offline),
            open: counts.open,
            outbox: counts.queued_messages,
            problems,
            vitals,
        }
    }

    fn strip(&self, lang: Lang) -> Markup {
        let t = |text: Text| text.of(lang);
        let (broker_class, broker_icon, broker) =
            if self.vitals.broker_connected { ("ok", "●", Text::BrokerUp) } else { ("bad", "▲", Text::BrokerDown) };
        html! {
            section #figures aria-label=(t(Text::Figures)) {
                dl {
                    div {
                        dt { (t(Text::FigStreaming)) }
                        dd { (self.streaming) " " small { (Text::OfTotal.with(lang, self.cameras)) } }
                    }
                    div .bad[self.offline > 0] {
                        dt { (t(Text::FigOffline)) }
                        dd { a href="/cameras?state=offline" { (self.offline) } }
                    }
                    @if let Some(looks) = self.vitals.looks_per_second {
                        div { dt { (t(Text::FigLooks)) } dd { (format!("{looks:.1}")) } }
                    }
                    @if let Some(looks) = &self.vitals.looks {
                        div .bad[looks.is_stretched()] {
                            dt { (t(Text::FigLookLag)) }
                            dd { (Text::Seconds.with(lang, tenths(looks.lag_p99))) }
                        }
                    }
                    div {
                        dt { (t(Text::FigOpen)) }
                        dd { a href="/?state=open" { (self.open) } }
                    }
                    div { dt { (t(Text::FigOutbox)) } dd { (self.outbox) } }
                }
                p class={ "state " (broker_class) } {
                    span aria-hidden="true" { (broker_icon) } " " (t(broker))
                }
                @if let Some(looks) = self.vitals.looks.as_ref().filter(|looks| looks.is_stretched()) {
                    p class="state warn notice" role="status" {
                        span aria-hidden="true" { "⚠" } " "
                        (Text::LooksStretched.with_all(
                            lang,
                            &[&tenths(looks.achieved), &tenths(looks.wanted), &format!("{:.1}", looks.stretch)],
                        ))
                    }
                }
                @if !self.vitals.restart.is_empty() {
                    p class="state warn notice" role="status" {
                        span aria-hidden="true" { "⚠" } " "
                        (Text::RestartNeeded.with(lang, self.vitals.restart.join(", ")))
                    }
                }
            }
        }
    }
}

fn tenths(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

/// How a page wants to be framed.
pub(crate) struct Frame<'a> {
    pub(crate) title: &'a str,
    pub(crate) section: Section,
    pub(crate) figures: &'a Figures,
    /// Seconds between refreshes while the page is looked at.
    pub(crate) refresh: Option<u32>,
}

/// A whole page. What is to be kept up to date is `body`.
pub(crate) fn page(visit: &Visit, console: &Console, frame: &Frame<'_>, body: &Markup) -> Markup {
    let lang = visit.lang;
    shell(
        visit,
        frame.title,
        Some((frame.section, frame.figures.problems)),
        frame.refresh,
        &html! {
            (frame.figures.strip(lang))
            main #content data-refresh=[frame.refresh] {
                div #live { (body) }
            }
            footer {
                span { (Text::NodeIs.with(lang, &console.node)) }
                span { (Text::TimesIn.with(lang, console.zone_name(visit.now))) }
            }
        },
    )
}

/// A page without figures, for trouble: it asks nothing of the store.
pub(crate) fn bare(visit: &Visit, title: &str, body: &Markup) -> Markup {
    shell(visit, title, None, None, &html! { main #content .bare { (body) } })
}

/// `place` says where in the console the page belongs, and how many problems came lately.
fn shell(visit: &Visit, title: &str, place: Option<(Section, u64)>, refresh: Option<u32>, body: &Markup) -> Markup {
    let lang = visit.lang;
    let t = |text: Text| text.of(lang);
    let current = |s| place.is_some_and(|(section, _)| section == s).then_some("page");
    let problems = place.map_or(0, |(_, problems)| problems);
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · gridwatch" }
                link rel="icon" href=(ICON.path) type="image/svg+xml";
                link rel="stylesheet" href=(STYLE.path);
                @if refresh.is_some() {
                    script src=(SCRIPT.path) defer {}
                }
            }
            body {
                a.skip href="#content" { (t(Text::Skip)) }
                header {
                    a.brand href="/" {
                        img src=(ICON.path) alt="" width="22" height="22";
                        "gridwatch"
                    }
                    nav aria-label=(t(Text::Navigation)) {
                        a href="/" aria-current=[current(Section::Tickets)] { (t(Text::Tickets)) }
                        a href="/cameras" aria-current=[current(Section::Cameras)] { (t(Text::Cameras)) }
                        a href="/sensors" aria-current=[current(Section::Sensors)] { (t(Text::Sensors)) }
                        a href="/zero-report" aria-current=[current(Section::ZeroReport)] { (t(Text::ZeroReport)) }
                        a href="/duty" aria-current=[current(Section::Duty)] { (t(Text::DutyList)) }
                        a href="/figures" aria-current=[current(Section::Figures)] { (t(Text::CaseFigures)) }
                        a href="/problems" aria-current=[current(Section::Problems)] {
                            (t(Text::Problems))
                            @if problems > 0 { " " span.count title=(t(Text::ProblemsLately)) { (problems) } }
                        }
                    }
                    nav.lang aria-label=(t(Text::Language)) {
                        @for (other, name) in [(Lang::Zh, "中文"), (Lang::En, "English")] {
                            a href=(visit.in_lang(other)) lang=(other.tag()) hreflang=(other.tag())
                                aria-current=[(other == lang).then_some("true")] { (name) }
                        }
                    }
                }
                p.stale-note role="status" { (t(Text::Stale)) }
                (body)
            }
        }
    }
}

/// A column of a table: what its head says, and how its cells stand.
pub(crate) enum Column<'a> {
    /// Of text.
    Text(Text),
    /// Of numbers, which stand to the right.
    Number(Text),
    /// Of text, with a head that is the same in all languages.
    Named(&'a str),
}

/// A table that scrolls by itself where the page is narrow; `class` is for the style sheet.
pub(crate) fn table(lang: Lang, class: Option<&str>, label: &str, columns: &[Column<'_>], rows: &Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table class=[class] {
                thead { tr {
                    @for column in columns {
                        @match column {
                            Column::Text(text) => th scope="col" { (text.of(lang)) },
                            Column::Number(text) => th.number scope="col" { (text.of(lang)) },
                            Column::Named(name) => th scope="col" { (name) },
                        }
                    }
                } }
                tbody { (rows) }
            }
        }
    }
}

/// A name with its value, for description lists.
pub(crate) fn fact(name: Text, lang: Lang, value: &Markup) -> Markup {
    html! { div { dt { (name.of(lang)) } dd { (value) } } }
}

/// What is known of a place, for description lists.
pub(crate) fn place_facts(place: &Place, lang: Lang) -> Markup {
    html! {
        @if !place.address.is_empty() { (fact(Text::Place, lang, &html! { (place.address) })) }
        (fact(Text::GridCode, lang, &html! { code { (place.grid.as_str()) } }))
        @if let Some(duty) = &place.duty_grid { (fact(Text::DutyGrid, lang, &html! { (duty) })) }
        @if let (Some(lon), Some(lat)) = (place.lon, place.lat) {
            (fact(Text::Coordinates, lang, &html! { (format!("{lon:.6}, {lat:.6}")) }))
        }
    }
}
