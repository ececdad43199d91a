//! A running gridwatch takes in changed cameras: when its configuration's files change, on SIGHUP, or when somebody asks.
//!
//! The whole configuration is read and checked first; what cannot be is refused with the place and the remedy, and the
//! cameras stay as they are. Cameras, their zones and permits, working time and holidays, outlines and the names in them are taken
//! in; all else needs a restart, and is told by its section.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use alerts::{
    clocks::Timetable,
    rules::Core,
    service::{CameraSet, Event},
    streets::StreetNames,
};
use anyhow::{Context as _, bail};
use ingest::{CameraSource, Ingest};
use metrics::{counter, gauge};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    config::Config,
    grid,
    looker::Sights,
    pipeline::{camera_infos, grounds, locator},
    roster::{Changes, Roster},
};

/// How often the configuration's files are looked at.
const LOOK_AT_FILES: Duration = Duration::from_secs(2);

/// Wishes on their way; when full, whoever wishes waits.
const WISHES: usize = 4;

/// Says what this module's metrics mean.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!("gridwatch_reloads_total", "changed configurations, by result (applied, refused)");
    metrics::describe_gauge!(
        "gridwatch_restart_needed",
        metrics::Unit::Count,
        "Sections of the configuration that were changed and need a restart"
    );
}

/// Where a reload can be asked for; clones are the same.
#[derive(Debug, Clone)]
pub struct Reloads {
    wishes: mpsc::Sender<Wish>,
    pending: Pending,
}

/// The sections that were changed since the start and need a restart, as the last reload found them.
pub type Pending = watch::Receiver<Vec<&'static str>>;

/// What a reload did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// What became of the cameras.
    pub cameras: Changes,
    /// The sections that are others than those that run, and need a restart.
    pub restart: Vec<&'static str>,
}

type Wish = oneshot::Sender<Result<Reloaded, String>>;

impl Reloads {
    /// Has the configuration read anew; what changed, or why it was refused.
    ///
    /// # Errors
    /// Why the cameras stay as they are, in words for whoever wrote the configuration.
    pub async fn reload(&self) -> Result<Reloaded, String> {
        let ended = || "gridwatch is stopping".to_owned();
        let (wish, answer) = oneshot::channel();
        self.wishes.send(wish).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// What waits for a restart.
    #[must_use]
    pub fn pending(&self) -> Pending {
        self.pending.clone()
    }
}

/// What others look things up in; the newest counts.
#[derive(Debug)]
pub struct Books {
    /// Working time, holidays and lights.
    pub timetables: watch::Sender<Timetable>,
    /// What streets are called.
    pub street_names: watch::Sender<Arc<StreetNames>>,
}

/// Takes in changed cameras.
pub struct Reloader {
    path: PathBuf,
    files: Files,
    /// What the process began with.
    running: Config,
    /// The sections that were changed since.
    pending: watch::Sender<Vec<&'static str>>,
    roster: Roster,
    sights: Sights,
    ingest: Ingest,
    /// Does not keep alerts from ending.
    looks: mpsc::WeakSender<Event>,
    wishes: mpsc::Receiver<Wish>,
    books: Books,
}

enum Heard {
    Hangup,
    Files,
    Wish(Wish),
    End,
}

impl Reloader {
    /// A reloader of the configuration file `path`, whose cameras are those of `config` so far.
    #[must_use]
    pub fn new(
        path: &Path,
        config: &Config,
        (roster, sights, ingest): (Roster, Sights, Ingest),
        looks: &mpsc::Sender<Event>,
        books: Books,
    ) -> (Self, Reloads) {
        let (sender, wishes) = mpsc::channel(WISHES);
        let files = Files { watched: Watched::of(path, config), seen: Vec::new(), settled: true };
        let (looks, running) = (looks.downgrade(), config.without_cameras());
        let (pending, heard) = watch::channel(Vec::new());
        (
            Self { path: path.to_owned(), files, running, pending, roster, sights, ingest, looks, wishes, books },
            Reloads { wishes: sender, pending: heard },
        )
    }

