//! What must work on every kernel. `cargo xtask kernels` runs this here and in virtual
//! machines, and makes docs/kernels.md of the answers; the virtual machines are emulated
//! and slow, so that times have more play than in the other tests, and shares have not.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use leakcpu_tests::{
    cgroup::ControlGroup,
    checks::{
        self,
        Answer::{self, Yes},
    },
    clocks::{Sampler, overlap},
    garbage,
    interpreter::{self, Interpreter},
    observe, probe_prices,
    problems::Problems,
    reasons::{BATCHES, observe_until_right},
    report::{self, Report, function, largest_line, list, ns, sum_of_parts, text},
    table_rows, verdict,
    waits::Play,
    workload::Workload,
};
use serde_json::{Value, json};

/// Why these are ignored by a plain run: other tests ask the same of this kernel.
macro_rules! checks {
    ($($test:ident: $name:literal = $body:expr;)+) => {$(
        #[test]
        #[ignore = "`cargo xtask kernels` runs it here and elsewhere"]
        fn $test() {
            checks::check($name, $body);
        }
    )+};
}

// In the order of the table, which is that of the alphabet too: tests run in it.
checks! {
    a_programs_load: "programs load and attach" = programs_load;
    b_cpu_bound: "cpu-bound" = |problems| demo("demo_cpu.py", problems);
    c_waiting: "waiting for the network" = |problems| demo("demo_wait.py", problems);
    d_poll_spin: "busy-waiting" = |problems| demo("demo_poll.py", problems);
    e_gil: "GIL" = |problems| demo("demo_gil.py", problems);
    f_idle: "idle" = |problems| demo("demo_idle.py", problems);
    g_times: "times" = times;
    h_lock: "lock wait" = lock_wait;
    i_exit_codes: "exit codes" = exit_codes;
    j_throttled: "throttled (cgroup v2)" = throttled;
    k_unplugged: "a CPU that goes and comes" = unplugged;
    l_reasons: "reasons" = reasons;
    m_collector: "collector" = collector;
    n_probes: "probes" = probes;
}

/// The newest interpreter, wherever it is: a virtual machine has one, in a root of its own.
fn python() -> &'static Interpreter {
    let here = interpreter::supported_here();
    here.last()
        .copied()
        .unwrap_or_else(|| *interpreter::all().last().expect("there is one"))
}

/// What doctor says of the kernel and of the programs; what this user may do is not asked.
fn programs_load(problems: &mut Problems) -> Answer {
    let outcome = observe::run(&["doctor", "--json"]);
    let checks: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|e| {
        panic!(
            "doctor says no JSON ({e}): {}{}",
            outcome.stdout, outcome.stderr
        )
    });
    let checks = list(&checks, "checks");
    let is_program = |check: &&Value| text(check, "id").starts_with("program-");
    let is_kernel = |check: &&Value| ["arch", "kernel", "btf"].contains(&text(check, "id"));
    let programs = checks.iter().filter(is_program).count();
    problems.check(programs >= 8, format!("only {programs} programs"));
    for check in checks
        .iter()
        .filter(|check| is_program(check) || is_kernel(check))
    {
        eprintln!(
            "{} {}: {}",
            text(check, "status"),
            text(check, "title"),
            text(check, "detail")
        );
        problems.check(
            check["status"] == "PASS",
            format!("{}: {}", text(check, "title"), text(check, "detail")),
        );
    }
    Yes
}

/// Every wait of `workloads/waits` that can be made here, with a row of docs/reasons.md
/// for each.
fn reasons(problems: &mut Problems) -> Answer {
    // One at a time: an emulated machine is slow.
    for group in BATCHES.concat() {
        let rows = observe_until_right(python(), &[group], Play::Emulated, problems);
        if rows == 0 && group == "disk" && !has_disk() {
            eprintln!("SKIPPED: there is no disk: waits for one");
            continue;
        }
        problems.check(
            rows > 0,
            format!("{group}: none of its waits could be made"),
        );
    }
    Yes
}

/// Whether this machine has a disk that it can reach.
fn has_disk() -> bool {
    let names = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.any(|name| {
        !["loop", "ram", "zram", "nbd"]
            .iter()
            .any(|kind| name.starts_with(kind))
    })
}

fn demo(name: &str, problems: &mut Problems) -> Answer {
    let workload = Workload::start::<&str>(python(), name, &[]);
    verdict::check(&workload, problems);
    workload.finish();
    Yes
}

/// What a time in an emulated machine may be off by: it is interrupted for long, and reads
/// its clocks one after the other.
fn play(wall_ns: i64) -> i64 {
    (wall_ns / 20).max(20_000_000)
}

