//! `cargo xtask corpus --rest MINUTES`: programs at rest, watched for long.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{ExitCode, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::{
    environment,
    host::{self, Host},
};

/// What was said of one program, as the program of the tests writes it.
#[derive(Deserialize)]
struct Rested {
    name: String,
    processes: usize,
    verdicts: u64,
    otherwise: BTreeMap<String, (u64, String)>,
    not_valid: Option<String>,
}

/// Watches them and prints what was said. Fails if one was called anything but idle.
#[expect(clippy::print_stdout, reason = "the table is this task's data")]
pub(super) fn run(
    host: &Host,
    python: Option<&str>,
    minutes: u32,
    pyobserve: &Path,
    program: &Path,
) -> Result<ExitCode> {
    let mut command = environment::as_root(host, program, pyobserve, &[])?;
    command.args(["--rest", &minutes.to_string()]);
    if let Some(python) = python {
        command.args(["--python", python]);
    }
    let line = host::typed(&command);
    eprintln!("$ {line}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
    let all = lines
        .map(|row| {
            let row = row.context("cannot read the rows")?;
            serde_json::from_str(&row).with_context(|| format!("no row: {row}"))
        })
        .collect::<Result<Vec<Rested>>>()?;
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{line}`"))?;
    ensure!(status.success(), "`{line}` failed ({status})");
    print!("{}", table(&all));
    let is_good = all.iter().all(|one| one.otherwise.is_empty())
        && all.iter().map(|one| one.verdicts).sum::<u64>() > 0;
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn table(all: &[Rested]) -> String {
    let mut text =
        String::from("| program | processes | verdicts | not idle |\n|---|---|---|---|\n");
    for one in all {
        let otherwise: Vec<String> = match &one.not_valid {
            Some(why) => vec![format!("not watched: {why}")],
            None => one
                .otherwise
                .iter()
                .map(|(class, (times, because))| format!("{class} {times} times: {because}"))
                .collect(),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            one.name,
            one.processes,
            one.verdicts,
            otherwise.join("; ").replace('|', "/")
        );
    }
    let sum = |count: fn(&Rested) -> u64| all.iter().map(count).sum::<u64>();
    let wrong = sum(|one| one.otherwise.values().map(|(times, _)| times).sum());
    let _ = writeln!(
        text,
        "\n{wrong} of {} verdicts were another class.",
        sum(|one| one.verdicts)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_idle_is_said() {
        let rows = [
            r#"{"name":"status_page","processes":1,"verdicts":60,"otherwise":{"io-bound":[2,"[]"]},"not_valid":null}"#,
            r#"{"name":"celery_idle","processes":0,"verdicts":0,"otherwise":{},"not_valid":"celery cannot be had"}"#,
        ];
        let rows = rows.map(|row| serde_json::from_str(row).expect("it is a row"));
        let table = table(&rows);
        assert!(table.contains("io-bound 2 times"), "{table}");
        assert!(table.contains("not watched: celery"), "{table}");
        assert!(table.contains("2 of 60 verdicts"), "{table}");
    }
}
