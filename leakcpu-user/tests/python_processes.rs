//! Which processes are taken for Python, and the answers for those that are not.

mod support;

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
    time::{Duration, Instant},
};

use leakcpu_common::stack::RawFrame;
use pyobserve::{
    discovery::{Discovery, DiscoveryError, Inspection, SyscallState, syscall_state},
    elf::{Image, Wanted},
    interpreter::{
        AttachError, Interpreters, ParkedStack, PythonProcess, RemoteError, layout::LayoutError,
        parked, read_code, read_witness, running_state, threads,
    },
    symbolize::{CodeTable, NoName, Sight, Symbolizer},
};
use support::{Running, interpreter};

fn sleeping() -> Running {
    let mut command = Command::new("sleep");
    command.arg("100000");
    Running::start(command)
}

fn attach_error(pid: u32) -> AttachError {
    Interpreters::new()
        .attach_pid(&mut Discovery::new(), pid)
        .expect_err("it is not Python")
}

fn wait_until_gone(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !Interpreters::new()
        .attach_pid(&mut Discovery::new(), pid)
        .is_err_and(|e| e.is_gone())
    {
        assert!(Instant::now() < deadline);
    }
}

/// Asks until the process has left the kernel's exec.
fn settled_error(pid: u32) -> AttachError {
    loop {
        let error = attach_error(pid);
        if !matches!(error, AttachError::NotReadyYet { .. }) {
            return error;
        }
    }
}

#[test]
fn what_is_not_python_is_refused() {
    let mut sleeper = sleeping();
    let pid = sleeper.pid();
    assert!(matches!(settled_error(pid), AttachError::NotPython { pid: found } if found == pid));
    sleeper.child.kill().unwrap();
    // Dead, not yet collected: a zombie once the signal has done its work.
    wait_until_gone(pid);
    sleeper.child.wait().unwrap();
    assert!(attach_error(pid).is_gone());
    assert!(matches!(
        attach_error(5_000_000),
        AttachError::Discovery(DiscoveryError::Gone { pid: 5_000_000 })
    ));
}

#[test]
fn kernel_threads_are_not_processes() {
    // kthreadd, where this is the initial pid namespace.
    let is_kthreadd =
        std::fs::read_to_string("/proc/2/comm").is_ok_and(|comm| comm == "kthreadd\n");
    if !is_kthreadd {
        eprintln!("SKIPPED: no kernel threads in this pid namespace");
        return;
    }
    assert!(matches!(
        Discovery::new().inspect(2),
        Ok(Inspection::KernelThread)
    ));
}

#[test]
fn older_versions_are_refused_with_a_reason() {
    let Some(python) = interpreter::found().iter().find(|python| python.minor == 7) else {
        eprintln!("SKIPPED: no python3.7 on this machine");
        return;
    };
    let mut command = python.command();
    command.args(["-c", "print('READY', flush=True); input()"]);
    let mut running = Running::start(command);
    running.line();
    let error = attach_error(running.pid());
    assert!(matches!(error, AttachError::Layout(_)), "{error}");
    assert!(
        error.to_string().contains("3.7") && error.to_string().contains("older"),
        "{error}"
    );
    assert!(!error.how_to_fix().is_empty());
}

/// A copy of an interpreter that says it is 3.99: nothing of it is guessed.
#[test]
fn newer_versions_are_refused_with_a_reason() {
    // One that has `Py_Version` in its executable.
    let claims = |python: &interpreter::Interpreter| {
        let bytes = std::fs::read(python.file()).ok()?;
        let image = Image::parse(bytes.as_slice()).ok()?;
        let [version] = image.symbols(Wanted::Exported, ["Py_Version"]).ok()?;
        let address = version?.address;
        let segment = image.load_segments().into_iter().find(|segment| {
            (segment.address..segment.address + segment.file_bytes).contains(&address)
        })?;
        let at = usize::try_from(address - segment.address + segment.file_offset).ok()?;
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&0x0363_00f0_u32.to_le_bytes());
        Some(bytes)
    };
    let Some((python, bytes)) = interpreter::supported_here()
        .into_iter()
        .find_map(|python| claims(python).map(|bytes| (python, bytes)))
    else {
        eprintln!("SKIPPED: no interpreter here has Py_Version in its executable");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("python3.99");
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(path);
    // Where the original's standard library is.
    command
        .env(
            "PYTHONHOME",
            python.path.parent().unwrap().parent().unwrap(),
        )
        .args(["-c", "print('READY', flush=True); input()"]);
    let mut running = Running::start(command);
    running.line();
    let error = attach_error(running.pid());
    assert!(
        matches!(error, AttachError::Layout(LayoutError::TooNew { .. })),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("Python 3.99.0 is newer than 3.15"),
        "{error}"
    );
}

