//! Names of the kernel's code, from `/proc/kallsyms`: in one pass, keeping only what
//! was asked for of its two hundred thousand lines.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
};

/// Whether `address` is the kernel's: the upper half of the address space.
pub const fn is_kernel_address(address: u64) -> bool {
    address >> 63 == 1
}

/// A function of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelSymbol {
    pub name: String,
    pub address: u64,
    /// `[kernel]`, or the module as `[nfs]`.
    pub module: String,
}

/// The function at each of `addresses` (sorted); all `None` if the kernel hides its
/// addresses from us (`kernel.kptr_restrict`).
pub(super) fn kernel_symbols(addresses: &[u64]) -> io::Result<Vec<Option<KernelSymbol>>> {
    symbols_at(BufReader::new(File::open("/proc/kallsyms")?), addresses)
}

/// The file lists every function but not its size, and modules apart from the rest, so
/// that the nearest one below an address is the one it is in. Each line is noted at
/// the first address above it; a sweep carries it on.
fn symbols_at(lines: impl BufRead, addresses: &[u64]) -> io::Result<Vec<Option<KernelSymbol>>> {
    let mut found: Vec<Option<KernelSymbol>> = vec![None; addresses.len()];
    for line in lines.lines() {
        let line = line?;
        let Some((address, name, module)) = text_symbol(&line) else {
            continue;
        };
        let first = addresses.partition_point(|&wanted| wanted < address);
        let Some(slot) = found.get_mut(first) else {
            continue;
        };
        if slot.as_ref().is_none_or(|known| known.address <= address) {
            *slot = Some(KernelSymbol {
                name: name.to_owned(),
                address,
                module: module.unwrap_or("[kernel]").to_owned(),
            });
        }
    }
    let mut nearest = None;
    for slot in &mut found {
        if slot.is_some() {
            nearest.clone_from(slot);
        } else {
            slot.clone_from(&nearest);
        }
    }
    Ok(found)
}

/// `ffffffff81000000 T _text` or, of a module, `ffffffffc0000000 t f\t[nfs]`; only code
/// at a true address.
fn text_symbol(line: &str) -> Option<(u64, &str, Option<&str>)> {
    let mut fields = line.split_ascii_whitespace();
    let address = u64::from_str_radix(fields.next()?, 16).ok()?;
    let kind = fields.next()?;
    let name = fields.next()?;
    let is_code = matches!(kind, "t" | "T" | "w" | "W") && is_kernel_address(address);
    is_code.then(|| (address, name, fields.next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_below_in_any_order() {
        let kallsyms = "ffffffff81000000 T first\n\
            ffffffff81000100 t second\n\
            ffffffff81000180 d data\n\
            ffffffffc0000000 t other\t[nfs]\n\
            ffffffff81000200 T third\n";
        let found = symbols_at(
            kallsyms.as_bytes(),
            &[
                0xffff_ffff_80ff_ffff,
                0xffff_ffff_8100_0100,
                0xffff_ffff_8100_01ff,
                0xffff_ffff_c000_0001,
            ],
        )
        .unwrap();
        let names: Vec<Option<(&str, &str)>> = found
            .iter()
            .map(|symbol| symbol.as_ref().map(|s| (&*s.name, &*s.module)))
            .collect();
        assert_eq!(
            names,
            [
                None,
                Some(("second", "[kernel]")),
                Some(("second", "[kernel]")),
                Some(("other", "[nfs]"))
            ]
        );
    }

    #[test]
    fn hidden_addresses_name_nothing() {
        let kallsyms = "0000000000000000 T first\n0000000000000000 T second\n";
        assert_eq!(
            symbols_at(kallsyms.as_bytes(), &[0xffff_ffff_8100_0000]).unwrap(),
            [None]
        );
    }
}
