//! One problem that two cameras see.

use domain::{ControlPoint, ControlPoints, Crs};

use super::*;

/// Looks of both cameras each two seconds within `seconds`, each of which shows its car or the empty street.
fn both(
    gate_2: Option<[f32; 4]>,
    gate_3: Option<[f32; 4]>,
    seconds: std::ops::Range<i64>,
) -> impl Iterator<Item = Event> {
    let pair = move |s| [look_of("gate-2", gate_2, s), look_of("gate-3", gate_3, s)];
    seconds.step_by(2).flat_map(pair)
}

/// Where the other camera has it.
const THERE: [f32; 4] = [0.50, 0.50, 0.80, 0.75];

#[tokio::test]
async fn a_second_camera_adds_its_picture_to_the_ticket_of_the_first() {
    let site = Site::new().await;
    site.run(MainStream::None, looks(Some(CAR), 0..20).chain(both(Some(CAR), Some(THERE), 20..50))).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    assert_eq!(ticket.incident.camera.as_str(), "gate-2");
    let of_other: Vec<_> = ticket.evidence.iter().filter(|e| e.role == EvidenceRole::OtherView).collect();
    assert_eq!(of_other.len(), 3);
    assert!(of_other.iter().all(|e| e.camera.as_ref().is_some_and(|camera| camera.as_str() == "gate-3")));
    let (_, annotated) = site.bytes(ticket, EvidenceRole::OtherView, Rendition::Annotated);
    let annotated = decode(&annotated).expect("a JPEG");
    let red = |x: usize, y: usize| annotated.planes[2][y / 2 * 160 + x / 2] > 170;
    assert!((159..=162).any(|x| red(x, 150)), "the box is where that camera has the car");
    let told = told(&site, "/evidence").await;
    let [(event, pictures)] = &told[..] else { panic!("told once: {told:?}") };
    assert_eq!((event["data"]["reason"].as_str(), pictures.len()), (Some("other_view"), 6));
    assert!(event["data"]["evidence"].as_array().expect("pictures").iter().all(|e| e["camera"] == "gate-3"));
    assert_eq!(site.store.open_tickets().await.expect("read").len(), 2, "one for each camera");
}

#[tokio::test]
async fn it_is_cleared_when_both_see_it_clear_also_after_a_restart() {
    let site = Site::new().await;
    site.run(MainStream::None, both(Some(CAR), Some(THERE), 0..30)).await;
    site.run(MainStream::None, both(None, Some(THERE), 30..60)).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    assert_eq!(ticket.state, TicketState::Open);
    site.run(MainStream::None, both(None, None, 60..90)).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    assert_eq!(ticket.state, TicketState::Cleared);
    // The last one to see it go has the picture.
    let (after, _) = site.bytes(ticket, EvidenceRole::After, Rendition::Annotated);
    assert_eq!(after.camera.expect("another camera's").as_str(), "gate-3");
}

#[tokio::test]
async fn a_ticket_says_where_on_the_ground_its_problem_is() {
    let site = Site::new().await;
    let mut setup = site.setup(RealJpegs, MainStream::None).await;
    let corners = [([0.2, 0.9], [121.4593, 31.1896]), ([0.8, 0.9], [121.45936, 31.1896])];
    let far = [([0.65, 0.4], [121.45936, 31.18976]), ([0.35, 0.4], [121.4593, 31.18976])];
    let points = corners.into_iter().chain(far).map(|(pixel, at)| ControlPoint { pixel, at }).collect();
    let ground = Ground::new(ControlPoints { crs: Crs::Wgs84, points }).expect("a ground");
    let foot = ground.foot(CAR.into()).expect("a place");
    setup.core.set_grounds([("gate-2".parse().expect("id"), ground)].into());
    // The cell lies north of the near kerb.
    let cell = Cell::try_from("310104007003012".to_owned()).expect("cell");
    setup.locator = Locator::new(move |lon, lat| (lon > 121.0 && lat > 31.1896).then(|| cell.clone()));
    let (sender, receiver) = mpsc::channel(1);
    let (ran, ()) = tokio::join!(Service::new(setup).run(receiver), send(sender, looks(Some(CAR), 0..20)));
    ran.expect("runs");
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    let place = ticket.camera.place.as_ref().expect("a place, though its camera has none");
    assert_eq!((place.grid.as_str(), place.lon.zip(place.lat)), ("310104007003012", foot.lon_lat()));
    assert_eq!(ticket.incident.ground.as_ref(), Some(&foot));
    let submitted = told(&site, "/submit").await;
    let place = &submitted[0].0["data"]["place"];
    assert_eq!(
        (&place["unit_grid"], &place["position_of"]),
        (&"310104007003012".into(), &"problem".into()),
        "{place:#}"
    );
    assert_eq!(place["lat"].as_f64(), foot.lon_lat().map(|(_, lat)| (lat * 1e6).round() / 1e6));
}

#[tokio::test]
async fn a_rejected_ticket_is_quiet_for_both_cameras() {
    let site = Site::new().await;
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let ticket = site.tickets().await[0].id();
    let at = Timestamp(NOON + 20_000);
    let rejected =
        Verdict { reason: Some(case::Reason::new("false_alarm")), ..Verdict::new(VerdictKind::Rejected, at) };
    let ruling = Ruling::plain(ticket, at, case::Event::Said(rejected));
    site.store.rule(&ruling, |_, _| CaseMessages::default()).await.expect("written");
    site.run(MainStream::None, both(Some(CAR), Some(THERE), 20..90)).await;
    assert_eq!(site.tickets().await.len(), 1);
}
