//! How soon a ticket is at the platform, and how many a minute: 2000 cameras' looks go through rules, pictures, database and
//! outbox to a real Mosquitto, behind which a platform acknowledges.
//!
//! Two rates, 60 and 1000 tickets a minute. `cargo bench --bench tickets -- tickets` (`make bench args=tickets`); `--seconds N` for how long
//! each is measured, `--cameras N`. The time of a ticket is that from the look that satisfied its rule to its arrival at
//! the platform, with all its pictures before it.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alerts::{
    evidence::EvidenceStore,
    publisher::Publisher,
    recheck::RecheckConfig,
    registry::{Intake, Registry},
    rules::Core,
    service::{Clock, Event, FullResolution, Grab, Locator, Rechecking, Service, ServiceSetup},
    store::Store,
    ticket::CameraInfo,
    timekeeper::Timekeeper,
    wire::Node,
};
use domain::{
    AccessUnit, CameraId, Detection, Frame, Label, Look, LookSource, ModelRef, Picture, Rect, Sha256, Timestamp,
};
use gridwatch::{config::Config, fleet::Stills};
use rumqttc::v5::{
    Client, Event as MqttEvent, Incoming, MqttOptions,
    mqttbytes::{QoS, v5::Filter},
};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

#[path = "shared/mosquitto.rs"]
mod mosquitto;
#[path = "shared/mod.rs"]
mod shared;
use mosquitto::Mosquitto;
use shared::{arguments, camera_clip, cpu_seconds, keyframes};

/// A look of each camera.
const INTERVAL: Duration = Duration::from_secs(10);
/// Looks in a row that show a car; the rule is satisfied by the fourth.
const STANDS: u64 = 6;
const WARM_UP: Duration = Duration::from_secs(60);
const RATES: [u64; 2] = [60, 1000];

fn main() {
    let arguments = arguments();
    if let Some(port) = arguments.iter().position(|a| a == "platform").map(|i| &arguments[i + 1]) {
        return platform(port.parse().unwrap());
    }
    if !arguments.iter().any(|a| a == "tickets") {
        return;
    }
    let number = |name: &str, usual: u64| {
        arguments.iter().position(|a| a == name).map_or(usual, |i| arguments[i + 1].parse().unwrap())
    };
    let (cameras, seconds) = (number("--cameras", 2000), number("--seconds", 180));
    let folder = tempfile::tempdir().unwrap();
    let units = keyframes(&camera_clip(folder.path()));
    println!("\n### tickets\n\n{cameras} cameras, a look each {INTERVAL:?}; {seconds} s each\n");
    println!(
        "| asked a minute | tickets | a minute | p50 ms | p99 ms | most ms | cores | without a picture |\n|---|---|---|---|---|---|---|---|"
    );
    for rate in RATES {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(run(cameras, rate, Duration::from_secs(seconds), &units, folder.path()));
    }
}

/// The looks of all cameras, and when each is due.
struct Street {
    cameras: Vec<CameraId>,
    frames: Vec<(AccessUnit, Picture)>,
    /// Looks from one car to the next before a camera.
    cycle: u64,
    model: ModelRef,
}

impl Street {
    /// The `n`th look of all.
    fn look(&self, n: u64) -> Look {
        let (camera, round) = ((n % self.cameras.len() as u64) as usize, n / self.cameras.len() as u64);
        // Cars come to one camera after the other.
        let turn = round + camera as u64 * self.cycle / self.cameras.len() as u64;
        let place = 0.1 + 0.2 * ((turn / self.cycle) % 3) as f32;
        let car = (turn % self.cycle < STANDS).then(|| Detection {
            class: Label::new("car"),
            group: Label::new("vehicle"),
            score: 0.8,
            bbox: Rect { x0: place, y0: 0.4, x1: place + 0.15, y1: 0.6 },
            mask: None,
            model: None,
        });
        let sampled_at: Timestamp = SystemTime::now().into();
        let camera = self.cameras[camera].clone();
        let (access_unit, picture) = self.frames[n as usize % self.frames.len()].clone();
        Look {
            camera: camera.clone(),
            sampled_at,
            detections: car.into_iter().collect(),
            source: LookSource::Detector,
            model: self.model.clone(),
            doubt: None,
            learning: false,
            frame: Frame { camera, sampled_at, access_unit, picture },
        }
    }
}

/// Cameras with one stream.
struct OneStream;

impl FullResolution for OneStream {
    fn grab(&self, _: &CameraId) -> Option<Grab> {
        None
    }
}

