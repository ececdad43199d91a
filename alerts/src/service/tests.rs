mod pictures;
mod sensors;
mod views;

use std::{collections::HashSet, fs, time::Duration};

use bytes::Bytes;
use domain::{
    CameraFault, Cell, Codec, Detection, Frame, Label, LookSource, Millis, ModelRef, Point, Polygon, Rect, Sha256,
    StreamRole,
    picture::{ColorRange, PixelFormat},
};
use jiff::tz::TimeZone;
use tokio::sync::mpsc::Sender;
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::*;
use crate::{
    case::{self, State, Verdict, VerdictKind},
    incident::{Sensed, ZonePurpose},
    jpeg,
    recheck::RecheckConfig,
    rules::RulesConfig,
    sensor::Noted,
    store::{Database, Ruled, Ruling, TicketFilter, server::PostgresServer},
    ticket::{Body, Evidence, EvidenceRole, Rendition, Ticket, TicketState},
    wire::CaseMessages,
};

mod year;

const RULES: &str = r#"
["lane.motor"]
dwell = "10s"
max_gap = "5s"
clear_after = "4s"
"#;

/// 2026-11-23 12:00 UTC; all that happens here happens in the pictures' time.
const NOON: i64 = 1_795_435_200_000;

/// Where the car stands.
const CAR: [f32; 4] = [0.30, 0.40, 0.60, 0.70];

fn decode(jpeg: &[u8]) -> Result<Picture, String> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::YCbCr);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let pixels = decoder.decode().map_err(|error| error.to_string())?;
    let (w, h) = decoder.dimensions().ok_or("no size")?;
    let plane = |channel: usize, step: usize| -> Bytes {
        let rows = (0..h).step_by(step);
        rows.flat_map(|y| (0..w).step_by(step).map(move |x| (y * w + x) * 3 + channel)).map(|i| pixels[i]).collect()
    };
    let (width, height) = (u32::try_from(w).expect("small"), u32::try_from(h).expect("small"));
    Ok(Picture {
        format: PixelFormat::I420,
        range: ColorRange::Full,
        planes: [plane(0, 1), plane(1, 2), plane(2, 2)],
        strides: [w, w.div_ceil(2), w.div_ceil(2)],
        ..Picture::uniform(width, height, [0, 0, 0])
    })
}

struct RealJpegs;

impl StillDecoder for RealJpegs {
    fn decode(&self, access_unit: &AccessUnit) -> Result<Picture, String> {
        decode(&access_unit.data)
    }
}

struct Broken;

impl StillDecoder for Broken {
    fn decode(&self, _: &AccessUnit) -> Result<Picture, String> {
        Err("no such codec".to_owned())
    }
}

/// What a camera's main stream has to give.
enum MainStream {
    None,
    Silent,
    Picture(AccessUnit),
}

impl FullResolution for MainStream {
    fn grab(&self, _: &CameraId) -> Option<Grab> {
        match self {
            Self::None => None,
            Self::Silent => Some(Box::pin(std::future::pending())),
            Self::Picture(access_unit) => Some(Box::pin(std::future::ready(Ok(access_unit.clone())))),
        }
    }
}

/// A street in grey with, perhaps, a bright car; `n` tells one picture from the next.
fn street(car: Option<Rect>, n: u8, (width, height): (u32, u32)) -> Picture {
    let mut picture = Picture { range: ColorRange::Full, ..Picture::uniform(width, height, [70 + n, 128, 128]) };
    if let Some(car) = car {
        let mut luma = picture.planes[0].to_vec();
        let x = |share: f32| (share * width as f32) as usize;
        let y = |share: f32| (share * height as f32) as usize;
        for row in y(car.y0)..y(car.y1) {
            luma[row * width as usize..][x(car.x0)..x(car.x1)].fill(220);
        }
        picture.planes[0] = luma.into();
    }
    picture
}

fn access_unit(picture: &Picture, role: StreamRole, received_at: Timestamp) -> AccessUnit {
    let data = jpeg::encode(picture, 95).expect("encodes").into();
    AccessUnit { codec: Codec::Jpeg, role, received_at, data }
}

/// A look of camera `gate-2`, `seconds` after noon.
fn look(car: Option<[f32; 4]>, seconds: i64) -> Event {
    look_of("gate-2", car, seconds)
}

