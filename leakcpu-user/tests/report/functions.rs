//! The table of functions, as a person reads it.

use pyobserve::{
    model::{Called, CalledAt, Calls, FunctionOrder, Process, StackId, Tid},
    report::{TextOptions, write_functions_text, write_pstats},
};

use crate::fixtures::{self, profile};

/// A process some stack of which was passed so often in a moment.
fn called(count: u64, calls: &Calls) -> Process {
    let mut process = fixtures::all().remove(0).process;
    process.calls = Some(Calls {
        places: vec![CalledAt {
            what: Called::Function,
            tid: Tid(7),
            stack: StackId(1),
            line: None,
            count,
        }],
        has_functions: true,
        ..calls.clone()
    });
    process
}

fn text(process: Process) -> String {
    let profile = profile(vec![process]);
    let process = &profile.processes[0];
    let tables = [(process, process.function_table(FunctionOrder::Ncalls))];
    let options = TextOptions::default();
    let mut out = Vec::new();
    write_functions_text(&profile, &tables, &options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn counts_of_moments_are_marked_as_estimated() {
    let moments = Calls {
        watched_ns: 10_000_000_000,
        armed_ns: 100_000_000,
        lost_ns: 50_000_000,
        ..Calls::default()
    };
    let text = text(called(1_000, &moments));
    assert!(text.contains("~200,000"), "{text}");
    assert!(
        text.contains("ncalls estimated from 100 ms of 10.0 s in which they were counted (±45 %)"),
        "{text}"
    );
}

#[test]
fn counts_of_all_the_time_are_not() {
    let exact = Calls {
        is_exact: true,
        watched_ns: 10_000_000_000,
        armed_ns: 10_000_000_000,
        lost_ns: 5_000_000_000,
        ..Calls::default()
    };
    let text = text(called(1_000, &exact));
    assert!(
        text.contains("ncalls counted; the program lost at least 50 %"),
        "{text}"
    );
    assert!(text.contains(" 1,000 ") && !text.contains('~'), "{text}");
}

#[test]
fn without_counts_there_are_times() {
    let text = text(fixtures::all().remove(0).process);
    assert!(text.contains("filename:lineno(function)"), "{text}");
    assert!(text.contains("ncalls: not known whether"), "{text}");
}

#[test]
fn the_file_for_pstats_begins_and_ends_as_a_dictionary() {
    let process = called(3, &Calls::default());
    let rows = process.function_table(FunctionOrder::Tottime);
    let mut bytes = Vec::new();
    write_pstats(&process, &rows, &mut bytes).unwrap();
    assert_eq!(bytes.first(), Some(&b'{'));
    assert_eq!(bytes.last(), Some(&b'0'));
    let name = process.function(rows[0].function).unwrap().plain_name();
    let has = |part: &[u8]| bytes.windows(part.len()).any(|found| found == part);
    assert!(has(name.as_bytes()));
}
