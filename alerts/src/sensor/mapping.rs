//! Foreign bytes to readings: which device, what is measured, how much, when. Whatever comes, the answer is a reading or
//! the reason why there is none.

use std::{borrow::Cow, collections::HashMap, collections::HashSet, sync::Arc};

use domain::{Millis, Timestamp};
use serde_json::Value;

use super::{
    config::{SensorError, SensorsConfig, Source},
    measure::{MEASURES, measure},
    topic::Pattern,
};

/// The largest payload that is read; a reading has some hundred bytes.
const LARGEST: usize = 16 << 10;
/// How far a device's clock may be ahead of ours.
const AHEAD: Millis = Millis::mins(2);
/// How old a reading may be; an older one comes from a clock that lost its time.
const BEHIND: Millis = Millis::mins(24 * 60);
/// From here on a number is taken for milliseconds: as seconds it would be the year 5138.
const MILLISECONDS: f64 = 1e11;

/// What one device measured at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The device's place in the list of devices.
    pub device: usize,
    /// What was measured.
    pub measure: Arc<str>,
    /// How much, in the measure's unit.
    pub value: f64,
    /// When, as far as the device's clock can be trusted.
    pub at: Timestamp,
    /// When it came.
    pub received_at: Timestamp,
    /// The battery's charge in percent, where the message tells it.
    pub battery: Option<f64>,
    /// What is wrong with it although it counts.
    pub remark: Option<Problem>,
}

/// Why a message is no reading, or not one to be trusted in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Problem {
    /// Its topic fits no source; a session from an earlier configuration may still be at work.
    NoSource,
    /// Larger than any reading.
    TooLarge,
    /// No UTF-8.
    NotText,
    /// Begins as JSON and is none.
    NotJson,
    /// Nothing where the value should be.
    NoValue,
    /// Nothing where the device's id should be.
    NoDevice,
    /// What should be a number is none: text, null, NaN, infinity.
    NotANumber,
    /// A number that cannot be.
    OutOfRange,
    /// A device that is not in the list.
    UnknownDevice,
    /// A measure that no source, device or rule names.
    UnknownMeasure,
    /// What should be a time is none; the time of arrival is taken.
    NoTime,
    /// The device's clock is ahead; the time of arrival is taken.
    ClockAhead,
    /// The device's clock is more than a day behind; the time of arrival is taken.
    ClockBehind,
}

impl Problem {
    /// The problem as a metric's label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NoSource => "no_source",
            Self::TooLarge => "too_large",
            Self::NotText => "not_text",
            Self::NotJson => "not_json",
            Self::NoValue => "no_value",
            Self::NoDevice => "no_device",
            Self::NotANumber => "not_a_number",
            Self::OutOfRange => "out_of_range",
            Self::UnknownDevice => "unknown_device",
            Self::UnknownMeasure => "unknown_measure",
            Self::NoTime => "no_time",
            Self::ClockAhead => "clock_ahead",
            Self::ClockBehind => "clock_behind",
        }
    }
}

/// A message that is no reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub problem: Problem,
    /// Whose it is, where that is known.
    pub device: Option<usize>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, device: None }
    }
}

/// All sources, ready to read.
#[derive(Debug)]
pub struct Mapping {
    sources: Vec<(Source, Pattern)>,
    devices: HashMap<String, usize>,
    measures: HashSet<Arc<str>>,
}

impl Mapping {
    /// The mapping that `config` says.
    ///
    /// # Errors
    /// The first thing in it that is wrong.
    pub fn new(config: &SensorsConfig) -> Result<Self, SensorError> {
        config.check()?;
        let sources = config.effective_sources().into_iter().map(|source| {
            let pattern = Pattern::new(&source.topic)
                .map_err(|problem| SensorError { place: format!("sources.\"{}\".topic", source.name), problem })?;
            Ok((source, pattern))
        });
        let sources: Vec<_> = sources.collect::<Result<_, SensorError>>()?;
        let measures = MEASURES
            .iter()
            .map(|measure| measure.name.into())
            .chain(config.effective_rules()?.into_iter().map(|rule| rule.measure.into()))
            .chain(config.devices.iter().map(|device| device.measure.as_str().into()))
            .chain(sources.iter().filter_map(|(source, _)| source.measure.as_deref().map(Into::into)));
        Ok(Self {
            measures: measures.collect(),
            devices: config.devices.iter().enumerate().map(|(i, device)| (device.id.to_string(), i)).collect(),
            sources,
        })
    }

    /// The sources, in the order of the configuration.
    pub fn sources(&self) -> impl Iterator<Item = (&Source, &Pattern)> {
        self.sources.iter().map(|(source, pattern)| (source, pattern))
    }

