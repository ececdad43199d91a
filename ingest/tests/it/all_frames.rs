//! Cameras whose keyframes come too rarely, or not at all: all their frames are decoded.

use std::sync::atomic::{AtomicUsize, Ordering};

use domain::{CameraFault, CameraReport, CameraState, Codec, DecodeMode, Millis, Picture, StreamRole};
use gstreamer::prelude::*;
use ingest::{
    CameraSource, IngestConfig, StreamConfig,
    simulate::{self, Fault, FaultScript, ScriptedFault},
};

use crate::{
    fleet::{Fleet, Seen, config, id, rtsp, until},
    rtsp_server::{Auth, PICTURE, RtspServer},
};

/// A keyframe each three seconds.
const RARE: &str = "x264enc key-int-max=75 tune=zerolatency speed-preset=ultrafast bitrate=300 ! \
     rtph264pay name=pay0 pt=96 config-interval=-1";

fn with_room_for(cameras: usize) -> IngestConfig {
    IngestConfig { all_frames_cameras: cameras, ..config() }
}

fn jpegs(seen: &[Seen]) -> usize {
    seen.iter().filter(|look| look.access_unit.codec == Codec::Jpeg).count()
}

#[tokio::test]
async fn while_an_encoder_is_a_smart_one_all_frames_are_decoded() {
    let dir = tempfile::tempdir().unwrap();
    let encode = "x264enc tune=zerolatency bframes=0 key-int-max=10 ! h264parse ! matroskamux";
    let clip = crate::recordings::record(dir.path(), "street.mkv", 9, encode);
    let smart = ScriptedFault {
        kind: Fault::SmartCodec,
        cameras: "street".into(),
        one_in: 1,
        at: Millis::ZERO,
        lasts: None,
        every: None,
    };
    let served = simulate::FleetConfig { script: FaultScript { faults: vec![smart] }, ..Default::default() };
    let mounts = vec![simulate::Mount::new("street", simulate::Source::Recording(clip))];
    let street = simulate::Fleet::start(served, mounts).await.unwrap();

    // Keyframes are 2 and 7 s apart; of the usual encoder, a second.
    let looks = IngestConfig { look_interval: Millis(1_500), active_interval: Millis(300), ..with_room_for(1) };
    let fleet = Fleet::start(looks, vec![("street", rtsp(&street.mounts()[0].url))]);
    until("all frames are decoded", || fleet.report("street").decode == DecodeMode::AllFrames).await;
    fleet.ingest.set_pace(&id("street"), ingest::LookPace::Active);
    fleet.until("looks at decoded pictures", |seen| jpegs(seen) >= 4).await;
    fleet.looks(|seen| {
        let mut shown = seen.iter().filter(|look| look.access_unit.codec == Codec::Jpeg);
        assert!(shown.clone().all(|look| (look.picture.width, look.picture.height) == (320, 240)));
        assert!(shown.all(|look| look.access_unit.role == StreamRole::Main));
        // The ball moves: each look is at another picture.
        assert!(seen.windows(2).all(|pair| pair[0].access_unit.data != pair[1].access_unit.data));
        assert!(seen.windows(2).all(|pair| pair[0].access_unit.received_at < pair[1].access_unit.received_at));
    });
    let report = fleet.report("street");
    assert_eq!((report.state, report.codec, report.reconnects), (CameraState::Streaming, Some(Codec::H264), 0));

    street.set_fault("street", Fault::None).unwrap();
    until("keyframes are enough again", || fleet.report("street").decode == DecodeMode::Keyframes).await;
    let before = fleet.looks(<[_]>::len);
    fleet
        .until("looks at keyframes alone", |seen| {
            let since = &seen[before..];
            since.iter().rev().take_while(|look| look.access_unit.codec == Codec::H264).count() >= 3
        })
        .await;
    fleet.stop().await;
}

/// Colour bars, of which each is darker than the one to its left.
fn shows_all_bars(picture: &Picture) -> bool {
    let luma = |bar: usize| {
        let (column, row) = ((2 * bar + 1) * picture.width as usize / 14, picture.height as usize / 4);
        i32::from(picture.planes[0][row * picture.strides[0] + column])
    };
    (1..7).all(|bar| luma(bar - 1) - luma(bar) > 6)
}

/// As whoever joins later sees the stream, or as it begins.
enum Joins {
    Late,
    AtTheStart,
}

