//! Addresses of any process to names, in batches: each file is read once a batch.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    path::Path,
    sync::Arc,
};

use super::{
    AddressSpace, CodeFiles,
    demangle::demangle,
    elf_names::{FileNames, PlaceInFile, is_eval_loop, names_in_bytes, names_in_file},
    files::FileKey,
    kernel::{is_kernel_address, kernel_symbols},
    perf_map, vdso,
};
use crate::{
    discovery::{self, Backing, DiscoveryError, Mapping},
    model::{Code, Naming, NativeFunction},
};

/// Files of code held open: a process has some fifty, many processes share them.
const MAX_FILES: usize = 256;

/// The process that an address is of.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// Process id.
    pub pid: u32,
    /// The same as the process sees it.
    pub ns_pid: u32,
    /// What it has mapped.
    pub space: &'a AddressSpace,
}

/// An address to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Index of its owner.
    pub owner: usize,
    /// Run-time address.
    pub address: u64,
    /// It was found on a stack, as the address that a call returns to: the call
    /// before it is what is named.
    pub is_return: bool,
}

/// What is known of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeName {
    /// The function.
    pub function: NativeFunction,
    /// Bytes into its symbol; without one, the offset in the file or, without a file,
    /// 0.
    pub offset: u64,
    /// It is a `pause`, or right behind one: code that spins.
    pub at_pause: bool,
    /// It can be a return address: the instruction before it is a call. Always true
    /// where it was not asked.
    pub plausible: bool,
}

impl NativeName {
    fn unnamed(module: Option<&str>, code: Code) -> Self {
        Self {
            function: NativeFunction {
                symbol: None,
                naming: Naming::Unknown,
                module: module.map(str::to_owned),
                code,
            },
            offset: 0,
            at_pause: false,
            plausible: true,
        }
    }
}

/// A file of the batch and the places in it.
struct FileBatch {
    file: Option<Arc<File>>,
    pid: u32,
    mapping: Arc<Mapping>,
    offsets: BTreeSet<u64>,
}

/// Where an address leads.
enum Place {
    File(FileKey, u64),
    Vdso(u64),
    Anonymous,
    Kernel,
    Nowhere,
}

/// Names native code; holds the files open that the code is in.
#[derive(Debug)]
pub struct NativeSymbolizer {
    files: CodeFiles,
    unreadable: u64,
}

impl Default for NativeSymbolizer {
    fn default() -> Self {
        Self {
            files: CodeFiles::new(MAX_FILES),
            unreadable: 0,
        }
    }
}

impl NativeSymbolizer {
    /// Looks at what `pid` has mapped and holds the files open that are new to it. A
    /// process that has ended keeps what is known of it.
    pub fn look(&mut self, pid: u32, space: &mut AddressSpace) -> Result<(), DiscoveryError> {
        for range in space.add(discovery::code_ranges(pid)?) {
            if let Backing::File(mapping) = range.backing {
                self.files.get(pid, &mapping);
            }
        }
        Ok(())
    }

    /// Files that were let go for want of room.
    pub fn files_evicted(&self) -> u64 {
        self.files.evicted()
    }

