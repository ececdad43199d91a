//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use domain::{CameraId, Cell, GridError, Kind, Millis, StreamRole, TicketId};
use ingest::simulate::NoRoom;

use crate::{cameras::Write, evaluation::Renaming};

/// Watches street cameras for illegal vending, exposed garbage and blocked lanes, and files tickets with evidence on
/// the city's grid-management platform over MQTT.
#[derive(Debug, Parser)]
#[command(name = "gridwatch", version, propagate_version = true)]
pub struct Cli {
    /// Log filter, as in RUST_LOG: a level, or target=level pairs.
    #[arg(long, global = true, env = "GRIDWATCH_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// Log as JSON lines, for a log collector.
    #[arg(long, global = true)]
    pub log_json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole pipeline at work on real footage, with nothing to set up.
    Demo(DemoArgs),
    /// Run with a configuration, until stopped.
    Run {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Check the configuration, the model, the zones, each camera and the broker.
    Check {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// Check files only; connect to nothing.
        #[arg(long)]
        offline: bool,
        /// How long to wait for each camera's second keyframe.
        #[arg(long, default_value = "12s", value_name = "TIME")]
        timeout: Millis,
    },
    /// Look at one camera: codec, size, frame rate, measured keyframe interval, first picture.
    Probe(ProbeArgs),
    /// Bring cameras on board.
    #[command(subcommand)]
    Cameras(CamerasCommand),
    /// Bring sensors on board.
    #[command(subcommand)]
    Sensors(SensorsCommand),
    /// Say who answers for what, where and how soon.
    #[command(subcommand)]
    Duty(DutyCommand),
    /// Bring the outlines of the administrative grid in, and find places in them.
    #[command(subcommand)]
    Grid(GridCommand),
    /// See the tickets.
    #[command(subcommand)]
    Tickets(TicketsCommand),
    /// Make use of what people found leads to be.
    #[command(subcommand)]
    Labels(LabelsCommand),
    /// Show the zero reports of a day: what each station found, or that all is well, with the proof that it was looked at.
    ZeroReport {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// The date on which the day ends; the last one reported where absent.
        date: Option<jiff::civil::Date>,
        /// As JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// See, fetch, verify, judge and measure detection models.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Play scenes with known truth through the whole pipeline, faster than real time, and count right, wrong and missed tickets.
    Backtest(BacktestArgs),
    /// Serve recordings as RTSP cameras, looping, to rehearse without cameras.
    Simulate(SimulateArgs),
    /// Play the platform's side at a broker by a script: acknowledge, dispatch, handle, close; then report every case.
    Platform(PlatformArgs),
}

/// Which configuration.
#[derive(Debug, Clone, Args)]
pub struct ConfigArg {
    /// The configuration file.
    #[arg(
        short = 'c',
        long = "config",
        env = "GRIDWATCH_CONFIG",
        default_value = "gridwatch.toml",
        value_name = "FILE"
    )]
    pub path: PathBuf,
}

/// What to import.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArg,
    /// The file to read.
    pub file: PathBuf,
    /// Say what would be done, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

impl ImportArgs {
    /// Whether to write.
    #[must_use]
    pub fn write(&self) -> Write {
        if self.dry_run { Write::DryRun } else { Write::Commit }
    }
}

/// `gridwatch labels`.
#[derive(Debug, Subcommand)]
pub enum LabelsCommand {
    /// Write the pictures of all judged tickets with their labels, as a YOLO data set for training.
    Export {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// A new folder.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Reasons for which a rejected lead is a picture of nothing; others say nothing of the picture and are left out.
        #[arg(long, value_name = "CODE", value_delimiter = ',', default_value = "false_alarm")]
        nothing: Vec<String>,
    },
}

/// How to run the demo.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Where the demo keeps its data; removed and made anew at each start.
    #[arg(long, default_value = "data/demo", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// A recording to show instead of the installed one; may be given twice, a camera each.
    #[arg(long, value_name = "FILE")]
    pub clip: Vec<PathBuf>,
    /// Where to serve the console.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Where to serve the embedded broker to MQTT 5 clients.
    #[arg(long, default_value = "127.0.0.1:1883", value_name = "ADDRESS")]
    pub broker: SocketAddr,
    /// Stop by itself after the first delivered ticket.
    #[arg(long)]
    pub once: bool,
    /// Stop by itself when the platform has closed a case: found, dispatched, handled, looked at again, closed.
    #[arg(long, conflicts_with = "once")]
    pub until_closed: bool,
    /// What the platform's side does when (docs/platform.md); the demo's own script where absent.
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
}

