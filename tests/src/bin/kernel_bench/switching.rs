//! What a switch between two threads costs, watched and unwatched.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result};
use leakcpu_common::names::programs::{SCHED_SWITCH, SCHED_WAKEUP, SCHED_WAKING};

use super::{Figure, Setting, Watch, Workload, fit, ping_pong, watch::Tally};

/// Frames of the stacks.
const DEPTHS: [u32; 3] = [10, 25, 50];
/// What an unwatched switch may cost, an empty program's 32 ns included.
const AIM_UNWATCHED_NS: f64 = 60.0;
/// What a watched switch may cost without a stack.
const AIM_NO_STACK_NS: f64 = 160.0;
/// What it may cost with so many frames.
const AIMS_NS: [(u32, f64); 1] = [(10, 500.0)];
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
            let costs = observed(watch, setting, &pair, false, other_ns)?;
            figures.push(
                Figure::ns(
                    "switch, watched, no stack",
                    costs.switch_ns,
                    "one thread out, one in; times, reason, totals",
                )
                .under(AIM_NO_STACK_NS),
            );
            figures.push(Figure::ns(
                "wake-up, watched",
                costs.wakeup_ns,
                "sched_wakeup, one to each switch",
            ));
            figures.push(Figure::ns(
                "wake-up begins, watched",
                costs.waking_ns,
                "sched_waking, by a watched thread; one to each switch",
            ));
        }
        let costs = observed(watch, setting, &pair, true, other_ns)?;
        points.push((costs.frames, costs.switch_ns));
        let figure = Figure::ns(
            format!("switch, watched, {depth} frames"),
            costs.switch_ns,
            format!("{:.1} frames in the mean", costs.frames),
        );
        figures.push(match AIMS_NS.iter().find(|aim| aim.0 == depth) {
            Some((_, aim_ns)) => figure.under(*aim_ns),
            None => figure,
        });
    }
    let (slope, _) = fit::line(&points).context("all stacks had the same depth")?;
    figures.push(Figure::ns(
        "switch, watched, each frame",
        slope,
        "least squares",
    ));
    Ok(figures)
}

/// What each event of a watched pair costs.
struct Costs {
    switch_ns: f64,
    wakeup_ns: f64,
    waking_ns: f64,
    /// Frames of the stacks in the mean.
    frames: f64,
}

impl Costs {
    fn of(seen: &Tally, other_ns: f64) -> Result<Self> {
        Ok(Self {
            switch_ns: seen.of(SCHED_SWITCH).mean_of_ns(seen.switches, other_ns)?,
            wakeup_ns: seen.of(SCHED_WAKEUP).mean_ns()?,
            waking_ns: seen.of(SCHED_WAKING).mean_ns()?,
            frames: seen.frames / seen.stacks.max(1.0),
        })
    }
}

fn observed(
    watch: &mut Watch,
    setting: &Setting,
    pair: &Workload,
    stacks: bool,
    other_ns: f64,
) -> Result<Costs> {
    for pid in &pair.pids {
        watch.add(*pid, stacks)?;
    }
    thread::sleep(SETTLE);
    let least = setting.least(
        || Costs::of(&setting.observe(watch)?, other_ns),
        |costs| costs.switch_ns,
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
            Ok([SCHED_SWITCH, SCHED_WAKEUP, SCHED_WAKING].map(|program| seen.of(program)))
        },
        |[switch, ..]| switch.ns / switch.count,
    );
    drop(players);
    watch.clear()?;
    let [switch, wakeup, waking] = least?;
    let count = switch.count;
    Ok(vec![
        Figure::ns(
            "switch, unwatched",
            switch.mean_ns()?,
            format!("pipe ping-pong at C's speed, {count:.0} switches; an empty program: 32 ns"),
        )
        .under(AIM_UNWATCHED_NS),
        Figure::ns(
            "wake-up, unwatched",
            wakeup.mean_ns()?,
            "sched_wakeup, one look-up",
        ),
        Figure::ns(
            "wake-up begins, unwatched",
            waking.mean_ns()?,
            "sched_waking",
        ),
    ])
}
