//! What came of scenes with known truth, as data and as one page with pictures: which tickets are right, wrong and missed, how
//! soon they came, and what the detector saw where one is missing.

use std::collections::BTreeMap;

use alerts::{incident::Zone, kinds::kind_info};
use bytes::Bytes;
use domain::{Kind, Millis, Polygon, Rect};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

/// All scenes of one run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The model that looked.
    pub model: String,
    /// Sums over all scenes that were played.
    pub totals: Totals,
    /// The same by kind of case.
    pub kinds: BTreeMap<Kind, Totals>,
    /// The scenes, in the order of their names.
    pub scenes: Vec<SceneReport>,
}

/// Tickets, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Right ones.
    pub right: usize,
    /// Those that should not have come.
    pub wrong: usize,
    /// Those that should have come and did not.
    pub missed: usize,
}

impl Totals {
    /// Right ones among those that came; none where none came.
    #[must_use]
    pub fn precision(self) -> Option<f64> {
        share(self.right, self.right + self.wrong)
    }

    /// Right ones among those that should have come; none where none should.
    #[must_use]
    pub fn recall(self) -> Option<f64> {
        share(self.right, self.right + self.missed)
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// One scene.
#[derive(Debug, Clone, Serialize)]
pub struct SceneReport {
    /// Its name.
    pub name: String,
    /// What happens in it.
    pub about: String,
    /// Words it is found by.
    pub tags: Vec<String>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of a scene.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It was played.
    Played(Box<PlayedReport>),
    /// What it is made of is not on this machine.
    Skipped {
        /// What is missing.
        reason: String,
    },
    /// It could not be played.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A scene that was played; times count from its start.
#[derive(Debug, Clone, Serialize)]
pub struct PlayedReport {
    /// Its tickets, counted.
    pub totals: Totals,
    /// How long the scene lasts.
    pub duration: Millis,
    /// How long it took to play.
    pub took: Millis,
    /// Looks made.
    pub looks: u64,
    /// Looks that the detector ran on.
    pub detected: u64,
    /// Width and height of its pictures in pixels.
    pub size: (usize, usize),
    /// Its zones.
    pub zones: Vec<Zone>,
    /// The tickets that came.
    pub tickets: Vec<TicketReport>,
    /// The tickets that should have come.
    pub awaited: Vec<AwaitedReport>,
    /// A picture of it, as JPEG.
    #[serde(skip)]
    pub picture: Bytes,
}

/// What a ticket is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Worth {
    /// It is right.
    Right,
    /// It tells again what another told.
    Doubled,
    /// It came before it was due.
    Early,
    /// It came too late.
    Late,
    /// It was not cleared in time.
    NotCleared,
    /// Nothing was to be told.
    Wrong,
}

impl Worth {
    /// In words.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Right => ("正确", "right"),
            Self::Doubled => ("重复", "told twice"),
            Self::Early => ("过早", "too early"),
            Self::Late => ("过迟", "too late"),
            Self::NotCleared => ("未销案", "not cleared"),
            Self::Wrong => ("错误", "wrong"),
        }
    }
}

/// A ticket that came.
#[derive(Debug, Clone, Serialize)]
pub struct TicketReport {
    /// Its kind.
    pub kind: Kind,
    /// Its zone.
    pub zone: String,
    /// What it is worth.
    pub worth: Worth,
    /// Why it is worth no more, where the scene says so.
    pub because: Option<String>,
    /// When the things were first seen.
    pub first_seen: Millis,
    /// When it was opened.
    pub opened: Millis,
    /// When it was cleared.
    pub cleared: Option<Millis>,
    /// Where it is.
    pub place: Rect,
    /// What it says of itself.
    pub reason: String,
    /// The annotated picture that confirmed it, as JPEG.
    #[serde(skip)]
    pub picture: Option<Bytes>,
}

/// A ticket that should have come.
#[derive(Debug, Clone, Serialize)]
pub struct AwaitedReport {
    /// Any of these kinds is right.
    pub kinds: Vec<Kind>,
    /// Where, if at a box.
    pub place: Option<Rect>,
    /// Where, if within an outline.
    pub area: Option<Polygon>,
    /// Since when it stands.
    pub since: Millis,
    /// How long after that the right ticket came; none where it did not.
    pub to_ticket: Option<Millis>,
    /// What the looks showed there: label, share of the looks, median score.
    pub saw: Vec<(String, f32, f32)>,
    /// A picture while it stands, as JPEG.
    #[serde(skip)]
    pub picture: Bytes,
}