/// What to probe.
#[derive(Debug, Clone, Args)]
pub struct ProbeArgs {
    /// The stream's address: rtsp://HOST[:PORT]/PATH.
    pub url: String,
    /// The user name; better here than inside the address.
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// The environment variable that holds the password.
    #[arg(long, value_name = "VAR", conflicts_with = "password_file")]
    pub password_env: Option<String>,
    /// The file that holds the password.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Use RTP over UDP instead of interleaved in the TCP connection.
    #[arg(long)]
    pub udp: bool,
    /// How long to watch the stream.
    #[arg(long, default_value = "12s", value_name = "TIME")]
    pub duration: Millis,
    /// Where to put the first picture, as JPEG.
    #[arg(long, default_value = "probe.jpg", value_name = "FILE")]
    pub picture: PathBuf,
}

/// Which scenes to play, and what to make of them.
#[derive(Debug, Clone, Args)]
pub struct BacktestArgs {
    /// Scene files, or folders of them.
    #[arg(required = true, value_name = "SCENES")]
    pub scenes: Vec<PathBuf>,
    /// A folder in which files that scenes name are looked for as well; may be given several times.
    #[arg(long, value_name = "DIR")]
    pub media: Vec<PathBuf>,
    /// A configuration whose detector and rules are to be tried; the shipped ones where absent.
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The model to look with, instead of the configuration's.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Where the models are.
    #[arg(long, value_name = "DIR")]
    pub models_dir: Option<PathBuf>,
    /// Only scenes that have this tag, or this in their name; may be given several times.
    #[arg(long, value_name = "WORD")]
    pub only: Vec<String>,
    /// Write a page with pictures into this folder.
    #[arg(long, value_name = "DIR")]
    pub html: Option<PathBuf>,
    /// Write all results into this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Fail when fewer of the tickets that came are right (0 to 1).
    #[arg(long, value_name = "SHARE")]
    pub min_precision: Option<f64>,
    /// Fail when fewer of the tickets that should have come did (0 to 1).
    #[arg(long, value_name = "SHARE")]
    pub min_recall: Option<f64>,
    /// How many scenes are played side by side; one a core where absent.
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
}

