//! The `[zero_report]` section: when, for which stations, about what.

use std::collections::BTreeSet;

use domain::{CameraId, Cell, Kind, Millis, StationId};
use jiff::civil::Time;
use serde::Deserialize;

use crate::duty::Words;

/// Seventeen items to start from. A sample: the city's own list was never published.
const SAMPLE_ITEMS: &str = include_str!("../../../deploy/samples/zero-report-items-sample.json");

/// What is reported when.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZeroReportConfig {
    /// The time of day, in the node's time zone, at which the 24 hours before it are reported.
    pub at: Time,
    /// The share of a camera's time, 0 to 1, that looks must vouch for before "all well" may be said of it.
    pub min_share: f64,
    /// A report that is made so long after its time is late, which is an alarm.
    pub grace: Millis,
    /// The stations that report; without any there is no report.
    pub stations: Vec<Station>,
    /// What is reported; the sample of seventeen items where empty.
    pub items: Vec<Item>,
}

/// A community station (居民区工作站), or a group of cameras.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// Its id, as in the report's topic.
    pub id: StationId,
    /// Its name.
    #[serde(default)]
    pub name: Words,
    /// Its area: all cameras whose grid code lies in it.
    #[serde(default)]
    pub grid: Option<Cell>,
    /// Cameras by their ids, beside those of the area.
    #[serde(default)]
    pub cameras: BTreeSet<CameraId>,
}

/// One item of the report.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its number.
    pub id: String,
    /// Its name.
    pub name: Words,
    /// The kinds of cases that it is about; of those that no rule watches for, cameras can say nothing.
    #[serde(default)]
    pub kinds: BTreeSet<Kind>,
}

/// A section that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZeroReportError {
    /// A share outside 0 to 1.
    #[error("min_share: it is a share of the time, above 0 and at most 1")]
    Share,
    /// Two stations of one id.
    #[error("stations: {0} is given twice; every station needs an id of its own")]
    StationTwice(StationId),
    /// A station without cameras.
    #[error("stations: {0} has neither grid nor cameras; name its area, or its cameras")]
    NoCameras(StationId),
    /// Two items of one id.
    #[error("items: {0} is given twice; every item needs an id of its own")]
    ItemTwice(String),
}

impl Default for ZeroReportConfig {
    fn default() -> Self {
        Self {
            at: jiff::civil::time(8, 0, 0, 0),
            min_share: 0.9,
            grace: Millis::mins(30),
            stations: Vec::new(),
            items: Vec::new(),
        }
    }
}

impl ZeroReportConfig {
    /// Checks what can be checked by itself.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub fn check(&self) -> Result<(), ZeroReportError> {
        if !(self.min_share > 0.0 && self.min_share <= 1.0) {
            return Err(ZeroReportError::Share);
        }
        let mut seen = BTreeSet::new();
        for station in &self.stations {
            if !seen.insert(&station.id) {
                return Err(ZeroReportError::StationTwice(station.id.clone()));
            }
            if station.grid.is_none() && station.cameras.is_empty() {
                return Err(ZeroReportError::NoCameras(station.id.clone()));
            }
        }
        let mut seen = BTreeSet::new();
        match self.items.iter().find(|item| !seen.insert(&item.id)) {
            Some(item) => Err(ZeroReportError::ItemTwice(item.id.clone())),
            None => Ok(()),
        }
    }

    /// What is reported: the items of the configuration, or the sample.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        if self.items.is_empty() {
            serde_json::from_str(SAMPLE_ITEMS).expect("the shipped sample is held to its form by a test")
        } else {
            self.items.clone()
        }
    }
}

impl Station {
    /// Whether a camera is one of its own.
    #[must_use]
    pub fn has(&self, camera: &CameraId, grid: Option<&Cell>) -> bool {
        let is_within = |area: &Cell| grid.is_some_and(|grid| grid.is_within(area));
        self.cameras.contains(camera) || self.grid.as_ref().is_some_and(is_within)
    }
}
