//! Which processes are CPython, their life and death.
//!
//! A process is CPython if an ELF file that is mapped executable in it defines
//! `_PyRuntime`; names of files decide nothing. Everything here reads `/proc` and
//! file contents; what a CPython looks like inside is the next room's business.

mod binary;
mod cgroup;
mod children;
mod code;
mod cpu_quota;
mod cpu_time;
mod descriptors;
mod error;
mod file_calls;
mod file_locks;
mod files;
mod maps;
mod process;
mod procfile;
mod regions;
mod scan;
mod socket_diag;
mod source_line;
mod thread;

pub use binary::{FileId, python_file};
pub use cgroup::{CgroupFacts, container_id, systemd_unit};
pub use children::{Child, awaited_child};
pub use code::{Backing, CodeRange, code_ranges, has_made_code, open_code, perf_map};
pub use cpu_quota::{CpuHierarchy, QuotaStat};
pub use cpu_time::{CpuTime, is_virtual_machine};
pub use descriptors::{Descriptor, Socket, Tables, descriptor};
pub use error::DiscoveryError;
pub use file_calls::FileCalls;
pub use file_locks::{FileLockHolder, file_lock_holder};
pub use maps::Mapping;
pub use process::{
    ProcessFacts, clock_tick_ns, comm, process_facts, process_of, start_boottime_ns,
};
pub use regions::{Backed, Regions};
pub use scan::{Discovery, Inspection, PythonImage, PythonTarget, Scan};
pub use socket_diag::{
    SocketDiag, TcpSocket, Traffic, UnixSocket, epoll_members, network_namespace, socket_inode,
};
pub use source_line::{SourcePlace, source_line};
pub use thread::{
    SchedStat, SyscallState, ThreadFacts, ThreadIds, sched_stat, syscall_state, thread_facts,
    thread_ids, threads,
};
