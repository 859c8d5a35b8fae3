//! Where a report goes, and in which dress.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal as _, Write},
    path::{Path, PathBuf},
};

use super::{
    args::{Color, Format},
    exit::Failure,
};
use crate::{
    classify::Classification,
    diagnose::Findings,
    model::Profile,
    report::{
        Borders, FlameKind, TextOptions, write_collapsed, write_collapsed_off_cpu,
        write_flamegraph, write_json, write_text,
    },
};

/// Columns of a report that does not go to a terminal.
const PIPE_WIDTH: usize = 120;

/// Where a report goes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Standard output.
    Stdout {
        /// When to use colours.
        color: Color,
    },
    /// A file (or files with this as first part of their names).
    File {
        /// Its path.
        path: PathBuf,
        /// When to use colours; `auto` means no here.
        color: Color,
    },
}

/// Everything that is reported.
pub struct Report<'a> {
    /// What was observed.
    pub profile: &'a Profile,
    /// What it was judged to be.
    pub classification: &'a Classification,
    /// What to do about it.
    pub findings: &'a Findings,
    /// Idle processes one by one.
    pub all: bool,
    /// Of stacks.
    pub borders: Borders,
}

impl Destination {
    /// Writes the report.
    pub fn write(&self, format: Format, report: &Report<'_>) -> Result<(), Failure> {
        match self {
            Self::Stdout { color } => {
                let stdout = io::stdout();
                let terminal = stdout.is_terminal();
                let options = TextOptions {
                    width: terminal_width(terminal),
                    color: wants_color(*color, terminal),
                    all: report.all,
                };
                let mut out = BufWriter::new(stdout.lock());
                match format {
                    Format::Collapsed => write_collapsed(report.profile, report.borders, &mut out)?,
                    _ => write_one(format, report, &options, &mut out)?,
                }
                flush(&mut out)
            }
            Self::File { path, color } => {
                let options = TextOptions {
                    width: PIPE_WIDTH,
                    color: *color == Color::Always,
                    all: report.all,
                };
                match format {
                    Format::Flamegraph => {
                        for kind in [FlameKind::OnCpu, FlameKind::OffCpu] {
                            let path = with_suffix(path, &format!("{}.svg", kind.suffix()));
                            to_file(&path, |out| {
                                Ok(write_flamegraph(report.profile, kind, report.borders, out)?)
                            })?;
                        }
                        Ok(())
                    }
                    Format::Collapsed => {
                        to_file(path, |out| {
                            Ok(write_collapsed(report.profile, report.borders, out)?)
                        })?;
                        to_file(&with_suffix(path, "off-cpu"), |out| {
                            Ok(write_collapsed_off_cpu(
                                report.profile,
                                report.borders,
                                out,
                            )?)
                        })
                    }
                    _ => to_file(path, |out| write_one(format, report, &options, out)),
                }
            }
        }
    }

    /// The files that were written, for a word about them.
    pub fn files(&self, format: Format) -> Vec<PathBuf> {
        match (self, format) {
            (Self::Stdout { .. }, _) => Vec::new(),
            (Self::File { path, .. }, Format::Flamegraph) => {
                vec![
                    with_suffix(path, "on-cpu.svg"),
                    with_suffix(path, "off-cpu.svg"),
                ]
            }
            (Self::File { path, .. }, Format::Collapsed) => {
                vec![path.clone(), with_suffix(path, "off-cpu")]
            }
            (Self::File { path, .. }, _) => vec![path.clone()],
        }
    }
}

fn write_one(
    format: Format,
    report: &Report<'_>,
    options: &TextOptions,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if format == Format::Json {
        write_json(report.profile, report.classification, report.findings, out)?;
    } else {
        write_text(
            report.profile,
            report.classification,
            report.findings,
            options,
            out,
        )?;
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn to_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let file = File::create(path).map_err(|source| Failure::Io {
        doing: format!("create {}", path.display()),
        source,
    })?;
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    flush(&mut out)
}

fn flush(out: &mut dyn Write) -> Result<(), Failure> {
    out.flush().map_err(|source| Failure::Io {
        doing: "write the report".to_owned(),
        source,
    })
}

/// Whether to use colours: `--color`, then `NO_COLOR` and `CLICOLOR_FORCE`, then
/// whether a person is there to see them.
pub fn wants_color(color: Color, terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR") => false,
        Color::Auto if std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| v != "0") => true,
        Color::Auto => terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
    }
}

/// Columns of standard output, which is a `terminal` or not.
pub fn terminal_width(terminal: bool) -> usize {
    if !terminal {
        return PIPE_WIDTH;
    }
    terminal_size::terminal_size().map_or(80, |(terminal_size::Width(columns), _)| {
        usize::from(columns)
    })
}
