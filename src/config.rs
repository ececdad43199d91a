//! The configuration: one TOML file and the camera files that it includes, composed from the sections that each
//! stage owns. `Config::default()` is what `gridwatch demo` runs on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use alerts::{incident::Zone, sensor::Device};
use domain::{CameraId, Ground, Millis, NodeId, Place, ZoneId};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    grid::{self, Grid},
    overlaps,
};

/// Everything that a running gridwatch needs to know.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Files to read as well, as glob patterns relative to this file; they hold `[[cameras]]` and `[[devices]]` only.
    pub include: Vec<String>,
    /// This process.
    pub node: NodeConfig,
    /// Camera connections and the pace of looks.
    pub ingest: ingest::IngestConfig,
    /// The detector.
    pub detect: detect::DetectConfig,
    /// The rules, by name; what is not written keeps its built-in value.
    pub rules: alerts::rules::RulesConfig,
    /// Working time, holidays and lights.
    pub deadlines: alerts::deadline::DeadlineConfig,
    /// Where tickets and their messages are kept.
    pub database: alerts::store::DatabaseConfig,
    /// Second looks at what is said to be handled.
    pub recheck: alerts::recheck::RecheckConfig,
    /// How long tickets, messages and pictures are kept.
    pub retention: alerts::retention::RetentionConfig,
    /// The administrative grid's outlines.
    pub grid: GridConfig,
    /// Zero reports of stations.
    pub zero_report: alerts::zero_report::ZeroReportConfig,
    /// Evidence pictures.
    pub evidence: alerts::evidence::EvidenceConfig,
    /// The platform's broker.
    pub mqtt: alerts::mqtt::MqttConfig,
    /// The embedded broker, used while `mqtt.url` is absent.
    pub broker: BrokerConfig,
    /// The web console.
    pub console: console::ConsoleConfig,
    /// Sensors: where readings come from, the devices, the rules on readings.
    pub sensors: alerts::sensor::SensorsConfig,
    /// Permits that are laid over the cameras' zones.
    pub permits: Vec<alerts::rules::Permit>,
    /// The cameras.
    pub cameras: Vec<CameraConfig>,
    /// The file that this was read from, which a running gridwatch watches.
    #[serde(skip)]
    pub origin: Option<PathBuf>,
    /// The tree of areas, as [`Config::load`] found it.
    #[serde(skip)]
    pub areas: Arc<Grid>,
    /// When people work, as [`Config::load`] found it.
    #[serde(skip)]
    pub calendar: Option<Arc<alerts::deadline::WorkCalendar>>,
}

/// This process among its peers, and where it keeps its data.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// The node's name in topics and tickets.
    pub id: NodeId,
    /// The district's 6-digit code (GB/T 2260); the place of cameras that name none.
    pub district: domain::Cell,
    /// The time zone of calendars, messages and pages (IANA name).
    pub timezone: String,
    /// Where the database and the evidence live.
    pub data_dir: PathBuf,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            id: "gridwatch".parse().expect("a valid node id"),
            district: domain::Cell::try_from("310104".to_owned()).expect("a valid district"),
            timezone: "Asia/Shanghai".into(),
            data_dir: "data".into(),
        }
    }
}

/// The administrative grid.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GridConfig {
    /// GeoJSON files with outlines, beside those that were imported.
    pub files: Vec<PathBuf>,
}

/// The embedded broker.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrokerConfig {
    /// Where it listens, to MQTT 5 and 3.1.1 alike.
    pub listen: SocketAddr,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1883)) }
    }
}

/// One camera.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraConfig {
    /// Its id: the 20-digit GB/T 28181 id, or any name of letters, digits, `-`, `_`, `.`.
    pub id: CameraId,
    /// A name for people; the id where empty.
    #[serde(default)]
    pub name: String,
    /// Where it stands.
    #[serde(default)]
    pub place: Option<Place>,
    /// Where its pictures come from.
    pub stream: ingest::StreamConfig,
    /// What is looked for where on its view.
    #[serde(default)]
    pub zones: Vec<Zone>,
    /// The ground that it sees, by points of the picture whose place is known.
    #[serde(default)]
    pub ground: Option<Ground>,
    /// The models that look at its pictures; `detect.model` where absent, and `detect.garbage_model` if it has a zone for garbage.
    #[serde(default)]
    pub models: Option<Vec<String>>,
    /// By zone: how it is looked at by itself, for what is too small in the whole picture.
    #[serde(default)]
    pub close_ups: BTreeMap<ZoneId, detect::Manner>,
}

