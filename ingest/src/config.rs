//! What ops may set: how often cameras are looked at, how patiently they are connected to, and where they are.

use std::{fmt, path::PathBuf};

use domain::{CameraId, Millis, Secret, StreamRole};
use serde::Deserialize;

use crate::{
    IngestError,
    address::{Address, Scheme, StreamIdentity},
};

/// The section `[ingest]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// Time between looks at a camera where nothing is suspected.
    pub look_interval: Millis,
    /// Time between looks while something is suspected.
    pub active_interval: Millis,
    /// Threads that decode; 0 is one a core.
    pub look_workers: usize,
    /// Limit for each of connecting with DESCRIBE, SETUP and PLAY.
    pub connect_timeout: Millis,
    /// Silence after which a camera is connected to anew.
    pub stall_timeout: Millis,
    /// Time without a keyframe after which a camera is connected to anew, though it sends.
    pub keyframe_timeout: Millis,
    /// How long a camera must be away before it is a fault.
    pub offline_after: Millis,
    /// So many lost connections within `unstable_within` are a fault; 0: they never are.
    pub unstable_losses: usize,
    /// The time within which lost connections are counted.
    pub unstable_within: Millis,
    /// How far a camera's clock may be from ours before it is a fault.
    pub clock_tolerance: Millis,
    /// Shortest wait before the next attempt; it doubles up to `backoff_max`, with jitter.
    pub backoff_min: Millis,
    /// Longest wait before the next attempt.
    pub backoff_max: Millis,
    /// Cameras that are being connected to at one time.
    pub connects_in_flight: usize,
    /// Connections that are begun a second, after a start, an import or an outage; 0 is no limit.
    pub connects_per_second: u32,
    /// Most sessions at one time with one host (a recorder, a gateway); 0 is no limit.
    pub sessions_per_host: usize,
    /// Most cameras at one time whose every frame is decoded, since their keyframes come too rarely; 0: none.
    pub all_frames_cameras: usize,
    /// The decoders, as GStreamer elements.
    pub decoders: DecoderConfig,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            look_interval: Millis::secs(10),
            active_interval: Millis::secs(2),
            look_workers: 0,
            connect_timeout: Millis::secs(10),
            stall_timeout: Millis::secs(10),
            keyframe_timeout: Millis::secs(60),
            offline_after: Millis::secs(120),
            unstable_losses: 6,
            unstable_within: Millis::mins(60),
            clock_tolerance: Millis::secs(5),
            backoff_min: Millis::secs(1),
            backoff_max: Millis::secs(30),
            connects_in_flight: 256,
            connects_per_second: 100,
            sessions_per_host: 0,
            all_frames_cameras: 8,
            decoders: DecoderConfig::default(),
        }
    }
}

impl IngestConfig {
    /// How many threads should decode on this machine, where a run of the model takes `batch` pictures: two batches' worth
    /// at least, so that one fills while the other runs.
    #[must_use]
    pub fn worker_count(&self, batch: usize) -> usize {
        match self.look_workers {
            0 if batch > 1 => std::thread::available_parallelism().map_or(1, usize::from).max(2 * batch),
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }
}

/// The GStreamer element (or chain, `h264parse ! vah264dec`) that decodes each encoding.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecoderConfig {
    /// Decoder of H.264 byte streams. More than one thread would hold pictures back.
    pub h264: String,
    /// Decoder of H.265 byte streams.
    pub h265: String,
    /// Decoder of JPEG pictures.
    pub jpeg: String,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self {
            h264: "avdec_h264 max-threads=1".into(),
            h265: "avdec_h265 max-threads=1".into(),
            jpeg: "jpegdec".into(),
        }
    }
}

/// How RTP packets come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Interleaved on the RTSP connection: passes firewalls, loses nothing.
    #[default]
    Tcp,
    /// On UDP ports of their own: only for a local network.
    Udp,
}

/// How fast a recording plays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// As it was recorded.
    #[default]
    RealTime,
    /// As fast as it is looked at; every keyframe is. Its time begins when the file was last written.
    Fast,
}

/// How a live camera is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Connected all the time.
    #[default]
    Stream,
    /// Connected for each look, until a keyframe has come: for gateways with few sessions, and thin lines.
    Patrol,
    /// Asked for a JPEG picture over HTTP for each look: for cameras without a stream to spare, and the thinnest lines.
    Snapshot,
}

