//! Cameras and brokers that fail, each with a clear error, a metric, and everything else going on.

use std::{io::Read as _, net::TcpListener, time::Duration};

use crate::support::{
    free_address, http,
    mosquitto::Mosquitto,
    site::{self, Site},
    subscriber::Subscriber,
    wait_for,
};

#[test]
fn bad_cameras_do_not_hurt_a_good_one() {
    let clips = tempfile::tempdir().expect("a folder");
    let parked = site::parked(clips.path());
    let good = site::serve(&[("parked", &parked)], Some(("viewer", "right-pass")));
    let broker = Mosquitto::start();
    let platform = Subscriber::connect(broker.address, None);
    // Accepts, reads, and never answers.
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hanging_address = hanging.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in hanging.incoming().flatten() {
            let mut reader = stream.try_clone().expect("a clone");
            std::thread::spawn(move || reader.read(&mut [0; 1024]));
            held.push(stream);
        }
    });
    let mut site = Site::new(&broker.url());
    let url = good.url("parked");
    site.camera("good", &format!("main = \"{url}\", username = \"viewer\", password = \"right-pass\""))
        .camera("wrong-password", &format!("main = \"{url}\", username = \"viewer\", password = \"wr0ng-pass\""))
        .camera(
            "no-such-path",
            &format!("main = \"rtsp://{}/nothing\", username = \"viewer\", password = \"right-pass\"", good.address()),
        )
        .camera("hanging", &format!("main = \"rtsp://{hanging_address}/live\""))
        .camera("refusing", &format!("main = \"rtsp://{}/live\"", free_address()));
    let program = site.start();
    platform.wait_for_tickets(1, Duration::from_secs(60));

    let camera = |id: &str| {
        let all = http::get_json(site.console, "/api/cameras");
        let list = all["cameras"].as_array().expect("cameras").clone();
        list.into_iter().find(|camera| camera["id"] == id).expect("the camera")
    };
    for (id, word) in
        [("wrong-password", "password"), ("no-such-path", "404"), ("hanging", "answer"), ("refusing", "refused")]
    {
        let error = wait_for(&format!("the error of {id}"), Duration::from_secs(30), || {
            camera(id)["error"].as_str().map(str::to_lowercase)
        });
        assert!(error.contains(word), "{id}: {error:?} does not say {word:?}");
    }
    assert_eq!(camera("good")["state"], "streaming");
    let (_, page) = http::get_text(site.console, "/cameras");
    let (_, metrics) = http::get_text(site.console, "/metrics");
    for text in [program.log(), page, metrics] {
        assert!(!text.contains("wr0ng-pass") && !text.contains("right-pass"), "a password shows:\n{text}");
    }
}

#[test]
fn a_stream_that_stops_comes_back() {
    let clips = tempfile::tempdir().expect("a folder");
    let parked = site::parked(clips.path());
    let listen = free_address();
    let cameras = site::serve_at(listen, &[("parked", &parked)], None);
    let broker = Mosquitto::start();
    let mut site = Site::new(&broker.url());
    site.camera("parked", &format!("main = \"{}\"", cameras.url("parked")));
    let program = site.start();
    let wait_for_state = |state: &str| {
        wait_for(&format!("camera to be {state}"), Duration::from_secs(40), || {
            (http::get_json(site.console, "/api/cameras")["cameras"][0]["state"] == state).then_some(())
        });
    };
    wait_for_state("streaming");
    cameras.stop();
    wait_for_state("offline");
    let _cameras = site::serve_at(listen, &[("parked", &parked)], None);
    wait_for_state("streaming");
    drop(program);
}

#[test]
fn a_broker_that_comes_late_goes_away_and_refuses_loses_nothing() {
    let clips = tempfile::tempdir().expect("a folder");
    let parked = site::parked(clips.path());
    let cameras = site::serve(&[("parked", &parked)], None);
    let mut broker = Mosquitto::with_password("gridwatch", "br0ker-pass");
    let mut site = Site::new(&broker.url());
    site.mqtt("username = \"gridwatch\"\npassword_file = \"broker-password\"\n");
    std::fs::write(site.path("broker-password"), "not-the-pass\n").expect("a file");
    site.camera("parked", &format!("main = \"{}\"", cameras.url("parked")));
    broker.kill();
    let mut program = site.start();
    wait_for("a ticket in the outbox", Duration::from_secs(60), || {
        http::get_text(site.console, "/api/tickets").1.contains("lane.motor").then_some(())
    });
    broker.restart();
    program.wait_for_log("password");
    assert!(!program.log().contains("not-the-pass"));

    // Set right, and started again: what was in the outbox arrives.
    assert!(program.stop().success());
    std::fs::write(site.path("broker-password"), "br0ker-pass\n").expect("a file");
    let platform = Subscriber::connect(broker.address, Some(("gridwatch", "br0ker-pass")));
    let program = site.start();
    assert_eq!(platform.wait_for_tickets(1, Duration::from_secs(30)).len(), 1);
    assert!(!program.log().contains("br0ker-pass"));
}
