//! What a sample of a running thread costs, by the depth of its stack.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result};
use leakcpu_common::names::programs::ON_CPU_SAMPLE;

use super::{Figure, Setting, Watch, Workload, fit};

/// Frames of the stacks.
const DEPTHS: [u32; 6] = [5, 10, 25, 50, 100, 200];
/// What a warm frame may cost.
const AIM_FRAME_NS: f64 = 40.0;
/// Until every stack of the workload has been seen once.
const SETTLE: Duration = Duration::from_millis(300);

/// The cost of a sample at each depth, and of one more frame.
pub fn by_depth(watch: &mut Watch, setting: &Setting) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut points = Vec::new();
    // The other CPUs are sampled too, and nothing is watched there. What such a sample
    // costs is measured before there is a target, and taken off.
    let other_ns = setting.least(
        || setting.observe(watch)?.of(ON_CPU_SAMPLE).mean_ns(),
        |ns| *ns,
    )?;
    figures.push(Figure::ns(
        "sample, unwatched",
        other_ns,
        "on_cpu_sample, all CPUs, no target yet: mostly idle and cold",
    ));
    for depth in DEPTHS {
        let target = Workload::start(setting, "target.py", depth)?;
        for pid in &target.pids {
            watch.add(*pid, true)?;
        }
        thread::sleep(SETTLE);
        let (ns, seen) = setting.least(
            || {
                let seen = setting.observe(watch)?;
                let ns = seen.of(ON_CPU_SAMPLE).mean_of_ns(seen.samples, other_ns)?;
                Ok((ns, seen))
            },
            |(ns, _)| *ns,
        )?;
        let frames = seen.frames / seen.stacks;
        points.push((frames, ns));
        figures.push(Figure::ns(
            format!("sample, {depth} frames"),
            ns,
            format!(
                "{:.0} samples, {frames:.1} frames in the mean",
                seen.samples
            ),
        ));
        watch.clear()?;
    }
    let (slope, intercept) = fit::line(&points).context("all stacks had the same depth")?;
    figures.push(
        Figure::ns(
            "sample, each frame",
            slope,
            format!("least squares; {intercept:.0} ns without a frame"),
        )
        .under(AIM_FRAME_NS),
    );
    Ok(figures)
}
