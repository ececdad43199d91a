//! The section `[sensors]`: where readings come from, which devices there are, what their readings mean.

use std::collections::{BTreeMap, BTreeSet};

use domain::{CameraId, DeviceId, Kind, Millis, Place, ZoneId};
use serde::{Deserialize, Serialize};

use super::{measure::measure, topic::Pattern};
use crate::{
    incident::Ending,
    mqtt::{MqttConfig, MqttError},
};

/// The topics of devices that speak as gridwatch proposes.
const DEFAULT_TOPIC: &str = "sensor/v1/{district}/{street}/{device}/{measure}";

/// The section `[sensors]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SensorsConfig {
    /// Where readings come from; where there are devices and no source, the topics that gridwatch proposes.
    pub sources: Vec<Source>,
    /// The devices.
    pub devices: Vec<Device>,
    /// Rules on readings, by name; what is not written keeps its built-in value.
    pub rules: BTreeMap<String, RuleConfig>,
    /// How long a device may say nothing before it counts as silent, where the device does not say otherwise.
    pub silent_after: Millis,
    /// The charge in percent below which a battery is low.
    pub battery_low: f64,
    /// The kinds of cases that a parking sensor in a camera's zone confirms or contradicts.
    pub parking_speaks_to: Vec<Kind>,
    /// The shortest time between two readings of one device and measure that are kept as history.
    pub history_every: Millis,
    /// How long history is kept.
    pub history_for: Millis,
}

impl Default for SensorsConfig {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            devices: Vec::new(),
            rules: BTreeMap::new(),
            silent_after: Millis::mins(24 * 60),
            battery_low: 20.0,
            parking_speaks_to: vec!["lane.motor".parse().expect("a valid kind")],
            history_every: Millis::mins(5),
            history_for: Millis::mins(30 * 24 * 60),
        }
    }
}

/// Where readings come from, and how they are written there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A name for people and metrics.
    pub name: String,
    /// The topics, with named segments: `vendor/{device}/up`.
    #[serde(default = "default_topic")]
    pub topic: String,
    /// A broker of its own; the platform's where absent.
    #[serde(default)]
    pub mqtt: Option<MqttConfig>,
    /// JSON pointer to the device's id, where no segment is called `{device}`.
    #[serde(default)]
    pub device: Option<String>,
    /// What is measured, where no segment is called `{measure}`.
    #[serde(default)]
    pub measure: Option<String>,
    /// JSON pointer to the value; a payload that is a bare value needs none.
    #[serde(default = "default_value")]
    pub value: String,
    /// JSON pointer to the time of the reading (RFC 3339, or seconds or milliseconds since 1970); the time of arrival
    /// where absent.
    #[serde(default)]
    pub time: Option<String>,
    /// JSON pointer to the battery's charge in percent.
    #[serde(default)]
    pub battery: Option<String>,
    /// What values are multiplied by, to come to the measure's unit.
    #[serde(default = "one")]
    pub scale: f64,
    /// What is added then.
    #[serde(default)]
    pub offset: f64,
    /// Words instead of numbers: `{ occupied = 1, free = 0 }`.
    #[serde(default)]
    pub states: BTreeMap<String, f64>,
    /// The values that can be, after conversion; those of the measure where absent.
    #[serde(default)]
    pub range: Option<[f64; 2]>,
}

fn default_topic() -> String {
    DEFAULT_TOPIC.to_owned()
}

fn default_value() -> String {
    "/value".to_owned()
}

fn one() -> f64 {
    1.0
}

/// One device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its id, as its messages name it.
    pub id: DeviceId,
    /// What it mainly measures.
    pub measure: String,
    /// A name for people; the id where empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The camera that sees its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<CameraId>,
    /// The zone of that camera that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneId>,
    /// How long it may say nothing before it counts as silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_after: Option<Millis>,
    /// How long a value may stay the same to the last digit before the device counts as stuck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_after: Option<Millis>,
}

impl Device {
    /// The name for people.
    #[must_use]
    pub fn display_name(&self) -> &str {
        if self.name.is_empty() { self.id.as_str() } else { &self.name }
    }
}

