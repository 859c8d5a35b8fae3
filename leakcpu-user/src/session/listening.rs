//! Listening at the probes of interpreters (USDT): which are there, which are armed, and for
//! how long.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use leakcpu_common::usdt::{FiredKey, UsdtSite};

use super::{Session, SessionError, Targets};
use crate::{
    collect::monotonic_ns,
    discovery::{self, FileId, PythonImage},
    elf::{CPYTHON, UsdtNotes},
    interpreter::PythonVersion,
    model::{PROBES, ProbeUse, ProbeWorth, UserLoss, probe_worth},
    probes::{ProbeError, ProbeGroup, Scope, UsdtError, UsdtLink, UsdtTarget},
};

/// Share of a CPU that the armed probes of a group may take of one process.
const MAX_SHARE: f64 = 0.01;
/// Ticks between two looks at what they take.
const BUDGET_TICKS: u32 = 20;

/// Which probes are listened at: of which file, and for whom, everyone or one process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Listened {
    pub file: FileId,
    pub group: ProbeGroup,
    pub only: Option<u32>,
}

/// How often the probes of a group fired in a process.
type Fired = HashMap<(ProbeGroup, u32), u64>;

/// The files whose probes are listened at.
#[derive(Default)]
pub(super) struct Listening {
    links: HashMap<Listened, Option<UsdtLink>>,
    /// When the budget was looked at, and how often the probes of each group had fired in each
    /// process.
    looked_at: Option<(u64, Fired)>,
    /// Groups that were disarmed, and when.
    disarmed: HashMap<ProbeGroup, u64>,
    /// A file's probes were armed before the command began.
    from_the_start: Option<FileId>,
}

impl Session {
    /// Listens at the probes of the interpreter that a process runs, as far as it has them and
    /// they are wanted.
    pub(super) fn listen(&mut self, pid: u32, image: &PythonImage) {
        let wanted = self.config.usdt;
        if wanted.groups().next().is_none() {
            return;
        }
        let notes = &image.elf.probes;
        let present: Vec<&'static str> = PROBES
            .into_iter()
            .filter(|name| notes.find(CPYTHON, name).is_some())
            .collect();
        let only = match self.targets {
            Targets::Pids(_) => Some(pid),
            Targets::All | Targets::Child(_) => None,
        };
        let (listened_at_ns, armed_before_ns) = (monotonic_ns(), self.calls_armed_ns());
        let armed = wanted
            .groups()
            .filter(|group| {
                let listened = Listened {
                    file: image.file,
                    group: *group,
                    only,
                };
                self.is_listened_at(listened, notes, || open(pid, image))
            })
            .collect();
        let is_from_start = self.listening.from_the_start == Some(image.file);
        if let Some(watched) = self.watched.get_mut(&pid) {
            watched.probes = Some(WatchedProbes {
                listened_at_ns,
                armed_before_ns,
                minor: PythonVersion::of(&image.elf).map_or(0, |version| version.minor),
                present,
                armed,
                is_from_start,
            });
        }
    }

    /// Listens at the probes of the file that a command is about to run, so that nothing of its
    /// start is missed. It is no error if that is no interpreter with probes.
    pub fn listen_from_the_start(&mut self, path: &Path) {
        let found = File::open(path).and_then(|file| Ok((discovery::python_file(&file)?, file)));
        let ((id, elf), file) = match found {
            Ok((Some(python), file)) => (python, file),
            Ok((None, _)) => return,
            Err(why) => {
                tracing::debug!(path = %path.display(), %why, "not looked at");
                return;
            }
        };
        for group in self.config.usdt.groups() {
            let listened = Listened {
                file: id,
                group,
                only: None,
            };
            self.is_listened_at(listened, &elf.probes, || file.try_clone());
        }
        self.listening.from_the_start = Some(id);
    }