impl CameraConfig {
    /// The name for people.
    #[must_use]
    pub fn display_name(&self) -> &str {
        if self.name.is_empty() { self.id.as_str() } else { &self.name }
    }
}

/// What an included file may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Included {
    cameras: Vec<CameraConfig>,
    devices: Vec<Device>,
}

/// Cameras and devices, each with the file that it comes from.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The cameras.
    pub cameras: Vec<(CameraConfig, PathBuf)>,
    /// The sensors.
    pub devices: Vec<(Device, PathBuf)>,
}

/// A configuration that cannot be used; names the file, the line where there is one, the key and the remedy. Never
/// quotes a source line, since that line may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file's text is no valid configuration.
    #[error("{path}{place}: {key}{message}", path = path.display(), key = KeyPrefix(key))]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Line and column.
        place: FilePosition,
        /// The dotted key, where known.
        key: String,
        /// What is wrong and what was expected.
        message: String,
    },
    /// A value that parses and still cannot be.
    #[error("{path}: {key}: {message}", path = path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// The dotted key.
        key: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// Overlaps that name zones which are not there, each as its own error.
    #[error("{}{}", .0[0], Others(.0.len() - 1))]
    Overlaps(Vec<ConfigError>),
    /// An include pattern that is none.
    #[error("{path}: include: \"{pattern}\" is no valid pattern: {message}", path = path.display())]
    Include {
        /// Which file.
        path: PathBuf,
        /// The pattern.
        pattern: String,
        /// Why.
        message: String,
    },
}

/// A line and column of a file, from 1; empty where unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilePosition(pub Option<(usize, usize)>);

impl fmt::Display for FilePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |(line, column)| write!(f, ":{line}:{column}"))
    }
}

struct KeyPrefix<'a>(&'a str);

impl fmt::Display for KeyPrefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() || self.0 == "." { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

/// How many more of a kind there are.
struct Others(usize);

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, "; and {} more overlaps (gridwatch check lists them)", self.0) }
    }
}

