//! Decoding of ring-buffer events. The bytes come from our own programs, and are
//! checked all the same.

use bytes::{Buf as _, TryGetError};
use leakcpu_common::{
    config::MAX_FRAMES,
    event::{EventHeader, MODULE_NAME_BYTES, SEGMENT_BYTES, kind, segment},
    stack::RawFrame,
};

/// Why an event could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its kind requires.
    #[error("event of kind {kind} has {bytes} bytes")]
    Short {
        /// Kind, or 0 if even that is cut off.
        kind: u32,
        /// Bytes received.
        bytes: usize,
    },
    /// A kind that this version does not know.
    #[error("unknown event kind {0}")]
    UnknownKind(u32),
}

/// A stack as the kernel walked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawStack {
    /// Key of the stack in the totals.
    pub hash: u64,
    /// `leakcpu_common::stack::flags`.
    pub flags: u32,
    /// Process.
    pub pid: u32,
    /// Thread that was seen with it first.
    pub tid: u32,
    /// Leaf first.
    pub frames: Vec<RawFrame>,
}

/// A code object as the kernel copied it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedCode {
    /// Process.
    pub pid: u32,
    /// Address of the code object.
    pub code: u64,
    /// `leakcpu_common::stack::witness`.
    pub witness: u64,
    /// Address and first bytes of the code object and of what names it.
    pub segments: Vec<(u64, Box<[u8]>)>,
}

/// The beginning or the end of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSeen {
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// What the thread had been on a CPU.
    pub on_cpu_ns: u64,
    /// What it had been blocked.
    pub blocked_ns: u64,
    /// The module's name, or its beginning; empty if it could not be read.
    pub module: String,
    /// At the end: whether it was found and loaded.
    pub outcome: Option<bool>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A module begins to be imported, or is.
    Import(ImportSeen),
    /// First sight of a stack.
    Stack(RawStack),
    /// First sight of a code object that may soon be gone.
    Code(CopiedCode),
    /// A watched process has a child.
    Fork {
        /// The child.
        pid: u32,
        /// Its parent.
        parent_pid: u32,
        /// Start of the child.
        start_boottime_ns: u64,
    },
    /// A process runs another program now.
    Exec {
        /// Which.
        pid: u32,
        /// When its main thread was created.
        start_boottime_ns: u64,
    },
    /// A watched thread is ending.
    ThreadExit {
        /// Process.
        pid: u32,
        /// Thread.
        tid: u32,
    },
}

/// Decodes one event.
pub fn decode(mut bytes: &[u8]) -> Result<Event, DecodeError> {
    let whole = bytes.len();
    let short = |kind| DecodeError::Short { kind, bytes: whole };
    let header = header(&mut bytes).map_err(|_| short(0))?;
    match header.kind {
        kind::STACK => stack(header, &mut bytes),
        kind::CODE => code(header, &mut bytes),
        kind::FORK | kind::EXEC | kind::THREAD_EXIT => process(header, &mut bytes),
        kind::IMPORT_START | kind::IMPORT_DONE => import(header, &mut bytes),
        other => return Err(DecodeError::UnknownKind(other)),
    }
    .map_err(|_| short(header.kind))
}

fn header(bytes: &mut &[u8]) -> Result<EventHeader, TryGetError> {
    Ok(EventHeader {
        kind: bytes.try_get_u32_ne()?,
        pid: bytes.try_get_u32_ne()?,
        tid: bytes.try_get_u32_ne()?,
        count: bytes.try_get_u32_ne()?,
        ktime_ns: bytes.try_get_u64_ne()?,
    })
}

fn stack(header: EventHeader, bytes: &mut &[u8]) -> Result<Event, TryGetError> {
    let hash = bytes.try_get_u64_ne()?;
    let flags = bytes.try_get_u32_ne()?;
    let _pad = bytes.try_get_u32_ne()?;
    // A count that is not true runs out of bytes before it runs out of memory.
    let count = (header.count as usize).min(MAX_FRAMES + 1);
    let mut frames = Vec::with_capacity(count);
    for _ in 0..header.count {
        frames.push(RawFrame {
            code: bytes.try_get_u64_ne()?,
            instr: bytes.try_get_u64_ne()?,
            witness: bytes.try_get_u64_ne()?,
        });
    }
    Ok(Event::Stack(RawStack {
        hash,
        flags,
        pid: header.pid,
        tid: header.tid,
        frames,
    }))
}

fn code(header: EventHeader, bytes: &mut &[u8]) -> Result<Event, TryGetError> {
    let code = bytes.try_get_u64_ne()?;
    let witness = bytes.try_get_u64_ne()?;
    let mut segments = Vec::with_capacity(segment::COUNT);
    for _ in 0..segment::COUNT {
        let address = bytes.try_get_u64_ne()?;
        let length = bytes.try_get_u32_ne()? as usize;
        let _pad = bytes.try_get_u32_ne()?;
        let mut data = [0; SEGMENT_BYTES];
        bytes.try_copy_to_slice(&mut data)?;
        segments.push((address, data[..length.min(SEGMENT_BYTES)].into()));
    }
    Ok(Event::Code(CopiedCode {
        pid: header.pid,
        code,
        witness,
        segments,
    }))
}

