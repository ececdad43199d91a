//! A year of cases, played in seconds: eight cameras, each with a story of its own every eight days, on the looks' clock, with
//! the real rule core, service, database, registry and clocks of cases, and a restart each month.

use std::collections::BTreeMap;

use super::*;
use crate::{case::Reason, deadline::DeadlineConfig, registry::Registry, timekeeper::Timekeeper};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2026-01-01 09:00 in Shanghai.
const NEW_YEAR: i64 = 1_767_229_200_000;
/// So many that the last story ends within the year.
const DAYS: i64 = 352;

type Story = (&'static str, fn(&mut Script));

/// What happens to a case, story by story.
const STORIES: [Story; 8] = [
    ("done in time", |s| {
        s.stands(0).says(10 * MINUTE, "dispatched").says(20 * MINUTE, "handling").done(HOUR);
    }),
    ("said to be done and was not", |s| {
        s.stands(0).says(10 * MINUTE, "dispatched").says(20 * MINUTE, "handling").says(HOUR, "handled");
        s.stands(HOUR + 1_000).is(HOUR + MINUTE, "still_there").done(DAY);
    }),
    ("a false alarm", |s| {
        s.stands(0).says(5 * MINUTE, "rejected").is(6 * MINUTE, "rejected").stands(10 * MINUTE).clear(30 * MINUTE);
        s.is(31 * MINUTE, "rejected");
    }),
    ("gone by itself", |s| {
        s.stands(0).clear(15 * MINUTE).is(16 * MINUTE, "gone_by_itself").says(HOUR, "closed").is(HOUR, "closed");
    }),
    ("comes back", |s| {
        s.stands(0).says(10 * MINUTE, "dispatched").says(20 * MINUTE, "handling").done(30 * MINUTE);
        s.stands(50 * MINUTE).is(51 * MINUTE, "still_there").done(90 * MINUTE);
    }),
    ("put aside for two days", |s| {
        s.stands(0).says(10 * MINUTE, "dispatched").says(12 * MINUTE, "handling").says(15 * MINUTE, "suspended");
        s.is(15 * MINUTE, "suspended").says(2 * DAY, "resumed").done(2 * DAY + HOUR);
    }),
    ("late", |s| {
        s.stands(0).says(10 * MINUTE, "dispatched").says(20 * MINUTE, "handling").done(6 * DAY);
    }),
    ("a passing car", |s| {
        s.looks(0, |n| Some([n as f32 * 0.08, 0.4, n as f32 * 0.08 + 0.3, 0.7]));
    }),
];

#[derive(Debug, Clone, Copy)]
enum Act {
    Look(Option<[f32; 4]>),
    Say(VerdictKind),
    Expect(&'static str),
}

/// What a camera sees and the platform says, from the moment that a story begins.
#[derive(Default)]
struct Script(Vec<(i64, Act)>);

impl Script {
    fn looks(&mut self, from: i64, car: impl Fn(i64) -> Option<[f32; 4]>) -> &mut Self {
        self.0.extend((0..9).map(|n| (from + n * 2_000, Act::Look(car(n)))));
        self
    }

    fn stands(&mut self, from: i64) -> &mut Self {
        self.looks(from, |_| Some(CAR))
    }

    fn clear(&mut self, from: i64) -> &mut Self {
        self.looks(from, |_| None)
    }

    fn says(&mut self, at: i64, word: &str) -> &mut Self {
        let kind = VerdictKind::ALL.into_iter().find(|kind| kind.as_str() == word).expect("a word");
        self.0.push((at, Act::Say(kind)));
        self
    }

    fn is(&mut self, at: i64, state: &'static str) -> &mut Self {
        self.0.push((at, Act::Expect(state)));
        self
    }

    /// Handled, looked at, clear, closed.
    fn done(&mut self, at: i64) {
        self.says(at, "handled").clear(at + 1_000).is(at + MINUTE, "cleared");
        self.says(at + 2 * MINUTE, "closed").is(at + 2 * MINUTE, "closed");
    }
}

fn camera(n: usize) -> CameraId {
    format!("camera-{n}").parse().expect("an id")
}

/// When a day's story begins: each at another hour, so that no two of them meet.
fn begins(day: i64) -> i64 {
    NEW_YEAR + day * DAY + day % STORIES.len() as i64 * HOUR
}

/// All that happens in the year, in its order.
fn year() -> Vec<(i64, usize, Act)> {
    let mut all = Vec::new();
    for day in 0..DAYS {
        let n = (day % STORIES.len() as i64) as usize;
        let mut script = Script::default();
        STORIES[n].1(&mut script);
        all.extend(script.0.into_iter().map(|(at, act)| (begins(day) + at, n, act)));
    }
    all.sort_by_key(|(at, _, _)| *at);
    all
}

fn shanghai() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(8))
}

