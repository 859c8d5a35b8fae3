//! The probes that a file announces: notes of `.note.stapsdt`.
//!
//! A probe is a place in the code with one instruction that does nothing, a note that says
//! where it is and where its arguments are, and, if it is not free while nobody listens, a
//! counter of listeners (its semaphore) that the code looks at first. A name may have several
//! places, with other registers at each; they share the counter. The format is that of
//! `SystemTap`'s `sys/sdt.h`, version 3: a descriptor of three addresses as linked (the place, the
//! address of `.stapsdt.base`, the counter or 0) and three strings (provider, name, arguments).
//!
//! The kernel wants offsets into the file for both (`kernel/events/uprobes.c`), so an address
//! that no byte of the file stands behind is refused.

use object::{
    ReadRef,
    elf::{PF_W, PF_X},
};

use leakcpu_common::usdt::UsdtArgument;

use super::{ElfError, Image, usdt_arguments};

/// The provider of CPython's own probes (`Include/pydtrace.d`).
pub const CPYTHON: &str = "python";

/// Where the notes are.
const NOTES: &str = ".note.stapsdt";
/// A section whose linked address every note repeats: where the two differ, the file has been
/// linked anew without its notes (prelink).
const BASE: &str = ".stapsdt.base";

/// `n_type` of a probe.
const NT_STAPSDT: u32 = 3;
const OWNER: &[u8] = b"stapsdt";

/// Notes that are read; CPython 3.15 has 12, a database server a few hundred.
const MAX_NOTES: usize = 4096;
/// Bytes of a provider's or a probe's name.
const MAX_NAME_BYTES: usize = 128;

/// A probe: every place of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsdtProbe {
    /// `python`.
    pub provider: String,
    /// `gc__start`.
    pub name: String,
    /// Where in the file its counter of listeners is, in bytes; `None` if it has none, so that
    /// its places are always passed.
    pub semaphore: Option<u64>,
    /// Its places, at least one.
    pub places: Vec<UsdtPlace>,
}

/// A place in the code where a probe fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsdtPlace {
    /// Offset of its instruction in the file, bytes.
    pub offset: u64,
    /// Where its arguments are; `None` for one that is not understood.
    pub arguments: Vec<Option<UsdtArgument>>,
}

/// Why a note is no place to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum UsdtRefusal {
    /// It is shorter than it says, or a name is too long or none.
    #[error("a note that is cut short")]
    Cut,
    /// Its instruction is in no executable part of the file.
    #[error("its place is not in the file's code")]
    NotInCode,
    /// Its counter of listeners is in no writable part of the file.
    #[error("its semaphore is not in the file's data")]
    NotInData,
    /// Places of one name have different counters.
    #[error("its places have different semaphores")]
    Semaphores,
    /// More notes than are read.
    #[error("more notes than are read")]
    TooMany,
}

/// What a file announces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsdtNotes {
    /// Probes in the order of their first notes.
    pub probes: Vec<UsdtProbe>,
    /// Notes that were refused, each with the name it gave, as far as it gave one.
    pub refused: Vec<(String, UsdtRefusal)>,
}

impl UsdtNotes {
    /// The probe of this provider and name.
    pub fn find(&self, provider: &str, name: &str) -> Option<&UsdtProbe> {
        let mut probes = self.probes.iter();
        probes.find(|probe| probe.provider == provider && probe.name == name)
    }
}

/// Reads the probes that a file announces; none if it has no such notes.
pub fn usdt_notes<'data, R: ReadRef<'data>>(
    image: &Image<'data, R>,
) -> Result<UsdtNotes, ElfError> {
    let mut found = UsdtNotes::default();
    let Some((_, bytes)) = image.section(NOTES)? else {
        return Ok(found);
    };
    let base = image.section(BASE)?.map(|(address, _)| address);
    let mut rest = bytes;
    let mut read = 0;
    while let Some((note, behind)) = next(rest) {
        rest = behind;
        if note.kind != NT_STAPSDT || note.owner != OWNER {
            continue;
        }
        if read == MAX_NOTES {
            found.refused.push((String::new(), UsdtRefusal::TooMany));
            break;
        }
        read += 1;
        add(image, base, note.descriptor, &mut found);
    }
    if !rest.is_empty() && read < MAX_NOTES {
        found.refused.push((String::new(), UsdtRefusal::Cut));
    }
    Ok(found)
}

