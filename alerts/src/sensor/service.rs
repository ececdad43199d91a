//! The part of sensors that runs: brokers are listened to, readings go through the core, and what it wants done is done.
//!
//! A message that changed something is acknowledged after the change is in the database; one that changed nothing, at
//! once. While the database refuses, nothing more is read and the brokers keep what comes. A ticket is in the database as
//! a case of a sensor before anybody hears of it, so that whatever was on its way when the process ended is done again.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, SystemTime},
};

use domain::{CameraId, Crs, DeviceId, GroundPoint, Millis, Timestamp};
use metrics::{counter, gauge};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    board::{DeviceView, SensorBoard, SourceView},
    config::{SensorError, SensorsConfig},
    core::{Case, Core, Effect, Outcome},
    health::State,
    mapping::{Mapping, Problem},
    measure::measure,
};
use crate::{
    AlertsError,
    incident::{Incident, Sensed, Zone, ZonePurpose},
    mqtt::{Hearing, Listener, Message, MqttConfig, Receipt, Subscription, jittered_pause},
    publisher::StatusBoard,
    service::{Event, SensedCase, Sensing},
    store::{SensorBatch, Store},
    ticket::CameraInfo,
    wire::{self, Node},
};

/// Messages that a broker may have given us unsettled. A broker may allow itself fewer (Mosquitto: 20).
const WINDOW: u16 = 1_000;
/// Messages taken together.
const BATCH: usize = 256;
/// Batches on their way from all listeners.
const BATCHES: usize = 4;
/// How often the core is told that time passes.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two notes of what every device said last.
const NOTE_EVERY: u32 = 10;
/// How long the case of a ticket that was cleared is remembered.
const ENDED: Millis = Millis::mins(7 * 24 * 60);
/// Ticks between two looks for history that is too old.
const FORGET_EVERY: u32 = 3_600;

/// Says what this module's metrics mean.
pub fn describe_metrics() {
    use metrics::{describe_counter, describe_gauge};
    describe_counter!("gridwatch_sensor_readings_total", "readings of sensors, by source");
    describe_counter!(
        "gridwatch_sensor_problems_total",
        "messages of sensors that are no reading, or not to be trusted in all, by source and reason"
    );
    describe_counter!("gridwatch_sensor_transitions_total", "changes of devices' states, by the new state");
    describe_counter!("gridwatch_sensor_write_failures_total", "writes of readings that failed and are retried");
    describe_gauge!("gridwatch_sensors", "devices, by state");
    describe_gauge!("gridwatch_sensor_listening", "1 while a source's broker is listened to in full, else 0");
}

/// Gives a camera with its zones, as it is configured when it is asked for. Must not block.
pub type CameraLookup = Arc<dyn Fn(&CameraId) -> Option<(CameraInfo, Vec<Zone>)> + Send + Sync>;

/// All that the sensors' service is made of.
pub struct SensorSetup {
    /// The section `[sensors]`.
    pub config: SensorsConfig,
    /// The platform's broker, for sources that name none of their own.
    pub mqtt: MqttConfig,
    /// Who we are.
    pub node: Node,
    /// Where readings and cases are written.
    pub store: Store,
    /// The cameras that devices may name.
    pub camera: CameraLookup,
    /// Where tickets are made.
    pub events: mpsc::Sender<Event>,
    /// Asks for a look at a camera. Must not block.
    pub look_now: Arc<dyn Fn(&CameraId) + Send + Sync>,
    /// Where the devices' states are put for the broker.
    pub statuses: StatusBoard,
}

/// One broker that is listened to.
struct Ear {
    /// Indices of its sources.
    sources: Vec<usize>,
    hearing: watch::Receiver<Hearing>,
    receipts: mpsc::Sender<Vec<Receipt>>,
}

/// Messages that one broker gave.
struct Heard {
    ear: usize,
    messages: Vec<Message>,
}

