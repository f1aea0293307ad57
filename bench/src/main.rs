// SPDX-License-Identifier: GPL-2.0

//! `mp3-bench`: measures, in the virtual machine.

fn main() {}
