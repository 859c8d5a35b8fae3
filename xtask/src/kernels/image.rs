//! The root file system of the virtual machines: an archive that the kernel unpacks into
//! memory, of busybox, pyobserve, the checks, and an interpreter in a root of its own.
//!
//! What was built here needs this host's C library, the interpreter another: so the
//! interpreter's root is entered as the tests enter any.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};

use super::{answers, disk};
use crate::{
    build::Executable,
    cache, debian,
    host::{self, Host},
};

/// An archive to boot with.
pub struct Image {
    /// Where it lies.
    pub file: PathBuf,
}

/// Where the guest has what was built here.
const PROGRAMS: &str = "opt/pyobserve";

/// And the modules of each release that it may boot.
const MODULES: &str = "opt/modules";

/// Of the interpreter's root these go along as they are: links, most of them.
const OF_THE_ROOT: [&str; 8] = [
    "bin",
    "lib",
    "lib64",
    "etc",
    "etc/ld.so.cache",
    "usr",
    "usr/bin",
    "usr/lib",
];

/// And of the programs these, besides Python.
const PROGRAMS_OF_THE_ROOT: [&str; 5] = ["env", "sh", "dash", "sleep", "true"];

/// Its libraries: these files, and no folders of what they load by themselves.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// What is left out of Python's library: large, and nothing runs it.
const LEFT_OUT: [&str; 4] = ["test", "ensurepip", "idlelib", "__pycache__"];

