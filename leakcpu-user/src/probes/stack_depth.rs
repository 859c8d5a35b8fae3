//! Stack that the eBPF programs take, as kernels before 6.13 add it up: all functions that
//! are entered at a time have 512 bytes together, and each counts in steps of 32
//! (`check_max_stack_depth` of `kernel/bpf/verifier.c`).
//!
//! A test, so that not every kernel need be booted to find out.

use std::collections::HashMap;

use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionIndex, SymbolKind,
};

use super::loader::OBJECT;

/// What all functions that are entered at a time may take.
const MOST_BYTES: u64 = 512;
/// Each counts in steps of so much.
const STEP_BYTES: u64 = 32;

/// A function by its section and where it begins there.
type Place = (SectionIndex, u64);

struct Function {
    name: String,
    stack_bytes: u64,
    calls: Vec<Place>,
}

/// `struct bpf_insn`: opcode, registers, offset, immediate.
struct Instruction {
    opcode: u8,
    target: u8,
    source: u8,
    offset: i16,
    immediate: i32,
}

const FRAME_POINTER: u8 = 10;

impl Instruction {
    fn read(bytes: &[u8]) -> Self {
        Self {
            opcode: bytes[0],
            target: bytes[1] & 0xf,
            source: bytes[1] >> 4,
            offset: i16::from_le_bytes([bytes[2], bytes[3]]),
            immediate: i32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        }
    }

    /// Bytes below the frame pointer that it reaches, by itself or as the second of two that
    /// make an address of the stack.
    fn reaches(&self, before: &Self) -> u64 {
        const LOAD: u8 = 0x01;
        const STORES: [u8; 2] = [0x02, 0x03];
        const MOVE: u8 = 0xbf;
        const ADD_IMMEDIATE: u8 = 0x07;
        let class = self.opcode & 0x07;
        let is_access = class == LOAD && self.source == FRAME_POINTER
            || STORES.contains(&class) && self.target == FRAME_POINTER;
        let makes_address = self.opcode == ADD_IMMEDIATE
            && before.opcode == MOVE
            && before.source == FRAME_POINTER
            && before.target == self.target;
        let distance = if is_access {
            i64::from(self.offset)
        } else if makes_address {
            i64::from(self.immediate)
        } else {
            0
        };
        distance.min(0).unsigned_abs()
    }

    fn is_call_of_function(&self) -> bool {
        const CALL: u8 = 0x85;
        const PSEUDO_CALL: u8 = 1;
        self.opcode == CALL && self.source == PSEUDO_CALL
    }
}

fn functions(file: &object::File<'_>) -> HashMap<Place, Function> {
    let mut found = HashMap::new();
    for symbol in file.symbols() {
        if symbol.kind() != SymbolKind::Text || symbol.size() == 0 {
            continue;
        }
        let section_index = symbol.section_index().expect("a function has a section");
        let section = file.section_by_index(section_index).expect("it is there");
        let begin = symbol.address();
        let range = begin..begin + symbol.size();
        let code = section.data_range(begin, symbol.size());
        let code = code.expect("it can be read").expect("it is in its section");
        let instructions: Vec<_> = code.chunks_exact(8).map(Instruction::read).collect();
        let pairs = instructions.iter().zip(instructions.iter().skip(1));
        let calls = section
            .relocations()
            .filter(|(at, _)| range.contains(at))
            .filter_map(|(at, relocation)| {
                let nth = usize::try_from((at - begin) / 8).expect("a function is short");
                let instruction = &instructions[nth];
                let RelocationTarget::Symbol(symbol) = relocation.target() else {
                    return None;
                };
                let callee = file.symbol_by_index(symbol).expect("it is there");
                // Of a section's symbol the immediate says how many instructions further on.
                let further = match callee.kind() {
                    SymbolKind::Section => (i64::from(instruction.immediate) + 1) * 8,
                    _ => 0,
                };
                let place = callee.address().checked_add_signed(further)?;
                instruction
                    .is_call_of_function()
                    .then(|| Some((callee.section_index()?, place)))?
            })
            .collect();
        let function = Function {
            name: symbol.name().expect("it is text").to_owned(),
            stack_bytes: pairs.map(|(a, b)| b.reaches(a)).max().unwrap_or(0),
            calls,
        };
        found.insert((section_index, begin), function);
    }
    found
}

/// The chain from a function on that takes most, as its bytes and its names.
fn deepest(functions: &HashMap<Place, Function>, from: Place) -> (u64, Vec<&str>) {
    let Some(function) = functions.get(&from) else {
        panic!("a call leads to no function: {from:?}");
    };
    let own = function.stack_bytes.max(1).next_multiple_of(STEP_BYTES);
    let below = function.calls.iter().map(|&call| deepest(functions, call));
    let (bytes, mut names) = below.max_by_key(|(bytes, _)| *bytes).unwrap_or_default();
    names.insert(0, &function.name);
    (own + bytes, names)
}

#[test]
fn functions_that_are_entered_at_a_time_fit_the_stack_of_old_kernels() {
    let file = object::File::parse(OBJECT).expect("it is an ELF file");
    let functions = functions(&file);
    let calls: usize = functions.values().map(|f| f.calls.len()).sum();
    assert!(calls > 10, "{calls} calls only: they were not understood");
    for &place in functions.keys() {
        let (bytes, names) = deepest(&functions, place);
        assert!(
            bytes <= MOST_BYTES,
            "{bytes} bytes of stack are too many: {}",
            names.join(" > ")
        );
    }
}
