//! The wiring: the one place that knows all stages. Every queue between them is made here, with its size and what happens
//! when it is full.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs::File,
    net::SocketAddr,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use alerts::{
    case::State,
    evidence::EvidenceStore,
    figures::Accountant,
    publisher::{CameraBoard, Connection, Publisher},
    registry::{Intake, Registry},
    retention::Retention,
    rules::Core,
    sensor::{SensorService, SensorSetup},
    service::{self, Clock, Locator, Rechecking, Service, ServiceSetup},
    store::{Store, TicketFilter},
    ticket::{CameraInfo, Ticket},
    timekeeper::Timekeeper,
    wire::Node,
    zero_report::{LookLedger, Reporter, ReportsOwed, WatchedCamera, WatchedCameras},
};
use anyhow::{Context as _, bail};
use console::{Console, LookVitals, Vitals};
use domain::{AccessUnit, CameraId, Frame, Ground, Millis, Picture, Timestamp};
use ingest::{CameraEvent, CameraSource, Decoder, DueLook, Ingest, IngestError, LookPace, LookQueue, Tempo};
use metrics::counter;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    broker::Broker,
    config::{CameraConfig, Config},
    fleet::{Fleet, MainStreams, Stills},
    health::{FailingLooks, HealthBoard, HealthTeller},
    looker::{Looked, Looker, ReferenceOf},
    main_pictures::MainPictures,
    reference::ReferenceStore,
    reload::{Books, Reloader, Reloads},
    remembered::{self, Reach},
    roster::Roster,
    telemetry,
};

/// Looks on their way from the look workers to alerts; when full, the worker waits and the slots stay fresh meanwhile.
const LOOKS: usize = 4;
/// Camera events on their way from ingest; when full, the camera's own task waits.
const CAMERA_EVENTS: usize = 256;
/// The console's rate of looks is taken over so many of these intervals: the longest usual interval between looks.
const RATE_SAMPLES: usize = 11;
/// The longest that a rule may let a cleared place rest before it opens a ticket there again.
const LONGEST_REST: Millis = Millis::mins(48 * 60);
/// The longest that a rule may keep a rejected place quiet.
const LONGEST_QUIET: Millis = Millis::mins(366 * 24 * 60);
/// Checks that are taken up again at a start, of each of two states; the newest tickets go first.
const MOST_CHECKS: u32 = 10_000;
/// How often the cameras' reports are compared for news to publish.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// How long a stop may take. A full disk or a database that is away would hold it up for ever.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// A running gridwatch.
pub struct Pipeline {
    /// Where the console answers.
    pub console: SocketAddr,
    /// Where the broker that is published to listens, if it is the embedded one.
    pub broker: Option<SocketAddr>,
    /// The store, for whoever wants to look on.
    pub store: Store,
    /// Cameras and their state.
    pub ingest: Ingest,
    stages: JoinSet<anyhow::Result<Stage>>,
    stop: Stop,
    cancel: CancellationToken,
    _broker: Option<Broker>,
    _lock: File,
}

/// The stages, in the order in which they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Cameras,
    Looks,
    MainPictures,
    Sensors,
    Alerts,
    Timekeeper,
    Accountant,
    Telemetry,
    Intake,
    Reporter,
    Publisher,
    Retention,
    Statuses,
    Reloads,
    Console,
}

/// Only sources hear of a stop; the other stages end because their input closes. The last two have no input that closes.
struct Stop {
    cameras: CancellationToken,
    sensors: CancellationToken,
    publisher: CancellationToken,
    console: CancellationToken,
}

