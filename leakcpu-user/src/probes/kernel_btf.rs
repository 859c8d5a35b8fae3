//! Offsets of kernel structure fields from the kernel's own BTF.
//!
//! aya's BTF type hides members, and Rust eBPF programs have no field
//! relocations, so the few offsets needed are looked up here and handed to the
//! programs as load-time constants. Format: `Documentation/bpf/btf.rst`.

use std::path::Path;

/// Where the kernel publishes its BTF.
pub const VMLINUX_BTF: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;
/// Nested anonymous structures looked into.
const MAX_NESTING: u32 = 8;

/// Why BTF could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file cannot be read: most often a kernel built without BTF.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not BTF, or cut off.
    #[error("malformed BTF at byte {0}")]
    Malformed(usize),
    /// A type that the kernel does not describe.
    #[error("the kernel's BTF has no type `{0}`")]
    NoType(String),
    /// A field that the type does not have.
    #[error("the kernel's `{0}` has no field `{1}`")]
    NoField(String, String),
}

#[derive(Clone, Copy)]
struct Type {
    /// Byte offset of the type's own data.
    data: usize,
    /// Offset of its name in the strings.
    name: usize,
    kind: u32,
    vlen: usize,
    kind_flag: bool,
    size_or_id: u32,
}

/// A parsed BTF blob.
pub struct KernelBtf {
    bytes: Vec<u8>,
    types: Vec<Type>,
    strings: usize,
}

