//! What a client gets: the recording, unbroken, from a keyframe on.

use std::sync::{Arc, Mutex};

use domain::Codec;
use ingest::simulate::{Mount, Prepared, Progress, SimulateConfig, Simulator, Source};
use retina::client::Transport;

use crate::{
    clips::{CAMERA, decode, record},
    viewer::{Viewer, camera, serve, serve_with_password, until},
};

/// 90 kHz ticks between pictures at 10 a second.
const FRAME: i64 = 9000;

#[tokio::test]
async fn a_recording_loops_without_a_seam() {
    let dir = tempfile::tempdir().unwrap();
    let clip = record(dir.path(), "a.mkv", 25, (320, 240), CAMERA);
    let simulator = serve(vec![camera("gate", &clip)]);
    let served = &simulator.mounts()[0];
    assert_eq!((served.codec, served.size), (Some(Codec::H264), Some((320, 240))));
    assert_eq!(served.duration.unwrap().as_millis(), 2500);

    let mut viewer = Viewer::connect(&simulator.url("gate")).await;
    let mut pictures = vec![viewer.next().await.unwrap()];
    while pictures.len() < 60 {
        pictures.push(viewer.next().await.unwrap());
    }
    assert!(pictures[0].keyframe, "the first picture decodes alone");
    assert_eq!(pictures[0].size, (320, 240));
    for pair in pictures.windows(2) {
        let step = pair[1].timestamp - pair[0].timestamp;
        assert!((step - FRAME).abs() <= 200, "a step of {step} ticks");
    }
    // Keyframes are 10, 10 and then, at the seam, 5 pictures apart.
    let keys: Vec<_> = pictures.iter().enumerate().filter(|(_, p)| p.keyframe).map(|(i, _)| i).collect();
    let gaps: Vec<_> = keys.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.windows(3).any(|g| g == [10, 10, 5]), "{gaps:?}");
    assert!(decode(&pictures[keys[1]].data).is_some());
}

/// Demuxers of interleaved files push sound and pictures from one thread: a sink that waits for its first picture
/// before it lets go would wait for ever.
#[tokio::test]
async fn a_recording_with_sound_is_served_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let sound =
        "mux. audiotestsrc num-buffers=216 samplesperbuffer=1024 ! audioconvert ! avenc_aac ! mux. mp4mux name=mux";
    let sent = record(
        dir.path(),
        "sent.mp4",
        50,
        (320, 240),
        &format!("x264enc tune=zerolatency bframes=0 key-int-max=10 ! {sound}"),
    );
    let transcoded = record(dir.path(), "transcoded.mp4", 50, (626, 360), &format!("x264enc bframes=2 ! {sound}"));
    let simulator = serve(vec![camera("sent", &sent), camera("transcoded", &transcoded)]);
    assert!(simulator.skipped().is_empty(), "{:?}", simulator.skipped());
    for name in ["sent", "transcoded"] {
        assert!(Viewer::connect(&simulator.url(name)).await.next().await.unwrap().keyframe, "{name}");
    }
}

#[tokio::test]
async fn what_a_camera_could_have_sent_is_sent_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let clip = record(dir.path(), "a.mkv", 20, (320, 240), CAMERA);
    let raw = dir.path().join("a.264");
    crate::clips::run(&format!(
        "filesrc location={} ! matroskademux ! h264parse config-interval=-1 \
         ! video/x-h264,stream-format=byte-stream,alignment=nal ! filesink location={}",
        clip.display(),
        raw.display()
    ));
    let simulator = serve(vec![camera("gate", &clip)]);
    let picture = Viewer::connect(&simulator.url("gate")).await.keyframe().await;
    // Start codes may be three or four bytes long; what lies between them is the camera's.
    let key_slices = |data: &[u8]| -> Vec<Vec<u8>> {
        let starts: Vec<_> = (3..data.len()).filter(|&i| data[i - 3..i] == [0, 0, 1]).collect();
        let ends = starts.iter().skip(1).map(|next| next - 3).chain([data.len()]);
        let units = starts.iter().zip(ends).map(|(&start, end)| data[start..end].to_vec());
        units.filter(|unit| unit[0] & 0x1f == 5).map(|unit| unit.strip_suffix(&[0]).unwrap_or(&unit).to_vec()).collect()
    };
    let file = key_slices(&std::fs::read(raw).unwrap());
    let sent = key_slices(&picture.data);
    assert!(!sent.is_empty() && sent.iter().all(|slice| file.contains(slice)));
}

