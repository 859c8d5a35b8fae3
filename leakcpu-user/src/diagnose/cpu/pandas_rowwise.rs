//! `cpu.pandas-rowwise`: a frame of pandas is gone through row by row.

use crate::diagnose::below::{self, Advice, OnCpu, called, is, on_cpu};
use crate::diagnose::{Case, Explanation, Finding, Rule};
use crate::model::{Frame, Function, FunctionId, Process, Stack};

/// Where pandas applies a function to each column or row.
const APPLY: &str = "/pandas/core/apply.py";

/// Where a frame's rows are made.
const FRAME: &str = "/pandas/core/frame.py";

/// What the name of a frame's column by column machinery begins with, where names are
/// qualified.
const BY_COLUMNS: &str = "FrameRowApply.";

/// So many samples in what makes rows ...
const MIN_ROW_SAMPLES: u64 = 3;
/// ... and this share of the whole prove that there are many of them.
const MIN_ROW_SHARE: f64 = 0.02;

/// The rule.
///
/// `iterrows` shows on stacks while it makes the next row; that a row's cell is asked for counts
/// in the function where `iterrows` was seen. `apply` makes rows in a generator,
/// `series_generator`, which `apply_series_generator` resumes for each; along columns that name
/// is of a property that is asked once, and the generator is an expression in it, `<genexpr>`.
/// So it is rows where `series_generator` itself is sampled again and again. Of the time in it
/// what pandas takes counts, and not what the applied function does without pandas.
pub struct PandasRowwise;

impl Rule for PandasRowwise {
    fn name(&self) -> &'static str {
        "cpu.pandas-rowwise"
    }

    fn about(&self) -> &'static str {
        "A data frame is gone through row by row, and pandas makes a Series of each row."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Some hundred thousand rows take minutes.",
            evidence: "Samples in pandas below iterrows() or apply(axis=1): making rows as Series, and taking cells out of them.",
            needs: "Samples of Python frames; pandas.",
            fix: "Compute with whole columns. Where a row needs Python code, itertuples() or a zip of columns makes no Series of it; itertuples() changes names that are no identifiers.",
            slow: "for _, row in frame.iterrows():\n    total += row[\"price\"] * row[\"count\"]",
            fixed: "total = (frame[\"price\"] * frame[\"count\"]).sum()",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let process = case.process;
        let rows = on_cpu(case, |stack| iterrows(process, stack));
        let cells = on_cpu(case, |stack| cell(process, stack));
        let applied = on_cpu(case, |stack| applied(process, stack).map(|of| of.caller));
        let applied_rows = on_cpu(case, |stack| {
            let of = applied_to(process, stack)?;
            of.makes_row.then_some(of.caller)
        });
        let iterated = rows.into_iter().filter_map(|rows| {
            let cells = of(&cells, rows.place.function_id);
            let (ns, samples) = cells.map_or((0, 0), |cells| (cells.ns, cells.samples));
            let makes_many = are_many(&rows, rows.ns + ns);
            let all = OnCpu {
                place: rows.place,
                ns: rows.ns + ns,
                samples: rows.samples + samples,
            };
            makes_many.then_some((all, "iterrows()"))
        });
        let applied = applied.into_iter().filter_map(|all| {
            let rows = of(&applied_rows, all.place.function_id)?;
            are_many(rows, all.ns).then_some((all, "apply(axis=1)"))
        });
        let finding = |(found, call): (OnCpu, &str)| {
            let advice = Advice {
                doing: "in pandas, row by row",
                cause: format!(
                    "{call} makes a Series of each row, which takes many times as long as the arithmetic on it."
                ),
                fix: format!(
                    "compute with whole columns in {}: arithmetic on Series, .where, .map, numpy.select; or itertuples() / zip of columns where a row needs Python code",
                    found.place.short()
                ),
            };
            let share = case.thresholds.library_cpu_share;
            below::finding(case, self.name(), &found, share, advice)
        };
        iterated.chain(applied).filter_map(finding).collect()
    }
}

