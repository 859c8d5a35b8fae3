//! The bytecode room against real interpreters: what instructions are, by their `dis`;
//! what loops do, by snippets with a known answer; and foreign bytes.

mod dis;
mod dropped;
mod hostile;
mod hot_loops;
#[path = "../../../tests/src/interpreter/mod.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
mod interpreter;
mod operations;
mod purity;
#[expect(dead_code, reason = "lines are for `loops`")]
mod record;
mod snippets;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
    sync::Mutex,
    thread,
};

use interpreter::Interpreter;

/// The lines that `codes.py` writes on an interpreter.
fn codes(python: &Interpreter, arguments: &[&str], mut each: impl FnMut(&str)) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bytecode/codes.py");
    let mut child = python
        .script(&script)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {python}: {error}"));
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    for line in lines {
        each(&line.expect("its lines are UTF-8"));
    }
    let status = child.wait().expect("it is our child");
    assert!(status.success(), "{python}: codes.py ended with {status}");
}

/// Does something on every interpreter, as many at a time as there are CPUs, and fails
/// with everything that was wrong.
fn on_each(check: impl Fn(&Interpreter) -> Vec<String> + Sync) {
    let left = Mutex::new(interpreter::supported());
    let wrong = Mutex::new(Vec::new());
    let work = || {
        loop {
            // A statement of its own, so that the lock is not held for the work.
            let next = left.lock().expect("nobody panics with it").pop();
            let Some(python) = next else { break };
            let found = check(python);
            let mut wrong = wrong.lock().expect("nobody panics with it");
            wrong.extend(found.into_iter().map(|one| format!("{python}: {one}")));
        }
    };
    let cpus = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cpus {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().expect("nobody panicked with it");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
