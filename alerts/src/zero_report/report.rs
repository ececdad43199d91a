//! One station's report of one day, made of tickets and looks. No I/O.

use std::collections::BTreeSet;

use domain::{CameraId, Cell, Kind, Millis, StationId, TicketId, Timestamp};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Item, Period, Station};
use crate::duty::Words;

/// How a camera was looked at on the day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraWatch {
    /// Which camera.
    pub camera: CameraId,
    /// The kinds of cases that its zones are watched for.
    pub kinds: BTreeSet<Kind>,
    /// How often it is to be looked at.
    pub interval: Millis,
    /// Since when it is to be looked at.
    pub since: Timestamp,
    /// Looks made on the day.
    pub looks: u64,
    /// The time that they vouch for.
    pub covered: Millis,
}

/// A ticket whose problem stood on the day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighted {
    /// Which.
    pub ticket: TicketId,
    /// Of what kind.
    pub kind: Kind,
    /// The cameras that saw it, the one that opened it first; the device's own id where readings showed what no camera sees.
    pub cameras: Vec<CameraId>,
    /// Where it is, where that is known.
    pub grid: Option<Cell>,
}

/// What a station says of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// 有事报事: something was found.
    Found,
    /// 无事报平安: nothing was found, and every camera was looked at for long enough.
    AllWell,
    /// Nothing was found, and some camera was not looked at for long enough to say more.
    NotProven,
    /// No camera of the station is watched for such cases: patrols report it.
    NotByCamera,
}

/// One item of a station's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemReport {
    /// The item's number.
    pub id: String,
    /// Its name.
    pub name: Words,
    /// What is said of it.
    pub finding: Finding,
    /// The tickets whose problems stood on the day.
    pub tickets: Vec<TicketId>,
    /// Cameras that are watched for such cases.
    pub cameras: u32,
    /// Looks at them that were due on the day.
    pub looks_due: u64,
    /// Looks that were due and are vouched for.
    pub looks_done: u64,
    /// Those cameras that were not looked at for long enough.
    pub unfit: Vec<CameraId>,
}

/// What a station reports of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZeroReport {
    /// Which station.
    pub station: StationId,
    /// Its name.
    pub name: Words,
    /// The date on which the day ends.
    pub date: Date,
    /// When the day began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// When the report was made.
    pub made_at: Timestamp,
    /// Whether that was too late.
    pub late: bool,
    /// Item by item.
    pub items: Vec<ItemReport>,
}

impl CameraWatch {
    /// Looks that were due on the day.
    fn due(&self, period: Period) -> u64 {
        let due = period.after(self.since);
        u64::try_from(due.0 / self.interval.0.max(1)).unwrap_or(0)
    }

    /// Those of them that are vouched for.
    fn done(&self, period: Period) -> u64 {
        let covered = u64::try_from(self.covered.0.max(0) / self.interval.0.max(1)).unwrap_or(0);
        covered.min(self.due(period))
    }

    /// Whether nothing that stood in its view for long could have gone unseen. A camera that was not there on the day
    /// vouches for nothing.
    fn is_fit(&self, period: Period, min_share: f64) -> bool {
        let due = self.due(period);
        due > 0 && self.done(period) as f64 >= due as f64 * min_share
    }
}

/// What the station says of the day. `cameras` are its own; `tickets` may be of the whole fleet.
#[must_use]
pub fn build(
    station: &Station,
    items: &[Item],
    (date, period): (Date, Period),
    cameras: &[&CameraWatch],
    tickets: &[Sighted],
    min_share: f64,
) -> ZeroReport {
    let items = items.iter().map(|item| {
        let watching: Vec<_> = cameras.iter().filter(|camera| !camera.kinds.is_disjoint(&item.kinds)).collect();
        let unfit: Vec<_> = watching
            .iter()
            .filter(|camera| !camera.is_fit(period, min_share))
            .map(|camera| camera.camera.clone())
            .collect();
        let found: Vec<_> = tickets
            .iter()
            .filter(|ticket| item.kinds.contains(&ticket.kind))
            .filter(|ticket| ticket.cameras.iter().any(|camera| station.has(camera, ticket.grid.as_ref())))
            .map(|ticket| ticket.ticket)
            .collect();
        ItemReport {
            id: item.id.clone(),
            name: item.name.clone(),
            finding: match () {
                () if !found.is_empty() => Finding::Found,
                () if watching.is_empty() => Finding::NotByCamera,
                () if unfit.is_empty() => Finding::AllWell,
                () => Finding::NotProven,
            },
            tickets: found,
            cameras: u32::try_from(watching.len()).unwrap_or(u32::MAX),
            looks_due: watching.iter().map(|camera| camera.due(period)).sum(),
            looks_done: watching.iter().map(|camera| camera.done(period)).sum(),
            unfit,
        }
    });
    ZeroReport {
        station: station.id.clone(),
        name: station.name.clone(),
        date,
        from: period.from,
        to: period.to,
        made_at: period.to,
        late: false,
        items: items.collect(),
    }
}