    /// Runs until `stop`.
    ///
    /// # Errors
    /// When the signal cannot be listened to.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut ticks = tokio::time::interval(LOOK_AT_FILES);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.files.seen = self.stamps().await?;
        gauge!("gridwatch_restart_needed").set(0.0);
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => Heard::End,
                Some(()) = hangup.recv() => Heard::Hangup,
                Some(wish) = self.wishes.recv() => Heard::Wish(wish),
                _ = ticks.tick() => Heard::Files,
            };
            match heard {
                Heard::End => return Ok(()),
                Heard::Hangup => drop(self.take_in("a hangup signal").await),
                Heard::Wish(wish) => {
                    let result = self.take_in("a request").await;
                    // Whoever asked may have gone away.
                    let _ = wish.send(result.map_err(|error| format!("{error:#}")));
                }
                Heard::Files => {
                    let stamps = self.stamps().await?;
                    if self.files.changed(stamps) {
                        drop(self.take_in("changed files").await);
                    }
                }
            }
        }
    }

    async fn stamps(&self) -> anyhow::Result<Vec<Stamp>> {
        let watched = self.files.watched.clone();
        Ok(tokio::task::spawn_blocking(move || watched.stamps()).await?)
    }

    async fn take_in(&mut self, because: &str) -> anyhow::Result<Reloaded> {
        let result = self.apply().await;
        match &result {
            Ok(Reloaded { cameras, restart }) => {
                counter!("gridwatch_reloads_total", "result" => "applied").increment(1);
                let Changes { added, changed, removed, unchanged } = cameras;
                let (added, changed, removed) = (added.len(), changed.len(), removed.len());
                info!(because, added, changed, removed, unchanged, "cameras taken in anew");
                gauge!("gridwatch_restart_needed").set(restart.len() as f64);
                let before = self.pending.send_replace(restart.clone());
                if !restart.is_empty() {
                    let sections = restart.join(", ");
                    warn!(because, sections, "these sections differ from what runs; restart gridwatch to take them in");
                } else if !before.is_empty() {
                    info!(because, "no section differs any more from what runs; no restart is needed");
                }
            }
            Err(error) => {
                counter!("gridwatch_reloads_total", "result" => "refused").increment(1);
                warn!(
                    because,
                    error = format!("{error:#}"),
                    "the configuration is refused; cameras, holidays and outlines stay as they are"
                );
            }
        }
        result
    }

    async fn apply(&mut self) -> anyhow::Result<Reloaded> {
        let (path, watched) = (self.path.clone(), self.files.watched.clone());
        let loading = move || -> anyhow::Result<_> {
            let before = watched.stamps();
            let config = Config::load(&path)?;
            // As at a start: what the rules do not take is refused before anything changes.
            let zones = config.cameras.iter().map(|camera| (camera.id.clone(), camera.zones.clone()));
            Core::new(&config.rules, config.timezone()?, zones)?.set_permits(config.permits.clone())?;
            let timetable = config.timetable(&path)?;
            Ok((config, timetable, before))
        };
        let (config, timetable, stamps) = tokio::task::spawn_blocking(loading).await??;
        self.sights.check(&config.cameras)?;
        let Some(looks) = self.looks.upgrade() else { bail!("gridwatch is stopping") };
        self.files.watched = Watched::of(&self.path, &config);
        self.files.seen = stamps;

        if replace(&self.books.timetables, timetable) {
            info!("working time and holidays taken in anew");
        }
        if replace(&self.books.street_names, Arc::new(config.areas.street_names())) {
            info!("names of streets taken in anew");
        }
        // New cameras are known to all who hear of them before they are connected to.
        self.sights.set(&config.cameras);
        let changes = self.roster.set(&config.cameras);
        let set = CameraSet {
            cameras: camera_infos(&config.cameras),
            permits: config.permits.clone(),
            grounds: grounds(&config.cameras),
            locator: locator(&config),
        };
        looks.send(Event::Cameras(Box::new(set))).await.context("gridwatch is stopping")?;
        let source = |camera: &crate::config::CameraConfig| CameraSource {
            id: camera.id.clone(),
            stream: camera.stream.clone(),
        };
        self.ingest.set_cameras(config.cameras.iter().map(source).collect()).await?;
        Ok(Reloaded { cameras: changes, restart: self.running.sections_for_restart(&config) })
    }
}

