//! Native code of the watched processes: looked at while they live, named at the end.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use leakcpu_common::{
    native::{LeafKey, MAX_NATIVE_FRAMES},
    totals::{TotalsKey, state},
};

use super::{Session, SessionError, watched::Interpreter};
use crate::{
    collect::{Snapshot, monotonic_ns},
    model::{
        Code, Leaf, Loss, Naming, NativeEnd, NativeFrame, NativeFunction, NativeId, NativeStack,
        NativeStackId, UserLoss,
    },
    symbolize::native::{Address, NativeName, Owner, is_kernel_address, is_root},
};

/// How soon a process' code is looked at again after the first look. Programs load
/// most of their libraries in their first moments: each further look is twice as far
/// away.
const FIRST_GAP: Duration = Duration::from_millis(25);

/// When a process' mappings are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CodeLooks {
    due_ns: u64,
    gap_ns: u64,
}

impl CodeLooks {
    fn is_due(self, now_ns: u64) -> bool {
        self.due_ns <= now_ns
    }

    fn done(&mut self, now_ns: u64) {
        let first = u64::try_from(FIRST_GAP.as_nanos()).unwrap_or(u64::MAX);
        self.gap_ns = self.gap_ns.saturating_mul(2).max(first);
        self.due_ns = now_ns.saturating_add(self.gap_ns);
    }
}

/// Looks for samples in code that is not known yet.
#[derive(Debug, Default)]
pub(super) struct UnknownCode {
    /// Pages that a look did not explain: by process and page.
    given_up: HashSet<(u32, u64)>,
    next: Option<Instant>,
}

/// The shortest time between two such looks.
const LOOK_GAP: Duration = Duration::from_secs(1);
/// They take at most one part in this of our time.
const LOOK_SHARE: u32 = 200;
/// Unexplained pages remembered.
const MAX_GIVEN_UP: usize = 4_096;
const PAGE_SHIFT: u32 = 12;

/// An address, and whether a call returns there.
type AddressOf = (u64, bool);

/// Native names of one process' leaves and stacks.
#[derive(Debug, Default)]
pub(super) struct ProcessNatives {
    functions: Vec<NativeFunction>,
    ids: HashMap<NativeFunction, NativeId>,
    stacks: Vec<NativeStack>,
    stack_ids: HashMap<NativeStack, NativeStackId>,
    leaves: HashMap<TotalsKey, Vec<Leaf>>,
}

impl ProcessNatives {
    /// What the samples of one entry of the totals found being executed.
    pub(super) fn leaves(&self, key: &TotalsKey) -> Vec<Leaf> {
        self.leaves.get(key).cloned().unwrap_or_default()
    }

    pub(super) fn into_parts(self) -> (Vec<NativeFunction>, Vec<NativeStack>) {
        (self.functions, self.stacks)
    }

    fn frame(&mut self, name: &NativeName) -> NativeFrame {
        let next = NativeId(u32::try_from(self.functions.len()).unwrap_or(u32::MAX));
        let id = *self.ids.entry(name.function.clone()).or_insert(next);
        if id == next {
            self.functions.push(name.function.clone());
        }
        NativeFrame {
            function: id,
            offset: name.offset,
        }
    }

    fn stack(&mut self, stack: NativeStack) -> NativeStackId {
        let next = NativeStackId(u32::try_from(self.stacks.len()).unwrap_or(u32::MAX));
        let id = *self.stack_ids.entry(stack.clone()).or_insert(next);
        if id == next {
            self.stacks.push(stack);
        }
        id
    }
}

/// The addresses of one key's native stack, leaf first.
struct RawNativeStack {
    addresses: Vec<AddressOf>,
    is_full: bool,
}

impl Session {
    /// Looks at the code of processes that are due: new ones, and those that may have
    /// loaded more.
    pub(super) fn look_at_code(&mut self) {
        let now_ns = monotonic_ns();
        for (pid, watched) in &mut self.watched {
            let is_known = matches!(watched.interpreter, Interpreter::Attached(_));
            if watched.exited || !is_known || !watched.code_looks.is_due(now_ns) {
                continue;
            }
            watched.code_looks.done(now_ns);
            if let Err(error) = self.natives.look(*pid, &mut watched.code) {
                tracing::debug!(pid, %error, "code not looked at");
            }
        }
    }

    /// The last look of a window, at everything that it is about.
    pub(super) fn look_at_all_code(&mut self) {
        for (pid, watched) in &mut self.watched {
            if !self.suspects.concern(*pid) {
                continue;
            }
            if let Err(error) = self.natives.look(*pid, &mut watched.code) {
                tracing::debug!(pid, %error, "code not looked at");
            }
        }
    }

