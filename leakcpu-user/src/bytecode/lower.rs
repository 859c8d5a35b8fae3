//! Every version's instructions as the same few actions.

use super::{
    EffectKind, Instruction, Op, RunsCodeKind,
    action::{Action, Arithmetic, Keywords, Variable},
};

use Action as A;

/// Numbers of `BINARY_OP` (`Include/opcode.h`): subscripts, and where `+=` and the like
/// begin.
const NB_SUBSCR: u32 = 26;
const NB_INPLACE: u32 = 13;
const NB_ADD: [u32; 2] = [0, 13];
const NB_SUBTRACT: [u32; 2] = [10, 23];

fn pair(first: Action, second: Action) -> [Option<Action>; 2] {
    [Some(first), Some(second)]
}

/// The two local variables of a super-instruction of 3.13 and later.
fn two(arg: u32) -> [u32; 2] {
    [arg >> 4, arg & 15]
}

/// The actions of an instruction, one after the other.
pub(super) fn lower(minor: u8, instruction: &Instruction) -> [Option<Action>; 2] {
    let arg = instruction.arg;
    let [first, second] = two(arg);
    let flag = arg & 1 == 1;
    let one = match instruction.op {
        Op::LoadFastLoadFast | Op::LoadFastBorrowLoadFastBorrow => {
            return pair(
                A::Load(Variable::Local(first)),
                A::Load(Variable::Local(second)),
            );
        }
        Op::StoreFastLoadFast => {
            return pair(A::StoreLocal(first), A::Load(Variable::Local(second)));
        }
        Op::StoreFastStoreFast => return pair(A::StoreLocal(first), A::StoreLocal(second)),
        // Beside a global that is called stands NULL: below it, from 3.13 on above it.
        Op::LoadGlobal if minor >= 11 => {
            let load = A::Load(Variable::Name(arg >> 1));
            match (flag, minor >= 13) {
                (false, _) => load,
                (true, false) => return pair(A::Receiver, load),
                (true, true) => return pair(load, A::Receiver),
            }
        }
        op => return [Some(lower_one(minor, op, arg)), None],
    };
    [Some(one), None]
}

