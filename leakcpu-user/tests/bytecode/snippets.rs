//! Loops with a known judgement, compiled by every interpreter.

use std::collections::BTreeMap;

use pyobserve::bytecode::{
    Analysis, Does, Judgement, LoopJudgement, Place, Sample, SampledCode, SeenCallees,
    leave_results,
};

use crate::{codes, on_each, record::Record};

#[test]
fn loops_are_judged_as_their_names_say() {
    on_each(|python| {
        let mut wrong = Vec::new();
        let mut judged: BTreeMap<Judgement, u32> = BTreeMap::new();
        codes(python, &["snippets"], |line| {
            let record: Record = serde_json::from_str(line).expect("a line is a record");
            let mut words = record.name.split('_');
            let expected = match words.next() {
                Some("spin") => Judgement::Spin,
                Some("poll") => Judgement::Poll,
                Some("work") => Judgement::Work,
                Some("unknown") => Judgement::Unknown,
                _ => return,
            };
            let has_quiet_way = words.next() == Some("quiet");
            if record.name.contains('<') {
                return; // an inner function
            }
            let found = match outermost(&record) {
                Ok(found) => found,
                Err(why) => {
                    wrong.push(format!("{}: {why}", record.name));
                    return;
                }
            };
            *judged.entry(found.judgement).or_default() += 1;
            let is_right = found.judgement == expected
                && (!has_quiet_way || found.quiet.is_some())
                // Of the whole loop there is no part.
                && (found.quiet.is_none() || !matches!(expected, Judgement::Spin | Judgement::Poll));
            if !is_right {
                wrong.push(format!("{} is judged {found:?}", record.name));
            }
        });
        eprintln!("{python}: {judged:?}");
        if judged.len() < 4 {
            wrong.push(format!("only {judged:?} were judged"));
        }
        wrong
    });
}

fn outermost(record: &Record) -> Result<LoopJudgement, String> {
    let analysis = Analysis::of(record.code()).map_err(|why| why.to_string())?;
    let outermost = analysis.loops().last().ok_or("it has no loop")?;
    Ok(analysis.judge(outermost, &SeenCallees::default()))
}

#[test]
fn functions_do_as_their_names_say() {
    on_each(|python| {
        let mut wrong = Vec::new();
        let mut judged: BTreeMap<Option<Does>, u32> = BTreeMap::new();
        codes(python, &["snippets"], |line| {
            let record: Record = serde_json::from_str(line).expect("a line is a record");
            let expected = match record.name.split('_').next() {
                Some("looks") => Some(Does::Nothing),
                Some("raises") => Some(Does::NothingIfItRaises),
                Some("acts") => None,
                _ => return,
            };
            if record.name.contains('<') {
                return; // an inner function
            }
            let analysis = Analysis::of(record.code()).expect("it was compiled");
            let judgement = analysis.judge_function(&SeenCallees::default());
            // All of them begin so.
            let begin = analysis
                .instructions()
                .first()
                .map_or(0, |first| first.offset);
            let does = judgement.does(&[begin]);
            *judged.entry(does).or_default() += 1;
            if does != expected {
                wrong.push(format!("{} is judged {judgement:?}", record.name));
            }
        });
        eprintln!("{python}: {judged:?}");
        if judged.len() < 3 {
            wrong.push(format!("only {judged:?} were judged"));
        }
        wrong
    });
}

#[test]
fn loops_that_leave_results_are_told_from_those_that_count() {
    const RESULTS: [&str; 6] = [
        "work_sum",
        "work_swap",
        "work_newton",
        "work_linked_list",
        "work_next",
        "work_global",
    ];
    const NONE: [&str; 3] = [
        "work_counter",
        "work_capped_counter",
        "work_empty_benchmark",
    ];
    on_each(|python| {
        let mut wrong = Vec::new();
        let mut looked_at = 0;
        codes(python, &["snippets"], |line| {
            let record: Record = serde_json::from_str(line).expect("a line is a record");
            let waits = record.name.starts_with("spin_") || record.name.starts_with("poll_");
            let expected = RESULTS.contains(&&*record.name);
            if !expected && !NONE.contains(&&*record.name) && !waits || record.name.contains('<') {
                return;
            }
            looked_at += 1;
            let sampled = SampledCode {
                analysis: Analysis::of(record.code()).expect("it was compiled"),
                name: &record.name,
                is_standard: false,
            };
            let outermost = sampled.analysis.loops().last().expect("it has a loop");
            let place = Place {
                code: 0,
                offset: outermost.header,
                called_from_c: false,
            };
            let sample = Sample {
                places: vec![None, Some(place)],
                count: 30,
            };
            let mut code = |_| Some(&sampled);
            if leave_results(&[sample], 30, &mut code) != expected {
                wrong.push(record.name.clone());
            }
        });
        if looked_at <= RESULTS.len() + NONE.len() {
            wrong.push(format!("only {looked_at} were looked at"));
        }
        wrong
    });
}
