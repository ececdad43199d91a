//! One keyframe on demand, and a closer look at a stream: for evidence in full resolution, for `check` and `probe`.

use std::time::{Duration, SystemTime};

use domain::{AccessUnit, CameraId, Codec, Millis, StreamRole, Timestamp};

use crate::{
    Decoder, DecoderConfig, IngestError, Pace, StreamConfig,
    address::Scheme,
    config::Endpoint,
    connects::Connects,
    hosts::{Guest, Hosts, Urgency},
    recording::{Item, Recording},
    rtsp::{Session, Sessions},
    snapshot::Snapshots,
};

/// Limit for each step of connecting while probing.
const PROBE_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much longer a stream is probed that has sent no keyframe yet.
const FIRST_KEYFRAME: Duration = Duration::from_secs(10);

/// How long [`probe`] watches a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// At least so long, for its rates.
    pub least: Duration,
    /// Until its second keyframe, but for no longer than this after the first.
    pub second_keyframe: Duration,
}

impl From<Duration> for Watch {
    /// So long, whatever comes.
    fn from(least: Duration) -> Self {
        Self { least, second_keyframe: Duration::ZERO }
    }
}

/// What [`probe`] found out about a stream.
#[derive(Debug, Clone)]
pub struct ProbeReport {
    /// Its encoding.
    pub codec: Codec,
    /// Width of the decoded picture in pixels.
    pub width: u32,
    /// Height of the decoded picture in pixels.
    pub height: u32,
    /// Frames a second, as measured; none where too few came.
    pub frame_rate: Option<f64>,
    /// Time between keyframes, as measured; none where only one came.
    pub keyframe_interval: Option<Millis>,
    /// Where only one came of a stream: for how long no other one did.
    pub no_keyframe_for: Option<Millis>,
    /// Bits a second, as measured; none where too few frames came.
    pub bitrate: Option<u64>,
    /// The first keyframe.
    pub keyframe: AccessUnit,
}

/// Connects to one of a camera's streams (the other one if it has only that), takes one keyframe and leaves. Of a
/// recording it is the first keyframe. `timeout` bounds all of it but leaving.
pub(crate) async fn grab(
    id: &CameraId,
    stream: &StreamConfig,
    role: StreamRole,
    timeout: Duration,
    hosts: &Hosts,
) -> Result<AccessUnit, IngestError> {
    // Whoever asks may not wait for the end.
    let guest = Guest::new(hosts);
    let sessions = &guest.sessions;
    let place = stream.shown(role).unwrap_or_default();
    let late = |_| IngestError::Timeout { address: place, step: "with a keyframe", after: timeout };
    let grabbing = async {
        match &stream.file {
            Some(_) => first_of_recording(stream).await,
            None => {
                let endpoint = stream.endpoint(role)?;
                sessions.keep(hosts.admit(&endpoint, Urgency::Now, |_| ()).await);
                let taken = match endpoint.address.scheme {
                    Scheme::Rtsp => visit(&endpoint, sessions, timeout, timeout, None).await,
                    Scheme::Http => Snapshots::default().take(&endpoint, timeout, timeout, None).await,
                };
                sessions.closed().await;
                taken
            }
        }
    };
    let result = tokio::time::timeout(timeout, grabbing).await;
    sessions.closed().await;
    let result = result.map_err(late).and_then(|result| result);
    if let Err(error) = &result {
        metrics::counter!("gridwatch_grab_errors_total", "reason" => error.reason()).increment(1);
        tracing::debug!(camera = %id, %error, "no keyframe grabbed");
    }
    result
}

