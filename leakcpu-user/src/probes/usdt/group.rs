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
}

impl ProbeGroup {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Collector, Self::Imports, Self::Audit];

    /// As the command line and messages have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Collector => "gc",
            Self::Imports => "import",
            Self::Audit => "audit",
        }
    }

    /// The program that hears them.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Collector => programs::USDT_GC,
            Self::Imports => programs::USDT_IMPORT,
            Self::Audit => programs::USDT_AUDIT,
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
        }
    }

    /// What one of its probes that fires takes of the target, nanoseconds: the breakpoint and the
    /// program, a walk of the stack or an event in the ring buffer included (docs/usdt.md).
    pub const fn price_ns(self) -> u64 {
        match self {
            Self::Collector | Self::Imports => 1_500,
            Self::Audit => 2_500,
        }
    }

    /// What the user loses without it.
    pub const fn lost_without(self) -> &'static str {
        match self {
            Self::Collector => "exact pauses of the collector, and what set them off",
            Self::Imports => "what each import takes, one by one",
            Self::Audit => "which files, sockets, programs ... are opened, and where",
        }
    }

    /// What is to be said before they are armed; nothing of what cannot do harm.
    pub const fn warning(self) -> Option<&'static str> {
        match self {
            Self::Collector => None,
            Self::Imports => Some(
                "the probes of imports cost about a microsecond for each module that is loaded; \
                 while they are armed, the import of a module whose name cannot be encoded \
                 raises an error in the program",
            ),
            Self::Audit => Some(
                "the probe of audited events costs about two microseconds for each file that is \
                 opened, module that is imported, object whose id is asked for ...",
            ),
        }
    }
}

/// Some of the groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeGroups {
    /// [`ProbeGroup::Collector`].
    pub collector: bool,
    /// [`ProbeGroup::Imports`].
    pub imports: bool,
    /// [`ProbeGroup::Audit`].
    pub audit: bool,
}

impl ProbeGroups {
    /// Nobody listens.
    pub const NONE: Self = Self {
        collector: false,
        imports: false,
        audit: false,
    };

    /// Whether a group is one of them.
    pub const fn has(self, group: ProbeGroup) -> bool {
        match group {
            ProbeGroup::Collector => self.collector,
            ProbeGroup::Imports => self.imports,
            ProbeGroup::Audit => self.audit,
        }
    }

    /// Those that are in it.
    pub fn groups(self) -> impl Iterator<Item = ProbeGroup> {
        ProbeGroup::ALL
            .into_iter()
            .filter(move |group| self.has(*group))
    }
}
