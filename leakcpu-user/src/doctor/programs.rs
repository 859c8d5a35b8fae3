//! Every program, loaded and attached for real.

use super::{Check, Status};
use crate::probes::{
    Attach, ProbeError, Probes, SOURCES, Source, object_is_built_in, verifier_excerpt,
};

pub(super) fn checks() -> Vec<Check> {
    if !object_is_built_in() {
        return vec![Check::bad(
            Status::Fail,
            "object",
            "eBPF object",
            "this pyobserve was built without its eBPF programs",
            "everything",
            "run `cargo xtask setup` and build again",
        )];
    }
    SOURCES.iter().map(check).collect()
}

fn check(source: &'static Source) -> Check {
    let id = format!("program-{}", source.program.replace('_', "-"));
    let place = match source.attach {
        Attach::BtfTracepoint(name) => format!("BTF tracepoint {name}"),
        Attach::CpuClock => "perf event cpu-clock".to_owned(),
        Attach::MajorFaults => "perf event page-faults-maj".to_owned(),
        Attach::Usdt => "probes of interpreters (USDT)".to_owned(),
    };
    let title = format!("eBPF program {}", source.program);
    match Probes::try_load(source) {
        Ok(()) => Check::pass(&id, &title, format!("{place}: loaded and attached")),
        Err(error) => {
            let status = if source.required {
                Status::Fail
            } else {
                Status::Warn
            };
            let mut detail = error.to_string();
            if let ProbeError::Program { source, .. } = &error
                && let Some(log) = verifier_excerpt(source)
            {
                detail = format!("{place}: refused by the verifier:\n{log}");
            }
            let fix = if error.is_permission() {
                "run it with sudo; if that is done, a seccomp filter, a container runtime or kernel.perf_event_paranoid/unprivileged_bpf_disabled forbids bpf(2) or perf_event_open(2)"
            } else {
                "report the kernel's version and this message"
            };
            Check::bad(status, &id, &title, detail, source.lost_without, fix)
        }
    }
}
