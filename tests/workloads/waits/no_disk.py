"""What looks like a wait for a disk."""

import fcntl
import mmap
import os
import time

from .common import waits
from .files import BLOCK, DISK, file_on_disk


@waits(None, "a file that is in the page cache", never=DISK)
def hot_read(wait):
    path = file_on_disk("hot")
    fd = os.open(path, os.O_RDONLY)
    wait.ready()
    while True:
        begun = wait.begin()
        os.pread(fd, BLOCK, 0)  # here
        wait.end(begun)
        time.sleep(0.001)


@waits(None, "a file that the kernel makes up", never=DISK)
def proc_read(wait):
    wait.ready()
    while True:
        begun = wait.begin()
        fd = os.open("/proc/self/maps", os.O_RDONLY)
        os.read(fd, 65536)  # here
        os.close(fd)
        wait.end(begun)
        time.sleep(0.001)


@waits(None, "page faults that need no disk", never=DISK)
def fresh_memory(wait):
    wait.ready()
    while True:
        begun = wait.begin()
        with mmap.mmap(-1, 1 << 20) as pages:
            for offset in range(0, 1 << 20, 4096):
                pages[offset] = 1  # here
        wait.end(begun)
        time.sleep(0.001)


@waits("kernel-other", "a device that sends nothing: /dev/kmsg at its end", never=DISK)
def device_read(wait):
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    try:
        while os.read(fd, 8192):
            pass
    except BlockingIOError:
        pass
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    wait.ready(file="/dev/kmsg")
    while True:
        begun = wait.begin()
        wait.for_ever(begun)
        os.read(fd, 8192)  # here
        # Somebody has written to it.
        wait.spans.pop()
        wait.end(begun)
