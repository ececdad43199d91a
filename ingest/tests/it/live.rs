//! The set of cameras changes while they run.

use domain::{CameraState, Millis};
use ingest::{CameraChanges, CameraSource, Ingest, IngestError, Mode, StreamConfig};

use crate::{
    fleet::{Fleet, config, id, until},
    patrol::{devices, streams},
};

async fn set(ingest: &Ingest, streams: &[(&str, StreamConfig)]) -> Result<CameraChanges, IngestError> {
    let source = |(name, stream): &(&str, StreamConfig)| CameraSource { id: id(name), stream: stream.clone() };
    ingest.set_cameras(streams.iter().map(source).collect()).await
}

#[tokio::test]
async fn cameras_come_and_go_and_the_others_keep_their_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let device = devices(&dir, 6, 1, 6).await;
    let all = streams(&device, Mode::Stream);
    let fleet = Fleet::start(config(), all[..3].to_vec());
    let streaming = |name: &str| fleet.ingest.report(&id(name)).is_some_and(|r| r.state == CameraState::Streaming);
    until("three stream", || all[..3].iter().all(|(name, _)| streaming(name))).await;
    let before = fleet.report("cam-001");
    fleet.ingest.set_pace(&id("cam-003"), ingest::LookPace::Active);
    let active = fleet.report("cam-003").look_interval;

    // The second is looked at more often, the third is another stream, the fourth is new; the first stays as it is.
    let mut next = vec![all[3].clone(), all[0].clone(), all[1].clone(), all[2].clone()];
    next[2].1.look_interval = Some(Millis(100));
    next[3].1 = all[4].1.clone();
    let changes = set(&fleet.ingest, &next).await.unwrap();
    let expected = CameraChanges {
        added: vec![id("cam-004")],
        reconnected: vec![id("cam-003")],
        repaced: vec![id("cam-002")],
        removed: Vec::new(),
        unchanged: 1,
    };
    assert_eq!(changes, expected);
    until("all four stream", || next.iter().all(|(name, _)| streaming(name))).await;
    let order: Vec<_> = fleet.ingest.reports().into_iter().map(|report| report.id).collect();
    assert_eq!(order, ["cam-004", "cam-001", "cam-002", "cam-003"].map(id));
    assert_eq!(fleet.report("cam-002").look_interval, Millis(100));
    assert_eq!(fleet.report("cam-003").look_interval, active, "what is suspected there still is");
    until("four sessions are left", || device.report().sessions == 4).await;

    let changes = set(&fleet.ingest, &next[1..3]).await.unwrap();
    assert_eq!(changes.removed, [id("cam-003"), id("cam-004")]);
    until("two sessions are left", || device.report().sessions == 2).await;
    assert!(fleet.ingest.report(&id("cam-004")).is_none() && fleet.ingest.latest(&id("cam-004")).is_none());
    fleet.ingest.look_now(&id("cam-004"));
    // The first one has been looked at all the time, in one session.
    let looks = fleet.report("cam-001").looks;
    until("more looks at the first", || fleet.report("cam-001").looks > looks).await;
    let after = fleet.report("cam-001");
    assert_eq!((after.since, after.reconnects), (before.since, before.reconnects));
    assert!(looks >= before.looks);
    fleet.stop().await;
    until("no session is left", || device.report().sessions == 0).await;
}

#[tokio::test]
async fn a_set_that_cannot_be_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let device = devices(&dir, 6, 1, 6).await;
    let all = streams(&device, Mode::Stream);
    let fleet = Fleet::start(config(), vec![all[0].clone()]);
    let twice = [all[1].clone(), all[1].clone()];
    assert!(matches!(set(&fleet.ingest, &twice).await, Err(IngestError::DuplicateCamera(_))));
    let error = set(&fleet.ingest, &[("bad", StreamConfig::default())]).await.unwrap_err().to_string();
    assert!(error.contains("bad") && error.contains("no source"), "{error}");
    assert_eq!(fleet.ingest.reports().len(), 1);
    fleet.until("a look", |seen| !seen.is_empty()).await;
    fleet.stop().await;
}

#[tokio::test]
async fn without_cameras_it_waits_for_some() {
    let dir = tempfile::tempdir().unwrap();
    let device = devices(&dir, 6, 1, 1).await;
    let all = streams(&device, Mode::Stream);
    let fleet = Fleet::start(ingest::IngestConfig { sessions_per_host: 1, ..config() }, Vec::new());
    for (name, stream) in &all[..3] {
        // The device has room for one: the next one connects when the last one's session is closed.
        set(&fleet.ingest, &[(name, stream.clone())]).await.unwrap();
        fleet.until("a look", |seen| seen.last().is_some_and(|look| look.camera == id(name))).await;
    }
    assert_eq!((device.report().most_of_a_host, device.report().refused), (1, 0));
    set(&fleet.ingest, &[]).await.unwrap();
    until("no session is left", || device.report().sessions == 0).await;
    set(&fleet.ingest, &all[3..4]).await.unwrap();
    fleet.until("a look", |seen| seen.last().is_some_and(|look| look.camera == id(all[3].0))).await;
    fleet.stop().await;
}
