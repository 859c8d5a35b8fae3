//! Who ran instead of a watched thread that was ready to run.
//!
//! The task that leaves the CPU as a waiting thread gets it is charged with the whole
//! wait. Where several took turns that is one of them each time, so that over many waits
//! each gets its part: an estimate.

use aya_ebpf::{helpers::bpf_get_smp_processor_id, macros::map, maps::HashMap};
use leakcpu_common::{
    counters::Counter,
    rival::{RIVALS as ENTRIES, Rival, RivalKey},
};

use crate::{count, task::Task};

#[map]
static RIVALS: HashMap<RivalKey, Rival> = HashMap::with_max_entries(ENTRIES, 0);

/// Charges `rival` with a wait of process `pid`.
#[inline(always)]
pub fn charge(pid: u32, rival: Task, waited_ns: u64) {
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
        entry.waited_ns += waited_ns;
        entry.count += 1;
        return;
    }
    let first = Rival {
        waited_ns,
        count: 1,
        comm: rival.comm(),
    };
    if RIVALS.insert(key, first, 0).is_err() {
        count::one(Counter::RivalsFull);
    }
}