fn look_of(camera: &str, car: Option<[f32; 4]>, seconds: i64) -> Event {
    let car = car.map(Rect::from);
    let sampled_at = Timestamp(NOON + seconds * 1_000);
    let picture = street(car, (seconds % 100) as u8, (320, 240));
    let camera: CameraId = camera.parse().expect("id");
    let detections = car.map(|bbox| Detection {
        class: Label::new("car"),
        group: Label::new("vehicle"),
        score: 0.8,
        bbox,
        mask: None,
        model: None,
    });
    Event::Look(Box::new(Look {
        camera: camera.clone(),
        sampled_at,
        detections: detections.into_iter().collect(),
        source: LookSource::Detector,
        model: ModelRef { name: "nanodet".into(), sha256: Sha256::of(b"weights") },
        doubt: None,
        learning: false,
        frame: Frame { camera, sampled_at, access_unit: access_unit(&picture, StreamRole::Sub, sampled_at), picture },
    }))
}

fn zone() -> Zone {
    Zone {
        id: "z1".parse().expect("id"),
        name: "公交站".to_owned(),
        purpose: ZonePurpose::NoStopping,
        polygon: Polygon::new([[0.1, 0.2], [0.9, 0.2], [0.9, 0.9], [0.1, 0.9]].map(Point::from).to_vec())
            .expect("polygon"),
        dwell: None,
        overlaps: Vec::new(),
    }
}

fn timetable() -> Timetable {
    let config = crate::deadline::DeadlineConfig::default();
    let calendar = config.calendar(TimeZone::UTC, &[]).expect("a calendar");
    Timetable { calendar, lights: config.lights().expect("lights"), start: config.start }
}

/// A place on disk with a service that can be started on it again and again.
struct Site {
    folder: tempfile::TempDir,
    store: Store,
    evidence: EvidenceStore,
    rules: String,
}

impl Site {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With these keys more in the rule.
    async fn with(keys: &str) -> Self {
        let folder = tempfile::tempdir().expect("temp dir");
        let store = Store::open(&folder.path().join("gridwatch.db")).await.expect("opens");
        let evidence = EvidenceStore::open(&folder.path().join("evidence")).expect("opens");
        Self { folder, store, evidence, rules: format!("{RULES}{keys}") }
    }

    async fn service(&self, stills: impl StillDecoder + 'static, main: MainStream) -> Service {
        Service::new(self.setup(stills, main).await)
    }

    async fn setup(&self, stills: impl StillDecoder + 'static, main: MainStream) -> ServiceSetup {
        let camera: CameraId = "gate-2".parse().expect("id");
        let rules: RulesConfig = toml::from_str(&self.rules).expect("rules");
        let other = Zone { overlaps: vec!["gate-2/z1".to_owned().try_into().expect("a zone")], ..zone() };
        let zones = [(camera.clone(), vec![zone()]), ("gate-3".parse().expect("id"), vec![other])];
        let mut core = Core::new(&rules, TimeZone::UTC, zones.clone()).expect("rules");
        core.restore(self.store.open_tickets().await.expect("read"));
        core.restore_ended(self.store.ended_tickets(Timestamp(0)).await.expect("read"));
        core.restore_sensed(self.store.standing_sensor_cases().await.expect("read"));
        ServiceSetup {
            store: self.store.clone(),
            evidence: self.evidence.clone(),
            core,
            cameras: zones
                .map(|(camera, zones)| (camera, (CameraInfo { name: "斜土路".to_owned(), place: None }, zones)))
                .into(),
            node: Node {
                id: "xh-03".parse().expect("id"),
                district: Cell::try_from("310104".to_owned()).expect("cell"),
                timezone: TimeZone::UTC,
            },
            locator: Locator::none(),
            timetable: watch::channel(timetable()).1,
            stills: Arc::new(stills),
            full_resolution: Arc::new(main),
            rechecking: Rechecking {
                config: RecheckConfig { looks: 3, min_clear: 2, window: Millis::secs(4) },
                look_now: Arc::new(|_| ()),
                due: Vec::new(),
            },
            paces: Arc::new(|_, _| {}),
            config: EvidenceConfig::default(),
            // This machine's clock is far from noon: a tick of it in between would hold the camera to be lost.
            clock: Clock::Looks,
        }
    }

    /// Runs a service over `events` to its end.
    async fn run(&self, main: MainStream, events: impl IntoIterator<Item = Event>) {
        let service = self.service(RealJpegs, main).await;
        let (sender, receiver) = mpsc::channel(1);
        let (ran, ()) = tokio::join!(service.run(receiver), send(sender, events));
        ran.expect("runs");
    }

