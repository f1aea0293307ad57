// SPDX-License-Identifier: GPL-2.0

//! What any program does with the mp3 module.
//!
//! | module | what it knows |
//! |---|---|
//! | [`device`] | `/dev/mp3`: open, map a ring, positions |
//! | [`ring`] | a ring of any records, mapped read-only and read in place |
//! | [`commands`] | `/proc/mp3/status`: register, unregister, list, and what the errors mean |
//! | [`poller`] | waiting for records, signals and a reader that goes away, all at once |
//! | [`signals`] | signals that end a program, as a descriptor |
//! | [`output`] | writing to a reader that may have stopped reading |
//! | [`launch`] | a program that is registered before its first instruction |
//! | [`machine`] | what is being profiled: host, kernel, CPUs |
//! | [`source`] | where samples come from: the ring, a recording, `/proc` |
//! | [`trace`] | a session of the tracer, and snapshots of all threads |
//! | [`intervals`] | cumulative records to intervals, for each registration |
//! | [`users`] | whose registrations a program takes, and where their session begins |
//!
//! `unsafe` is in [`ring`] (the mapping), [`device`] and [`trace`] (ioctls), [`signals`] and [`launch`] only.

pub mod commands;
pub mod device;
pub mod intervals;
pub mod launch;
pub mod machine;
pub mod output;
pub mod poller;
pub mod ring;
pub mod signals;
pub mod source;
pub mod trace;
pub mod users;

pub use device::{Device, DeviceError};
pub use ring::{Region, Ring};
