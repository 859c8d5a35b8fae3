//! Figures as aligned columns, or as JSON.

use std::fmt;

use serde::{Serialize, Serializer};

/// One part of the report.
#[derive(Serialize)]
pub struct Section {
    /// What was measured.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// The figures.
    pub rows: Vec<Vec<Cell>>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// One field.
pub enum Cell {
    /// Words; left-aligned.
    Text(String),
    /// A figure and its decimals; right-aligned.
    Number(f64, usize),
    /// Not measured, or not asked.
    None,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Whether a figure is under its aim.
    pub fn met(value: f64, aim: Option<f64>) -> Self {
        match aim {
            Some(aim) if value < aim => Self::text("met"),
            Some(_) => Self::text("MISSED"),
            None => Self::None,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "{text}"),
            Self::Number(value, decimals) => write!(formatter, "{value:.decimals$}"),
            Self::None => Ok(()),
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(value, _) => serializer.serialize_f64(*value),
            Self::None => serializer.serialize_none(),
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.title)?;
        let texts: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(Cell::to_string).collect())
            .collect();
        let width = |column: usize| {
            texts
                .iter()
                .filter_map(|row| row.get(column))
                .map(String::len)
                .chain([self.columns[column].len()])
                .max()
                .unwrap_or(0)
        };
        let is_number = |column: usize| {
            self.rows
                .iter()
                .any(|row| matches!(row.get(column), Some(Cell::Number(..))))
        };
        let mut line = |fields: &[&str]| -> fmt::Result {
            let padded: Vec<String> = fields
                .iter()
                .enumerate()
                .map(|(column, field)| {
                    let width = width(column);
                    if is_number(column) {
                        format!("{field:>width$}")
                    } else {
                        format!("{field:<width$}")
                    }
                })
                .collect();
            writeln!(formatter, "  {}", padded.join("  ").trim_end())
        };
        line(&self.columns)?;
        for row in &texts {
            line(&row.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        for note in &self.notes {
            writeln!(formatter, "  {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Section};

    #[test]
    fn words_stand_left_and_figures_right() {
        let section = Section {
            title: "Title".to_owned(),
            columns: vec!["who", "ms", "aim"],
            rows: vec![
                vec![Cell::text("bare"), Cell::Number(9.0, 1), Cell::None],
                vec![Cell::text("a"), Cell::Number(10.25, 1), Cell::text("met")],
            ],
            notes: vec!["note".to_owned()],
        };
        let expected = "Title\n  who     ms  aim\n  bare   9.0\n  a     10.2  met\n  note\n";
        assert_eq!(section.to_string(), expected);
    }

    #[test]
    fn an_aim_is_an_upper_bound() {
        assert_eq!(Cell::met(0.5, Some(1.0)).to_string(), "met");
        assert_eq!(Cell::met(1.0, Some(1.0)).to_string(), "MISSED");
        assert_eq!(Cell::met(1.0, None).to_string(), "");
    }
}
