//! `gridwatch models bench`: what a model costs on this machine, on a real picture.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use comfy_table::CellAlignment;
use detect::{DetectConfig, DetectError, Detector, LookTimes, Model};
use domain::Picture;

use super::super::table;
use crate::{cli::BenchArgs, evaluation::percentile, still};

/// A street of 768x576 pixels as a camera shows it: a frame of OpenCV's `vtest.avi` (the demo's clip).
const STREET: &[u8] = include_bytes!("street.jpg");

/// Measures and prints. Takes `--seconds`: not for an async thread.
///
/// # Errors
/// When the picture or the model cannot be used.
pub fn run(arguments: &BenchArgs) -> anyhow::Result<()> {
    let config = DetectConfig::default();
    let picture = picture(arguments.picture.as_deref())?;
    let model = Model::load(&arguments.models.models_dir, &arguments.name)?;
    let runtime = detect::load_runtime(&config)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let n_sessions = arguments.threads.map_or(cores, usize::from);
    let half = Duration::from_secs(arguments.seconds) / 2;

    let empty = resident_mib();
    let mut detectors = vec![Detector::new(&model, &config)?];
    let one = resident_mib();
    let alone = measure(&mut detectors[0], &picture, half)?;
    while detectors.len() < n_sessions {
        detectors.push(Detector::new(&model, &config)?);
    }
    let (n_looks, took) = side_by_side(&mut detectors, &picture, half)?;
    let all = resident_mib();

    let (w, h) = (picture.width, picture.height);
    println!("{}: ONNX Runtime {}, {cores} cores, a picture of {w}x{h}\n", arguments.name, runtime.version);
    let mut parts = table(&["one session, one thread", "median ms", "95 % ms"]);
    let part = |name: &str, of: fn(&LookTimes) -> Duration| {
        let mut times: Vec<Duration> = alone.iter().map(of).collect();
        times.sort_unstable();
        let ms = |share| format!("{:.2}", percentile(&times, share).as_secs_f64() * 1e3);
        [name.to_owned(), ms(0.5), ms(0.95)]
    };
    parts.add_row(part("preprocessing", |t| t.preprocess));
    parts.add_row(part("inference", |t| t.inference));
    parts.add_row(part("postprocessing", |t| t.postprocess));
    parts.add_row(part("a look", |t| t.total()));
    println!("{}\n", right(parts));
    let busy: Duration = alone.iter().map(|t| t.total()).sum();
    let rate = |n: usize, took: Duration| format!("{:.1}", n as f64 / took.as_secs_f64());
    let mib = |after: Option<u64>, before: Option<u64>| match (after, before) {
        (Some(after), Some(before)) => after.saturating_sub(before).to_string(),
        _ => "-".into(),
    };
    let mut sessions = table(&["sessions", "looks/s", "MiB more than without"]);
    sessions.add_row(["1".to_owned(), rate(alone.len(), busy), mib(one, empty)]);
    sessions.add_row([n_sessions.to_string(), rate(n_looks, took), mib(all, empty)]);
    println!("{}", right(sessions));
    Ok(())
}

fn right(mut table: comfy_table::Table) -> comfy_table::Table {
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn picture(named: Option<&Path>) -> anyhow::Result<Picture> {
    match named {
        Some(path) => still::read(path).with_context(|| path.display().to_string()),
        None => still::decode(STREET),
    }
}

/// Looks at `picture` for `limit`, at least once; gives what each look took.
fn measure(detector: &mut Detector, picture: &Picture, limit: Duration) -> Result<Vec<LookTimes>, DetectError> {
    let begun = Instant::now();
    let mut looks = Vec::new();
    while looks.is_empty() || begun.elapsed() < limit {
        looks.push(detector.detect_timed(picture)?.1);
    }
    Ok(looks)
}

/// Lets all detectors look at once, a thread each, for `limit`; gives the looks in all and how long it took.
fn side_by_side(detectors: &mut [Detector], picture: &Picture, limit: Duration) -> anyhow::Result<(usize, Duration)> {
    let begun = Instant::now();
    let n_looks = std::thread::scope(|scope| -> anyhow::Result<usize> {
        let threads: Vec<_> =
            detectors.iter_mut().map(|detector| scope.spawn(|| measure(detector, picture, limit))).collect();
        let mut n_looks = 0;
        for thread in threads {
            n_looks += thread.join().map_err(|_| anyhow::anyhow!("a session's thread panicked"))??.len();
        }
        Ok(n_looks)
    })?;
    Ok((n_looks, begun.elapsed()))
}

/// Memory that this process holds, in MiB; none where the system does not tell.
fn resident_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
}
