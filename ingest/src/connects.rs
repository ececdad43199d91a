//! Turns at connecting: so many at one time, and so many a second. After a start, an import, or an outage of everything,
//! thousands of cameras want to connect at once; recorders, switches and this machine want them to come one after the other.
//!
//! Who answers nothing keeps a turn until the time for an answer is over. So what was silent lately waits behind all others and
//! never has every turn, and among equals the host with the fewest turns comes first: a camera that is well is looked at in
//! time however many others are silent.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::{IngestError, config::Endpoint};

/// For how long silence is held against somebody who was not asked again.
const LATELY: Duration = Duration::from_secs(600);
/// A host that refuses says so at once; that there is no way to it comes out after a while, as silence does.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The turns of all cameras.
#[derive(Debug)]
pub(crate) struct Connects {
    queue: Mutex<Queue>,
    /// From one turn to the next.
    gap: Duration,
    next: Mutex<Instant>,
}

#[derive(Debug)]
struct Queue {
    turns: Turns,
    /// Told when their turn has come.
    waiting: HashMap<u64, oneshot::Sender<()>>,
}

/// The right to connect; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    connects: &'a Connects,
    number: u64,
    began: Instant,
}

impl Connects {
    /// `in_flight` of zero is one; `a_second` of zero is no limit.
    pub(crate) fn new(in_flight: usize, a_second: u32) -> Self {
        let gap = if a_second == 0 { Duration::ZERO } else { Duration::from_secs(1) / a_second };
        let queue = Queue { turns: Turns::new(in_flight), waiting: HashMap::new() };
        Self { queue: Mutex::new(queue), gap, next: Mutex::new(Instant::now()) }
    }

    /// Waits for a turn of a visit, which comes so often that visits are spread by themselves.
    pub(crate) async fn visit(&self, endpoint: &Endpoint) -> Turn<'_> {
        let (sender, come) = oneshot::channel();
        let mut turn = {
            let (caller, queue) = (Caller::of(endpoint), &mut *self.lock());
            let number = queue.turns.ask(caller);
            queue.waiting.insert(number, sender);
            queue.call(Instant::now());
            // Whoever is dropped while he waits leaves the queue with this.
            Turn { connects: self, number, began: Instant::now() }
        };
        // It is told before its sender is dropped.
        let _ = come.await;
        turn.began = Instant::now();
        turn
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self, endpoint: &Endpoint) -> Turn<'_> {
        // Whoever waits for the next moment counts as in flight: the others wait behind.
        let mut turn = self.visit(endpoint).await;
        let at = self.take(Instant::now());
        tokio::time::sleep_until(at).await;
        turn.began = Instant::now();
        turn
    }

    /// The moment of the next turn, which is taken with that.
    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = now.max(*next);
        *next = at + self.gap;
        at
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Tells those whose turn has come.
    fn call(&mut self, now: Instant) {
        for number in self.turns.next(now) {
            if let Some(waiting) = self.waiting.remove(&number) {
                // Who is dropped this moment gives it back.
                let _ = waiting.send(());
            }
        }
    }
}

impl Turn<'_> {
    /// Gives it back, and says what came of it.
    pub(crate) fn end<T>(self, result: &Result<T, IngestError>) {
        let now = Instant::now();
        let answer = match result {
            Ok(_) => Answer::Something,
            Err(error) => Answer::of(error, now.duration_since(self.began)),
        };
        self.connects.lock().turns.heard(self.number, answer, self.began, now);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let queue = &mut *self.connects.lock();
        queue.waiting.remove(&self.number);
        queue.turns.leave(self.number);
        queue.call(Instant::now());
    }
}

/// What came back from a host that was connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Be it a refusal.
    Something,
    Nothing,
}

impl Answer {
    fn of(error: &IngestError, took: Duration) -> Self {
        match error {
            IngestError::Timeout { .. } => Self::Nothing,
            IngestError::Unreachable { .. } if took >= AT_ONCE => Self::Nothing,
            _ => Self::Something,
        }
    }
}

/// Who connects, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Caller {
    host: String,
    /// Which of the host's streams, by a hash: addresses hold secrets.
    stream: u64,
}

impl Caller {
    fn of(endpoint: &Endpoint) -> Self {
        let mut hasher = DefaultHasher::new();
        endpoint.address.url.hash(&mut hasher);
        Self { host: endpoint.host(), stream: hasher.finish() }
    }
}

