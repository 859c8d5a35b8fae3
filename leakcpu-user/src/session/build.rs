//! From one thread's kernel record to the model's thread.

use leakcpu_common::{
    event_loop::LONG_GAP_NS,
    stack::{EMPTY_STACK, NOT_WALKED, flags},
    syscall::{pollfd, wait_arg},
    thread::{ThreadState, run_state, thread_flags},
    totals::{NO_SYSCALL, StandsFor, Totals, TotalsKey, Wait, state, wait_flags},
    wake,
};

use super::{
    awaited::Awaited,
    exchanges::Sighting,
    faults::{self, ThreadFaults},
    gaps::gaps,
    gil::holding,
    machine::Machine,
    native::ProcessNatives,
    suspects::Evidence,
    watched::Watched,
};
use crate::{
    collect::{Entry, LoopRecord, ThreadRecord, spread},
    discovery::SyscallState,
    interpreter::{ParkedStack, PythonProcess},
    model::{
        AnswersOwed, Reason, StackId, StackTime, StackTimeKind, SyscallTally, Thread, ThreadTimes,
        Tid, Wake, WakeEvidence,
    },
    probes::{syscall_name, syscall_spec},
    symbolize::name_wait,
};

/// Builds the model's thread from what the kernel kept.
pub(super) struct ThreadBuilder<'a> {
    pub watched: &'a Watched,
    pub record: ThreadRecord,
    pub totals: &'a [(TotalsKey, Totals)],
    pub wakes: &'a [(wake::WakeKey, wake::Wake)],
    /// Who holds the GIL of its process at the window's end.
    pub gil_holder: Option<&'a ThreadRecord>,
    /// Samples per second and CPU.
    pub rate_hz: u32,
    pub evidence: Option<&'a Evidence>,
    pub natives: Option<&'a ProcessNatives>,
    /// The kernel tells a quota's part of the waits for a CPU.
    pub measures_throttling: bool,
    pub machine: &'a Machine,
    /// Its event loop's record, if it runs one.
    pub event_loop: Option<&'a LoopRecord>,
    /// Its page faults.
    pub faults: Option<&'a ThreadFaults>,
    /// When the window began.
    pub start_ns: u64,
    /// Stacks whose frames were lost on the way.
    pub stacks_missing: u64,
}

