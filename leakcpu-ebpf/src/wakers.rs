//! Who ends waits for locks, and who holds the GIL while others wait for it.
//!
//! `sched_waking` runs in the waker's own context, `sched_wakeup` as a rule on the CPU that
//! the woken task goes to. A wake-up counts if the waker is in a futex call on the very
//! futex: a timer that ends a wait interrupts anybody.
//!
//! A lock's waker released it. Of the GIL that is not enough: in one wait it may pass
//! through many hands. But whoever releases it wakes one that waits (`drop_gil` in
//! CPython's `ceval_gil`), so these wake-ups cut the time of all waits into what each holder
//! is to blame for. They are noted per process; each waiter charges its part when it gets
//! a CPU.
//!
//! This program runs under the woken task's `pi_lock` with interrupts off, and nothing in a
//! switch or a sample wakes anybody: it nests with neither and shares their scratch.

use aya_ebpf::{
    bindings::task_struct,
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns},
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap},
    programs::BtfTracePointContext,
};
use leakcpu_common::{
    counters::Counter,
    stack::EMPTY_STACK,
    store::clear,
    thread::{ThreadState, run_state},
    totals::{TotalsKey, state, wait_flags},
    wake::{
        GIL_RELEASES as KEPT, GIL_SLOT_QUIET_NS, GIL_SLOTS, GilLog, GilRelease, MIN_LOOK_NS,
        WAKES as ENTRIES, Wake, WakeKey, how,
    },
};

use crate::{
    count, degrade,
    maps::{THREADS, stopped},
    offcpu, python,
    task::{self, Task, UserRegisters, reg},
    totals,
};

#[map]
static WAKES: HashMap<WakeKey, Wake> = HashMap::with_max_entries(ENTRIES, 0);

#[map]
static GIL_RELEASES: Array<GilLog> = Array::with_max_entries(GIL_SLOTS, 0);

// sched_waking(struct task_struct *p): in the waker's context.
#[btf_tracepoint(function = "sched_waking")]
pub fn sched_waking(ctx: BtfTracePointContext) -> i32 {
    let woken = Task::new(ctx.arg::<*const task_struct>(0));
    let current = bpf_get_current_pid_tgid();
    // Most wake-ups of a host leave here: no look-up was needed.
    if woken.pid() != (current >> 32) as u32 {
        return 0;
    }
    waking(woken, current as u32);
    0
}

#[inline(always)]
fn waking(woken: Task, tid: u32) {
    let Some(thread) = THREADS.get_ptr_mut(woken.tid()) else {
        return;
    };
    if stopped() {
        return;
    }
    // SAFETY: a map value that stays mapped. Its own switch may be under way on another
    // CPU; of what is written here it writes nothing once `futex` is set.
    let thread = unsafe { &mut *thread };
    let futex = thread.wake.futex;
    if futex == 0 || thread.run_state != run_state::BLOCKED {
        return;
    }
    let Some(regs) = UserRegisters::current() else {
        return;
    };
    let (Some(number), Some(at)) = (regs.get(reg::ORIG_AX), regs.get(reg::DI)) else {
        return;
    };
    if at != futex || number as i16 != thread.wait.syscall {
        return;
    }
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    thread.wake.waker_tid = tid;
    thread.wake.woken_ns = now_ns;
    if thread.wait.flags & wait_flags::GIL != 0 {
        if thread.wait.flags & wait_flags::GIL_RELEASE != 0 {
            note_release(tid, thread.pid, thread.wake.gil_since_ns, now_ns);
        }
        return;
    }
    let waited_ns = now_ns.saturating_sub(thread.off_since_ns) + thread.wake.lock_debt_ns;
    if thread.off_since_ns != 0 && waited_ns >= look_distance_ns() {
        thread.wake.waker_stack = stack_of_current(tid, now_ns);
        thread.wake.is_looked_at = 1;
    }
}

/// The stack of the current thread.
///
/// Exported, as are the next ones, so that they are global functions: the verifier goes
/// through each once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn stack_of_current(tid: u32, now_ns: u64) -> u64 {
    let (Some(thread), Some(thread_id)) = (THREADS.get_ptr_mut(tid), task::current_fsbase()) else {
        return EMPTY_STACK;
    };
    // SAFETY: the current thread's entry: none of its switches runs now.
    let thread = unsafe { &mut *thread };
    python::capture(thread, thread_id, now_ns, offcpu::limits(now_ns)).hash
}

