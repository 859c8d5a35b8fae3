//! The recipe for Debian and its derivatives, the one place that assumes them: their
//! packages hold a rustc with sources and an LLVM that bpf-linker can be built
//! against, so that no other source is needed.

use std::{ffi::OsStr, process::Stdio};

use anyhow::Result;

use crate::host::{self, Host};

/// rustc 1.96 or newer, cargo, and the standard library's sources.
pub const TOOLCHAIN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// The LLVM of that rustc, which bpf-linker is built against.
pub const LLVM: u32 = 22;

/// Its packages.
pub const LLVM_PACKAGES: [&str; 2] = ["llvm-22-dev", "libpolly-22-dev"];

/// An interpreter to watch.
pub const PYTHON_PACKAGES: [&str; 1] = ["python3"];

/// Arguments of `cargo` that install bpf-linker.
pub const INSTALL_LINKER: [&str; 7] = [
    "install",
    "bpf-linker",
    "--version",
    "0.13.0",
    "--no-default-features",
    "--features",
    "llvm-22",
];

/// Where that build finds LLVM: bpf-linker's own build script reads the first,
/// llvm-sys the second.
pub const LINKER_ENVIRONMENT: [(&str, &str); 2] = [
    ("LLVM_PREFIX", "/usr/lib/llvm-22"),
    ("LLVM_SYS_221_PREFIX", "/usr/lib/llvm-22"),
];

/// A root file system that debootstrap makes, from the mirror that it takes by itself.
pub struct Root {
    /// The release, which names the folder as well.
    pub suite: &'static str,
    /// What is in it beyond the least.
    pub packages: &'static [&'static str],
}

/// Releases with the interpreters that tests want. Those of sid bring their headers, for
/// what is computed from them.
pub const ROOTS: [Root; 3] = [
    Root {
        suite: "bullseye",
        packages: &["python3.9", "libpython3.9"],
    },
    Root {
        suite: "trixie",
        packages: &["python3.13", "libpython3.13"],
    },
    Root {
        suite: "sid",
        packages: &[
            "python3.14",
            "python3.14-venv",
            "libpython3.14",
            "libpython3.14-dev",
            "python3.15",
            "python3.15-venv",
            "libpython3.15",
            "libpython3.15-dev",
        ],
    },
];

/// A kernel to test on.
pub struct Kernel {
    /// The version, which names it here.
    pub version: &'static str,
    /// The release that has it.
    pub suite: &'static str,
    /// Whether security updates come from a part of the archive of their own.
    pub has_security: bool,
}

/// Kernels that releases have, oldest first: the least to be supported, the newest there is.
pub const KERNELS: [Kernel; 4] = [
    Kernel {
        version: "5.10",
        suite: "bullseye",
        has_security: true,
    },
    Kernel {
        version: "6.1",
        suite: "bookworm",
        has_security: true,
    },
    Kernel {
        version: "6.12",
        suite: "trixie",
        has_security: true,
    },
    Kernel {
        version: "7.2",
        suite: "sid",
        has_security: false,
    },
];

/// Depends on the newest kernel of a release, in its smallest flavour.
pub const KERNEL_PACKAGE: &str = "linux-image-cloud-amd64";

/// The root of [`ROOTS`] whose interpreter the virtual machines have.
pub const KERNELS_ROOT: &str = "trixie";

/// An emulator, all programs of a root file system in one, and what makes a disk's.
pub const EMULATOR_PACKAGES: [&str; 3] = ["qemu-system-x86", "busybox-static", "e2fsprogs"];

/// A server that tests start.
pub struct Server {
    /// Its program.
    pub program: &'static str,
    /// The package that brings it.
    pub package: &'static str,
    /// The service that the package starts.
    pub service: &'static str,
}

/// Servers whose clients are tested.
pub const SERVERS: [Server; 2] = [
    Server {
        program: "redis-server",
        package: "redis-server",
        service: "redis-server",
    },
    Server {
        program: "postgres",
        package: "postgresql",
        service: "postgresql",
    },
];

/// Installs packages, and no more than they need, without a question and without a word.
pub fn install(host: &Host, packages: impl IntoIterator<Item = &'static str>) -> Result<()> {
    let quiet = [("DEBIAN_FRONTEND", OsStr::new("noninteractive"))];
    let mut update = host.as_root("apt-get", &[])?;
    update.arg("update");
    let mut install = host.as_root("apt-get", &quiet)?;
    install
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages);
    for command in [&mut update, &mut install] {
        host::quietly(command.stdin(Stdio::null()))?;
    }
    Ok(())
}
