//! Counting calls and lines. Their probes fire so often that a target could hardly get on while
//! they are armed, so they are for moments, as long and as often as its loss allows: unless all
//! is to be counted.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    mem,
    os::fd::AsRawFd as _,
    path::PathBuf,
    thread::{self, JoinHandle},
    time::Duration,
};

use leakcpu_common::{
    stack::EMPTY_STACK,
    usdt::{CallKey, probe},
};

use super::{Session, SessionError, listening::Listened, watched::Watched};
use crate::{
    collect::monotonic_ns,
    model::{Called, CalledAt, Calls, StackId, Tid, UserLoss, in_proportion},
    probes::{CallCounting, ProbeGroup, ProbeGroups, Scope, UsdtLink, UsdtTarget},
};

/// From one moment to the next, at least.
const PERIOD_NS: u64 = 250_000_000;
/// The first moment, before anything is known, and the shortest.
const SHORTEST_NS: u64 = 1_000_000;
/// A moment up to this long is waited for; a longer one ends with a tick.
const WAITED_FOR_NS: u64 = 20_000_000;
/// By how much a probe that fires takes more than the breakpoint and the program: the interpreter
/// finds out names and lines to pass, and caches are colder than ours (docs/usdt.md).
const PREPARING_PERCENT: u64 = 115;
/// Of what may be lost, so much is aimed at by the price that can be measured: where a program
/// does much between its calls, the breakpoint's wake in its caches and branch predictors makes
/// that up to three times as much.
const AIM: f64 = 0.3;

/// What was called in a window, by thread and its generation.
pub(super) type WindowCalls = HashMap<(u32, u32), Vec<(CallKey, u64)>>;

/// Where probes are to be armed.
struct Place {
    file: File,
    targets: Vec<UsdtTarget>,
}

/// Links that are being closed, which waits for the kernel to be done with them.
struct Closing {
    thread: JoinHandle<()>,
    links: Vec<UsdtLink>,
}

/// When calls are counted, and what it takes.
#[derive(Default)]
pub(super) struct CallMoments {
    places: HashMap<Listened, Place>,
    links: Vec<UsdtLink>,
    closing: Option<Closing>,
    /// What passing a place took, without the program, and how often that was measured.
    traps: (u64, u64),
    /// Since when calls are counted, and when that is to end.
    armed: Option<(u64, u64)>,
    /// When they are counted next, and for how long.
    next: (u64, u64),
    /// For how long they were, in this window.
    armed_ns: u64,
    /// How often the probes of each process had fired when that was looked at last.
    fired: HashMap<u32, u64>,
    /// What each process lost in this window, and what it had when the moment began.
    lost_ns: HashMap<u32, u64>,
    lost_before_ns: HashMap<u32, u64>,
    /// All is counted, from the beginning of this window.
    exact: bool,
}

impl CallMoments {
    /// For how long calls were counted until now.
    fn armed_ns(&self, now_ns: u64) -> u64 {
        let since = self.armed.map_or(now_ns, |(since_ns, _)| since_ns);
        self.armed_ns + now_ns.saturating_sub(since)
    }

    /// A window is over.
    pub(super) fn forget_window(&mut self) {
        self.armed_ns = 0;
        self.lost_ns.clear();
        self.lost_before_ns.clear();
        self.fired.clear();
    }
}

impl Session {
    /// The probes of calls and lines of a file are to be listened at.
    pub(super) fn add_call_place(
        &mut self,
        listened: Listened,
        file: File,
        targets: Vec<UsdtTarget>,
    ) {
        let place = Place { file, targets };
        if self.calls.places.insert(listened, place).is_none() && self.counts_all_calls() {
            // From now on.
            self.arm_calls(Some(listened));
        }
    }

    /// Whether they are listened at all the time.
    pub(super) fn counts_all_calls(&self) -> bool {
        self.config.call_counting == CallCounting::Exact
    }

    /// A window begins: where all is counted, now.
    pub(super) fn begin_calls(&mut self) -> Result<(), SessionError> {
        if sampled(self.config.usdt).next().is_none() {
            return Ok(());
        }
        let now_ns = monotonic_ns();
        self.calls.next = (now_ns, SHORTEST_NS);
        if self.counts_all_calls() {
            self.calls.exact = true;
            if self.calls.links.is_empty() {
                self.arm_calls(None);
            }
            self.calls.armed = Some((now_ns, u64::MAX));
            self.probes.maps()?.count_calls(true)?;
        }
        Ok(())
    }

    /// Begins or ends a moment, if it is time to.
    pub(super) fn keep_call_moments(&mut self) -> Result<(), SessionError> {
        let CallCounting::Share(share) = self.config.call_counting else {
            return Ok(());
        };
        if self.calls.places.is_empty() {
            return Ok(());
        }
        let now_ns = monotonic_ns();
        match self.calls.armed {
            Some((since_ns, until_ns)) => {
                self.account_calls()?;
                let allowed_ns = share * PERIOD_NS as f64;
                let is_too_much = self.most_lost_ns() as f64 > allowed_ns;
                if now_ns >= until_ns || is_too_much {
                    self.end_moment(since_ns, share)?;
                }
                Ok(())
            }
            None if now_ns >= self.calls.next.0 => self.begin_moment(share),
            None => Ok(()),
        }
    }

