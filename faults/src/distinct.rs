// SPDX-License-Identifier: GPL-2.0

//! How many different things came between two occurrences of the same: the reuse distance.

use rustc_hash::FxHashMap;
use std::hash::Hash;

/// A sequence of things, of which the last occurrence of each is marked.
///
/// A Fenwick tree counts the marks between two places in O(log n); when the places run out, those that are marked move
/// together. Memory goes with the number of different things, not with the length of the sequence.
#[derive(Clone, Debug)]
pub struct Distinct<T> {
    last: FxHashMap<T, usize>,
    tree: Vec<u32>,
    next: usize,
}

/// Places to begin with.
const PLACES: usize = 1 << 10;

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Distinct { last: FxHashMap::default(), tree: vec![0; PLACES], next: 0 }
    }
}

impl<T: Copy + Eq + Hash> Distinct<T> {
    /// How many different things there were.
    pub fn len(&self) -> usize {
        self.last.len()
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// `thing` comes: how many different others came since it came last; none the first time.
    pub fn come(&mut self, thing: T) -> Option<usize> {
        if self.next == self.tree.len() {
            self.compact();
        }
        let place = self.next;
        self.next += 1;
        let before = self.last.insert(thing, place);
        self.add(place, 1);
        let before = before?;
        let since = self.sum(place) - self.sum(before + 1);
        self.add(before, u32::MAX);
        Some(since as usize)
    }

    /// Adds to the count of a place, modulo 2^32.
    fn add(&mut self, place: usize, count: u32) {
        let mut at = place;
        while let Some(sum) = self.tree.get_mut(at) {
            *sum = sum.wrapping_add(count);
            at |= at + 1;
        }
    }

    /// Marks before `place`.
    fn sum(&self, place: usize) -> u32 {
        let (mut at, mut sum) = (place, 0_u32);
        while at > 0 {
            sum = sum.wrapping_add(self.tree[at - 1]);
            at &= at - 1;
        }
        sum
    }

    fn compact(&mut self) {
        let mut order: Vec<(usize, T)> = self.last.iter().map(|(thing, place)| (*place, *thing)).collect();
        order.sort_unstable_by_key(|(place, _)| *place);
        self.tree = vec![0; (2 * order.len()).max(PLACES)];
        self.next = order.len();
        for (place, (_, thing)) in order.into_iter().enumerate() {
            self.last.insert(thing, place);
            self.add(place, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn distances_are_those_of_the_definition() {
        let mut random = 11_u64;
        for things in [1, 3, 50, 3_000] {
            let mut distinct = Distinct::default();
            let mut history: Vec<u64> = vec![];
            for _ in 0..5_000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let thing = (random >> 33) % things;
                let before = history.iter().rposition(|earlier| *earlier == thing);
                let expected = before.map(|at| history[at + 1..].iter().collect::<HashSet<_>>().len());
                assert_eq!(distinct.come(thing), expected);
                history.push(thing);
            }
            assert_eq!(distinct.len(), history.iter().collect::<HashSet<_>>().len());
        }
    }

    #[test]
    fn memory_goes_with_the_things_and_not_with_the_sequence() {
        let mut distinct = Distinct::default();
        for n in 0..1_000_000_u64 {
            distinct.come(n % 600);
        }
        assert!(distinct.tree.len() <= 2 * PLACES, "{}", distinct.tree.len());
        assert_eq!(distinct.come(0), Some(399));
    }
}