/// Notes that the current thread, `tid` of process `pid`, releases the GIL for which
/// another has waited since `since_ns`. Not 0 if it is noted.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn note_release(tid: u32, pid: u32, since_ns: u64, now_ns: u64) -> u32 {
    let (Some(holder), Some(log)) = (THREADS.get_ptr_mut(tid), slot(pid)) else {
        return 0;
    };
    // SAFETY: the current thread's entry, as above.
    let holder = unsafe { &mut *holder };
    let burst_ns = now_ns.saturating_sub(holder.state_since_ns);
    let on_cpu_ns = holder.on_cpu_ns + burst_ns;
    let held_on_cpu_ns = on_cpu_ns.saturating_sub(holder.wake.held_from_on_cpu_ns);
    holder.wake.held_from_on_cpu_ns = on_cpu_ns;
    // SAFETY: a map value that stays mapped. `gil->mutex` is held: nobody else of the
    // process is here. Two processes that take the slot at a time mix up a few entries.
    let log = unsafe { &mut *log };
    if log.pid != pid {
        if log.last_ns + GIL_SLOT_QUIET_NS > now_ns {
            count::one(Counter::GilSlotTaken);
            return 0;
        }
        log.count = 0;
        log.last_ns = 0;
        log.pid = pid;
    }
    if log.last_ns + look_distance_ns() > now_ns {
        return 0;
    }
    let since_ns = if log.last_ns > since_ns {
        log.last_ns
    } else {
        since_ns
    };
    let mut release = GilRelease {
        ktime_ns: now_ns,
        held_on_cpu_ns,
        stack: EMPTY_STACK,
        tid,
        how: how::AT_RELEASE,
    };
    let off_ns = holder.state_since_ns.saturating_sub(holder.off_since_ns);
    if holder.off_since_ns >= since_ns
        && off_ns > burst_ns
        && holder.wait.flags & wait_flags::GIL == 0
    {
        release.stack = holder.wait_stack;
        release.how = how::OFF_CPU;
    } else if holder.wake.sample_ns >= since_ns {
        release.stack = holder.wake.sample_stack;
        release.how = how::SAMPLED;
    } else {
        release.stack = stack_of_current(tid, now_ns);
    }
    let count = log.count;
    // SAFETY: in bounds.
    unsafe { place(log, count).write(release) };
    // Waiters look at `last_ns` first.
    log.count = count + 1;
    log.last_ns = now_ns;
    1
}

/// The waiting that is charged by one look: more than usual if walks are too dear.
#[inline(always)]
fn look_distance_ns() -> u64 {
    let gap_ns = degrade::walk_gap_ns();
    if gap_ns > MIN_LOOK_NS {
        gap_ns
    } else {
        MIN_LOOK_NS
    }
}

#[inline(always)]
fn slot(pid: u32) -> Option<*mut GilLog> {
    GIL_RELEASES.get_ptr_mut(pid & (GIL_SLOTS - 1))
}

/// Where release number `n` is.
#[inline(always)]
fn place(log: *mut GilLog, n: u64) -> *mut GilRelease {
    let index = n as usize & (KEPT - 1);
    // SAFETY: in bounds. (Indexing would leave a panic.)
    unsafe { (&raw mut (*log).releases).cast::<GilRelease>().add(index) }
}

/// A watched thread leaves the CPU: it waits at no futex, as far as is known yet.
#[inline(always)]
pub fn leave(thread: &mut ThreadState) {
    clear(&mut thread.wake.futex);
    clear(&mut thread.wake.woken_ns);
    thread.wake.is_looked_at = 0;
}

/// It waits for the GIL, not only again after a renewal.
#[inline(always)]
pub fn begin_gil_wait(thread: &mut ThreadState) {
    thread.wake.gil_since_ns = thread.off_since_ns;
}

/// It got a CPU after a wait.
#[inline(always)]
pub fn end_wait(thread: &mut ThreadState, blocked_ns: u64) {
    if thread.wake.futex == 0 {
        return;
    }
    thread.wake.futex = 0;
    if thread.wait.flags & wait_flags::GIL != 0 {
        end_gil_wait(thread);
    } else if thread.wake.woken_ns != 0 {
        let waited_ns = thread.wake.lock_debt_ns + blocked_ns;
        if thread.wake.is_looked_at != 0 {
            thread.wake.lock_debt_ns = 0;
            charge_waker(thread.tid, waited_ns);
        } else {
            thread.wake.lock_debt_ns = waited_ns;
        }
    }
}

