//! Scene files: what a scene shows, which rules hold in it, and which tickets should come of it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use alerts::{
    incident::Zone,
    rules::{Permit, RulesConfig},
};
use domain::{Kind, Millis, Polygon, Rect, Timestamp, ZoneId};
use jiff::{civil::DateTime, tz::TimeZone};
use scenery::{Effect, Thing};
use serde::Deserialize;

use crate::config::{CameraConfig, ConfigError, parse_file};

/// A scene.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Its name; the file's where absent.
    #[serde(default)]
    pub name: String,
    /// What happens, and why it is or is no case.
    #[serde(default)]
    pub about: String,
    /// Words to choose scenes by (`"night"`, `"rain"`).
    #[serde(default)]
    pub tags: Vec<String>,
    /// The local date and time at which it begins.
    #[serde(default = "a_wednesday_morning")]
    pub start: DateTime,
    /// Where that time holds (IANA name).
    #[serde(default = "shanghai")]
    pub timezone: String,
    /// How long it lasts.
    pub duration: Millis,
    /// The interval between looks while nothing is suspected.
    #[serde(default = "ten_seconds")]
    pub look_interval: Millis,
    /// The interval between looks while something is.
    #[serde(default = "two_seconds")]
    pub active_interval: Millis,
    /// How long the camera has watched the view before the scene begins, with what stands there at its beginning.
    #[serde(default = "four_minutes")]
    pub watched: Millis,
    /// What makes its chance.
    #[serde(default)]
    pub seed: u64,
    /// How coarse the camera's codec is (the quantizer of H.264): 18 is good, 28 usual, 40 poor.
    #[serde(default = "usual")]
    pub quantizer: u32,
    /// What everything stands before.
    pub backdrop: Backdrop,
    /// What stands, comes and goes.
    #[serde(default)]
    pub things: Vec<Thing>,
    /// Weather, light and camera faults.
    #[serde(default)]
    pub effects: Vec<Effect>,
    /// The camera's zones.
    #[serde(default)]
    pub zones: Vec<Zone>,
    /// What is written over the rules.
    #[serde(default)]
    pub rules: RulesConfig,
    /// What is allowed where and when; `camera` is the scene's name.
    #[serde(default)]
    pub permits: Vec<Permit>,
    /// The tickets that should come; any other is wrong.
    #[serde(default)]
    pub expect: Vec<Expect>,
    /// What must not become a ticket; such a ticket is wrong in any case, and this says what it fell for.
    #[serde(default)]
    pub forbid: Vec<Forbid>,
}

fn a_wednesday_morning() -> DateTime {
    jiff::civil::date(2026, 6, 3).at(10, 0, 0, 0)
}

fn shanghai() -> String {
    "Asia/Shanghai".into()
}

const fn ten_seconds() -> Millis {
    Millis::secs(10)
}

const fn four_minutes() -> Millis {
    Millis::mins(4)
}

fn two_seconds() -> Millis {
    Millis::secs(2)
}

const fn usual() -> u32 {
    26
}

/// What everything stands before.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backdrop {
    /// A drawn street.
    Street(Street),
    /// A photograph, or one picture of a recording, that stays.
    Still(Still),
    /// A recording that plays, again and again.
    Clip(Clip),
    /// Photographs of a folder in the order of their names, again and again.
    Pictures(Pictures),
}

/// A drawn street.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Street {
    /// Width and height in pixels, even numbers.
    pub size: [u32; 2],
}

/// A picture that stays.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Still {
    /// The photograph or the recording.
    pub file: PathBuf,
    /// Which moment of a recording.
    #[serde(default)]
    pub at: Millis,
}

/// A recording that plays.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// The recording.
    pub file: PathBuf,
}

/// A folder of photographs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pictures {
    /// The folder.
    pub folder: PathBuf,
    /// How long each is shown.
    pub every: Millis,
}

