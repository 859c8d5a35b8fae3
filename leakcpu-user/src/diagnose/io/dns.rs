//! `io.dns`: a function that waits for name look-ups.

use super::waited::waited;
use crate::diagnose::below::is;
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};
use crate::{classify::say, model::Reason};

/// The rule.
pub struct Dns;

impl Rule for Dns {
    fn name(&self) -> &'static str {
        "io.dns"
    }

    fn about(&self) -> &'static str {
        "A function spends its time waiting for name look-ups."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Requests are slow, and the servers say that they are not.",
            evidence: "Time waited for name servers, or in getaddrinfo.",
            needs: "Context switches.",
            fix: "Keep connections open, so that a name is looked up once; else a cache of names. A cached address outlives a change of the name, so keep it for a minute at most.",
            slow: "for item in items:\n    requests.get(f\"https://{HOST}/{item}\")",
            fixed: "session = requests.Session()    # keeps its connections\nfor item in items:\n    session.get(f\"https://{HOST}/{item}\")",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let span_ns = case.verdicts.span_ns;
        let found = waited(case.process, |time, below| match time.kind.reason() {
            Some(Reason::Dns) => true,
            Some(Reason::NetRecv | Reason::PollWait) => {
                below.iter().any(|f| is(f, "/socket.py", "getaddrinfo"))
            }
            _ => false,
        });
        let mut findings = Vec::new();
        for found in found {
            let waited_ns = found.busiest_ns();
            if (waited_ns as f64) < span_ns as f64 * case.thresholds.wait_share {
                continue;
            }
            let recoverable = per_second(waited_ns, span_ns);
            findings.push(Finding {
                threads: found.threads().into_keys().collect(),
                evidence: vec![
                    figure(
                        format!("{} looking up names", say::part_of(waited_ns, span_ns)),
                        "dns_wait_ns",
                        waited_ns as f64,
                        "ns",
                    ),
                    figure(
                        say::count(found.count(), "wait", "waits"),
                        "dns_waits",
                        found.count() as f64,
                        "count",
                    ),
                ],
                cause: "Each new connection looks its name up again, and the name server is slow to answer."
                    .to_owned(),
                fix: format!(
                    "keep connections open in {} (a Session or a pool), or cache the addresses",
                    found.place.short()
                ),
                ..case.finding(self.name(), Some(found.place.clone()), recoverable)
            });
        }
        findings
    }
}
