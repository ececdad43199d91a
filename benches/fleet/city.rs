//! A simulated city and a gridwatch that watches it, and what both use.

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::shared::{Running, camera_clip, cpu_seconds, get, metrics, simulator, still_clip, value};

/// Of so many cameras one shows people who walk; on the others nothing moves.
pub(crate) const ONE_BUSY_IN: usize = 20;

/// How a city is watched.
pub(crate) struct Setup {
    pub(crate) cameras: usize,
    pub(crate) look_interval: Duration,
    /// Lines for the section `[ingest]`.
    pub(crate) ingest: &'static str,
    /// Arguments for the simulator.
    pub(crate) simulator: Vec<String>,
    /// Cores that each of the two may use, as `taskset` takes them.
    pub(crate) cores: Option<[&'static str; 2]>,
}

pub(crate) struct City {
    pub(crate) simulator: Running,
    pub(crate) run: Running,
    pub(crate) console: SocketAddr,
    pub(crate) log: PathBuf,
    cameras: usize,
}

/// What was read at one moment.
pub(crate) struct Sample {
    at: Instant,
    pub(crate) rss_kb: f64,
    cpu: [f64; 2],
    metrics: String,
}

impl City {
    pub(crate) fn start(setup: &Setup, folder: &Path) -> Self {
        let _ = fs::remove_dir_all(folder.join("data"));
        let arguments: Vec<&str> = setup.simulator.iter().map(String::as_str).collect();
        let (simulator, urls) = simulator(setup.cameras, &clips(folder), folder, &arguments);
        let console = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut config = format!(
            "[node]\ndata_dir = \"{}\"\n[ingest]\nlook_interval = \"{}ms\"\n{}\n[console]\nlisten = \"{console}\"\n[broker]\nlisten = \"127.0.0.1:0\"\n",
            folder.join("data").display(),
            setup.look_interval.as_millis(),
            setup.ingest,
        );
        for (n, url) in urls.iter().enumerate() {
            // A corner where nothing ever stands: rules run, tickets would be another benchmark.
            config += &format!(
                "[[cameras]]\nid = \"cam-{n}\"\nstream = {{ main = \"{url}\" }}\nzones = [{{ id = \"z\", purpose = \"no_stopping\", polygon = [[0.0, 0.9], [0.08, 0.9], [0.08, 1.0], [0.0, 1.0]] }}]\n"
            );
        }
        let (path, log) = (folder.join("gridwatch.toml"), folder.join("gridwatch.log"));
        fs::write(&path, config).unwrap();
        let program = env!("CARGO_BIN_EXE_gridwatch");
        let mut command = match setup.cores {
            Some([ours, theirs]) => {
                pin(simulator.0.id(), theirs);
                let mut command = Command::new("taskset");
                command.args(["-c", ours, program]);
                command
            }
            None => Command::new(program),
        };
        let run = command
            .args(["run", "--config"])
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { simulator, run: Running(run), console, log, cameras: setup.cameras }
    }

    pub(crate) fn streaming(&self) -> usize {
        value(&metrics(self.console), "gridwatch_cameras{state=\"streaming\"}").unwrap_or(0.0) as usize
    }

