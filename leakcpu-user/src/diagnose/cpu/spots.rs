//! Where in the user's own code instructions of one kind take time: common to the rules of them.

use std::collections::BTreeMap;

use crate::diagnose::{Case, below::OnCpu, finding::figure};
use crate::{
    classify::{Because, Blame, say},
    interpreter::OperandType,
    model::{FunctionId, HotSpot, OperandSeen, in_proportion},
};

/// Looks that found the operands; fewer say nothing.
pub(super) const MIN_LOOKS: u32 = 3;

/// Instructions of one kind in one function.
pub(super) struct Spots<'a> {
    /// Their time, at the line with the most samples.
    pub on_cpu: OnCpu,
    /// The spots, with the time that each stands for.
    pub all: Vec<(&'a HotSpot, u64)>,
}

/// The spots of functions of the user's own that are wanted, by function. Threads that are proved
/// to spin are left out: what they do is needless as a whole.
pub(super) fn spots(case: Case<'_>, is_wanted: impl Fn(&HotSpot) -> bool) -> Vec<Spots<'_>> {
    let process = case.process;
    let mut by_function: BTreeMap<FunctionId, Vec<(&HotSpot, u64)>> = BTreeMap::new();
    for (index, thread) in process.threads.iter().enumerate() {
        if case.is_spinning(index) {
            continue;
        }
        let samples = thread.samples();
        for spot in thread.hot_spots.iter().filter(|spot| is_wanted(spot)) {
            let ns = in_proportion(thread.times.on_cpu_ns, spot.samples, samples);
            by_function
                .entry(spot.function)
                .or_default()
                .push((spot, ns));
        }
    }
    let with_place = by_function.into_iter().filter_map(|(function, all)| {
        let of = process.function(function)?;
        if process.is_library_file(&of.file) {
            return None;
        }
        let hottest = all.iter().max_by_key(|(spot, _)| spot.samples)?;
        Some(Spots {
            on_cpu: OnCpu {
                place: Blame::at(process, function, hottest.0.line)?,
                ns: all.iter().map(|(_, ns)| ns).sum(),
                samples: all.iter().map(|(spot, _)| spot.samples).sum(),
            },
            all,
        })
    });
    with_place.collect()
}

impl Spots<'_> {
    /// How much of the process' CPU time they take: `61 % of its CPU time searching`.
    pub(super) fn share_of_cpu(&self, case: Case<'_>, doing: &str) -> Because {
        share_of_cpu(&self.on_cpu, case, doing)
    }
}

/// How much of the process' CPU time something takes: `61 % of its CPU time searching`.
pub(super) fn share_of_cpu(on_cpu: &OnCpu, case: Case<'_>, doing: &str) -> Because {
    let share = on_cpu.share(case);
    figure(
        format!(
            "{} of its CPU time ({}) {doing}, by {} samples",
            say::percent(share),
            say::duration(on_cpu.ns),
            say::grouped(on_cpu.samples)
        ),
        "cpu_share",
        share,
        "ratio",
    )
}

/// An operand of a spot that was found often enough.
pub(super) fn operand(spot: &HotSpot, side: usize) -> Option<&OperandSeen> {
    let operands = spot.operands.as_ref()?;
    operands.get(side).filter(|seen| seen.looks >= MIN_LOOKS)
}

/// ``` `seen` is a list of 100,000 items```.
pub(super) fn what_it_is(seen: &OperandSeen) -> Because {
    let [least, most] = seen.sizes.unwrap_or_default();
    let units = match seen.of {
        OperandType::Text => "characters",
        OperandType::Bytes => "bytes",
        _ => "items",
    };
    let size = if least == most {
        say::grouped(most)
    } else {
        format!("{} to {}", say::grouped(least), say::grouped(most))
    };
    let name = seen
        .name
        .as_ref()
        .map_or("it".to_owned(), |name| format!("`{name}`"));
    figure(
        format!("{name} is a {} of {size} {units}", seen.type_name),
        "operand_size",
        most as f64,
        "count",
    )
}
