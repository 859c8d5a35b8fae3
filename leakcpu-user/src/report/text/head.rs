//! The first line.

use super::line::{Line, Look};
use crate::classify::say::{count, duration};
use crate::model::Profile;

/// `5 Python processes watched for 10.0 s on web-7 (6.18, 2 CPUs) - 3 active - cost
/// 0.1 % of a core, nothing lost`, shortened until it fits.
pub(super) fn head(profile: &Profile, active: usize, width: usize) -> Line {
    let window = duration(profile.window.duration_ns);
    let host = &profile.host.hostname;
    let mut line = Line::new();
    let n = profile.processes.len();
    if n == 0 {
        let on = if host.is_empty() { "this host" } else { host };
        line.push(
            &format!("{on}: no Python process is running (watched for {window})"),
            Look::Strong,
        );
        return line;
    }
    let what = count(n as u64, "Python process", "Python processes");
    let on = if host.is_empty() {
        String::new()
    } else {
        format!(" on {host}")
    };
    let subject = format!("{what} watched for {window}{on}");
    let machine = format!(
        " ({}, {})",
        profile.host.kernel,
        count(u64::from(profile.host.cpus), "CPU", "CPUs")
    );
    let state = format!(" - {}", state(n, active));
    let cost = format!(" - cost {}", cost(profile));
    let loss = if super::notes::is_anything_lost(profile) {
        ""
    } else {
        ", nothing lost"
    };
    let loss_alone = loss.replace(',', " -");
    let candidates = [
        vec![machine.as_str(), &state, &cost, loss],
        vec![&state, &cost, loss],
        vec![&state, &loss_alone],
        vec![&state],
        vec![],
    ];
    let fits = |tail: &&Vec<&str>| {
        let mut trial = Line::new();
        trial.push(&subject, Look::Strong);
        for part in *tail {
            trial.push(part, Look::Plain);
        }
        trial.width() <= width
    };
    line.push(&subject, Look::Strong);
    for part in candidates.iter().find(fits).into_iter().flatten() {
        line.push(part, Look::Faint);
    }
    line
}

fn state(processes: usize, active: usize) -> String {
    match (active, processes - active) {
        (0, _) => "all idle".to_owned(),
        (active, 0) => format!("{active} active"),
        (active, idle) => format!("{active} active, {idle} idle"),
    }
}

/// What watching cost, as a share of one core.
fn cost(profile: &Profile) -> String {
    let ns = profile.cost.user_cpu_ns + profile.cost.bpf_run_ns.unwrap_or(0);
    let percent = ns as f64 * 100.0 / profile.window.duration_ns.max(1) as f64;
    if percent < 0.1 {
        "under 0.1 % of a core".to_owned()
    } else {
        format!("{percent:.1} % of a core")
    }
}
