//! `cpu.regex-recompile`: the same patterns are compiled again and again.

use crate::diagnose::below::{self, Advice, called, on_cpu};
use crate::diagnose::{Case, Explanation, Finding, Rule};
use crate::model::{Frame, Function, Process, Stack};

/// The parser and the compiler of patterns, by versions. What finds a pattern in the module's
/// cache runs in neither.
const COMPILER: [&str; 4] = [
    "/re/_compiler.py",
    "/re/_parser.py",
    "/sre_compile.py",
    "/sre_parse.py",
];

/// The module that calls it.
const MODULE: [&str; 2] = ["/re/__init__.py", "/re.py"];

/// The rule.
pub struct RegexRecompile;

impl Rule for RegexRecompile {
    fn name(&self) -> &'static str {
        "cpu.regex-recompile"
    }

    fn about(&self) -> &'static str {
        "A function compiles patterns each time it is called, which takes longer than matching them."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Text processing that is slow although each text is short.",
            evidence: "Samples in the parser and the compiler of the module re, below a function that called re itself; not below a module's body, and not in what re finds in its cache.",
            needs: "Samples of Python frames.",
            fix: "Compile each pattern once, at module level. More than 512 different ones do not fit the module's cache; if they are made from data, escape them and join them into one alternation.",
            slow: "def mentions(text, names):\n    return [n for n in names if re.search(rf\"\\b{n}\\b\", text)]    # 2,000 names",
            fixed: "NAMES = re.compile(r\"\\b(?:\" + \"|\".join(map(re.escape, names)) + r\")\\b\")\n\ndef mentions(text):\n    return NAMES.findall(text)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let found = on_cpu(case, |stack| compiles(case.process, stack));
        let finding = |found| {
            let advice = Advice {
                doing: "compiling patterns",
                cause: "Patterns are compiled anew at each call: they are not kept, or there are more of them than the module's cache holds."
                    .to_owned(),
                fix: "compile it once: PATTERN = re.compile(...) at module level (more than 512 different patterns do not fit the module's cache; if they are made from data, escape and join them into one alternation)"
                    .to_owned(),
            };
            below::finding(
                case,
                self.name(),
                found,
                case.thresholds.needless_cpu_share,
                advice,
            )
        };
        found.iter().filter_map(finding).collect()
    }
}

/// The function of the user's own code that has a pattern compiled, and calls `re` itself.
fn compiles(process: &Process, stack: &Stack) -> Option<Frame> {
    let called = called(process, stack)?;
    let is_in = |function: &Function, files: &[&str]| {
        let mut files = files.iter();
        files.any(|file| function.file.ends_with(file))
    };
    let calls_re = called
        .below
        .last()
        .is_some_and(|function| is_in(function, &MODULE));
    let compiles = called.below.iter().any(|f| is_in(f, &COMPILER));
    let own = process.function(called.frame.function?)?;
    let is_meant = called.is_own && calls_re && compiles && own.name != "<module>";
    is_meant.then_some(called.frame)
}

#[cfg(test)]
mod tests {
    use super::compiles;
    use crate::diagnose::testing::Model;

    const LIB: &str = "/usr/lib/python3.12";

    #[test]
    fn compiling_and_not_looking_up_counts() {
        let mut model = Model::default();
        let parser = model.frame("_parse", &format!("{LIB}/re/_parser.py"));
        let cache = model.frame("_compile", &format!("{LIB}/re/__init__.py"));
        let flags = model.frame("value", &format!("{LIB}/enum.py"));
        let glob = model.frame("translate", &format!("{LIB}/glob.py"));
        let own = model.frame("mentions", "/srv/app.py");
        let body = model.frame("<module>", "/srv/app.py");
        let is_it = |frames: &[_]| compiles(&model.process, &Model::stack(frames)) == Some(own);
        assert!(is_it(&[parser, cache, own, body]));
        assert!(!is_it(&[flags, cache, own, body]));
        assert!(!is_it(&[parser, cache, glob, own, body]));
        assert_eq!(
            compiles(&model.process, &Model::stack(&[parser, cache, body])),
            None
        );
    }
}
