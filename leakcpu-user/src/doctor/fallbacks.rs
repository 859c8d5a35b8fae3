//! What an older kernel lacks, and what is done instead (docs/kernels.md).

use aya::sys::{Stats, enable_stats};

use super::{Check, Status};
use crate::probes::KernelFacts;

pub(super) fn checks(facts: &KernelFacts) -> Vec<Check> {
    vec![registers(facts), previous_state(facts), statistics()]
}

/// The registers say what a thread waits for.
fn registers(facts: &KernelFacts) -> Check {
    let detail = if facts.has_task_pt_regs {
        "by the helper bpf_task_pt_regs"
    } else {
        "from the top of the kernel's stack, for want of the helper bpf_task_pt_regs (5.15)"
    };
    Check::pass("saved-registers", "registers of waiting threads", detail)
}

fn previous_state(facts: &KernelFacts) -> Check {
    let detail = if facts.has_prev_state_arg {
        "an argument of sched_switch"
    } else {
        "read from the task, where a wake-up on another CPU may already have changed it, for want of the argument of sched_switch (5.18)"
    };
    Check::pass(
        "previous-state",
        "state of a thread that leaves a CPU",
        detail,
    )
}

fn statistics() -> Check {
    let (id, title) = ("run-time-statistics", "what the programs cost");
    match enable_stats(Stats::RunTime) {
        Ok(_fd) => Check::pass(id, title, "counted by the kernel for one moment a second"),
        Err(error) => Check::bad(
            Status::Warn,
            id,
            title,
            error.to_string(),
            "the cost of the eBPF programs in reports; the budget for context switches goes by what each cost elsewhere",
            "run it with sudo",
        ),
    }
}
