//! What is measured, as it is handed to xtask.

use serde::Serialize;

/// One figure.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// Less than this is wanted.
    pub aim: Option<f64>,
    /// What the figure rests on.
    pub note: String,
}

impl Figure {
    /// A figure in nanoseconds.
    pub fn ns(what: impl Into<String>, value: f64, note: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            value,
            unit: "ns",
            aim: None,
            note: note.into(),
        }
    }

    /// The same with an aim.
    #[must_use]
    pub fn under(self, aim: f64) -> Self {
        Self {
            aim: Some(aim),
            ..self
        }
    }
}
