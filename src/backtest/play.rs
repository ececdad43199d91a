//! Plays a scene: paints each look's picture, sends it through codec, decoder, looker, rules, evidence and store, and keeps
//! what came of it.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use alerts::{
    clocks::{ClockStart, Timetable},
    deadline::DeadlineConfig,
    evidence::{EvidenceConfig, EvidenceStore},
    incident::Pace,
    recheck::RecheckConfig,
    rules::{Core, RulesConfig},
    service::{Clock, Event, FullResolution, Grab, Locator, Rechecking, Service, ServiceSetup},
    store::{Store, TicketFilter},
    ticket::{CameraInfo, EvidenceRole, Rendition, Ticket},
    wire::Node,
};
use anyhow::Context as _;
use bytes::Bytes;
use domain::{CameraId, Cell, Detection, Frame, LookSource, Millis, Rect};
use ingest::{Decoder, Encoder, Occasion};
use scenery::Painter;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use super::{
    material::Shelf,
    scene::{Expect, Forbid, Scene},
    score::{Awaited, Filed, Score, Trap, Where, judge},
};
use crate::{
    fleet::Stills,
    health::HealthBoard,
    looker::{Looked, Looker},
};

/// More tickets than this from one scene are not told apart any more.
const MOST_TICKETS: u32 = 1_000;

/// JPEG quality of the pictures of a report.
const QUALITY: u8 = 80;

/// What one thread needs to play scenes, one after the other.
pub struct Player {
    /// Looks at the pictures.
    pub looker: Looker,
    /// Where files are found.
    pub shelf: Shelf,
    /// The rules that a scene's own are written over.
    pub rules: RulesConfig,
    /// The decoders of the cameras.
    pub decoders: ingest::DecoderConfig,
    /// The runtime that tickets are written on.
    pub runtime: Handle,
}

/// What came of a scene.
pub struct Played {
    /// Width and height of its pictures in pixels.
    pub size: (usize, usize),
    /// The tickets, in the order in which they were opened.
    pub tickets: Vec<(Ticket, Option<Bytes>)>,
    /// How they compare with what was awaited.
    pub score: Score,
    /// What was awaited, as the score counts it.
    pub awaited: Vec<Awaited>,
    /// What each awaited place showed.
    pub shown: Vec<Shown>,
    /// Looks made.
    pub looks: u64,
    /// Looks that the detector ran on.
    pub detected: u64,
    /// How long it took.
    pub took: Duration,
    /// The scene's picture in the middle of its time, as JPEG.
    pub middle: Bytes,
}

/// What the looks saw at an awaited place while it stood there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shown {
    /// A picture while it stands, as JPEG.
    pub picture: Bytes,
    /// By label: the share of the looks that showed one at the place, and the median of its scores.
    pub labels: Vec<(String, f32, f32)>,
}

/// One look, as far as a report needs it.
struct Note {
    at: Millis,
    detections: Vec<Detection>,
}

