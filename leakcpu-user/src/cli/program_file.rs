//! Which file a command will run.

use std::{
    env,
    fs::File,
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Scripts that are run by scripts.
const MAX_SCRIPTS: usize = 4;
/// Bytes of a script's first line that the kernel reads (`BINPRM_BUF_SIZE`,
/// `include/uapi/linux/binfmts.h`).
const FIRST_LINE_BYTES: usize = 256;

/// The binary that the command's first process will be: found as a shell finds it, through the
/// first lines of scripts. `None` if there is no such file.
pub fn program_file(command: &str) -> Option<PathBuf> {
    let mut file = found(command)?;
    for _ in 0..MAX_SCRIPTS {
        let Some(words) = interpreter_line(&file) else {
            return Some(file);
        };
        file = next(&words)?;
    }
    None
}

/// What the first line of a script names: `env` finds it by its name.
fn next(words: &[String]) -> Option<PathBuf> {
    let (first, rest) = words.split_first()?;
    let is_env = Path::new(first).file_name().is_some_and(|it| it == "env");
    if !is_env {
        return found(first);
    }
    // The kernel passes the rest of the line as one word, which `env -S` takes apart.
    let mut words = rest.iter().flat_map(|word| word.split_whitespace());
    let named = words.find(|word| !word.starts_with('-') && !word.contains('='));
    found(named?)
}

fn found(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_executable(path));
    }
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// The words after `#!`; `None` if it is no script.
fn interpreter_line(path: &Path) -> Option<Vec<String>> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(FIRST_LINE_BYTES as u64)
        .read_to_end(&mut bytes)
        .ok()?;
    let line = bytes.strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let line = std::ffi::OsStr::from_bytes(line).to_str()?;
    Some(line.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn binaries_and_scripts_lead_to_the_binary() {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, first: &str| {
            let path = folder.path().join(name);
            fs::write(&path, format!("{first}\nprint()\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let sh = program_file("sh").unwrap();
        assert!(sh.is_absolute());
        let direct = script("direct", &format!("#!{}", sh.display()));
        assert_eq!(program_file(&direct), Some(sh.clone()));
        let by_env = script("by-env", "#!/usr/bin/env -S sh -e");
        assert_eq!(program_file(&by_env), Some(sh));
        let twice = script("twice", &format!("#! {direct}"));
        assert_eq!(program_file(&twice), program_file(&direct));
        let itself = folder.path().join("itself");
        let itself = script("itself", &format!("#!{}", itself.display()));
        assert_eq!(program_file(&itself), None);
        assert_eq!(program_file("no-such-command-here"), None);
        assert_eq!(program_file(folder.path().to_str().unwrap()), None);
    }
}
