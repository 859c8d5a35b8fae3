//! The readers on generated memory, in the layout of every build.
//!
//! No free-threaded interpreter is packaged where pyobserve is built, so that for their
//! layouts this is what is tested everywhere; where one is installed, the tests of
//! installed interpreters take it as any other.

use leakcpu_common::{config::MAX_FRAMES, python::find_tstate, stack::flags};
use pyobserve::interpreter::{
    CodeError, RemoteError, RemoteReader, TextError, ThreadsError, layout::check::check, read_code,
    read_stack, read_witness, threads,
};

use crate::{
    layouts,
    sample::{FILE, FIRST_LINE, LINE, NAMES, Sample, THREAD_ID},
};

/// An address that is never mapped.
const UNMAPPED: u64 = 8;

fn samples() -> impl Iterator<Item = (String, Sample)> {
    layouts::all().iter().map(|&(version, layout)| {
        let t = if layout.free_threaded { "t" } else { "" };
        (format!("{version}{t}"), Sample::new(version, layout))
    })
}

#[test]
fn the_stack_of_every_layout() {
    for (build, sample) in samples() {
        let (loaded, process) = sample.load();
        let tstate = find_tstate(
            &RemoteReader::new(process.memory()),
            &process.layout.walk,
            process.kernel.main_interpreter,
            THREAD_ID,
            16,
        );
        assert_eq!(tstate, Some(loaded.at(sample.tstate)), "{build}");
        let (frames, flags) = read_stack(&process, loaded.at(sample.tstate), MAX_FRAMES);
        assert_eq!(flags, 0, "{build}");
        let frames: Vec<_> = frames.into_iter().filter(|frame| frame.code != 0).collect();
        assert_eq!(frames.len(), NAMES.len(), "{build}");
        for ((frame, name), code) in frames.iter().zip(NAMES).zip(&sample.codes) {
            assert_eq!(frame.address(), loaded.at(*code), "{build}");
            let code = read_code(&process.memory(), &process, frame.address()).unwrap();
            assert_eq!(
                (code.name.as_str(), code.filename.as_str()),
                (name, FILE),
                "{build}"
            );
            assert_eq!(code.lines.first_line, FIRST_LINE, "{build}");
            assert_eq!(code.lines.line(frame.instr), Some(LINE), "{build}: {name}");
        }
    }
}

#[test]
fn a_bytecode_copy_that_is_not_listed_has_no_line() {
    let mut seen = 0;
    for (build, mut sample) in samples() {
        let Some(array) = sample.leaf_copies else {
            continue;
        };
        seen += 1;
        // The third thread's copy is gone.
        sample.point(array, 24_u64, 0);
        let (loaded, process) = sample.load();
        let (frames, _) = read_stack(&process, loaded.at(sample.tstate), MAX_FRAMES);
        let leaf = frames[0];
        let code = read_code(&process.memory(), &process, leaf.address()).unwrap();
        assert_eq!(code.name, NAMES[0], "{build}");
        assert_eq!(code.lines.line(leaf.instr), None, "{build}");
    }
    assert_eq!(seen, 2);
}

#[test]
fn threads_are_listed_and_a_ring_of_them_is_refused() {
    for (build, mut sample) in samples() {
        let (loaded, process) = sample.load();
        let listed = threads(&process).unwrap();
        assert_eq!(listed.len(), 1, "{build}");
        assert_eq!(listed[0].tstate, loaded.at(sample.tstate), "{build}");
        assert_eq!(listed[0].thread_id, THREAD_ID, "{build}");
        drop(loaded);

        let next = sample.layout.walk.tstate_next;
        sample.point(sample.tstate, next, sample.tstate);
        let (_loaded, process) = sample.load();
        assert!(
            matches!(threads(&process), Err(ThreadsError::Inconsistent { .. })),
            "{build}"
        );
        let reader = RemoteReader::new(process.memory());
        let missing = find_tstate(
            &reader,
            &process.layout.walk,
            process.kernel.main_interpreter,
            THREAD_ID + 1,
            16,
        );
        assert_eq!(missing, None, "{build}");
    }
}

#[test]
fn a_ring_of_frames_is_no_stack() {
    for (build, mut sample) in samples() {
        sample.set_previous(2, sample.frames[0]);
        let (loaded, process) = sample.load();
        // Three frames and the placeholders between them, then the first again. One alone
        // says nothing.
        let torn = flags::TRUNCATED | flags::IN_TRANSITION;
        for (limit, expected) in [
            (1, (1, flags::TRUNCATED)),
            (8, (0, torn)),
            (MAX_FRAMES, (0, torn)),
        ] {
            let (frames, flags) = read_stack(&process, loaded.at(sample.tstate), limit);
            assert_eq!((frames.len(), flags), expected, "{build}, {limit} frames");
        }
    }
}

