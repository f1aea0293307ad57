// SPDX-License-Identifier: GPL-2.0

//! One record, of any words.

use crate::bytes::Bytes;
use abi::samples::{SampleRecord, Totals, COMM_BYTES, SAMPLE_WORDS, TOTALS};

/// Every bit pattern is a record, and every bit of it is kept.
pub fn check(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let words: [u64; SAMPLE_WORDS] = std::array::from_fn(|_| bytes.number());
    let record = SampleRecord::from_words(&words);
    assert_eq!(record.to_words(), words);

    let comm = record.comm_bytes();
    assert!(record.comm.starts_with(comm) && !comm.contains(&0));
    assert!(comm.len() == COMM_BYTES || record.comm[comm.len()] == 0);

    let later = Totals::from_array(std::array::from_fn(|_| bytes.number()));
    let (a, b) = (record.totals.to_array(), later.to_array());
    let (since, plus, floor) =
        (later.since(&record.totals), later.plus(&record.totals), later.at_least(&record.totals));
    for n in 0..TOTALS {
        assert_eq!(u128::from(since.to_array()[n]), u128::from(b[n]).saturating_sub(a[n].into()));
        assert_eq!(u128::from(plus.to_array()[n]), (u128::from(a[n]) + u128::from(b[n])).min(u64::MAX.into()));
        assert_eq!(floor.to_array()[n], a[n].max(b[n]));
    }
    assert_eq!(u128::from(later.cpu_ns()), (u128::from(b[2]) + u128::from(b[3])).min(u64::MAX.into()));
}
