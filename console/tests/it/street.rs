//! A made-up street with cameras, zones and tickets whose evidence is really stored, for tests and for the gallery.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use alerts::{
    annotate::{Annotator, Scene},
    case::Case,
    clocks::{CaseClocks, ClockEvent, ClockStart, Terms},
    deadline::DeadlineConfig,
    duty::{DutyItem, DutyList, ItemVersion, Words},
    evidence::EvidenceStore,
    incident::{Incident, RuleRef, Zone, ZonePurpose},
    jpeg,
    registry::Registry,
    routed::Routed,
    store::Store,
    streets::StreetNames,
    ticket::{Body, CameraInfo, Evidence, EvidenceRole, OutgoingMessage, Rendition, Ticket, TicketState},
    wire::{Fault, Node, Problem},
    zero_report::{Finding, ItemReport, ReportsOwed, ZeroReport, ZeroReportConfig},
};
use bytes::Bytes;
use console::{CameraChanges, CameraView, Console, Fleet, LookVitals, ReloadFuture, StillError, StillFuture, Vitals};
use domain::{
    CameraId, CameraReport, CameraState, Cell, Codec, DecodeMode, Detection, Label, Millis, ModelRef, Picture, Place,
    Point, Polygon, Rect, Sha256, StreamRole, TicketId, Timestamp,
};
use jiff::tz::TimeZone;

/// Cameras that stand where a test put them.
#[derive(Default)]
pub(crate) struct Cameras {
    views: Mutex<Vec<CameraView>>,
    stills: Mutex<HashMap<CameraId, Bytes>>,
    /// The cameras that a new reference was asked for, in order.
    pub(crate) references_asked: Mutex<Vec<CameraId>>,
}

impl Cameras {
    pub(crate) fn put(&self, view: CameraView) {
        self.views.lock().expect("not poisoned").push(view);
    }

    pub(crate) fn put_still(&self, id: &str, jpeg: Bytes) {
        self.stills.lock().expect("not poisoned").insert(id.parse().expect("id"), jpeg);
    }

    pub(crate) fn change(&self, change: impl FnMut(&mut CameraView)) {
        self.views.lock().expect("not poisoned").iter_mut().for_each(change);
    }
}

impl Fleet for Cameras {
    fn cameras(&self) -> Vec<CameraView> {
        self.views.lock().expect("not poisoned").clone()
    }

    fn camera(&self, id: &CameraId) -> Option<CameraView> {
        self.views.lock().expect("not poisoned").iter().find(|c| c.report.id == *id).cloned()
    }

    fn reference<'a>(&'a self, id: &'a CameraId) -> StillFuture<'a> {
        self.still(id)
    }

    fn take_reference(&self, id: &CameraId) -> bool {
        let known = self.camera(id).is_some();
        if known {
            self.references_asked.lock().expect("not poisoned").push(id.clone());
        }
        known
    }

    fn still<'a>(&'a self, id: &'a CameraId) -> StillFuture<'a> {
        Box::pin(async move {
            let jpeg = self.stills.lock().expect("not poisoned").get(id).cloned();
            match jpeg {
                Some(broken) if broken.is_empty() => {
                    Err(StillError { camera: id.clone(), source: "secret detail of the decoder".into() })
                }
                other => Ok(other),
            }
        })
    }

    fn reload(&self) -> ReloadFuture<'_> {
        let changed: Vec<_> = self.cameras().into_iter().map(|camera| camera.report.id).collect();
        Box::pin(async {
            if changed.is_empty() {
                return Err("cameras.gate.stream: has no source".to_owned());
            }
            Ok(CameraChanges { changed, ..CameraChanges::default() })
        })
    }
}

