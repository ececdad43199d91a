//! Readings over a real broker become cases, states and counts; what was on its way when the process ended comes again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use alerts::{
    case::{self, Reason, Verdict, VerdictKind},
    incident::Zone,
    publisher::StatusBoard,
    sensor::{Condition, Memory, Problem, SensorBoard, SensorService, SensorSetup, SensorsConfig, Speech},
    service::{Event, SensedCase, Sensing},
    store::{Opened, Ruling, Store},
    ticket::{CameraInfo, Ticket},
    wire::CaseMessages,
};
use domain::{CameraId, Timestamp};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    broker::{Mosquitto, PATIENCE, eventually_async},
    fixture::{House, node, ticket},
    listener::publish,
    subscriber::Subscriber,
};

const SENSORS: &str = r#"
    devices = [
        { id = "bin-1", measure = "fill", place = { grid = "310104007003012" } },
        { id = "smoke-1", measure = "smoke", camera = "31010400001320000123", zone = "z7" },
        { id = "smoke-2", measure = "smoke", name = "仓库烟感", place = { grid = "310104007" } },
        { id = "smoke-3", measure = "smoke", camera = "31010400001320000123", zone = "z7" },
        { id = "smoke-4", measure = "smoke", camera = "31010400001320000123", zone = "z7" },
        { id = "bay-1", measure = "parking", camera = "31010400001320000123", zone = "z7" },
    ]
    [rules.smoke]
    clear_for = "0s"
"#;

type Cameras = HashMap<CameraId, (CameraInfo, Vec<Zone>)>;

