//! One thread that sends all viewers of all cameras their pictures when they are due.
//!
//! What a viewer does not take at once waits in a queue of its own; with too much in it the camera leaves out pictures
//! up to a keyframe, as cameras do. So no viewer delays another one.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    net::tcp::OwnedWriteHalf,
    sync::mpsc::{self, error::TryRecvError},
};
use tokio_util::sync::DropGuard;

use super::{
    super::{Fault, program::Cursor},
    Camera,
    packets::{Numbers, sender_report},
    reel::Reel,
};

/// The thread looks so often at what is due: pictures of many cameras go out in one turn.
const TURN: Duration = Duration::from_millis(4);
/// How often a camera that sends nothing looks whether its fault is over.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// More than this waiting for one viewer, and its camera leaves out pictures up to a keyframe.
const BACKLOG: usize = 512 << 10;
/// Later than this, and a camera goes on from now instead of hurrying after the clock.
const LATE: Duration = Duration::from_secs(2);
/// Cameras send sender reports about so often.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// How far, and how often, timestamps jump on cameras whose timestamps jump.
const JUMP: (u32, Duration) = (37 * CLOCK as u32, Duration::from_secs(4));
/// Units of RTP timestamps in a second.
const CLOCK: f64 = 90_000.0;
/// From the first of January 1900 to that of 1970 (RFC 5905).
const NTP_EPOCH: Duration = Duration::from_secs(2_208_988_800);

/// What connections ask of the thread.
pub(super) enum Order {
    /// Send pictures from now on.
    Watch(Box<Viewer>),
    /// Send an answer to a request, between pictures.
    Answer(u64, Vec<u8>),
    /// Send a last answer and nothing more.
    Leave(u64, Vec<u8>),
}

/// A client that gets pictures. Dropping it closes the connection.
pub(super) struct Viewer {
    pub(super) id: u64,
    pub(super) camera: Arc<Camera>,
    socket: OwnedWriteHalf,
    numbers: Numbers,
    timestamp_base: u32,
    reel: Arc<Reel>,
    cursor: Cursor,
    /// An instant, and the stream's and the program's time that belong to it.
    anchor: (Instant, Duration, Duration),
    began: Instant,
    pending: Vec<u8>,
    /// Bytes that the line may take now, where it is a slow one.
    credit: (f64, Instant),
    skipping: bool,
    silent: bool,
    /// Whether it is among those that bytes wait for.
    waiting: bool,
    next_report: Instant,
    _end: DropGuard,
}

impl Viewer {
    /// A viewer of `camera` whose connection ends with `end`. The answer to PLAY goes out before the first picture.
    pub(super) fn new(
        (id, camera): (u64, Arc<Camera>),
        socket: OwnedWriteHalf,
        numbers: Numbers,
        timestamp_base: u32,
        answer: Vec<u8>,
        end: DropGuard,
    ) -> Self {
        let now = Instant::now();
        let reel = camera.reel();
        let mut viewer = Self {
            id,
            cursor: reel.program.keyframe_at(Duration::ZERO),
            reel,
            camera,
            socket,
            numbers,
            timestamp_base,
            anchor: (now, Duration::ZERO, Duration::ZERO),
            began: now,
            pending: answer,
            credit: (0.0, now),
            skipping: false,
            silent: false,
            waiting: false,
            next_report: now,
            _end: end,
        };
        viewer.resume(now);
        viewer
    }

    fn due(&self) -> Instant {
        self.anchor.0 + self.reel.program.time(self.cursor).saturating_sub(self.anchor.2)
    }

    /// Ties the program's time to the clock anew, at the keyframe of this moment.
    fn resume(&mut self, now: Instant) {
        self.cursor = self.reel.program.keyframe_at(self.camera.time(now));
        self.anchor = (now, now.duration_since(self.began), self.reel.program.time(self.cursor));
    }

    /// Sends what is due, and says when to come again; an error ends the viewer.
    fn turn(&mut self, now: Instant, scratch: &mut Vec<u8>) -> io::Result<Instant> {
        let fault = self.camera.fault();
        match fault {
            Fault::Drop | Fault::Reset => return Err(io::ErrorKind::ConnectionAborted.into()),
            Fault::Stall | Fault::Hang => {
                self.silent = true;
                return Ok(now + LOOK_AGAIN);
            }
            _ => {}
        }
        let reel = self.camera.reel();
        let changed = !Arc::ptr_eq(&reel, &self.reel);
        self.reel = reel;
        let late =
            now.saturating_duration_since(self.anchor.0) > LATE && now.saturating_duration_since(self.due()) > LATE;
        if std::mem::take(&mut self.silent) || changed || late {
            self.resume(now);
        }
        let program = &self.reel.program;
        let keyframe = program.unit(self.cursor).keyframe;
        let waiting = self.pending.len();
        self.skipping = waiting > BACKLOG || (self.skipping && !(keyframe && waiting < BACKLOG / 2));
        if !self.skipping {
            let at = self.anchor.1 + program.time(self.cursor).saturating_sub(self.anchor.2);
            let timestamp = self.timestamp(at, fault);
            scratch.clear();
            if now >= self.next_report {
                self.next_report = now + REPORT_INTERVAL;
                scratch.extend_from_slice(&sender_report(&self.numbers, timestamp, since_1900()));
            }
            match fault {
                Fault::CorruptKeyframes if keyframe => {
                    self.reel.write_damaged_to(scratch, self.cursor, &mut self.numbers, timestamp);
                }
                _ => self.reel.write_to(scratch, self.cursor, &mut self.numbers, timestamp),
            }
            self.send(scratch, fault, now)?;
        }
        self.cursor = self.reel.program.next(self.cursor);
        Ok(self.due())
    }

