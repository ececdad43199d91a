//! Queues of traffic: vehicles that wait for one another are no blocked lane.
//!
//! A queue and a row of parked cars look alike in one look. What tells them apart is time: those in a queue came to a
//! halt within a minute or two and leave together, parked cars come one by one and stay. So while enough things stand
//! close together in a lane that halted at about one time, none of them is a case; one that is still there when the queue
//! has broken up is; and what has stood for longer than any queue is parked.

use domain::{Millis, Rect};

use super::{cluster::clusters, config::Queue};

/// Something that stands in a lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Halted {
    pub(super) place: Rect,
    /// The observed time at which it was first seen there.
    pub(super) since: Millis,
}

/// Whether the first of `halted` stands in a queue with others of them; `reach` is how close those of a queue are.
pub(super) fn is_queueing(queue: &Queue, halted: &[Halted], reach: f32) -> bool {
    let Some(first) = halted.first() else { return false };
    if halted.len() < queue.min_things as usize {
        return false;
    }
    let with_it: Vec<Rect> =
        halted.iter().filter(|h| (h.since.0 - first.since.0).abs() <= queue.together.0).map(|h| h.place).collect();
    clusters(&with_it, reach).first().is_some_and(|row| row.len() >= queue.min_things as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{incident::ZonePurpose, rules::builtin};

    /// Cars of 0.1 at a place and second each.
    #[track_caller]
    fn check(cars: &[(f32, i64)], expect: bool) {
        let rule = builtin::blank("lane.motor".parse().expect("a kind"));
        let queue = Queue { min_things: 3, ..rule.queue };
        assert_eq!(queue.zones, [ZonePurpose::TrafficLane]);
        let place = |x: f32| Rect { x0: x, y0: 0.5, x1: x + 0.1, y1: 0.6 };
        let halted: Vec<_> =
            cars.iter().map(|(x, second)| Halted { place: place(*x), since: Millis::secs(*second) }).collect();
        assert_eq!(is_queueing(&queue, &halted, 1.0), expect);
    }

    #[test]
    fn a_queue_is_close_together_in_place_and_time() {
        check(&[(0.3, 0), (0.15, 20), (0.0, 60)], true);
        check(&[(0.3, 0), (0.15, 20)], false);
        check(&[(0.3, 0), (0.15, 20), (0.6, 30)], false);
        check(&[(0.3, 0), (0.15, 400), (0.0, 420)], false);
        check(&[], false);
    }
}