    async fn tickets(&self) -> Vec<Ticket> {
        self.store.tickets(&TicketFilter::default()).await.expect("read")
    }

    fn bytes(&self, ticket: &Ticket, role: EvidenceRole, rendition: Rendition) -> (Evidence, Bytes) {
        let found = ticket.evidence.iter().find(|e| e.role == role && e.rendition == rendition).expect("is there");
        let bytes = self.evidence.get(&found.sha256).expect("whole");
        assert_eq!(bytes.len() as u64, found.bytes);
        (found.clone(), bytes)
    }
}

async fn send(sender: Sender<Event>, events: impl IntoIterator<Item = Event>) {
    for event in events {
        sender.send(event).await.expect("the service runs");
    }
}

/// A look each two seconds within `seconds`.
fn looks(car: Option<[f32; 4]>, seconds: std::ops::Range<i64>) -> impl Iterator<Item = Event> {
    seconds.step_by(2).map(move |s| look(car, s))
}

#[tokio::test]
async fn a_standing_car_is_one_ticket_with_all_its_pictures_sent_first() {
    let site = Site::new().await;
    site.run(MainStream::None, looks(None, 0..4).chain(looks(Some(CAR), 4..40))).await;

    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    assert_eq!(ticket.state, TicketState::Open);
    assert_eq!(ticket.incident.first_seen, Timestamp(NOON + 4_000));
    let shots: Vec<_> = ticket.evidence.iter().map(|e| (e.role, e.rendition)).collect();
    let roles = [EvidenceRole::FirstSeen, EvidenceRole::Confirming];
    let renditions = [Rendition::Original, Rendition::Clean, Rendition::Annotated];
    assert_eq!(shots, roles.map(|role| renditions.map(|rendition| (role, rendition))).concat());

    // The first-seen original is what the camera sent four seconds after noon, byte for byte.
    let Event::Look(first) = look(Some(CAR), 4) else { unreachable!() };
    let (evidence, original) = site.bytes(ticket, EvidenceRole::FirstSeen, Rendition::Original);
    assert_eq!(original, first.frame.access_unit.data);
    assert_eq!((evidence.captured_at, evidence.width, evidence.height), (first.sampled_at, 320, 240));

    // The confirming clean picture shows the car and nothing else; the annotated one has a box around it.
    let (_, clean) = site.bytes(ticket, EvidenceRole::Confirming, Rendition::Clean);
    let clean = decode(&clean).expect("a JPEG");
    assert!(clean.planes[0][132 * 320 + 144] > 200, "the car's middle is bright");
    assert!(clean.planes[2].iter().all(|cr| cr.abs_diff(128) < 8), "the street is grey");
    let (evidence, annotated) = site.bytes(ticket, EvidenceRole::Confirming, Rendition::Annotated);
    let annotated = decode(&annotated).expect("a JPEG");
    assert_eq!((evidence.width, evidence.height), (annotated.width, annotated.height));
    let red = |x: usize, y: usize| annotated.planes[2][y / 2 * 160 + x / 2] > 170;
    assert!((96..=97).any(|x| red(x, 140)) && (191..=193).any(|x| red(x, 140)), "the box's sides");
    assert!(!red(144, 132) && !red(20, 20), "nothing within the box or far from it");

    // Every picture comes before the ticket, under the digest that the ticket names.
    let queued = site.store.outbox_next(0, 100).await.expect("read");
    let (event, pictures) = queued.split_last().expect("some");
    let Body::Inline(event) = &event.message.body else { panic!("the last message is the ticket") };
    let event = std::str::from_utf8(event).expect("JSON");
    let sent: HashSet<_> = pictures
        .iter()
        .map(|q| match &q.message.body {
            Body::Evidence(sha256) => *sha256,
            Body::Inline(_) => panic!("a picture is sent from the evidence store"),
        })
        .collect();
    for evidence in &ticket.evidence {
        assert!(event.contains(&evidence.sha256.to_string()));
        assert!(sent.contains(&evidence.sha256) || evidence.rendition == Rendition::Original);
    }
}

#[tokio::test]
async fn a_passing_car_is_none() {
    let site = Site::new().await;
    let passing = (0..20).map(|n| {
        let x = -0.2 + n as f32 * 0.06;
        look(Some([x, 0.4, x + 0.3, 0.7]), n * 2)
    });
    site.run(MainStream::None, passing).await;
    assert_eq!(site.tickets().await, []);
    assert_eq!(site.store.counts().await.expect("read").queued_messages, 0);
}

