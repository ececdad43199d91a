//! The server of whole fleets: the same streams, passwords, session limits, and faults by camera and time.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use domain::{Codec, Millis, Secret};
use ingest::simulate::{
    Fault, FaultScript, Fleet, FleetConfig, Mount, NoRoom, ScriptedFault, SimulateConfig, SimulateError,
};
use retina::client::{Session, SetupOptions, Transport};

use crate::{
    clips::{CAMERA, decode, record},
    viewer::{DEADLINE, Viewer, camera, options, until},
};

/// 90 kHz ticks between pictures at 10 a second.
const FRAME: i64 = 9000;

fn clip(dir: &tempfile::TempDir) -> PathBuf {
    record(dir.path(), "a.mkv", 20, (320, 240), CAMERA)
}

async fn fleet(config: FleetConfig, mounts: Vec<Mount>) -> Fleet {
    Fleet::start(config, mounts).await.unwrap_or_else(|error| panic!("{error}"))
}

fn url(fleet: &Fleet, name: &str) -> String {
    fleet.mounts().iter().find(|mount| mount.name == name).unwrap().url.clone()
}

async fn gate_and_other(clip: &Path) -> Fleet {
    fleet(FleetConfig::default(), vec![camera("gate", clip), camera("other", clip)]).await
}

async fn refusal(url: &str) -> String {
    Viewer::try_connect(url, None, Transport::default()).await.err().expect("refused").to_string()
}

#[tokio::test]
async fn a_recording_loops_without_a_seam() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = fleet(FleetConfig::default(), vec![camera("gate", clip(&dir))]).await;
    assert_eq!((fleet.mounts()[0].codec, fleet.mounts()[0].size), (Some(Codec::H264), Some((320, 240))));
    let mut viewer = Viewer::connect(&url(&fleet, "gate")).await;
    let mut pictures = vec![viewer.next().await.unwrap()];
    while pictures.len() < 45 {
        pictures.push(viewer.next().await.unwrap());
    }
    assert!(pictures[0].keyframe, "the first picture decodes alone");
    assert_eq!(pictures[0].size, (320, 240));
    for pair in pictures.windows(2) {
        let step = pair[1].timestamp - pair[0].timestamp;
        assert!((step - FRAME).abs() <= 200, "a step of {step} ticks");
    }
    let key = pictures.iter().rfind(|picture| picture.keyframe).unwrap();
    assert!(decode(&key.data).is_some());
}

#[tokio::test]
async fn an_h265_recording_is_served_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let encoder = "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 option-string=bframes=0:scenecut=0 ! h265parse ! matroskamux";
    let clip = record(dir.path(), "a.mkv", 20, (320, 240), encoder);
    let fleet = fleet(FleetConfig::default(), vec![camera("gate", clip)]).await;
    assert_eq!(fleet.mounts()[0].codec, Some(Codec::H265));
    let mut viewer = Viewer::connect(&url(&fleet, "gate")).await;
    let first = viewer.next().await.unwrap();
    assert!(first.keyframe);
    assert_eq!(first.size, (320, 240));
    assert!(!viewer.next().await.unwrap().keyframe);
}

#[tokio::test]
async fn a_password_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let simulate = SimulateConfig {
        username: Some("ops".to_owned()),
        password: Some(Secret::new("right")),
        ..SimulateConfig::default()
    };
    let fleet = fleet(FleetConfig { simulate, ..FleetConfig::default() }, vec![camera("gate", clip(&dir))]).await;
    let url = url(&fleet, "gate");
    for login in [None, Some(("ops", "wrong")), Some(("other", "right"))] {
        let error = Viewer::try_connect(&url, login, Transport::default()).await.err().expect("refused").to_string();
        assert!(error.to_lowercase().contains("auth") || error.contains("401"), "{error}");
    }
    let mut viewer = Viewer::try_connect(&url, Some(("ops", "right")), Transport::default()).await.unwrap();
    assert!(viewer.next().await.unwrap().keyframe);
}

#[tokio::test]
async fn a_device_has_room_for_so_many_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let clip = clip(&dir);
    let config = FleetConfig { hosts: 2, sessions_per_host: Some(2), ..FleetConfig::default() };
    let fleet = fleet(config, camera("cam", clip).copies(6)).await;
    let urls: Vec<_> = fleet.mounts().iter().map(|mount| mount.url.clone()).collect();
    assert!(urls[2].starts_with("rtsp://127.0.1.1:") && urls[3].starts_with("rtsp://127.0.1.2:"), "{urls:?}");

    let first = Viewer::connect(&urls[0]).await;
    let _second = Viewer::connect(&urls[1]).await;
    let error = refusal(&urls[2]).await;
    assert!(error.contains("453"), "{error}");
    let _elsewhere = Viewer::connect(&urls[3]).await;
    let report = fleet.report();
    assert_eq!((report.sessions, report.most_of_a_host, report.refused), (3, 2, 1));

    drop(first);
    until("the room is given back", || fleet.report().sessions == 2).await;
    Viewer::connect(&urls[2]).await;
    // A camera answers at its own device only.
    let error = refusal(&urls[0].replace("127.0.1.1", "127.0.1.2")).await;
    assert!(error.contains("404"), "{error}");
}

