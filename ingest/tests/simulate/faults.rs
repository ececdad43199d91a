//! Cameras that fail on purpose.

use std::time::Duration;

use ingest::simulate::{Fault, Mount, SimulateError, Simulator, Source};
use retina::client::{Session, Transport};

use crate::{
    clips::{CAMERA, decode, record},
    viewer::{DEADLINE, Viewer, camera, options, serve, until},
};

fn one_camera(dir: &tempfile::TempDir) -> std::sync::Arc<Simulator> {
    let clip = record(dir.path(), "a.mkv", 20, (320, 240), CAMERA);
    serve(vec![camera("gate", &clip), camera("other", &clip)])
}

#[tokio::test]
async fn a_stalled_camera_sends_nothing_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let simulator = one_camera(&dir);
    let mut viewer = Viewer::connect(&simulator.url("gate")).await;
    let mut other = Viewer::connect(&simulator.url("other")).await;
    let last = viewer.keyframe().await;
    simulator.set_fault("gate", Fault::Stall).unwrap();
    // What was on its way still comes.
    while !viewer.is_silent_for(Duration::from_millis(600)).await {}
    assert!(other.next().await.is_some());
    assert_eq!(simulator.clients("gate"), 1);

    // A client that comes now is let in as well, and gets no picture either.
    let mut late = Viewer::connect(&simulator.url("gate")).await;
    assert!(late.is_silent_for(Duration::from_millis(600)).await);

    simulator.set_fault("gate", Fault::None).unwrap();
    let next = viewer.next().await.unwrap();
    assert!(next.keyframe, "it goes on with a keyframe");
    assert!(next.timestamp > last.timestamp);
    late.keyframe().await;
}

#[tokio::test]
async fn a_stalled_launch_line_sends_nothing_and_stays() {
    let line = "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=10/1 \
                ! x264enc tune=zerolatency key-int-max=10 ! rtph264pay name=pay0 pt=96 config-interval=-1";
    let simulator = serve(vec![Mount::new("live", Source::Launch(line.to_owned()))]);
    let mut viewer = Viewer::connect(&simulator.url("live")).await;
    viewer.keyframe().await;
    simulator.set_fault("live", Fault::Stall).unwrap();
    while !viewer.is_silent_for(Duration::from_millis(600)).await {}
    simulator.set_fault("live", Fault::None).unwrap();
    viewer.keyframe().await;
    let error = simulator.set_fault("live", Fault::CorruptKeyframes).unwrap_err();
    assert!(matches!(error, SimulateError::NoSuchFault { .. }), "{error}");
}

#[tokio::test]
async fn a_dropped_camera_hangs_up_and_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let simulator = one_camera(&dir);
    let url = simulator.url("gate");
    let mut viewer = Viewer::connect(&url).await;
    let mut other = Viewer::connect(&simulator.url("other")).await;
    viewer.next().await.unwrap();
    simulator.set_fault("gate", Fault::Drop).unwrap();
    while viewer.next().await.is_some() {}
    let error = Viewer::try_connect(&url, None, Transport::default()).await.err().expect("refused").to_string();
    assert!(error.contains("503"), "{error}");
    for _ in 0..5 {
        assert!(other.next().await.is_some(), "the other camera is not touched");
    }
    until("nobody is counted", || simulator.clients("gate") == 0).await;
    simulator.set_fault("gate", Fault::None).unwrap();
    assert!(Viewer::connect(&url).await.next().await.unwrap().keyframe);
}

#[tokio::test]
async fn corrupt_keyframes_do_not_decode() {
    let dir = tempfile::tempdir().unwrap();
    let simulator = one_camera(&dir);
    let mut viewer = Viewer::connect(&simulator.url("gate")).await;
    assert!(decode(&viewer.keyframe().await.data).is_some());
    simulator.set_fault("gate", Fault::CorruptKeyframes).unwrap();
    let mut bad = viewer.keyframe().await;
    while decode(&bad.data).is_some() {
        bad = viewer.keyframe().await;
    }
    assert!(decode(&viewer.keyframe().await.data).is_none());
    simulator.set_fault("gate", Fault::None).unwrap();
    while decode(&viewer.keyframe().await.data).is_none() {}
}

#[tokio::test]
async fn a_stopped_simulator_hangs_up_and_frees_its_port() {
    let dir = tempfile::tempdir().unwrap();
    let clip = record(dir.path(), "a.mkv", 20, (320, 240), CAMERA);
    let start = |listen| {
        let config = ingest::simulate::SimulateConfig { listen, ..Default::default() };
        Simulator::start(config, vec![camera("gate", &clip)]).unwrap()
    };
    let simulator = start("127.0.0.1:0".parse().unwrap());
    let address = simulator.address();
    let mut viewer = Viewer::connect(&simulator.url("gate")).await;
    viewer.next().await.unwrap();
    tokio::task::spawn_blocking(move || simulator.stop()).await.unwrap();
    while viewer.next().await.is_some() {}
    let again = start(address);
    assert_eq!(again.address(), address);
    assert!(Viewer::connect(&again.url("gate")).await.next().await.unwrap().keyframe);
}

#[tokio::test]
async fn a_launch_line_serves_what_no_recording_can() {
    let mounts = [
        ("sound", "audiotestsrc is-live=true ! audioconvert ! mulawenc ! rtppcmupay name=pay0 pt=0"),
        ("vp8", "( videotestsrc is-live=true ! vp8enc deadline=1 ! rtpvp8pay name=pay0 pt=96 )"),
    ];
    let mounts = mounts.map(|(name, line)| Mount::new(name, Source::Launch(line.to_owned())));
    let simulator = serve(mounts.to_vec());
    for (name, media, encoding) in [("sound", "audio", "pcmu"), ("vp8", "video", "vp8")] {
        let describing = Session::describe(simulator.url(name).parse().unwrap(), options(None));
        let session = tokio::time::timeout(DEADLINE, describing).await.unwrap().unwrap();
        assert_eq!((session.streams()[0].media(), session.streams()[0].encoding_name()), (media, encoding));
    }
}
