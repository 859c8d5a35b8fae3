//! From a profile with a known truth to verdicts, findings and every kind of report.

mod activity;
mod answers;
mod busy;
mod classify;
mod cost;
mod fixtures;
mod functions;
mod gil;
mod imports;
mod json;
mod locks;
mod loops;
mod machine;
mod rollup;
mod stacks;
mod text;
mod waiting_loops;
mod wakes;
