//! Named counters.

use leakcpu_common::counters::Counter;

use crate::maps::COUNTERS;

/// Adds `n` to a counter of this CPU.
#[inline(always)]
pub fn add(counter: Counter, n: u64) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the slot belongs to this CPU; a nested program may lose one
        // increment, never corrupt the word.
        unsafe { *slot += n };
    }
}

/// Adds one to a counter of this CPU and says what it is then.
#[inline(always)]
pub fn next(counter: Counter) -> u64 {
    let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) else {
        return 0;
    };
    // SAFETY: as above.
    unsafe {
        *slot += 1;
        slot.read_volatile()
    }
}

/// Adds one to a counter of this CPU.
#[inline(always)]
pub fn one(counter: Counter) {
    add(counter, 1);
}
