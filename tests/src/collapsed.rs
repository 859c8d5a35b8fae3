//! Collapsed stacks: `process;thread;outer (file:line);...;leaf (file:line) WEIGHT`.

use std::path::Path;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The process' frame: `python x.py (PID)`.
    pub process: String,
    /// The thread's: `name (TID)`.
    pub thread: String,
    /// Frames, outermost first; off the CPU the last one is the wait.
    pub frames: Vec<String>,
    /// Samples, or microseconds.
    pub weight: u64,
}

impl Line {
    /// The number in the thread's frame.
    pub fn tid(&self) -> i64 {
        number(&self.thread)
    }

    /// The number in the process' frame.
    pub fn pid(&self) -> i64 {
        number(&self.process)
    }
}

fn number(frame: &str) -> i64 {
    frame
        .rsplit_once('(')
        .and_then(|(_, id)| id.strip_suffix(')'))
        .and_then(|id| id.parse().ok())
        .unwrap_or_else(|| panic!("no number in {frame:?}"))
}

/// Parses a file of collapsed stacks.
pub fn read(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
    parse(&text)
}

/// Parses collapsed stacks.
pub fn parse(text: &str) -> Vec<Line> {
    text.lines()
        .map(|line| {
            let (stack, weight) = line
                .rsplit_once(' ')
                .unwrap_or_else(|| panic!("no weight in {line:?}"));
            let mut frames = stack.split(';').map(str::to_owned);
            Line {
                process: frames.next().unwrap_or_default(),
                thread: frames.next().unwrap_or_default(),
                frames: frames.collect(),
                weight: weight
                    .parse()
                    .unwrap_or_else(|e| panic!("no weight in {line:?}: {e}")),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let lines = parse("python a.py (7);Main Thread (8);f (a b.py:1);[sleep] 120\n");
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].pid(), lines[0].tid()), (7, 8));
        assert_eq!(lines[0].frames, ["f (a b.py:1)", "[sleep]"]);
        assert_eq!(lines[0].weight, 120);
    }
}