impl ThreadBuilder<'_> {
    pub(super) fn build(&mut self) -> Thread {
        let state = self.record.state;
        let note = self.watched.threads.get(&state.tid);
        let mut stack_times = Vec::new();
        let mut is_python = note.is_some_and(|note| note.is_python);
        for entry in spread(self.totals.iter().copied().chain(self.open_interval())) {
            let key = entry.key;
            if key.stack != EMPTY_STACK {
                is_python = true;
            }
            let stack = self.stack(key.stack);
            let mut time = self.stack_time(stack, &entry);
            time.leaves = self.natives.map_or_else(Vec::new, |n| n.leaves(&key));
            stack_times.extend(self.split(time, key.wait, key.stack));
        }
        stack_times.extend(self.initial_interval());
        Thread {
            ns_tid: note.and_then(|note| note.ns_tid),
            name: note.and_then(|note| note.name.clone()),
            is_python,
            voluntary_switches: state.voluntary_switches,
            involuntary_switches: state.involuntary_switches,
            stack_times,
            tallies: self.tallies(),
            accounts: self.machine.accounts(&state),
            gaps: self
                .event_loop
                .map(|record| gaps(record, &self.watched.stacks, self.start_ns)),
            wakes: self.wakes(),
            owed: self.owed(),
            ..Thread::new(Tid(state.tid), self.times())
        }
    }

    /// How many answers its event loop waited for at a time; `None` if no look found any.
    fn owed(&self) -> Option<AnswersOwed> {
        let tid = self.record.state.tid;
        let all = self.watched.awaited.iter();
        let of_thread = all.filter(|((of, ..), _)| *of == tid);
        let mut sum = AnswersOwed::default();
        for (_, awaited) in of_thread {
            sum.add(awaited.owed());
        }
        (sum.looks > 0).then_some(sum)
    }

    fn times(&self) -> ThreadTimes {
        let state = &self.record.state;
        let wall_ns = self.record.wall_ns();
        let known = state.on_cpu_ns + state.runnable_ns + state.throttled_ns + state.blocked_ns;
        ThreadTimes {
            wall_ns,
            on_cpu_ns: state.on_cpu_ns,
            runnable_ns: state.runnable_ns,
            throttled_ns: self.measures_throttling.then_some(state.throttled_ns),
            blocked_ns: state.blocked_ns,
            unaccounted_ns: wall_ns.saturating_sub(known),
            steal_ns: self.machine.steal_ns(state.on_cpu_ns),
            gil_wait_ns: state.gil_wait_ns,
        }
    }

    fn stack(&mut self, hash: u64) -> StackId {
        if hash == NOT_WALKED {
            return StackId(0);
        }
        self.watched.stacks.by_hash(hash).unwrap_or_else(|| {
            self.stacks_missing += 1;
            StackId(0)
        })
    }

    fn stack_time(&self, stack: StackId, entry: &Entry) -> StackTime {
        let totals = &entry.totals;
        StackTime {
            stack,
            kind: self.kind(entry.key.wait),
            count: totals.count,
            blocked_ns: totals.blocked_ns,
            runnable_ns: totals.runnable_ns,
            max_blocked_ns: totals.max_blocked_ns,
            stack_estimated_ns: entry.stack_estimated_ns,
            reason_estimated_ns: entry.reason_estimated_ns,
            in_long_gap: entry.key.wait.in_long_gap(),
            awaits: None,
            leaves: Vec::new(),
        }
    }

    /// Splits the waits of a stack by what they waited for, if that was looked at.
    fn split(&self, time: StackTime, wait: Wait, stack: u64) -> Vec<StackTime> {
        if time.kind.reason() == Some(Reason::PageFault) {
            let faults = self.faults.and_then(|faults| faults.get(&stack));
            return faults::split(time, faults.map_or(&[], Vec::as_slice));
        }
        let waits_for_bytes =
            matches!(time.kind.reason(), Some(Reason::NetRecv | Reason::PollWait));
        if !waits_for_bytes || wait.flags & wait_flags::HAS_FD == 0 {
            return vec![time];
        }
        let tid = self.record.state.tid;
        let all = &self.watched.awaited;
        if let Some(awaited) = all.get(&(tid, wait.fd, stack)) {
            return awaited.split(time);
        }
        let mut awaited = Awaited::default();
        for (_, other) in all
            .iter()
            .filter(|((t, fd, _), _)| (*t, *fd) == (tid, wait.fd))
        {
            awaited.merge(other);
        }
        awaited.split(time)
    }

    fn kind(&self, wait: Wait) -> StackTimeKind {
        let syscall = || syscall_name(i32::from(wait.syscall)).map(str::to_owned);
        match wait.kind() {
            state::ON_CPU_USER => StackTimeKind::OnCpuUser,
            state::ON_CPU_KERNEL => StackTimeKind::OnCpuKernel { syscall: syscall() },
            state::PREEMPTED => StackTimeKind::Preempted,
            _ => {
                let has_fd = wait.flags & wait_flags::HAS_FD != 0;
                let descriptor = has_fd
                    .then(|| {
                        self.watched
                            .descriptors
                            .get(&(self.record.state.tid, wait.fd))?
                            .what()
                    })
                    .flatten();
                let named = name_wait(wait, descriptor.as_ref());
                let child = (named.reason == Reason::ChildWait)
                    .then(|| self.watched.children.get(&self.record.state.tid)?.what())
                    .flatten();
                StackTimeKind::Blocked {
                    reason: named.reason,
                    syscall: named.syscall.map(str::to_owned),
                    peer: named.peer,
                    file: named.file,
                    child,
                }
            }
        }
    }

    /// The interval that was open when the window ended: its stack and reason were
    /// noted at the switch-out, its time is added at the switch-in that never came.
    fn open_interval(&self) -> Option<(TotalsKey, Totals)> {
        let state = self.record.state;
        if state.off_since_ns == 0 {
            return None;
        }
        let (blocked_ns, runnable_ns) = match self.record.run_state_at_end {
            run_state::BLOCKED => (self.record.open_ns, 0),
            run_state::RUNNABLE if state.flags & thread_flags::THROTTLED != 0 => {
                (state.off_blocked_ns, 0)
            }
            run_state::RUNNABLE => (state.off_blocked_ns, self.record.open_ns),
            _ => return None,
        };
        let mut wait = state.wait;
        let gap = self.event_loop.and_then(|record| record.open);
        if gap.is_some_and(|gap| gap.duration_ns >= LONG_GAP_NS) {
            wait.state |= state::IN_LONG_GAP;
        }
        let more = state.stands_for.saturating_sub(1);
        let totals = Totals {
            count: 1,
            blocked_ns,
            runnable_ns,
            max_blocked_ns: blocked_ns,
            stands_for: StandsFor::one(more, blocked_ns, runnable_ns),
        };
        let key = TotalsKey {
            stack: state.wait_stack,
            wait,
            tid: state.tid,
            generation: self.record.generation(),
        };
        Some((key, totals))
    }

    /// The interval that was open when watching began: read from outside then.
    fn initial_interval(&self) -> Vec<StackTime> {
        let state = &self.record.state;
        let blocked_ns = match (self.record.run_state_at_end, state.initial_state) {
            // No event at all: `resolve_silent` made it blocked.
            (run_state::UNKNOWN, run_state::BLOCKED) => self.record.open_ns,
            (_, run_state::BLOCKED) => state.initial_ns,
            _ => return Vec::new(),
        };
        if blocked_ns == 0 {
            return Vec::new();
        }
        let Some(note) = self.watched.threads.get(&state.tid) else {
            return Vec::new();
        };
        let (stack, wait) = match &note.parked {
            Some(parked) => (self.watched.stacks.parked(&parked.stack), parked.wait),
            None => (
                StackId(0),
                Wait {
                    syscall: NO_SYSCALL,
                    state: state::BLOCKED,
                    ..Wait::default()
                },
            ),
        };
        let entry = Entry {
            key: TotalsKey {
                wait,
                ..TotalsKey::default()
            },
            totals: Totals {
                count: 1,
                blocked_ns,
                max_blocked_ns: blocked_ns,
                ..Totals::default()
            },
            ..Entry::default()
        };
        let time = self.stack_time(stack, &entry);
        self.split(time, wait, EMPTY_STACK)
    }

    fn wakes(&mut self) -> Vec<Wake> {
        let mut wakes = Vec::new();
        for (key, wake) in self.wakes {
            let Some(reason) = self.kind(key.totals.wait).reason() else {
                continue;
            };
            if wake.waited_ns == 0 {
                continue;
            }
            let evidence = match key.how {
                wake::how::SAMPLED => WakeEvidence::Sample,
                wake::how::OFF_CPU => WakeEvidence::OffCpu,
                _ => WakeEvidence::Release,
            };
            let samples = match evidence {
                WakeEvidence::Sample => {
                    let on_cpu_ns = wake.waited_ns.saturating_sub(wake.off_cpu_ns);
                    wake.looks.max(self.samples_met(on_cpu_ns))
                }
                _ => 0,
            };
            wakes.push(Wake {
                stack: self.stack(key.totals.stack),
                reason,
                waker: Tid(key.waker_tid),
                waker_stack: self.stack(key.waker_stack),
                evidence,
                samples,
                waited_ns: wake.waited_ns,
                off_cpu_ns: wake.off_cpu_ns,
            });
        }
        if let Some(holding) = self
            .gil_holder
            .and_then(|holder| holding(&self.record, holder))
            .filter(|holding| holding.waited_ns > 0)
        {
            let on_cpu_ns = holding.waited_ns.saturating_sub(holding.off_cpu_ns);
            wakes.push(Wake {
                stack: self.stack(self.record.state.wait_stack),
                reason: Reason::Gil,
                waker: Tid(holding.tid),
                waker_stack: self.stack(holding.stack),
                evidence: holding.evidence,
                samples: match holding.evidence {
                    WakeEvidence::Sample => self.samples_met(on_cpu_ns).max(1),
                    _ => 0,
                },
                waited_ns: holding.waited_ns,
                off_cpu_ns: holding.off_cpu_ns,
            });
        }
        wakes
    }

    /// How many samples such a time on a CPU meets: of a long hold only the last one is
    /// noted.
    fn samples_met(&self, on_cpu_ns: u64) -> u64 {
        let met = u128::from(on_cpu_ns) * u128::from(self.rate_hz) / 1_000_000_000;
        u64::try_from(met).unwrap_or(u64::MAX)
    }

    fn tallies(&self) -> Vec<SyscallTally> {
        let Some(evidence) = self.evidence else {
            return Vec::new();
        };
        let mut tallies: Vec<SyscallTally> = evidence
            .tallies
            .iter()
            .map(|(number, tally)| SyscallTally {
                syscall: i32::try_from(*number)
                    .ok()
                    .and_then(syscall_name)
                    .map_or_else(|| format!("syscall {number}"), str::to_owned),
                traced_ns: evidence.traced_ns,
                calls: tally.calls,
                zero_timeout: tally.zero_timeout,
                zero_timeout_empty: tally.zero_timeout_empty,
                would_block: tally.would_block,
                timed_out: tally.timed_out,
                short_timeout: tally.short_timeout,
                at_end: tally.at_end,
            })
            .collect();
        tallies.sort_by(|a, b| {
            b.calls
                .cmp(&a.calls)
                .then_with(|| a.syscall.cmp(&b.syscall))
        });
        tallies
    }
}