impl Config {
    /// Reads `path` and the camera files that it includes, and checks what can be checked without a connection.
    /// Relative paths in the files (data folder, models, recordings, secrets) are taken from the configuration
    /// file's folder.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file, line, key and remedy.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (mut config, base) = Self::load_main(path)?;
        let Inventory { cameras, devices } = config.take_inventory(path, &base)?;
        for (mut camera, file) in cameras {
            resolve_stream(&mut camera.stream, file.parent().unwrap_or(Path::new("")));
            config.cameras.push(camera);
        }
        config.sensors.devices = devices.into_iter().map(|(device, _)| device).collect();
        config.check_permits(path)?;
        config.check_sensors(path)?;
        config.check_models(path)?;
        config.resolve_paths(&base);
        config.locate_places(path)?;
        config.calendar = Some(Arc::new(config.work_calendar(path)?));
        config.origin = Some(path.to_owned());
        Ok(config)
    }

    /// The cameras of the configuration, each with the file that it comes from.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_cameras(path: &Path) -> Result<Vec<(CameraConfig, PathBuf)>, ConfigError> {
        Ok(Self::load_inventory(path)?.cameras)
    }

    /// The cameras and devices of the configuration, each with the file that it comes from.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_inventory(path: &Path) -> Result<Inventory, ConfigError> {
        let (mut config, base) = Self::load_main(path)?;
        config.take_inventory(path, &base)
    }

    /// The outlines of the grid, whether or not the cameras' places are good.
    ///
    /// # Errors
    /// When the file or an outline does not read.
    pub fn load_outlines(path: &Path) -> Result<Grid, ConfigError> {
        let (mut config, base) = Self::load_main(path)?;
        config.resolve_paths(&base);
        config.load_grid(path)
    }

    /// The camera files that the configuration includes.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn included_files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
        let (config, _) = Self::load_main(path)?;
        Ok(Self::files(path, &config.include)?.split_off(1))
    }

    /// Where the console of the configuration file `path` listens, whether or not its cameras are good.
    ///
    /// # Errors
    /// When the file does not read.
    pub fn console(path: &Path) -> Result<SocketAddr, ConfigError> {
        Ok(parse_file::<Self>(path)?.console.listen)
    }

    /// The configuration file `path` and the files that the patterns `include` name from its folder.
    ///
    /// # Errors
    /// When a pattern is none.
    pub fn files(path: &Path, include: &[String]) -> Result<Vec<PathBuf>, ConfigError> {
        let base = path.parent().unwrap_or(Path::new(""));
        include.iter().try_fold(vec![path.to_owned()], |mut files, pattern| {
            files.extend(expand(path, base, pattern)?);
            Ok(files)
        })
    }

    fn load_main(path: &Path) -> Result<(Self, PathBuf), ConfigError> {
        let config: Self = parse_file(path)?;
        config.check(path)?;
        Ok((config, path.parent().unwrap_or(Path::new("")).to_owned()))
    }

    /// Takes out this file's cameras and devices, and adds those of the included files.
    fn take_inventory(&mut self, path: &Path, base: &Path) -> Result<Inventory, ConfigError> {
        let mut all = Inventory::default();
        all.cameras.extend(std::mem::take(&mut self.cameras).into_iter().map(|camera| (camera, path.to_owned())));
        all.devices
            .extend(std::mem::take(&mut self.sensors.devices).into_iter().map(|device| (device, path.to_owned())));
        for pattern in &self.include {
            for file in expand(path, base, pattern)? {
                let more: Included = parse_file(&file)?;
                all.cameras.extend(more.cameras.into_iter().map(|camera| (camera, file.clone())));
                all.devices.extend(more.devices.into_iter().map(|device| (device, file.clone())));
            }
        }
        check_cameras(&all.cameras)?;
        overlaps::check(&all.cameras, |path| std::fs::read_to_string(path).ok())?;
        Ok(all)
    }

    /// Reads a configuration from text; `path` stands in error messages. Included files are not read.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let config: Self = parse_text(path, text)?;
        config.check(path)?;
        let cameras: Vec<_> = config.cameras.iter().map(|camera| (camera.clone(), path.to_owned())).collect();
        check_cameras(&cameras)?;
        overlaps::check(&cameras, |_| Some(text.to_owned()))?;
        config.check_permits(path)?;
        config.check_sensors(path)?;
        config.check_models(path)?;
        Ok(config)
    }

    /// Every permit names a camera, and a zone of it, that are there.
    fn check_permits(&self, path: &Path) -> Result<(), ConfigError> {
        for permit in &self.permits {
            let invalid = |key: &str, message: String| ConfigError::Invalid {
                path: path.into(),
                key: format!("permits.\"{}\".{key}", permit.number),
                message,
            };
            let Some(camera) = self.cameras.iter().find(|camera| camera.id == permit.camera) else {
                return Err(invalid("camera", format!("there is no camera \"{}\"; give the id of one", permit.camera)));
            };
            if let Some(zone) = permit.zone.as_ref().filter(|id| !camera.zones.iter().any(|zone| zone.id == **id)) {
                let message = format!("camera \"{}\" has no zone \"{zone}\"; name one, or give a polygon", camera.id);
                return Err(invalid("zone", message));
            }
        }
        Ok(())
    }

    /// The sensors' section makes sense, and every device names a camera, and a zone of it, that are there.
    fn check_sensors(&self, path: &Path) -> Result<(), ConfigError> {
        let invalid = |key: String, message: String| ConfigError::Invalid { path: path.into(), key, message };
        self.sensors.check().map_err(|error| invalid(format!("sensors.{}", error.place), error.problem))?;
        let cameras: BTreeMap<_, _> = self.cameras.iter().map(|camera| (&camera.id, camera)).collect();
        for device in &self.sensors.devices {
            let Some(id) = &device.camera else { continue };
            let key = |key: &str| format!("sensors.devices.\"{}\".{key}", device.id);
            let Some(camera) = cameras.get(id) else {
                return Err(invalid(key("camera"), format!("there is no camera \"{id}\"; give the id of one")));
            };
            if let Some(zone) = device.zone.as_ref().filter(|id| !camera.zones.iter().any(|zone| zone.id == **id)) {
                return Err(invalid(
                    key("zone"),
                    format!("camera \"{id}\" has no zone \"{zone}\"; name one of its zones"),
                ));
            }
        }
        Ok(())
    }

    /// The time zone of the node.
    ///
    /// # Errors
    /// When the name is not in the time zone database.
    pub fn timezone(&self) -> Result<jiff::tz::TimeZone, jiff::Error> {
        jiff::tz::TimeZone::get(&self.node.timezone)
    }

    /// When people work; reads the files of holidays. `path` stands in error messages.
    ///
    /// # Errors
    /// When a file of holidays does not read, or working time and holidays contradict one another.
    pub fn work_calendar(&self, path: &Path) -> Result<alerts::deadline::WorkCalendar, ConfigError> {
        let invalid = |message: String| ConfigError::Invalid { path: path.into(), key: "deadlines".into(), message };
        let files = &self.deadlines.holidays;
        let years = if files.is_empty() {
            crate::holidays::shipped()?
        } else {
            files.iter().map(|file| crate::holidays::read(file)).collect::<Result<_, _>>()?
        };
        let timezone = self.timezone().map_err(|error| invalid(error.to_string()))?;
        self.deadlines.calendar(timezone, &years).map_err(|error| invalid(error.to_string()))
    }

    /// The tree of areas: the files that the configuration names and those that were imported. `path` stands in error
    /// messages.
    ///
    /// # Errors
    /// When a file does not read; names all that is wrong with it.
    pub fn load_grid(&self, path: &Path) -> Result<Grid, ConfigError> {
        let mut files = self.grid.files.clone();
        files.extend(grid::imported(&self.imported_grids()));
        grid::read(&files).map_err(|error| ConfigError::Invalid {
            path: path.into(),
            key: "grid.files".into(),
            message: error.to_string(),
        })
    }

    /// The folder of imported outlines.
    #[must_use]
    pub fn imported_grids(&self) -> PathBuf {
        self.node.data_dir.join("grid")
    }

    /// Finds the deepest area of each camera and sensor that says where it stands. What is written wins over what is found.
    fn locate_places(&mut self, path: &Path) -> Result<(), ConfigError> {
        let grid = self.load_grid(path)?;
        let cameras = self.cameras.iter_mut().map(|camera| (format!("cameras.{}", camera.id), &mut camera.place));
        let devices = &mut self.sensors.devices;
        let devices =
            devices.iter_mut().map(|device| (format!("sensors.devices.\"{}\"", device.id), &mut device.place));
        for (key, place) in cameras.chain(devices) {
            let Some(place) = place else { continue };
            let found = place.lon.zip(place.lat).and_then(|(lon, lat)| grid.locate(lon, lat)).map(|area| &area.code);
            match found {
                Some(found) if !place.grid.is_known() || found.is_within(&place.grid) => place.grid = found.clone(),
                Some(found) if !place.grid.is_within(found) => tracing::warn!(
                    key,
                    written = place.grid.as_str(),
                    found = found.as_str(),
                    "coordinates lie outside the grid code beside them, which is kept; correct one of the two"
                ),
                None if !place.grid.is_known() => {
                    return Err(ConfigError::Invalid {
                        path: path.into(),
                        key: format!("{key}.place"),
                        message: "it has no grid code and lies in no area of [grid] files; give grid, or lon and lat \
                                  within an outline"
                            .into(),
                    });
                }
                _ => {}
            }
            if place.grid.is_known() && place.grid.district() != self.node.district.district() {
                tracing::warn!(
                    key,
                    grid = place.grid.as_str(),
                    district = self.node.district.as_str(),
                    "stands in another district than node.district: its messages go on the topics of node.district, where the \
                     platform must answer; correct the code, or give it to that district's gridwatch"
                );
            }
        }
        self.areas = Arc::new(grid);
        Ok(())
    }

    /// What limits and clocks of cases go by; reads the files of holidays. `path` stands in error messages.
    ///
    /// # Errors
    /// As [`Config::work_calendar`].
    pub fn timetable(&self, path: &Path) -> Result<alerts::clocks::Timetable, ConfigError> {
        let invalid = |message: String| ConfigError::Invalid { path: path.into(), key: "deadlines".into(), message };
        let lights = self.deadlines.lights().map_err(invalid)?;
        Ok(alerts::clocks::Timetable { calendar: self.work_calendar(path)?, lights, start: self.deadlines.start })
    }

    /// The database, with its password read from where it is kept.
    ///
    /// # Errors
    /// When the password cannot be read.
    pub fn database(&self) -> Result<alerts::store::Database, alerts::AlertsError> {
        self.database.database(&self.node.data_dir)
    }

    /// The folder of the evidence store.
    #[must_use]
    pub fn evidence_dir(&self) -> PathBuf {
        self.evidence.dir.clone().unwrap_or_else(|| self.node.data_dir.join("evidence"))
    }

    /// The folder of the cameras' reference pictures.
    #[must_use]
    pub fn references_dir(&self) -> PathBuf {
        self.node.data_dir.join("references")
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let invalid = |key: &str, message: String| ConfigError::Invalid { path: path.into(), key: key.into(), message };
        if self.node.district.as_str().len() != 6 {
            return Err(invalid(
                "node.district",
                format!("\"{}\" is no 6-digit district code", self.node.district.as_str()),
            ));
        }
        self.timezone().map_err(|error| {
            invalid("node.timezone", format!("{error}; expected an IANA name such as \"Asia/Shanghai\""))
        })?;
        if self.ingest.look_interval <= Millis::ZERO || self.ingest.active_interval <= Millis::ZERO {
            return Err(invalid("ingest", "look_interval and active_interval must be longer than nothing".into()));
        }
        if self.mqtt.url.is_some() {
            self.mqtt.check().map_err(|error| invalid("mqtt", error.to_string()))?;
        }
        self.database.check().map_err(|error| invalid("database", error.to_string()))?;
        self.retention.check().map_err(|message| invalid("retention", message))?;
        self.deadlines.lights().map_err(|message| invalid("deadlines", message))?;
        self.recheck.check().map_err(|message| invalid("recheck", message))?;
        self.zero_report.check().map_err(|error| invalid("zero_report", error.to_string()))?;
        let mut core = alerts::rules::Core::new(&self.rules, jiff::tz::TimeZone::UTC, [])
            .map_err(|error| invalid("rules", error.to_string()))?;
        core.set_permits(self.permits.clone()).map_err(|error| invalid("permits", error.to_string()))?;
        Ok(())
    }

    /// What is said of a model that no camera has is said of a misspelt one.
    fn check_models(&self, path: &Path) -> Result<(), ConfigError> {
        let named = self.cameras.iter().filter_map(|camera| camera.models.as_ref()).flatten();
        let models: BTreeSet<_> = named.chain([&self.detect.model, &self.detect.garbage_model]).collect();
        match self.detect.only.keys().find(|model| !models.contains(model)) {
            None => Ok(()),
            Some(model) => Err(ConfigError::Invalid {
                path: path.into(),
                key: format!("detect.only.{model}"),
                message: "neither detect.model, detect.garbage_model nor a camera names this model".into(),
            }),
        }
    }

    fn resolve_paths(&mut self, base: &Path) {
        let resolve = |path: &mut PathBuf| resolve(path, base);
        resolve(&mut self.node.data_dir);
        for path in [
            &mut self.evidence.dir,
            &mut self.evidence.font,
            &mut self.detect.onnxruntime,
            &mut self.detect.engine_cache,
        ]
        .into_iter()
        .flatten()
        {
            resolve(path);
        }
        self.deadlines.holidays.iter_mut().for_each(resolve);
        self.grid.files.iter_mut().for_each(resolve);
        // A models folder beside the configuration wins; else detect looks beside the program.
        if self.detect.models_dir.is_relative() && base.join(&self.detect.models_dir).is_dir() {
            resolve(&mut self.detect.models_dir);
        }
        let of_sensors = self.sensors.sources.iter_mut().filter_map(|source| source.mqtt.as_mut());
        for mqtt in std::iter::once(&mut self.mqtt).chain(of_sensors) {
            for path in [&mut mqtt.password_file, &mut mqtt.ca_file, &mut mqtt.client_cert, &mut mqtt.client_key] {
                path.iter_mut().for_each(resolve);
            }
        }
        self.database.password_file.iter_mut().for_each(resolve);
    }
}

