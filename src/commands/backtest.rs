//! `gridwatch backtest`.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, bail};
use console::backtest::{Outcome, Report, SceneReport, Totals};
use domain::Millis;
use tokio::{runtime::Handle, task::JoinSet};

use super::table;
use crate::{
    backtest::{Player, Scene, Shelf, scene_report},
    cli::BacktestArgs,
    config::Config,
    looker::Looker,
};

/// Plays all scenes, prints a table, writes what was asked for.
///
/// # Errors
/// When a scene file is wrong, a scene cannot be played, or precision or recall is below what was asked for. A scene whose
/// material is not there is skipped, and says so.
pub async fn run(arguments: BacktestArgs) -> anyhow::Result<()> {
    let mut config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    if let Some(model) = &arguments.model {
        config.detect.model.clone_from(model);
    }
    if let Some(folder) = &arguments.models_dir {
        config.detect.models_dir.clone_from(folder);
    }
    let mut scenes = Vec::new();
    for path in scene_files(&arguments.scenes)? {
        let scene = Scene::load(&path)?;
        if arguments.only.is_empty()
            || arguments.only.iter().any(|word| scene.name.contains(word.as_str()) || scene.tags.contains(word))
        {
            scenes.push((path, scene));
        }
    }
    for (n, (path, scene)) in scenes.iter().enumerate() {
        if let Some((other, _)) = scenes[..n].iter().find(|(_, other)| other.name == scene.name) {
            bail!("{} and {}: two scenes are named {}", other.display(), path.display(), scene.name);
        }
    }
    if scenes.is_empty() {
        bail!("no scene is left to play; see --only and the paths given");
    }
    let shelf = Shelf { folders: arguments.media.clone() };
    let model = config.detect.model.clone();
    let report = Report::new(model, play_all(scenes, &config, shelf, arguments.jobs).await?);
    print(&report);
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_vec_pretty(&report)?).with_context(|| path.display().to_string())?;
    }
    if let Some(folder) = &arguments.html {
        for (name, bytes) in report.files() {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder)).with_context(|| path.display().to_string())?;
            fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        }
        eprintln!("{}", folder.join("index.html").display());
    }
    verdict(&report, arguments.min_precision, arguments.min_recall)
}

/// The scene files among `paths`; a folder stands for those in it.
fn scene_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
        let mut inside: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        inside.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        inside.sort();
        if inside.is_empty() {
            bail!("{}: no scene files (*.toml) are there", path.display());
        }
        files.extend(inside);
    }
    Ok(files)
}

type Queue = Arc<Mutex<VecDeque<(usize, PathBuf, Scene)>>>;

/// Plays scenes side by side, one a core, and reports them in their order.
async fn play_all(
    scenes: Vec<(PathBuf, Scene)>,
    config: &Config,
    shelf: Shelf,
    jobs: Option<usize>,
) -> anyhow::Result<Vec<SceneReport>> {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let n = jobs.unwrap_or(cores).clamp(1, scenes.len());
    let detect = config.detect.clone();
    let cameras: Vec<_> = scenes.iter().map(|(_, scene)| scene.camera()).collect::<Result<_, _>>()?;
    let lookers = tokio::task::spawn_blocking(move || Looker::load(&detect, &cameras, n)).await??;
    let queue: Queue =
        Arc::new(Mutex::new(scenes.into_iter().enumerate().map(|(n, (path, scene))| (n, path, scene)).collect()));
    let mut workers = JoinSet::new();
    for looker in lookers {
        let player = Player {
            looker,
            shelf: shelf.clone(),
            rules: config.rules.clone(),
            decoders: config.ingest.decoders.clone(),
            runtime: Handle::current(),
        };
        let queue = Arc::clone(&queue);
        workers.spawn_blocking(move || work(player, &queue));
    }
    let mut reports: Vec<(usize, SceneReport)> = workers.join_all().await.into_iter().flatten().collect();
    reports.sort_by_key(|(n, _)| *n);
    Ok(reports.into_iter().map(|(_, report)| report).collect())
}

fn work(mut player: Player, queue: &Queue) -> Vec<(usize, SceneReport)> {
    let mut reports = Vec::new();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((n, path, scene)) = next else { return reports };
        let report = play(&mut player, &path, &scene);
        eprintln!("{}: {}", report.name, in_a_line(&report));
        reports.push((n, report));
    }
}

