//! What an unwatched system call costs while others are watched, by the clock.

use std::{thread, time::Instant};

use anyhow::{Result, ensure};
use aya::sys::{Stats, enable_stats};
use leakcpu_common::names::programs::SYS_EXIT;

use super::{Figure, Setting, Watch, Workload, workload};

/// Calls of one measurement for each millisecond of the window.
const CALLS_PER_MS: u64 = 5_000;
/// Stretches into which they are divided.
const CHUNKS: u64 = 50;

/// `getppid` in a loop, with nothing attached, with programs attached that watch
/// another process, and with `sys_exit` armed besides. The three take turns.
pub fn unwatched(setting: &Setting) -> Result<Vec<Figure>> {
    let bystander = Workload::idle(setting)?;
    let calls = CALLS_PER_MS * u64::try_from(setting.window.as_millis())?;
    let (mut bare, mut watching, mut armed) = (f64::MAX, f64::MAX, f64::MAX);
    let mut program_ns = f64::MAX;
    for _ in 0..setting.repetitions {
        bare = bare.min(loop_ns(setting.cpu, calls)?);
        let mut watch = Watch::start(setting.rate_hz, false)?;
        for pid in &bystander.pids {
            watch.add(*pid, true)?;
        }
        watching = watching.min(loop_ns(setting.cpu, calls)?);
        ensure!(
            watch.probes.arm_syscalls()?,
            "this kernel refused the sys_exit program"
        );
        armed = armed.min(loop_ns(setting.cpu, calls)?);
        let statistics = enable_stats(Stats::RunTime)?;
        let before = watch.tally()?;
        loop_ns(setting.cpu, calls / 10)?;
        let seen = &watch.tally()? - &before;
        drop(statistics);
        program_ns = program_ns.min(seen.of(SYS_EXIT).mean_ns()?);
        watch.probes.disarm_syscalls()?;
    }
    let ratio = |ns: f64| format!("{:.3} times that with nothing attached", ns / bare);
    Ok(vec![
        Figure::ns(
            "system call, nothing attached",
            bare,
            format!("getppid, {calls} calls"),
        ),
        Figure::ns("system call, watching", watching, ratio(watching)),
        Figure::ns("system call, armed", armed, ratio(armed)),
        Figure::ns(
            "sys_exit, unwatched",
            program_ns,
            "the program alone, while armed",
        ),
    ])
}

/// Nanoseconds of one call on `cpu`: the quickest of [`CHUNKS`] stretches, for nothing
/// but the rest of the host makes the others slower.
fn loop_ns(cpu: usize, calls: u64) -> Result<f64> {
    let timed = thread::spawn(move || -> Result<f64> {
        workload::pin(cpu)?;
        let calls = calls / CHUNKS;
        let mut least = f64::MAX;
        for _ in 0..CHUNKS {
            let start = Instant::now();
            for _ in 0..calls {
                // SAFETY: getppid takes no argument and touches no memory.
                unsafe { libc::syscall(libc::SYS_getppid) };
            }
            least = least.min(start.elapsed().as_nanos() as f64 / calls as f64);
        }
        Ok(least)
    });
    timed
        .join()
        .map_err(|_| anyhow::anyhow!("the loop of system calls panicked"))?
}