    /// Looks again at processes that were sampled in code that is not known: a
    /// library that was loaded late may be gone before the end.
    pub(super) fn look_at_unknown_code(&mut self) -> Result<(), SessionError> {
        let started = Instant::now();
        if self.unknown_code.next.is_some_and(|next| started < next) {
            return Ok(());
        }
        let fresh = self.samples.take_fresh();
        let maps = self.probes.maps()?;
        let mut unknown = BTreeSet::new();
        for key in fresh {
            if is_kernel_address(key.ip) {
                continue;
            }
            // Threads that are gone were looked at when they came.
            let Ok(thread) = maps.threads.get(&key.totals.tid, 0) else {
                continue;
            };
            let page = (thread.pid, key.ip >> PAGE_SHIFT);
            if let Some(watched) = self.watched.get(&thread.pid)
                && !watched.exited
                && watched.code.find(key.ip).is_none()
                && !self.unknown_code.given_up.contains(&page)
            {
                unknown.insert(page);
            }
        }
        let pids: BTreeSet<u32> = unknown.iter().map(|(pid, _)| *pid).collect();
        for pid in pids {
            if let Some(watched) = self.watched.get_mut(&pid)
                && let Err(error) = self.natives.look(pid, &mut watched.code)
            {
                tracing::debug!(pid, %error, "code not looked at");
            }
        }
        let given_up = &mut self.unknown_code.given_up;
        if given_up.len() + unknown.len() > MAX_GIVEN_UP {
            given_up.clear();
        }
        given_up.extend(unknown.into_iter().take(MAX_GIVEN_UP));
        let gap = LOOK_GAP.max(started.elapsed() * LOOK_SHARE);
        self.unknown_code.next = Some(Instant::now() + gap);
        Ok(())
    }

    /// Names everything native that samples saw, by process.
    pub(super) fn name_natives(
        &mut self,
        snapshot: &Snapshot,
        loss: &mut Loss,
    ) -> HashMap<u32, ProcessNatives> {
        let by_process = leaves_by_process(snapshot);
        let pids: Vec<u32> = by_process
            .keys()
            .copied()
            .filter(|pid| self.watched.contains_key(pid))
            .collect();
        let owners: Vec<Owner<'_>> = pids
            .iter()
            .map(|pid| Owner {
                pid: *pid,
                ns_pid: self.watched[pid].facts.ns_pid(),
                space: &self.watched[pid].code,
            })
            .collect();
        let mut wanted = BTreeSet::new();
        for (owner, pid) in pids.iter().enumerate() {
            for (key, _) in &by_process[pid] {
                let stack = self.native_stack(snapshot, key);
                let single = [(key.ip, false), (key.entry, true)];
                let stack = stack.map_or_else(Vec::new, |stack| stack.addresses);
                for (address, is_return) in single.into_iter().chain(stack) {
                    if address != 0 {
                        wanted.insert(Address {
                            owner,
                            address,
                            is_return,
                        });
                    }
                }
            }
        }
        let wanted: Vec<Address> = wanted.into_iter().collect();
        let names = self.natives.names(&owners, &wanted);
        let names: HashMap<Address, NativeName> = wanted.into_iter().zip(names).collect();
        let mut by_pid = HashMap::new();
        let mut ends: BTreeMap<String, u64> = BTreeMap::new();
        for (owner, pid) in pids.iter().enumerate() {
            let name = |(address, is_return): AddressOf| {
                names.get(&Address {
                    owner,
                    address,
                    is_return,
                })
            };
            let mut natives = ProcessNatives::default();
            for (key, count) in &by_process[pid] {
                let Some(leaf_name) = name((key.ip, false)) else {
                    continue;
                };
                if leaf_name.function.naming == Naming::Unknown {
                    *loss.entry(UserLoss::NativeUnresolved.into()).or_default() += count;
                }
                let stack = self.native_stack(snapshot, key).map(|raw| {
                    let (stack, stopped_in) = named_stack(&mut natives, &raw, &name);
                    if let Some(module) = stopped_in {
                        *ends.entry(module).or_default() += count;
                    }
                    natives.stack(stack)
                });
                let leaf = Leaf {
                    frame: natives.frame(leaf_name),
                    count: *count,
                    page_fault: name((key.entry, true)).is_some_and(is_page_fault),
                    at_pause: leaf_name.at_pause,
                    stack,
                };
                natives.leaves.entry(key.totals).or_default().push(leaf);
            }
            by_pid.insert(*pid, natives);
        }
        self.say_where_stacks_end(&ends, loss);
        for (counter, n) in [
            (UserLoss::NativeFilesEvicted, self.natives.files_evicted()),
            (
                UserLoss::NativeFilesUnreadable,
                self.natives.files_unreadable(),
            ),
            (
                UserLoss::NativeMappingsDropped,
                self.watched.values().map(|w| w.code.dropped()).sum(),
            ),
        ] {
            *loss.entry(counter.into()).or_default() += n;
        }
        by_pid
    }

