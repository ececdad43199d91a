//! What the benchmarks share: what is asked for, CPU time, footage.

use std::{fs, path::Path, process::Command};

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
