//! Room for sessions on the devices that cameras hang off. Recorders and gateways admit only so many; one more is refused,
//! and on some it throws another one out. Who wants a picture now goes before those who come in their turn.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{runtime::Handle, sync::oneshot, task::JoinSet};

use crate::{config::Endpoint, rtsp::Sessions};

/// All hosts; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    /// Zero is no limit.
    limit: usize,
    /// By host name and port.
    room: Arc<Mutex<HashMap<String, Arc<Host>>>>,
    /// Sessions that nobody waits for any more.
    leaving: Arc<Mutex<JoinSet<()>>>,
}

/// The right to one session with a host; to be held until the host has closed it.
#[derive(Debug)]
pub(crate) struct Room(#[expect(dead_code, reason = "it is held, not read")] Option<Place>);

/// How much a session matters to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// It comes in its turn.
    Routine,
    /// A person, a check or a ticket waits for its picture.
    Now,
}

/// The places of one host, and who waits for them.
#[derive(Debug)]
struct Host(Mutex<Places>);

#[derive(Debug)]
struct Places {
    free: usize,
    now: VecDeque<oneshot::Sender<Place>>,
    routine: VecDeque<oneshot::Sender<Place>>,
}

/// One place; it is the next one's when this is dropped.
#[derive(Debug)]
struct Place(Arc<Host>);

impl Host {
    fn new(places: usize) -> Self {
        Self(Mutex::new(Places { free: places, now: VecDeque::new(), routine: VecDeque::new() }))
    }

    /// A place, or where it will come.
    fn ask(self: &Arc<Self>, urgency: Urgency) -> Result<Place, oneshot::Receiver<Place>> {
        let mut places = self.lock();
        if places.free > 0 {
            places.free -= 1;
            return Ok(Place(Arc::clone(self)));
        }
        let (sender, receiver) = oneshot::channel();
        let waiting = match urgency {
            Urgency::Routine => &mut places.routine,
            Urgency::Now => &mut places.now,
        };
        // Those who have given up need no answer.
        waiting.retain(|other| !other.is_closed());
        waiting.push_back(sender);
        Err(receiver)
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = {
            let places = &mut *self.0.lock();
            let mut waiting = std::iter::from_fn(|| places.now.pop_front().or_else(|| places.routine.pop_front()));
            let next = waiting.find(|next| !next.is_closed());
            places.free += usize::from(next.is_none());
            next
        };
        if let Some(next) = next {
            // Who gave up this moment drops it, and it comes here again.
            let _ = next.send(Self(Arc::clone(&self.0)));
        }
    }
}

impl Hosts {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, room: Arc::default(), leaving: Arc::default() }
    }

    /// Waits until there is room on the endpoint's host; those of one urgency are served as they come. `full` is told if it has to
    /// wait.
    pub(crate) async fn admit(&self, endpoint: &Endpoint, urgency: Urgency, full: impl FnOnce(String)) -> Room {
        if self.limit == 0 {
            return Room(None);
        }
        let name = endpoint.host();
        let host = {
            let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(room.entry(name.clone()).or_insert_with(|| Arc::new(Host::new(self.limit))))
        };
        match host.ask(urgency) {
            Ok(place) => Room(Some(place)),
            Err(place) => {
                full(format!("all {} sessions with {name} are taken (ingest.sessions_per_host)", self.limit));
                // Whoever waits is answered before the host, which this holds, is gone.
                Room(place.await.ok())
            }
        }
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
        let room = hosts.admit(&endpoint("rtsp://h/1"), Urgency::Routine, |_| panic!("there is room")).await;
        hosts.admit(&endpoint("rtsp://h:8554/1"), Urgency::Routine, |_| panic!("another port is another host")).await;
        let mut told = None;
        let second = endpoint("rtsp://h:554/2");
        let waiting = hosts.admit(&second, Urgency::Routine, |why| told = Some(why));
        let leaving = async move {
            tokio::task::yield_now().await;
            drop(room);
        };
        tokio::join!(waiting, leaving);
        assert_eq!(told.as_deref(), Some("all 1 sessions with h:554 are taken (ingest.sessions_per_host)"));
    }

    #[tokio::test]
    async fn who_is_wanted_now_goes_before_those_who_come_in_their_turn() {
        let hosts = Hosts::new(1);
        let address = endpoint("rtsp://h/1");
        let room = hosts.admit(&address, Urgency::Routine, |_| panic!("there is room")).await;
        let order = Mutex::new(Vec::new());
        let visit = async |name, urgency| {
            let _room = hosts.admit(&address, urgency, |_| ()).await;
            order.lock().expect("not poisoned").push(name);
        };
        let given_up = async {
            let late = tokio::time::timeout(Duration::from_millis(1), visit("late", Urgency::Now)).await;
            assert!(late.is_err());
            drop(room);
        };
        // They wait in this order.
        tokio::join!(
            visit("patrol 1", Urgency::Routine),
            visit("patrol 2", Urgency::Routine),
            given_up,
            visit("grab 1", Urgency::Now),
            visit("grab 2", Urgency::Now),
        );
        assert_eq!(order.into_inner().expect("not poisoned"), ["grab 1", "grab 2", "patrol 1", "patrol 2"]);
        hosts.admit(&address, Urgency::Routine, |_| panic!("all places were given back")).await;
    }

    #[tokio::test]
    async fn without_a_limit_there_is_always_room() {
        let hosts = Hosts::new(0);
        let address = endpoint("rtsp://h/1");
        let _first = hosts.admit(&address, Urgency::Routine, |_| panic!("there is room")).await;
        hosts.admit(&address, Urgency::Routine, |_| panic!("there is room")).await;
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
            guest.sessions.keep(hosts.admit(&endpoint, Urgency::Routine, |_| panic!("there is room")).await);
            let session = Session::connect(&endpoint, &guest.sessions, 30 * second).await.expect("a session");
            device.set_fault(&device.mounts()[0].name, fault).expect("a camera");
            drop(session);
            drop(guest);
            let mut waited = false;
            let room = hosts.admit(&endpoint, Urgency::Routine, |_| waited = true).await;
            assert!(waited, "{fault:?}");
            // A host that hangs is left alone after a while.
            assert!(device.report().sessions == 0 || fault == Fault::Hang);
            drop(room);
        }
    }
}
