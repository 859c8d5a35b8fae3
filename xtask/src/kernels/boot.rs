//! One run of a virtual machine.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{disk, fetch::EMULATOR, image::Image};
use crate::host::Host;

/// Processors of the machine. More than one, for waiting for the GIL takes another that has
/// it.
const CPUS: &str = "2";

/// Memory, of which the image takes a part.
const MEMORY: &str = "1536M";

/// Emulated and never with KVM, so that it runs where a virtual machine may not have its
/// own. One thread of the emulator runs all processors in turn: with a thread each, both
/// could stay for ever at a jump of the kernel that one of them was changing (5.10 and 6.1 at
/// the tracepoint of `sys_exit`, with QEMU 7.2; one boot in five). Without cmpxchg16b: a
/// kernel of 6.12 faulted at the emulated one.
const ARGUMENTS: [&str; 12] = [
    "-accel",
    "tcg,thread=single",
    "-cpu",
    "max,-cx16",
    "-smp",
    CPUS,
    "-m",
    MEMORY,
    "-nodefaults",
    "-nographic",
    "-no-reboot",
    "-append",
];

/// Its clock is the emulator's, which is not taken for unreliable when the host is busy.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 panic=-1 quiet tsc=reliable";

/// What a run left.
pub struct Output {
    /// What the machine showed.
    pub console: PathBuf,
    /// Lines of JSON.
    pub answers: PathBuf,
    /// The machine's disk.
    disk: PathBuf,
}

impl Output {
    /// Its files, whose names begin as `name`.
    pub fn below(name: &Path) -> Self {
        let file = |ending: &str| {
            let mut file = name.as_os_str().to_owned();
            file.push(ending);
            PathBuf::from(file)
        };
        Self {
            console: file(".console"),
            answers: file(".answers"),
            disk: file(".disk"),
        }
    }
}

/// How often a machine may stand still before that is an answer.
const ATTEMPTS: u32 = 2;

/// Nothing that a check does takes as long without a word.
const LONGEST_SILENCE: Duration = Duration::from_mins(2);

/// What a kernel says of a processor that does not get on. It goes on saying so, so that
/// such a machine is never silent.
const STUCK: &str = "soft lockup";

/// Boots a kernel with an image and waits until it turns itself off; for `patience` at
/// most. What there is by then are the answers. A machine that comes to a halt is booted
/// once more, which is said.
pub fn run(
    host: &Host,
    vmlinuz: &Path,
    image: &Image,
    name: &Path,
    patience: Duration,
) -> Result<Output> {
    let output = Output::below(name);
    let start = Instant::now();
    for attempt in 1..=ATTEMPTS {
        let left = patience.saturating_sub(start.elapsed());
        match once(host, vmlinuz, image, &output, left)? {
            End::Off => break,
            End::Halted(why) => {
                eprintln!(
                    "the machine {why} (attempt {attempt} of {ATTEMPTS}): turned off\n{}",
                    last_lines(&output.console)
                );
            }
            End::TimeOver => {
                eprintln!("the machine takes longer than {patience:?}: turned off");
                break;
            }
        }
    }
    Ok(output)
}

/// How a run ended.
enum End {
    /// It turned itself off.
    Off,
    /// It was turned off, for it came to a halt: how that showed.
    Halted(&'static str),
    /// It was turned off, for it took too long.
    TimeOver,
}

fn once(
    host: &Host,
    vmlinuz: &Path,
    image: &Image,
    output: &Output,
    patience: Duration,
) -> Result<End> {
    for file in [&output.console, &output.answers] {
        File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
        host.give_to_user(file);
    }
    let mut machine = host.as_user(EMULATOR);
    machine.args(ARGUMENTS).arg(KERNEL_ARGUMENTS);
    for (option, file) in [("-kernel", vmlinuz), ("-initrd", &image.file)] {
        machine.arg(option).arg(file);
    }
    disk::make(host, &output.disk)?;
    machine.arg("-drive").arg(format!(
        "file={},if=virtio,format=raw,discard=ignore",
        output.disk.display()
    ));
    for file in [&output.console, &output.answers] {
        machine
            .arg("-serial")
            .arg(format!("file:{}", file.display()));
    }
    eprintln!("$ {}", crate::host::typed(&machine));
    let mut child = machine
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {EMULATOR}"))?;
    let start = Instant::now();
    let mut last_word = (0, start);
    let end = loop {
        if child.try_wait().context("cannot wait for it")?.is_some() {
            return Ok(End::Off);
        }
        let said = bytes(&output.console) + bytes(&output.answers);
        if said != last_word.0 {
            last_word = (said, Instant::now());
            if last_lines(&output.console).contains(STUCK) {
                break End::Halted("is stuck");
            }
        }
        if start.elapsed() > patience {
            break End::TimeOver;
        }
        if last_word.1.elapsed() > LONGEST_SILENCE {
            break End::Halted("stands still");
        }
        thread::sleep(Duration::from_millis(100));
    };
    child.kill().context("cannot end it")?;
    child.wait().context("cannot wait for it")?;
    Ok(end)
}

fn bytes(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// The last lines of a console.
pub fn last_lines(console: &Path) -> String {
    let bytes = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
