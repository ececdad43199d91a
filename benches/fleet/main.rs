//! A city of live cameras on one small machine, the simulator beside it.
//!
//! - `live`: 2000 cameras, a look each 10 s, for 10 minutes: lateness, CPU, memory, what the change gate saves;
//! - `curve`: 50 to 3000 cameras with looks each 10 s and each 2 s, gridwatch on one core and the simulator on another;
//! - `memory`: what an idle camera costs in memory;
//! - `storm`: all cameras drop at once and come back;
//! - `soak`: faults switch on and off for 30 minutes, and it fails where memory grows, a camera is stuck, a fault does not show or
//!   something panics; only if it is named;
//! - `peers`: the same streams the usual ways: an `ffmpeg` process that decodes all to 5 frames/s, and a GStreamer pipeline
//!   that decodes all, a camera each, without and with the same detector.
//!
//! One camera in twenty shows people who walk; on the others nothing moves. `cargo bench --bench fleet -- fleet` (`make bench
//! args=fleet`) runs all but the soak, `-- fleet live storm` two of them; `--quick` is a smoke test. `--cameras N`, `--seconds N` and
//! `--warm-up N` (for the scenes to be learnt: 150 s) change sizes and lengths. `ulimit -n` must be above 2 x cameras.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

#[path = "../shared/mod.rs"]
mod shared;
use shared::{arguments, wanted};
mod city;
mod judge;
mod peers;
mod soak;
use city::{City, ONE_BUSY_IN, Sample, Setup};

/// Sizes and lengths.
pub(crate) struct Plan {
    cameras: usize,
    seconds: u64,
    warm_up: u64,
    quick: bool,
}

