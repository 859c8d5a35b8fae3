//! Every program, loaded and attached for real.

use super::{Check, Status};
use crate::probes::{
    Attach, ProbeError, ProbeGroup, Probes, SOURCES, Source, object_is_built_in, verifier_excerpt,
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
    let sources = SOURCES.iter().map(of_source);
    // The program of the last group is that of calls.
    let groups = ProbeGroup::ALL
        .into_iter()
        .filter(|group| *group != ProbeGroup::Lines);
    sources.chain(groups.map(of_probes)).collect()
}

fn of_source(source: &'static Source) -> Check {
    let place = match source.attach {
        Attach::BtfTracepoint(name) => format!("BTF tracepoint {name}"),
        Attach::CpuClock => "perf event cpu-clock".to_owned(),
        Attach::MajorFaults => "perf event page-faults-maj".to_owned(),
    };
    let status = if source.required {
        Status::Fail
    } else {
        Status::Warn
    };
    let done = Probes::try_load(source).map(|()| "loaded and attached");
    check(source.program, &place, done, status, source.lost_without)
}

/// They are attached only to interpreters.
fn of_probes(group: ProbeGroup) -> Check {
    let place = format!("probes of interpreters (USDT), {}", group.name());
    let done = Probes::try_load_usdt(group).map(|()| "loaded");
    check(
        group.program(),
        &place,
        done,
        Status::Warn,
        group.lost_without(),
    )
}

fn check(
    program: &str,
    place: &str,
    done: Result<&str, ProbeError>,
    status: Status,
    lost_without: &str,
) -> Check {
    let id = format!("program-{}", program.replace('_', "-"));
    let title = format!("eBPF program {program}");
    match done {
        Ok(done) => Check::pass(&id, &title, format!("{place}: {done}")),
        Err(error) => {
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
            Check::bad(status, &id, &title, detail, lost_without, fix)
        }
    }
}