fn lower_one(minor: u8, op: Op, arg: u32) -> Action {
    let flag = arg & 1 == 1;
    match op {
        Op::LoadConst => A::Constant(arg),
        Op::LoadSmallInt => A::SmallInt(arg),
        Op::LoadCommonConstant => A::Common(arg),
        Op::LoadFast | Op::LoadFastCheck | Op::LoadFastBorrow => A::Load(Variable::Local(arg)),
        Op::LoadFastAndClear => A::LoadAndClear(arg),
        Op::LoadName | Op::LoadGlobal => A::Load(Variable::Name(arg)),
        Op::LoadDeref | Op::LoadClassderef => A::Load(Variable::Cell(arg)),
        Op::LoadClosure
        | Op::LoadLocals
        | Op::LoadAssertionError
        | Op::PushExcInfo
        | Op::ImportFrom
        | Op::WithExceptStart
        | Op::GetLen => A::Something,
        Op::PushNull => A::Receiver,
        Op::LoadMethod => A::Attribute {
            name: arg,
            takes: 1,
            is_method: true,
        },
        Op::LoadAttr if minor >= 12 => A::Attribute {
            name: arg >> 1,
            takes: 1,
            is_method: flag,
        },
        Op::LoadAttr => A::Attribute {
            name: arg,
            takes: 1,
            is_method: false,
        },
        Op::LoadSuperAttr => A::Attribute {
            name: arg >> 2,
            takes: 3,
            is_method: flag,
        },
        Op::LoadSpecial => A::Special,
        Op::StoreFast => A::StoreLocal(arg),
        Op::DeleteFast => A::DeleteLocal(arg),
        Op::StoreName | Op::StoreGlobal => store(EffectKind::Global, Some(arg), 1),
        Op::DeleteName | Op::DeleteGlobal => store(EffectKind::Global, Some(arg), 0),
        Op::StoreAttr => store(EffectKind::Attribute, Some(arg), 2),
        Op::DeleteAttr => store(EffectKind::Attribute, Some(arg), 1),
        Op::StoreSubscr => store(EffectKind::Subscript, None, 3),
        Op::DeleteSubscr => store(EffectKind::Subscript, None, 2),
        Op::StoreSlice => store(EffectKind::Subscript, None, 4),
        Op::StoreDeref => store(EffectKind::Cell, None, 1),
        Op::DeleteDeref => store(EffectKind::Cell, None, 0),
        Op::PrintExpr => store(EffectKind::Call, None, 1),
        Op::PopTop => A::Pop(1),
        Op::PopIter => A::Pop(if minor >= 15 { 2 } else { 1 }),
        Op::EndFor => A::Pop(if minor == 12 { 2 } else { 1 }),
        Op::PopExcept => A::Pop(if minor >= 11 { 1 } else { 3 }),
        Op::Copy => A::Copy(arg),
        Op::DupTop => A::Copy(1),
        Op::DupTopTwo => A::CopyTwo,
        Op::Swap => A::Swap(arg),
        Op::RotTwo => A::Rotate(2),
        Op::RotThree => A::Rotate(3),
        Op::RotFour => A::Rotate(4),
        Op::RotN => A::Rotate(arg),
        Op::UnaryNegative | Op::UnaryInvert | Op::UnaryPositive => A::Unary,
        Op::UnaryNot => A::Not,
        Op::ToBool => A::Truth,
        Op::CompareOp => compare(minor, arg),
        Op::ContainsOp => A::Compare(RunsCodeKind::Contains),
        Op::IsOp => A::Match { takes: 2, gives: 1 },
        Op::CheckExcMatch => A::Match { takes: 1, gives: 1 },
        Op::JumpIfNotExcMatch => A::Shuffle { takes: 2, gives: 0 },
        Op::BinarySubscr => A::Subscript { takes: 2 },
        Op::BinarySlice => A::Subscript { takes: 3 },
        Op::BinaryOp if arg == NB_SUBSCR => A::Subscript { takes: 2 },
        Op::BinaryOp => A::Arithmetic {
            of: if NB_ADD.contains(&arg) || NB_SUBTRACT.contains(&arg) {
                Arithmetic::Sum
            } else {
                Arithmetic::Other
            },
            is_in_place: arg >= NB_INPLACE,
        },
        Op::BinaryAdd | Op::BinarySubtract => arithmetic(Arithmetic::Sum, false),
        Op::InplaceAdd | Op::InplaceSubtract => arithmetic(Arithmetic::Sum, true),
        Op::BinaryMultiply
        | Op::BinaryPower
        | Op::BinaryMatrixMultiply
        | Op::BinaryModulo
        | Op::BinaryFloorDivide
        | Op::BinaryTrueDivide
        | Op::BinaryLshift
        | Op::BinaryRshift
        | Op::BinaryAnd
        | Op::BinaryXor
        | Op::BinaryOr => arithmetic(Arithmetic::Other, false),
        Op::InplaceMultiply
        | Op::InplacePower
        | Op::InplaceMatrixMultiply
        | Op::InplaceModulo
        | Op::InplaceFloorDivide
        | Op::InplaceTrueDivide
        | Op::InplaceLshift
        | Op::InplaceRshift
        | Op::InplaceAnd
        | Op::InplaceXor
        | Op::InplaceOr => arithmetic(Arithmetic::Other, true),
        Op::BuildTuple | Op::BuildList | Op::BuildSet | Op::BuildString => A::Build(arg),
        Op::BuildMap => A::Build(arg.saturating_mul(2)),
        Op::BuildConstKeyMap => A::Build(arg.saturating_add(1)),
        Op::BuildSlice => A::Build(if arg == 3 { 3 } else { 2 }),
        Op::ListToTuple | Op::SetFunctionAttribute => {
            A::Build(if op == Op::ListToTuple { 1 } else { 2 })
        }
        Op::MakeFunction => A::Build(match minor {
            ..=10 => 2 + (arg & 15).count_ones(),
            11 | 12 => 1 + (arg & 15).count_ones(),
            _ => 1,
        }),
        Op::ListExtend | Op::SetUpdate | Op::DictUpdate | Op::DictMerge => A::Extend(arg),
        Op::ListAppend | Op::SetAdd => store(EffectKind::Container, None, 1),
        Op::MapAdd => store(EffectKind::Container, None, 2),
        Op::FormatValue => runs(RunsCodeKind::Format, if arg & 4 == 4 { 2 } else { 1 }, 1),
        Op::FormatSimple | Op::ConvertValue => runs(RunsCodeKind::Format, 1, 1),
        Op::FormatWithSpec => runs(RunsCodeKind::Format, 2, 1),
        Op::UnpackSequence => runs(RunsCodeKind::Iterate, 1, arg),
        Op::UnpackEx => runs(
            RunsCodeKind::Iterate,
            1,
            (arg & 0xff).saturating_add(arg >> 8).saturating_add(1),
        ),
        Op::GetIter => A::Iterate {
            gives: if minor >= 15 { 2 } else { 1 },
        },
        Op::ForIter => A::Advance {
            gives: 1,
            gives_if_taken: if minor >= 12 { 1 } else { -1 },
        },
        _ => lower_rare(minor, op, arg),
    }
}