impl Pipeline {
    /// Starts everything. When this returns, the console answers and the cameras are being connected.
    ///
    /// # Errors
    /// When the model, the database, the evidence folder or an address cannot be had. A camera or a broker that is away
    /// is no error: both are retried for ever.
    pub async fn start(config: Config, cancel: CancellationToken) -> anyhow::Result<Self> {
        let metrics = telemetry::install()?;
        let timezone = config.timezone()?;
        let lock = lock_data_folder(&config.node.data_dir)?;
        let lookers = load_lookers(&config).await?;
        let (roster, sights) = (Roster::new(&config.cameras), lookers[0].sights());
        let node =
            Node { id: config.node.id.clone(), district: config.node.district.clone(), timezone: timezone.clone() };

        let (timetables, timetable) = watch::channel(config.timetable(Path::new("the configuration"))?);
        let (street_names, streets) = watch::channel(Arc::new(config.areas.street_names()));
        let reach = Reach { cleared: LONGEST_REST, ended: LONGEST_QUIET };
        let (store, remembered) = remembered::open(&config.database()?, reach, &cancel).await?;
        let evidence = EvidenceStore::open(&config.evidence_dir())?;
        let zones = config.cameras.iter().map(|camera| (camera.id.clone(), camera.zones.clone()));
        let mut core = Core::new(&config.rules, timezone.clone(), zones)?;
        core.set_permits(config.permits.clone())?;
        core.set_grounds(grounds(&config.cameras));
        sights.expect(remembered.standing());
        remembered.restore(&mut core);

        let broker = match &config.mqtt.url {
            Some(_) => None,
            None => Some(Broker::start(config.broker.listen)?),
        };
        let mut mqtt = config.mqtt.clone();
        if let Some(broker) = &broker {
            mqtt.url = Some(broker.url());
            info!(address = %broker.address(), "no mqtt.url is configured: the embedded broker listens");
        }

        let mut stages = JoinSet::new();
        let stop = Stop {
            cameras: CancellationToken::new(),
            sensors: CancellationToken::new(),
            publisher: CancellationToken::new(),
            console: CancellationToken::new(),
        };

        let (camera_events, lost_cameras) = mpsc::channel(CAMERA_EVENTS);
        let sources =
            config.cameras.iter().map(|camera| CameraSource { id: camera.id.clone(), stream: camera.stream.clone() });
        let (ingest, queue, tasks) =
            Ingest::start(config.ingest.clone(), sources.collect(), camera_events, stop.cameras.clone())?;
        stages.spawn(async move {
            tasks.join().await?;
            Ok(Stage::Cameras)
        });

        let sensors_mqtt = mqtt.clone();
        let publisher = Publisher::new(mqtt.clone(), node.clone(), store.clone(), evidence.clone())?;
        let (board, statuses, connected) = (publisher.cameras(), publisher.statuses(), publisher.connection());

        let watched = watched_cameras(&config, roster.clone())?;
        let reporter = Reporter::new(store.clone(), node.clone(), &config.zero_report, watched, statuses.clone());
        let ledger = reporter.ledger();
        stages.spawn({
            let stop = stop.cameras.clone();
            async move {
                reporter.run(stop).await;
                Ok(Stage::Reporter)
            }
        });

        let (looks, events) = mpsc::channel(LOOKS);
        let (health, kept) = (HealthBoard::default(), ReferenceStore::new(config.references_dir()));
        let failing = FailingLooks::default();
        let (main_pictures, fetcher) = MainPictures::new(MainStreams::new(ingest.clone(), roster.clone()));
        stages.spawn({
            let stop = stop.cameras.clone();
            async move {
                fetcher.run(stop).await;
                Ok(Stage::MainPictures)
            }
        });
        for looker in lookers {
            let worker = LookWorker {
                queue: queue.clone(),
                decoder: Decoder::new(&config.ingest.decoders)?,
                looker,
                ledger: Arc::clone(&ledger),
                looks: looks.clone(),
                health: health.clone(),
                failing: failing.clone(),
                references: kept.clone(),
                main_pictures: main_pictures.clone(),
            };
            stages.spawn_blocking(move || {
                worker.run();
                Ok(Stage::Looks)
            });
        }
        drop(queue);
        let books = Books { timetables, street_names };
        let (reloader, reloads) = match &config.origin {
            Some(path) => {
                let parts =
                    Reloader::new(path, &config, (roster.clone(), sights.clone(), ingest.clone()), &looks, books);
                (Some(parts.0), Some(parts.1))
            }
            None => (None, None),
        };
        if let Some(reloader) = reloader {
            let stop = stop.cameras.clone();
            stages.spawn(async move {
                reloader.run(stop).await?;
                Ok(Stage::Reloads)
            });
        }
        let registry = Registry::new(store.clone(), node.clone(), &looks);
        let sensed = looks.clone();
        stages.spawn(forward_camera_events(lost_cameras, looks));

        let stills = Stills::new(Decoder::new(&config.ingest.decoders)?);
        let service = Service::new(ServiceSetup {
            store: store.clone(),
            evidence: evidence.clone(),
            core,
            cameras: camera_infos(&config.cameras),
            locator: locator(&config),
            node: node.clone(),
            timetable: timetable.clone(),
            stills: Arc::new(stills.clone()),
            full_resolution: Arc::new(MainStreams::new(ingest.clone(), roster.clone())),
            paces: Arc::new({
                let ingest = ingest.clone();
                move |camera: &CameraId, pace| ingest.set_pace(camera, look_pace(pace))
            }),
            rechecking: Rechecking {
                config: config.recheck,
                look_now: Arc::new({
                    let ingest = ingest.clone();
                    move |camera: &CameraId| ingest.look_now(camera)
                }),
                due: due_checks(&store).await?,
            },
            config: config.evidence.clone(),
            clock: Clock::System,
        });
        stages.spawn(async move {
            service.run(events).await?;
            Ok(Stage::Alerts)
        });

        let timekeeper = Timekeeper::new(store.clone(), node.clone(), timetable, streets.clone());
        stages.spawn({
            let stop = stop.cameras.clone();
            async move {
                timekeeper.run(stop).await;
                Ok(Stage::Timekeeper)
            }
        });

        let accountant = Accountant::new(store.clone());
        stages.spawn({
            let stop = stop.cameras.clone();
            async move {
                accountant.run(stop).await;
                Ok(Stage::Accountant)
            }
        });

        stages.spawn({
            let (metrics, stop) = (metrics.clone(), stop.publisher.clone());
            async move {
                telemetry::upkeep(metrics, stop).await;
                Ok(Stage::Telemetry)
            }
        });

        let intake = Intake::new(&mqtt, config.mqtt.resend(), registry.clone())?;
        stages.spawn({
            let stop = stop.cameras.clone();
            async move {
                intake.run(stop).await;
                Ok(Stage::Intake)
            }
        });
        stages.spawn({
            let stop = stop.publisher.clone();
            async move {
                publisher.run(stop).await;
                Ok(Stage::Publisher)
            }
        });
        let retention = Retention::new(config.retention.clone(), store.clone(), evidence.clone());
        stages.spawn({
            let stop = stop.publisher.clone();
            async move {
                retention.run(stop).await;
                Ok(Stage::Retention)
            }
        });
        let sensors = config.sensors.is_used().then(|| {
            SensorService::new(SensorSetup {
                config: config.sensors.clone(),
                mqtt: sensors_mqtt,
                node: node.clone(),
                store: store.clone(),
                camera: Arc::new({
                    let roster = roster.clone();
                    move |id: &CameraId| roster.now().get(id).map(camera_info)
                }),
                events: sensed,
                look_now: Arc::new({
                    let ingest = ingest.clone();
                    move |camera: &CameraId| ingest.look_now(camera)
                }),
                statuses,
            })
        });
        let sensors = sensors.transpose()?;
        let sensor_board = sensors.as_ref().map(SensorService::board);
        if let Some(sensors) = sensors {
            let stop = stop.sensors.clone();
            stages.spawn(async move {
                sensors.run(stop).await?;
                Ok(Stage::Sensors)
            });
        }
        let rate = Arc::new(LookRate::default());
        stages.spawn(post_camera_states(
            ingest.clone(),
            health.clone(),
            board,
            roster.clone(),
            Arc::clone(&rate),
            stop.publisher.clone(),
        ));

        let pending = reloads.as_ref().map(Reloads::pending);
        let fleet = Arc::new(Fleet::new(ingest.clone(), health, (sights, kept), stills, roster, reloads));
        let listener = tokio::net::TcpListener::bind(config.console.listen).await.with_context(|| {
            format!("console.listen {}: cannot listen; is another gridwatch running?", config.console.listen)
        })?;
        let console = listener.local_addr()?;
        let pages = Console {
            store: store.clone(),
            registry,
            evidence,
            fleet,
            metrics: Arc::new(move || metrics.render()),
            vitals: Arc::new({
                let ingest = ingest.clone();
                move || Vitals {
                    broker_connected: *connected.borrow() == Connection::Up,
                    looks_per_second: Some(rate.get()),
                    looks: Some(look_vitals(&ingest.tempo())),
                    restart: pending.as_ref().map(|pending| pending.borrow().clone()).unwrap_or_default(),
                }
            }),
            sensors: sensor_board,
            reports_owed: ReportsOwed::new(&config.zero_report, timezone.clone()),
            streets: Arc::new(move || Arc::clone(&streets.borrow())),
            public_url: config.console.public_url.clone(),
            node: config.node.id.clone(),
            time_zone: timezone,
        };
        stages.spawn({
            let stop = stop.console.clone();
            async move {
                console::serve(listener, pages, stop).await?;
                Ok(Stage::Console)
            }
        });
        info!(
            node = %config.node.id, cameras = config.cameras.len(), model = %config.detect.model, console = %format!("http://{console}/"),
            "gridwatch runs"
        );
        Ok(Self {
            console,
            broker: broker.as_ref().map(Broker::address),
            store,
            ingest,
            stages,
            stop,
            cancel,
            _broker: broker,
            _lock: lock,
        })
    }

