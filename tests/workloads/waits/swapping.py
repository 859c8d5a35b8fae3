"""Memory that has been swapped out; somebody else has made sure that there is a swap device."""

import ctypes
import mmap
import os
import time

from .common import Skip, waits

SIZE = 4 << 20
PAGE = 4096
#: `include/uapi/asm-generic/mman-common.h`, 5.4.
MADV_PAGEOUT = 21
GROUPS = "/sys/fs/cgroup/memory"


def memory_group():
    """A memory control group (v1) that we are in, which whoever started us removes; the
    file that makes the kernel take back what it can."""
    group = "%s/pyobserve-swapping-%d" % (GROUPS, os.getpid())
    if not os.path.exists(GROUPS + "/memory.force_empty"):
        raise Skip("no memory control groups of version 1")
    os.mkdir(group)
    with open(group + "/cgroup.procs", "w") as procs:
        procs.write(str(os.getpid()))
    return group + "/memory.force_empty"


@waits(
    "swap",
    "touching pages that were swapped out",
    besides=["disk-write", "disk-read", "page-fault", "kernel-other", "sleep"],
)
def swapped_in(wait):
    pages = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    arguments = ctypes.c_void_p(address), ctypes.c_size_t(SIZE), MADV_PAGEOUT
    if madvise(*arguments) != 0:
        raise Skip("no MADV_PAGEOUT")
    take_back = memory_group()
    wait.ready()
    while True:
        for offset in range(0, SIZE, PAGE):
            pages[offset] = 1
        # That writes them; what has been written stays in memory until it is taken back.
        madvise(*arguments)
        time.sleep(0.05)
        with open(take_back, "w") as file:
            file.write("0")
        begun = wait.begin()
        for offset in range(0, SIZE, PAGE):
            pages[offset]  # here
        wait.end(begun)