impl Mode {
    /// Whether each look is a visit.
    pub(crate) fn visits(self) -> bool {
        matches!(self, Self::Patrol | Self::Snapshot)
    }

    fn scheme(self) -> Scheme {
        match self {
            Self::Stream | Self::Patrol => Scheme::Rtsp,
            Self::Snapshot => Scheme::Http,
        }
    }
}

/// Where a camera's pictures come from: RTSP addresses (HTTP addresses of snapshots), or a recording.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamConfig {
    /// RTSP address of the full-resolution stream; the HTTP address of a picture where `mode` is `snapshot`.
    pub main: Option<String>,
    /// RTSP address of the reduced stream; looks are made on it where there is one.
    pub sub: Option<String>,
    /// How a live camera is held.
    pub mode: Mode,
    /// A recording instead of a live camera: any container and encoding that GStreamer reads. What is not H.264, H.265
    /// or JPEG is encoded anew, as a JPEG picture a second.
    pub file: Option<PathBuf>,
    /// Whether a recording starts again at its end.
    pub looping: bool,
    /// How fast a recording plays.
    pub pace: Pace,
    /// User name, where the camera asks for one.
    pub username: Option<String>,
    /// The password itself; better one of the next two.
    pub password: Option<Secret>,
    /// The environment variable that holds the password.
    pub password_env: Option<String>,
    /// The file that holds the password; read at each connection, a line end at its end is dropped.
    pub password_file: Option<PathBuf>,
    /// How packets come.
    pub transport: Transport,
    /// Time between looks at this camera instead of `ingest.look_interval`.
    pub look_interval: Option<Millis>,
    /// Time between looks at this camera instead of `ingest.active_interval`.
    pub active_interval: Option<Millis>,
}

impl fmt::Debug for StreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamConfig")
            .field("main", &self.main.as_deref().map(crate::address::shown))
            .field("sub", &self.sub.as_deref().map(crate::address::shown))
            .field("mode", &self.mode)
            .field("file", &self.file)
            .field("looping", &self.looping)
            .field("pace", &self.pace)
            .field("username", &self.username.as_ref().map(|_| "***"))
            .field("password", &self.password)
            .field("password_env", &self.password_env)
            .field("password_file", &self.password_file)
            .field("transport", &self.transport)
            .field("look_interval", &self.look_interval)
            .field("active_interval", &self.active_interval)
            .finish()
    }
}

impl StreamConfig {
    /// Whether a session with `self` may go on as one with `other`: all but the pace of looks is alike.
    #[must_use]
    pub fn connects_like(&self, other: &Self) -> bool {
        let (look_interval, active_interval) = (self.look_interval, self.active_interval);
        *self == Self { look_interval, active_interval, ..other.clone() }
    }

    /// Whether looks see the same picture as with `other`, however it is connected to.
    #[must_use]
    pub fn shows_like(&self, other: &Self) -> bool {
        let seen = |stream: &Self| (stream.look_role(), stream.identity(stream.look_role()));
        seen(self) == seen(other)
    }

    /// Whether this can work at all; nothing is connected to or opened.
    ///
    /// # Errors
    /// When there is neither an address nor a file, or both; when an address is none; when the password comes from
    /// two places; when an interval is zero.
    pub fn validate(&self) -> Result<(), IngestError> {
        let addresses = [&self.main, &self.sub].into_iter().flatten().map(|text| self.parse(text));
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        match (addresses.is_empty(), &self.file) {
            (true, None) => return Err(IngestError::Source("has no source; set main (and sub) or file")),
            (false, Some(_)) => {
                return Err(IngestError::Source("has both an address and a file; keep one of them"));
            }
            (true, Some(_)) if self.mode.visits() => {
                return Err(IngestError::Source("is a recording, which nobody visits; leave mode out"));
            }
            _ if self.mode == Mode::Snapshot && self.transport != Transport::Tcp => {
                return Err(IngestError::Source("takes snapshots, which always come over TCP; leave transport out"));
            }
            _ => {}
        }
        let in_address = addresses.iter().any(|address| address.password.is_some());
        let sources = [in_address, self.password.is_some(), self.password_env.is_some(), self.password_file.is_some()];
        if sources.into_iter().filter(|set| *set).count() > 1 {
            return Err(IngestError::Source(
                "has its password in two places; keep one of the address, password, password_env and password_file",
            ));
        }
        if self.username.is_some() && addresses.iter().any(|address| address.username.is_some()) {
            return Err(IngestError::Source("has its user name both in the address and in username; keep one"));
        }
        if [self.look_interval, self.active_interval].into_iter().flatten().any(|interval| interval <= Millis::ZERO) {
            return Err(IngestError::Source("has an interval of zero; write at least \"100ms\""));
        }
        Ok(())
    }

