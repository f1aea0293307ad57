// SPDX-License-Identifier: GPL-2.0

//! Addresses for mappings that can be torn without hurting the process.
//!
//! A random `munmap` or `mremap` must not hit the program's own memory, nor may what the program maps next (a stack, a
//! heap) come to lie where a random call will hit it. So all mappings are made at fixed addresses, in a range that holds
//! nothing else, and while the threads are at work nothing else is mapped at all.

use abi::device::PAGE_BYTES;

/// Mappings that fit in.
pub const PLACES: usize = 8;

/// Pages in each: more than the longest that the module grants, so that one that grows does not meet the next.
pub const PLACE_PAGES: usize = 192;

/// Where the arena begins: far from where the kernel puts anything by itself.
const START: usize = 0x1000_0000_0000;

/// The address of a page of a place.
pub fn address(place: u8, page: u16) -> *mut libc::c_void {
    let pages = usize::from(place) % PLACES * PLACE_PAGES + usize::from(page) % PLACE_PAGES;
    std::ptr::with_exposed_provenance_mut(START + pages * PAGE_BYTES)
}

/// Bytes of `pages` pages from page `first` of a place on, no farther than the place.
pub fn bytes(first: u16, pages: u16) -> usize {
    let left = PLACE_PAGES - usize::from(first) % PLACE_PAGES;
    usize::from(pages).min(left) * PAGE_BYTES
}
