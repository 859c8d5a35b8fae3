//! The text report: golden files, and what must hold whatever they say.
//! `UPDATE_GOLDEN=1 cargo test -p leakcpu-user --test report` rewrites them.

use crate::fixtures;
use leakcpu_common::counters::Counter;
use std::path::PathBuf;

use crate::fixtures::{Truth, all, five_busy, host_of_200, profile};
use pyobserve::classify::classify;
use pyobserve::diagnose::{Settings, diagnose};
use pyobserve::model::{Process, Profile, UserLoss};
use pyobserve::report::{TextOptions, write_text};
use unicode_width::UnicodeWidthStr;

const WIDTHS: [usize; 3] = [80, 120, 200];

fn text(profile: &Profile, options: TextOptions) -> String {
    let classification = classify(profile);
    let findings = diagnose(profile, &classification, &Settings::default());
    let mut out = Vec::new();
    write_text(profile, &classification, &findings, &options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn piped(profile: &Profile, width: usize) -> String {
    text(
        profile,
        TextOptions {
            width,
            ..TextOptions::default()
        },
    )
}

fn processes(truths: Vec<Truth>) -> Vec<Process> {
    truths.into_iter().map(|truth| truth.process).collect()
}

/// What stays of a qualified name where room is short.
fn plain(function: &str) -> &str {
    function.rsplit('.').next().unwrap()
}

/// Compares with the golden file, or rewrites it.
fn golden(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display()));
    assert_eq!(actual, expected, "differs from {}", path.display());
}

#[test]
fn golden_each_alone() {
    for (name, truth) in [
        ("computing", fixtures::computing(4702)),
        ("database", fixtures::database(4690)),
        ("poller", fixtures::poller(4711)),
        ("micro-sleeper", fixtures::micro_sleeper(5001)),
        ("gil-fight", fixtures::gil_fight(4733)),
        ("starved", fixtures::starved(4740)),
        ("mixed", fixtures::mixed(5010)),
        ("idle-server", fixtures::idle_server(4650)),
        ("unreadable", fixtures::unreadable(5020)),
        ("exited", fixtures::exited(5030)),
        ("brief", fixtures::brief(5040)),
    ] {
        let profile = profile(vec![truth.process]);
        for width in WIDTHS {
            golden(&format!("one-{name}-{width}.txt"), &piped(&profile, width));
        }
    }
}

#[test]
fn golden_five_and_two_hundred() {
    let five = profile(processes(five_busy()));
    let many = profile(host_of_200());
    let mixed = profile(processes(all()));
    for width in WIDTHS {
        golden(&format!("five-{width}.txt"), &piped(&five, width));
        golden(&format!("two-hundred-{width}.txt"), &piped(&many, width));
        let options = TextOptions {
            width,
            color: false,
            all: true,
        };
        golden(&format!("each-all-{width}.txt"), &text(&mixed, options));
        let options = TextOptions {
            width,
            color: true,
            all: false,
        };
        golden(&format!("each-colour-{width}.txt"), &text(&mixed, options));
    }
}

#[test]
fn golden_nothing_runs() {
    let empty = profile(Vec::new());
    golden("none-80.txt", &piped(&empty, 80));
    assert!(piped(&empty, 80).contains("no Python process is running"));
}

#[test]
fn golden_losses_and_warnings() {
    let mut lossy = profile(processes(five_busy()));
    lossy.loss.insert(UserLoss::SamplesLost.into(), 12);
    lossy.loss.insert(Counter::StacksTruncated.into(), 3);
    lossy
        .warnings
        .push("pid 77 is not a Python process: skipped".to_owned());
    let said = piped(&lossy, 80);
    golden("lossy-80.txt", &said);
    for part in [
        "12 samples lost",
        "3 stacks (<1 %) cut",
        "pid 77 is not a Python",
    ] {
        assert!(said.contains(part), "{part} is missing from\n{said}");
    }
    assert!(!said.contains("nothing lost"));
}

#[test]
fn each_text_alone_answers() {
    for width in WIDTHS {
        for truth in all() {
            let pid = truth.process.pid;
            let said = piped(&profile(vec![truth.process]), width);
            let mut parts = vec![pid.to_string(), truth.class.to_owned()];
            if let Some((function, file, line)) = truth.place {
                parts.extend([plain(function).to_owned(), format!("{file}:{line}")]);
            }
            for part in parts {
                assert!(
                    said.contains(&part),
                    "{part} is missing at {width} from\n{said}"
                );
            }
            let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains("-> "), "{said}");
            assert!(
                flat.contains(truth.step),
                "{} is missing at {width} from\n{said}",
                truth.step
            );
        }
    }
}

