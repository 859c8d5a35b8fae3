//! The tables as Rust.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Jump, Row, Table, host_list};

/// What the line of a version begins with in the file's header.
const VERSION: &str = "//! - 3.";

/// Minor versions that a file of tables has.
pub fn minors(file: &str) -> impl Iterator<Item = u8> + use<'_> {
    file.lines()
        .filter_map(|line| line.strip_prefix(VERSION)?.split(':').next()?.parse().ok())
}

/// The file of these tables.
pub fn file(tables: &BTreeMap<u8, Table>) -> String {
    let mut names: Vec<&str> = tables
        .values()
        .flat_map(|table| table.rows.iter().map(|row| row.1.as_str()))
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut text = String::from(
        "//! Made by `cargo xtask opcodes`; not to be changed by hand.\n//!\n\
         //! From the modules `opcode`, `_opcode`, `_opcode_metadata` and `dis` of\n//!\n",
    );
    for (minor, table) in tables {
        let _ = writeln!(text, "{VERSION}{minor}: {}", host_list(&table.versions));
    }
    text.push_str(
        "\nuse super::{\n    Jump::{Absolute, Backward, Forward, Nowhere},\n    Opcode, row, table,\n};\n\n\
         /// Every base operation of any version, by CPython's name.\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]\n\
         #[expect(missing_docs, reason = \"CPython's documentation of `dis` has them\")]\n\
         pub enum Op {\n",
    );
    for name in &names {
        let _ = writeln!(text, "    {},", variant(name));
    }
    text.push_str("}\n\nimpl Op {\n    /// CPython's name.\n    pub const fn name(self) -> &'static str {\n        match self {\n");
    for name in &names {
        let _ = writeln!(text, "            Self::{} => \"{name}\",", variant(name));
    }
    text.push_str("        }\n    }\n}\n");
    for (minor, table) in tables {
        let _ = write!(
            text,
            "\n/// Of 3.{minor}.\npub(super) static PYTHON_3_{minor}: [Option<Opcode>; 256] = table(&[\n"
        );
        for row in &table.rows {
            let _ = writeln!(text, "    {},", entry(row));
        }
        text.push_str("]);\n");
    }
    let _ = write!(
        text,
        "\n/// Every table, by minor version.\npub(super) static TABLES: [(u8, &[Option<Opcode>; 256]); {}] = [\n",
        tables.len()
    );
    for minor in tables.keys() {
        let _ = writeln!(text, "    ({minor}, &PYTHON_3_{minor}),");
    }
    text.push_str("];\n");
    text
}

fn entry(Row(number, name, caches, has_arg, jump): &Row) -> String {
    let jump = match jump {
        Jump::None => "Nowhere",
        Jump::Absolute => "Absolute",
        Jump::Forward => "Forward",
        Jump::Backward => "Backward",
    };
    format!(
        "row({number}, Op::{}, {caches}, {has_arg}, {jump})",
        variant(name)
    )
}

/// `LoadFast` of `LOAD_FAST`.
fn variant(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            [first.to_owned(), rest.to_lowercase()]
        })
        .collect()
}
