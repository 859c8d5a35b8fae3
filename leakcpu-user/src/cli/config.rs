//! The configuration file: what rules go by, and which are not asked.

use std::{io, path::Path};

use serde::Deserialize;

use super::exit::Failure;
use crate::diagnose::{Settings, Thresholds, rule};

/// Read if it is there and no other file is named.
const DEFAULT_PATH: &str = "/etc/pyobserve/config.toml";
/// Longer files are none of ours.
const MAX_BYTES: u64 = 1 << 20;

/// What a file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    rules: Rules,
}

/// `[rules]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rules {
    /// Names of rules that are not asked.
    off: Vec<String>,
    /// Figures that differ from [`Thresholds::DEFAULT`].
    thresholds: Thresholds,
}

/// How to diagnose, by the file that was named or, if there is one, the host's own.
pub(super) fn settings(file: Option<&Path>) -> Result<Settings, Failure> {
    match file {
        Some(path) => read(path),
        None => match read(Path::new(DEFAULT_PATH)) {
            Err(Failure::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Settings::default())
            }
            read => read,
        },
    }
}

fn read(path: &Path) -> Result<Settings, Failure> {
    let fails = |source| Failure::Io {
        doing: format!("read the configuration {}", path.display()),
        source,
    };
    let bytes = path.metadata().map_err(fails)?.len();
    if bytes > MAX_BYTES {
        let why = format!("{bytes} bytes are more than a configuration has");
        return Err(fails(io::Error::new(io::ErrorKind::InvalidData, why)));
    }
    let text = std::fs::read_to_string(path).map_err(fails)?;
    parse(&text).map_err(|why| Failure::Usage(format!("{}: {why}", path.display())))
}

fn parse(text: &str) -> Result<Settings, String> {
    let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
    let Rules { off, thresholds } = config.rules;
    if let Some(unknown) = off.iter().find(|name| rule(name).is_none()) {
        return Err(format!(
            "[rules] off: there is no rule {unknown}; `pyobserve rules` lists them"
        ));
    }
    Ok(Settings {
        thresholds,
        off,
        ..Settings::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_and_rules_are_changed_by_name() {
        let text = "[rules]\noff = [\"cpu.run-queue\"]\n[rules.thresholds]\nround_trips = 50\n";
        let settings = parse(text).expect("it is right");
        assert_eq!(settings.off, ["cpu.run-queue"]);
        let expected = Thresholds {
            round_trips: 50,
            ..Thresholds::DEFAULT
        };
        assert_eq!(settings.thresholds, expected);
        assert_eq!(parse(""), Ok(Settings::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("[rules]\noff = [\"cpu.nothing\"]", "cpu.nothing"),
            ("[rules.thresholds]\nround_trip = 5", "round_trip"),
            ("[rules.thresholds]\nround_trips = -5", "round_trips"),
            ("[rule]", "rule"),
            ("[rules", "line 1"),
        ] {
            let error = parse(text).expect_err("it is wrong");
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_named_has_to_be_there() {
        let error = settings(Some(Path::new("/nowhere/config.toml"))).expect_err("it is not");
        assert!(matches!(error, Failure::Io { .. }), "{error:?}");
    }
}
