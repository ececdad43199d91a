//! Room for sessions on the devices that cameras hang off. Recorders and gateways admit only so many; one more is refused,
//! and on some it throws another one out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use crate::{config::Endpoint, rtsp::Sessions};

/// All hosts; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    /// Zero is no limit.
    limit: usize,
    /// By host name and port.
    room: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
    /// Sessions that nobody waits for any more.
    leaving: Arc<Mutex<JoinSet<()>>>,
}

/// The right to one session with a host; to be held until the host has closed it.
#[derive(Debug)]
pub(crate) struct Room(#[expect(dead_code, reason = "it is held, not read")] Option<OwnedSemaphorePermit>);

impl Hosts {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, room: Arc::default(), leaving: Arc::default() }
    }

    /// Waits until there is room on the endpoint's host; first come, first served. `full` is told if it has to wait.
    pub(crate) async fn admit(&self, endpoint: &Endpoint, full: impl FnOnce(String)) -> Room {
        if self.limit == 0 {
            return Room(None);
        }
        let url = &endpoint.address.url;
        let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(554));
        let semaphore = {
            let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(room.entry(host.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.limit))))
        };
        if let Ok(permit) = Arc::clone(&semaphore).try_acquire_owned() {
            return Room(Some(permit));
        }
        full(format!("all {} sessions with {host} are taken (ingest.sessions_per_host)", self.limit));
        // The semaphore is never closed.
        Room(semaphore.acquire_owned().await.ok())
    }

    /// Takes over sessions that nobody waits for any more: their room is given back once the host has closed them, or has
    /// had the time to.
    fn see_off(&self, sessions: Sessions) {
        // Without a runtime nothing is said to any host.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        while leaving.try_join_next().is_some() {}
        leaving.spawn_on(async move { sessions.closed().await }, &runtime);
    }
}

/// Sessions whose room is kept until their host has closed them, also if whoever uses them is dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) sessions: Sessions,
    hosts: Hosts,
}

impl Guest {
    pub(crate) fn new(hosts: &Hosts) -> Self {
        Self { sessions: Sessions::default(), hosts: hosts.clone() }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if self.sessions.hold_room() {
            self.hosts.see_off(self.sessions.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Picture, StreamRole, Timestamp};

    use super::*;
    use crate::{
        StreamConfig,
        encode::Encoder,
        rtsp::Session,
        simulate::{self, Fault, Fleet, FleetConfig, Mount},
    };

    fn endpoint(url: &str) -> Endpoint {
        let stream = StreamConfig { main: Some(url.to_owned()), ..StreamConfig::default() };
        stream.endpoint(StreamRole::Main).expect("valid")
    }

    #[tokio::test]
    async fn a_host_has_room_for_so_many_whatever_the_camera() {
        let hosts = Hosts::new(1);
        let room = hosts.admit(&endpoint("rtsp://h/1"), |_| panic!("there is room")).await;
        hosts.admit(&endpoint("rtsp://h:8554/1"), |_| panic!("another port is another host")).await;
        let mut told = None;
        let second = endpoint("rtsp://h:554/2");
        let waiting = hosts.admit(&second, |why| told = Some(why));
        let leaving = async move {
            tokio::task::yield_now().await;
            drop(room);
        };
        tokio::join!(waiting, leaving);
        assert_eq!(told.as_deref(), Some("all 1 sessions with h:554 are taken (ingest.sessions_per_host)"));
    }

    #[tokio::test]
    async fn without_a_limit_there_is_always_room() {
        let hosts = Hosts::new(0);
        let address = endpoint("rtsp://h/1");
        let _first = hosts.admit(&address, |_| panic!("there is room")).await;
        hosts.admit(&address, |_| panic!("there is room")).await;
    }

    #[tokio::test]
    async fn who_is_dropped_keeps_his_room_until_the_host_has_closed_the_session() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("clip.mp4");
        let mut encoder = Encoder::new(64, 48, 28).expect("an encoder");
        let keyframe = encoder.encode(&Picture::uniform(64, 48, [120; 3]), Timestamp(0)).expect("a keyframe");
        let second = Duration::from_secs(1);
        simulate::write_recording(&path, &[(Duration::ZERO, keyframe.data)], second).expect("a recording");
        let mounts = Mount::new("cam", simulate::Source::Recording(path)).copies(2);
        let device = Fleet::start(FleetConfig::default(), mounts).await.expect("a device");
        let endpoint = endpoint(&device.mounts()[0].url);

        let hosts = Hosts::new(1);
        for fault in [Fault::None, Fault::Hang] {
            let guest = Guest::new(&hosts);
            guest.sessions.keep(hosts.admit(&endpoint, |_| panic!("there is room")).await);
            let session = Session::connect(&endpoint, &guest.sessions, 30 * second).await.expect("a session");
            device.set_fault(&device.mounts()[0].name, fault).expect("a camera");
            drop(session);
            drop(guest);
            let mut waited = false;
            let room = hosts.admit(&endpoint, |_| waited = true).await;
            assert!(waited, "{fault:?}");
            // A host that hangs is left alone after a while.
            assert!(device.report().sessions == 0 || fault == Fault::Hang);
            drop(room);
        }
    }
}
