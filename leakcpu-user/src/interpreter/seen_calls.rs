//! Calls of one function that a thread is in at a moment, what they were given, and what tells
//! them from the calls of another moment.
//!
//! The thread runs meanwhile. Its frames are read, then the arguments, then its frames again:
//! a call counts if its callers are the same both times, where they stand and all of their local
//! variables included, and its own arguments are. What waits for a call to return changes
//! nothing: where two looks find it different, they saw two calls.
//!
//! Sources: `Include/internal/pycore_frame.h`, `Include/cpython/frameobject.h`.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher as _},
};

use leakcpu_common::python::NO_PLACEHOLDER;

use super::{
    ObjectMemory as _, PythonProcess, RemoteError,
    argument_values::{ArgumentValue, KnownTypes},
    frame_values::innermost_frame,
    parts::Reader,
};

/// Most arguments of a function whose calls are looked at.
pub const MAX_ARGUMENTS: u32 = 8;

/// Calls within each other that are followed; what recurses deeper is not looked at.
const MAX_CALLS: usize = 48;
/// Frames around the outermost call that are looked at.
const MAX_CALLERS: usize = 4;
/// Frames that are passed in all, those included that only say that C called Python.
const MAX_FRAMES: usize = 2 * (MAX_CALLS + MAX_CALLERS);
/// Local variables of a frame that are compared.
const MAX_LOCALS: usize = 16;
/// A frame up to its local variables, in bytes, and those that are compared.
const FRAME_BYTES: usize = 368 + 8 * MAX_LOCALS;

/// A function whose calls are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callee {
    /// Address of its code object.
    pub code: u64,
    /// Its arguments, [`MAX_ARGUMENTS`] at most.
    pub arguments: u32,
}

/// A call that a thread is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCall {
    /// Another one in another call, from what is around it and the addresses it was given. The
    /// same call always has the same; two may have the same too.
    pub key: u64,
    /// What it was given; `None` if one of it is no value that is known.
    pub arguments: Option<Box<[ArgumentValue]>>,
}

/// Looks at the calls of one process.
#[derive(Debug, Default)]
pub struct CallReader {
    types: KnownTypes,
    /// Local variables of code objects, by address.
    locals: HashMap<u64, usize>,
}

impl CallReader {
    /// The calls of `callee` that the thread with its `PyThreadState` at `tstate` is in, the
    /// outermost first, if it is what the thread executes now. `None` too if the thread was
    /// faster than the look.
    pub fn look(
        &mut self,
        process: &PythonProcess,
        tstate: u64,
        callee: &Callee,
    ) -> Result<Option<Vec<SeenCall>>, RemoteError> {
        let Some(before) = self.chain(process, tstate, callee)? else {
            return Ok(None);
        };
        let mut values = HashMap::new();
        for word in before.calls.iter().flat_map(|call| call.arguments(callee)) {
            if !values.contains_key(word) {
                let object = word & !u64::from(process.layout.walk.code_tag_mask);
                let memory = process.memory();
                let value = self.types.value(&memory, &process.layout, object)?;
                values.insert(*word, value);
            }
        }
        let numbers = self.numbers(process, &before)?;
        let after = self.chain(process, tstate, callee)?;
        let found = after.and_then(|after| common(&before, &after, callee, &values, &numbers));
        Ok(found.filter(|calls| !calls.is_empty()))
    }

    /// The numbers among the local variables of what called the outermost call: a loop that counts
    /// puts each in the place of the last one but one.
    fn numbers(
        &mut self,
        process: &PythonProcess,
        chain: &Chain,
    ) -> Result<Vec<Option<u64>>, RemoteError> {
        let memory = process.memory();
        let tag = u64::from(process.layout.walk.code_tag_mask);
        let locals = chain.callers.first().map(|caller| &caller.locals);
        let mut number = |word: &u64| self.types.number(&memory, &process.layout, word & !tag);
        locals.into_iter().flatten().map(&mut number).collect()
    }

