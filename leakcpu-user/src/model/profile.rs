//! One run (or one window of a continuous run).

use serde::{Deserialize, Serialize};

use super::{Loss, Process};

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Host name.
    pub hostname: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// `uname -r`.
    pub kernel: String,
    /// CPUs online.
    pub cpus: u32,
}

/// When.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Start, nanoseconds since 1970.
    pub start_unix_ns: u64,
    /// Length.
    pub duration_ns: u64,
    /// 0 for a single run, counts windows in continuous use.
    pub sequence: u64,
}

/// How much is looked at at context switches; times are exact in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    /// Stack and reason of every wait.
    #[default]
    AllStacks,
    /// The reason of every wait, the stacks of some.
    SomeStacks,
    /// The reason of every wait, the stacks of hardly any.
    FewStacks,
    /// Reasons and stacks of hardly any.
    Counters,
}

impl Detail {
    /// As reports say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllStacks => "all stacks",
            Self::SomeStacks => "some stacks",
            Self::FewStacks => "few stacks",
            Self::Counters => "counters",
        }
    }
}

/// A degradation of sampling, or its end: when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplingStep {
    /// Nanoseconds after the window's start.
    pub at_ns: u64,
    /// The rate of on-CPU samples from then on.
    pub hz: u32,
    /// What is looked at at context switches from then on.
    #[serde(default)]
    pub detail: Detail,
    /// Why.
    pub why: String,
}

/// How densely on-CPU time was sampled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// The rate asked for.
    pub requested_hz: u32,
    /// The rate achieved on busy CPUs; `None` if nothing ran.
    pub effective_hz: Option<f64>,
    /// Walks of Python stacks, on and off the CPU: what `stacks_truncated`,
    /// `stack_in_transition` and the like in [`Loss`] are a part of.
    pub stacks_walked: u64,
    /// Switches of watched threads from a CPU.
    #[serde(default)]
    pub switches: u64,
    /// Those of them whose stack was not walked, to keep within the budget.
    #[serde(default)]
    pub switches_without_stack: u64,
    /// Degradations.
    pub steps: Vec<SamplingStep>,
}

/// What the observation itself cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Time in our eBPF programs; `None` if the kernel did not count it.
    pub bpf_run_ns: Option<u64>,
    /// CPU time of our own process within the window.
    pub user_cpu_ns: u64,
    /// Its peak memory.
    pub max_rss_bytes: u64,
}

/// Everything that was observed in one window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The machine.
    pub host: Host,
    /// When.
    pub window: Window,
    /// How densely.
    pub sampling: Sampling,
    /// What was lost.
    pub loss: Loss,
    /// What it cost.
    pub cost: Cost,
    /// The Python processes.
    pub processes: Vec<Process>,
    /// What the user should know beside the figures: a pid that was not Python ...
    pub warnings: Vec<String>,
}
