//! The recipe for Debian and its derivatives, the one place that assumes them: their
//! packages hold a rustc with sources and an LLVM that bpf-linker can be built
//! against, so that no other source is needed.

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
