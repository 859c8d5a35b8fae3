//! One ELF file.

use object::{
    Endianness, ReadRef,
    elf::{
        DT_NEEDED, FileHeader64, NT_GNU_BUILD_ID, PT_LOAD, ProgramFlags, ProgramHeader64,
        SHT_DYNSYM, SHT_NOBITS, SHT_SYMTAB, SectionHeader64,
    },
    read::{
        SectionIndex, StringTable,
        elf::{
            Dyn as _, FileHeader as _, ProgramHeader as _, SectionHeader as _, SectionTable,
            Sym as _,
        },
    },
};

use super::ElfError;

type Header = FileHeader64<Endianness>;
pub(super) type ElfSymbol = object::elf::Sym64<Endianness>;
pub(super) use object::Endianness as Endian;

/// Largest symbol or string table that is read. The largest seen in a release
/// build of CPython is 0.4 MB; a browser's has tens.
const MAX_TABLE_BYTES: u64 = 256 << 20;

/// Page size that segments are mapped with on x86-64.
const PAGE_BYTES: u64 = 4096;

/// A defined symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Address as linked.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// Which symbol table to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `.dynsym`: what the file exports; survives stripping.
    Exported,
    /// `.symtab`: everything; usually stripped.
    All,
}

/// A `PT_LOAD` program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSegment {
    /// Where its bytes are in the file.
    pub file_offset: u64,
    /// How many of them.
    pub file_bytes: u64,
    /// Address as linked.
    pub address: u64,
    /// Bytes in memory.
    pub memory_bytes: u64,
}

impl LoadSegment {
    /// What the loader added to the linked addresses, given that the file's bytes
    /// from `mapped_offset` on are mapped at `mapped_at`; `None` if that mapping is
    /// not of this segment.
    pub fn load_bias(&self, mapped_at: u64, mapped_offset: u64) -> Option<u64> {
        let first = self.file_offset & !(PAGE_BYTES - 1);
        let end = self.file_offset.checked_add(self.file_bytes)?;
        if mapped_offset < first || mapped_offset >= end {
            return None;
        }
        let linked = self
            .address
            .wrapping_sub(self.file_offset)
            .wrapping_add(mapped_offset);
        Some(mapped_at.wrapping_sub(linked))
    }
}

/// A parsed 64-bit little-endian ELF file.
pub struct Image<'data, R: ReadRef<'data>> {
    data: R,
    pub(super) endian: Endianness,
    header: &'data Header,
    segments: &'data [ProgramHeader64<Endianness>],
    pub(super) sections: SectionTable<'data, Header, R>,
}