/// A note of any kind (`Elf64_Nhdr`, and names and descriptors padded to four bytes).
struct Note<'data> {
    owner: &'data [u8],
    kind: u32,
    descriptor: &'data [u8],
}

/// The first note of some bytes, and what is behind it.
fn next(bytes: &[u8]) -> Option<(Note<'_>, &[u8])> {
    let (name_bytes, rest) = word(bytes)?;
    let (descriptor_bytes, rest) = word(rest)?;
    let (kind, rest) = word(rest)?;
    let (owner, rest) = padded(rest, name_bytes)?;
    let (descriptor, rest) = padded(rest, descriptor_bytes)?;
    let owner = owner.strip_suffix(&[0]).unwrap_or(owner);
    let note = Note {
        owner,
        kind,
        descriptor,
    };
    Some((note, rest))
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*word), rest))
}

/// So many bytes, and what is behind the padding; the last note may lack that.
fn padded(bytes: &[u8], count: u32) -> Option<(&[u8], &[u8])> {
    let count = usize::try_from(count).ok()?;
    let (of, _) = bytes.split_at_checked(count)?;
    let rest = bytes.get(count.checked_next_multiple_of(4)?..);
    Some((of, rest.unwrap_or_default()))
}

fn add<'data, R: ReadRef<'data>>(
    image: &Image<'data, R>,
    base: Option<u64>,
    descriptor: &[u8],
    found: &mut UsdtNotes,
) {
    let Some(note) = Described::read(descriptor) else {
        found.refused.push((String::new(), UsdtRefusal::Cut));
        return;
    };
    let moved = base.map_or(0, |base| base.wrapping_sub(note.base));
    let code = note.place.wrapping_add(moved);
    let refused = match image.file_offset(code, PF_X) {
        None => UsdtRefusal::NotInCode,
        Some(offset) => {
            let place = UsdtPlace {
                offset,
                arguments: usdt_arguments(image.machine(), note.arguments),
            };
            let semaphore = match note.semaphore {
                0 => Ok(None),
                at => image
                    .file_offset(at.wrapping_add(moved), PF_W)
                    .map(Some)
                    .ok_or(UsdtRefusal::NotInData),
            };
            match semaphore.and_then(|semaphore| found.put(&note, semaphore, place)) {
                Ok(()) => return,
                Err(why) => why,
            }
        }
    };
    found.refused.push((note.name.to_owned(), refused));
}

impl UsdtNotes {
    /// Adds a place to the probe of its name.
    fn put(
        &mut self,
        note: &Described<'_>,
        semaphore: Option<u64>,
        place: UsdtPlace,
    ) -> Result<(), UsdtRefusal> {
        let mut probes = self.probes.iter_mut();
        match probes.find(|probe| probe.provider == note.provider && probe.name == note.name) {
            Some(probe) if probe.semaphore != semaphore => Err(UsdtRefusal::Semaphores),
            Some(probe) => {
                probe.places.push(place);
                Ok(())
            }
            None => {
                self.probes.push(UsdtProbe {
                    provider: note.provider.to_owned(),
                    name: note.name.to_owned(),
                    semaphore,
                    places: vec![place],
                });
                Ok(())
            }
        }
    }
}

/// What a note of a probe says.
struct Described<'data> {
    place: u64,
    base: u64,
    semaphore: u64,
    provider: &'data str,
    name: &'data str,
    arguments: &'data str,
}

impl<'data> Described<'data> {
    fn read(descriptor: &'data [u8]) -> Option<Self> {
        let (place, rest) = descriptor.split_first_chunk()?;
        let (base, rest) = rest.split_first_chunk()?;
        let (semaphore, rest) = rest.split_first_chunk()?;
        let mut texts = rest.split(|byte| *byte == 0);
        let mut text = || std::str::from_utf8(texts.next()?).ok();
        let name = |text: &&str| !text.is_empty() && text.len() <= MAX_NAME_BYTES;
        Some(Self {
            place: u64::from_le_bytes(*place),
            base: u64::from_le_bytes(*base),
            semaphore: u64::from_le_bytes(*semaphore),
            provider: text().filter(name)?,
            name: text().filter(name)?,
            arguments: text()?,
        })
    }
}
