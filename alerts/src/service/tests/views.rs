//! One problem that two cameras see.

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
