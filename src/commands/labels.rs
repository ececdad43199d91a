//! `gridwatch labels export`: what people found leads to be, as labelled pictures for training and tuning.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use alerts::{
    case::Judgement,
    evidence::EvidenceStore,
    store::{Store, TicketFilter},
    ticket::{Evidence, EvidenceRole, Rendition, Ticket},
};
use anyhow::{Context as _, bail};
use domain::{PERSON, Rect, StreamRole};

use super::tickets::store;
use crate::config::Config;

/// Tickets that are read at once.
const PAGE: u32 = 200;

/// What is said of each judgement.
const COLUMNS: [&str; 13] = [
    "ticket",
    "kind",
    "camera",
    "captured_at",
    "judgement",
    "reason",
    "score_median",
    "score_max",
    "dwell_s",
    "rule",
    "rule_version",
    "model",
    "weights",
];

/// What an export wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Pictures of confirmed leads, with a box for each thing.
    pub confirmed: usize,
    /// Pictures of leads that showed nothing, with an empty label file.
    pub nothing: usize,
    /// Judgements whose reason says nothing of the picture, such as `duplicate`.
    pub left_out: usize,
    /// Judgements whose picture is not there.
    pub without_picture: usize,
}

/// Writes the labels of all judged tickets into `folder`; `nothing` are the reasons for which a rejected lead is a
/// picture of nothing.
///
/// # Errors
/// When the configuration does not load, the database cannot be read or the folder cannot be written.
pub async fn run_export(config: &Path, folder: &Path, nothing: &[String]) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let store = store(&config).await?;
    let evidence = EvidenceStore::open(&config.evidence_dir())?;
    let done = export(&store, &evidence, folder, nothing).await?;
    println!("{}: {} confirmed, {} of nothing", folder.display(), done.confirmed, done.nothing);
    if done.left_out > 0 {
        println!("{} left out: their reason says nothing of the picture (see --nothing)", done.left_out);
    }
    if done.without_picture > 0 {
        println!("{} left out: their picture is not in the evidence store", done.without_picture);
    }
    Ok(())
}

/// As [`run_export`], of this store.
///
/// # Errors
/// When the database cannot be read or the folder cannot be written.
pub async fn export(
    store: &Store,
    evidence: &EvidenceStore,
    folder: &Path,
    nothing: &[String],
) -> anyhow::Result<Exported> {
    if folder.join("classes.txt").exists() {
        bail!("{} has labels already; name a new folder", folder.display());
    }
    let (images, labels) = (made(folder.join("images"))?, made(folder.join("labels"))?);
    let tickets = judged(store).await?;
    let classes: BTreeSet<&str> = tickets.iter().map(|ticket| ticket.incident.kind.as_str()).collect();
    let mut list = csv::Writer::from_writer(Vec::new());
    list.write_record(COLUMNS)?;
    let mut done = Exported::default();
    for ticket in &tickets {
        let Some(judgement) = ticket.case.judgement() else { continue };
        let lines = match judgement {
            Judgement::Confirmed => boxes(ticket, classes.iter().position(|c| *c == ticket.incident.kind.as_str())),
            Judgement::Rejected(reason) if nothing.contains(&reason.code) => String::new(),
            Judgement::Rejected(_) => {
                done.left_out += 1;
                continue;
            }
        };
        let Some(picture) = picture(ticket) else {
            done.without_picture += 1;
            continue;
        };
        let Ok(bytes) = evidence.get(&picture.sha256) else {
            done.without_picture += 1;
            continue;
        };
        let name = ticket.id().to_string();
        write(&images.join(format!("{name}.jpg")), &bytes)?;
        write(&labels.join(format!("{name}.txt")), lines.as_bytes())?;
        let (word, reason) = match judgement {
            Judgement::Confirmed => {
                done.confirmed += 1;
                ("confirmed", "")
            }
            Judgement::Rejected(reason) => {
                done.nothing += 1;
                ("rejected", reason.code.as_str())
            }
        };
        let incident = &ticket.incident;
        let taken = jiff::Timestamp::from_millisecond(picture.captured_at.0).unwrap_or_default();
        let (rule, model) = (&incident.rule, &incident.model);
        list.write_record([
            &name,
            incident.kind.as_str(),
            incident.camera.as_str(),
            &taken.to_string(),
            word,
            reason,
            &format!("{:.3}", incident.score_median),
            &format!("{:.3}", incident.score_max),
            &format!("{}", incident.dwell.0 / 1000),
            &rule.id,
            &rule.version,
            &model.name,
            &model.sha256.to_string(),
        ])?;
    }
    write(&folder.join("judgements.csv"), &list.into_inner()?)?;
    // Last: its presence says that all is there.
    let names: String = classes.iter().map(|class| format!("{class}\n")).collect();
    write(&folder.join("classes.txt"), names.as_bytes())?;
    Ok(done)
}

/// All tickets that somebody judged, newest first.
async fn judged(store: &Store) -> anyhow::Result<Vec<Ticket>> {
    let mut all = Vec::new();
    let mut filter = TicketFilter { limit: PAGE, ..TicketFilter::default() };
    loop {
        let page = store.tickets(&filter).await?;
        let Some(last) = page.last() else { return Ok(all) };
        filter.before = Some(last.id());
        all.extend(page.into_iter().filter(|ticket| ticket.case.judgement().is_some()));
    }
}

/// The picture that the rule was satisfied by, in the stream that the boxes are of, nothing drawn on it.
fn picture(ticket: &Ticket) -> Option<&Evidence> {
    let clean =
        ticket.evidence.iter().filter(|e| e.role == EvidenceRole::Confirming && e.rendition == Rendition::Clean);
    clean.min_by_key(|e| e.stream == StreamRole::Main)
}

/// A line for each thing of the ticket, people left out: class, centre and size, relative to the picture.
fn boxes(ticket: &Ticket, class: Option<usize>) -> String {
    let mut lines = String::new();
    let things = ticket.incident.things.iter().filter(|thing| thing.group.as_str() != PERSON);
    for Rect { x0, y0, x1, y1 } in things.map(|thing| thing.bbox.clamped()) {
        let class = class.unwrap_or_default();
        let (x, y) = (f32::midpoint(x0, x1), f32::midpoint(y0, y1));
        let _ = writeln!(lines, "{class} {x:.6} {y:.6} {:.6} {:.6}", x1 - x0, y1 - y0);
    }
    lines
}

fn made(folder: PathBuf) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(&folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    Ok(folder)
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("{}: cannot be written", path.display()))
}
