//! Times against the workload's own clocks, on every interpreter.

use leakcpu_tests::{
    clocks::{Sampler, checkpoints, machine_stood_still, overlap, tolerance},
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{
        PARTS, Report, function, is_called, largest, largest_line, list, ns, sum_of_parts, text,
        thread,
    },
    workload::Workload,
};
use serde_json::Value;

#[test]
fn times_equal_the_clocks_of_the_target() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        eprintln!("{python}");
        problems.about(&python.version);
        times_on(python, &mut problems);
    }
    problems.finish();
}

fn times_on(python: &Interpreter, problems: &mut Problems) {
    let workload = Workload::start::<&str>(python, "times.py", &[]);
    let mut tries = 0;
    let (report, kernel) = loop {
        let sampler = Sampler::start(workload.pid);
        let report = observe::classify(workload.pid, "3s", &[]);
        let kernel = sampler.stop();
        tries += 1;
        if tries == 3 || !machine_stood_still(kernel.values()) {
            break (report, kernel);
        }
    };
    let (pid, ready) = (workload.pid, workload.ready.clone());
    let truth = workload.finish();

    let process = report.process(pid);
    problems.check(process["unreadable"].is_null(), &process["unreadable"]);
    adds_up(process, problems);
    let accounts = &process["accounts"];
    let residual = accounts["residual_share"].as_f64().unwrap_or(f64::NAN);
    eprintln!("  residual {:.3} %", residual * 100.0);
    problems.check(residual < 0.02, format!("residual: {accounts}"));
    let (_, window_end) = report.window();
    let mut on_cpu_kernel = 0;
    let roles = ready["tids"].as_object().expect("tids is an object");
    for (role, tid) in roles {
        let tid = tid.as_i64().expect("a tid is a number");
        let time = &thread(process, tid)["time"];
        let begin = window_end - ns(time, "wall_ns");
        let allowed = tolerance(ns(time, "wall_ns"));
        let on_cpu = checkpoints(&truth["clocks"][role]).grown(begin, window_end);
        on_cpu_kernel += kernel[&tid].on_cpu.grown(begin, window_end);
        let delay = kernel[&tid].run_delay.grown(begin, window_end);
        let off_cpu = ns(time, "wall_ns") - on_cpu;
        // A wait for a CPU is added when it ends, wherever the window does.
        let late = allowed + kernel[&tid].run_delay.largest_step();
        problems.near(
            format!("{role}: on CPU"),
            ns(time, "on_cpu_ns"),
            on_cpu,
            allowed,
        );
        problems.near(
            format!("{role}: runnable"),
            ns(time, "runnable_ns"),
            delay,
            late,
        );
        problems.near(
            format!("{role}: blocked"),
            ns(time, "blocked_ns"),
            off_cpu - delay,
            late,
        );
        if let Some(waits) = truth["waits"][role].as_array() {
            // By the thread's own clocks: from the call to its return, so the way to
            // a CPU and to the GIL is in it, and the call's own CPU time.
            let waited = overlap(waits, begin, window_end);
            let blocked = ns(time, "blocked_ns");
            let around = ns(time, "runnable_ns") + ns(time, "on_cpu_ns");
            if role != "duty" {
                problems.between(
                    format!("{role}: blocked, by its own clocks"),
                    blocked,
                    waited - around - allowed,
                    waited + gil(time) + allowed,
                );
            }
        }
        if role.starts_with("park") {
            problems.equal(format!("{role}: on CPU"), &ns(time, "on_cpu_ns"), &0);
        }
    }
    let main = &thread(process, ns(&ready, "main"))["time"];
    problems.equal("main: on CPU", &ns(main, "on_cpu_ns"), &0);
    on_cpu_kernel += kernel[&ns(&ready, "main")].on_cpu.grown(0, window_end);
    on_cpu_kernel -= kernel[&ns(&ready, "main")].on_cpu.at(0);
    let wall = report.0["window"]["duration_ns"].as_i64().unwrap_or(0);
    // Every thread's figures of the kernel may be old by one reading.
    problems.near(
        "all threads: on CPU",
        ns(&process["time"], "on_cpu_ns"),
        on_cpu_kernel.max(0),
        tolerance(wall) * 2,
    );
    functions(&report, pid, &ready, &truth, problems);
}