/// On CPU and runnable as the kernel accounts for it, blocked as the workload's own clocks
/// say; and the parts sum to the whole.
fn times(problems: &mut Problems) -> Answer {
    let workload = Workload::start::<&str>(python(), "times.py", &[]);
    let sampler = Sampler::start(workload.pid);
    let report = observe::classify(workload.pid, "3s", &[]);
    let kernel = sampler.stop();
    let (pid, ready) = (workload.pid, workload.ready.clone());
    let truth = workload.finish();
    let (begin, end) = report.window();
    let process = report.process(pid);
    for thread in list(process, "threads") {
        let time = &thread["time"];
        problems.equal("sum of parts", &sum_of_parts(time), &ns(time, "wall_ns"));
    }
    for (role, tid) in ready["tids"].as_object().expect("tids is an object") {
        let tid = tid.as_i64().expect("a tid is a number");
        let time = &report::thread(process, tid)["time"];
        let begin = end - ns(time, "wall_ns");
        let allowed = play(ns(time, "wall_ns"));
        let on_cpu = ns(time, "on_cpu_ns");
        let ran = kernel[&tid].on_cpu.grown(begin, end);
        problems.near(format!("{role}: on CPU"), on_cpu, ran, allowed);
        let delay = kernel[&tid].run_delay.grown(begin, end);
        let runnable = ns(time, "runnable_ns");
        problems.near(format!("{role}: runnable"), runnable, delay, allowed);
    }
    for (name, role, reason) in [
        ("nap", "sleep", "sleep"),
        ("receive", "receive", "net-recv"),
    ] {
        let spans = truth["waits"][role].as_array().expect("waits are a list");
        let line = ns(&ready["lines"], name);
        let tid = ns(&ready["tids"], role);
        let waited = (
            overlap(spans, begin, end),
            beside_the_wait(&report, pid, tid),
        );
        wait_is_named(process, (name, line, reason), waited, end - begin, problems);
    }
    Yes
}

/// From a call to its return is more than the wait: the way to a CPU, the GIL, and the
/// call's own time on the CPU.
fn beside_the_wait(report: &Report, pid: u32, tid: i64) -> i64 {
    let time = &report::thread(report.process(pid), tid)["time"];
    ns(time, "on_cpu_ns") + ns(time, "runnable_ns") + ns(&time["blocked_by_reason"], "gil")
}

/// The wait is in its function, at its line, for its reason, and as long as the time from
/// the calls to their returns, of which so much at most is beside the wait.
fn wait_is_named(
    process: &Value,
    (name, line, reason): (&str, i64, &str),
    (waited, beside): (i64, i64),
    wall: i64,
    problems: &mut Problems,
) {
    let waiting = function(process, name);
    let blocked = ns(&waiting["blocked_by_reason"], reason);
    problems.between(
        format!("blocked in {name} for {reason}"),
        blocked,
        waited - beside - play(wall),
        waited + play(wall),
    );
    problems.check(waited * 4 > wall, format!("{name} hardly waited"));
    problems.equal(
        format!("line of {name}"),
        &largest_line(waiting, "blocked_ns"),
        &line,
    );
}

/// The collections that a program's own callbacks see.
fn collector(problems: &mut Problems) -> Answer {
    // An emulated machine takes its time between a callback and a probe.
    const BETWEEN_NS: i64 = 20_000_000;
    if !garbage::has_probes(python()) {
        return Answer::Skipped("the interpreter has no probes".to_owned());
    }
    garbage::check(python(), BETWEEN_NS, problems);
    Yes
}

/// What listening takes by each way that this kernel has: rows of docs/usdt.md.
fn probes(problems: &mut Problems) -> Answer {
    let all = interpreter::all();
    let Some(python) = all.iter().rev().find(|python| garbage::has_probes(python)) else {
        return Answer::Skipped("no interpreter has probes".to_owned());
    };
    let file = fs::canonicalize(python.file()).expect("it is there");
    let found = match probe_prices::prices(&file) {
        Ok(found) => found,
        Err(why) => {
            problems.add(format!("{why:#}"));
            return Yes;
        }
    };
    let system_call_ns = probe_prices::system_call_ns();
    for way in &found {
        table_rows::write(&json!({
            "way": way.way, "passing_ns": way.passing_ns, "system_call_ns": system_call_ns,
            "places": way.places, "detaching_ms": way.detaching_ms,
        }));
        problems.check(
            way.passing_ns > 0.0,
            format!("{}: nobody seems to listen", way.way),
        );
    }
    problems.check(!found.is_empty(), "there is no way to listen");
    Yes
}

fn lock_wait(problems: &mut Problems) -> Answer {
    let workload = Workload::start::<&str>(python(), "lock_wait.py", &[]);
    let report = observe::classify(workload.pid, "3s", &[]);
    let (pid, stated) = (workload.pid, workload.ready["truth"].clone());
    let own = workload.finish();
    let (begin, end) = report.window();
    let spans = own["counts"]["spans"].as_array().expect("spans are a list");
    let tid = ns(&own["threads"][1], "tid");
    let waited = (
        overlap(spans, begin, end),
        beside_the_wait(&report, pid, tid),
    );
    let wait = (text(&stated, "function"), ns(&stated, "line"), "lock");
    wait_is_named(report.process(pid), wait, waited, end - begin, problems);
    Yes
}