/// Connects, takes one keyframe and leaves; the host may not have closed the session yet. `connecting` bounds each step of
/// connecting, which waits for its turn in `connects`, and `patience` the wait for a keyframe after it.
pub(crate) async fn visit(
    endpoint: &Endpoint,
    sessions: &Sessions,
    connecting: Duration,
    patience: Duration,
    connects: Option<&Connects>,
) -> Result<AccessUnit, IngestError> {
    let turn = match connects {
        Some(connects) => Some(connects.visit(endpoint).await),
        None => None,
    };
    let connected = Session::connect(endpoint, sessions, connecting).await;
    if let Some(turn) = turn {
        turn.end(&connected);
    }
    let mut session = connected?;
    let taking = async {
        loop {
            if let Some(data) = session.next().await?.into_keyframe() {
                return Ok(access_unit(session.codec, session.role, data));
            }
        }
    };
    let late = |_| IngestError::NoKeyframe { address: endpoint.address.to_string(), after: patience };
    tokio::time::timeout(patience, taking).await.map_err(late)?
}

async fn first_of_recording(stream: &StreamConfig) -> Result<AccessUnit, IngestError> {
    let mut recording = open(stream).await?;
    match recording.next().await {
        Item::Keyframe(keyframe) => Ok(access_unit(keyframe.codec, StreamRole::Main, keyframe.data)),
        Item::Failed(error) => Err(error),
        Item::End => Err(no_keyframe(stream)),
    }
}

/// Watches a stream as `watch` says (and on until its first keyframe, for at most another ten seconds), measures it and
/// decodes its first keyframe with the default decoders.
///
/// # Errors
/// When the stream cannot be connected to, gives no keyframe, or the keyframe cannot be decoded.
pub async fn probe(stream: &StreamConfig, role: StreamRole, watch: Watch) -> Result<ProbeReport, IngestError> {
    stream.validate()?;
    let measured = match stream.file {
        Some(_) => measure_recording(stream, watch.least).await?,
        None => {
            let sessions = Sessions::default();
            let measured = measure(stream, role, watch, &sessions).await;
            sessions.closed().await;
            measured?
        }
    };
    let keyframe = measured.keyframe.clone();
    let decoded = tokio::task::spawn_blocking(move || Decoder::new(&DecoderConfig::default())?.decode(&keyframe));
    let picture = decoded.await.map_err(|error| IngestError::Panicked(error.to_string()))??;
    let span = measured.span.filter(|span| *span > 0.0);
    Ok(ProbeReport {
        codec: measured.keyframe.codec,
        width: picture.width,
        height: picture.height,
        frame_rate: span.map(|span| (measured.frames.saturating_sub(1)) as f64 / span),
        keyframe_interval: measured.keyframe_interval.map(Millis::from),
        no_keyframe_for: measured.no_keyframe_for.map(Millis::from),
        bitrate: span.map(|span| (measured.bytes as f64 * 8.0 / span) as u64),
        keyframe: measured.keyframe,
    })
}

struct Measured {
    keyframe: AccessUnit,
    frames: u64,
    /// Without those of the first frame.
    bytes: u64,
    /// Seconds from the first to the last frame.
    span: Option<f64>,
    keyframe_interval: Option<Duration>,
    /// Since the only keyframe of a stream.
    no_keyframe_for: Option<Duration>,
}

