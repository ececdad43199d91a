//! `gridwatch duty import|list|history|explain`.

use std::path::Path;

use alerts::{
    deadline::{Deadline, Limit, WorkCalendar},
    duty::{Change, DutyList, Edit, ImportedVersion, ItemVersion, Words, edits},
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
    filled(Store::connect(config.database()?).await?.duty_list().await?)
}

/// The list, where there is anything in it.
fn filled(list: DutyList) -> anyhow::Result<DutyList> {
    if list.is_empty() {
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
            item.when().en,
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

/// Shows all versions of an item, oldest first, with what differs from the version before.
///
/// # Errors
/// When the configuration or the database cannot be read, or the list has no such item.
pub async fn run_history(path: &Path, id: &str, json: bool) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let timezone = config.timezone()?;
    let store = Store::connect(config.database()?).await?;
    let history = store.duty_history(id).await?;
    if history.is_empty() {
        let list = filled(store.duty_list().await?)?;
        let near = near(id, list.versions().map(|version| version.item.id.as_str()));
        if near.is_empty() {
            bail!("the responsibility list has no item {id}; see what it has with: gridwatch duty list");
        }
        bail!("the responsibility list has no item {id}; near to it are {}", near.join(", "));
    }
    let mut listing = table(&["version", "from", "imported", "file", "what differs"]);
    let mut before = None;
    for ImportedVersion { version: ItemVersion { version, from, item }, imported_at, source } in &history {
        let edits = before.map(|before| edits(before, item));
        before = Some(item);
        if json {
            let imported_at = jiff::Timestamp::from_millisecond(imported_at.0)?.to_zoned(timezone.clone());
            println!(
                "{}",
                serde_json::json!({
                    "version": version, "from": from, "imported_at": imported_at.strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string(),
                    "source": source, "changes": edits.unwrap_or_default(), "item": item,
                })
            );
            continue;
        }
        let said = match edits {
            None => "new".into(),
            Some(edits) => edits.iter().map(said).collect::<Vec<_>>().join("\n"),
        };
        let imported = local_time(*imported_at, &timezone);
        listing.add_row([format!("v{version}"), from.to_string(), imported, source.clone(), said]);
    }
    if !json {
        println!("{listing}");
    }
    Ok(())
}

fn said(edit: &Edit) -> String {
    let value = |words: &Words| if words.is_empty() { "-".into() } else { once(words) };
    format!("{}: {} -> {}", once(&edit.name), value(&edit.before), value(&edit.after))
}

/// In Chinese and in English; once where both are the same.
fn once(words: &Words) -> String {
    if words.zh == words.en { words.zh.clone() } else { both(words) }
}

/// The numbers that somebody may have meant, the closest first, at most five.
fn near<'a>(wanted: &str, ids: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let mut near: Vec<_> = ids
        .filter_map(|id| {
            let lower = id.to_lowercase();
            let contains = lower.contains(&wanted) || wanted.contains(&lower);
            Some((typos(&wanted, &lower), id)).filter(|(typos, _)| contains || *typos <= 2)
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, id)| id).take(5).collect()
}

/// How many characters are to be put in, taken out or changed to make one text the other.
fn typos(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.chars().enumerate() {
            let changed = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row[row.len() - 1]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: &str, expect: &[&str]) {
        let ids = ["S-001", "S-001", "S-101", "S-102", "T-7", "城管-12"];
        assert_eq!(near(wanted, ids.into_iter()), expect);
    }

    #[test]
    fn a_mistyped_number_finds_those_near_to_it() {
        check("s-001", &["S-001", "S-101", "S-102"]);
        check("S102", &["S-102", "S-101"]);
        check("城管", &["城管-12"]);
        check("XH-2026-S-101", &["S-101"]);
        check("elephant", &[]);
    }
}
