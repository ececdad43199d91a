//! The RTSP server: one mount a camera, one shared media a mount while someone watches, clients let in, counted and cut off.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use gstreamer::{self as gst, glib, prelude::*};
use gstreamer_app::{AppSrc, AppSrcCallbacks};
use gstreamer_rtsp_server::{
    self as rtsp, RTSPClient, RTSPContext, RTSPFilterResult, RTSPMedia, RTSPMediaFactory, RTSPServer,
    gst_rtsp::{RTSPAuthMethod, RTSPLowerTrans, RTSPStatusCode},
    prelude::*,
};

use super::{
    Fault, Mount, Served, SimulateConfig, SimulateError, Start,
    clip::Encoding,
    feeder::{Feeder, FeederHandle},
    program::Program,
    sources::{Content, Loader, feed_line},
};

/// What a client must be to see a camera, where a password is asked for.
const ROLE: &str = "viewer";

/// GstRTSPAuthMethod is a set of bits that the binding takes for an enumeration: this is `Basic` (1) with `Digest` (2).
const BASIC_AND_DIGEST: RTSPAuthMethod = RTSPAuthMethod::__Unknown(3);

/// Sessions of clients that vanished are looked for this often.
const CLEAN_UP_S: u32 = 5;

/// One camera as the server and the feeder see it.
pub(super) struct Camera {
    name: String,
    content: Content,
    offset: Duration,
    start: Start,
    began: Instant,
    fault: Mutex<Fault>,
    clients: Mutex<Vec<glib::WeakRef<RTSPClient>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Camera {
    pub(super) fn program(&self) -> Option<&Program> {
        match &self.content {
            Content::Program(program) => Some(program),
            Content::Launch(_) => None,
        }
    }

    pub(super) fn fault(&self) -> Fault {
        *lock(&self.fault)
    }

    pub(super) fn offset(&self) -> Duration {
        self.offset
    }

    /// When its program began, for a stream that begins `now`.
    pub(super) fn origin(&self, now: Instant) -> Instant {
        match self.start {
            Start::Running => self.began,
            Start::FirstClient => now,
        }
    }

    /// Lets a client's request through, and remembers whose it is.
    fn admit(&self, client: &RTSPClient) -> RTSPStatusCode {
        let mut clients = lock(&self.clients);
        clients.retain(|known| known.upgrade().is_some_and(|known| known != *client));
        if self.fault() == Fault::Drop {
            return RTSPStatusCode::ServiceUnavailable;
        }
        clients.push(client.downgrade());
        RTSPStatusCode::Ok
    }

    fn forget(&self, client: &RTSPClient) {
        lock(&self.clients).retain(|known| known.upgrade().is_some_and(|known| known != *client));
    }

    fn served(&self, address: SocketAddr) -> Served {
        let program = self.program();
        let clip = program.and_then(|program| program.clips().first());
        Served {
            name: self.name.clone(),
            url: super::url(address, &self.name),
            codec: clip.map(|clip| clip.codec),
            size: clip.and_then(|clip| clip.size),
            duration: program.map(Program::total),
        }
    }
}

type Cameras = Arc<BTreeMap<String, Arc<Camera>>>;

/// Recordings served as RTSP cameras until this is stopped or dropped.
pub struct Simulator {
    address: SocketAddr,
    served: Vec<Served>,
    skipped: Vec<(String, SimulateError)>,
    cameras: Cameras,
    server: RTSPServer,
    source: glib::SourceId,
    context: glib::MainContext,
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
    feeder: Feeder,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Simulator({} cameras on {})", self.cameras.len(), self.address)
    }
}

