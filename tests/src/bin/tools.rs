//! Tools that everybody runs, under observation: what is said of them has been looked at by
//! somebody, or it fails. `cargo xtask tools` builds it and runs it as root; docs/findings.md
//! has what was found.

use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use leakcpu_tests::{
    accused::{self, Count, Judged, Said, say},
    interpreter::{self, Interpreter},
    observe,
    report::{Report, list},
    venv, workload,
};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// Watches pip, black, pytest, sphinx-build and gunicorn.
#[derive(Parser)]
struct Arguments {
    /// The interpreter: 3.11, or 3.11.7 [default: the newest that is started directly]
    #[arg(long)]
    python: Option<String>,
    /// Only this tool (repeat for more)
    #[arg(long)]
    only: Vec<String>,
    /// How long each is watched
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

/// What is right to say, by tool and a part of it, and why.
const RIGHTLY: [Judged; 1] = [(
    "gunicorn",
    "cpu.run-queue",
    "its workers and their visitors want more than the two CPUs of the machine",
)];

/// What all of them need.
const PACKAGES: [&str; 5] = ["black", "flask", "gunicorn", "pytest", "sphinx"];

/// One way to use one of them.
struct Tool {
    name: &'static str,
    /// Done before.
    prepare: &'static str,
    /// Done over and over, or until it is killed. Both are for the shell, with the interpreter as
    /// `$PYTHON`, the standard library as `$LIB`, our own files as `$OWN`, a port as `$PORT`.
    run: &'static str,
    /// It serves, and wants visitors.
    serves: bool,
}

const TOOLS: [Tool; 7] = [
    Tool {
        name: "pip resolves",
        prepare: "$PYTHON -m pip download -q -d wheels sphinx flask pytest black",
        run: "$PYTHON -m pip install --dry-run --ignore-installed --no-index --find-links wheels sphinx flask pytest black",
        serves: false,
    },
    Tool {
        name: "pip installs",
        prepare: "$PYTHON -m pip download -q -d wheels sphinx",
        run: "$PYTHON -m pip install --no-index --find-links wheels --target out --upgrade sphinx",
        serves: false,
    },
    Tool {
        name: "black",
        prepare: "mkdir code; cp -r $LIB/asyncio $LIB/email $LIB/unittest code",
        run: "$PYTHON -m black -q --check --workers 1 code",
        serves: false,
    },
    Tool {
        name: "black, several processes",
        prepare: "mkdir code; cp -r $LIB/asyncio $LIB/email $LIB/unittest code",
        run: "$PYTHON -m black -q --check code",
        serves: false,
    },
    Tool {
        name: "pytest",
        prepare: "cp $LIB/test/test_textwrap.py $LIB/test/test_dict.py $LIB/test/test_statistics.py $LIB/test/test_shlex.py .",
        run: "$PYTHON -m pytest -q -p no:cacheprovider .",
        serves: false,
    },
    Tool {
        name: "sphinx-build",
        prepare: "cp -r $OWN/manual .",
        run: "$PYTHON -m sphinx -q -E -b html manual out",
        serves: false,
    },
    Tool {
        name: "gunicorn",
        prepare: "cp $OWN/shop.py .",
        run: "$PYTHON -m gunicorn --workers 2 --threads 2 --bind 127.0.0.1:$PORT shop:app",
        serves: true,
    },
];

fn main() -> ExitCode {
    accused::exit(run(&Arguments::parse()))
}

/// Whether all that was said is right.
fn run(arguments: &Arguments) -> Result<bool> {
    let python = interpreter::own_build(arguments.python.as_deref())
        .context("there is no such CPython here that is started directly")?;
    let with = venv::with_packages(python, &PACKAGES).context("they cannot be installed")?;
    let mut count = Count::default();
    let mut tools = 0;
    for tool in &TOOLS {
        let is_meant = |only: &String| tool.name.starts_with(only.as_str());
        if !arguments.only.is_empty() && !arguments.only.iter().any(is_meant) {
            continue;
        }
        let report = tool
            .watch(&with, python, arguments.seconds)
            .with_context(|| tool.name)?;
        let processes = list(&report.0, "processes").len();
        ensure!(processes > 0, "{}: no process was seen", tool.name);
        tools += 1;
        let mut said = Said::of(&report);
        said.spins.append(&mut said.high);
        said.spins.sort();
        said.spins.dedup();
        say(&format!("{}: {processes} processes", tool.name))?;
        for line in count.add(tool.name, &said.spins, &RIGHTLY) {
            say(&line)?;
        }
    }
    ensure!(tools > 0, "there is no such tool");
    say(&format!(
        "{python}: {tools} tools watched for {} s each, {} spins and findings of high severity, {} of them judged right",
        arguments.seconds, count.all, count.rightly
    ))?;
    Ok(count.is_right())
}

/// Killed, with all it has started, when it is dropped.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.0.wait();
    }
}

impl Tool {
    fn watch(&self, with: &Interpreter, python: &Interpreter, seconds: u32) -> Result<Report> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let own = workload::script("tools");
        let library = python
            .prefix()
            .join(format!("lib/python3.{}", python.minor));
        let setting = |command: &mut Command| {
            command
                .current_dir(folder.path())
                .env("PYTHON", &with.path)
                .env("LIB", &library)
                .env("OWN", &own)
                .env("PORT", port.to_string());
        };
        let mut prepare = Command::new("sh");
        setting(prepare.args(["-e", "-c", self.prepare]));
        let prepared = prepare.output()?;
        let why = String::from_utf8_lossy(&prepared.stderr);
        ensure!(prepared.status.success(), "{}: {why}", self.prepare);
        let visitors = self
            .serves
            .then(|| visitors(with, &own, port))
            .transpose()?;
        let mut command = observe::command(&["classify", "--json", "--all", "-d"]);
        // What it prints must not keep our pipe open.
        let script = format!("exec > /dev/null 2>&1; while :; do {}; done", self.run);
        command
            .arg(format!("{seconds}s"))
            .args(["--", "sh", "-c", &script])
            .process_group(0);
        setting(&mut command);
        let running = observe::start(command);
        let group = Pid::from_raw(i32::try_from(running.child.id())?);
        let outcome = running.wait();
        // It goes on without us.
        let _ = killpg(group, Signal::SIGKILL);
        drop(visitors);
        ensure!(outcome.code() == 0, "pyobserve says: {}", outcome.stderr);
        // Whoever still writes there has been killed.
        let _ = fs::remove_dir_all(folder.path());
        Ok(outcome.report())
    }
}

fn visitors(python: &Interpreter, own: &Path, port: u16) -> Result<Group> {
    let visitors = Command::new(&python.path)
        .arg(own.join("visitors.py"))
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()?;
    Ok(Group(visitors))
}
