//! Stacks of waiting threads, read from outside, equal what the target itself says.

mod support;

use std::collections::BTreeSet;

use leakcpu_common::config::MAX_FRAMES;
use pyobserve::{
    discovery::SyscallState,
    interpreter::{parked, threads},
    symbolize::{CodeTable, Sight, Symbolizer, library_dirs},
};
use serde_json::{Value, json};
use support::{Running, interpreter};

#[test]
fn stacks_equal_the_targets_own() {
    for python in interpreter::supported() {
        let mut running = Running::script(python, "parked.py", &[]);
        let truth = running.json();
        let (target, process) = support::attach(running.pid());
        assert_eq!(
            process.version.to_string(),
            truth["version"].as_str().unwrap(),
            "{python:?}"
        );
        assert_eq!(target.facts.ns_pid(), running.pid());
        let listed = threads(&process).unwrap();
        let truths = truth["threads"].as_array().unwrap();
        // All of them, and the thread that reported.
        assert_eq!(listed.len(), truths.len() + 1, "{python:?}");
        let mut symbolizer = Symbolizer::new();
        let mut table = CodeTable::default();
        let mut files = BTreeSet::new();
        let mut placeholders = 0;
        for truth in truths {
            let what = format!("{} of {}", truth["what"], python.path.display());
            let tid = u32::try_from(truth["tid"].as_u64().unwrap()).unwrap();
            let thread = listed
                .iter()
                .find(|thread| thread.tid == Some(tid))
                .expect(&what);
            assert_eq!(thread.thread_id, truth["ident"].as_u64().unwrap(), "{what}");
            assert!(thread.is_main_interpreter);
            let stack = parked(&process, thread.tstate, tid, MAX_FRAMES).expect(&what);
            assert_eq!(stack.flags, 0, "{what}");
            assert!(
                matches!(stack.syscall, SyscallState::InSyscall { .. }),
                "{what}"
            );
            placeholders += stack.frames.iter().filter(|frame| frame.code == 0).count();
            let frames: Vec<Value> = stack
                .frames
                .iter()
                .filter(|frame| frame.code != 0)
                .map(|frame| {
                    let named = symbolizer
                        .symbolize(&process, *frame)
                        .unwrap()
                        .expect(&what);
                    let sight = Sight::Hashed {
                        is_outermost: false,
                        round: 1,
                        is_cut: false,
                    };
                    table.note(*frame, &named, sight);
                    files.insert(named.function.file.clone());
                    json!({
                        "name": &*named.function.name,
                        // Python's own way to replace a lone surrogate is a question mark.
                        "file": named.function.file.replace('\u{fffd}', "?"),
                        "first_line": named.function.first_line,
                        "line": named.line,
                    })
                })
                .collect();
            assert_eq!(Value::from(frames), truth["frames"], "{what}");
        }
        // From 3.12 on a call from C leaves a placeholder in the chain.
        assert_eq!(
            placeholders > 0,
            python.minor >= 12,
            "{python:?}: {placeholders} placeholders"
        );
        let verified = table.verify_unchanged(&process).unwrap();
        assert!(
            verified.unchanged > 25 && verified.replaced + verified.freed == 0,
            "{verified:?}"
        );
        let library = library_dirs(files.iter().map(|file| &**file));
        assert!(
            !library.is_empty() && library.iter().all(|dir| dir.contains("/lib/python3")),
            "{library:?}"
        );
        eprintln!("{}: {} threads equal", python.path.display(), truths.len());
    }
}

#[test]
fn names_outlive_their_process() {
    for python in interpreter::supported() {
        let mut running = Running::script(python, "parked.py", &[]);
        let truth = running.json();
        let (_, process) = support::attach(running.pid());
        let tid = u32::try_from(truth["threads"][0]["tid"].as_u64().unwrap()).unwrap();
        let thread = threads(&process)
            .unwrap()
            .into_iter()
            .find(|t| t.tid == Some(tid))
            .unwrap();
        let stack = parked(&process, thread.tstate, tid, MAX_FRAMES).unwrap();
        let mut symbolizer = Symbolizer::new();
        let (leaf, others) = stack.frames.split_first().unwrap();
        let before = symbolizer.symbolize(&process, *leaf).unwrap().unwrap();
        // The next one was copied.
        let mut named = others.iter().filter(|frame| frame.address() != 0);
        let copied = named.next().unwrap();
        let truth = Symbolizer::new().symbolize(&process, *copied).unwrap();
        symbolizer.add_copy(&process, &support::copy_code(&process, copied.address()));
        running.end();
        assert_eq!(symbolizer.symbolize(&process, *copied).unwrap(), truth);
        let other = leakcpu_common::stack::RawFrame {
            witness: copied.witness ^ 2,
            ..*copied
        };
        let answer = symbolizer.symbolize(&process, other).unwrap();
        assert_eq!(answer, Err(pyobserve::symbolize::NoName::ProcessGone));
        assert_eq!(symbolizer.symbolize(&process, *leaf).unwrap(), Ok(before));
        let never_seen = named
            .find(|frame| frame.address() != copied.address() && frame.address() != leaf.address())
            .unwrap();
        let answer = symbolizer.symbolize(&process, *never_seen).unwrap();
        assert_eq!(answer, Err(pyobserve::symbolize::NoName::ProcessGone));
        let mut table = CodeTable::default();
        assert!(table.verify_unchanged(&process).unwrap().process_gone);
    }
}
