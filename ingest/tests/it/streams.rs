//! Live cameras: what works, and what does not and says so.

use std::time::{Duration, Instant};

use domain::{CameraState, Codec, Millis, Secret, StreamRole};
use gstreamer::prelude::*;
use ingest::{CameraEvent, CameraSource, Ingest, IngestConfig, IngestError, StreamConfig, Transport, Watch};
use tokio_util::sync::CancellationToken;

use crate::{
    fleet::{Fleet, config, grab, id, rtsp, until},
    rtsp_server::{Auth, H264, H265, JPEG, PASSWORD, PICTURE, RtspServer, USER},
};

async fn check_looks(stream: StreamConfig, codec: Codec) {
    let mut fleet = Fleet::start(config(), vec![("gate", stream)]);
    fleet.until("two looks", |seen| seen.len() >= 2).await;
    fleet.looks(|seen| {
        assert!(seen.iter().all(|look| (look.picture.width, look.picture.height) == (320, 240)));
        assert!(seen.iter().all(|look| look.access_unit.codec == codec && look.camera == id("gate")));
    });
    assert_eq!(fleet.event().await, CameraEvent::Streaming { camera: id("gate") });
    let report = fleet.report("gate");
    assert_eq!(report.state, CameraState::Streaming);
    assert_eq!((report.codec, report.size, report.error), (Some(codec), Some((320, 240)), None));
    assert!(report.looks >= 2 && report.last_look_at.is_some() && report.last_keyframe_at.is_some());
    assert!(report.keyframe_interval.is_some());
    let latest = fleet.ingest.latest(&id("gate")).expect("it stays after it was looked at");
    assert_eq!(latest.codec, codec);
    fleet.stop().await;
}

#[tokio::test]
async fn h264() {
    let server = RtspServer::start(&format!("{PICTURE} ! {H264}"));
    check_looks(rtsp(&server.url()), Codec::H264).await;
}

/// As media servers send recordings: B-frames, and parameter sets in the session description alone.
#[tokio::test]
async fn h264_from_a_recording_on_a_media_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    let encode = "x264enc key-int-max=25 bframes=3 b-adapt=false speed-preset=ultrafast ! h264parse ! mp4mux";
    crate::recordings::run(&format!(
        "videotestsrc num-buffers=500 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! {encode} ! filesink location={}",
        path.display()
    ));
    let server = RtspServer::start(&format!(
        "filesrc location={} ! qtdemux ! rtph264pay name=pay0 pt=96 config-interval=0",
        path.display()
    ));
    check_looks(rtsp(&server.url()), Codec::H264).await;
}

#[tokio::test]
async fn h265() {
    let server = RtspServer::start(&format!("{PICTURE} ! {H265}"));
    check_looks(rtsp(&server.url()), Codec::H265).await;
}

#[tokio::test]
async fn mjpeg() {
    let server = RtspServer::start(&format!("{PICTURE} ! {JPEG}"));
    check_looks(rtsp(&server.url()), Codec::Jpeg).await;
}

#[tokio::test]
async fn h264_over_udp() {
    let server = RtspServer::start(&format!("{PICTURE} ! {H264}"));
    check_looks(StreamConfig { transport: Transport::Udp, ..rtsp(&server.url()) }, Codec::H264).await;
}

#[tokio::test]
async fn with_audio_beside_the_video() {
    let server = RtspServer::start(&format!(
        "audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay1 pt=8 {PICTURE} ! {H264}"
    ));
    check_looks(rtsp(&server.url()), Codec::H264).await;
}

#[tokio::test]
async fn basic_authentication() {
    let server = RtspServer::start_with(&format!("{PICTURE} ! {H264}"), 0, &Auth::Basic, |_| {});
    let stream =
        StreamConfig { username: Some(USER.into()), password: Some(Secret::new(PASSWORD)), ..rtsp(&server.url()) };
    check_looks(stream, Codec::H264).await;
}

#[tokio::test]
async fn digest_authentication_with_the_password_in_a_file() {
    let server = RtspServer::start_with(&format!("{PICTURE} ! {H264}"), 0, &Auth::Digest, |_| {});
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, format!("{PASSWORD}\n")).unwrap();
    let stream = StreamConfig { username: Some(USER.into()), password_file: Some(path), ..rtsp(&server.url()) };
    check_looks(stream, Codec::H264).await;
}

#[tokio::test]
async fn digest_authentication_with_the_password_in_the_address() {
    let server = RtspServer::start_with(&format!("{PICTURE} ! {H264}"), 0, &Auth::Digest, |_| {});
    let url = format!("rtsp://{USER}:s3cret%3Apass@127.0.0.1:{}/live", server.port);
    check_looks(rtsp(&url), Codec::H264).await;
}

