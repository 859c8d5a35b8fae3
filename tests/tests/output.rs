//! The documents: valid, complete, and consistent with each other.

use std::{fs, path::Path, process::Command};

use leakcpu_tests::{
    collapsed, interpreter, observe,
    problems::Problems,
    report::{Report, list, ns, text},
    workload::Workload,
};
use serde_json::Value;

const CLASSIFY: &str = include_str!("../../leakcpu-user/schema/classify.schema.json");
const DOCTOR: &str = include_str!("../../leakcpu-user/schema/doctor.schema.json");

/// What is wrong with a document, by its schema.
fn invalid(schema: &str, document: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is a schema");
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn the_schemas_refuse_what_is_no_report() {
    for (name, schema) in [("classify", CLASSIFY), ("doctor", DOCTOR)] {
        for nonsense in [
            serde_json::json!({}),
            serde_json::json!({"schema_version": 1, "kind": "other"}),
        ] {
            assert!(
                !invalid(schema, &nonsense).is_empty(),
                "the schema of {name} accepts {nonsense}"
            );
        }
    }
}

#[test]
fn reports_are_valid_and_add_up() {
    let mut problems = Problems::new();
    let workloads: Vec<Workload> = [
        ("demo_cpu.py", &[][..]),
        ("demo_gil.py", &[]),
        ("demo_idle.py", &[]),
        ("demo_wait.py", &[]),
        ("micro_sleep.py", &[]),
        ("stacks.py", &["waits"]),
    ]
    .into_iter()
    .zip(interpreter::all().into_iter().rev().cycle())
    .map(|((name, args), python)| Workload::start(python, name, args))
    .collect();
    // System-wide: everything else that is Python here is in it, too.
    let report = observe::run(&["classify", "-d", "2s", "--json"]).report();
    for error in invalid(CLASSIFY, &report.0) {
        problems.add(error);
    }
    for name in ["samples_lost", "stacks_truncated", "stack_in_transition"] {
        problems.check(
            report.0["loss"][name].is_u64(),
            format!("no {name} in {}", report.0["loss"]),
        );
    }
    for workload in &workloads {
        problems.about(&workload.name);
        adds_up(report.process(workload.pid), &mut problems);
    }
    problems.about("by pid");
    let one = observe::classify(workloads[5].pid, "300ms", &[]);
    for error in invalid(CLASSIFY, &one.0) {
        problems.add(error);
    }
    problems.finish();
}

/// The functions' own times and what belongs to none are the process' time.
fn adds_up(process: &Value, problems: &mut Problems) {
    let of_functions = |figure: &str| -> i64 {
        list(process, "functions")
            .iter()
            .map(|f| ns(f, figure))
            .sum()
    };
    let unattributed: i64 = list(process, "threads")
        .iter()
        .map(|thread| ns(thread, "unattributed_ns"))
        .sum();
    let time = &process["time"];
    let selves = of_functions("self_on_cpu_ns")
        + of_functions("self_blocked_ns")
        + of_functions("runnable_ns");
    let whole = ns(time, "on_cpu_ns") + ns(time, "blocked_ns") + ns(time, "runnable_ns");
    // A nanosecond may be rounded away for each line of the table.
    let rounding = i64::try_from(list(process, "functions").len()).expect("few") * 3
        + i64::try_from(list(process, "threads").len()).expect("few") * 3;
    problems.near(
        "functions and the rest",
        selves + unattributed,
        whole,
        rounding,
    );
    let by_reason: i64 = time["blocked_by_reason"]
        .as_object()
        .expect("an object")
        .values()
        .filter_map(Value::as_i64)
        .sum();
    problems.check(
        by_reason <= ns(time, "blocked_ns") + rounding,
        format!("{by_reason} ns by reason of {} blocked", time["blocked_ns"]),
    );
    for function in list(process, "functions") {
        for (of_self, of_total) in [
            ("self_on_cpu_ns", "total_on_cpu_ns"),
            ("self_blocked_ns", "total_blocked_ns"),
        ] {
            problems.check(
                ns(function, of_self) <= ns(function, of_total),
                format!(
                    "{of_self} of {} is more than its total",
                    function["function"]
                ),
            );
        }
        let lines: i64 = list(function, "lines")
            .iter()
            .map(|l| ns(l, "on_cpu_ns"))
            .sum();
        problems.near(
            format!("lines of {}", function["function"]),
            lines,
            ns(function, "self_on_cpu_ns"),
            100,
        );
    }
    if let (Some(user), Some(kernel)) = (
        time["on_cpu_user_ns"].as_i64(),
        time["on_cpu_kernel_ns"].as_i64(),
    ) {
        problems.near(
            "user and kernel",
            user + kernel,
            ns(time, "on_cpu_ns"),
            rounding,
        );
    }
    if let Some(shares) = process["verdict"]["shares"].as_object() {
        let sum: f64 = shares.values().filter_map(Value::as_f64).sum();
        problems.check(
            shares.is_empty() || (sum - 1.0).abs() < 0.01,
            format!("shares sum to {sum}: {shares:?}"),
        );
    }
}

#[test]
fn an_interpreter_too_new_to_be_read_still_has_times_and_a_verdict() {
    let newer = interpreter::newer();
    if newer.is_empty() {
        eprintln!("SKIPPED: no interpreter newer than any supported one");
    }
    for python in newer {
        let workload = Workload::start::<&str>(python, "demo_wait.py", &[]);
        let report = observe::classify(workload.pid, "1s", &[]);
        assert_eq!(invalid(CLASSIFY, &report.0), Vec::<String>::new());
        let process = report.process(workload.pid);
        assert!(
            ns(&process["time"], "blocked_ns") > 500_000_000,
            "{process}"
        );
        if !process["unreadable"].is_null() {
            assert!(!text(&process["unreadable"], "how_to_fix").is_empty());
        }
        assert_eq!(text(&process["verdict"], "class"), "io-bound", "{process}");
        workload.finish();
    }
}

#[test]
fn the_doctor_is_content_here_and_its_document_is_valid() {
    let outcome = observe::run(&["doctor", "--json"]);
    assert_eq!(outcome.code(), 0, "{}{}", outcome.stdout, outcome.stderr);
    let document = Report::parse(&outcome.stdout).0;
    assert_eq!(invalid(DOCTOR, &document), Vec::<String>::new());
    assert_eq!(document["ok"], true);
    let shown = observe::run(&["doctor"]);
    assert_eq!(shown.code(), 0);
    for check in list(&document, "checks") {
        let title = text(check, "title");
        // Processes come and go between the two.
        if !title.starts_with("Python process") {
            assert!(
                shown.stdout.contains(title),
                "no `{title}` in:\n{}",
                shown.stdout
            );
        }
    }
}

#[test]
fn flame_graphs_are_well_formed_and_show_the_hot_function() {
    let python = interpreter::newest();
    let computing = Workload::start::<&str>(python, "demo_cpu.py", &[]);
    let waiting = Workload::start::<&str>(python, "demo_wait.py", &[]);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("flames");
    let outcome = observe::run(&[
        "classify",
        "-p",
        &computing.pid.to_string(),
        "-p",
        &waiting.pid.to_string(),
        "-d",
        "1s",
        "--format",
        "flamegraph",
        "-o",
        file.to_str().expect("a temporary path is plain text"),
    ]);
    assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
    for (suffix, words) in [
        ("on-cpu.svg", &["normalise", "demo_cpu.py"][..]),
        ("off-cpu.svg", &["fetch_price", "net-recv", "demo_wait.py"]),
    ] {
        let path = file.with_extension(suffix);
        let svg = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for word in words {
            assert!(svg.contains(word), "no `{word}` in the graph {suffix}");
        }
        well_formed(&path);
    }
    computing.finish();
    waiting.finish();
}

/// An independent parser reads it.
fn well_formed(path: &Path) {
    const PARSE: &str = "import sys, xml.etree.ElementTree as e; \
                         print(e.parse(sys.argv[1]).getroot().tag)";
    let output = Command::new(&interpreter::newest().path)
        .args(["-c", PARSE])
        .arg(path)
        .output()
        .expect("the interpreter can be started");
    let tag = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && tag.trim().ends_with("svg"),
        "{}: {tag} {}",
        path.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn collapsed_stacks_weigh_what_the_clocks_say() {
    let mut problems = Problems::new();
    let python = interpreter::newest();
    let computing = Workload::start::<&str>(python, "demo_cpu.py", &[]);
    let waiting = Workload::start::<&str>(python, "demo_wait.py", &[]);
    let pids = [computing.pid.to_string(), waiting.pid.to_string()];
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("stacks");
    let sampler = leakcpu_tests::clocks::Sampler::start(computing.pid);
    let outcome = observe::run(&[
        "classify",
        "-p",
        &pids[0],
        "-p",
        &pids[1],
        "-d",
        "2s",
        "--format",
        "collapsed",
        "-r",
        "500",
        "-o",
        file.to_str().expect("a temporary path is plain text"),
    ]);
    sampler.stop();
    problems.equal("exit code", &outcome.code(), &0);
    let on_cpu = collapsed::read(&file);
    let off_cpu = collapsed::read(&file.with_extension("off-cpu"));
    let sum = |lines: &[collapsed::Line], pid: u32| -> u64 {
        lines
            .iter()
            .filter(|line| line.pid() == i64::from(pid))
            .map(|line| line.weight)
            .sum()
    };
    // Samples at 500 Hz are 2 ms each; with the time off the CPU they fill the window.
    let filled = sum(&on_cpu, computing.pid) * 2_000 + sum(&off_cpu, computing.pid);
    problems.between(
        "window filled by the computing process",
        i64::try_from(filled * 1000).expect("a few seconds"),
        1_850_000_000,
        2_250_000_000,
    );
    let waited: u64 = off_cpu
        .iter()
        .filter(|line| line.pid() == i64::from(waiting.pid))
        .filter(|line| {
            line.frames
                .last()
                .is_some_and(|f| f.starts_with("[net-recv"))
        })
        .map(|line| line.weight)
        .sum();
    problems.check(waited > 1_500_000, format!("{waited} us in net-recv"));
    computing.finish();
    waiting.finish();
    problems.finish();
}

#[test]
fn the_text_is_never_wider_than_the_terminal() {
    let script = Command::new("script").arg("--version").output();
    let workloads: Vec<Workload> = [
        "demo_cpu.py",
        "demo_poll.py",
        "demo_wait.py",
        "demo_idle.py",
    ]
    .into_iter()
    .map(|name| Workload::start::<&str>(interpreter::newest(), name, &[]))
    .collect();
    let mut args = vec![
        "classify".to_owned(),
        "-d".to_owned(),
        "1s".to_owned(),
        "--all".to_owned(),
    ];
    for workload in &workloads {
        args.extend(["-p".to_owned(), workload.pid.to_string()]);
    }
    let mut problems = Problems::new();
    problems.about("a pipe");
    let piped = observe::run(&args);
    problems.equal("exit code", &piped.code(), &0);
    problems.check(piped.stdout.contains("next_message"), &piped.stdout);
    if script.is_ok_and(|output| output.status.success()) {
        for columns in [80, 120, 200] {
            problems.about(format!("{columns} columns"));
            on_a_terminal(columns, &args, &mut problems);
        }
    } else {
        eprintln!("SKIPPED: there is no `script` to make a terminal");
    }
    for workload in workloads {
        workload.finish();
    }
    problems.finish();
}

fn on_a_terminal(columns: usize, args: &[String], problems: &mut Problems) {
    let line = format!(
        "stty cols {columns} rows 50; {} -q --color never {} 2>/dev/null",
        observe::binary().display(),
        args.join(" ")
    );
    let mut command = Command::new("script");
    command
        .args(["-qefc", &line, "/dev/null"])
        .env("TERM", "xterm");
    observe::tidy(&mut command);
    let outcome = observe::finish(command);
    problems.equal("exit code", &outcome.code(), &0);
    let shown = outcome.stdout;
    problems.check(shown.contains("next_message"), &shown);
    for line in shown.lines() {
        let width = line.trim_end().chars().count();
        problems.check(width <= columns, format!("{width} columns: {line}"));
    }
}