impl Player {
    /// Plays `scene`, whose file lies in `beside`.
    ///
    /// # Errors
    /// When its material cannot be read or the pipeline fails; a ticket that is wrong is no error.
    pub fn play(&mut self, scene: &Scene, beside: &Path) -> anyhow::Result<Played> {
        let begun = Instant::now();
        let (mut view, things) = self.shelf.fetch(scene, beside)?;
        let painter = Painter::new(things, scene.effects.clone(), scene.seed)?;
        let begins = scene.begins()?;
        let camera = scene.camera()?.id;

        let folder = tempfile::tempdir().context("no folder for the tickets of a scene")?;
        let store = self.runtime.block_on(Store::open(&folder.path().join("scene.db")))?;
        let evidence = EvidenceStore::open(&folder.path().join("evidence"))?;
        let mut rules = self.rules.clone();
        rules.0.extend(scene.rules.0.clone());
        let mut core = Core::new(&rules, scene.time_zone()?, [(camera.clone(), scene.zones.clone())])?;
        core.set_permits(scene.permits.clone())?;
        let pace = Arc::new(Mutex::new(Pace::Idle));
        let service = Service::new(ServiceSetup {
            store: store.clone(),
            evidence: evidence.clone(),
            core,
            cameras: [(camera.clone(), (CameraInfo { name: scene.name.clone(), place: None }, scene.zones.clone()))]
                .into(),
            node: Node {
                id: "backtest".parse().expect("a node id"),
                district: Cell::try_from("310104".to_owned()).expect("a district"),
                timezone: scene.time_zone()?,
            },
            locator: Locator::none(),
            timetable: watch::channel(Timetable {
                calendar: DeadlineConfig::default().calendar(scene.time_zone()?, &[])?,
                lights: DeadlineConfig::default().lights().map_err(anyhow::Error::msg)?,
                start: ClockStart::Filed,
            })
            .1,
            stills: Arc::new(Stills::new(Decoder::new(&self.decoders)?)),
            full_resolution: Arc::new(NoMainStream),
            rechecking: Rechecking {
                config: RecheckConfig::default(),
                look_now: Arc::new(|_: &CameraId| ()),
                due: Vec::new(),
            },
            paces: Arc::new({
                let pace = Arc::clone(&pace);
                move |_: &CameraId, now| *pace.lock().unwrap_or_else(PoisonError::into_inner) = now
            }),
            config: EvidenceConfig { jpeg_quality: QUALITY, ..EvidenceConfig::default() },
            clock: Clock::Looks,
        });
        let (events, queue) = mpsc::channel(1);
        let mut running = JoinSet::new();
        running.spawn_on(service.run(queue), &self.runtime);

        let health = HealthBoard::default();
        // Fails only where the service has ended; why it did is told below.
        let tell = |ailments, at| {
            let event = health.post(&camera, ailments).map(|trust| trust.event(camera.clone(), at));
            let _ = event.map(|event| events.blocking_send(event));
        };

        let first = view.at(Millis::ZERO)?;
        let size = (first.width, first.height);
        let mut encoder = Encoder::new(size.0 as u32, size.1 as u32, scene.quantizer)?;
        let mut decoder = Decoder::new(&self.decoders)?;
        let awaited: Vec<Awaited> =
            scene.expect.iter().map(|expect| awaited(expect, scene, &painter, size)).collect::<anyhow::Result<_>>()?;
        let mut shown = vec![Shown::default(); awaited.len()];
        let (mut notes, mut detected, mut middle) = (Vec::new(), 0, Bytes::new());
        // What the camera has learnt of its view by then is no part of the scene: neither rules nor scores hear of it.
        let mut before = Millis::ZERO;
        while before < scene.watched {
            let backdrop = if before == Millis::ZERO { first.clone() } else { view.at(before)? };
            // Some milliseconds into the scene, so that its chance differs from look to look.
            let picture = painter.paint(Millis(before.0 / scene.look_interval.0.max(1)), &backdrop);
            let sampled_at = begins - scene.watched + before;
            let access_unit = encoder.encode(&picture, sampled_at)?;
            let picture = decoder.decode(&access_unit)?;
            let frame = Frame { camera: camera.clone(), sampled_at, access_unit, picture };
            tell(self.looker.look(frame, None, Occasion::Routine)?.ailments, sampled_at);
            before = later(before, scene.look_interval);
        }
        let mut t = Millis::ZERO;
        while t <= scene.duration {
            let backdrop = view.at(Millis(before.0.saturating_add(t.0)))?;
            let picture = painter.paint(t, &backdrop);
            let access_unit = encoder.encode(&picture, begins + t)?;
            let picture = decoder.decode(&access_unit)?;
            if middle.is_empty() && t.0 * 2 >= scene.duration.0 {
                middle = alerts::jpeg::encode(&picture, QUALITY)?.into();
            }
            for (awaited, shown) in awaited.iter().zip(&mut shown) {
                // Well into its time, when whatever made it stand there has gone.
                if shown.picture.is_empty()
                    && t >= Millis((awaited.since.0 + awaited.before.0.min(scene.duration.0)) / 2)
                {
                    shown.picture = alerts::jpeg::encode(&picture, QUALITY)?.into();
                }
            }
            let occasion = match *pace.lock().unwrap_or_else(PoisonError::into_inner) {
                Pace::Idle => Occasion::Routine,
                Pace::Active => Occasion::Suspected,
            };
            let frame = Frame { camera: camera.clone(), sampled_at: begins + t, access_unit, picture };
            let Looked { look, ailments, .. } = self.looker.look(frame, None, occasion)?;
            tell(ailments, look.sampled_at);
            detected += u64::from(look.source == LookSource::Detector);
            notes.push(Note { at: t, detections: look.detections.clone() });
            // As above.
            let (judged, answer) = oneshot::channel();
            let sent = events.blocking_send(Event::Look(Box::new(look))).is_ok()
                && events.blocking_send(Event::Judged(judged)).is_ok();
            if !sent || answer.blocking_recv().is_err() {
                break;
            }
            let pace = *pace.lock().unwrap_or_else(PoisonError::into_inner);
            t = later(t, if pace == Pace::Active { scene.active_interval } else { scene.look_interval });
        }
        drop(events);
        let ended = self.runtime.block_on(running.join_next()).context("the service was never there")?;
        ended.context("the service of a scene failed")??;

        let mut tickets = self.runtime.block_on(async {
            let filter = TicketFilter { limit: MOST_TICKETS, ..TicketFilter::default() };
            let tickets = store.tickets(&filter).await;
            store.close().await;
            tickets
        })?;
        tickets.sort_by_key(|ticket| (ticket.incident.confirmed_at, ticket.id()));
        let filed: Vec<Filed> = tickets
            .iter()
            .map(|ticket| Filed {
                kind: ticket.incident.kind.clone(),
                place: ticket.incident.bbox,
                opened: ticket.incident.confirmed_at.since(begins),
                cleared: ticket.cleared_at.map(|at| at.since(begins)),
            })
            .collect();
        let traps: Vec<Trap> = scene.forbid.iter().map(|forbid| trap(forbid, &painter, scene, size)).collect();
        for (awaited, shown) in awaited.iter().zip(&mut shown) {
            shown.labels = labels(awaited, &notes);
        }
        let picture = |ticket: &Ticket| {
            let piece = ticket
                .evidence
                .iter()
                .find(|piece| piece.rendition == Rendition::Annotated && piece.role == EvidenceRole::Confirming)?;
            evidence.get(&piece.sha256).ok()
        };
        Ok(Played {
            size,
            score: judge(&filed, &awaited, &traps),
            tickets: tickets.into_iter().map(|ticket| (ticket.clone(), picture(&ticket))).collect(),
            awaited,
            shown,
            looks: notes.len() as u64,
            detected,
            took: begun.elapsed(),
            middle,
        })
    }
}

