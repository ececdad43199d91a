//! The lists of tickets and cameras over HTTP.

use std::time::{Duration, Instant};

use alerts::ticket::{Ticket, TicketState};
use domain::{CameraState, Millis};

use crate::{
    house::House,
    street::{camera, ticket},
};

/// `n` tickets, the first the newest: kinds and states in turn, two cameras.
async fn tickets(house: &House, n: i64) -> Vec<Ticket> {
    let views = [camera("east", "东门 East", house.now), camera("east-2", "东门 East 2", house.now)];
    let mut all = Vec::new();
    for i in 0..n {
        let kind = ["lane.motor", "garbage.exposed", "vendor.stall"][i as usize % 3];
        let mut t = ticket(&views[i as usize % 2], kind, house.now - Millis::secs(i * 60));
        if i % 4 == 3 {
            t.state = TicketState::Cleared;
            t.cleared_at = Some(house.now);
        }
        house.street.console.store.open_ticket(&t, &[]).await.expect("written");
        all.push(t);
    }
    for view in views {
        house.street.cameras.put(view);
    }
    all
}

/// The tickets that a page lists, in its order.
fn listed(page: &str) -> Vec<String> {
    let links = page.split("<h2><a href=\"/tickets/").skip(1);
    links.map(|rest| rest.split('"').next().expect("an end").to_owned()).collect()
}

fn ids<'a>(tickets: impl IntoIterator<Item = &'a Ticket>) -> Vec<String> {
    tickets.into_iter().map(|t| t.id().to_string()).collect()
}

#[tokio::test]
async fn tickets_are_newest_first_and_paged_without_gap_or_repeat() {
    let house = House::open().await;
    let all = tickets(&house, 65).await;
    let (mut path, mut seen, mut pages) = ("/?lang=en".to_owned(), Vec::new(), 0);
    loop {
        let page = house.page(&path).await;
        seen.extend(listed(&page));
        pages += 1;
        let Some(next) = page.split("rel=\"next\" href=\"").nth(1) else { break };
        path = next.split('"').next().expect("an end").replace("&amp;", "&");
    }
    assert_eq!((pages, seen), (3, ids(&all)));
    let (mut path, mut seen) = ("/api/tickets?limit=20&state=open".to_owned(), Vec::new());
    loop {
        let page = house.json(&path).await;
        seen.extend(
            page["tickets"].as_array().expect("a list").iter().map(|t| t["id"].as_str().expect("id").to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = next.to_owned();
    }
    assert_eq!(seen, ids(all.iter().filter(|t| t.state == TicketState::Open)));
}

#[tokio::test]
async fn tickets_are_narrowed_by_camera_kind_and_state() {
    let house = House::open().await;
    let all = tickets(&house, 24).await;
    let east = |t: &&Ticket| t.incident.camera.as_str() == "east";
    let check = async |query: &str, expect: Vec<String>| {
        assert_eq!(listed(&house.page(&format!("/?{query}")).await), expect, "{query}");
    };
    check("camera=east", ids(all.iter().filter(east))).await;
    check("camera=%E4%B8%9C%E9%97%A8+East+2", ids(all.iter().filter(|t| !east(t)))).await;
    check("kind=vendor.stall", ids(all.iter().filter(|t| t.incident.kind.as_str() == "vendor.stall"))).await;
    check("state=cleared", ids(all.iter().filter(|t| t.state == TicketState::Cleared))).await;
    check("camera=&kind=&state=", ids(&all)).await;
    check(
        "camera=east&state=open&kind=lane.motor",
        ids(all
            .iter()
            .filter(east)
            .filter(|t| t.incident.kind.as_str() == "lane.motor" && t.state == TicketState::Open)),
    )
    .await;
    // Part of the name of two cameras: the page asks which.
    let page = house.page("/?camera=%E4%B8%9C%E9%97%A8&state=open&lang=en").await;
    assert!(page.contains("choose one") && page.contains("href=\"/?state=open&amp;camera=east-2\""), "{page}");
    assert!(house.page("/?camera=gone-from-config&lang=en").await.contains("No ticket matches"));
    assert!(house.page("/?camera=%E8%A5%BF%E9%97%A8&lang=en").await.contains("No camera has the id or name"));
}

#[tokio::test]
async fn two_thousand_cameras_stay_quick_and_light() {
    let house = House::open().await;
    for n in 0..2_000 {
        let mut view = camera(&format!("cam-{n:04}"), &format!("路口 {n}"), house.now);
        if n % 100 == 7 {
            view.report.state = CameraState::Offline;
        }
        house.street.cameras.put(view);
    }
    let started = Instant::now();
    let page = house.page("/cameras?lang=en").await;
    let took = started.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(page.len() < 200_000, "{} bytes", page.len());
    assert_eq!(page.matches("latest.jpg").count(), 50);
    assert_eq!(page.matches("latest.jpg").count(), page.matches(" loading=\"lazy\"").count());
    assert!(page.contains("rel=\"next\" href=\"/cameras?page=2\""), "{page}");
    assert!(page.contains("of 40"));
    let page = house.page("/cameras?state=offline&page=9&lang=en").await;
    assert_eq!(page.matches("<th scope=\"row\">").count(), 20, "the last page that there is");
    let page = house.page("/cameras?q=CAM-199&lang=en").await;
    assert_eq!(page.matches("<th scope=\"row\">").count(), 10);
    assert!(house.page("/cameras?q=nowhere&lang=en").await.contains("No camera matches"));
    let api = house.json("/api/cameras?limit=1000&page=2&q=%E8%B7%AF%E5%8F%A3").await;
    assert_eq!((api["total"].as_u64(), api["pages"].as_u64()), (Some(2_000), Some(2)));
    assert_eq!(api["cameras"][0]["id"], "cam-1000");
}
