//! What a machine may do to a run: threads by the thousand, a sudden end, clocks that are
//! set, CPUs that go, neighbours that switch all the time. Further ones are in `life.rs` (a
//! target outlives the observer, two observers at once), `kernel_side.rs` (full maps) and
//! `reasons.rs` (stopped and traced while watched).

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use aya::{maps::loaded_maps, programs::loaded_links, programs::loaded_programs};
use leakcpu_tests::{
    interpreter, observe,
    problems::Problems,
    report::{Report, list, ns, sum_of_parts},
    workload::Workload,
};
use nix::{
    sys::{
        ptrace,
        signal::{Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};
use serde_json::Value;

fn pid_of(process: u32) -> Pid {
    Pid::from_raw(i32::try_from(process).expect("a pid fits"))
}

fn burner() -> Workload {
    Workload::start(interpreter::newest(), "compute.py", &["sieve"])
}

/// The parts sum to the whole, and the scheduler's own accounts bear them out.
fn times_are_right(process: &Value, problems: &mut Problems) {
    for thread in list(process, "threads") {
        let time = &thread["time"];
        problems.equal("sum of parts", &sum_of_parts(time), &ns(time, "wall_ns"));
    }
    let accounts = &process["accounts"];
    let share = accounts["residual_share"].as_f64().unwrap_or(f64::NAN);
    problems.check(share < 0.02, format!("residual: {accounts}"));
}

#[test]
fn ten_thousand_threads_may_come_and_go() {
    const THREADS: i64 = 10_000;
    let mut problems = Problems::new();
    let words = [THREADS.to_string()];
    let mut workload = Workload::start(interpreter::newest(), "throng.py", &words);
    let pid = workload.pid.to_string();
    let running = observe::start(observe::command(&[
        "classify", "-p", &pid, "-d", "60s", "--json",
    ]));
    observe::until_attached(&running);
    workload.go();
    let bred = workload.next_line();
    kill(pid_of(running.child.id()), Signal::SIGINT).expect("our own child can be signalled");
    let report = running.wait().report();
    let process = report.process(workload.pid);
    let truth = workload.finish();
    problems.equal("threads bred", &ns(&bred, "bred"), &THREADS);
    // The main thread and the breeder besides. Those that found no room are counted.
    let threads = i64::try_from(list(process, "threads").len()).expect("it fits");
    let lost = ["threads_full", "thread_slot_reused"].map(|name| report.loss(name));
    problems.equal(
        format!("threads seen, {lost:?} lost"),
        &(threads + i64::try_from(lost.iter().sum::<u64>()).expect("it fits")),
        &(THREADS + 2),
    );
    for thread in list(process, "threads") {
        let time = &thread["time"];
        problems.equal("sum of parts", &sum_of_parts(time), &ns(time, "wall_ns"));
    }
    let clock = list(&truth, "clock");
    let grown = |i: usize| clock[1][i].as_i64().unwrap_or(0) - clock[0][i].as_i64().unwrap_or(0);
    let (span, ran) = (grown(0), grown(1));
    let on_cpu = ns(&process["time"], "on_cpu_ns");
    eprintln!(
        "{THREADS} threads in {} ms, {} ms on a CPU",
        span / 1_000_000,
        ran / 1_000_000
    );
    // Besides: what the process did before and after, and threads' first and last steps in
    // the kernel, which its own clock may count to nobody.
    problems.near("on CPU", on_cpu, ran, ran / 10 + 20_000_000);
    let napped: i64 = list(&truth, "naps").iter().filter_map(Value::as_i64).sum();
    let asleep = ns(&process["time"]["blocked_by_reason"], "sleep");
    // A nap ends for its thread once that has a CPU and the GIL.
    problems.between("asleep", asleep, THREADS * 2_000_000 * 99 / 100, napped);
    problems.finish();
}

/// Ids of what a process has open in the kernel's eBPF: programs, links, maps.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    programs: BTreeSet<u32>,
    links: BTreeSet<u32>,
    maps: BTreeSet<u32>,
}

impl Held {
    fn by(process: u32) -> Self {
        let mut held = Self::default();
        let Ok(entries) = fs::read_dir(format!("/proc/{process}/fdinfo")) else {
            return held;
        };
        for entry in entries.flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let id = |name: &str| {
                text.lines()
                    .find_map(|line| line.strip_prefix(name)?.trim().parse::<u32>().ok())
            };
            if let Some(link) = id("link_id:") {
                held.links.insert(link);
            } else if let Some(program) = id("prog_id:") {
                held.programs.insert(program);
            }
            held.maps.extend(id("map_id:"));
        }
        held
    }

    /// Those of them that the kernel still has.
    fn still_there(&self) -> Self {
        Self {
            programs: loaded_programs().flatten().map(|p| p.id()).collect(),
            links: loaded_links().flatten().map(|l| l.id()).collect(),
            maps: loaded_maps().flatten().map(|m| m.id()).collect(),
        }
        .intersection(self)
    }

    fn intersection(&self, other: &Self) -> Self {
        let both = |a: &BTreeSet<u32>, b: &BTreeSet<u32>| a.intersection(b).copied().collect();
        Self {
            programs: both(&self.programs, &other.programs),
            links: both(&self.links, &other.links),
            maps: both(&self.maps, &other.maps),
        }
    }
}

