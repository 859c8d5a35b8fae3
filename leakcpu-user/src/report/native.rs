//! Native code as reports name it.

use crate::classify::say::percent;
use crate::model::{Code, Naming, NativeFrame, NativeTimes, Process};

use super::clean;

/// Native code with a smaller share of its function's on-CPU time goes unmentioned ...
const MIN_SHARE: f64 = 1.0 / 3.0;
/// ... or a smaller one than this, where the function does little but call native code.
const MIN_SHARE_OF_CALLER: f64 = 0.2;
/// Native code has at least this share of the time of such a function.
const CALLER_SHARE: f64 = 0.98;

/// Most of what was executed below a function, if any one thing is most of it.
pub(super) struct MostOf {
    /// `41 % in merge_at, libpython3.12.so.1.0`.
    pub long: String,
    /// `41 % in merge_at`.
    pub short: String,
}

impl MostOf {
    fn plain(text: String) -> Self {
        Self {
            long: text.clone(),
            short: text,
        }
    }
}

/// What most of a function's on-CPU time was spent in below it: a native function, page
/// faults, or a module where nothing is sure of the function.
pub(super) fn most_of(process: &Process, rows: &[NativeTimes], on_cpu_ns: u64) -> Option<MostOf> {
    let share = |ns: u64| ns as f64 / on_cpu_ns.max(1) as f64;
    let page_faults = rows.iter().map(|row| row.page_fault_ns).sum();
    if share(page_faults) >= MIN_SHARE {
        let text = format!("{} page faults", percent(share(page_faults)));
        return Some(MostOf::plain(text));
    }
    let named = rows
        .iter()
        .filter_map(|row| Some((row, process.native(row.native)?)));
    let (top, native) = named.clone().next()?;
    let module = native.module.as_deref()?;
    let all = share(rows.iter().map(|row| row.on_cpu_ns).sum());
    let min_share = if all >= CALLER_SHARE {
        MIN_SHARE_OF_CALLER
    } else {
        MIN_SHARE
    };
    if share(top.on_cpu_ns) >= min_share
        && native.naming == Naming::Exact
        && let Some(symbol) = &native.symbol
    {
        let short = format!("{} in {}", percent(share(top.on_cpu_ns)), clean(symbol));
        let long = format!("{short}, {}", clean(module));
        return Some(MostOf { long, short });
    }
    // The interpreter is where Python runs: nothing to mention.
    if native.code == Code::Interpreter {
        return None;
    }
    let of_module: u64 = named
        .filter(|(_, other)| other.module.as_deref() == Some(module))
        .map(|(row, _)| row.on_cpu_ns)
        .sum();
    let hottest = match native.naming {
        Naming::Unknown if top.hot_offset > 0 => format!(", most at +{:#x}", top.hot_offset),
        _ => String::new(),
    };
    (share(of_module) >= MIN_SHARE).then(|| {
        let share = percent(share(of_module));
        MostOf::plain(format!("{share} in {}{hottest}", clean(module)))
    })
}

/// A native frame of a flame graph: `deflate (libz.so.1)_[n]`, `~PyList_Sort
/// (python3.11)_[n]` where that is only the nearest symbol, `libfoo.so_[n]` without any;
/// the kernel's end in `_[k]`. Offsets would tear what belongs together apart.
pub(super) fn frame(process: &Process, frame: NativeFrame) -> String {
    let Some(native) = process.native(frame.function) else {
        return "[unnamed frame]_[n]".to_owned();
    };
    let module = native.module.as_deref().unwrap_or("[unknown]");
    let mark = if native.code == Code::Kernel {
        'k'
    } else {
        'n'
    };
    let text = native.shown_symbol().map_or_else(
        || module.to_owned(),
        |symbol| format!("{symbol} ({module})"),
    );
    format!("{text}_[{mark}]")
}
