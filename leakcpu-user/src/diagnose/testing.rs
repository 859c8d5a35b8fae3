//! A small process for tests of rules.

use super::{Case, Finding, Rule, Thresholds};
use crate::{
    classify::classify,
    model::{
        AnswersOwed, Awaits, Child, Frame, Function, FunctionId, GapTimes, Gaps, Host, HotLoop,
        LoopSamples, Pid, Process, Profile, Reason, Repeat, RoundTrips, Stack, StackId, StackTime,
        StackTimeKind, Thread, ThreadTimes, Tid,
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

    /// A thread that runs asyncio's loop. In two seconds it waited 100 times for `peer`, who answered
    /// so many requests, for so many milliseconds in all, and ran `resumed` in between, in a loop
    /// over items of their outermost frame.
    pub(super) fn event_loop(
        &mut self,
        (peer, trips, ms): (&str, u64, u64),
        resumed: &[(&[Frame], u64)],
        owed: AnswersOwed,
    ) {
        let turn = self.frame("_run_once", "/usr/lib/python3.12/asyncio/base_events.py");
        let run = self.frame("_run", "/usr/lib/python3.12/asyncio/events.py");
        self.thread(&[(&[turn], Reason::NetRecv, Some(peer), 100, ms)]);
        let mut loop_samples = Vec::new();
        for (frames, count) in resumed {
            let stack = u32::try_from(self.process.stacks.len()).map(StackId);
            let stack = stack.expect("there are few");
            let whole: Vec<Frame> = frames.iter().copied().chain([run, turn]).collect();
            self.process.stacks.push(Self::stack(&whole));
            self.process
                .repeats
                .extend(frames.last().map(|frame| Repeat {
                    stack,
                    frame: *frame,
                    over_items: true,
                }));
            loop_samples.push(LoopSamples {
                stack,
                count: *count,
            });
        }
        self.process.round_trips.push(RoundTrips {
            peer: peer.to_owned(),
            connections: 1,
            round_trips: Some(trips),
            sent_bytes: Some(trips * 60),
            received_bytes: Some(trips * 90),
            ..RoundTrips::default()
        });
        let thread = self.process.threads.last_mut().expect("it was made");
        thread.loop_samples = loop_samples;
        thread.owed = Some(owed);
        thread.gaps = Some(Gaps {
            count: 100,
            total_ns: 2_000 * MS - ms * MS,
            long: 0,
            long_ns: 0,
            long_times: GapTimes::default(),
            very_long: 0,
            longest: None,
            open: None,
        });
        for time in &mut thread.stack_times {
            time.awaits = Some(Awaits::Answer);
            if let StackTimeKind::Blocked { syscall, .. } = &mut time.kind {
                *syscall = Some("epoll_wait".to_owned());
            }
        }
    }

    /// A thread that computed for two seconds, with so many samples in the function of a frame, and
    /// loops of it.
    pub(super) fn computing(&mut self, frame: Frame, samples: u64, hot_loops: Vec<HotLoop>) {
        self.thread(&[]);
        let stack = u32::try_from(self.process.stacks.len());
        self.process.stacks.push(Self::stack(&[frame]));
        if let Some(thread) = self.process.threads.last_mut() {
            thread.hot_loops = hot_loops;
            let stack = StackId(stack.expect("there are few"));
            thread.stack_times.push(on_cpu(stack, samples));
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

/// So many samples in a stack.
pub(super) const fn on_cpu(stack: StackId, samples: u64) -> StackTime {
    StackTime {
        stack,
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
    }
}
