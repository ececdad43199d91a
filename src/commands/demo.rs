//! `gridwatch demo`: real footage over RTSP through the whole pipeline, and a platform at the other end that carries each
//! case on, with nothing to set up.

mod film;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use alerts::{
    kinds::kind_info,
    mqtt::MqttConfig,
    platform::{Client, ClientConfig, Ended, Goal, Platform, Reached, Script, lines},
    store::TicketFilter,
    ticket::{EvidenceRole, Rendition, Ticket},
};
use anyhow::{Context as _, bail};
use domain::{CameraId, CameraState, TicketId};
use ingest::simulate::{Mount, SimulateConfig, Simulator, Source};
use jiff::tz::TimeZone;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::DemoArgs,
    config::{self, CameraConfig, Config},
    pipeline::Pipeline,
};

/// The demo's configuration; also a sample to start one's own from.
const CONFIG: &str = include_str!("../../deploy/config/demo.toml");

/// What the platform does in the demo.
const SCRIPT: &str = include_str!("../../deploy/samples/platform-demo.toml");

/// The camera that shows the film in which the van drives off again.
const FILM_CAMERA: &str = "campus-road";

/// How often the installed clip runs after the film, without the van, before the film begins anew.
const CLIPS_AFTER_FILM: usize = 3;

/// Where set-up puts a real surveillance clip (OpenCV's `vtest.avi`, from PETS 2009: a campus with a parked van and
/// pedestrians), below the repository's root.
const CLIP: &str = ".deps/clips/vtest.avi";

/// Marks a data folder as one that the demo made and may remove.
const MARK: &str = ".gridwatch-demo";

/// How often the demo looks for news to print.
const NEWS_INTERVAL: Duration = Duration::from_millis(500);

/// Runs until `cancel`, with `once` until the first ticket has been delivered, with `until_closed` until the platform has
/// closed a case.
///
/// # Errors
/// When the clip is not installed, an address is taken, or the pipeline fails.
pub async fn run(arguments: DemoArgs, cancel: CancellationToken) -> anyhow::Result<()> {
    let mut config = Config::parse(Path::new("the demo's configuration"), CONFIG)?;
    fresh_folder(&arguments.data_dir)?;
    config.node.data_dir.clone_from(&arguments.data_dir);
    config.console.listen = free_or(arguments.listen, "the console");
    config.broker.listen = free_or(arguments.broker, "the embedded broker");
    let clips = if arguments.clip.is_empty() { vec![installed_clip()?] } else { arguments.clip.clone() };
    if let Some(missing) = clips.iter().find(|clip| !clip.exists()) {
        bail!("--clip {}: there is no such file", missing.display());
    }

    eprintln!("demo: preparing {} as RTSP cameras (transcoded once, then kept) ...", clips[0].display());
    // Beside the demo's data, not in it: it outlives the fresh start.
    let cache = arguments.data_dir.parent().unwrap_or(Path::new(".")).join("simulate");
    let names: Vec<String> = config.cameras.iter().map(|camera| camera.id.to_string()).collect();
    let script = match &arguments.script {
        Some(path) => super::platform::script(Some(path), None)?,
        None => config::parse_text(Path::new("the demo's script"), SCRIPT)?,
    };
    let simulator = tokio::task::spawn_blocking(move || {
        let van = film::film(&clips[0], &cache)?;
        let simulate = SimulateConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            cache_dir: Some(cache),
            progress: Some(super::simulate::progress()),
            ..SimulateConfig::default()
        };
        anyhow::Ok(Simulator::start(simulate, mounts(&names, &clips, &van))?)
    })
    .await??;
    for camera in &mut config.cameras {
        let url = simulator.url(camera.id.as_str());
        eprintln!("demo: camera {:<12} {url}  {}", camera.id, camera.name);
        camera.stream.main = Some(url);
    }
    let cameras = config.cameras.clone();
    let timezone = config.timezone()?;
    eprintln!("demo: starting the pipeline ...");
    let pipeline = Pipeline::start(config, cancel.clone()).await?;
    let console = pipeline.console;
    eprintln!("demo: console   http://{console}/");
    if let Some(broker) = pipeline.broker {
        eprintln!("demo: broker    mosquitto_sub -V mqttv5 -p {} -t 'gridwatch/#' -F '%t  %l bytes'", broker.port());
    }
    eprintln!("demo: a ticket follows once a vehicle has stood in its zone for the demo's short dwell; Ctrl-C stops");

    let goal = arguments.until_closed.then_some(Goal { cases: 1, reached: Reached::Agreed });
    let mut platforms = JoinSet::new();
    if let Some(broker) = pipeline.broker {
        platforms.spawn(play_platform(broker, script, timezone, goal, cancel.clone()));
    }
    let mut news =
        News { seen: BTreeSet::new(), states: Vec::new(), started: Instant::now(), last_progress: Instant::now() };
    let mut ticks = tokio::time::interval(NEWS_INTERVAL);
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        news.cameras(&pipeline, &cameras);
        let delivered = news.tickets(&pipeline, console).await?;
        if arguments.once && delivered > 0 {
            cancel.cancel();
        }
    }
    let result = pipeline.wait().await;
    simulator.stop();
    while let Some(played) = platforms.join_next().await {
        played??;
    }
    result
}