fn of(all: &[OnCpu], function: FunctionId) -> Option<&OnCpu> {
    all.iter().find(|one| one.place.function_id == function)
}

fn are_many(rows: &OnCpu, all_ns: u64) -> bool {
    rows.samples >= MIN_ROW_SAMPLES && rows.ns as f64 >= all_ns as f64 * MIN_ROW_SHARE
}

/// The user's own code that `iterrows` makes a row for.
fn iterrows(process: &Process, stack: &Stack) -> Option<Frame> {
    let called = called(process, stack)?;
    let is_it = called.below.iter().any(|f| is(f, FRAME, "iterrows"));
    (called.is_own && is_it).then_some(called.frame)
}

/// The user's own code that asks a Series for a cell.
fn cell(process: &Process, stack: &Stack) -> Option<Frame> {
    let called = called(process, stack)?;
    let asks = called.below.last().is_some_and(|function| {
        is(function, "/pandas/core/series.py", "__getitem__")
            || is(function, "/pandas/core/generic.py", "__getattr__")
    });
    (called.is_own && asks).then_some(called.frame)
}

/// A stack in which pandas applies a function.
struct Applied {
    /// The user's own code that called `apply`.
    caller: Frame,
    /// The next row is made.
    makes_row: bool,
}

/// The same, if it is pandas that computes.
fn applied(process: &Process, stack: &Stack) -> Option<Applied> {
    let called = called(process, stack)?;
    let is_pandas = |function: &&Function| function.file.contains("/pandas/");
    let computes = called.below.iter().any(is_pandas);
    applied_to(process, stack).filter(|_| computes)
}

fn applied_to(process: &Process, stack: &Stack) -> Option<Applied> {
    let function = |frame: &Frame| process.function(frame.function?);
    let is_at = |frame: &Frame, name: &str| function(frame).is_some_and(|f| is(f, APPLY, name));
    let frames = &stack.frames;
    let at = frames
        .iter()
        .position(|frame| is_at(frame, "apply_series_generator"))?;
    let outer = frames[at..].iter();
    let caller = outer.copied().find(|frame| process.is_own_frame(*frame))?;
    let inner = at.checked_sub(1).map(|below| &frames[below]);
    let makes_row = inner.is_some_and(|frame| {
        is_at(frame, "series_generator")
            && !function(frame).is_some_and(|f| f.name.starts_with(BY_COLUMNS))
    });
    Some(Applied { caller, makes_row })
}

#[cfg(test)]
mod tests {
    use super::applied;
    use crate::diagnose::testing::Model;

    const CORE: &str = "/srv/venv/lib/python3.12/site-packages/pandas/core";

    #[test]
    fn rows_are_told_from_columns_and_the_caller_answers() {
        let mut model = Model::default();
        let apply = model.frame(
            "FrameApply.apply_series_generator",
            &format!("{CORE}/apply.py"),
        );
        let rows = model.frame(
            "FrameColumnApply.series_generator",
            &format!("{CORE}/apply.py"),
        );
        let columns = model.frame(
            "FrameRowApply.series_generator.<locals>.<genexpr>",
            &format!("{CORE}/apply.py"),
        );
        let cell = model.frame("Series.__getitem__", &format!("{CORE}/series.py"));
        let function = model.frame("prices.<locals>.<lambda>", "/srv/app.py");
        let caller = model.frame("prices", "/srv/app.py");
        let of = |frames: &[_]| {
            let found = applied(&model.process, &Model::stack(frames));
            found.map(|found| (found.caller, found.makes_row))
        };
        assert_eq!(of(&[rows, apply, caller]), Some((caller, true)));
        assert_eq!(of(&[columns, apply, caller]), Some((caller, false)));
        assert_eq!(of(&[cell, function, apply, caller]), Some((caller, false)));
        assert_eq!(of(&[function, apply, caller]), None);
    }
}
