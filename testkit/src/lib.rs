// SPDX-License-Identifier: GPL-2.0

//! What tests and measurements in the virtual machine have in common.
//!
//! | module | what it knows |
//! |---|---|
//! | [`files`] | where the module and the programs are |
//! | [`module`] | loading and unloading |
//! | [`status`] | `/proc/mp3/status` |
//! | [`device`] | `/dev/mp3`, and the ring behind it |
//! | [`child`] | a process whose steps the test controls |
//! | [`crowd`] | thousands that do nothing |
//! | [`running`] | a program, and what it prints |
//! | [`kernel`] | the kernel's counters |
//! | [`log`] | the kernel's log |
//! | [`options`] | numbers from the environment |
//! | [`priority`] | this thread's CPU and priority |
//! | [`futex`] | a lock, with and without priority inheritance |
//! | [`bpf`] | a program that cannot be preempted |
//! | [`tracing`] | sessions of the tracer, event rings and snapshots |

pub mod bpf;
pub mod child;
pub mod crowd;
pub mod device;
pub mod files;
pub mod futex;
pub mod kernel;
pub mod log;
pub mod module;
pub mod options;
pub mod priority;
pub mod running;
pub mod status;
pub mod tracing;