/// Calls, jumps, `with` and `await`.
fn lower_rare(minor: u8, op: Op, arg: u32) -> Action {
    let flag = arg & 1 == 1;
    match op {
        Op::Call => call(arg, Keywords::Noted, true),
        Op::CallKw => call(arg, Keywords::OnStack, true),
        Op::CallFunction => call(arg, Keywords::None, false),
        Op::CallFunctionKw => call(arg, Keywords::OnStack, false),
        Op::CallMethod => call(arg, Keywords::None, true),
        Op::CallFunctionEx => A::CallSpread(match minor {
            ..=10 => 2 + u32::from(flag),
            11..=13 => 3 + u32::from(flag),
            _ => 4,
        }),
        Op::KwNames => A::NoteKeywords(arg),
        Op::SetupWith | Op::BeforeWith | Op::BeforeAsyncWith => A::Enter { gives: 2 },
        Op::GetAwaitable => A::Await,
        Op::YieldFrom => A::Delegate {
            receiver: 1,
            takes: 2,
            gives: 1,
            gives_if_taken: -1,
        },
        Op::Send => A::Delegate {
            receiver: if minor >= 15 { 2 } else { 1 },
            takes: 1,
            gives: 1,
            gives_if_taken: if minor == 11 { -1 } else { 0 },
        },
        Op::EndSend => A::Shuffle {
            takes: if minor >= 15 { 3 } else { 2 },
            gives: 1,
        },
        Op::CleanupThrow => A::Shuffle { takes: 3, gives: 2 },
        Op::YieldValue => A::Yield,
        Op::PopJumpIfFalse
        | Op::PopJumpIfTrue
        | Op::PopJumpForwardIfFalse
        | Op::PopJumpForwardIfTrue
        | Op::PopJumpBackwardIfFalse
        | Op::PopJumpBackwardIfTrue => A::Test { leaves: false },
        Op::JumpIfFalseOrPop | Op::JumpIfTrueOrPop => A::Test { leaves: true },
        Op::PopJumpIfNone
        | Op::PopJumpIfNotNone
        | Op::PopJumpForwardIfNone
        | Op::PopJumpForwardIfNotNone
        | Op::PopJumpBackwardIfNone
        | Op::PopJumpBackwardIfNotNone
        | Op::InterpreterExit
        | Op::ExitInitCheck
        | Op::GenStart => A::Pop(1),
        Op::RaiseVarargs => A::Pop(arg),
        // The way out of a `with` of 3.8 is judged where it is entered.
        Op::ReturnValue
        | Op::Reraise
        | Op::EndFinally
        | Op::BeginFinally
        | Op::CallFinally
        | Op::PopFinally
        | Op::WithCleanupStart
        | Op::WithCleanupFinish => A::Lose,
        Op::Nop
        | Op::Resume
        | Op::Precall
        | Op::NotTaken
        | Op::PopBlock
        | Op::SetupFinally
        | Op::JumpForward
        | Op::JumpAbsolute
        | Op::JumpBackward
        | Op::JumpBackwardNoInterrupt
        | Op::MakeCell
        | Op::CopyFreeVars
        | Op::ReturnConst => A::Shuffle { takes: 0, gives: 0 },
        _ => A::Opaque,
    }
}

fn store(kind: EffectKind, name: Option<u32>, takes: u32) -> Action {
    A::Store { kind, name, takes }
}

fn arithmetic(of: Arithmetic, is_in_place: bool) -> Action {
    A::Arithmetic { of, is_in_place }
}

fn runs(kind: RunsCodeKind, takes: u32, gives: u32) -> Action {
    A::Runs { kind, takes, gives }
}

fn call(args: u32, keywords: Keywords, has_receiver: bool) -> Action {
    A::Call {
        args,
        keywords,
        has_receiver,
    }
}

/// `COMPARE_OP`, which before 3.9 is `in`, `is` and the match of exceptions too.
fn compare(minor: u8, arg: u32) -> Action {
    match arg {
        6 | 7 if minor < 9 => A::Compare(RunsCodeKind::Contains),
        8..=10 if minor < 9 => A::Match { takes: 2, gives: 1 },
        _ => A::Compare(RunsCodeKind::Compare),
    }
}

/// How many values an instruction adds to the stack, where its jump is taken or not, as
/// `dis.stack_effect` says it; `None` for what the judgement does not follow.
pub fn stack_effect(minor: u8, instruction: &Instruction, is_taken: bool) -> Option<i64> {
    lower(minor, instruction)
        .into_iter()
        .flatten()
        .map(|action| action.stack_effect(is_taken))
        .sum()
}
