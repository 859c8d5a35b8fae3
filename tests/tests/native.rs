//! Native code under Python leaves, against what the code itself and `nm` say.

use leakcpu_tests::{
    collapsed,
    compiler::{self, Symbols},
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{Report, function, list, ns, text},
    workload::{self, Workload},
};
use serde_json::Value;

/// Samples a second: enough for shares within a few points in two seconds.
const RATE: [&str; 2] = ["-r", "499"];

/// The rows of native code below a function.
fn rows<'a>(report: &'a Report, pid: u32, name: &str) -> &'a [Value] {
    list(function(report.process(pid), name), "native")
}

/// Share of a function's on-CPU time in rows that `is_wanted`.
fn share(report: &Report, pid: u32, name: &str, is_wanted: impl Fn(&Value) -> bool) -> f64 {
    let whole = ns(function(report.process(pid), name), "self_on_cpu_ns");
    let part: i64 = rows(report, pid, name)
        .iter()
        .filter(|row| is_wanted(row))
        .map(|row| ns(row, "on_cpu_ns"))
        .sum();
    part as f64 / whole.max(1) as f64
}

fn is_exact(row: &Value, symbol: &str) -> bool {
    row["symbol"] == symbol && row["naming"] == "exact"
}

/// What the library itself counted: the hidden function's part of both.
fn own_share(last: &Value) -> f64 {
    let (hidden, shown) = (
        ns(&last["counts"], "hidden_ns"),
        ns(&last["counts"], "shown_ns"),
    );
    hidden as f64 / (hidden + shown).max(1) as f64
}

#[test]
fn functions_get_the_time_that_they_count_themselves() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut problems = Problems::new();
    for symbols in [Symbols::Full, Symbols::Separate] {
        let Some(library) = compiler::library(folder.path(), "burn", &[], symbols) else {
            return;
        };
        for python in [interpreter::oldest(), interpreter::newest()] {
            let library = library.to_str().expect("a temporary path is plain text");
            let workload = Workload::start(python, "native.py", &["burn", library]);
            problems.about(format!("{symbols:?}, {}", workload.name));
            let report = observe::classify(workload.pid, "2s", &RATE);
            let pid = workload.pid;
            let last = workload.finish();
            let [hidden, shown] = ["burn_hidden", "burn_shown"]
                .map(|symbol| share(&report, pid, "burning", |row| is_exact(row, symbol)));
            let seen = hidden / (hidden + shown).max(f64::MIN_POSITIVE);
            let truth = own_share(&last);
            problems.check(
                (seen - truth).abs() < 0.06,
                format!("{seen:.3} in burn_hidden, it counted {truth:.3} itself"),
            );
            problems.check(
                hidden + shown > 0.9,
                format!("{:?}", rows(&report, pid, "burning")),
            );
            let in_library = rows(&report, pid, "burning")
                .iter()
                .find(|row| row["symbol"] == "burn_hidden");
            problems.check(
                in_library.is_some_and(|row| row["module"] == "libburn.so"),
                format!("{in_library:?}"),
            );
        }
    }
    problems.finish();
}

#[test]
fn a_stripped_library_is_not_given_names_that_may_be_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(library) = compiler::library(folder.path(), "burn", &[], Symbols::Stripped) else {
        return;
    };
    let library = library.to_str().expect("a temporary path is plain text");
    let mut problems = Problems::new();
    let workload = Workload::start(interpreter::newest(), "native.py", &["burn", library]);
    let report = observe::classify(workload.pid, "2s", &RATE);
    let pid = workload.pid;
    let truth = own_share(&workload.finish());
    let of = |naming: &str| {
        share(&report, pid, "burning", |row| {
            row["module"] == "libburn.so" && row["naming"] == naming
        })
    };
    // `burn_shown` is exported, `burn_hidden` is not.
    let exact = share(&report, pid, "burning", |row| is_exact(row, "burn_shown"));
    problems.check(
        (exact - (1.0 - truth)).abs() < 0.06,
        format!("{exact:.3} in burn_shown, not {:.3}", 1.0 - truth),
    );
    let unsure = of("nearest") + of("unknown");
    problems.check(
        (unsure - truth).abs() < 0.06,
        format!("{unsure:.3} without a sure name, not {truth:.3}"),
    );
    for row in rows(&report, pid, "burning") {
        let is_marked = row["symbol"]
            .as_str()
            .is_some_and(|symbol| symbol.starts_with('~'));
        problems.equal(
            "the mark of a name that may be wrong",
            &is_marked,
            &(row["naming"] == "nearest"),
        );
    }
    problems.finish();
}