/// A rule as the configuration writes it: what is absent keeps its built-in value.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleConfig {
    /// Whether it is in force.
    pub enabled: Option<bool>,
    /// What is measured.
    pub measure: Option<String>,
    /// It holds from this value up.
    pub at_least: Option<f64>,
    /// It holds from this value down.
    pub at_most: Option<f64>,
    /// For so long.
    #[serde(rename = "for")]
    pub holds_for: Option<Millis>,
    /// It is over once the value is beyond this again (below it for `at_least`, above it for `at_most`).
    pub clear: Option<f64>,
    /// For so long.
    pub clear_for: Option<Millis>,
    /// How long the device opens no new ticket of this kind then.
    pub rearm_after: Option<Millis>,
    /// What the case is.
    pub kind: Option<Kind>,
    /// Further kinds of tickets of cameras in the device's zone that tell of the same problem.
    pub joins: Option<Vec<Kind>>,
    /// Whether the device's camera is asked for a look, whose picture goes onto the ticket.
    pub look: Option<bool>,
    /// Whether a person must confirm it before it is filed.
    pub review: Option<bool>,
    /// How long that may take; then it is rejected as expired.
    pub review_expiry: Option<Millis>,
    /// How long the device opens no other ticket of this kind after one was rejected, unless it is over before.
    pub reject_cooldown: Option<Millis>,
    /// How long what still holds after its ticket was closed stays without another one.
    pub realarm: Option<Millis>,
}

/// A rule on readings in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SensorRule {
    /// Its name.
    pub name: String,
    /// What is measured.
    pub measure: String,
    /// When it holds, and when it is over.
    pub conditions: Conditions,
    /// How long it must hold.
    pub holds_for: Millis,
    /// How long it must be over.
    pub clear_for: Millis,
    /// How long the device opens no new ticket of this kind then.
    pub rearm_after: Millis,
    /// What the case is.
    pub kind: Kind,
    /// Further kinds of tickets of cameras in the device's zone that tell of the same problem.
    pub joins: Vec<Kind>,
    /// Whether to ask for a look.
    pub look: bool,
    /// Whether a person must confirm it before it is filed.
    pub review: bool,
    /// How long that may take.
    pub review_expiry: Millis,
    /// How long the device stays quiet after a ticket was rejected.
    pub reject_cooldown: Millis,
    /// How long it stays quiet after one was closed.
    pub realarm: Millis,
}

impl SensorRule {
    /// How long the device opens no other ticket of this kind after one that ended so.
    #[must_use]
    pub fn quiet_after(&self, ending: Ending) -> Millis {
        match ending {
            Ending::Rejected => self.reject_cooldown,
            Ending::Closed => self.realarm,
        }
    }
}

/// When a rule holds, and when it is over; between the two it stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Conditions {
    /// It holds from `holds` up, and is over below `clear`.
    AtLeast {
        /// From here up.
        holds: f64,
        /// Below here.
        clear: f64,
    },
    /// It holds from `holds` down, and is over above `clear`.
    AtMost {
        /// From here down.
        holds: f64,
        /// Above here.
        clear: f64,
    },
}

impl Conditions {
    /// Whether `value` satisfies the rule.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast { holds, .. } => value >= holds,
            Self::AtMost { holds, .. } => value <= holds,
        }
    }

    /// Whether `value` says that it is over.
    #[must_use]
    pub fn is_over(self, value: f64) -> bool {
        match self {
            Self::AtLeast { clear, .. } => value < clear,
            Self::AtMost { clear, .. } => value > clear,
        }
    }
}

