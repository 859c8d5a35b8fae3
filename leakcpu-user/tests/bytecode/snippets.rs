//! Loops with a known judgement, compiled by every interpreter.

use std::collections::BTreeMap;

use pyobserve::bytecode::{Analysis, Does, Judgement, LoopJudgement, SeenCallees};

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
