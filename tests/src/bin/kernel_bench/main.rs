//! What the eBPF programs cost, by the kernel's own run-time statistics and by the
//! clock. `cargo xtask bench` builds and runs it as root and prints its figures with
//! their aims; docs/bench.md says what each one means.

mod fit;
mod longest;
mod ping_pong;
mod sampling;
mod switching;
mod syscall;
mod watch;
mod workload;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use aya::sys::{Stats, enable_stats};
use clap::Parser;
use leakcpu_tests::figure::Figure;

use self::{
    watch::Watch,
    workload::{Setting, Workload},
};

/// Measures what pyobserve's eBPF programs cost.
#[derive(Parser)]
struct Arguments {
    /// The interpreter of the workloads
    #[arg(long)]
    python: PathBuf,
    /// The folder of the workloads
    #[arg(long)]
    workloads: PathBuf,
    /// The CPU of what is measured
    #[arg(long)]
    cpu: usize,
    /// The CPU of this program
    #[arg(long)]
    own_cpu: usize,
    /// Length of one measurement
    #[arg(long, default_value_t = 1000)]
    window_ms: u64,
    /// Measurements of each figure; the least counts
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Samples per second and CPU
    #[arg(long, default_value_t = 999)]
    rate_hz: u32,
}

#[expect(clippy::print_stdout, reason = "the figures are this program's data")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let setting = Setting {
        python: arguments.python,
        workloads: arguments.workloads,
        cpu: arguments.cpu,
        window: Duration::from_millis(arguments.window_ms),
        repetitions: arguments.repetitions.max(1),
        rate_hz: arguments.rate_hz,
    };
    workload::pin(arguments.own_cpu)?;
    let mut figures: Vec<Figure> = Vec::new();
    {
        let mut watch = Watch::start(setting.rate_hz, false)?;
        let _statistics = enable_stats(Stats::RunTime)
            .context("the kernel gives no run-time statistics of eBPF programs (5.8 does)")?;
        eprintln!("kernel: samples by depth");
        figures.extend(sampling::by_depth(&mut watch, &setting)?);
        eprintln!("kernel: switches");
        figures.extend(switching::watched(&mut watch, &setting)?);
        figures.extend(switching::unwatched(&mut watch, &setting)?);
    }
    eprintln!("kernel: the longest walks at a switch");
    figures.extend(longest::walks(&setting)?);
    eprintln!("kernel: unwatched system calls");
    figures.extend(syscall::unwatched(&setting)?);
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}