/// The console's parts in a temporary folder.
pub(crate) struct Street {
    pub(crate) console: Console,
    pub(crate) cameras: Arc<Cameras>,
    pub(crate) vitals: Arc<Mutex<Vitals>>,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) async fn street() -> Street {
    let folder = tempfile::tempdir().expect("temp dir");
    let cameras = Arc::new(Cameras::default());
    let vitals = Arc::new(Mutex::new(Vitals {
        broker_connected: true,
        looks_per_second: Some(12.3),
        looks: Some(LookVitals {
            due: 120,
            done: 118,
            lag_p50: Duration::from_millis(300),
            lag_p99: Duration::from_millis(1900),
            wanted: Duration::from_secs(10),
            achieved: Duration::from_secs(10),
            stretch: 1.0,
        }),
        restart: Vec::new(),
    }));
    let store = Store::open(&folder.path().join("gridwatch.db")).await.expect("a store");
    let time_zone = TimeZone::get("Asia/Shanghai").expect("a time zone");
    let node = Node {
        id: "xh-03".parse().expect("id"),
        district: Cell::try_from("310104".to_owned()).expect("6 digits"),
        timezone: time_zone.clone(),
    };
    let (service, _) = tokio::sync::mpsc::channel(1);
    let console = Console {
        registry: Registry::new(store.clone(), node, &service),
        store,
        evidence: EvidenceStore::open(&folder.path().join("evidence")).expect("an evidence store"),
        fleet: Arc::clone(&cameras) as Arc<dyn Fleet>,
        metrics: Arc::new(|| "# TYPE gridwatch_looks_total counter\ngridwatch_looks_total 7\n".to_owned()),
        vitals: {
            let vitals = Arc::clone(&vitals);
            Arc::new(move || vitals.lock().expect("not poisoned").clone())
        },
        sensors: None,
        reports_owed: ReportsOwed::new(&ZeroReportConfig::default(), time_zone.clone()),
        streets: Arc::new({
            let name = Words { zh: "斜土路街道".to_owned(), en: "Xietu Road Subdistrict".to_owned() };
            let names = Arc::new(StreetNames::from_iter([("310104007".to_owned(), name)]));
            move || Arc::clone(&names)
        }),
        public_url: None,
        node: "xh-03".parse().expect("id"),
        time_zone,
    };
    Street { console, cameras, vitals, folder }
}

pub(crate) fn place() -> Place {
    Place {
        grid: Cell::try_from("310104007003012".to_owned()).expect("15 digits"),
        duty_grid: Some("XT-03".to_owned()),
        address: "斜土路 1175 号".to_owned(),
        lon: Some(121.4593),
        lat: Some(31.1896),
    }
}

pub(crate) fn zone(id: &str, name: &str, purpose: ZonePurpose, corners: &[[f32; 2]]) -> Zone {
    let polygon = Polygon::new(corners.iter().copied().map(Point::from).collect()).expect("a polygon");
    Zone { id: id.parse().expect("id"), name: name.to_owned(), purpose, polygon, dwell: None, overlaps: Vec::new() }
}

pub(crate) fn lane() -> Zone {
    zone("z1", "北侧机动车道", ZonePurpose::TrafficLane, &[[0.08, 0.98], [0.42, 0.42], [0.6, 0.42], [0.72, 0.98]])
}

/// A camera that streams well.
pub(crate) fn camera(id: &str, name: &str, now: Timestamp) -> CameraView {
    CameraView {
        report: CameraReport {
            id: id.parse().expect("id"),
            state: CameraState::Streaming,
            since: now - Millis::mins(190),
            error: None,
            codec: Some(Codec::H264),
            size: Some((704, 576)),
            keyframe_interval: Some(Millis(1_960)),
            decode: DecodeMode::Keyframes,
            last_keyframe_at: Some(now - Millis::secs(2)),
            last_look_at: Some(now - Millis::secs(7)),
            look_interval: Millis::secs(10),
            looks: 1_140,
            reconnects: 1,
            ailments: Vec::new(),
            clock_offset: None,
        },
        name: name.to_owned(),
        place: Some(place()),
        zones: vec![lane()],
        reference: Some(now - Millis::mins(100)),
    }
}

