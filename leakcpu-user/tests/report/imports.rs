//! The tree of what was imported, as a person reads it.

use pyobserve::{
    model::{ImportedModule, Imports, Tid},
    report::{TextOptions, write_imports_text},
};

use crate::fixtures::{self, profile};

fn module(name: &str, parent: Option<usize>, total_ms: u64) -> ImportedModule {
    ImportedModule {
        module: name.to_owned(),
        tid: Tid(7),
        parent,
        found: Some(true),
        start_ns: 0,
        total_ns: total_ms * 1_000_000,
        on_cpu_ns: total_ms * 1_000_000,
        blocked_ns: 0,
    }
}

fn text(modules: Vec<ImportedModule>, all: bool) -> String {
    let profile = profile(vec![fixtures::all().remove(0).process]);
    let imports = Imports {
        is_whole: true,
        modules,
        ..Imports::default()
    };
    let options = TextOptions {
        all,
        ..TextOptions::default()
    };
    let mut out = Vec::new();
    let found = [(&profile.processes[0], imports)];
    write_imports_text(&profile, &found, &options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Names in the order and with the indent that they have.
fn names(text: &str) -> Vec<String> {
    text.lines()
        .skip(2)
        .take_while(|line| !line.contains(" more took "))
        .filter_map(|line| line.get(42..))
        .map(str::to_owned)
        .collect()
}

#[test]
fn what_took_longest_comes_first_below_its_importer() {
    let modules = vec![
        module("small", None, 30),
        module("large", None, 900),
        module("large.a", Some(1), 100),
        module("large.b", Some(1), 500),
        module("large.b.c", Some(3), 400),
        module("tiny", None, 1),
        module("tiny.part", Some(5), 1),
    ];
    let short = text(modules.clone(), false);
    assert_eq!(
        names(&short),
        ["large", "  large.b", "    large.b.c", "  large.a", "small",],
        "{short}"
    );
    assert!(
        short.ends_with("\n  2 more took 1.0 ms together, less than 1 % each (--all shows them)\n")
    );
    let row = short.lines().find(|line| line.ends_with(" large")).unwrap();
    let times: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(times[..4], ["900", "ms", "300", "ms"], "{row}");
    let long = text(modules, true);
    assert_eq!(names(&long)[5..], ["tiny", "  tiny.part"], "{long}");
}

#[test]
fn names_are_safe_and_deep_trees_stay_on_the_screen() {
    let mut modules = vec![module("evil\u{1b}[2J", None, 100)];
    for depth in 0..500 {
        modules.push(module(&format!("m{depth}"), Some(depth), 100));
    }
    let text = text(modules, true);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_eq!(text.lines().count(), 503);
    assert!(text.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn nothing_is_said_to_be_nothing() {
    assert_eq!(text(Vec::new(), false), "no import was seen\n");
}
