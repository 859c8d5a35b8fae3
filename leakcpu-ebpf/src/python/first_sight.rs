//! A stack that has not been seen before: its code objects are looked at, those that
//! may soon be gone are copied, and its frames leave the kernel.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use leakcpu_common::{
    config::{MAX_CODE_COPIES, MAX_FRAMES},
    counters::Counter,
    event::{
        CodeEvent, EventHeader, SEGMENT_BYTES, STACK_EVENT_HEAD_BYTES, Segment, StackEvent, kind,
        segment,
    },
    process::{PyProcess, changeable_slot, process_flags},
    python::{MemRead as _, PyLayout, is_generated, read_code},
    stack::{EMPTY_STACK, RawFrame, finish, flags, mix, mix_witness, seed},
};

use super::{memory::UserMemory, walker::scratch};
use crate::{
    count,
    maps::{CODES_SENT, EVENTS, NO_WAKEUP, PROCESSES, STACKS_SENT, Scratch},
};

steps! {
    fn look_at_code, probe_look_at_code(pid: u32) -> u32 = look_at_code_of;
    fn send, probe_send(pid: u32, tid: u32) -> u32 = send_of;
    fn mix_witnesses, probe_mix_witnesses(pid: u32) -> u64 = mix_witnesses_of;
    fn look_at_frames, probe_look_at_frames(pid: u32) -> u64 = look_at_frames_of;
    fn check_frames, probe_check_frames(pid: u32) -> u64 = check_frames_of;
    fn mix_witness_of, probe_mix_witness_of(pid: u32, index: u64) -> u64 = mix_witness_of_frame;
    fn look_at_frame, probe_look_at_frame(pid: u32, index: u64) -> u64 = look_at_one;
    fn copy_code, probe_copy_code(pid: u32, tid: u32, index: u64) -> u32 = copy_code_of;
}

/// Looks at the code objects of the stack in this CPU's scratch, and leaves its hash there,
/// in which the witnesses of those that may change take part, or [`EMPTY_STACK`] if it
/// turns out to be none. Not 0 if it is new and is to be sent.
#[inline(always)]
fn look_at_code_of<const WALKER: u32>(pid: u32) -> u32 {
    let Some(scratch) = scratch::<WALKER>() else {
        return 0;
    };
    scratch.torn.set(0);
    scratch.pending_count.set(0);
    if is_known_with_witnesses::<WALKER>(scratch, pid) {
        return 0;
    }
    check_frames::<WALKER>(pid);
    look_at_frames::<WALKER>(pid);
    if scratch.torn.get() != 0 {
        count::one(Counter::StackInTransition);
        scratch
            .flags
            .set(scratch.flags.get() | flags::IN_TRANSITION);
        scratch.hash.set(EMPTY_STACK);
        return 0;
    }
    // Some may have turned out to be changeable just now.
    u32::from(!is_known_with_witnesses::<WALKER>(scratch, pid))
}

/// Hashes the stack with its witnesses; whether one of that hash has been sent.
#[inline(always)]
fn is_known_with_witnesses<const WALKER: u32>(scratch: &Scratch, pid: u32) -> bool {
    scratch.hash.set(scratch.frames_hash.get());
    mix_witnesses::<WALKER>(pid);
    let hash = finish(scratch.hash.get(), scratch.flags.get());
    scratch.hash.set(hash);
    STACKS_SENT.get_ptr(hash).is_some()
}

/// The number of frames, read anew each time: the verifier learns from a comparison,
/// and would follow all that comes later once for every number it has learnt.
#[inline(always)]
fn count_of_frames(scratch: &Scratch) -> u64 {
    // SAFETY: a cell is readable.
    unsafe { scratch.frames.as_ptr().read_volatile() }
}