#[tokio::test]
async fn a_device_without_room_may_say_that_it_is_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let no_room = NoRoom::ServiceUnavailable;
    let config = FleetConfig { sessions_per_host: Some(1), no_room, ..FleetConfig::default() };
    let fleet = fleet(config, camera("cam", clip(&dir)).copies(2)).await;
    let _first = Viewer::connect(&fleet.mounts()[0].url).await;
    let error = refusal(&fleet.mounts()[1].url).await;
    assert!(error.contains("503"), "{error}");
    assert_eq!(fleet.report().refused, 1);
}

#[tokio::test]
async fn udp_is_not_offered() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = fleet(FleetConfig::default(), vec![camera("gate", clip(&dir))]).await;
    let mut session = Session::describe(url(&fleet, "gate").parse().unwrap(), options(None)).await.unwrap();
    let udp = SetupOptions::default().transport(Transport::Udp(Default::default()));
    let error = tokio::time::timeout(DEADLINE, session.setup(0, udp)).await.unwrap().expect_err("refused").to_string();
    assert!(error.contains("461"), "{error}");
}

#[tokio::test]
async fn a_stalled_or_hung_camera_sends_nothing_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = gate_and_other(&clip(&dir)).await;
    let mut viewer = Viewer::connect(&url(&fleet, "gate")).await;
    let mut other = Viewer::connect(&url(&fleet, "other")).await;
    for fault in [Fault::Stall, Fault::Hang] {
        let last = viewer.keyframe().await;
        fleet.set_fault("gate", fault).unwrap();
        while !viewer.is_silent_for(Duration::from_millis(600)).await {}
        assert!(other.next().await.is_some());
        if fault == Fault::Hang {
            let asking = Session::describe(url(&fleet, "gate").parse().unwrap(), options(None));
            assert!(tokio::time::timeout(Duration::from_millis(600), asking).await.is_err(), "no answer");
        }
        fleet.set_fault("gate", Fault::None).unwrap();
        let next = viewer.next().await.unwrap();
        assert!(next.keyframe, "it goes on with a keyframe");
        assert!(next.timestamp > last.timestamp);
    }
}

#[tokio::test]
async fn cameras_refuse_and_drop() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = gate_and_other(&clip(&dir)).await;
    let gate = url(&fleet, "gate");
    let mut viewer = Viewer::connect(&gate).await;
    for (fault, code) in [(Fault::Refuse, "503"), (Fault::WrongPassword, "401"), (Fault::Drop, "503")] {
        assert!(viewer.next().await.is_some());
        fleet.set_fault("gate", fault).unwrap();
        let error = refusal(&gate).await;
        assert!(error.contains(code) || (code == "401" && error.contains("Unauthorized")), "{fault:?}: {error}");
    }
    while viewer.next().await.is_some() {}
    until("nobody is counted", || fleet.report().sessions == 0).await;
    assert!(Viewer::connect(&url(&fleet, "other")).await.next().await.is_some());
    fleet.set_fault("gate", Fault::None).unwrap();
    assert!(Viewer::connect(&gate).await.next().await.unwrap().keyframe);
}

#[tokio::test]
async fn a_connection_is_reset_by_its_camera_or_by_the_whole_device() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let dir = tempfile::tempdir().unwrap();
    let fleet = gate_and_other(&clip(&dir)).await;
    let gate = url(&fleet, "gate");
    let address = gate.trim_start_matches("rtsp://").split('/').next().unwrap().to_owned();
    let ends_with = async |said: &str| {
        let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
        // The device may have gone already.
        let _ = socket.write_all(said.as_bytes()).await;
        let reading = socket.read_u8();
        tokio::time::timeout(DEADLINE, reading).await.expect("closed").expect_err("reset").kind()
    };
    let mut viewer = Viewer::connect(&gate).await;
    fleet.set_fault("gate", Fault::Reset).unwrap();
    let reset = std::io::ErrorKind::ConnectionReset;
    assert_eq!(ends_with(&format!("OPTIONS {gate} RTSP/1.0\r\nCSeq: 1\r\n\r\n")).await, reset);
    while viewer.next().await.is_some() {}
    until("nobody is counted", || fleet.report().sessions == 0).await;
    assert!(Viewer::connect(&url(&fleet, "other")).await.next().await.is_some());
    // Of a device that is away as a whole nobody can ask anything.
    fleet.set_fault("other", Fault::Reset).unwrap();
    assert_eq!(ends_with("").await, reset);
    fleet.set_fault("gate", Fault::None).unwrap();
    assert!(Viewer::connect(&gate).await.next().await.unwrap().keyframe);
}

