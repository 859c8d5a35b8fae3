//! `cpu.run-queue`: ready to run, and other tasks have the CPUs.

use crate::classify::{Class, Detail};
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};

/// The rule.
pub struct RunQueue;

impl Rule for RunQueue {
    fn name(&self) -> &'static str {
        "cpu.run-queue"
    }

    fn about(&self) -> &'static str {
        "The process is ready to run, but other tasks have the CPUs."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "It is slow whenever something else runs.",
            evidence: "Time in which the threads were ready to run and did not, and who ran instead.",
            needs: "Context switches.",
            fix: "Run fewer workers, move other load away, or give it precedence. The code is not the cause.",
            slow: "gunicorn --workers 32 app    # on four CPUs",
            fixed: "gunicorn --workers 5 app",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let verdict = &case.verdicts.verdict;
        if verdict.class != Class::CpuStarved || verdict.detail != Some(Detail::RunQueue) {
            return Vec::new();
        }
        let waited = per_second(case.process.times().runnable_ns, case.verdicts.span_ns);
        let cpus = match case.host.cpus {
            0 => "the CPUs".to_owned(),
            1 => "the one CPU".to_owned(),
            n => format!("the {n} CPUs"),
        };
        vec![Finding {
            evidence: verdict.because.clone(),
            cause: format!("More tasks want to run than {cpus} of this host can take."),
            fix: format!(
                "not the code: run fewer workers on {cpus}, move other load away, or give it precedence (renice, cpu.weight)"
            ),
            ..case.finding(self.name(), verdict.blame.clone(), waited)
        }]
    }
}
