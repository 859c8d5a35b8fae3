//! What a switch between two threads costs, watched and unwatched.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result};
use leakcpu_common::names::programs::{SCHED_SWITCH, SCHED_WAKEUP};

use super::{Figure, Setting, Watch, Workload, fit, ping_pong};

/// Frames of the stacks.
const DEPTHS: [u32; 3] = [10, 25, 50];
/// What an unwatched switch may cost, an empty program's 32 ns included.
const AIM_UNWATCHED_NS: f64 = 60.0;
/// Until every stack of the workload has been seen once.
const SETTLE: Duration = Duration::from_millis(200);

/// Two Python processes that hand each other a byte on one CPU: every switch takes
/// one watched thread off the CPU and puts the other one on it.
pub fn watched(watch: &mut Watch, setting: &Setting) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut points = Vec::new();
    for depth in DEPTHS {
        let pair = Workload::start(setting, "pingpong.py", depth)?;
        let unwatched = setting.observe(watch)?;
        let other_ns = unwatched.of(SCHED_SWITCH).mean_ns()?;
        if figures.is_empty() {
            figures.push(
                Figure::ns(
                    "switch, unwatched (Python)",
                    other_ns,
                    "sched_switch, two look-ups that miss",
                )
                .under(AIM_UNWATCHED_NS),
            );
            let (ns, _, wakeup_ns) = observed(watch, setting, &pair, false, other_ns)?;
            figures.push(Figure::ns(
                "switch, watched, no stack",
                ns,
                "one thread out, one in; times, reason, totals",
            ));
            figures.push(Figure::ns(
                "wake-up, watched",
                wakeup_ns,
                "sched_wakeup, one to each switch",
            ));
        }
        let (ns, frames, _) = observed(watch, setting, &pair, true, other_ns)?;
        points.push((frames, ns));
        figures.push(Figure::ns(
            format!("switch, watched, {depth} frames"),
            ns,
            format!("{frames:.1} frames in the mean"),
        ));
    }
    let (slope, _) = fit::line(&points).context("all stacks had the same depth")?;
    figures.push(Figure::ns(
        "switch, watched, each frame",
        slope,
        "least squares",
    ));
    Ok(figures)
}

/// Nanoseconds of a switch, frames of its stack, nanoseconds of a wake-up.
fn observed(
    watch: &mut Watch,
    setting: &Setting,
    pair: &Workload,
    stacks: bool,
    other_ns: f64,
) -> Result<(f64, f64, f64)> {
    for pid in &pair.pids {
        watch.add(*pid, stacks)?;
    }
    thread::sleep(SETTLE);
    let least = setting.least(
        || {
            let seen = setting.observe(watch)?;
            let ns = seen.of(SCHED_SWITCH).mean_of_ns(seen.switches, other_ns)?;
            Ok((
                ns,
                seen.frames / seen.stacks.max(1.0),
                seen.of(SCHED_WAKEUP).mean_ns()?,
            ))
        },
        |(ns, ..)| *ns,
    );
    watch.clear()?;
    least
}

/// Two threads of this process that do the same at C's speed, while another process
/// is watched: the tax on everything else of the host.
pub fn unwatched(watch: &mut Watch, setting: &Setting) -> Result<Vec<Figure>> {
    let bystander = Workload::idle(setting)?;
    for pid in &bystander.pids {
        watch.add(*pid, true)?;
    }
    let players = ping_pong::Players::start(setting.cpu)?;
    thread::sleep(SETTLE);
    let least = setting.least(
        || {
            let seen = setting.observe(watch)?;
            Ok((
                seen.of(SCHED_SWITCH).mean_ns()?,
                seen.of(SCHED_WAKEUP).mean_ns()?,
                seen.of(SCHED_SWITCH).count,
            ))
        },
        |(ns, ..)| *ns,
    );
    drop(players);
    watch.clear()?;
    let (switch_ns, wakeup_ns, count) = least?;
    Ok(vec![
        Figure::ns(
            "switch, unwatched",
            switch_ns,
            format!("pipe ping-pong at C's speed, {count:.0} switches; an empty program: 32 ns"),
        )
        .under(AIM_UNWATCHED_NS),
        Figure::ns("wake-up, unwatched", wakeup_ns, "sched_wakeup, one look-up"),
    ])
}
