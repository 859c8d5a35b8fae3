//! Birth, change and death of processes and threads. Process context: inserts
//! are allowed here.

use aya_ebpf::{
    bindings::task_struct,
    helpers::{bpf_ktime_get_ns, generated::bpf_map_update_elem},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use leakcpu_common::{
    counters::Counter,
    event::{EventHeader, ProcessEvent, kind},
    process::process_flags,
    thread::{ThreadState, run_state, thread_flags},
};

use crate::{
    count,
    globals::{FOLLOW_CHILDREN, WATCH_EVERY_EXEC},
    maps::{EVENTS, NO_WAKEUP, PROCESSES, THREADS, stopped},
    task::Task,
    totals,
};

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

#[inline(always)]
fn emit(kind: u32, task: Task, parent_pid: u32, now_ns: u64) {
    let event = ProcessEvent {
        header: EventHeader {
            kind,
            pid: task.pid(),
            tid: task.tid(),
            count: 0,
            ktime_ns: now_ns,
        },
        parent_pid,
        pad: 0,
        start_boottime_ns: task.start_boottime_ns(),
    };
    if EVENTS.output::<ProcessEvent>(event, NO_WAKEUP).is_err() {
        count::one(Counter::EventRingFull);
    }
}

/// Watches a thread from its birth on.
#[inline(always)]
fn watch(task: Task, now_ns: u64, run_state: u32, tstate: u64, flags: u32) {
    let tid = task.tid();
    if THREADS.get_ptr(tid).is_some() {
        count::one(Counter::ThreadSlotReused);
        totals::settle(tid);
    }
    insert(
        u64::from(task.pid()) << 32 | u64::from(tid),
        task.start_boottime_ns(),
        now_ns,
        tstate,
        u64::from(flags) << 32 | u64::from(run_state),
    );
}

/// Makes the entry of a newborn thread, the process in the upper half of `ids`, and bits of
/// `thread_flags` in that of `state`.
///
/// A global function, so that the entry is on no other's stack.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn insert(
    ids: u64,
    start_boottime_ns: u64,
    now_ns: u64,
    tstate: u64,
    state: u64,
) -> u32 {
    let thread = ThreadState {
        start_boottime_ns,
        watched_since_ns: now_ns,
        state_since_ns: now_ns,
        tstate,
        pid: (ids >> 32) as u32,
        tid: ids as u32,
        run_state: state as u32,
        initial_state: state as u32,
        flags: (state >> 32) as u32 | thread_flags::FROM_BIRTH,
        ..ThreadState::default()
    };
    if THREADS.insert(ids as u32, thread, 0).is_err() {
        count::one(Counter::ThreadsFull);
        return 0;
    }
    1
}

// sched_process_fork(struct task_struct *parent, struct task_struct *child):
// in the parent's context, before the child first runs.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    let parent = Task::new(ctx.arg::<*const task_struct>(0));
    let child = Task::new(ctx.arg::<*const task_struct>(1));
    let Some(parent_thread) = THREADS.get_ptr(parent.tid()) else {
        return 0;
    };
    if stopped() {
        return 0;
    }
    // SAFETY: the parent is current and inside fork: its entry is not changing.
    let parent_thread = unsafe { &*parent_thread };
    let now_ns = now();
    let (mut tstate, mut flags) = (0, 0);
    if child.pid() != parent.pid() {
        if FOLLOW_CHILDREN.load() == 0 {
            return 0;
        }
        // The child is a copy: same image, same addresses, one thread.
        tstate = parent_thread.tstate;
        flags = thread_flags::FORK_COPY;
        copy_process(parent.pid(), child.pid());
        emit(kind::FORK, child, parent.pid(), now_ns);
    }
    watch(child, now_ns, run_state::RUNNABLE, tstate, flags);
    #[cfg(feature = "log")]
    aya_log_ebpf::debug!(
        &ctx,
        "fork: tid {} watched, parent {}",
        child.tid(),
        parent.tid()
    );
    0
}

