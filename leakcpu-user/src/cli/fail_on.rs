//! `--fail-on`: `CLASS[>=PCT%]` of `classify`, `[=PCT%]` of `spins`.

use super::quantity;
use crate::classify::{Class, Classification};

/// A condition on the verdicts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailOn {
    class: Class,
    /// Share of the active time, 0 to 1.
    min_share: f64,
}

/// Parses `busy-waiting` or `busy-waiting>=20%`.
pub fn parse(text: &str) -> Result<FailOn, String> {
    let (name, share) = match text.split_once(">=") {
        Some((name, share)) => (name.trim(), Some(share)),
        None => (text.trim(), None),
    };
    let class = Class::ALL
        .into_iter()
        .find(|class| class.name() == name)
        .ok_or_else(|| {
            let names: Vec<&str> = Class::ALL.iter().map(|class| class.name()).collect();
            format!("a class is one of {}", names.join(", "))
        })?;
    let min_share = match share {
        None => 0.0,
        Some(text) => {
            let percent: f64 = text
                .trim()
                .trim_end_matches('%')
                .parse()
                .map_err(|_| "a share is a percentage: >=20%")?;
            if !(0.0..=100.0).contains(&percent) {
                return Err("a share is between 0% and 100%".to_owned());
            }
            percent / 100.0
        }
    };
    Ok(FailOn { class, min_share })
}

/// Whatever it takes.
pub const ANY: &str = "any";

/// Parses `any` or a share of a core.
pub fn any_or_share(text: &str) -> Result<f64, String> {
    if text == ANY {
        return Ok(0.0);
    }
    quantity::share(text)
}

impl FailOn {
    /// Whether any process meets the condition.
    pub fn is_met_by(&self, classification: &Classification) -> bool {
        classification.processes.iter().any(|process| {
            let verdict = &process.verdict;
            verdict.class == self.class
                && verdict.shares.get(&self.class).copied().unwrap_or(0.0) >= self.min_share
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let condition = parse("busy-waiting>=20%").unwrap();
        assert_eq!(condition.class.name(), "busy-waiting");
        assert!((condition.min_share - 0.2).abs() < 1e-9);
        assert!(parse("io-bound").is_ok());
        for text in ["slow", "io-bound>=x", "io-bound>=120%", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
