//! Room for sessions on the devices that cameras hang off. Recorders and gateways admit only so many; one more is refused,
//! and on some it throws another one out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Endpoint;

/// All hosts; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    /// Zero is no limit.
    limit: usize,
    /// By host name and port.
    room: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

/// The right to one session with a host; to be held until the host has closed it.
#[derive(Debug)]
pub(crate) struct Room(#[expect(dead_code, reason = "it is held, not read")] Option<OwnedSemaphorePermit>);

impl Hosts {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, room: Arc::default() }
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
}

#[cfg(test)]
mod tests {
    use domain::StreamRole;

    use super::*;
    use crate::StreamConfig;

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
}