/// Sends the stack in the scratch and the code objects that were noted.
#[inline(always)]
fn send_of<const WALKER: u32>(pid: u32, tid: u32) -> u32 {
    let Some(scratch) = scratch::<WALKER>() else {
        return 0;
    };
    let hash = scratch.hash.get();
    if STACKS_SENT.insert(hash, 1, 0).is_err() {
        count::one(Counter::StackTableFull);
        return 0;
    }
    let noted = scratch.pending_count.get();
    // SAFETY: this CPU's scratch; what is noted stays while it is sent.
    let pending = unsafe { &*scratch.pending.get() };
    let mut done = u32::from(noted as usize <= MAX_CODE_COPIES);
    for (n, index) in pending.iter().enumerate() {
        if n >= noted as usize {
            break;
        }
        if UserMemory::new(scratch).is_late() {
            done = 0;
            break;
        }
        done &= copy_code::<WALKER>(pid, tid, *index);
    }
    done &= send_stack(scratch, pid, tid);
    if done == 0 {
        // The next sight of it does the rest.
        let _ = STACKS_SENT.remove(hash);
    }
    done
}

#[inline(always)]
fn send_stack(scratch: &Scratch, pid: u32, tid: u32) -> u32 {
    let frames = count_of_frames(scratch);
    // SAFETY: this CPU's scratch, of which nothing else has this part now.
    let event = unsafe { &mut *scratch.event.get() };
    event.header = EventHeader {
        kind: kind::STACK,
        pid,
        tid,
        count: frames as u32,
        ktime_ns: 0,
    };
    event.hash = scratch.hash.get();
    event.flags = scratch.flags.get();
    event.pad = 0;
    let frames = frames as usize;
    if frames > MAX_FRAMES + 1 {
        return 1;
    }
    let bytes = STACK_EVENT_HEAD_BYTES + frames * size_of::<RawFrame>();
    let start = (&raw const *event).cast::<u8>();
    // SAFETY: `event` is a whole `StackEvent`, of which `bytes` is a prefix.
    let data = unsafe { core::slice::from_raw_parts(start, bytes) };
    if EVENTS.output::<[u8]>(data, NO_WAKEUP).is_err() {
        count::one(Counter::StackRingFull);
        return 0;
    }
    1
}

/// What the functions below work on: frame `index` of the stack in the scratch.
struct Place {
    scratch: &'static Scratch,
    process: *mut PyProcess,
    frame: *mut RawFrame,
}

impl Place {
    #[inline(always)]
    fn of<const WALKER: u32>(pid: u32, index: u64) -> Option<Self> {
        let process = PROCESSES.get_ptr_mut(pid)?;
        let scratch = scratch::<WALKER>()?;
        if index as usize > MAX_FRAMES {
            return None;
        }
        // SAFETY: in bounds; the address is in this CPU's scratch.
        let frame = unsafe {
            (&raw mut (*scratch.event.get()).frames)
                .cast::<RawFrame>()
                .add(index as usize)
        };
        Some(Self {
            scratch,
            process,
            frame,
        })
    }

    #[inline(always)]
    fn layout(&self) -> &PyLayout {
        // SAFETY: a map value that stays mapped.
        unsafe { &(*self.process).layout }
    }

    /// The mark of the code object at `code`.
    #[inline(always)]
    fn changeable(&self, code: u64) -> *mut u8 {
        // SAFETY: the slot is below the table's size. (Indexing would leave a panic.)
        unsafe {
            (&raw mut (*self.process).changeable)
                .cast::<u8>()
                .add(changeable_slot(code))
        }
    }
}

/// Number of leading frames whose code objects are looked at.
#[inline(always)]
fn count_of_looks(scratch: &Scratch) -> u64 {
    let frames = count_of_frames(scratch);
    // SAFETY: as in `count_of_frames`.
    let looks = unsafe { scratch.looks.as_ptr().read_volatile() };
    if looks < frames { looks } else { frames }
}

/// Calls [`mix_witness_of`] for each frame that is looked at.
#[inline(always)]
fn mix_witnesses_of<const WALKER: u32>(pid: u32) -> u64 {
    let Some(scratch) = scratch::<WALKER>() else {
        return 0;
    };
    let mem = UserMemory::new(scratch);
    for i in 0..=MAX_FRAMES as u64 {
        if i >= count_of_looks(scratch) {
            break;
        }
        if mem.is_late() {
            if scratch.flags.get() & flags::WITNESSES_CUT == 0 {
                count::one(Counter::CodeLookCut);
            }
            scratch
                .flags
                .set(scratch.flags.get() | flags::WITNESSES_CUT);
            break;
        }
        mix_witness_of::<WALKER>(pid, i);
    }
    0
}

