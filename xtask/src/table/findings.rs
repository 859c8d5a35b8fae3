//! The tables of findings: whether each rule is raised where it is to be and nowhere else, and
//! what mending is worth.

use std::{collections::BTreeSet, fmt::Write as _};

use serde::Deserialize;

/// All modes of a program run at once, on however few CPUs.
const BUSY_MACHINE: &str = "cpu.run-queue";

/// A line of what the tests write.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Row {
    Judged(Judged),
    Ratio(Ratio),
}

/// What was found of one program in one mode.
#[derive(Clone, Deserialize)]
pub(super) struct Judged {
    rule: String,
    program: String,
    version: String,
    mode: Mode,
    wrong: Option<String>,
    /// Findings of other rules, with their severity.
    others: Vec<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Slow,
    /// Slow, and known not to be found.
    Missing,
    Fixed,
    Alike,
}

/// How long the same work takes both ways.
#[derive(Clone, Deserialize)]
pub(super) struct Ratio {
    rule: String,
    program: String,
    version: String,
    slow_ns: u64,
    fixed_ns: u64,
}

/// Both tables, and what is wrong.
pub(super) fn tables(rows: &[Row]) -> String {
    let judged: Vec<&Judged> = rows.iter().filter_map(Row::judged).collect();
    let mut text = rules(&judged);
    let wrong: Vec<String> = judged
        .iter()
        .filter_map(|row| {
            let why = row.wrong.as_ref()?;
            Some(format!("- {}, {}: {why}\n", row.rule, row.version))
        })
        .collect();
    if !wrong.is_empty() {
        let _ = write!(text, "\nNot as it should be:\n\n{}", wrong.concat());
    }
    let others: BTreeSet<String> = judged
        .iter()
        .flat_map(|row| {
            let others = row.others.iter().filter(|(rule, _)| rule != BUSY_MACHINE);
            others.map(|(rule, severity)| {
                format!(
                    "- {} ({}): {rule}, {severity}\n",
                    row.program,
                    row.mode.name()
                )
            })
        })
        .collect();
    if !others.is_empty() {
        let others: String = others.into_iter().collect();
        let _ = write!(
            text,
            "\nWhat other rules said of these programs:\n\n{others}"
        );
    }
    let ratios: Vec<&Ratio> = rows.iter().filter_map(Row::ratio).collect();
    if !ratios.is_empty() {
        let _ = write!(text, "\n{}", worth(&ratios));
    }
    text
}

fn rules(rows: &[&Judged]) -> String {
    let versions: BTreeSet<&str> = rows.iter().map(|row| row.version.as_str()).collect();
    let mut versions: Vec<&str> = versions.into_iter().collect();
    versions.sort_by_key(|version| {
        version
            .split('.')
            .map(|n| n.parse().unwrap_or(0))
            .collect::<Vec<u32>>()
    });
    let mut text = String::from("| rule | program |");
    for version in &versions {
        let _ = write!(
            text,
            " {version}: slow raises, fixed silent, look-alikes silent |"
        );
    }
    let _ = write!(text, "\n|---|---|{}\n", "---|".repeat(versions.len()));
    let mut done = BTreeSet::new();
    for row in rows {
        if !done.insert(&row.program) {
            continue;
        }
        let _ = write!(text, "| {} | {} |", row.rule, row.program);
        for version in &versions {
            let of = |mode| {
                let of_it = rows.iter().filter(|other| {
                    other.program == row.program && other.version == *version && other.mode == mode
                });
                let all = of_it.clone().count();
                let right = of_it.filter(|row| row.wrong.is_none()).count();
                match (right, all) {
                    (_, 0) => "-".to_owned(),
                    (right, all) if right == all && all == 1 => "yes".to_owned(),
                    (right, all) => format!("{right} of {all}"),
                }
            };
            let slow = if of(Mode::Missing) == "-" {
                of(Mode::Slow)
            } else {
                "not yet".to_owned()
            };
            let cells = [slow, of(Mode::Fixed), of(Mode::Alike)];
            let _ = write!(text, " {} |", cells.join(", "));
        }
        text.push('\n');
    }
    text
}

fn worth(rows: &[&Ratio]) -> String {
    let mut text = String::from(
        "| rule | program | interpreter | slow, ms | fixed, ms | times as long |\n|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let ms = |ns: u64| ns as f64 / 1e6;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} | {:.2} | {:.1} |",
            row.rule,
            row.program,
            row.version,
            ms(row.slow_ns),
            ms(row.fixed_ns),
            row.slow_ns as f64 / row.fixed_ns.max(1) as f64
        );
    }
    text
}

impl Row {
    fn judged(&self) -> Option<&Judged> {
        match self {
            Self::Judged(row) => Some(row),
            Self::Ratio(_) => None,
        }
    }

    fn ratio(&self) -> Option<&Ratio> {
        match self {
            Self::Ratio(row) => Some(row),
            Self::Judged(_) => None,
        }
    }
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Slow | Self::Missing => "slow",
            Self::Fixed => "fixed",
            Self::Alike => "look-alike",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_it_should_be_stands_below() {
        let rows: Vec<Row> = [
            r#"{"rule":"cpu.json","program":"a","version":"3.9.18","mode":"slow","wrong":null,"others":[["cpu.gc-thrash","low"]]}"#,
            r#"{"rule":"cpu.json","program":"a","version":"3.9.18","mode":"alike","wrong":"it was raised","others":[]}"#,
            r#"{"rule":"cpu.json","program":"a","version":"3.13.0","mode":"slow","wrong":null,"others":[]}"#,
            r#"{"rule":"cpu.json","program":"a","version":"3.13.0","slow_ns":3000000,"fixed_ns":1000000}"#,
        ]
        .map(|line| serde_json::from_str(line).expect("it is a row"))
        .into();
        let text = tables(&rows);
        for expected in [
            "| cpu.json | a | yes, -, 0 of 1 | yes, -, - |",
            "- cpu.json, 3.9.18: it was raised",
            "- a (slow): cpu.gc-thrash, low",
            "| cpu.json | a | 3.13.0 | 3.00 | 1.00 | 3.0 |",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
