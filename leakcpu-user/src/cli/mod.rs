//! Arguments as typed -> plan -> run; exit codes.

mod args;
mod child;
mod commands;
mod config;
mod exit;
mod fail_on;
mod output;
mod plan;
mod program_file;
mod progress;
mod quantity;
mod usdt;

pub use args::Args;
pub use exit::Exit;

use clap::Parser as _;

/// Runs the command line and says how it ended.
pub fn main() -> Exit {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // clap knows whether this is help (stdout, 0) or a mistake (stderr, 2).
            let code = error.exit_code();
            if error.print().is_err() {
                return Exit::Failure;
            }
            return if code == 0 { Exit::Ok } else { Exit::Usage };
        }
    };
    init_tracing(args.verbose);
    let outcome = match &args.command {
        args::Command::Classify(classify) => commands::classify::run(&args, classify),
        args::Command::Spins(spins) => commands::spins::run(&args, spins),
        args::Command::Functions(functions) => commands::functions::run(&args, functions),
        args::Command::Imports(imports) => commands::imports::run(&args, imports),
        args::Command::Rules(rules) => commands::rules::run(rules),
        args::Command::Doctor(doctor) => commands::doctor::run(&args, doctor),
    };
    match outcome {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.is_broken_pipe() {
                anstream::eprintln!("pyobserve: {failure}");
            }
            failure.exit()
        }
    }
}

fn init_tracing(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = match verbose {
        0 => "error",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("PYOBSERVE_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("pyobserve={level},leakcpu={level}")));
    // A second subscriber cannot be there: this is the only place that sets one.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .try_init();
}
