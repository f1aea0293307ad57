// SPDX-License-Identifier: GPL-2.0

//! A small documented generator, written out: a crate's next release could change the sequence, and with it every
//! number that was ever measured with a seed.

/// SplitMix64: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; the
/// constants are those of Java's `SplittableRandom` and of S. Vigna's `splitmix64.c`.
#[derive(Clone, Debug)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// Every seed is as good as any other.
    pub fn new(seed: u64) -> Self {
        SplitMix64 { state: seed }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`, all equally likely. `bound` is not 0.
    ///
    /// D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019): the high half of a product,
    /// and the few products that would favour some numbers drawn again.
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            let unfair = bound.wrapping_neg() % bound;
            while (product as u64) < unfair {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_sequence() {
        // splitmix64.c with x = 1234567, as listed at Rosetta Code, "Pseudo-random numbers/Splitmix64".
        let mut random = SplitMix64::new(1_234_567);
        let first: Vec<_> = (0..5).map(|_| random.next_u64()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn every_number_below_the_bound_is_equally_likely() {
        let mut random = SplitMix64::new(1);
        for bound in [1_u64, 2, 3, 5, 7, 300] {
            let draws = bound * 10_000;
            let mut seen = vec![0_f64; bound as usize];
            for _ in 0..draws {
                seen[random.below(bound) as usize] += 1.0;
            }
            let chi_square: f64 = seen.iter().map(|count| (count - 10_000.0).powi(2) / 10_000.0).sum();
            // Mean bound - 1, variance twice that: five standard deviations, and the seed is fixed.
            let freedom = (bound - 1) as f64;
            assert!(chi_square <= freedom + 5.0 * (2.0 * freedom).sqrt() + 1e-9, "{bound}: {chi_square}");
        }
    }

    #[test]
    fn large_bounds_are_not_biased_either() {
        // Without the rejection, numbers below 2^62 would come up half as often again as the others.
        let bound = 3 << 62;
        let mut random = SplitMix64::new(1);
        let low = (0..30_000).filter(|_| random.below(bound) < bound / 3).count();
        assert!((9_600..10_400).contains(&low), "{low}");
        assert!((0..1000).all(|_| random.below(bound) < bound));
    }
}
