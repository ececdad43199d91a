//! Chance that is the same on every machine and for ever: numbers from a seed and a place, without a state.

/// Mixes a number until no pattern is left (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A seed for one use among others.
pub(crate) fn seed(of: u64, n: u64) -> u64 {
    mix(mix(of) ^ n.wrapping_mul(0xd6e8_feb8_6659_fd93))
}

/// From 0 up to, but not, 1.
pub(crate) fn uniform(seed: u64, n: u64) -> f32 {
    (self::seed(seed, n) >> 40) as f32 / (1_u64 << 24) as f32
}

/// Close to a normal distribution with mean 0 and deviation 1: the sum of four uniform numbers.
pub(crate) fn normal(seed: u64, n: u64) -> f32 {
    let bits = self::seed(seed, n);
    let sum: u64 = (0..4).map(|i| bits >> (16 * i) & 0xffff).sum();
    // Four uniform numbers of deviation 1/sqrt(12) each: the sum has 1/sqrt(3).
    (sum as f32 / 65_536.0 - 2.0) * 1.732
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_nought_and_deviation_one() {
        let all: Vec<f32> = (0..20_000).map(|n| normal(7, n)).collect();
        let mean = all.iter().sum::<f32>() / all.len() as f32;
        let deviation = (all.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / all.len() as f32).sqrt();
        assert!(mean.abs() < 0.03 && (deviation - 1.0).abs() < 0.03, "mean {mean}, deviation {deviation}");
    }

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        assert_eq!(mix(1), 0x910a_2dec_8902_5cc1);
        assert!((0..100).all(|n| (0.0..1.0).contains(&uniform(3, n))));
        assert!(uniform(3, 1) != uniform(4, 1));
    }
}