    fn begin_moment(&mut self, share: f64) -> Result<(), SessionError> {
        let lasts_ns = self.calls.next.1;
        self.measure_trap();
        self.begin_loss()?;
        self.arm_calls(None);
        let begun_ns = monotonic_ns();
        self.calls.armed = Some((begun_ns, begun_ns + lasts_ns));
        self.probes.maps()?.count_calls(true)?;
        if lasts_ns <= WAITED_FOR_NS {
            thread::sleep(Duration::from_nanos(lasts_ns));
            self.end_moment(begun_ns, share)?;
        }
        Ok(())
    }

    /// Measures what passing a place takes: at each moment, as caches are then.
    fn measure_trap(&mut self) {
        match self.probes.trap_ns() {
            Ok(ns) => {
                self.calls.traps.0 += ns;
                self.calls.traps.1 += 1;
            }
            Err(why) => tracing::warn!(%why, "what a probe takes is not measured"),
        }
    }

    /// Ends a moment that began at `since_ns`, and plans the next one; goes on instead if there
    /// is hardly anything lost.
    fn end_moment(&mut self, since_ns: u64, share: f64) -> Result<(), SessionError> {
        let now_ns = monotonic_ns();
        let lasted_ns = now_ns.saturating_sub(since_ns).max(1);
        self.account_calls()?;
        let lost_ns = self.most_lost_ns().max(1);
        // Of what counting takes of a second, so much may be.
        let duty = (share * AIM * lasted_ns as f64 / lost_ns as f64).min(1.0);
        if duty >= 1.0 && lasted_ns >= SHORTEST_NS {
            self.calls.armed_ns += lasted_ns;
            self.calls.armed = Some((now_ns, now_ns + PERIOD_NS));
            return self.begin_loss();
        }
        self.disarm_calls()?;
        let length = Duration::from_nanos(PERIOD_NS).mul_f64(duty);
        let rest = Duration::from_nanos(lost_ns).div_f64(share * AIM);
        let length_ns = nanos(length).clamp(SHORTEST_NS, PERIOD_NS);
        let rest_ns = nanos(rest);
        self.calls.next = (since_ns + rest_ns.max(PERIOD_NS), length_ns);
        Ok(())
    }

    /// Listens at all places, or at this one.
    fn arm_calls(&mut self, only: Option<Listened>) {
        self.await_closing();
        let mut links = Vec::new();
        let mut lost = 0;
        for (listened, place) in &self.calls.places {
            let is_gone = listened.only.is_some_and(|pid| {
                let watched = self.watched.get(&pid);
                watched.is_some_and(|watched| watched.exited)
            });
            if is_gone || only.is_some_and(|only| only != *listened) {
                continue;
            }
            let path = PathBuf::from(format!("/proc/self/fd/{}", place.file.as_raw_fd()));
            let scope = listened.only.map_or(Scope::Everyone, Scope::Process);
            match self
                .probes
                .attach_usdt(listened.group, &path, &place.targets, scope)
            {
                Ok(link) => links.push(link),
                Err(why) => {
                    tracing::debug!(group = listened.group.name(), %why, "probes are not heard");
                    lost += 1;
                }
            }
        }
        self.calls.links.append(&mut links);
        if lost > 0 {
            self.lose(UserLoss::ProbesNotHeard, lost);
        }
    }

    /// Ceases to listen. The links go in the background: the targets are free of them long
    /// before the kernel is done.
    fn disarm_calls(&mut self) -> Result<(), SessionError> {
        self.probes.maps()?.count_calls(false)?;
        if let Some((since_ns, _)) = self.calls.armed.take() {
            self.calls.armed_ns += monotonic_ns().saturating_sub(since_ns);
        }
        let mut links = mem::take(&mut self.calls.links);
        let fds: Vec<_> = links.iter_mut().flat_map(UsdtLink::take_links).collect();
        if !fds.is_empty() {
            let thread = thread::spawn(move || drop(fds));
            self.calls.closing = Some(Closing { thread, links });
        }
        Ok(())
    }

    fn await_closing(&mut self) {
        let Some(closing) = self.calls.closing.take() else {
            return;
        };
        if closing.thread.join().is_err() {
            tracing::error!("a thread that closes links failed");
        }
        for link in closing.links {
            self.probes.detach_usdt(link);
        }
    }

    /// The window is about to end: nothing is counted any more.
    pub(super) fn end_calls(&mut self) -> Result<(), SessionError> {
        if self.calls.places.is_empty() {
            return Ok(());
        }
        if self.counts_all_calls() {
            // What it took is said afterwards.
            self.measure_trap();
        }
        self.account_calls()?;
        self.disarm_calls()?;
        self.await_closing();
        self.probes.end_traps();
        Ok(())
    }

