//! `cpu.import-in-hot-path`: a function imports while the program runs.

use crate::diagnose::below::{self, Advice, OnCpu, called, on_cpu};
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};
use crate::model::{Frame, Function, Process, Stack};

/// Files of importlib that find and load modules, as the frozen ones are named.
const IMPORTLIB: &str = "<frozen importlib._bootstrap";

/// What programs call of it.
const IMPORT_MODULE: &str = "/importlib/__init__.py";

/// The name of a module's body.
const MODULE_BODY: &str = "<module>";

/// Functions of importlib that load a module that was found.
const LOADING: [&str; 6] = [
    "_load_unlocked",
    "exec_module",
    "create_module",
    "get_code",
    "_call_with_frames_removed",
    "module_from_spec",
];

/// Modules that are loaded for the first time take no longer than this share of the time ...
const FIRST_TIME_SHARE: f64 = 0.5;
/// ... and a program that ran for so long before that is not just starting.
const STARTED_NS: u64 = 1_000_000_000;

/// The rule.
///
/// A module is loaded once, and then its import is a look into `sys.modules` that no frame shows
/// unless it goes through importlib: `from package import name`, `import_module`, and a
/// module that is not there, which is searched for each time. Such look-ups load nothing; where
/// they are most of an import's time, it is in a hot path. Loading is that only where it takes
/// half of the time or more of a program that did not just start: then modules are loaded again.
pub struct HotImport;

impl Rule for HotImport {
    fn name(&self) -> &'static str {
        "cpu.import-in-hot-path"
    }

    fn about(&self) -> &'static str {
        "A function that runs often imports modules, and the import takes a part of its time."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A small function is slow, and each call does the same imports.",
            evidence: "Samples in importlib below a function that is no module's body: look-ups that load nothing, or loading for half of the time in a program that started long ago.",
            needs: "Samples of Python frames.",
            fix: "Import at the top of the module. Circular imports then need a common third module; an optional one, a try at the top that keeps the outcome.",
            slow: "def encode(row):\n    try:\n        import fastjson    # is not installed, and searched for each time\n    except ImportError:\n        import json as fastjson\n    return fastjson.dumps(row)",
            fixed: "try:\n    import fastjson\nexcept ImportError:\n    import json as fastjson\n\ndef encode(row):\n    return fastjson.dumps(row)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let process = case.process;
        let all = on_cpu(case, |stack| Some(imports(process, stack)?.frame));
        let loads = on_cpu(case, |stack| {
            let import = imports(process, stack)?;
            import.loads.then_some(import.frame)
        });
        let finding = |found: &OnCpu| {
            let function = found.place.function_id;
            let mut loads = loads.iter();
            let loads_ns = loads
                .find(|of| of.place.function_id == function)
                .map_or(0, |of| of.ns);
            let looks_up = found.ns.saturating_sub(loads_ns) > loads_ns;
            if !looks_up && !loads_again(case, found.ns) {
                return None;
            }
            let why = if looks_up {
                "Each call goes through importlib, which finds what is loaded already, or what is not there."
            } else {
                "Modules are loaded again while the program runs: searched, read and executed."
            };
            let advice = Advice {
                doing: "importing",
                cause: why.to_owned(),
                fix: "move the import to the top of the module, and keep what it gave (a circular import needs a third module; an optional one, a try at the top)"
                    .to_owned(),
            };
            let share = case.thresholds.needless_cpu_share;
            below::finding(case, self.name(), found, share, advice)
        };
        all.iter().filter_map(finding).collect()
    }
}

/// Whether so much time goes into loading modules that it cannot be for the first time.
fn loads_again(case: Case<'_>, ns: u64) -> bool {
    let span_ns = case.verdicts.span_ns;
    let age_ns = case.process.lifetime_ns.unwrap_or(0);
    per_second(ns, span_ns) as f64 >= 1e9 * FIRST_TIME_SHARE
        && age_ns.saturating_sub(span_ns) >= STARTED_NS
}

/// A stack in which a function imports.
#[derive(Debug, PartialEq)]
struct Imports {
    /// The function of the user's own code.
    frame: Frame,
    /// A module is loaded.
    loads: bool,
}

/// The import that a stack is in. A function of the user's own code that a module's body calls
/// computes, and so does what another library imports on its own.
fn imports(process: &Process, stack: &Stack) -> Option<Imports> {
    let called = called(process, stack)?;
    let own = process.function(called.frame.function?)?;
    let calls_import = called.below.last().is_some_and(|function| {
        function.file.starts_with(IMPORTLIB) || function.file.ends_with(IMPORT_MODULE)
    });
    let is_meant = called.is_own && own.name != MODULE_BODY && calls_import;
    let loads = |function: &&Function| {
        function.name == MODULE_BODY
            || function.file.starts_with(IMPORTLIB) && LOADING.contains(&function.plain_name())
    };
    is_meant.then_some(Imports {
        frame: called.frame,
        loads: called.below.iter().any(loads),
    })
}

#[cfg(test)]
mod tests {
    use super::{Imports, imports};
    use crate::diagnose::testing::Model;

    #[test]
    fn looking_up_is_told_from_loading() {
        let mut model = Model::default();
        let find = model.frame("_find_spec", "<frozen importlib._bootstrap>");
        let exec = model.frame("exec_module", "<frozen importlib._bootstrap_external>");
        let library = model.frame("<module>", "/usr/lib/python3.12/decimal.py");
        let call = model.frame("encode", "/srv/app.py");
        let body = model.frame("<module>", "/srv/app.py");
        let of = |frames: &[_]| imports(&model.process, &Model::stack(frames));
        let frame = call;
        let loads = |loads| Some(Imports { frame, loads });
        assert_eq!(of(&[find, call, body]), loads(false));
        assert_eq!(of(&[library, exec, call, body]), loads(true));
        assert_eq!(of(&[find, body]), None);
        assert_eq!(of(&[find, library, call]), None);
    }
}