impl<'data, R: ReadRef<'data>> Image<'data, R> {
    /// Reads the file header and the header tables.
    pub fn parse(data: R) -> Result<Self, ElfError> {
        let ident = data.read_bytes_at(0, 16).map_err(|()| ElfError::NotElf)?;
        if !ident.starts_with(b"\x7fELF") {
            return Err(ElfError::NotElf);
        }
        // EI_CLASS and EI_DATA: ELFCLASS64, ELFDATA2LSB.
        if ident[4] != 2 || ident[5] != 1 {
            return Err(ElfError::Foreign);
        }
        let header = Header::parse(data).map_err(ElfError::corrupt("file header"))?;
        let endian = header.endian().map_err(ElfError::corrupt("byte order"))?;
        let segments = header
            .program_headers(endian, data)
            .map_err(ElfError::corrupt("program headers"))?;
        let sections = header
            .sections(endian, data)
            .map_err(ElfError::corrupt("section headers"))?;
        Ok(Self {
            data,
            endian,
            header,
            segments,
            sections,
        })
    }

    /// `e_machine`: 62 is x86-64, 183 aarch64.
    pub fn machine(&self) -> u16 {
        self.header.e_machine(self.endian).0
    }

    /// The segments that are mapped when the file is loaded.
    pub fn load_segments(&self) -> Vec<LoadSegment> {
        let endian = self.endian;
        self.segments
            .iter()
            .filter(|segment| segment.p_type(endian) == PT_LOAD)
            .map(|segment| LoadSegment {
                file_offset: segment.p_offset(endian),
                file_bytes: segment.p_filesz(endian),
                address: segment.p_vaddr(endian),
                memory_bytes: segment.p_memsz(endian),
            })
            .collect()
    }

    /// At most `length` initial bytes of the data at linked address `address`:
    /// fewer where the file ends earlier, none where it has no bytes (`.bss`).
    pub fn bytes_at(&self, address: u64, length: u64) -> &'data [u8] {
        self.load_segments()
            .iter()
            .find_map(|segment| {
                let into = address.checked_sub(segment.address)?;
                let left = segment.file_bytes.checked_sub(into)?;
                let at = segment.file_offset.checked_add(into)?;
                self.data.read_bytes_at(at, left.min(length)).ok()
            })
            .unwrap_or_default()
    }

    /// Address and bytes of a section; no bytes if it has none in the file.
    pub fn section(&self, name: &str) -> Result<Option<(u64, &'data [u8])>, ElfError> {
        let Some((_, section)) = self.sections.section_by_name(self.endian, name.as_bytes()) else {
            return Ok(None);
        };
        let bytes = if section.sh_type(self.endian) == SHT_NOBITS {
            &[]
        } else {
            self.contents(section, "section")?
        };
        Ok(Some((section.sh_addr(self.endian), bytes)))
    }

    /// Finds defined symbols by name, in one pass over the table. The answer has
    /// one entry per name, in order; all `None` if the file has no such table.
    pub fn symbols<const N: usize>(
        &self,
        table: Wanted,
        names: [&str; N],
    ) -> Result<[Option<Symbol>; N], ElfError> {
        let mut found = [None; N];
        let Some((symbols, strings)) = self.symbol_table(table)? else {
            return Ok(found);
        };
        for symbol in symbols {
            if symbol.is_undefined(self.endian) {
                continue;
            }
            let Ok(name) = strings.get(symbol.st_name(self.endian)) else {
                continue;
            };
            if let Some(i) = names.iter().position(|wanted| wanted.as_bytes() == name) {
                found[i].get_or_insert(Symbol {
                    address: symbol.st_value(self.endian),
                    size: symbol.st_size(self.endian),
                });
            }
        }
        Ok(found)
    }

    /// A symbol table and its names; `None` if the file has no such table.
    pub(super) fn symbol_table(
        &self,
        table: Wanted,
    ) -> Result<Option<(&'data [ElfSymbol], StringTable<'data>)>, ElfError> {
        let kind = match table {
            Wanted::Exported => SHT_DYNSYM,
            Wanted::All => SHT_SYMTAB,
        };
        let Some(section) = self
            .sections
            .iter()
            .find(|s| s.sh_type(self.endian) == kind)
        else {
            return Ok(None);
        };
        self.check_size(section, "symbol table")?;
        let symbols = section
            .data_as_array(self.endian, self.data)
            .map_err(ElfError::corrupt("symbol table"))?;
        Ok(Some((symbols, self.linked_strings(section)?)))
    }

    /// Name and checksum of the separate file with the symbols that were stripped
    /// (`.gnu_debuglink`: a name, padding to four bytes, a CRC-32 of that file).
    pub fn debug_link(&self) -> Option<(&'data [u8], u32)> {
        let (_, bytes) = self.section(".gnu_debuglink").ok()??;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let crc_at = (end + 4) & !3;
        let crc = bytes.get(crc_at..crc_at + 4)?.try_into().ok()?;
        Some((bytes.get(..end)?, u32::from_le_bytes(crc)))
    }

    /// Linked start of the linkage table (`.plt`, `.plt.got`, `.plt.sec`) that
    /// `address` is in: calls into other files go through it.
    pub fn linkage_table_at(&self, address: u64) -> Option<u64> {
        self.sections.iter().find_map(|section| {
            let start = section.sh_addr(self.endian);
            let into = address.checked_sub(start)?;
            let name = self.sections.section_name(self.endian, section).ok()?;
            (into < section.sh_size(self.endian) && name.starts_with(b".plt")).then_some(start)
        })
    }

    /// Linked address of the byte at `offset` of the file, if it is loaded.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        self.load_segments().iter().find_map(|segment| {
            let into = offset.checked_sub(segment.file_offset)?;
            (into < segment.file_bytes).then(|| segment.address.checked_add(into))?
        })
    }

    /// Offset in the file of the byte at linked address `address`, if a segment with all of
    /// these permissions loads it from there.
    pub(super) fn file_offset(&self, address: u64, permissions: ProgramFlags) -> Option<u64> {
        let endian = self.endian;
        let mut segments = self.segments.iter();
        segments.find_map(|segment| {
            let into = address.checked_sub(segment.p_vaddr(endian))?;
            let is_wanted = segment.p_type(endian) == PT_LOAD
                && segment.p_flags(endian).contains(permissions)
                && into < segment.p_filesz(endian);
            let offset = segment.p_offset(endian).checked_add(into);
            offset.filter(|_| is_wanted)
        })
    }

    /// The `N` bytes of the file that end at `offset`; `None` at its beginning.
    pub fn bytes_before<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let at = offset.checked_sub(N as u64)?;
        self.data.read_bytes_at(at, N as u64).ok()?.try_into().ok()
    }

    /// The `N` bytes of the file that end at `offset`, and those that begin there.
    pub fn bytes_around<const N: usize>(&self, offset: u64) -> [[u8; N]; 2] {
        let before = self.bytes_before(offset);
        let behind = offset.checked_add(N as u64);
        let behind = behind.and_then(|end| self.bytes_before(end));
        [before, behind].map(|bytes| bytes.unwrap_or([0; N]))
    }

    /// Libraries that the file asks the loader for (`DT_NEEDED`).
    pub fn needed(&self) -> Result<Vec<String>, ElfError> {
        let section = self
            .sections
            .iter()
            .find(|s| s.sh_type(self.endian) == object::elf::SHT_DYNAMIC);
        let Some(section) = section else {
            return Ok(Vec::new());
        };
        self.check_size(section, "dynamic section")?;
        let entries: &[object::elf::Dyn64<Endianness>] = section
            .data_as_array(self.endian, self.data)
            .map_err(ElfError::corrupt("dynamic section"))?;
        let strings = self.linked_strings(section)?;
        Ok(entries
            .iter()
            .filter(|entry| entry.d_tag(self.endian) == DT_NEEDED)
            .filter_map(|entry| u32::try_from(entry.d_val(self.endian)).ok())
            .filter_map(|at| strings.get(at).ok())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect())
    }

    /// The linker's build id (`NT_GNU_BUILD_ID`).
    pub fn build_id(&self) -> Option<Vec<u8>> {
        self.segments.iter().find_map(|segment| {
            let mut notes = segment.notes(self.endian, self.data).ok()??;
            while let Ok(Some(note)) = notes.next() {
                if note.name() == b"GNU" && note.n_type(self.endian) == NT_GNU_BUILD_ID {
                    return Some(note.desc().to_vec());
                }
            }
            None
        })
    }

    fn check_size(
        &self,
        section: &SectionHeader64<Endianness>,
        what: &'static str,
    ) -> Result<(), ElfError> {
        let bytes = section.sh_size(self.endian);
        if bytes > MAX_TABLE_BYTES {
            return Err(ElfError::TooLarge {
                what,
                bytes,
                limit: MAX_TABLE_BYTES,
            });
        }
        Ok(())
    }

    fn contents(
        &self,
        section: &SectionHeader64<Endianness>,
        what: &'static str,
    ) -> Result<&'data [u8], ElfError> {
        self.check_size(section, what)?;
        section
            .data(self.endian, self.data)
            .map_err(ElfError::corrupt(what))
    }

    /// The string table of a symbol table, read in one piece: name look-ups must
    /// not each become a read of the file.
    fn linked_strings(
        &self,
        section: &SectionHeader64<Endianness>,
    ) -> Result<StringTable<'data>, ElfError> {
        let index = usize::try_from(section.sh_link(self.endian)).unwrap_or(usize::MAX);
        let strings = self
            .sections
            .section(SectionIndex(index))
            .map_err(ElfError::corrupt("string table link"))?;
        let bytes = self.contents(strings, "string table")?;
        Ok(StringTable::new(bytes, 0, bytes.len() as u64))
    }
}
