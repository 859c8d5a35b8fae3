//! `pyobserve functions`.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use super::one_window::{OneWindow, not_written, text_options};
use crate::{
    cli::{
        args::{Args, FunctionsArgs},
        exit::{Exit, Failure},
    },
    model::{FunctionRow, Process, Profile},
    probes::{CallCounting, LoadConfig, ProbeGroup, UsdtWay},
    report::{write_functions_json, write_functions_text, write_pstats},
};

pub(crate) fn run(args: &Args, functions: &FunctionsArgs) -> Result<Exit, Failure> {
    let mut usdt = functions.usdt;
    if functions.exact && !usdt.has(ProbeGroup::Lines) {
        usdt = usdt.with(ProbeGroup::Calls);
    }
    let window = OneWindow {
        pids: &functions.pids,
        command: &functions.command,
        duration: functions.duration,
        load: LoadConfig {
            rate_hz: functions.rate,
            usdt,
            call_counting: if functions.exact {
                CallCounting::Exact
            } else {
                CallCounting::Share(functions.max_loss)
            },
            // Whoever is forked by one of them is not to pay for what it is not asked for.
            usdt_way: if functions.exact && !functions.pids.is_empty() {
                UsdtWay::EventsForCalls
            } else {
                UsdtWay::Links
            },
            ..LoadConfig::default()
        },
        exit_status: functions.exit_status,
    };
    window.run(args, |profile| write(args, functions, profile))
}

fn write(args: &Args, functions: &FunctionsArgs, profile: &Profile) -> Result<(), Failure> {
    let order = functions.sort.into();
    let tables: Vec<(&Process, Vec<FunctionRow>)> = profile
        .processes
        .iter()
        .map(|process| (process, process.function_table(order)))
        .collect();
    if let Some(file) = &functions.pstats {
        dump(file, &tables, args.quiet)?;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if functions.json {
        write_functions_json(profile, &tables, &mut out)?;
    } else {
        let options = text_options(args, functions.all);
        write_functions_text(profile, &tables, &options, &mut out)?;
    }
    out.flush().map_err(not_written)
}

/// Writes a file of each process: where there are several, each with its pid.
fn dump(file: &Path, tables: &[(&Process, Vec<FunctionRow>)], quiet: bool) -> Result<(), Failure> {
    let seen: Vec<_> = tables.iter().filter(|(_, rows)| !rows.is_empty()).collect();
    if seen.is_empty() && !quiet {
        anstream::eprintln!(
            "pyobserve: no function was seen: {} is not written",
            file.display()
        );
    }
    for (process, rows) in &seen {
        let path = if seen.len() == 1 {
            file.to_owned()
        } else {
            let mut name = file.as_os_str().to_owned();
            name.push(format!(".{}", process.pid));
            PathBuf::from(name)
        };
        let failed = |source| Failure::Io {
            doing: format!("write {}", path.display()),
            source,
        };
        let mut out = BufWriter::new(File::create(&path).map_err(failed)?);
        write_pstats(process, rows, &mut out)?;
        out.flush().map_err(failed)?;
        if !quiet {
            anstream::eprintln!("pyobserve: wrote {}", path.display());
        }
    }
    Ok(())
}
