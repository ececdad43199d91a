//! `gridwatch zero-report`.

use std::path::Path;

use alerts::zero_report::Finding;
use anyhow::bail;
use jiff::civil::Date;

use super::{local_time, table};
use crate::{commands::tickets::store, config::Config};

/// Shows the reports of a day, of the last one that there is where none is given.
///
/// # Errors
/// When the configuration does not load, the database cannot be read, or there is no report of that day.
pub async fn run(config: &Path, date: Option<Date>, json: bool) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let timezone = config.timezone()?;
    let store = store(&config).await?;
    let date = match date {
        Some(date) => Some(date),
        None => store.last_zero_report().await?,
    };
    let Some(date) = date else {
        bail!("there is no zero report yet; name stations in [zero_report], and wait for its time of day");
    };
    let reports = store.zero_reports(date).await?;
    if reports.is_empty() {
        bail!("there is no zero report of {date}");
    }
    for report in &reports {
        if json {
            println!("{}", serde_json::to_string(report)?);
            continue;
        }
        let late = if report.late { " (late 迟报)" } else { "" };
        println!(
            "{} {} {}  {date}  {} - {}{late}",
            report.station,
            report.name.zh,
            report.name.en,
            local_time(report.from, &timezone),
            local_time(report.to, &timezone),
        );
        let mut listing = table(&["item", "name", "finding", "found", "looks done/due", "cameras", "unfit"]);
        for item in &report.items {
            listing.add_row([
                item.id.clone(),
                format!("{} {}", item.name.zh, item.name.en),
                finding(item.finding).to_owned(),
                item.tickets.len().to_string(),
                format!("{}/{}", item.looks_done, item.looks_due),
                item.cameras.to_string(),
                item.unfit.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            ]);
        }
        println!("{listing}\n");
    }
    Ok(())
}

fn finding(finding: Finding) -> &'static str {
    match finding {
        Finding::Found => "有事 found",
        Finding::AllWell => "平安 all well",
        Finding::NotProven => "未证实 not proven",
        Finding::NotByCamera => "由巡查报告 by patrol",
    }
}