fn timetable() -> Timetable {
    let config = DeadlineConfig::default();
    let calendar = config.calendar(shanghai(), &[]).expect("a calendar");
    Timetable { calendar, lights: config.lights().expect("lights"), start: config.start }
}

/// The process between two restarts.
struct Run {
    looks: Sender<Event>,
    registry: Registry,
    service: JoinSet<Result<(), AlertsError>>,
}

impl Run {
    async fn start(site: &Site) -> Self {
        let mut setup = site.setup(RealJpegs, MainStream::None).await;
        let place = toml::from_str("grid = \"310104007003012\"").expect("a place");
        let info = CameraInfo { name: "斜土路".to_owned(), place: Some(place) };
        setup.cameras = (0..STORIES.len()).map(|n| (camera(n), (info.clone(), vec![zone()]))).collect();
        let rules: RulesConfig = toml::from_str(&site.rules).expect("rules");
        let zones = (0..STORIES.len()).map(|n| (camera(n), vec![zone()]));
        setup.core = Core::new(&rules, shanghai(), zones).expect("rules");
        setup.core.restore(site.store.open_tickets().await.expect("read"));
        setup.core.restore_ended(site.store.ended_tickets(Timestamp(0)).await.expect("read"));
        setup.node.timezone = shanghai();
        setup.timetable = watch::channel(timetable()).1;
        let (looks, events) = mpsc::channel(4);
        let registry = Registry::new(site.store.clone(), setup.node.clone(), &looks);
        let mut service = JoinSet::new();
        service.spawn(Service::new(setup).run(events));
        Self { looks, registry, service }
    }

    async fn end(self) {
        let Self { looks, mut service, .. } = self;
        drop(looks);
        service.join_next().await.expect("a service").expect("no panic").expect("runs");
    }
}

