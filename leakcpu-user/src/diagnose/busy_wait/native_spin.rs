//! `busy-wait.native-spin`: workers of a native library that spin for their next part.

use crate::diagnose::spinning::{Advice, spinning};
use crate::diagnose::{Case, Explanation, Finding, Rule};
use crate::{classify::Spin, model::NativeFunction};

/// The rule.
pub struct NativeSpin;

impl Rule for NativeSpin {
    fn name(&self) -> &'static str {
        "busy-wait.native-spin"
    }

    fn about(&self) -> &'static str {
        "Machine code looks at memory again and again until another thread changes it: workers of OpenMP or BLAS, spin locks."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "All CPUs at 100 % while one thread of Python computes.",
            evidence: "Samples in machine code of a library that looks at memory in a loop, beside pauses or sched_yield, and in no Python frame that moves.",
            needs: "Native stacks; symbols of the library make it surer.",
            fix: "Tell the library how long its workers may spin, or give it fewer of them. What is set when it is loaded has to be set before.",
            slow: "import numpy    # eight workers spin between two small products",
            fixed: "OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1 python app.py",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        spinning(case, self.name(), |spin| match spin {
            Spin::Native { function, .. } => Some(advice(case.process.native(*function)?)),
            _ => None,
        })
    }
}

fn advice(native: &NativeFunction) -> Advice {
    let module = native.module.as_deref().unwrap_or_default();
    let symbol = native.symbol.as_deref().unwrap_or_default();
    let is_lock = symbol.contains("spin_lock") || symbol.contains("spinlock");
    let fix = if module.starts_with("libgomp") {
        "set OMP_WAIT_POLICY=passive (or GOMP_SPINCOUNT=0) before it starts, and OMP_NUM_THREADS to the CPUs it may use"
    } else if module.starts_with("libiomp") || module.starts_with("libomp") {
        "set KMP_BLOCKTIME=0 (or OMP_WAIT_POLICY=passive) before it starts, and OMP_NUM_THREADS to the CPUs it may use"
    } else if module.contains("openblas") {
        "set OPENBLAS_NUM_THREADS=1 before it starts where the matrices are small, or OPENBLAS_THREAD_TIMEOUT=1"
    } else if module.contains("mkl") {
        "set MKL_NUM_THREADS=1 before it starts where the matrices are small, and KMP_BLOCKTIME=0"
    } else if is_lock {
        "use a lock that blocks (a mutex) instead of a spin lock: its holder is not done within microseconds"
    } else {
        "look for the library's setting of how long its threads spin before they sleep, or give it fewer threads"
    };
    Advice {
        cause: format!(
            "{} waits for another thread by looking at memory in a loop, which takes a CPU.",
            native.in_words()
        ),
        fix: fix.to_owned(),
    }
}
