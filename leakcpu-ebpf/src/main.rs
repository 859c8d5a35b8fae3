//! pyobserve's eBPF programs, one file per event source.
//!
//! They read, walk, count and aggregate. They hold no CPython version, no policy
//! and no names; what differs between kernels and interpreters arrives as data.
#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", no_main)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "registers and arguments are 64 bits wide, what they mean is narrower"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "the program macros pass contexts by value"
)]

mod bench;
mod count;
mod degrade;
mod faults;
mod globals;
mod loops;
mod maps;
mod native;
mod offcpu;
mod oncpu;
mod process;
mod python;
mod rivals;
mod syscalls;
mod task;
mod throttle;
mod totals;
mod usdt;
mod wakers;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // A panic path that survives is a loop that the verifier rejects at load.
    loop {}
}

/// `bpf_task_pt_regs` and the BTF tracepoints' helpers are GPL-only.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// The crate builds for the host too, so that it can be linted there.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
