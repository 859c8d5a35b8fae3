//! Who runs xtask, and how a step runs as the user or as root.

use std::{
    env,
    ffi::OsStr,
    fmt::Write as _,
    fs,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, bail};
use nix::unistd::{Uid, User};

use crate::cache;

/// The machine and the person xtask runs for.
pub struct Host {
    /// The workspace's folder.
    pub workspace: PathBuf,
    identity: Identity,
}

enum Identity {
    /// A plain user: root's steps go through sudo.
    User,
    /// Root at home: everything simply runs.
    Root,
    /// Root by sudo: the user's steps run as the one who called it.
    RootFor(Box<User>),
}

impl Host {
    /// Looks at who runs this.
    pub fn look() -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in the workspace's folder")?
            .to_owned();
        let identity = if Uid::effective().is_root() {
            match sudo_user()? {
                Some(user) => Identity::RootFor(Box::new(user)),
                None => Identity::Root,
            }
        } else {
            Identity::User
        };
        let host = Self {
            workspace,
            identity,
        };
        host.hand_back();
        Ok(host)
    }

    /// cargo, as the user, in the workspace.
    pub fn cargo(&self) -> Command {
        let own = match &self.identity {
            Identity::RootFor(user) => Some(user.dir.join(".cargo/bin/cargo")),
            Identity::User | Identity::Root => env::var_os("CARGO").map(PathBuf::from),
        };
        match own.filter(|cargo| cargo.is_file()) {
            Some(cargo) => self.as_user(cargo),
            None => self.as_user("cargo"),
        }
    }

    /// A program that runs as the user, in the workspace.
    pub fn as_user(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.workspace);
        if let Identity::RootFor(user) = &self.identity {
            let mut path = vec![user.dir.join(".cargo/bin")];
            path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
            if let Ok(path) = env::join_paths(path) {
                command.env("PATH", path);
            }
            for name in ["CARGO", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
                command.env_remove(name);
            }
            command
                .env("HOME", &user.dir)
                .env("USER", &user.name)
                .env("LOGNAME", &user.name)
                .uid(user.uid.as_raw())
                .gid(user.gid.as_raw());
        }
        command
    }

    /// A program that runs as root, in the workspace, with `variables` set.
    pub fn as_root(
        &self,
        program: impl AsRef<OsStr>,
        variables: &[(&str, &OsStr)],
    ) -> Result<Command> {
        if !matches!(self.identity, Identity::User) {
            let mut command = Command::new(program);
            command
                .current_dir(&self.workspace)
                .envs(variables.iter().copied());
            return Ok(command);
        }
        if find("sudo").is_none() {
            bail!(
                "{} must run as root and there is no sudo: run this task as root",
                program.as_ref().display()
            );
        }
        let mut command = Command::new("sudo");
        command.current_dir(&self.workspace).arg("--");
        if !variables.is_empty() {
            // sudo starts from a clean environment; env sets what must pass.
            command.arg("env");
            for (name, value) in variables {
                let mut setting = std::ffi::OsString::from(name);
                setting.push("=");
                setting.push(value);
                command.arg(setting);
            }
        }
        command.arg(program);
        Ok(command)
    }

    /// The user's cache folder, for what takes long to fetch.
    pub fn cache(&self) -> Result<PathBuf> {
        let home = match &self.identity {
            Identity::RootFor(user) => Some(user.dir.clone()),
            Identity::User | Identity::Root => env::var_os("HOME").map(PathBuf::from),
        };
        cache::folder(home.as_deref())
            .filter(|folder| folder.is_absolute())
            .with_context(|| format!("no cache folder: set {} or HOME", cache::VARIABLE))
    }

    /// Gives a file that this process wrote to the user it works for.
    pub fn give_to_user(&self, file: &Path) {
        if let Identity::RootFor(user) = &self.identity {
            give(file, user.uid.as_raw(), user.gid.as_raw());
        }
    }

    /// The target folder, as far as it is known without asking cargo.
    pub fn target(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.workspace.join("target"), PathBuf::from)
    }

    /// `sudo cargo xtask` has let root's cargo build xtask itself: what that wrote
    /// goes back to the user, or their next build could not write there.
    fn hand_back(&self) {
        if let Identity::RootFor(user) = &self.identity {
            let target = self.target();
            // cargo's own mark: nothing but a target folder ever changes hands.
            if !target.join("CACHEDIR.TAG").is_file() {
                return;
            }
            let count = give(&target, user.uid.as_raw(), user.gid.as_raw());
            if count > 0 {
                eprintln!(
                    "gave {count} files in target/ back to {}; next time run cargo xtask without sudo",
                    user.name
                );
            }
        }
    }
}

fn sudo_user() -> Result<Option<User>> {
    let Ok(uid) = env::var("SUDO_UID") else {
        return Ok(None);
    };
    let uid: u32 = uid
        .parse()
        .with_context(|| format!("SUDO_UID={uid} is not a user id"))?;
    if uid == 0 {
        return Ok(None);
    }
    User::from_uid(Uid::from_raw(uid))
        .with_context(|| format!("cannot look up user {uid}"))?
        .map(Some)
        .with_context(|| format!("SUDO_UID={uid} is no user of this machine"))
}

/// Gives what root owns under `folder` to another; the count of what changed hands.
fn give(folder: &Path, uid: u32, gid: u32) -> usize {
    let Ok(metadata) = fs::symlink_metadata(folder) else {
        return 0;
    };
    let mut count = 0;
    if metadata.uid() == 0 && std::os::unix::fs::lchown(folder, Some(uid), Some(gid)).is_ok() {
        count += 1;
    }
    if metadata.is_dir() {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        count += entries
            .map(|entry| give(&entry.path(), uid, gid))
            .sum::<usize>();
    }
    count
}

/// A program on the PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// The first file below a folder that is wanted.
pub fn find_below(folder: &Path, is_wanted: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).ok()?.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    entries.iter().find_map(|entry| {
        let kind = entry.file_type().ok()?;
        let path = entry.path();
        if kind.is_dir() {
            return find_below(&path, is_wanted);
        }
        (kind.is_file() && is_wanted(&path)).then_some(path)
    })
}

/// A command as one would type it.
pub fn typed(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            let _ = write!(line, "{}={} ", name.display(), value.display());
        }
    }
    let _ = write!(line, "{}", command.get_program().display());
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        if argument.is_empty() || argument.contains([' ', '\'', '"', '$', '*']) {
            let _ = write!(line, " '{}'", argument.replace('\'', r"'\''"));
        } else {
            let _ = write!(line, " {argument}");
        }
    }
    line
}

/// Says what runs, runs it, and waits.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    let line = typed(command);
    eprintln!("$ {line}");
    command
        .status()
        .with_context(|| format!("cannot run `{line}`"))
}

/// As [`status`], and anything but success is an error.
pub fn succeed(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", typed(command));
    }
    Ok(())
}

/// What a command writes to stdout; anything but success is an error.
pub fn read(command: &mut Command) -> Result<Vec<u8>> {
    let line = typed(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    Ok(output.stdout)
}

/// Runs a command whose hundreds of lines matter only if it fails.
pub fn quietly(command: &mut Command) -> Result<()> {
    let line = typed(command);
    eprintln!("$ {line}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{line}`"))?;
    if output.status.success() {
        return Ok(());
    }
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    let all: Vec<&str> = said.lines().collect();
    let last = &all[all.len().saturating_sub(8)..];
    bail!("`{line}` failed ({})\n{}", output.status, last.join("\n"))
}
