//! As many pictures as the responsibility list wants.

use super::*;

/// A list by which a blocked lane needs so many pictures.
async fn list(site: &Site, to_open: u8, to_close: u8) {
    let item = serde_json::from_value(serde_json::json!({
        "id": "T-087", "kind": "lane.motor", "place": null, "place_name": {"zh": "", "en": ""}, "days": [], "hours": [],
        "name": {"zh": "", "en": ""}, "codes": [], "copies": [], "steps": [], "dept": {"zh": "交警", "en": ""}, "level": 4,
        "arrive": null, "solve": {"amount": 3, "unit": "urgent_hour"}, "photos_open": to_open, "photos_close": to_close,
        "until": null,
    }));
    let item = item.expect("an item");
    let versions = [crate::duty::ItemVersion { version: 1, from: jiff::civil::date(2026, 1, 1), item }];
    site.store.add_duty_versions(&versions, "list.csv", Timestamp(0)).await.expect("written");
}

/// The roles and seconds of a ticket's clean pictures.
fn shown(ticket: &Ticket) -> Vec<(EvidenceRole, i64)> {
    let clean = ticket.evidence.iter().filter(|e| e.rendition == Rendition::Clean);
    clean.map(|e| (e.role, (e.captured_at.0 - NOON) / 1_000)).collect()
}

/// The one message of this sort, all of whose pictures were sent before it.
async fn only(site: &Site, topic: &str) -> serde_json::Value {
    let mut told = told(site, topic).await;
    let (event, sent) = told.pop().expect("told");
    assert!(told.is_empty(), "told once");
    let pictures = event["data"]["evidence"].as_array().expect("pictures");
    assert!(pictures.iter().all(|picture| sent.contains(picture["sha256"].as_str().expect("a digest"))), "{event:#}");
    event["data"].clone()
}

#[tokio::test]
async fn a_ticket_opens_with_as_many_pictures_as_its_item_wants() {
    let site = Site::new().await;
    list(&site, 4, 1).await;
    // Somebody stands before it in one look of its dwell.
    let looks = (0..20).map(|n| look((n != 2).then_some(CAR), n * 2));
    site.run(MainStream::None, looks).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    let shown = shown(ticket);
    let further: Vec<_> = shown.iter().filter(|(role, _)| *role == EvidenceRole::Further).map(|(_, at)| *at).collect();
    assert_eq!((shown.len(), further.len()), (4, 2), "{shown:?}");
    assert!(!further.contains(&4), "it shows nothing of it: {further:?}");
    let data = only(&site, "/submit").await;
    assert_eq!(data["photos"], serde_json::json!({"needed": 4, "held": 4}));
    let roles: HashSet<_> = data["evidence"].as_array().expect("pictures").iter().map(|e| e["role"].as_str()).collect();
    assert_eq!(roles, HashSet::from(["first_seen", "further", "confirming"].map(Some)));
}

#[tokio::test]
async fn a_ticket_says_how_many_pictures_could_not_be_had() {
    let site = Site::new().await;
    list(&site, 9, 1).await;
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    let held = shown(ticket).len();
    assert!((3..9).contains(&held), "one of each look of its dwell, and no look was waited for: {held}");
    let photos = &only(&site, "/submit").await["photos"];
    assert_eq!((&photos["needed"], &photos["held"]), (&9.into(), &held.into()));
    assert_eq!(photos["missing_en"], format!("{held} of 9 pictures"));
    assert_eq!(photos["missing_zh"], format!("应有照片9张，实有{held}张"));
}

#[tokio::test]
async fn a_sensor_s_ticket_waits_for_as_many_looks_as_its_item_wants() {
    let site = Site::new().await;
    list(&site, 3, 1).await;
    let now = Timestamp::from(SystemTime::now());
    let second = (now.0 - NOON) / 1_000;
    let case = SensedCase { look_at: Some("gate-2".parse().expect("id")), ..sensors::reported(second) };
    let opened = sensors::opened(&site, &case).await;
    // Two looks of three, and then the process ends.
    site.run(MainStream::None, [opened].into_iter().chain((1..=2).map(|n| look(Some(CAR), second + 60 * n)))).await;
    let ticket = sensors::one(&site).await;
    assert_eq!(shown(&ticket).len(), 2);
    assert_eq!(only(&site, "/submit").await["photos"]["missing_en"], "2 of 3 pictures");

    let site = Site::new().await;
    list(&site, 3, 1).await;
    let opened = sensors::opened(&site, &case).await;
    site.run(MainStream::None, [opened].into_iter().chain((1..=9).map(|n| look(Some(CAR), second + 60 * n)))).await;
    let tickets = site.tickets().await;
    let ticket = tickets.iter().find(|ticket| ticket.id() == case.incident.ticket).expect("the sensor's");
    let roles: Vec<_> = shown(ticket).into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, [EvidenceRole::Further, EvidenceRole::Further, EvidenceRole::Confirming]);
}