#[test]
fn every_moment_of_start_up_is_ready_or_not_yet() {
    for python in interpreter::supported_here() {
        let mut discovery = Discovery::new();
        let mut interpreters = Interpreters::new();
        for _ in 0..20 {
            let mut command = python.command();
            command.args(["-c", "input()"]);
            let running = Running::start(command);
            let (target, process) =
                support::attach_with(&mut discovery, &mut interpreters, running.pid());
            assert_eq!(process.version.minor, python.minor);
            assert_eq!(target.facts.pid, running.pid());
        }
    }
}

#[test]
fn an_interpreter_without_its_library_is_asked_again() {
    for python in interpreter::supported_here() {
        let mut command = python.command();
        command.args(["-c", "input()"]);
        // SAFETY: between fork and exec only ptrace is called, which is
        // async-signal-safe; it stops the child at the end of exec.
        unsafe {
            command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let running = Running::start(command);
        let pid = running.pid();
        let raw_pid = i32::try_from(pid).unwrap();
        nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(raw_pid), None).expect("it stops");
        let mut discovery = Discovery::new();
        // A shared libpython is not mapped at that point, a static one is.
        match discovery.inspect(pid).unwrap() {
            Inspection::MightBecomePython => assert!(discovery.might_become_python(pid).unwrap()),
            Inspection::Python(target) => assert_eq!(Some(target.image.path), target.facts.exe),
            other => panic!("{}: {other:?}", python.path.display()),
        }
        let error = attach_error(pid);
        assert!(matches!(error, AttachError::NotReadyYet { .. }), "{error}");
        // SAFETY: takes no pointers; the child asked to be traced by this thread.
        let detached = unsafe { libc::ptrace(libc::PTRACE_DETACH, raw_pid, 0, 0) };
        assert_eq!(detached, 0);
        support::attach(pid);
    }
}

#[test]
fn a_scan_parses_each_file_once() {
    let Some(python) = interpreter::supported_here().pop() else {
        return;
    };
    let mut crowd: Vec<Running> = (0..20)
        .map(|_| {
            let mut command = python.command();
            command.args(["-c", "print('READY', flush=True); input()"]);
            Running::start(command)
        })
        .collect();
    for running in &mut crowd {
        running.line();
    }
    let mut discovery = Discovery::new();
    discovery.inspect(crowd[0].pid()).unwrap();
    let parsed = discovery.files_parsed();
    assert!(parsed > 0);
    for running in &crowd {
        assert!(matches!(
            discovery.inspect(running.pid()),
            Ok(Inspection::Python(_))
        ));
    }
    assert_eq!(discovery.files_parsed(), parsed);
    let scan = discovery.scan().unwrap();
    for running in &crowd {
        let found = scan
            .python
            .iter()
            .find(|target| target.facts.pid == running.pid())
            .expect("it is found");
        assert_eq!(
            found.facts.cmdline[1..],
            ["-c", "print('READY', flush=True); input()"]
        );
        assert_eq!(found.facts.parent_pid, std::process::id());
    }
    assert!(
        scan.python
            .iter()
            .all(|target| target.facts.pid != std::process::id())
    );
}

#[test]
fn waiters_for_the_gil_are_in_its_range() {
    const FUTEX: u32 = 202;
    for python in interpreter::supported() {
        let mut running = Running::script(python, "gil.py", &[]);
        let tids: Vec<u32> = running
            .line()
            .split_whitespace()
            .map(|tid| tid.parse().unwrap())
            .collect();
        let pid = running.pid();
        let (_, process) = support::attach(pid);
        let gil = process.kernel.gil_start..process.kernel.gil_end;
        let futex = |tid| match syscall_state(pid, tid).unwrap() {
            SyscallState::InSyscall {
                number: FUTEX,
                args,
                ..
            } => Some(args[0]),
            _ => None,
        };
        let lock = futex(tids[0]).expect("it waits");
        assert!(!gil.contains(&lock), "{python:?}: {lock:#x} in {gil:#x?}");
        // Three threads that spin: two wait for the GIL at any moment.
        let mut waits = 0;
        for _ in 0..100_000 {
            let futexes = tids[1..]
                .iter()
                .filter_map(|tid| futex(*tid))
                .collect::<Vec<_>>();
            for address in &futexes {
                assert!(
                    gil.contains(address),
                    "{python:?}: {address:#x} not in {gil:#x?}"
                );
            }
            waits += futexes.len();
            if waits > 200 {
                break;
            }
        }
        assert!(waits > 200, "{python:?}: only {waits} waits seen");
    }
}

