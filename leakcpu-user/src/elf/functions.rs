//! Which function an address of a file belongs to.

use object::{
    ReadRef,
    elf::{SHF_ALLOC, STB_GLOBAL, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE},
    read::{
        StringTable,
        elf::{SectionHeader as _, Sym as _},
    },
};

use super::{
    ElfError, Image, Wanted,
    image::{ElfSymbol, Endian},
};

/// Longest name that is kept; C++ ones of several thousand bytes exist.
const MAX_NAME_BYTES: usize = 512;

/// How often symbols may cover addresses, all together: functions do not overlap, but
/// a hostile table may say that all of them cover everything.
const MAX_COVERED: u64 = 1 << 24;

/// A function found for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSymbol {
    /// Its name as the file has it; what is not UTF-8 is replaced.
    pub name: String,
    /// Address as linked.
    pub address: u64,
    /// The symbol says that it covers the address. If not, it is only the nearest one
    /// below it in the same section: the address may belong to another function, which
    /// the table does not name.
    pub covers: bool,
}

/// A candidate for one address; the greater the better: the innermost or nearest
/// first, the exported one of two names for the same code first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    address: u64,
    global: bool,
    index: usize,
}

/// A function's place: its address, its size and the end of its section.
struct Extent {
    address: u64,
    size: u64,
    section_end: u64,
}

impl<'data, R: ReadRef<'data>> Image<'data, R> {
    /// The function at each of `addresses` (as linked, sorted), in one pass over the
    /// table; `None` where the table has none at or below it in its section.
    pub fn functions_at(
        &self,
        table: Wanted,
        addresses: &[u64],
    ) -> Result<Vec<Option<FunctionSymbol>>, ElfError> {
        debug_assert!(addresses.is_sorted(), "the caller sorts");
        let Some((symbols, strings)) = self.symbol_table(table)? else {
            return Ok(vec![None; addresses.len()]);
        };
        let sections = self.section_ranges();
        let mut covering: Vec<Option<Candidate>> = vec![None; addresses.len()];
        // Each symbol is noted at the first address above it only; the sweep below
        // carries it on.
        let mut below: Vec<Option<(Candidate, u64)>> = vec![None; addresses.len()];
        let mut covered: u64 = 0;
        for (index, symbol) in symbols.iter().enumerate() {
            let Some(extent) = self.function_extent(symbol, &sections) else {
                continue;
            };
            let start = extent.address;
            let candidate = Candidate {
                address: start,
                global: symbol.st_bind() == STB_GLOBAL,
                index,
            };
            let first = addresses.partition_point(|&address| address < start);
            if let Some(slot) = below.get_mut(first) {
                *slot = (*slot).max(Some((candidate, extent.section_end)));
            }
            // A symbol without a size covers its first byte.
            let size = extent.size.max(1);
            for (slot, &address) in covering[first..].iter_mut().zip(&addresses[first..]) {
                if address - start >= size {
                    break;
                }
                *slot = (*slot).max(Some(candidate));
                covered += 1;
            }
            if covered > MAX_COVERED {
                return Err(ElfError::TooLarge {
                    what: "overlap of symbols",
                    bytes: covered,
                    limit: MAX_COVERED,
                });
            }
        }
        let mut nearest: Option<(Candidate, u64)> = None;
        let mut found = Vec::with_capacity(addresses.len());
        for ((covering, below), &address) in covering.iter().zip(&below).zip(addresses) {
            nearest = nearest.max(*below);
            let near = nearest
                .filter(|(_, section_end)| address < *section_end)
                .map(|(candidate, _)| candidate);
            found.push(match (covering, near) {
                (Some(candidate), _) => named(symbols, &strings, *candidate, true),
                (None, Some(candidate)) => named(symbols, &strings, candidate, false),
                (None, None) => None,
            });
        }
        Ok(found)
    }

    /// Address and end of every section that is in memory, by index.
    fn section_ranges(&self) -> Vec<Option<(u64, u64)>> {
        self.sections
            .iter()
            .map(|section| {
                let address = section.sh_addr(self.endian);
                let end = address.checked_add(section.sh_size(self.endian))?;
                section
                    .sh_flags(self.endian)
                    .contains(SHF_ALLOC)
                    .then_some((address, end))
            })
            .collect()
    }

    fn function_extent(
        &self,
        symbol: &ElfSymbol,
        sections: &[Option<(u64, u64)>],
    ) -> Option<Extent> {
        if ![STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE].contains(&symbol.st_type()) {
            return None;
        }
        // Undefined symbols are in section 0, which is not in memory.
        let section = usize::from(symbol.st_shndx(self.endian).0);
        let (start, section_end) = (*sections.get(section)?)?;
        let address = symbol.st_value(self.endian);
        (start..section_end).contains(&address).then(|| Extent {
            address,
            size: symbol.st_size(self.endian),
            section_end,
        })
    }
}

fn named(
    symbols: &[ElfSymbol],
    strings: &StringTable<'_>,
    candidate: Candidate,
    covers: bool,
) -> Option<FunctionSymbol> {
    let name = strings
        .get(symbols[candidate.index].st_name(Endian::Little))
        .ok()?;
    let name = &name[..name.len().min(MAX_NAME_BYTES)];
    (!name.is_empty()).then(|| FunctionSymbol {
        name: String::from_utf8_lossy(name).into_owned(),
        address: candidate.address,
        covers,
    })
}