    /// Files whose symbols could not be read.
    pub fn files_unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The names of `addresses`, in their order.
    pub fn names(&mut self, owners: &[Owner<'_>], addresses: &[Address]) -> Vec<NativeName> {
        let places: Vec<Place> = addresses
            .iter()
            .map(|address| place(owners, *address))
            .collect();
        let mut files: HashMap<FileKey, FileBatch> = HashMap::new();
        let mut vdso_offsets = BTreeSet::new();
        let mut kernel = BTreeSet::new();
        let mut generated: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        for (address, place) in addresses.iter().zip(&places) {
            match place {
                Place::File(key, offset) => {
                    if let Some(batch) = self.batch(&mut files, owners, *address, key) {
                        batch
                            .offsets
                            .extend([*offset, called_from(*address, *offset)]);
                    }
                }
                Place::Vdso(offset) => {
                    vdso_offsets.extend([*offset, called_from(*address, *offset)]);
                }
                Place::Anonymous => {
                    let at = called_from(*address, address.address);
                    generated.entry(address.owner).or_default().insert(at);
                }
                Place::Kernel => {
                    kernel.insert(called_from(*address, address.address));
                }
                Place::Nowhere => {}
            }
        }
        let files: HashMap<FileKey, (FileNames, Vec<u64>, String)> = files
            .into_iter()
            .map(|(key, batch)| (key, self.read(&batch)))
            .collect();
        let vdso = vdso_names(vdso_offsets);
        let kernel = kernel_names(&kernel);
        let generated: BTreeMap<usize, BTreeMap<u64, String>> = generated
            .into_iter()
            .filter_map(|(i, addresses)| Some((i, generated_names(owners.get(i)?, &addresses))))
            .collect();
        addresses
            .iter()
            .zip(&places)
            .map(|(address, place)| match place {
                Place::File(key, offset) => files.get(key).map_or_else(
                    || NativeName::unnamed(None, Code::Unknown),
                    |(names, offsets, module)| named_in(names, offsets, module, *address, *offset),
                ),
                Place::Vdso(offset) => {
                    let (names, offsets) = &vdso;
                    named_in(names, offsets, "[vdso]", *address, *offset)
                }
                Place::Anonymous => {
                    let at = called_from(*address, address.address);
                    let name = generated.get(&address.owner).and_then(|n| n.get(&at));
                    named_generated(name, address.is_return)
                }
                Place::Kernel => {
                    let at = called_from(*address, address.address);
                    kernel
                        .get(&at)
                        .cloned()
                        .unwrap_or_else(|| NativeName::unnamed(Some("[kernel]"), Code::Kernel))
                }
                Place::Nowhere => NativeName {
                    plausible: !address.is_return,
                    ..NativeName::unnamed(None, Code::Unknown)
                },
            })
            .collect()
    }

    fn batch<'a>(
        &mut self,
        files: &'a mut HashMap<FileKey, FileBatch>,
        owners: &[Owner<'_>],
        address: Address,
        key: &FileKey,
    ) -> Option<&'a mut FileBatch> {
        if !files.contains_key(key) {
            let owner = owners.get(address.owner)?;
            let Backing::File(mapping) = &owner.space.find(address.address)?.backing else {
                return None;
            };
            let batch = FileBatch {
                file: self.files.get(owner.pid, mapping),
                pid: owner.pid,
                mapping: Arc::clone(mapping),
                offsets: BTreeSet::new(),
            };
            files.insert(key.clone(), batch);
        }
        files.get_mut(key)
    }

    /// What the file says, the offsets asked of it, and what it is called.
    fn read(&mut self, batch: &FileBatch) -> (FileNames, Vec<u64>, String) {
        let offsets: Vec<u64> = batch.offsets.iter().copied().collect();
        let path = Path::new(&batch.mapping.path);
        let module = path.file_name().unwrap_or(path.as_os_str());
        let module = module.to_string_lossy().into_owned();
        let names = match &batch.file {
            None => None,
            Some(file) => match names_in_file(file, batch.pid, path, &offsets) {
                Ok(names) => Some(names),
                Err(error) => {
                    tracing::debug!(path = %path.display(), %error, "symbols not read");
                    None
                }
            },
        };
        if names.is_none() {
            self.unreadable += 1;
        }
        (names.unwrap_or_default(), offsets, module)
    }
}

