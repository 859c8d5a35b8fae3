//! Every interval of every watched thread: `sched_switch` and the wake-ups.

use aya_ebpf::{
    bindings::task_struct, helpers::bpf_ktime_get_ns, macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use leakcpu_common::{
    config::{Control, MAX_SWITCH_FRAMES, MAX_SWITCH_LOOKS, MAX_SYSCALLS, SWITCH_BUDGET_NS},
    counters::Counter,
    rival::MIN_RIVAL_WAIT_NS,
    stack::{NOT_WALKED, flags},
    store::keep,
    syscall::{pollfd, wait_arg},
    thread::{GIL_REARM_NS, ThreadState, run_state, thread_flags},
    totals::{NO_SYSCALL, NOT_READ, Wait, state, wait_flags},
    wake::COND_BYTES,
};

use crate::{
    bench, count, degrade,
    globals::{FRAME_LIMIT, HAS_LAST_ARRIVAL, HAS_PREV_STATE_ARG, SWITCH_WALKS_TIMED},
    loops,
    maps::{PROCESSES, SYSCALLS, THREADS, running, stopped},
    python::{self, Captured, Limits},
    rivals,
    task::{Task, reg},
    throttle, totals, wakers,
};

/// Task states, `include/linux/sched.h`: any of the low seven bits is a wait,
/// bit 7 is a dead task. Compared by mask: 0x100 (`TASK_WAKEKILL`) and higher
/// bits accompany them.
const STATE_WAITS: u32 = 0x7f;
const STATE_UNINTERRUPTIBLE: u32 = 0x02;
const STATE_STOPPED_OR_TRACED: u32 = 0x0c;
const STATE_DEAD: u32 = 0x80;
/// The run queue's clock and `CLOCK_MONOTONIC` are read at different moments of a switch.
const CLOCKS_DIFFER_NS: u64 = 100_000;
/// `FUTEX_PRIVATE_FLAG`.
const FUTEX_PRIVATE: u64 = 128;

// sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next
//              [, unsigned int prev_state: 5.18])
#[btf_tracepoint(function = "sched_switch")]
pub fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    let prev = Task::new(ctx.arg::<*const task_struct>(1));
    let next = Task::new(ctx.arg::<*const task_struct>(2));
    // One time for both: what this program costs counts for `next`, as it does in
    // the scheduler's own accounts (`exec_start` is set before the tracepoint).
    let mut now_ns = 0;
    if let Some(thread) = watched(prev.tid()) {
        let Some(control) = running() else {
            return 0;
        };
        now_ns = now();
        let preempted = ctx.arg::<u64>(0) & 0xff != 0;
        let prev_state = if HAS_PREV_STATE_ARG.load() == 1 {
            ctx.arg::<u32>(3)
        } else {
            prev.state()
        };
        // SAFETY: a thread's own switch-out, wake-up and switch-in are ordered
        // by the scheduler (`on_cpu`, the run-queue locks), so this is the only
        // writer now.
        let thread = unsafe { &mut *thread };
        make_good(thread, prev, now_ns);
        loops::came_back(thread, thread.state_since_ns);
        switch_out(thread, prev, preempted, prev_state, now_ns, control);
    }
    // Looked up only now: the verifier would follow the walk once for each outcome.
    if let Some(thread) = watched(next.tid()) {
        if now_ns == 0 {
            if stopped() {
                return 0;
            }
            now_ns = now();
        }
        // SAFETY: as above.
        let thread = unsafe { &mut *thread };
        switch_in(thread, next, Some(prev), now_ns);
        loops::came_back(thread, thread.state_since_ns);
    }
    0
}

/// What may be done under the run-queue lock.
#[inline(always)]
pub fn limits(now_ns: u64) -> Limits {
    let asked = FRAME_LIMIT.load() as usize;
    Limits {
        frames: if asked < MAX_SWITCH_FRAMES {
            asked
        } else {
            MAX_SWITCH_FRAMES
        },
        looks: MAX_SWITCH_LOOKS,
        until_ns: now_ns + SWITCH_BUDGET_NS,
        is_leaf_only: false,
    }
}

/// The entry of a watched thread; the idle task (0) is never one.
#[inline(always)]
fn watched(tid: u32) -> Option<*mut ThreadState> {
    if tid == 0 {
        return None;
    }
    THREADS.get_ptr_mut(tid)
}