/// Calls [`look_at_frame`] for each frame that is looked at.
#[inline(always)]
fn look_at_frames_of<const WALKER: u32>(pid: u32) -> u64 {
    let Some(scratch) = scratch::<WALKER>() else {
        return 0;
    };
    let mem = UserMemory::new(scratch);
    for i in 0..=MAX_FRAMES as u64 {
        if i >= count_of_looks(scratch) {
            break;
        }
        if mem.is_late() {
            if scratch.flags.get() & flags::WITNESSES_CUT == 0 {
                count::one(Counter::CodeLookCut);
            }
            break;
        }
        look_at_frame::<WALKER>(pid, i);
    }
    0
}

/// Sets `Scratch::torn` if a record is neither a frame nor a placeholder.
#[inline(always)]
fn check_frames_of<const WALKER: u32>(pid: u32) -> u64 {
    let Some(place) = Place::of::<WALKER>(pid, 0) else {
        return 0;
    };
    let scratch = place.scratch;
    let has_placeholders = u64::from(place.layout().can_be_frame(RawFrame::default()));
    let mut torn = 0;
    for i in 0..=MAX_FRAMES {
        if i as u64 >= count_of_frames(scratch) {
            break;
        }
        // SAFETY: in bounds. (Indexing would leave a panic.)
        let frame = unsafe {
            (&raw const (*scratch.event.get()).frames)
                .cast::<RawFrame>()
                .add(i)
                .read_volatile()
        };
        // All ones where there is no code object: a branch would double what the
        // verifier follows.
        let no_code = (frame.address().wrapping_sub(1) & !frame.address()).cast_signed() >> 63;
        torn |= no_code.cast_unsigned() & (frame.code | frame.instr | (has_placeholders ^ 1));
    }
    if torn != 0 {
        scratch.torn.set(1);
    }
    0
}

/// Folds the witness of frame `index` into `Scratch::hash` where its code object may
/// have been replaced.
#[inline(always)]
fn mix_witness_of_frame<const WALKER: u32>(pid: u32, index: u64) -> u64 {
    let Some(place) = Place::of::<WALKER>(pid, index) else {
        return 0;
    };
    // SAFETY: this CPU's scratch, of which nothing else has this frame now.
    let (frame, scratch) = (unsafe { &mut *place.frame }, place.scratch);
    let code = frame.address();
    // SAFETY: in bounds.
    let may_change = unsafe { place.changeable(code).read() } != 0;
    if may_change && code != 0 {
        if frame.witness == 0 {
            let mut mem = UserMemory::new(place.scratch);
            let words = read_code(&mut mem, place.layout(), code);
            frame.witness = words.map_or(0, |words| words.witness);
        }
        scratch
            .hash
            .set(mix_witness(scratch.hash.get(), frame.witness));
    }
    0
}

/// Reads the witness of a frame's code object, marks the object if it is likely to be
/// replaced at its address, and notes it if it is to be copied.
#[inline(always)]
fn look_at_one<const WALKER: u32>(pid: u32, index: u64) -> u64 {
    let Some(place) = Place::of::<WALKER>(pid, index) else {
        return 0;
    };
    let scratch = place.scratch;
    // SAFETY: this CPU's scratch, of which nothing else has this frame now; a map value that
    // stays mapped.
    let (frame, process) = unsafe { (&mut *place.frame, &*place.process) };
    let layout = &process.layout;
    let code = frame.address();
    if code == 0 {
        return 0;
    }
    let mark = place.changeable(code);
    // One that may be replaced has been read already.
    if frame.witness == 0 {
        let mut mem = UserMemory::new(place.scratch);
        let Some(words) = read_code(&mut mem, layout, code) else {
            count::one(Counter::CodeReadFailed);
            return 0;
        };
        frame.witness = words.witness;
        // The root lives as long as its thread. Below it is nothing, or a placeholder.
        let root = root_index(scratch);
        if index != root && (!words.is_function || is_generated(&mem, layout, words.filename)) {
            // SAFETY: in bounds; a byte that both sides only ever set.
            unsafe { mark.write(1) };
        }
    }
    // SAFETY: in bounds.
    let wanted = (process.flags & process_flags::COPY_CODE) | u32::from(unsafe { mark.read() });
    if wanted != 0
        && CODES_SENT
            .get_ptr(code_key(pid, code, frame.witness))
            .is_none()
    {
        let n = scratch.pending_count.get();
        scratch.pending_count.set(n + 1);
        if (n as usize) < MAX_CODE_COPIES {
            // SAFETY: in bounds. (Indexing would leave a panic.)
            unsafe {
                scratch
                    .pending
                    .get()
                    .cast::<u64>()
                    .add(n as usize)
                    .write(index);
            }
        }
    }
    0
}