/// A ticket of `camera`, confirmed at `at`, without evidence.
pub(crate) fn ticket(camera: &CameraView, kind: &str, at: Timestamp) -> Ticket {
    let bbox = Rect::from([0.36, 0.52, 0.58, 0.74]);
    let zone = camera.zones.first().cloned().unwrap_or_else(lane);
    let first_seen = at - Millis::secs(310);
    Ticket {
        incident: Incident {
            ticket: TicketId::derive(at, format!("{}{kind}", camera.report.id).as_bytes()),
            camera: camera.report.id.clone(),
            kind: kind.parse().expect("a kind"),
            zone: zone.id.clone(),
            first_seen,
            last_seen: at,
            confirmed_at: at,
            dwell: at.since(first_seen),
            looks: 31,
            hits: 29,
            score_max: 0.91,
            score_median: 0.83,
            bbox,
            things: vec![Detection {
                class: Label::new("car"),
                group: Label::new("vehicle"),
                score: 0.83,
                bbox,
                mask: None,
                model: None,
            }],
            reason: "a vehicle stood still in traffic lane \"z1\" for 5m 10s, seen in 29 of 31 looks".to_owned(),
            reason_zh: "区域“z1”（机动车道）内，机动车×1停留5分".to_owned(),
            rule: RuleRef { id: "lane.motor".to_owned(), version: "0123456789ab".to_owned() },
            model: ModelRef { name: "nanodet-g-coco".into(), sha256: Sha256::of(b"weights") },
            sensed: None,
            ground: None,
        },
        camera: CameraInfo { name: camera.name.clone(), place: camera.place.clone() },
        zone,
        state: TicketState::Open,
        case: Case::begin(at, None).0,
        last_seen: at,
        cleared_at: None,
        delivered_at: None,
        clocks: route(kind, at).map(|route| Box::new(clocks(&route, at))),
        route: route(kind, at),
        evidence: Vec::new(),
    }
}

/// Who answers for a built-in kind; nobody for another.
fn route(kind: &str, at: Timestamp) -> Option<Box<Routed>> {
    let calendar = DeadlineConfig::default().calendar(TimeZone::UTC, &[]).expect("a calendar");
    let place = place().grid;
    let decided = Routed::decide(&DutyList::default(), &kind.parse().expect("a kind"), &place, at, &calendar);
    decided.map(|(routed, _)| Box::new(routed))
}

/// A report of one station of 2026-11-24 with each finding.
pub(crate) async fn add_zero_report(street: &Street) {
    let words = |zh: &str, en: &str| Words { zh: zh.to_owned(), en: en.to_owned() };
    let item = |id: &str, finding, done| ItemReport {
        id: id.to_owned(),
        name: words("机动车乱停放", "illegal car parking"),
        finding,
        tickets: if finding == Finding::Found { vec![TicketId::derive(Timestamp(0), b"t")] } else { Vec::new() },
        cameras: 3,
        looks_due: 25_920,
        looks_done: done,
        unfit: if finding == Finding::NotProven { vec!["gate-9".parse().expect("id")] } else { Vec::new() },
    };
    let report = ZeroReport {
        station: "XT-01".parse().expect("id"),
        name: words("江南新村工作站", "Jiangnan Xincun station"),
        date: jiff::civil::date(2026, 11, 24),
        from: Timestamp(1_795_392_000_000),
        to: Timestamp(1_795_478_400_000),
        made_at: Timestamp(1_795_490_000_000),
        late: true,
        items: vec![
            item("Z-01", Finding::Found, 25_920),
            item("Z-02", Finding::AllWell, 25_919),
            item("Z-03", Finding::NotProven, 17_280),
            item("Z-04", Finding::NotByCamera, 0),
        ],
    };
    let message = OutgoingMessage {
        topic: "gridwatch/v1/310104/310104007/zero-report/XT-01/2026-11-24".to_owned(),
        content_type: "application/cloudevents+json".to_owned(),
        properties: Vec::new(),
        body: Body::Inline(Bytes::new()),
        expires_after: None,
    };
    street.console.store.add_zero_report(&report, &message).await.expect("written");
}