#[test]
fn a_forked_child_has_one_thread() {
    for python in interpreter::supported() {
        let mut running = Running::script(python, "fork.py", &[]);
        let child: u32 = running.line().trim().parse().unwrap();
        let (_, process) = support::attach(child);
        let listed = threads(&process).unwrap();
        let tids: Vec<_> = listed.iter().map(|thread| thread.tid).collect();
        assert_eq!(tids, [Some(child)], "{python:?}");
        let names = stack_names(&mut Symbolizer::new(), &process, listed[0].tstate, child);
        assert_eq!(names, ["in_child", "fork_off", "<module>"], "{python:?}");
        let (_, parent) = support::attach(running.pid());
        assert_eq!(threads(&parent).unwrap().len(), 4);
        let stack = parked(&process, listed[0].tstate, child, 128).unwrap();
        // SAFETY: kill takes no pointers; the pid is that of our own grandchild, which
        // its parent has not collected.
        unsafe { libc::kill(i32::try_from(child).unwrap(), libc::SIGKILL) };
        wait_until_gone(child);
        // A dead child's names are those of its parent.
        let mut symbolizer = Symbolizer::new();
        let gone = symbolizer.symbolize(&process, stack.frames[0]).unwrap();
        assert_eq!(gone, Err(NoName::ProcessGone));
        let of_parent = symbolizer.symbolize_forked(&process, &parent, stack.frames[0]);
        assert_eq!(&*of_parent.unwrap().unwrap().function.name, "in_child");
    }
}

#[test]
fn thread_ids_of_another_pid_namespace_are_mapped() {
    for python in interpreter::supported() {
        let mut command = Command::new("unshare");
        command
            .args(["--pid", "--fork", "--kill-child"])
            .args([python.command().get_program()])
            .args(python.command().get_args());
        let wait = "import os; print(os.getpid(), flush=True)\ndef waiting(): input()\nwaiting()";
        command.args(["-c", wait]);
        if nix::unistd::getuid().as_raw() != 0 {
            eprintln!("SKIPPED: a pid namespace needs root");
            return;
        }
        let mut running = Running::start(command);
        assert_eq!(running.line().trim(), "1");
        let children = format!("/proc/{0}/task/{0}/children", running.pid());
        let pid: u32 = std::fs::read_to_string(children)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let (target, process) = support::attach(pid);
        assert_eq!(target.facts.ns_pid(), 1);
        let listed = threads(&process).unwrap();
        assert_eq!(
            listed.iter().map(|thread| thread.tid).collect::<Vec<_>>(),
            [Some(pid)],
            "{python:?}"
        );
        let names = stack_names(&mut Symbolizer::new(), &process, listed[0].tstate, pid);
        assert_eq!(names, ["waiting", "<module>"]);
    }
}

#[test]
fn threads_of_other_interpreters_are_listed() {
    for python in interpreter::supported() {
        let mut running = Running::script(python, "subinterpreters.py", &[]);
        running.line();
        let pid = running.pid();
        let (_, process) = support::attach(pid);
        let listed = threads(&process).unwrap();
        let tids: Vec<_> = listed.iter().filter_map(|thread| thread.tid).collect();
        assert!(
            tids.contains(&pid) && listed.iter().any(|thread| !thread.is_main_interpreter),
            "{listed:?}"
        );
        let names: Vec<String> = listed
            .iter()
            .filter(|thread| !thread.is_main_interpreter)
            .filter_map(|thread| Some((thread.tstate, thread.tid?)))
            .flat_map(|(tstate, tid)| stack_names(&mut Symbolizer::new(), &process, tstate, tid))
            .collect();
        assert!(
            names.iter().any(|name| name == "in_another_interpreter"),
            "{python:?}: {names:?}"
        );
    }
}

