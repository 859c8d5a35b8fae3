//! What hot instructions work with, and what hot loops go over and fill: looked at in the running
//! frames at the end of a window.

use std::collections::BTreeMap;

use super::{loop_samples::Seen, watched::Watched};
use crate::{
    bytecode::Operands,
    interpreter::{
        CodeLines, Iterated, Operand, OperandPlace, PythonProcess, RemoteError, iterated, operands,
        read_code, single,
    },
    model::{NestedSeen, OperandSeen, Pid, Process, Thread, Tid},
};

/// What is to be looked at of one thread.
#[derive(Default)]
pub(super) struct Wanted {
    /// Each of the hot spot with this number.
    pub operands: Vec<(usize, OperandPlace, Operands)>,
    pub nested: Vec<(usize, OperandPlace, [Option<String>; 2])>,
    /// Each of the hot loop with this number: what it fills, by its name.
    pub lists: Vec<(usize, OperandPlace, String)>,
}

/// The code object with this number, where it is still the one that was sampled.
pub(super) fn lines(
    watched: &Watched,
    process: &PythonProcess,
    seen: &Seen,
    number: u32,
) -> Option<CodeLines> {
    let code = seen.codes.get(number as usize)?.id;
    let (address, witness) = watched.stacks.whereabouts(code)?;
    let read = read_code(&process.memory(), process, address).ok()?;
    (read.witness == witness).then_some(read.lines)
}

/// A thread whose operands and loops are looked at.
pub(super) struct OperandLooks {
    pid: Pid,
    tid: Tid,
    tstate: u64,
    process: PythonProcess,
    operands: Looks<Operands, [Operand; 2]>,
    nested: Looks<[Option<String>; 2], [Iterated; 2]>,
    lists: Looks<String, Operand>,
}

/// Places that are looked at, and what was found.
struct Looks<About, Found> {
    places: Vec<OperandPlace>,
    /// Of each place its spot or loop, and what is known of it.
    of: Vec<(usize, About)>,
    found: Vec<(usize, Found)>,
}

impl<About, Found> Looks<About, Found> {
    fn of(wanted: Vec<(usize, OperandPlace, About)>) -> Self {
        let mut looks = Self {
            places: Vec::with_capacity(wanted.len()),
            of: Vec::with_capacity(wanted.len()),
            found: Vec::new(),
        };
        for (number, place, about) in wanted {
            looks.places.push(place);
            looks.of.push((number, about));
        }
        looks
    }

    /// Looks once, unless there is nothing to look at.
    fn look(
        &mut self,
        look: impl FnOnce(&[OperandPlace]) -> Result<Option<(usize, Found)>, RemoteError>,
    ) {
        if self.places.is_empty() {
            return;
        }
        match look(&self.places) {
            Ok(found) => self.found.extend(found),
            Err(error) => tracing::debug!(%error, "operands not read"),
        }
    }

    /// Of each place its spot or loop, what is known of it, and what was found there.
    fn each(&self) -> impl Iterator<Item = (usize, &About, Vec<&Found>)> {
        self.of.iter().enumerate().map(|(place, (number, about))| {
            let here = self.found.iter().filter(move |(at, _)| *at == place);
            (*number, about, here.map(|(_, found)| found).collect())
        })
    }
}

impl OperandLooks {
    /// `None` if nothing is to be looked at.
    pub(super) fn of(
        (pid, tid, tstate): (u32, u32, u64),
        process: &PythonProcess,
        wanted: Wanted,
    ) -> Option<Self> {
        let is_any =
            !wanted.operands.is_empty() || !wanted.nested.is_empty() || !wanted.lists.is_empty();
        is_any.then(|| Self {
            pid: Pid(pid),
            tid: Tid(tid),
            tstate,
            process: process.clone(),
            operands: Looks::of(wanted.operands),
            nested: Looks::of(wanted.nested),
            lists: Looks::of(wanted.lists),
        })
    }

    pub(super) fn look(&mut self) {
        let (process, tstate) = (&self.process, self.tstate);
        self.operands
            .look(|places| operands(process, tstate, places));
        self.nested.look(|places| iterated(process, tstate, places));
        self.lists.look(|places| single(process, tstate, places));
    }

    /// Writes into the model what was found.
    pub(super) fn tell(self, processes: &mut [Process]) {
        let mut threads = processes
            .iter_mut()
            .filter(|process| process.pid == self.pid)
            .flat_map(|process| &mut process.threads);
        if let Some(thread) = threads.find(|thread| thread.tid == self.tid) {
            self.tell_thread(thread);
        }
    }

    fn tell_thread(self, thread: &mut Thread) {
        for (spot, about, both) in self.operands.each() {
            if let Some(spot) = thread.hot_spots.get_mut(spot) {
                let [left, right] = [0, 1].map(|side| {
                    let seen = both.iter().map(|both| &both[side]);
                    seen_as(about.names[side].clone(), seen)
                });
                spot.operands = left.zip(right).map(|(left, right)| [left, right]);
            }
        }
        for (spot, names, both) in self.nested.each() {
            if let Some(spot) = thread.hot_spots.get_mut(spot) {
                spot.nested = nested_as(names, &both);
            }
        }
        for (of, name, found) in self.lists.each() {
            let hot_loop = thread.hot_loops.get_mut(of);
            if let Some(appends) = hot_loop.and_then(|of| of.appends.as_mut()) {
                appends.list = seen_as(Some(name.clone()), found.into_iter());
            }
        }
    }
}

/// What two loops went over, by the looks that found the inner one at its most frequent list: it
/// may have come to an end, and its iterator be another's, while it was looked at.
fn nested_as(names: &[Option<String>; 2], found: &[&[Iterated; 2]]) -> Option<NestedSeen> {
    let mut by_container: BTreeMap<u64, Vec<&[Iterated; 2]>> = BTreeMap::new();
    for both in found {
        by_container
            .entry(both[0].container)
            .or_default()
            .push(both);
    }
    let same = by_container.into_values().max_by_key(Vec::len)?;
    let fewest = |side: usize| same.iter().map(|both| both[side].items).min();
    Some(NestedSeen {
        names: names.clone(),
        items: [fewest(0)?, fewest(1)?],
        looks: u32::try_from(same.len()).ok()?,
        is_same: same.len() * 10 >= found.len() * 9,
        reached: same.iter().map(|[inner, _]| inner.index).max()?,
    })
}

/// What an operand was each time; `None` if it was not always the same kind of thing.
fn seen_as<'a>(
    name: Option<String>,
    mut found: impl Iterator<Item = &'a Operand>,
) -> Option<OperandSeen> {
    let first = found.next()?;
    let mut seen = OperandSeen {
        name,
        looks: 1,
        of: first.of,
        type_name: first.type_name.clone(),
        sizes: first.size.map(|size| [size; 2]),
    };
    for one in found {
        if one.of != seen.of || one.type_name != seen.type_name {
            return None;
        }
        seen.looks += 1;
        if let (Some([least, most]), Some(size)) = (&mut seen.sizes, one.size) {
            *least = size.min(*least);
            *most = size.max(*most);
        }
    }
    Some(seen)
}
