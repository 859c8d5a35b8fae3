//! The machine's part: quotas, other programs, the hypervisor; and what the scheduler
//! itself says of the times.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use leakcpu_tests::{
    cgroup::ControlGroup,
    clocks::{Sampler, machine_stood_still, stolen_ns, tolerance},
    interpreter, observe,
    problems::Problems,
    report::{Report, list, ns, sum_of_parts, text},
    workload::Workload,
};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use serde_json::Value;

/// The default of the kernel, and what the groups of these tests have.
const PERIOD_NS: i64 = 100_000_000;

fn burner() -> Workload {
    Workload::start(interpreter::newest(), "compute.py", &["sieve"])
}

/// Watches for `seconds`, again if the machine stood still meanwhile; the report, and by
/// the scheduler's accounts how long the main thread ran and was ready in the window, and
/// the longest wait of these: they are added when they end.
fn watch(pid: u32, seconds: &str) -> (Report, i64, i64, i64) {
    let mut tries = 0;
    loop {
        let sampler = Sampler::start(pid);
        let report = observe::classify(pid, seconds, &[]);
        let clocks = sampler.stop();
        tries += 1;
        if tries < 3 && machine_stood_still(clocks.values()) {
            continue;
        }
        let (begin, end) = report.window();
        let clock = &clocks[&i64::from(pid)];
        let on_cpu = clock.on_cpu.grown(begin, end);
        let delay = clock.run_delay.grown(begin, end);
        return (report, on_cpu, delay, clock.run_delay.largest_step());
    }
}

#[test]
fn a_quota_is_told_from_a_busy_machine() {
    let Some(group) = ControlGroup::with_quota("fifth", Duration::from_millis(20)) else {
        return;
    };
    let mut problems = Problems::new();
    let workload = burner();
    group.take(workload.pid);
    // It has used up its quota at least once by then.
    let started = Instant::now();
    while group.throttled_ns() == 0 {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "no quota is kept"
        );
        thread::sleep(Duration::from_millis(10));
    }
    let before = group.throttled_ns();
    let (report, on_cpu, delay, late) = watch(workload.pid, "3s");
    let held_back = group.throttled_ns() - before;
    let process = report.process(workload.pid);
    let (time, verdict) = (&process["time"], &process["verdict"]);
    let wall = ns(time, "wall_ns");
    let allowed = tolerance(wall);

    problems.equal("sum of the parts", &sum_of_parts(time), &wall);
    problems.near("on CPU", ns(time, "on_cpu_ns"), on_cpu, allowed);
    // What the scheduler calls run delay is both; it counts a wait when it ends.
    let throttled = ns(time, "throttled_ns");
    let ready = ns(time, "runnable_ns") + throttled;
    problems.near("ready", ready, delay, allowed + late);
    // The group's own account covers a little more than the window.
    problems.between("throttled", throttled, wall * 2 / 10, held_back + allowed);
    let quotas = list(process, "quotas");
    let own = quotas
        .iter()
        .find(|quota| quota["cgroup"] == group.name.as_str());
    if let Some(quota) = own {
        problems.equal("quota", &ns(quota, "quota_ns"), &20_000_000);
        problems.equal("period", &ns(quota, "period_ns"), &PERIOD_NS);
        let by_group = ns(quota, "throttled_ns");
        // Its clock is read when it stops, and whether the thread was held back when
        // watching began is not known.
        problems.near("the group's", by_group, throttled, allowed + PERIOD_NS * 2);
        problems.check(by_group <= held_back, "more than the group's own account");
        problems.check(
            ns(quota, "throttled_periods") > 0,
            format!("its quota was never used up: {quota}"),
        );
    } else {
        problems.add(format!("no quota of {} among {quotas:?}", group.name));
    }
    problems.equal("class", &text(verdict, "class"), &"cpu-starved");
    problems.equal("otherwise", &text(verdict, "otherwise"), &"cpu-bound");
    // On a full machine it may wait for a CPU longer than for its quota.
    if throttled > ns(time, "runnable_ns") {
        problems.equal("detail", &text(verdict, "detail"), &"throttled");
        problems.check(
            said(verdict).contains(&group.name),
            format!("the group is not named: {}", said(verdict)),
        );
    }
    agrees_with_the_scheduler(process, &mut problems);
    workload.finish();
    problems.finish();
}