/// Names of all that is pinned.
fn pinned(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        names.insert(entry.path().display().to_string());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.extend(pinned(&entry.path()));
        }
    }
    names
}

#[test]
fn nothing_stays_when_it_is_killed() {
    let mut problems = Problems::new();
    let bpffs = Path::new("/sys/fs/bpf");
    let before = pinned(bpffs);
    let mut workload = Workload::start::<&str>(interpreter::newest(), "demo_poll.py", &[]);
    let pid = workload.pid.to_string();
    let running = observe::start(observe::command(&["classify", "-p", &pid, "-d", "60s"]));
    observe::until_attached(&running);
    let held = Held::by(running.child.id());
    problems.check(
        held.programs.len() >= 8 && held.links.len() >= 6 && held.maps.len() >= 10,
        format!("it holds too little: {held:?}"),
    );
    problems.equal("known to the kernel", &held.still_there(), &held);
    kill(pid_of(running.child.id()), Signal::SIGKILL).expect("our own child can be killed");
    drop(running.wait());
    // The kernel lets go of it after the last run of each program.
    let started = Instant::now();
    let mut left = held.still_there();
    while left != Held::default() && started.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(20));
        left = held.still_there();
    }
    problems.equal("left in the kernel", &left, &Held::default());
    let new: Vec<String> = pinned(bpffs).difference(&before).cloned().collect();
    problems.equal("pinned", &new, &Vec::new());
    problems.check(workload.is_alive(), "its target died with it");
    workload.finish();
    problems.finish();
}

/// Sets the clock by so much, and back when dropped.
struct Step(i64);

impl Step {
    fn by(seconds: i64) -> Option<Self> {
        match shift(seconds) {
            Ok(()) => Some(Self(seconds)),
            Err(error) => {
                eprintln!("SKIPPED: the clock may not be set here: {error}");
                None
            }
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        shift(-self.0).expect("what was allowed still is");
    }
}

fn shift(seconds: i64) -> nix::Result<()> {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both calls take a clock's id and a timespec of ours.
    nix::errno::Errno::result(unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) })?;
    now.tv_sec += seconds;
    // SAFETY: as above.
    nix::errno::Errno::result(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const now) })
        .map(drop)
}

#[test]
fn a_clock_that_is_set_changes_no_time() {
    let mut problems = Problems::new();
    let workload = burner();
    let pid = workload.pid.to_string();
    let mut command = observe::command(&["classify", "-p", &pid, "-d", "1500ms", "--json"]);
    command.stdin(std::process::Stdio::null());
    let running = observe::start(command);
    observe::until_attached(&running);
    let is_set = {
        let forth = Step::by(1);
        thread::sleep(Duration::from_millis(200));
        forth.is_some()
    };
    let report = running.wait().report();
    let window = ns(&report.0["window"], "duration_ns");
    if is_set {
        // It may end late on a busy machine, by no second.
        problems.between("window", window, 1_490_000_000, 2_200_000_000);
        let process = report.process(workload.pid);
        times_are_right(process, &mut problems);
        let wall = ns(&process["time"], "wall_ns");
        problems.between("wall", wall, window * 99 / 100, window);
    }
    workload.finish();
    problems.finish();
}

/// Takes a CPU away; gives it back when dropped.
struct Unplugged(String);

impl Unplugged {
    fn last_cpu() -> Option<Self> {
        let online = fs::read_to_string("/sys/devices/system/cpu/online").ok()?;
        let last = online.trim().rsplit(['-', ',']).next()?.to_owned();
        let file = format!("/sys/devices/system/cpu/cpu{last}/online");
        match fs::write(&file, "0") {
            Ok(()) => Some(Self(file)),
            Err(error) => {
                eprintln!("SKIPPED: {file}: {error}: no CPU can be taken away here");
                None
            }
        }
    }
}

impl Drop for Unplugged {
    fn drop(&mut self) {
        fs::write(&self.0, "1").expect("a CPU that was taken away can be given back");
    }
}

