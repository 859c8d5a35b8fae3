//! Fields of `task_struct` and the saved user registers.

use aya_ebpf::{
    Global,
    bindings::task_struct,
    helpers::{
        bpf_get_current_task, bpf_get_current_task_btf, bpf_task_pt_regs,
        generated::bpf_probe_read_kernel,
    },
};

use leakcpu_common::rival::COMM_BYTES;

use crate::globals::{
    BIT_TASK_IN_IOWAIT, HAS_TASK_PT_REGS, OFF_CFS_RQ_RQ, OFF_RQ_CLOCK, OFF_STACK_PT_REGS,
    OFF_TASK_CFS_RQ, OFF_TASK_COMM, OFF_TASK_FSBASE, OFF_TASK_LAST_ARRIVAL, OFF_TASK_PID,
    OFF_TASK_STACK, OFF_TASK_START_BOOTTIME, OFF_TASK_STATE, OFF_TASK_TGID, OFF_TASK_THROTTLED,
};

/// Indices of 64-bit words in x86-64's `struct pt_regs`
/// (`arch/x86/include/asm/ptrace.h`).
pub mod reg {
    pub const R10: usize = 7;
    pub const R9: usize = 8;
    pub const R8: usize = 9;
    pub const DX: usize = 12;
    pub const SI: usize = 13;
    pub const DI: usize = 14;
    pub const ORIG_AX: usize = 15;
    pub const IP: usize = 16;
    pub const CS: usize = 17;
}

/// A task that the verifier trusts: an argument of a BTF tracepoint.
#[derive(Clone, Copy)]
pub struct Task(*const task_struct);

impl Task {
    /// Wraps a tracepoint's argument.
    #[inline(always)]
    pub fn new(task: *const task_struct) -> Self {
        Self(task)
    }

    #[inline(always)]
    fn field<T: Copy>(self, offset: &Global<u32>) -> T {
        // SAFETY: a direct load from a trusted BTF pointer; the verifier checks
        // the offset, a load-time constant, against `task_struct` and turns a
        // fault into zero.
        unsafe {
            self.0
                .cast::<u8>()
                .add(offset.load() as usize)
                .cast::<T>()
                .read_volatile()
        }
    }

    /// The thread id (the kernel's `pid`).
    #[inline(always)]
    pub fn tid(self) -> u32 {
        self.field(&OFF_TASK_PID)
    }

    /// The process id (the kernel's `tgid`).
    #[inline(always)]
    pub fn pid(self) -> u32 {
        self.field(&OFF_TASK_TGID)
    }

    /// `__state` (5.14) or `state`; its low 32 bits are all that is looked at.
    #[inline(always)]
    pub fn state(self) -> u32 {
        self.field(&OFF_TASK_STATE)
    }

    /// Nanoseconds since boot at which the task was created.
    #[inline(always)]
    pub fn start_boottime_ns(self) -> u64 {
        self.field(&OFF_TASK_START_BOOTTIME)
    }

    /// The thread pointer: `pthread_self()` with glibc and musl on x86-64.
    #[inline(always)]
    pub fn fsbase(self) -> u64 {
        self.field(&OFF_TASK_FSBASE)
    }

    /// The fair run queue that the task is or was last on.
    #[inline(always)]
    pub fn cfs_rq(self) -> Struct {
        Struct(self.field(&OFF_TASK_CFS_RQ))
    }

    /// Taken off its run queue, for the group has used up its CPU quota; only where
    /// `HAS_TASK_THROTTLED`.
    #[inline(always)]
    pub fn is_throttled(self) -> bool {
        self.field::<u8>(&OFF_TASK_THROTTLED) != 0
    }

    /// How long it has been on its CPU; too long for the idle task, of which that is not
    /// noted. Only where `HAS_LAST_ARRIVAL`.
    #[inline(always)]
    pub fn burst_ns(self) -> u64 {
        let rq = Struct(self.cfs_rq().field::<*const u8>(&OFF_CFS_RQ_RQ));
        let now_ns: u64 = rq.field(&OFF_RQ_CLOCK);
        now_ns.saturating_sub(self.field(&OFF_TASK_LAST_ARRIVAL))
    }