fn place(owners: &[Owner<'_>], address: Address) -> Place {
    if is_kernel_address(address.address) {
        return Place::Kernel;
    }
    let Some(range) = owners
        .get(address.owner)
        .and_then(|owner| owner.space.find(address.address))
    else {
        return Place::Nowhere;
    };
    let into = address.address - range.range.start;
    match &range.backing {
        Backing::File(mapping) => {
            Place::File(FileKey::of(mapping), mapping.file_offset.wrapping_add(into))
        }
        Backing::Kernel(name) if &**name == "[vdso]" => Place::Vdso(into),
        Backing::Kernel(_) => Place::Nowhere,
        Backing::Anonymous => Place::Anonymous,
    }
}

/// Where to look for the name: of a return address, in the call before it, which may
/// be the last instruction of its function.
fn called_from(address: Address, place: u64) -> u64 {
    place.saturating_sub(u64::from(address.is_return))
}

fn named_in(
    names: &FileNames,
    offsets: &[u64],
    module: &str,
    address: Address,
    offset: u64,
) -> NativeName {
    let at = |offset: u64| -> Option<&PlaceInFile> {
        names.places.get(offsets.binary_search(&offset).ok()?)
    };
    let plausible = !address.is_return || at(offset).is_some_and(|place| place.after_call);
    let place = at(called_from(address, offset));
    let at_pause = place.is_some_and(|place| place.at_pause);
    let covered = place.is_some_and(|p| p.function.as_ref().is_some_and(|f| f.covers));
    let library = if names.is_python && !covered && !names.has_whole_loop {
        // It may be the loop.
        Code::Unknown
    } else if names.is_python {
        Code::Interpreter
    } else if is_c_library(module) {
        Code::CLibrary
    } else {
        Code::Library
    };
    let Some((place, symbol)) = place.and_then(|p| Some((p, p.function.as_ref()?))) else {
        return NativeName {
            offset,
            at_pause,
            plausible,
            ..NativeName::unnamed(Some(module), library)
        };
    };
    let is_eval = symbol.covers && names.is_python && is_eval_loop(&symbol.name);
    NativeName {
        function: NativeFunction {
            symbol: Some(demangle(&symbol.name)),
            naming: if symbol.covers {
                Naming::Exact
            } else {
                Naming::Nearest
            },
            module: Some(module.to_owned()),
            code: if is_eval { Code::EvalLoop } else { library },
        },
        offset: place.into,
        at_pause,
        plausible,
    }
}

/// glibc's and musl's C library and loader, and the kernel's part of them.
fn is_c_library(module: &str) -> bool {
    ["libc.", "libc-", "ld-", "libpthread", "[vdso]"]
        .iter()
        .any(|start| module.starts_with(start))
}

fn vdso_names(offsets: BTreeSet<u64>) -> (FileNames, Vec<u64>) {
    let offsets: Vec<u64> = offsets.into_iter().collect();
    if offsets.is_empty() {
        return (FileNames::default(), offsets);
    }
    let names = vdso::image()
        .and_then(|bytes| names_in_bytes(&bytes, &offsets).ok())
        .unwrap_or_default();
    (names, offsets)
}

fn kernel_names(addresses: &BTreeSet<u64>) -> HashMap<u64, NativeName> {
    if addresses.is_empty() {
        return HashMap::new();
    }
    let addresses: Vec<u64> = addresses.iter().copied().collect();
    let symbols = kernel_symbols(&addresses).unwrap_or_else(|error| {
        tracing::debug!(%error, "the kernel's symbols are not readable");
        Vec::new()
    });
    addresses
        .iter()
        .zip(symbols)
        .filter_map(|(&address, symbol)| {
            let symbol = symbol?;
            let name = NativeName {
                function: NativeFunction {
                    symbol: Some(symbol.name),
                    naming: Naming::Exact,
                    module: Some(symbol.module),
                    code: Code::Kernel,
                },
                offset: address - symbol.address,
                at_pause: false,
                plausible: true,
            };
            Some((address, name))
        })
        .collect()
}

fn generated_names(owner: &Owner<'_>, addresses: &BTreeSet<u64>) -> BTreeMap<u64, String> {
    let addresses: Vec<u64> = addresses.iter().copied().collect();
    let Some(map) = discovery::perf_map(owner.pid, owner.ns_pid) else {
        return BTreeMap::new();
    };
    addresses
        .iter()
        .zip(perf_map::names_at(&map, &addresses))
        .filter_map(|(&address, name)| Some((address, name?)))
        .collect()
}

/// Code that no file is behind. Nothing says that a call leads to it, except that its
/// maker names it.
fn named_generated(name: Option<&String>, is_return: bool) -> NativeName {
    let mut named = NativeName::unnamed(Some("[anon]"), Code::Generated);
    if let Some(name) = name {
        named.function.symbol = Some(demangle(name));
        named.function.naming = Naming::Exact;
    }
    named.plausible = !is_return || name.is_some();
    named
}