#[test]
fn a_quota_that_is_not_used_up_holds_nobody_back() {
    let Some(group) = ControlGroup::with_quota("ample", Duration::from_millis(400)) else {
        return;
    };
    let mut problems = Problems::new();
    let workload = burner();
    group.take(workload.pid);
    let before = group.throttled_ns();
    let report = observe::classify(workload.pid, "2s", &[]);
    let held_back = group.throttled_ns() - before;
    let process = report.process(workload.pid);
    problems.equal("the group's own account", &held_back, &0);
    problems.equal(
        "throttled",
        &process["time"]["throttled_ns"],
        &Value::from(0),
    );
    problems.check(
        process["verdict"]["detail"] != "throttled",
        &process["verdict"],
    );
    workload.finish();
    problems.finish();
}

#[test]
fn who_ran_instead_is_named() {
    let mut problems = Problems::new();
    let (starved, rival) = (burner(), burner());
    // The last CPU: the first has the interrupts.
    let mine = sched_getaffinity(Pid::from_raw(0)).expect("own CPUs can be asked for");
    let cpu = (0..CpuSet::count())
        .rfind(|cpu| mine.is_set(*cpu).unwrap_or(false))
        .expect("this test runs somewhere");
    let mut one = CpuSet::new();
    one.set(cpu).expect("a CPU of this host");
    for pid in [starved.pid, rival.pid] {
        let pid = Pid::from_raw(i32::try_from(pid).expect("a pid fits"));
        sched_setaffinity(pid, &one).expect("root may pin what it started");
    }
    let (report, on_cpu, delay, late) = watch(starved.pid, "3s");
    let process = report.process(starved.pid);
    let (time, verdict) = (&process["time"], &process["verdict"]);
    let wall = ns(time, "wall_ns");
    problems.equal("throttled", &time["throttled_ns"], &Value::from(0));
    problems.equal("sum of the parts", &sum_of_parts(time), &wall);
    problems.near("on CPU", ns(time, "on_cpu_ns"), on_cpu, tolerance(wall));
    let runnable = ns(time, "runnable_ns");
    problems.near("runnable", runnable, delay, tolerance(wall) + late);
    problems.equal("class", &text(verdict, "class"), &"cpu-starved");
    problems.equal("detail", &text(verdict, "detail"), &"run-queue");
    problems.equal("otherwise", &text(verdict, "otherwise"), &"cpu-bound");

    let rivals = list(process, "ran_instead");
    let named = rivals.iter().find(|r| r["pid"] == rival.pid);
    let waited: i64 = rivals.iter().map(|r| ns(r, "ran_ns")).sum();
    // Others may want that CPU too.
    problems.check(
        named.is_some_and(|r| ns(r, "ran_ns") * 4 >= waited),
        format!("{} is not among {rivals:?}", rival.pid),
    );
    problems.check(
        waited <= ns(time, "runnable_ns"),
        format!("{waited} ns of waits in {} ns", ns(time, "runnable_ns")),
    );
    if rivals.first().is_some_and(|r| r["pid"] == rival.pid) {
        problems.check(
            said(verdict).contains(&rival.pid.to_string()),
            format!("the rival is not named: {}", said(verdict)),
        );
    }
    agrees_with_the_scheduler(process, &mut problems);
    starved.finish();
    rival.finish();
    problems.finish();
}

