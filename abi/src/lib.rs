// SPDX-License-Identifier: GPL-2.0

//! Everything both sides of the kernel boundary must agree on.
//!
//! The kernel module compiles these very files (see `mp3_module/abi.rs`), so a layout, a number or a rule that stands
//! here stands nowhere else. The code is `no_std`, free of `unsafe` and of I/O: what can be decided without a kernel is
//! decided here, where `cargo test` reaches it.
//!
//! | file | what is agreed on |
//! |---|---|
//! | [`command`] | the lines that `/proc/mp3/status` takes |
//! | [`device`] | paths and ioctl numbers |
//! | [`regions`] | what can be mapped, and at which offsets |
//! | [`classic`] | the buffer that programs written for the original MP3 map |
//! | [`words`] | memory shared across the boundary, as 64-bit words and orderings |
//! | [`stream`] | what a ring carries |
//! | [`header`] | the first page of a ring |
//! | [`ring`] | how a writer that never waits and readers that never write share a ring |
//! | [`clock`] | when a tick is due |
//! | [`timebase`] | from a cycle counter to a time |
//! | [`samples`] | the records of the sampler |
//! | [`events`] | the records of the tracer |

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod classic;
pub mod clock;
pub mod command;
pub mod device;
pub mod events;
pub mod header;
pub mod regions;
pub mod ring;
pub mod samples;
pub mod stream;
pub mod timebase;
pub mod words;

// The name that callers know.
pub use samples as record;