/// Charges the GIL's holders with its wait, up to the release that it was woken by.
#[inline(always)]
fn end_gil_wait(thread: &mut ThreadState) {
    // Should it hold the GIL now, that begins here.
    thread.wake.held_from_on_cpu_ns = thread.on_cpu_ns;
    thread.wake.sample_ns = 0;
    let since_ns = thread.wake.gil_since_ns;
    let mut charged_to_ns = since_ns;
    let mut debt_ns = thread.wake.gil_debt_ns;
    if let Some(log) = slot(thread.pid) {
        // SAFETY: a map value that stays mapped.
        let log = unsafe { &*log };
        if log.pid == thread.pid && log.last_ns > charged_to_ns {
            charged_to_ns = log.last_ns;
            charge_holders(thread.tid, log.count, since_ns, debt_ns);
            debt_ns = 0;
        }
    }
    if thread.wait.flags & wait_flags::GIL_RELEASE != 0 && thread.wake.woken_ns > charged_to_ns {
        // By a release that was not noted: the next one that is has that time too.
        debt_ns += thread.wake.woken_ns - charged_to_ns;
        charged_to_ns = thread.wake.woken_ns;
    }
    thread.wake.gil_debt_ns = debt_ns;
    thread.wake.gil_since_ns = charged_to_ns;
}

/// Notes what a sample found.
#[inline(always)]
pub fn sampled(thread: &mut ThreadState, stack: u64, now_ns: u64) {
    thread.wake.sample_ns = now_ns;
    thread.wake.sample_stack = stack;
}

/// Charges the thread that woke thread `tid` with the time that it waited for locks.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn charge_waker(tid: u32, waited_ns: u64) -> u32 {
    let Some(thread) = THREADS.get_ptr(tid) else {
        return 0;
    };
    // SAFETY: the entry of the thread that gets the CPU.
    let thread = unsafe { &*thread };
    let release = GilRelease {
        stack: thread.wake.waker_stack,
        tid: thread.wake.waker_tid,
        how: how::AT_RELEASE,
        ..GilRelease::default()
    };
    add(thread, &release, waited_ns, 0);
    0
}

/// Charges the holders of the GIL with the time that thread `tid` waited for it since
/// `since_ns`, up to the last of so many releases, and that one with `debt_ns` too.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn charge_holders(tid: u32, releases: u64, since_ns: u64, debt_ns: u64) -> u32 {
    for n in 0..KEPT as u64 {
        let debt_ns = if n == 0 { debt_ns } else { 0 };
        if charge_holder(tid, releases, n, since_ns, debt_ns) == 0 {
            break;
        }
    }
    0
}

/// Charges who made release number `releases - 1 - n` with its part of that; 0 if there is
/// no more to charge.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn charge_holder(
    tid: u32,
    releases: u64,
    n: u64,
    since_ns: u64,
    debt_ns: u64,
) -> u32 {
    let Some(thread) = THREADS.get_ptr(tid) else {
        return 0;
    };
    // SAFETY: as above.
    let thread = unsafe { &*thread };
    if n >= releases {
        return 0;
    }
    let Some(log) = slot(thread.pid) else {
        return 0;
    };
    let this = place(log, releases - 1 - n);
    let before = place(log, releases.wrapping_sub(2 + n));
    // SAFETY: in bounds.
    let (release, before_ns) = unsafe { (this.read(), (*before).ktime_ns) };
    if release.ktime_ns <= since_ns {
        return 0;
    }
    let mut from_ns = since_ns;
    if n + 1 < releases {
        if n + 1 == KEPT as u64 || before_ns > release.ktime_ns {
            // What was before is gone already: nobody is charged with that.
            return 0;
        }
        if before_ns > from_ns {
            from_ns = before_ns;
        }
    }
    let waited_ns = release.ktime_ns - from_ns;
    let off_cpu_ns = waited_ns.saturating_sub(release.held_on_cpu_ns);
    add(thread, &release, waited_ns + debt_ns, off_cpu_ns);
    1
}

/// Adds time that `thread` waited for the maker of `release`.
#[inline(always)]
fn add(thread: &ThreadState, release: &GilRelease, mut waited_ns: u64, mut off_cpu_ns: u64) {
    if thread.wait.state & state::BY_CHANCE != 0 {
        // It stands for those of which not even the futex was read.
        waited_ns *= thread.stands_for;
        off_cpu_ns *= thread.stands_for;
    }
    let key = WakeKey {
        totals: TotalsKey {
            stack: thread.wait_stack,
            wait: thread.wait,
            tid: thread.tid,
            generation: totals::generation(thread),
        },
        waker_stack: release.stack,
        waker_tid: release.tid,
        how: release.how,
    };
    if let Some(wake) = WAKES.get_ptr_mut(key) {
        // SAFETY: one thread's key is changed by that thread's own switches only.
        let wake = unsafe { &mut *wake };
        wake.looks += 1;
        wake.waited_ns += waited_ns;
        wake.off_cpu_ns += off_cpu_ns;
        return;
    }
    let first = Wake {
        looks: 1,
        waited_ns,
        off_cpu_ns,
    };
    if WAKES.insert(key, first, 0).is_err() {
        count::one(Counter::WakesFull);
    }
}
