// SPDX-License-Identifier: GPL-2.0

//! Memory that the other tests leaked; the last test of all.

use crate::kmemleak::Kmemleak;
use crate::test::{Outcome, Skip};
use crate::tests;
use anyhow::ensure;

tests![no_memory_is_lost];

fn no_memory_is_lost() -> Outcome {
    let Some(kmemleak) = Kmemleak::find() else {
        return Err(Skip("this kernel has no kmemleak (CONFIG_DEBUG_KMEMLEAK)").into());
    };
    let lost = kmemleak.scan()?;
    ensure!(lost.is_empty(), "{lost}");
    Ok(())
}
