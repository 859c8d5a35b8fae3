//! Probes of the interpreter's own (USDT): where their arguments are, and what is counted.

/// Places of all watched files together. An attachment is marked with the index of its place;
/// kernels before 5.15 cannot, and there the index is the address of the place within a page.
pub const SITES: u32 = 4096;

/// Bits of an address that are its place within a page, which no loader changes.
pub const SITE_AT_MASK: u32 = SITES - 1;

/// Probes of processes that are counted.
pub const FIRED: u32 = 16_384;

/// [`OpenCollection::generation`] where the probe's argument is not known.
pub const UNKNOWN_GENERATION: u32 = u32::MAX;

/// Arguments of a probe that are read; no probe of CPython has more.
pub const ARGUMENTS: usize = 3;

/// Combinations of thread, stack and generation whose collections are kept.
pub const COLLECTIONS: u32 = 4096;

/// Combinations of thread, stack and audited event that are counted.
pub const AUDITS: u32 = 8192;

/// Combinations of thread and place whose calls or lines are counted.
pub const CALLS: u32 = 16_384;

/// Bytes of an audited event's name that are kept, the end of the text included:
/// `sqlite3.connect/handle` has 23, and none of the standard library's has more than 43.
pub const EVENT_NAME_BYTES: usize = 48;

/// Collections that go on at once.
pub const OPEN_COLLECTIONS: u32 = 1024;

/// [`UsdtArgument::index`] of an operand without one.
pub const NO_REGISTER: u8 = 0xff;

/// Where an argument is: [`UsdtArgument::source`].
pub mod source {
    /// Not known.
    pub const UNKNOWN: u8 = 0;
    /// It is [`super::UsdtArgument::number`].
    pub const CONSTANT: u8 = 1;
    /// In a register.
    pub const REGISTER: u8 = 2;
    /// In memory: `register + number + (index << scale_shift)`.
    pub const MEMORY: u8 = 3;
}

/// Which probe of CPython a place belongs to: [`UsdtSite::probe`].
pub mod probe {
    /// `gc__start(int generation)`.
    pub const GC_START: u32 = 1;
    /// `gc__done(Py_ssize_t collected)`.
    pub const GC_DONE: u32 = 2;
    /// `import__find__load__start(char *name)`.
    pub const IMPORT_START: u32 = 3;
    /// `import__find__load__done(char *name, int found)`.
    pub const IMPORT_DONE: u32 = 4;
    /// `audit(char *event, void *arguments)`.
    pub const AUDIT: u32 = 5;
    /// `function__entry(char *file, char *name, int line)`.
    pub const FUNCTION_ENTRY: u32 = 6;
    /// `function__return(char *file, char *name, int line)`.
    pub const FUNCTION_RETURN: u32 = 7;
    /// `line(char *file, char *name, int line)`.
    pub const LINE: u32 = 8;
}

/// Where one argument of a probe is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct UsdtArgument {
    /// A constant, or what is added to an address.
    pub number: i64,
    /// One of [`source`].
    pub source: u8,
    /// Its size: 1, 2, 4 or 8.
    pub bytes: u8,
    /// Not 0 if it has a sign.
    pub is_signed: u8,
    /// Word of the saved registers.
    pub register: u8,
    /// The same, of the index of an address, or [`NO_REGISTER`].
    pub index: u8,
    /// By which the index is shifted.
    pub scale_shift: u8,
    #[doc(hidden)]
    pub reserved: [u8; 2],
}

impl UsdtArgument {
    /// Nothing is known of it.
    pub const NONE: Self = Self {
        number: 0,
        source: source::UNKNOWN,
        bytes: 8,
        is_signed: 0,
        register: 0,
        index: NO_REGISTER,
        scale_shift: 0,
        reserved: [0; 2],
    };

    /// Its value, cut to its size, from the registers and the memory of the thread; `None`
    /// where either cannot be read.
    #[inline(always)]
    pub fn value(
        &self,
        register: impl Fn(u8) -> Option<u64>,
        memory: impl FnOnce(u64) -> Option<u64>,
    ) -> Option<u64> {
        let raw = match self.source {
            source::CONSTANT => self.number.cast_unsigned(),
            source::REGISTER => register(self.register)?,
            source::MEMORY => {
                let base = register(self.register)?;
                let mut address = base.wrapping_add(self.number.cast_unsigned());
                if self.index != NO_REGISTER {
                    let index = register(self.index)? << (self.scale_shift & 3);
                    address = address.wrapping_add(index);
                }
                memory(address)?
            }
            _ => return None,
        };
        Some(self.cut(raw))
    }

    /// The low bytes that it has, with its sign.
    #[inline(always)]
    const fn cut(&self, raw: u64) -> u64 {
        let shift = match self.bytes {
            1 => 56,
            2 => 48,
            4 => 32,
            _ => 0,
        };
        let high = raw << shift;
        if self.is_signed == 0 {
            high >> shift
        } else {
            (high.cast_signed() >> shift).cast_unsigned()
        }
    }
}

/// A place where a probe fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct UsdtSite {
    /// One of [`probe`]; 0 if the entry is free.
    pub probe: u32,
    #[doc(hidden)]
    pub reserved: u32,
    /// Its arguments.
    pub arguments: [UsdtArgument; ARGUMENTS],
}

/// Which probe fired in which process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FiredKey {
    /// Process.
    pub pid: u32,
    /// One of [`probe`].
    pub probe: u32,
}

