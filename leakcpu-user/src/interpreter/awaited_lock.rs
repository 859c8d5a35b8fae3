//! The lock that a thread waits for, found from outside.
//!
//! Locks of `_thread` were semaphores, of which the object has the address: `lock` until the
//! first releases of 3.13, `RLock` until 3.13. The object itself is on the waiter's own stack, for the function of C that waits sets
//! its owner or its flag afterwards: of the words above the stack pointer, an object is taken
//! only if it is a lock by its type and has the address of the very futex. Since then they
//! wait in the parking lot: the waiter's semaphore is on its own stack, behind the address
//! of the mutex inside the lock, so that nothing is searched.

use super::{PythonProcess, RemoteError, RemoteMemory, layout::LockLayout, parked::Moment};
use crate::discovery::{DiscoveryError, SyscallState};

/// Number of `futex` on x86-64 (`arch/x86/entry/syscalls/syscall_64.tbl`).
const FUTEX: u32 = 202;

/// Tries to read a lock that changes hands.
const ATTEMPTS: usize = 3;

/// How much of the waiter's stack is looked at: the frames of C between the system call and
/// the interpreter take less than one KiB of it, those of an instrumented build some more.
const STACK_BYTES: usize = 4096;
const PAGE_BYTES: u64 = 4096;
const WORD_BYTES: usize = 8;

/// Addresses of objects are in this range on x86-64: above the first pages, below the
/// kernel's half.
const OBJECTS: std::ops::Range<u64> = 0x1_0000..0x8000_0000_0000;

/// No object is referred to so often; what is in the place of the count in freed memory,
/// the address of the next free block or nothing, is not in this range.
const REFERENCES: std::ops::Range<u64> = 1..1 << 31;

/// The longest name of a lock's type, and its end.
const NAME_BYTES: usize = 28;

/// A kind of lock, by the name of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// `_thread.lock`: `threading.Lock`, and inside of conditions, events and queues.
    Lock,
    /// `_thread.RLock`.
    RLock,
    /// `_multiprocessing.SemLock`.
    SemLock,
}

/// A thread's hold on an `RLock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RLockOwner {
    /// Its `pthread_self()`.
    pub thread_id: u64,
    /// How often it has taken the lock.
    pub taken: u64,
}

/// A lock for which a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwaitedLock {
    /// Address of the object.
    pub address: u64,
    /// What it is.
    pub kind: LockKind,
    /// Who has it, if it records that.
    pub owner: Option<RLockOwner>,
    /// The wait ends by itself.
    pub has_timeout: bool,
}

/// Why the lock was not found.
#[derive(Debug, thiserror::Error)]
pub enum AwaitedLockError {
    /// The thread does not wait at a futex, or did something while it was being looked at.
    #[error("thread {tid} does not wait for a lock")]
    NotWaiting {
        /// The thread.
        tid: u32,
    },
    /// It waits for something else, or for a lock that is not where it should be.
    #[error("no lock of Python was found for which thread {tid} waits")]
    NotFound {
        /// The thread.
        tid: u32,
    },
    /// It waits in the parking lot, for what is no lock of `_thread`: another thread's end,
    /// a lock of the interpreter's own.
    #[error("thread {tid} waits for what is no lock of Python")]
    NoLock {
        /// The thread.
        tid: u32,
    },
    /// It was another each time.
    #[error("the lock for which thread {tid} waits changes hands all the time")]
    Unsettled {
        /// The thread.
        tid: u32,
    },
    /// A lock by its name, and no known one by its layout.
    #[error("{kind:?} objects have {bytes} bytes, not one of {known:?}")]
    Unlike {
        /// What it is called.
        kind: LockKind,
        /// Its `tp_basicsize`.
        bytes: u64,
        /// What that may be.
        known: std::ops::RangeInclusive<u64>,
    },
    /// Its memory could not be read.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// `/proc` could not be read.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
}

/// The lock for which thread `tid` of `process` waits. It has waited for it all the while
/// that this took, and the owner was the same twice.
pub fn awaited_lock(process: &PythonProcess, tid: u32) -> Result<AwaitedLock, AwaitedLockError> {
    for _ in 0..ATTEMPTS {
        let before = Moment::of(process.pid, tid)?;
        let SyscallState::InSyscall {
            number: FUTEX,
            args: [futex, _, _, timeout, ..],
            stack_pointer,
        } = before.syscall
        else {
            return Err(AwaitedLockError::NotWaiting { tid });
        };
        let found = find(process, tid, futex, stack_pointer);
        let owner = |lock: &Lock| lock.owner(process.memory(), &process.layout.lock);
        let owners = found.as_ref().ok().map(|lock| (owner(lock), owner(lock)));
        if Moment::of(process.pid, tid)? != before {
            continue;
        }
        let lock = found?;
        if let Some((first, second)) = owners
            && let (first, second) = (first?, second?)
            && first == second
        {
            return Ok(AwaitedLock {
                address: lock.address,
                kind: lock.kind,
                owner: first,
                has_timeout: timeout != 0,
            });
        }
    }
    Err(AwaitedLockError::Unsettled { tid })
}

/// A lock object.
struct Lock {
    address: u64,
    kind: LockKind,
    /// It is waited for in the parking lot.
    is_parked_at: bool,
}

