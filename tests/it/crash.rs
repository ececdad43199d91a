//! `kill -9` at any moment: after the restart no ticket is lost, and none is sent under a second id.

use std::{collections::BTreeSet, time::Duration};

use crate::support::{
    http,
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

    // The problem still stands; further kills open no second ticket for it.
    for _ in 0..3 {
        program.kill();
        program = site.start();
        let before = http::metric(site.console, "gridwatch_looks_total").unwrap_or(0.0);
        wait_for("the dwell to pass once more", Duration::from_secs(60), || {
            http::metric(site.console, "gridwatch_looks_total").filter(|looks| *looks > before + 16.0)
        });
    }
    assert_eq!(ids(&platform).len(), 1, "{:?}", ids(&platform));
}