#[tokio::test]
async fn h265_is_passed_through() {
    let dir = tempfile::tempdir().unwrap();
    let encoder = "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 option-string=bframes=0:scenecut=0:log-level=none ! h265parse ! matroskamux";
    let clip = record(dir.path(), "a.mkv", 20, (320, 240), encoder);
    let simulator = serve(vec![camera("gate", clip)]);
    assert_eq!(simulator.mounts()[0].codec, Some(Codec::H265));
    let mut viewer = Viewer::connect(&simulator.url("gate")).await;
    let first = viewer.next().await.unwrap();
    assert!(first.keyframe);
    assert_eq!(first.size, (320, 240));
    assert!(viewer.keyframe().await.timestamp > first.timestamp);
}

#[tokio::test]
async fn other_encodings_are_transcoded_once() {
    let dir = tempfile::tempdir().unwrap();
    let clip = record(dir.path(), "old.avi", 32, (322, 242), "avenc_mpeg4 gop-size=250 ! avimux");
    let steps = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&steps);
    let config = SimulateConfig {
        cache_dir: Some(dir.path().join("cache")),
        progress: Some(Arc::new(move |step: &Progress| told.lock().unwrap().push(step.clone()))),
        ..SimulateConfig::default()
    };
    let mut gaps = Vec::new();
    for how in [Prepared::Transcoded, Prepared::Cached] {
        let simulator = Simulator::start(config.clone(), vec![camera("old", &clip)]).unwrap();
        let last = steps.lock().unwrap().pop();
        assert_eq!(last, Some(Progress::Ready { path: clip.clone(), how }));
        assert_eq!(simulator.mounts()[0].duration.unwrap().as_millis(), 3200, "{how:?}");
        let mut viewer = Viewer::connect(&simulator.url("old")).await;
        let first = viewer.keyframe().await;
        assert_eq!(first.size, (322, 242));
        let second = viewer.keyframe().await;
        gaps.push((second.timestamp - first.timestamp + FRAME / 2) / FRAME);
        assert!(decode(&second.data).is_some());
    }
    assert!(gaps.iter().all(|gap| (1..=10).contains(gap)), "a keyframe each second: {gaps:?}");

    // What was cut short while it was written is made anew.
    let cached = std::fs::read_dir(dir.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&cached, b"cut short").unwrap();
    drop(Simulator::start(config.clone(), vec![camera("old", &clip)]).unwrap());
    assert_eq!(steps.lock().unwrap().pop(), Some(Progress::Ready { path: clip, how: Prepared::Transcoded }));
    assert!(std::fs::metadata(cached).unwrap().len() > 100);
}

#[tokio::test]
async fn rare_keyframes_and_b_frames_are_transcoded() {
    let dir = tempfile::tempdir().unwrap();
    let rare = "x264enc speed-preset=ultrafast bframes=0 key-int-max=100 ! h264parse ! matroskamux";
    let b_frames = "x264enc speed-preset=veryfast bframes=2 b-adapt=false key-int-max=10 ! h264parse ! mp4mux";
    for (name, encoder) in [("rare.mkv", rare), ("b.mp4", b_frames)] {
        let clip = record(dir.path(), name, 60, (160, 120), encoder);
        let steps = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&steps);
        let config = SimulateConfig {
            progress: Some(Arc::new(move |step: &Progress| told.lock().unwrap().push(step.clone()))),
            ..SimulateConfig::default()
        };
        let simulator = Simulator::start(config, vec![camera("c", &clip)]).unwrap();
        let how = steps.lock().unwrap().pop();
        assert_eq!(how, Some(Progress::Ready { path: clip, how: Prepared::Transcoded }));
        let mut viewer = Viewer::connect(&simulator.url("c")).await;
        let mut last = viewer.next().await.unwrap();
        assert!(last.keyframe);
        for _ in 0..25 {
            let picture = viewer.next().await.unwrap();
            assert!(picture.timestamp > last.timestamp);
            last = picture;
        }
    }
}

