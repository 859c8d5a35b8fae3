//! Imports as stacks show them.

use std::collections::HashMap;

use super::{
    FunctionId, ImportedModule, Imports, Process, StackId, StackTimeKind, apportion,
    importing::{IMPORTLIB, MODULE_BODY},
};

/// What importlib does before a module's body runs.
const FINDING: &str = "(finding modules)";

impl Process {
    /// Its imports as stacks show them: each time in a module's body that importlib runs is
    /// that module's, and so is what the body calls.
    pub fn sampled_imports(&self) -> Imports {
        let mut imports = Imports {
            is_sampled: true,
            ..Imports::default()
        };
        let mut known: HashMap<(Option<usize>, Option<FunctionId>), usize> = HashMap::new();
        for thread in &self.threads {
            let samples: Vec<u64> = thread
                .stack_times
                .iter()
                .map(|time| match time.kind {
                    StackTimeKind::OnCpuUser | StackTimeKind::OnCpuKernel { .. } => time.count,
                    StackTimeKind::Blocked { .. } | StackTimeKind::Preempted => 0,
                })
                .collect();
            let on_cpu = apportion(thread.times.on_cpu_ns, &samples);
            for (time, on_cpu_ns) in thread.stack_times.iter().zip(on_cpu) {
                let mut at = None;
                for body in self.bodies_in(time.stack) {
                    let index = *known.entry((at, body)).or_insert_with(|| {
                        imports.modules.push(ImportedModule {
                            module: body
                                .map_or_else(|| FINDING.to_owned(), |body| self.module_name(body)),
                            tid: thread.tid,
                            parent: at,
                            found: None,
                            start_ns: 0,
                            total_ns: 0,
                            on_cpu_ns: 0,
                            blocked_ns: 0,
                        });
                        imports.modules.len() - 1
                    });
                    let module = &mut imports.modules[index];
                    module.total_ns += on_cpu_ns + time.blocked_ns + time.runnable_ns;
                    module.on_cpu_ns += on_cpu_ns;
                    module.blocked_ns += time.blocked_ns;
                    at = Some(index);
                }
            }
        }
        imports
    }

    /// The bodies of modules that importlib runs in a stack, outermost first; `None` is
    /// importlib's own work for the outermost of all.
    fn bodies_in(&self, stack: StackId) -> Vec<Option<FunctionId>> {
        let mut bodies = Vec::new();
        let mut is_importing = false;
        for frame in self.stack(stack).frames.iter().rev() {
            let Some((id, function)) = frame.function.and_then(|id| Some((id, self.function(id)?)))
            else {
                continue;
            };
            if function.file.starts_with(IMPORTLIB) {
                is_importing = true;
            } else if function.name == MODULE_BODY && is_importing {
                bodies.push(Some(id));
                is_importing = false;
            }
        }
        if bodies.is_empty() && is_importing {
            bodies.push(None);
        }
        bodies
    }

    /// A module's name by the file of its body.
    fn module_name(&self, body: FunctionId) -> String {
        let Some(function) = self.function(body) else {
            return String::new();
        };
        let file = function.file.as_str();
        if let Some(frozen) = file.strip_prefix("<frozen ") {
            return frozen.trim_end_matches('>').to_owned();
        }
        let mut below = self
            .library_dirs
            .iter()
            .filter_map(|dir| file.strip_prefix(dir.as_str())?.strip_prefix('/'))
            .collect::<Vec<_>>();
        below.sort_by_key(|rest| rest.len());
        let Some(path) = below.first().and_then(|rest| rest.strip_suffix(".py")) else {
            return file.to_owned();
        };
        path.strip_suffix("/__init__")
            .unwrap_or(path)
            .replace('/', ".")
    }
}
