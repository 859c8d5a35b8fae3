//! `pyobserve imports`.

use std::io::{self, BufWriter, Write as _};

use super::one_window::{OneWindow, not_written, text_options};
use crate::{
    cli::{
        args::{Args, ImportsArgs},
        exit::{Exit, Failure},
    },
    model::{Imports, Process, Profile},
    probes::LoadConfig,
    report::{write_imports_json, write_imports_text},
};

pub(crate) fn run(args: &Args, imports: &ImportsArgs) -> Result<Exit, Failure> {
    let window = OneWindow {
        pids: &imports.pids,
        command: &imports.command,
        duration: imports.duration,
        load: LoadConfig {
            rate_hz: imports.rate,
            usdt: imports.usdt,
            ..LoadConfig::default()
        },
        exit_status: imports.exit_status,
    };
    window.run(args, |profile| write(args, imports, profile))
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
    let mut out = BufWriter::new(io::stdout().lock());
    if imports.json {
        write_imports_json(profile, &found, &mut out)?;
    } else {
        write_imports_text(profile, &found, &text_options(args, imports.all), &mut out)?;
    }
    out.flush().map_err(not_written)
}
