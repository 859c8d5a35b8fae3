//! The tables of docs/corpus.md.

use std::{fmt::Write as _, iter};

use super::{
    Run,
    row::{Class, Comparison, Detail, Outcome, Row},
    score::{self, Answers, Score, mean, quantile},
};

/// Tables of runs: a line of figures for each, and all there is to say of the first.
pub fn document(runs: &[Run]) -> String {
    let mut text = String::new();
    sums(&mut text, runs);
    let Some(first) = runs.first() else {
        return text;
    };
    let score = Score::of(&first.rows);
    let _ = writeln!(text, "\n### {}\n", title(first));
    classes(&mut text, &score.pyobserve);
    confusion(&mut text, &score.pyobserve);
    calibration(&mut text, &score);
    misses(&mut text, &first.rows);
    findings(&mut text, &first.rows);
    places(&mut text, &first.rows);
    not_valid(&mut text, &first.rows);
    text
}

fn title(run: &Run) -> String {
    let it = &run.setting;
    format!(
        "CPython {}, {}, {} s: {} at {}, Linux {}, {} CPUs, load {:.1} before",
        it.python, it.noise, it.watched_s, run.date, run.commit, it.kernel, it.cpus, it.load
    )
}

fn two(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"))
}

fn three(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.3}"))
}

fn of(count: score::Count) -> String {
    format!("{} of {}", count.hits, count.of)
}

/// Median and p95 of seconds, which are sorted, and how many those are.
fn first_right(after_s: &[f64]) -> String {
    let say = |share| match quantile(after_s, share) {
        Some(s) if s.is_finite() => format!("{s:.1} s"),
        Some(_) => "never".to_owned(),
        None => "-".to_owned(),
    };
    if after_s.is_empty() {
        return say(0.5);
    }
    format!("{}, {} of {}", say(0.5), say(0.95), after_s.len())
}

fn sums(text: &mut String, runs: &[Run]) {
    let _ = writeln!(
        text,
        "| run | judged | class right | macro-F1 | busy-waiting P / R | idle called otherwise \
         | function | line | detail | time-vector error: mean, p95 | first right verdict: median, p95 | abstained | top | CPU/wall | py-spy |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for run in runs {
        let score = Score::of(&run.rows);
        let spins = score
            .pyobserve
            .classes
            .get(&Class::BusyWaiting)
            .copied()
            .unwrap_or_default();
        let _ = write!(
            text,
            "| {} {}, {} s, {} ({}) | {} of {} | {} of {} | {} | {} / {} | {} | {} | {} | {} | {}, {} | {} | {} |",
            run.setting.python,
            run.setting.noise,
            run.setting.watched_s,
            run.date,
            run.commit,
            score.judged,
            run.rows.len(),
            score.pyobserve.hits,
            score.pyobserve.of,
            three(score.pyobserve.macro_f1()),
            two(spins.precision()),
            two(spins.recall()),
            of(score.idle_false_alarms),
            of(score.functions),
            of(score.lines),
            of(score.details),
            three(mean(&score.time_errors)),
            three(quantile(&score.time_errors, 0.95)),
            first_right(&score.first_right_s),
            score.abstained,
        );
        for (_, answers) in &score.others {
            let _ = write!(text, " {} |", three(answers.macro_f1()));
        }
        text.push('\n');
    }
    text.push_str("\nThe last three columns are macro-F1 of what else a user would have had.\n");
}

fn classes(text: &mut String, answers: &Answers) {
    text.push_str("| class | programs | named | right | precision | recall | F1 |\n|---|---|---|---|---|---|---|\n");
    for class in Class::ALL {
        let Some(score) = answers.classes.get(&class) else {
            continue;
        };
        let _ = writeln!(
            text,
            "| {class} | {} | {} | {} | {} | {} | {} |",
            score.right,
            score.said,
            score.hits,
            two(score.precision()),
            two(score.recall()),
            two(score.f1()),
        );
    }
    text.push('\n');
}

/// What is right down, what was said across.
fn confusion(text: &mut String, answers: &Answers) {
    let pairs = answers.confusion.keys();
    let columns: Vec<Option<Class>> = iter::once(None)
        .chain(Class::ALL.map(Some))
        .filter(|column| pairs.clone().any(|(_, said)| said == column))
        .collect();
    let name = |said: &Option<Class>| said.map_or("no report", Class::name);
    text.push_str("| is \\ called |");
    for said in &columns {
        let _ = write!(text, " {} |", name(said));
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(columns.len()));
    text.push('\n');
    for right in Class::ALL {
        if !pairs.clone().any(|(is, _)| *is == right) {
            continue;
        }
        let _ = write!(text, "| {right} |");
        for said in &columns {
            match answers.confusion.get(&(right, *said)) {
                Some(count) => {
                    let _ = write!(text, " {count} |");
                }
                None => text.push_str("  |"),
            }
        }
        text.push('\n');
    }
    text.push('\n');
}

fn calibration(text: &mut String, score: &Score) {
    let it = &score.calibration;
    let _ = writeln!(
        text,
        "Confidence: Brier score {} (a constant would have {}); mean {} where the class is \
         right, {} where it is wrong.\n\n| confidence | verdicts | mean | right |\n|---|---|---|---|",
        three(it.brier),
        three(it.brier_of_constant),
        two(it.of_hits),
        two(it.of_misses),
    );
    for bin in &it.bins {
        let right = bin.hits as f64 / bin.of.max(1) as f64;
        let _ = writeln!(
            text,
            "| from {:.1} | {} | {:.2} | {right:.2} |",
            bin.from, bin.of, bin.mean_confidence
        );
    }
    text.push('\n');
}

