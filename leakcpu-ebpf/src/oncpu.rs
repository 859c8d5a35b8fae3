//! Where on-CPU time goes: a cpu-clock event on every CPU.

use aya_ebpf::{
    EbpfContext as _, bindings::bpf_perf_event_data, helpers::bpf_get_current_pid_tgid,
    helpers::bpf_ktime_get_ns, macros::perf_event, programs::PerfEventContext,
};
use leakcpu_common::{
    config::{MAX_FRAMES, MAX_SYSCALLS},
    counters::Counter,
    stack::flags,
    syscall::useless,
    thread::{run_state, thread_flags},
    totals::{NO_SYSCALL, Wait, state, wait_flags},
};

use crate::{
    count,
    globals::FRAME_LIMIT,
    loops,
    maps::{SYSCALLS, THREADS, stopped},
    native, offcpu, python, task,
    task::{UserRegisters, reg},
    wakers,
};

#[perf_event]
pub fn on_cpu_sample(ctx: PerfEventContext) -> u32 {
    sample(&ctx);
    0
}

#[inline(always)]
fn sample(ctx: &PerfEventContext) {
    let tid = bpf_get_current_pid_tgid() as u32;
    if tid == 0 {
        return;
    }
    let Some(thread) = THREADS.get_ptr_mut(tid) else {
        return;
    };
    if stopped() {
        return;
    }
    // SAFETY: the current thread's entry: it is on this CPU, so none of its
    // switches runs now.
    let thread = unsafe { &mut *thread };
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    if thread.run_state == run_state::UNKNOWN {
        // No switch since watching began, and it runs: it has run all along.
        thread.run_state = run_state::ON_CPU;
        thread.flags |= thread_flags::FOUND_RUNNING;
        thread.initial_state = run_state::ON_CPU;
    }
    if thread.run_state == run_state::RUNNABLE || thread.run_state == run_state::BLOCKED {
        came_unseen(tid, now_ns);
        loops::came_back(thread, thread.state_since_ns);
    }
    count::one(Counter::OnCpuSamples);
    let Some(thread_id) = task::current_fsbase() else {
        return;
    };
    let limits = python::Limits {
        frames: FRAME_LIMIT.load() as usize,
        looks: MAX_FRAMES + 1,
        until_ns: u64::MAX,
        is_leaf_only: false,
    };
    let captured = python::capture(thread, thread_id, now_ns, limits);
    let mut wait = Wait {
        syscall: NO_SYSCALL,
        flags: 0,
        state: state::ON_CPU_USER,
        fd: 0,
    };
    if captured.flags & flags::NO_TSTATE != 0 {
        wait.flags |= wait_flags::NATIVE_THREAD;
    }
    if in_kernel(ctx) {
        wait.state = state::ON_CPU_KERNEL;
        let syscall = UserRegisters::current().and_then(|regs| regs.get(reg::ORIG_AX));
        if let Some(number) = syscall
            && number < MAX_SYSCALLS as u64
        {
            wait.syscall = number as i16;
            if let Some(spec) = SYSCALLS.get(number as u32)
                && spec.useless != useless::NEVER
            {
                thread.suspect_samples += 1;
            }
        }
    }
    if thread.gap_since_ns != 0 {
        loops::loop_was_on(tid, captured.hash);
        if loops::in_long_gap(thread, now_ns) {
            wait.state |= state::IN_LONG_GAP;
        }
    }
    thread.samples += 1;
    wakers::sampled(thread, captured.hash, now_ns);
    native::add(ctx, thread, captured.hash, wait);
}

/// Makes good for the switch to this CPU of the current thread, `tid`, which was not seen:
/// it may not leave before the window's end. Not 0 if it could be looked at.
///
/// A global function, so that its stack is none of that of a walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn came_unseen(tid: u32, now_ns: u64) -> u32 {
    let (Some(thread), Some(task)) = (THREADS.get_ptr_mut(tid), task::current()) else {
        return 0;
    };
    // SAFETY: the current thread's entry, as above.
    offcpu::make_good(unsafe { &mut *thread }, task, now_ns);
    1
}

/// The requested privilege level in a code segment selector; 0 is the kernel.
const PRIVILEGE_LEVEL: u64 = 3;

/// Whether the sample interrupted the kernel: privilege level in `cs`.
#[inline(always)]
fn in_kernel(ctx: &PerfEventContext) -> bool {
    register(ctx, reg::CS) & PRIVILEGE_LEVEL == 0
}

/// A register of what the sample interrupted: word `index` of [`reg`].
#[inline(always)]
pub fn register(ctx: &PerfEventContext, index: usize) -> u64 {
    let data = ctx.as_ptr().cast::<bpf_perf_event_data>();
    // SAFETY: a perf event program's context is a `bpf_perf_event_data`, which
    // begins with all the registers that `reg` names.
    unsafe {
        (&raw const (*data).regs)
            .cast::<u64>()
            .add(index)
            .read_volatile()
    }
}
