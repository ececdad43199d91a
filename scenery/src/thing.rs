//! What is put on a backdrop: where it comes from, where it is at which time, how large.

use std::path::PathBuf;

use domain::{Millis, Point, Polygon};
use serde::Deserialize;

use crate::Shape;

/// One thing of a scene. Times count from the scene's start.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    /// Its name, by which what is expected refers to it.
    pub name: String,
    /// Where its picture comes from.
    pub source: Source,
    /// Where it is when; it moves straight on between two entries and stands before the first and after the last. Where
    /// there is none it stays where it was cut out.
    #[serde(default)]
    pub path: Vec<Waypoint>,
    /// When it appears.
    #[serde(default)]
    pub from: Millis,
    /// When it is gone; never where absent.
    #[serde(default)]
    pub until: Option<Millis>,
    /// It comes anew each so often: its path's times then count from each coming, and it is there until the path's last entry.
    #[serde(default)]
    pub every: Option<Millis>,
    /// Whether it is shown as in a mirror.
    #[serde(default)]
    pub flip: bool,
    /// How dark the ground under it is, 0 to 1. A cut-out that stays where it was cut out has its own shadow.
    #[serde(default)]
    pub shadow: f32,
    /// How far it sways to and fro while it stands, as a share of its height: nobody stands like a post.
    #[serde(default)]
    pub sway: f32,
    /// Its brightness, to fit one photograph to another.
    #[serde(default = "as_it_is")]
    pub gain: f32,
}

fn as_it_is() -> f32 {
    1.0
}

/// Where a thing is at a time.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waypoint {
    /// When.
    #[serde(default)]
    pub at: Millis,
    /// The middle of its lower edge, relative to the picture; may lie outside, for what comes and goes.
    pub foot: Point,
    /// Its height, relative to the picture's; as the entry before it where absent, and as it was cut out at first.
    #[serde(default)]
    pub height: Option<f32>,
}

/// Where a thing's picture comes from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// It is drawn.
    Shape(Shape),
    /// It is cut out of a photograph, or of one picture of a recording.
    Cutout(Cutout),
    /// It is cut out of a photograph of a COCO data set, along its annotation's outline.
    Coco(Coco),
}

/// What is cut out of a picture.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutout {
    /// The photograph or the recording.
    pub file: PathBuf,
    /// Which moment of a recording.
    #[serde(default)]
    pub at: Millis,
    /// Its outline, relative to that picture.
    pub outline: Polygon,
}

/// One annotated thing of a COCO data set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coco {
    /// The data set's annotations (`instances_*.json`).
    pub annotations: PathBuf,
    /// The folder of its pictures.
    pub pictures: PathBuf,
    /// The annotation's number.
    pub id: u64,
}

/// Where a thing is at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stand {
    pub(crate) foot: Point,
    pub(crate) height: f32,
}

impl Thing {
    /// Where it is at `t`; none while it is not there. `origin` is where and how high it was cut out.
    pub(crate) fn at(&self, t: Millis, origin: Option<(Point, f32)>) -> Option<Stand> {
        if t < self.from || self.until.is_some_and(|until| t >= until) {
            return None;
        }
        let local = match self.every {
            Some(every) => {
                let local = Millis((t.0 - self.from.0) % every.0);
                (local <= self.path.last()?.at).then_some(local)?
            }
            None => t,
        };
        let height = |n: usize| {
            let written = self.path[..=n].iter().rev().find_map(|point| point.height);
            written.or(origin.map(|(_, height)| height)).unwrap_or(0.1)
        };
        let after = self.path.iter().position(|point| point.at > local);
        let (before, after) = match (after, self.path.len()) {
            (_, 0) => {
                let (foot, height) = origin?;
                return Some(Stand { foot, height });
            }
            (Some(0), _) => (0, 0),
            (Some(n), _) => (n - 1, n),
            (None, len) => (len - 1, len - 1),
        };
        let (a, b) = (self.path[before], self.path[after]);
        let span = (b.at.0 - a.at.0) as f32;
        let share = if span > 0.0 { (local.0 - a.at.0) as f32 / span } else { 0.0 };
        let mix = |from: f32, to: f32| from + (to - from) * share;
        Some(Stand {
            foot: Point { x: mix(a.foot.x, b.foot.x), y: mix(a.foot.y, b.foot.y) },
            height: mix(height(before), height(after)),
        })
    }

    /// When it begins to stand for good: when it appears, or when it last moved.
    #[must_use]
    pub fn stands_since(&self) -> Millis {
        let moved = self.path.windows(2).filter(|pair| pair[0].foot != pair[1].foot).map(|pair| pair[1].at).max();
        moved.unwrap_or(Millis::ZERO).max(self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(text: &str) -> Thing {
        toml::from_str(&format!("name = \"t\"\nsource.shape = {{ form = \"bag\" }}\n{text}")).expect("a thing")
    }

    #[track_caller]
    fn check(thing: &Thing, seconds: i64, expect: Option<(f32, f32)>) {
        let at = thing.at(Millis::secs(seconds), None).map(|stand| (stand.foot.x, stand.height));
        match (at, expect) {
            (Some((x, h)), Some((ex, eh))) => {
                assert!((x - ex).abs() < 1e-5 && (h - eh).abs() < 1e-5, "{at:?} at {seconds} s")
            }
            (at, expect) => assert_eq!(at, expect, "at {seconds} s"),
        }
    }

    #[test]
    fn a_thing_moves_between_its_points_and_stands_beyond_them() {
        let thing = thing(
            "from = \"5s\"\nuntil = \"60s\"\npath = [{ at = \"10s\", foot = [0.0, 0.5], height = 0.1 }, { at = \"20s\", foot = [1.0, 0.5], height = 0.3 }]",
        );
        check(&thing, 4, None);
        check(&thing, 5, Some((0.0, 0.1)));
        check(&thing, 15, Some((0.5, 0.2)));
        check(&thing, 30, Some((1.0, 0.3)));
        check(&thing, 60, None);
        assert_eq!(thing.stands_since(), Millis::secs(20));
    }

    #[test]
    fn what_comes_again_and_again_is_gone_between() {
        let thing = thing(
            "every = \"30s\"\nfrom = \"10s\"\npath = [{ foot = [0.0, 0.5], height = 0.1 }, { at = \"4s\", foot = [1.0, 0.5] }]",
        );
        check(&thing, 10, Some((0.0, 0.1)));
        check(&thing, 12, Some((0.5, 0.1)));
        check(&thing, 20, None);
        check(&thing, 42, Some((0.5, 0.1)));
    }

    #[test]
    fn a_cutout_without_a_path_stays_where_it_was() {
        let thing = thing("from = \"3s\"");
        let origin = Some((Point { x: 0.3, y: 0.6 }, 0.2));
        let stand = thing.at(Millis::secs(3), origin).expect("it is there");
        assert_eq!((stand.foot, stand.height), (Point { x: 0.3, y: 0.6 }, 0.2));
        assert_eq!(thing.stands_since(), Millis::secs(3));
    }
}
