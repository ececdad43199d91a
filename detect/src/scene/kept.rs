//! The cells of a view between two looks. A camera is looked at for a millisecond of every ten seconds, and a city has
//! thousands: what is known of its cells is kept in some 11 bytes each, and opened to [`Cell`]s for a look.
//!
//! How the scene looks at a cell is kept for all of them, in fixed point. What is there instead of it is kept for those cells only
//! that show something else, which are few in most streets at most times; what stands in front of that, for fewer still.

use super::{
    cell::Cell,
    grid::{Look, Packed},
};
use crate::bits::Bits;

/// Steps of a level in which the scene is kept: following it by less than a half of one is lost, at a look each 2 s what
/// differs by less than half a level.
const STEPS: f32 = 128.0;
/// What is added to luma, the colour differences and the texture, so that what is below black in the scene's light (and up to
/// 448, 256 and 512 above it) has a place.
const RAISED: [f32; 4] = [64.0, 256.0, 256.0, 0.0];
/// Steps of a level in which is kept by how much a cell varies: it falls by a hundredth of what is left at a look.
const VARIES_STEPS: f32 = 2048.0;
/// Steps of the whole in which shares are kept.
const SHARE_STEPS: f32 = u16::MAX as f32;
/// Entries that are never worth giving back.
const FEW: usize = 64;

/// What is known of all cells of a view.
#[derive(Debug, Default)]
pub(super) struct Kept {
    grounds: Vec<Ground>,
    held: Bits,
    /// At which cells there is something instead of the scene; for each of those, in their order, what.
    shows: Bits,
    things: Vec<Thing>,
    others: Vec<Other>,
    /// While the scene is being learnt.
    votes: Vec<u8>,
}

/// How the scene looks at one cell, and by how much it varies by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ground {
    look: [u16; 4],
    varies: u16,
}

/// What is there instead of the scene.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Thing {
    age: f32,
    look: Packed,
    known: u16,
    seen: u8,
    bare: u8,
}

/// What is in front of what stands at a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Other {
    age: f32,
    look: Packed,
    cell: u16,
    seen: u8,
}

const _: () = assert!(size_of::<Ground>() == 10 && size_of::<Thing>() == 12 && size_of::<Other>() == 12);

/// In steps of which there are so many in one; what has no place is moved to where it has.
fn fixed(x: f32, steps: f32) -> u16 {
    // Rounds: the conversion takes off what is behind the point, and ends at 0 and at the largest.
    (x * steps + 0.5) as u16
}

impl Ground {
    fn of(cell: &Cell) -> Self {
        let Look { y, u, v, t } = cell.scene;
        let mut look = [y, u, v, t];
        look.iter_mut().zip(RAISED).for_each(|(x, raised)| *x += raised);
        Self { look: look.map(|x| fixed(x, STEPS)), varies: fixed(cell.varies, VARIES_STEPS) }
    }

    fn look(self) -> Look {
        let [y, u, v, t] = self.look.map(|x| f32::from(x) / STEPS);
        let [ry, ru, rv, rt] = RAISED;
        Look { y: y - ry, u: u - ru, v: v - rv, t: t - rt }
    }

    fn varies(self) -> f32 {
        f32::from(self.varies) / VARIES_STEPS
    }
}

impl Thing {
    fn of(cell: &Cell) -> Self {
        let known = fixed(cell.known, SHARE_STEPS);
        Self { age: cell.age, look: cell.thing, known, seen: cell.seen, bare: cell.bare }
    }

    fn open(self, cell: &mut Cell) {
        (cell.thing, cell.age, cell.seen, cell.bare) = (self.look, self.age, self.seen, self.bare);
        cell.known = f32::from(self.known) / SHARE_STEPS;
    }
}

impl Kept {
    pub(super) fn is_empty(&self) -> bool {
        self.grounds.is_empty()
    }

    /// By how many levels cell `i` varies by itself, if there is such a cell.
    pub(super) fn varies(&self, i: usize) -> Option<f32> {
        self.grounds.get(i).map(|ground| ground.varies())
    }

    /// Opens all cells for a look.
    pub(super) fn open(&self, cells: &mut Vec<Cell>) {
        let mut things = self.things.iter();
        cells.clear();
        cells.extend(self.grounds.iter().enumerate().map(|(i, ground)| {
            let mut cell = Cell { scene: ground.look(), varies: ground.varies(), ..Cell::default() };
            cell.held = self.held.get(i);
            if let Some(thing) = self.shows.get(i).then(|| things.next()).flatten() {
                thing.open(&mut cell);
            }
            cell
        }));
        for other in &self.others {
            let cell = &mut cells[usize::from(other.cell)];
            (cell.other, cell.other_age, cell.other_seen) = (other.look, other.age, other.seen);
        }
        cells.iter_mut().zip(&self.votes).for_each(|(cell, votes)| cell.votes = *votes);
    }

