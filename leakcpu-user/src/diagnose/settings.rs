//! Which rules are asked, what they go by, and how much is said of a process.

use super::Thresholds;

/// Findings of a process that are said unless all are asked for.
const SHOWN: usize = 3;

/// How to diagnose.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What rules go by.
    pub thresholds: Thresholds,
    /// Names of rules that are not asked.
    pub off: Vec<String>,
    /// Findings of one process that are kept, those with the most to gain; `None` for all.
    pub at_most: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            thresholds: Thresholds::DEFAULT,
            off: Vec::new(),
            at_most: Some(SHOWN),
        }
    }
}

impl Settings {
    /// Whether a rule is asked.
    pub(super) fn asks(&self, rule: &str) -> bool {
        !self.off.iter().any(|off| off == rule)
    }
}
