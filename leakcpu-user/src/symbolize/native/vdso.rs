//! The kernel's code in every process. All 64-bit processes have the same one, so
//! that ours can be read instead of theirs.

use std::{fs::File, os::unix::fs::FileExt as _};

use crate::discovery::{Backing, code_ranges};

/// It has two pages.
const MAX_BYTES: u64 = 1 << 20;

/// The vdso's ELF image; `None` if the kernel gives us none.
pub(super) fn image() -> Option<Vec<u8>> {
    let ranges = code_ranges(std::process::id()).ok()?;
    let vdso = ranges
        .iter()
        .find(|range| range.backing == Backing::Kernel("[vdso]".into()))?;
    let bytes = (vdso.range.end - vdso.range.start).min(MAX_BYTES);
    let mut image = vec![0; usize::try_from(bytes).ok()?];
    File::open("/proc/self/mem")
        .ok()?
        .read_exact_at(&mut image, vdso.range.start)
        .ok()?;
    Some(image)
}
