//! Finding one's way in the JSON document.

use serde_json::Value;

/// A document of kind `classify`.
#[derive(Clone, Debug)]
pub struct Report(pub Value);

/// The five parts of a wall time.
pub const PARTS: [&str; 5] = [
    "on_cpu_ns",
    "runnable_ns",
    "throttled_ns",
    "blocked_ns",
    "unaccounted_ns",
];

impl Report {
    /// Parses the document.
    pub fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_else(|e| panic!("no JSON ({e}): {text:?}")))
    }

    /// Beginning and end of the window in nanoseconds since the epoch.
    pub fn window(&self) -> (i64, i64) {
        let start = ns(&self.0["window"], "start_unix_ns");
        (start, start + ns(&self.0["window"], "duration_ns"))
    }

    /// Every process.
    pub fn processes(&self) -> &[Value] {
        list(&self.0, "processes")
    }

    /// The process with this pid.
    pub fn process(&self, pid: u32) -> &Value {
        self.find_process(pid)
            .unwrap_or_else(|| panic!("process {pid} is not in the report: {}", self.0))
    }

    /// The process with this pid, if it is there.
    pub fn find_process(&self, pid: u32) -> Option<&Value> {
        self.processes().iter().find(|p| p["pid"] == pid)
    }

    /// A loss counter; one that is not there is zero.
    pub fn loss(&self, name: &str) -> u64 {
        self.0["loss"][name].as_u64().unwrap_or(0)
    }

    /// The warnings, joined.
    pub fn warnings(&self) -> String {
        list(&self.0, "warnings")
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// An array member.
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name]
        .as_array()
        .unwrap_or_else(|| panic!("`{name}` is no array: {value}"))
}

/// A figure in nanoseconds; null is zero.
pub fn ns(value: &Value, name: &str) -> i64 {
    match &value[name] {
        Value::Null => 0,
        figure => figure
            .as_i64()
            .unwrap_or_else(|| panic!("`{name}` is no integer: {figure}")),
    }
}

/// A text member.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("`{name}` is no text: {value}"))
}

/// The thread with this tid, if it is there.
pub fn find_thread(process: &Value, tid: i64) -> Option<&Value> {
    list(process, "threads").iter().find(|t| t["tid"] == tid)
}

/// The thread with this tid.
pub fn thread(process: &Value, tid: i64) -> &Value {
    find_thread(process, tid).unwrap_or_else(|| panic!("thread {tid} is not in {process}"))
}

/// The function whose name is or ends with `.name`, if it is there.
pub fn find_function<'a>(process: &'a Value, name: &str) -> Option<&'a Value> {
    list(process, "functions")
        .iter()
        .find(|f| is_called(text(f, "function"), name))
}

/// The function whose name is or ends with `.name`.
pub fn function<'a>(process: &'a Value, name: &str) -> &'a Value {
    find_function(process, name)
        .unwrap_or_else(|| panic!("function {name} is not among {}", process["functions"]))
}

/// Whether a qualified name ends in `name`.
pub fn is_called(qualified: &str, name: &str) -> bool {
    qualified == name
        || qualified
            .strip_suffix(name)
            .is_some_and(|rest| rest.ends_with('.'))
}

/// The function with the largest `figure`.
pub fn largest<'a>(process: &'a Value, figure: &str) -> &'a Value {
    list(process, "functions")
        .iter()
        .max_by_key(|f| ns(f, figure))
        .unwrap_or_else(|| panic!("no function in {process}"))
}

/// The line of a function with the largest `figure`.
pub fn largest_line(function: &Value, figure: &str) -> i64 {
    list(function, "lines")
        .iter()
        .max_by_key(|line| ns(line, figure))
        .map_or(0, |line| ns(line, "line"))
}

/// The parts of a time that must sum to its wall time.
pub fn sum_of_parts(time: &Value) -> i64 {
    PARTS.iter().map(|part| ns(time, part)).sum()
}

/// Says what a report has of the waits and round trips of a process, of which a check did
/// not hold.
pub fn tell_exchanges(attempt: usize, process: &Value) {
    eprintln!(
        "attempt {attempt}: {} {} {}",
        process["verdict"], process["waits"], process["round_trips"]
    );
}
