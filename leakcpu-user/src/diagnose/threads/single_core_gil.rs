//! `cpu.single-core-gil`: threads that compute in turn, one core's worth in all.

use crate::classify::{Class, Detail};
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};

/// The rule.
pub struct SingleCoreGil;

impl Rule for SingleCoreGil {
    fn name(&self) -> &'static str {
        "cpu.single-core-gil"
    }

    fn about(&self) -> &'static str {
        "Several threads compute, but the GIL lets one of them run Python at a time."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Many threads, and one core's worth of work.",
            evidence: "How long threads waited for the GIL, and which function held it.",
            needs: "Context switches; a build with a GIL.",
            fix: "Run the work in processes, or in native code that releases the GIL. What goes to a process is pickled: few large parts are better than many small ones.",
            slow: "with ThreadPoolExecutor(8) as pool:\n    pool.map(parse, documents)",
            fixed: "with ProcessPoolExecutor(8) as pool:\n    pool.map(parse, documents, chunksize=100)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let verdict = &case.verdicts.verdict;
        if verdict.class != Class::LockBound || verdict.detail != Some(Detail::Gil) {
            return Vec::new();
        }
        let times = case.process.times();
        let span_ns = case.verdicts.span_ns;
        let waited = per_second(times.gil_wait_ns, span_ns);
        // No fix gives back more CPU than the machine has left.
        let used = per_second(times.on_cpu_ns, span_ns);
        let left = (u64::from(case.host.cpus) * 1_000_000_000).saturating_sub(used);
        let recoverable = if case.host.cpus == 0 {
            waited
        } else {
            waited.min(left)
        };
        vec![Finding {
            evidence: verdict.because.clone(),
            cause: format!(
                "{} threads want to run Python at the same time, and the GIL lets one.",
                case.verdicts.voters
            ),
            fix: "run this in processes (concurrent.futures.ProcessPoolExecutor), or in native code that releases the GIL"
                .to_owned(),
            ..case.finding(self.name(), verdict.blame.clone(), recoverable)
        }]
    }
}