/// What is wrong with the section.
#[derive(Debug, thiserror::Error)]
#[error("sensors.{place}: {problem}")]
pub struct SensorError {
    /// Which part: `sources."bins".topic`.
    pub place: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl SensorError {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

fn built_in() -> [(&'static str, RuleConfig); 5] {
    let rule = |measure: &str, from: f64, holds_for, clear: f64, clear_for, kind: &str, look| RuleConfig {
        enabled: Some(true),
        measure: Some(measure.to_owned()),
        at_least: Some(from),
        at_most: None,
        holds_for: Some(holds_for),
        clear: Some(clear),
        clear_for: Some(clear_for),
        rearm_after: Some(Millis::mins(10)),
        kind: Some(kind.parse().expect("a valid kind")),
        look: Some(look),
        ..RuleConfig::default()
    };
    let full = rule("fill", 90.0, Millis::mins(15), 70.0, Millis::mins(5), "garbage.bin_overflow", true);
    // What lies beside a bin that is full did not get into it.
    let beside = ["garbage.exposed", "garbage.bagged"].map(|kind| kind.parse().expect("a valid kind"));
    let noise = rule("noise", 75.0, Millis::mins(10), 70.0, Millis::mins(10), "noise.street", false);
    [
        ("bin_full", RuleConfig { joins: Some(beside.to_vec()), ..full }),
        ("smoke", rule("smoke", 1.0, Millis::ZERO, 1.0, Millis::mins(5), "fire.smoke", true)),
        ("manhole_open", rule("manhole", 1.0, Millis::secs(30), 1.0, Millis::mins(2), "road.manhole", true)),
        ("water_high", rule("water_level", 0.3, Millis::mins(5), 0.2, Millis::mins(15), "road.flooding", true)),
        // What is too loud depends on the street and on the hour: a city switches it on with its own limit.
        ("noise_high", RuleConfig { enabled: Some(false), ..noise }),
    ]
}

impl SensorsConfig {
    /// Whether there is anything to listen to.
    #[must_use]
    pub fn is_used(&self) -> bool {
        !self.devices.is_empty() || !self.sources.is_empty()
    }

    /// The sources, the proposed one where none is written.
    #[must_use]
    pub fn effective_sources(&self) -> Vec<Source> {
        if !self.sources.is_empty() {
            return self.sources.clone();
        }
        let proposed = Source {
            name: "default".to_owned(),
            topic: default_topic(),
            mqtt: None,
            device: None,
            measure: None,
            value: default_value(),
            time: Some("/at".to_owned()),
            battery: Some("/battery".to_owned()),
            scale: 1.0,
            offset: 0.0,
            states: BTreeMap::new(),
            range: None,
        };
        vec![proposed]
    }

    /// The rules in force.
    ///
    /// # Errors
    /// The first rule that makes no sense.
    pub fn effective_rules(&self) -> Result<Vec<SensorRule>, SensorError> {
        let mut rules: BTreeMap<String, RuleConfig> =
            built_in().into_iter().map(|(name, rule)| (name.to_owned(), rule)).collect();
        for (name, written) in &self.rules {
            let base = rules.remove(name).unwrap_or_default();
            rules.insert(name.clone(), merged(base, written));
        }
        let in_force = rules.into_iter().filter(|(_, rule)| rule.enabled != Some(false));
        in_force.map(|(name, rule)| effective(name, rule)).collect()
    }

    /// Checks all that needs no connection.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), SensorError> {
        let mut names = BTreeSet::new();
        for source in &self.sources {
            let place = |key: &str| format!("sources.\"{}\".{key}", source.name);
            let named = (1..=64).contains(&source.name.len())
                && source.name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            if !named {
                return Err(SensorError::new(place("name"), "must be 1 to 64 letters, digits, '-' or '_'"));
            }
            if !names.insert(&source.name) {
                return Err(SensorError::new(place("name"), "is given twice; each source needs a name of its own"));
            }
            let pattern = Pattern::new(&source.topic).map_err(|problem| SensorError::new(place("topic"), problem))?;
            if !pattern.names("device") && source.device.is_none() {
                let problem = "says nothing of the device; name a segment {device}, or give a pointer in `device`";
                return Err(SensorError::new(place("topic"), problem));
            }
            if !pattern.names("measure") && source.measure.is_none() {
                let problem = "is missing; name a segment of the topic {measure}, or say here what is measured";
                return Err(SensorError::new(place("measure"), problem));
            }
            let pointers = [Some(&source.value), source.device.as_ref(), source.time.as_ref(), source.battery.as_ref()];
            if let Some(bad) = pointers.into_iter().flatten().find(|p| !p.is_empty() && !p.starts_with('/')) {
                let problem = format!("\"{bad}\" is no JSON pointer; write it as /data/level");
                return Err(SensorError::new(place("value"), problem));
            }
            if !source.scale.is_finite() || source.scale == 0.0 || !source.offset.is_finite() {
                return Err(SensorError::new(place("scale"), "must be a number other than 0, and offset a number"));
            }
            if source.range.is_some_and(|[low, high]| !low.is_finite() || !high.is_finite() || low >= high) {
                return Err(SensorError::new(place("range"), "must be two numbers, the lower first"));
            }
            if let Some(mqtt) = &source.mqtt {
                mqtt.check().map_err(|error: MqttError| SensorError::new(place("mqtt"), error.to_string()))?;
            }
        }
        let mut ids = BTreeSet::new();
        for device in &self.devices {
            let place = |key: &str| format!("devices.\"{}\".{key}", device.id);
            if !ids.insert(&device.id) {
                return Err(SensorError::new(place("id"), "is given twice"));
            }
            if device.zone.is_some() && device.camera.is_none() {
                return Err(SensorError::new(place("zone"), "belongs to a camera; give `camera` too"));
            }
        }
        if self.silent_after < Millis::secs(1) || self.history_every < Millis::ZERO {
            return Err(SensorError::new("silent_after", "must be at least 1s, and history_every no less than 0s"));
        }
        self.effective_rules().map(|_| ())
    }
}

fn merged(base: RuleConfig, written: &RuleConfig) -> RuleConfig {
    let written = written.clone();
    // A rule has one direction: what is written of it wins whole.
    let turned = written.at_least.is_some() || written.at_most.is_some();
    RuleConfig {
        enabled: written.enabled.or(base.enabled),
        measure: written.measure.or(base.measure),
        at_least: if turned { written.at_least } else { base.at_least },
        at_most: if turned { written.at_most } else { base.at_most },
        holds_for: written.holds_for.or(base.holds_for),
        clear: written.clear.or(base.clear),
        clear_for: written.clear_for.or(base.clear_for),
        rearm_after: written.rearm_after.or(base.rearm_after),
        kind: written.kind.or(base.kind),
        joins: written.joins.or(base.joins),
        look: written.look.or(base.look),
        review: written.review.or(base.review),
        review_expiry: written.review_expiry.or(base.review_expiry),
        reject_cooldown: written.reject_cooldown.or(base.reject_cooldown),
        realarm: written.realarm.or(base.realarm),
    }
}

fn effective(name: String, rule: RuleConfig) -> Result<SensorRule, SensorError> {
    let wrong = |key: &str, problem: &str| SensorError::new(format!("rules.{name}.{key}"), problem);
    let measured = rule.measure.ok_or_else(|| wrong("measure", "is missing; say what is measured"))?;
    let kind = rule.kind.ok_or_else(|| wrong("kind", "is missing; say what kind of case it is"))?;
    let conditions = match (rule.at_least, rule.at_most) {
        (Some(holds), None) => Conditions::AtLeast { holds, clear: rule.clear.unwrap_or(holds) },
        (None, Some(holds)) => Conditions::AtMost { holds, clear: rule.clear.unwrap_or(holds) },
        _ => return Err(wrong("at_least", "or at_most must be given, one of the two")),
    };
    let sound = match conditions {
        Conditions::AtLeast { holds, clear } => holds.is_finite() && clear <= holds,
        Conditions::AtMost { holds, clear } => holds.is_finite() && clear >= holds,
    };
    if !sound {
        return Err(wrong("clear", "must lie on the good side of the value from which the rule holds"));
    }
    if measure(&measured).is_some_and(|m| conditions.holds(m.range.0) && conditions.holds(m.range.1)) {
        return Err(wrong("at_least", "holds for every value that can be"));
    }
    let time = |value: Option<Millis>| value.unwrap_or_default();
    let (holds_for, clear_for, rearm_after) = (time(rule.holds_for), time(rule.clear_for), time(rule.rearm_after));
    if [holds_for, clear_for, rearm_after].iter().any(|t| *t < Millis::ZERO || *t > Millis::mins(7 * 24 * 60)) {
        return Err(wrong("for", ", clear_for and rearm_after must be from 0s to 7 days"));
    }
    let day = Millis::mins(24 * 60);
    let review_expiry = rule.review_expiry.unwrap_or(day);
    let reject_cooldown = rule.reject_cooldown.unwrap_or(day);
    let realarm = rule.realarm.unwrap_or(Millis::mins(60));
    let after_the_end = [("review_expiry", review_expiry), ("reject_cooldown", reject_cooldown), ("realarm", realarm)];
    if let Some((key, _)) = after_the_end.iter().find(|(_, t)| *t < Millis::mins(1) || *t > Millis(day.0 * 366)) {
        return Err(wrong(key, "must be from 1m to a year"));
    }
    Ok(SensorRule {
        name,
        measure: measured,
        conditions,
        holds_for,
        clear_for,
        rearm_after,
        kind,
        joins: rule.joins.unwrap_or_default(),
        look: rule.look.unwrap_or(false),
        review: rule.review.unwrap_or(false),
        review_expiry,
        reject_cooldown,
        realarm,
    })
}