    fn timestamp(&self, at: Duration, fault: Fault) -> u32 {
        let jumps = match fault {
            // Forth and back, as if somebody set the camera's clock.
            Fault::JumpingTimestamps => (at.as_secs() / JUMP.1.as_secs()) as u32 % 2 * JUMP.0,
            _ => 0,
        };
        self.timestamp_base.wrapping_add((at.as_secs_f64() * CLOCK) as u64 as u32).wrapping_add(jumps)
    }

    fn send(&mut self, bytes: &[u8], fault: Fault, now: Instant) -> io::Result<()> {
        let slow = matches!(fault, Fault::SlowNetwork { .. });
        let sent = if self.pending.is_empty() && !slow { self.write(bytes)? } else { 0 };
        self.pending.extend_from_slice(&bytes[sent..]);
        if slow { self.flush(now) } else { Ok(()) }
    }

    /// Sends what waits, as far as the line takes it.
    fn flush(&mut self, now: Instant) -> io::Result<()> {
        let mut most = self.pending.len();
        if let Fault::SlowNetwork { kbit_s } = self.camera.fault() {
            let rate = f64::from(kbit_s) * 125.0;
            // A second's worth at most: a line does not save up what it did not carry.
            let credit = (self.credit.0 + rate * now.duration_since(self.credit.1).as_secs_f64()).min(rate);
            most = most.min(credit as usize);
            self.credit = (credit - most as f64, now);
        }
        let sent = self.write(&self.pending[..most])?;
        self.pending.drain(..sent);
        Ok(())
    }

    fn write(&self, mut bytes: &[u8]) -> io::Result<usize> {
        let whole = bytes.len();
        while !bytes.is_empty() {
            match self.socket.try_write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(whole - bytes.len())
    }
}

fn since_1900() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + NTP_EPOCH
}

/// Serves viewers until all senders of orders are gone.
pub(super) fn run(mut orders: mpsc::Receiver<Order>) {
    let mut pacer = Pacer::default();
    loop {
        let mut next = if pacer.viewers.is_empty() {
            orders.blocking_recv().ok_or(TryRecvError::Disconnected)
        } else {
            orders.try_recv()
        };
        loop {
            match next {
                Ok(order) => pacer.take(order),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
            next = orders.try_recv();
        }
        let now = Instant::now();
        pacer.turn(now);
        std::thread::sleep(TURN.saturating_sub(now.elapsed()));
    }
}

#[derive(Default)]
struct Pacer {
    viewers: HashMap<u64, Viewer>,
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    /// Viewers that bytes wait for.
    waiting: Vec<u64>,
    scratch: Vec<u8>,
}

impl Pacer {
    fn take(&mut self, order: Order) {
        match order {
            Order::Watch(viewer) => {
                self.due.push(Reverse((Instant::now(), viewer.id)));
                self.waiting.push(viewer.id);
                self.viewers.insert(viewer.id, Viewer { waiting: true, ..*viewer });
            }
            Order::Answer(id, answer) => {
                if let Some(viewer) = self.viewers.get_mut(&id) {
                    viewer.pending.extend_from_slice(&answer);
                    if !std::mem::replace(&mut viewer.waiting, true) {
                        self.waiting.push(id);
                    }
                }
            }
            Order::Leave(id, answer) => {
                // A client that hung up without waiting for the answer needs none.
                if let Some(mut viewer) = self.viewers.remove(&id) {
                    viewer.pending.extend_from_slice(&answer);
                    let _ = viewer.flush(Instant::now());
                }
            }
        }
    }

    /// Sends what is due, and what waits.
    fn turn(&mut self, now: Instant) {
        let waiting = std::mem::take(&mut self.waiting);
        for id in waiting {
            let Some(viewer) = self.viewers.get_mut(&id) else { continue };
            match viewer.flush(now) {
                Ok(()) if viewer.pending.is_empty() => viewer.waiting = false,
                Ok(()) => self.waiting.push(id),
                Err(_) => drop(self.viewers.remove(&id)),
            }
        }
        while let Some(&Reverse((at, id))) = self.due.peek()
            && at <= now
        {
            self.due.pop();
            let Some(viewer) = self.viewers.get_mut(&id) else { continue };
            match viewer.turn(now, &mut self.scratch) {
                Ok(next) => {
                    self.due.push(Reverse((next, id)));
                    if !viewer.pending.is_empty() && !std::mem::replace(&mut viewer.waiting, true) {
                        self.waiting.push(id);
                    }
                }
                Err(_) => drop(self.viewers.remove(&id)),
            }
        }
    }
}
