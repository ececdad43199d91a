//! A real RTSP server on a free port of the loopback interface.

use std::{sync::mpsc::sync_channel, thread::JoinHandle};

use gstreamer::{self as gst, glib};
use gstreamer_rtsp_server::{self as server, gst_rtsp::RTSPAuthMethod, prelude::*};

/// 25 frames a second of a moving picture.
pub(crate) const PICTURE: &str =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=25/1";
/// A keyframe each second at 25 frames a second.
pub(crate) const H264: &str = "x264enc key-int-max=25 tune=zerolatency speed-preset=ultrafast bitrate=300 ! \
     rtph264pay name=pay0 pt=96 config-interval=-1";
pub(crate) const H265: &str = "x265enc key-int-max=25 tune=zerolatency speed-preset=ultrafast bitrate=300 ! \
     rtph265pay name=pay0 pt=96 config-interval=-1";
pub(crate) const JPEG: &str = "jpegenc ! rtpjpegpay name=pay0 pt=26";

pub(crate) enum Auth {
    None,
    Basic,
    Digest,
}

pub(crate) const USER: &str = "viewer";
pub(crate) const PASSWORD: &str = "s3cret:pass";

/// Runs until it is dropped; then its connections are cut.
pub(crate) struct RtspServer {
    pub(crate) port: u16,
    main_loop: glib::MainLoop,
    context: glib::MainContext,
    server: server::RTSPServer,
    thread: Option<JoinHandle<()>>,
}

impl RtspServer {
    /// Serves the pipeline `launch`, whose payloader is `pay0`, as `/live`.
    pub(crate) fn start(launch: &str) -> Self {
        Self::start_with(launch, 0, &Auth::None, |_| {})
    }

    pub(crate) fn start_with(
        launch: &str,
        port: u16,
        auth: &Auth,
        configure: impl Fn(&gst::Element) + Send + Sync + 'static,
    ) -> Self {
        gst::init().unwrap();
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let rtsp = server::RTSPServer::new();
        rtsp.set_address("127.0.0.1");
        rtsp.set_service(&port.to_string());
        let factory = server::RTSPMediaFactory::new();
        factory.set_launch(&format!("( {launch} )"));
        factory.set_shared(true);
        factory.connect_media_configure(move |_, media| configure(&media.element()));
        if !matches!(auth, Auth::None) {
            let token = server::RTSPToken::builder().field(server::RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer").build();
            let guard = server::RTSPAuth::new();
            match auth {
                Auth::Basic => guard.add_basic(&server::RTSPAuth::make_basic(USER, PASSWORD), &token),
                _ => {
                    guard.set_supported_methods(RTSPAuthMethod::Digest);
                    guard.add_digest(USER, PASSWORD, &token);
                }
            }
            rtsp.set_auth(Some(&guard));
            factory.add_role_from_structure(
                &gst::Structure::builder("viewer")
                    .field(server::RTSP_PERM_MEDIA_FACTORY_ACCESS, true)
                    .field(server::RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, true)
                    .build(),
            );
        }
        rtsp.mount_points().unwrap().add_factory("/live", factory);

        let (ready, is_ready) = sync_channel(1);
        let (running, attached, within) = (main_loop.clone(), rtsp.clone(), context.clone());
        let thread = std::thread::spawn(move || {
            within
                .with_thread_default(|| {
                    let source = attached.attach(Some(&within)).unwrap();
                    ready.send(()).unwrap();
                    running.run();
                    // Closes the listening socket.
                    within.find_source_by_id(&source).unwrap().destroy();
                })
                .unwrap();
        });
        is_ready.recv().unwrap();
        let port = rtsp.bound_port().try_into().unwrap();
        Self { port, main_loop, context, server: rtsp, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port)
    }

    /// How many sessions clients hold.
    pub(crate) fn sessions(&self) -> u32 {
        self.server.session_pool().map_or(0, |pool| pool.n_sessions())
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        let (server, main_loop) = (self.server.clone(), self.main_loop.clone());
        self.context.invoke(move || {
            server.client_filter(Some(&mut |_, _| server::RTSPFilterResult::Remove));
            main_loop.quit();
        });
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