/// A ticket that should come.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Its kind; any of several where more than one is right.
    pub kind: OneOrMore,
    /// The things that it is about, by name: they say where it is and since when.
    #[serde(default)]
    pub things: Vec<String>,
    /// Where it is, as a box.
    #[serde(default)]
    pub place: Option<Rect>,
    /// Where it is, as an outline that must hold most of it.
    #[serde(default)]
    pub area: Option<Polygon>,
    /// Since when it stands; from when its things do, or from the start, where absent.
    #[serde(default)]
    pub since: Option<Millis>,
    /// The ticket must not come sooner than so long after that.
    #[serde(default)]
    pub after: Millis,
    /// The ticket must come within so long after that; by the scene's end where absent.
    #[serde(default)]
    pub within: Option<Millis>,
    /// The ticket must be cleared by then, counted from the scene's start.
    #[serde(default)]
    pub cleared_by: Option<Millis>,
    /// How much the ticket's box and the true place must have in common (intersection over union).
    #[serde(default = "roughly")]
    pub min_iou: f32,
}

const fn roughly() -> f32 {
    0.3
}

/// What must not become a ticket.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forbid {
    /// Of which kind; of any where absent.
    #[serde(default)]
    pub kind: Option<OneOrMore>,
    /// Where, as a box; anywhere where absent.
    #[serde(default)]
    pub place: Option<Rect>,
    /// The things that it would be about.
    #[serde(default)]
    pub things: Vec<String>,
    /// Why it is no case.
    pub why: String,
}

/// A kind or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a kind such as \"lane.motor\", or a list of kinds")]
pub enum OneOrMore {
    /// One.
    One(Kind),
    /// Any of these.
    Any(Vec<Kind>),
}

impl OneOrMore {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Kind] {
        match self {
            Self::One(kind) => std::slice::from_ref(kind),
            Self::Any(kinds) => kinds,
        }
    }
}