/// A collection that a thread is in.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct OpenCollection {
    /// When it began, `CLOCK_MONOTONIC`.
    pub since_ns: u64,
    /// What the thread had been on a CPU by then.
    pub on_cpu_ns: u64,
    /// The stack that set it off.
    pub stack: u64,
    /// As in `TotalsKey::generation`.
    pub thread_generation: u32,
    /// The oldest generation that is collected.
    pub generation: u32,
}

/// Collections that one place in the code set off in one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct CollectionKey {
    /// The stack.
    pub stack: u64,
    /// Thread.
    pub tid: u32,
    /// As in `TotalsKey::generation`.
    pub thread_generation: u32,
    /// The oldest generation that is collected.
    pub generation: u32,
    #[doc(hidden)]
    pub reserved: u32,
}

/// How many there were, and what they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Collections {
    /// Number.
    pub count: u64,
    /// From start to end.
    pub total_ns: u64,
    /// The part of that on a CPU.
    pub on_cpu_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// Objects that were freed.
    pub collected: u64,
}

/// Audited events of one name that one place in the code raised in one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct AuditKey {
    /// The stack.
    pub stack: u64,
    /// Thread.
    pub tid: u32,
    /// As in `TotalsKey::generation`.
    pub thread_generation: u32,
    /// The event's name, or its beginning; zeroes behind it.
    pub event: [u8; EVENT_NAME_BYTES],
}

/// Times that a probe fired at one place in the code, in one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct CallKey {
    /// The stack, of which only the innermost frame was looked at.
    pub stack: u64,
    /// Thread.
    pub tid: u32,
    /// As in `TotalsKey::generation`.
    pub thread_generation: u32,
    /// One of [`probe`].
    pub probe: u32,
    /// The line that is begun; 0 where it is a call.
    pub line: u32,
}

/// What counting calls takes, without the breakpoints: words of one map.
pub mod calls_cost {
    /// Times that the program ran.
    pub const RUNS: u32 = 0;
    /// What it took, nanoseconds.
    pub const TOOK_NS: u32 = 1;
    /// Number of words.
    pub const WORDS: u32 = 2;
}

/// Saved registers of x86-64 (`struct pt_regs`, `arch/x86/include/asm/ptrace.h`).
pub mod x86_64 {
    /// Words of them.
    pub const WORDS: u8 = 21;

    /// Names of the general ones by their words; the numbered ones are named otherwise.
    const NAMES: [(&str, u8); 8] = [
        ("bp", 4),
        ("bx", 5),
        ("ax", 10),
        ("cx", 11),
        ("dx", 12),
        ("si", 13),
        ("di", 14),
        ("sp", 19),
    ];

    /// The word of a register by any of its names but those of second bytes (`%ah`), whose
    /// value is not in its low bits.
    pub fn register(name: &str) -> Option<u8> {
        if let Some(word) = numbered(name) {
            return Some(word);
        }
        let short = match name.as_bytes() {
            // `%rax` and `%eax`; `%sil`, `%dil`, `%bpl` and `%spl`.
            [b'r' | b'e', rest @ ..] | [rest @ .., b'l'] if rest.len() == 2 => {
                core::str::from_utf8(rest).ok()?
            }
            [first, b'l'] => return of(|known| known.as_bytes() == [*first, b'x']),
            _ => name,
        };
        of(|known| known == short)
    }

    /// The word of a register by the name of all its bits.
    pub fn whole_register(name: &str) -> Option<u8> {
        let is_whole = name.starts_with('r')
            && !name.ends_with(['d', 'w', 'b'])
            && (name.len() == 3 || name.len() == 2);
        if is_whole { register(name) } else { None }
    }

    fn of(is: impl Fn(&str) -> bool) -> Option<u8> {
        let mut names = NAMES.iter();
        names.find(|(name, _)| is(name)).map(|(_, word)| *word)
    }

    /// `r8` to `r15`, and parts of them: `r13d`.
    fn numbered(name: &str) -> Option<u8> {
        let number = name.strip_prefix('r')?;
        let number = number.strip_suffix(['d', 'w', 'b']).unwrap_or(number);
        match number {
            "8" => Some(9),
            "9" => Some(8),
            "10" => Some(7),
            "11" => Some(6),
            "12" => Some(3),
            "13" => Some(2),
            "14" => Some(1),
            "15" => Some(0),
            _ => None,
        }
    }
}

/// Saved registers of aarch64 (`struct user_pt_regs`, `arch/arm64/include/uapi/asm/ptrace.h`).
pub mod arm64 {
    /// Words of them.
    pub const WORDS: u8 = 34;

    const SP: u8 = 31;

    /// The word of a register by the name of all its bits or of its low half.
    pub fn register(name: &str) -> Option<u8> {
        match name {
            "sp" | "wsp" => Some(SP),
            _ => numbered(name.strip_prefix('x').or_else(|| name.strip_prefix('w'))?),
        }
    }

    /// The word of a register by the name of all its bits.
    pub fn whole_register(name: &str) -> Option<u8> {
        match name {
            "sp" => Some(SP),
            _ => numbered(name.strip_prefix('x')?),
        }
    }

    fn numbered(number: &str) -> Option<u8> {
        if number.len() > 1 && number.starts_with('0') || number.starts_with('+') {
            return None;
        }
        number.parse().ok().filter(|number| *number < SP)
    }
}