/// `CLOCK_MONOTONIC`.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// Notes in which state watching found the thread, once an event tells.
#[inline(always)]
fn note_initial(thread: &mut ThreadState, was: u32, span_ns: u64) {
    if thread.run_state == run_state::UNKNOWN {
        thread.initial_state = was;
        thread.initial_ns = span_ns;
    }
}

#[inline(always)]
fn switch_out(
    thread: &mut ThreadState,
    task: Task,
    preempted: bool,
    prev_state: u32,
    now_ns: u64,
    control: &Control,
) {
    let burst_ns = now_ns.saturating_sub(thread.state_since_ns);
    note_initial(thread, run_state::ON_CPU, burst_ns);
    thread.on_cpu_ns += burst_ns;
    thread.state_since_ns = now_ns;
    if prev_state & STATE_DEAD != 0 {
        thread.run_state = run_state::DEAD;
        thread.ended_ns = now_ns;
        totals::settle(thread.tid);
        return;
    }
    let nth = count::next(Counter::SwitchesWatched);
    let stands_for = match thread.off_since_ns {
        0 => degrade::stands_for(control, 0),
        last_ns => degrade::stands_for(control, now_ns - last_ns),
    };
    keep(&mut thread.stands_for, stands_for);
    thread.off_since_ns = now_ns;
    thread.off_blocked_ns = 0;
    wakers::leave(thread);
    // Before anything is decided that the verifier would follow apart.
    let mut captured = Captured::none(0);
    // Read again, so that its outcome is not followed apart either.
    // SAFETY: a reference is readable.
    let is_walked = unsafe { (&raw const thread.stands_for).read_volatile() } != 0;
    if is_walked && thread.flags & thread_flags::EXITING == 0 {
        captured = python::capture(thread, task.fsbase(), now_ns, limits(now_ns));
        degrade::note_walk(now_ns, nth);
        if SWITCH_WALKS_TIMED.load() == 1 {
            bench::time_walk(now_ns);
        }
    }
    // Not kept until the end: the stack of this function is full.
    thread.wait_stack = if is_walked { captured.hash } else { NOT_WALKED };
    let blocked = !preempted && prev_state & STATE_WAITS != 0;
    thread.run_state = if blocked {
        run_state::BLOCKED
    } else {
        run_state::RUNNABLE
    };
    let mut wait = Wait {
        syscall: NO_SYSCALL,
        flags: 0,
        state: if blocked {
            state::BLOCKED
        } else {
            state::PREEMPTED
        },
        fd: 0,
    };
    if is_walked {
        if captured.flags & flags::NO_TSTATE != 0 {
            wait.flags |= wait_flags::NATIVE_THREAD;
        }
    } else {
        // It is what it was.
        wait.flags |= thread.wait.flags & wait_flags::NATIVE_THREAD;
    }
    if blocked {
        thread.voluntary_switches += 1;
        if prev_state & STATE_UNINTERRUPTIBLE != 0 {
            wait.flags |= wait_flags::UNINTERRUPTIBLE;
        }
        if prev_state & STATE_STOPPED_OR_TRACED != 0 {
            wait.flags |= wait_flags::STOPPED;
        }
        if task.in_iowait() {
            wait.flags |= wait_flags::IN_IOWAIT;
        }
        thread.flags &= !thread_flags::IN_LOOP_WAIT;
        if control.counters_only != 0 {
            wait.state |= state::BY_CHANCE;
        }
        if is_walked || wait.state & state::BY_CHANCE == 0 {
            read_reason(thread, task, &mut wait);
            if thread.flags & thread_flags::IN_LOOP_WAIT != 0 {
                loops::loop_gap_ends(thread.tid, now_ns);
            }
        } else {
            wait.syscall = NOT_READ;
            // It may be what a gap of an event loop ends with.
            thread.gap_since_ns = 0;
        }
    } else {
        thread.involuntary_switches += 1;
        throttle::begin_wait(thread, task, true);
    }
    if wait.flags & wait_flags::GIL != 0 {
        if thread.flags & thread_flags::AFTER_GIL_WAIT != 0 && burst_ns < GIL_REARM_NS {
            // The 5 ms timed wait was re-armed: one wait, this burst included.
            thread.gil_wait_ns += burst_ns;
        } else {
            wakers::begin_gil_wait(thread);
        }
        thread.flags |= thread_flags::IN_GIL_WAIT;
    }
    thread.flags &= !thread_flags::AFTER_GIL_WAIT;
    thread.wait = wait;
}

