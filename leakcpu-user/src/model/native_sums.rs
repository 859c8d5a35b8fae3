//! On-CPU time by native code, as far as samples tell.

use std::collections::BTreeMap;

use super::{Charge, Code, FunctionId, NativeId, NativeTimes, Process, StackTime, apportion};

/// Time by native function while it grows. The evaluation loop's is left out: that is
/// Python itself.
#[derive(Default)]
pub(super) struct NativeSums(BTreeMap<NativeId, Sum>);

#[derive(Default)]
struct Sum {
    on_cpu_ns: u64,
    page_fault_ns: u64,
    by_offset: BTreeMap<u64, u64>,
}

impl NativeSums {
    /// Splits an entry's on-CPU time over what its samples found being executed; the
    /// part of samples whose native leaf was lost goes to nobody.
    pub(super) fn charge(&mut self, process: &Process, entry: &StackTime, charge: Charge) {
        let mut counts: Vec<u64> = entry.leaves.iter().map(|leaf| leaf.count).collect();
        counts.push(entry.count.saturating_sub(counts.iter().sum()));
        let parts = apportion(charge.on_cpu_ns, &counts);
        for (leaf, ns) in entry.leaves.iter().zip(parts) {
            let id = leaf.frame.function;
            if process
                .native(id)
                .is_none_or(|native| native.code == Code::EvalLoop)
            {
                continue;
            }
            let sum = self.0.entry(id).or_default();
            sum.on_cpu_ns += ns;
            if leaf.page_fault {
                sum.page_fault_ns += ns;
            }
            *sum.by_offset.entry(leaf.frame.offset).or_default() += ns;
        }
    }

    /// Most time first.
    pub(super) fn finish(self) -> Vec<NativeTimes> {
        let mut times: Vec<NativeTimes> = self
            .0
            .into_iter()
            .filter(|(_, sum)| sum.on_cpu_ns > 0)
            .map(|(native, sum)| sum.finish(native))
            .collect();
        times.sort_by_key(|times| std::cmp::Reverse(times.on_cpu_ns));
        times
    }
}

impl Sum {
    fn finish(self, native: NativeId) -> NativeTimes {
        let hot_offset = self
            .by_offset
            .into_iter()
            .max_by_key(|&(offset, ns)| (ns, std::cmp::Reverse(offset)))
            .map_or(0, |(offset, _)| offset);
        NativeTimes {
            native,
            on_cpu_ns: self.on_cpu_ns,
            page_fault_ns: self.page_fault_ns,
            hot_offset,
        }
    }
}

impl Process {
    /// On-CPU time for which `function` answers (as [`Process::own_frame`] has it), and
    /// the native code in it, most time first.
    pub fn native_under(&self, function: FunctionId) -> (u64, Vec<NativeTimes>) {
        let mut sums = NativeSums::default();
        let mut on_cpu_ns = 0;
        for thread in &self.threads {
            for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
                let own = self.own_frame(self.stack(entry.stack));
                if own.and_then(|frame| frame.function) == Some(function) {
                    on_cpu_ns += charge.on_cpu_ns;
                    sums.charge(self, entry, charge);
                }
            }
        }
        (on_cpu_ns, sums.finish())
    }
}
