//! What passing a place takes that is listened at, and what ceasing to listen takes, by the ways
//! that this kernel has. `cargo xtask bench` builds and runs it as root; docs/bench.md says what
//! each figure means.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use leakcpu_tests::{figure::Figure, probe_prices::prices};

/// Measures what probes take.
#[derive(Parser)]
struct Arguments {
    /// An interpreter that has probes
    #[arg(long)]
    python: PathBuf,
}

/// What ceasing to listen may take.
const DETACH_AIM_MS: f64 = 100.0;

#[expect(clippy::print_stdout, reason = "the figures are this program's data")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut figures = Vec::new();
    for found in prices(&arguments.python)? {
        figures.push(Figure::ns(
            format!("passing a place, {}", found.way),
            found.passing_ns,
            "without what the program takes",
        ));
        figures.push(Figure {
            what: format!("detaching {} places, {}", found.places, found.way),
            value: found.detaching_ms,
            unit: "ms",
            aim: Some(DETACH_AIM_MS),
            note: format!("all probes of {}", arguments.python.display()),
        });
    }
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}