    /// What a message says, by every one of these sources whose topics it fits; a topic that fits none is a problem of
    /// none of them.
    pub fn read(
        &self,
        among: &[usize],
        topic: &str,
        payload: &[u8],
        received_at: Timestamp,
        mut say: impl FnMut(Option<usize>, Result<Reading, Refused>),
    ) {
        let mut heard = false;
        let mut body = None;
        for &index in among {
            let Some((source, pattern)) = self.sources.get(index) else { continue };
            let Some(names) = pattern.read(topic) else { continue };
            heard = true;
            let body = body.get_or_insert_with(|| Body::new(payload));
            say(Some(index), self.reading(source, &names, body, received_at));
        }
        if !heard {
            say(None, Err(Problem::NoSource.into()));
        }
    }

    fn reading(
        &self,
        source: &Source,
        names: &[(&str, &str)],
        body: &Result<Body<'_>, Problem>,
        received_at: Timestamp,
    ) -> Result<Reading, Refused> {
        let body = body.as_ref().map_err(|problem| *problem)?;
        let named = |name: &str| names.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        let id: Cow<'_, str> = match (named("device"), &source.device) {
            (Some(id), _) => id.into(),
            (None, Some(pointer)) => match body.at(pointer) {
                Some(Value::String(id)) => id.as_str().into(),
                Some(Value::Number(id)) => id.to_string().into(),
                _ => return Err(Problem::NoDevice.into()),
            },
            (None, None) => return Err(Problem::NoDevice.into()),
        };
        let device = *self.devices.get(id.as_ref()).ok_or(Problem::UnknownDevice)?;
        let refuse = |problem| Refused { problem, device: Some(device) };
        let word = source.measure.as_deref().or_else(|| named("measure")).ok_or(refuse(Problem::UnknownMeasure))?;
        let measured = self.measures.get(word).ok_or(refuse(Problem::UnknownMeasure))?;
        let raw = body.value(source).map_err(refuse)?;
        let value = raw * source.scale + source.offset;
        if !value.is_finite() {
            return Err(refuse(Problem::NotANumber));
        }
        let range = source.range.map(|[low, high]| (low, high)).or_else(|| measure(word).map(|m| m.range));
        if range.is_some_and(|(low, high)| value < low || value > high) {
            return Err(refuse(Problem::OutOfRange));
        }
        let battery = source.battery.as_ref().and_then(|pointer| body.at(pointer)).and_then(Value::as_f64);
        let (at, remark) = match source.time.as_ref().and_then(|pointer| body.at(pointer)) {
            None => (received_at, None),
            Some(value) => match time(value) {
                None => (received_at, Some(Problem::NoTime)),
                Some(at) if at.0 > received_at.0.saturating_add(AHEAD.0) => (received_at, Some(Problem::ClockAhead)),
                Some(at) if received_at.since(at) > BEHIND => (received_at, Some(Problem::ClockBehind)),
                Some(at) => (at, None),
            },
        };
        let battery = battery.filter(|charge| (0.0..=100.0).contains(charge));
        Ok(Reading { device, measure: Arc::clone(measured), value, at, received_at, battery, remark })
    }
}

/// A payload, read once for all sources.
enum Body<'p> {
    Json(Value),
    Bare(&'p str),
}

impl<'p> Body<'p> {
    fn new(payload: &'p [u8]) -> Result<Self, Problem> {
        if payload.len() > LARGEST {
            return Err(Problem::TooLarge);
        }
        let text = std::str::from_utf8(payload).map_err(|_| Problem::NotText)?.trim();
        match serde_json::from_str(text) {
            Ok(value) => Ok(Self::Json(value)),
            Err(_) if text.starts_with(['{', '[', '"']) => Err(Problem::NotJson),
            Err(_) => Ok(Self::Bare(text)),
        }
    }

    fn at(&self, pointer: &str) -> Option<&Value> {
        match self {
            Self::Json(value) => value.pointer(pointer).filter(|value| !value.is_null()),
            Self::Bare(_) => None,
        }
    }

    /// The value as a number: a bare one is the whole payload.
    fn value(&self, source: &Source) -> Result<f64, Problem> {
        let of_text = |text: &str| match source.states.get(text) {
            Some(number) => Ok(*number),
            None => text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).ok_or(Problem::NotANumber),
        };
        let value = match self {
            Self::Bare("") => return Err(Problem::NoValue),
            Self::Bare(text) => return of_text(text),
            Self::Json(value @ (Value::Object(_) | Value::Array(_))) => {
                value.pointer(&source.value).ok_or(Problem::NoValue)?
            }
            Self::Json(value) => value,
        };
        match value {
            Value::Number(number) => number.as_f64().filter(|n| n.is_finite()).ok_or(Problem::NotANumber),
            Value::Bool(state) => Ok(f64::from(u8::from(*state))),
            Value::String(text) => of_text(text),
            Value::Null | Value::Array(_) | Value::Object(_) => Err(Problem::NotANumber),
        }
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.parse::<jiff::Timestamp>() {
            Ok(time) => return Some(Timestamp(time.as_millisecond())),
            Err(_) => text.trim().parse().ok()?,
        },
        _ => return None,
    };
    let millis = if number.abs() >= MILLISECONDS { number } else { number * 1_000.0 };
    // Within what a date can be; a cast of more would saturate.
    (millis.is_finite() && millis.abs() < 1e15).then_some(Timestamp(millis as i64))
}
