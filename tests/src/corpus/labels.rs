//! What each program is, by `workloads/corpus/labels.toml`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::row::{Class, Detail, Half, Judgement};
use crate::workload;

/// The programs' folder among the workloads.
pub(super) const FOLDER: &str = "corpus";

/// A comment at the end of each line that may rightly be blamed.
const MARKER: &str = "# here";

/// A server that a program needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// `PostgreSQL`.
    Postgres,
    /// Redis.
    Redis,
}

/// What a program is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Of the file, without its ending.
    pub name: String,
    /// The right class.
    pub class: Class,
    /// What refines it, where that is beyond doubt.
    pub detail: Option<Detail>,
    /// The class it would be without the machine's part.
    pub otherwise: Option<Class>,
    /// The function to blame; none is if it rests or is mixed.
    pub function: Option<String>,
    /// What to install besides the standard library, as pip takes it.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Servers it talks to.
    #[serde(default)]
    pub servers: Vec<Need>,
    /// It runs in a control group that may have so much of one CPU.
    pub quota_pct: Option<u32>,
    /// A program that looks like it and is something else.
    pub pair: Option<String>,
    /// Its half.
    pub half: Half,
    /// Why the label is right.
    pub reason: String,
}

#[derive(Deserialize)]
struct File {
    program: Vec<Label>,
}

/// The folder of the programs.
pub fn folder() -> PathBuf {
    workload::script(FOLDER)
}

/// Reads every label.
pub fn read() -> Result<Vec<Label>> {
    let path = folder().join("labels.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("in {}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Label>> {
    let labels = toml::from_str::<File>(text)?.program;
    let mut names = BTreeSet::new();
    for label in &labels {
        let name = &label.name;
        ensure!(names.insert(name), "{name} has two labels");
        ensure!(label.class != Class::Unknown, "{name}: no program is that");
        ensure!(!label.reason.is_empty(), "{name}: the label has no reason");
    }
    Ok(labels)
}

impl Label {
    /// The verdict that is right on a machine with room for it.
    pub fn judgement(&self) -> Judgement {
        Judgement {
            class: self.class,
            detail: self.detail,
            otherwise: self.otherwise,
            function: self.function.clone(),
        }
    }

    /// The lines that may rightly be blamed, from the marks in the source.
    pub fn lines(&self) -> Result<Vec<u32>> {
        marked_lines(&folder().join(format!("{}.py", self.name)))
    }
}

/// The lines of a program that end with the mark.
pub(crate) fn marked_lines(path: &Path) -> Result<Vec<u32>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(marked(&text))
}

fn marked(source: &str) -> Vec<u32> {
    (1..)
        .zip(source.lines())
        .filter(|(_, line)| line.trim_end().ends_with(MARKER))
        .map(|(number, _)| number)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::{Half, folder, marked, parse, read};

    #[test]
    fn every_label_has_its_program_and_every_program_its_label() {
        // What programs share.
        const HELPERS: [&str; 4] = ["disk", "noise", "own_clocks", "peers"];
        let labels = read().expect("labels.toml is right");
        let mut labelled: Vec<_> = labels.iter().map(|label| label.name.clone()).collect();
        labelled.extend(HELPERS.map(str::to_owned));
        labelled.sort();
        let mut there: Vec<_> = fs::read_dir(folder())
            .expect("the folder is there")
            .flatten()
            .filter_map(|entry| entry.path().file_name()?.to_str().map(str::to_owned))
            .filter_map(|name| Some(name.strip_suffix(".py")?.to_owned()))
            .collect();
        there.sort();
        assert_eq!(labelled, there);
    }

    #[test]
    fn who_is_to_blame_is_marked_in_the_source() {
        for label in read().expect("labels.toml is right") {
            let lines = label.lines().expect("its program is there");
            assert_eq!(
                label.function.is_some(),
                !lines.is_empty(),
                "{}",
                label.name
            );
        }
    }

    #[test]
    fn pairs_stay_together_and_halves_are_even() {
        let labels = read().expect("labels.toml is right");
        let mut halves: BTreeMap<_, i32> = BTreeMap::new();
        for label in &labels {
            *halves.entry(label.class).or_default() += match label.half {
                Half::Tune => 1,
                Half::Judge => -1,
            };
            let Some(pair) = &label.pair else { continue };
            let other = labels.iter().find(|other| other.name == *pair);
            let other = other.unwrap_or_else(|| panic!("{} has no pair {pair}", label.name));
            assert_eq!(label.half, other.half, "{} and {pair}", label.name);
        }
        for (class, more) in halves {
            assert!(
                more.abs() <= 2,
                "{class}: {more} more to tune than to judge"
            );
        }
    }

    #[test]
    fn marks_are_found_at_the_ends_of_lines() {
        assert_eq!(marked("a\nb  # here\n# here it is\nc  # here  \n"), [2, 4]);
    }

    #[test]
    fn what_no_report_says_is_no_label() {
        let label = |class: &str, detail: &str| {
            parse(&format!(
                "[[program]]\nname = 'x'\nclass = '{class}'\ndetail = '{detail}'\n\
                 half = 'tune'\nreason = 'because'"
            ))
        };
        assert!(label("idle", "network").is_ok());
        assert!(label("lazy", "network").is_err());
        assert!(label("unknown", "network").is_err());
        assert!(label("idle", "slumber").is_err());
    }
}