/// Puts a value in place of another one; whether it is another one.
fn replace<T: PartialEq>(sender: &watch::Sender<T>, value: T) -> bool {
    sender.send_if_modified(|before| {
        let differs = *before != value;
        *before = value;
        differs
    })
}

/// A file with what tells that it was written; none where it cannot be read.
type Stamp = (PathBuf, Option<(SystemTime, u64)>);

/// The files that are looked at.
#[derive(Debug, Clone, Default)]
struct Watched {
    path: PathBuf,
    include: Vec<String>,
    /// Holidays, and outlines that the configuration names.
    beside: Vec<PathBuf>,
    /// The folder of outlines that were imported.
    imported: PathBuf,
}

/// What was seen of the files.
struct Files {
    watched: Watched,
    seen: Vec<Stamp>,
    /// Nothing changed since the last reading.
    settled: bool,
}

impl Files {
    /// Whether the files are others than those that were read, and no longer being written.
    fn changed(&mut self, now: Vec<Stamp>) -> bool {
        let same = now == self.seen;
        self.seen = now;
        !std::mem::replace(&mut self.settled, same) && same
    }
}

impl Watched {
    fn of(path: &Path, config: &Config) -> Self {
        Self {
            path: path.to_owned(),
            include: config.include.clone(),
            beside: [config.deadlines.holidays.clone(), config.grid.files.clone()].concat(),
            imported: config.imported_grids(),
        }
    }

    fn stamps(&self) -> Vec<Stamp> {
        // A pattern that is none is told when the configuration is read.
        let files = Config::files(&self.path, &self.include).unwrap_or_else(|_| vec![self.path.clone()]);
        let stamp = |file: PathBuf| {
            let meta = std::fs::metadata(&file).and_then(|meta| Ok((meta.modified()?, meta.len())));
            (file, meta.ok())
        };
        files.into_iter().chain(self.beside.clone()).chain(grid::imported(&self.imported)).map(stamp).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_once_they_are_no_longer_written() {
        let stamp = |length| vec![("a.toml".into(), Some((SystemTime::UNIX_EPOCH, length)))];
        let mut files = Files { watched: Watched::default(), seen: stamp(1), settled: true };
        assert!(!files.changed(stamp(1)));
        assert!(!files.changed(stamp(2)), "perhaps there is more to come");
        assert!(!files.changed(stamp(3)));
        assert!(files.changed(stamp(3)));
        assert!(!files.changed(stamp(3)));
        assert!(!files.changed(Vec::new()));
        assert!(files.changed(Vec::new()), "a file that is gone");
    }

    #[test]
    fn a_book_is_told_of_when_it_is_another_one() {
        let (sender, mut heard) = watch::channel(1);
        assert!(!replace(&sender, 1) && !heard.has_changed().unwrap());
        assert!(replace(&sender, 2) && heard.has_changed().unwrap());
        assert_eq!(*heard.borrow_and_update(), 2);
    }

    #[test]
    fn a_new_file_that_a_pattern_names_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gridwatch.toml");
        std::fs::write(&path, "").unwrap();
        let holidays = folder.path().join("2027.csv");
        let (include, imported) = (vec!["cameras/*.toml".to_owned()], folder.path().join("grid"));
        let mut watched = Watched { path, include, beside: vec![holidays], imported };
        let before = watched.stamps();
        std::fs::create_dir(folder.path().join("cameras")).unwrap();
        std::fs::write(folder.path().join("cameras/north.toml"), "").unwrap();
        std::fs::create_dir(folder.path().join("grid")).unwrap();
        std::fs::write(folder.path().join("grid/north.geojson"), "").unwrap();
        let after = watched.stamps();
        assert_eq!((before.len(), after.len()), (2, 4), "with a file of holidays that is not there");
        watched.include = vec!["[".to_owned()];
        assert_eq!(watched.stamps().len(), 3);
    }
}