fn configuration(cameras: u64, port: u16, folder: &Path) -> Config {
    let mut text = format!(
        "[node]\nid = \"bench\"\ndistrict = \"310104\"\ndata_dir = \"data\"\n\n[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\n\n\
         [rules.\"lane.motor\"]\ndwell = \"30s\"\nclear_after = \"10s\"\nrearm_after = \"0s\"\nreopen_within = \"0s\"\n\n"
    );
    for n in 0..cameras {
        writeln!(
            text,
            "[[cameras]]\nid = \"camera-{n}\"\nplace = {{ grid = \"310104007003012\" }}\nstream = {{ main = \"rtsp://127.0.0.1/{n}\" }}\n\
             zones = [{{ id = \"kerb\", purpose = \"no_stopping\", polygon = [[0, 0], [1, 0], [1, 1], [0, 1]] }}]\n"
        )
        .unwrap();
    }
    let path = folder.join("gridwatch.toml");
    fs::write(&path, text).unwrap();
    Config::load(&path).unwrap()
}

async fn run(cameras: u64, rate: u64, length: Duration, units: &[AccessUnit], folder: &Path) {
    let broker = Mosquitto::start(folder);
    let config = configuration(cameras, broker.port, folder);
    let node = Node {
        id: config.node.id.clone(),
        district: config.node.district.clone(),
        timezone: config.timezone().unwrap(),
    };
    let (_kept, timetable) = watch::channel(config.timetable("bench".as_ref()).unwrap());
    let store = Store::connect(config.database().unwrap()).await.unwrap();
    let evidence = EvidenceStore::open(&config.evidence_dir()).unwrap();
    let zones = config.cameras.iter().map(|camera| (camera.id.clone(), camera.zones.clone()));
    let core = Core::new(&config.rules, node.timezone.clone(), zones).unwrap();
    let (looks, events) = mpsc::channel(64);
    let registry = Registry::new(store.clone(), node.clone(), &looks);
    let mut decoder = ingest::Decoder::new(&config.ingest.decoders).unwrap();
    let frames = units.iter().take(8).map(|unit| (unit.clone(), decoder.decode(unit).unwrap())).collect();
    let info = |camera: &gridwatch::config::CameraConfig| CameraInfo {
        name: camera.display_name().to_owned(),
        place: camera.place.clone(),
    };
    let service = Service::new(ServiceSetup {
        store: store.clone(),
        evidence: evidence.clone(),
        core,
        cameras: config.cameras.iter().map(|c| (c.id.clone(), (info(c), c.zones.clone()))).collect(),
        node: node.clone(),
        timetable: timetable.clone(),
        locator: Locator::none(),
        stills: Arc::new(Stills::new(decoder)),
        full_resolution: Arc::new(OneStream),
        paces: Arc::new(|_, _| {}),
        rechecking: Rechecking { config: RecheckConfig::default(), look_now: Arc::new(|_| {}), due: Vec::new() },
        config: config.evidence.clone(),
        clock: Clock::System,
    });
    let stop = CancellationToken::new();
    let timekeeper = Timekeeper::new(store.clone(), node.clone(), timetable, watch::channel(Arc::default()).1);
    let intake = Intake::new(&config.mqtt, config.mqtt.resend(), registry).unwrap();
    let publisher = Publisher::new(config.mqtt.clone(), node, store, evidence).unwrap();
    let arrived = Arrivals::start(broker.port);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { service.run(events).await.unwrap() });
    tasks.spawn(timekeeper.run(stop.clone()));
    tasks.spawn(intake.run(stop.clone()));
    tasks.spawn(publisher.run(stop.clone()));

    let street = Street {
        cameras: config.cameras.iter().map(|camera| camera.id.clone()).collect(),
        frames,
        cycle: (cameras * 60 / INTERVAL.as_secs() / rate).max(2 * STANDS),
        model: ModelRef { name: "bench".into(), sha256: Sha256::of(b"bench") },
    };
    let gap = INTERVAL.div_f64(cameras as f64);
    let (began, mut before) = (Instant::now(), None);
    for n in 0.. {
        tokio::time::sleep_until((began + gap.mul_f64(n as f64)).into()).await;
        if before.is_none() && began.elapsed() >= WARM_UP {
            before = Some((cpu_seconds(std::process::id()), millis()));
        }
        if began.elapsed() >= WARM_UP + length {
            break;
        }
        looks.send(Event::Look(Box::new(street.look(n)))).await.unwrap();
    }
    let (cpu, from) = before.unwrap();
    let (cpu, to) = (cpu_seconds(std::process::id()) - cpu, millis());
    // What is under way still arrives.
    tokio::time::sleep(Duration::from_secs(10)).await;
    drop(looks);
    stop.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let all: Vec<Arrival> = arrived.end().into_values().collect();
    let mut late: Vec<i64> = all.iter().filter(|a| (from..to).contains(&a.confirmed_at)).map(Arrival::late).collect();
    late.sort_unstable();
    let nth = |share: f64| late.get(((late.len() as f64 * share) as usize).min(late.len().saturating_sub(1))).copied();
    println!(
        "| {rate} | {} | {:.0} | {} | {} | {} | {:.2} | {} |",
        late.len(),
        late.len() as f64 * 60.0 / length.as_secs_f64(),
        nth(0.5).unwrap_or(-1),
        nth(0.99).unwrap_or(-1),
        nth(1.0).unwrap_or(-1),
        cpu / length.as_secs_f64(),
        all.iter().filter(|a| a.missing > 0).count()
    );
}

