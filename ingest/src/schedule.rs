//! Which camera is looked at next: most overdue first, one look of a camera at a time. No I/O and no clock; looks are
//! handed out by [`crate::looks`].
//!
//! ```text
//!            due, and a keyframe is there            done
//!  waiting ------------------------------> in flight -----> waiting
//!     |  ^
//!     |  | a keyframe arrives
//!     v  |
//!   parked (due, but no keyframe that was not looked at yet)
//! ```
//! Only waiting cameras are in the heap, once each; an entry of an older generation is void. So each event costs
//! O(log cameras). A camera that leaves ends first; its number is free once its source has stopped and no look is in flight.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use crate::tempo::{Minute, Tempo, Wait};

/// What [`Schedule::take`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This camera is to be looked at now.
    Look(Due),
    /// Nothing before this time, unless a keyframe or a request comes.
    NotBefore(Instant),
    /// Nothing until a keyframe or a request comes.
    Nothing,
    /// Nothing any more.
    Closed,
}

/// A look that is handed out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) camera: usize,
    /// Since when it was due.
    pub(crate) since: Instant,
    /// Since when it could have been made: due, and with a keyframe.
    pub(crate) ready_since: Instant,
    pub(crate) urgency: Urgency,
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was made: the next is due an interval after it was taken.
    Made,
    /// It failed: the next is due `retry` after it ended, and twice as long with each further failure in a row, up to `most`.
    Failed {
        /// The first wait.
        retry: Duration,
        /// The longest.
        most: Duration,
    },
}

/// When looks are asked for ahead of time, they go before all that are only due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    Asked,
    Due,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    urgency: Urgency,
    due: Instant,
    camera: usize,
    generation: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting,
    Parked,
    InFlight,
    /// Nobody's: the next camera that is added gets it.
    Vacant,
}

#[derive(Debug)]
struct Slot {
    place: Place,
    interval: Duration,
    due: Instant,
    urgency: Urgency,
    generation: u64,
    /// The last keyframe was not looked at yet; since when there is such a one.
    fresh: Option<Instant>,
    taken: Option<Instant>,
    /// Looks in a row that failed.
    failures: u32,
    /// A look was asked for while one was in flight.
    asked: bool,
    ended: bool,
    /// Its camera is looked at no more.
    left: bool,
    /// Nobody speaks of it any more but the look in flight.
    vacated: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    slots: Vec<Slot>,
    vacant: Vec<usize>,
    heap: BinaryHeap<Reverse<Entry>>,
    sources: usize,
    fresh: usize,
    /// Without any camera there are no looks, but more cameras may come.
    open: bool,
    cancelled: bool,
    minute: Minute,
}

impl Slot {
    /// How long its look has been due and could have been made, if it was `taken` at `now` with a keyframe since `fresh`.
    fn wait(&self, now: Instant, fresh: Instant) -> Wait {
        // Between looks that are asked for no interval is wanted, nor before the first.
        let last = self.taken.filter(|_| self.urgency == Urgency::Due);
        Wait {
            lag: now.saturating_duration_since(self.due),
            waited: now.saturating_duration_since(self.due.max(fresh)),
            wanted: last.map(|last| self.due.saturating_duration_since(last)),
        }
    }
}

impl Schedule {
    /// One more camera, due at `now`; its number.
    pub(crate) fn add(&mut self, now: Instant, interval: Duration) -> usize {
        let camera = self.vacant.pop().unwrap_or(self.slots.len());
        let generation = self.slots.get(camera).map_or(0, |slot| slot.generation);
        let slot = Slot {
            place: Place::Parked,
            interval,
            due: now,
            urgency: Urgency::Due,
            generation,
            fresh: None,
            taken: None,
            failures: 0,
            asked: false,
            ended: false,
            left: false,
            vacated: false,
        };
        match self.slots.get_mut(camera) {
            Some(vacant) => *vacant = slot,
            None => self.slots.push(slot),
        }
        self.sources += 1;
        camera
    }

    /// Whether more cameras may come though there is none.
    pub(crate) fn keep_open(&mut self, open: bool) {
        self.open = open;
    }

