//! A station's zero report: one CloudEvents event a day with all its items.

use domain::Cell;
use serde::Serialize;

use super::{CLOUDEVENTS, CloudEvent, JSON, MESSAGE_EXPIRY, Node, json, topic};
use crate::{
    duty::Words,
    ticket::{Body, OutgoingMessage},
    zero_report::{Finding, ItemReport, ZeroReport},
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
