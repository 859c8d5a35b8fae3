//! What calls do, by the names they are called by.
//!
//! A name proves nothing: anybody may call a function `empty`. What is called so and is
//! written in Python shows in the samples below the loop, so whoever judges a live loop
//! checks that none was seen there that is not judged itself
//! ([`LoopJudgement::calls`](super::LoopJudgement::calls)). What is written in C and called
//! so is what the standard library calls so, and what is the standard library's own is not
//! judged ([`is_known`]).

use super::{
    path::last,
    value::{Literal, Value},
};

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// Reads a clock.
    Clock,
    /// Looks at something that others change.
    Predicate,
    /// Sleeps, or gives up the CPU.
    Sleep,
    /// Takes or gives an item, or raises if there is none or no room.
    Attempt,
    /// Enters or leaves a lock's `with`.
    Lock,
}

/// What is known of a call.
pub(super) enum Known {
    /// It changes nothing that outlives it.
    Harmless(CallKind),
    /// It changes something if it returns, and nothing if it raises.
    UnlessRaises,
    /// It changes something if its result is true.
    IfTrue,
    /// It changes something if its result is false.
    IfFalse,
    /// It changes something.
    Effect,
    /// Nothing.
    Nothing,
}

/// The arguments of a call.
pub(super) struct Arguments<'a> {
    pub(super) positional: &'a [Value],
    /// By name.
    pub(super) named: Vec<(&'a str, &'a Value)>,
}

impl Arguments<'_> {
    fn count(&self) -> usize {
        self.positional.len() + self.named.len()
    }

    fn literal(&self, position: usize, name: &str) -> Option<Literal> {
        let by_name = self.named.iter().find(|(given, _)| *given == name);
        by_name
            .map(|(_, value)| *value)
            .or_else(|| self.positional.get(position))
            .and_then(Value::literal)
    }

    /// Whether an argument is given and says no: `False` or 0.
    fn denies(&self, position: usize, name: &str) -> bool {
        matches!(
            self.literal(position, name),
            Some(Literal::Bool(false) | Literal::Int(0))
        )
    }
}

/// Clocks of the module `time`, and what is often made of them.
const CLOCKS: &[&str] = &[
    "time",
    "time_ns",
    "monotonic",
    "monotonic_ns",
    "perf_counter",
    "perf_counter_ns",
    "process_time",
    "process_time_ns",
    "thread_time",
    "thread_time_ns",
    "clock_gettime",
    "clock_gettime_ns",
    "default_timer",
    "utcnow",
    "now",
];

/// Methods and functions without arguments that look, and change nothing: of `threading`,
/// `queue`, `multiprocessing`, `subprocess`, `concurrent.futures`, `asyncio`, `os` and
/// `pathlib`.
const PREDICATES: &[&str] = &[
    "is_set",
    "isSet",
    "empty",
    "full",
    "qsize",
    "is_alive",
    "isAlive",
    "locked",
    "active_count",
    "activeCount",
    "current_thread",
    "get_ident",
    "get_native_id",
    "done",
    "cancelled",
    "running",
    "ready",
    "successful",
    "poll",
    "is_running",
    "is_closed",
    "is_closing",
    "is_shutdown",
    "is_finished",
    "is_done",
    "is_ready",
    "is_complete",
    "is_connected",
    "is_active",
    "getpid",
    "getppid",
    "exists",
    "is_file",
    "is_dir",
];

/// Those of them that are no everyday words: they need not be called as methods.
const FUNCTIONS: &[&str] = &[
    "is_set",
    "is_alive",
    "active_count",
    "current_thread",
    "get_ident",
    "get_native_id",
    "getpid",
    "getppid",
];

/// Functions of `os` and `os.path` that look at a file.
const FILE_PREDICATES: &[&str] = &[
    "exists", "lexists", "isfile", "isdir", "islink", "getsize", "getmtime", "access", "stat",
    "lstat",
];

/// Built-in functions that look at a value and are quick whatever it is.
const BUILTINS: &[&str] = &[
    "len",
    "isinstance",
    "issubclass",
    "callable",
    "hasattr",
    "getattr",
    "bool",
    "id",
    "type",
];

/// Built-in functions that make a number of a number.
const NUMERIC_BUILTINS: &[&str] = &["int", "float", "abs", "round", "min", "max"];

/// What raises at once if there is nothing to take, or no room: of `queue`, `asyncio`,
/// `collections` and the built-in containers.
const RAISING: &[&str] = &[
    "get_nowait",
    "put_nowait",
    "popleft",
    "pop",
    "popitem",
    "recv_nowait",
    "receive_nowait",
    "send_nowait",
    "acquire_nowait",
];