#[tokio::test]
async fn looks_prefer_the_sub_stream() {
    let server = RtspServer::start(&format!("{PICTURE} ! {H264}"));
    let stream = StreamConfig { sub: Some(server.url()), ..rtsp("rtsp://127.0.0.1:1/main") };
    let fleet = Fleet::start(config(), vec![("gate", stream)]);
    fleet.until("a look", |seen| !seen.is_empty()).await;
    fleet.looks(|seen| assert_eq!(seen[0].access_unit.role, StreamRole::Sub));
    fleet.stop().await;
}

/// The camera goes offline with an error of this `reason` that names the remedy, and a good camera beside it goes on.
async fn check_fails(stream: StreamConfig, reason: &str, says: &[&str]) {
    let server = RtspServer::start(&format!("{PICTURE} ! {H264}"));
    let config = IngestConfig { connect_timeout: Millis(500), ..config() };
    let shown = format!("{stream:?}");
    let mut fleet = Fleet::start(config.clone(), vec![("bad", stream.clone()), ("good", rtsp(&server.url()))]);
    let error = loop {
        match fleet.event().await {
            CameraEvent::Lost { camera, error } => {
                assert_eq!(camera, id("bad"));
                break error;
            }
            other => assert_eq!(other, CameraEvent::Streaming { camera: id("good") }),
        }
    };
    assert!(says.iter().all(|word| error.contains(word)), "{error}");
    let report = fleet.report("bad");
    assert_eq!(report.state, CameraState::Offline);
    assert_eq!(report.error.as_deref(), Some(error.as_str()));
    fleet
        .until("looks at the good camera", |seen| seen.iter().filter(|look| look.camera == id("good")).count() >= 2)
        .await;
    if reason == "unauthorized" {
        assert_eq!(fleet.report("bad").reconnects, 1, "recorders lock accounts out");
    } else {
        until("another attempt", || fleet.report("bad").reconnects >= 2).await;
    }
    fleet.stop().await;

    let timeout = config.connect_timeout.to_duration();
    let grabbed = grab(stream.clone(), timeout).await.unwrap_err();
    assert_eq!(grabbed.reason(), reason, "{grabbed}");
    for text in [error, shown, grabbed.to_string(), format!("{grabbed:?}")] {
        assert!(!text.contains("wrongpass") && !text.contains("viewer:"), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let server = RtspServer::start_with(&format!("{PICTURE} ! {H264}"), 0, &Auth::Digest, |_| {});
    let url = format!("rtsp://viewer:wrongpass@127.0.0.1:{}/live", server.port);
    check_fails(rtsp(&url), "unauthorized", &["401", "check username and password", "127.0.0.1"]).await;
}

#[tokio::test]
async fn a_password_that_is_not_there() {
    let stream = StreamConfig {
        username: Some(USER.into()),
        password_file: Some("/nonexistent/password".into()),
        ..rtsp("rtsp://127.0.0.1:1/live")
    };
    check_fails(stream, "password_source", &["/nonexistent/password", "create it"]).await;
}

#[tokio::test]
async fn a_host_that_refuses() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("rtsp://127.0.0.1:{port}/live");
    check_fails(rtsp(&url), "unreachable", &["refused", "check the host", &port.to_string()]).await;
}

#[tokio::test]
async fn a_host_that_hangs() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtsp://127.0.0.1:{}/live", listener.local_addr().unwrap().port());
    check_fails(rtsp(&url), "timeout", &["DESCRIBE", "500ms", "connect_timeout"]).await;
}

#[tokio::test]
async fn a_path_that_is_not_there() {
    let server = RtspServer::start(&format!("{PICTURE} ! {H264}"));
    check_fails(rtsp(&format!("{}/nowhere", server.url())), "not_found", &["404", "check the path"]).await;
}

#[tokio::test]
async fn a_stream_without_video() {
    let server = RtspServer::start("audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8");
    check_fails(rtsp(&server.url()), "no_video", &["no video", "audio pcma"]).await;
}

#[tokio::test]
async fn an_unknown_codec() {
    let server = RtspServer::start(&format!("{PICTURE} ! vp8enc deadline=1 ! rtpvp8pay name=pay0 pt=96"));
    check_fails(rtsp(&server.url()), "unsupported_codec", &["vp8", "H.264, H.265 or MJPEG"]).await;
}