/// The guest's first process. It mounts what programs expect, runs the checks, and turns
/// the machine off. The second serial port takes the answers, and nothing else.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /bin /proc /sys /dev /tmp /run
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmp /dev/shm
mount -t devpts pts /dev/pts
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# Twice, for which needs which changes.
for module in /@MODULES@/$(uname -r)/*.ko /@MODULES@/$(uname -r)/*.ko; do
    insmod $module 2>/dev/null
done
mount -t ext4 /dev/vda /@ROOT@/var/tmp
ip link set lo up
exec </dev/null >/dev/ttyS0 2>&1
stty -F /dev/ttyS1 raw
echo "@BEGIN@" >/dev/ttyS1
cd "@PACKAGE@"
PYOBSERVE_BIN=/@PROGRAMS@/pyobserve PYOBSERVE_TEST_ROOTS=/@ROOT@ \
    PYOBSERVE_CHECKS=/dev/ttyS1 PYOBSERVE_TABLE=/dev/ttyS1 \
    /@PROGRAMS@/checks --test-threads=1 --nocapture --ignored @FILTER@
echo '@END@' >/dev/ttyS1
sync
poweroff -f
"#;

impl Image {
    /// Puts it together in `folder`.
    pub fn make(
        host: &Host,
        folder: &Path,
        pyobserve: &Path,
        checks: &Executable,
        filter: &[&str],
    ) -> Result<Self> {
        let cache = host.cache()?;
        let root = cache::roots(&cache).join(debian::KERNELS_ROOT);
        if !root.is_dir() {
            bail!(
                "no interpreter for it in {}: `cargo xtask setup --interpreters` fetches one",
                root.display()
            );
        }
        let stage = folder.join("stage");
        if stage.exists() {
            fs::remove_dir_all(&stage).with_context(|| cannot("remove", &stage))?;
        }
        let programs = stage.join(PROGRAMS);
        make_folder(&programs)?;
        strip(host, pyobserve, &programs.join("pyobserve"))?;
        strip(host, &checks.path, &programs.join("checks"))?;
        disk::copy_modules(&cache::kernels(&cache), &stage.join(MODULES))?;
        let busybox = host::find("busybox").context("there is no busybox")?;
        make_folder(&stage.join("bin"))?;
        copy(&busybox, &stage.join("bin/busybox"))?;
        // The tests find their workloads by the path they were built with.
        let workloads = checks.package.join("workloads");
        copy_files(&workloads, &stage.join(below(&workloads)))?;
        // Where it is entered.
        let place = Path::new("roots").join(debian::KERNELS_ROOT);
        for mount in ["proc", "dev", "tmp", "mnt", "var/tmp"] {
            make_folder(&stage.join(&place).join(mount))?;
        }
        let init = stage.join("init");
        let text = INIT
            .replace(
                "@BEGIN@",
                &answers::begin("$(uname -r)")
                    .trim_end()
                    .replace('"', "\\\""),
            )
            .replace("@END@", answers::END.trim_end())
            .replace("@PACKAGE@", &checks.package.display().to_string())
            .replace("@PROGRAMS@", PROGRAMS)
            .replace("@MODULES@", MODULES)
            .replace("@ROOT@", &place.display().to_string())
            .replace("@FILTER@", &filter.join(" "));
        fs::write(&init, text).with_context(|| cannot("write", &init))?;
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755))
            .with_context(|| cannot("change", &init))?;

        // The kernel unpacks one archive after the other.
        let mut archive = pack(host, &busybox, &stage, &all_below(&stage)?, false)?;
        let libraries = libraries(host, &[pyobserve, &checks.path])?;
        archive.extend(pack(host, &busybox, Path::new("/"), &libraries, true)?);
        let of_root = of_the_root(&root, &place)?;
        archive.extend(pack(host, &busybox, &cache, &of_root, false)?);
        let file = folder.join("image");
        fs::write(&file, archive).with_context(|| cannot("write", &file))?;
        host.give_to_user(folder);
        Ok(Self { file })
    }
}

fn cannot(what: &str, path: &Path) -> String {
    format!("cannot {what} {}", path.display())
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| cannot("make", folder))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| cannot("copy", from))?;
    Ok(())
}

fn below(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

/// A folder with all that is in it.
pub fn copy_files(from: &Path, to: &Path) -> Result<()> {
    make_folder(to)?;
    for entry in fs::read_dir(from).with_context(|| cannot("read", from))? {
        let entry = entry.with_context(|| cannot("read", from))?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_files(&path, &place)?;
        } else {
            copy(&path, &place)?;
        }
    }
    Ok(())
}

/// Debug information is most of what cargo builds, and goes into the guest's memory.
fn strip(host: &Host, from: &Path, to: &Path) -> Result<()> {
    host::succeed(host.as_user("strip").arg("-o").arg(to).arg(from))
}

/// The shared libraries that programs of this host need, with the folders they are in.
fn libraries(host: &Host, programs: &[&Path]) -> Result<BTreeSet<PathBuf>> {
    let output = host
        .as_user("ldd")
        .args(programs)
        .output()
        .context("cannot run ldd")?;
    let mut found = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        // `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x...)`, `/lib64/ld-... (0x...)`.
        let path = line.split_whitespace().find(|word| word.starts_with('/'));
        if let Some(path) = path.filter(|path| path.contains(".so")) {
            let with_folders = below(Path::new(path)).ancestors();
            found.extend(with_folders.map(Path::to_owned));
        }
    }
    Ok(found)
}

/// All that is in a folder, by its path from there, folders before what is in them.
fn all_below(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    gather(folder, Path::new(""), &|_| true, &mut found)?;
    Ok(found)
}

/// Python and the libraries of a root, by their paths from the cache folder.
fn of_the_root(root: &Path, place: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    gather(root, Path::new(""), &is_wanted_of_root, &mut found)?;
    let mut all: BTreeSet<PathBuf> = found.iter().map(|path| place.join(path)).collect();
    all.extend(place.ancestors().map(Path::to_owned));
    Ok(all)
}

fn is_wanted_of_root(path: &Path) -> bool {
    let part = |n: usize| {
        path.iter()
            .nth(n)
            .map_or("".into(), |part| part.to_string_lossy())
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if OF_THE_ROOT.iter().any(|wanted| Path::new(wanted) == path) || path.starts_with("usr/lib64") {
        return true;
    }
    if path.starts_with(LIBRARIES) {
        return path.iter().count() <= Path::new(LIBRARIES).iter().count() + 1;
    }
    let is_python = part(2).starts_with("python3");
    if path.starts_with("usr/lib") {
        return is_python && !LEFT_OUT.contains(&&*name) && !name.starts_with("config-3");
    }
    path.starts_with("usr/bin") && (is_python || PROGRAMS_OF_THE_ROOT.contains(&&*name))
}

fn gather(
    base: &Path,
    inside: &Path,
    is_wanted: &dyn Fn(&Path) -> bool,
    found: &mut BTreeSet<PathBuf>,
) -> Result<()> {
    let folder = base.join(inside);
    for entry in fs::read_dir(&folder).with_context(|| cannot("read", &folder))? {
        let entry = entry.with_context(|| cannot("read", &folder))?;
        let path = inside.join(entry.file_name());
        if !is_wanted(&path) {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            gather(base, &path, is_wanted, found)?;
        }
        found.insert(path);
    }
    Ok(())
}

/// An archive of paths below a folder, owned by root; of what links lead to, if asked for.
fn pack(
    host: &Host,
    busybox: &Path,
    folder: &Path,
    paths: &BTreeSet<PathBuf>,
    follow_links: bool,
) -> Result<Vec<u8>> {
    let mut names = OsString::new();
    for path in paths.iter().filter(|path| !path.as_os_str().is_empty()) {
        names.push(path);
        names.push("\n");
    }
    let mut cpio = host.as_user(busybox);
    cpio.args(["cpio", "-o", "-H", "newc", "-R", "0:0"]);
    if follow_links {
        cpio.arg("-L");
    }
    let mut child = cpio
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run busybox cpio")?;
    let mut input = child.stdin.take().context("stdin is piped")?;
    let writer = std::thread::spawn(move || input.write_all(names.as_bytes()));
    let output = child
        .wait_with_output()
        .context("cannot run busybox cpio")?;
    let written = writer.join().is_ok_and(|outcome| outcome.is_ok());
    if !output.status.success() || !written {
        bail!(
            "busybox cpio failed in {} ({}): {}",
            folder.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(output.stdout)
}
