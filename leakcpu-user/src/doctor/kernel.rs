//! The kernel: version, architecture, BTF, namespaces, lockdown.

use super::{Check, Status};
use crate::probes::{BtfError, KernelBtf, KernelFacts, VMLINUX_BTF};

/// Oldest kernel that is tested.
const OLDEST: (u32, u32) = (5, 10);
/// Inode of the initial pid namespace: `PROC_PID_INIT_INO`,
/// `include/linux/proc_ns.h`.
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

pub(super) fn checks() -> Vec<Check> {
    let mut checks = vec![architecture(), version(), btf(), pid_namespace()];
    checks.extend(lockdown());
    checks
}

fn architecture() -> Check {
    let arch = std::env::consts::ARCH;
    if arch == "x86_64" {
        Check::pass("arch", "architecture", arch)
    } else {
        Check::bad(
            Status::Fail,
            "arch",
            "architecture",
            arch,
            "everything: saved registers and thread pointers are read as x86-64 has them",
            "run pyobserve on an x86-64 host",
        )
    }
}

fn version() -> Check {
    let release = super::host().kernel;
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|n| n.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found >= OLDEST {
        return Check::pass("kernel", "kernel version", release);
    }
    Check::bad(
        Status::Fail,
        "kernel",
        "kernel version",
        release,
        "everything: ring buffers and BTF tracepoints need a newer kernel",
        format!("boot a kernel of {}.{} or later", OLDEST.0, OLDEST.1),
    )
}

fn btf() -> Check {
    let lost = "everything: field offsets of this kernel cannot be known";
    match KernelBtf::from_sys_fs() {
        Err(BtfError::Read { source, .. }) => Check::bad(
            Status::Fail,
            "btf",
            "kernel BTF",
            format!("{VMLINUX_BTF}: {source}"),
            lost,
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (all current distribution kernels are), and mount /sys",
        ),
        Err(error) => Check::bad(
            Status::Fail,
            "btf",
            "kernel BTF",
            error.to_string(),
            lost,
            "use a distribution kernel, or report this kernel's version",
        ),
        Ok(btf) => match KernelFacts::from_btf(&btf) {
            Ok(_) => Check::pass(
                "btf",
                "kernel BTF",
                format!("{VMLINUX_BTF} has every field"),
            ),
            Err(error) => Check::bad(
                Status::Fail,
                "btf",
                "kernel BTF",
                error.to_string(),
                lost,
                "report this kernel's version: its structures are not known",
            ),
        },
    }
}

fn pid_namespace() -> Check {
    let title = "pid namespace";
    match std::fs::read_link("/proc/self/ns/pid") {
        Ok(link) if link.to_string_lossy() == INITIAL_PID_NAMESPACE => {
            Check::pass("pid-namespace", title, "the host's")
        }
        Ok(link) => Check::bad(
            Status::Fail,
            "pid-namespace",
            title,
            format!("a container's: {}", link.display()),
            "everything: the kernel's thread ids are the host's, /proc shows others",
            "run pyobserve on the host, or the container with --pid=host",
        ),
        Err(error) => Check::bad(
            Status::Fail,
            "pid-namespace",
            title,
            format!("/proc/self/ns/pid: {error}"),
            "everything: /proc is needed",
            "mount /proc",
        ),
    }
}

fn lockdown() -> Option<Check> {
    let text = std::fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    if !text.contains("[confidentiality]") {
        return None;
    }
    Some(Check::bad(
        Status::Fail,
        "lockdown",
        "kernel lockdown",
        "confidentiality",
        "everything: eBPF may not read memory",
        "boot with lockdown=integrity or without lockdown",
    ))
}
