//! Code objects of the standard library, read from the memory of a live interpreter,
//! against what that interpreter says of them: every name, every instruction's line.
//!
//! The pure tests of leakcpu-user include this file by its path.

use std::{
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, Stdio},
};

use pyobserve::{
    discovery::Discovery,
    interpreter::{CodeObject, Interpreters, PythonProcess, line_for, read_code},
};

use crate::interpreter::Interpreter;

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    /// Code objects.
    pub codes: u64,
    /// Instructions.
    pub instructions: u64,
    /// Code objects with something wrong.
    pub different: u64,
}

/// No more differences than this are told.
const TOLD: u64 = 20;

/// Runs `script` (`workloads/code_objects.py`) on an interpreter and compares about
/// `files` files of its library, all of them for 0. Each difference is told.
pub fn compare(
    python: &Interpreter,
    script: &Path,
    files: u32,
    mut tell: impl FnMut(String),
) -> Compared {
    let child = python
        .script(script)
        .arg(files.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {python}: {error}"));
    let mut child = Ending(child);
    let mut records = BufReader::new(child.0.stdout.take().expect("it is piped"));
    let mut ready = String::new();
    records.read_line(&mut ready).expect("its line is text");
    assert!(ready.contains("\"ready\""), "{python} says {ready:?}");
    let mut compared = Compared::default();
    let (_, process) = match Interpreters::new().attach_pid(&mut Discovery::new(), child.0.id()) {
        Ok(attached) => attached,
        Err(why) => {
            tell(format!("not attached: {why}"));
            compared.different = 1;
            return compared;
        }
    };
    while let Some(record) = Record::read(&mut records) {
        compared.codes += 1;
        compared.instructions += record.instructions();
        if let Err(why) = record.check(&process) {
            compared.different += 1;
            if compared.different <= TOLD {
                tell(format!("{} of {}: {why}", record.name, record.file));
            }
        }
    }
    compared
}

/// A child that ends with its owner.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        // Ended already, or about to.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the interpreter says of one code object.
struct Record {
    address: u64,
    first_line: u32,
    name: String,
    qualname: Option<String>,
    file: String,
    table: Vec<u8>,
    ranges: Vec<[i32; 3]>,
}

/// A lone surrogate is no text; pyobserve shows it as it shows everything unreadable.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

impl Record {
    /// The next one; `None` after the last.
    fn read(from: &mut impl Read) -> Option<Self> {
        let address = u64::from_ne_bytes(read(from));
        let [first_line, name, qualname, file, table, ranges] =
            std::array::from_fn(|_| i32::from_ne_bytes(read(from)));
        if address == 0 {
            return None;
        }
        let mut take = |length: i32| {
            let mut bytes = vec![0; usize::try_from(length).expect("a length is not negative")];
            from.read_exact(&mut bytes)
                .expect("a record is written whole");
            bytes
        };
        let record = Self {
            address,
            first_line: u32::try_from(first_line).expect("a line is not negative"),
            name: text(take(name)),
            qualname: (qualname >= 0).then(|| text(take(qualname))),
            file: text(take(file)),
            table: take(table),
            ranges: take(ranges * 12)
                .as_chunks::<12>()
                .0
                .iter()
                .map(|range| {
                    let numbers = range.as_chunks::<4>().0;
                    std::array::from_fn(|n| i32::from_ne_bytes(numbers[n]))
                })
                .collect(),
        };
        Some(record)
    }

    fn instructions(&self) -> u64 {
        let bytes: i64 = self
            .ranges
            .iter()
            .map(|[start, end, _]| i64::from(end - start))
            .sum();
        u64::try_from(bytes / 2).unwrap_or(0)
    }

    fn check(&self, process: &PythonProcess) -> Result<(), String> {
        let code =
            read_code(&process.memory(), process, self.address).map_err(|why| why.to_string())?;
        same("name", &code.name, &self.name)?;
        same("qualified name", &code.qualname, &self.qualname)?;
        same("file", &code.filename, &self.file)?;
        same("first line", &code.lines.first_line, &self.first_line)?;
        same("table", &&*code.lines.table, &&*self.table)?;
        self.ranges
            .iter()
            .try_for_each(|range| check_range(&code, *range))
    }
}

fn check_range(code: &CodeObject, [start, end, want]: [i32; 3]) -> Result<(), String> {
    let lines = &code.lines;
    for offset in (start..end).step_by(2) {
        let line = line_for(&lines.table, lines.kind, lines.first_line, offset.into());
        if line != u32::try_from(want).ok() {
            return Err(format!("line {line:?} instead of {want} at {offset}"));
        }
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, want: &T) -> Result<(), String> {
    if got == want {
        return Ok(());
    }
    Err(format!("{what} is {got:?}, not {want:?}"))
}

fn read<const N: usize>(from: &mut impl Read) -> [u8; N] {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)
        .expect("records go on until the last one");
    bytes
}