fn play(player: &mut Player, path: &Path, scene: &Scene) -> SceneReport {
    let beside = path.parent().unwrap_or(Path::new(""));
    let absent = player.shelf.absent(scene, beside);
    let without = |outcome| SceneReport {
        name: scene.name.clone(),
        about: scene.about.clone(),
        tags: scene.tags.clone(),
        outcome,
    };
    if !absent.is_empty() {
        let names: Vec<_> = absent.iter().map(|file| file.display().to_string()).collect();
        return without(Outcome::Skipped {
            reason: format!("{} not found; name its folder with --media", names.join(", ")),
        });
    }
    match player.play(scene, beside) {
        Ok(played) => scene_report(scene, played),
        Err(error) => without(Outcome::Failed { reason: format!("{error:#}") }),
    }
}

fn in_a_line(report: &SceneReport) -> String {
    match &report.outcome {
        Outcome::Played(played) => {
            let Totals { right, wrong, missed } = played.totals;
            let seconds = played.took.as_secs_f64();
            format!("{right} right, {wrong} wrong, {missed} missed; {} looks in {seconds:.1} s", played.looks)
        }
        Outcome::Skipped { reason } => format!("skipped: {reason}"),
        Outcome::Failed { reason } => format!("failed: {reason}"),
    }
}

fn print(report: &Report) {
    let mut listing =
        table(&["scene", "right", "wrong", "missed", "time to ticket", "looks", "detected", "looks/s", "×real time"]);
    for scene in &report.scenes {
        match &scene.outcome {
            Outcome::Played(played) => {
                let seconds = played.took.as_secs_f64().max(0.001);
                listing.add_row([
                    scene.name.clone(),
                    played.totals.right.to_string(),
                    played.totals.wrong.to_string(),
                    played.totals.missed.to_string(),
                    played.times_to_ticket(),
                    played.looks.to_string(),
                    played.detected.to_string(),
                    format!("{:.1}", played.looks as f64 / seconds),
                    format!("{:.0}", played.duration.as_secs_f64() / seconds),
                ]);
            }
            Outcome::Skipped { reason } => {
                listing.add_row([scene.name.clone(), format!("skipped: {reason}")]);
            }
            Outcome::Failed { reason } => {
                listing.add_row([scene.name.clone(), format!("failed: {reason}")]);
            }
        }
    }
    println!("{listing}\n");
    let mut kinds = table(&["kind", "right", "wrong", "missed", "precision", "recall"]);
    let all = ("all".to_owned(), report.totals);
    for (name, totals) in report.kinds.iter().map(|(kind, totals)| (kind.to_string(), *totals)).chain([all]) {
        let percent =
            |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0));
        kinds.add_row([
            name,
            totals.right.to_string(),
            totals.wrong.to_string(),
            totals.missed.to_string(),
            percent(totals.precision()),
            percent(totals.recall()),
        ]);
    }
    println!("{kinds}");
    let played = report.scenes.iter().filter_map(SceneReport::played);
    let (looks, took, length) = played.fold((0, Millis::ZERO, Millis::ZERO), |(looks, took, length), scene| {
        (looks + scene.looks, Millis(took.0 + scene.took.0), Millis(length.0 + scene.duration.0))
    });
    println!("\n{looks} looks; {length} of scenes in {:.0} s of work, model {}", took.as_secs_f64(), report.model);
}

/// Fails where the run is not as good as was asked for.
fn verdict(report: &Report, min_precision: Option<f64>, min_recall: Option<f64>) -> anyhow::Result<()> {
    let failed: Vec<&str> = report
        .scenes
        .iter()
        .filter(|scene| matches!(scene.outcome, Outcome::Failed { .. }))
        .map(|scene| scene.name.as_str())
        .collect();
    if !failed.is_empty() {
        bail!("{} of {} scenes could not be played: {}", failed.len(), report.scenes.len(), failed.join(", "));
    }
    for (what, reached, least) in
        [("precision", report.totals.precision(), min_precision), ("recall", report.totals.recall(), min_recall)]
    {
        if let (Some(reached), Some(least)) = (reached, least)
            && reached < least
        {
            bail!("{what} is {reached:.2}, below the {least:.2} that was asked for");
        }
    }
    Ok(())
}