struct Running {
    events: mpsc::Receiver<Event>,
    looks: Arc<Mutex<Vec<CameraId>>>,
    cameras: Arc<Mutex<Cameras>>,
    board: SensorBoard,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Running {
    fn start(broker: &Mosquitto, store: &Store, statuses: StatusBoard) -> Self {
        let config: SensorsConfig = toml::from_str(SENSORS).unwrap();
        let (sender, events) = mpsc::channel(8);
        let looks = Arc::new(Mutex::new(Vec::new()));
        let known = ticket(1);
        let cameras = HashMap::from([(known.incident.camera, (known.camera, vec![known.zone]))]);
        let cameras = Arc::new(Mutex::new(cameras));
        let service = SensorService::new(SensorSetup {
            config,
            mqtt: broker.config(),
            node: node(),
            store: store.clone(),
            camera: Arc::new({
                let cameras = Arc::clone(&cameras);
                move |id: &CameraId| cameras.lock().unwrap().get(id).cloned()
            }),
            events: sender,
            look_now: Arc::new({
                let looks = Arc::clone(&looks);
                move |camera: &CameraId| looks.lock().unwrap().push(camera.clone())
            }),
            statuses,
        })
        .unwrap();
        let (board, stop, mut task) = (service.board(), CancellationToken::new(), JoinSet::new());
        let stopped = stop.clone();
        task.spawn(async move { service.run(stopped).await.unwrap() });
        Self { events, looks, cameras, board, stop, task }
    }

    /// The next that is no word about a zone.
    async fn next(&mut self) -> Sensing {
        loop {
            match timeout(PATIENCE, self.events.recv()).await.expect("something happens").unwrap() {
                Event::Sensed(Sensing::Word(_)) => {}
                Event::Sensed(sensing) => return sensing,
                other => panic!("{other:?}"),
            }
        }
    }

    async fn next_open(&mut self) -> SensedCase {
        match self.next().await {
            Sensing::Open(case) => *case,
            other => panic!("{other:?}"),
        }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        timeout(PATIENCE, self.task.join_next()).await.expect("ends in time").unwrap().unwrap();
    }

    /// As a power cut does.
    async fn kill(mut self) {
        self.task.shutdown().await;
    }
}

fn topic(device: &str, measure: &str) -> String {
    format!("sensor/v1/310104/310104007/{device}/{measure}")
}

fn written(case: SensedCase) -> Ticket {
    let SensedCase { incident, camera, zone, .. } = case;
    Ticket { last_seen: incident.last_seen, evidence: Vec::new(), incident, camera, zone, ..ticket(1) }
}

#[tokio::test]
async fn smoke_becomes_a_case_that_asks_for_a_look() {
    let (broker, house) = (Mosquitto::open(), House::new().await);
    let mut running = Running::start(&broker, &house.store, StatusBoard::default());
    listening(&running).await;
    publish(broker.port, &topic("smoke-1", "smoke"), "1").await;
    let case = running.next_open().await;
    assert_eq!(case.incident.kind.as_str(), "fire.smoke");
    assert_eq!((case.incident.camera.as_str(), case.incident.zone.as_str()), ("31010400001320000123", "z7"));
    assert_eq!(case.look_at.as_ref(), Some(&case.incident.camera));
    assert_eq!(*running.looks.lock().unwrap(), vec![case.incident.camera.clone()]);
    assert_eq!(case.camera.place.as_ref().unwrap().grid.as_str(), "310104007003012", "that of its camera");
    publish(broker.port, &topic("smoke-2", "smoke"), "true").await;
    let case = running.next_open().await;
    assert_eq!((case.incident.camera.as_str(), case.look_at), ("smoke-2", None));
    assert_eq!(case.incident.reason, "仓库烟感 reports smoke");
    running.stop().await;
}

#[tokio::test]
async fn a_sensor_ticket_names_its_camera_as_it_is_now() {
    let (broker, house) = (Mosquitto::open(), House::new().await);
    let mut running = Running::start(&broker, &house.store, StatusBoard::default());
    listening(&running).await;
    for (camera, _) in running.cameras.lock().unwrap().values_mut() {
        camera.name = "moved to the north gate".into();
    }
    publish(broker.port, &topic("smoke-3", "smoke"), "1").await;
    let case = running.next_open().await;
    assert_eq!((case.camera.name.as_str(), case.incident.zone.as_str()), ("moved to the north gate", "z7"));
    running.cameras.lock().unwrap().clear();
    publish(broker.port, &topic("smoke-4", "smoke"), "1").await;
    let case = running.next_open().await;
    assert_eq!((case.incident.camera.as_str(), case.look_at), ("smoke-4", None));
    running.stop().await;
}

#[tokio::test]
async fn what_was_on_its_way_comes_again_after_a_kill_and_only_then() {
    let (broker, house) = (Mosquitto::open(), House::new().await);
    let mut running = Running::start(&broker, &house.store, StatusBoard::default());
    listening(&running).await;
    publish(broker.port, &topic("smoke-2", "smoke"), "1").await;
    let first = running.next_open().await;
    running.kill().await;
    // Nobody wrote the ticket: it comes again, as it was.
    let mut running = Running::start(&broker, &house.store, StatusBoard::default());
    let again = running.next_open().await;
    assert_eq!(again, first);
    let ticket = written(again);
    assert_eq!(house.store.open_ticket(&ticket, &[]).await.unwrap(), Opened::New);
    // The rules on looks know nothing of it.
    assert_eq!(house.store.open_tickets().await.unwrap(), []);
    listening(&running).await;
    publish(broker.port, &topic("smoke-2", "smoke"), "1").await;
    publish(broker.port, &topic("smoke-2", "smoke"), "0").await;
    let heard = running.next().await;
    assert!(matches!(heard, Sensing::Voice(of, Speech::Speaks) if of == ticket.id()), "it has its say: {heard:?}");
    assert!(matches!(running.next().await, Sensing::Holds { ticket: still, .. } if still == ticket.id()));
    let Sensing::Clear { ticket: cleared, .. } = running.next().await else { panic!("a clearing") };
    assert_eq!(cleared, ticket.id(), "the same smoke, no second ticket");
    running.kill().await;
    let mut running = Running::start(&broker, &house.store, StatusBoard::default());
    assert!(matches!(running.next().await, Sensing::Clear { ticket, .. } if ticket == cleared));
    running.stop().await;
}

#[tokio::test]
async fn a_rejected_ticket_keeps_its_sensor_quiet_also_after_a_kill() {
    let (broker, house) = (Mosquitto::open(), House::new().await);
    let mut running = Running::start(&broker, &house.store, StatusBoard::default());
    listening(&running).await;
    publish(broker.port, &topic("smoke-2", "smoke"), "1").await;
    let ticket = written(running.next_open().await);
    assert_eq!(house.store.open_ticket(&ticket, &[]).await.unwrap(), Opened::New);
    let at = Timestamp::from(std::time::SystemTime::now());
    let verdict = Verdict { reason: Some(Reason::new("false_alarm")), ..Verdict::new(VerdictKind::Rejected, at) };
    let ruling = Ruling::plain(ticket.id(), at, case::Event::Said(verdict));
    house.store.rule(&ruling, |_, _| CaseMessages::default()).await.unwrap();
    let ended = |memory: &Memory| matches!(memory.conditions.get("smoke"), Some(Condition::Ended { .. }));
    let device = "smoke-2".parse().unwrap();
    eventually_async("the sensor hears of it", async || {
        house.store.sensor_memories().await.unwrap().iter().any(|(id, memory)| *id == device && ended(memory))
    })
    .await;
    running.kill().await;
    let mut running = Running::start(&broker, &house.store, StatusBoard::default());
    listening(&running).await;
    publish(broker.port, &topic("smoke-2", "smoke"), "1").await;
    publish(broker.port, &topic("smoke-1", "smoke"), "1").await;
    assert_eq!(running.next_open().await.incident.zone.as_str(), "z7", "the other one's, and none before it");
    running.stop().await;
}

#[tokio::test]
async fn bad_messages_are_counted_and_cost_no_other() {
    let (broker, house) = (Mosquitto::open(), House::new().await);
    let mut running = Running::start(&broker, &house.store, StatusBoard::default());
    listening(&running).await;
    for (device, payload) in [("bin-1", "{"), ("bin-9", "50"), ("bin-1", "NaN"), ("bin-1", "101"), ("bin-1", "42")] {
        publish(broker.port, &topic(device, "fill"), payload).await;
    }
    publish(broker.port, &topic("smoke-1", "smoke"), "1").await;
    running.next_open().await;
    eventually_async("the board shows it", async || {
        let source = running.board.sources().remove(0);
        let kinds = [Problem::NotJson, Problem::UnknownDevice, Problem::NotANumber, Problem::OutOfRange];
        kinds.iter().all(|kind| source.problems.get(kind) == Some(&1)) && source.readings == 2
    })
    .await;
    let (_, topic, problem, payload) = running.board.sources()[0].last_problems[0].clone();
    assert_eq!(
        (topic.as_str(), problem, payload.as_str()),
        (self::topic("bin-1", "fill").as_str(), Problem::OutOfRange, "101")
    );
    running.stop().await;
    let kept = house.store.sensor_readings(&"bin-1".parse().unwrap(), 10).await.unwrap();
    assert_eq!(
        kept.iter().map(|(measure, noted)| (measure.as_str(), noted.value)).collect::<Vec<_>>(),
        [("fill", 42.0)]
    );
}

#[tokio::test]
async fn the_platform_hears_how_a_sensor_fares() {
    let (broker, house) = (Mosquitto::open(), House::new().await);
    let mut platform = Subscriber::new(broker.port, "gridwatch/v1/310104/+/sensor/+/status").await;
    let publisher = house.publisher(broker.config());
    let running = Running::start(&broker, &house.store, publisher.statuses.clone());
    listening(&running).await;
    publish(broker.port, &topic("bin-1", "fill"), r#"{"value": 41, "battery": 12}"#).await;
    let low = |m: &crate::subscriber::Received| m.json()["device"] == "bin-1" && m.json()["state"] == "battery_low";
    let all = platform.until(move |all| all.iter().any(low)).await;
    let told = all.iter().find(|m| low(m)).unwrap();
    assert_eq!(told.topic, "gridwatch/v1/310104/310104007/sensor/bin-1/status");
    assert_eq!((told.json()["value"].as_f64(), told.json()["battery"].as_f64()), (Some(41.0), Some(12.0)));
    running.stop().await;
    publisher.stop().await;
    let mut later = Subscriber::new(broker.port, "gridwatch/v1/310104/+/sensor/bin-1/status").await;
    assert!(later.until(|all| !all.is_empty()).await[0].retained);
}

async fn listening(running: &Running) {
    let all = alerts::mqtt::Hearing::All;
    eventually_async("the broker is listened to", async || {
        running.board.sources().first().is_some_and(|source| source.hearing == all)
    })
    .await;
}