    /// The kernel's name for the task; empty if it cannot be read.
    #[inline(always)]
    pub fn comm(self) -> [u8; COMM_BYTES] {
        let address = self.0 as u64 + u64::from(OFF_TASK_COMM.load());
        let mut comm = [0; COMM_BYTES];
        // SAFETY: the helper writes the whole array: zeroes if the memory cannot be read.
        unsafe {
            bpf_probe_read_kernel(
                (&raw mut comm).cast(),
                COMM_BYTES as u32,
                address as *const _,
            );
        }
        comm
    }

    /// Its saved user registers, if it is the current task; `None` where neither way works.
    #[inline(always)]
    pub fn registers(self) -> Option<UserRegisters> {
        if HAS_TASK_PT_REGS.load() == 0 {
            return UserRegisters::current();
        }
        // SAFETY: the helper takes a trusted task; the branch is dead to the verifier on
        // kernels without it.
        let base = unsafe { bpf_task_pt_regs(self.0.cast_mut()) } as *const u64;
        Some(UserRegisters { base })
    }

    /// The bit `in_iowait`.
    #[inline(always)]
    pub fn in_iowait(self) -> bool {
        let bit = BIT_TASK_IN_IOWAIT.load();
        // SAFETY: as in `field`; the byte holding the bit.
        let byte: u8 = unsafe { self.0.cast::<u8>().add((bit >> 3) as usize).read_volatile() };
        (byte >> (bit & 7)) & 1 == 1
    }
}

/// A structure of the kernel, reached from a trusted task: a fault in reading it gives zero.
#[derive(Clone, Copy)]
pub struct Struct(pub *const u8);

impl Struct {
    /// A field of it.
    #[inline(always)]
    pub fn field<T: Copy>(self, offset: &Global<u32>) -> T {
        // SAFETY: a direct load from a BTF pointer, as in `Task::field`.
        unsafe {
            self.0
                .add(offset.load() as usize)
                .cast::<T>()
                .read_volatile()
        }
    }
}

/// The current task, for programs that have no task argument; `None` on kernels that
/// give no pointer that the verifier trusts (it came with `bpf_task_pt_regs`, 5.15, or
/// before).
#[inline(always)]
pub fn current() -> Option<Task> {
    if HAS_TASK_PT_REGS.load() == 0 {
        return None;
    }
    // SAFETY: the helper has no preconditions; the branch is dead to the verifier on
    // kernels without it.
    Some(Task::new(unsafe { bpf_get_current_task_btf() }.cast()))
}

/// `fsbase` of the current task, for programs that have no task argument.
#[inline(always)]
pub fn current_fsbase() -> Option<u64> {
    // SAFETY: the helper has no preconditions.
    let task = unsafe { bpf_get_current_task() };
    read_kernel(task.wrapping_add(u64::from(OFF_TASK_FSBASE.load())))
}

#[inline(always)]
pub fn read_kernel(addr: u64) -> Option<u64> {
    let mut value = 0_u64;
    // SAFETY: the helper writes 8 bytes or fails, and faults safely.
    let ret = unsafe { bpf_probe_read_kernel((&raw mut value).cast(), 8, addr as *const _) };
    // Loaded even if that failed: the compiler may test `ret` twice, and kernels before 6.8
    // then follow a way on which it both failed and did not, with a register never written.
    // SAFETY: initialised above.
    let value = unsafe { (&raw const value).read_volatile() };
    (ret == 0).then_some(value)
}

/// Saved user registers of the current task.
#[derive(Clone, Copy)]
pub struct UserRegisters {
    base: *const u64,
}

impl UserRegisters {
    /// Finds them; `None` where neither way works.
    #[inline(always)]
    pub fn current() -> Option<Self> {
        if HAS_TASK_PT_REGS.load() == 1 {
            // SAFETY: both helpers have no preconditions; the branch is dead to
            // the verifier on kernels without them.
            let base = unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as *const u64;
            return Some(Self { base });
        }
        // SAFETY: the helper has no preconditions.
        let task = unsafe { bpf_get_current_task() };
        let stack = read_kernel(task.wrapping_add(u64::from(OFF_TASK_STACK.load())))?;
        let base = stack.wrapping_add(u64::from(OFF_STACK_PT_REGS.load())) as *const u64;
        Some(Self { base })
    }

    /// Word `index` of [`reg`].
    #[inline(always)]
    pub fn get(self, index: usize) -> Option<u64> {
        if HAS_TASK_PT_REGS.load() == 1 {
            // SAFETY: a direct load from the BTF pointer that the helper returned.
            return Some(unsafe { self.base.add(index).read_volatile() });
        }
        read_kernel(self.base as u64 + (index * 8) as u64)
    }
}