/// Waits for the GIL: they also come between two lines, where no clock is read.
fn gil(times: &Value) -> i64 {
    ns(&times["blocked_by_reason"], "gil")
}

/// The parts of every time sum to it, the threads to the process.
fn adds_up(process: &Value, problems: &mut Problems) {
    let threads = list(process, "threads");
    for thread in threads {
        let (name, time) = (&thread["tid"], &thread["time"]);
        let wall = ns(time, "wall_ns");
        problems.equal(format!("sum of {name}"), &sum_of_parts(time), &wall);
        let reasons = time["blocked_by_reason"].as_object().expect("an object");
        let by_reason: i64 = reasons.values().filter_map(Value::as_i64).sum();
        problems.between(
            format!("{name}: reasons of its blocked time"),
            by_reason,
            ns(time, "blocked_ns") - wall / 200,
            ns(time, "blocked_ns"),
        );
        problems.check(
            ns(time, "unaccounted_ns") * 200 <= wall,
            format!(
                "{name}: {} of {wall} ns unaccounted",
                ns(time, "unaccounted_ns")
            ),
        );
    }
    for part in PARTS.iter().chain(&["wall_ns"]) {
        let sum: i64 = threads.iter().map(|t| ns(&t["time"], part)).sum();
        problems.equal(
            format!("{part} of the process"),
            &ns(&process["time"], part),
            &sum,
        );
    }
}

/// The right function and line come first, with their times.
fn functions(report: &Report, pid: u32, ready: &Value, truth: &Value, problems: &mut Problems) {
    let process = report.process(pid);
    let line_in = |name: &str| ns(&ready["lines"], name);
    let (begin, end) = report.window();
    let allowed = tolerance(end - begin);

    let hottest = largest(process, "self_on_cpu_ns");
    let churn = function(process, "churn");
    problems.check(
        is_called(text(hottest, "function"), "churn"),
        format!("{} is hottest", hottest["function"]),
    );
    problems.equal("hot line", &ns(churn, "hot_line"), &line_in("churn"));
    problems.equal("file", &churn["file"], &ready["file"]);
    let computed = checkpoints(&truth["clocks"]["compute"]).grown(begin, end);
    problems.between(
        "on CPU in churn",
        ns(churn, "self_on_cpu_ns"),
        computed * 9 / 10,
        computed + allowed,
    );

    let longest = largest(process, "self_blocked_ns");
    problems.check(
        is_called(text(longest, "function"), "park"),
        format!("{} waits longest", longest["function"]),
    );
    for (name, role) in [("nap", "sleep"), ("receive", "receive"), ("rest", "duty")] {
        let waiting = function(process, name);
        let waits = truth["waits"][role].as_array().expect("waits are a list");
        let waited = overlap(waits, begin, end);
        let time = &thread(process, ns(&ready["tids"], role))["time"];
        let around = ns(time, "runnable_ns")
            + if role == "duty" {
                0
            } else {
                ns(time, "on_cpu_ns")
            };
        problems.between(
            format!("blocked in {name}"),
            ns(waiting, "self_blocked_ns"),
            waited - around - allowed,
            waited + gil(waiting) + allowed,
        );
        problems.equal(
            format!("line of the wait in {name}"),
            &largest_line(waiting, "blocked_ns"),
            &line_in(name),
        );
    }
    for (name, reason) in [
        ("nap", "sleep"),
        ("receive", "net-recv"),
        ("rest", "sleep"),
        ("park", "net-recv"),
    ] {
        let of_reason = ns(&function(process, name)["blocked_by_reason"], reason);
        let all = ns(function(process, name), "self_blocked_ns");
        problems.check(
            of_reason * 2 > all,
            format!("{name}: {of_reason} of {all} ns blocked by {reason}"),
        );
        let found = list(process, "waits").iter().any(|wait| {
            wait["reason"] == reason
                && wait["line"] == line_in(name)
                && wait["function"]
                    .as_str()
                    .is_some_and(|f| is_called(f, name))
        });
        problems.check(found, format!("no wait of {name} for {reason}"));
    }
}
