//! RTSP sessions: connect, and take frames as they come. Keyframes are handed on with their parameter sets in band;
//! of all other frames only the size is, unless they are asked for.
//!
//! The one room of the `retina` crate.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use domain::{Codec, DecodeMode, Millis, StreamRole, Timestamp};
use futures::StreamExt as _;
use retina::{
    client::{
        Credentials, Demuxed, PlayOptions, SessionGroup, SessionOptions, SetupOptions, TcpTransportOptions,
        UdpTransportOptions,
    },
    codec::{CodecItem, FrameFormat, ParametersRef},
};

use crate::{
    IngestError,
    address::redact,
    clock::Reports,
    config::{Endpoint, Transport},
    entry::{self, Kind},
    health::clock_offset,
    hosts::Room,
};

/// How long leaving may take; a host that does not answer is left alone after that.
const TEARDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The sessions of one camera that the host may not have closed yet, and the right to them.
#[derive(Clone, Default)]
pub(crate) struct Sessions {
    group: Arc<SessionGroup>,
    rooms: Arc<Mutex<Vec<Room>>>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

impl Sessions {
    /// Keeps the right to a session until the host has closed it, whatever becomes of whoever uses it.
    pub(crate) fn keep(&self, room: Room) {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).push(room);
    }

    /// Whether a host may still count one.
    pub(crate) fn hold_room(&self) -> bool {
        !self.rooms.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Waits a moment until the host has closed those that were left: recorders count sessions. A session is left when
    /// it is dropped.
    pub(crate) async fn closed(&self) {
        // Whether the host agreed does not matter any more.
        let _ = tokio::time::timeout(TEARDOWN_TIMEOUT, self.group.await_teardown()).await;
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A stream that plays.
pub(crate) struct Session {
    frames: Demuxed,
    address: String,
    index: usize,
    /// The stream's encoding.
    pub(crate) codec: Codec,
    /// Which of the camera's streams it is.
    pub(crate) role: StreamRole,
    /// What the last sender report said of the camera's clock, until it is taken.
    clock_offset: Option<Millis>,
    reports: Reports,
    began: Instant,
    wanted: DecodeMode,
}

/// One frame that arrived.
pub(crate) struct Received {
    /// Its encoded size.
    pub(crate) bytes: usize,
    /// Its place on the stream's own time line, in seconds.
    pub(crate) at: f64,
    /// What it is to a decoder.
    pub(crate) kind: Kind,
    /// The frame itself; keyframes and recovery points with their parameter sets. Frames that are no keyframes only where
    /// they are wanted.
    pub(crate) data: Option<Bytes>,
    /// Whether packets were lost since the frame before it.
    pub(crate) after_loss: bool,
}

impl Received {
    /// Whether it decodes alone, and is there.
    pub(crate) fn is_keyframe(&self) -> bool {
        self.kind == Kind::Keyframe && self.data.is_some()
    }

    /// The frame, if it decodes alone.
    pub(crate) fn into_keyframe(self) -> Option<Bytes> {
        self.data.filter(|_| self.kind == Kind::Keyframe)
    }
}

impl Session {
    /// Connects and plays. `timeout` bounds each of the three steps.
    pub(crate) async fn connect(
        endpoint: &Endpoint,
        sessions: &Sessions,
        timeout: Duration,
    ) -> Result<Self, IngestError> {
        let address = endpoint.address.to_string();
        let credentials = endpoint.credentials.as_ref().map(|credentials| Credentials {
            username: credentials.username.clone(),
            password: credentials.password.expose().to_owned(),
        });
        let options = SessionOptions::default()
            .creds(credentials)
            .user_agent("gridwatch".to_owned())
            .session_group(Arc::clone(&sessions.group));
        let describe = retina::client::Session::describe(endpoint.address.url.clone(), options);
        let mut session = step(&address, "DESCRIBE", timeout, describe).await?;
        let (index, codec) = choose(&address, session.streams())?;
        let transport = match endpoint.transport {
            Transport::Tcp => retina::client::Transport::Tcp(TcpTransportOptions::default()),
            Transport::Udp => retina::client::Transport::Udp(UdpTransportOptions::default()),
        };
        let options = SetupOptions::default().transport(transport).frame_format(FrameFormat::SIMPLE);
        step(&address, "SETUP", timeout, session.setup(index, options)).await?;
        let playing = step(&address, "PLAY", timeout, session.play(PlayOptions::default())).await?;
        let frames = playing.demuxed().map_err(|error| fault(&address, "PLAY", &error))?;
        Ok(Self {
            frames,
            address,
            index,
            codec,
            role: endpoint.role,
            clock_offset: None,
            reports: Reports::default(),
            began: Instant::now(),
            wanted: DecodeMode::Keyframes,
        })
    }

    /// The next frame. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<Received, IngestError> {
        loop {
            let frame = match self.frames.next().await {
                Some(Ok(CodecItem::VideoFrame(frame))) => frame,
                Some(Ok(CodecItem::Rtcp(report))) => {
                    let sent = report.pkts().find_map(|packet| packet.as_sender_report().ok().flatten());
                    if let Some(sent) = sent {
                        let told = clock_offset(sent.ntp_timestamp().0, Timestamp::from(SystemTime::now()));
                        let media = report.rtp_timestamp().map(|timestamp| timestamp.elapsed_secs());
                        self.clock_offset = told.map(|offset| self.reports.judge(self.began.elapsed(), media, offset));
                    }
                    continue;
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(fault(&self.address, "streaming", &error)),
                None => return Err(IngestError::Ended { address: self.address.clone() }),
            };
            let (bytes, at) = (frame.data().len(), frame.timestamp().elapsed_secs());
            let after_loss = frame.loss() > 0;
            let with_sets = |data: &[u8]| self.parameter_sets().map(|sets| Bytes::from([sets, data].concat()));
            let (kind, data) = if frame.is_random_access_point() {
                let whole = entry::has_parameter_sets(self.codec, frame.data());
                (Kind::Keyframe, whole.then(|| Bytes::from(frame.into_data())))
            } else if self.codec == Codec::H265 && entry::is_clean_random_access(frame.data()) {
                (Kind::Keyframe, with_sets(frame.data()))
            } else if self.wanted == DecodeMode::Keyframes {
                return Ok(Received { bytes, at, kind: Kind::Other, data: None, after_loss });
            } else if entry::is_recovery_point(self.codec, frame.data()) {
                (Kind::RecoveryPoint, with_sets(frame.data()))
            } else {
                (Kind::Other, Some(Bytes::from(frame.into_data())))
            };
            if data.is_none() {
                metrics::counter!("gridwatch_keyframes_dropped_total", "reason" => "no_parameter_sets").increment(1);
            }
            return Ok(Received { bytes, at, kind, data, after_loss });
        }
    }

    /// Which frames are handed on from now on.
    pub(crate) fn want(&mut self, frames: DecodeMode) {
        self.wanted = frames;
    }

    /// How far the camera's clock is ahead of ours, if it has told since this was asked last.
    pub(crate) fn take_clock_offset(&mut self) -> Option<Millis> {
        self.clock_offset.take()
    }

    /// The current parameter sets as an Annex B byte stream.
    fn parameter_sets(&self) -> Option<&[u8]> {
        match self.frames.streams()[self.index].parameters()? {
            ParametersRef::Video(parameters) => Some(parameters.extra_data()),
            _ => None,
        }
    }

    /// Where it comes from, without credentials.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

async fn step<T>(
    address: &str,
    name: &'static str,
    timeout: Duration,
    work: impl Future<Output = Result<T, retina::Error>>,
) -> Result<T, IngestError> {
    match tokio::time::timeout(timeout, work).await {
        Ok(result) => result.map_err(|error| fault(address, name, &error)),
        Err(_) => Err(IngestError::Timeout { address: address.to_owned(), step: name, after: timeout }),
    }
}

/// The first video stream that can be decoded.
fn choose(address: &str, streams: &[retina::client::Stream]) -> Result<(usize, Codec), IngestError> {
    let video = || streams.iter().enumerate().filter(|(_, stream)| stream.media() == "video");
    let known = video().find_map(|(i, stream)| match stream.encoding_name() {
        "h264" => Some((i, Codec::H264)),
        "h265" => Some((i, Codec::H265)),
        "jpeg" => Some((i, Codec::Jpeg)),
        _ => None,
    });
    known.ok_or_else(|| {
        let address = address.to_owned();
        let names: Vec<_> = video().map(|(_, stream)| stream.encoding_name()).collect();
        if names.is_empty() {
            let media = |stream: &retina::client::Stream| format!("{} {}", stream.media(), stream.encoding_name());
            let offered: Vec<_> = streams.iter().map(media).collect();
            let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
            IngestError::NoVideo { place: address, offered }
        } else {
            IngestError::UnsupportedCodec { address, offered: names.join(", ") }
        }
    })
}

/// `retina` keeps the kinds of its errors to itself, so what is not told by a status is told by its words.
fn fault(address: &str, step: &'static str, error: &retina::Error) -> IngestError {
    let address = address.to_owned();
    let text = error.to_string();
    // What follows the first line are socket addresses and byte positions.
    let reason = redact(text.lines().next().unwrap_or_default().trim_end());
    match error.status_code() {
        Some(status @ (401 | 403)) => IngestError::Unauthorized { address, status },
        Some(404) => IngestError::NotFound { address },
        Some(453 | 503) => IngestError::Rtsp {
            address,
            step,
            reason: format!("{reason}; the host has too many sessions: close some, or use the sub stream"),
        },
        _ => match reason.strip_prefix("Unable to connect to RTSP server: ") {
            Some(reason) => IngestError::Unreachable { address, reason: reason.to_owned() },
            None => IngestError::Rtsp { address, step, reason },
        },
    }
}
