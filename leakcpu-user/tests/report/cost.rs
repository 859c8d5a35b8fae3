//! What rules take.

use std::time::Instant;

use pyobserve::{
    classify::classify,
    diagnose::{Settings, diagnose},
};

use crate::fixtures::{host_of_200, profile};

#[test]
#[ignore = "a figure, no judgement: with --release --nocapture"]
fn what_all_rules_take_for_two_hundred_processes() {
    let profile = profile(host_of_200());
    let classification = classify(&profile);
    let settings = Settings::default();
    let mut times: Vec<_> = (0..20)
        .map(|_| {
            let began = Instant::now();
            let findings = diagnose(&profile, &classification, &settings);
            assert_eq!(findings.processes.len(), profile.processes.len());
            began.elapsed()
        })
        .collect();
    times.sort();
    eprintln!(
        "all rules, {} processes: {:.2} ms (median of {})",
        profile.processes.len(),
        times[times.len() / 2].as_secs_f64() * 1e3,
        times.len()
    );
}
