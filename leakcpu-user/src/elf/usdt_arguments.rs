//! Where a probe's arguments are, as its note writes it.
//!
//! `8@%r13 -4@-292(%rbp)`: arguments are separated by blanks. Each is its size in bytes, negative
//! if it has a sign, then `@` and an operand as the assembler of the machine writes it. On
//! x86-64 that is `$5`, `%eax`, `-8(%rbp)` or `8(%rax,%rbx,4)`; on aarch64 `5`, `x0`, `[sp, 8]` or
//! `[x0, x1]`. What is written otherwise is not guessed.

use leakcpu_common::usdt::{NO_REGISTER, UsdtArgument, arm64, source, x86_64};
use object::elf::{EM_AARCH64, EM_X86_64};

/// Arguments of one probe; `sys/sdt.h` has macros for twelve.
const MAX_ARGUMENTS: usize = 12;

/// Bytes of all arguments' text.
const MAX_TEXT_BYTES: usize = 512;

/// Reads the arguments of a file for this `e_machine`; `None` for each that is not understood.
pub fn usdt_arguments(machine: u16, text: &str) -> Vec<Option<UsdtArgument>> {
    if text.len() > MAX_TEXT_BYTES {
        return Vec::new();
    }
    let texts = split(text);
    let read = |text: &&str| argument(machine, text);
    texts.iter().take(MAX_ARGUMENTS).map(read).collect()
}

/// Splits at blanks, but for those in brackets: `8@[sp, 8]`.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let parts = text.split(|c: char| {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            _ => {}
        }
        depth <= 0 && c == ' '
    });
    parts.filter(|part| !part.is_empty()).collect()
}

fn argument(machine: u16, text: &str) -> Option<UsdtArgument> {
    let (size, operand) = text.split_once('@')?;
    // An `f` says that it is a floating-point number, which no probe of CPython has.
    let (is_signed, digits) = match size.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, size),
    };
    let bytes = match digits {
        "1" => 1,
        "2" => 2,
        "4" => 4,
        "8" => 8,
        _ => return None,
    };
    let mut argument = match machine {
        machine if machine == EM_X86_64.0 => on_x86_64(operand)?,
        machine if machine == EM_AARCH64.0 => on_aarch64(operand)?,
        _ => return None,
    };
    argument.bytes = bytes;
    argument.is_signed = u8::from(is_signed);
    Some(argument)
}

fn constant(value: i64) -> UsdtArgument {
    UsdtArgument {
        source: source::CONSTANT,
        number: value,
        ..UsdtArgument::NONE
    }
}

fn in_register(register: u8) -> UsdtArgument {
    UsdtArgument {
        source: source::REGISTER,
        register,
        ..UsdtArgument::NONE
    }
}

fn in_memory(register: u8, number: i64) -> UsdtArgument {
    UsdtArgument {
        source: source::MEMORY,
        register,
        number,
        ..UsdtArgument::NONE
    }
}

fn on_x86_64(operand: &str) -> Option<UsdtArgument> {
    if let Some(number) = operand.strip_prefix('$') {
        return number_of(number).map(constant);
    }
    if let Some(name) = operand.strip_prefix('%') {
        return x86_64::register(name).map(in_register);
    }
    let (displacement, rest) = operand.strip_suffix(')')?.split_once('(')?;
    let displacement = match displacement {
        "" => 0,
        text => number_of(text)?,
    };
    let mut parts = rest.split(',').map(str::trim);
    let mut register = || {
        let name = parts.next()?.strip_prefix('%')?;
        x86_64::whole_register(name)
    };
    let mut argument = in_memory(register()?, displacement);
    if rest.contains(',') {
        argument.index = register()?;
        argument.scale_shift = match parts.next() {
            None | Some("1") => 0,
            Some("2") => 1,
            Some("4") => 2,
            Some("8") => 3,
            Some(_) => return None,
        };
    }
    parts.next().is_none().then_some(argument)
}

fn on_aarch64(operand: &str) -> Option<UsdtArgument> {
    let Some(inside) = operand.strip_prefix('[') else {
        return arm64::register(operand)
            .map(in_register)
            .or_else(|| number_of(operand).map(constant));
    };
    let mut parts = inside.strip_suffix(']')?.split(',').map(str::trim);
    let mut argument = in_memory(arm64::whole_register(parts.next()?)?, 0);
    if let Some(second) = parts.next() {
        match arm64::whole_register(second) {
            Some(index) => argument.index = index,
            None => argument.number = number_of(second)?,
        }
    }
    if let Some(shift) = parts.next() {
        let by = shift.strip_prefix("lsl ")?.trim();
        let by = number_of(by).filter(|by| (0..=3).contains(by))?;
        argument.scale_shift = u8::try_from(by).ok()?;
        if argument.index == NO_REGISTER {
            return None;
        }
    }
    parts.next().is_none().then_some(argument)
}

