//! The reasons for a verdict, as an engineer would say them.

use std::collections::BTreeMap;

use super::decide::Decision;
use super::say::{count, duration, grouped, number, part_of, percent};
use super::spent::{Bucket, Spent};
use super::{Because, Class, Spin, Thresholds, accounts, waited_for};
use crate::model::{Process, StackTimeKind, Thread, WaitingLoop};

/// What is judged, and on what.
pub(super) struct Subject<'a> {
    pub process: &'a Process,
    /// The threads that vote.
    pub threads: &'a [(&'a Thread, Option<&'a Spin>)],
    pub spent: &'a Spent,
    pub wall_ns: u64,
    pub limits: &'a Thresholds,
}

/// Why `decision`, most telling first.
pub(super) fn because(subject: &Subject<'_>, decision: &Decision) -> Vec<Because> {
    let mut reasons = match decision.class {
        Class::BusyWaiting => subject.busy(),
        Class::CpuBound => subject.computing(),
        Class::IoBound | Class::MemoryBound => subject.waiting(decision.class),
        Class::LockBound => subject.locked(decision),
        Class::CpuStarved => subject.starved(decision),
        Class::Idle => subject.idle(),
        Class::Mixed => subject.mixed(),
        Class::Unknown => subject.unknown(),
    };
    // Right behind the figure that it is about.
    let second = reasons.len().min(1);
    reasons.splice(second..second, subject.activity(decision));
    if decision.class != Class::CpuStarved && decision.class != Class::Idle {
        reasons.extend(subject.throttled_besides());
    }
    reasons.extend(subject.stolen());
    reasons.extend(accounts::beyond(subject.threads, subject.limits).map(|a| accounts::reason(&a)));
    reasons
}

pub(super) fn reason(text: String, name: &'static str, value: f64, unit: &'static str) -> Because {
    Because {
        text,
        name,
        value,
        unit,
    }
}

