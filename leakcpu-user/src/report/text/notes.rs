//! Losses, warnings and unreadable processes, plainly.

use std::collections::BTreeMap;

use leakcpu_common::counters::{Counter, Phrase};

use super::line::{Line, Look, wrap};
use crate::classify::say::{count, duration, percent};
use crate::classify::{Classification, RESIDUAL};
use crate::model::{Detail, Lost, Profile, Thread, UserLoss};

/// Whether any named counter of loss is not zero.
pub(super) fn is_anything_lost(profile: &Profile) -> bool {
    profile.loss.values().any(|&n| n > 0)
}

/// A blank line and one `!` line per note; nothing if there is none.
pub(super) fn notes(profile: &Profile, classification: &Classification, width: usize) -> Vec<Line> {
    let mut texts = Vec::new();
    texts.extend(unreadable(profile));
    texts.extend(losses(profile));
    texts.extend(disagreements(classification));
    texts.extend(degraded(profile));
    texts.extend(profile.warnings.iter().cloned());
    as_lines(texts, width)
}

/// The same of a report without verdicts.
pub(super) fn notes_without_verdicts(profile: &Profile, width: usize) -> Vec<Line> {
    let mut texts = Vec::new();
    texts.extend(unreadable(profile));
    texts.extend(losses(profile));
    texts.extend(profile.warnings.iter().cloned());
    as_lines(texts, width)
}

fn as_lines(texts: Vec<String>, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for text in texts {
        if lines.is_empty() {
            lines.push(Line::new());
        }
        for (i, part) in wrap(&text, width - 2).iter().enumerate() {
            let mut line = Line::new();
            line.push(if i == 0 { "! " } else { "  " }, Look::Warning)
                .push(part, Look::Plain);
            lines.push(line);
        }
    }
    lines
}

/// What was left out at context switches to keep within the budget, and from when on.
fn degraded(profile: &Profile) -> Option<String> {
    let sampling = &profile.sampling;
    let worst = sampling.steps.iter().max_by_key(|step| step.detail)?;
    let share = sampling.switches_without_stack as f64 / sampling.switches.max(1) as f64;
    let what = match worst.detail {
        Detail::Counters => "blocked times by function and by reason are estimated",
        _ => "blocked times by function are estimated",
    };
    Some(format!(
        "degraded to {} from {} on ({}): {} of the switches have no stack; {what}, totals are exact (--budget)",
        worst.detail.name(),
        duration(worst.at_ns),
        worst.why,
        percent(share),
    ))
}

/// Processes whose stacks could not be read, together where the reason is the same.
fn unreadable(profile: &Profile) -> Vec<String> {
    let mut groups: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for process in &profile.processes {
        if let Some(unreadable) = &process.unreadable {
            groups
                .entry((&unreadable.reason, &unreadable.how_to_fix))
                .or_default()
                .push(process.pid.to_string());
        }
    }
    groups
        .into_iter()
        .map(|((reason, fix), pids)| {
            let shown = 8;
            let more = match pids.len().saturating_sub(shown) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let pids = pids[..pids.len().min(shown)].join(" ");
            format!("no stacks of {pids}{more}: {reason}; times and verdict are from the kernel alone -> {fix}")
        })
        .collect()
}

/// Processes whose times the scheduler's own accounts do not bear out.
fn disagreements(classification: &Classification) -> Vec<String> {
    classification
        .processes
        .iter()
        .filter_map(|process| {
            let because = &process.verdict.because;
            let reason = because.iter().find(|b| b.name == RESIDUAL)?;
            Some(format!("{}: {}", process.pid, reason.text))
        })
        .collect()
}

fn losses(profile: &Profile) -> Option<String> {
    let taken: u64 = profile
        .processes
        .iter()
        .flat_map(|process| &process.threads)
        .map(Thread::samples)
        .sum();
    let walked = profile.sampling.stacks_walked;
    let said: Vec<String> = profile
        .loss
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(&lost, &n)| {
            let Phrase { one, many, fate } = lost.phrase();
            let things = count(n, one, many);
            match lost {
                Lost::User(UserLoss::SamplesLost) => {
                    let share = percent(n as f64 / (n + taken) as f64);
                    format!("{things} {fate} ({share})")
                }
                Lost::Kernel(Counter::StacksTruncated | Counter::StackInTransition) => {
                    let share = percent(n as f64 / walked.max(n) as f64);
                    format!("{things} ({share}) {fate}")
                }
                _ => format!("{things} {fate}"),
            }
        })
        .collect();
    (!said.is_empty()).then(|| format!("not seen: {}", said.join(", ")))
}
