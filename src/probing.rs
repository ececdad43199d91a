//! Each camera is connected to once, many at a time but few of one host, and measured: what a fleet is worth before it runs.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{CameraId, Codec, Millis, StreamRole};
use ingest::{Mode, StreamConfig, Watch};
use serde::Serialize;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::config::CameraConfig;

/// A stream that looks are made of is watched for its second keyframe for the time between looks and a fifth of it, so that it is
/// told where its keyframes come too rarely.
const BEYOND: i64 = 5;
/// But no longer than this: by then a running gridwatch gives up the session, too.
const LONGEST: Millis = Millis::secs(60);

/// How cameras are probed.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Streams at one time.
    pub in_flight: usize,
    /// Of those, with one host and port.
    pub per_host: usize,
    /// How long a stream is watched, for its rates; the one that looks are made of on until its second keyframe.
    pub watch: Millis,
    /// The time between looks at cameras that name none; longer keyframe intervals are told.
    pub look_interval: Millis,
}

/// What became of one stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probed {
    /// Whose.
    pub camera: CameraId,
    /// `main` or `sub`.
    pub stream: &'static str,
    /// `ok`, or what is wrong in one word (`unreachable`, `wrong_password`, `no_video`, ...).
    pub result: &'static str,
    /// What is wrong, or what to mind, in words for an operator.
    pub note: Option<String>,
    /// The encoding.
    pub codec: Option<Codec>,
    /// Width of the decoded picture in pixels.
    pub width: Option<u32>,
    /// Height of the decoded picture in pixels.
    pub height: Option<u32>,
    /// Frames a second.
    pub fps: Option<f64>,
    /// Seconds between keyframes.
    pub keyframe_interval_s: Option<f64>,
    /// Where only one came: for how many (whole) seconds no other one did.
    pub no_keyframe_for_s: Option<f64>,
    /// The bit rate.
    pub kbit_s: Option<u64>,
}

impl Probed {
    /// Whether looks can be made of this stream.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.result == "ok"
    }
}

/// Probes every stream of the cameras; in their order. `told` hears after each how many are done.
pub async fn probe_all(cameras: &[CameraConfig], plan: Plan, told: impl Fn(usize, usize)) -> Vec<Probed> {
    let room = Arc::new(Semaphore::new(plan.in_flight.max(1)));
    let mut hosts: HashMap<String, Arc<Semaphore>> = HashMap::new();
    let mut probes = JoinSet::new();
    for camera in cameras {
        for role in roles(&camera.stream) {
            let host = hosts.entry(host(&camera.stream, role)).or_insert_with(|| {
                // The semaphores are never closed.
                Arc::new(Semaphore::new(plan.per_host.max(1)))
            });
            let (host, room, camera, number) = (Arc::clone(host), Arc::clone(&room), camera.clone(), probes.len());
            probes.spawn(async move {
                let _of_host = host.acquire().await;
                let _of_all = room.acquire().await;
                (number, probe(&camera, role, plan).await)
            });
        }
    }
    let of = probes.len();
    let mut results = Vec::with_capacity(of);
    while let Some(probed) = probes.join_next().await {
        match probed {
            Ok(probed) => results.push(probed),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
        told(results.len(), of);
    }
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, probed)| probed).collect()
}

/// The streams that a camera has, the one for looks first.
fn roles(stream: &StreamConfig) -> impl Iterator<Item = StreamRole> {
    let main = stream.main.is_some() || stream.file.is_some();
    [(StreamRole::Sub, stream.sub.is_some()), (StreamRole::Main, main)]
        .into_iter()
        .filter_map(|(role, there)| there.then_some(role))
}

fn host(stream: &StreamConfig, role: StreamRole) -> String {
    let address = stream.shown(role).unwrap_or_default();
    match url::Url::parse(&address) {
        Ok(url) => format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(554)),
        Err(_) => address,
    }
}

async fn probe(camera: &CameraConfig, role: StreamRole, plan: Plan) -> Probed {
    let blank = Probed {
        camera: camera.id.clone(),
        stream: crate::cli::role_name(role),
        result: "ok",
        note: None,
        codec: None,
        width: None,
        height: None,
        fps: None,
        keyframe_interval_s: None,
        no_keyframe_for_s: None,
        kbit_s: None,
    };
    let looked_at = role == camera.stream.look_role();
    let look_interval = camera.stream.look_interval.unwrap_or(plan.look_interval);
    // A visit waits for a keyframe, which many cameras send to whoever comes.
    let held = looked_at && camera.stream.mode == Mode::Stream;
    let second_keyframe = if held { patience(look_interval) } else { Duration::ZERO };
    match ingest::probe(&camera.stream, role, Watch { least: plan.watch.to_duration(), second_keyframe }).await {
        Ok(report) => {
            let lasted = report.no_keyframe_for.map(whole_seconds);
            let told = report.keyframe_interval.map(|interval| (interval, format!("come each {interval}")));
            let told = told.or(lasted.map(|lasted| (lasted, format!("come more than {lasted} apart"))));
            let slow = told.filter(|(interval, _)| looked_at && *interval > look_interval);
            Probed {
                note: slow.map(|(_, come)| {
                    format!("keyframes {come}, looks are due each {look_interval}: set the camera's keyframe (I-frame) interval to 2 s")
                }),
                codec: Some(report.codec),
                width: Some(report.width),
                height: Some(report.height),
                fps: report.frame_rate.map(|rate| (rate * 10.0).round() / 10.0),
                keyframe_interval_s: report.keyframe_interval.map(Millis::as_secs_f64),
                no_keyframe_for_s: lasted.map(Millis::as_secs_f64),
                kbit_s: report.bitrate.map(|bits| bits / 1000),
                ..blank
            }
        }
        Err(error) => {
            let result = match error.reason() {
                "unauthorized" => "wrong_password",
                reason => reason,
            };
            Probed { result, note: Some(error.to_string()), ..blank }
        }
    }
}

/// For how long a stream's second keyframe is waited for.
fn patience(look_interval: Millis) -> Duration {
    // A whole second at least remains to be told of.
    let beyond = Millis(look_interval.0 / BEYOND).max(Millis::secs(1));
    Millis(look_interval.0 + beyond.0).min(LONGEST).to_duration()
}

/// A time of which fractions say nothing.
pub(crate) fn whole_seconds(time: Millis) -> Millis {
    Millis(time.0 / 1_000 * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_keyframe_is_waited_for_beyond_the_time_between_looks() {
        for (look_interval, expect) in [(500, 1_500), (2_000, 3_000), (10_000, 12_000), (300_000, 60_000)] {
            assert_eq!(patience(Millis(look_interval)), Duration::from_millis(expect));
        }
    }

    #[test]
    fn streams_of_one_recorder_are_of_one_host() {
        let stream = StreamConfig {
            main: Some("rtsp://u:p@10.0.0.1/Streaming/Channels/101".into()),
            sub: Some("rtsp://u:p@10.0.0.1:554/Streaming/Channels/102".into()),
            ..StreamConfig::default()
        };
        assert_eq!(roles(&stream).collect::<Vec<_>>(), [StreamRole::Sub, StreamRole::Main]);
        assert_eq!(host(&stream, StreamRole::Main), host(&stream, StreamRole::Sub));
        assert_eq!(host(&stream, StreamRole::Main), "10.0.0.1:554");
    }
}
