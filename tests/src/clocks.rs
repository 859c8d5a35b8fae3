//! The kernel's own account of a process' threads, read from outside.

use std::{
    collections::HashMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(10);

/// A reading that takes longer is none.
const LONGEST_READ_NS: i64 = 2_000_000;

/// Checkpoints of a growing clock: (ns since the epoch, value).
#[derive(Clone, Debug, Default)]
pub struct Clock(pub Vec<(i64, i64)>);

impl Clock {
    /// The clock's value at a moment, interpolated; the nearest one outside.
    pub fn at(&self, moment: i64) -> i64 {
        let after = self.0.partition_point(|(t, _)| *t < moment);
        let last = self
            .0
            .len()
            .checked_sub(1)
            .expect("a clock was read at least once");
        if after == 0 {
            return self.0[0].1;
        }
        if after > last {
            return self.0[last].1;
        }
        let ((t0, v0), (t1, v1)) = (self.0[after - 1], self.0[after]);
        let share = (moment - t0) as f64 / (t1 - t0).max(1) as f64;
        #[expect(clippy::cast_possible_truncation, reason = "a part of an i64")]
        let grown = ((v1 - v0) as f64 * share) as i64;
        v0 + grown
    }

    /// The most by which it grew between two readings.
    pub fn largest_step(&self) -> i64 {
        let steps = self.0.windows(2).map(|pair| pair[1].1 - pair[0].1);
        steps.max().unwrap_or(0)
    }

    /// How much it grew between two moments.
    pub fn grown(&self, begin: i64, end: i64) -> i64 {
        self.at(end) - self.at(begin)
    }
}

/// What `/proc/PID/task/TID/schedstat` said over time.
#[derive(Clone, Debug, Default)]
pub struct Schedstat {
    /// Time on a CPU.
    pub on_cpu: Clock,
    /// Time ready to run without running.
    pub run_delay: Clock,
}

/// Whether the whole machine stood still for a while (virtual machines do): the
/// clocks do not agree on how long that was, so nothing can be compared.
pub fn machine_stood_still<'a>(clocks: impl IntoIterator<Item = &'a Schedstat>) -> bool {
    let longest = clocks
        .into_iter()
        .flat_map(|clock| clock.on_cpu.0.windows(2))
        .map(|pair| pair[1].0 - pair[0].0)
        .max()
        .unwrap_or(0);
    let stood_still = longest > 500_000_000;
    if stood_still {
        eprintln!("the machine stood still for {} ms", longest / 1_000_000);
    }
    stood_still
}

/// Reads every thread's schedstat again and again until it is stopped.
#[derive(Debug)]
pub struct Sampler {
    stop: Arc<AtomicBool>,
    handle: JoinHandle<HashMap<i64, Schedstat>>,
}

impl Sampler {
    /// Begins to read; the first reading is made before this returns.
    pub fn start(pid: u32) -> Self {
        Self::every(pid, PERIOD)
    }

    /// The same with so much time between two readings.
    pub fn every(pid: u32, period: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clocks = HashMap::new();
        read(pid, &mut clocks);
        let stopped = Arc::clone(&stop);
        let handle = thread::spawn(move || {
            hurry();
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(period);
                read(pid, &mut clocks);
            }
            read(pid, &mut clocks);
            clocks
        });
        Self { stop, handle }
    }

    /// Ends after one more reading; the clocks by tid.
    pub fn stop(self) -> HashMap<i64, Schedstat> {
        self.stop.store(true, Ordering::Relaxed);
        self.handle.join().expect("the sampler does not panic")
    }
}

/// Before all others, or a busy machine leaves gaps between the readings. Without the
/// right to it they are what they are.
fn hurry() {
    // SAFETY: the call takes three numbers; 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
}

fn read(pid: u32, clocks: &mut HashMap<i64, Schedstat>) {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return;
    };
    for task in tasks.flatten() {
        let Some(tid) = task.file_name().to_str().and_then(|t| t.parse().ok()) else {
            continue;
        };
        let before = unix_ns();
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else {
            continue;
        };
        let now = unix_ns();
        // Who is interrupted while reading does not know of which moment it read.
        if now - before > LONGEST_READ_NS && clocks.contains_key(&tid) {
            continue;
        }
        let mut figures = text.split_whitespace().map_while(|word| word.parse().ok());
        if let (Some(on_cpu), Some(run_delay)) = (figures.next(), figures.next()) {
            let clock = clocks.entry(tid).or_default();
            clock.on_cpu.0.push((now, on_cpu));
            clock.run_delay.0.push((now, run_delay));
        }
    }
}

/// Nanoseconds since the epoch.
pub fn unix_ns() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970");
    i64::try_from(since.as_nanos()).expect("it is before 2262")
}

/// The sum of what the hypervisor took of all CPUs since boot.
pub fn stolen_ns() -> i64 {
    let text = fs::read_to_string("/proc/stat").expect("there is a /proc/stat");
    let line = text.lines().next().expect("its first line is all CPUs'");
    let ticks = line
        .split_whitespace()
        .nth(8)
        .and_then(|n| n.parse::<i64>().ok());
    // `USER_HZ` is 100 on every x86-64.
    ticks.expect("the eighth figure is steal") * 10_000_000
}

/// What is allowed between a reported time and the truth: 2 % of the window or
/// 5 ms, whichever is larger.
pub fn tolerance(window_ns: i64) -> i64 {
    (window_ns / 50).max(5_000_000)
}

/// The checkpoints of a workload's own clock: `[[unix ns, value], ...]`.
pub fn checkpoints(checkpoints: &Value) -> Clock {
    let pairs = checkpoints.as_array().expect("checkpoints are a list");
    Clock(
        pairs
            .iter()
            .map(|pair| {
                let figure = |n: usize| pair[n].as_i64().expect("a checkpoint has two integers");
                (figure(0), figure(1))
            })
            .collect(),
    )
}

/// How much of `begin..end` a workload's spans cover: `[[begin, end], ...]`, all in ns
/// since the epoch.
pub fn overlap(spans: &[Value], begin: i64, end: i64) -> i64 {
    spans
        .iter()
        .map(|span| {
            let from = span[0].as_i64().expect("a span has a beginning");
            let to = span[1].as_i64().expect("a span has an end");
            (to.min(end) - from.max(begin)).max(0)
        })
        .sum()
}