fn find(
    process: &PythonProcess,
    tid: u32,
    futex: u64,
    stack_pointer: u64,
) -> Result<Lock, AwaitedLockError> {
    let memory = process.memory();
    let layout = &process.layout.lock;
    let own_stack = stack_pointer..stack_pointer.saturating_add(STACK_BYTES as u64);
    if layout.has_parking_lot && own_stack.contains(&futex) {
        let parked_at = memory.read_u64(futex.wrapping_sub(WORD_BYTES as u64))?;
        let address = parked_at.wrapping_sub(u64::from(layout.head));
        let is_object = OBJECTS.contains(&address);
        let kind = is_object.then(|| kind_of(process, address)).transpose()?;
        return match kind.flatten() {
            Some(kind @ (LockKind::Lock | LockKind::RLock)) => Ok(Lock {
                address,
                kind,
                is_parked_at: true,
            }),
            _ => Err(AwaitedLockError::NoLock { tid }),
        };
    }
    let mut seen: Vec<u64> = Vec::new();
    for word in stack(memory, stack_pointer) {
        let is_object = OBJECTS.contains(&word) && word.is_multiple_of(WORD_BYTES as u64);
        if !is_object || own_stack.contains(&word) || seen.contains(&word) {
            continue;
        }
        seen.push(word);
        let semaphore = memory.read_u64(word.wrapping_add(u64::from(layout.head)));
        if semaphore != Ok(futex) || !is_alive(process, word) {
            continue;
        }
        if let Some(kind) = kind_of(process, word)? {
            return Ok(Lock {
                address: word,
                kind,
                is_parked_at: false,
            });
        }
    }
    Err(AwaitedLockError::NotFound { tid })
}

/// The words from the stack pointer on, as far as they are mapped.
fn stack(memory: RemoteMemory, stack_pointer: u64) -> Vec<u64> {
    let mut bytes = Vec::with_capacity(STACK_BYTES);
    let mut at = stack_pointer.next_multiple_of(WORD_BYTES as u64);
    while bytes.len() < STACK_BYTES {
        let on_page = PAGE_BYTES - at % PAGE_BYTES;
        let left = (STACK_BYTES - bytes.len()) as u64;
        let Ok(part) = memory.read_vec(at, on_page.min(left), STACK_BYTES) else {
            break;
        };
        at += part.len() as u64;
        bytes.extend(part);
    }
    let (words, _) = bytes.as_chunks::<WORD_BYTES>();
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// Whether an object's count of references is one. What was freed keeps its type for a while.
fn is_alive(process: &PythonProcess, object: u64) -> bool {
    // Free-threaded builds count in several words, and keep freed objects apart by size.
    process.layout.free_threaded
        || process
            .memory()
            .read_u64(object)
            .is_ok_and(|count| REFERENCES.contains(&count))
}

/// What an object is if it is a lock; `None` if not, or nothing at all.
fn kind_of(process: &PythonProcess, object: u64) -> Result<Option<LockKind>, AwaitedLockError> {
    let memory = process.memory();
    let layout = &process.layout.lock;
    let type_offset = u64::from(process.layout.object.ob_type);
    let Ok(of_type) = memory.read_u64(object.wrapping_add(type_offset)) else {
        return Ok(None);
    };
    let at = |offset: u16| memory.read_u64(of_type.wrapping_add(u64::from(offset)));
    let (Ok(name), Ok(bytes)) = (at(layout.tp_name), at(layout.tp_basicsize)) else {
        return Ok(None);
    };
    let Some(kind) = kind_called(memory, name) else {
        return Ok(None);
    };
    let known = kind.known_bytes(layout);
    if known.contains(&bytes) {
        Ok(Some(kind))
    } else {
        Err(AwaitedLockError::Unlike { kind, bytes, known })
    }
}

fn kind_called(memory: RemoteMemory, name: u64) -> Option<LockKind> {
    let on_page = PAGE_BYTES - name % PAGE_BYTES;
    let bytes = [NAME_BYTES as u64, on_page]
        .into_iter()
        .find_map(|bytes| memory.read_vec(name, bytes, NAME_BYTES).ok())?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    LockKind::ALL
        .into_iter()
        .find(|kind| kind.type_name().as_bytes() == &bytes[..end])
}

impl LockKind {
    const ALL: [Self; 3] = [Self::Lock, Self::RLock, Self::SemLock];

    /// `tp_name` of its type.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Lock => "_thread.lock",
            Self::RLock => "_thread.RLock",
            Self::SemLock => "_multiprocessing.SemLock",
        }
    }

    /// What its `tp_basicsize` may be: its own fields, and as the version has it the list
    /// of its weak references and a flag.
    fn known_bytes(self, layout: &LockLayout) -> std::ops::RangeInclusive<u64> {
        let head = u64::from(layout.head);
        match self {
            Self::Lock => head + 8..=head + 24,
            Self::RLock => head + 24..=head + 32,
            // Handle, thread, count, maximum, kind and name.
            Self::SemLock => head + 32..=head + 48,
        }
    }
}

impl Lock {
    /// Who has it, if it records that and somebody has.
    fn owner(
        &self,
        memory: RemoteMemory,
        layout: &LockLayout,
    ) -> Result<Option<RLockOwner>, RemoteError> {
        if self.kind != LockKind::RLock {
            return Ok(None);
        }
        let at = |offset: u16| memory.read_u64(self.address.wrapping_add(u64::from(offset)));
        let thread_id = at(layout.rlock_owner)?;
        let count = at(layout.rlock_count)?;
        // A mutex counts how often it was taken besides.
        let once = u64::from(!self.is_parked_at);
        // It was released, or is being taken.
        let is_owned = thread_id != 0 && count >= once;
        Ok(is_owned.then(|| RLockOwner {
            thread_id,
            taken: count - once + 1,
        }))
    }
}
