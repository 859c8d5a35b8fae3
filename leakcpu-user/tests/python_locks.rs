//! Locks that threads wait for, read from outside, equal what the target itself knows.

mod support;

use pyobserve::interpreter::{AwaitedLockError, LockKind, awaited_lock, threads};
use serde_json::Value;
use support::{Running, interpreter};

#[test]
fn locks_equal_the_targets_own() {
    let mut wrong = Vec::new();
    for python in interpreter::supported() {
        let mut running = Running::script(python, "locks.py", &[]);
        let truths = running.json();
        let (_, process) = support::attach(running.pid());
        let listed = threads(&process).unwrap();
        let truths = truths.as_object().unwrap();
        for (what, truth) in truths {
            let tid = u32::try_from(truth["tid"].as_u64().unwrap()).unwrap();
            let found = awaited_lock(&process, tid);
            let is_right = match (&found, truth["kind"].as_str()) {
                (Ok(lock), Some(kind)) => {
                    let owner = lock.owner.map(|owner| owner.thread_id);
                    let taken = lock.owner.map_or(0, |owner| owner.taken);
                    format!("{:?}", lock.kind) == kind
                        && truth["owner"] == Value::from(owner)
                        && taken == truth["taken"]
                        && lock.has_timeout == truth["has_timeout"]
                        && (lock.kind != LockKind::RLock
                            || listed.iter().any(|t| Some(t.thread_id) == owner))
                }
                (
                    Err(AwaitedLockError::NotFound { .. } | AwaitedLockError::NoLock { .. }),
                    None,
                ) => true,
                _ => false,
            };
            if !is_right {
                wrong.push(format!("{python:?}: {what}: {found:?}, not {truth}"));
            }
        }
        eprintln!("{}: {} locks", python.path.display(), truths.len());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
