//! Builds the eBPF programs from source, for embedding into the binary.
//!
//! `PYOBSERVE_EBPF_OBJECT` names the object for `include_bytes!`. Without a
//! toolchain for the BPF target the object is empty and a warning says what to
//! do: the pure code builds and is tested anywhere. `PYOBSERVE_REQUIRE_EBPF=1`
//! makes that an error.

#[path = "build/object.rs"]
mod object;
#[expect(dead_code, reason = "xtask uses the rest")]
#[path = "build/toolchain.rs"]
mod toolchain;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use self::toolchain::{TOOLCHAIN_VARIABLE, Toolchain};

const REQUIRE_VARIABLE: &str = "PYOBSERVE_REQUIRE_EBPF";
const NEXT_STEP: &str = "run `cargo xtask setup`";
const PACKAGE: &str = "leakcpu-ebpf";
const BINARY: &str = "leakcpu";

fn main() -> Result<()> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let manifest_dir =
        env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?;
    let workspace = Path::new(&manifest_dir)
        .parent()
        .context("leakcpu-user lies in the workspace's folder")?;

    watch(workspace);
    let embedded = out_dir.join("pyobserve-ebpf.o");
    println!(
        "cargo:rustc-env=PYOBSERVE_EBPF_OBJECT={}",
        embedded.display()
    );

    match tools() {
        Ok((toolchain, linker)) => {
            let built = build(workspace, &out_dir, &toolchain, &linker)?;
            let bytes =
                fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
            let bytes = object::strip(&bytes)
                .with_context(|| format!("cannot strip {}", built.display()))?;
            fs::write(&embedded, bytes)
                .with_context(|| format!("cannot write {}", embedded.display()))?;
        }
        Err(why) => {
            // Looked at again by every build, until the tools are there.
            println!("cargo:rerun-if-env-changed={REQUIRE_VARIABLE}");
            println!(
                "cargo:rerun-if-changed={}",
                out_dir.join("no-such-file").display()
            );
            if env::var_os(REQUIRE_VARIABLE).is_some_and(|value| value == "1") {
                bail!("cannot build the eBPF programs: {why}\n{NEXT_STEP}");
            }
            println!(
                "cargo:warning=built without eBPF programs, so pyobserve cannot watch anything: {why}"
            );
            println!("cargo:warning={NEXT_STEP}, then build again");
            fs::write(&embedded, [])
                .with_context(|| format!("cannot write {}", embedded.display()))?;
        }
    }
    Ok(())
}

/// Tells cargo what the object depends on.
fn watch(workspace: &Path) {
    for path in [
        "Cargo.lock",
        "Cargo.toml",
        "leakcpu-common/Cargo.toml",
        "leakcpu-common/src",
        "leakcpu-ebpf/Cargo.toml",
        "leakcpu-ebpf/src",
        "leakcpu-user/build",
        "leakcpu-user/build.rs",
    ] {
        println!("cargo:rerun-if-changed={}", workspace.join(path).display());
    }
    println!("cargo:rerun-if-env-changed={TOOLCHAIN_VARIABLE}");
}

fn tools() -> Result<(Toolchain, PathBuf), String> {
    let toolchain = toolchain::find_toolchain().map_err(|why| why.to_string())?;
    let linker = toolchain::find_bpf_linker()
        .ok_or("bpf-linker is neither on the PATH nor in cargo's bin folder")?;
    Ok((toolchain, linker))
}

/// Runs the inner cargo. Its messages go to stderr, which cargo shows when it fails.
fn build(
    workspace: &Path,
    out_dir: &Path,
    toolchain: &Toolchain,
    linker: &Path,
) -> Result<PathBuf> {
    let variable = |name: &str| env::var(name).with_context(|| format!("cargo sets {name}"));
    let target = match variable("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
        "little" => "bpfel-unknown-none",
        _ => "bpfeb-unknown-none",
    };
    let rustflags = [
        format!(
            "--cfg=bpf_target_arch=\"{}\"",
            variable("CARGO_CFG_TARGET_ARCH")?
        ),
        format!("-Clinker={}", linker.display()),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
    ];
    // Not OUT_DIR itself: an outer cargo holds the lock of its own folder.
    let target_dir = out_dir.join("ebpf");

    let mut command = Command::new(&toolchain.cargo);
    toolchain::scrub(&mut command);
    command
        .current_dir(workspace)
        .args(["build", "--release", "--locked", "-Zbuild-std=core"])
        .args(["--package", PACKAGE, "--bin", BINARY, "--target", target])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("RUSTC", &toolchain.rustc)
        // Empty means none, whatever a configuration file says.
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags.join("\x1f"))
        // bpf-linker optimises the whole program itself and needs the debug
        // information: BTF is made from it.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if env::var_os("CARGO_FEATURE_EBPF_LOG").is_some() {
        command.args(["--features", "log"]);
    }
    if toolchain.needs_bootstrap {
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", toolchain.cargo.display()))?;
    if !status.success() {
        bail!(
            "building {PACKAGE} with {toolchain} failed ({status}); the compiler's messages are above"
        );
    }
    Ok(target_dir.join(target).join("release").join(BINARY))
}
