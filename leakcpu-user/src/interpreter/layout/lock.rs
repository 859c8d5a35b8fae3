//! Offsets in the locks of `_thread` and `_multiprocessing`.
//!
//! Sources: `lockobject` and `rlockobject` in `Modules/_threadmodule.c`, `SemLockObject` in
//! `Modules/_multiprocessing/semaphore.c`, `_PyRecursiveMutex` in
//! `Include/internal/pycore_lock.h`, `struct wait_entry` in `Python/parking_lot.c`,
//! `PyTypeObject` in `Include/cpython/object.h`. None of them is published; each object that
//! is found is checked (`interpreter::awaited_lock`).

/// First minor version that has a parking lot.
const PARKING_LOT: u8 = 13;

/// Offsets in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockLayout {
    /// Bytes of `PyObject`: what a lock consists of comes right behind them. That is the
    /// address of its semaphore, or the mutex itself where threads wait in the parking lot
    /// for it: `lock` since 3.13, but for its first releases, and `RLock` since 3.14.
    pub head: u16,
    /// `rlock_owner`, or `lock.thread`: `pthread_self()` of the owner, 0 if there is none.
    pub rlock_owner: u16,
    /// `rlock_count`, or `lock.level`: how often it has taken the lock, the latter less one.
    pub rlock_count: u16,
    /// `PyTypeObject.tp_name`.
    pub tp_name: u16,
    /// `PyTypeObject.tp_basicsize`.
    pub tp_basicsize: u16,
    /// There is a parking lot: who waits in it does so at a semaphore of its own, on its
    /// stack, before which is the address that it waits for.
    pub has_parking_lot: bool,
}

impl LockLayout {
    /// Of a version and kind of build.
    pub const fn of(minor: u8, free_threaded: bool) -> Self {
        let head = if free_threaded { 32 } else { 16 };
        Self {
            head,
            rlock_owner: head + 8,
            rlock_count: head + 16,
            // Behind `ob_size`.
            tp_name: head + 8,
            tp_basicsize: head + 16,
            has_parking_lot: minor >= PARKING_LOT,
        }
    }
}
