//! What those see through sudo that run as root: the tests, and the corpus.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::Command,
};

use anyhow::Result;

use crate::{cache, host::Host};

/// What of the caller's environment is passed on: where the interpreters are, and how much
/// to say.
const PASSED_ON: [&str; 5] = [
    "PATH",
    "PYENV_ROOT",
    "PYOBSERVE_TEST_ROOTS",
    "RUST_BACKTRACE",
    "RUST_LOG",
];

/// A program of the tests as root: with the caller's cache folder, for root's home is
/// another, the `pyobserve` that it is about, and variables of its own.
pub fn as_root(
    host: &Host,
    program: &Path,
    pyobserve: &Path,
    variables: &[(&str, &OsStr)],
) -> Result<Command> {
    let mut passed_on: Vec<(&str, OsString)> = PASSED_ON
        .iter()
        .filter_map(|name| Some((*name, env::var_os(name)?)))
        .collect();
    passed_on.extend(
        host.cache()
            .ok()
            .map(|cache| (cache::VARIABLE, cache.into())),
    );
    let mut all: Vec<(&str, &OsStr)> = passed_on
        .iter()
        .map(|(name, value)| (*name, value.as_os_str()))
        .collect();
    all.push(("PYOBSERVE_BIN", pyobserve.as_os_str()));
    all.extend(variables);
    host.as_root(program, &all)
}
