//! The rules on readings: readings in, tickets, words on zones and states of devices out. No I/O, no clock.
//!
//! It promises: the same inputs give the same effects, ticket ids included; one open ticket for a device and a kind;
//! memory that is bounded per device, whatever comes; what [`Memory`] holds, written down and given back to
//! [`Core::restore`], makes a restart invisible.

use std::collections::{BTreeMap, HashMap};

use domain::{CameraId, DeviceId, Kind, Millis, Sha256, TicketId, Timestamp, ZoneId};
use serde::{Deserialize, Serialize};

use super::{
    condition::{Condition, Event, Noted, Step},
    config::{Conditions, Device, SensorError, SensorRule, SensorsConfig},
    health::{Health, Limits, State},
    mapping::Reading,
    measure::measure,
};
use crate::incident::{Ending, RuleRef};

/// How far back a reading may be behind the one before it without meaning that a clock was set back.
const OUT_OF_ORDER: Millis = Millis::mins(2);

/// What a core remembers of one device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The newest reading of each measure.
    pub latest: BTreeMap<String, Noted>,
    /// How the device fares.
    pub health: Health,
    /// Where each rule stands, by name; absent where it is quiet.
    pub conditions: BTreeMap<String, Condition>,
    /// Whether the place is taken, and since when, for a parking sensor.
    pub occupied: Option<(bool, Timestamp)>,
}

/// A problem that readings showed: all that its ticket says.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The ticket's id, which follows from the device, the kind and the time.
    pub ticket: TicketId,
    /// The device's place in the list.
    pub device: usize,
    /// What it is.
    pub kind: Kind,
    /// By which rule.
    pub rule: RuleRef,
    /// What was measured.
    pub measure: String,
    /// Since when it holds.
    pub since: Timestamp,
    /// When it had held for long enough.
    pub confirmed_at: Timestamp,
    /// The readings that say so: the first and the newest.
    pub noted: Vec<Noted>,
    /// Why, in English.
    pub reason: String,
    /// Why, in Chinese.
    pub reason_zh: String,
    /// Further kinds of tickets of cameras that tell of the same problem.
    pub joins: Vec<Kind>,
    /// Whether a look at the place is wanted.
    pub look: bool,
    /// How long a person may take to confirm it; none where it is filed at once.
    pub review: Option<Millis>,
}

/// What a parking sensor says of a camera's zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The camera that sees the place.
    pub camera: CameraId,
    /// The zone that it is in.
    pub zone: ZoneId,
    /// Who says so.
    pub device: DeviceId,
    /// The kinds of cases that it has a say in.
    pub kinds: Vec<Kind>,
    /// Whether it is taken, and since when; none where the device cannot be believed.
    pub occupied: Option<(bool, Timestamp)>,
}

/// Whether a device is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// It speaks.
    Speaks,
    /// It has been silent for too long.
    Silent,
}

/// What a core wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Open a ticket.
    Open(Box<Case>),
    /// A reading shows that its problem still stands.
    Holds {
        /// Which.
        ticket: TicketId,
        /// When it was read.
        at: Timestamp,
    },
    /// Nobody hears the device of an open ticket any more, or it is heard again.
    Voice(TicketId, Speech),
    /// Its problem is gone.
    Clear {
        /// Which.
        ticket: TicketId,
        /// The last reading that showed the problem.
        last_seen: Timestamp,
        /// When it was held to be gone.
        cleared_at: Timestamp,
    },
    /// The device fares otherwise than before.
    Health(State),
    /// The zone of a camera is taken or free.
    Word(Word),
}

/// What came of an input at one device.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// What is to be done.
    pub effects: Vec<Effect>,
    /// Whether something changed that must outlast a crash.
    pub notable: bool,
}

/// The rules, and what is known of each device.
#[derive(Debug)]
pub struct Core {
    rules: Vec<SensorRule>,
    /// Rules by what they measure.
    by_measure: HashMap<String, Vec<usize>>,
    devices: Vec<Device>,
    memories: Vec<Memory>,
    silent_after: Millis,
    battery_low: f64,
    /// The kinds of cases that parking sensors have a say in.
    speaks_to: Vec<Kind>,
}

