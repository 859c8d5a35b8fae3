//! What watching a switch may cost: user space sets a budget's consequences, and here it
//! is decided by chance which switches get a walk of their stack.
//!
//! docs/times.md says why the estimates made of it are unbiased.

use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_ktime_get_ns};
use leakcpu_common::{
    config::{Control, LONGEST_TIMED_WALK_NS, MAX_STANDS_FOR, TIMED_WALK_SHIFT},
    counters::Counter,
};

use crate::{count, maps::CONTROL};

/// How many switches like this one its stack is to stand for: 1 where all are walked, 0
/// if it is not walked. `cycle_ns` is the time since the thread's switch before, 0 if there
/// was none: the chance goes by that, never by anything of the wait that begins.
#[inline(always)]
pub fn stands_for(control: &Control, cycle_ns: u64) -> u64 {
    let gap_ns = control.walk_gap_ns;
    if gap_ns == 0 || cycle_ns == 0 {
        1
    } else {
        by_chance(gap_ns, cycle_ns)
    }
}

/// A global function of its own, so that it takes nothing of `sched_switch`'s stack.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn by_chance(gap_ns: u64, cycle_ns: u64) -> u64 {
    let mut n = gap_ns.checked_div(cycle_ns).unwrap_or(0);
    if n <= 1 {
        return 1;
    }
    if n > MAX_STANDS_FOR {
        n = MAX_STANDS_FOR;
    }
    // SAFETY: the helper has no preconditions.
    let chance = u64::from(unsafe { bpf_get_prandom_u32() });
    if (chance * n) >> 32 == 0 {
        return n;
    }
    count::one(Counter::SwitchesWithoutStack);
    0
}

/// The distance that is kept between two walks of one kind; 0 where all are made.
#[inline(always)]
pub fn walk_gap_ns() -> u64 {
    CONTROL.get(0).map_or(0, |control| control.walk_gap_ns)
}

/// Notes for some walks how long they took, which user space sets the gap by: this one is of
/// the CPU's `nth` switch. Reading the clock after each would be a cost of its own.
#[inline(always)]
pub fn note_walk(began_ns: u64, nth: u64) {
    // Evenly spread, and in step with no pattern of switches.
    if nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> TIMED_WALK_SHIFT != 0 {
        return;
    }
    // SAFETY: the helper has no preconditions.
    let took_ns = unsafe { bpf_ktime_get_ns() }.saturating_sub(began_ns);
    if took_ns <= LONGEST_TIMED_WALK_NS {
        count::one(Counter::SwitchWalksTimed);
        count::add(Counter::SwitchWalkNs, took_ns);
    }
}