    /// A camera is looked at no more, and its keyframes are passed over; its number stays taken until [`Schedule::vacate`].
    pub(crate) fn leave(&mut self, camera: usize) {
        let slot = &mut self.slots[camera];
        self.fresh -= usize::from(slot.fresh.take().is_some());
        if !std::mem::replace(&mut slot.ended, true) {
            self.sources -= 1;
        }
        slot.left = true;
    }

    /// The source of a camera that left has stopped: its number may be given to another.
    pub(crate) fn vacate(&mut self, camera: usize) {
        let slot = &mut self.slots[camera];
        if slot.place != Place::InFlight {
            slot.place = Place::Vacant;
            slot.generation += 1;
            self.vacant.push(camera);
        } else {
            slot.vacated = true;
        }
    }

    /// The most overdue look that can be made.
    pub(crate) fn take(&mut self, now: Instant) -> Next {
        if self.cancelled {
            return Next::Closed;
        }
        while let Some(Reverse(entry)) = self.heap.peek() {
            let slot = &mut self.slots[entry.camera];
            if entry.generation != slot.generation || slot.place != Place::Waiting {
                self.heap.pop();
                continue;
            }
            if entry.due > now {
                return Next::NotBefore(entry.due);
            }
            let camera = entry.camera;
            self.heap.pop();
            let Some(arrived) = slot.fresh.take() else {
                slot.place = Place::Parked;
                continue;
            };
            self.fresh -= 1;
            self.minute.taken(now, slot.wait(now, arrived));
            slot.place = Place::InFlight;
            slot.taken = Some(now);
            let urgency = std::mem::replace(&mut slot.urgency, Urgency::Due);
            return Next::Look(Due { camera, since: slot.due, ready_since: slot.due.max(arrived), urgency });
        }
        if self.sources == 0 && self.fresh == 0 && !self.open { Next::Closed } else { Next::Nothing }
    }

    /// A keyframe came; whether the one before it was never looked at.
    pub(crate) fn keyframe(&mut self, camera: usize, now: Instant) -> bool {
        let slot = &mut self.slots[camera];
        if slot.left {
            return false;
        }
        let replaced = slot.fresh.is_some();
        slot.fresh.get_or_insert(now);
        self.fresh += usize::from(!replaced);
        if slot.place == Place::Parked {
            self.enqueue(camera);
        }
        replaced
    }

    /// A look ended; when the next is due depends on its `outcome`.
    pub(crate) fn done(&mut self, camera: usize, now: Instant, outcome: Outcome) {
        let slot = &mut self.slots[camera];
        if slot.place != Place::InFlight {
            return;
        }
        self.minute.done(now);
        if slot.vacated {
            slot.place = Place::Parked;
            return self.vacate(camera);
        }
        slot.due = match outcome {
            Outcome::Made => {
                slot.failures = 0;
                slot.taken.unwrap_or(now) + slot.interval
            }
            // A decoder that hangs takes longer than the wait: counted from when it was taken, it would be overdue at once.
            Outcome::Failed { retry, most } => {
                let wait = retry.saturating_mul(2_u32.saturating_pow(slot.failures)).min(most);
                slot.failures = slot.failures.saturating_add(1);
                now + wait
            }
        };
        if slot.asked || slot.ended {
            slot.due = slot.due.min(now);
        }
        if std::mem::take(&mut slot.asked) {
            slot.urgency = Urgency::Asked;
        }
        self.enqueue(camera);
    }

    /// From now on a look is due each `interval`, counted from the last one.
    pub(crate) fn set_interval(&mut self, camera: usize, interval: Duration) {
        let slot = &mut self.slots[camera];
        slot.interval = interval;
        if let (Place::Waiting, Urgency::Due, Some(taken)) = (slot.place, slot.urgency, slot.taken) {
            slot.due = taken + interval;
            self.enqueue(camera);
        }
    }

    /// A look is wanted as soon as there is a keyframe for it.
    pub(crate) fn look_now(&mut self, camera: usize, now: Instant) {
        let slot = &mut self.slots[camera];
        match slot.place {
            Place::InFlight => slot.asked = true,
            Place::Waiting | Place::Parked => {
                slot.due = slot.due.min(now);
                slot.urgency = Urgency::Asked;
                self.enqueue(camera);
            }
            Place::Vacant => {}
        }
    }