async fn intra_refresh(encoder: &str, joins: Joins, config: IngestConfig) -> CameraReport {
    let bars = PICTURE.replace("pattern=ball", "pattern=smpte");
    let server = RtspServer::start_with(&format!("{bars} ! {encoder}"), 0, &Auth::None, move |element| {
        let bin = element.downcast_ref::<gstreamer::Bin>().unwrap();
        let pad = bin.by_name("pay0").unwrap().static_pad("sink").unwrap();
        // The one picture that decodes alone is the first.
        let left_out = if matches!(joins, Joins::Late) { 10 } else { 0 };
        let frames = AtomicUsize::new(0);
        pad.add_probe(gstreamer::PadProbeType::BUFFER, move |_, _| match frames.fetch_add(1, Ordering::Relaxed) {
            frame if frame < left_out => gstreamer::PadProbeReturn::Handled,
            _ => gstreamer::PadProbeReturn::Ok,
        });
    });
    let fleet = Fleet::start(config, vec![("gate", rtsp(&server.url()))]);
    fleet.until("looks at decoded pictures", |seen| jpegs(seen) >= 5).await;
    fleet.looks(|seen| assert!(seen.iter().all(|look| shows_all_bars(&look.picture)), "not refreshed all over"));
    let report = fleet.report("gate");
    assert_eq!((report.state, report.decode), (CameraState::Streaming, DecodeMode::AllFrames));
    assert!(report.ailments.iter().any(|ailment| ailment.fault == CameraFault::KeyframeInterval));
    fleet.stop().await;
    report
}

#[tokio::test]
async fn with_intra_refresh_decoding_begins_at_a_recovery_point() {
    let encoder = "x264enc intra-refresh=true key-int-max=25 tune=zerolatency speed-preset=ultrafast bitrate=300 ! \
         video/x-h264,stream-format=avc ! rtph264pay name=pay0 pt=96 config-interval=-1";
    let report = intra_refresh(encoder, Joins::Late, with_room_for(1)).await;
    assert_eq!((report.codec, report.keyframe_interval, report.reconnects), (Some(Codec::H264), None, 0));
}

/// This encoder marks no recovery point; the one keyframe is past when it is found out that there is no other.
#[tokio::test]
async fn with_unmarked_intra_refresh_decoding_begins_with_another_session() {
    let encoder = "x265enc option-string=intra-refresh=1:keyint=25 tune=zerolatency speed-preset=ultrafast bitrate=300 ! \
         h265parse ! video/x-h265,stream-format=hvc1 ! rtph265pay name=pay0 pt=96 config-interval=-1";
    let soon = IngestConfig { keyframe_timeout: Millis::secs(4), ..with_room_for(1) };
    let report = intra_refresh(encoder, Joins::AtTheStart, soon).await;
    assert_eq!(report.codec, Some(Codec::H265));
    assert!(report.reconnects >= 1);
}

#[tokio::test]
async fn so_many_cameras_have_all_frames_decoded_and_the_others_their_keyframes() {
    let server = RtspServer::start(&format!("{PICTURE} ! {RARE}"));
    let streams = ["a", "b"].map(|name| (name, rtsp(&server.url()))).to_vec();
    let fleet = Fleet::start(with_room_for(1), streams.clone());
    let mode = |name| fleet.ingest.report(&id(name)).map(|report| report.decode);
    until("one has all frames decoded", || [mode("a"), mode("b")].contains(&Some(DecodeMode::AllFrames))).await;
    let (lucky, other) = if mode("a") == Some(DecodeMode::AllFrames) { ("a", "b") } else { ("b", "a") };
    let looks = |seen: &[Seen], name, codec| {
        seen.iter().filter(|look| look.camera == id(name) && look.access_unit.codec == codec).count()
    };
    fleet
        .until("both are looked at", |seen| {
            looks(seen, lucky, Codec::Jpeg) >= 3 && looks(seen, other, Codec::H264) >= 3
        })
        .await;
    assert_eq!(mode(other), Some(DecodeMode::Keyframes));
    fleet.looks(|seen| assert_eq!(looks(seen, other, Codec::Jpeg), 0));

    let left = streams.into_iter().filter(|(name, _)| *name == other);
    let left: Vec<_> = left.map(|(name, stream): (_, StreamConfig)| CameraSource { id: id(name), stream }).collect();
    fleet.ingest.set_cameras(left).await.unwrap();
    fleet.until("the other takes its place", |seen| looks(seen, other, Codec::Jpeg) >= 1).await;
    fleet.stop().await;
}