    /// Keeps what a look has left.
    pub(super) fn keep(&mut self, cells: &[Cell]) {
        self.grounds.clear();
        self.grounds.extend(cells.iter().map(Ground::of));
        self.held.fill(cells.iter().map(|cell| cell.held));
        self.shows.fill(cells.iter().map(Cell::shows_thing));
        refill(&mut self.things, cells.iter().filter(|cell| cell.shows_thing()).map(Thing::of));
        let others = cells.iter().enumerate().filter(|(_, cell)| cell.shows_thing() && cell.other_seen > 0);
        refill(
            &mut self.others,
            others.map(|(i, cell)| Other {
                age: cell.other_age,
                look: cell.other,
                cell: i as u16,
                seen: cell.other_seen,
            }),
        );
        if cells.iter().any(|cell| cell.votes > 0) {
            self.votes.clear();
            self.votes.extend(cells.iter().map(|cell| cell.votes));
        } else {
            self.votes = Vec::new();
        }
    }
}

/// Replaces what is in `all`. The room of a crowd that has gone is given back, all but what the next few people need.
fn refill<T>(all: &mut Vec<T>, by: impl Iterator<Item = T>) {
    all.clear();
    all.extend(by);
    if all.capacity() > FEW && all.capacity() / 4 > all.len() {
        all.shrink_to((2 * all.len()).max(FEW));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look() -> impl Strategy<Value = Look> {
        (-60.0_f32..440.0, -250.0_f32..250.0, -250.0_f32..250.0, 0.0_f32..510.0).prop_map(|(y, u, v, t)| Look {
            y,
            u,
            v,
            t,
        })
    }

    prop_compose! {
        fn cell()(
            scene in look(),
            looks in [look(), look()],
            ages in [0.0_f32..1e6, 0.0_f32..1e6],
            varies in 0.0_f32..20.0,
            known in 0.0_f32..=1.0,
            seen in prop_oneof![Just(0_u8), any::<u8>()],
            other_seen in prop_oneof![Just(0_u8), any::<u8>()],
            bare in any::<u8>(),
            votes in 0_u8..30,
            held in any::<bool>(),
        ) -> Cell {
            let [thing, other] = looks.map(Look::pack);
            let [age, other_age] = ages;
            Cell { scene, thing, other, age, other_age, varies, known, seen, other_seen, bare, votes, held }
        }
    }

    fn near(a: f32, b: f32, steps: f32) -> bool {
        (a - b).abs() <= 0.51 / steps + 1e-4
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_was_there(cells in prop::collection::vec(cell(), 0..200)) {
            let (mut kept, mut opened) = (Kept::default(), Vec::new());
            // What was kept before leaves nothing behind.
            kept.keep(&vec![Cell { seen: 3, other_seen: 2, votes: 1, held: true, ..Cell::default() }; 77]);
            kept.keep(&cells);
            kept.open(&mut opened);
            prop_assert_eq!(cells.len(), opened.len());
            for (i, (before, after)) in cells.iter().zip(&opened).enumerate() {
                let (a, b) = (before.scene, after.scene);
                prop_assert!([(a.y, b.y), (a.u, b.u), (a.v, b.v), (a.t, b.t)].iter().all(|(a, b)| near(*a, *b, STEPS)));
                prop_assert!(near(before.varies, after.varies, VARIES_STEPS));
                prop_assert_eq!(kept.varies(i), Some(after.varies));
                prop_assert_eq!((before.held, before.votes, before.seen), (after.held, after.votes, after.seen));
                if before.seen == 0 {
                    continue;
                }
                prop_assert!(near(before.known, after.known, SHARE_STEPS));
                prop_assert_eq!((before.thing, before.age, before.bare), (after.thing, after.age, after.bare));
                prop_assert_eq!(before.other_seen, after.other_seen);
                if before.other_seen > 0 {
                    prop_assert_eq!((before.other, before.other_age), (after.other, after.other_age));
                }
            }
            // Keeping what was opened changes nothing more.
            let mut again = Vec::new();
            kept.keep(&opened);
            kept.open(&mut again);
            prop_assert_eq!(opened, again);
        }
    }

    #[test]
    fn what_has_no_place_is_moved_to_where_it_has() {
        let far = Look { y: 900.0, u: -900.0, v: f32::NAN, t: -3.0 };
        let (mut kept, mut opened) = (Kept::default(), Vec::new());
        kept.keep(&[Cell { scene: far, varies: 1e9, ..Cell::default() }]);
        kept.open(&mut opened);
        let Look { y, u, t, .. } = opened[0].scene;
        assert!((447.0..448.0).contains(&y) && u == -256.0 && t == 0.0, "{:?}", opened[0].scene);
        assert!(kept.varies(0).is_some_and(|varies| varies < 32.0));
    }

    #[test]
    fn the_room_of_a_crowd_is_given_back() {
        let mut kept = Kept::default();
        kept.keep(&vec![Cell { seen: 1, ..Cell::default() }; 6000]);
        assert!(kept.things.capacity() >= 6000);
        kept.keep(&vec![Cell::default(); 6000]);
        assert!(kept.things.capacity() <= FEW);
    }
}