#[tokio::test]
async fn a_stream_that_stalls_is_connected_to_anew() {
    let server = RtspServer::start(&format!("{PICTURE} ! identity eos-after=40 ! {H264}"));
    let config = IngestConfig { stall_timeout: Millis(600), ..config() };
    let mut fleet = Fleet::start(config, vec![("gate", rtsp(&server.url()))]);
    assert_eq!(fleet.event().await, CameraEvent::Streaming { camera: id("gate") });
    match fleet.event().await {
        CameraEvent::Lost { error, .. } => assert!(error.contains("stalled") || error.contains("ended"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(fleet.event().await, CameraEvent::Streaming { camera: id("gate") });
    fleet.stop().await;
}

#[tokio::test]
async fn a_stream_without_keyframes_is_told() {
    let server = RtspServer::start_with(&format!("{PICTURE} ! {H264}"), 0, &Auth::None, |element| {
        let bin = element.downcast_ref::<gstreamer::Bin>().unwrap();
        let pad = bin.by_name("pay0").unwrap().static_pad("sink").unwrap();
        pad.add_probe(gstreamer::PadProbeType::BUFFER, |_, info| {
            let delta = info.buffer().unwrap().flags().contains(gstreamer::BufferFlags::DELTA_UNIT);
            // What is taken from a sink pad is handled: where it is said to be dropped GStreamer wants to free it once more.
            if delta { gstreamer::PadProbeReturn::Ok } else { gstreamer::PadProbeReturn::Handled }
        });
    });
    let config = IngestConfig { keyframe_timeout: Millis::secs(1), ..config() };
    let mut fleet = Fleet::start(config, vec![("gate", rtsp(&server.url()))]);
    match fleet.event().await {
        CameraEvent::Lost { error, .. } => assert!(error.contains("no keyframe for 1s"), "{error}"),
        other => panic!("{other:?}"),
    }
    fleet.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_and_comes_back_with_another_codec() {
    let server = RtspServer::start(&format!("{PICTURE} ! {H264}"));
    let port = server.port;
    let mut fleet = Fleet::start(config(), vec![("gate", rtsp(&server.url()))]);
    assert_eq!(fleet.event().await, CameraEvent::Streaming { camera: id("gate") });
    fleet.until("a look", |seen| !seen.is_empty()).await;
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
    assert!(matches!(fleet.event().await, CameraEvent::Lost { .. }));
    assert_eq!(fleet.report("gate").state, CameraState::Offline);
    let _server = RtspServer::start_with(&format!("{PICTURE} ! {H265}"), port, &Auth::None, |_| {});
    assert_eq!(fleet.event().await, CameraEvent::Streaming { camera: id("gate") });
    fleet.until("a look at H.265", |seen| seen.iter().any(|look| look.access_unit.codec == Codec::H265)).await;
    assert!(fleet.report("gate").reconnects >= 1 && fleet.report("gate").error.is_none());
    fleet.stop().await;
}

#[tokio::test]
async fn a_change_of_resolution_goes_through() {
    let launch = format!(
        "videotestsrc is-live=true ! videoscale ! \
         capsfilter name=size caps=video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! {H264}"
    );
    let (sender, size) = std::sync::mpsc::sync_channel(1);
    let server = RtspServer::start_with(&launch, 0, &Auth::None, move |element| {
        let bin = element.downcast_ref::<gstreamer::Bin>().unwrap();
        sender.send(bin.by_name("size").unwrap()).unwrap();
    });
    let fleet = Fleet::start(config(), vec![("gate", rtsp(&server.url()))]);
    let with = |width| move |seen: &[crate::fleet::Seen]| seen.iter().any(|look| look.picture.width == width);
    fleet.until("looks at the first size", with(320)).await;
    let caps = "video/x-raw,format=I420,width=640,height=480,framerate=25/1";
    size.recv().unwrap().set_property_from_str("caps", caps);
    fleet.until("looks at the second size", with(640)).await;
    fleet.stop().await;
}

#[tokio::test]
async fn two_cameras_with_one_id_are_refused() {
    let source = || CameraSource { id: id("gate"), stream: rtsp("rtsp://127.0.0.1/live") };
    let (events, _receiver) = tokio::sync::mpsc::channel(1);
    let started = Ingest::start(config(), vec![source(), source()], events, CancellationToken::new());
    let error = started.map(|_| ()).unwrap_err();
    assert!(matches!(&error, IngestError::DuplicateCamera(camera) if *camera == id("gate")), "{error}");
    assert!(error.to_string().contains("gate is listed twice"), "{error}");
}

#[tokio::test]
async fn grabbing_takes_one_keyframe_and_leaves() {
    let server = RtspServer::start_with(&format!("{PICTURE} ! {H264}"), 0, &Auth::Digest, |_| {});
    let stream =
        StreamConfig { username: Some(USER.into()), password: Some(Secret::new(PASSWORD)), ..rtsp(&server.url()) };
    let access_unit = grab(stream, Duration::from_secs(20)).await.unwrap();
    assert_eq!((access_unit.codec, access_unit.role), (Codec::H264, StreamRole::Main));
    // Start code, then a sequence parameter set.
    assert_eq!((&access_unit.data[..4], access_unit.data[4] & 0x1f), (&[0, 0, 0, 1][..], 7));
    // The server forgets a session by itself only after a minute.
    until("the session is gone", || server.sessions() == 0).await;
}

#[tokio::test]
async fn probing_measures_a_stream() {
    let server = RtspServer::start(&format!("{PICTURE} ! {H264}"));
    let report = ingest::probe(&rtsp(&server.url()), StreamRole::Main, Duration::from_secs(4).into()).await.unwrap();
    assert_eq!((report.codec, report.width, report.height), (Codec::H264, 320, 240));
    let (rate, interval) = (report.frame_rate.unwrap(), report.keyframe_interval.unwrap());
    assert!((rate - 25.0).abs() < 3.0, "{rate}");
    assert!((interval.0 - 1_000).abs() < 200, "{interval}");
    assert!(report.bitrate.unwrap() > 10_000, "{:?}", report.bitrate);
}

#[tokio::test]
async fn a_stream_is_probed_on_until_its_second_keyframe() {
    let rare = H264.replace("key-int-max=25", "key-int-max=75 option-string=scenecut=0");
    let server = RtspServer::start(&format!("{PICTURE} ! {rare}"));
    let probe = async |second_keyframe: u64| {
        let watch = Watch { least: Duration::from_millis(200), second_keyframe: Duration::from_secs(second_keyframe) };
        let report = ingest::probe(&rtsp(&server.url()), StreamRole::Main, watch).await.unwrap();
        (report.keyframe_interval, report.no_keyframe_for)
    };
    let (interval, none_for) = probe(60).await;
    assert!(interval.is_some_and(|interval| (interval.0 - 3_000).abs() < 300), "{interval:?}");
    assert_eq!(none_for, None);
    let (interval, none_for) = probe(1).await;
    assert_eq!(interval, None);
    assert!(none_for.is_some_and(|none_for| none_for >= Millis::secs(1)), "{none_for:?}");
}

#[tokio::test]
async fn a_look_is_made_at_once_when_asked_for() {
    let server = RtspServer::start(&format!("{PICTURE} ! {H264}"));
    let config = IngestConfig { look_interval: Millis::mins(9), ..config() };
    let fleet = Fleet::start(config, vec![("gate", rtsp(&server.url()))]);
    fleet.until("the first look", |seen| seen.len() == 1).await;
    let asked = Instant::now();
    fleet.ingest.look_now(&id("gate"));
    fleet.until("the second look", |seen| seen.len() == 2).await;
    assert!(asked.elapsed() < Duration::from_secs(20));
    fleet.ingest.set_pace(&id("gate"), ingest::LookPace::Active);
    fleet.until("looks while active", |seen| seen.len() >= 5).await;
    fleet.stop().await;
}

#[tokio::test]
async fn corrupt_keyframes_are_told_and_the_camera_stays() {
    let corrupt = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let switch = std::sync::Arc::clone(&corrupt);
    let server = RtspServer::start_with(&format!("{PICTURE} ! {JPEG}"), 0, &Auth::None, move |element| {
        let bin = element.downcast_ref::<gstreamer::Bin>().unwrap();
        let pad = bin.by_name("pay0").unwrap().static_pad("src").unwrap();
        let corrupt = std::sync::Arc::clone(&switch);
        let spoil = move |buffer: &mut gstreamer::BufferRef| {
            let mut data = buffer.map_writable().unwrap();
            // Behind the headers of RTP and of RTP/JPEG with its tables.
            data.iter_mut().skip(160).for_each(|byte| *byte = 0xff);
        };
        pad.add_probe(gstreamer::PadProbeType::BUFFER | gstreamer::PadProbeType::BUFFER_LIST, move |_, info| {
            if corrupt.load(std::sync::atomic::Ordering::Relaxed) {
                match info.data.as_mut() {
                    Some(gstreamer::PadProbeData::Buffer(buffer)) => {
                        *buffer = buffer.copy_deep().unwrap();
                        spoil(buffer.make_mut());
                    }
                    Some(gstreamer::PadProbeData::BufferList(list)) => {
                        let copies = list.iter().map(|buffer| {
                            let mut copy = buffer.copy_deep().unwrap();
                            spoil(copy.make_mut());
                            copy
                        });
                        *list = copies.collect();
                    }
                    _ => {}
                }
            }
            gstreamer::PadProbeReturn::Ok
        });
    });
    let fleet = Fleet::start(config(), vec![("gate", rtsp(&server.url()))]);
    until("an error", || fleet.report("gate").error.is_some()).await;
    let report = fleet.report("gate");
    assert_eq!((report.state, report.reconnects), (CameraState::Streaming, 0));
    assert!(report.error.unwrap().contains("jpeg keyframe"), "{:?}", fleet.report("gate"));
    corrupt.store(false, std::sync::atomic::Ordering::Relaxed);
    until("no error", || fleet.report("gate").error.is_none()).await;
    assert_eq!(fleet.report("gate").size, Some((320, 240)));
    fleet.stop().await;
}