impl KernelBtf {
    /// Reads and indexes the running kernel's BTF.
    pub fn from_sys_fs() -> Result<Self, BtfError> {
        let path = Path::new(VMLINUX_BTF);
        let bytes = std::fs::read(path).map_err(|source| BtfError::Read {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(bytes)
    }

    /// Indexes a BTF blob (little endian).
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let u32_at = |at: usize| read_u32(&bytes, at);
        let magic = u16::from_le_bytes(
            bytes
                .get(..2)
                .and_then(|b| b.try_into().ok())
                .ok_or(BtfError::Malformed(0))?,
        );
        if magic != MAGIC {
            return Err(BtfError::Malformed(0));
        }
        let head = u32_at(4)? as usize;
        let types_at = head
            .checked_add(u32_at(8)? as usize)
            .ok_or(BtfError::Malformed(8))?;
        let types_end = types_at
            .checked_add(u32_at(12)? as usize)
            .ok_or(BtfError::Malformed(12))?;
        let strings = head
            .checked_add(u32_at(16)? as usize)
            .ok_or(BtfError::Malformed(16))?;
        if types_end > bytes.len() || strings > bytes.len() {
            return Err(BtfError::Malformed(12));
        }
        // Type 0 is void.
        let mut types = vec![Type {
            data: 0,
            name: 0,
            kind: 0,
            vlen: 0,
            kind_flag: false,
            size_or_id: 0,
        }];
        let mut at = types_at;
        while at < types_end {
            let name_off = u32_at(at)? as usize;
            let info = u32_at(at + 4)?;
            let size_or_id = u32_at(at + 8)?;
            let kind = (info >> 24) & 0x1f;
            let vlen = (info & 0xffff) as usize;
            let data = at + 12;
            let extra = match kind {
                KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
                KIND_ARRAY => 12,
                KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => vlen * 12,
                KIND_ENUM | KIND_FUNC_PROTO => vlen * 8,
                _ => 0,
            };
            types.push(Type {
                data,
                name: name_off,
                kind,
                vlen,
                kind_flag: info >> 31 == 1,
                size_or_id,
            });
            at = data + extra;
        }
        Ok(Self {
            bytes,
            types,
            strings,
        })
    }

    /// Looks a name up by going through all types: a handful of look-ups do not pay
    /// for an index of a hundred thousand names.
    fn find(&self, kind: u32, name: &str) -> Option<u32> {
        let named = |ty: &Type| {
            ty.kind == kind
                && self
                    .strings
                    .checked_add(ty.name)
                    .and_then(|at| self.bytes.get(at..)?.strip_prefix(name.as_bytes()))
                    .is_some_and(|rest| rest.first() == Some(&0))
        };
        self.types
            .iter()
            .position(named)
            .and_then(|id| u32::try_from(id).ok())
    }

    /// Whether the kernel describes a structure of this name.
    pub fn has_struct(&self, name: &str) -> bool {
        self.find(KIND_STRUCT, name).is_some()
    }

    /// Whether the kernel describes a function of this name.
    pub fn has_func(&self, name: &str) -> bool {
        self.find(KIND_FUNC, name).is_some()
    }

    /// Number of arguments of the tracepoint `name`, its context pointer left out.
    pub fn tracepoint_args(&self, name: &str) -> Result<usize, BtfError> {
        let typedef = format!("btf_trace_{name}");
        let missing = || BtfError::NoType(typedef.clone());
        let id = self.find(KIND_TYPEDEF, &typedef).ok_or_else(missing)?;
        let pointer = self.types[id as usize].size_or_id;
        let pointer = self.types.get(pointer as usize).ok_or_else(missing)?;
        if pointer.kind != KIND_PTR {
            return Err(missing());
        }
        let proto = self
            .types
            .get(pointer.size_or_id as usize)
            .ok_or_else(missing)?;
        if proto.kind != KIND_FUNC_PROTO {
            return Err(missing());
        }
        Ok(proto.vlen.saturating_sub(1))
    }

    /// Offset in bits of `field` in `structure`; anonymous members are looked
    /// into, and `a.b` descends.
    pub fn bit_offset(&self, structure: &str, field: &str) -> Result<u32, BtfError> {
        let mut id = self
            .find(KIND_STRUCT, structure)
            .ok_or_else(|| BtfError::NoType(structure.to_owned()))?;
        let mut total = 0;
        for part in field.split('.') {
            let (bits, member_type) = self
                .member(id, part, 0)?
                .ok_or_else(|| BtfError::NoField(structure.to_owned(), field.to_owned()))?;
            total += bits;
            id = self.resolve_typedefs(member_type);
        }
        Ok(total)
    }

    /// Offset in bytes of `field` in `structure`.
    pub fn byte_offset(&self, structure: &str, field: &str) -> Result<u32, BtfError> {
        Ok(self.bit_offset(structure, field)? / 8)
    }

    fn resolve_typedefs(&self, mut id: u32) -> u32 {
        // Typedef, volatile, const, restrict, type tag.
        for _ in 0..MAX_NESTING {
            match self.types.get(id as usize) {
                Some(t) if matches!(t.kind, KIND_TYPEDEF | 9 | 10 | 11 | 18) => id = t.size_or_id,
                _ => break,
            }
        }
        id
    }

    fn member(&self, id: u32, name: &str, depth: u32) -> Result<Option<(u32, u32)>, BtfError> {
        let Some(ty) = self.types.get(id as usize) else {
            return Ok(None);
        };
        if !matches!(ty.kind, KIND_STRUCT | KIND_UNION) || depth > MAX_NESTING {
            return Ok(None);
        }
        for i in 0..ty.vlen {
            let at = ty.data + i * 12;
            let name_off = read_u32(&self.bytes, at)? as usize;
            let member_type = read_u32(&self.bytes, at + 4)?;
            let raw = read_u32(&self.bytes, at + 8)?;
            let bits = if ty.kind_flag { raw & 0x00ff_ffff } else { raw };
            if name_off == 0 {
                let inner = self.resolve_typedefs(member_type);
                if let Some((inner_bits, t)) = self.member(inner, name, depth + 1)? {
                    return Ok(Some((bits + inner_bits, t)));
                }
            } else if string_at(&self.bytes, self.strings, name_off)? == name {
                return Ok(Some((bits, member_type)));
            }
        }
        Ok(None)
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    let end = at.checked_add(4).ok_or(BtfError::Malformed(at))?;
    bytes
        .get(at..end)
        .and_then(|b| b.try_into().ok())
        .map(u32::from_le_bytes)
        .ok_or(BtfError::Malformed(at))
}

fn string_at(bytes: &[u8], strings: usize, offset: usize) -> Result<&str, BtfError> {
    let at = strings
        .checked_add(offset)
        .ok_or(BtfError::Malformed(offset))?;
    let rest = bytes.get(at..).ok_or(BtfError::Malformed(at))?;
    let len = rest
        .iter()
        .position(|b| *b == 0)
        .ok_or(BtfError::Malformed(at))?;
    std::str::from_utf8(&rest[..len]).map_err(|_| BtfError::Malformed(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_describes_what_we_need() {
        let btf = match KernelBtf::from_sys_fs() {
            Ok(btf) => btf,
            Err(BtfError::Read { .. }) => {
                eprintln!("skipped: this kernel publishes no BTF");
                return;
            }
            Err(e) => panic!("{e}"),
        };
        // `tgid` follows `pid` in every kernel: include/linux/sched.h.
        let pid = btf.byte_offset("task_struct", "pid").unwrap();
        let tgid = btf.byte_offset("task_struct", "tgid").unwrap();
        assert_eq!(pid + 4, tgid);
        assert!(btf.byte_offset("task_struct", "thread.fsbase").unwrap() > 0);
        assert!(matches!(
            btf.byte_offset("task_struct", "no_such_field"),
            Err(BtfError::NoField(..))
        ));
        assert!(btf.tracepoint_args("sched_switch").unwrap() >= 3);
    }

    #[test]
    fn damaged_input_is_an_error() {
        for bytes in [vec![], vec![0x9f, 0xeb], vec![0; 64], {
            let mut b = vec![0_u8; 24];
            b[0] = 0x9f;
            b[1] = 0xeb;
            b[4] = 24;
            b[12] = 0xff;
            b
        }] {
            assert!(matches!(
                KernelBtf::parse(bytes),
                Err(BtfError::Malformed(_))
            ));
        }
    }
}
