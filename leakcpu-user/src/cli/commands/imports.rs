//! `pyobserve imports`.

use std::{
    io::{self, BufWriter, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use super::watching::{
    CommandEnd, End, NO_DATA_BEFORE, Stop, code_of, ended, listen_from_the_start, runtime,
    with_preflight,
};
use crate::{
    cli::{
        args::{Args, ImportsArgs},
        child,
        exit::{Exit, Failure},
        output::{terminal_width, wants_color},
        progress::Progress,
        usdt,
    },
    model::{Imports, Process, Profile},
    probes::LoadConfig,
    report::{TextOptions, write_imports_json, write_imports_text},
    session::{Purpose, Session, Targets},
};

/// How long it watches unless told otherwise.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);
/// Distinct (thread, stack, instruction) combinations counted.
const MAX_LEAVES: usize = 65_536;
/// Share of a core that context switches may cost.
const BUDGET_SHARE: f64 = 0.05;

pub(crate) fn run(args: &Args, imports: &ImportsArgs) -> Result<Exit, Failure> {
    let Some((profile, end)) = runtime()?.block_on(watch(args, imports))? else {
        return Ok(Exit::Interrupted);
    };
    write(args, imports, &profile)?;
    match end {
        CommandEnd::Seen(status) if imports.exit_status => Ok(Exit::Command(code_of(status))),
        _ => Ok(Exit::Ok),
    }
}

/// Watches one window; `None` if the user gave up before there was any data.
async fn watch(
    args: &Args,
    imports: &ImportsArgs,
) -> Result<Option<(Profile, CommandEnd)>, Failure> {
    usdt::announce(imports.usdt, args.quiet);
    // Installed first, so that Ctrl-C during the start does not kill us with programs attached
    // and a command held back.
    let mut stop = Stop::new()?;
    let (targets, held) = if !imports.command.is_empty() {
        let held = child::hold(&imports.command)?;
        (Targets::Child(held.pid), Some(held))
    } else if imports.pids.is_empty() {
        (Targets::All, None)
    } else {
        (Targets::Pids(imports.pids.clone()), None)
    };
    let load = LoadConfig {
        follow_children: !matches!(targets, Targets::Pids(_)),
        watch_every_exec: matches!(targets, Targets::All),
        rate_hz: imports.rate,
        usdt: imports.usdt,
        ..LoadConfig::default()
    };
    let mut session = Session::start(targets, Purpose::Report, load, MAX_LEAVES, BUDGET_SHARE)
        .map_err(with_preflight)?;
    let limit = match held {
        Some(_) => imports.duration,
        None => Some(imports.duration.unwrap_or(DEFAULT_DURATION)),
    };
    if held.is_some() {
        listen_from_the_start(&mut session, &imports.command);
    }
    stop.command = held.map(child::HeldCommand::release).transpose()?;
    let started = Instant::now();
    let progress = Progress::new(session.process_count(), limit, args.quiet);
    let mut how = None;
    let outcome = session
        .run(async {
            how = Some(stop.or_after(limit, started, &progress).await);
        })
        .await;
    progress.finish();
    outcome?;
    if matches!(how, Some(End::Interrupted)) && started.elapsed() < NO_DATA_BEFORE {
        return Ok(None);
    }
    let status = match how {
        Some(End::Command(status)) => Some(status),
        // The command goes on without us, unless it has just ended.
        _ => stop.command.as_mut().and_then(ended),
    };
    let end = status.map_or(CommandEnd::NotSeen, CommandEnd::Seen);
    Ok(Some((session.finish()?, end)))
}

fn write(args: &Args, imports: &ImportsArgs, profile: &Profile) -> Result<(), Failure> {
    let found: Vec<(&Process, Imports)> = profile
        .processes
        .iter()
        .map(|process| {
            let measured = process.imports.clone();
            let found = measured.unwrap_or_else(|| Imports {
                is_whole: !imports.command.is_empty(),
                ..process.sampled_imports()
            });
            (process, found)
        })
        .collect();
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let options = TextOptions {
        width: terminal_width(terminal),
        color: wants_color(args.color, terminal),
        all: imports.all,
    };
    let mut out = BufWriter::new(stdout.lock());
    if imports.json {
        write_imports_json(profile, &found, &mut out)?;
    } else {
        write_imports_text(profile, &found, &options, &mut out)?;
    }
    out.flush().map_err(|source| Failure::Io {
        doing: "write the report".to_owned(),
        source,
    })
}
