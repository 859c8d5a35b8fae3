//! The clocks that kernel and user space share.

use nix::time::{ClockId, clock_gettime};

fn read_ns(clock: ClockId) -> u64 {
    // The three clocks exist on every Linux; a failure would be a broken libc.
    clock_gettime(clock).map_or(0, |t| {
        let seconds = u64::try_from(t.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(t.tv_nsec()).unwrap_or(0);
        seconds * 1_000_000_000 + nanos
    })
}

/// `CLOCK_MONOTONIC`: what `bpf_ktime_get_ns` returns.
pub fn monotonic_ns() -> u64 {
    read_ns(ClockId::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970.
pub fn unix_ns() -> u64 {
    read_ns(ClockId::CLOCK_REALTIME)
}

/// What suspends have added: `CLOCK_BOOTTIME` less `CLOCK_MONOTONIC`.
pub fn boottime_minus_monotonic_ns() -> u64 {
    read_ns(ClockId::CLOCK_BOOTTIME).saturating_sub(monotonic_ns())
}
