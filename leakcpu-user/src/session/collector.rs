//! The probes of interpreters' garbage collectors: listening at them, and what they said.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::PathBuf,
};

use leakcpu_common::usdt::{
    ARGUMENTS, CollectionKey, Collections, FiredKey, UNKNOWN_GENERATION, UsdtSite, probe,
};

use super::{Session, SessionError, Targets, watched::Watched};
use crate::{
    discovery::{FileId, PythonImage},
    elf::UsdtNotes,
    model::{CollectionsAt, Collector, Pauses, ProbeUse, StackId, Tid, UserLoss},
    probes::{ProbeError, Scope, UsdtError, UsdtLink, UsdtTarget},
};

/// The provider of CPython's probes (`Include/pydtrace.d`).
const PROVIDER: &str = "python";

/// Those of the collector. They cost half a microsecond each, and a collection takes at
/// least several; their arguments are numbers, so that they cannot fail in the target.
const COLLECTOR: [(&str, u32); 2] = [("gc__start", probe::GC_START), ("gc__done", probe::GC_DONE)];

/// All that CPython has had since 3.6.
const ALL: [&str; 8] = [
    "gc__start",
    "gc__done",
    "import__find__load__start",
    "import__find__load__done",
    "audit",
    "function__entry",
    "function__return",
    "line",
];

/// Which file is listened at, and for whom: everyone, or one process.
type Listened = (FileId, Option<u32>);

/// The files whose probes are listened at.
#[derive(Default)]
pub(super) struct Listening {
    links: HashMap<Listened, Option<UsdtLink>>,
}

/// What a window's collections were, by thread and its generation.
pub(super) type WindowCollections = HashMap<(u32, u32), Vec<(CollectionKey, Collections)>>;

impl Session {
    /// Listens at the collector's probes of the interpreter that a process runs, if it has
    /// them and that is wanted.
    pub(super) fn listen(&mut self, pid: u32, image: &PythonImage) {
        if !self.config.usdt {
            return;
        }
        let notes = &image.elf.probes;
        let present: Vec<&'static str> = ALL
            .into_iter()
            .filter(|name| notes.find(PROVIDER, name).is_some())
            .collect();
        let is_armed = self.is_listened_at(pid, image);
        if let Some(watched) = self.watched.get_mut(&pid) {
            watched.probes = Some(WatchedProbes { present, is_armed });
        }
    }

    /// Whether the collector's probes are listened at now.
    fn is_listened_at(&mut self, pid: u32, image: &PythonImage) -> bool {
        let targets = collector_targets(&image.elf.probes);
        if targets.is_empty() {
            return false;
        }
        let (scope, key) = match self.targets {
            Targets::Pids(_) => (Scope::Process(pid), (image.file, Some(pid))),
            Targets::All | Targets::Child(_) => (Scope::Everyone, (image.file, None)),
        };
        if let Some(known) = self.listening.links.get(&key) {
            return known.is_some();
        }
        let link = self
            .link(pid, image, &targets, scope)
            .unwrap_or_else(|why| {
                tracing::warn!(pid, %why, "its collector's probes are not heard");
                None
            });
        let is_there = link.is_some();
        if !is_there {
            self.lose(UserLoss::ProbesNotHeard, 1);
        }
        self.listening.links.insert(key, link);
        is_there
    }

    fn link(
        &mut self,
        pid: u32,
        image: &PythonImage,
        targets: &[UsdtTarget],
        scope: Scope,
    ) -> Result<Option<UsdtLink>, ProbeError> {
        let file = open(pid, image).map_err(|source| UsdtError::Attach {
            file: PathBuf::from(&image.path),
            source,
        })?;
        // By descriptor, so that it is the file that was looked at, whatever its name is now.
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        self.probes.attach_usdt(&path, targets, scope)
    }

    /// What the collectors' probes said of the window.
    pub(super) fn window_collections(
        &mut self,
    ) -> Result<(WindowCollections, HashMap<FiredKey, u64>), SessionError> {
        let mut all = WindowCollections::new();
        let maps = self.probes.maps()?;
        for entry in &maps.collections {
            let Ok((key, sums)) = entry else { continue };
            let of_thread = all.entry((key.tid, key.thread_generation)).or_default();
            of_thread.push((key, sums));
        }
        let fired = maps.usdt_fired.iter().filter_map(Result::ok).collect();
        Ok((all, fired))
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

/// What is known of the probes of a process' interpreter.
#[derive(Clone, Debug)]
pub(super) struct WatchedProbes {
    present: Vec<&'static str>,
    /// Those of the collector are listened at.
    is_armed: bool,
}

impl WatchedProbes {
    /// As a report has them.
    pub(super) fn in_model(&self, pid: u32, fired: &HashMap<FiredKey, u64>) -> Vec<ProbeUse> {
        let number = |name: &str| {
            let mut of_collector = COLLECTOR.iter();
            of_collector.find(|(known, _)| *known == name)
        };
        ALL.iter()
            .map(|name| {
                let listened = number(name).filter(|_| self.is_armed);
                ProbeUse {
                    probe: (*name).to_owned(),
                    present: self.present.contains(name),
                    armed: listened.is_some(),
                    fired: listened.map(|(_, probe)| {
                        let key = FiredKey { pid, probe: *probe };
                        fired.get(&key).copied().unwrap_or(0)
                    }),
                }
            })
            .collect()
    }
}

/// What the collector of a process did; `None` if nobody listened.
pub(super) fn collector(
    watched: &Watched,
    threads: impl Iterator<Item = (u32, u32)>,
    window: &WindowCollections,
) -> Option<Collector> {
    watched.probes.as_ref().filter(|probes| probes.is_armed)?;
    let of_threads = threads.filter_map(|thread| window.get(&thread)).flatten();
    let mut sums: BTreeMap<(Tid, StackId, Option<u32>), Pauses> = BTreeMap::new();
    for (key, found) in of_threads {
        let stack = watched.stacks.by_hash(key.stack).unwrap_or(StackId(0));
        let generation = Some(key.generation).filter(|it| *it != UNKNOWN_GENERATION);
        let pauses = sums.entry((Tid(key.tid), stack, generation)).or_default();
        pauses.count += found.count;
        pauses.total_ns += found.total_ns;
        pauses.on_cpu_ns += found.on_cpu_ns;
        pauses.max_ns = pauses.max_ns.max(found.max_ns);
        pauses.collected += found.collected;
    }
    let mut collections: Vec<CollectionsAt> = sums
        .into_iter()
        .map(|((tid, stack, generation), pauses)| CollectionsAt {
            tid,
            stack,
            generation,
            pauses,
        })
        .collect();
    collections.sort_by_key(|one| std::cmp::Reverse(one.pauses.total_ns));
    Some(Collector { collections })
}

/// Where to listen for collections; nowhere if the file does not tell both ends of them.
fn collector_targets(notes: &UsdtNotes) -> Vec<UsdtTarget> {
    let mut targets = Vec::new();
    for (name, probe) in COLLECTOR {
        let Some(found) = notes.find(PROVIDER, name) else {
            return Vec::new();
        };
        for place in &found.places {
            let mut site = UsdtSite {
                probe,
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

const _: () = assert!(ARGUMENTS >= 1);

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
