"""Memory that has been swapped out; somebody else has made sure that there is a swap device."""

import ctypes
import mmap
import time

from .common import Skip, waits

SIZE = 4 << 20
PAGE = 4096
#: `include/uapi/asm-generic/mman-common.h`, 5.4.
MADV_PAGEOUT = 21


@waits("swap", "touching pages that were swapped out", besides=["disk-write", "kernel-other", "sleep"])
def swapped_in(wait):
    pages = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    arguments = ctypes.c_void_p(address), ctypes.c_size_t(SIZE), MADV_PAGEOUT
    if madvise(*arguments) != 0:
        raise Skip("no MADV_PAGEOUT")
    wait.ready()
    while True:
        for offset in range(0, SIZE, PAGE):
            pages[offset] = 1
        # The first one writes them, the second lets go of what has been written.
        madvise(*arguments)
        time.sleep(0.05)
        madvise(*arguments)
        begun = wait.begin()
        for offset in range(0, SIZE, 16 * PAGE):
            pages[offset]  # here
        wait.end(begun)