#[tokio::test]
async fn timestamps_jump_forth_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = gate_and_other(&clip(&dir)).await;
    fleet.set_fault("gate", Fault::JumpingTimestamps).unwrap();
    let mut viewer = Viewer::connect(&url(&fleet, "gate")).await;
    let mut last = viewer.next().await.unwrap().timestamp;
    loop {
        let next = viewer.next().await.expect("it stays connected").timestamp;
        if (next - last).abs() > 30 * 90_000 {
            break;
        }
        last = next;
    }
}

#[tokio::test]
async fn corrupt_keyframes_do_not_decode() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = gate_and_other(&clip(&dir)).await;
    let mut viewer = Viewer::connect(&url(&fleet, "gate")).await;
    assert!(decode(&viewer.keyframe().await.data).is_some());
    fleet.set_fault("gate", Fault::CorruptKeyframes).unwrap();
    while decode(&viewer.keyframe().await.data).is_some() {}
    fleet.set_fault("gate", Fault::None).unwrap();
    while decode(&viewer.keyframe().await.data).is_none() {}

    let error = fleet.set_fault("gate", Fault::SmartCodec).unwrap_err();
    assert!(matches!(error, SimulateError::NoSuchFault { .. }), "{error}");
    let error = fleet.set_fault("nowhere", Fault::Stall).unwrap_err();
    assert!(matches!(error, SimulateError::UnknownMount { .. }), "{error}");
}

#[tokio::test]
async fn a_slow_line_carries_less_and_goes_on_with_keyframes() {
    let dir = tempfile::tempdir().unwrap();
    // Noise does not compress: some 2 Mbit/s.
    let path = dir.path().join("noise.mkv");
    crate::clips::run(&format!(
        "videotestsrc num-buffers=20 pattern=snow ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! {CAMERA} ! filesink location={}",
        path.display()
    ));
    let fleet = gate_and_other(&path).await;
    let mut viewer = Viewer::connect(&url(&fleet, "gate")).await;
    let mut other = Viewer::connect(&url(&fleet, "other")).await;
    fleet.set_fault("gate", Fault::SlowNetwork { kbit_s: 400 }).unwrap();
    // Pictures are lost from the middle, and after a gap the next one decodes alone.
    let mut last = viewer.next().await.unwrap().timestamp;
    loop {
        let picture = viewer.next().await.expect("it stays connected");
        if picture.timestamp - last > 3 * FRAME {
            assert!(picture.keyframe);
            break;
        }
        last = picture.timestamp;
    }
    assert!(other.next().await.is_some());
}

#[tokio::test]
async fn a_script_lets_cameras_fail_and_recover() {
    let dir = tempfile::tempdir().unwrap();
    let fault = |kind, cameras: &str| ScriptedFault {
        kind,
        cameras: cameras.to_owned(),
        one_in: 1,
        at: Millis(0),
        lasts: None,
        every: None,
    };
    let script = FaultScript {
        faults: vec![
            fault(Fault::Drop, "bad-*"),
            fault(Fault::SmallPicture, "small"),
            fault(Fault::SmartCodec, "smart"),
        ],
    };
    let path = clip(&dir);
    let mounts = ["good", "bad-1", "small", "smart"].map(|name| camera(name, &path));
    let fleet = fleet(FleetConfig { script, ..FleetConfig::default() }, mounts.to_vec()).await;
    // The script's first turn comes right after the start.
    let bad = url(&fleet, "bad-1");
    while Viewer::try_connect(&bad, None, Transport::default()).await.is_ok() {}
    assert!(refusal(&bad).await.contains("503"));
    assert!(Viewer::connect(&url(&fleet, "good")).await.next().await.unwrap().keyframe);

    let mut small = Viewer::connect(&url(&fleet, "small")).await;
    assert_eq!(small.next().await.unwrap().size, (160, 120));
    // The camera is set back while somebody watches: larger pictures come in band.
    fleet.set_fault("small", Fault::None).unwrap();
    while small.next().await.unwrap().size != (320, 240) {}

    // A clip of two seconds has one keyframe then, where it had two.
    let mut smart = Viewer::connect(&url(&fleet, "smart")).await;
    let first = smart.keyframe().await.timestamp;
    assert!(smart.keyframe().await.timestamp - first > 15 * FRAME);

    let script = FaultScript { faults: vec![fault(Fault::Drop, "nowhere")] };
    let error =
        Fleet::start(FleetConfig { script, ..FleetConfig::default() }, vec![camera("a", &path)]).await.unwrap_err();
    assert!(matches!(error, SimulateError::Script { .. }), "{error}");
}

#[tokio::test]
async fn nonsense_closes_one_connection_only() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let dir = tempfile::tempdir().unwrap();
    let fleet = gate_and_other(&clip(&dir)).await;
    let gate = url(&fleet, "gate");
    let address = gate.trim_start_matches("rtsp://").split('/').next().unwrap().to_owned();
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 5000], &[b'a'; 100_000], b"DESCRIBE x RTSP/1.0\r\n\r\n"] {
        let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
        let _ = socket.write_all(nonsense).await;
        let _ = socket.shutdown().await;
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut rest)).await.expect("closed");
    }
    assert!(Viewer::connect(&gate).await.next().await.unwrap().keyframe);
}
