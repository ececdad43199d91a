//! Tickets and cameras as JSON. `docs/openapi.yaml` describes every type here, and a test holds them to it.

use std::sync::Arc;

use alerts::{
    case::{By, Case, Reason, State as CaseState},
    clocks::CaseClocks,
    deadline::{Light, PauseReason, ResponseLevel, Stage},
    duty::{CaseCode, Words},
    incident::{RuleRef, Zone},
    kinds::kind_info,
    routed::{ItemRef, Routed},
    store::HistoryLine,
    ticket::{Evidence, EvidenceRole, Pictures, Rendition, Ticket, TicketState},
};
use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use domain::{
    CameraFault, CameraId, CameraState, Codec, DecodeMode, Detection, Kind, Millis, ModelRef, Place, Rect, Sha256,
    StreamRole, TicketId, Timestamp, ZoneId,
};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::{
    answer::{Fault, json},
    camera_page,
    cameras::Selection,
    console::Desk,
    fleet::CameraView,
    params::Params,
    ticket_page, tickets,
    times::rfc3339,
    visit::Visit,
};

#[derive(Serialize)]
struct TicketsOut {
    tickets: Vec<TicketOut>,
    next: Option<String>,
}

#[derive(Serialize)]
struct TicketOut {
    id: TicketId,
    kind: Kind,
    name_zh: Option<&'static str>,
    name_en: Option<&'static str>,
    state: TicketState,
    case: CaseOut,
    camera: CameraRefOut,
    zone: ZoneOut,
    first_seen: String,
    confirmed_at: String,
    last_seen: String,
    cleared_at: Option<String>,
    delivered_at: Option<String>,
    dwell_s: f64,
    looks: u32,
    hits: u32,
    score_median: f32,
    score_max: f32,
    bbox: Rect,
    things: Vec<Detection>,
    reason: String,
    reason_zh: String,
    rule: RuleRef,
    model: ModelRef,
    route: Option<RouteOut>,
    clocks: Option<ClocksOut>,
    pictures_to_open: Option<PicturesOut>,
    pictures_to_close: Option<PicturesOut>,
    evidence: Vec<EvidenceOut>,
}

#[derive(Serialize)]
struct CaseOut {
    state: CaseState,
    reason: Option<Reason>,
    case_no: Option<String>,
    dept: Option<String>,
    due: Option<String>,
    filed_at: Option<String>,
    acknowledged_at: Option<String>,
    review_until: Option<String>,
    supervised: bool,
    extended: bool,
    reopened: u32,
}

impl CaseOut {
    fn new(case: &Case, zone: &TimeZone) -> Self {
        let at = |t: Timestamp| rfc3339(t, zone);
        Self {
            state: case.state(),
            reason: case.reason().cloned(),
            case_no: case.case_no().map(ToOwned::to_owned),
            dept: case.dept().map(ToOwned::to_owned),
            due: case.due().map(at),
            filed_at: case.filed_at().map(at),
            acknowledged_at: case.acknowledged_at().map(at),
            review_until: case.review_until().map(at),
            supervised: case.is_supervised(),
            extended: case.is_extended(),
            reopened: case.reopened(),
        }
    }
}

#[derive(Serialize)]
struct HistoryOut {
    history: Vec<HistoryLineOut>,
}

#[derive(Serialize)]
struct HistoryLineOut {
    number: i64,
    at: String,
    decided_at: Option<String>,
    from: CaseState,
    to: CaseState,
    event: String,
    by: By,
    reason: Option<Reason>,
}

impl HistoryLineOut {
    fn new(line: HistoryLine, zone: &TimeZone) -> Self {
        let change = line.change;
        Self {
            number: line.number,
            at: rfc3339(change.at, zone),
            decided_at: change.decided_at.map(|t| rfc3339(t, zone)),
            from: change.from,
            to: change.to,
            event: change.event,
            by: change.by,
            reason: change.reason,
        }
    }
}

#[derive(Serialize)]
struct CameraRefOut {
    id: CameraId,
    name: String,
    place: Option<Place>,
}

#[derive(Serialize)]
struct ZoneOut {
    id: ZoneId,
    name: String,
    purpose: alerts::incident::ZonePurpose,
    polygon: domain::Polygon,
}

#[derive(Serialize)]
struct RouteOut {
    item: Option<ItemRef>,
    name: Words,
    codes: Vec<CaseCode>,
    dept: Words,
    third_dept: Words,
    copies: Vec<Words>,
    steps: Vec<Words>,
    level: ResponseLevel,
    arrive_limit: Option<String>,
    arrive_due: Option<String>,
    solve_limit: String,
    solve_due: Option<String>,
    photos_open: u8,
    photos_close: u8,
    why: Words,
}

#[derive(Serialize)]
struct ClocksOut {
    level: ResponseLevel,
    light: Option<Light>,
    in_time: Option<bool>,
    clocks: Vec<ClockOut>,
}

#[derive(Serialize)]
struct ClockOut {
    clock: Stage,
    limit: String,
    light: Light,
    due: Option<String>,
    stopped_at: Option<String>,
    stands: Option<PauseReason>,
}