/// Index of the outermost frame that is no placeholder.
#[inline(always)]
fn root_index(scratch: &Scratch) -> u64 {
    let last = count_of_frames(scratch).wrapping_sub(1);
    if last as usize > MAX_FRAMES {
        return last;
    }
    // SAFETY: in bounds. (Indexing would leave a panic.)
    let frame = unsafe {
        (&raw const (*scratch.event.get()).frames)
            .cast::<RawFrame>()
            .add(last as usize)
            .read()
    };
    last.wrapping_sub(u64::from(frame.code == 0))
}

/// Copies the code object of frame `index`; 0 if it must be tried again.
#[inline(always)]
fn copy_code_of<const WALKER: u32>(pid: u32, tid: u32, index: u64) -> u32 {
    let Some(place) = Place::of::<WALKER>(pid, index) else {
        return 1;
    };
    // SAFETY: this CPU's scratch.
    let (code, copy) = unsafe { ((*place.frame).address(), &mut *place.scratch.code.get()) };
    let mut mem = UserMemory::new(place.scratch);
    let Some(words) = read_code(&mut mem, place.layout(), code) else {
        return 1;
    };
    copy.header = EventHeader {
        kind: kind::CODE,
        pid,
        tid,
        count: 0,
        ktime_ns: 0,
    };
    copy.code = code;
    copy.witness = words.witness;
    read_segment(&mut copy.segments[segment::CODE], code);
    read_segment(&mut copy.segments[segment::NAME], words.name);
    read_segment(&mut copy.segments[segment::QUALNAME], words.qualname);
    read_segment(&mut copy.segments[segment::FILENAME], words.filename);
    read_segment(&mut copy.segments[segment::LINE_TABLE], words.line_table);
    let key = code_key(pid, code, words.witness);
    if CODES_SENT.insert(key, 1, 0).is_err() {
        count::one(Counter::CodeTableFull);
        return 1;
    }
    let bytes = (&raw const *copy).cast::<u8>();
    // SAFETY: all of the event, whose fields are initialised.
    let data = unsafe { core::slice::from_raw_parts(bytes, size_of::<CodeEvent>()) };
    if EVENTS.output::<[u8]>(data, NO_WAKEUP).is_err() {
        count::one(Counter::CodeRingFull);
        let _ = CODES_SENT.remove(key);
        return 0;
    }
    1
}

/// Key in `CODES_SENT`.
#[inline(always)]
fn code_key(pid: u32, code: u64, witness: u64) -> u64 {
    let frame = RawFrame {
        code,
        ..RawFrame::default()
    };
    finish(mix_witness(mix(seed(pid), frame), witness), 0)
}

/// The smallest page: what begins on one is readable up to its end.
const PAGE_BYTES: u64 = 4096;

#[inline(always)]
fn read_segment(segment: &mut Segment, address: u64) {
    segment.address = address;
    segment.pad = 0;
    let data = (&raw mut segment.data).cast();
    let from = address as *const _;
    // SAFETY: the helper writes that many bytes or fails.
    segment.bytes = unsafe {
        if bpf_probe_read_user(data, SEGMENT_BYTES as u32, from) == 0 {
            SEGMENT_BYTES as u32
        } else {
            // They reach over the end of what is mapped.
            let on_page = (PAGE_BYTES - (address & (PAGE_BYTES - 1))) as u32;
            let bytes = if on_page < SEGMENT_BYTES as u32 {
                on_page
            } else {
                SEGMENT_BYTES as u32
            };
            if bpf_probe_read_user(data, bytes, from) == 0 {
                bytes
            } else {
                0
            }
        }
    };
}

const _: () = assert!(size_of::<StackEvent>() < 16 << 10);
