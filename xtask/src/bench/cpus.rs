//! Which CPU is the target's and which the watchers'.

use std::{fmt, fs};

use anyhow::{Context as _, Result};

/// The CPUs that this process may use, parted.
pub struct Cpus {
    /// How many there are.
    pub count: usize,
    /// The target stays on this one.
    pub target: usize,
    /// Watchers stay on this one; the same if there is only one.
    pub watcher: usize,
}

impl Cpus {
    /// The last CPU for the target, the first for watchers.
    pub fn choose() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status").context("cannot read own status")?;
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
            .context("the kernel does not say which CPUs may be used")?;
        let cpus = numbers(list.trim()).with_context(|| format!("no list of CPUs: {list}"))?;
        let (Some(watcher), Some(target)) = (cpus.first(), cpus.last()) else {
            anyhow::bail!("no CPU may be used");
        };
        Ok(Self {
            count: cpus.len(),
            target: *target,
            watcher: *watcher,
        })
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.target == self.watcher {
            write!(
                formatter,
                "targets and watchers share CPU {}, the only one",
                self.target
            )
        } else {
            write!(
                formatter,
                "targets on CPU {}, watchers on CPU {}",
                self.target, self.watcher
            )
        }
    }
}

/// `0-3,8` as numbers.
fn numbers(list: &str) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for range in list.split(',') {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let from: usize = from.parse().ok()?;
        let to: usize = to.parse().ok()?;
        all.extend(from..=to);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(numbers("0-3,8"), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(numbers("5"), Some(vec![5]));
        assert_eq!(numbers("a-b"), None);
    }
}
