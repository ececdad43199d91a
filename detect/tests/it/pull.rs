//! Fetching weights from a real HTTP server.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    thread,
};

use detect::{DetectError, catalog};
use domain::Sha256;
use tempfile::TempDir;

use crate::site;

const WEIGHTS: &[u8] = &[7; 200_000];

/// Serves one request: the status line and the body, with its length unless `chunked`.
fn serve(status: &'static str, body: &'static [u8], with_length: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = BufReader::new(stream.try_clone().unwrap()).lines();
        let head: Vec<String> = request.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        assert!(head[0].starts_with("GET /dir/x.onnx?key=secret "), "{head:?}");
        let length = if with_length { format!("content-length: {}\r\n", body.len()) } else { String::new() };
        write!(stream, "HTTP/1.1 {status}\r\n{length}connection: close\r\n\r\n").unwrap();
        // The client may hang up on a body that it refuses.
        let _ = stream.write_all(body);
    });
    address
}

/// A models folder whose one model is to be fetched from `url` and must be `WEIGHTS`.
fn folder(url: &str) -> TempDir {
    site::with_model("deimv2-femto", "weights/x.onnx".as_ref(), |text| {
        let line = |line: &str| match line.split(" = ").next() {
            Some("sha256") => format!("sha256 = \"{}\"\n", Sha256::of(WEIGHTS)),
            Some("bytes") => format!("bytes = {}\n", WEIGHTS.len()),
            Some("url") => format!("url = \"{url}\"\n"),
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    })
}

fn files(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path().join("deimv2-femto/weights")).into_iter().flatten();
    entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

async fn pull(dir: &TempDir) -> Result<Vec<(u64, u64)>, DetectError> {
    let mut told = Vec::new();
    let path = catalog::pull(dir.path(), "deimv2-femto", |done, all| told.push((done, all))).await?;
    assert_eq!(fs::read(path).unwrap(), WEIGHTS);
    Ok(told)
}

/// Pulls from `address`; the error must hold `parts` and neither password nor key, and nothing may be left behind.
#[track_caller]
fn check_error(address: SocketAddr, outcome: Result<Vec<(u64, u64)>, DetectError>, dir: &TempDir, parts: &[&str]) {
    let error = outcome.expect_err("it must fail").to_string();
    assert!(error.contains(&format!("http://{address}/dir/x.onnx: ")), "{error}");
    assert!(!error.contains("hush") && !error.contains("secret"), "{error}");
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
    assert_eq!(files(dir), Vec::<String>::new());
}

fn url(address: SocketAddr) -> String {
    format!("http://me:hush@{address}/dir/x.onnx?key=secret")
}

#[tokio::test]
async fn weights_arrive_whole_with_progress_and_are_fetched_once() {
    for with_length in [true, false] {
        let dir = folder(&url(serve("200 OK", WEIGHTS, with_length)));
        let told = pull(&dir).await.unwrap();
        assert_eq!(told.last(), Some(&(200_000, 200_000)));
        assert!(told.is_sorted());
        assert_eq!(files(&dir), ["x.onnx"]);
        // The server answers once only: a second pull must see that all is well.
        assert_eq!(pull(&dir).await.unwrap(), []);
    }
}

#[tokio::test]
async fn wrong_weights_are_replaced_only_by_right_ones() {
    let address = serve("404 Not Found", b"no", true);
    let dir = folder(&url(address));
    fs::create_dir(dir.path().join("deimv2-femto/weights")).unwrap();
    let place = dir.path().join("deimv2-femto/weights/x.onnx");
    fs::write(&place, "old").unwrap();
    assert!(pull(&dir).await.is_err());
    assert_eq!(fs::read(&place).unwrap(), b"old");
}

#[tokio::test]
async fn a_file_address_works() {
    let source = tempfile::tempdir().unwrap();
    let file = source.path().join("x.onnx");
    fs::write(&file, WEIGHTS).unwrap();
    let dir = folder(&format!("file://{}", file.display()));
    assert_eq!(pull(&dir).await.unwrap().last(), Some(&(200_000, 200_000)));
}

#[tokio::test]
async fn a_404_is_named() {
    let address = serve("404 Not Found", b"no", true);
    let dir = folder(&url(address));
    check_error(address, pull(&dir).await, &dir, &["404 Not Found"]);
}

#[tokio::test]
async fn another_file_than_the_manifests_is_not_kept() {
    let address = serve("200 OK", b"something else", true);
    let dir = folder(&url(address));
    let found = Sha256::of(b"something else").to_string();
    check_error(address, pull(&dir).await, &dir, &[&found, "14 bytes", "nothing was kept"]);
}

#[tokio::test]
async fn a_file_that_is_too_long_is_cut_off() {
    static LONG: [u8; 300_000] = [1; 300_000];
    for (with_length, part) in [(true, "it has 300000 bytes"), (false, "longer than the 200000 bytes")] {
        let address = serve("200 OK", &LONG, with_length);
        let dir = folder(&url(address));
        check_error(address, pull(&dir).await, &dir, &[part]);
    }
}

#[tokio::test]
async fn a_transfer_that_breaks_off_is_an_error() {
    let address = serve("200 OK", &WEIGHTS[..1000], false);
    let dir = folder(&url(address));
    check_error(address, pull(&dir).await, &dir, &["1000 bytes"]);
}

#[tokio::test]
async fn a_refused_connection_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = folder(&url(address));
    check_error(address, pull(&dir).await, &dir, &["refused"]);
}

#[tokio::test]
async fn a_model_without_an_address_says_where_its_weights_belong() {
    let dir = site::with_model("nanodet-plus-m", "/nowhere/x.onnx".as_ref(), |text| text);
    let error = catalog::pull(dir.path(), "nanodet-plus-m", |_, _| ()).await.unwrap_err().to_string();
    assert!(error.contains("has no url") && error.contains("/nowhere/x.onnx"), "{error}");
}
