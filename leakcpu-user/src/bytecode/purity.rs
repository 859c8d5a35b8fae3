//! Whether a call of a function does nothing but compute its result from its arguments.
//!
//! What it can call is what it can get hold of: the globals it reads are itself, functions of
//! the language that have no effect, and the module `math`; its arguments are no functions as
//! long as they are numbers, texts and tuples, which whoever looks at a live call checks. So what
//! is called where need not be followed. No object that can be changed is made: a result that is
//! kept is given to many, of whom one might change it.
//!
//! A name proves nothing: a module may have a function `min` of its own. If that is written in
//! Python, samples show it below the function.
//!
//! Sources: <https://docs.python.org/3/library/functions.html>,
//! <https://docs.python.org/3/library/math.html>, `Include/internal/pycore_intrinsics.h`.

use super::{
    Analysis, Instruction, Op,
    action::{Action, Variable},
    lower::lower,
};

/// Functions and classes of the language that only look at numbers, texts and tuples, and give
/// something that nobody can change.
const BUILTINS: &[&str] = &[
    "abs",
    "all",
    "any",
    "ascii",
    "bin",
    "bool",
    "bytes",
    "chr",
    "complex",
    "divmod",
    "float",
    "format",
    "frozenset",
    "hash",
    "hex",
    "int",
    "isinstance",
    "len",
    "max",
    "min",
    "oct",
    "ord",
    "pow",
    "range",
    "repr",
    "round",
    "str",
    "sum",
    "tuple",
];

/// Those that give an iterator, which is used up: only where a loop takes it at once.
const ITERATORS: &[&str] = &["enumerate", "reversed", "zip"];

/// Functions of `math` by names that are no everyday words, as `from math import hypot` has them.
const OF_MATH: &[&str] = &[
    "acos",
    "asin",
    "atan",
    "atan2",
    "ceil",
    "comb",
    "cos",
    "degrees",
    "factorial",
    "fsum",
    "gcd",
    "hypot",
    "isqrt",
    "log10",
    "log2",
    "radians",
    "sin",
    "sqrt",
    "tan",
];

/// Exceptions that a function raises, or handles, for what it is given.
const EXCEPTIONS: &[&str] = &[
    "ArithmeticError",
    "AssertionError",
    "IndexError",
    "KeyError",
    "LookupError",
    "NotImplementedError",
    "OverflowError",
    "TypeError",
    "ValueError",
    "ZeroDivisionError",
];

/// The module whose attributes are all numbers, and functions of numbers.
const MATH: &str = "math";

/// `INTRINSIC_UNARY_POSITIVE` of `CALL_INTRINSIC_1`.
const UNARY_POSITIVE: u32 = 5;
/// `list` and `set` among the constants of `LOAD_COMMON_CONSTANT` (3.15).
const COMMON_CONTAINERS: [u32; 2] = [5, 6];

impl Analysis<'_> {
    /// The names of the first so many local variables, the arguments of the function with this
    /// name, if a call does nothing but compute its result from them, and they keep in it the
    /// values that they were given.
    pub fn pure_arguments(&self, own_name: &str, arguments: u32) -> Option<Vec<String>> {
        let pure = Pure {
            of: self,
            own_name,
            arguments,
        };
        let is_pure = (0..self.instructions().len()).all(|index| pure.allows(index));
        let code = self.code();
        is_pure
            .then(|| (0..arguments).map(|index| code.local(index).map(str::to_owned)))?
            .collect()
    }
}

struct Pure<'a> {
    of: &'a Analysis<'a>,
    own_name: &'a str,
    arguments: u32,
}

impl Pure<'_> {
    fn allows(&self, index: usize) -> bool {
        let instruction = &self.of.instructions()[index];
        is_known(instruction)
            && lower(self.of.minor(), instruction)
                .into_iter()
                .flatten()
                .all(|action| match action {
                    Action::StoreLocal(local) | Action::DeleteLocal(local) => {
                        local >= self.arguments
                    }
                    Action::Load(Variable::Name(_)) => self.reads(index),
                    Action::Load(Variable::Cell(_)) => false,
                    Action::Attribute { .. } => self.is_math_before(index),
                    _ => true,
                })
    }

    /// Whether the global that an instruction reads is one of those that are known.
    fn reads(&self, index: usize) -> bool {
        let Some(name) = self.global(index) else {
            return false;
        };
        match name {
            MATH => self
                .of
                .instructions()
                .get(index + 1)
                .is_some_and(|next| matches!(next.op, Op::LoadAttr | Op::LoadMethod)),
            _ if ITERATORS.contains(&name) => self.is_gone_through(index),
            _ => {
                name == self.own_name
                    || [BUILTINS, OF_MATH, EXCEPTIONS]
                        .iter()
                        .any(|names| names.contains(&name))
            }
        }
    }

    fn global(&self, index: usize) -> Option<&str> {
        let instruction = &self.of.instructions()[index];
        if instruction.op != Op::LoadGlobal {
            return None;
        }
        let mut actions = lower(self.of.minor(), instruction).into_iter().flatten();
        let name = actions.find_map(|action| match action {
            Action::Load(Variable::Name(name)) => Some(name),
            _ => None,
        })?;
        self.of.code().name(name)
    }

    fn is_math_before(&self, index: usize) -> bool {
        let before = index.checked_sub(1);
        !self.of.begins_block(index) && before.and_then(|index| self.global(index)) == Some(MATH)
    }

    /// Whether a loop begins to go through what is made from here on, before anything else can
    /// happen to it.
    fn is_gone_through(&self, index: usize) -> bool {
        let next = self.of.instructions()[index..]
            .iter()
            .find(|one| ends_expression(one.op));
        next.is_some_and(|one| one.op == Op::GetIter)
    }
}

