//! What a loop of Python bytecode does: bytes in, judgement out, no I/O.
//!
//! The static half of the proof that a loop without system calls only waits
//! (docs/spins.md). [`Analysis::of`] decodes a code object ([`decode`]), finds its control
//! flow ([`flow`]) and its loops ([`loops`]); [`Analysis::judge`] says of a loop whether an
//! iteration does anything that outlives it ([`judge`]), and [`Analysis::judge_function`] the
//! same of a call of the whole function ([`function`]). [`waiting_loop`] looks where a thread was
//! sampled, and whether all that ran there only waits ([`sampled`]); [`leave_results`] whether what
//! is not proved to wait shows that it does more. What instructions are for ([`operation`]), what a
//! loop fills ([`appends`]) and looks up again ([`lookups`]), and which call a result that is dropped
//! was of ([`dropped`]), is evidence for rules.
//!
//! Bytecode is foreign: it may be made by hand, or be no bytecode at all. Every step is
//! bounded, and what is not understood is [`Judgement::Unknown`].
//!
//! Sources: `Python/ceval.c` and `Python/bytecodes.c` for what an instruction does, the
//! documentation and the module `dis` for how it is written, `Objects/exception_handling_notes.txt`
//! and `Objects/frame_layout.md`.

mod action;
mod analysis;
mod appends;
mod called;
mod calls;
mod carried;
mod code;
mod dataflow;
mod decode;
mod depth;
mod dropped;
mod flow;
mod function;
mod handlers;
mod judge;
mod judgement;
mod lookups;
mod loops;
mod lower;
mod opcodes;
mod operation;
mod path;
mod purity;
mod results;
mod sampled;
mod seen;
mod step;
mod value;

pub use analysis::Analysis;
pub use appends::Append;
pub use calls::CallKind;
pub use code::{Code, Constant};
pub use decode::{DecodeError, Instruction, MAX_CODE_BYTES, decode};
pub use judgement::{
    Does, Effect, EffectKind, FunctionJudgement, Judgement, LoopJudgement, Missing, MissingKind,
    NamedCall, RunsCode, RunsCodeKind,
};
pub use lookups::Lookup;
pub use loops::Loop;
pub use lower::stack_effect;
pub use opcodes::{Op, known_minors};
pub use operation::{ItemLoop, Operands, Operation};
pub use results::leave_results;
pub use sampled::{Place, Sample, SampledCode, Waiting, waiting_loop};
pub use seen::SeenCallees;