impl Core {
    /// A core that remembers nothing.
    ///
    /// # Errors
    /// The first thing in `config` that is wrong.
    pub fn new(config: &SensorsConfig) -> Result<Self, SensorError> {
        config.check()?;
        let rules = config.effective_rules()?;
        let mut by_measure: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            by_measure.entry(rule.measure.clone()).or_default().push(index);
        }
        Ok(Self {
            rules,
            by_measure,
            devices: config.devices.clone(),
            memories: vec![Memory::default(); config.devices.len()],
            silent_after: config.silent_after,
            battery_low: config.battery_low,
            speaks_to: config.parking_speaks_to.clone(),
        })
    }

    /// The devices, in the order of the configuration.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// What is remembered of a device.
    #[must_use]
    pub fn memory(&self, device: usize) -> Option<&Memory> {
        self.memories.get(device)
    }

    /// Takes up what was remembered when the process ended. A device that is no more is passed over.
    pub fn restore(&mut self, memories: impl IntoIterator<Item = (DeviceId, Memory)>) {
        let places: HashMap<_, _> = self.devices.iter().enumerate().map(|(i, d)| (d.id.clone(), i)).collect();
        for (device, memory) in memories {
            if let Some(place) = places.get(&device) {
                self.memories[*place] = memory;
            }
        }
    }

    /// What all parking sensors say, for whoever begins to listen.
    #[must_use]
    pub fn words(&self) -> Vec<Word> {
        (0..self.devices.len()).filter_map(|device| self.word(device)).collect()
    }

    fn limits(&self, device: usize) -> Limits {
        let of_its_own = &self.devices[device];
        Limits {
            silent_after: of_its_own.silent_after.unwrap_or(self.silent_after),
            stuck_after: of_its_own.stuck_after,
            battery_low: self.battery_low,
        }
    }

    /// Takes in a reading.
    pub fn read(&mut self, reading: &Reading) -> Outcome {
        let Some(device) = self.devices.get(reading.device) else { return Outcome::default() };
        let (main, limits) = (device.measure == *reading.measure, self.limits(reading.device));
        let memory = &mut self.memories[reading.device];
        let noted = Noted { at: reading.at, value: reading.value };
        if let Some(charge) = reading.battery {
            memory.health.charge(charge, limits);
        }
        memory.health.seen(reading.received_at);
        let mut out = Outcome::default();
        if *reading.measure == *"battery" {
            memory.health.charge(reading.value, limits);
        } else if !is_late(memory, reading) {
            memory.latest.insert(reading.measure.to_string(), noted);
            if main {
                memory.health.value(reading.value, reading.at);
            }
            if main && *reading.measure == *"parking" {
                let taken = reading.value >= 0.5;
                if memory.occupied.is_none_or(|(before, _)| before != taken) {
                    memory.occupied = Some((taken, reading.at));
                    out.notable = true;
                    out.effects.extend(self.word(reading.device).map(Effect::Word));
                }
            }
            for rule in self.by_measure.get(&*reading.measure).cloned().unwrap_or_default() {
                self.step(reading.device, rule, Event::Reading(noted), &mut out);
            }
        }
        self.settle(reading.device, reading.received_at, Some(reading.received_at), &mut out);
        out
    }

    /// A device said what cannot be.
    pub fn odd(&mut self, device: usize, now: Timestamp) -> Outcome {
        let mut out = Outcome::default();
        if let Some(memory) = self.memories.get_mut(device) {
            memory.health.odd(now);
            self.settle(device, now, Some(now), &mut out);
        }
        out
    }

    /// Time passed; `listening` says since when every source is heard, none while one is not. Returns what comes of it,
    /// by device.
    pub fn tick(&mut self, now: Timestamp, listening: Option<Timestamp>) -> Vec<(usize, Outcome)> {
        let mut all = Vec::new();
        for device in 0..self.devices.len() {
            let mut out = Outcome::default();
            self.settle(device, now, listening, &mut out);
            let memory = &self.memories[device];
            if !memory.conditions.is_empty() && memory.health.state != State::Silent {
                for rule in 0..self.rules.len() {
                    self.step(device, rule, Event::Time(now), &mut out);
                }
            }
            if out != Outcome::default() {
                all.push((device, out));
            }
        }
        all
    }

    /// A ticket was rejected or closed at `at`: its device stays quiet as the rule has it. Returns which device that is, and
    /// what comes of it; none where no device has that ticket any more, or knows of its end.
    pub fn ended(&mut self, ticket: TicketId, ending: Ending, at: Timestamp) -> Option<(usize, Outcome)> {
        let has_it = |memory: &Memory| {
            memory.conditions.iter().find(|(_, c)| c.ticket() == Some(ticket)).map(|(rule, _)| rule.clone())
        };
        let (device, name) = self.memories.iter().enumerate().find_map(|(n, memory)| Some((n, has_it(memory)?)))?;
        let rule = self.rules.iter().position(|rule| rule.name == name)?;
        let before = self.memories[device].conditions.get(&name).cloned();
        let latest = self.memories[device].latest.get(&self.rules[rule].measure).copied();
        let mut out = Outcome::default();
        self.step(device, rule, Event::Ended(ending, at, latest), &mut out);
        out.notable = self.memories[device].conditions.get(&name) != before.as_ref();
        out.notable.then_some((device, out))
    }

    fn step(&mut self, device: usize, rule: usize, event: Event, out: &mut Outcome) {
        let (of_device, rule) = (&self.devices[device], &self.rules[rule]);
        let conditions = &mut self.memories[device].conditions;
        let before = conditions.remove(&rule.name).unwrap_or_default();
        // A reading that only confirms what is known is no news.
        let stage = std::mem::discriminant(&before);
        let was_over = before.over_since().is_some();
        let name = |since: Timestamp| {
            let seed = format!("sensor {} {} {}", of_device.id, rule.kind, since.0);
            TicketId::derive(since + rule.holds_for, seed.as_bytes())
        };
        let (after, step) = before.on(event, rule, name);
        out.notable |= stage != std::mem::discriminant(&after) || was_over != after.over_since().is_some();
        let now = event.at();
        match step {
            Some(Step::Open { since, noted }) => {
                out.effects.push(Effect::Open(Box::new(case(of_device, device, rule, name(since), since, now, noted))));
            }
            Some(Step::Holds(ticket)) => out.effects.push(Effect::Holds { ticket, at: now }),
            Some(Step::Clear { ticket, last_held }) => {
                out.effects.push(Effect::Clear { ticket, last_seen: last_held, cleared_at: now });
            }
            None => {}
        }
        if after != Condition::Quiet {
            conditions.insert(rule.name.clone(), after);
        }
    }

    fn settle(&mut self, device: usize, now: Timestamp, listening: Option<Timestamp>, out: &mut Outcome) {
        let limits = self.limits(device);
        let health = &mut self.memories[device].health;
        let before = health.state;
        if health.settle(now, listening, limits) {
            let after = health.state;
            out.notable = true;
            out.effects.push(Effect::Health(after));
            if (before == State::Silent) != (after == State::Silent) {
                out.effects.extend(self.word(device).map(Effect::Word));
                out.effects.extend(self.voices(device));
            }
        }
    }

    /// Whether a device is heard, for each open ticket that it has.
    pub fn voices(&self, device: usize) -> impl Iterator<Item = Effect> {
        let memory = &self.memories[device];
        let heard = if memory.health.state == State::Silent { Speech::Silent } else { Speech::Speaks };
        let standing = memory.conditions.values().filter(|c| matches!(c, Condition::Standing { .. }));
        standing.filter_map(Condition::ticket).map(move |ticket| Effect::Voice(ticket, heard))
    }

    fn word(&self, device: usize) -> Option<Word> {
        let (of_device, memory) = (&self.devices[device], &self.memories[device]);
        if of_device.measure != "parking" {
            return None;
        }
        Some(Word {
            camera: of_device.camera.clone()?,
            zone: of_device.zone.clone()?,
            device: of_device.id.clone(),
            kinds: self.speaks_to.clone(),
            occupied: memory.occupied.filter(|_| memory.health.state != State::Silent),
        })
    }
}

