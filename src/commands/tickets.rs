//! `gridwatch tickets list|show|export`.

use std::path::Path;

use alerts::{
    case::State,
    deadline::Light,
    evidence::EvidenceStore,
    export::{self, Books},
    incident::Incident,
    kinds::kind_info,
    store::{Database, HistoryLine, Store, TicketFilter},
};
use anyhow::{Context as _, bail};
use domain::{CameraId, TicketId, Timestamp};
use jiff::{ToSpan as _, civil::Date};

use super::{local_time, table};
use crate::config::Config;

pub(super) async fn store(config: &Config) -> anyhow::Result<Store> {
    let database = config.database()?;
    if let Database::File(path) = &database
        && !path.exists()
    {
        bail!("{} does not exist: nothing has run with this configuration yet", path.display());
    }
    Ok(Store::connect(database).await?)
}

/// Lists tickets, newest first.
///
/// # Errors
/// When the configuration does not load or the database cannot be read.
pub async fn run_list(
    config: &Path,
    camera: Option<CameraId>,
    case: Option<State>,
    limit: u32,
    json: bool,
) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let timezone = config.timezone()?;
    let tickets =
        store(&config).await?.tickets(&TicketFilter { camera, case, limit, ..TicketFilter::default() }).await?;
    if json {
        for ticket in &tickets {
            println!("{}", serde_json::to_string(ticket)?);
        }
        return Ok(());
    }
    let mut listing = table(&["ticket", "confirmed", "kind", "camera", "zone", "state", "light", "delivered"]);
    for ticket in &tickets {
        let Incident { kind, camera, zone, confirmed_at, .. } = &ticket.incident;
        listing.add_row([
            ticket.id().to_string(),
            local_time(*confirmed_at, &timezone),
            kind_info(kind).map_or_else(|| kind.to_string(), |info| format!("{} {}", info.name_zh, info.name_en)),
            camera.to_string(),
            zone.to_string(),
            ticket.case.state().to_string(),
            ticket
                .clocks
                .as_ref()
                .and_then(|clocks| clocks.light())
                .map_or_else(|| "-".into(), |light| light_en(light).into()),
            ticket.delivered_at.map_or_else(|| "waiting".into(), |at| local_time(at, &timezone)),
        ]);
    }
    println!("{listing}");
    Ok(())
}

fn light_zh(light: Light) -> &'static str {
    match light {
        Light::Green => "绿灯",
        Light::Yellow => "黄灯",
        Light::Red => "红灯",
    }
}

fn light_en(light: Light) -> &'static str {
    match light {
        Light::Green => "green",
        Light::Yellow => "yellow",
        Light::Red => "red",
    }
}

