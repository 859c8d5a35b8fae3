//! Bad input: a clear message, the documented exit code, the rest of the report intact.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use leakcpu_tests::{
    interpreter, observe,
    problems::Problems,
    report::{is_called, text},
    workload::{self, Workload},
};

/// A pid that no process has: one that has just ended.
fn dead_pid() -> String {
    let mut child = Command::new("true").spawn().expect("`true` can be started");
    let pid = child.id();
    child.wait().expect("our own child can be waited for");
    pid.to_string()
}

/// Runs `pyobserve` with each list of arguments: the exit code must be as told and
/// the message hold the words.
fn table(rows: &[(&[&str], i32, &str)]) {
    let mut problems = Problems::new();
    for (args, code, words) in rows {
        problems.about(format!("{args:?}"));
        let outcome = observe::run(args);
        problems.equal("exit code", &outcome.status.code(), &Some(*code));
        problems.check(
            outcome.stderr.contains(words),
            format!("no `{words}` in {:?}", outcome.stderr),
        );
        problems.equal("stdout", &outcome.stdout.as_str(), &"");
        problems.check(
            !outcome.stderr.contains("panicked"),
            format!("a panic: {}", outcome.stderr),
        );
    }
    problems.finish();
}

#[test]
fn arguments_that_make_no_sense_are_usage_errors() {
    table(&[
        (&["classify", "-d", "0"], 2, "duration"),
        (&["classify", "-d", "0s"], 2, "duration"),
        (&["classify", "-d", "soon"], 2, "duration"),
        (&["classify", "-d", "-3"], 2, ""),
        (&["classify", "-d", "48h"], 2, "longer than a day"),
        (&["classify", "-r", "0"], 2, "rate"),
        (&["classify", "-r", "20khz"], 2, "rate"),
        (&["classify", "-r", "fast"], 2, "rate"),
        (&["classify", "-p", "0"], 2, "pid"),
        (&["classify", "-p", "self"], 2, "pid"),
        (&["classify", "-p", "99999999999"], 2, "pid"),
        (&["classify", "--format", "pdf"], 2, "pdf"),
        (&["classify", "--format", "flamegraph"], 2, "-o"),
        (
            &["classify", "-o", "no/such/folder/report"],
            2,
            "no/such/folder",
        ),
        (&["classify", "--exit-status"], 2, "CMD"),
        (&["classify", "-p", "1", "--", "true"], 2, ""),
        (&["classify", "--max-frames", "1"], 2, "max-frames"),
        (&["classify", "--ring-buffer", "3000"], 2, "power of two"),
        (&["classify", "--fail-on", "slow"], 2, "slow"),
        (&["explain"], 2, "explain"),
        (&[], 2, "Usage"),
    ]);
}

#[test]
fn a_configuration_that_is_wrong_or_not_there_is_named() {
    let wrong = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    fs::write(&wrong, "[rules]\noff = [\"cpu.nothing\"]\n").expect("it can be written");
    let wrong = wrong
        .path()
        .to_str()
        .expect("a temporary path is plain text");
    for command in ["classify", "spins"] {
        table(&[
            (&[command, "--config", "no/such/file"], 1, "no/such/file"),
            (&[command, "--config", wrong], 2, "cpu.nothing"),
        ]);
    }
}

#[test]
fn what_cannot_be_watched_is_said_with_exit_code_1() {
    let mut sleep = Command::new("sleep")
        .arg("1000")
        .spawn()
        .expect("`sleep` can be started");
    let (strange, dead) = (sleep.id().to_string(), dead_pid());
    table(&[
        (&["classify", "-d", "1s", "-p", &dead], 1, &dead),
        (&["classify", "-d", "1s", "-p", &strange], 1, &strange),
        (
            &["classify", "-d", "1s", "-p", &strange, "-p", &dead],
            1,
            &dead,
        ),
        (&["classify", "-d", "1s", "-p", "4194304"], 1, "4194304"),
        // A kernel thread.
        (&["classify", "-d", "1s", "-p", "2"], 1, "2"),
        (
            &["classify", "--", "no-such-command-anywhere"],
            1,
            "no-such-command-anywhere",
        ),
        (&["classify", "--", "/"], 1, "/"),
    ]);
    sleep.kill().expect("our own child can be killed");
    sleep.wait().expect("our own child can be waited for");
}

