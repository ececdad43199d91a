//! `gridwatch platform`: plays the platform's side at a broker, and reports what became of each case.

use std::{path::Path, time::Duration};

use alerts::{
    mqtt::MqttConfig,
    platform::{Client, ClientConfig, Ended, Goal, Line, Platform, Reached, Script, Totals, lines, totals},
};
use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;

use super::table;
use crate::{cli::PlatformArgs, config};

/// A run that did what it should and found that something else did not. Each has an exit status of its own, for scripts.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// Too few cases got so far in the given time.
    #[error("--until {0}: not reached {1}")]
    Goal(String, &'static str),
    /// Something was not as the contract says.
    #[error(
        "--strict: {} doubles, {} pictures missing, {} pictures altered, {} messages unreadable, {} about unknown tickets",
        .0.rivals, .0.pictures_missing, .0.pictures_altered, .0.unreadable, .0.strangers
    )]
    Contract(Totals),
}

impl Unmet {
    /// The exit status: 3 for a goal that was not reached, 4 for a contract that was not kept.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Goal(..) => 3,
            Self::Contract(_) => 4,
        }
    }
}

/// Plays until `cancel`, `--until` or `--timeout`; then prints the report.
///
/// # Errors
/// When the script or the broker's configuration cannot be used; [`Unmet`] when the goal was not reached.
pub async fn run(arguments: PlatformArgs, cancel: CancellationToken) -> anyhow::Result<()> {
    let goal = goal(&arguments.until)?;
    let script = script(arguments.script.as_deref(), arguments.seed)?;
    let timezone = jiff::tz::TimeZone::get(&arguments.timezone)
        .with_context(|| format!("--timezone {}: expected an IANA name such as Asia/Shanghai", arguments.timezone))?;
    let config = ClientConfig {
        mqtt: MqttConfig {
            url: Some(arguments.url.clone()),
            username: arguments.username.clone(),
            password_env: arguments.password_env.clone(),
            password_file: arguments.password_file.clone(),
            ca_file: arguments.ca_file.clone(),
            ..MqttConfig::default()
        },
        client_id: arguments.client_id.clone(),
        district: arguments.district.as_ref().map(|cell| cell.as_str().to_owned()),
        pictures: arguments.pictures.clone(),
    };
    let mut client = Client::new(config, Platform::new(script, &arguments.name, timezone))?;
    let ended = {
        let playing = client.run(goal, &cancel);
        match arguments.timeout {
            None => Some(playing.await),
            Some(timeout) => {
                tokio::time::timeout(timeout.to_duration().max(Duration::from_secs(1)), playing).await.ok()
            }
        }
    };
    print(client.platform(), arguments.json)?;
    if goal.is_some() && ended != Some(Ended::Reached) {
        let why = if ended.is_none() { "in time" } else { "when it was stopped" };
        return Err(Unmet::Goal(arguments.until.join(" "), why).into());
    }
    let found = totals(client.platform());
    if arguments.strict && !found.is_clean() {
        return Err(Unmet::Contract(found).into());
    }
    Ok(())
}

fn goal(until: &[String]) -> anyhow::Result<Option<Goal>> {
    let [cases, word] = until else { return Ok(None) };
    let cases = cases.parse().with_context(|| format!("--until {cases}: expected a number of cases"))?;
    let Some(reached) = Reached::parse(word) else {
        bail!(
            "--until {cases} {word}: expected submitted, acknowledged, a verdict (dispatched, handled, closed, ...), a result \
             (cleared, still_there, unclear), gone_by_itself, reopened or agreed"
        );
    };
    Ok(Some(Goal { cases, reached }))
}

/// The script of a file, or the built-in one; with this seed where one is given.
pub(super) fn script(path: Option<&Path>, seed: Option<u64>) -> anyhow::Result<Script> {
    let mut script = match path {
        Some(path) => {
            let script: Script = config::parse_file(path)?;
            script.check().with_context(|| path.display().to_string())?;
            script
        }
        None => Script::default(),
    };
    script.seed = seed.unwrap_or(script.seed);
    Ok(script)
}

fn print(platform: &Platform, json: bool) -> anyhow::Result<()> {
    let (lines, totals) = (lines(platform), totals(platform));
    if json {
        for line in &lines {
            println!("{}", serde_json::to_string(line)?);
        }
        println!("{}", serde_json::json!({ "totals": totals }));
        return Ok(());
    }
    let mut table = table(&[
        "case",
        "ticket",
        "kind",
        "street",
        "camera",
        "state",
        "submitted",
        "acknowledged",
        "handled",
        "closed",
        "checks",
        "again",
        "pictures",
    ]);
    for line in &lines {
        table.add_row(row(line));
    }
    println!("{table}\n");
    println!(
        "{} cases, {} closed; {} tickets came again, {} doubles under another id; {} pictures missing, {} altered; {} messages \
         unreadable, {} about unknown tickets; gridwatch told of {} problems",
        totals.cases,
        totals.closed,
        totals.repeats,
        totals.rivals,
        totals.pictures_missing,
        totals.pictures_altered,
        totals.unreadable,
        totals.strangers,
        totals.problems
    );
    Ok(())
}

fn row(line: &Line) -> Vec<String> {
    // The time of day is enough for a rehearsal.
    let time = |at: &Option<String>| at.as_deref().and_then(|at| at.get(11..19)).unwrap_or("-").to_owned();
    let pair = match (line.before, line.after) {
        (Some(_), Some(_)) => ", before and after",
        _ => "",
    };
    vec![
        line.case_no.clone(),
        line.ticket_id.to_string(),
        line.kind.clone(),
        line.street.clone(),
        line.camera.clone(),
        line.state.to_owned(),
        time(&Some(line.submitted_at.clone())),
        time(&line.acknowledged_at),
        time(&line.handled_at),
        time(&line.closed_at),
        if line.gone_by_itself {
            [line.checks.join(" "), "gone by itself".into()].join(" ")
        } else {
            line.checks.join(" ")
        },
        format!("{} (reopened {})", line.repeats, line.reopened),
        format!("{} of {}{pair}", line.pictures - line.pictures_missing, line.pictures),
    ]
}
