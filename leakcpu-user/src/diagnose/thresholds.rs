//! From where on something is worth a finding: every figure that rules go by.

use serde::Deserialize;

/// What rules go by. A configuration file changes them under `[rules.thresholds]`, by the names
/// they have here.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// A fix that can give back so much of each second is of high severity ...
    pub high_ns_per_s: u64,
    /// ... so much of medium, and less of low.
    pub medium_ns_per_s: u64,
    /// A process that is active for a smaller share of the time has little to gain by not
    /// waiting for locks.
    pub active_share: f64,
    /// For so much of each second an event loop is held by one function.
    pub loop_held_ns_per_s: u64,
    /// One step of a coroutine computes for so long.
    pub loop_step_ns: u64,
    /// The collector takes this share of the time ...
    pub gc_share: f64,
    /// ... in so many collections, where they are counted.
    pub gc_collections: u64,
    /// What is needless takes this share of a process' CPU time ...
    pub needless_cpu_share: f64,
    /// ... and so much of each second.
    pub needless_cpu_ns_per_s: u64,
    /// The handlers of exceptions take this share of the CPU time: making the exceptions takes
    /// many times as much.
    pub handlers_cpu_share: f64,
    /// A library's work of which there may be less takes this share of the CPU time: JSON, rows of
    /// data frames.
    pub library_cpu_share: f64,
    /// A function that only computes takes this share of the CPU time ...
    pub repeated_call_cpu_share: f64,
    /// ... so many different calls of it were seen ...
    pub repeated_calls: u32,
    /// ... and this share of them was given what another one had been given.
    pub repeated_call_share: f64,
    /// A loop's own instructions take this share of the CPU time.
    pub loop_cpu_share: f64,
    /// In a loop that does nothing but append, the appending itself takes this share of the CPU
    /// time.
    pub appending_cpu_share: f64,
    /// Fewer samples than these say nothing about code.
    pub samples: u64,
    /// A container that is searched from its beginning has so many items.
    pub searched_items: u64,
    /// A list that a loop only fills becomes so long: a comprehension has a price of its own.
    pub appended_items: u64,
    /// A text that is copied to be made longer has so many characters.
    pub copied_text_chars: u64,
    /// Waits of one kind take this share of the time.
    pub wait_share: f64,
    /// A place makes so many round trips to one peer ...
    pub round_trips: u64,
    /// ... which take so long in sum.
    pub round_trips_ns: u64,
    /// Queries of one place that are one too many each come so often in a second ...
    pub round_trips_per_s: u64,
    /// ... and are waited for no longer than this, in the mean: else the query is slow.
    pub quick_round_trip_ns: u64,
    /// A request whose answer is waited for so long, in the mean, is worth doing beside others.
    pub request_ns: u64,
    /// A round trip to a data base is small up to so many bytes in each direction.
    pub small_round_trip_bytes: u64,
    /// Reads or writes of a process: so many a second ...
    pub tiny_calls_per_s: u64,
    /// ... of so many bytes or fewer each.
    pub tiny_call_bytes: u64,
    /// So many children are waited for, one after the other.
    pub children: u64,
}

impl Thresholds {
    /// What holds unless a configuration file says otherwise.
    pub const DEFAULT: Self = Self {
        high_ns_per_s: 500_000_000,
        medium_ns_per_s: 50_000_000,
        active_share: 0.2,
        loop_held_ns_per_s: 50_000_000,
        loop_step_ns: 100_000_000,
        gc_share: 0.1,
        gc_collections: 5,
        needless_cpu_share: 0.1,
        needless_cpu_ns_per_s: 20_000_000,
        handlers_cpu_share: 0.02,
        library_cpu_share: 0.25,
        repeated_call_cpu_share: 0.25,
        repeated_calls: 8,
        repeated_call_share: 0.66,
        loop_cpu_share: 0.5,
        appending_cpu_share: 0.02,
        samples: 20,
        searched_items: 100,
        appended_items: 100,
        copied_text_chars: 10_000,
        wait_share: 0.2,
        round_trips: 5,
        round_trips_ns: 50_000_000,
        round_trips_per_s: 50,
        quick_round_trip_ns: 50_000_000,
        request_ns: 5_000_000,
        small_round_trip_bytes: 8_192,
        tiny_calls_per_s: 2_000,
        tiny_call_bytes: 512,
        children: 3,
    };

    /// How much it matters to get back so much of each second.
    pub(super) const fn severity(&self, recoverable_ns_per_s: u64) -> super::Severity {
        if recoverable_ns_per_s >= self.high_ns_per_s {
            super::Severity::High
        } else if recoverable_ns_per_s >= self.medium_ns_per_s {
            super::Severity::Medium
        } else {
            super::Severity::Low
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self::DEFAULT
    }
}