fn millis() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A ticket at the platform.
struct Arrival {
    confirmed_at: i64,
    arrived_at: i64,
    /// Pictures that it names and that had not come.
    missing: usize,
}

impl Arrival {
    fn late(&self) -> i64 {
        self.arrived_at - self.confirmed_at
    }
}

/// The platform, in a process of its own.
struct Arrivals {
    child: Child,
    reading: std::thread::JoinHandle<HashMap<String, Arrival>>,
}

impl Arrivals {
    /// Returns once the platform listens.
    fn start(port: u16) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child =
            Command::new(program).args(["platform", &port.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "listening");
        let reading = std::thread::spawn(move || {
            let mut all = HashMap::new();
            for line in lines.map_while(Result::ok) {
                let fields: Vec<&str> = line.split(' ').collect();
                let [ticket, confirmed_at, arrived_at, missing] = fields[..] else { continue };
                // One that is sent again arrived the first time.
                all.entry(ticket.to_owned()).or_insert(Arrival {
                    confirmed_at: confirmed_at.parse().unwrap(),
                    arrived_at: arrived_at.parse().unwrap(),
                    missing: missing.parse().unwrap(),
                });
            }
            all
        });
        Self { child, reading }
    }

    fn end(mut self) -> HashMap<String, Arrival> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.reading.join().unwrap()
    }
}

/// Prints each ticket that arrives, and acknowledges it.
fn platform(port: u16) {
    let mut options = MqttOptions::new("bench-platform", "127.0.0.1", port);
    options.set_max_packet_size(Some(64 << 20)).set_keep_alive(Duration::from_secs(30));
    let (client, mut connection) = Client::new(options, 1_000);
    client.subscribe_many([Filter::new("gridwatch/v1/#", QoS::AtLeastOnce)]).unwrap();
    let mut pictures = HashSet::new();
    for event in connection.iter() {
        match event.unwrap() {
            MqttEvent::Incoming(Incoming::SubAck(_)) => println!("listening"),
            MqttEvent::Incoming(Incoming::Publish(publish)) => {
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                let Some(place) = topic.strip_prefix("gridwatch/v1/").and_then(|t| t.strip_suffix("/ticket/submit"))
                else {
                    if topic.contains("/evidence/") {
                        pictures.insert(topic);
                    }
                    continue;
                };
                let arrived_at = millis();
                let ticket: Value = serde_json::from_slice(&publish.payload).unwrap();
                let data = &ticket["data"];
                let id = data["ticket_id"].as_str().unwrap();
                let confirmed_at: jiff::Timestamp = data["detection"]["ripened_at"].as_str().unwrap().parse().unwrap();
                let named = data["evidence"].as_array().unwrap().iter().filter_map(|e| e["topic"].as_str());
                let missing = named.filter(|topic| !pictures.contains(*topic)).count();
                println!("{id} {} {arrived_at} {missing}", confirmed_at.as_millisecond());
                let answer = json!({
                    "specversion": "1.0", "id": format!("ack-{id}"), "source": "/grid/bench",
                    "type": "cn.grid.ticket.acknowledged.v1", "datacontenttype": "application/json",
                    "data": { "ticket_id": id, "result": "accepted" },
                });
                let topic = format!("grid/v1/{place}/ticket/{id}/ack");
                client.try_publish(topic, QoS::AtLeastOnce, false, answer.to_string()).unwrap();
            }
            _ => {}
        }
    }
}