#[test]
fn a_removed_executable_is_still_read() {
    for python in interpreter::supported_here() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("not called by its name");
        std::fs::copy(python.file(), &copy).unwrap();
        let mut command = Command::new(&copy);
        let home = python.path.parent().unwrap().parent().unwrap();
        command
            .env("PYTHONHOME", home)
            .args(["-c", "print('READY', flush=True); input()"]);
        let mut running = Running::start(command);
        running.line();
        std::fs::remove_file(&copy).unwrap();
        // Somebody else's file in its place must not be taken for it.
        std::fs::write(&copy, "#!/bin/sh").unwrap();
        let (target, process) = support::attach(running.pid());
        assert_eq!(target.facts.exe.as_deref(), copy.to_str());
        assert_eq!(process.version.minor, python.minor);
    }
}

#[test]
fn without_the_right_to_look_the_answer_says_so() {
    const NOBODY: libc::c_long = 65534;
    let Some(python) = interpreter::supported_here().pop() else {
        return;
    };
    if !nix::unistd::getuid().is_root() {
        eprintln!("SKIPPED: only root can give up its rights");
        return;
    }
    let mut command = python.command();
    command.args(["-c", "print('READY', flush=True); input()"]);
    let mut running = Running::start(command);
    running.line();
    let (target, process) = support::attach(running.pid());
    let pid = running.pid();
    std::thread::spawn(move || {
        // SAFETY: the bare system call changes the rights of this thread alone, which
        // ends with this test; it takes no pointers.
        let changed = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
        assert_eq!(changed, 0);
        let error = attach_error(pid);
        assert!(
            matches!(error, AttachError::Discovery(DiscoveryError::Denied { .. })),
            "{error}"
        );
        assert!(error.how_to_fix().contains("sudo"));
        let error = Interpreters::new().attach(&target).unwrap_err();
        assert!(
            matches!(error, AttachError::Remote(RemoteError::Denied { .. })),
            "{error}"
        );
        assert!(error.how_to_fix().contains("sudo"));
        let frame = RawFrame {
            code: process.kernel.runtime,
            ..Default::default()
        };
        assert!(Symbolizer::new().symbolize(&process, frame).is_err());
        let scan = Discovery::new().scan().unwrap();
        assert!(
            scan.unreadable
                .iter()
                .any(|(unreadable, _)| *unreadable == pid)
        );
    })
    .join()
    .unwrap();
}

#[test]
fn reused_addresses_are_noticed() {
    for python in interpreter::supported() {
        let mut running = Running::script(python, "reuse.py", &[]);
        running.line();
        let (_, process) = support::attach(running.pid());
        let mut symbolizer = Symbolizer::new();
        let thread = threads(&process).unwrap()[0];
        let stack = waiting_stack(&process, thread.tstate, running.pid());
        let names = names_of(&mut symbolizer, &process, &stack);
        assert_eq!(names, ["generated_1", "<module>"], "{python:?}");
        let leaf = stack.frames[0];
        let generated = symbolizer.symbolize(&process, leaf).unwrap().unwrap();
        // Its file is called `<generated 1>`: the kernel side would tell it apart.
        assert!(generated.is_short_lived, "{python:?}");
        let mut table = CodeTable::default();
        let as_root = Sight::Hashed {
            is_outermost: true,
            round: 1,
            is_cut: false,
        };
        let id = table.note(leaf, &generated, as_root);
        let before = table.verify_unchanged(&process).unwrap();
        assert_eq!((before.unchanged, before.replaced), (1, 0), "{python:?}");
        running.say("go on");
        assert_eq!(running.line().trim(), "REPLACED", "{python:?}");
        // What was named stays named; the address says by its witness who is meant.
        let again = symbolizer.symbolize(&process, leaf).unwrap().unwrap();
        assert_eq!(again, generated, "{python:?}");
        assert_eq!(
            Symbolizer::new().symbolize(&process, leaf).unwrap().err(),
            read_witness(&process, leaf.address())
                .unwrap()
                .map(|witness| NoName::Replaced { witness }),
            "{python:?}"
        );
        let after = table.verify_unchanged(&process).unwrap();
        assert_eq!((after.unchanged, after.replaced), (0, 1), "{python:?}");
        assert!(table.is_replaced(id), "{python:?}");
        // Without a witness it is whoever is there now.
        let unwitnessed = RawFrame { witness: 0, ..leaf };
        let successor = symbolizer.symbolize(&process, unwitnessed).unwrap();
        assert_ne!(&*successor.unwrap().function.name, "generated_1");
    }
}

