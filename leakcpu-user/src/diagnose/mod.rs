//! One rule per file: from a classified profile to findings with evidence, cause and fix.

mod async_spin;
mod below;
mod blocking_call;
mod blocking_disk;
mod child_wait;
mod clock_spin;
mod connection_reuse;
mod cpu_in_loop;
mod deadlock;
mod dns;
mod exceptions;
mod explanation;
mod finding;
mod flag_spin;
mod gc_thrash;
mod held_loop;
mod hot_import;
mod http;
mod json;
mod list_membership;
mod lock_contention;
mod micro_sleep;
mod n_plus_one;
mod native_spin;
mod pandas_rowwise;
mod python_loop;
mod regex_recompile;
mod run_queue;
mod sequential_requests;
mod settings;
mod single_core_gil;
mod spinning;
mod spots;
mod step;
mod string_concat;
mod swap;
#[cfg(test)]
mod testing;
mod thresholds;
mod throttled;
mod waited;
mod zero_timeout_poll;

pub use explanation::Explanation;
pub use finding::{Finding, Severity};
pub use settings::Settings;
pub use thresholds::Thresholds;

use crate::classify::{Classification, ProcessVerdicts};
use crate::model::{Host, Process, Profile};

/// What a rule sees: one process and what was said of it.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The machine.
    pub host: &'a Host,
    /// The process.
    pub process: &'a Process,
    /// Its verdicts.
    pub verdicts: &'a ProcessVerdicts,
    /// What rules go by.
    pub thresholds: &'a Thresholds,
}

/// A diagnosis. Pure; a rule that is not sure stays silent.
pub trait Rule: Sync {
    /// Its name, as reports have it.
    fn name(&self) -> &'static str;
    /// What it means, in one sentence.
    fn about(&self) -> &'static str;
    /// The same at length.
    fn explanation(&self) -> Explanation;
    /// What it finds in `case`.
    fn check(&self, case: Case<'_>) -> Vec<Finding>;
}

/// All rules.
pub static RULES: [&dyn Rule; 29] = [
    &deadlock::Deadlock,
    &zero_timeout_poll::ZeroTimeoutPoll,
    &micro_sleep::MicroSleep,
    &native_spin::NativeSpin,
    &flag_spin::FlagSpin,
    &clock_spin::ClockSpin,
    &async_spin::AsyncSpin,
    &single_core_gil::SingleCoreGil,
    &lock_contention::LockContention,
    &blocking_call::BlockingCall,
    &cpu_in_loop::CpuInLoop,
    &list_membership::ListMembership,
    &string_concat::StringConcat,
    &exceptions::Exceptions,
    &python_loop::PythonLoop,
    &gc_thrash::GcThrash,
    &regex_recompile::RegexRecompile,
    &pandas_rowwise::PandasRowwise,
    &json::Json,
    &hot_import::HotImport,
    &n_plus_one::NPlusOne,
    &connection_reuse::ConnectionReuse,
    &sequential_requests::SequentialRequests,
    &dns::Dns,
    &child_wait::ChildWait,
    &blocking_disk::BlockingDisk,
    &swap::Swap,
    &throttled::Throttled,
    &run_queue::RunQueue,
];

/// The rule of that name.
pub fn rule(name: &str) -> Option<&'static dyn Rule> {
    RULES.into_iter().find(|rule| rule.name() == name)
}

/// Findings of a profile, per process in the order of the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Per process.
    pub processes: Vec<ProcessFindings>,
}

/// Findings of one process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessFindings {
    /// Most severe first.
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub more: usize,
    /// What to do next: the first finding's fix, or the step that the verdict alone
    /// suggests. There always is one.
    pub next_step: String,
}

/// The findings of threads that are proved to busy-wait, and where they are in the model.
pub fn proved_spins<'a>(
    profile: &'a Profile,
    classification: &'a Classification,
    findings: &'a Findings,
) -> impl Iterator<Item = (&'a Process, &'a Finding)> {
    let processes = profile.processes.iter().zip(&classification.processes);
    processes
        .zip(&findings.processes)
        .flat_map(|((process, verdicts), found)| {
            let case = Case {
                host: &profile.host,
                process,
                verdicts,
                thresholds: &Thresholds::DEFAULT,
            };
            let is_proved = move |finding: &&Finding| spinning::is_proved(finding, case);
            let proved = found.findings.iter().filter(is_proved);
            proved.map(move |finding| (process, finding))
        })
}

/// Asks every rule that is not switched off about every process.
pub fn diagnose(
    profile: &Profile,
    classification: &Classification,
    settings: &Settings,
) -> Findings {
    let processes = profile
        .processes
        .iter()
        .zip(&classification.processes)
        .map(|(process, verdicts)| {
            let case = Case {
                host: &profile.host,
                process,
                verdicts,
                thresholds: &settings.thresholds,
            };
            let rules = RULES.iter().filter(|rule| settings.asks(rule.name()));
            let mut findings: Vec<Finding> = rules.flat_map(|rule| rule.check(case)).collect();
            findings.sort_by_key(|f| {
                std::cmp::Reverse((f.severity, f.recoverable_ns_per_s.unwrap_or(0)))
            });
            let kept = settings.at_most.unwrap_or(usize::MAX);
            let more = findings.len().saturating_sub(kept);
            findings.truncate(kept);
            let next_step = findings
                .first()
                .filter(|f| f.severity > Severity::Low)
                .map_or_else(|| step::next_step(case), |f| f.fix.clone());
            ProcessFindings {
                findings,
                more,
                next_step,
            }
        })
        .collect();
    Findings { processes }
}

/// `ns` within `span_ns`, per second.
fn per_second(ns: u64, span_ns: u64) -> u64 {
    let scaled = u128::from(ns) * 1_000_000_000 / u128::from(span_ns.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
