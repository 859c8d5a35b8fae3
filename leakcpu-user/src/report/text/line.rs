//! Styled lines that never exceed the width.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::classify::Class;
use crate::report::clean;

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Strong,
    Faint,
    Class(Class),
    Step,
    Warning,
}

impl Look {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain | Self::Class(Class::Mixed) => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint | Self::Class(Class::Idle | Class::Unknown) => Style::new().dimmed(),
            Self::Class(Class::BusyWaiting) => colour(AnsiColor::Red).bold(),
            Self::Class(Class::CpuBound | Class::CpuStarved) | Self::Warning => {
                colour(AnsiColor::Yellow)
            }
            Self::Class(Class::IoBound) => colour(AnsiColor::Cyan),
            Self::Class(Class::LockBound | Class::MemoryBound) => colour(AnsiColor::Magenta),
            Self::Step => colour(AnsiColor::Green),
        }
    }
}

/// One line of output.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    spans: Vec<(String, Look)>,
    width: usize,
}

impl Line {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Appends text, made safe.
    pub(super) fn push(&mut self, text: &str, look: Look) -> &mut Self {
        let text = clean(text).into_owned();
        self.width += text.width();
        self.spans.push((text, look));
        self
    }

    /// Appends spaces up to `column`.
    pub(super) fn pad_to(&mut self, column: usize) -> &mut Self {
        let missing = column.saturating_sub(self.width);
        self.push(&" ".repeat(missing), Look::Plain)
    }

    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// Writes the line, cut at `width` columns, without trailing blanks.
    pub(super) fn write(&self, out: &mut dyn Write, width: usize, colour: bool) -> io::Result<()> {
        let mut room = width;
        let mut spans: Vec<(String, Look)> = Vec::new();
        for (text, look) in &self.spans {
            let cut = cut_end(text, room);
            room -= cut.width();
            let was_cut = cut.len() != text.len();
            spans.push((cut, *look));
            if was_cut {
                break;
            }
        }
        while let Some((text, _)) = spans.last_mut() {
            text.truncate(text.trim_end().len());
            if !text.is_empty() {
                break;
            }
            spans.pop();
        }
        for (text, look) in spans {
            let style = look.style();
            if colour && style != Style::new() {
                write!(out, "{style}{text}{style:#}")?;
            } else {
                write!(out, "{text}")?;
            }
        }
        writeln!(out)
    }
}

/// `text` in at most `room` columns, cut at the end.
pub(super) fn cut_end(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    if room == 0 {
        return String::new();
    }
    format!("{}\u{2026}", prefix(text, room - 1))
}

/// `text` in at most `room` columns, cut in the middle.
pub(super) fn cut_middle(text: &str, room: usize) -> String {
    if text.width() <= room || room < 5 {
        return cut_end(text, room);
    }
    let head = (room - 1) / 2;
    let tail = room - 1 - head;
    format!("{}\u{2026}{}", prefix(text, head), suffix(text, tail))
}

fn prefix(text: &str, room: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect()
}

fn suffix(text: &str, room: usize) -> String {
    let mut used = 0;
    let reversed: Vec<char> = text
        .chars()
        .rev()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect();
    reversed.into_iter().rev().collect()
}

/// Words of `text` on lines of at most `width` columns.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there always is a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Line, Look, cut_end, cut_middle, wrap};
    use crate::classify::Class;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn cutting_keeps_to_the_room() {
        assert_eq!(cut_end("abcdef", 4), "abc\u{2026}");
        assert_eq!(cut_middle("abcdefghij", 6), "ab\u{2026}hij");
        for room in 0..12 {
            assert!(cut_end("数据处理函数", room).width() <= room);
            assert!(cut_middle("数据处理函数", room).width() <= room);
        }
    }

    #[test]
    fn wrapping_breaks_between_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
    }

    #[test]
    fn colour_only_if_asked_for_and_never_from_the_text() {
        let mut line = Line::new();
        line.push("a\u{1b}[31mb", Look::Class(Class::BusyWaiting))
            .pad_to(20);
        let mut plain = Vec::new();
        line.write(&mut plain, 80, false).unwrap();
        assert_eq!(String::from_utf8(plain).unwrap(), "a[31mb\n");
        let mut coloured = Vec::new();
        line.write(&mut coloured, 80, true).unwrap();
        assert!(String::from_utf8(coloured).unwrap().starts_with("\u{1b}["));
    }
}
