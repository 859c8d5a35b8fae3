//! A process, its threads, its times and its waits.

use std::collections::BTreeMap;

use serde::Serialize;

use super::audit::{AuditDto, audit};
use super::collector::CollectorDto;
use super::event_loop::EventLoopDto;
use super::function::FunctionDto;
use super::identity::IdentityDto;
use super::lock::DeadlockDto;
use super::round_trips::RoundTripsDto;
use super::verdict::{FindingDto, VerdictDto, rounded};
use super::wait::WaitDto;
use crate::classify::{ProcessVerdicts, sampled_collector_ns};
use crate::diagnose::ProcessFindings;
use crate::model::{
    Accounts, CpuQuota, CpuSplit, Process, RanInstead, Reason, Rollup, Thread, ThreadTimes,
    Unreadable,
};

#[derive(Clone, Debug, Serialize)]
pub(super) struct ProcessDto {
    #[serde(flatten)]
    identity: IdentityDto,
    exited: bool,
    verdict: VerdictDto,
    time: TimeDto,
    accounts: Option<AccountsDto>,
    quotas: Vec<CpuQuota>,
    ran_instead: Vec<RanInstead>,
    waits: Vec<WaitDto>,
    deadlocks: Vec<DeadlockDto>,
    round_trips: Vec<RoundTripsDto>,
    collector: Option<CollectorDto>,
    audit: Option<Vec<AuditDto>>,
    threads: Vec<ThreadDto>,
    functions: Vec<FunctionDto>,
    findings: Vec<FindingDto>,
    /// Those with less to gain, unless all were asked for.
    findings_left_out: usize,
    unreadable: Option<Unreadable>,
}

#[derive(Clone, Debug, Serialize)]
struct TimeDto {
    wall_ns: u64,
    lifetime_ns: Option<u64>,
    on_cpu_ns: u64,
    runnable_ns: u64,
    throttled_ns: Option<u64>,
    blocked_ns: u64,
    unaccounted_ns: u64,
    steal_ns: Option<u64>,
    on_cpu_user_ns: Option<u64>,
    on_cpu_kernel_ns: Option<u64>,
    gc_ns: Option<u64>,
    gc_sampled_ns: Option<u64>,
    gil_wait_ns: u64,
    blocked_by_reason: BTreeMap<Reason, u64>,
    reasons_estimated_ns: u64,
}

#[derive(Clone, Debug, Serialize)]
struct AccountsDto {
    #[serde(flatten)]
    figures: Accounts,
    residual_share: f64,
}

#[derive(Clone, Debug, Serialize)]
struct ThreadDto {
    tid: u32,
    ns_tid: Option<u32>,
    name: Option<String>,
    verdict: VerdictDto,
    time: TimeDto,
    accounts: Option<AccountsDto>,
    event_loop: Option<EventLoopDto>,
    unattributed_ns: u64,
}

impl ProcessDto {
    pub(super) fn new(
        process: &Process,
        verdicts: &ProcessVerdicts,
        findings: &ProcessFindings,
    ) -> Self {
        let rollup = Rollup::of(process);
        let collector = process.collector.as_ref();
        let threads = process.threads.iter();
        let sampled: Vec<Option<u64>> = threads
            .map(|thread| sampled_collector_ns(process, thread))
            .collect();
        let counted = process.calls.as_ref().filter(|calls| calls.has_functions);
        let calls = counted
            .and_then(|_| process.call_table())
            .map(|table| table.functions);
        Self {
            identity: IdentityDto::from(process),
            exited: process.exited,
            verdict: VerdictDto::from(&verdicts.verdict),
            time: TimeDto::new(
                &process.times(),
                process.lifetime_ns,
                process.cpu_split(),
                (process.blocked_by_reason(), process.reasons_estimated_ns()),
                (
                    collector.map(|collector| collector.pauses().on_cpu_ns),
                    sampled.iter().copied().sum(),
                ),
            ),
            accounts: process.accounts().map(AccountsDto::from),
            quotas: process.quotas.clone(),
            ran_instead: process.ran_instead.clone(),
            waits: process
                .waits()
                .iter()
                .map(|wait| WaitDto::new(process, wait))
                .collect(),
            deadlocks: DeadlockDto::all(process),
            round_trips: RoundTripsDto::all(process),
            collector: collector.map(|it| CollectorDto::new(process, it)),
            audit: audit(process),
            threads: process
                .threads
                .iter()
                .zip(&verdicts.threads)
                .zip(&rollup.unattributed_by_thread_ns)
                .map(|((thread, verdict), unattributed_ns)| ThreadDto {
                    tid: thread.tid.0,
                    ns_tid: thread.ns_tid,
                    name: thread.name.clone(),
                    verdict: VerdictDto::from(verdict),
                    time: TimeDto::of_thread(
                        thread,
                        (
                            collector.map(|it| it.pauses_of(thread.tid).on_cpu_ns),
                            sampled_collector_ns(process, thread),
                        ),
                    ),
                    accounts: thread.accounts.map(AccountsDto::from),
                    event_loop: process
                        .event_loop(thread)
                        .map(|of| EventLoopDto::new(process, &of)),
                    unattributed_ns: *unattributed_ns,
                })
                .collect(),
            functions: rollup
                .functions
                .iter()
                .filter_map(|row| {
                    let calls = calls
                        .as_ref()
                        .map(|of| of.get(&row.function).copied().unwrap_or(0));
                    FunctionDto::new(process, row, verdicts, calls)
                })
                .collect(),
            findings: findings.findings.iter().map(FindingDto::from).collect(),
            findings_left_out: findings.more,
            unreadable: process.unreadable.clone(),
        }
    }
}

impl From<Accounts> for AccountsDto {
    fn from(figures: Accounts) -> Self {
        Self {
            figures,
            residual_share: rounded(figures.residual_share()),
        }
    }
}

impl TimeDto {
    fn new(
        times: &ThreadTimes,
        lifetime_ns: Option<u64>,
        split: Option<CpuSplit>,
        (blocked_by_reason, reasons_estimated_ns): (BTreeMap<Reason, u64>, u64),
        (gc_ns, gc_sampled_ns): (Option<u64>, Option<u64>),
    ) -> Self {
        Self {
            wall_ns: times.wall_ns,
            lifetime_ns,
            on_cpu_ns: times.on_cpu_ns,
            runnable_ns: times.runnable_ns,
            throttled_ns: times.throttled_ns,
            blocked_ns: times.blocked_ns,
            unaccounted_ns: times.unaccounted_ns,
            steal_ns: times.steal_ns,
            on_cpu_user_ns: split.map(|s| s.user_ns),
            on_cpu_kernel_ns: split.map(|s| s.kernel_ns),
            gc_ns,
            gc_sampled_ns,
            gil_wait_ns: times.gil_wait_ns,
            blocked_by_reason,
            reasons_estimated_ns,
        }
    }

    fn of_thread(thread: &Thread, gc: (Option<u64>, Option<u64>)) -> Self {
        Self::new(
            &thread.times,
            None,
            thread.cpu_split(),
            (thread.blocked_by_reason(), thread.reasons_estimated_ns()),
            gc,
        )
    }
}