const fn ends_expression(op: Op) -> bool {
    matches!(
        op,
        Op::GetIter
            | Op::ForIter
            | Op::ReturnValue
            | Op::StoreFast
            | Op::StoreFastLoadFast
            | Op::StoreFastStoreFast
            | Op::PopTop
            | Op::BuildTuple
    )
}

/// Whether an instruction does nothing but compute, as far as it does not matter with what.
fn is_known(instruction: &Instruction) -> bool {
    match instruction.op {
        Op::CallIntrinsic1 => instruction.arg == UNARY_POSITIVE,
        Op::LoadCommonConstant => !COMMON_CONTAINERS.contains(&instruction.arg),
        op => is_flow(op) || is_value(op) || is_arithmetic(op),
    }
}

/// What leads from one instruction to another, exceptions included.
const fn is_flow(op: Op) -> bool {
    matches!(
        op,
        Op::Nop
            | Op::Cache
            | Op::Resume
            | Op::NotTaken
            | Op::JumpForward
            | Op::JumpBackward
            | Op::JumpBackwardNoInterrupt
            | Op::JumpAbsolute
            | Op::PopJumpIfFalse
            | Op::PopJumpIfTrue
            | Op::PopJumpIfNone
            | Op::PopJumpIfNotNone
            | Op::PopJumpForwardIfFalse
            | Op::PopJumpForwardIfTrue
            | Op::PopJumpForwardIfNone
            | Op::PopJumpForwardIfNotNone
            | Op::PopJumpBackwardIfFalse
            | Op::PopJumpBackwardIfTrue
            | Op::PopJumpBackwardIfNone
            | Op::PopJumpBackwardIfNotNone
            | Op::JumpIfFalseOrPop
            | Op::JumpIfTrueOrPop
            | Op::JumpIfNotExcMatch
            | Op::GetIter
            | Op::ForIter
            | Op::EndFor
            | Op::PopIter
            | Op::ReturnValue
            | Op::ReturnConst
            | Op::RaiseVarargs
            | Op::Reraise
            | Op::SetupFinally
            | Op::PopBlock
            | Op::PushExcInfo
            | Op::PopExcept
            | Op::CheckExcMatch
            | Op::BeginFinally
            | Op::EndFinally
            | Op::LoadAssertionError
    )
}

/// What moves values, and makes new ones that nobody can change.
const fn is_value(op: Op) -> bool {
    matches!(
        op,
        Op::LoadConst
            | Op::LoadSmallInt
            | Op::LoadFast
            | Op::LoadFastCheck
            | Op::LoadFastBorrow
            | Op::LoadFastLoadFast
            | Op::LoadFastBorrowLoadFastBorrow
            | Op::StoreFast
            | Op::StoreFastLoadFast
            | Op::StoreFastStoreFast
            | Op::DeleteFast
            | Op::LoadGlobal
            | Op::LoadAttr
            | Op::LoadMethod
            | Op::PushNull
            | Op::PopTop
            | Op::Copy
            | Op::Swap
            | Op::DupTop
            | Op::DupTopTwo
            | Op::RotTwo
            | Op::RotThree
            | Op::RotFour
            | Op::Call
            | Op::CallKw
            | Op::CallFunction
            | Op::CallFunctionKw
            | Op::CallMethod
            | Op::KwNames
            | Op::Precall
            | Op::BuildTuple
            | Op::BuildString
            | Op::BuildSlice
            | Op::FormatValue
            | Op::FormatSimple
            | Op::FormatWithSpec
            | Op::ConvertValue
            | Op::UnpackSequence
    )
}

const fn is_arithmetic(op: Op) -> bool {
    matches!(
        op,
        Op::UnaryNegative
            | Op::UnaryPositive
            | Op::UnaryInvert
            | Op::UnaryNot
            | Op::ToBool
            | Op::CompareOp
            | Op::ContainsOp
            | Op::IsOp
            | Op::BinarySubscr
            | Op::BinarySlice
            | Op::BinaryOp
            | Op::BinaryAdd
            | Op::BinarySubtract
            | Op::BinaryMultiply
            | Op::BinaryPower
            | Op::BinaryModulo
            | Op::BinaryFloorDivide
            | Op::BinaryTrueDivide
            | Op::BinaryLshift
            | Op::BinaryRshift
            | Op::BinaryAnd
            | Op::BinaryXor
            | Op::BinaryOr
            | Op::InplaceAdd
            | Op::InplaceSubtract
            | Op::InplaceMultiply
            | Op::InplacePower
            | Op::InplaceModulo
            | Op::InplaceFloorDivide
            | Op::InplaceTrueDivide
            | Op::InplaceLshift
            | Op::InplaceRshift
            | Op::InplaceAnd
            | Op::InplaceXor
            | Op::InplaceOr
    )
}
