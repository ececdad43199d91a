//! A client that watches one camera.

use std::{sync::Arc, time::Duration};

use domain::Secret;
use futures::StreamExt as _;
use ingest::simulate::{Mount, SimulateConfig, Simulator, Source};
use retina::{
    client::{Credentials, Demuxed, PlayOptions, Session, SessionOptions, SetupOptions, Transport},
    codec::{CodecItem, FrameFormat, ParametersRef},
};

/// Longer than anything here takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Picture {
    pub(crate) timestamp: i64,
    pub(crate) keyframe: bool,
    pub(crate) data: Vec<u8>,
    pub(crate) size: (u32, u32),
}

pub(crate) struct Viewer {
    session: Demuxed,
    size: (u32, u32),
}

pub(crate) fn options(login: Option<(&str, &str)>) -> SessionOptions {
    let creds =
        login.map(|(username, password)| Credentials { username: username.to_owned(), password: password.to_owned() });
    SessionOptions::default().creds(creds)
}

impl Viewer {
    pub(crate) async fn connect(url: &str) -> Self {
        Self::try_connect(url, None, Transport::default()).await.unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    pub(crate) async fn try_connect(
        url: &str,
        login: Option<(&str, &str)>,
        transport: Transport,
    ) -> Result<Self, retina::Error> {
        let connecting = async {
            let mut session = Session::describe(url.parse().unwrap(), options(login)).await?;
            session.setup(0, SetupOptions::default().transport(transport).frame_format(FrameFormat::SIMPLE)).await?;
            session.play(PlayOptions::default()).await?.demuxed()
        };
        let session = tokio::time::timeout(DEADLINE, connecting).await.expect("connects in time")?;
        Ok(Self { session, size: (0, 0) })
    }

    /// The next picture; `None` when the camera hung up.
    pub(crate) async fn next(&mut self) -> Option<Picture> {
        tokio::time::timeout(DEADLINE, self.next_whenever()).await.expect("a picture in time")
    }

    async fn next_whenever(&mut self) -> Option<Picture> {
        loop {
            match self.session.next().await? {
                Ok(CodecItem::VideoFrame(frame)) => {
                    if (frame.has_new_parameters() || self.size == (0, 0))
                        && let Some(ParametersRef::Video(video)) =
                            self.session.streams()[frame.stream_id()].parameters()
                    {
                        self.size = video.pixel_dimensions();
                    }
                    return Some(Picture {
                        timestamp: frame.timestamp().elapsed(),
                        keyframe: frame.is_random_access_point(),
                        size: self.size,
                        data: frame.into_data(),
                    });
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    pub(crate) async fn keyframe(&mut self) -> Picture {
        loop {
            let picture = self.next().await.expect("the camera stays connected");
            if picture.keyframe {
                return picture;
            }
        }
    }

    /// Whether no picture comes for `time`. The time is the thing measured here, not a wait for something else.
    pub(crate) async fn is_silent_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.next_whenever()).await.is_err()
    }
}

pub(crate) fn serve(mounts: Vec<Mount>) -> Arc<Simulator> {
    Arc::new(Simulator::start(SimulateConfig::default(), mounts).unwrap_or_else(|error| panic!("{error}")))
}

pub(crate) fn serve_with_password(mount: Mount, username: &str, password: &str) -> Simulator {
    let config = SimulateConfig {
        username: Some(username.to_owned()),
        password: Some(Secret::new(password)),
        ..SimulateConfig::default()
    };
    Simulator::start(config, vec![mount]).unwrap()
}

pub(crate) fn camera(name: &str, path: impl Into<std::path::PathBuf>) -> Mount {
    Mount::new(name, Source::Recording(path.into()))
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while !condition() {
            tick.tick().await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("{what}: not in time"));
}
