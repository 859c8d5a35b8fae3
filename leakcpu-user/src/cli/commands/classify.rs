//! `pyobserve classify`.

use std::{
    io::{self, Write as _},
    time::Instant,
};

use crate::{
    classify::{self, Steady},
    cli::{
        args::{Args, ClassifyArgs, Format},
        child,
        commands::watching::{
            CommandEnd, End, NO_DATA_BEFORE, Stop, code_of, ended, listen_from_the_start, runtime,
            with_preflight,
        },
        exit::{Exit, Failure},
        output::Report,
        plan::{Plan, What},
        progress::Progress,
        usdt,
    },
    diagnose::diagnose,
    model::Profile,
    session::{Purpose, Session, Targets},
};

pub(crate) fn run(args: &Args, classify: &ClassifyArgs) -> Result<Exit, Failure> {
    let plan = Plan::new(args, classify)?;
    let mut reports = Reports {
        plan: &plan,
        quiet: args.quiet,
        steady: Steady::default(),
        is_met: false,
    };
    let Some(status) = runtime()?.block_on(watch(args, &plan, &mut reports))? else {
        return Ok(Exit::Interrupted);
    };
    if reports.is_met {
        return Ok(Exit::Findings);
    }
    match status {
        CommandEnd::Seen(status) if plan.exit_status => Ok(Exit::Command(code_of(status))),
        _ => Ok(Exit::Ok),
    }
}

/// Writes a report of each window.
struct Reports<'a> {
    plan: &'a Plan,
    quiet: bool,
    steady: Steady,
    /// A condition for exit code 3 was met in one of them.
    is_met: bool,
}

impl Reports<'_> {
    fn write(&mut self, profile: &Profile) -> Result<(), Failure> {
        let plan = self.plan;
        let mut classification = classify::classify(profile);
        // What is to be done follows from this window, whatever the last ones were called.
        let findings = diagnose(profile, &classification, &plan.diagnose);
        self.steady.settle(profile, &mut classification);
        if profile.window.sequence > 0 && plan.format == Format::Text {
            writeln!(io::stdout()).map_err(|source| Failure::Io {
                doing: "write the report".to_owned(),
                source,
            })?;
        }
        plan.destination.write(
            plan.format,
            &Report {
                profile,
                classification: &classification,
                findings: &findings,
                all: plan.all,
                borders: plan.borders,
            },
        )?;
        if !self.quiet {
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
        self.is_met |= plan.fail_on.iter().any(|c| c.is_met_by(&classification));
        Ok(())
    }
}

/// Watches, and reports; `None` if the user gave up before there was any data.
async fn watch(
    args: &Args,
    plan: &Plan,
    reports: &mut Reports<'_>,
) -> Result<Option<CommandEnd>, Failure> {
    usdt::announce(plan.load.usdt, plan.load.call_counting, args.quiet);
    // Installed first, so that Ctrl-C during the start does not kill us with
    // programs attached and a command held back.
    let mut stop = Stop::new()?;
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
    if let What::Command(words) = &plan.what {
        listen_from_the_start(&mut session, words);
    }
    stop.command = held.map(child::HeldCommand::release).transpose()?;
    let mut has_data = false;
    loop {
        let started = Instant::now();
        let progress = Progress::new(session.process_count(), plan.duration, args.quiet);
        let mut how = None;
        let outcome = session
            .run(async {
                how = Some(stop.or_after(plan.duration, started, &progress).await);
            })
            .await;
        progress.finish();
        outcome?;
        match how {
            Some(End::Duration) if plan.watch => {
                reports.write(&session.next_window()?)?;
                has_data = true;
            }
            Some(End::Interrupted) if !has_data && started.elapsed() < NO_DATA_BEFORE => {
                return Ok(None);
            }
            how => {
                let status = match how {
                    Some(End::Command(status)) => Some(status),
                    // The command goes on without us, unless it has just ended.
                    _ => stop.command.as_mut().and_then(ended),
                };
                reports.write(&session.finish()?)?;
                return Ok(Some(status.map_or(CommandEnd::NotSeen, CommandEnd::Seen)));
            }
        }
    }
}