/// Reads sensors until stopped.
pub struct SensorService {
    config: SensorsConfig,
    mapping: Mapping,
    core: Core,
    node: Node,
    store: Store,
    camera: CameraLookup,
    events: mpsc::Sender<Event>,
    look_now: Arc<dyn Fn(&CameraId) + Send + Sync>,
    statuses: StatusBoard,
    board: SensorBoard,
    listeners: Vec<(Vec<usize>, Listener)>,
    sources: Vec<SourceView>,
    /// Devices that spoke since the last note.
    touched: BTreeSet<usize>,
    /// When a reading was last kept, by device and measure.
    kept: HashMap<(usize, Arc<str>), Timestamp>,
    batch: SensorBatch,
    /// What goes out once the batch is written.
    due: Vec<Sensing>,
    held: Vec<(usize, Receipt)>,
    /// Since when every source is heard; none while one is not.
    listening: Option<Timestamp>,
}

enum Wait {
    Heard(Heard),
    Ended,
    Tick,
    Stop,
}

impl SensorService {
    /// Puts a service together; connects to nothing yet.
    ///
    /// # Errors
    /// The first thing in the configuration that is wrong.
    pub fn new(setup: SensorSetup) -> Result<Self, SensorError> {
        let SensorSetup { config, mqtt, node, store, camera, events, look_now, statuses } = setup;
        let (mapping, core) = (Mapping::new(&config)?, Core::new(&config)?);
        let mut sources: Vec<_> = mapping
            .sources()
            .map(|(source, pattern)| SourceView {
                name: source.name.clone(),
                filter: pattern.filter(),
                ..SourceView::default()
            })
            .collect();
        sources.push(SourceView::default());
        let listeners = listeners(&mapping, &mqtt, &node)?;
        let board = SensorBoard::default();
        Ok(Self {
            config,
            mapping,
            core,
            node,
            store,
            camera,
            events,
            look_now,
            statuses,
            board,
            listeners,
            sources,
            touched: BTreeSet::new(),
            kept: HashMap::new(),
            batch: SensorBatch::default(),
            due: Vec::new(),
            held: Vec::new(),
            listening: None,
        })
    }

    /// What is known at any moment, for whoever shows it.
    #[must_use]
    pub fn board(&self) -> SensorBoard {
        self.board.clone()
    }