/// Shows one ticket; with `export`, writes its evidence files into that folder.
///
/// # Errors
/// When there is no such ticket, or its evidence cannot be read.
pub async fn run_show(config: &Path, id: TicketId, json: bool, export: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let timezone = config.timezone()?;
    let store = store(&config).await?;
    let Some(ticket) = store.ticket(id).await? else {
        bail!("no ticket {id} in {}", store.database());
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&ticket)?);
    } else {
        let incident = &ticket.incident;
        let name =
            kind_info(&incident.kind).map_or_else(String::new, |info| format!(" {} {}", info.name_zh, info.name_en));
        println!("ticket     {id} ({})", ticket.case.state());
        println!("kind       {}{name}", incident.kind);
        println!("camera     {} {}", incident.camera, ticket.camera.name);
        println!("zone       {} {}", incident.zone, ticket.zone.name);
        println!("first seen {}", local_time(incident.first_seen, &timezone));
        println!("confirmed  {}", local_time(incident.confirmed_at, &timezone));
        println!("last seen  {}", local_time(ticket.last_seen, &timezone));
        println!("because    {}", incident.reason);
        println!("rule       {} version {}", incident.rule.id, incident.rule.version);
        println!("model      {} {}", incident.model.name, incident.model.sha256);
        if let Some(route) = &ticket.route {
            if let Some(clocks) = ticket.clocks.as_ref().filter(|clocks| clocks.level() != route.task.level) {
                println!("lifted to  {} {}", clocks.level().zh(), clocks.level().en());
            }
            let due = |due: Option<Timestamp>| due.map_or_else(|| "-".into(), |due| local_time(due, &timezone));
            println!("answers    {} {}", route.task.dept.zh, route.task.dept.en);
            if !route.task.third_dept.is_empty() {
                println!("           {} {}", route.task.third_dept.zh, route.task.third_dept.en);
            }
            println!("routed     {}", route.why.zh);
            println!("           {}", route.why.en);
            println!("codes      {}", route.task.codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
            if let Some(limit) = route.task.arrive {
                println!("arrive     {} {}: by {}", limit.zh(), limit.en(), due(route.arrive_due));
            }
            println!("solve      {} {}: by {}", route.task.solve.zh(), route.task.solve.en(), due(route.solve_due));
        }
        for shown in ticket.clocks.iter().flat_map(|clocks| clocks.shown()) {
            let due = match (shown.stopped_at, shown.due, shown.stands) {
                (Some(at), ..) => format!("stopped {}", local_time(at, &timezone)),
                (None, Some(due), _) => format!("due {}", local_time(due, &timezone)),
                (None, None, Some(reason)) => format!("stands: {reason:?}").to_lowercase(),
                (None, None, None) => "due -".into(),
            };
            println!(
                "{:<10} {} {}, {due}",
                format!("{:?}", shown.clock).to_lowercase(),
                light_zh(shown.light),
                light_en(shown.light)
            );
        }
        println!("delivered  {}", ticket.delivered_at.map_or_else(|| "not yet".into(), |at| local_time(at, &timezone)));
        let case = &ticket.case;
        if let Some(number) = case.case_no() {
            println!("case       {number} {}", case.dept().unwrap_or_default());
        }
        if case.is_filed() {
            let answered = case.acknowledged_at();
            println!("answered   {}", answered.map_or_else(|| "not yet".into(), |at| local_time(at, &timezone)));
        }
        if let Some(due) = case.due() {
            println!("due        {}", local_time(due, &timezone));
        }
        for HistoryLine { change, .. } in store.history(id).await? {
            let why = change.reason.map(|reason| format!(", {reason}")).unwrap_or_default();
            println!("{} {} ({} by {}{why})", local_time(change.at, &timezone), change.to, change.event, change.by);
        }
        for hold in store.holds(id).await? {
            println!("on hold    since {} by {}: {}", local_time(hold.at, &timezone), hold.by, hold.reason);
            if let Some(end) = hold.released {
                println!("released   {} by {}: {}", local_time(end.at, &timezone), end.by, end.reason);
            }
        }
        for evidence in &ticket.evidence {
            println!(
                "evidence   {:?} {:?} {}x{} {} B {}",
                evidence.role, evidence.rendition, evidence.width, evidence.height, evidence.bytes, evidence.sha256
            );
        }
    }
    if let Some(folder) = export {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let store = EvidenceStore::open(&config.evidence_dir())?;
        for evidence in &ticket.evidence {
            let bytes = store.get(&evidence.sha256)?;
            let extension = evidence.media_type.rsplit('/').next().unwrap_or("bin");
            let name = format!(
                "{:?}-{:?}-{}.{extension}",
                evidence.role,
                evidence.rendition,
                &evidence.sha256.to_string()[..12]
            );
            let path = folder.join(name.to_lowercase());
            std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
            eprintln!("{}", path.display());
        }
    }
    Ok(())
}

/// Writes the cases of some days into a file.
///
/// # Errors
/// When the configuration does not load, the database cannot be read or the file cannot be written.
pub async fn run_export(path: &Path, file: &Path, from: Option<Date>, to: Option<Date>) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let timezone = config.timezone()?;
    let store = store(&config).await?;
    let last = to.unwrap_or_else(|| jiff::Timestamp::now().to_zoned(timezone.clone()).date());
    let first = match from {
        Some(first) => first,
        None => last.checked_sub(1.month())?,
    };
    let begins = |date: Date| -> anyhow::Result<Timestamp> {
        Ok(Timestamp(timezone.to_timestamp(date.at(0, 0, 0, 0))?.as_millisecond()))
    };
    let (from, to) = (begins(first)?, begins(last.checked_add(1.day())?)?);
    let streets = config.load_grid(path)?.street_names();
    let books = Books { filed_by: config.node.id.as_str(), streets: &streets, timezone: &timezone };
    let rows = export::rows(&store, (from, to), books, usize::MAX).await?.unwrap_or_default();
    let count = rows.len();
    let is_workbook = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xlsx"));
    let bytes = if is_workbook { export::xlsx(rows)? } else { export::csv(rows) };
    std::fs::write(file, bytes).with_context(|| file.display().to_string())?;
    println!("{count} cases from {first} to {last} written to {}", file.display());
    Ok(())
}
