// SPDX-License-Identifier: GPL-2.0

//! Mistakes made on purpose, to see that the checkers of a debug kernel find them.
//!
//! None of this is compiled unless the build asks for one of the faults by name, and such a module
//! serves no other purpose: the fault is made while it loads. `vm/tests/planted` builds and loads one after the other.

use kernel::prelude::*;

/// Makes the fault that this module was built with.
pub(crate) fn plant() -> Result {
    pr_warn!("built with a planted fault\n");
    fault::plant()
}

/// Faults that C code makes, for the checkers that clang builds into C only, or that guard structures of C.
#[cfg(any(
    mp3_plant = "undefined_shift",
    mp3_plant = "freed_timer",
    mp3_plant = "corrupt_list",
    mp3_plant = "refcount"
))]
mod fault {
    use kernel::prelude::*;

    extern "C" {
        /// `planted.c`.
        fn mp3_plant();
    }

    pub(super) fn plant() -> Result {
        // SAFETY: It is not sound, and not meant to be.
        unsafe { mp3_plant() };
        Ok(())
    }
}

/// KASAN: a slab object is read after it was freed.
#[cfg(mp3_plant = "use_after_free")]
mod fault {
    use kernel::prelude::*;

    pub(super) fn plant() -> Result {
        let object = KBox::into_raw(KBox::new([7_u64; 24], GFP_KERNEL)?);
        // SAFETY: The pointer comes from `into_raw`.
        drop(unsafe { KBox::from_raw(object) });
        // SAFETY: It is not sound, and not meant to be.
        pr_info!("{}\n", unsafe { (*object)[3] });
        Ok(())
    }
}

/// KASAN with `KASAN_VMALLOC`: the word behind a shared buffer is written.
#[cfg(mp3_plant = "out_of_bounds")]
mod fault {
    use crate::ffi;
    use kernel::prelude::*;

    pub(super) fn plant() -> Result {
        // Ends before its last page does: what follows is mapped, and only the checker knows that it does not belong to the object.
        let words = 3 * 512 - 8;
        // SAFETY: Callable with any size in process context.
        let start = unsafe { ffi::mp3_vmalloc_user(words * 8) }.cast::<u64>();
        if start.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: It is not sound, and not meant to be.
        unsafe { start.add(words).write_volatile(1) };
        // SAFETY: The region is ours.
        unsafe { ffi::vfree(start.cast()) };
        Ok(())
    }
}

/// kmemleak: the last pointer to an object is lost.
#[cfg(mp3_plant = "leak")]
mod fault {
    use kernel::prelude::*;

    pub(super) fn plant() -> Result {
        for _ in 0..8 {
            core::mem::forget(KBox::new([7_u64; 24], GFP_KERNEL)?);
        }
        Ok(())
    }
}

/// `DEBUG_ATOMIC_SLEEP`: a mutex is taken with a spinlock held.
#[cfg(mp3_plant = "sleep_in_atomic")]
mod fault {
    use kernel::prelude::*;
    use kernel::sync::{new_mutex, new_spinlock};

    pub(super) fn plant() -> Result {
        let spinlock = KBox::pin_init(new_spinlock!(0, "mp3_planted_spinlock"), GFP_KERNEL)?;
        let mutex = KBox::pin_init(new_mutex!(0, "mp3_planted_mutex"), GFP_KERNEL)?;
        let _atomic = spinlock.lock();
        let _sleeps = mutex.lock();
        Ok(())
    }
}

/// Lockdep: two mutexes are taken in one order, and later in the other.
#[cfg(mp3_plant = "lock_order")]
mod fault {
    use kernel::prelude::*;
    use kernel::sync::new_mutex;

    pub(super) fn plant() -> Result {
        let one = KBox::pin_init(new_mutex!(1, "mp3_planted_one"), GFP_KERNEL)?;
        let other = KBox::pin_init(new_mutex!(2, "mp3_planted_other"), GFP_KERNEL)?;
        {
            let _one = one.lock();
            let _other = other.lock();
        }
        let _other = other.lock();
        let _one = one.lock();
        Ok(())
    }
}

/// Lockdep: memory is waited for under a mutex that a tick takes.
#[cfg(mp3_plant = "memory_in_tick")]
mod fault {
    use crate::reclaim::Reclaim;
    use kernel::prelude::*;
    use kernel::sync::new_mutex;

    pub(super) fn plant() -> Result {
        let mutex = KBox::pin_init(new_mutex!(0, "mp3_planted_mutex"), GFP_KERNEL)?;
        {
            let _tick = Reclaim::enter();
            let _locked = mutex.lock();
        }
        let _locked = mutex.lock();
        drop(KBox::new(0, GFP_KERNEL)?);
        Ok(())
    }
}

/// `RUST_OVERFLOW_CHECKS`: a sum that its type does not hold.
#[cfg(mp3_plant = "overflow")]
mod fault {
    use kernel::prelude::*;

    pub(super) fn plant() -> Result {
        let most = core::hint::black_box(u32::MAX);
        pr_info!("{}\n", most + 1);
        Ok(())
    }
}

/// KCSAN: a work and the thread that queued it raise a counter, neither of them atomically.
#[cfg(mp3_plant = "race")]
mod fault {
    use crate::time::jiffies;
    use core::cell::UnsafeCell;
    use kernel::prelude::*;
    use kernel::sync::Arc;

    struct Counter(UnsafeCell<u64>);

    // SAFETY: It is not, and not meant to be.
    unsafe impl Sync for Counter {}
    // SAFETY: As a number it may go to any thread.
    unsafe impl Send for Counter {}

    fn raise(counter: &Counter, jiffies_long: u64) {
        let begun = jiffies();
        while jiffies().wrapping_sub(begun) < jiffies_long {
            // In memory each time, where a register would do.
            let number = core::hint::black_box(counter.0.get());
            // SAFETY: It is not sound, and not meant to be.
            unsafe { *number = (*number).wrapping_add(1) };
        }
    }

    pub(super) fn plant() -> Result {
        let counter = Arc::new(Counter(UnsafeCell::new(0)), GFP_KERNEL)?;
        let other = counter.clone();
        // Not bound to this CPU, where it would run instead of what follows and not beside it.
        kernel::workqueue::system_unbound().try_spawn(GFP_KERNEL, move || raise(&other, 1500))?;
        // Seconds, since the host may leave one of the guest's CPUs waiting; and longer than the work, so that it has
        // ended when the module is there.
        raise(&counter, 2000);
        Ok(())
    }
}
