//! Collapsed stacks and flame graphs.

use crate::fixtures;
use crate::fixtures::{all, profile};
use pyobserve::model::Profile;
use pyobserve::report::{
    Borders, FlameKind, write_collapsed, write_collapsed_off_cpu, write_flamegraph,
};

fn everything() -> Profile {
    profile(all().into_iter().map(|truth| truth.process).collect())
}

fn collapsed(profile: &Profile) -> String {
    let mut out = Vec::new();
    write_collapsed(profile, Borders::Hidden, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn off_cpu(profile: &Profile) -> String {
    let mut out = Vec::new();
    write_collapsed_off_cpu(profile, Borders::Hidden, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn on_cpu_lines_are_root_first_and_count_every_sample() {
    let profile = everything();
    let text = collapsed(&profile);
    let line = "python etl.py (4702);python (4702);<module> (/srv/etl/etl.py:240);run (/srv/etl/etl.py:188);normalise (/srv/etl/etl.py:210) 830";
    assert!(text.lines().any(|l| l == line), "{text}");
    let counted: u64 = text
        .lines()
        .map(|l| l.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum();
    let threads = profile.processes.iter().flat_map(|p| &p.threads);
    assert_eq!(
        counted,
        threads.map(pyobserve::model::Thread::samples).sum::<u64>()
    );
}

#[test]
fn what_is_missing_of_a_stack_is_where_it_is_missing() {
    let whole = fixtures::computing(1).process;
    let cut = |truncated, has_root, partial| {
        let mut process = whole.clone();
        for stack in process.stacks.iter_mut().filter(|s| s.frames.len() == 3) {
            stack.truncated = truncated;
            stack.has_root = has_root;
            stack.partial = partial;
        }
        collapsed(&profile(vec![process]))
    };
    let frames = [
        "<module> (/srv/etl/etl.py:240)",
        "run (/srv/etl/etl.py:188)",
        "normalise (/srv/etl/etl.py:210)",
    ];
    let [root, middle, leaf] = frames;
    for (text, expected) in [
        (cut(false, false, false), frames.join(";")),
        (
            cut(true, true, false),
            format!(";{root};[frames not seen];{middle};{leaf} "),
        ),
        (
            cut(true, false, false),
            format!(";[root not reached];{root};{middle};{leaf} "),
        ),
        (
            cut(false, false, true),
            format!(";[root not reached];{root};{middle};{leaf} "),
        ),
    ] {
        assert!(text.contains(&expected), "{expected}: {text}");
    }
}

#[test]
fn off_cpu_lines_end_in_the_wait() {
    let text = off_cpu(&everything());
    let line = text.lines().find(|l| l.contains("fetch_orders")).unwrap();
    assert!(
        line.ends_with(";[net-recv 10.0.0.5:5432 postgresql] 9110000"),
        "{line}"
    );
}

#[test]
fn names_cannot_break_the_format() {
    let mut process = fixtures::computing(1).process;
    for function in &mut process.functions {
        function.name = "a;b\nc \u{1b}[31m".to_owned();
    }
    let profile = profile(vec![process]);
    let plain = collapsed(&Profile {
        processes: vec![fixtures::computing(1).process],
        ..profile.clone()
    });
    let hostile = collapsed(&profile);
    let depths = |text: &str| -> Vec<usize> {
        let mut depths: Vec<usize> = text.lines().map(|l| l.matches(';').count()).collect();
        depths.sort_unstable();
        depths
    };
    assert_eq!(depths(&plain), depths(&hostile), "{hostile}");
}

#[test]
fn flame_graphs_are_pictures_and_an_empty_one_says_so() {
    for kind in [FlameKind::OnCpu, FlameKind::OffCpu] {
        for (profile, expected) in [
            (everything(), "fetch_orders"),
            (profile(Vec::new()), "nothing was seen"),
        ] {
            let mut out = Vec::new();
            write_flamegraph(&profile, kind, Borders::Hidden, &mut out).unwrap();
            let svg = String::from_utf8(out).unwrap();
            assert!(svg.contains("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(
                svg.contains(expected),
                "{expected} is missing ({})",
                kind.suffix()
            );
        }
    }
}