    /// Waits until the stop is asked for, then drains stage after stage.
    ///
    /// # Errors
    /// When a stage ended that nobody asked to end; the others are drained all the same.
    pub async fn wait(mut self) -> anyhow::Result<()> {
        let mut failure = None;
        let mut running = self.stages.len();
        let cancel = self.cancel.clone();
        let mut stopping = false;
        let deadline = async {
            cancel.cancelled().await;
            tokio::time::sleep(STOP_WITHIN).await;
        };
        tokio::pin!(deadline);
        while running > 0 {
            let ended = tokio::select! {
                () = cancel.cancelled(), if !stopping => {
                    stopping = true;
                    self.stop.cameras.cancel();
                    self.stop.sensors.cancel();
                    continue;
                }
                () = &mut deadline => {
                    bail!("not everything stopped within {STOP_WITHIN:?}; what was not yet on disk is found again at the next start");
                }
                ended = self.stages.join_next() => ended,
            };
            let Some(ended) = ended else { break };
            running -= 1;
            match ended.map_err(anyhow::Error::from).and_then(|stage| stage) {
                // Recordings end by themselves; what they showed is still being judged and sent.
                Ok(Stage::Cameras | Stage::Looks | Stage::Sensors) => {}
                Ok(Stage::Alerts) => {
                    if stopping || failure.is_some() {
                        self.stop.publisher.cancel();
                    } else {
                        info!("all recordings have ended; the console goes on until the program is stopped");
                        cancel.cancelled().await;
                        stopping = true;
                        self.stop.publisher.cancel();
                    }
                }
                Ok(Stage::Publisher) => self.stop.console.cancel(),
                Ok(stage) => debug!(?stage, "stage ended"),
                Err(error) => {
                    error!(error = format!("{error:#}"), "a stage failed; stopping the others");
                    failure.get_or_insert(error);
                    // A failed stage breaks the chain in which each end brings about the next.
                    self.stop.cameras.cancel();
                    self.stop.sensors.cancel();
                    self.stop.publisher.cancel();
                    self.stop.console.cancel();
                }
            }
        }
        self.store.close().await;
        info!("stopped");
        failure.map_or(Ok(()), Err)
    }
}

