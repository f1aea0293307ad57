// SPDX-License-Identifier: GPL-2.0

//! When a writer of events has more to do than to write: readers want to be woken, or a ring that discards may be full.
//!
//! Both are asked in one comparison for each record: below [`Room::attention`] there is room, and no reader waits.

/// Records that one event makes at most: a mapping with the longest path that is recorded.
pub const RECORDS_MAX: u64 = 12;

/// What one writer knows of the room in its ring.
///
/// With C's representation: the module is made of two crates that share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Room {
    attention: u64,
    wake_at: u64,
    watermark: u64,
}

/// What is to be done before records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attended {
    /// Readers are to be woken.
    pub wake: bool,
    /// There is room. Otherwise the records are dropped.
    pub fits: bool,
}

impl Room {
    /// No room: every record needs attention.
    pub const NONE: Room = Room { attention: 0, wake_at: 0, watermark: 0 };

    /// The room at the beginning. Readers are woken every `watermark` records. `limit` is the position up to which the ring may be
    /// filled, `u64::MAX` where old records make room.
    pub const fn new(watermark: u64, limit: u64) -> Self {
        let mut room = Room { attention: 0, wake_at: watermark, watermark };
        room.look_ahead(limit);
        room
    }

    /// Whether a writer at `position` has to call [`Room::attend`] first.
    #[inline(always)]
    pub const fn needs_attention(&self, position: u64) -> bool {
        position >= self.attention
    }

    /// Looks what there is to do before a writer at `position` writes `records`, at most [`RECORDS_MAX`].
    pub const fn attend(&mut self, position: u64, records: u64, limit: u64) -> Attended {
        let wake = position >= self.wake_at;
        if wake {
            self.wake_at = position.saturating_add(self.watermark);
        }
        self.look_ahead(limit);
        Attended { wake, fits: position.saturating_add(records) <= limit }
    }

    const fn look_ahead(&mut self, limit: u64) {
        // Any event fits below this.
        let full = limit.saturating_sub(RECORDS_MAX);
        self.attention = if self.wake_at < full { self.wake_at } else { full };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes events of `records` until `end`, while `limit_at` says how far the ring may be filled. Returns the position, how many
    /// records were dropped, and where readers were woken.
    fn write(watermark: u64, events: &[u64], mut limit_at: impl FnMut(u64) -> u64) -> (u64, u64, Vec<u64>) {
        let mut room = Room::new(watermark, limit_at(0));
        let (mut position, mut dropped, mut woken) = (0, 0, vec![]);
        for &records in events {
            let limit = limit_at(position);
            if room.needs_attention(position) {
                let Attended { wake, fits } = room.attend(position, records, limit);
                woken.extend(wake.then_some(position));
                if !fits {
                    dropped += records;
                    continue;
                }
            }
            position += records;
            assert!(position <= limit, "{position} is beyond {limit}");
        }
        (position, dropped, woken)
    }

    #[test]
    fn a_ring_that_overwrites_only_wakes() {
        let (position, dropped, woken) = write(8, &[1; 100], |_| u64::MAX);
        assert_eq!((position, dropped), (100, 0));
        assert_eq!(woken, (1..=12).map(|n| 8 * n).collect::<Vec<_>>());
    }

    #[test]
    fn a_ring_that_is_not_read_is_filled_to_its_end_and_no_further() {
        let (position, dropped, _) = write(8, &[1; 100], |_| 64);
        assert_eq!((position, dropped), (64, 36));
    }

    #[test]
    fn long_events_are_dropped_where_short_ones_still_fit() {
        let (position, dropped, _) = write(64, &[12, 12, 12, 1, 1, 1], |_| 32);
        assert_eq!((position, dropped), (27, 12));
    }

    #[test]
    fn whatever_readers_do_every_record_is_written_or_dropped() {
        for seed in 0..1000_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut random = move |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % below
            };
            let events: Vec<_> = (0..200).map(|_| 1 + random(RECORDS_MAX)).collect();
            let capacity = 16 << random(3);
            let mut read = 0;
            let (position, dropped, _) = write(1 + random(capacity), &events, |position| {
                read += random(position - read + 1);
                read + capacity
            });
            assert_eq!(position + dropped, events.iter().sum::<u64>());
        }
    }
}
