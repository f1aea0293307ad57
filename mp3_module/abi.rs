// SPDX-License-Identifier: GPL-2.0

//! What both sides of the kernel boundary agree on: the very files that the user-space crate `abi` is made of.

// The module is one of two users, and uses one half of most things.
#![allow(dead_code, unreachable_pub, unused_imports)]

#[path = "../abi/src/classic.rs"]
pub(crate) mod classic;
#[path = "../abi/src/clock.rs"]
pub(crate) mod clock;
#[path = "../abi/src/command.rs"]
pub(crate) mod command;
#[path = "../abi/src/device.rs"]
pub(crate) mod device;
#[path = "../abi/src/events/mod.rs"]
pub(crate) mod events;
#[path = "../abi/src/header.rs"]
pub(crate) mod header;
#[path = "../abi/src/regions.rs"]
pub(crate) mod regions;
#[path = "../abi/src/ring.rs"]
pub(crate) mod ring;
#[path = "../abi/src/samples/mod.rs"]
pub(crate) mod samples;
#[path = "../abi/src/stream.rs"]
pub(crate) mod stream;
#[path = "../abi/src/timebase.rs"]
pub(crate) mod timebase;
#[path = "../abi/src/words.rs"]
pub(crate) mod words;