/// Bring cameras on board.
#[derive(Debug, Subcommand)]
pub enum CamerasCommand {
    /// Read cameras from a CSV file (UTF-8 or GBK) into a camera file that the configuration includes.
    ///
    /// Good rows are imported; duplicates (an id or an address twice) and bad ones are listed with their line and reason. Columns, in
    /// any order: id (required); main and sub, or vendor (hikvision, dahua, uniview), host, port, channel and nvr (yes, no); mode (stream,
    /// patrol, snapshot), name, username, password, password_env, password_file, transport (tcp, udp), grid (found from lon and lat where
    /// empty), duty_grid, address, lon, lat, zone_id, zone_purpose, zone_polygon ("0.1 0.2; 0.6 0.2; 0.6 0.9"), zone_overlaps
    /// ("CAMERA/ZONE; ..."), ground_points ("0.1 0.9 121.4501 31.1902; ...": x, y, longitude, latitude) and ground_crs.
    Import {
        /// What to import.
        #[command(flatten)]
        import: ImportArgs,
        /// The camera file to write; its cameras are updated by id, other cameras in it stay.
        #[arg(long, value_name = "FILE")]
        into: Option<PathBuf>,
        /// How to tell what became of the rows; a table leaves out unchanged ones.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Connect to each camera once, many at a time, and say what it sends or what is wrong.
    ///
    /// Fails when a stream cannot be used.
    Probe(ProbeFleetArgs),
    /// Have the running gridwatch take in changed cameras now, and say what differed.
    ///
    /// It notices changed files by itself after a few seconds; a configuration that cannot be used is refused, and the cameras
    /// stay as they are. Sections that were changed and need a restart are named.
    Reload {
        /// The configuration file, which says where the console is.
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Take a camera's next picture as its reference, by which it is told whether the camera has moved or is blurred.
    ///
    /// To be asked for after a camera was moved on purpose and its zones were drawn anew. Asks the gridwatch that runs with
    /// this configuration, by its console.
    Reference {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// The camera.
        id: CameraId,
    },
    /// List the configured cameras.
    List {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For a spreadsheet.
    Csv,
    /// For programs.
    Json,
}

/// Which cameras to probe, and how.
#[derive(Debug, Clone, Args)]
pub struct ProbeFleetArgs {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArg,
    /// Only this camera; may be given several times.
    #[arg(long, value_name = "ID")]
    pub camera: Vec<CameraId>,
    /// Streams at one time.
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub in_flight: usize,
    /// Of those, with one host; never more than ingest.sessions_per_host.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub per_host: usize,
    /// How long to watch each stream; the one that looks are made of on until its second keyframe, for at most 1.2 times the time
    /// between looks.
    #[arg(long, default_value = "6s", value_name = "TIME")]
    pub watch: Millis,
    /// How to tell what was found.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Bring sensors on board.
#[derive(Debug, Subcommand)]
pub enum SensorsCommand {
    /// Read sensors from a CSV file (UTF-8 or GBK) into a file that the configuration includes.
    ///
    /// Good rows are imported, bad ones are listed with their line and reason. Columns, in any order: id and measure (required),
    /// name, grid, duty_grid, address, lon, lat, camera, zone, silent_after, stuck_after.
    Import {
        /// What to import.
        #[command(flatten)]
        import: ImportArgs,
        /// The file to write; its devices are updated by id, others in it stay.
        #[arg(long, value_name = "FILE")]
        into: Option<PathBuf>,
    },
    /// List the configured sensors, with what they said last and how they fare.
    List {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// Say who answers for what, where and how soon.
#[derive(Debug, Subcommand)]
pub enum DutyCommand {
    /// Read a responsibility list from a CSV file (UTF-8 or GBK): a new version of each item that changed.
    ///
    /// Columns, in any order: item, kind, dept_zh, level (1 city to 4 community) and solve ("3 uh", "4 wh", "2 wd", "1 nd") are
    /// required; place (6 to 15 digits), place_zh, place_en, days ("mon; tue"), hours ("22:00-06:00"), name_zh, name_en, codes
    /// ("CJT214-2007:05-05; SH-GRID:..."), dept_en, copies, copies_en, steps, steps_en, arrive, photos_open, photos_close, from, until (dates). Nothing is
    /// written unless every row is good; items that the file does not name stay as they are.
    Import(ImportArgs),
    /// List the items in force.
    List {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// On this day instead of today.
        #[arg(long, value_name = "DATE")]
        on: Option<jiff::civil::Date>,
        /// As JSON lines, with all that is known of each item.
        #[arg(long)]
        json: bool,
    },
    /// Show all versions of an item: from when they are in force, from which file they came, what differs from one to the next.
    History {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// The item's number.
        item: String,
        /// As JSON lines, with all that is known of each version.
        #[arg(long)]
        json: bool,
    },
    /// Say who answers for a case, by which item, why, and until when.
    Explain {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// The kind of case, such as lane.motor.
        #[arg(long)]
        kind: Kind,
        /// The grid code of its place, 6 to 15 digits.
        #[arg(long, value_name = "CODE", value_parser = grid_code)]
        place: Cell,
        /// When it came about, such as 2026-11-24T14:21; now where absent.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
}

/// Bring the outlines of the administrative grid in, and find places in them.
#[derive(Debug, Subcommand)]
pub enum GridCommand {
    /// Read outlines from a GeoJSON file (WGS 84; properties code, name, name_en; Polygon or MultiPolygon) into the data folder.
    ///
    /// Codes of 6 digits are districts (a city, ending in 00), of 9 streets, 12 communities, 15 cells. Nothing is written
    /// unless the file is good and fits to what is there; areas that overlap are told, a file of the same name is replaced.
    Import(ImportArgs),
    /// List the areas, with how many cameras each has.
    List {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Say in which areas a point lies.
    Locate {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// Longitude in degrees, WGS 84.
        #[arg(allow_negative_numbers = true)]
        lon: f64,
        /// Latitude in degrees, WGS 84.
        #[arg(allow_negative_numbers = true)]
        lat: f64,
    },
}

fn no_room(text: &str) -> Result<NoRoom, &'static str> {
    match text {
        "453" => Ok(NoRoom::NotEnoughBandwidth),
        "503" => Ok(NoRoom::ServiceUnavailable),
        _ => Err("a device answers 453 or 503"),
    }
}

fn grid_code(text: &str) -> Result<Cell, GridError> {
    text.to_owned().try_into()
}

/// See the tickets.
#[derive(Debug, Subcommand)]
pub enum TicketsCommand {
    /// List tickets, newest first.
    List {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// Only this camera's.
        #[arg(long, value_name = "ID")]
        camera: Option<CameraId>,
        /// Only those whose case is in this state, such as pending_review.
        #[arg(long, value_name = "STATE")]
        state: Option<alerts::case::State>,
        /// How many.
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
        /// As JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Export cases in the sixteen columns of Shanghai's platform.
    Export {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// The file to write; .xlsx makes a workbook, all else CSV.
        file: PathBuf,
        /// The first day; the last day's month before where absent.
        #[arg(long, value_name = "DATE")]
        from: Option<jiff::civil::Date>,
        /// The last day; today where absent.
        #[arg(long, value_name = "DATE")]
        to: Option<jiff::civil::Date>,
    },
    /// Show one ticket with all that is kept of it.
    Show {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// The ticket.
        id: TicketId,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Also write its evidence files into this folder.
        #[arg(long, value_name = "DIR")]
        export: Option<PathBuf>,
    },
    /// Keep a ticket and its evidence, whatever their age, until they are released (legal hold).
    Hold {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// The ticket.
        id: TicketId,
        /// Why; kept with the ticket.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who asks for it; whoever is logged in, if left out.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// End a ticket's hold; it goes when it has expired.
    Release {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigArg,
        /// The ticket.
        id: TicketId,
        /// Why; kept with the ticket.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who asks for it; whoever is logged in, if left out.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}

/// See, fetch, verify, judge and measure detection models.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the models with the state of their weights.
    List(ModelsArg),
    /// Fetch a model's weights from the address in its manifest, and verify them.
    Pull {
        /// Where the models are.
        #[command(flatten)]
        models: ModelsArg,
        /// The model.
        name: String,
    },
    /// Verify a model's weights against its manifest and run it once.
    Verify {
        /// Where the models are.
        #[command(flatten)]
        models: ModelsArg,
        /// The model; all of them where absent.
        name: Option<String>,
    },
    /// Judge a model on labelled pictures: mAP, by class and size, what each score threshold gives, time a look.
    Eval(EvalArgs),
    /// Measure what a model costs on this machine: time a look and its parts, looks a second, memory.
    Bench(BenchArgs),
}

/// What to judge, on what.
#[derive(Debug, Clone, Args)]
pub struct EvalArgs {
    /// Where the models are.
    #[command(flatten)]
    pub models: ModelsArg,
    /// The model.
    pub name: String,
    /// Labelled pictures: a COCO annotations file, a folder that holds one in annotations/, or a folder in YOLO's form
    /// (images/ and labels/; class names from data.yaml or classes.txt).
    pub dataset: PathBuf,
    /// Where a COCO file's pictures are; looked for beside it where absent.
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// A class of the dataset is this class or group of the model; `*` stands for every class that is not named.
    /// Classes of one name meet by themselves.
    #[arg(long, value_name = "DATASET=MODEL", value_delimiter = ',')]
    pub classes: Vec<Renaming>,
    /// Judge groups as rules see them: car, truck and bus are one thing.
    #[arg(long)]
    pub groups: bool,
    /// Also give the calibration by which this model's scores mean what those of MODEL do, so that the rules fit both.
    #[arg(long, value_name = "MODEL")]
    pub like: Option<String>,
    /// Also write the report as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also draw the precision-recall curves.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Also write what was found, in COCO's form of results, for other tools.
    #[arg(long, value_name = "FILE")]
    pub detections: Option<PathBuf>,
}

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Where the models are.
    #[command(flatten)]
    pub models: ModelsArg,
    /// The model.
    pub name: String,
    /// How long to measure: half of it one session, half of it all sessions.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// How many sessions run side by side, each on one thread; one a core where absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// The JPEG or PNG picture to look at; a street where absent.
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
}

/// Where the models are.
#[derive(Debug, Clone, Args)]
pub struct ModelsArg {
    /// The models folder.
    #[arg(long, default_value = "models", value_name = "DIR")]
    pub models_dir: PathBuf,
}

/// What to serve.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Recordings, or folders of recordings.
    #[arg(required = true, value_name = "DIR|FILE")]
    pub paths: Vec<PathBuf>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8554", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Serve this many cameras in all, using recordings more than once.
    #[arg(long, value_name = "N")]
    pub cameras: Option<usize>,
    /// Transcode recordings to about this many kbit/s; without it they are sent as they are where possible.
    #[arg(long, value_name = "KBIT/S", value_parser = clap::value_parser!(u32).range(32..=50_000))]
    pub kbit: Option<u32>,
    /// Spread the cameras over this many devices, each with a loopback address of its own.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub hosts: usize,
    /// The most sessions that a device admits; more are answered with --no-room.
    #[arg(long, value_name = "N")]
    pub sessions_per_host: Option<usize>,
    /// What a device answers to a session that it has no room for.
    #[arg(long, default_value = "453", value_parser = no_room, value_name = "453|503")]
    pub no_room: NoRoom,
    /// A script of what goes wrong when (docs/simulate.md).
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Ask clients for this user name (with --password-env).
    #[arg(long, value_name = "NAME", requires = "password_env")]
    pub username: Option<String>,
    /// The environment variable that holds the password to ask for.
    #[arg(long, value_name = "VAR")]
    pub password_env: Option<String>,
    /// Where transcoded recordings are kept for the next start.
    #[arg(long, default_value = "data/simulate", value_name = "DIR")]
    pub cache_dir: PathBuf,
}

/// How to play the platform's side.
#[derive(Debug, Clone, Args)]
pub struct PlatformArgs {
    /// The broker: mqtt://HOST[:1883] or mqtts://HOST[:8883].
    #[arg(long, default_value = "mqtt://127.0.0.1:1883", value_name = "URL")]
    pub url: String,
    /// The user name at the broker.
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// The environment variable that holds the password.
    #[arg(long, value_name = "VAR", conflicts_with = "password_file")]
    pub password_env: Option<String>,
    /// The file that holds the password.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The CA certificates that may vouch for the broker, as PEM.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The MQTT client id; what comes while it is away is kept for this id.
    #[arg(long, default_value = "grid-platform", value_name = "ID")]
    pub client_id: String,
    /// What the platform calls itself in its messages.
    #[arg(long, default_value = "reference", value_name = "NAME")]
    pub name: String,
    /// What it does when (docs/platform.md); the built-in script where absent.
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Decides what is left to chance, instead of the script's own.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Only this district, 6 digits.
    #[arg(long, value_name = "CODE", value_parser = grid_code)]
    pub district: Option<Cell>,
    /// Keep the pictures in this folder, as SHA256.jpg.
    #[arg(long, value_name = "DIR")]
    pub pictures: Option<PathBuf>,
    /// Stop when so many cases got so far: a verdict (closed), a result (still_there), acknowledged, gone_by_itself, reopened; or agreed: closed, and gridwatch says so, too.
    #[arg(long, num_args = 2, value_names = ["N", "WORD"])]
    pub until: Vec<String>,
    /// Stop after this time at the latest.
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Millis>,
    /// Fail when anything was not as the contract says: doubles, missing or altered pictures, unreadable messages.
    #[arg(long)]
    pub strict: bool,
    /// Report as JSON lines: each case, then the totals.
    #[arg(long)]
    pub json: bool,
    /// The time zone of the times that it tells.
    #[arg(long, default_value = "Asia/Shanghai", value_name = "NAME")]
    pub timezone: String,
}

/// A stream role on the command line.
#[must_use]
pub fn role_name(role: StreamRole) -> &'static str {
    match role {
        StreamRole::Main => "main",
        StreamRole::Sub => "sub",
    }
}
