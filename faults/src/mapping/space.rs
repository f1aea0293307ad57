// SPDX-License-Identifier: GPL-2.0

//! Address spaces, as the changes make them.

use format::mappings::{Change, Mapping, What};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far a stack may have grown below what was told of it: the usual limit of its size.
const STACK_BYTES: u64 = 8 << 20;

/// A piece of an address space: up to `end`, this mapping shows.
#[derive(Clone, Debug)]
struct Piece {
    end: u64,
    mapping: Arc<Mapping>,
}

/// One process's mappings.
#[derive(Clone, Debug, Default)]
pub struct Space {
    /// By first address; pieces do not overlap.
    pieces: BTreeMap<u64, Piece>,
}

impl Space {
    /// The mapping at `address`. A stack grows without a record: what lies a little below one belongs to it.
    pub fn at(&self, address: u64) -> Option<&Arc<Mapping>> {
        let below = self.pieces.range(..=address).next_back().map(|(_, piece)| piece);
        if let Some(piece) = below.filter(|piece| address < piece.end) {
            return Some(&piece.mapping);
        }
        let (start, above) = self.pieces.range(address..).next()?;
        let is_stack = &*above.mapping.name == "[stack]" && start - address <= STACK_BYTES;
        is_stack.then_some(&above.mapping)
    }

    /// Maps `mapping` in the place of what is there.
    pub fn map(&mut self, mapping: &Arc<Mapping>) {
        let (start, end) = (mapping.start, mapping.end);
        if start >= end {
            return;
        }
        // What begins before and reaches into it is cut; what also reaches beyond goes on behind.
        let before = self.pieces.range_mut(..start).next_back().filter(|(_, piece)| piece.end > start);
        if let Some((_, piece)) = before {
            let rest = Piece { end: piece.end, mapping: Arc::clone(&piece.mapping) };
            piece.end = start;
            if rest.end > end {
                self.pieces.insert(end, rest);
            }
        }
        let inside: Vec<u64> = self.pieces.range(start..end).map(|(start, _)| *start).collect();
        for at in inside {
            if let Some(piece) = self.pieces.remove(&at) {
                if piece.end > end {
                    self.pieces.insert(end, piece);
                }
            }
        }
        self.pieces.insert(start, Piece { end, mapping: Arc::clone(mapping) });
    }

    /// All pieces: from, to, what. From the lowest address on.
    pub fn pieces(&self) -> impl Iterator<Item = (u64, u64, &Arc<Mapping>)> {
        self.pieces.iter().map(|(start, piece)| (*start, piece.end, &piece.mapping))
    }

    /// Whether nothing is known of it.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// The address spaces of all processes.
#[derive(Debug, Default)]
pub struct Spaces {
    spaces: FxHashMap<u32, Space>,
    /// Changes that are missing.
    pub lost: u64,
}

impl Spaces {
    /// The address space that this process has now.
    pub fn of(&self, pid: u32) -> Option<&Space> {
        self.spaces.get(&pid)
    }

    /// The mapping at an address of a process.
    pub fn at(&self, pid: u32, address: u64) -> Option<&Arc<Mapping>> {
        self.of(pid)?.at(address)
    }

    /// Takes the next change, in the order of time.
    pub fn apply(&mut self, change: &Change) {
        match &change.what {
            What::Mapped(mapping) => self.spaces.entry(change.pid).or_default().map(mapping),
            What::Forked(parent) => {
                // A PID that was used before has nothing of what it had.
                let space = self.spaces.get(parent).cloned().unwrap_or_default();
                self.spaces.insert(change.pid, space);
            }
            What::Executed => {
                self.spaces.insert(change.pid, Space::default());
            }
            What::Listed(mappings) => {
                let mut space = Space::default();
                mappings.iter().for_each(|mapping| space.map(mapping));
                self.spaces.insert(change.pid, space);
            }
            What::Lost(count) => self.lost = self.lost.saturating_add(*count),
        }
    }

    /// Nothing more is asked of this process.
    pub fn forget(&mut self, pid: u32) {
        self.spaces.remove(&pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: u64, end: u64, name: &str) -> Arc<Mapping> {
        Arc::new(Mapping { start, end, name: name.into(), ..Mapping::default() })
    }

    fn shape(space: &Space) -> Vec<(u64, u64, String)> {
        space.pieces().map(|(from, to, mapping)| (from, to, mapping.name.to_string())).collect()
    }

    #[test]
    fn a_mapping_takes_the_place_of_what_was_there() {
        let mut space = Space::default();
        space.map(&mapping(0, 100, "a"));
        space.map(&mapping(40, 60, "b"));
        assert_eq!(shape(&space), [(0, 40, "a".into()), (40, 60, "b".into()), (60, 100, "a".into())]);
        space.map(&mapping(50, 80, "c"));
        assert_eq!(
            shape(&space),
            [(0, 40, "a".into()), (40, 50, "b".into()), (50, 80, "c".into()), (80, 100, "a".into())]
        );
        space.map(&mapping(0, 100, "d"));
        assert_eq!(shape(&space), [(0, 100, "d".into())]);
        space.map(&mapping(70, 70, "nothing"));
        assert_eq!(shape(&space).len(), 1);
    }

    #[test]
    fn every_address_has_the_mapping_that_came_last() {
        // Against the plainest model there is: an array.
        let mut seed = 7_u64;
        let mut random = |end: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % end
        };
        for _ in 0..50 {
            let mut space = Space::default();
            let mut plain = [None; 64];
            for n in 0..40_u64 {
                let (a, b) = (random(64), random(65));
                let (start, end) = (a.min(b), a.max(b));
                space.map(&mapping(start, end, &n.to_string()));
                plain[start as usize..end as usize].fill(Some(n.to_string()).map(|_| n));
                for (address, expected) in plain.iter().enumerate() {
                    let found = space.at(address as u64).map(|mapping| mapping.name.to_string());
                    assert_eq!(found, expected.map(|n| n.to_string()));
                }
            }
        }
    }

    #[test]
    fn a_stack_grows_downwards_and_other_things_do_not() {
        let mut space = Space::default();
        space.map(&mapping(100 << 20, 101 << 20, "[stack]"));
        assert!(space.at((100 << 20) - 4096).is_some() && space.at(90 << 20).is_none());
        space.map(&mapping(95 << 20, 99 << 20, ""));
        assert_eq!(&*space.at(96 << 20).unwrap().name, "");
        assert!(space.at((95 << 20) - 1).is_none());
    }

    #[test]
    fn a_child_has_what_its_parent_had_until_it_executes() {
        let mut spaces = Spaces::default();
        let change = |pid, what| Change { ns: 0, pid, what };
        spaces.apply(&change(1, What::Listed(vec![mapping(0, 10, "a")])));
        spaces.apply(&change(2, What::Forked(1)));
        spaces.apply(&change(1, What::Mapped(mapping(0, 10, "b"))));
        assert_eq!(&*spaces.at(2, 5).unwrap().name, "a");
        spaces.apply(&change(2, What::Executed));
        assert!(spaces.at(2, 5).is_none() && spaces.of(2).unwrap().is_empty());
        assert_eq!(&*spaces.at(1, 5).unwrap().name, "b");
        spaces.apply(&change(0, What::Lost(3)));
        assert_eq!(spaces.lost, 3);
    }
}
