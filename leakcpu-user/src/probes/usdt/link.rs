//! The links between a program and places of a file, which aya does not make: it knows neither
//! counters of listeners nor links to several places.

use std::{
    ffi::CString,
    fs, io, mem,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use aya_obj::generated::{
    bpf_attach_type::{BPF_PERF_EVENT, BPF_TRACE_UPROBE_MULTI},
    bpf_attr, bpf_cmd, perf_event_attr,
};

use super::UsdtTarget;

/// Whose passing of a place counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every process that maps the file, now or later.
    Everyone,
    /// This process. A child that it forks may pay for the breakpoint, and is not heard.
    Process(u32),
}

/// Type of the events of places in files.
const PMU_TYPE: &str = "/sys/bus/event_source/devices/uprobe/type";

/// By how much the counter's offset is shifted in such an event's `config`
/// (`/sys/bus/event_source/devices/uprobe/format/ref_ctr_offset`).
const SEMAPHORE_SHIFT: u32 = 32;

/// `_IO('$', 0)` and `_IOW('$', 8, __u32)` (`include/uapi/linux/perf_event.h`).
const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;

/// The event leads no group and is in none.
const NO_GROUP: i32 = -1;
/// `include/uapi/linux/perf_event.h`.
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// Runs a program at all these places of a file, each marked with its index (6.6).
pub(super) fn multi(
    program: BorrowedFd<'_>,
    file: &Path,
    targets: &[UsdtTarget],
    indices: &[u32],
    scope: Scope,
) -> io::Result<OwnedFd> {
    let path = path(file)?;
    let offsets: Vec<u64> = targets.iter().map(|target| target.offset).collect();
    let semaphores = targets.iter().map(|target| target.semaphore.unwrap_or(0));
    let semaphores: Vec<u64> = semaphores.collect();
    let cookies: Vec<u64> = indices.iter().copied().map(u64::from).collect();
    // SAFETY: all zeroes is a value of every member of the union.
    let mut attr: bpf_attr = unsafe { mem::zeroed() };
    // SAFETY: `link_create` is the member that the command reads.
    let create = unsafe { &mut attr.link_create };
    create.__bindgen_anon_1.prog_fd = program.as_raw_fd().cast_unsigned();
    create.attach_type = BPF_TRACE_UPROBE_MULTI as u32;
    // SAFETY: as above.
    let places = unsafe { &mut create.__bindgen_anon_3.uprobe_multi };
    places.path = path.as_ptr() as u64;
    places.offsets = offsets.as_ptr() as u64;
    places.ref_ctr_offsets = semaphores.as_ptr() as u64;
    places.cookies = cookies.as_ptr() as u64;
    places.cnt = u32::try_from(targets.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    if let Scope::Process(pid) = scope {
        places.pid = pid;
    }
    bpf(bpf_cmd::BPF_LINK_CREATE, &attr)
}

/// Runs a program at one place: the event, and the link if the kernel has one for it. The
/// link goes first.
pub(super) fn event(
    program: BorrowedFd<'_>,
    file: &Path,
    target: &UsdtTarget,
    cookie: Option<u64>,
    scope: Scope,
) -> io::Result<Vec<OwnedFd>> {
    let event = open_event(file, target, scope)?;
    let Some(cookie) = cookie else {
        let program = libc::c_ulong::try_from(program.as_raw_fd()).unwrap_or_default();
        ioctl(&event, PERF_EVENT_IOC_SET_BPF, program)?;
        ioctl(&event, PERF_EVENT_IOC_ENABLE, 0)?;
        return Ok(vec![event]);
    };
    // SAFETY: all zeroes is a value of every member of the union.
    let mut attr: bpf_attr = unsafe { mem::zeroed() };
    // SAFETY: `link_create` is the member that the command reads.
    let create = unsafe { &mut attr.link_create };
    create.__bindgen_anon_1.prog_fd = program.as_raw_fd().cast_unsigned();
    create.__bindgen_anon_2.target_fd = event.as_raw_fd().cast_unsigned();
    create.attach_type = BPF_PERF_EVENT as u32;
    create.__bindgen_anon_3.perf_event.bpf_cookie = cookie;
    let link = bpf(bpf_cmd::BPF_LINK_CREATE, &attr)?;
    ioctl(&event, PERF_EVENT_IOC_ENABLE, 0)?;
    Ok(vec![link, event])
}

fn open_event(file: &Path, target: &UsdtTarget, scope: Scope) -> io::Result<OwnedFd> {
    let path = path(file)?;
    // SAFETY: all zeroes is a value of it.
    let mut attr: perf_event_attr = unsafe { mem::zeroed() };
    attr.size = u32::try_from(size_of::<perf_event_attr>()).unwrap_or_default();
    attr.type_ = fs::read_to_string(PMU_TYPE)?
        .trim()
        .parse()
        .map_err(|_| io::ErrorKind::InvalidData)?;
    let semaphore = u32::try_from(target.semaphore.unwrap_or(0));
    attr.config = u64::from(semaphore.map_err(|_| io::ErrorKind::InvalidInput)?) << SEMAPHORE_SHIFT;
    attr.__bindgen_anon_3.uprobe_path = path.as_ptr() as u64;
    attr.__bindgen_anon_4.probe_offset = target.offset;
    // It is of one process wherever it runs, or of one CPU, and then of all.
    let (pid, cpu) = match scope {
        Scope::Everyone => (-1, 0),
        Scope::Process(pid) => (pid.cast_signed(), -1),
    };
    // SAFETY: the attributes and the path that they point to live until the call returns.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            pid,
            cpu,
            NO_GROUP,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    owned(fd)
}

fn ioctl(event: &OwnedFd, request: libc::c_ulong, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: both requests take an integer.
    let ret = unsafe { libc::ioctl(event.as_raw_fd(), request, argument) };
    if ret == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A bpf system call that gives a descriptor.
pub(super) fn bpf(command: bpf_cmd, attr: &bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: the caller has filled in the member that the command reads, and what it points
    // to lives.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_long,
            &raw const *attr,
            size_of::<bpf_attr>(),
        )
    };
    owned(fd)
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(fd) {
        // SAFETY: the kernel has just given it to us alone.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn path(file: &Path) -> io::Result<CString> {
    CString::new(file.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}