#[derive(Debug, Default)]
struct Host {
    in_flight: usize,
    /// Since when nothing has come from it.
    silent: Option<Instant>,
    heard: Option<Instant>,
}

/// Who waits or connects, by the numbers of the turn and of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    number: u64,
    host: usize,
    stream: u64,
}

/// The lower goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Well,
    /// Its host was silent lately.
    HostSilent,
    /// It was silent itself.
    Silent,
}

/// Whose turn it is. No clock and no waiting.
#[derive(Debug)]
struct Turns {
    most: usize,
    /// So many of them for those that were silent lately.
    most_silent: usize,
    /// Those whose turn it is, and whether as that of one who was silent lately.
    in_flight: HashMap<u64, (Place, Standing)>,
    in_flight_silent: usize,
    /// Those that wait, in the order in which they came.
    queue: Vec<Place>,
    /// Those that wait and were silent lately.
    behind: Vec<(Standing, Place)>,
    hosts: Vec<Host>,
    names: HashMap<String, usize>,
    /// Streams that were silent, and when.
    silent: HashMap<u64, Instant>,
    given: u64,
}

impl Turns {
    fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            most,
            most_silent: (most - most.div_ceil(4)).max(1),
            in_flight: HashMap::new(),
            in_flight_silent: 0,
            queue: Vec::new(),
            behind: Vec::new(),
            hosts: Vec::new(),
            names: HashMap::new(),
            silent: HashMap::new(),
            given: 0,
        }
    }

    /// One more that wants to connect; its number.
    fn ask(&mut self, caller: Caller) -> u64 {
        let host = *self.names.entry(caller.host).or_insert_with(|| {
            self.hosts.push(Host::default());
            self.hosts.len() - 1
        });
        self.given += 1;
        self.queue.push(Place { number: self.given, host, stream: caller.stream });
        self.given
    }

    /// Takes those from the queues whose turn has come.
    fn next(&mut self, now: Instant) -> Vec<u64> {
        let mut come = Vec::new();
        if self.in_flight.len() < self.most {
            self.sort(now);
        }
        while self.in_flight.len() < self.most
            && let Some((standing, place)) = self.first()
        {
            self.hosts[place.host].in_flight += 1;
            self.in_flight_silent += usize::from(standing != Standing::Well);
            self.in_flight.insert(place.number, (place, standing));
            come.push(place.number);
        }
        come
    }

    /// Takes the one out whose turn is next, of queues that are sorted.
    fn first(&mut self) -> Option<(Standing, Place)> {
        let turns = |place: &Place| self.hosts[place.host].in_flight;
        if let Some((i, _)) = self.queue.iter().enumerate().min_by_key(|(_, place)| turns(place)) {
            return Some((Standing::Well, self.queue.remove(i)));
        }
        if self.in_flight_silent >= self.most_silent {
            return None;
        }
        let rank = |(standing, place): &(Standing, Place)| (*standing, turns(place), place.number);
        let (i, _) = self.behind.iter().enumerate().min_by_key(|(_, waiting)| rank(waiting))?;
        Some(self.behind.swap_remove(i))
    }

    /// Puts those behind that fell silent while they waited.
    fn sort(&mut self, now: Instant) {
        let mut queue = std::mem::take(&mut self.queue);
        queue.retain(|place| {
            let standing = self.standing(place, now);
            if standing != Standing::Well {
                self.behind.push((standing, *place));
            }
            standing == Standing::Well
        });
        self.queue = queue;
    }

    fn standing(&self, place: &Place, now: Instant) -> Standing {
        let lately = |at: Instant| now.saturating_duration_since(at) < LATELY;
        if self.silent.get(&place.stream).copied().is_some_and(lately) {
            Standing::Silent
        } else if self.hosts[place.host].silent.is_some_and(lately) {
            Standing::HostSilent
        } else {
            Standing::Well
        }
    }

    /// What came back at a turn that `began` then.
    fn heard(&mut self, number: u64, answer: Answer, began: Instant, now: Instant) {
        let Some((place, _)) = self.in_flight.get(&number) else { return };
        let host = &mut self.hosts[place.host];
        match answer {
            Answer::Something => {
                let was_silent = self.silent.remove(&place.stream).is_some() || host.silent.is_some();
                (host.silent, host.heard) = (None, Some(now));
                if was_silent {
                    // Those that waited behind for it wait with the others again, in the order in which all came.
                    self.queue.extend(self.behind.drain(..).map(|(_, place)| place));
                    self.queue.sort_unstable();
                    self.sort(now);
                }
            }
            Answer::Nothing => {
                self.silent.insert(place.stream, now);
                // Another of its streams may have answered meanwhile.
                if host.heard.is_none_or(|heard| heard < began) {
                    host.silent = Some(now);
                }
                // Some are never asked again.
                self.silent.retain(|_, at| now.saturating_duration_since(*at) < LATELY);
            }
        }
    }

    /// One does not connect any more, or does not wait.
    fn leave(&mut self, number: u64) {
        match self.in_flight.remove(&number) {
            Some((place, standing)) => {
                self.hosts[place.host].in_flight -= 1;
                self.in_flight_silent -= usize::from(standing != Standing::Well);
            }
            None => {
                self.queue.retain(|place| place.number != number);
                self.behind.retain(|(_, place)| place.number != number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cmp::Reverse, collections::BinaryHeap};

    use domain::StreamRole;

    use super::*;
    use crate::StreamConfig;

    fn endpoint(url: &str) -> Endpoint {
        let stream = StreamConfig { main: Some(url.to_owned()), ..StreamConfig::default() };
        stream.endpoint(StreamRole::Main).expect("valid")
    }

    #[test]
    fn turns_come_so_many_a_second_and_none_is_saved_up() {
        let connects = Connects::new(1, 10);
        let now = Instant::now() + Duration::from_secs(60);
        let waits: Vec<_> = (0..4).map(|_| connects.take(now).duration_since(now).as_millis()).collect();
        assert_eq!(waits, [0, 100, 200, 300]);
        let later = now + Duration::from_secs(60);
        assert_eq!(connects.take(later), later);
        assert_eq!(connects.take(later), later + Duration::from_millis(100));
        assert_eq!(Connects::new(1, 0).take(later), later);
    }

    #[tokio::test]
    async fn so_many_connect_at_one_time() {
        let (connects, camera) = (Connects::new(2, 0), endpoint("rtsp://h/1"));
        let (first, _second) = (connects.turn(&camera).await, connects.turn(&camera).await);
        let mut given_up = Box::pin(connects.turn(&camera));
        assert!(futures::poll!(given_up.as_mut()).is_pending());
        let mut third = std::pin::pin!(connects.turn(&camera));
        assert!(futures::poll!(third.as_mut()).is_pending());
        drop(given_up);
        assert!(futures::poll!(third.as_mut()).is_pending());
        drop(first);
        third.await;
    }

    #[tokio::test]
    async fn what_answered_nothing_waits_behind_the_others_until_it_answers() {
        let (connects, camera, other) = (Connects::new(1, 0), endpoint("rtsp://h/1"), endpoint("rtsp://o/1"));
        let late = || IngestError::Timeout { address: "h".into(), step: "DESCRIBE", after: Duration::from_secs(10) };
        let refused = || IngestError::Unauthorized { address: "h".into(), status: 401 };
        for (error, silent) in [(late(), true), (refused(), false)] {
            connects.visit(&camera).await.end(&Err::<(), _>(error));
            let busy = connects.visit(&other).await;
            let mut earlier = Box::pin(connects.visit(&camera));
            assert!(futures::poll!(earlier.as_mut()).is_pending());
            let mut later = Box::pin(connects.visit(&other));
            assert!(futures::poll!(later.as_mut()).is_pending());
            drop(busy);
            let (earlier, later) = (futures::poll!(earlier.as_mut()), futures::poll!(later.as_mut()));
            assert_eq!((earlier.is_pending(), later.is_pending()), (silent, !silent));
        }
    }

    #[test]
    fn a_refusal_is_an_answer_and_no_way_to_the_host_is_none() {
        let unreachable = IngestError::Unreachable { address: "h".into(), reason: "no route".into() };
        assert_eq!(Answer::of(&unreachable, Duration::from_millis(2)), Answer::Something);
        assert_eq!(Answer::of(&unreachable, Duration::from_secs(3)), Answer::Nothing);
    }

    fn caller(host: usize, stream: u64) -> Caller {
        Caller { host: format!("host-{host}"), stream }
    }

    #[test]
    fn each_host_has_its_share_of_the_turns() {
        let now = Instant::now();
        let mut turns = Turns::new(4);
        // A gateway with many cameras comes first.
        let gateway: Vec<_> = (0..10).map(|n| turns.ask(caller(0, n))).collect();
        let others: Vec<_> = (1..4).map(|n| turns.ask(caller(n, 100))).collect();
        assert_eq!(turns.next(now), [gateway[0], others[0], others[1], others[2]]);
        turns.leave(others[0]);
        assert_eq!(turns.next(now), [gateway[1]]);
    }

    #[test]
    fn a_stream_that_is_silent_is_not_held_against_a_host_that_answers() {
        let began = Instant::now();
        let second = Duration::from_secs(1);
        let mut turns = Turns::new(4);
        let (silent, well) = (turns.ask(caller(0, 1)), turns.ask(caller(0, 2)));
        let standing = |turns: &Turns, stream, now| turns.standing(&Place { number: 0, host: 0, stream }, now);
        assert_eq!(turns.next(began).len(), 2);
        turns.heard(well, Answer::Something, began, began + second);
        turns.heard(silent, Answer::Nothing, began, began + 10 * second);
        let now = began + 10 * second;
        assert_eq!(standing(&turns, 1, now), Standing::Silent);
        assert_eq!(standing(&turns, 2, now), Standing::Well);
        // Then it does not answer any more, to anybody.
        turns.heard(silent, Answer::Nothing, now, now + 10 * second);
        let now = now + 10 * second;
        assert_eq!(standing(&turns, 2, now), Standing::HostSilent);
        assert_eq!(standing(&turns, 2, now + LATELY), Standing::Well);
        turns.heard(well, Answer::Something, now, now);
        assert_eq!(standing(&turns, 2, now), Standing::Well);
    }

    #[test]
    fn those_that_waited_for_a_silent_host_come_forward_when_it_answers() {
        let began = Instant::now();
        let mut turns = Turns::new(4);
        let gone: Vec<_> = (0..3).map(|n| turns.ask(caller(0, n))).collect();
        assert_eq!(turns.next(began), gone);
        let now = began + Duration::from_secs(10);
        turns.heard(gone[0], Answer::Nothing, began, now);
        let waiting: Vec<_> = (10..14).map(|n| turns.ask(caller(0, n))).collect();
        let busy = turns.ask(caller(1, 100));
        assert_eq!(turns.next(now), [busy], "all turns are taken");
        turns.leave(gone[0]);
        assert_eq!(turns.next(now), [waiting[0]]);
        turns.heard(gone[1], Answer::Something, began, now);
        turns.leave(gone[1]);
        let other = turns.ask(caller(2, 200));
        assert_eq!(turns.next(now), [other], "its host has fewer turns");
        turns.leave(gone[2]);
        assert_eq!(turns.next(now), [waiting[1]], "who came first");
    }

    /// For how long the visits of a hundred cameras that are well, one each 10 s, wait for their turns at most, within ten minutes
    /// beside this many that are silent; the first two, in which nobody knows them yet, apart.
    fn longest_wait(silent: usize) -> Duration {
        const WELL: usize = 100;
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let mut turns = Turns::new(256);
        // Who asks or ends when: a camera, and its turn.
        let mut events = BinaryHeap::new();
        for camera in 0..WELL + silent {
            events.push(Reverse((start + 10 * second * camera as u32 / (WELL + silent) as u32, camera, None)));
        }
        let (mut asked, mut longest) = (HashMap::new(), Duration::ZERO);
        while let Some(Reverse((now, camera, turn))) =
            events.pop().filter(|Reverse((now, ..))| *now < start + 600 * second)
        {
            match turn {
                None => {
                    asked.insert(turns.ask(caller(camera, camera as u64)), (camera, now));
                }
                Some((number, began)) => {
                    let (answer, pause) = match camera < WELL {
                        true => (Answer::Something, 9800),
                        // As cameras that failed again and again wait: by chance, half of the longest wait on the average.
                        false => (Answer::Nothing, 1000 + (camera as u64 * 7919 + number * 104_729) % 29_000),
                    };
                    turns.heard(number, answer, began, now);
                    turns.leave(number);
                    events.push(Reverse((now + Duration::from_millis(pause), camera, None)));
                }
            }
            for number in turns.next(now) {
                let (camera, since) = asked[&number];
                let takes = if camera < WELL { second / 5 } else { 10 * second };
                if camera < WELL && now > start + 120 * second {
                    longest = longest.max(now - since);
                }
                events.push(Reverse((now + takes, camera, Some((number, now)))));
            }
        }
        longest
    }

    #[test]
    fn cameras_that_are_well_wait_for_none_that_are_silent() {
        for silent in [100, 650, 2000] {
            assert_eq!(longest_wait(silent), Duration::ZERO, "{silent} silent cameras");
        }
    }
}
