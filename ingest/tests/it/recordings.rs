//! Recordings as cameras.

use std::path::{Path, PathBuf};

use domain::{CameraState, Codec, Millis, StreamRole, picture::ColorRange};
use gstreamer::{self as gst, prelude::*};
use ingest::{CameraEvent, Decoder, DecoderConfig, IngestConfig, Pace, StreamConfig};

use crate::fleet::{DEADLINE, Fleet, config, grab, id, until};

/// A recording of `seconds` at 10 frames a second.
pub(crate) fn record(folder: &Path, name: &str, seconds: u32, encoder_and_muxer: &str) -> PathBuf {
    let path = folder.join(name);
    let launch = format!(
        "videotestsrc num-buffers={} pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! \
         {encoder_and_muxer} ! filesink location={}",
        seconds * 10,
        path.display()
    );
    run(&launch);
    path
}

/// Runs a pipeline to its end.
pub(crate) fn run(launch: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(launch).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let end = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(DEADLINE.as_secs()),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert_eq!(end.map(|message| message.type_()), Some(gst::MessageType::Eos), "{launch}");
    pipeline.set_state(gst::State::Null).unwrap();
}

/// A keyframe each second.
const H264: &str = "x264enc key-int-max=10 bframes=2 speed-preset=ultrafast";

fn file(path: &Path, pace: Pace) -> StreamConfig {
    StreamConfig { file: Some(path.to_owned()), pace, ..StreamConfig::default() }
}

/// Plays five seconds fast to their end: all keyframes, `apart` milliseconds apart, are looked at in order.
async fn check_fast(name: &str, encoder_and_muxer: &str, codec: Codec, apart: i64) {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), name, 5, encoder_and_muxer);
    let mut fleet = Fleet::start(config(), vec![("clip", file(&path, Pace::Fast))]);
    assert_eq!(fleet.event().await, CameraEvent::Streaming { camera: id("clip") });
    assert_eq!(fleet.event().await, CameraEvent::Ended { camera: id("clip") });
    let n = usize::try_from(5_000 / apart).unwrap();
    fleet.until("the last look", |seen| seen.len() >= n).await;
    fleet.looks(|seen| {
        let times: Vec<_> = seen.iter().map(|look| look.access_unit.received_at.0).collect();
        let steps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(steps, vec![apart; n - 1], "{name}");
        assert!(seen.iter().all(|look| look.access_unit.codec == codec), "{name}");
        assert!(seen.iter().all(|look| (look.picture.width, look.picture.height) == (320, 240)), "{name}");
    });
    let report = fleet.report("clip");
    assert_eq!((report.state, report.looks), (CameraState::Ended, n as u64));
    // Nothing is cancelled: all ends because the source did.
    let tasks = fleet.tasks.take().unwrap().join();
    tokio::time::timeout(DEADLINE, tasks).await.expect("the task ends").unwrap();
}

#[tokio::test]
async fn h264_in_mp4() {
    check_fast("a.mp4", &format!("{H264} ! mp4mux"), Codec::H264, 1_000).await;
}

/// The worker that ends the last look is the one that finds the queue closed; the other one sleeps.
#[tokio::test]
async fn the_end_reaches_every_worker() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), "a.mp4", 1, &format!("{H264} ! mp4mux"));
    let (sender, mut events) = tokio::sync::mpsc::channel(8);
    let source = ingest::CameraSource { id: id("clip"), stream: file(&path, Pace::RealTime) };
    let (_ingest, queue, _tasks) = ingest::Ingest::start(config(), vec![source], sender, Default::default()).unwrap();
    let (first, second) = (queue.clone(), queue.clone());
    let only = tokio::task::spawn_blocking(move || first.next().expect("the only keyframe")).await.unwrap();
    while events.recv().await != Some(CameraEvent::Ended { camera: id("clip") }) {}
    let other = tokio::task::spawn_blocking(move || second.next().is_none());
    let last = tokio::task::spawn_blocking(move || {
        only.done(Ok((320, 240)));
        queue.next().is_none()
    });
    assert!(tokio::time::timeout(DEADLINE, last).await.expect("the last worker ends").unwrap());
    assert!(tokio::time::timeout(DEADLINE, other).await.expect("the other worker ends").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_with_sound_plays_without_it() {
    let sound =
        "mux. audiotestsrc num-buffers=216 samplesperbuffer=1024 ! audioconvert ! avenc_aac ! mux. mp4mux name=mux";
    check_fast("a.mp4", &format!("{H264} ! {sound}"), Codec::H264, 1_000).await;
}

#[tokio::test]
async fn h264_in_a_transport_stream() {
    check_fast("a.ts", &format!("{H264} ! mpegtsmux"), Codec::H264, 1_000).await;
}

#[tokio::test]
async fn h265_in_matroska() {
    let encoder = "x265enc key-int-max=10 speed-preset=ultrafast ! h265parse ! matroskamux";
    check_fast("a.mkv", encoder, Codec::H265, 1_000).await;
}

#[tokio::test]
async fn mpeg4_in_avi_comes_as_one_jpeg_a_second() {
    check_fast("a.avi", "avenc_mpeg4 ! avimux", Codec::Jpeg, 1_000).await;
}

#[tokio::test]
async fn what_is_encoded_anew_keeps_its_colors() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), "a.avi", 1, "avenc_mpeg4 ! avimux");
    let access_unit = grab(file(&path, Pace::Fast), DEADLINE).await.unwrap();
    let picture = Decoder::new(&DecoderConfig::default()).unwrap().decode(&access_unit).unwrap();
    // The background is black: 16 in the recording's range, 0 in JPEG's.
    assert_eq!(picture.range, ColorRange::Full);
    assert!(picture.planes[0][0] < 5, "{}", picture.planes[0][0]);
}

