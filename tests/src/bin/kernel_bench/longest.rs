//! How long the walks take that are made under the run-queue lock, at their worst.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};

use super::{Figure, Setting, Watch, Workload};

/// What no walk at a switch may take.
const AIM_US: u32 = 20;
/// One walk in this many may take longer: while the hypervisor has the CPU, the clock
/// runs on.
const LONGER: u64 = 1_000;
/// How long there is to meet all that a new process brings.
const MEASURED: Duration = Duration::from_secs(5);

/// A thread that blocks below many frames: once always in the same place, once in
/// stacks and code objects of which every one is new. Where the host keeps even the control
/// for longer than the aim, no walk is asked to be quicker than that.
pub fn walks(setting: &Setting) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (what, kind) in [("known stack", "same"), ("new stack, new code", "new")] {
        let mut watch = Watch::start(setting.rate_hz, true)?;
        let workload = Workload::blocking(setting, kind)?;
        for pid in &workload.pids {
            watch.add(*pid, true)?;
        }
        thread::sleep(MEASURED);
        let [walks, controls] = watch.switch_walks()?;
        let all: u64 = walks.iter().sum();
        ensure!(all > LONGER, "{all} walks at a switch only");
        let seen = watch.tally()?;
        let control = figure(
            &format!("control beside {what}"),
            &controls,
            "the same work each time, in the same place",
        );
        let mut walk = figure(
            what,
            &walks,
            &format!("{:.0} frames", seen.frames / seen.stacks.max(1.0)),
        );
        walk.aim = Some(control.value.max(f64::from(AIM_US)));
        figures.extend([walk, control]);
    }
    Ok(figures)
}

fn figure(what: &str, walks: &[u64], of: &str) -> Figure {
    let all: u64 = walks.iter().sum();
    let outside = walks.iter().skip(AIM_US as usize).sum::<u64>();
    Figure {
        what: format!("switch, longest, {what}"),
        value: within_us(walks, LONGER),
        unit: "us",
        aim: None,
        note: format!(
            "{all}, {of}; half within {} us, 99 % within {} us; {outside} took longer than {AIM_US} us",
            within_us(walks, 2),
            within_us(walks, 100),
        ),
    }
}

/// The microseconds within which all but one in `longer` of the walks ended, of which
/// `walks` has how many took each whole number of them.
fn within_us(walks: &[u64], longer: u64) -> f64 {
    let all: u64 = walks.iter().sum();
    let mut left = all;
    let us = walks.iter().take_while(|n| {
        left -= **n;
        left > all / longer
    });
    us.count() as f64 + 1.0
}
