//! Which word of `_Py_DebugOffsets` holds which figure.
//!
//! The structure is groups of 8-byte words. Versions have only ever inserted words, so
//! one list with the version of each insertion holds them all.
//!
//! Sources: `Include/internal/pycore_runtime.h` (3.13),
//! `Include/internal/pycore_debug_offsets.h` (3.14, 3.15).

use std::ops::RangeInclusive;

/// Minor versions whose structure is known.
pub const KNOWN_MINORS: RangeInclusive<u8> = 13..=15;

/// The words that lead every version's structure: cookie, version, free-threaded.
pub(super) const HEAD_WORDS: usize = 3;

/// One `struct` inside the structure.
struct Group {
    name: &'static str,
    /// Names of the words in their order, separated by blanks, in runs that came with
    /// one minor version.
    runs: &'static [(u8, &'static str)],
}

const fn group(name: &'static str, runs: &'static [(u8, &'static str)]) -> Group {
    Group { name, runs }
}

/// The whole structure behind its head, in order.
#[rustfmt::skip]
const GROUPS: [Group; 21] = [
    group("runtime_state", &[(13, "size finalizing interpreters_head")]),
    group("interpreter_state", &[
        (13, "size id next threads_head"),
        (14, "threads_main"),
        (13, "gc imports_modules sysdict builtins ceval_gil gil_runtime_state"),
        (13, "gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder"),
        (14, "code_object_generation tlbc_generation"),
    ]),
    group("thread_state", &[
        (13, "size prev next interp current_frame"),
        (15, "base_frame last_profiled_frame last_profiled_frame_seq"),
        (13, "thread_id native_thread_id datastack_chunk status"),
        (15, "holds_gil gil_requested current_exception exc_state"),
    ]),
    group("err_stackitem", &[(15, "exc_value")]),
    group("interpreter_frame", &[
        (13, "size previous executable instr_ptr localsplus owner"),
        (14, "stackpointer tlbc_index"),
    ]),
    group("code_object", &[
        (13, "size filename name qualname linetable firstlineno argcount"),
        (13, "localsplusnames localspluskinds co_code_adaptive"),
        (14, "co_tlbc"),
    ]),
    group("pyobject", &[(13, "size ob_type")]),
    group("type_object", &[
        (13, "size tp_name tp_repr tp_flags"),
        (15, "tp_basicsize tp_dictoffset"),
    ]),
    group("heap_type_object", &[(15, "size ht_cached_keys")]),
    group("tuple_object", &[(13, "size ob_item ob_size")]),
    group("list_object", &[(13, "size ob_item ob_size")]),
    group("set_object", &[(14, "size used table mask")]),
    group("dict_object", &[(13, "size ma_keys ma_values")]),
    group("float_object", &[(13, "size ob_fval")]),
    group("long_object", &[(13, "size lv_tag ob_digit")]),
    group("bytes_object", &[(13, "size ob_size ob_sval")]),
    group("unicode_object", &[
        (13, "size state length asciiobject_size"),
        (15, "compactunicodeobject_size"),
    ]),
    group("gc", &[
        (13, "size collecting"),
        (15, "frame generation_stats_size generation_stats"),
    ]),
    group("gen_object", &[(14, "size gi_name gi_iframe gi_frame_state")]),
    group("llist_node", &[(14, "next prev")]),
    group("debugger_support", &[
        (14, "eval_breaker remote_debugger_support remote_debugging_enabled"),
        (14, "debugger_pending_call debugger_script_path debugger_script_path_size"),
    ]),
];

/// One word of a version's structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its `struct`.
    pub group: &'static str,
    /// Its name there.
    pub name: &'static str,
}

/// The words of minor version `minor` in their order, those of the head left out;
/// `None` if that version's structure is not known.
pub fn words(minor: u8) -> Option<Vec<Word>> {
    let of_group = |group: &'static Group| {
        group
            .runs
            .iter()
            .filter(move |(since, _)| *since <= minor)
            .flat_map(|(_, names)| names.split(' '))
            .map(|name| Word {
                group: group.name,
                name,
            })
    };
    KNOWN_MINORS
        .contains(&minor)
        .then(|| GROUPS.iter().flat_map(of_group).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sizeof(_Py_DebugOffsets)` as the compiler says.
    #[test]
    fn sizes_are_the_compilers() {
        for (minor, bytes) in [(13, 584), (14, 760), (15, 888)] {
            let words = words(minor).unwrap();
            assert_eq!(8 * (HEAD_WORDS + words.len()), bytes, "3.{minor}");
        }
        assert_eq!(words(12), None);
        assert_eq!(words(16), None);
    }

    #[test]
    fn no_word_is_there_twice() {
        let words = words(15).unwrap();
        for (i, word) in words.iter().enumerate() {
            assert!(!words[..i].contains(word), "{word:?}");
        }
    }
}
