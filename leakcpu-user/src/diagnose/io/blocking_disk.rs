//! `io.blocking-disk`: a function that waits for a disk.

use std::collections::BTreeMap;

use super::waited::{Waited, waited};
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};
use crate::{classify::say, model::Reason};

/// Files that are named.
const NAMED: usize = 2;

/// The rule.
pub struct BlockingDisk;

impl Rule for BlockingDisk {
    fn name(&self) -> &'static str {
        "io.blocking-disk"
    }

    fn about(&self) -> &'static str {
        "A function spends its time waiting for a disk: to read, to write, or until data is safe on it."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Slow with an idle CPU; faster on another disk, or at the second run.",
            evidence: "Time in which a block device, or fsync, was waited for, which files, how often and for how long each time.",
            needs: "Context switches.",
            fix: "One fsync or commit for many records, larger reads and writes, or a thread that does it meanwhile. What is not synced yet is lost if the machine stops.",
            slow: "for row in rows:\n    log.write(row)\n    os.fsync(log.fileno())",
            fixed: "for row in rows:\n    log.write(row)\nlog.flush()\nos.fsync(log.fileno())    # once for the batch",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let is_disk = |reason| {
            matches!(
                reason,
                Some(Reason::Fsync | Reason::DiskRead | Reason::DiskWrite)
            )
        };
        let found = waited(case.process, |time, _| is_disk(time.kind.reason()));
        found
            .iter()
            .filter_map(|waited| finding(self.name(), case, waited))
            .collect()
    }
}

fn finding(rule: &'static str, case: Case<'_>, found: &Waited<'_>) -> Option<Finding> {
    let span_ns = case.verdicts.span_ns;
    let waited_ns = found.busiest_ns();
    if (waited_ns as f64) < span_ns as f64 * case.thresholds.wait_share {
        return None;
    }
    let recoverable = per_second(waited_ns, span_ns);
    let (total_ns, count) = (found.total_ns(), found.count());
    let mean_ns = total_ns / count.max(1);
    let files: Vec<&str> = found.files().into_iter().collect();
    let at = match files.as_slice() {
        [] => String::new(),
        named if named.len() <= NAMED => format!(" at {}", named.join(", ")),
        more => format!(
            " at {} and {} more",
            more[..NAMED].join(", "),
            more.len() - NAMED
        ),
    };
    let mut by_reason: BTreeMap<Reason, u64> = BTreeMap::new();
    for entry in &found.entries {
        let reason = entry.time.kind.reason()?;
        *by_reason.entry(reason).or_default() += entry.ns;
    }
    let (most, _) = by_reason.into_iter().max_by_key(|(_, ns)| *ns)?;
    let evidence = vec![
        figure(
            format!(
                "{} waiting for the disk{at}",
                say::part_of(waited_ns, span_ns)
            ),
            "disk_wait_ns",
            waited_ns as f64,
            "ns",
        ),
        figure(
            say::count(count, "wait", "waits"),
            "disk_waits",
            count as f64,
            "count",
        ),
        figure(
            format!("{} each", say::duration(mean_ns)),
            "disk_wait_mean_ns",
            mean_ns as f64,
            "ns",
        ),
    ];
    let place = found.place.short();
    let (why, fix) = match most {
        Reason::Fsync => (
            "The thread stands still until the disk has what was written.",
            format!(
                "one fsync or commit for many records in {place}, or a background thread that does it"
            ),
        ),
        Reason::DiskWrite => (
            "The thread stands still until the disk takes what it writes.",
            format!("larger writes in {place}, or a background thread that writes"),
        ),
        _ => (
            "The thread stands still until the disk delivers what it reads.",
            format!(
                "larger reads in {place}, or read ahead: os.posix_fadvise(..., POSIX_FADV_WILLNEED), a thread that reads the next part"
            ),
        ),
    };
    Some(Finding {
        threads: found.threads().into_keys().collect(),
        evidence,
        cause: why.to_owned(),
        fix,
        ..case.finding(rule, Some(found.place.clone()), recoverable)
    })
}
