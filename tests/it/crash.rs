//! `kill -9` at any moment: after the restart no ticket is lost, and none is sent under a second id.

use std::{collections::BTreeSet, time::Duration};

use crate::support::{
    clip, http,
    mosquitto::Mosquitto,
    site::{self, Site},
    subscriber::Subscriber,
    wait_for,
};

fn ids(platform: &Subscriber) -> BTreeSet<String> {
    platform.tickets().iter().map(|t| t["data"]["ticket_id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_killed_program_sends_what_it_opened_once_it_is_back() {
    let clips = tempfile::tempdir().expect("a folder");
    let parked = site::parked(clips.path());
    let cameras = site::serve(&[("parked", &parked)], None);
    let mut broker = Mosquitto::start();
    let mut site = Site::new(&broker.url());
    site.camera("parked", &format!("main = \"{}\"", cameras.url("parked")));

    // With the broker away the ticket can only be in the outbox when the program is killed.
    broker.kill();
    let mut program = site.start();
    wait_for("a ticket in the outbox", Duration::from_secs(60), || {
        let (_, tickets) = http::get_text(site.console, "/api/tickets");
        tickets.contains("lane.motor").then_some(())
    });
    program.kill();
    broker.restart();
    let platform = Subscriber::connect(broker.address, None);
    let mut program = site.start();
    platform.wait_for_tickets(1, Duration::from_secs(30));

    // The problem still stands: once the dwell has passed again there is still one ticket.
    program.kill();
    let _program = site.start();
    wait_for("the dwell to pass once more", Duration::from_secs(60), || {
        http::metric(site.console, "gridwatch_looks_total").filter(|looks| *looks > 16.0)
    });
    assert_eq!(ids(&platform).len(), 1, "{:?}", ids(&platform));
}

/// A ticket opens about 6 s after a start; kills fall before, while and after it is written and sent.
#[test]
fn kills_at_random_moments_lose_and_double_nothing() {
    let clips = tempfile::tempdir().expect("a folder");
    let parked = site::parked(clips.path());
    let cameras = site::serve(&[("parked", &parked)], None);
    let broker = Mosquitto::start();
    let platform = Subscriber::connect(broker.address, None);
    let mut site = Site::new(&broker.url());
    site.camera("parked", &format!("main = \"{}\"", cameras.url("parked")));
    for delay in [5_200, 5_900, 6_300, 6_600, 7_100] {
        let mut program = site.start();
        // The moment of the kill is what is tested, not something that is waited for.
        std::thread::sleep(Duration::from_millis(delay));
        program.kill();
    }
    let _program = site.start();
    let tickets = platform.wait_for_tickets(1, Duration::from_secs(60));
    wait_for("the outbox to be empty", Duration::from_secs(60), || {
        let tickets = http::get_json(site.console, "/api/tickets");
        let waiting = tickets["tickets"].as_array().expect("tickets").iter().any(|t| t["delivered_at"].is_null());
        (!waiting).then_some(())
    });
    let kept = http::get_json(site.console, "/api/tickets");
    assert_eq!(kept["tickets"].as_array().expect("tickets").len(), 1, "one problem, one ticket: {kept}");
    assert_eq!(ids(&platform).len(), 1, "{:?}", ids(&platform));
    let arrived = platform.pictures_before(|_| false);
    for evidence in tickets[0]["data"]["evidence"].as_array().expect("evidence") {
        let digest = evidence["sha256"].as_str().expect("a digest").parse().expect("a digest");
        assert!(arrived.contains(&digest), "{digest} never arrived");
    }
}

/// What stands there has no name: only the learnt view tells of it, and a new process has not learnt the view yet.
#[test]
fn a_heap_without_a_name_outlasts_a_kill_and_is_cleared_when_it_goes() {
    let clips = tempfile::tempdir().expect("a folder");
    let heap = clips.path().join("heap.mp4");
    clip::write_heap(&heap, 150, |t| (8.0..60.0).contains(&t));
    let cameras = site::serve(&[("corner", &heap)], None);
    let broker = Mosquitto::start();
    let platform = Subscriber::connect(broker.address, None);
    let mut site = Site::new(&broker.url());
    site.section("[detect.standing]\nlearn = \"3s\"\nafter = \"2s\"\n\n");
    site.section("[rules.\"garbage.standing\"]\ndwell = \"4s\"\nclear_after = \"4s\"\nperson.need = \"any\"\n\n");
    site.camera_at("corner", &format!("main = \"{}\"", cameras.url("corner")), "garbage_point");
    let mut program = site.start();
    let tickets = platform.wait_for_tickets(1, Duration::from_secs(60));
    let objects = tickets[0]["data"]["detection"]["objects"].as_array().expect("objects");
    assert!(objects.iter().all(|object| object["label"] == "standing"), "no model has a name for it: {objects:?}");
    program.kill();

    let _program = site.start();
    wait_for("the view to be learnt, and more", Duration::from_secs(60), || {
        http::metric(site.console, "gridwatch_looks_total").filter(|looks| *looks > 30.0)
    });
    let cleared = || platform.messages().iter().any(|message| message.topic.contains("/cleared/"));
    assert!(!cleared(), "it still lies there");
    wait_for("it to be gone", Duration::from_secs(90), || cleared().then_some(()));
    assert_eq!(ids(&platform).len(), 1, "{:?}", ids(&platform));
}
