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
/// stacks and code objects of which every one is new.
pub fn walks(setting: &Setting) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (what, kind) in [("known stack", "same"), ("new stack, new code", "new")] {
        let mut watch = Watch::start(setting.rate_hz, true)?;
        let workload = Workload::blocking(setting, kind)?;
        for pid in &workload.pids {
            watch.add(*pid, true)?;
        }
        thread::sleep(MEASURED);
        let walks = watch.switch_walks()?;
        let all: u64 = walks.iter().sum();
        ensure!(all > LONGER, "{all} walks at a switch only");
        let seen = watch.tally()?;
        let outside = walks.iter().skip(AIM_US as usize).sum::<u64>();
        figures.push(Figure {
            what: format!("switch, longest walk, {what}"),
            value: within_us(&walks, LONGER),
            unit: "us",
            aim: Some(f64::from(AIM_US)),
            note: format!(
                "{all} walks of {:.0} frames, half within {} us, 99 % within {} us; {outside} took longer than {AIM_US} us",
                seen.frames / seen.stacks.max(1.0),
                within_us(&walks, 2),
                within_us(&walks, 100),
            ),
        });
    }
    Ok(figures)
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
