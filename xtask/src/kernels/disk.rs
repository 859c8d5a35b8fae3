//! The virtual machines' disk: modules that a kernel reaches it with, and its file.

use std::{
    fs::{self, File},
    path::Path,
};

use anyhow::{Context as _, Result};

use crate::host::{self, Host};

/// Makes the file system; of e2fsprogs.
pub const MAKE_FILE_SYSTEM: &str = "/usr/sbin/mkfs.ext4";

/// A block device of the emulator and a file system, in the order in which they are loaded.
/// What a kernel has built in, or has no more, is not among its modules.
const MODULES: [&str; 12] = [
    "virtio",
    "virtio_ring",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "crc16",
    "crc32c_generic",
    "libcrc32c",
    "mbcache",
    "jbd2",
    "ext4",
];

/// Room for what the checks write. The file takes as much as is written.
const BYTES: u64 = 512 << 20;

/// Keeps the modules of an unpacked kernel package in `folder`, one folder for the
/// release that the kernel calls itself, with names that say the order.
pub fn keep_modules(host: &Host, unpacked: &Path, folder: &Path) -> Result<()> {
    let busybox = host::find("busybox").context("there is no busybox")?;
    for (nth, name) in MODULES.iter().enumerate() {
        let plain = format!("{name}.ko");
        let packed = format!("{plain}.xz");
        let is_it = |file: &Path| file.ends_with(&plain) || file.ends_with(&packed);
        let Some(found) = host::find_below(unpacked, &is_it) else {
            continue;
        };
        let release = release(&found).context("a module lies in no release's folder")?;
        let place = folder.join(release);
        host::succeed(host.as_user("mkdir").arg("-p").arg(&place))?;
        let is_packed = found.ends_with(&packed);
        let file = place.join(format!(
            "{nth:02}-{}",
            if is_packed { &packed } else { &plain }
        ));
        host::succeed(host.as_user("cp").args([&found, &file]))?;
        if is_packed {
            host::succeed(host.as_user(&busybox).arg("unxz").arg(&file))?;
        }
    }
    // Where all is built in.
    host::succeed(host.as_user("mkdir").arg("-p").arg(folder))
}

/// `.../modules/RELEASE/kernel/...`.
fn release(module: &Path) -> Option<&str> {
    let mut parts = module.iter().skip_while(|part| *part != "modules");
    parts.nth(1)?.to_str()
}

/// An empty file system in `file`.
pub fn make(host: &Host, file: &Path) -> Result<()> {
    let made = File::create(file).and_then(|made| made.set_len(BYTES));
    made.with_context(|| format!("cannot write {}", file.display()))?;
    host.give_to_user(file);
    host::succeed(host.as_user(MAKE_FILE_SYSTEM).arg("-q").arg(file))
}

/// Puts all kernels' modules into the stage of an image.
pub fn copy_modules(kernels: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for kernel in fs::read_dir(kernels).into_iter().flatten().flatten() {
        let modules = kernel.path().join("modules");
        if modules.is_dir() {
            super::image::copy_files(&modules, to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::release;

    #[test]
    fn a_release_is_the_folder_of_its_modules() {
        let found = "unpacked/usr/lib/modules/6.12.9-cloud-amd64/kernel/fs/ext4/ext4.ko.xz";
        assert_eq!(release(Path::new(found)), Some("6.12.9-cloud-amd64"));
        assert_eq!(release(Path::new("unpacked/ext4.ko")), None);
    }
}
