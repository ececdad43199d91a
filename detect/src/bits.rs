//! One bit for each of many cells.

/// So many bits, numbered from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// The bits of `all`, in their order, in the place of those that were here.
    pub(crate) fn fill(&mut self, all: impl Iterator<Item = bool>) {
        self.0.clear();
        for (i, bit) in all.enumerate() {
            if i % 64 == 0 {
                self.0.push(0);
            }
            self.0[i / 64] |= u64::from(bit) << (i % 64);
        }
    }

    /// Bit `i`, which must be one of them.
    pub(crate) fn get(&self, i: usize) -> bool {
        self.0[i / 64] >> (i % 64) & 1 == 1
    }
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(all: I) -> Self {
        let mut bits = Self::default();
        bits.fill(all.into_iter());
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_is_where_it_was_put() {
        let odd = |i: usize| i % 3 == 1 || i == 64;
        let mut bits: Bits = (0..200).map(odd).collect();
        assert!((0..200).all(|i| bits.get(i) == odd(i)));
        bits.fill((0..70).map(|i| !odd(i)));
        assert!((0..70).all(|i| bits.get(i) != odd(i)));
    }
}