#[tokio::test]
async fn a_ticket_outlives_a_restart_and_is_cleared_with_a_picture_of_the_empty_place() {
    let site = Site::new().await;
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let opened = site.tickets().await;
    site.run(MainStream::None, looks(Some(CAR), 60..100)).await;
    let still = site.tickets().await;
    assert_eq!(still.iter().map(Ticket::id).collect::<Vec<_>>(), opened.iter().map(Ticket::id).collect::<Vec<_>>());
    assert!(still[0].last_seen > opened[0].last_seen, "what was seen again is written down at the end");

    site.run(MainStream::None, looks(None, 100..140)).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    assert_eq!((ticket.state, ticket.last_seen), (TicketState::Cleared, still[0].last_seen));
    let (evidence, clean) = site.bytes(ticket, EvidenceRole::After, Rendition::Clean);
    assert_eq!(Some(evidence.captured_at), ticket.cleared_at);
    assert!(decode(&clean).expect("a JPEG").planes[0][132 * 320 + 144] < 180, "the place is empty");
    site.bytes(ticket, EvidenceRole::After, Rendition::Annotated);
    let queued = site.store.outbox_next(0, 100).await.expect("read");
    let topics: Vec<_> = queued.iter().rev().take(2).map(|q| q.message.topic.as_str()).collect();
    assert!(topics[0].ends_with("/state") && topics[1].contains("cleared"), "{topics:?}");
}

/// What the outbox holds of this sort, each as JSON, and the pictures sent before it.
async fn told(site: &Site, word: &str) -> Vec<(serde_json::Value, HashSet<String>)> {
    let (mut told, mut pictures) = (Vec::new(), HashSet::new());
    for queued in site.store.outbox_next(0, 1_000).await.expect("read") {
        match &queued.message.body {
            Body::Evidence(sha256) => {
                pictures.insert(sha256.to_string());
            }
            Body::Inline(event) if queued.message.topic.ends_with(word) => {
                told.push((serde_json::from_slice(event).expect("JSON"), pictures.clone()));
            }
            Body::Inline(_) => {}
        }
    }
    told
}

/// The platform says so at this second.
async fn say(site: &Site, ticket: TicketId, word: VerdictKind, second: i64) {
    let at = Timestamp(NOON + second * 1_000);
    let ruling = Ruling::plain(ticket, at, case::Event::Said(Verdict::new(word, at)));
    let ruled = site.store.rule(&ruling, |_, _| CaseMessages::default()).await.expect("written");
    assert!(matches!(ruled, Ruled::Applied { .. }), "{ruled:?}");
}

#[tokio::test]
async fn what_is_said_to_be_handled_is_looked_at_again() {
    let site = Site::new().await;
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let ticket = site.tickets().await.remove(0);
    let id = ticket.id();
    for (second, car, result) in [(60, Some(CAR), "still_there"), (90, None, "cleared")] {
        say(&site, id, VerdictKind::Handled, second).await;
        let again = Event::LookAgain(Box::new(ticket.clone()), Timestamp(NOON + second * 1_000));
        site.run(MainStream::None, std::iter::once(again).chain(looks(car, second..second + 8))).await;
        let checked = told(&site, "/checked").await;
        let (event, pictures) = checked.last().expect("a result");
        let data = &event["data"];
        assert_eq!((data["result"].as_str(), data["looks"].as_u64()), (Some(result), Some(3)), "{data:#}");
        let [before, after] = ["before", "after"].map(|when| data[when].as_array().expect("pictures"));
        assert_eq!((before.len(), after.len()), (2, 2), "clean and annotated: {data:#}");
        for picture in before.iter().chain(after) {
            assert!(pictures.contains(picture["sha256"].as_str().expect("a digest")), "sent before: {picture:#}");
        }
        assert_eq!(site.tickets().await[0].case.state().as_str(), result);
    }
    let states: Vec<_> = told(&site, "/state").await.iter().map(|(s, _)| s["data"]["to"].to_string()).collect();
    assert_eq!(states, ["verifying", "still_there", "verifying", "cleared"].map(|state| format!("\"{state}\"")));
}

