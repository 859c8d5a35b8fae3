//! Checks whose answers become a table: what of pyobserve works on a kernel.
//!
//! A check is a test like any other. Besides, it writes a line of JSON where
//! `PYOBSERVE_CHECKS` says, if it is set: in a virtual machine that is a serial port.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
};

use serde_json::json;

use crate::{problems::Problems, table_rows};

/// Names the file that a line of JSON is added to for each check.
pub const VARIABLE: &str = "PYOBSERVE_CHECKS";

/// How a check ended that found nothing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It works.
    Yes,
    /// This kernel, or this host, lacks something: what.
    Skipped(String),
}

/// Runs a check under the name it has in the table. Fails the test if it found problems
/// or panicked.
pub fn check(name: &str, body: impl FnOnce(&mut Problems) -> Answer) {
    let mut problems = Problems::new();
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| body(&mut problems)));
    let (answer, why) = match (&outcome, problems.first()) {
        (Ok(Answer::Skipped(why)), None) => ("skipped", why.as_str()),
        (Ok(Answer::Yes), None) => ("yes", ""),
        (_, Some(problem)) => ("no", problem),
        (Err(panic), None) => ("no", said(&**panic)),
    };
    if answer == "skipped" {
        eprintln!("SKIPPED: {name}: {why}");
    }
    let row = json!({"check": name, "answer": answer, "why": why});
    table_rows::add(VARIABLE, &row);
    match outcome {
        Ok(_) => problems.finish(),
        Err(panic) => panic::resume_unwind(panic),
    }
}

/// The text of a panic.
fn said(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it panicked")
}
