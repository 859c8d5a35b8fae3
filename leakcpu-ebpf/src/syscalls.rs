//! What a suspect's system calls bring. Attached for a moment only, because the
//! tracepoint taxes every system call of the host while it is.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use leakcpu_common::{
    config::MAX_SYSCALLS,
    counters::Counter,
    syscall::{SyscallSpec, SyscallTally, TallyKey, timeout_arg, useless, wait_arg},
};

use crate::{
    count,
    maps::{SUSPECTS, SYSCALLS, TALLIES},
    python::read_user_u64,
    task::reg,
};

const EINTR: i64 = -4;
const EAGAIN: i64 = -11;
const ETIMEDOUT: i64 = -110;
/// Timeouts under this count as short.
const SHORT_NS: u64 = 10_000_000;

// sys_exit(struct pt_regs *regs, long ret)
#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    let tid = bpf_get_current_pid_tgid() as u32;
    if SUSPECTS.get_ptr(tid).is_none() {
        return 0;
    }
    let regs: *const u64 = ctx.arg(0);
    let ret: i64 = ctx.arg(1);
    let number = word(regs, reg::ORIG_AX);
    if number >= MAX_SYSCALLS as u64 {
        return 0;
    }
    let Some(spec) = SYSCALLS.get(number as u32) else {
        return 0;
    };
    let timeout = timeout_ns(regs, *spec);
    let mut seen = SyscallTally {
        calls: 1,
        would_block: u64::from(ret == EAGAIN),
        timed_out: u64::from(ret == ETIMEDOUT || ret == EINTR),
        at_end: u64::from(ret == 0 && spec.useless == useless::MAYBE_AT_END),
        ..SyscallTally::default()
    };
    if timeout == Some(0) {
        seen.zero_timeout = 1;
        seen.zero_timeout_empty = u64::from(ret == 0);
    } else if timeout.is_some() && ret == 0 && spec.wait_arg != wait_arg::NONE {
        // A poll that waited its time and found nothing; a sleep returns 0 too.
        seen.timed_out = 1;
    }
    if let Some(ns) = timeout
        && ns < SHORT_NS
    {
        seen.short_timeout = 1;
    }
    add(
        TallyKey {
            tid,
            syscall: number as u32,
        },
        seen,
    );
    0
}

#[inline(always)]
fn word(regs: *const u64, index: usize) -> u64 {
    // SAFETY: a direct load from the tracepoint's `struct pt_regs` pointer.
    unsafe { regs.add(index).read_volatile() }
}

/// The timeout the call was given; `None` if it waits for ever or cannot be told.
#[inline(always)]
fn timeout_ns(regs: *const u64, spec: SyscallSpec) -> Option<u64> {
    if spec.timeout_arg == timeout_arg::NONE {
        return None;
    }
    if spec.timeout_arg == timeout_arg::ALWAYS_ZERO {
        return Some(0);
    }
    // The arguments are still in the saved registers at exit: only `ax` changes.
    let arg = match spec.timeout_index {
        0 => word(regs, reg::DI),
        1 => word(regs, reg::SI),
        2 => word(regs, reg::DX),
        3 => word(regs, reg::R10),
        4 => word(regs, reg::R8),
        _ => word(regs, reg::R9),
    };
    match spec.timeout_arg {
        timeout_arg::MILLIS => {
            let millis = arg as i32;
            u64::try_from(millis).ok().map(|ms| ms * 1_000_000)
        }
        timeout_arg::NO_WAIT_BIT => (arg as u32 & spec.no_wait_bit != 0).then_some(0),
        _ => {
            if arg == 0 {
                return None;
            }
            let (Some(seconds), Some(fraction)) =
                (read_user_u64(arg), read_user_u64(arg.wrapping_add(8)))
            else {
                count::one(Counter::TimeoutReadFailed);
                return None;
            };
            let unit_ns = if spec.timeout_arg == timeout_arg::TIMEVAL {
                1_000
            } else {
                1
            };
            // Only zero and short timeouts are told apart.
            if seconds == 0 {
                Some(fraction.wrapping_mul(unit_ns))
            } else {
                Some(u64::MAX)
            }
        }
    }
}

#[inline(always)]
fn add(key: TallyKey, seen: SyscallTally) {
    if let Some(tally) = TALLIES.get_ptr_mut(key) {
        // SAFETY: one thread's tally is changed by that thread only.
        let tally = unsafe { &mut *tally };
        tally.calls += seen.calls;
        tally.zero_timeout += seen.zero_timeout;
        tally.zero_timeout_empty += seen.zero_timeout_empty;
        tally.would_block += seen.would_block;
        tally.timed_out += seen.timed_out;
        tally.short_timeout += seen.short_timeout;
        tally.at_end += seen.at_end;
        return;
    }
    if TALLIES.insert(key, seen, 0).is_err() {
        count::one(Counter::TalliesFull);
    }
}
