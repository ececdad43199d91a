//! Tickets, messages and databases for the tests.

use std::sync::Arc;

use domain::{Label, Millis, ModelRef, Point, Polygon, Rect, Sha256, StreamRole, TicketId, Timestamp};

use super::{Database, Server, Store, server::PostgresServer};
use crate::{
    case::Case,
    incident::{Incident, RuleRef, Zone, ZonePurpose},
    ticket::{Body, CameraInfo, Evidence, EvidenceRole, OutgoingMessage, Rendition, Ticket, TicketState},
};

/// A ticket of `camera` whose rule was satisfied `at`.
pub(super) fn ticket(camera: &str, at: i64) -> Ticket {
    let zone = Zone {
        id: "z1".parse().expect("id"),
        name: "非机动车道".to_owned(),
        purpose: ZonePurpose::TrafficLane,
        polygon: Polygon::new([[0.1, 0.2], [0.9, 0.2], [0.9, 0.9]].map(Point::from).to_vec()).expect("polygon"),
        dwell: None,
        overlaps: Vec::new(),
    };
    let bbox = Rect::from([0.1, 0.2, 0.333_333_34, 0.7]);
    let confirmed_at = Timestamp(at);
    Ticket {
        incident: Incident {
            ticket: TicketId::derive(confirmed_at, camera.as_bytes()),
            camera: camera.parse().expect("id"),
            kind: "lane.motor".parse().expect("kind"),
            zone: zone.id.clone(),
            first_seen: Timestamp(at - 300_000),
            last_seen: confirmed_at,
            confirmed_at,
            dwell: Millis::secs(300),
            looks: 31,
            hits: 29,
            score_max: 0.91,
            score_median: 0.83,
            bbox,
            things: vec![domain::Detection {
                class: Label::new("car"),
                group: Label::new("vehicle"),
                score: 0.83,
                bbox,
                mask: None,
                model: None,
            }],
            reason: "a vehicle stood in the lane for 300 s".to_owned(),
            reason_zh: "区域“z1”（机动车道）内，机动车×1停留5分".to_owned(),
            rule: RuleRef { id: "lane.motor/default".to_owned(), version: "0123456789ab".to_owned() },
            model: ModelRef { name: Arc::from("nanodet"), sha256: Sha256::of(b"weights") },
            sensed: None,
            ground: None,
        },
        camera: CameraInfo { name: "斜土路".to_owned(), place: None },
        zone,
        state: TicketState::Open,
        case: Case::begin(confirmed_at, None).0,
        last_seen: confirmed_at,
        cleared_at: None,
        delivered_at: None,
        route: None,
        clocks: None,
        evidence: vec![
            evidence(EvidenceRole::FirstSeen, Rendition::Original),
            evidence(EvidenceRole::Confirming, Rendition::Clean),
            evidence(EvidenceRole::Confirming, Rendition::Annotated),
        ],
    }
}

pub(super) fn evidence(role: EvidenceRole, rendition: Rendition) -> Evidence {
    Evidence {
        role,
        rendition,
        stream: StreamRole::Sub,
        sha256: Sha256::of(format!("{role:?} {rendition:?}").as_bytes()),
        media_type: "image/jpeg".to_owned(),
        bytes: 12_345,
        width: 704,
        height: 576,
        captured_at: Timestamp(1_000),
        camera: None,
    }
}

pub(super) fn picture_message(name: &str) -> OutgoingMessage {
    OutgoingMessage {
        topic: format!("gridwatch/v1/{name}"),
        content_type: "image/jpeg".to_owned(),
        properties: vec![("role".to_owned(), "confirming".to_owned()), ("a".to_owned(), "ü".to_owned())],
        body: Body::Evidence(Sha256::of(name.as_bytes())),
        expires_after: Some(Millis::mins(1440)),
    }
}

pub(super) fn ticket_message(name: &str) -> OutgoingMessage {
    OutgoingMessage {
        body: Body::Inline(format!("{{\"name\":\"{name}\"}}").into_bytes().into()),
        expires_after: None,
        ..picture_message(name)
    }
}

/// A database of its own.
pub(super) struct Temp {
    pub(super) store: Store,
    pub(super) database: Database,
    /// Where the file is, if it is one.
    pub(super) folder: tempfile::TempDir,
}

impl Temp {
    /// A database of the kind that the name of the module (`tests_on_postgres`, `tests_on_sqlite`) says.
    pub(super) async fn of(module: &str) -> Self {
        if module.contains("_on_postgres") { Self::on_postgres().await } else { Self::on_sqlite().await }
    }

    pub(super) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().expect("temp dir");
        let database = Database::File(folder.path().join("data/gridwatch.db"));
        let store = Store::connect(database.clone()).await.expect("opens");
        Self { store, database, folder }
    }

    pub(super) async fn on_postgres() -> Self {
        let database = Database::Server(PostgresServer::shared().database());
        let store = Store::connect(database.clone()).await.expect("connects");
        Self { store, database, folder: tempfile::tempdir().expect("temp dir") }
    }
}

impl PostgresServer {
    /// Stops all of its processes where they are, as a machine that hangs does, until what it gives is dropped.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        self.signal("-STOP");
        Frozen(self)
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid();
        for [program, to] in [["pkill", "-P"], ["kill", "--"]] {
            let done = std::process::Command::new(program).args([signal, to, &pid]).status();
            assert!(done.expect("it is installed").success(), "{program} {signal}");
        }
    }

    /// A new, empty database.
    pub(crate) fn database(&self) -> Server {
        Server {
            url: self.create_database().parse().expect("a URL"),
            password: Some(domain::Secret::new(self.password())),
            statement_timeout: Millis::secs(30),
        }
    }
}

/// A server that hangs.
pub(crate) struct Frozen<'a>(&'a PostgresServer);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.signal("-CONT");
    }
}
