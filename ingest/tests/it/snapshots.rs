//! Cameras that are asked for pictures over HTTP, by a server that behaves like one, or as none should.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{CameraState, Codec, Millis};
use ingest::{IngestConfig, IngestError, Mode, StreamConfig};
use md5::{Digest as _, Md5};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::fleet::{Fleet, config, grab, id, until};

const CHALLENGE: &str = "Digest realm=\"camera\", qop=\"auth\", nonce=\"6f1d\", algorithm=MD5";
const BASIC: &str = "Basic realm=\"camera\"";
const PASSWORD: &str = "hunter2";
const SIZE: (u16, u16) = (64, 48);

#[derive(Debug, Default)]
struct Counts {
    challenges: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A server on a free port; its path says how it answers.
struct Camera {
    port: u16,
    counts: Arc<Counts>,
    _serving: JoinSet<()>,
}

impl Camera {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::new(Counts::default());
        let mut serving = JoinSet::new();
        serving.spawn({
            let counts = Arc::clone(&counts);
            async move {
                let mut clients = JoinSet::new();
                while let Ok((socket, _)) = listener.accept().await {
                    clients.spawn(serve(socket, Arc::clone(&counts)));
                }
            }
        });
        Self { port, counts, _serving: serving }
    }

    fn stream(&self, path: &str) -> StreamConfig {
        StreamConfig {
            main: Some(format!("http://viewer:{PASSWORD}@127.0.0.1:{}/{path}", self.port)),
            mode: Mode::Snapshot,
            ..StreamConfig::default()
        }
    }

    /// What a grab of `path` says, which never is the password.
    async fn fault(&self, path: &str) -> IngestError {
        let error = grab(self.stream(path), Duration::from_secs(20)).await.expect_err(path);
        assert!(!format!("{error} {error:?}").contains(PASSWORD), "{error:?}");
        error
    }
}

async fn serve(mut socket: TcpStream, counts: Arc<Counts>) {
    let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
    counts.most.fetch_max(now, Ordering::SeqCst);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if !matches!(socket.read_buf(&mut request).await, Ok(1..)) {
            break;
        }
    }
    answer(&mut socket, &String::from_utf8(request).unwrap(), &counts).await;
    // At the latest when the client has all of it: tasks of one thread take turns.
    counts.now.fetch_sub(1, Ordering::SeqCst);
}