async fn measure(
    stream: &StreamConfig,
    role: StreamRole,
    watch: Watch,
    sessions: &Sessions,
) -> Result<Measured, IngestError> {
    let endpoint = stream.endpoint(role)?;
    if endpoint.address.scheme == Scheme::Http {
        let limit = PROBE_CONNECT_TIMEOUT;
        let keyframe = Snapshots::default().take(&endpoint, limit, watch.least + limit, None).await?;
        return Ok(Measured {
            keyframe,
            frames: 1,
            bytes: 0,
            span: None,
            keyframe_interval: None,
            no_keyframe_for: None,
        });
    }
    let mut session = Session::connect(&endpoint, sessions, PROBE_CONNECT_TIMEOUT).await?;
    let end = tokio::time::Instant::now() + watch.least;
    let patience = watch.least + FIRST_KEYFRAME;
    let last_chance = end + FIRST_KEYFRAME;
    let (mut frames, mut bytes) = (0_u64, 0_u64);
    let (mut first, mut last) = (None, None);
    // With the time when it came.
    let mut first_keyframe = None;
    let (mut keyframes, mut keyframes_from, mut keyframes_to) = (0_u32, 0.0, 0.0);
    loop {
        let until = match &first_keyframe {
            Some((_, came)) if keyframes == 1 => end.max(*came + watch.second_keyframe),
            Some(_) => end,
            None => last_chance,
        };
        let received = match tokio::time::timeout_at(until, session.next()).await {
            Ok(received) => received?,
            Err(_) => break,
        };
        frames += 1;
        bytes += if first.is_some() { received.bytes as u64 } else { 0 };
        first.get_or_insert(received.at);
        last = Some(received.at);
        let at = received.at;
        if let Some(data) = received.into_keyframe() {
            keyframes += 1;
            keyframes_to = at;
            if first_keyframe.is_none() {
                keyframes_from = at;
                let keyframe = access_unit(session.codec, session.role, data);
                first_keyframe = Some((keyframe, tokio::time::Instant::now()));
            }
        }
    }
    let Some((keyframe, came)) = first_keyframe else {
        return Err(IngestError::NoKeyframe { address: session.address().to_owned(), after: patience });
    };
    let keyframe_interval =
        (keyframes > 1).then(|| Duration::from_secs_f64((keyframes_to - keyframes_from) / f64::from(keyframes - 1)));
    let span = first.zip(last).map(|(first, last): (f64, f64)| last - first);
    let no_keyframe_for = (keyframes == 1).then(|| came.elapsed());
    Ok(Measured { keyframe, frames, bytes, span, keyframe_interval, no_keyframe_for })
}

/// `duration` is that of the recording.
async fn measure_recording(stream: &StreamConfig, duration: Duration) -> Result<Measured, IngestError> {
    let mut recording = open(stream).await?;
    let mut first = None;
    let (mut frames, mut bytes, mut last, mut keyframes) = (0, 0, Duration::ZERO, 0);
    let result = loop {
        match recording.next().await {
            Item::Keyframe(found) => {
                frames = found.frames;
                bytes = found.bytes;
                last = found.at;
                keyframes += 1;
                let (from, ..) = first.get_or_insert_with(|| {
                    (found.at, access_unit(found.codec, StreamRole::Main, found.data), found.bytes)
                });
                if found.at.saturating_sub(*from) >= duration {
                    break Ok(());
                }
            }
            Item::Failed(error) => break Err(error),
            Item::End => break Ok(()),
        }
    };
    drop(recording);
    result?;
    let (from, keyframe, first_bytes) = first.ok_or_else(|| no_keyframe(stream))?;
    let length = last.saturating_sub(from);
    Ok(Measured {
        keyframe,
        frames,
        bytes: bytes - first_bytes,
        span: Some(length.as_secs_f64()),
        keyframe_interval: (keyframes > 1).then(|| length / (keyframes - 1)),
        no_keyframe_for: None,
    })
}

async fn open(stream: &StreamConfig) -> Result<Recording, IngestError> {
    let path = stream.file.clone().ok_or(IngestError::Source("has no file"))?;
    let open = move || Recording::open(&path, Pace::Fast, Duration::from_secs(1));
    tokio::task::spawn_blocking(open).await.map_err(|error| IngestError::Panicked(error.to_string()))?
}

fn no_keyframe(stream: &StreamConfig) -> IngestError {
    let path = stream.file.clone().unwrap_or_default();
    IngestError::Recording { path, reason: "holds no keyframe that decodes alone".into() }
}

fn access_unit(codec: Codec, role: StreamRole, data: bytes::Bytes) -> AccessUnit {
    AccessUnit { codec, role, received_at: Timestamp::from(SystemTime::now()), data }
}