impl Simulator {
    /// Prepares all recordings, which may take a while (`config.progress` is told), and serves them. Blocks meanwhile.
    ///
    /// # Errors
    /// When the address cannot be listened on, two mounts have one name, or no mount can be served. A mount that fails
    /// among good ones is logged and told by [`Simulator::skipped`].
    pub fn start(config: SimulateConfig, mounts: Vec<Mount>) -> Result<Self, SimulateError> {
        gst::init().map_err(|error| SimulateError::Gstreamer { reason: error.to_string() })?;
        let listen = config.listen;
        let listen_error = |reason: String| SimulateError::Listen { address: listen, reason };
        // The server's own error has no reason in it, and recordings may take minutes: ask first.
        drop(TcpListener::bind(listen).map_err(|error| listen_error(error.to_string()))?);

        let count = mounts.len();
        let (cameras, skipped) = load(&config, mounts)?;
        if cameras.is_empty() {
            return Err(match skipped.into_iter().next() {
                Some((_, error)) if count == 1 => error,
                Some((_, error)) => SimulateError::AllFailed { count, first: Box::new(error) },
                None => SimulateError::NothingToServe,
            });
        }
        let cameras: Cameras = Arc::new(cameras);

        let thread_error =
            |error: std::io::Error| SimulateError::Gstreamer { reason: format!("no thread could be started: {error}") };
        let feeder = Feeder::start().map_err(thread_error)?;
        let server = server(&config, &cameras, &feeder.handle())?;
        let context = glib::MainContext::new();
        let source = server.attach(Some(&context)).map_err(|error| listen_error(error.to_string()))?;
        let port = u16::try_from(server.bound_port()).map_err(|_| listen_error("no port was bound".to_owned()))?;
        let address = SocketAddr::new(listen.ip(), port);

        if let Some(pool) = server.session_pool() {
            let clean_up = glib::timeout_source_new_seconds(CLEAN_UP_S, None, glib::Priority::DEFAULT, move || {
                pool.cleanup();
                glib::ControlFlow::Continue
            });
            clean_up.attach(Some(&context));
        }
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let (of_thread, looping) = (context.clone(), main_loop.clone());
        let thread = std::thread::Builder::new()
            .name("simulate-rtsp".to_owned())
            .spawn(move || {
                if of_thread.with_thread_default(|| looping.run()).is_err() {
                    tracing::error!("the simulator's main loop could not run");
                }
            })
            .map_err(thread_error)?;
        let served: Vec<_> = cameras.values().map(|camera| camera.served(address)).collect();
        tracing::info!(%address, cameras = served.len(), skipped = skipped.len(), "serving simulated cameras");
        Ok(Self { address, served, skipped, cameras, server, source, context, main_loop, thread: Some(thread), feeder })
    }