#[tokio::test]
async fn of_a_sensor_s_ticket_its_readings_tell_what_no_look_can() {
    let site = Site::new().await;
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let seen = site.tickets().await.remove(0).incident;
    let id = TicketId::derive(Timestamp(NOON), b"a bin");
    let sensed = Sensed {
        device: "bin-7".parse().expect("id"),
        name: "斜土路 7 号桶".to_owned(),
        measure: "bin_fill".to_owned(),
        unit: "%".to_owned(),
        readings: vec![Noted { at: Timestamp(NOON), value: 95.0 }],
    };
    let kind = "garbage.bin_overflow".parse().expect("kind");
    let incident = Incident { ticket: id, kind, sensed: Some(Box::new(sensed)), things: Vec::new(), ..seen };
    let camera = CameraInfo { name: "斜土路".to_owned(), place: None };
    let case =
        SensedCase { incident, camera, zone: zone(), joins: Vec::new(), ground: None, look_at: None, review: None };
    site.run(MainStream::None, [Event::Sensed(Sensing::Open(Box::new(case)))]).await;
    let at = |second: i64| Timestamp(NOON + second * 1_000);
    let holds = Sensing::Holds { ticket: id, at: at(61) };
    let clear = Sensing::Clear { ticket: id, last_seen: at(61), cleared_at: at(92) };
    for (second, word, result) in [(60, holds, "still_there"), (90, clear, "cleared")] {
        say(&site, id, VerdictKind::Handled, second).await;
        let tickets = site.tickets().await;
        let ticket = tickets.into_iter().find(|ticket| ticket.id() == id).expect("it is open");
        let again = Event::LookAgain(Box::new(ticket), at(second));
        let events =
            [again, look(None, second), Event::Sensed(word)].into_iter().chain(looks(None, second + 2..second + 8));
        site.run(MainStream::None, events).await;
        let checked = told(&site, "/checked").await;
        let data = &checked.last().expect("a result").0["data"];
        assert_eq!(data["result"].as_str(), Some(result), "{data:#}");
        assert!(!data["after"].as_array().expect("pictures").is_empty(), "{data:#}");
    }
}

#[tokio::test]
async fn a_blind_camera_proves_nothing_and_shows_what_it_sees() {
    let site = Site::new().await;
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let ticket = site.tickets().await.remove(0);
    say(&site, ticket.id(), VerdictKind::Handled, 60).await;
    let camera = &ticket.incident.camera;
    let again = Event::LookAgain(Box::new(ticket.clone()), Timestamp(NOON + 60_000));
    // Two looks through the cloth, before anybody notices that it hangs there.
    let unfit = Event::Unfit { camera: camera.clone(), at: Timestamp(NOON + 63_000), fault: CameraFault::Blind };
    let covered = looks(None, 60..64).chain([unfit]).chain(looks(None, 64..70));
    site.run(MainStream::None, std::iter::once(again).chain(covered)).await;
    let checked = told(&site, "/checked").await;
    let data = &checked.last().expect("a result").0["data"];
    assert_eq!((data["result"].as_str(), data["reason"].as_str()), (Some("unclear"), Some("camera_blind")), "{data:#}");
    let after = data["after"].as_array().expect("pictures");
    assert_eq!((after.len(), after[0]["role"].as_str()), (2, Some("unclear")), "{data:#}");
    assert_eq!(site.tickets().await[0].case.state(), State::Handled, "where it was");
}

#[tokio::test]
async fn a_camera_that_goes_away_during_a_check_leaves_its_newest_picture() {
    let site = Site::new().await;
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let ticket = site.tickets().await.remove(0);
    say(&site, ticket.id(), VerdictKind::Handled, 60).await;
    let lost = Event::Lost(ticket.incident.camera.clone(), Timestamp(NOON + 61_500));
    let again = Event::LookAgain(Box::new(ticket), Timestamp(NOON + 60_000));
    // Time goes on with the looks of another camera.
    let others = [look(None, 60), lost, look_of("gate-3", None, 121), look_of("gate-3", None, 123)];
    site.run(MainStream::None, std::iter::once(again).chain(others)).await;
    let checked = told(&site, "/checked").await;
    let data = &checked.last().expect("a result").0["data"];
    assert_eq!((data["result"].as_str(), data["reason"].as_str()), (Some("unclear"), Some("camera_lost")), "{data:#}");
    assert_eq!(data["after"].as_array().expect("pictures").len(), 2, "{data:#}");
}

