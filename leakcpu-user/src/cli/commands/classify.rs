//! `pyobserve classify`.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    classify,
    cli::{
        args::{Args, ClassifyArgs, Format},
        child,
        commands::watching::{runtime, signals, with_preflight},
        exit::{Exit, Failure},
        output::Report,
        plan::{Plan, What},
        progress::Progress,
    },
    diagnose::diagnose,
    model::Profile,
    session::{Purpose, Session, Targets},
};

pub(crate) fn run(args: &Args, classify: &ClassifyArgs) -> Result<Exit, Failure> {
    let plan = Plan::new(args, classify)?;
    let Some((profile, status)) = runtime()?.block_on(watch(args, &plan))? else {
        return Ok(Exit::Interrupted);
    };
    let classification = classify::classify(&profile);
    let findings = diagnose(&profile, &classification);
    plan.destination.write(
        plan.format,
        &Report {
            profile: &profile,
            classification: &classification,
            findings: &findings,
            all: plan.all,
            borders: plan.borders,
        },
    )?;
    if !args.quiet {
        // The other formats have a place for them.
        if matches!(plan.format, Format::Collapsed | Format::Flamegraph) {
            for warning in &profile.warnings {
                anstream::eprintln!("pyobserve: {warning}");
            }
        }
        for path in plan.destination.files(plan.format) {
            anstream::eprintln!("pyobserve: wrote {}", path.display());
        }
    }
    if plan.fail_on.iter().any(|c| c.is_met_by(&classification)) {
        return Ok(Exit::Findings);
    }
    match status {
        Some(status) if plan.exit_status => Ok(Exit::Command(code_of(status))),
        _ => Ok(Exit::Ok),
    }
}

/// The status as a shell would give it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// A run interrupted this early has seen nothing worth a report.
const NO_DATA_BEFORE: Duration = Duration::from_millis(50);

/// Watches; `None` if the user gave up before there was any data.
async fn watch(args: &Args, plan: &Plan) -> Result<Option<(Profile, Option<ExitStatus>)>, Failure> {
    // Installed first, so that Ctrl-C during the start does not kill us with
    // programs attached and a command held back.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let (targets, held) = match &plan.what {
        What::Everything => (Targets::All, None),
        What::Pids(pids) => (Targets::Pids(pids.clone()), None),
        What::Command(words) => {
            let held = child::hold(words)?;
            (Targets::Child(held.pid), Some(held))
        }
    };
    let mut session = Session::start(
        targets,
        Purpose::Report,
        plan.load,
        plan.max_leaves,
        plan.budget_share,
    )
    .map_err(with_preflight)?;
    let mut command = held.map(child::HeldCommand::release).transpose()?;
    let started = Instant::now();
    let progress = Progress::new(session.process_count(), plan.duration, args.quiet);
    let how = {
        let end = async {
            let mut beat = tokio::time::interval(Duration::from_millis(100));
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return End::Interrupted,
                    _ = terminate.recv() => return End::Interrupted,
                    _ = beat.tick() => {
                        progress.tick(started.elapsed());
                        if plan.duration.is_some_and(|limit| started.elapsed() >= limit) {
                            return End::Duration;
                        }
                        if let Some(status) = command.as_mut().and_then(ended) {
                            return End::Command(status);
                        }
                    }
                }
            }
        };
        let mut end = std::pin::pin!(end);
        let mut how = None;
        let outcome = session
            .run(async {
                how = Some(end.as_mut().await);
            })
            .await;
        progress.finish();
        outcome?;
        how
    };
    if matches!(how, Some(End::Interrupted)) && started.elapsed() < NO_DATA_BEFORE {
        return Ok(None);
    }
    let status = match how {
        Some(End::Command(status)) => Some(status),
        // The command goes on without us, unless it has just ended.
        _ => command.as_mut().and_then(ended),
    };
    Ok(Some((session.finish()?, status)))
}

/// What ended a run.
enum End {
    Duration,
    Interrupted,
    Command(ExitStatus),
}

fn ended(command: &mut Child) -> Option<ExitStatus> {
    command.try_wait().ok().flatten()
}