    /// Where it listens, with the port that was bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of one camera, without user and password; by loopback where all addresses are listened on.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        super::url(self.address, name)
    }

    /// The cameras, by name.
    #[must_use]
    pub fn mounts(&self) -> &[Served] {
        &self.served
    }

    /// The mounts that cannot be served, and why.
    #[must_use]
    pub fn skipped(&self) -> &[(String, SimulateError)] {
        &self.skipped
    }

    /// How many clients are connected to a camera.
    #[must_use]
    pub fn clients(&self, name: &str) -> usize {
        self.cameras.get(name).map_or(0, |camera| lock(&camera.clients).iter().filter_map(|c| c.upgrade()).count())
    }

    /// Lets a camera fail, or work again. Takes effect at once, for connected clients and new ones.
    ///
    /// # Errors
    /// When no such camera is served, or its kind cannot fail in this way.
    pub fn set_fault(&self, name: &str, fault: Fault) -> Result<(), SimulateError> {
        let camera = self.cameras.get(name).ok_or_else(|| SimulateError::UnknownMount { name: name.to_owned() })?;
        let reason = match fault {
            Fault::None | Fault::Stall | Fault::Drop => None,
            Fault::CorruptKeyframes if camera.program().is_some() => None,
            Fault::CorruptKeyframes => Some("keyframes of a launch line cannot be corrupted; use a recording"),
            _ => Some("only cameras of a fleet can fail in this way"),
        };
        if let Some(reason) = reason {
            return Err(SimulateError::NoSuchFault { name: name.to_owned(), reason });
        }
        *lock(&camera.fault) = fault;
        self.feeder.handle().wake();
        if fault == Fault::Drop {
            let clients: Vec<_> = lock(&camera.clients).drain(..).filter_map(|client| client.upgrade()).collect();
            self.close(&mut |client| clients.contains(client));
        }
        Ok(())
    }

    /// Cuts all clients off and stops listening.
    pub fn stop(self) {
        drop(self);
    }

    fn close(&self, which: &mut dyn FnMut(&RTSPClient) -> bool) {
        self.server.client_filter(Some(&mut |_, client| match which(client) {
            true => RTSPFilterResult::Remove,
            false => RTSPFilterResult::Keep,
        }));
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(source) = self.context.find_source_by_id(&self.source) {
            source.destroy();
        }
        self.close(&mut |_| true);
        // From within: told from outside, a loop that has not begun yet would not hear of it.
        let main_loop = self.main_loop.clone();
        let quit = glib::idle_source_new(None, glib::Priority::DEFAULT, move || {
            main_loop.quit();
            glib::ControlFlow::Break
        });
        quit.attach(Some(&self.context));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Loaded = (BTreeMap<String, Arc<Camera>>, Vec<(String, SimulateError)>);

fn load(config: &SimulateConfig, mounts: Vec<Mount>) -> Result<Loaded, SimulateError> {
    let mut names = std::collections::HashSet::new();
    if let Some(twice) = mounts.iter().find(|mount| !names.insert(mount.name.as_str())) {
        return Err(SimulateError::Duplicate { name: twice.name.clone() });
    }
    let mut loader = Loader::new(config);
    let mut skipped = Vec::new();
    let mut loaded = Vec::new();
    for mount in mounts {
        match loader.content(&mount, Encoding::AsRecorded) {
            Ok(content) => loaded.push((mount, content)),
            Err(error) => {
                tracing::warn!(%error, camera = mount.name, "camera left out");
                skipped.push((mount.name, error));
            }
        }
    }
    // All time lines begin together, after the last recording was prepared.
    let began = Instant::now();
    let cameras = loaded.into_iter().map(|(mount, content)| {
        let Mount { name, offset, start, .. } = mount;
        let (fault, clients) = (Mutex::default(), Mutex::default());
        (name.clone(), Arc::new(Camera { name, content, offset, start, began, fault, clients }))
    });
    Ok((cameras.collect(), skipped))
}

fn server(config: &SimulateConfig, cameras: &Cameras, feeder: &FeederHandle) -> Result<RTSPServer, SimulateError> {
    let gstreamer_error = |what: &str| SimulateError::Gstreamer { reason: what.to_owned() };
    let server = RTSPServer::new();
    server.set_address(&config.listen.ip().to_string());
    server.set_service(&config.listen.port().to_string());
    server.set_backlog(1024);
    // A thread a client: one that waits for a stalled camera must not hold up the others.
    server.thread_pool().ok_or_else(|| gstreamer_error("an RTSP server without threads"))?.set_max_threads(-1);
    if let Some(username) = &config.username {
        server.set_auth(Some(&auth(username, config.password.as_ref().map_or("", |password| password.expose()))));
    }
    let mounts = server.mount_points().ok_or_else(|| gstreamer_error("an RTSP server without mounts"))?;
    for camera in cameras.values() {
        mounts.add_factory(&format!("/{}", camera.name), factory(camera, feeder));
    }
    let cameras = Arc::clone(cameras);
    server.connect_client_connected(move |_, client| {
        let admit = |cameras: Cameras| {
            move |client: &RTSPClient, context: &RTSPContext| match camera_of(&cameras, context) {
                Some(camera) => camera.admit(client),
                // The server itself says "not found".
                None => RTSPStatusCode::Ok,
            }
        };
        client.connect_pre_describe_request(admit(Arc::clone(&cameras)));
        client.connect_pre_setup_request(admit(Arc::clone(&cameras)));
        client.connect_pre_play_request(admit(Arc::clone(&cameras)));
        let cameras = Arc::clone(&cameras);
        client.connect_closed(move |client| {
            for camera in cameras.values() {
                camera.forget(client);
            }
        });
    });
    Ok(server)
}

/// The camera that a request is about: the first part of its URL's path.
fn camera_of<'a>(cameras: &'a Cameras, context: &RTSPContext) -> Option<&'a Arc<Camera>> {
    let uri = url::Url::parse(&context.uri()?.request_uri()).ok()?;
    cameras.get(uri.path_segments()?.next()?)
}

