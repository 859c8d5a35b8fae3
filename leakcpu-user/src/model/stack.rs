//! Functions, frames, stacks and the time charged to them.

use serde::{Deserialize, Serialize};

use super::{FunctionId, Leaf, Reason, StackId, apportion};

/// A Python function of one process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Function {
    /// Qualified name where the version has it (3.11 and later), else the plain name.
    pub name: String,
    /// File name as the code object has it.
    pub file: String,
    /// First line of the definition.
    pub first_line: u32,
}

impl Function {
    /// The name without the classes and functions around it.
    pub fn plain_name(&self) -> &str {
        plain_name(&self.name)
    }
}

/// A qualified name without the classes and functions around it: `co_name`.
pub fn plain_name(qualified: &str) -> &str {
    qualified.rsplit('.').next().unwrap_or(qualified)
}

/// One frame of a symbolized stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// The function, or `None` where the frame could not be named.
    pub function: Option<FunctionId>,
    /// The line being executed, where the line table told.
    pub line: Option<u32>,
    /// C called Python here: between this frame and the next outer one there are C
    /// frames.
    pub called_from_c: bool,
}

/// A distinct stack, leaf first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Leaf first; empty if the thread ran no Python or its frames were lost.
    pub frames: Vec<Frame>,
    /// Frames are missing: the walk ended before the root.
    pub truncated: bool,
    /// Of a truncated stack: the last frame is the root all the same, and the missing
    /// ones are between it and the others.
    pub has_root: bool,
    /// A frame could not be read: only the leaf side is known.
    pub partial: bool,
}

/// A child process that was waited for; what differed from one wait to the next is not
/// known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Child {
    /// Its pid in the initial pid namespace.
    pub pid: Option<u32>,
    /// The kernel's name for it (`comm`).
    pub name: Option<String>,
}

/// What a wait on sockets waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awaits {
    /// For others to ask for something.
    Work,
    /// For the answer to what was sent.
    Answer,
}

/// What a [`StackTime`] adds up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StackTimeKind {
    /// On-CPU samples in user mode.
    OnCpuUser,
    /// On-CPU samples in kernel mode, with the system call in progress, if any.
    OnCpuKernel {
        /// Name of the system call.
        syscall: Option<String>,
    },
    /// Off the CPU, waiting.
    Blocked {
        /// For what.
        reason: Reason,
        /// Name of the system call it waits in; `None` for a page fault.
        syscall: Option<String>,
        /// The other end of a network wait: `10.0.0.5:5432`, a socket path.
        peer: Option<String>,
        /// The file of a disk, pipe or terminal wait.
        file: Option<String>,
        /// The child of a wait for one.
        #[serde(default)]
        child: Option<Child>,
    },
    /// Off the CPU, able to run.
    Preempted,
}

/// Time charged to one (thread, stack, kind).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackTime {
    /// Where in the code.
    pub stack: StackId,
    /// Which kind of time.
    pub kind: StackTimeKind,
    /// Samples (on CPU) or intervals (off CPU).
    pub count: u64,
    /// Time blocked; 0 for on-CPU entries.
    pub blocked_ns: u64,
    /// Time ready but not running that followed; 0 for on-CPU entries.
    pub runnable_ns: u64,
    /// Longest blocked part of one interval.
    pub max_blocked_ns: u64,
    /// The part of `blocked_ns` of which it is estimated that it belongs to this stack:
    /// waits that were not walked, to keep within the budget.
    #[serde(default)]
    pub stack_estimated_ns: u64,
    /// The part of `blocked_ns` of which the reason is estimated too.
    #[serde(default)]
    pub reason_estimated_ns: u64,
    /// It was seen in a gap of an event loop that was long by then.
    #[serde(default)]
    pub in_long_gap: bool,
    /// What it waited for, as far as looks at its sockets told: then its time is a part,
    /// estimated, of that of all waits in this stack. Of a lock, as far as what is called there
    /// told: an item of a queue is work.
    #[serde(default)]
    pub awaits: Option<Awaits>,
    /// What the samples found being executed; fewer than `count` where that was lost,
    /// empty for off-CPU entries.
    #[serde(default)]
    pub leaves: Vec<Leaf>,
}

impl StackTime {
    /// As many parts as there are weights, which sum to it and are in proportion to them;
    /// each has one interval at least.
    pub(crate) fn parted(&self, weights: &[u64]) -> Vec<Self> {
        let column = |total| apportion(total, weights);
        let counts = column(self.count);
        let blocked = column(self.blocked_ns);
        let runnable = column(self.runnable_ns);
        let by_stack = column(self.stack_estimated_ns);
        let by_reason = column(self.reason_estimated_ns);
        (0..weights.len())
            .map(|i| Self {
                count: counts[i].max(1),
                blocked_ns: blocked[i],
                runnable_ns: runnable[i],
                max_blocked_ns: self.max_blocked_ns.min(blocked[i]),
                stack_estimated_ns: by_stack[i],
                reason_estimated_ns: by_reason[i],
                ..self.clone()
            })
            .collect()
    }
}