/// An item as bare as one can be.
pub(crate) fn duty_item(id: &str, kind: &str) -> DutyItem {
    serde_json::from_value(serde_json::json!({
        "id": id, "kind": kind, "place": null, "place_name": {"zh": "", "en": ""}, "days": [], "hours": [],
        "name": {"zh": "", "en": ""}, "codes": [], "dept": {"zh": "城管中队", "en": ""}, "copies": [], "steps": [],
        "level": 4, "arrive": null, "solve": {"amount": 4, "unit": "work_hour"}, "photos_open": 1, "photos_close": 1,
        "until": null,
    }))
    .expect("an item")
}

/// A list of three items: one that was changed as of December 2026, one that ended then, one that began then.
pub(crate) async fn add_duty(street: &Street, now: Timestamp) {
    let words = |zh: &str, en: &str| Words { zh: zh.to_owned(), en: en.to_owned() };
    let mut garbage = duty_item("S-101", "garbage.exposed");
    garbage.task.name = words("暴露垃圾", "exposed garbage");
    garbage.task.codes = vec!["CJT214-2007:01-02".parse().expect("a code")];
    garbage.task.steps = vec![words("清除", "remove"), words("拍照", "photograph")];
    garbage.task.copies = vec![words("街道办", "street office")];
    garbage.task.photos_close = 2;
    let mut mended = garbage.clone();
    mended.task.solve = "6 wh".parse().expect("a limit");
    mended.task.third_dept = words("江南新村站", "");
    let mut motor = duty_item("S-102", "lane.motor");
    motor.place = Some(Cell::try_from("310104007".to_owned()).expect("a code"));
    motor.place_name = words("斜土路街道", "Xietu Road Subdistrict");
    motor.days = serde_json::from_value(serde_json::json!(["sat", "sun"])).expect("days");
    motor.hours = serde_json::from_value(serde_json::json!(["22:00-06:00"])).expect("hours");
    motor.task.dept = words("交警", "traffic police");
    motor.task.arrive = Some("30 min".parse().expect("a limit"));
    motor.task.solve = "3 uh".parse().expect("a limit");
    motor.until = Some(jiff::civil::date(2026, 11, 30));
    let version = |version, (year, month), item| ItemVersion { version, from: jiff::civil::date(year, month, 1), item };
    let store = &street.console.store;
    let first = [version(1, (2026, 1), garbage), version(1, (2026, 1), motor)];
    store.add_duty_versions(&first, "list-2026.csv", now - Millis::mins(90_000)).await.expect("written");
    let second = [version(2, (2026, 12), mended), version(1, (2026, 12), duty_item("S-103", "own.kind"))];
    store.add_duty_versions(&second, "mended.csv", now - Millis::mins(70)).await.expect("written");
}

/// Messages that nobody understands, a minute apart, the last one `now`; each third is no text.
pub(crate) async fn add_problems(street: &Street, now: Timestamp, n: i64) {
    for number in (0..n).rev() {
        let payload =
            if number % 3 == 2 { vec![0xff, 0x00, 0x7f] } else { format!("{{\"n\": {number}, <b>").into_bytes() };
        let message = "the payload is no JSON: key must be a string at line 1 column 9".to_owned();
        let topic = "grid/v1/310104/310104007/ticket/0190f6c2-7b1e-7c3a-9d55-1f2e3d4c5b6a/verdict";
        let fault = Fault { reason: "not_json", message };
        let problem = Problem::of(topic, &payload, fault, now - Millis::mins(number));
        street.console.store.add_problem(&problem).await.expect("written");
    }
}

