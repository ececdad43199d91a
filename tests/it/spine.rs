//! From a live RTSP camera to a ticket with evidence at an MQTT broker.

use std::{collections::BTreeSet, time::Duration};

use domain::Sha256;

use crate::support::{
    clip, http,
    mosquitto::Mosquitto,
    site::{self, Site},
    subscriber::Subscriber,
    wait_for,
};

const TICKET_WITHIN: Duration = Duration::from_secs(60);

/// Waits until the program has made `n` looks in all.
#[track_caller]
fn wait_for_looks(site: &Site, n: f64) {
    wait_for(&format!("{n} looks"), Duration::from_secs(120), || {
        http::metric(site.console, "gridwatch_looks_total").filter(|looks| *looks >= n)
    });
}

fn looks(site: &Site) -> f64 {
    http::metric(site.console, "gridwatch_looks_total").unwrap_or(0.0)
}

#[test]
fn a_car_that_stands_gives_one_ticket_and_a_car_that_drives_through_none() {
    let clips = tempfile::tempdir().expect("a folder");
    let (parked, driving) = (site::parked(clips.path()), site::driving(clips.path()));
    let cameras = site::serve(&[("parked", &parked), ("driving", &driving)], Some(("viewer", "s3cr3t-pass")));
    let broker = Mosquitto::start();
    let platform = Subscriber::connect(broker.address, None);
    let mut site = Site::new(&broker.url());
    for id in ["parked", "driving"] {
        let stream = format!("main = \"{}\", username = \"viewer\", password = \"s3cr3t-pass\"", cameras.url(id));
        site.camera(id, &stream);
    }
    let mut program = site.start();

    let tickets = platform.wait_for_tickets(1, TICKET_WITHIN);
    // Long enough for a second ticket, had there been a reason for one, and for several cars to have driven through.
    wait_for_looks(&site, looks(&site) + 60.0);
    assert_eq!(platform.tickets(), tickets, "one problem, one ticket");

    let ticket = &tickets[0];
    let data = &ticket["data"];
    assert_eq!(ticket["type"], "cn.gridwatch.ticket.submitted.v1");
    assert_eq!(ticket["subject"], "parked");
    assert_eq!(data["event"]["type"], "lane.motor");
    assert_eq!(data["place"]["unit_grid"], "310104007003012");
    assert_eq!(data["camera"]["zone_id"], "kerb");

    // Every picture that the ticket names came before it, and its hash fits its bytes.
    let named: BTreeSet<Sha256> = data["evidence"]
        .as_array()
        .expect("evidence")
        .iter()
        .map(|e| e["sha256"].as_str().expect("a digest").parse().expect("a digest"))
        .collect();
    let arrived: BTreeSet<Sha256> =
        platform.pictures_before(|m| m.topic.ends_with("/ticket/submit")).into_iter().collect();
    assert!(!named.is_empty() && named.is_subset(&arrived), "named {named:?}, arrived {arrived:?}");
    let only_status_is_retained = |m: &crate::support::subscriber::Message| !m.retain || m.topic.ends_with("/status");
    assert!(platform.messages().iter().all(only_status_is_retained));

    // The console shows the same.
    let id = data["ticket_id"].as_str().expect("an id");
    let (status, page) = http::get_text(site.console, &format!("/tickets/{id}?lang=zh"));
    assert_eq!(status, 200);
    assert!(page.contains("机动车乱停放"), "{page}");
    for digest in &named {
        let (status, bytes) = http::get(site.console, &format!("/evidence/{digest}"));
        assert_eq!((status, Sha256::of(&bytes)), (200, *digest));
    }

    assert!(program.stop().success(), "a stop that was asked for is no failure");
    let log = program.log();
    let (_, metrics) = ((), log.clone());
    assert!(!metrics.contains("s3cr3t-pass"), "a password in the log:\n{log}");
}

#[test]
fn the_annotated_picture_shows_the_car() {
    let clips = tempfile::tempdir().expect("a folder");
    let parked = site::parked(clips.path());
    let broker = Mosquitto::start();
    let platform = Subscriber::connect(broker.address, None);
    let mut site = Site::new(&broker.url());
    // A recording is a camera too.
    site.camera("recording", &format!("file = \"{}\", pace = \"fast\"", parked.display()));
    let _program = site.start();
    let tickets = platform.wait_for_tickets(1, TICKET_WITHIN);
    let things = tickets[0]["data"]["detection"]["objects"].as_array().expect("objects").clone();
    let (width, height) = (768.0, 576.0);
    let (left, top) = (site::STAND.0 * width, site::STAND.1 * height);
    let covers = things.iter().any(|thing| {
        let edges: Vec<f64> =
            thing["box"].as_array().expect("a box").iter().filter_map(serde_json::Value::as_f64).collect();
        let near = |a: f64, b: f64| (a - b).abs() < 40.0;
        near(edges[0], left) && near(edges[1], top) && near(edges[2], left + 192.0) && near(edges[3], top + 144.0)
    });
    assert!(covers, "no box around the van at {left} {top}: {things:?}");
}

#[test]
fn what_is_small_in_the_sub_stream_is_looked_at_in_the_main_stream() {
    let clips = tempfile::tempdir().expect("a folder");
    let heap = clips.path().join("heap.mp4");
    clip::write_heap(&heap, 120, |t| t >= 8.0);
    let cameras = site::serve(&[("main", &heap), ("sub", &heap)], None);
    let broker = Mosquitto::start();
    let mut site = Site::new(&broker.url());
    site.section("[detect.standing]\nlearn = \"3s\"\nafter = \"2s\"\n\n");
    let stream = format!("main = \"{}\", sub = \"{}\"", cameras.url("main"), cameras.url("sub"));
    site.camera_at("corner", &stream, "pavement");
    site.camera_at("only-one-stream", &format!("main = \"{}\"", cameras.url("sub")), "pavement");
    let _program = site.start();
    let n = |name: &str| http::metric(site.console, name).unwrap_or(0.0);
    wait_for("what stands there to be looked at by itself", Duration::from_secs(60), || {
        (n("gridwatch_close_ups_total") >= 2.0).then_some(())
    });
    wait_for("a picture of the main stream", Duration::from_secs(60), || {
        (n("gridwatch_main_pictures_total{result=\"came\"}") >= 1.0).then_some(())
    });
    assert!(n("gridwatch_main_pictures_total{result=\"failed\"}") < 1.0);
}
