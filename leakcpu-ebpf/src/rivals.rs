//! Who ran instead of a watched thread that was ready to run.
//!
//! The task that leaves the CPU as a waiting thread gets it is charged with the time it
//! was there, as far as the wait goes back. Who ran before it is not seen: nothing is done
//! at the switches of others. Over many waits each rival is met in its turn.

use aya_ebpf::{helpers::bpf_get_smp_processor_id, macros::map, maps::HashMap};
use leakcpu_common::{
    counters::Counter,
    rival::{RIVALS as ENTRIES, Rival, RivalKey},
};

use crate::{count, globals::HAS_LAST_ARRIVAL, task::Task};

#[map]
static RIVALS: HashMap<RivalKey, Rival> = HashMap::with_max_entries(ENTRIES, 0);

/// Charges `rival` with its part of a wait of process `pid`.
#[inline(always)]
pub fn charge(pid: u32, rival: Task, waited_ns: u64) {
    if HAS_LAST_ARRIVAL.load() == 0 {
        return;
    }
    let burst_ns = rival.burst_ns();
    let ran_ns = if burst_ns < waited_ns {
        burst_ns
    } else {
        waited_ns
    };
    let key = RivalKey {
        pid,
        rival_pid: rival.pid(),
        // SAFETY: the helper has no preconditions.
        cpu: unsafe { bpf_get_smp_processor_id() },
        pad: 0,
    };
    if let Some(entry) = RIVALS.get_ptr_mut(key) {
        // SAFETY: the key holds the CPU, whose switches never overlap.
        let entry = unsafe { &mut *entry };
        entry.ran_ns += ran_ns;
        entry.count += 1;
        return;
    }
    let first = Rival {
        ran_ns,
        count: 1,
        comm: rival.comm(),
    };
    if RIVALS.insert(key, first, 0).is_err() {
        count::one(Counter::RivalsFull);
    }
}
