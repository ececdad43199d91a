//! A small city in which faults come and go: each shows as a state of its cameras and of no other, and leaves nothing behind.

use std::{collections::BTreeMap, time::Duration};

use ingest::simulate::{Fault, Fleet, FleetConfig, Mount, Source};

use crate::support::{clip, http, site::Site, wait_for};

const CAMERAS: usize = 50;
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn faults_of_fifty_cameras_show_as_states_and_leave_nothing_behind() {
    let clips = tempfile::tempdir().expect("a folder");
    let street = clips.path().join("street.mp4");
    clip::write(&street, 10, |_| None);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let mounts = Mount::new("cam", Source::Recording(street)).copies(CAMERAS);
    let fleet = Fleet::start(FleetConfig { hosts: 5, ..FleetConfig::default() }, mounts);
    let city = runtime.block_on(fleet).expect("a city");
    let names: Vec<&str> = city.mounts().iter().map(|mount| mount.name.as_str()).collect();
    // No broker is needed to see how cameras fare.
    let mut site = Site::new("mqtt://127.0.0.1:1");
    for mount in city.mounts() {
        let stream = format!("main = \"{}\", look_interval = \"2s\", active_interval = \"2s\"", mount.url);
        site.camera(&mount.name, &stream);
    }
    let mut program = site.start();
    let cameras = || -> BTreeMap<String, serde_json::Value> {
        let all = http::get_json(site.console, "/api/cameras?limit=1000");
        let all = all["cameras"].as_array().expect("cameras").iter();
        all.map(|camera| (camera["id"].as_str().expect("an id").to_owned(), camera.clone())).collect()
    };
    let is_well = |camera: &serde_json::Value| camera["state"] == "streaming" && camera["error"].is_null();
    let wait_for_all = |after: &str| {
        let before = cameras();
        wait_for(&format!("all cameras to stream and to be looked at {after}"), LIMIT, || {
            let now = cameras();
            let looked = |name: &str| {
                !now[name]["last_look_at"].is_null() && now[name]["last_look_at"] != before[name]["last_look_at"]
            };
            names.iter().all(|name| is_well(&now[*name]) && looked(name)).then_some(())
        });
    };
    wait_for_all("from the start");

    let nth = |of: usize, n: usize| names.iter().copied().skip(n).step_by(of).collect::<Vec<_>>();
    // A whole device, and one camera each of the others.
    let reset = [&names[..10], &nth(10, 15)].concat();
    for round in [
        vec![(Fault::Stall, nth(7, 0), "stalled"), (Fault::Hang, nth(7, 3), "")],
        vec![(Fault::Reset, reset, ""), (Fault::CorruptKeyframes, nth(10, 18), "keyframe of")],
        vec![(Fault::Drop, names.clone(), "")],
    ] {
        let set = |fault: Fault, befallen: &[&str]| befallen.iter().try_for_each(|name| city.set_fault(name, fault));
        round.iter().for_each(|(fault, befallen, _)| set(*fault, befallen).expect("cameras"));
        for (fault, befallen, says) in &round {
            let shows = if *fault == Fault::CorruptKeyframes { "streaming" } else { "offline" };
            wait_for(&format!("{fault:?} to show"), LIMIT, || {
                let now = cameras();
                let told = |name: &&str| {
                    let error = now[*name]["error"].as_str();
                    now[*name]["state"] == shows && error.is_some_and(|error| error.contains(says))
                };
                befallen.iter().all(told).then_some(())
            });
        }
        let (now, befallen) = (cameras(), round.iter().flat_map(|(_, befallen, _)| befallen).collect::<Vec<_>>());
        let others = names.iter().filter(|name| !befallen.contains(name));
        let harmed: Vec<_> = others.filter(|name| !is_well(&now[**name])).collect();
        assert!(harmed.is_empty(), "{round:?} harms {harmed:?}, too");
        set(Fault::None, &names).expect("cameras");
        wait_for_all(&format!("after {round:?}"));
    }
    assert_eq!(http::metric(site.console, "gridwatch_cameras{state=\"streaming\"}"), Some(CAMERAS as f64));
    assert_eq!(http::metric(site.console, "gridwatch_looks_failed_total{reason=\"panic\"}"), None);
    wait_for("no session to be left over", LIMIT, || (city.report().sessions == CAMERAS).then_some(()));
    assert!(program.stop().success());
    wait_for("all sessions to be closed", LIMIT, || (city.report().sessions == 0).then_some(()));
}
