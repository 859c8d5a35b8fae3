//! What the kernel side does and counts: arming, rates, losses.

use leakcpu_tests::{
    clocks::{Sampler, machine_stood_still, tolerance},
    interpreter, observe,
    problems::Problems,
    report::{list, ns, sum_of_parts},
    workload::Workload,
};

/// What `-vv` says when the system-call tracepoint is attached.
const ARMED: &str = "tracepoint armed";

#[test]
fn system_calls_are_traced_only_while_there_is_a_suspect() {
    let mut problems = Problems::new();
    for (name, is_suspect) in [
        ("demo_cpu.py", false),
        ("demo_wait.py", false),
        ("demo_idle.py", false),
        ("demo_poll.py", true),
        ("micro_sleep.py", true),
    ] {
        problems.about(name);
        let workload = Workload::start::<&str>(interpreter::newest(), name, &[]);
        let pid = workload.pid.to_string();
        let running = observe::start(observe::command(&[
            "classify", "-p", &pid, "-d", "2s", "--json", "-vv",
        ]));
        let process = running.child.id();
        observe::until_attached(&running);
        // The kernel's own list of what is attached, as long as it runs.
        let mut attached = Vec::new();
        while std::path::Path::new("/proc")
            .join(process.to_string())
            .join("fdinfo")
            .exists()
        {
            let now = observe::links(process);
            if now == 0 {
                break;
            }
            attached.push(now);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let outcome = running.wait();
        outcome.report();
        let said = outcome.stderr.contains(ARMED);
        problems.equal("armed, by its own log", &said, &is_suspect);
        let (least, most) = (attached.iter().min(), attached.iter().max());
        if is_suspect {
            let armed = attached.iter().filter(|n| Some(*n) == most).count();
            problems.check(least < most, "nothing more was attached at any time");
            problems.check(
                armed * 2 < attached.len(),
                format!("armed at {armed} of {} looks", attached.len()),
            );
        }
        workload.finish();
    }
    problems.finish();
}

#[test]
fn samples_come_at_the_rate_asked_for() {
    let mut problems = Problems::new();
    let workload = Workload::start::<&str>(interpreter::newest(), "demo_cpu.py", &[]);
    for (rate, hz) in [("99", 99.0), ("1khz", 1000.0)] {
        let report = observe::classify(workload.pid, "2s", &["-r", rate]);
        let sampling = &report.0["sampling"];
        problems.about(sampling);
        problems.equal("requested", &sampling["requested_hz"].as_f64(), &Some(hz));
        let effective = sampling["effective_hz"].as_f64().unwrap_or(0.0);
        // A virtual machine's timers come late when its CPUs are taken away, and of a
        // thread that shares its CPU some hit and some miss.
        let time = &report.process(workload.pid)["time"];
        let is_alone = ns(time, "on_cpu_ns") * 50 >= ns(time, "wall_ns") * 49;
        let allowed = if rate == "99" || !is_alone {
            0.15
        } else {
            0.05
        };
        problems.check(
            (effective / hz - 1.0).abs() <= allowed,
            format!("{effective} samples per second on a CPU"),
        );
        let samples: i64 = list(report.process(workload.pid), "functions")
            .iter()
            .map(|f| ns(f, "samples"))
            .sum();
        problems.check(samples > 50, format!("{samples} samples"));
    }
    workload.finish();
    problems.finish();
}

#[test]
fn small_maps_lose_visibly_and_the_times_stay_exact() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        let workload = Workload::start::<&str>(python, "many_stacks.py", &[]);
        problems.about(&workload.name);
        let mut tries = 0;
        let (report, kernel) = loop {
            let sampler = Sampler::start(workload.pid);
            let report = observe::classify(
                workload.pid,
                "2500ms",
                &[
                    "--max-totals",
                    "1024",
                    "--max-stacks",
                    "1024",
                    "--ring-buffer",
                    "64k",
                ],
            );
            let kernel = sampler.stop();
            tries += 1;
            if tries == 3 || !machine_stood_still(kernel.values()) {
                break (report, kernel);
            }
        };
        for name in ["totals_full", "stack_table_full"] {
            problems.check(
                report.loss(name) > 0,
                format!("no {name} in {}", report.0["loss"]),
            );
        }
        let (_, end) = report.window();
        let process = report.process(workload.pid);
        // The kernel's clock of a thread has what watching its switches took, the report has
        // not: here every stack is new, tens of thousands of them.
        let threads = i64::try_from(list(process, "threads").len()).expect("they are few");
        let watching = ns(&report.0["cost"], "bpf_run_ns") / threads;
        for thread in list(process, "threads") {
            let (tid, time) = (ns(thread, "tid"), &thread["time"]);
            let wall = ns(time, "wall_ns");
            let clock = &kernel[&tid];
            problems.equal(format!("sum of {tid}"), &sum_of_parts(time), &wall);
            let on_cpu = clock.on_cpu.grown(end - wall, end);
            let delay = clock.run_delay.grown(end - wall, end);
            let allowed = tolerance(wall) + watching;
            problems.near(
                format!("{tid}: on CPU"),
                ns(time, "on_cpu_ns"),
                on_cpu,
                allowed,
            );
            problems.near(
                format!("{tid}: blocked"),
                ns(time, "blocked_ns"),
                wall - on_cpu - delay,
                allowed,
            );
        }
        let unattributed: i64 = list(process, "threads")
            .iter()
            .map(|thread| ns(thread, "unattributed_ns"))
            .sum();
        problems.check(unattributed > 0, "what was lost belongs to no function");
        // With room for everything nothing is lost.
        let report = observe::classify(workload.pid, "1s", &[]);
        for name in ["totals_full", "stack_table_full", "stack_ring_full"] {
            problems.equal(name, &report.loss(name), &0);
        }
        workload.finish();
    }
    problems.finish();
}
