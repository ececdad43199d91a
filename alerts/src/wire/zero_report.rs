//! A station's zero report: one CloudEvents event a day with all its items; and the state of one that is missing, or was.

use bytes::Bytes;
use domain::{Cell, StationId, Timestamp};
use jiff::civil::Date;
use serde::Serialize;

use super::{CLOUDEVENTS, CloudEvent, JSON, MESSAGE_EXPIRY, Node, json, topic};
use crate::{
    duty::Words,
    ticket::{Body, OutgoingMessage},
    zero_report::{Finding, ItemReport, Period, Station, ZeroReport},
};

/// The message of a report; `grid` is where the station is.
#[must_use]
pub fn zero_report_message(report: &ZeroReport, grid: Option<&Cell>, node: &Node) -> OutgoingMessage {
    let event = CloudEvent {
        specversion: "1.0",
        id: format!("{}.zero-report.{}.{}.{}", node.id, report.station, report.date, report.made_at.0),
        event_type: "cn.gridwatch.zero_report.v1",
        source: format!("/gridwatch/node/{}", node.id),
        subject: report.station.to_string(),
        time: node.rfc3339(report.made_at),
        datacontenttype: JSON,
        data: ReportData {
            station: report.station.as_str(),
            name: &report.name,
            date: report.date.to_string(),
            from: node.rfc3339(report.from),
            to: node.rfc3339(report.to),
            late: report.late,
            items: report.items.iter().map(ItemData::of).collect(),
        },
    };
    OutgoingMessage {
        topic: topic::zero_report_topic(grid, node, &report.station, report.date),
        content_type: CLOUDEVENTS.to_owned(),
        properties: vec![("station".to_owned(), report.station.to_string())],
        body: Body::Inline(json(&event)),
        expires_after: Some(MESSAGE_EXPIRY),
    }
}

/// That a report has not come, as is known at `now`.
#[must_use]
pub fn zero_report_missing(station: &Station, date: Date, period: Period, now: Timestamp, node: &Node) -> Bytes {
    json(&ReportStatus::of(&station.id, &station.name, date, ReportState::Missing, (period.to, now), node))
}

/// That a report which was missing has come after all.
#[must_use]
pub fn zero_report_made(report: &ZeroReport, node: &Node) -> Bytes {
    let times = (report.to, report.made_at);
    json(&ReportStatus::of(&report.station, &report.name, report.date, ReportState::Made, times, node))
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum ReportState {
    Missing,
    Made,
}

#[derive(Debug, Serialize)]
struct ReportStatus<'a> {
    station: &'a str,
    node: &'a str,
    name: &'a Words,
    date: String,
    state: ReportState,
    due: String,
    since: String,
}

impl<'a> ReportStatus<'a> {
    fn of(
        station: &'a StationId,
        name: &'a Words,
        date: Date,
        state: ReportState,
        (due, since): (Timestamp, Timestamp),
        node: &'a Node,
    ) -> Self {
        let (due, since) = (node.rfc3339(due), node.rfc3339(since));
        Self { station: station.as_str(), node: node.id.as_str(), name, date: date.to_string(), state, due, since }
    }
}

#[derive(Debug, Serialize)]
struct ReportData<'a> {
    station: &'a str,
    name: &'a Words,
    date: String,
    from: String,
    to: String,
    late: bool,
    items: Vec<ItemData<'a>>,
}

#[derive(Debug, Serialize)]
struct ItemData<'a> {
    item: &'a str,
    name: &'a Words,
    finding: Finding,
    found: usize,
    tickets: Vec<String>,
    cameras: u32,
    looks_due: u64,
    looks_done: u64,
    cameras_unfit: Vec<&'a str>,
}

impl<'a> ItemData<'a> {
    fn of(item: &'a ItemReport) -> Self {
        Self {
            item: &item.id,
            name: &item.name,
            finding: item.finding,
            found: item.tickets.len(),
            tickets: item.tickets.iter().map(ToString::to_string).collect(),
            cameras: item.cameras,
            looks_due: item.looks_due,
            looks_done: item.looks_done,
            cameras_unfit: item.unfit.iter().map(domain::CameraId::as_str).collect(),
        }
    }
}