    /// The stream that looks are made on: the reduced one where there is one.
    #[must_use]
    pub fn look_role(&self) -> StreamRole {
        if self.sub.is_some() { StreamRole::Sub } else { StreamRole::Main }
    }

    /// The address or the file of a stream as logs and pages may show it; the other stream's where there is only one.
    #[must_use]
    pub fn shown(&self, role: StreamRole) -> Option<String> {
        match &self.file {
            Some(path) => Some(path.display().to_string()),
            None => self.address_text(role).map(crate::address::shown),
        }
    }

    /// What tells a stream from those of other cameras; the other stream's where there is only one, none where its address is
    /// none.
    #[must_use]
    pub fn identity(&self, role: StreamRole) -> Option<StreamIdentity> {
        match &self.file {
            Some(path) => Some(StreamIdentity::of_file(path)),
            None => self.parse(self.address_text(role)?).ok().map(|address| address.identity()),
        }
    }

    fn parse(&self, text: &str) -> Result<Address, IngestError> {
        Address::parse(text, self.mode.scheme())
    }

    fn address_text(&self, role: StreamRole) -> Option<&str> {
        let (wanted, other) = match role {
            StreamRole::Main => (&self.main, &self.sub),
            StreamRole::Sub => (&self.sub, &self.main),
        };
        wanted.as_deref().or(other.as_deref())
    }

    /// The address of a stream, the role it really has, and the credentials for it as they are now.
    pub(crate) fn endpoint(&self, role: StreamRole) -> Result<Endpoint, IngestError> {
        let text = self.address_text(role).ok_or(IngestError::Source("has no address; set main or sub"))?;
        let role = if self.sub.as_deref() == Some(text) { StreamRole::Sub } else { StreamRole::Main };
        let mut address = self.parse(text)?;
        let username = self.username.clone().or_else(|| address.username.take()).unwrap_or_default();
        let password = match address.password.take() {
            Some(password) => Some(password),
            None => self.password_now()?,
        };
        // One address may carry the credentials for both.
        let (username, password) = match (username.is_empty() && password.is_none(), [&self.main, &self.sub]) {
            (true, both) => both
                .into_iter()
                .flatten()
                .filter_map(|text| self.parse(text).ok())
                .find_map(|other| other.username.map(|username| (username, other.password)))
                .unwrap_or_default(),
            (false, _) => (username, password),
        };
        let credentials = (!username.is_empty() || password.is_some())
            .then(|| Credentials { username, password: password.unwrap_or_else(|| Secret::new("")) });
        Ok(Endpoint { address, role, credentials, transport: self.transport })
    }

    fn password_now(&self) -> Result<Option<Secret>, IngestError> {
        if let Some(name) = &self.password_env {
            let value = std::env::var(name).map_err(|_| IngestError::Password {
                place: format!("environment variable {name}"),
                reason: "it is not set (or is no text); set it for this process".into(),
            })?;
            return Ok(Some(Secret::new(value)));
        }
        if let Some(path) = &self.password_file {
            let text = std::fs::read_to_string(path).map_err(|error| IngestError::Password {
                place: format!("file {}", path.display()),
                reason: format!("{error}; create it, readable for this process"),
            })?;
            return Ok(Some(Secret::new(text.trim_end_matches(['\r', '\n']))));
        }
        Ok(self.password.clone())
    }
}

/// One stream to connect to.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: Address,
    pub(crate) role: StreamRole,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) transport: Transport,
}