impl Scene {
    /// Reads a scene file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file, line, key and remedy.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let mut scene: Self = parse_file(path)?;
        if scene.name.is_empty() {
            scene.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        }
        match scene.fault() {
            Some((key, message)) => Err(ConfigError::Invalid { path: path.into(), key, message }),
            None => Ok(scene),
        }
    }

    /// The time zone of the scene's clock.
    ///
    /// # Errors
    /// When the name is not in the time zone database.
    pub fn time_zone(&self) -> Result<TimeZone, jiff::Error> {
        TimeZone::get(&self.timezone)
    }

    /// The moment at which the scene begins.
    ///
    /// # Errors
    /// When the time zone or the time does not exist.
    pub fn begins(&self) -> Result<Timestamp, jiff::Error> {
        Ok(Timestamp(self.start.to_zoned(self.time_zone()?)?.timestamp().as_millisecond()))
    }

    /// The camera that sees it, under the scene's name: what is learnt of one scene is not believed of another.
    ///
    /// # Errors
    /// When the name can be no camera's.
    pub fn camera(&self) -> Result<CameraConfig, domain::id::IdError> {
        Ok(CameraConfig {
            id: self.name.parse()?,
            name: self.name.clone(),
            place: None,
            stream: ingest::StreamConfig::default(),
            zones: self.zones.clone(),
            ground: None,
            models: None,
            close_ups: Default::default(),
        })
    }

    /// What is wrong, if anything: the key and what to do.
    fn fault(&self) -> Option<(String, String)> {
        let fault = |key: &str, message: &str| Some((key.to_owned(), message.to_owned()));
        if let Err(error) = self.camera() {
            return Some(("name".into(), error.to_string()));
        }
        if let Err(error) = self.begins() {
            return Some(("start, timezone".into(), error.to_string()));
        }
        let day = Millis::mins(24 * 60);
        for (key, value) in [
            ("duration", self.duration),
            ("look_interval", self.look_interval),
            ("active_interval", self.active_interval),
        ] {
            if value < Millis(100) || value > day {
                return fault(key, "must be from 100ms to 24h");
            }
        }
        if !(1..=50).contains(&self.quantizer) {
            return fault("quantizer", "must be from 1 to 50");
        }
        match &self.backdrop {
            Backdrop::Street(street) if street.size.iter().any(|side| !(64..=4096).contains(side) || side % 2 != 0) => {
                return fault("backdrop.street.size", "must be two even numbers from 64 to 4096");
            }
            Backdrop::Pictures(pictures) if pictures.every <= Millis::ZERO => {
                return fault("backdrop.pictures.every", "must be longer than nothing");
            }
            _ => {}
        }
        let mut zones = BTreeSet::new();
        if let Some(zone) = self.zones.iter().find(|zone| !zones.insert(&zone.id)) {
            return Some((format!("zones.{}", zone.id), "this zone id is given twice".into()));
        }
        for (index, permit) in self.permits.iter().enumerate() {
            if permit.camera.as_str() != self.name {
                return Some((
                    format!("permits[{index}].camera"),
                    format!("the camera of a scene is called as the scene: write \"{}\"", self.name),
                ));
            }
            if let Some(zone) = permit.zone.as_ref().filter(|zone| self.zone(zone).is_none()) {
                return Some((format!("permits[{index}].zone"), format!("no zone is called \"{zone}\"")));
            }
        }
        let names: BTreeSet<&str> = self.things.iter().map(|thing| thing.name.as_str()).collect();
        for (index, expect) in self.expect.iter().enumerate() {
            let ways = [!expect.things.is_empty(), expect.place.is_some(), expect.area.is_some()];
            if ways.into_iter().filter(|way| *way).count() != 1 {
                return Some((format!("expect[{index}]"), "say where with one of things, place and area".into()));
            }
            if !(0.0..=1.0).contains(&expect.min_iou) {
                return Some((format!("expect[{index}].min_iou"), "must be from 0 to 1".into()));
            }
        }
        let named = self.expect.iter().enumerate().map(|(i, e)| ("expect", i, &e.things));
        let named = named.chain(self.forbid.iter().enumerate().map(|(i, f)| ("forbid", i, &f.things)));
        for (list, index, things) in named {
            if let Some(unknown) = things.iter().find(|thing| !names.contains(thing.as_str())) {
                let known: Vec<_> = names.iter().copied().collect();
                return Some((
                    format!("{list}[{index}].things"),
                    format!("no thing is named \"{unknown}\" (there are: {})", known.join(", ")),
                ));
            }
        }
        None
    }

    /// The zone with this id.
    #[must_use]
    pub fn zone(&self, id: &ZoneId) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.id == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "duration = \"1m\"\nbackdrop.street = { size = [320, 240] }\n";

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("street.toml");
        std::fs::write(&path, text).expect("a file");
        let error = Scene::load(&path).expect_err("a mistake").to_string();
        for part in expect {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    }

    #[test]
    fn mistakes_are_named_with_file_key_and_remedy() {
        check("duration = \"1m\"\n", &["street.toml", "missing field `backdrop`"]);
        check(&format!("{START}nme = 1\n"), &["street.toml:3:1", "unknown field `nme`", "`name`"]);
        check("duration = \"1m\"\nbackdrop.clip = { flie = \"a\" }\n", &["street.toml:2", "backdrop.clip", "flie"]);
        check(&START.replace("[320, 240]", "[321, 240]"), &["backdrop.street.size", "even"]);
        check(&START.replace("1m", "0s"), &["duration", "100ms"]);
        check(&format!("{START}timezone = \"Asia/Shangai\"\n"), &["timezone", "Shangai"]);
        check(&format!("{START}[[expect]]\nkind = \"lane.motor\"\n"), &["expect[0]", "things, place and area"]);
        check(
            &format!("{START}[[expect]]\nkind = \"lane.motor\"\nthings = [\"van\"]\n"),
            &["expect[0].things", "no thing is named \"van\""],
        );
        check(&format!("{START}[[forbid]]\nkind = 4\nwhy = \"x\"\n"), &["forbid", "a kind such as"]);
        check(
            &format!("{START}[[permits]]\nnumber = \"1\"\ncamera = \"cam\"\nzone = \"z\"\n"),
            &["permits[0].camera", "write \"street\""],
        );
        check(
            &format!("{START}[[permits]]\nnumber = \"1\"\ncamera = \"street\"\nzone = \"z\"\n"),
            &["permits[0].zone", "no zone is called \"z\""],
        );
        check(&format!("{START}[rules.\"lane.motor\"]\ndwel = \"1s\"\n"), &["rules", "dwel"]);
    }

    #[test]
    fn a_scene_has_a_name_and_a_beginning() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("street.toml");
        std::fs::write(&path, format!("{START}start = \"2026-06-03T21:30:00\"\n")).expect("a file");
        let scene = Scene::load(&path).expect("a scene");
        assert_eq!(scene.name, "street");
        assert_eq!(scene.begins().expect("a moment"), Timestamp(1_780_493_400_000));
    }
}
