//! A server for thousands of simulated cameras: one thread sends all pictures, a task answers each client's requests.
//!
//! ```text
//! Clip --once--> Reel (packets) --+--> pacer thread ---pictures---> clients
//!                                 |        ^ Watch, Answer, Leave
//!                        connection tasks (requests, passwords, session limits)
//! ```
//!
//! It promises: a picture is cut into packets once, however many watch it; no client delays another one; a camera's
//! time runs on whether or not someone watches; each fault of [`Fault`] can be had, by camera and at any time. TCP only.

mod auth;
mod connection;
mod description;
mod hosts;
mod pacer;
mod packets;
mod reel;
mod script;

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gstreamer as gst;
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};

use self::{auth::Login, hosts::Host, pacer::Order, reel::Reel};
pub use self::{
    hosts::NoRoom,
    script::{FaultScript, ScriptedFault},
};
use super::{
    Fault, Mount, Served, SimulateConfig, SimulateError, Source,
    clip::Encoding,
    is_safe,
    sources::{Content, Loader},
};

/// Requests on their way to the pacer; when full, the connection's task waits.
const ORDERS: usize = 1024;

/// What a fleet has beside what each simulator has.
#[derive(Debug, Clone, Default)]
pub struct FleetConfig {
    /// How it listens, whom it admits, where transcoded recordings are kept.
    pub simulate: SimulateConfig,
    /// Devices that the cameras hang off, each with a loopback address of its own; 0 and 1 are one.
    pub hosts: usize,
    /// The most sessions that a device admits.
    pub sessions_per_host: Option<usize>,
    /// What it answers to more.
    pub no_room: NoRoom,
    /// Recordings are transcoded to about so many kbit/s; without it they are sent as they are where possible.
    pub kbit_s: Option<u32>,
    /// What goes wrong when.
    pub script: FaultScript,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FleetReport {
    /// Sessions at the moment.
    pub sessions: usize,
    /// The most sessions that any one host had at once.
    pub most_of_a_host: usize,
    /// Sessions that were refused because their host had no room.
    pub refused: usize,
}

/// What a camera shows.
struct Shows {
    usually: Arc<Reel>,
    /// While its encoder is a "smart" one, and while it is set to half its size.
    smart: Option<Arc<Reel>>,
    small: Option<Arc<Reel>>,
}

/// One simulated camera.
struct Camera {
    host: usize,
    shows: Shows,
    offset: Duration,
    began: Instant,
    fault: Mutex<Fault>,
}

impl Camera {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it shows at the moment.
    fn reel(&self) -> Arc<Reel> {
        let other = match self.fault() {
            Fault::SmartCodec => self.shows.smart.as_ref(),
            Fault::SmallPicture => self.shows.small.as_ref(),
            _ => None,
        };
        Arc::clone(other.unwrap_or(&self.shows.usually))
    }

    /// How far into its loop it is.
    fn time(&self, now: Instant) -> Duration {
        self.offset + now.saturating_duration_since(self.began)
    }
}

struct Shared {
    cameras: BTreeMap<String, Arc<Camera>>,
    login: Option<Login>,
    orders: mpsc::Sender<Order>,
    ids: AtomicU64,
}

impl Shared {
    fn camera(&self, name: &str, host: &Host) -> Option<Arc<Camera>> {
        self.cameras.get(name).filter(|camera| camera.host == host.number).cloned()
    }

    /// Whether a host takes no connection at all: whoever comes to a device that is off at TCP is not asked for which camera.
    fn is_reset(&self, host: &Host) -> bool {
        let mut cameras = self.cameras.values().filter(|camera| camera.host == host.number).peekable();
        cameras.peek().is_some() && cameras.all(|camera| camera.fault() == Fault::Reset)
    }

    fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn set_fault(&self, name: &str, fault: Fault) -> Result<(), SimulateError> {
        let camera = self.cameras.get(name).ok_or_else(|| SimulateError::UnknownMount { name: name.to_owned() })?;
        let prepared = match fault {
            Fault::SmartCodec => camera.shows.smart.is_some(),
            Fault::SmallPicture => camera.shows.small.is_some(),
            _ => true,
        };
        if !prepared {
            let reason =
                "its pictures for that were not prepared; name the fault in the script that the simulator starts with";
            return Err(SimulateError::NoSuchFault { name: name.to_owned(), reason });
        }
        *camera.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        Ok(())
    }
}

/// A fleet that is being served, until this is dropped.
pub struct Fleet {
    served: Vec<Served>,
    skipped: Vec<(String, SimulateError)>,
    hosts: Vec<Arc<Host>>,
    shared: Arc<Shared>,
    /// Aborted when dropped, with all connections; the pacer ends with the last of them.
    _tasks: JoinSet<()>,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fleet({} cameras on {} hosts)", self.served.len(), self.hosts.len())
    }
}

/// Recordings that are ready to be served; what takes time is behind it.
struct Ready {
    config: FleetConfig,
    cameras: Vec<(Mount, Shows)>,
    skipped: Vec<(String, SimulateError)>,
}

impl Ready {
    /// Reads and transcodes recordings; blocks, up to minutes.
    fn new(config: FleetConfig, mounts: Vec<Mount>) -> Result<Self, SimulateError> {
        gst::init().map_err(|error| SimulateError::Gstreamer { reason: error.to_string() })?;
        let mut names = HashSet::new();
        if let Some(twice) = mounts.iter().find(|mount| !names.insert(mount.name.as_str())) {
            return Err(SimulateError::Duplicate { name: twice.name.clone() });
        }
        let count = mounts.len();
        let usual = config.kbit_s.map_or(Encoding::AsRecorded, Encoding::Rate);
        let mut reels = Reels { loader: Loader::new(&config.simulate), made: Vec::new() };
        let (mut cameras, mut skipped) = (Vec::new(), Vec::new());
        for mount in mounts {
            let mut prepare = || {
                let needed = |fault| config.script.needs(&mount.name, fault);
                let mut other = |fault, encoding| needed(fault).then(|| reels.reel(&mount, encoding)).transpose();
                let smart = other(Fault::SmartCodec, Encoding::Smart)?;
                let small = other(Fault::SmallPicture, Encoding::Small)?;
                Ok(Shows { usually: reels.reel(&mount, usual)?, smart, small })
            };
            match prepare() {
                Ok(shows) => cameras.push((mount, shows)),
                Err(error) => {
                    tracing::warn!(%error, camera = mount.name, "camera left out");
                    skipped.push((mount.name, error));
                }
            }
        }
        if cameras.is_empty() {
            return Err(match skipped.into_iter().next() {
                Some((_, error)) if count == 1 => error,
                Some((_, error)) => SimulateError::AllFailed { count, first: Box::new(error) },
                None => SimulateError::NothingToServe,
            });
        }
        Ok(Self { config, cameras, skipped })
    }

    /// Listens, and serves from now on.
    async fn serve(self) -> Result<Fleet, SimulateError> {
        let Self { config, cameras, skipped } = self;
        let listen = config.simulate.listen;
        let mut listeners = Vec::new();
        let mut port = listen.port();
        for ip in hosts::addresses(listen, config.hosts)? {
            let address = SocketAddr::new(ip, port);
            let failed = |error: std::io::Error| SimulateError::Listen { address, reason: error.to_string() };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            port = listener.local_addr().map_err(failed)?.port();
            listeners.push(listener);
        }
        let hosts: Vec<_> = (0..listeners.len())
            .map(|number| Arc::new(Host::new(number, config.sessions_per_host, config.no_room)))
            .collect();

        let (orders, taken) = mpsc::channel(ORDERS);
        std::thread::Builder::new()
            .name("simulate-pace".to_owned())
            .spawn(move || pacer::run(taken))
            .map_err(|error| SimulateError::Gstreamer { reason: format!("no thread could be started: {error}") })?;

        let began = Instant::now();
        let count = cameras.len();
        let (mut by_name, mut served) = (BTreeMap::new(), Vec::new());
        for (number, (mount, shows)) in cameras.into_iter().enumerate() {
            // Neighbours hang off one device.
            let host = number * hosts.len() / count;
            let ip = listeners[host].local_addr().map_or(listen.ip(), |address| address.ip());
            served.push(Served {
                url: super::url(SocketAddr::new(ip, port), &mount.name),
                codec: Some(shows.usually.codec()),
                size: shows.usually.program.clips()[0].size,
                duration: Some(shows.usually.program.total()),
                name: mount.name.clone(),
            });
            let fault = Mutex::default();
            let camera = Camera { host, shows, offset: mount.offset, began, fault };
            by_name.insert(mount.name, Arc::new(camera));
        }
        let login = config.simulate.username.map(|username| Login {
            username,
            password: config.simulate.password.unwrap_or_else(|| domain::Secret::new("")),
        });
        let shared = Arc::new(Shared { cameras: by_name, login, orders, ids: AtomicU64::new(1) });

        let script = config.script.timeline(shared.cameras.keys().map(String::as_str))?;
        let mut tasks = JoinSet::new();
        for (listener, host) in listeners.into_iter().zip(&hosts) {
            tasks.spawn(accept(listener, Arc::clone(host), Arc::clone(&shared)));
        }
        tasks.spawn(script::play(script, Arc::clone(&shared)));
        tracing::info!(
            cameras = served.len(),
            hosts = hosts.len(),
            skipped = skipped.len(),
            "serving simulated cameras"
        );
        Ok(Fleet { served, skipped, hosts, shared, _tasks: tasks })
    }
}

