//! Instructions, arguments, jump targets and stack effects are those of the
//! interpreter's own `dis`, of code as it was compiled and as it is run.

use std::collections::HashMap;

use pyobserve::bytecode::{Code, DecodeError, Instruction, Op, decode, stack_effect};
use serde::Deserialize;

use crate::{
    codes, on_each,
    record::{self, Record},
};

/// Instructions that are compared of an interpreter's standard library, and as many of
/// functions that have run.
const INSTRUCTIONS: &str = "30000";

/// Fewer than this were no test.
const LEAST: usize = 25_000;

/// What `dis` says of a code object, besides.
#[derive(Deserialize)]
struct Said {
    dis: Vec<(u32, String, Option<u32>, Option<u32>)>,
    adaptive: Option<String>,
    /// Its lines are monitored, which hides instructions.
    #[serde(default)]
    hidden: bool,
    /// Other events of it are.
    #[serde(default)]
    monitored: bool,
}

/// What `dis.stack_effect` says, its jump not taken and taken.
#[derive(Deserialize)]
struct Effects {
    minor: u8,
    effects: Vec<(u8, String, u32, i64, i64)>,
}

/// What was compared on an interpreter.
#[derive(Default)]
struct Compared {
    instructions: usize,
    run: usize,
    monitored: usize,
    effects: usize,
    /// Operations and their opcodes, as far as they were met.
    operations: HashMap<String, Op>,
    wrong: Vec<String>,
}

#[test]
fn instructions_are_those_of_dis() {
    on_each(|python| {
        let mut compared = Compared::default();
        codes(python, &["dis", INSTRUCTIONS], |line| {
            if let Ok(effects) = serde_json::from_str::<Effects>(line) {
                compared.stack_effects(&effects);
                return;
            }
            let record: Record = serde_json::from_str(line).expect("a line is a record");
            let said: Said = serde_json::from_str(line).expect("dis was asked");
            compared.code_object(&record, &said);
        });
        eprintln!(
            "{python}: {} instructions, {} of code that ran, {} of code that was monitored, \
             {} stack effects",
            compared.instructions, compared.run, compared.monitored, compared.effects
        );
        let mut wrong = compared.wrong;
        wrong.truncate(20);
        let is_enough = compared.instructions >= LEAST
            && compared.effects > 100
            && (python.minor < 11 || compared.run > 2_000)
            && (python.minor < 12 || compared.monitored > 50);
        if !is_enough {
            wrong.push("too little was compared".to_owned());
        }
        wrong
    });
}

impl Compared {
    fn code_object(&mut self, record: &Record, said: &Said) {
        match decode(&record.code()) {
            Ok(found) => {
                self.instructions += found.len();
                self.same(record, said, &found);
            }
            Err(why) => self.differs(record, &why.to_string()),
        }
        let Some(adaptive) = &said.adaptive else {
            return;
        };
        let bytes = record::bytes(adaptive).expect("bytes are hexadecimal");
        let code = Code {
            bytes: &bytes,
            ..record.code()
        };
        match decode(&code) {
            Ok(found) => {
                self.run += found.len();
                self.monitored += if said.monitored { found.len() } else { 0 };
                // What is run is told in the same offsets, but for what is monitored.
                self.same(record, said, &found);
            }
            Err(DecodeError::Hidden { .. }) if said.hidden => {}
            Err(why) => self.differs(record, &format!("as it is run: {why}")),
        }
    }

    fn same(&mut self, record: &Record, said: &Said, found: &[Instruction]) {
        if found.len() != said.dis.len() {
            let counts = format!("{} instructions, not {}", found.len(), said.dis.len());
            self.differs(record, &counts);
        }
        for (one, (offset, name, arg, target)) in found.iter().zip(&said.dis) {
            let ours = (
                one.offset,
                one.op.name(),
                one.has_arg.then_some(one.arg),
                one.target,
            );
            if ours != (*offset, name.as_str(), *arg, *target) {
                let theirs = (offset, name, arg, target);
                self.differs(record, &format!("{ours:?} instead of {theirs:?}"));
                return;
            }
            self.operations.insert(name.clone(), one.op);
        }
    }

    fn differs(&mut self, record: &Record, what: &str) {
        let (name, file, line) = (&record.name, &record.file, record.line);
        self.wrong.push(format!("{name} ({file}:{line}): {what}"));
    }

    fn stack_effects(&mut self, said: &Effects) {
        let minor = said.minor;
        for (_, name, arg, next, jump) in &said.effects {
            let Some(&op) = self.operations.get(name) else {
                continue;
            };
            // 3.11 counts the arguments of a call at the instruction before it.
            let arguments = match (minor, op) {
                (11, Op::Precall) => continue,
                (11, Op::Call) => i64::from(*arg),
                _ => 0,
            };
            let instruction = Instruction {
                offset: 0,
                op,
                arg: *arg,
                has_arg: true,
                target: None,
                bytes: 0..2,
            };
            for (is_taken, theirs) in [(false, next), (true, jump)] {
                // What `dis` calls the jump of these is how their handler is entered.
                let is_setup = matches!(op, Op::SetupFinally | Op::SetupWith);
                if is_setup && is_taken {
                    continue;
                }
                let Some(ours) = stack_effect(minor, &instruction, is_taken) else {
                    continue;
                };
                self.effects += 1;
                if ours != theirs - arguments {
                    let what = format!(
                        "{name} {arg} adds {ours} to the stack instead of {} (taken: {is_taken})",
                        theirs - arguments
                    );
                    self.wrong.push(what);
                }
            }
        }
    }
}