/// One process a data folder: two would send each ticket twice.
fn lock_data_folder(folder: &Path) -> anyhow::Result<File> {
    std::fs::create_dir_all(folder).with_context(|| format!("node.data_dir {}: cannot be made", folder.display()))?;
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("node.data_dir: {} cannot be written", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => bail!(
            "node.data_dir {}: another gridwatch uses this folder; stop it, or give this one a folder of its own",
            folder.display()
        ),
    }
}

/// Tickets whose place was being checked, or was to be, when the process ended.
async fn due_checks(store: &Store) -> anyhow::Result<Vec<Ticket>> {
    let mut due = Vec::new();
    for state in [State::Verifying, State::Handled] {
        let filter = TicketFilter { case: Some(state), limit: MOST_CHECKS, ..TicketFilter::default() };
        due.extend(store.tickets(&filter).await?);
    }
    Ok(due)
}

/// One session of one thread a core and model, which is the fastest on a CPU; where batches are asked for, enough threads to
/// fill them.
async fn load_lookers(config: &Config) -> anyhow::Result<Vec<Looker>> {
    let workers = config.ingest.worker_count(config.detect.batch);
    if workers < config.detect.batch {
        warn!(
            look_workers = workers,
            batch = config.detect.batch,
            "runs never fill: ingest.look_workers is less than detect.batch; leave it out, or give at least twice the batch"
        );
    }
    let (detect, cameras) = (config.detect.clone(), config.cameras.clone());
    Ok(tokio::task::spawn_blocking(move || Looker::load(&detect, &cameras, workers)).await??)
}