/// Each clip in packets once, however many cameras show it.
struct Reels<'a> {
    loader: Loader<'a>,
    made: Vec<((Source, super::View, Encoding), Arc<Reel>)>,
}

impl Reels<'_> {
    fn reel(&mut self, mount: &Mount, encoding: Encoding) -> Result<Arc<Reel>, SimulateError> {
        if !is_safe(&mount.name) {
            return Err(SimulateError::Name { name: mount.name.clone() });
        }
        let key = (mount.source.clone(), mount.view, encoding);
        if let Some((_, reel)) = self.made.iter().find(|(known, _)| *known == key) {
            return Ok(Arc::clone(reel));
        }
        let Content::Program(program) = self.loader.content(mount, encoding)? else {
            let reason = "is served by the single-camera simulator only".to_owned();
            return Err(SimulateError::Launch { name: mount.name.clone(), reason });
        };
        let reel = Arc::new(Reel::new(program)?);
        self.made.push((key, Arc::clone(&reel)));
        Ok(reel)
    }
}

async fn accept(listener: TcpListener, host: Arc<Host>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) if shared.is_reset(&host) => {
                    // Closed with nothing left to send, it is a reset.
                    let _ = socket.set_zero_linger();
                }
                Ok((socket, _)) => {
                    connections.spawn(connection::serve(socket, Arc::clone(&host), Arc::clone(&shared)));
                }
                Err(error) => {
                    // No more files, most likely: some connection ends sooner or later.
                    tracing::warn!(%error, "a client could not be taken in");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Fleet {
    /// Prepares all recordings, which may take minutes (`progress` is told), and serves them. The script's times count
    /// from then on.
    ///
    /// # Errors
    /// When two mounts have one name, no mount can be served, the script names no camera that is there, or an address
    /// cannot be listened on. A mount that fails among good ones is logged and told by [`Fleet::skipped`].
    pub async fn start(config: FleetConfig, mounts: Vec<Mount>) -> Result<Self, SimulateError> {
        let ready = tokio::task::spawn_blocking(move || Ready::new(config, mounts));
        let failed = |_| SimulateError::Gstreamer { reason: "the preparation of recordings failed".to_owned() };
        ready.await.map_err(failed)??.serve().await
    }

    /// The cameras, in the order of their mounts.
    #[must_use]
    pub fn mounts(&self) -> &[Served] {
        &self.served
    }

    /// The mounts that cannot be served, and why.
    #[must_use]
    pub fn skipped(&self) -> &[(String, SimulateError)] {
        &self.skipped
    }

    /// What happened so far.
    #[must_use]
    pub fn report(&self) -> FleetReport {
        let mut report = FleetReport::default();
        for host in &self.hosts {
            let (most, refused) = host.record();
            report.sessions += host.sessions();
            report.most_of_a_host = report.most_of_a_host.max(most);
            report.refused += refused;
        }
        report
    }

    /// Lets a camera fail, or work again. Takes effect at once, for connected clients and new ones.
    ///
    /// # Errors
    /// When no such camera is served, or its pictures for this fault were not prepared.
    pub fn set_fault(&self, name: &str, fault: Fault) -> Result<(), SimulateError> {
        self.shared.set_fault(name, fault)
    }
}
