//! What one cell of the view has learnt: how it looks when nothing stands there, by how much that varies by itself, and
//! what else it has been showing.
//!
//! ```text
//!            differs: something is seen                 the same for long enough
//!  scene ------------------------------> something ------------------------------> stands
//!    ^                                       |  ^                                     |
//!    |            the scene again            |  | something else, for long enough     |
//!    +---------------------------------------+  +-------------------------------------+
//!    |                                 the scene again, twice                         |
//!    +--------------------------------------------------------------------------------+
//! ```
//! What differs from look to look (people walking in front) is kept apart from what stands, and only pauses it.

use super::{
    grid::{Look, Packed},
    light::{Cause, Difference},
};

/// Whether a detection that says what is there lies over a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cover {
    None,
    /// Beside it: what the detector knows may reach further than its box.
    Near,
    Over,
}

/// Looks that must show the same thing for it to stand.
const LOOKS: u8 = 3;
/// Share of its looks under a detection from which a thing is held to be what the detector says.
const MOSTLY_KNOWN: f32 = 0.4;
/// Looks at a thing from which on that share hardly changes, and how fast it does.
const KNOWN_LOOKS: u8 = 12;
const KNOWN_LATER: f32 = 1.0 / 600.0;
/// Most levels by which a cell is held to vary by itself: more would hide a person.
const MOST_VARIATION: f32 = 20.0;
/// Time constants, in seconds, by which the learnt scene follows what is there: the light of the day, a shadow, and
/// what differs and is no thing that stands.
const FOLLOW: f32 = 240.0;
const FOLLOW_LIGHT: f32 = 90.0;
const FOLLOW_CHANGE: f32 = 900.0;

impl Cover {
    fn as_share(self) -> f32 {
        if self == Self::Over { 1.0 } else { 0.0 }
    }
}

/// What may be learnt of a cell in a look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// Seconds since the look before, as far as it was near.
    pub(super) seconds: f32,
    /// Seconds after which what stands is told.
    stands_after: f32,
    /// Shares of the way that the scene goes towards what is there.
    follow: f32,
    follow_light: f32,
    follow_change: f32,
}

impl Moment {
    pub(super) fn new(seconds: f32, stands_after: f32) -> Self {
        let share = |constant: f32| 1.0 - (-seconds / constant).exp();
        let (follow, follow_light, follow_change) = (share(FOLLOW), share(FOLLOW_LIGHT), share(FOLLOW_CHANGE));
        Self { seconds, stands_after, follow, follow_light, follow_change }
    }
}

/// One cell, as a look has it before it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cell {
    /// The scene, in the light in which it was learnt.
    pub(super) scene: Look,
    /// What is there instead of the scene.
    pub(super) thing: Packed,
    /// What was seen last instead of both.
    pub(super) other: Packed,
    /// Seconds for which the thing, and the other, were seen.
    pub(super) age: f32,
    pub(super) other_age: f32,
    /// Levels by which it varies by itself.
    pub(super) varies: f32,
    /// Share of the looks at the thing in which a detection lay over it.
    pub(super) known: f32,
    /// Looks that showed the thing; none: there is no thing, and what is said of it and of the other says nothing.
    pub(super) seen: u8,
    pub(super) other_seen: u8,
    /// Looks in a row that showed the scene where a thing stands.
    pub(super) bare: u8,
    /// While the scene is being learnt: by how many looks what is held to be the scene is ahead.
    pub(super) votes: u8,
    /// Whether it belongs to something that stands and must not fade into the scene.
    pub(super) held: bool,
}

impl Cell {
    /// Whether there is something instead of the scene.
    pub(super) fn shows_thing(&self) -> bool {
        self.seen > 0
    }

    /// How what is there looks: the thing, or the scene where there is none.
    pub(super) fn thing(&self) -> Look {
        if self.shows_thing() { self.thing.open() } else { self.scene }
    }

    /// Whether something stands there that was not there before.
    pub(super) fn stands(&self, moment: Moment) -> bool {
        self.seen >= LOOKS && self.age >= moment.stands_after
    }

    /// Whether what stands there was mostly under a detection.
    pub(super) fn is_known(&self) -> bool {
        self.known > MOSTLY_KNOWN
    }

    /// Starts anew from what is there now; what is held stays so.
    pub(super) fn begin(&mut self, now: Look) {
        *self = Self { scene: now, votes: 1, varies: 1.0, held: self.held, ..Self::default() };
    }

    /// While the scene is being learnt, what is seen most of the time wins. Gives by how many levels the look differs.
    pub(super) fn learn(&mut self, now: Look) -> f32 {
        let difference = Difference::between(now, self.scene, self.varies);
        if difference.cause == Cause::Thing {
            self.votes = self.votes.saturating_sub(1);
            if self.votes == 0 {
                (self.scene, self.votes) = (now, 1);
            }
        } else {
            self.votes = (self.votes + 1).min(30);
            self.scene = self.scene.toward(now, 1.0 / f32::from(self.votes.min(8)));
        }
        difference.levels
    }