fn import(header: EventHeader, bytes: &mut &[u8]) -> Result<Event, TryGetError> {
    let on_cpu_ns = bytes.try_get_u64_ne()?;
    let blocked_ns = bytes.try_get_u64_ne()?;
    let found = bytes.try_get_u32_ne()?;
    let length = bytes.try_get_u32_ne()? as usize;
    let mut name = [0; MODULE_NAME_BYTES];
    bytes.try_copy_to_slice(&mut name)?;
    // With the end of the text.
    let name = &name[..length.saturating_sub(1).min(MODULE_NAME_BYTES)];
    Ok(Event::Import(ImportSeen {
        pid: header.pid,
        tid: header.tid,
        at_ns: header.ktime_ns,
        on_cpu_ns,
        blocked_ns,
        module: String::from_utf8_lossy(name).into_owned(),
        outcome: (header.kind == kind::IMPORT_DONE).then_some(found != 0),
    }))
}

fn process(header: EventHeader, bytes: &mut &[u8]) -> Result<Event, TryGetError> {
    let EventHeader { kind, pid, tid, .. } = header;
    let parent_pid = bytes.try_get_u32_ne()?;
    let _pad = bytes.try_get_u32_ne()?;
    let start_boottime_ns = bytes.try_get_u64_ne()?;
    Ok(match kind {
        kind::FORK => Event::Fork {
            pid,
            parent_pid,
            start_boottime_ns,
        },
        kind::EXEC => Event::Exec {
            pid,
            start_boottime_ns,
        },
        _ => Event::ThreadExit { pid, tid },
    })
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use leakcpu_common::event::{CodeEvent, ImportEvent, ProcessEvent, Segment, StackEvent};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn offsets_are_those_of_the_contract() {
        assert_eq!(offset_of!(EventHeader, pid), 4);
        assert_eq!(offset_of!(EventHeader, tid), 8);
        assert_eq!(offset_of!(EventHeader, count), 12);
        assert_eq!(offset_of!(StackEvent, hash), 24);
        assert_eq!(offset_of!(StackEvent, flags), 32);
        assert_eq!(offset_of!(CodeEvent, witness), 32);
        assert_eq!(offset_of!(CodeEvent, segments), 40);
        assert_eq!(offset_of!(Segment, data), 16);
        assert_eq!(offset_of!(ProcessEvent, parent_pid), 24);
        assert_eq!(offset_of!(ProcessEvent, start_boottime_ns), 32);
    }

    fn stack_bytes(frames: &[RawFrame]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [kind::STACK, 7, 8, u32::try_from(frames.len()).unwrap()] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(99_u64.to_ne_bytes());
        bytes.extend(0xabc_u64.to_ne_bytes());
        bytes.extend(3_u32.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        for frame in frames {
            bytes.extend(frame.code.to_ne_bytes());
            bytes.extend(frame.instr.to_ne_bytes());
            bytes.extend(frame.witness.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn a_stack_comes_back() {
        let frames = vec![
            RawFrame {
                code: 1,
                instr: 2,
                witness: 3,
            },
            RawFrame {
                code: 4,
                instr: 5,
                witness: 0,
            },
        ];
        let bytes = stack_bytes(&frames);
        let expected = RawStack {
            hash: 0xabc,
            flags: 3,
            pid: 7,
            tid: 8,
            frames,
        };
        assert_eq!(decode(&bytes), Ok(Event::Stack(expected)));
        assert!(matches!(
            decode(&bytes[..bytes.len() - 1]),
            Err(DecodeError::Short { .. })
        ));
    }

    #[test]
    fn a_copied_code_object_comes_back() {
        let mut bytes = Vec::new();
        for word in [kind::CODE, 7, 8, 0] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(99_u64.to_ne_bytes());
        bytes.extend(0x1000_u64.to_ne_bytes());
        bytes.extend(5_u64.to_ne_bytes());
        for i in 0..segment::COUNT as u64 {
            bytes.extend((0x2000 + i).to_ne_bytes());
            bytes.extend(u32::try_from(i).unwrap().to_ne_bytes());
            bytes.extend(0_u32.to_ne_bytes());
            bytes.extend([0xab; SEGMENT_BYTES]);
        }
        let Ok(Event::Code(copied)) = decode(&bytes) else {
            panic!("no code event");
        };
        assert_eq!((copied.pid, copied.code, copied.witness), (7, 0x1000, 5));
        assert_eq!(copied.segments[0], (0x2000, [].into()));
        assert_eq!(copied.segments[3], (0x2003, [0xab; 3].into()));
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn an_import_comes_back() {
        let mut bytes = Vec::new();
        for word in [kind::IMPORT_DONE, 7, 8, 0] {
            bytes.extend(word.to_ne_bytes());
        }
        for word in [99_u64, 5, 6] {
            bytes.extend(word.to_ne_bytes());
        }
        for word in [1_u32, 5] {
            bytes.extend(word.to_ne_bytes());
        }
        let mut name = [0; MODULE_NAME_BYTES];
        name[..4].copy_from_slice(b"json");
        bytes.extend(name);
        assert_eq!(bytes.len(), size_of::<ImportEvent>());
        let expected = ImportSeen {
            pid: 7,
            tid: 8,
            at_ns: 99,
            on_cpu_ns: 5,
            blocked_ns: 6,
            module: "json".to_owned(),
            outcome: Some(true),
        };
        assert_eq!(decode(&bytes), Ok(Event::Import(expected)));
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
        assert_eq!(offset_of!(ImportEvent, name), 48);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = decode(&bytes);
        }
    }
}