#[test]
fn code_whose_file_is_removed_still_has_its_name() {
    let mut problems = Problems::new();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(library) = compiler::library(folder.path(), "burn", &[], Symbols::Full) else {
        return;
    };
    let path = library.to_str().expect("a temporary path is plain text");
    let workload = Workload::start(interpreter::newest(), "native.py", &["leaving", path]);
    problems.about(&workload.name);
    let report = observe::classify(workload.pid, "1s", &RATE);
    problems.check(!library.exists(), "the file was to be removed");
    let hidden = share(&report, workload.pid, "burning", |row| {
        is_exact(row, "burn_hidden")
    });
    problems.check(hidden > 0.5, format!("{hidden:.2} in burn_hidden"));
    workload.finish();
    problems.finish();
}

#[test]
fn code_of_a_process_that_is_gone_still_has_its_name() {
    let mut problems = Problems::new();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(library) = compiler::library(folder.path(), "burn", &[], Symbols::Full) else {
        return;
    };
    for python in [interpreter::oldest(), interpreter::newest()] {
        problems.about(python);
        // It loads the library after it was found, and ends before the window does.
        let words = workload::command(
            python,
            "native.py",
            &["brief", &*library.to_string_lossy(), "--seconds", "60"],
        );
        let mut command = observe::command(&["classify", "--json", "-r", "499", "--"]);
        command.arg(words.get_program()).args(words.get_args());
        interpreter::tidy(&mut command);
        let outcome = observe::finish(command);
        // The workload's own words come first.
        let document = outcome.stdout.lines().last().unwrap_or_default();
        let report = Report::parse(document);
        let process = &report.processes()[0];
        problems.equal("end of the process", &process["exited"], &Value::from(true));
        let in_hidden: i64 = list(process, "functions")
            .iter()
            .flat_map(|function| list(function, "native"))
            .filter(|row| is_exact(row, "burn_hidden"))
            .map(|row| ns(row, "on_cpu_ns"))
            .sum();
        let hidden = in_hidden as f64 / ns(&process["time"], "on_cpu_ns").max(1) as f64;
        problems.check(hidden > 0.4, format!("{hidden:.2} in burn_hidden"));
        problems.equal("unnamed code", &report.loss("native_unresolved"), &0);
    }
    problems.finish();
}

#[test]
fn code_made_at_run_time_has_the_name_that_its_map_gives_it() {
    let mut problems = Problems::new();
    for name in [Some("loop compiled just now"), None] {
        let workload = Workload::start(interpreter::newest(), "jitted.py", name.as_slice());
        problems.about(&workload.name);
        let report = observe::classify(workload.pid, "1s", &RATE);
        let in_it = share(&report, workload.pid, "calls", |row| {
            row["module"] == "[anon]" && row["symbol"].as_str() == name
        });
        problems.check(
            in_it > 0.9,
            format!("{:?}", rows(&report, workload.pid, "calls")),
        );
        // Without a map there is nothing to be sure of.
        let unresolved = report.loss("native_unresolved");
        problems.equal("lost names", &(unresolved > 0), &name.is_none());
        workload.finish();
    }
    problems.finish();
}

#[test]
fn what_the_interpreter_and_its_libraries_do_is_named() {
    named(&interpreter::few(|python| !has_symbols(python)));
}

#[test]
#[ignore = "slow: a minute and a half"]
fn what_every_interpreter_and_its_libraries_do_is_named() {
    named(&interpreter::all());
}

fn named(pythons: &[&Interpreter]) {
    let mut problems = Problems::new();
    for python in pythons {
        for (kind, name) in [
            ("sorting", "sorting"),
            ("zlib", "compressing"),
            ("touching", "touching"),
        ] {
            known_work(python, kind, name, &mut problems);
        }
    }
    problems.finish();
}

