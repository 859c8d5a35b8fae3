//! Finds what builds the eBPF programs: a cargo and rustc that come with the
//! standard library's sources, and bpf-linker.
//!
//! Shared by the build script of leakcpu-user and by xtask, hence std only.

use std::{
    env,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

/// Chooses the toolchain: `rustup:<name>` or `system:<path to cargo>`.
pub const TOOLCHAIN_VARIABLE: &str = "PYOBSERVE_EBPF_TOOLCHAIN";

/// Where a distribution's packages put their cargo; rustc lies beside it.
const SYSTEM_CARGO: &str = "/usr/bin/cargo";

/// A cargo and its rustc, able to build `core` for the BPF target.
#[derive(Debug)]
pub struct Toolchain {
    /// What a person calls it.
    pub name: String,
    /// The cargo itself, never a rustup proxy.
    pub cargo: PathBuf,
    /// The rustc itself, never a rustup proxy.
    pub rustc: PathBuf,
    /// Its own version line.
    pub version: String,
    /// The major version of its LLVM, if it says so: bpf-linker must read what it writes.
    pub llvm: Option<u32>,
    /// Whether unstable options need `RUSTC_BOOTSTRAP=1`.
    pub needs_bootstrap: bool,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.name, self.version)
    }
}

/// Why there is no toolchain: one line for each place that was looked at.
#[derive(Debug)]
pub struct Missing(pub Vec<String>);

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Missing {}

/// The toolchain to build with: the one asked for by [`TOOLCHAIN_VARIABLE`], else
/// a rustup nightly with rust-src, else the system's own rustc with its sources.
pub fn find_toolchain() -> Result<Toolchain, Missing> {
    if let Some(choice) = env::var_os(TOOLCHAIN_VARIABLE).filter(|choice| !choice.is_empty()) {
        let choice = choice.to_string_lossy().into_owned();
        return chosen(&choice)
            .map_err(|why| Missing(vec![format!("{TOOLCHAIN_VARIABLE}={choice}: {why}")]));
    }
    let mut tried = Vec::new();
    match rustup_nightlies() {
        Ok(names) => {
            for name in names {
                match from_rustup(&name) {
                    Ok(toolchain) => return Ok(toolchain),
                    Err(why) => tried.push(format!("rustup toolchain {name}: {why}")),
                }
            }
        }
        Err(why) => tried.push(why),
    }
    from_cargo("the system's toolchain", Path::new(SYSTEM_CARGO)).map_err(|why| {
        tried.push(format!("{SYSTEM_CARGO}: {why}"));
        Missing(tried)
    })
}

/// bpf-linker on the PATH, else where `cargo install` puts it.
pub fn find_bpf_linker() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(cargo_home().map(|home| home.join("bin")))
        .map(|folder| folder.join("bpf-linker"))
        .find(|file| file.is_file())
}

fn chosen(choice: &str) -> Result<Toolchain, String> {
    match choice.split_once(':') {
        Some(("rustup", name)) => from_rustup(name),
        Some(("system", cargo)) => from_cargo("system toolchain", Path::new(cargo)),
        _ => Err("expected `rustup:<name>` or `system:<path to cargo>`".to_owned()),
    }
}

/// Nightly toolchains as rustup names them, the plain `nightly` first, then the newest.
fn rustup_nightlies() -> Result<Vec<String>, String> {
    let list = output(rustup().args(["toolchain", "list"]))
        .map_err(|_| "no rustup with a nightly toolchain".to_owned())?;
    let mut names: Vec<String> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.starts_with("nightly"))
        .map(str::to_owned)
        .collect();
    let is_dated = |name: &str| name["nightly".len()..].starts_with("-20");
    names.sort_by(|a, b| is_dated(a).cmp(&is_dated(b)).then_with(|| b.cmp(a)));
    if names.is_empty() {
        return Err("no rustup with a nightly toolchain".to_owned());
    }
    Ok(names)
}

fn rustup() -> Command {
    let home = cargo_home().map(|home| home.join("bin/rustup"));
    match home.filter(|file| file.is_file()) {
        Some(file) => Command::new(file),
        None => Command::new("rustup"),
    }
}

fn from_rustup(name: &str) -> Result<Toolchain, String> {
    let cargo = output(rustup().args(["which", "--toolchain", name, "cargo"]))?;
    from_cargo(&format!("rustup toolchain {name}"), Path::new(&cargo))
}

fn from_cargo(name: &str, cargo: &Path) -> Result<Toolchain, String> {
    let rustc = cargo.with_file_name("rustc");
    for program in [cargo, &rustc] {
        if !program.is_file() {
            return Err(format!("no {}", program.display()));
        }
    }
    let ask = |argument: &[&str]| {
        let mut command = Command::new(&rustc);
        scrub(&mut command);
        output(command.args(argument))
    };
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
    let library = sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs");
    if !library.is_file() {
        return Err("lacks the sources of the standard library (rust-src)".to_owned());
    }
    let verbose = ask(&["--version", "--verbose"])?;
    let version = verbose.lines().next().unwrap_or_default().to_owned();
    let llvm = verbose
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))
        .and_then(|version| version.split('.').next()?.parse().ok());
    Ok(Toolchain {
        name: name.to_owned(),
        cargo: cargo.to_owned(),
        rustc,
        needs_bootstrap: !version.contains("nightly") && !version.contains("-dev"),
        version,
        llvm,
    })
}

fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|why| format!("cannot run {program}: {why}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let first = stderr.lines().next().unwrap_or("no message");
        return Err(format!("{program} failed: {first}"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Cargo's own folder, by its own rule.
pub fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
}

/// Takes out of a command's environment what an outer cargo, rustup or a person
/// set for another build, so that the toolchain which was chosen is the one that runs.
pub fn scrub(command: &mut Command) {
    /// Where crates come from and how the net is reached stays as it is.
    const KEPT: [&str; 6] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_COLOR",
    ];
    /// Set by cargo for build scripts, or meant for the outer rustc.
    const DROPPED: [&str; 17] = [
        "DEBUG",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "RUST_RECURSION_COUNT",
        "TARGET",
    ];
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let of_cargo = (name == "CARGO" || name.starts_with("CARGO_") || name.starts_with("DEP_"))
            && !KEPT.iter().any(|kept| name.starts_with(kept));
        if of_cargo || DROPPED.contains(&name) {
            command.env_remove(name);
        }
    }
    // cargo and rustup lead the search for shared libraries into their own
    // toolchain; another rustc must not find its LLVM there.
    if let Some(libraries) = env::var_os("LD_LIBRARY_PATH") {
        let kept: Vec<PathBuf> = env::split_paths(&libraries)
            .filter(|folder| !is_of_a_toolchain(folder))
            .collect();
        let joined = env::join_paths(kept).unwrap_or_else(|_| OsString::new());
        if joined.is_empty() {
            command.env_remove("LD_LIBRARY_PATH");
        } else {
            command.env("LD_LIBRARY_PATH", joined);
        }
    }
}

fn is_of_a_toolchain(folder: &Path) -> bool {
    let build = env::var_os("OUT_DIR").map(PathBuf::from);
    let of_this_build = build
        .as_deref()
        .and_then(|out| out.ancestors().nth(3))
        .is_some_and(|profile| folder.starts_with(profile));
    of_this_build
        || folder.components().any(|part| {
            let part = part.as_os_str();
            part == "rustlib" || part == "toolchains"
        })
}
