//! Privileges, capability by capability.

use caps::{CapSet, Capability};

use super::{Check, Status};

struct Need {
    id: &'static str,
    capability: Capability,
    /// Another capability that covers it.
    covered_by: Option<Capability>,
    status: Status,
    lost_without: &'static str,
}

const NEEDS: [Need; 5] = [
    Need {
        id: "cap-bpf",
        capability: Capability::CAP_BPF,
        covered_by: Some(Capability::CAP_SYS_ADMIN),
        status: Status::Fail,
        lost_without: "everything: eBPF programs cannot be loaded",
    },
    Need {
        id: "cap-perfmon",
        capability: Capability::CAP_PERFMON,
        covered_by: Some(Capability::CAP_SYS_ADMIN),
        status: Status::Fail,
        lost_without: "everything: tracing programs cannot be loaded, CPUs cannot be sampled",
    },
    Need {
        id: "cap-sys-ptrace",
        capability: Capability::CAP_SYS_PTRACE,
        covered_by: None,
        status: Status::Warn,
        lost_without: "names, lines and waits of other users' processes",
    },
    Need {
        id: "cap-dac-read-search",
        capability: Capability::CAP_DAC_READ_SEARCH,
        covered_by: Some(Capability::CAP_DAC_OVERRIDE),
        status: Status::Warn,
        lost_without: "interpreters whose files only others may read",
    },
    Need {
        id: "cap-sys-resource",
        capability: Capability::CAP_SYS_RESOURCE,
        covered_by: None,
        status: Status::Warn,
        lost_without: "nothing on kernels of 5.11 and later; before that, map memory counts against RLIMIT_MEMLOCK",
    },
];

pub(super) fn checks() -> Vec<Check> {
    NEEDS.iter().map(check).collect()
}

fn check(need: &Need) -> Check {
    let title = need.capability.to_string();
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    if has(need.capability) {
        return Check::pass(need.id, &title, "held");
    }
    if let Some(other) = need.covered_by
        && has(other)
    {
        return Check::pass(need.id, &title, format!("covered by {other}"));
    }
    Check::bad(
        need.status,
        need.id,
        &title,
        "not held",
        need.lost_without,
        "run it with sudo, or grant the capability to the process",
    )
}