fn known_work(python: &Interpreter, kind: &str, name: &str, problems: &mut Problems) {
    let workload = Workload::start(python, "native.py", &[kind]);
    problems.about(format!("{kind} on {python}"));
    let report = observe::classify(workload.pid, "1500ms", &RATE);
    let pid = workload.pid;
    let rows = rows(&report, pid, name);
    let share = |is_wanted: &dyn Fn(&Value) -> bool| share(&report, pid, name, is_wanted);
    match kind {
        "sorting" => {
            // Full symbols name the parts of the sort; a stripped build cannot.
            let by_name = share(&|row| {
                [
                    "merge_at",
                    "unsafe_float_compare",
                    "list_sort_impl",
                    "binarysort",
                ]
                .iter()
                .any(|symbol| {
                    row["symbol"]
                        .as_str()
                        .is_some_and(|s| s == *symbol || s.starts_with(&format!("{symbol}.")))
                })
            });
            let unsure = share(&|row| {
                row["naming"] != "exact"
                    && (row["code"] == "interpreter" || row["code"] == "unknown")
            });
            problems.check(
                by_name > 0.7 || unsure > 0.7,
                format!("{by_name:.2} named, {unsure:.2} not sure: {rows:?}"),
            );
            problems.check(
                by_name > 0.7 || !has_symbols(python),
                format!("a build with symbols, and {by_name:.2} named: {rows:?}"),
            );
        }
        "zlib" => {
            let in_zlib = share(&|row| text_of(row, "module").starts_with("libz."));
            problems.check(in_zlib > 0.9, format!("{in_zlib:.2} in zlib: {rows:?}"));
        }
        _ => {
            let faults: i64 = rows.iter().map(|row| ns(row, "page_fault_ns")).sum();
            let whole = ns(function(report.process(pid), name), "self_on_cpu_ns");
            let faults = faults as f64 / whole.max(1) as f64;
            problems.check(
                faults > 0.3,
                format!("{faults:.2} for page faults: {rows:?}"),
            );
        }
    }
    let verdict = &report.process(pid)["verdict"];
    // Parts of the loop have no name in stripped builds that split it.
    let is_unsure = rows.iter().any(|row| row["code"] == "unknown");
    if verdict["class"] == "cpu-bound" {
        let truth = &workload.ready["truth"]["detail"];
        problems.check(
            verdict["detail"] == *truth
                || verdict["detail"].is_null() && (kind == "touching" || is_unsure),
            format!("detail {}, not {truth}", verdict["detail"]),
        );
    }
    workload.finish();
}

fn text_of<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

/// Whether the interpreter, or its library, has its full symbol table.
fn has_symbols(python: &Interpreter) -> bool {
    let folder = python.path.parent().expect("a file is in a folder");
    let library = folder.join(format!("../lib/libpython3.{}.so.1.0", python.minor));
    let file = if library.exists() {
        library
    } else {
        python.path.clone()
    };
    let output = std::process::Command::new("nm").arg(file).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(" list_sort"))
}

#[test]
fn the_sums_are_those_of_the_function() {
    let mut problems = Problems::new();
    let workload = Workload::start(interpreter::newest(), "native.py", &["zlib"]);
    let report = observe::classify(workload.pid, "1s", &RATE);
    for function in list(report.process(workload.pid), "functions") {
        let native: i64 = list(function, "native")
            .iter()
            .map(|row| ns(row, "on_cpu_ns"))
            .sum();
        problems.check(
            native <= ns(function, "self_on_cpu_ns"),
            format!("{native} ns below {function}"),
        );
    }
    problems.finish();
}

