//! Attaching to the probes of interpreters (USDT).
//!
//! A probe is passed by a breakpoint, and its code is reached only while a counter in the
//! target's data says that somebody listens; the kernel changes both, and undoes both when the
//! last link goes, however this process ends (`kernel/events/uprobes.c`). One link for all
//! places of a file (`BPF_TRACE_UPROBE_MULTI`, 6.6) goes at once; with a perf event for each
//! place (4.20 with counters) every one waits for the kernel to be done with it.

mod group;
mod link;
mod price;
mod program;

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use aya::{
    Ebpf,
    maps::Array,
    programs::{Program, UProbe},
};
use leakcpu_common::{
    names::maps as map_names,
    usdt::{SITE_AT_MASK, SITES, UsdtSite},
};

use super::{ProbeError, features::KernelFacts, loader::wrap};

pub use group::{CallCounting, ProbeGroup, ProbeGroups};
pub use link::Scope;
pub(super) use program::{MapFds, map_fds};

/// A place of a file to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsdtTarget {
    /// What the program is to know of it.
    pub site: UsdtSite,
    /// Offset of its instruction in the file, bytes.
    pub offset: u64,
    /// The same, of its counter of listeners, if it has one.
    pub semaphore: Option<u64>,
}

/// How probes are listened at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsdtWay {
    /// One link for all places of a file, where the kernel has such (6.6).
    #[default]
    Links,
    /// The same, but an event each for calls and lines: a child that a process forks which is listened
    /// at keeps the breakpoints of a link, and pays for them until it goes; those of events the
    /// kernel takes away when the child meets them.
    EventsForCalls,
    /// An event each: for a bench.
    Events,
}

/// Why nobody listens at a file's probes.
#[derive(Debug, thiserror::Error)]
pub enum UsdtError {
    /// The kernel refused.
    #[error("cannot listen at the probes of {}: {source}{}", .file.display(), hint(.source))]
    Attach {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no room for more places.
    #[error("no room for the probes of {}: {} places are known at most", .0.display(), SITES)]
    Full(PathBuf),
    /// It is our own, and does not tell where it is.
    #[error("the place of our own code in {} is not known", .0.display())]
    NotMapped(PathBuf),
    /// The kernel tells places by their address within a page, which two of them share.
    #[error("two probes of {} look the same to this kernel (5.15 tells them apart)", .0.display())]
    Alike(PathBuf),
}

fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EINVAL) => "; another tool may hold one of them without its semaphore",
        Some(libc::ESRCH) => "; the process has ended",
        _ => "",
    }
}

/// A program that is loaded.
pub(super) enum Loaded {
    /// For one link to all places of a file.
    Multi(OwnedFd),
    /// For an event at each place: aya has it.
    Events,
}

/// A file whose probes are listened at. Dropping it ends that.
#[derive(Debug)]
pub struct UsdtLink {
    links: Vec<OwnedFd>,
    sites: Vec<u32>,
}

impl UsdtLink {
    /// What is to be closed; its places stay in use until it is detached.
    pub fn take_links(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.links)
    }
}

/// Listens at the probes of files.
pub(super) struct Usdt {
    /// One link may have many places.
    has_multi: bool,
    way: UsdtWay,
    /// Events can be marked.
    has_cookie: bool,
    /// By name.
    loaded: BTreeMap<&'static str, Loaded>,
    /// Places that are in use, by index, and how often.
    used: BTreeMap<u32, (UsdtSite, u32)>,
    /// Where we listen at ourselves, to know what that takes.
    own_place: Option<price::OwnPlace>,
}

impl Usdt {
    /// As the kernel allows; nothing is loaded yet.
    pub(super) fn new(facts: &KernelFacts, way: UsdtWay) -> Self {
        Self {
            has_multi: facts.has_uprobe_multi && way != UsdtWay::Events,
            way,
            has_cookie: facts.has_attach_cookie,
            loaded: BTreeMap::new(),
            used: BTreeMap::new(),
            own_place: None,
        }
    }

    /// Whether one link listens at all places of a file.
    pub(super) fn has_links(&self) -> bool {
        self.has_multi
    }

    /// Loads the program of that name: `program`, as aya has it, or the same once more.
    pub(super) fn load(
        &self,
        name: &'static str,
        fds: &MapFds,
        object: &[u8],
        program: Option<&mut Program>,
    ) -> Result<Loaded, ProbeError> {
        let is_of_calls = name == ProbeGroup::Calls.program();
        if self.has_multi && !(is_of_calls && self.way == UsdtWay::EventsForCalls) {
            match program::load_for_multi(fds, object, name) {
                Ok(program) => return Ok(Loaded::Multi(program)),
                Err(why) => tracing::warn!(name, %why, "no link for many probes at once"),
            }
        }
        let program = program.ok_or(ProbeError::Missing(name))?;
        let program: Result<&mut UProbe, _> = program.try_into();
        program
            .and_then(UProbe::load)
            .map_err(|e| wrap("load", name, e))?;
        Ok(Loaded::Events)
    }