    /// Waits until all cameras stream; how long that took.
    pub(crate) fn wait_for_all(&self, limit: Duration) -> Option<Duration> {
        let start = Instant::now();
        while self.streaming() < self.cameras {
            if start.elapsed() > limit {
                return None;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Some(start.elapsed())
    }

    pub(crate) fn sample(&self) -> Sample {
        let cpu = [cpu_seconds(self.run.0.id()), cpu_seconds(self.simulator.0.id())];
        Sample { at: Instant::now(), rss_kb: rss_kb(self.run.0.id()), cpu, metrics: metrics(self.console) }
    }

    /// For how long the camera has been offline that is so for longest, of the first thousand.
    pub(crate) fn longest_offline(&self) -> Option<Duration> {
        self.longest("offline", |camera| time(&camera["since"]))
    }

    /// For how long the streaming camera has not been looked at that is so for longest, of the first thousand.
    pub(crate) fn longest_unseen(&self) -> Option<Duration> {
        // One that has just come back was away meanwhile.
        self.longest("streaming", |camera| time(&camera["last_look_at"]).max(time(&camera["since"])))
    }

    fn longest(&self, state: &str, since: impl Fn(&serde_json::Value) -> Option<jiff::Timestamp>) -> Option<Duration> {
        let text = get(self.console, &format!("/api/cameras?state={state}&limit=1000"));
        let answer: serde_json::Value = serde_json::from_str(&text).ok()?;
        let first = answer["cameras"].as_array()?.iter().filter_map(since).min()?;
        jiff::Timestamp::now().duration_since(first).try_into().ok()
    }

    pub(crate) fn log_lines(&self) -> usize {
        fs::read_to_string(&self.log).unwrap_or_default().lines().count()
    }
}

impl Sample {
    pub(crate) fn seconds_since(&self, before: &Self) -> f64 {
        self.at.duration_since(before.at).as_secs_f64()
    }

    /// Cores that gridwatch and the simulator used since.
    pub(crate) fn cores_since(&self, before: &Self) -> [f64; 2] {
        [0, 1].map(|i| (self.cpu[i] - before.cpu[i]) / self.seconds_since(before))
    }

    /// How much a counter grew since.
    pub(crate) fn grew(&self, before: &Self, name: &str) -> f64 {
        value(&self.metrics, name).unwrap_or(0.0) - value(&before.metrics, name).unwrap_or(0.0)
    }

    /// The growth of each counter of this name, by its labels.
    pub(crate) fn by_label(&self, before: &Self, name: &str) -> BTreeMap<String, f64> {
        let labels =
            self.metrics.lines().filter_map(|line| Some(line.strip_prefix(name)?.split_once(' ')?.0.to_owned()));
        let all = labels.filter(|labels| labels.starts_with('{'));
        all.map(|labels| (labels.clone(), self.grew(before, &format!("{name}{labels}"))))
            .filter(|(_, n)| *n > 0.0)
            .collect()
    }

    /// The upper bound of the bucket in which this share of a histogram's values since lies, in seconds.
    pub(crate) fn quantile(&self, before: &Self, name: &str, share: f64) -> f64 {
        let bounds = |sample: &Self| -> Vec<(f64, f64)> {
            let bucket = |line: &str| {
                let (bound, count) = line.strip_prefix(&format!("{name}_bucket{{le=\""))?.split_once("\"} ")?;
                Some((bound.parse::<f64>().unwrap_or(f64::INFINITY), count.parse().ok()?))
            };
            sample.metrics.lines().filter_map(bucket).collect()
        };
        let earlier: BTreeMap<u64, f64> = bounds(before).into_iter().map(|(le, n)| (le.to_bits(), n)).collect();
        let mut buckets = bounds(self);
        buckets.iter_mut().for_each(|(le, n)| *n -= earlier.get(&le.to_bits()).copied().unwrap_or(0.0));
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all = buckets.last().map_or(0.0, |(_, n)| *n);
        buckets.iter().find(|(_, n)| *n >= share * all).map_or(f64::NAN, |(le, _)| *le)
    }
}

fn time(value: &serde_json::Value) -> Option<jiff::Timestamp> {
    value.as_str()?.parse().ok()
}

/// One busy street and so many still ones, each a recording of its own.
fn clips(folder: &Path) -> Vec<PathBuf> {
    let still = folder.join("still.mp4");
    if !still.exists() {
        still_clip(folder);
        camera_clip(folder);
    }
    let copy = |n: usize| {
        let path = folder.join(format!("still-{n}.mp4"));
        if !path.exists() {
            fs::hard_link(&still, &path).unwrap();
        }
        path
    };
    (1..ONE_BUSY_IN).map(copy).chain([folder.join("camera.mp4")]).collect()
}

fn pin(pid: u32, cores: &str) {
    let pinned =
        Command::new("taskset").args(["-a", "-p", "-c", cores, &pid.to_string()]).stdout(Stdio::null()).status();
    assert!(pinned.unwrap().success());
}

/// Resident memory of a process.
pub(crate) fn rss_kb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
