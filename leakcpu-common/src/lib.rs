//! The contract between pyobserve's eBPF programs and its user-space side.
//!
//! Every type that crosses a map or the ring buffer is defined here and nowhere
//! else: `repr(C)`, explicit padding, sizes asserted in [`abi`]. The crate is
//! `no_std`, allocates nothing and decides nothing.
//!
//! `pid` and `tid` mean what users mean by them, in the initial pid namespace:
//! the kernel's tgid and pid.
#![no_std]
#![expect(
    clippy::cast_possible_truncation,
    reason = "words read from the target hold narrower fields, and both sides have 64 bits"
)]

pub mod abi;
pub mod config;
pub mod counters;
pub mod event;
pub mod event_loop;
pub mod fault;
pub mod names;
pub mod native;
pub mod process;
pub mod python;
pub mod rival;
pub mod stack;
pub mod store;
pub mod syscall;
pub mod thread;
pub mod totals;
pub mod usdt;
#[cfg(feature = "user")]
mod user;
pub mod wake;
