//! What a sampled thread was executing: the instruction, and on demand the native
//! stacks. A sample is a record that user space counts, instead of a count in the totals:
//! almost every sample sees an instruction of its own, and a record costs a third of what
//! a new key in a hash map does.

use aya_ebpf::{
    EbpfContext as _,
    bindings::BPF_F_USER_STACK,
    helpers::generated::bpf_get_stack,
    macros::map,
    maps::{PerCpuArray, RingBuf, StackTrace},
    programs::{PerfEventContext, tracing::StackIdContext as _},
};
use leakcpu_common::{
    counters::Counter,
    native::{LeafKey, MAX_NATIVE_FRAMES, NO_STACK, SAMPLE_RING_BYTES},
    thread::ThreadState,
    totals::{NO_SYSCALL, Totals, Wait, state},
};

use crate::{
    count,
    globals::{KERNEL_STACKS_WANTED, NATIVE_STACKS_WANTED},
    maps::NO_WAKEUP,
    oncpu::register,
    task::reg,
    totals,
};

#[map]
static SAMPLES: RingBuf = RingBuf::with_byte_size(SAMPLE_RING_BYTES, 0);

// The loader makes them as large as `leakcpu_common::native::NATIVE_STACKS` on demand.
#[map]
static USER_STACKS: StackTrace = StackTrace::with_max_entries(1, 0);

#[map]
static KERNEL_STACKS: StackTrace = StackTrace::with_max_entries(1, 0);

/// Where the kernel's stack is looked at for its outermost address. Word 0 stays 0 and
/// the stack begins behind it, so that its length is the index of its last word.
#[map]
static ENTRY: PerCpuArray<[u64; MAX_NATIVE_FRAMES + 1]> = PerCpuArray::with_max_entries(1, 0);

/// `-EFAULT`: the stack has no more frames than are to be skipped.
const NO_FRAMES: i32 = -14;

/// Records the sample with the instruction it interrupted; where there is no room for
/// that, it is counted in the totals.
#[inline(always)]
pub fn add(ctx: &PerfEventContext, thread: &ThreadState, stack: u64, wait: Wait) {
    let in_kernel = wait.state == state::ON_CPU_KERNEL;
    let mut key = LeafKey {
        totals: totals::key(thread, stack, wait),
        ip: register(ctx, reg::IP),
        entry: 0,
        user_stack: NO_STACK,
        kernel_stack: NO_STACK,
    };
    if in_kernel && wait.syscall == NO_SYSCALL {
        key.entry = outermost_kernel_address(ctx);
    }
    if NATIVE_STACKS_WANTED.load() == 1 {
        // Without the leaf far fewer stacks are distinct.
        let skip = u64::from(!in_kernel);
        match ctx.get_stackid(&USER_STACKS, u64::from(BPF_F_USER_STACK) | skip) {
            Ok(id) => key.user_stack = id as i32,
            // Nothing above the leaf: no frame pointer that leads anywhere.
            Err(NO_FRAMES) => {}
            Err(_) => count::one(Counter::NativeStackFailed),
        }
    }
    if KERNEL_STACKS_WANTED.load() == 1 && in_kernel {
        match ctx.get_stackid(&KERNEL_STACKS, 0) {
            Ok(id) => key.kernel_stack = id as i32,
            Err(_) => count::one(Counter::KernelStackFailed),
        }
    }
    if SAMPLES.output::<LeafKey>(key, NO_WAKEUP).is_err() {
        count::one(Counter::SampleRingFull);
        totals::add(key.totals, &Totals::one(0, 0));
    }
}

/// The first address that the kernel ran after the thread's own code; 0 if its
/// stack cannot be walked.
#[inline(always)]
fn outermost_kernel_address(ctx: &PerfEventContext) -> u64 {
    let Some(addresses) = ENTRY.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the helper writes at most `size` bytes to this CPU's own buffer, which
    // has as many behind word 0.
    let bytes = unsafe {
        bpf_get_stack(
            ctx.as_ptr(),
            addresses.cast::<u64>().add(1).cast(),
            size_of::<[u64; MAX_NATIVE_FRAMES]>() as u32,
            0,
        )
    };
    let Ok(bytes) = u64::try_from(bytes) else {
        return 0;
    };
    let last = bytes as usize / size_of::<u64>();
    if last > MAX_NATIVE_FRAMES {
        return 0;
    }
    // SAFETY: `last` is within the buffer; only this program uses it.
    unsafe { (*addresses)[last] }
}