#[test]
fn freed_code_objects_have_no_name() {
    for python in interpreter::supported() {
        let mut running = Running::script(python, "freed.py", &[]);
        let addresses = running.json();
        let (_, process) = support::attach(running.pid());
        let address = |name: &str| addresses[name].as_u64().unwrap();
        let memory = process.memory();
        let code = read_code(&memory, &process, address("kept")).unwrap();
        assert_eq!(code.name, "kept", "{python:?}");
        running.say("free");
        running.line();
        let code = read_code(&memory, &process, address("freed"));
        assert!(code.is_err(), "{python:?}: {code:?}");
        let code = read_code(&memory, &process, address("kept")).unwrap();
        assert_eq!(code.name, "kept", "{python:?}");
    }
}

#[test]
fn a_hundred_thousand_code_objects_are_named() {
    let Some(python) = interpreter::supported_here().pop() else {
        return;
    };
    let mut running = Running::script(python, "many.py", &["100000"]);
    let addresses = running.json();
    let (_, process) = support::attach(running.pid());
    let mut frames: Vec<RawFrame> = addresses
        .as_array()
        .unwrap()
        .iter()
        .map(|address| RawFrame {
            code: address.as_u64().unwrap(),
            instr: 0,
            witness: 0,
        })
        .collect();
    for frame in &mut frames {
        let witness = read_witness(&process, frame.code).unwrap();
        frame.witness = witness.expect("it lives");
    }
    let mut symbolizer = Symbolizer::new();
    symbolizer.read_all(&process, frames.iter().copied());
    for (i, frame) in frames.iter().enumerate() {
        let named = symbolizer.symbolize(&process, *frame).unwrap().unwrap();
        assert!(named.function.name.ends_with(&format!("f{i}")), "{named:?}");
    }
    assert_eq!(symbolizer.evicted(), 0);
}

#[test]
fn a_thread_is_in_the_interpreter_that_it_entered_last() {
    for python in interpreter::supported() {
        let mut running = Running::script(python, "nested_interpreter.py", &[]);
        let tid: u32 = running.line().trim().parse().unwrap();
        let pid = running.pid();
        let (_, process) = support::attach(pid);
        let listed = threads(&process).unwrap();
        for (tid, leaf) in [(tid, "in_another_interpreter"), (pid, "<module>")] {
            let state = running_state(&process, &listed, tid).unwrap();
            let names = stack_names(&mut Symbolizer::new(), &process, state.tstate, tid);
            assert_eq!(names[0], leaf, "{python:?}: {names:?} of {listed:?}");
            assert_eq!(state.is_main_interpreter, tid == pid, "{python:?}");
        }
    }
}

/// Names of the stack of a thread that is about to wait, leaf first.
fn stack_names(
    symbolizer: &mut Symbolizer,
    process: &PythonProcess,
    tstate: u64,
    tid: u32,
) -> Vec<String> {
    names_of(symbolizer, process, &waiting_stack(process, tstate, tid))
}

/// The stack of a thread that is about to wait.
fn waiting_stack(process: &PythonProcess, tstate: u64, tid: u32) -> ParkedStack {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match parked(process, tstate, tid, 128) {
            // Asleep in its final wait, not on the way there for the GIL or a page.
            Ok(stack) if !matches!(stack.syscall, SyscallState::InSyscall { number: 202, .. }) => {
                return stack;
            }
            Ok(_) | Err(_) if Instant::now() < deadline => std::thread::yield_now(),
            other => panic!("{other:?}"),
        }
    }
}

fn names_of(
    symbolizer: &mut Symbolizer,
    process: &PythonProcess,
    stack: &ParkedStack,
) -> Vec<String> {
    stack
        .frames
        .iter()
        .filter(|frame| frame.code != 0)
        .map(|frame| {
            symbolizer
                .symbolize(process, *frame)
                .unwrap()
                .unwrap()
                .function
                .name
                .to_string()
        })
        .collect()
}