    fn say_where_stacks_end(&mut self, ends: &BTreeMap<String, u64>, loss: &mut Loss) {
        if ends.is_empty() {
            return;
        }
        let mut by_count: Vec<(&String, &u64)> = ends.iter().collect();
        by_count.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let samples: u64 = ends.values().sum();
        *loss
            .entry(UserLoss::NativeStacksTruncated.into())
            .or_default() += samples;
        let said: Vec<String> = by_count
            .iter()
            .take(4)
            .map(|(module, count)| format!("{module} ({count})"))
            .collect();
        let more = by_count.len().saturating_sub(said.len());
        let more = match more {
            0 => String::new(),
            _ => format!(" and {more} more"),
        };
        self.warnings.push(format!(
            "{samples} native stacks are not whole, they end in {}{more}: built without frame pointers; Python's frames are whole all the same",
            said.join(", ")
        ));
    }

    /// The native stack of a key's samples; `None` unless it was asked for.
    fn native_stack(&self, snapshot: &Snapshot, key: &LeafKey) -> Option<RawNativeStack> {
        let in_kernel = key.totals.wait.kind() == state::ON_CPU_KERNEL;
        let user = snapshot.user_stacks.get(&key.user_stack);
        let kernel = snapshot.kernel_stacks.get(&key.kernel_stack);
        if !(self.config.native_stacks || self.config.kernel_stacks && in_kernel) {
            return None;
        }
        let mut addresses = Vec::new();
        match kernel {
            Some(kernel) => {
                // The first one is where it was interrupted.
                let is_return = |(i, &address): (usize, &u64)| (address, i > 0);
                addresses.extend(kernel.iter().enumerate().map(is_return));
            }
            None => addresses.push((key.ip, false)),
        }
        let user = user.map_or(&[][..], Vec::as_slice);
        for (i, &address) in user.iter().enumerate() {
            // Below the kernel it begins with the instruction that entered it; else
            // the leaf is known already, and its caller comes first.
            addresses.push((address, !in_kernel || i > 0));
        }
        Some(RawNativeStack {
            addresses,
            is_full: user.len() + 1 >= MAX_NATIVE_FRAMES,
        })
    }
}

/// The names of a stack as far as it is one, and the module where it stops short.
fn named_stack<'a>(
    natives: &mut ProcessNatives,
    raw: &RawNativeStack,
    name: &impl Fn(AddressOf) -> Option<&'a NativeName>,
) -> (NativeStack, Option<String>) {
    let mut frames = Vec::new();
    let mut last: Option<&NativeName> = None;
    let mut callee: Option<&NativeName> = None;
    let mut is_cut = false;
    for &address in &raw.addresses {
        let Some(name) = name(address).filter(|name| name.plausible) else {
            is_cut = true;
            break;
        };
        frames.push(natives.frame(name));
        callee = last;
        last = Some(name);
    }
    let symbol = |name: Option<&'a NativeName>| name.and_then(|n| n.function.symbol.as_deref());
    let module = last.and_then(|name| name.function.module.as_deref());
    let exact = last.filter(|name| name.function.naming == Naming::Exact);
    let end = if !is_cut && raw.is_full {
        NativeEnd::DepthLimit
    } else if is_root(symbol(exact), module, symbol(callee)) {
        NativeEnd::Root
    } else {
        NativeEnd::NoFramePointer
    };
    let stopped_in = (end == NativeEnd::NoFramePointer
        && last.is_some_and(|name| name.function.code != Code::Kernel))
    .then(|| module.unwrap_or("unknown code").to_owned());
    (NativeStack { frames, end }, stopped_in)
}

/// Where the kernel enters for a page fault (`arch/x86/entry/entry_64.S`,
/// `arch/x86/include/asm/idtentry.h`): the name since 5.8, and the one before.
fn is_page_fault(entry: &NativeName) -> bool {
    let symbol = entry.function.symbol.as_deref();
    matches!(
        symbol,
        Some("asm_exc_page_fault" | "exc_page_fault" | "page_fault" | "async_page_fault")
    )
}

fn leaves_by_process(snapshot: &Snapshot) -> BTreeMap<u32, Vec<(LeafKey, u64)>> {
    let processes: HashMap<(u32, u32), u32> = snapshot
        .threads
        .iter()
        .map(|record| ((record.state.tid, record.generation()), record.state.pid))
        .collect();
    let mut by_process: BTreeMap<u32, Vec<(LeafKey, u64)>> = BTreeMap::new();
    for (totals, leaves) in &snapshot.leaves {
        if let Some(pid) = processes.get(&(totals.tid, totals.generation)) {
            by_process.entry(*pid).or_default().extend(leaves);
        }
    }
    // The map's order changes from run to run.
    for leaves in by_process.values_mut() {
        leaves.sort_by_key(|(key, _)| (key.totals.tid, key.totals.stack, key.ip, key.user_stack));
    }
    by_process
}
