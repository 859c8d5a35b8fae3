//! A swap device for the time of a test.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

/// Its size.
const BYTES: usize = 64 << 20;

/// A file that is swapped to; no more once it is dropped.
#[derive(Debug)]
pub struct Swap {
    file: PathBuf,
}

impl Swap {
    /// Makes one; why not, if the machine does not let us.
    pub fn make() -> Result<Self, String> {
        let folder = PathBuf::from("/var/tmp");
        let folder = if folder.is_dir() {
            folder
        } else {
            env::temp_dir()
        };
        let file = folder.join(format!("pyobserve-swap-{}", std::process::id()));
        // Dropped, and with that removed, if something fails.
        let swap = Self { file };
        fs::write(&swap.file, vec![0; BYTES]).map_err(|e| e.to_string())?;
        let owner_only = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&swap.file, owner_only).map_err(|e| e.to_string())?;
        swap.run("mkswap")?;
        swap.run("swapon")?;
        Ok(swap)
    }

    fn run(&self, program: &str) -> Result<(), String> {
        let status = Command::new(program)
            .arg(&self.file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{program}: {status}")),
            Err(error) => Err(format!("{program}: {error}")),
        }
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        // That it was never swapped to is as good.
        let _ = self.run("swapoff");
        let _ = fs::remove_file(&self.file);
    }
}
