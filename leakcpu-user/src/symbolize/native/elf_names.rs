//! Names of places in one ELF file.

use std::{fs::File, path::Path, sync::Arc};

use object::{ReadCache, ReadRef};

use super::{
    call::{CALL_BYTES, is_after_call},
    debug_file,
};
use crate::elf::{ElfError, FunctionSymbol, Image, Wanted};

/// The loop has 40 kB and more; where the compiler has split it, as in Debian's 3.14 and
/// 3.15, what keeps the name has 1 kB, and the rest has none once the file is stripped.
const MIN_LOOP_BYTES: u64 = 16 << 10;
/// The function that executes byte code; every CPython exports it.
const EVAL_LOOP: &str = "_PyEval_EvalFrameDefault";
/// The instructions' own functions where the compiler can make tail calls (3.14).
const TAIL_CALLS: &str = "_TAIL_CALL_";

/// The instruction `pause` (Intel SDM vol. 2).
const PAUSE: [u8; 2] = [0xf3, 0x90];

/// What the stubs are called through which a file calls others: the linker leaves
/// them without symbols.
const LINKAGE_TABLE: &str = "[plt]";

/// Whether `symbol` is the loop that executes Python's byte code, or a part that the
/// compiler has split from it (`.cold`, `.part.0`).
pub(super) fn is_eval_loop(symbol: &str) -> bool {
    let name = symbol.split('.').next().unwrap_or(symbol);
    name == EVAL_LOOP || name.starts_with(TAIL_CALLS)
}

/// What one file says of one place in it.
#[derive(Clone, Debug, Default)]
pub(super) struct PlaceInFile {
    /// The function, if there is any symbol for it.
    pub function: Option<FunctionSymbol>,
    /// Bytes from the symbol.
    pub into: u64,
    /// The bytes before the place can be a call.
    pub after_call: bool,
    /// It is a `pause`, or right behind one.
    pub at_pause: bool,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct FileNames {
    /// In the order of the offsets asked for.
    pub places: Vec<PlaceInFile>,
    /// It is a CPython.
    pub is_python: bool,
    /// The symbol of that loop covers it, not only the part that others jump to.
    pub has_whole_loop: bool,
}

/// Names the places at `offsets` (sorted) of `file`, which process `pid` maps from
/// `path`.
pub(super) fn names_in_file(
    file: &Arc<File>,
    pid: u32,
    path: &Path,
    offsets: &[u64],
) -> Result<FileNames, ElfError> {
    let cache = ReadCache::new(file.as_ref());
    let image = Image::parse(&cache)?;
    let find_debug = || debug_file::find(&image, pid, path);
    names_in_image(&image, offsets, find_debug)
}

/// The same of a file whose bytes are at hand, without separate symbols.
pub(super) fn names_in_bytes(bytes: &[u8], offsets: &[u64]) -> Result<FileNames, ElfError> {
    names_in_image(&Image::parse(bytes)?, offsets, || None)
}

fn names_in_image<'data, R: ReadRef<'data>>(
    image: &Image<'data, R>,
    offsets: &[u64],
    find_debug: impl FnOnce() -> Option<File>,
) -> Result<FileNames, ElfError> {
    let mut addresses: Vec<u64> = offsets
        .iter()
        .filter_map(|&offset| image.address_of(offset))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    let mut found = image.functions_at(Wanted::All, &addresses)?;
    let all_covered = |found: &[Option<FunctionSymbol>]| {
        found.iter().all(|f| f.as_ref().is_some_and(|f| f.covers))
    };
    if !all_covered(&found) {
        better(
            &mut found,
            image.functions_at(Wanted::Exported, &addresses)?,
        );
    }
    if !all_covered(&found)
        && let Some(debug) = find_debug()
    {
        let cache = ReadCache::new(debug);
        // A damaged one costs its names, not those that are known.
        match Image::parse(&cache).and_then(|i| i.functions_at(Wanted::All, &addresses)) {
            Ok(more) => better(&mut found, more),
            Err(error) => tracing::debug!(%error, "separate symbols not read"),
        }
    }
    for (function, &address) in found.iter_mut().zip(&addresses) {
        if function.as_ref().is_none_or(|function| !function.covers)
            && let Some(start) = image.linkage_table_at(address)
        {
            *function = Some(FunctionSymbol {
                name: LINKAGE_TABLE.to_owned(),
                address: start,
                covers: true,
            });
        }
    }
    let places = offsets
        .iter()
        .map(|&offset| {
            let address = image.address_of(offset);
            let function = address
                .and_then(|address| addresses.binary_search(&address).ok())
                .and_then(|i| found[i].clone());
            let start = function.as_ref().map(|function| function.address);
            PlaceInFile {
                into: start.zip(address).map_or(0, |(start, at)| at - start),
                function,
                after_call: image
                    .bytes_before::<CALL_BYTES>(offset)
                    .is_some_and(is_after_call),
                at_pause: image.bytes_around::<2>(offset).contains(&PAUSE),
            }
        })
        .collect();
    let [eval] = image.symbols(Wanted::Exported, [EVAL_LOOP])?;
    let eval = match eval {
        Some(eval) => Some(eval),
        None => image.symbols(Wanted::All, [EVAL_LOOP])?[0],
    };
    Ok(FileNames {
        places,
        is_python: eval.is_some(),
        has_whole_loop: eval.is_some_and(|eval| eval.size >= MIN_LOOP_BYTES),
    })
}

/// Takes from `more` what covers an address that nothing covered, or is nearer.
fn better(found: &mut [Option<FunctionSymbol>], more: Vec<Option<FunctionSymbol>>) {
    let rank = |f: &Option<FunctionSymbol>| f.as_ref().map(|f| (f.covers, f.address));
    for (known, more) in found.iter_mut().zip(more) {
        if rank(&more) > rank(known) {
            *known = more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_eval_loop;

    #[test]
    fn the_loop_and_its_parts() {
        for name in [
            "_PyEval_EvalFrameDefault",
            "_PyEval_EvalFrameDefault.cold",
            "_TAIL_CALL_BINARY_OP",
            "_TAIL_CALL_CALL.llvm.123",
        ] {
            assert!(is_eval_loop(name), "{name}");
        }
        assert!(!is_eval_loop("_PyEval_EvalFrame") && !is_eval_loop("list_sort"));
    }
}
