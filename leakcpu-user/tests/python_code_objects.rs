//! Code objects and line tables of the whole standard library equal what the
//! interpreter says, on every interpreter.

#[path = "../../tests/src/interpreter/mod.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
mod interpreter;
#[path = "../../tests/src/lines.rs"]
mod lines;

use std::{path::Path, sync::Mutex, thread, time::Instant};

#[test]
fn every_name_and_every_line_of_the_standard_library() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/workloads/code_objects.py");
    let found = Mutex::new(Vec::new());
    let left = Mutex::new(interpreter::supported());
    let work = || {
        loop {
            // A statement of its own, so that the lock is not held for the work.
            let next = left.lock().expect("nobody panics with it").pop();
            let Some(python) = next else { break };
            let begin = Instant::now();
            let compared = lines::compare(python, &script, 0, |difference| {
                eprintln!("DIFFERENT {difference}");
            });
            eprintln!(
                "{python}: {} code objects, {} instructions, {} code objects different, {:.1} s",
                compared.codes,
                compared.instructions,
                compared.different,
                begin.elapsed().as_secs_f64()
            );
            if compared.different > 0 || compared.codes < 10_000 {
                let mut found = found.lock().expect("nobody panics with it");
                found.push(format!("{python}: {compared:?}"));
            }
        }
    };
    let cpus = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cpus {
            scope.spawn(work);
        }
    });
    let found = found.into_inner().expect("nobody panicked with it");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