#[test]
fn one_dead_pid_among_several_is_a_warning() {
    let workload = Workload::start::<&str>(interpreter::newest(), "demo_wait.py", &[]);
    let (pid, dead) = (workload.pid.to_string(), dead_pid());
    let args = ["classify", "-d", "1s", "-p", &dead, "-p", &pid];
    let mut with_json = args.to_vec();
    with_json.push("--json");
    let report = observe::run(&with_json).report();
    assert!(
        report.warnings().contains(&dead),
        "{}",
        report.0["warnings"]
    );
    assert_eq!(report.processes().len(), 1);
    assert_eq!(
        text(&report.process(workload.pid)["verdict"], "class"),
        "io-bound"
    );
    let shown = observe::run(&args);
    assert_eq!(shown.code(), 0);
    let all = shown.stdout + &shown.stderr;
    assert!(all.contains(&dead) && all.contains("fetch_price"), "{all}");
    workload.finish();
}

#[test]
fn a_command_that_is_no_python_is_reported_without_processes() {
    let outcome = observe::run(&[
        "classify",
        "--json",
        "--exit-status",
        "--",
        "sh",
        "-c",
        "exit 4",
    ]);
    assert_eq!(outcome.code(), 4, "{}", outcome.stderr);
    let outcome = observe::run(&["classify", "--json", "--", "true"]);
    assert_eq!(outcome.report().processes().len(), 0);
}

#[test]
fn without_privileges_it_says_what_the_doctor_says_with_exit_code_4() {
    let setpriv = Command::new("setpriv").arg("--version").output();
    if !setpriv.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: there is no setpriv");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let binary = folder.path().join("pyobserve");
    for (path, copy) in [(folder.path(), false), (&*binary, true)] {
        if copy {
            fs::copy(observe::binary(), path).expect("the binary can be copied");
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
            .expect("our own file can be changed");
    }
    let as_nobody = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--inh-caps=-all",
            ])
            .args(["--bounding-set=-all", "--no-new-privs", "--"])
            .arg(&binary)
            .args(args);
        observe::tidy(&mut command);
        observe::finish(command)
    };
    let mut problems = Problems::new();
    let outcome = as_nobody(&["classify", "-d", "1s"]);
    problems.equal("exit code of classify", &outcome.code(), &4);
    problems.equal("stdout of classify", &outcome.stdout.as_str(), &"");
    for words in ["FAIL", "CAP_BPF", "doctor", "sudo"] {
        problems.check(
            outcome.stderr.contains(words),
            format!("no `{words}` in {}", outcome.stderr),
        );
    }
    let doctor = as_nobody(&["doctor"]);
    problems.equal("exit code of doctor", &doctor.code(), &4);
    for line in outcome
        .stderr
        .lines()
        .filter(|line| line.starts_with("FAIL"))
    {
        problems.check(
            doctor.stdout.contains(line),
            format!("the doctor does not say: {line}"),
        );
    }
    let json = as_nobody(&["doctor", "--json"]);
    problems.equal("exit code of doctor --json", &json.code(), &4);
    problems.check(json.stdout.contains("\"ok\":false"), &json.stdout);
    problems.finish();
}