    /// What processes lose from now on is that of a moment.
    fn begin_loss(&mut self) -> Result<(), SessionError> {
        self.account_calls()?;
        self.calls.lost_before_ns.clone_from(&self.calls.lost_ns);
        Ok(())
    }

    /// What the process that lost most has lost in this moment.
    fn most_lost_ns(&self) -> u64 {
        let before = &self.calls.lost_before_ns;
        let lost = self.calls.lost_ns.iter();
        let lost = lost.map(|(pid, ns)| ns - before.get(pid).copied().unwrap_or(0));
        lost.max().unwrap_or(0)
    }

    /// Adds what processes lost since this was called last.
    fn account_calls(&mut self) -> Result<(), SessionError> {
        let maps = self.probes.maps()?;
        let (runs, took_ns) = maps.calls_cost()?;
        let mut fired: HashMap<u32, u64> = HashMap::new();
        for entry in &maps.usdt_fired {
            let Ok((key, times)) = entry else { continue };
            if matches!(key.probe, probe::FUNCTION_RETURN | probe::LINE) {
                *fired.entry(key.pid).or_default() += times;
            }
        }
        let (sum_ns, times) = self.calls.traps;
        let trap_ns = sum_ns
            .checked_div(times)
            .unwrap_or(ProbeGroup::Calls.price_ns());
        tracing::debug!(
            trap_ns,
            program_ns = took_ns / runs.max(1),
            "what a probe takes"
        );
        let price_ns = (trap_ns + took_ns / runs.max(1)) * PREPARING_PERCENT / 100;
        for (pid, times) in fired {
            let before = self.calls.fired.insert(pid, times).unwrap_or(0);
            let lost_ns = times.saturating_sub(before) * price_ns;
            *self.calls.lost_ns.entry(pid).or_default() += lost_ns;
        }
        Ok(())
    }

    /// For how long calls were counted until now.
    pub(super) fn calls_armed_ns(&self) -> u64 {
        self.calls.armed_ns(monotonic_ns())
    }

    /// What was called in the window.
    pub(super) fn window_calls(&mut self) -> Result<WindowCalls, SessionError> {
        let mut all = WindowCalls::new();
        for entry in &self.probes.maps()?.calls {
            let Ok((key, times)) = entry else { continue };
            let of_thread = all.entry((key.tid, key.thread_generation)).or_default();
            of_thread.push((key, times));
        }
        Ok(all)
    }

    /// The calls of a process that was there for `watched_ns`; `None` if nobody listened.
    pub(super) fn process_calls(
        &self,
        pid: u32,
        watched: &Watched,
        threads: impl Iterator<Item = (u32, u32)>,
        watched_ns: u64,
        end_ns: u64,
    ) -> Option<Calls> {
        let probes = watched.probes.as_ref()?;
        let has_functions = probes.is_armed(ProbeGroup::Calls);
        let has_lines = probes.is_armed(ProbeGroup::Lines);
        if !has_functions && !has_lines {
            return None;
        }
        let mut sums: BTreeMap<(Called, Tid, StackId, Option<u32>), u64> = BTreeMap::new();
        let mut of_interpreter = 0;
        let of_threads = threads.filter_map(|thread| self.window_calls.get(&thread));
        for (key, times) in of_threads.flatten() {
            let (what, line) = match key.probe {
                probe::LINE => (Called::Line, Some(key.line)),
                _ => (Called::Function, None),
            };
            let known = watched.stacks.by_hash(key.stack);
            let known = known.filter(|_| key.stack != EMPTY_STACK);
            if known.is_some_and(|stack| watched.stacks.spots(stack).next().is_none()) {
                of_interpreter += times;
                continue;
            }
            let stack = known.unwrap_or(StackId(0));
            *sums.entry((what, Tid(key.tid), stack, line)).or_default() += times;
        }
        let mut places: Vec<CalledAt> = sums
            .into_iter()
            .map(|((what, tid, stack, line), count)| CalledAt {
                what,
                tid,
                stack,
                line,
                count,
            })
            .collect();
        places.sort_by_key(|at| std::cmp::Reverse(at.count));
        // It may have ended: then moments were as often before as after.
        let since_ns = probes.listened_at_ns.max(self.start_ns);
        let could_ns = end_ns.saturating_sub(since_ns).max(1);
        let watched_ns = watched_ns.min(could_ns);
        let armed_ns = self.calls.armed_ns.saturating_sub(probes.armed_before_ns);
        Some(Calls {
            places,
            of_interpreter,
            is_exact: self.calls.exact,
            has_functions,
            has_lines,
            watched_ns,
            armed_ns: in_proportion(armed_ns, watched_ns, could_ns),
            lost_ns: self.calls.lost_ns.get(&pid).copied().unwrap_or(0),
        })
    }
}

/// Groups whose probes are armed for moments only.
pub(super) fn sampled(groups: ProbeGroups) -> impl Iterator<Item = ProbeGroup> {
    groups.groups().filter(|group| group.is_sampled())
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