impl ClocksOut {
    fn new(clocks: &CaseClocks, zone: &TimeZone) -> Self {
        let each = clocks.shown().into_iter().map(|shown| ClockOut {
            clock: shown.clock,
            limit: shown.limit.to_string(),
            light: shown.light,
            due: shown.due.map(|due| rfc3339(due, zone)),
            stopped_at: shown.stopped_at.map(|at| rfc3339(at, zone)),
            stands: shown.stands,
        });
        Self { level: clocks.level(), light: clocks.light(), in_time: clocks.is_in_time(), clocks: each.collect() }
    }
}

impl RouteOut {
    fn new(route: Routed, zone: &TimeZone) -> Self {
        Self {
            item: route.item,
            name: route.task.name,
            codes: route.task.codes,
            dept: route.task.dept,
            third_dept: route.task.third_dept,
            copies: route.task.copies,
            steps: route.task.steps,
            level: route.task.level,
            arrive_limit: route.task.arrive.map(|limit| limit.to_string()),
            arrive_due: route.arrive_due.map(|due| rfc3339(due, zone)),
            solve_limit: route.task.solve.to_string(),
            solve_due: route.solve_due.map(|due| rfc3339(due, zone)),
            photos_open: route.task.photos_open,
            photos_close: route.task.photos_close,
            why: route.why,
        }
    }
}

#[derive(Serialize)]
struct PicturesOut {
    needed: usize,
    held: usize,
}

impl From<Pictures> for PicturesOut {
    fn from(pictures: Pictures) -> Self {
        Self { needed: pictures.needed, held: pictures.held }
    }
}

#[derive(Serialize)]
struct EvidenceOut {
    role: EvidenceRole,
    rendition: Rendition,
    stream: StreamRole,
    sha256: Sha256,
    url: String,
    media_type: String,
    bytes: u64,
    width: u32,
    height: u32,
    captured_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    camera: Option<CameraId>,
}

#[derive(Serialize)]
struct CamerasOut {
    cameras: Vec<CameraOut>,
    total: usize,
    page: usize,
    pages: usize,
}

#[derive(Serialize)]
struct CameraOut {
    id: CameraId,
    name: String,
    place: Option<Place>,
    zones: Vec<ZoneOut>,
    state: CameraState,
    since: String,
    error: Option<Arc<str>>,
    codec: Option<Codec>,
    width: Option<u32>,
    height: Option<u32>,
    keyframe_interval_s: Option<f64>,
    decode: DecodeMode,
    last_keyframe_at: Option<String>,
    last_look_at: Option<String>,
    look_interval_s: f64,
    looks: u64,
    reconnects: u64,
    faults: Vec<FaultOut>,
    tickets_suspended: bool,
    clock_offset_s: Option<f64>,
    reference_taken_at: Option<String>,
    picture: Option<String>,
}

#[derive(Serialize)]
struct FaultOut {
    fault: CameraFault,
    since: String,
}

#[derive(Serialize)]
struct ReferenceOut {
    camera: CameraId,
    reference: &'static str,
}

impl TicketOut {
    fn new(ticket: Ticket, zone: &TimeZone) -> Self {
        let at = |t: Timestamp| rfc3339(t, zone);
        let id = ticket.id();
        let pictures_to_open = ticket.pictures_to_open().map(PicturesOut::from);
        let pictures_to_close = ticket.pictures_to_close().map(PicturesOut::from);
        let incident = ticket.incident;
        let info = kind_info(&incident.kind);
        Self {
            id,
            name_zh: info.map(|i| i.name_zh),
            name_en: info.map(|i| i.name_en),
            kind: incident.kind,
            state: ticket.state,
            case: CaseOut::new(&ticket.case, zone),
            camera: CameraRefOut { id: incident.camera, name: ticket.camera.name, place: ticket.camera.place },
            zone: ticket.zone.into(),
            first_seen: at(incident.first_seen),
            confirmed_at: at(incident.confirmed_at),
            last_seen: at(ticket.last_seen),
            cleared_at: ticket.cleared_at.map(at),
            delivered_at: ticket.delivered_at.map(at),
            dwell_s: incident.dwell.as_secs_f64(),
            looks: incident.looks,
            hits: incident.hits,
            score_median: incident.score_median,
            score_max: incident.score_max,
            bbox: incident.bbox,
            things: incident.things,
            reason: incident.reason,
            reason_zh: incident.reason_zh,
            rule: incident.rule,
            model: incident.model,
            route: ticket.route.map(|route| RouteOut::new(*route, zone)),
            clocks: ticket.clocks.map(|clocks| ClocksOut::new(&clocks, zone)),
            pictures_to_open,
            pictures_to_close,
            evidence: ticket.evidence.into_iter().map(|e| EvidenceOut::new(e, zone)).collect(),
        }
    }
}

impl EvidenceOut {
    fn new(evidence: Evidence, zone: &TimeZone) -> Self {
        Self {
            role: evidence.role,
            rendition: evidence.rendition,
            stream: evidence.stream,
            sha256: evidence.sha256,
            url: format!("/evidence/{}", evidence.sha256),
            media_type: evidence.media_type,
            bytes: evidence.bytes,
            width: evidence.width,
            height: evidence.height,
            captured_at: rfc3339(evidence.captured_at, zone),
            camera: evidence.camera,
        }
    }
}