#[tokio::test]
async fn a_check_that_was_due_when_the_process_ended_is_taken_up_again() {
    let site = Site::new().await;
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let ticket = site.tickets().await.remove(0);
    say(&site, ticket.id(), VerdictKind::Handled, 30).await;
    // The process ends after one look of three.
    let again = Event::LookAgain(Box::new(ticket.clone()), Timestamp(NOON + 30_000));
    site.run(MainStream::None, std::iter::once(again).chain(looks(None, 30..31))).await;
    assert_eq!((site.tickets().await[0].case.state().as_str(), told(&site, "/checked").await.len()), ("verifying", 0));

    let mut setup = site.setup(RealJpegs, MainStream::None).await;
    setup.rechecking.due = site.tickets().await;
    let began = SystemTime::now();
    let (sender, receiver) = mpsc::channel(1);
    // These looks are of now, as those of a process that was just started are.
    let now = Timestamp::from(began).0 - NOON;
    let seconds = now / 1_000 + 1..now / 1_000 + 121;
    let (ran, ()) = tokio::join!(Service::new(setup).run(receiver), send(sender, looks(None, seconds)));
    ran.expect("runs");
    assert_eq!(site.tickets().await[0].case.state().as_str(), "cleared");
}

/// The last levels of the topics of all that waits in the outbox.
async fn topics(site: &Site) -> Vec<String> {
    let queued = site.store.outbox_next(0, 100).await.expect("read");
    queued.iter().map(|q| q.message.topic.rsplit('/').next().expect("some").to_owned()).collect()
}

#[tokio::test]
async fn what_stands_on_gets_another_picture_and_a_closed_ticket_is_opened_again() {
    let site = Site::with("realarm = '1m'\n").await;
    site.run(MainStream::None, looks(Some(CAR), 0..90)).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    let (again, _) = site.bytes(ticket, EvidenceRole::StillThere, Rendition::Annotated);
    assert!(again.captured_at >= ticket.incident.confirmed_at + Millis::mins(1));
    assert_eq!(topics(&site).await.last().map(String::as_str), Some("evidence"));

    let at = Timestamp(NOON + 90_000);
    let closed = case::Event::Said(Verdict::new(VerdictKind::Closed, at));
    let ruling = Ruling::plain(ticket.id(), at, closed);
    site.store.rule(&ruling, |_, _| CaseMessages::default()).await.expect("written");
    site.run(MainStream::None, looks(Some(CAR), 90..120)).await;
    assert_eq!(site.tickets().await[0].case.state(), State::Closed, "not yet");
    site.run(MainStream::None, looks(Some(CAR), 120..170)).await;
    let [ticket] = &site.tickets().await[..] else { panic!("no second ticket") };
    assert_eq!((ticket.state, ticket.case.state(), ticket.case.reopened()), (TicketState::Open, State::StillThere, 1));
    let topics = topics(&site).await;
    assert_eq!(topics[topics.len() - 2..], ["evidence", "state"], "its picture goes first");
}

#[tokio::test]
async fn a_rejected_ticket_is_let_go_and_its_place_stays_quiet() {
    let site = Site::new().await;
    let camera: CameraId = "gate-2".parse().expect("id");
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let ticket = site.tickets().await[0].id();
    let ended = Event::Ended { camera, ticket, ending: Ending::Rejected, at: Timestamp(NOON + 20_000) };
    site.run(MainStream::None, looks(Some(CAR), 20..22).chain([ended]).chain(looks(Some(CAR), 22..90))).await;
    let [rejected] = &site.tickets().await[..] else { panic!("no second ticket") };
    assert!(rejected.last_seen < Timestamp(NOON + 22_000), "nobody writes down that it is seen again");
}

#[tokio::test]
async fn what_a_person_must_confirm_is_not_filed() {
    let site = Site::with("review = true\nreview_expiry = '2h'\n").await;
    site.run(MainStream::None, looks(Some(CAR), 0..40)).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    let until = ticket.incident.confirmed_at + Millis::mins(120);
    assert_eq!((ticket.case.state(), ticket.case.review_until()), (State::PendingReview, Some(until)));
    site.bytes(ticket, EvidenceRole::Confirming, Rendition::Clean);
    let told = topics(&site).await;
    let (pictures, rest) = told.split_at(told.len() - 2);
    assert_eq!(rest, ["lead", "state"]);
    assert!(!pictures.is_empty() && pictures.iter().all(|topic| topic.len() == 64), "{told:?}");
    // It went away before anybody looked: the platform, which was not told of it, is not told that either.
    site.run(MainStream::None, looks(None, 40..80)).await;
    assert_eq!(site.tickets().await[0].case.state(), State::GoneByItself);
    assert_eq!(topics(&site).await[told.len()..], ["state"]);
}

