//! What a process runs, and strings from it made safe to print.

use std::borrow::Cow;

use crate::model::Process;

/// `text` without control characters and without the invisible ones that reorder
/// or hide text: names come from processes that are not trusted with a terminal.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| !is_unsafe(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .filter(|&c| c != '\u{1b}')
            .map(|c| if is_unsafe(c) { '\u{fffd}' } else { c })
            .collect(),
    )
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What the process runs, short: `python worker.py`, `python -m http.server`,
/// `gunicorn: worker [shop]`, `celery`.
pub fn program_name(process: &Process) -> String {
    let Some(first) = process.cmdline.first() else {
        let exe = process.exe.as_deref().unwrap_or("python");
        return clean(base_name(exe)).into_owned();
    };
    // A title set by the program itself (setproctitle): one argument with spaces.
    if process.cmdline.len() == 1 && first.contains(' ') {
        return clean(first.trim()).into_owned();
    }
    let interpreter = base_name(first);
    if !is_python(interpreter) {
        return clean(interpreter).into_owned();
    }
    let mut arguments = process.cmdline[1..].iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-m" => {
                let module = arguments.next().map_or("?", String::as_str);
                return clean(&format!("python -m {module}")).into_owned();
            }
            "-c" => return "python -c ...".to_owned(),
            "-W" | "-X" | "--check-hash-based-pycs" => {
                arguments.next();
            }
            flag if is_joined_flag(flag) => {}
            script => {
                let name = base_name(script);
                // Installed commands (bin/celery) go by their own name.
                return if script.contains("/bin/") && !name.contains('.') {
                    clean(name).into_owned()
                } else {
                    clean(&format!("python {name}")).into_owned()
                };
            }
        }
    }
    "python (interactive)".to_owned()
}

/// Flags of the interpreter that carry no separate value: `-u`, `-OO`, `-Wdefault`.
fn is_joined_flag(argument: &str) -> bool {
    argument.len() > 1 && argument.starts_with('-')
}

fn is_python(name: &str) -> bool {
    name.trim_start_matches('-')
        .strip_prefix("python")
        .is_some_and(|rest| {
            rest.chars()
                .all(|c| c.is_ascii_digit() || matches!(c, '.' | 't' | 'd' | '-'))
        })
}

fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some(name) if !name.is_empty() => name,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::{clean, program_name};
    use crate::model::{Pid, Process};

    fn named(cmdline: &[&str]) -> String {
        program_name(&Process {
            exe: Some("/usr/bin/python3.11".to_owned()),
            cmdline: cmdline.iter().map(|&a| a.to_owned()).collect(),
            ..Process::new(Pid(1))
        })
    }

    #[test]
    fn programs() {
        assert_eq!(
            named(&["/usr/bin/python3", "/srv/app/worker.py", "-x"]),
            "python worker.py"
        );
        assert_eq!(
            named(&["python3.11", "-u", "-m", "http.server"]),
            "python -m http.server"
        );
        assert_eq!(named(&["python", "-X", "dev", "a.py"]), "python a.py");
        assert_eq!(named(&["python", "-c", "import x\n"]), "python -c ...");
        assert_eq!(
            named(&["/venv/bin/python", "/venv/bin/celery", "worker"]),
            "celery"
        );
        assert_eq!(
            named(&["gunicorn: worker [shop]"]),
            "gunicorn: worker [shop]"
        );
        assert_eq!(named(&["uwsgi", "--http"]), "uwsgi");
        assert_eq!(named(&["python3"]), "python (interactive)");
        assert_eq!(named(&[]), "python3.11");
    }

    #[test]
    fn escape_sequences_do_not_get_through() {
        assert_eq!(clean("a\u{1b}[2Jb\rc\u{202e}d"), "a[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(clean("größe_数"), "größe_数");
        assert!(!named(&["python", "/tmp/x\u{1b}]0;owned\u{7}.py"]).contains('\u{1b}'));
    }
}
