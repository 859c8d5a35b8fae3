//! Whether an address on a stack can be a return address, and where stacks begin.
//!
//! Code without frame pointers uses the register for something else: what the kernel
//! then takes for return addresses is whatever lies there. A true one follows a call.

/// Bytes before an address that are looked at: the longest call without prefixes has 7.
pub const CALL_BYTES: usize = 8;

/// Whether `before`, the bytes that end at an address, can end with a call: `E8` with
/// a displacement, or `FF /2` (Intel SDM vol. 2, CALL).
pub fn is_after_call(before: [u8; CALL_BYTES]) -> bool {
    before[CALL_BYTES - 5] == 0xe8 || (2..=7).any(|length| is_indirect_call(before, length))
}

fn is_indirect_call(before: [u8; CALL_BYTES], length: usize) -> bool {
    let call = &before[CALL_BYTES - length..];
    if call[0] != 0xff {
        return false;
    }
    let (mode, operation, register) = (call[1] >> 6, (call[1] >> 3) & 7, call[1] & 7);
    if operation != 2 {
        return false;
    }
    let has_sib = mode != 3 && register == 4;
    let displacement = match mode {
        0 if register == 5 => 4,
        0 if has_sib && call.get(2).is_some_and(|sib| sib & 7 == 5) => 4,
        1 => 1,
        2 => 4,
        _ => 0,
    };
    length == 2 + usize::from(has_sib) + displacement
}

/// Functions that have no caller, and those of the C library that begin threads and
/// programs.
const ROOTS: [&str; 7] = [
    "_start",
    "__libc_start_main",
    "__libc_start_call_main",
    "start_thread",
    "clone",
    "clone3",
    "__clone3",
];

/// Functions that the C library calls first: programs' and CPython's threads'.
const FIRST: [&str; 4] = ["main", "pythread_wrapper", "thread_run", "t_bootstrap"];

/// Whether a stack whose outermost frame is `symbol` of `module`, called from it
/// `callee`, has been followed to its beginning. A stripped C library does not name
/// its own part.
pub fn is_root(symbol: Option<&str>, module: Option<&str>, callee: Option<&str>) -> bool {
    let is_libc =
        module.is_some_and(|name| name.starts_with("libc.") || name.starts_with("ld-musl"));
    symbol.is_some_and(|symbol| ROOTS.contains(&symbol))
        || (is_libc && callee.is_some_and(|callee| FIRST.contains(&callee)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(code: &[u8]) -> bool {
        let mut before = [0x90; CALL_BYTES];
        before[CALL_BYTES - code.len()..].copy_from_slice(code);
        is_after_call(before)
    }

    #[test]
    fn calls_are_told_from_other_code() {
        // As an assembler writes them: call rel32; call *%rax; call *%r11 (prefixed);
        // call *0x10(%rbx); call *(%rax,%rcx,8); call *0x12345678(%rip);
        // call *0x100(%rax); call *0x100(%rsp); call *0x10(%rsp).
        for call in [
            &[0xe8, 1, 2, 3, 4][..],
            &[0xff, 0xd0],
            &[0x41, 0xff, 0xd3],
            &[0xff, 0x53, 0x10],
            &[0xff, 0x14, 0xc8],
            &[0xff, 0x15, 0x78, 0x56, 0x34, 0x12],
            &[0xff, 0x90, 0, 1, 0, 0],
            &[0xff, 0x94, 0x24, 0, 1, 0, 0],
            &[0xff, 0x54, 0x24, 0x10],
        ] {
            assert!(after(call), "{call:x?}");
        }
        // ret and padding; jmp *%rax; push; a call too early.
        for other in [
            &[0xc3, 0x66, 0x90][..],
            &[0xff, 0xe0],
            &[0xff, 0x75, 0x08],
            &[0xff, 0xd0, 0x90],
            &[0xe8, 1, 2, 3, 4, 0x90],
        ] {
            assert!(!after(other), "{other:x?}");
        }
    }

    #[test]
    fn where_stacks_begin() {
        assert!(is_root(Some("_start"), Some("python3.11"), None));
        assert!(is_root(None, Some("libc.so.6"), Some("main")));
        assert!(!is_root(Some("qsort"), Some("libc.so.6"), Some("compare")));
        assert!(!is_root(Some("main"), Some("python3.11"), None));
    }
}