impl Report {
    /// Sums up `scenes`.
    #[must_use]
    pub fn new(model: String, scenes: Vec<SceneReport>) -> Self {
        let (mut totals, mut kinds) = (Totals::default(), BTreeMap::<Kind, Totals>::new());
        for played in scenes.iter().filter_map(SceneReport::played) {
            totals.right += played.totals.right;
            totals.wrong += played.totals.wrong;
            totals.missed += played.totals.missed;
            for ticket in &played.tickets {
                let of_kind = kinds.entry(ticket.kind.clone()).or_default();
                match ticket.worth {
                    Worth::Right => of_kind.right += 1,
                    _ => of_kind.wrong += 1,
                }
            }
            for kind in played.awaited.iter().filter(|a| a.to_ticket.is_none()).filter_map(|a| a.kinds.first()) {
                kinds.entry(kind.clone()).or_default().missed += 1;
            }
        }
        Self { model, totals, kinds, scenes }
    }

    /// The files of a page about the scenes: `index.html` first, then the pictures that it shows.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Bytes)> {
        let mut pictures = Vec::new();
        let body: Vec<Markup> =
            self.scenes.iter().enumerate().map(|(n, scene)| article(n, scene, &mut pictures)).collect();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { "gridwatch · 回测 back-test" }
                    style { (PreEscaped(include_str!("../assets/backtest.css"))) }
                }
                body {
                    header {
                        h1 { "回测 " span lang="en" { "Back-test" } }
                        p { "模型 Model: " code { (self.model) } }
                        (self.figures())
                    }
                    main {
                        (self.overview())
                        @for scene in &body { (scene) }
                    }
                }
            }
        };
        let mut files = vec![("index.html".to_owned(), Bytes::from(page.into_string()))];
        files.extend(pictures);
        files
    }

    fn figures(&self) -> Markup {
        let Totals { right, wrong, missed } = self.totals;
        let percent =
            |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0));
        html! {
            dl.figures {
                div.right { dt { "正确 right" } dd { (right) } }
                div.wrong { dt { "错误 wrong" } dd { (wrong) } }
                div.missed { dt { "漏报 missed" } dd { (missed) } }
                div { dt { "准确率 precision" } dd { (percent(self.totals.precision())) } }
                div { dt { "召回率 recall" } dd { (percent(self.totals.recall())) } }
            }
            table {
                thead { tr { th { "类别 kind" } th { "正确 right" } th { "错误 wrong" } th { "漏报 missed" } } }
                tbody {
                    @for (kind, of_kind) in &self.kinds {
                        tr { td { (named(kind)) } td { (of_kind.right) } td { (of_kind.wrong) } td { (of_kind.missed) } }
                    }
                }
            }
        }
    }

    fn overview(&self) -> Markup {
        html! {
            h2 { "场景 Scenes" }
            table {
                thead { tr { th { "场景 scene" } th { "正确 right" } th { "错误 wrong" } th { "漏报 missed" } th { "开单用时 time to ticket" } } }
                tbody {
                    @for (n, scene) in self.scenes.iter().enumerate() {
                        tr class=(scene.class()) {
                            td { a href={ "#scene-" (n) } { (scene.name) } }
                            @match &scene.outcome {
                                Outcome::Played(played) => {
                                    td { (played.totals.right) } td { (played.totals.wrong) } td { (played.totals.missed) }
                                    td { (played.times_to_ticket()) }
                                }
                                Outcome::Skipped { reason } => { td colspan="4" { "跳过 skipped: " (reason) } }
                                Outcome::Failed { reason } => { td colspan="4" { "失败 failed: " (reason) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl SceneReport {
    /// The scene as it was played, if it was.
    #[must_use]
    pub fn played(&self) -> Option<&PlayedReport> {
        match &self.outcome {
            Outcome::Played(played) => Some(played),
            Outcome::Skipped { .. } | Outcome::Failed { .. } => None,
        }
    }

    fn class(&self) -> &'static str {
        match &self.outcome {
            Outcome::Played(played) if played.totals.wrong + played.totals.missed == 0 => "clean",
            Outcome::Played(_) | Outcome::Failed { .. } => "faulty",
            Outcome::Skipped { .. } => "skipped",
        }
    }
}

impl PlayedReport {
    /// How long each right ticket took, in the order of what was awaited.
    #[must_use]
    pub fn times_to_ticket(&self) -> String {
        let times: Vec<_> =
            self.awaited.iter().map(|a| a.to_ticket.map_or_else(|| "–".to_owned(), |t| t.to_string())).collect();
        times.join(", ")
    }
}

/// A kind by its names.
fn named(kind: &Kind) -> Markup {
    match kind_info(kind) {
        Some(info) => html! { (info.name_zh) " " (info.name_en) " " code { (kind) } },
        None => html! { code { (kind) } },
    }
}

type Pictures = Vec<(String, Bytes)>;

fn article(n: usize, scene: &SceneReport, pictures: &mut Pictures) -> Markup {
    let mut keep = |what: &str, jpeg: &Bytes| {
        let name = format!("pictures/{n}-{what}.jpg");
        pictures.push((name.clone(), jpeg.clone()));
        name
    };
    html! {
        article id={ "scene-" (n) } class=(scene.class()) {
            h2 { (scene.name) @for tag in &scene.tags { " " span.tag { (tag) } } }
            p { (scene.about) }
            @match &scene.outcome {
                Outcome::Skipped { reason } => { p.note { "跳过 skipped: " (reason) } }
                Outcome::Failed { reason } => { p.note { "失败 failed: " (reason) } }
                Outcome::Played(played) => {
                    p.note {
                        (played.duration) " · " (played.looks) " 次查看 looks, " (played.detected) " 次检测 detected · "
                        (format!("{:.1} s", played.took.as_secs_f64()))
                    }
                    (timeline(played))
                    div.shots {
                        @if played.tickets.is_empty() && played.awaited.is_empty() && !played.picture.is_empty() {
                            figure {
                                (drawn(&keep("scene", &played.picture), played, None, &[]))
                                figcaption { "没有工单,也不应有 no ticket, as it should be" }
                            }
                        }
                        @for (t, ticket) in played.tickets.iter().enumerate() {
                            (card(ticket, ticket.picture.as_ref().map(|jpeg| keep(&format!("ticket-{t}"), jpeg))))
                        }
                        @for (a, awaited) in played.awaited.iter().enumerate().filter(|(_, a)| a.to_ticket.is_none()) {
                            figure.missed {
                                @if !awaited.picture.is_empty() {
                                    (drawn(&keep(&format!("missed-{a}"), &awaited.picture), played, awaited.area.as_ref(), awaited.place.as_slice()))
                                }
                                figcaption {
                                    b { "漏报 missed " } (named_all(&awaited.kinds)) br;
                                    "自 since " (awaited.since) br;
                                    "检测器看到 the detector saw: " (saw(&awaited.saw))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn named_all(kinds: &[Kind]) -> Markup {
    html! { @for (i, kind) in kinds.iter().enumerate() { @if i > 0 { " / " } (named(kind)) } }
}

fn saw(labels: &[(String, f32, f32)]) -> String {
    let all: Vec<_> = labels
        .iter()
        .take(4)
        .map(|(label, share, score)| format!("{label} {:.0} % ({score:.2})", share * 100.0))
        .collect();
    if all.is_empty() { "没有 nothing".into() } else { all.join(", ") }
}

fn card(ticket: &TicketReport, picture: Option<String>) -> Markup {
    let (zh, en) = ticket.worth.words();
    html! {
        figure class=(if ticket.worth == Worth::Right { "right" } else { "wrong" }) {
            @if let Some(picture) = picture { img src=(picture) alt=(ticket.reason) loading="lazy"; }
            figcaption {
                b { (zh) " " (en) " " } (named(&ticket.kind)) " · " (ticket.zone) br;
                "首见 first seen " (ticket.first_seen) " · 开单 opened " (ticket.opened)
                @if let Some(cleared) = ticket.cleared { " · 销案 cleared " (cleared) }
                br;
                (ticket.reason)
                @if let Some(because) = &ticket.because { br; em { (because) } }
            }
        }
    }
}

/// A picture with the zones, and what should have been told, drawn over it.
fn drawn(picture: &str, played: &PlayedReport, area: Option<&Polygon>, places: &[Rect]) -> Markup {
    let (w, h) = (played.size.0 as f32, played.size.1 as f32);
    let points = |polygon: &Polygon| {
        polygon.points().iter().map(|p| format!("{:.1},{:.1}", p.x * w, p.y * h)).collect::<Vec<_>>().join(" ")
    };
    html! {
        div.drawn {
            img src=(picture) alt="" loading="lazy";
            svg viewBox={ "0 0 " (w) " " (h) } preserveAspectRatio="none" aria-hidden="true" {
                @for zone in &played.zones { polygon.zone points=(points(&zone.polygon)) {} }
                @if let Some(area) = area { polygon.awaited points=(points(area)) {} }
                @for place in places {
                    rect.awaited x=(place.x0 * w) y=(place.y0 * h) width=(place.width() * w) height=(place.height() * h) {}
                }
            }
        }
    }
}

/// The scene's time from left to right: what should stand since when, and each ticket from first sight to its end.
fn timeline(played: &PlayedReport) -> Markup {
    let rows = played.awaited.len() + played.tickets.len();
    let whole = played.duration.as_secs_f64().max(1.0);
    let x = |t: Millis| t.as_secs_f64() / whole * 1_000.0;
    html! {
        @if rows > 0 {
            svg.timeline viewBox={ "0 0 1000 " (rows * 14) } preserveAspectRatio="none" role="img" aria-label="时间线 timeline" {
                @for (row, awaited) in played.awaited.iter().enumerate() {
                    rect.stands x=(x(awaited.since)) y=(row * 14 + 3) width=(1_000.0 - x(awaited.since)) height="8" {
                        title { "应报 awaited since " (awaited.since) }
                    }
                }
                @for (row, ticket) in (played.awaited.len()..).zip(&played.tickets) {
                    rect.suspected x=(x(ticket.first_seen)) y=(row * 14 + 5) width=(x(ticket.opened) - x(ticket.first_seen)) height="4" {
                        title { (ticket.kind) ": 首见 first seen " (ticket.first_seen) }
                    }
                    rect class=(if ticket.worth == Worth::Right { "right" } else { "wrong" })
                        x=(x(ticket.opened)) y=(row * 14 + 2)
                        width=(x(ticket.cleared.unwrap_or(played.duration)) - x(ticket.opened)) height="10" {
                        title { (ticket.kind) ": 开单 opened " (ticket.opened) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(worth: Worth, to_ticket: Option<Millis>) -> SceneReport {
        let kind: Kind = "lane.motor".parse().expect("a kind");
        let totals = Totals {
            right: usize::from(to_ticket.is_some()),
            wrong: usize::from(worth != Worth::Right),
            missed: usize::from(to_ticket.is_none()),
        };
        let ticket = TicketReport {
            kind: kind.clone(),
            zone: "kerb".into(),
            worth,
            because: Some("it <b>moved</b>".into()),
            first_seen: Millis::secs(20),
            opened: Millis::secs(320),
            cleared: None,
            place: [0.1, 0.1, 0.3, 0.3].into(),
            reason: "a vehicle stands".into(),
            picture: Some(Bytes::from_static(b"jpeg")),
        };
        let awaited = AwaitedReport {
            kinds: vec![kind],
            place: Some([0.1, 0.1, 0.3, 0.3].into()),
            area: None,
            since: Millis::secs(18),
            to_ticket,
            saw: vec![("vehicle".into(), 0.9, 0.7)],
            picture: Bytes::from_static(b"jpeg"),
        };
        SceneReport {
            name: "a scene".into(),
            about: "a van & a kerb".into(),
            tags: vec!["day".into()],
            outcome: Outcome::Played(Box::new(PlayedReport {
                totals,
                duration: Millis::mins(8),
                took: Millis::secs(9),
                looks: 60,
                detected: 50,
                size: (640, 352),
                zones: Vec::new(),
                tickets: vec![ticket],
                awaited: vec![awaited],
                picture: Bytes::new(),
            })),
        }
    }

    #[test]
    fn figures_add_up_over_scenes_and_kinds() {
        let skipped = SceneReport {
            outcome: Outcome::Skipped { reason: "a.mp4 is absent".into() },
            ..played(Worth::Right, None)
        };
        let report = Report::new(
            "m".into(),
            vec![played(Worth::Right, Some(Millis::secs(302))), played(Worth::Wrong, None), skipped],
        );
        assert_eq!(report.totals, Totals { right: 1, wrong: 1, missed: 1 });
        assert_eq!(report.kinds.values().copied().collect::<Vec<_>>(), [report.totals]);
        assert_eq!((report.totals.precision(), report.totals.recall()), (Some(0.5), Some(0.5)));
        assert_eq!(Totals::default().precision(), None);
    }

    #[test]
    fn the_page_escapes_what_scenes_say_and_brings_its_pictures() {
        let report = Report::new("m".into(), vec![played(Worth::Wrong, None)]);
        let files = report.files();
        let page = String::from_utf8(files[0].1.to_vec()).expect("text");
        assert!(page.contains("it &lt;b&gt;moved") && !page.contains("<b>moved"));
        for (name, _) in &files[1..] {
            assert!(page.contains(&format!("src=\"{name}\"")), "{name} is not shown");
        }
        assert_eq!(files.len(), 3, "the page, the ticket's picture, and the one of what was missed");
        assert!(!page.contains("http:") && !page.contains("https:"), "nothing comes from elsewhere");
    }
}