/// The newest ticket of the `n`th camera, once it is as wanted: the desk writes while looks go on.
async fn ticket(site: &Site, n: usize, at: i64, wanted: impl Fn(&Ticket) -> bool) -> Ticket {
    let since = Instant::now();
    let filter = TicketFilter { limit: 1, camera: Some(camera(n)), ..TicketFilter::default() };
    loop {
        let newest = site.store.tickets(&filter).await.expect("read").pop();
        match newest {
            Some(ticket) if wanted(&ticket) => return ticket,
            newest if since.elapsed() > Duration::from_secs(60) => {
                let state = newest.map(|ticket| (ticket.incident.confirmed_at, ticket.case.state()));
                panic!("\"{}\" at {at}: {state:?}", STORIES[n].0)
            }
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// The changes of lights that the outbox tells, by ticket.
async fn lights(site: &Site) -> BTreeMap<String, Vec<serde_json::Value>> {
    let mut told = BTreeMap::<String, Vec<_>>::new();
    for queued in site.store.outbox_next(0, 1_000_000).await.expect("read") {
        if let Body::Inline(event) = &queued.message.body
            && queued.message.topic.ends_with("/light")
        {
            let event: serde_json::Value = serde_json::from_slice(event).expect("JSON");
            let ticket = event["data"]["ticket_id"].as_str().expect("an id").to_owned();
            told.entry(ticket).or_default().push(event["data"].clone());
        }
    }
    told
}

#[tokio::test]
async fn a_year_of_cases_ends_as_it_was_written() {
    let site = Site::new().await;
    let template = [None, Some(CAR)].map(|car| {
        let Event::Look(mut look) = look(car, 0) else { unreachable!() };
        // Small, since what is done with pictures is not what takes a year.
        look.frame.picture = street(car.map(Rect::from), 0, (64, 48));
        look.frame.access_unit = access_unit(&look.frame.picture, StreamRole::Sub, look.sampled_at);
        look
    });
    let node = Node { timezone: shanghai(), ..site.setup(RealJpegs, MainStream::None).await.node };
    let mut clocks =
        Timekeeper::new(site.store.clone(), node, watch::channel(timetable()).1, watch::channel(Arc::default()).1);
    let mut run = Run::start(&site).await;
    let (mut hour, mut month) = (NEW_YEAR, NEW_YEAR);
    for (at, n, act) in year() {
        while hour < at {
            clocks.round(Timestamp(hour)).await.expect("written");
            hour += HOUR;
        }
        let begins = at == begins((at - NEW_YEAR) / DAY);
        if begins && at - month > 30 * DAY {
            month = at;
            run.end().await;
            run = Run::start(&site).await;
        }
        match act {
            Act::Look(car) => {
                let mut look = template[usize::from(car.is_some())].clone();
                look.detections.iter_mut().zip(car).for_each(|(seen, car)| seen.bbox = car.into());
                (look.camera, look.sampled_at) = (camera(n), Timestamp(at));
                (look.frame.camera, look.frame.sampled_at) = (camera(n), Timestamp(at));
                run.looks.send(Event::Look(look)).await.expect("the service runs");
            }
            Act::Say(kind) => {
                let of_this_story = |ticket: &Ticket| ticket.incident.confirmed_at.0 > at - 8 * DAY;
                let ticket = ticket(&site, n, at, of_this_story).await;
                clocks.round(Timestamp(at)).await.expect("written");
                let mut verdict = Verdict::new(kind, Timestamp(at));
                verdict.reason = kind.needs_reason().then(|| Reason::new("other"));
                let said = run.registry.apply(ticket.id(), Timestamp(at), case::Event::Said(verdict)).await;
                assert!(matches!(said, Ok(Ruled::Applied { .. })), "{}: {kind}: {said:?}", STORIES[n].0);
            }
            Act::Expect(state) => {
                ticket(&site, n, at, |ticket| ticket.case.state().as_str() == state).await;
            }
        }
    }
    run.end().await;

    let all = TicketFilter { limit: 100_000, ..TicketFilter::default() };
    let all = site.store.tickets(&all).await.expect("read");
    let lights = lights(&site).await;
    let rounds = (DAYS / STORIES.len() as i64) as usize;
    for (n, (story, _)) in STORIES.iter().enumerate() {
        let of_story: Vec<_> = all.iter().filter(|ticket| ticket.incident.camera == camera(n)).collect();
        let expected = if *story == "a passing car" { 0 } else { rounds };
        assert_eq!(of_story.len(), expected, "tickets of \"{story}\"");
        for ticket in of_story {
            let state = if *story == "a false alarm" { State::Rejected } else { State::Closed };
            assert_eq!(ticket.case.state(), state, "{story}");
            assert_eq!(ticket.case.reopened(), u32::from(*story == "comes back"), "{story}");
            // Three hours are given: who needs a day or six is late, who was told to wait is not.
            let told: Vec<_> = lights.get(&ticket.id().to_string()).into_iter().flatten().collect();
            let reds = told.iter().filter(|turn| turn["clock"] == "solve" && turn["light"] == "red").count();
            let late = usize::from(matches!(*story, "late" | "said to be done and was not"));
            assert_eq!(reds, late, "red lights of \"{story}\": {told:#?}");
        }
    }
    assert_eq!(all.len(), rounds * 7);
}