impl Subject<'_> {
    /// `9.9 of 10.0 s`, or for several threads `29.6 s (4 threads)`.
    pub(super) fn span(&self, ns: u64) -> String {
        if self.threads.len() > 1 && ns > self.wall_ns / 2 {
            let threads = count(self.threads.len() as u64, "thread", "threads");
            format!("{} ({threads})", duration(ns))
        } else {
            part_of(ns, self.wall_ns)
        }
    }

    pub(super) fn on_cpu(&self) -> Because {
        let ns = self.spent.on_cpu_ns;
        let text = format!("{} on a CPU", self.span(ns));
        reason(text, "on_cpu_ns", ns as f64, "ns")
    }

    fn busy(&self) -> Vec<Because> {
        let busiest = self
            .threads
            .iter()
            .filter_map(|&(_, spin)| spin)
            .max_by(|a, b| {
                let rate = |spin: &Spin| spin.rate().unwrap_or(f64::INFINITY);
                rate(a).total_cmp(&rate(b))
            });
        let mut reasons = match busiest {
            Some(Spin::Poll {
                syscall,
                rate,
                useless_share,
                ..
            }) => {
                let what = if syscall == "sched_yield" {
                    format!("{} sched_yield calls/s", number(*rate))
                } else {
                    format!(
                        "{} {syscall} calls/s, {} find nothing",
                        number(*rate),
                        percent(*useless_share)
                    )
                };
                vec![
                    reason(what, "useless_calls_per_s", *rate, "1/s"),
                    self.on_cpu(),
                ]
            }
            Some(Spin::MicroSleep { rate, mean_ns, .. }) => vec![
                reason(
                    format!(
                        "{} sleeps/s from one line, {} each",
                        number(*rate),
                        duration(*mean_ns)
                    ),
                    "micro_sleeps_per_s",
                    *rate,
                    "1/s",
                ),
                self.on_cpu(),
            ],
            Some(Spin::Native {
                function,
                pause_share,
                ..
            }) => {
                let native = self.process.native(*function);
                let inside =
                    native.map_or(String::new(), |native| format!(" in {}", native.in_words()));
                vec![
                    self.on_cpu(),
                    reason(
                        format!(
                            "{} of that{inside} at a pause instruction: it looks at memory again and again",
                            percent(*pause_share)
                        ),
                        "pause_share",
                        *pause_share,
                        "ratio",
                    ),
                ]
            }
            Some(Spin::Loop { share, waiting, .. }) => {
                vec![self.on_cpu(), self.looping(*share, waiting)]
            }
            None => vec![self.on_cpu()],
        };
        let spinning = self
            .threads
            .iter()
            .filter(|(_, spin)| spin.is_some())
            .count();
        if spinning > 1 {
            reasons.push(reason(
                format!("{spinning} threads do so"),
                "spinning_threads",
                spinning as f64,
                "count",
            ));
        }
        reasons
    }

    /// `99 % of that in a loop of await_reload whose rounds change nothing: while not done:`
    fn looping(&self, share: f64, waiting: &WaitingLoop) -> Because {
        let function = self.process.function(waiting.function);
        let of = function.map_or(String::new(), |function| format!(" of {}", function.name));
        let mut looks = waiting.looks_at.iter();
        let asks = match (looks.next(), looks.len()) {
            (None, _) => String::new(),
            (Some(one), 0) => format!(" but ask {}()", one.name),
            (Some(one), more) => format!(" but ask {}() and {more} more", one.name),
        };
        let text = waiting.text.as_deref();
        let asks = text.map_or(asks, |text| format!(": {text}"));
        reason(
            format!(
                "{} of that in a loop{of} whose rounds change nothing{asks}",
                percent(share)
            ),
            "loop_share",
            share,
            "ratio",
        )
    }

    fn computing(&self) -> Vec<Because> {
        let mut reasons = vec![self.on_cpu()];
        let (kernel_ns, syscall) = self.kernel_calls();
        let share = kernel_ns as f64 / self.spent.on_cpu_ns.max(1) as f64;
        if share >= 0.2 {
            let most = syscall.map_or(String::new(), |name| format!(", most of it in {name}"));
            reasons.push(reason(
                format!("{} of that in the kernel{most}", percent(share)),
                "kernel_share",
                share,
                "ratio",
            ));
        }
        reasons
    }

    /// Kernel-mode time and the system call with the most of it.
    fn kernel_calls(&self) -> (u64, Option<String>) {
        let mut calls: BTreeMap<&str, u64> = BTreeMap::new();
        let mut total = 0;
        for (thread, _) in self.threads {
            for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
                if let StackTimeKind::OnCpuKernel { syscall } = &entry.kind {
                    total += charge.on_cpu_ns;
                    if let Some(name) = syscall {
                        *calls.entry(name).or_default() += charge.on_cpu_ns;
                    }
                }
            }
        }
        let most = calls.into_iter().max_by_key(|&(_, ns)| ns);
        (total, most.map(|(name, _)| name.to_owned()))
    }

    fn waiting(&self, class: Class) -> Vec<Because> {
        let ns = self.spent.class_ns(class);
        let Some(top) = self.top_wait(class) else {
            let text = format!("{} blocked", self.span(ns));
            return vec![reason(text, "blocked_ns", ns as f64, "ns")];
        };
        let what = waited_for(top.reason, top.peer, top.file, top.child);
        let mut reasons = vec![reason(
            format!("{} {what}", self.span(top.total_ns)),
            "wait_ns",
            top.total_ns as f64,
            "ns",
        )];
        let text = if top.count == 1 {
            "one wait".to_owned()
        } else {
            format!(
                "{} waits, longest {}",
                grouped(top.count),
                duration(top.max_ns)
            )
        };
        reasons.push(reason(text, "waits", top.count as f64, "count"));
        if self.spent.on_cpu_ns > 0 {
            reasons.push(self.on_cpu());
        }
        reasons
    }

    fn locked(&self, decision: &Decision) -> Vec<Because> {
        if decision.detail != Some(super::Detail::Gil) {
            let mut reasons: Vec<Because> = self.deadlocked().into_iter().collect();
            reasons.extend(self.waiting(Class::LockBound).into_iter().take(2));
            let ns = self.spent.class_ns(Class::LockBound);
            if reasons.len() < 3 {
                reasons.extend(self.owned(ns));
            }
            reasons.extend(self.culprit(false, ns));
            return reasons;
        }
        let ns = self.spent.gil_wait_ns;
        let others = self.spent.without_starvation().without_gil_ns();
        let share = ns as f64 / (ns + others).max(1) as f64;
        let rate = self.spent.gil_events as f64 * 1e9 / self.wall_ns.max(1) as f64;
        let mut reasons = vec![reason(
            if self.threads.len() > 1 {
                format!(
                    "{} threads, {} of GIL waits in {} ({})",
                    self.threads.len(),
                    duration(ns),
                    duration(self.wall_ns),
                    percent(share)
                )
            } else {
                format!("{} waiting for the GIL", self.span(ns))
            },
            "gil_wait_ns",
            ns as f64,
            "ns",
        )];
        reasons.extend(self.culprit(true, ns));
        reasons.push(reason(
            format!("{} GIL waits/s", number(rate)),
            "gil_waits_per_s",
            rate,
            "1/s",
        ));
        reasons.push(self.on_cpu());
        reasons
    }

    fn idle(&self) -> Vec<Because> {
        let active = self.spent.active_ns();
        vec![reason(
            format!("{} active, the rest it waits for work", self.span(active)),
            "active_ns",
            active as f64,
            "ns",
        )]
    }

    fn mixed(&self) -> Vec<Because> {
        self.spent
            .without_starvation()
            .ranking()
            .into_iter()
            .take(2)
            .map(|(class, share)| {
                let said = match class {
                    Class::CpuBound => format!("{} on a CPU", self.span(self.spent.on_cpu_ns)),
                    _ => self.top_wait(class).map_or_else(
                        || class.to_string(),
                        |top| {
                            let what = waited_for(top.reason, top.peer, top.file, top.child);
                            format!("{} {what}", self.span(top.total_ns))
                        },
                    ),
                };
                reason(
                    format!("{said} ({})", percent(share)),
                    "class_share",
                    share,
                    "ratio",
                )
            })
            .collect()
    }

    fn unknown(&self) -> Vec<Because> {
        let active = self.spent.active_ns();
        let need = self.limits.min_active_ns;
        if active < need {
            let text = format!(
                "only {} active, {} are needed for a verdict",
                duration(active),
                duration(need)
            );
            let mut reasons = vec![reason(text, "active_ns", active as f64, "ns")];
            if active > 0 && !self.process.exited {
                let factor = (need * 6).div_ceil(active * 5); // a fifth more than just enough
                let enough = self.wall_ns.saturating_mul(factor);
                reasons.push(reason(
                    format!("at this pace {} would be enough", duration(enough)),
                    "enough_ns",
                    enough as f64,
                    "ns",
                ));
            }
            return reasons;
        }
        let ns = self.spent.get(Bucket::Unexplained);
        vec![reason(
            format!(
                "{} blocked in the kernel for a reason that could not be read",
                self.span(ns)
            ),
            "unexplained_ns",
            ns as f64,
            "ns",
        )]
    }
}
