//! What speaks for a stall and what against it, each with its weight.
//!
//! No detector knows a stall. A table, a parasol, a cart, something that nobody has a class for: each says a little;
//! somebody who stays says more, those who stop and go say that he sells. The weights are data, the sum is plain
//! addition, and the ticket lists what counted. Things together count for so much at most: an abandoned stall has all of
//! them and nobody.

use domain::Label;

use super::{config::Evidence, window::Window};

/// Share of the dwell's looks in which a sign must be there to count.
const COUNTS_FROM: f32 = 0.5;
/// Things that a rule may weigh.
pub(super) const MAX_THINGS: usize = 24;
/// Somebody stays near.
pub(super) const VENDOR: u32 = 1 << 24;
/// Many stay near.
pub(super) const CROWD: u32 = 1 << 25;
/// How many who stay make a crowd.
pub(super) const CROWD_FROM: usize = 4;

/// A sign of what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign<'a> {
    Thing(&'a Label),
    Vendor,
    Customers(usize),
    Crowd,
}

/// What counted, and what it comes to.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    pub(super) signs: Vec<(Sign<'a>, f32)>,
    pub(super) total: f32,
}

impl Evidence {
    /// Whether a rule weighs evidence at all.
    pub(super) fn is_weighed(&self) -> bool {
        self.needed > 0.0
    }

    /// The signs that these labels are, as bits of one look.
    pub(super) fn signs_of<'l>(&self, labels: impl Iterator<Item = (&'l Label, &'l Label)>) -> u32 {
        labels.fold(0, |bits, (class, group)| {
            let mut weighed = self.things.keys().take(MAX_THINGS);
            weighed.position(|key| key == class || key == group).map_or(bits, |n| bits | 1 << n)
        })
    }

    /// What these signs of one look would come to, if people did what a vendor and his customers do.
    pub(super) fn at_best(&self, signs: u32) -> f32 {
        self.of_things(|n| signs & (1 << n) != 0).1 + self.vendor.max(0.0) + self.customers.max(0.0)
    }

    /// What the looks of a dwell and the customers of that time come to.
    pub(super) fn weigh(&self, looks: &Window, customers: usize) -> Tally<'_> {
        let counts = |bit: u32| looks.share_with(bit) >= COUNTS_FROM;
        let (mut signs, mut total) = self.of_things(|n| counts(1 << n));
        let people = [
            (Sign::Vendor, self.vendor, counts(VENDOR)),
            (Sign::Customers(customers), self.customers, customers >= self.min_customers as usize),
            (Sign::Crowd, self.crowd, counts(CROWD)),
        ];
        for (sign, weight, _) in people.into_iter().filter(|(_, weight, there)| *there && *weight != 0.0) {
            signs.push((sign, weight));
            total += weight;
        }
        Tally { signs, total }
    }

    fn of_things(&self, there: impl Fn(usize) -> bool) -> (Vec<(Sign<'_>, f32)>, f32) {
        let weights = self.things.iter().take(MAX_THINGS).enumerate().filter(|(n, _)| there(*n));
        let signs: Vec<_> = weights.map(|(_, (label, weight))| (Sign::Thing(label), *weight)).collect();
        let sum: f32 = signs.iter().map(|(_, weight)| *weight).sum();
        (signs, sum.min(self.things_most))
    }
}
