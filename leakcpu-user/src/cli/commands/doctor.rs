//! `pyobserve doctor`.

use std::io::{IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::{
    cli::{
        args::{Args, DoctorArgs},
        exit::{Exit, Failure},
        output::wants_color,
    },
    doctor::{self, Check, Status},
    model::Host,
    report::{SCHEMA_VERSION, VERSION, clean},
};

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    kind: &'static str,
    pyobserve_version: &'static str,
    host: Host,
    checks: &'a [Check],
    ok: bool,
}

pub(crate) fn run(args: &Args, doctor: &DoctorArgs) -> Result<Exit, Failure> {
    let checks = doctor::all();
    let ok = checks.iter().all(|check| check.status != Status::Fail);
    let failed = |source| Failure::Io {
        doing: "write the checks".to_owned(),
        source,
    };
    let mut out = std::io::stdout().lock();
    if doctor.json {
        let document = Document {
            schema_version: SCHEMA_VERSION,
            kind: "doctor",
            pyobserve_version: VERSION,
            host: doctor::host(),
            checks: &checks,
            ok,
        };
        serde_json::to_writer(&mut out, &document).map_err(|e| failed(e.into()))?;
        writeln!(out).map_err(failed)?;
    } else {
        let color = wants_color(args.color, out.is_terminal());
        for check in &checks {
            writeln!(out, "{}", line(check, color)).map_err(failed)?;
        }
    }
    Ok(if ok { Exit::Ok } else { Exit::Preflight })
}

/// One line for a check that passed; what is lost and the fix below one that did
/// not.
pub(crate) fn line(check: &Check, color: bool) -> String {
    let style = match check.status {
        Status::Pass => AnsiColor::Green,
        Status::Warn => AnsiColor::Yellow,
        Status::Fail => AnsiColor::Red,
    };
    let style = if color {
        Style::new().fg_color(Some(style.into()))
    } else {
        Style::new()
    };
    let detail: Vec<String> = check
        .detail
        .lines()
        .map(|l| clean(l).into_owned())
        .collect();
    let mut text = format!(
        "{style}{}{style:#} {}: {}",
        check.status.name(),
        clean(&check.title),
        detail.join("\n       ")
    );
    if let Some(lost) = &check.lost_without {
        text.push_str("\n       lost without it: ");
        text.push_str(lost);
    }
    if let Some(fix) = &check.fix {
        text.push_str("\n       -> ");
        text.push_str(fix);
    }
    text
}