fn later(t: Millis, interval: Millis) -> Millis {
    Millis(t.0.saturating_add(interval.0))
}

/// The camera of a scene has one stream.
struct NoMainStream;

impl FullResolution for NoMainStream {
    fn grab(&self, _: &CameraId) -> Option<Grab> {
        None
    }
}

/// What a scene expects, with the place and time that its things have in truth.
fn awaited(expect: &Expect, scene: &Scene, painter: &Painter, size: (usize, usize)) -> anyhow::Result<Awaited> {
    let things = scene.things.iter().filter(|thing| expect.things.contains(&thing.name));
    let since = expect.since.or(things.map(scenery::Thing::stands_since).max()).unwrap_or(Millis::ZERO);
    let place = match (&expect.place, &expect.area) {
        (Some(place), _) => Where::Box(*place, expect.min_iou),
        (_, Some(area)) => Where::Area(area.clone()),
        _ => {
            let all = around(&expect.things, painter, since, size)
                .with_context(|| format!("{} are not in the picture at {since}", expect.things.join(", ")))?;
            Where::Box(all, expect.min_iou)
        }
    };
    Ok(Awaited {
        kinds: expect.kind.all().to_vec(),
        place,
        since,
        after: later(since, expect.after),
        before: expect.within.map_or(scene.duration, |within| later(since, within)),
        cleared_by: expect.cleared_by,
    })
}

fn trap(forbid: &Forbid, painter: &Painter, scene: &Scene, size: (usize, usize)) -> Trap {
    let things = scene.things.iter().filter(|thing| forbid.things.contains(&thing.name));
    let since = things.map(scenery::Thing::stands_since).max().unwrap_or(Millis::ZERO);
    let place = forbid.place.or_else(|| around(&forbid.things, painter, since, size));
    Trap {
        kinds: forbid.kind.as_ref().map_or_else(Vec::new, |kind| kind.all().to_vec()),
        place: place.map_or(Where::Anywhere, |place| Where::Box(place, 0.1)),
    }
}

/// A box around things at a time.
fn around(things: &[String], painter: &Painter, t: Millis, size: (usize, usize)) -> Option<Rect> {
    things.iter().filter_map(|thing| painter.place(thing, t, size)).reduce(Rect::union)
}

/// What the looks saw at a place while it stood there, the most frequent first.
fn labels(awaited: &Awaited, notes: &[Note]) -> Vec<(String, f32, f32)> {
    let looks: Vec<&Note> = notes.iter().filter(|note| note.at >= awaited.since && note.at <= awaited.before).collect();
    let there = |bbox: Rect| match &awaited.place {
        // What is part of the place counts too: of a pile of bicycles each is one.
        Where::Box(place, _) => {
            place.intersection(bbox).is_some_and(|common| common.area() > 0.6 * bbox.area().min(place.area()))
        }
        Where::Area(area) => area.share_of(bbox) > 0.5,
        Where::Anywhere => true,
    };
    let mut seen: std::collections::BTreeMap<String, Vec<f32>> = std::collections::BTreeMap::new();
    for note in &looks {
        let mut best: std::collections::BTreeMap<String, f32> = std::collections::BTreeMap::new();
        for detection in note.detections.iter().filter(|d| there(d.bbox)) {
            let best = best.entry(detection.group.to_string()).or_default();
            *best = best.max(detection.score);
        }
        for (label, score) in best {
            seen.entry(label).or_default().push(score);
        }
    }
    let mut labels: Vec<(String, f32, f32)> = seen
        .into_iter()
        .map(|(label, mut scores)| {
            scores.sort_by(f32::total_cmp);
            (label, scores.len() as f32 / looks.len() as f32, scores[scores.len() / 2])
        })
        .collect();
    labels.sort_by(|a, b| b.1.total_cmp(&a.1));
    labels
}