    /// From here on what differs from the scene is new; where something stood before already, `ground` is what is held to be behind it.
    pub(super) fn learnt(&mut self, ground: Option<Look>) {
        (self.votes, self.seen, self.held) = (0, 0, false);
        if let Some(ground) = ground {
            (self.thing, self.seen, self.age, self.held) = (self.scene.pack(), LOOKS, f32::from(u8::MAX), true);
            self.scene = ground;
        }
    }

    /// Takes in one look, in the scene's light; `cover` is what the detector knows to be there. Gives by how
    /// many levels the look differs, if it is not by what stands there.
    pub(super) fn update(&mut self, now: Look, cover: Cover, moment: Moment) -> f32 {
        let difference = Difference::between(now, self.scene, self.varies);
        if difference.cause == Cause::Noise {
            self.scene = self.scene.toward(now, moment.follow);
            self.seen_bare(moment);
            return difference.levels;
        }
        let thing = Difference::between(now, self.thing(), self.varies);
        // Light may change on what is known to stand; what passes is often enough like what passed before.
        let same = if self.stands(moment) { thing.cause != Cause::Thing } else { thing.cause == Cause::Noise };
        let is_thing = self.shows_thing() && same && thing.size < difference.size;
        if is_thing {
            self.show_thing(now, cover, moment.seconds);
        } else if difference.cause == Cause::Light && self.shows_thing() {
            // A shadow over the bare scene is no reason to believe in what stood there.
            self.seen_bare(moment);
        } else {
            self.show_other(now, cover, moment);
        }
        if !self.held && cover == Cover::None {
            match difference.cause {
                Cause::Light => self.scene = self.scene.toward(now, moment.follow_light),
                Cause::Thing if self.stands(moment) => self.scene = self.scene.toward(now, moment.follow_change),
                Cause::Thing | Cause::Noise => {}
            }
        }
        if is_thing { 0.0 } else { difference.levels }
    }

    fn seen_bare(&mut self, moment: Moment) {
        self.bare = self.bare.saturating_add(1);
        if self.bare >= 2 || !self.stands(moment) {
            (self.seen, self.age, self.held) = (0, 0.0, false);
        }
        self.other_seen = 0;
    }

    fn show_thing(&mut self, now: Look, cover: Cover, seconds: f32) {
        self.seen = self.seen.saturating_add(1);
        self.age += seconds;
        self.thing = self.thing().toward(now, 0.25).pack();
        (self.bare, self.other_seen) = (0, 0);
        // What it is shows when it comes; later, who stands in front of it is not it.
        let share = if self.seen <= KNOWN_LOOKS { 1.0 / f32::from(self.seen) } else { KNOWN_LATER };
        self.known += (cover.as_share() - self.known) * share;
    }

    /// Something that is neither the scene nor what stands: somebody passing, or the next thing to stand.
    fn show_other(&mut self, now: Look, cover: Cover, moment: Moment) {
        self.bare = 0;
        if !self.stands(moment) {
            (self.thing, self.seen, self.age) = (now.pack(), 1, 0.0);
            (self.known, self.other_seen) = (cover.as_share(), 0);
            return;
        }
        let other = Difference::between(now, self.other.open(), self.varies);
        if self.other_seen > 0 && other.cause != Cause::Thing {
            self.other_seen = self.other_seen.saturating_add(1);
            self.other_age += moment.seconds;
        } else {
            (self.other, self.other_seen, self.other_age) = (now.pack(), 1, 0.0);
        }
        // Much longer than for the first: who stops in front for a while is still only in front.
        if self.other_seen >= 4 * LOOKS && self.other_age >= 4.0 * moment.stands_after {
            (self.thing, self.seen, self.age) = (self.other, self.other_seen, self.other_age);
            (self.known, self.other_seen) = (cover.as_share(), 0);
        }
    }

    /// What is there was there all along: what was learnt is what has left.
    pub(super) fn absorb(&mut self) {
        self.scene = self.thing();
        (self.seen, self.other_seen, self.age, self.held) = (0, 0, 0.0, false);
    }

    /// Where the detector found nothing, what differs by some levels here or beside it is no thing. Rises quickly and falls
    /// slowly: a branch moves now and then, and the next drop of rain falls beside the last.
    pub(super) fn vary(&mut self, levels: f32) {
        let levels = levels.min(1.5 * MOST_VARIATION);
        let share = if levels > self.varies { 0.12 } else { 0.012 };
        self.varies = (self.varies + (levels - self.varies) * share).min(MOST_VARIATION);
    }
}
