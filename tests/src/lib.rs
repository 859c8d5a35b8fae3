//! Harness of the end-to-end tests.
//!
//! The tests start real interpreters with workloads that measure themselves, run
//! the `pyobserve` binary beside them on the running kernel, and compare. They
//! need root; `cargo xtask test` builds them as the user and runs them as root, one
//! at a time, for they measure.
//!
//! What is missing on a host (an interpreter, a tool) is skipped aloud, on stderr.
//! Everything else that goes wrong in here is a failed test, so the harness panics
//! instead of returning errors.
#![expect(
    clippy::missing_panics_doc,
    reason = "every function of a test harness panics when the test cannot go on"
)]

pub mod accused;
pub mod call_graph;
pub mod cgroup;
pub mod checks;
pub mod clocks;
pub mod collapsed;
pub mod compiler;
pub mod corpus;
pub mod figure;
pub mod findings;
pub mod forms;
pub mod garbage;
pub mod interpreter;
pub mod lines;
pub mod netns;
pub mod observe;
pub mod probe_places;
pub mod probe_prices;
pub mod problems;
pub mod processes;
pub mod reasons;
pub mod report;
pub mod servers;
pub mod single_step;
pub mod stacks;
pub mod swap;
pub mod table_rows;
pub mod tracefs;
pub mod venv;
pub mod verdict;
pub mod waits;
pub mod workload;