#[tokio::test]
async fn a_picture_from_the_main_stream_comes_on_top() {
    let site = Site::new().await;
    let full = street(Some(CAR.into()), 0, (1280, 720));
    let full = access_unit(&full, StreamRole::Main, Timestamp(NOON + 10_500));
    site.run(MainStream::Picture(full.clone()), looks(Some(CAR), 0..20)).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    let (evidence, bytes) = site.bytes(ticket, EvidenceRole::Confirming, Rendition::Original);
    assert_eq!((evidence.stream, evidence.width, evidence.captured_at), (StreamRole::Main, 1280, full.received_at));
    assert_eq!(bytes, full.data);
    let confirming = ticket.evidence.iter().filter(|e| e.role == EvidenceRole::Confirming);
    assert_eq!(confirming.filter(|e| e.stream == StreamRole::Sub).count(), 3);
}

#[tokio::test]
async fn a_silent_main_stream_costs_less_than_a_second_and_no_ticket() {
    let site = Site::new().await;
    let began = Instant::now();
    site.run(MainStream::Silent, looks(Some(CAR), 0..20)).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    assert_eq!(ticket.evidence.len(), 6);
    assert!(began.elapsed() >= FULL_RESOLUTION_WAIT, "it was waited for");
}

#[tokio::test]
async fn a_first_seen_picture_that_cannot_be_decoded_is_kept_as_it_came() {
    let site = Site::new().await;
    let service = site.service(Broken, MainStream::None).await;
    let (sender, receiver) = mpsc::channel(1);
    let (ran, ()) = tokio::join!(service.run(receiver), send(sender, looks(Some(CAR), 0..20)));
    ran.expect("runs");
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    let first: Vec<_> = ticket.evidence.iter().filter(|e| e.role == EvidenceRole::FirstSeen).collect();
    assert_eq!(first.iter().map(|e| e.rendition).collect::<Vec<_>>(), [Rendition::Original]);
    assert_eq!(ticket.evidence.len(), 4);
}

/// A metric without labels; 0 where it was not told yet.
fn figure(figures: &metrics_exporter_prometheus::PrometheusHandle, name: &str) -> u32 {
    let text = figures.render();
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next().map_or(0, |n| n.parse().expect("a number"))
}

#[tokio::test]
async fn nothing_is_lost_while_the_disk_refuses() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let figures = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let site = Site::new().await;
    let incoming = site.folder.path().join("evidence/incoming");
    fs::remove_dir(&incoming).expect("removed");

    let service = site.service(RealJpegs, MainStream::None).await;
    let (sender, receiver) = mpsc::channel(1);
    let repair = async {
        // More looks than any queue holds: they go on while the ticket waits for the disk.
        send(sender, looks(Some(CAR), 0..100).chain(looks(None, 100..120))).await;
        let deadline = Instant::now() + Duration::from_secs(30);
        while figure(&figures, "gridwatch_write_failures_total") < 2 {
            assert!(Instant::now() < deadline, "it was not tried again");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(site.tickets().await, []);
        fs::create_dir(&incoming).expect("made");
    };
    let (ran, ()) = tokio::join!(service.run(receiver), repair);
    ran.expect("runs");
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    assert_eq!(ticket.state, TicketState::Cleared);
    assert_eq!(ticket.evidence.len(), 9);
    let figures = figures.render();
    for line in [
        r#"gridwatch_suspects_total{kind="lane.motor"} 1"#,
        r#"gridwatch_tickets_opened_total{kind="lane.motor"} 1"#,
        r#"gridwatch_tickets_cleared_total{kind="lane.motor"} 1"#,
        r#"gridwatch_tickets{state="cleared"} 1"#,
        "gridwatch_ticket_write_seconds_count 1",
        "gridwatch_first_seen_bytes 0",
    ] {
        assert!(figures.contains(line), "{line} is not in\n{figures}");
    }
}