impl From<Zone> for ZoneOut {
    fn from(zone: Zone) -> Self {
        Self { id: zone.id, name: zone.name, purpose: zone.purpose, polygon: zone.polygon }
    }
}

impl CameraOut {
    fn new(camera: CameraView, zone: &TimeZone) -> Self {
        let at = |t: Timestamp| rfc3339(t, zone);
        let report = camera.report;
        let tickets_suspended = report.suspended_since().is_some();
        Self {
            picture: report.last_keyframe_at.map(|_| format!("/cameras/{}/latest.jpg", report.id)),
            id: report.id,
            name: camera.name,
            place: camera.place,
            zones: camera.zones.into_iter().map(ZoneOut::from).collect(),
            state: report.state,
            since: at(report.since),
            error: report.error,
            codec: report.codec,
            width: report.size.map(|(w, _)| w),
            height: report.size.map(|(_, h)| h),
            keyframe_interval_s: report.keyframe_interval.map(Millis::as_secs_f64),
            decode: report.decode,
            last_keyframe_at: report.last_keyframe_at.map(at),
            last_look_at: report.last_look_at.map(at),
            look_interval_s: report.look_interval.as_secs_f64(),
            looks: report.looks,
            reconnects: report.reconnects,
            tickets_suspended,
            faults: report.ailments.iter().map(|a| FaultOut { fault: a.fault, since: at(a.since) }).collect(),
            clock_offset_s: report.clock_offset.map(Millis::as_secs_f64),
            reference_taken_at: camera.reference.map(at),
        }
    }
}

pub(crate) fn read_limit(params: &Params, default: u32, most: u32) -> Result<u32, Fault> {
    let limit = params.read("limit", format_args!("expected a number from 1 to {most}"), |v| {
        v.parse().ok().filter(|n| (1..=most).contains(n))
    })?;
    Ok(limit.unwrap_or(default))
}

pub(crate) async fn tickets(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let (console, params) = (&desk.console, &visit.params);
    params.only(&["before", "limit", "camera", "kind", "state", "case"])?;
    let mut filter = tickets::filter_of(params, read_limit(params, 50, 200)?)?;
    filter.camera = params.read("camera", "expected a camera's id", |v| v.parse().ok())?;
    let (page, next) = tickets::page_of(console, filter).await?;
    let out = TicketsOut {
        tickets: page.into_iter().map(|t| TicketOut::new(t, &console.time_zone)).collect(),
        next: next.map(|id| format!("/api/tickets{}", params.with("before", id))),
    };
    Ok(json(StatusCode::OK, &out))
}

pub(crate) async fn ticket(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Result<Response, Fault> {
    let ticket = ticket_page::find(&desk.console, &id).await?;
    Ok(json(StatusCode::OK, &TicketOut::new(ticket, &desk.console.time_zone)))
}

pub(crate) async fn history(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Result<Response, Fault> {
    let console = &desk.console;
    let ticket = ticket_page::find(console, &id).await?;
    let lines = console.store.history(ticket.id()).await.map_err(Fault::internal)?;
    let history = lines.into_iter().map(|line| HistoryLineOut::new(line, &console.time_zone)).collect();
    Ok(json(StatusCode::OK, &HistoryOut { history }))
}

pub(crate) async fn cameras(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let (console, params) = (&desk.console, &visit.params);
    params.only(&["fault", "limit", "page", "q", "state"])?;
    let limit = read_limit(params, 100, 1_000)?;
    let selection = Selection::new(console.fleet.cameras(), params, limit as usize)?;
    let out = CamerasOut {
        cameras: selection.cameras.into_iter().map(|c| CameraOut::new(c, &console.time_zone)).collect(),
        total: selection.total,
        page: selection.page,
        pages: selection.pages,
    };
    Ok(json(StatusCode::OK, &out))
}

pub(crate) async fn camera(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Result<Response, Fault> {
    let camera = camera_page::find(&desk.console, &id)?;
    Ok(json(StatusCode::OK, &CameraOut::new(camera, &desk.console.time_zone)))
}

/// A page of another site must not do in a visitor's name what is the operator's to do.
pub(crate) fn from_here(headers: &HeaderMap) -> Result<(), Fault> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let site = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, site)| site);
    if site.is_some() && site == host {
        return Ok(());
    }
    Err(Fault::bad(origin.to_str().unwrap_or("origin"), "expected a request from the console itself"))
}

pub(crate) async fn reload(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Result<Response, Fault> {
    from_here(&headers)?;
    let changes = desk.console.fleet.reload().await.map_err(Fault::BadRequest)?;
    Ok(json(StatusCode::OK, &changes))
}

pub(crate) async fn take_reference(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let camera = camera_page::asked_for_reference(&desk, &headers, &id)?;
    Ok(json(StatusCode::ACCEPTED, &ReferenceOut { camera, reference: "next_look" }))
}