async fn answer(socket: &mut TcpStream, request: &str, counts: &Counts) {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let authorization = request.lines().find_map(|line| line.strip_prefix("Authorization: "));
    let picture = jpeg();
    let plain = |body: &[u8]| reply("200 OK", "image/jpeg", body);
    let bytes = match path {
        "/open" => plain(&picture),
        "/digest" | "/basic" => {
            let (challenge, admitted) = match path {
                "/basic" => (BASIC, authorization == Some("Basic dmlld2VyOmh1bnRlcjI=")),
                _ => (CHALLENGE, authorization.is_some_and(|answer| admits(answer, path))),
            };
            if admitted {
                plain(&picture)
            } else {
                counts.challenges.fetch_add(1, Ordering::SeqCst);
                reply(&format!("401 Unauthorized\r\nWWW-Authenticate: {challenge}"), "text/html", b"no")
            }
        }
        "/never" => reply(&format!("401 Unauthorized\r\nWWW-Authenticate: {CHALLENGE}"), "text/html", b"no"),
        "/exotic" => reply("401 Unauthorized\r\nWWW-Authenticate: Negotiate", "text/html", b"no"),
        "/page" => reply("200 OK", "text/html; charset=utf-8", b"<html>login</html>"),
        "/disguised" => plain(b"<html>login</html>"),
        "/truncated" => plain(&picture[..picture.len() / 2]),
        "/broken" => plain(&picture)[..200].to_vec(),
        "/large" => b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 99999999\r\n\r\n".to_vec(),
        "/endless" => [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![0; 17 << 20]].concat(),
        "/moved" => reply("302 Found\r\nLocation: http://a:hunter2@127.0.0.1/new", "text/html", b""),
        "/busy" => reply("503 Service Unavailable", "text/html", b"busy"),
        "/other" => b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        "/closed" => Vec::new(),
        "/unsized" => [&b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n"[..], &picture].concat(),
        "/chunked" => {
            let mut bytes =
                b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for part in picture.chunks(100) {
                bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                bytes.extend_from_slice(part);
                bytes.extend_from_slice(b"\r\n");
            }
            [&bytes[..], b"0\r\n\r\n"].concat()
        }
        "/silent" | "/slow" => {
            if path == "/slow" {
                socket.write_all(&plain(&picture)[..200]).await.unwrap();
            }
            // Nothing comes until the client has had enough.
            let _ = socket.read(&mut [0; 1]).await;
            return;
        }
        _ => reply("404 Not Found", "text/html", b"<html>no</html>"),
    };
    // A client that has seen enough closes early.
    let _ = socket.write_all(&bytes).await;
}

fn reply(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// RFC 7616, 3.4.1.
fn admits(authorization: &str, path: &str) -> bool {
    let value = |key: &str| {
        let pairs = authorization.trim_start_matches("Digest ").split(", ").filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value.trim_matches('"')).unwrap_or_default()
    };
    let (user, request) = (md5(&format!("viewer:camera:{PASSWORD}")), md5(&format!("GET:{path}")));
    let expected = md5(&format!("{user}:6f1d:{}:{}:auth:{request}", value("nc"), value("cnonce")));
    value("response") == expected && value("uri") == path
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn jpeg() -> Vec<u8> {
    let pixels: Vec<u8> = (0..usize::from(SIZE.0) * usize::from(SIZE.1)).map(|n| (n * 7) as u8).collect();
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 80);
    encoder.encode(&pixels, SIZE.0, SIZE.1, jpeg_encoder::ColorType::Luma).unwrap();
    jpeg
}

#[tokio::test]
async fn pictures_come_with_a_digest_that_is_asked_for_once() {
    let camera = Camera::start().await;
    let fleet = Fleet::start(config(), vec![("gate", camera.stream("digest"))]);
    fleet.until("five looks", |seen| seen.len() >= 5).await;
    let report = fleet.report("gate");
    assert_eq!((report.state, report.codec, report.reconnects), (CameraState::Streaming, Some(Codec::Jpeg), 0));
    fleet.looks(|seen| assert_eq!((seen[0].picture.width, seen[0].picture.height), (64, 48)));
    assert_eq!(camera.counts.challenges.load(Ordering::SeqCst), 1);
    fleet.stop().await;
    until("nobody is connected", || camera.counts.now.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn pictures_are_taken_however_they_are_framed() {
    let camera = Camera::start().await;
    for path in ["open", "basic", "digest", "chunked", "unsized"] {
        let taken = grab(camera.stream(path), Duration::from_secs(20)).await;
        assert_eq!(taken.unwrap().data, jpeg(), "{path}");
    }
}

#[tokio::test]
async fn what_is_no_picture_is_told_with_its_remedy_and_no_password() {
    let camera = Camera::start().await;
    assert!(matches!(camera.fault("never").await, IngestError::Unauthorized { status: 401, .. }));
    assert!(matches!(camera.fault("nowhere").await, IngestError::NotFound { .. }));
    for (path, says) in [
        ("exotic", "digest or basic"),
        ("page", "take the path of the snapshot"),
        ("disguised", "is no JPEG"),
        ("truncated", "its JPEG is cut off"),
        ("broken", "broke off after"),
        ("large", "larger than 16 MiB"),
        ("endless", "larger than 16 MiB"),
        ("moved", "leads to http://127.0.0.1/new"),
        ("busy", "answers 503"),
        ("other", "does not speak HTTP"),
        ("closed", "without an answer"),
    ] {
        let error = camera.fault(path).await;
        assert_eq!(error.reason(), "snapshot", "{path}: {error}");
        assert!(error.to_string().contains(says), "{path}: {error}");
    }
    let nobody = StreamConfig { main: Some("http://127.0.0.1:1/x".into()), ..camera.stream("") };
    let error = grab(nobody, Duration::from_secs(20)).await.expect_err("no server");
    assert!(matches!(error, IngestError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_camera_that_hangs_is_offline_and_costs_no_other_a_look() {
    let camera = Camera::start().await;
    let quick = IngestConfig { connect_timeout: Millis::secs(1), keyframe_timeout: Millis::secs(2), ..config() };
    let streams = ["silent", "slow", "open"].map(|path| (path, camera.stream(path))).to_vec();
    let fleet = Fleet::start(quick, streams);
    let says = |name, text| fleet.report(name).error.is_some_and(|error| error.contains(text));
    until("one says that it does not answer", || says("silent", "did not answer GET within 1s")).await;
    until("one says that it is too slow", || says("slow", "was not there within 2s")).await;
    assert!(["silent", "slow"].iter().all(|name| fleet.report(name).state == CameraState::Offline));
    let before = fleet.looks(<[_]>::len);
    fleet.until("the third goes on", |seen| seen.iter().skip(before).any(|look| look.camera == id("open"))).await;
    fleet.stop().await;
}

#[tokio::test]
async fn a_host_never_sees_more_requests_than_sessions_it_admits() {
    let camera = Camera::start().await;
    let names = ["a", "b", "c", "d"];
    let streams = names.map(|name| (name, camera.stream("digest"))).to_vec();
    let fleet = Fleet::start(IngestConfig { sessions_per_host: 1, ..config() }, streams);
    fleet
        .until("all are looked at three times", |seen| {
            names.iter().all(|name| seen.iter().filter(|look| look.camera == id(name)).count() >= 3)
        })
        .await;
    fleet.stop().await;
    assert_eq!(camera.counts.most.load(Ordering::SeqCst), 1);
}
