//! From one thread's kernel record to the model's thread.

use leakcpu_common::{
    stack::flags,
    syscall::{pollfd, wait_arg},
    thread::{run_state, thread_flags},
    totals::{NO_SYSCALL, Totals, TotalsKey, Wait, state, wait_flags},
    wake,
};

use super::{
    gil::holding, machine::Machine, native::ProcessNatives, suspects::Evidence, watched::Watched,
};
use crate::{
    collect::ThreadRecord,
    discovery::SyscallState,
    interpreter::{ParkedStack, PythonProcess},
    model::{
        Reason, StackId, StackTime, StackTimeKind, SyscallTally, Thread, ThreadTimes, Tid, Wake,
        WakeEvidence,
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
    /// Stacks whose frames were lost on the way.
    pub stacks_missing: u64,
}

impl ThreadBuilder<'_> {
    pub(super) fn build(&mut self) -> Thread {
        let state = self.record.state;
        let note = self.watched.threads.get(&state.tid);
        let mut stack_times = Vec::new();
        let mut is_python = note.is_some_and(|note| note.is_python);
        for (key, totals) in self.totals {
            if key.stack != leakcpu_common::stack::EMPTY_STACK {
                is_python = true;
            }
            let stack = self.stack(key.stack);
            let mut time = self.stack_time(stack, key.wait, *totals);
            time.leaves = self.natives.map_or_else(Vec::new, |n| n.leaves(key));
            stack_times.push(time);
        }
        stack_times.extend(self.open_interval());
        stack_times.extend(self.initial_interval());
        Thread {
            tid: Tid(state.tid),
            ns_tid: note.and_then(|note| note.ns_tid),
            name: note.and_then(|note| note.name.clone()),
            is_python,
            times: self.times(),
            voluntary_switches: state.voluntary_switches,
            involuntary_switches: state.involuntary_switches,
            stack_times,
            tallies: self.tallies(),
            accounts: self.machine.accounts(&state),
            wakes: self.wakes(),
        }
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
        self.watched.stacks.by_hash(hash).unwrap_or_else(|| {
            self.stacks_missing += 1;
            StackId(0)
        })
    }

    fn stack_time(&self, stack: StackId, wait: Wait, totals: Totals) -> StackTime {
        StackTime {
            stack,
            kind: self.kind(wait),
            count: totals.count,
            blocked_ns: totals.blocked_ns,
            runnable_ns: totals.runnable_ns,
            max_blocked_ns: totals.max_blocked_ns,
            leaves: Vec::new(),
        }
    }

    fn kind(&self, wait: Wait) -> StackTimeKind {
        let syscall = || syscall_name(i32::from(wait.syscall)).map(str::to_owned);
        match wait.state {
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
    fn open_interval(&mut self) -> Option<StackTime> {
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
        let stack = self.stack(state.wait_stack);
        Some(self.stack_time(
            stack,
            state.wait,
            Totals {
                count: 1,
                blocked_ns,
                runnable_ns,
                max_blocked_ns: blocked_ns,
            },
        ))
    }

    /// The interval that was open when watching began: read from outside then.
    fn initial_interval(&self) -> Option<StackTime> {
        let state = &self.record.state;
        let blocked_ns = match (self.record.run_state_at_end, state.initial_state) {
            // No event at all: `resolve_silent` made it blocked.
            (run_state::UNKNOWN, run_state::BLOCKED) => self.record.open_ns,
            (_, run_state::BLOCKED) => state.initial_ns,
            _ => return None,
        };
        if blocked_ns == 0 {
            return None;
        }
        let note = self.watched.threads.get(&state.tid)?;
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
        Some(self.stack_time(
            stack,
            wait,
            Totals {
                count: 1,
                blocked_ns,
                runnable_ns: 0,
                max_blocked_ns: blocked_ns,
            },
        ))
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
    let SyscallState::InSyscall { number, args } = parked.syscall else {
        return wait;
    };
    wait.syscall = i16::try_from(number).unwrap_or(NO_SYSCALL);
    match syscall_spec(number).wait_arg {
        wait_arg::FD => {
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