/// What changes what it is a method of, or its argument, or the world. Without these
/// names such calls would not be known, which comes to the same but for the words.
const EFFECTS: &[&str] = &[
    "append",
    "appendleft",
    "add",
    "discard",
    "remove",
    "extend",
    "insert",
    "update",
    "clear",
    "rotate",
    "setdefault",
    "write",
    "writelines",
    "read",
    "readline",
    "readlines",
    "readinto",
    "recv",
    "recv_into",
    "send",
    "sendall",
    "put",
    "notify",
    "notify_all",
    "next",
    "throw",
    "heappush",
    "heappop",
    "print",
    "debug",
    "info",
    "warning",
    "error",
    "exception",
];

/// What a call by this name with these arguments does.
pub(super) fn known(path: &str, arguments: &Arguments<'_>) -> Known {
    let count = arguments.count();
    let (of, name) = match path.rsplit_once('.') {
        Some((of, name)) => (Some(of), name),
        // `from time import time as _time`
        None => (None, path.trim_start_matches('_')),
    };
    let module = of.map(|of| last(of).trim_start_matches('_'));
    let harmless = Known::Harmless;
    let is_method = of.is_some();
    match name {
        "__enter__" | "__exit__" if of.is_some_and(is_lock) => harmless(CallKind::Lock),
        "clock_gettime" | "clock_gettime_ns" | "now" if count <= 1 => harmless(CallKind::Clock),
        _ if CLOCKS.contains(&name) && count == 0 => harmless(CallKind::Clock),
        "poll" if count == 1 && arguments.denies(0, "timeout") => harmless(CallKind::Predicate),
        _ if PREDICATES.contains(&name)
            && count == 0
            && (is_method || FUNCTIONS.contains(&name)) =>
        {
            harmless(CallKind::Predicate)
        }
        _ if FILE_PREDICATES.contains(&name)
            && count >= 1
            && module.is_some_and(|module| matches!(module, "os" | "path" | "osp")) =>
        {
            harmless(CallKind::Predicate)
        }
        _ if of.is_none() && BUILTINS.contains(&name) && count >= 1 => {
            harmless(CallKind::Predicate)
        }
        _ if of.is_none()
            && NUMERIC_BUILTINS.contains(&name)
            && count >= 1
            && arguments.named.is_empty()
            && arguments.positional.iter().any(Value::is_number) =>
        {
            harmless(CallKind::Predicate)
        }
        // Of a dict: a queue's takes no name, and waits.
        "get" if is_method && matches!(arguments.literal(0, ""), Some(Literal::Text)) => {
            harmless(CallKind::Predicate)
        }
        "get" if is_method && arguments.denies(0, "block") => Known::UnlessRaises,
        "put" if is_method && arguments.denies(1, "block") => Known::UnlessRaises,
        "acquire" if arguments.denies(0, "blocking") || arguments.denies(0, "block") => {
            Known::IfTrue
        }
        "acquire" if arguments.denies(1, "timeout") => Known::IfTrue,
        // Of C, over ctypes: 0 is a success.
        "trylock" | "pthread_spin_trylock" | "pthread_mutex_trylock" => Known::IfFalse,
        // What a buffer holds, which another process may share.
        "unpack" | "unpack_from" | "from_bytes" if is_method => harmless(CallKind::Predicate),
        "sleep" if count == 1 => harmless(CallKind::Sleep),
        "sched_yield" if count == 0 => harmless(CallKind::Sleep),
        _ if RAISING.contains(&name) => Known::UnlessRaises,
        _ if EFFECTS.contains(&name) => Known::Effect,
        _ => Known::Nothing,
    }
}

/// Whether the standard library's functions of this name do what calls by that name are
/// taken to do.
pub(super) fn is_known(name: &str) -> bool {
    let few = ["get", "put", "acquire", "__enter__", "__exit__", "sleep"];
    [PREDICATES, FILE_PREDICATES, RAISING, &few]
        .iter()
        .any(|names| names.contains(&name))
}

/// Whether a `with` of this name takes a lock and gives it back.
pub(super) fn is_lock(path: &str) -> bool {
    let name = last(path).to_ascii_lowercase();
    let words = [
        "lock",
        "mutex",
        "cond",
        "semaphore",
        "not_empty",
        "not_full",
    ];
    words.iter().any(|word| name.contains(word)) || matches!(name.as_str(), "cv" | "_cv" | "sem")
}