fn resolve(path: &mut PathBuf, base: &Path) {
    if path.is_relative() {
        *path = base.join(&*path);
    }
}

fn resolve_stream(stream: &mut ingest::StreamConfig, base: &Path) {
    for path in [&mut stream.file, &mut stream.password_file].into_iter().flatten() {
        resolve(path, base);
    }
}

fn check_cameras(cameras: &[(CameraConfig, PathBuf)]) -> Result<(), ConfigError> {
    let mut origin: BTreeMap<&CameraId, &Path> = BTreeMap::new();
    for (camera, path) in cameras {
        let invalid = |key: String, message: String| ConfigError::Invalid { path: path.clone(), key, message };
        if let Some(other) = origin.insert(&camera.id, path) {
            let there =
                if other == path { "twice in this file".into() } else { format!("also in {}", other.display()) };
            return Err(invalid(
                format!("cameras.{}", camera.id),
                format!("this id is given {there}; every camera needs an id of its own"),
            ));
        }
        camera
            .stream
            .validate()
            .map_err(|error| invalid(format!("cameras.{}.stream", camera.id), error.to_string()))?;
        if let Some(models) = &camera.models {
            let distinct: BTreeSet<_> = models.iter().collect();
            if models.is_empty() || distinct.len() != models.len() {
                return Err(invalid(
                    format!("cameras.{}.models", camera.id),
                    "expected at least one model and none twice; leave the key out for detect.model".into(),
                ));
            }
        }
        let mut zones = BTreeSet::new();
        for zone in &camera.zones {
            if !zones.insert(&zone.id) {
                return Err(invalid(
                    format!("cameras.{}.zones.{}", camera.id, zone.id),
                    "this zone id is given twice; every zone of a camera needs an id of its own".into(),
                ));
            }
        }
        if let Some(zone) = camera.close_ups.keys().find(|zone| !zones.contains(zone)) {
            return Err(invalid(
                format!("cameras.{}.close_ups.{zone}", camera.id),
                "this camera has no zone of that id".into(),
            ));
        }
    }
    Ok(())
}

fn expand(path: &Path, base: &Path, pattern: &str) -> Result<Vec<PathBuf>, ConfigError> {
    let error = |message: String| ConfigError::Include { path: path.into(), pattern: pattern.into(), message };
    let absolute = glob::Pattern::escape(&base.to_string_lossy()) + if base.as_os_str().is_empty() { "" } else { "/" };
    let full = if Path::new(pattern).is_absolute() { pattern.to_owned() } else { absolute + pattern };
    let mut files = Vec::new();
    for entry in glob::glob(&full).map_err(|e| error(e.to_string()))? {
        files.push(entry.map_err(|e| error(e.to_string()))?);
    }
    files.sort();
    Ok(files)
}

pub(crate) fn parse_file<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    parse_text(path, &text)
}

pub(crate) fn parse_text<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    let fail = |key: String, error: &toml::de::Error| ConfigError::Parse {
        path: path.into(),
        place: FilePosition(error.span().map(|span| line_and_column(text, span.start))),
        key,
        message: error.message().trim().replace('\n', "; "),
    };
    let deserializer = toml::Deserializer::parse(text).map_err(|error| fail(String::new(), &error))?;
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let key = error.path().to_string();
        fail(key, error.inner())
    })
}

pub(crate) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    (line, column)
}