    /// From now on the probes of its groups can be attached to.
    pub(super) fn keep(&mut self, name: &'static str, loaded: Loaded) {
        self.loaded.insert(name, loaded);
    }

    /// Listens at these places of a file, all of one group, whose program is loaded.
    pub(super) fn attach(
        &mut self,
        ebpf: &mut Ebpf,
        group: ProbeGroup,
        file: &Path,
        targets: &[UsdtTarget],
        scope: Scope,
    ) -> Result<UsdtLink, ProbeError> {
        let mut sites = Vec::with_capacity(targets.len());
        for target in targets {
            match self.use_site(target, file) {
                Ok(index) => sites.push(index),
                Err(why) => {
                    self.forget(&sites);
                    return Err(why.into());
                }
            }
        }
        let linked = self.link(ebpf, group, file, targets, &sites, scope);
        if linked.is_err() {
            self.forget(&sites);
        }
        Ok(UsdtLink {
            links: linked?,
            sites,
        })
    }

    fn link(
        &self,
        ebpf: &mut Ebpf,
        group: ProbeGroup,
        file: &Path,
        targets: &[UsdtTarget],
        sites: &[u32],
        scope: Scope,
    ) -> Result<Vec<OwnedFd>, ProbeError> {
        let name = map_names::USDT_SITES;
        let map = ebpf.map_mut(name).ok_or(ProbeError::Missing(name))?;
        let mut table: Array<_, UsdtSite> = Array::try_from(map)?;
        for (index, target) in sites.iter().zip(targets) {
            table.set(*index, target.site, 0)?;
        }
        let linked = match self.loaded.get(group.program()) {
            None => return Err(ProbeError::Missing(group.program())),
            Some(Loaded::Multi(program)) => {
                link::multi(program.as_fd(), file, targets, sites, scope).map(|link| vec![link])
            }
            Some(Loaded::Events) => {
                let program = uprobe(ebpf, group)?
                    .fd()
                    .map_err(|e| wrap("attach", group.program(), e))?;
                targets
                    .iter()
                    .zip(sites)
                    .map(|(target, index)| {
                        let cookie = self.has_cookie.then_some(u64::from(*index));
                        link::event(program.as_fd(), file, target, cookie, scope)
                    })
                    .collect::<io::Result<Vec<_>>>()
                    .map(|pairs| pairs.into_iter().flatten().collect())
            }
        };
        linked.map_err(|source| {
            let file = file.to_owned();
            UsdtError::Attach { file, source }.into()
        })
    }

    /// Ends it: the kernel takes the breakpoints away before this returns.
    pub(super) fn detach(&mut self, link: UsdtLink) {
        let UsdtLink { links, sites } = link;
        // Each waits for the kernel to be done with it, all of them no longer than one.
        std::thread::scope(|scope| {
            for link in links {
                scope.spawn(move || drop(link));
            }
        });
        self.forget(&sites);
    }

    fn forget(&mut self, sites: &[u32]) {
        for index in sites {
            if let Some((_, users)) = self.used.get_mut(index) {
                *users -= 1;
                if *users == 0 {
                    self.used.remove(index);
                }
            }
        }
    }

    /// The index of a place in the table, which is in use once more.
    fn use_site(&mut self, target: &UsdtTarget, file: &Path) -> Result<u32, UsdtError> {
        let index = self.index_for(target, file)?;
        let (_, users) = self.used.entry(index).or_insert((target.site, 0));
        *users += 1;
        Ok(index)
    }

    /// The index of a place, or one that is free.
    fn index_for(&self, target: &UsdtTarget, file: &Path) -> Result<u32, UsdtError> {
        if !self.has_cookie {
            let within = target.offset & u64::from(SITE_AT_MASK);
            let index = u32::try_from(within).unwrap_or_default();
            return match self.used.get(&index) {
                Some((known, _)) if *known != target.site => Err(UsdtError::Alike(file.to_owned())),
                _ => Ok(index),
            };
        }
        let known = self.used.iter().find(|(_, (site, _))| *site == target.site);
        if let Some((index, _)) = known {
            return Ok(*index);
        }
        let free = (0..SITES).find(|index| !self.used.contains_key(index));
        free.ok_or_else(|| UsdtError::Full(file.to_owned()))
    }
}

fn uprobe(ebpf: &mut Ebpf, group: ProbeGroup) -> Result<&mut UProbe, ProbeError> {
    let name = group.program();
    let program = ebpf.program_mut(name).ok_or(ProbeError::Missing(name))?;
    program.try_into().map_err(|e| wrap("load", name, e))
}
