//! One line per process.

use unicode_width::UnicodeWidthStr;

use super::Row;
use super::line::{Line, Look, cut_end, cut_middle};
use super::place::{short_file_line, short_name};
use crate::classify::say::{count, percent};
use crate::classify::{Class, Detail, service_name, waited_for};
use crate::model::{Awaits, Process, Reason, Wait};
use crate::report::{clean, native, program_name};

const GAP: usize = 2;
const ENDED: &str = " (ended)";
/// From this width on there is room for the detail and the confidence.
pub(super) const ROOMY: usize = 100;

/// The cells of one row.
struct Cells {
    pid: String,
    program: String,
    python: String,
    verdict: String,
    share: String,
    sure: String,
    class: Class,
    place: Place,
}

/// The last cell: what stays visible when room is short comes first.
struct Place {
    function: String,
    file_line: String,
    more: Vec<String>,
}

/// Header and rows; nothing without rows.
pub(super) fn table(rows: &[Row<'_>], width: usize) -> Vec<Line> {
    if rows.is_empty() {
        return Vec::new();
    }
    let roomy = width >= ROOMY;
    let cells: Vec<Cells> = rows.iter().map(|row| cells(row, roomy)).collect();
    let program_cap = match width {
        ..ROOMY => 16,
        ROOMY..160 => 24,
        _ => 40,
    };
    let widest = |head: &str, cap: usize, of: &dyn Fn(&Cells) -> &str| {
        let widest = cells.iter().map(|c| of(c).width()).max().unwrap_or(0);
        widest.max(head.width()).min(cap)
    };
    let pid = widest("PID", 10, &|c| &c.pid).max(5);
    let program = widest("PROGRAM", program_cap, &|c| &c.program);
    let python = widest("PY", 8, &|c| &c.python);
    let verdict_cap = if roomy { 30 } else { 26 };
    let verdict = widest("VERDICT", verdict_cap, &|c| &c.verdict);
    let mut starts = vec![pid + GAP];
    for column in [program, python, verdict, 5] {
        starts.push(starts[starts.len() - 1] + column + GAP);
    }
    if roomy {
        starts.push(starts[4] + 4 + GAP);
    }
    let where_at = starts[starts.len() - 1];

    let mut head = Line::new();
    head.push(&format!("{:>pid$}", "PID"), Look::Faint);
    for (title, &at) in ["PROGRAM", "PY", "VERDICT", "SHARE"].iter().zip(&starts) {
        head.pad_to(at).push(title, Look::Faint);
    }
    if roomy {
        head.pad_to(starts[4]).push("SURE", Look::Faint);
    }
    head.pad_to(where_at).push("WHERE", Look::Faint);

    let mut lines = vec![head];
    for cell in &cells {
        let mut line = Line::new();
        line.push(&format!("{:>pid$}", cell.pid), Look::Strong)
            .pad_to(starts[0])
            .push(&program_cell(&cell.program, program), Look::Plain)
            .pad_to(starts[1])
            .push(&cut_end(&cell.python, python), Look::Plain)
            .pad_to(starts[2])
            .push(&cut_end(&cell.verdict, verdict), Look::Class(cell.class))
            .pad_to(starts[3])
            .push(&format!("{:>5}", cell.share), Look::Plain);
        if roomy {
            line.pad_to(starts[4])
                .push(&format!("{:>4}", cell.sure), Look::Faint);
        }
        line.pad_to(where_at);
        place(&mut line, &cell.place, width.saturating_sub(where_at));
        lines.push(line);
    }
    lines
}

/// The script alone where `python` before it is one word too many.
fn program_cell(program: &str, room: usize) -> String {
    if let Some(name) = program.strip_suffix(ENDED)
        && program.width() > room
    {
        return program_cell(name, room.saturating_sub(ENDED.len())) + ENDED;
    }
    let without = program
        .strip_prefix("python -m ")
        .or_else(|| program.strip_prefix("python "));
    match without {
        Some(script) if program.width() > room => cut_end(script, room),
        _ => cut_end(program, room),
    }
}

fn cells(row: &Row<'_>, roomy: bool) -> Cells {
    let verdict = &row.verdicts.verdict;
    let class = verdict.class;
    let share = match class {
        Class::Mixed | Class::Unknown | Class::Idle => None,
        _ => verdict.shares.get(&class),
    };
    let ended = if row.process.exited { ENDED } else { "" };
    Cells {
        pid: row.process.pid.to_string(),
        program: format!("{}{ended}", program_name(row.process)),
        python: python_version(row.process),
        verdict: match verdict.detail {
            Some(detail) if roomy => format!("{class} ({detail})"),
            _ => class.to_string(),
        },
        share: share.map_or_else(|| "-".to_owned(), |share| percent(*share)),
        sure: match class {
            Class::Unknown => "-".to_owned(),
            _ => percent(verdict.confidence),
        },
        class,
        place: where_cell(row),
    }
}

/// `3.11` of `3.11.7`.
fn python_version(process: &Process) -> String {
    process.python.as_ref().map_or("?".to_owned(), |python| {
        let version: Vec<&str> = python.version.splitn(3, '.').take(2).collect();
        let threaded = if python.free_threaded == Some(true) {
            "t"
        } else {
            ""
        };
        format!("{}{threaded}", clean(&version.join(".")))
    })
}

fn where_cell(row: &Row<'_>) -> Place {
    let verdict = &row.verdicts.verdict;
    let (place, more) = if verdict.class == Class::Idle {
        resting(row.process)
    } else {
        let blame = verdict.blame.as_ref();
        let place = blame.map(|b| (b.function.clone(), short_file_line(&b.file, b.line)));
        (place, remark(row))
    };
    let more = more.iter().map(|text| clean(text).into_owned()).collect();
    let (function, file_line) = place.unwrap_or_else(|| {
        let nowhere = match &row.process.unreadable {
            Some(_) => "(stacks not readable)",
            None => "(no Python frame seen)",
        };
        (nowhere.to_owned(), String::new())
    });
    Place {
        function: clean(&function).into_owned(),
        file_line: clean(&file_line).into_owned(),
        more,
    }
}

/// What else belongs beside the place, longest form first.
fn remark(row: &Row<'_>) -> Vec<String> {
    let verdict = &row.verdicts.verdict;
    match (verdict.class, verdict.detail) {
        (Class::IoBound | Class::Mixed, _) => io_wait(row.process)
            .map(|wait| short_waits(&wait))
            .unwrap_or_default(),
        (Class::CpuBound, Some(Detail::Native | Detail::Kernel | Detail::Gc)) => in_native(row),
        (Class::LockBound, Some(Detail::Gil)) => {
            vec![count(row.verdicts.voters as u64, "thread", "threads")]
        }
        (Class::CpuStarved, _) => verdict
            .otherwise
            .map(|class| format!("else {class}"))
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

/// What the blamed function was executing, longest form first.
fn in_native(row: &Row<'_>) -> Vec<String> {
    let Some(blame) = &row.verdicts.verdict.blame else {
        return Vec::new();
    };
    let (on_cpu_ns, rows) = row.process.native_under(blame.function_id);
    native::most_of(row.process, &rows, on_cpu_ns)
        .map(|most| vec![most.long, most.short])
        .unwrap_or_default()
}

/// Where an idle process waits, and what for.
fn resting(process: &Process) -> (Option<(String, String)>, Vec<String>) {
    let Some(wait) = process.waits().into_iter().next() else {
        return (None, Vec::new());
    };
    let place = wait.frame.and_then(|frame| {
        let function = process.function(frame.function?)?;
        let file_line = short_file_line(&function.file, frame.line);
        Some((function.name.clone(), file_line))
    });
    let what = waited_for(
        wait.reason,
        wait.peer.as_deref(),
        wait.file.as_deref(),
        wait.child.as_ref(),
    );
    (place, vec![what])
}

/// The longest wait for something outside the program.
fn io_wait(process: &Process) -> Option<Wait> {
    process.waits().into_iter().find(|wait| match wait.reason {
        _ if wait.awaits == Some(Awaits::Work) => false,
        Reason::PollWait => wait.peer.is_some(),
        Reason::Sleep
        | Reason::Lock
        | Reason::Futex
        | Reason::Gil
        | Reason::Signal
        | Reason::Stopped
        | Reason::NetAccept => false,
        _ => true,
    })
}

/// The wait in a few words, longest form first.
fn short_waits(wait: &Wait) -> Vec<String> {
    match (&wait.peer, &wait.file) {
        (Some(peer), _) => match service_name(peer) {
            Some(service) => vec![
                format!("waits for {peer} ({service})"),
                format!("waits for {service}"),
            ],
            None => vec![format!("waits for {peer}"), peer.clone()],
        },
        (None, Some(file)) => vec![
            format!("{} {file}", wait.reason.name()),
            wait.reason.name().to_owned(),
        ],
        (None, None) => vec![wait.reason.name().to_owned()],
    }
}

/// Function, file and line, and the rest as far as there is room.
fn place(line: &mut Line, place: &Place, room: usize) {
    let needed = place.file_line.width();
    if place.file_line.is_empty() {
        line.push(&cut_end(&place.function, room), Look::Faint);
        return;
    }
    // The file keeps its place; the function is cut, the rest goes first.
    let file_line = cut_middle(&place.file_line, room);
    let function_room = room.saturating_sub(needed + 1);
    let function = if function_room < 5 {
        String::new()
    } else {
        format!("{} ", short_name(&place.function, function_room))
    };
    let used = function.width() + file_line.width();
    line.push(&function, Look::Strong)
        .push(&file_line, Look::Plain);
    let left = room.saturating_sub(used + GAP);
    if let Some(more) = place.more.iter().find(|more| more.width() <= left) {
        line.push(&format!("{:GAP$}{more}", ""), Look::Faint);
    }
}

/// Idle processes on one line.
pub(super) fn idle_line(idle: &[Row<'_>], width: usize) -> Option<Line> {
    let hint = "  --all shows them";
    if idle.is_empty() {
        return None;
    }
    let mut line = Line::new();
    line.push(
        &format!("{:>5}  idle:", idle.len()),
        Look::Class(Class::Idle),
    );
    for (i, row) in idle.iter().enumerate() {
        let pid = format!(" {}", row.process.pid);
        let more = format!(" and {} more", idle.len() - i);
        let is_last = i + 1 == idle.len();
        let reserve = if is_last { 0 } else { more.width() };
        if line.width() + pid.width() + reserve + hint.width() > width {
            line.push(&more, Look::Faint);
            break;
        }
        line.push(&pid, Look::Faint);
    }
    line.push(hint, Look::Faint);
    Some(line)
}

/// How many processes have no block of their own.
pub(super) fn more_line(hidden: usize) -> Option<Line> {
    (hidden > 0).then(|| {
        let mut line = Line::new();
        line.push(
            &format!("... and {hidden} more in the table above: --all explains them too"),
            Look::Faint,
        );
        line
    })
}