/// A quota of a fifth of a CPU in a group of v2: its part of the wait is told from the
/// machine's, by the group's own account, and named.
fn throttled(problems: &mut Problems) -> Answer {
    if !ControlGroup::is_unified() {
        return Answer::Skipped("the controller `cpu` is in a hierarchy of v1 here".to_owned());
    }
    let Some(group) = ControlGroup::with_quota("kernels", Duration::from_millis(20)) else {
        return Answer::Skipped("no group with a quota can be made".to_owned());
    };
    let workload = Workload::start(python(), "compute.py", &["sieve"]);
    group.take(workload.pid);
    let started = Instant::now();
    while group.throttled_ns() == 0 {
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "no quota is kept"
        );
        thread::sleep(Duration::from_millis(10));
    }
    let before = group.throttled_ns();
    let report = observe::classify(workload.pid, "4s", &[]);
    let held_back = group.throttled_ns() - before;
    let process = report.process(workload.pid);
    let (time, verdict) = (&process["time"], &process["verdict"]);
    let wall = ns(time, "wall_ns");
    problems.equal("sum of parts", &sum_of_parts(time), &wall);
    let throttled = ns(time, "throttled_ns");
    problems.between("throttled", throttled, wall / 2, held_back + play(wall));
    let share = process["accounts"]["residual_share"]
        .as_f64()
        .unwrap_or(f64::NAN);
    problems.check(share < 0.05, format!("residual: {}", process["accounts"]));
    problems.equal("class", &text(verdict, "class"), &"cpu-starved");
    problems.equal("detail", &text(verdict, "detail"), &"throttled");
    problems.equal("otherwise", &text(verdict, "otherwise"), &"cpu-bound");
    let quotas = list(process, "quotas");
    let own = quotas
        .iter()
        .find(|quota| quota["cgroup"] == group.name.as_str());
    problems.equal(
        "quota",
        &own.map_or(0, |quota| ns(quota, "quota_ns")),
        &20_000_000,
    );
    workload.finish();
    Yes
}

/// A CPU is taken away while it is watched, and given back.
fn unplugged(problems: &mut Problems) -> Answer {
    let file = "/sys/devices/system/cpu/cpu1/online";
    let workload = Workload::start(python(), "compute.py", &["sieve"]);
    let pid = workload.pid.to_string();
    let running = observe::start(observe::command(&[
        "classify", "-p", &pid, "-d", "5s", "--json",
    ]));
    observe::until_attached(&running);
    let gone = fs::write(file, "0");
    thread::sleep(Duration::from_millis(500));
    if let Err(error) = gone {
        return Answer::Skipped(format!("{file}: {error}"));
    }
    fs::write(file, "1").expect("it can be given back");
    let report = running.wait().report();
    let process = report.process(workload.pid);
    let time = &process["time"];
    problems.equal("sum of parts", &sum_of_parts(time), &ns(time, "wall_ns"));
    let share = process["accounts"]["residual_share"]
        .as_f64()
        .unwrap_or(f64::NAN);
    problems.check(share < 0.05, format!("residual: {}", process["accounts"]));
    let hz = report.0["sampling"]["effective_hz"].as_f64().unwrap_or(0.0);
    problems.check(hz > 30.0, format!("{hz} samples a second of 99"));
    workload.finish();
    Yes
}

/// 0 for a run that went well, 1 for a process that is not there, 2 for nonsense, 3 for
/// findings where they are to fail it, and a command's own.
fn exit_codes(problems: &mut Problems) -> Answer {
    let workload = Workload::start::<&str>(python(), "demo_poll.py", &[]);
    let pid = workload.pid.to_string();
    // The limit of `kernel.pid_max`, which no process reaches.
    let nobody = "4194304";
    for (args, code) in [
        (&["classify", "-p", &pid, "-d", "1s"][..], 0),
        (&["classify", "-p", nobody, "-d", "1s"], 1),
        (&["classify", "--no-such-option"], 2),
        (
            &[
                "classify",
                "-p",
                &pid,
                "-d",
                "2s",
                "--fail-on",
                "busy-waiting",
            ],
            3,
        ),
        (
            &["classify", "--exit-status", "--", "sh", "-c", "exit 7"],
            7,
        ),
    ] {
        let outcome = observe::run(args);
        if outcome.code() != code {
            eprintln!("{}{}", outcome.stdout, outcome.stderr);
        }
        problems.equal(format!("exit code of {args:?}"), &outcome.code(), &code);
    }
    workload.finish();
    Yes
}