pub(crate) fn camera_infos(cameras: &[CameraConfig]) -> HashMap<CameraId, (CameraInfo, Vec<alerts::incident::Zone>)> {
    cameras.iter().map(|camera| (camera.id.clone(), camera_info(camera))).collect()
}

fn camera_info(camera: &CameraConfig) -> (CameraInfo, Vec<alerts::incident::Zone>) {
    let info = CameraInfo { name: camera.display_name().to_owned(), place: camera.place.clone() };
    (info, camera.zones.clone())
}

/// The ground that each camera sees, where it is known.
pub(crate) fn grounds(cameras: &[CameraConfig]) -> BTreeMap<CameraId, Ground> {
    cameras.iter().filter_map(|camera| Some((camera.id.clone(), camera.ground.clone()?))).collect()
}

/// Finds the cell of a place on the ground in the grid's outlines.
pub(crate) fn locator(config: &Config) -> Locator {
    let areas = Arc::clone(&config.areas);
    Locator::new(move |lon, lat| areas.locate(lon, lat).map(|area| area.code.clone()))
}

/// The cameras as zero reports see them: what their zones are watched for, and how often they are to be looked at.
fn watched_cameras(config: &Config, roster: Roster) -> anyhow::Result<WatchedCameras> {
    let rules = config.rules.effective()?;
    let look_interval = config.ingest.look_interval;
    let watched = move |camera: &crate::config::CameraConfig| {
        let holds = |rule: &alerts::rules::Rule| camera.zones.iter().any(|zone| rule.zones.contains(&zone.purpose));
        WatchedCamera {
            id: camera.id.clone(),
            grid: camera.place.as_ref().map(|place| place.grid.clone()),
            kinds: rules.values().filter(|rule| rule.enabled && holds(rule)).map(|rule| rule.kind.clone()).collect(),
            interval: camera.stream.look_interval.unwrap_or(look_interval),
        }
    };
    Ok(Box::new(move || roster.now().values().map(&watched).collect()))
}

fn look_pace(pace: alerts::incident::Pace) -> LookPace {
    match pace {
        alerts::incident::Pace::Idle => LookPace::Idle,
        alerts::incident::Pace::Active => LookPace::Active,
    }
}