#[test]
fn native_stacks_go_as_far_as_frame_pointers_do() {
    let mut problems = Problems::new();
    let python = interpreter::newest();
    for (flags, has_frames) in [
        (
            ["-fno-omit-frame-pointer", "-mno-omit-leaf-frame-pointer"],
            true,
        ),
        (["-fomit-frame-pointer", "-momit-leaf-frame-pointer"], false),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let Some(library) = compiler::library(folder.path(), "burn", &flags, Symbols::Full) else {
            return;
        };
        let library = library.to_str().expect("a temporary path is plain text");
        let workload = Workload::start(python, "native.py", &["burn", library]);
        problems.about(format!("{flags:?}, {}", workload.name));
        let pid = workload.pid.to_string();
        let run = ["classify", "-p", &pid, "-d", "1s", "--native", "-r", "499"];
        let collapsed = observe::run(&[&run[..], &["--format", "collapsed"]].concat());
        let lines = collapsed::parse(&collapsed.stdout);
        let of = |wanted: &[&str]| -> u64 {
            lines
                .iter()
                .filter(|line| {
                    let frames = &line.frames;
                    frames.windows(wanted.len()).any(|window| {
                        let pairs = window.iter().zip(wanted);
                        pairs
                            .into_iter()
                            .all(|(frame, wanted)| frame.split(' ').next() == Some(*wanted))
                    })
                })
                .map(|line| line.weight)
                .sum()
        };
        let all: u64 = lines.iter().map(|line| line.weight).sum();
        let whole = of(&["burn_both", "burn_hidden"]);
        let leaf = of(&["burn_hidden"]);
        problems.check(
            leaf * 10 > all * 6,
            format!("{leaf} of {all} samples in burn_hidden"),
        );
        let python_first = of(&["main", "burning"]);
        problems.check(
            python_first * 10 > all * 9,
            format!("{python_first} of {all} samples with Python's frames"),
        );
        if has_frames {
            problems.check(
                whole * 10 > leaf * 9,
                format!("{whole} of {leaf} samples with the caller"),
            );
        } else {
            problems.equal("callers found without frame pointers", &whole, &0);
            problems.check(
                collapsed.stderr.contains("without frame pointers"),
                format!("it does not say why: {:?}", collapsed.stderr),
            );
        }
        let report = observe::classify(workload.pid, "1s", &["-r", "499", "--native"]);
        problems.equal("failed stacks", &report.loss("native_stack_failed"), &0);
        workload.finish();
    }
    problems.finish();
}

#[test]
fn kernel_stacks_begin_where_the_kernel_was_entered() {
    let mut problems = Problems::new();
    let workload = Workload::start(interpreter::newest(), "native.py", &["touching"]);
    let pid = workload.pid.to_string();
    let outcome = observe::run(&[
        "classify",
        "-p",
        &pid,
        "-d",
        "1s",
        "-r",
        "499",
        "--kernel-stacks",
        "--format",
        "collapsed",
    ]);
    let lines = collapsed::parse(&outcome.stdout);
    let in_kernel = |frame: &String| frame.ends_with("_[k]");
    let kernel: Vec<_> = lines
        .iter()
        .filter(|line| line.frames.last().is_some_and(in_kernel))
        .collect();
    let weight = |lines: &[&collapsed::Line]| lines.iter().map(|l| l.weight).sum::<u64>();
    let faults: Vec<_> = kernel
        .iter()
        .copied()
        .filter(|line| {
            let first = line.frames.iter().find(|frame| in_kernel(frame));
            first.is_some_and(|frame| frame.contains("page_fault"))
        })
        .collect();
    problems.check(
        weight(&faults) > 50 && weight(&faults) * 2 > weight(&kernel),
        format!(
            "{} of {} kernel samples enter by a page fault",
            weight(&faults),
            weight(&kernel)
        ),
    );
    let under_python = |line: &&collapsed::Line| {
        line.frames
            .iter()
            .any(|frame| frame.starts_with("touching (") && !in_kernel(frame))
    };
    problems.check(
        faults.iter().all(under_python),
        "a page fault is not under the Python function that has it",
    );
    workload.finish();
    problems.finish();
}

#[test]
fn nothing_native_is_said_of_python_itself() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        let workload = Workload::start(python, "compute.py", &["sieve"]);
        problems.about(&workload.name);
        let report = observe::classify(workload.pid, "1s", &RATE);
        for row in rows(&report, workload.pid, "sieve") {
            problems.check(
                !text(row, "code").is_empty() && row["code"] != "eval-loop",
                format!("the loop that runs Python is among native code: {row}"),
            );
        }
        let verdict = &report.process(workload.pid)["verdict"];
        if verdict["class"] == "cpu-bound" {
            // Nothing is said where the loop has no name: parts of it have none in stripped
            // files.
            problems.check(
                verdict["detail"] == "python" || verdict["detail"].is_null() && !python.is_local(),
                format!("detail is {}", verdict["detail"]),
            );
        }
        workload.finish();
    }
    problems.finish();
}
