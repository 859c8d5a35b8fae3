//! The table of the reasons: what a workload measured of itself, and what was reported.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Deserialize;

/// A line of what the tests write.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    /// Of the interpreter.
    pub version: String,
    /// The function that waits, in `tests/workloads/waits`.
    wait: String,
    what: String,
    /// The reason that must be given, if any.
    reason: Option<String>,
    /// Reasons that must not be given.
    never: Vec<String>,
    own_ns: i64,
    reported_ns: Option<i64>,
    holds: bool,
}

impl Row {
    fn cell(&self) -> String {
        let figures = match self.reported_ns {
            Some(reported) => format!("{} / {}", ms(reported), ms(self.own_ns)),
            None => "none".to_owned(),
        };
        if self.holds {
            figures
        } else {
            format!("**{figures}**")
        }
    }
}

fn ms(ns: i64) -> String {
    format!("{:.0}", ns as f64 / 1e6)
}

/// A row for each wait, by its reason; a column for each interpreter.
pub(super) fn table(rows: Vec<Row>) -> String {
    let mut columns: Vec<(String, Vec<Row>)> = Vec::new();
    for row in rows {
        match columns
            .iter_mut()
            .find(|(version, _)| *version == row.version)
        {
            Some((_, rows)) => rows.push(row),
            None => columns.push((row.version.clone(), vec![row])),
        }
    }
    side_by_side(&columns)
}

/// A row for each wait, by its reason; a column for each of `columns`, under its title.
pub fn side_by_side(columns: &[(String, Vec<Row>)]) -> String {
    let mut table = String::from("| reason | waits | must not be |");
    for (title, _) in columns {
        let _ = write!(table, " {title} |");
    }
    table.push_str("\n|---|---|---|");
    table.push_str(&"---|".repeat(columns.len()));
    table.push('\n');
    let mut waits: BTreeMap<(&str, &str), &Row> = BTreeMap::new();
    for row in columns.iter().flat_map(|(_, rows)| rows) {
        let reason = row.reason.as_deref().unwrap_or("(no wait)");
        waits.entry((reason, &row.wait)).or_insert(row);
    }
    for ((reason, name), first) in waits {
        let (what, never) = (&first.what, first.never.join(", "));
        let _ = write!(table, "| {reason} | {what} (`{name}`) | {never} |");
        for (_, rows) in columns {
            let cell = rows.iter().find(|row| row.wait == name);
            let cell = cell.map_or_else(|| "not tested".to_owned(), Row::cell);
            let _ = write!(table, " {cell} |");
        }
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{Row, table};

    #[test]
    fn figures_stand_side_by_side() {
        let rows: Vec<Row> = [
            r#"{"version":"3.8.1","wait":"nap","what":"w","reason":"sleep","never":["lock"],"own_ns":2000000,"reported_ns":1000000,"holds":false}"#,
            r#"{"version":"3.9.1","wait":"hot","what":"v","reason":null,"never":["disk-read"],"own_ns":0,"reported_ns":null,"holds":true}"#,
        ]
        .map(|line| serde_json::from_str(line).expect("it is a row"))
        .into();
        let table = table(rows);
        assert!(
            table.contains("| sleep | w (`nap`) | lock | **1 / 2** | not tested |"),
            "{table}"
        );
        assert!(
            table.contains("| (no wait) | v (`hot`) | disk-read | not tested | none |"),
            "{table}"
        );
    }
}