#[test]
fn broken_files_in_the_memory_map_disturb_nothing() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        problems.about(&python.version);
        let workload = Workload::start::<&str>(python, "foreign.py", &[]);
        let report = observe::classify(workload.pid, "1s", &[]);
        let process = report.process(workload.pid);
        problems.check(process["unreadable"].is_null(), &process["unreadable"]);
        let blame = &process["verdict"]["blame"];
        problems.check(
            blame["function"]
                .as_str()
                .is_some_and(|f| is_called(f, "spin_over")),
            format!("{blame} is to blame"),
        );
        workload.finish();
    }
    problems.finish();
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let mut problems = Problems::new();
    let mut command = Command::new(&interpreter::newest().path);
    interpreter::tidy(&mut command)
        .arg("-B")
        .arg(workload::script("foreign.py"))
        .args(["--seconds", "1000"]);
    // Its name among the processes, too.
    std::os::unix::process::CommandExt::arg0(&mut command, "py\u{1b}[2Jthon\u{202e}\n\u{7}");
    let workload = Workload::spawn(command, "hostile foreign.py");
    let pid = workload.pid.to_string();
    for format in ["text", "collapsed"] {
        problems.about(format);
        let outcome = observe::run(&["classify", "-p", &pid, "-d", "1s", "--format", format]);
        problems.equal("exit code", &outcome.code(), &0);
        problems.check(outcome.stdout.contains(&pid), &outcome.stdout);
        for bad in ['\u{1b}', '\u{7}', '\u{202e}', '\r'] {
            problems.check(
                !outcome.stdout.contains(bad),
                format!("{:?}", outcome.stdout),
            );
        }
    }
    problems.finish();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let workload = Workload::start::<&str>(interpreter::newest(), "demo_wait.py", &[]);
    let pid = workload.pid.to_string();
    for extra in [&["--json"][..], &["--all"]] {
        let mut args = vec!["classify", "-p", &pid, "-d", "500ms"];
        args.extend(extra);
        let mut child = observe::command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pyobserve can be started");
        // As `| head -0` would: gone before anything is written.
        drop(child.stdout.take());
        let said = BufReader::new(child.stderr.take().expect("stderr is piped"))
            .lines()
            .map_while(Result::ok)
            .collect::<Vec<_>>();
        let status = child.wait().expect("our own child can be waited for");
        assert_eq!(status.code(), Some(0), "{extra:?}: {said:?}");
        assert!(said.is_empty(), "{extra:?}: {said:?}");
    }
    workload.finish();
}

#[test]
fn colours_come_only_when_wanted() {
    let workload = Workload::start::<&str>(interpreter::newest(), "demo_wait.py", &[]);
    let pid = workload.pid.to_string();
    let mut problems = Problems::new();
    let coloured = |extra: &[&str], variables: &[(&str, &str)]| {
        let mut args: Vec<&str> = vec!["classify", "-p", &pid, "-d", "300ms"];
        args.extend(extra);
        let mut command = observe::command(&args);
        command.envs(
            variables
                .iter()
                .map(|(k, v)| (OsStr::new(k), OsStr::new(v))),
        );
        let outcome = observe::finish(command);
        assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
        outcome.stdout.contains('\u{1b}')
    };
    problems.equal("colours in a pipe", &coloured(&[], &[]), &false);
    problems.equal(
        "--color always",
        &coloured(&["--color", "always"], &[]),
        &true,
    );
    problems.equal(
        "--color never",
        &coloured(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]),
        &false,
    );
    problems.equal(
        "CLICOLOR_FORCE",
        &coloured(&[], &[("CLICOLOR_FORCE", "1")]),
        &true,
    );
    problems.equal(
        "NO_COLOR",
        &coloured(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]),
        &false,
    );
    workload.finish();
    problems.finish();
}

#[test]
fn a_kernel_without_btf_is_said_by_the_preflight() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    // In a mount namespace of its own the kernel's BTF is hidden.
    let script = r#"mount --bind "$1" /sys/kernel/btf && exec "$2" classify -d 100ms"#;
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(empty.path())
        .arg(observe::binary())
        .output()
        .expect("`unshare` can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.starts_with("unshare:") || stderr.starts_with("mount:") {
        eprintln!("skipped: no mount namespace to hide BTF in: {stderr}");
        return;
    }
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("FAIL kernel BTF"), "{stderr}");
    assert!(stderr.contains("CONFIG_DEBUG_INFO_BTF"), "{stderr}");
    assert!(output.stdout.is_empty());
}
