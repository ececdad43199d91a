//! Scripted streets: things with paths over time, seen by a detector that misses, wavers and cannot see through what
//! stands in front, by looks as often as the core asks for them.

use super::*;

/// A thing of a street: what it is, how large, and where it is when. Between two of its stops it moves evenly; before the
/// first and after the last one it is not there.
#[derive(Clone)]
pub(super) struct Actor {
    label: &'static str,
    width: f32,
    height: f32,
    score: f32,
    stops: Vec<(f32, f32, f32)>,
}

impl Actor {
    pub(super) fn new(label: &'static str, width: f32, height: f32) -> Self {
        Self { label, width, height, score: 0.65, stops: Vec::new() }
    }

    /// At this left edge and foot line at this second.
    pub(super) fn at(mut self, second: f32, x: f32, foot: f32) -> Self {
        self.stops.push((second, x, foot));
        self
    }

    /// Stays where it is until this second.
    pub(super) fn until(self, second: f32) -> Self {
        let (_, x, foot) = *self.stops.last().expect("a place to stay at");
        self.at(second, x, foot)
    }

    /// Does all of it so many seconds later.
    pub(super) fn delay(&mut self, seconds: f32) {
        self.stops.iter_mut().for_each(|stop| stop.0 += seconds);
    }

    fn seen_at(&self, second: f32) -> Option<Detection> {
        let (from, to) =
            self.stops.iter().zip(self.stops.iter().skip(1)).find(|(a, b)| (a.0..b.0).contains(&second))?;
        let share = (second - from.0) / (to.0 - from.0);
        let (x, foot) = (from.1 + (to.1 - from.1) * share, from.2 + (to.2 - from.2) * share);
        let whole = thing(self.label, self.score, x, foot, self.width, self.height);
        (whole.bbox.x1 > 0.0 && whole.bbox.x0 < 1.0).then_some(whole)
    }
}

/// Somebody on foot.
pub(super) fn walker() -> Actor {
    Actor::new("person", 0.05, 0.2)
}

/// A car of 0.18, as seen from the side.
pub(super) fn sedan() -> Actor {
    Actor::new("vehicle", 0.18, 0.13)
}

/// People who cross the picture from left to right on this foot line, one every so many seconds.
pub(super) fn passers(foot: f32, every: f32, until: f32) -> Vec<Actor> {
    let starts = (0..).map(move |n| n as f32 * every).take_while(move |start| *start < until);
    starts.map(|start| walker().at(start, -0.05, foot).at(start + 14.0, 1.0, foot)).collect()
}

/// How well the detector sees.
#[derive(Clone, Copy)]
pub(super) struct Sight {
    /// Share of the looks in which it misses a thing.
    pub(super) misses: f32,
    /// How far each edge is off, as a share of the box's size.
    pub(super) jitter: f32,
}

/// Nearly all it is shown.
pub(super) const CLEAR: Sight = Sight { misses: 0.05, jitter: 0.03 };
/// A small model on a cheap camera.
pub(super) const POOR: Sight = Sight { misses: 0.3, jitter: 0.05 };

/// What the looks of the scripted street show at this second: what is nearer hides what is behind it.
pub(super) fn seen(actors: &[Actor], second: f32, sight: Sight, seed: u32) -> Vec<Detection> {
    let there: Vec<_> = actors.iter().enumerate().filter_map(|(n, a)| Some((n as u32, a.seen_at(second)?))).collect();
    let chance =
        |n: u32, of: u32| noise(seed.wrapping_mul(977).wrapping_add((second * 10.0) as u32 * 131 + n * 7 + of));
    let hidden = |bbox: Rect| {
        there.iter().any(|(_, other)| {
            let common = other.bbox.common_area(bbox);
            other.bbox.y1 > bbox.y1 + 0.02 && common > 0.6 * bbox.area()
        })
    };
    there
        .iter()
        .filter(|(n, d)| chance(*n, 0) >= sight.misses && !hidden(d.bbox))
        .map(|(n, d)| {
            let score = d.score + 0.2 * (chance(*n, 1) - 0.5);
            jitter(Detection { score, ..d.clone() }, seed ^ (second as u32 * 64 + n), sight.jitter)
        })
        .collect()
}

impl Scene {
    /// Plays the script for so many minutes, with looks as often as the core asks for them.
    #[track_caller]
    pub(super) fn run(&mut self, minutes: i64, sight: Sight, actors: &[Actor]) -> &mut Self {
        let began = self.now;
        let mut n = 0;
        while self.now.since(began) < Millis::mins(minutes) {
            let second = self.now.since(began).as_secs_f64() as f32;
            self.look(&seen(actors, second, sight, 17));
            self.wait(match self.pace {
                Pace::Active => Millis::secs(2),
                Pace::Idle => Millis::secs(10),
            });
            n += 1;
        }
        assert!(n >= minutes * 6, "{n} looks");
        self
    }

    /// The script is a case of these kinds, in order, whether it is seen well or badly.
    #[track_caller]
    pub(super) fn check_script(config: &str, zones: &[Zone], minutes: i64, actors: &[Actor], kinds: &[&str]) -> Self {
        for sight in [CLEAR, POOR] {
            Self::new(config, zones).run(minutes, sight, actors).check(kinds);
        }
        let mut last = Self::new(config, zones);
        last.run(minutes, CLEAR, actors);
        last
    }
}
