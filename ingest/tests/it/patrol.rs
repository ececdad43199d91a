//! Cameras behind gateways with room for few sessions, and cameras that are visited for each look.

use std::time::Duration;

use domain::{CameraState, Millis};
use ingest::{IngestConfig, Mode, StreamConfig, simulate};

use crate::fleet::{Fleet, config, id, rtsp, until};

/// Six cameras on one device that admits `sessions`.
async fn gateway(dir: &tempfile::TempDir, sessions: usize) -> simulate::Fleet {
    devices(dir, 6, 1, sessions).await
}

/// So many cameras on so many devices, each of which admits `sessions`.
pub(crate) async fn devices(dir: &tempfile::TempDir, cameras: usize, hosts: usize, sessions: usize) -> simulate::Fleet {
    let clip = crate::recordings::record(
        dir.path(),
        "street.mkv",
        2,
        "x264enc tune=zerolatency bframes=0 key-int-max=5 ! h264parse ! matroskamux",
    );
    let mounts = simulate::Mount::new("cam", simulate::Source::Recording(clip)).copies(cameras);
    let config = simulate::FleetConfig { hosts, sessions_per_host: Some(sessions), ..Default::default() };
    simulate::Fleet::start(config, mounts).await.unwrap()
}

pub(crate) fn streams(gateway: &simulate::Fleet, mode: Mode) -> Vec<(&str, StreamConfig)> {
    gateway.mounts().iter().map(|m| (m.name.as_str(), StreamConfig { mode, ..rtsp(&m.url) })).collect()
}

#[tokio::test]
async fn a_gateway_never_sees_more_sessions_than_it_admits() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(&dir, 2).await;
    let fleet = Fleet::start(IngestConfig { sessions_per_host: 2, ..config() }, streams(&gateway, Mode::Patrol));
    let every = |times: usize| {
        move |seen: &[crate::fleet::Seen]| {
            (1..=6).all(|n| seen.iter().filter(|look| look.camera == id(&format!("cam-00{n}"))).count() >= times)
        }
    };
    fleet.until("all six are looked at three times", every(3)).await;
    let report = gateway.report();
    assert!(report.most_of_a_host <= 2 && report.refused == 0, "{report:?}");
    assert_eq!(fleet.report("cam-003").state, CameraState::Streaming);
    assert_eq!(fleet.report("cam-003").reconnects, 0);
    fleet.stop().await;
    until("no session is left", || gateway.report().sessions == 0).await;
}

#[tokio::test]
async fn cameras_that_find_no_room_say_so_and_take_their_turn() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(&dir, 5).await;
    let fleet = Fleet::start(IngestConfig { sessions_per_host: 5, ..config() }, streams(&gateway, Mode::Stream));
    let names: Vec<_> = gateway.mounts().iter().map(|mount| mount.name.clone()).collect();
    let in_state = |state| names.iter().filter(|name| fleet.report(name).state == state).count();
    until("five stream", || in_state(CameraState::Streaming) == 5).await;
    let left = names.iter().find(|name| fleet.report(name).state != CameraState::Streaming).unwrap();
    until("the sixth says what it waits for", || {
        fleet.report(left).error.is_some_and(|error| error.contains("all 5 sessions"))
    })
    .await;
    // Another one's failure is its chance.
    let lucky = names.iter().find(|name| *name != left).unwrap();
    gateway.set_fault(lucky, simulate::Fault::Drop).unwrap();
    until("the sixth streams", || fleet.report(left).state == CameraState::Streaming).await;
    assert_eq!(gateway.report().refused, 0);
    fleet.stop().await;
}

#[tokio::test]
async fn a_camera_on_patrol_is_visited_at_its_pace_or_when_somebody_asks() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(&dir, 6).await;
    let quick = IngestConfig { look_interval: Millis(200), ..config() };
    let (name, stream) = streams(&gateway, Mode::Patrol).swap_remove(0);
    // The first visit comes within the interval; the next one would be an hour later.
    let mut fleet = Fleet::start(quick.clone(), vec![(name, stream.clone())]);
    fleet.until("the first look", |seen| !seen.is_empty()).await;
    fleet.event().await;
    fleet.ingest.set_pace(&id(name), ingest::LookPace::Active);
    fleet.until("more looks", |seen| seen.len() >= 4).await;
    fleet.stop().await;

    let slow = StreamConfig { look_interval: Some(Millis::secs(20)), ..stream };
    let fleet = Fleet::start(quick, vec![(name, slow)]);
    fleet.until("the first look", |seen| !seen.is_empty()).await;
    until("it has left", || gateway.report().sessions == 0).await;
    let before = fleet.looks(<[_]>::len);
    for n in 1..=2 {
        fleet.ingest.look_now(&id(name));
        fleet.until("a look on demand", |seen| seen.len() >= before + n).await;
    }
    fleet.stop().await;
}

#[tokio::test]
async fn a_camera_that_refuses_a_visit_is_offline_until_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(&dir, 6).await;
    let (name, stream) = streams(&gateway, Mode::Patrol).swap_remove(0);
    gateway.set_fault(name, simulate::Fault::Refuse).unwrap();
    let fleet = Fleet::start(config(), vec![(name, stream)]);
    until("it is offline", || fleet.report(name).state == CameraState::Offline).await;
    gateway.set_fault(name, simulate::Fault::None).unwrap();
    fleet.until("a look", |seen| !seen.is_empty()).await;
    assert_eq!(fleet.report(name).state, CameraState::Streaming);
    tokio::time::timeout(Duration::from_secs(30), fleet.stop()).await.expect("it stops between visits");
}
