//! Which probes go together.

use leakcpu_common::{names::programs, usdt::probe};

/// Probes that one program hears, and that are listened at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeGroup {
    /// The collector begins and ends.
    Collector,
    /// Modules are found and loaded.
    Imports,
    /// Something is done that is audited (PEP 578).
    Audit,
    /// A function returns, yields or is left by an exception.
    Calls,
    /// A line is executed.
    Lines,
}

impl ProbeGroup {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Collector,
        Self::Imports,
        Self::Audit,
        Self::Calls,
        Self::Lines,
    ];

    /// As the command line and messages have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Collector => "gc",
            Self::Imports => "import",
            Self::Audit => "audit",
            Self::Calls => "calls",
            Self::Lines => "line",
        }
    }

    /// The program that hears them.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Collector => programs::USDT_GC,
            Self::Imports => programs::USDT_IMPORT,
            Self::Audit => programs::USDT_AUDIT,
            Self::Calls | Self::Lines => programs::USDT_CALL,
        }
    }

    /// Its probes by name, and as the program knows them.
    pub const fn probes(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Collector => &[("gc__start", probe::GC_START), ("gc__done", probe::GC_DONE)],
            Self::Imports => &[
                ("import__find__load__start", probe::IMPORT_START),
                ("import__find__load__done", probe::IMPORT_DONE),
            ],
            Self::Audit => &[("audit", probe::AUDIT)],
            // Not that of entries, which is silent in 3.11.
            Self::Calls => &[("function__return", probe::FUNCTION_RETURN)],
            Self::Lines => &[("line", probe::LINE)],
        }
    }

    /// Whether its probes fire so often that they are armed for moments only.
    pub const fn is_sampled(self) -> bool {
        matches!(self, Self::Calls | Self::Lines)
    }

    /// What one of its probes that fires takes of the target, nanoseconds: the breakpoint and the
    /// program, a walk of the stack or an event in the ring buffer included (docs/usdt.md).
    pub const fn price_ns(self) -> u64 {
        match self {
            Self::Collector | Self::Imports => 1_500,
            Self::Audit => 2_500,
            // Measured in each run (`price.rs`); this is for words only.
            Self::Calls | Self::Lines => 1_000,
        }
    }

    /// What the user loses without it.
    pub const fn lost_without(self) -> &'static str {
        match self {
            Self::Collector => "exact pauses of the collector, and what set them off",
            Self::Imports => "what each import takes, one by one",
            Self::Audit => "which files, sockets, programs ... are opened, and where",
            Self::Calls => "how often functions are called",
            Self::Lines => "how often lines are executed",
        }
    }

    /// What is to be said before they are armed; nothing of what cannot do harm.
    pub fn warnings(self, counting: CallCounting) -> Vec<String> {
        let mut warnings: Vec<&str> = Vec::new();
        match self {
            Self::Collector => {}
            Self::Imports => warnings.push(
                "the probes of imports cost about a microsecond for each module that is loaded; \
                 while they are armed, the import of a module whose name cannot be encoded \
                 raises an error in the program",
            ),
            Self::Audit => warnings.push(
                "the probe of audited events costs about two microseconds for each file that is \
                 opened, module that is imported, object whose id is asked for ...",
            ),
            Self::Calls => warnings.push(
                "the probe of calls costs about a microsecond for each call of a Python function; \
                 on 3.9 and 3.11, while it is armed, calls of code in a file whose name cannot be \
                 encoded raise an error in the program",
            ),
            Self::Lines => warnings.push(
                "the probe of lines costs about a microsecond for each line that is executed, and \
                 in 3.11 a tenth of one for each instruction; while it is armed, code in a file \
                 whose name cannot be encoded raises an error in the program",
            ),
        }
        let mut warnings: Vec<String> = warnings.into_iter().map(str::to_owned).collect();
        if self.is_sampled() {
            warnings.push(match counting {
                CallCounting::Share(share) => format!(
                    "it is armed for moments only, so that no process loses more than {} % of \
                     its time",
                    share * 100.0
                ),
                CallCounting::Exact => "it is armed all the time: programs that do little but \
                                        call functions run three to twenty times slower"
                    .to_owned(),
            });
        }
        warnings
    }
}

/// Some of the groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeGroups {
    bits: u8,
}

impl ProbeGroups {
    /// Nobody listens.
    pub const NONE: Self = Self { bits: 0 };

    /// One more.
    #[must_use]
    pub const fn with(self, group: ProbeGroup) -> Self {
        Self {
            bits: self.bits | 1 << group as u8,
        }
    }

    /// Whether a group is one of them.
    pub const fn has(self, group: ProbeGroup) -> bool {
        self.bits & 1 << group as u8 != 0
    }

    /// Those that are in it.
    pub fn groups(self) -> impl Iterator<Item = ProbeGroup> {
        ProbeGroup::ALL
            .into_iter()
            .filter(move |group| self.has(*group))
    }
}

/// When calls and lines are counted, if they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CallCounting {
    /// For moments, so that no process loses more than this share of its time.
    Share(f64),
    /// All the time.
    Exact,
}

impl Default for CallCounting {
    fn default() -> Self {
        Self::Share(0.01)
    }
}
