//! The tables of the interpreters: each form of each one, and each one in short.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Deserialize;

/// Columns in the order of the table.
const COLUMNS: [&str; 6] = [
    "attach",
    "stacks",
    "lines",
    "threads",
    "off-CPU stacks",
    "container",
];

/// A line of what the tests write.
#[derive(Deserialize)]
pub(super) struct Row {
    version: String,
    form: String,
    /// Why the form could not be made here.
    skipped: Option<String>,
    #[serde(default)]
    cells: BTreeMap<String, bool>,
}

impl Row {
    fn minor(&self) -> Option<u32> {
        self.version.split('.').nth(1)?.parse().ok()
    }
}

fn head(first: &str) -> String {
    let mut table = format!("| {first}");
    for column in COLUMNS {
        let _ = write!(table, " | {column}");
    }
    table.push_str(" |\n|---");
    table.push_str(&"|---".repeat(COLUMNS.len()));
    table.push_str("|\n");
    table
}

/// Each form of each interpreter.
pub(super) fn full(rows: &[Row]) -> String {
    let mut table = head("CPython");
    for row in rows.iter().filter(|row| row.skipped.is_none()) {
        let _ = write!(table, "| {} {}", row.version, row.form);
        for column in COLUMNS {
            let _ = write!(
                table,
                " | {}",
                match row.cells.get(column) {
                    Some(true) => "yes",
                    Some(false) => "**fails**",
                    None => "not tested",
                }
            );
        }
        table.push_str(" |\n");
    }
    let skipped: Vec<&Row> = rows.iter().filter(|row| row.skipped.is_some()).collect();
    if !skipped.is_empty() {
        table.push_str("\nNot tested, because it could not be made here:\n\n");
        for row in skipped {
            let why = row.skipped.as_deref().unwrap_or_default();
            let _ = writeln!(table, "- {} {}: {why}", row.version, row.form);
        }
    }
    table + &missing(rows)
}

/// Each interpreter, with the number of forms.
pub(super) fn short(rows: &[Row]) -> String {
    let mut versions: Vec<&str> = rows.iter().map(|row| row.version.as_str()).collect();
    versions.dedup();
    let mut table = head("CPython");
    for version in versions {
        let of_version: Vec<&Row> = rows
            .iter()
            .filter(|row| row.version == version && row.skipped.is_none())
            .collect();
        let _ = write!(table, "| {version}, in {} forms", of_version.len());
        for column in COLUMNS {
            let holds = |row: &&&Row| row.cells.get(column) == Some(&true);
            let count = of_version.iter().filter(holds).count();
            if count == of_version.len() {
                table.push_str(" | yes");
            } else {
                let _ = write!(table, " | **in {count}**");
            }
        }
        table.push_str(" |\n");
    }
    table + &missing(rows)
}

/// The versions that must be readable and were not there. As `SUPPORTED` of the tests.
fn missing(rows: &[Row]) -> String {
    let missing: Vec<String> = (8..=15)
        .filter(|minor| !rows.iter().any(|row| row.minor() == Some(*minor)))
        .map(|minor| format!("3.{minor}"))
        .collect();
    if missing.is_empty() {
        String::new()
    } else {
        format!("\nNot found here, so not tested: {}.\n", missing.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, full, short};

    fn rows() -> Vec<Row> {
        [
            r#"{"version":"3.8.1","form":"a","cells":{"attach":true,"stacks":false}}"#,
            r#"{"version":"3.8.1","form":"b","cells":{"attach":true,"stacks":true}}"#,
            r#"{"version":"3.8.1","form":"c","skipped":"no compiler"}"#,
        ]
        .map(|line| serde_json::from_str(line).expect("it is a row"))
        .into()
    }

    #[test]
    fn what_fails_and_what_was_not_tested_is_said() {
        let table = full(&rows());
        assert!(
            table.contains("| 3.8.1 a | yes | **fails** | not tested |"),
            "{table}"
        );
        assert!(table.contains("- 3.8.1 c: no compiler"), "{table}");
        assert!(table.contains("not tested: 3.9, 3.10"), "{table}");
        let table = short(&rows());
        assert!(
            table.contains("| 3.8.1, in 2 forms | yes | **in 1** | **in 0** |"),
            "{table}"
        );
    }
}