/// Threads are watched one process after the other, and the window begins when all are.
#[test]
fn nobody_is_observed_for_longer_than_the_window() {
    let mut problems = Problems::new();
    let workloads: Vec<Workload> = ["times.py", "demo_gil.py", "idle_server.py", "times.py"]
        .iter()
        .map(|name| Workload::start::<&str>(interpreter::newest(), name, &[]))
        .collect();
    let report = observe::run(&["classify", "-d", "1s", "--json"]).report();
    let window = ns(&report.0["window"], "duration_ns");
    for process in report.processes() {
        for thread in list(process, "threads") {
            let wall = ns(&thread["time"], "wall_ns");
            problems.check(
                wall <= window,
                format!(
                    "{} of {}: {wall} ns of {window}",
                    thread["tid"], process["pid"]
                ),
            );
            problems.equal(
                format!("sum of {}", thread["tid"]),
                &sum_of_parts(&thread["time"]),
                &wall,
            );
        }
    }
    for workload in &workloads {
        problems.about(&workload.name);
        // Its main thread lives all the time.
        let process = report.process(workload.pid);
        let main = list(process, "threads")
            .iter()
            .find(|thread| thread["tid"] == workload.pid)
            .map_or(0, |thread| ns(&thread["time"], "wall_ns"));
        problems.between("wall of the main thread", main, window * 99 / 100, window);
    }
    for workload in workloads {
        workload.finish();
    }
    problems.finish();
}

#[test]
fn steal_is_null_where_it_cannot_be_known() {
    let mut problems = Problems::new();
    let workload = burner();
    let before = stolen_ns();
    let report = observe::classify(workload.pid, "2s", &[]);
    let after = stolen_ns();
    let time = &report.process(workload.pid)["time"];
    let is_virtual = fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| {
        text.lines()
            .any(|line| line.starts_with("flags") && line.contains(" hypervisor"))
    });
    eprintln!("stolen: {before} to {after} ns; virtual machine: {is_virtual}");
    match time["steal_ns"].as_i64() {
        None => problems.check(is_virtual && after == 0, "null, but it is counted here"),
        Some(steal) => {
            problems.check(after > 0 || !is_virtual, "a figure that nobody counted");
            // No more than all CPUs lost, nor than it was on one.
            let most = (after - before).min(ns(time, "on_cpu_ns"));
            problems.between("steal", steal, 0, most);
        }
    }
    workload.finish();
    problems.finish();
}

/// Attaching and detaching at the same tracepoints was seen to keep events from others.
#[test]
fn another_copy_takes_no_time_away() {
    let mut problems = Problems::new();
    let (workload, other) = (burner(), burner());
    let pid = other.pid.to_string();
    let copies = thread::spawn(move || {
        for _ in 0..8 {
            observe::run(&["classify", "-p", &pid, "-d", "100ms", "--json"]).report();
        }
    });
    let report = observe::classify(workload.pid, "4s", &[]);
    copies.join().expect("no copy fails");
    let process = report.process(workload.pid);
    let time = &process["time"];
    problems.equal(
        "sum of the parts",
        &sum_of_parts(time),
        &ns(time, "wall_ns"),
    );
    let missed = report.loss("switch_missed");
    eprintln!("{missed} switches missed");
    let unaccounted = ns(time, "unaccounted_ns");
    problems.check(
        unaccounted == 0 || missed > 0,
        format!("{unaccounted} ns are unaccounted and nothing was missed"),
    );
    if unaccounted == 0 {
        agrees_with_the_scheduler(process, &mut problems);
    }
    workload.finish();
    other.finish();
    problems.finish();
}

fn said(verdict: &Value) -> String {
    let texts: Vec<&str> = list(verdict, "because")
        .iter()
        .map(|because| text(because, "text"))
        .collect();
    texts.join("; ")
}

/// The report's own comparison was made, and shows less than 2 %.
fn agrees_with_the_scheduler(process: &Value, problems: &mut Problems) {
    let accounts = &process["accounts"];
    let share = accounts["residual_share"].as_f64().unwrap_or(f64::NAN);
    eprintln!("residual {:.3} %", share * 100.0);
    problems.check(share < 0.02, format!("residual: {accounts}"));
    problems.check(
        ns(accounts, "span_ns") * 2 > ns(&process["time"], "wall_ns"),
        format!("compared over a part only: {accounts}"),
    );
}
