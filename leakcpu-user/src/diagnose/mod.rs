//! One rule per file: from a classified profile to findings with evidence, cause and fix.

mod below;
mod busy_wait;
mod counted;
mod cpu;
mod event_loop;
mod explanation;
mod finding;
mod io;
mod machine;
mod settings;
mod spinning;
mod step;
#[cfg(test)]
mod testing;
mod threads;
mod thresholds;

pub use explanation::Explanation;
pub use finding::{Finding, Gain, Severity};
pub use settings::Settings;
pub use thresholds::Thresholds;

use counted::Counted;

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

impl Case<'_> {
    /// Whether the thread with this number is proved to spin.
    fn is_spinning(&self, thread: usize) -> bool {
        matches!(self.verdicts.spins.get(thread), Some(Some(_)))
    }
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
pub static RULES: [&dyn Rule; 36] = [
    &threads::Deadlock,
    &busy_wait::ZeroTimeoutPoll,
    &busy_wait::MicroSleep,
    &busy_wait::NativeSpin,
    &busy_wait::FlagSpin,
    &busy_wait::ClockSpin,
    &busy_wait::AsyncSpin,
    &threads::HeldWhileBlocked,
    &threads::SingleCoreGil,
    &threads::LockContention,
    &event_loop::BlockingCall,
    &event_loop::CpuInLoop,
    &event_loop::NeverAwaited,
    &cpu::ListMembership,
    &cpu::StringConcat,
    &cpu::Exceptions,
    &cpu::NestedLoop,
    &cpu::PythonLoop,
    &cpu::RepeatedCall,
    &cpu::RepeatedLookup,
    &cpu::AppendLoop,
    &cpu::GcThrash,
    &cpu::RegexRecompile,
    &cpu::PandasRowwise,
    &cpu::Json,
    &cpu::HotImport,
    &io::NPlusOne,
    &io::ConnectionReuse,
    &io::SequentialRequests,
    &io::Dns,
    &io::ChildWait,
    &io::BlockingDisk,
    &io::TinyWrites,
    &io::Swap,
    &machine::Throttled,
    &machine::RunQueue,
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
            if !findings.is_empty() {
                let counted = Counted::of(process);
                for finding in &mut findings {
                    counted.add_to(finding);
                }
            }
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
