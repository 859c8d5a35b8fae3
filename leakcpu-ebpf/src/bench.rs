//! What only a bench asks for: how long single walks at a switch take, beside a control.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use leakcpu_common::config::{CONTROL_READS, SWITCH_WALK_SLOTS};

use crate::offcpu::now;

/// How many walks took each number of microseconds, and then how many controls.
#[map]
static SWITCH_WALKS: PerCpuArray<u64> = PerCpuArray::with_max_entries(2 * SWITCH_WALK_SLOTS, 0);

/// Notes a walk that began at `began_ns` and has just ended, and does work that is always
/// the same in the same place: what that takes longer than usual is none of a walk's doing.
///
/// A global function of its own, so that it takes nothing of `sched_switch`'s stack.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn time_walk(began_ns: u64) -> u64 {
    let ended_ns = now();
    note(0, ended_ns.saturating_sub(began_ns));
    let mut control_ns = ended_ns;
    for _ in 0..CONTROL_READS {
        control_ns = now();
    }
    note(SWITCH_WALK_SLOTS, control_ns.saturating_sub(ended_ns));
    0
}

#[inline(always)]
fn note(first: u32, ns: u64) {
    let last = u64::from(SWITCH_WALK_SLOTS - 1);
    let slot = if ns / 1_000 < last { ns / 1_000 } else { last };
    if let Some(walks) = SWITCH_WALKS.get_ptr_mut(first + slot as u32) {
        // SAFETY: this CPU's slot; switches of one CPU never overlap.
        unsafe { *walks += 1 };
    }
}