    /// The frames of `callee` and of its callers, where the innermost frame is one of it.
    fn chain(
        &mut self,
        process: &PythonProcess,
        tstate: u64,
        callee: &Callee,
    ) -> Result<Option<Chain>, RemoteError> {
        let mut at = innermost_frame(process, tstate);
        let mut chain = Chain::default();
        for _ in 0..MAX_FRAMES {
            if at == 0 || chain.callers.len() == MAX_CALLERS {
                break;
            }
            let (frame, previous) = self.frame(process, at)?;
            at = previous;
            let Some(frame) = frame else { continue };
            match (frame.code == callee.code, chain.callers.is_empty()) {
                (true, true) if chain.calls.len() < MAX_CALLS => chain.calls.push(frame),
                (true, _) => return Ok(None),
                (false, _) if chain.calls.is_empty() => return Ok(None),
                (false, _) => chain.callers.push(frame),
            }
        }
        chain.calls.reverse();
        let is_called = !chain.calls.is_empty() && !chain.callers.is_empty();
        Ok(is_called.then_some(chain))
    }

    /// A frame, unless it only says that C called Python, and the one around it.
    fn frame(
        &mut self,
        process: &PythonProcess,
        address: u64,
    ) -> Result<(Option<FrameSeen>, u64), RemoteError> {
        let layout = &process.layout.walk;
        let locals_at = usize::from(process.layout.parts.frame_locals);
        let mut bytes = [0; FRAME_BYTES];
        let end = (locals_at + 8 * MAX_LOCALS).min(FRAME_BYTES);
        let memory = process.memory();
        let read = memory.read_some(address, locals_at, &mut bytes[..end])?;
        let word = |at: usize| {
            let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
            word.map_or(0, |word| u64::from_le_bytes(*word))
        };
        let field = |offset: u16| usize::from(layout.frame_base) + usize::from(offset);
        let previous = word(field(layout.frame_previous));
        let owner = bytes.get(field(layout.frame_owner)).copied();
        let is_placeholder = layout.placeholder_owner != NO_PLACEHOLDER
            && u16::from(owner.unwrap_or(u8::MAX)) >= layout.placeholder_owner;
        if is_placeholder {
            return Ok((None, previous));
        }
        let code = word(field(layout.frame_code)) & !u64::from(layout.code_tag_mask);
        let count = self.locals(process, code)?;
        let end = (locals_at + 8 * count).min(end);
        if read < end {
            // They are on another page.
            memory.read(address, &mut bytes[..end])?;
        }
        let word = |at: usize| {
            let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
            word.map_or(0, |word| u64::from_le_bytes(*word))
        };
        let frame = FrameSeen {
            address,
            code,
            // Of a number of 32 bits the others are not its own.
            instr: word(field(layout.frame_instr)) << (layout.frame_instr_spare_bits & 63),
            locals: (0..count).map(|n| word(locals_at + 8 * n)).collect(),
        };
        Ok((Some(frame), previous))
    }

    /// How many local variables a frame of a code object has, [`MAX_LOCALS`] at most.
    fn locals(&mut self, process: &PythonProcess, code: u64) -> Result<usize, RemoteError> {
        if let Some(known) = self.locals.get(&code) {
            return Ok(*known);
        }
        let memory = process.memory();
        let reader = Reader::new(&memory, &process.layout);
        let names = reader.field(code, process.layout.parts.locals)?;
        let count = reader.field(names, process.layout.object.bytes_size)?;
        let count = usize::try_from(count).map_or(MAX_LOCALS, |count| count.min(MAX_LOCALS));
        self.locals.insert(code, count);
        Ok(count)
    }
}

/// A frame as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FrameSeen {
    address: u64,
    code: u64,
    /// Where it stands.
    instr: u64,
    /// The words of its local variables.
    locals: Box<[u64]>,
}

impl FrameSeen {
    fn arguments(&self, callee: &Callee) -> &[u64] {
        let count = (callee.arguments as usize).min(self.locals.len());
        &self.locals[..count]
    }
}

/// Calls of one function in each other, the outermost first, and the frames around them, the
/// innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chain {
    calls: Vec<FrameSeen>,
    callers: Vec<FrameSeen>,
}

