//! What was imported, as a tree: what took longest first.

use std::io::Write;

use super::{
    MIN_WIDTH, TextOptions,
    line::{Line, Look},
    notes::notes_without_verdicts,
};
use crate::{
    classify::say::{count, duration},
    model::{Imports, OwnTimes, Process, Profile},
    report::{ReportError, program_name},
};

/// A module that took less than this part of what all took is not shown, unless all are asked
/// for.
const MIN_PART: u64 = 100;
/// Columns of a time.
const TIME_WIDTH: usize = 10;
/// Columns by which a module is set in below the one that imported it ...
const STEP: usize = 2;
/// ... up to this many.
const MAX_INDENT: usize = 30;

/// Writes what each process imported.
pub fn write_imports_text(
    profile: &Profile,
    imports: &[(&Process, Imports)],
    options: &TextOptions,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let width = options.width.max(MIN_WIDTH);
    let mut lines = Vec::new();
    let seen = imports.iter().filter(|(_, it)| !it.modules.is_empty());
    for (nth, (process, imports)) in seen.enumerate() {
        if nth > 0 {
            lines.push(Line::new());
        }
        Tree::new(imports, options.all).write(process, width, &mut lines);
    }
    if lines.is_empty() {
        let mut line = Line::new();
        line.push("no import was seen", Look::Plain);
        lines.push(line);
    }
    lines.extend(notes_without_verdicts(profile, width));
    for line in lines {
        line.write(out, width, options.color)?;
    }
    Ok(())
}

struct Tree<'a> {
    imports: &'a Imports,
    children: Vec<Vec<usize>>,
    own: Vec<OwnTimes>,
    /// What takes less is not shown.
    least_ns: u64,
    hidden: usize,
    hidden_ns: u64,
}

impl<'a> Tree<'a> {
    fn new(imports: &'a Imports, all: bool) -> Self {
        let least_ns = if all {
            0
        } else {
            imports.total_ns() / MIN_PART
        };
        Self {
            imports,
            children: imports.children(),
            own: imports.own_times(),
            least_ns,
            hidden: 0,
            hidden_ns: 0,
        }
    }

    fn write(mut self, process: &Process, width: usize, lines: &mut Vec<Line>) {
        let imports = self.imports;
        let how = if imports.is_sampled {
            "estimated from stacks; --usdt import measures each"
        } else if imports.is_whole {
            "as the interpreter's own probes say"
        } else {
            "as the interpreter's own probes say, since they were armed"
        };
        let mut head = Line::new();
        head.push(&format!("{} ", process.pid), Look::Strong)
            .push(
                &format!(
                    "{} importing {}",
                    duration(imports.total_ns()),
                    count(imports.modules.len() as u64, "module", "modules"),
                ),
                Look::Strong,
            )
            .push(&format!("  {}", program_name(process)), Look::Plain)
            .push(&format!("  ({how})"), Look::Faint);
        lines.push(head);
        lines.push(row(
            ["total", "self", "on CPU", "blocked"],
            "module",
            0,
            Look::Faint,
        ));
        let outermost = (0..imports.modules.len())
            .filter(|index| imports.modules[*index].parent.is_none())
            .collect();
        // Depth first, without recursion: how deep it is is the target's business.
        let mut left = vec![self.shown(outermost)];
        while let Some(level) = left.last_mut() {
            let Some(index) = level.pop() else {
                left.pop();
                continue;
            };
            self.line(index, left.len() - 1, width, lines);
            let below = std::mem::take(&mut self.children[index]);
            left.push(self.shown(below));
        }
        self.rest(lines);
    }

    /// Those that are shown, the largest last.
    fn shown(&mut self, level: Vec<usize>) -> Vec<usize> {
        let modules = &self.imports.modules;
        let (mut shown, hidden): (Vec<usize>, Vec<usize>) = level
            .into_iter()
            .partition(|index| modules[*index].total_ns >= self.least_ns);
        // What began first comes first of those that took the same.
        shown.sort_by_key(|index| (modules[*index].total_ns, std::cmp::Reverse(*index)));
        for index in hidden {
            self.hide(index);
        }
        shown
    }

    fn hide(&mut self, index: usize) {
        let mut left = vec![index];
        while let Some(index) = left.pop() {
            self.hidden += 1;
            self.hidden_ns += self.own[index].total_ns;
            left.extend(&self.children[index]);
        }
    }

    fn line(&self, index: usize, depth: usize, width: usize, lines: &mut Vec<Line>) {
        let module = &self.imports.modules[index];
        let mut name = module.module.clone();
        if module.found == Some(false) {
            name.push_str("  (not found, or failed)");
        } else if module.found.is_none() && !self.imports.is_sampled {
            name.push_str("  (its end was not seen)");
        }
        let times = [
            duration(module.total_ns),
            duration(self.own[index].total_ns),
            duration(module.on_cpu_ns),
            duration(module.blocked_ns),
        ];
        let indent = (depth * STEP).min(MAX_INDENT).min(width / 3);
        let times = times.each_ref().map(String::as_str);
        lines.push(row(times, &name, indent, Look::Plain));
    }

    fn rest(&self, lines: &mut Vec<Line>) {
        let mut rest = Vec::new();
        if self.hidden > 0 {
            rest.push(format!(
                "{} more took {} together, less than 1 % each (--all shows them)",
                self.hidden,
                duration(self.hidden_ns)
            ));
        }
        if self.imports.left_out > 0 {
            rest.push(format!(
                "{} for which there was no room",
                self.imports.left_out
            ));
        }
        if self.imports.unmatched > 0 {
            rest.push(format!(
                "{} that had begun before the probes were armed",
                self.imports.unmatched
            ));
        }
        for text in rest {
            let mut line = Line::new();
            line.pad_to(STEP).push(&text, Look::Faint);
            lines.push(line);
        }
    }
}

fn row(times: [&str; 4], name: &str, indent: usize, look: Look) -> Line {
    let mut line = Line::new();
    for (nth, time) in times.into_iter().enumerate() {
        let end = (nth + 1) * TIME_WIDTH;
        line.pad_to(end.saturating_sub(time.chars().count()))
            .push(time, look);
    }
    line.pad_to(4 * TIME_WIDTH + 2 + indent).push(name, look);
    line
}
