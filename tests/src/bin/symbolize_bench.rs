//! What naming frames takes, of a process with very many code objects. `cargo xtask bench`
//! builds and runs it as root; docs/bench.md says what each figure means.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use leakcpu_common::stack::RawFrame;
use leakcpu_tests::figure::Figure;
use pyobserve::{
    discovery::Discovery,
    interpreter::{Interpreters, PythonProcess, layout::InstructionPointer, read_code},
    symbolize::Symbolizer,
};
use serde::Deserialize;

/// Measures how long frames take to be named.
#[derive(Parser)]
struct Arguments {
    /// The interpreter of the target
    #[arg(long)]
    python: PathBuf,
    /// The target: `tests/bench/many_codes.py`
    #[arg(long)]
    script: PathBuf,
    /// Frames to be named
    #[arg(long, default_value_t = 100_000)]
    frames: usize,
}

/// What may be taken.
const AIM_S: f64 = 1.0;

/// Frames of the same function: in the second figure a tenth as many code objects.
const LINES: usize = 10;

#[expect(clippy::print_stdout, reason = "the figures are this program's data")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let target = Target::start(&arguments)?;
    let (_, process) = Interpreters::new()
        .attach_pid(&mut Discovery::new(), target.child.id())
        .context("the target cannot be read")?;
    let all = frames(&process, &target.codes)?;
    ensure!(
        all.len() == arguments.frames * LINES,
        "{} frames of {} code objects",
        all.len(),
        target.codes.len()
    );
    // Each function once; then a tenth of the functions on each of their lines.
    let once: Vec<RawFrame> = all.iter().copied().step_by(LINES).collect();
    let figures = [
        measure("of as many functions", &process, &once)?,
        measure(
            "of a tenth as many functions",
            &process,
            &all[..arguments.frames],
        )?,
    ];
    println!("{}", serde_json::to_string(figures.as_flattened())?);
    Ok(())
}

/// Names them as a session does, with a symbolizer that knows nothing yet.
fn measure(what: &str, process: &PythonProcess, frames: &[RawFrame]) -> Result<[Figure; 2]> {
    let before = resident_bytes()?;
    let mut symbolizer = Symbolizer::new();
    let start = Instant::now();
    symbolizer.read_all(process, frames.iter().copied());
    let mut named = 0_usize;
    for frame in frames {
        named += usize::from(symbolizer.symbolize(process, *frame)?.is_ok());
    }
    let taken = start.elapsed().as_secs_f64();
    let grown = resident_bytes()?.saturating_sub(before) as f64 / 1e6;
    ensure!(
        named == frames.len(),
        "{named} of {} frames have a name",
        frames.len()
    );
    let what = format!("naming {} frames {what}", frames.len());
    Ok([
        Figure {
            what: what.clone(),
            value: taken,
            unit: "s",
            aim: Some(AIM_S),
            note: format!("{} names let go", symbolizer.evicted()),
        },
        Figure {
            what: format!("{what}, memory"),
            value: grown,
            unit: "MB",
            aim: None,
            note: "growth of the resident set".to_owned(),
        },
    ])
}

/// Frames at [`LINES`] places of each code object, with the witnesses that the kernel side
/// would have read.
fn frames(process: &PythonProcess, codes: &[u64]) -> Result<Vec<RawFrame>> {
    let mut frames = Vec::with_capacity(codes.len() * LINES);
    for &code in codes {
        let read = read_code(&process.memory(), process, code)
            .with_context(|| format!("no code object at {code:#x}"))?;
        for place in 0..LINES as u64 {
            // Each line of the functions is some instructions long.
            let instruction = place * 4;
            frames.push(RawFrame {
                code,
                instr: match process.layout.object.instruction_pointer {
                    InstructionPointer::Bytes => 2 * instruction,
                    InstructionPointer::Units => instruction,
                    InstructionPointer::Pointer(offset) => {
                        code + u64::from(offset) + 2 * instruction
                    }
                },
                witness: read.witness,
            });
        }
    }
    Ok(frames)
}

fn resident_bytes() -> Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm").context("cannot read /proc/self/statm")?;
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .context("/proc/self/statm has no resident set")?;
    Ok(pages * 4096)
}

/// A process with as many functions as frames are wanted.
struct Target {
    child: Child,
    /// Addresses of their code objects.
    codes: Vec<u64>,
}

#[derive(Deserialize)]
struct Ready {
    codes: Vec<u64>,
}

impl Target {
    fn start(arguments: &Arguments) -> Result<Self> {
        let mut child = Command::new(&arguments.python)
            .arg(&arguments.script)
            .arg(arguments.frames.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", arguments.python.display()))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .context("the target says nothing")?;
        let ready: Ready = serde_json::from_str(&line).context("the target is not ready")?;
        Ok(Self {
            child,
            codes: ready.codes,
        })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It ends with its stdin.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