    /// A source gives no more keyframes; one that was not looked at yet is due at once.
    pub(crate) fn end(&mut self, camera: usize, now: Instant) {
        let slot = &mut self.slots[camera];
        if std::mem::replace(&mut slot.ended, true) {
            return;
        }
        self.sources -= 1;
        if slot.fresh.is_some() && slot.place == Place::Waiting {
            slot.due = slot.due.min(now);
            self.enqueue(camera);
        }
    }

    /// No more looks at all.
    pub(crate) fn cancel(&mut self) {
        self.cancelled = true;
        self.heap.clear();
    }

    /// Whether the last keyframe waits to be looked at, or is being looked at.
    pub(crate) fn is_busy(&self, camera: usize) -> bool {
        let slot = &self.slots[camera];
        !self.cancelled && (slot.fresh.is_some() || slot.place == Place::InFlight)
    }

    /// When the first of the waiting cameras is due; too early where its entry is void, never too late.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.due)
    }

    /// How looks kept up over the last minute.
    pub(crate) fn tempo(&self, now: Instant) -> Tempo {
        let in_flight = self.slots.iter().filter(|slot| slot.place == Place::InFlight).count();
        let is_overdue = |slot: &&Slot| slot.place == Place::Waiting && slot.due <= now;
        let overdue: Vec<Wait> =
            self.slots.iter().filter(is_overdue).filter_map(|slot| Some(slot.wait(now, slot.fresh?))).collect();
        self.minute.tempo(now, in_flight as u64, &overdue)
    }

    fn enqueue(&mut self, camera: usize) {
        let slot = &mut self.slots[camera];
        slot.place = Place::Waiting;
        slot.generation += 1;
        let (urgency, due, generation) = (slot.urgency, slot.due, slot.generation);
        self.heap.push(Reverse(Entry { urgency, due, camera, generation }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);
    const FAILED: Outcome = Outcome::Failed { retry: Duration::from_secs(2), most: Duration::from_secs(10) };

    fn schedule(cameras: usize) -> (Schedule, Instant) {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        for camera in 0..cameras {
            assert_eq!(schedule.add(now, 10 * S), camera);
        }
        (schedule, now)
    }

    #[track_caller]
    fn check_look(schedule: &mut Schedule, now: Instant, camera: usize) {
        match schedule.take(now) {
            Next::Look(due) => assert_eq!(due.camera, camera),
            other => panic!("expected a look at camera {camera}, found {other:?}"),
        }
    }

    #[test]
    fn without_a_keyframe_there_is_no_look() {
        let (mut schedule, t) = schedule(2);
        assert_eq!(schedule.take(t), Next::Nothing);
        schedule.keyframe(1, t + S);
        let due = Due { camera: 1, since: t, ready_since: t + S, urgency: Urgency::Due };
        assert_eq!(schedule.take(t + S), Next::Look(due));
        assert_eq!(schedule.take(t + S), Next::Nothing);
    }

    #[test]
    fn a_camera_has_one_look_in_flight() {
        let (mut schedule, t) = schedule(1);
        schedule.keyframe(0, t);
        check_look(&mut schedule, t, 0);
        schedule.keyframe(0, t + 20 * S);
        schedule.look_now(0, t + 20 * S);
        assert_eq!(schedule.take(t + 30 * S), Next::Nothing);
        schedule.done(0, t + 30 * S, Outcome::Made);
        check_look(&mut schedule, t + 30 * S, 0);
    }

    #[test]
    fn a_keyframe_is_looked_at_once() {
        let (mut schedule, t) = schedule(1);
        schedule.keyframe(0, t);
        check_look(&mut schedule, t, 0);
        schedule.done(0, t + S, Outcome::Made);
        assert_eq!(schedule.take(t + 9 * S), Next::NotBefore(t + 10 * S));
        assert_eq!(schedule.take(t + 10 * S), Next::Nothing);
        assert!(!schedule.keyframe(0, t + 12 * S));
        let due = Due { camera: 0, since: t + 10 * S, ready_since: t + 12 * S, urgency: Urgency::Due };
        assert_eq!(schedule.take(t + 12 * S), Next::Look(due));
    }

    #[test]
    fn the_most_overdue_camera_goes_first() {
        let (mut schedule, t) = schedule(3);
        for (camera, at) in [(2, 0), (0, 1), (1, 2)] {
            schedule.keyframe(camera, t + at * S);
            check_look(&mut schedule, t + at * S, camera);
            schedule.done(camera, t + at * S, Outcome::Made);
        }
        for camera in [1, 0, 2] {
            assert!(!schedule.keyframe(camera, t + 20 * S));
        }
        for camera in [2, 0, 1] {
            check_look(&mut schedule, t + 20 * S, camera);
        }
    }

    #[test]
    fn when_the_machine_cannot_keep_up_all_cameras_wait_alike() {
        let (mut schedule, t) = schedule(100);
        let mut looks = [0; 100];
        // 2.5 looks a second where 10 a second are due.
        for step in 0..400 {
            let now = t + step * S * 2 / 5;
            for camera in 0..100 {
                schedule.keyframe(camera, now);
            }
            let Next::Look(due) = schedule.take(now) else { panic!("no look") };
            looks[due.camera] += 1;
            schedule.done(due.camera, now, Outcome::Made);
        }
        assert!(looks.iter().all(|n| *n == 4), "{looks:?}");
        let tempo = schedule.tempo(t + 160 * S);
        assert_eq!((tempo.wanted, tempo.achieved, tempo.stretch()), (10 * S, 40 * S, 4.0));
        assert!(tempo.lag_p50 >= 30 * S, "{tempo:?}");
        assert!(tempo.due > tempo.done && tempo.done > 100, "{tempo:?}");
    }

    #[test]
    fn an_active_camera_is_looked_at_more_often_and_calms_down_again() {
        let (mut schedule, t) = schedule(1);
        schedule.keyframe(0, t);
        check_look(&mut schedule, t, 0);
        schedule.done(0, t, Outcome::Made);
        schedule.keyframe(0, t + S);
        schedule.set_interval(0, 2 * S);
        assert_eq!(schedule.take(t + S), Next::NotBefore(t + 2 * S));
        schedule.set_interval(0, 10 * S);
        assert_eq!(schedule.take(t + S), Next::NotBefore(t + 10 * S));
    }

    #[test]
    fn a_look_that_is_asked_for_goes_before_the_overdue() {
        let (mut schedule, t) = schedule(3);
        for camera in 0..3 {
            schedule.keyframe(camera, t);
        }
        schedule.look_now(2, t + S);
        for (camera, expected) in [(2, Urgency::Asked), (0, Urgency::Due), (1, Urgency::Due)] {
            let Next::Look(due) = schedule.take(t + S) else { panic!("no look") };
            assert_eq!((due.camera, due.urgency), (camera, expected));
        }
    }

    #[test]
    fn a_failed_look_is_made_again_sooner() {
        let (mut schedule, t) = schedule(1);
        schedule.keyframe(0, t);
        check_look(&mut schedule, t, 0);
        // A decoder that hung for 5 s.
        schedule.done(0, t + 5 * S, FAILED);
        schedule.keyframe(0, t + 6 * S);
        assert_eq!(schedule.take(t + 6 * S), Next::NotBefore(t + 7 * S));
    }

    #[test]
    fn each_failure_in_a_row_doubles_the_wait_up_to_the_interval() {
        let (mut schedule, mut t) = schedule(1);
        let mut look = |outcome| {
            schedule.keyframe(0, t);
            check_look(&mut schedule, t, 0);
            schedule.done(0, t, outcome);
            schedule.keyframe(0, t);
            let Next::NotBefore(next) = schedule.take(t) else { panic!("it is due at once") };
            (next - std::mem::replace(&mut t, next)).as_secs()
        };
        assert_eq!([FAILED; 5].map(&mut look), [2, 4, 8, 10, 10]);
        assert_eq!([Outcome::Made, FAILED, FAILED].map(&mut look), [10, 2, 4]);
    }

    #[test]
    fn cameras_that_fail_take_no_more_looks_than_the_others() {
        let (mut schedule, t) = schedule(20);
        let (mut looks, mut now) = ([0; 20], t);
        // One worker; every other camera cannot be decoded, and the decoder hangs.
        while now < t + 3600 * S {
            (0..20).for_each(|camera| _ = schedule.keyframe(camera, now));
            let Next::Look(due) = schedule.take(now) else {
                now += S / 10;
                continue;
            };
            looks[due.camera] += 1;
            let fails = due.camera % 2 == 0;
            now += if fails { 5 * S } else { S / 10 };
            schedule.done(due.camera, now, if fails { FAILED } else { Outcome::Made });
        }
        let most_failed = looks.iter().step_by(2).max().unwrap();
        let fewest_made = looks.iter().skip(1).step_by(2).min().unwrap();
        assert!(*most_failed <= fewest_made + 1, "{looks:?}");
    }

    #[test]
    fn the_queue_closes_when_all_sources_ended_and_their_last_keyframes_were_looked_at() {
        let (mut schedule, t) = schedule(2);
        schedule.keyframe(0, t);
        check_look(&mut schedule, t, 0);
        schedule.keyframe(0, t + S);
        schedule.done(0, t + S, Outcome::Made);
        schedule.end(0, t + S);
        schedule.end(0, t + S);
        check_look(&mut schedule, t + S, 0);
        schedule.done(0, t + S, Outcome::Made);
        assert_eq!(schedule.take(t + S), Next::Nothing);
        schedule.end(1, t + 2 * S);
        assert_eq!(schedule.take(t + 2 * S), Next::Closed);
    }

    #[test]
    fn nothing_is_handed_out_after_cancelling() {
        let (mut schedule, t) = schedule(1);
        schedule.keyframe(0, t);
        schedule.cancel();
        assert_eq!(schedule.take(t), Next::Closed);
        assert!(!schedule.is_busy(0));
    }

    #[test]
    fn keyframes_that_were_never_looked_at_are_told() {
        let (mut schedule, t) = schedule(1);
        assert!(!schedule.keyframe(0, t));
        assert!(schedule.keyframe(0, t));
        check_look(&mut schedule, t, 0);
        assert!(!schedule.keyframe(0, t));
    }

    #[test]
    fn a_camera_that_leaves_is_looked_at_no_more_and_its_number_is_given_to_the_next() {
        let (mut schedule, t) = schedule(2);
        schedule.keyframe(0, t);
        schedule.keyframe(1, t);
        schedule.leave(0);
        assert!(!schedule.keyframe(0, t + S), "its source has not heard of it yet");
        check_look(&mut schedule, t + S, 1);
        assert_eq!(schedule.take(t + S), Next::Nothing);
        assert_eq!(schedule.add(t + S, 10 * S), 2, "the number is not free before the source has stopped");
        schedule.vacate(0);
        assert_eq!(schedule.add(t + S, 10 * S), 0);
        schedule.keyframe(0, t + S);
        check_look(&mut schedule, t + S, 0);
    }

    #[test]
    fn a_number_is_not_given_away_while_a_look_is_in_flight() {
        let (mut schedule, t) = schedule(1);
        schedule.keyframe(0, t);
        check_look(&mut schedule, t, 0);
        schedule.leave(0);
        schedule.vacate(0);
        assert_eq!(schedule.add(t, 10 * S), 1);
        schedule.done(0, t + S, Outcome::Made);
        assert_eq!(schedule.add(t + S, 10 * S), 0);
        assert_eq!(schedule.take(t + S), Next::Nothing);
    }

    #[test]
    fn without_cameras_the_queue_is_open_only_if_more_may_come() {
        let (mut schedule, t) = schedule(1);
        schedule.keep_open(true);
        schedule.leave(0);
        schedule.vacate(0);
        assert_eq!(schedule.take(t), Next::Nothing);
        schedule.keep_open(false);
        assert_eq!(schedule.take(t), Next::Closed);
    }
}
