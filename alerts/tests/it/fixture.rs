//! A node with a store, evidence and tickets.

use std::sync::Arc;

use alerts::{
    case::Case,
    evidence::EvidenceStore,
    incident::{Incident, RuleRef, Zone, ZonePurpose},
    mqtt::MqttConfig,
    publisher::{CameraBoard, Publisher, StatusBoard},
    store::{Opened, Store},
    ticket::{CameraInfo, Evidence, EvidenceRole, Rendition, Ticket, TicketState},
    wire::{Node, opening_messages},
};
use domain::{Cell, Detection, Label, Millis, ModelRef, Place, Polygon, Rect, Sha256, StreamRole, TicketId, Timestamp};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// 2026-11-23 09:00:00 in Shanghai.
pub(crate) const OPENED_AT: Timestamp = Timestamp(1_795_395_600_000);

/// A node whose database and evidence live as long as it does.
pub(crate) struct House {
    pub(crate) dir: TempDir,
    pub(crate) node: Node,
    pub(crate) store: Store,
    pub(crate) evidence: EvidenceStore,
}

impl House {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("gridwatch.db")).await.unwrap();
        let evidence = EvidenceStore::open(&dir.path().join("evidence")).unwrap();
        Self { node: node(), store, evidence, dir }
    }

    pub(crate) fn database(&self) -> std::path::PathBuf {
        self.dir.path().join("gridwatch.db")
    }

    /// Writes a ticket with pictures of these sizes and puts its messages into the outbox.
    pub(crate) async fn open_ticket(&self, n: u32, sizes: &[usize]) -> Ticket {
        let mut ticket = ticket(n);
        for (index, size) in sizes.iter().enumerate() {
            let bytes = picture(n, index, *size);
            let sha256 = self.evidence.put(&bytes).unwrap();
            let role = if index == 0 { EvidenceRole::FirstSeen } else { EvidenceRole::Confirming };
            ticket.evidence.push(piece(role, Rendition::Clean, sha256, *size as u64));
        }
        let messages = opening_messages(&ticket, &self.node);
        assert_eq!(self.store.open_ticket(&ticket, &messages).await.unwrap(), Opened::New);
        ticket
    }

    pub(crate) fn publisher(&self, config: MqttConfig) -> Running {
        let publisher = Publisher::new(config, self.node.clone(), self.store.clone(), self.evidence.clone()).unwrap();
        Running::start(publisher)
    }

    pub(crate) async fn is_delivered(&self, ticket: TicketId) -> bool {
        self.store.ticket(ticket).await.unwrap().unwrap().delivered_at.is_some()
    }
}

/// A publisher at work. Dropping it kills it without a goodbye.
pub(crate) struct Running {
    pub(crate) cameras: CameraBoard,
    pub(crate) statuses: StatusBoard,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Running {
    fn start(publisher: Publisher) -> Self {
        let (stop, mut task) = (CancellationToken::new(), JoinSet::new());
        let (cameras, statuses) = (publisher.cameras(), publisher.statuses());
        task.spawn(publisher.run(stop.clone()));
        Self { cameras, statuses, stop, task }
    }

    /// Stops it as a shutdown does.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        self.task.join_next().await.unwrap().unwrap();
    }

    /// Kills it as a power cut does.
    pub(crate) async fn kill(mut self) {
        self.task.shutdown().await;
    }
}

pub(crate) fn node() -> Node {
    Node {
        id: "xh-03".parse().unwrap(),
        district: Cell::try_from("310104".to_owned()).unwrap(),
        timezone: jiff::tz::TimeZone::get("Asia/Shanghai").unwrap(),
    }
}

/// Bytes that no other picture has.
pub(crate) fn picture(ticket: u32, index: usize, size: usize) -> Vec<u8> {
    let mut bytes = format!("picture {index} of ticket {ticket} ").into_bytes();
    bytes.resize(size.max(bytes.len()), b'.');
    bytes
}

pub(crate) fn piece(role: EvidenceRole, rendition: Rendition, sha256: Sha256, bytes: u64) -> Evidence {
    let media_type = if rendition == Rendition::Original { "video/h264" } else { "image/jpeg" };
    Evidence {
        role,
        rendition,
        stream: StreamRole::Sub,
        sha256,
        media_type: media_type.to_owned(),
        bytes,
        width: 704,
        height: 576,
        captured_at: OPENED_AT,
        camera: None,
    }
}

/// A ticket of a camera with everything that a place can have, without evidence.
pub(crate) fn ticket(n: u32) -> Ticket {
    let bbox = Rect { x0: 0.25, y0: 0.5, x1: 0.5, y1: 0.75 };
    let confirmed_at = OPENED_AT + Millis::secs(n.into());
    Ticket {
        incident: Incident {
            ticket: TicketId::derive(confirmed_at, &n.to_be_bytes()),
            camera: "31010400001320000123".parse().unwrap(),
            kind: "lane.motor".parse().unwrap(),
            zone: "z7".parse().unwrap(),
            first_seen: confirmed_at - Millis::mins(5),
            last_seen: confirmed_at,
            confirmed_at,
            dwell: Millis::mins(5),
            looks: 150,
            hits: 141,
            score_max: 0.91,
            score_median: 0.83,
            bbox,
            things: vec![Detection {
                class: Label::new("car"),
                group: Label::new("vehicle"),
                score: 0.9,
                bbox,
                mask: None,
                model: None,
            }],
            reason: "a vehicle stood in the traffic lane for 5m".to_owned(),
            reason_zh: "区域“z1”（机动车道）内，机动车×1停留5分".to_owned(),
            rule: RuleRef { id: "lane.motor".to_owned(), version: "0123456789ab".to_owned() },
            model: ModelRef { name: Arc::from("nanodet-g"), sha256: Sha256::of(b"weights") },
            sensed: None,
            ground: None,
        },
        camera: CameraInfo {
            name: "斜土路-大木桥路 东北".to_owned(),
            place: Some(Place {
                grid: Cell::try_from("310104007003012".to_owned()).unwrap(),
                duty_grid: Some("XT-03".to_owned()),
                address: "斜土路 1175 号".to_owned(),
                lon: Some(121.4593),
                lat: Some(31.1896),
            }),
        },
        zone: Zone {
            id: "z7".parse().unwrap(),
            name: "机动车道".to_owned(),
            purpose: ZonePurpose::TrafficLane,
            polygon: Polygon::new(vec![[0.1, 0.4].into(), [0.9, 0.4].into(), [0.9, 0.9].into()]).unwrap(),
            dwell: None,
            overlaps: Vec::new(),
        },
        state: TicketState::Open,
        case: Case::begin(confirmed_at, None).0,
        last_seen: confirmed_at,
        cleared_at: None,
        delivered_at: None,
        route: None,
        clocks: None,
        evidence: Vec::new(),
    }
}
