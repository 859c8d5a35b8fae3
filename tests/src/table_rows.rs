//! Rows of the documentation's tables, as tests find them: lines of JSON in a file that a
//! variable names, which is a serial port in a virtual machine.

use std::{env, fs::OpenOptions, io::Write as _};

use serde_json::Value;

/// Names the file of rows of tables.
const TABLE: &str = "PYOBSERVE_TABLE";

/// Adds a row to the table's file, if there is one.
pub fn write(row: &Value) {
    add(TABLE, row);
}

/// Adds a line to the file that a variable names, if it is set.
pub fn add(variable: &str, row: &Value) {
    let Some(file) = env::var_os(variable) else {
        return;
    };
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|mut file| file.write_all(format!("{row}\n").as_bytes()))
        .unwrap_or_else(|e| panic!("cannot write to {}: {e}", file.display()));
}
