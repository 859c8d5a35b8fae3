//! A small process for tests of rules.

use super::{Case, Finding, Rule, Thresholds};
use crate::{
    classify::classify,
    model::{
        Child, Frame, Function, FunctionId, Host, HotLoop, Pid, Process, Profile, Reason, Repeat,
        Stack, StackId, StackTime, StackTimeKind, Thread, ThreadTimes, Tid,
    },
};

/// Nanoseconds of a millisecond.
pub(super) const MS: u64 = 1_000_000;

/// Stack, reason, peer, how many, milliseconds.
pub(super) type Waits<'a> = (&'a [Frame], Reason, Option<&'a str>, u64, u64);

/// Its functions grow as frames are asked for.
pub(super) struct Model {
    pub process: Process,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            process: Process {
                stacks: vec![Stack::default()],
                library_dirs: vec!["/usr/lib/python3.12".to_owned()],
                ..Process::new(Pid(7))
            },
        }
    }
}

impl Model {
    /// A frame of a new function.
    pub(super) fn frame(&mut self, name: &str, file: &str) -> Frame {
        let functions = &mut self.process.functions;
        functions.push(Function {
            name: name.to_owned(),
            file: file.to_owned(),
            first_line: 1,
        });
        Frame {
            function: u32::try_from(functions.len() - 1).ok().map(FunctionId),
            line: Some(2),
            called_from_c: false,
        }
    }

    /// A stack, leaf first.
    pub(super) fn stack(frames: &[Frame]) -> Stack {
        Stack {
            frames: frames.to_vec(),
            ..Stack::default()
        }
    }

    /// A thread that waited for `rows` (stack, reason, peer, waits, milliseconds) in two
    /// seconds, each in a loop of its outermost frame, and computed for the rest.
    pub(super) fn thread(&mut self, rows: &[Waits<'_>]) {
        let mut stack_times = Vec::new();
        for (frames, reason, peer, count, ms) in rows {
            let stack = u32::try_from(self.process.stacks.len());
            self.process.stacks.push(Self::stack(frames));
            let stack = StackId(stack.expect("there are few"));
            self.process
                .repeats
                .extend(frames.last().map(|frame| Repeat {
                    stack,
                    frame: *frame,
                    over_items: true,
                }));
            stack_times.push(StackTime {
                stack,
                kind: StackTimeKind::Blocked {
                    reason: *reason,
                    syscall: None,
                    peer: peer.map(str::to_owned),
                    file: None,
                    child: Some(Child::default()),
                },
                count: *count,
                blocked_ns: ms * MS,
                runnable_ns: 0,
                max_blocked_ns: ms * MS / count,
                stack_estimated_ns: 0,
                reason_estimated_ns: 0,
                in_long_gap: false,
                awaits: None,
                leaves: Vec::new(),
            });
        }
        let blocked_ns = stack_times.iter().map(|time| time.blocked_ns).sum();
        let tid = u32::try_from(self.process.threads.len());
        let tid = Tid(7 + tid.expect("there are few"));
        let times = ThreadTimes {
            wall_ns: 2_000 * MS,
            on_cpu_ns: 2_000 * MS - blocked_ns,
            blocked_ns,
            ..ThreadTimes::default()
        };
        self.process.threads.push(Thread {
            stack_times,
            ..Thread::new(tid, times)
        });
    }

    /// A thread that computed for two seconds, with so many samples in the function of a frame, and
    /// loops of it.
    pub(super) fn computing(&mut self, frame: Frame, samples: u64, hot_loops: Vec<HotLoop>) {
        self.thread(&[]);
        let stack = u32::try_from(self.process.stacks.len());
        self.process.stacks.push(Self::stack(&[frame]));
        if let Some(thread) = self.process.threads.last_mut() {
            thread.hot_loops = hot_loops;
            thread.stack_times.push(StackTime {
                stack: StackId(stack.expect("there are few")),
                kind: StackTimeKind::OnCpuUser,
                count: samples,
                blocked_ns: 0,
                runnable_ns: 0,
                max_blocked_ns: 0,
                stack_estimated_ns: 0,
                reason_estimated_ns: 0,
                in_long_gap: false,
                awaits: None,
                leaves: Vec::new(),
            });
        }
    }

    /// What `rule` finds.
    pub(super) fn check(&self, rule: &dyn Rule) -> Vec<Finding> {
        let profile = Profile {
            processes: vec![self.process.clone()],
            ..Profile::default()
        };
        let classification = classify(&profile);
        rule.check(Case {
            host: &Host::default(),
            process: &self.process,
            verdicts: &classification.processes[0],
            thresholds: &Thresholds::DEFAULT,
        })
    }
}