#[test]
fn five_busy_processes_fit_on_a_screen_and_all_are_answered() {
    for width in WIDTHS {
        let mut with_idle = processes(five_busy());
        with_idle.push(fixtures::idle_server(4650).process);
        for processes in [processes(five_busy()), with_idle] {
            let said = piped(&profile(processes), width);
            let lines = said.lines().count();
            assert!(lines <= 25, "{lines} lines at {width}:\n{said}");
            let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
            for truth in five_busy() {
                let (function, file, line) = truth.place.unwrap();
                for part in [
                    truth.class,
                    truth.step,
                    plain(function),
                    &format!("{file}:{line}"),
                ] {
                    assert!(
                        flat.contains(part),
                        "{part} is missing at {width} from\n{said}"
                    );
                }
            }
        }
    }
}

#[test]
fn two_hundred_processes_do_not_bury_the_busy_ones() {
    for width in WIDTHS {
        let said = piped(&profile(host_of_200()), width);
        assert!(said.lines().count() <= 25, "{said}");
        assert!(said.contains("195  idle:"));
        for truth in five_busy() {
            assert!(said.contains(&truth.process.pid.to_string()));
        }
    }
}

#[test]
fn two_hundred_busy_processes_all_have_their_line() {
    let processes: Vec<Process> = (0..200)
        .map(|i| fixtures::computing(20_000 + i).process)
        .collect();
    let said = piped(&profile(processes), 80);
    for pid in 20_000..20_200_u32 {
        assert!(said.contains(&pid.to_string()));
    }
    assert!(said.contains("190 more"), "{said}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let mut processes = processes(all());
    let mut wide = fixtures::database(123_456_789).process;
    for function in &mut wide.functions {
        function.name = "数据处理".repeat(30);
        function.file = format!("/srv/{}/模块.py", "sehr_langer_ordner/".repeat(20));
    }
    wide.cmdline = vec!["python".to_owned(), format!("/x/{}.py", "y".repeat(200))];
    processes.push(wide);
    let mut profile = profile(processes);
    profile.warnings.push("word ".repeat(60));
    for width in 30..210 {
        for all in [false, true] {
            let options = TextOptions {
                width,
                color: false,
                all,
            };
            for line in text(&profile, options).lines() {
                assert!(line.width() <= width, "{} > {width}: {line}", line.width());
            }
        }
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let profile = profile(processes(all()));
    let options = TextOptions {
        width: 120,
        color: true,
        all: false,
    };
    let coloured = text(&profile, options);
    let plain = piped(&profile, 120);
    assert!(coloured.contains('\u{1b}'));
    assert!(!plain.contains('\u{1b}'));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some(start) = rest.find('\u{1b}') {
        stripped.push_str(&rest[..start]);
        rest = &rest[start + rest[start..].find('m').unwrap() + 1..];
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain);
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let mut process = fixtures::computing(4702).process;
    process.functions.iter_mut().for_each(|f| {
        f.name = format!("{}\u{1b}]0;owned\u{7}", f.name);
        f.file = format!("{}\r\n\u{202e}", f.file);
    });
    process.cmdline[1].push_str("\u{1b}[2J");
    let mut profile = profile(vec![process]);
    profile.host.hostname = "web\u{1b}[31m".to_owned();
    profile.warnings.push("a\u{9b}31mb".to_owned());
    let said = piped(&profile, 120);
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!said.contains(bad), "{said:?}");
    assert!(said.contains("normalise"));
}

#[test]
fn a_small_finding_does_not_take_the_place_of_the_next_step() {
    let profile = profile(vec![fixtures::poller(4711).process]);
    let classification = classify(&profile);
    let mut settings = Settings::default();
    settings.thresholds.high_ns_per_s = u64::MAX;
    settings.thresholds.medium_ns_per_s = u64::MAX;
    let findings = diagnose(&profile, &classification, &settings);
    let options = TextOptions {
        width: 200,
        color: false,
        all: false,
    };
    let mut out = Vec::new();
    write_text(&profile, &classification, &findings, &options, &mut out).unwrap();
    let said = String::from_utf8(out).unwrap();
    let found = &findings.processes[0];
    assert_ne!(found.findings[0].fix, found.next_step);
    for part in [&found.findings[0].fix, &found.next_step] {
        assert!(said.contains(part), "{part} is missing from\n{said}");
    }
}