/// The calls that were there both times.
fn common(
    before: &Chain,
    after: &Chain,
    callee: &Callee,
    values: &HashMap<u64, Option<ArgumentValue>>,
    numbers: &[Option<u64>],
) -> Option<Vec<SeenCall>> {
    if before.callers != after.callers {
        return None;
    }
    let mut around = DefaultHasher::new();
    (&before.callers, numbers).hash(&mut around);
    let mut found = Vec::new();
    for (call, again) in before.calls.iter().zip(&after.calls) {
        let words = call.arguments(callee);
        // An argument that is not there yet, or no more.
        let is_whole = words.len() == callee.arguments as usize && words.iter().all(|w| *w != 0);
        if call.address != again.address || words != again.arguments(callee) || !is_whole {
            break;
        }
        let mut key = around.clone();
        (call.address, words).hash(&mut key);
        let given = words.iter().map(|word| values.get(word).cloned().flatten());
        found.push(SeenCall {
            key: key.finish(),
            arguments: given.collect(),
        });
        if call != again {
            break;
        }
        call.hash(&mut around);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLEE: Callee = Callee {
        code: 0x100,
        arguments: 1,
    };

    fn frame(code: u64, instr: u64, locals: &[u64]) -> FrameSeen {
        FrameSeen {
            address: 0x1000 + code,
            code,
            instr,
            locals: locals.into(),
        }
    }

    fn chain(caller: &FrameSeen, calls: &[FrameSeen]) -> Chain {
        Chain {
            calls: calls.to_vec(),
            callers: vec![caller.clone()],
        }
    }

    /// What two looks at a moment find, as `before` and `after` have it.
    fn seen(before: &Chain, after: &Chain) -> Option<Vec<SeenCall>> {
        let values = [8_u64, 16].map(|word| (word, Some(ArgumentValue::Int(word.cast_signed()))));
        common(before, after, &CALLEE, &HashMap::from(values), &[])
    }

    #[test]
    fn calls_of_other_turns_of_a_loop_differ() {
        let call = frame(0x100, 1, &[8, 0]);
        let first = chain(&frame(1, 7, &[64]), std::slice::from_ref(&call));
        let second = chain(&frame(1, 7, &[72]), &[call]);
        let [first_call, second_call] = [&first, &second].map(|one| seen(one, one).unwrap());
        assert_eq!(first_call[0].arguments, second_call[0].arguments);
        assert_ne!(first_call[0].key, second_call[0].key);
        // The caller went on meanwhile.
        assert_eq!(seen(&first, &second), None);
    }

    #[test]
    fn a_call_that_goes_on_is_the_same() {
        let caller = frame(1, 7, &[64]);
        let before = chain(&caller, &[frame(0x100, 1, &[8, 0])]);
        let after = chain(&caller, &[frame(0x100, 5, &[8, 80])]);
        let [early, late] = [&before, &after].map(|one| seen(one, one).unwrap());
        assert_eq!(early, late);
        assert_eq!(seen(&before, &after), Some(early));
    }

    #[test]
    fn what_has_changed_below_is_left_out() {
        let caller = frame(1, 7, &[64]);
        let outer = frame(0x100, 1, &[8]);
        let inner = FrameSeen {
            address: 0x2000,
            ..frame(0x100, 1, &[16])
        };
        let both = chain(&caller, &[outer.clone(), inner.clone()]);
        assert_eq!(seen(&both, &both).unwrap().len(), 2);
        let moved = FrameSeen { instr: 9, ..outer };
        let after = chain(&caller, &[moved, inner]);
        assert_eq!(seen(&both, &after).unwrap().len(), 1);
    }

    #[test]
    fn values_that_are_not_known_are_none() {
        let caller = frame(1, 7, &[64]);
        let strange = chain(&caller, &[frame(0x100, 1, &[24])]);
        assert_eq!(seen(&strange, &strange).unwrap()[0].arguments, None);
        let not_yet = chain(&caller, &[frame(0x100, 1, &[0])]);
        assert_eq!(seen(&not_yet, &not_yet), Some(Vec::new()));
    }
}
