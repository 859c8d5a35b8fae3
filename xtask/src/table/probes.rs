//! The tables of interpreters' probes: what each is worth in each version, and what listening
//! takes by kernel.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Deserialize;

/// A line of what the tests write: what a probe is worth, or what it takes.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Row {
    Seen(Seen),
    Takes(Takes),
}

/// How often a probe fired beside how often it was to.
#[derive(Clone, Deserialize)]
pub(super) struct Seen {
    probe: String,
    version: String,
    present: bool,
    fired: Option<u64>,
    truth: Option<u64>,
    worth: Option<String>,
}

/// What a target takes longer for each that fires.
#[derive(Clone, Deserialize)]
pub(super) struct Takes {
    probe: String,
    version: String,
    price_ns: u64,
}

/// What listening takes on a kernel by one way.
#[derive(Clone, Deserialize)]
pub struct Price {
    way: String,
    passing_ns: f64,
    system_call_ns: f64,
    places: u32,
    detaching_ms: f64,
}

/// Each probe of each version.
pub(super) fn table(rows: &[Row]) -> String {
    let mut prices = BTreeMap::new();
    for row in rows {
        if let Row::Takes(takes) = row {
            prices.insert((&takes.probe, &takes.version), takes.price_ns);
        }
    }
    let mut table = String::from(
        "| probe | version | present | alive | fired | in truth | is | each takes |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let Row::Seen(row) = row else { continue };
        let _ = write!(table, "| {} | {} ", row.probe, row.version);
        let (Some(fired), Some(truth)) = (row.fired, row.truth) else {
            let present = if row.present { "yes" } else { "no" };
            let _ = writeln!(table, "| {present} | - | - | - | - | - |");
            continue;
        };
        // Of what happens all the time, more than one in a hundred.
        let alive = if fired * 100 > truth { "yes" } else { "no" };
        let worth = row.worth.as_deref().unwrap_or("-");
        let price = prices.get(&(&row.probe, &row.version));
        let price = price.map_or("-".to_owned(), |price_ns| format!("{price_ns} ns"));
        let _ = writeln!(
            table,
            "| yes | {alive} | {fired} | {truth} | {worth} | {price} |"
        );
    }
    table
}

/// What listening takes on each kernel; each with its name.
pub fn by_kernel<'a>(kernels: impl Iterator<Item = (&'a str, &'a [Price])>) -> String {
    let mut table = String::from(
        "| kernel | way | passing a place, ns | the same in system calls | detaching, ms |\n\
         |---|---|---|---|---|\n",
    );
    for (name, prices) in kernels {
        for price in prices {
            let _ = writeln!(
                table,
                "| {name} | {} | {:.0} | {:.1} | {:.0} ({} places) |",
                price.way,
                price.passing_ns,
                price.passing_ns / price.system_call_ns.max(1.0),
                price.detaching_ms,
                price.places,
            );
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_go_to_their_probes() {
        let rows: Vec<Row> = [
            r#"{"probe":"line","version":"3.9.2","present":true,"fired":7,"truth":7,"worth":"exact"}"#,
            r#"{"probe":"line","version":"3.13.5","present":false}"#,
            r#"{"probe":"line","version":"3.9.2","price_ns":1234}"#,
        ]
        .map(|line| serde_json::from_str(line).expect("it is a row"))
        .into();
        let table = table(&rows);
        assert!(
            table.contains("| line | 3.9.2 | yes | yes | 7 | 7 | exact | 1234 ns |"),
            "{table}"
        );
        assert!(
            table.contains("| line | 3.13.5 | no | - | - | - | - | - |"),
            "{table}"
        );
        assert!(!table.contains("| 3.9.2 | no"), "{table}");
    }
}
