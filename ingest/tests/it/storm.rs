//! All cameras of a city drop at once, and come back.

use domain::{CameraState, Millis};
use ingest::{IngestConfig, Mode, simulate::Fault};

use crate::{
    fleet::{Fleet, config, until},
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