/// The first frames lead into a ring that does not have them in it.
#[test]
fn a_ring_below_other_frames_is_found_too() {
    for (build, mut sample) in samples() {
        sample.set_previous(2, sample.frames[1]);
        let (loaded, process) = sample.load();
        let (frames, flags) = read_stack(&process, loaded.at(sample.tstate), MAX_FRAMES);
        let torn = flags::TRUNCATED | flags::IN_TRANSITION;
        assert_eq!((frames.len(), flags), (0, torn), "{build}");
    }
}

#[test]
fn a_frame_that_cannot_be_read_keeps_the_leaf_side() {
    for (build, mut sample) in samples() {
        sample.set_previous(1, UNMAPPED);
        let (loaded, process) = sample.load();
        let (frames, flags) = read_stack(&process, loaded.at(sample.tstate), MAX_FRAMES);
        assert_eq!(flags, flags::READ_FAILED, "{build}");
        let codes: Vec<_> = frames
            .iter()
            .map(|frame| frame.address())
            .filter(|code| *code != 0)
            .collect();
        assert_eq!(
            codes,
            [loaded.at(sample.codes[0]), loaded.at(sample.codes[1])],
            "{build}"
        );
    }
}

#[test]
fn what_is_no_code_object_has_no_name() {
    for (build, mut sample) in samples() {
        let code = sample.codes[0];
        let ob_type = sample.layout.object.ob_type;
        sample.point(code, ob_type, sample.member_table);
        let (loaded, process) = sample.load();
        let code = loaded.at(code);
        assert!(
            matches!(
                read_code(&process.memory(), &process, code),
                Err(CodeError::NotCode { .. })
            ),
            "{build}"
        );
        assert_eq!(read_witness(&process, code), Ok(None), "{build}");
        for address in [0, UNMAPPED, u64::MAX, u64::MAX - 100] {
            assert!(
                matches!(
                    read_code(&process.memory(), &process, address),
                    Err(CodeError::Remote(RemoteError::Unmapped { .. }))
                ),
                "{build}: {address:#x}"
            );
        }
    }
}

#[test]
fn absurd_lengths_are_not_read() {
    for (build, sample) in samples() {
        let object = sample.layout.object;
        for length in [1 << 22, 1 << 40, u64::MAX, u64::MAX / 8] {
            let mut long_table = sample.clone();
            long_table.point(sample.leaf_table, object.bytes_size, length);
            let mut long_name = sample.clone();
            long_name.point(sample.leaf_name, object.unicode_length, length);
            let mut many_copies = sample.clone();
            if let Some(array) = sample.leaf_copies {
                many_copies.point(array, 0_u64, length);
            }
            for (what, sample) in [
                ("table", long_table),
                ("name", long_name),
                ("copies", many_copies),
            ] {
                if what == "copies" && sample.leaf_copies.is_none() {
                    continue;
                }
                let (loaded, process) = sample.load();
                let read = read_code(&process.memory(), &process, loaded.at(sample.codes[0]));
                if what == "table" {
                    // There is a name all the same.
                    let lines = read.expect("a name needs no line table").lines;
                    assert!(!lines.is_whole && lines.table.is_empty(), "{build}");
                    continue;
                }
                assert!(
                    matches!(
                        read,
                        Err(CodeError::Remote(RemoteError::TooLong { .. })
                            | CodeError::Text(TextError::Remote(RemoteError::TooLong { .. })))
                    ),
                    "{build}: {what} of {length}: {read:?}"
                );
            }
        }
    }
}

#[test]
fn a_string_that_is_not_compact_is_no_name() {
    for (build, mut sample) in samples() {
        let state = u64::from(sample.layout.object.unicode_state);
        sample.image.put_u32(sample.leaf_name, state, 0);
        let (loaded, process) = sample.load();
        assert!(
            matches!(
                read_code(&process.memory(), &process, loaded.at(sample.codes[0])),
                Err(CodeError::Text(TextError::NotCompact { .. }))
            ),
            "{build}"
        );
    }
}

#[test]
fn a_layout_is_checked_against_the_live_type() {
    for (build, sample) in samples() {
        let checked = |sample: &Sample| {
            let (loaded, process) = sample.load();
            let code_type = loaded.at(sample.code_type);
            check(process.memory(), &process.layout, code_type, None).unwrap()
        };
        assert_eq!(checked(&sample), Ok(()), "{build}");
        // Every member but the first, which no layout has.
        for i in 1..6 {
            let mut moved = sample.clone();
            moved.point(sample.member_table, 40 * i + 16_u64, 4);
            let mismatch = checked(&moved).unwrap_err();
            assert_eq!(mismatch.found, Some(4), "{build}: {mismatch}");
            assert!(
                mismatch.to_string().contains("PyCode_Type has co_"),
                "{build}"
            );
        }
        let mut empty = sample.clone();
        empty.point(sample.member_table, 0_u64, 0);
        assert_eq!(checked(&empty).unwrap_err().found, None, "{build}");
    }
}