#[tokio::test]
async fn a_database_that_hangs_is_told_and_then_nothing_is_lost() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let figures = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let server = PostgresServer::start();
    let store = Store::connect(Database::Server(server.database())).await.expect("connects");
    let site = Site { store, ..Site::new().await };
    let service = site.service(RealJpegs, MainStream::None).await;
    let (sender, receiver) = mpsc::channel(1);
    let hang = async {
        let frozen = server.freeze();
        send(sender, looks(Some(CAR), 0..20).chain(looks(None, 20..40))).await;
        let deadline = Instant::now() + Duration::from_secs(30);
        while figure(&figures, "gridwatch_writes_hang") == 0 {
            assert!(Instant::now() < deadline, "nobody says that it hangs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(frozen);
    };
    let (ran, ()) = tokio::join!(service.run(receiver), hang);
    ran.expect("runs");
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    assert_eq!((ticket.state, ticket.evidence.len()), (TicketState::Cleared, 9));
    assert!(figures.render().contains("gridwatch_writes_hang 0"));
}

#[tokio::test]
async fn a_zone_that_only_the_rules_know_ends_the_service() {
    let site = Site::new().await;
    let mut service = site.service(RealJpegs, MainStream::None).await;
    service.watch.cameras.clear();
    let (sender, receiver) = mpsc::channel(100);
    send(sender, looks(Some(CAR), 0..20)).await;
    let error = service.run(receiver).await.expect_err("not configured");
    assert!(error.to_string().contains("zone z1 of camera gate-2"), "{error}");
}

#[tokio::test]
async fn whoever_asks_hears_when_all_looks_before_have_been_judged() {
    let site = Site::new().await;
    let paces = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&paces);
    let mut setup = site.setup(RealJpegs, MainStream::None).await;
    setup.paces = Arc::new(move |_, pace| heard.lock().expect("lock").push(pace));
    let (sender, receiver) = mpsc::channel(1);
    let asked = async {
        send(sender.clone(), looks(Some(CAR), 0..8)).await;
        let (judged, answer) = oneshot::channel();
        send(sender, [Event::Judged(judged)]).await;
        answer.await.expect("an answer");
        paces.lock().expect("lock").clone()
    };
    let (ran, paces) = tokio::join!(Service::new(setup).run(receiver), asked);
    ran.expect("runs");
    assert_eq!(paces, [Pace::Active], "the standing car is known by now, and nothing came between");
}

#[tokio::test]
async fn a_ticket_is_routed_by_the_list_in_force_and_keeps_what_was_decided() {
    let site = Site::new().await;
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    let route = ticket.route.as_ref().expect("a built-in kind");
    assert_eq!((route.decided_by(), route.task.dept.zh(), u8::from(route.task.level)), ("built_in", "交警", 4));
    assert_eq!(route.solve_due, Some(ticket.incident.confirmed_at + domain::Millis::mins(180)));
    assert!(route.why.en.starts_with("there is no responsibility list"), "{}", route.why.en);

    // An import while the service runs counts for the next ticket, and changes none that is there.
    let node = site.setup(RealJpegs, MainStream::None).await.node;
    let mut router = Router::new(watch::channel(timetable()).1);
    let mut routed = async || router.route(ticket, &node, &site.store).await.expect("read").expect("somebody");
    assert_eq!(Some(&routed().await), ticket.route.as_deref());
    for version in 1..=2 {
        let item = serde_json::from_value(serde_json::json!({
            "id": "T-087", "kind": "lane.motor", "place": "310104", "place_name": {"zh": "徐汇区", "en": "Xuhui"},
            "days": [], "hours": [], "name": {"zh": "乱停", "en": "parking"}, "codes": [], "copies": [], "steps": [],
            "dept": {"zh": format!("第{version}中队"), "en": format!("squad {version}")}, "level": 3, "arrive": null,
            "solve": {"amount": 1, "unit": "work_day"}, "photos_open": 1, "photos_close": 2, "until": null,
        }))
        .expect("an item");
        let versions = [crate::duty::ItemVersion { version, from: jiff::civil::date(2026, 11, 1), item }];
        site.store.add_duty_versions(&versions, "list.csv", Timestamp(0)).await.expect("written");
        let now = routed().await;
        assert_eq!(now.item, Some(crate::routed::ItemRef { id: "T-087".to_owned(), version }));
        assert_eq!((now.task.dept.en(), now.task.photos_close), (format!("squad {version}").as_str(), 2));
        // No holidays are known here, so a limit in work days has no due time rather than a wrong one.
        assert_eq!((now.arrive_due, now.solve_due), (None, None));
    }
    assert_eq!(site.tickets().await[0].route.as_ref().expect("as before").item, None);
}