fn main() {
    let arguments = arguments();
    if let Some(url) = arguments.iter().position(|a| a == "gstreamer-decode").map(|i| &arguments[i + 1]) {
        return peers::gstreamer_decode(url);
    }
    let quick = arguments.iter().any(|a| a == "--quick");
    let number = |name: &str, full: u64, short: u64| {
        let given = arguments.iter().position(|a| a == name).map(|i| arguments[i + 1].parse().unwrap());
        given.unwrap_or(if quick { short } else { full })
    };
    let plan = Plan {
        cameras: number("--cameras", 2000, 40) as usize,
        seconds: number("--seconds", 600, 10),
        warm_up: number("--warm-up", 150, 5),
        quick,
    };
    let mut named: Vec<String> = arguments.into_iter().filter(|a| a.parse::<u64>().is_err()).collect();
    // An hour and a half is nothing to run unasked.
    let before = named.len();
    named.retain(|a| a != "fleet");
    if named.len() == before {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    type Part = fn(&Plan, &Path);
    let parts: [(&str, Part); 5] =
        [("live", live), ("curve", curve), ("memory", memory), ("storm", storm), ("peers", peers::peers)];
    for (name, part) in parts {
        if wanted(&named, name) {
            println!("\n### {name}\n");
            part(&plan, folder.path());
        }
    }
    if named.iter().any(|a| a == "soak") {
        println!("\n### soak\n");
        let faults = soak::soak(&plan, folder.path());
        drop(folder);
        faults.iter().for_each(|fault| eprintln!("soak: {fault}"));
        if !faults.is_empty() {
            std::process::exit(1);
        }
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn setup(cameras: usize, look_interval: Duration) -> Setup {
    Setup { cameras, look_interval, ingest: "", simulator: Vec::new(), cores: None }
}

/// Streams all cameras, lets their scenes be learnt, and measures.
fn observe(city: &City, warm_up: Duration, window: Duration) -> Option<(Duration, Sample, Sample)> {
    let took = city.wait_for_all(seconds(300))?;
    std::thread::sleep(warm_up);
    let before = city.sample();
    std::thread::sleep(window);
    Some((took, before, city.sample()))
}

fn live(plan: &Plan, folder: &Path) {
    let interval = seconds(10);
    let city = City::start(&setup(plan.cameras, interval), folder);
    let Some((took, before, after)) = observe(&city, seconds(plan.warm_up), seconds(plan.seconds)) else {
        println!("only {} of {} cameras stream", city.streaming(), plan.cameras);
        return;
    };
    let [ours, theirs] = after.cores_since(&before);
    let passed = after.seconds_since(&before);
    let lag = |share| after.quantile(&before, "gridwatch_look_lag_seconds", share);
    let gate = after.by_label(&before, "gridwatch_gate_looks_total");
    let looks: f64 = gate.values().sum();
    let unchanged = gate.get("{outcome=\"unchanged\"}").copied().unwrap_or(0.0);
    let grown = (after.rss_kb - before.rss_kb) / passed * 60.0;
    let n = plan.cameras as f64;
    println!(
        "{n} cameras, one in {ONE_BUSY_IN} busy, a look each 10 s, {passed:.0} s\n\n| what | aim | reached |\n|---|---|---|"
    );
    println!("| all stream after | - | {:.0} s |", took.as_secs_f64());
    println!("| looks a second | {:.0} | {:.1} |", n / 10.0, after.grew(&before, "gridwatch_looks_total") / passed);
    println!(
        "| a look is late by, p50 / p99 (bucket's upper bound; 10 s late is 2 x the interval) | p99 <= 10 s | {} / {} s |",
        lag(0.5),
        lag(0.99)
    );
    println!("| cores: gridwatch + simulator | <= 2 | {ours:.2} + {theirs:.2} |");
    println!("| looks that ran no detector | - | {:.0} % of {looks:.0} |", 100.0 * unchanged / looks);
    println!(
        "| detector runs a second | - | {:.1} |",
        after.grew(&before, "gridwatch_inference_seconds_count") / passed
    );
    println!("| memory, and its slope | steady | {:.0} MB, {grown:+.0} kB a minute |", after.rss_kb / 1e3);
    println!("| looks by what the gate found | - | {gate:?} |");
}

fn curve(plan: &Plan, folder: &Path) {
    let sizes: &[usize] = if plan.quick { &[10, 20] } else { &[50, 200, 500, 1000, 2000, 3000] };
    let (warm_up, window) = if plan.quick { (2, 5) } else { (plan.warm_up, 60) };
    println!("gridwatch with one look worker on core 0, the simulator on core 1; {window} s each\n");
    println!(
        "| cameras | look each | gridwatch, cores | simulator, cores | memory | looks a second | of which gated | late by p50 / p99 |\n|---|---|---|---|---|---|---|---|"
    );
    for interval in [10, 2] {
        for &cameras in sizes {
            let setup =
                Setup { ingest: "look_workers = 1", cores: Some(["0", "1"]), ..setup(cameras, seconds(interval)) };
            let city = City::start(&setup, folder);
            let Some((_, before, after)) = observe(&city, seconds(warm_up), seconds(window)) else {
                println!("| {cameras} | {interval} s | only {} stream | | | | | |", city.streaming());
                continue;
            };
            let [ours, theirs] = after.cores_since(&before);
            let looks = after.grew(&before, "gridwatch_looks_total");
            let gated = after.grew(&before, "gridwatch_gate_looks_total{outcome=\"unchanged\"}");
            let lag = |share| after.quantile(&before, "gridwatch_look_lag_seconds", share);
            println!(
                "| {cameras} | {interval} s | {ours:.2} | {theirs:.2} | {:.0} MB | {:.1} | {:.0} % | {} / {} s |",
                after.rss_kb / 1e3,
                looks / after.seconds_since(&before),
                100.0 * gated / looks.max(1.0),
                lag(0.5),
                lag(0.99)
            );
        }
    }
}

fn memory(plan: &Plan, folder: &Path) {
    let most = if plan.quick { plan.cameras } else { 1000 };
    let resident = |cameras: usize, interval: Duration| {
        let city = City::start(&setup(cameras, interval), folder);
        let warm_up = if plan.quick { 5 } else { 60 };
        observe(&city, seconds(warm_up), seconds(5)).map_or(f64::NAN, |(_, _, after)| after.rss_kb)
    };
    // A few cameras, so that decoders and models are at work in both.
    let few = resident(most / 10, seconds(36_000));
    let many = resident(most, seconds(36_000));
    let looked = resident(most, seconds(10));
    let each = |rss: f64| (rss - few) / (most - most / 10) as f64;
    println!("| what | aim | reached |\n|---|---|---|");
    println!("| memory of an idle camera, {most} cameras looked at once | <= 150 kB | {:.0} kB |", each(many));
    println!("| of a camera that is looked at each 10 s | - | {:.0} kB |", each(looked));
}

fn storm(plan: &Plan, folder: &Path) {
    let (calm, lasts) = if plan.quick { (25, 5) } else { (120, 30) };
    let hosts = (plan.cameras / 16).max(2);
    let per_host = plan.cameras.div_ceil(hosts);
    let script = folder.join("storm.toml");
    fs::write(&script, format!("[[fault]]\nkind = \"drop\"\nat = \"{calm}s\"\nfor = \"{lasts}s\"\n")).unwrap();
    let simulator = [
        "--hosts",
        &hosts.to_string(),
        "--sessions-per-host",
        &per_host.to_string(),
        "--faults",
        script.to_str().unwrap(),
    ];
    let limit: &'static str = format!("sessions_per_host = {per_host}").leak();
    let setup =
        Setup { ingest: limit, simulator: simulator.map(str::to_owned).to_vec(), ..setup(plan.cameras, seconds(10)) };
    let city = City::start(&setup, folder);
    // The script's clock runs since the simulator's start.
    let began = Instant::now();
    let Some(start) = city.wait_for_all(seconds(calm)) else {
        println!("only {} of {} cameras stream when the storm begins", city.streaming(), plan.cameras);
        return;
    };
    std::thread::sleep(seconds(calm).saturating_sub(began.elapsed() + seconds(2)));
    let (before, lines) = (city.sample(), city.log_lines());
    while city.streaming() > plan.cameras / 10 && began.elapsed() < seconds(calm + lasts) {
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(seconds(calm + lasts).saturating_sub(began.elapsed()));
    let back = city.wait_for_all(seconds(300));
    let told = city.log_lines() - lines;
    std::thread::sleep(seconds(if plan.quick { 2 } else { 30 }));
    let after = city.sample();
    let _ = Command::new("kill").arg(city.simulator.0.id().to_string()).status();
    let mut said = String::new();
    for _ in 0..50 {
        said = fs::read_to_string(folder.join("simulator.log")).unwrap_or_default();
        if said.contains("sessions at the end") {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let back = back.map_or_else(|| "never".to_owned(), |back| format!("{:.0} s", back.as_secs_f64()));
    println!(
        "{} cameras on {hosts} devices drop for {lasts} s\n\n| what | aim | reached |\n|---|---|---|",
        plan.cameras
    );
    println!("| all stream first | - | {:.0} s |", start.as_secs_f64());
    println!("| all stream again after | <= 60 s | {back} |");
    println!(
        "| devices say (limit {per_host}) | never above, none refused | {} |",
        said.lines().last().unwrap_or("nothing")
    );
    println!("| memory before and after | as before | {:.0} MB, {:.0} MB |", before.rss_kb / 1e3, after.rss_kb / 1e3);
    println!("| log lines for it | - | {told} |");
}
