//! Furniture of the street that is put elsewhere: what left the learnt scene, and what came about then and looks like it,
//! are one thing and nothing new. A bin that was wheeled to another place is no garbage.

use super::grid::Look;

/// How far apart in time the two may lie, in seconds.
const WITHIN: f32 = 180.0;
/// Time after which what came is compared no more, and what left is forgotten, in seconds.
const KEPT: f32 = 600.0;
/// Levels by which the two may differ, and how many times larger one may be: it is nearer there, or half behind something.
const ALIKE: f32 = 18.0;
const LARGER: f32 = 2.5;
/// What left of late, at most.
const MOST: usize = 8;

/// Something at one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    /// The mean of its cells.
    pub(super) look: Look,
    pub(super) n_cells: usize,
    /// Seconds since it came, or since it left.
    pub(super) age: f32,
}

/// What left the learnt scene of late.
#[derive(Debug, Default)]
pub(super) struct Departures {
    left: Vec<Figure>,
}

impl Departures {
    pub(super) fn pass(&mut self, seconds: f32) {
        self.left.iter_mut().for_each(|figure| figure.age += seconds);
        self.left.retain(|figure| figure.age <= KEPT);
    }

    /// Something has left.
    pub(super) fn add(&mut self, figure: Figure) {
        if self.left.len() < MOST {
            self.left.push(figure);
        }
    }

    /// Whether what came so many seconds ago may be something that left.
    pub(super) fn may_be(&self, age: f32) -> bool {
        age <= KEPT && !self.left.is_empty()
    }

    /// Whether what came is something that left; it is accounted for then.
    pub(super) fn take(&mut self, came: Figure) -> bool {
        let is_it = |left: &Figure| {
            let (small, large) = (left.n_cells.min(came.n_cells) as f32, left.n_cells.max(came.n_cells) as f32);
            (left.age - came.age).abs() <= WITHIN && large <= LARGER * small && left.look.apart(came.look) <= ALIKE
        };
        let at = self.left.iter().position(is_it).filter(|_| self.may_be(came.age));
        at.map(|at| self.left.swap_remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(luma: f32, n_cells: usize, age: f32) -> Figure {
        Figure { look: Look { y: luma, ..Look::default() }, n_cells, age }
    }

    #[test]
    fn what_looks_alike_and_came_when_the_other_left_is_it_once() {
        let mut departures = Departures::default();
        departures.add(figure(60.0, 40, 50.0));
        assert!(!departures.take(figure(95.0, 40, 45.0)), "of another colour");
        assert!(!departures.take(figure(62.0, 120, 45.0)), "much larger");
        assert!(!departures.take(figure(62.0, 40, 400.0)), "there long before");
        departures.pass(60.0);
        assert!(departures.take(figure(66.0, 70, 105.0)));
        assert!(!departures.take(figure(66.0, 70, 105.0)), "one thing is put to one place");
    }

    #[test]
    fn what_left_long_ago_is_forgotten() {
        let mut departures = Departures::default();
        departures.add(figure(60.0, 40, 50.0));
        departures.pass(KEPT);
        assert!(!departures.take(figure(60.0, 40, 600.0)));
    }
}