    /// Whether these probes are listened at now.
    fn is_listened_at(
        &mut self,
        listened: Listened,
        notes: &UsdtNotes,
        file: impl FnOnce() -> io::Result<File>,
    ) -> bool {
        let targets = targets(notes, listened.group);
        if targets.is_empty() {
            return false;
        }
        if let Some(known) = self.listening.links.get(&listened) {
            return known.is_some() || listened.group.is_sampled();
        }
        if listened.group.is_sampled() {
            return self.will_be_listened_at(listened, targets, file);
        }
        let scope = listened.only.map_or(Scope::Everyone, Scope::Process);
        let link = self.link(listened.group, file, &targets, scope);
        if let Err(why) = &link {
            tracing::warn!(group = listened.group.name(), %why, "probes are not heard");
            self.lose(UserLoss::ProbesNotHeard, 1);
        }
        let is_there = link.is_ok();
        self.listening.links.insert(listened, link.ok());
        is_there
    }

    /// Whether these probes will be listened at, for moments.
    fn will_be_listened_at(
        &mut self,
        listened: Listened,
        targets: Vec<UsdtTarget>,
        file: impl FnOnce() -> io::Result<File>,
    ) -> bool {
        match file() {
            Ok(file) => {
                self.listening.links.insert(listened, None);
                self.add_call_place(listened, file, targets);
                true
            }
            Err(why) => {
                tracing::warn!(group = listened.group.name(), %why, "probes are not heard");
                self.lose(UserLoss::ProbesNotHeard, 1);
                false
            }
        }
    }

    fn link(
        &mut self,
        group: ProbeGroup,
        file: impl FnOnce() -> io::Result<File>,
        targets: &[UsdtTarget],
        scope: Scope,
    ) -> Result<UsdtLink, ProbeError> {
        let file = file().map_err(|source| UsdtError::Attach {
            file: PathBuf::from("the interpreter"),
            source,
        })?;
        // By descriptor, so that it is the file that was looked at, whatever its name is now.
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        self.probes.attach_usdt(group, &path, targets, scope)
    }

    /// Disarms the probes of a group that take more than their share of a process.
    pub(super) fn keep_probe_budget(&mut self) -> Result<(), SessionError> {
        if !self.ticks.is_multiple_of(BUDGET_TICKS) || self.listening.links.is_empty() {
            return Ok(());
        }
        let now_ns = monotonic_ns();
        let fired = self.fired_by_group()?;
        let Some((since_ns, before)) = self.listening.looked_at.replace((now_ns, fired.clone()))
        else {
            return Ok(());
        };
        let passed_ns = now_ns.saturating_sub(since_ns).max(1);
        for ((group, pid), times) in fired {
            let more = times.saturating_sub(before.get(&(group, pid)).copied().unwrap_or(0));
            let share = (more * group.price_ns()) as f64 / passed_ns as f64;
            if share <= MAX_SHARE || !self.disarm(group) {
                continue;
            }
            self.listening.disarmed.insert(group, now_ns);
            self.warnings.push(format!(
                "the `{}` probes of process {pid} fired {} times a second, which takes about \
                 {:.1} % of a CPU; they were disarmed {:.1} s after the window began",
                group.name(),
                more * 1_000_000_000 / passed_ns,
                share * 100.0,
                now_ns.saturating_sub(self.start_ns) as f64 / 1e9,
            ));
        }
        Ok(())
    }

    /// For how long of the window the probes of a group were listened at, if not for all of it.
    pub(super) fn heard_ns(&self, group: ProbeGroup) -> Option<u64> {
        let at_ns = self.listening.disarmed.get(&group)?;
        Some(at_ns.saturating_sub(self.start_ns))
    }

    fn fired_by_group(&mut self) -> Result<Fired, SessionError> {
        let mut fired = Fired::new();
        for entry in &self.probes.maps()?.usdt_fired {
            let Ok((key, times)) = entry else { continue };
            let mut groups = ProbeGroup::ALL.into_iter();
            let group = groups.find(|group| group.probes().iter().any(|it| it.1 == key.probe));
            // Those of moments have a budget of their own.
            if let Some(group) = group.filter(|group| !group.is_sampled()) {
                *fired.entry((group, key.pid)).or_default() += times;
            }
        }
        Ok(fired)
    }

    /// Ceases to listen at the probes of a group; whether anybody did.
    fn disarm(&mut self, group: ProbeGroup) -> bool {
        let mut was_armed = false;
        for (listened, link) in &mut self.listening.links {
            if listened.group == group
                && let Some(link) = link.take()
            {
                self.probes.detach_usdt(link);
                was_armed = true;
            }
        }
        was_armed
    }