    /// Listens until `stop`.
    ///
    /// # Errors
    /// When the database cannot be read at the start. Later trouble is retried for as long as it takes.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), AlertsError> {
        self.restore().await?;
        let (sender, mut heard) = mpsc::channel(BATCHES);
        let mut tasks = JoinSet::new();
        let mut ears = Vec::new();
        for (index, (sources, listener)) in std::mem::take(&mut self.listeners).into_iter().enumerate() {
            // One batch of receipts for each unsettled message at most: sending never waits.
            let (receipts, settled) = mpsc::channel(usize::from(WINDOW));
            ears.push(Ear { sources, hearing: listener.hearing(), receipts });
            tasks.spawn(listen(index, listener, sender.clone(), settled));
        }
        drop(sender);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut n_ticks = 0_u32;
        let ended = self.store.sensors_ended();
        loop {
            let wait = tokio::select! {
                () = stop.cancelled() => Wait::Stop,
                () = ended.notified() => Wait::Ended,
                _ = ticks.tick() => Wait::Tick,
                some = heard.recv() => some.map_or(Wait::Stop, Wait::Heard),
            };
            let stopping = matches!(wait, Wait::Stop);
            match wait {
                Wait::Heard(batch) => self.hear(&ears, batch, now()),
                Wait::Ended => self.hear_ends(&ended).await,
                Wait::Tick => {
                    self.tick(&ears, now(), n_ticks);
                    if n_ticks.is_multiple_of(FORGET_EVERY) {
                        self.forget(now()).await;
                    }
                    n_ticks = n_ticks.wrapping_add(1);
                }
                Wait::Stop => self.note_touched(),
            }
            self.write(&stop).await;
            self.settle(&ears);
            if !self.tell().await || stopping {
                break;
            }
        }
        // Listeners leave their brokers once nobody settles any more.
        drop((ears, heard));
        while tasks.join_next().await.is_some() {}
        info!("sensors ended");
        Ok(())
    }

    /// Takes up what an earlier process left: what devices said, and cases that were on their way.
    async fn restore(&mut self) -> Result<(), AlertsError> {
        self.core.restore(self.store.sensor_memories().await?);
        for (ticket, ending, at) in self.store.ended_sensor_cases().await? {
            if let Some((device, outcome)) = self.core.ended(ticket, ending, at) {
                self.take(device, outcome);
            }
        }
        for unfinished in self.store.unfinished_sensor_cases().await? {
            match unfinished.cleared {
                None => self.due.push(Sensing::Open(Box::new(unfinished.opening))),
                Some((cleared_at, last_seen)) => {
                    if !unfinished.is_open {
                        self.due.push(Sensing::Open(Box::new(unfinished.opening)));
                    }
                    self.due.push(Sensing::Clear { ticket: unfinished.ticket, last_seen, cleared_at });
                }
            }
        }
        self.due.extend(self.core.words().into_iter().map(Sensing::Word));
        for device in 0..self.core.devices().len() {
            self.due.extend(self.core.voices(device).filter_map(|effect| match effect {
                Effect::Voice(ticket, heard) => Some(Sensing::Voice(ticket, heard)),
                _ => None,
            }));
        }
        let views = self.core.devices().iter().enumerate().map(|(index, device)| DeviceView {
            device: device.clone(),
            memory: self.core.memory(index).cloned().unwrap_or_default(),
        });
        let views: Vec<_> = views.collect();
        for view in &views {
            self.statuses.post(
                wire::sensor_status_topic(view.device.place.as_ref(), &self.node, &view.device.id),
                wire::sensor_status(&view.device, &view.memory, &self.node),
            );
        }
        info!(devices = views.len(), sources = self.sources.len() - 1, "sensors are listened to");
        self.board.set_devices(views);
        Ok(())
    }

    /// Takes in which tickets were rejected or closed.
    async fn hear_ends(&mut self, again: &Notify) {
        match self.store.ended_sensor_cases().await {
            Ok(ended) => {
                for (ticket, ending, at) in ended {
                    if let Some((device, outcome)) = self.core.ended(ticket, ending, at) {
                        info!(%ticket, device = %self.core.devices()[device].id, ?ending, "a ticket of a sensor ended");
                        self.take(device, outcome);
                    }
                }
            }
            Err(failure) => {
                warn!(error = %failure, "the ends of tickets of sensors cannot be read, trying again");
                tokio::time::sleep(jittered_pause(0)).await;
                again.notify_one();
            }
        }
    }

    fn hear(&mut self, ears: &[Ear], heard: Heard, now: Timestamp) {
        let mut notable = false;
        let Heard { ear, messages } = heard;
        for message in &messages {
            // The mapping is borrowed while the rest of the service takes in what it says.
            let mut said = Vec::with_capacity(1);
            self.mapping.read(&ears[ear].sources, &message.topic, &message.payload, now, |source, result| {
                said.push((source, result));
            });
            for (source, result) in said {
                let source = source.unwrap_or(self.sources.len() - 1);
                match result {
                    Ok(reading) => {
                        self.sources[source].readings += 1;
                        if let Some(problem) = reading.remark {
                            self.problem(source, now, message, problem);
                        }
                        let last = self.kept.get(&(reading.device, Arc::clone(&reading.measure)));
                        let outcome = self.core.read(&reading);
                        if outcome.notable
                            || last.is_none_or(|last| reading.at.since(*last) >= self.config.history_every)
                        {
                            self.keep(&reading);
                        }
                        notable |= outcome.notable;
                        self.take(reading.device, outcome);
                    }
                    Err(refused) => {
                        self.problem(source, now, message, refused.problem);
                        if let (Some(device), Problem::OutOfRange) = (refused.device, refused.problem) {
                            let outcome = self.core.odd(device, now);
                            notable |= outcome.notable;
                            self.take(device, outcome);
                        }
                    }
                }
            }
        }
        let receipts: Vec<_> = messages.iter().map(|m| m.receipt).filter(Receipt::is_owed).collect();
        if notable {
            self.held.extend(receipts.into_iter().map(|receipt| (ear, receipt)));
        } else if !receipts.is_empty() {
            // A listener that is gone gets its messages again.
            let _ = ears[ear].receipts.try_send(receipts);
        }
    }

    fn problem(&mut self, source: usize, now: Timestamp, message: &Message, problem: Problem) {
        let view = &mut self.sources[source];
        counter!("gridwatch_sensor_problems_total", "source" => view.name.clone(), "reason" => problem.label())
            .increment(1);
        view.note(now, &message.topic, problem, &message.payload);
    }

    fn keep(&mut self, reading: &super::Reading) {
        let Some(device) = self.core.devices().get(reading.device) else { return };
        let noted = super::Noted { at: reading.at, value: reading.value };
        self.batch.readings.push((device.id.clone(), reading.measure.to_string(), noted));
        self.kept.insert((reading.device, Arc::clone(&reading.measure)), reading.at);
    }

    /// Takes in what came of one device.
    fn take(&mut self, device: usize, outcome: Outcome) {
        self.touched.insert(device);
        if outcome.notable {
            self.note(device);
        }
        for effect in outcome.effects {
            match effect {
                Effect::Open(case) => {
                    let opening = self.opening(*case);
                    if let Some(camera) = &opening.look_at {
                        (self.look_now)(camera);
                    }
                    self.batch.opened.push(opening.clone());
                    self.due.push(Sensing::Open(Box::new(opening)));
                }
                Effect::Holds { ticket, at } => self.due.push(Sensing::Holds { ticket, at }),
                Effect::Voice(ticket, heard) => self.due.push(Sensing::Voice(ticket, heard)),
                Effect::Clear { ticket, last_seen, cleared_at } => {
                    self.batch.cleared.push((ticket, cleared_at, last_seen));
                    self.due.push(Sensing::Clear { ticket, last_seen, cleared_at });
                }
                Effect::Word(word) => self.due.push(Sensing::Word(word)),
                Effect::Health(state) => self.tell_state(device, state),
            }
        }
    }

    fn tell_state(&self, device: usize, state: State) {
        let (Some(of_device), Some(memory)) = (self.core.devices().get(device), self.core.memory(device)) else {
            return;
        };
        counter!("gridwatch_sensor_transitions_total", "state" => state.as_str()).increment(1);
        if state == State::Ok {
            debug!(device = %of_device.id, "a sensor is well");
        } else {
            warn!(device = %of_device.id, state = state.as_str(), "a sensor is not well");
        }
        self.statuses.post(
            wire::sensor_status_topic(of_device.place.as_ref(), &self.node, &of_device.id),
            wire::sensor_status(of_device, memory, &self.node),
        );
    }

    /// Has a device's memory written with the next batch.
    fn note(&mut self, device: usize) {
        if let (Some(of_device), Some(memory)) = (self.core.devices().get(device), self.core.memory(device)) {
            self.batch.memories.insert(of_device.id.clone(), memory.clone());
        }
    }

    fn note_touched(&mut self) {
        for device in std::mem::take(&mut self.touched) {
            self.note(device);
        }
    }

    fn tick(&mut self, ears: &[Ear], now: Timestamp, n_ticks: u32) {
        let mut all = true;
        for ear in ears {
            let hearing = ear.hearing.borrow().clone();
            all &= hearing == Hearing::All;
            for source in &ear.sources {
                let view = &mut self.sources[*source];
                view.hearing = hearing.clone();
                let listening = if hearing == Hearing::All { 1.0 } else { 0.0 };
                gauge!("gridwatch_sensor_listening", "source" => view.name.clone()).set(listening);
                counter!("gridwatch_sensor_readings_total", "source" => view.name.clone()).absolute(view.readings);
            }
        }
        self.listening = if all { Some(self.listening.unwrap_or(now).min(now)) } else { None };
        for (device, outcome) in self.core.tick(now, self.listening) {
            self.take(device, outcome);
        }
        let memory = |device: usize| Some((device, self.core.memory(device)?.clone()));
        self.board.post(self.touched.iter().filter_map(|device| memory(*device)));
        self.board.set_sources(self.sources.clone());
        if n_ticks.is_multiple_of(NOTE_EVERY) {
            self.count_states();
            self.note_touched();
        }
    }

    fn count_states(&self) {
        let mut states: HashMap<State, u32> = HashMap::new();
        for device in 0..self.core.devices().len() {
            if let Some(memory) = self.core.memory(device) {
                *states.entry(memory.health.state).or_default() += 1;
            }
        }
        for state in [State::Silent, State::OutOfRange, State::Stuck, State::BatteryLow, State::Ok, State::Waiting] {
            let n = states.get(&state).copied().unwrap_or_default();
            gauge!("gridwatch_sensors", "state" => state.as_str()).set(f64::from(n));
        }
    }

    /// Writes the batch, however long that takes; on the way out it is tried once.
    async fn write(&mut self, stop: &CancellationToken) {
        let mut attempts = 0;
        while !self.batch.is_empty() {
            match self.store.write_sensors(&self.batch).await {
                Ok(()) => self.batch = SensorBatch::default(),
                Err(failure) => {
                    counter!("gridwatch_sensor_write_failures_total").increment(1);
                    if attempts == 0 {
                        error!(error = %failure, "readings cannot be written, retrying until they can");
                    }
                    if stop.run_until_cancelled(tokio::time::sleep(jittered_pause(attempts))).await.is_none() {
                        // What is not written is not settled either: the broker gives it again.
                        self.held.clear();
                        return;
                    }
                    attempts += 1;
                }
            }
        }
    }

    fn settle(&mut self, ears: &[Ear]) {
        let mut by_ear: HashMap<usize, Vec<Receipt>> = HashMap::new();
        for (ear, receipt) in self.held.drain(..) {
            by_ear.entry(ear).or_default().push(receipt);
        }
        for (ear, receipts) in by_ear {
            let _ = ears[ear].receipts.try_send(receipts);
        }
    }

    /// Hands on what is due; says whether there is anybody to take it.
    async fn tell(&mut self) -> bool {
        for sensing in std::mem::take(&mut self.due) {
            if self.events.send(Event::Sensed(sensing)).await.is_err() {
                return false;
            }
        }
        true
    }

    async fn forget(&mut self, now: Timestamp) {
        if let Err(failure) = self.store.forget_sensor_readings(now - self.config.history_for, now - ENDED).await {
            warn!(error = %failure, "old readings stay for another hour");
        }
    }

    /// All that a ticket says, frozen.
    fn opening(&self, case: Case) -> SensedCase {
        let device = &self.core.devices()[case.device];
        let seen_by = device.camera.as_ref().and_then(|id| Some((id, (self.camera)(id)?)));
        let seen_by = seen_by.as_ref();
        let zone = seen_by.and_then(|(_, (_, zones))| zones.iter().find(|zone| Some(&zone.id) == device.zone.as_ref()));
        let zone = zone.cloned().unwrap_or_else(|| surroundings(&device.id));
        // A camera's place is not its device's.
        let ground =
            device.place.as_ref().and_then(|place| Some(GroundPoint { crs: Crs::Wgs84, x: place.lon?, y: place.lat? }));
        let place = device.place.clone().or_else(|| seen_by.and_then(|(_, (camera, _))| camera.place.clone()));
        let camera = seen_by.map_or_else(|| observer(&device.id), |(id, _)| (*id).clone());
        let name = seen_by.map_or_else(|| device.display_name().to_owned(), |(_, (camera, _))| camera.name.clone());
        let last_seen = case.noted.last().map_or(case.confirmed_at, |noted| noted.at);
        let unit = measure(&case.measure).map_or("", |m| m.unit);
        let n = u32::try_from(case.noted.len()).unwrap_or(u32::MAX);
        SensedCase {
            incident: Incident {
                ticket: case.ticket,
                camera,
                kind: case.kind,
                zone: zone.id.clone(),
                first_seen: case.since,
                last_seen,
                confirmed_at: case.confirmed_at,
                dwell: case.confirmed_at.since(case.since),
                looks: n,
                hits: n,
                score_max: 1.0,
                score_median: 1.0,
                bbox: domain::Rect { x0: 0.0, y0: 0.0, x1: 1.0, y1: 1.0 },
                ground: None,
                things: Vec::new(),
                reason: case.reason,
                reason_zh: case.reason_zh,
                rule: case.rule,
                model: domain::ModelRef { name: "none".into(), sha256: domain::Sha256::of(b"") },
                sensed: Some(Box::new(Sensed {
                    device: device.id.clone(),
                    name: device.display_name().to_owned(),
                    measure: case.measure,
                    unit: unit.to_owned(),
                    readings: case.noted,
                })),
            },
            camera: CameraInfo { name, place },
            zone,
            joins: case.joins,
            ground,
            look_at: device.camera.clone().filter(|_| case.look && seen_by.is_some()),
            review: case.review,
        }
    }
}

