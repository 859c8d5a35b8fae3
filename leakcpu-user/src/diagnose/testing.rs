//! A small process for tests of rules.

use crate::model::{Frame, Function, FunctionId, Pid, Process, Stack};

/// Its functions grow as frames are asked for.
pub(super) struct Model {
    pub process: Process,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            process: Process {
                pid: Pid(7),
                ns_pid: None,
                start_boottime_ns: None,
                exe: None,
                cmdline: Vec::new(),
                python: None,
                container_id: None,
                cgroup: None,
                systemd_unit: None,
                lifetime_ns: None,
                exited: false,
                threads: Vec::new(),
                functions: Vec::new(),
                stacks: vec![Stack::default()],
                natives: Vec::new(),
                native_stacks: Vec::new(),
                quotas: Vec::new(),
                ran_instead: Vec::new(),
                round_trips: Vec::new(),
                collector: None,
                audits: None,
                calls: None,
                imports: None,
                unreadable: None,
                library_dirs: vec!["/usr/lib/python3.12".to_owned()],
            },
        }
    }
}

impl Model {
    /// A frame of a new function.
    pub(super) fn frame(&mut self, name: &str, file: &str) -> Frame {
        let functions = &mut self.process.functions;
        functions.push(Function {
            name: name.to_owned(),
            file: file.to_owned(),
            first_line: 1,
        });
        Frame {
            function: u32::try_from(functions.len() - 1).ok().map(FunctionId),
            line: Some(2),
            called_from_c: false,
        }
    }

    /// A stack, leaf first.
    pub(super) fn stack(frames: &[Frame]) -> Stack {
        Stack {
            frames: frames.to_vec(),
            ..Stack::default()
        }
    }
}