#[tokio::test]
async fn a_mirrored_view_exchanges_left_and_right() {
    let dir = tempfile::tempdir().unwrap();
    let clip = record(dir.path(), "a.mkv", 20, (320, 240), CAMERA);
    let simulator = serve(vec![camera("plain", &clip), camera("mirrored", &clip).mirrored()]);
    let mut pictures = Vec::new();
    for name in ["plain", "mirrored"] {
        let keyframe = Viewer::connect(&simulator.url(name)).await.keyframe().await;
        pictures.push(decode(&keyframe.data).unwrap());
    }
    for (i, grey) in pictures[0].1[..320].iter().enumerate() {
        assert!(grey.abs_diff(pictures[1].1[319 - i]) < 24, "column {i}");
    }
    let (white, blue) = (pictures[0].1[10], pictures[0].1[310]);
    assert!(white > blue.saturating_add(60), "the bars go from white ({white}) to blue ({blue})");
}

#[tokio::test]
async fn a_sequence_changes_its_resolution_in_band() {
    let dir = tempfile::tempdir().unwrap();
    let paths =
        vec![record(dir.path(), "a.mkv", 10, (320, 240), CAMERA), record(dir.path(), "b.mkv", 10, (640, 480), CAMERA)];
    let simulator = serve(vec![Mount::new("cam", Source::Sequence(paths)).from_first_client()]);
    let mut viewer = Viewer::connect(&simulator.url("cam")).await;
    let mut sizes = Vec::new();
    let mut last = i64::MIN;
    while sizes.len() < 4 {
        let picture = viewer.next().await.unwrap();
        assert!(picture.timestamp > last);
        last = picture.timestamp;
        if sizes.last() != Some(&picture.size) {
            assert!(picture.keyframe);
            let (width, _) = decode(&picture.data).expect("decodes with the parameter sets that it brings");
            assert_eq!(width, picture.size.0 as usize);
            sizes.push(picture.size);
        }
    }
    assert_eq!(sizes, [(320, 240), (640, 480), (320, 240), (640, 480)]);
}

#[tokio::test]
async fn a_sequence_of_two_encodings_becomes_one() {
    let dir = tempfile::tempdir().unwrap();
    let h265 = "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 option-string=bframes=0:log-level=none ! h265parse ! matroskamux";
    let paths =
        vec![record(dir.path(), "a.mkv", 10, (320, 240), CAMERA), record(dir.path(), "b.mkv", 10, (640, 480), h265)];
    let simulator = serve(vec![Mount::new("cam", Source::Sequence(paths))]);
    assert_eq!(simulator.mounts()[0].codec, Some(Codec::H264));
    let mut viewer = Viewer::connect(&simulator.url("cam")).await;
    while viewer.next().await.unwrap().size != (640, 480) {}
}

#[tokio::test]
async fn a_camera_goes_on_unwatched() {
    let dir = tempfile::tempdir().unwrap();
    let clip = record(dir.path(), "a.mkv", 40, (320, 240), CAMERA);
    let at = std::time::Duration::from_millis(2100);
    let mounts =
        vec![camera("here", &clip).from_first_client(), camera("there", &clip).from_first_client().starting_at(at)];
    let simulator = serve(mounts);
    // The clip has four keyframes; the one that comes first tells where the camera stands.
    let mut viewer = Viewer::connect(&simulator.url("here")).await;
    let mut keys = Vec::new();
    while keys.len() < 3 {
        keys.push(viewer.keyframe().await.data);
    }
    for _ in 0..2 {
        let there = Viewer::connect(&simulator.url("there")).await.keyframe().await.data;
        assert_eq!(there, keys[2]);
        until("the viewer is gone", || simulator.clients("there") == 0).await;
    }
}

