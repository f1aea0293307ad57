// SPDX-License-Identifier: GPL-2.0

//! A memory workload whose page faults can be computed beforehand.
//!
//! Some memory, some iterations, and in each of them a number of one-byte stores to places that a seeded generator
//! chooses. The memory is mapped once and kept, so that every 4 KiB page costs exactly one fault: the first store to it.
//!
//! ```text
//! Workload --> Places ----> run() --> Buffer        the accesses
//!                  \
//!                   `-----> fresh_pages()           their page faults, exactly
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | [`workload`] | size, locality, accesses, iterations, pause, seed |
//! | [`args`] | the same from a command line |
//! | [`cli`] | the command line of the program |
//! | [`random`] | the generator |
//! | [`places`] | the sequence of places |
//! | [`pages`] | how many different pages the sequence touches, and the formula for it |
//! | [`buffer`] | the memory |
//! | [`run`] | the accesses and the pauses |
//! | [`usage`] | what the kernel counted for this process meanwhile |
//! | [`resident`] | how to keep this program's own faults out of that |
//! | [`cpus`] | lists of CPUs, and running on them only |

pub mod args;
pub mod buffer;
pub mod cli;
pub mod cpus;
pub mod pages;
pub mod places;
pub mod random;
pub mod resident;
pub mod run;
pub mod usage;
pub mod workload;

pub use buffer::Buffer;
pub use pages::{distinct_pages, expected_iterations, expected_pages, fresh_pages};
pub use run::{run, Pacer, Uninterrupted};
pub use usage::Usage;
pub use workload::{Locality, Workload};
