//! `cpu.gc-thrash`: the collector takes a part of the time that somebody can feel.

use std::time::Duration;

use crate::classify::{
    Because, Blame, Detail, collector_samples, place_of, sampled_collector_ns, say,
};
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Gain, Rule};

/// Fewer samples in the collector's own code say nothing: every process collects as it ends.
const MIN_SAMPLES: u64 = 10;

/// The rule.
pub struct GcThrash;

/// What is known of the collector of a process.
struct Known {
    /// Of its time.
    share: f64,
    place: Option<Blame>,
    evidence: Vec<Because>,
}

impl Rule for GcThrash {
    fn name(&self) -> &'static str {
        "cpu.gc-thrash"
    }

    fn about(&self) -> &'static str {
        "The cyclic garbage collector runs so often, or over so much, that it takes a part of the program's time."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Pauses out of nowhere, and CPU that no function accounts for.",
            evidence: "Collections with their pauses and what they freed, and the line that set them off, from the interpreter's own probes; their share by samples where it has none.",
            needs: "Probes of the collector (Debian's and Fedora's builds) for the line; native symbols else.",
            fix: "Make fewer containers that last, freeze those that stay (gc.freeze() after start-up), raise the threshold; without collections, cycles stay.",
            slow: "for row in rows:\n    table.append({...})\n    gc.collect()",
            fixed: "gc.freeze()    # after what stays was made\ngc.set_threshold(50_000, 20, 100)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let process = case.process;
        let known = match &process.collector {
            Some(_) => by_probes(case),
            None => by_samples(case),
        };
        let Some(known) = known.filter(|known| known.share >= case.thresholds.gc_share) else {
            return Vec::new();
        };
        let of_each_second = Duration::from_secs(1).mul_f64(known.share.min(1.0));
        let recoverable = u64::try_from(of_each_second.as_nanos()).unwrap_or(u64::MAX);
        let place = known.place.as_ref();
        let at = place.map_or(String::new(), |place| format!(" in {}", place.short()));
        vec![Finding {
            evidence: known.evidence,
            cause: "Each collection looks at every container of the generations it collects, whether or not there is garbage."
                .to_owned(),
            fix: format!(
                "let the collector run less{at}: fewer gc.collect(), gc.freeze() for what stays, a higher gc.set_threshold()"
            ),
            gain: Gain::Cpu,
            ..case.finding(self.name(), known.place.clone(), recoverable)
        }]
    }
}

/// What its own probes say.
fn by_probes(case: Case<'_>) -> Option<Known> {
    let process = case.process;
    let collector = process.collector.as_ref()?;
    let share = process.collector_share()?;
    let pauses = collector.pauses();
    if pauses.count < case.thresholds.gc_collections {
        return None;
    }
    let mut evidence = vec![
        figure(
            format!(
                "{} in {} collections, longest {}",
                say::duration(pauses.total_ns),
                say::grouped(pauses.count),
                say::duration(pauses.max_ns)
            ),
            "gc_ns",
            pauses.total_ns as f64,
            "ns",
        ),
        figure(
            format!("{} of the time", say::percent(share)),
            "gc_share",
            share,
            "ratio",
        ),
    ];
    evidence.push(figure(
        format!("{} objects freed", say::grouped(pauses.collected)),
        "gc_collected",
        pauses.collected as f64,
        "count",
    ));
    let most = collector.collections.first();
    Some(Known {
        share,
        place: most.and_then(|one| place_of(process, one.stack)),
        evidence,
    })
}

/// What samples found in the collector's own code, where nobody listens.
fn by_samples(case: Case<'_>) -> Option<Known> {
    let process = case.process;
    if collector_samples(process) < MIN_SAMPLES {
        return None;
    }
    let threads = process.threads.iter();
    let ns: Option<u64> = threads
        .map(|thread| sampled_collector_ns(process, thread))
        .sum();
    let wall_ns = process.threads.iter().map(|thread| thread.times.wall_ns);
    let share = ns? as f64 / wall_ns.max()?.max(1) as f64;
    let verdict = &case.verdicts.verdict;
    let text = format!("{} of the time, by samples", say::percent(share));
    Some(Known {
        share,
        // The place that answers for the time, if the collector has most of it.
        place: verdict
            .blame
            .clone()
            .filter(|_| verdict.detail == Some(Detail::Gc)),
        evidence: vec![figure(text, "gc_share", share, "ratio")],
    })
}
