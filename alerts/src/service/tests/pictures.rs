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

#[tokio::test]
async fn the_news_that_it_is_gone_has_as_many_pictures_as_its_item_wants() {
    let site = Site::new().await;
    list(&site, 1, 3).await;
    // Somebody stands before the place in the look after the one that settled it.
    let passer = |s| match look(None, s) {
        Event::Look(look) => {
            let Event::Look(car) = look_of("gate-2", Some(CAR), s) else { unreachable!("it is a look") };
            let person =
                Detection { class: Label::new("person"), group: Label::new("person"), ..car.detections[0].clone() };
            Event::Look(Box::new(Look { detections: vec![person], ..*look }))
        }
        other => other,
    };
    site.run(MainStream::None, looks(Some(CAR), 0..20).chain(looks(None, 20..26))).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    assert_eq!((ticket.state, shown(ticket).len()), (TicketState::Cleared, 3), "told at the end with what there is");
    let photos = &only(&site, "/cleared/lane.motor").await["photos"];
    assert_eq!((&photos["held"], photos["missing_en"].as_str()), (&1.into(), Some("1 of 3 pictures")));

    let site = Site::new().await;
    list(&site, 1, 3).await;
    let gone = looks(None, 20..26).chain([passer(26)]).chain(looks(None, 28..60));
    site.run(MainStream::None, looks(Some(CAR), 0..20).chain(gone)).await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    let after: Vec<_> = shown(ticket).into_iter().filter(|(role, _)| *role == EvidenceRole::After).collect();
    assert_eq!(
        after.iter().map(|(_, at)| *at).collect::<Vec<_>>(),
        [24, 28, 30],
        "the last one of the window and two more"
    );
    assert_eq!(ticket.cleared_at, Some(Timestamp(NOON + 24_000)), "when it was held to be gone");
    assert_eq!(only(&site, "/cleared/lane.motor").await["photos"], serde_json::json!({"needed": 3, "held": 3}));
}

#[tokio::test]
async fn what_comes_back_before_it_was_told_to_be_gone_is_told_in_this_order() {
    let site = Site::new().await;
    list(&site, 1, 5).await;
    site.run(MainStream::None, looks(Some(CAR), 0..20).chain(looks(None, 20..26)).chain(looks(Some(CAR), 26..60)))
        .await;
    let [ticket] = &site.tickets().await[..] else { panic!("one ticket") };
    assert_eq!(ticket.state, TicketState::Open);
    let topics: Vec<_> = topics(&site).await.into_iter().filter(|topic| topic.len() < 64).collect();
    assert_eq!(topics, ["submit", "lane.motor", "state", "evidence", "state"]);
}

#[tokio::test]
async fn a_check_that_finds_it_gone_has_as_many_pictures_as_its_item_wants() {
    let site = Site::new().await;
    list(&site, 1, 2).await;
    site.run(MainStream::None, looks(Some(CAR), 0..20)).await;
    let ticket = site.tickets().await.remove(0);
    for (second, car, result, pictures) in [(60, Some(CAR), "still_there", 1), (90, None, "cleared", 2)] {
        say(&site, ticket.id(), VerdictKind::Handled, second).await;
        let again = Event::LookAgain(Box::new(ticket.clone()), Timestamp(NOON + second * 1_000));
        site.run(MainStream::None, std::iter::once(again).chain(looks(car, second..second + 8))).await;
        let checked = told(&site, "/checked").await;
        let data = &checked.last().expect("a result").0["data"];
        assert_eq!(data["result"].as_str(), Some(result));
        let clean = data["after"].as_array().expect("pictures").iter().filter(|e| e["rendition"] == "clean");
        assert_eq!(clean.count(), pictures, "{data:#}");
        let photos = (result == "cleared").then(|| serde_json::json!({"needed": 2, "held": 2}));
        assert_eq!(data.get("photos"), photos.as_ref());
    }
}