/// A number as assemblers write them: decimal, or with `0x`, and `#` before it on aarch64.
fn number_of(text: &str) -> Option<i64> {
    let text = text.strip_prefix('#').unwrap_or(text);
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok()?.cast_signed(),
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse().ok()?,
        None => return None,
    };
    Some(if is_negative {
        value.wrapping_neg()
    } else {
        value
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(machine: u16, text: &str) -> Option<UsdtArgument> {
        let all = usdt_arguments(machine, text);
        assert_eq!(all.len(), 1, "{text}");
        all[0]
    }

    #[test]
    fn operands_of_x86_64() {
        let x86 = |text: &str| one(EM_X86_64.0, text);
        let r13 = UsdtArgument {
            bytes: 8,
            ..in_register(2)
        };
        assert_eq!(x86("8@%r13"), Some(r13));
        let eax = UsdtArgument {
            bytes: 4,
            is_signed: 1,
            ..in_register(10)
        };
        assert_eq!(x86("-4@%eax"), Some(eax));
        let on_stack = UsdtArgument {
            bytes: 4,
            is_signed: 1,
            ..in_memory(4, -292)
        };
        assert_eq!(x86("-4@-292(%rbp)"), Some(on_stack));
        let indexed = UsdtArgument {
            bytes: 8,
            index: 5,
            scale_shift: 2,
            ..in_memory(10, 8)
        };
        assert_eq!(x86("8@8(%rax,%rbx,4)"), Some(indexed));
        let number = UsdtArgument {
            bytes: 4,
            is_signed: 1,
            ..constant(-5)
        };
        assert_eq!(x86("-4@$-5"), Some(number));
        for not_known in [
            "8@%xmm0",
            "8f@%xmm0",
            "8@%ah",
            "8@name(%rip)",
            "8@%fs:40",
            "3@%rax",
            "8@8(%eax)",
            "8@8(%rax,%rbx,3)",
            "8@8(%rax,%rbx,4,5)",
            "8@",
            "@",
            "8",
        ] {
            assert_eq!(x86(not_known), None, "{not_known}");
        }
    }

    #[test]
    fn operands_of_aarch64() {
        let arm = |text: &str| one(EM_AARCH64.0, text);
        let x0 = UsdtArgument {
            bytes: 8,
            ..in_register(0)
        };
        assert_eq!(arm("8@x0"), Some(x0));
        let w21 = UsdtArgument {
            bytes: 4,
            is_signed: 1,
            ..in_register(21)
        };
        assert_eq!(arm("-4@w21"), Some(w21));
        let on_stack = UsdtArgument {
            bytes: 4,
            is_signed: 1,
            ..in_memory(31, 92)
        };
        assert_eq!(arm("-4@[sp, 92]"), Some(on_stack));
        let indexed = UsdtArgument {
            bytes: 8,
            index: 3,
            scale_shift: 3,
            ..in_memory(2, 0)
        };
        assert_eq!(arm("8@[x2, x3, lsl 3]"), Some(indexed));
        let number = UsdtArgument {
            bytes: 4,
            ..constant(7)
        };
        assert_eq!(arm("4@7"), Some(number));
        for not_known in ["8@v0", "8@[w0]", "8@x31", "8@[x0, 8, lsl 2]", "8@[x0"] {
            assert_eq!(arm(not_known), None, "{not_known}");
        }
    }

    #[test]
    fn values_have_their_size_and_sign() {
        const HELD: u64 = 0x1234_5678_9abc_def0;
        let value = |text: &str| {
            let argument = one(EM_X86_64.0, text).expect("it is understood");
            argument.value(|_| Some(HELD), |_| None)
        };
        assert_eq!(value("8@%rax"), Some(HELD));
        assert_eq!(value("4@%eax"), Some(0x9abc_def0));
        assert_eq!(value("-4@%eax"), Some(0xffff_ffff_9abc_def0));
        assert_eq!(value("2@%ax"), Some(0xdef0));
        assert_eq!(value("-1@%al"), Some(0xffff_ffff_ffff_fff0));
        assert_eq!(value("-4@$-1"), Some(u64::MAX));
        assert_eq!(value("8@(%rax)"), None, "memory that cannot be read");
        let argument = one(EM_X86_64.0, "-4@-292(%rbp,%rbx,8)").expect("it is understood");
        let register = |word| match word {
            4 => Some(0x7000_0000),
            5 => Some(2),
            _ => None,
        };
        let read = |address| (address == 0x7000_0000 - 292 + 16).then_some(0xffff_fffe);
        assert_eq!(argument.value(register, read), Some(u64::MAX - 1));
    }

    #[test]
    fn several_are_told_apart_by_blanks_outside_of_brackets() {
        let all = usdt_arguments(EM_AARCH64.0, "8@x19 8@[sp, 8]  -4@w0 ");
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(Option::is_some));
        assert!(usdt_arguments(EM_X86_64.0, "").is_empty());
        assert!(usdt_arguments(EM_X86_64.0, &"8@%rax ".repeat(100)).is_empty());
        assert_eq!(usdt_arguments(3, "4@%eax"), [None]);
    }
}