/// Makes good for a switch to the CPU that `task` is on, if that was not seen: the
/// run queue knows when it came. Where it does not, the span stays unaccounted. If it came
/// back from its event loop's wait, that is left to the caller (`loops::came_back`).
#[inline(always)]
pub fn make_good(thread: &mut ThreadState, task: Task, now_ns: u64) {
    let was = thread.run_state;
    let found = was == run_state::UNKNOWN || thread.flags & thread_flags::FOUND_RUNNING != 0;
    if !found && was != run_state::RUNNABLE && was != run_state::BLOCKED {
        return;
    }
    let span_ns = now_ns.saturating_sub(thread.state_since_ns);
    if HAS_LAST_ARRIVAL.load() == 0 {
        if !found {
            count::one(Counter::SwitchMissed);
            thread.run_state = run_state::ON_CPU;
            thread.state_since_ns = now_ns;
        }
        return;
    }
    let burst_ns = task.burst_ns();
    if found {
        thread.flags &= !thread_flags::FOUND_RUNNING;
        if burst_ns + CLOCKS_DIFFER_NS >= span_ns {
            // It has run since watching began.
            return;
        }
        thread.run_state = run_state::UNKNOWN;
    }
    count::one(Counter::SwitchMissed);
    let off_ns = span_ns.saturating_sub(burst_ns);
    switch_in(thread, task, None, thread.state_since_ns + off_ns);
}

/// Fills in the system call the thread waits in and what its arguments name.
#[inline(always)]
fn read_reason(thread: &mut ThreadState, task: Task, wait: &mut Wait) {
    let Some(regs) = task.registers() else {
        count::one(Counter::RegistersUnreadable);
        return;
    };
    let Some(number) = regs.get(reg::ORIG_AX) else {
        count::one(Counter::RegistersUnreadable);
        return;
    };
    if number >= MAX_SYSCALLS as u64 {
        // -1: not in a system call, so a page fault.
        return;
    }
    wait.syscall = number as i16;
    let Some(spec) = SYSCALLS.get(number as u32) else {
        return;
    };
    let kind = spec.wait_arg;
    if kind == wait_arg::NONE {
        return;
    }
    let (Some(arg0), Some(arg1)) = (regs.get(reg::DI), regs.get(reg::SI)) else {
        count::one(Counter::RegistersUnreadable);
        return;
    };
    if kind == wait_arg::FD {
        wait.flags |= wait_flags::HAS_FD;
        wait.fd = arg0 as i32;
    } else if kind == wait_arg::EPOLL {
        wait.flags |= wait_flags::HAS_FD;
        wait.fd = arg0 as i32;
        thread.flags |= thread_flags::IN_LOOP_WAIT;
    } else if kind == wait_arg::NFDS {
        wait.flags |= wait_flags::HAS_NFDS;
        wait.fd = arg0 as i32;
        if wait.fd > 0 {
            thread.flags |= thread_flags::IN_LOOP_WAIT;
        }
    } else if kind == wait_arg::POLLFDS {
        if arg1 == 1 {
            // A socket with a timeout: CPython waits in poll on that one socket.
            // `struct pollfd` begins with the descriptor.
            if let Some(word) = python::read_user_u64(arg0) {
                wait.flags |= wait_flags::HAS_FD;
                wait.fd = pollfd::fd(word);
                if pollfd::for_writing(word) {
                    wait.flags |= wait_flags::POLLS_WRITE;
                }
            } else {
                count::one(Counter::PollfdReadFailed);
            }
        } else {
            wait.flags |= wait_flags::HAS_NFDS;
            wait.fd = arg1 as i32;
            if wait.fd > 0 {
                thread.flags |= thread_flags::IN_LOOP_WAIT;
            }
        }
    } else if kind == wait_arg::FUTEX {
        thread.wake.futex = arg0;
        if arg1 & FUTEX_PRIVATE == 0 {
            wait.flags |= wait_flags::FUTEX_SHARED;
        }
        if let Some(process) = PROCESSES.get_ptr(thread.pid) {
            // SAFETY: as in `python::capture`.
            let process = unsafe { &*process };
            if arg0 >= process.gil_start && arg0 < process.gil_end {
                wait.flags |= wait_flags::GIL;
                if arg0 - process.gil_start < COND_BYTES {
                    wait.flags |= wait_flags::GIL_RELEASE;
                }
            }
        }
    }
}