#[inline(always)]
fn copy_process(from: u32, to: u32) {
    let Some(process) = PROCESSES.get_ptr(from) else {
        return;
    };
    // SAFETY: key and value are as large as the map says; the value is the
    // parent's own entry.
    let ret = unsafe {
        bpf_map_update_elem(
            (&raw const PROCESSES).cast_mut().cast(),
            (&raw const to).cast(),
            process.cast(),
            0,
        )
    };
    if ret != 0 {
        count::one(Counter::ProcessesFull);
        return;
    }
    if let Some(child) = PROCESSES.get_ptr_mut(to) {
        // It may have ended before user space has heard of it.
        // SAFETY: the child does not run yet.
        unsafe { (*child).flags |= process_flags::COPY_CODE };
    }
}

// sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    let task = Task::new(ctx.arg::<*const task_struct>(0));
    let tid = task.tid();
    if stopped() {
        return 0;
    }
    let now_ns = now();
    if let Some(thread) = THREADS.get_ptr_mut(tid) {
        // SAFETY: the thread is current and inside exec: no switch overlaps.
        let thread = unsafe { &mut *thread };
        thread.tstate = 0;
        thread.tstate_misses = 0;
        thread.tstate_retry_ns = 0;
        thread.alone_until_ns = 0;
        thread.flags &= !thread_flags::EXITING;
        let was_python =
            thread.flags & thread_flags::FORK_COPY == 0 && PROCESSES.get_ptr(task.pid()).is_some();
        thread.flags &= !thread_flags::FORK_COPY;
        if thread.flags & thread_flags::FROM_BIRTH != 0 && !was_python {
            totals::settle(tid);
            begin_anew(thread, now_ns);
        }
        if thread.run_state == run_state::DEAD {
            // Another thread called exec and took over the leader's tid.
            thread.run_state = run_state::ON_CPU;
            thread.state_since_ns = now_ns;
            thread.ended_ns = 0;
        }
        let _ = PROCESSES.remove(task.pid());
    } else if WATCH_EVERY_EXEC.load() == 1 {
        watch(task, now_ns, run_state::ON_CPU, 0, 0);
    } else {
        return 0;
    }
    let old_tid = ctx.arg::<u32>(1);
    if old_tid != tid
        && let Some(old) = THREADS.get_ptr_mut(old_tid)
    {
        // SAFETY: the tid that the caller had before it became the leader: no
        // task has it any more.
        let old = unsafe { &mut *old };
        old.run_state = run_state::DEAD;
        old.ended_ns = now_ns;
        totals::settle(old_tid);
    }
    emit(kind::EXEC, task, 0, now_ns);
    #[cfg(feature = "log")]
    aya_log_ebpf::debug!(&ctx, "exec: pid {}, watched", task.pid());
    0
}

/// Forgets what a process born while watching did before this exec: that was its
/// parent's copy, a shell, a launcher. Another generation leaves its totals behind.
#[inline(always)]
fn begin_anew(thread: &mut ThreadState, now_ns: u64) {
    thread.start_boottime_ns += 1 << 20;
    thread.watched_since_ns = now_ns;
    thread.state_since_ns = now_ns;
    thread.run_state = run_state::ON_CPU;
    thread.initial_state = run_state::ON_CPU;
    thread.initial_ns = 0;
    thread.on_cpu_ns = 0;
    thread.runnable_ns = 0;
    thread.throttled_ns = 0;
    thread.throttle_queue = 0;
    thread.blocked_ns = 0;
    thread.gil_wait_ns = 0;
    thread.off_since_ns = 0;
    thread.gap_since_ns = 0;
    thread.samples = 0;
    thread.suspect_samples = 0;
    thread.voluntary_switches = 0;
    thread.involuntary_switches = 0;
}

// sched_process_exit(struct task_struct *p [, bool group_dead])
#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    let task = Task::new(ctx.arg::<*const task_struct>(0));
    let Some(thread) = THREADS.get_ptr_mut(task.tid()) else {
        return 0;
    };
    if stopped() {
        return 0;
    }
    // SAFETY: the thread is current and inside exit: no switch overlaps.
    unsafe { (*thread).flags |= thread_flags::EXITING };
    emit(kind::THREAD_EXIT, task, 0, now());
    0
}
