//! Decoding of ring-buffer events. The bytes come from our own programs, and are
//! checked all the same.

use leakcpu_common::{
    config::MAX_FRAMES,
    event::{EventHeader, ProcessEvent, STACK_EVENT_HEAD_BYTES, kind},
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

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// First sight of a stack.
    Stack(RawStack),
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

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Decodes one event.
pub fn decode(bytes: &[u8]) -> Result<Event, DecodeError> {
    let kind = u32_at(bytes, 0).unwrap_or(0);
    let short = DecodeError::Short {
        kind,
        bytes: bytes.len(),
    };
    if bytes.len() < size_of::<EventHeader>() {
        return Err(short);
    }
    match kind {
        kind::STACK => stack(bytes).ok_or(short),
        kind::FORK | kind::EXEC | kind::THREAD_EXIT => process(kind, bytes).ok_or(short),
        other => Err(DecodeError::UnknownKind(other)),
    }
}

fn stack(bytes: &[u8]) -> Option<Event> {
    let count = u32_at(bytes, 12)? as usize;
    if count > MAX_FRAMES {
        return None;
    }
    let mut frames = Vec::with_capacity(count);
    for i in 0..count {
        let at = STACK_EVENT_HEAD_BYTES + i * size_of::<RawFrame>();
        frames.push(RawFrame {
            code: u64_at(bytes, at)?,
            instr: u64_at(bytes, at + 8)?,
        });
    }
    Some(Event::Stack(RawStack {
        hash: u64_at(bytes, 24)?,
        flags: u32_at(bytes, 32)?,
        pid: u32_at(bytes, 4)?,
        tid: u32_at(bytes, 8)?,
        frames,
    }))
}

fn process(kind: u32, bytes: &[u8]) -> Option<Event> {
    if bytes.len() < size_of::<ProcessEvent>() {
        return None;
    }
    let pid = u32_at(bytes, 4)?;
    let start_boottime_ns = u64_at(bytes, 32)?;
    Some(match kind {
        kind::FORK => Event::Fork {
            pid,
            parent_pid: u32_at(bytes, 24)?,
            start_boottime_ns,
        },
        kind::EXEC => Event::Exec {
            pid,
            start_boottime_ns,
        },
        _ => Event::ThreadExit {
            pid,
            tid: u32_at(bytes, 8)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use leakcpu_common::event::StackEvent;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn offsets_are_those_of_the_contract() {
        assert_eq!(offset_of!(EventHeader, pid), 4);
        assert_eq!(offset_of!(EventHeader, tid), 8);
        assert_eq!(offset_of!(EventHeader, count), 12);
        assert_eq!(offset_of!(StackEvent, hash), 24);
        assert_eq!(offset_of!(StackEvent, flags), 32);
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
        }
        bytes
    }

    #[test]
    fn a_stack_comes_back() {
        let frames = vec![
            RawFrame { code: 1, instr: 2 },
            RawFrame { code: 3, instr: 4 },
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

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = decode(&bytes);
        }
    }
}