impl Endpoint {
    /// The host's name and port: what counts sessions.
    pub(crate) fn host(&self) -> String {
        let url = &self.address.url;
        format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(554))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: Secret,
}

/// A camera and where its pictures come from.
#[derive(Debug, Clone)]
pub struct CameraSource {
    /// Which camera.
    pub id: CameraId,
    /// Its streams.
    pub stream: StreamConfig,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_stream(text: &str, expect: Result<(), &str>) {
        let stream: StreamConfig = toml::from_str(text).expect("keys and types are right");
        assert!(!format!("{stream:?}").contains("hunter2"), "{stream:?}");
        match (stream.validate(), expect) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(says)) => {
                assert!(error.to_string().contains(says), "{error}");
                assert!(!error.to_string().contains("hunter2"), "{error}");
            }
            (result, expect) => panic!("{text}: {result:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn streams_that_can_work_and_streams_that_cannot() {
        check_stream("main = 'rtsp://h/1'", Ok(()));
        check_stream("sub = 'rtsp://u:hunter2@h/1'", Ok(()));
        check_stream("file = 'a.mp4'\npace = 'fast'\nlooping = true", Ok(()));
        check_stream("main = 'rtsp://h/1'\ntransport = 'udp'\nlook_interval = '5s'", Ok(()));
        check_stream("username = 'u'\npassword = 'hunter2'\nmain = 'rtsp://h/1'", Ok(()));
        check_stream("main = 'rtsp://h/1'\nmode = 'patrol'", Ok(()));
        check_stream("file = 'a.mp4'\nmode = 'patrol'", Err("nobody visits"));
        check_stream("main = 'http://u:hunter2@h/1'\nsub = 'http://h/2'\nmode = 'snapshot'", Ok(()));
        check_stream("main = 'rtsp://u:hunter2@h/1'\nmode = 'snapshot'", Err("another mode"));
        check_stream("main = 'http://h/1'\nsub = 'rtsp://u:hunter2@h/1'\nmode = 'snapshot'", Err("another mode"));
        check_stream("main = 'https://u:hunter2@h/1'\nmode = 'snapshot'", Err("https:// are not supported"));
        check_stream("main = 'http://h/1'\nmode = 'snapshot'\ntransport = 'udp'", Err("over TCP"));
        check_stream("file = 'a.mp4'\nmode = 'snapshot'", Err("nobody visits"));
        check_stream("main = 'http://u:hunter2@h/1'", Err("mode = \"snapshot\""));
        check_stream("", Err("has no source"));
        check_stream("main = 'rtsp://h/1'\nfile = 'a.mp4'", Err("both"));
        check_stream("main = 'http://u:hunter2@h/1'", Err("rtsp://HOST"));
        check_stream("main = 'u:hunter2@h/1'", Err("rtsp://HOST"));
        check_stream("main = 'rtsp://u:hunter2@h/1'\npassword_env = 'X'", Err("two places"));
        check_stream("main = 'rtsp://h/1'\npassword = 'hunter2'\npassword_file = 'x'", Err("two places"));
        check_stream("main = 'rtsp://u@h/1'\nusername = 'u'", Err("user name"));
        check_stream("main = 'rtsp://h/1'\nlook_interval = '0s'", Err("interval of zero"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = toml::from_str::<StreamConfig>("mian = 'rtsp://h/1'").expect_err("no such key").to_string();
        assert!(error.contains("mian") && error.contains("main"), "{error}");
        assert!(toml::from_str::<IngestConfig>("look_interval = '10s'\nlook_workers = 2").is_ok());
        assert!(toml::from_str::<IngestConfig>("look_intervall = '10s'").is_err());
    }

    #[test]
    fn one_address_may_hold_the_credentials_for_both() {
        let text = "main = 'rtsp://u:hunter2@h/1'\nsub = 'rtsp://h/2'";
        let stream: StreamConfig = toml::from_str(text).expect("valid");
        let endpoint = stream.endpoint(StreamRole::Sub).expect("valid");
        assert_eq!((endpoint.address.to_string().as_str(), endpoint.role), ("rtsp://h/2", StreamRole::Sub));
        let credentials = endpoint.credentials.expect("those of main");
        assert_eq!((credentials.username.as_str(), credentials.password.expose()), ("u", "hunter2"));
    }
}