fn judged(rows: &[Row]) -> impl Iterator<Item = (&Row, &Comparison)> {
    rows.iter().filter_map(|row| match &row.outcome {
        Outcome::Judged(it) => Some((row, &**it)),
        Outcome::NotValid(_) | Outcome::NoReport(_) => None,
    })
}

/// Of a cell: no line breaks, no ends of cells.
fn cell(words: &str) -> String {
    words
        .replace('|', "/")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// What was found besides what is proved by the verdict.
fn findings(text: &mut String, rows: &[Row]) {
    let mut lines = String::new();
    for (row, it) in judged(rows) {
        for found in &it.said.findings {
            let place = match (&found.function, found.line) {
                (Some(function), Some(line)) => format!("{function}:{line}"),
                (Some(function), None) => function.clone(),
                _ => "-".to_owned(),
            };
            let _ = writeln!(
                lines,
                "| {} | {} | {} | {} | {place} |",
                row.name, row.class, found.rule, found.severity
            );
        }
    }
    if !lines.is_empty() {
        let _ = writeln!(
            text,
            "Findings:\n\n| program | is | rule | severity | where |\n|---|---|---|---|---|\n{lines}"
        );
    }
}

fn misses(text: &mut String, rows: &[Row]) {
    let _ = writeln!(
        text,
        "Wrong classes:\n\n| program | half | is | called | confidence | because it says |\n|---|---|---|---|---|---|"
    );
    for (row, it) in judged(rows).filter(|(_, it)| !it.class_holds) {
        let said = &it.said;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.2} | {} |",
            row.name,
            row.half.name(),
            judgement(&it.right),
            judgement(&said.verdict),
            said.confidence,
            cell(&said.because),
        );
    }
    for row in rows {
        if let Outcome::NoReport(why) = &row.outcome {
            let _ = writeln!(
                text,
                "| {} | {} | {} | no report | - | {} |",
                row.name,
                row.half.name(),
                row.class,
                cell(why)
            );
        }
    }
    text.push('\n');
}

fn judgement(it: &super::row::Judgement) -> String {
    let mut words = it.class.name().to_owned();
    if let Some(detail) = it.detail {
        let _ = write!(words, " ({detail})");
    }
    if let Some(otherwise) = it.otherwise {
        let _ = write!(words, ", otherwise {otherwise}");
    }
    words
}

/// Classes that are right with another function or detail than the label's.
fn places(text: &mut String, rows: &[Row]) {
    let _ = writeln!(
        text,
        "Right classes with another function or detail:\n\n| program | is | called |\n|---|---|---|"
    );
    let place = |it: &super::row::Judgement| {
        format!(
            "{} in {}",
            it.detail.map_or("-", Detail::name),
            it.function
                .as_deref()
                .map_or_else(|| "-".to_owned(), |name| format!("`{name}`"))
        )
    };
    for (row, it) in judged(rows) {
        let is_elsewhere = it.function_holds == Some(false) || it.detail_holds == Some(false);
        if it.class_holds && is_elsewhere {
            let _ = writeln!(
                text,
                "| {} | {} | {} |",
                row.name,
                cell(&place(&it.right)),
                cell(&place(&it.said.verdict))
            );
        }
    }
    text.push('\n');
}

fn not_valid(text: &mut String, rows: &[Row]) {
    let all: Vec<(&Row, &String)> = rows
        .iter()
        .filter_map(|row| match &row.outcome {
            Outcome::NotValid(why) => Some((row, why)),
            Outcome::Judged(_) | Outcome::NoReport(_) => None,
        })
        .collect();
    let _ = writeln!(text, "Not valid, and counted nowhere: {}.\n", all.len());
    for (row, why) in all {
        let _ = writeln!(text, "- `{}`: {}", row.name, cell(why));
    }
}

#[cfg(test)]
mod tests {
    use super::{Run, document, first_right};
    use crate::corpus::{
        row::{Class, Outcome, Setting},
        score::tests::row,
    };

    #[test]
    fn first_right_verdicts_are_told_with_their_count() {
        assert_eq!(first_right(&[]), "-");
        assert_eq!(
            first_right(&[1.25, 2.0, f64::INFINITY]),
            "2.0 s, never of 3"
        );
    }

    #[test]
    fn a_run_is_told_with_its_misses() {
        let mut broken = row("busy_day", Class::Idle, Class::Idle, 1.0);
        broken.outcome = Outcome::NotValid("no wheel\n for 3.99".to_owned());
        let run = Run {
            date: "2024-02-29".to_owned(),
            commit: "abc1234".to_owned(),
            setting: Setting {
                python: "3.11.7".to_owned(),
                kernel: "6.1.0".to_owned(),
                cpus: 2,
                watched_s: 5.0,
                noise: "N0".to_owned(),
                load: 0.25,
            },
            rows: vec![
                row("rests", Class::Idle, Class::Idle, 0.9),
                row("asks", Class::BusyWaiting, Class::CpuBound, 0.7),
                broken,
            ],
        };
        let text = document(&[run]);
        for line in [
            "| 3.11.7 N0, 5 s, 2024-02-29 (abc1234) | 2 of 3 | 1 of 2 | 0.500 | - / 0.00 | 0 of 1 |",
            "### CPython 3.11.7, N0, 5 s: 2024-02-29 at abc1234, Linux 6.1.0, 2 CPUs, load 0.2 before",
            "| busy-waiting | 1 | 0 | 0 | - | 0.00 | 0.00 |",
            "| busy-waiting | 1 |  |",
            "| asks | tune | busy-waiting | cpu-bound | 0.70 | so it is |",
            "- `busy_day`: no wheel for 3.99",
        ] {
            assert!(text.contains(line), "no {line:?} in:\n{text}");
        }
    }
}
