//! Stores that stay stores.

/// Sets a word to 0.
///
/// Of two of them side by side the compiler makes a `memset`, which the BPF target has byte
/// for byte: 32 turns of a loop, and words of which the next load has to wait.
#[inline(always)]
pub fn clear(word: &mut u64) {
    // SAFETY: a reference is valid for writes.
    unsafe { core::ptr::from_mut(word).write_volatile(0) }
}

/// Writes a word to memory at once, and not only when its register is wanted for something
/// else: there the verifier does not follow what is known of it.
#[inline(always)]
pub fn keep(word: &mut u64, value: u64) {
    // SAFETY: a reference is valid for writes.
    unsafe { core::ptr::from_mut(word).write_volatile(value) }
}