/// What stands for the camera on the ticket of a device that none sees: the device itself.
fn observer(device: &DeviceId) -> CameraId {
    device.as_str().parse().expect("ids of devices and cameras have one form")
}

fn surroundings(device: &DeviceId) -> Zone {
    let whole = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    let polygon = serde_json::from_value(serde_json::json!(whole)).expect("a square is a polygon");
    Zone {
        id: device.as_str().parse().expect("ids of devices and zones have one form"),
        name: String::new(),
        purpose: ZonePurpose::Surroundings,
        polygon,
        dwell: None,
        overlaps: Vec::new(),
    }
}

/// One listener for the platform's broker, one for each source that has a broker of its own.
fn listeners(mapping: &Mapping, mqtt: &MqttConfig, node: &Node) -> Result<Vec<(Vec<usize>, Listener)>, SensorError> {
    let mut shared: (Vec<usize>, BTreeSet<String>) = Default::default();
    let mut all = Vec::new();
    let listener = |config: &MqttConfig, name: &str, filters: Vec<String>| {
        let client_id =
            format!("{}{name}", config.client_id.clone().unwrap_or_else(|| format!("gridwatch-{}", node.id)));
        let subscription = Subscription { window: WINDOW, ..Subscription::new(filters) };
        Listener::new(config.clone(), client_id, subscription)
            .map_err(|error| SensorError { place: format!("sources{name}.mqtt"), problem: error.to_string() })
    };
    for (index, (source, pattern)) in mapping.sources().enumerate() {
        match &source.mqtt {
            None => {
                shared.0.push(index);
                shared.1.insert(pattern.filter());
            }
            Some(own) => {
                let name = format!("-sensors-{}", source.name);
                all.push((vec![index], listener(own, &name, vec![pattern.filter()])?));
            }
        }
    }
    if !shared.0.is_empty() {
        all.push((shared.0, listener(mqtt, "-sensors", shared.1.into_iter().collect())?));
    }
    Ok(all)
}

/// Hands on what one broker gives, and settles what is done, until nobody wants it.
async fn listen(
    ear: usize,
    mut listener: Listener,
    heard: mpsc::Sender<Heard>,
    mut receipts: mpsc::Receiver<Vec<Receipt>>,
) {
    loop {
        tokio::select! {
            message = listener.next() => {
                let mut messages = vec![message];
                while let Some(message) = listener.try_next() {
                    messages.push(message);
                    if messages.len() == BATCH {
                        break;
                    }
                }
                if heard.send(Heard { ear, messages }).await.is_err() {
                    break;
                }
            }
            settled = receipts.recv() => {
                let Some(settled) = settled else { break };
                settled.into_iter().for_each(|receipt| listener.settle(receipt));
            }
        }
    }
    while let Ok(settled) = receipts.try_recv() {
        settled.into_iter().for_each(|receipt| listener.settle(receipt));
    }
    listener.leave().await;
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
