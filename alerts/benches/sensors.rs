//! What readings of sensors cost: mapping and rules alone, and all of it from a real Mosquitto to the database.
//!
//! `make bench args=sensors`. CPU time of this process as the kernel counts it; who publishes is another process.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at what it does not expect, and prints"
)]

use std::{
    fs,
    process::{Child, Command},
    sync::Arc,
    time::{Duration, Instant},
};

use alerts::{
    mqtt::MqttConfig,
    publisher::StatusBoard,
    sensor::{Core, Mapping, SensorService, SensorSetup, SensorsConfig},
    store::Store,
    wire::Node,
};
use domain::{Cell, Timestamp};
use rumqttc::v5::{AsyncClient, Event, Incoming, MqttOptions, mqttbytes::QoS};
use tokio_util::sync::CancellationToken;

#[path = "../../benches/shared/mosquitto.rs"]
mod mosquitto;
use mosquitto::Mosquitto;

const DEVICES: usize = 5_000;
/// Readings a second that must be kept up with.
const RATE: usize = 5_000;
const SECONDS: usize = 20;
const PUBLISH: &str = "--publish";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [first, port] = arguments.as_slice()
        && first == PUBLISH
    {
        return publish(port.parse().unwrap());
    }
    let mut named = arguments.iter().filter(|a| !a.starts_with("--")).peekable();
    if named.peek().is_none() || named.any(|a| a == "sensors") {
        cores();
        broker();
    }
}

fn config() -> SensorsConfig {
    let devices: Vec<String> = (0..DEVICES)
        .map(|n| format!("[[devices]]\nid = \"d{n}\"\nmeasure = \"{}\"\n", MEASURES[n % MEASURES.len()]))
        .collect();
    toml::from_str(&devices.concat()).unwrap()
}

const MEASURES: [&str; 4] = ["fill", "parking", "noise", "water_level"];

/// The `n`th message: every device in turn, values that wander, one in a hundred near a rule's level.
fn message(n: usize) -> (String, String) {
    let (device, round) = (n % DEVICES, n / DEVICES);
    let measure = MEASURES[device % MEASURES.len()];
    let wander = (device * 31 + round * 17) % 100;
    let value = match measure {
        "fill" if wander == 99 => 91.0,
        "fill" => wander as f64 * 0.8,
        "parking" => f64::from(u8::from((device + round) % 40 == 0)),
        "noise" => 40.0 + wander as f64 / 4.0,
        _ => wander as f64 / 500.0,
    };
    let topic = format!("sensor/v1/310104/310104007/d{device}/{measure}");
    (topic, format!("{{\"value\": {value}, \"battery\": {}}}", 40 + wander / 2))
}

/// Mapping and rules, without I/O.
fn cores() {
    let config = config();
    let (mapping, mut core) = (Mapping::new(&config).unwrap(), Core::new(&config).unwrap());
    let messages: Vec<_> = (0..DEVICES * 20).map(message).collect();
    let (mut readings, mut effects) = (0_u64, 0_usize);
    let cpu = cpu_seconds();
    for round in 0..5 {
        for (n, (topic, payload)) in messages.iter().enumerate() {
            // Each device speaks once a minute.
            let at = Timestamp(1_795_395_600_000 + ((round * 20 + n / DEVICES) * 60_000) as i64);
            mapping.read(&[0], topic, payload.as_bytes(), at, |_, said| {
                readings += 1;
                effects += core.read(&said.unwrap()).effects.len();
            });
        }
    }
    let cpu = cpu_seconds() - cpu;
    println!(
        "mapping and rules: {readings} readings of {DEVICES} devices, {effects} effects: {:.2} µs a reading, {:.0} readings/s on one core",
        cpu * 1e6 / readings as f64,
        readings as f64 / cpu
    );
}

/// From Mosquitto through all of it to the database, while another process publishes at [`RATE`].
fn broker() {
    let folder = tempfile::tempdir().unwrap();
    let mosquitto = Mosquitto::start(folder.path());
    let port = mosquitto.port;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (events, mut heard) = tokio::sync::mpsc::channel(64);
        let service = SensorService::new(SensorSetup {
            config: config(),
            mqtt: MqttConfig { url: Some(format!("mqtt://127.0.0.1:{port}")), ..MqttConfig::default() },
            node: Node {
                id: "bench".parse().unwrap(),
                district: Cell::try_from("310104".to_owned()).unwrap(),
                timezone: jiff::tz::TimeZone::UTC,
            },
            store: Store::open(&folder.path().join("gridwatch.db")).await.unwrap(),
            camera: Arc::new(|_| None),
            events,
            look_now: Arc::new(|_| {}),
            statuses: StatusBoard::default(),
        })
        .unwrap();
        let (board, stop) = (service.board(), CancellationToken::new());
        let stopped = stop.clone();
        let watching = async {
            let read = || board.sources().first().map_or(0, |source| source.readings);
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            while board.sources().first().is_none_or(|source| source.hearing != alerts::mqtt::Hearing::All) {
                ticks.tick().await;
            }
            let _publisher = Reaped(
                Command::new(std::env::current_exe().unwrap()).args([PUBLISH, &port.to_string()]).spawn().unwrap(),
            );
            // The first rounds make every device known; what is measured comes after.
            let wait = async |n: u64| {
                let mut ticks = tokio::time::interval(Duration::from_millis(50));
                while read() < n {
                    ticks.tick().await;
                }
            };
            wait(3 * DEVICES as u64).await;
            let (begun, before, cpu) = (Instant::now(), read(), cpu_seconds());
            wait((RATE * SECONDS) as u64).await;
            let (took, n, cpu) = (begun.elapsed(), read() - before, cpu_seconds() - cpu);
            println!(
                "from Mosquitto to the database: {:.0} readings/s published and read (aim {RATE}), {:.0} µs CPU a reading, {:.0} % of one core",
                n as f64 / took.as_secs_f64(),
                cpu * 1e6 / n as f64,
                100.0 * cpu / took.as_secs_f64()
            );
            stop.cancel();
        };
        let draining = async { while heard.recv().await.is_some() {} };
        let (ran, (), ()) = tokio::join!(service.run(stopped), watching, draining);
        ran.unwrap();
    });
}

/// Publishes at [`RATE`], QoS 1, for a little longer than is measured.
fn publish(port: u16) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut options = MqttOptions::new("bench-sensors", "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(30)).set_outgoing_inflight_upper_limit(200);
        let (client, mut event_loop) = AsyncClient::new(options, 1_000);
        let total = RATE * (SECONDS + 2);
        let sending = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            for n in 0..total {
                if n % (RATE / 100) == 0 {
                    ticks.tick().await;
                }
                let (topic, payload) = message(n);
                client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
            }
        };
        let polling = async {
            let mut acknowledged = 0;
            while acknowledged < total {
                if let Event::Incoming(Incoming::PubAck(_)) = event_loop.poll().await.unwrap() {
                    acknowledged += 1;
                }
            }
        };
        tokio::join!(sending, polling);
    });
}

/// A child that does not outlive us.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU seconds (user and system, all threads) that this process has used; to 10 ms.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The second field may hold spaces; it ends with the last parenthesis.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks = |i: usize| fields[i].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}
