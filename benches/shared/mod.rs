//! What the benchmarks share: what is asked for, CPU time, footage, cameras.
#![allow(dead_code, reason = "each benchmark uses a part")]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use domain::AccessUnit;
use tokio_util::sync::CancellationToken;

/// The surveillance clip that set-up fetches.
pub(crate) const STREET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.deps/clips/vtest.avi");

/// The arguments, without Cargo's own.
pub(crate) fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|a| a != "--bench").collect()
}

/// Whether a part is to be measured: it was named, or nothing was.
pub(crate) fn wanted(arguments: &[String], part: &str) -> bool {
    let mut named = arguments.iter().filter(|a| !a.starts_with("--")).peekable();
    named.peek().is_none() || named.any(|a| a == part)
}

/// CPU seconds (user and system, all threads) that a process has used; to 10 ms.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field may hold spaces; it ends with the last parenthesis.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks = |i: usize| fields[i].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

pub(crate) fn measure(work: impl FnOnce()) -> f64 {
    let before = cpu_seconds(std::process::id());
    work();
    cpu_seconds(std::process::id()) - before
}

pub(crate) fn ffmpeg(arguments: &[&str]) -> String {
    let output =
        Command::new("ffmpeg").args(["-nostdin", "-hide_banner", "-y"]).args(arguments).output().expect("ffmpeg");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// The keyframes of a clip.
pub(crate) fn keyframes(clip: &Path) -> Vec<AccessUnit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (events, _lost) = tokio::sync::mpsc::channel(16);
        let stream = ingest::StreamConfig { file: Some(clip.into()), pace: ingest::Pace::Fast, ..Default::default() };
        let source = ingest::CameraSource { id: "clip".parse().unwrap(), stream };
        let cancel = CancellationToken::new();
        let (_ingest, queue, _tasks) = ingest::Ingest::start(Default::default(), vec![source], events, cancel).unwrap();
        tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            while let Some(due) = queue.next() {
                all.push(due.access_unit.clone());
                due.done(Ok((704, 576)));
            }
            all
        })
        .await
        .unwrap()
    })
}

/// The street as cameras send it: 704x576, 25 frames/s, a keyframe each 2 s, 512 kbit/s.
pub(crate) fn camera_clip(folder: &Path) -> PathBuf {
    let path = folder.join("camera.mp4");
    as_a_camera(&["-i", STREET], "scale=704:576,fps=25", &path);
    path
}

/// The same view with nobody and nothing moving, but for a sensor's noise: most streets, most of the time.
pub(crate) fn still_clip(folder: &Path) -> PathBuf {
    let (picture, path) = (folder.join("still.png"), folder.join("still.mp4"));
    ffmpeg(&["-i", STREET, "-frames:v", "1", picture.to_str().unwrap()]);
    let input = ["-loop", "1", "-framerate", "25", "-t", "30", "-i", picture.to_str().unwrap()];
    as_a_camera(&input, "scale=704:576,noise=alls=3:allf=t", &path);
    path
}

/// H.264 as cameras send it: a keyframe each 2 s, 512 kbit/s.
fn as_a_camera(input: &[&str], filter: &str, path: &Path) {
    let out = path.to_str().unwrap();
    let output = [
        "-vf",
        filter,
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-b:v",
        "512k",
        "-maxrate",
        "512k",
        // Half a second, as encoders in cameras have it: keyframes of 24 to 26 kB.
        "-bufsize",
        "256k",
        "-g",
        "50",
        "-sc_threshold",
        "0",
        "-bf",
        "0",
        "-pix_fmt",
        "yuv420p",
        out,
    ];
    ffmpeg(&[input, &output].concat());
}

/// A child that is killed when its turn is over.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// CPU seconds that it uses within `window`, after `warm_up`.
    pub(crate) fn cpu_within(&self, warm_up: Duration, window: Duration) -> f64 {
        std::thread::sleep(warm_up);
        let (start, before) = (Instant::now(), cpu_seconds(self.0.id()));
        std::thread::sleep(window);
        (cpu_seconds(self.0.id()) - before) / start.elapsed().as_secs_f64()
    }
}

/// Serves so many cameras of these clips, taken in turn; their addresses are printed once they can be watched.
pub(crate) fn simulator(cameras: usize, clips: &[PathBuf], folder: &Path, more: &[&str]) -> (Running, Vec<String>) {
    let mut simulator = Running(
        Command::new(env!("CARGO_BIN_EXE_gridwatch"))
            .args(["simulate", "--listen", "127.0.0.1:0", "--cameras", &cameras.to_string(), "--cache-dir"])
            .arg(folder.join("cache"))
            .args(more)
            .args(clips)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("simulator.log")).unwrap())
            .spawn()
            .unwrap(),
    );
    let stdout = simulator.0.stdout.take().unwrap();
    let urls = std::io::BufRead::lines(std::io::BufReader::new(stdout)).take(cameras).map(Result::unwrap).collect();
    (simulator, urls)
}

/// All metrics of a running gridwatch as text; empty while it does not answer.
pub(crate) fn metrics(console: SocketAddr) -> String {
    get(console, "/metrics")
}

/// What the console answers; empty while it does not.
pub(crate) fn get(console: SocketAddr, path: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = async { reqwest::get(format!("http://{console}{path}")).await?.text().await };
    runtime.block_on(text).unwrap_or_default()
}

/// The value of a metric with exactly these labels.
pub(crate) fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

pub(crate) fn wait_for_metric(console: SocketAddr, name: &str, least: f64) {
    while value(&metrics(console), name).is_none_or(|value| value < least) {
        std::thread::sleep(Duration::from_millis(500));
    }
}