#[test]
fn a_cpu_may_go_and_come_back() {
    let mut problems = Problems::new();
    let workloads = [burner(), burner()];
    let pids = workloads
        .each_ref()
        .map(|workload| workload.pid.to_string());
    let running = observe::start(observe::command(&[
        "classify", "-p", &pids[0], "-p", &pids[1], "-d", "3s", "--json",
    ]));
    observe::until_attached(&running);
    thread::sleep(Duration::from_millis(300));
    let was_gone = Unplugged::last_cpu().map(|_gone| thread::sleep(Duration::from_millis(300)));
    let report = running.wait().report();
    if was_gone.is_some() {
        for workload in &workloads {
            times_are_right(report.process(workload.pid), &mut problems);
        }
        // Samples go on where it came back.
        let hz = report.0["sampling"]["effective_hz"].as_f64().unwrap_or(0.0);
        problems.check(hz > 60.0, format!("{hz} samples a second of 99"));
    }
    for workload in workloads {
        workload.finish();
    }
    problems.finish();
}

/// Stopped before it is watched and all the while, by a signal or by a tracer.
#[test]
fn a_target_that_stands_still_is_watched_all_the_same() {
    let mut problems = Problems::new();
    for is_traced in [false, true] {
        problems.about(if is_traced { "traced" } else { "stopped" });
        let workload = burner();
        let pid = pid_of(workload.pid);
        if is_traced {
            ptrace::seize(pid, ptrace::Options::empty()).expect("it is ours");
            ptrace::interrupt(pid).expect("it is traced");
            waitpid(pid, None).expect("it stops");
        } else {
            kill(pid, Signal::SIGSTOP).expect("it is ours");
            waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("it stops");
        }
        let report = observe::classify(workload.pid, "1s", &[]);
        if is_traced {
            ptrace::detach(pid, None).expect("it is traced");
        } else {
            kill(pid, Signal::SIGCONT).expect("it is ours");
        }
        let process = report.process(workload.pid);
        let time = &process["time"];
        times_are_right(process, &mut problems);
        let stopped = ns(&time["blocked_by_reason"], "stopped");
        problems.equal("stopped", &stopped, &ns(time, "wall_ns"));
        problems.equal(
            "verdict",
            &process["verdict"]["class"],
            &Value::from("idle"),
        );
        workload.finish();
    }
    problems.finish();
}

/// Threads of this test that do nothing but switch: pairs that hand each other a byte.
struct Neighbours {
    stop: Arc<AtomicBool>,
    turns: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Neighbours {
    fn start(pairs: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let turns = Arc::new(AtomicU64::new(0));
        let mut threads = Vec::new();
        for _ in 0..pairs {
            let (mut here, mut there) = UnixStream::pair().expect("a pair of sockets");
            let (stop, turns) = (Arc::clone(&stop), Arc::clone(&turns));
            threads.push(thread::spawn(move || {
                let mut byte = [0];
                while there.read(&mut byte).is_ok_and(|n| n > 0) && there.write_all(&byte).is_ok() {
                }
            }));
            threads.push(thread::spawn(move || {
                let mut byte = [0];
                while !stop.load(Ordering::Relaxed) {
                    here.write_all(&byte).expect("the other end reads");
                    here.read_exact(&mut byte).expect("the other end writes");
                    // Both sides have slept once.
                    turns.fetch_add(2, Ordering::Relaxed);
                }
            }));
        }
        Self {
            stop,
            turns,
            threads,
        }
    }

    /// Ends them; how often they have switched.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a neighbour does not panic");
        }
        self.turns.load(Ordering::Relaxed)
    }
}

#[test]
fn neighbours_that_switch_all_the_time_cost_nothing_of_the_truth() {
    let mut problems = Problems::new();
    let workload = Workload::start::<&str>(interpreter::newest(), "times.py", &[]);
    let (began, neighbours) = (Instant::now(), Neighbours::start(2));
    let report: Report = observe::classify(workload.pid, "2s", &[]);
    let seconds = began.elapsed().as_secs_f64();
    let per_s = neighbours.stop() as f64 / seconds;
    eprintln!("{per_s:.0} switches a second of neighbours");
    if per_s < 50_000.0 {
        eprintln!("SKIPPED in part: this machine has no 50,000 switches a second to spare");
    }
    times_are_right(report.process(workload.pid), &mut problems);
    for lost in [
        "samples_lost",
        "totals_full",
        "threads_full",
        "stack_ring_full",
        "sample_ring_full",
        "event_ring_full",
    ] {
        problems.equal(lost, &report.loss(lost), &0);
    }
    workload.finish();
    problems.finish();
}