    /// Ceases to listen: targets have their code back when this returns.
    pub(super) fn stop_listening(&mut self) {
        for (_, link) in self.listening.links.drain() {
            if let Some(link) = link {
                self.probes.detach_usdt(link);
            }
        }
    }
}

/// The first version whose JIT leaves out the probes of calls that are compiled.
const FIRST_WITH_JIT: u8 = 15;
/// What those are worth in a process that has such code.
const MUTED: (ProbeWorth, Option<&str>) = (
    ProbeWorth::SomeMissing,
    Some("the process has code that was made at run time, as the JIT's, which hardly passes it"),
);

fn is_of_calls(probe: &str) -> bool {
    probe.starts_with("function__")
}

/// What is known of the probes of a process' interpreter.
#[derive(Clone, Debug)]
pub(super) struct WatchedProbes {
    /// Since when, and for how long calls had been counted by then.
    pub listened_at_ns: u64,
    pub armed_before_ns: u64,
    /// Of the interpreter's version; 0 if that is not known.
    minor: u8,
    present: Vec<&'static str>,
    /// Groups that are, or were, listened at.
    armed: Vec<ProbeGroup>,
    /// That was so before the command began.
    is_from_start: bool,
}

impl WatchedProbes {
    /// Whether the probes of a group were listened at.
    pub(super) fn is_armed(&self, group: ProbeGroup) -> bool {
        self.armed.contains(&group)
    }

    /// Whether nothing of a command's start was missed.
    pub(super) fn is_from_start(&self) -> bool {
        self.is_from_start
    }

    /// As a report has them.
    pub(super) fn in_model(&self, pid: u32, fired: &HashMap<FiredKey, u64>) -> Vec<ProbeUse> {
        // Asked only where it matters: it is a file of /proc.
        let has_jit = self.minor >= FIRST_WITH_JIT
            && self.is_armed(ProbeGroup::Calls)
            && discovery::has_made_code(pid);
        let armed = self.armed.iter().flat_map(|group| group.probes());
        let armed: HashMap<&str, u32> = armed.copied().collect();
        PROBES
            .iter()
            .map(|name| {
                let listened = armed.get(name);
                let present = self.present.contains(name);
                let (worth, why) = if has_jit && is_of_calls(name) {
                    MUTED
                } else {
                    probe_worth(self.minor, name)
                };
                ProbeUse {
                    probe: (*name).to_owned(),
                    present,
                    armed: listened.is_some(),
                    fired: listened.map(|probe| {
                        let key = FiredKey { pid, probe: *probe };
                        fired.get(&key).copied().unwrap_or(0)
                    }),
                    worth: present.then_some(worth),
                    why: why.filter(|_| present).map(str::to_owned),
                }
            })
            .collect()
    }
}

/// Where to listen at the probes of a group; nowhere if the file does not have all of them.
fn targets(notes: &UsdtNotes, group: ProbeGroup) -> Vec<UsdtTarget> {
    let mut targets = Vec::new();
    for (name, probe) in group.probes() {
        let Some(found) = notes.find(CPYTHON, name) else {
            return Vec::new();
        };
        for place in &found.places {
            let mut site = UsdtSite {
                probe: *probe,
                ..UsdtSite::default()
            };
            for (to, from) in site.arguments.iter_mut().zip(&place.arguments) {
                *to = from.unwrap_or_default();
            }
            targets.push(UsdtTarget {
                site,
                offset: place.offset,
                semaphore: found.semaphore,
            });
        }
    }
    targets
}

/// Opens the file that a process has mapped, by its name there, if that is still it.
fn open(pid: u32, image: &PythonImage) -> io::Result<File> {
    let by_name = format!("/proc/{pid}/root{}", image.path);
    let by_link = format!("/proc/{pid}/exe");
    for path in [by_name, by_link] {
        let Ok(file) = File::open(path) else { continue };
        let metadata = file.metadata()?;
        if metadata.dev() == image.file.device && metadata.ino() == image.file.inode {
            return Ok(file);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "the file has been replaced or removed since the process started",
    ))
}