/// Plays the platform at the demo's broker; when it has reached its goal the demo ends.
async fn play_platform(
    broker: SocketAddr,
    script: Script,
    timezone: TimeZone,
    goal: Option<Goal>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let config = ClientConfig {
        mqtt: MqttConfig { url: Some(format!("mqtt://{broker}")), ..MqttConfig::default() },
        client_id: "grid-platform".into(),
        district: None,
        pictures: None,
    };
    let mut client = Client::new(config, Platform::new(script, "demo", timezone))?;
    let ended = client.run(goal, &cancel).await;
    for line in lines(client.platform()) {
        println!(
            "CASE {} ticket {} is {}; second looks: {}",
            line.case_no,
            line.ticket_id,
            line.state,
            line.checks.join(", ")
        );
    }
    if ended == Ended::Reached {
        cancel.cancel();
    }
    Ok(())
}

/// The demo's cameras: a clip each, or the one clip for both, the second time in a mirror; and one with the film of the van.
fn mounts(names: &[String], clips: &[PathBuf], van: &Path) -> Vec<Mount> {
    let clip = |i: usize| clips.get(i).unwrap_or(&clips[0]).clone();
    let mount = |(i, name): (usize, &String)| {
        if name == FILM_CAMERA {
            let after = std::iter::repeat_n(clips[0].clone(), CLIPS_AFTER_FILM);
            let reel = std::iter::once(van.to_owned()).chain(after).collect();
            return Mount::new(name.clone(), Source::Sequence(reel)).from_first_client();
        }
        let mount = Mount::new(name.clone(), Source::Recording(clip(i)));
        if i > 0 && i >= clips.len() { mount.mirrored() } else { mount }
    };
    names.iter().enumerate().map(mount).collect()
}

/// What has been printed already.
struct News {
    seen: BTreeSet<TicketId>,
    states: Vec<(CameraId, CameraState)>,
    started: Instant,
    last_progress: Instant,
}

impl News {
    fn cameras(&mut self, pipeline: &Pipeline, cameras: &[CameraConfig]) {
        let reports = pipeline.ingest.reports();
        let states: Vec<_> = reports.iter().map(|report| (report.id.clone(), report.state)).collect();
        for (id, state) in states.iter().filter(|state| !self.states.contains(state)) {
            eprintln!("demo: [{:>3} s] camera {id} is {state}", self.started.elapsed().as_secs());
        }
        self.states = states;
        if self.seen.is_empty() && self.last_progress.elapsed() >= Duration::from_secs(5) {
            self.last_progress = Instant::now();
            let looks: u64 = reports.iter().map(|report| report.looks).sum();
            eprintln!(
                "demo: [{:>3} s] {looks} looks at {} cameras so far, no ticket yet",
                self.started.elapsed().as_secs(),
                cameras.len()
            );
        }
    }

    /// Prints the tickets that the broker has acknowledged since the last time; gives how many there are in all.
    async fn tickets(&mut self, pipeline: &Pipeline, console: SocketAddr) -> anyhow::Result<usize> {
        let newest = TicketFilter { limit: 20, ..TicketFilter::default() };
        for ticket in pipeline.store.tickets(&newest).await?.iter().rev() {
            if ticket.delivered_at.is_some() && self.seen.insert(ticket.id()) {
                print_ticket(ticket, console, self.started.elapsed());
            }
        }
        Ok(self.seen.len())
    }
}

fn print_ticket(ticket: &Ticket, console: SocketAddr, after: Duration) {
    let incident = &ticket.incident;
    let name =
        kind_info(&incident.kind).map_or_else(String::new, |info| format!(" {} / {}", info.name_zh, info.name_en));
    println!("\nTICKET {} after {} s", ticket.id(), after.as_secs());
    println!("  what      {}{name}", incident.kind);
    println!("  where     {}, zone {}", ticket.camera.name, ticket.zone.name);
    println!("  because   {}", incident.reason);
    let annotated = |role| ticket.evidence.iter().find(|e| e.role == role && e.rendition == Rendition::Annotated);
    if let Some(evidence) = annotated(EvidenceRole::Confirming) {
        println!("  evidence  http://{console}/evidence/{}", evidence.sha256);
    }
    println!("  page      http://{console}/tickets/{}\n", ticket.id());
}

/// The clip that set-up installed: below the working directory, or above the program.
fn installed_clip() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    let folders = here.ancestors().take(1).chain(program.ancestors().skip(1));
    match folders.map(|folder| folder.join(CLIP)).find(|clip| clip.exists()) {
        Some(clip) => Ok(clip),
        None => bail!("{CLIP} is missing: run deploy/setup.sh, or give a recording of your own with --clip"),
    }
}

/// Empties the demo's own folder; refuses to touch one that it did not make.
fn fresh_folder(folder: &Path) -> anyhow::Result<()> {
    let mark = folder.join(MARK);
    if folder.exists() {
        let empty = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?.next().is_none();
        if !empty && !mark.exists() {
            bail!("{} holds data that the demo did not make: give it another folder with --data-dir", folder.display());
        }
        std::fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    std::fs::write(&mark, "made by gridwatch demo; removed at its next start\n")
        .with_context(|| mark.display().to_string())
}

/// The wished address where it is free; any free port, said aloud, where it is taken.
fn free_or(wished: SocketAddr, what: &str) -> SocketAddr {
    match std::net::TcpListener::bind(wished) {
        Ok(_) => wished,
        Err(error) => {
            let free = std::net::TcpListener::bind((wished.ip(), 0)).and_then(|listener| listener.local_addr());
            let free = free.unwrap_or(SocketAddr::new(wished.ip(), 0));
            eprintln!("demo: {wished} cannot be had for {what} ({error}); using port {}", free.port());
            free
        }
    }
}
