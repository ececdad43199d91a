//! All cameras of a city drop at once, and come back.

use domain::{CameraFault, CameraState, Millis};
use ingest::{IngestConfig, Mode, simulate::Fault};

use crate::{
    fleet::{Fleet, config, id, until},
    patrol::{devices, streams},
};

#[tokio::test]
async fn all_come_back_and_no_device_sees_more_sessions_than_it_admits() {
    let dir = tempfile::tempdir().unwrap();
    let city = devices(&dir, 50, 5, 10).await;
    let limits = IngestConfig {
        sessions_per_host: 10,
        connects_in_flight: 8,
        backoff_max: Millis::secs(1),
        look_interval: Millis::secs(2),
        ..config()
    };
    let fleet = Fleet::start(limits, streams(&city, Mode::Stream));
    let all = |state| fleet.ingest.reports().iter().all(|report| report.state == state);
    until("all stream", || all(CameraState::Streaming)).await;
    assert_eq!(city.report().sessions, 50);
    let fail = |fault| city.mounts().iter().for_each(|mount| city.set_fault(&mount.name, fault).unwrap());

    fail(Fault::Drop);
    until("all are offline", || all(CameraState::Offline)).await;
    fail(Fault::None);
    until("all stream again", || all(CameraState::Streaming)).await;
    let report = city.report();
    assert_eq!((report.sessions, report.most_of_a_host, report.refused), (50, 10, 0), "{report:?}");
    fleet.stop().await;
}

#[tokio::test]
async fn a_camera_that_comes_and_goes_is_told_as_unstable() {
    let dir = tempfile::tempdir().unwrap();
    let city = devices(&dir, 2, 1, 10).await;
    let fleet = Fleet::start(IngestConfig { unstable_losses: 3, ..config() }, streams(&city, Mode::Stream));
    let state = |camera: &str| fleet.report(camera).state;
    let flapping = &city.mounts()[0].name;
    let faults = |camera: &str| fleet.report(camera).ailments.iter().map(|a| a.fault).collect::<Vec<_>>();
    for fault in [Fault::Drop, Fault::Reset, Fault::Drop] {
        until("both stream", || fleet.ingest.reports().iter().all(|r| r.state == CameraState::Streaming)).await;
        assert_eq!(faults(flapping), []);
        city.set_fault(flapping, fault).unwrap();
        until("it is lost", || state(flapping) == CameraState::Offline).await;
        city.set_fault(flapping, Fault::None).unwrap();
    }
    until("it is unstable", || faults(flapping) == [CameraFault::Unstable]).await;
    until("it streams again", || state(flapping) == CameraState::Streaming).await;
    assert_eq!(faults(flapping), [CameraFault::Unstable], "it is still unstable");
    assert!(!CameraFault::Unstable.suspends_tickets());
    assert_eq!(fleet.ingest.report(&id(&city.mounts()[1].name)).map(|r| r.ailments.len()), Some(0));
    fleet.stop().await;
}
