//! What a look and an idle camera cost, as ratios to their floors in one run.
//!
//! - a look: decode of one keyframe and detection on it, on one thread, against the same keyframes decoded by libavcodec (`ffmpeg
//!   -threads 1`) plus bare ONNX Runtime with the same model on one thread;
//! - the camera simulator: cores that it takes for a fleet that bare `retina` watches;
//! - an idle camera-second: `gridwatch run` with live cameras that are never due, against bare `retina` that takes the
//!   same streams and drops every frame.
//!
//! CPU time of whole processes as the kernel counts it, no wall-clock. `make bench` runs it; `-- --quick` is a smoke
//! test, `-- look`, `-- idle` and `-- simulate` run one of them.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use futures::StreamExt as _;

mod shared;
use shared::{
    Running, arguments, camera_clip, cpu_seconds, ffmpeg, keyframes, measure, simulator, wait_for_metric, wanted,
};

const MODEL: &str = "nanodet-g";

struct Plan {
    looks: usize,
    rounds: usize,
    cameras: usize,
    fleet: usize,
    idle: Duration,
}

fn main() {
    let arguments = arguments();
    if arguments.first().is_some_and(|a| a == "bare-retina") {
        return bare_retina(&arguments[1..]);
    }
    if arguments.first().is_some_and(|a| a == "bare-onnx") {
        return bare_onnx(&arguments[1], &arguments[2], arguments[3].parse().unwrap());
    }
    let plan = if arguments.iter().any(|a| a == "--quick") {
        Plan { looks: 40, rounds: 1, cameras: 10, fleet: 50, idle: Duration::from_secs(5) }
    } else {
        Plan { looks: 400, rounds: 3, cameras: 200, fleet: 2000, idle: Duration::from_secs(40) }
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    type Part = fn(&Plan, &Path);
    let parts: [(&str, Part); 3] = [("look", look), ("idle", idle), ("simulate", simulate)];
    let parts: Vec<_> = parts.into_iter().filter(|(name, _)| wanted(&arguments, name)).collect();
    if !parts.is_empty() {
        println!("| what | ours | floor | ratio | aim |\n|---|---|---|---|---|");
    }
    for (_, measure) in parts {
        measure(&plan, folder.path());
    }
}

fn row(what: &str, unit: &str, ours: f64, floor: f64, aim: f64) {
    println!("| {what} | {ours:.3} {unit} | {floor:.3} {unit} | {:.2} | <= {aim} |", ours / floor);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn look(plan: &Plan, folder: &Path) {
    let keyframes = keyframes(&camera_clip(folder));
    assert!(keyframes.len() >= 30, "{} keyframes", keyframes.len());
    let cycle = || keyframes.iter().cycle().take(plan.looks);
    let stream = folder.join("keyframes.h264");
    fs::write(&stream, cycle().flat_map(|k| k.data.iter().copied()).collect::<Vec<u8>>()).unwrap();

    let config = detect::DetectConfig { model: MODEL.into(), ..Default::default() };
    let runtime = detect::load_runtime(&config).unwrap();
    let model = detect::Model::load(&config.models_dir, MODEL).unwrap();
    let mut detector = detect::Detector::new(&model, &config).unwrap();
    let mut decoder = ingest::Decoder::new(&Default::default()).unwrap();
    let (mut ours, mut decode_ours, mut decode, mut inference) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let each = |seconds: f64| seconds / plan.looks as f64 * 1e3;
    for _ in 0..plan.rounds {
        ours.push(each(measure(|| {
            for keyframe in cycle() {
                let picture = decoder.decode(keyframe).unwrap();
                std::hint::black_box(detector.detect(&picture).unwrap());
            }
        })));
        decode_ours.push(each(measure(|| {
            for keyframe in cycle() {
                std::hint::black_box(decoder.decode(keyframe).unwrap());
            }
        })));
        let said =
            ffmpeg(&["-benchmark", "-threads", "1", "-f", "h264", "-i", stream.to_str().unwrap(), "-f", "null", "-"]);
        decode.push(each(bench_seconds(&said)));
        inference.push(each(bare_onnx_seconds(&runtime.path, &model.manifest().weights, plan.looks)));
    }
    let (ours, decode_ours, decode, inference) = (median(ours), median(decode_ours), median(decode), median(inference));
    row("a look, 704x576 H.264, NanoDet-g 416", "ms", ours, decode + inference, 1.15);
    row("of which decode", "ms", decode_ours, decode, 1.15);
    row("of which the rest (preprocessing, inference, postprocessing)", "ms", ours - decode_ours, inference, 1.15);
}

/// CPU seconds of `runs` bare inferences, in a process of their own: ONNX Runtime has one environment a process.
fn bare_onnx_seconds(runtime: &Path, weights: &Path, runs: usize) -> f64 {
    let child = Command::new(std::env::current_exe().unwrap())
        .arg("bare-onnx")
        .args([runtime, weights])
        .arg(runs.to_string())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    String::from_utf8_lossy(&child.stdout).trim().parse().unwrap()
}

/// Runs the model over and over on one input and prints the CPU seconds that it took.
fn bare_onnx(runtime: &str, weights: &str, runs: usize) {
    let environment = ort::init_from(runtime).unwrap().build().unwrap();
    let mut session = ort::session::Session::builder(&environment)
        .unwrap()
        .with_intra_threads(1)
        .unwrap()
        .with_inter_threads(1)
        .unwrap()
        .commit_from_file(weights)
        .unwrap();
    let input = session.inputs()[0].name().to_owned();
    let pixels = ndarray::Array4::<f32>::from_elem((1, 3, 416, 416), 0.1);
    let mut run = || {
        let tensor = ort::value::TensorRef::from_array_view(&pixels).unwrap();
        std::hint::black_box(session.run(ort::inputs![input.as_str() => tensor]).unwrap());
    };
    run();
    println!("{}", measure(|| (0..runs).for_each(|_| run())));
}

/// User and system seconds that `ffmpeg -benchmark` says it took.
fn bench_seconds(said: &str) -> f64 {
    let line = said.lines().rev().find(|line| line.contains("utime=")).expect("a bench line");
    let value = |key: &str| {
        let text = line.split(key).nth(1).unwrap();
        text.split('s').next().unwrap().trim().parse::<f64>().unwrap()
    };
    value("utime=") + value("stime=")
}

fn idle(plan: &Plan, folder: &Path) {
    let (_simulator, urls) = simulator(plan.cameras, &[camera_clip(folder)], folder, &[]);
    let console = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = format!(
        "[node]\ndata_dir = \"{}\"\n[ingest]\nlook_interval = \"10h\"\n[console]\nlisten = \"{console}\"\n[broker]\nlisten = \"127.0.0.1:0\"\n",
        folder.join("data").display()
    );
    for (n, url) in urls.iter().enumerate() {
        config += &format!("[[cameras]]\nid = \"cam-{n}\"\nstream = {{ main = \"{url}\" }}\n");
    }
    let path = folder.join("gridwatch.toml");
    fs::write(&path, config).unwrap();

    let warm_up = Duration::from_secs(10);
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    let per_camera = |cores: f64| cores / plan.cameras as f64 * 1e3;
    for _ in 0..plan.rounds {
        let bare = Running::start(Command::new(std::env::current_exe().unwrap()).arg("bare-retina").args(&urls));
        floor.push(per_camera(bare.cpu_within(warm_up, plan.idle)));
        drop(bare);
        let run = Running::start(Command::new(env!("CARGO_BIN_EXE_gridwatch")).args(["run", "--config"]).arg(&path));
        // Each camera is looked at once at the start; that is no part of being idle.
        wait_for_metric(console, "gridwatch_looks_total", plan.cameras as f64);
        ours.push(per_camera(run.cpu_within(warm_up, plan.idle)));
    }
    row(&format!("an idle camera-second, {} live cameras", plan.cameras), "ms", median(ours), median(floor), 1.15);
}

fn simulate(plan: &Plan, folder: &Path) {
    let (simulator, urls) = simulator(plan.fleet, &[camera_clip(folder)], folder, &[]);
    let list = folder.join("urls");
    fs::write(&list, urls.join("\n")).unwrap();
    let clients = Running::start(
        Command::new(std::env::current_exe().unwrap()).arg("bare-retina").arg(format!("@{}", list.display())),
    );
    std::thread::sleep(Duration::from_secs(15));
    let (start, before) = (Instant::now(), [cpu_seconds(simulator.0.id()), cpu_seconds(clients.0.id())]);
    std::thread::sleep(plan.idle);
    let seconds = start.elapsed().as_secs_f64();
    let cores = |child: &Running, before: f64| (cpu_seconds(child.0.id()) - before) / seconds;
    let (ours, watching) = (cores(&simulator, before[0]), cores(&clients, before[1]));
    println!(
        "| {} simulated cameras (beside it: bare retina that watches them) | {ours:.3} cores | {watching:.3} cores | {:.2} | ours <= 0.5 cores |",
        plan.fleet,
        ours / watching
    );
}

/// Takes every stream and drops every frame, for ever. `@FILE` stands for the addresses in a file.
fn bare_retina(urls: &[String]) {
    let listed = urls[0].strip_prefix('@').map(|file| fs::read_to_string(file).unwrap());
    let urls = listed.map_or_else(|| urls.to_vec(), |list| list.lines().map(str::to_owned).collect());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut streams = tokio::task::JoinSet::new();
        for url in urls {
            let url = url::Url::parse(&url).unwrap();
            streams.spawn(async move {
                let mut session =
                    retina::client::Session::describe(url, retina::client::SessionOptions::default()).await.unwrap();
                session.setup(0, retina::client::SetupOptions::default()).await.unwrap();
                let mut frames = session.play(retina::client::PlayOptions::default()).await.unwrap().demuxed().unwrap();
                while let Some(frame) = frames.next().await {
                    drop(frame.unwrap());
                }
            });
        }
        while streams.join_next().await.is_some() {}
    });
}
