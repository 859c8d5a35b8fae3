//! Busy-waiting in native code, and what only looks like it.

use std::path::PathBuf;

use leakcpu_tests::{
    compiler::{self, Symbols},
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{list, ns, text},
    verdict,
    workload::Workload,
};
use tempfile::TempDir;

/// The native part, as a distribution would ship it; `None` if it cannot be built here.
fn library() -> Option<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let library = compiler::library(folder.path(), "spin", &["-fopenmp"], Symbols::Stripped)?;
    Some((folder, library))
}

fn start(python: &'static Interpreter, kind: &str, library: &std::path::Path) -> Workload {
    let library = library.to_str().expect("a temporary path is plain text");
    Workload::start(python, "native_spin.py", &[kind, library])
}

#[test]
fn native_code_that_looks_at_memory_in_a_loop_is_busy_waiting() {
    let Some((_folder, library)) = library() else {
        return;
    };
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        for kind in ["flag", "lock", "working"] {
            let workload = start(python, kind, &library);
            problems.about(format!("{} {kind}", workload.name));
            verdict::check(&workload, &mut problems);
            workload.finish();
        }
    }
    problems.finish();
}

/// The worker has no Python frames: it is told by its own code and the library's name.
#[test]
fn a_worker_of_openmp_that_waits_actively_is_busy_waiting() {
    let Some((_folder, library)) = library() else {
        return;
    };
    let mut problems = Problems::new();
    let workload = start(interpreter::newest(), "team", &library);
    problems.about(&workload.name);
    let report = observe::classify(workload.pid, "2s", &[]);
    let process = report.process(workload.pid);
    workload.finish();
    let busiest = list(process, "threads")
        .iter()
        .max_by_key(|thread| ns(&thread["time"], "on_cpu_ns"))
        .expect("the process has threads");
    for verdict in [&busiest["verdict"], &process["verdict"]] {
        problems.equal("class", &text(verdict, "class"), &"busy-waiting");
        problems.equal("detail", &text(verdict, "detail"), &"native-spin");
    }
    let findings = list(process, "findings");
    let found = findings
        .iter()
        .find(|finding| finding["rule"] == "busy-wait.native-spin");
    problems.check(
        found.is_some_and(|found| {
            text(found, "cause").contains("libgomp")
                && text(found, "fix").contains("OMP_WAIT_POLICY")
        }),
        format!("{findings:?}"),
    );
    problems.finish();
}