/// The wait of a thread whose system call was read from `/proc`, as the kernel
/// side would have noted it.
pub(super) fn parked_wait(process: &PythonProcess, parked: &ParkedStack) -> Wait {
    let mut wait = Wait {
        syscall: NO_SYSCALL,
        flags: 0,
        state: state::BLOCKED,
        fd: 0,
    };
    if parked.state == 'D' {
        wait.flags |= wait_flags::UNINTERRUPTIBLE;
    }
    if parked.flags & flags::NO_TSTATE != 0 {
        wait.flags |= wait_flags::NATIVE_THREAD;
    }
    if matches!(parked.state, 'T' | 't') {
        wait.flags |= wait_flags::STOPPED;
    }
    let SyscallState::InSyscall { number, args, .. } = parked.syscall else {
        return wait;
    };
    wait.syscall = i16::try_from(number).unwrap_or(NO_SYSCALL);
    match syscall_spec(number).wait_arg {
        wait_arg::FD | wait_arg::EPOLL => {
            wait.flags |= wait_flags::HAS_FD;
            wait.fd = low_half(args[0]);
        }
        wait_arg::NFDS => {
            wait.flags |= wait_flags::HAS_NFDS;
            wait.fd = low_half(args[0]);
        }
        wait_arg::POLLFDS => match process.memory().read_u64(args[0]) {
            Ok(word) if args[1] == 1 => {
                wait.flags |= wait_flags::HAS_FD;
                wait.fd = pollfd::fd(word);
                if pollfd::for_writing(word) {
                    wait.flags |= wait_flags::POLLS_WRITE;
                }
            }
            _ => {
                wait.flags |= wait_flags::HAS_NFDS;
                wait.fd = low_half(args[1]);
            }
        },
        wait_arg::FUTEX => {
            let kernel = &process.kernel;
            if (kernel.gil_start..kernel.gil_end).contains(&args[0]) {
                wait.flags |= wait_flags::GIL;
            }
        }
        _ => {}
    }
    wait
}

/// A register is 64 bits wide, a descriptor or count the low 32 of them.
fn low_half(register: u64) -> i32 {
    let [a, b, c, d, ..] = register.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// The wait in which watching found a thread that has done nothing since.
pub(super) fn parked_sighting(watched: &Watched, state: &ThreadState) -> Option<Sighting> {
    let parked = watched.threads.get(&state.tid)?.parked.as_ref()?;
    (parked.wait.flags & wait_flags::HAS_FD != 0).then_some(Sighting {
        pid: state.pid,
        tid: state.tid,
        wait: parked.wait,
        stack: EMPTY_STACK,
    })
}