fn auth(username: &str, password: &str) -> rtsp::RTSPAuth {
    let auth = rtsp::RTSPAuth::new();
    auth.set_realm(Some("gridwatch simulate"));
    auth.set_supported_methods(BASIC_AND_DIGEST);
    let token = rtsp::RTSPToken::builder().field(rtsp::RTSP_TOKEN_MEDIA_FACTORY_ROLE, ROLE).build();
    auth.add_digest(username, password, &token);
    auth.add_basic(&rtsp::RTSPAuth::make_basic(username, password), &token);
    auth
}

fn factory(camera: &Arc<Camera>, feeder: &FeederHandle) -> RTSPMediaFactory {
    let factory = RTSPMediaFactory::new();
    factory.set_shared(true);
    factory.set_protocols(RTSPLowerTrans::TCP | RTSPLowerTrans::UDP);
    let permissions = gst::Structure::builder(ROLE)
        .field(rtsp::RTSP_PERM_MEDIA_FACTORY_ACCESS, true)
        .field(rtsp::RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, true)
        .build();
    factory.add_role_from_structure(&permissions);
    let (camera, feeder) = (Arc::clone(camera), feeder.clone());
    match &camera.content {
        Content::Program(program) => {
            factory.set_launch(feed_line(program.clips()[0].codec));
            factory.connect_media_configure(move |_, media| feed(&camera, &feeder, media));
        }
        Content::Launch(line) => {
            factory.set_launch(line);
            factory.connect_media_configure(move |_, media| stallable(&camera, media));
        }
    }
    factory
}

/// Feeds a media from when it runs until it is taken down.
fn feed(camera: &Arc<Camera>, feeder: &FeederHandle, media: &RTSPMedia) {
    let element = media.element();
    let source = element.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("feed"));
    let Some(source) = source.and_then(|source| source.downcast::<AppSrc>().ok()) else { return };
    let id = Arc::new(Mutex::new(None));
    let asked = AtomicBool::new(false);
    let (camera, adding, added) = (Arc::clone(camera), feeder.clone(), Arc::clone(&id));
    source.set_callbacks(
        AppSrcCallbacks::builder()
            // It asks first when its pipeline runs, and has a clock, and later each time that its queue is empty.
            .need_data(move |source, _| {
                if !asked.swap(true, Ordering::Relaxed) {
                    *lock(&added) = adding.add(&camera, source);
                }
            })
            .build(),
    );
    let feeder = feeder.clone();
    media.connect_unprepared(move |_| {
        if let Some(id) = lock(&id).take() {
            feeder.remove(id);
        }
    });
}

/// Lets a launch line's packets vanish while its camera is stalled.
fn stallable(camera: &Arc<Camera>, media: &RTSPMedia) {
    let element = media.element();
    let payloader = element.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("pay0"));
    let Some(pad) = payloader.and_then(|payloader| payloader.static_pad("src")) else { return };
    let camera = Arc::clone(camera);
    let packets = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    pad.add_probe(packets, move |_, _| match camera.fault() {
        Fault::Stall => gst::PadProbeReturn::Handled,
        _ => gst::PadProbeReturn::Ok,
    });
}
