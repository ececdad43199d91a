//! `gridwatch duty import|list|explain`.

use std::path::Path;

use alerts::{
    deadline::{Deadline, Limit, WorkCalendar},
    duty::{Change, DutyItem, DutyList, ItemVersion, Words},
    store::Store,
};
use anyhow::{Context as _, bail};
use domain::{Cell, Kind, Timestamp};
use jiff::civil::Date;

use super::{local_time, table};
use crate::{cameras::Write, config::Config, duty};

/// Imports a list; prints what changes in which item, and nothing is written unless every row is good.
///
/// # Errors
/// When the file cannot be read, any of its rows is bad, two items would tie, or the database cannot be written.
pub async fn run_import(config: &Path, file: &Path, write: Write) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let (rows, mut bad) = duty::read(file)?;
    let store = Store::connect(config.database()?).await?;
    let list = store.duty_list().await?;
    let now = jiff::Timestamp::now();
    let today = now.to_zoned(config.timezone()?).date();
    let import = match list.import(&rows, today) {
        Ok(import) if bad.is_empty() => import,
        result => {
            bad.sort();
            bad.iter().for_each(|(line, reason)| println!("line {line}: {reason}"));
            let faults = result.err().unwrap_or_default();
            faults.iter().for_each(|fault| println!("{fault}"));
            bail!(
                "{}: {} faults; mend them and import the file again, nothing was written",
                file.display(),
                bad.len() + faults.len()
            );
        }
    };
    let mut counts = [0_usize; 3];
    for (line, id, change) in &import.changes {
        match change {
            Change::New => {
                counts[0] += 1;
                println!("line {line}: {id} new");
            }
            Change::Changed(version, differences) => {
                counts[1] += 1;
                println!("line {line}: {id} v{version}");
                differences.iter().for_each(|difference| println!("    {difference}"));
            }
            Change::Unchanged => counts[2] += 1,
        }
    }
    if !import.not_named.is_empty() {
        println!("not in the file, and as they were: {}", import.not_named.join(", "));
    }
    if write == Write::Commit {
        store.add_duty_versions(&import.versions, &file.display().to_string(), Timestamp(now.as_millisecond())).await?;
    }
    let [new, changed, unchanged] = counts;
    let verb = if write == Write::DryRun { "would be written to" } else { "written to" };
    println!("{new} new, {changed} changed, {unchanged} unchanged; {verb} {}", store.database());
    Ok(())
}

async fn list(config: &Config) -> anyhow::Result<DutyList> {
    let list = Store::connect(config.database()?).await?.duty_list().await?;
    if list.versions().next().is_none() {
        bail!("the responsibility list is empty; fill it with: gridwatch duty import FILE");
    }
    Ok(list)
}

/// Lists what is in force on a day, today where none is given.
///
/// # Errors
/// When the configuration or the database cannot be read, or the list is empty.
pub async fn run_list(config: &Path, on: Option<Date>, json: bool) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let list = list(&config).await?;
    let day = match on {
        Some(day) => day,
        None => jiff::Timestamp::now().to_zoned(config.timezone()?).date(),
    };
    let mut listing = table(&["item", "version", "kind", "place", "when", "unit", "level", "arrive", "solve"]);
    for ItemVersion { version, item, .. } in list.in_force(day) {
        if json {
            println!("{}", serde_json::json!({ "version": version, "item": item }));
            continue;
        }
        listing.add_row([
            item.id.clone(),
            format!("v{version}"),
            item.kind.to_string(),
            item.place.as_ref().map_or("any", Cell::as_str).to_owned(),
            when(item),
            item.task.dept.zh().to_owned(),
            u8::from(item.task.level).to_string(),
            item.task.arrive.map_or_else(|| "-".into(), |limit| limit.to_string()),
            item.task.solve.to_string(),
        ]);
    }
    if !json {
        println!("{listing}");
    }
    Ok(())
}

fn when(item: &DutyItem) -> String {
    let days = item.days.iter().map(|day| format!("{day:?}").to_lowercase());
    let words: Vec<_> = days.chain(item.hours.iter().map(ToString::to_string)).collect();
    if words.is_empty() { "always".into() } else { words.join(" ") }
}

/// Says who answers for a case, by which item, why, and until when.
///
/// # Errors
/// When the time is none, the database cannot be read, or no item covers the case.
pub async fn run_explain(path: &Path, kind: &Kind, place: &Cell, at: Option<&str>) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let calendar = config.work_calendar(path)?;
    let timezone = calendar.timezone().clone();
    let at = match at {
        None => jiff::Timestamp::now(),
        Some(text) => match text.parse::<jiff::Timestamp>() {
            Ok(instant) => instant,
            Err(_) => {
                let local: jiff::civil::DateTime =
                    text.parse().with_context(|| format!("\"{text}\" is no time; write it as 2026-11-24T14:21"))?;
                timezone.to_timestamp(local)?
            }
        },
    };
    let at = Timestamp(at.as_millisecond());
    let Some(route) = list(&config).await?.route(kind, place, at, &timezone) else {
        bail!(
            "no item of the list covers {kind} at {} on {}; an item without a place would",
            place.as_str(),
            local_time(at, &timezone)
        );
    };
    let item = &route.decided.item;
    println!("{}\n{}\n", route.zh(), route.en());
    let line = |name: &str, text: String| {
        if !text.is_empty() {
            println!("{name:<8} {text}");
        }
    };
    line("task", both(&item.task.name));
    line("codes", item.task.codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    line("third", both(&item.task.third_dept));
    line("copies", item.task.copies.iter().map(both).collect::<Vec<_>>().join(", "));
    item.task.steps.iter().zip(1..).for_each(|(step, n)| line(&format!("step {n}"), both(step)));
    line("pictures", format!("{} to open, {} to close", item.task.photos_open, item.task.photos_close));
    if let Some(limit) = item.task.arrive {
        line("arrive", due(at, limit, &calendar));
    }
    line("solve", due(at, item.task.solve, &calendar));
    Ok(())
}

/// In Chinese, and in English where that is given.
fn both(words: &Words) -> String {
    [words.zh.as_str(), &words.en].join(" ").trim().to_owned()
}

fn due(at: Timestamp, limit: Limit, calendar: &WorkCalendar) -> String {
    match Deadline::new(at, limit).due(calendar) {
        Ok(due) => {
            // Without a pause it always has a due time.
            let due = due.map_or_else(|| "-".into(), |due| local_time(due, calendar.timezone()));
            format!("{} {}: by {due}", limit.zh(), limit.en())
        }
        Err(error) => format!("{} {}: {error}", limit.zh(), limit.en()),
    }
}