/// Whether a reading is older than the one that is known; not where that one is from the future, as after a clock that
/// was set back.
fn is_late(memory: &Memory, reading: &Reading) -> bool {
    let known = memory.latest.get(&*reading.measure);
    known.is_some_and(|known| reading.at < known.at && known.at <= reading.received_at + OUT_OF_ORDER)
}

fn case(
    device: &Device,
    index: usize,
    rule: &SensorRule,
    ticket: TicketId,
    since: Timestamp,
    now: Timestamp,
    noted: Vec<Noted>,
) -> Case {
    let known = measure(&rule.measure);
    let value = noted.last().map_or(0.0, |noted| noted.value);
    let held = Millis(now.since(since).0 / 1_000 * 1_000);
    let (name, n) = (device.display_name(), noted.len());
    let (zh, en) = known.map_or((rule.measure.as_str(), rule.measure.as_str()), |m| (m.zh, m.en));
    let (reason, reason_zh) = if known.is_some_and(super::Measure::is_state) {
        let lasting = if held > Millis::ZERO { format!(" for {held}") } else { String::new() };
        let lasting_zh = if held > Millis::ZERO { format!("，已持续 {held}") } else { String::new() };
        (format!("{name} reports {en}{lasting}"), format!("{name} 报告：{zh}{lasting_zh}"))
    } else {
        let unit = known.map_or(String::new(), |m| format!(" {}", m.unit));
        let (bound, bound_zh, limit) = match rule.conditions {
            Conditions::AtLeast { holds, .. } => ("at least", "不低于", holds),
            Conditions::AtMost { holds, .. } => ("at most", "不高于", holds),
        };
        (
            format!("{name}: {en} {value}{unit}, {bound} {limit}{unit} for {held} in all of its readings"),
            format!("{name}：{zh} {value}{unit}，{bound_zh} {limit}{unit} 已持续 {held}"),
        )
    };
    debug_assert!(n > 0, "a condition rises by a reading");
    let digest = Sha256::of(&serde_json::to_vec(rule).unwrap_or_default()).to_string();
    Case {
        ticket,
        device: index,
        kind: rule.kind.clone(),
        rule: RuleRef { id: format!("sensor.{}", rule.name), version: digest[..12].to_owned() },
        measure: rule.measure.clone(),
        since,
        confirmed_at: now,
        noted,
        reason,
        reason_zh,
        joins: rule.joins.clone(),
        look: rule.look,
        review: rule.review.then_some(rule.review_expiry),
    }
}