/// Decodes and detects on one thread: a decoded picture never crosses a queue.
struct LookWorker {
    queue: LookQueue,
    decoder: Decoder,
    looker: Looker,
    ledger: Arc<LookLedger>,
    looks: mpsc::Sender<service::Event>,
    health: HealthBoard,
    failing: FailingLooks,
    references: ReferenceStore,
    main_pictures: MainPictures,
}

impl LookWorker {
    fn run(mut self) {
        while let Some(due) = self.queue.next() {
            match caught(|| self.look(&due)) {
                Ok(Some(size)) => due.done(Ok(size)),
                Ok(None) => return,
                Err(error) => due.done(Err(&error)),
            }
        }
    }

    /// Makes one look; the size of its picture, or none once alerts have ended. Not done before its events are sent: another
    /// worker's look at this camera must not overtake this one.
    fn look(&mut self, due: &DueLook) -> Result<Option<(u32, u32)>, IngestError> {
        if self.looker.asks_for_reference(&due.camera) {
            self.fetch_reference(&due.camera);
        }
        let picture = self.decoder.decode(&due.access_unit)?;
        let size = (picture.width, picture.height);
        let (camera, access_unit) = (due.camera.clone(), due.access_unit.clone());
        let main = self.main_pictures.take(&due.camera).and_then(|main| self.decode_main(&due.camera, &main));
        let frame = Frame { camera, sampled_at: access_unit.received_at, access_unit, picture };
        let Looked { look, ailments, reference, wants_main } =
            match self.looker.look(frame, main.as_ref(), due.occasion) {
                Ok(looked) => looked,
                Err(detect::DetectError::UnknownCamera { camera }) => {
                    debug!(%camera, "a camera has just been removed");
                    self.failing.forget(&camera);
                    return Ok(Some(size));
                }
                Err(error) => {
                    counter!("gridwatch_looks_failed_total", "reason" => "inference").increment(1);
                    if self.failing.failed(&due.camera) {
                        warn!(camera = %due.camera, %error, "looks fail");
                    }
                    return Ok(Some(size));
                }
            };
        self.failing.forget(&look.camera);
        if wants_main {
            self.main_pictures.want(&look.camera);
        }
        if !ailments.iter().any(|ailment| ailment.fault.suspends_tickets()) {
            // A picture that shows nothing of the street vouches for nothing.
            self.ledger.look(&look.camera, look.sampled_at);
        }
        // Before the look itself: what it shows is judged only where the camera can be trusted.
        let trust = self.health.post(&look.camera, ailments);
        let told = trust.map(|trust| trust.event(look.camera.clone(), look.sampled_at));
        if reference == ReferenceOf::ThisLook {
            self.keep_reference(&look);
        }
        for event in told.into_iter().chain([service::Event::Look(Box::new(look))]) {
            if self.looks.blocking_send(event).is_err() {
                return Ok(None);
            }
        }
        Ok(Some(size))
    }
}

/// A fault of ours at one picture is that look's error, and ends no other camera's looks. What it leaves half done is begun anew:
/// the decoder's pipeline, and what is known of the view.
fn caught<T>(look: impl FnOnce() -> Result<T, IngestError>) -> Result<T, IngestError> {
    panic::catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(IngestError::Panicked(text.unwrap_or_else(|| "panic without a message".to_owned())))
    })
}