/// Clocks that run since the ticket opened.
fn clocks(route: &Routed, at: Timestamp) -> CaseClocks {
    let config = DeadlineConfig::default();
    let calendar = config.calendar(TimeZone::UTC, &[]).expect("a calendar");
    let lights = config.lights().expect("lights");
    let mut clocks = CaseClocks::new(route, ClockStart::Filed);
    clocks.apply(at, ClockEvent::Filed, at, Terms { calendar: &calendar, lights: &lights });
    clocks
}

/// Stores all renditions of a picture of `ticket` and names them on it.
pub(crate) fn add_pictures(console: &Console, ticket: &mut Ticket, role: EvidenceRole, at: Timestamp) {
    let picture = paint(704, 576, if role == EvidenceRole::After { None } else { Some(ticket.incident.bbox) }, at.0);
    let annotator = Annotator::new(None, console.time_zone.clone());
    let scene = Scene {
        role,
        ticket: ticket.id(),
        kind: &ticket.incident.kind,
        camera: &ticket.incident.camera,
        camera_name: &ticket.camera.name,
        zone: &ticket.zone,
        things: if role == EvidenceRole::After { &[] } else { &ticket.incident.things },
        bbox: ticket.incident.bbox,
        captured_at: at,
    };
    let annotated = annotator.annotate(&picture, &scene, 85).expect("a JPEG");
    let clean = jpeg::encode(&picture, 85).expect("a JPEG");
    let original = format!("\0\0\0\x01 access unit of {} at {}", ticket.id(), at.0).into_bytes();
    let pieces = [
        (Rendition::Original, original, "video/h264", (704, 576)),
        (Rendition::Clean, clean, "image/jpeg", (704, 576)),
        (Rendition::Annotated, annotated.bytes, "image/jpeg", (annotated.width, annotated.height)),
    ];
    for (rendition, bytes, media_type, (width, height)) in pieces {
        ticket.evidence.push(Evidence {
            role,
            rendition,
            stream: StreamRole::Sub,
            sha256: console.evidence.put(&bytes).expect("stored"),
            media_type: media_type.to_owned(),
            bytes: bytes.len() as u64,
            width,
            height,
            captured_at: at,
            camera: None,
        });
    }
}

/// A road between two pavements, with a box standing on it.
pub(crate) fn paint(width: u32, height: u32, thing: Option<Rect>, seed: i64) -> Picture {
    let (w, h) = (width as usize, height as usize);
    let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
    let (mut y, mut u, mut v) = (vec![0_u8; w * h], vec![0_u8; cw * ch], vec![0_u8; cw * ch]);
    let lit = (seed.rem_euclid(5) * 7) as u8;
    for row in 0..h {
        for column in 0..w {
            let (px, py) = (column as f32 / width as f32, row as f32 / height as f32);
            let grain = ((column * 7919 + row * 104_729) % 9) as u8;
            let centre = (px - 0.5).abs() / (0.12 + (py - 0.35).max(0.0) * 0.62);
            let inside = thing.is_some_and(|r| px > r.x0 && px < r.x1 && py > r.y0 && py < r.y1);
            let (luma, cb, cr) = match () {
                () if inside && thing.is_some_and(|r| py < r.y0 + 0.08) => (90, 134, 124),
                () if inside => (70, 120, 190),
                () if py < 0.35 => (150 - (py * 90.0) as u8, 138, 122),
                () if centre > 1.0 => (128, 122, 134),
                () if centre < 0.03 && ((py * 22.0) as u32).is_multiple_of(2) => (205, 128, 128),
                () => (82, 129, 127),
            };
            y[row * w + column] = luma + lit / 2 + grain;
            u[row / 2 * cw + column / 2] = cb;
            v[row / 2 * cw + column / 2] = cr;
        }
    }
    let uniform = Picture::uniform(width, height, [0, 0, 0]);
    Picture { planes: [y.into(), u.into(), v.into()], ..uniform }
}