#[tokio::test]
async fn clients_share_a_camera() {
    let dir = tempfile::tempdir().unwrap();
    let clip = record(dir.path(), "a.mkv", 20, (320, 240), CAMERA);
    let simulator = serve(vec![camera("gate", clip)]);
    let url = simulator.url("gate");
    let mut first = Viewer::connect(&url).await;
    let by_first = first.keyframe().await;
    let udp = Viewer::try_connect(&url, None, Transport::Udp(Default::default())).await;
    let mut second = udp.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(simulator.clients("gate"), 2);
    let shared = second.keyframe().await;
    while first.keyframe().await.data != shared.data {}
    assert_eq!(by_first.size, shared.size);
    drop(first);
    until("one client is gone", || simulator.clients("gate") == 1).await;
    second.keyframe().await;
    drop(second);
    until("both clients are gone", || simulator.clients("gate") == 0).await;
    // The camera starts anew for the next one.
    assert!(Viewer::connect(&url).await.next().await.unwrap().keyframe);
}

#[tokio::test]
async fn only_the_right_password_lets_in() {
    let dir = tempfile::tempdir().unwrap();
    let clip = record(dir.path(), "a.mkv", 10, (320, 240), CAMERA);
    let simulator = serve_with_password(camera("gate", clip), "admin", "correct horse");
    let url = simulator.url("gate");
    assert!(!format!("{simulator:?} {:?} {url}", simulator.mounts()).contains("correct horse"));
    for login in [None, Some(("admin", "wrong")), Some(("root", "correct horse"))] {
        let error = Viewer::try_connect(&url, login, Transport::default()).await.err().expect("refused").to_string();
        assert!(error.contains("401") || error.contains("credentials"), "{error}");
    }
    let mut viewer =
        Viewer::try_connect(&url, Some(("admin", "correct horse")), Transport::default()).await.expect("let in");
    assert!(viewer.next().await.unwrap().keyframe);

    let answer = describe(&simulator, "gate", "");
    assert!(answer.contains("WWW-Authenticate: Basic") && answer.contains("WWW-Authenticate: Digest"), "{answer}");
    // "admin:correct horse" in Base64, for clients that know nothing better.
    let answer = describe(&simulator, "gate", "Authorization: Basic YWRtaW46Y29ycmVjdCBob3JzZQ==\r\n");
    assert!(answer.starts_with("RTSP/1.0 200"), "{answer}");
}

/// The head of the answer to a bare DESCRIBE.
fn describe(simulator: &Simulator, name: &str, header: &str) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut connection = std::net::TcpStream::connect(simulator.address()).unwrap();
    connection.set_read_timeout(Some(crate::viewer::DEADLINE)).unwrap();
    write!(connection, "DESCRIBE {} RTSP/1.0\r\nCSeq: 1\r\n{header}\r\n", simulator.url(name)).unwrap();
    BufReader::new(connection).lines().map(Result::unwrap).take_while(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn many_cameras_come_from_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let clip = record(dir.path(), "a.mkv", 30, (160, 120), CAMERA);
    let simulator = serve(camera("street", clip).copies(200));
    assert_eq!(simulator.mounts().len(), 200);
    let mut viewers = Vec::new();
    for served in &simulator.mounts()[..40] {
        viewers.push(Viewer::connect(&served.url).await);
    }
    for viewer in &mut viewers {
        let first = viewer.next().await.unwrap();
        assert!(first.keyframe);
        assert!(viewer.keyframe().await.timestamp > first.timestamp);
    }
    assert!(simulator.url("street-200").ends_with("/street-200"));
    assert_eq!(simulator.clients("street-041"), 0);
}
