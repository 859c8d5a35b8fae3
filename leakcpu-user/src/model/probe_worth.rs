//! CPython's own probes (USDT): which there are, and what each version's are worth.
//!
//! The facts were measured on Debian's builds of 3.9, 3.11, 3.13, 3.14 and 3.15 against audit
//! events, `gc.callbacks` and `sys.setprofile` (docs/usdt.md); where a version was not measured,
//! it is not said to be exact.

use super::ProbeWorth;

/// All that CPython has had since 3.6 (`Include/pydtrace.d`).
pub const PROBES: [&str; 8] = [
    "gc__start",
    "gc__done",
    "import__find__load__start",
    "import__find__load__done",
    "audit",
    "function__entry",
    "function__return",
    "line",
];

/// What a probe says where the interpreter of this minor version has it, and why it is worth
/// less than one might think.
pub fn probe_worth(minor: u8, probe: &str) -> (ProbeWorth, Option<&'static str>) {
    match (probe, minor) {
        ("function__entry", 11) => (
            ProbeWorth::Silent,
            Some(
                "only code that is traced passes it (3.11 specialises calls): function__return \
                 counts them",
            ),
        ),
        ("function__entry", 15..) => (
            ProbeWorth::TooMany,
            Some(
                "it fires once more for each generator or coroutine that is made, and hardly ever \
                 in code that the JIT has compiled",
            ),
        ),
        ("function__return", 15..) => (
            ProbeWorth::TooMany,
            Some(
                "it fires twice for constructors that are specialised, once with line -1, and \
                 hardly ever in code that the JIT has compiled",
            ),
        ),
        ("line", 11) => (
            ProbeWorth::SomeMissing,
            Some(
                "it leaves out code on the line of a `def`, and fires once more for an `await` \
                 that goes on",
            ),
        ),
        ("function__entry" | "function__return" | "line", 9) | ("function__return", 11) => {
            (ProbeWorth::Exact, None)
        }
        ("function__entry" | "function__return" | "line", _) => (ProbeWorth::Unknown, None),
        (_, 9..) => (ProbeWorth::Exact, None),
        _ => (ProbeWorth::Unknown, None),
    }
}

/// What an interpreter of this minor version has, in a few words.
pub fn probes_in_words(minor: u8, has: impl Fn(&str) -> bool) -> String {
    let present: Vec<&str> = PROBES.into_iter().filter(|probe| has(probe)).collect();
    if present.is_empty() {
        return "no probes of its own (USDT): built without --with-dtrace".to_owned();
    }
    let mut groups = Vec::new();
    for (name, of) in [
        ("gc", &PROBES[..2]),
        ("import", &PROBES[2..4]),
        ("audit", &PROBES[4..5]),
    ] {
        if of.iter().all(|probe| present.contains(probe)) {
            groups.push(name.to_owned());
        }
    }
    for probe in &PROBES[5..] {
        if !present.contains(probe) {
            continue;
        }
        let (worth, _) = probe_worth(minor, probe);
        groups.push(match worth {
            ProbeWorth::Exact => (*probe).to_owned(),
            _ => format!("{probe} ({})", worth.name()),
        });
    }
    let mut text = format!("probes (USDT): {}", groups.join(", "));
    if !present.iter().any(|probe| probe.starts_with("function")) {
        text.push_str("; none of calls");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_less_says_why() {
        for minor in 8..=16 {
            for probe in PROBES {
                let (worth, why) = probe_worth(minor, probe);
                let is_doubtful = !matches!(worth, ProbeWorth::Exact | ProbeWorth::Unknown);
                assert_eq!(why.is_some(), is_doubtful, "{probe} of 3.{minor}");
            }
        }
        assert_eq!(probe_worth(11, "function__return").0, ProbeWorth::Exact);
        assert_eq!(probe_worth(11, "function__entry").0, ProbeWorth::Silent);
    }

    #[test]
    fn builds_are_told_in_words() {
        assert!(probes_in_words(13, |_| false).starts_with("no probes"));
        assert_eq!(
            probes_in_words(13, |probe| !probe.starts_with("func") && probe != "line"),
            "probes (USDT): gc, import, audit; none of calls"
        );
        assert_eq!(
            probes_in_words(11, |_| true),
            "probes (USDT): gc, import, audit, function__entry (silent), function__return, line \
             (some missing)"
        );
    }
}
