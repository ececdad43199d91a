//! Cameras come and go while gridwatch runs.

use std::{fs, time::Duration};

use crate::support::{
    clip, http,
    mosquitto::Mosquitto,
    program::command,
    site::{self, Site},
    subscriber::Subscriber,
    wait_for,
};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn cameras_come_and_go_and_a_bad_configuration_is_refused() {
    let clips = tempfile::tempdir().expect("a folder");
    let street = clips.path().join("street.mp4");
    clip::write(&street, 10, |_| None);
    let served = site::serve(&[("a", &street), ("b", &street), ("c", &street)], None);
    let broker = Mosquitto::start();
    let platform = Subscriber::connect(broker.address, None);
    let mut site = Site::new(&broker.url());
    let stream = |name: &str| format!("main = \"{}\"", served.url(name));
    site.camera("a", &stream("a")).camera("b", &stream("b"));
    let program = site.start();
    let console = site.console;
    let wait_for_streaming = |ids: &[&str]| {
        wait_for(&format!("{ids:?} to be all and to stream"), LIMIT, || {
            let all = http::get_json(console, "/api/cameras");
            let streaming = all["cameras"].as_array()?.iter().filter(|camera| camera["state"] == "streaming");
            (streaming.map(|camera| camera["id"].as_str()).eq(ids.iter().map(|id| Some(*id)))
                && all["total"] == ids.len())
            .then_some(())
        });
    };
    wait_for_streaming(&["a", "b"]);
    let since = http::get_json(console, "/api/cameras/a")["since"].clone();
    let status = |camera: &str| format!("/{camera}/status");
    wait_for("b's state at the broker", LIMIT, || {
        platform.messages().iter().any(|m| m.topic.ends_with(&status("b"))).then_some(())
    });

    // Nobody is told: the file is watched.
    site.no_cameras().camera("a", &stream("a")).camera("c", &stream("c"));
    site.config();
    wait_for_streaming(&["a", "c"]);
    wait_for("b's retained state to be taken back", LIMIT, || {
        platform.messages().iter().any(|m| m.topic.ends_with(&status("b")) && m.payload.is_empty()).then_some(())
    });

    let path = site.path("gridwatch.toml");
    let reload = || {
        let output = command().args(["cameras", "reload", "--config"]).arg(&path).output();
        let output = output.expect("gridwatch starts");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let good = fs::read_to_string(&path).expect("a configuration");
    fs::write(&path, good.replace(&served.url("c"), "http://u:s3cret-pass@camera/")).expect("a file");
    // The console's address is in the part that still reads; the cameras are not.
    let (done, said) = reload();
    assert!(!done && said.contains("cameras.c.stream") && !said.contains("s3cret-pass"), "{said}");
    program.wait_for_log("the configuration is refused");
    wait_for_streaming(&["a", "c"]);
    assert_eq!(http::metric(console, "gridwatch_reloads_total{result=\"applied\"}"), Some(1.0));

    fs::write(&path, good.clone() + "\n[[permits]]\nnumber = \"1\"\ncamera = \"none\"\nkinds = [\"vendor.stall\"]\n")
        .expect("a file");
    let (done, said) = reload();
    assert!(!done, "{said}");
    site.camera("b", &stream("b"));
    site.config();
    program.hang_up();
    program.wait_for_log("a hangup signal");
    let (done, said) = reload();
    assert!(done && said.contains("unchanged"), "{said}");
    wait_for_streaming(&["a", "c", "b"]);
    let a = http::get_json(console, "/api/cameras/a");
    assert_eq!((&a["since"], &a["reconnects"]), (&since, &0.into()), "it kept its session");

    // What only a restart takes in is told by name, until it is taken back.
    assert_eq!(http::get_json(console, "/healthz")["restart_needed"], serde_json::json!([]));
    site.mqtt("client_id = \"other\"\n").section("[recheck]\nlooks = 7\n");
    site.config();
    let (done, said) = reload();
    assert!(done && said.contains("not taken in before a restart: recheck, mqtt"), "{said}");
    program.wait_for_log("these sections differ from what runs");
    assert_eq!(http::get_json(console, "/healthz")["restart_needed"], serde_json::json!(["recheck", "mqtt"]));
    assert_eq!(http::metric(console, "gridwatch_restart_needed"), Some(2.0));
    fs::write(&path, &good).expect("a file");
    let (done, said) = reload();
    assert!(done && !said.contains("restart"), "{said}");
    assert_eq!(http::metric(console, "gridwatch_restart_needed"), Some(0.0));
}

#[test]
fn holidays_and_street_names_are_taken_in_and_bad_files_leave_the_old() {
    let broker = Mosquitto::start();
    let mut site = Site::new(&broker.url());
    let areas = |name: &str| {
        let area = |code: &str, name: &str| {
            let ring = "[[121.0, 31.0], [121.1, 31.0], [121.1, 31.1], [121.0, 31.0]]";
            format!(
                r#"{{"type": "Feature", "properties": {{"code": "{code}", "name": "{name}"}},
                "geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}"#
            )
        };
        let (district, street) = (area("310104", "徐汇区"), area("310104007", name));
        format!(r#"{{"type": "FeatureCollection", "features": [{district}, {street}]}}"#)
    };
    let write = |name: &str, text: &str| fs::write(site.path(name), text).expect("a file");
    write("days.csv", "date,day\n2027-01-01,off\n");
    write("areas.geojson", &areas("斜土路街道"));
    site.section("[deadlines]\nholidays = ['days.csv']\n[grid]\nfiles = ['areas.geojson']\n");
    let program = site.start();
    let shows = |name: &str| {
        wait_for(&format!("{name} on the page"), LIMIT, || {
            http::get_text(site.console, "/figures?lang=zh").1.contains(name).then_some(())
        });
    };
    shows("斜土路街道");
    let write = |name: &str, text: &str| fs::write(site.path(name), text).expect("a file");
    // Nobody is told: the files are watched.
    write("areas.geojson", &areas("斜土街道"));
    shows("斜土街道");
    program.wait_for_log("names of streets taken in anew");
    write("days.csv", "date,day\n2027-01-01,perhaps\n");
    program.wait_for_log("holidays and outlines stay as they are");
    assert_eq!(http::metric(site.console, "gridwatch_reloads_total{result=\"refused\"}"), Some(1.0));
    write("days.csv", "date,day\n2027-01-01,off\n2027-01-02,off\n");
    program.wait_for_log("working time and holidays taken in anew");
    assert_eq!(http::get_json(site.console, "/healthz")["restart_needed"], serde_json::json!([]));
}