impl LookWorker {
    /// Gives the looker the reference that an earlier run kept; one that is no picture is replaced in time.
    fn fetch_reference(&mut self, camera: &CameraId) {
        let Some(kept) = self.references.load(camera) else { return };
        let given = match self.decoder.decode(&kept) {
            Ok(picture) => self.looker.set_reference(camera, &picture, kept.received_at).map_err(anyhow::Error::from),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = given {
            warn!(%camera, %error, "the reference picture cannot be used; another one will be taken");
        }
    }

    /// A picture of the main stream; one that cannot be decoded is done without.
    fn decode_main(&mut self, camera: &CameraId, main: &AccessUnit) -> Option<Picture> {
        let decoded = self.decoder.decode(main);
        if let Err(error) = &decoded {
            debug!(%camera, %error, "the picture of the main stream cannot be decoded");
            counter!("gridwatch_main_pictures_total", "result" => "undecodable").increment(1);
        }
        decoded.ok()
    }

    fn keep_reference(&self, look: &domain::Look) {
        let result = match self.references.save(&look.camera, &look.frame.access_unit) {
            Ok(()) => {
                info!(camera = %look.camera, "reference picture taken");
                "kept"
            }
            Err(error) => {
                warn!(camera = %look.camera, %error, "the reference picture cannot be kept; it holds until the next start");
                "not_kept"
            }
        };
        counter!("gridwatch_references_total", "result" => result).increment(1);
    }
}

/// A camera that lost its stream pauses the dwells on its view.
async fn forward_camera_events(
    mut events: mpsc::Receiver<CameraEvent>,
    looks: mpsc::Sender<service::Event>,
) -> anyhow::Result<Stage> {
    while let Some(event) = events.recv().await {
        let sent = match event {
            CameraEvent::Lost { camera, .. } => looks.send(service::Event::Lost(camera, now())).await,
            CameraEvent::Streaming { .. } | CameraEvent::Ended { .. } => Ok(()),
        };
        if sent.is_err() {
            break;
        }
    }
    Ok(Stage::Cameras)
}

/// Puts every camera's state on the publisher's board, which sends what is news.
async fn post_camera_states(
    ingest: Ingest,
    health: HealthBoard,
    board: CameraBoard,
    roster: Roster,
    rate: Arc<LookRate>,
    stop: CancellationToken,
) -> anyhow::Result<Stage> {
    let mut ticks = tokio::time::interval(STATUS_INTERVAL);
    let mut teller = HealthTeller::default();
    let mut totals: VecDeque<(Instant, u64)> = VecDeque::with_capacity(RATE_SAMPLES + 1);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let reports: Vec<_> = ingest.reports().into_iter().map(|report| health.complete(report)).collect();
        teller.tell(Instant::now(), &reports);
        totals.push_back((Instant::now(), reports.iter().map(|report| report.looks).sum()));
        if totals.len() > RATE_SAMPLES {
            totals.pop_front();
        }
        rate.set(&totals);
        // Its gauge is wanted though nobody looks at a page.
        ingest.tempo();
        let cameras = roster.now();
        for report in reports {
            if let Some(camera) = cameras.get(&report.id) {
                board.post(&report, camera.place.as_ref());
            }
        }
        board.retain(|camera| cameras.contains_key(camera));
    }
    Ok(Stage::Statuses)
}

fn look_vitals(tempo: &Tempo) -> LookVitals {
    LookVitals {
        due: tempo.due,
        done: tempo.done,
        lag_p50: tempo.lag_p50,
        lag_p99: tempo.lag_p99,
        wanted: tempo.wanted,
        achieved: tempo.achieved,
        stretch: tempo.stretch(),
    }
}

/// Looks a second over the last samples, for the console.
#[derive(Default)]
struct LookRate(AtomicU64);

impl LookRate {
    fn set(&self, totals: &VecDeque<(Instant, u64)>) {
        if let (Some((start, before)), Some((end, after))) = (totals.front(), totals.back()) {
            let seconds = end.duration_since(*start).as_secs_f64();
            let rate = if seconds > 0.0 { after.saturating_sub(*before) as f64 / seconds } else { 0.0 };
            self.0.store(rate.to_bits(), Ordering::Relaxed);
        }
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_look_is_its_error() {
        assert_eq!(caught(|| Ok(7)).unwrap(), 7);
        for look in [|| panic!("index {}", 9), || panic!("index 9")] {
            let error = caught::<()>(look).unwrap_err();
            assert_eq!((error.reason(), error.to_string().contains("index 9")), ("panic", true), "{error}");
        }
    }
}
