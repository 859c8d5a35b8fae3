//! What rules take.

use std::time::Instant;

use pyobserve::{
    classify::classify,
    diagnose::{Settings, diagnose},
    model::{Pid, Process},
};

use crate::fixtures::{five_busy, host_of_200, profile};

const REPEATS: usize = 20;

#[test]
#[ignore = "figures, no judgement: with --release --nocapture"]
fn what_all_rules_take_for_two_hundred_processes() {
    eprintln!(
        "all rules, 200 processes: {:.2} ms with five at work, {:.2} ms with all (medians of {REPEATS})",
        median_ms(host_of_200()),
        median_ms(all_busy())
    );
}

fn all_busy() -> Vec<Process> {
    let processes = (0..40).flat_map(|_| five_busy()).zip(10_000..);
    processes
        .map(|(truth, pid)| Process {
            pid: Pid(pid),
            ..truth.process
        })
        .collect()
}

fn median_ms(processes: Vec<Process>) -> f64 {
    let profile = profile(processes);
    let classification = classify(&profile);
    let settings = Settings::default();
    let mut times: Vec<_> = (0..REPEATS)
        .map(|_| {
            let began = Instant::now();
            let findings = diagnose(&profile, &classification, &settings);
            assert_eq!(findings.processes.len(), 200);
            began.elapsed()
        })
        .collect();
    times.sort();
    times[REPEATS / 2].as_secs_f64() * 1e3
}
