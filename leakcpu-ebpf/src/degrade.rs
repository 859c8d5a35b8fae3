//! What watching a switch may cost: user space sets a budget's consequences, and here it
//! is decided by chance which switches get a walk of their stack.
//!
//! docs/times.md says why the estimates made of it are unbiased.

use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_ktime_get_ns};
use leakcpu_common::{
    config::{
        CONTROL_COUNTERS_ONLY, CONTROL_WALK_GAP_NS, LONGEST_TIMED_WALK_NS, MAX_STANDS_FOR,
        TIMED_WALK_SHIFT,
    },
    counters::Counter,
};

use crate::{
    count,
    maps::{CONTROL, COUNTERS},
};

/// How many switches like this one its stack is to stand for: 1 where all are walked, 0
/// if it is not walked. `cycle_ns` is the time since the thread's switch before, 0 if there
/// was none: the chance goes by that, never by anything of the wait that begins.
///
/// A global function of its own, so that it takes nothing of `sched_switch`'s stack and its
/// outcome is not followed apart.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn stands_for(cycle_ns: u64) -> u64 {
    count::one(Counter::SwitchesWatched);
    let gap_ns = word(CONTROL_WALK_GAP_NS);
    if gap_ns == 0 || cycle_ns == 0 {
        return 1;
    }
    let mut n = gap_ns / cycle_ns;
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
    word(CONTROL_WALK_GAP_NS)
}

/// Whether a switch that is not walked keeps its times only.
#[inline(always)]
pub fn counters_only() -> bool {
    word(CONTROL_COUNTERS_ONLY) != 0
}

#[inline(always)]
fn word(index: u32) -> u64 {
    CONTROL.get(index).map_or(0, |word| *word)
}

/// Notes for some walks how long they took, which user space sets the gap by. Reading the
/// clock after each would be a cost of its own.
#[inline(always)]
pub fn note_walk(began_ns: u64) {
    let Some(switches) = COUNTERS.get_ptr_mut(Counter::SwitchesWatched as u32) else {
        return;
    };
    // SAFETY: this CPU's slot.
    let nth = unsafe { switches.read_volatile() };
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
