//! Functions and files in the room there is; the line number stays visible.

use unicode_width::UnicodeWidthStr;

use super::line::cut_middle;
use crate::model::{Frame, Process, plain_name};

/// `views.py:87` in at most `room` columns: as many trailing parts of the path as fit.
pub(super) fn file_line(file: &str, line: Option<u32>, room: usize) -> String {
    let line = line.map_or(String::new(), |line| format!(":{line}"));
    let full = format!("{file}{line}");
    if full.width() <= room {
        return full;
    }
    let parts: Vec<&str> = file.split('/').filter(|part| !part.is_empty()).collect();
    for skipped in 1..parts.len() {
        let short = format!("{}{line}", parts[skipped..].join("/"));
        if short.width() <= room {
            return short;
        }
    }
    let name = parts.last().copied().unwrap_or(file);
    let room_for_name = room.saturating_sub(line.width()).max(5);
    format!("{}{line}", cut_middle(name, room_for_name))
}

/// The shortest useful form: file name and line, with the directory if the name
/// alone says nothing.
pub(super) fn short_file_line(file: &str, line: Option<u32>) -> String {
    let parts: Vec<&str> = file.split('/').filter(|part| !part.is_empty()).collect();
    let keep = match parts.last() {
        Some(&"__init__.py" | &"__main__.py") => 2,
        _ => 1,
    };
    let start = parts.len().saturating_sub(keep);
    let name = if parts.is_empty() {
        file.to_owned()
    } else {
        parts[start..].join("/")
    };
    line.map_or(name.clone(), |line| format!("{name}:{line}"))
}

/// A function's name; the plain one where the qualified one does not fit.
pub(super) fn short_name(name: &str, room: usize) -> String {
    if name.width() <= room {
        return name.to_owned();
    }
    cut_middle(plain_name(name), room)
}

/// `fetch_orders views.py:87` of a frame.
pub(super) fn frame_short(process: &Process, frame: Frame) -> Option<String> {
    let function = process.function(frame.function?)?;
    let place = short_file_line(&function.file, frame.line);
    Some(format!("{} {place}", function.name))
}

#[cfg(test)]
mod tests {
    use super::{file_line, short_file_line};

    #[test]
    fn the_line_stays() {
        let path = "/srv/shop/app/orders/views.py";
        assert_eq!(
            file_line(path, Some(87), 80),
            "/srv/shop/app/orders/views.py:87"
        );
        assert_eq!(file_line(path, Some(87), 20), "orders/views.py:87");
        assert_eq!(file_line(path, Some(87), 12), "views.py:87");
        assert_eq!(file_line(path, Some(87), 10), "vie\u{2026}.py:87");
        assert_eq!(short_file_line(path, Some(87)), "views.py:87");
        assert_eq!(
            short_file_line("/a/pkg/__init__.py", None),
            "pkg/__init__.py"
        );
        assert_eq!(short_file_line("<string>", Some(1)), "<string>:1");
    }
}
