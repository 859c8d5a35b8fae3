//! CPU quotas of control groups, v1 and v2 (`Documentation/scheduler/sched-bwc.rst`,
//! `Documentation/admin-guide/cgroup-v2.rst`).

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::CgroupFacts;

/// Most groups looked at above one process.
const MAX_DEPTH: usize = 64;

/// Where the controller `cpu` is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuHierarchy {
    mount: PathBuf,
    /// The part of the hierarchy that the mount shows.
    root: String,
    is_v2: bool,
}

/// A group's quota and what it did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaStat {
    /// The group.
    pub cgroup: String,
    /// CPU time its tasks may use in each period.
    pub quota_ns: u64,
    /// The period.
    pub period_ns: u64,
    /// Periods in which one of its tasks was active.
    pub periods: u64,
    /// Those in which the quota was used up.
    pub throttled_periods: u64,
    /// Time for which it was held back, summed over CPUs.
    pub throttled_ns: u64,
}

impl CpuHierarchy {
    /// Finds it; `None` where there is none.
    pub fn find() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/mountinfo").ok()?)
    }

    /// `id parent major:minor root mount options [tags] - type source super-options`.
    fn parse(mountinfo: &str) -> Option<Self> {
        let mut unified = None;
        for line in mountinfo.lines() {
            let Some((left, right)) = line.split_once(" - ") else {
                continue;
            };
            let mut left = left.split(' ').skip(3);
            let mut right = right.split(' ');
            let (Some(root), Some(mount)) = (left.next(), left.next()) else {
                continue;
            };
            let found = |is_v2| Self {
                mount: PathBuf::from(mount),
                root: root.to_owned(),
                is_v2,
            };
            match (right.next(), right.nth(1)) {
                (Some("cgroup"), Some(options)) if options.split(',').any(|o| o == "cpu") => {
                    // A controller is in one hierarchy at a time.
                    return Some(found(false));
                }
                (Some("cgroup2"), _) if unified.is_none() => unified = Some(found(true)),
                _ => {}
            }
        }
        unified
    }

    /// The quotas that hold for a process of these groups, innermost first.
    pub fn quotas(&self, cgroup: &CgroupFacts) -> Vec<QuotaStat> {
        let path = if self.is_v2 {
            cgroup.unified.as_deref()
        } else {
            cgroup.v1_path("cpu")
        };
        let shown = |path: &'_ str| -> Option<String> {
            let root = self.root.trim_end_matches('/');
            let rest = path.strip_prefix(root)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        };
        let Some(inner) = path.and_then(shown) else {
            return Vec::new();
        };
        // A path with `..` lies outside what is mounted here.
        if inner.split('/').any(|part| part == "..") {
            return Vec::new();
        }
        Path::new(inner.trim_start_matches('/'))
            .ancestors()
            .take(MAX_DEPTH)
            .filter_map(|group| self.quota(group))
            .collect()
    }

    fn quota(&self, group: &Path) -> Option<QuotaStat> {
        let directory = self.mount.join(group);
        let read = |name: &str| fs::read_to_string(directory.join(name)).ok();
        let (quota_us, period_us) = if self.is_v2 {
            parse_max(&read("cpu.max")?)?
        } else {
            // -1 where there is none.
            let quota = read("cpu.cfs_quota_us")?.trim().parse::<u64>().ok()?;
            (quota, read("cpu.cfs_period_us")?.trim().parse().ok()?)
        };
        let mut stat = parse_stat(&read("cpu.stat")?);
        stat.quota_ns = quota_us.saturating_mul(1_000);
        stat.period_ns = period_us.saturating_mul(1_000);
        stat.cgroup = format!("/{}", group.display());
        Some(stat)
    }
}

/// `QUOTA PERIOD` in microseconds; `None` for `max`.
fn parse_max(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_ascii_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

fn parse_stat(text: &str) -> QuotaStat {
    let mut stat = QuotaStat::default();
    for line in text.lines() {
        let Some((name, figure)) = line.split_once(' ') else {
            continue;
        };
        let Ok(figure) = figure.trim().parse::<u64>() else {
            continue;
        };
        match name {
            "nr_periods" => stat.periods = figure,
            "nr_throttled" => stat.throttled_periods = figure,
            // v1 in nanoseconds, v2 in microseconds.
            "throttled_time" => stat.throttled_ns = figure,
            "throttled_usec" => stat.throttled_ns = figure.saturating_mul(1_000),
            _ => {}
        }
    }
    stat
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "\
30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw
31 30 0:27 / /sys/fs/cgroup/unified rw shared:5 - cgroup2 cgroup2 rw
32 30 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:7 - cgroup cgroup rw,cpu,cpuacct
";

    #[test]
    fn the_hierarchy_that_has_the_controller() {
        let v1 = CpuHierarchy::parse(V1).unwrap();
        assert_eq!(v1.mount, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert!(!v1.is_v2);
        let v2 = CpuHierarchy::parse("1 2 0:3 /kubepods /sys/fs/cgroup rw - cgroup2 none rw\n");
        let v2 = v2.unwrap();
        assert!(v2.is_v2 && v2.root == "/kubepods");
        assert_eq!(
            CpuHierarchy::parse("1 2 0:3 / / rw - ext4 /dev/vda rw\n"),
            None
        );
    }

    #[test]
    fn quotas_of_a_group_and_of_those_above_it() {
        let place = std::env::temp_dir().join(format!("quota-test-{}", std::process::id()));
        let group = place.join("outer/inner");
        fs::create_dir_all(&group).unwrap();
        let write = |path: &Path, name: &str, text: &str| {
            fs::write(path.join(name), text).unwrap();
        };
        write(&group, "cpu.max", "max 100000\n");
        write(&place.join("outer"), "cpu.max", "20000 100000\n");
        write(
            &place.join("outer"),
            "cpu.stat",
            "usage_usec 5\nnr_periods 7\nnr_throttled 6\nthrottled_usec 12\n",
        );
        let hierarchy = CpuHierarchy {
            mount: place.clone(),
            root: "/".to_owned(),
            is_v2: true,
        };
        let quotas = hierarchy.quotas(&CgroupFacts::parse("0::/outer/inner\n"));
        let outside = hierarchy.quotas(&CgroupFacts::parse("0::/../outer\n"));
        fs::remove_dir_all(&place).unwrap();
        assert_eq!(
            quotas,
            [QuotaStat {
                cgroup: "/outer".to_owned(),
                quota_ns: 20_000_000,
                period_ns: 100_000_000,
                periods: 7,
                throttled_periods: 6,
                throttled_ns: 12_000,
            }]
        );
        assert_eq!(outside, []);
    }

    #[test]
    fn figures_of_v1_are_nanoseconds() {
        let stat = parse_stat("nr_periods 3\nnr_throttled 2\nthrottled_time 657937083\n");
        assert_eq!((stat.periods, stat.throttled_periods), (3, 2));
        assert_eq!(stat.throttled_ns, 657_937_083);
    }
}
