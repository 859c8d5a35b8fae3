//! Every load and attach; kernel features as data with a reason when one is
//! missing. The only room that knows aya's programs.

mod features;
mod kernel_btf;
mod loader;
mod maps;
mod per_cpu;
mod per_thread;
mod sources;
#[cfg(test)]
mod stack_depth;
mod sweep;
mod syscalls;
mod throttle_clock;
mod usdt;

pub use features::{KernelFacts, KernelFactsError, RunQueue};
pub use kernel_btf::{BtfError, KernelBtf, VMLINUX_BTF};
pub use loader::{LoadConfig, MapSizes, ProbeError, Probes, object_is_built_in, verifier_excerpt};
pub use maps::KernelMaps;
pub use sources::{Attach, SOURCES, Source};
pub use syscalls::{SyscallTable, syscall_name, syscall_spec};
pub use throttle_clock::ThrottleClock;
pub use usdt::{
    CallCounting, ProbeGroup, ProbeGroups, Scope, UsdtError, UsdtLink, UsdtTarget, UsdtWay,
};
