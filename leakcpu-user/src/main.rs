//! The `pyobserve` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    pyobserve::cli::main().into()
}