/// The thread has got its CPU; if from its event loop's wait, see [`make_good`].
#[inline(always)]
fn switch_in(thread: &mut ThreadState, task: Task, rival: Option<Task>, mut now_ns: u64) {
    if now_ns < thread.state_since_ns {
        // User space began to watch it after `now_ns` was taken for the other thread.
        now_ns = thread.state_since_ns;
    }
    let span_ns = now_ns - thread.state_since_ns;
    let before = thread.run_state;
    note_initial(thread, run_state::RUNNABLE, span_ns);
    thread.run_state = run_state::ON_CPU;
    thread.state_since_ns = now_ns;
    let mut runnable_ns = 0;
    if before == run_state::BLOCKED {
        count::one(Counter::WakeupMissed);
        thread.blocked_ns += span_ns;
        thread.off_blocked_ns = span_ns;
    } else if before == run_state::RUNNABLE || before == run_state::UNKNOWN {
        let throttled_ns = throttle::end_wait(thread, task, span_ns);
        runnable_ns = span_ns - throttled_ns;
        thread.throttled_ns += throttled_ns;
        thread.runnable_ns += runnable_ns;
        if let Some(rival) = rival
            && runnable_ns >= MIN_RIVAL_WAIT_NS
        {
            rivals::charge(thread.pid, rival, runnable_ns);
        }
    } else {
        // It left the CPU unseen, perhaps for its loop's wait.
        count::one(Counter::SwitchMissed);
        thread.gap_since_ns = 0;
        return;
    }
    if thread.off_since_ns == 0 {
        // The interval that was open when watching began has no stack of ours.
        return;
    }
    let blocked_ns = thread.off_blocked_ns;
    if thread.flags & thread_flags::IN_GIL_WAIT != 0 {
        thread.flags &= !thread_flags::IN_GIL_WAIT;
        thread.flags |= thread_flags::AFTER_GIL_WAIT;
        let mut waited_ns = now_ns.saturating_sub(thread.off_since_ns);
        if thread.wait.state & state::BY_CHANCE != 0 {
            waited_ns *= thread.stands_for;
        }
        thread.gil_wait_ns += waited_ns;
    }
    let mut wait = thread.wait;
    if loops::in_long_gap(thread, now_ns) {
        wait.state |= state::IN_LONG_GAP;
        loops::loop_was_off(thread.tid, now_ns.saturating_sub(thread.off_since_ns));
    }
    wakers::end_wait(thread, blocked_ns);
    totals::add_interval(thread, wait, blocked_ns, runnable_ns);
}

// sched_wakeup(struct task_struct *p): after the task is on a run queue, so that
// the time from here to switch-in is what schedstat calls run delay.
#[btf_tracepoint(function = "sched_wakeup")]
pub fn sched_wakeup(ctx: BtfTracePointContext) -> i32 {
    woken(&ctx);
    0
}

#[btf_tracepoint(function = "sched_wakeup_new")]
pub fn sched_wakeup_new(ctx: BtfTracePointContext) -> i32 {
    woken(&ctx);
    0
}

#[inline(always)]
fn woken(ctx: &BtfTracePointContext) {
    let task = Task::new(ctx.arg::<*const task_struct>(0));
    let Some(thread) = THREADS.get_ptr_mut(task.tid()) else {
        return;
    };
    if stopped() {
        return;
    }
    // SAFETY: the waker holds the task's `pi_lock` and its run-queue lock: no
    // switch of this thread overlaps.
    let thread = unsafe { &mut *thread };
    if thread.run_state != run_state::BLOCKED && thread.run_state != run_state::UNKNOWN {
        // A wake-up of a task that had not yet left the CPU.
        return;
    }
    let now_ns = now();
    let span_ns = now_ns.saturating_sub(thread.state_since_ns);
    note_initial(thread, run_state::BLOCKED, span_ns);
    thread.blocked_ns += span_ns;
    thread.off_blocked_ns = span_ns;
    thread.run_state = run_state::RUNNABLE;
    thread.state_since_ns = now_ns;
    throttle::begin_wait(thread, task, false);
}