#[tokio::test]
async fn motion_jpeg_in_avi() {
    check_fast("a.avi", "jpegenc ! avimux", Codec::Jpeg, 100).await;
}

#[tokio::test]
async fn at_real_speed_time_goes_as_it_was_recorded_and_on_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), "a.mp4", 2, &format!("{H264} ! mp4mux"));
    let stream = StreamConfig { looping: true, ..file(&path, Pace::RealTime) };
    let fleet = Fleet::start(IngestConfig { look_interval: Millis(100), ..config() }, vec![("clip", stream)]);
    let started = std::time::Instant::now();
    fleet.until("a second pass", |seen| seen.len() >= 4).await;
    assert!(started.elapsed().as_millis() > 1_500, "{:?}", started.elapsed());
    fleet.looks(|seen| {
        let times: Vec<_> = seen.iter().map(|look| look.access_unit.received_at.0).collect();
        assert!(times.windows(2).all(|pair| (900..2_200).contains(&(pair[1] - pair[0]))), "{times:?}");
    });
    assert_eq!(fleet.report("clip").state, CameraState::Streaming);
    fleet.stop().await;
}

#[tokio::test]
async fn what_is_no_recording_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.mp4");
    std::fs::write(&text, "this is no video".repeat(100)).unwrap();
    let sound = folder.path().join("sound.ogg");
    let launch = format!("audiotestsrc num-buffers=20 ! vorbisenc ! oggmux ! filesink location={}", sound.display());
    gst::init().unwrap();
    let pipeline = gst::parse::launch(&launch).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let all = gst::ClockTime::from_seconds(DEADLINE.as_secs());
    pipeline.bus().unwrap().timed_pop_filtered(all, &[gst::MessageType::Eos, gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    let streams = vec![
        ("missing", file(&folder.path().join("missing.mp4"), Pace::RealTime)),
        ("text", file(&text, Pace::Fast)),
        ("sound", file(&sound, Pace::Fast)),
    ];
    let fleet = Fleet::start(config(), streams);
    for (camera, says) in [("missing", "cannot be opened"), ("text", "notes.mp4"), ("sound", "no video")] {
        let what = format!("{camera}: {says}");
        until(&what, || fleet.report(camera).error.is_some_and(|error| error.contains(says))).await;
        assert_eq!(fleet.report(camera).state, CameraState::Offline);
    }
    fleet.stop().await;
}

#[tokio::test]
async fn a_recording_can_be_grabbed_from_and_probed() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), "a.mp4", 5, &format!("{H264} ! mp4mux"));
    let stream = file(&path, Pace::RealTime);
    let access_unit = grab(stream.clone(), DEADLINE).await.unwrap();
    assert_eq!(access_unit.codec, Codec::H264);
    let report = ingest::probe(&stream, StreamRole::Main, DEADLINE.into()).await.unwrap();
    assert_eq!((report.width, report.height, report.keyframe_interval), (320, 240, Some(Millis::secs(1))));
    assert!((report.frame_rate.unwrap() - 10.0).abs() < 0.5, "{:?}", report.frame_rate);
}
